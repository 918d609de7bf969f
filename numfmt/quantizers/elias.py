"""Elias' codes of positive integers: gamma and omega. QSGD's wire uses omega, the recursive one.

P. Elias, "Universal codeword sets and representations of the integers", IEEE Transactions on Information
Theory 21(2), 1975. Words are strings of "0" and "1".
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _positive(numbers: Any) -> Array:
    n = np.asarray(numbers)
    if n.dtype.kind not in "iu" or (n < 1).any() or (n >= 1 << 53).any():
        raise ValueError("Elias' codes are of integers from 1 to 2**53 - 1")
    return n.astype(np.int64)


def _floor_log2(n: Array) -> Array:
    return np.asarray(np.frexp(n.astype(np.float64))[1].astype(np.int64) - 1)


def gamma_lengths(numbers: Any) -> Array:
    """Bits of each gamma code, 2 floor(log2 n) + 1; int64, shape of the numbers.

    >>> gamma_lengths([1, 2, 4, 255]).tolist()
    [1, 3, 5, 15]
    """
    return 2 * _floor_log2(_positive(numbers)) + 1


def omega_lengths(numbers: Any) -> Array:
    """Bits of each omega code; int64, shape of the numbers.

    1 for the end, and as many as n has, then floor(log2 n), then its, until 1 is left.

    >>> omega_lengths([1, 2, 4, 16, 100]).tolist()
    [1, 3, 6, 11, 13]
    """
    left = _positive(numbers)
    total = np.ones(left.shape, np.int64)
    while (left > 1).any():
        digits = _floor_log2(left)
        total += np.where(left > 1, digits + 1, 0)
        left = np.where(left > 1, digits, 1)
    return total


@cache
def gamma_word(n: int) -> str:
    """floor(log2 n) zeros, then n in binary.

    >>> gamma_word(1), gamma_word(5)
    ('1', '00101')
    """
    _positive(n)
    return "0" * (n.bit_length() - 1) + f"{n:b}"


@cache
def omega_word(n: int) -> str:
    """n in binary, before it the number of its digits less one, before that the same, up to 1; "0" ends.

    >>> omega_word(1), omega_word(4), omega_word(16)
    ('0', '101000', '10100100000')
    """
    _positive(n)
    word = "0"
    while n > 1:
        word = f"{n:b}{word}"
        n = n.bit_length() - 1
    return word


def read_gamma(bits: str, at: int = 0) -> tuple[int, int]:
    """The number whose gamma code begins at a place, and the place after it.

    >>> read_gamma("00101", 0)
    (5, 5)
    """
    first = bits.index("1", at)
    end = 2 * first - at + 1
    return int(_slice(bits, first, end), 2), end


def read_omega(bits: str, at: int = 0) -> tuple[int, int]:
    """The number whose omega code begins at a place, and the place after it.

    >>> read_omega("1010000", 0)
    (4, 6)
    """
    n = 1
    while _slice(bits, at, at + 1) == "1":
        n, at = int(_slice(bits, at, at + n + 1), 2), at + n + 1
    return n, at + 1


def _slice(bits: str, start: int, end: int) -> str:
    if end > len(bits):
        raise ValueError(f"the bits end within a code: {len(bits)} bits, and the code needs {end}")
    return bits[start:end]
