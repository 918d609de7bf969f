"""What is given to a scaled format, as numbers that NumPy computes with: each is rounded once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import inputs
from ..engine.inputs import Input
from ..engine.plan import decoding_plan, plan
from ..engine.run import decode_into, execute
from ..format import Format
from ..kernels.odd import odd_sum
from ..reference import encode, exact, policy
from ..registry import element

Array = np.ndarray[Any, Any]
SINGLE, DOUBLE = element("f32"), element("f64")


def read(x: Any) -> Input:
    """An array, list, scalar or CPU tensor, as the engines take it."""
    if inputs.is_tensor(x):
        return inputs.classify_tensor(x)
    if inputs.is_exact_scalar(x):
        return Input(np.asarray(double(x)))
    return inputs.classify(x if isinstance(x, np.ndarray) else inputs.as_array(x))


def single(x: Any) -> np.float32:
    """The float32 nearest to a scalar, which may be a `Fraction`, a `Decimal` or a numeric string.

    >>> single("0.1")
    np.float32(0.1)
    """
    return np.uint32(encode(exact(x), SINGLE, policy(SINGLE))).view(np.float32)


def double(x: Any) -> np.float64:
    """A scalar as float64, rounded to odd: no later rounding to at most 51 bits can tell.

    >>> double("1e-400")
    np.float64(5e-324)
    """
    return np.uint64(encode(exact(x), DOUBLE, policy(DOUBLE, "to_odd"))).view(np.float64)


def wide(given: Input) -> Array:
    """Contiguous float32 or float64 numbers: those that float32 may not hold as float64, rounded to odd."""
    if given.coded is not None or inputs.width_of(given.array.dtype) == 32:
        return plain(given)
    x = np.require(given.array, requirements=("C", "A"))
    if x.dtype.kind == "f":
        return np.require(x, np.float64) if x.dtype.itemsize == 8 else inputs.odd_float64(x)
    high = x >> 11
    return np.asarray(odd_sum(high.astype(np.float64) * 2048.0, (x - (high << 11)).astype(np.float64)))


def plain(given: Input) -> Array:
    """Contiguous float32 or float64 numbers: the array itself where it is that, else rounded to float32."""
    x = given.array
    if given.coded is None and x.dtype.str[1:] in ("f4", "f8") and inputs.is_loadable(x):
        return x
    return rounded(given)


def decoded(codes: Array, fmt: Format) -> Array:
    """The values of codes of any shape, float32."""
    values = np.empty(codes.size, np.float32)
    decode_into(np.ascontiguousarray(codes).reshape(-1), decoding_plan(fmt), values)
    return values.reshape(codes.shape)


def rounded(given: Input, fmt: Format = SINGLE) -> Array:
    """Numbers of any shape rounded to a format, as float32."""
    if fmt is SINGLE and given.coded is None and given.array.dtype == np.dtype(np.float32):
        return given.array
    result = np.empty(given.array.shape, np.float32)
    execute(given, plan(fmt, policy(fmt), False, None), result, None)
    return result
