"""Elements of any format under scales: which loop, which rows, threads; the definition in NumPy.

`x` is contiguous float32 or float64, or codes. An element whose scale is NaN is NaN, whatever x is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine import jit, pool
from ..engine.inputs import Input, writeable_alias
from ..engine.plan import decoding_plan, plan
from ..engine.run import WORTH_A_THREAD, Noise, decode_into, execute
from ..format import Format, exponent
from ..formats.fixed import Fixed
from ..formats.floats import Float
from ..kernels.affine import Geometry
from ..kernels.blocks import DIVIDE, INTEGER, Elements, PowerRule, row_at
from ..kernels.parameters import DecodingParameters, pack
from ..reference import WORD_BITS, Policy
from .granularity import LONG, Granularity, Layout
from .rules import fraction_bits

Array = np.ndarray[Any, Any]
COST = 0.4  # ns an element, roughly
PIECE = 1 << 16  # elements
SCRATCH = 1 << 15  # elements
BACKWARD = 1 << 19  # elements of a piece
LEAST = np.finfo(np.float64).smallest_subnormal
FRACTION, BIAS, SUBNORMALS = 23, 127, 149  # of float32; 2**-149 is its least number
SAFE = 120  # of units from 2**-120 over the least element to 2**120 no step of float32 is subnormal

BELOW_TWO = (1 << FRACTION) - 1
CARRIES: dict[str, Callable[[Format], int]] = {  # of rules: what goes up to the next power of two
    "floor": lambda of: 0,
    "ceil": lambda of: BELOW_TWO,
    "even": lambda of: 1 << FRACTION >> (fraction_bits(of) + 1),
    "rceil": lambda of: BELOW_TWO,
}
Adjusted = Callable[[Array, Format], Array]


class Job(NamedTuple):
    """All that decides an element beside the number: flat arrays of a number for each scale of the layout, or for
    each code of a scale."""

    of: Format
    layout: Layout
    factor: Array | None  # float64 where steps are exact, else float32; None: the unit, a power of two
    unit: Array  # what 1 is worth: float32, or float64
    divide: bool  # x / factor; else x * factor
    adjusted: Adjusted | None = None  # what becomes of that before it is rounded; float64 factors that are
    # no powers of two come with one
    codes: Array | None = None  # of the scales, uint8, where numbers are those of codes

    @property
    def exact(self) -> bool:
        return self.factor is None or self.factor.dtype == np.float64


# The largest magnitude of each scale's elements


def magnitudes(x: Array, among: Granularity, engine: str | None) -> Array:
    """The largest magnitude of each scale's elements, NaN where one is: of x's dtype, shape of the scales."""
    layout = among.layout(x.shape)
    compiled = loops(engine)
    if compiled is not None and x.size and not (layout.is_varying and layout.shared):
        found = _peaks(compiled, writeable_alias(x).reshape(-1), layout)
    else:
        with np.errstate(invalid="ignore"):
            low, high = layout.ranges(x)
            found = np.abs(np.maximum(-low, high))
    return among.joined(found.reshape(-1), x.shape, np.maximum)


def _peaks(compiled: Any, x: Array, layout: Layout) -> Array:
    count, g = _rows(layout)
    loop = compiled.block_peak_columns if layout.is_varying else compiled.block_peaks
    peaks, geometry = np.empty(count * g.inner, x.dtype), np.array(g, np.int64)
    pool.run(lambda part: loop(x, peaks, geometry, *part), parts(count, x.size))
    return peaks.reshape(layout.outer, layout.n, -1).max(axis=(0, 2)) if layout.shared else peaks


def powers(peaks: Array, words: Array, engine: str | None) -> Array | None:
    """The powers of two that a rule (`power_words`) gives, None where no loop finds them."""
    compiled = loops(engine)
    if compiled is None or peaks.dtype != np.float32:
        return None
    scales = np.array(peaks)
    compiled.block_powers(scales.reshape(-1), words)
    return scales


# Elements


def run(
    kind: str, x: Array, out: Array, job: Job, rule: Policy, noise: Noise | None, engine: str | None,
    has_nan: bool,
) -> None:  # fmt: skip
    """Fill `out`: "value" or "code" of numbers. `has_nan`: some may be NaN under a scale that is not."""
    if not x.size:
        return
    if np.may_share_memory(x, out) and not _same_place(x, out):
        x = x.copy()
    loop = None if has_nan or job.adjusted is not None else _rounding_loop(kind, x, out, job, rule, engine)
    if loop is not None:
        in_rows(loop, x, out, _rows(job.layout))
        return
    target = in_c_order(out)
    _defined(kind, x, target, out.dtype, job, rule, noise, engine)
    _poison(target, x.size, job, np.nan if kind == "value" else _code_of_nan(job.of, rule))


def read(codes: Array, out: Array, job: Job, engine: str | None = None) -> None:
    """Fill `out` with the values of codes."""
    if not codes.size:
        return
    loop = _decoding_loop(job, engine)
    if loop is not None:
        in_rows(loop, codes, out, _rows(job.layout))
        return
    flat, target = writeable_alias(codes).reshape(-1), in_c_order(out)
    for where in chunks(codes.size, LONG):
        values = np.empty(where.stop - where.start)
        decode_into(flat[where], decoding_plan(job.of), values)
        with np.errstate(all="ignore"):
            target[where] = _worth(values, job, where)
    _poison(target, codes.size, job, np.nan)


def run_by_powers(
    kind: str, x: Array, out: Array, of: Format, layout: Layout, powers: Array, rule: Policy,
    engine: str | None,
) -> Array | None:  # fmt: skip
    """`run`, in one pass, under the powers of two that a rule (`power_words`) finds: these, flat; None where
    no loop does."""
    compiled, q = loops(engine), element_words(of, rule, kind == "code")
    single = x.dtype == np.float32 and not (layout.is_varying or layout.shared)
    if compiled is None or q is None or not (single and x.size):
        return None
    if np.may_share_memory(x, out) and not _same_place(x, out):
        x = x.copy()
    count, g = _rows(layout)
    scales = np.empty(count, np.float32)
    constants = scales, powers, _plain_units(of, np.float32), q, np.array(g, np.int64), 0
    in_rows(lambda x, out, *part: compiled.block_scaled_rows(x, out, *constants, *part), x, out, (count, g))
    return scales


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
        with np.errstate(all="ignore"):
            out[where] = result if kind == "code" else _worth(result, job, where)


def in_units(x: Array, job: Job, where: slice) -> Array:
    """x over its scale: exact in float64, or one float32 step. Finite numbers stay finite, and exact ones
    on their side of 0; where the scale is NaN, so that none is refused, 0."""
    number: Any = np.float64 if job.exact else np.float32
    factor = _of(job.unit if job.factor is None else job.factor, job, where).astype(number)
    with np.errstate(all="ignore"):
        given = x.astype(number)
        t = given / factor if job.divide else given * factor
        over = np.isinf(t) & np.isfinite(given)
        lost = np.isnan(t) & np.isinf(given) & np.isfinite(x) & np.isinf(factor)
    t[over] = np.copysign(np.finfo(number).max, given[over])
    t[lost] = np.copysign(number(0), given[lost])
    if job.exact:
        under = (t == 0) & (given != 0)
        t[under] = np.copysign(LEAST, given[under])
    t = np.where(np.isnan(factor), number(0), t)
    return t if job.adjusted is None else job.adjusted(t, job.of)


def _worth(values: Array, job: Job, where: slice) -> Array:
    return values * _of(job.unit, job, where)


def _of(numbers: Array, job: Job, where: slice) -> Array:
    """One of a scale's numbers for each element of a part."""
    if numbers.size == 1:
        return numbers
    scale = job.layout.scale_of(where.start, where.stop)
    return numbers[scale if job.codes is None else job.codes[scale]]


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


