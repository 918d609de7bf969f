"""Ternary neurons: every pair of thresholds tried."""

import itertools

import numpy as np
import pytest

from numfmt.quantizers import TernaryNeuron, ternary_neuron

RNG = np.random.default_rng(6)
CASES = {
    "noisy steps": lambda n: (
        s := RNG.integers(-9, 10, n),
        np.sign(np.trunc((s + RNG.integers(-3, 4, n)) / 4)),
    ),
    "no order": lambda n: (RNG.integers(-4, 5, n), RNG.integers(-1, 2, n)),
    "one sign": lambda n: (RNG.integers(-4, 5, n), np.ones(n, int)),
    "turned around": lambda n: (s := RNG.integers(-4, 5, n), -np.sign(s)),
    "equal sums": lambda n: (np.full(n, 3), RNG.integers(-1, 2, n)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_no_pair_of_thresholds_agrees_more(case, n):
    sums, targets = CASES[case](n)
    found = ternary_neuron(sums, targets)
    edges = np.arange(sums.min() - 0.5, sums.max() + 1)
    best = max(
        (TernaryNeuron(low, high).output(sums) == targets).mean()
        for low, high in itertools.combinations_with_replacement(edges, 2)
    )
    assert found.agreement == pytest.approx(best, abs=1e-15)
    assert (found.output(sums) == targets).mean() == found.agreement
    assert found.low <= found.high


def test_a_threshold_itself_gives_zero():
    assert TernaryNeuron(-1.0, 1.0).output([[-1.0, 1.0], [-1.1, 1.1]]).tolist() == [[0, 0], [-1, 1]]


BAD = [
    (lambda: TernaryNeuron(1.0, 0.0).output([0]), "low <= high, got 1.0 and 0.0"),
    (lambda: ternary_neuron([], []), "without elements"),
    (lambda: ternary_neuron([1, 2], [0, 2]), "-1, 0 or 1"),
    (lambda: ternary_neuron([1, 2], [0]), r"shape of the sums \(2,\)"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
