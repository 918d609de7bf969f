"""Conversions that the standards and their reference implementations print."""

import math

import numpy as np
import pytest

import numfmt

INF, NAN = math.inf, math.nan
EVEN, AWAY, ZERO, UP, DOWN, ODD = (
    "nearest_even", "nearest_away", "toward_zero", "toward_positive", "toward_negative", "to_odd",
)  # fmt: skip


def code(x, fmt, **options):
    """The code by every engine, from float64 and, where it holds x, from float32."""
    with np.errstate(all="ignore"):
        inputs = [np.float64(x)] + [np.float32(x)] * bool(float(np.float32(x)) == x or x != x)
    found = {
        int(numfmt.encode(v, fmt, engine=engine, **options))
        for v in inputs
        for engine in ("reference", "numpy", "kernel")
    }
    assert len(found) == 1, found
    return found.pop()


def value(x, fmt, **options):
    return float(numfmt.parse(fmt).value(code(x, fmt, **options)))


def same(a, b):
    return (a != a and b != b) or (a == b and math.copysign(1, a) == math.copysign(1, b))


# OCP OFP8 1.0, table of conversions: (input, saturating e4m3, e5m2, non-saturating e4m3, e5m2)
OFP8 = [
    (NAN, NAN, NAN, NAN, NAN),
    (INF, 448, 57344, NAN, INF),
    (-INF, -448, -57344, NAN, -INF),
    (1e6, 448, 57344, NAN, INF),
    (-1e6, -448, -57344, NAN, -INF),
    (464.0, 448, 448, 448, 448),
    (0.0, 0.0, 0.0, 0.0, 0.0),
    (-0.0, -0.0, -0.0, -0.0, -0.0),
]


@pytest.mark.parametrize("row", OFP8, ids=str)
def test_conversion_table_of_ofp8(row):
    x, sat4, sat5, e4m3, e5m2 = row
    assert same(value(x, "e4m3fn", overflow="saturate"), sat4)
    assert same(value(x, "e5m2", overflow="saturate"), sat5)
    assert same(value(x, "e4m3fn"), e4m3)
    assert same(value(x, "e5m2"), e5m2)


# the tie past the last value goes to the even code: 448 is 0x7E, even; 57344 (0x7B) and 240 are odd
@pytest.mark.parametrize(
    ("fmt", "x", "result"),
    [
        ("e4m3fn", 464.0, 448), ("e4m3fn", 464.0001, NAN), ("e4m3fn", np.nextafter(464, 500), NAN),
        ("e4m3fn", 463.9999, 448), ("e4m3fn", 448, 448),
        ("e5m2", 61439, 57344), ("e5m2", 61440, INF), ("e5m2", np.nextafter(61440, 0), 57344),
        ("e4m3", 247.9, 240), ("e4m3", 248, INF), ("e4m3fnuz", 247.9, 240), ("e4m3fnuz", 248, NAN),
        ("e4m3b11fnuz", 30.9, 30), ("e4m3b11fnuz", 31, NAN), ("e5m2fnuz", 61440, NAN),
        ("e3m4", 15.74, 15.5), ("e3m4", 15.75, INF),
        ("f16", 65519.99, 65504), ("f16", 65520, INF), ("f16_arm", 1e9, 131008), ("f16_arm", INF, 131008),
        ("bf16", float(2**128 - 2**119 - 2**75), 255 * 2.0**120), ("bf16", float(2**128 - 2**119), INF),
        ("f16", 2.0**-25, 0), ("f16", np.nextafter(2.0**-25, 1), 2.0**-24),
        ("e2m1fn", 1e9, 6), ("e2m1fn", INF, 6), ("e3m2fn", 1e9, 28), ("e2m3fn", -INF, -7.5),
        # one rounding, not two through float32
        ("bf16", 1 + 2**-8 + 2**-40, 1.0078125),
    ],
    ids=str,
)  # fmt: skip
def test_the_edge_to_nearest_even(fmt, x, result):
    assert same(value(x, fmt), float(result))


