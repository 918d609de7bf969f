"""All 2^32 float32 patterns through `numfmt.encode`, compared with something else.

    python -m numfmt.testing.sweep bf16 --against reference

Minutes on two cores, and it goes on where it stopped (`--resume FILE`). Against the reference,
exact rational rounding is not run 2^32 times: over the patterns of one sign the code is a step
function, so the pattern at which each code begins says all of it, and only those are decided
exactly, on both sides of each step.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import reference
from ..casting import decode, encode
from ..errors import SpecError
from ..format import Format, is_special
from ..reference import Policy
from ..registry import element

Array = np.ndarray[Any, Any]
Codes = Callable[[Array], Array]  # of float32 patterns (uint32, ascending)

PATTERNS = 1 << 32
SIGN = 0x80000000
INFINITY = 0x7F800000  # magnitude pattern of float32's infinity; NaN above it
CHUNK = 1 << 21
THREADS = 2
SHOWN = 10  # mismatches that are kept and printed
SAVE_SECONDS = 3.0
WIDEST = 20  # bits: a wider format has too many steps to decide each exactly
INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it

_ML_DTYPES = (
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn",
)  # fmt: skip


class Question(NamedTuple):
    """What is swept: it must be the same when a sweep goes on."""

    fmt: str
    against: str
    rounding: str
    overflow: str
    start: int
    stop: int


class Mismatch(NamedTuple):
    pattern: int
    got: int
    wanted: int


class Progress(NamedTuple):
    """How far a sweep is: all patterns below `done` are compared."""

    done: int
    bad: int = 0
    examples: tuple[Mismatch, ...] = ()


# The other side


def step_table(fmt: Format, policy: Policy, start: int, stop: int) -> tuple[Array, Array]:
    """The reference over patterns `start ... stop - 1`: (patterns where a run begins, its code).

    >>> f = numfmt.parse("e2m1fn")
    >>> first, code = step_table(f, numfmt.reference.policy(f, nan=0), 0x3F000000, 0x40000000)
    >>> [hex(p) for p in first], code.tolist()
    (['0x3f000000', '0x3f400000', '0x3fa00001', '0x3fe00000'], [1, 2, 3, 4])
    """
    steps: list[tuple[int, int]] = []
    for sign in (0, SIGN):
        # between zero and infinity the code is monotone; both may share a code with the far end
        for run in ((0, 0), (1, INFINITY - 1), (INFINITY, INFINITY), (INFINITY + 1, SIGN - 1)):
            low, high = max(start, sign + run[0]), min(stop - 1, sign + run[1])
            if low <= high:
                steps += _steps(fmt, policy, low, high)
    first, codes = zip(*steps, strict=True)
    return np.array(first, np.uint64), np.array(codes, np.uint64)


def _steps(fmt: Format, policy: Policy, low: int, high: int) -> Iterator[tuple[int, int]]:
    """(first pattern, code) of every run among patterns over which the code is monotone."""

    @cache
    def code(pattern: int) -> int:
        return _reference_code(pattern, fmt, policy)

    pattern, last = low, code(high)
    yield low, code(low)
    while code(pattern) != last:
        pattern = _next_step(pattern, high, code, fmt)
        yield pattern, code(pattern)


def _next_step(pattern: int, high: int, code: Callable[[int], int], fmt: Format) -> int:
    """The least pattern above whose code is another: near a boundary, else by bisection."""
    now = code(pattern)
    for guess in _guesses(now, pattern & SIGN, fmt):
        if pattern < guess <= high and code(guess) != now and code(guess - 1) == now:
            return guess
    low = pattern
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if code(middle) == now else (low, middle)
    return high


def _guesses(code: int, sign: int, fmt: Format) -> Iterator[int]:
    """Where the run of a code may end: at the boundary above it, or beside either neighbour."""
    if is_special(fmt.value(code)):
        return
    rank = fmt.rank(code)
    far = rank - 1 if sign else rank + 1
    near = abs(fmt.at(rank))
    if fmt.span[0] <= far <= fmt.span[1]:
        split, beyond = abs(fmt.split(min(rank, far))), abs(fmt.at(far))
    elif fmt.step is not None:
        split, beyond = near + fmt.step / 2, near + fmt.step
    else:
        return
    for value in (split, near, beyond):
        pattern = _least_pattern(value)
        yield from (sign + pattern, sign + pattern + 1)


def _least_pattern(value: Fraction) -> int:
    """The least pattern of a float32 that is not below a positive value."""
    with np.errstate(over="ignore"):
        pattern = int(np.float32(float(value)).view(np.uint32))
    while pattern < INFINITY and _magnitude(pattern) < value:
        pattern += 1
    while pattern and _magnitude(pattern - 1) >= value:
        pattern -= 1
    return pattern


def _magnitude(pattern: int) -> Fraction:
    return Fraction(_float(min(pattern, INFINITY - 1)))


def _float(pattern: int) -> float:
    """The float32 of a pattern; NaN keeps its sign."""
    value: float = struct.unpack("<f", struct.pack("<I", pattern))[0]
    return math.copysign(value, -1.0 if pattern & SIGN else 1.0)


def _reference_code(pattern: int, fmt: Format, policy: Policy) -> int:
    return reference.encode(reference.exact(_float(pattern)), fmt, policy)


def reference_codes(fmt: Format, question: Question) -> Codes:
    """Codes by the step function of the reference."""
    if fmt.bits > WIDEST:
        raise SpecError(f"against the reference a format has at most {WIDEST} bits, {fmt} has {fmt.bits}")
    policy = reference.policy(fmt, question.rounding, question.overflow, _nan(fmt))
    if policy.wraps:
        raise SpecError(
            f"under overflow {policy.overflow!r} codes come again, and the sweep looks for runs of one"
        )
    first, codes = step_table(fmt, policy, question.start, question.stop)

    def look_up(patterns: Array) -> Array:
        low, high = (int(patterns[i]) for i in (0, -1))
        i, j = np.searchsorted(first, np.array([low, high], np.uint64), side="right")
        edges = np.concatenate(([low], first[i:j], [high + 1])).astype(np.int64)
        return np.repeat(codes[i - 1 : j], np.diff(edges))

    return look_up


def ml_dtypes_codes(fmt: Format, question: Question) -> Codes:
    """Codes by ml_dtypes, which rounds float32 once, to nearest even."""
    import ml_dtypes

    _check_plain("ml_dtypes", question)
    names = [n for n in _ML_DTYPES if hasattr(ml_dtypes, n) and element(n) == fmt]
    if not names:
        raise SpecError(f"ml_dtypes has no {fmt}; it has {', '.join(str(element(n)) for n in _ML_DTYPES)}")
    dtype = np.dtype(getattr(ml_dtypes, names[0]))
    return lambda patterns: _stored(patterns, dtype)


def numpy_codes(fmt: Format, question: Question) -> Codes:
    """Codes by NumPy, which has float16 alone."""
    _check_plain("numpy", question)
    if fmt != element("f16"):
        raise SpecError(f"numpy has f16 alone, not {fmt}")
    return lambda patterns: _stored(patterns, np.dtype(np.float16))


def _stored(patterns: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(all="ignore"):
        return patterns.view(np.float32).astype(dtype).view(f"u{dtype.itemsize}")


def _check_plain(library: str, question: Question) -> None:
    if (question.rounding, question.overflow) != ("nearest_even", "ieee"):
        raise SpecError(f"{library} rounds to nearest_even with overflow ieee; leave both out")


ORACLES: dict[str, Callable[[Format, Question], Codes]] = {
    "reference": reference_codes,
    "ml_dtypes": ml_dtypes_codes,
    "numpy": numpy_codes,
}


# The comparison


def encoder(fmt: Format, question: Question) -> Codes:
    """What is tested: the compiled loops behind `numfmt.encode`. Two's complement as residues."""

    def run(patterns: Array) -> Array:
        codes = np.asarray(
            encode(
                patterns.view(np.float32), fmt, rounding=question.rounding,
                overflow=question.overflow, nan=_nan(fmt), engine="kernel",
            )
        )  # fmt: skip
        unsigned = codes.view(f"u{codes.itemsize}")
        return unsigned & unsigned.dtype.type((1 << fmt.bits) - 1) if fmt.signed_codes else codes

    return run


