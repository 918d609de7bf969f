"""Minimum and maximum, comparisons, signs: every pair of codes by the words of the standards, NumPy beside them."""

import math
from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt import arithmetic

SMALL = ["e3m2", "e4m3fn", "e5m2fnuz", "binary6p3se"]  # payloads; one NaN a sign; one NaN


def pairs(count):
    return [x.reshape(-1) for x in np.meshgrid(np.arange(count), np.arange(count))]


class Number:
    """What a code of e3m2 is: its value, whether it is a NaN, whether that signals."""

    def __init__(self, code):
        value = numfmt.parse("e3m2").value(code)
        self.code, self.nan = code, isinstance(value, float) and math.isnan(value)
        self.signals = self.nan and not code & 2
        self.value = 0 if self.nan else value
        self.negative = bool(code >> 5)


CANONICAL, SIGN, QUIET = 0b11110, 0b100000, 0b10


def lesser(x, y):
    """-0 is less than +0 (IEEE 754-2019, 9.6)."""
    if x.value == y.value:
        return x if x.negative else y
    return x if x.value < y.value else y


def ieee2019(x, y):
    return CANONICAL if x.nan or y.nan else lesser(x, y).code


def number(x, y):
    if x.nan and y.nan:
        return CANONICAL
    return (y if x.nan else x if y.nan else lesser(x, y)).code


def ieee2008(x, y):
    return CANONICAL if x.signals or y.signals else number(x, y)


def x86(x, y):
    """IF src1 < src2 THEN src1 ELSE src2; a comparison with NaN is false, one of zeros too."""
    return x.code if not (x.nan or y.nan) and x.value < y.value else y.code


def processed(x, y):
    """The first NaN that signals, else the first; quiet."""
    return next(z for z in sorted((x, y), key=lambda z: (not z.signals, not z.nan)) if z.nan).code | QUIET


def arm(x, y):
    return processed(x, y) if x.nan or y.nan else lesser(x, y).code


def arm_number(x, y):
    if x.signals or y.signals or (x.nan and y.nan):
        return processed(x, y)
    return number(x, y)


RULES = {
    "ieee2019": ieee2019, "number": number, "ieee2008": ieee2008, "riscv": number, "x86": x86, "arm": arm,
    "arm_number": arm_number,
}  # fmt: skip


@pytest.mark.parametrize("variant", arithmetic.VARIANTS)
def test_minimum_by_the_words_of_its_source(variant):
    a, b = pairs(64)
    found, flags = arithmetic.minimum(a, b, "e3m2", variant=variant, codes=True, flags=True)
    numbers = [Number(code) for code in range(64)]
    both = [(numbers[i], numbers[j]) for i, j in zip(a, b, strict=True)]
    assert found.tolist() == [RULES[variant](x, y) for x, y in both]
    loud = [x.nan or y.nan if variant == "x86" else x.signals or y.signals for x, y in both]
    assert flags.tolist() == [16 * bad for bad in loud]


@pytest.mark.parametrize("variant", arithmetic.VARIANTS)
def test_maximum_is_the_minimum_of_opposites(variant):
    """Also for zeros, and for NaN but for its sign."""
    a, b = pairs(64)
    found, flags = arithmetic.maximum(a, b, "e3m2", variant=variant, codes=True, flags=True)
    mirrored, same = arithmetic.minimum(a ^ 32, b ^ 32, "e3m2", variant=variant, codes=True, flags=True)
    nan = np.isnan(numfmt.decode(found, "e3m2"))
    assert np.array_equal(np.where(nan, found & 31, found ^ 32), np.where(nan, mirrored & 31, mirrored))
    assert np.array_equal(flags, same)


def test_numpy_selects_the_same_numbers():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 1 << 32, (2, 20000), dtype=np.uint32).view(np.float32)
    x[:10], y[5:15] = np.nan, np.nan
    y[100:500] = x[100:500]
    x[600:700], y[600:700] = 0.0, np.tile(np.float32([0.0, -0.0]), 50)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(arithmetic.minimum(x, y, "f32"), np.minimum(x, y), equal_nan=True)
        assert np.array_equal(arithmetic.maximum(x, y, "f32"), np.maximum(x, y), equal_nan=True)
        assert np.array_equal(
            arithmetic.minimum(x, y, "f32", variant="number"), np.fmin(x, y), equal_nan=True
        )
    assert np.signbit(arithmetic.minimum(x, y, "f32"))[600:700].tolist() == [False, True] * 50


