"""`compare`: what each format makes of each tensor, as one row of errors and shares.

Everything is measured chunk by chunk, 65536 elements in C order, so memory is bounded. A column
that is a sum adds up each chunk in float64 and the chunks exactly: no digit depends on threads,
on the layout, or on how the tensor is stored.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from . import reference
from .casting import cast
from .engine.run import Noise
from .errors import RangeError
from .format import Format, exponent
from .registry import parse
from .spec import split_commas
from .table import Column, Table, counted, decibels, decimal, percent, short
from .tensors import CHUNK, Tensor, tensors_of

Array = np.ndarray[Any, Any]
WORTH_A_BAR = 1 << 24  # elements times formats: some seconds


@dataclass(frozen=True)
class Row:
    """What one format makes of one tensor.

    Errors are over the elements that are finite before and after: `overflow` has the others.
    NaN where a column has no elements. Shares are of all elements, from 0 to 1.

    Attributes
    ----------
    tensor : its name
    format : canonical spec
    bits, bits_per_element : of a code; with what elements share counted in
    count : elements
    max_relative_error, mean_relative_error : \\|x - y\\| / \\|x\\| over x != 0
    max_ulp_error, mean_ulp_error : \\|x - y\\| in units of the format's spacing at x
    rms_error : root of the mean of (x - y)**2, in the unit of the tensor
    sqnr_db : 10 log10(sum x**2 / sum (x - y)**2), in dB; infinite if nothing is lost
    overflow : finite x that rounds outside the range, whatever is delivered then
    underflow : x != 0 that becomes 0
    subnormal : the result is not 0 and below the smallest normal value
    exact : finite x that stays as it is
    nonfinite : x is NaN or infinite to begin with
    """

    tensor: str
    format: str
    bits: int
    bits_per_element: float
    count: int
    max_relative_error: float
    mean_relative_error: float
    max_ulp_error: float
    mean_ulp_error: float
    rms_error: float
    sqnr_db: float
    overflow: float
    underflow: float
    subnormal: float
    exact: float
    nonfinite: float


def compare(
    x: Any, formats: Any, *, rounding: Any = None, overflow: Any = None, nan: Any = None,
    seed: int | None = None, progress: bool | None = None,
) -> Comparison:  # fmt: skip
    """The errors of formats on tensors: one row for each tensor and format.

    Parameters
    ----------
    x : array_like of real numbers, mapping of names to such, or path
        Any shape; a path names a `.npy`, `.npz` or `.safetensors` file, read tensor by tensor.
    formats : str, Format or list of them
        Specs; one string may hold several, with commas.
    rounding, overflow, nan, seed
        As in `cast`; element i of each tensor takes noise word i. Where a format has no NaN and
        `nan` is not given, NaN is no error: it is counted as `nonfinite`.
    progress : bool, optional
        A progress bar on stderr; by default on a terminal, for large tensors.

    Returns
    -------
    Comparison
        A sequence of `Row`; prints as a table, and has `to_csv`, `to_json` and `to_pandas`.

    Memory beyond the input is some tens of MiB, whatever its size.

    >>> row = compare(np.float32([1.0, 1.1, 1e6]), "e4m3fn")[0]
    >>> round(row.max_relative_error, 6), round(row.overflow, 3), round(row.exact, 3)
    (0.022727, 0.333, 0.333)
    """
    jobs = [Job(fmt, rounding, overflow, nan, seed) for fmt in format_list(formats)]
    return compare_tensors(tensors_of(x), jobs, progress)


def compare_tensors(
    tensors: Iterable[Tensor], jobs: Sequence[Job], progress: bool | None = None
) -> Comparison:
    """`compare` of tensors that come one by one; none is kept."""
    return Comparison(tuple(row for tensor in tensors for row in _compare_one(tensor, jobs, progress)))


def format_list(formats: Any) -> list[Format]:
    """The formats of specs, without repetition.

    >>> [str(f) for f in format_list("fp16, bf16, e5m10")]
    ['f16', 'bf16']
    """
    if isinstance(formats, str):
        formats = split_commas(formats)
    given = formats if isinstance(formats, (list, tuple, set, frozenset)) else [formats]
    specs = [s for f in given for s in (split_commas(f) if isinstance(f, str) else [f])]
    if not specs:
        raise ValueError("compare needs at least one format, such as 'bf16'; got none")
    return list(dict.fromkeys(map(parse, specs)))


class Limit(NamedTuple):
    """A finite x overflows on one side beyond `at`, and there too if `inclusive`."""

    at: Fraction
    inclusive: bool

    def passed(self, size: Array) -> Array:
        at = _number(self.at, size.dtype)
        return np.asarray(size >= at if self.inclusive else size > at)


class Job:
    """One format with its policy: what rounds a chunk and what is known about its range."""

    def __init__(self, fmt: Format, rounding: Any, overflow: Any, nan: Any, seed: int | None) -> None:
        self.fmt = fmt
        self.policy = reference.policy(fmt, rounding, overflow, _nan_rule(fmt, nan))
        self.keywords = {"rounding": rounding, "overflow": overflow, "nan": _nan_rule(fmt, nan)}
        self.noise = None
        if self.policy.rounding.stochastic:
            if seed is None:
                raise ValueError(f"rounding='{self.policy.rounding.name}' needs seed=, an integer from 0 on")
            self.noise = Noise(self.policy.random_bits, seed=seed)

    def words(self, start: int, count: int) -> Array | None:
        return None if self.noise is None else self.noise.take(start, count)

    def round(self, x: Array, words: Array | None) -> Array:
        return np.asarray(cast(x, self.fmt, **self.keywords, noise=words, dtype=np.float64))

    def spacing(self, x: Array) -> Array:
        """The gap of the format's values around x; 0 where x is a value."""
        below, above = (
            cast(x, self.fmt, rounding=f"toward_{side}", overflow="saturate", nan="max", dtype=np.float64)
            for side in ("negative", "positive")
        )
        gap = above - below
        for outside, outer in ((x > self.high, self.outer[1]), (x < self.low, self.outer[0])):
            if outside.any():
                gap[outside] = outer
        return np.asarray(gap)

    @cached_property
    def low(self) -> float:
        return float(self.fmt.min)

    @cached_property
    def high(self) -> float:
        return float(self.fmt.max)

    @cached_property
    def outer(self) -> tuple[float, float]:
        """Spacing past the first and the last value: continued, or the nearest gap there is."""
        fmt, (first, last) = self.fmt, self.fmt.span
        below = fmt.at(min(first + 1, last)) - fmt.at(first)
        above = fmt.at(last) - fmt.at(max(last - 1, first))
        if fmt.step is not None:
            below, above = fmt.step if fmt.signed else below, fmt.step
        return float(below), float(above)

    @cached_property
    def limits(self) -> tuple[Limit, Limit]:
        """Where overflow begins, in magnitude, for negative and for positive x."""
        return self._limit(True), self._limit(False)

    def _limit(self, negative: bool) -> Limit:
        """Rounding changes its mind at the last value, half a step on, or a whole step on."""
        edge, step = self._side(negative)
        for size, limit in (
            (edge, Limit(edge, True)),
            (edge + step / 4, Limit(edge, False)),
            (edge + step / 2, Limit(edge + step / 2, True)),
            (edge + step * 3 / 4, Limit(edge + step / 2, False)),
        ):
            if self._overflows(-size if negative else size):
                return limit
        return Limit(edge + step, step > 0)

    def _side(self, negative: bool) -> tuple[Fraction, Fraction]:
        """The last magnitude on a side and the step that goes on past it (0: none does).

        Below an unsigned format that is the mirror of its first step (IEEE P3109)."""
        fmt = self.fmt
        if negative and not fmt.signed:
            return Fraction(0), fmt.smallest
        return abs(Fraction(fmt.value(fmt.edge(negative)))), fmt.step or Fraction(0)

    def _overflows(self, x: Fraction) -> bool:
        try:
            reference.encode(x, self.fmt, self.policy._replace(overflow="raise"))
        except RangeError:
            return True
        return False

    def outside(self, x: Array, y: Array, words: Array | None) -> Array:
        """Which finite x round outside the range."""
        far = (x > self.high) | (x < self.low)
        if self.fmt.zero() is None:
            far |= x == 0
        if not far.any():
            return far
        far &= np.isfinite(x)
        if words is not None:
            return self._drawn_outside(x, y, words, far)
        negative, positive = self.limits
        return np.asarray(far & np.where(x > 0, positive.passed(x), negative.passed(-x)))

    def _drawn_outside(self, x: Array, y: Array, words: Array, far: Array) -> Array:
        """Stochastic: the draw decides; where the result is the last value it is drawn again."""
        unsure = np.flatnonzero(far & np.isfinite(y))
        part, drawn = x[unsure], words[unsure]
        for negative in (False, True):
            here = (part > 0) != negative
            far[unsure[here]] = self._draws_up(abs(part[here]), drawn[here], negative)
        return far

    def _draws_up(self, size: Array, words: Array, negative: bool) -> Any:
        """Whether a draw leaves the last value: as it would between 0 and f16's smallest value."""
        edge, step = self._side(negative)
        if not step or (negative and self.fmt.rejects_negatives):
            return True
        fraction = np.clip(size - float(edge), 0, float(step)) / float(step)
        return cast(fraction * 2.0**-24, "f16", rounding=self.policy.rounding.name, noise=words) > 0


