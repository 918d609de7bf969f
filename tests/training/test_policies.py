"""What policies round, and what they refuse; the table of policies."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import numfmt
from numfmt.errors import SpecError
from numfmt.flexpoint import AutoflexTensor
from numfmt.training import POLICIES, Autoflex, Cast, LossScale, Policy, Rounded
from numfmt.training.policies import LEAST_SCALE, ROLES, policy_list
from numfmt.training.rounders import limits

X = np.random.default_rng(0).standard_normal((7, 9)).astype(np.float32)


def names(formats):
    return [policy.name for policy in policy_list(formats)]


def halves(seed):
    """A maker of a user's own."""
    return lambda x: Rounded(np.float32(np.rint(2 * x) / 2), int((x > 8).sum()))


@pytest.mark.parametrize(
    "spec", ["f32", "bf16", "f16", "e4m3fn", "q3.12", "int8[scale=0.125]", "int4[axis=0]", "mxfp8_e5m2"]
)
@pytest.mark.parametrize("role", ROLES)
def test_a_spec_rounds_as_cast_does(spec, role):
    rounder = Policy("x", spec).rounder(role, 0)
    for _ in range(2):
        values, _ = rounder(X)
        assert values.dtype == np.float32
        numfmt.testing.assert_same_bits(values, numfmt.cast(X, spec), "f32")


@pytest.mark.parametrize("rounding", ["stochastic", "sr", "stochastic_b"])
def test_each_write_of_a_stochastic_mode_takes_the_next_seed(rounding):
    rounder = Policy("x", "e4m3fn", rounding=rounding).rounder("gradients", 17)
    for seed in (17, 18, 19):
        wanted = numfmt.cast(X, "e4m3fn", rounding=rounding, seed=seed)
        numfmt.testing.assert_same_bits(rounder(X).values, wanted, "f32")


def test_roles_fall_back():
    one = Policy("x", "bf16", rounding="toward_zero")
    assert one.formats == {"weights": "bf16", "activations": "bf16", "gradients": "bf16", "master": ""}
    two = Policy("x", "bf16", "f16", master="f32")
    assert two.formats == {"weights": "bf16", "activations": "f16", "gradients": "f16", "master": "f32"}
    three = Policy("x", "e4m3fn", gradients="e5m2")
    assert three.formats == {"weights": "e4m3fn", "activations": "e4m3fn", "gradients": "e5m2", "master": ""}


def test_the_mode_is_that_of_all_but_the_master_copy():
    x = np.float32([1 + 2**-5])
    policy = Policy("x", "e4m3fn", master="e4m3fn", rounding="toward_positive")
    assert [policy.rounder(role, 0)(x).values[0] for role in ROLES] == [1.125, 1.125, 1.125, 1.0]
    alone = Policy("x", "e4m3fn", rounding="toward_positive")
    assert alone.rounder("master", 0)(x).values == 1.125


@pytest.mark.parametrize(
    ("spec", "x", "clipped"),
    [
        ("e4m3fn", [448, 449, -500, np.inf, np.nan, 0], 2),
        ("f16", [65504, 65505, -1e38, 1], 2),
        ("int8[scale=0.5]", [63.5, 63.6, -64, -65], 2),
        ("uq4.4", [15.9375, 16, -1, 0], 2),
        ("f32", [3e38, -3e38], 0),
        ("f64", [3e38, -3e38], 0),
        ("int8[axis=0]", [1e30, -1e30], 0),
        ("mxfp8_e4m3", [1e30, -3e38], 0),
    ],
)
def test_clipped_elements_are_counted(spec, x, clipped):
    rounder = Cast(spec, overflow="saturate", nan=0)(0)
    assert rounder(np.float32(x)).clipped == clipped


def test_limits_stay_within_float32():
    top = float(np.finfo(np.float32).max)
    assert limits(numfmt.parse("f64")) == (-top, top)
    assert limits(numfmt.parse("int4[axis=0]")) == (-np.inf, np.inf)


def test_autoflex_is_a_tensor_of_flexpoint():
    rounder, tensor = Autoflex("ngraph", bits=12)(0), AutoflexTensor("ngraph", bits=12)
    for factor in (1, 5, 10, 0.01):
        values, clipped = rounder(X * np.float32(factor))
        written = tensor.quantize(X * np.float32(factor))
        numfmt.testing.assert_same_bits(values, written.values, "f32")
        assert clipped == written.clipped


def test_each_tensor_has_its_own_state():
    a, b = (Policy("x", Autoflex()).rounder("weights", seed) for seed in (0, 1))
    for _ in range(3):
        a(1000 * X)
    assert b(X).values.tolist() == Autoflex()(0)(X).values.tolist() != a(X).values.tolist()


