"""Arguments, checked: integers within a range, real numbers, names of dtypes; and wrapping to int32."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Range = tuple[int, int]
INT32: Range = (-(1 << 31), (1 << 31) - 1)
INT16: Range = (-(1 << 15), (1 << 15) - 1)
RANGES: dict[Any, Range] = {np.dtype(np.int32): INT32, np.dtype(np.int16): INT16}
NUMBERS = "Convert them to numbers"
CURE = {
    "c": "Give the real and the imaginary part on their own",
    "b": "Booleans are no numbers here: convert them, x.astype(np.int8)",
    "f": "Quantize floats first: numfmt.encode(x, 'int8', scale=..., zero=...).codes, or quantized_layer",
}


def integers(x: Any, what: str, limits: Range = INT32, cure: str = "") -> Array:
    """`x` as an int64 array, every element within `limits`; `cure` is for those that are not."""
    a = np.asarray(x)
    if a.dtype.kind not in "iu":
        raise TypeError(f"{what}: expected integers, got {_instead(a)}")
    bad = (a < limits[0]) | (a > limits[1])
    if bad.any():
        raise ValueError(f"{what}: {first_of(a, bad)} lies outside {limits[0]} to {limits[1]}{cure}")
    return a.astype(np.int64)


def _instead(a: Array) -> str:
    if not a.size:
        return f"an empty array of dtype {a.dtype}. Give numbers; np.zeros(0, np.int32) where there are none"
    return f"an array of dtype {a.dtype}. {CURE.get(a.dtype.kind, NUMBERS)}"


def first_of(a: Array, bad: Array) -> str:
    """The first element of `a` that is bad, and where it is."""
    at = tuple(np.argwhere(bad)[0].tolist())
    return f"{a[at]}{f' at {at}' if at else ''}"


def reals(x: Any, what: str) -> Array:
    """`x` as a float64 array."""
    a = np.asarray(x)
    if not np.can_cast(a.dtype, np.float64, "same_kind"):
        cure = CURE.get(a.dtype.kind, NUMBERS)
        raise TypeError(f"{what}: expected real numbers, got an array of dtype {a.dtype}. {cure}")
    return a.astype(np.float64, copy=False)


def dtype_name(given: Any) -> str:
    """The name of a dtype that is given as name, class or object, of NumPy or torch."""
    return np.dtype(given).name if isinstance(given, (type, np.dtype)) else str(given).removeprefix("torch.")


def whole(x: Any, what: str, limits: Range = INT32) -> int:
    """One integer within `limits`."""
    a = integers(x, what, limits)
    if a.ndim:
        raise TypeError(f"{what}: expected one integer, got {a.size} in an array of shape {a.shape}")
    return int(a)


def raw_pair(a: Any, b: Any) -> tuple[Array, Array, Any]:
    """Two operands as int64, and their dtype: int16 if both have it, int32 for lists and plain integers."""
    dtypes = {x.dtype for x in (a, b) if isinstance(x, (np.ndarray, np.generic))}
    dtype = dtypes.pop() if len(dtypes) == 1 else np.dtype(np.int32)
    if dtypes or dtype not in RANGES:
        raise TypeError(
            f"expected two int32 or two int16 operands, got {_kind(a)} and {_kind(b)}. Convert them: x.astype(np.int32)"
        )
    return integers(a, "first operand", RANGES[dtype]), integers(b, "second operand", RANGES[dtype]), dtype


def _kind(x: Any) -> str:
    return str(getattr(x, "dtype", type(x).__name__))


def raw(x: Any, what: str = "x") -> tuple[Array, Any]:
    """One operand as int64, and its dtype: int32 or int16."""
    typed = isinstance(x, (np.ndarray, np.generic))
    dtype = np.dtype(x.dtype if typed else np.int32)
    if dtype not in RANGES:
        raise TypeError(f"{what}: expected int32 or int16, got dtype {dtype}. Convert it: x.astype(np.int32)")
    return integers(x, what, RANGES[dtype]), dtype


def wrapped(x: Array) -> Array:
    """int64 modulo 2**32, as int32."""
    return x.astype(np.int32)


def accumulators_of(x: Any) -> Array:
    """`x` as int32 in C order; without a copy where it is that already."""
    if isinstance(x, np.ndarray) and x.dtype == np.int32:
        return np.asarray(x, order="C")
    return np.asarray(wrapped(integers(x, "accumulators")), order="C")
