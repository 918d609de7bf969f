"""Ternary factors: every ternary vector tried, the residual term by term."""

import itertools

import numpy as np
import pytest

from numfmt.quantizers import best_ternary, ternary_factorization

VECTORS = {
    "normal": np.random.default_rng(1).standard_normal(6),
    "laplace": np.random.default_rng(2).laplace(size=6),
    "equal": np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0]),
    "one large": np.array([0.01, 0.0, -9.0, 0.02, 0.0, 0.01]),
    "zeros": np.array([0.0, 0.0, 0.5, -0.5, 0.0, 0.0]),
    "falling": np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]),
}


@pytest.mark.parametrize("case", VECTORS)
def test_the_best_ternary_vector_beside_all_of_them(case):
    s = VECTORS[case]
    every = [np.array(x) for x in itertools.product((-1, 0, 1), repeat=6) if any(x)]
    best = max((x @ s) ** 2 / (x @ x) for x in every)
    x = best_ternary(s).astype(float)
    assert (x @ s) ** 2 / (x @ x) == pytest.approx(best, rel=1e-13)


def test_the_fewest_entries_of_several_best():
    """3**2 / 1 = (3 + 1 + 1 + 1)**2 / 4."""
    assert best_ternary([1.0, -3.0, 1.0, 1.0]).tolist() == [0, -1, 0, 0]


W = np.random.default_rng(3).standard_normal((12, 9))


def test_the_residual_falls_by_what_each_term_explains():
    factors = ternary_factorization(W, 25)
    weights = np.count_nonzero(factors.left, axis=0) * np.count_nonzero(factors.right, axis=0)
    squares = factors.residuals**2
    assert (np.diff(factors.residuals) < 0).all()
    assert squares[:-1] - squares[1:] == pytest.approx(factors.scales**2 * weights, rel=1e-9)
    assert np.linalg.norm(W - factors.decode()) == pytest.approx(factors.residuals[-1], rel=1e-10)
    assert set(np.unique(factors.left)) == set(np.unique(factors.right)) == {-1, 0, 1}


def test_each_term_is_where_alternating_stays():
    factors = ternary_factorization(W, 6)
    rest = W.copy()
    for x, d, y in zip(factors.left.T, factors.scales, factors.right.T, strict=True):
        assert np.array_equal(best_ternary(rest @ y), x)
        assert np.array_equal(best_ternary(x @ rest), y)
        rest -= d * np.outer(x, y)


def test_many_terms_leave_nothing():
    factors = ternary_factorization(W, 400)
    assert factors.residuals[-1] < 1e-4 * factors.residuals[0]


@pytest.mark.parametrize("scale", [3.0, -0.25])
def test_an_outer_product_is_found_at_once(scale):
    x, y = np.array([1, 0, -1, 1]), np.array([0, -1, 1, 1, 0])
    factors = ternary_factorization(scale * np.outer(x, y), 5)
    assert factors.decode() == pytest.approx(scale * np.outer(x, y), abs=1e-15)
    assert factors.scales.size == 1
    assert factors.residuals[-1] == 0.0


BAD = [
    (lambda: ternary_factorization([], 1), "without elements"),
    (lambda: ternary_factorization([1.0], 1), r"needs a matrix that is not all 0, got shape \(1,\)"),
    (lambda: ternary_factorization(np.zeros((2, 2)), 1), "not all 0"),
    (lambda: ternary_factorization(W, 0), "terms is an integer from 1 on, got 0"),
    (lambda: ternary_factorization(W, 1.5), "terms is an integer from 1 on, got 1.5"),
    (lambda: ternary_factorization(W, 1, sweeps=-1), "sweeps is an integer from 0 on, got -1"),
    (lambda: best_ternary([0.0, 0.0]), "not all 0"),
    (lambda: ternary_factorization([[np.inf]], 1), "element 0 of 1 is inf"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
