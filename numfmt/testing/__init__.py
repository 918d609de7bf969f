"""What tests of numeric code need: assertions that name the first wrong bit and guess why, sweeps over all float32
patterns and over operands."""

from .assertions import assert_same_bits
from .correct_rounding import assert_correctly_rounded
from .ulps import assert_ulp

__all__ = ["assert_correctly_rounded", "assert_same_bits", "assert_ulp"]
