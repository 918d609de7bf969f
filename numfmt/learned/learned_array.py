"""An array of codes, and the levels that were learned for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blocks.shared import delivered, result_dtype, values_for
from ..engine import outputs

if TYPE_CHECKING:
    from .form import Learned

Array = np.ndarray[Any, Any]
F4 = np.dtype(np.float32)
HALF_LARGEST = np.float32(65504)  # of float16


@dataclass(frozen=True, eq=False, repr=False)
class LearnedArray:
    """Codes and the values they mean. `encode` makes one.

    codes : uint8 or uint16, shape of the array
    levels : float32, (sets, k): the value of each code; sets is 1, or the length of the format's axis
    format : a learned format

    NumPy takes it as the array of its values, float32.

    >>> a = numfmt.encode([0.0, 1.0, 10.0, 11.0, 0.5, 10.5], "kmeans1")
    >>> a.codes.tolist(), a.levels.tolist(), np.asarray(a).tolist()
    ([0, 0, 1, 1, 0, 1], [[0.5, 10.5]], [0.5, 0.5, 10.5, 10.5, 0.5, 10.5])
    >>> a
    <kmeans1: shape (6,), 11.667 bits an element>
    """

    codes: Array
    levels: Array
    format: Learned

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def ndim(self) -> int:
        return self.codes.ndim

    @property
    def size(self) -> int:
        return self.codes.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return F4

    @property
    def nbytes(self) -> int:
        """Bytes of codes and levels in memory."""
        return self.codes.nbytes + self.levels.nbytes

    @property
    def bits_per_element(self) -> float:
        """Codes, and the numbers that a decoder needs, over all elements."""
        return self.format.bits_per_element(self.shape)

    def decode(self, dtype: Any = None, out: Any = None) -> Any:
        """The values, float32 unless `dtype` or `out` says float16, float64 or object; those that float16 does not
        hold are its largest."""
        result = outputs.output(self.shape, result_dtype(dtype, out, F4), out)
        values = values_for(result)
        rows = self.format.rows(self.codes)
        taken = np.empty(rows.shape, np.float32)
        for i in range(len(rows)):
            np.take(self.levels[i], rows[i], out=taken[i], mode="clip")
        if values.dtype.itemsize == 2:
            np.clip(taken, -HALF_LARGEST, HALF_LARGEST, out=taken)
        values[...] = self.format.whole(taken, self.shape)
        return delivered(values, result)

    def around(self, x: Array, start: int) -> tuple[Array, Array]:
        """Of numbers in place of the elements from `start` on in C order: the gap between the levels around
        each, beyond the ends that of the last two, and whether it lies beyond.

        >>> a = numfmt.encode([0.0, 1.0, 10.0, 11.0], "kmeans1")
        >>> [found.tolist() for found in a.around(np.array([3.0, 12.0]), 0)]
        [[10.0, 10.0], [False, True]]
        """
        places = np.arange(start, start + x.size)
        sets = np.zeros(x.size, np.intp)
        if self.format.axis is not None:
            sets = np.unravel_index(places, self.shape)[self.format.axis]
        gap, outside = np.empty(x.size), np.empty(x.size, bool)
        for i in np.unique(sets):
            here, v = sets == i, self.levels[i].astype(np.float64)
            above = np.clip(np.searchsorted(v, x[here], side="right"), 1, v.size - 1)
            gap[here] = v[above] - v[above - 1]
            outside[here] = (x[here] < v[0]) | (x[here] > v[-1])
        return gap, outside

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("values are decoded into a new array: copy=False cannot be had")
        values = np.asarray(self.decode())
        return values if dtype is None else values.astype(dtype)

    def __repr__(self) -> str:
        return f"<{self.format}: shape {self.shape}, {self.bits_per_element:.5g} bits an element>"
