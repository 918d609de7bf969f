"""Vectors of others against numfmt: how many differ, where the first is, and of which kinds they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arithmetic import FLAGS
from ..notation import split_bits
from ..registry import element
from ..tensors import FileError
from .batch import Vectors, concatenated
from .classes import INFINITY, KINDS, NAMES, QUIET, classes
from .reading import Rows, rows_of
from .words import Field, digits

Array = np.ndarray[Any, Any]
KEPT = 4096  # differing vectors that a report keeps
Progress = Callable[[int], None]


@dataclass
class Report:
    """What a comparison found.

    Attributes
    ----------
    total, wrong : int
        Vectors, and those that differ.
    kinds : Counter
        How many differ in which way; a vector may differ in several.
    first : str
        The first that differs: its line, the operands, both results.
    kept : list of Vectors
        The first that differ, at most 4096, as they were read.
    right : list of Vectors
        As many of those beside them that do not differ.
    """

    total: int = 0
    wrong: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    first: str = ""
    kept: list[Vectors] = field(default_factory=list)
    right: list[Vectors] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.wrong == 0

    def __str__(self) -> str:
        if not self.wrong:
            return f"{self.total} vectors, none differs"
        ways = [f"  {count:>8}  {kind}" for kind, count in self.kinds.most_common()]
        return "\n".join([f"{self.wrong} of {self.total} vectors differ", self.first, "kinds:", *ways])


def check(path: str | os.PathLike[str], op: str | None = None, fmt: Any = None, *, form: str | None = None, nan_bits: bool = False, progress: Progress | None = None, **how: Any) -> Report:  # fmt: skip
    """Compare somebody's vectors with what numfmt computes from their operands.

    Parameters
    ----------
    path : path
        A file, a pack, or "-": standard input.
    op, fmt, form, others
        As in `load`; `op` may be a function of TestFloat such as "f32_mulAdd".
    nan_bits : bool
        Any NaN is another NaN, unless this is True or `nan_profile` is given: then its bits count.
    progress : callable, optional
        Called with how many more vectors are compared.

    Returns
    -------
    Report : true where none differs

    Raises
    ------
    FileError, SpecError : as `load`; a file without vectors is an error too

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "f16_add_rne.tf")
    ...     with open(path, "w") as file:
    ...         lines = file.write("3C00 3C00 4000 00\\n3C00 1000 3C01 01\\n")
    ...     print(check(path))
    1 of 2 vectors differ
    line 2: add in f16, nearest_even: a 3C00, b 1000
      theirs  3C01  0|01111|0000000001  flags 01 inexact
      numfmt  3C00  0|01111|0000000000  flags 01 inexact
    kinds:
             1  result: one value above
    """
    report = Report()
    exact_nans = nan_bits or how.get("nan_profile") is not None
    for rows in rows_of(path, op, fmt, form=form, **how):
        _compare(rows, report, exact_nans)
        if progress is not None:
            progress(len(rows.vectors))
    if not report.total:
        raise FileError(f"cannot check '{path}': there is no vector in it")
    return report


def _compare(rows: Rows, report: Report, exact_nans: bool) -> None:
    found = rows.vectors
    right = found.request.answer(found.rounding[0], found.operands)
    differ = [
        _differing(mine, theirs, field, exact_nans)
        for mine, theirs, field in zip(right, found.results, found.request.outputs, strict=True)
    ]
    is_wrong = np.logical_or.reduce(differ)
    wrong = np.flatnonzero(is_wrong)
    report.total += len(found)
    if not wrong.size:
        return
    if not report.wrong:
        report.first = "\n".join(_first(rows, right, int(wrong[0])))
    report.wrong += wrong.size
    _keep(report.kept, found.take(wrong))
    _keep(report.right, found.take(~is_wrong))
    for mine, theirs, bad, what in zip(right, found.results, differ, found.request.outputs, strict=True):
        where = np.flatnonzero(bad)
        report.kinds.update(_kinds(mine[where], theirs[where], what))


def _keep(where: list[Vectors], some: Vectors) -> None:
    room = KEPT - sum(map(len, where))
    if room > 0:
        where.append(some.take(slice(0, room)))


def kept(report: Report) -> Iterator[Vectors]:
    """Vectors that differ and some that do not, those of one request and mode together."""
    groups: dict[tuple[Any, ...], list[Vectors]] = {}
    for part in report.kept + report.right:
        asked = part.request
        groups.setdefault((asked.op, asked.fmt, asked.operands, asked.rounding), []).append(part)
    yield from map(concatenated, groups.values())


def _differing(mine: Array, theirs: Array, field: Field, exact_nans: bool) -> Array:
    bad = np.asarray(mine != theirs)
    if exact_nans or field.fmt is None or not bad.any():
        return bad
    form = element(field.fmt)
    return bad & ~(
        (classes(mine, form) % len(KINDS) >= QUIET) & (classes(theirs, form) % len(KINDS) >= QUIET)
    )


def _first(rows: Rows, right: tuple[Array, ...], at: int) -> Iterator[str]:
    found, asked = rows.vectors, rows.vectors.request
    given = ", ".join(f"{f.name} {_hex(found[f.name][at], f)}" for f in asked.inputs)
    yield f"line {rows.lines[at]}: {asked.op} in {asked.fmt}, {found.rounding[0]}: {given}"
    for who, results in (("theirs", found.results), ("numfmt", right)):
        told = [_told(x[at], f) for x, f in zip(results, asked.outputs, strict=True)]
        yield f"  {who}  {'  '.join(told)}"


def _hex(code: Any, field: Field) -> str:
    return f"{int(code):0{digits(field.bits)}X}"


def _told(code: Any, field: Field) -> str:
    if field.name == "flags":
        names = [name.replace("_", " ") for name, bit in FLAGS.items() if int(code) & bit]
        return f"flags {_hex(code, field)} {', '.join(names)}".rstrip()
    bits = "" if field.fmt is None else f"  {split_bits(int(code), element(field.fmt))}"
    return f"{_hex(code, field)}{bits}"


def _kinds(mine: Array, theirs: Array, field: Field) -> Counter[str]:
    if field.name == "flags":
        return _flag_kinds(mine, theirs)
    if field.fmt is None:
        return Counter({field.name: mine.size}) if mine.size else Counter()
    return Counter(_kind(int(a), int(b), field) for a, b in zip(mine[:KEPT], theirs[:KEPT], strict=True)) + (
        Counter({f"{field.name}: others, not looked at": mine.size - KEPT}) if mine.size > KEPT else Counter()
    )


def _flag_kinds(mine: Array, theirs: Array) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, bit in FLAGS.items():
        for what, has, lacks in (("missing", mine, theirs), ("too many", theirs, mine)):
            found[f"flags: {name.replace('_', ' ')} {what}"] = int(
                np.count_nonzero(has & ~lacks & np.uint8(bit))
            )
    return +found


def _kind(mine: int, theirs: int, field: Field) -> str:
    form = element(field.fmt)
    both = np.array([mine, theirs]).astype(np.uint64)
    kinds = classes(both, form)
    if np.any(kinds % len(KINDS) >= INFINITY):
        return f"{field.name}: {NAMES[kinds[1]]} for {NAMES[kinds[0]]}"
    apart = form.rank(theirs) - form.rank(mine)
    if abs(apart) == 1:
        return f"{field.name}: one value {'above' if apart > 0 else 'below'}"
    return f"{field.name}: {'sign' if _opposite(mine, theirs, form) else 'another number'}"


def _opposite(mine: int, theirs: int, form: Any) -> bool:
    return bool(form.value(mine) == -form.value(theirs))