def in_c_order(out: Array) -> Any:
    """Something whose slices are those of `out` in C order."""
    return out.reshape(-1) if out.flags.c_contiguous else out.flat


def chunks(size: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, size)) for start in range(0, size, max(step, 1))]


# The loops


def loops(engine: str | None) -> Any:
    """The compiled loops, None where an engine is asked for that has none."""
    if engine in ("numpy", "reference"):
        return None
    compiled = jit.loops()
    if compiled is None and engine == "kernel":
        raise ImportError("engine='kernel' needs numba, which cannot be imported")
    return compiled


def _rounding_loop(kind: str, x: Array, out: Array, job: Job, rule: Policy, engine: str | None) -> Any:
    """What fills rows of `out`, None where no loop does."""
    compiled, q = loops(engine), element_words(job.of, rule, kind == "code")
    if compiled is None or q is None:
        return None
    p, single = job.factor, x.dtype == np.float32
    if p is None:
        serves = job.unit.dtype == np.float32
    else:
        serves = (single or not job.exact) and not _is_far(p, job.divide and single)
    bounds = (
        _plain_units(job.of, job.unit.dtype) if single or not job.exact else np.full(2, np.inf, np.float32)
    )
    p = None if p is None else p.astype(np.float32, copy=False)
    how = DIVIDE * (p is not None and job.divide)
    return _bound(compiled, job, p, bounds, q, how) if serves else None


