"""exp, logistic and tanh in fixed point: results of the C++ code, and Python integers."""

import numpy as np
import pytest

from gemmlowp import exact
from gemmlowp.hard import INT16S, INT32S
from numfmt import gemmlowp

MIN, MAX = -(2**31), 2**31 - 1

EXP = {
    0: {
        0: 2147483647, -1: 2147483155, -(2**20): 2146434846, -(2**28): 1895147668, -(2**29): 1672462419,
        -(2**29) - 1: 1672461563, -(2**30): 1302515042, MIN: 790015308, -123456789: 2027508506,
        -1000000000: 1348018220,
    },
    5: {
        -1: 2147483124, -16777216: 1672462419, -33554432: 1302515042, -67108864: 790015308, -134217728: 290630390,
        -268435456: 39332546, -671088640: 97496, -2080374784: 0, -123456789: 341177383, -1000000000: 725,
    },
    6: {-1: 2147483093, -33554432: 790015308, -1040187392: 0, -1040187393: 0, MIN: 0},
}  # fmt: skip
LOGISTIC_TANH = {
    4: {
        1: (1073741948, 260), -1: (1073741699, -260), 2**27: (1569936226, 1635510876),
        -(2**27): (577547421, -1635510876), 2**26: (1336721090, 992388804), -(2**26): (810762557, -992388804),
        2**28: (1891497262, 2070233436), 2**29: (2108858542, 2146043336), MAX: (2147483406, 2147483647),
        MIN: (241, -2147483647), 123456789: (1535464548, 1558674772), 1000000000: (2146236460, 2147482200),
        0: (2**30, 0),
    },
    3: {
        1: (1073741944, 248), 2**27: (1336721090, 992388804), 2**26: (1207264694, 525958532),
        MAX: (2146763492, 2147483164), MIN: (720155, -2147483164), 123456789: (1316393258, 923445448),
    },
    0: {
        1: (1073741948, 248), 2**27: (1107285342, 134043240), 2**29: (1207264694, 525958532),
        MAX: (1569936226, 1635510876), 123456789: (1104597526, 123320952),
    },
}  # fmt: skip
LOGISTIC_TANH_16 = {
    3: {
        0: (16384, 0), 1: (16384, 8), -1: (16383, -8), 2048: (20400, 15136), -2048: (12367, -15136), 4096: (23952, 24964),
        8192: (28866, 31596), 12345: (31236, 32616), -12345: (1531, -32616), 32767: (32756, 32767),
        -32768: (11, -32767),
    },
    4: {1: (16388, 24), 12345: (32692, 32767)},
}  # fmt: skip
EXP_16 = {
    3: {-1: 32760, -2048: 19875, -4096: 12055, -8192: 4435, -12345: 1609, -32768: 11},
    4: {-1: 32752, -12345: 79},
}
RECIPROCAL = {0: 2147483647, 2**29: 1717986914, 2**30: 1431655762, 3 * 2**29: 1227133516, MAX: 1073741820}
RATIO = {2**29: 1288490180, 2**30: 715827876, 3 * 2**29: 306783384, MAX: -8}


def raws(table, dtype):
    return np.array(list(table), dtype), list(table.values())


@pytest.mark.parametrize("bits", EXP)
def test_published_exps(bits):
    a, expected = raws(EXP[bits], np.int32)
    assert gemmlowp.exp_on_negative_values(a, bits).tolist() == expected


@pytest.mark.parametrize("bits", EXP_16)
def test_published_exps_of_16_bits(bits):
    a, expected = raws(EXP_16[bits], np.int16)
    found = gemmlowp.exp_on_negative_values(a, bits)
    assert found.dtype == np.int16
    assert found.tolist() == expected


def test_published_exp_within_a_quarter():
    assert exact.exp_quarter(exact.Fixed(-12345678, 0)).raw == 2135173001
    assert gemmlowp.exp_on_negative_values(-12345678, 0) == 2135173001


