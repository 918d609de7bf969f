"""Speed of integer matrix products, of sums rounded at each step and of models of matrix units: numfmt and the peers that are installed, in one run.
`python benchmarks/gemm.py [--write] [section ...]`.

Ratios are of least times over interleaved rounds, one thread unless said. With GEMMLOWP set to the folder
of gemmlowp's sources and a C++ compiler at hand, its AVX2 kernel is a peer too.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read as NumPy is imported

import ctypes
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from timing import Row, best, module, normal, per_call, report, threads

from numfmt import cast, gemmlowp, matmul, prepack
from numfmt.gemm import path, unit_of

SHAPES = {
    "256": (256, 256, 256),
    "512": (512, 512, 512),
    "1024": (1024, 1024, 1024),
    "2048": (2048, 2048, 2048),
    "1x4096x4096": (1, 4096, 4096),
    "64x4096x4096": (64, 4096, 4096),
}
# m x k x n: least ratio and aim
PACKED_IN_THE_CALL = {
    "256": (0.85, 1.0), "512": (0.9, 1.0), "1024": (0.9, 1.0), "2048": (0.85, 1.0), "1x4096x4096": (2.5, 3.5),
    "64x4096x4096": (0.9, 1.0),
}  # fmt: skip
UNITS = (
    "nvidia_v100_fp16", "nvidia_a100_fp16", "nvidia_a100_bf16", "nvidia_h100_fp16", "nvidia_h100_bf16",
    "nvidia_h100_fp16_fp16out", "nvidia_h100_e4m3",
)  # fmt: skip
# format of the operands, keywords: least share of NumPy's float32 product, and aim
ROUNDED = (
    ("bf16", {"accumulator": "bf16", "product": "fma32"}, 0.25, 0.3),
    ("bf16", {"accumulator": "bf16", "product": "rounded"}, 0.12, 0.155),
    ("bf16", {"accumulator": "bf16"}, 0.08, 0.1),
    ("f16", {"accumulator": "f16", "product": "fma32"}, 0.25, None),
    ("e5m2", {"accumulator": "e5m2", "product": "fma32"}, 0.13, 0.16),
    ("e5m2", {"accumulator": "e5m2", "product": "rounded"}, 0.06, 0.07),
    ("e6m5", {"accumulator": "e6m5", "product": "fma32"}, 0.13, 0.16),
    ("bf16", {"accumulator": "bf16", "product": "fma32", "order": "blocked(32)", "inner": "f32"}, 0.6, 0.8),
    ("f32", {"accumulator": "f32"}, 0.75, 0.95),
    ("bf16", {"accumulator": "bf16", "product": "fma32", "rounding": "stochastic", "seed": 1}, 0.02, None),
    ("bf16", {"accumulator": "bf16", "rounding": "stochastic", "seed": 1}, None, None),
    ("bf16", {"accumulator": "bf16", "rounding": "toward_zero"}, None, None),
)
EXACT = (("f32", 5.0), ("bf16", 5.0), ("e5m2", 5.0), ("e4m3fn", 5.0))  # GFLOP/s
WRAPPER = """
#include "public/gemmlowp.h"
extern "C" void multiply(const std::uint8_t* a, const std::uint8_t* b, std::int32_t* c, int m, int n, int k) {
  static gemmlowp::GemmContext context;
  context.set_max_num_threads(1);
  gemmlowp::MatrixMap<const std::uint8_t, gemmlowp::MapOrder::RowMajor> left(a, m, k);
  gemmlowp::MatrixMap<const std::uint8_t, gemmlowp::MapOrder::RowMajor> right(b, k, n);
  gemmlowp::MatrixMap<std::int32_t, gemmlowp::MapOrder::RowMajor> result(c, m, n);
  gemmlowp::GemmWithOutputPipeline<std::uint8_t, std::int32_t, gemmlowp::DefaultL8R8BitDepthParams>(
      &context, left, right, &result, -128, -7, std::make_tuple());
}
"""


def numbers(dtype: Any, *shape: int) -> Any:
    info = np.iinfo(dtype)
    return np.random.default_rng(0).integers(info.min, info.max + 1, shape).astype(dtype)


def rounds(shape: tuple[int, int, int]) -> int:
    return 9 if np.prod(shape) > 2**31 else 25


def times(tasks: dict[str, Any], shape: tuple[int, int, int]) -> dict[str, float]:
    """Least seconds; short tasks many times over, so that a clock tick does not count."""
    calls = max(1, int(2**27 / np.prod(shape)))

    def many(task: Any) -> Any:
        return lambda: [task() for _ in range(calls)]

    found = best({name: many(task) for name, task in tasks.items()}, rounds(shape))
    return {name: seconds / calls for name, seconds in found.items()}


def packed_in_the_call() -> Iterator[Row]:
    """int8 by int8 into a given int32 array, against torch._int_mm."""
    torch = module("torch")
    if not torch:
        return
    for turned in (False, True):
        for name, (m, k, n) in SHAPES.items():
            limit, aim = PACKED_IN_THE_CALL[name]
            if turned and m == 1:
                limit, aim = 0.9, 1.0
            a, b = numbers(np.int8, m, k), numbers(np.int8, n, k).T if turned else numbers(np.int8, k, n)
            out = np.empty((m, n), np.int32)
            left, right, target = (torch.from_numpy(x) for x in (a, b, out.copy()))
            t = times({
                "numfmt": lambda a=a, b=b, out=out: matmul(a, b, out=out),
                "torch": lambda x=left, y=right, z=target: torch._int_mm(x, y, out=z),
            }, (m, k, n))  # fmt: skip
            what = f"{name}, {'b given as [N, K]' if turned else 'b row-major'}"
            yield Row(what, t["numfmt"], "torch._int_mm", t["torch"], limit, aim, at_least=True)


def prepacked() -> Iterator[Row]:
    """uint8 by int8, B packed before, against ONNX Runtime with a constant B."""
    for name, (m, k, n) in SHAPES.items():
        a, b = numbers(np.uint8, m, k), numbers(np.int8, k, n)
        out, packed = np.empty((m, n), np.int32), prepack(b)
        peer = integer_session(a, b)
        if peer:
            tasks = {"numfmt": lambda a=a, p=packed, out=out: matmul(a, p, out=out), "peer": peer}
            t = times(tasks, (m, k, n))
            yield Row(
                f"{name}, prepacked", t["numfmt"], "ONNX Runtime MatMulInteger", t["peer"], 0.95, 1.05, True
            )


def integer_session(a: Any, b: Any) -> Any:
    """MatMulInteger of ONNX Runtime with b as a constant and everything bound, or None."""
    onnx = module("onnx")
    if not (onnx and module("onnxruntime")):
        return None
    h = onnx.helper
    node = h.make_node("MatMulInteger", ["a", "b"], ["y"])
    return session([node], a, {"b": b}, onnx.TensorProto.INT32, (a.shape[0], b.shape[1]))


def requantized_session(a: Any, b: Any, multiplier: float) -> Any:
    """QLinearMatMul: uint8 with zero points, per tensor."""
    onnx = module("onnx")
    if not (onnx and module("onnxruntime")):
        return None
    names = ["a", "a_scale", "a_zero", "b", "b_scale", "b_zero", "y_scale", "y_zero"]
    node = onnx.helper.make_node("QLinearMatMul", names, ["y"])
    one = np.float32(1)
    constants = {
        "a_scale": one, "a_zero": np.uint8(128), "b": b, "b_scale": one, "b_zero": np.int8(7),
        "y_scale": np.float32(1 / multiplier), "y_zero": np.uint8(100),
    }  # fmt: skip
    return session([node], a, constants, onnx.TensorProto.UINT8, (a.shape[0], b.shape[1]))


def session(nodes: Any, a: Any, constants: dict[str, Any], kind: int, shape: tuple[int, int]) -> Any:
    import onnx
    import onnxruntime

    h = onnx.helper
    given = h.make_tensor_value_info("a", onnx.TensorProto.UINT8, a.shape)
    result = h.make_tensor_value_info("y", kind, shape)
    held = [onnx.numpy_helper.from_array(np.asarray(x), name) for name, x in constants.items()]
    graph = h.make_graph(nodes, "product", [given], [result], held)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("NUMFMT_NUM_THREADS", "1"))
    runner = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = runner.io_binding()
    binding.bind_cpu_input("a", a)
    binding.bind_output("y", "cpu")
    return lambda: runner.run_with_iobinding(binding)


def requantized() -> Iterator[Row]:
    """uint8 with zero points out of uint8 by int8, against ONNX Runtime's QLinearMatMul."""
    multiplier = 1e-4
    q, shift = gemmlowp.quantize_multiplier(multiplier)
    stages = [gemmlowp.Requantize(q, shift, zero=100), gemmlowp.SaturatingCast("uint8")]
    for name in ("512", "1024"):
        m, k, n = SHAPES[name]
        a, b = numbers(np.uint8, m, k), numbers(np.int8, k, n)
        packed, peer = prepack(b), requantized_session(a, b, multiplier)
        if peer:
            t = times({
                "numfmt": lambda a=a, p=packed: gemmlowp.run(gemmlowp.gemm(a, p, -128, -7), stages),
                "peer": peer,
            }, (m, k, n))  # fmt: skip
            yield Row(
                f"{name}, uint8 out", t["numfmt"], "ONNX Runtime QLinearMatMul", t["peer"], 0.85, 1.0, True
            )