def _is_far(p: Array, bounded: bool) -> bool:
    """Whether a number over or times some of them may be NaN. `bounded`: infinite ones divide what is finite."""
    return not p.all() or bool(not bounded and np.isinf(p).any())


def _decoding_loop(job: Job, engine: str | None) -> Any:
    """What fills rows with the values of codes, None where no loop does."""
    compiled, q = loops(engine), reading_words(job.of)
    if compiled is None or q is None:
        return None
    how = INTEGER * isinstance(job.of, Fixed)
    return _bound(compiled, job, None, _plain_units(job.of, job.unit.dtype), q, how)


def _bound(compiled: Any, job: Job, p: Array | None, bounds: Array, q: Array, how: int) -> Any:
    layout, unit = job.layout, job.unit
    loop = compiled.block_columns if layout.is_varying else compiled.block_rows
    if layout.copies > 1:
        p, unit = None if p is None else np.tile(p, layout.copies), np.tile(unit, layout.copies)
    numbers = (p, unit) if layout.is_varying else (p, unit, job.codes)
    constants = *numbers, bounds, q, np.array(_rows(layout)[1], np.int64), how
    return lambda x, out, *part: loop(x, out, *constants, *part)


def _plain_units(of: Format, dtype: Any) -> Array:
    """The least and the greatest unit under which no step in float32 meets a subnormal."""
    return np.array([2.0**-SAFE / min(float(of.smallest), 1), 2.0**SAFE], dtype)


def _rows(layout: Layout) -> tuple[int, Geometry]:
    return layout.columns() if layout.is_varying else layout.rows()


def in_rows(loop: Any, x: Array, out: Array, rows: tuple[int, Geometry]) -> None:
    """Fill `out` by a loop over rows of x, by as many threads as they are worth; from the end, which the pass that
    found the scales has left in the caches."""
    count, g = rows
    flat, pieces = writeable_alias(x).reshape(-1), parts(count, x.size)
    if _is_direct(x, out):
        target = out.reshape(-1)
        size = BACKWARD // (g.size * g.inner)
        pool.run(
            lambda p: [loop(flat, target, *part, 0) for part in reversed(pool.ranges(p[0], p[1], size))],
            pieces,
        )
    else:
        pool.run(lambda part: _by_scratch(loop, flat, out, g, part), pieces)


def _is_direct(x: Array, out: Array) -> bool:
    plain = out.flags.carray and out.dtype.isnative and out.dtype != np.float16
    return plain and not np.may_share_memory(x, out)


