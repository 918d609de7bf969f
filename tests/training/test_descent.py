"""What a run rounds and counts: against the same descent written out in float32, and on made-up tensors."""

import math

import numpy as np
import pytest

import numfmt
from numfmt.training import NETWORKS, POLICIES, Autoflex, LossScale, Policy, Rounded, networks
from numfmt.training.descent import Descent, Run
from numfmt.training.layers import cross_entropy
from numfmt.training.numerics import Numerics, Tally

from .test_layers import differences

RNG = np.random.default_rng(5)
X = RNG.standard_normal((24, 6, 6)).astype(np.float32)
LABELS = RNG.integers(0, 3, 24)
RATE, MOMENTUM = 0.125, 0.5
F32 = Policy("f32", "f32")


def run_of(policy, network="mlp", seed=3):
    return Run(NETWORKS[network](X.shape[1:], 3), policy, Descent(RATE, MOMENTUM, 8), seed)


def parameters(run):
    return [p for stage in run.stages for p in stage.parameters]


def state(run):
    return [array.tolist() for p in parameters(run) for array in (p.value, p.held, p.velocity)]


@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_of_the_whole_network(network, monkeypatch):
    monkeypatch.setattr(networks, "HIDDEN", 7)
    run = run_of(F32, network)
    inputs, logits = run.forward(X, "training")
    found = run.backward(inputs, cross_entropy(logits, LABELS)[1])
    wide = {id(p): p.value.astype(np.float64) for p in parameters(run)}

    def loss():
        y = X.astype(np.float64)
        for stage in run.stages:
            y = stage.layer.forward(y, *(wide[id(p)] for p in stage.parameters))
        return cross_entropy(y, LABELS)[0]

    for parameter, gradient in found:
        wanted = differences(loss, wide[id(parameter)], 2.0**-26)  # so short that no rectifier turns
        np.testing.assert_allclose(gradient, wanted, atol=1e-5)
    assert {id(p) for p, _ in found} == set(wide)


def slow_descent(run, batches, cast):
    """The descent of a policy without master copy, layer by layer, with nothing but `cast`."""
    w = [[cast(p.value) for p in stage.parameters] for stage in run.stages]
    v = [[np.zeros_like(p) for p in own] for own in w]
    layers = [stage.layer for stage in run.stages]
    for x, labels in batches:
        y, inputs = cast(x), []
        for layer, own in zip(layers, w, strict=True):
            inputs.append(y)
            y = layer.forward(y, *own)
            y = cast(y) if own else y
        dy, gradients = cast(cross_entropy(y, labels)[1]), []
        for layer, own, x_in in reversed(list(zip(layers, w, inputs, strict=True))):
            dy, g = layer.backward(x_in, dy, *own)
            dy = cast(dy) if own else dy
            gradients.insert(0, [cast(part) for part in g])
        for own, velocities, gs in zip(w, v, gradients, strict=True):
            for i, g in enumerate(gs):
                velocities[i] = cast(np.float32(MOMENTUM) * velocities[i] - np.float32(RATE) * g)
                own[i] = cast(own[i] + velocities[i])
    return [p for own in w for p in own]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("spec", ["f32", "bf16", "e5m2", "int8[scale=0.03125]"])
def test_every_tensor_is_rounded_and_no_weight_is_kept_wider(network, spec):
    run = run_of(Policy("x", spec), network)
    batches = [(X[:8], LABELS[:8]), (X[8:16], LABELS[8:16]), (X[16:], LABELS[16:])]
    wanted = slow_descent(run, batches, lambda x: np.asarray(numfmt.cast(x, spec)))
    for batch in batches:
        run.step(*batch)
    for parameter, slow in zip(parameters(run), wanted, strict=True):
        numfmt.testing.assert_same_bits(parameter.value, slow, "f32")
        assert parameter.held is parameter.value
        numfmt.testing.assert_same_bits(parameter.velocity, numfmt.cast(parameter.velocity, spec), "f32")


