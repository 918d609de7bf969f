"""What vectors cover: every class of operand with every other, exponents so far apart, exceptions, kinds of rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..casting import decode
from ..errors import SpecError
from ..formats.floats import Float
from ..registry import element
from .asking import Request
from .batch import Vectors
from .classes import NAMES, classes

Array = np.ndarray[Any, Any]
POSITIONS = ("exact", "below the tie", "tie", "above the tie")
NEAREST = ("nearest_zero", "nearest_away")


class Row(NamedTuple):
    """A cell of the table: how many vectors lie in it, and the first of them."""

    rounding: str
    operands: tuple[str, ...]
    distance: str
    flags: int
    position: str
    size: int
    first: int


class Coverage:
    """The table of `coverage`, as a sequence of `Row`s."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __str__(self) -> str:
        head = ("rounding", "operands", "exponents apart", "flags", "position", "vectors")
        body = [
            (r.rounding, ", ".join(r.operands), r.distance, f"{r.flags:02X}", r.position, str(r.size))
            for r in self.rows
        ]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        lines = ("  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)) for line in (head, *body))
        return "\n".join(line.rstrip() for line in lines)


def coverage(vectors: Vectors) -> Coverage:
    """Which classes vectors cover.

    Cells are rounding mode x sign and class of each operand x how far exponents are apart x exceptions x where the
    exact result lies between its neighbours (exact, below the tie, tie, above it).

    >>> table = coverage(numfmt.vectors.generate("mul", "e2m1fn"))
    >>> len(table), table.rows[0].operands, table.rows[0].size
    (100, ('+zero', '+zero'), 1)
    """
    _check_classes(vectors.request)
    keys = _keys(vectors)
    _, first, counts = _unique(keys)
    return Coverage([_row(vectors, keys, int(i), int(n)) for i, n in zip(first, counts, strict=True)])


def minimal(vectors: Vectors) -> Vectors:
    """One vector of each cell of `coverage`: a small pack that covers as much.

    >>> whole = numfmt.vectors.generate("mul", "e4m3fn")
    >>> small = minimal(whole)
    >>> len(small) < 500, len(coverage(small)) == len(coverage(whole))
    (True, True)
    """
    _check_classes(vectors.request)
    _, first, _ = _unique(_keys(vectors))
    return vectors.take(np.sort(first))


def _check_classes(request: Request) -> None:
    if request.operation.operands is None:
        raise SpecError(
            f"coverage is of operations of up to three operands, {request.op} has more", request.op
        )


def _unique(keys: dict[str, Array]) -> tuple[Array, Array, Array]:
    mixed = np.zeros(next(iter(keys.values())).size, np.uint64)
    for key in keys.values():
        mixed = mixed * np.uint64(int(key.max(initial=0)) + 1) + key.astype(np.uint64)
    return np.unique(mixed, return_index=True, return_counts=True)


def _keys(vectors: Vectors) -> dict[str, Array]:
    """What cells are made of, by name; small integers."""
    asked = vectors.request
    pairs = zip(asked.inputs, vectors.operands, strict=True)
    kinds = {f"operand {field.name}": classes(x, element(field.fmt)) for field, x in pairs}
    flags = vectors.columns.get("flags", np.zeros(len(vectors), np.uint8))
    return {
        "mode": vectors.modes, **kinds, "distance": _distances(vectors), "flags": flags,
        "position": _positions(vectors),
    }  # fmt: skip


def _row(vectors: Vectors, keys: dict[str, Array], i: int, count: int) -> Row:
    asked = vectors.request
    operands = tuple(NAMES[keys[f"operand {field.name}"][i]] for field in asked.inputs)
    return Row(
        vectors.rounding[vectors.modes[i]], operands, bins(asked)[keys["distance"][i]], int(keys["flags"][i]),
        POSITIONS[keys["position"][i]], count, i,
    )  # fmt: skip


# How far exponents are apart


def bins(request: Request) -> tuple[str, ...]:
    """Names of the distances between the exponents of the last operand and of what the others give."""
    if len(request.sources) == 1:
        return ("-",)
    p = _width(request)
    return ("-", f"below -{p + 1}", f"-{p + 1} to -{p}", f"-{p - 1} to -2", "-1", "0", "1", f"2 to {p - 1}", f"{p} to {p + 1}", f"above {p + 1}")  # fmt: skip


def _width(request: Request) -> int:
    """Significant bits of the result, at least 4 so that no two bins are alike."""
    return max(request.form.man_bits + 1, 4) if isinstance(request.form, Float) else 4


def _distances(vectors: Vectors) -> Array:
    asked = vectors.request
    if len(asked.sources) == 1:
        return np.zeros(len(vectors), np.uint8)
    values = [
        np.asarray(decode(x, f, dtype=np.float64))
        for x, f in zip(vectors.operands, asked.sources, strict=True)
    ]
    usable = np.logical_and.reduce([np.isfinite(x) & (x != 0) for x in values])
    exponents = [np.frexp(x)[1].astype(np.int64) for x in values]
    apart = sum(exponents[:-1], start=np.zeros(len(vectors), np.int64)) - exponents[-1]
    p = _width(asked)
    edges = np.array([-p - 1, -p + 1, -1, 0, 1, 2, p, p + 2])
    return np.where(usable, 1 + np.searchsorted(edges, apart, "right"), 0).astype(np.uint8)


# Where results lie between their neighbours


def _positions(vectors: Vectors) -> Array:
    """By the answers of other rounding modes: ties are where two nearest modes differ."""
    asked = vectors.request
    if not asked.operation.rounds:
        return np.zeros(len(vectors), np.uint8)
    low, high = (asked.answer(mode, vectors.operands) for mode in NEAREST)
    cut = asked.answer("toward_zero", vectors.operands)
    inexact = cut[1] & np.uint8(1) != 0
    tie = low[0] != high[0]
    return np.where(tie, 2, np.where(~inexact, 0, np.where(low[0] == cut[0], 1, 3))).astype(np.uint8)
