"""Fixed-point arithmetic on arrays of codes: exact results, or one rounding to a format asked for.

A result is an integer that counts steps of 2**-frac. Without a format asked for it is kept whole, in
the format that holds every result; else `encode` brings the integer into the format, so every
rounding mode and overflow policy is the one of `numfmt.encode`.

The full-precision formats are those of HLS's ap_fixed (ap_fixed_base.h, RType), SystemC's sc_fixed
and APyTypes, with n integer bits, the sign's among them, and f fraction bits:

===================== ======================= ============== ======================
operation             integer bits            fraction bits  signed
===================== ======================= ============== ======================
add                   max(n1, n2) + 1         max(f1, f2)    if one of them is
subtract              max(n1, n2) + 1         max(f1, f2)    yes
multiply              n1 + n2                 f1 + f2        if one of them is
negate                n + 1                   f              yes
shift by s            n + s                   f - s          as it was
multiply_accumulate   of the product and c added
===================== ======================= ============== ======================

Where a signed and an unsigned number are added or subtracted, the unsigned one counts with one
integer bit more.

Results that 64 bits hold exactly cost nanoseconds an element. Others are Python integers: a
microsecond, and some 100 if they still need more than 64 bits once they are cut to the result's
fraction, or in stochastic modes, as those of two large q31.32 factors do. `shift` so far that the
step leaves float64's range is as slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from math import prod
from operator import add as plus
from operator import index, mul
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np

from . import reference
from .casting import check_codes, decode, encode
from .engine.draws import source as noise_source
from .engine.outputs import own_code_dtype
from .engine.plan import ENGINES
from .errors import RangeError, SpecError, choose
from .formats.fixed import WIDEST, Fixed
from .reference import policy
from .registry import element
from .rounding import rounding_mode

__all__ = [
    "FixedPoint",
    "add",
    "array",
    "multiply",
    "multiply_accumulate",
    "negate",
    "requantize",
    "shift",
    "subtract",
]

Array = np.ndarray[Any, Any]
FARTHEST = 2200  # places: more than lie between the highest bit of any format and the lowest of any
GUARD_BITS = 2  # a number rounded to odd so much finer rounds on like itself, in every mode
_LOOPS_REACH = range(-900, 1000)  # fraction bits whose steps the loops hold in float64


class Keywords(TypedDict, total=False):
    """How a result is brought into a format asked for; each as in `numfmt.encode`."""

    rounding: Any
    overflow: Any
    seed: int | None
    noise: Any
    random_bits: int | None
    engine: str | None


class FixedPoint(NamedTuple):
    """Codes and their format. A pair `(codes, spec)` serves wherever one is taken."""

    codes: Array
    format: Fixed

    @property
    def values(self) -> Array:
        """The values, as `numfmt.decode` gives them."""
        return np.asarray(decode(self.codes, self.format))


def array(x: Any, fmt: Any, **how: Unpack[Keywords]) -> FixedPoint:
    """Real numbers as fixed point.

    Parameters
    ----------
    x : array_like of real numbers, any shape
    fmt : str or Fixed
        A fixed-point spec such as ``"q3.4"``, ``"int8"`` or ``"fixed[bits=8,frac=9]"``.
    rounding, overflow, seed, noise, random_bits, engine
        As in `numfmt.encode`.

    Returns
    -------
    FixedPoint
        `codes` have the shape of `x`, in the intN or uintN that holds `bits` bits.

    Examples
    --------
    >>> array([1.5, -0.3, 9.0], "q3.4").codes
    array([ 24,  -5, 127], dtype=int8)
    """
    form = _fixed(fmt)
    return FixedPoint(np.asarray(encode(x, form, **how)), form)


def add(a: Any, b: Any, fmt: Any = None, **how: Unpack[Keywords]) -> FixedPoint:
    """a + b, exact, or rounded once to `fmt`.

    Parameters
    ----------
    a, b : FixedPoint, or pairs (codes, spec)
        Integer codes of any shapes that broadcast; two's complement as signed numbers or as their
        unsigned residues.
    fmt : str or Fixed, optional
        Of the result. If it is left out, the result is exact, in the format of the module's table.
    rounding, overflow, seed, noise, random_bits, engine
        As in `numfmt.encode`, together with `fmt`. Noise word i belongs to element i of the
        result in C order.

    Returns
    -------
    FixedPoint

    Raises
    ------
    SpecError : the exact result has more than 64 bits, and no `fmt` is given
    RangeError : a code that its format does not have; overflow under ``overflow="raise"``
    TypeError : codes that are no integers, a format that is not fixed point

    Examples
    --------
    >>> add((np.array([100, -128], np.int8), "q3.4"), ([16], "uq0.8"))  # doctest: +ELLIPSIS
    FixedPoint(codes=array([ 1616, -2032], dtype=int16), format=<q4.8: 13 bits, -16 to 15.9961, step ...>)
    >>> add(([100], "q3.4"), ([100], "q3.4"), "q3.4").codes
    array([127], dtype=int8)
    """
    x, y = _operand(a), _operand(b)
    return _sum([_Term([x]), _Term([y])], _added(x.grid, y.grid), fmt, how)


def subtract(a: Any, b: Any, fmt: Any = None, **how: Unpack[Keywords]) -> FixedPoint:
    """a - b, exact and signed, or rounded once to `fmt`. Parameters are those of `add`.

    >>> subtract(([1], "uint8"), ([3], "uint8"))
    FixedPoint(codes=array([-2], dtype=int16), format=<int9: 9 bits, -256 to 255, step 1>)
    """
    x, y = _operand(a), _operand(b)
    grid = _added(x.grid, y.grid)._replace(signed=True)
    return _sum([_Term([x]), _Term([y], -1)], grid, fmt, how)


def multiply(a: Any, b: Any, fmt: Any = None, **how: Unpack[Keywords]) -> FixedPoint:
    """a * b, exact, or rounded once to `fmt`. Parameters are those of `add`.

    >>> multiply(([24], "q3.4"), ([-24], "q3.4")).values
    array([-2.25], dtype=float32)
    >>> multiply(([24], "q3.4"), ([-24], "q3.4"), "int8", rounding="toward_zero").codes
    array([-2], dtype=int8)
    """
    x, y = _operand(a), _operand(b)
    return _sum([_Term([x, y])], _multiplied(x.grid, y.grid), fmt, how)


def multiply_accumulate(a: Any, b: Any, c: Any, fmt: Any = None, **how: Unpack[Keywords]) -> FixedPoint:
    """a * b + c, exact, or rounded once to `fmt`. Parameters are those of `add`.

    >>> multiply_accumulate(([24], "q3.4"), ([24], "q3.4"), ([1], "q3.4"), "q3.4").values
    array([2.3125], dtype=float32)
    """
    x, y, z = _operand(a), _operand(b), _operand(c)
    return _sum([_Term([x, y]), _Term([z])], _added(_multiplied(x.grid, y.grid), z.grid), fmt, how)


def negate(a: Any, fmt: Any = None, **how: Unpack[Keywords]) -> FixedPoint:
    """-a, exact and one bit wider, or rounded once to `fmt`. Parameters are those of `add`.

    >>> negate(([-128], "int8"), "int8", overflow="wrap").codes
    array([-128], dtype=int8)
    """
    x = _operand(a)
    return _sum([_Term([x], -1)], x.grid._replace(whole=x.grid.whole + 1, signed=True), fmt, how)


def shift(a: Any, places: int, fmt: Any = None, **how: Unpack[Keywords]) -> FixedPoint:
    """a * 2**places, exact by moving the binary point, or rounded once to `fmt`.

    Parameters
    ----------
    places : int
        To the left, at most 2200; a negative number shifts to the right.

    The other parameters are those of `add`.

    >>> shift(([24], "q3.4"), -2)
    FixedPoint(codes=array([24], dtype=int8), format=<q1.6: 8 bits, -2 to 1.98438, step 0.015625>)
    >>> shift(([24], "q3.4"), -4, "q3.4", rounding="toward_negative").codes
    array([1], dtype=int8)
    """
    x, by = _operand(a), _places(places)
    moved = Grid(x.grid.whole + by, x.grid.frac - by, x.grid.signed)
    return _sum([_Term([x._replace(grid=moved)])], moved, fmt, how)


def requantize(a: Any, fmt: Any, **how: Unpack[Keywords]) -> FixedPoint:
    """a in another fixed-point format, rounded once. Parameters are those of `add`.

    >>> requantize(([24, -24], "q3.4"), "int8").codes
    array([ 2, -2], dtype=int8)
    """
    x = _operand(a)
    return _sum([_Term([x])], x.grid, fmt, how)


class Grid(NamedTuple):
    """The numbers of a fixed-point format; `whole` integer bits count the sign."""

    whole: int
    frac: int
    signed: bool

    @property
    def bits(self) -> int:
        return self.whole + self.frac


class _Operand(NamedTuple):
    codes: Array  # signed numbers if the grid is signed
    grid: Grid

    @property
    def reach(self) -> int:
        return _reach(self.codes)


class _Term(NamedTuple):
    """A product with a sign."""

    factors: Sequence[_Operand]
    sign: int = 1

    def scale(self, frac: int) -> int:
        """Steps of 2**-frac in one step of the product."""
        return 1 << (frac - sum(x.grid.frac for x in self.factors))

    def reach(self, frac: int) -> int:
        return prod(x.reach for x in self.factors) * self.scale(frac)

    def steps(self, frac: int, dtype: Any) -> Any:
        whole = reduce(mul, (x.codes.astype(dtype) for x in self.factors))
        return whole * (self.sign * self.scale(frac))


def _added(a: Grid, b: Grid) -> Grid:
    signed = a.signed or b.signed
    whole = max(x.whole + (signed and not x.signed) for x in (a, b))
    return Grid(whole + 1, max(a.frac, b.frac), signed)


def _multiplied(a: Grid, b: Grid) -> Grid:
    return Grid(a.whole + b.whole, a.frac + b.frac, a.signed or b.signed)


def _sum(terms: Sequence[_Term], grid: Grid, fmt: Any, how: Keywords) -> FixedPoint:
    """The sum of some terms, which `grid` holds exactly."""
    _check_keywords(how, fmt)
    form = _full_precision(grid) if fmt is None else _fixed(fmt)
    reach = sum(term.reach(grid.frac) for term in terms)
    dtype = _holding(reach, grid.signed)
    steps = np.asarray(reduce(plus, (term.steps(grid.frac, dtype) for term in terms)), dtype)
    codes = steps.astype(own_code_dtype(form)) if fmt is None else _rounded(steps, grid.frac, form, how)
    return FixedPoint(codes, form)


def _reach(numbers: Array) -> int:
    """The largest magnitude there is, at least 1."""
    return max(1, -int(numbers.min(initial=0)), int(numbers.max(initial=0)))


def _holding(reach: int, signed: bool) -> Any:
    """The dtype in which numbers up to `reach` are exact."""
    if reach < 1 << 63:
        return np.int64
    return np.uint64 if reach < 1 << 64 and not signed else object


def _full_precision(grid: Grid) -> Fixed:
    if grid.bits > WIDEST:
        raise SpecError(
            f"the exact result has {grid.bits} bits, {grid.whole} before and {grid.frac} after the binary "
            f"point, and a code has at most {WIDEST}; give the format of the result, as in fmt='q31.32'"
        )
    return _fixed(f"fixed[bits={grid.bits},frac={grid.frac},signed={'yes' if grid.signed else 'no'}]")


def _rounded(steps: Array, frac: int, form: Fixed, how: Keywords) -> Array:
    """Codes of `steps * 2**-frac`: those of the plain integers, where the point is moved as far."""
    if steps.dtype == object and not rounding_mode(how.get("rounding")).stochastic:
        steps, frac = _narrowed(steps, frac, form.frac + GUARD_BITS)
    moved = replace(form, frac=form.frac - frac)
    try:
        if steps.dtype == object or moved.frac not in _LOOPS_REACH:
            return _rounded_by_reference(steps, moved, **how)
        return np.asarray(encode(steps, moved, **how))
    except RangeError as error:
        first = error.index[0] if len(error.index) == 1 else error.index
        raise RangeError(
            f"{error.count} of {error.total} results lie outside the range of '{form}', "
            f"{form.range_text}" + (f"; first at {first}" if steps.ndim else ""),
            error.count, error.total, error.index,
        ) from None  # fmt: skip


def _narrowed(steps: Array, frac: int, wanted: int) -> tuple[Array, int]:
    """Python integers rounded to odd at `wanted` fraction bits, as int64 if they fit it."""
    if frac > wanted:
        drop = frac - wanted
        lost = np.asarray(steps & ((1 << drop) - 1) != 0, object)
        steps, frac = np.asarray(steps >> drop | lost, object), wanted
    return steps.astype(_holding(_reach(steps), True)), frac


def _rounded_by_reference(
    steps: Array, form: Fixed, *, rounding: Any = None, overflow: Any = None, seed: int | None = None,
    noise: Any = None, random_bits: int | None = None, engine: str | None = None,
) -> Array:  # fmt: skip
    """`encode` of integers of any size, whatever engine is asked for."""
    if engine is not None:
        choose("engine", engine, ENGINES)
    rule = policy(form, rounding, overflow, None, random_bits)
    draws = noise_source(rule, seed, noise, steps.shape)
    words = draws.take(0, steps.size).tolist() if draws else [0] * steps.size
    try:
        residues = reference.encode_all(steps.reshape(-1).tolist(), form, rule, words)
    except RangeError as error:
        first = tuple(map(int, np.unravel_index(error.index[0], steps.shape)))
        raise RangeError(error.message, error.count, error.total, first) from None
    return _numbers(np.array(residues, np.uint64), form).astype(own_code_dtype(form)).reshape(steps.shape)


def _operand(given: Any) -> _Operand:
    try:
        codes, spec = given
    except (TypeError, ValueError):
        raise TypeError(
            f"an operand is a FixedPoint or a pair (codes, spec), as in (codes, 'q3.4'), got {given!r}"
        ) from None
    form = _fixed(spec)
    return _Operand(_numbers(codes, form), Grid(form.bits - form.frac, form.frac, form.signed))


def _numbers(codes: Any, form: Fixed) -> Array:
    """Codes as numbers: residues of two's complement become signed."""
    given = np.asarray(codes)
    if not given.size:
        return given.astype(own_code_dtype(form))
    if given.dtype.kind not in "iu":
        raise TypeError(f"codes of '{form}' are integers of at most 64 bits, got dtype {given.dtype}")
    check_codes(given, form)
    if form.signed and int(given.max()) >= 1 << (form.bits - 1):
        return _extended(given.astype(np.uint64), form.bits)
    return given


def _extended(residues: Array, bits: int) -> Array:
    up = 64 - bits
    return (residues << np.uint64(up)).view(np.int64) >> up


def _fixed(spec: Any) -> Fixed:
    form = element(spec)
    if not isinstance(form, Fixed):
        raise TypeError(f"fixed-point arithmetic takes formats such as 'q3.4' or 'int8', got '{form}'")
    return form


def _places(places: Any) -> int:
    try:
        by = index(places)
    except TypeError:
        raise TypeError(f"places must be an integer, got {places!r}") from None
    if abs(by) > FARTHEST:
        raise ValueError(
            f"places must be {-FARTHEST} to {FARTHEST}, got {by}: so far away every format has overflowed or rounds to 0"
        )
    return by


def _check_keywords(how: Keywords, fmt: Any) -> None:
    unknown = [name for name in how if name not in Keywords.__annotations__]
    if unknown:
        raise TypeError(f"unknown keyword {unknown[0]!r}; there are: {', '.join(Keywords.__annotations__)}")
    if fmt is None and how:
        raise TypeError(f"{next(iter(how))}= needs the format of the result, fmt=: without it, it is exact")
