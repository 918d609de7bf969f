"""The guess at a cause: results of devices with one planted mistake each, made without the table of causes."""

import numpy as np
import pytest

import numfmt
from numfmt.testing import assert_same_bits
from numfmt.testing.causes import OF_CODES

ALL = np.arange(256, dtype=np.uint8)
PAIRS = (ALL[:, None], ALL[None, :])
QUOTIENTS = (np.arange(0x3F80, 0x4000, dtype=np.uint16)[:, None], np.arange(0x3F80, 0x4000, dtype=np.uint16))


def products(fmt, **how):
    return numfmt.mul(*PAIRS, fmt, codes=True, **how)


def message(actual, expected, fmt, **how):
    with pytest.raises(AssertionError) as caught:
        assert_same_bits(actual, expected, fmt, **how)
    return str(caught.value)


def of_products(actual, fmt, **how):
    return message(actual, products(fmt), fmt, inputs=PAIRS, operation="mul", **how).splitlines()[1].strip()


def replaced(codes, old, new):
    return np.where(codes == old, np.uint8(new), codes)


MODES = {
    "nearest_away": "ties away from zero, ties_away: all 300 differences are ties",
    "nearest_zero": "ties toward zero, ties_to_zero: all 300 differences are ties",
    "nearest_odd": "ties to odd, ties_to_odd: all 300 differences are ties",
    "toward_zero": "truncation instead of rounding, truncates: all 300 differences are what toward_zero gives",
    "toward_positive": "rounding up, rounds_up: all 300 differences are what toward_positive gives",
    "to_odd": "rounding to odd, rounds_to_odd: all 300 differences are what to_odd gives",
}


@pytest.mark.parametrize("mode", MODES)
def test_another_mode(mode):
    actual, expected = (products("e4m3fn", rounding=r, overflow="saturate") for r in (mode, None))
    text = message(actual, expected, "e4m3fn", inputs=PAIRS, operation="mul")
    assert text.splitlines()[1].strip() == f"looks like {MODES[mode]}"


def test_flushed():
    assert of_products(products("e5m2", ftz="after"), "e5m2").startswith(
        "looks like subnormals flushed, results_flushed: "
    )


def test_overflow_to_the_largest():
    text = of_products(products("e5m2", overflow="saturate_finite"), "e5m2")
    assert text.startswith("looks like overflow to the largest value, overflow_to_max: all 300")


def test_overflow_past_the_largest():
    right = products("e4m3fn", overflow="saturate_finite")
    text = message(products("e4m3fn"), right, "e4m3fn", inputs=PAIRS, operation="mul")
    assert "looks like overflow past the largest value, overflow_to_special: all 300" in text


def test_minus_zero():
    assert "looks like -0 lost, minus_zero_lost: all 300" in of_products(
        replaced(products("e4m3fn"), 0x80, 0), "e4m3fn"
    )


def test_signs():
    right = products("e4m3fn")
    flipped = np.where((right & 0x7F) > 0x70, right ^ 0x80, right)
    assert "looks like sign lost" in of_products(np.where((right & 0x7F) == 0x7F, right, flipped), "e4m3fn")


def test_a_lost_carry():
    """A significand that rounds up to 2 leaves the exponent as it was."""
    a, b = (numfmt.decode(x, "e4m3fn") for x in PAIRS)
    right = products("e4m3fn")
    with np.errstate(all="ignore"):
        grew = (
            (np.abs(a * b) < np.abs(numfmt.decode(right, "e4m3fn")))
            & (right & 7 == 0)
            & ((right & 0x7F) >= 8)
        )
    assert "looks like carry into the exponent lost, carry_lost: all 300" in of_products(
        np.where(grew, right - 8, right), "e4m3fn"
    )


def test_a_wrong_bias():
    right = products("e4m3fn")
    normal = ((right & 0x7F) >= 8) & ((right & 0x7F) < 0x77)
    text = of_products(np.where(normal, right + 8, right), "e4m3fn")
    assert text == "looks like exponent bias off by one, bias_high: all 300 differences are twice as large"