def test_a_master_copy_keeps_what_the_weights_lose():
    run = run_of(Policy("x", "e4m3fn", activations="f32", gradients="f32", master="f32"))
    before = [p.held.copy() for p in parameters(run)]
    run.step(X[:8], LABELS[:8])
    for parameter, old in zip(parameters(run), before, strict=True):
        assert (parameter.held != old).any()
        numfmt.testing.assert_same_bits(parameter.held, old + parameter.velocity, "f32")
        numfmt.testing.assert_same_bits(parameter.value, numfmt.cast(parameter.held, "e4m3fn"), "f32")
    first = parameters(run)[0]
    assert (first.held != first.value).mean() > 0.9


def test_two_formats_that_hold_everything_train_alike():
    runs = [run_of(Policy("x", spec, master=master)) for spec, master in (("f32", None), ("f32", "f64"))]
    for run in runs:
        run.epoch(X, LABELS)
    assert state(runs[0]) == state(runs[1])
    assert runs[0].numerics.tally.lost == 0


def test_a_power_of_two_as_loss_scale_changes_no_bit_of_f32():
    runs = [run_of(Policy("x", "f32", loss_scale=scale)) for scale in (1, 1024.0)]
    losses = [run.epoch(X, LABELS) for run in runs]
    assert losses[0] == losses[1]
    assert state(runs[0]) == state(runs[1])


def test_the_gradients_are_scaled_when_they_are_rounded():
    seen = []

    def watch(seed):
        def rounder(x):
            seen.append(float(abs(x).max()))
            return Rounded(x)

        return rounder

    largest = {}
    for scale in (1, 256):
        seen.clear()
        run_of(Policy("x", "f32", gradients=watch, loss_scale=scale)).step(X[:8], LABELS[:8])
        largest[scale] = seen[1:]  # after the one of zeros that a policy is tried with
    assert len(largest[1]) == 1 + 3 * 2 + 2  # of the loss, of three layers' parameters, of two inputs
    assert largest[256] == [256 * x for x in largest[1]]


def test_a_loss_scale_saves_small_gradients():
    lost = {}
    for scale in (1, 2.0**14):
        run = run_of(Policy("x", "f16", master="f32", loss_scale=scale))
        inputs, logits = run.forward(X[:8], "training")
        tiny = np.float32(2.0**-20) * cross_entropy(logits, LABELS[:8])[1]
        run.backward(inputs, tiny * np.float32(scale))
        lost[scale] = run.numerics.tally.lost / run.numerics.tally.nonzero
    assert lost[1] > 0.1 > 0.01 > lost[2.0**14]


def test_a_step_that_overflows_changes_nothing():
    run = run_of(Policy("x", "f16", loss_scale=LossScale(2.0**40, every=4)))
    before = state(run)
    run.epoch(X, LABELS)
    assert (state(run), run.skipped, run.scale) == (before, 3, 2.0**37)
    assert run.numerics.tally.clipped > 0
    assert run.numerics.tally.nonfinite > 0


def test_a_dynamic_scale_comes_down_until_training_goes_on():
    run = run_of(Policy("x", "f16", master="f32", loss_scale=LossScale(2.0**30, every=100)))
    before, skipped = state(run), 0
    for _ in range(20):
        run.epoch(X, LABELS)
        skipped += run.skipped
    assert run.scale == 2.0 ** (30 - skipped)
    assert 5 < skipped < 25
    assert state(run) != before
    assert all(np.isfinite(p.held).all() for p in parameters(run))


def test_weights_that_overflow_stop_the_run_and_raise_nothing():
    run = run_of(Policy("x", "e4m3fn", activations="f32", gradients="f32"))
    parameters(run)[0].value[:] = np.nan
    loss = run.epoch(X, LABELS)
    assert math.isnan(loss)
    assert run.skipped == 3
    assert run.accuracy(X, LABELS) == 0


