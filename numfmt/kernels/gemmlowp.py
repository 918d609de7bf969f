"""Requantization in one pass: bias, high product, rounding shift, offset, clamp and cast.

It is the pipeline of `numfmt.gemmlowp` in the order that vectorises: the product in 64 bits, the
rest in int32, which wraps. Nothing branches on data. A table has a column for each channel, int32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .words import add, and_, load_word, put, shl, shr, sub

ONE, TOP = np.int32(1), np.int32(31)
WIDTH = 512  # channels that stay in the first-level cache while a band of rows goes by


class Channel(NamedTuple):
    """What differs from channel to channel: the rows of the table."""

    before: Any  # added first
    left: Any  # then a shift that wraps
    multiplier: Any
    drop: Any  # bits of the product that go, ties upwards
    right: Any  # then a rounding shift


class Ends(NamedTuple):
    """What all channels share."""

    away: Any  # 1: ties of the rounding shift go away from zero, 0: upwards
    after: Any
    low: Any
    high: Any


def high_product(v: Any, multiplier: Any, drop: Any) -> Any:
    """(v * multiplier + 2**(drop - 1)) >> drop; its low 32 bits."""
    places = np.int64(drop)
    half = (np.int64(1) << places) >> 1
    return load_word((np.int64(v) * np.int64(multiplier) + half) >> places, v)


def rounding_shift(v: Any, right: Any, away: Any) -> Any:
    """v / 2**right to the nearest integer."""
    mask = sub(shl(ONE, right), ONE)
    threshold = add(shr(mask, ONE), and_(shr(v, TOP), away))
    return add(shr(v, right), np.int32(and_(v, mask) > threshold))


def requantized(x: Any, c: Any, e: Any) -> Any:
    v = shl(add(x, c.before), c.left)
    v = rounding_shift(high_product(v, c.multiplier, c.drop), c.right, e.away)
    return min(max(add(v, e.after), e.low), e.high)


def channel(table: Any, i: Any) -> Channel:
    return Channel(table[0, i], table[1, i], table[2, i], table[3, i], table[4, i])


def ends(e: Any) -> Ends:
    return Ends(e[0], e[1], e[2], e[3])


# The loops over matrices: `x` int32, `out` of the dtype of the codes.


def requantize_rows(x: Any, out: Any, table: Any, shared: Any, first: Any) -> None:
    """Row i belongs to channel first + i, counted modulo the number of channels."""
    e = ends(shared)
    for row in range(x.shape[0]):
        c = channel(table, (first + row) % table.shape[1])
        given, result = x[row], out[row]
        for i in range(given.size):
            put(result, i, requantized(given[i], c, e))


def requantize_columns(x: Any, out: Any, table: Any, shared: Any) -> None:
    """Column i belongs to channel i."""
    e = ends(shared)
    for a in range(0, x.shape[1], WIDTH):
        b = min(a + WIDTH, x.shape[1])
        before, left, multiplier = table[0, a:b], table[1, a:b], table[2, a:b]
        drop, right = table[3, a:b], table[4, a:b]
        for row in range(x.shape[0]):
            given, result = x[row, a:b], out[row, a:b]
            for i in range(given.size):
                c = Channel(before[i], left[i], multiplier[i], drop[i], right[i])
                put(result, i, requantized(given[i], c, e))
