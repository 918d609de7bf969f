"""Codes of a few bits to dense bytes and back."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .errors import RangeError, choose

Array = np.ndarray[Any, Any]
ORDERS = ("little", "big")  # the first code lies in the low, or in the high bits of a byte
_CHUNK = 1 << 16  # codes; a multiple of 8, so that every chunk ends on a byte


def pack(codes: Any, bits: int, order: str = "little") -> Array:
    """Codes as a dense stream of `bits` bits each.

    Parameters
    ----------
    codes : array_like of integers, any shape (C order)
        Each fits `bits` bits, unsigned or as two's complement.
    bits : int, 1 to 64
    order : "little" or "big"
        Whether the first code lies in the low or in the high bits of the first byte.

    Returns
    -------
    ndarray of uint8, shape (ceil(n * bits / 8),)
        Zeros fill the last byte.

    Examples
    --------
    >>> pack([1, 2, 3], 4).tobytes().hex()
    '2103'
    >>> pack([1, 2, 3], 4, "big").tobytes().hex()
    '1230'
    """
    choose("bit order", order, ORDERS)
    values = _checked(codes, _width(bits))
    out = np.empty(-(-values.size * bits // 8), np.uint8)
    for start in range(0, values.size, _CHUNK):
        part = values[start : start + _CHUNK].astype(np.uint64)
        packed = np.packbits(_bits_of(part, bits, order), bitorder=_named(order))
        first = start * bits // 8
        out[first : first + packed.size] = packed
    return out


def unpack(buffer: Any, bits: int, count: int, order: str = "little", signed: bool = False) -> Array:
    """The first `count` codes of a dense stream.

    Parameters
    ----------
    buffer : bytes-like or ndarray of uint8
    bits : int, 1 to 64
    count : int
        How many codes to read.
    order : "little" or "big"
    signed : bool
        Read two's complement.

    Returns
    -------
    ndarray of the smallest uintN (intN if signed) of at least `bits` bits, shape (count,)

    Examples
    --------
    >>> unpack(bytes.fromhex("2103"), 4, 3)
    array([1, 2, 3], dtype=uint8)
    """
    width, order = _width(bits), choose("bit order", order, ORDERS)
    stream = _bytes(buffer)
    if isinstance(count, bool) or not hasattr(count, "__index__") or count < 0:
        raise ValueError(f"count must be an integer from 0 on, got {count!r}")
    if stream.size * 8 < count * width:
        raise ValueError(
            f"{count} codes of {bits} bits need {-(-count * bits // 8)} bytes, got {stream.size}"
        )
    size = max(8, 1 << (width - 1).bit_length())
    out = np.empty(count, f"u{size // 8}")
    for start in range(0, count, _CHUNK):
        n = min(_CHUNK, count - start)
        part = stream[start * width // 8 : -(-(start + n) * width // 8)]
        raw = np.unpackbits(part, count=n * width, bitorder=_named(order)).reshape(n, width)
        out[start : start + n] = _codes_of(raw, order)
    return _sign_extended(out, width) if signed else out


def _named(order: str) -> Literal["little", "big"]:
    return "big" if order == "big" else "little"


def _bits_of(codes: Array, bits: int, order: str) -> Array:
    """One row of bits a code, in the order they enter the stream."""
    shifts = np.arange(bits, dtype=np.uint64)
    shifts = shifts if order == "little" else shifts[::-1]
    return (codes[:, None] >> shifts & np.uint64(1)).astype(np.uint8)


def _codes_of(rows: Array, order: str) -> Array:
    codes = np.zeros(rows.shape[0], np.uint64)
    columns = range(rows.shape[1])
    for i in columns if order == "big" else reversed(columns):
        codes = codes << np.uint64(1) | rows[:, i]
    return codes


def _sign_extended(codes: Array, bits: int) -> Array:
    up = codes.dtype.itemsize * 8 - bits
    return (codes << codes.dtype.type(up)).view(f"i{codes.dtype.itemsize}") >> up


def _width(bits: Any) -> int:
    if isinstance(bits, bool) or not hasattr(bits, "__index__") or not 1 <= bits <= 64:
        raise ValueError(f"bits must be an integer from 1 to 64, got {bits!r}")
    return int(bits)


def _bytes(buffer: Any) -> Array:
    if isinstance(buffer, np.ndarray):
        if buffer.dtype != np.uint8:
            raise TypeError(f"a packed buffer holds uint8, got {buffer.dtype}")
        return buffer.reshape(-1)
    return np.frombuffer(buffer, np.uint8)


def _checked(codes: Any, bits: int) -> Array:
    values = np.asarray(codes)
    if not values.size:
        return np.empty(0, np.uint8)
    if values.dtype.kind not in "iu":
        raise TypeError(f"codes are integers, got an array of dtype {values.dtype}")
    low, high = int(values.min()), int(values.max())
    if high >= 1 << bits or low < -(1 << (bits - 1)):
        bad = high if high >= 1 << bits else low
        raise RangeError(f"a code of {bits} bits is needed, got {bad}")
    return values.reshape(-1)
