"""KL searches: published numbers, and each algorithm again, one bin at a time."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numfmt
from numfmt.calibration import Histogram, divergences, least_divergence

N = np.arange(2048)
H1 = 100000000 // (N + 20) ** 2
H2 = 1000000 // (1 + N * N // 400)
H3 = np.where(N % 7 == 3, 0, H1)


def best(counts, search="kl", levels=128):
    """The least D and the number of bins that have it."""
    candidates, d = divergences(Histogram(counts), levels, search)
    return candidates[int(np.argmin(d))], float(d.min())


def test_the_vectors_are_what_they_are():
    assert H1.sum() == 5077698


@pytest.mark.parametrize(
    ("counts", "search", "bins", "d"),
    [
        (H1, "kl", 1919, 0.0289597577),
        (H2, "kl", 1343, 0.0175124577),
        (H3, "kl", 1791, 0.0296164735),
        (H1, "kl_pytorch_quantization", 1920, 0.029565802385),
        (H2, "kl_pytorch_quantization", 1280, 0.0185350124),
    ],
)
def test_least_divergence_of_known_histograms(counts, search, bins, d):
    assert best(counts, search) == (bins, pytest.approx(d, abs=1e-10))


def test_pytorch_quantization_on_the_histogram_with_holes():
    assert best(H3, "kl_pytorch_quantization")[0] == 1792


@pytest.mark.parametrize(("counts", "bins", "d"), [(H1, 1713, 0.0271955503), (H2, 1289, 0.0129752227)])
def test_ncnn_on_known_histograms(counts, bins, d):
    assert best(counts, "kl_ncnn") == (bins, pytest.approx(d, rel=3e-6))  # ncnn sums in float32


def test_spot_values():
    i, d = divergences(Histogram(H1))
    assert (i[0], i[-1]) == (128, 2048)
    for bins, wanted in ((128, 0.48130535), (200, 0.340954634), (1024, 0.0574094711), (2048, 0.0328584624)):
        assert d[bins - 128] == pytest.approx(wanted, abs=5e-10)
    assert divergences(Histogram(H3))[1][200 - 128] == math.inf


def test_the_example_of_the_slides():
    i, d = divergences(Histogram([1, 0, 2, 3, 5, 3, 1, 7]), levels=2)
    assert i[-1] == 8
    assert d[-1] == pytest.approx(0.150315265337, abs=5e-13)


def naive_kl(counts, i, levels):
    """S7310 with exact probabilities."""
    p = [Fraction(c) for c in counts[:i]]
    p[-1] += sum(counts[i:])
    q = [Fraction(0)] * i
    for level in range(levels):
        bins = range(level * i // levels, (level + 1) * i // levels)
        full = [b for b in bins if counts[b]]
        for b in full:
            q[b] = Fraction(sum(counts[k] for k in bins), len(full))
    return entropy(p, q)


def naive_pytorch_quantization(counts, i, levels):
    counts = [*(counts[1:2] or counts), *counts[1:]]
    p = [Fraction(c) for c in counts[:i]]
    p[-1] += sum(counts[i:])
    level = np.digitize(np.arange(i), np.linspace(0, i, levels + 1)) - 1
    q = [Fraction(0)] * i
    for j in range(levels):
        full = [b for b in range(i) if level[b] == j and counts[b]]
        for b in full:
            q[b] = Fraction(sum(counts[b] for b in full), len(full))
    return entropy(p, q)


def naive_ncnn(counts, i, levels):
    """Each level shares its mean over the bins it overlaps, by how much it overlaps them."""
    total = sum(counts)
    p = [Fraction(c, total) for c in counts[:i]]
    p[-1] += Fraction(sum(counts[i:]), total)
    q = [Fraction(0)] * i
    for level in range(levels):
        start, end = Fraction(level * i, levels), Fraction((level + 1) * i, levels)
        overlap = [max(min(end, b + 1) - max(start, b), Fraction(0)) for b in range(i)]
        mean = sum(o * Fraction(counts[b], total) for b, o in enumerate(overlap)) / (end - start)
        for b, o in enumerate(overlap):
            q[b] += o * mean
    eps = 1e-4
    return math.fsum(
        (float(a) + eps) * math.log((float(a) + eps) / (float(b) + eps)) for a, b in zip(p, q, strict=True)
    )


def entropy(p, q):
    total, kept = sum(p), sum(q)
    if not kept or any(a and not b for a, b in zip(p, q, strict=True)):
        return math.inf
    return math.fsum(
        float(a / total) * math.log((a / total) / (b / kept)) for a, b in zip(p, q, strict=True) if a
    )


NAIVE = {
    "kl": (naive_kl, lambda levels: levels),
    "kl_pytorch_quantization": (naive_pytorch_quantization, lambda levels: 128),
    "kl_ncnn": (naive_ncnn, lambda levels: 128),
}
COUNTS = st.lists(st.sampled_from([0, 0, 1, 2, 5, 1000, 10**12]), max_size=70).map(lambda c: [*c, 3])


@pytest.mark.parametrize("search", NAIVE)
@given(counts=COUNTS, levels=st.sampled_from([2, 4, 8, 16]), tail=st.sampled_from([0, 100]))
def test_every_divergence_is_that_of_the_plain_algorithm(search, counts, levels, tail):
    naive, start = NAIVE[search]
    counts = [1, 3, 0, 2] * (tail // 4) + counts
    candidates, d = divergences(Histogram(counts), levels, search)
    assert candidates[-1] == len(counts) or search == "kl_ncnn"
    assert candidates[0] == min(start(levels), len(counts))
    for i, one in list(zip(candidates, d, strict=True))[:: max(1, len(candidates) // 5)]:
        assert one == pytest.approx(naive(counts, i, levels), abs=1e-12)


def shapes():
    rng = np.random.default_rng(3)
    for size in (1, 2, 7, 100, 2048, 4096):
        yield rng.integers(1, 9, size)
        yield (1e6 / (1 + np.arange(size)) ** 2).astype(int) + 1
        yield rng.integers(0, 2, size) * rng.integers(0, 10**9, size) + (np.arange(size) == 0)
        yield np.full(size, 4)


@pytest.mark.parametrize("search", ["kl", "kl_pytorch_quantization"])
@pytest.mark.parametrize("levels", [1, 2, 16, 128, 256])
def test_the_least_is_that_of_all_candidates(search, levels):
    for counts in shapes():
        histogram = Histogram(counts, width=0.5)
        candidates, d = divergences(histogram, levels, search)
        if search == "kl":
            wanted = candidates[int(np.argmin(d))] + 0.5
        else:
            wanted = candidates[len(d) - 1 - int(np.argmin(d[::-1]))]
        assert least_divergence(histogram, levels, search) == 0.5 * wanted


def test_which_of_several_minima():
    even = Histogram([4] * 256)  # 256 bins into 128 levels lose nothing, nor do 128
    _, d = divergences(Histogram([4] * 256 + [0] * 3), 128)
    assert d[256 - 128 :].tolist() == [0.0] * 4
    assert least_divergence(Histogram([4] * 256 + [0] * 3), 128) == 256.5
    assert least_divergence(Histogram([4] * 256 + [0] * 3), 128, "kl_pytorch_quantization") == 259
    assert least_divergence(even, 128, "kl_ncnn") < 256


@pytest.mark.parametrize("search", NAIVE)
def test_few_bins(search):
    assert least_divergence(Histogram([5]), 128, search) in (0.0 + 1.0, 1.5)
    assert least_divergence(Histogram([0, 5], largest=2.0), 128, search) == 2.0


def test_no_threshold_is_above_the_largest_magnitude():
    assert least_divergence(Histogram([0] * 200 + [9], largest=200.25), 128) == 200.25


def test_zeros_are_skipped_by_ncnn_alone():
    spike = H1.copy()
    spike[0] += 10**9
    with_zeros = Histogram(spike, zeros=10**9)
    for search, same in (("kl", False), ("kl_ncnn", True)):
        one, other = (divergences(h, 128, search)[1] for h in (with_zeros, Histogram(H1)))
        assert np.array_equal(one, other) == same


@pytest.mark.parametrize("counts", [[], [[1]], [0.5], [-1, 2], ["a"], [0, 0]])
def test_what_is_no_histogram(counts):
    with pytest.raises(ValueError, match="integers from 0 on, not all 0"):
        Histogram(counts)


@pytest.mark.parametrize("width", [-1.0, math.nan, math.inf])
def test_what_is_no_width(width):
    with pytest.raises(ValueError, match="the width of a bin is 0 or more and finite, got"):
        Histogram([1], width)


@pytest.mark.parametrize("levels", [0, -1, 2.0, True])
def test_what_is_no_number_of_levels(levels):
    for search in (divergences, least_divergence):
        with pytest.raises(ValueError, match="levels is an integer from 1 on, got"):
            search(Histogram([1, 2, 3]), levels)


def test_nothing_to_search():
    with pytest.raises(ValueError, match="leaves no element"):
        least_divergence(Histogram([5], zeros=5), search="kl_ncnn")
    with pytest.raises(numfmt.SpecError, match="Did you mean 'kl_ncnn'"):
        divergences(Histogram([5]), search="kl_ncn")
