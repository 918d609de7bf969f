"""PWLQ: the table of break points, errors against integrals, grids against plain code, the search against all."""

import math
from fractions import Fraction

import numpy as np
import pytest

from numfmt.quantizers import (
    pwlq,
    pwlq_breakpoint,
    pwlq_expected_error,
    pwlq_search,
    uniform_expected_error,
)

# range in standard deviations: normal, exact and fitted; Laplace, exact and fitted
BREAKPOINTS = {
    2: (0.88236, 0.84620, 0.80903, 0.81900),
    3: (1.15833, 1.16071, 1.06777, 1.07424),
    4: (1.39203, 1.39961, 1.29087, 1.28941),
    5: (1.58893, 1.59230, 1.48651, 1.47898),
    6: (1.75468, 1.75380, 1.66014, 1.65037),
    8: (2.01502, 2.01482, 1.95640, 1.95468),
    10: (2.20960, 2.22161, 2.20196, 2.22277),
}
ERRORS = {
    4: (3.13502e-3, 1.33333e-2),
    5: (6.82739e-4, 3.12175e-3),
    6: (1.59850e-4, 7.55858e-4),
}  # bits: PWLQ, uniform
GRIDS = [(profile, overlapping) for profile in ("paper", "repo") for overlapping in (False, True)]
FUNCTIONS = {
    "gauss": lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "laplace": lambda x: np.exp(-math.sqrt(2) * abs(x)) / math.sqrt(2),
}


def nearest(x, step, first, last):
    """The integer of `first ... last` whose multiple of the step is nearest to x, a tie to the even one."""
    return min(max(round(x / step), first), last) * step


def plain(x, bits, p, m, profile, overlapping):
    """One element in fractions, region by region as each source writes it."""
    x = min(max(x, -m), m)
    if profile == "paper":
        steps, size, sign = 2 ** (bits - 1) - 1, abs(x), -1 if x < 0 else 1
        if size <= p:
            return sign * nearest(size, p / steps, 0, steps)
        low = 0 if overlapping else p
        return sign * (low + nearest(size - low, (m - low) / steps, 0, steps))
    half = 2 ** (bits - 1)
    if -p < x < p:
        return nearest(x, 2 * p / (2**bits - 1), -half, half - 1)
    if overlapping:
        return nearest(x, 2 * m / (2**bits - 1), -half, half - 1)
    low = -m if x < 0 else p
    return low + nearest(x - low, (m - p) / (half - 1), 0, half - 1)


def hard_numbers(p, m):
    """Multiples of a fine step, the break points and the ends; beside them, as near as float64 sees from m."""
    at = np.concatenate([np.arange(-600, 601) / 128.0, [p, -p, m, -m, 0.0]])
    return np.concatenate([at, at + 2.0**-40, at - 2.0**-40])


@pytest.mark.parametrize(("profile", "overlapping"), GRIDS)
@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_values_are_those_of_the_sources(profile, overlapping, bits):
    """Break point and range with steps that are exact in float64 where the grid has 2**n - 1 of them."""
    unit = (2 ** (bits - 1) - 1) * (2**bits - 1)
    p, m = unit / 64.0, 3 * unit / 64.0
    x = hard_numbers(p, m)
    found = pwlq(x, bits, p, m, profile=profile, overlapping=overlapping)
    wanted = [plain(Fraction(v), bits, Fraction(p), Fraction(m), profile, overlapping) for v in x.tolist()]
    assert found.tolist() == [float(v) for v in wanted]


@pytest.mark.parametrize("m", BREAKPOINTS)
def test_breakpoints(m):
    pairs = [(law, method) for law in ("gauss", "laplace") for method in ("exact", "approximate")]
    found = [pwlq_breakpoint(m, law, method=method) for law, method in pairs]
    assert found == [pytest.approx(v, abs=5.01e-6) for v in BREAKPOINTS[m]]


@pytest.mark.parametrize("bits", ERRORS)
def test_expected_errors(bits):
    p = pwlq_breakpoint(3, method="approximate")
    piecewise, uniform = ERRORS[bits]
    assert pwlq_expected_error("gauss", bits, p, 3) == pytest.approx(piecewise, rel=3e-6)
    assert uniform_expected_error(bits, 3) == pytest.approx(uniform, rel=3e-6)


def even_error(law, bits, p, m, low):
    """The mean of step**2 / 12, the fine step within p and the coarse one beyond, from `low` to m."""
    x = (np.arange(400_000) + 0.5) / 400_000 * m
    weight = FUNCTIONS[law](x)
    steps = np.where(x <= p, p, m - low) / (2 ** (bits - 1) - 1)
    return float((steps**2 / 12 * weight).sum() / weight.sum())


@pytest.mark.parametrize("law", FUNCTIONS)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_formula_is_the_integral(law, bits):
    for m, p in ((2.0, 0.9), (3.0, 1.1), (6.0, 2.9), (6.0, 5.0)):
        assert pwlq_expected_error(law, bits, p, m) == pytest.approx(even_error(law, bits, p, m, p), rel=1e-5)


