"""Batches: sums are exact, and no digit depends on how numbers are cut."""

from fractions import Fraction

import numpy as np
import pytest

from numfmt import quantizers
from numfmt.quantizers import Magnitudes

RNG = np.random.default_rng(11)
WIDE = RNG.standard_normal(5000) * 2.0 ** RNG.integers(-1080, 1000, 5000)
CASES = [
    WIDE,
    np.array([5e-324, 1.0, -(2.0**-1022), 1.7976931348623157e308, -0.0]),
    RNG.standard_normal(3000).astype(np.float32),
    np.arange(-5, 900),
]


@pytest.mark.parametrize("x", CASES)
def test_sums_are_exact(x):
    seen = Magnitudes()
    seen.add(x)
    assert Fraction(seen.total, 2**1074) == sum(abs(Fraction(v)) for v in x.tolist())
    assert seen.mean == float(sum(abs(Fraction(v)) for v in x.tolist()) / x.size)
    assert (seen.count, seen.largest) == (x.size, float(np.abs(x).max()))


def test_many_numbers_of_one_exponent():
    """More than a chunk, with all bits set."""
    x = np.full((1 << 20) + 5, 2.0 - 2.0**-52)
    seen = Magnitudes()
    seen.add(x)
    assert Fraction(seen.total, 2**1074) == Fraction(float(x[0])) * x.size


@pytest.mark.parametrize("cuts", [[1], [7, 8, 4000], [4999]])
def test_batches_in_any_order(cuts):
    whole, parts = Magnitudes(), [Magnitudes() for _ in range(len(cuts) + 1)]
    whole.add(WIDE)
    for part, batch in zip(parts, np.split(WIDE, cuts), strict=True):
        part.add(batch)
    merged = Magnitudes()
    for part in reversed(parts):
        merged.merge(part)
    assert merged == whole


RULES = {
    "dorefa": lambda x: quantizers.dorefa(x, 3).boundaries.tolist(),
    "dorefa, one bit": lambda x: quantizers.dorefa(x, 1).values.tolist(),
    "inq": lambda x: quantizers.inq(x, 5).values.tolist(),
    "lsq": lambda x: quantizers.lsq(x, 4).values.tolist(),
    "lsq_step": lambda x: quantizers.lsq_step(x, 4, signed=False),
    "wage_shift": quantizers.wage_shift,
}


@pytest.mark.parametrize("rule", RULES)
def test_rules_take_batches(rule):
    x, seen = RNG.standard_normal(999), Magnitudes()
    for batch in np.array_split(x, 4):
        seen.add(batch)
    assert RULES[rule](seen) == RULES[rule](x)


def test_bad_input():
    with pytest.raises(ValueError, match="no batch has been added"):
        _ = Magnitudes().mean
    with pytest.raises(ValueError, match="element 1 of 2 is nan"):
        Magnitudes().add([1.0, np.nan])
    with pytest.raises(ValueError, match="lsq_step: no batch has been added"):
        quantizers.lsq(Magnitudes(), 4)
    zeros = Magnitudes()
    zeros.add([0.0, -0.0])
    with pytest.raises(ValueError, match="lsq_step: every number is 0"):
        quantizers.lsq(zeros, 4)
