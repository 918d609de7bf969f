"""KL thresholds as MXNet and TVM find them: windows about the middle of a histogram with signs.

The window of half-width i keeps the bin in the middle and i bins on each side of it. P is what it
holds, the bins outside added to its first and last; Q is the window merged into levels of equally
many bins, the remainder in the last of them, and spread over the bins where P > 0. In both, empty
bins get 1e-4, taken off the others in equal parts. The first least sum P ln(P / Q) wins.

The first bin of the window goes into P alone, not into Q: x and -x may end in different thresholds.

Sources: src/operator/quantization/calibrate.cc of Apache MXNet 1.9.1, and its port in
src/relay/quantize/calibrate.cc of Apache TVM 0.19. Both find the same, and both sum in float32 in
the order of the bins, which moves D by up to a percent: so does this. Counts past 2**24 stay exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .divergence import Prefix, prefix_sums
from .histograms import checked_integer

Array = np.ndarray[Any, Any]
_EPSILON = np.float32(1e-4)


def window_divergences(counts: Any, levels: int = 255) -> tuple[range, Array]:
    """D(i) in nats of the windows of half-width i.

    Parameters
    ----------
    counts : integers, 1-D, an odd number of bins, the middle one about 0
    levels : codes of both signs: 255 for 8 bits, 511 for 8 bits of data without negative elements

    Returns
    -------
    the half-widths from levels // 2 on, ascending, and D of each, float32; infinite where Q is empty

    >>> i, d = window_divergences([0, 1, 2, 4, 8, 3, 2, 0, 1], levels=3)
    >>> list(i), [round(float(v), 4) for v in d]
    ([1, 2, 3, 4], [3.2702, 1.3899, 0.073, 0.0798])
    """
    given = np.asarray(counts)
    checked_integer("levels", levels, 1)
    if given.ndim != 1 or given.dtype.kind not in "iu" or not given.size % 2 or given.min() < 0:
        raise ValueError(
            f"windows have a middle: expected an odd number of integer counts from 0 on, got {given.dtype} of shape"
            f" {given.shape}. Count the elements in 2n + 1 bins from -max to max"
        )
    middle, prefix = given.size // 2, prefix_sums(given.astype(np.int64))
    halves = range(min(levels // 2, middle), middle + 1)
    return halves, np.array([_divergence(prefix, middle - i, middle + i + 1, levels) for i in halves])


def window_threshold(counts: Any, largest: float, levels: int = 255) -> float:
    """The outer edge of the window of the least D, of bins that reach from -largest to largest.

    With more levels than bins nothing is clipped.

    >>> window_threshold([0, 1, 2, 4, 8, 3, 2, 0, 1], 18.0, levels=3)
    14.0
    """
    halves, d = window_divergences(counts, levels)
    return (2 * halves[int(np.argmin(d))] + 1) / len(counts) * largest


def _divergence(prefix: Prefix, start: int, end: int, levels: int) -> np.float32:
    p = _window(prefix, start, end)
    q = _spread(prefix, start, end, levels) * (p > 0)
    if _taken(q) >= 1:
        return np.float32(np.inf)
    p, q = _shares(p), _shares(q)
    logarithm = np.log((p / q).astype(np.float64)).astype(np.float32)
    return _in_order(p * logarithm)


def _window(prefix: Prefix, start: int, end: int) -> Array:
    """The bins from `start` up to `end`, those outside in the first and the last."""
    p = prefix.counts[start:end].astype(np.float32)
    p[0] = prefix.elements[start + 1]
    p[-1] = prefix.elements[-1] - prefix.elements[end - 1]
    return p


def _spread(prefix: Prefix, start: int, end: int, levels: int) -> Array:
    """The mean of its bins that are not empty, for each bin of a level; the first bin counts as empty."""
    edges = start + np.arange(levels + 1) * ((end - start) // levels)
    edges[-1] = end
    sums, filled = np.diff(prefix.elements[edges]), np.diff(prefix.filled[edges])
    first = np.searchsorted(edges, start, "right") - 1
    sums[first] -= prefix.counts[start]
    filled[first] -= prefix.counts[start] > 0
    mean = sums.astype(np.float32) / np.maximum(filled, 1).astype(np.float32)
    return np.repeat(mean, np.diff(edges))


def _taken(x: Array) -> np.float32:
    """What each bin gives to the empty ones; infinite where there is none to give."""
    full = np.count_nonzero(x)
    return _EPSILON * np.float32(x.size - full) / np.float32(full) if full else np.float32(np.inf)


def _shares(x: Array) -> Array:
    """Of the smoothed x, whose elements are 0 or at least 1."""
    smoothed = np.maximum(x - _taken(x), _EPSILON)
    return smoothed / _in_order(smoothed)


def _in_order(x: Array) -> np.float32:
    """The float32 sum from the first to the last: `np.sum` would add in pairs."""
    return np.add.accumulate(x)[-1]
