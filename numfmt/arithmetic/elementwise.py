"""The operations that round, as functions: checks, dtypes, formats of operands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypedDict, Unpack

import numpy as np

from ..casting import result_dtype
from ..engine import outputs
from ..engine.draws import source as noise_source
from ..engine.inputs import Input
from ..engine.plan import plan
from ..engine.run import decoded
from ..errors import choose
from ..format import Format
from ..reference import policy
from ..registry import element
from .exceptions import TININESS
from .execution import Job, run
from .nans import PROFILES
from .operands import dtype_of, formats_of, handed, mapped, read
from .operations import OPERATIONS

Array = np.ndarray[Any, Any]


class Keywords(TypedDict, total=False):
    """How a result is rounded and delivered; see `add`."""

    rounding: Any
    overflow: Any
    nan: Any
    seed: int | None
    noise: Any
    random_bits: int | None
    codes: bool
    operands: Any
    ftz: str | None
    daz: bool
    tininess: str
    flags: bool
    nan_profile: str | None
    dtype: Any
    out: Any
    engine: str | None


def add(a: Any, b: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """a + b, rounded once to `fmt` (IEEE 754-2019, 5.4.1).

    Parameters
    ----------
    a, b : array_like of real numbers, shapes that go together
        Taken as exact, whatever their dtype; a `Fraction`, a `Decimal`, a decimal string too. With ``codes=True`` integers: codes of `operands`.
    fmt : str, Format or dtype
        Of the result.
    rounding, overflow, nan, seed, noise, random_bits, dtype, out, engine
        As in `numfmt.cast`. Word i of the noise is that of element i of the result, in C order. The reference
        serves formats with more than 51 significant bits, or 19 under stochastic rounding, and numbers that
        float32 does not hold: some 50 microseconds an element.
    codes : bool
        Codes in, codes out.
    operands : format or one for each operand, optional
        Of codes, and of numbers that ``daz`` looks at; that of the result unless given.
    ftz : "before" or "after", optional
        Tiny results become zeros of their sign, with underflow: tiny before they are rounded, as on Arm, or after,
        as on x86, where inexact is raised too.
    daz : bool
        Subnormal operands count as zeros of their sign.
    tininess : "after" or "before"
        When a result counts as tiny for the underflow flag (7.5): x86 and RISC-V "after", Arm "before".
    flags : bool
        Give the exceptions too. Then a format without NaN gets its largest value for an invalid operation.
    nan_profile : str, optional
        One of `numfmt.arithmetic.NAN_PROFILES`: whose NaN a NaN result is.

    Returns
    -------
    ndarray or NumPy scalar : values, in the widest float dtype of the operands if it holds those of the format, else
        as `cast` has it; or codes. Of torch tensors a tensor.
    flags : uint8 of the same shape, with ``flags=True``
        inexact 1, underflow 2, overflow 4, divide by zero 8, invalid 16, as Berkeley TestFloat has them.

    Raises
    ------
    SpecError, RangeError, TypeError, ValueError : as `numfmt.cast`

    >>> numfmt.add([1.0, 1.0], [2.0**-8, 2.0**-7], "bf16")
    array([1.       , 1.0078125])
    >>> numfmt.add(0x7E, 0x7E, "e4m3fn", codes=True, flags=True)
    (np.uint8(127), np.uint8(5))
    """
    return _operate("add", (a, b), fmt, **how)


def sub(a: Any, b: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """a - b, rounded once to `fmt`; see `add`.

    >>> numfmt.sub(1.0, 1.0, "f16", rounding="toward_negative")
    np.float64(-0.0)
    """
    return _operate("sub", (a, b), fmt, **how)


def mul(a: Any, b: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """a * b, rounded once to `fmt`; see `add`. Operands may be codes of other formats.

    >>> numfmt.mul(0x38, 0x3C, "f16", codes=True, operands=("e4m3fn", "e5m2"))
    np.uint16(15360)
    """
    return _operate("mul", (a, b), fmt, **how)


def div(a: Any, b: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """a / b, rounded once to `fmt`; see `add`. A number over 0 is the format's special: infinity, or what it has.

    >>> numfmt.div(1.0, [3.0, 0.0], "e4m3fn", flags=True)
    (array([0.34375,     nan]), array([1, 8], dtype=uint8))
    """
    return _operate("div", (a, b), fmt, **how)


def sqrt(a: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """The square root of `a`, rounded once to `fmt`; see `add`.

    >>> numfmt.sqrt([2.0, -1.0], "bf16", flags=True)
    (array([1.4140625,       nan]), array([ 1, 16], dtype=uint8))
    """
    return _operate("sqrt", (a,), fmt, **how)


def fma(a: Any, b: Any, c: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """a * b + c, rounded once to `fmt`; see `add`. Infinity times 0 is invalid even where NaN is added (7.2 leaves
    it open; RISC-V and Arm do so).

    >>> numfmt.fma(4097.0, 4097.0, 2.0**-60, "f32")  # rounding to float64 on the way would lose the last term
    np.float64(16785410.0)
    """
    return _operate("fma", (a, b, c), fmt, **how)


def remainder(a: Any, b: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """a - b * n for the integer n nearest to a / b, even on a tie (5.3.1), rounded once to `fmt`; see `add`.

    >>> numfmt.arithmetic.remainder(5.0, 3.0, "bf16")
    np.float64(-1.0)
    """
    return _operate("remainder", (a, b), fmt, **how)


def convert(a: Any, fmt: Any, **how: Unpack[Keywords]) -> Any:
    """`a` rounded once to `fmt`, as `cast` and `encode` do, with all that hardware adds; see `add`.

    With ``codes=True`` from codes of `operands`. Into integers and fixed point a number out of range, an infinity
    or NaN is invalid, and not an overflow (7.2).

    >>> numfmt.convert([1e-40, 300.0], "bf16", ftz="after", flags=True)
    (array([  0., 300.]), array([3, 0], dtype=uint8))
    >>> numfmt.convert(0x3F81, "e4m3fn", codes=True, operands="bf16", flags=True)
    (np.uint8(56), np.uint8(1))
    """
    return _operate("convert", (a,), fmt, **how)


def _operate(
    name: str, given: tuple[Any, ...], fmt: Any, *, operands: Any = None, codes: bool = False, out: Any = None,
    **how: Any,
) -> Any:  # fmt: skip
    form = element(fmt)
    formats = formats_of(operands, form, len(given))
    sources = read(given, formats, codes)
    typed = dtype_of(sources, given)
    found, marks = rounded(name, sources, form, formats, typed, codes=codes, out=out, **how)
    found = handed(found, given, out)
    return found if marks is None else (found, handed(marks, given, out))


def encoded(a: Any, form: Format, **how: Any) -> Array:
    """Numbers as codes; the keywords of `add`."""
    return rounded("convert", read((a,), (form,), False), form, (form,), None, codes=True, **how)[0]


def rounded(
    name: str, sources: tuple[Input, ...], form: Format, formats: tuple[Format, ...], typed: Any,
    *, rounding: Any = None, overflow: Any = None, nan: Any = None, seed: Any = None, noise: Any = None, random_bits: Any = None,
    codes: bool = False, ftz: str | None = None, daz: bool = False, tininess: str = "after", flags: bool = False,
    nan_profile: str | None = None, dtype: Any = None, out: Any = None, engine: str | None = None,
) -> tuple[Array, Array | None]:  # fmt: skip
    """An operation on operands of one shape, whose float dtype is `typed`: results, and exceptions if `flags` asks
    for them."""
    shape = sources[0].array.shape
    if flags and nan is None and form.nan() is None:
        nan = "max"
    rule = policy(form, rounding, overflow, nan, random_bits)
    tiny = choose("tininess", tininess, TININESS)
    flush = None if ftz is None else choose("ftz", ftz, TININESS)
    nans = None if nan_profile is None else PROFILES[choose("nan_profile", nan_profile, PROFILES)]
    job = Job(OPERATIONS[name], plan(form, rule, codes, engine), formats, bool(daz), flush, tiny, nans)
    draws = noise_source(rule, seed, noise, shape)
    result = outputs.output(shape, _dtype(job, typed, dtype, out), out)
    marks = np.empty(shape, np.uint8) if flags else None
    if result.dtype.kind == "O":
        _run_exactly(job, sources, result, draws, marks)
    else:
        run(job, sources, result, draws, marks)
    return result, marks


def _run_exactly(job: Job, sources: tuple[Input, ...], out: Array, draws: Any, marks: Array | None) -> None:
    """Exact values of codes."""
    asked = job.plan
    codes = np.empty(out.shape, outputs.own_code_dtype(job.fmt))
    run(replace(job, plan=plan(job.fmt, asked.policy, True, asked.asked)), sources, codes, draws, marks)
    out[...] = mapped(lambda code: decoded(code, job.fmt), codes)


def _dtype(job: Job, typed: Any, dtype: Any, out: Any) -> np.dtype[Any]:
    """Of codes that of the format; of values that of the operands, if it holds the format's."""
    if job.plan.codes:
        return outputs.code_dtype(outputs.own_code_dtype(job.fmt), job.fmt, dtype, out)
    return result_dtype(job.fmt, typed, dtype, out)
