"""`finfo`, and how numbers of any size are written."""

from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt.notation import number_text, power_text

POWERS = {
    Fraction(448): "1.75 * 2**8",
    Fraction(2) ** -24: "2**-24",
    Fraction(-1): "-2**0",
    Fraction(2**31 - 1): "2**31 - 1",
    1 - Fraction(2) ** -63: "1 - 2**-63",
    -8 + Fraction(2) ** -28: "-8 + 2**-28",
    Fraction((2**24 - 1) * 2**104): "2**128 - 2**104",
    Fraction(1, 3): "1.33333 * 2**-2",
    Fraction(0): "0",
}
HUGE = {
    "1E+100000": Fraction(10) ** 100_000,
    "3.3333333333333333E-5001": Fraction(1, 3 * 10**5000),
    "9.9700926550447525E+90308": Fraction(2) ** 300_000,
    "0.33333333333333333 (1/3)": Fraction(1, 3),
}


@pytest.mark.parametrize("value", POWERS)
def test_powers_of_two(value):
    assert power_text(value) == POWERS[value]


@pytest.mark.parametrize("text", HUGE)
def test_a_number_of_any_size_has_a_text(text):
    assert number_text(HUGE[text]) == text


@pytest.mark.parametrize(
    ("spec", "step", "codes"),
    [
        ("int8", 1, (-128, 127)),
        ("int8[symmetric]", 1, (-127, 127)),
        ("uq4.12", Fraction(1, 4096), (0, 65535)),
        ("fixed[bits=8,frac=-3]", 8, (-128, 127)),
        ("e4m3fn", None, (0xFE, 0x7E)),
        ("e8m0fnu", None, (0, 0xFE)),
    ],
)
def test_the_step_and_the_last_codes(spec, step, codes):
    limits = numfmt.finfo(spec)
    assert (limits.step, limits.min_code, limits.max_code) == (step, *codes)
    assert numfmt.decode(codes, spec).tolist() == [limits.min, limits.max]


def test_limits_are_printed_exactly():
    lines = str(numfmt.finfo("int64")).splitlines()
    assert "max                    ~9.223372e+18 = 2**63 - 1" in lines
    assert "step                   1 = 2**0" in lines
    assert "min_code               0x8000000000000000" in lines
    assert "max                    448 = 1.75 * 2**8" in str(numfmt.finfo("e4m3fn")).splitlines()


def test_limits_of_a_dict_are_floats_or_exact_texts():
    rows = numfmt.finfo("int64").to_dict()
    assert (rows["max"], rows["min"], rows["step"]) == ("2**63 - 1", -(2.0**63), 1.0)
    assert numfmt.finfo("q0.63").to_dict()["max"] == "1 - 2**-63"


def test_limits_of_a_format_with_a_scale():
    limits = numfmt.finfo("uint8[scale=0.1,zero=3]")
    values = numfmt.cast([-1e9, 1e9], "uint8[scale=0.1,zero=3]")
    assert [limits.min, limits.max] == values.tolist()
    assert float(limits.step) == np.float32(0.1)
    assert (limits.zero_code, limits.min_code, limits.max_code, limits.bits, limits.eps) == (
        3,
        0,
        255,
        8,
        None,
    )
    assert limits.name == "uint8[scale=0.1,zero=3]"
