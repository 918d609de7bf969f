"""Blocks: the largest magnitude of each, a power of two from it, and elements that share a scale.

The loops run over rows and columns as those of `affine` do. An element is rounded by the adder alone,
saturated, ties to even; a value is the product of element and unit, rounded once. Under most scales every
step is one operation of float32. Where values may be subnormal the steps are float64, which no CPU flushes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .affine import WIDTH, geometry, single
from .floats import decode, decoding
from .words import (
    add,
    and_,
    count_real,
    load_word,
    or_,
    put,
    real,
    select,
    shl,
    shr,
    sub,
    umax,
    umin,
    word,
    xor,
)

DIVIDE = 1  # x / factor; else x * factor
INTEGER = 2  # codes count steps; else they are those of a float format
Index = np.uint64
TILE = 2048  # elements that stay in the first-level cache, read and written
ONE, TOP = np.uint32(1), np.uint32(22)
INFINITY, NAN, WIDE_NAN = np.uint32(0x7F800000), np.uint32(0x7FC00000), np.float64(np.nan)
FRACTION, LEAST_NORMAL = np.uint32(23), np.uint32(0x00800000)
SUBNORMALS = np.uint32(149)  # 2**-149 is the least float32
ZERO, LOW, ODD = np.uint64(0), np.uint64((1 << 29) - 1), np.uint64(1 << 29)  # of float64, below float32
RECIPROCAL = np.uint32(254 << 23)  # less the word of 2**e: that of 2**-e


class Elements(NamedTuple):
    """Of elements with few bits, as words of float32."""

    sign: Any  # mask: the sign bit where magnitudes are rounded, else 0
    low: Any  # the range
    high: Any
    adder: Any  # an element's exponent and this make the number whose ulp is its last bit,
    magic: Any  # at least this one
    # codes
    limit: Any  # elements below are counted by `magic`
    rebias: Any
    cut: Any
    sign_shift: Any
    zero_sign: Any  # codes below it take no sign
    nan: Any  # the code of an element whose scale is NaN


class PowerRule(NamedTuple):
    """From the largest magnitude to a power of two."""

    factor: Any  # the word of what it is multiplied with
    carry: Any  # added to the word before its exponent is taken
    offset: Any  # of biased exponents above those that count from 2**-149
    low: Any  # range of the latter, with the offset
    high: Any


class Row(NamedTuple):
    """A piece of memory that shares a scale, or for columns lines that share a line of scales."""

    start: Any
    stop: Any
    end: Any  # of the line that it lies in
    scale: Any


class Plain(NamedTuple):
    """Units whose words lie `span` above `least` or less."""

    least: Any
    span: Any


def plain(bounds: Any) -> Plain:
    """From the least and the greatest of them."""
    return Plain(word(bounds[0]), sub(word(bounds[1]), word(bounds[0])))


def elements(q: Any) -> Elements:
    return Elements(*q)


def power_rule(q: Any) -> PowerRule:
    return PowerRule(*q)


def parameters(q: Any, x: Any) -> Any:
    """Of elements that are rounded, or read from codes `x`."""
    return decoding(q) if x.dtype.kind in "iu" else elements(q)


# Words that no CPU flushes


def wide(x: Any) -> Any:
    """A number as a float64."""
    return x.astype(np.float64)


def narrow(x: Any) -> Any:
    """A float64 rounded to float32."""
    return x.astype(np.float32)


def held(x: Any, result: Any) -> Any:
    """A float64 rounded to the dtype of `result`, float32 or float64."""
    return narrow(x) if result.dtype == np.float32 else x


def largest(peak: Any, a: Any) -> Any:
    """The greater of a magnitude word and that of a number."""
    return umax(peak, word(np.abs(a)))


def power_of(a: Any, q: Any) -> Any:
    """The word of the power of two for the largest magnitude `a`."""
    b = word(narrow(wide(real(a)) * wide(real(q.factor))))
    normal = b >= LEAST_NORMAL
    e = shr(add(select(normal, b, word(narrow(count_real(b)))), q.carry), FRACTION)
    e = umax(umin(add(e, select(normal, SUBNORMALS, sub(ONE, ONE))), q.high), q.low)
    e = sub(e, q.offset)
    power = select(e > TOP, shl(sub(umax(e, TOP), TOP), FRACTION), shl(ONE, umin(e, TOP)))
    return select(a < INFINITY, power, NAN)


# What one element becomes. `t` is x in units of its scale.


def scaled(x: Any, factor: Any, how: Any) -> Any:
    return x / factor if how & DIVIDE else x * factor


def rounded(v: Any, q: Any) -> Any:
    """`v` in the range and on the grid; no -0."""
    low, high = real(q.low), real(q.high)
    v = select(v < low, low, v)
    v = select(v > high, high, v)
    great = real(umax(add(and_(word(v), INFINITY), q.adder), q.magic))
    return (v + great) - great


def element_of(t: Any, q: Any) -> Any:
    """The element, as a number."""
    b = word(t)
    sign = and_(b, q.sign)
    return real(or_(word(rounded(real(xor(b, sign)), q)), sign))


def code_of(t: Any, q: Any) -> Any:
    b = word(t)
    sign = and_(b, q.sign)
    y = rounded(real(xor(b, sign)), q)
    w = word(y)
    count = sub(word(y + real(q.magic)), q.magic)
    code = select(w < q.limit, count, shr(sub(w, q.rebias), q.cut))
    return select(code < q.zero_sign, code, or_(code, shr(sign, q.sign_shift)))


def integer(code: Any) -> Any:
    """A code as it is stored: those of two's complement are negative."""
    return code.view(np.int32)


