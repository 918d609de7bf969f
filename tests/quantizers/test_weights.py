"""SYQ and APoT's normalised weights."""

import numpy as np
import pytest

import numfmt
from numfmt.quantizers import apot_weights, syq

W0 = np.array([0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0])
KERNELS = np.random.default_rng(2).standard_normal((5, 4, 3, 3))


def test_apot_of_the_common_vector():
    zeros = [0.0] * 6
    assert apot_weights(W0, 3) == pytest.approx([1.5, -1.5, 0.75, 0.75, 0.75, -0.75, *zeros])
    low = [-0.3] * 5
    assert apot_weights(W0, 4) == pytest.approx([1.8, -1.8, 0.9, 0.6, 0.6, -0.9, 0, *low], abs=1e-6)


def test_apot_of_two_bits():
    """alpha * round(clamp(w' / alpha))."""
    normal = (W0 - W0.mean()) / W0.std(ddof=1)
    assert apot_weights(W0, 2, alpha=2.0).tolist() == (2 * np.rint(np.clip(normal / 2, -1, 1))).tolist()


@pytest.mark.parametrize("t", [None, 0.05, 0.4])
def test_syq_place_by_place(t):
    found = syq(KERNELS, t)
    assert found.scales.shape == (3, 3)
    limit = -1 if t is None else t * np.abs(KERNELS).max()
    for (f, c, i, j), w in np.ndenumerate(KERNELS):
        scale = np.abs(KERNELS[:, :, i, j]).mean()
        wanted = 0 if abs(w) < limit else np.copysign(scale, w)
        assert found.decode()[f, c, i, j] == pytest.approx(wanted)


def test_binary_syq_is_bwn_by_place():
    places = numfmt.cast(KERNELS.reshape(20, 9), "bwn[axis=1]").reshape(KERNELS.shape)
    assert syq(KERNELS, None).decode() == pytest.approx(places, rel=1e-6)
    assert syq(KERNELS[:, :, 0, 0]).scales.shape == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: syq([1.0, 2.0]), "filters, channels"),
        (lambda: syq(KERNELS, 1.0), "0 <= t < 1"),
        (lambda: syq(np.zeros((2, 2))), "every number is 0"),
        (lambda: apot_weights([1.0, 1.0], 4), "all equal"),
        (lambda: apot_weights([1.0], 4), "all equal"),
        (lambda: apot_weights([0.1, 0.1, 0.1], 4), "all equal"),
        (lambda: apot_weights(W0, 4, np.inf), "above 0 and finite"),
        (lambda: apot_weights(W0, 9), "apot9"),
        (lambda: apot_weights(W0, 4, 0), "alpha= is above 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