@pytest.mark.parametrize("bits", LOGISTIC_TANH)
def test_published_logistics_and_tanhs(bits):
    a, expected = raws(LOGISTIC_TANH[bits], np.int32)
    found = gemmlowp.logistic(a, bits).tolist(), gemmlowp.tanh(a, bits).tolist()
    assert list(zip(*found, strict=True)) == expected


@pytest.mark.parametrize("bits", LOGISTIC_TANH_16)
def test_published_logistics_and_tanhs_of_16_bits(bits):
    a, expected = raws(LOGISTIC_TANH_16[bits], np.int16)
    found = gemmlowp.logistic(a, bits).tolist(), gemmlowp.tanh(a, bits).tolist()
    assert list(zip(*found, strict=True)) == expected
    assert gemmlowp.logistic(np.int16(-12345), 4) == 75


def test_published_divisions():
    a, expected = raws(RECIPROCAL, np.int32)
    assert gemmlowp.one_over_one_plus_x(a).tolist() == expected
    a, expected = raws(RATIO, np.int32)
    assert gemmlowp.one_minus_x_over_one_plus_x(a).tolist() == expected


A32, A16 = INT32S, INT16S
WIDTHS = [pytest.param(A32, 32, id="int32"), pytest.param(A16, 16, id="int16")]


@pytest.mark.parametrize(("a", "width"), WIDTHS)
def test_against_python_integers(a, width):
    for bits in range(width - 3):
        below = a[a <= 0]
        numbers = [exact.Fixed(x, bits, width) for x in a.tolist()]
        found = gemmlowp.exp_on_negative_values(below, bits).tolist()
        assert found == [exact.exp(x).raw for x in numbers if x.raw <= 0]
        assert gemmlowp.logistic(a, bits).tolist() == [exact.logistic(x).raw for x in numbers]
        if bits < width - 4:
            assert gemmlowp.tanh(a, bits).tolist() == [exact.tanh(x).raw for x in numbers]


@pytest.mark.parametrize(("a", "width"), WIDTHS)
def test_divisions_against_python_integers(a, width):
    a = np.abs(a[a > a.min()])
    numbers = [exact.Fixed(x, 0, width) for x in a.tolist()]
    assert gemmlowp.one_over_one_plus_x(a).tolist() == [exact.reciprocal(x).raw for x in numbers]
    assert gemmlowp.one_minus_x_over_one_plus_x(a).tolist() == [exact.ratio(x).raw for x in numbers]


@pytest.mark.parametrize("bits", [0, 3, 6])
def test_every_int16(bits):
    """Near the real functions: as near as gemmlowp's own tests ask."""
    a = np.arange(-32768, 32768, dtype=np.int16)
    real = gemmlowp.to_double(a, bits)
    negative = a[a <= 0]
    exps = gemmlowp.exp_on_negative_values(negative, bits).astype(int)
    assert abs(exps - np.exp(real[a <= 0]) * 32768).max() <= 2.5
    assert abs(gemmlowp.logistic(a, bits).astype(int) - 32768 / (1 + np.exp(-real))).max() <= 6.5
    assert abs(gemmlowp.tanh(a, bits).astype(int) - 32768 * np.tanh(real)).max() <= 12.5


def test_reals_and_raws():
    assert gemmlowp.from_double([-1.0, 1.0, 0.0], 0).tolist() == [MIN, MAX, 0]
    assert gemmlowp.from_double([1.5, -1.5, 0.5, -0.5, 0.49999999999999994], 31).tolist() == [2, -2, 1, -1, 0]
    assert gemmlowp.from_double(2.0, 3, bits=16) == np.int16(8192)
    assert gemmlowp.from_double([1e300, -np.inf], 5).tolist() == [MAX, MIN]
    every = np.arange(-32768, 32768, dtype=np.int16)
    for bits in range(16):
        assert np.array_equal(gemmlowp.from_double(gemmlowp.to_double(every, bits), bits, bits=16), every)
