"""Surrogate gradients: true derivatives against finite differences, the ends of zones one by one."""

import inspect
import math

import numpy as np
import pytest

from numfmt.quantizers import DSQ, Levels, quantization_network, surrogates
from numfmt.quantizers.surrogates import SURROGATES

W0 = np.array([0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0])
RNG = np.random.default_rng(7)
X = RNG.uniform(-1.4, 2.4, 41)
G = RNG.standard_normal(41)


def slope(f, at, step=1e-6):
    """Central differences of a scalar function by each number of an array."""
    at = np.atleast_1d(np.asarray(at, float))
    result = np.empty(at.size)
    for i in range(at.size):
        up, down = at.copy(), at.copy()
        up[i] += step
        down[i] -= step
        result[i] = (f(up) - f(down)) / (2 * step)
    return result


def near(expected):
    return pytest.approx(expected, rel=1e-6, abs=1e-7)


LSQ_BITS = {2: (0.536333333, 0.587217971), 3: (0.309652194, -0.096555224), 4: (0.202714946, -0.108568220)}


@pytest.mark.parametrize("bits", LSQ_BITS)
def test_lsq_on_the_common_vector(bits):
    high = 2 ** (bits - 1) - 1
    step = 2 * np.abs(W0).mean() / math.sqrt(high)
    _, by_step = surrogates.lsq(np.ones(12), W0, step, -high - 1, high)
    assert (round(step, 9), round(by_step, 9)) == LSQ_BITS[bits]


def lsq_value(x, step, low, high):
    """With the rounding of `step` = 1 held, as the estimator sees it."""
    held = np.rint(x) - x
    scaled = x / step
    return np.where(scaled <= low, low, np.where(scaled >= high, high, scaled + held)) * step


def test_lsq_is_the_derivative_with_the_rounding_error_held():
    by_x, by_step = surrogates.lsq(G, 3 * X, 1.0, -4, 3)
    scale = surrogates.lsq_gradient_scale(41, 3)
    assert by_x == near(slope(lambda x: (G * np.clip(x, -4, 3)).sum(), 3 * X))
    assert by_step == near(scale * slope(lambda s: (G * lsq_value(3 * X, s, -4, 3)).sum(), 1.0)[0])


def test_the_ends_of_lsq_are_outside():
    by_x, by_step = surrogates.lsq([1.0, 1.0, 1.0], [-1.0, 0.5, 0.49], 0.5, -2, 1)
    assert by_x.tolist() == [0.0, 0.0, 1.0]
    assert by_step == pytest.approx((-2 + 1 + 0.02) / math.sqrt(3))


def test_lsq_with_a_zero_point_beside_torch():
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, dtype=torch.float32, requires_grad=True)
    step = torch.tensor([0.25], requires_grad=True)
    zero = torch.tensor([2.0], requires_grad=True)
    y = torch._fake_quantize_learnable_per_tensor_affine(x, step, zero, -1, 6, 1.0)
    y.backward(torch.tensor(G, dtype=torch.float32))
    exact = x.detach().numpy().astype(float)
    by_x, by_step, by_zero = surrogates.lsq_affine(np.float32(G), exact, 0.25, 2, -1, 6)
    assert by_x == pytest.approx(x.grad.numpy(), rel=1e-6)
    assert by_step == pytest.approx(step.grad.item(), rel=1e-4)
    assert by_zero == pytest.approx(zero.grad.item(), rel=1e-4)


