"""The methods by name, as one table, and `threshold`, which applies one to an array."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import choose
from .analytic import gauss_ratio, laplace_ratio, sigma_from_range
from .divergence import least_divergence
from .histograms import Data, Histogram, Moments, Samples
from .squared_error import largest_code, least_squares, least_squares_of_middles, range_of_least_squares
from .windows import window_threshold

MOST_BITS = 16
WHOLE = ("kl_mxnet", "kl_tvm")  # need every element at once: their bins end at the largest magnitude


class Options(NamedTuple):
    """What every method is told.

    Attributes
    ----------
    bits : of a code, 2 to 16
    signed : False for data without negative elements and codes from 0 to 2**bits - 1
    percentile : above 0, up to 100
    """

    bits: int = 8
    signed: bool = True
    percentile: float = 99.99


Method = Callable[[Data, Options], float]


def threshold(
    x: Any, method: str = "kl", bits: int = 8, *, signed: bool = True, percentile: float = 99.99
) -> float:
    """The magnitude from which on a quantizer clips `x`: |x| <= T is mapped to codes, the rest to the last.

    Parameters
    ----------
    x : array_like of real numbers, any shape
        float16/32/64, integers, ml_dtypes arrays, CPU torch tensors; taken as float64. NaN and
        infinities are left out.
    method : str
        - ``absmax``: max \\|x\\|, nothing is clipped
        - ``percentile``: that percentile of \\|x\\|, linear between neighbours in order
        - ``kl``: the least Kullback-Leibler divergence, after S. Migacz, "8-bit Inference with
          TensorRT", GTC 2017 (S7310). Pinned down: bin min(floor(\\|x\\| * 2048 / max), 2047), zeros
          included; i = 2**(bits - 1) ... 2048 bins are kept; level j begins at bin
          floor(j * i / levels); D is infinite where P > 0 = Q; the first minimum is taken;
          T = (i + 1/2) * max / 2048, at most max. Of a few scattered elements one bin alone
          loses nothing: give it thousands
        - ``mse``: the edge of one of 2048 bins with the least squared error, bins evenly filled
        - ``l2``: the larger bound of the range PyTorch's HistogramObserver searches
        - ``aciq_gauss``, ``aciq_laplace``: from the standard deviation, or the mean distance from
          the mean, of an assumed density: Banner et al., NeurIPS 2019; ``aciq_gauss_range``
          estimates the standard deviation from the range and the number of elements
        - ``kl_pytorch_quantization``, ``mse_pytorch_quantization``, ``percentile_pytorch_quantization``,
          ``kl_ncnn``: the searches of those projects on a histogram of 2048 bins from 0
        - ``kl_mxnet``, ``kl_tvm``: the search of those projects on 8001 bins from -max to max, with
          2**bits - 1 levels, or 2**(bits + 1) - 1 without sign; the two find the same. It is not
          symmetric: -x may have another threshold. Not for batches
    bits : int, 2 to 16
    signed : bool
        False for data without negative elements: all 2**bits codes are on one side.
    percentile : float, above 0, up to 100

    Returns
    -------
    float, in the unit of `x`; 0.0 if every element is 0. `scale` makes a step of it.

    Raises
    ------
    ValueError : no finite element, options out of range
    SpecError : unknown method

    >>> x = np.append(np.random.default_rng(0).laplace(size=10_000), 50.0)
    >>> threshold(x, "absmax"), round(threshold(x, "mse", bits=4), 2)
    (50.0, 5.76)
    """
    options, search = checked(bits, signed, percentile), METHODS[choose("method", method, METHODS)]
    return limited(search, Samples(x), options)


def limited(search: Method, data: Data, options: Options) -> float:
    """What the search finds, above 0 and at most the largest magnitude; 0 where that is 0."""
    if not data.count:
        raise ValueError("no threshold: there is no finite element. Give data that holds numbers")
    if not options.signed and data.low < 0:
        raise ValueError(f"signed=False takes no negative elements, the least is {data.low:g}. Leave it out")
    return (min(search(data, options), data.largest) or data.largest) if data.largest else 0.0


def kept_range(method: str, data: Data, options: Options) -> tuple[float, float]:
    """The least and the greatest value to keep: the range of the data within the threshold; `l2`
    searches both ends."""
    t = limited(METHODS[method], data, options)
    low, high = range_of_least_squares(data.signed(), options.bits) if method == "l2" and t else (-t, t)
    return max(low, data.low), min(high, data.high)


def range_of_slice(x: Any, method: str, bits: int, spans: bool) -> tuple[float, float]:
    """The range that codes of a slice of an array share, 0 in it: as far on both sides, or, where it
    spans from least to greatest, each side as far as it goes."""
    data = Samples(x)
    if not data.count:
        return 0.0, 0.0
    if spans:
        low, high = kept_range(method, data, Options(bits, data.low < 0))
        return min(low, 0.0), max(high, 0.0)
    reach = limited(METHODS[method], data, Options(bits))
    return -reach, reach


def checked(bits: int, signed: bool, percentile: float) -> Options:
    if isinstance(bits, bool) or not hasattr(bits, "__index__") or not 2 <= bits <= MOST_BITS:
        raise ValueError(f"bits is an integer from 2 to {MOST_BITS}, got {bits!r}")
    if not (hasattr(percentile, "__float__") and 0 < percentile <= 100):
        raise ValueError(
            f"percentile is above 0 and at most 100, got {percentile!r}; the share 0.999 is 99.9"
        )
    return Options(int(bits), bool(signed), float(percentile))


def scale(threshold: float, bits: int = 8, signed: bool = True) -> float:
    """The step T / (2**(bits - 1) - 1), or T / (2**bits - 1) without sign; 1.0 where that is 0.

    >>> scale(127.0), scale(0.0)
    (1.0, 1.0)
    """
    if not 0 <= threshold < math.inf:
        raise ValueError(f"a threshold is 0 or more and finite, got {threshold!r}")
    return threshold / largest_code(bits, signed) or 1.0


def percentile_of_bins(histogram: Histogram, p: float) -> float:
    """The lower edge of the bin in which the share of elements reaches p percent, as
    pytorch-quantization's calib/histogram.py has it.

    >>> percentile_of_bins(Histogram([90, 9, 1]), 99.0)
    1.0
    """
    checked(8, True, p)
    shares = (histogram.counts / histogram.total).cumsum()
    return float(shares.searchsorted(p / 100)) * histogram.width


def _kl(name: str) -> Method:
    return lambda data, o: least_divergence(data.magnitudes(), largest_code(o.bits, o.signed) + 1, name)


def _windows(data: Data, o: Options) -> float:
    return window_threshold(data.centred(), data.largest, 2 * largest_code(o.bits, o.signed) + 1)


def _squares(search: Callable[[Histogram, int, bool], float]) -> Method:
    return lambda data, o: search(data.magnitudes(), o.bits, o.signed)


def _range_of_least_squares(data: Data, o: Options) -> float:
    low, high = range_of_least_squares(data.signed(), o.bits)
    return max(-low, high)


def _aciq(ratio: Callable[[int, bool], float], spread: Callable[[Data, Moments], float]) -> Method:
    def search(data: Data, o: Options) -> float:
        moments = data.moments(o.signed)
        return abs(moments.mean) + ratio(o.bits, o.signed) * spread(data, moments)

    return search


METHODS: dict[str, Method] = {
    "absmax": lambda data, o: data.largest,
    "percentile": lambda data, o: data.percentile(o.percentile),
    "kl": _kl("kl"),
    "mse": _squares(least_squares),
    "l2": _range_of_least_squares,
    "aciq_gauss": _aciq(gauss_ratio, lambda data, m: m.sigma),
    "aciq_laplace": _aciq(laplace_ratio, lambda data, m: m.deviation),
    "aciq_gauss_range": _aciq(gauss_ratio, lambda data, m: sigma_from_range(data.low, data.high, data.count)),
    "kl_pytorch_quantization": _kl("kl_pytorch_quantization"),
    "kl_ncnn": _kl("kl_ncnn"),
    "kl_mxnet": _windows,
    "kl_tvm": _windows,
    "mse_pytorch_quantization": _squares(least_squares_of_middles),
    "percentile_pytorch_quantization": lambda data, o: percentile_of_bins(data.magnitudes(), o.percentile),
}
