"""Affine quantization: float32 to integers that share a scale and a zero point, and back.

Each step is one float32 operation, in the order written; nothing branches on data. The loops run
over rows, contiguous pieces of an array: of a row that shares one scale, or of a row along which the
scales vary ("columns").
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .odd import odd_sum
from .words import and_, put, select, umax, word

ZERO = np.float32(0.0)
# the float32 below 1/2: added to a number just below a tie it cannot reach the next integer
BELOW_HALF = np.nextafter(np.float32(0.5), np.float32(0.0))
MAGNITUDE = np.uint32(0x7FFFFFFF)
WIDTH = 4096  # scales that stay in the first-level cache while a band of lines goes by

# what a profile chooses, as bits
DIVIDE = 1  # x / scale; else x * reciprocal
AWAY = 2  # ties away from zero; else to even
QUOTIENT = 4  # values are divided by the reciprocal; else multiplied by the scale
FUSED = 8  # x * reciprocal + zero point, rounded once


class Parameters(NamedTuple):
    """Of one scale: what x is divided by or multiplied with, a step's worth, and the zero point in
    its two places, before and after rounding, of which one is 0."""

    factor: Any
    unit: Any
    before: Any
    after: Any


class Bounds(NamedTuple):
    """Of a whole call: the first and the last code, the magnitude beyond which the library's
    conversion to an integer gives the first code, and the code of NaN."""

    low: Any
    high: Any
    limit: Any
    nan: Any


class Geometry(NamedTuple):
    """Where rows lie and which scale is theirs, in elements, or in lines of `inner`; see `row_of`."""

    groups: int
    n: int
    size: int
    period: int
    step_outer: int
    step_group: int
    inner: int


class Place(NamedTuple):
    """Of a row that shares one scale."""

    outer: Any
    group: Any
    phase: Any


def single(x: Any) -> Any:
    """A number rounded to float32."""
    return x.astype(np.float32)


def integer(x: Any, like: Any) -> Any:
    """An integral float as an integer, of the dtype of `like`."""
    return x.astype(like.dtype)


def fused(x: Any, factor: Any, c: Any) -> Any:
    """fl32(x * factor + c); the product is exact in float64."""
    return single(odd_sum(np.multiply(x, factor, dtype=np.float64), np.float64(1) * c))


def scaled(x: Any, p: Any, how: Any) -> Any:
    """x in steps, with the zero point where it enters before rounding."""
    if how & FUSED:
        return fused(x, p.factor, p.before)
    t = x / p.factor if how & DIVIDE else x * p.factor
    return t + p.before


def rounded(t: Any, how: Any) -> Any:
    """To the nearest integer."""
    return np.trunc(t + np.copysign(BELOW_HALF, t)) if how & AWAY else np.rint(t)


def clamped(r: Any, p: Any, b: Any) -> Any:
    """Between the bounds, less the zero point that comes after; by selections, so that NaN is told."""
    low = b.low - p.after
    high = b.high - p.after
    nan = b.nan - p.after
    finite = select(r > b.limit, low, r)
    finite = select(finite > low, finite, low)
    finite = select(finite < high, finite, high)
    return select(r != r, nan, finite)


def code_of(x: Any, p: Any, b: Any, how: Any) -> Any:
    """The code of x, as a float."""
    return clamped(rounded(scaled(x, p, how), how), p, b) + p.after


def value_of(x: Any, p: Any, b: Any, how: Any) -> Any:
    """The value of the code of x. Codes have one zero: -0 becomes +0."""
    r = clamped(rounded(scaled(x, p, how), how), p, b)
    return real_of((r + ZERO) - p.before, p, how)


def real_of(steps: Any, p: Any, how: Any) -> Any:
    """What so many steps from the zero point are worth."""
    return steps / p.unit if how & QUOTIENT else steps * p.unit


def decoded(code: Any, p: Any, how: Any) -> Any:
    """The value of a code."""
    return real_of(code - (p.before + p.after), p, how)


def delivered(a: Any, result: Any, p: Any, b: Any, how: Any) -> Any:
    """What element `a` becomes in `result`: the value of a code, the code of a number, or its value."""
    if a.dtype.kind in "iu":
        return decoded(single(a), p, how)
    if result.dtype.kind in "iu":
        return integer(code_of(single(a), p, b, how), result)
    return value_of(single(a), p, b, how)


def seen(peak: Any, a: Any) -> Any:
    """The larger of `peak` and the magnitude word of a number; codes leave it as it is."""
    return peak if a.dtype.kind in "iu" else umax(peak, and_(word(single(a)), MAGNITUDE))


# The loops: rows `first ... last - 1` of `x` to `out`, whose element 0 is element `base`. They return
# the largest magnitude word they met, by which NaN is seen. Scales `p`: a line of what x is divided by
# or multiplied with, and one of a step's worth where that differs. Zero points `z`: None where each
# is 0, else a line of those that enter before rounding and one of those after.


def row_at(row: Any, g: Any) -> Any:
    """The place of a row: its outer index, its group, and which turn of the scales it is in."""
    outer = row // g.groups
    return Place(outer, row - outer * g.groups, outer % g.period)


def row_after(at: Any, g: Any) -> Any:
    """The place of the next row, without a division."""
    last = at.group + 1 == g.groups
    phase = 0 if at.phase + 1 == g.period else at.phase + 1
    return Place(at.outer + last, 0 if last else at.group + 1, phase if last else at.phase)


def row_of(at: Any, g: Any) -> Any:
    """(start, stop, scale) of a row that shares one scale; for columns a band of lines that share
    a line of scales, and the numbers of these."""
    start = at.group * g.size
    base = at.outer * g.n
    return base + start, base + min(start + g.size, g.n), at.phase * g.step_outer + at.group * g.step_group


def geometry(g: Any) -> Geometry:
    return Geometry(g[0], g[1], g[2], g[3], g[4], g[5], g[6])


def bounds(b: Any) -> Bounds:
    return Bounds(b[0], b[1], b[2], b[3])


def zeros_between(z: Any, start: Any, stop: Any) -> Any:
    """Both lines of zero points of some scales, or None."""
    return None if z is None else (z[0, start:stop], z[1, start:stop])


def zeros_at(z: Any, i: Any) -> Any:
    """What enters before rounding and after, of one of them."""
    return (ZERO, ZERO) if z is None else (z[0][i], z[1][i])


def rows(x: Any, out: Any, p: Any, z: Any, b: Any, g: Any, how: Any, first: Any, last: Any, base: Any) -> Any:
    shape, limits = geometry(g), bounds(b)
    peak = np.uint32(0)
    at = row_at(first, shape)
    for _ in range(first, last):
        start, stop, scale = row_of(at, shape)
        at = row_after(at, shape)
        given, result = x[start:stop], out[start - base : stop - base]
        before, after = zeros_at(z, scale)
        q = Parameters(p[0, scale], p[-1, scale], before, after)
        for i in range(given.size):
            a = given[i]
            put(result, i, delivered(a, result, q, limits, how))
            peak = seen(peak, a)
    return peak


def columns(
    x: Any, out: Any, p: Any, z: Any, b: Any, g: Any, how: Any, first: Any, last: Any, base: Any
) -> Any:
    shape, limits = geometry(g), bounds(b)
    peak = np.uint32(0)
    at = row_at(first, shape)
    for _ in range(first, last):
        top, bottom, scale = row_of(at, shape)
        at = row_after(at, shape)
        for left in range(0, shape.inner, WIDTH):
            right = min(left + WIDTH, shape.inner)
            c, d = scale * shape.inner + left, scale * shape.inner + right
            factor, unit, zeros = p[0, c:d], p[-1, c:d], zeros_between(z, c, d)
            for row in range(top, bottom):
                start, stop = row * shape.inner + left, row * shape.inner + right
                given, result = x[start:stop], out[start - base : stop - base]
                for i in range(given.size):
                    a = given[i]
                    before, after = zeros_at(zeros, i)
                    q = Parameters(factor[i], unit[i], before, after)
                    put(result, i, delivered(a, result, q, limits, how))
                    peak = seen(peak, a)
    return peak


# In place: over one array, for the loops above are not vectorised where x is out. Whether some x is
# NaN is known before.


def rows_in_place(x: Any, p: Any, z: Any, b: Any, g: Any, how: Any, first: Any, last: Any) -> None:
    shape, limits = geometry(g), bounds(b)
    at = row_at(first, shape)
    for _ in range(first, last):
        start, stop, scale = row_of(at, shape)
        at = row_after(at, shape)
        given = x[start:stop]
        before, after = zeros_at(z, scale)
        q = Parameters(p[0, scale], p[-1, scale], before, after)
        for i in range(given.size):
            put(given, i, delivered(given[i], given, q, limits, how))


def columns_in_place(x: Any, p: Any, z: Any, b: Any, g: Any, how: Any, first: Any, last: Any) -> None:
    shape, limits = geometry(g), bounds(b)
    at = row_at(first, shape)
    for _ in range(first, last):
        top, bottom, scale = row_of(at, shape)
        at = row_after(at, shape)
        for left in range(0, shape.inner, WIDTH):
            right = min(left + WIDTH, shape.inner)
            c, d = scale * shape.inner + left, scale * shape.inner + right
            factor, unit, zeros = p[0, c:d], p[-1, c:d], zeros_between(z, c, d)
            for row in range(top, bottom):
                given = x[row * shape.inner + left : row * shape.inner + right]
                for i in range(given.size):
                    before, after = zeros_at(zeros, i)
                    q = Parameters(factor[i], unit[i], before, after)
                    put(given, i, delivered(given[i], given, q, limits, how))
