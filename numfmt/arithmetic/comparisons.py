"""Which of two numbers is greater, exactly, whatever their formats (IEEE 754-2019, 5.6.1 and 5.11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, Unpack

import numpy as np

from ..kernels.odd import INVALID
from ..registry import element
from . import nans
from .operands import flushed, formats_of, handed, is_nan, numbers, read, together

Array = np.ndarray[Any, Any]


class Keywords(TypedDict, total=False):
    """How operands are read; see `equal`."""

    codes: bool
    operands: Any
    daz: bool
    signalling: bool
    flags: bool


def equal(a: Any, b: Any, fmt: Any = None, **how: Unpack[Keywords]) -> Any:
    """Whether `a` and `b` are the same number; zeros of both signs are, NaN equals nothing.

    Parameters
    ----------
    a, b : array_like of real numbers, shapes that go together
        Compared as they are, without rounding. With ``codes=True`` integers: codes of `fmt`.
    fmt : str, Format or dtype, optional
        Of codes, and of numbers that ``daz`` looks at.
    codes : bool
        The operands are codes.
    operands : format or one for each operand, optional
        In place of `fmt`.
    daz : bool
        Subnormal operands count as zeros.
    signalling : bool
        A quiet NaN is invalid too, as in C's ``<``; a signalling one always is (5.11).
    flags : bool
        Give the exceptions too: uint8, invalid 16.

    Returns
    -------
    bool or ndarray of bool

    >>> numfmt.arithmetic.equal([0.0, np.nan], [-0.0, np.nan])
    array([ True, False])
    >>> numfmt.arithmetic.equal(2**53 + 1, 2.0**53)
    np.False_
    >>> numfmt.arithmetic.equal(0x3C00, 0x38, codes=True, operands=("f16", "e4m3fn"))
    np.True_
    """
    return _compared(is_equal, a, b, fmt, **how)


def less(a: Any, b: Any, fmt: Any = None, **how: Unpack[Keywords]) -> Any:
    """Whether a < b; see `equal`.

    >>> numfmt.arithmetic.less([1.0, np.nan], 2.0, signalling=True, flags=True)
    (array([ True, False]), array([ 0, 16], dtype=uint8))
    """
    return _compared(is_less, a, b, fmt, **how)


def less_equal(a: Any, b: Any, fmt: Any = None, **how: Unpack[Keywords]) -> Any:
    """Whether a <= b; see `equal`.

    >>> numfmt.arithmetic.less_equal(0x80, 0x00, "e4m3fn", codes=True)
    np.True_
    """
    return _compared(is_less_or_equal, a, b, fmt, **how)


def unordered(a: Any, b: Any, fmt: Any = None, **how: Unpack[Keywords]) -> Any:
    """Whether `a` or `b` is NaN; see `equal`.

    >>> numfmt.arithmetic.unordered([1.0, np.nan], 2.0)
    array([False,  True])
    """
    return _compared(is_unordered, a, b, fmt, **how)


def is_equal(a: Array, b: Array) -> Array:
    return np.asarray(a == b, bool)


def is_less(a: Array, b: Array) -> Array:
    return np.asarray(a < b, bool)


def is_less_or_equal(a: Array, b: Array) -> Array:
    return np.asarray(a <= b, bool)


def is_unordered(a: Array, b: Array) -> Array:
    return is_nan(a) | is_nan(b)


def _compared(
    test: Callable[[Array, Array], Array], a: Any, b: Any, fmt: Any, *, codes: bool = False, operands: Any = None,
    daz: bool = False, signalling: bool = False, flags: bool = False,
) -> Any:  # fmt: skip
    if fmt is None and operands is None and (codes or daz):
        raise TypeError(
            f"{'codes' if codes else 'daz'}=True needs the format of the operands: fmt or operands="
        )
    formats = formats_of(operands if fmt is None else operands or fmt, element("f64"), 2)
    given = read((a, b), formats, codes)
    if daz:
        given = tuple(map(flushed, given, formats))
    x, y = together(*map(numbers, given))
    found = handed(test(x, y), (a, b), None)
    if not flags:
        return found
    loud = is_unordered(x, y) if signalling else nans.signals(given[0]) | nans.signals(given[1])
    return found, handed((INVALID * loud).astype(np.uint8), (a, b), None)
