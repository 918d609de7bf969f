"""The random words of stochastic rounding: Philox4x32-10, a function of (seed, index) alone.

Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Element i
uses word `(i % 64) // 16` of counter `16 * (i // 64) + i % 16`: sixteen counters at a time fill
sixty-four consecutive elements, which is what a vector unit likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # numpy.typing is slow to import
    from numpy.typing import NDArray

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
BLOCK = 64
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def key(seed: int) -> tuple[int, int]:
    """The two key words of a seed; `ValueError` outside 0 <= seed < 2**64."""
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed must be an integer, got {type(seed).__name__}")
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must satisfy 0 <= seed < 2**64, got {seed}")
    return int(seed) & 0xFFFFFFFF, int(seed) >> 32


def philox4x32(
    counter: tuple[NDArray[np.uint64], ...], key: tuple[int, int], rounds: int = ROUNDS
) -> tuple[NDArray[np.uint64], ...]:
    """Four words for each counter; all words are below 2**32 and held in uint64."""
    c0, c1, c2, c3 = counter
    m0, m1 = map(np.uint64, MULTIPLIERS)
    for step in range(rounds):
        k0, k1 = (np.uint64((k + step * w) & 0xFFFFFFFF) for k, w in zip(key, KEY_INCREMENTS, strict=True))
        p0, p1 = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
    return c0, c1, c2, c3


def words(seed: int, start: int, count: int, stream: int = 0) -> NDArray[np.uint32]:
    """Noise words `start ... start + count - 1` of a seed, as uint32.

    Parameters
    ----------
    seed : int, 0 <= seed < 2**64
    start, count : int
        Element indices in C order.
    stream : int
        An independent sequence; `cast` and `encode` use stream 0.

    >>> [f"{w:08X}" for w in words(0, 0, 2)]
    ['6627E8D5', 'F8E4CCA4']
    """
    first, last = start // BLOCK, -(-(start + count) // BLOCK)
    block = np.arange(first, last, dtype=np.uint64)
    lanes = np.arange(16, dtype=np.uint64)
    c: NDArray[np.uint64] = (block[:, None] * np.uint64(16) + lanes).ravel()
    fill = [np.full_like(c, v) for v in (stream & 0xFFFFFFFF, stream >> 32)]
    out = philox4x32((c & _LOW, c >> _HALF, *fill), key(seed))
    # (word, block, lane) -> (block, word, lane)
    flat = np.stack([w.reshape(-1, 16) for w in out], axis=1).astype(np.uint32).ravel()
    return flat[start - first * BLOCK :][:count]
