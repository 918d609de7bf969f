"""Sums that are rounded stochastically at each step, row by row: what is drawn for a row fills a run of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .floats import rounding, value_stochastic
from .odd import odd_fused
from .philox import fill_noise
from .words import add, and_, load, or_, real, shr, sub, word

BLOCK = 64  # words
DOUBLE = np.uint64(0)
GENERAL, BARE = np.uint8(0), np.uint16(0)  # tell by their types how a row is rounded


def fused(x: Any, y: Any, c: Any, like: Any) -> Any:
    """fl32(x * y + c) in float32; in float64 rounded to odd."""
    return odd_fused(load(x, DOUBLE), load(y, DOUBLE), load(c, DOUBLE))


def value_bare(x: Any, noise: Any, out: Any, p: Any) -> None:
    """`value_stochastic` of float32 numbers that are normal and do not overflow, in a format of such exponents."""
    q = rounding(p)
    for i in range(x.size):
        drawn = shr(or_(noise[i], q.half_draw), sub(q.width, q.cut))
        out[i] = real(and_(add(word(x[i]), drawn), q.keep))


def round_row(x: Any, noise: Any, out: Any, p: Any, formula: Any) -> None:
    """By the formula of a type."""
    (value_bare if formula.dtype == BARE.dtype else value_stochastic)(x, noise, out, p)


def accumulate_drawn(
    a: Any, b: Any, c: Any, p: Any, formula: Any, key: Any, stream: Any, element: Any, noise: Any, sums: Any, first: Any, last: Any
) -> None:  # fmt: skip
    """Rows `first ... last - 1` of c + a @ b, in `c`, whose first number is element `element` of the whole. Term k
    draws stream `stream` + 2 k. `key` is that of `philox.fill_noise`; `noise` and `sums` are work space for a row."""
    for i in range(first, last):
        start = element + i * c.shape[1]
        skipped = start % BLOCK
        words = (skipped + c.shape[1] + BLOCK - 1) // BLOCK * BLOCK
        key[4] = start // BLOCK
        row = c[i]
        for k in range(a.shape[1]):
            drawn = stream + 2 * k
            key[2], key[3] = drawn & 0xFFFFFFFF, drawn >> 32
            fill_noise(noise[:words], key)
            x, y = a[i, k], b[k]
            for j in range(sums.size):
                sums[j] = fused(x, y[j], row[j], sums[j])
            round_row(sums, noise[skipped : skipped + sums.size], row, p, formula)
