"""The tensors of a GGUF file as it lies in memory, every size checked against the file before it is used.

Nothing but bytes is taken from the file: the header is read here, since the package gguf trusts it and
makes an array of each item of the metadata. Sources: docs/gguf.md and src/gguf.cpp of github.com/ggml-org/ggml.
"""

from __future__ import annotations

import struct
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..format import Format
from ..registry import element
from .fields import Array
from .form import GGUF
from .gguf_array import GGUFArray
from .table import TYPES

VERSIONS = (2, 3)
MOST_AXES = 4
MOST_ELEMENTS = 1 << 59  # the product of axes other than 0, as float64 in 63 bits
ALIGNMENT = "general.alignment"
# bytes of the scalars of the metadata, by gguf_type
SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
UINT32, STRING, ARRAY = 4, 8, 9
LEAST_PAIR, LEAST_TENSOR = 13, 24  # bytes in the header

# ggml_type: name, NumPy dtype of the stored words, format of the words if they are codes
PLAIN: dict[int, tuple[str, str, str | None]] = {
    0: ("F32", "<f4", None),
    1: ("F16", "<f2", None),
    24: ("I8", "|i1", None),
    25: ("I16", "<i2", None),
    26: ("I32", "<i4", None),
    27: ("I64", "<i8", None),
    28: ("F64", "<f8", None),
    30: ("BF16", "<u2", "bf16"),
}
BLOCKS = {kind.number: kind for kind in TYPES.values()}
# name, elements and bytes of blocks that the package gguf decodes
FOREIGN = {
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    29: ("IQ1_M", 256, 56),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
    42: ("Q2_0", 64, 18),
}
SIZES = {
    **{number: (1, np.dtype(dtype).itemsize) for number, (_, dtype, _) in PLAIN.items()},
    **{number: (kind.elements, kind.nbytes) for number, kind in BLOCKS.items()},
    **{number: (elements, nbytes) for number, (_, elements, nbytes) in FOREIGN.items()},
}


class Entry(NamedTuple):
    """A tensor: its type by number, its shape in C order, where its bytes begin and end."""

    name: str
    number: int
    shape: tuple[int, ...]
    begin: int
    end: int


