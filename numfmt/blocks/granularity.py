"""Which elements of an array share a scale: the whole tensor, an index of an axis, a group along one, a run
through all, a tile of two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np

from ..kernels.affine import Geometry

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
LONG = 1 << 14  # elements of a row; longer ones are cut, so that threads and scratch have pieces
SHORT = 1 << 9  # elements; shorter rows with a scale for each element are laid end to end
BAND = 32  # lines that pass by the same scales
FLAT = "flat"  # in place of an axis: blocks run through all elements in C order


class Layout(NamedTuple):
    """An array in C order as (outer, n, inner); a scale serves `size` indices of n. `shared`: it
    does so for every outer and inner index; else each pair of those has scales of its own."""

    outer: int
    n: int
    inner: int
    size: int
    shared: bool

    @property
    def groups(self) -> int:
        return -(-self.n // self.size)

    def scale_of(self, start: int, stop: int) -> Array:
        """The number of the scale of each of the elements `start ... stop - 1`."""
        row, inside = np.divmod(np.arange(start, stop), self.inner)
        outer, position = np.divmod(row, self.n)
        if self.shared:
            return position // self.size
        return (outer * self.groups + position // self.size) * self.inner + inside

    def ranges(self, x: Array) -> tuple[Array, Array]:
        """The least and the greatest element of each scale, extended to 0; NaN where one is NaN."""
        cube = x.reshape(self.outer, self.n, self.inner)
        if self.shared:
            return cube.min(axis=(0, 2), initial=0.0), cube.max(axis=(0, 2), initial=0.0)
        starts = np.arange(0, self.n, self.size)
        if not starts.size:
            return (np.empty((self.outer, 0, self.inner), x.dtype),) * 2
        low, high = (f.reduceat(cube, starts, axis=1) for f in (np.minimum, np.maximum))
        return np.minimum(low, 0), np.maximum(high, 0)

    def sums(self, x: Array) -> Array:
        """The sum of the elements of each scale, flat."""
        cube = x.reshape(self.outer, self.n, self.inner)
        if self.shared:
            return np.asarray(cube.sum(axis=(0, 2)))
        starts = np.arange(0, self.n, self.size)
        return np.asarray(np.add.reduceat(cube, starts, axis=1)) if starts.size else np.empty(0)

    def slices(self, x: Array) -> Iterator[Array]:
        """The elements of each scale in turn."""
        cube = x.reshape(self.outer, self.n, self.inner)
        if self.shared:
            yield from (cube[:, i] for i in range(self.n))
            return
        for outer in range(self.outer):
            for start in range(0, self.n, self.size):
                yield from (cube[outer, start : start + self.size, i] for i in range(self.inner))

    @property
    def is_varying(self) -> bool:
        """Whether the scale changes from each element to the next in memory."""
        return self.n > 1 and self.inner == 1 if self.shared else self.inner > 1

    @property
    def copies(self) -> int:
        """How often the scales are laid end to end: as many as make a whole number of the loops' steps
        of 64, where they are few."""
        if not (self.shared and self.is_varying and self.n < SHORT):
            return 1
        step = 64 // gcd(self.n, 64)
        return min(step * -(-SHORT // (self.n * step)), self.outer)

    def rows(self) -> tuple[int, Geometry]:
        """Rows that share one scale each."""
        if self.shared:
            pieces = max(1, -(-self.inner // LONG))
            period = self.n
            return self.outer * self.n * pieces, Geometry(
                pieces, self.inner, min(self.inner, LONG), period, 1, 0, 1
            )
        return self.outer * self.groups, Geometry(
            self.groups, self.n, self.size, self.outer, self.groups, 1, 1
        )

    def columns(self) -> tuple[int, Geometry]:
        """Bands of lines with a scale for each element."""
        if self.shared:
            length = self.n * self.copies
            lines = -(-self.outer * self.n // length)
            bands = -(-lines // BAND)
            return bands, Geometry(bands, lines, BAND, 1, 0, 0, length)
        return self.outer * self.groups, Geometry(
            self.groups, self.n, self.size, self.outer, self.groups, 1, self.inner
        )


@dataclass(frozen=True)
class Granularity(ABC):
    """Where scales change; it knows no array, only shapes."""

    @abstractmethod
    def layout(self, shape: Shape) -> Layout:
        """How an array of that shape lies in memory beside its scales; `spread` puts them in that order."""

    @abstractmethod
    def scale_shape(self, shape: Shape) -> Shape:
        """The shape of the scales of an array of that shape."""

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """As a spec says it."""

    def scale_count(self, shape: Shape) -> int:
        return prod(self.scale_shape(shape))

    def spread(self, scales: Array, shape: Shape) -> Array:
        """A number for each scale as one for each of the layout's, flat; one for all stays one."""
        return scales.reshape(-1)

    def extent(self, index: Shape, shape: Shape) -> tuple[slice, ...]:
        """The elements that share a scale with that one; of `Runs` among those of the flattened array."""
        return tuple(slice(0, n) for n in shape)

    def sharing(self, x: Array, index: Shape) -> Array:
        """Those elements of an array."""
        return x[self.extent(index, x.shape)]

    def place(self, index: Shape, shape: Shape) -> Shape:
        """The index of an element's scale."""
        return ()

    def joined(self, found: Array, shape: Shape, ufunc: np.ufunc) -> Array:
        """What was found for each of the layout's scales, brought together, in the shape of the scales."""
        return found.reshape(self.scale_shape(shape))


