"""The mean and the largest magnitude of numbers that come in batches: all that some rules need of data."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .levels import Array, finite_numbers

HALF = 27  # bits of a part of a significand: sums of 2**26 parts are exact in float64
CHUNK = 1 << 20  # elements
LEAST = -1074  # exponent of the unit of sums, of which every float64 is a multiple


@dataclass
class Magnitudes:
    """Count, exact sum and largest of \\|x\\|, of any number of batches.

    `dorefa`, `inq`, `lsq`, `lsq_step` and `wage_shift` take it in place of an array, and XNOR-Net's scale is its
    `mean`. Thresholds on magnitudes, as TWN's and TTQ's, need the numbers a second time.

    count : elements so far
    total : the sum of their magnitudes, in units of 2**-1074
    largest : the largest of them, 0.0 of none

    No digit depends on how the numbers are cut into batches, or on the order of `add` and `merge`.

    >>> from numfmt import quantizers
    >>> seen = Magnitudes()
    >>> for batch in ([1.0, -3.0], [2.0]):
    ...     seen.add(batch)
    >>> seen.mean, seen.largest, quantizers.lsq_step(seen, 4) == quantizers.lsq_step([1.0, -3.0, 2.0], 4)
    (2.0, 3.0, True)
    """

    count: int = 0
    total: int = 0
    largest: float = 0.0

    def add(self, x: Any) -> None:
        """Count a batch: array_like of finite real numbers, one or more."""
        flat = np.abs(finite_numbers(x, "Magnitudes").reshape(-1))
        self.count += flat.size
        self.total += sum(_sum(flat[i : i + CHUNK]) for i in range(0, flat.size, CHUNK))
        self.largest = max(self.largest, float(flat.max()))

    def merge(self, other: Magnitudes) -> None:
        """Count what another has counted."""
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)

    @property
    def mean(self) -> float:
        """E\\|x\\|, rounded once."""
        if not self.count:
            raise ValueError("Magnitudes: there is no mean yet, no batch has been added")
        return float(Fraction(self.total) / self.count * Fraction(2) ** LEAST)


def magnitudes_of(x: Any, what: str) -> Magnitudes:
    """Those of an array, or what is given; `ValueError` where no scale comes from them."""
    seen = x
    if not isinstance(x, Magnitudes):
        seen = Magnitudes()
        seen.add(finite_numbers(x, what))
    if not seen.count:
        raise ValueError(f"{what}: no batch has been added to these magnitudes")
    if not seen.largest:
        raise ValueError(f"{what}: every number is 0, so that no scale comes from them")
    return seen


def _sum(sizes: Array) -> int:
    """The exact sum of float64 numbers from 0 on, in units of 2**-1074."""
    m, e = np.frexp(sizes)
    shifts = e - 53 - LEAST
    whole = np.ldexp(m, 53)
    high = np.floor(np.ldexp(whole, -HALF))
    first = int(shifts.min())
    parts = (np.bincount(shifts - first, part).tolist() for part in (high, whole - np.ldexp(high, HALF)))
    each = enumerate(zip(*parts, strict=True), first)
    return sum(_shifted((int(top) << HALF) + int(low), shift) for shift, (top, low) in each)


def _shifted(total: int, shift: int) -> int:
    return total << shift if shift >= 0 else total >> -shift