def test_a_maker_of_a_user():
    policy = policy_list(halves)[0]
    assert policy.formats["gradients"] == policy.name == "halves"
    assert policy.rounder("gradients", 0)(np.float32([0.3, 9.1])).values.tolist() == [0.5, 9.0]
    mixed = Policy("x", "bf16", gradients=halves)
    assert mixed.formats["gradients"] == "halves"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, list(POLICIES)),
        ("f32, bf16 mixed,int8[scale=0.5, zero=3]", ["f32", "bf16 mixed", "int8[scale=0.5,zero=3]"]),
        (["bf16, e5m2", "bf16"], ["bf16", "e5m2"]),
        ("fp32, F32", ["f32"]),
        (np.float16, ["f16"]),
        (ml_dtypes.bfloat16, ["bf16"]),
        (numfmt.parse("e4m3fn"), ["e4m3fn"]),
        ((Policy("mine", "e5m2"), "e5m2"), ["mine", "e5m2"]),
        ([Autoflex(), "flex16+5 autoflex"], ["flex16+5 autoflex"]),
    ],
)
def test_what_names_a_policy(given, wanted):
    assert names(given) == wanted


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_named_like_a_format_is_everything_in_that_format(name):
    try:
        form = numfmt.parse(name)
    except SpecError:
        return
    assert name == str(form)
    policy = POLICIES[name]
    assert policy.formats == {role: name if role != "master" else "" for role in ROLES}
    assert (policy.loss_scale, policy.rounding, policy.overflow, policy.nan) == (
        LossScale(),
        None,
        None,
        None,
    )


def test_the_table_has_what_the_papers_compare():
    rows = [(*policy.formats.values(), policy.rounding) for policy in POLICIES.values()]
    assert len(set(POLICIES)) == len(POLICIES) >= 14
    assert ("f16", "f16", "f16", "f32", None) in rows
    assert ("flex16+5 autoflex",) * 3 + ("", None) in rows
    assert ("e4m3fn", "e4m3fn", "e5m2", "", "stochastic") in rows
    assert ("mxfp8_e4m3", "mxfp8_e4m3", "mxfp8_e5m2", "f32", None) in rows
    assert [p.name for p in POLICIES.values() if p.loss_scale != LossScale()] == [
        "f16 mixed x1024", "f16 mixed dynamic",
    ]  # fmt: skip


def plain(seed):
    return lambda x: x


def transposed(seed):
    return lambda x: Rounded(x[0])


Bad = tuple[Any, dict[str, Any], type[Exception], str]
REFUSED: dict[str, Bad] = {
    "name": ("", {"weights": "f32"}, TypeError, "the name of a policy"),
    "no name": (3, {"weights": "f32"}, TypeError, "the name of a policy"),
    "format": ("x", {"weights": "bf61"}, SpecError, "unknown format 'bf61'"),
    "master": ("x", {"weights": "f32", "master": "bf61"}, SpecError, "unknown format 'bf61'"),
    "mode": ("x", {"weights": "f32", "rounding": "up"}, SpecError, "unknown rounding mode 'up'"),
    "overflow": ("x", {"weights": "f32", "gradients": "e2m1fn", "overflow": "nan"}, SpecError, "has no nan"),
    "no Rounded": ("x", {"weights": "f32", "gradients": plain}, TypeError, "gradients: a rounder returns"),
    "shape": ("x", {"weights": transposed}, TypeError, "weights: a rounder returns"),
    "loss scale": ("x", {"weights": "f32", "loss_scale": 0}, ValueError, "above 0, got 0"),
    "no number": ("x", {"weights": "f32", "loss_scale": "big"}, ValueError, "above 0, got 'big'"),
    "infinite": ("x", {"weights": "f32", "loss_scale": np.inf}, ValueError, "above 0, got inf"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_round_is_refused_at_once(case):
    name, options, error, text = REFUSED[case]
    with pytest.raises(error, match=text):
        Policy(name, **options)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (
            "bf16 mixd",
            SpecError,
            r"unknown format 'bf16 mixd'.*Nor is it a policy\. Did you mean 'bf16 mixed'",
        ),
        ([], ValueError, "at least one format"),
        (3.5, SpecError, "a format is a spec string or a dtype"),
        ([Policy("f32", "bf16"), "f32"], ValueError, "a name of its own, got f32, f32"),
    ],
)
def test_what_names_nothing(given, error, text):
    with pytest.raises(error, match=text):
        policy_list(given)


def test_a_static_scale_stays():
    assert LossScale(8.0).next(8.0, 0, skipped=True) == LossScale(8.0).next(8.0, 0, skipped=False) == (8.0, 0)


def test_a_dynamic_scale_doubles_and_halves():
    rule, state, seen = LossScale(8.0, every=2), (8.0, 0), []
    for skipped in (False, False, True, False, True, False, False):
        state = rule.next(*state, skipped)
        seen.append(state)
    assert seen == [(8, 1), (16, 0), (8, 0), (8, 1), (4, 0), (4, 1), (8, 0)]


def test_halving_ends():
    assert LossScale(1.0, every=9).next(LEAST_SCALE, 3, skipped=True) == (LEAST_SCALE, 0)


@pytest.mark.parametrize("every", [0, -1])
def test_a_scale_that_would_never_stay_is_refused(every):
    with pytest.raises(ValueError, match="at least 1 step"):
        LossScale(8.0, every=every)
