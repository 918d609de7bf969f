"""What users do wrong gets an error of its own; what they may do gets the right bits.

An error is of the right type, says what was given and what to do, and harms nothing.
"""

import pickle
import sys
from decimal import Decimal
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import numfmt
from numfmt.testing import assert_same_bits

NAN, INF = np.nan, np.inf


def error(kind, call, *args, **options):
    """The message of the error that a call must raise."""
    with pytest.raises(kind) as caught:
        call(*args, **options)
    assert type(caught.value) is kind
    return str(caught.value)


# Formats

SPECS = {  # spec: words of the message
    "bf61": ["unknown format 'bf61'", "Did you mean 'bf16'", "list_formats"],
    "e4m3fm": ["unknown format", "Did you mean", "'e4m3fn'"],
    "zzzzz": ["unknown format 'zzzzz'", "list_formats"],
    "": ["begins with the name of a format"],
    "   ": ["begins with the name of a format"],
    "[subnormals=off]": ["begins with the name of a format"],
    "e4m3fn[": ["'[' at column 7 is never closed"],
    "e4m3fn[subnormals=off": ["'[' at column 7 is never closed"],
    "e4m3fn]": ["']' at column 7 was never opened"],
    "e4m3fn[subnormals=off]]": ["after the closing ']'"],
    "e4m3fn[subnormals=off]x": ["'x' after the closing ']' means nothing"],
    "e4m3fn[]": ["should be key=value"],
    "e4m3fn[subnormals]": ["'subnormals' should be key=value"],
    "e4m3fn[subnormals=]": ["should be key=value"],
    "e4m3fn[=off]": ["should be key=value"],
    "e4m3fn[subnormals=off,]": ["should be key=value"],
    "e4m3fn[subnormals=maybe]": ["subnormals is on or off", "got 'maybe'"],
    "e4m3fn[subnormal=off]": ["unknown option 'subnormal'", "Did you mean 'subnormals'"],
    "e4m3fn[block=32]": ["unknown option 'block'", "It takes: subnormals"],
    "e4m3fn[subnormals=off,subnormals=on]": ["an option is given twice"],
    "e1m3": ["at least 2 exponent bits, got 1"],
    "e0m3": ["at least 2 exponent bits, got 0"],
    "e4m0": ["at least 1 fraction bit, got 0"],
    "e4m60": ["e4m60", "bits"],
    "e4m53": ["at most 52 fraction bits fit float64"],
    "e12m3": ["largest value", "does not fit float64"],
    "e13m51": ["at most 64 bits, this has 65"],
    "e99999999m3": ["at most 20 exponent"],
    "e8m7b-2000": ["does not fit float64"],
    "e8m7b2000": ["smallest step", "does not fit float64"],
    "e1m2b3fin": ["with one exponent bit the bias is 1, got 3"],
    "binary2p1se": ["3 to 64 bits", "got 2"],
    "binary8p8se": ["precision must be 1 to 7, got 8"],
    "binary8p0se": ["precision must be 1 to 7, got 0"],
    "binary8p9ue": ["precision must be 1 to 8, got 9"],
    "e5m10" + " " * 200000: ["at most 200000 characters"],
    "fp8": ["does not say which format", "'e4m3fn'", "'e5m2'"],
    "FP8": ["does not say which format", "'e4m3fn'"],
    "fp4": ["does not say which format", "'e2m1fn'"],
    "bf8": ["does not say which format", "'e5m2'"],
}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec[:40] or "empty")
def test_bad_specs(spec):
    for call in (numfmt.parse, lambda s: numfmt.cast(1.0, s), lambda s: numfmt.decode(1, s)):
        text = error(numfmt.SpecError, call, spec)
        assert all(word in text for word in SPECS[spec]), text


@pytest.mark.parametrize("spec", [None, 8, 1.5, [], {}, ("bf16",), b"bf16", Ellipsis, np.ones(2)], ids=repr)
def test_what_is_no_spec(spec):
    assert "a format is a spec string or a dtype" in error(numfmt.SpecError, numfmt.parse, spec)
    assert "a format is a spec string or a dtype" in error(numfmt.SpecError, numfmt.cast, 1.0, spec)


@pytest.mark.parametrize("dtype", [np.complex64, "int32x", np.dtype("M8[s]"), str, object], ids=repr)
def test_dtypes_that_are_no_formats(dtype):
    error(numfmt.SpecError, numfmt.parse, dtype)


# Arrays

