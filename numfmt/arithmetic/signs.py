"""Operations on the sign alone (IEEE 754-2019, 5.5.1): no NaN is invalid, and its payload stays."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from ..engine.inputs import Input
from ..format import Format
from ..formats.floats import Float
from ..kernels.odd import INVALID
from ..registry import element
from . import operands
from .elementwise import Keywords, rounded
from .exactly import negated

Array = np.ndarray[Any, Any]


def neg(a: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """-a, rounded once to `fmt`, which changes no value of a format with signs; see `numfmt.add`.

    Codes of a format with a sign bit get the other sign, be they NaN. Where no value is -a, as of the least
    of an integer format, it is rounded and overflows as any other number.

    >>> numfmt.arithmetic.neg([1.5, 0.0], "bf16")
    array([-1.5, -0. ])
    >>> numfmt.arithmetic.neg([-128, 3], "int8", codes=True, flags=True)
    (array([127,  -3], dtype=int8), array([16,  0], dtype=uint8))
    """
    return _signed((a,), fmt, lambda negative: ~negative, **how)


def abs(a: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """|a|, rounded once to `fmt`; see `neg`.

    >>> numfmt.arithmetic.abs(0xFD01, "f16", codes=True, flags=True)  # a NaN that signals
    (np.uint16(32001), np.uint8(0))
    """
    return _signed((a,), fmt, np.zeros_like, **how)


def copysign(a: Any, b: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """`a` with the sign of `b`, rounded once to `fmt`; see `neg`.

    >>> numfmt.arithmetic.copysign([1.5, 2.5], [-0.0, 3.0], "bf16")
    array([-1.5,  2.5])
    """
    return _signed((a, b), fmt, lambda negative, other: other, **how)


def _signed(args: tuple[Any, ...], fmt: Any, choose: Any, **how: Any) -> Any:
    form, codes, out = element(fmt), how.get("codes", False), how.get("out")
    formats = operands.formats_of(how.pop("operands", None), form, len(args))
    given = operands.read(args, formats, codes)
    signs = [operands.signs(operands.numbers(x)) for x in given]
    x = _with_sign(given[0], choose(*signs))
    found, marks = rounded("convert", (x,), form, formats[:1], operands.dtype_of(given, args), **how)
    nan = operands.is_nan(operands.numbers(x))
    if codes and x.coded == form and _has_sign_bit(form):
        found[...] = np.where(nan, x.array, found)
    found = operands.handed(found, args, out)
    if marks is None:
        return found
    quiet = nan if form.nan() is not None else False
    return found, operands.handed(np.where(quiet, marks & ~np.uint8(INVALID), marks), args, out)


def _has_sign_bit(fmt: Format | None) -> bool:
    return isinstance(fmt, Float) and fmt.signed and fmt.kind.negative_zero


def _with_sign(source: Input, negative: Array) -> Input:
    x, fmt = source
    if fmt is not None and _has_sign_bit(fmt):
        sign = x.dtype.type(1 << (fmt.bits - 1))
        return Input(np.where(negative, x | sign, x & ~sign), fmt)
    number = x if fmt is None and x.dtype.kind == "f" else operands.numbers(source)
    if number.dtype.kind == "O":
        return Input(np.where(negative == operands.signs(number), number, operands.mapped(negated, number)))
    return Input(np.copysign(number, np.where(negative, -1, 1).astype(number.dtype)))
