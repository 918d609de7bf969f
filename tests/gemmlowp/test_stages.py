"""Each output stage: results of the C++ code, and Python integers for the product of every pair of uint8."""

import itertools

import numpy as np
import pytest

from gemmlowp import exact
from gemmlowp.hard import INT32S
from numfmt import gemmlowp
from numfmt.gemmlowp import (
    BiasAddition,
    Clamp,
    QuantizeDownByFixedPoint,
    QuantizeDownScale,
    QuantizeDownScalePC,
    Requantize,
    RequantizeFloat,
    SaturatingCast,
    ScaleByFixedPointAndExponent,
    Tanh,
    TruncatingCast,
)

MIN, MAX = -(2**31), 2**31 - 1
LIMITS = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}
LHS, RHS = np.uint8([[10, 200], [0, 255]]), np.uint8([[5, 128], [250, 3]])

TANH = {
    (1000, 500): {
        -3500: 500, -3000: 500, -1000: 500, 500: 619, 750: 768, 995: 994, 1000: 1000, 1005: 1005, 1250: 1231,
        1500: 1380, 2000: 1482, 4750: 1499, 5000: 1500,
    },
    (0, 2**20): {
        -4194304: -1047873, -1048576: -798590, -524288: -484565, -10485: -10484, 10485: 10485, 524288: 484564,
        1048576: 798589, 2097152: 1010856, 7864320: 1048575,
    },
    (128, 127): {1: 31, 65: 69, 127: 126, 191: 186, 255: 224, 382: 250, 1080: 254},
}  # fmt: skip


@pytest.mark.parametrize(("zero", "amplitude"), TANH)
def test_published_tanh_stages(zero, amplitude):
    table = TANH[zero, amplitude]
    assert gemmlowp.run(list(table), [Tanh(zero, amplitude)]).tolist() == list(table.values())


def test_the_worked_example():
    acc = gemmlowp.gemm(LHS, RHS, lhs_offset=-128, rhs_offset=-7)
    assert acc.tolist() == [[17732, -14566], [31117, -15996]]
    q, shift = gemmlowp.quantize_multiplier(0.0078125 * 0.9)
    cast = SaturatingCast("uint8")
    for stage in (QuantizeDownByFixedPoint(q, -shift, 100), ScaleByFixedPointAndExponent(q, shift, 100), Requantize(q, shift, 100)):  # fmt: skip
        assert gemmlowp.run(acc, [stage, cast]).tolist() == [[225, 0], [255, 0]]
    assert gemmlowp.run(acc, [QuantizeDownScale(1000, 3, 8), cast]).tolist() == [[220, 0], [255, 0]]


# The definitions on Python integers, for one stage and one number


def expected(stage, x):
    return EXPECTED[type(stage)](stage, x)


def by_fixed_point(s, x):
    return exact.wrap(exact.rdpot(exact.srdhm(x, s.multiplier), s.shift) + s.offset)


def by_exponent(s, x):
    moved = exact.clip(x * 2 ** max(s.exponent, 0), MIN, MAX)
    return exact.wrap(exact.rdpot(exact.srdhm(moved, s.multiplier), max(-s.exponent, 0)) + s.offset)


def by_float(s, x):
    low, high = LIMITS[s.to]
    if s.library == "litert":
        n, d = (float(x) * s.scale).as_integer_ratio()
        nearest = exact.half_away(n, d)
        return exact.clip(exact.wrap((nearest if MIN <= nearest <= MAX else MIN) + s.zero), low, high)
    product = np.float32(x) * np.float32(s.scale)
    if s.library == "fbgemm":
        nearest = round(float(product)) if abs(product) < 2.0**31 else MIN
        return exact.clip(nearest + s.zero, low, high)
    return round(float(min(max(product, np.float32(low - s.zero)), np.float32(high - s.zero)))) + s.zero


