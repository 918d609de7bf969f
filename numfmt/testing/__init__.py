"""What tests of numeric code need: `assert_same_bits`, and a sweep over all float32 patterns."""

from .assertions import assert_same_bits

__all__ = ["assert_same_bits"]
