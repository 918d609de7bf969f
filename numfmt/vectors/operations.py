"""The operations that vectors are made of, as a table: operands, results, and what computes them.

Names are those of Berkeley TestFloat where it has the operation; its `f16_mulAdd` is `fma` here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import arithmetic
from ..registry import element
from . import lanes
from .words import Array, Field, unsigned

if TYPE_CHECKING:
    from .asking import Request

Answer = tuple[Array, ...]
FLAG_BITS = 8  # written as two digits, as TestFloat does; five are used
ROUNDED = frozenset({"overflow", "nan", "ftz", "daz", "tininess", "nan_profile"})  # choices of what rounds
INEXACT = np.uint8(arithmetic.FLAGS["inexact"])


class Operation(NamedTuple):
    """`compute(request, mode, *operands)` gives a word for each result: codes, and flags at the end.

    `takes` names the choices of a request that mean something here. `source` is the format of the operands unless
    the request says another; None: that of the result.
    """

    name: str
    operands: int | None  # None: `formats_of` says
    compute: Callable[..., Answer]
    takes: frozenset[str] = ROUNDED
    rounds: bool = True
    is_test: bool = False  # the result is one bit
    source: str | None = None
    is_scaled: bool = False  # the result is a block
    formats_of: Callable[..., tuple[str, ...]] | None = None
    names: Callable[[Request], Sequence[str]] = lambda request: "abc"
    results: Callable[[Request], tuple[Field, ...]] | None = None  # a code and flags unless it says others
    hard: Callable[[Request], list[Array]] | None = None  # operands, where those of arithmetic mean nothing
    usable: Callable[[Request, list[Array]], list[Array]] | None = None  # random words as operands


def fields_in(request: Request) -> tuple[Field, ...]:
    """The operands, in the order they are written."""
    return tuple(
        Field(name, element(spec).bits, spec)
        for name, spec in zip(request.operation.names(request), request.operands, strict=False)
    )


def fields_out(request: Request) -> tuple[Field, ...]:
    """The results, in the order they are written."""
    if request.operation.results is not None:
        return request.operation.results(request)
    bits, fmt = (1, None) if request.operation.is_test else (element(request.fmt).bits, request.fmt)
    return Field("result", bits, fmt), Field("flags", FLAG_BITS)


def _words(found: tuple[Array, Array], request: Request) -> Answer:
    return unsigned(np.asarray(found[0]), element(request.fmt).bits), np.asarray(found[1])


def _rounded(name: str) -> Callable[..., Answer]:
    """An operation of `numfmt.arithmetic` that rounds."""

    def compute(request: Request, mode: str, *codes: Array) -> Answer:
        how = {"operands": request.operands, "rounding": mode, **request.choices}
        return _words(getattr(arithmetic, name)(*codes, request.fmt, codes=True, flags=True, **how), request)

    return compute


def _compared(name: str, signalling: bool, swap: bool = False) -> Callable[..., Answer]:
    def compute(request: Request, mode: str, a: Array, b: Array) -> Answer:
        how = {"operands": request.operands, **request.choices}
        found, flags = getattr(arithmetic, name)(a, b, codes=True, signalling=signalling, flags=True, **how)
        return found.astype(np.uint8), flags

    return compute


def _to_integer(request: Request, mode: str, a: Array) -> Answer:
    how = dict(request.choices)
    exact, profile = how.pop("exact", True), how.pop("profile", "riscv")
    found, flags = arithmetic.to_integer(
        a, request.fmt, profile, codes=True, operands=request.operands, flags=True, rounding=mode, **how
    )
    return _words((found, flags if exact else flags & ~INEXACT), request)


def _code(request: Request) -> tuple[Field, ...]:
    """A code alone."""
    return (Field("result", element(request.fmt).bits, request.fmt),)


COMPARES = frozenset({"daz"})
SELECTS = ROUNDED - {"ftz"} | {"variant"}

OPERATIONS = {
    row.name: row
    for row in (
        Operation("cast", 1, _rounded("convert"), source="f32"),
        Operation("add", 2, _rounded("add")),
        Operation("sub", 2, _rounded("sub")),
        Operation("mul", 2, _rounded("mul")),
        Operation("div", 2, _rounded("div")),
        Operation("rem", 2, _rounded("remainder")),
        Operation("sqrt", 1, _rounded("sqrt")),
        Operation("fma", 3, _rounded("fma")),
        Operation("min", 2, _rounded("minimum"), SELECTS, rounds=False),
        Operation("max", 2, _rounded("maximum"), SELECTS, rounds=False),
        Operation("eq", 2, _compared("equal", False), COMPARES, rounds=False, is_test=True),
        Operation("le", 2, _compared("less_equal", True), COMPARES, rounds=False, is_test=True),
        Operation("lt", 2, _compared("less", True), COMPARES, rounds=False, is_test=True),
        Operation("eq_signaling", 2, _compared("equal", True), COMPARES, rounds=False, is_test=True),
        Operation("le_quiet", 2, _compared("less_equal", False), COMPARES, rounds=False, is_test=True),
        Operation("lt_quiet", 2, _compared("less", False), COMPARES, rounds=False, is_test=True),
        Operation("unordered", 2, _compared("unordered", False), COMPARES, rounds=False, is_test=True),
        Operation("to_int", 1, _to_integer, frozenset({"daz", "profile", "exact"}), source="f32"),
        Operation("from_int", 1, _rounded("convert"), ROUNDED - {"daz", "ftz"}, source="int32"),
        Operation(
            "round_to_integral", 1, _rounded("round_to_integral"), frozenset({"daz", "exact", "nan_profile"})
        ),
        Operation(
            "dot", None, lanes.dot, frozenset({"length", *lanes.DOT_WORDS}), formats_of=lanes.dot_operands,
            names=lanes.dot_names, results=_code, hard=lanes.lanes_hard,
        ),
        Operation(
            "requantize", None, lanes.requantize, frozenset({"stage"}), rounds=False, formats_of=lanes.requantize_operands,
            names=lanes.requantize_names, results=_code, hard=lanes.requantize_hard, usable=lanes.requantize_random,
        ),
        Operation(
            "quantize_block", None, lanes.quantize_block, frozenset(), is_scaled=True, formats_of=lanes.block_operands,
            names=lanes.block_names, results=lanes.block_results, hard=lanes.lanes_hard,
        ),
    )
}  # fmt: skip
