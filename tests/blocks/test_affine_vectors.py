"""Published vectors of affine quantization: specifications, tests and runs of the libraries."""

import numpy as np
import pytest

import numfmt
from numfmt.blocks import PROFILES, Affine

NAN, INF = np.nan, np.inf


def form(spec, profile="default", **fields):
    return Affine(numfmt.parse(spec), profile=PROFILES[profile], **fields)


def floats(*words):
    return np.array([int(w, 16) for w in words], np.uint32).view(np.float32)


# A division and a rounded reciprocal: scale, x (float32 words), code of each. The first is the
# published difference between PyTorch (128 before saturation) and ONNX Runtime (127).
DIVISION = [
    ("3B0CCEAA", "3E8C41DB", 128, 127),
    ("3DCCCCCD", "C1426666", -122, -121),
    ("3DCCCCCD", "C09E6666", -50, -49),
    ("3DCCCCCD", "407CCCCC", 40, 39),
    ("3CA3D70A", "C01CCCCD", -122, -123),
    ("3CA3D70A", "3F2B851E", 33, 34),
    ("3C0CCCCD", "BE9C3333", -35, -36),
    ("3B808081", "3BC0C0C1", 1, 2),
]
DIVIDING = ["default", "onnx", "onnxruntime", "tensorrt"]
MULTIPLYING = ["torch_fake_quantize", "torch_quantize", "torchao", "pytorch_quantization"]


@pytest.mark.parametrize(("scale", "x", "by_reciprocal", "by_division"), DIVISION)
def test_division_and_reciprocal(scale, x, by_reciprocal, by_division):
    s, x = floats(scale)[0], floats(x)
    for profile in DIVIDING + MULTIPLYING:
        code = form("int16", profile).encode(x, scale=s).codes[0]
        assert code == (by_division if profile in DIVIDING else by_reciprocal), profile


TIES = np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
EVEN, AWAY = [-2, -2, 0, 0, 2, 2], [-3, -2, -1, 1, 2, 3]
EARLY_EVEN = [-3, -1, -1, 1, 1, 3]  # with an odd zero point added first, ties go the other way


@pytest.mark.parametrize("profile", PROFILES)
def test_ties_and_an_odd_zero_point(profile):
    away = profile in ("gemmlowp", "tflite")
    assert form("int8", profile).encode(TIES, scale=1).codes.tolist() == (AWAY if away else EVEN)
    if PROFILES[profile].affine:
        shifted = form("int8", profile).encode(TIES, scale=1, zero=3).codes - 3
        # gemmlowp rounds 0.5 ... 5.5, all positive: away from zero is up
        early = {"torch_quantize": EARLY_EVEN, "gemmlowp": [-2, -1, 0, 1, 2, 3]}
        assert shifted.tolist() == early.get(profile, AWAY if away else EVEN)


BELOW_HALF = floats("3EFFFFFF", "BEFFFFFF")


@pytest.mark.parametrize("profile", PROFILES)
def test_just_below_a_tie(profile):
    """floor(|x| + 0.5) would make 0.49999997 a 1."""
    assert form("int8", profile).encode(BELOW_HALF, scale=1).codes.tolist() == [0, 0]


# QuantizeLinear, s = 1, z = 3, as ONNX Runtime 1.x runs it on x86
RUNTIME_X = np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, NAN, INF, -INF, 1e10, -1e10])
RUNTIME = {
    "uint8": [1, 1, 3, 3, 5, 5, 7, 0, 255, 0, 255, 0],
    "int8": [1, 1, 3, 3, 5, 5, 7, -128, 127, -128, 127, -128],
    "int16": [1, 1, 3, 3, 5, 5, 7, -32768, 32767, -32768, 32767, -32768],
    "uint16": [1, 1, 3, 3, 5, 5, 7, 0, 65535, 0, 65535, 0],
}


@pytest.mark.parametrize("spec", RUNTIME)
def test_onnxruntime_nan_and_infinities(spec):
    assert form(spec, "onnxruntime").encode(RUNTIME_X, scale=1, zero=3).codes.tolist() == RUNTIME[spec]


