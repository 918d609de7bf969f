"""What NumPy's own functions are for arrays in a format: tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from . import comparisons, elementwise, integers, neighbours, selection, signs

if TYPE_CHECKING:
    from .arrays import FormatArray

Array = np.ndarray[Any, Any]


def _to_integers(mode: str) -> Callable[[FormatArray], FormatArray]:
    return lambda x: x.select(integers.round_to_integral, rounding=mode)


UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: lambda a, b: a.apply(elementwise.add, b),
    np.subtract: lambda a, b: a.apply(elementwise.sub, b),
    np.multiply: lambda a, b: a.apply(elementwise.mul, b),
    np.divide: lambda a, b: a.apply(elementwise.div, b),
    np.matmul: lambda a, b: a @ b,
    np.sqrt: lambda a: a.apply(elementwise.sqrt),
    np.square: lambda a: a.apply(elementwise.mul, a),
    np.negative: lambda a: a.select(signs.neg),
    np.positive: lambda a: a.copy(),
    np.absolute: lambda a: a.select(signs.abs),
    np.fabs: lambda a: a.select(signs.abs),
    np.copysign: lambda a, b: a.select(signs.copysign, b),
    np.nextafter: lambda a, b: a.select(neighbours.nextafter, b),
    np.minimum: lambda a, b: a.select(selection.minimum, b),
    np.maximum: lambda a, b: a.select(selection.maximum, b),
    np.fmin: lambda a, b: a.select(selection.minimum, b, variant="number"),
    np.fmax: lambda a, b: a.select(selection.maximum, b, variant="number"),
    np.rint: _to_integers("nearest_even"),
    np.floor: _to_integers("toward_negative"),
    np.ceil: _to_integers("toward_positive"),
    np.trunc: _to_integers("toward_zero"),
    np.equal: lambda a, b: a.compare(comparisons.equal, b),
    np.not_equal: lambda a, b: ~a.compare(comparisons.equal, b),
    np.less: lambda a, b: a.compare(comparisons.less, b),
    np.less_equal: lambda a, b: a.compare(comparisons.less_equal, b),
    np.greater: lambda a, b: b.compare(comparisons.less, a),
    np.greater_equal: lambda a, b: b.compare(comparisons.less_equal, a),
    **{f: partial(lambda f, a: f(a.values), f) for f in (np.isnan, np.isinf, np.isfinite, np.signbit)},
}
REDUCTIONS = {np.add: "sum", np.multiply: "prod", np.minimum: "min", np.maximum: "max"}
METHODS = {np.sum: "sum", np.prod: "prod", np.min: "min", np.max: "max", np.mean: "mean", np.copy: "copy"}
MOVERS = {
    np.concatenate, np.stack, np.vstack, np.hstack, np.column_stack, np.reshape, np.ravel, np.transpose, np.swapaxes,
    np.moveaxis, np.squeeze, np.expand_dims, np.broadcast_to, np.take, np.repeat, np.tile, np.flip, np.roll,
    np.atleast_1d, np.atleast_2d, np.split, np.array_split, np.diagonal,
}  # fmt: skip
READERS = {
    np.shape,
    np.ndim,
    np.size,
    np.array2string,
    np.array_repr,
    np.array_str,
    np.array_equal,
    np.allclose,
    np.isclose,
}


def ufunc(owner: FormatArray, ufunc: Any, method: str, inputs: tuple[Any, ...], how: dict[str, Any]) -> Any:
    out = how.pop("out", None)
    if method == "reduce" and ufunc in REDUCTIONS and how.keys() <= {"axis"}:
        return getattr(inputs[0], REDUCTIONS[ufunc])(how.get("axis", 0), out=out)
    if method != "__call__" or ufunc not in UFUNCS or how:
        called = f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method}"
        raise TypeError(f"{called}{f'({next(iter(how))}=)' if how else ''} {_DOES_NOT_ROUND}")
    found = UFUNCS[ufunc](*map(owner.operand, inputs))
    if out is None:
        return found
    if not hasattr(out[0], "assign"):
        raise TypeError(f"out= takes an array in '{owner.format}', got {type(out[0]).__name__}")
    return out[0].assign(found)


def function(function: Any, args: tuple[Any, ...], how: dict[str, Any]) -> Any:
    if function in METHODS:
        return getattr(args[0], METHODS[function])(*args[1:], **how)
    if function in READERS:
        return function(*(x.values if _is_ours(x) else x for x in args), **how)
    if function is np.where and len(args) == 3:
        return _where(*args)
    if function not in MOVERS:
        raise TypeError(f"np.{function.__name__} {_DOES_NOT_ROUND}")
    return _moved(function, *args, **how)


def _where(condition: Any, a: Any, b: Any) -> FormatArray:
    first = next(filter(_is_ours, (a, b)), None)
    if first is None:
        raise TypeError("np.where takes a condition of bool, as a > 0 gives")
    return first.with_codes(np.where(condition, first.operand(a).codes, first.operand(b).codes))


def _moved(function: Any, given: Any, *args: Any, **how: Any) -> Any:
    """Of an array or several: their codes in other places."""
    several = isinstance(given, (list, tuple))
    first = next(filter(_is_ours, given)) if several else given
    codes = [first.operand(x).codes for x in given] if several else given.codes
    found = function(codes, *args, **how)
    return [first.with_codes(x) for x in found] if isinstance(found, list) else first.with_codes(found)


def _is_ours(x: Any) -> bool:
    return hasattr(x, "with_codes")


_DOES_NOT_ROUND = "rounds in no format; np.asarray(a) gives the values for it, and numfmt.array(x, fmt) rounds what comes out"
