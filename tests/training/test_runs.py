"""`compare_training`: records, the table, the digits, repeated runs, bad arguments."""

import csv
import io
import json
import sys

import numpy as np
import pytest

import numfmt
from numfmt.errors import SpecError
from numfmt.training import NETWORKS, POLICIES, Autoflex, Epoch, Policy, Rounded, Training, compare_training
from numfmt.training.examples import digits, examples_of

RNG = np.random.default_rng(2)
X = RNG.standard_normal((120, 5, 5)).astype(np.float32)
DATA = X, (X[:, :2, 0] > 0).sum(axis=1)
TINY = {"data": DATA, "epochs": 2, "batch": 30}


def test_the_digits_are_learned_in_f32():
    pytest.importorskip("sklearn")
    runs = compare_training("f32", NETWORKS, epochs=4)
    assert [row.epoch for row in runs] == [1, 2, 3, 4] * 2
    assert [outcome.network for outcome in runs.outcomes()] == list(NETWORKS)
    for outcome in runs.outcomes():
        assert outcome.accuracy > 0.9
        assert outcome.underflow_last < 1e-3
        assert (outcome.overflow, outcome.nonfinite, outcome.skipped) == (0, 0, 0)


def test_what_the_table_shows_of_gradients():
    """The coarse statements of the documentation; no digits of them."""
    pytest.importorskip("sklearn")
    runs = compare_training("f32, f16 mixed, f16 mixed x1024, int16 step 2^-12", epochs=4)
    f32, plain, scaled, fixed = runs.outcomes()
    assert f32.underflow_last < scaled.underflow_last < plain.underflow_last / 3
    assert plain.underflow_first < plain.underflow_last
    assert fixed.accuracy < 0.5 < 0.9 < min(f32.accuracy, plain.accuracy, scaled.accuracy)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_policy_trains(network):
    runs = compare_training(network=network, **TINY)
    assert [row.policy for row in runs.outcomes()] == list(POLICIES)
    for row in runs:
        assert 0 <= row.accuracy <= 1
        assert 0 <= row.underflow <= 1
        assert (row.steps, row.seed, row.network) == (3, 0, network)


def test_rows_are_in_order_and_know_their_formats():
    runs = compare_training(["bf16", Policy("mine", "f16", master="f32", loss_scale=8)], seed=(4, 5), **TINY)
    assert [(r.policy, r.seed, r.epoch) for r in runs] == [
        (policy, seed, epoch) for policy in ("bf16", "mine") for seed in (4, 5) for epoch in (1, 2)
    ]
    assert (runs[-1].weights, runs[-1].master, runs[-1].loss_scale) == ("f16", "f32", 8.0)
    assert (runs[0].gradients, runs[0].master, runs[0].loss_scale) == ("bf16", "", 1.0)


@pytest.mark.parametrize("formats", ["f32, fp8 stochastic, flex16+5 autoflex", "e3m2fn, q3.4"])
def test_the_same_seed_gives_the_same_table(formats):
    first, second = (compare_training(formats, "mlp, convolution", seed=7, **TINY) for _ in range(2))
    assert first.to_csv() == second.to_csv()


def test_underflow_is_a_share_of_what_was_not_zero():
    """Behind a rectifier some gradients are 0 already."""

    def nothing(seed):
        return lambda x: Rounded(np.zeros_like(x))

    def loss_alone(seed):
        return lambda x: Rounded(x if x.shape == (30, 3) else np.zeros_like(x))

    assert {r.underflow for r in compare_training(Policy("x", "f32", gradients=nothing), **TINY)} == {1.0}
    lost = compare_training(Policy("x", "f32", gradients=loss_alone), **TINY)[0].underflow
    assert 0.5 < lost < 1


