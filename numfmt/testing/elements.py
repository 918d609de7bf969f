"""One element of an array under test: its code, its bits, its exact value, its neighbours, in words."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from ..casting import cast, code_range, encode
from ..format import Format, Value, is_special
from ..notation import hexadecimal, number_text, split_bits
from ..reference import exact as exact_scalar
from . import causes

Array = np.ndarray[Any, Any]
_DIGITS = 20  # decimal digits a value may have to be printed as such
KINDS = {"i": "codes", "u": "codes", "f": "values"}


def numbers_of(x: Any, side: str) -> Array:
    """An array of integers or floats; ml_dtypes and torch's narrow floats become wider ones."""
    array = x if isinstance(x, np.ndarray) else np.asarray(_widened(x))
    if array.dtype.kind in "VE" and array.dtype.names is None:
        array = np.asarray(cast(array, "f64"))
    if array.dtype.kind not in KINDS:
        raise TypeError(f"{side} is neither codes (integers) nor values (floats): dtype {array.dtype}")
    return array


def _widened(x: Any) -> Any:
    """A torch tensor of a type that NumPy lacks, as float64; anything else as it is."""
    foreign = type(x).__module__ == "torch" and x.is_floating_point()
    return x.detach().cpu().double().numpy() if foreign else x


def bit_patterns(codes: Array, fmt: Format) -> Array:
    """The bit patterns of codes: two's complement and its residue are the same."""
    return codes.astype(np.uint64) & np.uint64((1 << fmt.bits) - 1)


def are_codes(x: Array, fmt: Format) -> Array:
    low, top = code_range(fmt)
    inside = np.asarray((x >= low) & (x <= top))
    return inside if fmt.left_out is None else inside & (bit_patterns(x, fmt) != fmt.left_out)


def are_equal(a: Array, b: Array, nan_bits: bool) -> Array:
    signs = np.signbit(a) == np.signbit(b)
    nans = np.isnan(a) & np.isnan(b) & (signs if nan_bits else True)
    return np.asarray(((a == b) & signs) | nans)


def are_values(x: Array, fmt: Format) -> Array:
    return are_equal(x, _rounded(x, fmt), nan_bits=False)


def _rounded(x: Array, fmt: Format) -> Array:
    """The value of `fmt` that each float is, or another where it is none."""
    return np.asarray(cast(x, fmt, rounding="nearest_even", overflow="saturate_finite", nan=_nan_for(fmt)))


def _nan_for(fmt: Format) -> str | None:
    return None if fmt.nan() is not None else "max"


def index_text(flat: int, shape: tuple[int, ...]) -> str:
    index = tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()
    return str(index[0] if len(index) == 1 else index)


def code_of(x: Any, fmt: Format, kind: str) -> int | None:
    """The code of one element, None for what has none."""
    if kind == "codes":
        return int(x) & ((1 << fmt.bits) - 1) if are_codes(np.asarray(x), fmt) else None
    one = np.asarray(x)
    if not are_values(one.reshape(1), fmt)[0]:
        return None
    code = int(encode(one, fmt, overflow="saturate_finite", nan=_nan_for(fmt)))
    return code & ((1 << fmt.bits) - 1)


def is_finite(code: int, fmt: Format) -> bool:
    return not is_special(fmt.value(code))


def distance_text(codes: list[int | None], fmt: Format) -> str:
    """How many values lie from one to the other, where both are finite."""
    ranks = [fmt.rank(c) for c in codes if c is not None and is_finite(c, fmt)]
    if len(ranks) < 2:
        return ""
    apart = abs(ranks[0] - ranks[1])
    return f", {apart} value{'s' * (apart != 1)} apart"


def side_text(x: Any, code: int | None, fmt: Format) -> str:
    if code is not None:
        return f"{hexadecimal(code, fmt.bits)}  {split_bits(code, fmt)}  {exact_text(fmt.value(code))}"
    if np.asarray(x).dtype.kind in "iu":
        return f"{int(x)} is no code of {fmt}, which has {_codes_text(fmt)}"
    nearest = cast(np.asarray(x), fmt, rounding="nearest_even", overflow="saturate", nan="max")
    if np.isnan(x):
        return f"{x} is no value of {fmt}, which has no NaN"
    return f"{x} is no value of {fmt}; the nearest is {exact_text(float(nearest))}"


def _codes_text(fmt: Format) -> str:
    low, top = code_range(fmt)
    if fmt.left_out is None:
        return f"{low} to {hexadecimal(top, fmt.bits)}"
    first, last = (fmt.outward(fmt.edge(negative)) for negative in (True, False))
    return f"{first} to {last}, or their residues"


def neighbours_text(code: int, fmt: Format) -> Iterator[str]:
    rank, (low, high) = fmt.rank(code), fmt.span
    for near in (rank - 1, rank + 1):
        if low <= near <= high:
            other = fmt.code_at(near)
            yield f"{hexadecimal(other, fmt.bits)} {exact_text(fmt.value(other))}"
        else:
            yield "none below" if near < rank else "none above"


def exact_text(value: Value) -> str:
    """All of a value: in decimal where that is short, else as a hexadecimal float or a fraction."""
    if is_special(value):
        return str(value)
    if value == 0:
        return "-0" if isinstance(value, float) and str(value)[0] == "-" else "0"
    exact = Fraction(value)
    return _short_decimal(exact) or _hexadecimal(exact)


def _short_decimal(value: Fraction) -> str | None:
    """All digits of a dyadic fraction, or None where there are too many or no end."""
    places = value.denominator.bit_length() - 1
    if value.denominator != 1 << places or places > 4 * _DIGITS:
        return None
    scaled = str(abs(value.numerator) * 5**places)  # value * 10**places
    if len(scaled.rstrip("0")) > _DIGITS or len(scaled) > 2 * _DIGITS:
        return None
    return "-" * (value < 0) + _point(scaled, places)


def _point(digits: str, places: int) -> str:
    """`digits` * 10**-places, written out unless zeros would hide the digits."""
    head, tail = digits[:-places] if places else digits, digits.zfill(places)[-places:] if places else ""
    if places - len(digits) > 4:
        significant = digits.rstrip("0")
        mantissa = f"{significant[0]}.{significant[1:]}".rstrip(".")
        return f"{mantissa}e-{places - len(digits) + 1}"
    return f"{head or '0'}.{tail.rstrip('0')}".rstrip(".")


def _hexadecimal(value: Fraction) -> str:
    try:
        near = float(value)
    except OverflowError:
        return str(value)
    if Fraction(near) == value:
        return f"{near.hex()} ({near:.6g})"
    return str(value) if len(str(value)) <= 2 * _DIGITS else number_text(value)


def input_text(x: Any, fmt: Format) -> str:
    if np.asarray(x).dtype.kind in "iu":
        return side_text(x, code_of(x, fmt, "codes"), fmt)
    return exact_text(exact_scalar(x))


def exact_place(x: Value, fmt: Format) -> str:
    """An exact result and the codes beside it."""
    word, codes = causes.place(x, fmt)
    beside = [f"{hexadecimal(c, fmt.bits)} {exact_text(fmt.value(c))}" for c in codes]
    return ", ".join(filter(None, (exact_text(x), f"{word} {' and '.join(beside)}".strip())))