def _nan_rule(fmt: Format, nan: Any) -> Any:
    return "max" if nan is None and fmt.nan() is None else nan


def _number(x: Fraction, dtype: np.dtype[Any]) -> Any:
    """A boundary (at most 64 significant bits) as a float of that dtype, infinite past its range."""
    shift = exponent(x) - 63 if x else 0
    with np.errstate(over="ignore"):
        return np.ldexp(dtype.type(int(x / Fraction(2) ** shift)), shift)


class Part(NamedTuple):
    """What one chunk adds to a row: counts, largest values, sums."""

    kept: int
    nonzero: int
    overflow: int
    underflow: int
    subnormal: int
    exact: int
    nonfinite: int
    max_relative: float
    max_ulp: float
    relative: float
    ulp: float
    noise: Fraction
    signal: Fraction


def _measure(x: Array, job: Job, start: int) -> Part:
    """One chunk; x is 1-D, float64 or longdouble."""
    words = job.words(start, x.size)
    y = job.round(x, words)
    finite = np.isfinite(x)
    kept = finite & np.isfinite(y)
    size, error = abs(x), abs(x - y)
    if not kept.all():
        size[~kept] = error[~kept] = 0
    nonzero = size != 0
    relative = error / np.where(nonzero, size, 1)
    gap = job.spacing(x)
    ulp = error / np.where(gap > 0, gap, 1)
    magnitude = abs(y)
    return Part(
        kept=_count(kept),
        nonzero=_count(nonzero),
        overflow=_count(job.outside(x, y, words)),
        underflow=_count(nonzero & (magnitude == 0)),
        subnormal=_count(kept & (magnitude > 0) & (magnitude < float(job.fmt.min_normal))),
        exact=_count(finite & (x == y)),
        nonfinite=x.size - _count(finite),
        max_relative=float(relative.max()),
        max_ulp=float(ulp.max()),
        relative=float(relative.sum()),
        ulp=float(ulp.sum()),
        noise=_sum_of_squares(error),
        signal=_sum_of_squares(size),
    )


