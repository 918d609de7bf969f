"""Squared errors: the formula against sums over points, searches against plain ones and PyTorch's."""

import numpy as np
import pytest

from numfmt.calibration import (
    Histogram,
    least_squares,
    least_squares_of_middles,
    mean_squared_errors,
    range_of_least_squares,
    threshold,
)
from numfmt.calibration.histograms import Samples


def lost(x, t, bits, signed=True):
    """Mean squared error of quantizing the elements themselves."""
    code = 2 ** (bits - signed) - 1
    s = t / code
    return np.mean((x - s * np.clip(np.rint(x / s), -code, code)) ** 2)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_the_integral_is_a_sum_over_many_points(bits, signed):
    counts = np.random.default_rng(bits).integers(1, 50, 12)
    points = np.concatenate([(np.arange(4000) + 0.5) / 4000 + i for i in range(12)]) / 4
    weights = np.repeat(counts / 4000, 4000)
    for t in (0.1, 1.0, 1.3, 2.9999, 3.0, 4.0):
        total = mean_squared_errors(Histogram(counts, width=0.25), [t], bits, signed).sum()
        code = 2 ** (bits - signed) - 1
        away = points - t / code * np.minimum(np.rint(points * code / t), code)
        assert total == pytest.approx(np.average(away**2, weights=weights), rel=1e-4)


def test_rounding_and_clipping_are_told_apart():
    rounding, clipping = mean_squared_errors(Histogram([0, 0, 1]), [1.0, 2.0, 3.0], bits=2)
    assert clipping == pytest.approx([7 / 3, 1 / 3, 0])
    assert rounding == pytest.approx([0, 0, 1 / 3])


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("kind", ["normal", "laplace", "uniform", "outliers"])
def test_mse_is_as_good_as_trying_many_thresholds(bits, kind):
    rng = np.random.default_rng(5)
    x = {
        "normal": rng.normal(size=50_000),
        "laplace": rng.laplace(size=50_000),
        "uniform": rng.uniform(-1, 1, 50_000),
        "outliers": np.append(rng.normal(size=50_000), [30, -40]),
    }[kind]
    tried = min(lost(x, k / 400 * abs(x).max(), bits) for k in range(1, 401))
    assert lost(x, threshold(x, "mse", bits), bits) <= tried * 1.01


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 5, 8, 11, 13])
def test_mse_is_the_least_of_all_bin_edges(bits, signed):
    rng = np.random.default_rng(bits)
    for counts in (
        Samples(rng.standard_t(3, 5000)).magnitudes().counts, rng.integers(0, 50, 700), np.full(2100, 7), [3],
        np.append(np.full(9, 10**9), np.zeros(2000, int)) + (np.arange(2009) == 2008), [0, 1], np.arange(500),
    ):  # fmt: skip
        histogram = Histogram(counts, width=0.25)
        edges = np.arange(1, len(counts) + 1) * 0.25
        wanted = edges[np.argmin(mean_squared_errors(histogram, edges, bits, signed).sum(axis=0))]
        assert least_squares(histogram, bits, signed) == wanted


def test_zeros_cost_nothing():
    rng = np.random.default_rng(1)
    assert mean_squared_errors(Histogram([8, 4], zeros=5), [1.0]) == pytest.approx(
        mean_squared_errors(Histogram([3, 4]), [1.0]) * 7 / 12
    )
    x = np.append(rng.normal(size=10_000), np.zeros(10**6))
    assert threshold(x, "mse", 4) == threshold(x[:10_000], "mse", 4)


@pytest.mark.parametrize("bits", [4, 8])
def test_middles_by_the_plain_algorithm(bits):
    counts = np.random.default_rng(2).integers(0, 9, 300) * np.arange(300, 0, -1) ** 2
    middles, code = (np.arange(300) + 0.5) * 0.5, 2 ** (bits - 1) - 1
    errors = {}
    for amax in middles[128:]:
        quantized = np.clip(np.round(middles * (code / amax)), -code, code) / (code / amax)
        errors[amax] = (counts * (quantized - middles) ** 2).mean()
    wanted = min(errors, key=errors.get)
    assert least_squares_of_middles(Histogram(counts, width=0.5), bits) == wanted


def test_at_most_the_largest_magnitude():
    histogram = Histogram([5, 5, 5], largest=2.5)
    assert least_squares(histogram, 8) == 2.5
    assert least_squares_of_middles(histogram, 8) == 2.5


def histograms():
    rng = np.random.default_rng(7)
    yield "normal", rng.normal(size=30_000)
    yield "relu", np.maximum(rng.normal(size=30_000), 0)
    yield "laplace", rng.laplace(size=30_000)
    yield "heavy tails", rng.standard_t(2, size=30_000)
    yield "whole elements a step", rng.standard_t(3, size=100_000)
    yield "ten elements a step", rng.laplace(size=1_000_000)
    for seed in (6, 14, 27):
        rng = np.random.default_rng(seed)
        counts = rng.integers(0, 6, 200) * rng.integers(0, 2, 200)
        counts[60:140] += rng.integers(0, 2000, 80)
        counts[100] += -counts.sum() % 100_000  # the bounds of a step are met exactly
        yield f"exact bounds {seed}", np.repeat(np.arange(200.0), counts)
    yield "one outlier", np.append(rng.normal(size=30_000), 40)
    yield "far from zero", rng.gamma(3, size=30_000) + 100
    for seed in range(12):
        rng = np.random.default_rng(seed)
        yield (
            f"sum {seed}",
            np.concatenate([rng.normal(m, s, 3000) for m, s in rng.normal(0, 3, (4, 2)) ** 2]),
        )


@pytest.mark.parametrize(("name", "x"), list(histograms()), ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("bits", [4, 8])
def test_l2_is_the_search_of_pytorch(name, x, bits):
    torch = pytest.importorskip("torch")
    histogram = Samples(x).signed()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # its observer computes in the default dtype
    try:
        observer = torch.ao.quantization.HistogramObserver(factory_kwargs={"dtype": torch.float64})
        observer.histogram = torch.from_numpy(histogram.counts.astype(np.float64))
        observer.min_val, observer.max_val = torch.tensor(x.min()), torch.tensor(x.max())
        observer.dst_nbins = 2**bits
        wanted = [float(v) for v in observer._non_linear_param_search()]
    finally:
        torch.set_default_dtype(before)
    assert range_of_least_squares(histogram, bits) == pytest.approx(wanted, rel=1e-12)
    assert threshold(x, "l2", bits) == pytest.approx(min(max(-wanted[0], wanted[1]), abs(x).max()), rel=1e-12)


def test_l2_of_one_value():
    assert threshold([3.0, 3.0], "l2") == 3.0
    assert range_of_least_squares(Samples([-2.0]).signed()) == (-2.0, -2.0)


def test_no_threshold_is_zero():
    with pytest.raises(ValueError, match=r"above 0, got 0.0"):
        mean_squared_errors(Histogram([1]), [1.0, 0.0])


@pytest.mark.parametrize("search", [least_squares, lambda h, b: mean_squared_errors(h, [1.0], b)])
def test_a_sign_takes_a_bit(search):
    for bits in (0, 1):
        with pytest.raises(ValueError, match=f"bits is an integer from 2 on, got {bits}"):
            search(Histogram([1, 2, 3]), bits)
