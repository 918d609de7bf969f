"""DSQ and quantization networks: the vectors, the derivatives, and the hard quantizer as the limit."""

import cmath
import math

import numpy as np
import pytest

from numfmt.quantizers import DSQ, QuantizationNetwork, dsq_alpha, dsq_slope, quantization_network

W0 = (0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0)
SOFT = (
    0.935985102, -0.712258901, 0.458333333, 0.35631257, 0.347474576, -0.240753765, 0.132561105, 0.068048398,
    0.027425597, 0.013727683, 0.004119662, 0.0,
)  # fmt: skip
NETWORK = quantization_network([-4, -2, -1, 0, 1, 2, 4], [-0.7, -0.4, -0.1, 0.1, 0.4, 0.7], largest=0.9)
POINTS = np.linspace(-1.2, 1.2, 97)


def test_the_vector_of_dsq():
    soft = DSQ(-1.0, 1.0, 2, 0.2)
    assert soft.soft(W0).round(9).tolist() == list(SOFT)
    assert soft.slope == pytest.approx(3.295836866, abs=5e-10)
    assert soft.derivative([0.0])[0] == pytest.approx(1.373265361, abs=5e-10)


def soft_value(x, low, high, bits, alpha):
    """One complex number through the formulas of the paper; its imaginary part is the derivative."""
    step = (high - low) / (2**bits - 1)
    i = min(math.floor((x.real - low) / step), 2**bits - 2)
    k = math.log(2 / alpha - 1) / step
    phi = cmath.tanh(k * (x - (low + (i + 0.5) * step))) / math.tanh(k * step / 2)
    return low + step * (i + (phi + 1) / 2)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.4, 0.9])
def test_value_and_derivative_of_dsq_by_a_complex_step(bits, alpha):
    soft = DSQ(-0.7, 1.1, bits, alpha)
    inside = POINTS[(POINTS > -0.7) & (POINTS < 1.1)]
    exact = [soft_value(complex(x, 1e-30), *soft) for x in inside]
    assert soft.soft(inside) == pytest.approx([z.real for z in exact], abs=1e-14)
    assert soft.derivative(inside) == pytest.approx([z.imag * 1e30 for z in exact], rel=1e-11)


def test_dsq_beyond_its_range():
    soft = DSQ(-0.5, 1.0, 2, 0.3)
    assert soft.soft([-9.0, 9.0]) == pytest.approx([-0.5, 1.0], abs=1e-15)
    ends = [-0.5, 1.0]
    assert soft.derivative(np.nextafter(ends, [-9, 9])).tolist() == [0.0, 0.0]
    assert (soft.derivative(ends) > 0).all()
    assert soft.soft(ends) == pytest.approx(ends, abs=1e-15)


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_dsq_becomes_the_hard_quantizer(bits):
    hard = DSQ(-1.0, 1.0, bits, 0.5).hard(POINTS)
    middles = DSQ(-1.0, 1.0, bits, 0.5).levels.values
    away = np.abs(POINTS[:, None] - (middles[:-1] + middles[1:]) / 2).min(axis=1) > 1e-3
    errors = [np.abs(DSQ(-1.0, 1.0, bits, a).soft(POINTS) - hard)[away].max() for a in (0.3, 1e-3, 1e-300)]
    assert errors[0] > errors[1] > errors[2]
    if bits == 1:
        assert np.abs(DSQ(-1.0, 1.0, 1, 1e-300).soft(POINTS) - hard)[np.abs(POINTS) > 0.06].max() < 1e-15


def test_dsq_becomes_a_straight_line():
    assert DSQ(-1.0, 1.0, 2, 1 - 1e-9).soft(POINTS) == pytest.approx(np.clip(POINTS, -1, 1), abs=1e-8)


@pytest.mark.parametrize("step", [0.01, 1.0, 70.0])
@pytest.mark.parametrize("alpha", [1e-6, 0.1, 0.4999])
def test_alpha_and_slope(alpha, step):
    assert dsq_alpha(dsq_slope(alpha, step), step) == pytest.approx(alpha, rel=1e-12)
    assert 1 - math.tanh(dsq_slope(alpha, step) * step / 2) == pytest.approx(alpha, rel=1e-9)


def test_the_middle_of_an_interval_goes_up():
    assert DSQ(-1.0, 1.0, 1, 0.2).hard([-1e-300, 0.0]).tolist() == [-1.0, 1.0]


