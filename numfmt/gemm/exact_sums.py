"""Sums of products, exact or rounded to odd in float64.

Products of float32 numbers are exact in float64. Their sum is held in two float64 numbers (Ogita, Rump, Oishi,
"Accurate sum and dot product", SIAM J. Sci. Comput. 26(6), 2005, algorithm 5.3), with a bound of what they miss;
where the bound leaves a rounding open, and where numbers are no float32, integers of Python decide.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..engine import jit
from ..format import Value
from ..kernels import sums
from ..kernels.odd import odd_sum
from . import panels
from .extents import are_single, extents_of

Array = np.ndarray[Any, Any]
UNIT = 2.0**-53
LEAST = 2.0**-100  # the bits of lesser ones may be subnormal in float32


class Sums(NamedTuple):
    """high + low, that far from the exact sums at most."""

    high: Array
    low: Array
    bound: Array

    def ends(self) -> tuple[Array, Array]:
        """Numbers rounded to odd in float64 between which the exact sums are; the sums where these are infinite
        or NaN."""
        with np.errstate(all="ignore"):
            least = self._odd(self.low - self.bound)
            return least, self._odd(self.low + self.bound) if self.bound.any() else least

    def _odd(self, low: Array) -> Array:
        loops, found = jit.loops(), np.empty(self.high.shape)
        add = loops.add_odd if loops else _add_odd
        add(self.high.reshape(-1), low.reshape(-1), found.reshape(-1))
        return np.where(np.isfinite(self.high), found, self.high)


def _add_odd(x: Array, y: Array, out: Array) -> None:
    out[...] = odd_sum(x, y)


def gathered(a: Array, b: Array, start: Array, engine: str | None = None) -> Sums:
    """start + a @ b of two axes each: numbers that float32 holds, as float64.

    Where all sums are multiples of a number below 2**53 times that, float64 holds them in any order. Else low is the
    sum of at most K + 1 numbers whose magnitudes add up to `mass`, each addition rounded: it is off by less than
    2 (K + 1) u mass, and mass as computed by as little."""
    loops = None if engine in ("numpy", "reference") else jit.rounding_loops()
    if loops is not None and _is_exact(a, b, start):
        return Sums(a @ b + start, *np.zeros((2, *start.shape)))
    with np.errstate(all="ignore"):
        high, low, mass = _by_steps(a, b, start) if loops is None else _in_tiles(loops, a, b, start)
    return Sums(high, low, 8 * (a.shape[1] + 2) * UNIT * mass)


def _is_exact(a: Array, b: Array, start: Array) -> bool:
    loops: Any = jit.loops()
    if not all(map(are_single, (a, b, start))):
        return False
    singles = [panels.contiguous(x.astype(np.float32)).reshape(-1) for x in (a, b, start)]
    found = extents_of(*singles)
    if found is None or min(x.least for x in found) < LEAST:
        return False
    grains = [float(loops.grain(x)) for x in singles]
    most = found[2].most + a.shape[1] * found[0].most * found[1].most
    return bool(most < 2.0**53 * min(grains[0] * grains[1], grains[2]))


def _by_steps(a: Array, b: Array, start: Array) -> Array:
    high, low, mass = np.array([start, np.zeros_like(start), np.zeros_like(start)])
    for x, y in zip(a.T, b, strict=True):
        high, low, mass = sums.gathered(high, low, mass, x[:, None], y)
    return np.array([high, low, mass])


def _in_tiles(loops: Any, a: Array, b: Array, start: Array) -> Array:
    ends = np.array(panels.depths(a.shape[1]), np.int64)
    shape = panels.geometry(int(np.diff(ends).max(initial=0)), np.float64)
    rows, columns = start.shape
    found = np.zeros((3, *shape.whole(rows, columns)))
    found[0, :rows, :columns] = start
    if found.size and shape.deepest:
        shape.share(
            lambda *work: loops.gather(a, b, found, ends, shape.height, shape.width, *work),
            found.shape[1:],
            np.float64,
        )
    return found[:, :rows, :columns]


def exactly(a: Array, b: Array, start: Value) -> Fraction:
    """start + a @ b of two vectors of finite numbers."""
    terms = (Fraction(x) * Fraction(y) for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return sum(terms, Fraction(start))
