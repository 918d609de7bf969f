"""Multipliers as integers, and the three ways to multiply by one."""

import numpy as np
import pytest

from gemmlowp import exact
from gemmlowp.hard import INT32S
from numfmt import gemmlowp

MIN, MAX = -(2**31), 2**31 - 1
ROUNDINGS = ("double", "single", "neon")

QUANTIZED = [
    (0.0, 0, 0), (0.25, 2**30, -1), (0.5 - 5e-9, 2147483627, -1), (0.5 - 1e-10, 2**30, 0), (0.5, 2**30, 0),
    (0.75, 1610612736, 0), (1 - 1e-9, 2147483646, 0), (1 + 1e-11, 2**30, 1), (1.25, 1342177280, 1), (1.5, 1610612736, 1),
    (1.75, 1879048192, 1), (2 - 1e-9, 2147483647, 1), (2 - 1e-11, 2**30, 2), (2.0**-31, 2**30, -30),
    (2.0**-32, 2**30, -31), (0.99 * 2.0**-32, 0, 0), (0.00097656, 2147478150, -10), (1e-5, 1407374884, -16),
    (-4.0, -(2**30), 3), (123.45, 2071147315, 7), (0.0078125 * 0.9, 1932735283, -7),
]  # fmt: skip
MULTIPLIED = [  # x, q, shift: double, single, neon
    (1000, MAX, -4, (63, 62, 63)), (-1000, MAX, -4, (-63, -62, -62)), (1, 2**30, -1, (1, 0, 1)),
    (-3, 2**30, -1, (-1, -1, 0)), (-5, 2**30, -2, (-1, -1, 0)), (-2799, 1342177280, -1, (-875, -875, -874)),
    (-818, 2**30, -1, (-205, -204, -204)), (643, 2**30, -2, (81, 80, 81)),
]  # fmt: skip
SINGLE = [
    (1000, MAX, 0, 1000), (1000, 2**30, 0, 500), (1000, 2**30 + 2**27, 0, 563), (-1000, 2**30 + 2**27, 0, -562),
    (1000, MAX, -5, 31), (1000, MAX, -6, 16), (1000, MAX, 1, 2000), (1000, MAX, 2, 4000), (1000, MAX, 3, 8000),
]  # fmt: skip


@pytest.mark.parametrize(("m", "q", "shift"), QUANTIZED)
def test_published_multipliers(m, q, shift):
    assert gemmlowp.quantize_multiplier(m) == (q, shift)


def test_multipliers_are_the_nearest():
    rng = np.random.default_rng(1)
    hard = [
        sign * 2.0**e * (1 + d * 2.0**-32)
        for e in range(-34, 40)
        for d in (-3, -1, 0, 1, 3)
        for sign in (-1, 1)
    ]
    m = np.array([*hard, *(rng.random(500) * 2.0 ** rng.integers(-33, 33, 500)), 5e-324, 1e300])
    q, shift = gemmlowp.quantize_multiplier(m)
    assert (q.dtype, shift.dtype) == (np.int32, np.int32)
    assert list(zip(q.tolist(), shift.tolist(), strict=True)) == [exact.quantized(x) for x in m.tolist()]


def test_multipliers_for_a_single_rounding_are_capped():
    assert gemmlowp.quantize_multiplier(2.0**29, "single") == (2**30, 30)
    assert gemmlowp.quantize_multiplier(2.0**30, "single") == (MAX, 30)
    assert gemmlowp.quantize_multiplier([2.0**40, 0.5], "single")[0].tolist() == [MAX, 2**30]
    assert gemmlowp.quantize_multiplier(2.0**40) == (2**30, 41)


def test_float32_multipliers_are_taken_as_they_are():
    assert gemmlowp.quantize_multiplier(np.float32(0.1)) == exact.quantized(float(np.float32(0.1)))
    assert gemmlowp.quantize_multiplier(3) == (1610612736, 2)
    assert gemmlowp.quantize_multiplier(np.full((2, 3), 0.5))[1].shape == (2, 3)