@dataclass(frozen=True)
class PerTensor(Granularity):
    """One scale, of shape ().

    >>> PerTensor().scale_shape((4, 6))
    ()
    """

    def layout(self, shape: Shape) -> Layout:
        return Layout(1, 1, prod(shape), 1, True)

    def scale_shape(self, shape: Shape) -> Shape:
        return ()

    @property
    def options(self) -> dict[str, int]:
        return {}


@dataclass(frozen=True)
class PerAxis(Granularity):
    """One scale for each index of an axis ("per channel"), of shape (n,).

    >>> PerAxis(-1).scale_shape((4, 6))
    (6,)
    """

    axis: int

    def layout(self, shape: Shape) -> Layout:
        axis = index_of(self.axis, shape)
        return Layout(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]), 1, True)

    def scale_shape(self, shape: Shape) -> Shape:
        return (shape[index_of(self.axis, shape)],)

    def extent(self, index: Shape, shape: Shape) -> tuple[slice, ...]:
        axis = index_of(self.axis, shape)
        return _replaced(super().extent(index, shape), axis, slice(index[axis], index[axis] + 1))

    def place(self, index: Shape, shape: Shape) -> Shape:
        return (index[index_of(self.axis, shape)],)

    @property
    def options(self) -> dict[str, int]:
        return {"axis": self.axis}


