"""`assert_correctly_rounded`: right functions pass, wrong ones are told apart, on operands that they did not choose."""

import numpy as np
import pytest

import numfmt
from numfmt.testing import assert_correctly_rounded
from numfmt.testing.causes import LAST, OF_CODES, OF_EXACT
from numfmt.testing.mutants import MUTANTS


def message(*args, **how):
    with pytest.raises(AssertionError) as caught:
        assert_correctly_rounded(*args, **how)
    return str(caught.value)


def product(a, b, **how):
    return numfmt.mul(a, b, "e4m3fn", codes=True, **how)


def half_product(a, b):
    with np.errstate(all="ignore"):
        return a.astype(np.float16) * b.astype(np.float16)


def test_right_functions_pass():
    assert_correctly_rounded(product, "mul", "e4m3fn")
    assert_correctly_rounded(lambda a, b: product(a, b, rounding="rtz"), "mul", "e4m3fn", rounding="rtz")
    assert_correctly_rounded(lambda a, b: product(a, b, flags=True), "mul", "e4m3fn", flags=True)
    assert_correctly_rounded(half_product, "mul", "f16", values=True, count=20000)


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ({"rounding": "rna"}, "ties_away"),
        ({"rounding": "rtz"}, "truncates"),
        ({"ftz": "after"}, "results_flushed"),
        ({"daz": True}, "operands_flushed"),
        ({"overflow": "saturate"}, "overflow_to_max"),
    ],
)
def test_the_cause_is_named(how, name):
    text = message(lambda a, b: product(a, b, **how), "mul", "e4m3fn")
    assert f"looks like {name}: " in text
    assert "of 65536 elements differ as e4m3fn" in text
    assert "    inputs    0x" in text
    assert "    exact     " in text


def test_values_and_a_result_that_is_none():
    text = message(lambda a, b: a * b, "mul", "f16", values=True, count=5000)
    assert "is no value of f16" in text


def test_flags_are_compared_too():
    def without_underflow(a, b):
        codes, flags = product(a, b, flags=True)
        return codes, flags & ~np.uint8(2)

    text = message(without_underflow, "mul", "e4m3fn", flags=True)
    assert "results have other exceptions; the first 5:" in text
    assert "looks like underflow_never: underflow is never raised: all" in text
    assert "    actual    inexact\n    expected  inexact, underflow" in text


def test_nan_of_any_sign_is_right_unless_a_profile_says_which():
    def negative(a, b):
        codes = product(a, b)
        return np.where(codes & 0x7F == 0x7F, np.uint8(0xFF), codes)

    assert_correctly_rounded(negative, "mul", "e4m3fn")
    assert "elements differ" in message(negative, "mul", "e4m3fn", nan_profile="riscv")


@pytest.mark.parametrize(
    ("args", "how", "error", "text"),
    [
        (("eq", "f16"), {}, ValueError, "rounds nothing"),
        (("mul", "f16"), {"rounding": "rne,rtz"}, ValueError, "one mode"),
        (("mult", "f16"), {}, ValueError, "mul"),
        (("sqrt", "e4m3fn"), {}, TypeError, r"shape \(3,\)"),
    ],
)
def test_bad_calls(args, how, error, text):
    with pytest.raises(error, match=text):
        assert_correctly_rounded(lambda *x: np.zeros(3, np.uint8), *args, **how)


def test_causes_bear_the_names_of_planted_bugs_where_there_is_one():
    own = {
        "zeros_swapped", "overflow_to_special", "sign_lost", "nan_lost", "last_place", "ties_down", "rounds_up", "rounds_down",
        "rounds_to_odd",
    }  # fmt: skip
    assert {cause.name for cause in (*OF_CODES, *OF_EXACT, LAST)} - own <= set(MUTANTS)


def test_a_function_that_writes_into_its_operands():
    def careless(a, b):
        product = numfmt.mul(a, b, "e4m3fn", codes=True, rounding="rna")
        a.fill(0)
        return product

    with pytest.raises(AssertionError) as caught:
        assert_correctly_rounded(careless, "mul", "e4m3fn")
    assert "looks like ties_away: ties go away from zero: all 2552 differences" in str(caught.value)
    assert "inputs    0x01" in str(caught.value)