def _nan(fmt: Format) -> int | None:
    """What NaN becomes in a format that has none."""
    return None if fmt.nan() is not None else 0


def mismatches(patterns: Array, got: Array, wanted: Array, fmt: Format, against: str) -> Array:
    """Positions at which the codes differ and the other side is right.

    The reference decides every pattern. Libraries keep the payload of a NaN (NumPy) or their
    own sign, so there NaN equals NaN; where a format has no NaN theirs is no answer.
    """
    bad = np.flatnonzero(got != wanted)
    if against == "reference" or not bad.size:
        return bad
    x = patterns[bad]
    excused = _both_nan(got[bad], wanted[bad], fmt)
    if fmt.nan() is None:
        excused |= (x & np.uint32(SIGN - 1)) > INFINITY
    if fmt == element("e8m0fnu"):
        # ml_dtypes rounds float32 subnormals between 2**-127 and 2**-126 in their own spacing
        excused |= (x >= 0x400001) & (x <= 0x5FFFFF)
    return bad[~excused]


def _both_nan(got: Array, wanted: Array, fmt: Format) -> Array:
    return np.asarray(np.isnan(decode(got, fmt)) & np.isnan(decode(wanted, fmt)))


def compared(question: Question, progress: Progress) -> Iterator[Progress]:
    """Sweep from `progress.done` on, in chunks on two threads; yields after each chunk, in order."""
    fmt = element(question.fmt)
    ours, theirs = encoder(fmt, question), ORACLES[question.against](fmt, question)

    def chunk(start: int) -> tuple[int, list[Mismatch]]:
        stop = min(start + CHUNK, question.stop)
        patterns = np.arange(start, stop, dtype=np.uint32)
        got, wanted = ours(patterns), theirs(patterns)
        bad = mismatches(patterns, got, wanted, fmt, question.against)
        shown = (Mismatch(int(patterns[i]), int(got[i]), int(wanted[i])) for i in bad[:SHOWN])
        return bad.size, list(shown)

    starts = range(progress.done, question.stop, CHUNK)
    for start, (count, shown) in zip(starts, in_order(chunk, starts), strict=True):
        examples = (*progress.examples, *shown)[:SHOWN]
        progress = Progress(min(start + CHUNK, question.stop), progress.bad + count, examples)
        yield progress


