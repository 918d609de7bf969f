"""Speed of GGUF blocks: numfmt and the package gguf, in one run. `python benchmarks/gguf_blocks.py [--write]
[section ...]`.

Ratios are of least times over interleaved rounds; both make new arrays unless said. The package has one thread;
numfmt one, but for the section on threads.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from timing import Row, best, module, normal, report, threads

import numfmt
from numfmt.engine import jit
from numfmt.gguf import TYPES, GGUFArray

SMALL, LARGE = (100, 10240), (1000, 10240)  # rows are whole blocks of every type
PEER = "gguf.quants"
FIRST = ("q8_0", "q4_0")
WRITTEN = ("q4_1", "q5_0", "q5_1", "tq1_0", "tq2_0", "mxfp4")  # other types that the package quantizes
UNREAD = ("q8_1", "q8_k")  # types that it does not read
QUANTIZE, DEQUANTIZE = 10.0, 5.0  # how many times as fast


def _quantizers(name: str, x: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The package's and ours."""
    quants = module(PEER)
    kind = getattr(quants.GGMLQuantizationType, name.upper())
    return lambda: quants.quantize(x, kind), lambda: numfmt.encode(x, f"gguf_{name}").blocks


def _dequantizers(
    name: str, shape: tuple[int, int], out: Any = None
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    quants = module(PEER)
    kind = getattr(quants.GGMLQuantizationType, name.upper())
    some = numfmt.encode(normal(10, shape[1]), f"gguf_{name}")
    array = GGUFArray(np.tile(some.blocks, (shape[0] // 10, 1, 1)), some.format)
    raw = array.pack().reshape(shape[0], -1)
    return lambda: quants.dequantize(raw, kind), lambda: array.decode(out=out)


def _row(what: str, tasks: tuple[Callable[[], Any], Callable[[], Any]], limit: float | None) -> Row:
    """The peer is slow: ours has more turns."""
    theirs, ours = tasks
    assert theirs().tobytes() == ours().tobytes()
    turns = {f"numfmt {turn}": ours for turn in range(4)}
    t = best({PEER: theirs, **turns}, 9)
    return Row(what, min(t[turn] for turn in turns), PEER, t[PEER], limit, at_least=True)


def quantize_rows() -> Iterator[Row]:
    if not module(PEER):
        return
    for name in FIRST:
        for shape in (SMALL, LARGE):
            tasks = _quantizers(name, normal(*shape))
            yield _row(f"{name}, quantize, n = {shape[0] * shape[1]:.0e}", tasks, QUANTIZE)
    for name in WRITTEN:
        yield _row(f"{name}, quantize", _quantizers(name, normal(*SMALL)), None)


def dequantize_rows() -> Iterator[Row]:
    if not module(PEER):
        return
    for name in FIRST:
        for shape in (SMALL, LARGE):
            what = f"{name}, dequantize, n = {shape[0] * shape[1]:.0e}"
            yield _row(what, _dequantizers(name, shape), DEQUANTIZE)
        yield _row(f"{what}, out=", _dequantizers(name, LARGE, np.empty(LARGE, np.float32)), DEQUANTIZE)
    for name in (n for n in TYPES if n not in (*FIRST, *UNREAD)):
        yield _row(f"{name}, dequantize", _dequantizers(name, SMALL), None)


def thread_rows() -> Iterator[Row]:
    """As many threads as numfmt takes if it is not told."""
    if not module(PEER):
        return
    threads(os.cpu_count() or 1)
    for name in FIRST:
        yield _row(f"{name}, quantize", _quantizers(name, normal(*LARGE)), QUANTIZE)
        yield _row(f"{name}, dequantize", _dequantizers(name, LARGE), DEQUANTIZE)
    threads(1)


def search_rows() -> Iterator[Row]:
    """Types that the package does not quantize: nanoseconds an element."""
    x = normal(64, 4096)
    for name in (n for n in TYPES if n not in (*FIRST, *WRITTEN)):
        seconds = best({"numfmt": lambda name=name: numfmt.encode(x, f"gguf_{name}")}, 3)["numfmt"]
        yield Row(f"{name}, quantize", seconds, "ns an element", x.size * 1e-9)


SECTIONS = {
    "Quantize": quantize_rows,
    "Dequantize": dequantize_rows,
    "Threads": thread_rows,
    "Types that C alone quantizes": search_rows,
}


if __name__ == "__main__":
    assert jit.loops() is not None
    warnings.simplefilter("ignore")  # of the package, at zeros
    report("gguf", ["## GGUF blocks", "", "`python benchmarks/gguf_blocks.py`", ""], SECTIONS)