EXPECTED = {
    QuantizeDownScale: lambda s, x: exact.rdpot(exact.wrap(exact.wrap(x + s.offset) * s.multiplier), s.shift),
    QuantizeDownByFixedPoint: by_fixed_point,
    ScaleByFixedPointAndExponent: by_exponent,
    Requantize: lambda s, x: exact.wrap(exact.multiply(x, s.multiplier, s.shift, s.rounding) + s.zero),
    RequantizeFloat: by_float,
    BiasAddition: lambda s, x: exact.wrap(x + s.bias),
    Clamp: lambda s, x: min(max(x, s.low), s.high),
    SaturatingCast: lambda s, x: min(max(x, LIMITS[s.to][0]), LIMITS[s.to][1]),
    TruncatingCast: lambda s, x: x % 256,
    Tanh: lambda s, x: exact.tanh_stage(x, s.zero, s.amplitude),
}

MULTIPLIERS = [2**30, 2**30 + 1, 1342177280, 1932735283, MAX]
STAGES = [
    *(QuantizeDownScale(o, m, e) for o, m, e in itertools.product((0, -1000), (1, 3, 255, 2**20), (0, 1, 8, 31))),
    *(QuantizeDownByFixedPoint(m, e, o) for m, e, o in itertools.product(MULTIPLIERS, (0, 1, 7, 31), (0, 100))),
    *(ScaleByFixedPointAndExponent(m, e, 3) for m, e in itertools.product(MULTIPLIERS, (-31, -7, -1, 0, 1, 16))),
    *(
        Requantize(m, e, -5, r)
        for m, e, r in itertools.product([0, *MULTIPLIERS], (-31, -9, -2, -1, 0, 2), ("double", "single", "neon"))
    ),
    *(
        RequantizeFloat(scale, zero, to, library)
        for scale, library, (to, zero) in itertools.product(
            (0.5, 0.1, 2.0**-9, 1.0, 3.0),
            ("onnxruntime", "xnnpack", "fbgemm", "litert"),
            (("uint8", 0), ("uint8", 200), ("int8", -7)),
        )
        if (to, library) != ("int8", "fbgemm")
    ),
    RequantizeFloat(0.25, -3, "int16", "litert"),
    RequantizeFloat(2.0**30, -5, "int8", "litert"),
    RequantizeFloat(0.49999999999999994, 0, "int16", "litert"),
    QuantizeDownByFixedPoint(MIN, 3),
    ScaleByFixedPointAndExponent(MIN, 1),
    BiasAddition(-12345),
    BiasAddition(MAX),
    Clamp(-7, 1000),
    *map(SaturatingCast, LIMITS),
    TruncatingCast(),
    Tanh(0, 5000),
    Tanh(-100, 1),
    Tanh(300, 4096),
]  # fmt: skip
EVERY = np.arange(256, dtype=np.uint8)


@pytest.fixture(scope="module")
def pairs():
    """The accumulators of every pair of uint8, with zero points: the sum of one product each."""
    acc = gemmlowp.gemm(EVERY[:, None], EVERY[None], lhs_offset=-128, rhs_offset=-7)
    assert acc.tolist() == [[(a - 128) * (b - 7) for b in range(256)] for a in range(256)]
    return acc, *np.unique(acc, return_inverse=True)


@pytest.mark.parametrize("stage", STAGES, ids=repr)
def test_every_pair_of_uint8_and_hard_integers(stage, pairs):
    acc, distinct, place = pairs
    by_pair = np.array([expected(stage, x) for x in distinct.tolist()])[place].reshape(acc.shape)
    found = gemmlowp.run(acc, [stage])
    assert np.array_equal(found, by_pair)
    assert found.dtype == (getattr(stage, "to", "uint8") if stage.gives_codes else "int32")
    assert gemmlowp.run(INT32S, [stage]).tolist() == [expected(stage, x) for x in INT32S.tolist()]


