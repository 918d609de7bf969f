"""An array in a GGUF format: the bytes of its blocks, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blocks.indexing import check_whole, picks_of
from ..blocks.shared import delivered, result_dtype, values_for
from ..engine import outputs
from ..registry import parse
from .execution import read
from .fields import Array
from .plain_blocks import Parts

if TYPE_CHECKING:
    from .form import GGUF

Shape = tuple[int, ...]
F4 = np.dtype(np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class GGUFArray:
    """An array in a GGUF format. `encode` makes one, or `unpack` from bytes.

    blocks : uint8, (..., blocks of a row, bytes of a block)
    format : a GGUF format

    NumPy takes it as the array of its values, float32.

    >>> a = numfmt.encode(np.arange(32.0) - 16, "gguf_q4_0")
    >>> a.codes[:4], a.scales, a.decode()[:4]
    (array([0, 1, 1, 2], dtype=uint8), array([2.], dtype=float32),
     array([-16., -14., -14., -12.], dtype=float32))
    >>> a
    <gguf_q4_0: shape (32,), 4.5 bits an element>
    """

    blocks: Array
    format: GGUF

    def __post_init__(self) -> None:
        found, nbytes = self.blocks, self.format.kind.nbytes
        if not isinstance(found, np.ndarray) or found.dtype != np.uint8:
            kind = found.dtype if isinstance(found, np.ndarray) else type(found).__name__
            raise TypeError(f"blocks= takes an array of uint8, got {kind}; .view(np.uint8) reads its bytes")
        if found.ndim < 2 or found.shape[-1] != nbytes:
            raise ValueError(
                f"blocks of '{self.format}' have {nbytes} bytes: blocks= has shape (..., blocks, {nbytes}), "
                f"got {found.shape}"
            )

    @property
    def shape(self) -> Shape:
        *outer, blocks, _ = self.blocks.shape
        return *outer, blocks * self.format.kind.elements

    @property
    def ndim(self) -> int:
        return self.blocks.ndim - 1

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return F4

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks."""
        return self.blocks.nbytes

    @property
    def bits_per_element(self) -> float:
        """Exactly the bytes of a block over its elements.

        >>> numfmt.encode(np.zeros(256), "gguf_q6_k").bits_per_element
        6.5625
        """
        return self.format.bits_per_element(self.shape)

    # What the blocks say

    def _parts(self) -> Parts:
        with np.errstate(all="ignore"):
            return self.format.kind.parts(self._flat())

    def _flat(self, part: slice = slice(None)) -> Array:
        """Blocks (n, nbytes)."""
        return np.ascontiguousarray(self.blocks.reshape(-1, self.blocks.shape[-1])[part])

    @property
    def codes(self) -> Array:
        """The codes as blocks hold them, one an element, shape of the array: uint8, of 8 bits int8.

        A value is `level * scale + offset`, where the level is the value of the code in `format.of` less
        `format.zero`.
        """
        return self._parts().codes.reshape(self.shape)

    @property
    def scales(self) -> Array:
        """The scale of each block or sub-block, (..., sub-blocks of a row) float32: in K-quants the product of
        the block's float16 and the sub-block's integer."""
        return self._by_row(self._parts().scales)

    @property
    def offsets(self) -> Array | None:
        """What is added to each sub-block, of the shape of `scales`; None where the type has none.

        >>> numfmt.encode(np.arange(32.0) + 7, "gguf_q4_1").offsets
        array([7.], dtype=float32)
        """
        found = self._parts().offsets
        return None if found is None else self._by_row(found)

    def _by_row(self, found: Array) -> Array:
        *outer, blocks, _ = self.blocks.shape
        return found.reshape(*outer, blocks * found.shape[1])

    def units(self, start: int, stop: int) -> tuple[Array, Array]:
        """What one unit of the element format is worth, and the code of 0, perhaps between codes, for each of the
        elements `start ... stop - 1` in C order: float64.

        >>> [x.tolist() for x in numfmt.encode(-np.ones(32), "gguf_q8_0").units(0, 2)]
        [[0.00787353515625, 0.00787353515625], [0.0, 0.0]]
        """
        kind = self.format.kind
        first, last = start // kind.elements, -(-stop // kind.elements)
        with np.errstate(all="ignore"):
            _, scales, offsets = kind.parts(self._flat(slice(first, last)))
            unit = scales.astype(np.float64)
            zero = np.zeros_like(unit) if offsets is None else np.where(unit != 0, -offsets / unit, 0)
        each = (np.arange(start, stop) - first * kind.elements) // (kind.elements // scales.shape[1])
        return unit.reshape(-1)[each], (zero + self.format.zero).reshape(-1)[each]

    # Values

    def decode(self, dtype: Any = None, out: Any = None) -> Any:
        """The values, float32 unless `dtype` or `out` says float16, float64 or object; float16 and the others
        hold the float32 values, rounded once more for float16.

        >>> numfmt.encode(np.full(32, 3.0), "gguf_q8_0").decode()[:2]
        array([2.999817, 2.999817], dtype=float32)
        """
        result = outputs.output(self.shape, result_dtype(dtype, out, F4), out)
        values = values_for(result)
        read(self._flat(), self.format.kind, values)
        return delivered(values, result)

    def piece(self, start: int, stop: int) -> Array:
        """The values of the elements `start ... stop - 1` in C order, float32; no others are decoded.

        >>> numfmt.encode(np.full(64, 3.0), "gguf_q8_0").piece(31, 33)
        array([2.999817, 2.999817], dtype=float32)
        """
        elements = self.format.kind.elements
        first, last = start // elements, -(-stop // elements)
        values = np.empty((last - first) * elements, np.float32)
        read(self._flat(slice(first, last)), self.format.kind, values)
        return values[start - first * elements : stop - first * elements]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("values are decoded into a new array: copy=False cannot be had")
        values = np.asarray(self.decode())
        return values if dtype is None else values.astype(dtype)

    def __getitem__(self, index: Any) -> GGUFArray:
        """The part at an index of integers, slices and ``...``, a view; of the last axis ``:`` and slices of whole
        blocks.

        >>> numfmt.encode(np.zeros((4, 96)), "gguf_q8_0")[1:3, 32:]
        <gguf_q8_0: shape (2, 64), 8.5 bits an element>
        """
        *outer, last = picks_of(index, self.shape)
        n, elements = self.shape[-1], self.format.kind.elements
        check_whole(last, n, elements, self.ndim - 1)
        assert isinstance(last, slice)
        kept = range(*last.indices(n))
        first = kept.start // elements
        return GGUFArray(self.blocks[(*outer, slice(first, first + len(kept) // elements))], self.format)

    # Bytes

    def pack(self) -> Array:
        """The bytes, (..., blocks of a row, bytes of a block) uint8: those of the tensor in a GGUF file, and what
        `gguf.quants` has as (..., bytes of a row).

        >>> numfmt.encode(np.zeros((2, 64)), "gguf_q8_0").pack().shape
        (2, 2, 34)
        """
        return self.blocks.copy()

    @staticmethod
    def unpack(given: Any, fmt: Any, shape: Any = None) -> GGUFArray:
        """The array of bytes, the inverse of `pack`.

        Parameters
        ----------
        given : ndarray of uint8, or a buffer of bytes
            Of any shape, in C order, with `shape`; without it (..., bytes of a row).
        fmt : str or GGUF format
        shape : tuple of int, optional
            Of the array.

        Raises
        ------
        ValueError : too few bytes or too many; rows that are no whole blocks
        TypeError : no bytes; no GGUF format

        >>> GGUFArray.unpack(bytes.fromhex("003c") + bytes([0x08] * 16), "gguf_q4_0").decode()[14:18]
        array([ 0.,  0., -8., -8.], dtype=float32)
        """
        from .form import GGUF

        form = parse(fmt)
        if not isinstance(form, GGUF):
            raise TypeError(f"'{form}' is no GGUF format, such as 'gguf_q4_0'")
        return GGUFArray(_blocks(_bytes(given), form, shape), form)

    def __repr__(self) -> str:
        return f"<{self.format}: shape {self.shape}, {self.bits_per_element:.5g} bits an element>"


def _bytes(given: Any) -> Array:
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8:
            raise TypeError(
                f"blocks are bytes, got an array of {given.dtype}; .view(np.uint8) reads its bytes"
            )
        return given
    try:
        return np.frombuffer(memoryview(given).cast("B"), np.uint8)
    except TypeError:
        raise TypeError(f"blocks are an array or a buffer of bytes, got {type(given).__name__}") from None


def _blocks(given: Array, form: GGUF, shape: Any) -> Array:
    """Bytes as (..., blocks, nbytes), if they are whole rows."""
    elements, nbytes = form.kind.elements, form.kind.nbytes
    if shape is None and given.ndim and given.shape[-1] % nbytes == 0:
        return given.reshape(*given.shape[:-1], given.shape[-1] // nbytes, nbytes)
    if shape is None:
        raise ValueError(f"rows of '{form}' are blocks of {nbytes} bytes; got bytes of shape {given.shape}")
    wanted = form.blocks_shape(_sizes(shape))
    if given.size != prod(wanted):
        raise ValueError(
            f"'{form}' of shape {_sizes(shape)} has {prod(wanted)} bytes, {nbytes} for each {elements} elements; "
            f"got {given.size}"
        )
    return given.reshape(wanted)


def _sizes(shape: Any) -> Shape:
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not all(hasattr(n, "__index__") and not isinstance(n, bool) and n >= 0 for n in sizes):
        raise TypeError(f"shape= takes a tuple of integers from 0 on, got {shape!r}")
    return tuple(map(int, sizes))
