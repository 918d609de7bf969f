"""Blocks whose 4-bit codes stand for unequal steps: IQ4_NL of 32 elements, IQ4_XS of 256.

They follow quantize_row_iq4_nl_ref, quantize_row_iq4_xs_ref (quantize_row_iq4_nl_impl without importances)
and dequantize_row_iq4_... of ggml-quants.c.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .fields import Fields, half, numbers, packed, unpacked
from .plain_blocks import F, Parts, inverse
from .searches import LEAST, levels, peak, total
from .superblocks import BLOCK, columns, steps_of

Array = np.ndarray[Any, Any]
# kvalues_iq4nl
VALUES = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
FIRST = F(VALUES[0])
TRIALS = 7  # on either side


def _codes_of_halves() -> Array:
    """The code of each half-integer from -127 to 113, which is that of the numbers up to the next: mid-points
    are halves, and there the upper value is taken (best_index_int8)."""
    doubled = np.array(VALUES) * 2
    middles = (doubled[:-1] + doubled[1:]) // 2
    return np.searchsorted(middles, np.arange(doubled[0], doubled[-1] + 1), side="right")


_CODES = _codes_of_halves()
_VALUES = np.array(VALUES, F)[_CODES]


def _place(t: Array) -> Array:
    """Where `_CODES` has a number in steps; NaN is taken as the largest."""
    halves = np.fmax(np.fmin(np.floor(t * F(2)), F(2 * VALUES[-1])), F(2 * VALUES[0]))
    return halves.astype(np.intp) - 2 * VALUES[0]


class Sums(NamedTuple):
    """Of values q: w * q * x and w * q * q."""

    products: Array
    squares: Array


def _sums(x: Array, factor: Array) -> Sums:
    """With weights x**2, over columns."""
    values = _VALUES[_place(factor * x)]
    weighted = x * x * values
    return Sums(total(weighted * x), total(weighted * values))


def _scales(x: Array, first: Array, trials: range) -> Array:
    """A scale for each column: that of a first guess, or of a trial with a better ratio of squares."""
    top = peak(x)[0]
    products, squares = _sums(x, first)
    scale = np.where(squares > 0, products / squares, F(0))
    best = scale * products
    for trial in trials:
        products, squares = _sums(x, (F(trial) + FIRST) / top)
        better = (squares > 0) & (products * products > best * squares)
        scale = np.where(better, products / squares, scale)
        best = np.where(better, scale * products, best)
    return np.where(np.abs(top) < LEAST, F(0), scale)


def quantize_iq4_nl(x: Array) -> Fields:
    """quantize_row_iq4_nl_ref. The largest magnitude is -127 steps; least squares then give the scale, and
    codes stay. C leaves the codes of a block of zeros as they were; here they are 0."""
    given = columns(x, 32)
    factor = F(1) / (peak(given)[0] / FIRST)
    scale = _scales(given, factor, range(0))
    codes = np.where(scale != 0, _CODES[_place(factor * given)], 0)
    return {"d": half(scale[:, None]), "qs": packed(codes.T.astype(np.uint8), 4, 16)}


def read_iq4_nl(f: Fields) -> Parts:
    return Parts(unpacked(f["qs"], 4, 16), numbers(f["d"]))


def quantize_iq4_xs(x: Array) -> Fields:
    """quantize_row_iq4_xs_ref. Eight scales of 6 bits, 16 guesses each; codes are found with the scale before it
    becomes a float16."""
    given = columns(x, 32)
    factor = F(1) / (-peak(given)[0] / FIRST)
    scales = _scales(given, factor, range(-TRIALS, TRIALS + 1)).reshape(-1, 8)
    d = -peak(scales, 1) / F(32)
    steps = levels(inverse(d) * scales, -32, 31)
    codes = _CODES[_place(inverse(d * steps).reshape(-1) * given)].astype(np.uint8)
    stored = (steps + F(32)).astype(np.uint8)
    return {
        "d": half(d),
        "scales_h": packed(stored >> 4, 2, 1),
        "scales_l": packed(stored & 15, 4, 1),
        "qs": packed(codes.T.reshape(-1, BLOCK), 4, 16),
    }


def read_iq4_xs(f: Fields) -> Parts:
    scales = unpacked(f["scales_l"], 4, 1) | unpacked(f["scales_h"], 2, 1) << 4
    return Parts(unpacked(f["qs"], 4, 16), steps_of(f["d"], scales.astype(np.int8) - 32))
