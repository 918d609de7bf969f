"""The largest relative error of a format in each binade, measured by casting."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..casting import cast
from ..format import Format
from ..picture import log2
from .tally import as_float

Array = np.ndarray[Any, Any]
_STEPS = np.concatenate(([1 + 2.0**-52], 1 + np.arange(1, 16) / 16))  # where a binade is looked at
LOST = 1.0  # the relative error of a value that became zero, infinity or NaN


def largest_errors(fmt: Format, first: int, last: int) -> Array:
    """max |cast(x) - x| / |x| over 2**e <= x < 2**(e + 1), for e from `first` to `last - 1`.

    Rounding is to nearest, and the worst case is met: besides the points of a grid, the midpoints
    between the two values around each are cast. Only float64 x within the range of the format count.

    >>> largest_errors(numfmt.parse("bf16"), 0, 1) * 2**8
    array([0.99610895])
    """
    x = _candidates(fmt, _grid(first, last))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        error = np.abs(cast(x, fmt, dtype=np.float64) - x) / x
    error = np.where(error <= LOST, error, LOST)
    largest = np.zeros(last - first)
    np.maximum.at(largest, np.frexp(x)[1] - 1 - first, error)
    return largest


def _grid(first: int, last: int) -> Array:
    return np.ldexp(_STEPS, np.arange(first, last)[:, None]).reshape(-1)


def _candidates(fmt: Format, grid: Array) -> Array:
    """The grid and the midpoints around it, as far as they lie in the range of both."""
    x = grid[grid <= as_float(fmt.max)]
    low = cast(x, fmt, rounding="toward_zero", dtype=np.float64)
    high = cast(x, fmt, rounding="toward_positive", overflow="saturate", dtype=np.float64)
    middle = low + (high - low) / 2
    kept = (middle >= grid[0]) & (middle <= grid[-1]) if grid.size else middle > 0
    return np.concatenate((x, middle[kept]))


def steps(fmt: Format, first: int, last: int) -> tuple[Array, Array]:
    """Corners of the curve: log2 of the magnitude, and log2 of the error from there on.

    It begins in the last binade where everything is lost, and ends past the largest value, where
    all is lost again. NaN where the error is zero.

    >>> [corners.tolist() for corners in steps(numfmt.parse("e4m3fn"), 6, 20)[0][None]]
    [[6.0, 7.0, 8.0, 8.807354922057604, 8.807354922057604]]
    """
    errors = largest_errors(fmt, first, last)
    x = np.arange(first, last, dtype=np.float64)
    end = min(max(log2(fmt.max), first), last)
    after = LOST if end < last else np.nan
    with np.errstate(divide="ignore"):
        y = np.log2(np.append(errors[x < end], [after, np.nan]))
    y[np.isinf(y)] = np.nan
    x = np.append(x[x < end], [end, end])
    begin = max(int(np.argmax(y != np.log2(LOST))) - 1, 0)
    return x[begin:], y[begin:]
