"""Integers: of a format, and of a machine's registers.

=========== ================================================ ==========================================================
processor   a number out of range, an infinity               NaN
=========== ================================================ ==========================================================
x86         the least integer; unsigned the greatest         the same (Intel SDM volume 1, "integer indefinite")
arm         the nearest integer there is                     0 (Arm ARM, FPToFixed)
riscv       the nearest integer there is                     the greatest (RISC-V unprivileged ISA, 11.7)
=========== ================================================ ==========================================================

All of them are invalid, and inexact no more (IEEE 754-2019, 5.8 and 7.2). These are the rows of Berkeley SoftFloat's
specialisations, but for x86's unsigned one, which is AVX-512's, from memory, UNVERIFIED.
"""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

import numpy as np

from ..engine.inputs import Input
from ..errors import SpecError, choose
from ..format import Format, exponent
from ..formats.floats import Float
from ..kernels.odd import INEXACT, INVALID, OVERFLOW
from ..reference import exact as exact_value
from ..registry import element
from . import nans
from .elementwise import Keywords, rounded
from .operands import dtype_of, flushed, formats_of, handed, mapped, numbers, read, signs, together

Array = np.ndarray[Any, Any]
NAN_BECOMES = {"x86": "min", "arm": 0, "riscv": "max"}


class Rounding(TypedDict, total=False):
    """How a number is rounded; see `numfmt.add`."""

    rounding: Any
    seed: int | None
    noise: Any
    random_bits: int | None
    daz: bool
    engine: str | None


def to_integer(
    a: Any, fmt: Any, profile: str, *, codes: bool = False, operands: Any = None, flags: bool = False, out: Any = None, **how: Unpack[Rounding],
) -> Any:  # fmt: skip
    """`a` rounded to an integer format as a processor does it, as integers; see `numfmt.add`.

    Parameters
    ----------
    a : array_like of real numbers; with ``codes=True`` codes of `operands`
    fmt : str
        An integer format: "int32", "uint8"; "int64" too.
    profile : "x86", "arm" or "riscv"
        What a number out of range and NaN become.
    rounding, seed, noise, random_bits, operands, daz, flags, out, engine
        As in `numfmt.add`. C's casts round toward zero; inexact is raised as the instructions do.

    Returns
    -------
    ndarray or scalar of the integer dtype that holds the format

    >>> numfmt.arithmetic.to_integer([2.5, 1e10, -np.inf, np.nan], "int32", "x86")
    array([          2, -2147483648, -2147483648, -2147483648], dtype=int32)
    >>> numfmt.arithmetic.to_integer([2.5, 1e10, -np.inf, np.nan], "int32", "arm", flags=True)
    (array([          2,  2147483647, -2147483648,           0], dtype=int32), array([ 1, 16, 16, 16], dtype=uint8))
    """
    form = element(fmt)
    if not form.uniform or form.step != 1:
        raise SpecError(f"to_integer takes an integer format, as int32, not '{form}'", str(form))
    rule = choose("profile", profile, NAN_BECOMES)
    if codes and operands is None:
        raise TypeError("codes=True needs operands=: the format of the codes")
    formats = formats_of(operands, form, 1)
    (source,) = read((a,), formats, codes)
    found, marks = rounded(
        "convert", (source,), form, formats, None, codes=True, flags=True, overflow="saturate",
        nan=NAN_BECOMES[rule], out=out, **how,
    )  # fmt: skip
    assert marks is not None
    if rule == "x86":
        indefinite = form.outward(form.edge(form.signed))
        found[marks & INVALID != 0] = indefinite
    found = handed(found, (a,), out)
    return (found, handed(marks, (a,), out)) if flags else found


def round_to_integral(a: Any, fmt: Any, *, exact: bool = False, **how: Unpack[Keywords]) -> Any:
    """`a` rounded to an integer that is a value of `fmt` (IEEE 754-2019, 5.3.1 and 5.9), 0 with the sign of `a`.

    Parameters
    ----------
    a : array_like of real numbers; with ``codes=True`` codes of `operands`, or of `fmt`
    exact : bool
        Raise inexact where the result is another number, as roundToIntegralExact does.
    others
        As in `numfmt.add`. An integer that the format cannot reach, above its last value, overflows.

    >>> numfmt.arithmetic.round_to_integral([2.5, -0.3, 1e6], "bf16")
    array([ 2.00000e+00, -0.00000e+00,  9.99424e+05])
    >>> numfmt.arithmetic.round_to_integral([2.5, 3.0], "bf16", rounding="toward_positive", exact=True, flags=True)
    (array([3., 3.]), array([1, 0], dtype=uint8))
    """
    return _round_to_integral(a, fmt, exact, **how)


def _round_to_integral(a: Any, fmt: Any, exact: bool, *, operands: Any = None, **how: Any) -> Any:
    form, codes, out = element(fmt), how.get("codes", False), how.get("out")
    formats = formats_of(operands, form, 1)
    given = read((a,), formats, codes)
    typed = dtype_of(given, (a,))
    if how.pop("daz", False):
        given = tuple(map(flushed, given, formats))
    whole = _whole(given[0], form, **how)
    found, marks = rounded("convert", (whole,), form, (whole.coded or form,), typed, **how)
    found = handed(found, (a,), out)
    if marks is None:
        return found
    x, y = together(numbers(given[0]), numbers(whole))
    lost = (marks & INEXACT != 0) | ((x != y) & (x == x))
    kept = marks & ~np.uint8(INEXACT) | INEXACT * (lost & (exact | (marks & OVERFLOW != 0)))
    kept |= INVALID * nans.signals(given[0])
    return found, handed(kept.astype(np.uint8), (a,), out)


def _whole(
    source: Input, fmt: Format, *, rounding: Any = None, seed: Any = None, noise: Any = None,
    random_bits: Any = None, engine: Any = None, **others: Any,
) -> Input:  # fmt: skip
    """Integers in place of the numbers near which the format has others."""
    x = numbers(source)
    bits = min(_bits_with_fractions(fmt), 62 if x.dtype.kind == "O" else 52)
    inside = np.asarray(np.abs(x) < (1 << bits) if bits else np.zeros(x.shape), bool)
    grid = element(f"int{bits + 2}")
    (y, _) = rounded(
        "convert", (Input(np.where(inside, x, 0)),), grid, (grid,), None, codes=True, rounding=rounding, seed=seed,
        noise=noise, random_bits=random_bits, engine=engine,
    )  # fmt: skip
    if x.dtype.kind == "O":
        whole = mapped(exact_value, y)
        whole = np.where((y == 0) & signs(x), -0.0, whole)
        return Input(np.where(inside, whole, x))
    return Input(np.where(inside, np.copysign(y.astype(np.float64), x), x))


def _bits_with_fractions(fmt: Format) -> int:
    """Of the magnitudes up to which a format has values that are no integers."""
    if isinstance(fmt, Float):
        return fmt.man_bits if fmt.quantum < 1 else 0
    return max(exponent(fmt.largest) + 2, 0) if fmt.smallest.denominator > 1 else 0