NO_NUMBERS = {
    "complex": (np.ones(2, complex), "x.real"),
    "a complex scalar": (1j, "complex"),
    "object": (np.array([1.0, 2.0], object), "object"),
    "a ragged list": ([1.0, "a", None], ""),
    "None": (None, "real number"),
    "a list of Fractions": ([Fraction(1, 3), Fraction(1)], "list with other objects"),
    "strings": (np.array(["1.0", "2.0"]), "convert it first"),
    "a list of strings": (["1.0"], "convert it first"),
    "bytes": (np.array([b"1"]), "convert it first"),
    "datetime": (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
    "timedelta": (np.array([1], "m8[s]"), "timedelta64"),
    "structured": (np.zeros(2, [("a", "f4")]), "real numbers"),
    "void": (np.zeros(2, "V4"), "real numbers"),
}


@pytest.mark.parametrize("verb", [numfmt.cast, numfmt.encode])
@pytest.mark.parametrize("case", NO_NUMBERS)
def test_arrays_without_numbers(case, verb):
    x, words = NO_NUMBERS[case]
    assert words in error(TypeError, verb, x, "bf16")


def test_text_that_is_no_number():
    assert "write it like 0.1" in error(ValueError, numfmt.cast, "one", "bf16")
    assert "too large" in error(ValueError, numfmt.cast, Decimal("1e999999"), "bf16")


# out=

OUTS = {
    "shape": (np.empty(3, np.float32), ValueError, ["shape (3,)", "(4,)"]),
    "dimensions": (np.empty((4, 1), np.float32), ValueError, ["shape (4, 1)", "(4,)"]),
    "integer": (np.empty(4, np.int32), TypeError, ["float16, float32, float64", "encode gives codes"]),
    "complex": (np.empty(4, np.complex64), TypeError, ["complex64"]),
    "too narrow": (np.empty(4, np.float16), ValueError, ["float16 does not hold every value of 'bf16'"]),
    "list": ([0.0] * 4, TypeError, ["out= takes an ndarray, got list"]),
    "number": (1.0, TypeError, ["out= takes an ndarray, got float"]),
}


@pytest.mark.parametrize("case", OUTS)
def test_bad_out(case):
    out, kind, words = OUTS[case]
    text = error(kind, numfmt.cast, np.ones(4, np.float32), "bf16", out=out)
    assert all(word in text for word in words), text


EXACT = [  # calls with a result of Fractions
    (numfmt.cast, [1.25, -2.0], {}),
    (numfmt.cast, np.float32([1.25, -2.0])[::-1], {"engine": "reference"}),
    (numfmt.cast, Fraction(5, 4), {}),
    (numfmt.decode, np.uint8([9, 3]), {}),
]


@pytest.mark.parametrize(("call", "x", "options"), EXACT, ids=["list", "view", "scalar", "decode"])
def test_out_takes_fractions(call, x, options):
    expected = np.asarray(call(x, "e4m3fn", dtype=object, **options), object)
    out = np.empty((*expected.shape, 2), object)[..., 1]
    for dtype in ({}, {"dtype": object}):
        out[...] = None
        assert call(x, "e4m3fn", out=out, **dtype, **options) is out
        assert (out == expected).all()
    wrong = np.empty(expected.shape, np.float32)
    assert "out has dtype float32, the result has object" in error(
        TypeError, call, x, "e4m3fn", dtype=object, out=wrong, **options
    )
    wrong = np.empty((3, *expected.shape), object)
    assert "out has shape (3" in error(ValueError, call, x, "e4m3fn", out=wrong, **options)


def test_read_only_out():
    out = np.zeros(4, np.float32)
    out.flags.writeable = False
    for call in (numfmt.cast, numfmt.encode):
        target = out if call is numfmt.cast else out.view(np.uint32).astype(np.uint16)
        target.flags.writeable = False
        assert "read-only" in error(ValueError, call, np.ones(4, np.float32), "bf16", out=target)
        assert not target.any()


def test_bad_out_of_encode():
    x = np.ones(4, np.float32)
    assert "codes of 'bf16' are uint16" in error(
        TypeError, numfmt.encode, x, "bf16", out=np.empty(4, np.uint8)
    )
    assert "codes of 'bf16' are uint16" in error(
        TypeError, numfmt.encode, x, "bf16", out=np.empty(4, np.float32)
    )
    assert "shape" in error(ValueError, numfmt.encode, x, "bf16", out=np.empty(5, np.uint16))


def test_bad_out_of_decode():
    codes = np.zeros(4, np.uint8)
    assert "shape" in error(ValueError, numfmt.decode, codes, "e4m3fn", out=np.empty(3, np.float32))
    assert "out= takes an ndarray" in error(TypeError, numfmt.decode, codes, "e4m3fn", out=[0.0] * 4)


@pytest.mark.parametrize("dtype", ["int32", "complex64", "nonsense", "U3", bool])
def test_bad_dtype(dtype):
    assert "float16, float32, float64 or object" in error(TypeError, numfmt.cast, 1.0, "bf16", dtype=dtype)


def test_a_dtype_is_refused_for_the_format_not_the_data():
    text = error(ValueError, numfmt.cast, [0.0], "bf16", dtype=np.float16)
    assert "does not hold every value of 'bf16'" in text
    assert "does not hold" in error(ValueError, numfmt.cast, [0.0], "f64", dtype=np.float32)


# NaN and overflow

ENGINES = ["reference", "numpy", "kernel"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_nan_into_a_format_without_nan(engine, dtype):
    x = np.ones((3, 5), dtype)
    x[1, 2] = x[2, 0] = x[2, 4] = NAN
    with pytest.raises(numfmt.RangeError) as caught:
        numfmt.cast(x, "e2m1fn", engine=engine)
    e = caught.value
    assert (e.count, e.total, e.index) == (3, 15, (1, 2))
    for word in ("'e2m1fn'", "3 of 15 values are NaN", "first at (1, 2)", "nan="):
        assert word in str(e)


@pytest.mark.parametrize("engine", ENGINES)
def test_nan_in_one_dimension_and_none(engine):
    with pytest.raises(numfmt.RangeError, match=r"1 of 3 values is NaN.*first at 2") as caught:
        numfmt.encode([1.0, 2.0, NAN], "e2m1fn", engine=engine)
    assert (caught.value.count, caught.value.index) == (1, (2,))
    with pytest.raises(numfmt.RangeError) as caught:
        numfmt.cast(NAN, "e2m1fn", engine=engine)
    assert (caught.value.count, caught.value.total, caught.value.index) == (1, 1, ())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n", [10, 100_000])
def test_x_is_unchanged_where_out_is_x(engine, n):
    """The offender is the last element: the others would have been rounded by then."""
    if engine == "reference":
        n = 100
    for last, options in ((NAN, {}), (1e9, {"overflow": "raise"}), (-INF, {"overflow": "raise"})):
        x = np.full(n, 1.1, np.float32)
        x[-1] = last
        before = x.copy()
        with pytest.raises(numfmt.RangeError) as caught:
            numfmt.cast(x, "e2m1fn", out=x, engine=engine, **options)
        assert caught.value.index == (n - 1,)
        np.testing.assert_array_equal(x, before)


def test_x_is_unchanged_where_out_overlaps_it():
    whole = np.full(1000, 1.1, np.float32)
    whole[-1] = NAN
    before = whole.copy()
    for x, out in ((whole[1:], whole[:-1]), (whole[::-1], whole)):
        with pytest.raises(numfmt.RangeError):
            numfmt.cast(x, "e2m1fn", out=out)
        np.testing.assert_array_equal(whole, before)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("fmt", "values", "count", "index"),
    [
        ("e4m3fn", [1.0, 464.0, 464.1, 1e9, -1e9], 3, 2),
        ("e4m3fn", [1.0, INF, -INF], 2, 1),
        ("f16", [1.0, 65519.0, 65520.0], 1, 2),
        ("e2m1fn", [6.9, 7.1, -INF], 2, 1),
        ("e2m1fn", [6.9, 7.0, NAN], 2, 1),
    ],
)
def test_overflow_raise(engine, fmt, values, count, index):
    with pytest.raises(numfmt.RangeError, match=r"out of its range|NaN") as caught:
        numfmt.cast(values, fmt, overflow="raise", engine=engine)
    assert (caught.value.count, caught.value.total, caught.value.index) == (count, len(values), (index,))


@pytest.mark.parametrize("engine", ENGINES)
def test_overflow_raise_takes_what_fits(engine):
    x = np.array([INF, -INF, NAN, 65519.0, -0.0])
    np.testing.assert_array_equal(
        numfmt.cast(x, "f16", overflow="raise", engine=engine), [INF, -INF, NAN, 65504.0, -0.0]
    )


@pytest.mark.parametrize(
    ("fmt", "policy", "word"),
    [
        ("e4m3fn", "infinity", "has no infinity"),
        ("e2m1fn", "infinity", "has no infinity"),
        ("e2m1fn", "nan", "has no nan"),
        ("bf16", "wrap", "fixed-point"),
        ("bf16", "wrap[3]", "fixed-point"),
        ("bf16", "saturate_zero", "fixed-point"),
        ("bf16", "satturate", "Did you mean 'saturate'"),
        ("bf16", "", "unknown overflow policy"),
        ("bf16", 3, "unknown overflow policy 3"),
        ("bf16", ["saturate"], "unknown overflow policy"),
    ],
)
def test_bad_overflow(fmt, policy, word):
    assert word in error(numfmt.SpecError, numfmt.cast, [1.0], fmt, overflow=policy)


@pytest.mark.parametrize("nan", ["maximum", "nan", NAN, 1j, [1.0], Ellipsis, "x"], ids=repr)
def test_bad_nan(nan):
    assert "nan=" in error(ValueError, numfmt.cast, [NAN], "e2m1fn", nan=nan)


@pytest.mark.parametrize(
    ("nan", "value"),
    [(0, 0.0), (-0.0, -0.0), (False, 0.0), ("max", 6.0), ("min", -6.0), (1.4, 1.5), (100, 6.0), (-INF, -6.0),
     (Fraction(1, 4), 0.0), ("-3", -3.0), (np.float32(2), 2.0)],
)  # fmt: skip
@pytest.mark.parametrize("engine", ENGINES)
def test_good_nan(nan, value, engine):
    assert_same_bits(
        numfmt.cast([NAN, -NAN, 1.0], "e2m1fn", nan=nan, engine=engine), [value, value, 1.0], "e2m1fn"
    )


# Modes, engines, noise


@pytest.mark.parametrize(
    ("mode", "word"),
    [("nearest_evn", "Did you mean 'nearest_even'"), ("", "unknown rounding mode"), (1, "unknown rounding mode 1"),
     (["rne"], "unknown rounding mode"), ("up", "Choose one of: nearest_even")],
)  # fmt: skip
def test_bad_rounding(mode, word):
    assert word in error(numfmt.SpecError, numfmt.cast, [1.0], "bf16", rounding=mode)
    assert word in error(numfmt.SpecError, numfmt.encode, [1.0], "bf16", rounding=mode)


@pytest.mark.parametrize(
    ("engine", "word"),
    [("kernal", "Did you mean 'kernel'"), ("cuda", "Choose one of: reference, numpy, kernel"),
     (1, "unknown engine 1"), ([], "unknown engine")],
)  # fmt: skip
def test_bad_engine(engine, word):
    assert word in error(numfmt.SpecError, numfmt.cast, [1.0], "bf16", engine=engine)


X = np.ones(4, np.float32)
WORDS = np.zeros(4, np.uint32)
NOISE = {  # case: (options, error, words)
    "no seed": ({}, ValueError, "needs either seed= or noise="),
    "both": ({"seed": 1, "noise": WORDS}, ValueError, "needs either seed= or noise="),
    "negative seed": ({"seed": -1}, ValueError, "0 <= seed < 2**64, got -1"),
    "large seed": ({"seed": 1 << 64}, ValueError, "0 <= seed < 2**64"),
    "float seed": ({"seed": 1.0}, TypeError, "seed must be an integer, got float"),
    "bool seed": ({"seed": True}, TypeError, "seed must be an integer, got bool"),
    "NumPy bool seed": ({"seed": np.True_}, TypeError, "seed must be an integer, got bool"),
    "text seed": ({"seed": "1"}, TypeError, "seed must be an integer, got str"),
    "array seed": ({"seed": np.array([1, 2])}, TypeError, "seed must be an integer"),
    "noise of another shape": ({"noise": WORDS[:3]}, ValueError, "noise has shape (3,), x has (4,)"),
    "noise of more dimensions": ({"noise": WORDS[:, None]}, ValueError, "noise has shape (4, 1)"),
    "scalar noise": ({"noise": np.uint32(1)}, ValueError, "noise has shape ()"),
    "signed noise": ({"noise": WORDS.astype(np.int32)}, TypeError, "noise= takes uint32 words, got int32"),
    "narrow noise": ({"noise": WORDS.astype(np.uint16)}, TypeError, "got uint16"),
    "wide noise": ({"noise": WORDS.astype(np.uint64)}, TypeError, "got uint64"),
    "float noise": ({"noise": X}, TypeError, "got float32"),
    "list noise": ({"noise": [1, 2, 3, 4]}, TypeError, "noise= takes uint32 words"),
    "no bits": ({"seed": 1, "random_bits": 0}, ValueError, "from 1 to 32, got 0"),
    "33 bits": ({"seed": 1, "random_bits": 33}, ValueError, "from 1 to 32, got 33"),
    "True bits": ({"seed": 1, "random_bits": True}, ValueError, "from 1 to 32, got True"),
    "float bits": ({"seed": 1, "random_bits": 8.0}, ValueError, "from 1 to 32, got 8.0"),
    "text bits": ({"seed": 1, "random_bits": "8"}, ValueError, "from 1 to 32, got '8'"),
}


@pytest.mark.parametrize("case", NOISE)
@pytest.mark.parametrize("engine", ENGINES)
def test_bad_noise(case, engine):
    options, kind, words = NOISE[case]
    text = error(kind, numfmt.cast, X, "bf16", rounding="stochastic", engine=engine, **options)
    assert words in text


@pytest.mark.parametrize("case", [c for c in NOISE if "seed" in c])
def test_a_bad_seed_of_an_empty_array_is_bad_too(case):
    options, kind, words = NOISE[case]
    assert words in error(kind, numfmt.cast, X[:0], "bf16", rounding="stochastic", **options)


def test_noise_without_need():
    assert "noise= is for stochastic rounding" in error(ValueError, numfmt.cast, X, "bf16", noise=WORDS)
    assert "random_bits is for stochastic" in error(ValueError, numfmt.cast, X, "bf16", random_bits=8)
    assert "random_bits is for stochastic" in error(
        ValueError, numfmt.encode, X, "bf16", rounding="rtz", random_bits=8
    )


def test_a_seed_without_need_is_ignored():
    """A loop over modes must work."""
    for mode in ("nearest_even", "toward_zero", "stochastic"):
        numfmt.cast(X, "bf16", rounding=mode, seed=1)


@pytest.mark.parametrize("name", ["scale", "zero", "axis"])
def test_keywords_of_scaled_formats(name):
    for call in (numfmt.cast, numfmt.encode):
        assert f"{name}= is for scaled formats; 'bf16' is an element format" in error(
            TypeError, call, X, "bf16", **{name: 1}
        )


# Codes


def test_decode_needs_a_format():
    assert "needs the format of the codes" in error(TypeError, numfmt.decode, [1, 2])


@pytest.mark.parametrize(
    ("codes", "fmt", "count", "index", "word"),
    [
        ([0, 256], "e4m3fn", 1, (1,), "codes of 'e4m3fn' are 0 to 255, got 256"),
        ([0, -1, -2], "e4m3fn", 2, (1,), "are 0 to 255, got -2"),
        (np.array([[0, 16], [3, 255]], np.uint8), "e2m1fn", 2, (0, 1), "are 0 to 15, got 255"),
        (1 << 19, "tf32", 1, (), "are 0 to 524287, got 524288"),
        (-1, "f64", 1, (), "got -1"),
        (1 << 64, "f64", 1, (), "got 18446744073709551616"),
        ([1, 1 << 70], "f64", 1, (1,), "got 1180591620717411303424"),
        (np.int8([-1]), "e4m3fn", 1, (0,), "got -1"),
    ],
)
def test_codes_out_of_range(codes, fmt, count, index, word):
    with pytest.raises(numfmt.RangeError) as caught:
        numfmt.decode(codes, fmt)
    assert (caught.value.count, caught.value.index) == (count, index)
    assert word in str(caught.value)


@pytest.mark.parametrize("codes", [[1.0], 1.0, np.float32(1), [True], ["1"], np.ones(2, complex)], ids=repr)
def test_codes_are_integers(codes):
    assert "codes are integers" in error(TypeError, numfmt.decode, codes, "e4m3fn")


# Errors themselves


def test_errors_pickle_and_keep_their_fields():
    for call, fields in (
        (lambda: numfmt.parse("bf61"), ("message", "spec")),
        (lambda: numfmt.cast([1.0, NAN], "e2m1fn"), ("message", "count", "total", "index")),
        (lambda: numfmt.decode([1, 256], "e4m3fn"), ("message", "count", "total", "index")),
    ):
        with pytest.raises(ValueError, match=r".") as caught:
            call()
        copy = pickle.loads(pickle.dumps(caught.value))
        assert type(copy) is type(caught.value)
        assert str(copy) == str(caught.value)
        assert all(getattr(copy, f) == getattr(caught.value, f) for f in fields)


def test_both_errors_are_value_errors():
    assert issubclass(numfmt.SpecError, ValueError)
    assert issubclass(numfmt.RangeError, ValueError)


# Ordinary input

VALUES = np.array([NAN, -NAN, INF, -INF, 0.0, -0.0, 1e-40, -1e-45, 1.1, -2.7, 3e38, 0.0019, 300.0, 65519.0])


def truth(x, fmt, **options):
    """Codes by the reference engine from the exact values, one by one."""
    from numfmt import reference

    form = numfmt.parse(fmt)
    policy = reference.policy(form, **options)
    flat = np.asarray(x).reshape(-1)
    items = list(flat) if flat.dtype.itemsize > 8 else flat.tolist()
    codes = [reference.encode(reference.exact(v), form, policy) for v in items]
    return np.array(codes, np.uint64).reshape(np.shape(x))


def check(x, fmt="bf16", engines=ENGINES, **options):
    wanted = truth(x, fmt, **options)
    for engine in engines:
        codes = numfmt.encode(x, fmt, engine=engine, **options)
        assert_same_bits(codes, wanted, fmt, nan_bits=True)
        assert codes.shape == np.shape(x)
        values = numfmt.cast(x, fmt, engine=engine, **options)
        assert_same_bits(values, numfmt.decode(wanted, fmt), fmt)
        assert values.shape == np.shape(x)
    return values


with np.errstate(all="ignore"):
    ARRAYS = {
        "float16": VALUES.astype(np.float16),
        "float32": VALUES.astype(np.float32),
        "float64": VALUES,
        "longdouble": VALUES.astype(np.longdouble),
        "strided": np.repeat(VALUES.astype(np.float32), 3)[::3],
        "negative stride": VALUES[::-1],
        "Fortran": np.asfortranarray(VALUES.reshape(2, 7)),
        "transposed": VALUES.astype(np.float32).reshape(2, 7).T,
        "three dimensions": VALUES.reshape(1, 7, 2)[:, ::2],
        "big-endian float16": VALUES.astype(">f2"),
        "big-endian float32": VALUES.astype(">f4"),
        "big-endian float64": VALUES.astype(">f8"),
        "big-endian int16": np.arange(-300, 300, 7, dtype=">i2"),
        "broadcast": np.broadcast_to(np.float32(1.1), (3, 4)),
        "0-d": np.array(1.1),
        "empty": np.zeros((0, 3), np.float32),
        "empty float64": np.zeros(0),
        "bool": np.array([True, False]),
        "int8": np.arange(-128, 128, dtype=np.int8),
        "uint8": np.arange(256, dtype=np.uint8),
        "int16": np.arange(-32768, 32767, 999, dtype=np.int16),
        "uint16": np.arange(0, 65535, 999, dtype=np.uint16),
        "int32": np.array([0, 2**31 - 1, -(2**31), 16777217, 257, 65537], np.int32),
        "uint32": np.array([0, 2**32 - 1, 16777217, 0x80800001], np.uint32),
        "int64": np.array([0, 2**63 - 1, -(2**63), 2**62 + 1, 2**53 + 1, -257], np.int64),
        "uint64": np.array([0, 2**64 - 1, 2**63 + 2**55, 2**63 + 2**55 + 1], np.uint64),
        "list": [1.1, -2.2, 3],
        "tuple": (1, 2, 300),
        "nested": [[1.1, 2.0], [NAN, -0.0]],
    }  # fmt: skip
    READ_ONLY = VALUES.astype(np.float32)
    READ_ONLY.flags.writeable = False
    ARRAYS["read-only"] = READ_ONLY
    UNALIGNED = np.zeros(4 * VALUES.size + 1, np.uint8)[1:].view(np.float32)
    UNALIGNED[:] = VALUES
    ARRAYS["unaligned"] = UNALIGNED


@pytest.mark.parametrize("fmt", ["bf16", "e4m3fn", "f16", "f64"])
@pytest.mark.parametrize("case", ARRAYS)
def test_ordinary_arrays(case, fmt):
    for mode in (None, "toward_positive", "to_odd"):
        check(ARRAYS[case], fmt, rounding=mode)


@pytest.mark.parametrize(
    ("x", "fmt", "dtype"),
    [
        (np.float16([1]), "e4m3fn", "f2"),
        (np.float16([1]), "bf16", "f4"),
        (np.float16([1]), "f64", "f8"),
        (np.float32([1]), "bf16", "f4"),
        (np.float32([1]), "f64", "f8"),
        (np.float32([1]), "e8m0fnu", "f4"),
        (np.float64([1]), "bf16", "f8"),
        (np.array([1], ">f8"), "bf16", "=f8"),
        (np.array([1], ">f4"), "bf16", "=f4"),
        (np.longdouble([1]), "bf16", "f4"),
        (np.longdouble([1]), "f64", "f8"),
        (np.int8([1]), "e4m3fn", "f4"),
        (np.array([True]), "bf16", "f4"),
        (np.int64([1]), "f64", "f8"),
        ([1], "f16", "f4"),
        ([1.0], "f16", "f8"),
        (np.array([1], ml_dtypes.bfloat16), "bf16", "f4"),
        (np.array([1], ml_dtypes.float8_e4m3fn), "f64", "f8"),
    ],
)
def test_result_dtype(x, fmt, dtype):
    result = numfmt.cast(x, fmt)
    assert result.dtype == np.dtype(dtype)
    assert result.dtype.isnative
    assert isinstance(result, np.ndarray)


@pytest.mark.parametrize("engine", [None, *ENGINES])
@pytest.mark.parametrize(
    ("x", "kind"),
    [(1.1, np.float64), (1, np.float32), (True, np.float32), (np.float16(1.1), np.float32), (np.float32(1.1), np.float32),
     (np.float64(1.1), np.float64), (np.int8(1), np.float32), (np.bool_(True), np.float32), (Fraction(11, 10), np.float32),
     (Decimal("1.1"), np.float32), ("1.1", np.float32), (1 << 100, np.float32), (np.longdouble(1.1), np.float32)],
)  # fmt: skip
def test_scalar_in_scalar_out(x, kind, engine):
    value = numfmt.cast(x, "bf16", engine=engine)
    assert type(value) is kind
    assert value == numfmt.cast(np.array(float(x)), "bf16")
    assert type(numfmt.encode(x, "bf16", engine=engine)) is np.uint16
    assert type(numfmt.encode(x, "f64", engine=engine)) is np.uint64


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "i1", "i8", ">f4", "?"])
def test_0_d_in_0_d_out(dtype):
    for call in (numfmt.cast, numfmt.encode):
        result = call(np.ones((), dtype), "bf16")
        assert isinstance(result, np.ndarray)
        assert result.shape == ()


