"""A rounding mode as cut points: the least float64 on the upper side of each boundary.

Made once from the reference for a format of up to 16 bits, a policy and its deterministic mode;
one binary search then rounds every float64 exactly, whatever the family.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import RangeError
from .format import Format
from .reference import Policy, decide, exact

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
    """The boundaries of a policy: between two anchors the code changes at most once."""
    if fmt.bits > WIDEST:
        raise ValueError(f"{fmt}: cut points are for formats of up to {WIDEST} bits")
    anchors = _anchors(fmt)
    codes = [_code(x, fmt, policy) for x, _ in anchors]
    cuts, kept = [], [codes[0]]
    for i in range(1, len(anchors)):
        if codes[i] != codes[i - 1]:
            split = anchors[i - 1][1]
            cuts.append(_change(anchors[i - 1][0], split, anchors[i][0], codes[i - 1], fmt, policy))
            kept.append(codes[i])
    return Cuts(np.array(cuts), np.array(kept, dtype=np.int64))


def _anchors(fmt: Format) -> list[tuple[float, Fraction]]:
    """The finite values and, past them, one step more and float64's ends; each with the boundary
    above it."""
    low, high = fmt.span
    points = {fmt.at(rank): fmt.split(rank) for rank in range(low, high)}
    points |= {fmt.max: fmt.max, -LARGEST: -LARGEST, LARGEST: LARGEST}
    if fmt.step is not None:
        points |= {fmt.max: fmt.max + fmt.step / 2, fmt.max + fmt.step: LARGEST}
        below = fmt.min - fmt.step if fmt.signed else -fmt.smallest
        points.setdefault(below, (below + fmt.min) / 2)
    points.setdefault(Fraction(0), fmt.smallest / 2)
    if fmt.zero() is not None:
        points[Fraction(0)] = fmt.smallest / 2  # the split of +0, not that of -0
    return [(float(x), split) for x, split in sorted(points.items()) if abs(x) <= LARGEST]


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
    special = ~np.isfinite(x) | (x == 0)
    if special.any():
        codes[special] = _special_codes(x[special], fmt, policy)
    minus = fmt.zero(True)
    if minus is not None:
        # a negative that rounds to zero: the search cannot tell the zeros apart
        codes[(codes == fmt.zero()) & np.signbit(x)] = minus
    return codes


def _special_codes(x: NDArray[np.float64], fmt: Format, policy: Policy) -> NDArray[np.int64]:
    """Codes of zeros, infinities and NaNs."""
    codes = np.empty(x.shape, np.int64)
    for value in (0.0, math.inf, math.nan):
        same = np.isnan(x) if math.isnan(value) else np.abs(x) == value
        for sign in (1.0, -1.0):
            codes[same & (np.signbit(x) == (sign < 0))] = _code(math.copysign(value, sign), fmt, policy)
    return codes
