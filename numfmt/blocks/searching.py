"""Codes of blocks by a library's search of a table, and their values: which loop, which rows, threads; the
definition in NumPy.

`x` is contiguous float32 or float64, or codes; numbers are first rounded to float32.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..cuts import Cuts
from ..formats.codebook import Codebook
from .bitsandbytes_steps import Search, short_blocks
from .elements import chunks
from .granularity import LONG, Layout, Shape

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]
F4 = np.float32


class Job(NamedTuple):
    """All that decides a code beside the number: flat arrays of a number for each scale of the layout."""

    of: Codebook
    search: Search
    layout: Layout
    absmax: Array  # float32, as is
    short: Array  # whether a block is divided by it, or multiplied with `Search.factor`


def job_of(block: Block, shape: Shape, absmax: Array) -> Job:
    """For arrays of that shape, under the largest magnitudes of its blocks."""
    among, search = block.granularity, block.profile.search
    assert search is not None
    assert isinstance(block.of, Codebook)
    short = short_blocks(among, shape) if search.divides_short else np.zeros(absmax.shape, bool)
    return Job(block.of, search, among.layout(shape), absmax.reshape(-1), short.reshape(-1))


def encode(x: Array, out: Array, job: Job, engine: str | None) -> None:
    """Fill `out` with the codes of numbers."""
    if np.may_share_memory(x, out):
        x = x.copy()
    flat, target = x.reshape(-1), out.reshape(-1) if out.flags.c_contiguous else out.flat
    factor, cuts = job.search.factor(job.absmax), found_cuts(job.search, job.of)
    last = cuts.codes[-1] if job.search.nan is None else job.search.nan
    for where in chunks(x.size, LONG):
        s = over_absmax(flat[where], job, factor, where)
        codes = cuts.codes[np.searchsorted(cuts.cuts, s, side="right")]
        target[where] = np.where(np.isnan(s), last, codes)


def over_absmax(x: Array, job: Job, factor: Array, where: slice) -> Array:
    """Numbers over the largest of their block, float32; `where` says which they are."""
    which = job.layout.scale_of(where.start, where.stop)
    with np.errstate(all="ignore"):
        given = job.search.flushed(x.astype(F4))
        s = given * factor[which]
        if job.short.any():
            s = np.where(job.short[which], given / job.absmax[which], s)
    return job.search.flushed(s)


def read(codes: Array, out: Array, job: Job) -> None:
    """Fill `out` with the values of codes, products in float32."""
    flat, target = codes.reshape(-1), out.reshape(-1) if out.flags.c_contiguous else out.flat
    values = job.search.values(job.of)
    for where in chunks(codes.size, LONG):
        which = job.layout.scale_of(where.start, where.stop)
        with np.errstate(all="ignore"):
            target[where] = job.search.flushed(values[flat[where]] * job.absmax[which])


@lru_cache(maxsize=64)
def found_cuts(search: Search, of: Codebook) -> Cuts:
    return search.cuts(of)
