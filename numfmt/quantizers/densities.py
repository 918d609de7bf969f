"""What quantizers cost on three densities of mean 0 and variance 1, by formulas: nothing is drawn.

All follow from two integrals of a density f over x > b, its mass and its first moment. With mass p and moment m of
each cell, levels v have the mean squared error 1 - 2 sum(v m) + sum(v v p).

J. Max, "Quantizing for minimum distortion", IRE Trans. Inf. Theory 6, 1960, prints .009497 and .002499 for 16 and
32 levels of the normal density: the true values are .0095010 and .0025047.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from ..registry import element
from .arguments import integer_in
from .levels import Levels

Array = np.ndarray[Any, Any]
_MOST = 1 << 12  # levels
_BASES = ("2", "sqrt2")  # of so many levels in an octave
_NEWTON = 100  # steps at most: ten are usual
_NEAR = 1e-6  # a step so short that rounding alone keeps the next from being much shorter
_REACH, _PER_OCTAVE = 4, 64  # scales tried: from the top level at 2**-4 to the least at 2**4


class Density(NamedTuple):
    """A density of mean 0 and variance 1, even in x: what is asked of it at b >= 0, and between 0 and 1.

    Attributes
    ----------
    at : f(b)
    mass : of x > b
    moment : the integral of x f(x) over x > b
    companded : where the integral of f**(1/3) from 0 reaches a part of all there is
    """

    at: Callable[[float], float]
    mass: Callable[[float], float]
    moment: Callable[[float], float]
    companded: Callable[[float], float]


_NORMAL = NormalDist()
_ROOT2, _ROOT3 = math.sqrt(2), math.sqrt(3)

DENSITIES = {
    "gauss": Density(
        at=_NORMAL.pdf,
        mass=lambda b: math.erfc(b / _ROOT2) / 2,
        moment=_NORMAL.pdf,
        companded=lambda part: _ROOT3 * _NORMAL.inv_cdf((1 + part) / 2),
    ),
    "laplace": Density(
        at=lambda b: math.exp(-_ROOT2 * b) / _ROOT2,
        mass=lambda b: math.exp(-_ROOT2 * b) / 2,
        moment=lambda b: math.exp(-_ROOT2 * b) * (b + 1 / _ROOT2) / 2,
        companded=lambda part: -3 / _ROOT2 * math.log1p(-part),
    ),
    "uniform": Density(
        at=lambda b: (b < _ROOT3) / (2 * _ROOT3),
        mass=lambda b: max(_ROOT3 - b, 0.0) / (2 * _ROOT3),
        moment=lambda b: max(3 - b * b, 0.0) / (4 * _ROOT3),
        companded=lambda part: _ROOT3 * part,
    ),
}


class Quantizer(NamedTuple):
    """A quantizer of a density.

    Attributes
    ----------
    levels : Levels
    mse : float
        Mean squared error, of variance 1.
    scale : float
        What the level 1 of the given shape became: the step of a uniform quantizer, the top level of others.
    """

    levels: Levels
    mse: float
    scale: float


def density_error(law: str, levels: Levels | Any) -> float:
    """The mean squared error of levels on a density of variance 1.

    Parameters
    ----------
    law : str
        "gauss", "laplace" or "uniform".
    levels : Levels, or array_like (k,), rising, whose boundaries are then the mid-points

    >>> round(density_error("gauss", [-0.7978846, 0.7978846]), 7)
    0.3633802
    """
    given = levels if isinstance(levels, Levels) else _checked(levels)
    v = given.values
    edges = (v[:-1] + v[1:]) / 2 if given.boundaries is None else given.boundaries
    mass, moment = _cells(_density(law), edges)
    return float(1 - 2 * (v @ moment) + v * v @ mass)


def density_levels(law: str, k: int) -> Quantizer:
    """The k levels of the least mean squared error on a density, Lloyd's and Max's; even and odd k.

    Levels are centroids, boundaries mid-points, solved by Newton's method until rounding ends it.

    Parameters
    ----------
    law : str
        "gauss", "laplace" or "uniform": the log-concave ones, which have one solution each.
    k : int, 2 to 4096

    Source: J. Max, IRE Trans. Inf. Theory 6, 1960; P. Fleischer, "Sufficient conditions for achieving minimum
    distortion in a quantizer", IEEE Int. Conv. Rec. 1964.

    >>> found = density_levels("gauss", 4)
    >>> found.levels.values.round(6).tolist(), round(found.mse, 7)
    ([-1.510418, -0.45278, 0.45278, 1.510418], 0.1174818)
    """
    half = _positive_levels(_density(law), _checked_count(k))
    levels = Levels(_mirrored(half, k % 2 == 1))
    return Quantizer(levels, density_error(law, levels), float(levels.values[-1]))


def density_step(law: str, k: int) -> Quantizer:
    """The uniform quantizer of k levels with the least mean squared error: mid-rise for even k, mid-tread for odd.

    >>> found = density_step("laplace", 4)
    >>> round(found.scale, 6), round(found.mse, 7)
    (1.087393, 0.1963023)
    """
    return density_scale(law, np.arange(_checked_count(k)) - (k - 1) / 2)


def density_scale(law: str, shape: Levels | Any) -> Quantizer:
    """The multiple of a shape with the least mean squared error on a density.

    The sign of the error's derivative is followed over all scales, and each place where it changes is halved to the
    last digits: shapes of powers of two have several.

    Parameters
    ----------
    shape : Levels, or array_like (k,), rising
        Boundaries, where given, are scaled as the levels are.

    >>> round(density_scale("gauss", [-4, -2, -1, 0, 1, 2, 4]).scale, 6)
    0.518127
    """
    density, given = _density(law), shape if isinstance(shape, Levels) else _checked(shape)
    if given.values.size < 2:
        raise ValueError(f"a shape has two levels or more, got {given.values.tolist()}")
    tried = _scales(given.values)
    slopes = [_slope(density, given, scale) for scale in tried]
    found = [
        _root(lambda s: _slope(density, given, s), tried[i], tried[i + 1])
        for i in range(tried.size - 1)
        if slopes[i] < 0 <= slopes[i + 1]
    ]
    each = [(scale, _times(given, scale)) for scale in found]
    return min((Quantizer(q, density_error(law, q), s) for s, q in each), key=lambda found: found.mse)


def density_binary(law: str) -> Quantizer:
    """{-a, a} with a = E|x|, the least mean squared error, 1 - a a.

    >>> round(density_binary("laplace").scale, 6)
    0.707107
    """
    return density_levels(law, 2)


def density_ternary(law: str, ratio: float | None = None) -> Quantizer:
    """{-a, 0, a} with a = E[|x| given |x| > D], the best for its threshold D.

    Parameters
    ----------
    law : str
    ratio : float above 0
        D / E|x|: 0.7 for F. Li, B. Zhang, B. Liu, "Ternary weight networks", 2016. Without it, D is that of the
        least mean squared error, a / 2.

    Returns
    -------
    Quantizer : `levels.boundaries[1]` is D, `scale` is a

    Raises
    ------
    ValueError : no part of the density lies beyond D

    >>> found = density_ternary("gauss", 0.7)
    >>> [round(float(v), 6) for v in (found.levels.boundaries[1], found.scale, found.mse)]
    [0.558519, 1.184161, 0.191625]
    """
    density = _density(law)
    threshold = density_levels(law, 3).scale / 2 if ratio is None else 2 * ratio * density.moment(0.0)
    if not threshold > 0 or not density.mass(threshold):
        raise ValueError(
            f"the ratio {ratio} of a threshold to E|x| leaves no part of {law!r} beyond it, or all"
        )
    a = density.moment(threshold) / density.mass(threshold)
    levels = Levels(np.array([-a, 0.0, a]), np.array([-threshold, threshold]), "zero")
    return Quantizer(levels, density_error(law, levels), a)


def logarithmic_levels(bits: int, full_scale: int = 0, steps: int = 1) -> Levels:
    """The format ``log<bits>`` as levels: 0 and +-2**(full_scale - j / steps) for j = 0 ... 2**bits.

    The boundary of two magnitudes is their geometric mean. Nothing but 0 itself becomes 0, so that 0 has no part in
    the error on a density.

    Parameters
    ----------
    bits : int, 1 to 8
    full_scale : int
        log2 of the largest magnitude.
    steps : int
        Levels in an octave: 1, or 2 for the base sqrt 2, whose magnitudes are rounded to float32.

    Errors: `SpecError`, a `ValueError`, also where a magnitude is more or less than float32 holds.

    Source: D. Miyashita, E. Lee, B. Murmann, "Convolutional neural networks using logarithmic data
    representation", 2016, with a clip that includes both ends.

    >>> logarithmic_levels(1).values.tolist(), logarithmic_levels(1).boundaries.round(4).tolist()
    ([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0], [-0.7071, -0.3536, 0.0, 0.0, 0.3536, 0.7071])
    """
    base = _BASES[integer_in("steps", steps, 1, len(_BASES)) - 1]
    form = element(f"log{integer_in('bits', bits, 1, 8)}[base={base},fsr={full_scale}]")
    values = np.array([float(value) for _, value in form.values()])
    return Levels(values, np.array([_towards_zero(form.split(i)) for i in range(values.size - 1)]), "zero")


def _towards_zero(x: Fraction) -> float:
    near = float(x)
    return math.nextafter(near, 0.0) if abs(Fraction(near)) > abs(x) else near


def _density(law: str) -> Density:
    if law not in DENSITIES:
        raise ValueError(f"a density is one of {', '.join(DENSITIES)}; got {law!r}")
    return DENSITIES[law]


def _checked_count(k: int) -> int:
    return integer_in("k", k, 2, _MOST)


def _checked(levels: Any) -> Levels:
    values = np.asarray(levels, np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        raise ValueError(f"levels are finite numbers that rise, one after the other; got {levels!r}")
    return Levels(values)


def _mirrored(positive: Array, zero: bool) -> Array:
    return np.concatenate([-positive[::-1], [0.0] * zero, positive])


def _times(levels: Levels, scale: float) -> Levels:
    bounds = levels.boundaries
    return levels._replace(
        values=levels.values * scale, boundaries=None if bounds is None else bounds * scale
    )


def _cells(density: Density, edges: Array) -> tuple[Array, Array]:
    """The mass and the moment of each cell between boundaries, the outer ones without end."""
    mass, moment = np.array([(density.mass(b), density.moment(b)) for b in np.abs(edges)]).reshape(-1, 2).T
    above = np.where(edges < 0, 1 - mass, mass)
    return -np.diff(above, prepend=1.0, append=0.0), -np.diff(moment, prepend=0.0, append=0.0)


def _scales(shape: Array) -> Array:
    sizes = np.abs(shape[shape != 0])
    low, high = -_REACH - math.log2(sizes.max()), _REACH - math.log2(sizes.min())
    return np.exp2(np.linspace(low, high, math.ceil((high - low) * _PER_OCTAVE)))


def _slope(density: Density, shape: Levels, scale: float) -> float:
    """Half the derivative of the mean squared error to the scale: of the levels, and of boundaries not mid-way."""
    v = shape.values * scale
    edges = (v[:-1] + v[1:]) / 2 if shape.boundaries is None else shape.boundaries * scale
    mass, moment = _cells(density, edges)
    at = np.array([density.at(b) for b in np.abs(edges)])
    crossing = at * edges * ((v[1:] - v[:-1]) * (edges - (v[:-1] + v[1:]) / 2))
    return float((v * v @ mass - v @ moment + crossing.sum()) / scale)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return float(high)


def _positive_levels(density: Density, k: int) -> Array:
    """Those levels of k that are above 0."""
    half, odd = divmod(k, 2)
    levels = np.array([density.companded((2 * i + 1 + odd) / k) for i in range(half)])
    size = math.inf
    for _ in range(_NEWTON):
        step = _newton_step(density, levels, odd)
        levels = levels - step
        before, size = size, np.abs(step).max()
        if before < _NEAR and size > before / 4:
            break
    return levels


def _newton_step(density: Density, levels: Array, odd: int) -> Array:
    """Of levels less the centroids of their cells; a boundary moves by half of what its levels do."""
    first = levels[0] / 2 if odd else 0.0
    edges = np.concatenate([[first], (levels[:-1] + levels[1:]) / 2])
    at, mass, moment = (np.array([*map(f, edges.tolist()), 0.0]) for f in density[:3])
    cells = -np.diff(mass)
    centroids = -np.diff(moment) / cells
    lower = at[:-1] * (centroids - edges) / cells / 2
    upper = at[1:] * (np.append(edges[1:], 0.0) - centroids) / cells / 2
    inner = np.append(
        odd, np.ones(levels.size - 1)
    )  # of the first boundary, 0 of an even count does not move
    return _tridiagonal(-lower[1:], 1 - lower * inner - upper, -upper[:-1], levels - centroids)


def _tridiagonal(lower: Array, diagonal: Array, upper: Array, right: Array) -> Array:
    """The solution of linear equations whose matrix has three diagonals, by elimination."""
    pivot, x = diagonal.copy(), right.copy()
    for i, below in enumerate(lower):
        pivot[i + 1] -= below / pivot[i] * upper[i]
        x[i + 1] -= below / pivot[i] * x[i]
    x[-1] /= pivot[-1]
    for i in reversed(range(upper.size)):
        x[i] = (x[i] - upper[i] * x[i + 1]) / pivot[i]
    return x
