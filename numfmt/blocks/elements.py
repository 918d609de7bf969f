"""Elements of any format under scales: which loop, which rows, threads; the definition in NumPy.

`x` is contiguous float32 or float64, or codes. An element whose scale is NaN is NaN, whatever x is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..engine import jit, pool
from ..engine.inputs import Input, writeable_alias
from ..engine.plan import decoding_plan, plan
from ..engine.run import WORTH_A_THREAD, Noise, decode_into, execute
from ..format import Format
from ..kernels.blocks import DIVIDE
from ..reference import WORD_BITS, Policy
from .granularity import LONG, Granularity, Layout

Array = np.ndarray[Any, Any]
COST = 0.4  # ns an element, roughly
PIECE = 1 << 16  # elements
LEAST = np.finfo(np.float64).smallest_subnormal
TINY = 2.0**-126  # the least normal number of float32


Adjusted = Callable[[Array, Format], Array]


class Job(NamedTuple):
    """All that decides an element beside the number: flat arrays of a number for each scale of the layout."""

    of: Format
    layout: Layout
    factor: Array  # float64 where quotients are exact, else float32
    unit: Array  # float64: what 1 is worth
    divide: bool  # x / factor; else x * factor
    adjusted: Adjusted | None = None  # what becomes of that before it is rounded; float64 factors that are
    # no powers of two come with one

    @property
    def exact(self) -> bool:
        return self.factor.dtype == np.float64


# The largest magnitude of each scale's elements


def magnitudes(x: Array, among: Granularity, engine: str | None) -> Array:
    """The largest magnitude of each scale's elements, NaN where one is: of x's dtype, shape of the scales."""
    layout = among.layout(x.shape)
    compiled = _loops(engine)
    if compiled is not None and x.dtype == np.float32 and not layout.is_varying and x.size:
        found = _peaks(compiled, writeable_alias(x).reshape(-1), layout)
    else:
        with np.errstate(invalid="ignore"):
            low, high = layout.ranges(x)
            found = np.abs(np.maximum(-low, high))
    return among.joined(found.reshape(-1), x.shape, np.maximum)


def _peaks(compiled: Any, x: Array, layout: Layout) -> Array:
    rows, g = layout.rows()
    words, geometry = np.empty(rows, np.uint32), np.array(g, np.int64)
    pool.run(lambda part: compiled.block_peaks(x, words, geometry, *part), _parts(rows, x.size))
    peaks = words.view(np.float32)
    return peaks.reshape(layout.outer, layout.n, -1).max(axis=(0, 2)) if layout.shared else peaks


# Elements


def run(
    kind: str, x: Array, out: Array, job: Job, rule: Policy, noise: Noise | None, engine: str | None
) -> None:
    """Fill `out`: "value" or "code" of numbers."""
    if not x.size:
        return
    if np.may_share_memory(x, out) and not _same_place(x, out):
        x = x.copy()
    flat, target = writeable_alias(x).reshape(-1), _flat(out)
    loop = _rounding_loop(kind, x, out, job, rule, engine)
    if loop is None:
        _defined(kind, x, target, out.dtype, job, rule, noise, engine)
    else:
        pool.run(lambda part: loop(flat, target, *part), _parts(job.layout.rows()[0], x.size))
    _poison(target, x.size, job, np.nan if kind == "value" else _code_of_nan(job.of, rule))


def read(codes: Array, out: Array, job: Job, engine: str | None = None) -> None:
    """Fill `out` with the values of codes."""
    if not codes.size:
        return
    flat, target = writeable_alias(codes).reshape(-1), _flat(out)
    loop = _decoding_loop(out, job, engine)
    if loop is not None:
        pool.run(lambda part: loop(flat, target, *part), _parts(job.layout.rows()[0], codes.size))
    else:
        for where in chunks(codes.size, LONG):
            values = np.empty(where.stop - where.start)
            decode_into(flat[where], decoding_plan(job.of), values)
            with np.errstate(over="ignore"):
                target[where] = _worth(values, job, where)
    _poison(target, codes.size, job, np.nan)


def _defined(
    kind: str, x: Array, out: Any, dtype: np.dtype[Any], job: Job, rule: Policy, noise: Noise | None,
    engine: str | None,
) -> None:  # fmt: skip
    """Chunk by chunk; at once where the policy may refuse some, so that the error counts and places them."""
    rounding, flat = plan(job.of, rule, kind == "code", engine), writeable_alias(x).reshape(-1)
    for where in chunks(x.size, x.size if rounding.guarded else LONG):
        steps = in_units(flat[where], job, where)
        words = None if noise is None else Noise(WORD_BITS, given=noise.take(where.start, steps.size))
        result = np.empty(steps.size, dtype if kind == "code" else np.float64)
        shape = x.shape if rounding.guarded else steps.shape
        execute(Input(steps.reshape(shape)), rounding, result.reshape(shape), words)
        with np.errstate(over="ignore"):
            out[where] = result if kind == "code" else _worth(result, job, where)


def in_units(x: Array, job: Job, where: slice) -> Array:
    """x over its scale: exact in float64, or one float32 step. Finite numbers stay finite, and exact ones
    on their side of 0; where the scale is NaN, so that none is refused, 0."""
    factor, number = _of(job.factor, job, where), job.factor.dtype.type
    with np.errstate(all="ignore"):
        given = x.astype(number)
        t = given / factor if job.divide else given * factor
        over = np.isinf(t) & np.isfinite(given)
    t[over] = np.copysign(np.finfo(number).max, given[over])
    if job.exact:
        under = (t == 0) & (given != 0)
        t[under] = np.copysign(LEAST, given[under])
    t = np.where(np.isnan(factor), number(0), t)
    return t if job.adjusted is None else job.adjusted(t, job.of)


def _worth(values: Array, job: Job, where: slice) -> Array:
    with np.errstate(all="ignore"):
        return values * _of(job.unit, job, where)


def _of(numbers: Array, job: Job, where: slice) -> Array:
    """One of a scale's numbers for each element of a part."""
    return numbers if numbers.size == 1 else numbers[job.layout.scale_of(where.start, where.stop)]


