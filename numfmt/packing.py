"""Codes of a few bits to bytes and back, in the orders that systems store them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import gcd
from typing import Any, NamedTuple

import numpy as np

from .errors import RangeError, choose

Array = np.ndarray[Any, Any]
_CHUNK = 1 << 16  # codes; a multiple of every block, so that each chunk ends on a byte


class Order(NamedTuple):
    """Where codes lie. They follow each other densely, in the order of `places` where it is given:
    the element at each place of a block; with a `stride`, codes so far apart share a byte."""

    widths: Sequence[int]
    base: str = "little"  # the end of a byte, or of a word, where the first code lies
    word: int = 8  # bits; the bytes are whole words
    padded: bool = True  # zeros fill the last word; if not, only whole blocks are taken
    places: tuple[int, ...] = ()
    stride: int = 0
    offset: bool = False  # v + 2**(bits - 1) is stored in place of v


ORDERS: dict[str, Order] = {
    "little": Order(range(1, 65)),
    "big": Order(range(1, 65), "big"),
    # onnx/numpy_helper.py, _pack_4bitx2, _pack_2bitx4, _pack_6bit
    "onnx": Order((2, 4, 6)),
    "tflite": Order((2, 4)),
    # what torchao hands to the CUDA kernel of tinygemm, before that tiles it
    "torchao": Order((4,), "big", padded=False),
    # torchao's Int4PlainInt32Tensor
    "torchao_plain": Order((4,), padded=False),
    # NF4 and FP4; the pad of an odd tail is the code of 0, which the codebook decides
    "bitsandbytes": Order((4,), "big", padded=False),
    # ggml-quants.c: Q4_0, Q4_1, IQ4_NL and the low bits of Q5_0, Q5_1; the K-quants' qs and TQ2_0
    "gguf": Order((4,), padded=False, stride=16),
    "gguf_k": Order((2, 4), padded=False, stride=32),
    # qweight: 3-bit codes straddle words
    "gptq": Order((2, 3, 4, 8), word=32, padded=False),
    # AutoAWQ's GEMM layout
    "awq": Order((4,), word=32, padded=False, places=(0, 2, 4, 6, 1, 3, 5, 7)),
    # pack_to_int32 of compressed-tensors
    "compressed_tensors": Order(range(1, 9), word=32, offset=True),
}


def pack(codes: Any, bits: int, order: str = "little") -> Array:
    """Codes as bytes, `bits` bits each.

    Parameters
    ----------
    codes : array_like of integers, any shape (C order)
        Each fits `bits` bits, unsigned or as two's complement. Systems that pack the rows of a
        matrix, or its columns, want that axis last and each row a whole number of blocks.
    bits : int, 1 to 64
    order : str
        ==================== =========== ===== ============================================
        order                bits        block first code, or place of each
        ==================== =========== ===== ============================================
        little               1 to 64           in the low bits of the first byte
        big                  1 to 64           in the high bits of the first byte
        onnx                 2, 4, 6           low bits first
        tflite               2, 4              low bits first
        torchao              4           2     even codes high: CUDA, before tinygemm tiles
        torchao_plain        4           2     even codes low: its plain int32 layout
        bitsandbytes         4           2     even codes high
        gguf                 4           32    byte j: code j low, code j + 16 high
        gguf_k               2, 4        128,  byte j: codes j, j + 32, ... from the low
                                         64    bits up: K-quants, TQ2_0
        gptq                 2, 3, 4, 8  16,   low bits of the first int32; 3-bit codes
                                         32,   straddle words
                                         8, 4
        awq                  4           8     nibble k of an int32: code
                                               (0, 2, 4, 6, 1, 3, 5, 7)[k]
        compressed_tensors   1 to 8            low bits of the first int32, as
                                               v + 2**(bits - 1)
        ==================== =========== ===== ============================================

        Where a block is given the number of codes is a multiple of it. Elsewhere zero bits fill
        the last byte (compressed_tensors: the last int32).

    Returns
    -------
    ndarray of uint8, shape (bytes,)
        Words are little-endian: `.view("<i4")` gives those of gptq, awq, compressed_tensors.

    Raises
    ------
    SpecError : an unknown order
    ValueError : a width or a number of codes that the order does not serve
    RangeError : a code of more bits

    Examples
    --------
    >>> pack([1, 2, 3], 4).tobytes().hex()
    '2103'
    >>> pack([1, 2, 3], 4, "big").tobytes().hex()
    '1230'
    >>> hex(pack(range(8), 4, "awq").view("<u4")[0])
    '0x75316420'
    """
    layout = _layout(order, bits)
    values = _checked(codes, layout.bits)
    _check_whole(values.size, order, layout)
    out = np.empty(layout.bytes_of(values.size), np.uint8)
    for start in range(0, out.size, layout.bytes_of(_CHUNK)):
        target = out[start : start + layout.bytes_of(_CHUNK)]
        first = start * 8 // layout.bits
        target[:] = _packed(values[first : first + _CHUNK], layout)[: target.size]
    return out


def unpack(buffer: Any, bits: int, count: int, order: str = "little", signed: bool = False) -> Array:
    """The first `count` codes of packed bytes: the inverse of `pack`.

    Parameters
    ----------
    buffer : bytes-like or ndarray of uint8
        Words of 32 bits are given as their bytes, `words.view(np.uint8)`.
    bits : int, 1 to 64
    count : int
        How many codes to read; of an order with blocks, whole blocks are there.
    order : str
        One of the table at `pack`.
    signed : bool
        Read two's complement; so the values of compressed_tensors come back.

    Returns
    -------
    ndarray of the smallest uintN (intN if signed) of at least `bits` bits, shape (count,)

    Examples
    --------
    >>> unpack(bytes.fromhex("2103"), 4, 3)
    array([1, 2, 3], dtype=uint8)
    >>> unpack(bytes.fromhex("f0000000"), 4, 3, "compressed_tensors", signed=True)
    array([-8,  7, -8], dtype=int8)
    """
    layout = _layout(order, bits)
    stream = _bytes(buffer)
    _check_count(count, stream.size, layout)
    out = np.empty(count, _holding(layout.bits))
    for start in range(0, count, _CHUNK):
        first = layout.bytes_of(start)
        part = stream[first : first + layout.bytes_of(_CHUNK)]
        target = out[start : start + _CHUNK]
        target[:] = _unpacked(part, layout, target.dtype)[: target.size]
    return _sign_extended(out, layout.bits) if signed else out


def packed_size(count: int, bits: int, order: str = "little") -> int:
    """The bytes that `pack` makes of `count` codes; errors as there.

    >>> packed_size(3, 6)
    3
    """
    layout = _layout(order, bits)
    _check_whole(count, order, layout)
    return layout.bytes_of(count)


class _Move(NamedTuple):
    """Bit 0 of a code of a block comes to lie `shift` above bit 0 of one of its bytes."""

    code: int
    byte: int
    shift: int


class _Layout(NamedTuple):
    """An order at one width."""

    bits: int
    block: int  # codes
    unit: int  # bits: what is written in full
    offset: int
    moves: tuple[_Move, ...]

    def bytes_of(self, count: int) -> int:
        return -(-count * self.bits // self.unit) * self.unit // 8


def _layout(order: str, bits: Any) -> _Layout:
    row = ORDERS[choose("bit order", order, ORDERS)]
    width = _width(bits)
    if width not in row.widths:
        widths = ", ".join(map(str, row.widths))
        raise ValueError(
            f"order {order!r} packs codes of {widths} bits, got bits={width}; 'little' takes any"
        )
    return _layout_of(order, width)


@lru_cache(maxsize=256)
def _layout_of(order: str, bits: int) -> _Layout:
    row = ORDERS[order]
    places = _places(row, bits)
    block = len(places)
    return _Layout(
        bits=bits,
        block=block,
        unit=row.word if row.padded else block * bits,
        offset=1 << (bits - 1) if row.offset else 0,
        moves=tuple(_moves(places, bits, row.base == "big")),
    )


def _places(row: Order, bits: int) -> Sequence[int]:
    """The element at each place of a block; where there are no blocks, of the fewest whole words."""
    if row.stride:
        return [
            code for byte in range(row.stride) for code in range(byte, row.stride * 8 // bits, row.stride)
        ]
    return row.places or range(row.word // gcd(row.word, bits))


def _moves(places: Sequence[int], bits: int, big: bool) -> Iterator[_Move]:
    for place, code in enumerate(places):
        first, last = place * bits, (place + 1) * bits
        for byte in range(first // 8, (last + 7) // 8):
            yield _Move(code, byte, 8 * (byte + 1) - last if big else first - 8 * byte)


def _packed(values: Array, layout: _Layout) -> Array:
    """The bytes of some codes, filled up to whole blocks with zero bits."""
    dtype = _holding(layout.bits)
    codes = np.zeros((-(-values.size // layout.block), layout.block), dtype)
    flat = codes.reshape(-1)[: values.size]
    flat[:] = values.astype(dtype)
    flat ^= dtype.type(layout.offset)  # modulo 2**bits the same as adding it
    codes &= _mask(layout.bits)
    out = np.zeros((len(codes), layout.block * layout.bits // 8), np.uint8)
    for code, byte, shift in layout.moves:
        out[:, byte] |= _shifted(codes[:, code], shift).astype(np.uint8)
    return out.reshape(-1)


def _unpacked(stream: Array, layout: _Layout, dtype: np.dtype[Any]) -> Array:
    """The codes of some bytes, as many as whole blocks hold."""
    width = layout.block * layout.bits // 8
    rows = np.zeros((-(-stream.size // width), width), np.uint8)
    rows.reshape(-1)[: stream.size] = stream
    codes = np.zeros((len(rows), layout.block), dtype)
    for code, byte, shift in layout.moves:
        codes[:, code] |= _shifted(rows[:, byte].astype(dtype), -shift)
    codes &= _mask(layout.bits)
    codes ^= dtype.type(layout.offset)
    return codes.reshape(-1)


def _shifted(words: Array, up: int) -> Array:
    return words << words.dtype.type(up) if up >= 0 else words >> words.dtype.type(-up)


def _holding(bits: int) -> np.dtype[Any]:
    return np.dtype(f"u{max(8, 1 << (bits - 1).bit_length()) // 8}")


def _mask(bits: int) -> Any:
    return _holding(bits).type((1 << bits) - 1)


def _sign_extended(codes: Array, bits: int) -> Array:
    up = codes.dtype.itemsize * 8 - bits
    return (codes << codes.dtype.type(up)).view(f"i{codes.dtype.itemsize}") >> up


def _width(bits: Any) -> int:
    if isinstance(bits, bool) or not hasattr(bits, "__index__") or not 1 <= bits <= 64:
        raise ValueError(f"bits must be an integer from 1 to 64, got {bits!r}")
    return int(bits)


def _check_whole(count: int, order: str, layout: _Layout) -> None:
    missing = -count * layout.bits % layout.unit // layout.bits
    if missing and not ORDERS[order].padded:
        raise ValueError(
            f"order {order!r} packs blocks of {layout.block} codes, got {count} codes; "
            f"pad them with {missing} more"
        )


def _check_count(count: Any, size: int, layout: _Layout) -> None:
    if isinstance(count, bool) or not hasattr(count, "__index__") or count < 0:
        raise ValueError(f"count must be an integer from 0 on, got {count!r}")
    if size < layout.bytes_of(count):
        raise ValueError(
            f"{count} codes of {layout.bits} bits need {layout.bytes_of(count)} bytes, got {size}"
        )


def _bytes(buffer: Any) -> Array:
    if isinstance(buffer, np.ndarray):
        if buffer.dtype != np.uint8:
            raise TypeError(
                f"a packed buffer holds uint8, got {buffer.dtype}; .view(np.uint8) gives the bytes"
            )
        return buffer.reshape(-1)
    try:
        return np.frombuffer(buffer, np.uint8)
    except TypeError:
        kind = type(buffer).__name__
        raise TypeError(f"a packed buffer is bytes or an array of uint8, got {kind}") from None


def _checked(codes: Any, bits: int) -> Array:
    values = _integers(codes)
    if not values.size:
        return np.empty(0, np.uint8)
    low, high = int(values.min()), int(values.max())
    if high >= 1 << bits or low < -(1 << (bits - 1)):
        bad = high if high >= 1 << bits else low
        raise RangeError(f"a code of {bits} bits is needed, got {bad}")
    return values.reshape(-1)


def _integers(codes: Any) -> Array:
    """Integers of NumPy's or ml_dtypes' own, or of any size."""
    try:
        values = np.asarray(codes)
    except ValueError as error:
        raise ValueError(f"codes are integers in a regular grid, got a ragged list: {error}") from None
    if values.dtype.name in ("int2", "int4", "uint2", "uint4"):
        return values.astype(np.int8)
    whole = values.dtype.kind in "iu" or all(type(code) is int for code in values.flat)
    if values.size and not whole:
        raise TypeError(f"codes are integers, got an array of dtype {values.dtype}")
    return values
