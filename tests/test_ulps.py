"""`assert_ulp`: distances at the limit, at the ends of a format, among specials."""

import math
from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt.testing import assert_ulp


def message(*args, **how):
    with pytest.raises(AssertionError) as caught:
        assert_ulp(*args, **how)
    return str(caught.value)


@pytest.mark.parametrize("spec", ["e4m3fn", "e5m2", "bf16", "f16", "f32", "f64", "int8", "e4m3fnuz"])
def test_nearest_keeps_half_an_ulp_and_truncation_one(spec):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(400) * 30
    assert_ulp(numfmt.encode(x, spec), x, spec)
    down = numfmt.encode(x, spec, rounding="rtz")
    assert_ulp(down, x, spec, max_ulp=1)
    if spec != "f64":  # which holds them all
        assert "more than 0.5 ulp" in message(down, x, spec)


def test_the_limit_itself_is_allowed_and_no_more():
    tie = Fraction(17)
    assert_ulp([18.0], [tie], "e4m3fn")
    assert "the worst 0.5 ulp" in message([18.0], [tie - Fraction(1, 10**40)], "e4m3fn")
    assert "more than 0.5 ulp" in message([18.0], [math.nextafter(17.0, 0)], "e4m3fn")
    assert_ulp([18.0], [17.0], "e4m3fn", max_ulp=0.5)


def test_float64_results_are_compared_with_more_than_float64():
    third = Fraction(1, 3)
    assert_ulp([1 / 3], [third], "f64")
    assert "more than 0.5 ulp" in message([math.nextafter(1 / 3, 1)], [third], "f64")


def test_infinity_counts_as_the_next_number():
    assert_ulp([math.inf], [65520.0], "f16")
    assert_ulp([math.inf], [65535.0], "f16")
    assert "more than 0.5 ulp" in message([math.inf], [65519.0], "f16")
    assert_ulp([math.nan], [465.0], "e4m3fn")
    assert "inf ulp" in message([math.nan], [440.0], "e4m3fn")


@pytest.mark.parametrize(
    ("actual", "exact"),
    [(math.nan, 1.0), (1.0, math.nan), (1.0, math.inf), (math.inf, -math.inf), (math.nan, math.inf)],
)
def test_specials_go_with_their_own_kind(actual, exact):
    assert "inf ulp" in message([actual], [exact], "f16")


def test_specials_that_agree():
    assert_ulp([math.nan, math.inf, -math.inf, 0.0, -0.0], [math.nan, math.inf, -math.inf, -0.0, 0.0], "f16")


def test_message():
    text = message(np.array([[0x38, 0x3A]], np.uint8), [[1.0, 1.0]], "e4m3fn", max_ulp=1)
    assert text.splitlines() == [
        "1 of 2 elements is more than 1 ulp from the exact result in e4m3fn, the worst 2 ulp at (0, 1)",
        "  at (0, 1), 2 ulp:",
        "    actual    0x3A  0|0111|010  1.25",
        "    exact     1",
    ]


def test_shapes_and_limits():
    assert "shapes differ" in message([1.0], 1.0, "f16")
    for limit in (-1, math.nan):
        with pytest.raises(ValueError, match="max_ulp is a number"):
            assert_ulp([1.0], [1.0], "f16", max_ulp=limit)
    assert_ulp([1.0], [2.0], "f16", max_ulp=math.inf)
    assert_ulp([], [], "f16")
