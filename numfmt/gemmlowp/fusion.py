"""Pipelines in one pass: which the loops have, and how they run them."""

from __future__ import annotations

import re
from functools import lru_cache, reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..engine import pool
from ..engine.run import WORTH_A_THREAD
from ..kernels.gemmlowp import Channel, Ends
from .arguments import INT32, Array, Range
from .stages import CODES, BiasAddition, Clamp, SaturatingCast, Scaling, Stage

LETTERS: dict[type[Stage], str] = {BiasAddition: "b", Clamp: "c", SaturatingCast: "t"}
ORDER = re.compile("b*s?c*t?")  # s is a stage with a scaling
COST = 0.4  # ns an element, roughly


class Job(NamedTuple):
    """The parameters of the loops."""

    table: Array  # a row for each field of `Channel`
    ends: Ends
    dtype: str
    axis: int | None  # of the channels

    def run(self, loops: Any, x: Array) -> Array:
        out = np.empty(x.shape, self.dtype)
        shared = np.array(self.ends, np.int32)
        a, b = self._matrix(x), self._matrix(out)
        if self.axis is None:
            pool.run(
                lambda p: loops.requantize_rows(a[:, p], b[:, p], self.table, shared, 0), _parts(x.size, 1)
            )
        elif self.axis == x.ndim - 1:
            parts = _parts(*a.shape)
            pool.run(lambda p: loops.requantize_columns(a[p], b[p], self.table, shared), parts)
        else:
            parts = _parts(*a.shape)
            pool.run(lambda p: loops.requantize_rows(a[p], b[p], self.table, shared, p.start), parts)
        return out

    def _matrix(self, x: Array) -> Array:
        """Rows that belong to one channel, or columns that do; one row where there is one for all."""
        if self.axis is None:
            return x.reshape(1, -1)
        channels_first = x.shape[: self.axis + (self.axis < x.ndim - 1)]
        return x.reshape(prod(channels_first), -1)


@lru_cache(maxsize=64)
def fused(pipeline: tuple[Stage, ...], ndim: int) -> Job | None:
    """The pipeline for accumulators of so many axes, None if the loops do not have it."""
    letters = "".join(LETTERS.get(type(s), "x" if s.scaling is None else "s") for s in pipeline)
    axes = {stage.axis % ndim for stage in pipeline if stage.channels is not None}
    if not ORDER.fullmatch(letters) or len(axes) > 1:
        return None
    scaling = next((s.scaling for s in pipeline if s.scaling is not None), Scaling())
    if np.min(scaling.multiplier) == INT32[0]:  # its high product has to saturate
        return None
    dtype = next((s.to for s in pipeline if isinstance(s, SaturatingCast)), "int32")
    before = sum((s.each("bias") for s in pipeline if isinstance(s, BiasAddition)), scaling.before)
    channel = Channel(before, scaling.left, scaling.multiplier, scaling.drop, scaling.right)
    table = np.stack(np.broadcast_arrays(*map(np.atleast_1d, channel)))
    ends = Ends(int(scaling.away), scaling.after, *_range(pipeline))
    return Job(table.astype(np.int32), ends, dtype, axes.pop() if axes else None)


def _range(pipeline: tuple[Stage, ...]) -> Range:
    """What clamps and cast, one after the other, leave of int32."""
    clamps = [(s.low, s.high) for s in pipeline if isinstance(s, Clamp)]
    casts = [CODES[s.to] for s in pipeline if isinstance(s, SaturatingCast)]
    return reduce(lambda r, c: (_clip(r[0], c), _clip(r[1], c)), [*clamps, *casts], INT32)


def _clip(x: int, to: Range) -> int:
    return min(max(x, to[0]), to[1])


def _parts(count: int, size: int) -> list[slice]:
    """`count` pieces of `size` elements as slices for the threads."""
    threads = pool.thread_limit() if count * size * COST > WORTH_A_THREAD else 1
    step = max(1, -(-count // threads))
    return [slice(i, i + step) for i in range(0, count, step)]
