"""Blocks of floats: the largest magnitude of each, and elements that share a scale.

The loops run over rows as those of `affine` do; what one element becomes is a formula of `floats`. A step
is one operation of float32, and a value the product of element and unit in float64, rounded once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .affine import MAGNITUDE, geometry, row_after, row_at, row_of, single
from .floats import code_of_even, decode, decoding, rounding, value_of_even, value_of_even_adder
from .words import and_, load_word, put, real, umax, word

DIVIDE = 1  # x / factor; else x * factor


def scaled(x: Any, factor: Any, how: Any) -> Any:
    """x in units of its scale, as a word."""
    return word(x / factor if how & DIVIDE else x * factor)


def product(y: Any, unit: Any) -> Any:
    """y * unit, rounded once."""
    return single(y.astype(np.float64) * unit)


def peaks(x: Any, out: Any, g: Any, first: Any, last: Any) -> None:
    """The largest magnitude word of rows `first ... last - 1`."""
    shape = geometry(g)
    at = row_at(first, shape)
    for row in range(first, last):
        start, stop, _ = row_of(at, shape)
        at = row_after(at, shape)
        given = x[start:stop]
        peak = np.uint32(0)
        for i in range(given.size):
            peak = umax(peak, and_(word(single(given[i])), MAGNITUDE))
        out[row] = peak


def value_rows(x: Any, out: Any, p: Any, u: Any, q: Any, g: Any, how: Any, first: Any, last: Any) -> None:
    shape, r = geometry(g), rounding(q)
    at = row_at(first, shape)
    for _ in range(first, last):
        start, stop, scale = row_of(at, shape)
        at = row_after(at, shape)
        given, result, factor, unit = x[start:stop], out[start:stop], p[scale], u[scale]
        for i in range(given.size):
            y = real(value_of_even(scaled(single(given[i]), factor, how), r))
            put(result, i, product(y, unit))


def value_rows_adder(
    x: Any, out: Any, p: Any, u: Any, q: Any, g: Any, how: Any, first: Any, last: Any
) -> None:
    shape, r = geometry(g), rounding(q)
    at = row_at(first, shape)
    for _ in range(first, last):
        start, stop, scale = row_of(at, shape)
        at = row_after(at, shape)
        given, result, factor, unit = x[start:stop], out[start:stop], p[scale], u[scale]
        for i in range(given.size):
            y = real(value_of_even_adder(scaled(single(given[i]), factor, how), r))
            put(result, i, product(y, unit))


def code_rows(x: Any, out: Any, p: Any, u: Any, q: Any, g: Any, how: Any, first: Any, last: Any) -> None:
    shape, r = geometry(g), rounding(q)
    at = row_at(first, shape)
    for _ in range(first, last):
        start, stop, scale = row_of(at, shape)
        at = row_after(at, shape)
        given, result, factor = x[start:stop], out[start:stop], p[scale]
        for i in range(given.size):
            result[i] = code_of_even(scaled(single(given[i]), factor, how), r)


def decode_rows(codes: Any, out: Any, u: Any, q: Any, g: Any, first: Any, last: Any) -> None:
    shape, r = geometry(g), decoding(q)
    at = row_at(first, shape)
    for _ in range(first, last):
        start, stop, scale = row_of(at, shape)
        at = row_after(at, shape)
        given, result, unit = codes[start:stop], out[start:stop], u[scale]
        for i in range(given.size):
            y = real(decode(load_word(given[i], r.magnitude), r))
            put(result, i, product(y, unit))
