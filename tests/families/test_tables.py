"""Values printed in the standards: tables of limits, special codes, biases."""

from fractions import Fraction

import numpy as np
import pytest

import numfmt

# name: bits, bias, max, min normal, min positive, +inf code, NaN codes (canonical first), -0
# IEEE 754-2019 table 3.5; OCP OFP8 1.0 tables 1 and 2; OCP MX 1.0 tables 1, 3, 5 and 6;
# ml_dtypes for the fnuz types and the IEEE-like e4m3 and e3m4; Arm ARM A1.4.2 (alternative half)
LIMITS = {
    "f64": (64, 1023, (2**53 - 1) * 2**971, -1022, -1074, 0x7FF << 52, [0x7FF8 << 48], True),
    "f32": (32, 127, (2**24 - 1) * 2**104, -126, -149, 0x7F800000, [0x7FC00000, 0x7F800001], True),
    "tf32": (19, 127, (2**11 - 1) * 2**117, -126, -136, 0x3FC00, [0x3FE00, 0x3FC01], True),
    "f16": (16, 15, 65504, -14, -24, 0x7C00, [0x7E00, 0x7C01, 0xFFFF], True),
    "bf16": (16, 127, 255 * 2**120, -126, -133, 0x7F80, [0x7FC0, 0x7F81, 0xFFFF], True),
    "f16_arm": (16, 15, 131008, -14, -24, None, [], True),
    "pxr24": (24, 127, (2**16 - 1) * 2**112, -126, -141, 0x7F8000, [0x7FC000, 0x7F8001], True),
    "e5m2": (8, 15, 57344, -14, -16, 0x7C, [0x7E, 0x7D, 0x7F, 0xFD, 0xFE, 0xFF], True),
    "e4m3fn": (8, 7, 448, -6, -9, None, [0x7F, 0xFF], True),
    "e4m3": (8, 7, 240, -6, -9, 0x78, [0x7C, 0x79, 0x7F, 0xF9, 0xFF], True),
    "e3m4": (8, 3, Fraction(31, 2), -2, -6, 0x70, [0x78, 0x71, 0x7F, 0xF1, 0xFF], True),
    "e4m3fnuz": (8, 8, 240, -7, -10, None, [0x80], False),
    "e5m2fnuz": (8, 16, 57344, -15, -17, None, [0x80], False),
    "e4m3b11fnuz": (8, 11, 30, -10, -13, None, [0x80], False),
    "e8m0fnu": (8, 127, 2**127, -127, -127, None, [0xFF], False),
    "e3m2fn": (6, 3, 28, -2, -4, None, [], True),
    "e2m3fn": (6, 1, Fraction(15, 2), 0, -3, None, [], True),
    "e2m1fn": (4, 1, 6, 0, -1, None, [], True),
    "e1m2fin": (4, 1, Fraction(7, 4), 0, -2, None, [], True),
}
# IEEE SA P3109 interim report v4.0: bias, code and value of the last finite, exponents of the
# least normal and the least positive value (3.1, 4.2 and Annex A)
P3109 = {
    "binary8p1se": (64, 0x7E, 2**62, -63, -63),
    "binary8p2se": (32, 0x7E, 2**31, -31, -32),
    "binary8p2sf": (32, 0x7F, 3 * 2**30, -31, -32),
    "binary8p3se": (16, 0x7E, 49152, -15, -17),
    "binary8p3sf": (16, 0x7F, 57344, -15, -17),
    "binary8p4se": (8, 0x7E, 224, -7, -10),
    "binary8p4sf": (8, 0x7F, 240, -7, -10),
    "binary8p5se": (4, 0x7E, 15, -3, -7),
    "binary8p5sf": (4, 0x7F, Fraction(31, 2), -3, -7),
    "binary8p6se": (2, 0x7E, Fraction(31, 8), -1, -6),
    "binary8p6sf": (2, 0x7F, Fraction(63, 16), -1, -6),
    "binary8p7se": (1, 0x7E, Fraction(126, 64), 0, -6),
    "binary8p7sf": (1, 0x7F, Fraction(127, 64), 0, -6),
    "binary8p1ue": (128, 0xFD, 2**125, -127, -127),
    "binary8p1uf": (128, 0xFE, 2**126, -127, -127),
    "binary8p3ue": (32, 0xFD, 2684354560, -31, -33),
    "binary8p3uf": (32, 0xFE, 3221225472, -31, -33),
    "binary8p8ue": (1, 0xFD, Fraction(253, 128), 0, -7),
    "binary8p8uf": (1, 0xFE, Fraction(254, 128), 0, -7),
    "binary4p2sf": (2, 7, 3, -1, -2),
    "binary6p3sf": (4, 0x1F, 14, -3, -5),
    "binary6p4sf": (2, 0x1F, Fraction(15, 4), -1, -4),
    "binary16p11se": (16, 0x7FFE, 65472, -15, -25),
    "binary16p8se": (128, 0x7FFE, 254 * 2**120, -127, -134),
}
# P3109 v4.0 Annex A: the non-negative values of every code before infinity and NaN
INF, NAN = float("inf"), float("nan")
WHOLE_TABLES = {
    "binary4p1se": [0, 0.125, 0.25, 0.5, 1, 2, 4, INF, NAN],
    "binary4p2se": [0, 0.25, 0.5, 0.75, 1, 1.5, 2, INF, NAN],
    "binary4p3se": [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, INF, NAN],
    "binary4p1uf": [0, *(2.0**e for e in range(-7, 7)), NAN],
    "binary4p2uf": [0, 0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, NAN],
    # OCP MX 1.0 table 5 (FP4 E2M1), tables 3 and 4 in part by their limits above
    "e2m1fn": [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6],
}


