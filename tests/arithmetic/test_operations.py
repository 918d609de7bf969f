"""Every pair of codes of small formats against the reference; larger formats against NumPy and MPFR."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import numfmt
from numfmt import arithmetic, parse
from numfmt.rounding import MODES

PAIRS = ("add", "sub", "mul", "div", "remainder")
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan]


def pairs(count):
    return (x.reshape(-1) for x in np.meshgrid(np.arange(count), np.arange(count)))


def same(found, expected):
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", ["e2m1fn", "e2m2", "e3m1fnuz"])
def test_every_pair_of_codes(spec, mode):
    count = 1 << parse(spec).bits
    how = {"codes": True, "flags": True, "rounding": mode}
    if "stochastic" in mode:
        how["seed"] = 1
    for name, (tininess, ftz, daz) in product((*PAIRS, "sqrt", "convert"), OPTIONS):
        operation = getattr(arithmetic, name)
        given = pairs(count) if name in PAIRS else [np.arange(count)]
        given, options = list(given), {**how, "tininess": tininess, "ftz": ftz, "daz": daz}
        expected = operation(*given, spec, engine="reference", **options)
        for engine in ("numpy", "kernel"):
            assert same(operation(*given, spec, engine=engine, **options), expected), (name, options, engine)


OPTIONS = [("after", None, False), ("before", "before", False), ("after", "after", True)]


@pytest.mark.parametrize("mode", ["nearest_even", "toward_negative", "to_odd"])
def test_triples_of_codes(mode):
    a, b, c = (x.reshape(-1) for x in np.meshgrid(*[np.arange(16)] * 3))
    how = {"codes": True, "flags": True, "rounding": mode}
    expected = numfmt.fma(a, b, c, "e2m1fn", engine="reference", **how)
    for engine in ("numpy", "kernel"):
        assert same(numfmt.fma(a, b, c, "e2m1fn", engine=engine, **how), expected)


def hard_numbers(dtype, count, seed):
    """Specials, and significands of few bits or long runs under exponents of all kinds."""
    rng = np.random.default_rng(seed)
    bits, fraction = (32, 23) if dtype == np.float32 else (64, 52)
    word = np.uint64
    exponents = rng.integers(0, (1 << (bits - 1 - fraction)) - 1, count).astype(word)
    near = (1 << (bits - 2 - fraction)) - 1 + rng.integers(-30, 30, count)
    exponents = np.where(rng.random(count) < 0.5, exponents, near.astype(word))
    few = np.bitwise_and.reduce(rng.integers(0, 1 << fraction, (4, count)).astype(word))
    runs = ((word(1) << rng.integers(0, fraction, count).astype(word)) - word(1)) << rng.integers(
        0, 4, count
    ).astype(word)
    kinds = rng.integers(0, 3, count)
    significands = np.choose(kinds, [few, runs, rng.integers(0, 1 << fraction, count).astype(word)])
    signs = rng.integers(0, 2, count).astype(word) << word(bits - 1)
    words = signs | exponents << word(fraction) | significands & word((1 << fraction) - 1)
    found = words.astype(f"u{bits // 8}").view(dtype)
    found[:25] = np.repeat(SPECIAL, 5)
    return found


@pytest.mark.parametrize(("spec", "dtype"), [("f32", np.float32), ("f64", np.float64)])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "sqrt"])
def test_numpy_rounds_to_nearest_even(spec, dtype, name):
    count = 20000 if spec == "f32" else 300  # f64 is left to the reference
    x, y = hard_numbers(dtype, count, 1), hard_numbers(dtype, count, 2)
    x[:25], y[:25] = np.repeat(SPECIAL, 5), np.tile(SPECIAL, 5)
    given = (x,) if name == "sqrt" else (x, y)
    ufunc = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "sqrt": np.sqrt}[name]
    with np.errstate(all="ignore"):
        expected = ufunc(*given)
    found = getattr(numfmt, name)(*given, spec)
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(expected) & ~np.isnan(expected))


MPFR = {"nearest_even": "RoundToNearest", "toward_zero": "RoundToZero", "toward_positive": "RoundUp",
        "toward_negative": "RoundDown"}  # fmt: skip
FLOATS = {"f16": (11, 15), "bf16": (8, 127), "f32": (24, 127)}  # significant bits, the largest exponent


@pytest.mark.parametrize("mode", MPFR)
@pytest.mark.parametrize("spec", FLOATS)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "sqrt", "fma"])
def test_mpfr(name, spec, mode):
    gmpy2 = pytest.importorskip("gmpy2")
    bits, top = FLOATS[spec]
    context = gmpy2.context(
        precision=bits, emax=top + 1, emin=3 - top - bits, subnormalize=True, round=getattr(gmpy2, MPFR[mode])
    )
    count = {"sqrt": 1, "fma": 3}.get(name, 2)
    given = [numfmt.cast(hard_numbers(np.float32, 1500, seed), spec) for seed in range(count)]
    found = getattr(numfmt, name)(*given, spec, rounding=mode)
    operation = getattr(context, name)
    expected = [float(operation(*map(gmpy2.mpfr, map(float, row)))) for row in zip(*given, strict=True)]
    expected = np.array(expected, np.float32)
    differ = ~(
        (found == expected) & (np.signbit(found) == np.signbit(expected))
        | np.isnan(found) & np.isnan(expected)
    )
    assert not differ.any(), [(x[differ][0], found[differ][0], expected[differ][0]) for x in given]


def test_rounding_twice_would_differ():
    """Counter-examples: float64 on the way loses the small addend."""
    assert numfmt.fma(np.float32(4097), np.float32(4097), np.float32(2.0**-60), "f32") == 16785410
    assert numfmt.fma(np.float32(7), np.float32(39), np.float32(2.0**-130), "bf16") == 274
    assert numfmt.add(np.float32(1), np.float32(2.0**-60), "bf16", rounding="toward_positive") == 1 + 2.0**-7
    assert (
        numfmt.fma(np.float32(1), np.float32(1), np.float32(-(2.0**-100)), "f16", rounding="rtz")
        == 1 - 2.0**-11
    )


def test_zeros_of_sums():
    for mode, negative in (("nearest_even", False), ("toward_negative", True), ("toward_positive", False)):
        assert np.signbit(numfmt.add(1.5, -1.5, "bf16", rounding=mode)) == negative
        assert np.signbit(numfmt.sub(0.0, 0.0, "bf16", rounding=mode)) == negative
        assert np.signbit(numfmt.fma(2.0, 3.0, -6.0, "bf16", rounding=mode)) == negative
        assert not np.signbit(numfmt.add(0.0, 0.0, "bf16", rounding=mode))
        assert np.signbit(numfmt.add(-0.0, -0.0, "bf16", rounding=mode))
        assert np.signbit(numfmt.fma(-0.0, 0.0, -0.0, "bf16", rounding=mode))


QUIET, SIGNALLING, OTHER = 0x7E01, 0xFD02, 0xFE04  # of f16


@pytest.mark.parametrize(
    ("profile", "quiet_first", "signalling_first", "made"),
    [
        ("canonical", 0x7E00, 0x7E00, 0x7E00), ("riscv", 0x7E00, 0x7E00, 0x7E00), ("nvidia", 0x7FFF, 0x7FFF, 0x7FFF),
        ("x86", QUIET, 0xFF02, 0xFE00), ("arm", 0xFF02, 0xFF02, 0x7E00),
    ],
)  # fmt: skip
def test_nan_profiles(profile, quiet_first, signalling_first, made):
    how = {"codes": True, "flags": True, "nan_profile": profile}
    assert numfmt.add(QUIET, SIGNALLING, "f16", **how) == (quiet_first, 16)
    assert numfmt.mul(SIGNALLING, QUIET, "f16", **how) == (signalling_first, 16)
    assert numfmt.add(QUIET, 0x3C00, "f16", **how)[1] == 0
    assert numfmt.sub(0x7C00, 0x7C00, "f16", **how) == (made, 16)
    assert numfmt.convert(QUIET, "f32", operands="f16", **how)[1] == 0


def test_payloads_keep_their_high_bits():
    how = {"codes": True, "nan_profile": "x86"}
    assert numfmt.convert(QUIET, "f32", operands="f16", **how) == 0x7FC02000
    assert numfmt.convert(0x7FC02000, "f16", operands="f32", **how) == QUIET


def test_exceptions_by_name():
    def flags(found):
        return {name for name, bit in arithmetic.FLAGS.items() if found[1] & bit}

    assert flags(numfmt.div(1.0, 0.0, "f16", flags=True)) == {"divide_by_zero"}
    assert flags(numfmt.mul(np.inf, 0.0, "f16", flags=True)) == {"invalid"}
    assert flags(numfmt.add(65504.0, 16.0, "f16", flags=True)) == {"overflow", "inexact"}
    assert flags(numfmt.add(65504.0, 15.0, "f16", flags=True)) == {"inexact"}
    assert flags(numfmt.mul(2.0**-14, 2.0**-1, "f16", flags=True)) == set()
    assert flags(numfmt.mul(2.0**-14 * 1.0009765625, 2.0**-1, "f16", flags=True)) == {"underflow", "inexact"}
    assert flags(numfmt.sqrt(-1.0, "f16", flags=True)) == {"invalid"}
    just_below = numfmt.mul(2.0**-14 * (2 - 2.0**-10), 0.5 + 2.0**-12, "f16", flags=True, tininess="before")
    assert flags(just_below) >= {"inexact"}


def test_tininess_after_rounding_differs_below_the_least_normal_number():
    x = np.float32(2.0**-14 * (1 - 2.0**-12))  # rounds to 2**-14 with 11 bits
    for tininess, expected in (("after", 1), ("before", 3)):
        assert numfmt.convert(x, "f16", flags=True, tininess=tininess) == (2.0**-14, expected)


def test_without_nan_an_invalid_operation_is_the_largest_value():
    assert numfmt.sqrt(-1.0, "e2m1fn", flags=True) == (6.0, 16)
    with pytest.raises(numfmt.RangeError, match="NaN, the format has none"):
        numfmt.sqrt([1.0, -1.0], "e2m1fn")


def test_refusals_are_counted():
    with pytest.raises(numfmt.RangeError, match="2 of 3 values are out of its range") as error:
        numfmt.mul(np.float32([300, 1, 300]), np.float32(300), "f16", overflow="raise")
    assert (error.value.count, error.value.index) == (2, (0,))


def test_wide_operands_are_exact():
    third = 1 / 3
    assert numfmt.add(third, 2**60 + 1, "f64", rounding="rup") == np.nextafter(2.0**60, np.inf)
    assert numfmt.mul([third, 1.0], 3, "bf16", rounding="rdn").tolist() == [1 - 2.0**-8, 3.0]
    x = np.array([2**62 + 1, 1], np.int64)
    assert numfmt.sub(x, 2**62, "bf16").tolist() == [1.0, numfmt.cast(1 - 2**62, "bf16")]


@pytest.mark.parametrize("spec", ["bf16", "f16", "e4m3fn", "q3.4", "nf4", "e8m0fnu"])
def test_layouts_and_dtypes(spec):
    rng = np.random.default_rng(0)
    x = numfmt.cast(np.abs(rng.standard_normal((40, 30))) + 0.1, spec, dtype=np.float64)
    y = np.ascontiguousarray(x[::-1])
    for name in ("add", "mul", "div"):
        operation = getattr(numfmt, name)
        expected = operation(x, y, spec, engine="reference")
        for a in (
            x,
            x.astype(np.float32),
            np.asfortranarray(x),
            x.astype(">f4"),
            x[:, :].astype(np.float32)[::1],
        ):
            assert np.array_equal(operation(a, y, spec), expected, equal_nan=True)
        out = x.copy()
        assert operation(out, y, spec, out=out) is out
        assert np.array_equal(out, expected, equal_nan=True)
        assert np.array_equal(
            operation(x[0], y, spec), operation(np.broadcast_to(x[0], x.shape), y, spec), equal_nan=True
        )


def test_bad_input():
    with pytest.raises(ValueError, match=r"operands of shapes \(2,\) and \(3,\) do not go together"):
        numfmt.add([1, 2], [1, 2, 3], "bf16")
    with pytest.raises(TypeError, match="codes=True takes integers, got an array of dtype float64"):
        numfmt.add(1.0, 2.0, "bf16", codes=True)
    with pytest.raises(numfmt.SpecError, match="unknown nan_profile 'arn'"):
        numfmt.add(1.0, 2.0, "bf16", nan_profile="arn")
    with pytest.raises(ValueError, match="operands= takes one format, or 2, got 3"):
        numfmt.add(1, 2, "bf16", codes=True, operands=("f16",) * 3)
    assert numfmt.add(np.empty((0, 3)), 1.0, "bf16").shape == (0, 3)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("k", range(50, 63))
def test_codes_of_int64_are_exact_just_beside_powers_of_two(k, sign):
    """2**53 + 1 is the first integer that float64 lacks, and decodes to 2**53."""
    numbers = np.array([sign * ((1 << k) + d) for d in (-1, 0, 1)])
    for mode in ("nearest_even", "toward_negative", "toward_positive"):
        got, flags = numfmt.convert(numbers, "f32", codes=True, operands="int64", rounding=mode, flags=True)
        exact = [Fraction(int(n)) for n in numbers]
        policy = numfmt.reference.policy(numfmt.parse("f32"), mode)
        assert got.tolist() == [numfmt.reference.encode(x, numfmt.parse("f32"), policy) for x in exact]
        assert flags.tolist() == [1, 0, 1]
