"""Blocks under their largest magnitude: numbers to codes by a search of thresholds, codes to values.

The loops run over rows as those of `blocks` do. Thresholds are words of x over the largest of its block. Of up
to 16 codes the search halves them, four times; of more, the top bits of the word find an entry of a table, which
holds the one threshold among its words and the codes on both sides. Under most scales a step is one operation of
float32. Where numbers may be subnormal the steps are float64, which no CPU flushes, rounded to float32 each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .affine import MAGNITUDE, geometry, single
from .blocks import INFINITY, ONE, Index, is_plain, narrow, plain, row_after, row_at, wide
from .codebook import BLOCK, ordered
from .words import add, and_, put, put_code, real, select, shr, sub, umax, umin, word, xor

ZERO, SIGN, TOP, UNIT = np.uint32(0), np.uint32(1 << 31), np.uint32(31), np.float32(1)
FOUR, EIGHT, SIXTEEN, TOP_BYTE = np.uint32(4), np.uint32(8), np.uint32(16), np.uint32(24)
CODE, BYTE, LOW_HALF = np.uint32(15), np.uint32(255), np.uint32(0xFFFF)


class Halving(NamedTuple):
    """Ordered words, each in the middle of those that are left; of places not taken one above all numbers."""

    zero: Any
    top: Any
    sign: Any
    nan: Any  # its code
    low_codes: Any  # of the places 0 to 7, 4 bits each
    high_codes: Any
    half: Any
    quarter_0: Any
    quarter_1: Any
    eighth_0: Any
    eighth_1: Any
    eighth_2: Any
    eighth_3: Any
    last_0: Any
    last_1: Any
    last_2: Any
    last_3: Any
    last_4: Any
    last_5: Any
    last_6: Any
    last_7: Any


class Entries(NamedTuple):
    """Of a table, which follows: the code below a threshold, that from it on, and its low bits, in 8, 8 and 16
    bits each. The last entry is that of NaN."""

    low: Any  # magnitudes are clamped to `low ... high`
    high: Any
    side: Any  # negative ones lie below it
    nan: Any
    shift: Any  # from a place to its entry
    rest: Any  # mask of the bits that the shift takes


class Limits(NamedTuple):
    """What becomes of the ends."""

    floor: Any  # the least divisor
    least: Any  # the word of the least magnitude that does not count as 0
    guard: (
        Any  # 2**-120 where some threshold is so near to 0 that subnormal numbers lie on both sides, else 0
    )


def halving(p: Any) -> Halving:
    return Halving(*p)


def entries(p: Any) -> Entries:
    return Entries(*p[:HEADER])


def limits(b: Any) -> Limits:
    """Of the numbers behind those of `plain`."""
    return Limits(b[2], word(b[3]), b[4])


HEADER = len(Entries._fields)


# Numbers over the largest of their block, as words


def short_over(x: Any, factor: Any) -> Any:
    return word(single(x) * factor)


def kept(b: Any, least: Any) -> Any:
    """A word without the magnitude of one below `least`."""
    return select(and_(b, MAGNITUDE) < least, and_(b, SIGN), b)


def wide_kept(x: Any, least: Any) -> Any:
    """A float64 rounded to float32, kept or not, as float64."""
    return wide(real(kept(word(narrow(x)), least)))


def wide_factor(most: Any, q: Any) -> Any:
    """What numbers are multiplied with."""
    divisor = wide(most)
    floor = wide(q.floor)
    return wide_kept(1.0 / select(divisor < floor, floor, divisor), q.least)


def wide_over(x: Any, factor: Any, divides: Any, least: Any) -> Any:
    given = wide_kept(x, least)
    return kept(word(narrow(given / factor if divides else given * factor)), least)


def wide_value(x: Any, unit: Any, least: Any) -> Any:
    return wide_kept(wide(x) * wide(unit), least)


# Where float32 serves


def serves(x: Any, at: Any, most: Any, divides: Any, bounds: Any, q: Any) -> Any:
    """Whether steps of float32 do, for numbers of a row."""
    if divides or not is_plain(most, bounds):
        return False
    return q.guard == ZERO or below_least(x, at) >= umax(word(q.guard), word(most * q.guard))


def below_least(x: Any, at: Any) -> Any:
    """The word below the least magnitude but 0."""
    least = MAGNITUDE
    for i in range(at.start, at.stop):
        least = umin(least, sub(and_(word(narrow(x[Index(i)])), MAGNITUDE), ONE))
    return least


# The search


def halved(b: Any, q: Any) -> Any:
    """The code of a word: of four comparisons the first chooses between words of codes, the others the place."""
    key = ordered(b, q)
    first = key >= q.half
    second = key >= select(first, q.quarter_1, q.quarter_0)
    low, high = select(first, q.eighth_2, q.eighth_0), select(first, q.eighth_3, q.eighth_1)
    third = key >= select(second, high, low)
    low = select(second, select(first, q.last_6, q.last_2), select(first, q.last_4, q.last_0))
    high = select(second, select(first, q.last_7, q.last_3), select(first, q.last_5, q.last_1))
    fourth = key >= select(third, high, low)
    place = add(select(second, SIXTEEN, ZERO), add(select(third, EIGHT, ZERO), select(fourth, FOUR, ZERO)))
    code = and_(shr(select(first, q.high_codes, q.low_codes), place), CODE)
    return select(and_(b, MAGNITUDE) > INFINITY, q.nan, code)


def place_of(b: Any, q: Any) -> Any:
    """Words in order, without those nearer to zero or farther than all thresholds."""
    a = and_(b, MAGNITUDE)
    size = sub(umin(umax(a, q.low), q.high), q.low)
    place = add(xor(size, sub(ZERO, shr(b, TOP))), q.side)
    return select(a > INFINITY, q.nan, place)


def told(entry: Any, place: Any, q: Any) -> Any:
    """The code of a place, of its entry."""
    above = and_(place, q.rest) >= and_(entry, LOW_HALF)
    return select(above, and_(shr(entry, SIXTEEN), BYTE), shr(entry, TOP_BYTE))


# The loops. `u`: the largest magnitudes; `b`: `plain` and `limits`; a row shorter than `whole` is divided by
# its largest, others are multiplied with a reciprocal.


def halving_rows(
    x: Any, out: Any, u: Any, b: Any, p: Any, g: Any, whole: Any, first: Any, last: Any, base: Any
) -> None:
    shape, bounds, ends, q = geometry(g), plain(b), limits(b), halving(p)
    at = row_at(first, shape)
    for _ in range(first, last):
        most, divides = u[Index(at.scale)], at.stop - at.start < whole
        if serves(x, at, most, divides, bounds, ends):
            factor = UNIT / most
            for i in range(at.start, at.stop):
                put_code(out, Index(i - base), halved(short_over(x[Index(i)], factor), q))
        else:
            far = wide(most) if divides else wide_factor(most, ends)
            for i in range(at.start, at.stop):
                put_code(out, Index(i - base), halved(wide_over(x[Index(i)], far, divides, ends.least), q))
        at = row_after(at, shape)


def entry_rows(
    x: Any, out: Any, u: Any, b: Any, p: Any, g: Any, whole: Any, first: Any, last: Any, base: Any
) -> None:
    shape, bounds, ends, q = geometry(g), plain(b), limits(b), entries(p)
    table, places, near = p[HEADER:], np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    at = row_at(first, shape)
    for _ in range(first, last):
        most, divides = u[Index(at.scale)], at.stop - at.start < whole
        is_short = serves(x, at, most, divides, bounds, ends)
        factor = UNIT / most
        far = wide(most) if divides else wide_factor(most, ends)
        for start in range(at.start, at.stop, BLOCK):
            count = min(BLOCK, at.stop - start)
            if is_short:
                for i in range(count):
                    places[Index(i)] = place_of(short_over(x[Index(start + i)], factor), q)
            else:
                for i in range(count):
                    places[Index(i)] = place_of(wide_over(x[Index(start + i)], far, divides, ends.least), q)
            for i in range(count):
                near[Index(i)] = table[Index(shr(places[Index(i)], q.shift))]
            for i in range(count):
                put_code(out, Index(start - base + i), told(near[Index(i)], places[Index(i)], q))
        at = row_after(at, shape)


def value_rows(
    codes: Any, out: Any, u: Any, b: Any, v: Any, g: Any, first: Any, last: Any, base: Any
) -> None:
    """`v` holds what each code is worth under 1."""
    shape, bounds, ends = geometry(g), plain(b), limits(b)
    at = row_at(first, shape)
    for _ in range(first, last):
        unit = u[Index(at.scale)]
        if is_plain(unit, bounds):
            for i in range(at.start, at.stop):
                put(out, Index(i - base), v[Index(codes[Index(i)])] * unit)
        else:
            for i in range(at.start, at.stop):
                put(out, Index(i - base), wide_value(v[Index(codes[Index(i)])], unit, ends.least))
        at = row_after(at, shape)
