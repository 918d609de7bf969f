"""An array in a scaled format: codes and what they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..format import Format
from .granularity import Shape

if TYPE_CHECKING:
    from .shared import SharedScale

Array = np.ndarray[Any, Any]
F4 = np.dtype(np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class BlockArray:
    """An array in a scaled format.

    codes : ndarray of integers, shape of the array
    scales : ndarray of float32, of the shape that the granularity gives; where the scales are in a
        scaled format themselves, a `BlockArray` of that shape
    zeros : ndarray of the codes' dtype, shape of `scales`, or None where every zero point is 0
    format : a scaled format

    NumPy takes it as the array of its values, float32.

    >>> a = numfmt.parse("int8[axis=0]").encode([[1.0, 2.0], [0.0, 127.0]])
    >>> a.codes.tolist(), a.scales.tolist()[1]
    ([[64, 127], [0, 127]], 1.0)
    >>> a
    <int8[axis=0]: shape (2, 2), 24 bits an element>
    """

    codes: Array
    scales: Array | BlockArray
    zeros: Array | None
    format: SharedScale

    def __post_init__(self) -> None:
        if getattr(self.codes, "dtype", F4).kind not in "iu":
            raise TypeError(f"codes= takes an array of integers, got {_kind_of(self.codes)}")
        if not isinstance(self.scales, BlockArray) and getattr(self.scales, "dtype", None) != F4:
            raise TypeError(f"scales= takes an array of float32, got {_kind_of(self.scales)}")
        if self.zeros is not None and getattr(self.zeros, "dtype", F4).kind not in "iu":
            raise TypeError(f"zeros= takes an array of integers or None, got {_kind_of(self.zeros)}")
        shape = self.format.granularity.scale_shape(self.codes.shape)
        for name, array in (("scales", self.scales), ("zeros", self.zeros)):
            if array is not None and array.shape != shape:
                raise ValueError(
                    f"{name}= has shape {array.shape}; for codes of shape {self.codes.shape} it is {shape}"
                )

    @property
    def shape(self) -> Shape:
        return self.codes.shape

    @property
    def size(self) -> int:
        return self.codes.size

    def decode(self, dtype: Any = None, out: Any = None) -> Any:
        """The values, float32 unless `dtype` or `out` says float16, float64 or object.

        >>> numfmt.parse("uint8[scale=0.5, zero=2]").encode([1.0, -1.0]).decode()
        array([ 1., -1.], dtype=float32)
        """
        return self.format.decode_array(self, dtype, out)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("values are decoded into a new array: copy=False cannot be had")
        values = np.asarray(self.decode())
        return values if dtype is None else values.astype(dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays in memory; codes of less than 8 bits take a byte each."""
        return self.codes.nbytes + self.scales.nbytes + (0 if self.zeros is None else self.zeros.nbytes)

    @property
    def bits_per_element(self) -> float:
        """Bits of an element once codes are packed, scales and zero points counted in."""
        block = self.format
        zeros = 0 if self.zeros is None else block.of.bits * self.zeros.size
        return spread_bits(block.of, block.scale_bits(self.shape) + zeros, self.shape)

    def units(self, start: int, stop: int) -> tuple[Array, Array]:
        """What one unit of the element format is worth, and the zero point, for each of the elements
        `start ... stop - 1` in C order: float64, of length 1 where one scale serves all.

        >>> [x.tolist() for x in numfmt.parse("int8[scale=0.5]").encode([1.0, 2.0]).units(0, 2)]
        [[0.5], [0.0]]
        """
        among = self.format.granularity
        found = [among.spread(numbers, self.shape) for numbers in self.format.units(self.scales, self.zeros)]
        if max(numbers.size for numbers in found) == 1:
            return found[0], found[1]
        which = among.layout(self.shape).scale_of(start, stop)
        units, zeros = (numbers[which] if numbers.size > 1 else numbers for numbers in found)
        return units, zeros

    def __repr__(self) -> str:
        return f"<{self.format}: shape {self.shape}, {self.bits_per_element:.4g} bits an element>"


def _kind_of(x: Any) -> str:
    return f"dtype {x.dtype}" if hasattr(x, "dtype") else type(x).__name__


def spread_bits(of: Format, shared: int, shape: Shape) -> float:
    """Bits of an element with its share of those that are shared."""
    count = int(np.prod(shape, dtype=np.int64))
    return of.bits + shared / count if count else float(of.bits)
