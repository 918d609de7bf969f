"""Numbers in rising order, with sums that cost a cluster of neighbours next to nothing.

A cluster of a scalar quantizer is a run of the ordered numbers, so its sum is that of whole blocks, kept once, and
of two edges shorter than a block. No sum holds a number outside its run: nothing cancels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from typing import Any

import numpy as np

from ..blocks.reading import read, wide
from ..engine import pool
from .levels import finite_numbers

Array = np.ndarray[Any, Any]
_ONE_THREAD = 1 << 20  # numbers for which a second thread does not pay
_AT_ONCE = 1 << 20  # numbers widened to float64 at once


@dataclass(frozen=True, eq=False)
class Ordered:
    """Finite numbers, float32 or float64, (n,), rising; and how many make a block."""

    numbers: Array
    block: int

    @cached_property
    def sums(self) -> Array:
        """The sum of each whole block, float64; zeros behind them, which no run reaches."""
        whole = self._blocks().sum(axis=1, dtype=np.float64)
        return np.concatenate([whole, np.zeros(2)])

    @cached_property
    def spreads(self) -> tuple[Array, Array, Array]:
        """Of each whole block: a centre near its mean, its distances from there summed, and their squares."""
        blocks, step = self._blocks(), _AT_ONCE // self.block
        result = np.empty((3, len(blocks)))

        def fill(share: tuple[int, int]) -> None:
            for start, stop in pool.ranges(*share, step):
                result[:, start:stop] = _spread(blocks[start:stop].astype(np.float64))

        pool.run(fill, pool.shares(len(blocks), _threads(self.numbers.size)))
        return result[0], result[1], result[2]

    def _blocks(self) -> Array:
        return self.numbers[: self.numbers.size // self.block * self.block].reshape(-1, self.block)

    def distinct(self) -> int:
        """How many different numbers there are."""
        return 1 + int(np.count_nonzero(self.numbers[1:] != self.numbers[:-1]))

    def cuts(self, levels: Array) -> Array:
        """Where the runs nearest to rising levels begin and end: int64, (k + 1,). A tie is the lower level's."""
        middles = self._rounded_down((levels[:-1] + levels[1:]) / 2)
        inner = self.numbers.searchsorted(middles, "right")
        return np.concatenate([[0], inner, [self.numbers.size]])

    def _rounded_down(self, bounds: Array) -> Array:
        """The largest numbers of our dtype that do not exceed some float64: the same numbers lie below."""
        near = bounds.astype(self.numbers.dtype)
        return np.where(near > bounds, np.nextafter(near, near.dtype.type(-np.inf)), near)

    def run_sums(self, cuts: Array) -> Array:
        """The sum of each run: float64, (k,)."""
        first, last = self._whole(cuts)
        runs = np.stack([first, last], axis=1).ravel()
        inner = np.where(first < last, np.add.reduceat(self.sums, runs)[::2], 0.0)
        head, tail = (values.sum(axis=1) for values in self._edges(cuts, first, last, 0.0))
        return np.asarray(head + inner + tail)

    def squared_errors(self, cuts: Array, levels: Array) -> float:
        """The squares of the distances of all numbers from the level of their run, summed."""
        first, last = self._whole(cuts)
        away = self._block_distances(first, last, levels)
        head, tail = (values - levels[:, None] for values in self._edges(cuts, first, last, levels[:, None]))
        return float(away + np.square(head).sum() + np.square(tail).sum())

    def _block_distances(self, first: Array, last: Array, levels: Array) -> float:
        runs = np.maximum(last - first, 0)
        blocks = np.repeat(first - (np.cumsum(runs) - runs), runs) + np.arange(runs.sum())
        centres, distances, squares = (part[blocks] for part in self.spreads)
        away = centres - np.repeat(levels, runs)
        return float((squares + away * (2 * distances + self.block * away)).sum())

    def _whole(self, cuts: Array) -> tuple[Array, Array]:
        """The blocks that lie within each run: first, and one past the last."""
        first = -(-cuts[:-1] // self.block)
        return first, np.maximum(cuts[1:] // self.block, first)

    def _edges(self, cuts: Array, first: Array, last: Array, blank: Any) -> tuple[Array, Array]:
        """What each run holds before and behind its whole blocks: float64, (k, block), filled up with blanks."""
        head = self._short_runs(cuts[:-1], np.minimum(first * self.block, cuts[1:]), blank)
        return head, self._short_runs(last * self.block, cuts[1:], blank)

    def _short_runs(self, start: Array, stop: Array, blank: Any) -> Array:
        places = start[:, None] + np.arange(self.block)
        values = self.numbers.take(places, mode="clip").astype(np.float64)
        return np.where(places < stop[:, None], values, blank)


def _spread(blocks: Array) -> tuple[Array, Array, Array]:
    centres = blocks.mean(axis=1)
    away = blocks - centres[:, None]
    return centres, away.sum(axis=1), np.square(away).sum(axis=1)


def ordered(x: Any, runs: int, what: str) -> Ordered:
    """The numbers of an array, in blocks that suit so many runs; `ValueError` where there are none, or one is not
    finite."""
    numbers = _sorted(wide(read(x)).reshape(-1))
    if not numbers.size or not np.isfinite(numbers[[0, -1]]).all():
        finite_numbers(x, what)
    return Ordered(numbers, 1 << isqrt(numbers.size // runs).bit_length())


def _threads(count: int) -> int:
    return pool.thread_limit() if count > _ONE_THREAD else 1


def _sorted(x: Array) -> Array:
    """A copy in rising order: each thread sorts a piece, and one merges them. Equal numbers may lie in any order."""
    result, pieces = np.empty_like(x), pool.shares(x.size, _threads(x.size))

    def fill(piece: tuple[int, int]) -> None:
        part = slice(*piece)
        result[part] = x[part]
        result[part].sort()

    pool.run(fill, pieces)
    if len(pieces) > 1:
        result.sort(kind="stable")
    return result
