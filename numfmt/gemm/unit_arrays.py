"""Matrix units over whole arrays, in float64: every operation is exact but those that the unit rounds.

A product of operands is a float64, and so is a term divided by the unit of an alignment, a power of two. Sums
of whole numbers below 2**53 are exact; what a sum of floats leaves behind is found by error-free sums and
rounded to odd. `unit_reference` is the definition; this must equal it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ..engine import jit, pool
from ..kernels.fused import AlignedParameters
from ..kernels.odd import two_sum
from ..rounding import Rounding, rounding_mode
from .unit_steps import Aligned, Chain, Floored, Grouped, Late, Rounded, Unit, float_format

Array = np.ndarray[Any, Any]
WHOLE = 52  # bits of a sum that float64 holds, with one to spare
LEAST = 800  # exponents of zeros that leave room in float64
WORTH_A_THREAD = 1 << 20  # products
_TERMS = 1 << 18  # products at a time
_EXPONENT = np.uint64(0x7FF0000000000000)
_NOTHING = 2.0**-999


class Rounder(NamedTuple):
    """A float format and a mode, as numbers."""

    steps: float
    lowest: float
    largest: float
    mode: Rounding
    above: float
    below: float
    ftz: str


@cache
def rounder(spec: str, rounding: str, overflow: str, ftz: str = "") -> Rounder:
    form, mode = float_format(spec), rounding_mode(rounding)
    largest, past = float(form.max), float("inf")
    stays = overflow == "saturate" or (overflow == "ieee" and mode.name in ("toward_zero", "to_odd"))
    directed = {"toward_positive": (False, True), "toward_negative": (True, False)}.get(
        mode.name, (stays, stays)
    )
    above, below = directed if overflow == "ieee" else (stays, stays)
    return Rounder(
        2.0**form.man_bits, 2.0**form.emin, largest, mode, largest if above else past,
        -largest if below else -past, ftz,
    )  # fmt: skip


def serves(unit: Unit) -> bool:
    """Whether float64 holds all that the unit's steps add."""
    forms = [float_format(spec) for spec in (unit.a, unit.b, unit.c, unit.step.output)]
    bits = sum(form.man_bits + 1 for form in forms[:2])
    if max(form.bits for form in forms) > 32 or bits > 50 or any(f.infinity() is None for f in forms[2:]):
        return False
    return _SERVES[type(unit.step)](unit, unit.step)


def _sum_bits(step: Any) -> int:
    """Products are below 4 units of their exponents."""
    return int(step.bits + 2 + (step.length + 1).bit_length())


