"""One comparison for numeric code: the same bits in a format, or a message that shows which differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..casting import cast, code_range, decode, encode
from ..format import FLOAT64_BITS, Format, Value, is_special
from ..notation import hexadecimal, split_bits
from ..reference import exact as exact_scalar
from ..registry import element
from . import causes
from .causes import Outcome
from .operands import Operands, operands_of

Array = np.ndarray[Any, Any]
SHOWN = 5  # differing elements that a message spells out
LOOKED_AT = 300  # elements of each kind, wrong and right, that the guess at a cause rests on
_DIGITS = 20  # decimal digits a value may have to be printed as such
_KINDS = {"i": "codes", "u": "codes", "f": "values"}


class _Pair(NamedTuple):
    actual: Array
    expected: Array
    fmt: Format
    kind: str  # "codes" or "values"
    given: Operands  # what the results were made of, if the call says


def assert_same_bits(
    actual: Any, expected: Any, fmt: Any, *, nan_bits: bool = False, inputs: Any = None,
    operation: str | None = None, operands: Any = None,
) -> None:  # fmt: skip
    """Check that two arrays hold the same bits of a format.

    Parameters
    ----------
    actual, expected : array_like of one shape
        Integers are codes, floats are values; both must be the same kind. -0 is not +0. Any NaN
        equals any NaN. A float that is no value of `fmt` has no bits there, and is reported.
    fmt : str, Format or dtype
    nan_bits : bool, optional
        Compare the sign of NaN values, and the whole code of NaN codes, too.
    inputs : array_like or tuple of array_like, optional
        What the results were made of, one for each operand, for the message. Integers are codes of `operands`.
    operation : str, optional
        What was done to the inputs, as `numfmt.arithmetic` calls it: "convert", "mul", "fma" ... Then the message
        has exact results, and more causes are told apart.
    operands : format or tuple of formats, optional
        Of the inputs; `fmt` unless given.

    Raises
    ------
    AssertionError : how many differ and a guess at the cause; for the first few the index, the inputs, the bit
        fields, the exact values and the neighbours
    TypeError : codes compared with values, or arrays that are neither
    ValueError : values of a format that floats do not hold, such as int64

    Examples
    --------
    >>> assert_same_bits(numfmt.cast([1.1, np.nan], "bf16"), [1.1015625, np.nan], "bf16")
    >>> assert_same_bits([0x38, 0x80], [0x38, 0x00], "e4m3fn")
    Traceback (most recent call last):
        ...
    AssertionError: 1 of 2 elements differs as e4m3fn
      looks like wrong sign of zero (zeros of the other sign)
      at 1, 1 value apart:
        actual    0x80  1|0000|000  -0
        expected  0x00  0|0000|000  0
        neighbours of the expected: 0x80 -0, 0x01 0.001953125
    >>> assert_same_bits([18.0], [16.0], "e4m3fn", inputs=[17.0], operation="convert")
    Traceback (most recent call last):
        ...
    AssertionError: 1 of 1 elements differs as e4m3fn
      looks like ties away from zero (ties)
      at 0, 1 value apart:
        input     17
        actual    0x59  0|1011|001  18
        expected  0x58  0|1011|000  16
        exact     17, a tie between 0x58 16 and 0x59 18
    """
    __tracebackhide__ = True
    form = element(fmt)
    pair = _pair(actual, expected, form, operands_of(inputs, operation, operands, form))
    if pair.actual.shape != pair.expected.shape:
        raise AssertionError(f"the shapes differ: actual {pair.actual.shape}, expected {pair.expected.shape}")
    differing = _differing(pair, nan_bits)
    if differing.size:
        raise AssertionError("\n".join(_message(pair, differing)))


def _pair(actual: Any, expected: Any, fmt: Format, given: Operands) -> _Pair:
    a, e = _numbers(actual, "actual"), _numbers(expected, "expected")
    kinds = [_KINDS[x.dtype.kind] for x in (a, e)]
    if kinds[0] != kinds[1] and a.size and e.size:
        raise TypeError(
            f"actual has {kinds[0]} ({a.dtype}), expected has {kinds[1]} ({e.dtype}): "
            "integers are codes and floats are values; encode or decode one of them"
        )
    if kinds[0] == "values" and fmt.exceeds_float64:
        raise ValueError(
            f"values of '{fmt}' have more than {FLOAT64_BITS} significant bits, floats do not hold them; "
            "compare codes: integers, as numfmt.encode gives them"
        )
    return _Pair(a, e, fmt, kinds[0], given)


def _numbers(x: Any, side: str) -> Array:
    """An array of integers or floats; ml_dtypes and torch's narrow floats become wider ones."""
    array = x if isinstance(x, np.ndarray) else np.asarray(_widened(x))
    if array.dtype.kind in "VE" and array.dtype.names is None:
        array = np.asarray(cast(array, "f64"))
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"{side} is neither codes (integers) nor values (floats): dtype {array.dtype}")
    return array


