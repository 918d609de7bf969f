"""`assert_same_bits`: what it takes for equal, and what its message says."""

import tracemalloc

import ml_dtypes
import numpy as np
import pytest

import numfmt
from numfmt.format import Format
from numfmt.registry import NAMES
from numfmt.testing import assert_same_bits


def message(*args, **options):
    with pytest.raises(AssertionError) as caught:
        assert_same_bits(*args, **options)
    return str(caught.value)


SAME = {
    "codes": ([0, 0x80, 0x7E], [0, 0x80, 0x7E]),
    "any NaN code": (np.uint8([0x7F]), np.uint8([0xFF])),
    "code dtypes": (np.uint8([1, 2]), np.int64([1, 2])),
    "values": ([1.0, -0.0, 0.0], [1.0, -0.0, 0.0]),
    "NaN of any sign": (np.array([np.nan]), np.array([-np.nan])),
    "float dtypes": (np.float16([1.5]), np.float64([1.5])),
    "longdouble": (np.longdouble([1.5]), np.float32([1.5])),
    "big-endian": (np.array([1.5], ">f4"), np.array([1.5], "<f8")),
    "ml_dtypes": (np.array([1.5, -0.0], ml_dtypes.bfloat16), [1.5, -0.0]),
    "scalars": (np.float32(1.5), 1.5),
    "0-d": (np.array(3), np.array(3)),
    "empty": ([], np.zeros(0, np.uint8)),
    "strided": (np.arange(8.0)[::-2], [7.0, 5.0, 3.0, 1.0]),
    "two dimensions": (np.ones((2, 3)), np.ones((2, 3), np.float32)),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same(case):
    assert_same_bits(*SAME[case], "e4m3fn")


DIFFERENT = {
    "codes": ([1], [2]),
    "the zeros, as codes": ([0x00], [0x80]),
    "the zeros, as values": ([0.0], [-0.0]),
    "a NaN and a number": ([np.nan], [1.0]),
    "a NaN code and a number": ([0x7F], [0x7E]),
    "one ulp": ([1.0], [1.125]),
    "a sign": ([448.0], [-448.0]),
    "int64 and uint64": (np.int64([-1]), np.uint64([2**64 - 1])),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_different(case):
    actual, expected = DIFFERENT[case]
    assert "1 of 1 elements differs as e4m3fn" in message(actual, expected, "e4m3fn")
    assert "1 of 1 elements differs as e4m3fn" in message(expected, actual, "e4m3fn")


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_messages_of_any_shape(shape):
    actual, expected, given = (np.full(shape, x) for x in (18.0, 16.0, 17.0))
    assert "neighbours of the expected" in message(actual, expected, "e4m3fn")
    told = message(actual, expected, "e4m3fn", inputs=given, operation="convert")
    assert "input     17" in told
    assert "exact     17, a tie" in told


def test_nan_bits_are_compared_on_demand():
    assert_same_bits([0x7F], [0x7F], "e4m3fn", nan_bits=True)
    message([0x7F], [0xFF], "e4m3fn", nan_bits=True)
    message([np.nan], [-np.nan], "e4m3fn", nan_bits=True)


@pytest.mark.parametrize("mixed", [([1], [1.0]), ([1.0], [1]), (np.uint8(1), np.float32(1))])
def test_codes_and_values_do_not_mix(mixed):
    with pytest.raises(TypeError, match="integers are codes and floats are values"):
        assert_same_bits(*mixed, "bf16")


@pytest.mark.parametrize("neither", [[True], ["a"], [1j], [None], np.array(["2020"], "M8[Y]")])
def test_what_is_neither_is_refused(neither):
    with pytest.raises(TypeError, match="neither codes"):
        assert_same_bits(neither, neither, "bf16")


@pytest.mark.parametrize(("actual", "expected"), [(np.ones(3), np.ones((3, 1))), (1.0, [1.0])])
def test_shapes_agree(actual, expected):
    assert "the shapes differ" in message(actual, expected, "bf16")


def test_an_unknown_format_is_a_spec_error():
    with pytest.raises(numfmt.SpecError, match="bf16"):
        assert_same_bits([1.0], [1.0], "bf61")


def test_message():
    actual, expected = np.ones((2, 3)), np.ones((2, 3))
    actual[1, 2], actual[0, 1] = 1.125, -3.0
    assert message(actual, expected, "e4m3fn").splitlines() == [
        "2 of 6 elements differ as e4m3fn",
        "  at (0, 1), 125 values apart:",
        "    actual    0xC4  1|1000|100  -3",
        "    expected  0x38  0|0111|000  1",
        "    neighbours of the expected: 0x37 0.9375, 0x39 1.125",
        "  at (1, 2), 1 value apart:",
        "    actual    0x39  0|0111|001  1.125",
        "    expected  0x38  0|0111|000  1",
        "    neighbours of the expected: 0x37 0.9375, 0x39 1.125",
    ]


def test_neighbours_end_with_the_format():
    text = message([0.0], [-65504.0], "f16")
    assert "neighbours of the expected: none below, 0xFBFE -65472" in text
    assert "0x7BFE 65472, none above" in message([0.0], [65504.0], "f16")
    assert "none below, 0x01" in message([1], [0], "e4m3fnu")


@pytest.mark.parametrize("code", [0x7C00, 0x7E00])
def test_specials_have_no_neighbours(code):
    assert "neighbours" not in message([0], [code], "f16")


@pytest.mark.parametrize(
    ("value", "fmt", "text"),
    [
        (1.1, "bf16", "1.1 is no value of bf16; the nearest is 1.1015625"),
        (449.0, "e4m3fn", "449.0 is no value of e4m3fn; the nearest is 448"),
        (np.inf, "e4m3fn", "inf is no value of e4m3fn; the nearest is 448"),
        (np.nan, "e2m1fn", "nan is no value of e2m1fn, which has no NaN"),
        (-0.0, "e4m3fnuz", "-0.0 is no value of e4m3fnuz; the nearest is 0"),
        (-1.0, "e8m0fnu", "-1.0 is no value of e8m0fnu"),
    ],
)
def test_floats_that_are_no_values(value, fmt, text):
    """Even where both sides agree: such a number has no bits in the format."""
    assert text in message([value], [value], fmt)


def test_integers_that_are_no_codes():
    assert "256 is no code of e4m3fn, which has 0 to 0xFF" in message([256], [256], "e4m3fn")
    assert "-1 is no code" in message([-1], [0], "e4m3fn")


def test_values_that_floats_do_not_hold_are_compared_as_codes():
    with pytest.raises(ValueError, match="floats do not hold them; compare codes"):
        assert_same_bits([1.0], [1.0], "int64")
    assert_same_bits([2**63 - 1], [2**63 - 1], "int64")
    assert_same_bits([1.0], [1.0], "int54")


@pytest.mark.parametrize("code", [-128, 128])
def test_the_code_that_a_symmetric_format_leaves_out_is_none(code):
    assert_same_bits([-127, 129, 255], [129, -127, -1], "int8[symmetric]")
    text = f"{code} is no code of int8[symmetric], which has -127 to 127, or their residues"
    assert message([code], [code], "int8[symmetric]").count(text) == 2


@pytest.mark.parametrize(
    ("value", "fmt", "text"),
    [
        (2.0**-24, "f16", "5.9604644775390625e-8"),
        (2.0**-14, "f16", "0.00006103515625"),
        (65504.0, "f16", "65504"),
        (2.0**127, "bf16", "0x1.0000000000000p+127 (1.70141e+38)"),
        (0.1, "f64", "0x1.999999999999ap-4 (0.1)"),
        (-np.inf, "f16", "-inf"),
        (2.0**-1074, "f64", "0x0.0000000000001p-1022 (4.94066e-324)"),
    ],
)
def test_exact_values(value, fmt, text):
    assert text in message([1.0], [value], fmt)


def test_every_value_of_a_format_is_printed_exactly():
    from fractions import Fraction

    from numfmt.testing.elements import exact_text

    for _, value in numfmt.parse("e5m2").values():
        assert Fraction(exact_text(value)) == value


class Thirds(Format):
    """A format of another family: two bits, 0 to 1 by thirds."""

    bits, signed, span = 2, False, (0, 3)

    def value(self, code):
        from fractions import Fraction

        return Fraction(code, 3)

    def code_at(self, rank):
        return rank

    def rank(self, code):
        return code

    def __str__(self):
        return "thirds"


def test_any_format_will_do():
    text = message([1], [2], Thirds())
    assert "actual    0x1  01  1/3" in text
    assert "expected  0x2  10  2/3" in text
    assert "neighbours of the expected: 0x1 1/3, 0x3 1" in text


@pytest.mark.parametrize("spec", NAMES)
def test_every_code_equals_itself(spec):
    fmt = numfmt.parse(spec)
    count = min(1 << fmt.bits, 1 << 12)
    codes = np.arange(count, dtype=np.uint64) * np.uint64((1 << fmt.bits) // count)
    assert_same_bits(codes, codes, fmt, nan_bits=True)
    if not fmt.exceeds_float64:
        values = numfmt.decode(codes, fmt)
        assert_same_bits(values, values, fmt)


def test_a_long_report_stays_short():
    x = np.zeros(1 << 20, np.float32)
    numfmt.cast(x, "bf16")  # the loops are there before memory is measured
    tracemalloc.start()
    text = message(x, x + 1, "bf16")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text.startswith("1048576 of 1048576 elements differ as bf16; the first 5:")
    assert len(text.splitlines()) == 1 + 5 * 4
    assert peak < 10 * x.nbytes


def test_codes_of_twos_complement_and_their_residues_are_the_same():
    assert_same_bits(np.int8([-3, 127]), np.uint8([253, 127]), "int8")
    text = message(np.int8([-3, 4]), np.int8([-4, 4]), "int8")
    assert "actual    0xFD  1|1111101  -3" in text
    assert "expected  0xFC  1|1111100  -4" in text
    assert "neighbours of the expected: 0xFB -5, 0xFD -3" in text
    assert "-9 is no code of int4, which has -8 to 0xF" in message(np.int8([-9]), np.int8([7]), "int4")