def test_the_grid_has_every_stage():
    assert {type(stage) for stage in STAGES} == set(EXPECTED)
    public = {getattr(gemmlowp, name) for name in gemmlowp.__all__}
    stages = {x for x in public if isinstance(x, type) and issubclass(x, gemmlowp.Stage)}
    assert stages == {*EXPECTED, QuantizeDownScalePC, gemmlowp.Stage}


def channels(x, axis):
    return np.moveaxis(x, axis, 0)


PER_CHANNEL = {
    "scale": (QuantizeDownScalePC, QuantizeDownScale, ([5, -9, 0], [3, 2**20, -1]), (4,)),
    "exponent": (ScaleByFixedPointAndExponent,) * 2 + (([2**30, 1932735283, MAX], [-3, 2, 0]), (7,)),
    "double": (Requantize,) * 2 + (([2**30, 1932735283, MAX], [-3, 2, 0]), (7,)),
    "single": (Requantize,) * 2 + (([2**30, 1932735283, MAX], [-3, 2, 0]), (7, "single")),
    "float": (RequantizeFloat,) * 2 + (([0.5, 0.1, 3.0],), (7, "int8")),
    "bias": (BiasAddition,) * 2 + (([1, -(2**31), 77],), ()),
}


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("kind", PER_CHANNEL)
def test_a_channel_is_a_tensor_of_its_own(kind, axis):
    each, one, fields, rest = PER_CHANNEL[kind]
    x = np.resize(INT32S, (3, 3, 3))
    found = gemmlowp.run(x, [each(*fields, *rest, axis=axis)])
    for i, (slab, result) in enumerate(zip(channels(x, axis), channels(found, axis), strict=True)):
        assert np.array_equal(gemmlowp.run(slab, [one(*(field[i] for field in fields), *rest)]), result)


def test_codes_of_libraries_differ_past_int32():
    huge, codes = np.int32([MAX, MIN]), {}
    for library in ("onnxruntime", "xnnpack", "fbgemm", "litert"):
        codes[library] = gemmlowp.run(huge, [RequantizeFloat(2.0, 3, library=library)]).tolist()
    assert codes == {"onnxruntime": [255, 0], "xnnpack": [255, 0], "fbgemm": [0, 0], "litert": [0, 0]}
    assert gemmlowp.run(huge, [RequantizeFloat(2.0, -3, "int8", "litert")]).tolist() == [127, 127]


def test_scales_are_in_the_float_of_the_library():
    assert RequantizeFloat(0.1).scale == np.float32(0.1)
    assert RequantizeFloat([0.1], library="litert").scale == (0.1,)


@pytest.mark.parametrize("stage", STAGES[::7], ids=repr)
def test_stages_are_values(stage):
    again = eval(repr(stage), vars(gemmlowp))
    assert again == stage
    assert hash(again) == hash(stage)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("library", ["onnxruntime", "xnnpack", "fbgemm", "litert"])
def test_products_past_the_largest_float_are_past_int32(library):
    scale = 1e308 if library == "litert" else 3e38
    most = 255 if library in ("onnxruntime", "xnnpack") else 0
    stage = RequantizeFloat(scale, 3, library=library)
    assert gemmlowp.run([0, 1, 2000, MAX, -1, MIN], [stage]).tolist() == [3, most, most, most, 0, 0]


@pytest.mark.parametrize("to", ["uint8", "int8", "int16"])
def test_a_dtype_is_its_name(to):
    for given in (np.dtype(to), np.dtype(to).type, np.dtype(to).newbyteorder(">")):
        assert SaturatingCast(given) == SaturatingCast(to)
        assert RequantizeFloat(0.5, 0, given, "litert") == RequantizeFloat(0.5, 0, to, "litert")
        assert gemmlowp.quantization_parameters(-1, 3, given) == gemmlowp.quantization_parameters(-1, 3, to)


def test_a_dtype_of_torch_is_its_name():
    torch = pytest.importorskip("torch")
    assert SaturatingCast(torch.int8) == SaturatingCast("int8")
