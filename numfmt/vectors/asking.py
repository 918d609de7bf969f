"""What a pack of vectors is asked to hold: an operation, formats, modes, and every choice that decides a bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..arithmetic import NAN_PROFILES, VARIANTS
from ..arithmetic.exceptions import TININESS
from ..arithmetic.integers import NAN_BECOMES
from ..errors import SpecError, choose
from ..format import Format
from ..overflow import overflow_policy
from ..registry import element, parse
from ..rounding import rounding_mode
from .lanes import DOT_WORDS
from .operations import OPERATIONS, Answer, Operation, fields_in, fields_out
from .words import Field

Array = np.ndarray[Any, Any]
BOTH = (False, True)
CHOICES: dict[str, tuple[Any, ...] | None] = {  # None: whatever `numfmt.add` takes
    "overflow": None,
    "nan": None,
    "ftz": TININESS,
    "daz": BOTH,
    "tininess": TININESS,
    "nan_profile": tuple(NAN_PROFILES),
    "variant": tuple(VARIANTS),
    "profile": tuple(NAN_BECOMES),
    "exact": BOTH,
    "length": None,
    **dict.fromkeys(DOT_WORDS),
    "stage": ("double", "single", "neon"),
}
LIKE_TESTFLOAT = {"profile": "x86"}  # of to_int, unless the call says another: TestFloat's usual build


@dataclass(frozen=True)
class Request:
    """One operation on operands of formats, in modes; two equal requests give the same bytes.

    `choices` holds what decides bits beside them, under the keywords of `numfmt.add` and its kin.
    `seed` and `count` choose the operands, and decide no result.
    """

    op: str
    fmt: str
    operands: tuple[str, ...]
    rounding: tuple[str, ...]
    choices: Mapping[str, Any] = field(default_factory=dict, hash=False)
    seed: int = 0
    count: int | None = None

    @property
    def operation(self) -> Operation:
        return OPERATIONS[self.op]

    @cached_property
    def form(self) -> Format:
        """The format of the result."""
        return element(self.fmt)

    @cached_property
    def sources(self) -> tuple[Format, ...]:
        """The formats of the operands."""
        return tuple(map(element, self.operands))

    @cached_property
    def inputs(self) -> tuple[Field, ...]:
        return fields_in(self)

    @cached_property
    def outputs(self) -> tuple[Field, ...]:
        return fields_out(self)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The words of a vector, in the order they are written."""
        return self.inputs + self.outputs

    def answer(self, mode: str, operands: tuple[Array, ...]) -> Answer:
        """The results for codes of operands: numfmt's own."""
        return self.operation.compute(self, mode, *operands)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; `of_dict` reads it back."""
        return {
            "op": self.op, "format": self.fmt, "operands": list(self.operands), "rounding": list(self.rounding),
            "choices": dict(self.choices), "seed": self.seed, "count": self.count,
        }  # fmt: skip


def request(
    op: str, fmt: Any, *, operands: Any = None, rounding: Any = None, seed: int = 0, count: int | None = None,
    **choices: Any,
) -> Request:  # fmt: skip
    """A `Request` with every name resolved; the errors of `generate`.

    >>> request("mul", "fp8_e4m3", rounding="rne,rtz").rounding
    ('nearest_even', 'toward_zero')
    """
    row = OPERATIONS[choose("operation", op, OPERATIONS)]
    form: Any = parse(fmt) if row.is_scaled else element(fmt)
    _check_count(seed, count)
    made = _choices(row, form, choices)
    return Request(
        row.name, str(form), _operands(row, form, operands, made), _modes(row, rounding), made,
        int(seed), None if count is None else int(count),
    )  # fmt: skip


def of_dict(said: Mapping[str, Any]) -> Request:
    """The request that `Request.to_dict` has told.

    >>> asked = request("add", "f16", rounding="rtz", seed=3)
    >>> of_dict(asked.to_dict()) == asked
    True
    """
    return request(
        said["op"], said["format"], operands=tuple(said["operands"]), rounding=tuple(said["rounding"]),
        seed=said["seed"], count=said["count"], **said["choices"],
    )  # fmt: skip


def _check_count(seed: Any, count: Any) -> None:
    for name, number, least, top in (("seed", seed, 0, 1 << 64), ("count", count, 1, 1 << 40)):
        if number is None:
            continue
        if isinstance(number, bool) or not hasattr(number, "__index__") or not least <= number < top:
            raise ValueError(f"{name} is an integer from {least} to {top - 1}, got {number!r}")


def _operands(row: Operation, form: Any, given: Any, choices: Mapping[str, Any]) -> tuple[str, ...]:
    if row.formats_of is not None:
        return row.formats_of(form, _several(given), choices)
    assert row.operands is not None
    source = given if given is not None else row.source or form
    specs = tuple(source) if isinstance(source, (tuple, list)) else (source,)
    if len(specs) == 1:
        specs *= row.operands
    if len(specs) != row.operands:
        raise ValueError(f"{row.name} has {row.operands} operands, operands= names {len(specs)} formats")
    return tuple(str(element(spec)) for spec in specs)


def _several(given: Any) -> tuple[str, ...] | None:
    """Formats as given, one or several."""
    if given is None:
        return None
    return tuple(str(element(x)) for x in (given if isinstance(given, (tuple, list)) else (given,)))


def _modes(row: Operation, given: Any) -> tuple[str, ...]:
    names = given.split(",") if isinstance(given, str) else [given] if given is None else list(given)
    modes = [rounding_mode(name) for name in names]
    drawn = [mode.name for mode in modes if mode.stochastic]
    if drawn:
        raise SpecError(f"{drawn[0]}: vectors are of deterministic modes, such as nearest_even", drawn[0])
    found = tuple(dict.fromkeys(mode.name for mode in modes))
    return found if row.rounds else ("nearest_even",)


def _choices(row: Operation, form: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen, defaults left out."""
    told = {name: value for name, value in given.items() if value is not None}
    for name, value in told.items():
        _check_choice(row, form, name, value)
    usual = {name: value for name, value in LIKE_TESTFLOAT.items() if name in row.takes}
    return dict(sorted({**usual, **told}.items()))


def _check_choice(row: Operation, form: Any, name: str, value: Any) -> None:
    choose("choice", name, CHOICES)
    if name not in row.takes:
        raise SpecError(
            f"{row.name} has no {name}; it takes {', '.join(sorted(row.takes)) or 'no choice'}", name
        )
    known = CHOICES[name]
    if name == "overflow":
        overflow_policy(value, form)
    elif known == BOTH and value not in BOTH:
        raise SpecError(f"{name} is True or False, got {value!r}", str(value))
    elif known is not None and known != BOTH:
        choose(name, value, known)
