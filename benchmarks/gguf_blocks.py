"""Speed of GGUF blocks: numfmt and the package gguf, in one run. `python benchmarks/gguf_blocks.py [--write]
[section ...]`.

Both make new arrays; ratios are of least times over interleaved rounds, one thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from timing import Row, best, module, normal, report

import numfmt
from numfmt.engine import jit
from numfmt.gguf import TYPES, GGUFArray

SHAPE = (1000, 10240)  # rows are whole blocks of every type
PEER = "gguf"
BOTH = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "tq1_0", "tq2_0", "mxfp4")  # that the package quantizes
LEAST = {("quantize", "q8_0"): 10.0, ("quantize", "q4_0"): 10.0, ("dequantize", "q8_0"): 5.0, ("dequantize", "q4_0"): 5.0}  # fmt: skip


def quantize_rows() -> Iterator[Row]:
    quants = module("gguf.quants")
    if not quants:
        return
    warnings.simplefilter("ignore")  # zeros, in its reciprocals
    x = normal(*SHAPE)
    for name in ("q8_0", "q4_0", *(n for n in BOTH if n not in ("q8_0", "q4_0"))):
        kind = getattr(quants.GGMLQuantizationType, name.upper())
        tasks = {
            PEER: lambda kind=kind: quants.quantize(x, kind),
            "numfmt": lambda name=name: numfmt.encode(x, f"gguf_{name}"),
        }
        assert tasks[PEER]().tobytes() == tasks["numfmt"]().pack().tobytes()
        yield _row("quantize", name, tasks)


def dequantize_rows() -> Iterator[Row]:
    quants = module("gguf.quants")
    if not quants:
        return
    x = normal(*SHAPE)
    for name in ("q8_0", "q4_0", *(n for n in TYPES if n not in ("q8_0", "q4_0", "q8_1", "q8_k"))):
        kind = getattr(quants.GGMLQuantizationType, name.upper())
        array = numfmt.encode(x[:8], f"gguf_{name}")
        array = GGUFArray(np.tile(array.blocks, (len(x) // 8, 1, 1)), array.format)
        raw = array.pack().reshape(len(x), -1)
        tasks = {PEER: lambda r=raw, k=kind: quants.dequantize(r, k), "numfmt": array.decode}
        assert tasks[PEER]().tobytes() == tasks["numfmt"]().tobytes()
        yield _row("dequantize", name, tasks)


def _row(verb: str, name: str, tasks: dict[str, object]) -> Row:
    """The peers are slow: the short task has more turns."""
    turns = {f"numfmt {turn}": tasks["numfmt"] for turn in range(4)}
    t = best({PEER: tasks[PEER], **turns}, 7)  # type: ignore[dict-item]
    ours = min(t[turn] for turn in turns)
    return Row(f"{name}, {verb}", ours, f"{PEER}.quants", t[PEER], LEAST.get((verb, name)), at_least=True)


def search_rows() -> Iterator[Row]:
    """Types whose scales are searched for, which the package does not quantize: nanoseconds an element."""
    x = normal(64, 4096)
    for name in (n for n in TYPES if n not in BOTH):
        seconds = best({"numfmt": lambda name=name: numfmt.encode(x, f"gguf_{name}")}, 3)["numfmt"]
        yield Row(f"{name}, quantize", seconds, "ns an element", x.size * 1e-9)


SECTIONS = {
    "Quantize": quantize_rows,
    "Dequantize": dequantize_rows,
    "Quantize, types of C alone": search_rows,
}


if __name__ == "__main__":
    assert jit.loops() is not None
    report("gguf", ["## GGUF blocks", "", "`python benchmarks/gguf_blocks.py`", ""], SECTIONS)
