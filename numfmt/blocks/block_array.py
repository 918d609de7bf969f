"""An array in a scaled format: codes and what they share."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..format import Format
from ..scaled import ScaledFormat
from .granularity import Shape
from .indexing import part_of

if TYPE_CHECKING:
    from .shared import SharedScale

Array = np.ndarray[Any, Any]
F4 = np.dtype(np.float32)


class Packed(NamedTuple):
    """An array in a scaled format as bytes; `BlockArray.pack` says which.

    codes : uint8
    scales : codes of the scales' format, float32 where that is f32, or a `Packed`
    zeros : in the dtype of the codes, or None
    offset : float32, or None
    """

    codes: Array
    scales: Array | Packed
    zeros: Array | None = None
    offset: Array | None = None


@dataclass(frozen=True, eq=False, repr=False)
class BlockArray:
    """An array in a scaled format.

    codes : ndarray of integers, shape of the array
    scales : ndarray of float32, of the shape that the granularity gives; where the scales are in a
        scaled format themselves, a `BlockArray` of that shape
    zeros : ndarray of the codes' dtype, shape of `scales`, or None where every zero point is 0
    format : a scaled format
    offset : ndarray of float32 and shape (), added to every value; None where the format has none

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
    offset: Array | None = None

    def __post_init__(self) -> None:
        """`TypeError`, `ValueError` for parts that no array of the format has."""
        if not hasattr(self.format, "check_shared"):
            raise TypeError(f"format= takes a scaled format, as numfmt.parse('mxfp4'), got {self.format!r}")
        self._check_dtypes()
        self._check_shapes()
        self._check_offset()
        self.format.check_shared(self.scales, self.zeros)

    def _check_dtypes(self) -> None:
        if getattr(self.codes, "dtype", F4).kind not in "iu":
            raise TypeError(f"codes= takes an array of integers, got {_kind_of(self.codes)}")
        if not isinstance(self.scales, BlockArray) and getattr(self.scales, "dtype", None) != F4:
            raise TypeError(f"scales= takes an array of float32, got {_kind_of(self.scales)}")
        if self.zeros is not None and getattr(self.zeros, "dtype", F4).kind not in "iu":
            raise TypeError(f"zeros= takes an array of integers or None, got {_kind_of(self.zeros)}")

    def _check_shapes(self) -> None:
        shape = self.format.granularity.scale_shape(self.codes.shape)
        for name, array in (("scales", self.scales), ("zeros", self.zeros)):
            if array is not None and array.shape != shape:
                raise ValueError(
                    f"{name}= has shape {array.shape}; for codes of shape {self.codes.shape} it is {shape}"
                )
        held = self.format.format_of_scales(shape)
        if isinstance(self.scales, BlockArray) != isinstance(held, ScaledFormat):
            raise TypeError(f"scales= of '{self.format}' are in '{held}', got {_kind_of(self.scales)}")
        if isinstance(self.scales, BlockArray) and self.scales.format != held:
            raise ValueError(f"scales= of '{self.format}' are in '{held}', got '{self.scales.format}'")

    def _check_offset(self) -> None:
        if self.format.has_offset != (self.offset is not None):
            wanted = "takes an array of float32 and shape ()" if self.format.has_offset else "is None"
            raise TypeError(f"offset= of '{self.format}' {wanted}, got {_kind_of(self.offset)}")
        if self.offset is not None and (getattr(self.offset, "dtype", None) != F4 or self.offset.shape):
            raise TypeError(f"offset= takes an array of float32 and shape (), got {_kind_of(self.offset)}")

    @property
    def shape(self) -> Shape:
        return self.codes.shape

    @property
    def size(self) -> int:
        return self.codes.size

    @property
    def ndim(self) -> int:
        return self.codes.ndim

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return F4

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

    def __getitem__(self, index: Any) -> BlockArray:
        """The part at an index of integers, slices and ``...``: `a[i].decode()` is `a.decode()[i]`.

        Along axes without blocks anything can be had; along an axis that lies in blocks ``:`` and slices of
        whole blocks. An integer drops its axis. The format stays the same, but that an axis it names is
        counted anew, and that of a scale for each index of an axis one is left where that axis is dropped.
        Codes are a view, scales a copy.

        Raises
        ------
        IndexError : an integer out of bounds, too many indices
        ValueError : a part of a block
        TypeError : anything else, such as None or an array

        >>> a = numfmt.encode([[1.0, 2.0], [0.0, 127.0]], "int8[axis=0]")
        >>> a[1], a[:, 1].decode().tolist()
        (<int8[calibrate=absmax]: shape (2,), 24 bits an element>, [2.0, 127.0])
        """
        return part_of(self, index)

    def __iter__(self) -> Iterator[BlockArray]:
        if not self.shape:
            raise TypeError("an array of shape () has no parts to go through")
        return (self[i] for i in range(self.shape[0]))

    def astype(self, fmt: Any, **keywords: Any) -> Any:
        """The values in another format: what `numfmt.encode(values, fmt, **keywords)` gives, for values in
        float64, which each is rounded to once.

        >>> numfmt.encode([1.0, 0.5, 3.0], "mxfp8").astype("int8", scale=0.5)
        <int8[scale=0.5]: shape (3,), 18.67 bits an element>
        """
        from ..casting import encode

        return encode(self.decode(np.float64), fmt, **keywords)

    def pack(self, order: str = "little") -> Packed:
        """Codes as bytes, and scales as codes of their format.

        Parameters
        ----------
        order : str
            One of those of `numfmt.pack`; "little" has the first code in the low bits, as torchao,
            ModelOpt, compressed-tensors, TransformerEngine and gpt-oss have it.

        Returns
        -------
        Packed
            codes : uint8, dense in C order. (..., n * bits / 8) where rows of n codes are whole bytes, as
                (rows, n / 2) of `mxfp4`; else flat, with zero bits after the last code.
            scales : shape of the scales: uint8, little-endian uint16 or uint32, whichever holds a code of
                their format; float32 where that is f32; a `Packed` where they are a `BlockArray`.
            zeros : shape of the scales, in the dtype of the codes, or None
            offset : float32, shape (), or None

        Raises
        ------
        RangeError : codes that the format does not have
        ValueError : scales that are no values of their format; an order that cannot serve

        >>> numfmt.encode([1.0, 6.0, -0.5, 0.0], "mxfp4").pack()
        Packed(codes=array([114,   9], dtype=uint8), scales=array([127], dtype=uint8), zeros=None, offset=None)
        """
        from ..packed import packed

        return packed(self, order)

    @staticmethod
    def unpack(given: Packed, fmt: Any, shape: Any, order: str = "little") -> BlockArray:
        """The array of packed bytes, the inverse of `pack`.

        Parameters
        ----------
        given : Packed, or any (codes, scales, zeros, offset)
            Arrays as `pack` gives them, or flat, or buffers of their bytes.
        fmt : str or scaled format
        shape : tuple of int
            Of the array.
        order : str
            That of `pack`.

        Raises
        ------
        RangeError : codes that the format does not have
        ValueError : too few bytes or too many, another dtype or shape, bits after the last code, scales
            or zero points that the format cannot have
        TypeError : no packed array; no scaled format

        >>> BlockArray.unpack((bytes.fromhex("7209"), bytes([128])), "mxfp4", (4,)).decode()
        array([ 2., 12., -1.,  0.], dtype=float32)
        """
        from ..packed import unpacked

        return unpacked(given, fmt, shape, order)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the array as a `.npz` or `.safetensors` file, whole or not at all; `numfmt.storage` says
        what is in it.

        Raises
        ------
        FileError : a file that cannot be written; another suffix
        ValueError : an array that no file can hold: its format has no spec, its scales do not fit it
        """
        from ..storage import save

        save(path, {"": self})

    @staticmethod
    def load(path: str | os.PathLike[str]) -> BlockArray:
        """The array of a file that `save` has written.

        Raises
        ------
        FileError : missing, damaged, of another kind, of a newer layout, or with several arrays
        """
        from ..storage import load_one

        return load_one(path)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays in memory; codes of less than 8 bits take a byte each."""
        return (
            self.codes.nbytes
            + self.scales.nbytes
            + sum(part.nbytes for part in (self.zeros, self.offset) if part is not None)
        )

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
        unit, zero = self.format.units(self.scales, self.zeros)
        if self.offset is not None:
            zero = zero - np.divide(self.offset, unit, out=np.zeros(unit.shape), where=unit != 0)
        found = [among.spread(numbers, self.shape) for numbers in (unit, zero)]
        if max(numbers.size for numbers in found) == 1:
            return found[0], found[1]
        which = among.layout(self.shape).scale_of(start, stop)
        units, zeros = (numbers[which] if numbers.size > 1 else numbers for numbers in found)
        return units, zeros

    def __repr__(self) -> str:
        return f"<{self.format}: shape {self.shape}, {self.bits_per_element:.4g} bits an element>"


def unchecked(
    codes: Array, scales: Any, zeros: Array | None, form: SharedScale, offset: Array | None = None
) -> BlockArray:
    """A `BlockArray` of what the format itself has made."""
    array = object.__new__(BlockArray)
    parts = {"codes": codes, "scales": scales, "zeros": zeros, "format": form, "offset": offset}
    for name, part in parts.items():
        object.__setattr__(array, name, part)
    return array


def _kind_of(x: Any) -> str:
    return type(x).__name__ if isinstance(x, BlockArray) or not hasattr(x, "dtype") else f"dtype {x.dtype}"


def spread_bits(of: Format, shared: int, shape: Shape) -> float:
    """Bits of an element with its share of those that are shared."""
    count = math.prod(shape)
    return of.bits + shared / count if count else float(of.bits)
