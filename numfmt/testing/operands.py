"""What results under test were made of, and what they are exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arithmetic.operands import formats_of, mapped, numbers, read
from ..arithmetic.operations import OPERATIONS, Operation
from ..errors import choose
from ..format import Format, Value
from ..reference import exact

Array = np.ndarray[Any, Any]


class Operands(NamedTuple):
    """Arrays that go with the results: integers are codes of their formats, floats are values."""

    arrays: tuple[Array, ...] = ()
    formats: tuple[Format, ...] = ()
    operation: Operation | None = None

    def at(self, flat: int, shape: tuple[int, ...]) -> list[Any]:
        """The operands of one element."""
        return [x[0] for x in self._chosen(np.array([flat]), shape)]

    def exact(self, places: Array, shape: tuple[int, ...]) -> list[Value] | None:
        """The exact results of those elements, None where nobody said how they are made."""
        if self.operation is None or not places.size:
            return None
        given = zip(self._chosen(places, shape), self.formats, strict=True)
        columns = [_exact(x, fmt) for x, fmt in given]
        return [self.operation.exact(*row) for row in zip(*columns, strict=True)]

    def _chosen(self, places: Array, shape: tuple[int, ...]) -> list[Array]:
        return [np.broadcast_to(x, shape).flat[places] for x in self.arrays]


def _exact(x: Array, fmt: Format) -> list[Value]:
    (source,) = read((x,), (fmt,), x.dtype.kind in "iu")
    return list(mapped(exact, numbers(source)))


def operands_of(inputs: Any, operation: str | None, formats: Any, fmt: Format) -> Operands:
    """The operands that a call names; errors say what does not fit."""
    if inputs is None:
        if operation is not None:
            raise TypeError(f"operation={operation!r} needs inputs=, what it was done to")
        return Operands()
    arrays = tuple(np.asarray(x) for x in (inputs if isinstance(inputs, tuple) else (inputs,)))
    row = None if operation is None else OPERATIONS[choose("operation", operation, OPERATIONS)]
    if row is not None and row.operands != len(arrays):
        raise TypeError(
            f"{row.name} takes {row.operands} operands, inputs= has {len(arrays)}: give a tuple of arrays"
        )
    return Operands(arrays, formats_of(formats, fmt, len(arrays)), row)