def _widened(x: Any) -> Any:
    """A torch tensor of a type that NumPy lacks, as float64; anything else as it is."""
    foreign = type(x).__module__ == "torch" and x.is_floating_point()
    return x.detach().cpu().double().numpy() if foreign else x


def _differing(pair: _Pair, nan_bits: bool) -> Array:
    """Flat indices, ascending, of the elements that are not the same."""
    find = _differing_codes if pair.kind == "codes" else _differing_values
    return find(pair, nan_bits)


def _differing_codes(pair: _Pair, nan_bits: bool) -> Array:
    a, e = pair.actual.reshape(-1), pair.expected.reshape(-1)
    unequal = (_bits(a, pair.fmt) != _bits(e, pair.fmt)) | ~_are_codes(a, pair.fmt)
    bad = np.flatnonzero(unequal)
    return bad if nan_bits else bad[~(_are_nan(a[bad], pair.fmt) & _are_nan(e[bad], pair.fmt))]


def _bits(codes: Array, fmt: Format) -> Array:
    """The bit patterns of codes: two's complement and its residue are the same."""
    return codes.astype(np.uint64) & np.uint64((1 << fmt.bits) - 1)


def _are_codes(x: Array, fmt: Format) -> Array:
    low, top = code_range(fmt)
    inside = np.asarray((x >= low) & (x <= top))
    return inside if fmt.left_out is None else inside & (_bits(x, fmt) != fmt.left_out)


def _are_nan(codes: Array, fmt: Format) -> Array:
    if fmt.nan() is None:
        return np.zeros(codes.shape, bool)
    real = _are_codes(codes, fmt)
    return np.asarray(real & np.isnan(decode(np.where(real, codes, 0), fmt)))


def _differing_values(pair: _Pair, nan_bits: bool) -> Array:
    a, e = pair.actual.reshape(-1), pair.expected.reshape(-1)
    same = _are_equal(a, e, nan_bits) & _are_values(a, pair.fmt)
    return np.flatnonzero(~same)


def _are_equal(a: Array, b: Array, nan_bits: bool) -> Array:
    signs = np.signbit(a) == np.signbit(b)
    nans = np.isnan(a) & np.isnan(b) & (signs if nan_bits else True)
    return np.asarray(((a == b) & signs) | nans)


def _are_values(x: Array, fmt: Format) -> Array:
    return _are_equal(x, _rounded(x, fmt), nan_bits=False)


def _rounded(x: Array, fmt: Format) -> Array:
    """The value of `fmt` that each float is, or another where it is none."""
    return np.asarray(cast(x, fmt, rounding="nearest_even", overflow="saturate_finite", nan=_nan_for(fmt)))


def _nan_for(fmt: Format) -> str | None:
    return None if fmt.nan() is not None else "max"


def _message(pair: _Pair, differing: Array) -> Iterator[str]:
    count, shown = differing.size, differing[:SHOWN]
    rest = f"; the first {SHOWN}:" if count > SHOWN else ""
    yield (
        f"{count} of {pair.actual.size} elements {'differs' if count == 1 else 'differ'} as {pair.fmt}{rest}"
    )
    yield from _cause(pair, differing)
    for flat in shown:
        yield from _element(pair, int(flat))