def test_nan_bits():
    right = products("e5m2")
    assert "NaN payload" in of_products(np.where(right == 0x7E, np.uint8(0x7D), right), "e5m2", nan_bits=True)
    assert "NaN and infinity confused" in of_products(replaced(right, 0x7E, 0x7C), "e5m2")


def test_double_rounding():
    """bf16 of float32 by way of tf32: 11 bits, then 8."""
    x = np.linspace(1, 2, 1 << 14, dtype=np.float32) * np.float32(1.0001)
    twice, once = numfmt.cast(numfmt.cast(x, "tf32"), "bf16"), numfmt.cast(x, "bf16")
    text = message(twice, once, "bf16", inputs=x, operation="convert")
    assert "looks like double rounding, double_rounding: all" in text
    assert "ties once they are rounded to tf32" in text or "to f16" in text


def test_a_lost_sticky_bit():
    """Quotients cut to one bit below the last, then rounded."""
    a, b = (numfmt.decode(x, "bf16").astype(np.float64) for x in QUOTIENTS)
    quotient = a / b
    below = np.exp2(np.floor(np.log2(quotient))) / 256  # half the spacing of bf16, exact for powers of two
    cut = np.floor(quotient / below) * below
    text = message(
        numfmt.encode(cut, "bf16"), numfmt.div(*QUOTIENTS, "bf16", codes=True), "bf16", inputs=QUOTIENTS,
        operation="div",
    )  # fmt: skip
    assert "looks like sticky bit lost, sticky_lost: all" in text


def test_no_cause_is_named_where_none_fits():
    rng = np.random.default_rng(0)
    text = message(rng.integers(0, 128, 400), rng.integers(0, 128, 400), "f16")
    assert "looks like" not in text


def test_a_cause_that_right_results_speak_against_says_so():
    ties = np.array([17.0, 19.0, 21.0, 23.0, 25.0])
    right = numfmt.cast(ties, "e4m3fn")
    wrong = right.copy()
    wrong[0] = 18.0
    text = message(wrong, right, "e4m3fn", inputs=ties, operation="convert")
    assert "looks like ties away from zero, ties_away (ties); but 2 right results are such too" in text


def test_without_an_operation_codes_alone_speak():
    right = products("e5m2")
    assert "subnormals flushed" in message(products("e5m2", ftz="after"), right, "e5m2")
    assert len({cause.name for cause in OF_CODES}) >= 10


def test_inputs_are_shown_with_their_own_formats():
    text = message(
        np.uint16([0x3C01]), np.uint16([0x3C00]), "f16", inputs=(np.uint8([0x38]), np.uint8([0x3C])),
        operands=("e4m3fn", "e5m2"),
    )  # fmt: skip
    assert "    inputs    0x38  0|0111|000  1\n              0x3C  0|01111|00  1\n" in text


def test_exact_results_are_shown():
    text = message([18.0], [16.0], "e4m3fn", inputs=([4.25], [4.0]), operation="mul")
    assert "exact     17, a tie between 0x58 16 and 0x59 18" in text
    beside = message([18.0], [16.0], "e4m3fn", inputs=[17 - 2.0**-40], operation="convert")
    assert "just below the tie between 0x58 16 and 0x59 18" in beside
    assert "past the last value" in message([448.0], [np.nan], "e4m3fn", inputs=[480.0], operation="convert")


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"operation": "mul"}, "needs inputs="),
        ({"inputs": [1.0], "operation": "mul"}, "mul takes 2 operands, inputs= has 1"),
    ],
)
def test_what_does_not_fit_is_told(how, text):
    with pytest.raises(TypeError, match=text):
        assert_same_bits([1.0], [1.0], "bf16", **how)


def test_an_unknown_operation_is_told():
    with pytest.raises(ValueError, match="mul"):
        assert_same_bits([1.0], [1.0], "bf16", inputs=[1.0], operation="mult")