def test_decode_shapes():
    assert type(numfmt.decode(1, "bf16")) is np.float32
    assert type(numfmt.decode(np.uint8(1), "bf16")) is np.float32
    assert isinstance(numfmt.decode(np.array(1), "bf16"), np.ndarray)
    assert numfmt.decode([], "bf16").shape == (0,)
    assert numfmt.decode(np.zeros((2, 0), np.int64), "f64").dtype == np.float64


@pytest.mark.parametrize(
    ("text", "code"),
    [("1", 0x3F80), ("0.1", 0x3DCD), ("-1e-3", 0xBA83), ("0x1.8p-3", 0x3E40), ("-0x1p0", 0xBF80), ("1/3", 0x3EAB), ("-0", 0x8000),
     ("-0.0", 0x8000), ("inf", 0x7F80), ("-Infinity", 0xFF80), ("nan", 0x7FC0), ("-nan", 0xFFC0), (" 2 ", 0x4000), ("1e400", 0x7F80),
     ("1e-400", 0), ("-1e-400", 0x8000), ("1.00390625", 0x3F80), ("1.003906250000000000000000000001", 0x3F81)],
)  # fmt: skip
def test_text_is_read_exactly(text, code):
    assert numfmt.encode(text, "bf16") == code
    if "/" not in text and "x" not in text:
        assert numfmt.encode(Decimal(text.strip()), "bf16") == code


