"""The words that a vector is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Field(NamedTuple):
    """One word of a vector: its name, its bits, and the format it is a code of, if it is one."""

    name: str
    bits: int
    fmt: str | None = None


def digits(bits: int) -> int:
    """Hexadecimal digits of a word."""
    return -(-bits // 4)


def word_of(bits: int) -> np.dtype[Any]:
    """The least unsigned dtype that holds a word."""
    return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if 8 * size >= bits)}")


def unsigned(codes: Array, bits: int) -> Array:
    """Codes as words: two's complement as its residue."""
    word = np.dtype(f"u{max(codes.dtype.itemsize, 1)}")
    whole = codes.view(word) if codes.dtype.kind == "i" else codes.astype(word, copy=False)
    return whole & word.type((1 << bits) - 1) if bits < 8 * word.itemsize else whole
