"""High products and rounding shifts: published results, and Python integers."""

import itertools

import numpy as np
import pytest

from gemmlowp import exact
from gemmlowp.hard import INT16S, INT32S
from numfmt import gemmlowp
from numfmt.gemmlowp.primitives import nearest_away

MIN, MAX = -(2**31), 2**31 - 1

# as the C++ code gives them
HIGH_PRODUCTS = [
    (MIN, MIN, MAX), (MIN, MAX, -MAX), (MAX, MAX, MAX - 1), (MIN, 1, -1), (MIN, -1, 1), (1, 2**30, 1), (-1, 2**30, 0),
    (3, 2**30, 2), (-3, 2**30, -1), (1000, 1207959552, 563), (-1000, 1207959552, -562),
    (123456789, -987654321, -56779306), (MIN, 2**30, -(2**30)), (2**15, 2**15, 1), (-(2**15), 2**15, 0),
    (5, 2**29, 1), (-5, 2**29, -1), (-6, 2**29, -1), (-7, 2**29, -2),
]  # fmt: skip
HIGH_PRODUCTS_16 = [
    (-32768, -32768, 32767), (-32768, 32767, -32767), (32767, 32767, 32766), (1, 16384, 1), (-1, 16384, 0),
    (3, 16384, 2), (-3, 16384, -1), (12345, -6789, -2558),
]  # fmt: skip
SHIFTED = {  # x = -8 ... 8
    1: [-4, -4, -3, -3, -2, -2, -1, -1, 0, 1, 1, 2, 2, 3, 3, 4, 4],
    2: [-2, -2, -2, -1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2],
    3: [-1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
}
FAR_SHIFTED = [
    (MIN, 31, -1), (MAX, 31, 1), (2**30, 31, 1), (-(2**30), 31, -1), (2**30 - 1, 31, 0), (MAX, 1, 2**30), (MAX, 30, 2),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "expected"), HIGH_PRODUCTS)
def test_published_high_products(a, b, expected):
    assert gemmlowp.saturating_rounding_doubling_high_mul(a, b) == expected
    assert exact.srdhm(a, b) == expected


@pytest.mark.parametrize(("a", "b", "expected"), HIGH_PRODUCTS_16)
def test_published_high_products_of_16_bits(a, b, expected):
    found = gemmlowp.saturating_rounding_doubling_high_mul(np.int16(a), np.int16(b))
    assert found == expected
    assert found.dtype == np.int16
    assert exact.srdhm(a, b, 16) == expected


@pytest.mark.parametrize("e", SHIFTED)
def test_published_rounding_shifts(e):
    assert gemmlowp.rounding_divide_by_pot(np.arange(-8, 9, dtype=np.int32), e).tolist() == SHIFTED[e]


@pytest.mark.parametrize(("x", "e", "expected"), FAR_SHIFTED)
def test_published_far_shifts(x, e, expected):
    assert gemmlowp.rounding_divide_by_pot(x, e) == expected


def test_high_products_of_hard_numbers():
    found = gemmlowp.saturating_rounding_doubling_high_mul(INT32S[:, None], INT32S)
    expected = [[exact.srdhm(a, b) for b in INT32S.tolist()] for a in INT32S.tolist()]
    assert found.tolist() == expected


def truncating(a, b):
    return a // b if (a < 0) == (b < 0) else -(-a // b)


def test_the_source_adds_a_nudge_and_truncates():
    """The form in which fixedpoint.h writes it, on two thousand products."""
    rng = np.random.default_rng(0)
    for a, b in rng.integers(MIN, MAX, (2000, 2), endpoint=True).tolist():
        nudge = 2**30 if a * b >= 0 else 1 - 2**30
        assert gemmlowp.saturating_rounding_doubling_high_mul(a, b) == truncating(a * b + nudge, 2**31)


def test_16_bit_high_products():
    b = np.int16([-32768, -32767, -16385, -16384, -3, -1, 0, 1, 16383, 16384, 32767])
    a = np.arange(-32768, 32768, dtype=np.int16)
    for factor in b.tolist():
        found = gemmlowp.saturating_rounding_doubling_high_mul(a, np.int16(factor))
        assert found.dtype == np.int16
        assert found.tolist() == [exact.srdhm(x, factor, 16) for x in a.tolist()]


@pytest.mark.parametrize("e", range(32))
def test_shifts_of_hard_numbers(e):
    xs = INT32S.tolist()
    assert gemmlowp.rounding_divide_by_pot(INT32S, e).tolist() == [exact.rdpot(x, e) for x in xs]
    up = [exact.half_up(x, 2**e) for x in xs]
    assert gemmlowp.vrshl(INT32S, -e).tolist() == up
    assert gemmlowp.vrshl(INT32S, e).tolist() == [exact.wrap(x * 2**e) for x in xs]
    for places in (e, -e):
        expected = [exact.by_pot(x, places) for x in xs]
        assert gemmlowp.saturating_rounding_multiply_by_pot(INT32S, places).tolist() == expected


@pytest.mark.parametrize("e", range(16))
def test_16_bit_shifts(e):
    xs = INT16S.tolist()
    found = gemmlowp.rounding_divide_by_pot(INT16S, e)
    assert found.dtype == np.int16
    assert found.tolist() == [exact.rdpot(x, e) for x in xs]
    assert gemmlowp.saturating_rounding_multiply_by_pot(INT16S, e).tolist() == [
        exact.by_pot(x, e, 16) for x in xs
    ]
    assert gemmlowp.vrshl(INT16S, e).tolist() == [exact.wrap(x * 2**e, 16) for x in xs]


def test_an_exponent_for_each_number():
    x, e = np.int32([-6, -6, 7]), np.array([1, 2, 31])
    assert gemmlowp.rounding_divide_by_pot(x, e).tolist() == [-3, -2, 0]
    assert gemmlowp.saturating_rounding_multiply_by_pot(x, [30, -2, 1]).tolist() == [MIN, -2, 14]


def test_half_sums():
    pairs = list(itertools.product(INT32S.tolist(), repeat=2))
    a, b = np.int32(pairs).T
    found = gemmlowp.rounding_half_sum(a, b).tolist()
    assert found == [exact.half_away(x + y, 2) for x, y in pairs]
    assert gemmlowp.vrhadd(a, b).tolist() == [(x + y + 1) >> 1 for x, y in pairs]
    assert (gemmlowp.rounding_half_sum(0, -1), gemmlowp.vrhadd(0, -1)) == (-1, 0)


def test_scalars_in_scalars_out():
    assert isinstance(gemmlowp.rounding_divide_by_pot(7, 1), np.int32)
    assert gemmlowp.saturating_rounding_doubling_high_mul(np.zeros((0, 3), np.int32), 1).shape == (0, 3)


def test_the_nearest_integer_of_a_float():
    """Halves and their neighbours, up to where every float64 is an integer."""
    halves = [n / 2 for e in range(55) for n in (2**e - 1, 2**e, 2**e + 1)]
    near = [np.nextafter(h, to) for h in halves for to in (-np.inf, np.inf)]
    for x in (*halves, *map(float, near)):
        for t in (x, -x):
            assert nearest_away(t) == exact.half_away(*t.as_integer_ratio()), t
    assert nearest_away(np.array([np.inf, -np.inf])).tolist() == [np.inf, -np.inf]
