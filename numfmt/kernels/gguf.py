"""GGUF blocks under one scale: Q8_0 and Q4_0, written and read where they lie.

`blocks` are (count, bytes) uint8, the scale of each a float16 in its first two bytes, x and `out` (count, n)
float32. The steps are those of `numfmt.gguf.plain_blocks`, which is the definition. A length that LLVM does
not know keeps it from unrolling loops before it makes vectors of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .affine import BELOW_HALF, MAGNITUDE
from .words import add, and_, or_, real, select, shl, shr, sub, umax, umin, word

FIELD = 2  # bytes of the scale, before the codes
ONE, ZERO, HALF, INF = np.float32(1), np.float32(0), np.float32(0.5), np.float32(np.inf)
LAST = np.float32(127)  # steps to the largest magnitude in Q8_0,
STEPS, MIDDLE = np.float32(-8), np.float32(8.5)  # in Q4_0, and the code of 0 there, with what rounds
SIGN = np.uint32(0x80000000)
# float16: fraction bits that a float32 has more, its exponent's bias less, infinity, the least normal number
CUT, LSB, BELOW_TIE = np.uint32(13), np.uint32(1), np.uint32(0x0FFF)
REBIAS, NORMAL = np.uint32(0x38000000), np.uint32(0x38800000)
HALF_INF, HALF_MAGNITUDE, HALF_SIGN = np.uint32(0x7C00), np.uint32(0x7FFF), np.uint32(0x8000)
LEAST_NORMAL, SIXTEEN = np.uint32(0x0400), np.uint32(16)
BYTE, EIGHT_BITS = np.uint32(0xFF), np.uint32(8)
TOP, FOUR, EIGHT = np.uint8(15), np.uint8(4), np.float32(8)


def half_of(d: Any) -> Any:
    """The word of the float16 nearest to a float32 number, ties to even: below 2**-14 by a sum whose ulp is the
    step, from there on by the carry of an addition."""
    w = word(d)
    size = and_(w, MAGNITUDE)
    small = sub(word(real(size) + HALF), word(HALF))
    large = shr(add(sub(size, REBIAS), add(and_(shr(size, CUT), LSB), BELOW_TIE)), CUT)
    return or_(select(size < NORMAL, small, umin(large, HALF_INF)), shr(and_(w, SIGN), SIXTEEN))


def single_of(h: Any) -> Any:
    """The float32 number of the word of a float16."""
    size = and_(h, HALF_MAGNITUDE)
    small = word(real(or_(size, word(HALF))) - HALF)
    large = add(shl(size, CUT), select(size < HALF_INF, REBIAS, add(REBIAS, REBIAS)))
    return real(or_(select(size < LEAST_NORMAL, small, large), shl(and_(h, HALF_SIGN), SIXTEEN)))


def put_half(blocks: Any, b: Any, d: Any) -> None:
    h = half_of(d)
    blocks[b, 0], blocks[b, 1] = np.uint8(and_(h, BYTE)), np.uint8(shr(h, EIGHT_BITS))


def half_at(blocks: Any, b: Any) -> Any:
    return single_of(or_(np.uint32(blocks[b, 0]), shl(np.uint32(blocks[b, 1]), EIGHT_BITS)))


def first_of(x: Any, b: Any, size: Any) -> Any:
    """The first number of a block with that magnitude, no -0."""
    for i in range(x.shape[1]):
        if and_(word(x[b, i]), MAGNITUDE) == size:
            return x[b, i] + ZERO
    return ZERO


def inverse(d: Any) -> Any:
    """1 / d, and 0 for 0."""
    return ONE / d if d != ZERO else ZERO


def write_q8_0(x: Any, blocks: Any, first: Any, last: Any) -> Any:
    """The largest magnitude word of all: that of infinity, or one above it, where some number is not finite."""
    n, largest = x.shape[1], np.uint32(0)
    for b in range(first, last):
        peak = np.uint32(0)
        for i in range(n):
            peak = umax(peak, and_(word(x[b, i]), MAGNITUDE))
        largest = umax(largest, peak)
        d = real(peak) / LAST
        put_half(blocks, b, d)
        factor = inverse(d)
        factor = factor if factor < INF else ZERO  # all codes are 0
        for i in range(n):
            t = x[b, i] * factor
            blocks[b, FIELD + i] = np.uint8(np.int32(t + np.copysign(BELOW_HALF, t)))  # ties away from zero
    return largest


def write_q4_0(x: Any, blocks: Any, first: Any, last: Any) -> Any:
    """As `write_q8_0`."""
    n, largest = x.shape[1], np.uint32(0)
    half = n // 2
    for b in range(first, last):
        up, down = np.int32(0), SIGN  # words of the greatest and the least number; NaN is beyond
        for i in range(n):
            w = word(x[b, i])
            up, down = umax(up, np.int32(w)), umax(down, w)
        above, below = np.uint32(up), and_(down, MAGNITUDE)
        largest = umax(largest, umax(above, below))
        peak = real(select(above > below, above, down))
        if above == below:
            peak = first_of(x, b, above)
        d = peak / STEPS
        put_half(blocks, b, d)
        factor, start = inverse(d), MIDDLE
        if not np.abs(factor) < INF:
            factor, start = ZERO, HALF  # all codes are 0
        for i in range(half):
            low = umin(np.uint8(np.int32(x[b, i] * factor + start)), TOP)
            high = umin(np.uint8(np.int32(x[b, i + half] * factor + start)), TOP)
            blocks[b, FIELD + i] = or_(low, shl(high, FOUR))
    return largest


def read_q8_0(blocks: Any, out: Any, first: Any, last: Any) -> None:
    n = out.shape[1]
    for b in range(first, last):
        d = half_at(blocks, b)
        for i in range(n):
            out[b, i] = np.float32(np.int8(blocks[b, FIELD + i])) * d


def read_q4_0(blocks: Any, out: Any, first: Any, last: Any) -> None:
    half = out.shape[1] // 2
    for b in range(first, last):
        d = half_at(blocks, b)
        for i in range(half):
            code = blocks[b, FIELD + i]
            out[b, i] = (np.float32(and_(code, TOP)) - EIGHT) * d
            out[b, i + half] = (np.float32(shr(code, FOUR)) - EIGHT) * d
