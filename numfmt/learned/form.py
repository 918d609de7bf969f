"""Formats whose values come from data, as `numfmt.parse` knows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..blocks.granularity import index_of
from ..blocks.reading import read, single, wide
from ..blocks.shared import OwnEncoder, known_engine, refused
from ..engine.inputs import Input
from ..engine.plan import plan
from ..engine.run import execute
from ..errors import SpecError
from ..format import Format
from ..formats.codebook import Codebook
from ..formats.fixed import Fixed
from ..reference import policy
from ..registry import RECIPES, Option, element, scaled_family
from ..scaled import Ends, Stages
from .learned_array import Array, LearnedArray
from .table import NUMBER, RULES, Rule

if TYPE_CHECKING:
    import re

    from ..quantizers import Levels

LEARNT_BITS = 32  # of a number that a decoder needs


@dataclass(frozen=True, repr=False)
class Learned(OwnEncoder):
    """Codes of values that a rule learns from the numbers themselves; `numfmt.learned` lists the rules.

    Values are rounded to float32 and numbers take the nearest one, or what the rule's boundaries say; NaN and
    infinity are refused, `nan=` gives a number in place of NaN.

    rule : name in `RULES`
    count : the number after the name: bits, or of `elbfit` values; None where there is none
    options : of the rule, as (name, text)
    axis : whose indices each learn their own levels; None: all numbers learn the same

    >>> numfmt.cast([0.9, -0.7, 0.5, 0.375, 0.1, 0.0], "twn").round(4)
    array([ 0.6187, -0.6187,  0.6187,  0.6187,  0.    ,  0.    ])
    """

    rule: str
    count: int | None = None
    options: tuple[tuple[str, str], ...] = ()
    axis: int | None = None

    nan_stand_in: ClassVar[Any] = 0

    @property
    def kind(self) -> Rule:
        return RULES[self.rule]

    @cached_property
    def _usual(self) -> Levels:
        """The levels of some numbers, for what does not depend on them."""
        return self.learn(np.linspace(-1, 1, 4096))

    @property
    def of(self) -> Format:  # type: ignore[override]
        """Of the codes: integers from 0 on."""
        return Fixed((self._usual.values.size - 1).bit_length(), signed=False)

    @property
    def takes_nan(self) -> bool:
        return False

    def bits_per_element(self, shape: tuple[int, ...]) -> float:
        """Codes, and the float32 numbers that a decoder needs, over all elements."""
        sets = 1 if self.axis is None else shape[index_of(self.axis, shape)]
        size = int(np.prod(shape))
        return self.of.bits + (sets * self._usual.numbers * LEARNT_BITS / size if size else 0.0)

    def learn(self, x: Array) -> Levels:
        """The levels of numbers, each rounded to float32."""
        with np.errstate(all="ignore"):
            found = self.kind.learn(x.reshape(-1), self.count or 0, dict(self.options))
            values = found.values.astype(np.float32).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"levels of '{self}' are larger than float32 holds: scale the data down")
        if np.unique(values).size < values.size:
            raise ValueError(f"levels of '{self}' are not distinct in float32: scale the data up")
        return found._replace(values=values)

    def encode(  # type: ignore[override]
        self, x: Any, *, nan: Any = None, axis: int | None = None, engine: str | None = None, **keywords: Any
    ) -> LearnedArray:
        """Codes, and the levels learned from the array.

        Parameters
        ----------
        x : array_like of real numbers, any shape
        nan : number, optional
            What NaN becomes; nothing is learned from it.
        axis : int, optional
            Whose indices each learn their own levels.
        engine : str, optional
            As in `numfmt.encode`; all give the same codes.

        Raises
        ------
        RangeError : infinity; NaN without `nan=`
        ValueError : numbers from which the rule learns nothing; a keyword for other formats

        >>> a = numfmt.encode([[0.75, -0.25], [0.5, 0.25]], "bwn[axis=0]")
        >>> a.codes.tolist(), a.levels.tolist()
        ([[1, 0], [1, 1]], [[-0.5, 0.5], [-0.375, 0.375]])
        """
        self._check(keywords)
        return self._encoded(read(x), nan, axis, known_engine(engine))

    def _encoded(self, given: Input, nan: Any, axis: Any, engine: str | None) -> LearnedArray:
        form = self._along(axis, given.array.shape)
        numbers = wide(given)
        absent = np.isnan(numbers)
        x = form._finite(numbers, absent, nan)
        rows = form.rows(x)
        taught = (
            [row[~none] for row, none in zip(rows, form.rows(absent), strict=True)] if absent.any() else rows
        )
        learned = [form.learn(row) for row in taught]
        if not learned:
            raise ValueError(f"'{self}' learns from numbers, and got an array without elements")
        codes = np.empty(rows.shape, np.uint8 if form.of.bits <= 8 else np.uint16)
        for i, levels in enumerate(learned):
            _write(rows[i], levels, codes[i], engine)
        table = np.array([levels.values for levels in learned], np.float32)
        return LearnedArray(form.whole(codes, x.shape), table, form)

    def _along(self, axis: Any, shape: tuple[int, ...]) -> Learned:
        """With the axis of a call; it counts from the front, and has to be there."""
        if axis is not None and (isinstance(axis, bool) or not hasattr(axis, "__index__")):
            raise TypeError(f"axis= takes one integer, got {axis!r}")
        if self.axis is not None and axis is not None and index_of(self.axis, shape) != index_of(axis, shape):
            raise ValueError(f"axis={axis} conflicts with axis={self.axis} of '{self}'")
        chosen = self.axis if axis is None else int(axis)
        if chosen is not None:
            index_of(chosen, shape)
        return replace(self, axis=chosen)

    def _finite(self, x: Array, absent: Array, nan: Any) -> Array:
        """x with a number in place of NaN; `RangeError` where it is not finite."""
        if nan is not None and absent.any():
            if isinstance(nan, str) and nan in ("min", "max"):
                raise ValueError(f"nan={nan!r}: the values of '{self}' come from the data; give a number")
            x = np.where(absent, single(nan), x).astype(x.dtype)
        if np.isfinite(x).all():
            return x
        bad, cure = np.isnan(x), "nan= says what NaN becomes"
        if not bad.any():
            bad, cure = np.isinf(x), "Take infinities out"
        raise refused(self, "encode to", bad, "not finite, and levels come from all", cure)

    def rows(self, x: Array) -> Array:
        """What shares levels, as rows: (sets, elements)."""
        if self.axis is None:
            return x.reshape(1, -1)
        return np.ascontiguousarray(np.moveaxis(x, self.axis, 0)).reshape(x.shape[self.axis], -1)

    def whole(self, rows: Array, shape: tuple[int, ...]) -> Array:
        """The inverse of `rows`."""
        if self.axis is None:
            return rows.reshape(shape)
        first = np.moveaxis(np.empty(shape, bool), self.axis, 0).shape
        return np.ascontiguousarray(np.moveaxis(rows.reshape(first), 0, self.axis))

    def _refusal(self, keyword: str) -> str:
        return f"'{self}' learns its values and takes the nearest"

    def stages(self, x: float, **keywords: Any) -> Stages:
        raise ValueError(f"the values of '{self}' come from an array: `encode` shows codes and levels")

    def ends(self) -> Ends:
        raise ValueError(f"the range of '{self}' comes from the data: `encode` shows the levels")

    def __str__(self) -> str:
        usual = {key: option.default for key, option in self.kind.options.items()}
        said = [f"{key}={value}" for key, value in self.options if value != usual[key]]
        said += [f"axis={self.axis}"] * (self.axis is not None)
        name = f"{self.rule}{'' if self.count is None else self.count}"
        return f"{name}[{','.join(said)}]" if said else name

    def __repr__(self) -> str:
        return f"<{self}>"


def finder(levels: Levels) -> Codebook:
    """The codebook whose ranks are the codes: of the values themselves, or, where the boundaries are not
    between them, of numbers that are."""
    edges = levels.boundaries
    if edges is None:
        return Codebook.of(levels.values, ties=levels.ties)
    v = levels.values
    if not ((v[:-1] <= edges) & (edges <= v[1:])).all():
        ends = np.concatenate(([edges[0] - 1 - abs(edges[0])], edges, [edges[-1] + 1 + abs(edges[-1])]))
        v = (ends[:-1] + ends[1:]) / 2
    return Codebook.of(v, ties=levels.ties, boundaries=edges)


def _write(x: Array, levels: Levels, out: Array, engine: str | None) -> None:
    """The code of each number."""
    form = finder(levels)
    execute(Input(x), plan(form, policy(form), True, engine), out, None)


def _register() -> None:
    for name, rule in RULES.items():
        RECIPES.update(dict.fromkeys((e for e in rule.examples if "[" not in e), ()))
        scaled_family(
            pattern=rf"{name}(?P<count>{r'[0-9]+' if rule.counts else ''})",
            options={**rule.options, "axis": Option(("an integer",), None, r"[+-]?\d+")},
            examples=rule.examples,
        )(_builder(name, rule))


def _builder(name: str, rule: Rule) -> Any:
    def build(match: re.Match[str], spec: str, axis: str | None, **options: str | None) -> Learned:
        count = int(match["count"]) if rule.counts else None
        if rule.counts and count not in rule.counts:
            step = rule.counts.step
            what = f"{rule.counts[0]} to {rule.counts[-1]}" + f" in steps of {step}" * (step > 1)
            raise SpecError(f"{spec!r}: after {name} stands a number from {what}, got {count}", spec)
        given = {key: _text(key, value, rule, spec) for key, value in options.items()}
        return Learned(name, count, tuple(given.items()), None if axis is None else int(axis))

    build.__doc__ = f"Levels learned by {name}."
    return build


def _text(key: str, value: str | None, rule: Rule, spec: str) -> str:
    """An option as it is kept: formats by their name."""
    if value is None:
        raise SpecError(f"{spec!r}: {key}= is needed, as in '{rule.examples[0]}'", spec)
    if key == "of":
        return str(element(value))
    return f"{float(value):g}" if rule.options[key].pattern.startswith(NUMBER) and value != "best" else value


_register()
