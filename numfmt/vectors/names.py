"""File names of vectors, and the functions of Berkeley TestFloat: `f16_add_rne`, `f32_to_i32`, `f64_mulAdd`."""

from __future__ import annotations

import re
from typing import Any

from ..errors import SpecError
from ..registry import element
from ..rounding import ALIASES, MODES
from .asking import Request
from .operations import OPERATIONS

SHORT = {
    "nearest_even": "rne", "nearest_away": "rna", "nearest_up": "rhu", "nearest_down": "rhd", "nearest_zero": "rhz",
    "nearest_odd": "rno", "toward_zero": "rtz", "toward_positive": "rup", "toward_negative": "rdn",
    "away_from_zero": "raz", "to_odd": "rto",
}  # fmt: skip
OTHER_MODES = {"rnm": "nearest_away"}  # RISC-V's name, which CVW's files bear
OTHER_OPERATIONS = {"mulAdd": "fma", "roundToInt": "round_to_integral"}
INTEGER = re.compile(r"(u?)i(\d+)")


def name_of(request: Request, mode: str) -> str:
    """The name of a file, without its suffix.

    >>> from numfmt.vectors import request
    >>> name_of(request("mul", "e4m3fn"), "toward_zero"), name_of(request("cast", "f16"), "nearest_even")
    ('e4m3fn_mul_rtz', 'f32_to_f16_rne')
    """
    operation = request.operation
    sources = list(dict.fromkeys(request.operands))
    if operation.source is not None and (request.op != "cast" or not request.form.uniform):
        name = f"{'_'.join(sources)}_to_{request.fmt}"
    elif sources == [request.fmt]:
        name = f"{request.fmt}_{request.op}"
    else:
        name = f"{'_'.join(request.operands)}_{request.op}_{request.fmt}"
    return re.sub(r"[^\w.+-]", "-", f"{name}_{SHORT[mode]}" if operation.rounds else name)


def function(text: str) -> dict[str, Any]:
    """The operation, the formats and perhaps the mode that a name tells, as keywords of `request`.

    >>> function("f16_mulAdd")
    {'op': 'fma', 'fmt': 'f16'}
    >>> function("f32_to_ui8_rtz")
    {'op': 'to_int', 'fmt': 'uint8', 'operands': 'f32', 'rounding': 'toward_zero'}
    """
    head, _, last = text.rpartition("_")
    mode = OTHER_MODES.get(last, ALIASES.get(last.lower()))
    if mode is not None and head and last not in OPERATIONS:
        return {**function(head), "rounding": mode}
    if last in MODES or not head:
        raise _unknown(text)
    return _converted(text) if "_to_" in text else _operated(text)


def _converted(text: str) -> dict[str, Any]:
    source, _, target = text.partition("_to_")
    try:
        forms = [element(_format(name)) for name in (source, target)]
    except SpecError:
        raise _unknown(text) from None
    integers = [form.uniform and form.step == 1 for form in forms]
    op = "to_int" if integers[1] else "from_int" if integers[0] else "cast"
    return {"op": op, "fmt": str(forms[1]), "operands": str(forms[0])}


def _operated(text: str) -> dict[str, Any]:
    fmt, _, op = text.partition("_")
    name = OTHER_OPERATIONS.get(op, op)
    if name not in OPERATIONS:
        raise _unknown(text)
    return {"op": name, "fmt": str(element(_format(fmt)))}


def _format(name: str) -> str:
    found = INTEGER.fullmatch(name)
    return f"{'u' if found[1] else ''}int{found[2]}" if found else name


def _unknown(text: str) -> SpecError:
    return SpecError(
        f"the name {text!r} tells no operation; give op and fmt, or a name such as f16_add, f32_to_f16 or"
        " f16_mulAdd_rtz",
        text,
    )
