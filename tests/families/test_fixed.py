"""Fixed point: the spellings of the field, integers of 64 bits, and what is refused."""

from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt import fixed_point, reference
from numfmt.cuts import LARGEST
from numfmt.engine import run
from numfmt.formats.fixed import Fixed
from numfmt.rounding import MODES

# TI's Qm.n, MATLAB's Fixed-Point Designer, IEEE 1666 (SystemC), HLS: the same format in each
SAME = {
    "q3.12": ["sfix16_En12", "ap_fixed<16,4>", "sc_fixed<16, 4>", "fixed[bits=16, frac=12]", "Q3.12"],
    "uq0.8": ["ufix8_En8", "ap_ufixed<8,0>", "fixed[bits=8,frac=8,signed=no]"],
    "int8": ["q7.0", "sfix8", "ap_int<8>", "sc_int<8>", "fixed[bits=8,frac=0]", "ap_fixed<8,8>"],
    "uint5": ["uq5.0", "ufix5", "ap_uint<5>", "sc_ufixed<5,5>"],
    "fixed[bits=8,frac=-3,signed=yes]": ["sfix8_E3", "ap_fixed<8,11>"],
    "fixed[bits=8,frac=10,signed=no]": ["sc_ufixed<8,-2>"],
    "int8[symmetric]": ["int8[symmetric=on]", "q7.0[symmetric]", "fixed[bits=8,frac=0,symmetric]"],
    "q1.6[symmetric]": ["fixed[symmetric,bits=8,frac=6,signed=yes]"],
}
RANGES = {  # lowest, highest, step
    "int8": (-128, 127, 1),
    "int8[symmetric]": (-127, 127, 1),
    "int1": (-1, 0, 1),
    "uint1": (0, 1, 1),
    "q3.12": (-8, 8 - Fraction(1, 4096), Fraction(1, 4096)),
    "uq4.12": (0, 16 - Fraction(1, 4096), Fraction(1, 4096)),
    "q0.15": (-1, 1 - Fraction(1, 32768), Fraction(1, 32768)),  # TR 18037's short _Fract by two bytes
    "fixed[bits=8,frac=-3]": (-1024, 1016, 8),
    "fixed[bits=8,frac=9]": (Fraction(-1, 4), Fraction(127, 512), Fraction(1, 512)),
    "int64": (-(2**63), 2**63 - 1, 1),
    "uint64": (0, 2**64 - 1, 1),
}
REFUSED = {
    "int0": "1 to 64 bits, got 0",
    "int65": "1 to 64 bits, got 65",
    "uint128": "1 to 64 bits, got 128",
    "q40.40": "1 to 64 bits, got 81",
    "uint8[symmetric]": "lowest code of 2 signed bits",
    "int1[symmetric]": "lowest code of 2 signed bits",
    "fixed[frac=3]": "bits= is needed",
    "fixed[bits=8]": "frac= is needed",
    "fixed": "bits= is needed",
    "fixed[bits=x,frac=1]": "bits is an integer, got 'x'",
    "fixed[bits=8,frac=2000]": "fraction bits fit float64's range",
    "ap_fixed<16,4,AP_RND,AP_SAT>": "give its modes as arguments",
    "ap_fixed<16>": "unknown format",
    "ac_fixed<16,4>": "unknown format",
    "ac_int<8>": "unknown format",
    "int80000000000": "1 to 64 bits, got 80000000000",
    "q1234567890.0": "1 to 64 bits, got 1234567891",
    "fixed[bits=8,frac=12345678901]": "fit float64's range, got 12345678901",
    "fixed[bits=-1,frac=0]": "1 to 64 bits, got -1",
    "sfix8_E1234567890": "fit float64's range, got -1234567890",
    "ap_fixed<16,-1234567890>": "fit float64's range, got 1234567906",
    "fixed[bits=64,frac=-960,signed=no]": "values reach 2**1024 and float64 ends below 2**1024; "
    "64 bits need a frac of -959 or more",
    "int8[symetric]": "Did you mean 'symmetric'",
}
POLICIES_REFUSED = {
    ("int8[symmetric]", "wrap"): "leaves one out",
    ("uint8", "wrap_sign_magnitude"): "unsigned",
    ("int8", "wrap[2"): "unknown overflow policy",
    ("int8", "saturate_zero[1]"): "takes no number of bits",
    ("int8", "wrap_sign_magnitude[1,ap]"): "has no variant",
    ("int8", "infinity"): "has no infinity",
    ("int8", "nan"): "has no nan",
    ("bf16", "wrap"): "is for fixed-point formats; 'bf16' is none",
    ("bf16", "saturate_symmetric"): "is for fixed-point formats",
}
EXTREME = np.array(
    [
        0,
        1,
        -1,
        2**53,
        2**53 + 1,
        -(2**53) - 1,
        2**62 + 1,
        2**63 - 1,
        -(2**63),
        -(2**63) + 1,
        3,
        -3,
        5,
        6,
        7,
        255,
    ]
)


