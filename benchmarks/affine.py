"""Speed of affine quantization: numfmt, the limit of the machine, and the peers that are installed, in
one run. `python benchmarks/affine.py [--write] [section ...]`.

Ratios are of least times over interleaved rounds, one thread unless said.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from timing import Row, best, module, normal, per_call, report, threads

from numfmt import parse
from numfmt.engine import jit

N = 10_000_000
COPY = "np.copyto"


def value_rows() -> Iterator[Row]:
    """float32 to values, preallocated: one scale, a scale for each channel, groups; in place."""
    for what, shape, spec, limit, aim in (
        ("per tensor", (N,), "int8[scale=0.05]", 1.2, 0.95),
        ("per tensor, reciprocal", (N,), "int8[scale=0.05,profile=torch_fake_quantize]", 1.2, 0.95),
        ("per tensor, ties away", (N,), "int8[scale=0.05,profile=tflite]", 1.2, 0.95),
        ("per tensor, zero point", (N,), "uint8[scale=0.05,zero=128]", 1.2, 0.95),
        ("axis 0 of (1000, 10000)", (1000, 10000), "int8[axis=0]", 1.6, 1.2),
        ("last axis of (10000, 1000)", (10000, 1000), "int8[axis=-1]", 1.6, 1.2),
        ("axis 1 of (100, 1000, 100)", (100, 1000, 100), "int8[axis=1]", 1.6, 1.2),
        ("groups of 128, last axis", (2441, 4096), "int4[size=128,axis=-1]", 1.6, 1.2),
        ("groups of 32, last axis", (2441, 4096), "int4[size=32,axis=-1]", None, None),
        ("groups of 128, axis 0", (4096, 2441), "int4[size=128,axis=0]", None, None),
    ):
        x, form = normal(*shape), parse(spec)
        out, options = np.empty_like(x), _scales(form, shape)
        t = best({
            COPY: lambda out=out, x=x: np.copyto(out, x),
            "cast": lambda f=form, x=x, out=out, o=options: f.cast(x, out=out, **o),
        }, 11)  # fmt: skip
        yield Row(f"value, {what}", t["cast"], COPY, t[COPY], limit, aim)
    x, y, form = normal(N), normal(N), parse("int8[scale=0.05]")
    t = best({COPY: lambda: np.copyto(y, x), "cast": lambda: form.cast(y, out=y)}, 11)
    yield Row("value, per tensor, in place", t["cast"], COPY, t[COPY], 1.2)


def _scales(form: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    if form.scale is not None:
        return {}
    counted = form.granularity.scale_shape(shape)
    return {"scale": np.random.default_rng(1).uniform(0.01, 0.05, counted).astype(np.float32)}


def code_rows() -> Iterator[Row]:
    """float32 to codes and back, over a float32 copy."""
    for what, shape, spec in (
        ("per tensor", (N,), "int8[scale=0.05]"),
        ("per tensor, reciprocal", (N,), "int8[scale=0.05,profile=torch_quantize]"),
        ("axis 0 of (1000, 10000)", (1000, 10000), "int8[axis=0]"),
        ("last axis of (10000, 1000)", (10000, 1000), "int8[axis=-1]"),
        ("groups of 128, last axis", (2441, 4096), "int4[size=128,axis=-1]"),
    ):
        x, form = normal(*shape), parse(spec)
        back, options = np.empty_like(x), _scales(form, shape)
        array = form.encode(x, **options)
        t = best({
            COPY: lambda back=back, x=x: np.copyto(back, x),
            "encode": lambda f=form, x=x, c=array.codes, o=options: f.encode(x, out=c, **o),
            "decode": lambda a=array, back=back: a.decode(out=back),
        }, 11)  # fmt: skip
        yield Row(f"codes, {what}", t["encode"], COPY, t[COPY], 1.0)
        yield Row(f"decode, {what}", t["decode"], COPY, t[COPY], 1.0)


def data_rows() -> Iterator[Row]:
    """Scales from the data: a pass for the range, a pass for the codes."""
    x = normal(2441, 4096)
    out = np.empty_like(x)
    for spec in ("int8[calibrate=absmax]", "int8[axis=0]", "uint8[axis=-1]", "int4[size=128,axis=-1]"):
        form = parse(spec)
        t = best({COPY: lambda: np.copyto(out, x), "cast": lambda f=form: f.cast(x, out=out)}, 7)
        yield Row(f"value, {spec}", t["cast"], COPY, t[COPY])


def peer_rows() -> Iterator[Row]:
    """As each peer does it fastest, one thread."""
    yield from _torch_rows()
    yield from _onnxruntime_rows()


def _torch_rows() -> Iterator[Row]:
    torch = module("torch")
    if not torch:
        return
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # quantized tensors are deprecated
    x = normal(1000, N // 1000)
    given, out = torch.from_numpy(x), np.empty_like(x)
    fake, channels = (
        parse("int8[scale=0.05,profile=torch_fake_quantize]"),
        parse("int8[axis=0,profile=torch_fake_quantize]"),
    )
    scales = _scales(channels, x.shape)
    s, z = torch.from_numpy(scales["scale"]), torch.zeros(1000, dtype=torch.int32)
    yield _against(
        "value, per tensor", lambda: fake.cast(x, out=out), "torch.fake_quantize_per_tensor_affine",
        lambda: torch.fake_quantize_per_tensor_affine(given, 0.05, 0, -128, 127), 20,
    )  # fmt: skip
    yield _against(
        "value, axis 0", lambda: channels.cast(x, out=out, **scales), "torch.fake_quantize_per_channel_affine",
        lambda: torch.fake_quantize_per_channel_affine(given, s, z, 0, -128, 127), 20,
    )  # fmt: skip
    codes = np.empty(x.shape, np.int8)
    for what, spec in (
        ("reciprocal", "int8[scale=0.05,profile=torch_quantize]"),
        ("division", "int8[scale=0.05]"),
    ):
        form = parse(spec)
        t = best({
            "torch": lambda: torch.quantize_per_tensor(given, 0.05, 0, torch.qint8),
            "encode": lambda f=form: f.encode(x, out=codes),
        }, 15)  # fmt: skip
        yield Row(
            f"codes, per tensor, {what}", t["encode"], "torch.quantize_per_tensor", t["torch"], 1.1, 0.9
        )


def _onnxruntime_rows() -> Iterator[Row]:
    onnx, ort = module("onnx"), module("onnxruntime")
    if not (onnx and ort):
        return
    helper, kinds = onnx.helper, onnx.TensorProto
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    inputs = (("x", kinds.FLOAT, [None]), ("s", kinds.FLOAT, []), ("z", kinds.INT8, []))
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info("y", kinds.INT8, [None])],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x, codes = normal(N), np.empty(N, np.int8)
    feed = {"x": x, "s": np.array(0.05, np.float32), "z": np.array(3, np.int8)}
    form = parse("int8[scale=0.05,zero=3,profile=onnxruntime]")
    t = best({"peer": lambda: session.run(None, feed), "encode": lambda: form.encode(x, out=codes)}, 15)
    yield Row("codes, per tensor", t["encode"], "ONNX Runtime QuantizeLinear", t["peer"])


def _against(what: str, ours: Any, peer: str, theirs: Any, limit: float) -> Row:
    turns = {f"numfmt {turn}": ours for turn in range(4)}  # peers are slow: more turns for the short task
    t = best({"peer": theirs, **turns}, 7)
    return Row(what, min(t[name] for name in turns), peer, t["peer"], limit, at_least=True)


def thread_rows() -> Iterator[Row]:
    x, form = normal(N), parse("int8[scale=0.05]")
    out, codes = np.empty_like(x), np.empty(N, np.int8)

    def run(count: int, task: Any) -> Any:
        threads(count)
        return task()

    for what, task in (
        ("value", lambda: form.cast(x, out=out)),
        ("codes", lambda: form.encode(x, out=codes)),
    ):
        t = best({"one": lambda f=task: run(1, f), "two": lambda f=task: run(2, f)}, 11)
        yield Row(f"two threads, {what}", t["two"], "one thread", t["one"], 1.3, at_least=True)
    threads(1)


def call_rows() -> Iterator[Row]:
    """Overhead in microseconds: the base is one microsecond."""
    x, us, form = np.ones(1000, np.float32), 1e-6, parse("int8[scale=0.05]")
    yield Row("cast, n = 1000", per_call(lambda: form.cast(x), 3000), "us", us)
    yield Row("encode, n = 1000", per_call(lambda: form.encode(x), 3000), "us", us)


SECTIONS = {
    "Values, one thread": value_rows,
    "Codes": code_rows,
    "Scales from the data": data_rows,
    "Against peers": peer_rows,
    "Threads": thread_rows,
    "Call overhead": call_rows,
}


if __name__ == "__main__":
    assert jit.loops() is not None
    report("affine", ["## Affine quantization", "", "`python benchmarks/affine.py`", ""], SECTIONS)