class Cursor:
    """A place in a buffer that never passes its end."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def skip(self, count: int) -> int:
        """Where it was, before so many bytes."""
        if count > self.left:
            raise ValueError(f"its header goes on for {count} bytes where it has {self.left} left")
        self.at += count
        return self.at - count

    def number(self, code: str = "<Q") -> int:
        return int(struct.unpack_from(code, self.data, self.skip(struct.calcsize(code)))[0])

    def count(self, least: int) -> int:
        """A number of things that take at least so many bytes each."""
        found = self.number()
        if found * least > self.left:
            raise ValueError(f"its header claims {found} entries in the {self.left} bytes that are left")
        return found

    def text(self) -> str:
        length = self.number()
        start = self.skip(length)
        try:
            return str(self.data[start : self.at], "utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"a name at byte {start} of its header is no UTF-8") from None


def entries(data: memoryview) -> list[Entry]:
    """The tensors of a file, in their order; `ValueError` where something is wrong with it."""
    cursor = Cursor(data)
    cursor.skip(4)
    _check_version(cursor.number("<I"))
    tensors, pairs = cursor.number(), cursor.count(LEAST_PAIR)
    alignment = _alignment(cursor, pairs)
    if tensors * LEAST_TENSOR > cursor.left:
        raise ValueError(f"its header claims {tensors} tensors in the {cursor.left} bytes that are left")
    heads = [_head(cursor) for _ in range(tensors)]
    if len({head[0] for head in heads}) < tensors:
        raise ValueError("a name stands twice in its header")
    return _placed(heads, _padded(cursor.at, alignment), alignment, len(data))


def _check_version(version: int) -> None:
    if version in VERSIONS:
        return
    if version & 0xFFFF == 0:
        raise ValueError("it is big-endian, and little-endian files are read: convert it")
    raise ValueError(f"it is of GGUF version {version}, and versions 2 and 3 are read: convert it")


def _alignment(cursor: Cursor, pairs: int) -> int:
    """The alignment that the metadata states; all else is passed over."""
    found, keys = 32, set()
    for _ in range(pairs):
        key, kind = cursor.text(), cursor.number("<I")
        if key in keys:
            raise ValueError(f"key {key!r} stands twice in its metadata")
        keys.add(key)
        if key == ALIGNMENT and kind == UINT32:
            found = cursor.number("<I")
        elif key == ALIGNMENT:
            raise ValueError(f"its {ALIGNMENT} is no uint32")
        else:
            _pass_over(cursor, kind)
    if found < 1 or found & (found - 1):
        raise ValueError(f"its {ALIGNMENT} is {found}, no power of two")
    return found


def _pass_over(cursor: Cursor, kind: int) -> None:
    """One value of the metadata."""
    if kind == STRING:
        cursor.skip(cursor.number())
    elif kind == ARRAY:
        of = cursor.number("<I")
        count = cursor.count(SCALARS.get(of, 8))
        if of in SCALARS:
            cursor.skip(count * SCALARS[of])
        for _ in range(0 if of in SCALARS else count):
            _pass_over_item(cursor, of)
    elif kind in SCALARS:
        cursor.skip(SCALARS[kind])
    else:
        raise ValueError(f"its metadata has a value of type {kind}, which there is not")


def _pass_over_item(cursor: Cursor, kind: int) -> None:
    if kind != STRING:
        raise ValueError(f"its metadata has an array of type {kind}, which is not read")
    cursor.skip(cursor.number())


def _head(cursor: Cursor) -> tuple[str, int, tuple[int, ...], int]:
    """Name, type, shape and offset of a tensor."""
    name, axes = cursor.text(), cursor.number("<I")
    if axes > MOST_AXES:
        raise ValueError(f"tensor {name!r} has {axes} axes, and {MOST_AXES} is the most")
    shape = tuple(cursor.number() for _ in range(axes))[::-1]
    return name, cursor.number("<I"), shape, cursor.number()


def _placed(heads: list[Any], start: int, alignment: int, size: int) -> list[Entry]:
    """The tensors fill the file one after the other, as ggml demands."""
    found, at, last = [], start, start
    for name, number, shape, offset in heads:
        if start + offset != at:
            raise ValueError(f"tensor {name!r} does not begin where the one before ends")
        last = at + _nbytes(name, number, shape)
        if last > size:
            raise ValueError(f"it is truncated: tensor {name!r} ends at byte {last}, the file at {size}")
        found.append(Entry(name, number, shape, at, last))
        at = _padded(last, alignment)
    if found and size > at:
        raise ValueError(f"it is too long: its tensors end at byte {last}, the file at {size}")
    return found


def _nbytes(name: str, number: int, shape: tuple[int, ...]) -> int:
    if prod(n for n in shape if n) >= MOST_ELEMENTS:
        raise ValueError(f"tensor {name!r} of shape {shape} is larger than any memory")
    if number not in SIZES:
        raise ValueError(f"tensor {name!r} is of type {number}, which is not known")
    elements, nbytes = SIZES[number]
    if elements > 1 and (not shape or shape[-1] % elements):
        raise ValueError(f"tensor {name!r} of shape {shape} has no rows of whole blocks of {elements}")
    return prod(shape) // elements * nbytes


def _padded(at: int, alignment: int) -> int:
    return -(-at // alignment) * alignment


def contents(entry: Entry, raw: Array) -> tuple[Any, Format | None]:
    """The array of a tensor from its bytes, not decoded, and the format of its elements if they are codes.

    Types that numfmt has no format of become values, through the package gguf.
    """
    if entry.number in BLOCKS:
        return GGUFArray.unpack(raw, GGUF(BLOCKS[entry.number].name), entry.shape), None
    if entry.number in FOREIGN:
        return _foreign(entry, raw), None
    _, dtype, coded = PLAIN[entry.number]
    return raw.view(dtype).reshape(entry.shape), element(coded) if coded else None


def _foreign(entry: Entry, raw: Array) -> Array:
    name, elements, nbytes = FOREIGN[entry.number]
    what = f"tensor {entry.name!r} is of type {name}, which numfmt leaves to the package gguf"
    try:
        from gguf import GGMLQuantizationType, quants
    except ImportError:
        raise ValueError(f"{what}: install it, or leave the tensor out") from None
    rows = raw.reshape(prod(entry.shape[:-1]), entry.shape[-1] // elements * nbytes)
    try:
        values = quants.dequantize(rows, GGMLQuantizationType(entry.number))
    except (NotImplementedError, ValueError):
        raise ValueError(f"{what}, and the one installed does not know it; leave the tensor out") from None
    return np.asarray(values, np.float32).reshape(entry.shape)
