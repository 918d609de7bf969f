"""The QUANTIZE and DEQUANTIZE kernels of LiteRT, reference versions.

Its optimized kernels send ties to even, and XNNPACK too; the profile is the reference. Numbers that
an int32 does not hold are left out: their conversion is undefined in C++.
"""

import numpy as np
import pytest
from blocks.hard import SCALES, hard_numbers

import numfmt
from numfmt.blocks import PROFILES, Affine

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")
COUNT = 1 << 16
ZEROS = {"int8": (0, 3, -128, 127, -77), "uint8": (0, 3, 255, 128), "int16": (0,)}
CASES = [
    pytest.param(spec, scale, zero, id=f"{spec}-{scale:g}-{zero}")
    for spec, zeros in ZEROS.items()
    for scale, zero in zip(SCALES, np.resize(zeros, len(SCALES)).tolist(), strict=True)
]


def tensor(name, kind, count, scale=None, zero=0):
    t = schema.TensorT()
    t.name, t.shape, t.type, t.buffer = name, [count], getattr(schema.TensorType, kind.upper()), 0
    t.quantization = schema.QuantizationParametersT()
    if scale is not None:
        t.quantization.scale, t.quantization.zeroPoint = [float(scale)], [int(zero)]
    return t


def model(op, tensors):
    """One operator from the first tensor to the second."""
    code, graph, node, whole = schema.OperatorCodeT(), schema.SubGraphT(), schema.OperatorT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, op)
    code.version = 2 if op == "DEQUANTIZE" else 1
    node.opcodeIndex, node.inputs, node.outputs = 0, [0], [1]
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [1], [node]
    whole.version, whole.operatorCodes, whole.subgraphs, whole.buffers = (
        3,
        [code],
        [graph],
        [schema.BufferT()],
    )
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run(op, x, tensors):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    session = interpreter.Interpreter(
        model_content=model(op, tensors), experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF
    )
    session.allocate_tensors()
    session.set_tensor(session.get_input_details()[0]["index"], x)
    session.invoke()
    return session.get_tensor(session.get_output_details()[0]["index"]).copy()


@pytest.mark.parametrize(("spec", "scale", "zero"), CASES)
def test_the_reference_kernels(spec, scale, zero):
    steps = 300 if "8" in spec else 40000
    x = hard_numbers(scale, COUNT, steps=steps)
    with np.errstate(all="ignore"):
        x = x[np.abs(x / np.float32(scale)) < 2**31 - 65536]
    quantized = tensor("y", spec, x.size, scale, zero)
    theirs = run("QUANTIZE", x, [tensor("x", "float32", x.size), quantized])
    ours = Affine(numfmt.parse(spec), profile=PROFILES["tflite"]).encode(x, scale=scale, zero=zero)
    assert np.array_equal(ours.codes, theirs), f"{(ours.codes != theirs).sum()} of {x.size} differ"
    values = run("DEQUANTIZE", theirs, [quantized, tensor("x", "float32", x.size)])
    assert np.array_equal(ours.decode(), values)
