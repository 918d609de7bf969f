"""Sums of products, exact or rounded to odd in float64.

Products of float32 numbers are exact in float64. Their sum is held in two float64 numbers (Ogita, Rump, Oishi,
"Accurate sum and dot product", SIAM J. Sci. Comput. 26(6), 2005, algorithm 5.3), with a bound of what they miss;
where the bound leaves a rounding open, and where numbers are no float32, integers of Python decide.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..engine import jit, pool
from ..format import Value
from ..kernels.odd import odd_sum
from ..kernels.sums import two_sum

Array = np.ndarray[Any, Any]
UNIT = 2.0**-53
WORTH = 1 << 18  # products of a thread


class Sums(NamedTuple):
    """high + low, that far from the exact sums at most."""

    high: Array
    low: Array
    bound: Array

    def ends(self) -> tuple[Array, Array]:
        """Numbers rounded to odd in float64 between which the exact sums are; the sums where these are infinite
        or NaN."""
        with np.errstate(all="ignore"):
            return tuple(  # type: ignore[return-value]
                np.where(np.isfinite(self.high), odd_sum(self.high, self.low + side * self.bound), self.high)
                for side in (-1, 1)
            )


def gathered(a: Array, b: Array, start: Array, engine: str | None = None) -> Sums:
    """start + a @ b of two axes each: numbers that float32 holds, as float64.

    low is the sum of at most K + 1 numbers whose magnitudes add up to `mass`, each addition rounded: it is off by
    less than 2 (K + 1) u mass, and mass as computed by as little."""
    high, low, mass = np.array(start, np.float64), np.zeros(start.shape), np.zeros(start.shape)
    compiled = None if engine in ("numpy", "reference") else jit.loops()
    with np.errstate(all="ignore"):
        if compiled is None:
            _gather(a, b, high, low, mass)
        else:
            limit = pool.thread_limit() if a.size * b.shape[1] > WORTH else 1
            step = max(-(-len(a) // limit), 1)
            parts = [(i, min(i + step, len(a))) for i in range(0, len(a), step)] or [(0, 0)]
            pool.run(lambda part: compiled.gather(a, b, high, low, mass, *part), parts)
    return Sums(high, low, 8 * (a.shape[1] + 2) * UNIT * mass)


def _gather(a: Array, b: Array, high: Array, low: Array, mass: Array) -> None:
    for x, y in zip(a.T, b, strict=True):
        high[...], rest = two_sum(high, x[:, None] * y)
        low += rest
        mass += np.abs(rest)


def exactly(a: Array, b: Array, start: Value) -> Fraction:
    """start + a @ b of two vectors of finite numbers."""
    terms = (Fraction(x) * Fraction(y) for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return sum(terms, Fraction(start))