@pytest.mark.parametrize("law", FUNCTIONS)
@pytest.mark.parametrize("overlapping", [False, True])
def test_the_break_point_is_the_best(law, overlapping):
    """Of the integral that the paper takes: nothing lies beyond m, and F and f are those of the whole law."""
    for m in (3.0, 5.0, 8.0):
        x = (np.arange(300_000) + 0.5) / 300_000 * m
        below = 2 * np.cumsum(FUNCTIONS[law](x)) * m / 300_000
        p = x + m / 600_000
        errors = p**2 * below + (m - (0.0 if overlapping else p)) ** 2 * (1 - below)
        assert pwlq_breakpoint(m, law, overlapping=overlapping) == pytest.approx(
            p[np.argmin(errors)], abs=2e-3
        )


@pytest.mark.parametrize("law", ["normal", "laplace"])
def test_the_error_on_data_is_near_the_expected_one(law):
    x = getattr(np.random.default_rng(4), law)(scale=1 if law == "normal" else math.sqrt(0.5), size=200_000)
    m, name = 4.0, {"normal": "gauss"}.get(law, law)
    x, p = x[abs(x) <= m], pwlq_breakpoint(m, name)
    for bits in (5, 6, 8):
        error = np.mean((pwlq(x, bits, p, m) - x) ** 2)
        assert error == pytest.approx(pwlq_expected_error(name, bits, p, m), rel=0.05)


def test_less_than_the_bound_of_the_uniform_error():
    for bits, bound in ((2, 9 / 16), (4, 0.2870)):
        for m in (2.0, 3.0, 5.0, 10.0):
            ratio = pwlq_expected_error("gauss", bits, pwlq_breakpoint(m), m) / uniform_expected_error(
                bits, m
            )
            assert ratio < bound + 5e-5


def squared(x, bits, p, profile, overlapping):
    away = pwlq(x, bits, p, profile=profile, overlapping=overlapping) - x
    return float(np.mean(away * away))


@pytest.mark.parametrize(("profile", "overlapping"), GRIDS)
def test_the_search_takes_the_best_of_what_it_tries(profile, overlapping):
    rng = np.random.default_rng(12)
    for x in (rng.normal(size=400), rng.laplace(size=401), rng.uniform(-1, 1, 300)):
        found, m = pwlq_search(x, 4, profile=profile, overlapping=overlapping), float(abs(x).max())
        errors = {r: squared(x, 4, r / 1000 * m, profile, overlapping) for r in range(1, 1000)}
        first = min(range(100, 1000, 100), key=errors.get)
        second = min(
            [first, *(r for r in range(first - 100, first + 101, 10) if r in errors)], key=errors.get
        )
        third = min([second, *(r for r in range(second - 10, second + 11) if r in errors)], key=errors.get)
        assert (found.p, found.m) == (third / 1000 * m, m)
        assert found.mse == errors[third] <= 1.2 * min(errors.values())


@pytest.mark.parametrize(("profile", "overlapping"), GRIDS)
def test_only_overlapping_grids_break_the_order(profile, overlapping):
    falls = np.diff(pwlq(np.linspace(-3, 3, 2001), 4, 0.95, profile=profile, overlapping=overlapping)) < 0
    assert falls.any() == overlapping


def test_any_shape_and_layout():
    x = np.random.default_rng(1).normal(size=(8, 6)).astype(np.float32)
    found = pwlq(x, 4, 0.9)
    assert found.shape == (8, 6)
    assert found.dtype == np.float64
    for other in (x.T, np.asfortranarray(x).T):
        assert (pwlq(other, 4, 0.9) == found.T).all()
    assert (pwlq(x[::-1], 4, 0.9) == found[::-1]).all()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pwlq([], 4, 1.0), "without elements"),
        (lambda: pwlq([1.0, math.nan], 4, 0.5), "element 1 of 2 is nan"),
        (lambda: pwlq([0.0, 0.0], 4, 0.5), "data are all zero"),
        (lambda: pwlq([1.0], 4, 1.0), "between 0 and m, got p = 1.0 and m = 1.0"),
        (lambda: pwlq([1.0], 4, 0.0), "between 0 and m"),
        (lambda: pwlq([1.0], 4, math.nan), "between 0 and m"),
        (lambda: pwlq([1.0], 4, 0.5, math.inf), "finite number above 0, got inf"),
        (lambda: pwlq([1.0], 4, 0.5, -1.0), "finite number above 0, got -1.0"),
        (lambda: pwlq([1.0], 1, 0.5), "bits is an integer from 2 to 16"),
        (lambda: pwlq([1.0], 17, 0.5), "2 to 16, got 17"),
        (lambda: pwlq([1.0], 4, 0.5, profile="code"), "one of paper, repo; got 'code'"),
        (lambda: pwlq_search([0.0], 4), "data are all zero"),
        (lambda: pwlq_breakpoint(0.0), "finite number above 0"),
        (lambda: pwlq_breakpoint(3.0, "uniform"), "one of gauss, laplace; got 'uniform'"),
        (lambda: pwlq_breakpoint(3.0, method="fit"), "'exact', or 'approximate'.*got 'fit'"),
        (lambda: pwlq_breakpoint(3.0, method="approximate", overlapping=True), "for overlapping ones"),
        (lambda: pwlq_breakpoint(0.1, method="approximate"), "some standard deviations, and m is 0.1"),
        (lambda: pwlq_expected_error("gauss", 4, 3.0, 2.0), "between 0 and m"),
    ],
)
def test_bad_input(call, error):
    with pytest.raises(ValueError, match=error):
        call()
