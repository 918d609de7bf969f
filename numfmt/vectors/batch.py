"""A table of vectors in memory: operands, results and exceptions, a column each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .asking import Request

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Vectors:
    """Vectors of one request.

    Attributes
    ----------
    request : Request
    columns : dict of str to 1-D arrays of unsigned integers, of one length
        Words by name: codes of the operands `a`, `b`, `c`, of the `result`, and `flags` (inexact 1, underflow 2,
        overflow 4, divide by zero 8, invalid 16).
    modes : uint8 array of that length
        Which of `request.rounding` each vector is of.

    >>> v = numfmt.vectors.generate("mul", "e4m3fn", rounding="rne,rtz")
    >>> len(v), v["result"].dtype, v.rounding
    (131072, dtype('uint8'), ('nearest_even', 'toward_zero'))
    """

    request: Request
    columns: dict[str, Array]
    modes: Array

    def __len__(self) -> int:
        return int(self.modes.size)

    def __getitem__(self, key: str) -> Array:
        return self.columns[key]

    def __repr__(self) -> str:
        r = self.request
        return f"<{len(self)} vectors: {r.op} in {r.fmt}, {', '.join(r.rounding)}>"

    @property
    def rounding(self) -> tuple[str, ...]:
        return self.request.rounding

    @property
    def operands(self) -> tuple[Array, ...]:
        return tuple(self.columns[field.name] for field in self.request.inputs)

    @property
    def results(self) -> tuple[Array, ...]:
        return tuple(self.columns[field.name] for field in self.request.outputs)

    def take(self, where: Any) -> Vectors:
        """Some of them: a slice, indices or a mask."""
        return Vectors(self.request, {name: x[where] for name, x in self.columns.items()}, self.modes[where])

    def of_mode(self) -> Iterator[tuple[str, Vectors]]:
        """Those of each rounding mode that has some."""
        for i, mode in enumerate(self.rounding):
            where = np.flatnonzero(self.modes == i)
            if where.size:
                yield mode, self.take(where)


def concatenated(parts: Sequence[Vectors]) -> Vectors:
    """One table of tables of one request."""
    first = parts[0]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in first.columns}
    return Vectors(first.request, columns, np.concatenate([part.modes for part in parts]))
