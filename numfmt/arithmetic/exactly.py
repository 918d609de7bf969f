"""Operations on exact values: what IEEE 754-2019, clauses 5.4.1 and 6.1 to 6.3, say before anything is rounded.

A value is a `Fraction`, or a float for -0.0, infinities and NaN, as everywhere in the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ..format import Value, is_special
from ..reference import is_negative

ROOT_BITS = 512  # of a root that is no rational number; a last bit of 1 stands for all that follow


def add(x: Value, y: Value, zero: float = 0.0) -> Value:
    """`zero`: the sum of opposite numbers, -0.0 when rounding toward negative."""
    if is_special(x) or is_special(y):
        return _of_classes(np.add, x, y)
    total = Fraction(x) + Fraction(y)
    if total:
        return total
    if x == 0 and y == 0 and is_negative(x) == is_negative(y):
        return x
    return zero if math.copysign(1, zero) < 0 else Fraction(0)


def sub(x: Value, y: Value, zero: float = 0.0) -> Value:
    return add(x, negated(y), zero)


def mul(x: Value, y: Value, zero: float = 0.0) -> Value:
    if is_special(x) or is_special(y) or 0 in (x, y):
        return _of_classes(np.multiply, x, y)
    return Fraction(x) * Fraction(y)


def div(x: Value, y: Value, zero: float = 0.0) -> Value:
    if is_special(x) or is_special(y) or 0 in (x, y):
        return _of_classes(np.divide, x, y)
    return Fraction(x) / Fraction(y)


def sqrt(x: Value, zero: float = 0.0) -> Value:
    """A root of `ROOT_BITS` bits, rounded to odd where it has more."""
    if is_special(x) or x <= 0:
        return _of_classes(np.sqrt, x)
    x = Fraction(x)
    shift = max(ROOT_BITS - (x.numerator.bit_length() - x.denominator.bit_length()) // 2, 0)
    whole = math.isqrt((x.numerator << (2 * shift)) // x.denominator)
    root = Fraction(whole, 1 << shift)
    return root if root * root == x else Fraction(whole | 1, 1 << shift)


def fma(x: Value, y: Value, z: Value, zero: float = 0.0) -> Value:
    """x * y + z."""
    return add(mul(x, y), z, zero)


def remainder(x: Value, y: Value, zero: float = 0.0) -> Value:
    """x - y * n for the integer n nearest to x / y, even on a tie (5.3.1)."""
    if is_special(x) or is_special(y) or y == 0:
        return x if isinstance(y, float) and math.isinf(y) and not is_special(x) else math.nan
    rest = Fraction(x) - Fraction(y) * round(Fraction(x) / Fraction(y))
    return rest or (-0.0 if is_negative(x) else Fraction(0))


def identity(x: Value, zero: float = 0.0) -> Value:
    return x


def negated(x: Value) -> Value:
    return -0.0 if isinstance(x, Fraction) and not x else Fraction(0) if _is_minus_zero(x) else -x


def _is_minus_zero(x: Value) -> bool:
    return isinstance(x, float) and x == 0


def _of_classes(ufunc: Callable[..., object], *values: Value) -> Value:
    """The result where one operand is NaN, infinite or 0, or a root negative: numbers count by their signs."""
    stand_ins = [np.float64(v if is_special(v) or v == 0 else -1 if is_negative(v) else 1) for v in values]
    with np.errstate(all="ignore"):
        found = float(ufunc(*stand_ins))  # type: ignore[arg-type]
    if found != found:
        return math.nan
    return Fraction(0) if found == 0 and math.copysign(1, found) > 0 else found
