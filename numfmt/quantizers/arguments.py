"""What the arguments of quantizers have in common: an integer in a range, a number above 0, an axis of filters."""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from ..blocks.granularity import index_of


def integer_in(name: str, value: Any, first: int, last: int | None = None) -> int:
    """An integer from `first` to `last`, or from `first` on; `ValueError` for anything else.

    >>> integer_in("bits", np.uint8(2), 1, 8)
    2
    """
    number = _integer(value)
    if number is None or number < first or (last is not None and number > last):
        end = "on" if last is None else f"to {last}"
        raise ValueError(f"{name} is an integer from {first} {end}, got {value!r}")
    return number


def _integer(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool) else index(value)
    except TypeError:
        return None


def positive(name: str, value: Any) -> float:
    """A finite number above 0; `ValueError` for anything else.

    >>> positive("the step", 2)
    2.0
    """
    number = np.asarray(value)
    if number.ndim or number.dtype.kind not in "iuf" or not 0 < number < math.inf:
        raise ValueError(f"{name} is above 0 and finite, got {value!r}")
    return float(number)


def axes_within(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The axes along which the numbers of one filter lie: all but `axis`; `ValueError` where there is no such axis.

    >>> axes_within((4, 3, 2), -2)
    (0, 2)
    """
    number = _integer(axis)
    if number is None:
        raise ValueError(f"axis={axis!r}: an axis is an integer")
    own = index_of(number, shape)
    return tuple(i for i in range(len(shape)) if i != own)
