"""What tests of numeric code need: `assert_same_bits`, sweeps over all float32 patterns and over operands."""

from .assertions import assert_same_bits

__all__ = ["assert_same_bits"]