ENDS = (-1.0 - 2**-52, -1.0, np.nextafter(-1, 0), 0.0, np.nextafter(1, 0), 1.0, 1 + 2**-52)
ZONES = {
    "ste": (surrogates.ste, (), "1111111"),
    "bnn": (surrogates.clipped_ste, (), "0111110"),
    "xnor": (surrogates.open_clipped_ste, (), "0011100"),
    "range": (surrogates.range_clipped, (0.0, 1.0), "0001110"),
    "pact": (lambda g, x, a: surrogates.pact(g, x, a)[0], (1.0,), "0001100"),
    "wage": (lambda g, x: surrogates.wage_activations(g, x / 2, 2), (), "0111110"),
    "lq-net": (surrogates.lqnet_activations, (1.0,), "1111110"),
    "lsq": (lambda g, x: surrogates.lsq(g, x, 0.5, -2, 2)[0], (), "0011100"),
    "apot": (lambda g, x: surrogates.apot(g, x, 1.0, Levels(np.array([-1.0, 1.0])))[0], (), "0111110"),
    "apot2": (lambda g, x: surrogates.apot_two_bits(g, x, 1.0, Levels(np.array([-1.0, 1.0])))[0], (), "1111111"),
    "xnor weights": (lambda g, x: surrogates.xnor_weights(g[None], x[None])[0] > 1 / 7, (), "0011100"),
    "n2uq": (lambda g, x: surrogates.n2uq(g, x, [1.0, 1.0], -1.0)[0], (), "0011110"),
    "dsq": (lambda g, x: surrogates.dsq(g, x, DSQ(-1.0, 1.0, 2, 0.4))[0] > 0, (), "0111110"),
}  # fmt: skip


@pytest.mark.parametrize("case", ZONES)
def test_which_ends_pass(case):
    surrogate, parameters, passes = ZONES[case]
    got = surrogate(np.ones(7), np.array(ENDS), *parameters)
    assert "".join("01"[bool(v)] for v in got) == passes


def test_pact_is_the_derivative_of_clipping():
    by_x, by_alpha = surrogates.pact(G, X, 1.1)
    assert by_x == near(slope(lambda x: (G * np.clip(x, 0, 1.1)).sum(), X))
    assert by_alpha == near(slope(lambda a: (G * np.clip(X, 0, a)).sum(), 1.1)[0])
    assert surrogates.pact([1.0], [1.1], 1.1)[1] == 1.0


LEVELS = Levels(np.array([-1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0]))


def test_apot_is_the_derivative_with_the_rounding_error_held():
    held = LEVELS.quantized(np.clip(X / 1.2, -1, 1)) - np.clip(X / 1.2, -1, 1)
    by_x, by_alpha = surrogates.apot(G, X, 1.2, LEVELS)
    assert by_x == near(slope(lambda x: (G * np.clip(x, -1.2, 1.2)).sum(), X))
    assert by_alpha == near(slope(lambda a: (G * a * (np.clip(X / a, -1, 1) + held)).sum(), 1.2)[0])


def test_apot_of_two_bits_by_alpha():
    unit = Levels(np.array([-1.0, 0.0, 1.0]))
    outside = np.abs(X) > 1.2
    expected = np.where(outside, np.sign(X), unit.quantized(X / 1.2) - X / 1.2)
    assert surrogates.apot_two_bits(G, X, 1.2, unit)[1] == pytest.approx((G * expected).sum(), rel=1e-12)


@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize("alpha", [0.1, 0.45])
def test_dsq_is_the_derivative_of_its_soft_value(bits, alpha):
    def loss(x, low, high):
        return (G * DSQ(low, high, bits, alpha).soft(x)).sum()

    by_x, by_low, by_high = surrogates.dsq(G, X, DSQ(-0.9, 1.3, bits, alpha))
    assert by_x == near(slope(lambda x: loss(x, -0.9, 1.3), X))
    assert by_low == near(slope(lambda v: loss(X, v[0], 1.3), -0.9)[0])
    assert by_high == near(slope(lambda v: loss(X, -0.9, v[0]), 1.3)[0])


