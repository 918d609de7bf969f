"""Dynamic fixed point against its rules in fractions."""

import copy
import json
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt
from numfmt.flexpoint import DynamicFixedPoint

from . import slow


def value(x, bits, integer_bits):
    """One number rounded and clipped, as format.py's fixed_point."""
    last, step = 2**bits - 1, Fraction(2) ** (integer_bits - bits)
    return max(-last, min(last, round(slow.exact(x) / step))) * step


def rate(x, bits, integer_bits):
    """format.py's overflow."""
    top = (2**bits - 1) * Fraction(2) ** (integer_bits - bits)
    return Fraction(sum(abs(slow.exact(v)) >= top for v in x), len(x))


def moved(batches, bits, integer_bits, limit):
    """format.py's new_range on the mean rates of batches of one size."""
    mean = [sum(rate(x, bits, r) for x in batches) / len(batches) for r in (integer_bits, integer_bits - 1)]
    if mean[0] > Fraction(limit):
        return integer_bits + 1
    return integer_bits if mean[1] > Fraction(limit) else integer_bits - 1


near = st.sampled_from(
    [s * m * 2.0**e for s in (1, -1) for m in (0, 7 / 8, 1, 13 / 16) for e in range(-4, 6)]
)
batch = st.lists(near | st.floats(-20, 20), min_size=4, max_size=4)


@given(st.lists(batch, min_size=1, max_size=12), st.integers(1, 9), st.sampled_from([0, 0.25, 0.1, 1]))
@settings(deadline=None)
def test_ranges_follow_the_rates(batches, bits, limit):
    quantized, observed = (DynamicFixedPoint(bits, 2, limit, every=3) for _ in range(2))
    ranges, waiting = [2, 2], [[], []]
    for x in batches:
        found = quantized.quantize(x)
        wanted = [value(v, bits, ranges[0]) for v in x]
        assert [Fraction(float(v)) for v in found.values] == wanted
        observed.observe(x)
        for i, counted in enumerate((wanted, x)):
            waiting[i].append(counted)
            if len(waiting[i]) == 3:
                ranges[i] = moved(waiting[i], bits, ranges[i], limit)
                waiting[i] = []
        assert [quantized.integer_bits, observed.integer_bits] == ranges


def test_the_limit_is_exact():
    """One in ten thousand is not more than 1e-4, however the rates are added."""
    group = DynamicFixedPoint(every=100)
    for _ in range(100):
        group.observe([1e6] + [20.0] * 9999)
    assert group.integer_bits == 5
    for _ in range(100):
        group.observe([1e6] * 2 + [20.0] * 9998)
    assert group.integer_bits == 6


def test_the_boundary_is_the_largest_value():
    group = DynamicFixedPoint(bits=3, integer_bits=1)
    group.observe(np.array([1.75, -1.75, np.nextafter(1.75, 0), 0.875, np.nextafter(0.875, 0)]))
    assert (group.over, group.over_below, group.seen) == (2, 4, 5)
    rounded = DynamicFixedPoint(bits=3, integer_bits=1)
    rounded.quantize(np.array([1.74, 1.6]))
    assert rounded.over == 1


def test_a_symmetric_range():
    found = DynamicFixedPoint(bits=3, integer_bits=0).quantize([-9, 9, np.inf, -np.inf])
    assert found.codes.tolist() == [-7, 7, 7, -7]
    assert found.format == numfmt.parse("fixed[bits=4,frac=3,symmetric]")


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "int8", "int64", "bool"])
def test_dtypes(dtype):
    group = DynamicFixedPoint(bits=4, integer_bits=1)
    assert group.quantize(np.array([1, 0], dtype)).codes.tolist() == [8, 0]
    assert (group.seen, group.over, group.over_below) == (2, 0, 1)


def test_layouts():
    x = np.linspace(-3, 3, 12).reshape(3, 4)
    x.flags.writeable = False
    one, other = DynamicFixedPoint(integer_bits=1), DynamicFixedPoint(integer_bits=1)
    assert np.array_equal(one.quantize(x).codes.T, other.quantize(np.asfortranarray(x).T).codes)
    assert one == other
    assert DynamicFixedPoint().quantize(1.5).codes.shape == ()


def test_an_empty_batch_counts_for_nothing():
    group = DynamicFixedPoint(every=1)
    assert group.quantize([]).codes.shape == (0,)
    assert group.observe(np.zeros((0, 3))) == DynamicFixedPoint(every=1)


def test_the_point_stops_at_the_ends_of_float64():
    low = DynamicFixedPoint(integer_bits=-900, every=1)
    assert low.observe([0.0]).integer_bits == -900
    high = DynamicFixedPoint(integer_bits=900, every=1)
    assert high.observe([np.inf]).integer_bits == 900
    assert float(high.quantize([np.inf]).values[0]) == 511 * 2.0**891


def test_a_saved_state_goes_on_alike():
    rng = np.random.default_rng(0)
    group = DynamicFixedPoint(bits=5, integer_bits=1, limit=0.01, every=3).observe(rng.standard_normal(99))
    others = [
        DynamicFixedPoint.from_state(json.loads(json.dumps(group.state()))),
        pickle.loads(pickle.dumps(group)),
        copy.copy(group),
    ]
    batches = [rng.standard_normal(50) * 4 for _ in range(7)]
    for x in batches:
        group.observe(x)
    for other in others:
        assert other != group
        for x in batches:
            other.observe(x)
        assert other == group


@pytest.mark.parametrize("bad", [[np.nan], ["a"], [1j]])
def test_an_error_changes_nothing(bad):
    group = DynamicFixedPoint(every=1)
    for call in (group.quantize, group.observe):
        with pytest.raises((ValueError, TypeError)):
            call(bad)
    assert group == DynamicFixedPoint(every=1)
    assert group.quantize([np.nan], nan=0).codes.tolist() == [0]


REFUSED = {
    "bits": ({"bits": 0}, ValueError, "bits must be 1 to 31, got 0"),
    "many bits": ({"bits": 32}, ValueError, "bits must be 1 to 31, got 32"),
    "a far point": ({"integer_bits": 901}, ValueError, "integer_bits must be -900 to 900, got 901"),
    "a negative limit": ({"limit": -1e-4}, ValueError, "limit is a rate, from 0 to 1, got -0.0001"),
    "a percentage": ({"limit": 5}, ValueError, "limit is a rate"),
    "no limit": ({"limit": np.nan}, ValueError, "limit is a rate"),
    "never": ({"every": 0}, ValueError, "every must be at least 1, got 0"),
    "half a batch": ({"every": 0.5}, TypeError, "every must be an integer, got 0.5"),
    "counters": ({"seen": -1}, ValueError, "seen must be at least 0, got -1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_why(case):
    options, error, text = REFUSED[case]
    with pytest.raises(error, match=text):
        DynamicFixedPoint(**options)


def test_another_keyword_is_refused():
    with pytest.raises(TypeError, match="unknown keyword 'scale'"):
        DynamicFixedPoint().quantize([1.0], scale=0.5)
