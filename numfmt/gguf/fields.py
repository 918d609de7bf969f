"""The fields of blocks: bytes, and the codes and numbers that they hold. All arrays are (blocks, ...)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Fields = dict[str, Array]


def packed(codes: Array, bits: int, run: int) -> Array:
    """Codes of 1, 2 or 4 bits in bytes. The first is in the low bits, and the next one of the same byte comes
    `run` codes later.

    >>> packed(np.uint8([[1, 2, 3, 4]]), 4, 2).tolist()  # 1 and 3, 2 and 4
    [[49, 66]]
    """
    count, n = codes.shape
    if bits == run == 1:
        return np.packbits(codes, axis=1, bitorder="little")
    parts = codes.reshape(count, n * bits // (8 * run), 8 // bits, run)
    result = parts[:, :, 0].copy()
    for k in range(1, 8 // bits):
        result |= parts[:, :, k] << (bits * k)
    return result.reshape(count, n * bits // 8)


def unpacked(field: Array, bits: int, run: int) -> Array:
    """The codes of `packed`.

    >>> unpacked(np.uint8([[49, 66]]), 4, 2).tolist()
    [[1, 2, 3, 4]]
    """
    count, n = field.shape
    if bits == run == 1:
        return np.unpackbits(field, axis=1, bitorder="little")
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    codes = (field.reshape(count, n // run, 1, run) >> shifts) & np.uint8((1 << bits) - 1)
    return codes.reshape(count, n * 8 // bits)


def half(x: Array) -> Array:
    """float32 numbers (blocks, 1) as little-endian float16, to nearest even: (blocks, 2) bytes."""
    with np.errstate(over="ignore"):
        return x.astype("<f2").view(np.uint8)


def numbers(field: Array, dtype: str = "<f2") -> Array:
    """Little-endian numbers in a field, as float32."""
    return field.view(dtype).astype(np.float32)


def joined(fields: Fields) -> Array:
    """Fields as the bytes of blocks, in their order."""
    return np.concatenate(list(fields.values()), axis=1)


def parted(blocks: Array, widths: dict[str, int]) -> Fields:
    """The fields of blocks, views of their bytes.

    >>> {name: field.tolist() for name, field in parted(np.uint8([[1, 2, 3]]), {"d": 2, "q": 1}).items()}
    {'d': [[1, 2]], 'q': [[3]]}
    """
    ends = np.cumsum(list(widths.values()))[:-1]
    return dict(zip(widths, np.split(blocks, ends, axis=1), strict=True))
