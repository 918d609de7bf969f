"""`compare_states`: Adam's steps and what is lost of its moments, by hand; the table; bad arguments."""

import math

import numpy as np
import pytest

import numfmt
from numfmt import adam8bit
from numfmt.errors import SpecError
from numfmt.training import LARGE_NETWORKS, STATES, States, StateTraining, compare_states
from numfmt.training.descent import Parameter
from numfmt.training.moments import Adam, AdamRun, Losses, Moments, median_error
from numfmt.training.states import state_list

F4 = np.float32
RNG = np.random.default_rng(3)
X = RNG.standard_normal((120, 16)).astype(F4)
DATA = X, (X[:, :2] > 0).sum(axis=1)
TINY = {"data": DATA, "epochs": 2, "batch": 30, "least": 0}
ADAM = Adam(rate=0.01, beta1=0.9, beta2=0.999, eps=1e-8, batch=30, least=0)
GRADIENTS = [F4(RNG.standard_normal(700) * 10.0 ** RNG.integers(-5, 1, 700)) for _ in range(6)]


def trained(states, adam=ADAM, gradients=GRADIENTS):
    """A run that has made a step for each of some gradients of one parameter of ones."""
    run = AdamRun((), STATES.get(states) or States("x", states), adam, seed=0)
    held = np.ones_like(gradients[0])
    parameter = Parameter("w", held, held, held)
    with np.errstate(all="ignore"):
        for gradient in gradients:
            run.update(parameter, gradient)
    return parameter.value, run


def test_the_digits_show_what_trees_and_blocks_do():
    """The coarse statements of the documentation; no digits of them."""
    pytest.importorskip("sklearn")
    runs = compare_states(epochs=3)
    f32, linear, linear_blocks, tree, blocks, cpu = runs.outcomes()
    assert [row.loss < 1e6 for row in runs.outcomes()] == [True, False, False, True, True, True]  # or NaN
    assert abs(blocks.loss - f32.loss) < 0.1 * f32.loss
    assert abs(cpu.loss - f32.loss) < 0.02 * f32.loss
    for worse, better, factor in ((linear, tree, 2), (linear_blocks, blocks, 2), (tree, blocks, 1.2)):
        assert worse.m_error > factor * better.m_error
        assert worse.v_error > factor * better.v_error
        assert worse.lost > factor * better.lost
    assert (f32.m_error, f32.v_error, f32.update_error, f32.lost, cpu.lost) == (0,) * 5
    assert f32.largest < 10 < 100 < blocks.largest


def test_steps_of_float32_are_adam_s():
    w, m, v = np.ones(700), np.zeros(700), np.zeros(700)
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * np.square(g, dtype=float)
        w -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(trained("f32")[0], w, rtol=1e-6)


def test_steps_of_eight_bits_are_those_of_the_library():
    """Of its CPU code, but for the order of float32 operations: codes at a boundary may differ."""
    w, run = trained("dynamic blocks cpu")
    params = np.ones(700, F4)
    state = adam8bit.start(params, "bitsandbytes_cpu")
    for g in GRADIENTS:
        params, state = adam8bit.step(params, g, state, lr=0.01)
    np.testing.assert_allclose(w, params, rtol=1e-5)
    for found, wanted in zip(run.kept["w"].moments, (state.m.decode(), state.v.decode()), strict=True):
        assert (np.abs(found - wanted) > 1e-5 * np.abs(wanted)).mean() < 0.01


