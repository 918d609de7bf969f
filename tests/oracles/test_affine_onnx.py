"""QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear of ONNX Runtime and of ONNX's own evaluator."""

import warnings

import numpy as np
import pytest
from blocks.hard import SCALES, hard_numbers

import numfmt
from numfmt.blocks import PROFILES, Affine

onnx = pytest.importorskip("onnx")
COUNT = 1 << 16
SPECIALS = np.float32([np.nan, np.inf, -np.inf, 1e10, -1e10, 3e9, -3e9, 2**31, -(2**31), 2147483520, 2.2e9])
ZEROS = {
    "int8": (0, 3, -128, 127, -77),
    "uint8": (0, 3, 255, 128),
    "int16": (0, -3, 999),
    "uint16": (0, 65535, 7),
}
CASES = [
    pytest.param(spec, scale, zero, id=f"{spec}-{scale:g}-{zero}")
    for spec, zeros in ZEROS.items()
    for scale, zero in zip(SCALES, np.resize(zeros, len(SCALES)).tolist(), strict=True)
]


def model(op, inputs, outputs, **attributes):
    """One node, opset 21."""
    helper = onnx.helper
    node = helper.make_node(op, list(inputs), list(outputs), **attributes)

    def infos(arrays):
        return [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.dtype(d)), None)
            for n, d in arrays.items()
        ]

    graph = helper.make_graph([node], "g", infos({k: v.dtype for k, v in inputs.items()}), infos(outputs))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def onnxruntime(op, inputs, outputs, **attributes):
    ort = pytest.importorskip("onnxruntime")
    proto = model(op, inputs, outputs, **attributes).SerializeToString()
    return ort.InferenceSession(proto, providers=["CPUExecutionProvider"]).run(None, inputs)


def evaluator(op, inputs, outputs, **attributes):
    from onnx.reference import ReferenceEvaluator

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return ReferenceEvaluator(model(op, inputs, outputs, **attributes)).run(None, inputs)


RUNNERS = {"onnxruntime": onnxruntime, "onnx": evaluator}


def same(ours, theirs):
    assert np.array_equal(ours, theirs), f"{(ours != theirs).sum()} of {ours.size} differ"


@pytest.mark.parametrize("profile", RUNNERS)
@pytest.mark.parametrize(("spec", "scale", "zero"), CASES)
def test_per_tensor(profile, spec, scale, zero):
    """In int8 and uint8, and 16 bits, NaN, infinities and numbers past int32 among them."""
    steps = 300 if "8" in spec else 70000
    with np.errstate(over="ignore"):
        edges = SPECIALS * np.float32(scale)
        x = np.concatenate([SPECIALS, edges, hard_numbers(scale, COUNT, steps=steps)])
    dtype = np.dtype(spec)
    scalars = {"s": np.array(scale, np.float32), "z": np.array(zero, dtype)}
    (theirs,) = RUNNERS[profile]("QuantizeLinear", {"x": x, **scalars}, {"y": dtype})
    ours = Affine(numfmt.parse(spec), profile=PROFILES[profile]).encode(x, scale=scale, zero=zero)
    same(ours.codes, theirs)
    (values,) = RUNNERS[profile]("DequantizeLinear", {"x": theirs, **scalars}, {"y": np.float32})
    same(ours.decode(), values)


@pytest.mark.parametrize("profile", RUNNERS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_per_axis(profile, axis):
    scales, zeros = np.float32(SCALES[:8]), np.int8([0, 3, -5, 127, -128, 1, 0, 9])
    rows = np.stack([hard_numbers(s, 6000) for s in scales])
    x = np.ascontiguousarray(np.moveaxis(rows.reshape(8, 60, 100), 0, axis))
    inputs = {"x": x, "s": scales, "z": zeros}
    (theirs,) = RUNNERS[profile]("QuantizeLinear", inputs, {"y": np.int8}, axis=axis)
    ours = Affine(numfmt.parse("int8"), profile=PROFILES[profile]).encode(
        x, scale=scales, zero=zeros, axis=axis
    )
    same(ours.codes, theirs)


@pytest.mark.parametrize("profile", RUNNERS)
@pytest.mark.parametrize("axis", [0, 1])
def test_blocked(profile, axis):
    """block_size 16, the last block shorter where 50 is cut."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 48)).astype(np.float32)
    form = numfmt.parse(f"int8[size=16,axis={axis},profile={profile}]")
    scales = rng.uniform(0.01, 0.1, form.granularity.scale_shape(x.shape)).astype(np.float32)
    zeros = rng.integers(-9, 9, scales.shape, dtype=np.int8)
    inputs = {"x": x, "s": scales, "z": zeros}
    (theirs,) = RUNNERS[profile]("QuantizeLinear", inputs, {"y": np.int8}, axis=axis, block_size=16)
    same(form.encode(x, scale=scales, zero=zeros).codes, theirs)


@pytest.mark.parametrize("profile", RUNNERS)
def test_dynamic(profile):
    """Scale, zero point and codes from the data; all zeros, one sign only, tiny and huge ranges too."""
    rng = np.random.default_rng(1)
    form = numfmt.parse(f"uint8[calibrate=minmax,profile={profile}]")
    shapes = [rng.standard_normal(4096) * 10.0**e + shift for e in range(-20, 30, 5) for shift in (0, 0.3)]
    for x in (*shapes, np.abs(shapes[0]), -np.abs(shapes[1]), np.zeros(5), np.ones(3), -np.ones(3)):
        x = x.astype(np.float32)
        y, scale, zero = RUNNERS[profile](
            "DynamicQuantizeLinear", {"x": x}, {"y": np.uint8, "s": np.float32, "z": np.uint8}
        )
        ours = form.encode(x)
        same(ours.scales, scale)
        same(ours.zeros, zero)
        same(ours.codes, y)
