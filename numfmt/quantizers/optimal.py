"""The k levels of the least squared error, by dynamic programming over numbers in rising order.

X. Wu, "Optimal quantization by matrix searching", J. Algorithms 12, 1991; H. Wang, M. Song, "Ckmeans.1d.dp", The R
Journal 3, 2011. The best end of a run of k - 1 clusters never moves down as the numbers it has to cover grow, so
halving finds all of them: k n log n costs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .clustering import Clusters, delivered, learned
from .ordered import Ordered

Array = np.ndarray[Any, Any]
_MOST = 1 << 25  # different numbers times levels


class _Sums(NamedTuple):
    """Of the different numbers before each place, centred: how many elements, their sum, their squares' sum."""

    counts: Array
    sums: Array
    squares: Array

    def costs(self, start: Array, stop: Array) -> Array:
        """The squared errors of the runs `start ... stop - 1` about their means; none of a run without numbers."""
        counts, sums, squares = (part[stop] - part[start] for part in self)
        return np.maximum(squares - sums * sums / np.maximum(counts, 1), 0.0)


def optimal_levels(x: Any, k: int) -> Clusters:
    """The k levels of the least squared error of all, to the rounding of float64 sums; the lowest of several.

    What `kmeans` and `lloyd_max` come near to. It takes k n log n steps and 4 k n bytes for n different numbers.

    Parameters
    ----------
    x : array_like of real numbers, any shape
    k : int, 2 to 65536
        At most 2**25 / n.

    Returns
    -------
    Clusters : iterations is 0

    Raises
    ------
    ValueError : as `kmeans`, and where k n exceeds 2**25

    >>> found = optimal_levels([0, 1, 2, 10, 11, 30], 3)
    >>> found.levels.values.tolist(), found.counts.tolist()
    ([1.0, 10.5, 30.0], [3, 2, 1])
    """
    data = learned(x, k, "optimal_levels")
    first = np.concatenate([[0], 1 + np.flatnonzero(data.numbers[1:] != data.numbers[:-1])])
    if first.size * k > _MOST:
        raise ValueError(
            f"optimal_levels takes up to {_MOST // k} different numbers for {k} levels, got {first.size}."
            " lloyd_max takes any number of them"
        )
    ends = _best_ends(_sums(data, first), k)
    cuts = np.append(first, data.numbers.size)[ends]
    return delivered(data, data.run_sums(cuts) / np.diff(cuts), 0, True)


def _sums(data: Ordered, first: Array) -> _Sums:
    counts = np.diff(first, append=data.numbers.size)
    values = data.numbers[first].astype(np.float64)
    values -= np.average(values, weights=counts)
    parts = (counts, counts * values, counts * values * values)
    return _Sums(*(np.concatenate([[0], np.cumsum(part)]) for part in parts))


def _best_ends(sums: _Sums, k: int) -> Array:
    """Where the k clusters of all the numbers part: int64, (k + 1,), from 0 on."""
    n = sums.counts.size - 1
    costs = sums.costs(np.zeros(n + 1, np.int64), np.arange(n + 1))
    starts = np.zeros((k, n + 1), np.int32)
    for clusters in range(1, k):
        costs, starts[clusters] = _one_more(sums, costs, clusters)
    ends = [n]
    for clusters in reversed(range(k)):
        ends.append(int(starts[clusters, ends[-1]]))
    return np.array(ends[::-1])


def _one_more(sums: _Sums, costs: Array, clusters: int) -> tuple[Array, Array]:
    """The least costs of the first numbers, so many, in one cluster more than before; where the last begins."""
    n = costs.size - 1
    least, start = np.full(n + 1, np.inf), np.full(n + 1, clusters)
    low, high = np.array([clusters + 1]), np.array([n])
    while low.size:
        middle = (low + high) // 2
        from_, to = start[low - 1], np.where(high < n, start[np.minimum(high + 1, n)], n)
        least[middle], start[middle] = _cheapest(sums, costs, middle, from_, np.minimum(to, middle - 1))
        low, high = np.concatenate([low, middle + 1]), np.concatenate([middle - 1, high])
        low, high = low[low <= high], high[low <= high]
    return least, start


def _cheapest(sums: _Sums, costs: Array, stop: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """For each stop the place in low ... high where the last cluster begins best, the lowest of several."""
    lengths = high - low + 1
    heads = np.cumsum(lengths) - lengths
    start = np.arange(lengths.sum()) + np.repeat(low - heads, lengths)
    total = costs[start] + sums.costs(start, np.repeat(stop, lengths))
    least = np.minimum.reduceat(total, heads)
    best = np.flatnonzero(total == np.repeat(least, lengths))
    return least, start[best[np.searchsorted(best, heads)]]
