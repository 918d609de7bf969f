"""BWN, XNOR-Net and BWNH beside loops and beside every choice of signs."""

import itertools

import numpy as np
import pytest

from numfmt.quantizers import bwn, bwnh, input_scales, xnor_convolution

W0 = np.array([0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0])
RNG = np.random.default_rng(4)


def test_the_common_vector():
    found = bwn(W0[None])
    assert found.scales[0, 0] == pytest.approx(0.268166667, abs=5e-10)
    assert ((W0 - found.decode()[0]) ** 2).mean() == pytest.approx(0.084189472, abs=5e-10)
    assert found.signs[0].tolist() == [1, -1, 1, 1, 1, -1, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_no_signs_and_no_scale_do_better(axis):
    w = RNG.standard_normal((2, 3, 2))
    found = np.moveaxis(bwn(w, axis).decode(), axis, 0)
    for kept, filtered in zip(found, np.moveaxis(w, axis, 0), strict=True):
        v = filtered.reshape(-1)
        best = min(
            v @ v - (v @ signs) ** 2 / v.size
            for signs in map(np.array, itertools.product((-1, 1), repeat=v.size))
        )
        assert ((v - kept.reshape(-1)) ** 2).sum() == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize(("axis", "channels"), [(0, 1), (1, 0)])
def test_the_code_of_the_authors_filter_by_filter(axis, channels):
    w = 2 * np.random.default_rng(5).standard_normal((4, 3, 2, 2))
    w[0, :, 0, 0] = w[:, 1, 0, 0] = 0.25  # less its mean 0, along either axis
    found = bwn(w, axis, profile="code")
    for index in np.ndindex(w.shape):
        line = list(index)
        line[channels] = slice(None)
        clamped = min(max(w[index] - w[tuple(line)].mean(), -1), 1)
        assert found.signs[index] == np.sign(clamped)
    centred = np.clip(w - w.mean(axis=channels, keepdims=True), -1, 1)
    sizes = [np.abs(part).mean() for part in np.moveaxis(centred, axis, 0)]
    assert found.scales.reshape(-1) == pytest.approx(sizes, rel=1e-14)
    assert 0 in found.signs
    assert np.abs(centred).max() == 1


IMAGE = RNG.standard_normal((2, 3, 6, 5))
FILTERS = RNG.standard_normal((4, 3, 3, 2))


def test_input_scales_place_by_place():
    got = input_scales(IMAGE, (3, 2))
    for n, i, j in np.ndindex(got.shape):
        assert got[n, i, j] == pytest.approx(np.abs(IMAGE[n, :, i : i + 3, j : j + 2]).mean(), rel=1e-13)
    assert got.shape == (2, 4, 4)


def test_a_convolution_of_signs_place_by_place():
    got = xnor_convolution(IMAGE, FILTERS)
    for n, f, i, j in np.ndindex(got.shape):
        covered = IMAGE[n, :, i : i + 3, j : j + 2]
        equal = ((covered >= 0) == (FILTERS[f] >= 0)).sum()
        count = 2 * equal - covered.size
        scales = np.abs(covered).mean() * np.abs(FILTERS[f]).mean()
        assert got[n, f, i, j] == pytest.approx(count * scales, rel=1e-12, abs=1e-13)
    assert got.shape == (2, 4, 4, 4)


def convolution(image, filters):
    windows = np.lib.stride_tricks.sliding_window_view(image, filters.shape[2:], axis=(-2, -1))
    return np.einsum("...chwij,fcij->...fhw", windows, filters)


def test_it_is_exact_where_all_magnitudes_are_equal():
    image, filters = 0.5 * np.sign(IMAGE), 3.0 * np.sign(FILTERS)
    assert xnor_convolution(image, filters) == pytest.approx(convolution(image, filters), abs=1e-12)


def test_it_is_near_a_convolution():
    rng = np.random.default_rng(0)
    image, filters = rng.standard_normal((64, 16, 16)), rng.standard_normal((8, 64, 3, 3))
    exact, got = convolution(image, filters), xnor_convolution(image, filters)
    correlation = np.corrcoef(exact.reshape(-1), got.reshape(-1))[0, 1]
    assert correlation == pytest.approx(2 / np.pi, abs=0.03)  # of signs of normal numbers, both operands


@pytest.mark.parametrize("case", range(12))
def test_hashing_never_rises_and_no_single_sign_does_better(case):
    rng = np.random.default_rng(case)
    x = rng.standard_normal((9, 9)) @ rng.standard_normal((9, 30))
    w = rng.standard_normal(9)
    found = bwnh(w, x)
    products = x.T @ w

    def error(signs):
        seen = x.T @ signs
        return ((products - (products @ seen) / (seen @ seen) * seen) ** 2).mean()

    assert (np.diff(found.errors) <= 0).all()
    assert found.errors[-1] == pytest.approx(error(found.signs), rel=1e-10)
    for j in range(9):
        flipped = found.signs.copy()
        flipped[j] *= -1
        held = products - found.scale * (x.T @ flipped)
        assert (held * held).mean() >= found.errors[-1] * (1 - 1e-12)
    everything = [error(np.array(b)) for b in itertools.product((-1, 1), repeat=9)]
    assert min(everything) * (1 - 1e-12) <= found.errors[-1] <= error(np.sign(w)) * (1 + 1e-12)


def test_hashing_finds_better_signs_than_those_of_the_weights():
    gains = []
    for case in range(40):
        rng = np.random.default_rng(case)
        x = rng.standard_normal((12, 12)) @ rng.standard_normal((12, 50))
        errors = bwnh(rng.standard_normal(12), x).errors
        gains.append(errors[-1] / errors[0])
    assert np.median(gains) < 0.8


def test_inputs_that_are_not_mixed_give_the_signs_and_the_mean():
    found = bwnh(W0, np.eye(12))
    assert found.signs.tolist() == bwn(W0[None]).signs[0].tolist()
    assert found.scale == pytest.approx(np.abs(W0).mean(), rel=1e-12)


BAD = [
    (lambda: bwn([]), "without elements"),
    (lambda: bwn([np.nan]), "element 0 of 1 is nan"),
    (lambda: bwn(FILTERS, 5), "axis=5: an array of shape .* has 4 axes"),
    (lambda: bwn(FILTERS, 1.5), "axis=1.5: an axis is an integer"),
    (lambda: bwn(1.0), r"an array of shape \(\) has 0 axes"),
    (lambda: bwn(FILTERS, profile="torch"), "paper, code, got 'torch'"),
    (lambda: bwn(W0, profile="code"), "mean over input channels"),
    (lambda: bwnh(W0, np.eye(12), sweeps=-1), "sweeps is an integer from 0 on, got -1"),
    (lambda: input_scales(W0, (1, 1)), "channels, height and width"),
    (lambda: input_scales(IMAGE, (7, 1)), r"kernel of \(7, 1\) does not fit"),
    (lambda: xnor_convolution(IMAGE, FILTERS[:, :2]), "as many channels"),
    (lambda: bwnh(W0, np.eye(3)), r"inputs of shape \(n, samples\)"),
    (lambda: bwnh([1.0, 1.0], [[1.0], [-1.0]]), "the inputs cancel"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