def network_value(x, net, temperature):
    a, b, biases = net.alpha, net.beta, net.biases
    steps = [
        h / (1 + cmath.exp(-temperature * (b * x - c))) for h, c in zip(net.heights, biases, strict=True)
    ]
    return a * (sum(steps) - net.offset)


STEP = 1e-30


@pytest.mark.parametrize("temperature", [1.0, 10.0, 50.0])
def test_derivatives_of_a_network_by_a_complex_step(temperature):
    by_x, by_alpha, by_beta, by_bias = NETWORK.derivatives(POINTS, temperature)
    for n, x in enumerate(POINTS):
        assert NETWORK.soft(x, temperature) == pytest.approx(
            network_value(x, NETWORK, temperature).real, abs=1e-13
        )
        moved = {
            by_x[n]: network_value(x + STEP * 1j, NETWORK, temperature),
            by_alpha[n]: network_value(x, NETWORK._replace(alpha=NETWORK.alpha + STEP * 1j), temperature),
            by_beta[n]: network_value(x, NETWORK._replace(beta=NETWORK.beta + STEP * 1j), temperature),
        }
        for i in range(6):
            biases = NETWORK.biases.astype(complex)
            biases[i] += STEP * 1j
            moved[by_bias[n, i]] = network_value(x, NETWORK._replace(biases=biases), temperature)
        for derivative, value in moved.items():
            assert derivative == pytest.approx(value.imag / STEP, rel=1e-9, abs=1e-11)


def test_a_network_becomes_the_hard_quantizer():
    away = np.abs(NETWORK.beta * POINTS[:, None] - NETWORK.biases).min(axis=1) > 1e-9
    errors = [
        np.abs(NETWORK.soft(POINTS, t) - NETWORK.hard(POINTS))[away].max() for t in (5.0, 20.0, 80.0, 1e12)
    ]
    assert errors[0] > errors[1] > errors[2] > errors[3] == 0.0


def test_levels_of_a_network():
    assert NETWORK.offset == 4.0
    assert (NETWORK.levels.values / NETWORK.alpha).tolist() == [-4, -2, -1, 0, 1, 2, 4]
    assert NETWORK.levels.quantized(POINTS) == pytest.approx(NETWORK.hard(POINTS), abs=1e-15)
    net = QuantizationNetwork(np.array([1.0]), np.array([0.5]), 0.0, 2.0, 1.0)
    assert net.hard([0.5, 0.6]).tolist() == net.levels.quantized(np.array([0.5, 0.6])).tolist() == [0.0, 2.0]


BAD = [
    (lambda: DSQ(-1.0, 1.0, 2, 0.0).soft([0.1]), "0 < alpha < 1, got 0.0"),
    (lambda: DSQ(1.0, -1.0, 2, 0.2).soft([0.1]), "from low up to high"),
    (lambda: DSQ(-1.0, 1.0, 0, 0.2).soft([0.1]), "from 1 to 16, got 0"),
    (lambda: DSQ(-1.0, 1.0, 2, 0.2).soft([]), "without elements"),
    (lambda: DSQ(-1.0, 1.0, 2, 0.2).soft([np.nan]), "element 0 of 1 is nan"),
    (lambda: DSQ(-1.0, 1.0, 2.5, 0.2).soft([0.1]), "from 1 to 16, got 2.5"),
    (lambda: DSQ(-1.0, 1.0, 2.5, 0.2).levels, "from 1 to 16, got 2.5"),
    (lambda: DSQ(1.0, -1.0, 2, 0.2).levels, "from low up to high"),
    (lambda: DSQ(-np.inf, 1.0, 2, 0.2).levels, "from low up to high"),
    (lambda: dsq_alpha(-1.0, 1.0), "the slope of DSQ is above 0"),
    (lambda: dsq_alpha(1e4, 1.0), "give alpha = 0.0"),
    (lambda: dsq_alpha(1e-17, 1.0), "give alpha = 1.0"),
    (lambda: dsq_slope(0.2, 0.0), "the step of DSQ"),
    (lambda: NETWORK.soft([0.1], 0.0), "temperature is above 0"),
    (lambda: quantization_network([1, 0], [0.5], 1.0), "both rising"),
    (lambda: quantization_network([-1, 0, 1], [0.5], 1.0), "3 levels need 2 boundaries"),
    (lambda: quantization_network([-1, 1], [0.0], 0.0), "largest magnitude"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