def _count(mask: Array) -> int:
    return int(np.count_nonzero(mask))


def _sum_of_squares(sizes: Array) -> Fraction:
    """Of finite sizes >= 0, scaled by a power of two so that no square leaves float64."""
    largest = sizes.max()
    if not largest:
        return Fraction(0)
    _, shift = np.frexp(largest)
    scaled = np.ldexp(sizes, -shift)
    return Fraction(float((scaled * scaled).sum())) * Fraction(4) ** int(shift)


def _compare_one(tensor: Tensor, jobs: Sequence[Job], progress: bool | None) -> list[Row]:
    parts: list[list[Part]] = [[] for _ in jobs]
    work = tensor.array.size * len(jobs)
    with np.errstate(all="ignore"), _bar(tensor.name, work, progress) as advance:
        for i, x in enumerate(tensor.chunks()):
            for job, measured in zip(jobs, parts, strict=True):
                measured.append(_measure(x, job, i * CHUNK))
                advance(x.size)
    return [
        _row(tensor.name, job.fmt, tensor.array.size, measured)
        for job, measured in zip(jobs, parts, strict=True)
    ]


def _row(name: str, fmt: Format, count: int, parts: Sequence[Part]) -> Row:
    columns: dict[str, list[Any]] = {f: [getattr(p, f) for p in parts] for f in Part._fields}
    kept, nonzero = sum(columns["kept"]), sum(columns["nonzero"])
    noise, signal = sum(columns["noise"], Fraction(0)), sum(columns["signal"], Fraction(0))
    shares = ("overflow", "underflow", "subnormal", "exact", "nonfinite")
    return Row(
        tensor=name,
        format=str(fmt),
        bits=fmt.bits,
        bits_per_element=float(fmt.bits),
        count=count,
        max_relative_error=max(columns["max_relative"]) if nonzero else math.nan,
        mean_relative_error=_ratio(_total(columns["relative"]), nonzero),
        max_ulp_error=max(columns["max_ulp"]) if kept else math.nan,
        mean_ulp_error=_ratio(_total(columns["ulp"]), kept),
        rms_error=_root(noise / kept) if kept else math.nan,
        sqnr_db=_decibels(signal, noise),
        **{share: _ratio(sum(columns[share]), count) for share in shares},
    )


