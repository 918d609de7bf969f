"""Thresholds of the least squared error, of a histogram whose bins are taken as evenly filled.

A symmetric quantizer with largest code q has s = T / q, y = s * clip(rint(x / s), -q, q). The
integral of (x - y)**2 from 0 is a formula, so an evenly filled bin costs two evaluations.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

import numpy as np

from .histograms import Histogram, checked_integer

Array = np.ndarray[Any, Any]
START = 128  # the first bin whose middle pytorch-quantization tries
_STEP = 1e-5  # of the elements: how far PyTorch's search moves at a time
_AT_ONCE = 16  # thresholds
_ROWS = 64  # thresholds whose ties are looked up at once


def largest_code(bits: int, signed: bool = True) -> int:
    """127 for 8 bits with a sign: codes are symmetric, -128 is not used.

    >>> largest_code(8), largest_code(8, signed=False)
    (127, 255)
    """
    return (1 << (checked_integer("bits", bits, 1 + signed) - signed)) - 1


def mean_squared_errors(histogram: Histogram, thresholds: Any, bits: int = 8, signed: bool = True) -> Array:
    """What rounding and what clipping costs at each threshold.

    Parameters
    ----------
    histogram : Histogram of magnitudes; its zeros cost nothing
    thresholds : array_like, 1-D, in the unit of the elements, above 0

    Returns
    -------
    float64, 2 x thresholds : mean squared error of rounding, and of clipping, in squared units

    >>> rounding, clipping = mean_squared_errors(Histogram([0, 12]), [1.0, 2.0], bits=2)
    >>> clipping.round(6).tolist(), rounding.round(6).tolist()
    ([0.333333, 0.0], [0.0, 0.333333])
    """
    places = np.atleast_1d(np.asarray(thresholds, np.float64)) / histogram.width
    if not (places > 0).all():
        raise ValueError(f"thresholds are above 0, got {np.min(thresholds)}")
    with np.errstate(over="ignore"):
        return _in_bins(histogram, places, largest_code(bits, signed)) * histogram.width * histogram.width


def _in_bins(histogram: Histogram, places: Array, code: int) -> Array:
    """Those errors with widths as the unit, some thresholds at a time."""
    parts = [places[i : i + _AT_ONCE, None] for i in range(0, places.size, _AT_ONCE)]
    return np.concatenate([_errors(histogram, part, code) for part in parts], axis=1) / histogram.total


def _errors(histogram: Histogram, t: Array, code: int) -> Array:
    """Sums over the elements, in units of a bin: rounding, clipping."""
    edges = np.arange(histogram.counts.size + 1.0)
    within, beyond = np.minimum(edges, t), np.maximum(edges - t, 0.0)
    s = t / code
    nearest = np.rint(within / s)
    away = within - s * nearest
    rounding = s**3 / 12 * nearest + away * away * away / 3
    clipping = beyond * beyond * beyond / 3
    counts = histogram.without_zeros()
    return np.stack([(np.diff(integral) * counts).sum(axis=-1) for integral in (rounding, clipping)])


def least_squares(histogram: Histogram, bits: int = 8, signed: bool = True) -> float:
    """The bin edge of the least mean squared error, the first of several; at most the largest magnitude.

    >>> least_squares(Histogram([9000, 9000, 9000, 9000, 0, 0, 0, 1]), bits=4)
    4.0
    """
    edges, code = np.arange(1.0, histogram.counts.size + 1), largest_code(bits, signed)
    if code <= edges.size:
        edges = _promising(histogram.without_zeros().astype(np.float64), edges, code)
    errors = _in_bins(histogram, edges, code).sum(axis=0)
    return min(float(edges[np.argmin(errors)]) * histogram.width, histogram.largest)


def _promising(counts: Array, t: Array, code: int) -> Array:
    """The thresholds, in bins, that may have the least squared error.

    With a(y) = sum of y - x over x < y, and s = t / code, that error is sum of (x - t)**2 less
    2 s sum of a((k + 1/2) s), k = 0 ... code - 1: only at ties between codes is anything looked up.
    """
    middle = np.arange(counts.size) + 0.5
    around = counts @ (middle * middle + 1 / 12) + t * (t * counts.sum() - 2 * (counts @ middle))
    inner = np.concatenate(
        [_within(counts, s, code) for s in np.split(t / code, range(_ROWS, t.size, _ROWS))]
    )
    least = around - 2 * t / code * inner
    doubt = 1e-12 * (around + 2 * t * t * counts.sum())  # of sums as large as these
    return t[least - doubt <= (least + doubt).min()]


def _within(counts: Array, s: Array, code: int) -> Array:
    """Sums of y - x over the elements x below y, over the ties y of steps s, in bins evenly filled."""
    below = np.cumsum(counts) - counts
    area = np.cumsum(below + counts / 2) - (below + counts / 2)
    tie = s[:, None] * (np.arange(code) + 0.5)
    bin_ = tie.astype(np.intp)
    part = tie - bin_
    return np.asarray((area[bin_] + part * (below[bin_] + part * counts[bin_] / 2)).sum(axis=1))


def least_squares_of_middles(histogram: Histogram, bits: int = 8, signed: bool = True) -> float:
    """The middle of a bin, from bin 128 on, of the least squared error, all elements of a bin in its
    middle: `mse` of pytorch-quantization's calib/histogram.py, in float64 where that has float32.

    Near T = 127 bins the codes fall on the middles, which then seem to cost nothing.

    >>> least_squares_of_middles(Histogram([9000] * 200 + [0] * 99 + [1]), bits=4)
    186.5
    """
    code, bins = largest_code(bits, signed), histogram.counts.size
    middles = np.arange(bins) + 0.5
    candidates = middles[min(START, bins - 1) :]
    errors = [_error_of_middles(histogram.counts, middles, code / t, code) for t in candidates]
    return min(float(candidates[np.argmin(errors)]) * histogram.width, histogram.largest)


def _error_of_middles(counts: Array, middles: Array, scale: float, code: int) -> float:
    away = np.minimum(np.rint(middles * scale), code) / scale - middles
    return float((counts * away * away).sum())


def range_of_least_squares(histogram: Histogram, bits: int = 8) -> tuple[float, float]:
    """The range that the search of PyTorch's HistogramObserver ends in.

    It begins with all bins and drops 1e-5 of the elements at a time from the side whose bound moves
    by more bins, until the squared error of an affine quantizer with 2**bits cells rises.

    Parameters
    ----------
    histogram : Histogram of elements with their sign
    bits : of the codes

    Returns
    -------
    low, high : in the unit of the elements

    Source: torch/ao/quantization/observer.py, `_non_linear_param_search`, after NormMinimization of
    caffe2/quantization/server. Here it runs in float64.

    >>> range_of_least_squares(Histogram([1] + [0] * 1000 + [50000] * 40), bits=4)
    (1001.0, 1041.0)
    """
    start, end = _walk(histogram.counts, 1 << bits)
    return histogram.low + histogram.width * start, histogram.low + histogram.width * (end + 1)


def _walk(counts: Array, cells: int) -> tuple[int, int]:
    below = np.cumsum(counts).tolist()
    lower, upper, least = 0.0, 1.0, np.inf
    start, end = 0, len(below) - 1
    while lower < upper:
        left = min(max(start, bisect_left(below, (lower + _STEP) * below[-1])), end)
        right = max(min(end, bisect_right(below, (upper - _STEP) * below[-1]) - 1), start)
        if left - start > end - right:
            lower, trial = lower + _STEP, (left, end)
        else:
            upper, trial = upper - _STEP, (start, right)
        if trial == (start, end):
            continue
        error = _affine_error(counts, *trial, cells)
        if error > least:
            break
        least, (start, end) = error, trial
    return start, end


def _affine_error(counts: Array, start: int, end: int, cells: int) -> float:
    """Of codes in the middle of `cells` equal cells from bin `start` to bin `end`, in units of a bin."""
    cell = (end - start + 1) / cells
    edges = np.arange(counts.size + 1.0) - start
    number = np.clip(np.floor(edges / cell), 0, cells - 1)
    integral = number * cell**3 / 12 + (edges - (number + 0.5) * cell) ** 3 / 3
    return float((np.diff(integral) * counts).sum())
