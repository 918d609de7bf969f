"""From (codebook, policy, width) to the parameters of the codebook loops."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..cuts import Cuts, cut_points
from ..format import Format
from ..kernels.codebook import BUCKETS, FAN, LEAVES, STEPS
from ..kernels.parameters import LookupParameters, StepParameters, TreeParameters, pack
from ..reference import Policy
from ..registry import Lowered, Reading, lowering
from .codebook import Codebook
from .floats_lowering import bits_of

WIDTHS = {32: (23, -126, 127), 64: (52, -1022, 1023)}  # fraction bits, exponents of normal floats
LARGEST_TABLE = 1 << 16  # buckets; a few thousand serve tables of one law of growth
CROWN = LEAVES.stop - LEAVES.start  # thresholds that a tree holds
LINE = 64  # bytes in a line of the cache


@lowering(Codebook)
class CodebookLowering:
    """How the engines reach the codebook loops."""

    exact_integers = False

    @staticmethod
    def rounding(fmt: Format, policy: Policy, width: int, codes: bool) -> Lowered | None:
        """The loop, or None for draws, values that are no floats of this width, or more than 272
        thresholds in clusters so far apart that the table would be too large."""
        assert isinstance(fmt, Codebook)
        if policy.rounding.stochastic or not (codes or fmt.fits(*WIDTHS[width])):
            return None
        results = [code if codes else bits_of(fmt.table[code], width) for code in range(len(fmt.table))]
        steps = thresholds(cut_points(fmt, policy), results, width)
        if policy.nan_code is not None and policy.nan_code >= 0:
            steps = _with_nan(steps, results[policy.nan_code], width)
        return lowered(steps, width, _guard(fmt, policy, width))

    @staticmethod
    def decoding(fmt: Format, width: int) -> Reading | None:
        assert isinstance(fmt, Codebook)
        if not fmt.fits(*WIDTHS[width]):
            return None
        values = [bits_of(v, width) for v in fmt.table]
        return Reading("decode_table", pack((len(values) - 1, *values), width))


class Steps(NamedTuple):
    """A rounding of words: `results[k]` for an ordered word with k thresholds at or below it."""

    thresholds: list[int]
    results: list[int]


def thresholds(cuts: Cuts, results: list[int], width: int) -> Steps:
    """The cut points of a policy among ordered words, with the result of each code; of codes that are
    refused, -1, any result will do."""
    codes = cuts.codes.tolist()
    found = Steps([], [results[max(codes[0], 0)]])
    for cut, code in zip(cuts.cuts.tolist(), codes[1:], strict=True):
        key = _key(cut, width)
        if found.thresholds[-1:] == [key]:  # no word of this width lies between
            found.results.pop()
        else:
            found.thresholds.append(key)
        found.results.append(results[max(code, 0)])
    return found


def _key(cut: float, width: int) -> int:
    """The ordered word of the least float of this width that is not below a cut; of 0 that of -0."""
    if width == 32:
        with np.errstate(all="ignore"):
            near = np.float32(cut)
            above = np.nextafter(near, np.float32(math.inf))
        cut = float(near) if float(near) >= cut else float(above)
    return ordered(bits_of(cut or -0.0, width), width)


def ordered(word: int, width: int) -> int:
    """`kernels.codebook.ordered` of one word; its own inverse, but for the side of the sign bit."""
    sign = 1 << (width - 1)
    return word ^ (2 * sign - 1 if word & sign else sign)


def _with_nan(steps: Steps, nan: int, width: int) -> Steps:
    """NaN lies beyond the infinities."""
    low, high = (ordered(bits_of(x, width), width) for x in (-math.inf, math.inf))
    return Steps([low, *steps.thresholds, high + 1], [nan, *steps.results, nan])


def lowered(steps: Steps, width: int, guard: int) -> Lowered | None:
    """The loop for these steps: it compares with all of them where they are few; a tree holds clusters."""
    if len(steps.thresholds) <= STEPS:
        return Lowered("steps", _compared(steps, width), guard)
    p = _looked_up(steps, width)
    if p is not None:
        return Lowered("lookup", p, guard)
    return Lowered("tree", _branched(steps, width), guard) if len(steps.thresholds) <= CROWN else None


def _compared(steps: Steps, width: int) -> Any:
    never, spare = (1 << width) - 1, STEPS - len(steps.thresholds)
    increments = [after - before for before, after in zip(steps.results, steps.results[1:], strict=False)]
    sign = 1 << (width - 1)
    header = StepParameters(zero=0, magnitude=sign - 1, top=width - 1, sign=sign, first=steps.results[0])
    return pack((*header, *steps.thresholds, *[never] * spare, *increments, *[0] * spare), width)


def _looked_up(steps: Steps, width: int) -> Any:
    """The widest buckets that hold one threshold each; None where they are too many."""
    sign = 1 << (width - 1)
    positive = [key ^ sign for key in steps.thresholds if key & sign]
    negative = [sign - 1 - key for key in reversed(steps.thresholds) if not key & sign]
    for shift in range(width - 2, -1, -1):
        low, high = _clamps(positive, negative, shift)
        count = (high - low >> shift) + 1
        if count > LARGEST_TABLE // 2:
            return None
        sides = [[min(max(a, low), high) - low >> shift for a in side] for side in (positive, negative)]
        if all(len(set(side)) == len(side) for side in sides):
            break
    below = len(negative)
    table = [below + bisect_left(sides[0], k) for k in range(count)]
    table += [below - bisect_right(sides[1], k) for k in range(count)]
    words = _words(table, width)
    last = [*steps.thresholds, 2 * sign - 1]  # what a word past all of them is compared with
    first = BUCKETS + len(words)
    header = LookupParameters(
        zero=0, magnitude=sign - 1, top=width - 1, sign=sign, low=low, high=high, shift=shift,
        buckets=count, thresholds=first, results=first + len(last),
    )  # fmt: skip
    return pack((*header, *words, *last, *steps.results, steps.results[-1]), width)


def _words(table: list[int], width: int) -> list[int]:
    """Numbers of 16 bits, as many to a word as it holds."""
    each = width // 16
    filled = np.array([*table, *[0] * (-len(table) % each)], np.uint16)
    return list(filled.view(np.uint32 if width == 32 else np.uint64).tolist())


def _branched(steps: Steps, width: int) -> Any:
    """Leaves of 16 thresholds, the last of each but the last leaf a separator; past all of them a word that
    gives the last result again. A leaf lies in as few lines of the cache as it may."""
    sign = 1 << (width - 1)
    spare = CROWN - len(steps.thresholds)
    leaves = [*steps.thresholds, *[2 * sign - 1] * spare]
    header = TreeParameters(zero=0, magnitude=sign - 1, top=width - 1, sign=sign, leaf=FAN)
    before = [*header, *leaves[FAN - 1 : -1 : FAN]]
    gap = [0] * (LEAVES.start - len(before))
    return _at_a_line(pack((*before, *gap, *leaves, *steps.results, *steps.results[-1:] * spare), width))


def _at_a_line(p: Any) -> Any:
    """A copy that begins where a line of the cache does."""
    room = np.empty(p.nbytes + LINE, np.uint8)
    first = -room.ctypes.data % LINE
    copy = room[first : first + p.nbytes].view(p.dtype)
    copy[:] = p
    return copy


def _clamps(positive: list[int], negative: list[int], shift: int) -> tuple[int, int]:
    """The magnitudes between which buckets are told apart: one threshold of each sign may lie in the
    first, which begins at 0, and one in the last, which has no end."""
    sides = [side for side in (positive, negative) if len(side) > 1]
    second, last_but_one = min(side[1] for side in sides), max(side[-2] for side in sides)
    return max((second >> shift) - 1, 0) << shift, (last_but_one >> shift) + 1 << shift


def _guard(fmt: Codebook, policy: Policy, width: int) -> int:
    """The least magnitude word that may be refused: NaN, or one past the nearer end of the range."""
    if policy.overflow == "raise":
        return _floor_word(min(-fmt.min, fmt.max), width) + 1 if fmt.min < 0 < fmt.max else 0
    return bits_of(math.inf, width) + 1 if policy.nan_code == -1 else (1 << width) - 1


def _floor_word(x: Fraction, width: int) -> int:
    """The word of the greatest float of this width that is at most x > 0."""
    number = np.float32 if width == 32 else np.float64
    with np.errstate(over="ignore"):
        near = float(number(float(x)))
    return bits_of(near, width) - (near > x)
