"""Any array as the loops can take it: plain numbers, or codes of a format that NumPy cannot compute with."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..errors import SpecError
from ..format import Format
from ..registry import element


class Input(NamedTuple):
    """An array; with `coded`, its elements are codes of that format (float16, ml_dtypes)."""

    array: np.ndarray[Any, Any]
    coded: Format | None = None


_REGISTERED = 2  # `dtype.isbuiltin` of the dtypes that other packages register with NumPy
_LOADED = frozenset(
    ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]
)  # in a loop's own load
_EXACT_IN_FLOAT32 = frozenset(["f4", "i1", "i2", "u1", "u2", "b1"])


def classify(x: np.ndarray[Any, Any]) -> Input:
    """How the elements of `x` are read; `TypeError` for what is no real number."""
    kind = x.dtype.kind
    if x.dtype.isbuiltin == _REGISTERED and x.dtype.names is None:
        return _ml_dtypes(x)
    if kind in "fiub" and x.dtype.itemsize <= 8:
        if x.dtype.itemsize == 2 and kind == "f":
            return Input(x.view(x.dtype.str.replace("f", "u")), element("f16"))
        return Input(x)
    if kind == "f":
        return Input(x)
    raise TypeError(
        f"expected real numbers, got an array of dtype {x.dtype}"
        + (": cast x.real and x.imag on their own" if kind == "c" else "")
        + (": numfmt rounds numbers, convert it first" if kind in "OSUmM" else "")
    )


def _ml_dtypes(x: np.ndarray[Any, Any]) -> Input:
    name = x.dtype.name
    if name.startswith(("int", "uint")):
        return Input(x.astype(np.int8))
    try:
        fmt = element(name)
    except SpecError:
        raise TypeError(f"expected real numbers, got an array of dtype {x.dtype}") from None
    return Input(x.view(f"u{x.dtype.itemsize}"), fmt)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor; torch is never imported for the user."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def is_exact_scalar(x: Any) -> bool:
    """Whether `x` is a number that no array holds as it is: a Fraction, a Decimal, a decimal string, an int of
    more than 64 bits."""
    return isinstance(x, (Fraction, str)) or _is_big(x) or type(x).__name__ == "Decimal"


def _is_big(x: Any) -> bool:
    return type(x) is int and not -(1 << 63) <= x < 1 << 64


def as_array(x: Any) -> np.ndarray[Any, Any]:
    """A list as NumPy takes it, refused where NumPy would narrow its integers to float64."""
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"expected numbers in a regular grid, got a ragged list: {error}") from None
    if not isinstance(x, (list, tuple)):
        return array
    if array.dtype.kind == "O":
        big = next(filter(_is_big, array.reshape(-1)), None)
        if big is None:
            raise TypeError("expected real numbers, got a list with other objects among them")
        raise TypeError(
            f"a list with {big} fits no array: NumPy's integers have at most 64 bits; pass numbers as large one at a time"
        )
    if array.dtype.kind == "f" and array.size:
        for item in np.asarray(x, object).reshape(-1):
            if isinstance(item, (int, np.integer)) and abs(int(item)) > 1 << 53 and int(float(item)) != item:
                raise TypeError(
                    f"in a list with floats or signs NumPy would round {item} to float64; "
                    "pass an integer array, or one number at a time"
                )
    return array


def classify_tensor(x: Any) -> Input:
    """The elements of a plain CPU tensor without a copy; those that NumPy cannot hold as their codes."""
    import torch

    if x.device.type != "cpu" or x.requires_grad:
        why = "it requires grad" if x.requires_grad else f"it is on {x.device}"
        raise TypeError(
            f"cast and encode take plain CPU tensors, and {why}; numfmt.interop.torch.cast takes it"
        )

    plain, name = x.detach(), str(x.dtype).removeprefix("torch.")
    if name == "float16" or not (name == "bfloat16" or name.startswith("float8")):
        return classify(plain.numpy())
    bits = plain.view(torch.int16 if plain.element_size() == 2 else torch.uint8).numpy()
    return Input(bits.view(f"u{bits.itemsize}"), element(name))


def dtype_of(source: Input) -> np.dtype[Any]:
    """The dtype of the elements once they are numbers."""
    if source.coded is not None:
        return np.dtype(np.float32)
    return source.array.dtype.newbyteorder("=")


def width_of(dtype: np.dtype[Any]) -> int:
    """The narrowest loop that reads this dtype exactly (64-bit integers: rounded to odd)."""
    return 32 if dtype.str[1:] in _EXACT_IN_FLOAT32 else 64


def odd_bits(dtype: np.dtype[Any]) -> int | None:
    """Significant bits that survive, below them one odd bit, when this dtype becomes a float64;
    None where every number does exactly. 64-bit integers lose their low 11 bits from 2**53 on."""
    if dtype.str[1:] in ("i8", "u8"):
        return 42
    return 52 if dtype.itemsize > 8 else None


def is_loadable(x: np.ndarray[Any, Any]) -> bool:
    """Whether a loop can run over the whole array as it lies in memory."""
    return x.dtype.isnative and x.dtype.str[1:] in _LOADED and x.flags.c_contiguous and x.flags.aligned


def writeable_alias(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same memory without the read-only mark, for which a loop would be compiled anew."""
    if x.flags.writeable or not x.size:
        return x

    return np.asarray(_Alias(x))


class _Alias:
    """The memory of an array, which it keeps alive."""

    def __init__(self, x: np.ndarray[Any, Any]) -> None:
        self.kept = x
        self.__array_interface__ = {**x.__array_interface__, "data": (x.ctypes.data, False)}


def odd_float64(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """longdouble to float64, rounded to odd: no later rounding to at most 51 bits can tell."""
    with np.errstate(over="ignore", under="ignore"):
        near = x.astype(np.float64)
        wide = near.astype(x.dtype)
    inexact = np.isfinite(x) & (wide != x)
    past = inexact & (np.abs(wide) > np.abs(x))
    near[past] = np.nextafter(near[past], 0.0)
    bits = near.view(np.int64)
    bits[inexact] |= 1
    return near