@pytest.mark.parametrize("spec", SAME)
def test_spellings_of_one_format(spec):
    fmt = numfmt.parse(spec)
    assert str(fmt) == spec
    for other in SAME[spec]:
        assert numfmt.parse(other) == fmt, other


@pytest.mark.parametrize("spec", RANGES)
def test_ranges(spec):
    fmt = numfmt.parse(spec)
    assert (fmt.min, fmt.max, fmt.step) == RANGES[spec]


@pytest.mark.parametrize("spec", REFUSED)
def test_what_is_refused(spec):
    with pytest.raises(numfmt.SpecError) as caught:
        numfmt.parse(spec)
    assert REFUSED[spec] in str(caught.value)


REPRS = {
    "q4.8": "<q4.8: 13 bits, -16 to 15.9961, step 0.00390625>",
    "uint24": "<uint24: 24 bits, 0 to 16777215, step 1>",
    "int32": "<int32: 32 bits, -2147483648 to 2147483647, step 1>",
    "int64[symmetric]": "<int64[symmetric]: 64 bits, -2**63 + 1 to 2**63 - 1, step 1>",
    "q0.63": "<q0.63: 64 bits, -1 to 1 - 2**-63, step 2**-63>",
    "q3.12": "<q3.12: 16 bits, -8 to 8 - 2**-12, step 0.000244141>",
    "fixed[bits=8,frac=-100]": "<fixed[bits=8,frac=-100,signed=yes]: 8 bits, -2**107 to 2**107 - 2**100, step 2**100>",
}


@pytest.mark.parametrize("spec", REPRS)
def test_a_format_shows_its_exact_range(spec):
    assert repr(numfmt.parse(spec)) == REPRS[spec]


def test_leading_zeros_mean_nothing():
    assert numfmt.parse("int0000000000008") == numfmt.parse("int8")


@pytest.mark.parametrize("code", [-128, 128])
def test_the_lowest_code_of_a_symmetric_format_has_no_value(code):
    with pytest.raises(ValueError, match=f"codes -127 to 127 or their residues, got {code}"):
        numfmt.parse("int8[symmetric]").value(code)


@pytest.mark.parametrize(("spec", "overflow"), POLICIES_REFUSED)
def test_policies_that_a_format_has_no_use_for(spec, overflow):
    with pytest.raises(numfmt.SpecError) as caught:
        numfmt.cast(1.0, spec, overflow=overflow)
    assert POLICIES_REFUSED[spec, overflow] in str(caught.value)


def test_names_of_systemc_and_hls_for_overflow():
    x = np.arange(-20, 20)
    for alias, name in {
        "SC_SAT": "saturate", "AP_SAT_ZERO": "saturate_zero", "SC_SAT_SYM": "saturate_symmetric",
        "AP_WRAP": "wrap", "SC_WRAP[2]": "wrap[2]", "SC_WRAP_SM": "wrap_sign_magnitude",
        "Wrap[ 2 ]": "wrap[2]", "wrap[0]": "wrap",
    }.items():  # fmt: skip
        assert (numfmt.encode(x, "int4", overflow=alias) == numfmt.encode(x, "int4", overflow=name)).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("overflow", ["wrap", "wrap[2]", "wrap_sign_magnitude"])
@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_what_is_not_finite_does_not_wrap(value, overflow, engine):
    x = np.array([1.0, value, 3.0], np.float32)
    words = "nan= says what" if np.isnan(value) else "no remainder to wrap to; overflow='saturate' takes"
    with pytest.raises(numfmt.RangeError, match=words) as caught:
        numfmt.cast(x, "int8", overflow=overflow, engine=engine)
    assert (caught.value.count, caught.value.index) == (1, (1,))
    with pytest.raises(numfmt.RangeError, match=words):
        numfmt.cast(str(value), "int8", overflow=overflow)
    if np.isnan(value):
        assert numfmt.cast(x, "int8", overflow=overflow, nan=7, engine=engine).tolist() == [1, 7, 3]


