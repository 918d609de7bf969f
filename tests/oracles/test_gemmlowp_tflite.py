"""FULLY_CONNECTED of LiteRT on x86, which requantizes in four ways, none of them gemmlowp's default.

By default XNNPACK does, in float32. Without it ruy: its vectorised code as "neon", its portable code as
"single". The reference kernels, and those of int16, multiply in float64. So much is seen by running
them; ties are many in what follows.
"""

import itertools

import numpy as np
import pytest

from numfmt import gemmlowp
from numfmt.gemmlowp import BiasAddition, Clamp, Requantize, RequantizeFloat, SaturatingCast

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")
RNG = np.random.default_rng(11)
ZEROS = {"int8": (-7, 0, 5), "uint8": (128, 117, 100), "int16": (0, 0, 0)}  # of x, weight, y
M, N = 60, 24


def tensor(name, array, buffer, scale, zero):
    t = schema.TensorT()
    t.name, t.shape, t.buffer = name, list(array.shape), buffer
    t.type = getattr(schema.TensorType, array.dtype.name.upper())
    t.quantization = schema.QuantizationParametersT()
    t.quantization.scale = np.atleast_1d(scale).astype(float).tolist()
    t.quantization.zeroPoint = [zero] * len(t.quantization.scale)
    return t


def model(x, weight, bias, scales, zeros):
    """One fully connected layer with constant weight and bias."""
    code, graph, node, whole = schema.OperatorCodeT(), schema.SubGraphT(), schema.OperatorT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 12
    node.opcodeIndex, node.inputs, node.outputs = 0, [0, 1, 2], [3]
    node.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    node.builtinOptions = schema.FullyConnectedOptionsT()
    buffers = [schema.BufferT() for _ in range(3)]
    for buffer, array in zip(buffers[1:], (weight, bias), strict=True):
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
    out = np.empty((len(x), len(weight)), x.dtype)
    units = np.float32(scales[0]) * np.float32(scales[1])
    rows = (
        (x, 0, scales[0], zeros[0]),
        (weight, 1, scales[1], zeros[1]),
        (bias, 2, units, 0),
        (out, 0, scales[2], zeros[2]),
    )
    graph.tensors = [tensor(name, *row) for name, row in zip("xwby", rows, strict=True)]
    graph.inputs, graph.outputs, graph.operators = [0], [3], [node]
    whole.version, whole.operatorCodes, whole.subgraphs, whole.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture
def kernels(request, monkeypatch):
    """ruy looks at $RUY_PATHS when a session begins: 1 is its portable path."""
    if request.param == "ruy in C++":
        monkeypatch.setenv("RUY_PATHS", "1")
    return request.param


def litert(kernels, x, weight, bias, scales, zeros):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    session = interpreter.Interpreter(
        model_content=model(x, weight, bias, scales, zeros),
        experimental_op_resolver_type=getattr(interpreter.OpResolverType, KERNELS[kernels]),
    )
    session.allocate_tensors()
    session.set_tensor(session.get_input_details()[0]["index"], x)
    session.invoke()
    return session.get_tensor(session.get_output_details()[0]["index"]).copy()


def random(dtype, shape, low=None):
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min if low is None else low, limits.max, shape, dtype, endpoint=True)


def extreme(dtype, shape, low=None):
    limits = np.iinfo(dtype)
    return RNG.choice(np.array([limits.min if low is None else low, limits.max, 0], dtype), shape)


def few(dtype, shape, low=None):
    """Small codes: sums that hit many ties."""
    return RNG.integers(0, 4, shape).astype(dtype)


