"""Levels from data by alternation: k-means of one dimension, which is Lloyd's and Max's quantizer on numbers.

S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28, 1982 (written 1957); J. Max, "Quantizing
for minimum distortion", IRE Trans. Inf. Theory 6, 1960; S. Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..calibration.histograms import checked_integer
from ..noise import words
from .levels import Levels
from .ordered import Ordered, ordered

Array = np.ndarray[Any, Any]
_MOST = 1 << 16  # levels whose codes are uint16
_FINE, _FINEST = 64, 1 << 16  # steps of the distribution, of a level and in all


class Clusters(NamedTuple):
    """Levels learned from data, and what they cost.

    Attributes
    ----------
    levels : Levels
        k values, each a float32 number held as float64; a tie between two is the lower one's.
    mse : float
        Mean squared error of the data on these levels, in squared units of the data.
    iterations : int
        How often all centroids were moved.
    counts : int64, (k,)
        The elements of each level.
    converged : bool
        Whether the search ended by itself, not at the bound of iterations.
    """

    levels: Levels
    mse: float
    iterations: int
    counts: Array
    converged: bool


def kmeans(
    x: Any, k: int, *, init: str = "linear", seed: int | None = None, iterations: int = 1000
) -> Clusters:
    """Shared weights: k centroids, each the mean of the elements nearest to it.

    An element in the middle of two centroids is the lower one's, and a centroid without elements stays where it
    is. The search ends when no element changes its centroid, or after so many iterations.

    Parameters
    ----------
    x : array_like of real numbers, any shape
        They are sorted, in one copy of float32 (of float64 where float32 may not hold them); there is no streaming.
    k : int, 2 to 65536
    init : str
        The first centroids: "linear", equally spaced from the least to the largest number; "density", the numbers
        at k equal steps of the cumulative distribution, in the middle of each; "random", numbers drawn from x. In
        the last two, one that is there already gives way to the next number.
    seed : int, 0 <= seed < 2**64
        Of "random": draw i takes place `word i * n >> 32` of the numbers in rising order.
    iterations : int
        The most.

    Returns
    -------
    Clusters : the same digits for any order of the elements, memory layout and number of threads

    Raises
    ------
    ValueError : without elements; an element that is not finite; fewer than k different numbers; levels that are
        too large for float32, or equal in it

    Source: S. Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016, section 3. The gradient of shared weights is
    `surrogates.centroids`.

    >>> found = kmeans([[1.2, 1.3, 6.1], [0.9, 0.7, 6.9], [-1.0, -0.9, 1.0]], 3)
    >>> found.levels.values.round(4).tolist(), found.counts.tolist(), found.converged
    ([-0.95, 1.02, 6.5], [2, 5, 2], True)
    """
    checked_integer("iterations", iterations, 1)
    data = learned(x, k, "kmeans")
    levels, count, converged = _until_no_change(data, _first_centroids(data, k, init, seed), iterations)
    return delivered(data, levels, count, converged)


def lloyd_max(x: Any, k: int, *, tolerance: float = 1e-6, iterations: int = 1000) -> Clusters:
    """The quantizer of k levels with the least squared error that alternation finds.

    Levels are the means of their elements, boundaries the middles of neighbours. It starts where many fine levels
    would be best, at equal steps of the integral of density**(1/3) (P. Panter, W. Dite, Proc. IRE 39, 1951), and
    ends when an iteration lessens the squared error by no more than a part `tolerance` of it.

    Parameters
    ----------
    x, k, iterations : as of `kmeans`
    tolerance : float, from 0 on

    Returns
    -------
    Clusters

    >>> found = lloyd_max(np.arange(8.0), 4)
    >>> found.levels.values.tolist(), found.mse
    ([0.5, 2.5, 4.5, 6.5], 0.25)
    """
    checked_integer("iterations", iterations, 1)
    if not tolerance >= 0:
        raise ValueError(f"tolerance is a part of the squared error, from 0 on; got {tolerance!r}")
    data = learned(x, k, "lloyd_max")
    levels, count, converged = _until_no_gain(data, _companded(data, k), tolerance, iterations)
    return delivered(data, levels, count, converged)


def learned(x: Any, k: int, what: str) -> Ordered:
    checked_count(k, what)
    data = ordered(x, k, what)
    if (largest := max(-data.numbers[0], data.numbers[-1])) > np.finfo(np.float32).max:
        raise ValueError(f"levels are delivered as float32, and {what} got {largest}. Scale the data first")
    if (there := data.distinct()) < k:
        raise ValueError(
            f"{what} has {k} levels to place, and the data hold {there} different number{'s' * (there > 1)}."
            f" Ask for fewer levels"
        )
    return data


def delivered(data: Ordered, levels: Array, count: int, converged: bool) -> Clusters:
    """The clusters of levels rounded to float32, as a decoder stores them."""
    values = levels.astype(np.float32).astype(np.float64)
    if not (values[1:] > values[:-1]).all():
        raise ValueError(
            f"two of {levels.size} levels from {levels[0]} to {levels[-1]} are equal in float32, in which levels are"
            " delivered. Take the mean off the data, scale them, or ask for fewer levels"
        )
    cuts = data.cuts(values)
    mse = data.squared_errors(cuts, values) / data.numbers.size
    return Clusters(Levels(values, ties="down", numbers=values.size), mse, count, np.diff(cuts), converged)


def checked_count(k: Any, what: str) -> None:
    """`ValueError` where k is no number of levels."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 2 <= k <= _MOST:
        raise ValueError(f"{what} gives 2 to {_MOST} levels, an integer; got {k!r}")


