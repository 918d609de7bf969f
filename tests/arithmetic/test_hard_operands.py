"""Operands as Berkeley TestFloat chooses them: telling exponents under significands of few bits or long runs.

Values and all five exceptions by MPFR, which knows neither our rationals nor our loops.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest

import numfmt
from numfmt import arithmetic, parse

gmpy2 = pytest.importorskip("gmpy2")
MODES = {"nearest_even": "RoundToNearest", "toward_zero": "RoundToZero", "toward_positive": "RoundUp",
         "toward_negative": "RoundDown"}  # fmt: skip
OPERATIONS = {"add": 2, "sub": 2, "mul": 2, "div": 2, "sqrt": 1, "fma": 3}
INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID = arithmetic.FLAGS.values()
ENOUGH = 4400  # bits: sums and products of float64 are exact


def fractions(bits):
    """One bit, ones above it, ones below it, all but it; zero, and one more or less than each."""
    shapes = [0, 1, 3, (1 << bits) - 1, (1 << bits) - 2]
    for i in range(bits):
        one, below = 1 << i, (1 << i) - 1
        shapes += [one, below, ((1 << bits) - 1) ^ below, ((1 << bits) - 1) ^ one]
    return sorted({x & ((1 << bits) - 1) for x in shapes})


def exponents(fmt):
    """The ends, around 1, around the width of a significand from both, and specials."""
    top, p = (1 << fmt.exp_bits) - 1, fmt.man_bits + 1
    middle = fmt.bias
    near = [
        0,
        1,
        2,
        top - 1,
        top - 2,
        middle,
        middle - 1,
        middle + 1,
        middle - p,
        middle + p,
        middle + p + 1,
        p,
        top - p,
    ]
    return [*sorted({e for e in near if 0 <= e < top}), top]


def hard_codes(spec, count, seed):
    """Codes of a format, each kind of exponent with each kind of significand before any twice."""
    fmt, rng = parse(spec), np.random.default_rng(seed)
    codes = [s << (fmt.bits - 1) | e << fmt.man_bits | f
             for s, e, f in itertools.product((0, 1), exponents(fmt), fractions(fmt.man_bits))]  # fmt: skip
    hard = np.resize(rng.permutation(np.array(codes, np.uint64)), count)
    special = rng.random(count) < 0.1
    hard[special] = rng.choice(specials(fmt), count)[special]
    return hard


def specials(fmt):
    """Zeros, infinities, NaN of both kinds, the least and the greatest numbers."""
    infinity, quiet = fmt.infinity(), fmt.nan()
    found = [0, infinity, quiet, infinity + 1, quiet | 5, 1, 1 << fmt.man_bits, infinity - 1]
    return np.array([s << (fmt.bits - 1) | code for s in (0, 1) for code in found], np.uint64)


class Contexts(NamedTuple):
    """The format itself; its precision with exponents without end; every bit there is, the rest toward 0."""

    own: object
    unbounded: object
    exact: object


def contexts(fmt, mode):
    widest = {"emin": gmpy2.get_emin_min(), "emax": gmpy2.get_emax_max()}
    own = gmpy2.context(
        precision=fmt.man_bits + 1, emax=fmt.emax + 1, emin=fmt.emin - fmt.man_bits + 1, subnormalize=True,
        round=getattr(gmpy2, MODES[mode]),
    )  # fmt: skip
    unbounded = gmpy2.context(precision=fmt.man_bits + 1, round=getattr(gmpy2, MODES[mode]), **widest)
    return Contexts(own, unbounded, gmpy2.context(precision=ENOUGH, round=gmpy2.RoundToZero, **widest))


def expected(name, given, signalling, fmt, found, tininess):
    """Value and exceptions of one operation.

    MPFR's own underflow flag is another: it is raised where even subnormals end. What IEEE 754 calls tiny (7.5) is
    seen in the results with exponents without end: the rounded one "after", the one of every bit "before".
    """
    own, unbounded, exact = found
    operands = [gmpy2.mpfr(x) for x in given]
    value = getattr(own, name)(*operands)
    exact.clear_flags()
    wide, free = getattr(exact, name)(*operands), getattr(unbounded, name)(*operands)
    if signalling or (gmpy2.is_nan(value) and not any(map(math.isnan, given))):
        return float(value), INVALID
    if name == "fma" and gmpy2.is_nan(operands[0] * operands[1]) and not any(map(math.isnan, given[:2])):
        return float(value), INVALID
    if not gmpy2.is_finite(wide):
        divided = name == "div" and gmpy2.is_infinite(wide) and all(map(math.isfinite, given))
        return float(value), DIVIDE_BY_ZERO * divided
    last, least = gmpy2.mpfr(float(fmt.max)), gmpy2.mpfr(float(fmt.min_normal))
    over = not -last <= free <= last  # `abs` would round
    inexact = over or bool(exact.inexact) or value != wide
    tiny = -least < (free if tininess == "after" else wide) < least
    return float(value), INEXACT * inexact | UNDERFLOW * (inexact and tiny) | OVERFLOW * over


COUNTS = {"f16": 2000, "bf16": 2000, "f32": 1500, "f64": 200}  # f64 is left to the reference


@pytest.mark.parametrize("tininess", ["after", "before"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", COUNTS)
def test_values_and_exceptions_are_those_of_mpfr(spec, mode, tininess):
    fmt = parse(spec)
    found = contexts(fmt, mode)
    for number, (name, count) in enumerate(OPERATIONS.items()):
        codes = [hard_codes(spec, COUNTS[spec], 10 * number + i) for i in range(count)]
        given = [numfmt.decode(x, spec, dtype=np.float64) for x in codes]
        loud = np.logical_or.reduce([np.isnan(v) & (x >> np.uint64(fmt.man_bits - 1) & np.uint64(1) == 0)
                                     for v, x in zip(given, codes, strict=True)])  # fmt: skip
        got, flags = getattr(arithmetic, name)(
            *codes, spec, codes=True, flags=True, rounding=mode, tininess=tininess
        )
        got = numfmt.decode(got, spec, dtype=np.float64)
        rows = zip(*(x.tolist() for x in given), loud.tolist(), strict=True)
        both = [expected(name, row[:-1], row[-1], fmt, found, tininess) for row in rows]
        values, marks = np.array([v for v, _ in both]), np.array([m for _, m in both])
        same = (got == values) & (np.signbit(got) == np.signbit(values)) | np.isnan(got) & np.isnan(values)
        bad = np.flatnonzero(~same | (flags != marks))
        assert not bad.size, (
            name,
            [x[bad[:3]] for x in given],
            got[bad[:3]],
            values[bad[:3]],
            flags[bad[:3]],
            marks[bad[:3]],
        )


@pytest.mark.parametrize("spec", ["f16", "f32", "f64"])
def test_operands_are_hard(spec):
    """All exceptions come up, ties and cancellations too."""
    x, y = hard_codes(spec, 3000, 0), hard_codes(spec, 3000, 1)
    if spec == "f64":
        x, y = x[:600], y[:600]
    counts = {}
    for name in ("add", "mul", "div"):
        flags = getattr(arithmetic, name)(x, y, spec, codes=True, flags=True)[1]
        for flag, bit in arithmetic.FLAGS.items():
            counts[flag] = counts.get(flag, 0) + int((flags & bit != 0).sum())
    assert all(count >= 3 for count in counts.values()), counts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_says_the_same_of_each_operation(dtype):
    """NumPy's errstate, called for one operation at a time: the CPU's own flags, but inexact."""
    spec = {np.float32: "f32", np.float64: "f64"}[dtype]
    x, y = (hard_codes(spec, 400, seed).astype(f"u{np.dtype(dtype).itemsize}").view(dtype) for seed in (4, 5))
    quiet = ~(np.isnan(x) | np.isnan(y))
    x, y = x[quiet], y[quiet]
    names = {
        "divide by zero": DIVIDE_BY_ZERO,
        "overflow": OVERFLOW,
        "underflow": UNDERFLOW,
        "invalid value": INVALID,
    }
    raised = []
    for name, ufunc in (("add", np.add), ("mul", np.multiply), ("div", np.divide)):
        flags = getattr(numfmt, name)(x, y, spec, flags=True)[1]
        for a, b, flag in zip(x, y, flags, strict=True):
            raised.clear()
            with np.errstate(all="call", call=lambda kind, _: raised.append(names[kind])):
                ufunc(np.array([a]), np.array([b]))
            assert sum(set(raised)) == int(flag) & ~INEXACT, (name, a, b)
