"""Speed of operations in a format, beside NumPy and peers, in one run.
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
from numfmt import cast

N, SMALL = 10_000_000, 100_000
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


SECTIONS = {
    "Operations, n = 1e7": operation_rows,
    "Operations beside peers": peer_rows,
}


if __name__ == "__main__":
    threads(1)
    report("arithmetic", ["## Arithmetic", "", "`python benchmarks/arithmetic.py`", ""], SECTIONS)
