"""Affine quantization of whole arrays: which loop, which rows, threads; the definition in NumPy.

`x` is contiguous float32 or float64, or codes; each element is first rounded to float32.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..engine import jit, pool
from ..engine.inputs import writeable_alias
from ..engine.run import WORTH_A_THREAD
from ..kernels import affine as steps
from ..kernels.affine import Bounds, Geometry, Parameters
from ..kernels.odd import odd_sum
from .granularity import LONG, Layout, Shape
from .profiles import Profile

Array = np.ndarray[Any, Any]
SCRATCH = 1 << 15  # elements
KERNEL_BITS = 16  # of codes that float32 counts exactly, with a zero point
COST = 0.25  # ns an element, roughly
INF_WORD = 0x7F800000
INT32 = 1 << 31


class Job(NamedTuple):
    """All that decides a code beside the number: flat arrays of a number for each scale."""

    layout: Layout
    profile: Profile
    parameters: Parameters
    bounds: Bounds
    away: bool
    wide: bool  # codes of more than KERNEL_BITS bits

    @property
    def how(self) -> int:
        return (
            steps.DIVIDE * (self.profile.op == "divide")
            + steps.AWAY * self.away
            + steps.QUOTIENT * (self.profile.keeps == "reciprocal")
            + steps.FUSED * (self.profile.zero == "fused")
        )

    @property
    def has_loop(self) -> bool:
        return not self.wide and self.profile.clamp == "float"


def job_of(
    layout: Layout, profile: Profile, scales: Array, zeros: Array | None, first: int, last: int, nan: int,
    away: bool, bits: int,
) -> Job:  # fmt: skip
    """From scales as the profile keeps them, in the order of the layout."""
    wide = bits > KERNEL_BITS
    number = np.float64 if wide else np.float32
    kept, none = scales.reshape(-1), np.zeros(1, np.float32)
    inverted = profile.op == "reciprocal" and profile.keeps == "scale"
    factor = np.float32(1) / kept if inverted else kept
    before = after = none
    if zeros is not None and profile.zero in ("before", "fused"):
        before = zeros.reshape(-1).astype(np.float32)
    elif zeros is not None:
        after = zeros.reshape(-1).astype(number)
    parameters = Parameters(factor, kept, before, after)
    bounds = Bounds(number(first), number(last), number(profile.limit), number(nan))
    return Job(layout, profile, parameters, bounds, away, wide)


def run(kind: str, x: Array, out: Array, job: Job, engine: str | None) -> bool:
    """Fill `out`: "value" and "code" of numbers, or "decode" of codes. Whether some x is NaN."""
    if not x.size:
        return False
    if np.may_share_memory(x, out) and not _same_place(x, out):
        x = x.copy()
    compiled = jit.loops() if engine not in ("numpy", "reference") and job.has_loop else None
    if compiled is not None:
        return _compiled(compiled, kind, writeable_alias(x).reshape(-1), out, job)
    if engine == "kernel" and jit.loops() is None:
        raise ImportError("engine='kernel' needs numba, which cannot be imported")
    return _defined(_DEFINITIONS[kind], x.reshape(-1), out, job)


def _same_place(x: Array, out: Array) -> bool:
    return x.ctypes.data == out.ctypes.data and x.strides == out.strides and x.dtype == out.dtype


# The definition


def _defined(formula: Callable[..., Array], x: Array, out: Array, job: Job) -> bool:
    """Chunk by chunk; each chunk is read before it is written."""
    target, nan = _flat(out), False
    many = job.parameters.unit.size > 1
    with np.errstate(all="ignore"):
        for start in range(0, x.size, LONG):
            stop = min(start + LONG, x.size)
            scale = job.layout.scale_of(start, stop) if many else np.zeros(1, np.intp)
            given = x[start:stop]
            p = Parameters(*(field[scale] if field.size > 1 else field for field in job.parameters))
            result = formula(given, p, job)
            nan |= bool((given != given).any())
            target[start:stop] = result
    return nan


def _flat(out: Array) -> Any:
    """Something whose slices are those of `out` in C order."""
    return out.reshape(-1) if out.flags.c_contiguous else out.flat


def _codes(x: Array, p: Parameters, job: Job) -> Array:
    x = steps.single(x)
    if job.profile.clamp == "int32":
        return _int32_codes(x, p, job)
    return steps.code_of(x, p, job.bounds, job.how).astype(np.int64)


def _int32_codes(x: Array, p: Parameters, job: Job) -> Array:
    """x86 turns what an int32 does not hold into INT_MIN, and the sum with the zero point wraps."""
    t = steps.rounded(steps.scaled(x, p, job.how), job.how)
    held = (t >= -INT32) & (t < INT32)
    k = np.where(held, t, -INT32).astype(np.int64) + p.after.astype(np.int64)
    wrapped = (k + INT32) % (2 * INT32) - INT32
    return np.clip(wrapped, int(job.bounds.low), int(job.bounds.high))


def _values(x: Array, p: Parameters, job: Job) -> Array:
    if job.has_loop:
        return np.asarray(steps.value_of(steps.single(x), p, job.bounds, job.how))
    return _decoded(_codes(x, p, job), p, job)


def _decoded(code: Array, p: Parameters, job: Job) -> Array:
    if job.wide and not job.how & steps.QUOTIENT:
        return _product(code - (p.before.astype(np.float64) + p.after), p.unit)
    number = code.astype(np.float64 if job.wide else np.float32)
    return np.asarray(steps.decoded(number, p, job.how))


def _product(count: Array, unit: Array) -> Array:
    """fl32(unit * count) of integers below 2**33: exact halves, their float64 sum rounded to odd."""
    high = np.trunc(count / 65536) * 65536
    return np.asarray(steps.single(odd_sum(unit * high, unit * (count - high))))


_DEFINITIONS = {"value": _values, "code": _codes, "decode": _decoded}


# Other modes and policies: what comes before and after the rounding


def in_steps(x: Array, job: Job) -> Array:
    """x in steps, float32, before it is rounded; of the shape of x."""
    result = np.empty(x.shape, np.float32)
    _defined(lambda given, p, job: steps.scaled(steps.single(given), p, job.how), x.reshape(-1), result, job)
    return result


def after(shape: Shape, job: Job) -> Array:
    """The zero point added after rounding, int64, of that shape or one for all."""
    zeros = job.parameters.after.astype(np.int64)
    if zeros.size == 1:
        return zeros.reshape(())
    return zeros[job.layout.scale_of(0, prod(shape))].reshape(shape)


# The loops


def _compiled(compiled: Any, kind: str, x: Array, out: Array, job: Job) -> bool:
    layout = job.layout
    varying = layout.is_varying
    count, g = layout.columns() if varying else layout.rows()
    name = "affine_columns" if varying else "affine_rows"
    constants = *_lines(job), np.array(job.bounds, np.float32), np.array(g, np.int64), job.how
    limit = pool.thread_limit() if x.size * COST > WORTH_A_THREAD else 1
    parts = pool.shares(count, limit)
    if kind == "value" and out.flags.carray and _same_place(x, out.reshape(-1)):
        once = getattr(compiled, f"{name}_in_place")
        pool.run(lambda part: once(x, *constants, *part), parts)
        return False
    loop = getattr(compiled, name)
    if _is_direct(x, out):
        flat = out.reshape(-1)
        return max(pool.run(lambda part: loop(x, flat, *constants, *part, 0), parts)) > INF_WORD
    return max(pool.run(lambda part: _by_scratch(loop, constants, part, g, x, out), parts)) > INF_WORD


def _lines(job: Job) -> tuple[Array, Array | None]:
    """Scales and zero points as the loops take them."""
    factor, unit, before, after = job.parameters
    p = factor[None] if factor is unit else np.stack((factor, unit))
    z = None if before is after else np.stack(np.broadcast_arrays(before, after)).astype(np.float32)
    copies = job.layout.copies
    if copies == 1:
        return p, z
    return np.tile(p, copies), z if z is None else np.tile(z, copies)


def _is_direct(x: Array, out: Array) -> bool:
    plain = out.flags.carray and out.dtype.isnative and out.dtype != np.float16
    return plain and not np.may_share_memory(x, out)


def _by_scratch(loop: Any, constants: Any, part: tuple[int, int], g: Geometry, x: Array, out: Array) -> Any:
    """Rows go to a scratch array first: `out` is strided, swapped or float16, or `x` of other codes."""
    target, peak = _flat(out), np.uint32(0)
    dtype = out.dtype.newbyteorder("=") if out.dtype.kind != "f" else np.dtype(np.float32)
    for first, last in pool.ranges(*part, max(1, SCRATCH // (g.size * g.inner))):
        start, stop = (g.inner * steps.row_of(steps.row_at(row, g), g)[0] for row in (first, last))
        scratch = np.empty(min(stop, x.size) - start, dtype)
        peak = max(peak, loop(x, scratch, *constants, first, last, start))
        target[start : start + scratch.size] = scratch
    return peak