@pytest.mark.parametrize("nan", ["max", "min", 3.4, -1e9])
def test_what_nan_becomes(nan):
    wanted = {"max": 127, "min": -128, 3.4: 3, -1e9: -128}[nan]
    for dtype in (np.float32, np.float64, np.float16):
        x = np.array([np.nan, 1, -np.nan], dtype)
        for rounding in ("nearest_even", "toward_zero"):
            assert numfmt.encode(x, "int8", nan=nan, rounding=rounding).tolist() == [wanted, 1, wanted]
            assert numfmt.cast(x, "int8", nan=nan, rounding=rounding).tolist() == [wanted, 1, wanted]


@pytest.mark.parametrize("nan", ["min", -128, -1e9, -np.inf])
@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_nan_stays_in_the_range_of_saturate_symmetric(nan, engine):
    how = {"overflow": "saturate_symmetric", "nan": nan, "engine": engine}
    for spec, least in (("int8", -127), ("int8[symmetric]", -127), ("uint8", 0), ("int1", 0)):
        for dtype in (np.float32, np.float64):
            assert numfmt.encode(np.array([np.nan, 0], dtype), spec, **how).tolist() == [least, 0]
            assert numfmt.cast(np.array([np.nan, 0], dtype), spec, **how).tolist() == [least, 0]


# The formats where one loop takes over from another, and the ends of what each reaches
ADDED = ["int8", "uint8", "int22", "int23", "uint21", "uint22", "int24", "q15.16", "int42", "int43", "uint41", "uint42",
         "int8[symmetric]", "int1", "uint1", "fixed[bits=22,frac=104]", "fixed[bits=22,frac=-104]",
         "fixed[bits=42,frac=-11]", "fixed[bits=48,frac=-11]", "fixed[bits=42,frac=980]",
         "fixed[bits=42,frac=-900]", "fixed[bits=41,frac=1000,signed=no]"]  # fmt: skip


def _hard_steps(form):
    """Integers and ties at both ends, about 0 and about powers of two; numbers far out and tiny."""
    low, high = form.span
    powers = [s << k for k in range(form.bits + 2) for s in (1, -1)]
    whole = {e + d for e in (low, high, 0, *powers) for d in range(-3, 4)}
    halves = {Fraction(2 * k + 1, 2) for k in whole}
    return [*whole, *halves, *(Fraction(s, 1 << k) for k in (2, 40) for s in (1, -1)), 1 << 90, -(1 << 90)]


@pytest.mark.parametrize("overflow", ["saturate", "saturate_symmetric"])
@pytest.mark.parametrize("engine", ["kernel", "numpy"])
@pytest.mark.parametrize("spec", ADDED)
def test_the_adder_rounds_to_even(spec, engine, overflow):
    """Ties, one ulp beside each, huge numbers, infinities, NaN and -0, against Python's `round`."""
    form = numfmt.parse(spec)
    low, high = form.span
    low = max(low, -high) if overflow == "saturate_symmetric" else low
    near = np.array([float(k * form.step) for k in _hard_steps(form)])
    huge = [np.finfo(t).max for t in (np.float32, np.float64)]
    x = np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf), huge, np.negative(huge),
                        [5e-324, -5e-324, -0.0]])  # fmt: skip
    int64 = [int(v) + d for v in x if abs(v) < 2.0**62 for d in (-1, 0, 1)]
    with np.errstate(over="ignore", under="ignore"):
        narrow = x.astype(np.float32)
    for given in (x, narrow[np.isfinite(narrow)], np.array([*int64, 2**63 - 1, -(2**63)])):
        wanted = [min(max(round(Fraction(v) / form.step), low), high) for v in given.tolist()]
        assert numfmt.encode(given, spec, engine=engine, overflow=overflow).tolist() == wanted
        values = numfmt.cast(given, spec, engine=engine, overflow=overflow)
        assert (values == [float(k * form.step) for k in wanted]).all()
        assert not np.signbit(values[values == 0]).any()
    ends = np.array([np.inf, -np.inf, np.nan, -np.nan, -0.0])
    for given in (ends, ends.astype(np.float32)):
        codes = numfmt.encode(given, spec, engine=engine, overflow=overflow, nan="min")
        assert codes.tolist() == [high, low, low, low, 0]


def _rounded(k, drop, mode, negative):
    """k * 2**-drop as an integer, from the table of modes, by integers alone."""
    size = abs(k)
    low, part = size >> drop, size & ((1 << drop) - 1)
    row, half = MODES[mode], 1 << (drop - 1) if drop else 0
    if part and not (row.nearest and part != half):
        low += row.grows(bool(low & 1), negative)
    elif row.nearest and part > half:
        low += 1
    return -low if negative else low