def _poison(out: Any, size: int, job: Job, nan: Any) -> None:
    """`nan` in each element whose scale is NaN."""
    if not np.isnan(job.unit).any():
        return
    for where in chunks(size, PIECE):
        bad = np.flatnonzero(np.broadcast_to(np.isnan(_of(job.unit, job, where)), where.stop - where.start))
        out[where.start + bad] = nan


def _code_of_nan(of: Format, rule: Policy) -> int:
    """The code of an element whose scale is NaN: NaN, or 0 where there is none."""
    code = of.nan() if rule.nan_code is None else None
    return of.outward((of.zero() or 0) if code is None else code)


def _flat(out: Array) -> Any:
    return out.reshape(-1) if out.flags.c_contiguous else out.flat


def chunks(size: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, size)) for start in range(0, size, max(step, 1))]


# The loops


def _loops(engine: str | None) -> Any:
    if engine in ("numpy", "reference"):
        return None
    compiled = jit.loops()
    if compiled is None and engine == "kernel":
        raise ImportError("engine='kernel' needs numba, which cannot be imported")
    return compiled


_ROUNDING = {
    ("value", "value_even"): "block_values",
    ("value", "value_even_adder"): "block_values_adder",
    ("code", "code_even"): "block_codes",
}


def _rounding_loop(kind: str, x: Array, out: Array, job: Job, rule: Policy, engine: str | None) -> Any:
    """What fills rows of `out`, None where no loop does."""
    compiled = _loops(engine)
    suits = (
        _suits(out, job)
        and job.adjusted is None
        and out.dtype.itemsize <= 4
        and rule.overflow == "saturate"  # other policies tell a quotient past float32 from an infinity
        and (not job.exact or (x.dtype == np.float32 and _is_exact_in_float32(job)))
    )
    if not (compiled and suits):
        return None
    lowered = plan(job.of, _of_numbers(rule, x, job), kind == "code", engine).loop(32)
    loop = _ROUNDING.get((kind, getattr(lowered.bare[0], "__name__", ""))) if lowered else None
    if loop is None or lowered is None:
        return None
    called, p = getattr(compiled, loop), 1 / job.factor if job.exact and job.divide else job.factor
    constants = p.astype(np.float32), job.unit, lowered.bare[1], np.array(job.layout.rows()[1], np.int64)
    how = DIVIDE * (job.divide and not job.exact)
    return lambda x, out, first, last: called(x, out, *constants, how, first, last)


def _of_numbers(rule: Policy, x: Array, job: Job) -> Policy:
    """The policy without a code that NaN becomes, where there will be none: it keeps from the short loops."""
    if rule.nan_code is None or rule.nan_code < 0:
        return rule
    return rule if np.isnan(x.max()) or np.isinf(job.factor).any() else rule._replace(nan_code=-1)


def _is_exact_in_float32(job: Job) -> bool:
    """Whether x * (1 / unit) is exact, or below all that the elements tell from 0, or past their last value."""
    low, high = job.unit < 2.0**-127, job.unit > (2.0**127 if job.of.min_normal > TINY else 1)
    return not (low | high).any()


def _decoding_loop(out: Array, job: Job, engine: str | None) -> Any:
    compiled = _loops(engine)
    reading = decoding_plan(job.of).loop(32) if compiled and _suits(out, job) else None
    if reading is None or out.dtype != np.float32 or reading.args[0].__name__ != "decode_codes":
        return None
    constants = job.unit, reading.args[1], np.array(job.layout.rows()[1], np.int64)
    return lambda codes, out, first, last: compiled.block_decode(codes, out, *constants, first, last)


def _suits(out: Array, job: Job) -> bool:
    return out.flags.carray and out.dtype.isnative and out.dtype != np.float16 and not job.layout.is_varying


def _same_place(x: Array, out: Array) -> bool:
    return x.ctypes.data == out.ctypes.data and x.strides == out.strides and x.dtype == out.dtype


def _parts(rows: int, size: int) -> list[tuple[int, int]]:
    """Rows for each thread."""
    limit = pool.thread_limit() if size * COST > WORTH_A_THREAD else 1
    step = max(-(-rows // limit), 1)
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]
