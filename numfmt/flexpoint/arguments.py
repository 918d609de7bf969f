"""Arguments, checked: numbers, their extremes, integers within bounds, keywords."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from operator import index
from typing import Any, TypedDict

import numpy as np

from ..engine import inputs

Array = np.ndarray[Any, Any]


class Keywords(TypedDict, total=False):
    """How numbers become codes; each as in `numfmt.encode`."""

    rounding: Any
    nan: Any
    seed: int | None
    noise: Any
    random_bits: int | None
    engine: str | None


def check_keywords(how: Mapping[str, Any]) -> None:
    """`TypeError` for a keyword that there is not."""
    if unknown := how.keys() - Keywords.__annotations__.keys():
        known = ", ".join(Keywords.__annotations__)
        raise TypeError(f"unknown keyword {min(unknown)!r}; there are: {known}")


def absmax(x: Any) -> Fraction | float:
    """The largest magnitude, a Fraction or infinity; NaN left out, 0 where there is nothing."""
    ends = [end.item() for end in extremes(x)]
    if any(abs(end) == math.inf for end in ends):
        return math.inf
    return max((abs(Fraction(*end.as_integer_ratio())) for end in ends), default=Fraction(0))


def extremes(x: Any) -> Array:
    """The least and the greatest number in the dtype of `x`, NaN left out; nothing where there is none."""
    numbers = reals(x)
    if not numbers.size:
        return numbers.reshape(0)
    ends = np.array([f.reduce(numbers, axis=None) for f in (np.fmin, np.fmax)])
    return np.asarray(ends[ends == ends])


def reals(x: Any) -> Array:
    """`x` as an array of a dtype that NumPy can order."""
    array = inputs.as_array(x)
    return array.astype(np.float32) if inputs.classify(array).coded else array


def whole(given: Any, what: str, least: int, most: int | None = None) -> int:
    """An integer within bounds."""
    number = whole_number(given, what)
    if number < least or (most is not None and number > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{what} must be {bounds}, got {number}")
    return number


def whole_number(given: Any, what: str = "exponent") -> int:
    try:
        return index(given)
    except TypeError:
        raise TypeError(f"{what} must be an integer, got {given!r}") from None
