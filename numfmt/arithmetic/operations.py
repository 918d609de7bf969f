"""The operations, as a table: what each is on exact values, and which loop gives it rounded to odd."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..format import Value
from . import exactly


class Operation(NamedTuple):
    """`loop`: of float32 operands, exact or rounded to odd in float64."""

    name: str
    operands: int
    exact: Callable[..., Value]
    loop: str | None = None
    cancels: bool = False  # a sum: 0 of opposite numbers has a sign by the rounding mode
    wide: bool = False  # the loop takes any float64 as it is


OPERATIONS = {
    row.name: row
    for row in (
        Operation("add", 2, exactly.add, "add_odd", cancels=True),
        Operation("sub", 2, exactly.sub, "sub_odd", cancels=True),
        Operation("mul", 2, exactly.mul, "mul_odd"),
        Operation("div", 2, exactly.div, "div_odd"),
        Operation("sqrt", 1, exactly.sqrt, "sqrt_odd"),
        Operation("fma", 3, exactly.fma, "fma_odd", cancels=True),
        Operation("remainder", 2, exactly.remainder),
        Operation("convert", 1, exactly.identity, "convert_odd", wide=True),
    )
}
