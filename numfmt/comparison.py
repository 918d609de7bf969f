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
from typing import Any

import numpy as np

from .format import Format, exponent
from .measurement import BlockJob, Job, Part, job_of, measure
from .registry import parse
from .scaled import ScaledFormat
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
        Any shape; a path names a `.npy`, `.npz`, `.safetensors` or `.gguf` file, read tensor by tensor.
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

    Raises
    ------
    ValueError, RangeError : what a format cannot take; the message begins with the tensor's name and the format

    Memory beyond the input is some tens of MiB, whatever its size; a scaled format, whose scales
    come from the whole tensor, takes its codes and values beside it. There the ulp is one step,
    and x overflows more than half a step outside its range.

    >>> row = compare(np.float32([1.0, 1.1, 1e6]), "e4m3fn")[0]
    >>> round(row.max_relative_error, 6), round(row.overflow, 3), round(row.exact, 3)
    (0.022727, 0.333, 0.333)
    """
    jobs = [job_of(fmt, rounding, overflow, nan, seed) for fmt in format_list(formats)]
    return compare_tensors(tensors_of(x), jobs, progress)


def compare_tensors(
    tensors: Iterable[Tensor], jobs: Sequence[Job | BlockJob], progress: bool | None = None
) -> Comparison:
    """`compare` of tensors that come one by one; none is kept."""
    return Comparison(tuple(row for tensor in tensors for row in _compare_one(tensor, jobs, progress)))


def format_list(formats: Any) -> list[Format | ScaledFormat]:
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


def _compare_one(tensor: Tensor, jobs: Sequence[Job | BlockJob], progress: bool | None) -> list[Row]:
    parts: list[list[Part]] = [[] for _ in jobs]
    ready = [_made_ready(tensor, job) for job in jobs]
    work = tensor.array.size * len(jobs)
    with np.errstate(all="ignore"), _bar(tensor.name, work, progress) as advance:
        for i, x in enumerate(tensor.chunks()):
            for job, measured in zip(ready, parts, strict=True):
                with _said_where(tensor, job):
                    measured.append(measure(x, job, i * CHUNK))
                advance(x.size)
    return [_row(tensor, job, measured) for job, measured in zip(ready, parts, strict=True)]


def _made_ready(tensor: Tensor, job: Job | BlockJob) -> Job | BlockJob:
    with _said_where(tensor, job):
        return job.on(tensor)


@contextmanager
def _said_where(tensor: Tensor, job: Job | BlockJob) -> Iterator[None]:
    """What a format cannot take begins with the names of the tensor and of the format; files name themselves."""
    try:
        yield
    except OSError:
        raise
    except ValueError as error:
        where = f"tensor {tensor.name!r}, format" if tensor.name else "format"
        message = f"{where} '{job.fmt}': {error}"
        raise type(error)(message, *error.args[1:]).with_traceback(error.__traceback__) from None


def _row(tensor: Tensor, job: Job | BlockJob, parts: Sequence[Part]) -> Row:
    columns: dict[str, list[Any]] = {f: [getattr(p, f) for p in parts] for f in Part._fields}
    count, kept, nonzero = tensor.array.size, sum(columns["kept"]), sum(columns["nonzero"])
    noise, signal = sum(columns["noise"], Fraction(0)), sum(columns["signal"], Fraction(0))
    shares = ("overflow", "underflow", "subnormal", "exact", "nonfinite")
    return Row(
        tensor=tensor.name,
        format=str(job.fmt),
        bits=job.bits,
        bits_per_element=job.bits_per_element,
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
    Column("", "bits", "bits_per_element", lambda bits: f"{bits:.4g}"),
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
