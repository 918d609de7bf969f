"""Operands in panels, whole tiles of a result, and threads: what the loops of `kernels.rounded` are called with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..engine import inputs, jit, pool

Array = np.ndarray[Any, Any]
DEPTH = 512  # terms in panels at a time
ROWS = 1 << 10
WORTH = 1 << 18  # products of a thread


class Geometry(NamedTuple):
    """Rows and columns of a tile, and the deepest block of terms."""

    height: int
    width: int
    deepest: int

    def whole(self, rows: int, columns: int) -> tuple[int, int]:
        """Sides filled up to whole tiles."""
        return -(-rows // self.height) * self.height, -(-columns // self.width) * self.width

    def share(self, loop: Callable[..., None], shape: tuple[int, ...], dtype: Any) -> None:
        """`loop(left, top, first, last)` for rows of each thread, with work space of its own."""
        rows, columns = shape
        threads = pool.thread_limit() if rows * columns * self.deepest > WORTH else 1
        panels = min(-(-rows // self.height), ROWS // self.height)

        def part(ends: tuple[int, int]) -> None:
            left = np.empty((panels, self.deepest * self.height), dtype)
            loop(left, np.empty(self.deepest * self.width, dtype), *ends)

        pool.run(part, pool.shares(rows, threads, self.height))


@contextmanager
def filled(c: Array, shape: Geometry) -> Iterator[Array]:
    """A result in whole tiles: `c` itself, or a copy that goes back to it."""
    rows, columns = c.shape
    if c.flags.c_contiguous and shape.whole(rows, columns) == c.shape:
        yield c
        return
    whole = np.zeros(shape.whole(rows, columns), c.dtype)
    whole[:rows, :columns] = c
    yield whole
    c[...] = whole[:rows, :columns]


def geometry(deepest: int, dtype: Any) -> Geometry:
    loops: Any = jit.rounding_loops()
    shape = loops.shape_of(jit.cpu_features())
    return Geometry(shape.height, loops.VECTORS * shape.lanes * 4 // np.dtype(dtype).itemsize, deepest)


def blocks(ends: Sequence[int]) -> Array:
    """Indices of those among the ends of parts that are the ends of blocks: whole parts, of `DEPTH` terms at most if
    there are several."""
    found = [0]
    for i in range(1, len(ends)):
        if i + 1 == len(ends) or ends[i + 1] - ends[found[-1]] > DEPTH:
            found.append(i)
    return np.array(found, np.int64)


def depths(terms: int) -> list[int]:
    """Ends of blocks of so many terms that nothing else parts."""
    return [*range(0, terms, DEPTH), terms]


def contiguous(x: Array) -> Array:
    """As the loops are compiled for."""
    return inputs.writeable_alias(np.ascontiguousarray(x))
