"""Codes on their way to a stream of bits and back: what is written one after the other, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..blocks import BlockArray
from ..errors import RangeError
from ..learned import LearnedArray

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
WIDEST = 16  # bits of a code, a run or a gap
_CHUNK = 1 << 16  # words


class Codes(NamedTuple):
    """Codes 0 ... 2**bits - 1 as they come to a coder: uint16, (n,), in C order."""

    flat: Array
    shape: Shape
    bits: int


class Field(NamedTuple):
    """Words that follow each other in a stream, the high bit of each first.

    kind : "codes", "index" (runs, gaps, where rows begin) or "table" (how codewords are read)
    words : int64, (n,)
    widths : bits of each word, (n,), or of every word
    """

    kind: str
    words: Array
    widths: Array | int

    @property
    def bits(self) -> int:
        return int(np.broadcast_to(self.widths, self.words.shape).sum(dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Coded:
    """Codes as a stream of bits, and what a decoder has to be told beside it.

    Attributes
    ----------
    coder : str
        What wrote it: "run_length", "zero_run", "csr", "csr_huffman" or "huffman"; only that one's decoder reads it.
    data : uint8, (bytes,)
        The first bit of the stream is the highest of the first byte; zero bits fill the last one.
    length : int
        Bits of the stream.
    shape : tuple of int
        Of the codes.
    bits : int
        Of a code before it is coded.
    gap_bits : int
        Of a run or a gap; 0 where there is none.
    zero : int
        The code that lies in the gaps.
    """

    coder: str
    data: Array
    length: int
    shape: Shape
    bits: int
    gap_bits: int = 0
    zero: int = 0

    @property
    def size(self) -> int:
        return prod(self.shape)


def codes_of(codes: Any, bits: int | None = None) -> Codes:
    """The codes of an array of integers or of a scaled format, checked; without `bits` as wide as the largest.

    >>> codes_of([[0, 5]])
    Codes(flat=array([0, 5], dtype=uint16), shape=(1, 2), bits=3)
    """
    if isinstance(codes, (BlockArray, LearnedArray)):
        width = codes.format.of.bits
        if bits not in (None, width):
            raise ValueError(f"codes of '{codes.format}' have {width} bits, got bits={bits}; leave it out")
        return codes_of(_residues(codes, width), width)
    given = np.asarray(codes)
    if given.size and given.dtype.kind not in "iu":
        raise TypeError(f"codes are integers from 0 on, got an array of dtype {given.dtype}")
    low, high = (int(given.min()), int(given.max())) if given.size else (0, 0)
    width = min(max(1, high.bit_length()), WIDEST) if bits is None else _width(bits, "bits")
    if low < 0 or high >> width:
        bad = (given < 0) | (given >> width != 0)
        place = tuple(map(int, np.argwhere(bad)[0]))
        raise RangeError(
            f"codes of {width} bits are 0 to {(1 << width) - 1}; {int(bad.sum())} of {given.size} are not, the first"
            f" is {given[place]} at {place}",
            int(bad.sum()), given.size, place,
        )  # fmt: skip
    return Codes(given.astype(np.uint16).reshape(-1), given.shape, width)


def _residues(array: BlockArray | LearnedArray, width: int) -> Array:
    """Codes from 0 on: those of two's complement less than 0 have 2**width added."""
    if isinstance(array, LearnedArray):
        return array.codes
    return array.format.own_codes(array.codes).astype(np.int64) & ((1 << width) - 1)


def _width(bits: Any, name: str) -> int:
    if isinstance(bits, bool) or not hasattr(bits, "__index__") or not 1 <= bits <= WIDEST:
        raise ValueError(f"{name} is an integer from 1 to {WIDEST}, got {bits!r}")
    return int(bits)


def gap_width(bits: Any) -> int:
    """The bits of a run or a gap, checked.

    >>> gap_width(5)
    5
    """
    return _width(bits, "gap_bits")


def zero_code(zero: int | None, codes: Codes) -> int:
    """The code that is left out: the most frequent one, of several the lowest, if none is given.

    >>> zero_code(None, codes_of([3, 1, 3]))
    3
    """
    if zero is None:
        return int(np.bincount(codes.flat).argmax()) if codes.flat.size else 0
    if isinstance(zero, bool) or not hasattr(zero, "__index__") or not 0 <= zero < 1 << codes.bits:
        raise ValueError(f"zero is a code, an integer from 0 to {(1 << codes.bits) - 1}, got {zero!r}")
    return int(zero)


def coded(coder: str, fields: Sequence[Field], codes: Codes, gap_bits: int = 0, zero: int = 0) -> Coded:
    """Fields as a stream.

    >>> coded("csr", [Field("codes", np.array([1, 2]), 3)], codes_of([1, 2], 3)).data
    array([40], dtype=uint8)
    """
    digits = [_digits(f.words[i : i + _CHUNK], _part(f.widths, i)) for f in fields for i in _starts(f.words)]
    stream = np.concatenate([np.empty(0, np.uint8), *digits])
    return Coded(coder, np.packbits(stream), stream.size, codes.shape, codes.bits, gap_bits, zero)


def _starts(words: Array) -> range:
    return range(0, words.size, _CHUNK)


def _part(widths: Array | int, start: int) -> Array | int:
    return widths if isinstance(widths, int) else widths[start : start + _CHUNK]


def _digits(words: Array, widths: Array | int) -> Array:
    """The bits of words, one an element."""
    ends = np.cumsum(np.broadcast_to(widths, words.shape))
    places = np.repeat(ends, widths)
    places -= np.arange(1, places.size + 1)
    return ((np.repeat(words, widths) >> places) & 1).astype(np.uint8)


class Reader:
    """A stream and the place up to which it has been read, by the decoder of one coder."""

    def __init__(self, stream: Coded, coder: str) -> None:
        if not isinstance(stream, Coded):
            raise TypeError(f"{coder}_decode takes what {coder}_encode gives, not {type(stream).__name__}")
        if stream.coder != coder:
            raise ValueError(
                f"a stream of {stream.coder}_encode is read by {stream.coder}_decode, not by {coder}_decode"
            )
        held = 8 * stream.data.size
        if not 0 <= stream.length <= held:
            raise ValueError(f"a stream of {stream.length} bits needs that many, data= has {held}")
        self.data, self.length, self.at = stream.data, stream.length, 0

    def words(self, count: int, width: int) -> Array:
        """The next words of equal width: int64, (count,)."""
        first, self.at = self.at, self.at + count * width
        self.check()
        digits = np.unpackbits(self.data[first // 8 : -(-self.at // 8)])[first % 8 :]
        words = np.zeros(count, np.int64)
        for place in range(width):
            words <<= 1
            words |= digits[place : count * width : width]
        return words

    def check(self, more: int = 0) -> None:
        """`ValueError` where more was read than there is, or so many bits more are not there."""
        if self.at + more > self.length:
            raise ValueError(
                f"the stream ends too early: {self.length} bits, and {self.at + more} are asked for"
            )