def test_exact_scalars():
    third = Fraction(1, 3)
    assert numfmt.cast(third, "bf16", dtype=object) == Fraction(171, 512)
    assert numfmt.cast(third, "bf16", rounding="rtz", dtype=object) == Fraction(170, 512)
    assert numfmt.cast(10**400, "bf16") == INF
    assert numfmt.cast(-(10**400), "e4m3fn", overflow="saturate") == -448
    assert numfmt.cast((1 << 200) + 1, "f64", rounding="toward_positive") == np.nextafter(2.0**200, INF)
    with pytest.raises(numfmt.RangeError):
        numfmt.cast(10**400, "bf16", overflow="raise")


def test_exact_scalars_into_out():
    out = np.zeros((), np.float32)
    assert numfmt.cast(Fraction(1, 3), "bf16", out=out) is out
    assert out == np.float32(171 / 512)


# One rounding

TIE = 1 + 2.0**-8  # between two values of bf16, the even one below


@pytest.mark.parametrize("engine", [None, *ENGINES])
@pytest.mark.parametrize(
    ("x", "fmt", "mode", "value"),
    [
        (np.float64(TIE + 2.0**-40), "bf16", None, 1.0078125),
        (np.float64(TIE - 2.0**-40), "bf16", None, 1.0),
        (np.float64(TIE), "bf16", None, 1.0),
        (np.longdouble(TIE) + np.longdouble(2) ** -60, "bf16", None, 1.0078125),
        (np.longdouble(TIE) - np.longdouble(2) ** -60, "bf16", None, 1.0),
        (np.longdouble(1) + np.longdouble(2) ** -60, "f64", "toward_positive", 1 + 2.0**-52),
        (np.longdouble(1) + np.longdouble(2) ** -53 + np.longdouble(2) ** -60, "f64", None, 1 + 2.0**-52),
        (np.longdouble(1) + np.longdouble(2) ** -53, "f64", None, 1.0),
        (np.int64(2**62 + 512), "f64", None, 2.0**62),  # a tie: the spacing is 1024
        (np.int64(2**62 + 513), "f64", None, 2.0**62 + 1024),
        (np.int64(2**62 + 2048), "f64", "toward_positive", 2.0**62 + 2048),
        (np.int64(2**62 + 2048 + 1), "f64", "toward_positive", 2.0**62 + 3072),
        (np.int64(2**62 + 2048 + 1), "f64", "toward_zero", 2.0**62 + 2048),
        (np.int64(-(2**62) - 2048 - 1), "f64", "toward_negative", -(2.0**62) - 3072),
        (np.int64(2**24 + 2**23 + 1), "f32", None, 2.0**24 + 2**23),
        (np.int64(2**24 + 3), "f32", "toward_zero", 2.0**24 + 2),
        (np.int64(2**62 + 2**54), "bf16", None, 2.0**62),
        (np.int64(2**62 + 2**54 + 1), "bf16", None, 2.0**62 + 2**55),
        (np.int64(-(2**62) - 2**54 - 1), "bf16", None, -(2.0**62) - 2**55),
        (np.int64(2**62 + 2**54 - 1), "bf16", None, 2.0**62),
        (np.uint64(2**63 + 2**55 + 1), "bf16", None, 2.0**63 + 2**56),
        (np.uint64(2**63 + 2**55), "bf16", None, 2.0**63),
        (np.uint64(2**64 - 1), "f64", "toward_zero", 2.0**64 - 2048),
        (np.uint64(2**64 - 1), "f64", None, 2.0**64),
        (np.int64(2**63 - 1), "f64", "toward_zero", 2.0**63 - 1024),
    ],
)
def test_one_rounding(engine, x, fmt, mode, value):
    assert numfmt.cast(x, fmt, rounding=mode, engine=engine) == value
    assert numfmt.cast(np.array([x]), fmt, rounding=mode, engine=engine)[0] == value