def against_floats() -> Iterator[Row]:
    """At 1024: float32 products of NumPy, int16, gemmlowp's own kernel."""
    shape = m, k, n = SHAPES["1024"]
    a, b, out = numbers(np.uint8, m, k), numbers(np.uint8, k, n), np.empty((m, n), np.int32)
    wide_a, wide_b = numbers(np.int16, m, k), numbers(np.int16, k, n)
    x, y, z = a.astype(np.float32), b.astype(np.float32), np.empty((m, n), np.float32)
    packed, wide_packed, peer = prepack(b), prepack(wide_b), native_gemmlowp()
    tasks = {
        "numfmt": lambda: matmul(a, packed, out=out),
        "int16": lambda: matmul(wide_a, wide_packed, out=out),
        "sums": lambda: matmul(a, packed, out=out, sums=True),
        "sgemm": lambda: np.matmul(x, y, out=z),
    }
    t = times(tasks | ({"gemmlowp": lambda: peer(a, b, out)} if peer else {}), shape)
    for name, label in (("sgemm", "NumPy float32"), ("gemmlowp", "gemmlowp AVX2")):
        if name in t:
            yield Row("1024, prepacked", t["numfmt"], label, t[name], 4.0, None, True)
    yield Row("1024, prepacked, with sums", t["sums"], "without sums", t["numfmt"])
    yield Row("1024, int16, prepacked", t["int16"], "uint8, prepacked", t["numfmt"], 0.5, None, True)


