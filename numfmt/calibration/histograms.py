"""Histograms, and what the searches for a threshold know about data: an array, or what was counted.

Samples counts in bins of max / 2048, as the published searches do. Counts takes batches: its bins
are 2**k wide, k a function of the largest magnitude alone, and grow by joining pairs. An element
is then in the same bin whatever came before it, so any split into batches, merged in any order,
ends in the same counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from ..engine import inputs

Array = np.ndarray[Any, Any]
BINS = 2048
_CENTRED_BINS = 8001  # odd, so that one lies about 0; as in MXNet and TVM
_CHUNK = 1 << 16  # elements
_LOG = 12
_ALL = 1 << _LOG  # bins of each sign in Counts; from half of them on lie below the largest magnitude
_LEAST = -1074 + _LOG  # 2**-1074 is the least float64, and so the least width of a bin


class Moments(NamedTuple):
    """Of the elements, in their unit: mean, mean |x - mean|, root of the mean (x - mean)**2."""

    mean: float
    deviation: float
    sigma: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of elements in bins of one width.

    Attributes
    ----------
    counts : int64, 1-D; counts[i] elements lie in [low + i * width, low + (i + 1) * width)
    width, low : in the unit of the elements
    largest : the largest magnitude; no threshold exceeds it
    zeros : how many of the elements are exactly 0

    >>> Histogram([3, 0, 1], width=0.5).total
    4
    """

    counts: Array
    width: float = 1.0
    low: float = 0.0
    largest: float = math.inf
    zeros: int = 0

    def __post_init__(self) -> None:
        given = np.asarray(self.counts)
        if given.ndim != 1 or given.dtype.kind not in "iu" or not given.any() or given.min() < 0:
            raise ValueError(
                f"a histogram takes a list of counts, integers from 0 on, not all 0; got {given.dtype} of shape"
                f" {given.shape}. Count the elements of each bin first"
            )
        if not 0 <= self.width < math.inf:
            raise ValueError(f"the width of a bin is 0 or more and finite, got {self.width!r}")
        object.__setattr__(self, "counts", given.astype(np.int64))

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def without_zeros(self) -> Array:
        """The counts of magnitudes that are not 0."""
        counts = self.counts.copy()
        counts[0] -= self.zeros
        return counts


def checked_integer(name: str, value: Any, least: int) -> int:
    """An integer from `least` on, or `ValueError`.

    >>> checked_integer("levels", 2, 1)
    2
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ValueError(f"{name} is an integer from {least} on, got {value!r}")
    return int(value)


class Data(Protocol):
    """What a search may ask of the finite elements."""

    low: float
    high: float
    count: int

    @property
    def largest(self) -> float: ...
    def magnitudes(self) -> Histogram: ...
    def signed(self) -> Histogram: ...
    def centred(self) -> Array: ...
    def percentile(self, p: float) -> float: ...
    def moments(self, signed: bool) -> Moments: ...


def chunks(x: Any) -> Iterator[Array]:
    """The elements as float64, 65536 at a time, 1-D, in C order.

    >>> [piece.tolist() for piece in chunks([[1, 2], [3, 4]])]
    [[1.0, 2.0, 3.0, 4.0]]
    """
    array = x.detach().cpu().double().numpy() if inputs.is_tensor(x) else np.asarray(x)
    inputs.classify(array)
    flat = array.reshape(-1) if array.flags.c_contiguous else array.flat
    with np.errstate(over="ignore"):
        for start in range(0, array.size, _CHUNK):
            yield flat[start : start + _CHUNK].astype(np.float64)


class Samples:
    """The finite elements of an array, at once: 8 bytes each."""

    def __init__(self, x: Any) -> None:
        pieces = list(chunks(x))
        every = np.concatenate(pieces) if pieces else np.zeros(0)
        self.values = (
            every[np.isfinite(every)] + 0.0
        )  # no -0.0: which zero is the least must not depend on order
        self.count, self.ignored = self.values.size, every.size - self.values.size
        self.low = float(self.values.min(initial=math.inf))
        self.high = float(self.values.max(initial=-math.inf))

    @property
    def largest(self) -> float:
        return max(-self.low, self.high)

    def magnitudes(self, bins: int = BINS) -> Histogram:
        """|x| in bins of max / bins: bin min(floor(|x| * bins / max), bins - 1)."""
        counts = _counted(abs(self.values), self.largest, bins)
        zeros = self.count - int(np.count_nonzero(self.values))
        return Histogram(counts, self.largest / bins, 0.0, self.largest, zeros)

    def signed(self, bins: int = BINS) -> Histogram:
        """x in `bins` bins from the least to the greatest element, the greatest in the last."""
        span = self.high / 2 - self.low / 2  # halved: the whole may be past float64
        counts = _counted(self.values / 2 - self.low / 2, span, bins)
        return Histogram(counts, span / bins * 2, self.low, self.largest)

    def centred(self, bins: int = _CENTRED_BINS) -> Array:
        """Counts of x in `bins` bins from -max to max, as `np.histogram` has them."""
        exponent = math.frexp(self.largest)[1]
        top = math.ldexp(self.largest, -exponent)  # 1/2 to 1: from -max to max no float64 overflows
        counts: Array = np.histogram(np.ldexp(self.values, -exponent), bins, (-top, top))[0]
        return counts

    def percentile(self, p: float) -> float:
        """The p-th percentile of |x|, linear between neighbours in order."""
        return float(np.percentile(abs(self.values), p))

    def moments(self, signed: bool) -> Moments:
        scaled = self.values / self.largest
        return _moments(scaled if signed else scaled[scaled > 0], None, signed, self.largest)


def _counted(sizes: Array, largest: float, bins: int) -> Array:
    if not largest:
        return np.bincount([0], [sizes.size], minlength=bins).astype(np.int64)
    if largest > 2.0**1000:  # times `bins` would leave float64
        sizes, largest = sizes * 2.0**-64, largest * 2.0**-64
    places = (sizes * bins / largest).astype(np.int64)
    return np.bincount(np.minimum(places, bins - 1), minlength=bins)


def _moments(values: Array, weights: Array | None, signed: bool, unit: float) -> Moments:
    """About the mean; of one-sided data, about 0."""
    mean = float(np.average(values, weights=weights)) if signed else 0.0
    away = abs(values - mean)
    deviation, square = (float(np.average(a, weights=weights)) for a in (away, away * away))
    return Moments(mean * unit, deviation * unit, math.sqrt(square) * unit)


@dataclass(eq=False)
class Extremes:
    """The least and the greatest finite element, and how many were finite and how many not."""

    low: float = math.inf
    high: float = -math.inf
    count: int = 0
    ignored: int = 0

    @property
    def largest(self) -> float:
        return max(-self.low, self.high)

    def add(self, x: Array) -> None:
        """Take elements in: 1-D float64."""
        finite = x[np.isfinite(x)] + 0.0
        self.ignored += x.size - finite.size
        self.count += finite.size
        self.low = min(self.low, float(finite.min(initial=math.inf)))
        self.high = max(self.high, float(finite.max(initial=-math.inf)))

    def merge(self, other: Self) -> None:
        """Take in what another has seen."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.count, self.ignored = self.count + other.count, self.ignored + other.ignored