@pytest.mark.parametrize("engine", ["numpy", "kernel", "reference"])
@pytest.mark.parametrize("mode", [name for name, mode in MODES.items() if not mode.stochastic])
def test_64_bit_integers_are_rounded_once(mode, engine):
    """float64 holds none of these, so the loops take them as integers."""
    for frac, bits, signed in (
        (0, 64, True),
        (-1, 64, True),
        (-3, 60, True),
        (-11, 53, True),
        (-2, 62, False),
    ):
        fmt = Fixed(bits, frac, signed)
        low, high = fmt.span
        for x in (EXTREME, EXTREME.view(np.uint64)):
            wanted = [min(max(_rounded(int(v), -frac, mode, v < 0), low), high) for v in x]
            found = numfmt.encode(x, fmt, rounding=mode, engine=engine)
            assert found.tolist() == wanted, (fmt, x.dtype)


@pytest.mark.parametrize("engine", ["numpy", "kernel", "reference"])
def test_64_bit_integers_wrap_exactly(engine):
    for x in (EXTREME, EXTREME.view(np.uint64)):
        for bits in (8, 33, 63):
            found = numfmt.encode(x, f"uint{bits}", overflow="wrap", engine=engine)
            assert found.tolist() == [int(v) % (1 << bits) for v in x]


@pytest.mark.parametrize("engine", ["numpy", "kernel", "reference"])
def test_floats_far_out_wrap_exactly(engine):
    x = np.array([2.0**52 + 1, -(2.0**63) + 2048, 2.0**70 + 2.0**40, 1e300, -3.0 * 2**60, 2.0**1023])
    for bits in (8, 45, 64):
        found = numfmt.encode(x, f"uint{bits}", overflow="wrap", engine=engine)
        assert found.tolist() == [int(v) % (1 << bits) for v in x]


def test_exact_scalars():
    assert numfmt.encode(2**63 - 1, "int64") == 2**63 - 1
    assert numfmt.encode(-(2**70), "int64") == -(2**63)
    assert numfmt.encode(2**70 + 5, "uint64", overflow="wrap") == 5
    assert numfmt.encode("0.1", "q0.63") == round(Fraction(1, 10) * 2**63)
    assert numfmt.cast(Fraction(1, 3), "q0.63", dtype=object) == Fraction(round(Fraction(2**63, 3)), 2**63)
    assert type(numfmt.encode(-3, "int8")) is np.int8
    assert type(numfmt.encode(3.7, "uint16")) is np.uint16


def test_codes_are_signed_and_decode_takes_the_residue_too():
    codes = numfmt.encode([-1.5, 2.0], "q3.4")
    assert codes.dtype == np.int8
    assert codes.tolist() == [-24, 32]
    assert numfmt.decode([-24, 232], "q3.4").tolist() == [-1.5, -1.5]
    for code in (-129, 256):
        with pytest.raises(numfmt.RangeError, match=r"codes of 'q3\.4' are -128 to 255"):
            numfmt.decode([code], "q3.4")


def test_negative_zero_is_zero():
    for engine in ("numpy", "kernel", "reference"):
        for mode in ("nearest_even", "toward_zero", "toward_positive"):
            y = numfmt.cast(np.float32([-0.0, -0.3]), "int8", rounding=mode, engine=engine)
            assert not np.signbit(y).any()


def test_raise_counts_what_is_out_of_range():
    x = np.float32([0.4, -0.4, -0.6, 15.4, 15.5, 99, np.inf])
    for engine in ("numpy", "kernel", "reference"):
        with pytest.raises(numfmt.RangeError) as caught:
            numfmt.encode(x, "uint4", overflow="raise", engine=engine)
        assert (caught.value.count, caught.value.index) == (4, (2,))


def _refused(x, spec, mode, noise):
    """Which numbers overflow, one by one in the reference."""
    form = numfmt.parse(spec)
    rule = reference.policy(form, mode, "raise")
    return [run._is_refused(v, form, rule, int(n)) for v, n in zip(x, noise, strict=True)]


@pytest.mark.parametrize(
    "mode", ["nearest_even", "nearest_zero", "toward_positive", "toward_zero", "stochastic"]
)
@pytest.mark.parametrize("spec", ["int8", "uint8", "int8[symmetric]", "fixed[bits=8,frac=-50]", "int64", "q31.32",
                                  "e4m3fn", "e5m2", "e8m0fnu", "f64"])  # fmt: skip