def test_underflow_is_counted_exactly():
    numerics = Numerics(Policy("x", "f16"), 0)
    tiny, least = 2.0**-25, 2.0**-24  # the tie below the smallest value goes to 0
    x = np.float32([0, -0.0, tiny, -tiny, tiny * 1.01, least, 1, 1e30, -1e30, np.inf, np.nan, 1e-38])
    numerics.write(x, "gradients", "a")
    assert numerics.tally == Tally(elements=12, nonzero=8, lost=3, clipped=2, nonfinite=4)
    numerics.write(x, "weights", "a")
    numerics.write(x, "activations", "a")
    numerics.write(np.float32([1, tiny]), "gradients", "b")
    assert numerics.tally == Tally(elements=14, nonzero=10, lost=4, clipped=2, nonfinite=4)


def test_each_epoch_counts_its_own():
    run = run_of(POLICIES["int16 step 2^-10"])
    run.epoch(X, LABELS)
    first = run.numerics.tally
    run.epoch(X, LABELS)
    assert run.numerics.tally is not first
    assert run.numerics.tally.elements == first.elements > 0


def test_tensors_keep_their_state_apart():
    numerics = Numerics(Policy("x", Autoflex()), 0)
    for name in ("a", "b"):
        for x in (1.0, 5.0, 10.0) if name == "a" else (1.0,):
            numerics.write(np.float32([x]), "gradients", name)
    numerics.write(np.float32([100.0]), "weights", "a")
    assert len(numerics.rounders) == 3
    assert numerics.write(np.float32([2.0**-12]), "gradients", "b") > 0
    assert numerics.write(np.float32([2.0**-12]), "gradients", "a") == 0


def test_evaluation_leaves_training_alone():
    """Predictions of Autoflex and draws of stochastic rounding are those of a run never evaluated."""
    for policy in (POLICIES["flex16+5 autoflex"], POLICIES["fp8 stochastic"]):
        runs = [run_of(policy) for _ in range(2)]
        for _ in range(3):
            runs[0].accuracy(100 * X, LABELS)
            losses = [run.epoch(X, LABELS) for run in runs]
            assert losses[0] == losses[1]
        assert state(runs[0]) == state(runs[1])


def test_seeds_of_tensors_differ_and_follow_from_the_run():
    names = [f"layer {i}, parameter {j}" for i in range(50) for j in (0, 1)]
    drawn = {(seed, name): Numerics(F32, seed)._seed_of(name) for seed in (0, 1, 2**64 - 1) for name in names}
    assert len(set(drawn.values())) == 300
    assert all(0 <= s < 2**63 for s in drawn.values())
    assert drawn[1, names[0]] == Numerics(F32, 1)._seed_of(names[0])


def test_stochastic_rounding_differs_between_tensors_and_writes():
    numerics = Numerics(POLICIES["fp8 stochastic"], 0)
    x = RNG.standard_normal(1000).astype(np.float32)
    writes = [numerics.write(x, "gradients", name).tobytes() for name in ("a", "b", "a", "b")]
    assert len(set(writes)) == 4
    again = Numerics(POLICIES["fp8 stochastic"], 0)
    assert [again.write(x, "gradients", name).tobytes() for name in ("a", "b", "a", "b")] == writes


def test_every_policy_begins_with_the_same_weights_and_order():
    runs = [run_of(policy) for policy in (F32, POLICIES["fp8 stochastic"], POLICIES["flex16+5 autoflex"])]
    for run in runs[1:]:
        for a, b in zip(parameters(runs[0]), parameters(run), strict=True):
            np.testing.assert_allclose(a.value, b.value, rtol=0.13, atol=2.0**-9)
    for run in runs:
        run.epoch(X, LABELS)
    assert len({run.rng.integers(1 << 60) for run in runs}) == 1


def test_nan_counts_for_no_class():
    run = run_of(F32)
    parameters(run)[-1].value[:] = [np.nan, 0, 0]
    assert run.accuracy(X, np.zeros(24, int)) == 0
    parameters(run)[-1].value[:] = [np.inf, 0, 0]
    assert run.accuracy(X, np.zeros(24, int)) == 1