@dataclass(frozen=True)
class Groups(Granularity):
    """One scale for each `size` elements along an axis, the last group perhaps a shorter one.

    >>> Groups(-1, 4).scale_shape((4, 6))
    (4, 2)
    """

    axis: int
    size: int

    def layout(self, shape: Shape) -> Layout:
        shape = shape or (1,)
        axis = index_of(self.axis, shape)
        n = shape[axis]
        return Layout(prod(shape[:axis]), n, prod(shape[axis + 1 :]), min(self.size, max(n, 1)), False)

    def scale_shape(self, shape: Shape) -> Shape:
        if not shape:
            return ()
        axis = index_of(self.axis, shape)
        return (*shape[:axis], -(-shape[axis] // self.size), *shape[axis + 1 :])

    def extent(self, index: Shape, shape: Shape) -> tuple[slice, ...]:
        if not shape:
            return ()
        axis = index_of(self.axis, shape)
        ones = tuple(slice(i, i + 1) for i in index)
        return _replaced(ones, axis, _part(index[axis], self.size, shape[axis]))

    def place(self, index: Shape, shape: Shape) -> Shape:
        if not shape:
            return ()
        axis = index_of(self.axis, shape)
        return (*index[:axis], index[axis] // self.size, *index[axis + 1 :])

    @property
    def options(self) -> dict[str, int]:
        return {"size": self.size, "axis": self.axis}


@dataclass(frozen=True)
class Runs(Granularity):
    """One scale for each `size` elements in C order, whatever the axes, the last run perhaps a shorter one.

    >>> Runs(16).scale_shape((5, 7))
    (3,)
    """

    size: int

    def layout(self, shape: Shape) -> Layout:
        return Groups(0, self.size).layout((prod(shape),))

    def scale_shape(self, shape: Shape) -> Shape:
        return (-(-prod(shape) // self.size),)

    def extent(self, index: Shape, shape: Shape) -> tuple[slice, ...]:
        return (_part(_number(index, shape), self.size, prod(shape)),)

    def sharing(self, x: Array, index: Shape) -> Array:
        return x.reshape(-1)[self.extent(index, x.shape)]

    def place(self, index: Shape, shape: Shape) -> Shape:
        return (_number(index, shape) // self.size,)

    @property
    def options(self) -> dict[str, Any]:
        return {"size": self.size, "axis": FLAT}


@dataclass(frozen=True)
class Tiles(Granularity):
    """One scale for each tile of `rows` by `columns` of the last two axes, the last ones perhaps smaller.

    >>> Tiles(128, 128).scale_shape((4, 300, 384))
    (4, 3, 3)
    """

    rows: int
    columns: int

    def layout(self, shape: Shape) -> Layout:
        """Each row of a tile has its own copy of the scale."""
        return Groups(-1, self.columns).layout(self._of_matrices(shape))

    def scale_shape(self, shape: Shape) -> Shape:
        *outer, rows, columns = self._of_matrices(shape)
        return (*outer, -(-rows // self.rows), -(-columns // self.columns))

    def spread(self, scales: Array, shape: Shape) -> Array:
        if scales.ndim < 2:
            return scales.reshape(-1)
        by_row = np.repeat(scales, self._height(shape), axis=-2)
        return np.ascontiguousarray(by_row[..., : shape[-2], :]).reshape(-1)

    def joined(self, found: Array, shape: Shape, ufunc: np.ufunc) -> Array:
        counted = self.scale_shape(shape)
        by_row = found.reshape(*counted[:-2], shape[-2], counted[-1])
        return np.asarray(ufunc.reduceat(by_row, np.arange(0, shape[-2], self._height(shape)), axis=-2))

    def extent(self, index: Shape, shape: Shape) -> tuple[slice, ...]:
        *outer, row, column = index
        tile = _part(row, self.rows, shape[-2]), _part(column, self.columns, shape[-1])
        return (*(slice(i, i + 1) for i in outer), *tile)

    def place(self, index: Shape, shape: Shape) -> Shape:
        *outer, row, column = index
        return (*outer, row // self.rows, column // self.columns)

    def _height(self, shape: Shape) -> int:
        """Rows of a tile; of one higher than the array, those of the array."""
        return min(self.rows, max(shape[-2], 1))

    def _of_matrices(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise ValueError(f"tiles of {self.rows}x{self.columns} need two axes or more, got shape {shape}")
        return shape

    @property
    def options(self) -> dict[str, str]:
        return {"size": f"{self.rows}x{self.columns}"}


def _number(index: Shape, shape: Shape) -> int:
    """The place of an element in C order."""
    return int(np.ravel_multi_index(index, shape)) if shape else 0


def _part(at: int, size: int, n: int) -> slice:
    """The piece of `size` indices that index `at` lies in."""
    start = at // size * size
    return slice(start, min(start + size, n))


def _replaced(slices: tuple[slice, ...], axis: int, by: slice) -> tuple[slice, ...]:
    return (*slices[:axis], by, *slices[axis + 1 :])


def index_of(axis: int, shape: Shape) -> int:
    """An axis counted from the front; `ValueError` where the array has no such axis."""
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"axis={axis}: an array of shape {shape} has {len(shape)} axes"
            + (f", {-len(shape)} to {len(shape) - 1}" if shape else "")
        )
    return axis % len(shape)
