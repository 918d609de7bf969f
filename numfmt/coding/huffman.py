"""Canonical Huffman codes: the lengths of the codewords say all.

Codewords are ordered by length, those of one length by symbol, and count up (RFC 1951, 3.2.2). So the table is
one length for each symbol, and lengths, bits and sizes can be had again anywhere.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from .streams import Array, Coded, Codes, Field, Reader, coded, codes_of

# The sum of counts behind a codeword of L bits is at least the Fibonacci number F(L + 2): L is at most 57 below
# 9.5e11 elements. Of the 64 bits from a byte on, 57 are left after a shift by up to 7.
LONGEST = 57
TABLE_BITS = 6  # of a length in the table; 0: the symbol does not occur
_CHUNK = 1 << 16  # bytes


class Codewords(NamedTuple):
    """The codewords of a table in their order.

    symbols : int64, (k,); their lengths : int64, (k,)
    starts : int64, (k,), rising: each codeword, filled up to 57 bits with zeros
    """

    symbols: Array
    lengths: Array
    starts: Array


def huffman_lengths(counts: Any) -> Array:
    """The lengths of the codewords of an optimal prefix code.

    Parameters
    ----------
    counts : array_like of integers from 0 on, shape (k,)
        How often each symbol occurs.

    Returns
    -------
    ndarray of int64, shape (k,)
        Bits; 0 for a symbol that does not occur, 1 where only one does (RFC 1951, 3.2.7). Of equal counts lower
        symbols are joined first, and symbols before what was joined already, so that the longest is short.

    Raises
    ------
    TypeError, ValueError : counts that are no integers, negative, or not in one dimension

    >>> huffman_lengths([5, 0, 1, 1, 2])
    array([1, 0, 3, 3, 2])
    """
    given = np.asarray(counts)
    if given.ndim != 1:
        raise ValueError(f"counts has one dimension, a count for each symbol; got shape {given.shape}")
    if given.size and given.dtype.kind not in "iu":
        raise TypeError(f"counts are integers, got an array of dtype {given.dtype}")
    if given.size and given.min() < 0:
        raise ValueError(f"counts are 0 or more, got {given.min()} for symbol {given.argmin()}")
    lengths, used = np.zeros(given.size, np.int64), np.flatnonzero(given)
    lengths[used] = _depths([int(count) for count in given[used]])
    return lengths


def _depths(counts: list[int]) -> list[int]:
    """How deep the leaves of Huffman's tree lie (Huffman 1952)."""
    if len(counts) < 2:
        return [1] * len(counts)
    heap = [(count, leaf) for leaf, count in enumerate(counts)]
    heapify(heap)
    above = [0] * (2 * len(counts) - 1)
    for node in range(len(counts), len(above)):
        (first, a), (second, b) = heappop(heap), heappop(heap)
        above[a] = above[b] = node
        heappush(heap, (first + second, node))
    depths = [0] * len(above)
    for node in reversed(range(len(above) - 1)):
        depths[node] = depths[above[node]] + 1
    return depths[: len(counts)]


def codewords(lengths: Array) -> Codewords:
    """The codewords of a table; `ValueError` for lengths that no prefix code has.

    >>> codewords(np.array([1, 0, 2, 2])).symbols
    array([0, 2, 3])
    """
    used = np.flatnonzero(lengths)
    symbols = used[np.argsort(lengths[used], kind="stable")]
    widths = lengths[symbols]
    spans = np.int64(1) << np.maximum(LONGEST - widths, 0)
    if np.any(widths > LONGEST) or sum(spans.tolist()) > 1 << LONGEST:  # Kraft's inequality
        raise ValueError("the table of the stream is damaged: no prefix code has codewords of these lengths")
    return Codewords(symbols, widths, np.cumsum(spans) - spans)