def test_selection_rounds_once_and_mixes_formats():
    found = arithmetic.minimum(np.float32(1.0039), 2**60 + 1, "bf16", rounding="rup", flags=True)
    assert found == (1.0078125, 1)
    big = np.array([2**53 + 1, 2**53])
    assert arithmetic.maximum(big, 2.0**53, "int64", codes=False, dtype=object).tolist() == [2**53 + 1, 2**53]
    assert arithmetic.minimum(0x3C00, 0x30, "f16", codes=True, operands=("f16", "e4m3fn")) == 0x3800
    assert arithmetic.minimum(Fraction(1, 3), 0.5, "f32", rounding="rdn", flags=True)[1] == 1
    tiny = arithmetic.maximum(-1.0, np.float32(1e-40), "f32", daz=True)
    assert (tiny, np.signbit(tiny)) == (0.0, False)
    with pytest.raises(numfmt.RangeError, match="is NaN, the format has none; first at 1"):
        arithmetic.minimum([1.0, np.nan], 3.0, "e2m1fn")
    with pytest.raises(numfmt.SpecError, match=r"unknown variant 'risk5'\. Did you mean 'riscv'"):
        arithmetic.minimum(1.0, 2.0, "bf16", variant="risk5")


TESTS = {"equal": "__eq__", "less": "__lt__", "less_equal": "__le__"}


@pytest.mark.parametrize("spec", SMALL)
def test_every_comparison(spec):
    a, b = pairs(1 << numfmt.parse(spec).bits)
    values = [numfmt.parse(spec).value(code) for code in range(1 << numfmt.parse(spec).bits)]
    nan = [isinstance(v, float) and math.isnan(v) for v in values]
    for name, method in TESTS.items():
        expected = [
            not (nan[i] or nan[j]) and getattr(float(values[i]), method)(float(values[j]))
            for i, j in zip(a, b, strict=True)
        ]
        assert getattr(arithmetic, name)(a, b, spec, codes=True).tolist() == expected
    either = [nan[i] or nan[j] for i, j in zip(a, b, strict=True)]
    for signalling in (False, True):
        found, flags = arithmetic.unordered(a, b, spec, codes=True, signalling=signalling, flags=True)
        assert found.tolist() == either
        loud = [nan[c] and spec == "e3m2" and not c & 2 for c in range(len(values))]
        expected = either if signalling else [loud[i] or loud[j] for i, j in zip(a, b, strict=True)]
        assert flags.tolist() == [16 * bad for bad in expected]


def test_comparisons_are_exact():
    assert not arithmetic.equal(2**53 + 1, 2.0**53)
    assert arithmetic.less(2.0**53, np.array(2**53 + 1))
    assert arithmetic.less(Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**40))
    assert arithmetic.less(np.array([np.nextafter(np.longdouble(1), 0)]), 1.0).tolist() == [True]
    assert arithmetic.less(0x3C00, 0x3F81, codes=True, operands=("f16", "bf16"))
    assert arithmetic.equal(np.array([1.5, 2.5], ">f4"), [1.5, 2.0]).tolist() == [True, False]
    assert arithmetic.less(np.float32(1e-40), np.float32(2e-40)), "subnormal"
    assert arithmetic.equal(np.float32(1e-40), 0.0, "f32", daz=True)
    assert arithmetic.less(np.empty((0, 3)), 1.0).shape == (0, 3)
    quiet, loud = np.array([0x7FC00000, 0x7F800001], np.uint32).view(np.float32)
    both = np.array([quiet, loud]).view(np.uint32)
    both[1] = 0x7F800001
    assert arithmetic.equal(both.view(np.float32), 1.0, flags=True)[1].tolist() == [0, 16]
    assert arithmetic.equal(both.view(np.float32).astype(">f4"), 1.0, flags=True)[1].tolist()[0] == 0
    with pytest.raises(TypeError, match="codes=True needs the format"):
        arithmetic.less(1, 2, codes=True)


@pytest.mark.parametrize("spec", [*SMALL, "e4m3", "q3.2", "int6", "nf4"])
def test_every_sign(spec):
    form = numfmt.parse(spec)
    codes = np.arange(1 << form.bits)
    values = numfmt.decode(codes, spec, dtype=np.float64)
    for name, wanted in (("neg", -values), ("abs", np.abs(values))):
        expected = numfmt.cast(wanted, spec)
        assert np.array_equal(getattr(arithmetic, name)(values, spec), expected, equal_nan=True)
        found, flags = getattr(arithmetic, name)(codes, spec, codes=True, flags=True)
        assert np.array_equal(numfmt.decode(found, spec), expected, equal_nan=True)
        nan = np.isnan(values)
        if form.nan() is not None and form.infinity() is not None and form.nan(True) != form.nan():
            bit = 1 << (form.bits - 1)
            assert np.array_equal(found[nan], codes[nan] ^ bit if name == "neg" else codes[nan] & ~bit)
        fits = expected == wanted
        assert not flags[nan | fits].any()
        assert flags[~(nan | fits)].all()


def test_copysign():
    x, y = pairs(64)
    found = arithmetic.copysign(x, y, "e3m2", codes=True)
    assert np.array_equal(found, x & 31 | y & 32)
    assert arithmetic.copysign(np.array([2**63 - 1]), [-1.0], "f64", rounding="rtz").tolist() == [
        -(2.0**63) + 1024
    ]
    assert arithmetic.copysign(1.5, 0x80, "bf16", codes=False) == 1.5
    assert arithmetic.neg("0.1", "f32", rounding="rup", flags=True) == (
        np.nextafter(np.float32(-0.1), np.float32(0)),
        1,
    )
