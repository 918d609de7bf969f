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
EXPONENT = np.uint64(0x7FF0000000000000)
ONE, HALF = 1.0, 0.5


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


def sum_aligned(a: Any, a_powers: Any, b: Any, b_powers: Any, total: Any, p: Any) -> None:
    """total + a b, in place, step by step.

    a, a_powers : (M, K); b, b_powers : (K, N); total : (M, N), all float64, K a multiple of the length
    p : the `AlignedParameters` as an array
    """
    length, scale, least, normal = int(p[0]), p[1], p[2], p[3]
    steps, lowest, largest = p[4], p[5], p[6]
    nearest, base, odd, neg, above, below = p[7] != 0, p[8], p[9], p[10], p[11], p[12]
    rows, columns = total.shape
    units, sums = np.empty(COLUMNS), np.empty(COLUMNS)
    for start in range(0, columns, COLUMNS):
        width = min(COLUMNS, columns - start)
        for k in range(0, a.shape[1], length):
            for i in range(rows):
                line = total[i, start : start + width]
                for j in range(width):
                    power = power_of_two(line[j])
                    power = words.select(power < np.inf, max(power, normal), 0.0)
                    units[j] = max(words.select(line[j] != 0, power, 0.0), least)
                for h in range(k, k + length):
                    power, right = a_powers[i, h], b_powers[h, start : start + width]
                    for j in range(width):
                        x = power * right[j]
                        units[j] = words.select(x > units[j], x, units[j])
                for j in range(width):
                    units[j] = scale / units[j]
                    sums[j] = whole(line[j] * units[j])
                for h in range(k, k + length):
                    x, right = a[i, h], b[h, start : start + width]
                    for j in range(width):
                        sums[j] += whole(x * right[j] * units[j])
                for j in range(width):
                    x = sums[j] / units[j]
                    size = abs(x)
                    power = max(power_of_two(size), lowest)
                    quotient = size / power * steps
                    count = whole(quotient)
                    rest = quotient - count
                    tie = (base + odd * (count - 2 * whole(count * HALF)) + neg * (x < 0)) % 2
                    up = rest > HALF or (rest == HALF and tie == ONE) if nearest else rest > 0 and tie == ONE
                    size = (count + up) / steps * power
                    y = words.select(x < 0, -size, size + 0.0)
                    past = words.select(x < 0, below, above)
                    y = words.select(size > largest, past, y)
                    line[j] = words.select(power < np.inf, y, x) + 0.0
