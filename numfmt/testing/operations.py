"""Operations of `numfmt.arithmetic` over all operands of a format, or very many, compared with something else.

    python -m numfmt.testing.operations small all --rounding all --against reference
    python -m numfmt.testing.operations f16 add,mul --against numpy --count 1e8

Against the reference, codes and exceptions are compared: the exact results of all operands are found once, as
rationals, and each that differs is rounded once for each mode. Against NumPy and MPFR it is the values. Operands are
numbered: of formats of at most 8 bits in the order of their codes, of wider ones scattered over all.
`--resume FILE` goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import arithmetic, reference
from ..arithmetic import exactly, exceptions
from ..casting import decode
from ..errors import SpecError
from ..format import Format, Value, is_special
from ..formats.floats import Float
from ..kernels.odd import INVALID
from ..reference import Policy
from ..registry import element, list_formats, parse
from ..rounding import MODES
from .sweep import INTERRUPTED, SAVE_SECONDS, SHOWN, Mismatch, Progress, bar, in_order, integer_slice

Array = np.ndarray[Any, Any]
OPERANDS = {"add": 2, "sub": 2, "mul": 2, "div": 2, "remainder": 2, "sqrt": 1, "fma": 3}
SMALL = 8  # bits: all pairs are swept
SMALLEST = 6  # bits: all triples are
SAMPLE = 1 << 18  # triples of wider formats, unless the call says
WORD = 0x9E3779B9  # of every stochastic draw
CHUNK = 1 << 18
SCATTER = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplication by it is one to one modulo powers of two
Codes = tuple[Array, ...]


class Question(NamedTuple):
    """One operation in one format and mode, on the operands numbered `start ... stop - 1`."""

    fmt: str
    operation: str
    against: str
    rounding: str
    tininess: str
    start: int
    stop: int

    def __str__(self) -> str:
        some = f", operands {self.start} to {self.stop - 1}" if self.start else ""
        return f"{self.operation} in {self.fmt} ({self.rounding}, tiny {self.tininess}) against {self.against}{some}"


def operands(question: Question, start: int, stop: int) -> Codes:
    """The codes of the operands of those numbers."""
    bits, count = element(question.fmt).bits, OPERANDS[question.operation]
    numbers = np.arange(start, stop, dtype=np.uint64)
    if bits * count > 2 * SMALL or bits > SMALL:
        numbers = _scattered(numbers, bits * count)
    mask = np.uint64((1 << bits) - 1)
    return tuple((numbers >> np.uint64(bits * i) & mask).astype(np.uint32) for i in reversed(range(count)))


def _scattered(numbers: Array, bits: int) -> Array:
    """One to one among the numbers of so many bits, up to 64: multiply, fold, multiply."""
    mask, half = np.uint64((1 << bits) - 1), np.uint64(bits // 2)
    for _ in range(2):
        numbers = numbers * SCATTER & mask
        numbers ^= numbers >> half
    return numbers


# The other side


class Results(NamedTuple):
    """Exact results of operands: the different ones, with exceptions that no rounding adds; which each is."""

    different: list[tuple[Value, int]]
    which: Array


@lru_cache(maxsize=8)
def exact_results(
    fmt: Format, operation: str, negative: bool, question: Question, start: int, stop: int
) -> Results:
    values = [_value(fmt, code) for code in fmt.codes()]
    compute, which = getattr(exactly, operation), []
    seen: dict[tuple[Value | None, bool, int], int] = {}
    for codes in zip(*(x.tolist() for x in operands(question, start, stop)), strict=True):
        given = tuple(values[code] for code in codes)
        x = compute(*given, zero=-0.0 if negative else 0.0)
        mark = exceptions.of_special(x, given) if is_special(x) else 0
        mark |= INVALID * any(_signals(fmt, code) for code in codes)
        key = (None if x != x else x, reference.is_negative(x), mark)
        which.append(seen.setdefault(key, len(seen)))
    return Results([(math.nan if x is None else x, mark) for x, _, mark in seen], np.array(which))


def _same(question: Question) -> Question:
    """All questions with the same exact results."""
    return question._replace(against="", rounding="", tininess="")


@lru_cache(maxsize=4096)
def _value(fmt: Format, code: int) -> Value:
    return fmt.value(code)


@lru_cache(maxsize=4096)
def _signals(fmt: Format, code: int) -> bool:
    """Of formats with quiet and signalling NaNs: the first fraction bit is 0 (IEEE 754-2019, 6.2.1)."""
    if not isinstance(fmt, Float) or fmt.infinity() is None or not fmt.man_bits:
        return False
    return fmt.value(code) != fmt.value(code) and fmt.nan() != code and not code >> (fmt.man_bits - 1) & 1


def reference_results(question: Question) -> Callable[[int, int], Array]:
    """Codes, and exceptions above them, by exact rationals."""
    fmt = element(question.fmt)
    if fmt.bits > SMALL:
        raise SpecError(f"against the reference a format has at most {SMALL} bits, {fmt} has {fmt.bits}")
    policy = reference.policy(fmt, question.rounding, None, _nan(fmt))
    negative = policy.rounding.name == "toward_negative"

    def results(start: int, stop: int) -> Array:
        found = exact_results(fmt, question.operation, negative, _same(question), start, stop)
        decided = [_decided(x, mark, fmt, policy, question.tininess) for x, mark in found.different]
        return np.array(decided, np.uint32)[found.which]

    return results


def _decided(x: Value, mark: int, fmt: Format, policy: Policy, tininess: str) -> int:
    code = reference.encode(x, fmt, policy, WORD)
    return code | (mark | exceptions.of_finite(x, code, fmt, policy, WORD, tininess)) << 16


def numpy_results(question: Question) -> Callable[[int, int], Array]:
    """Values by one operation in float32 (in float64 for fma), and one rounding to nearest even.

    Twice 11 bits and 2 are 24, so the first rounding moves no tie (Figueroa, 1995). Products of f16 lie on a grid of
    2**-48, and so do their sums, which float64 rounds only where f16 has overflowed or the addend decides nothing.
    """
    fmt, names = (
        element(question.fmt),
        {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide},
    )
    store = {element("f16"): _as_half, element("bf16"): _as_bfloat}.get(fmt)
    if store is None or question.rounding != "nearest_even" or question.operation == "remainder":
        raise SpecError("numpy has f16 and bf16 in nearest_even, without remainder")
    if question.operation == "fma" and fmt != element("f16"):
        raise SpecError("numpy has fma for f16 alone: float64 loses small addends to bf16's products")

    def results(start: int, stop: int) -> Array:
        given = [decode(x, fmt, dtype=np.float32) for x in operands(question, start, stop)]
        with np.errstate(all="ignore"):
            if question.operation == "fma":
                a, b, c = (x.astype(np.float64) for x in given)
                return store(a * b + c)
            return store(
                np.sqrt(given[0]) if question.operation == "sqrt" else names[question.operation](*given)
            )

    return results


def _as_half(x: Array) -> Array:
    return x.astype(np.float16).view(np.uint16).astype(np.uint32)


def _as_bfloat(x: Array) -> Array:
    """The upper half of float32, to nearest even: an integer of at most half a step is added."""
    bits = x.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(x), np.uint32(0x7FC0), rounded)


MPFR = {"nearest_even": "RoundToNearest", "toward_zero": "RoundToZero", "toward_positive": "RoundUp",
        "toward_negative": "RoundDown"}  # fmt: skip


def mpfr_results(question: Question) -> Callable[[int, int], Array]:
    """Values by MPFR, with the precision and the exponents of an IEEE format; about 2 us an operation."""
    import gmpy2  # type: ignore[import-untyped]

    fmt = element(question.fmt)
    if (
        not isinstance(fmt, Float)
        or fmt.variant != "ieee"
        or question.rounding not in MPFR
        or question.operation == "remainder"
    ):
        raise SpecError(f"MPFR has IEEE formats in the modes {', '.join(MPFR)}, without remainder")
    context = gmpy2.context(
        precision=fmt.man_bits + 1, emax=fmt.emax + 1, emin=fmt.emin - fmt.man_bits + 1, subnormalize=True,
        round=getattr(gmpy2, MPFR[question.rounding]),
    )  # fmt: skip
    compute, number = getattr(context, question.operation), gmpy2.mpfr

    def results(start: int, stop: int) -> Array:
        given = [[number(v) for v in decode(x, fmt).tolist()] for x in operands(question, start, stop)]
        values = np.array([float(compute(*row)) for row in zip(*given, strict=True)])
        return arithmetic.convert(values, fmt, codes=False, dtype=np.float64).view(np.uint64)

    return results


ORACLES = {"reference": reference_results, "numpy": numpy_results, "mpfr": mpfr_results}


# The comparison


def ours(question: Question, start: int, stop: int) -> Array:
    """Codes, with exceptions above them where the other side has them."""
    fmt = element(question.fmt)
    how: dict[str, Any] = {"codes": True, "rounding": question.rounding, "tininess": question.tininess}
    given = operands(question, start, stop)
    if MODES[question.rounding].stochastic:
        how["noise"] = np.full(given[0].shape, WORD, np.uint32)
    operation = getattr(arithmetic, question.operation)
    if question.against == "reference":
        codes, flags = operation(*given, fmt, flags=True, **how)
        return codes.astype(np.uint32) & np.uint32((1 << fmt.bits) - 1) | flags.astype(
            np.uint32
        ) << np.uint32(16)
    codes = operation(*given, fmt, **how)
    if question.against == "mpfr":
        return decode(codes, fmt, dtype=np.float64).view(np.uint64)
    return codes.astype(np.uint32)


def compared(question: Question, progress: Progress) -> Iterator[Progress]:
    """From `progress.done` on, chunk by chunk, on two threads."""
    theirs = ORACLES[question.against](question)

    def chunk(start: int) -> list[Mismatch]:
        stop = min(start + CHUNK, question.stop)
        got, wanted = ours(question, start, stop), theirs(start, stop)
        return [
            Mismatch(start + int(i), int(got[i]), int(wanted[i])) for i in _differing(question, got, wanted)
        ]

    starts = range(progress.done, question.stop, CHUNK)
    for start, bad in zip(starts, in_order(chunk, starts), strict=True):
        examples = (*progress.examples, *bad)[:SHOWN]
        progress = Progress(min(start + CHUNK, question.stop), progress.bad + len(bad), examples)
        yield progress


def _differing(question: Question, got: Array, wanted: Array) -> Array:
    """Where results differ; a library's NaN is any NaN."""
    bad = np.flatnonzero(got != wanted)
    if question.against == "reference" or not bad.size:
        return bad
    if question.against == "mpfr":
        return bad[~(np.isnan(got[bad].view(np.float64)) & np.isnan(wanted[bad].view(np.float64)))]
    return bad[~(np.isnan(decode(got[bad], question.fmt)) & np.isnan(decode(wanted[bad], question.fmt)))]


