"""Neighbours and spacings against lists of all values, NumPy and the math module; integers against Fractions."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt import arithmetic, parse, reference
from numfmt.rounding import MODES

FORMATS = [
    "e2m1fn",
    "e3m2",
    "e4m3fn",
    "e5m2fnuz",
    "binary6p3se",
    "e8m0fnu",
    "nf4",
    "q3.2",
    "int5",
    "e4m3[subnormals=off]",
]
DETERMINISTIC = [name for name, mode in MODES.items() if not mode.stochastic]


def all_values(spec):
    return sorted({float(value) for _, value in parse(spec).values()})


def probes(spec):
    """Values, numbers between, beside and past them, zeros, infinities."""
    values = all_values(spec)
    between = [(a + b) / 2 for a, b in itertools.pairwise(values)]
    beside = [np.nextafter(v, to) for v in values for to in (-np.inf, np.inf)]
    return np.array([*values, *between, *beside, 0.0, -0.0, values[-1] * 3, np.inf, 1e300, 5e-324])


@pytest.mark.parametrize("spec", FORMATS)
def test_the_value_above_and_below(spec):
    values, x = all_values(spec), probes(spec)
    x = x[x > 0] if spec == "e8m0fnu" else np.concatenate([x, -x])
    up, down = (
        arithmetic.next_up(x, spec, overflow="saturate"),
        arithmetic.next_down(x, spec, overflow="saturate"),
    )
    finite = np.isfinite(x)
    above = [min((v for v in values if v > y), default=values[-1]) for y in x]
    below = [max((v for v in values if v < y), default=values[0]) for y in x]
    assert up[finite].tolist() == np.array(above)[finite].tolist()
    assert down[finite].tolist() == np.array(below)[finite].tolist()
    exact = arithmetic.next_up(Fraction(x[finite][0]), spec, overflow="saturate")
    assert exact == above[0]


def test_past_the_last_value():
    for spec, past in (("e5m2", np.inf), ("e4m3fn", np.nan), ("e2m1fn", 6.0), ("int8", 127.0), ("nf4", 1.0)):
        top = float(parse(spec).max)
        assert np.array_equal(arithmetic.next_up(top, spec), past, equal_nan=True)
    assert arithmetic.next_up(-np.inf, "bf16") == float(parse("bf16").min)
    assert arithmetic.next_up(np.inf, "bf16") == np.inf
    assert arithmetic.next_down([np.inf, -np.inf], "bf16").tolist() == [float(parse("bf16").max), -np.inf]
    assert arithmetic.next_up(0x7C01, "f16", codes=True, flags=True) == (0x7E00, 16)
    assert arithmetic.next_up(0x8001, "f16", codes=True, flags=True) == (0x8000, 0)


@pytest.mark.parametrize(("spec", "dtype"), [("f16", np.float16), ("f32", np.float32), ("f64", np.float64)])
def test_numpy_has_the_same_neighbours(spec, dtype):
    rng = np.random.default_rng(1)
    word = f"u{np.dtype(dtype).itemsize}"
    count = 600 if spec == "f64" else 5000  # that is left to the reference
    x, y = rng.integers(0, np.iinfo(word).max, (2, count), dtype=word, endpoint=True).view(dtype)
    y[::3] = x[::3]
    x[:4], y[:4] = [0.0, -0.0, 0.0, np.inf], [-0.0, 0.0, 1.0, 0.0]
    with np.errstate(all="ignore"):
        expected = np.nextafter(x, y)
    expected[x == y] = y[
        x == y
    ]  # NumPy's float16 gives x there, C and IEEE 754-1985 y, which may be the other 0
    found = arithmetic.nextafter(x, y, spec)
    assert found.dtype == dtype
    same = (found == expected) & (np.signbit(found) == np.signbit(expected)) | np.isnan(expected) & np.isnan(
        found
    )
    assert same.all()
    codes = arithmetic.nextafter(x.view(word), y.view(word), spec, codes=True)
    assert np.array_equal(codes.view(dtype), found, equal_nan=True)
    form, finite = parse(spec), x[np.isfinite(x)]
    exponents = np.maximum(np.frexp(finite.astype(np.float64))[1] - 1, form.emin)
    wanted = np.ldexp(1.0, np.where(finite == 0, form.emin, exponents) - form.man_bits)
    assert np.array_equal(arithmetic.ulp(finite, spec), wanted)


def test_ulp_is_that_of_the_math_module():
    x = [
        1.0,
        -1.5,
        2.0,
        np.nextafter(2.0, 0),
        0.0,
        -0.0,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
        math.inf,
    ]
    assert arithmetic.ulp(x, "f64").tolist() == [math.ulp(y) for y in x]
    assert np.isnan(arithmetic.ulp(math.nan, "f64"))
    assert arithmetic.ulp([0x3C00, 0x0001, 0x7BFF], "f16", codes=True).tolist() == [2.0**-10, 2.0**-24, 32.0]
    assert arithmetic.ulp([-3.0, 1.0], "e8m0fnu").tolist() == [2.0, 1.0]
    assert arithmetic.ulp(0x3F80, "f16", codes=True, operands="bf16") == 2.0**-10


@pytest.mark.parametrize("spec", FORMATS)
def test_ulp_is_the_distance_of_the_values_around(spec):
    values = all_values(spec)
    x = probes(spec)
    x = x[np.isfinite(x) & (np.abs(x) <= values[-1]) & (x >= max(values[0], 0)) & ~np.signbit(x)]
    for y, found in zip(x, arithmetic.ulp(x, spec), strict=True):
        i = np.searchsorted(values, y, side="right") - 1
        i = min(i, len(values) - 2)
        assert found == values[i + 1] - values[i], y


def integral(x, mode, negative):
    """By the definition of a mode as four bits."""
    rule, size = MODES[mode], abs(Fraction(x))
    low = math.floor(size)
    if size == low:
        return low
    part = size - low
    if rule.nearest and part != Fraction(1, 2):
        return low + (part > Fraction(1, 2))
    return low + rule.grows(bool(low & 1), negative)


@pytest.mark.parametrize("mode", DETERMINISTIC)
@pytest.mark.parametrize("spec", ["e4m3fn", "e5m2", "e3m2", "q3.4", "binary8p3se"])
def test_integers_of_a_format(spec, mode):
    codes = np.arange(256 if spec != "e3m2" else 64)
    x = numfmt.decode(codes, spec, dtype=np.float64)
    found, flags = arithmetic.round_to_integral(
        x, spec, rounding=mode, exact=True, flags=True, overflow="saturate"
    )
    for value, got, flag in zip(x, found, flags, strict=True):
        if not math.isfinite(value):
            assert np.array_equal(got, numfmt.cast(value, spec, overflow="saturate"), equal_nan=True)
            continue
        negative = math.copysign(1, value) < 0
        expected = math.copysign(integral(value, mode, negative), value)
        if abs(expected) <= parse(spec).max or expected == parse(spec).min:
            assert (got, flag) == (expected, expected != value)
            assert (
                math.copysign(1, got) == math.copysign(1, expected)
                or parse(spec).zero(True) == parse(spec).zero()
            )
    again = arithmetic.round_to_integral(codes, spec, rounding=mode, codes=True, overflow="saturate")
    assert np.array_equal(numfmt.decode(again, spec), found, equal_nan=True)
    quiet = arithmetic.round_to_integral(x, spec, rounding=mode, flags=True, overflow="saturate")[1]
    assert not (quiet & 1 & ~(quiet >> 2)).any()


@pytest.mark.parametrize(
    ("mode", "ufunc"),
    [
        ("nearest_even", np.rint),
        ("toward_zero", np.trunc),
        ("toward_positive", np.ceil),
        ("toward_negative", np.floor),
    ],
)
@pytest.mark.parametrize(("spec", "dtype"), [("f32", np.float32), ("f64", np.float64)])
def test_numpy_has_the_same_integers(spec, dtype, mode, ufunc):
    rng = np.random.default_rng(2)
    x = np.concatenate(
        [rng.standard_normal(500) * 2.0 ** rng.integers(-60, 70, 500), np.arange(-9, 9) / 4]
    ).astype(dtype)
    found, expected = arithmetic.round_to_integral(x, spec, rounding=mode), ufunc(x)
    assert np.array_equal(found, expected)
    assert np.array_equal(np.signbit(found), np.signbit(expected))


def test_an_integer_is_one_rounding_away():
    """257.3 lies nearer to 258, which bf16 has, than to 256; by way of 257 it would be a tie."""
    assert arithmetic.round_to_integral(257.3, "bf16") == 258
    assert arithmetic.round_to_integral(0x7D01, "f16", codes=True, flags=True) == (0x7E00, 16)
    assert (
        arithmetic.round_to_integral(
            1.75, "e2m1fn", rounding="stochastic", noise=np.array(0xFFFFFFFF, np.uint32)
        )
        == 2
    )
    assert (
        arithmetic.round_to_integral(1.75, "e2m1fn", rounding="stochastic", noise=np.array(0, np.uint32)) == 1
    )
    assert arithmetic.round_to_integral(2**62 + 1, "int64", dtype=object) == 2**62 + 1


def processor(x, low, high, name):
    """Toward zero, by the words of each manual."""
    if math.isnan(x):
        return {"x86": low or high, "arm": 0, "riscv": high}[name]
    if not math.isinf(x) and low <= math.trunc(x) <= high:
        return math.trunc(x)
    if name == "x86":
        return low or high
    return high if x > 0 else low


@pytest.mark.parametrize("name", ["x86", "arm", "riscv"])
@pytest.mark.parametrize("spec", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_integers_of_processors(spec, name):
    bits, low = parse(spec).bits, 0 if spec[0] == "u" else -(1 << (parse(spec).bits - 1))
    high = low + (1 << bits) - 1
    edges = [
        float(high),
        float(low),
        0.0,
        -0.0,
        0.5,
        -0.5,
        -0.99,
        1.5,
        1e30,
        -1e30,
        math.inf,
        -math.inf,
        math.nan,
    ]
    x = np.array([np.nextafter(v, to) for v in edges for to in (-np.inf, v, np.inf)])
    found, flags = arithmetic.to_integer(x, spec, name, rounding="toward_zero", flags=True)
    assert found.tolist() == [processor(v, low, high, name) for v in x.tolist()]
    fits = [math.isfinite(v) and low <= math.trunc(v) <= high for v in x.tolist()]
    exact = [bool(ok) and v == math.trunc(v) for ok, v in zip(fits, x.tolist(), strict=True)]
    assert flags.tolist() == [16 if not ok else not same for ok, same in zip(fits, exact, strict=True)]


def test_integers_refuse():
    with pytest.raises(numfmt.SpecError, match=r"takes an integer format, as int32, not 'q3\.4'"):
        arithmetic.to_integer(1.0, "q3.4", "x86")
    with pytest.raises(numfmt.SpecError, match="unknown profile 'x87'"):
        arithmetic.to_integer(1.0, "int8", "x87")
    with pytest.raises(TypeError, match="codes=True needs operands="):
        arithmetic.to_integer(1, "int8", "x86", codes=True)
    assert arithmetic.to_integer(0x3E00, "int8", "arm", codes=True, operands="f16") == 2


def test_the_reference_is_the_same():
    """`next_up` in all formats by Fractions alone, through `engine`."""
    x = np.array([1.0, 0.3, -0.3, 5e-324])
    for spec in ("bf16", "e4m3fn", "q3.4"):
        a = arithmetic.next_up(x, spec, engine="reference")
        assert np.array_equal(a, arithmetic.next_up(x, spec))
        up = reference.policy(parse(spec), "toward_positive")
        for value, found in zip(x, a, strict=True):
            code = reference.encode(Fraction(float(value)) + Fraction(1, 1 << 2000), parse(spec), up)
            assert found == parse(spec).value(code)
