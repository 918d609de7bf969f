"""MPFR, through gmpy2: any exponent range and precision, five modes, from float64."""

import math
import random

import numpy as np
import pytest
from laws.hard import hard_values

import numfmt

gmpy2 = pytest.importorskip("gmpy2")

MODES = {
    "nearest_even": gmpy2.RoundToNearest,
    "toward_zero": gmpy2.RoundToZero,
    "toward_positive": gmpy2.RoundUp,
    "toward_negative": gmpy2.RoundDown,
    "away_from_zero": gmpy2.RoundAwayZero,
}
NAMED = ["f16", "bf16", "tf32", "f32", "e5m2", "e4m3", "e3m4"]


def drawn_formats(count):
    """Formats at random: exponent bits, fraction bits, bias."""
    rng = random.Random(2019)
    found = []
    while len(found) < count:
        exp_bits, man_bits = rng.randint(2, 10), rng.randint(1, 40)
        bias = "" if rng.random() < 0.5 else f"b{(1 << (exp_bits - 1)) - 1 + rng.randint(-9, 9)}"
        found.append(f"e{exp_bits}m{man_bits}{bias}")
    return found


def context_of(fmt, mode):
    """MPFR's significands lie in [1/2, 1): its exponents are greater by one. Its least exponent
    is that of the smallest subnormal."""
    return gmpy2.context(
        precision=fmt.man_bits + 1, emax=fmt.emax + 1, emin=fmt.emin - fmt.man_bits + 1,
        subnormalize=True, round=MODES[mode],
    )  # fmt: skip


def by_mpfr(x, context):
    with gmpy2.context(context):
        return float(gmpy2.mpfr(x))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", [*NAMED, *drawn_formats(24)])
def test_ieee_like_formats(spec, mode):
    fmt = numfmt.parse(spec)
    hard = hard_values(spec, many=150)
    hard = hard[~np.isnan(hard)]
    rng = np.random.default_rng(7)
    size = 2.0 ** rng.uniform(fmt.emin - fmt.man_bits - 3, fmt.emax + 2, 300)
    x = np.concatenate([hard[:: 1 + hard.size // 700], size, -size])
    context = context_of(fmt, mode)
    theirs = [by_mpfr(float(v), context) for v in x]
    # away from zero overflows to infinity in MPFR too (IEEE 754-2019 7.4 has no such mode)
    ours = numfmt.cast(x, spec, rounding=mode, dtype=np.float64)
    for a, b, v in zip(ours.tolist(), theirs, x.tolist(), strict=True):
        assert (a, math.copysign(1, a)) == (b, math.copysign(1, b)), v.hex()