def _group_bits(unit: Unit, step: Grouped) -> int:
    """Two scales are below 4 units of theirs."""
    largest = step.group * float_format(unit.a).max * float_format(unit.b).max
    return step.bits + 2 + int(largest).bit_length() + (step.length // step.group + 1).bit_length()


_SERVES: dict[type, Callable[[Unit, Any], bool]] = {
    Aligned: lambda unit, step: _sum_bits(step) <= WHOLE and abs(step.least) < LEAST,
    Grouped: lambda unit, step: _group_bits(unit, step) <= WHOLE and abs(step.least) < LEAST,
    Floored: lambda unit, step: max(_sum_bits(step), step.dot_bits + 8, step.c_bits + 8) <= WHOLE,
    Chain: lambda unit, step: step.width is not None and step.width < 8,
    Late: lambda unit, step: _sum_bits(step.inner) <= WHOLE and abs(step.inner.least) < LEAST,
}


class Operand(NamedTuple):
    """Values, and the powers of two of their exponents: 0 where they are zeros or not finite."""

    values: Array
    powers: Array


def power_of_two(x: Array) -> Array:
    return (np.ascontiguousarray(x).view(np.uint64) & _EXPONENT).view(np.float64)


def operand(x: Array, spec: str) -> Operand:
    powers = np.maximum(power_of_two(x), 2.0 ** float_format(spec).emin)
    return Operand(x, np.where((x != 0) & np.isfinite(x), powers, 0.0))


def multiply(
    unit: Unit, a: Array, b: Array, c: Array, scales: tuple[Array, Array] | None, by_kernel: bool
) -> Array:
    """a b + c, as `unit_reference.multiply`."""
    with np.errstate(all="ignore"):
        x, y = _operands(unit, a, b, scales)
        out = _flushed(c, unit.c, getattr(unit.step, "daz", "")).astype(np.float64, order="C")
        loops: Any = jit.loops() if by_kernel and _has_loop(unit.step) else None
        task = partial(_by_loop, loops) if loops else partial(_by_arrays, unit, scales)
        _in_rows(partial(task, unit.step, unit.c, x, y, out), out.shape[0], a.size * b.shape[1])
    return out


def _operands(unit: Unit, a: Array, b: Array, scales: tuple[Array, Array] | None) -> tuple[Operand, Operand]:
    daz = getattr(unit.step, "daz", "")
    x, y = operand(_flushed(a, unit.a, daz), unit.a), operand(_flushed(b, unit.b, daz), unit.b)
    if unit.scales and scales and not isinstance(unit.step, Grouped):
        left, right = (operand(s, unit.scales.format) for s in scales)
        x = Operand(*(v * np.repeat(s, unit.scales.block, 1) for v, s in zip(x, left, strict=True)))
        y = Operand(*(v * np.repeat(s, unit.scales.block, 0) for v, s in zip(y, right, strict=True)))
    if unit.order:
        taken = np.arange(a.shape[1]).reshape(-1, len(unit.order))[:, unit.order].ravel()
        x, y = Operand(*(v[:, taken] for v in x)), Operand(*(v[taken] for v in y))
    return x, y


def _flushed(x: Array, spec: str, daz: str) -> Array:
    if not daz:
        return x
    zero = np.copysign(0.0, x) if daz == "signed" else np.zeros_like(x)
    return np.where(np.abs(x) < float(float_format(spec).min_normal), zero, x)


def _in_rows(task: Callable[[slice], None], rows: int, products: int) -> None:
    """On threads, which share the rows."""
    threads = max(1, min(pool.thread_limit(), products // WORTH_A_THREAD, rows))
    step = -(-rows // threads) or 1
    if rows:
        pool.run(task, [slice(i, i + step) for i in range(0, rows, step)])


def _has_loop(step: Any) -> bool:
    return type(step) is Aligned and step.cut == "toward_zero"


def _by_loop(loops: Any, step: Aligned, spec: str, a: Operand, b: Operand, out: Array, rows: slice) -> None:
    to, mode = rounder(step.output, step.rounding, step.overflow), rounding_mode(step.rounding)
    p = AlignedParameters(
        step.length, 2.0**step.bits, 2.0**step.least, 2.0 ** float_format(spec).emin, to.steps, to.lowest,
        to.largest, mode.nearest, mode.base, mode.odd, mode.neg, to.above, to.below,
    )  # fmt: skip
    lines = (np.ascontiguousarray(x[rows]) for x in a)
    columns = (np.ascontiguousarray(x) for x in b)
    loops.sum_aligned(*lines, *columns, out[rows], np.array(p, np.float64))


def _by_arrays(
    unit: Unit, scales: Any, step: Any, spec: str, a: Operand, b: Operand, out: Array, rows: slice
) -> None:
    length = step.length
    count = max(1, _TERMS // max(1, length * out.shape[1]))
    for i in range(rows.start, min(rows.stop, len(out)), count):
        part = slice(i, min(i + count, rows.stop))
        for k in range(0, a.values.shape[1], length):
            along = slice(k, k + length)
            terms = Operand(
                *(x[part, along].T[:, :, None] * y[along][:, None, :] for x, y in zip(a, b, strict=True))
            )
            if isinstance(step, Grouped):
                terms = _groups(unit, step, terms, scales, part, k)
            out[part] = _ADVANCE[type(step)](step, terms, out[part], spec)


def _groups(unit: Unit, step: Grouped, terms: Operand, scales: Any, part: slice, k: int) -> Operand:
    assert unit.scales is not None
    found = []
    for g in range(0, step.length, step.group):
        block = (k + g) // unit.scales.block
        left, right = (
            operand(scales[0][part, block], unit.scales.format),
            operand(scales[1][block], unit.scales.format),
        )
        values, powers = (x[:, None] * y for x, y in zip(left, right, strict=True))
        group = slice(g, g + step.group)
        some = (terms.powers[group] != 0).any(0)
        found.append(Operand(terms.values[group].sum(0) * values, np.where(some, powers, 0.0)))
    return Operand(*map(np.stack, zip(*found, strict=True)))


def _aligned(step: Aligned, terms: Operand, c: Array, spec: str) -> Array:
    held = operand(c, spec)
    top = np.maximum(np.maximum(terms.powers.max(0), held.powers), 2.0**step.least)
    scale = 2.0**step.bits / top
    cut = _CUT[step.cut]
    return _to_format(_cut_sum(terms.values, scale, cut) + cut(c * scale), scale, step)


def _cut_sum(values: Array, scale: Array, cut: Any) -> Array:
    return cut(values * scale).sum(0)


_CUT = {"toward_zero": np.trunc, "toward_negative": np.floor, "nearest_even": np.rint}


def _to_format(units: Array, scale: Array, step: Rounded) -> Array:
    return rounded(units / scale, rounder(step.output, step.rounding, step.overflow)) + 0.0


def rounded(x: Array, to: Rounder) -> Array:
    """x rounded once, with its sign where that gives zero."""
    size, negative = np.abs(x), np.signbit(x)
    power = np.maximum(power_of_two(size), to.lowest)
    y = _on_grid(size, negative, power, to)
    if to.ftz:
        y = np.where(_is_flushed(size, negative, y, to), 0.0, y)
    y = np.copysign(np.where(y > to.largest, np.where(negative, -to.below, to.above), y), x)
    return np.where(np.isfinite(x), y, x)


def _on_grid(size: Array, negative: Array, power: Array, to: Rounder) -> Array:
    quotient = size / power * to.steps
    count = np.trunc(quotient)
    rest, mode = quotient - count, to.mode
    grows = (mode.base + mode.odd * (count % 2) + mode.neg * negative) % 2 == 1
    up = (rest > 0.5) | ((rest == 0.5) & grows) if mode.nearest else (rest > 0) & grows
    return (count + up) / to.steps * power


def _is_flushed(size: Array, negative: Array, y: Array, to: Rounder) -> Array:
    if to.ftz == "before":
        return size < to.lowest
    if to.ftz == "rounded":
        return y < to.lowest
    power = np.where(size > 0, power_of_two(size), to.lowest)
    return (size < to.lowest) & (_on_grid(size, negative, power, to) < to.lowest)


def _late(step: Late, terms: Operand, c: Array, spec: str) -> Array:
    total, inner = np.zeros_like(c), step.inner
    for k in range(0, step.length, inner.length):
        part = slice(k, k + inner.length)
        total = _aligned(inner, Operand(terms.values[part], terms.powers[part]), total, spec)
    return _add(step, [total, c])


def _floored(step: Floored, terms: Operand, c: Array, spec: str) -> Array:
    large = np.abs(terms.values) >= 2.0**128
    values = np.where(large, np.copysign(np.inf, terms.values), terms.values)
    powers = np.where(large, 0.0, terms.powers)
    parts = [slice(0, None, 2), slice(1, None, 2)] if step.halves else [slice(None)]
    tops = [np.maximum(powers[part].max(0), _NOTHING) for part in parts]
    top = np.maximum.reduce(tops)
    scales = [2.0**step.bits / t for t in tops]
    sums = [_cut_sum(values[part], s, np.trunc) / s for part, s in zip(parts, scales, strict=True)]
    if step.halves:
        sums = [_floor(x, top / 2.0**step.bits) for x in sums]
    lowest = 2.0 ** float_format(step.output).emin
    own = np.maximum(operand(c, spec).powers, lowest)
    largest = np.maximum(top, own)
    kept = c if step.reach is None else np.where(own < largest / 2.0**step.reach, 0.0, c)
    total = _floor(sum(sums), largest / 2.0**step.dot_bits) + _floor(kept, largest / 2.0**step.c_bits)
    power = np.maximum(power_of_two(total), lowest)
    down = np.where(np.isfinite(total), _floor(total, power / 2.0**step.kept), total)
    special = values.sum(0) + c
    found = rounded(down, rounder(step.output, step.rounding, step.overflow))
    return np.where(np.isfinite(special), np.where(total == 0, 0.0, found), special)


def _floor(x: Array, unit: Array) -> Array:
    return np.floor(x / unit) * unit


def _chain(step: Chain, terms: Operand, c: Array, spec: str) -> Array:
    products = list(terms.values)
    if step.product is not None:
        to = rounder(step.product, step.rounding, step.overflow, step.ftz)
        products = [rounded(p, to) for p in products]
    assert step.width is not None
    groups = [products[k : k + step.width] for k in range(0, len(products), step.width)]
    if not step.lanes:
        for group in groups:
            c = _add(step, [c, *group])
        return c
    lanes = [_lane(step, groups[lane :: step.lanes]) for lane in range(min(step.lanes, len(groups)))]
    while len(lanes) > 1:
        lanes = [
            _add(step, lanes[i : i + 2]) if i + 1 < len(lanes) else lanes[i] for i in range(0, len(lanes), 2)
        ]
    return _add(step, [c, lanes[0]])


def _lane(step: Chain, groups: list[list[Array]]) -> Array:
    total = [np.zeros_like(groups[0][0])] if step.clear else []
    for group in groups:
        total = [_add(step, [*total, *group])]
    return total[0]


def _add(step: Rounded, terms: Sequence[Array]) -> Array:
    """The sum of the terms, rounded once."""
    to = rounder(step.output, step.rounding, step.overflow, getattr(step, "ftz", ""))
    return rounded(_odd_sum(terms, to.mode.name == "toward_negative"), to)


def _odd_sum(terms: Sequence[Array], downward: bool) -> Array:
    """The exact sum rounded to odd, in float64."""
    plain = sum(terms[1:], terms[0])
    parts = list(terms)
    for _ in range(len(parts) - 1):
        for i in range(len(parts) - 1):  # the largest goes to the end, what is left behind stays
            parts[i + 1], parts[i] = two_sum(parts[i], parts[i + 1])
    rest = _sign_of(parts[:-1])
    total = np.where((parts[-1] == 0) & (plain == 0), plain, parts[-1])
    if downward and len(terms) > 1:
        total = np.where((total == 0) & ~_all_positive_zeros(terms), -0.0, total)
    return np.where(np.isfinite(plain), _to_odd(total, rest), plain)


def _all_positive_zeros(terms: Sequence[Array]) -> Array:
    return np.logical_and.reduce([(x == 0) & ~np.signbit(x) for x in terms])


def _sign_of(parts: Sequence[Array]) -> Array:
    """The sign of a sum of parts, the last of which that is not zero is the largest by far."""
    found: Array = np.zeros(parts[0].shape if parts else ())
    for x in parts:
        found = np.where(x != 0, np.sign(x), found)
    return found


def _to_odd(x: Array, rest: Array) -> Array:
    """x with the rest of its sum behind it: the neighbour whose last bit is 1 where that is not zero."""
    bits = np.ascontiguousarray(x).view(np.int64)
    moved = bits + np.where(np.signbit(x) == (rest < 0), 1, -1)
    return np.where((rest != 0) & (bits & 1 == 0), moved, bits).view(np.float64)


_ADVANCE: dict[type, Any] = {
    Aligned: _aligned,
    Grouped: _aligned,
    Floored: _floored,
    Chain: _chain,
    Late: _late,
}