@pytest.mark.parametrize("spec", RUNTIME)
def test_the_evaluator_of_onnx_gives_the_lowest_code_for_all_that_int32_lacks(spec):
    """np.rint, then astype(int32): NaN, +inf and 1e10 become INT_MIN, which saturates."""
    codes = form(spec, "onnx").encode(RUNTIME_X, scale=1, zero=3).codes
    low = int(numfmt.parse(spec).min)
    assert codes.tolist() == [1, 1, 3, 3, 5, 5, 7, low, low, low, low, low]


def test_the_evaluator_of_onnx_wraps_below_int32():
    """INT_MIN and a negative zero point: the int32 sum wraps to the top."""
    assert form("int8", "onnx").encode([NAN, 1e10, -1e10], scale=1, zero=-3).codes.tolist() == [127] * 3


# DynamicQuantizeLinear: x, scale (float32 word), zero point, codes
DYNAMIC = [
    ([0, 2, -3, -2.5, 1.34, 0.5], "3CA0A0A1", 153, [153, 255, 0, 26, 221, 179]),
    ([-1, -2.1, -1.3, -2.5, -3.34, -4], "3C808081", 255, [191, 121, 172, 96, 42, 0]),
    (
        [1, 2.1, 1.3, 2.5, 3.34, 4, 1.5, 2.6, 3.9, 4, 3, 2.345], "3C808081", 0,
        [64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149],
    ),
]  # fmt: skip


@pytest.mark.parametrize("profile", ["default", "onnx", "onnxruntime"])
@pytest.mark.parametrize(("x", "scale", "zero", "codes"), DYNAMIC)
def test_dynamic_quantize_linear(profile, x, scale, zero, codes):
    ours = numfmt.parse(f"uint8[calibrate=minmax,profile={profile}]").encode(np.float32(x))
    assert ours.scales == floats(scale)[0]
    assert ours.zeros == zero
    assert ours.codes.tolist() == codes


# ChooseQuantizationParams, from the tests of TensorFlow Lite: range, scale, zero point of uint8
TFLITE = [
    (-10.0, 30.0, 40 / 255, 64),
    (0.0, 30.0, 30 / 255, 0),
    (-10.0, 0.0, 10 / 255, 255),
    (0.0, 0.0, 0.0, 0),
]


@pytest.mark.parametrize(("low", "high", "scale", "zero"), TFLITE)
def test_tflite_parameters(low, high, scale, zero):
    found, at = PROFILES["tflite"].affine(np.float32(low), np.float32(high), 0, 255)
    assert found == np.float32(scale)
    assert at == zero
    if scale:
        ours = numfmt.parse("uint8[calibrate=minmax,profile=tflite]").encode(np.float32([low, high]))
        assert (ours.scales, ours.zeros) == (np.float32(scale), zero)


def test_gemmlowp_parameters():
    """The zero point is found in float64 from the float32 scale: 226.499999 here, where a float32
    division has the tie 226.5."""
    low, high = floats("BF48730E", "3DC9C6E6")
    scale, zero = PROFILES["gemmlowp"].affine(low, high, 0, 255)
    assert scale == (high - low) / np.float32(255)
    assert -low / scale == 226.5
    assert zero == 226


# A range whose zero point is a tie: least, greatest, first code, zero point. Scale 1.
TIED_ZEROS = [
    ("default", -0.5, 254.5, 0, 0),
    ("gemmlowp", -0.5, 254.5, 0, 1),
    ("tflite", -0.5, 254.5, 0, 1),
    ("torch_quantize", -0.5, 253.5, -127, -127),  # low / scale is rounded, then taken from the first code
    ("torchao", -0.5, 253.5, -127, -127),
    ("default", -0.5, 253.5, -127, -126),
]


@pytest.mark.parametrize(("profile", "low", "high", "first", "zero"), TIED_ZEROS)
def test_zero_points_that_are_ties(profile, low, high, first, zero):
    last = first + int(high - low)
    assert PROFILES[profile].affine(np.float32(low), np.float32(high), first, last) == (1.0, zero)


def test_a_zero_point_added_with_one_rounding_two_or_none():
    """x * fl32(1 / 0.1) + 3 is just below 5.5, which float32 holds only if the sum is not rounded twice."""
    x, options = floats("3E7FFFFE"), {"scale": np.float32(0.1), "zero": 3}
    for profile, code in (("torch_quantize", 5), ("torch_fake_quantize", 5), ("torchao", 5)):
        for engine in ("numpy", "kernel"):
            assert form("uint8", profile).encode(x, **options, engine=engine).codes.tolist() == [code]
    by_axis = form("uint8", "torch_quantize").encode(x, scale=[np.float32(0.1)], zero=[3], axis=0)
    assert by_axis.codes.tolist() == [6]


