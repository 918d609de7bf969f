"""Random words for operands: those of `numfmt.noise`, so that a seed gives the same on any machine.

Word i of stream s is word s * 2**40 + i of the seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.run import Noise
from ..noise import key

Array = np.ndarray[Any, Any]
STREAM = 1 << 40  # words
WORD = 32  # bits


class Draws:
    """Words of one seed, by stream and index."""

    def __init__(self, seed: int) -> None:
        key(seed)
        self._noise = Noise(WORD, seed=seed)

    def words(self, stream: int, start: int, stop: int) -> Array:
        return self._noise.take(stream * STREAM + start, stop - start)

    def codes(self, stream: int, start: int, stop: int, bits: int) -> Array:
        """Uniform codes; those of more than 32 bits take a second stream, the next."""
        low = self.words(stream, start, stop)
        if bits <= WORD:
            return low >> np.uint32(WORD - bits)
        high = self.words(stream + 1, start, stop).astype(np.uint64)
        return (high << np.uint64(WORD) | low) >> np.uint64(2 * WORD - bits)

    def below(self, stream: int, start: int, stop: int, bound: int) -> Array:
        """Integers from 0 to bound - 1."""
        scaled = self.words(stream, start, stop).astype(np.uint64) * np.uint64(bound)
        return (scaled >> np.uint64(WORD)).astype(np.int64)