@cache
def native_gemmlowp() -> Any:
    """gemmlowp's kernel for AVX2, compiled from the sources in $GEMMLOWP, or None."""
    sources = os.environ.get("GEMMLOWP")
    if not sources:
        return None
    folder = tempfile.mkdtemp()
    code, library = os.path.join(folder, "wrapper.cc"), os.path.join(folder, "wrapper.so")
    with open(code, "w") as file:
        file.write(WRAPPER)
    flags = ["-O3", "-std=c++11", "-mavx2", "-mfma", "-DGEMMLOWP_ENABLE_AVX2", "-shared", "-fPIC", "-pthread"]
    subprocess.run(["g++", *flags, "-w", f"-I{sources}", code, "-o", library], check=True)
    multiply = ctypes.CDLL(library).multiply

    def run(a: Any, b: Any, out: Any) -> None:
        places = [ctypes.c_void_p(x.ctypes.data) for x in (a, b, out)]
        multiply(*places, a.shape[0], b.shape[1], a.shape[1])

    return run


def two_threads() -> Iterator[Row]:
    torch = module("torch")
    if not torch:
        return
    threads(2)
    torch.set_num_threads(2)
    for name in ("512", "1024", "2048", "64x4096x4096"):
        m, k, n = SHAPES[name]
        a, b, out = numbers(np.int8, m, k), numbers(np.int8, k, n), np.empty((m, n), np.int32)
        left, right, target = (torch.from_numpy(x) for x in (a, b, out.copy()))
        t = {}  # one after the other: idle workers of either spin for a while
        t |= times({"numfmt": lambda a=a, b=b, out=out: matmul(a, b, out=out)}, (m, k, n))
        t |= times({"torch": lambda x=left, y=right, z=target: torch._int_mm(x, y, out=z)}, (m, k, n))
        yield Row(
            f"{name}, two threads", t["numfmt"], "torch._int_mm, two threads", t["torch"], 0.85, 1.0, True
        )
    threads(1)
    torch.set_num_threads(1)


