"""Windows of a histogram with signs: what MXNet and TVM answer, and their algorithm one bin at a time.

Vectors: `mx.nd.contrib.calibrate_entropy` and `mxnet.contrib.quantization._get_optimal_threshold` of
the mxnet 1.9.1 wheel for Linux, and `MinimizeKL` of TVM 0.19 (src/relay/quantize/calibrate.cc), compiled
alone with g++ -O2. On the histograms both gave the same windows.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numfmt
from numfmt.calibration import KL, METHODS, MSE, observer, threshold, window_divergences, window_threshold
from numfmt.calibration.histograms import Samples
from numfmt.calibration.methods import WHOLE

K = np.arange(-1000, 1001)
LONG = 100000000 // (abs(K) + 20) ** 2
SHORT = 1000000 // (1 + K * K // 400)
HISTOGRAMS = {
    "long": LONG,
    "short": SHORT,
    "skew": np.where(K < 0, SHORT, LONG // 3),
    "holes": np.where(K % 7 == 3, 0, LONG),
    "spike": LONG + np.where(K == 0, 10**9, 0),
    "right": np.where(K < 0, 0, SHORT),
    "left": np.where(K > 0, 0, SHORT),
    "sparse": np.where(K % 97 == 5, LONG, 0),
    "last": np.where(K == 1000, 7, 0),
    "first": np.where(K == -1000, 7, 0),
}
# half-width and D for 255, 511 and 15 levels; where every D is infinite MXNet says FLT_MAX
FOUND = {
    "long": [(997, 0.004863839130848646), (997, 0.00151713821105659), (503, 0.2112426459789276)],
    "short": [(999, 0.0060457815416157246), (1000, 0.0005647940561175346), (427, 0.13080017268657684)],
    "skew": [(994, 0.007436611223965883), (999, 0.004177507944405079), (194, 0.3054008185863495)],
    "holes": [(998, 0.003625608282163739), (997, 0.0014185371110215783), (480, 0.2076989859342575)],
    "spike": [(228, 0.007895690388977528), (444, 0.003068631747737527), (13, 0.07432220876216888)],
    "right": [(995, 0.002357923425734043), (997, 0.0008787460974417627), (539, 0.1211758702993393)],
    "left": [(999, 0.0022791442461311817), (1000, 0.00025138165801763535), (427, 0.12920086085796356)],
    "sparse": [(975, 6.37136326986365e-06), (869, 5.915008659940213e-05), (784, 0.00014988635666668415)],
    "last": [(1000, 0.0)] * 3,
    "first": [(127, math.inf), (255, math.inf), (7, math.inf)],
}
# TVM's D of the half-widths 255, 600 and 1000
SPOTS = {
    ("long", 255): (0.23223745822906494, 0.05790083110332489, 0.006626351736485958),
    ("long", 511): (0.6766831874847412, 0.05627680569887161, 0.0015343748964369297),
    ("skew", 15): (0.43217769265174866, 0.5473486185073853, 0.710549533367157),
    ("holes", 255): (0.22283118963241577, 0.05558443069458008, 0.007389443460851908),
    ("spike", 511): (0.006586508825421333, 0.6851843595504761, 1.0845158100128174),
    ("left", 511): (0.700555682182312, 0.034738603979349136, 0.00025138165801763535),
    ("sparse", 15): (0.5054323673248291, 0.0014364675153046846, 0.010186711326241493),
    ("last", 255): (math.inf, math.inf, 0.0),
}
U = (np.arange(100_000) * 2654435761 % 2**32 + 0.5) / 2**32 - 0.5  # spread evenly, the same bits everywhere
ARRAYS = {
    "tails": U / (0.26 - U * U),
    "skewed": U / (0.251 - U * U) + U * U,
    "positive": abs(U) / (0.26 - U * U),
    "cut": np.maximum(U, 0) / (0.3 - U * U),
}


@pytest.mark.parametrize("name", HISTOGRAMS)
@pytest.mark.parametrize(("at", "levels"), [(0, 255), (1, 511), (2, 15)])
def test_what_mxnet_and_tvm_find(name, at, levels):
    halves, d = window_divergences(HISTOGRAMS[name], levels)
    half, least = FOUND[name][at]
    assert (halves[0], halves[-1], d.dtype) == (levels // 2, 1000, np.float32)
    assert (halves[int(np.argmin(d))], float(d.min())) == (half, pytest.approx(least, rel=1e-6, abs=2e-8))
    assert window_threshold(HISTOGRAMS[name], 2001.0, levels) == pytest.approx(2 * half + 1, rel=1e-15)


@pytest.mark.parametrize(("name", "levels"), SPOTS)
def test_divergences_of_tvm(name, levels):
    halves, d = window_divergences(HISTOGRAMS[name], levels)
    found = [float(d[half - halves[0]]) for half in (255, 600, 1000)]
    assert found == pytest.approx(SPOTS[name, levels], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "sign", "signed", "found"),
    [
        ("tails", 1, True, 49.85001754760742),
        ("tails", -1, True, 49.98749923706055),
        ("skewed", 1, True, 143.22293090820312),
        ("skewed", -1, True, 142.3484649658203),
        ("positive", 1, True, 49.97500228881836),
        ("positive", 1, False, 49.862518310546875),
        ("positive", -1, True, 49.98749923706055),
        ("cut", 1, True, 9.994409561157227),
        ("cut", 1, False, 9.97191333770752),
        ("cut", -1, True, 9.996909141540527),
    ],
)
def test_thresholds_of_mxnet(name, sign, signed, found):
    x = (sign * ARRAYS[name]).reshape(100, -1)
    assert threshold(x, "kl_mxnet", signed=signed) == pytest.approx(
        found, rel=6e-8
    )  # MXNet's edges are float32


def test_one_search_has_both_names():
    assert METHODS["kl_tvm"] is METHODS["kl_mxnet"]
    assert tuple(name for name in METHODS if name in WHOLE) == WHOLE == ("kl_mxnet", "kl_tvm")


def naive_divergence(counts, half, levels):
    """The loops of calibrate.cc in float32, one bin at a time."""
    middle = len(counts) // 2
    start, end = middle - half, middle + half + 1
    window = [0, *counts[start + 1 : end]]
    p = [np.float32(c) for c in window]
    p[0] = np.float32(sum(counts[: start + 1]))
    p[-1] = np.float32(sum(counts[end - 1 :]))
    merged, q = len(window) // levels, [np.float32(0)] * len(window)
    for level in range(levels):
        bins = range(level * merged, len(window) if level == levels - 1 else (level + 1) * merged)
        full = sum(window[b] > 0 for b in bins)
        for b in bins:
            if full and p[b]:
                q[b] = np.float32(sum(window[b] for b in bins)) / np.float32(full)
    return naive_entropy(naive_smoothed(p), naive_smoothed(q)) if any(q) else math.inf


def naive_smoothed(p):
    empty, eps = sum(v == 0 for v in p), np.float32(1e-4)
    taken = eps * np.float32(empty) / np.float32(len(p) - empty)
    return [v - taken if v else eps for v in p]


def naive_entropy(p, q):
    d, p_sum, q_sum = np.float32(0), np.float32(0), np.float32(0)
    for a, b in zip(p, q, strict=True):
        p_sum, q_sum = p_sum + a, q_sum + b
    for a, b in zip(p, q, strict=True):
        d += a / p_sum * np.float32(math.log(a / p_sum / (b / q_sum)))
    return float(d)


@given(
    counts=st.lists(st.sampled_from([0, 0, 1, 2, 5, 1000]), min_size=1, max_size=81).filter(
        lambda c: len(c) % 2
    ),
    levels=st.sampled_from([1, 3, 7, 15, 31]),
)
def test_every_divergence_is_that_of_the_plain_algorithm(counts, levels):
    halves, d = window_divergences(counts, levels)
    if levels <= len(counts):
        assert halves == range(levels // 2, len(counts) // 2 + 1)
        wanted = [naive_divergence(counts, half, levels) for half in halves]
        assert d.tolist() == pytest.approx(wanted, rel=1e-6, abs=1e-7)
    else:
        assert list(halves) == [len(counts) // 2]
        assert window_threshold(counts, 3.0, levels) == 3.0


def test_the_first_of_several_minima():
    counts = [0, 0, 0, 5, 0, 0, 0]
    assert window_divergences(counts, 1)[1].tolist() == [math.inf, 0, 0, 0]
    assert window_threshold(counts, 7.0, 1) == 3.0


def test_what_lies_in_the_first_bin_alone_is_lost():
    assert threshold([-5.0], "kl_mxnet") == pytest.approx(5 * 255 / 8001)
    assert threshold([5.0], "kl_mxnet") == 5.0


def test_centred_bins():
    width = 2 / 8001
    counts = Samples([-1.0, 0.0, 0.49 * width, -0.49 * width, 0.51 * width, 1.0]).centred()
    assert {int(i) - 4000: int(counts[i]) for i in counts.nonzero()[0]} == {-4000: 1, 0: 3, 1: 1, 4000: 1}
    for size in (1.7e308, 1.0, 1e-310):
        assert Samples([size, -size, size / 2]).centred().nonzero()[0].tolist() == [0, 6000, 8000]


def test_odd_data():
    method, x = "kl_mxnet", np.random.default_rng(0).normal(size=1000)
    assert threshold(np.concatenate((x[:500], [np.nan, np.inf], x[500:], [-np.inf])), method) == threshold(
        x, method
    )
    assert threshold(np.zeros(3), method) == 0.0
    assert threshold([5e-324], method) == 5e-324
    assert threshold([1e-300, 1.7e308], method, 16) == 1.7e308
    for empty in ([], [np.nan]):
        with pytest.raises(ValueError, match="no finite element"):
            threshold(empty, method)


@pytest.mark.parametrize("bits", [13, 16])
def test_more_levels_than_bins_clip_nothing(bits):
    assert threshold(ARRAYS["tails"], "kl_mxnet", bits) == abs(ARRAYS["tails"]).max()


@pytest.mark.parametrize("counts", [[], [1, 2], [[1]], [0.5], ["a"], [True], [1, -2, 3]])
def test_what_has_no_middle(counts):
    with pytest.raises(ValueError, match="expected an odd number of integer counts"):
        window_divergences(counts)


@pytest.mark.parametrize("levels", [0, 1.5])
def test_what_is_no_number_of_levels(levels):
    with pytest.raises(ValueError, match="levels is an integer from 1 on, got"):
        window_divergences([1, 2, 3], levels)


@pytest.mark.parametrize("method", WHOLE)
@pytest.mark.parametrize("make", [observer, KL, MSE])
def test_batches_are_refused(method, make):
    with pytest.raises(numfmt.SpecError, match=f"{method} needs the whole array.*Use threshold") as refused:
        make(method)
    assert refused.value.spec == method