def test_a_quantization_network_is_the_derivative_of_its_soft_value():
    net = quantization_network([-1, 0, 1, 2], [-0.5, 0.4, 1.3], 2.4)
    by_x, by_alpha, by_beta, by_bias = surrogates.quantization_network(G, X, net, 5.0)

    def loss(x, **changed):
        return (G * net._replace(**changed).soft(x, 5.0)).sum()

    assert by_x == near(slope(loss, X))
    assert by_alpha == near(slope(lambda v: loss(X, alpha=v[0]), net.alpha)[0])
    assert by_beta == near(slope(lambda v: loss(X, beta=v[0]), net.beta)[0])
    assert by_bias == near(slope(lambda v: loss(X, biases=v), net.biases))


def test_dorefa_weights():
    largest = np.abs(np.tanh(X)).max()
    assert surrogates.dorefa_weights(G, X) == near(slope(lambda w: (G * np.tanh(w) / largest).sum(), X))
    carrying = surrogates.dorefa_weights_with_maximum(G, X)
    assert carrying == near(slope(lambda w: (G * np.tanh(w) / np.abs(np.tanh(w)).max()).sum(), X))


def test_equal_largest_weights_share_the_gradient_of_the_maximum():
    got = surrogates.dorefa_weights_with_maximum([1.0, 0.0, 0.0], [0.5, -0.5, 0.1])
    t = np.tanh(0.5)
    assert got == near([(1 - t * t) / t * (1 - 0.5), (1 - t * t) / t * 0.5, 0.0])


def test_ttq_by_its_two_scales():
    zones = ([2.0, 1.0, 1.0, 1.0, 3.0], [0.6, 0.5, 0.0, -0.5, -0.6])
    by_w, by_positive, by_negative = surrogates.ttq(np.ones(5), zones[1], 0.5, 2.0, 3.0)
    assert by_w.tolist() == zones[0]

    def value(p, n):
        return (G * (p * (X > 0.5) - n * (X < -0.5))).sum()

    _, by_positive, by_negative = surrogates.ttq(G, X, 0.5, 2.0, 3.0)
    assert by_positive == near(slope(lambda p: value(p[0], 3.0), 2.0)[0])
    assert by_negative == near(slope(lambda n: value(2.0, n[0]), 3.0)[0])


def test_xnor_weights_filter_by_filter():
    g, w = G[:40].reshape(2, 5, 4), X[:40].reshape(2, 5, 4)
    got = surrogates.xnor_weights(g, w, axis=1)
    for f in range(5):
        a = np.abs(w[:, f]).mean()
        assert got[:, f] == pytest.approx(g[:, f] * (1 / 8 + a * (np.abs(w[:, f]) < 1)), rel=1e-14)


def polygon(x, widths, start):
    """N2UQ's stand-in, through its corners."""
    corners = start + np.concatenate([[0], np.cumsum(widths)])
    return np.interp(x, corners, np.linspace(0, 2, len(widths) + 1))


def test_n2uq_is_the_derivative_of_its_polygon():
    widths = np.array([0.3, 0.9, 0.5, 0.2, 0.1, 0.4, 0.25])
    by_x, by_widths, by_start = surrogates.n2uq(G, X, widths, -0.4)
    assert by_x == near(slope(lambda x: (G * polygon(x, widths, -0.4)).sum(), X))
    assert by_widths == near(slope(lambda a: (G * polygon(X, a, -0.4)).sum(), widths))
    assert by_start == near(slope(lambda s: (G * polygon(X, widths, s[0])).sum(), -0.4)[0])


def test_n2uq_weights_are_the_derivative_with_scale_and_rounding_error_held():
    g, w = G[:40].reshape(2, 5, 4), X[:40].reshape(2, 5, 4)
    got = surrogates.n2uq_weights(g, w, 3, axis=1)
    for f in range(5):
        scale = 7 / 4 * np.abs(w[:, f]).mean()
        assert got[:, f] == pytest.approx(g[:, f] / scale, rel=1e-14)


