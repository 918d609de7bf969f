"""A rounding mode as cut points: the least float64 on the upper side of each boundary.

Made once from the reference for a format of up to 16 bits, a policy and its deterministic mode;
one binary search then rounds every float64 exactly, whatever the family.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import RangeError
from .format import Format
from .reference import Policy, decide, exact, own_mode
from .rounding import Rounding

if TYPE_CHECKING:  # numpy.typing is slow to import
    from numpy.typing import NDArray

WIDEST = 16
LARGEST = Fraction(float(np.finfo(np.float64).max))


class Cuts(NamedTuple):
    """`codes[searchsorted(cuts, x, "right")]` is the code of x; zeros and specials apart."""

    cuts: NDArray[np.float64]
    codes: NDArray[np.int64]


@lru_cache(maxsize=64)
def cut_points(fmt: Format, policy: Policy) -> Cuts:
    """The boundaries of a policy: below the least value, between neighbours, past the last."""
    if fmt.bits > WIDEST:
        raise ValueError(f"{fmt}: cut points are for formats of up to {WIDEST} bits")
    below, above = ([*_end(points, fmt, policy)] for points in _ends(fmt))
    first = _arrays([(-math.inf, _code(float(-LARGEST), fmt, policy))])
    parts = [first, _arrays(below), _between_neighbours(fmt, own_mode(fmt, policy.rounding)), _arrays(above)]
    cuts, codes = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Cuts(cuts[1:], codes)


def _arrays(pairs: Iterable[tuple[float, int]]) -> Cuts:
    found = list(pairs)
    return Cuts(np.array([cut for cut, _ in found]), np.array([code for _, code in found], dtype=np.int64))


@lru_cache(maxsize=16)
def _between_neighbours(fmt: Format, mode: Rounding) -> Cuts:
    """What all overflow policies share."""
    return _arrays(_neighbours(fmt, mode))


def _neighbours(fmt: Format, mode: Rounding) -> Iterator[tuple[float, int]]:
    """(least float64 that takes the upper one, its code) for each two neighbouring values."""
    low, high = fmt.span
    x = fmt.at(low)
    for rank in range(low, high):
        y = fmt.at(rank + 1)
        code = fmt.code_at(rank + 1) if y else fmt.zero()  # of +0: `search` tells the zeros apart
        assert code is not None
        if x != y:  # the two zeros are one place
            negative = abs(x) > abs(y)
            nearer_zero = code if negative else fmt.code_at(rank)
            up = mode.grows(fmt.is_odd(nearer_zero), negative) != negative
            yield _cut(x, fmt.split(rank), y, up, bool(mode.nearest)), code
        x = y


def _cut(x: Fraction, split: Fraction, y: Fraction, up: bool, nearest: bool) -> float:
    """Where y takes over from x; `up` says who has the tie, or all between them. Both stay what they are."""
    first, last = math.nextafter(float(x), math.inf), float(y)
    if not nearest:
        return first if up else last
    cut = _least_float(split)
    return min(max(cut if up or cut != split else math.nextafter(cut, math.inf), first), last)


def _ends(fmt: Format) -> tuple[list[tuple[Fraction, Fraction]], list[tuple[Fraction, Fraction]]]:
    """Points below and above the values, between which the code changes at most once; each with
    the boundary above it."""
    step = fmt.step or Fraction(0)
    if fmt.min > 0:
        below = [(Fraction(0), fmt.min / 2), (fmt.min, fmt.min)]
    else:
        outside = fmt.min - step if fmt.signed else -fmt.smallest
        below = [(outside, (outside + fmt.min) / 2), (fmt.min, fmt.min)]
    above = [(fmt.max, fmt.max + step / 2), (fmt.max + step, LARGEST), (LARGEST, LARGEST)]
    return [(-LARGEST, -LARGEST), *below], above


def _end(points: list[tuple[Fraction, Fraction]], fmt: Format, policy: Policy) -> Iterator[tuple[float, int]]:
    held = [(float(x), split) for x, split in points if abs(x) <= LARGEST]
    for (low, split), (high, _) in pairwise(held):
        code = _code(low, fmt, policy)
        after = _code(high, fmt, policy)
        if after != code:
            yield _change(low, split, high, code, fmt, policy), after


def _code(x: float, fmt: Format, policy: Policy) -> int:
    try:
        return decide(exact(x), fmt, policy).code
    except RangeError:
        return -1


def _change(low: float, split: Fraction, high: float, code: int, fmt: Format, policy: Policy) -> float:
    """The least float64 in (low, high] whose code is not `code`: just above `low`, on the
    boundary, just above it, or `high`."""
    near = _least_float(split)
    candidates = (math.nextafter(low, math.inf), near, math.nextafter(near, math.inf))
    return next((x for x in candidates if low < x and _code(x, fmt, policy) != code), high)


def _least_float(x: Fraction) -> float:
    """The least float64 that is not below x."""
    near = float(x)
    return near if Fraction(near) >= x else math.nextafter(near, math.inf)


def search(x: NDArray[np.float64], fmt: Format, policy: Policy) -> NDArray[np.int64]:
    """Codes of float64 values in a deterministic mode; -1 where the policy raises."""
    policy = policy._replace(random_bits=32)
    cuts = cut_points(fmt, policy)
    codes = cuts.codes[np.searchsorted(cuts.cuts, x, side="right")]
    minus = fmt.zero(True)
    if minus is not None:
        # a negative that rounds to zero: the search cannot tell the zeros apart
        codes[(codes == fmt.zero()) & np.signbit(x)] = minus
    special = ~np.isfinite(x) | (x == 0)
    if special.any():
        codes[special] = _special_codes(x[special], fmt, policy)
    return codes


def _special_codes(x: NDArray[np.float64], fmt: Format, policy: Policy) -> NDArray[np.int64]:
    """Codes of zeros, infinities and NaNs."""
    codes = np.empty(x.shape, np.int64)
    for value in (0.0, math.inf, math.nan):
        same = np.isnan(x) if math.isnan(value) else np.abs(x) == value
        for sign in (1.0, -1.0):
            codes[same & (np.signbit(x) == (sign < 0))] = _code(math.copysign(value, sign), fmt, policy)
    return codes
