"""Extremely low bit weights: small integers times one scale, found by alternating, exactly, or while training.

C. Leng, Z. Dou, H. Li, S. Zhu, R. Jin, "Extremely low bit neural network: squeeze the last bit out with
ADMM", AAAI 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .arguments import integer_in, positive
from .levels import Levels, finite_numbers
from .ordered import Ordered, ordered

Array = np.ndarray[Any, Any]
MOST_POWERS = 16
LARGEST = 1 << MOST_POWERS - 1  # sums of squares of so small integers are exact


def elb_integers(powers: int, zero: bool = True) -> tuple[int, ...]:
    """+-1, +-2, ... +-2**(powers - 1), and 0; 1 to 16 powers.

    Source: Leng et al.

    >>> elb_integers(3), elb_integers(1, zero=False)
    ((-4, -2, -1, 0, 1, 2, 4), (-1, 1))
    """
    up = tuple(1 << i for i in range(integer_in("powers", powers, 1, MOST_POWERS)))
    return (*(-i for i in reversed(up)), *(0,) * zero, *up)


class ScaledIntegers(NamedTuple):
    """A scale and integers of a symmetric set: the projection of numbers onto scale * integers.

    Attributes
    ----------
    scale : float
    integers : int64, shape of the numbers
    error : mean squared error; its last digits depend on the order of the numbers
    allowed : the set, rising
    """

    scale: float
    integers: Array
    error: float
    allowed: tuple[int, ...]

    @property
    def levels(self) -> Levels:
        """scale * allowed; a decoder needs the scale.

        A mid-point goes to the value nearer to zero; in a set without 0 it goes up, so that 0 becomes +1.

        >>> elb_projection([0.9, -1.1, 0.1], (-1, 0, 1)).levels.values.tolist()
        [-1.0, 0.0, 1.0]
        """
        return _levels(self.scale, self.allowed)

    def decode(self) -> Array:
        """scale * integers, float64."""
        return np.asarray(self.scale * self.integers)


def _levels(scale: float, allowed: tuple[int, ...]) -> Levels:
    return Levels(scale * np.array(allowed, np.float64), ties="zero" if 0 in allowed else "up")


def _magnitudes(allowed: tuple[int, ...]) -> Array:
    """The magnitudes of a symmetric set of integers, rising."""
    given = tuple(integer_in("each of the integers", q, -LARGEST, LARGEST) for q in allowed)
    if not given or sorted({-q for q in given}) != sorted(given) or not any(given):
        raise ValueError(f"the integers form a symmetric set such as (-1, 0, 1), got {given}")
    return np.unique(np.abs(np.array(given, np.int64)))


def _numbers(x: Any) -> Array:
    v = finite_numbers(x, "a projection")
    if not v.any():
        raise ValueError("a projection needs a number other than 0, else every scale is as good")
    return v


def _best_scale(v: Array, q: Array, allowed: tuple[int, ...]) -> ScaledIntegers:
    """a = <V, Q> / <Q, Q>, the least squares scale of given integers."""
    scale = _least_squares(float((v * q).sum()), float((q * q).sum()))
    away = v - scale * q
    return ScaledIntegers(scale, q, float((away * away).mean()), tuple(sorted(allowed)))


def _least_squares(product: float, squares: float) -> float:
    if not squares:
        raise ValueError(
            "every number is nearest to integer 0 at this start of the scale. Start smaller, or take `elb_optimum`"
        )
    return product / squares


def _settled(size: Ordered, magnitudes: Array, scale: float, steps: int) -> float:
    """The scale whose nearest integers alternating ends with, of ordered magnitudes."""
    cuts = size.cuts(scale * magnitudes)
    for _ in range(steps - 1):
        better = _least_squares(float(size.run_sums(cuts) @ magnitudes), float(np.diff(cuts) @ magnitudes**2))
        before, cuts = cuts, size.cuts(better * magnitudes)
        if np.array_equal(before, cuts):
            break
        scale = better
    return scale


def _nearest(v: Array, scale: float, allowed: tuple[int, ...]) -> Array:
    """The allowed integer nearest to v / scale."""
    rising = tuple(sorted(allowed))
    return np.array(rising)[_levels(1.0, rising).codes(v / scale)]


def elb_projection(
    x: Any, allowed: tuple[int, ...], *, start: float | None = None, steps: int = 100
) -> ScaledIntegers:
    """min ||V - a Q||**2 by alternating: Q = nearest(V / a), then a = <V, Q> / <Q, Q>, until Q stays.

    The error never rises; what it stops at is a local optimum, see `elb_optimum`.

    Parameters
    ----------
    x : array_like of finite numbers, any shape
    allowed : a symmetric set of integers up to 2**15, as `elb_integers` gives
    start : the first scale, above 0; None: mean |V|
    steps : at most, 1 or more

    Errors: `ValueError` for data that are empty, not finite or all 0, and where the start leaves no integer
    but 0.

    Source: Leng et al. (the two closed forms).

    >>> w = [0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0]
    >>> found = elb_projection(w, elb_integers(2))
    >>> round(found.scale, 9), found.integers.tolist(), round(found.error, 9)
    (0.38625, [2, -2, 1, 1, 1, -1, 0, 0, 0, 0, 0, 0], 0.006913771)
    """
    v, magnitudes = _numbers(x), _magnitudes(allowed)
    scale = positive("the first scale", np.abs(v).mean() if start is None else start)
    integer_in("steps", steps, 1)
    size = ordered(np.abs(v), magnitudes.size, "a projection")
    return _best_scale(v, _nearest(v, _settled(size, magnitudes, scale, steps), allowed), allowed)


def elb_optimum(x: Any, allowed: tuple[int, ...]) -> ScaledIntegers:
    """The global optimum of min ||V - a Q||**2, in n log n.

    As the scale falls, one element after another takes the next magnitude, at |v| / mid-point. Between two
    such places Q is fixed and leaves the error ||V||**2 - <V, Q>**2 / <Q, Q>; both products are running sums,
    and the best of all places wins, the first of several.

    Parameters, errors and result are those of `elb_projection`.

    >>> w = [0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0]
    >>> found = elb_optimum(w, elb_integers(3))
    >>> round(found.scale, 9), found.integers.tolist()
    (0.201555556, [4, -4, 2, 2, 2, -1, 0, 0, 0, 0, 0, 0])
    """
    v, magnitudes = _numbers(x), _magnitudes(allowed)
    size, steps = np.abs(v).reshape(-1), np.diff(magnitudes)
    places = (size[:, None] / ((magnitudes[:-1] + magnitudes[1:]) / 2)).reshape(-1)
    order = np.argsort(-places, kind="stable")[: np.count_nonzero(places)]
    products = magnitudes[0] * size.sum() + np.cumsum((size[:, None] * steps).reshape(-1)[order])
    squares = magnitudes[0] ** 2 * size.size + np.cumsum(np.tile(np.diff(magnitudes**2), size.size)[order])
    at_first = [magnitudes[0] * size.sum() / math.sqrt(size.size)] if magnitudes[0] else [0.0]
    reach = np.concatenate([at_first, products / np.sqrt(squares)])
    taken = order[: int(np.argmax(reach))] // steps.size if steps.size else order
    q = magnitudes[np.bincount(taken, minlength=size.size)].reshape(v.shape)
    return _best_scale(v, np.where(v < 0, -q, q), allowed)


class AdmmState(NamedTuple):
    """Where ADMM stands: full-precision weights W, their projection G and the scaled multipliers lambda."""

    weights: Array
    projection: ScaledIntegers
    multipliers: Array


def elb_admm(
    weights: Any,
    gradient: Callable[[Array], Any],
    allowed: tuple[int, ...],
    *,
    penalty: float,
    rate: float,
    predictor: float | None = None,
    steps: int = 100,
    inner: int = 1,
) -> AdmmState:
    """Weights of a loss f near scale * integers: ADMM with extragradient steps.

    Each step: G = the projection of W + lambda, where alternating stops; W by `inner` extragradient steps on
    f(W) + penalty / 2 ||W - G + lambda||**2 (W_p = W - predictor dL(W), W = W - rate dL(W_p)); then
    lambda += W - G. What is used in the end is the projection.

    Parameters
    ----------
    weights : array_like of finite numbers, any shape: the start of W
    gradient : df/dW at an array of that shape
    allowed : as in `elb_projection`
    penalty : rho, above 0, in the unit of the loss by squared weight
    rate, predictor : lengths of the two steps; predictor None: as long as rate
    steps, inner : rounds of ADMM, and extragradient steps in each

    Errors: those of `elb_projection`; also where the steps are so long that the weights leave the floats.

    Source: Leng et al.; the extragradient method is Korpelevich's, 1976.

    >>> state = elb_admm([1.2, -0.7], lambda w: w - np.array([1.2, -0.7]), (-1, 1), penalty=1.0, rate=0.2)
    >>> state.projection.decode().round(3).tolist()
    [0.95, -0.95]
    """
    for name, value in (("the penalty", penalty), ("the rate", rate)):
        positive(name, value)
    integer_in("steps", steps, 0)
    integer_in("inner", inner, 1)
    w = finite_numbers(weights, "ADMM").copy()
    state = AdmmState(w, elb_projection(w, allowed), np.zeros_like(w))
    ahead = rate if predictor is None else predictor
    with np.errstate(over="ignore", invalid="ignore"):  # the next projection refuses what is not finite
        for _ in range(steps):
            state = _admm_round(state, gradient, penalty, rate, ahead, inner)
    return state


def _admm_round(
    state: AdmmState,
    gradient: Callable[[Array], Any],
    penalty: float,
    rate: float,
    predictor: float,
    inner: int,
) -> AdmmState:
    w, multipliers = state.weights, state.multipliers
    projection = elb_projection(w + multipliers, state.projection.allowed)
    target = projection.decode() - multipliers

    def slope(at: Array) -> Array:
        return np.asarray(gradient(at), np.float64) + penalty * (at - target)

    for _ in range(inner):
        w = w - rate * slope(w - predictor * slope(w))
    return AdmmState(w, projection, multipliers + w - projection.decode())