def other_processors() -> Iterator[Row]:
    """What numba makes for lesser processors, each in a process of its own."""
    for label, cpu, limit, peer in (
        ("AVX2 only", "haswell", 1.5, "gemmlowp"),
        ("AVX2 only", "haswell", None, "sgemm"),
        ("SSE only", "x86-64-v2", 0.65, "sgemm"),
    ):
        t = elsewhere(cpu)
        if peer in t:
            name = {"gemmlowp": "gemmlowp AVX2", "sgemm": "NumPy float32"}[peer]
            yield Row(f"1024, {label} ({t['path']})", t["numfmt"], name, t[peer], limit, None, True)


@cache
def elsewhere(cpu: str) -> Any:
    environment = os.environ | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--child"], env=environment, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def child() -> None:
    shape = m, k, n = SHAPES["1024"]
    a, b, out = numbers(np.uint8, m, k), numbers(np.uint8, k, n), np.empty((m, n), np.int32)
    x, y, z = a.astype(np.float32), b.astype(np.float32), np.empty((m, n), np.float32)
    tasks = {"numfmt": lambda: matmul(a, b, out=out), "sgemm": lambda: np.matmul(x, y, out=z)}
    peer = native_gemmlowp()
    t = times(tasks | ({"gemmlowp": lambda: peer(a, b, out)} if peer else {}), shape)
    print(json.dumps(t | {"path": path()}))


FIRST = """
import time, numpy as np, numfmt
a = np.ones((64, 64), np.int8)
numfmt.cast(np.float32(1), "bf16")
start = time.perf_counter()
numfmt.matmul(a, a)
print(time.perf_counter() - start)
"""


def first_call() -> Iterator[Row]:
    """Seconds of the first product of a process, of the import of its loops too."""
    with tempfile.TemporaryDirectory() as folder:
        for what, limit in (("with an empty cache", 4.0), ("from the cache", 0.3)):
            done = subprocess.run(
                [sys.executable, "-c", FIRST], env=os.environ | {"NUMFMT_CACHE_DIR": folder}, capture_output=True,
                text=True, check=True,
            )  # fmt: skip
            yield Row(f"first call, {what}", float(done.stdout), "s", 1.0, limit)


def small_shapes() -> Iterator[Row]:
    for m, k, n, limit in ((8, 64, 64, 3.0), (1, 64, 64, None)):
        a, b, out = numbers(np.int8, m, k), numbers(np.int8, k, n), np.empty((m, n), np.int32)
        packed = prepack(b)
        yield Row(f"{m}x{k}x{n}", per_call(lambda a=a, b=b: matmul(a, b)), "us", 1e-6, limit)
        into = per_call(lambda a=a, p=packed, out=out: matmul(a, p, out=out))
        yield Row(f"{m}x{k}x{n}, prepacked, out=", into, "us", 1e-6)


def matrix_units() -> Iterator[Row]:
    """Multiply-adds per second of one thread, as a multiple of 2e8."""
    n = 512
    for name in UNITS:
        spec = unit_of(name).a
        a, b = (cast(normal(n, n) * scale, spec) for scale in (1, 0.7))
        seconds = best({name: lambda a=a, b=b, name=name: matmul(a, b, unit=name)}, 9)[name]
        what = f"{name}, n = {n}: {n**3 / seconds:.2g} multiply-adds per second"
        yield Row(what, seconds, "2e8 per second", n**3 / 2e8, 1.0, 5.0, at_least=True)


