"""Rows of few codes that are not zero: where each row begins, gaps within it, and the codes (CSR)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .huffman import huffman_fields, huffman_symbols
from .runs import Entries, entries, filled
from .streams import Array, Coded, Codes, Field, Reader, Shape, coded, codes_of, gap_width, zero_code


def csr_fields(codes: Codes, gap_bits: int, zero: int) -> list[Field]:
    """Where each row's entries begin and the last end, gaps, codes.

    >>> [field.words.tolist() for field in csr_fields(codes_of([[0, 5, 0], [0, 0, 0], [0, 0, 6]]), 2, 0)]
    [[0, 1, 1, 2], [1, 2], [5, 6]]
    """
    pointers, found = _parts(codes, gap_bits, zero)
    return [pointers, Field("index", found.gaps, gap_bits), Field("codes", found.values, codes.bits)]


def csr_huffman_fields(codes: Codes, gap_bits: int, zero: int) -> list[Field]:
    """The same with gaps and codes each in a Huffman code of its own.

    >>> [field.bits for field in csr_huffman_fields(codes_of([[0, 5, 0], [0, 0, 6]]), 2, 0)]
    [9, 24, 2, 48, 2]
    """
    pointers, found = _parts(codes, gap_bits, zero)
    return [
        pointers,
        *huffman_fields(found.gaps, gap_bits, "index"),
        *huffman_fields(found.values, codes.bits),
    ]


def _parts(codes: Codes, gap_bits: int, zero: int) -> tuple[Field, Entries]:
    rows, columns = _matrix(codes.shape)
    places = np.flatnonzero(codes.flat != zero)
    row = places // max(columns, 1)
    before = np.maximum(np.concatenate([[-1], places[:-1]])[: places.size], row * columns - 1)
    found, counts = entries(places, places - before - 1, codes, gap_bits, zero)
    ends = np.cumsum(np.bincount(row, counts, rows).astype(np.int64))
    return Field("index", np.concatenate([[0], ends]), _pointer_bits(codes.shape)), found


def _matrix(shape: Shape) -> tuple[int, int]:
    """Rows along the first axis, and all that one holds; fewer than two axes are one row."""
    rows = shape[0] if len(shape) > 1 else 1
    return rows, int(np.prod(shape, dtype=np.int64)) // max(rows, 1)


def _pointer_bits(shape: Shape) -> int:
    """A row begins at an entry, 0 to the number of elements."""
    return int(np.prod(shape, dtype=np.int64)).bit_length()


def csr_encode(codes: Any, gap_bits: int = 5, bits: int | None = None, zero: int | None = None) -> Coded:
    """Compressed sparse rows with relative columns of a few bits (Han et al., ICLR 2016, section 2).

    Rows run along the first axis; what has fewer than two axes is one row.

    Parameters
    ----------
    codes : array_like of integers, BlockArray or LearnedArray
    gap_bits : int, 1 to 16
        Of a gap, the number of zeros before a code in its row, 0 to 2**gap_bits - 1; a longer one takes entries of
        `zero` itself. The paper has 8 for convolutions and 5 for layers that are fully connected.
    bits : int, optional, 1 to 16
        Of a code; as many as the largest needs, if not given.
    zero : int, optional
        The code that is left out; the most frequent one, of several the lowest, if not given.

    Returns
    -------
    Coded
        Its stream has rows + 1 pointers, each as wide as the number of elements asks for, then gaps, then codes.

    Raises
    ------
    RangeError : codes that are negative, or 2**bits and more
    TypeError : codes that are no integers
    ValueError : gap_bits, bits or zero out of range

    >>> a = csr_encode([[0, 5, 0], [0, 0, 0], [0, 0, 6]], gap_bits=2)
    >>> a.length == 4 * 4 + 2 * 2 + 2 * 3, csr_decode(a).tolist()
    (True, [[0, 5, 0], [0, 0, 0], [0, 0, 6]])
    """
    return _encoded("csr", csr_fields, codes, gap_bits, bits, zero)


def csr_huffman_encode(
    codes: Any, gap_bits: int = 5, bits: int | None = None, zero: int | None = None
) -> Coded:
    """`csr_encode` with gaps and codes each in a Huffman code: the whole of Deep Compression.

    Parameters are those of `csr_encode`. The stream has the pointers, then the table and the codewords of the
    gaps, then those of the codes; tables as in `huffman_encode`.

    >>> csr_huffman_decode(csr_huffman_encode([[0, 5, 0], [0, 0, 6]])).tolist()
    [[0, 5, 0], [0, 0, 6]]
    """
    return _encoded("csr_huffman", csr_huffman_fields, codes, gap_bits, bits, zero)


def _encoded(
    coder: str, fields: Callable[[Codes, int, int], list[Field]],
    codes: Any, gap_bits: int, bits: int | None, zero: int | None,
) -> Coded:  # fmt: skip
    given, width = codes_of(codes, bits), gap_width(gap_bits)
    left_out = zero_code(zero, given)
    return coded(coder, fields(given, width, left_out), given, width, left_out)


def csr_decode(stream: Coded) -> Array:
    """The codes of a stream of `csr_encode`: uint16, of their shape.

    Raises
    ------
    TypeError : what is no `Coded`
    ValueError : a stream of another coder, or that ends too early; pointers or gaps that leave the shape

    >>> csr_decode(csr_encode([0, 0, 3])).tolist()
    [0, 0, 3]
    """
    reader = Reader(stream, "csr")
    pointers = _pointers(reader, stream)
    gaps, values = (reader.words(int(pointers[-1]), width) for width in (stream.gap_bits, stream.bits))
    return filled(_places(pointers, gaps, stream.shape), values, stream)


def csr_huffman_decode(stream: Coded) -> Array:
    """The codes of a stream of `csr_huffman_encode`: uint16, of their shape; errors as in `csr_decode`.

    >>> csr_huffman_decode(csr_huffman_encode([0, 0, 3])).tolist()
    [0, 0, 3]
    """
    reader = Reader(stream, "csr_huffman")
    pointers = _pointers(reader, stream)
    gaps, values = (
        huffman_symbols(reader, int(pointers[-1]), width) for width in (stream.gap_bits, stream.bits)
    )
    return filled(_places(pointers, gaps.astype(np.int64), stream.shape), values, stream)


def _pointers(reader: Reader, stream: Coded) -> Array:
    rows, _ = _matrix(stream.shape)
    pointers = reader.words(rows + 1, _pointer_bits(stream.shape))
    if np.any(np.diff(pointers) < 0) or pointers[0] or pointers[-1] > stream.size:
        raise ValueError("the stream is damaged: its rows do not begin one after the other")
    return pointers


def _places(pointers: Array, gaps: Array, shape: Shape) -> Array:
    """Where each entry lies among all elements."""
    rows, columns = _matrix(shape)
    ends = np.concatenate([[0], np.cumsum(gaps + 1)])
    row = np.repeat(np.arange(rows), np.diff(pointers))
    return ends[1:] - ends[pointers[row]] + row * columns - 1
