"""Bit allocation: which tensor gets how many bits so that all of them lose least under a budget.

`sensitivities` measures each tensor in each format, `allocate` chooses one format for each. The choice is exact:
tensor by tensor, every pair of bits and error is kept that no other beats in both, so that no assignment under the
budget has less error. The time goes with the number of different sums of bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from .blocks import SharedScale
from .comparison import Row, compare_tensors, format_list
from .format import Format
from .measurement import job_of
from .scaled import ScaledFormat
from .table import Column, Table, counted, decibels, short
from .tensors import tensors_of

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sensitivity:
    """What one format costs on one tensor.

    Attributes
    ----------
    tensor : its name
    format : canonical spec
    count : elements
    bits : of the whole tensor, with scales counted in
    bits_per_element : bits / count
    squared_error : sum of (x - y)**2, in the square of the tensor's unit
    sqnr_db : 10 log10(sum x**2 / sum (x - y)**2), in dB; infinite if nothing is lost
    """

    tensor: str
    format: str
    count: int
    bits: int
    bits_per_element: float
    squared_error: float
    sqnr_db: float


COLUMNS = (
    Column("", "format", "format", str),
    Column("bits an", "element", "bits_per_element", lambda bits: f"{bits:.4g}"),
    Column("", "bits", "bits", str),
    Column("squared", "error", "squared_error", short),
    Column("SQNR", "dB", "sqnr_db", decibels),
)


@dataclass(frozen=True, repr=False)
class Sensitivities(Table[Sensitivity]):
    """The rows of `sensitivities`, in the order of tensors and formats."""

    kind = Sensitivity
    by = "tensor"
    nothing = "no tensors"

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def group(self, row: Sensitivity) -> tuple[str, int]:
        return row.tensor, row.count

    def title(self, row: Sensitivity) -> str:
        return counted(row.tensor, row.count)


Tensors = dict[str, list[Sensitivity]]


class Point(NamedTuple):
    """Bits of all tensors, and the weighted sum of their squared errors."""

    bits: int
    error: float


@dataclass(frozen=True)
class Allocation:
    """A format for each tensor. Prints as the table of its choice.

    Attributes
    ----------
    choice : Sensitivities, a row for each tensor
    budget : bits that were allowed
    bits : of all tensors, at most the budget
    bits_per_element : over all tensors
    error : weighted sum of squared errors
    curve : tuple of Point
        Bits and error of every assignment that is best for some budget, bits rising and errors falling.
    uniform : dict of Point
        The same of one format for all tensors, for each format that every tensor was measured in.
    """

    choice: Sensitivities
    budget: float
    bits: int
    bits_per_element: float
    error: float
    curve: tuple[Point, ...]
    uniform: dict[str, Point]

    def __str__(self) -> str:
        total = f"{self.bits} bits of {self.budget:.0f}, {self.bits_per_element:.4g} an element"
        return f"{self.choice}\n\n{total}; error {short(self.error)}"

    __repr__ = __str__


def sensitivities(
    tensors: Any, formats: Any, *, rounding: Any = None, seed: int | None = None
) -> Sensitivities:
    """The squared error and the bits of each tensor in each format, by what measures for `numfmt.compare`.

    What lies beyond the range of a format saturates, so that every element has an error.

    Parameters
    ----------
    tensors : array_like, mapping of names to such, or path
        Finite numbers; as in `compare`.
    formats : str, Format or list of them
        What a tensor may be stored in, such as ``"int2[axis=0], int3[axis=0], int4[axis=0]"``.
    rounding, seed : as in `compare`

    Returns
    -------
    Sensitivities
        A sequence of `Sensitivity`; prints as a table, has `to_csv`, `to_json`, `to_pandas`.

    Raises
    ------
    ValueError : a tensor without elements, or with NaN or infinities

    >>> for row in sensitivities({"w": [1.0, 0.3]}, "e2m1fn, f16"):
    ...     print(row.format, row.bits, round(row.squared_error, 4))
    e2m1fn 8 0.04
    f16 32 0.0
    """
    jobs = [job_of(fmt, rounding, _overflow(fmt), None, seed) for fmt in format_list(formats)]
    return Sensitivities(tuple(map(_of_row, compare_tensors(tensors_of(tensors), jobs))))


def _overflow(fmt: Format | ScaledFormat) -> str | None:
    """Saturation, where a format leaves a choice; the others have no numbers beyond their range."""
    return "saturate" if isinstance(fmt, (Format, SharedScale)) else None


def _of_row(row: Row) -> Sensitivity:
    if not row.count:
        raise ValueError(f"tensor {row.tensor!r} has no elements: it needs no bits; leave it out")
    if row.nonfinite:
        share = round(row.nonfinite * row.count)
        raise ValueError(
            f"tensor {row.tensor!r} has {share} elements that are NaN or infinite, and no squared error;"
            " put numbers there"
        )
    return Sensitivity(
        tensor=row.tensor,
        format=row.format,
        count=row.count,
        bits=round(row.bits_per_element * row.count),
        bits_per_element=row.bits_per_element,
        squared_error=row.rms_error**2 * row.count,
        sqnr_db=row.sqnr_db,
    )


def allocate(
    table: Sequence[Sensitivity], budget: float, *, weights: Mapping[str, float] | None = None
) -> Allocation:
    """The format of each tensor that makes the weighted sum of squared errors least under a budget of bits.

    Parameters
    ----------
    table : Sensitivities, or sequence of Sensitivity
        Of each tensor at least one row.
    budget : float
        Bits of all tensors together, scales counted in.
    weights : mapping of names to numbers from 0 on, optional
        What a squared error of each tensor counts; 1 for one that is not named. With 1 / sum of x**2 what is
        summed are the ratios of noise to signal.

    Returns
    -------
    Allocation
        Of equal errors the one of fewer bits; of these, that in which the last tensors take the most; of equal rows
        the first. Sums of errors are float64.

    Raises
    ------
    TypeError : a table of other rows; a budget or weights that are no numbers; weights that are no mapping
    ValueError : a budget that no choice meets; weights that are negative, not finite or of unknown tensors; errors
        that are not finite; two rows of one tensor in the same format

    >>> x = {"a": [1.0, 0.3, 0.7], "b": [100.0, 33.0, 71.0]}
    >>> found = allocate(sensitivities(x, "e2m1fn, bf16, f16"), budget=3 * 20)
    >>> [(row.tensor, row.format) for row in found.choice], found.bits
    ([('a', 'e2m1fn'), ('b', 'bf16')], 60)
    """
    found = front(table, weights)
    _check_number("budget is a number of bits", budget)
    if math.isnan(budget) or budget < found.bits[0]:
        raise ValueError(f"a budget of {budget} bits cannot be met: the least is {found.bits[0]} bits")
    best = int(np.searchsorted(found.bits, budget, "right")) - 1
    choice = found.choice(best)
    bits = int(found.bits[best])
    return Allocation(
        choice=Sensitivities(tuple(choice)),
        budget=budget,
        bits=bits,
        bits_per_element=bits / sum(row.count for row in choice),
        error=float(found.errors[best]),
        curve=tuple(map(Point, found.bits.tolist(), found.errors.tolist())),
        uniform=found.uniform,
    )


def _check_number(what: str, given: Any) -> None:
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, Real):
        raise TypeError(f"{what}, got {given!r}")


def _tensors(table: Sequence[Sensitivity]) -> Tensors:
    """The rows of each tensor."""
    tensors: Tensors = {}
    if not isinstance(table, Iterable):
        raise TypeError(f"the table has the rows that `sensitivities` gives, not {table!r}")
    for row in table:
        if not isinstance(row, Sensitivity):
            raise TypeError(f"the table has the rows that `sensitivities` gives, and one is {row!r}")
        tensors.setdefault(row.tensor, []).append(row)
    if not tensors:
        raise ValueError("nothing to allocate: the table has no rows")
    for name, rows in tensors.items():
        twice = [spec for spec, same in groupby(sorted(row.format for row in rows)) if len(list(same)) > 1]
        if twice:
            raise ValueError(f"tensor {name!r} has two rows of '{twice[0]}'; leave one out")
        lost = [row for row in rows if not math.isfinite(row.squared_error)]
        if lost:
            raise ValueError(
                f"tensor {name!r} in '{lost[0].format}' has the error {lost[0].squared_error}; leave it out"
            )
    return tensors


def _weights(tensors: Tensors, weights: Mapping[str, float] | None) -> dict[str, float]:
    given = {} if weights is None else weights
    if not isinstance(given, Mapping):
        raise TypeError(f"weights is a mapping of tensors to numbers, such as {{'w': 2.0}}; got {weights!r}")
    for name, weight in given.items():
        if name not in tensors:
            raise ValueError(f"weights names {name!r}, and the tensors are {', '.join(map(repr, tensors))}")
        _check_number(f"the weight of {name!r} is a number", weight)
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weights are finite numbers from 0 on, got {weight} for {name!r}")
    return {name: float(given.get(name, 1.0)) for name in tensors}


class Front(NamedTuple):
    """The assignments that no other beats in bits and in error.

    bits : int64, rising; errors : float64, falling
    steps : of each tensor, the assignment of the tensors before it that each one continues, and the place of its row
    tensors : the rows of each
    uniform : bits and error of one format for all
    """

    bits: Array
    errors: Array
    steps: list[tuple[Array, Array]]
    tensors: Tensors
    uniform: dict[str, Point]

    def choice(self, place: int) -> list[Sensitivity]:
        """The rows of one of them."""
        chosen = []
        for (before, which), rows in zip(
            reversed(self.steps), reversed(list(self.tensors.values())), strict=True
        ):
            chosen.append(rows[which[place]])
            place = before[place]
        return chosen[::-1]


def front(table: Sequence[Sensitivity], weights: Mapping[str, float] | None = None) -> Front:
    """All assignments that are best for some budget; arguments and errors as in `allocate`.

    >>> found = front(sensitivities({"a": [1.0, 0.3], "b": [0.7]}, "e2m1fn, f16"))
    >>> found.bits.tolist(), [row.format for row in found.choice(1)]
    ([12, 24, 36, 48], ['e2m1fn', 'f16'])
    """
    tensors = _tensors(table)
    weighed = _weights(tensors, weights)
    bits, errors, steps = np.zeros(1, np.int64), np.zeros(1), []
    for name, rows in tensors.items():
        sums = np.add.outer(bits, np.array([row.bits for row in rows], np.int64)).reshape(-1)
        lost = np.add.outer(errors, weighed[name] * np.array([r.squared_error for r in rows])).reshape(-1)
        kept = _unbeaten(sums, lost)
        bits, errors = sums[kept], lost[kept]
        steps.append(np.divmod(kept, len(rows)))
    return Front(bits, errors, steps, tensors, _uniform(tensors, weighed))


def _unbeaten(bits: Array, errors: Array) -> Array:
    """Where a pair is that no other beats, bits rising; of equal pairs the first."""
    order = np.lexsort((errors, bits))
    least = np.minimum.accumulate(errors[order])
    better = np.concatenate([[True], errors[order][1:] < least[:-1]])
    return np.asarray(order[better])


def _uniform(tensors: Tensors, weights: dict[str, float]) -> dict[str, Point]:
    """One format for all."""
    by_name = {name: {row.format: row for row in rows} for name, rows in tensors.items()}
    specs = [spec for spec in next(iter(by_name.values())) if all(spec in rows for rows in by_name.values())]
    return {
        spec: Point(
            sum(rows[spec].bits for rows in by_name.values()),
            sum(weights[name] * rows[spec].squared_error for name, rows in by_name.items()),
        )
        for spec in specs
    }


__all__ = ["Allocation", "Point", "Sensitivities", "Sensitivity", "allocate", "sensitivities"]
