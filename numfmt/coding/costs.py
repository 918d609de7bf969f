"""`storage_cost`: the bits of codes in each way to store them, as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..blocks import BlockArray
from ..learned import LearnedArray
from ..table import Column, Table, counted, decimal
from .huffman import entropy, huffman_fields
from .runs import run_length_fields, zero_run_fields
from .sparse import csr_fields, csr_huffman_fields
from .streams import Codes, Field, codes_of, gap_width, zero_code

FLOAT_BITS = 32  # what ratios are against


class Asked(NamedTuple):
    """Codes and how their gaps are written."""

    codes: Codes
    gap_bits: int
    zero: int


# Each way and what its coder writes; "packed" is what `numfmt.pack` writes.
WAYS: dict[str, Callable[[Asked], list[Field]]] = {
    "packed": lambda a: [Field("codes", a.codes.flat, a.codes.bits)],
    "runs": lambda a: run_length_fields(a.codes, a.gap_bits),
    "runs of zero": lambda a: zero_run_fields(*a),
    "CSR": lambda a: csr_fields(*a),
    "CSR, Huffman": lambda a: csr_huffman_fields(*a),
    "Huffman": lambda a: huffman_fields(a.codes.flat, a.codes.bits),
}


@dataclass(frozen=True)
class Cost:
    """What codes take in one way. All sizes are in bits.

    Attributes
    ----------
    way : its name
    count : elements
    codes : the codes, or the codewords of them
    index : lengths of runs, gaps, where rows begin
    table : lengths of codewords
    shared : what a decoder needs beside the codes: codebook, scales, zero points
    bits : all of it
    bits_per_element : bits / count
    ratio : 32 * count / bits, how much smaller than float32
    """

    way: str
    count: int
    codes: float
    index: int
    table: int
    shared: int
    bits: float
    bits_per_element: float
    ratio: float


COLUMNS = (
    Column("", "way", "way", str),
    Column("", "codes", "codes", lambda bits: f"{bits:.0f}"),
    Column("", "index", "index", str),
    Column("", "table", "table", str),
    Column("", "shared", "shared", str),
    Column("all", "bits", "bits", lambda bits: f"{bits:.0f}"),
    Column("bits an", "element", "bits_per_element", lambda bits: f"{bits:.3f}"),
    Column("times", "smaller", "ratio", decimal),
)


@dataclass(frozen=True, repr=False)
class StorageCost(Table[Cost]):
    """The rows of `storage_cost`."""

    kind = Cost
    by = "way"
    nothing = "no ways"

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def group(self, row: Cost) -> int:
        return row.count

    def title(self, row: Cost) -> str:
        return counted("", row.count)

    def way(self, name: str) -> Cost:
        """The row of that way; `KeyError` that names them all for another.

        >>> storage_cost([0, 3, 1, 2]).way("packed").bits
        8
        """
        for row in self.rows:
            if row.way == name:
                return row
        raise KeyError(f"no way {name!r}; there are {', '.join(row.way for row in self.rows)}")


def storage_cost(
    codes: Any, *, bits: int | None = None, codebook_bits: int = 0, zero: int | None = None, gap_bits: int = 5
) -> StorageCost:
    """The bits of codes in each way to store them.

    Parameters
    ----------
    codes : array_like of integers from 0 on, any shape, BlockArray or LearnedArray
        What `encode` gives has its scales, zero points or learned numbers counted as `shared`; codes of less than
        0 have 2**bits added.
    bits : int, optional, 1 to 16
        Of a code; as many as the largest needs, if not given.
    codebook_bits : int
        Of what a decoder needs beside the codes, such as 32 for each float32 of a codebook; counted in every way
        but float32.
    zero : int, optional
        The code that is left out of sparse forms; the most frequent one, of several the lowest, if not given.
    gap_bits : int, 1 to 16
        Of a run or a gap.

    Returns
    -------
    StorageCost
        A sequence of `Cost`; prints as a table, has `way`, `to_csv`, `to_json`, `to_pandas`.

        ================ ================================================================================
        float32          the values as float32
        codes in memory  the array as it is, in its own integers
        packed           `bits` for each code: `numfmt.pack`, its last byte not filled
        runs             length and code of each run of equal codes: `coding.run_length_encode`
        runs of zero     gap and code of each code but `zero`, over all elements: `coding.zero_run_encode`
        CSR              rows + 1 pointers; gap and code within rows: `coding.csr_encode`
        CSR, Huffman     the same, gaps and codes in Huffman codes: `coding.csr_huffman_encode`
        Huffman          table and codewords: `coding.huffman_encode`
        entropy          the bound of codes of single symbols, without any table; a real number
        ================ ================================================================================

        Each number but the last is the length of what that coder writes. What is the same for any data is not
        counted: shape, `bits`, `gap_bits` and `zero`.

    Raises
    ------
    RangeError : codes that are negative, or 2**bits and more
    TypeError : codes that are no integers
    ValueError : another argument out of range

    >>> x = np.zeros((8, 64), int)
    >>> x[:, ::16] = [1, 2, 3, 1]
    >>> storage_cost(x, codebook_bits=4 * 32, gap_bits=4)
                                               all bits an   times
    way             codes index table shared  bits element smaller
    <BLANKLINE>
    512 elements
    float32         16384     0     0      0 16384  32.000    1.00
    codes in memory 32768     0     0    128 32896  64.250    0.50
    packed           1024     0     0    128  1152   2.250   14.22
    runs              128   256     0    128   512   1.000   32.00
    runs of zero       64   128     0    128   320   0.625   51.20
    CSR                64   218     0    128   410   0.801   39.96
    CSR, Huffman       48   122   120    128   418   0.816   39.20
    Huffman           560     0    24    128   712   1.391   23.01
    entropy           221     0     0    128   349   0.681   46.99
    """
    given, width = codes_of(codes, bits), gap_width(gap_bits)
    asked = Asked(given, width, zero_code(zero, given))
    shared = _bits_of_codebook(codebook_bits) + _shared_bits(codes)
    rows = [_cost("float32", given, {"codes": FLOAT_BITS * given.flat.size}, 0)]
    rows += [_cost("codes in memory", given, {"codes": 8 * _held(codes)}, shared)]
    rows += [_cost(way, given, _sizes(fields(asked)), shared) for way, fields in WAYS.items()]
    rows += [_cost("entropy", given, {"codes": entropy(given)}, shared)]
    return StorageCost(tuple(rows))


def _bits_of_codebook(bits: Any) -> int:
    if isinstance(bits, bool) or not hasattr(bits, "__index__") or bits < 0:
        raise ValueError(f"codebook_bits is an integer from 0 on, got {bits!r}")
    return int(bits)


def _shared_bits(codes: Any) -> int:
    """Scales, zero points and the offset of a `BlockArray`, the numbers that a `LearnedArray` has learned."""
    if not isinstance(codes, (BlockArray, LearnedArray)):
        return 0
    return round((codes.bits_per_element - codes.format.of.bits) * codes.size)


def _held(codes: Any) -> int:
    """Bytes of an array as it is."""
    return int((codes.codes if isinstance(codes, (BlockArray, LearnedArray)) else np.asarray(codes)).nbytes)


def _sizes(fields: Sequence[Field]) -> dict[str, int]:
    return {kind: sum(f.bits for f in fields if f.kind == kind) for kind in ("codes", "index", "table")}


def _cost(way: str, codes: Codes, sizes: dict[str, Any], shared: int) -> Cost:
    count = codes.flat.size
    bits = sum(sizes.values()) + shared
    return Cost(
        way=way,
        count=count,
        codes=sizes["codes"],
        index=sizes.get("index", 0),
        table=sizes.get("table", 0),
        shared=shared,
        bits=bits,
        bits_per_element=bits / count if count else math.nan,
        ratio=FLOAT_BITS * count / bits if bits else math.nan,
    )


def sharing_ratio(n: int, k: int, b: int = 32) -> float:
    """How much smaller n weights of b bits are once they share k values: n b / (n log2 k + k b).

    Han et al., ICLR 2016, section 3, equation 1. For a k that is no power of two the formula has fewer bits than
    codes of one width take.

    Parameters
    ----------
    n, k, b : int, from 1 on

    >>> sharing_ratio(16, 4)
    3.2
    """
    for name, given in (("n", n), ("k", k), ("b", b)):
        if isinstance(given, bool) or not hasattr(given, "__index__") or given < 1:
            raise ValueError(f"{name} is an integer from 1 on, got {given!r}")
    return n * b / (n * math.log2(k) + k * b)
