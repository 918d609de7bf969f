"""Searches of bitsandbytes as cut points, for whole blocks: of numbers in float32 over the block's largest.

Most are the nearest value with float32 mid-points, but a value may move, or one that stands twice in the
table have two codes, which no codebook does: numbers above it take the last of them, others the first.
"""

from __future__ import annotations

import numpy as np

from ..cuts import Cuts, cut_points
from ..reference import policy
from ..registry import element
from .codebook import Array, Codebook, first_float32, float32_at

ENTRIES = 1 << 16
# csrc/kernels.cu, dQuantizeNF4: its literals as nvcc rounds them, once. Four are an ulp off the mid-points,
# whose digits they have as float64 numbers that lie in the middle of two float32.
NF4_CUDA = (
    0xBF591CD9, 0xBF1C5270, 0xBEEB8480, 0xBEADEA76, 0xBE703CEC, 0xBE0D38BC, 0xBD3A7871, 0x3D22FAFF,
    0x3DF64863, 0x3E5067E0, 0x3E9582D4, 0x3EC753F9, 0x3F006D03, 0x3F248DAF, 0x3F5C89D9,
)  # fmt: skip


def bucketized(fmt: Codebook) -> Cuts:
    """Of the default backend, quantize_blockwise and quantize_4bit (backends/default/ops.py): as many codes
    are passed by as there are mid-points below the number."""
    values, codes = _sorted(fmt)
    return Cuts(_above(_middles(values)), codes)


def halving(fmt: Codebook) -> Cuts:
    """Of 8 bits in CUDA, dQuantize (csrc/kernels.cu): halving ends on an even place and looks at one
    mid-point, below or above it, so that a tie stays there."""
    values, codes = _sorted(fmt)
    middles = _middles(values)
    to_upper = np.arange(middles.size) % 2 == 1
    is_tie = to_upper & (values[:-1] < values[1:])
    return Cuts(np.where(is_tie, middles, _above(middles)), codes)


def tabulated(fmt: Codebook) -> Cuts:
    """Of 8 bits on the CPU from 0.50 on (csrc/cpu_ops.cpp): a table of 65536 equal steps of -1 ... 1 holds
    the nearest code of each, ties to the lower. Near zero its steps are coarser than most maps: there
    0 becomes another value, and some codes never come out.
    """
    values, codes = _sorted(fmt)
    even = np.arange(ENTRIES, dtype=np.float32) * np.float32(2)
    places = np.searchsorted(_middles(values), np.float32(-1) + even / np.float32(ENTRIES - 1), side="left")
    changes = np.flatnonzero(np.diff(places)) + 1
    return Cuts(_least_reaching(changes), codes[places[[0, *changes]]])


def distances(fmt: Codebook) -> Cuts:
    """Of 8 bits on the CPU up to 0.49 (csrc/cpu_ops.cpp): the lesser of two distances in float32."""
    nearer, (values, codes) = Codebook.of(fmt.table, midpoints="distance", ties="down"), _sorted(fmt)
    cuts, found = cut_points(nearer, policy(nearer))
    again = np.flatnonzero(values[:-1] == values[1:])
    places = np.searchsorted(cuts, values[again], side="right")
    return Cuts(
        np.insert(cuts, places, _above(values[again])), np.insert(found, places + 1, codes[again + 1])
    )


def nf4_cuda(fmt: Codebook) -> Cuts:
    """Of NF4 in CUDA, dQuantizeNF4: a number on a boundary takes the lower value."""
    _, codes = _sorted(fmt)
    return Cuts(_above(np.array(NF4_CUDA, np.uint32).view(np.float32)), codes)


def fp4_cuda(fmt: Codebook) -> Cuts:
    """Of FP4 in CUDA, dQuantizeFP4, whatever the values: the sign bit is that of x, of -0 none."""
    nearer = element("fp4_bnb[midpoints=cuda,ties=zero]")
    plain = cut_points(nearer, policy(nearer))
    place = int(np.searchsorted(plain.cuts, 0.0, side="right"))
    codes = np.concatenate((plain.codes[:place], np.array([8, 0]), plain.codes[place + 1 :]))
    return Cuts(np.insert(plain.cuts, place, 0.0), codes)


def _sorted(fmt: Codebook) -> tuple[Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The values in rising order, float32, and their codes; of equal ones the lowest first."""
    values = np.array(fmt.table, np.float32)
    codes = np.argsort(values, kind="stable")
    return values[codes], codes


def _middles(values: Array) -> Array:
    """A sum of float32 and its half, each rounded."""
    return (values[:-1] + values[1:]) / np.float32(2)


def _above(middles: Array) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The least float64 above each: so the mid-point itself, a float32, is below."""
    return np.nextafter(middles.astype(np.float64), np.inf)


def _entry(s: Array) -> Array:
    """Where in the table a float32 number is: `fmaf((s + 1) * 0.5f, 65535, 0.5f)`, exact in float64
    before it is rounded, without its fraction."""
    half = ((s + np.float32(1)) * np.float32(0.5)).astype(np.float64)
    return np.floor((half * (ENTRIES - 1) + 0.5).astype(np.float32))


def _least_reaching(entries: Array) -> Array:
    """The least float32 from -1 to 1 for each entry."""
    low, high = (np.full(entries.shape, end, np.float32) for end in (-1, 1))
    return float32_at(first_float32(low, high, lambda s: _entry(s) >= entries)).astype(np.float64)