def in_order(task: Callable[[int], Any], parts: Sequence[int]) -> Iterator[Any]:
    """Results in the order of `parts`, a few of them under way at a time."""
    pool = ThreadPoolExecutor(THREADS)
    running: deque[Future[Any]] = deque()
    try:
        for part in parts:
            running.append(pool.submit(task, part))
            if len(running) > 2 * THREADS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


# Going on after an interruption


def load_state(path: Path, question: Question) -> Progress:
    """How far the sweep of a state file is; `ValueError` if it is of another sweep."""
    if not path.exists():
        return Progress(question.start)
    try:
        state = json.loads(path.read_text())
        saved = Question(**state["question"])
        examples = tuple(Mismatch(*row) for row in state["examples"])
        progress = Progress(int(state["done"]), int(state["bad"]), examples)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is no state of a sweep: {error}") from None
    if saved != question:
        raise ValueError(f"{path} is the state of another sweep: {_title(saved)}")
    return progress


def save_state(path: Path, question: Question, progress: Progress) -> None:
    """Write the state file whole or not at all."""
    state = {"question": question._asdict(), **progress._asdict()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(state, indent=1) + "\n")
    temporary.replace(path)


# The command line


def _title(q: Question) -> str:
    some = "" if (q.start, q.stop) == (0, PATTERNS) else f", patterns {q.start:#010x} to {q.stop - 1:#010x}"
    return f"{q.fmt} ({q.rounding}, overflow {q.overflow}) against {q.against}{some}"


def run(question: Question, state: Path | None = None) -> Progress:
    """The whole sweep of a question, with a progress bar on a terminal."""
    progress = Progress(question.start) if state is None else load_state(state, question)
    if state:
        save_state(state, question, progress)  # a folder that takes no file is found out now
    saved = time.monotonic()
    with bar(_title(question), question.start, question.stop, progress) as show:
        try:
            for step in compared(question, progress):
                progress = step
                show(progress)
                if state and time.monotonic() - saved > SAVE_SECONDS:
                    save_state(state, question, progress)
                    saved = time.monotonic()
        finally:
            if state:
                save_state(state, question, progress)
    return progress