QUANTIZERS = [
    "bnn",
    "bwn",
    "xnor",
    "twn",
    "ttq",
    "wrpn",
    "wage",
    "pact",
    "lsq",
    "apot",
    "dsq",
    "dorefa",
    "syq",
    "inq",
    "shiftcnn",
    "pwlq",
    "tnn",
    "elb",
    "lq-net",
    "n2uq",
    "codebook",
]


@pytest.mark.parametrize("name", QUANTIZERS)
def test_each_quantizer_has_a_surrogate(name):
    assert any(name in method.replace(",", "").split() for method in SURROGATES)


def test_centroids_are_the_derivative_by_shared_weights():
    codes = RNG.integers(0, 4, 41)
    assert surrogates.centroids(G, codes, 6) == near(slope(lambda c: (G * c[codes]).sum(), np.zeros(6)))


def test_frozen_weights_take_no_gradient():
    assert surrogates.inq([[1.0, 2.0], [3.0, 4.0]], [[True, False], [False, True]]).tolist() == [
        [0, 2],
        [3, 0],
    ]


def test_the_result_is_no_view_of_the_gradient():
    g = np.ones(3)
    surrogates.ste(g, g)[0] = 5.0
    assert g.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("method", SURROGATES)
def test_every_method_states_its_source_and_starts_with_the_gradient(method):
    function = SURROGATES[method]
    assert next(iter(inspect.signature(function).parameters)) == "g"
    assert "Source:" in inspect.getdoc(function)
    assert ">>> " in inspect.getdoc(function)


BAD = [
    (lambda: surrogates.ste([1.0], [1.0, 2.0]), r"got \(1,\) and \(2,\)"),
    (lambda: surrogates.ste([], []), "without elements"),
    (lambda: surrogates.clipped_ste([np.nan], [1.0]), "element 0 of 1 is nan"),
    (lambda: surrogates.range_clipped([1.0], [1.0], 1.0, 0.0), "from low up to high"),
    (lambda: surrogates.pact([1.0], [1.0], 0.0), "alpha of PACT is above 0"),
    (lambda: surrogates.lsq([1.0], [1.0], -1.0, -2, 1), "step of LSQ is above 0"),
    (lambda: surrogates.lsq_gradient_scale(0, 1), "N of LSQ is an integer from 1 on, got 0"),
    (lambda: surrogates.lsq([1.0], [1.0], 1.0, 5, 2), "high is an integer from 6 to .*, got 2"),
    (lambda: surrogates.lsq([1.0], [1.0], 1.0, -2, 1.5), "high is an integer from -1 to .*, got 1.5"),
    (lambda: surrogates.lsq_affine([1.0], [1.0], 1.0, 0, 3, 3), "high is an integer from 4"),
    (lambda: surrogates.xnor_weights([1.0], [1.0], axis=9), "axis=9: an array of shape"),
    (lambda: surrogates.xnor_weights([1.0], [1.0], axis=0.5), "an axis is an integer"),
    (lambda: surrogates.xnor_weights(1.0, 1.0), r"an array of shape \(\) has 0 axes"),
    (lambda: surrogates.wage_activations([1.0], [1.0], 1), "bits is an integer from 2 to 15, got 1"),
    (lambda: surrogates.apot([1.0], [1.0], 0.0, LEVELS), "alpha of APoT"),
    (lambda: surrogates.dorefa_weights([1.0], [0.0]), "largest magnitude of DoReFa's weights is above 0"),
    (lambda: surrogates.ttq([1.0], [1.0], -1.0, 1.0, 1.0), "at least 0, got -1"),
    (lambda: surrogates.n2uq([1.0], [1.0], [0.5, 0.0], 0.0), "numbers above 0"),
    (lambda: surrogates.centroids([1.0], [3], 3), "from 0 to 2, got 3 to 3"),
    (lambda: surrogates.centroids([1.0], [0.5], 3), "integer code"),
    (lambda: surrogates.inq([1.0], [1]), "a bool for each weight"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
