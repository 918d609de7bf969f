"""The lesser and the greater of two numbers: what becomes of NaN and of zeros in the variants of standards and CPUs.

============ ======================= ============ ====================================================================
variant      NaN and a number        zeros        source
============ ======================= ============ ====================================================================
ieee2019     NaN                     -0 < +0      IEEE 754-2019, 9.6: minimum, maximum
number       the number              -0 < +0      IEEE 754-2019, 9.6: minimumNumber, maximumNumber
ieee2008     the number, NaN if the  -0 < +0      IEEE 754-2008, 5.3.1: minNum, maxNum, which leave the zeros open; two
             NaN signals                          numbers and a signalling NaN depend on their order
riscv        the number              -0 < +0      RISC-V unprivileged ISA, FMIN and FMAX: "number", canonical NaN
x86          the second operand      the second   Intel SDM, MINPS and MAXPS; any NaN is invalid
arm          NaN                     -0 < +0      Arm ARM, FMIN and FMAX
arm_number   the number, NaN if the  -0 < +0      Arm ARM, FMINNM and FMAXNM
             NaN signals
============ ======================= ============ ====================================================================

A NaN that signals is invalid in all of them. The rows of Arm and x86 are from memory, UNVERIFIED on a machine.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import numpy as np

from ..engine.inputs import Input
from ..errors import choose
from ..kernels.odd import INVALID
from ..registry import element
from . import nans, operands
from .comparisons import is_equal, is_less
from .elementwise import Keywords, rounded

Array = np.ndarray[Any, Any]


class Variant(NamedTuple):
    """How much a number, a quiet NaN and a signalling one count: the operand that counts more is the result. None:
    the second operand is, unless the first is less."""

    counts: tuple[int, int, int] | None
    profile: str  # of NaN results, unless the call says another


VARIANTS = {
    "ieee2019": Variant((0, 1, 2), "canonical"),
    "number": Variant((2, 0, 1), "canonical"),
    "ieee2008": Variant((1, 0, 2), "canonical"),
    "riscv": Variant((2, 0, 1), "riscv"),
    "x86": Variant(None, "x86"),
    "arm": Variant((0, 1, 2), "arm"),
    "arm_number": Variant((1, 0, 2), "arm"),
}


def minimum(a: Any, b: Any, fmt: Any, *, variant: str = "ieee2019", **how: Unpack[Keywords]) -> Any:
    """The lesser of `a` and `b`, rounded once to `fmt`, which changes no value of `fmt`; see `numfmt.add`.

    Parameters
    ----------
    variant : str
        One of `numfmt.arithmetic.VARIANTS`: what becomes of NaN and of zeros of two signs. The NaN of its
        processor is given unless ``nan_profile`` says another; x86's is the second operand as it is.

    >>> numfmt.arithmetic.minimum([1.0, -0.0, np.nan], [2.0, 0.0, 3.0], "bf16")
    array([ 1., -0., nan])
    >>> numfmt.arithmetic.minimum([1.0, -0.0, np.nan], [2.0, 0.0, 3.0], "bf16", variant="x86", flags=True)
    (array([1., 0., 3.]), array([ 0,  0, 16], dtype=uint8))
    """
    return _selected(a, b, fmt, VARIANTS[choose("variant", variant, VARIANTS)], False, **how)


def maximum(a: Any, b: Any, fmt: Any, *, variant: str = "ieee2019", **how: Unpack[Keywords]) -> Any:
    """The greater of `a` and `b`, rounded once to `fmt`; see `minimum`.

    >>> numfmt.arithmetic.maximum(0x7E01, 0x3C00, "f16", codes=True, variant="number")
    np.uint16(15360)
    """
    return _selected(a, b, fmt, VARIANTS[choose("variant", variant, VARIANTS)], True, **how)


def _selected(a: Any, b: Any, fmt: Any, variant: Variant, greatest: bool, **how: Any) -> Any:
    form, codes, out = element(fmt), how.get("codes", False), how.get("out")
    formats = operands.formats_of(how.pop("operands", None), form, 2)
    given = operands.read((a, b), formats, codes)
    typed = operands.dtype_of(given, (a, b))
    if how.pop("daz", False):
        given = tuple(map(operands.flushed, given, formats))
    profile = how["nan_profile"] = how.get("nan_profile") or variant.profile
    taken = operands.merged(_is_first(variant, greatest, *given), *given)
    found, marks = rounded("convert", (taken,), form, (taken.coded or form,), typed, **how)
    if codes and taken.coded == form and (variant.counts, profile) == (None, "x86"):
        found[...] = np.where(operands.is_nan(operands.numbers(taken)), taken.array, found)
    found = operands.handed(found, (a, b), out)
    return found if marks is None else (found, operands.handed(marks | _alarms(variant, given), (a, b), out))


def _is_first(variant: Variant, greatest: bool, one: Input, other: Input) -> Array:
    """Where the first operand is taken."""
    a, b = operands.together(operands.numbers(one), operands.numbers(other))
    if variant.counts is None:
        return is_less(b, a) if greatest else is_less(a, b)
    lesser = is_less(a, b) | (is_equal(a, b) & operands.signs(a))
    counts = np.array(variant.counts)
    first, second = counts[_kinds(a, one)], counts[_kinds(b, other)]
    return np.where(first == second, operands.is_nan(a) | (lesser ^ greatest), first > second)


def _kinds(x: Array, source: Input) -> Array:
    """0 of numbers, 1 of quiet NaNs, 2 of signalling ones."""
    return operands.is_nan(x).astype(int) + nans.signals(source)


def _alarms(variant: Variant, given: tuple[Input, ...]) -> Array:
    """INVALID where an operand is a NaN that signals; in x86 any."""
    is_loud = nans.signals if variant.counts else lambda x: operands.is_nan(operands.numbers(x))
    return (INVALID * (is_loud(given[0]) | is_loud(given[1]))).astype(np.uint8)
