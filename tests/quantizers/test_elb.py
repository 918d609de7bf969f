"""ELB-ADMM: the vectors, every assignment tried as the oracle of the optimum, a loss that ADMM serves better."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from numfmt.quantizers import elb_admm, elb_integers, elb_optimum, elb_projection

W0 = np.array([0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0])
SETS = {"binary": elb_integers(1, zero=False), **{p: elb_integers(p) for p in (1, 2, 3, 4)}}
FOUND = {
    1: (0.567, [1, -1, 1, 1, 1], 0.022149083),
    2: (0.38625, [2, -2, 1, 1, 1, -1], 0.006913771),
    3: (0.256851852, [4, -2, 2, 1, 1, -1], 0.007663867),
}


@pytest.mark.parametrize("powers", FOUND)
def test_the_common_vector(powers):
    scale, integers, error = FOUND[powers]
    found = elb_projection(W0, SETS[powers])
    assert round(found.scale, 9) == scale
    assert found.integers.tolist() == integers + [0] * (12 - len(integers))
    assert round(found.error, 9) == error


def test_alternating_is_stuck_where_the_optimum_is_not():
    assert (
        elb_projection(W0, SETS[3]).error > elb_projection(W0, SETS[2]).error > elb_optimum(W0, SETS[3]).error
    )


def every_assignment(v, allowed):
    """The least error of all assignments, exactly."""
    v = [Fraction(float(number)) for number in v]
    total = sum(n * n for n in v)
    best = total
    for q in itertools.product(allowed, repeat=len(v)):
        squares = sum(i * i for i in q)
        if squares:
            best = min(best, total - Fraction(sum(a * b for a, b in zip(v, q, strict=True))) ** 2 / squares)
    return float(best / len(v))


SMALL = {
    "normal": np.random.default_rng(1).standard_normal(4),
    "laplace": np.random.default_rng(2).laplace(size=4),
    "equal": np.array([0.5, -0.5, 0.5, 0.5]),
    "with zeros": np.array([0.0, 3.0, -1.0, 0.0]),
    "powers": np.array([8.0, -4.0, 1.0, 2.0]),
    "one": np.array([-0.3]),
}


@pytest.mark.parametrize("allowed", SETS.values(), ids=SETS)
@pytest.mark.parametrize("case", SMALL)
def test_the_optimum_beside_every_assignment(case, allowed):
    best = every_assignment(SMALL[case], allowed)
    assert elb_optimum(SMALL[case], allowed).error == pytest.approx(best, rel=1e-12, abs=1e-30)
    assert elb_projection(SMALL[case], allowed, start=0.1).error >= best * (1 - 1e-12)


@pytest.mark.parametrize("allowed", SETS.values(), ids=SETS)
def test_the_optimum_is_what_alternating_keeps_and_no_start_beats(allowed):
    x = np.random.default_rng(5).standard_normal(3000)
    best = elb_optimum(x, allowed)
    again = elb_projection(x, allowed, start=best.scale)
    assert np.array_equal(again.integers, best.integers)
    starts = np.geomspace(0.02, 3, 60)
    assert best.error <= min(elb_projection(x, allowed, start=s).error for s in starts) * (1 + 1e-13)


def plain_alternation(v, allowed, scale, steps):
    for _ in range(steps):
        q = np.array(allowed)[np.abs(v[:, None] - scale * np.array(allowed)).argmin(axis=1)]
        scale = (v @ q) / (q @ q)
    return scale, q


@pytest.mark.parametrize("allowed", SETS.values(), ids=SETS)
@pytest.mark.parametrize("steps", [1, 2, 3, 100])
def test_alternating_beside_its_two_formulas(allowed, steps):
    x = np.random.default_rng(6).laplace(size=2000)
    scale, q = plain_alternation(x, allowed, 0.2, steps)
    found = elb_projection(x, allowed, start=0.2, steps=steps)
    assert found.scale == pytest.approx(scale, rel=1e-12)
    assert np.array_equal(found.integers, q)


@pytest.mark.parametrize("allowed", SETS.values(), ids=SETS)
def test_the_error_never_rises(allowed):
    errors = [elb_projection(W0, allowed, start=0.07, steps=s).error for s in range(1, 15)]
    assert all(b <= a for a, b in itertools.pairwise(errors))


def test_binary_is_the_mean_magnitude():
    for found in (elb_projection(W0, (-1, 1)), elb_optimum(W0, (-1, 1))):
        assert found.scale == pytest.approx(0.268166667, abs=5e-10)
        assert found.error == pytest.approx(0.084189472, abs=5e-10)
        assert set(found.integers.tolist()) == {-1, 1}


def test_known_laws_of_a_large_normal_sample():
    x = np.random.default_rng(0).standard_normal(400_000)
    published = {1: 0.190174, 2: 0.082178, 3: 0.047560, 4: 0.039875}
    for powers, error in published.items():
        assert elb_optimum(x, SETS[powers]).error == pytest.approx(error, rel=0.01)


@pytest.mark.parametrize("allowed", SETS.values(), ids=SETS)
def test_the_levels_are_the_projection(allowed):
    found = elb_optimum(W0, allowed)
    assert found.levels.quantized(W0) == pytest.approx(found.decode(), abs=1e-15)
    assert found.levels.numbers == 1


def test_shape_is_kept():
    assert elb_optimum(W0.reshape(3, 4), SETS[2]).integers.shape == (3, 4)
    assert elb_projection(W0.reshape(3, 4), SETS[2]).decode().shape == (3, 4)


def test_admm_serves_the_loss_better_than_the_nearest_point():
    """A quadratic loss whose directions differ: rounding its best weights is not the best that integers can do."""
    rng = np.random.default_rng(11)
    gains = []
    for _ in range(20):
        mix = rng.standard_normal((24, 16)) @ rng.standard_normal((16, 16)) / 8
        aim, hessian = rng.standard_normal(16), mix.T @ mix / 24

        def loss(w, aim=aim, hessian=hessian):
            return float((w - aim) @ hessian @ (w - aim))

        state = elb_admm(
            aim, lambda w, aim=aim, hessian=hessian: hessian @ (w - aim), SETS[1],
            penalty=0.5, rate=0.3, steps=300,
        )  # fmt: skip
        gains.append(loss(state.projection.decode()) / loss(elb_optimum(aim, SETS[1]).decode()))
    assert np.median(gains) < 0.9


def test_a_round_of_admm_by_hand():
    """f = w**2 / 2 at w = 3 with Q = 1, a = 3: slopes are w + 2 (w - 3) at 3, 3, and at 3 - 0.2 * 3, 1.2."""
    state = elb_admm([3.0], lambda w: w, (-1, 1), penalty=2.0, rate=0.1, predictor=0.2, steps=1)
    assert state.weights[0] == pytest.approx(3 - 0.1 * (2.4 - 1.2))
    assert state.multipliers[0] == pytest.approx(-0.12)
    twice = elb_admm([3.0], lambda w: w, (-1, 1), penalty=2.0, rate=0.1, predictor=0.2, steps=2)
    w, target = 2.88, 2.76 + 0.12
    ahead = w - 0.2 * (w + 2 * (w - target))
    assert twice.weights[0] == pytest.approx(w - 0.1 * (ahead + 2 * (ahead - target)))


def test_admm_of_a_separable_loss_stays_at_the_projection():
    """Where every direction counts alike, the nearest point is what ADMM should keep."""
    aim = np.array([1.1, -0.9, 0.05, 1.0])
    state = elb_admm(aim, lambda w: w - aim, SETS[1], penalty=1.0, rate=0.2, steps=200)
    assert state.projection.integers.tolist() == [1, -1, 0, 1]
    assert state.projection.scale == pytest.approx(1.0, abs=1e-6)


BAD = [
    (lambda: elb_projection([], (-1, 1)), "without elements"),
    (lambda: elb_projection([np.nan], (-1, 1)), "element 0 of 1 is nan"),
    (lambda: elb_optimum([0.0, 0.0], (-1, 1)), "a number other than 0"),
    (lambda: elb_projection(W0, (0, 1)), "symmetric set"),
    (lambda: elb_projection(W0, (0,)), "symmetric set"),
    (lambda: elb_projection(W0, (-1, 0, 1), start=9.0), "nearest to integer 0"),
    (lambda: elb_projection(W0, (-1, 0, 1), start=-1.0), "first scale is above 0"),
    (lambda: elb_integers(0), "powers is an integer from 1 to 16, got 0"),
    (lambda: elb_admm(W0, lambda w: w, (-1, 1), penalty=0.0, rate=1.0), "the penalty is above 0"),
    (lambda: elb_integers(70), "from 1 to 16, got 70"),
    (lambda: elb_projection(W0, (-1.5, 0, 1.5)), "each of the integers is an integer .*, got -1.5"),
    (lambda: elb_projection(W0, (-(2**60), 0, 2**60)), "from -32768 to 32768"),
    (lambda: elb_projection(W0, (-1, 1), steps=-1), "steps is an integer from 1 on, got -1"),
    (lambda: elb_admm(W0, lambda w: w, (-1, 1), penalty=1.0, rate=1.0, steps=-1), "steps is an integer"),
    (lambda: elb_admm(W0, lambda w: w, (-1, 1), penalty=1.0, rate=1.0, inner=0), "inner is an integer"),
    (lambda: elb_admm(W0, lambda w: w, (-1, 1), penalty=9.0, rate=9.0, steps=300), "element 0 of 12 is"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
