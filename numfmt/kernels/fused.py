"""Aligned sums of products in float64, where nothing is rounded but by the unit itself.

An operand is its value and the power of two of its exponent, 0 where it is a zero or not finite: then it does
not enter the largest exponent, and the products carry infinities and NaN by themselves. A term divided by the
unit is exact, since the unit is a power of two; its whole part is cut; whole numbers below 2**53 add exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import words

COLUMNS = 64  # worked on side by side
TWICE_ONE = np.uint64(2 * 1023 << 52)  # 1 has the biased exponent 1023
EXPONENT = np.uint64(0x7FF0000000000000)
HALF, ONE, THREE = 0.5, 1.0, 3.0


class AlignedParameters(NamedTuple):
    """Numbers of one step and of the rounding of its result, all float64."""

    length: float
    scale: float  # 2**bits
    least: float  # the least power of two of a step
    normal: float  # the least power of two of the sum so far
    steps: float  # units of the last place in a power of two
    lowest: float  # the least power of two of the result
    largest: float
    nearest: float
    base: float
    odd: float
    neg: float
    above: float  # what lies past the largest
    below: float


def whole(x: Any) -> Any:
    """x without its fraction."""
    return np.trunc(x)


def power_of_two(x: Any) -> Any:
    """The power of two of |x|, 0 for zeros and subnormals, infinity for infinities and NaN."""
    return words.real(np.bitwise_and(words.word(x), EXPONENT))


def inverse(x: Any) -> Any:
    """1 / x of a power of two."""
    return words.real(np.subtract(TWICE_ONE, words.word(x)))


def grows(count: Any, negative: Any, base: Any, odd: Any, neg: Any) -> Any:
    """What the mode decides where it has a choice, as in `Rounding.grows`."""
    votes = base + odd * (count - 2 * whole(count * HALF)) + neg * negative
    return (votes == ONE) | (votes == THREE)


def sum_aligned(a: Any, a_powers: Any, b: Any, b_powers: Any, total: Any, p: Any) -> None:
    """total + a b, in place, step by step.

    a, a_powers : (M, K); b, b_powers : (K, N); total : (M, N), all float64, K a multiple of the length
    p : the `AlignedParameters` as an array
    """
    length, scale, least, normal = int(p[0]), p[1], p[2], p[3]
    steps, lowest, largest = p[4], p[5], p[6]
    nearest, base, odd, neg, above, below = p[7] != 0, p[8], p[9], p[10], p[11], p[12]
    units, scales, sums = np.empty(COLUMNS), np.empty(COLUMNS), np.empty(COLUMNS)
    each, step, cut = ONE / scale, ONE / steps, HALF * nearest
    for start in range(0, total.shape[1], COLUMNS):
        width = min(COLUMNS, total.shape[1] - start)
        for k in range(0, a.shape[1], length):
            for i in range(total.shape[0]):
                line = total[i, start : start + width]
                for j in range(width):  # the largest power of two
                    power = power_of_two(line[j])
                    power = words.select(power < np.inf, max(power, normal), 0.0)
                    units[j] = max(words.select(line[j] != 0, power, 0.0), least)
                for h in range(k, k + length):
                    power, right = a_powers[i, h], b_powers[h, start : start + width]
                    for j in range(width):
                        x = power * right[j]
                        units[j] = words.select(x > units[j], x, units[j])
                for j in range(width):  # whole units of 2**-bits of it
                    scales[j] = scale * inverse(units[j])
                    sums[j] = whole(line[j] * scales[j])
                for h in range(k, k + length):
                    x, right = a[i, h], b[h, start : start + width]
                    for j in range(width):
                        sums[j] += whole(x * right[j] * scales[j])
                for j in range(width):  # rounded to the format of the result
                    x = sums[j] * (units[j] * each)
                    size = abs(x)
                    power = max(power_of_two(size), lowest)
                    quotient = size * inverse(power) * steps
                    count = whole(quotient)
                    rest, free = quotient - count, grows(count, x < 0, base, odd, neg)
                    up = ((rest > cut) & (nearest | free)) | ((rest == HALF) & nearest & free)
                    size = (count + up) * step * power
                    y = words.select(x < 0, -size, size)
                    y = words.select(size > largest, words.select(x < 0, below, above), y)
                    line[j] = words.select(power < np.inf, y, x) + 0.0
