"""Codebooks: any list of numbers, one for each code, as `codebook[values=[-1,-0.25,0,0.25,1]]`.

The values are float64 numbers; those that two codes share are encoded as the first of them. Even and
odd are the parity of the rank, and nothing goes on past the last value. Libraries that search a sorted
table of float32 have mid-points and ties of their own, which a codebook can take over; quantizers that round
logarithms, or learn thresholds, have boundaries that are no mid-points at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SpecError, choose
from ..format import Format, Value, exponent, significant_bits
from ..reference import exact
from ..registry import Option, element, family
from ..spec import split_commas

Array = np.ndarray[Any, Any]
MOST = 4096  # values
LISTED = 16  # values and boundaries that messages show in full
TIES = {
    "even": "nearest_even",
    "odd": "nearest_odd",
    "down": "nearest_down",
    "up": "nearest_up",
    "zero": "nearest_zero",
    "away": "nearest_away",
}


@dataclass(frozen=True, repr=False)
class Codebook(Format):
    """`table[code]` is the value of a code. `Codebook.of` makes one, or a spec.

    `midpoints`, or `boundaries`, says where the nearest modes have their boundaries, `ties` which value has a
    boundary itself in nearest_even. `spelling` is the name of a codebook that a family makes.
    """

    table: tuple[float, ...]
    midpoints: str = "exact"
    ties: str = "even"
    boundaries: tuple[Fraction, ...] = ()
    spelling: str = field(default="", compare=False)

    @staticmethod
    def of(
        values: Iterable[Any], midpoints: str = "exact", ties: str = "even", boundaries: Iterable[Any] = (),
        spelling: str = "",
    ) -> Codebook:  # fmt: skip
        """The codebook of 2 to 4096 numbers.

        Parameters
        ----------
        values : iterable of real numbers, in the order of their codes
            Each stands for the float64 next to it, and -0 for 0. Of equal values the first is
            encoded. Codes left over, of three values one, mean the last value too.
        midpoints : "exact", "float32" or "distance"
            Boundaries of the nearest modes: the mid-points of neighbours, those rounded to float32, or
            the last float32 that is not nearer to the upper one by distances in float32.
        ties : "even", "odd", "down", "up", "zero" or "away"
            Whose a boundary is in nearest_even: that of the neighbour of even or odd rank, of the lower or the
            upper one, of the one nearer to zero or farther from it.
        boundaries : iterable of real numbers, optional
            In place of mid-points: where neighbours of the sorted distinct values part, taken exactly; from
            the lower one to the upper one. A value stays itself on a boundary too.
        spelling : str, optional
            How the codebook is written, where a spec says it shorter.

        Raises
        ------
        SpecError : no list of numbers; fewer than 2 or more than 4096 of them; infinity or NaN;
            boundaries in float32 of values that are no float32 or have none between them; boundaries that
            are not between the values

        Examples
        --------
        >>> numfmt.cast([-0.3, 0.7, 9.0], Codebook.of([-1, 0, 1]))
        array([0., 1., 1.])
        >>> numfmt.encode([-0.3, 0.7, 9.0], Codebook.of([-1, 0, 1]))
        array([1, 2, 2], dtype=uint8)
        >>> numfmt.cast([-0.3, 0.7, 9.0], Codebook.of([-1, 0, 1], boundaries=[-0.25, 0.75]))
        array([-1.,  0.,  1.])
        """
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise SpecError(f"a codebook is a list of numbers, got {values!r}")
        table = tuple(map(_number, values))
        if not 2 <= len(set(table)) <= len(table) <= MOST:
            raise SpecError(
                f"a codebook has 2 to {MOST} values, at least two of them distinct; "
                f"got {len(table)}, {len(set(table))} distinct"
            )
        given = tuple(map(_boundary, boundaries))
        if given and midpoints != "exact":
            raise SpecError(f"boundaries= stands in place of midpoints={midpoints}: leave one of them out")
        kind = choose("midpoints", midpoints, MIDPOINTS)
        made = Codebook(_filled(table), kind, choose("ties", ties, TIES), _checked(given, table), spelling)
        made.split(0)  # where the values have no such boundaries, this says so
        return made

    @staticmethod
    def load(path: str | PathLike[str], ties: str = "even") -> Codebook:
        """The codebook of the numbers of a file, in the order of their codes.

        Parameters
        ----------
        path : str or path
            A `.npy` file of one array, of any shape in C order; else text: numbers between blanks, commas or
            line ends, after a # a comment.

        Raises
        ------
        SpecError : as for `Codebook.of`, with the name of the file

        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "levels.txt").write_text("-1 0 0.25 1  # four")
        ...     Codebook.load(f"{folder}/levels.txt")
        <codebook[values=[-1,0,0.25,1]]: 2 bits, 4 values, -1 to 1>
        """
        file = Path(path)
        try:
            return Codebook.of(_numbers_of(file), ties=ties)
        except (SpecError, ValueError) as error:
            raise SpecError(f"{file}: {error}") from None

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.table, self.midpoints, self.ties, self.boundaries))

    @cached_property
    def bits(self) -> int:  # type: ignore[override]
        return (len(self.table) - 1).bit_length()

    @cached_property
    def signed(self) -> bool:  # type: ignore[override]
        return min(self.table) < 0

    @cached_property
    def _values(self) -> tuple[Fraction, ...]:
        return tuple(map(Fraction, self.table))

    @cached_property
    def _rising(self) -> list[float]:
        """The distinct values, in order."""
        return sorted(set(self.table))

    @cached_property
    def _codes(self) -> list[int]:
        return [self.table.index(v) for v in self._rising]

    @cached_property
    def _ranks(self) -> dict[float, int]:
        return {v: rank for rank, v in enumerate(self._rising)}

    @cached_property
    def _boundaries(self) -> Sequence[Fraction]:
        return self.boundaries or MIDPOINTS[self.midpoints](self._rising)

    def value(self, code: int) -> Value:
        if not 0 <= code < len(self.table):
            raise ValueError(f"{self._short} has codes 0 to {len(self.table) - 1}, got {code}")
        return self._values[code]

    @cached_property
    def span(self) -> tuple[int, int]:  # type: ignore[override]
        return 0, len(self._codes) - 1

    def code_at(self, rank: int) -> int:
        return self._codes[rank]

    def rank(self, code: int) -> int:
        return self._ranks[self.table[code]]

    def split(self, rank: int) -> Fraction:
        return self._boundaries[rank]

    @cached_property
    def tie_mode(self) -> str:  # type: ignore[override]
        return TIES[self.ties]

    def is_odd(self, code: int) -> bool:
        return bool(self.rank(code) & 1)

    def zero(self, negative: bool = False) -> int | None:
        return self.table.index(0.0) if 0.0 in self._ranks else None

    @cached_property
    def smallest(self) -> Fraction:
        """The smallest positive value; where there is none, the smallest magnitude but zero."""
        sizes = [v for v in self._values if v > 0] or [-v for v in self._values if v]
        return min(sizes)

    def fits(self, fraction_bits: int, emin: int, emax: int) -> bool:
        quantum = Fraction(2) ** (emin - fraction_bits)
        return all(
            significant_bits(v) <= fraction_bits + 1
            and exponent(abs(v)) <= emax
            and (v / quantum).denominator == 1
            for v in self._values
            if v
        )

    @property
    def exceeds_float64(self) -> bool:
        return False

    def __str__(self) -> str:
        return self._spelled(",".join)

    def _spelled(self, joined: Callable[[list[str]], str]) -> str:
        """The spec; `joined` makes one text of the texts of the values, and of the boundaries."""
        known = self.spelling or _sets().get((self.table, self.midpoints, self.ties, self.boundaries))
        if known:
            return known
        spelled = _spellings().get(self.table) or f"codebook[values=[{joined(_listed(self.table))}]]"
        rule = [f"midpoints={self.midpoints}"] * (self.midpoints != "exact")
        rule += [f"boundaries=[{joined(list(map(_fraction_text, self.boundaries)))}]"] * bool(self.boundaries)
        rule += [f"ties={self.ties}"] * (self.ties != "even")
        if not rule:
            return spelled
        opened = f"{spelled[:-1]}," if spelled.endswith("]") else f"{spelled}["
        return f"{opened}{','.join(rule)}]"

    @property
    def _short(self) -> str:
        """The spec with long lists abbreviated, for people to read."""
        return self._spelled(_abbreviated)

    def __repr__(self) -> str:
        return f"<{self._short}: {self.bits} bits, {len(self._codes)} values, {self.range_text}>"


def _number(x: Any) -> float:
    """The float64 next to a number, no -0."""
    try:
        value = float(exact(x)) + 0.0
    except OverflowError:
        value = math.inf
    except (TypeError, ValueError) as error:
        raise SpecError(f"a codebook is a list of numbers: {error}") from None
    if not math.isfinite(value):
        raise SpecError(f"the values of a codebook are finite float64 numbers, got {x!r}")
    return value


def _boundary(x: Any) -> Fraction:
    try:
        return Fraction(exact(x))
    except (TypeError, ValueError, OverflowError):
        raise SpecError(f"boundaries of a codebook are finite numbers, got {x!r}") from None


def _fraction_text(x: Fraction) -> str:
    """The shortest float64 that is the number, else a fraction."""
    return repr(float(x)).removesuffix(".0") if Fraction(float(x)) == x else str(x)


def _checked(boundaries: tuple[Fraction, ...], table: tuple[float, ...]) -> tuple[Fraction, ...]:
    """Boundaries that lie between the values; none where they are the mid-points."""
    rising = sorted(set(table))
    if not boundaries or list(boundaries) == exact_midpoints(rising):
        return ()
    if len(boundaries) != len(rising) - 1:
        raise SpecError(
            f"{len(rising)} distinct values have {len(rising) - 1} boundaries between them, got {len(boundaries)}"
        )
    for (x, y), at in zip(pairwise(rising), boundaries, strict=True):
        if not x <= at <= y:
            raise SpecError(f"boundary {_fraction_text(at)} does not lie between the values {x!r} and {y!r}")
    return boundaries


def _numbers_of(file: Path) -> list[Any]:
    if not file.is_file():
        raise SpecError(f"there is no file '{file}'")
    if file.suffix == ".npy":
        return list(np.load(file, allow_pickle=False).reshape(-1).tolist())
    lines = (line.partition("#")[0] for line in file.read_text().splitlines())
    return " ".join(lines).replace(",", " ").split()


def _filled(table: tuple[float, ...]) -> tuple[float, ...]:
    """A value for every code: the last one again."""
    size = 1 << (len(table) - 1).bit_length()
    return table + table[-1:] * (size - len(table))


def _listed(table: tuple[float, ...]) -> list[str]:
    """The values as texts, without those that `_filled` adds."""
    end = len(table)
    while end - 1 > len(table) // 2 and table[end - 2] == table[-1]:
        end -= 1
    return [repr(v).removesuffix(".0") for v in table[:end]]


def _abbreviated(texts: list[str]) -> str:
    return ",".join(texts if len(texts) <= LISTED else [*texts[:2], "...", texts[-1]])


# Where neighbours of a rising list part


def exact_midpoints(rising: Sequence[float]) -> list[Fraction]:
    return [(Fraction(x) + Fraction(y)) / 2 for x, y in pairwise(rising)]


def float32_midpoints(rising: Sequence[float]) -> list[Fraction]:
    """A sum of float32 and its half, each rounded, as PyTorch and CUDA code computes them."""
    return _between(rising, lambda x, y: (x + y) / np.float32(2))


def distance_midpoints(rising: Sequence[float]) -> list[Fraction]:
    """The last float32 whose distance from the lower neighbour, in float32, is not the greater one."""

    def last(x: Array, y: Array) -> Array:
        return float32_at(first_float32(x, y, lambda m: m - x > y - m) - 1)

    return _between(rising, last)


def _between(rising: Sequence[float], middle: Callable[[Array, Array], Array]) -> list[Fraction]:
    """Boundaries in float32; `SpecError` where they are not between the values."""
    with np.errstate(all="ignore"):
        values = np.array(rising, np.float32)
        if values.tolist() != list(rising):
            raise SpecError("boundaries in float32 are for values that are float32 numbers themselves")
        below, above = values[:-1], values[1:]
        found = middle(below, above)
        outside = ~((below < found) & (found < above))
    if outside.any():
        x, y = rising[int(np.argmax(outside))], rising[int(np.argmax(outside)) + 1]
        raise SpecError(f"{x!r} and {y!r} have no boundary in float32 between them")
    return [Fraction(m) for m in found.tolist()]


def first_float32(low: Array, high: Array, reached: Callable[[Array], Array]) -> Array:
    """The ordinal of the first float32 in low ... high for which a condition holds; from there on it does."""
    first, last = _ordinal(low), _ordinal(high)
    while (first < last).any():
        middle = (first + last) >> 1
        held = reached(float32_at(middle))
        first, last = np.where(held, first, middle + 1), np.where(held, middle, last)
    return first


def _ordinal(x: Array) -> Array:
    """The places of float32 numbers among all, 0 at zero."""
    sizes = np.abs(x).view(np.uint32).astype(np.int64)
    return np.where(x < 0, -sizes, sizes)


def float32_at(ordinal: Array) -> Array:
    """The float32 numbers at such places."""
    sizes = np.abs(ordinal).astype(np.uint32).view(np.float32)
    return np.where(ordinal < 0, -sizes, sizes)


MIDPOINTS: dict[str, Callable[[Sequence[float]], list[Fraction]]] = {
    "exact": exact_midpoints,
    "float32": float32_midpoints,
    "distance": distance_midpoints,
}

# Spec strings

TABLES: dict[str, Callable[[], tuple[float, ...]]] = {}  # spelling: the table that has this name


SETS: list[str] = []  # spellings of small sets that families make


@cache
def _sets() -> dict[tuple[Any, ...], str]:
    """The spelling of each set that a family makes, for those who give its values."""
    made = [element(spelling) for spelling in SETS]
    return {(f.table, f.midpoints, f.ties, f.boundaries): str(f) for f in made if isinstance(f, Codebook)}


@cache
def _spellings() -> dict[tuple[float, ...], str]:
    """The first spelling of each named table."""
    return {make(): spelling for spelling, make in reversed(TABLES.items())}


def rule(**also: tuple[str, ...]) -> dict[str, Option]:
    """The options of every codebook; `also` adds choices."""
    midpoints = ("exact", "float32", "distance", *also.get("midpoints", ()))
    return {"midpoints": Option(midpoints, "exact"), "ties": Option(tuple(TIES), "even")}


@family(
    pattern="codebook",
    options={
        "values": Option(("a list like [-1,0,1]",), "[]", r"\[.*\]"),
        "file": Option(("a path",), "", r".+"),
        "boundaries": Option(("a list like [-0.25,0.25]",), "[]", r"\[.*\]"),
        **rule(),
    },
    examples=(
        "codebook[values=[-1,0,1]]", "codebook[values=[-1,1]]", "codebook[values=[-1.5,-0.5,0.75,2]]",
        "codebook[values=[0.25,0.5,1]]", "codebook[values=[-4,-2,-1]]", "codebook[values=[0,1,0.5,0,-1,3e-7]]",
        "codebook[values=[-1e+300,-0.1,1e-300,2.5]]", "codebook[values=[-0.5,0,0.25,1],ties=zero]",
        "codebook[values=[-1,0,1],boundaries=[-0.25,0.75],ties=up]", "codebook[values=[-1,1],ties=up]",
        "codebook[values=[0,1,3],boundaries=[1/3,3],ties=away]", "codebook[values=[-2,0,1],boundaries=[-2,0]]",
    ),
)  # fmt: skip
def parse_codebook(
    match: re.Match[str], spec: str, values: str, file: str, boundaries: str, midpoints: str, ties: str
) -> Codebook:
    """A list of 2 to 4096 decimal or hexadecimal numbers, in the order of their codes, or those of a file, which
    is read once in a process; `Codebook.load` says what it holds."""
    if (values == "[]") == (not file):
        raise SpecError(
            f"{spec!r}: values= is needed, as in 'codebook[values=[-1,0,1]]', or file=, not both", spec
        )
    between = split_commas(boundaries[1:-1]) if boundaries != "[]" else ()
    try:
        given = _numbers_of(_path_in(spec)) if file else split_commas(values[1:-1])
        return Codebook.of(given, midpoints, ties, between)
    except (SpecError, ValueError) as error:
        raise SpecError(f"{spec!r}: {error}", spec) from None


def _path_in(spec: str) -> Path:
    """The path as it was written: options come in lower case and without blanks."""
    found = re.search(r"file\s*=\s*([^,\]]+)", spec, re.IGNORECASE)
    assert found
    return Path(found[1].strip())
