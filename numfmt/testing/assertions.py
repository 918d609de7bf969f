"""One comparison for numeric code: the same bits in a format, or a message that shows which differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..casting import decode
from ..format import FLOAT64_BITS, Format, Value
from ..registry import element
from . import causes
from .causes import Outcome
from .elements import (
    KINDS,
    are_codes,
    are_equal,
    are_values,
    bit_patterns,
    code_of,
    distance_text,
    exact_place,
    index_text,
    input_text,
    is_finite,
    neighbours_text,
    numbers_of,
    side_text,
)
from .operands import Operands, operands_of

Array = np.ndarray[Any, Any]
SHOWN = 5  # differing elements that a message spells out
LOOKED_AT = 300  # elements of each kind, wrong and right, that the guess at a cause rests on


class Pair(NamedTuple):
    """Two arrays to compare, and what is known of them."""

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
      looks like wrong sign of zero, zeros_swapped (zeros of the other sign)
      at 1, 1 value apart:
        actual    0x80  1|0000|000  -0
        expected  0x00  0|0000|000  0
        neighbours of the expected: 0x80 -0, 0x01 0.001953125
    >>> assert_same_bits([18.0], [16.0], "e4m3fn", inputs=[17.0], operation="convert")
    Traceback (most recent call last):
        ...
    AssertionError: 1 of 1 elements differs as e4m3fn
      looks like ties away from zero, ties_away (ties)
      at 0, 1 value apart:
        input     17
        actual    0x59  0|1011|001  18
        expected  0x58  0|1011|000  16
        exact     17, a tie between 0x58 16 and 0x59 18
    """
    __tracebackhide__ = True
    form = element(fmt)
    pair = paired(actual, expected, form, operands_of(inputs, operation, operands, form))
    if pair.actual.shape != pair.expected.shape:
        raise AssertionError(f"the shapes differ: actual {pair.actual.shape}, expected {pair.expected.shape}")
    differing = differences(pair, nan_bits)
    if differing.size:
        raise AssertionError("\n".join(message(pair, differing, guessed(pair, differing))))


def paired(actual: Any, expected: Any, fmt: Format, given: Operands) -> Pair:
    a, e = numbers_of(actual, "actual"), numbers_of(expected, "expected")
    kinds = [KINDS[x.dtype.kind] for x in (a, e)]
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
    return Pair(a, e, fmt, kinds[0], given)


def differences(pair: Pair, nan_bits: bool) -> Array:
    """Flat indices, ascending, of the elements that are not the same."""
    find = _differing_codes if pair.kind == "codes" else _differing_values
    return find(pair, nan_bits)


def _differing_codes(pair: Pair, nan_bits: bool) -> Array:
    a, e = pair.actual.reshape(-1), pair.expected.reshape(-1)
    unequal = (bit_patterns(a, pair.fmt) != bit_patterns(e, pair.fmt)) | ~are_codes(a, pair.fmt)
    bad = np.flatnonzero(unequal)
    return bad if nan_bits else bad[~(_are_nan(a[bad], pair.fmt) & _are_nan(e[bad], pair.fmt))]


def _are_nan(codes: Array, fmt: Format) -> Array:
    if fmt.nan() is None:
        return np.zeros(codes.shape, bool)
    real = are_codes(codes, fmt)
    return np.asarray(real & np.isnan(decode(np.where(real, codes, 0), fmt)))


def _differing_values(pair: Pair, nan_bits: bool) -> Array:
    a, e = pair.actual.reshape(-1), pair.expected.reshape(-1)
    same = are_equal(a, e, nan_bits) & are_values(a, pair.fmt)
    return np.flatnonzero(~same)


def message(pair: Pair, differing: Array, guesses: Iterable[str]) -> Iterator[str]:
    """What is said of the differing elements, given by flat index, and of why."""
    count, shown = differing.size, differing[:SHOWN]
    rest = f"; the first {SHOWN}:" if count > SHOWN else ""
    yield (
        f"{count} of {pair.actual.size} elements {'differs' if count == 1 else 'differ'} as {pair.fmt}{rest}"
    )
    yield from guesses
    for flat in shown:
        yield from _element(pair, int(flat))


def guessed(pair: Pair, differing: Array) -> Iterator[str]:
    """A guess at what is wrong, if one explains the differences."""
    size = pair.actual.size
    sampled = np.arange(0, size, max(1, size // LOOKED_AT))
    same = sampled[~np.isin(sampled, differing)]
    wrong, right = (_outcomes(pair, places) for places in (differing[:LOOKED_AT], same))
    found = causes.guess(pair.fmt, wrong, right)
    if found is not None:
        yield f"  {causes.sentence(found, pair.fmt, wrong)}"


def _outcomes(pair: Pair, places: Array) -> list[Outcome]:
    """Those elements whose expected side is a code."""
    exact: Sequence[Value | None] = pair.given.exact(places, pair.actual.shape) or [None] * places.size
    sides = [[code_of(x, pair.fmt, pair.kind) for x in side.reshape(-1)[places]] for side in pair[:2]]
    return [Outcome(a, e, x) for a, e, x in zip(*sides, exact, strict=True) if e is not None]


def _element(pair: Pair, flat: int) -> Iterator[str]:
    fmt, shape = pair.fmt, pair.actual.shape
    a, e = pair.actual.reshape(-1)[flat], pair.expected.reshape(-1)[flat]
    codes = [code_of(x, fmt, pair.kind) for x in (a, e)]
    yield f"  at {index_text(flat, shape)}{distance_text(codes, fmt)}:"
    yield from _inputs(pair.given, flat, shape)
    yield f"    actual    {side_text(a, codes[0], fmt)}"
    yield f"    expected  {side_text(e, codes[1], fmt)}"
    exact = pair.given.exact(np.array([flat]), shape)
    if exact:
        yield f"    exact     {exact_place(exact[0], fmt)}"
    elif codes[1] is not None and is_finite(codes[1], fmt):
        yield f"    neighbours of the expected: {', '.join(neighbours_text(codes[1], fmt))}"


def _inputs(given: Operands, flat: int, shape: tuple[int, ...]) -> Iterator[str]:
    """A line for each operand: its bits where it is a code, and its value."""
    label = "input " if len(given.arrays) == 1 else "inputs"
    for x, fmt in zip(given.at(flat, shape), given.formats, strict=True):
        yield f"    {label}    {input_text(x, fmt)}"
        label = " " * len(label)
