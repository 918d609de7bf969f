"""Carrying out a plan on an array: whole where it lies well, else chunk by chunk; threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from .. import cuts, reference
from ..errors import RangeError
from ..format import Format, Value
from ..kernels.words import load
from ..noise import BLOCK, key
from ..reference import Policy, is_negative
from ..registry import element
from . import arrays, inputs, pool
from .inputs import Input
from .plan import DecodingPlan, Loop, Plan, decoding_plan, plan

Array = np.ndarray[Any, Any]
CHUNK = 1 << 15  # elements; their scratch stays in the second-level cache
NOISE_CHUNK = 1 << 17
FULL_PRECISION = Fraction(1, 1 << 1020)  # float64 has all its bits there, and many below
FAR = 2.0**70  # past every integer of 64 bits
WORTH_A_THREAD = 5e5  # ns: below it a second thread costs more than it brings


class Noise:
    """The random words of stochastic rounding: drawn from a seed, or given."""

    def __init__(self, bits: int, seed: int | None = None, given: Array | None = None) -> None:
        self.key = (0, 0) if seed is None else key(seed)
        self.given = given
        self.mask = np.uint32(0xFFFFFFFF << (32 - bits) & 0xFFFFFFFF)

    def take(self, start: int, count: int, scratch: Array | None = None) -> Array:
        """Words `start ... start + count - 1` (C order), the unused low bits cleared. They may
        lie in `scratch` until it is used again."""
        if self.given is not None:
            words = self.given[start : start + count]
        else:
            words = self._draw(start, count, scratch)
        return words if self.mask == 0xFFFFFFFF else words & self.mask

    def _draw(self, start: int, count: int, scratch: Array | None) -> Array:
        first, last = start // BLOCK, -(-(start + count) // BLOCK)
        size = (last - first) * BLOCK
        fits = scratch is not None and size <= scratch.size
        words = scratch[:size] if fits and scratch is not None else np.empty(size, np.uint32)
        parameters = np.array([*self.key, 0, 0, first], np.uint64)
        _module().fill_noise(words, parameters)
        return words[start - first * BLOCK :][:count]


def _module() -> Any:
    from . import jit

    return jit.loops() or arrays


def execute(source: Input, job: Plan, out: Array, noise: Noise | None) -> None:
    """Fill `out`: codes, or values in a float dtype that holds them."""
    if not out.size:
        return
    same = _same_place(source.array, out)
    shared = same or np.may_share_memory(source.array, out)
    dtype = inputs.dtype_of(source)
    exact = _odd_is_exact(dtype, job)
    whole = job.exact_integers and dtype.kind in "iu"
    loop = _loop(source, job, out) if exact or whole else None
    searchable = exact and job.searchable
    if job.guarded and (shared or not (loop or searchable)):
        refuse(source, job, noise)
    if shared and not same:
        source = source._replace(array=source.array.copy())
    if loop and _direct_serves(source, out, same, loop):
        suspicious = _direct(source.array.reshape(-1), out.reshape(-1), loop, noise, same)
    else:
        work = _worker(source, job, out, loop, searchable)
        suspicious = _in_chunks(source.array, out, work, noise, same)
    if suspicious and job.guarded:
        refuse(source, job, noise)


def _same_place(x: Array, out: Array) -> bool:
    """Exactly the same elements: each is read before it is written."""
    return x.ctypes.data == out.ctypes.data and x.strides == out.strides and x.itemsize == out.itemsize


def _loop(source: Input, job: Plan, out: Array) -> Loop | None:
    """The narrowest exact loop, None where the engine or the format has none."""
    width = inputs.width_of(inputs.dtype_of(source))
    if not job.codes and out.dtype.itemsize == 8:
        width = 64
    return job.loop(width) or job.loop(64)


def _odd_is_exact(dtype: np.dtype[Any], job: Plan) -> bool:
    """Whether the format cannot tell an input from the same rounded to odd in float64: a tie, and
    every bit that a draw looks at, lies above the odd bit, in float64's subnormals too."""
    kept = inputs.odd_bits(dtype)
    if kept is None:
        return True
    if job.policy.wraps:  # which looks at every bit
        return False
    drawn = 32 if job.policy.rounding.stochastic else 0
    return job.fmt.boundary_bits + drawn <= kept and (dtype.kind != "f" or job.fmt.smallest >= FULL_PRECISION)


def _direct_serves(source: Input, out: Array, same: bool, loop: Loop) -> bool:
    return (
        source.coded is None
        and inputs.is_loadable(source.array)
        and out.flags.carray
        and out.dtype.isnative
        and out.dtype != np.float16
        and (not same or loop.in_place is not None)
    )