def test_what_one_step_loses():
    """m = g / 10 and v = g**2 / 1000; under one scale, equal steps of 1/127 and of 1/255."""
    _, run = trained("linear", gradients=[F4([1.0, 0.5, 0.02, 0.001, 0.0])])
    (loss,) = run.losses.found
    m, v = run.kept["w"].moments
    kept = [1, round(0.5 * 127) / 127, round(0.02 * 127) / 127, 0, 0]
    np.testing.assert_allclose(10 * m, kept, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(1000 * v, [1, round(0.25 * 255) / 255, 0, 0, 0], rtol=1e-6)
    assert (loss.elements, loss.nonzero, loss.lost) == (5, 4, 2)
    assert loss.m == pytest.approx(((64 / 127 / 0.5 - 1) + (3 / 127 / 0.02 - 1)) / 2, rel=1e-5)
    assert loss.v == pytest.approx(((64 / 255 / 0.25 - 1) + 1) / 2, rel=1e-5)
    assert run.losses.lost == 0.5
    assert run.losses.largest == pytest.approx(1, rel=1e-5)  # of the moments before they are rounded


def test_an_update_is_large_where_v_is_lost():
    gradients = [F4([1.0, 1e-3]), F4([1.0, 0.0])]
    assert trained("f32", gradients=gradients)[1].losses.largest < 1.1
    assert trained("dynamic", gradients=gradients)[1].losses.largest < 1.1
    gradients = [F4([1.0, 0.02]), F4([1.0, 0.0])]
    assert trained("linear", gradients=gradients)[1].losses.largest > 1e3


def test_small_parameters_keep_float32():
    run = trained("linear", ADAM._replace(least=701))[1]
    assert run.losses.found == []
    assert math.isnan(run.losses.mean("m"))
    assert math.isnan(run.losses.lost)
    assert np.array_equal(run.kept["w"].moments.v, run.kept["w"].exact.v)
    assert trained("linear", ADAM._replace(least=700))[1].losses.mean("v") > 0.1


def test_nan_is_kept_as_zero():
    x = F4([np.nan, 1.0, 0.5])
    for states in STATES.values():
        kept = Moments(x, x).kept(states)
        assert [m[0] for m in kept] == pytest.approx([0, 0], abs=1e-3)
        assert kept.m[1:] == pytest.approx([1, 0.5], rel=0.01)


def test_a_median_is_of_elements_that_are_not_zero():
    assert median_error(F4([0, 1, 3]), F4([0, 2, 2])) == 0.5
    assert median_error(F4([1, 2]), F4([0, 0])) == 0
    assert math.isnan(Losses().mean("m"))


@pytest.mark.parametrize("network", LARGE_NETWORKS)
def test_rows_are_in_order_and_say_what_they_are(network):
    runs = compare_states(["f32", States("mine", "bf16", "e5m2")], network, seed=(4, 5), **TINY)
    assert [(r.states, r.seed, r.epoch, r.steps) for r in runs] == [
        (states, seed, epoch, 3 * epoch) for states in ("f32", "mine") for seed in (4, 5) for epoch in (1, 2)
    ]
    assert {(r.network, r.m, r.v) for r in runs[4:]} == {(network, "bf16", "e5m2")}
    assert all(0 < r.m_error < 2**-8 < r.v_error for r in runs[4:])
    printed = str(runs)
    assert f"{network}: 2 epochs, 2 seeds" in printed
    assert printed == str(runs.outcomes())


def test_the_same_seed_gives_the_same_table():
    first, second = (compare_states("dynamic, bf16", "mlp, embedding", seed=7, **TINY) for _ in range(2))
    assert first.to_csv() == second.to_csv()
    other = compare_states("dynamic", seed=8, **TINY)
    assert other[0].loss != first[0].loss


def test_runs_that_end_in_nan_are_the_worst():
    rows = compare_states("f32", seed=(0, 1), **TINY).rows
    broken = StateTraining((*rows[:3], type(rows[3])(**{**vars(rows[3]), "loss": math.nan})))
    (outcome,) = broken.outcomes()
    assert math.isnan(outcome.loss)
    assert math.isnan(outcome.most)
    assert outcome.least == rows[1].loss


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compare_states("dynamik"), SpecError, "Did you mean 'dynamic'.*Those are: f32, linear"),
        (lambda: compare_states([]), ValueError, "at least one kind of states"),
        (lambda: state_list([States("a", "bf16"), States("a", "f16")]), ValueError, "names of their own"),
        (lambda: States("", "bf16"), TypeError, "a string that says something"),
        (lambda: States("a", "bf61"), SpecError, "unknown format 'bf61'"),
        (lambda: compare_states(network="convolution"), SpecError, "Choose one of: mlp, embedding"),
        (lambda: compare_states(learning_rate=0), ValueError, "learning_rate must be above 0"),
        (lambda: compare_states(betas=(0.9, 1)), ValueError, "betas are two numbers"),
        (lambda: compare_states(betas=0.9), ValueError, "betas are two numbers"),
        (lambda: compare_states(eps=0), ValueError, "eps must be above 0"),
        (lambda: compare_states(least=-1), ValueError, "least"),
        (lambda: compare_states(epochs=0), ValueError, "epochs"),
        (lambda: compare_states("f32", data=(X, [0, 1])), ValueError, "shapes"),
    ],
)
def test_what_cannot_be_served(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_states_are_found_by_name_and_spec():
    assert [s.name for s in state_list("fp32,fp16")] == ["f32", "f16"]
    assert state_list(numfmt.parse("bf16"))[0].v == "bf16"
    assert state_list(None) == list(STATES.values())