def _ratio(total: float, count: int) -> float:
    return total / count if count else math.nan


def _total(sums: Iterable[float]) -> float:
    try:
        return math.fsum(sums)
    except OverflowError:
        return math.inf


def _root(x: Fraction) -> float:
    """The square root of an x that float64 may not hold."""
    half = exponent(x) // 2 if x else 0
    return math.ldexp(math.sqrt(x / Fraction(4) ** half), half)


def _decibels(signal: Fraction, noise: Fraction) -> float:
    if not noise:
        return math.inf if signal else math.nan
    if not signal:
        return -math.inf
    e = exponent(signal / noise)
    return 10 * (math.log10(signal / noise / Fraction(2) ** e) + e * math.log10(2))


@contextmanager
def _bar(name: str, total: int, progress: bool | None) -> Iterator[Callable[[int], None]]:
    """What is called with a number of elements done; it moves a bar on stderr, or nothing."""
    if progress is None:
        progress = total >= WORTH_A_BAR and sys.stderr.isatty()
    if not progress:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name or "compare", total=total)
        yield lambda done: bar.advance(task, done)


COLUMNS = (
    Column("", "format", "format", str),
    Column("", "bits", "bits_per_element", lambda bits: f"{bits:g}"),
    Column("rel.", "max", "max_relative_error", short),
    Column("error", "mean", "mean_relative_error", short),
    Column("ulp", "max", "max_ulp_error", decimal),
    Column("error", "mean", "mean_ulp_error", decimal),
    Column("rms", "error", "rms_error", short),
    Column("SQNR", "dB", "sqnr_db", decibels),
    Column("over", "flow%", "overflow", percent),
    Column("under", "flow%", "underflow", percent),
    Column("sub", "norm%", "subnormal", percent),
    Column("exact", "%", "exact", percent),
    Column("not", "fin.%", "nonfinite", percent),
)


@dataclass(frozen=True, repr=False)
class Comparison(Table[Row]):
    """The rows of `compare`, in the order of tensors and formats.

    >>> table = compare([1.0, 2.5], "bf16,e2m1fn")
    >>> len(table), table[1].format
    (2, 'e2m1fn')
    """

    kind = Row
    by = "tensor"
    nothing = "no tensors"

    def columns(self) -> Sequence[Column]:
        """All but the last where every element is finite."""
        return COLUMNS if any(row.nonfinite > 0 for row in self.rows) else COLUMNS[:-1]

    def group(self, row: Row) -> tuple[str, int]:
        return row.tensor, row.count

    def title(self, row: Row) -> str:
        return counted(row.tensor, row.count)


__all__ = ["Comparison", "Row", "compare"]