def _nan(fmt: Format) -> str | None:
    """What `flags=True` puts where a format has no NaN."""
    return None if fmt.nan() is not None else "max"


# The command


def run(questions: Sequence[Question], state: Path | None = None) -> Iterator[tuple[Question, Progress]]:
    """Each question to its end, from where the state file has it."""
    known = _load(state)
    for question in questions:
        progress = known.get(str(question), Progress(question.start))
        saved = time.monotonic()
        with bar(str(question), question.start, question.stop, progress) as show:
            try:
                for step in compared(question, progress):
                    progress = step
                    show(progress)
                    known[str(question)] = progress
                    if time.monotonic() - saved > SAVE_SECONDS:
                        _save(state, known)
                        saved = time.monotonic()
            finally:
                _save(state, known)
        yield question, progress


def _load(state: Path | None) -> dict[str, Progress]:
    if state is None or not state.exists():
        return {}
    try:
        rows = json.loads(state.read_text()).items()
        return {
            name: Progress(done, bad, tuple(Mismatch(*m) for m in shown)) for name, (done, bad, shown) in rows
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{state} is no state of a sweep: {error}") from None


def _save(state: Path | None, known: dict[str, Progress]) -> None:
    """The state file, whole or not at all."""
    if state is not None:
        temporary = state.with_name(f".{state.name}.{os.getpid()}")
        temporary.write_text(json.dumps(known, indent=1) + "\n")
        temporary.replace(state)


def _report(question: Question, progress: Progress) -> Iterator[str]:
    yield f"{question}: {progress.bad} mismatches in {question.stop - question.start}"
    for m in progress.examples:
        given = ", ".join(f"0x{int(x[0]):X}" for x in operands(question, m.pattern, m.pattern + 1))
        yield f"  {given}: numfmt {_told(question, m.got)}, {question.against} {_told(question, m.wanted)}"
    if progress.bad > len(progress.examples):
        yield f"  ... and {progress.bad - len(progress.examples)} more"


def _told(question: Question, result: int) -> str:
    if question.against == "mpfr":
        return repr(float(np.uint64(result).view(np.float64)))
    flags = f" flags {result >> 16:05b}" if question.against == "reference" else ""
    return f"0x{result & 0xFFFF:X}{flags}"


def small_formats() -> list[str]:
    """The registered float formats of at most 8 bits, each once."""
    found = {str(form): form for form in map(parse, list_formats())}
    return [name for name, form in found.items() if isinstance(form, Float) and form.bits <= SMALL]


def _questions(given: argparse.Namespace) -> list[Question]:
    formats = small_formats() if given.formats == "small" else given.formats.split(",")
    names = list(OPERANDS) if given.operations == "all" else given.operations.split(",")
    modes = list(MODES) if given.rounding == "all" else given.rounding.split(",")
    unknown = [name for name in names if name not in OPERANDS]
    if unknown:
        raise SpecError(f"unknown operation {unknown[0]!r}; there are {', '.join(OPERANDS)}")
    found = [_question(*row, given) for row in product(formats, names, modes)]
    for question in found:
        ORACLES[question.against](question)
    return found


def _question(spec: str, operation: str, rounding: str, given: argparse.Namespace) -> Question:
    fmt = element(spec)
    bits = fmt.bits * OPERANDS[operation]
    is_whole = fmt.bits <= (SMALLEST if operation == "fma" else 2 * SMALL)
    asked = int(given.count) if given.count is not None else 1 << bits if is_whole else SAMPLE
    total = min(1 << bits, asked)
    k, n = given.slice or (1, 1)
    mode = reference.policy(fmt, rounding, None, _nan(fmt)).rounding.name
    start, stop = total * (k - 1) // n, total * k // n
    return Question(str(fmt), operation, given.against, mode, given.tininess, start, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m numfmt.testing.operations",
        description="Operations over all operands of a format, or very many, compared with something else.",
        epilog="Exit status: 0 no mismatch, 1 mismatches, 2 bad use, 130 interrupted.",
    )
    parser.add_argument(
        "formats", help="specs with commas between, or 'small': every float of at most 8 bits"
    )
    parser.add_argument("operations", help=f"'all', or some of {', '.join(OPERANDS)} with commas between")
    parser.add_argument("--against", required=True, choices=list(ORACLES))
    parser.add_argument("--rounding", default="nearest_even", help="modes with commas between, or 'all'")
    parser.add_argument("--tininess", default="after", choices=exceptions.TININESS)
    parser.add_argument(
        "--count", type=float, default=None, metavar="N", help="the first N operands of each, as 1e8"
    )
    parser.add_argument(
        "--slice", type=integer_slice, metavar="K/N", help="the K-th of N parts of each, K from 1"
    )
    parser.add_argument("--resume", type=Path, metavar="FILE", help="go on from FILE, and keep it up to date")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit status.

    >>> main(["e2m1fn", "add,sqrt", "--against", "reference"])
    add in e2m1fn (nearest_even, tiny after) against reference: 0 mismatches in 256
    sqrt in e2m1fn (nearest_even, tiny after) against reference: 0 mismatches in 16
    0
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    bad = 0
    try:
        for question, progress in run(_questions(given), given.resume):
            print(*_report(question, progress), sep="\n", flush=True)
            bad += progress.bad
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print(f"interrupted; {given.resume or 'no file'} has the state", file=sys.stderr)
        return INTERRUPTED
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
