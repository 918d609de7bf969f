"""Piecewise linear quantization: a fine grid up to a break point p, a coarse one from there to the range m.

J. Fang, A. Shafiee, H. Abdel-Aziz, D. Thorsley, G. Georgiadis, J. Hassoun, "Post-training piecewise linear
quantization for deep neural networks", ECCV 2020, and the authors' code, jun-fang/PWLQ, quant/pwlq.py and
quant/uniform.py. The two have different grids: profiles "paper" and "repo".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .arguments import integer_in
from .densities import DENSITIES, Density
from .levels import finite_numbers

Array = np.ndarray[Any, Any]
Grid = Callable[[Array, int, float, float, bool], Array]
_MOST_BITS = 16
_FIRST, _FINER = range(100, 1000, 100), (10, 1)  # thousandths of m that the search tries

# Least squares fits of the best p for unit variance. The paper prints p / m on their left: its numbers and the code
# have p.
_FITS: dict[str, Callable[[float], float]] = {
    "gauss": lambda m: math.log(0.86143114 * m + 0.607901097496529),
    "laplace": lambda m: 0.80304483 * math.sqrt(m) - 0.3166785508381478,
}


class Breakpoint(NamedTuple):
    """A break point of a range, both in the unit of the data, and the mean squared error of the data with it."""

    p: float
    m: float
    mse: float


def pwlq(
    x: Any, bits: int, p: float, m: float | None = None, *, profile: str = "paper", overlapping: bool = False
) -> Array:
    """The value of each element under piecewise linear quantization.

    "paper": sign and magnitude, 2**(bits - 1) steps of |x| from 0 to p where |x| <= p, as many from p to m where it
    is larger. "repo": where -p < x < p a signed grid of step 2 p / (2**bits - 1) and integers -2**(bits - 1) ...
    2**(bits - 1) - 1, which does not reach p; beyond it, 2**(bits - 1) numbers from p to m and from -m to -p.
    Overlapping grids: the coarse one begins at 0 and covers the range from -m to m.

    This is a function, no set of levels: which grid serves an element is asked first. Where grids overlap, an
    element just above p may come out below one just below p.

    Parameters
    ----------
    x : array_like of real numbers, any shape
        Clipped to -m ... m; computed in float64, ties to even.
    bits : int, 2 to 16
    p : float, 0 < p < m
    m : float, optional
        The range; max |x| without it.

    Returns
    -------
    float64, shape of x

    >>> pwlq([-4.0, -0.3, 0.9, 1.1, 2.4], 3, 1.0)
    array([-4.        , -0.33333333,  1.        ,  1.        ,  2.        ])
    """
    numbers = finite_numbers(x, "pwlq")
    top = _range_of(numbers, m)
    return _grid(profile)(numbers, _checked_bits(bits), _checked_breakpoint(p, top), top, overlapping)


def pwlq_breakpoint(
    m: float, law: str = "gauss", *, method: str = "exact", overlapping: bool = False
) -> float:
    """The break point of the least expected error of the paper's grids, for a density of variance 1.

    "exact" solves 2 m F(p) = 2 m - p + m (m - 2 p) f(p), of overlapping grids f(p) (m**2 - p**2) = p (2 F(p) - 1);
    the mass beyond m is left out of both, as in the paper. "approximate" is its fit, for grids that do not overlap.

    Parameters
    ----------
    m : float above 0
        The range, in standard deviations.
    law : str
        "gauss" or "laplace".

    Source: the paper, section 3 and supplement 1.

    >>> round(pwlq_breakpoint(3), 5), round(pwlq_breakpoint(3, method="approximate"), 5)
    (1.15833, 1.16071)
    """
    density = _density(law)
    if not 0 < m < math.inf:
        raise ValueError(f"the range m is a finite number above 0, got {m}")
    if method not in ("exact", "approximate") or (method == "approximate" and overlapping):
        raise ValueError(
            f"method is 'exact', or 'approximate' of grids that do not overlap; got {method!r}"
            + " for overlapping ones" * overlapping
        )
    p = _FITS[law](m) if method == "approximate" else _least(_SLOPES[overlapping], density, m)
    if not 0 < p < m:
        raise ValueError(f"the fit for {law!r} holds for ranges of some standard deviations, and m is {m}")
    return p


def pwlq_search(
    x: Any, bits: int, m: float | None = None, *, profile: str = "repo", overlapping: bool = False
) -> Breakpoint:
    """The break point of the least squared error on data, as the authors' code looks for it.

    p / m is .1 ... .9, then within .1 of the best at steps of .01, then within .01 at steps of .001: the first of
    several equal ones. Here the ratios are exact thousandths.

    >>> found = pwlq_search(np.arange(-9.0, 10.0) ** 3, 5)
    >>> round(found.p / found.m, 3), round(found.mse, 3)
    (0.115, 2.815)
    """
    numbers = finite_numbers(x, "pwlq_search")
    grid, bits = _grid(profile), _checked_bits(bits)
    top = _range_of(numbers, m)

    def error(ratio: int) -> float:
        away = grid(numbers, bits, ratio / 1000 * top, top, overlapping) - numbers
        return float(np.mean(away * away))

    best = min(_FIRST, key=error)
    for step in _FINER:
        near = range(best - 10 * step, best + 10 * step, step)
        best = min([best, *(ratio for ratio in near if 0 < ratio < 1000)], key=error)
    return Breakpoint(best / 1000 * top, top, error(best))


def pwlq_expected_error(law: str, bits: int, p: float, m: float) -> float:
    """The mean squared error of the paper's grids on a density of variance 1 cut off at -m and m.

    C (m - p)**2 + C m (2 p - m) P with P the part of it within -p ... p and C = 1 / (12 (2**(bits - 1) - 1)**2):
    each step's error is taken as even over the step.

    Source: the paper, section 3.2.

    >>> round(pwlq_expected_error("gauss", 4, pwlq_breakpoint(3, method="approximate"), 3), 8)
    0.00313502
    """
    density = _density(law)
    within = (1 - 2 * density.mass(_checked_breakpoint(p, m))) / (1 - 2 * density.mass(m))
    return _step_error(_checked_bits(bits) - 1) * ((m - p) ** 2 + m * (2 * p - m) * within)


def uniform_expected_error(bits: int, m: float) -> float:
    """The mean squared error of 2**bits equal steps from -m to m, taken as even over each step.

    >>> round(uniform_expected_error(4, 3.0), 8)
    0.01333333
    """
    return 4 * _step_error(_checked_bits(bits)) * m * m


def _step_error(bits: int) -> float:
    """Of a range of 1."""
    return 1 / (12 * ((1 << bits) - 1) ** 2)


def _slope(density: Density, p: float, m: float) -> float:
    return 2 * m * (1 - density.mass(p)) - (2 * m - p + m * (m - 2 * p) * density.at(p))


def _overlapping_slope(density: Density, p: float, m: float) -> float:
    return p * (1 - 2 * density.mass(p)) - density.at(p) * (m * m - p * p)


_SLOPES = {False: _slope, True: _overlapping_slope}


def _least(slope: Callable[[Density, float, float], float], density: Density, m: float) -> float:
    low, high = 0.0, float(m)
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if slope(density, middle, m) < 0 else (low, middle)
    return high


def _steps(x: Array, bits: int, low: float, high: float) -> Array:
    """The nearest of 2**bits numbers from low to high."""
    step = (high - low) / ((1 << bits) - 1)
    return np.asarray(low + step * np.rint((np.clip(x, low, high) - low) / step))


def _signed_steps(x: Array, bits: int, top: float) -> Array:
    """The nearest of 2**bits multiples of a step, one more below 0 than above."""
    step, half = 2 * top / ((1 << bits) - 1), 1 << (bits - 1)
    return np.asarray(step * np.clip(np.rint(np.clip(x, -top, top) / step), -half, half - 1))


def _paper(x: Array, bits: int, p: float, m: float, overlapping: bool) -> Array:
    size = np.abs(x)
    coarse = _steps(size, bits - 1, 0.0 if overlapping else p, m)
    return np.copysign(np.where(size <= p, _steps(size, bits - 1, 0.0, p), coarse), x)


def _repo(x: Array, bits: int, p: float, m: float, overlapping: bool) -> Array:
    tail = (
        _signed_steps(x, bits, m)
        if overlapping
        else np.where(x < 0, _steps(x, bits - 1, -m, -p), _steps(x, bits - 1, p, m))
    )
    return np.where(np.abs(x) < p, _signed_steps(x, bits, p), tail)


_PROFILES: dict[str, Grid] = {"paper": _paper, "repo": _repo}


def _grid(profile: str) -> Grid:
    if profile not in _PROFILES:
        raise ValueError(f"profile is one of {', '.join(_PROFILES)}; got {profile!r}")
    return _PROFILES[profile]


def _density(law: str) -> Density:
    if law not in _FITS:
        raise ValueError(f"law is one of {', '.join(_FITS)}; got {law!r}")
    return DENSITIES[law]


def _checked_bits(bits: int) -> int:
    return integer_in("bits", bits, 2, _MOST_BITS)


def _range_of(numbers: Array, m: float | None) -> float:
    top = float(np.abs(numbers).max() if m is None else m)
    if not 0 < top < math.inf:
        given = "and the data are all zero" if m is None else f"got {m}"
        raise ValueError(f"the range m is a finite number above 0, {given}")
    return top


def _checked_breakpoint(p: float, m: float) -> float:
    if not 0 < p < m:
        raise ValueError(f"a break point lies between 0 and m, got p = {p} and m = {m}")
    return float(p)