def number_of(code: Any, q: Any, how: Any) -> Any:
    """The element of a code."""
    return single(code) * real(q.magic) if how & INTEGER else real(decode(load_word(code, q.magnitude), q))


def product(y: Any, unit: Any, result: Any) -> Any:
    """y * unit, rounded once to the dtype of `result`."""
    if unit.dtype == result.dtype:
        return y * unit
    return (wide(y) * wide(unit)).astype(result.dtype)


def wide_product(y: Any, unit: Any) -> Any:
    return select(unit != unit, WIDE_NAN, wide(y) * wide(unit))


def odd(t: Any) -> Any:
    """A float64 rounded to odd, to the bits of float32."""
    b = word(t)
    low = and_(b, LOW)
    return real(or_(sub(b, low), select(low > ZERO, ODD, ZERO)))


def wide_scaled(x: Any, p: Any, factor: Any, how: Any) -> Any:
    """`scaled`, but for what is far below the least element; exact quotients of float64 are rounded once."""
    return single(odd(wide(x) * factor)) if p is None else single(scaled(wide(narrow(x)), factor, how))


# The short steps, and those under any scale. Of a code its value, of a number its code or the value of that.


def read_short(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return product(number_of(a, q, how), unit, result)


def code_short(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return integer(code_of(scaled(single(a), factor, how), q))


def value_short(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return product(element_of(scaled(single(a), factor, how), q), unit, result)


def read_wide(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return held(wide_product(number_of(a, q, how), unit), result)


def code_wide(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return integer(select(unit != unit, q.nan, code_of(wide_scaled(a, p, factor, how), q)))


def value_wide(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return held(wide_product(element_of(wide_scaled(a, p, factor, how), q), unit), result)


def short_steps(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    """What `a` becomes in `result`."""
    return chosen(a, result, read_short, code_short, value_short)(a, result, p, factor, unit, q, how)


def wide_steps(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return chosen(a, result, read_wide, code_wide, value_wide)(a, result, p, factor, unit, q, how)


def chosen(a: Any, result: Any, read: Any, code: Any, value: Any) -> Any:
    """One of three, by dtypes."""
    return read if a.dtype.kind in "iu" else code if result.dtype.kind in "iu" else value


def is_plain(unit: Any, bounds: Any) -> Any:
    """Whether short steps serve under a scale."""
    return sub(word(unit), bounds.least) <= bounds.span


def factor_at(p: Any, i: Any, unit: Any) -> Any:
    """What x is divided by or multiplied with: one of `p`, or without those 2**-e for a unit of 2**e."""
    return real(sub(RECIPROCAL, word(unit))) if p is None else p[i]


def place_of(k: Any, scale: Any) -> Any:
    """Where the numbers of a scale are: in place `scale`, or that of its code."""
    return scale if k is None else Index(k[scale])


def wide_factor_at(p: Any, i: Any, unit: Any) -> Any:
    return 1.0 / wide(unit) if p is None else wide(p[i])


def part(p: Any, start: Any, stop: Any) -> Any:
    return None if p is None else p[start:stop]


# Where rows lie: each one behind the other in memory.


def row_at(row: Any, g: Any) -> Row:
    outer = row // g.groups
    group = row - outer * g.groups
    start, end = outer * g.n + group * g.size, (outer + 1) * g.n
    return Row(start, min(start + g.size, end), end, outer % g.period * g.step_outer + group * g.step_group)


def row_after(at: Any, g: Any) -> Row:
    last = at.stop == at.end
    end = at.end + g.n if last else at.end
    scale = at.scale + (g.step_group | last)
    scale = 0 if scale == g.period * g.step_outer else scale
    return Row(at.stop, min(at.stop + g.size, end), end, scale)


# The loops: rows `first ... last - 1`, of which element 0 of `out` is element `base`. Scales `u`: what an
# element's 1 is worth; `p`: see `factor_at`; `k`: codes of the scales where `u` and `p` are of codes. Indices
# are unsigned, for numba has signed ones count from the end too.


def peaks(x: Any, out: Any, g: Any, first: Any, last: Any) -> None:
    """The largest magnitude of each row."""
    shape, zero = geometry(g), sub(word(x[0]), word(x[0]))
    at = row_at(first, shape)
    for row in range(first, last):
        peak = zero
        for i in range(at.start, at.stop):
            peak = largest(peak, x[Index(i)])
        out[row] = real(peak)
        at = row_after(at, shape)


def peak_columns(x: Any, out: Any, g: Any, first: Any, last: Any) -> None:
    """The largest magnitude in each column of a band."""
    shape = geometry(g)
    at = row_at(first, shape)
    for _ in range(first, last):
        found = out[at.scale * shape.inner : (at.scale + 1) * shape.inner]
        found[:] = 0
        for line in range(at.start, at.stop):
            given = x[line * shape.inner : (line + 1) * shape.inner]
            for i in range(found.size):
                found[i] = real(largest(word(found[i]), given[i]))
        at = row_after(at, shape)


def powers(scales: Any, r: Any) -> None:
    """Largest magnitudes become powers of two."""
    rule = power_rule(r)
    for i in range(scales.size):
        scales[i] = real(power_of(word(scales[i]), rule))


def rows(
    x: Any, out: Any, p: Any, u: Any, k: Any, b: Any, w: Any, g: Any, how: Any, first: Any, last: Any,
    base: Any,
) -> None:  # fmt: skip
    shape, bounds, q = geometry(g), plain(b), parameters(w, x)
    at = row_at(first, shape)
    for _ in range(first, last):
        place = place_of(k, Index(at.scale))
        unit = u[place]
        if is_plain(unit, bounds):
            factor = factor_at(p, place, unit)
            for i in range(at.start, at.stop):
                put(out, Index(i - base), short_steps(x[Index(i)], out, p, factor, unit, q, how))
        else:
            far = wide_factor_at(p, place, unit)
            for i in range(at.start, at.stop):
                put(out, Index(i - base), wide_steps(x[Index(i)], out, p, far, unit, q, how))
        at = row_after(at, shape)


def columns(
    x: Any, out: Any, p: Any, u: Any, b: Any, w: Any, g: Any, how: Any, first: Any, last: Any, base: Any
) -> None:
    shape, bounds, q = geometry(g), plain(b), parameters(w, x)
    at = row_at(first, shape)
    for _ in range(first, last):
        for left in range(0, shape.inner, WIDTH):
            right = min(left + WIDTH, shape.inner)
            line = at.scale * shape.inner
            factor, unit = part(p, line + left, line + right), u[line + left : line + right]
            beyond = 0
            for i in range(unit.size):
                beyond += not is_plain(unit[i], bounds)
            for row in range(at.start, at.stop):
                start, stop = row * shape.inner + left, row * shape.inner + right
                given, result = x[start:stop], out[start - base : stop - base]
                if beyond:
                    for i in range(given.size):
                        f = wide_factor_at(factor, i, unit[i])
                        put(result, i, wide_steps(given[i], result, p, f, unit[i], q, how))
                else:
                    for i in range(given.size):
                        f = factor_at(factor, i, unit[i])
                        put(result, i, short_steps(given[i], result, p, f, unit[i], q, how))
        at = row_after(at, shape)


def scaled_rows(
    x: Any, out: Any, scales: Any, r: Any, b: Any, w: Any, g: Any, how: Any, first: Any, last: Any, base: Any
) -> None:
    """Scales by a rule, and elements while they lie in the cache."""
    step = max(TILE // g[2], 1)
    for start in range(first, last, step):
        stop = min(start + step, last)
        peaks(x, scales, g, start, stop)
        powers(scales[start:stop], r)
        rows(x, out, None, scales, None, b, w, g, how, start, stop, base)
