"""Blocks of whole arrays: a loop where there is one, else the definition chunk by chunk; threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import jit, pool
from ..engine.inputs import writeable_alias
from ..engine.run import WORTH_A_THREAD
from .fields import Array
from .table import BlockType

CHUNK = 1 << 15  # elements: whole blocks of every type, and scratch that stays in the second-level cache
COST = 2.0  # ns an element, roughly, where nothing is searched
LOOPS = ("q8_0", "q4_0")
INF_WORD = 0x7F800000


def write(x: Array, kind: BlockType, engine: str | None) -> tuple[Array, bool]:
    """Blocks (n, nbytes) of float32 numbers (n, elements), and whether these are finite; if not, the blocks mean
    nothing."""
    blocks = np.empty((len(x), kind.nbytes), np.uint8)
    loop = _loop("write", kind, engine)
    step = _compiled_writer(loop) if loop else _defined_writer(kind)
    cost = COST if loop else kind.cost
    found = pool.run(lambda part: step(x[part], blocks[part]), _parts(len(x), kind, cost)) if len(x) else ()
    return blocks, all(found)


def read(blocks: Array, kind: BlockType, out: Array, engine: str | None = None) -> None:
    """Fill `out`, floats of any dtype and layout, with the numbers of blocks (n, nbytes)."""
    if not len(blocks):
        return
    if out.dtype == np.float32 and out.flags.carray:
        loop = _loop("read", kind, engine)
        step = _compiled_reader(loop) if loop else _defined_reader(kind)
        target = out.reshape(-1, kind.elements)
        pool.run(lambda part: step(blocks[part], target[part]), _parts(len(blocks), kind, COST))
        return
    for part in _pieces(len(blocks), kind):
        values = kind.values(blocks[part])
        out.flat[part.start * kind.elements : part.stop * kind.elements] = values.reshape(-1)


def _loop(verb: str, kind: BlockType, engine: str | None) -> Any:
    """The compiled loop, or None."""
    compiled = None if engine in ("numpy", "reference") else jit.loops()
    if compiled is None and engine == "kernel":
        raise ImportError("engine='kernel' needs numba, which cannot be imported")
    return getattr(compiled, f"gguf_{verb}_{kind.name}", None) if kind.name in LOOPS else None


def _parts(count: int, kind: BlockType, cost: float) -> list[slice]:
    """Blocks for each thread."""
    limit = pool.thread_limit() if count * kind.elements * cost > WORTH_A_THREAD else 1
    return _slices(count, -(-count // limit))


def _pieces(count: int, kind: BlockType) -> list[slice]:
    """Blocks that are worked on at once."""
    return _slices(count, CHUNK // kind.elements)


def _slices(count: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def _defined_writer(kind: BlockType) -> Callable[[Array, Array], bool]:
    def write(x: Array, blocks: Array) -> bool:
        for part in _pieces(len(x), kind):
            if not np.isfinite(x[part]).all():
                return False
            blocks[part] = kind.written(x[part])
        return True

    return write


def _compiled_writer(loop: Any) -> Callable[[Array, Array], bool]:
    def write(x: Array, blocks: Array) -> bool:
        with np.errstate(all="ignore"):
            return bool(loop(writeable_alias(x), blocks, 0, len(x)) < INF_WORD)

    return write


def _defined_reader(kind: BlockType) -> Callable[[Array, Array], None]:
    def read(blocks: Array, out: Array) -> None:
        for part in _pieces(len(blocks), kind):
            kind.fill(blocks[part], out[part])

    return read


def _compiled_reader(loop: Any) -> Callable[[Array, Array], None]:
    def read(blocks: Array, out: Array) -> None:
        with np.errstate(all="ignore"):
            loop(writeable_alias(blocks), out, 0, len(blocks))

    return read