def test_accuracy_is_that_of_what_was_held_back():
    """Their classes are turned round, so that whoever learns the others is wrong."""
    held_back = np.isin(np.arange(120), examples_of((np.arange(120)[:, None], DATA[1])).test_x)
    labels = (X[:, 0, 0] > 0) ^ held_back
    assert compare_training("f32", data=(X, labels), epochs=40)[-1].accuracy < 0.3


def test_another_seed_gives_another_run():
    a, b = (compare_training("f32", seed=seed, **TINY)[0].loss for seed in (0, 1))
    assert a != b
    assert [row.loss for row in compare_training("f32", seed=range(2), **TINY)][::2] == [a, b]


def test_runs_do_not_depend_on_their_neighbours():
    alone = compare_training("fp8 stochastic", **TINY)
    among = compare_training(["f32", "fp8 stochastic", Autoflex()], **TINY)
    assert alone.to_csv() == Training(among.rows[2:4]).to_csv()


def test_a_format_of_a_user():
    runs = compare_training("e3m2fn, int8[scale=0.01]", **TINY)
    assert [row.policy for row in runs.outcomes()] == ["e3m2fn", "int8[scale=0.01]"]
    assert runs[-1].underflow > runs[-1].overflow == 0


def row(**given):
    plain = dict.fromkeys(("weights", "activations", "gradients"), "f16") | {"master": "", "loss": 0.5}
    plain |= {"network": "mlp", "policy": "p", "seed": 0, "epoch": 1, "accuracy": 0.5, "underflow": 0.25}
    plain |= {"overflow": 0.0, "nonfinite": 0.0, "steps": 10, "skipped": 0, "loss_scale": 1.0}
    return Epoch(**plain | given)


ROWS = (
    row(underflow=0.2, overflow=0.125), row(epoch=2, accuracy=0.9),
    row(seed=1, underflow=0.4, skipped=4), row(seed=1, epoch=2, accuracy=0.7, loss=0.25, underflow=0.75),
    row(policy="q", epoch=1),
)  # fmt: skip


def test_outcomes_by_hand():
    first, second = Training(ROWS).outcomes()
    assert (first.policy, first.seeds, first.epochs) == ("p", 2, 2)
    assert (first.accuracy, first.least, first.most) == (pytest.approx(0.8), 0.7, 0.9)
    assert (first.loss, first.overflow, first.skipped) == (0.375, 0.125, 0.1)
    assert (first.underflow_first, first.underflow_last) == (pytest.approx(0.3), 0.5)
    assert (second.policy, second.seeds, second.epochs) == ("q", 1, 1)


def test_the_print():
    text = str(Training(ROWS))
    assert text.splitlines()[3] == "mlp: 2 epochs, 2 seeds"
    assert text.splitlines()[4].split() == ["p", "f16", "f16", "-", "80.0", "70.0", "90.0", "0.375", "30.0", "50.0", "12.5", "10.0"]  # fmt: skip
    assert repr(Training(ROWS)) == text
    assert Training(ROWS)._repr_html_() == Training(ROWS).outcomes()._repr_html_()
    assert str(Training(())) == "no runs"


def test_files_have_every_epoch():
    runs = Training(ROWS)
    found = list(csv.DictReader(io.StringIO(runs.to_csv())))
    assert [r["underflow"] for r in found] == ["0.2", "0.25", "0.4", "0.75", "0.25"]
    assert [r["epoch"] for r in json.loads(runs.to_json())] == [1, 2, 1, 2, 1]
    assert list(found[0]) == list(Epoch.__dataclass_fields__)
    pandas = pytest.importorskip("pandas")
    assert isinstance(runs.to_pandas(), pandas.DataFrame)
    assert len(runs.outcomes().to_pandas()) == 2


