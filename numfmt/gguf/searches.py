"""How the reference finds the scales of blocks, in float32, sums in the order of elements.

Arrays are (elements, blocks): what stands in one line is done for all blocks at once, and each sum is an
explicit loop over elements. Names in parentheses are those of functions of ggml-quants.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
F = np.float32
LEAST = F(1e-15)  # blocks of smaller magnitudes count as zero (GROUP_MAX_EPS)
_SHIFT = F(12582912)  # 1.5 * 2**23: the low bits of a sum with it are an integer


def nearest(v: Array) -> Array:
    """The nearest integers, ties to even, int32 (nearest_int): for magnitudes below 2**22. Beyond, and for
    NaN, what the low bits of the sum happen to be, as there."""
    return ((v + _SHIFT).view(np.int32) & 0x7FFFFF) - 0x400000


def levels(v: Array, low: int, high: int) -> Array:
    """`nearest` between two integers, as float32."""
    return np.clip(nearest(v), low, high).astype(F)


def total(terms: Array) -> Array:
    """The sum over elements, first to last."""
    result = np.zeros(terms.shape[1:], F)
    for term in terms:
        result += term
    return result


def peak(x: Array, axis: int = 0) -> Array:
    """The first of the numbers of largest magnitude, NaN left out; 0 where there is none. Keeps the axis."""
    sizes = np.fmax(np.abs(x), F(0))
    at = sizes.argmax(axis=axis, keepdims=True)
    found = np.take_along_axis(x, at, axis)
    return np.where(np.take_along_axis(sizes, at, axis) > 0, found, F(0))


class Fit(NamedTuple):
    """codes (elements, blocks) float32, and for each block a scale, and a minimum where there is one."""

    codes: Array
    scale: Array
    low: Array


def fit_signed(x: Array, half: int) -> Fit:
    """Codes 0 ... 2 * half - 1 that stand for -half ... half - 1; weights x**2 (make_qx_quants).

    The largest magnitude goes to -half, then to a little less or more, in 18 trials; the best ratio
    of squares wins. A block of zeros has codes 0 and scale 0.
    """
    top, weights = peak(x)[0], x * x
    moments = weights * x
    steps = levels(F(-half) / top * x, -half, half - 1)
    products, squares = total(moments * steps), total(weights * steps * steps)
    scale = np.where(squares != 0, products / squares, F(0))
    best = scale * products
    for trial in [*range(-9, 0), *range(1, 10)]:
        given = levels(-(F(half) + F(0.1) * F(trial)) / top * x, -half, half - 1)
        products, squares = total(moments * given), total(weights * given * given)
        better = (squares > 0) & (products * products > best * squares)
        steps = np.where(better, given, steps)
        scale = np.where(better, products / squares, scale)
        best = np.where(better, scale * products, best)
    zero = np.abs(top) < LEAST
    return Fit(np.where(zero, F(0), steps + F(half)), np.where(zero, F(0), scale), np.zeros_like(scale))


def fit_one_by_one(x: Array, half: int) -> Fit:
    """As `fit_signed`, but from the first guess each code in turn is moved where that makes the ratio of
    squares better, in up to five passes (make_q3_quants)."""
    top, weights = peak(x)[0], x * x
    moments = weights * x
    steps = levels(F(-half) / top * x, -half, half - 1)
    products, squares = total(moments * steps), total(weights * steps * steps)
    for _ in range(5):
        for i, (w, m, number) in enumerate(zip(weights, moments, x, strict=True)):
            rest, others = products - m * steps[i], squares - w * steps[i] * steps[i]
            given = levels(number * others / rest, -half, half - 1)
            moved = (rest > 0) & (given != steps[i])
            rest, others = rest + m * given, others + w * given * given
            moved &= (others > 0) & (rest * rest * squares > products * products * others)
            steps[i] = np.where(moved, given, steps[i])
            products, squares = np.where(moved, rest, products), np.where(moved, others, squares)
    zero = np.abs(top) < LEAST
    scale = np.where(squares > 0, products / squares, F(0))
    return Fit(np.where(zero, F(0), steps + F(half)), np.where(zero, F(0), scale), np.zeros_like(scale))


def fit_from_minimum(
    x: Array, top: int, weights: Array, first: float, step: float, last: int, size: Callable[[Array], Array]
) -> Fit:
    """Codes 0 ... top above a minimum of at most 0 (make_qkx2_quants).

    Ranges of a little more and less than `top` steps are tried, `last + 1` of them; each gives codes,
    and weighted least squares gives the scale and the minimum for them. The least weighted sum of `size`
    of the errors wins. A better trial's minimum is that of the later trials too.
    """
    low, high = np.minimum(x.min(axis=0), F(0)), x.max(axis=0)
    sum_w, sum_x = total(weights), total(weights * x)
    factor = F(top) / (high - low)
    scale = F(1) / factor
    codes = levels(factor * (x - low), 0, top)
    best = total(weights * size(scale * codes + low - x))
    for trial in range(last + 1):
        factor = ((F(first) + F(step) * F(trial)) + F(top)) / (high - low)
        given = levels(factor * (x - low), 0, top)
        weighted = weights * given
        sum_l, sum_l2, sum_xl = total(weighted), total(weighted * given), total(weighted * x)
        determinant = sum_w * sum_l2 - sum_l * sum_l
        slope = (sum_w * sum_xl - sum_x * sum_l) / determinant
        start = (sum_l2 * sum_x - sum_l * sum_xl) / determinant
        slope = np.where(start > 0, sum_xl / sum_l2, slope)
        start = np.where(start > 0, F(0), start)
        error = total(weights * size(slope * given + start - x))
        better = (determinant > 0) & (error < best)
        codes = np.where(better, given, codes)
        scale, low, best = (
            np.where(better, new, old) for new, old in ((slope, scale), (start, low), (error, best))
        )
    return Fit(codes, scale, -low)