def narrow_accumulators() -> Iterator[Row]:
    """Sums that saturate after each addition, against NumPy's float32 product."""
    shape = m, k, n = SHAPES["1024"]
    x, y = (numbers(np.int8, *size).astype(np.float32) for size in ((m, k), (k, n)))
    for dtype in (np.int8, np.uint8):
        a, b = numbers(dtype, m, k), numbers(np.int8, k, n)
        for accumulator, limit in (("int16", 0.3), ("int12", 0.3), ("int24", 0.3)):
            how = {"accumulator": accumulator, "overflow": "saturate"}
            tasks = {"numfmt": lambda a=a, b=b, how=how: matmul(a, b, **how), "sgemm": lambda: x @ y}
            t = times(tasks, shape)
            what = f"1024, {a.dtype} by int8 into {accumulator}"
            yield Row(what, t["numfmt"], "NumPy float32", t["sgemm"], limit, None, True)


def rounded_sums() -> Iterator[Row]:
    """Every sum rounded, against NumPy's float32 product and a loop over k with ml_dtypes."""
    n = 1024
    x, y = normal(n, n), normal(n, n) * np.float32(0.7)
    for spec, how, limit, aim in ROUNDED:
        a, b = cast(x, spec), cast(y, spec)
        t = best({"numfmt": lambda a=a, b=b, how=how: matmul(a, b, **how), "sgemm": lambda: x @ y}, 5)
        label = ", ".join(f"{name} {value}" for name, value in how.items() if name != "seed")
        yield Row(f"{spec}, {label}", t["numfmt"], "NumPy float32", t["sgemm"], limit, aim, at_least=True)
    if types := module("ml_dtypes"):
        a, b = (cast(z[:512, :512], "bf16") for z in (x, y))
        t = best({"numfmt": lambda: matmul(a, b, accumulator="bf16", product="rounded"),
                  "loop": lambda: looped(a, b, types.bfloat16)}, 3)  # fmt: skip
        yield Row(
            "bf16, product rounded, n = 512",
            t["numfmt"],
            "NumPy loop over k, ml_dtypes",
            t["loop"],
            10.0,
            None,
            True,
        )


def looped(a: Any, b: Any, dtype: Any) -> Any:
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for k in range(len(b)):
        term = (a[:, k, None] * b[k]).astype(dtype).astype(np.float32)
        total = (total + term).astype(dtype).astype(np.float32)
    return total


def exact_sums() -> Iterator[Row]:
    """One rounding of the exact sum, as a multiple of 1 GFLOP/s."""
    n = 1024
    for spec, limit in EXACT:
        a, b = cast(normal(n, n), spec), cast(normal(n, n) * np.float32(0.7), spec)
        seconds = best({spec: lambda a=a, b=b: matmul(a, b, order="exact")}, 5)[spec]
        what = f"{spec}, exact, n = {n}: {2 * n**3 / seconds / 1e9:.3g} GFLOP/s"
        yield Row(what, seconds, "1 GFLOP/s", 2 * n**3 / 1e9, limit, at_least=True)


SECTIONS = {
    "int8 by int8, packed in the call": packed_in_the_call,
    "Prepacked": prepacked,
    "With requantization": requantized,
    "Against floats": against_floats,
    "Two threads": two_threads,
    "Lesser processors": other_processors,
    "First call": first_call,
    "Small shapes": small_shapes,
    "Narrow accumulators": narrow_accumulators,
    "Matrix units": matrix_units,
    "Rounded sums": rounded_sums,
    "Exact sums": exact_sums,
}


def main() -> None:
    if torch := module("torch"):
        torch.set_num_threads(1)
    report(
        "gemm",
        ["## Matrix products", "", f"`python benchmarks/gemm.py`, path {path()}", ""],
        SECTIONS,
    )


if __name__ == "__main__":
    child() if "--child" in sys.argv else main()