def _direct(x: Array, out: Array, loop: Loop, noise: Noise | None, same: bool) -> bool:
    x = inputs.writeable_alias(x)
    cost = loop.cost if noise is None else 0.7
    limit = pool.thread_limit() if x.size * cost > WORTH_A_THREAD else 1
    parts = _parts(x.size, limit)
    if same and loop.in_place is not None:
        once = loop.in_place
        return any(pool.run(lambda part: once(x[part]), parts))
    if noise is None:
        return any(pool.run(lambda part: loop.run(x[part], None, out[part]), parts))
    drawn = noise
    return any(pool.run(lambda part: _with_noise(x, out, loop, drawn, part), parts))


def _parts(n: int, count: int) -> list[slice]:
    """Near-equal parts, cut at whole blocks of noise."""
    size = max(-(-n // count // BLOCK) * BLOCK, BLOCK)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _with_noise(x: Array, out: Array, loop: Loop, noise: Noise, part: slice) -> bool:
    if noise.given is not None and noise.mask == 0xFFFFFFFF:
        return loop.run(x[part], noise.given[part], out[part])
    suspicious, scratch = False, np.empty(NOISE_CHUNK, np.uint32)
    for start in range(part.start, part.stop, NOISE_CHUNK):
        stop = min(start + NOISE_CHUNK, part.stop)
        words = noise.take(start, stop - start, scratch)
        suspicious |= loop.run(x[start:stop], words, out[start:stop])
    return suspicious


Worker = Callable[[Array, Array | None, Array], bool]


def _in_chunks(x: Array, out: Array, work: Worker, noise: Noise | None, same: bool) -> bool:
    """Contiguous native chunks in C order, whatever the layout of the two arrays."""
    suspicious, start = False, 0
    target = out.view(np.uint16) if out.dtype == np.float16 else out
    results = np.empty(CHUNK, target.dtype.newbyteorder("="))
    drawn = np.empty(CHUNK + 2 * BLOCK, np.uint32)
    for a, b in _pairs(x, target):
        words = None if noise is None else noise.take(start, a.size, drawn)
        result = results[: b.size] if same else b
        suspicious |= work(a, words, result)
        if same:
            b[...] = result
        start += a.size
    return suspicious


def _pairs(x: Array, out: Array) -> Iterator[tuple[Array, Array]]:
    """Chunks of `x` and `out` side by side: slices where both lie well, else nditer's buffers."""
    if all(a.flags.c_contiguous and a.flags.aligned and a.dtype.isnative for a in (x, out)):
        flat, target = x.reshape(-1), out.reshape(-1)
        for start in range(0, x.size, CHUNK):
            yield flat[start : start + CHUNK], target[start : start + CHUNK]
    else:
        with _chunks(x, out, written=1) as chunks:
            yield from chunks


def _chunks(*operands: Array, written: int) -> Any:
    """An iterator over chunks of all operands side by side; the last `written` are written."""
    reading = len(operands) - written
    flags = [["readonly"]] * reading + [["writeonly"]] * written
    modes: list[Any] = [[*mode, "contig", "aligned"] for mode in flags]
    return np.nditer(
        list(operands),
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=modes,
        op_dtypes=[a.dtype.newbyteorder("=") for a in operands],
        order="C",
        casting="equiv",
        buffersize=CHUNK,
    )


def _worker(source: Input, job: Plan, out: Array, loop: Loop | None, searchable: bool) -> Worker:
    """What is done to one chunk: read coded input, round, store float16."""
    work = _rounder(job, loop, searchable)
    if out.dtype == np.float16:
        work = _storing_float16(work)
    if source.coded is not None:
        work = _reading_codes(work, source.coded)
    elif source.array.dtype.kind == "f" and source.array.dtype.itemsize > 8 and loop:
        work = _narrowing(work)
    return work


def _rounder(job: Plan, loop: Loop | None, searchable: bool) -> Worker:
    if loop:
        return lambda x, n, out: loop.run(inputs.writeable_alias(x), n, out)
    if searchable:
        return lambda x, n, out: _search(x, job, out)
    return lambda x, n, out: _exactly(x, n, job, out)


def _storing_float16(work: Worker) -> Worker:
    """The chunk of `out` holds the bits of float16; all values are float16's."""
    f16 = element("f16")
    store = plan(f16, reference.policy(f16), True, None).loop(32)
    assert store is not None

    scratch = np.empty(CHUNK, np.float32)

    def run(x: Array, n: Array | None, out: Array) -> bool:
        values = scratch[: out.size]
        suspicious = work(x, n, values)
        store.run(values, None, out)
        return suspicious

    return run


def _narrowing(work: Worker) -> Worker:
    return lambda x, n, out: work(inputs.odd_float64(x), n, out)


def _reading_codes(work: Worker, fmt: Format) -> Worker:
    scratch = np.empty(CHUNK, np.float32)

    def run(x: Array, n: Array | None, out: Array) -> bool:
        values = scratch[: x.size]
        decode_into(x, decoding_plan(fmt), values)
        return work(values, n, out)

    return run


def _search(x: Array, job: Plan, out: Array) -> bool:
    if x.dtype.itemsize > 8:
        x = inputs.odd_float64(x)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        wide = np.asarray(load(x, np.uint64(0)))
    codes = cuts.search(wide, job.fmt, job.policy)
    bad = codes < 0
    codes[bad] = 0
    _deliver(codes, wide, job, out)
    return bool(bad.any())


def _exactly(x: Array, noise: Array | None, job: Plan, out: Array) -> bool:
    """The reference, element by element."""
    draws = [0] * x.size if noise is None else noise.tolist()
    items = list(x) if x.dtype.itemsize > 8 else x.tolist()
    codes = reference.encode_all(items, job.fmt, job.policy, draws)
    if job.codes:
        out[...] = np.array([job.fmt.outward(c) for c in codes], dtype=out.dtype)
    else:
        negative = [is_negative(reference.exact(v)) for v in items]
        nans = [isinstance(v, float) and math.isnan(v) for v in items]
        out[...] = [
            value_of(job.fmt, c, m, n, job.policy) for c, m, n in zip(codes, negative, nans, strict=True)
        ]
    return False


def value_of(fmt: Format, code: int, negative: bool, was_nan: bool, policy: Policy) -> float:
    """The value of a rounded result: NaN has the sign of x where x was NaN or can be negative."""
    value = fmt.value(code)
    if not (isinstance(value, float) and math.isnan(value)):
        return float(value)
    signed = fmt.signed or (was_nan and policy.nan_code is None)
    return math.copysign(math.nan, -1 if signed and negative else 1)


@lru_cache(maxsize=64)
def _table(fmt: Format) -> Array:
    return np.array([math.nan if code == fmt.left_out else float(fmt.value(code)) for code in fmt.codes()])


def _deliver(codes: Array, x: Array, job: Plan, out: Array) -> None:
    if job.codes:
        out[...] = codes - ((codes >> (job.fmt.bits - 1)) << job.fmt.bits) if job.fmt.signed_codes else codes
        return
    values = _table(job.fmt)[codes]
    nan = np.isnan(values)
    if nan.any():
        signed = nan & (job.fmt.signed | (np.isnan(x) & (job.policy.nan_code is None)))
        values[nan] = math.nan
        values[signed] = np.copysign(math.nan, x[signed])
    out[...] = values


def refuse(source: Input, job: Plan, noise: Noise | None) -> None:
    """Raise `RangeError` if the policy refuses some value: how many there are and the first."""
    count, first, start, example = 0, -1, 0, 0.0
    for x in number_chunks(source):
        bad = offenders(x, job, noise, start)
        if bad.any() and first < 0:
            first = start + int(np.argmax(bad))
            example = float(x[np.argmax(bad)])
        count += int(bad.sum())
        start += x.size
    if count:
        raise_refused(job, count, source.array, first, example)


def number_chunks(source: Input) -> Iterator[Array]:
    """The elements in C order, as contiguous native numbers, a chunk at a time."""
    if not source.array.size:
        return
    with _chunks(source.array, written=0) as chunks:
        for x in chunks:
            if source.coded is None:
                yield x
            else:
                values = np.empty(x.shape, np.float32)
                decode_into(x, decoding_plan(source.coded), values)
                yield values


def offenders(x: Array, job: Plan, noise: Noise | None, start: int) -> Array:
    """Which numbers, element `start` and those behind it, the policy refuses."""
    fmt, policy = job.fmt, job.policy
    bad = np.isnan(x) if policy.nan_code == -1 else np.zeros(x.shape, bool)
    if policy.wraps:
        bad |= np.isinf(x)
    if policy.overflow != "raise":
        return bad
    draws = noise.take(start, x.size) if noise else np.zeros(x.size, np.uint32)
    return bad | _out_of_range(x, fmt, policy, draws)


def _out_of_range(x: Array, fmt: Format, policy: Policy, draws: Array) -> Array:
    """Which numbers overflow: nearly all are told by comparing, the few others by the reference."""
    below, low, high, above = _comparable(_ends(fmt, policy), x.dtype)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        bad: Array = (x <= below) | (x >= above)
        unsure = ((x < low) | (x > high)) & np.isfinite(x) & ~bad
    for infinity in (math.inf, -math.inf):
        if not _is_refused(infinity, fmt, policy, 0):
            bad &= x != infinity
    asked = cache(partial(_is_refused, fmt=fmt, policy=policy))
    for i in np.flatnonzero(unsure):
        bad[i] = asked(x[i], noise=int(draws[i]))
    return bad


def _comparable(ends: Sequence[float], dtype: np.dtype[Any]) -> Any:
    """The four ends as numbers that compare exactly with this dtype's."""
    if dtype.kind != "i" and dtype.kind != "u":
        return np.array(ends, np.result_type(dtype, np.float64))
    below, low, high, above = (min(max(end, -FAR), FAR) for end in ends)
    return math.floor(below), math.ceil(low), math.floor(high), math.ceil(above)


@lru_cache(maxsize=256)
def _ends(fmt: Format, policy: Policy) -> tuple[float, float, float, float]:
    """Finite numbers at the inner two are taken whatever is drawn, those at the outer two never."""
    low, high = (_last_taken(fmt, policy, side, 0xFFFFFFFF) for side in (-1, 1))
    below, above = (math.nextafter(_last_taken(fmt, policy, s, 0), s * math.inf) for s in (-1, 1))
    return below, low, high, above


def _last_taken(fmt: Format, policy: Policy, side: int, noise: int) -> float:
    """The float64 farthest from the format's largest value, on one side, that does not overflow."""
    taken, refused = ordinal_of(_floor(fmt.max)), side * (ordinal_of(math.inf))
    while abs(refused - taken) > 1:
        middle = (taken + refused) // 2
        if _is_refused(float_at(middle), fmt, policy, noise):
            refused = middle
        else:
            taken = middle
    return float_at(taken)


def _floor(x: Fraction) -> float:
    """The greatest float64 that is at most x."""
    near = float(x)
    return near if near <= x else math.nextafter(near, -math.inf)


def ordinal_of(x: float) -> int:
    """The place of a float64 among all, 0 at zero."""
    return int(math.copysign(1, x)) * int(np.float64(abs(x)).view(np.int64))


def float_at(ordinal: int) -> float:
    return math.copysign(float(np.int64(abs(ordinal)).view(np.float64)), ordinal)


def _is_refused(x: Any, fmt: Format, policy: Policy, noise: int) -> bool:
    try:
        reference.encode(reference.exact(x), fmt, policy, noise)
    except RangeError:
        return True
    return False


def raise_refused(job: Plan, count: int, x: Array, first: int, example: float) -> None:
    """The error for `count` numbers like `example`, of which `first`, counted in C order, is the first."""
    index = tuple(int(i) for i in np.unravel_index(first, x.shape)) if x.ndim else ()
    at = f"; first at {index[0] if len(index) == 1 else index}" if index else ""
    verb = "encode" if job.codes else "cast"
    if math.isnan(example):
        what, cure = "NaN, the format has none", "nan= says what to put: a number, 'max' or 'min'"
    elif job.policy.wraps:
        what, cure = "infinite", reference.INFINITY_DOES_NOT_WRAP
    else:
        what = f"out of its range, {job.fmt.range_text}"
        cure = reference.SATURATE
    of = f"{count} of {x.size} values {'is' if count == 1 else 'are'}"
    raise RangeError(f"{verb} to '{job.fmt}': {of} {what}{at}. {cure}", count, x.size, index)


def decode_into(codes: Array, job: DecodingPlan, out: Array) -> int:
    """Values of contiguous codes into a contiguous float32 or float64 array; the largest code."""
    width = 32 if out.dtype.itemsize == 4 and codes.dtype.itemsize <= 4 else 64
    loop = job.loop(width) or job.loop(64)
    if loop is not None:
        return int(loop(inputs.writeable_alias(codes), out))
    return _decode_exactly(codes, job.fmt, out)


def _decode_exactly(codes: Array, fmt: Format, out: Array) -> int:
    out[...] = [float(decoded(c, fmt)) for c in codes]
    return max(int(c) % (1 << 64) for c in codes)


def decoded(code: Any, fmt: Format) -> Value:
    """The exact value of a code, be it signed or a residue; NaN has the sign bit of the code where NaNs have signs."""
    plain = int(code) & ((1 << fmt.bits) - 1)
    value = fmt.value(plain)
    if not isinstance(value, float) or not math.isnan(value):
        return value
    signed = fmt.nan(True) != fmt.nan()
    return math.copysign(value, -1 if signed and plain >> (fmt.bits - 1) else 1)
