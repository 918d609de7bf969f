"""One exponent for a tensor: against integers and fractions, laws, every kind of input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt
from numfmt.flexpoint import Flex, FlexArray, quantize

from . import slow

FORMATS = [(16, 5), (8, 5), (2, 1), (12, 3), (24, 5), (32, 5)]
DTYPES = [
    "float16",
    "float32",
    "float64",
    "int8",
    "uint8",
    "int16",
    "uint32",
    "int64",
    "uint64",
    "bool",
    "longdouble",
]
numbers = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8)
formats = st.sampled_from(FORMATS)


@given(numbers, formats, st.sampled_from(list(slow.ROUND)), st.none() | st.integers(0, 31))
@settings(deadline=None)
def test_quantize_is_one_rounding(x, form, mode, exponent):
    bits, exponent_bits = form
    last = 2**exponent_bits - 1
    found = quantize(x, bits, exponent_bits, exponent, rounding=mode)
    own = slow.first_exponent(max(abs(slow.exact(v)) for v in x), bits, last)
    assert found.exponent == (own if exponent is None else min(exponent, last))
    assert (found.codes.tolist(), found.clipped) == slow.codes(x, found.exponent, bits, mode)


@given(numbers, formats)
@settings(deadline=None)
def test_the_laws(x, form):
    a = quantize(x, *form)
    again = quantize(a.values, *form, exponent=a.exponent)
    low, high = -(1 << (form[0] - 1)), (1 << (form[0] - 1)) - 1
    assert low <= a.codes.min() <= a.codes.max() <= high
    assert np.array_equal(again.codes, a.codes)
    assert again.clipped == 0
    assert np.array_equal(a.values, a.codes * a.scale)
    assert np.array_equal(a.values, numfmt.decode(a.codes, Flex(*form).element(a.exponent)))
    assert a.peak == max(map(abs, a.codes.tolist()))
    assert a.overflowed == (a.peak >= high)


@given(st.integers(-400, 400), st.integers(1, 2**53 - 1), formats)
@settings(deadline=None)
def test_the_exponent_at_powers_of_two(power, numerator, form):
    x = float(np.ldexp(float(numerator), power))
    own = slow.first_exponent(slow.exact(x), form[0], 2 ** form[1] - 1)
    assert quantize(x, *form).exponent == own


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_exact(dtype):
    info = np.finfo(dtype) if np.dtype(dtype).kind == "f" else None
    ends = [True, False] if dtype == "bool" else [info.max, info.tiny] if info else [np.iinfo(dtype).max, 3]
    x = np.array([*ends, 1, 0], dtype)
    a = quantize(x)
    assert a.exponent == slow.first_exponent(max(slow.exact(v.item()) for v in x))
    assert (a.codes.tolist(), a.clipped) == slow.codes([v.item() for v in x], a.exponent)


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_engines_agree(engine):
    x = np.random.default_rng(2).standard_normal(300) * 3
    a, b = quantize(x, engine=engine), quantize(x)
    assert np.array_equal(a.codes, b.codes)
    assert a[1:] == b[1:]


def test_the_least_int64_has_a_magnitude():
    a = quantize(np.array([-(2**63)]))
    assert (a.exponent, a.codes.tolist(), a.clipped) == (0, [-32768], 1)


def test_one_rounding_from_float64():
    """Just above a tie: float32 would land on it and give an even code."""
    x = np.float64(1 + 2**-15 + 2**-40)
    assert quantize(x, exponent=14).codes == 16385
    assert quantize(np.float64(1 + 2**-15), exponent=14).codes == 16384


def test_integers_past_float64():
    x = np.array([2**62 + 2**46 + 1, -(2**62) - 2**46 - 1])
    assert quantize(x, 32, 1).clipped == 2
    assert Flex(16, 5).round(x, 0, 47).codes.tolist() == [32767, -32768]
    assert Flex(17, 5).round(x, 0, 47).codes.tolist() == [32769, -32769]


BASE = np.linspace(-3, 5, 24).reshape(4, 6)
LAYOUTS = {
    "strided": BASE.repeat(2, 1)[:, ::2],
    "reversed": BASE[::-1, ::-1].copy()[::-1, ::-1],
    "Fortran": np.asfortranarray(BASE),
    "big-endian": BASE.astype(">f8"),
    "list": BASE.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_does_not_matter(layout):
    a, b = quantize(LAYOUTS[layout]), quantize(BASE)
    assert np.array_equal(a.codes, b.codes)
    assert a.exponent == b.exponent


def test_a_read_only_array_stays_as_it_is():
    x = BASE.copy()
    x.flags.writeable = False
    assert np.array_equal(quantize(x).codes, quantize(BASE).codes)
    assert np.array_equal(x, BASE)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4)])
def test_shapes(shape):
    a = quantize(np.ones(shape))
    assert type(a.codes) is type(a.values) is np.ndarray
    assert a.codes.shape == a.values.shape == shape
    assert (a.exponent, a.clipped) == (14, 0)
    assert a.peak == 16384 * (0 not in shape)


def test_zeros_and_nothing_take_the_exponent_of_one():
    assert [quantize(x).exponent for x in ([0.0, -0.0], [], 1.0)] == [14, 14, 14]


@pytest.mark.parametrize(("asked", "kept"), [(-5, 0), (0, 0), (31, 31), (40, 31)])
def test_an_exponent_is_clamped(asked, kept):
    a = quantize(2.0**-20, exponent=asked)
    assert (a.exponent, int(a.codes)) == (kept, slow.code(2.0**-20, kept)[0])


def test_the_largest_may_round_past_the_last_code():
    a = quantize(2 - 2**-20)
    assert (a.exponent, int(a.codes), a.clipped, a.overflowed) == (14, 32767, 1, True)


@pytest.mark.parametrize(
    ("bits", "codes", "values"),
    [(8, "int8", "float32"), (9, "int16", "float32"), (16, "int16", "float32"), (25, "int32", "float32"),
     (26, "int32", "float64"), (32, "int32", "float64")],
)  # fmt: skip
def test_dtypes_of_codes_and_values(bits, codes, values):
    a = quantize([1.0, -0.3], bits)
    assert (a.codes.dtype, a.values.dtype, a.format) == (codes, values, f"flex{bits}+5")


def test_infinity_saturates():
    a = quantize([np.inf, -np.inf, 3.7])
    assert (a.exponent, a.codes.tolist(), a.clipped) == (0, [32767, -32768, 4], 2)
    assert quantize([np.inf, 1.0], exponent=14).codes.tolist() == [32767, 16384]


def test_nan():
    with pytest.raises(
        numfmt.RangeError, match=r"1 of 2 elements are NaN, and flex16\+5 has no NaN.*nan=0"
    ) as e:
        quantize([1.0, np.nan])
    assert (e.value.count, e.value.index) == (1, (1,))
    a = quantize([0.25, np.nan], nan=0)
    assert (a.exponent, a.codes.tolist()) == (16, [16384, 0])
    assert quantize([np.nan], nan=0).codes.tolist() == [0]


def test_stochastic_rounding_takes_the_noise_of_encode():
    x = np.random.default_rng(1).uniform(-1.9, 1.9, 1000)
    a = quantize(x, rounding="stochastic", seed=7)
    assert np.array_equal(a.codes, numfmt.encode(x, "q1.14", rounding="stochastic", seed=7))
    few = quantize([0.3], rounding="sr", noise=np.uint32([0]), exponent=1)
    assert few.codes.tolist() == [0]


REFUSED = {
    "complex": ([1j], {}, TypeError, "real"),
    "text": (["a"], {}, TypeError, "real"),
    "an object": ([object()], {}, TypeError, "real"),
    "a ragged list": ([[1], [2, 3]], {}, ValueError, "ragged"),
    "too few bits": ([1.0], {"bits": 1}, ValueError, "bits must be 2 to 32, got 1"),
    "too many bits": ([1.0], {"bits": 33}, ValueError, "bits must be 2 to 32, got 33"),
    "no exponent": ([1.0], {"exponent_bits": 0}, ValueError, "exponent_bits must be 1 to 5, got 0"),
    "a wide exponent": ([1.0], {"exponent_bits": 6}, ValueError, "exponent_bits must be 1 to 5, got 6"),
    "bits and a half": ([1.0], {"bits": 8.5}, TypeError, "bits must be an integer, got 8.5"),
    "half an exponent": ([1.0], {"exponent": 0.5}, TypeError, "exponent must be an integer, got 0.5"),
    "another keyword": (
        [1.0],
        {"overflow": "wrap"},
        TypeError,
        "unknown keyword 'overflow'; there are: round",
    ),
    "an unknown mode": ([1.0], {"rounding": "up"}, numfmt.SpecError, "unknown rounding mode 'up'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_why(case):
    x, options, error, text = REFUSED[case]
    with pytest.raises(error, match=text):
        quantize(x, **options)


def test_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.array([0.4, -3], ml_dtypes.bfloat16)
    assert np.array_equal(quantize(x).codes, quantize(x.astype(np.float64)).codes)


def test_an_array_without_its_defaults():
    a = FlexArray(np.int16([1]), 3)
    assert (a.format, a.values.tolist(), a.clipped) == ("flex16+5", [0.125], 0)
