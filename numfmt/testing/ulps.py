"""How far results are from exact ones, in units of the last place, and the assertion about it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..arithmetic import ulp
from ..arithmetic.operands import mapped
from ..casting import decode
from ..format import Format, Value, is_special
from ..reference import exact as exact_value
from ..reference import is_negative
from ..registry import element
from .elements import KINDS, code_of, exact_place, index_text, numbers_of, side_text

Array = np.ndarray[Any, Any]
SHOWN = 5  # elements that a message spells out
CLEARLY = 1 - 2.0**-20  # of the limit: float64 decides what lies below, rationals the rest
WIDE = 40  # significant bits of a format whose distances float64 cannot decide


class _Results(NamedTuple):
    actual: Array
    exact: Array  # float64, or exact values as objects
    fmt: Format
    kind: str  # of `actual`: "codes" or "values"


def assert_ulp(actual: Any, exact: Any, fmt: Any, *, max_ulp: float = 0.5) -> None:
    """Check that no result is farther than `max_ulp` from the exact one.

    Parameters
    ----------
    actual : array_like
        Integers are codes, floats are values.
    exact : array_like of that shape
        What the results should be before they are rounded: floats of any width, `Fraction`, `Decimal`.
    fmt : str, Format or dtype
        One ulp is its spacing at the exact result, as `numfmt.arithmetic.ulp` has it. Infinity, or what the format
        has in its place, counts as the next number past the last value. NaN goes with NaN alone, an exact infinity
        with infinity.
    max_ulp : float
        0.5 is what rounding to nearest keeps; less than 1 is called faithful rounding.

    Raises
    ------
    AssertionError : how many are farther, the worst, and the first few with both numbers
    TypeError, ValueError : an array that is neither codes nor values; a limit that is no number >= 0

    >>> assert_ulp([0.3125, 1.0], [0.3, 1.01], "e4m3fn")
    >>> assert_ulp([0.34375, 1.0], [0.3, 1.01], "e4m3fn")
    Traceback (most recent call last):
        ...
    AssertionError: 1 of 2 elements is more than 0.5 ulp from the exact result in e4m3fn, the worst 1.4 ulp at 0
      at 0, 1.4 ulp:
        actual    0x2B  0|0101|011  0.34375
        exact     0x1.3333333333333p-2 (0.3), between 0x29 0.28125 and 0x2A 0.3125
    """
    __tracebackhide__ = True
    if not max_ulp >= 0:
        raise ValueError(f"max_ulp is a number of ulp, 0 or more, got {max_ulp!r}")
    results = _results(actual, exact, element(fmt))
    if results.actual.shape != results.exact.shape:
        shapes = f"actual {results.actual.shape}, exact {results.exact.shape}"
        raise AssertionError(f"the shapes differ: {shapes}")
    far = _far(results, Fraction(max_ulp) if math.isfinite(max_ulp) else Fraction(1 << 2000))
    if far:
        raise AssertionError("\n".join(_message(results, far, max_ulp)))


def _results(actual: Any, exact: Any, fmt: Format) -> _Results:
    a = numbers_of(actual, "actual")
    return _Results(a, _exact_array(exact), fmt, KINDS[a.dtype.kind])


def _exact_array(exact: Any) -> Array:
    """Float64 where that holds all, else exact values."""
    x = np.asarray(exact)
    if x.dtype.kind == "f" and x.dtype.itemsize <= 8:
        return x.astype(np.float64)
    return mapped(exact_value, x)


def _far(results: _Results, limit: Fraction) -> dict[int, Fraction | float]:
    """The elements beyond the limit by flat index, and how far they are."""
    exact, fmt = results.exact.reshape(-1), results.fmt
    doubtful = _doubtful(results, float(min(limit, Fraction(10**300))))
    values = _values(results, doubtful)
    units = _units(exact[doubtful], fmt)
    rows = zip(doubtful.tolist(), values, exact[doubtful], units, strict=True)
    distances = {i: distance(v, exact_value(x), unit, fmt) for i, v, x, unit in rows}
    return {i: far for i, far in distances.items() if not far <= limit}


def _units(exact: Array, fmt: Format) -> list[float]:
    one_by_one = exact.dtype.kind == "O"
    return [float(ulp(x, fmt)) for x in exact] if one_by_one else np.asarray(ulp(exact, fmt)).tolist()


def _doubtful(results: _Results, limit: float) -> Array:
    """Flat indices of all that is not clearly within the limit."""
    exact, everything = results.exact.reshape(-1), np.arange(results.actual.size)
    if exact.dtype.kind == "O" or results.fmt.boundary_bits > WIDE:
        return everything
    a = results.actual.reshape(-1)
    values = np.asarray(decode(a, results.fmt, dtype=np.float64)) if results.kind == "codes" else a
    with np.errstate(all="ignore"):
        near = np.abs(values.astype(np.float64) - exact) <= limit * CLEARLY * np.asarray(
            ulp(exact, results.fmt)
        )
    return everything[~(near & np.isfinite(exact))]


def _values(results: _Results, places: Array) -> list[Value]:
    """The exact values of those results."""
    some = results.actual.reshape(-1)[places].tolist()
    if results.kind == "values":
        return [exact_value(x) for x in some]
    mask = (1 << results.fmt.bits) - 1
    return [results.fmt.value(code & mask) for code in some]


def distance(value: Value, exact: Value, unit: float, fmt: Format) -> Fraction | float:
    """From a result to the exact one in ulp; infinity where they are not of a kind.

    >>> distance(Fraction(18), Fraction(17), 2.0, numfmt.parse("e4m3fn"))
    Fraction(1, 2)
    """
    if value != value or exact != exact:
        special = fmt.infinity() is None and value != value and exact == exact and not is_special(exact)
        over = special and abs(Fraction(exact)) > fmt.largest
        value = math.copysign(math.inf, exact) if over else value
    if value == exact or (value != value and exact != exact):
        return Fraction(0)
    if is_special(exact) or value != value:
        return math.inf
    return abs(_finite(value, fmt) - Fraction(exact)) / Fraction(unit)


def _finite(value: Value, fmt: Format) -> Fraction:
    """Infinity as the next number past the last value."""
    if not is_special(value):
        return Fraction(value)
    beyond = fmt.largest + (fmt.step or 0)
    return -beyond if is_negative(value) else beyond


def _message(results: _Results, far: dict[int, Fraction | float], limit: float) -> Iterator[str]:
    fmt, shape = results.fmt, results.actual.shape
    count, worst = len(far), max(far, key=far.__getitem__)
    rest = f"; the first {SHOWN}:" if count > SHOWN else ""
    yield (
        f"{count} of {results.actual.size} elements {'is' if count == 1 else 'are'} more than {limit:g} ulp from the "
        f"exact result in {fmt}, the worst {_ulp_text(far[worst])} at {index_text(worst, shape)}{rest}"
    )
    for flat in list(far)[:SHOWN]:
        x = results.actual.reshape(-1)[flat]
        yield f"  at {index_text(flat, shape)}, {_ulp_text(far[flat])}:"
        yield f"    actual    {side_text(x, code_of(x, fmt, results.kind), fmt)}"
        yield f"    exact     {exact_place(exact_value(results.exact.reshape(-1)[flat]), fmt)}"


def _ulp_text(far: Fraction | float) -> str:
    return f"{float(far):.6g} ulp"
