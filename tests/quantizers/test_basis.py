"""LQ-Nets and N2UQ: the vectors, alternating least squares beside a plain solver, thresholds one by one."""

import itertools

import numpy as np
import pytest

from numfmt.quantizers import (
    LearnedBasis,
    NonuniformThresholds,
    learned_basis,
    lqnet_activation_start,
    lqnet_weight_start,
    n2uq_start,
    n2uq_weights,
    qem_step,
)

W0 = np.array([0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0])
X = np.random.default_rng(3).standard_normal(500)


def test_the_common_vector():
    once = qem_step(W0, [0.2, 0.4])
    for learned in (once, learned_basis(W0, 2, start=[0.2, 0.4]), qem_step(W0, once.basis)):
        assert learned.basis.round(9).tolist() == [0.287888889, 0.412111111]
        assert learned.error == pytest.approx(0.022029463, abs=5e-10)


def plain_step(x, basis, digits, ridge):
    """Every code written out, and numbers compared with each threshold in turn."""
    codes = np.array(list(itertools.product(digits, repeat=len(basis))), float)
    codes = codes[np.argsort(codes @ basis, kind="stable")]
    values = codes @ basis
    chosen = np.zeros(len(x), int)
    for i, edge in enumerate((values[:-1] + values[1:]) / 2):
        chosen[x > edge] = i + 1
    b = codes[chosen]
    return np.linalg.solve(b.T @ b + ridge * np.eye(len(basis)), b.T @ x + ridge * np.asarray(basis))


@pytest.mark.parametrize("digits", [(-1, 1), (0, 1)])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize(("keep", "ridge"), [(0.0, 0.0), (0.9, 0.0), (0.0, 1e-4), (0.9, 1e-4)])
def test_a_step_beside_a_plain_solver(digits, bits, keep, ridge):
    basis = 0.31 * 1.9 ** np.arange(bits)
    expected = keep * basis + (1 - keep) * plain_step(X, basis, digits, ridge)
    assert qem_step(X, basis, digits, keep=keep, ridge=ridge).basis == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("digits", [(-1, 1), (0, 1)])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_the_error_never_rises_and_settles(digits, bits):
    x = np.abs(X) if digits == (0, 1) else X
    errors = [learned_basis(x, bits, digits=digits, steps=s).error for s in range(12)]
    assert all(b <= a * (1 + 1e-14) for a, b in itertools.pairwise(errors))
    settled = learned_basis(x, bits, digits=digits, steps=1000)
    assert qem_step(x, settled.basis, digits).basis == pytest.approx(settled.basis, rel=1e-12)
    assert settled.error == pytest.approx(((x - settled.levels.quantized(x)) ** 2).mean(), rel=1e-12)


def test_one_bit_is_the_mean_magnitude():
    assert learned_basis(X, 1).basis[0] == pytest.approx(np.abs(X).mean(), rel=1e-12)


def test_a_digit_that_no_element_tells_apart_stays():
    """Every element takes the top level of its sign: only the sum of the basis is told by the data."""
    x = np.array([10.0, 10.5, 11.0, -10.0, -10.5, -11.0])
    learned = qem_step(x, [1.0, 2.0])
    assert learned.basis.sum() == pytest.approx(10.5)
    assert learned.basis == pytest.approx([4.75, 5.75])


def test_a_moving_average_arrives_where_full_steps_do():
    slowly = learned_basis(W0, 2, start=[0.25, 0.4], keep=0.9, steps=2000)
    assert slowly.basis == pytest.approx(learned_basis(W0, 2, start=[0.25, 0.4]).basis, abs=1e-12)


def test_codes_and_levels():
    learned = LearnedBasis(np.array([0.5, 0.2, -0.1]), (-1, 1), 0.0)
    assert (np.diff(learned.levels.values) > 0).all()
    assert learned.codes @ learned.basis == pytest.approx(learned.levels.values)
    assert learned.levels.numbers == 3
    between = (learned.levels.values[2] + learned.levels.values[3]) / 2
    assert learned.levels.codes(np.array([between, np.nextafter(between, 9)])).tolist() == [2, 3]


def test_starts_of_the_authors():
    assert lqnet_weight_start(3, 72) == pytest.approx(0.6745 / 6 / 4 * np.array([1, 2, 4]))
    assert lqnet_activation_start(3) == pytest.approx(0.6745 * 2 / 7 * np.array([1, 2, 4]))


