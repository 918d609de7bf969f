"""An operation on arrays: chunk by chunk exact or rounded to odd in float64, then rounded once as `cast` does.

Numbers that float32 does not hold, and formats that can tell a number from the same rounded to odd, are left to the
reference, element by element.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine import arrays, inputs, jit, pool
from ..engine.inputs import Input
from ..engine.plan import Plan, decoding_plan
from ..engine.run import (
    FULL_PRECISION,
    WORTH_A_THREAD,
    Noise,
    decode_into,
    decoded,
    execute,
    offenders,
    raise_refused,
    value_of,
)
from ..errors import RangeError
from ..format import Format, Value, is_special
from ..kernels.odd import DIVIDE_BY_ZERO, INEXACT, INVALID, OVERFLOW, UNDERFLOW
from ..reference import WORD_BITS, Policy, encode, exact, is_negative
from . import exceptions, nans
from .exceptions import Ends
from .nans import Profile
from .operands import EXACT, is_tiny, near, zero_like
from .operands import numbers as doubles
from .operations import Operation

Array = np.ndarray[Any, Any]
SHORT, KEPT = 22, 52  # significant bits of a number rounded to odd, above the odd one
COST = 3.0  # ns an element, roughly
KEPT_BY_INTEGERS = np.uint8(~UNDERFLOW & 0xFF)  # no integer underflows (IEEE 754-2019, 5.8)
CHUNK = 1 << 17  # elements; their scratch stays in the second-level cache
F4, F8 = np.dtype(np.float32), np.dtype(np.float64)


@dataclass(frozen=True)
class Job:
    """One call: what is done to numbers of `sources`, and how it is rounded."""

    operation: Operation
    plan: Plan
    sources: tuple[Format, ...]  # of the operands: whose subnormals `daz` takes for 0
    daz: bool
    ftz: str | None
    tininess: str
    nans: Profile | None  # None: canonical, with the sign of what is converted

    @property
    def fmt(self) -> Format:
        return self.plan.fmt

    @property
    def zero(self) -> float:
        """The sum of opposite numbers (IEEE 754-2019, 6.3)."""
        return -0.0 if self.plan.policy.rounding.name == "toward_negative" else 0.0

    @property
    def is_to_grid(self) -> bool:
        """Whether a number is made an integer or fixed point: what has no place there is invalid (7.2)."""
        return self.operation.name == "convert" and self.fmt.uniform

    @cached_property
    def serves(self) -> bool:
        """Whether the format cannot tell a number from the same rounded to odd."""
        policy, fmt = self.plan.policy, self.plan.fmt
        drawn = 32 if policy.rounding.stochastic else 0
        has_loop = self.operation.loop is not None and self.plan.asked != "reference"
        exact = fmt.boundary_bits + drawn <= KEPT and fmt.smallest >= FULL_PRECISION
        return has_loop and exact and not policy.wraps

    @cached_property
    def has_short_bits(self) -> bool:
        """Whether float32 rounded to odd serves too."""
        policy, fmt = self.plan.policy, self.plan.fmt
        plain = not policy.rounding.stochastic and not is_negative(self.zero)
        short = fmt.boundary_bits <= SHORT and fmt.fits(23, -126, 127)
        return plain and short and hasattr(self.module, f"{self.operation.name}_single")

    @cached_property
    def module(self) -> Any:
        return arrays if self.plan.asked == "numpy" else jit.loops() or arrays


def run(job: Job, operands: tuple[Input, ...], out: Array, noise: Noise | None, flags: Array | None) -> None:
    """Fill `out`, and `flags` with the exceptions of each element. Operands have the shape of `out`."""
    if not out.size:
        return
    if any(np.may_share_memory(x.array, out) for x in operands):
        operands = tuple(x._replace(array=x.array.copy()) for x in operands)
    work = _Work(job, noise)
    suspicious = any(pool.run(lambda part: work.fill(operands, out, flags, part), _parts(out)))
    if suspicious and job.plan.guarded:
        _refuse(job, operands, noise)


def _parts(out: Array) -> list[slice]:
    limit = pool.thread_limit() if out.size * COST > WORTH_A_THREAD else 1
    size = max(-(-out.size // limit // CHUNK) * CHUNK, CHUNK)
    return [slice(start, min(start + size, out.size)) for start in range(0, out.size, size)]


class _Work(NamedTuple):
    """What is done to a part of the arrays."""

    job: Job
    noise: Noise | None

    def fill(self, operands: tuple[Input, ...], out: Array, flags: Array | None, part: slice) -> bool:
        if flags is None and self._is_direct(operands, out):
            return self._fill_directly([x.array.reshape(-1) for x in operands], out.reshape(-1), part)
        suspicious, scratch = False, np.empty(min(CHUNK, part.stop - part.start))
        for start in range(part.start, part.stop, CHUNK):
            here = slice(start, min(start + CHUNK, part.stop))
            count = here.stop - here.start
            words = None if self.noise is None else self.noise.take(start, count)
            result = _place(out, here)
            marks = None if flags is None else np.empty(count, np.uint8)
            suspicious |= self._chunk(
                [_part(x, here) for x in operands], scratch[:count], words, result, marks
            )
            _store(out, here, result)
            if flags is not None:
                flags.reshape(-1)[here] = marks
        return suspicious

    def _is_direct(self, operands: tuple[Input, ...], out: Array) -> bool:
        """Whether two loops are all there is to do: float32 operands and results as they lie in memory."""
        job = self.job
        plain = self.noise is None and job.ftz is None and not job.daz and job.nans is None
        return (
            plain and job.has_short_bits and job.plan.loop(32) is not None
            and all(x.coded is None and x.array.dtype == F4 and inputs.is_loadable(x.array) for x in operands)
            and out.flags.carray and out.dtype.isnative and out.dtype != np.float16
        )  # fmt: skip

    def _fill_directly(self, operands: list[Array], out: Array, part: slice) -> bool:
        operation, loop = (
            getattr(self.job.module, f"{self.job.operation.name}_single"),
            self.job.plan.loop(32),
        )
        assert loop is not None
        given, scratch, suspicious = [inputs.writeable_alias(x) for x in operands], np.empty(CHUNK, F4), False
        for start in range(part.start, part.stop, CHUNK):
            here = slice(start, min(start + CHUNK, part.stop))
            numbers, w = [x[here] for x in given], scratch[: here.stop - start]
            if operation(*numbers, w):
                suspicious |= self._chunk(
                    [Input(x) for x in numbers], np.empty(w.size), None, out[here], None
                )
            else:
                suspicious |= loop.run(w, None, out[here])
        return suspicious

    def _chunk(
        self, given: list[Input], w: Array, words: Array | None, out: Array, marks: Array | None
    ) -> bool:
        if not self.job.serves:
            suspicious = self._exactly(given, range(out.size), words, w, out, marks)
            self._choose_nans(given, w, out)
            return suspicious
        numbers, wide = self._numbers(given)
        w = self._compute(numbers, w)
        flushed = self._flush(w, words)
        suspicious = self._round(w, words, out)
        if marks is not None:
            self._mark(given, numbers, w, words, out, marks, flushed)
        if wide is not None:
            w = w.astype(F8, copy=False)
            suspicious |= self._exactly(given, np.flatnonzero(wide), words, w, out, marks)
        self._choose_nans(given, w, out)
        return suspicious

    def refused(self, given: list[Input], start: int) -> tuple[Array, Array]:
        """Which results of a chunk the policy refuses, and float64 near them."""
        w, size = np.zeros(given[0].array.size), given[0].array.size
        words = None if self.noise is None else self.noise.take(start, size)
        bad, alone = np.zeros(size, bool), np.arange(size)
        if self.job.serves:
            numbers, wide = self._numbers(given)
            w = self._compute(numbers, w).astype(F8)
            self._flush(w, words)
            bad, alone = (
                offenders(w, self.job.plan, self.noise, start),
                np.flatnonzero(wide if wide is not None else ()),
            )
        for i in map(int, alone):
            operands = self._operands(given, i)
            try:
                w[i], _, _ = self._one(operands, _word(words, i))
                bad[i] = False
            except RangeError:
                w[i], bad[i] = near(self.job.operation.exact(*operands, zero=self.job.zero)), True
        return bad, w

    def _numbers(self, given: list[Input]) -> tuple[list[Array], Array | None]:
        """The operands as float32 or float64, and where some are numbers that float32 does not hold."""
        with np.errstate(all="ignore"):  # NaN that signals
            read = [_number(x, self.job.operation.wide) for x in given]
            widest = max((x.dtype for x, _ in read), key=lambda dtype: dtype.itemsize)
            numbers = [x if x.dtype == widest else doubles(Input(x)) for x, _ in read]
        masks = [mask for _, mask in read if mask is not None]
        if self.job.daz:
            numbers = [_denormals_are_zero(x, fmt) for x, fmt in zip(numbers, self.job.sources, strict=True)]
        return numbers, np.logical_or.reduce(masks) if masks else None

    def _compute(self, numbers: list[Array], w: Array) -> Array:
        """The results, exact or rounded to odd: float32 where that serves, else `w`."""
        operation, given = self.job.operation, [inputs.writeable_alias(x) for x in numbers]
        if self.job.has_short_bits and given[0].dtype == F4:
            single = w.view(F4)[: w.size]
            if not getattr(self.job.module, operation.name + "_single")(*given, single):
                return single
        assert operation.loop is not None
        getattr(self.job.module, operation.loop)(*given, w)
        if operation.cancels and is_negative(self.job.zero):
            w[(w == 0) & ~_adds_positive_zeros(numbers, operation.name == "sub")] = -0.0
        return w

    def _round(self, w: Array, words: Array | None, out: Array) -> bool:
        plan = self.job.plan
        loop = plan.loop(8 * w.itemsize) or plan.loop(64)
        if loop is not None and out.dtype != np.float16:
            return loop.run(w, words, out)
        try:
            execute(Input(w), plan, out, None if words is None else Noise(WORD_BITS, given=words))
        except RangeError:
            return True
        return False

    def _flush(self, w: Array, words: Array | None) -> Array | None:
        """Zeros in place of tiny results; where."""
        if self.job.ftz is None:
            return None
        tiny = self._is_tiny(w, words, self.job.ftz)
        w[tiny] = np.copysign(0.0, w[tiny])
        return tiny

    def _is_tiny(self, w: Array, words: Array | None, tininess: str) -> Array:
        fmt, policy = self.job.fmt, self.job.plan.policy
        sure, unsure = _between(w, *(e[2:] for e in self._ends(tininess)))
        for i in map(int, np.flatnonzero(unsure)):
            sure[i] = exceptions.is_tiny(exact(w[i]), fmt, policy, _word(words, i), tininess)
        return sure & (w != 0)

    def _ends(self, tininess: str) -> tuple[Ends, Ends]:
        """Without and with the largest draw."""
        fmt, policy = self.job.fmt, self.job.plan.policy
        most = exceptions.MOST_NOISE if policy.rounding.stochastic else 0
        return exceptions.ends(fmt, policy, tininess), exceptions.ends(fmt, policy, tininess, most)

    def _mark(
        self, given: list[Input], numbers: list[Array], w: Array, words: Array | None, out: Array, marks: Array,
        flushed: Array | None,
    ) -> None:  # fmt: skip
        """The exceptions of a chunk."""
        values = _values(out, self.job.plan)
        ends = self._ends(self.job.tininess)
        self.job.module.flag(w, values, marks, np.array(ends[0]))
        if ends[0] != ends[1]:
            self._mark_draws(w, values, marks, ends, words)
        if flushed is not None:
            marks[flushed] |= UNDERFLOW | INEXACT * (self.job.ftz == "after")
        special = np.flatnonzero(~np.isfinite(w))
        if special.size:
            operands = [x[special] for x in numbers]
            marks[special] = _of_specials(w[special], operands)
            marks[special] |= _signalling([_part(x, special) for x in given])
        if self.job.fmt.zero() is None:
            marks[w == 0] = INEXACT | OVERFLOW  # out of range, as negative numbers are
        if self.job.is_to_grid:
            marks &= KEPT_BY_INTEGERS
            marks[~np.isfinite(w) | (marks & OVERFLOW != 0)] = INVALID

    def _mark_draws(
        self, w: Array, values: Array, marks: Array, ends: tuple[Ends, Ends], words: Array | None
    ) -> None:
        """What only the draw decides: overflow, and whether a rounded result is tiny."""
        fmt, policy = self.job.fmt, self.job.plan.policy
        over = _between(w, (ends[0].low, ends[0].high), (ends[1].low, ends[1].high))[1]
        tiny = _between(w, ends[0][2:], ends[1][2:])[1]
        for i in map(int, np.flatnonzero((over | tiny) & np.isfinite(w))):
            x, noise = exact(w[i]), _word(words, i)
            code = encode(x, fmt, policy, noise)
            marks[i] = exceptions.of_finite(x, code, fmt, policy, noise, self.job.tininess)

    def _exactly(
        self, given: list[Input], where: Iterable[int], words: Array | None, w: Array, out: Array,
        marks: Array | None,
    ) -> bool:  # fmt: skip
        """The reference, element by element, with numbers near the results in `w`; whether the policy refuses
        some."""
        refused = False
        for i in where:
            operands = self._operands(given, i)
            try:
                w[i], out[i], mark = self._one(operands, _word(words, i))
            except RangeError:
                refused = True
                continue
            if marks is not None:
                mark |= _signalling([_part(x, slice(i, i + 1)) for x in given])[0]
                lost = self.job.is_to_grid and (mark & OVERFLOW or any(map(is_special, operands)))
                marks[i] = INVALID if lost else mark & KEPT_BY_INTEGERS if self.job.is_to_grid else mark
        return refused

    def _operands(self, given: list[Input], i: int) -> tuple[Value, ...]:
        return tuple(self._operand(x, i, fmt) for x, fmt in zip(given, self.job.sources, strict=True))

    def _operand(self, source: Input, i: int, fmt: Format) -> Value:
        x = exact(source.array[i]) if source.coded is None else decoded(source.array[i], source.coded)
        return zero_like(x) if self.job.daz and is_tiny(x, fmt) else x

    def _one(self, operands: tuple[Value, ...], noise: int) -> tuple[float, Any, int]:
        """A float64 near an exact result, what it gives, and its exceptions."""
        job, (fmt, policy) = self.job, (self.job.fmt, self.job.plan.policy)
        x = job.operation.exact(*operands, zero=job.zero)
        x, code, mark = _decided(x, is_negative(x), fmt, policy, noise, job.tininess, job.ftz)
        if isinstance(x, float) and not math.isfinite(x):
            mark = exceptions.of_special(x, operands)
        if job.plan.codes:
            return near(x), fmt.outward(code), mark
        return near(x), value_of(fmt, code, is_negative(x), x != x, policy), mark

    def _choose_nans(self, given: list[Input], w: Array, out: Array) -> None:
        """NaN results as the profile has them."""
        fmt, profile = self.job.fmt, self.job.nans
        if profile is None or fmt.nan() is None or self.job.plan.policy.nan_code is not None:
            return
        bad = np.flatnonzero(np.isnan(w))
        codes = nans.chosen(profile, [_part(x, bad) for x in given], fmt)
        if self.job.plan.codes:
            out[bad] = codes
        elif fmt.signed:
            out[bad] = np.copysign(np.nan, np.where(codes >> np.uint64(fmt.bits - 1), -1.0, 1.0))


@lru_cache(maxsize=1 << 16)
def _decided(
    x: Value, negative: bool, fmt: Format, policy: Policy, noise: int, tininess: str, ftz: str | None
) -> tuple[Value, int, int]:
    """An exact result, flushed, its code and the exceptions of finite ones; `negative` tells zeros apart."""
    flushed = ftz is not None and exceptions.is_tiny(x, fmt, policy, noise, ftz)
    if flushed:
        x = -0.0 if negative else Fraction(0)
    code = encode(x, fmt, policy, noise)
    mark = (UNDERFLOW | INEXACT * (ftz == "after")) * flushed
    return x, code, mark | exceptions.of_finite(x, code, fmt, policy, noise, tininess)


def _of_specials(w: Array, operands: list[Array]) -> Array:
    """`exceptions.of_special` of NaN and infinite results."""
    nan = np.isnan(w)
    quiet = np.logical_or.reduce([np.isnan(x) for x in operands])
    if len(operands) == 3:
        a, b = np.abs(operands[0]), np.abs(operands[1])
        quiet &= ~(((a == 0) & (b == np.inf)) | ((a == np.inf) & (b == 0)))
    finite = np.logical_and.reduce([np.isfinite(x) for x in operands])
    return (INVALID * (nan & ~quiet) + DIVIDE_BY_ZERO * (~nan & finite)).astype(np.uint8)


def _signalling(given: list[Input]) -> Array:
    """INVALID where an operand is a NaN that signals: its first fraction bit is 0 (3.4, 6.2.1)."""
    found = np.logical_or.reduce([nans.signals(x) for x in given])
    return (INVALID * found).astype(np.uint8)


def _adds_positive_zeros(numbers: list[Array], subtracts: bool) -> Array:
    """Where both addends are +0: their sum is that in every mode."""
    *factors, last = numbers
    negative = np.logical_xor.reduce([np.signbit(x) for x in factors])
    zero = np.logical_or.reduce([x == 0 for x in factors])
    return zero & ~negative & (last == 0) & (np.signbit(last) == subtracts)


def _between(x: Array, one: tuple[float, ...], other: tuple[float, ...]) -> tuple[Array, Array]:
    """Where numbers lie between both pairs of ends, and where between one pair alone."""
    inside = [(x > low) & (x < high) for low, high in (one, other)]
    return inside[0] & inside[1], inside[0] ^ inside[1]


def _denormals_are_zero(x: Array, fmt: Format) -> Array:
    return np.where(np.abs(x) < float(fmt.min_normal), np.copysign(0.0, x), x).astype(x.dtype)


def _word(words: Array | None, i: int) -> int:
    return 0 if words is None else int(words[i])


# Reading and storing parts


def _part(source: Input, where: Any) -> Input:
    """Some elements in C order, contiguous and native."""
    x = source.array
    flat = x.reshape(-1) if x.flags.c_contiguous else x.flat
    taken = np.asarray(flat[where])
    return source._replace(array=np.require(taken, taken.dtype.newbyteorder("="), ["C", "A"]))


def _number(source: Input, wide: bool) -> tuple[Array, Array | None]:
    """Numbers as float32 or float64, and where they are others than float32 holds, if some are; with `wide` than
    float64 does."""
    x = source.array
    if source.coded is not None:
        narrow = source.coded.fits(23, -126, 127)
        values = np.empty(x.shape, F4 if narrow else F8)
        decode_into(x, decoding_plan(source.coded), values)
        if source.coded.exceeds_float64:
            return values, np.abs(values) >= EXACT * float(source.coded.smallest)  # the next one rounds to it
        return values, None if narrow or wide else _wide(values)
    if inputs.width_of(x.dtype) == 32:
        return x.astype(F4, copy=False), None
    with np.errstate(all="ignore"):
        double = np.array([near(v) for v in x]) if x.dtype.kind == "O" else x.astype(F8, copy=False)
    masks = [mask for mask in (_lost(x, double), None if wide else _wide(double)) if mask is not None]
    return double, np.logical_or.reduce(masks) if masks else None


def _wide(x: Array) -> Array | None:
    """Where float64 numbers are no float32, None where none is."""
    with np.errstate(all="ignore"):
        wide = (x.astype(F4).astype(F8) != x) & ~np.isnan(x)
    return wide if wide.any() else None


def _lost(x: Array, double: Array) -> Array | None:
    """Where float64 may differ from wider numbers."""
    if x.dtype.kind == "O":
        return np.array([v == v and float(d) != v for v, d in zip(x, double, strict=True)], bool)
    if x.dtype.kind == "f":
        return None if x.dtype == F8 else (double.astype(x.dtype) != x) & ~np.isnan(x)
    return None if x.dtype.itemsize < 8 else (x > EXACT) | (x < -EXACT if x.dtype.kind == "i" else False)


def _place(out: Array, here: slice) -> Array:
    """Where a chunk of results is written first."""
    if out.flags.carray and out.dtype.isnative:
        return out.reshape(-1)[here]
    return np.empty(here.stop - here.start, out.dtype.newbyteorder("="))


def _store(out: Array, here: slice, result: Array) -> None:
    if not (out.flags.carray and out.dtype.isnative):
        out.flat[here] = result


def _values(out: Array, plan: Plan) -> Array:
    """The values of a chunk of results, as floats that hold them."""
    if not plan.codes:
        return out if out.dtype.itemsize > 2 else out.astype(F4)
    values = np.empty(out.size, F8)
    decode_into(out, decoding_plan(plan.fmt), values)
    return values


def _refuse(job: Job, operands: tuple[Input, ...], noise: Noise | None) -> None:
    """Raise `RangeError`: how many results the policy refuses, and the first."""
    work, shaped = _Work(job, noise), operands[0].array
    count, first, example = 0, -1, 0.0
    for start in range(0, shaped.size, CHUNK):
        here = slice(start, min(start + CHUNK, shaped.size))
        bad, near = work.refused([_part(x, here) for x in operands], start)
        if bad.any() and first < 0:
            first, example = start + int(np.argmax(bad)), float(near[np.argmax(bad)])
        count += int(bad.sum())
    if count:
        raise_refused(job.plan, count, shaped, first, example)
