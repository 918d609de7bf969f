"""Quantizers of equal steps and of three values: vectors, draws, bad input."""

import math
from fractions import Fraction

import numpy as np
import pytest

from numfmt import noise, quantizers
from numfmt.quantizers.levels import finite_numbers

G = np.random.default_rng(5).standard_normal((4, 300)) * 2.0 ** np.arange(-3, 1)[:, None]


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: x.astype(">f8"), lambda x: x[::-1][::-1]])
def test_numbers_are_those_given(layout):
    """No layout of float64 goes through float32, and integers come exactly."""
    assert finite_numbers(layout(G), "x").tobytes() == G.tobytes()
    assert finite_numbers([2**53, -1, 3], "x").tolist() == [2.0**53, -1, 3]


def test_pact():
    x = [-1, 0, 0.3, 1.1, 2.9, 3, 4]
    assert quantizers.pact(3, 2).quantized(np.array(x)).tolist() == [0, 0, 0, 1, 3, 3, 3]
    halves = quantizers.pact(3, 2)
    assert halves.quantized(np.array([0.5, 1.5, 2.5])).tolist() == [0, 2, 2]  # ties to even steps


def test_ttq():
    assert quantizers.ttq([3.0, 1.0, -0.01]).values.tolist() == [-2, 0, 2]
    assert quantizers.ttq([3.0, 1.0, -4.0]).values.tolist() == [-4, 0, 2]
    learned = quantizers.ttq([0.9, -0.7, 0.5, 0.01], positive=2.0, negative=0.5)
    assert learned.quantized(np.array([0.9, 0.04, -0.1])).tolist() == [2, 0, -0.5]
    assert quantizers.ttq([1.0, -1.0], t=0.5, positive=3, negative=1).quantized(np.array([0.5])) == 3


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_dorefa_by_its_formula(bits):
    w = np.random.default_rng(1).standard_normal(500) * 0.3
    found = quantizers.dorefa(w, bits).quantized(w)
    n = 2**bits - 1
    t = np.tanh(w) / (2 * np.abs(np.tanh(w)).max()) + 0.5
    wanted = 2 * np.rint(t * n) / n - 1 if bits > 1 else np.where(w < 0, -1, 1) * np.abs(w).mean()
    assert found == pytest.approx(wanted, abs=1e-12)


def test_dorefa_gradient_by_its_formula():
    found = quantizers.dorefa_gradient(G, 4, seed=9)
    words = noise.words(9, 0, G.size).tolist()
    for i, row in enumerate(G.tolist()):
        m = 2 * max(map(abs, row))
        for j, g in enumerate(row):
            u = Fraction(2 * words[i * 300 + j] + 1, 2**33) - Fraction(1, 2)
            t = min(max(Fraction(g) / Fraction(m) + Fraction(1, 2) + u / 15, 0), 1)
            assert found[i, j] == pytest.approx(
                float(m * (Fraction(round(t * 15), 15) - Fraction(1, 2))), abs=1e-12
            )


def test_dorefa_gradients_are_unbiased():
    """Inside the range: the mean over seeds within five deviations of it."""
    count = 4000
    g = np.array([[1.0, -1.0, 0.3, -0.05, 0.61, 0.0]])
    drawn = np.array([quantizers.dorefa_gradient(g, 2, seed=s)[0] for s in range(count)])
    spread = drawn.std(axis=0) / math.sqrt(count)
    inside = np.abs(g[0]) < 1 - 1 / 3
    assert (np.abs(drawn.mean(axis=0) - g[0])[inside] < 5 * spread[inside]).all()
    assert quantizers.dorefa_gradient(np.zeros((2, 3)), 2, seed=1).tolist() == np.zeros((2, 3)).tolist()


def test_wage():
    assert quantizers.wage_shift([0.5, 0.1]) == 0.5
    root = math.sqrt(0.5)  # rounded: its square is above 1/2
    assert [quantizers.wage_shift([x]) for x in (math.nextafter(root, 0), root)] == [0.5, 1.0]
    e = quantizers.wage_error(np.array([1.0, -0.2, 1 / 512, -1.4]))
    assert (e * 128).tolist() == [127, -26, 0, -127]


def test_wage_gradients():
    """Each magnitude one of the integers beside it, by the word; the mean over seeds is the number."""
    y = np.abs(G[0] * (8 / quantizers.wage_shift(G[0])))
    words = noise.words(3, 0, 300).tolist()
    found = quantizers.wage_gradient(G[0], 8.0, seed=3) * 128
    for size, got, sign, word in zip(y.tolist(), found.tolist(), np.sign(G[0]).tolist(), words, strict=True):
        part = Fraction(size) - math.floor(size)
        assert got == sign * (math.floor(size) + (math.floor(part * 2**32) + word >= 2**32))
    mean = np.mean([quantizers.wage_gradient(G[0], 8.0, seed=s) * 128 for s in range(2000)], axis=0)
    assert (np.abs(np.abs(mean) - y) < 5 * 0.5 / math.sqrt(2000)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantizers.twn([]), "without elements"),
        (lambda: quantizers.twn([1, np.nan]), "element 1 of 2 is nan"),
        (lambda: quantizers.twn([1.0, 2.0], 5), "no magnitude is above the threshold 7.5, the largest is 2"),
        (lambda: quantizers.ttq([1.0, -1.0], 1), "0 <= t < 1"),
        (lambda: quantizers.ttq([1.0, -1.0], positive=-1), "positive= is the scale of a side"),
        (lambda: quantizers.twn([1.0], -1), "0 or more and finite, or 'best'; got -1"),
        (lambda: quantizers.twn([1.0], "bset"), "got 'bset'"),
        (lambda: quantizers.pact(0, 2), "above 0 and finite"),
        (lambda: quantizers.lsq([1.0], 1), "from 2 to 16, got 1"),
        (lambda: quantizers.inq([1.0], 9), "from 3 to 8, got 9"),
        (lambda: quantizers.dorefa([1.0], 2.5), "an integer from 1 to 8, got 2.5"),
        (lambda: quantizers.wage_gradient([1.0], -8.0, seed=0), "the rate of WAGE is above 0"),
        (lambda: quantizers.wage_gradient([1.0], np.nan, seed=0), "the rate of WAGE is above 0"),
        (lambda: quantizers.wage_gradient([1.0], np.inf, seed=0), "the rate of WAGE is above 0"),
        (lambda: quantizers.wage_shift([0.0]), "every number is 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
