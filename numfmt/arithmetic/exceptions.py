"""The five exceptions of IEEE 754-2019, clause 7, as bits in the order of Berkeley TestFloat."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine.run import float_at, ordinal_of
from ..errors import RangeError
from ..format import Format, Value, is_special
from ..kernels.odd import DIVIDE_BY_ZERO, INEXACT, INVALID, OVERFLOW, UNDERFLOW
from ..reference import Policy, encode

Array = np.ndarray[Any, Any]
NAMES = {
    "inexact": INEXACT, "underflow": UNDERFLOW, "overflow": OVERFLOW, "divide_by_zero": DIVIDE_BY_ZERO,
    "invalid": INVALID,
}  # fmt: skip
TININESS = ("after", "before")
MOST_NOISE = 0xFFFFFFFF


def overflows(x: Value, fmt: Format, policy: Policy, noise: int) -> bool:
    """Whether a finite x, rounded with unbounded exponent, exceeds the largest value (7.4)."""
    if is_special(x):
        return False
    try:
        encode(x, fmt, policy._replace(overflow="raise"), noise)
    except RangeError:
        return True
    return False


def is_tiny(x: Value, fmt: Format, policy: Policy, noise: int, tininess: str) -> bool:
    """Whether x lies strictly between 0 and the least normal numbers: as it is ("before"), or once it is rounded
    with unbounded exponent ("after", 7.5). The latter is what twice x shows, which has all its bits."""
    if is_special(x):
        return False
    size = abs(Fraction(x))
    if not 0 < size < fmt.min_normal:
        return False
    if tininess == "before" or 2 * size < fmt.min_normal:
        return True
    twice = fmt.value(encode(2 * Fraction(x), fmt, policy._replace(overflow="saturate"), noise))
    return abs(Fraction(twice)) < 2 * fmt.min_normal


def of_finite(x: Value, code: int, fmt: Format, policy: Policy, noise: int, tininess: str) -> int:
    """The exceptions of an exact result that is delivered as a code; 0 where it is NaN or infinite."""
    if is_special(x):
        return 0
    over = overflows(x, fmt, policy, noise)
    inexact = over or fmt.value(code) != x
    tiny = inexact and is_tiny(x, fmt, policy, noise, tininess)
    return INEXACT * inexact | UNDERFLOW * tiny | OVERFLOW * over


def of_special(x: float, operands: tuple[Value, ...]) -> int:
    """Of a result that is exactly NaN or infinite: invalid where no operand is NaN, or where a product of infinity
    and 0 is (7.2); divide by zero where all are finite (7.3)."""
    if math.isnan(x):
        return INVALID * (not any(y != y for y in operands) or _is_infinity_times_zero(operands))
    return DIVIDE_BY_ZERO * (not any(map(is_special, operands)))


def _is_infinity_times_zero(operands: tuple[Value, ...]) -> bool:
    """Of fma, beside a NaN that is added."""
    return len(operands) == 3 and any(
        a == 0 and abs(b) == math.inf for a, b in (operands[:2], operands[1::-1])
    )


class Ends(NamedTuple):
    """Float64 numbers: those up to `low` and from `high` on overflow, those between `tiny_low` and `tiny_high`
    are tiny."""

    low: float
    high: float
    tiny_low: float
    tiny_high: float


@lru_cache(maxsize=256)
def ends(fmt: Format, policy: Policy, tininess: str, noise: int = 0) -> Ends:
    """Each by bisection over all float64, as the reference says."""

    def first(says: Any, side: int) -> float:
        """The number nearest to 0 on one side that it says so of."""
        low, high = ordinal_of(0.0), ordinal_of(math.inf)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if says(Fraction(side * float_at(middle))) else (middle, high)
        return side * float_at(high)

    return Ends(*(
        first(says, side)
        for says in (
            lambda x: overflows(x, fmt, policy, noise),
            lambda x: not is_tiny(x, fmt, policy, noise, tininess),
        )
        for side in (-1, 1)
    ))  # fmt: skip
