"""The integer operations that gemmlowp is made of: high products and rounding shifts.

Definitions in int64, from fixedpoint/fixedpoint.h of gemmlowp. They take int32 or int16; lists and
plain integers are int32. NEON's variants are named after its instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import integers, raw, raw_pair

BELOW_HALF = np.nextafter(0.5, 0.0)  # with a half itself the sum of its lower neighbour would round to 1

# The definitions, on int64 arrays and scalars that hold numbers of `bits` bits


def high_mul(a: Any, b: Any, bits: int = 32) -> Any:
    """floor((2 a b + 2**(bits - 1)) / 2**bits): ties upwards. Only INT_MIN**2 has to be saturated."""
    product = (a * b + (1 << (bits - 2))) >> (bits - 1)
    return np.minimum(product, (1 << (bits - 1)) - 1)


def shifted_away(x: Any, exponent: Any) -> Any:
    """x / 2**exponent to the nearest integer, ties away from zero."""
    mask = (np.int64(1) << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def shifted_up(x: Any, exponent: Any) -> Any:
    """x / 2**exponent to the nearest integer, ties upwards."""
    return (x + ((np.int64(1) << exponent) >> 1)) >> exponent


def scaled_by_pot(x: Any, exponent: Any, bits: int = 32) -> Any:
    """x * 2**exponent, saturated to the left, rounded away from zero at ties to the right."""
    left, right = np.maximum(exponent, 0), np.maximum(np.negative(exponent), 0)
    most = (1 << (bits - 1)) - 1
    return shifted_away(np.clip(x << left, -most - 1, most), right)


def nearest_away(t: Any) -> Any:
    """The integer nearest to a float64, ties away from zero."""
    return np.trunc(t + np.copysign(BELOW_HALF, t))


# What is public


def saturating_rounding_doubling_high_mul(a: Any, b: Any) -> Any:
    """The high half of 2 a b, rounded: floor((a b + 2**30) / 2**31), for int16 2**14 and 2**15.

    gemmlowp's SaturatingRoundingDoublingHighMul, NEON's vqrdmulh, bit for bit: ties go towards
    +infinity, (INT_MIN, INT_MIN) gives INT_MAX.

    Parameters
    ----------
    a, b : int32 or int16, any shapes that broadcast; integers and lists are int32

    Returns
    -------
    ndarray or scalar, of the dtype of the operands

    Raises
    ------
    TypeError : floats, other dtypes, an int16 and an int32
    ValueError : an integer that the dtype does not hold

    >>> saturating_rounding_doubling_high_mul([3, -3, -(2**31)], [2**30, 2**30, -(2**31)])
    array([         2,         -1, 2147483647], dtype=int32)
    """
    x, y, dtype = raw_pair(a, b)
    return high_mul(x, y, 8 * dtype.itemsize).astype(dtype)[()]


def rounding_divide_by_pot(x: Any, exponent: Any) -> Any:
    """x / 2**exponent to the nearest integer, ties away from zero: gemmlowp's RoundingDivideByPOT.

    Parameters
    ----------
    x : int32 or int16, any shape
    exponent : int or integers that broadcast with x, 0 to 31 (15 for int16)

    Returns
    -------
    ndarray or scalar, of the dtype of `x`

    Raises
    ------
    TypeError : no integers
    ValueError : an exponent outside its range, for which the library is undefined

    >>> rounding_divide_by_pot([-6, -5, -2, 2, 5, 6], 2)
    array([-2, -1, -1,  1,  1,  2], dtype=int32)
    """
    number, dtype = raw(x)
    e = integers(exponent, "exponent", (0, 8 * dtype.itemsize - 1))
    return shifted_away(number, e).astype(dtype)[()]


def saturating_rounding_multiply_by_pot(x: Any, exponent: Any) -> Any:
    """x * 2**exponent: saturated for positive exponents, as `rounding_divide_by_pot` for negative ones.

    gemmlowp's SaturatingRoundingMultiplyByPOT<exponent>, and Rescale.

    Parameters
    ----------
    x : int32 or int16, any shape
    exponent : int or integers that broadcast with x, -31 to 31 (15 for int16)

    >>> saturating_rounding_multiply_by_pot([3, -3, 2**30], [1, -1, 1])
    array([         6,         -2, 2147483647], dtype=int32)
    """
    number, dtype = raw(x)
    bits = 8 * dtype.itemsize
    e = integers(exponent, "exponent", (1 - bits, bits - 1))
    return scaled_by_pot(number, e, bits).astype(dtype)[()]


def rounding_half_sum(a: Any, b: Any) -> Any:
    """(a + b) / 2 to the nearest integer, ties away from zero: gemmlowp's scalar RoundingHalfSum.

    Parameters
    ----------
    a, b : int32 or int16, any shapes that broadcast

    >>> rounding_half_sum([0, 0, 3], [1, -1, 4])
    array([ 1, -1,  4], dtype=int32)
    """
    x, y, dtype = raw_pair(a, b)
    return shifted_away(x + y, 1).astype(dtype)[()]


def vrhadd(a: Any, b: Any) -> Any:
    """(a + b + 1) >> 1: NEON's halving add, which gemmlowp uses there for `rounding_half_sum`.

    It differs for odd negative sums, whose ties go upwards. From the source; not run on Arm.

    Parameters
    ----------
    a, b : int32 or int16, any shapes that broadcast

    >>> vrhadd([0, 0], [1, -1])
    array([1, 0], dtype=int32)
    """
    x, y, dtype = raw_pair(a, b)
    return shifted_up(x + y, 1).astype(dtype)[()]


def vrshl(x: Any, shift: Any) -> Any:
    """NEON's rounding shift: x << shift, which wraps; for negative shifts (x + 2**(-shift - 1)) >> -shift.

    Ties go upwards where `rounding_divide_by_pot` sends them away from zero. From the source; not
    run on Arm.

    Parameters
    ----------
    x : int32 or int16, any shape
    shift : int or integers that broadcast with x, -31 to 31 (15 for int16)

    >>> vrshl([-6, -5, -2, 2, 5, 6], -2)
    array([-1, -1,  0,  1,  1,  2], dtype=int32)
    """
    number, dtype = raw(x)
    bits = 8 * dtype.itemsize
    e = integers(shift, "shift", (1 - bits, bits - 1))
    return shifted_up(number << np.maximum(e, 0), np.maximum(-e, 0)).astype(dtype)[()]
