"""Speed of operations in a format, and of float products whose every sum is rounded, in one run.
`python benchmarks/arithmetic.py [--write] [section ...]`.

Ratios are of least times over interleaved rounds, one thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read as NumPy is imported

from collections.abc import Iterator
from typing import Any

import numpy as np
from timing import Row, best, module, normal, report, threads

import numfmt
from numfmt import cast, matmul

N, SMALL, SIZE = 10_000_000, 100_000, 1024
ADD = "np.add of float32"
LIMITS = {"add": 2.5, "mul": 2.5, "div": 6, "sqrt": 6, "fma": 6}


def operands(name: str, spec: str, count: int) -> list[Any]:
    given = [cast(np.abs(normal(count)) + 0.1 * i, spec) for i in range(3)]
    return given[: {"sqrt": 1, "fma": 3}.get(name, 2)]


def operation_rows() -> Iterator[Row]:
    """Values held in float32, nearest even, into a given array; then with flags."""
    for spec in ("bf16", "f16", "e4m3fn"):
        for name, limit in LIMITS.items():
            t = _times(name, spec)
            yield Row(f"{name}, {spec}", t["plain"], ADD, t[ADD], limit)
            yield Row(f"{name}, {spec}, with flags", t["flags"], "without", t["plain"], 3)


def _times(name: str, spec: str) -> dict[str, float]:
    x, y = operands("add", spec, N)
    given, f, out = operands(name, spec, N), getattr(numfmt, name), np.empty_like(x)
    tasks = {
        ADD: lambda: np.add(x, y, out=out),
        "plain": lambda: f(*given, spec, out=out),
        "flags": lambda: f(*given, spec, out=out, flags=True),
    }
    return best(tasks, 7)


def peer_rows() -> Iterator[Row]:
    """Small arrays, for peers are slow: gfloat rounds a sum of float64, apytypes adds arrays of its own."""
    x, y = operands("add", "e4m3fn", SMALL)
    gfloat, apytypes = module("gfloat"), module("apytypes")
    ours = {f"numfmt {i}": lambda: numfmt.add(x, y, "e4m3fn") for i in range(5)}
    if gfloat:
        info = module("gfloat.formats").format_info_ocp_e4m3
        wide, other = x.astype(np.float64), y.astype(np.float64)
        yield _against(
            "add, e4m3fn", {"peer": lambda: gfloat.round_ndarray(info, wide + other), **ours}, "gfloat"
        )
    if apytypes:
        a, b = (apytypes.APyFloatArray.from_array(m, 8, 7) for m in (x, y))
        bf16 = {f"numfmt {i}": lambda: numfmt.add(x, y, "bf16") for i in range(5)}
        yield _against("add, bf16", {"peer": lambda: a + b, **bf16}, "apytypes")
        yield _against("mul, bf16", {"peer": lambda: a * b, **bf16}, "apytypes")


def _against(what: str, tasks: dict[str, Any], peer: str) -> Row:
    t = best(tasks, 5)
    ours = min(seconds for name, seconds in t.items() if name != "peer")
    return Row(what, ours, peer, t["peer"], 10, at_least=True)


PRODUCTS: tuple[tuple[str, dict[str, Any], float, float | None], ...] = (
    ("bf16, fma32", {"fmt": "bf16", "accumulator": "bf16", "product": "fma32"}, 0.25, 0.3),
    ("bf16, rounded", {"fmt": "bf16", "accumulator": "bf16", "product": "rounded"}, 0.12, 0.155),
    ("bf16, fused", {"fmt": "bf16", "accumulator": "bf16"}, 0.08, 0.1),
    ("f16, fma32", {"fmt": "f16", "accumulator": "f16", "product": "fma32"}, 0.25, None),
    ("e5m2, fma32", {"fmt": "e5m2", "accumulator": "e5m2", "product": "fma32"}, 0.13, 0.16),
    ("e5m2, rounded", {"fmt": "e5m2", "accumulator": "e5m2", "product": "rounded"}, 0.06, 0.07),
    ("bf16 in chunks of 32", {"fmt": "bf16", "accumulator": "bf16", "order": "blocked(32)", "inner": "f32"}, 0.6, 0.8),
    ("f32 in k order", {"accumulator": "f32"}, 0.75, 0.95),
    ("bf16, stochastic", {"fmt": "bf16", "accumulator": "bf16", "rounding": "stochastic", "seed": 1}, 0.02, None),
)  # fmt: skip


def product_rows() -> Iterator[Row]:
    """A product of 1024 x 1024 float32 matrices, casts of the inputs included, over NumPy's."""
    a, b = normal(SIZE, SIZE), normal(SIZE, SIZE)
    for what, how, limit, aim in PRODUCTS:
        size = SIZE // 4 if "seed" in how else SIZE
        x, y = a[:size, :size], b[:size, :size]
        t = best({"sgemm": lambda x=x, y=y: x @ y, "ours": lambda x=x, y=y, h=how: matmul(x, y, **h)}, 3)
        yield Row(
            f"{what}, n = {size}",
            t["ours"],
            "sgemm, share of its speed",
            t["sgemm"],
            limit,
            aim,
            at_least=True,
        )


def exact_rows() -> Iterator[Row]:
    """Exact sums: the base is the time that 5e9 floating-point operations a second would take."""
    size = SIZE // 2
    a, b = normal(size, size), normal(size, size)
    t = best({"ours": lambda: matmul(a, b, order="exact")}, 3)
    yield Row(f"exact, n = {size}", t["ours"], "5 GFLOP/s", 2 * size**3 / 5e9, 1, at_least=True)
    ml_dtypes = module("ml_dtypes")
    if ml_dtypes:
        x, y = (cast(m[:256, :256], "bf16") for m in (a, b))

        def loop() -> Any:
            total = np.zeros((256, 256), ml_dtypes.bfloat16)
            for k in range(256):
                term = (x[:, k, None] * y[k]).astype(ml_dtypes.bfloat16)
                total = (total.astype(np.float32) + term.astype(np.float32)).astype(ml_dtypes.bfloat16)
            return total

        t = best({"peer": loop, "ours": lambda: matmul(x, y, accumulator="bf16", product="rounded")}, 3)
        yield Row(
            "bf16, rounded, n = 256", t["ours"], "a loop over K with ml_dtypes", t["peer"], 10, at_least=True
        )


SECTIONS = {
    "Operations, n = 1e7": operation_rows,
    "Operations beside peers": peer_rows,
    "Products, n = 1024": product_rows,
    "Exact sums, and a loop": exact_rows,
}


if __name__ == "__main__":
    threads(1)
    report("arithmetic", ["## Arithmetic", "", "`python benchmarks/arithmetic.py`", ""], SECTIONS)