def test_raise_decides_as_the_reference_does_at_the_ends(spec, mode):
    form = numfmt.parse(spec)
    step = form.step or form.max
    ends = [e + step * Fraction(k, 4) for e in (form.min, form.max) for k in range(-4, 5)]
    wide = np.array([float(e) for e in ends if abs(e) <= LARGEST], np.longdouble)
    near = np.concatenate(
        [wide, np.nextafter(wide, 0), np.nextafter(wide, np.inf), [0, -0.0, 5e-324, np.inf, -np.inf]]
    )
    whole = [int(e) + d for e in ends if abs(e) < 2**62 for d in (-1, 0, 1)] + [2**63 - 1, -(2**63), 1]
    with np.errstate(over="ignore", under="ignore"):
        narrower = [near.astype(dtype) for dtype in (np.float64, np.float32)]
    for x in (near, *narrower, np.array(whole)):
        noise = np.arange(x.size, dtype=np.uint32) * np.uint32(0x9E3779B9)
        bad = _refused(x, spec, mode, noise)
        how = {"noise": noise} if mode == "stochastic" else {}
        for engine in ("numpy", "kernel", "reference"):
            if any(bad):
                with pytest.raises(numfmt.RangeError) as caught:
                    numfmt.encode(x, spec, rounding=mode, overflow="raise", engine=engine, **how)
                assert (caught.value.count, caught.value.index) == (sum(bad), (bad.index(True),))
            how_kept = {"noise": noise[~np.array(bad)]} if how else {}
            numfmt.encode(x[~np.array(bad)], spec, rounding=mode, overflow="raise", engine=engine, **how_kept)


@pytest.mark.parametrize("x", [np.full(3000, 127.0), np.linspace(127, 127.49, 3000), np.full(3000, -128)])
def test_raise_asks_the_reference_about_few_numbers(x, monkeypatch):
    asked = []
    decide = run._is_refused
    monkeypatch.setattr(run, "_is_refused", lambda *given, **how: asked.append(1) or decide(*given, **how))
    numfmt.encode(x, "int8", overflow="raise")
    assert len(asked) < 500


def test_a_symmetric_format_never_gives_its_lowest_code():
    x = np.float32([-128, -127.5, -1e9, -np.inf, -127])
    assert numfmt.encode(x, "int8[symmetric]").tolist() == [-127] * 5
    assert numfmt.encode(x, "int8", overflow="saturate_symmetric").tolist() == [-127] * 5


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int64])
def test_a_symmetric_format_has_no_value_for_its_lowest_code(dtype):
    out = np.int64([-128, 128]).astype(dtype)[0 if np.dtype(dtype).kind == "i" else 1]
    codes = np.array([[1, 127], [out, 0]], dtype)
    pair = (codes, "q3.4[symmetric]")
    for call in (lambda: numfmt.decode(*pair), lambda: numfmt.decode(*pair, dtype=object),
                 lambda: fixed_point.add(pair, pair), lambda: fixed_point.requantize(pair, "int8")):  # fmt: skip
        with pytest.raises(numfmt.RangeError) as caught:
            call()
        assert f"codes of 'q3.4[symmetric]' are -127 to 255 without 128, got {out}" in str(caught.value)
        assert (caught.value.count, caught.value.index) == (1, (1, 0))
    with pytest.raises(ValueError, match="-127 to 127"):
        numfmt.parse("int8[symmetric]").value(int(out))


def test_residues_of_a_symmetric_format():
    codes = np.array([129, 127, 255], np.uint8)
    assert numfmt.decode(codes, "int8[symmetric]").tolist() == [-127, 127, -1]
    assert fixed_point.negate((codes, "int8[symmetric]")).codes.tolist() == [127, -127, 1]


def test_a_symmetric_format_without_a_loop():
    """Its cut points are searched: no step so small is a normal float64."""
    spec = "fixed[bits=8,frac=1070,symmetric]"
    x = np.ldexp([-200, -127.5, -127, -1.5, 0, 126.5, 300], -1070)
    assert np.ldexp(numfmt.cast(x, spec), 1070).tolist() == [-127, -127, -127, -2, 0, 126, 127]


def test_modes_that_move_exact_values_are_no_modes():
    """APyTypes' magnitude truncation and jamming change values that are on the grid."""
    for mode in ("TRN_MAG", "JAM"):
        with pytest.raises(numfmt.SpecError, match="unknown rounding mode"):
            numfmt.cast(1.0, "int8", rounding=mode)


def test_an_explanation_has_the_code_that_encode_gives():
    step = numfmt.explain("-1.53", "q3.4")
    assert step.code == numfmt.encode(-1.53, "q3.4") == -24
    assert (step.lower_code, step.upper_code) == (-24, -25)
    assert step.bits == "1|110|1000"
    assert numfmt.explain(300, "int8", overflow="wrap").rule == "wraps"
