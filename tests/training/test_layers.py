"""Gradients by hand against central differences in float64; the networks' shapes."""

import numpy as np
import pytest

from numfmt.training import NETWORKS
from numfmt.training.layers import Convolution, Dense, Embedding, Levels, Rectifier, Reshape, cross_entropy

RNG = np.random.default_rng(0)
LAYERS = {
    "dense": (Dense(5, 3), (4, 5)),
    "convolution": (Convolution(2, 3, 3), (2, 5, 6, 2)),
    "one by one": (Convolution(3, 2, 1), (2, 4, 3, 3)),
    "embedding": (Embedding(6, 3, 2), (4, 6)),
    "rectifier": (Rectifier(), (4, 5)),
    "reshape": (Reshape((3, 2)), (4, 6)),
}


def differences(f, x, step=2.0**-12):
    """The gradient of a scalar function, one element of x at a time."""
    found = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + step
        above = f()
        x[i] = kept - step
        found[i] = (above - f()) / (2 * step)
        x[i] = kept
    return found


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_a_layer(name):
    layer, shape = LAYERS[name]
    x = RNG.standard_normal(shape)
    parameters = [p + RNG.standard_normal(p.shape) for p in layer.initial(RNG)]
    dy = RNG.standard_normal(layer.forward(x, *parameters).shape)
    dx, gradients = layer.backward(x, dy, *parameters)
    for found, wrt in zip((dx, *gradients), (x, *parameters), strict=True):
        wanted = differences(lambda: (dy * layer.forward(x, *parameters)).sum(), wrt)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_a_convolution_is_a_sum_over_windows():
    layer = Convolution(2, 3, 2)
    x, (weight, bias) = RNG.standard_normal((1, 3, 4, 2)), layer.initial(RNG)
    kernel = weight.reshape(3, 2, 2, 2)  # output, row, column, input
    y = layer.forward(x, weight, bias + 1)
    assert y.shape == (1, 2, 3, 3)
    for i, j in np.ndindex(2, 3):
        wanted = [(x[0, i : i + 2, j : j + 2] * k).sum() + 1 for k in kernel]
        np.testing.assert_allclose(y[0, i, j], wanted, rtol=1e-6)


def test_levels_are_tokens():
    """The nearest of 0, 1/4 ... 1; a token of each input, so that a row of its own is added."""
    x = np.float32([[0.0, 0.12, 0.13, 1.0], [2.0, -1.0, 0.5, 0.7]])
    tokens = Levels(5).forward(x.reshape(2, 2, 2))
    assert tokens.reshape(2, 4, 5).argmax(axis=2).tolist() == [[0, 0, 1, 4], [4, 0, 2, 3]]
    assert tokens.sum() == 8
    table = RNG.standard_normal((20, 3))
    rows = table[[0, 5, 11, 19]].sum(axis=0)
    np.testing.assert_allclose(Embedding(20, 3, 4).forward(tokens, table)[0], rows, rtol=1e-6)
    dx, gradients = Levels(5).backward(x, np.ones((2, 20)))
    assert (dx.shape, dx.any(), gradients) == ((2, 4), False, ())


def test_gradient_of_the_loss():
    logits, labels = RNG.standard_normal((4, 3)), np.array([0, 2, 1, 2])
    loss, gradient = cross_entropy(logits, labels)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(-np.log(shares[np.arange(4), labels]).mean())
    wanted = differences(lambda: cross_entropy(logits, labels)[0], logits)
    np.testing.assert_allclose(gradient, wanted, atol=1e-7)


def test_the_loss_of_large_logits_is_finite():
    loss, gradient = cross_entropy(np.float32([[1e4, 0.0]]), np.array([1]))
    assert loss == 1e4
    assert gradient.tolist() == [[1.0, -1.0]]
    assert gradient.dtype == np.float32


def test_the_gradient_of_a_rectifier_at_zero_is_zero():
    dx, _ = Rectifier().backward(np.float32([-1, 0, 1]), np.ones(3, np.float32))
    assert dx.tolist() == [0, 0, 1]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("shape", [(8, 8), (5, 7), (6, 6, 3)])
def test_a_network_gives_a_number_for_each_class(network, shape):
    x = RNG.standard_normal((2, *shape))
    for layer in NETWORKS[network](shape, 4):
        x = layer.forward(x, *layer.initial(RNG))
    assert x.shape == (2, 4)


@pytest.mark.parametrize("shape", [(64,), (4, 8), (8, 4, 1), (8, 8, 1, 1)])
def test_a_convolution_needs_images(shape):
    with pytest.raises(ValueError, match=r"images of at least 5 x 5 pixels.*use network='mlp'"):
        NETWORKS["convolution"](shape, 10)


def test_first_weights_have_the_variance_of_he():
    weight, bias = Dense(400, 300).initial(np.random.default_rng(1))
    assert weight.var() == pytest.approx(2 / 400, rel=0.02)
    assert weight.dtype == bias.dtype == np.float32
    assert not bias.any()
