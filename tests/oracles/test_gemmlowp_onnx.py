"""MatMulInteger and QLinearMatMul of ONNX Runtime, and of ONNX's own evaluator.

On CPUs without VNNI its products of uint8 and int8 saturate in 16 bits (as its documentation says):
weights of such pairs keep to 7 bits here.
"""

import itertools
import warnings

import numpy as np
import pytest

from numfmt import gemmlowp
from numfmt.gemmlowp import RequantizeFloat

onnx = pytest.importorskip("onnx")
RNG = np.random.default_rng(12)
PAIRS = list(itertools.product(("uint8", "int8"), repeat=2))
SHAPES = [(1, 1, 1), (5, 64, 7), (33, 130, 65)]


def model(op, inputs, out):
    """One node; every input is an argument."""
    helper = onnx.helper

    def info(name, dtype):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None)

    node = helper.make_node(op, list(inputs), ["out"])
    graph = helper.make_graph([node], "g", [info(n, a.dtype) for n, a in inputs.items()], [info("out", out)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def onnxruntime(op, inputs, out):
    ort = pytest.importorskip("onnxruntime")
    proto = model(op, inputs, out).SerializeToString()
    return ort.InferenceSession(proto, providers=["CPUExecutionProvider"]).run(None, inputs)[0]


def evaluator(op, inputs, out):
    from onnx.reference import ReferenceEvaluator

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return ReferenceEvaluator(model(op, inputs, out)).run(None, inputs)[0]


def operands(pair, shape, kind):
    m, k, n = shape
    for dtype, size, narrow in zip(pair, ((m, k), (k, n)), (False, pair == ("uint8", "int8")), strict=True):
        limits = np.iinfo(dtype)
        low, high = (-64, 63) if narrow else (limits.min, limits.max)
        ends = np.array([low, high, 0], dtype)
        yield (
            RNG.choice(ends, size)
            if kind == "extreme"
            else RNG.integers(low, high, size, dtype, endpoint=True)
        )


@pytest.mark.parametrize("kind", ["random", "extreme"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("run", [onnxruntime, evaluator])
def test_products_with_zero_points(run, pair, shape, kind):
    a, b = operands(pair, shape, kind)
    for a_zero, b_zero in ((0, 0), (3, 77), (np.iinfo(pair[0]).min, np.iinfo(pair[1]).max)):
        zeros = {"a_zero": np.array(a_zero, pair[0]), "b_zero": np.array(b_zero, pair[1])}
        theirs = run("MatMulInteger", {"a": a, "b": b, **zeros}, "int32")
        assert np.array_equal(gemmlowp.gemm(a, b, -a_zero, -b_zero), theirs)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_zero_point_for_each_column(pair):
    a, b = operands(pair, (9, 40, 20), "random")
    zeros = RNG.integers(0, 100, 20)
    inputs = {"a": a, "b": b, "a_zero": np.array(3, pair[0]), "b_zero": zeros.astype(pair[1])}
    assert np.array_equal(gemmlowp.gemm(a, b, -3, -zeros), onnxruntime("MatMulInteger", inputs, "int32"))


def test_sums_that_wrap():
    a = np.full((1, 70_000), 255, np.uint8)
    theirs = onnxruntime("MatMulInteger", {"a": a, "b": a.T.copy()}, "int32")
    assert np.array_equal(gemmlowp.gemm(a, a.T), theirs)
    assert theirs == 255 * 255 * 70_000 - 2**32


SCALES = [2.0**-3, 2.0**-9, 0.0371, 0.00171, 3.0, 2.0**20]  # powers of two: many ties


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["random", "extreme"])
@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair != ("int8", "uint8")], ids="-".join)
def test_requantized_products(pair, kind, per_channel):
    for shape, scale in itertools.product(SHAPES, SCALES):
        a, b = operands(pair, shape, kind)
        a_scale, y_scale = np.float32(0.5), np.float32(0.5 / scale)
        b_scale = np.float32(RNG.choice([1, 0.5, 1.37], shape[2])) if per_channel else np.float32(1)
        zeros = (100, -3 if pair[1] == "int8" else 3, 77)
        inputs = {
            "a": a, "a_scale": np.array(a_scale), "a_zero": np.array(zeros[0], pair[0]),
            "b": b, "b_scale": np.array(b_scale), "b_zero": np.full(b_scale.shape, zeros[1], pair[1]),
            "y_scale": np.array(y_scale), "y_zero": np.array(zeros[2], pair[0]),
        }  # fmt: skip
        theirs = onnxruntime("QLinearMatMul", inputs, pair[0])
        stage = RequantizeFloat(a_scale * b_scale / y_scale, zeros[2], pair[0])
        ours = gemmlowp.run(gemmlowp.gemm(a, b, -zeros[0], -zeros[1]), [stage])
        assert np.array_equal(ours, theirs), (
            f"{shape} {scale}: {(ours != theirs).sum()} of {ours.size} differ"
        )


@pytest.mark.parametrize("k", range(8))
def test_sums_past_2_to_the_24_are_float32(k):
    """2**24 + 1 is no float32: the product is a tie there, and none in real numbers."""
    a, b = np.full((1, 260), 255, np.uint8), np.full((260, 1), 255, np.uint8)
    a[0, 259], b[258], b[259] = 2, 3, 1
    assert gemmlowp.gemm(a, b) == 2**24 + 1
    scale, one, zero = (k + 0.5) * 2.0**-24, np.array(1, np.float32), np.array(0, np.uint8)
    inputs = {
        "a": a, "a_scale": np.array(scale, np.float32), "a_zero": zero, "b": b, "b_scale": one, "b_zero": zero,
        "y_scale": one, "y_zero": zero,
    }  # fmt: skip
    ours = gemmlowp.run(gemmlowp.gemm(a, b), [RequantizeFloat(scale)])
    assert ours == onnxruntime("QLinearMatMul", inputs, "uint8") == k + k % 2