def power(exponent):
    return Fraction(2) ** exponent


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_the_standards(name):
    bits, bias, largest, normal, least, infinity, nans, minus_zero = LIMITS[name]
    fmt = numfmt.parse(name)
    assert (fmt.bits, fmt.bias) == (bits, bias)
    assert (fmt.max, fmt.min_normal, fmt.smallest) == (largest, power(normal), power(least))
    assert fmt.infinity() == infinity
    assert fmt.nan() == (nans[0] if nans else None)
    assert all(np.isnan(float(fmt.value(code))) for code in nans)
    assert (fmt.zero(True) != fmt.zero(False)) == minus_zero


@pytest.mark.parametrize("name", [name for name in LIMITS if LIMITS[name][0] <= 8])
def test_no_other_code_is_special(name):
    fmt = numfmt.parse(name)
    values = numfmt.decode(np.arange(1 << fmt.bits), name).astype(np.float64)
    nans = {"e5m2": 6, "e4m3fn": 2, "e4m3": 14, "e3m4": 30}.get(name, len(LIMITS[name][6]))
    assert np.isnan(values).sum() == nans
    assert np.isinf(values).sum() == (0 if LIMITS[name][5] is None else 2)


@pytest.mark.parametrize("name", P3109)
def test_limits_of_p3109(name):
    bias, last, largest, normal, least = P3109[name]
    fmt = numfmt.parse(name)
    signed, extended = name[-2] == "s", name[-1] == "e"
    assert fmt.bias == bias
    assert fmt.value(last) == largest == fmt.max
    assert fmt.edge() == last
    assert (fmt.min_normal, fmt.smallest) == (power(normal), power(least))
    top = (1 << fmt.bits) - 1
    assert fmt.nan() == (1 << (fmt.bits - 1) if signed else top)
    if extended:
        assert fmt.infinity() == last + 1
        assert fmt.infinity(True) == (top if signed else None)
    # 1.0 is the code in the middle of the non-negative ones
    assert fmt.value(1 << (fmt.bits - 2 if signed else fmt.bits - 1)) == 1


@pytest.mark.parametrize("name", WHOLE_TABLES)
def test_whole_tables(name):
    table = np.array(WHOLE_TABLES[name], dtype=np.float64)
    values = numfmt.decode(np.arange(table.size), name).astype(np.float64)
    number = ~np.isnan(table)
    assert (np.isnan(values) == ~number).all()
    assert (values[number].view(np.uint64) == table[number].view(np.uint64)).all()


def test_p3109_without_sign_or_fraction_is_not_e8m0():
    assert numfmt.parse("binary8p1uf").zero() == 0
    assert numfmt.parse("e8m0fnu").zero() is None


@pytest.mark.parametrize(
    ("names", "largest"),
    [
        ("e4m3 float8_e4m3", 240),
        ("e4m3fn fp8_e4m3 float8_e4m3fn fp8_e4m3fn", 448),
        ("e4m3fnuz float8_e4m3fnuz", 240),
        ("e5m2 fp8_e5m2 float8_e5m2", 57344),
        ("f16 fp16 float16 half e5m10 binary16", 65504),
        ("e2m1fn e2m1fin fp4_e2m1 float4_e2m1fn", 6),
        ("e3m2fn e3m2fin fp6_e3m2 float6_e3m2fn", 28),
        ("e2m3fn e2m3fin fp6_e2m3 float6_e2m3fn", 7.5),
        ("f32 fp32 float32 single float e8m23 binary32", (2 - 2.0**-23) * 2.0**127),
    ],
)
def test_names_of_one_format(names, largest):
    formats = {numfmt.parse(spec) for name in names.split() for spec in (name, name.upper(), f" {name} ")}
    assert len(formats) == 1
    fmt = formats.pop()
    assert fmt.max == largest
    assert str(fmt) == names.split()[0]


@pytest.mark.parametrize("name", ["fp8", "fp4", "bf8", "fp6", "float8", "float4", "f8"])
def test_bare_names_are_refused_with_the_choices(name):
    with pytest.raises(numfmt.SpecError) as error:
        numfmt.parse(name)
    choices = {"fp4": "e2m1fn", "float4": "e2m1fn", "fp6": "e3m2fn"}.get(name, "e5m2")
    assert repr(choices) in str(error.value)


@pytest.mark.parametrize(
    "name",
    ["e1m3", "e0m3fin", "e4m0", "e4m0fn", "e1m2", "e1m2fn", "e1m2fnuz", "e1m2b0fin", "e1m0fnu", "e12m3", "e5m53",
     "e4m3b-2000", "e5m2b2000", "binary2p1se", "binary8p0se", "binary8p8se", "binary8p9ue", "binary8p4s",
     "binary20p1se", "e4m3fn[subnormals=maybe]", "e4m3fn[bias=3]"],
)  # fmt: skip
def test_what_the_grammar_does_not_allow_is_refused(name):
    with pytest.raises(numfmt.SpecError):
        numfmt.parse(name)


def test_a_default_bias_may_be_written():
    assert numfmt.parse("e4m3b7fn") == numfmt.parse("e4m3fn")
    assert numfmt.parse("e4m3b8fnuz") == numfmt.parse("e4m3fnuz")
    assert str(numfmt.parse("e5m2b15")) == "e5m2"