@pytest.mark.parametrize(
    "mode", ["nearest_even", "nearest_away", "toward_zero", "toward_positive", "toward_negative", "to_odd"]
)
@pytest.mark.parametrize("fmt", ["f64", "f32", "bf16", "e5m2", "e11m40"])
def test_integers_around_ties_round_once(fmt, mode):
    near = [
        2**k + q + d
        for k in (23, 24, 30, 40, 52, 53, 54, 57, 62)
        for q in (0, *halves(k))
        for d in (-1, 0, 1)
    ]
    x = np.array(near + [-n for n in near], np.int64)
    check(x, fmt, ["kernel", "numpy"], rounding=mode)
    check(x.view(np.uint64), fmt, ["kernel"], rounding=mode)


def halves(k):
    """Half the spacing of 2**k in each of the formats."""
    return {(1 << k) >> bits + 1 for bits in (2, 7, 23, 40, 52)}


@pytest.mark.parametrize(
    "mode", ["nearest_even", "toward_positive", "toward_negative", "to_odd", "nearest_zero"]
)
@pytest.mark.parametrize("fmt", ["f64", "f32", "bf16", "e4m3fn"])
def test_longdouble_rounds_once(fmt, mode):
    one, two = np.longdouble(1), np.longdouble(2)
    ties = [
        one,
        one + two**-8,
        one + two**-24,
        one + two**-53,
        one + two**-4,
        two**-1074,
        two**-149,
        two**-1060,
    ]
    x = np.array([t * s + d for t in ties for s in (1, -1) for d in (0, two**-63, -(two**-63), two**-1075)])
    with np.errstate(all="ignore"):
        check(x, fmt, rounding=mode)