def _cause(pair: _Pair, differing: Array) -> Iterator[str]:
    """A guess at what is wrong, if one explains the differences."""
    size = pair.actual.size
    sampled = np.arange(0, size, max(1, size // LOOKED_AT))
    same = sampled[~np.isin(sampled, differing)]
    wrong, right = (_outcomes(pair, places) for places in (differing[:LOOKED_AT], same))
    found = causes.guess(pair.fmt, wrong, right)
    if found is not None:
        yield f"  {causes.sentence(found, pair.fmt, wrong)}"


def _outcomes(pair: _Pair, places: Array) -> list[Outcome]:
    """Those elements whose expected side is a code."""
    exact: Sequence[Value | None] = pair.given.exact(places, pair.actual.shape) or [None] * places.size
    sides = [[_code(x, pair.fmt, pair.kind) for x in side.reshape(-1)[places]] for side in pair[:2]]
    return [Outcome(a, e, x) for a, e, x in zip(*sides, exact, strict=True) if e is not None]


def _element(pair: _Pair, flat: int) -> Iterator[str]:
    fmt, shape = pair.fmt, pair.actual.shape
    a, e = pair.actual.reshape(-1)[flat], pair.expected.reshape(-1)[flat]
    codes = [_code(x, fmt, pair.kind) for x in (a, e)]
    yield f"  at {_index(flat, shape)}{_distance(codes, fmt)}:"
    yield from _inputs(pair.given, flat, shape)
    yield f"    actual    {_side(a, codes[0], fmt)}"
    yield f"    expected  {_side(e, codes[1], fmt)}"
    exact = pair.given.exact(np.array([flat]), shape)
    if exact:
        yield f"    exact     {exact_place(exact[0], fmt)}"
    elif codes[1] is not None and _is_finite(codes[1], fmt):
        yield f"    neighbours of the expected: {', '.join(_neighbours(codes[1], fmt))}"


def _inputs(given: Operands, flat: int, shape: tuple[int, ...]) -> Iterator[str]:
    """A line for each operand: its bits where it is a code, and its value."""
    label = "input " if len(given.arrays) == 1 else "inputs"
    for x, fmt in zip(given.at(flat, shape), given.formats, strict=True):
        yield f"    {label}    {_input(x, fmt)}"
        label = " " * len(label)


def _input(x: Any, fmt: Format) -> str:
    if np.asarray(x).dtype.kind in "iu":
        return _side(x, _code(x, fmt, "codes"), fmt)
    return _exact_text(exact_scalar(x))


def exact_place(x: Value, fmt: Format) -> str:
    """An exact result and the codes beside it."""
    word, codes = causes.place(x, fmt)
    beside = [f"{hexadecimal(c, fmt.bits)} {_exact_text(fmt.value(c))}" for c in codes]
    return ", ".join(filter(None, (_exact_text(x), f"{word} {' and '.join(beside)}".strip())))


def _index(flat: int, shape: tuple[int, ...]) -> str:
    index = tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()
    return str(index[0] if len(index) == 1 else index)


def _code(x: Any, fmt: Format, kind: str) -> int | None:
    """The code of one element, None for what has none."""
    if kind == "codes":
        return int(x) & ((1 << fmt.bits) - 1) if _are_codes(np.asarray(x), fmt) else None
    one = np.asarray(x)
    if not _are_values(one.reshape(1), fmt)[0]:
        return None
    code = int(encode(one, fmt, overflow="saturate_finite", nan=_nan_for(fmt)))
    return code & ((1 << fmt.bits) - 1)


def _is_finite(code: int, fmt: Format) -> bool:
    return not is_special(fmt.value(code))


def _distance(codes: list[int | None], fmt: Format) -> str:
    """How many values lie from one to the other, where both are finite."""
    ranks = [fmt.rank(c) for c in codes if c is not None and _is_finite(c, fmt)]
    if len(ranks) < 2:
        return ""
    apart = abs(ranks[0] - ranks[1])
    return f", {apart} value{'s' * (apart != 1)} apart"


def _side(x: Any, code: int | None, fmt: Format) -> str:
    if code is not None:
        return f"{hexadecimal(code, fmt.bits)}  {split_bits(code, fmt)}  {_exact_text(fmt.value(code))}"
    if np.asarray(x).dtype.kind in "iu":
        return f"{int(x)} is no code of {fmt}, which has {_codes_text(fmt)}"
    nearest = cast(np.asarray(x), fmt, rounding="nearest_even", overflow="saturate", nan="max")
    if np.isnan(x):
        return f"{x} is no value of {fmt}, which has no NaN"
    return f"{x} is no value of {fmt}; the nearest is {_exact_text(float(nearest))}"


def _codes_text(fmt: Format) -> str:
    low, top = code_range(fmt)
    if fmt.left_out is None:
        return f"{low} to {hexadecimal(top, fmt.bits)}"
    first, last = (fmt.outward(fmt.edge(negative)) for negative in (True, False))
    return f"{first} to {last}, or their residues"


def _neighbours(code: int, fmt: Format) -> Iterator[str]:
    rank, (low, high) = fmt.rank(code), fmt.span
    for near in (rank - 1, rank + 1):
        if low <= near <= high:
            other = fmt.code_at(near)
            yield f"{hexadecimal(other, fmt.bits)} {_exact_text(fmt.value(other))}"
        else:
            yield "none below" if near < rank else "none above"


def _exact_text(value: Value) -> str:
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
    return f"{near.hex()} ({near:.6g})" if Fraction(near) == value else str(value)