# OCP MX 1.0, E2M1 to nearest even: x, result
@pytest.mark.parametrize(
    ("x", "result"),
    [(0.25, 0), (0.2501, 0.5), (0.75, 1), (0.7499, 0.5), (1.25, 1), (1.2501, 1.5), (1.75, 2), (1.7499, 1.5),
     (2.5, 2), (2.5001, 3), (3.5, 4), (3.4999, 3), (5, 4), (5.0001, 6), (7, 6)],
)  # fmt: skip
def test_thresholds_of_e2m1(x, result):
    assert value(x, "e2m1fn") == result
    assert same(value(-x, "e2m1fn"), -float(result))


# OCP MX 1.0 5.4.1; ml_dtypes for the rounding: every significand is odd, ties go up
E8M0 = [(1.5, 0x80), (1.49, 0x7F), (3, 0x81), (2.0**-129, 0), (1e-45, 0), (5e-324, 0), (0, 0xFF), (-0.0, 0xFF),
        (-1, 0xFF), (INF, 0xFF), (-INF, 0xFF), (NAN, 0xFF), (1.5 * 2.0**127, 0xFF), (1, 0x7F), (2.0**127, 0xFE),
        (2.0**-127, 0), (1.25 * 2.0**127, 0xFE), (1e300, 0xFF)]  # fmt: skip


@pytest.mark.parametrize(("x", "result"), E8M0)
def test_e8m0_to_nearest(x, result):
    assert code(x, "e8m0fnu") == result


@pytest.mark.parametrize(
    ("x", "result"),
    [(0, 0), (-0.0, 0), (-5, 0), (-INF, 0), (INF, 0xFE), (1e300, 0xFE), (NAN, 0xFF), (1.5 * 2.0**127, 0xFE)],
)
def test_e8m0_saturating(x, result):
    assert code(x, "e8m0fnu", overflow="saturate") == result


@pytest.mark.parametrize("mode", [EVEN, AWAY, ZERO, UP, DOWN, ODD, "nearest_zero", "away_from_zero"])
def test_e8m0_never_goes_below_its_least_value(mode):
    for x in (2.0**-128, 1.1 * 2.0**-128, 5e-324):
        assert code(x, "e8m0fnu", rounding=mode) == 0


def test_e8m0_directed():
    assert [code(3, "e8m0fnu", rounding=mode) for mode in (ZERO, UP, DOWN)] == [0x80, 0x81, 0x80]
    # to_odd takes the odd code: 2**1 is 0x80, 2**2 is 0x81
    assert [code(x, "e8m0fnu", rounding=ODD) for x in (3, 5, 1.01)] == [0x81, 0x81, 0x7F]


# OpenEXR, Pxr24 compressor: float to 24 bits is nearest, ties away, and never makes an infinity
@pytest.mark.parametrize(
    "bits", [0x3F800080, 0x3F80007F, 0x3F800180, 0x7F7FFFFF, 0x7F7FFF80, 0x00000080, 0xBF800080]
)
def test_pxr24_is_the_conversion_of_openexr(bits):
    size = bits & 0x7FFFFFFF
    rounded = (size + (size & 0x80)) >> 8
    rounded = size >> 8 if rounded >= 0x7F8000 else rounded
    x = np.uint32(bits).view(np.float32)
    assert code(float(x), "pxr24", rounding=AWAY, overflow="saturate_finite") == rounded | (bits >> 31) << 23


# PTX cvt.rna.tf32.f32: add half of the last place, cut 13 bits; the code is right-aligned
@pytest.mark.parametrize("bits", [0x3F801000, 0x3F800FFF, 0x3F803000, 0xBF801000, 0x7F7FEFFF])
def test_tf32_ties_away(bits):
    x = float(np.uint32(bits).view(np.float32))
    assert code(x, "tf32", rounding=AWAY) == (bits + 0x1000) >> 13
    assert code(x, "tf32", rounding=ZERO) == bits >> 13


