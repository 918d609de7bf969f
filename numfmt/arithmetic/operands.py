"""What operations are given: values of any dtype, tensors, exact scalars, or codes of formats."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from numbers import Number
from typing import Any

import numpy as np

from ..casting import check_codes
from ..engine import inputs
from ..engine.inputs import Input
from ..engine.plan import decoding_plan
from ..engine.run import decode_into, decoded
from ..format import Format, Value, is_special
from ..reference import exact, is_negative
from ..registry import element

Array = np.ndarray[Any, Any]
F2, F4, F8 = map(np.dtype, (np.float16, np.float32, np.float64))
HALF, SINGLE = element("f16"), element("f32")
EXACT = 1 << 53  # integers up to it are float64


def formats_of(operands: Any, form: Format, count: int) -> tuple[Format, ...]:
    """One format for each operand: that of the result unless the call says others."""
    if operands is None:
        return (form,) * count
    specs = operands if isinstance(operands, (tuple, list)) else (operands,) * count
    if len(specs) != count:
        raise ValueError(f"operands= takes one format, or {count}, got {len(specs)}")
    return tuple(element(spec) for spec in specs)


def read(given: Sequence[Any], formats: Sequence[Format], codes: bool) -> tuple[Input, ...]:
    """The operands, broadcast to one shape."""
    sources = [_codes(x, f) if codes else _values(x) for x, f in zip(given, formats, strict=True)]
    shapes = [x.array.shape for x in sources]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"operands of shapes {' and '.join(map(str, shapes))} do not go together") from None
    return tuple(
        x if x.array.shape == shape else x._replace(array=np.broadcast_to(x.array, shape)) for x in sources
    )


def _values(x: Any) -> Input:
    if inputs.is_tensor(x):
        return inputs.classify_tensor(x)
    if inputs.is_exact_scalar(x):
        return Input(np.array(exact(x), object))
    return inputs.classify(x if isinstance(x, np.ndarray) else inputs.as_array(x))


def _codes(x: Any, form: Format) -> Input:
    codes = np.asarray(x)
    if codes.dtype.kind not in "iu":
        raise TypeError(f"codes=True takes integers, got an array of dtype {codes.dtype}")
    check_codes(codes, form)
    return Input(codes, form)


def handed(found: Array, given: Sequence[Any], out: Any) -> Any:
    """Results as the operands came: a scalar of scalars, a tensor of tensors."""
    if any(map(inputs.is_tensor, given)):
        if out is not None:
            raise TypeError("out= takes NumPy arrays; leave it out for a torch tensor")
        return sys.modules["torch"].from_numpy(found)
    return (
        found[()] if out is None and all(isinstance(x, (Number, np.generic, str)) for x in given) else found
    )


def dtype_of(sources: Sequence[Input], given: Sequence[Any]) -> np.dtype[Any] | None:
    """The widest float dtype among operands; Python's own numbers have a say where there are no others."""
    typed = [x for x, y in zip(sources, given, strict=True) if type(y) not in (bool, int, float)] or sources
    floats = [F2 if x.coded == HALF else x.array.dtype for x in typed if x.coded == HALF or x.coded is None]
    floats = [dtype for dtype in floats if dtype.kind == "f"]
    return np.result_type(*floats) if floats else None


# Exact numbers of operands


def numbers(source: Input) -> Array:
    """Float64 numbers, or the exact values in an object array where float64 does not hold some."""
    x, fmt = _by_codes(source)
    if fmt is not None:
        if not fmt.fits(52, -1022, 1023):
            return mapped(lambda code: decoded(code, fmt), x)
        values = np.empty(x.size, F8)
        decode_into(np.ascontiguousarray(x).reshape(-1), decoding_plan(fmt), values)
        return values.reshape(x.shape)
    if x.dtype.kind == "O":
        return x
    with np.errstate(all="ignore"):
        double = x.astype(F8)
    return mapped(exact, x) if _is_lossy(x, double) else double


def _by_codes(source: Input) -> Input:
    """float32 as codes of f32: a CPU that takes subnormals for 0 would widen them so."""
    x, fmt = source
    if fmt is not None or x.dtype.str[1:] != "f4":
        return source
    return Input(x.astype(F4, copy=False).view(np.uint32), SINGLE)


def _is_lossy(x: Array, double: Array) -> bool:
    if x.dtype.kind == "f":
        return x.dtype.itemsize > 8 and bool(np.any((double.astype(x.dtype) != x) & (x == x)))
    return x.dtype.itemsize > 4 and bool(np.any((x > EXACT) | (x < -EXACT if x.dtype.kind == "i" else False)))


def mapped(value: Callable[[Any], Value], x: Array) -> Array:
    """Exact values, as objects."""
    found = np.empty(x.size, object)
    for i, v in enumerate(x.flat):
        found[i] = value(v)
    return found.reshape(x.shape)


def together(*found: Array) -> list[Array]:
    """All as float64, or all as exact values."""
    if all(x.dtype == F8 for x in found):
        return list(found)
    return [x if x.dtype.kind == "O" else mapped(exact, x) for x in found]


def each(test: Any, x: Array) -> Array:
    """A test of exact values, of every one."""
    return np.array([test(v) for v in x.flat], bool).reshape(x.shape)


def is_nan(x: Array) -> Array:
    return np.asarray(x != x, bool)


def signs(x: Array) -> Array:
    """Where numbers are negative, zeros and NaN among them."""
    return each(is_negative, x) if x.dtype.kind == "O" else np.signbit(x)


def merged(first: Array, one: Input, other: Input) -> Input:
    """`one` where `first` says so, else `other`: as they are, or as the exact numbers of both."""
    alike = one.coded == other.coded and one.array.dtype == other.array.dtype
    a, b = (one.array, other.array) if alike else together(numbers(one), numbers(other))
    return Input(np.where(first, a, b), one.coded if alike else None)


def flushed(source: Input, fmt: Format) -> Input:
    """Subnormal numbers of a format as zeros of their sign."""
    x = numbers(source)
    tiny = each(lambda v: is_tiny(v, fmt), x) if x.dtype.kind == "O" else np.abs(x) < float(fmt.min_normal)
    if source.coded is None and x.dtype == F8:
        return Input(np.where(tiny, np.copysign(0.0, x), x).astype(source.array.dtype))
    if source.coded is None:
        return Input(mapped(lambda v: zero_like(v) if is_tiny(v, fmt) else v, x))
    zeros = np.where(signs(x), source.coded.zero(True) or 0, source.coded.zero() or 0)
    return source._replace(array=np.where(tiny, zeros, source.array).astype(source.array.dtype))


def is_tiny(x: Value, fmt: Format) -> bool:
    return not is_special(x) and abs(Fraction(x)) < fmt.min_normal


def zero_like(x: Value) -> Value:
    return -0.0 if is_negative(x) else Fraction(0)


def near(x: Value) -> float:
    """A float64 near a value."""
    try:
        return float(x)
    except OverflowError:
        return -math.inf if is_negative(x) else math.inf
