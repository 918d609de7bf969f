"""Hard values, and what the reference makes of them.

Random input hardly ever meets a tie: these are the values of a format, the boundaries between
them, their neighbours in float32 and float64, the edges, and all that is special.
"""

from __future__ import annotations

import copy
import math
from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np

from numfmt import reference, registry
from numfmt.errors import RangeError, SpecError
from numfmt.rounding import MODES

SPECS = list({registry.parse(spec): spec for spec in reversed(registry.examples())}.values())[::-1]
HELD = [spec for spec in SPECS if not registry.parse(spec).exceeds_float64]
DETERMINISTIC = [name for name, mode in MODES.items() if not mode.stochastic]
STOCHASTIC = [name for name, mode in MODES.items() if mode.stochastic]
OVERFLOWS = ["ieee", "saturate", "saturate_finite", "infinity", "nan", "raise"]
FIXED_OVERFLOWS = [
    "saturate_zero", "saturate_symmetric", "wrap", "wrap[1]", "wrap[2]", "wrap[3]", "wrap[64]", "wrap[2,ap]",
    *(f"wrap_sign_magnitude{n}" for n in ("", "[1]", "[2]", "[3]")),
]  # fmt: skip
WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
MANY = 600  # values; of a format with more, a sample is taken
HUGE = Fraction(2) ** 1024
HARD_NOISE = np.array([0, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 1, 0xFFFFFFFE], np.uint32)
SPECIALS = [0.0, -0.0, math.inf, -math.inf, math.nan, -math.nan]


def words(x):
    """The bits of an array of floats."""
    return x.view(WORDS[x.dtype.itemsize])


def noise_for(count, salt=0):
    """Noise words for so many elements: the extreme ones and random ones, mixed."""
    rng = np.random.default_rng(salt)
    drawn = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    extreme = rng.integers(0, 2 * len(HARD_NOISE), count)
    return np.where(extreme < len(HARD_NOISE), HARD_NOISE[extreme % len(HARD_NOISE)], drawn)


