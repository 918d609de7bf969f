"""Where results go: dtypes, and a new array or the one given as `out`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..format import Format

Array = np.ndarray[Any, Any]
_FLOATS = tuple(map(np.dtype, (np.float16, np.float32, np.float64)))


def own_code_dtype(fmt: Format) -> np.dtype[Any]:
    """The narrowest dtype that holds a code."""
    return np.dtype(f"{'i' if fmt.signed_codes else 'u'}{fmt.code_bits // 8}")


def code_dtype(own: np.dtype[Any], fmt: object, dtype: Any, out: Any) -> np.dtype[Any]:
    """The dtype of codes: `own`, or the wider one that is asked for."""
    wanted = np.dtype(dtype if dtype is not None else getattr(out, "dtype", own))
    if wanted.kind != own.kind or wanted.itemsize < own.itemsize:
        raise TypeError(f"codes of '{fmt}' are {own}, got dtype {wanted}")
    return wanted


def value_dtype(dtype: Any) -> np.dtype[Any]:
    """A dtype asked for values."""
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype= takes float16, float32, float64 or object, got {dtype!r}") from None
    if wanted.kind != "O" and wanted.newbyteorder("=") not in _FLOATS:
        raise TypeError(
            f"values come as float16, float32, float64 or object, not {wanted}; encode gives codes"
        )
    return wanted


def output(shape: tuple[int, ...], dtype: np.dtype[Any], out: Any) -> Array:
    """A new array, or `out` if it can hold the result."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out= takes an ndarray, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, the result has {shape}")
    if out.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise TypeError(f"out has dtype {out.dtype}, the result has {dtype}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    return out
