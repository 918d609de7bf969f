"""Integers that share one exponent, and the one rounding that makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Unpack

import numpy as np

from ..casting import decode, encode
from ..engine.outputs import own_code_dtype
from ..errors import RangeError
from ..format import exponent as floor_log2
from ..formats.fixed import Fixed
from .arguments import Array, Keywords, absmax, check_keywords, reals, whole, whole_number

BITS = (2, 32)
EXPONENT_BITS = (1, 5)  # so that every aligned sum and every product fits int64


@dataclass(frozen=True)
class Flex:
    """A Flexpoint format, flexN+M: value = code * 2**-exponent (arXiv 1711.02213, section 3).

    Parameters
    ----------
    bits : int, 2 to 32
        N, of a code in two's complement.
    exponent_bits : int, 1 to 5
        M; exponents are 0 to 2**M - 1, so a step is at most 1. The paper states no sign of the exponent:
        this is the range that Intel's test vectors show.

    >>> str(Flex()), str(Flex().element(14)), Flex().clamp(40)
    ('flex16+5', 'q1.14', 31)
    """

    bits: int = 16
    exponent_bits: int = 5

    def __post_init__(self) -> None:
        whole(self.bits, "bits", *BITS)
        whole(self.exponent_bits, "exponent_bits", *EXPONENT_BITS)

    def __str__(self) -> str:
        return f"flex{self.bits}+{self.exponent_bits}"

    def element(self, exponent: int) -> Fixed:
        """The fixed-point format of the codes under an exponent."""
        return Fixed(self.bits, exponent)

    def clamp(self, exponent: int) -> int:
        """The exponent nearest to `exponent` that there is."""
        return min(max(exponent, 0), (1 << self.exponent_bits) - 1)

    def exponent_of(self, absmax: Fraction | float) -> int:
        """The exponent that gives `absmax` all bits: bits - 2 - floor(log2 absmax), clamped.

        So do Intel's vectors begin (1 -> 2**-14, 0.4 -> 2**-16, infinity -> 1); 0 is taken for 1.

        >>> Flex().exponent_of(0.4), Flex().exponent_of(float("inf"))
        (16, 0)
        """
        if absmax == math.inf:
            return 0
        return self.clamp(self.bits - 2 - (floor_log2(Fraction(absmax)) if absmax else 0))

    def round(self, x: Any, exponent: int, frac: int = 0, **how: Unpack[Keywords]) -> FlexArray:
        """x * 2**-frac under an exponent, which is clamped: rounded once, then saturated."""
        kept = self.clamp(whole_number(exponent))
        wide = _encoded(x, Fixed(self.bits + 1, kept - frac), str(self), how)
        low, high = self.element(kept).span
        codes = np.asarray(wide.clip(low, high), own_code_dtype(self.element(kept)))
        return FlexArray(codes, kept, self, int(np.count_nonzero(codes != wide)))


class FlexArray(NamedTuple):
    """Codes that share an exponent.

    codes : integer array
        int8, int16 or int32, the narrowest that holds `flex.bits` bits.
    exponent : int
        One step is 2**-exponent.
    flex : Flex
    clipped : int
        How many elements saturated when the array was made.
    """

    codes: Array
    exponent: int
    flex: Flex = Flex()
    clipped: int = 0

    @property
    def format(self) -> str:
        """The format's name, such as 'flex16+5'."""
        return str(self.flex)

    @property
    def scale(self) -> float:
        """Real numbers a step."""
        return 2.0**-self.exponent

    @property
    def values(self) -> Array:
        """The values, exact: float32 up to 25 bits, else float64."""
        return np.asarray(decode(self.codes, self.flex.element(self.exponent)))

    @property
    def peak(self) -> int:
        """The largest magnitude of a code, Γ in the paper; that of -2**15 counts as 32768."""
        return max(-int(self.codes.min(initial=0)), int(self.codes.max(initial=0)))

    @property
    def overflowed(self) -> bool:
        """What Autoflex takes for overflow: the peak has reached the largest code (Algorithm 2)."""
        return self.peak >= (1 << (self.flex.bits - 1)) - 1


def quantize(
    x: Any, bits: int = 16, exponent_bits: int = 5, exponent: int | None = None, **how: Unpack[Keywords]
) -> FlexArray:
    """Real numbers as integers that share an exponent, in one shot.

    Parameters
    ----------
    x : array_like of real numbers, any shape
        float16/32/64, longdouble, integers, bool, ml_dtypes arrays. Taken as exact.
    bits, exponent_bits : int
        N and M of flexN+M, 2 to 32 and 1 to 5.
    exponent : int, optional
        Clamped to 0 ... 2**M - 1. If it is left out, the one that gives the largest magnitude all bits,
        as `Flex.exponent_of` says; bits - 2 where there is none, or only 0; 0 where there is an infinity.
    rounding, nan, seed, noise, random_bits, engine
        As in `numfmt.encode`. Intel's kernels round to nearest even, the default, and its writes from the
        host ``"toward_zero"``.

    Returns
    -------
    FlexArray
        `codes` of the shape of `x`. Numbers out of range saturate, and `clipped` counts them.

    Raises
    ------
    RangeError : NaN without ``nan=``
    TypeError : what is no real number
    ValueError : bits out of range

    Notes
    -----
    The largest magnitude itself may round up to 2**(bits - 1), and then saturates.

    Examples
    --------
    >>> a = quantize(np.float32([0.4, -0.1]))
    >>> a.codes, a.exponent, a.format
    (array([26214, -6554], dtype=int16), 16, 'flex16+5')
    >>> quantize([0.3, 100.0], exponent=14).values
    array([0.2999878, 1.999939 ], dtype=float32)
    """
    flex = Flex(bits, exponent_bits)
    return flex.round(x, flex.exponent_of(absmax(x)) if exponent is None else exponent, **how)


def _encoded(x: Any, wide: Fixed, name: str, how: Keywords) -> Array:
    """Codes one bit wider than those asked for, so that saturation shows: same grid, same rounding."""
    check_keywords(how)
    try:
        return np.asarray(encode(reals(x), wide, **how))
    except RangeError as error:
        raise RangeError(
            f"{error.count} of {error.total} elements are NaN, and {name} has no NaN; say with nan= what it "
            f"becomes, as in nan=0; first at {error.index}",
            error.count, error.total, error.index,
        ) from None  # fmt: skip