# ml_dtypes and torch

ML_DTYPES = [
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e8m0fnu",
    "float6_e2m3fn",
    "float4_e2m1fn",
]


@pytest.mark.parametrize("name", ML_DTYPES)
def test_ml_dtypes_arrays(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    codes = np.arange(min(1 << numfmt.parse(name).bits, 1 << 10), dtype=f"u{dtype.itemsize}")
    x = codes.view(dtype)
    assert_same_bits(numfmt.encode(x, name), codes, name)
    assert_same_bits(numfmt.cast(x, "f64"), x.astype(np.float64), "f64")
    assert_same_bits(numfmt.encode(x[::-1], "e4m3fn", overflow="saturate"),
                     numfmt.encode(x.astype(np.float64)[::-1], "e4m3fn", overflow="saturate"), "e4m3fn")  # fmt: skip


def test_ml_dtypes_integers():
    x = np.array([-8, 7, 3], ml_dtypes.int4)
    np.testing.assert_array_equal(numfmt.cast(x, "bf16"), [-8.0, 7.0, 3.0])


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    pytest.importorskip("numfmt.interop.torch")
    return module


TORCH = [
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "int32",
    "uint8",
    "bool",
]


@pytest.mark.parametrize("name", TORCH)
def test_torch_tensors(torch, name):
    x = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.5]]).to(getattr(torch, name))
    result = numfmt.cast(x, "e4m3fn")
    assert isinstance(result, torch.Tensor)
    assert result.device.type == "cpu"
    wide = x.to(torch.float64).numpy()
    assert_same_bits(result.to(torch.float64).numpy(), numfmt.cast(wide, "e4m3fn"), "e4m3fn")
    assert isinstance(numfmt.encode(x, "e4m3fn"), torch.Tensor)


