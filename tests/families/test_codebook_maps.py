"""Tables of bitsandbytes that are made from a rule, a distribution or data; searches of tables with equal values."""

import hashlib

import numpy as np
import pytest

import numfmt
from numfmt.formats import codebook_searches
from numfmt.formats.codebook import Codebook
from numfmt.formats.codebook_maps import normal_map, quantile_map

F32 = np.float32


def table(of):
    return F32((numfmt.parse(of) if isinstance(of, str) else of).table)


SHA256 = {  # of the library's tables, in which one of the two zeros is -0
    "e5m2_bnb": "0da7c4e2990b302a360d0664262e0bce8012809e65954885e9b573c00fd57b04",
    "e4m3_bnb": "f3c007a4cafc83fe599bffde8d83c3b00a6c648306af949f2d0a051da02832aa",
}


@pytest.mark.parametrize("spec", SHA256)
def test_maps_of_floats(spec):
    values = table(spec)
    assert len(np.unique(values)) == 255
    zeros = np.flatnonzero(values == 0)
    found = []
    for at in zeros:
        signed = values.copy()
        signed[at] = -0.0
        found.append(hashlib.sha256(signed.astype("<f4").tobytes()).hexdigest())
    assert SHA256[spec] in found


def test_a_map_of_floats_by_hand():
    """Two exponent bits and one of fraction: 2**(3 - e) * (1 + f / 2) for e from 1 to 3, 2**-2 * f / 2 for 0."""
    sizes = np.array([0, 0.125, *[2.0 ** (3 - e) * m for e in (3, 2, 1) for m in (1, 1.5)]])
    assert table("e2m1_bnb").tolist() == (F32(np.sort([*-sizes, *sizes])) / F32(6)).tolist()
    assert numfmt.parse("e2m1_bnb").smallest == F32(0.125) / F32(6)


@pytest.mark.parametrize("spec", ["e0m7_bnb", "e8m0_bnb", "e4m4_bnb", "ue1m1_bnb", "e1m9_bnb"])
def test_maps_that_are_none(spec):
    with pytest.raises(numfmt.SpecError, match="1 to 7 exponent bits and 3 to 8 bits in all"):
        numfmt.parse(spec)


def test_the_normal_map_has_the_values_of_nf4():
    found, nf4 = normal_map(), numfmt.parse("nf4")
    assert found.table[:7] == nf4.table[:7]
    assert found.table[248:] == nf4.table[8:]
    assert set(found.table[7:248]) == {0.0}
    even = normal_map(extra=False).table
    assert even[:7] == tuple(-v for v in reversed(even[-7:])) == found.table[:7]


def test_quantiles():
    x = np.random.default_rng(0).laplace(size=100_000)
    found = table(quantile_map(x))
    assert (found.size, np.abs(found).max()) == (256, 1)
    assert 0 in found
    assert (
        np.bincount(
            numfmt.encode(x / np.abs(np.quantile(x, [1 / 510, 1 - 1 / 510])).max(), quantile_map(x))
        ).std()
        < 60
    )
    by_hand = np.quantile(x, (np.arange(15) + 0.5) / 15)
    wanted = np.sort(np.append(F32(by_hand), F32(0)))
    assert table(quantile_map(x, bits=4)).tolist() == pytest.approx((wanted / np.abs(wanted).max()).tolist())


