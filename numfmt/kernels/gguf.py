"""GGUF blocks of 32 elements under one scale: Q8_0 and Q4_0, written and read where they lie.

`blocks` are (n, bytes) uint8, x and `out` (n, 32) float32, `scales` (n,) float32: the float16 of each
block, in its first two bytes, is left to the caller. The steps are those of `numfmt.gguf.plain_blocks`,
which is the definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .affine import AWAY, MAGNITUDE, rounded
from .words import and_, or_, real, select, shl, shr, umax, umin, word

SIZE = 32  # elements of a block
NIBBLES = 16  # bytes of its codes in Q4_0
FIELD = 2  # bytes of the scale, before the codes
ONE, ZERO, HALF, INF = np.float32(1), np.float32(0), np.float32(0.5), np.float32(np.inf)
LAST = np.float32(127)  # steps to the largest magnitude in Q8_0,
STEPS, MIDDLE = np.float32(-8), np.float32(8.5)  # in Q4_0, and the code of 0 there, with what rounds
SIGN = np.uint32(0x80000000)
TOP, FOUR, EIGHT = np.uint8(15), np.uint8(4), np.float32(8)


def absmax(x: Any) -> Any:
    """The largest magnitude."""
    peak = np.uint32(0)
    for i in range(SIZE):
        peak = umax(peak, and_(word(x[i]), MAGNITUDE))
    return real(peak)


def first_of(x: Any, b: Any, size: Any) -> Any:
    """The first number of a block with that magnitude, no -0."""
    for i in range(SIZE):
        if and_(word(x[b, i]), MAGNITUDE) == size:
            return x[b, i] + ZERO
    return ZERO


def inverse(d: Any) -> Any:
    """1 / d, and 0 for 0."""
    return ONE / d if d != ZERO else ZERO


def write_q8_0(x: Any, blocks: Any, scales: Any, first: Any, last: Any) -> None:
    for b in range(first, last):
        given, codes = x[b], blocks[b, FIELD:]
        scales[b] = absmax(given) / LAST
        factor = inverse(scales[b])
        factor = factor if factor < INF else ZERO
        for i in range(SIZE):
            codes[i] = np.uint8(np.int32(rounded(given[i] * factor, AWAY)))


def write_q4_0(x: Any, blocks: Any, scales: Any, first: Any, last: Any) -> None:
    for b in range(first, last):
        up, down = np.int32(0), SIGN  # words of the greatest and the least number; NaN is beyond
        for i in range(SIZE):
            w = word(x[b, i])
            up, down = umax(up, np.int32(w)), umax(down, w)
        above, below = np.uint32(up), and_(down, MAGNITUDE)
        peak = real(select(above > below, above, down))
        if above == below:
            peak = first_of(x, b, above)
        d = peak / STEPS
        scales[b] = d
        factor, start = inverse(d), MIDDLE
        if not np.abs(factor) < INF:
            factor, start = ZERO, HALF  # all codes are 0
        for i in range(NIBBLES):
            low = umin(np.uint8(np.int32(x[b, i] * factor + start)), TOP)
            high = umin(np.uint8(np.int32(x[b, i + NIBBLES] * factor + start)), TOP)
            blocks[b, FIELD + i] = or_(low, shl(high, FOUR))


def read_q8_0(blocks: Any, out: Any, scales: Any, first: Any, last: Any) -> None:
    for b in range(first, last):
        codes, values, d = blocks[b, FIELD:], out[b], scales[b]
        for i in range(SIZE):
            values[i] = np.float32(np.int8(codes[i])) * d


def read_q4_0(blocks: Any, out: Any, scales: Any, first: Any, last: Any) -> None:
    for b in range(first, last):
        codes, values, d = blocks[b, FIELD:], out[b], scales[b]
        for i in range(NIBBLES):
            values[i] = (np.float32(and_(codes[i], TOP)) - EIGHT) * d
            values[i + NIBBLES] = (np.float32(shr(codes[i], FOUR)) - EIGHT) * d