# IEEE 754-2019 7.4: what each mode delivers for finite overflow of e5m2, above and below
IEEE_OVERFLOW = {
    EVEN: (INF, -INF), AWAY: (INF, -INF), "nearest_up": (INF, -INF), "nearest_down": (INF, -INF),
    "nearest_zero": (INF, -INF), "nearest_odd": (INF, -INF), "away_from_zero": (INF, -INF),
    ZERO: (57344, -57344), ODD: (57344, -57344), UP: (INF, -57344), DOWN: (57344, -INF),
}  # fmt: skip


@pytest.mark.parametrize("mode", IEEE_OVERFLOW)
def test_overflow_by_mode(mode):
    above, below = IEEE_OVERFLOW[mode]
    for x in (1e6, 65536.0, 1e300):
        assert value(x, "e5m2", rounding=mode) == above
        assert value(-x, "e5m2", rounding=mode) == below
        # without infinity the special is NaN; without both the last value
        assert same(value(x, "e4m3fn", rounding=mode), NAN if above == INF else 448.0)
        assert same(value(-x, "e4m3fn", rounding=mode), NAN if below == -INF else -448.0)
        assert value(x, "e2m1fn", rounding=mode) == 6
    # infinite x gives the special in every mode
    assert (value(INF, "e5m2", rounding=mode), value(-INF, "e5m2", rounding=mode)) == (INF, -INF)
    assert same(value(INF, "e4m3fn", rounding=mode), NAN)


@pytest.mark.parametrize("mode", IEEE_OVERFLOW)
@pytest.mark.parametrize(
    ("overflow", "finite", "infinite"),
    [("saturate", 57344, 57344), ("saturate_finite", 57344, INF), ("infinity", INF, INF), ("nan", NAN, NAN)],
)
def test_overflow_policies(mode, overflow, finite, infinite):
    for sign in (1, -1):
        for x, result in ((1e6, finite), (INF, infinite)):
            found = value(sign * x, "e5m2", rounding=mode, overflow=overflow)
            assert found == sign * result or (found != found and result != result)


def test_overflow_raises_where_it_may_not_happen():
    for x in (61440.0, 1e300, -1e6):
        with pytest.raises(numfmt.RangeError):
            numfmt.cast(x, "e5m2", overflow="raise")
    assert value(INF, "e5m2", overflow="raise") == INF  # the format holds it
    assert value(61439.0, "e5m2", overflow="raise") == 57344
    with pytest.raises(numfmt.RangeError):
        numfmt.cast(INF, "e4m3fn", overflow="raise")


@pytest.mark.parametrize(
    ("fmt", "positive", "negative"),
    [("f16", 0x7E00, 0xFE00), ("bf16", 0x7FC0, 0xFFC0), ("e5m2", 0x7E, 0xFE), ("e4m3fn", 0x7F, 0xFF),
     ("e4m3", 0x7C, 0xFC), ("e4m3fnuz", 0x80, 0x80), ("e8m0fnu", 0xFF, 0xFF), ("binary8p4se", 0x80, 0x80),
     ("binary8p3ue", 0xFF, 0xFF), ("tf32", 0x3FE00, 0x7FE00)],
)  # fmt: skip
def test_nan_becomes_the_quiet_code_of_its_sign(fmt, positive, negative):
    payloads = np.array([0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0x7F80DEAD], np.uint32)
    for engine in ("reference", "numpy", "kernel"):
        for sign, wanted in ((0, positive), (0x80000000, negative)):
            x = (payloads | np.uint32(sign)).view(np.float32)
            assert (numfmt.encode(x, fmt, engine=engine) == wanted).all()
            values = numfmt.cast(x, fmt, engine=engine, dtype=np.float32).view(np.uint32)
            assert (values == 0x7FC00000 | sign).all()


@pytest.mark.parametrize(
    ("nan", "result"), [("max", 6), ("min", -6), (0, 0.0), (-0.0, -0.0), (2.5, 2), (1e9, 6), (-INF, -6)]
)
def test_what_nan_becomes_where_there_is_none(nan, result):
    assert same(value(NAN, "e2m1fn", nan=nan), float(result))
    assert same(value(-NAN, "e2m1fn", nan=nan), float(result))
    with pytest.raises(numfmt.RangeError) as error:
        numfmt.cast(np.array([1.0, NAN, NAN]), "e2m1fn")
    assert (error.value.count, error.value.index) == (2, (1,))