def n2uq(x, steps):
    """The loop of the formula, a threshold at a time."""
    n, count = len(steps.widths), 0
    a = [max(w, 1e-3) for w in steps.widths]
    t = steps.start + a[0] / 2
    for i in range(n):
        count += x * steps.scale_in > t
        t += (a[i] + a[min(i + 1, n - 1)]) / 2
    return count * 2 / n * steps.scale_out


@pytest.mark.parametrize("scales", [(1.0, 1.0), (0.5, 3.0)])
def test_n2uq_beside_its_loop(scales):
    steps = NonuniformThresholds(np.array([0.3, -1.0, 0.5, 0.25, 0.0, 1.5, 0.5]), -0.25, *scales)
    edges = steps.levels.boundaries
    x = np.concatenate([X, edges + 1e-12, edges - 1e-12])
    assert steps.levels.quantized(x) == pytest.approx([n2uq(v, steps) for v in x], abs=1e-12)


def test_n2uq_starts_uniform():
    levels = n2uq_start(2).levels
    assert levels.values == pytest.approx([0, 2 / 3, 4 / 3, 2])
    assert levels.boundaries == pytest.approx((levels.values[:-1] + levels.values[1:]) / 2)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_n2uq_weights_filter_by_filter(bits, axis):
    w = X[:480].reshape(6, 10, 8)
    got = np.moveaxis(n2uq_weights(w, bits, axis).decode(), axis, 0)
    n = 2**bits - 1
    for filtered, of in zip(got, np.moveaxis(w, axis, 0), strict=True):
        scale = n / 2 ** (bits - 1) * np.abs(of).mean()
        unit = np.minimum(np.maximum(of / scale, -1), 1)
        assert filtered == pytest.approx((np.round((unit + 1) * n / 2) * 2 / n - 1) * scale, rel=1e-12)


BAD = [
    (lambda: learned_basis([], 2), "without elements"),
    (lambda: learned_basis([np.inf, 1.0], 1), "element 0 of 2 is inf"),
    (lambda: learned_basis([0.5] * 9, 1), "2 levels, and the data have 1 distinct"),
    (lambda: learned_basis([1.0, 2.0, 3.0], 2), "4 levels, and the data have 3 distinct"),
    (lambda: learned_basis(W0, 9), "bits is an integer from 1 to 8, got 9"),
    (lambda: learned_basis(W0, 2, start=[0.1]), "starts from 2 numbers"),
    (lambda: qem_step(W0, [[0.1, 0.2]]), r"one row of numbers, got shape \(1, 2\)"),
    (lambda: qem_step(W0, [0.1, 0.2], (0, 2)), r"\(-1, 1\) or \(0, 1\)"),
    (lambda: qem_step(W0, [0.1, 0.2], keep=1.0), "0 <= keep < 1"),
    (lambda: n2uq_weights([[1.0], [0.0]], 2), "filter 1 has no weight but 0"),
    (lambda: n2uq_weights([[1.0]], 0), "from 1 to 8, got 0"),
    (lambda: n2uq_weights([[1.0]], 3, axis=7), "axis=7: an array of shape"),
    (lambda: n2uq_weights([[1.0]], 3, axis=0.5), "an axis is an integer"),
    (lambda: n2uq_weights(1.0, 3), r"an array of shape \(\) has 0 axes"),
    (lambda: n2uq_start(0), "from 1 to 8, got 0"),
    (lambda: n2uq_start(2.5), "from 1 to 8, got 2.5"),
    (lambda: lqnet_activation_start(0), "from 1 to 8, got 0"),
    (lambda: lqnet_weight_start(2, 0), "fan_out is an integer from 1 on, got 0"),
    (lambda: learned_basis(W0, 2.5), "from 1 to 8, got 2.5"),
    (lambda: learned_basis(W0, "3"), "from 1 to 8, got '3'"),
    (lambda: learned_basis(W0, 2, steps=-1), "steps is an integer from 0 on, got -1"),
    (lambda: qem_step(W0, [0.1, 0.2], ridge=np.inf), "a finite ridge"),
    (lambda: NonuniformThresholds(np.ones(3), scale_in=0.0).levels, "scales of N2UQ are above 0"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
