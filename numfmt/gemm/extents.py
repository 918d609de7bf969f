"""What the numbers of a product are like, in one pass: whether float32 holds its steps is told from that."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..engine import jit
from .panels import contiguous

Array = np.ndarray[Any, Any]
F4 = np.dtype(np.float32)
INFINITY = np.uint32(0x7F800000)
LOW_BITS = np.uint32(0xFFF)  # of a float32; without them it has 12 significant bits


class Extent(NamedTuple):
    """Of some numbers: the least magnitude but 0, the greatest, and whether products of two such are float32."""

    least: float
    most: float
    short: bool


def are_single(x: Array) -> bool:
    """Whether float32 holds all numbers."""
    with np.errstate(over="ignore"):
        return bool(x.dtype == F4 or ((x.astype(F4) == x) | np.isnan(x)).all())


def extents_of(*matrices: Array) -> tuple[Extent, ...] | None:
    """None where some number is not finite, or no float32."""
    if any(x.dtype != F4 for x in matrices[:2]) or not are_single(matrices[2]):
        return None
    found = tuple(extent_of(x) for x in matrices)
    return found if all(np.isfinite(x.most) for x in found) else None


def extent_of(x: Array) -> Extent:
    loops: Any = jit.loops()
    flat = contiguous(x.astype(F4, copy=False)).reshape(-1)
    least, most, bits = np.array(loops.extent(flat), np.uint32)
    ends = np.array([least + np.uint32(1) if least < INFINITY else INFINITY, most], np.uint32).view(F4)
    return Extent(float(ends[0]), float(ends[1]), not bits & LOW_BITS)
