"""Matrix units in exact rationals, one output element at a time: the definition.

A number is a `Fraction`, or a float where it is -0, an infinity or NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .. import reference
from ..format import Value, exponent
from ..rounding import rounding_mode
from .unit_steps import Chain, Floored, Grouped, Late, Rounded, Step, Unit, float_format

Array = np.ndarray[Any, Any]
ZERO = Fraction(0)
NAN = float("nan")
_LIMIT = Fraction(2) ** 128


class Term(NamedTuple):
    """A number and its exponent, None for a zero."""

    value: Value
    power: int | None


def multiply(unit: Unit, a: Array, b: Array, c: Array, scales: tuple[Array, Array] | None) -> Array:
    """a b + c, float64 arrays of shapes (M, K), (K, N), (M, N); K a multiple of the unit's run."""
    out = np.empty(c.shape, np.float64)
    rows, columns = ([_terms(x, spec) for x in m] for m, spec in ((a, unit.a), (b.T, unit.b)))
    across, down = _lines(unit, scales, c.shape)
    for i, j in np.ndindex(*c.shape):
        out[i, j] = _element(unit, rows[i], columns[j], across[i], down[j], reference.exact(c[i, j]))
    return out


def _lines(unit: Unit, scales: Any, shape: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    if not scales or not unit.scales:
        return [()] * shape[0], [()] * shape[1]
    spec = unit.scales.format
    return [_terms(x, spec) for x in scales[0]], [_terms(x, spec) for x in scales[1].T]


def _terms(line: Array, spec: str) -> list[Term]:
    return [term(reference.exact(x), spec) for x in line]


def term(x: Value, spec: str) -> Term:
    """x with its exponent in a format, where subnormals have the least."""
    if not _is_finite(x) or x == 0:
        return Term(x, None)
    return Term(x, max(exponent(abs(Fraction(x))), float_format(spec).emin))


def _element(unit: Unit, a: list[Term], b: list[Term], sa: Any, sb: Any, c: Value) -> float:
    step, total = unit.step, c
    if isinstance(step, Chain):
        a, b = ([_flushed(x, spec, step.daz) for x in line] for line, spec in ((a, unit.a), (b, unit.b)))
        total = _flushed(term(c, unit.c), unit.c, step.daz).value
    products = [_product(x, y) for x, y in zip(_ordered(unit, a), _ordered(unit, b), strict=True)]
    if unit.scales:
        block = [k // unit.scales.block for k in range(len(products))]
        if isinstance(step, Grouped):
            products = _groups(step, products, [_product(sa[i], sb[i]) for i in block])
        else:
            products = [_product(p, _product(sa[i], sb[i])) for p, i in zip(products, block, strict=True)]
    length = step.length // step.group if isinstance(step, Grouped) else step.length
    if isinstance(step, Chain) and step.width is None:
        length = max(len(products), 1)
    for k in range(0, len(products), length):
        total = advance(step, products[k : k + length], total, unit.c)
    return float(total)


def _ordered(unit: Unit, line: list[Term]) -> list[Term]:
    n = len(unit.order) or 1
    return [line[k - k % n + unit.order[k % n]] if unit.order else line[k] for k in range(len(line))]


def _flushed(x: Term, spec: str, daz: str) -> Term:
    if daz and _is_finite(x.value) and abs(Fraction(x.value)) < _least_normal(spec):
        return Term(-0.0 if daz == "signed" and reference.is_negative(x.value) else ZERO, None)
    return x


def _least_normal(spec: str) -> Fraction:
    return Fraction(2) ** float_format(spec).emin


def _product(x: Term, y: Term) -> Term:
    value, power = _times(x.value, y.value), None
    if x.power is not None and y.power is not None:
        power = x.power + y.power
    return Term(value, power)


def _times(x: Value, y: Value) -> Value:
    if not (_is_finite(x) and _is_finite(y)):
        return _sign(x) * _sign(y) * math.inf if x and y and x == x and y == y else NAN
    if not (x and y):
        return -0.0 if _sign(x) != _sign(y) else ZERO
    return Fraction(x) * Fraction(y)


def _sign(x: Value) -> int:
    return -1 if reference.is_negative(x) else 1


def _groups(step: Grouped, products: list[Term], scales: list[Term]) -> list[Term]:
    """Exact sums of neighbours: the exponent is that of the scales, unless all products are zeros."""
    found = []
    for k in range(0, len(products), step.group):
        group, scale = products[k : k + step.group], scales[k]
        value = _times(_sum([p.value for p in group]), scale.value)
        some = any(p.power is not None for p in group)
        found.append(Term(value, scale.power if some else None))
    return found


def advance(step: Step, products: list[Term], c: Value, spec: str) -> Value:
    """One step: `products` and the sum so far, of format `spec`."""
    if isinstance(step, Chain):
        return _chain(step, products, c)
    if isinstance(step, Late):
        return _late(step, products, c, spec)
    if isinstance(step, Floored):
        products = [_limited(p) for p in products]
    if not all(_is_finite(x) for x in (c, *(p.value for p in products))):
        return _sum([c, *(p.value for p in products)])
    if isinstance(step, Floored):
        return _floored(step, products, term(c, spec))
    units, unit = aligned([*products, term(c, spec)], step.bits, step.cut, step.least)
    return rounded(units * unit, step)


def aligned(terms: Sequence[Term], bits: int, cut: str, least: int) -> tuple[int, Fraction]:
    """The sum of the terms cut to whole numbers of a unit, and the unit."""
    top = max([least, *(t.power for t in terms if t.power is not None)])
    unit = Fraction(2) ** (top - bits)
    return sum(_CUT[cut](t.value / unit) for t in terms if t.power is not None), unit


_CUT: dict[str, Callable[[Any], int]] = {
    "toward_zero": math.trunc,
    "toward_negative": math.floor,
    "nearest_even": round,
}


def rounded(x: Fraction, step: Rounded) -> Value:
    """x in the output format; zeros are +0."""
    return _nearby(x, step.output, step.rounding, step.overflow) or ZERO


def _nearby(x: Value, spec: str, rounding: str, overflow: str) -> Value:
    """x in a format, with the sign of x where that is zero."""
    form = float_format(spec)
    return form.value(reference.encode(x, form, _policy(spec, rounding, overflow)))


@cache
def _policy(spec: str, rounding: str, overflow: str) -> reference.Policy:
    return reference.policy(float_format(spec), rounding, overflow)


def _late(step: Late, products: list[Term], c: Value, spec: str) -> Value:
    inner = step.inner
    total: Value = ZERO
    for k in range(0, len(products), inner.length):
        total = advance(inner, products[k : k + inner.length], total, spec)
    return _add(step, [total, c])


def _limited(p: Term) -> Term:
    """A product past the range of float32 is infinite."""
    large = _is_finite(p.value) and abs(Fraction(p.value)) >= _LIMIT
    return Term(_sign(p.value) * math.inf, None) if large else p


def _floored(step: Floored, products: list[Term], c: Term) -> Value:
    """MMA-Sim's model of CDNA3."""
    parts = (products[::2], products[1::2]) if step.halves else (products,)
    tops = [max((p.power for p in part if p.power is not None), default=-999) for part in parts]
    top = max(tops)
    sums = [
        Fraction(units) * unit for units, unit in (aligned(p, step.bits, "toward_zero", -999) for p in parts)
    ]
    if step.halves:
        sums = [_floor(x, top - step.bits) for x in sums]
    own = float_format(step.output).emin if c.power is None else c.power
    largest = max(top, own)
    kept = ZERO if step.reach is not None and own < largest - step.reach else Fraction(c.value)
    total = _floor(sum(sums, ZERO), largest - step.dot_bits) + _floor(kept, largest - step.c_bits)
    if not total:
        return ZERO
    power = max(exponent(abs(total)), float_format(step.output).emin)
    return _nearby(_floor(total, power - step.kept), step.output, step.rounding, step.overflow)


def _floor(x: Fraction, power: int) -> Fraction:
    return math.floor(x / Fraction(2) ** power) * Fraction(2) ** power


def _chain(step: Chain, products: list[Term], c: Value) -> Value:
    values = [p.value for p in products]
    if step.product is not None:
        values = [_result(step, x, step.product) for x in values]
    width = step.width or len(values)
    groups = [values[k : k + width] for k in range(0, len(values), width)]
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


def _lane(step: Chain, groups: list[list[Value]]) -> Value:
    total: list[Value] = [ZERO] if step.clear else []
    for group in groups:
        total = [_add(step, [*total, *group])]
    return total[0]


def _add(step: Rounded, terms: list[Value]) -> Value:
    """The exact sum of the terms, rounded once; a zero sum has the sign of IEEE 754-2019, clause 6.3."""
    total = _sum(terms)
    if total == 0 and len(terms) > 1:
        downward = rounding_mode(step.rounding).name == "toward_negative"
        signs = {_sign(x) for x in terms if not x} if not any(terms) else {1, -1}
        total = -0.0 if signs == {-1} or (downward and len(signs) > 1) else ZERO
    return _result(step, total, step.output)


def _result(step: Rounded, x: Value, spec: str) -> Value:
    """x rounded to a format, flushed as the step does."""
    ftz = getattr(step, "ftz", "")
    form = float_format(spec)
    if ftz and _is_finite(x) and x and _is_flushed(Fraction(x), step, spec, ftz):
        return -0.0 if x < 0 else ZERO
    return form.value(reference.encode(x, form, _policy(spec, step.rounding, step.overflow)))


def _is_flushed(x: Fraction, step: Rounded, spec: str, ftz: str) -> bool:
    form = float_format(spec)
    if abs(x) >= _least_normal(spec):
        return False
    if ftz == "before":
        return True
    if ftz == "rounded":
        return abs(Fraction(_nearby(x, spec, step.rounding, step.overflow))) < _least_normal(spec)
    shift = Fraction(2) ** (
        form.emin - exponent(abs(x))
    )  # tininess after rounding: as if exponents had no end
    return abs(Fraction(_nearby(x * shift, spec, step.rounding, step.overflow))) < _least_normal(spec) * shift


def _sum(terms: Sequence[Value]) -> Value:
    """The exact sum; NaN and infinities as IEEE 754 has them."""
    special = [x for x in terms if not _is_finite(x)]
    if special:
        return NAN if any(x != x for x in special) or len(set(special)) > 1 else special[0]
    if all(isinstance(x, float) for x in terms):
        return -0.0
    return sum((Fraction(x) for x in terms), ZERO)


def _is_finite(x: Value) -> bool:
    """Without a detour through floats, which end sooner than rationals."""
    return isinstance(x, Fraction) or math.isfinite(x)
