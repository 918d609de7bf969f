"""Tables of results: rows of one dataclass, as aligned text, HTML, CSV, JSON or a pandas DataFrame.

How a number is written in print is said once here; files keep all digits.
"""

from __future__ import annotations

import csv
import html
import io
import json
import math
import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, overload

R = TypeVar("R")


class Column(NamedTuple):
    """A column of the printed table: two lines of heading, field and how a number is written."""

    over: str
    heading: str
    field: str
    write: Callable[[Any], str]


def short(x: float) -> str:
    """Two digits and no padding in the exponent.

    >>> short(0.0039), short(12.3), short(float("nan"))
    ('3.9e-3', '12', '-')
    """
    if not math.isfinite(x):
        return "-" if math.isnan(x) else f"{x}"
    if x == 0 or 0.01 <= abs(x) < 1000:
        return f"{x:.2g}" if abs(x) < 100 else f"{x:.0f}"
    digits, _, power = f"{x:.1e}".partition("e")
    return f"{digits}e{int(power)}"


def decimal(x: float) -> str:
    """Two decimals, as long as that is readable."""
    return f"{x:.2f}" if abs(x) < 1000 else short(x).replace("nan", "-")


def percent(x: float) -> str:
    """A share in %, at most five characters; never 0 or 100 for what is merely near.

    >>> percent(0.0), percent(1e-9), percent(0.123)
    ('0', '<.01', '12.3')
    """
    if math.isnan(x):
        return "-"
    p = 100 * x
    if p in (0, 100):
        return f"{p:.0f}"
    return "<.01" if p < 0.01 else ">99.9" if p > 99.9 else f"{p:.2f}" if p < 10 else f"{p:.1f}"


def decibels(x: float) -> str:
    return "-" if math.isnan(x) else f"{x:.1f}"


def aligned(lines: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of cells as text: the first `left` columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        " ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


@dataclass(frozen=True, repr=False)
class Table(Sequence[R]):
    """Rows of one dataclass, printed in groups that share a title."""

    rows: tuple[R, ...]
    kind: ClassVar[type]  # the dataclass of the rows
    by: ClassVar[str]  # the field that HTML begins a row with
    nothing: ClassVar[str]  # what is printed where there are no rows

    def columns(self) -> Sequence[Column]:
        """What is printed."""
        raise NotImplementedError

    def group(self, row: R) -> Hashable:
        """Neighbouring rows with the same group stand under one title."""
        raise NotImplementedError

    def title(self, row: R) -> str:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> R | Self:
        return type(self)(self.rows[index]) if isinstance(index, slice) else self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict a row, with the fields of the rows."""
        return [asdict(row) for row in self.rows]  # type: ignore[call-overload]

    def _cells(self) -> list[list[str]]:
        return [[c.write(getattr(row, c.field)) for c in self.columns()] for row in self.rows]

    def __str__(self) -> str:
        if not self.rows:
            return self.nothing
        columns = self.columns()
        lines = aligned([[c.over for c in columns], [c.heading for c in columns], *self._cells()])
        text, body = lines[:2], iter(lines[2:])
        for _, group in groupby(self.rows, self.group):
            rows = list(group)
            text += ["", self.title(rows[0])]
            text += [next(body) for _ in rows]
        return "\n".join(text)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        names = [self.by, *(f"{c.over} {c.heading}".strip() for c in self.columns())]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in (str(getattr(row, self.by)), *cells))}</tr>"
            for row, cells in zip(self.rows, self._cells(), strict=True)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Every field with all its digits, as CSV; written to `path` too if that is given."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self._names(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.to_dicts())
        return _delivered(stream.getvalue(), path)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """A list of objects; JSON has no NaN and no infinity: null and "inf" stand for them."""
        plain = [{key: _plain(value) for key, value in row.items()} for row in self.to_dicts()]
        return _delivered(json.dumps(plain, indent=2, allow_nan=False) + "\n", path)

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the fields of the rows."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas: pip install pandas; to_csv needs nothing") from None
        return pandas.DataFrame(self.to_dicts(), columns=self._names())

    def _names(self) -> list[str]:
        return [field.name for field in fields(self.kind)]


def counted(name: str, count: int) -> str:
    """The title of a tensor.

    >>> counted("weight", 1), counted("", 2)
    ('weight: 1 element', '2 elements')
    """
    return f"{name}{': ' * bool(name)}{count} element{'s' * (count != 1)}"


def _plain(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _delivered(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text