# What a slice of zeros gives: scale, zero point, code of 0
ZEROS = [
    ("int8[calibrate=absmax]", 1.0, 0, 0),
    ("int8[calibrate=minmax]", 1.0, -128, -128),
    ("uint8[calibrate=minmax]", 1.0, 0, 0),
    ("uint8[calibrate=minmax,profile=onnxruntime]", 1.0, 0, 0),
    ("uint8[calibrate=minmax,profile=onnx]", 1 / 255, 0, 0),
    ("uint8[calibrate=minmax,profile=tflite]", 1.0, 0, 0),
    ("uint8[calibrate=minmax,profile=gemmlowp]", 1.0, 0, 0),
    ("uint8[calibrate=minmax,profile=torch_quantize]", 2.0**-23, 0, 0),
    ("int8[calibrate=absmax,profile=torch_fake_quantize]", 2.0**-23, 0, 0),
    ("int8[calibrate=absmax,profile=torchao]", 2.0**-126, 0, 0),
    ("int8[calibrate=absmax,profile=tensorrt]", 1.0, 0, 0),
    ("int8[calibrate=absmax,profile=pytorch_quantization]", 1.0, 0, 0),
]


@pytest.mark.parametrize(("spec", "scale", "zero", "code"), ZEROS)
def test_all_zeros(spec, scale, zero, code):
    ours = numfmt.parse(spec).encode(np.zeros(4, np.float32))
    assert ours.scales == np.float32(scale)
    assert (0 if ours.zeros is None else ours.zeros) == zero
    assert (ours.codes == code).all()
    assert (ours.decode() == 0).all()


def test_torch_symmetric_divides_by_half_the_range():
    """127.5 for 8 bits; the middle of unsigned codes is their zero point."""
    x = np.float32([-2.0, 51.0])
    ours = numfmt.parse("int8[calibrate=absmax,profile=torch_quantize]").encode(x)
    assert (ours.scales, ours.zeros) == (np.float32(51) / np.float32(127.5), None)
    ours = numfmt.parse("uint8[calibrate=absmax,profile=torch_quantize]").encode(x)
    assert (ours.scales, ours.zeros) == (np.float32(51) / np.float32(127.5), 128)


# pytorch-quantization's tensor_quant: scale = bound / amax, code = clamp(round(x * scale)), value = code / scale
@pytest.mark.parametrize(("spec", "low"), [("int8", -128), ("int8[symmetric]", -127)])
@pytest.mark.parametrize("amax", [1.0, 0.3, 7.7, 2.0**-24, 2.0**-23, 1e-30])
def test_pytorch_quantization(spec, low, amax):
    rng = np.random.default_rng(0)
    x = np.clip(
        rng.standard_normal(1000).astype(np.float32) * np.float32(amax), -np.float32(amax), np.float32(amax)
    )
    x[0] = amax
    tiny = amax <= 2.0**-24
    steps = np.float32(0 if tiny else np.float32(127) / np.float32(amax))
    codes = np.clip(np.rint(x * steps), low, 127)
    block = numfmt.parse(
        f"{spec[:-1]},profile=pytorch_quantization]"
        if "[" in spec
        else f"{spec}[profile=pytorch_quantization]"
    )
    ours = block.encode(x)
    assert (ours.codes == codes).all()
    assert (
        ours.decode().tobytes()
        == (codes.astype(np.float32) / (1 if tiny else steps) + np.float32(0)).tobytes()
    )


def test_tensorrt_saturates_to_its_range():
    x = np.float32([-200.0, 0.25, 0.75, 200.0, -0.25])
    assert numfmt.parse("int8[scale=0.5,profile=tensorrt]").encode(x).codes.tolist() == [-128, 0, 2, 127, 0]
    assert numfmt.parse("int8[symmetric,scale=0.5,profile=tensorrt]").encode(x).codes[0] == -127
    assert numfmt.parse("int4[scale=0.5,profile=tensorrt]").encode(x).codes.tolist() == [-8, 0, 2, 7, 0]
    assert numfmt.parse("int8[profile=tensorrt]").encode(x).scales == np.float32(200) / np.float32(127)
