"""Three values: the threshold between zero and the others, and what the others are worth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .levels import Array, Levels, finite_numbers

RATIO = 0.7  # of the mean magnitude: between the best for uniform weights, 2/3, and for normal ones, 0.77


def twn(x: Any, ratio: float | str = RATIO) -> Levels:
    """Ternary Weight Networks: -a, 0, a, where a is the mean of the magnitudes above a threshold.

    Parameters
    ----------
    x : array_like of finite real numbers, any shape: the weights that share a scale, a layer there
    ratio : float or "best"
        The threshold is `ratio` * E|x|; "best" takes that of the least squared error, by trying every prefix of
        the sorted magnitudes.

    Returns
    -------
    Levels : boundaries at the threshold, which is 0 itself; one number to store

    Raises
    ------
    ValueError : no magnitude above the threshold, as of zeros; empty or not finite data

    Notes
    -----
    With a = mean of \\|x\\| over \\|x\\| > D the squared error is sum x**2 - (sum of those \\|x\\|)**2 / their
    number. Li, Liu, arXiv 1605.04711, equations 5 and 6; fengfu-chris/caffe-twns, blob.cpp (strict comparisons).

    >>> w = [0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0]
    >>> found = twn(w)
    >>> found.values.round(6).tolist(), found.codes(np.array([0.2, 0.18])).tolist()
    ([-0.505833, 0.0, 0.505833], [2, 1])
    """
    if ratio != "best" and not (isinstance(ratio, (int, float)) and 0 <= ratio < math.inf):
        raise ValueError(f"ratio= is 0 or more and finite, or 'best'; got {ratio!r}")
    sizes = np.abs(finite_numbers(x, "twn")).reshape(-1)
    threshold = _best_threshold(sizes) if ratio == "best" else float(ratio) * float(sizes.mean())
    a = _mean_above(sizes, threshold, "twn")
    return Levels(np.array([-a, 0.0, a]), np.array([-threshold, threshold]), "zero")


def _best_threshold(sizes: Array) -> float:
    """Half-way between the last magnitude of the best prefix and the next."""
    falling = np.sort(sizes)[::-1]
    gains = np.cumsum(falling) ** 2 / np.arange(1, sizes.size + 1)
    last = int(np.argmax(gains))
    after = falling[last + 1] if last + 1 < sizes.size else 0.0
    return float(falling[last] + after) / 2 if falling[last] > after else float(after)


def _mean_above(sizes: Array, threshold: float, what: str) -> float:
    above = sizes[sizes > threshold]
    if not above.size:
        raise ValueError(
            f"{what}: no magnitude is above the threshold {threshold:g}, the largest is {sizes.max():g};"
            " lower the threshold, or leave this tensor out"
        )
    return float(above.mean())


def ttq(x: Any, t: float = 0.05, positive: float | None = None, negative: float | None = None) -> Levels:
    """Trained Ternary Quantization: -Wn, 0, Wp, each side with a scale of its own.

    Parameters
    ----------
    x : array_like of finite real numbers, any shape: the weights of a layer
    t : float, 0 <= t < 1
        The threshold is t * max|x|.
    positive, negative : float, optional
        Wp and Wn, which training learns, from 1 on. Left out: the mean magnitudes above the threshold, which
        make the squared error least; of a side without such that of the other side.

    Returns
    -------
    Levels : two numbers to store. Where \\|x\\| is the threshold itself the source's code leaves sign(x) * 1, for
        any Wp: here that is Wp, or -Wn.

    Raises
    ------
    ValueError : no magnitude above the threshold, as of zeros; empty or not finite data

    Notes
    -----
    Zhu et al., ICLR 2017, equations 6 and 9; czhu95/ternarynet.

    >>> ttq([0.9, -0.7, 0.5, 0.02, 0.0], positive=1, negative=1).values
    array([-1.,  0.,  1.])
    """
    numbers = finite_numbers(x, "ttq").reshape(-1)
    if not 0 <= t < 1:
        raise ValueError(f"t= is a share of the largest magnitude, 0 <= t < 1; got {t!r}")
    for name, scale in (("positive", positive), ("negative", negative)):
        if scale is not None and not 0 < scale < math.inf:
            raise ValueError(f"{name}= is the scale of a side, above 0 and finite; got {scale!r}")
    threshold = t * float(np.abs(numbers).max())
    below, above = (
        _mean_above(
            sign * numbers if (sign * numbers > threshold).any() else -sign * numbers, threshold, "ttq"
        )
        if given is None
        else float(given)
        for sign, given in ((-1, negative), (1, positive))
    )
    return Levels(np.array([-below, 0.0, above]), np.array([-threshold, threshold]), "away", 2)