def _first_centroids(data: Ordered, k: int, init: str, seed: int | None) -> Array:
    if init not in _STARTS:
        raise ValueError(f"init is one of {', '.join(_STARTS)}; got {init!r}")
    return _STARTS[init](data, k, seed)


def _linear(data: Ordered, k: int, seed: int | None) -> Array:
    return np.linspace(data.numbers[0], data.numbers[-1], k, dtype=np.float64)


def _density(data: Ordered, k: int, seed: int | None) -> Array:
    return _apart(data, data.numbers[_middles(data.numbers.size, k)])


def _random(data: Ordered, k: int, seed: int | None) -> Array:
    if seed is None:
        raise ValueError("init='random' draws numbers: give it a seed=")
    places = words(seed, 0, k).astype(np.uint64) * np.uint64(data.numbers.size) >> np.uint64(32)
    return _apart(data, data.numbers[np.sort(places)])


_STARTS: dict[str, Callable[[Ordered, int, int | None], Array]] = {
    "linear": _linear,
    "density": _density,
    "random": _random,
}


def _middles(n: int, steps: int) -> Array:
    """The places in the middle of so many equal steps of n numbers."""
    return (2 * np.arange(steps) + 1) * n // (2 * steps)


def _companded(data: Ordered, k: int) -> Array:
    """Equal steps of the integral of density**(1/3): a fine step of the distribution, d wide, adds d**(2/3)."""
    n = data.numbers.size
    places = np.concatenate([[0], _middles(n, min(n, max(_FINE * k, _FINEST))), [n - 1]])
    at = data.numbers[places].astype(np.float64)
    integral = np.concatenate([[0.0], np.cumsum(np.diff(at) ** (2 / 3))])
    wanted = np.interp((np.arange(k) + 0.5) / k * integral[-1], integral, at)
    return _apart(data, data.numbers[data.cuts(wanted)[:-1]])


def _apart(data: Ordered, start: Array) -> Array:
    """Numbers of the data, rising: a twin moves up to the next number, or down where there is none above."""
    apart, numbers = start.copy(), data.numbers
    if (apart[1:] > apart[:-1]).all():
        return apart.astype(np.float64)
    for i in range(1, apart.size):
        if apart[i] <= apart[i - 1]:
            apart[i] = numbers[min(numbers.searchsorted(apart[i - 1], "right"), numbers.size - 1)]
    for i in reversed(range(apart.size - 1)):
        if apart[i] >= apart[i + 1]:
            apart[i] = numbers[numbers.searchsorted(apart[i + 1]) - 1]
    return apart.astype(np.float64)


def _until_no_change(data: Ordered, levels: Array, most: int) -> tuple[Array, int, bool]:
    cuts = data.cuts(levels)
    for count in range(1, most + 1):
        levels = _centroids(data, cuts, levels)
        before, cuts = cuts, data.cuts(levels)
        if (cuts == before).all():
            return levels, count, True
    return levels, most, False


def _until_no_gain(data: Ordered, levels: Array, tolerance: float, most: int) -> tuple[Array, int, bool]:
    cuts = data.cuts(levels)
    error = data.squared_errors(cuts, levels)
    for count in range(1, most + 1):
        levels = _centroids(data, cuts, levels)
        cuts = data.cuts(levels)
        before, error = error, data.squared_errors(cuts, levels)
        if before - error <= tolerance * before:
            return levels, count, True
    return levels, most, False


def _centroids(data: Ordered, cuts: Array, levels: Array) -> Array:
    """The mean of each run; the level itself where the run is empty."""
    counts = np.diff(cuts)
    return np.where(counts > 0, data.run_sums(cuts) / np.maximum(counts, 1), levels)
