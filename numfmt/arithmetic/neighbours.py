"""The values of a format beside a number, and how far they are apart (IEEE 754-2019, 5.3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypedDict, Unpack

import numpy as np

from ..engine.inputs import Input
from ..format import Format, Value, is_special
from ..kernels.odd import INVALID
from ..reference import exact
from ..registry import element
from . import nans
from .comparisons import is_less
from .elementwise import rounded
from .operands import (
    dtype_of,
    each,
    flushed,
    formats_of,
    handed,
    is_nan,
    mapped,
    numbers,
    read,
    signs,
    together,
)

Array = np.ndarray[Any, Any]


class Keywords(TypedDict, total=False):
    """How operands are read and results delivered; see `next_up`."""

    overflow: Any
    nan: Any
    codes: bool
    operands: Any
    daz: bool
    flags: bool
    dtype: Any
    engine: str | None


def next_up(a: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """The least value of `fmt` greater than `a`, which need be no value of it.

    Past the last value comes what `overflow` delivers: infinity where the format has it, else NaN, else the last
    value again. The value above the negative subnormal nearest to 0 is -0, and that above either 0 the least
    positive one. Quiet, but for a NaN that signals. Keywords as in `numfmt.add`.

    >>> numfmt.arithmetic.next_up([1.0, 448.0, 0.3], "e4m3fn")
    array([1.125 ,    nan, 0.3125])
    >>> numfmt.arithmetic.next_up([0x80, 0xFC], "e5m2", codes=True)
    array([  1, 251], dtype=uint8)
    """
    return _stepped((a,), fmt, lambda x: np.ones(x.shape, int), **how)


def next_down(a: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """The greatest value of `fmt` less than `a`; see `next_up`.

    >>> numfmt.arithmetic.next_down([1.0, 0.0], "bf16")
    array([ 9.96093750e-01, -9.18354962e-41])
    """
    return _stepped((a,), fmt, lambda x: np.full(x.shape, -1), **how)


def nextafter(a: Any, b: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """The value of `fmt` next to `a` on the side of `b`; `b` itself, rounded, where both are equal, and NaN where
    one is. See `next_up`.

    >>> numfmt.arithmetic.nextafter([1.0, 1.0, 0.0], [2.0, 0.0, -0.0], "bf16")
    array([ 1.0078125 ,  0.99609375, -0.        ])
    """
    return _stepped((a, b), fmt, lambda x, y: is_less(x, y) * 1 - is_less(y, x), **how)


def ulp(a: Any, fmt: Any, *, codes: bool = False, operands: Any = None) -> Any:
    """The spacing of `fmt` at `a`: between the greatest magnitude up to that of `a` and the next.

    Of a float with p significant bits that is 2**(e - p + 1) where 2**e <= abs(a) < 2**(e + 1) (Goldberg, "What every
    computer scientist should know about floating-point arithmetic", 1991, section 1.2; `math.ulp` for float64): at a
    power of two the spacing above it, at 0 and among subnormals the least one, at and past the last value the
    last one. Of infinities infinity, of NaN NaN.

    Parameters
    ----------
    a : array_like of real numbers; with ``codes=True`` codes of `operands`, or of `fmt`
    fmt : str, Format or dtype

    Returns
    -------
    ndarray or scalar of float64, never a code: a distance need be no value of the format

    >>> numfmt.arithmetic.ulp([1.0, 0.99, 0.0, 448.0], "e4m3fn").tolist()
    [0.125, 0.0625, 0.001953125, 32.0]
    """
    form = element(fmt)
    x = numbers(*read((a,), formats_of(operands, form, 1), codes))
    x = x if form.signed else np.abs(x)
    special = _is_special(x)
    inner = _cast(np.where(special, np.zeros((), x.dtype), x), form, "toward_zero")
    side = np.where(signs(x), -1, 1)
    outer = _cast(_beside(inner, side, form), form, "away_from_zero")
    below = _cast(_beside(inner, -side, form), form, "toward_zero")
    gap = np.abs(np.where(outer == inner, inner - below, outer - inner))
    return handed(np.where(special, np.abs(x), gap).astype(np.float64), (a,), None)


def _cast(x: Array, fmt: Format, mode: str) -> Array:
    how: Any = {"rounding": mode, "overflow": "saturate", "dtype": np.float64}
    return rounded("convert", (Input(x),), fmt, (fmt,), None, **how)[0]


def _is_special(x: Array) -> Array:
    return each(is_special, x) if x.dtype.kind == "O" else ~np.isfinite(x)


def _stepped(
    args: tuple[Any, ...], fmt: Any, sides: Callable[..., Array], *, codes: bool = False, operands: Any = None,
    daz: bool = False, flags: bool = False, **how: Any,
) -> Any:  # fmt: skip
    form = element(fmt)
    formats = formats_of(operands, form, len(args))
    given = read(args, formats, codes)
    if daz:
        given = tuple(map(flushed, given, formats))
    typed = dtype_of(given, args)
    numbered = [numbers(x) for x in given]
    if not form.fits(52, -1022, 1023):
        numbered = [mapped(exact, x) for x in numbered]
    x, *to = together(*numbered)
    side = sides(x, *to)
    near = np.where(side == 0, np.where(is_nan(x), x, to[0]) if to else x, _beside(x, side, form))
    found = _rounded_outward(near, side, form, typed, codes=codes, **how)
    found = handed(found, args, None)
    if not flags:
        return found
    loud = np.logical_or.reduce([nans.signals(x) for x in given])
    return found, handed((INVALID * loud).astype(np.uint8), args, None)


def _rounded_outward(near: Array, side: Array, fmt: Format, typed: Any, **how: Any) -> Array:
    """Each number to the value on its side, or the nearest."""
    found = {}
    for mode, here in (
        ("toward_positive", side > 0),
        ("toward_negative", side < 0),
        ("nearest_even", side == 0),
    ):
        part = (Input(near[here]),)
        found[mode] = (
            here,
            rounded("convert", part, fmt, (fmt,), typed, rounding=mode, nan_profile="canonical", **how)[0],
        )
    result = np.empty(near.shape, found["nearest_even"][1].dtype)
    for here, values in found.values():
        result[here] = values
    return result


def _beside(x: Array, side: Array, fmt: Format) -> Array:
    """A number beyond `x`, up or down, before the next value of the format; none before its first."""
    low, high = fmt.min, fmt.max
    if x.dtype == np.float64:
        with np.errstate(all="ignore"):
            beside = np.nextafter(x, np.where(side > 0, np.inf, -np.inf))
        first, last = float(low), float(high)
        beside = np.where((side > 0) & (beside < first), first, beside)
        return np.where((side < 0) & (beside > last), last, beside)
    little = Fraction(1, fmt.smallest.denominator << 1100)
    pairs = zip(x.flat, side.flat, strict=True)
    steps = np.array([_step(v, int(s), little, low, high) for v, s in pairs] + [None], object)
    return steps[:-1].reshape(x.shape)


def _step(x: Value, side: int, little: Fraction, low: Fraction, high: Fraction) -> Value:
    if x != x or x == side * math.inf:
        return x
    if is_special(x):
        return low if side > 0 else high
    beyond = Fraction(x) + side * little / Fraction(x).denominator
    return max(beyond, low) if side > 0 else min(beyond, high)
