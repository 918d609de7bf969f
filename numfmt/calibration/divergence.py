"""Thresholds that lose the least information: the Kullback-Leibler divergence of a clipped histogram.

P is the first i bins of a histogram of magnitudes, what lies beyond added to the last of them; Q
is the same bins merged into as many levels as there are codes, and spread again over the bins
that are not empty. The i with the least sum P ln(P / Q) is kept.

Published by S. Migacz, "8-bit Inference with TensorRT", GTC 2017 (S7310). The slides leave open
how bins are merged where i is no multiple of the levels, what P > 0 = Q costs, and which minimum
is taken; each library decided for itself, so each has its own row in `SEARCHES`. The calibrator
inside TensorRT is closed: none of the rows claims to be it.

Counts are summed exactly, probabilities in float64; D is good to 1e-9 and better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import choose
from .histograms import Histogram, checked_integer

Array = np.ndarray[Any, Any]
_ROWS = 256  # candidates at once
START = 128  # bins that pytorch-quantization and ncnn keep at least
_EPSILON = 1e-4  # ncnn adds it to every probability


class Prefix(NamedTuple):
    """Counts, and how many elements and how many bins that are not empty lie before each bin."""

    counts: Array
    elements: Array
    filled: Array


class Search(NamedTuple):
    """One published way to search.

    Attributes
    ----------
    edges : the bins at which levels begin and the last ends, of i and the number of levels; None
        where levels cut bins
    prepare : the counts it looks at
    start : the first i, of the number of levels
    all_bins : whether to keep every bin is a candidate too
    last : whether the last of several minima is taken
    offset : the threshold is (i + offset) * width
    """

    edges: Callable[[Any, int], Array] | None
    prepare: Callable[[Histogram], Array]
    start: Callable[[int], int]
    all_bins: bool
    last: bool
    offset: float


def divergences(histogram: Histogram, levels: int = 128, search: str = "kl") -> tuple[Sequence[int], Array]:
    """D(i) in nats of keeping the first i bins, for every candidate i.

    Parameters
    ----------
    histogram : Histogram of magnitudes
    levels : codes of one sign: 128 for 8 bits with a sign
    search : a name in `SEARCHES`

    Returns
    -------
    the candidates i, ascending, and D of each; infinite where P > 0 = Q

    The example of the slides, 8 bins and 2 levels:

    >>> i, d = divergences(Histogram([1, 0, 2, 3, 5, 3, 1, 7]), levels=2)
    >>> i[-1], round(float(d[-1]), 12)
    (8, 0.150315265337)
    """
    rule, prefix = _prepared(histogram, search)
    candidates = _candidates(rule, prefix.counts.size, levels)
    return candidates, _divergences(rule, prefix, candidates, levels)


def least_divergence(histogram: Histogram, levels: int = 128, search: str = "kl") -> float:
    """The threshold of the least D, at most `histogram.largest`.

    >>> least_divergence(Histogram([8, 8, 4, 4, 0, 0, 0, 1]), levels=4)
    8.5
    """
    rule, prefix = _prepared(histogram, search)
    candidates: Sequence[int] | Array = _candidates(rule, prefix.counts.size, levels)
    if rule.edges and candidates[0] >= levels:
        candidates = _promising(prefix, np.array(candidates), levels, rule.edges)
    d = _divergences(rule, prefix, candidates, levels)
    at = len(d) - 1 - int(np.argmin(d[::-1])) if rule.last else int(np.argmin(d))
    return min((int(candidates[at]) + rule.offset) * histogram.width, histogram.largest)


def _prepared(histogram: Histogram, search: str) -> tuple[Search, Prefix]:
    rule = SEARCHES[choose("search", search, SEARCHES)]
    counts = rule.prepare(histogram)
    if not counts.any():
        raise ValueError(f"{search} leaves no element of this histogram to search. Give it more than zeros")
    return rule, prefix_sums(counts)


def _divergences(rule: Search, prefix: Prefix, candidates: Sequence[int] | Array, levels: int) -> Array:
    if rule.edges is None:
        return np.array([_split_bins(prefix, i, levels) for i in candidates])
    return np.array([_merged(prefix, i, rule.edges(i, levels)) for i in candidates])


def _promising(prefix: Prefix, i: Array, levels: int, edges: Callable[[Any, int], Array]) -> Array:
    """The candidates, of at least as many bins as levels, that may have the least D: a sum over the
    levels, good to 1e-10, tells the others.

    N D = sum of c ln c over the bins of P - sum of m ln mean over the levels + N ln(kept / N), m
    and mean of a level counting what lies beyond, and not.
    """
    total, last, kept = prefix.elements[-1], prefix.counts[i - 1], prefix.elements[i]
    before = np.concatenate(([0.0], np.cumsum(_times_log(prefix.counts))))
    parts = np.split(i, range(_ROWS, i.size, _ROWS))
    merged = np.concatenate([_in_levels(prefix, part, edges(part[:, None], levels)) for part in parts])
    with np.errstate(divide="ignore"):
        d = (before[i - 1] + _times_log(last + total - kept) - merged) / total + np.log(kept / total)
    d[(kept == 0) | ((kept < total) & (last == 0))] = math.inf
    return i[d <= d.min() + 1e-10]


def _times_log(count: Array) -> Array:
    return np.asarray(count * np.log(np.maximum(count, 1)))


def _in_levels(prefix: Prefix, i: Array, edges: Array) -> Array:
    """Sums of m ln mean over the levels between edges, a row of them for each of the candidates i."""
    held, filled = np.diff(prefix.elements[edges]), np.diff(prefix.filled[edges])
    mean = np.maximum(held, 1) / np.maximum(filled, 1)
    held[:, -1] += prefix.elements[-1] - prefix.elements[i]
    return np.asarray((held * np.log(mean)).sum(axis=1))


def _candidates(rule: Search, bins: int, levels: int) -> Sequence[int]:
    checked_integer("levels", levels, 1)
    last = bins if rule.all_bins else bins - 1
    return range(min(rule.start(levels), bins), last + 1) or [bins]


def prefix_sums(counts: Array) -> Prefix:
    """Of int64 counts, 1-D.

    >>> prefix_sums(np.array([2, 0, 3])).elements.tolist()
    [0, 2, 2, 5]
    """
    return Prefix(counts, _running(counts), _running(counts > 0))


def _running(x: Array) -> Array:
    return np.concatenate(([0], np.cumsum(x, dtype=np.int64)))


def _merged(prefix: Prefix, i: int, edges: Array) -> float:
    """D where level j takes the bins from edges[j] up to edges[j + 1]."""
    kept, total = prefix.elements[i], prefix.elements[-1]
    if not kept or (kept < total and not prefix.counts[i - 1]):
        return math.inf
    mean = np.diff(prefix.elements[edges]) / np.maximum(np.diff(prefix.filled[edges]), 1)
    q = np.repeat(mean, np.diff(edges)) / kept
    p = _clipped(prefix, i)
    full = p > 0
    return _relative_entropy(p[full], q[full])


def _clipped(prefix: Prefix, i: int) -> Array:
    """P: shares of the first i bins, those beyond in the last."""
    p = prefix.counts[:i].astype(np.float64)
    p[-1] += prefix.elements[-1] - prefix.elements[i]
    return p / prefix.elements[-1]


def _relative_entropy(p: Array, q: Array) -> float:
    return float(np.sum(p * np.log(p / q)))


def _floor_edges(i: Any, levels: int) -> Array:
    return np.asarray(np.arange(levels + 1) * i // levels)


def _ceil_edges(i: Any, levels: int) -> Array:
    return np.asarray(-(-np.arange(levels + 1) * i // levels))


def _split_bins(prefix: Prefix, i: int, levels: int) -> float:
    """D where a level boundary may cut a bin, whose elements are then shared out."""
    shares = prefix.elements[: i + 1] / prefix.elements[-1]
    bins, edges = np.arange(i + 1), np.arange(levels + 1) * (i / levels)
    q = np.diff(np.interp(bins, edges, np.interp(edges, bins, shares)))
    return _relative_entropy(_clipped(prefix, i) + _EPSILON, q + _EPSILON)


def _first_from_second(histogram: Histogram) -> Array:
    """Bin 0 gets the count of bin 1: no spike of zeros."""
    counts = histogram.counts.copy()
    counts[:1] = counts[1:2] if counts.size > 1 else counts
    return counts


# S7310: open questions as in the description of `numfmt.calibration.threshold`
# pytorch-quantization: calib/histogram.py, `entropy`; where no element is kept its D is 0/0, here infinite
# ncnn: tools/quantize/ncnn2table.cpp, KL; it computes in float32
SEARCHES = {
    "kl": Search(_floor_edges, lambda h: h.counts, lambda levels: levels, True, False, 0.5),
    "kl_pytorch_quantization": Search(_ceil_edges, _first_from_second, lambda levels: START, True, True, 0.0),
    "kl_ncnn": Search(None, Histogram.without_zeros, lambda levels: START, False, False, 0.5),
}