def test_strided_torch_tensors(torch):
    x = torch.arange(24.0).reshape(4, 6).to(torch.bfloat16)
    for view in (x.T, x[::2], x[:, 1::3], x[0, 0]):
        result = numfmt.cast(view, "e2m1fn")
        assert tuple(result.shape) == tuple(view.shape)
        wanted = numfmt.cast(view.to(torch.float32).numpy(), "e2m1fn")
        assert_same_bits(result.numpy(), wanted, "e2m1fn")


def test_a_torch_tensor_that_requires_grad(torch):
    x = torch.ones(3, requires_grad=True)
    text = error(TypeError, numfmt.cast, x, "bf16")
    assert "requires grad" in text
    assert "numfmt.interop.torch" in text


def test_torch_dtypes_are_specs(torch):
    assert numfmt.parse(torch.bfloat16) == numfmt.parse("bf16")
    assert numfmt.parse(torch.float8_e4m3fn) == numfmt.parse("e4m3fn")
    assert numfmt.parse(torch.int32) == numfmt.parse("int32")
    assert "complex64" in error(numfmt.SpecError, numfmt.parse, torch.complex64)


def test_an_out_of_another_kind_with_torch(torch):
    assert "out= takes NumPy arrays" in error(
        TypeError, numfmt.cast, torch.ones(3), "bf16", out=np.ones(3, np.float32)
    )
    assert "no tensor holds" in error(TypeError, numfmt.cast, torch.ones(3), "bf16", dtype=object)


@pytest.mark.skipif(sys.byteorder != "little", reason="names the other byte order")
def test_a_big_endian_out():
    out = np.zeros(3, ">f4")
    assert numfmt.cast(np.float32([1.1, -2.0, NAN]), "bf16", out=out) is out
    np.testing.assert_array_equal(out, [1.1015625, -2.0, NAN])
