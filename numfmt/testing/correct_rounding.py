"""The assertion that a function rounds as it should, on operands that find bugs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import vectors
from ..arithmetic import FLAGS
from ..arithmetic.operations import OPERATIONS
from ..casting import decode, encode
from ..errors import SpecError
from ..vectors import Vectors
from .assertions import Pair, differences, guessed, message, paired
from .elements import input_text
from .mutants import suspects
from .operands import Operands

Array = np.ndarray[Any, Any]
SHOWN = 5  # vectors with other exceptions that a message spells out
SUSPECTS = 2  # causes that a message names
EXACT = {"cast": "convert"}  # names of operations whose exact results are known, where they differ


def assert_correctly_rounded(
    f: Callable[..., Any], op: str, fmt: Any, *, rounding: Any = None, values: bool = False, flags: bool = False,
    seed: int = 0, count: int | None = None, **choices: Any,
) -> None:  # fmt: skip
    """Check a function against `numfmt.arithmetic` on the operands of `numfmt.vectors.generate`.

    Parameters
    ----------
    f : callable
        Called once, with a 1-D array for each operand; returns an array of that shape. The arrays are codes, in the
        smallest unsigned integers. With ``values=True`` they are float64 values, NaN and infinities among them, and
        so is the result.
    op : str
        One of `numfmt.vectors.OPERATIONS`: "cast", "add", "mul", "fma", "sqrt" ...
    fmt : str, Format or dtype
        Of the result.
    rounding : str
        One mode; nearest even unless given.
    flags : bool
        Whether f returns its exceptions beside the result, as a second array: inexact 1, underflow 2, overflow 4, divide
        by zero 8, invalid 16.
    seed, count, operands, overflow, nan, ftz, daz, tininess, nan_profile ...
        As `numfmt.vectors.generate` takes them: all operands where there are at most 2**20, else hard ones and random
        ones. Any NaN is right where NaN is, unless ``nan_profile`` says which.

    Raises
    ------
    AssertionError : how many results differ, a guess at the cause, the first few with operands, bits and exact values
    SpecError, ValueError, TypeError : as `numfmt.vectors.generate`; a result of another shape

    >>> def product(a, b):
    ...     return numfmt.mul(a, b, "e4m3fn", codes=True)
    >>> assert_correctly_rounded(product, "mul", "e4m3fn")
    >>> def away(a, b):
    ...     return numfmt.mul(a, b, "e4m3fn", codes=True, rounding="rna")
    >>> try:
    ...     assert_correctly_rounded(away, "mul", "e4m3fn")
    ... except AssertionError as error:
    ...     print(*str(error).splitlines()[:2], sep="\\n")
    2552 of 65536 elements differ as e4m3fn; the first 5:
      looks like ties_away: ties go away from zero: all 2552 differences
    """
    __tracebackhide__ = True
    golden = _golden(op, fmt, rounding=rounding, seed=seed, count=count, **choices)
    codes, marks = _called(f, golden, values, flags)
    pair = _pair(golden, codes, values)
    differing = differences(pair, "nan_profile" in golden.request.choices)
    if differing.size:
        raise AssertionError("\n".join(message(pair, differing, _suspected(golden, pair, differing))))
    wrong = np.flatnonzero(marks != golden["flags"]) if flags else differing
    if wrong.size:
        raise AssertionError("\n".join(_of_flags(golden, marks, wrong)))


def _golden(op: str, fmt: Any, **how: Any) -> Vectors:
    golden = vectors.generate(op, fmt, **how)
    if golden.request.operation.is_test:
        raise SpecError(f"{op} rounds nothing; numfmt.testing.assert_same_bits compares arrays", op)
    if len(golden.rounding) != 1:
        raise ValueError(
            f"a function rounds in one mode, rounding= has {len(golden.rounding)}: call for each"
        )
    return golden


def _called(f: Callable[..., Any], golden: Vectors, values: bool, flags: bool) -> tuple[Array, Array]:
    """What f gives: results, and exceptions, or those expected where it gives none."""
    sources = golden.request.sources
    given = tuple(x.copy() for x in golden.operands)  # f may write into them
    if values:
        given = tuple(np.asarray(decode(x, s, dtype=np.float64)) for x, s in zip(given, sources, strict=True))
    found, marks = f(*given) if flags else (f(*given), golden["flags"])
    results, marks = np.asarray(found), np.asarray(marks)
    for x in (results, marks):
        if x.shape != (len(golden),):
            raise TypeError(f"f returned an array of shape {x.shape} for operands of shape {(len(golden),)}")
    return results, marks


def _pair(golden: Vectors, found: Array, values: bool) -> Pair:
    request = golden.request
    expected = decode(golden["result"], request.form, dtype=np.float64) if values else golden["result"]
    row = OPERATIONS.get(EXACT.get(request.op, request.op))
    given = Operands(golden.operands, request.sources, row)
    return paired(found, expected, request.form, given)


def _suspected(golden: Vectors, pair: Pair, differing: Array) -> Iterator[str]:
    """The planted bugs that give what f gave, the likeliest first."""
    form, codes = golden.request.form, golden["result"].copy()
    wrong = pair.actual[differing]
    if wrong.dtype.kind == "f":
        nan = None if form.nan() is not None else 0
        wrong = np.asarray(encode(wrong, form, overflow="saturate_finite", nan=nan))
    codes[differing] = (wrong.astype(np.int64) & ((1 << form.bits) - 1)).astype(codes.dtype)
    found_out = suspects(golden.request, golden.rounding[0], golden.operands, codes)
    for suspect in found_out[:SUSPECTS]:
        yield f"  looks like {suspect.mutant.name}: {suspect}"
    if not found_out:
        yield from guessed(pair, differing)


def _of_flags(golden: Vectors, marks: Array, wrong: Array) -> Iterator[str]:
    """Of exceptions that differ where results agree."""
    rest = f"; the first {SHOWN}:" if wrong.size > SHOWN else ""
    yield f"{wrong.size} of {len(golden)} results have other exceptions{rest}"
    mode, given = golden.rounding[0], golden.operands
    for suspect in suspects(golden.request, mode, given, golden["result"], marks)[:SUSPECTS]:
        yield f"  looks like {suspect.mutant.name}: {suspect}"
    for flat in wrong[:SHOWN].tolist():
        told = (input_text(x[flat], s) for x, s in zip(given, golden.request.sources, strict=True))
        yield f"  at {flat}:"
        yield from (f"    {line}" for line in told)
        yield f"    actual    {flag_names(int(marks[flat]))}"
        yield f"    expected  {flag_names(int(golden['flags'][flat]))}"


def flag_names(flags: int) -> str:
    """
    >>> flag_names(5)
    'inexact, overflow'
    """
    return ", ".join(name for name, bit in FLAGS.items() if flags & bit) or "none"