def _by_scratch(loop: Any, x: Array, out: Array, g: Geometry, part: tuple[int, int]) -> None:
    """Some rows at a time: `out` is x, strided, swapped or float16."""
    target, own = in_c_order(out), out.dtype.newbyteorder("=")
    dtype = np.dtype(np.float64) if own == np.float16 else own
    for first, last in pool.ranges(*part, max(1, SCRATCH // (g.size * g.inner))):
        start, stop = (g.inner * row_at(row, g).start for row in (first, last))
        scratch = np.empty(min(stop, x.size) - start, dtype)
        loop(x, scratch, first, last, start)
        with np.errstate(all="ignore"):
            target[start : start + scratch.size] = scratch


def _same_place(x: Array, out: Array) -> bool:
    return x.ctypes.data == out.ctypes.data and x.strides == out.strides and x.dtype == out.dtype


def parts(rows: int, size: int) -> list[tuple[int, int]]:
    """Rows for each thread."""
    limit = pool.thread_limit() if size * COST > WORTH_A_THREAD else 1
    return pool.shares(rows, limit)


# What the loops are told of a format and of a rule


@lru_cache(maxsize=256)
def element_words(of: Format, rule: Policy, codes: bool) -> Array | None:
    """`Elements` of a format that saturates and rounds to nearest even, None where the adder does not."""
    if rule.rounding.name != "nearest_even" or not rule.overflow.startswith("saturate"):
        return None
    if isinstance(of, Fixed):
        q = _fixed_elements(of, rule)
    elif isinstance(of, Float) and rule.overflow == "saturate":
        q = _float_elements(of, rule, codes)
    else:
        q = None
    return None if q is None else pack(q, 32)


def _fixed_elements(of: Fixed, rule: Policy) -> Elements | None:
    if of.boundary_bits >= FRACTION or abs(of.frac) + of.bits > 64 or rule.overflow == "saturate_zero":
        return None
    low = -of.max if rule.overflow == "saturate_symmetric" and of.signed else of.min
    return Elements(
        sign=0, low=_word(low), high=_word(of.max), adder=0, magic=_magic(of.step), limit=-1, rebias=0, cut=0,
        sign_shift=0, zero_sign=0, nan=_code_of_nan(of, rule),
    )  # fmt: skip


def _float_elements(of: Float, rule: Policy, codes: bool) -> Elements | None:
    cut = FRACTION - of.man_bits
    regular = of.has_zero and of.subnormals and of.man_bits and cut > 1
    if not regular or of.emin < -64 or of.emax > 64:
        return None
    signed_zero = of.signed and of.kind.negative_zero
    return Elements(
        sign=1 << 31 if signed_zero or (codes and of.signed) else 0, low=_word(of.min), high=_word(of.max),
        adder=(cut << FRACTION) | (1 << (FRACTION - 1)), magic=_magic(of.quantum),
        limit=_word(2.0**of.emin), rebias=(of.emin + BIAS - 1) << FRACTION, cut=cut,
        sign_shift=32 - of.bits, zero_sign=not signed_zero, nan=_code_of_nan(of, rule),
    )  # fmt: skip


@lru_cache(maxsize=256)
def reading_words(of: Format) -> Array | None:
    """`DecodingParameters` of a format, None where no loop reads its codes; of integers one step is `magic`."""
    reading = decoding_plan(of).loop(32)
    if reading is not None and isinstance(of, Fixed):
        return pack(
            DecodingParameters(*[0] * len(DecodingParameters._fields))._replace(magic=_word(of.step)), 32
        )
    plain = reading is not None and reading.args[0].__name__ == "decode_codes"
    return reading.args[1] if plain else None


def _word(x: Any) -> int:
    return int(np.float32(float(x)).view(np.uint32))


def _magic(step: Any) -> int:
    """The number whose ulp is a step, and whose neighbours of both signs have that ulp too."""
    return _word(float(step) * 1.5 * 2.0**FRACTION)


@lru_cache(maxsize=256)
def power_words(rule: str, of: Format, scale: Format) -> Array | None:
    """`PowerRule` for elements and scales, None where the rule gives no power of two that the scales have."""
    powers = isinstance(scale, Float) and not scale.man_bits and not scale.has_zero
    if not powers or scale.nan() is None or rule not in CARRIES:
        return None
    e, factor = exponent(of.max), np.float32(1)
    if rule == "rceil":
        e, factor = 0, factor / np.float32(of.max)
    offset = BIAS + e
    if offset < 0:
        return None
    low, high = (exponent(x) + SUBNORMALS + offset for x in (scale.smallest, scale.max))
    q = PowerRule(factor=_word(factor), carry=CARRIES[rule](of), offset=offset, low=low, high=high)
    return pack(q, 32)