def test_the_error_of_quantiles():
    """On N(0, 1) in blocks of 256 and 2048: mean absolute, relative and squared error of earlier measurements."""
    x = F32(np.random.default_rng(0).standard_normal(1 << 20))
    of = quantile_map(x)
    for size, wanted in ((2048, (0.00503, 0.01808, 8.14e-5)), (256, (0.00553, 0.01632, 1.44e-4))):
        form = numfmt.blocks.Block(of, "f32", size, "flat", profile="bitsandbytes")
        error = np.abs(form.cast(x) - x)
        found = error.mean(), (error / (np.abs(x) + 1e-8)).mean(), np.square(error).mean()
        assert found == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: quantile_map([]), ValueError, "one or more"),
        (lambda: quantile_map([1, np.nan]), ValueError, "finite numbers"),
        (lambda: quantile_map([1, 2], bits=1), ValueError, "bits= takes 2 to 8, got 1"),
        (lambda: quantile_map([0, 0]), numfmt.SpecError, "at least two of them distinct"),
    ],
)
def test_data_without_a_map(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Searches of tables in which values stand twice: above one the last of its codes, at it the first

TWICE = [normal_map(), numfmt.parse("e4m3_bnb"), numfmt.parse("e5m2_bnb")]


def around(values):
    near = np.concatenate([values, (values[:-1] + values[1:]) / F32(2), F32([0, -0.0, 1e-30, -1e-30])])
    return np.concatenate([near, np.nextafter(near, F32(2)), np.nextafter(near, F32(-2))]).clip(-1, 1)


def found_by(points, x):
    return points.codes[np.searchsorted(points.cuts, x.astype(np.float64), side="right")]


@pytest.mark.parametrize("of", TWICE, ids=lambda f: str(f)[:20])
def test_searches_of_equal_values(of):
    values = table(of)
    x = around(values)
    bounds = (values[:-1] + values[1:]) / F32(2)
    assert (found_by(codebook_searches.bucketized(of), x) == np.searchsorted(bounds, x, side="left")).all()
    assert (found_by(codebook_searches.halving(of), x) == halved(x, values)).all()
    assert (found_by(codebook_searches.distances(of), x) == nearer(x, values)).all()
    entries = F32(-1) + F32(2) * np.arange(65536, dtype=F32) / F32(65535)
    places = F32((x + F32(1)) * F32(0.5)).astype(np.float64) * 65535 + 0.5
    looked_up = np.searchsorted(bounds, entries, side="left")[F32(places).astype(np.int64)]
    assert (found_by(codebook_searches.tabulated(of), x) == looked_up).all()


def halved(x, code):
    """csrc/kernels.cu, dQuantize."""
    pivot, lower, upper = (np.full(x.shape, k) for k in (127, 0, 255))
    for step in (64, 32, 16, 8, 4, 2, 1):
        up = x > code[pivot]
        lower, upper = np.where(up, pivot, lower), np.where(up, upper, pivot)
        pivot = np.where(up, pivot + step, pivot - step)
    over = x > (code[upper] + code[pivot]) * F32(0.5)
    under = x < (code[lower] + code[pivot]) * F32(0.5)
    return np.where(x > code[pivot], np.where(over, upper, pivot), np.where(under, lower, pivot))


def nearer(x, code):
    """csrc/cpu_ops.cpp of 0.49, lookup_code_index."""
    right = np.searchsorted(code, x, side="left").clip(1, 255)
    closer = np.abs(code[right] - x) < np.abs(x - code[right - 1])
    return np.where(x <= code[0], 0, np.where(closer, right, right - 1))


def test_literals_of_nf4_in_cuda():
    """Four are an ulp off the mid-points of float32: their digits are those of the exact middle, in float64."""
    points = codebook_searches.nf4_cuda(numfmt.parse("nf4"))
    bounds = np.uint32(codebook_searches.NF4_CUDA).view(F32)
    values = np.sort(table("nf4"))
    apart = bounds.view(np.int32) - ((values[:-1] + values[1:]) / F32(2)).view(np.int32)
    assert np.flatnonzero(apart).tolist() == [0, 8, 12, 14]
    assert set(apart.tolist()) == {-1, 0, 1}
    assert found_by(points, bounds).tolist() == list(range(15))
    assert found_by(points, np.nextafter(bounds, F32(2))).tolist() == list(range(1, 16))


def test_codes_of_a_table_that_is_not_sorted():
    of = Codebook.of([1, -1, 0.5, 0])
    assert found_by(codebook_searches.bucketized(of), F32([-2, -0.5, 0, 0.25, 0.26, 0.75, 0.76])).tolist() == [
        1, 1, 3, 3, 2, 2, 0,
    ]  # fmt: skip
