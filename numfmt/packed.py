"""Arrays in scaled formats as the bytes that other libraries take, and back."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .blocks import BlockArray, Packed, SharedScale
from .casting import decode, encode
from .format import Format
from .packing import pack, packed_size, unpack
from .registry import element, parse

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
SINGLE = element("f32")
TAIL = 32  # codes: a multiple of them ends on a whole byte or word in every order that pads


def packed(array: BlockArray, order: str = "little") -> Packed:
    """What `BlockArray.pack` gives.

    >>> packed(numfmt.encode(np.ones((2, 32)), "mxfp4")).codes.shape
    (2, 16)
    """
    form = array.format
    form.check_shared(array.scales, array.zeros)
    flat = pack(form.own_codes(array.codes), form.of.bits, order)
    codes = flat.reshape(_shape_of_bytes(array.shape, form.of.bits, flat.size))
    zeros = None if array.zeros is None else array.zeros.astype(_little(form.code_dtype), order="C")
    offset = None if array.offset is None else array.offset.astype(words(SINGLE))
    return Packed(codes, _packed_scales(array), zeros, offset)


def _packed_scales(array: BlockArray) -> Array | Packed:
    held = array.format.format_of_scales(array.scales.shape)
    if not isinstance(array.scales, BlockArray):
        assert isinstance(held, Format)
        return _words_of_scales(array.scales, held)
    return packed(array.scales)


def unpacked(given: Any, fmt: Any, shape: Any, order: str = "little") -> BlockArray:
    """What `BlockArray.unpack` gives.

    >>> unpacked(packed(numfmt.encode([1.0, 3.0], "mxfp8")), "mxfp8", (2,)).decode()
    array([1., 3.], dtype=float32)
    """
    form, sizes = _scaled(fmt), _sizes(shape)
    raw_codes, raw_scales, raw_zeros, raw_offset = _fields(given)
    counted = form.granularity.scale_shape(sizes)
    codes = _codes(raw_codes, form, sizes, order)
    held = form.format_of_scales(counted)
    scales: Any
    if isinstance(held, SharedScale):
        scales = unpacked(_nested(raw_scales, form, held), held, counted)
    else:
        scales = _scales_of_words(_numbers(_plain(raw_scales, form), "scales", words(held), counted), held)
    zeros = None if raw_zeros is None else _native(_numbers(raw_zeros, "zeros", form.code_dtype, counted))
    return BlockArray(codes, scales, zeros, form, _offset(raw_offset, form))


# Codes


def _codes(raw: Any, form: SharedScale, shape: Shape, order: str) -> Array:
    bits, count = form.of.bits, prod(shape)
    size = packed_size(count, bits, order)
    buffer = _numbers(raw, "codes", np.dtype(np.uint8), _shape_of_bytes(shape, bits, size)).reshape(-1)
    codes = unpack(buffer, bits, count, order, signed=form.of.signed_codes)
    whole = count - count % TAIL
    if (pack(codes[whole:], bits, order) != buffer[packed_size(whole, bits, order) :]).any():
        raise ValueError("there are bits after the last code: they should be 0")
    return form.own_codes(codes.reshape(shape)).astype(form.code_dtype, copy=False)


def _shape_of_bytes(shape: Shape, bits: int, size: int) -> Shape:
    """(..., bytes of a row) where rows are whole bytes; else flat."""
    *outer, n = shape or (1,)
    rows = (*outer, n * bits // 8)
    return rows if n * bits % 8 == 0 and prod(rows) == size else (size,)


# Scales


def words(form: Format) -> np.dtype[Any]:
    """The dtype of scales in bytes: of the codes of their format, float32 for f32.

    >>> words(numfmt.parse("e8m0fnu")), words(numfmt.parse("bf16")), words(numfmt.parse("f32"))
    (dtype('uint8'), dtype('uint16'), dtype('float32'))
    """
    return np.dtype("<f4") if form == SINGLE else np.dtype(f"<u{form.code_bits // 8}")


def _words_of_scales(scales: Array, form: Format) -> Array:
    if form == SINGLE:
        return scales.astype(words(form), order="C")
    return np.asarray(encode(scales, form)).astype(words(form))


def _scales_of_words(given: Array, form: Format) -> Array:
    if form == SINGLE:
        return _native(given)
    return np.asarray(decode(_native(given), form, dtype=np.float32))


def _offset(raw: Any, form: SharedScale) -> Array | None:
    if (raw is not None) != form.has_offset:
        fault = "an offset: give it as the fourth part" if form.has_offset else "no offset: leave it out"
        raise ValueError(f"'{form}' has {fault}")
    return None if raw is None else _native(_numbers(raw, "offset", words(SINGLE), ()))


# What is given


def _scaled(fmt: Any) -> SharedScale:
    form = parse(fmt)
    if not isinstance(form, SharedScale):
        raise TypeError(f"'{form}' has no scales: it takes a scaled format, such as 'mxfp4'")
    return form


def _sizes(shape: Any) -> Shape:
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not all(hasattr(n, "__index__") and not isinstance(n, bool) and n >= 0 for n in sizes):
        raise TypeError(f"shape= takes a tuple of integers from 0 on, got {shape!r}")
    return tuple(map(int, sizes))


def _fields(given: Any) -> Packed:
    if not isinstance(given, tuple) or len(given) not in (2, 3, 4):
        raise TypeError(
            f"a packed array is (codes, scales), perhaps with zeros and an offset, got {given!r:.80}"
        )
    return Packed(*given)


def _nested(raw: Any, form: SharedScale, held: SharedScale) -> Packed:
    if not isinstance(raw, tuple):
        raise TypeError(
            f"scales= of '{form}' takes (codes, scales) of '{held}', as pack() gives them; got {type(raw).__name__}"
        )
    return _fields(raw)


def _plain(raw: Any, form: SharedScale) -> Any:
    if isinstance(raw, tuple):
        raise TypeError(
            f"scales= of '{form}' takes one array, its scales have no scales; got {type(raw).__name__}"
        )
    return raw


def _numbers(raw: Any, name: str, dtype: np.dtype[Any], shape: Shape) -> Array:
    """An array of that dtype and shape from one, flat perhaps, or from a buffer of its bytes."""
    stored, count = _little(dtype), prod(shape)
    given = raw if isinstance(raw, np.ndarray) else _words_of(raw, name, stored, count)
    if given.dtype != stored:
        raise ValueError(f"{name}= takes {stored}, got {given.dtype}; .view() reads the same bytes so")
    if given.shape not in (shape, (count,)):
        flat = f" or ({count},)" * (shape != (count,))
        raise ValueError(f"{name}= takes an array of shape {shape}{flat}, got {given.shape}")
    return given.reshape(shape)


def _words_of(raw: Any, name: str, dtype: np.dtype[Any], count: int) -> Array:
    try:
        view = memoryview(raw).cast("B")
    except TypeError:
        kind = type(raw).__name__
        raise TypeError(f"{name}= takes an array or a buffer of bytes, got {kind}") from None
    if len(view) != count * dtype.itemsize:
        raise ValueError(f"{name}= takes {count * dtype.itemsize} bytes, got {len(view)}")
    return np.frombuffer(view, dtype)


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _native(given: Array) -> Array:
    """A copy in the machine's byte order."""
    return given.astype(given.dtype.newbyteorder("="), order="C")
