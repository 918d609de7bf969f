"""Integer products in the vector unit: addresses, work space and threads around `kernels.gemm`."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..engine import jit, pool
from . import cpu

Array = np.ndarray[Any, Any]
Sums = tuple[Array | None, Array | None]
WORTH_A_THREAD = 1 << 25  # multiplications; a thread takes longer to begin than fewer
WORK = 3 << 20  # bytes of work space for each thread
_FLIP = 0x80
_ALIGNED = 64
NO_OFFSETS = (0, 0)
NO_SUMS: Sums = (None, None)
_local = threading.local()


class Kernels(NamedTuple):
    """The loops of one path for operands of two dtypes, and what they xor to the elements they read: to
    change a sign where the instruction wants another, or to extend it."""

    function: int  # its address
    loops: Any  # the module
    pack: Any
    line: Any  # for one row of A, or None
    form: Any
    a_flip: int
    b_flip: int
    line_flip: int  # of B


class Panels(NamedTuple):
    """The whole of B as tiles read it, and its column sums for each block of k."""

    data: Array
    sums: Array
    dtype: np.dtype[Any]
    path: str


@cache
def kernels(path: str, a: np.dtype[Any], b: np.dtype[Any]) -> Kernels:
    loops: Any = jit.gemm_loops()
    name = getattr(cpu.PATHS[path], b.name)
    form, line = getattr(loops, name.upper()), getattr(loops, f"line_{path}_{a.name}", None)
    if form.depth == 2:
        flips = _FLIP * (a == np.int8), _FLIP * (b == np.int8)
    else:
        flips = _FLIP * ((a == np.int8) != (form.shift < 0)), 0
    function, pack = jit.callback(f"multiply_{name}").address, getattr(loops, f"pack_{name}")
    return Kernels(function, loops, pack, line, form, *flips, _FLIP * (a == b))


def multiply(
    a: Array,
    b: Any,
    out: Array,
    path: str,
    offsets: tuple[int, int] = NO_OFFSETS,
    sums: Sums = NO_SUMS,
) -> None:
    """(a + offset) (b + offset) into int32 `out`, whose rows are contiguous; row and column sums are added
    to `sums`. b is an array or `Panels` of one; no side may be empty."""
    found = kernels(path, a.dtype, b.dtype)
    if sums is not NO_SUMS or offsets != NO_OFFSETS:
        _multiply(_strided(a), b, out, found, offsets, sums)
    elif not _multiply_small(a, b, out, found):
        if isinstance(b, np.ndarray) and 1 in out.shape:
            _multiply_vector(a, b, out, path, found)
        else:
            _multiply(_strided(a), b, out, found, offsets, sums)


def _multiply_small(a: Array, b: Any, out: Array, found: Kernels) -> bool:
    """In one call and one thread, if that serves."""
    last = out, found.a_flip, found.b_flip, _work(), WORTH_A_THREAD
    if isinstance(b, Panels):
        return found.loops.call_with_panels(found.function, a, b.data, b.sums, *last)
    return found.loops.call_with_arrays(found.function, a, b, *last)


def _multiply_vector(a: Array, b: Array, out: Array, path: str, found: Kernels) -> None:
    """One row of A, which has loops of its own where bytes have; or one column of B, turned into that."""
    if a.shape[0] > 1 and out.strides[0] == out.itemsize:
        a, b, out = b.T, a.T, out.T
        found = kernels(path, a.dtype, b.dtype)
    if a.shape[0] == 1 and found.line:
        _multiply_line(np.ascontiguousarray(a), _strided(b).T, out, found)
    else:
        _multiply(_strided(a), b, out, found, NO_OFFSETS, NO_SUMS)


def _multiply(
    a: Array, b: Array | Panels, out: Array, found: Kernels, offsets: tuple[int, int], sums: Sums
) -> None:
    find, size = found.loops.address, a.itemsize
    (m, n), k, (across, along), down = out.shape, a.shape[1], a.strides, out.strides[0]
    left, target = find(a), find(out)
    row_sums, column_sums = (0 if x is None else find(x) for x in sums)
    if isinstance(b, Panels):
        right, b_along, b_across, packed = 0, 1, 0, (find(b.data), find(b.sums), b.sums.shape[1])
    else:
        b = _strided(b)
        right, (b_along, b_across), packed = find(b), b.strides, (0, 0, 0)

    def part(i: int, j: int, rows: int, columns: int, kept: Any = (a, b, out, sums)) -> None:
        call = (
            left + i * across, across, along, size, found.a_flip,
            right + j * b_across, b_across, b_along, size, found.b_flip,
            *packed, j, target + i * down + j * 4, down, rows, columns, k, *offsets,
            row_sums + 4 * i if row_sums and not j else 0,
            column_sums + 4 * j if column_sums and not i else 0, find(work := _work()),
        )  # fmt: skip
        found.loops.call_with_numbers(found.function, np.array(call, np.int64))
        del work, kept  # what the numbers point to lives until here

    _in_parts(part, m, n, k, found.form.columns)


def _multiply_line(a: Array, b: Array, out: Array, found: Kernels) -> None:
    """One row of A."""
    find, (n, k), (across, along) = found.loops.address, b.shape, b.strides
    left, right, target = find(a), find(b), find(out)

    def part(i: int, j: int, rows: int, columns: int, kept: Any = (a, b, out)) -> None:
        there, work = (right + j * across, across, along, 1, found.line_flip), _work(k)
        found.line(left, there, target + 4 * j, columns, k, find(work))
        del work, kept

    _in_parts(part, 1, n, k, 64)


def _in_parts(part: Any, m: int, n: int, k: int, unit: int) -> None:
    """`part(row, column, rows, columns)` on threads, which share the longer side."""
    if m * n * k <= WORTH_A_THREAD:
        return part(0, 0, m, n)
    step = -(-max(m, n) // (pool.thread_limit() * unit)) * unit
    if n >= m:
        pool.run(lambda j: part(0, j, m, min(step, n - j)), range(0, n, step))
    else:
        pool.run(lambda i: part(i, 0, min(step, m - i), n), range(0, m, step))
    return None


def _strided(x: Array) -> Array:
    """x or a copy, one of its strides the size of an element."""
    return x if x.itemsize in x.strides else np.ascontiguousarray(x)


def _work(line: int = 0) -> Array:
    """This thread's, kept for its next product; room for a row of so many bytes."""
    work: Array | None = getattr(_local, "work", None)
    if work is None or line > len(work) // 2:
        work = np.empty(max(WORK, 2 * line), np.uint8)
        _local.work = work if line <= WORK // 2 else None
    return work


def pack(b: Array, path: str) -> Panels:
    """All of b, (k, n)."""
    gemm: Any = jit.gemm_loops()
    loops = kernels(path, b.dtype, b.dtype)
    form, lines, find = loops.form, _strided(b).T, gemm.address
    n, k = lines.shape
    wide = -(-n // form.columns) * form.columns
    blocks = -(-k // (gemm.BLOCK_K * form.depth))
    data = np.empty(wide * -(-k // form.depth) * gemm.LANE + gemm.SLACK, np.uint8)
    data = data[-find(data) % _ALIGNED :]
    sums = np.empty((blocks, wide), np.int32)
    work = _work()
    there = find(lines), *lines.strides, lines.itemsize, loops.b_flip
    loops.pack(there, n, k, find(data), find(sums), find(work))
    del work
    return Panels(data, sums, b.dtype, path)
