"""Autoflex against the algorithm in fractions; its state; bad hyper-parameters."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt
from numfmt.flexpoint import PROFILES, AutoflexTensor, Flex, quantize

from . import slow

magnitudes = st.floats(2.0**-40, 2.0**20) | st.just(0.0) | st.integers(-34, 16).map(lambda e: 2.0**e)
sequences = st.lists(magnitudes, min_size=1, max_size=40)


def both(sequence, mode="nearest_even", **options):
    """(codes, exponent) of each write, and those of the oracle."""
    tensor = AutoflexTensor(**options)
    rule = tensor.rule
    oracle = slow.Tensor(*rule, bits=tensor.flex.bits, last=2**tensor.flex.exponent_bits - 1)
    for x in sequence:
        a = tensor.quantize([x, -x / 3], rounding=mode)
        codes = oracle.write([x, -x / 3], mode)
        yield (a.codes.tolist(), a.exponent), (codes, oracle.e)


@given(sequences, st.sampled_from(["paper", "ngraph"]), st.sampled_from(["nearest_even", "toward_zero"]))
@settings(deadline=None)
def test_the_published_algorithm(sequence, profile, mode):
    for found, wanted in both(sequence, mode, profile=profile):
        assert found == wanted


@given(
    sequences,
    st.sampled_from([0.5, 1, 2, 3]),
    st.sampled_from([0, 2, 3]),
    st.sampled_from([0, 1, 100]),
    st.integers(1, 20),
    st.sampled_from([(16, 5), (8, 4), (24, 5)]),
)
@settings(deadline=None)
def test_every_hyper_parameter(sequence, alpha, beta, gamma, history, form):
    options = {"alpha": alpha, "beta": beta, "gamma": gamma, "history": history}
    for found, wanted in both(sequence, bits=form[0], exponent_bits=form[1], **options):
        assert found == wanted


def test_profiles_are_data():
    assert [PROFILES[name].alpha for name in ("paper", "ngraph")] == [2, 1]
    assert PROFILES["paper"]._replace(alpha=1.0) == PROFILES["ngraph"]
    assert AutoflexTensor("paper", alpha=1.5, history=4).rule == (1.5, 3, 100, 4)


@pytest.mark.parametrize(("profile", "factor"), [("paper", 8), ("ngraph", 4)])
def test_one_overflow_multiplies_the_step(profile, factor):
    tensor = AutoflexTensor(profile, gamma=100)
    tensor.quantize(1.0)
    before = tensor.exponent
    written = tensor.quantize(100.0)
    assert (written.codes, written.clipped, tensor.overflows) == (32767, 1, 1)
    assert 2.0 ** (before - tensor.exponent) == factor


def test_an_overflow_clears_the_history():
    tensor = AutoflexTensor()
    for x in (1.0, 0.5, 100.0):
        tensor.quantize(x)
    assert tensor.maxima == (2 * 32767 / 2**14,)


def test_the_lowest_code_counts_as_overflow():
    tensor = AutoflexTensor()
    tensor.quantize(1.0)
    assert tensor.quantize(-2.0).clipped == 0
    assert (tensor.overflows, tensor.maxima) == (1, (4.0,))


def test_the_history_has_a_length():
    tensor = AutoflexTensor(history=3)
    for x in (1.0, 1.25, 1.5, 1.0, 1.125):
        tensor.quantize(x)
    assert tensor.maxima == (1.5, 1.0, 1.125)


def test_zeros_leave_no_history_until_something_comes():
    tensor = AutoflexTensor()
    tensor.update([0.0, 0.0]).update(0)
    assert (tensor.exponent, tensor.maxima) == (14, ())
    tensor.update(0.25).update(0.0)
    assert tensor.maxima == (0.25, 0.0)


def test_without_gamma_and_maxima_nothing_is_predicted():
    tensor = AutoflexTensor(gamma=0, history=1).update(0.25).update(0.0)
    assert tensor.exponent == AutoflexTensor(gamma=0).update(0.25).exponent


@pytest.mark.parametrize("peak", [32768.0 * 4, 1e-30])
def test_predictions_are_clamped(peak):
    tensor = AutoflexTensor()
    for _ in range(20):
        tensor.update(peak)
    assert tensor.exponent == (0 if peak > 1 else tensor.quantize(peak).exponent)
    assert 0 <= tensor.exponent <= 31


@given(sequences)
@settings(deadline=None)
def test_update_is_quantize_without_codes(sequence):
    one, other, third = AutoflexTensor(), AutoflexTensor(), AutoflexTensor()
    for x in sequence:
        written = one.quantize([x, -x / 2, 0])
        other.update([x, -x / 2, 0])
        third.update(written)
        assert one.state() == other.state() == third.state()


@given(sequences, sequences)
@settings(deadline=None)
def test_a_saved_state_goes_on_alike(before, after):
    tensor = AutoflexTensor("paper", bits=12, exponent_bits=4, history=5)
    for x in before:
        tensor.update(x)
    state = tensor.state()
    others = [
        AutoflexTensor.from_state(json.loads(json.dumps(state))),
        pickle.loads(pickle.dumps(tensor)),
        copy.copy(tensor),
        copy.deepcopy(tensor),
    ]
    for x in after:
        tensor.update(x)
    for other in others:
        assert other.state() == state
        for x in after:
            other.update(x)
        assert other.state() == tensor.state()


def test_a_copy_goes_its_own_way():
    tensor = AutoflexTensor().update(1.0)
    other, state = copy.copy(tensor), tensor.state()
    other.update(100.0)
    state["maxima"].append(7.0)
    assert tensor.maxima == (1.0,)


def test_a_fresh_tensor_can_be_saved():
    assert AutoflexTensor.from_state(AutoflexTensor().state()).exponent is None


@pytest.mark.parametrize("bad", [[1.0, np.nan], ["a"], [1j]])
def test_an_error_changes_nothing(bad):
    tensor = AutoflexTensor().update(1.0)
    state = tensor.state()
    with pytest.raises((ValueError, TypeError)):
        tensor.quantize(bad)
    assert tensor.state() == state


def test_what_update_leaves_out():
    tensor = AutoflexTensor().update([])
    assert tensor.exponent is None
    assert tensor.update([np.nan]).exponent is None
    assert tensor.update([np.nan, 1.0]).maxima == (1.0,)


def test_infinity_is_an_overflow():
    tensor = AutoflexTensor().update(1.0).update([np.inf])
    assert (tensor.overflows, tensor.exponent) == (1, 12)
    assert AutoflexTensor().quantize([-np.inf]).values.tolist() == [-32768]


GOOD = AutoflexTensor().update(1.0).state()
REFUSED = {
    "profile": (lambda: AutoflexTensor("intel"), numfmt.SpecError, "unknown profile 'intel'.*paper, ngraph"),
    "alpha 0": (lambda: AutoflexTensor(alpha=0), ValueError, "alpha .* must be above 0, got 0"),
    "alpha": (lambda: AutoflexTensor(alpha=-1), ValueError, "alpha must be at least 0 and finite, got -1"),
    "beta": (lambda: AutoflexTensor(beta=-0.5), ValueError, "beta must be at least 0 and finite, got -0.5"),
    "gamma": (lambda: AutoflexTensor(gamma=np.inf), ValueError, "gamma must be at least 0 and finite"),
    "NaN": (lambda: AutoflexTensor(beta=np.nan), ValueError, "beta must be at least 0"),
    "text": (lambda: AutoflexTensor(beta="x"), TypeError, "beta must be a number, got 'x'"),
    "history 0": (lambda: AutoflexTensor(history=0), ValueError, "history must be at least 1, got 0"),
    "history": (lambda: AutoflexTensor(history=1.5), TypeError, "history must be an integer, got 1.5"),
    "bits": (lambda: AutoflexTensor(bits=40), ValueError, "bits must be 2 to 32"),
    "another format": (
        lambda: AutoflexTensor().update(quantize([1.0], 8)),
        TypeError, r"this tensor is flex16\+5, and flex8\+5 was written",
    ),
    "half a state": (
        lambda: AutoflexTensor.from_state({"bits": 16}), ValueError, "the state lacks 'exponent'",
    ),
    "a far exponent": (
        lambda: AutoflexTensor.from_state({**GOOD, "exponent": 32}),
        ValueError, "exponent must be 0 to 31, got 32",
    ),
    "a negative maximum": (
        lambda: AutoflexTensor.from_state({**GOOD, "maxima": [-1]}),
        ValueError, "a maximum must be at least 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_why(case):
    make, error, text = REFUSED[case]
    with pytest.raises(error, match=text):
        make()


def test_it_shows_itself():
    assert repr(AutoflexTensor().update(1.0)) == "<AutoflexTensor flex16+5, exponent 14, 1 maxima>"
    assert str(Flex(8, 3)) == "flex8+3"
