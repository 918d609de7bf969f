"""Runs: equal codes in a row, or only those that stand for zero; lengths in fields of a few bits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .streams import Array, Coded, Codes, Field, Reader, coded, codes_of, gap_width, zero_code


class Entries(NamedTuple):
    """Codes that are stored, and how many of the code left out lie before each: int64, (entries,)."""

    gaps: Array
    values: Array


def entries(places: Array, gaps: Array, codes: Codes, gap_bits: int, zero: int) -> tuple[Entries, Array]:
    """The entries of codes at some places, and how many each place takes.

    A gap beyond 2**gap_bits - 1 gets entries of its own, whose value is the code left out: each spans
    2**gap_bits places (Han et al., ICLR 2016, section 2).

    >>> places = np.array([1, 20])
    >>> entries(places, np.array([1, 18]), codes_of([0, 7, *[0] * 18, 5]), 3, 0)
    (Entries(gaps=array([1, 7, 7, 2]), values=array([7, 0, 0, 5])), array([1, 3]))
    """
    counts = (gaps >> gap_bits) + 1
    found = Entries(
        np.full(int(counts.sum()), (1 << gap_bits) - 1, np.int64), np.full(int(counts.sum()), zero, np.int64)
    )
    last = np.cumsum(counts) - 1
    found.gaps[last] = gaps & ((1 << gap_bits) - 1)
    found.values[last] = codes.flat[places]
    return found, counts


def run_length_fields(codes: Codes, gap_bits: int) -> list[Field]:
    """Each run as its length less 1, and its code; a longer run is several.

    >>> [field.words.tolist() for field in run_length_fields(codes_of([4, 4, 4, 4, 4, 1]), 2)]
    [[3, 0, 0], [4, 4, 1]]
    """
    x = codes.flat
    starts = np.flatnonzero(np.concatenate([np.ones(min(x.size, 1), bool), x[1:] != x[:-1]]))
    beyond = np.diff(starts, append=x.size) - 1
    counts = (beyond >> gap_bits) + 1
    lengths = np.full(int(counts.sum()), (1 << gap_bits) - 1, np.int64)
    lengths[np.cumsum(counts) - 1] = beyond & ((1 << gap_bits) - 1)
    return [
        Field("index", lengths, gap_bits),
        Field("codes", np.repeat(x[starts], counts).astype(np.int64), codes.bits),
    ]


def zero_run_fields(codes: Codes, gap_bits: int, zero: int) -> list[Field]:
    """The gap before each code that is not left out, and that code; behind the last there is nothing.

    >>> [field.words.tolist() for field in zero_run_fields(codes_of([0, 0, 5, 1, 0]), 3, 0)]
    [[2, 0], [5, 1]]
    """
    places = np.flatnonzero(codes.flat != zero)
    found, _ = entries(places, np.diff(places, prepend=-1) - 1, codes, gap_bits, zero)
    return [Field("index", found.gaps, gap_bits), Field("codes", found.values, codes.bits)]


def run_length_encode(codes: Any, gap_bits: int = 5, bits: int | None = None) -> Coded:
    """Codes as runs of equal ones.

    Parameters
    ----------
    codes : array_like of integers, BlockArray or LearnedArray
        Any shape, taken in C order.
    gap_bits : int, 1 to 16
        Of the length of a run: it has 1 to 2**gap_bits codes.
    bits : int, optional, 1 to 16
        Of a code; as many as the largest needs, if not given.

    Returns
    -------
    Coded
        Its stream has the lengths of all runs, less 1, then their codes; how many is seen from its length.

    Raises
    ------
    RangeError : codes that are negative, or 2**bits and more
    TypeError : codes that are no integers
    ValueError : gap_bits or bits out of range

    >>> a = run_length_encode([2, 2, 2, 2, 3], gap_bits=2)
    >>> a.length, run_length_decode(a)
    (8, array([2, 2, 2, 2, 3], dtype=uint16))
    """
    given, width = codes_of(codes, bits), gap_width(gap_bits)
    return coded("run_length", run_length_fields(given, width), given, width)


def run_length_decode(stream: Coded) -> Array:
    """The codes of a stream of `run_length_encode`: uint16, of their shape.

    Raises
    ------
    TypeError : what is no `Coded`
    ValueError : a stream of another coder; runs that are not as many codes as the shape has

    >>> run_length_decode(run_length_encode([[6], [6]])).tolist()
    [[6], [6]]
    """
    lengths, codes = _pairs(Reader(stream, "run_length"), stream)
    found = np.repeat(codes.astype(np.uint16), lengths + 1)
    if found.size != stream.size:
        raise ValueError(f"the stream is damaged: its runs have {found.size} codes, not {stream.size}")
    return found.reshape(stream.shape)


def zero_run_encode(codes: Any, gap_bits: int = 5, bits: int | None = None, zero: int | None = None) -> Coded:
    """Codes other than one, each with the number of that one before it: runs of zeros are left out.

    Parameters
    ----------
    codes, bits : as in `run_length_encode`
    gap_bits : int, 1 to 16
        Of a gap, 0 to 2**gap_bits - 1; a longer one takes entries of `zero` itself.
    zero : int, optional
        The code that is left out; the most frequent one, of several the lowest, if not given.

    Returns
    -------
    Coded
        Its stream has all gaps, then all codes that are stored; how many is seen from its length.

    >>> a = zero_run_encode([0, 0, 5, 0, 0, 0, 0, 0], gap_bits=3)
    >>> a.length, zero_run_decode(a)
    (6, array([0, 0, 5, 0, 0, 0, 0, 0], dtype=uint16))
    """
    given, width = codes_of(codes, bits), gap_width(gap_bits)
    left_out = zero_code(zero, given)
    return coded("zero_run", zero_run_fields(given, width, left_out), given, width, left_out)


def zero_run_decode(stream: Coded) -> Array:
    """The codes of a stream of `zero_run_encode`: uint16, of their shape.

    Raises
    ------
    TypeError : what is no `Coded`
    ValueError : a stream of another coder; gaps that reach beyond the shape

    >>> zero_run_decode(zero_run_encode([[1, 1], [1, 9]])).tolist()
    [[1, 1], [1, 9]]
    """
    gaps, values = _pairs(Reader(stream, "zero_run"), stream)
    return filled(np.cumsum(gaps + 1) - 1, values, stream)


def filled(places: Array, values: Array, stream: Coded) -> Array:
    """Values at their places, the code that was left out elsewhere.

    >>> filled(np.array([1]), np.array([7]), Coded("csr", np.empty(0, np.uint8), 0, (3,), 3, 1, 2)).tolist()
    [2, 7, 2]
    """
    if places.size and places.max() >= stream.size:
        raise ValueError(f"the stream is damaged: a code lies at {places.max()} of {stream.size}")
    found = np.full(stream.size, stream.zero, np.uint16)
    found[places] = values
    return found.reshape(stream.shape)


def _pairs(reader: Reader, stream: Coded) -> tuple[Array, Array]:
    """All lengths and all codes of a stream that has nothing else."""
    count = stream.length // (stream.gap_bits + stream.bits)
    return reader.words(count, stream.gap_bits), reader.words(count, stream.bits)