@dataclass(eq=False)
class Counts(Extremes):
    """A histogram of sign and magnitude that grows with what it is given.

    `bins[0, i]` counts i * w <= x < (i + 1) * w and `bins[1, i]` the same of -x, x != 0, where
    w = 2**(exponent - 12) and 2**exponent is the least power of two above every magnitude.
    """

    exponent: int = _LEAST
    zeros: int = 0
    bins: Array = field(default_factory=lambda: np.zeros((2, _ALL), np.int64))

    @property
    def width(self) -> float:
        return math.ldexp(1.0, self.exponent - _LOG)

    def add(self, x: Array) -> None:
        super().add(x)
        values = x[np.isfinite(x)]
        nonzero = values[values != 0]
        self.zeros += values.size - nonzero.size
        if nonzero.size:
            self._grow(max(math.frexp(self.largest)[1], _LEAST))
            places = np.ldexp(abs(nonzero), _LOG - self.exponent).astype(np.int64)
            places += _ALL * np.signbit(nonzero)
            self.bins += np.bincount(places, minlength=2 * _ALL).reshape(2, _ALL)

    def merge(self, other: Self) -> None:
        bins, exponent = other.bins.copy(), other.exponent
        super().merge(other)
        self.zeros += other.zeros
        self._grow(exponent)
        self.bins += _joined(bins, self.exponent - exponent)

    def _grow(self, exponent: int) -> None:
        if exponent > self.exponent:
            self.bins = _joined(self.bins, exponent - self.exponent)
            self.exponent = exponent

    def magnitudes(self) -> Histogram:
        """|x|, up to the last bin that is not empty; zeros in the first."""
        both = self.bins.sum(axis=0)
        both[0] += self.zeros
        counts = both[: np.flatnonzero(both)[-1] + 1]
        return Histogram(counts, self.width, 0.0, self.largest, self.zeros)

    def signed(self) -> Histogram:
        """x, from the first to the last bin that is not empty; zeros in the first bin above 0."""
        both = np.concatenate((self.bins[1, ::-1], self.bins[0]))
        both[_ALL] += self.zeros
        full = np.flatnonzero(both)
        first = int(full[0])
        return Histogram(both[first : full[-1] + 1], self.width, (first - _ALL) * self.width, self.largest)

    def percentile(self, p: float) -> float:
        """Where the share p of the elements lies below, bins being evenly filled."""
        histogram = self.magnitudes()
        below = np.concatenate(([0], np.cumsum(histogram.counts)))
        place = np.interp(p / 100 * self.count, below, np.arange(below.size))
        return min(float(place) * self.width, self.largest)

    def moments(self, signed: bool) -> Moments:
        """From the middle of each bin: within half a width of what the elements have."""
        middle = np.arange(_ALL) + 0.5
        values = np.concatenate((-middle, [0.0], middle))
        weights = np.concatenate((self.bins[1], [self.zeros], self.bins[0]))
        if not signed:
            values, weights = middle, self.bins[0]
        return _moments(values, weights, signed, self.width)


def _joined(bins: Array, pairs: int) -> Array:
    """The counts after joining neighbours that many times."""
    times = min(pairs, _LOG)
    joined = np.zeros_like(bins)
    joined[:, : _ALL >> times] = bins.reshape(2, _ALL >> times, 1 << times).sum(axis=-1)
    return joined