def huffman_fields(symbols: Array, bits: int, kind: str = "codes") -> list[Field]:
    """The table and the codeword of each symbol.

    >>> [field.bits for field in huffman_fields(np.array([2, 2, 1], np.uint16), 2)]
    [24, 3]
    """
    lengths = huffman_lengths(np.bincount(symbols, minlength=1 << bits))
    found = codewords(lengths)
    words = np.zeros(lengths.size, np.int64)
    words[found.symbols] = found.starts >> (LONGEST - found.lengths)
    return [Field("table", lengths, TABLE_BITS), Field(kind, words[symbols], lengths[symbols])]


def huffman_symbols(reader: Reader, count: int, bits: int) -> Array:
    """The inverse of `huffman_fields`: the next `count` symbols of a stream, uint16.

    >>> huffman_symbols(Reader(huffman_encode([2, 2, 1]), "huffman"), 3, 2)
    array([2, 2, 1], dtype=uint16)
    """
    table = codewords(reader.words(1 << bits, TABLE_BITS))
    if count and not table.symbols.size:
        raise ValueError(f"the table of the stream is damaged: it has no codewords, for {count} codes")
    symbols, done = np.empty(count, np.uint16), 0
    while done < count:
        reader.check(more=1)
        byte, place = divmod(reader.at, 8)
        ranks = np.searchsorted(table.starts, _windows(reader.data[byte : byte + _CHUNK + 8]), "right") - 1
        places, place = _words_from(table.lengths[ranks].tolist(), place, count - done)
        symbols[done : done + len(places)] = table.symbols[ranks[places]]
        done, reader.at = done + len(places), 8 * byte + place
    reader.check()
    return symbols


def _windows(data: Array) -> Array:
    """The 57 bits from each bit on: int64."""
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    count = min(data.size, _CHUNK)
    words = np.zeros(count, np.uint64)
    for byte in range(8):
        words = (words << np.uint64(8)) | padded[byte : byte + count]
    windows = words[:, None] << np.arange(8, dtype=np.uint64)
    return (windows >> np.uint64(64 - LONGEST)).astype(np.int64).reshape(-1)


def _words_from(steps: list[int], place: int, most: int) -> tuple[list[int], int]:
    """Where words begin, from a place on, and where the next one does; `steps` has a length for every place."""
    places: list[int] = []
    while place < len(steps) and len(places) < most:
        places.append(place)
        place += steps[place]
    return places, place


def huffman_encode(codes: Any, bits: int | None = None) -> Coded:
    """Codes in the Huffman code that is made for them.

    Parameters
    ----------
    codes : array_like of integers, BlockArray or LearnedArray
        Any shape, taken in C order.
    bits : int, optional, 1 to 16
        Of a code; as many as the largest needs, if not given.

    Returns
    -------
    Coded
        Its stream has the table, 2**bits lengths of 6 bits each, then the codewords.

    Raises
    ------
    RangeError : codes that are negative, or 2**bits and more
    TypeError : codes that are no integers
    ValueError : bits out of range

    >>> a = huffman_encode([3, 0, 0, 1, 0])
    >>> a.length, huffman_decode(a)
    (31, array([3, 0, 0, 1, 0], dtype=uint16))
    """
    given = codes_of(codes, bits)
    return coded("huffman", huffman_fields(given.flat, given.bits), given)


def huffman_decode(stream: Coded) -> Array:
    """The codes of a stream of `huffman_encode`: uint16, of their shape.

    Raises
    ------
    TypeError : what is no `Coded`
    ValueError : a stream of another coder, one that ends too early, or a damaged table

    >>> huffman_decode(huffman_encode([[7, 7]])).tolist()
    [[7, 7]]
    """
    return huffman_symbols(Reader(stream, "huffman"), stream.size, stream.bits).reshape(stream.shape)


def entropy(codes: Codes) -> float:
    """Bits of all codes by their empirical entropy of order zero: no code of single symbols takes fewer.

    >>> entropy(codes_of([0, 1, 2, 0]))
    6.0
    """
    counts = np.bincount(codes.flat)
    counts = counts[counts > 0]
    return float((counts * np.log2(codes.flat.size / counts)).sum())