@contextmanager
def bar(title: str, start: int, stop: int, progress: Progress) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on stderr, nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"), rich.BarColumn(), rich.TaskProgressColumn(),
        rich.TimeRemainingColumn(), rich.TextColumn("{task.fields[bad]} mismatches"),
    )  # fmt: skip
    with rich.Progress(*columns, console=Console(stderr=True)) as shown:
        total, done = stop - start, progress.done - start
        task = shown.add_task(title, total=total, completed=done, bad=progress.bad)
        yield lambda p: shown.update(task, completed=p.done - start, bad=p.bad)


def _report(question: Question, progress: Progress) -> Iterator[str]:
    total = question.stop - question.start
    yield f"{_title(question)}: {progress.bad} mismatches in {total} patterns"
    digits = -(-element(question.fmt).bits // 4)
    for m in progress.examples:
        yield (
            f"  float32 0x{m.pattern:08X} ({_float(m.pattern)!r}): numfmt 0x{m.got:0{digits}X}, "
            f"{question.against} 0x{m.wanted:0{digits}X}"
        )
    if progress.bad > len(progress.examples):
        yield f"  ... and {progress.bad - len(progress.examples)} more"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m numfmt.testing.sweep",
        description="All 2^32 float32 patterns through numfmt.encode, compared with something else.",
        epilog="Exit status: 0 no mismatch, 1 mismatches, 2 bad use, 130 interrupted.",
    )
    parser.add_argument("format", help="a spec, as in bf16 or e4m3fn")
    parser.add_argument("--against", required=True, choices=list(ORACLES))
    parser.add_argument("--rounding", default="nearest_even")
    parser.add_argument("--overflow", default=None)
    parser.add_argument("--slice", type=integer_slice, metavar="K/N", help="the K-th of N parts, K from 1")
    parser.add_argument("--start", type=_integer, default=None, help="first pattern, as in 0x3F800000")
    parser.add_argument("--count", type=_integer, default=None, help="how many patterns")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="go on from FILE, and keep it up to date")
    return parser


def _integer(text: str) -> int:
    return int(text, 0)


def integer_slice(text: str) -> tuple[int, int]:
    k, _, n = text.partition("/")
    if not (k.isdigit() and n.isdigit() and 1 <= int(k) <= int(n)):
        raise argparse.ArgumentTypeError(f"a slice is K/N with 1 <= K <= N, got {text!r}")
    return int(k), int(n)


def _span(given: argparse.Namespace) -> tuple[int, int]:
    """The patterns asked for, as (start, stop)."""
    if given.slice:
        if (given.start, given.count) != (None, None):
            raise ValueError("give --slice or --start and --count, not both")
        k, n = given.slice
        return PATTERNS * (k - 1) // n, PATTERNS * k // n
    start = given.start or 0
    stop = PATTERNS if given.count is None else start + given.count
    if not 0 <= start < stop <= PATTERNS:
        raise ValueError(f"--start and --count must lie within the 2**32 patterns, got {start} to {stop}")
    return start, stop


def _question(given: argparse.Namespace) -> Question:
    """The question asked, in canonical names; errors are `ValueError`s."""
    fmt = element(given.format)
    policy = reference.policy(fmt, given.rounding, given.overflow, _nan(fmt))
    if policy.rounding.stochastic or policy.overflow == "raise":
        raise ValueError("a sweep needs a deterministic rounding and an overflow that delivers")
    return Question(str(fmt), given.against, policy.rounding.name, policy.overflow, *_span(given))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit status.

    >>> main(["e2m1fn", "--against", "reference", "--start", "0x3F000000", "--count", "0x100000"])
    e2m1fn (nearest_even, overflow ieee) against reference, patterns 0x3f000000 to 0x3f0fffff: 0 mismatches in 1048576 patterns
    0
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        question = _question(given)
        progress = run(question, given.resume)
    except (ValueError, ImportError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        kept = f"; {given.resume} has the state" if given.resume else ""
        print(f"interrupted{kept}", file=sys.stderr)
        return INTERRUPTED
    print("\n".join(_report(question, progress)))
    return 1 if progress.bad else 0


if __name__ == "__main__":
    sys.exit(main())
