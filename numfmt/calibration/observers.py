"""Observers: the same methods for data that come in batches.

What an observer keeps is exact (counts, extremes), so batches may be split and merged in any way
and order without changing a bit of the result. It differs a little from that of `threshold` on
the whole array, whose bins are max / 2048 wide: here their width is the power of two that puts 2048 to 4096 of
them below the largest magnitude.

`STREAMED` names the methods that can do with batches: all but `kl_mxnet` and `kl_tvm`, whose bins are a
fraction of the largest magnitude, which no batch knows. NaN and infinities are left out and counted in `ignored`; an empty batch changes nothing.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

from ..errors import SpecError, choose
from .histograms import Counts, Extremes, Histogram, chunks
from .methods import METHODS, WHOLE, Options, checked, kept_range, limited


class Observer:
    """What observers have in common: `update` with batches, `merge` with others, then ask.

    Parameters
    ----------
    method : str, optional
        One of `methods`; the first, if not given.
    signed : bool
        False for data without negative elements.
    percentile : float
        Of the methods that take one.
    """

    methods: ClassVar[tuple[str, ...]] = ()
    kept: ClassVar[type[Extremes]] = Counts

    def __init__(self, method: str | None = None, *, signed: bool = True, percentile: float = 99.99) -> None:
        if method in WHOLE:
            raise SpecError(
                f"{method} needs the whole array: its bins end at the largest magnitude, which no batch knows."
                " Use threshold; STREAMED names what can be observed",
                str(method),
            )
        self.method = choose("method", method or self.methods[0], self.methods)
        self.options = checked(8, signed, percentile)
        self.seen: Any = self.kept()

    def update(self, batch: Any) -> Self:
        """Take in a batch: array_like of real numbers, any shape. Returns the observer."""
        for piece in chunks(batch):
            self.seen.add(piece)
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another observer of the same method and options has seen."""
        if type(other) is not type(self) or (self.method, self.options) != (other.method, other.options):
            raise TypeError(f"cannot merge {other!r} into {self!r}: observe with the same method and options")
        self.seen.merge(other.seen)
        return self

    @property
    def count(self) -> int:
        """How many finite elements were seen."""
        return int(self.seen.count)

    @property
    def ignored(self) -> int:
        """How many NaN and infinities were left out."""
        return int(self.seen.ignored)

    def threshold(self, bits: int = 8) -> float:
        """The magnitude from which on to clip, as `numfmt.calibration.threshold` says."""
        return limited(METHODS[self.method], self.seen, self._options(bits))

    def range(self, bits: int = 8) -> tuple[float, float]:
        """The least and the greatest value to keep: the range of the data within the threshold."""
        return kept_range(self.method, self.seen, self._options(bits))

    def _options(self, bits: int) -> Options:
        return checked(bits, self.options.signed, self.options.percentile)

    def __repr__(self) -> str:
        text = ", ".join(f"{key}={value!r}" for key, value in self.options._asdict().items() if key != "bits")
        return f"{type(self).__name__}({self.method!r}, {text})"


class Histogrammed(Observer):
    """An observer that counts elements in bins."""

    @property
    def histogram(self) -> Histogram:
        """Of the magnitudes seen."""
        if not self.seen.count:
            raise ValueError("no histogram: no finite element was seen. Call update with data first")
        histogram: Histogram = self.seen.magnitudes()
        return histogram


class MinMax(Observer):
    """The largest magnitude, and the range of the data: nothing is clipped.

    >>> MinMax().update([1.0, -3.0]).merge(MinMax().update([2.0])).range()
    (-3.0, 2.0)
    """

    methods = ("absmax",)
    kept = Extremes


class Percentile(Histogrammed):
    """A percentile of the magnitudes, each bin taken as evenly filled.

    >>> round(Percentile(percentile=90).update(np.arange(1000.0)).threshold())
    900
    """

    methods = ("percentile", "percentile_pytorch_quantization")


class KL(Histogrammed):
    """The least Kullback-Leibler divergence (S7310), or the way a library searches it.

    >>> x = np.random.default_rng(0).laplace(size=10_000)
    >>> KL().update(x[:5000]).update(x[5000:]).threshold() == KL().update(x).threshold()
    True
    """

    methods = ("kl", "kl_pytorch_quantization", "kl_ncnn")


class MSE(Histogrammed):
    """The least squared error of a symmetric quantizer.

    >>> MSE().update(np.append(np.linspace(-1, 1, 1_000_000), 50)).threshold(bits=4)
    0.9375
    """

    methods = ("mse", "mse_pytorch_quantization")


class L2(Histogrammed):
    """PyTorch's search for the range of the least squared error, which need not be symmetric.

    >>> L2().update(np.linspace(0, 1, 10_000)).range()
    (0.0, 1.0)
    """

    methods = ("l2",)


class ACIQ(Histogrammed):
    """From a density fitted to the data. Its mean and spread are those of the middles of the bins:
    the mean distance from a mean not yet known can only be had from what was counted.

    >>> ACIQ("aciq_gauss").update(np.linspace(-1, 1, 1001)).threshold(bits=2) < 1
    True
    """

    methods = ("aciq_laplace", "aciq_gauss", "aciq_gauss_range")


class MovingAverage:
    """Extremes that follow the batches: m += c * (extreme of the batch - m), the first is copied.

    As torch.ao.quantization's MovingAverageMinMaxObserver, in float64. The result depends on the
    order of the batches, so two of them cannot be merged.

    Parameters
    ----------
    constant : float, above 0, up to 1

    >>> MovingAverage(0.5).update([0.0, 4.0]).update([2.0]).range()
    (1.0, 3.0)
    """

    def __init__(self, constant: float = 0.01) -> None:
        if not 0 < constant <= 1:
            raise ValueError(f"constant is above 0 and at most 1, got {constant!r}")
        self.constant = float(constant)
        self.low, self.high, self.count, self.ignored = math.nan, math.nan, 0, 0

    def update(self, batch: Any) -> Self:
        """Take in a batch; one without finite elements changes nothing. Returns the observer."""
        seen = Extremes()
        for piece in chunks(batch):
            seen.add(piece)
        if seen.count:
            low, high = self.range() if self.count else (seen.low, seen.high)
            self.low = low + self.constant * (seen.low - low)
            self.high = high + self.constant * (seen.high - high)
        self.count, self.ignored = self.count + seen.count, self.ignored + seen.ignored
        return self

    def merge(self, other: object) -> Self:
        """Refused."""
        raise TypeError("a moving average depends on the order of its batches: update one with all of them")

    def threshold(self, bits: int = 8) -> float:
        """The larger magnitude of the two averages; `bits` changes nothing."""
        low, high = self.range(bits)
        return max(-low, high)

    def range(self, bits: int = 8) -> tuple[float, float]:
        """The two averages."""
        checked(bits, True, 100)
        if not self.count:
            raise ValueError("no range: no finite element was seen. Call update with data first")
        return self.low, self.high


_KINDS = {name: kind for kind in (MinMax, Percentile, KL, MSE, L2, ACIQ) for name in kind.methods}
STREAMED = tuple(name for name in METHODS if name in _KINDS)


def observer(method: str = "kl", *, signed: bool = True, percentile: float = 99.99) -> Observer:
    """An observer of any method of `threshold` that can do with batches; `STREAMED` holds their names.

    >>> [o.count for o in (observer(name).update([1.0, 2.0]) for name in STREAMED)] == [2] * len(STREAMED)
    True
    """
    kind = _KINDS.get(choose("method", method, METHODS), Observer)
    return kind(method, signed=signed, percentile=percentile)