def test_a_quarter_is_held_back():
    x = np.arange(40.0)[:, None]
    found = examples_of((x, np.arange(40) % 4))
    assert (len(found.x), len(found.test_x), found.shape, found.classes) == (30, 10, (1,), 4)
    assert found.test_x[:, 0].tolist() != sorted(found.test_x[:, 0])
    assert sorted([*found.x[:, 0], *found.test_x[:, 0]]) == x[:, 0].tolist()
    np.testing.assert_array_equal(found.labels, found.x[:, 0] % 4)
    np.testing.assert_array_equal(found.test_labels, found.test_x[:, 0] % 4)
    assert found.test_x.tolist() == examples_of((x, np.arange(40) % 4)).test_x.tolist()


def test_the_digits():
    pytest.importorskip("sklearn")
    x, labels = digits()
    assert (x.shape, x.dtype, x.min(), x.max()) == ((1797, 8, 8), np.float32, 0, 1)
    assert sorted(set(labels.tolist())) == list(range(10))
    assert (16 * x == np.rint(16 * x)).all()


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install scikit-learn, or give data=\(x, labels\)"):
        compare_training("f32")
    compare_training("f32", **TINY)


ONES = np.ones(120, int)
REFUSED = {
    "format": ({"formats": "bf61"}, SpecError, "unknown format 'bf61'"),
    "network": ({"network": "mpl"}, SpecError, "unknown network 'mpl'. Did you mean 'mlp'"),
    "no network": ({"network": ()}, ValueError, "at least one network, got none"),
    "no seed": ({"seed": ()}, ValueError, "at least one seed, got none"),
    "seed": ({"seed": -1}, ValueError, "seed must be 0 to"),
    "epochs": ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
    "half an epoch": ({"epochs": 0.5}, TypeError, "epochs must be an integer, got 0.5"),
    "batch": ({"batch": 0}, ValueError, "batch must be at least 1"),
    "rate": ({"learning_rate": 0}, ValueError, "learning_rate must be above 0"),
    "rate, NaN": ({"learning_rate": np.nan}, ValueError, "learning_rate must be above 0"),
    "momentum": ({"momentum": 1}, ValueError, "momentum must be at least 0 and below 1"),
    "no pair": ({"data": X}, ValueError, r"a pair \(x, labels\)"),
    "number": ({"data": 3}, ValueError, r"a pair \(x, labels\)"),
    "lengths": ({"data": (X, ONES[:5])}, ValueError, r"got \(120, 5, 5\) and \(5,\)"),
    "shape": ({"data": (X[:, 0, 0], ONES)}, ValueError, r"got \(120,\) and \(120,\)"),
    "labels": ({"data": (X, ONES * 0.5)}, TypeError, "labels integers, got dtypes float32 and float64"),
    "complex": ({"data": (X * 1j, ONES)}, TypeError, "inputs are real numbers"),
    "NaN": ({"data": (X * np.nan, ONES)}, ValueError, "inputs must be finite in float32"),
    "large": ({"data": (X.astype(float) * 1e300, ONES)}, ValueError, "inputs must be finite in float32"),
    "one class": ({"data": (X, 0 * ONES)}, ValueError, "not all are 0"),
    "negative": ({"data": (X, np.arange(120) - 1)}, ValueError, "labels count from 0"),
    "one example": ({"data": (X[:1], ONES[:1])}, ValueError, "at least 2 examples"),
    "no image": ({"network": "convolution", "data": (X[:, 0], ONES)}, ValueError, "images of at least 5 x 5"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments(case):
    given, error, text = REFUSED[case]
    with pytest.raises(error, match=text):
        compare_training(**{"formats": "f32", **TINY, **given})


def test_nan_into_a_format_without_nan_says_what_to_do():
    def broken(seed):
        return lambda x: Rounded(np.full_like(x, np.nan))

    with pytest.raises(numfmt.RangeError, match="NaN, the format has none"):
        compare_training(Policy("x", "int8[scale=0.1]", gradients="f32", master=broken), **TINY)
    policy = Policy("x", "int8[scale=0.1]", gradients="f32", master=broken, nan=0)
    assert compare_training(policy, **TINY)[0].skipped == 0
