"""Sums of products in two float64 numbers, and what these may miss."""

from __future__ import annotations

from typing import Any

import numpy as np

from .odd import two_sum
from .words import and_, or_, real, select, sub, umax, umin, word

NONE, ONE, MAGNITUDE, NO_LEAST = np.uint32(0), np.uint32(1), np.uint32(0x7FFFFFFF), np.uint32(0xFFFFFFFF)
FRACTION, NOTHING, GREATEST = np.uint32(0x7FFFFF), np.float32(0), np.float32(np.inf)


def gathered(high: Any, low: Any, mass: Any, x: Any, y: Any) -> Any:
    """high + low + x * y, the product exact; `mass` is of the magnitudes of all that went into `low`."""
    total, rest = two_sum(high, x * y)
    return total, low + rest, mass + np.abs(rest)


def extent(x: Any) -> Any:
    """Of float32 numbers: the least magnitude but 0, less one, the greatest, and all bits that some have, as words."""
    least, most, bits = NO_LEAST, NONE, NONE
    for i in range(x.size):
        b = word(x[i])
        a = and_(b, MAGNITUDE)
        least, most, bits = umin(least, sub(a, ONE)), umax(most, a), or_(bits, b)
    return least, most, bits


def grain(x: Any) -> Any:
    """The least of the lowest bits that are set in float32 numbers, infinity where none is."""
    least = GREATEST
    for i in range(x.size):
        a = and_(word(x[i]), MAGNITUDE)
        rest = select(and_(a, FRACTION) == NONE, NONE, and_(a, sub(a, ONE)))
        bit = real(a) - real(rest)
        least = select(and_(bit > NOTHING, bit < least), bit, least)
    return least
