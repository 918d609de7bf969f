"""Searches of bitsandbytes that no codebook rounds as: a value may move, or zero has two codes. They are
cut points for the recipes of whole blocks, of numbers in float32 that are divided by their scale.
"""

from __future__ import annotations

import numpy as np

from ..cuts import Cuts, cut_points
from ..reference import policy
from ..registry import element
from .codebook import Array, Codebook, first_float32, float32_at, float32_midpoints

ENTRIES = 1 << 16
LEAST = 5e-324  # the least positive float64: x >= LEAST is x > 0


def cpu_table(fmt: Codebook) -> Cuts:
    """Of 8 bits on the CPU from 0.50 on (csrc/cpu_ops.cpp): a table of 65536 equal steps of -1 ... 1 holds
    the nearest code of each, ties to the lower. Near zero its steps are coarser than most maps: there
    0 becomes another value, and some codes never come out.
    """
    middles = np.array([float(m) for m in float32_midpoints(sorted(set(fmt.table)))], np.float32)
    even = np.arange(ENTRIES, dtype=np.float32) * np.float32(2)
    ranks = np.searchsorted(middles, np.float32(-1) + even / np.float32(ENTRIES - 1), side="left")
    changes = np.flatnonzero(np.diff(ranks)) + 1
    codes = [fmt.code_at(int(rank)) for rank in ranks[[0, *changes]]]
    return Cuts(_least_reaching(changes), np.array(codes, np.int64))


def _entry(s: Array) -> Array:
    """Where in the table a float32 number is: `fmaf((s + 1) * 0.5f, 65535, 0.5f)`, exact in float64
    before it is rounded, without its fraction."""
    half = ((s + np.float32(1)) * np.float32(0.5)).astype(np.float64)
    return np.floor((half * (ENTRIES - 1) + 0.5).astype(np.float32))


def _least_reaching(entries: Array) -> Array:
    """The least float32 from -1 to 1 for each entry."""
    low, high = (np.full(entries.shape, end, np.float32) for end in (-1, 1))
    return float32_at(first_float32(low, high, lambda s: _entry(s) >= entries)).astype(np.float64)


def fp4_default() -> Cuts:
    """Of FP4 on the default backend, quantize_4bit: the two codes of zero are neighbours in the sorted
    table, so that numbers above 0 that become 0 take the second, 8."""
    return _parted("fp4_bnb[midpoints=float32,ties=down]", LEAST, (0, 8))


def fp4_cuda() -> Cuts:
    """Of FP4 in CUDA, dQuantizeFP4: the sign bit is that of x, of -0 none."""
    return _parted("fp4_bnb[midpoints=cuda,ties=zero]", 0.0, (8, 0))


def _parted(spec: str, at: float, codes: tuple[int, int]) -> Cuts:
    """The cut points of a format, what becomes zero parted in two."""
    fmt = element(spec)
    plain = cut_points(fmt, policy(fmt))
    place = int(np.searchsorted(plain.cuts, 0.0, side="right"))
    below, above = codes
    return Cuts(
        np.insert(plain.cuts, place, at),
        np.concatenate([plain.codes[:place], [below, above], plain.codes[place + 1 :]]),
    )
