"""ACIQ: the threshold from a density fitted to the data, where rounding and clipping cost least.

R. Banner, Y. Nahshan, D. Soudry, "Post training 4-bit quantization of convolutional networks for
rapid-deployment", NeurIPS 2019. The ratios are solved for, not typed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .histograms import checked_integer


def laplace_ratio(bits: int, signed: bool = True) -> float:
    """alpha / b of a Laplace density with b = mean |x - mean|.

    The mean squared error 2 b**2 exp(-alpha / b) + alpha**2 / (3 * 4**bits) is least where
    a * exp(a) = 3 * 4**bits, a = alpha / b. One-sided data have the step of one bit more.

    Parameters
    ----------
    bits : of a code, from 0 on
    signed : False for data without negative elements, as a ReLU leaves them

    >>> round(laplace_ratio(4), 8), laplace_ratio(8, signed=False) == laplace_ratio(9)
    (5.02864014, True)
    """
    steps = math.log(3) + (checked_integer("bits", bits, 0) + (not signed)) * math.log(4)
    return _root(lambda a: math.log(a) + a - steps)


def gauss_ratio(bits: int, signed: bool = True) -> float:
    """alpha / sigma of a normal density.

    The mean squared error is least where, with a = alpha / sigma,
    2 a erfc(a / sqrt 2) - 2 sqrt(2 / pi) exp(-a**2 / 2) + 2 a / (3 * 4**bits) = 0.

    >>> round(gauss_ratio(4), 8)
    2.55913646
    """
    step = 4.0 ** -(checked_integer("bits", bits, 0) + (not signed)) / 3

    def slope(a: float) -> float:
        return a * (math.erfc(a / math.sqrt(2)) + step) - math.sqrt(2 / math.pi) * math.exp(-a * a / 2)

    return _root(slope)


def _root(rising: Callable[[float], float]) -> float:
    """Where a function that is negative just above 0 becomes positive, by halving, to the last bit."""
    low, high = 0.0, 64.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def sigma_from_range(low: float, high: float, count: int) -> float:
    """The standard deviation of `count` normal elements that lie between `low` and `high`.

    (high - low) * (0.5 * 0.35) * (1 + sqrt(pi * ln 4)) / sqrt(2 * ln count), as in the authors'
    code; 0 where all elements are equal.

    >>> round(sigma_from_range(-4.0, 4.0, 10_000), 3)
    1.007
    """
    if high == low:
        return 0.0
    checked_integer("count", count, 2)
    return (high - low) * 0.175 * (1 + math.sqrt(math.pi * math.log(4))) / math.sqrt(2 * math.log(count))
