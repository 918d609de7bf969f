"""Mutation audit: which planted bugs a pack of vectors catches, and by which vector.

>>> audit = run(numfmt.vectors.generate("mul", "e2m1fn"))
>>> print(str(audit).splitlines()[0])
19 of 19 mutants are caught by 256 vectors
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..errors import SpecError
from ..vectors import Vectors
from ..vectors import minimal as one_of_each_cell
from ..vectors.batch import concatenated
from ..vectors.words import Field, digits
from .mutants import Mutant, Question, applicable

Array = np.ndarray[Any, Any]


class Caught(NamedTuple):
    """A mutant in a mode: how many vectors catch it, and the number `at` of the first; `shown` as text. None: it lives."""

    mutant: Mutant
    mode: str
    size: int
    at: int | None
    shown: str


class Audit:
    """The table of `run`; true where no mutant lives."""

    def __init__(self, rows: list[Caught], size: int) -> None:
        self.rows, self.size = rows, size

    def __bool__(self) -> bool:
        return not self.alive

    @property
    def alive(self) -> list[Caught]:
        return [row for row in self.rows if row.at is None]

    def __str__(self) -> str:
        caught = len(self.rows) - len(self.alive)
        lines = [f"{caught} of {len(self.rows)} mutants are caught by {self.size} vectors"]
        width = max((len(row.mutant.name) for row in self.rows), default=0)
        modes = max((len(row.mode) for row in self.rows), default=0)
        for row in self.rows:
            told = f"{row.size:>8}  {row.shown}" if row.at is not None else "   ALIVE  " + row.mutant.text
            lines.append(f"{row.mutant.name:<{width}}  {row.mode:<{modes}}  {told}")
        return "\n".join(lines)


def run(vectors: Vectors) -> Audit:
    """Let every mutant that applies answer the vectors, mode by mode.

    A vector catches a mutant if the result or an exception is another. Where all operands are there, a mutant that
    is not caught is no bug at all, but another way to be right, and is left out.
    """
    if vectors.request.operation.operands is None:
        raise SpecError(
            f"there are no mutants of {vectors.request.op}; choose another operation", vectors.request.op
        )
    rows = [row for i in range(len(vectors.rounding)) for row in _of_mode(vectors, i)]
    if _is_whole(vectors):
        rows = [row for row in rows if row.at is not None]
    return Audit(rows, len(vectors))


def minimal(vectors: Vectors) -> Vectors:
    """A small pack: one vector of each cell of `numfmt.vectors.coverage`, and what catches the mutants that live yet.

    >>> whole = numfmt.vectors.generate("mul", "e4m3fn")
    >>> small = minimal(whole)
    >>> len(small) < 1000, len(run(small).alive)
    (True, 0)
    """
    small = one_of_each_cell(vectors)
    alive = {(row.mutant.name, row.mode) for row in run(small).alive}
    catching = [
        row.at for row in run(vectors).rows if row.at is not None and (row.mutant.name, row.mode) in alive
    ]
    return concatenated([small, vectors.take(np.unique(np.array(catching, np.int64)))])


def _is_whole(vectors: Vectors) -> bool:
    bits = sum(field.bits for field in vectors.request.inputs)
    return bits <= 20 and len(vectors) == len(vectors.rounding) << bits


def _of_mode(vectors: Vectors, index: int) -> Iterable[Caught]:
    mode, places = vectors.rounding[index], np.flatnonzero(vectors.modes == index)
    part = vectors.take(places)
    for mutant in applicable(part.request, mode):
        answer = mutant.answer(Question(part.request, mode), part.operands)
        wrong = np.logical_or.reduce([x != y for x, y in zip(answer, part.results, strict=True)])
        where = np.flatnonzero(wrong)
        if where.size:
            first = int(where[0])
            yield Caught(mutant, mode, where.size, int(places[first]), _shown(part, answer, first))
        else:
            yield Caught(mutant, mode, 0, None, "")


def _shown(part: Vectors, answer: tuple[Array, ...], i: int) -> str:
    asked = part.request
    given = _text([x[i] for x in part.operands], asked.inputs)
    right, wrong = (_text([x[i] for x in found], asked.outputs) for found in (part.results, answer))
    return f"{given} -> {right}, not {wrong}"


def _text(words: list[Any], fields: tuple[Field, ...]) -> str:
    return " ".join(f"{int(w):0{digits(f.bits)}X}" for w, f in zip(words, fields, strict=True))