KERNELS = {
    "XNNPACK": "BUILTIN",
    "ruy": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "ruy in C++": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
ROUNDINGS = {"ruy": "neon", "ruy in C++": "single"}
MULTIPLIERS = [1 / 2, 1 / 4, 1 / 64, 0.0371, 0.00171, 1.5]
OPERANDS = {"random": random, "extreme": extreme, "few": few}


def scales_for(multiplier, per_channel):
    """Scales of x, weight and y; powers of two between channels keep ties."""
    weight = np.float32(2.0**-4)
    if per_channel:
        weight = weight * np.float32(RNG.choice([1, 0.5, 0.25], N))
    return np.float32(2.0**-4), weight, np.float32(2.0**-8 / multiplier)


def pipeline(kernels, dtype, bias, scales, zero):
    real = np.float64(scales[0]) * np.float64(scales[1]) / np.float64(scales[2])
    if kernels in ROUNDINGS:
        limits, rounding = np.iinfo(dtype), ROUNDINGS[kernels]
        requantize = Requantize(*gemmlowp.quantize_multiplier(real, rounding), zero, rounding)
        return [BiasAddition(bias), requantize, Clamp(limits.min, limits.max), SaturatingCast(dtype)]
    if kernels == "XNNPACK":
        return [
            BiasAddition(bias),
            RequantizeFloat(scales[0] * scales[1] / scales[2], zero, dtype, "xnnpack"),
        ]
    return [BiasAddition(bias), RequantizeFloat(real, zero, dtype, "litert")]


CASES = [
    *itertools.product(("int8",), (False, True), OPERANDS, (1, 64, 500)),
    *itertools.product(("uint8",), (False,), OPERANDS, (1, 64, 500)),
]


@pytest.mark.parametrize("kernels", KERNELS, indirect=True)
@pytest.mark.parametrize(("dtype", "per_channel", "operands", "depth"), CASES)
def test_fully_connected(dtype, per_channel, operands, depth, kernels):
    zeros, make = ZEROS[dtype], OPERANDS[operands]
    weight = make(dtype, (N, depth), low=-127 if dtype == "int8" else None)
    x, bias = make(dtype, (M, depth)), RNG.integers(-4000, 4000, N, np.int32)
    for multiplier in MULTIPLIERS:
        scales = scales_for(multiplier, per_channel)
        theirs = litert(kernels, x, weight, bias, scales, zeros)
        accumulators = gemmlowp.gemm(x, weight.T, -zeros[0], -zeros[1])
        stages = pipeline(kernels, dtype, bias, scales, zeros[2])
        ours = gemmlowp.run(accumulators, stages)
        assert np.array_equal(ours, theirs), f"{multiplier}: {(ours != theirs).sum()} of {ours.size} differ"


@pytest.mark.parametrize("kernels", KERNELS, indirect=True)
def test_int16_activations_with_int64_accumulators_go_through_float64(kernels):
    """Their sums fit int32 here. gemmlowp's kin would cut the multiplier to 16 bits."""
    x, weight, bias = random("int16", (M, 8)), random("int8", (N, 8), low=-127), RNG.integers(-4000, 4000, N)
    for multiplier in MULTIPLIERS[2:5]:
        scales = (np.float32(2.0**-4), np.float32(2.0**-4), np.float32(2.0**-3 / multiplier))
        theirs = litert(kernels, x, weight, bias, scales, ZEROS["int16"])
        sums = x.astype(np.int64) @ weight.astype(np.int64).T + bias
        real = np.float64(scales[0]) * scales[1] / np.float64(scales[2])
        ours = gemmlowp.run(sums, [RequantizeFloat(real, 0, "int16", "litert")])
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("k", range(8))
def test_xnnpack_takes_sums_past_2_to_the_24_as_float32(k):
    """2**24 + 1 is no float32: the product is a tie there, and none in real numbers."""
    x, weight, bias = np.zeros((1, 1), np.int8), np.ones((1, 1), np.int8), np.int32([2**24 + 1])
    scales = np.float32(1), np.float32((k + 0.5) * 2.0**-24), np.float32(1)
    theirs = litert("XNNPACK", x, weight, bias, scales, (0, 0, 0))
    assert theirs == gemmlowp.run(bias, [RequantizeFloat(scales[1], 0, "int8", "xnnpack")]) == k + k % 2


def test_the_float64_multiplier_is_not_quantized():
    """2**-3 - 2**-39 rounds to 2**-3 as an integer multiplier: ties tell which one it was."""
    x, weight, bias = (
        np.arange(-120, 120, dtype=np.int8)[:, None],
        np.ones((N, 1), np.int8),
        np.arange(N, dtype=np.int32),
    )
    scales = np.float32(1 + 2.0**-18), np.full(N, 1 - 2.0**-18, np.float32), np.float32(8)
    theirs = litert("reference", x, weight, bias, scales, (0, 0, 0))
    real = np.float64(scales[0]) * np.float64(scales[1]) / 8
    accumulators = gemmlowp.gemm(x, weight.T)
    exact, quantized = (
        gemmlowp.run(accumulators, [BiasAddition(bias), RequantizeFloat(m, 0, "int8", "litert")])
        for m in (real, 1 / 8)
    )
    assert np.array_equal(exact, theirs)
    assert not np.array_equal(quantized, theirs)
    assert gemmlowp.quantize_multiplier(real[0]) == gemmlowp.quantize_multiplier(1 / 8)


def test_what_an_int32_does_not_hold():
    """As x86 converts it: INT_MIN, to which the zero point is added modulo 2**32."""
    x, weight, bias = np.int8([[127], [-128], [64], [-64]]), np.ones((1, 1), np.int8), np.zeros(1, np.int32)
    for exponent, zero in itertools.product((20, 24, 25, 30), (3, -5)):
        scales = (np.float32(2.0**exponent), np.float32(1), np.float32(1))
        theirs = litert("reference", x, weight, bias, scales, (0, 0, zero))
        ours = gemmlowp.run(x, [RequantizeFloat(2.0**exponent, zero, "int8", "litert")])
        assert np.array_equal(ours, theirs)
