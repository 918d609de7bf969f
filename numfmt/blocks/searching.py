"""Codes of blocks by a library's search of a table, and their values: which loop, which rows, threads; the
definition in NumPy.

`x` is contiguous float32 or float64, or codes; numbers are first rounded to float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..cuts import Cuts
from ..engine import pool
from ..engine.inputs import writeable_alias
from ..formats.codebook import Codebook
from ..formats.codebook_lowering import LARGEST_TABLE, Steps, thresholds
from ..kernels.parameters import pack
from ..kernels.searches import Entries, Halving
from .bitsandbytes_steps import Search, short_blocks
from .elements import chunks, in_c_order, in_rows, loops, parts
from .granularity import LONG, Layout, Shape
from .scale import TINY

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]
F4 = np.float32
WIDTH = 32
SIGN = 1 << (WIDTH - 1)
HALVED = 16  # places that four comparisons tell apart
WIDEST = 16  # bits below a threshold's entry
NEAR = 2.0**-60  # where all thresholds or values but 0 are larger, float32 serves under scales from here
FAR = 2.0**120  # up to here: no reciprocal is subnormal
PIECE, LEAST_WIDTH = 1 << 16, 64  # elements that are turned at once, and columns of them
GUARD = (
    2.0**-120
)  # numbers above, and above so much of the largest, are not subnormal, nor is what comes of them


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
    _run(_coding_loop, _encode_defined, x, out, job, engine)


def _encode_defined(x: Array, out: Array, job: Job) -> None:
    flat, target = x.reshape(-1), in_c_order(out)
    factor, cuts = job.search.factor(job.absmax), found_cuts(job.search, job.of)
    for where in chunks(x.size, LONG):
        s = over_absmax(flat[where], job, factor, where)
        codes = cuts.codes[np.searchsorted(cuts.cuts, s, side="right")]
        target[where] = np.where(np.isnan(s), code_of_nan(job.search, job.of), codes)


def over_absmax(x: Array, job: Job, factor: Array, where: slice) -> Array:
    """Numbers over the largest of their block, float32; `where` says which they are."""
    which = job.layout.scale_of(where.start, where.stop)
    with np.errstate(all="ignore"):
        given = job.search.flushed(x.astype(F4))
        s = given * factor[which]
        if job.short.any():
            s = np.where(job.short[which], given / job.absmax[which], s)
    return job.search.flushed(s)


def read(codes: Array, out: Array, job: Job, engine: str | None = None) -> None:
    """Fill `out` with the values of codes, products in float32."""
    _run(_reading_loop, _read_defined, codes, out, job, engine)


def _read_defined(codes: Array, out: Array, job: Job) -> None:
    flat, target = codes.reshape(-1), in_c_order(out)
    values = job.search.values(job.of)
    for where in chunks(codes.size, LONG):
        which = job.layout.scale_of(where.start, where.stop)
        with np.errstate(all="ignore"):
            target[where] = job.search.flushed(values[flat[where]] * job.absmax[which])


def code_of_nan(search: Search, of: Codebook) -> int:
    return int(found_cuts(search, of).codes[-1]) if search.nan is None else search.nan


@lru_cache(maxsize=64)
def found_cuts(search: Search, of: Codebook) -> Cuts:
    return search.cuts(of)


# The loops

Loop = Callable[..., None]
LoopOf = Callable[[Any, Job], Loop | None]  # of the compiled loops
Fill = Callable[[Array, Array, Job], None]


def _run(loop_of: LoopOf, defined: Fill, x: Array, out: Array, job: Job, engine: str | None) -> None:
    """By rows; where blocks run along another axis than the last, by lines."""
    compiled, layout = loops(engine), job.layout
    if np.may_share_memory(x, out):
        x = x.copy()
    lies_well = not layout.is_varying or (out.flags.c_contiguous and not layout.shared)
    loop = loop_of(compiled, job) if compiled is not None and x.size and lies_well else None
    if loop is None:
        defined(x, out, job)
    elif layout.is_varying:
        _in_lines(partial(loop_of, compiled), x, out, job)
    else:
        in_rows(loop, x, out, layout.rows())


def _coding_loop(compiled: Any, job: Job) -> Loop | None:
    """What fills rows with codes, None where no loop does."""
    words = search_words(job.search, job.of)
    if words is None:
        return None
    called = compiled.search_halving_rows if words.halves else compiled.search_entry_rows
    whole = job.layout.size + 1 if job.short.all() else job.layout.size if job.short.any() else 0
    constants = _plain(job.absmax), words.bounds, words.parameters, _geometry(job), whole
    return lambda x, out, *part: called(x, out, *constants, *part)


def _plain(absmax: Array) -> Array:
    return writeable_alias(np.require(absmax, F4, ("C", "A")))


def _geometry(job: Job) -> Array:
    return np.array(job.layout.rows()[1], np.int64)


def _reading_loop(compiled: Any, job: Job) -> Loop:
    """What fills rows with values."""
    constants = _plain(job.absmax), *value_words(job.search, job.of), _geometry(job)
    return lambda codes, out, *part: compiled.search_value_rows(codes, out, *constants, *part)


# Blocks along another axis than the last: pieces of the array are turned


def _in_lines(loop_of: Callable[[Job], Any], x: Array, out: Array, job: Job) -> None:
    pieces = list(_pieces(job.layout))

    def turn(part: tuple[int, int]) -> None:
        for piece in pieces[slice(*part)]:
            _turned(loop_of, x, out, job, piece)

    pool.run(turn, parts(len(pieces), x.size))


def _pieces(layout: Layout) -> Iterator[tuple[slice, slice, slice]]:
    """Outer indices, groups and inner indices."""
    width = min(max(PIECE // layout.size, LEAST_WIDTH), layout.inner)
    height = min(max(PIECE // (layout.size * width), 1), layout.groups)
    depth = max(PIECE // (layout.size * height * width), 1)
    steps = (layout.outer, depth), (layout.groups, height), (layout.inner, width)
    yield from product(*([slice(i, min(i + step, n)) for i in range(0, n, step)] for n, step in steps))


def _turned(
    loop_of: Callable[[Job], Any], x: Array, out: Array, job: Job, piece: tuple[slice, slice, slice]
) -> None:
    outer, groups, inner = piece
    layout, size = job.layout, job.layout.size
    lines = slice(groups.start * size, min(groups.stop * size, layout.n))

    def turned(a: Array, n: int, part: slice) -> Array:
        return a.reshape(layout.outer, n, layout.inner)[outer, part, inner].swapaxes(1, 2)

    absmax, short = (turned(a, layout.groups, groups).reshape(-1) for a in (job.absmax, job.short))
    numbers, target = (turned(a, layout.n, lines) for a in (x, out))
    n = numbers.shape[2]
    along = Layout(numbers.size // n, n, 1, min(size, n), False)
    loop = loop_of(job._replace(layout=along, absmax=absmax, short=short))
    result = np.empty(target.shape, F4 if out.dtype.kind == "f" else out.dtype.newbyteorder("="))
    loop(numbers.reshape(-1), result.reshape(-1), 0, along.rows()[0], 0)
    with np.errstate(over="ignore"):
        target[...] = result


# What the loops are told of a search


class SearchWords(NamedTuple):
    halves: bool  # `Halving`; else `Entries`
    parameters: Array
    bounds: Array


@lru_cache(maxsize=64)
def search_words(search: Search, of: Codebook) -> SearchWords | None:
    """None where thresholds lie too close together for a table."""
    steps = thresholds(found_cuts(search, of), list(range(len(of.table))), WIDTH)
    nan, nearest = code_of_nan(search, of), min(_size(key) for key in steps.thresholds)
    halves = max(len(steps.results), len(of.table)) <= HALVED
    parameters = _halving(steps, nan) if halves else _entries(steps, nan)
    bounds = bounds_of(search, NEAR, GUARD if nearest < _word(NEAR) else 0.0)
    return None if parameters is None else SearchWords(halves, parameters, bounds)


@lru_cache(maxsize=64)
def value_words(search: Search, of: Codebook) -> tuple[Array, Array]:
    """The bounds, and what each code is worth under 1; words tell the least from 0 on any CPU."""
    values = search.values(of)
    sizes = np.abs(values).view(np.uint32)
    serves = sizes[sizes > 0].min() >= _word(NEAR)
    return bounds_of(search, NEAR if serves else FAR, 0.0), values


def _word(x: float) -> int:
    return int(F4(x).view(np.uint32))


def bounds_of(search: Search, least: float, guard: float) -> Array:
    """The range of scales under which float32 serves, from `least`, and `Limits`."""
    return np.array([least, FAR, search.floor, TINY * search.flushes, guard], F4)


def _size(key: int) -> int:
    """The magnitude of an ordered word."""
    return key - SIGN if key & SIGN else SIGN - 1 - key


def _halving(steps: Steps, nan: int) -> Array:
    spare = HALVED - len(steps.results)
    keys = [*steps.thresholds, *[(1 << WIDTH) - 1] * spare]
    codes = [*steps.results, *steps.results[-1:] * spare]
    low, high = (sum(code << 4 * k for k, code in enumerate(part)) for part in (codes[:8], codes[8:]))
    words = [key for first in (7, 3, 1, 0) for key in keys[first :: 2 * (first + 1)]]
    return pack(Halving(0, WIDTH - 1, SIGN, nan, low, high, *words), WIDTH)


def _entries(steps: Steps, nan: int) -> Array | None:
    """Entries of as many words as may be, so that none holds two thresholds."""
    sizes = [(key & SIGN, _size(key)) for key in steps.thresholds]
    low = min(size - bool(positive) for positive, size in sizes)
    high = max(size + 1 for _, size in sizes)
    for shift in range(WIDEST, -1, -1):
        count = (high - low >> shift) + 1
        side = count << shift
        places = np.array([side + (size - low if positive else low - size - 1) for positive, size in sizes])
        if 2 * count > LARGEST_TABLE:
            return None
        if (np.diff(places >> shift) > 0).all():
            break
    starts = np.arange(2 * count) << shift
    below = np.searchsorted(places, starts)
    nearest = np.append(places, 4 * side)[below] - starts
    split = nearest < 1 << shift
    codes = np.array(steps.results)
    table = codes[below] << 24 | codes[below + split] << 16 | np.where(split, nearest, 0)
    header = Entries(low=low, high=high, side=side, nan=2 * side, shift=shift, rest=(1 << shift) - 1)
    return pack((*header, *table.tolist(), nan << 24 | nan << 16), WIDTH)
