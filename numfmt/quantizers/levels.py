"""What every quantizer that learns from data gives: the numbers its codes mean, and where they part."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..blocks.reading import read, wide

Array = np.ndarray[Any, Any]


class Levels(NamedTuple):
    """The values of codes 0, 1, ... and the boundaries between them.

    Attributes
    ----------
    values : float64, (k,), rising
    boundaries : float64, (k - 1,), rising; None: the mid-points of neighbours
    ties : str
        Whose a boundary is: "even" or "odd" (the value of that rank), "down", "up", "zero" (the value nearer to
        zero) or "away".
    numbers : int
        float32 numbers that a decoder needs besides the codes: k of a codebook, 1 of a scale.
    """

    values: Array
    boundaries: Array | None = None
    ties: str = "even"
    numbers: int = 1

    def codes(self, x: Array) -> Array:
        """The place among the values of each element: uint16, shape of x. A value on a boundary beside it stays
        itself; NaN has no place.

        >>> Levels(np.array([-1.0, 0.0, 2.0])).codes(np.array([-0.4, 0.7, 9.0]))
        array([1, 1, 2], dtype=uint16)
        """
        v = self.values
        edges = (v[:-1] + v[1:]) / 2 if self.boundaries is None else self.boundaries
        rank, last = (np.searchsorted(edges, x, side) for side in ("left", "right"))
        own = np.minimum(np.searchsorted(v, x), v.size - 1)
        stays = (rank <= own) & (own <= last) & (rank < last) & (v[own] == x)
        while (rises := (rank < last) & self._goes_up(rank)).any():
            rank = rank + rises
        return np.where(stays, own, rank).astype(np.uint16)

    def _goes_up(self, rank: Array) -> Array:
        """Whether a number on the boundary above that value takes the next one."""
        v = self.values[np.minimum(rank, self.values.size - 2)]
        above = self.values[np.minimum(rank + 1, self.values.size - 1)]
        match self.ties:
            case "even" | "odd":
                return rank % 2 == (self.ties == "even")
            case "zero":
                return np.abs(above) < np.abs(v)
            case "away":
                return np.abs(above) >= np.abs(v)
            case _:
                return np.full(np.shape(rank), self.ties == "up")

    def quantized(self, x: Array) -> Array:
        """The value of each element, float64.

        >>> Levels(np.array([-1.0, 0.0, 2.0])).quantized(np.array([-0.4, 0.7, 9.0]))
        array([0., 0., 2.])
        """
        return np.asarray(self.values[self.codes(x)])


def finite_numbers(x: Any, what: str) -> Array:
    """The numbers of an array, float64 in its shape; `ValueError` where it is empty or one is not finite."""
    numbers = np.asarray(wide(read(x)), np.float64)
    if not numbers.size:
        raise ValueError(f"{what} learns from numbers, and got an array without elements")
    if not np.isfinite(numbers).all():
        place = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(
            f"{what} learns from finite numbers, and element {place} of {numbers.size} is"
            f" {numbers.reshape(-1)[place]}. Take it out, or put a number there"
        )
    return numbers
