"""The scale under which given levels lie nearest to data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .levels import Array, Levels, finite_numbers

EXACTLY = 1 << 20  # numbers times boundaries, up to which every scale is looked at
TRIED = 2.0 ** np.linspace(1, -7, 1025)  # over the scale that takes the largest number to the last level
STARTS = 8  # of these that alternation begins at
STEPS = 100


class Sorted(NamedTuple):
    """Numbers in rising order, and the sum of those before each place."""

    numbers: Array
    sums: Array
    squares: float


class Fit(NamedTuple):
    """A scale, the levels under it, and the mean squared error of the data."""

    scale: float
    levels: Levels
    mse: float


def best_scale(x: Any, shape: Levels) -> Fit:
    """min sum (x - a Q(x / a))**2 over a > 0, for levels of any shape.

    Parameters
    ----------
    x : array_like of finite real numbers, not all zero
    shape : Levels
        With a zero or without, of one sign or both; its boundaries, where it has some, are scaled too.

    Returns
    -------
    Fit : the levels times the scale, `numbers` 1

    Raises
    ------
    ValueError : no elements, or one that is not finite; zeros, or no number of a sign that the levels have

    Notes
    -----
    Where numbers are few, n (k - 1) <= 2**20, and boundaries are mid-points, the least error of all scales: from
    each scale at which a number changes its level to the next the best is a = <x, q> / <q, q>. Else the error is
    tried at 1025 scales, from twice the largest number over the largest level down to 1/128 of it; from the eight
    best, a = <x, q> / <q, q> and q = nearest(x / a) alternate as long as the error falls: a local optimum.

    >>> found = best_scale([-3.0, 1.0, 2.5, 0.2], Levels(np.array([-1.0, 0.0, 1.0])))
    >>> round(found.scale, 3), round(found.mse, 4)
    (2.75, 0.2912)
    """
    given = np.sort(finite_numbers(x, "best_scale").reshape(-1))
    _, shift = np.frexp(max(abs(given[0]), abs(given[-1])))
    numbers = np.ldexp(given, -shift)
    data = Sorted(numbers, np.concatenate(([0.0], np.cumsum(numbers))), float(numbers @ numbers))
    if not data.squares:
        raise ValueError("best_scale: every number is 0, so that no scale comes from them")
    few = shape.boundaries is None and numbers.size * (shape.values.size - 1) <= EXACTLY
    starts = _best_of_all(data, shape) if few else _best_tried(data, shape)
    best = min((_alternated(data, shape, a) for a in starts), key=lambda found: found[1])
    scale = float(np.ldexp(best[0], shift))
    return Fit(scale, scaled(shape, scale), float(np.ldexp(max(best[1], 0.0) / numbers.size, 2 * shift)))


def scaled(shape: Levels, scale: float) -> Levels:
    """Levels and boundaries times a positive scale."""
    edges = None if shape.boundaries is None else shape.boundaries * scale
    return Levels(shape.values * scale, edges, shape.ties)


def _edges(shape: Levels) -> Array:
    return (shape.values[:-1] + shape.values[1:]) / 2 if shape.boundaries is None else shape.boundaries


def _best_tried(data: Sorted, shape: Levels) -> list[float]:
    whole = max(abs(data.numbers[0]), abs(data.numbers[-1])) / np.abs(shape.values).max()
    errors = [_error(data, shape, a) for a in whole * TRIED]
    return [float(whole * TRIED[i]) for i in np.argsort(errors, kind="stable")[:STARTS]]


def _best_of_all(data: Sorted, shape: Levels) -> list[float]:
    """From infinity down, a number x passes the boundary e of its sign at the scale x / e."""
    x, edges, v = data.numbers, _edges(shape), shape.values
    above, below = np.searchsorted(edges, 0.0, "right"), np.searchsorted(edges, 0.0, "left")
    first = np.where(x < 0, v[below], v[above])
    which, edge = np.nonzero(np.sign(x)[:, None] * np.sign(edges) > 0)
    order = np.argsort(-x[which] / edges[edge], kind="stable")
    which, edge = which[order], edge[order]
    outer, inner = (np.where(x[which] > 0, v[edge + up], v[edge + 1 - up]) for up in (1, 0))
    product = np.cumsum(np.append(first @ x, x[which] * (outer - inner)))
    square = np.cumsum(np.append(first @ first, outer * outer - inner * inner))
    usable = (product > 0) & (square > 0)
    if not usable.any():
        raise ValueError("best_scale: no number has the sign of a level, so that every scale is as bad")
    gains = np.where(usable, product * product / np.where(usable, square, 1), 0)
    best = int(np.argmax(gains))
    return [float(product[best] / square[best])]


def _moments(data: Sorted, shape: Levels, scale: float) -> tuple[float, float]:
    """<x, q> and <q, q> of the levels q that x takes under a scale. Where a tie goes changes no error."""
    cuts = np.searchsorted(data.numbers, _edges(shape) * scale)
    cuts = np.concatenate(([0], cuts, [data.numbers.size]))
    v = shape.values
    return float(v @ np.diff(data.sums[cuts])), float((v * v) @ np.diff(cuts))


def _error(data: Sorted, shape: Levels, scale: float) -> float:
    """The sum of squared errors."""
    product, square = _moments(data, shape, scale)
    return data.squares - 2 * scale * product + scale * scale * square


def _alternated(data: Sorted, shape: Levels, scale: float) -> tuple[float, float]:
    """A scale that alternation leaves, and its error; never more than that of the start."""
    least = scale, _error(data, shape, scale)
    for _ in range(STEPS):
        product, square = _moments(data, shape, least[0])
        if product <= 0:
            break
        found = product / square, _error(data, shape, product / square)
        if not found[1] < least[1]:
            break
        least = found
    return least