def ranks(fmt, many=MANY):
    """All ranks of a small format; of a wide one the ends, zero's neighbourhood and a sample."""
    low, high = fmt.span
    if high - low < many:
        return list(range(low, high + 1))
    near = [*range(low, low + 12), *range(high - 11, high + 1), *range(-20, 21)]
    spread = [low + (high - low) * i // 101 for i in range(1, 101)]
    drawn = [low + int(u * (high - low)) for u in np.random.default_rng(0).random(60)]
    binades = [(low + high) // 2 + s * (1 << k) + d for k in range(3, 64) for s in (1, -1) for d in (-1, 0)]
    return sorted(
        {r for r in near + spread + drawn + binades[:: 1 + len(binades) // 200] if low <= r <= high}
    )


def points(fmt, many=MANY):
    """The exact values and boundaries of a format and what lies around its edges."""
    found = set()
    for rank in ranks(fmt, many):
        found.add(fmt.at(rank))
        if rank < fmt.span[1]:
            found.add(fmt.split(rank))
    return found | edge_points(fmt)


def edge_points(fmt):
    """Beyond the last value and below the first positive one, on both sides of zero."""
    step = fmt.step or fmt.max
    beyond = [fmt.max + step * k for k in (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), 1, 2)]
    tiny = [fmt.smallest * k for k in (1, Fraction(3, 4), Fraction(1, 2), Fraction(1, 4), Fraction(1, 2**70))]
    sizes = [*beyond, *tiny, fmt.max, fmt.max * 3, fmt.max * 2**40]
    return {sign * size for size in sizes for sign in (1, -1)}


def neighbours(xs, dtype):
    """Floats of a dtype at and on both sides of exact values, as float64."""
    near = np.array([float(x) for x in xs if abs(x) < HUGE / 2])
    with np.errstate(all="ignore"):
        near = near.astype(dtype)
        around = [near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf))]
        return np.concatenate(around).astype(np.float64)


def floats_of(xs):
    """Sorted by bits, distinct: neighbours in both widths, and everything special."""
    ends = [s * float(np.finfo(t).max) for t in (np.float32, np.float64) for s in (1, -1)]
    subnormal = [1e-40, -1e-40, 2.0**-149, -(2.0**-149), 5e-324, -5e-324, 2.0**-1030]
    parts = [neighbours(xs, np.float32), neighbours(xs, np.float64), np.array(SPECIALS + ends + subnormal)]
    return np.unique(words(np.concatenate(parts))).view(np.float64)


@lru_cache(maxsize=8)
def hard_values(spec, many=MANY):
    """Every hard float64 of a format; the float32 ones are among them."""
    return floats_of(points(registry.parse(spec), many))


@lru_cache(maxsize=64)
def edge_values(spec):
    """The hard values at the edges alone."""
    fmt = registry.parse(spec)
    low, high = fmt.span
    last = {fmt.at(r) for r in (low, low + 1, high - 1, high)}
    between = {(a + b) / 2 for a, b in pairwise(sorted(last))}
    return floats_of(edge_points(fmt) | last | between)


def is_float32(x):
    """Which float64 values float32 holds, NaN included."""
    with np.errstate(all="ignore"):
        return words(x.astype(np.float32).astype(np.float64)) == words(x)


def residues(codes, fmt):
    """Codes as bit patterns, those of two's complement included."""
    return codes.astype(np.uint64) & np.uint64((1 << fmt.bits) - 1)


def policies_of(fmt):
    """The overflow policies that have a meaning for the format's family."""
    return OVERFLOWS + FIXED_OVERFLOWS * fmt.uniform


def policy_of(fmt, rounding=None, overflow=None, nan=None, random_bits=None):
    """The policy, or None where the format lacks what the overflow asks for."""
    try:
        return reference.policy(fmt, rounding, overflow, nan, random_bits)
    except SpecError:
        return None


@lru_cache(maxsize=32)
def remembering(fmt):
    """The same format, which works out each value once: the reference asks again and again."""
    twin = copy.copy(fmt)
    for method in ("value", "at", "split", "code_at"):
        twin.__dict__[method] = cache(getattr(fmt, method))
    return twin


def reference_codes(x, fmt, policy, noise=None):
    """Codes by the reference, -1 where the policy refuses."""
    fmt = remembering(fmt)
    draws = [0] * x.size if noise is None else noise.tolist()
    return np.array([_code(v, fmt, policy, n) for v, n in zip(x.tolist(), draws, strict=True)], dtype=object)


def _code(x, fmt, policy, noise):
    try:
        return reference.encode(reference.exact(x), fmt, policy, noise)
    except RangeError:
        return -1


def values_of(codes, x, fmt, replaced=False):
    """The float64 values of codes that came from `x`. NaN has the sign of x where the format is
    signed or x was NaN, and is positive otherwise; `replaced`: nan= was given."""
    distinct, which = np.unique(codes, return_inverse=True)
    result = np.array([float(fmt.value(int(c))) for c in distinct], dtype=np.float64)[which]
    nan = np.isnan(result)
    signed = nan & (np.full(x.shape, fmt.signed) | (np.isnan(x) & (not replaced)))
    result[nan] = np.nan
    result[signed] = np.copysign(np.nan, x[signed])
    return result


def same_bits(actual, expected):
    """Whether two arrays of floats are the same, bit by bit, in the dtype of the first."""
    with np.errstate(all="ignore"):
        wanted = expected.astype(actual.dtype)
    return words(actual) == words(wanted)


def order_key(values):
    """Sortable numbers for float64 values: -0 before +0; NaN has no place."""
    bits = words(np.asarray(values, np.float64)).astype(np.int64)
    return np.where(bits < 0, ~bits ^ np.int64(-(1 << 63)), bits)


def first_difference(actual, expected, x):
    """What a failing comparison prints: index, input, and both results."""
    wrong = np.flatnonzero(np.asarray(actual != expected))
    i = int(wrong[0])
    return f"{wrong.size} of {x.size} differ, first x={float(x[i]).hex()}: got {actual[i]!r}, want {expected[i]!r}"