def test_zero_has_one_sign_where_the_format_has_one_zero():
    for fmt in ("e4m3fnuz", "e5m2fnuz", "binary8p4se"):
        for x in (-0.0, -1e-30):
            assert code(x, fmt) == 0
            assert code(x, fmt, rounding="nearest_away") == 0
    assert code(-1e-30, "e4m3fn") == 0x80


# P3109 v4.0 4.7: binary8p4se, x in each mode
P3109 = [
    (0.1, EVEN, 0.1015625), (0.1, ZERO, 0.09375), (0.1, ODD, 0.1015625), (232, EVEN, 224), (2.0**-11, EVEN, 0),
    (2.0**-11, AWAY, 2.0**-10), (2.0**-11, ODD, 2.0**-10), (1.0625, EVEN, 1), (1.0625, AWAY, 1.125),
    (1.0625, ODD, 1.125), (1.1875, EVEN, 1.25), (1.1875, ODD, 1.125), (2, EVEN, 2), (-0.0, EVEN, 0.0),
    (232, UP, INF), (232, ZERO, 224), (-232, DOWN, -INF), (-232, UP, -224), (241, EVEN, INF), (232.1, EVEN, INF),
]  # fmt: skip


@pytest.mark.parametrize(("x", "mode", "result"), P3109)
def test_vectors_of_p3109(x, mode, result):
    assert same(value(x, "binary8p4se", rounding=mode), float(result))


# P3109 v4.0 4.7: with precision 1 ties alternate by the parity of the exponent
@pytest.mark.parametrize(("x", "result"), [(3, 4), (6, 4), (12, 16), (1.5, 1), (0.75, 1)])
def test_ties_of_precision_one(x, result):
    assert value(x, "binary8p1se") == result
    assert value(-x, "binary8p1se") == -result


# P3109 v4.0 4.8. SatFinite: everything clamps. SatPropagate: an infinity stays one where the format
# has it. SatNone: by mode. Columns: overflow, format, mode, +finite, -finite, +inf, -inf
SATURATION = [
    ("saturate", "binary8p4se", EVEN, 224, -224, 224, -224),
    ("saturate", "binary8p4sf", EVEN, 240, -240, 240, -240),
    ("saturate", "binary8p3ue", EVEN, 2684354560, 0, 2684354560, 0),
    ("saturate_finite", "binary8p4se", EVEN, 224, -224, INF, -INF),
    ("saturate_finite", "binary8p3ue", EVEN, 2684354560, 0, INF, NAN),
    ("ieee", "binary8p4se", EVEN, INF, -INF, INF, -INF),
    ("ieee", "binary8p4se", ZERO, 224, -224, INF, -INF),
    ("ieee", "binary8p4se", UP, INF, -224, INF, -INF),
    ("ieee", "binary8p4se", DOWN, 224, -INF, INF, -INF),
    ("ieee", "binary8p4se", ODD, INF, -INF, INF, -INF),
    ("ieee", "binary8p4sf", EVEN, 240, -240, 240, -240),
    ("ieee", "binary8p4sf", ODD, 240, -240, 240, -240),
    ("ieee", "binary8p3ue", EVEN, INF, NAN, INF, NAN),
    ("ieee", "binary8p3ue", ZERO, 2684354560, 0, INF, NAN),
    ("ieee", "binary8p3ue", ODD, 2684354560, NAN, INF, NAN),
    ("ieee", "binary8p3uf", EVEN, 3221225472, NAN, 3221225472, NAN),
]


@pytest.mark.parametrize("row", SATURATION, ids=str)
def test_saturation_of_p3109(row):
    overflow, fmt, mode, *results = row
    for x, result in zip((1e30, -1e30, INF, -INF), results, strict=True):
        assert same(value(x, fmt, rounding=mode, overflow=overflow), float(result)), x