@pytest.mark.parametrize(("x", "q", "shift", "expected"), MULTIPLIED)
def test_published_products(x, q, shift, expected):
    found = tuple(gemmlowp.multiply_by_quantized_multiplier(x, q, shift, rounding=r) for r in ROUNDINGS)
    assert found == expected
    assert tuple(exact.multiply(x, q, shift, r) for r in ROUNDINGS) == expected


@pytest.mark.parametrize(("x", "q", "shift", "expected"), SINGLE)
def test_published_single_roundings(x, q, shift, expected):
    assert gemmlowp.multiply_by_quantized_multiplier(x, q, shift, "single") == expected


def test_published_products_with_quantized_multipliers():
    q, shift = gemmlowp.quantize_multiplier(0.00097656)
    assert gemmlowp.multiply_by_quantized_multiplier([10000, -10000], q, shift).tolist() == [10, -10]
    assert gemmlowp.multiply_by_quantized_multiplier(MIN, *gemmlowp.quantize_multiplier(1e-5)) == -21475


SHIFTS = [-31, -30, -17, -8, -2, -1, 0, 1, 2, 8, 15, 29, 30]
FACTORS = [0, 1, 2**30 - 1, 2**30, 2**30 + 1, 1342177280, 1932735283, MAX]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_products_of_hard_numbers(rounding):
    negative = [] if rounding == "single" else [MIN, MIN + 1, -(2**30), -1]
    for shift in SHIFTS:
        for q in FACTORS + negative:
            found = gemmlowp.multiply_by_quantized_multiplier(INT32S, q, shift, rounding)
            assert found.tolist() == [exact.multiply(x, q, shift, rounding) for x in INT32S.tolist()]


def test_single_and_double_differ_by_one_at_most():
    x = np.random.default_rng(2).integers(MIN, MAX, 100_000, dtype=np.int32)
    for shift in range(-20, 1):
        by = [
            gemmlowp.multiply_by_quantized_multiplier(x, 1932735283, shift, r).astype(np.int64)
            for r in ROUNDINGS
        ]
        assert max(abs(by[0] - by[1]).max(), abs(by[2] - by[1]).max()) <= 1


def test_a_multiplier_for_each_number():
    q, shift = gemmlowp.quantize_multiplier([0.5, 0.25, 3.0])
    found = gemmlowp.multiply_by_quantized_multiplier(np.full((2, 3), 1001), q, shift)
    assert found.tolist() == [[501, 251, 3003]] * 2


def test_int64_accumulators():
    assert gemmlowp.multiply_int64_by_quantized_multiplier(2**47 - 1, MAX, -31) == 65534
    far = [2**k + d for k in range(47) for d in (-1, 0, 1)]
    xs = [*far, *(-x for x in far), -(2**47), 2**47 - 1]
    for shift in (-31, -16, -5, -1, 0, 3, 7):
        for q in [0, 1, 2**15 - 1, 2**15, 2**30, 1932735283, 0x7FFEFFFF, 0x7FFF0000, MAX]:
            found = gemmlowp.multiply_int64_by_quantized_multiplier(xs, q, shift)
            assert found.tolist() == [exact.multiply_int64(x, q, shift) for x in xs]


def test_inverse_square_roots():
    assert gemmlowp.inverse_sqrt_multiplier(2) == (1518498372, 0)
    assert gemmlowp.inverse_sqrt_multiplier(4) == (1073741828, 0)
    assert gemmlowp.inverse_sqrt_multiplier(0) == gemmlowp.inverse_sqrt_multiplier(1) == (MAX, 0)
    for x in [2, 3, 5, 1000, 2**29 - 1, 2**29, 2**29 + 1, 2**30, MAX]:
        q, shift = gemmlowp.inverse_sqrt_multiplier(x)
        assert abs(q * 2.0 ** (shift - 31) * x**0.5 - 1) < 1e-5


def test_softmax_helpers():
    assert gemmlowp.softmax_scaling(1.0, 16.0, 4) == (2147483647, 31)
    assert gemmlowp.softmax_scaling(1.0, 8.0, 4) == (1073741824, 31)
    radii = [gemmlowp.input_radius(*a) for a in ((4, 27), (3, 27), (3, 28), (4, 2))]
    assert radii == [15, 14, 7, 503316480]
