"""ACIQ: the ratios of the paper's table, solved to more digits; the densities themselves."""

import math

import numpy as np
import pytest

from numfmt.calibration import gauss_ratio, laplace_ratio, sigma_from_range, threshold

LAPLACE = (
    1.04990889, 1.86281686, 2.83068299, 3.89722946, 5.02864014, 6.20476633, 7.41312621, 8.64561998, 9.89675977,
    11.16268502,
)  # fmt: skip
GAUSS = (1.23990527, 1.71063517, 2.15159274, 2.55913646, 2.93620061, 3.28691422, 3.61511422, 3.92403549)
PRINTED = {  # the authors' code, cut to two digits, some rounded
    laplace_ratio: (1.05, 1.86, 2.83, 3.89, 5.03, 6.20, 7.41, 8.64, 9.89),
    gauss_ratio: (None, 1.24, 1.71, 2.15, 2.55, 2.93, 3.28, 3.61, 3.92),
}


def test_laplace():
    assert [round(laplace_ratio(bits), 8) for bits in range(10)] == list(LAPLACE)


def test_gauss():
    assert [round(gauss_ratio(bits), 8) for bits in range(1, 9)] == list(GAUSS)


@pytest.mark.parametrize("ratio", PRINTED)
def test_the_tables_of_the_authors_are_near(ratio):
    for bits, printed in enumerate(PRINTED[ratio]):
        assert printed is None or abs(ratio(bits) - printed) < 0.01


@pytest.mark.parametrize("ratio", PRINTED)
def test_one_sided_data_have_the_step_of_one_bit_more(ratio):
    assert [ratio(b, signed=False) for b in range(9)] == [ratio(b + 1) for b in range(9)]


def laplace_error(a, bits):
    return 2 * math.exp(-a) + a * a / (3 * 4**bits)


def gauss_error(a, bits):
    tail = (1 + a * a) * math.erfc(a / math.sqrt(2)) - a * math.sqrt(2 / math.pi) * math.exp(-a * a / 2)
    return tail + a * a / (3 * 4**bits)


@pytest.mark.parametrize(("ratio", "error"), [(laplace_ratio, laplace_error), (gauss_ratio, gauss_error)])
@pytest.mark.parametrize("bits", range(9))
def test_the_error_is_least_there(ratio, error, bits):
    a = ratio(bits)
    assert error(a, bits) < min(error(a * 0.999, bits), error(a * 1.001, bits))


def test_sigma_from_range():
    sigma = (7.5 - -0.5) * (0.5 * 0.35) * (1 + (math.pi * math.log(4)) ** 0.5) / math.sqrt(2 * math.log(1000))
    assert sigma_from_range(-0.5, 7.5, 1000) == pytest.approx(sigma, rel=1e-14)
    assert sigma_from_range(2.0, 2.0, 1) == 0.0


def test_the_spread_is_that_of_the_elements():
    x = np.random.default_rng(0).laplace(0.5, 2.0, 20_000)
    mean = x.mean()
    wanted = abs(mean) + laplace_ratio(4) * abs(x - mean).mean()
    assert threshold(x, "aciq_laplace", 4) == pytest.approx(wanted, rel=1e-12)
    assert threshold(x, "aciq_gauss", 4) == pytest.approx(abs(mean) + gauss_ratio(4) * x.std(), rel=1e-12)
    estimate = abs(mean) + gauss_ratio(4) * sigma_from_range(x.min(), x.max(), x.size)
    assert threshold(x, "aciq_gauss_range", 4) == pytest.approx(estimate, rel=1e-12)


def test_one_sided_data_are_half_a_density_about_zero():
    x = np.maximum(np.random.default_rng(0).laplace(size=400_000), 0)
    assert threshold(x, "aciq_laplace", 4, signed=False) == pytest.approx(laplace_ratio(5), rel=0.01)
    assert threshold(abs(x), "aciq_gauss", 4, signed=False) == pytest.approx(
        gauss_ratio(5) * math.sqrt((x[x > 0] ** 2).mean()), rel=1e-12
    )


@pytest.mark.parametrize("method", ["aciq_laplace", "aciq_gauss", "aciq_gauss_range"])
def test_never_above_the_largest_magnitude(method):
    assert threshold([1.0, -1.0, 0.5], method, 8) == 1.0


@pytest.mark.parametrize("ratio", PRINTED)
def test_bits_are_counted(ratio):
    with pytest.raises(ValueError, match="bits is an integer from 0 on, got -1"):
        ratio(-1)


def test_one_element_has_no_spread():
    with pytest.raises(ValueError, match="count is an integer from 2 on, got 1"):
        sigma_from_range(0.0, 1.0, 1)
