"""Vectors of more than three operands: sums of products, requantization, blocks under one scale.

=================== ========================================= ==================================================
operation           operands                                  result
=================== ========================================= ==================================================
dot                 a0 ... b0 ... c                           the sum of products, as `numfmt.matmul` adds them
requantize          x, multiplier, shift, zero                codes, as `numfmt.gemmlowp` requantizes int32
quantize_block      a0 ... of f32                             the scale's code, then the elements' codes
=================== ========================================= ==================================================

Exceptions are not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import gemmlowp
from ..casting import decode, encode
from ..errors import SpecError
from ..format import Format
from ..gemm import matmul
from ..gemm.unit_table import unit_of
from ..registry import element, parse
from .draws import Draws
from .words import Array, Field, unsigned, word_of

if TYPE_CHECKING:
    from .asking import Request

LANES = 4  # products of a dot, unless the request says
MOST_LANES = 256
DOT_WORDS = ("unit", "accumulator", "order", "product", "inner")  # that `numfmt.matmul` takes as they are
HARD = 1 << 12  # cases of each recipe
LEAST_MULTIPLIER = 1 << 30
SHIFTS = (-31, 7)  # of operands that are chosen
ZEROS = 5  # in so many eighths of the lanes


def _length(choices: Mapping[str, Any]) -> int:
    length = choices.get("length", LANES)
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= MOST_LANES:
        raise ValueError(f"length is an integer from 1 to {MOST_LANES}, got {length!r}")
    return length


# Dot products


def dot_operands(form: Any, given: tuple[str, ...] | None, choices: Mapping[str, Any]) -> tuple[str, ...]:
    """Formats of all operands; from the unit, or those of a, b, and c, which is that of the result."""
    length = _length(choices)
    if choices.get("unit") is not None:
        unit = unit_of(choices["unit"])
        if unit.scales is not None:
            raise SpecError(f"unit {unit.name!r} takes scales, vectors have none; choose another", unit.name)
        return (unit.a,) * length + (unit.b,) * length + (unit.c,)
    told = given or (str(form),)
    if len(told) == 2 * length + 1:
        return told
    if len(told) > 3:
        raise ValueError(f"operands of a dot are one format, two or three (a, b, c), got {len(told)}")
    a, b, c = {1: (*told * 2, str(form)), 2: (*told, str(form)), 3: told}[len(told)]
    return (a,) * length + (b,) * length + (c,)


def dot_names(request: Request) -> list[str]:
    n = len(request.operands) // 2
    return [*(f"a{i}" for i in range(n)), *(f"b{i}" for i in range(n)), "c"]


def dot(request: Request, mode: str, *codes: Array) -> tuple[Array]:
    n = len(codes) // 2
    values = [np.asarray(decode(x, f)) for x, f in zip(codes, request.sources, strict=True)]
    a, b = np.stack(values[:n], -1)[:, None, :], np.stack(values[n : 2 * n], -1)[:, :, None]
    how = {name: request.choices[name] for name in DOT_WORDS if name in request.choices}
    if "unit" not in how:
        how = {"accumulator": request.fmt, "rounding": mode, **how}
    wide = np.float64 if any(x.dtype == np.float64 for x in values) else np.float32
    with np.errstate(all="ignore"):
        found = matmul(a.astype(wide), b.astype(wide), c=values[-1][:, None, None].astype(wide), **how)
    return (codes_of(np.asarray(found).reshape(-1), request.form),)


def codes_of(x: Array, form: Format) -> Array:
    """Words of values that are values of the format; float32 keeps the bits of its NaNs."""
    if form == element("f32") and x.dtype == np.float32:
        return x.view(np.uint32)
    return unsigned(np.asarray(encode(x, form)), form.bits)


# Requantization


def requantize_operands(form: Any, given: Any, choices: Mapping[str, Any]) -> tuple[str, ...]:
    return "int32", "int32", "int8", str(form)


def requantize_names(request: Request) -> list[str]:
    return ["x", "multiplier", "shift", "zero"]


def requantize(request: Request, mode: str, *codes: Array) -> tuple[Array]:
    x, multiplier, shift, zero = (_signed(c, f) for c, f in zip(codes, request.sources, strict=True))
    how = request.choices.get("stage", "double")
    found = gemmlowp.multiply_by_quantized_multiplier(x, multiplier, shift, rounding=how)
    low, top = int(request.form.min), int(request.form.max)
    clamped = np.clip(np.asarray(found).astype(np.int64) + zero, low, top)
    return (unsigned(clamped, request.form.bits).astype(word_of(request.form.bits)),)


def _signed(codes: Array, form: Format) -> Array:
    """Integers of their codes."""
    return np.asarray(decode(codes, form, dtype=np.float64)).astype(np.int64)


def requantize_hard(request: Request) -> list[Array]:
    """Accumulators at ties of the right shift, at the ends, and small ones; multipliers at both ends."""
    draws = Draws(request.seed)
    ends = np.array([LEAST_MULTIPLIER, LEAST_MULTIPLIER + 1, (1 << 31) - 1, 0x5A82799A, 0x60000000])
    multiplier = ends[draws.below(10, 0, 4 * HARD, ends.size)]
    shift = draws.below(11, 0, 4 * HARD, SHIFTS[1] - SHIFTS[0] + 1) + SHIFTS[0]
    power = draws.below(12, 0, 4 * HARD, 31)
    near = (np.int64(1) << power) + draws.below(13, 0, 4 * HARD, 5) - 2
    sign = 1 - 2 * draws.below(14, 0, 4 * HARD, 2)
    x = np.clip(sign * near, -(1 << 31), (1 << 31) - 1)
    return [
        _of_signed(x, 32), _of_signed(multiplier, 32), _of_signed(shift, 8),
        _zeros(request, draws.below(15, 0, 4 * HARD, 4)),
    ]  # fmt: skip


def requantize_random(request: Request, codes: list[Array]) -> list[Array]:
    """Words as multipliers and shifts that have a meaning."""
    x, multiplier, shift, zero = codes
    usable = (multiplier & np.uint32(LEAST_MULTIPLIER - 1)) | np.uint32(LEAST_MULTIPLIER)
    places = shift.astype(np.int64) % (SHIFTS[1] - SHIFTS[0] + 1) + SHIFTS[0]
    return [x, usable, _of_signed(places, 8), zero]


def _zeros(request: Request, which: Array) -> Array:
    """Zero points: 0, the ends, and a small one."""
    ends = np.array([0, int(request.form.min), int(request.form.max), min(5, int(request.form.max))])
    return _of_signed(ends[which], request.form.bits)


def _of_signed(x: Array, bits: int) -> Array:
    return unsigned(x.astype(np.int64), bits).astype(word_of(bits))


# Blocks


def block_operands(form: Any, given: Any, choices: Mapping[str, Any]) -> tuple[str, ...]:
    size = getattr(form, "size", None)
    if not isinstance(size, int) or not isinstance(getattr(form, "scale", None), Format):
        raise SpecError(
            f"quantize_block takes blocks under one scale of a plain format, as mxfp4, not '{form}'",
            str(form),
        )
    if size > MOST_LANES:
        raise SpecError(
            f"a block of '{form}' has {size} elements; vectors have at most {MOST_LANES}", str(form)
        )
    return ("f32",) * size


def block_names(request: Request) -> list[str]:
    return [f"a{i}" for i in range(len(request.operands))]


def block_results(request: Request) -> tuple[Field, ...]:
    form: Any = parse(request.fmt)
    names = [f"q{i}" for i in range(len(request.operands))]
    return Field("scale", form.scale.bits, str(form.scale)), *(
        Field(q, form.of.bits, str(form.of)) for q in names
    )


def quantize_block(request: Request, mode: str, *codes: Array) -> tuple[Array, ...]:
    form: Any = parse(request.fmt)
    x = np.stack([c.astype(np.uint32).view(np.float32) for c in codes], -1)
    found = form.encode(x, rounding=None if mode == "nearest_even" else mode)
    scales = unsigned(np.asarray(encode(np.asarray(found.scales).reshape(-1), form.scale)), form.scale.bits)
    elements = unsigned(np.asarray(found.codes), form.of.bits)
    return scales, *np.ascontiguousarray(elements.T)


# Operands of lanes


def lanes_hard(request: Request) -> list[Array]:
    """Telling and shaped codes in every lane; the same with most lanes zero; neighbouring lanes that cancel."""
    from .choosing import shaped, telling

    draws, columns = Draws(request.seed), []
    for i, fmt in enumerate(request.sources):
        codes = np.unique(np.concatenate([shaped(fmt), telling(fmt)]))
        finite = codes[
            np.isfinite(np.asarray(decode(codes.astype(word_of(fmt.bits)), fmt, dtype=np.float64)))
        ]
        mixed = codes[draws.below(100 + 4 * i, 0, HARD, codes.size)]
        plain = finite[draws.below(101 + 4 * i, 0, HARD, finite.size)]
        kept = draws.below(102 + 4 * i, 0, HARD, 8) >= ZEROS
        columns.append(np.concatenate([mixed, plain, np.where(kept, plain, 0)]))
    return columns if request.op != "dot" else _with_cancelling(request, columns)


def _with_cancelling(request: Request, columns: list[Array]) -> list[Array]:
    """Each second product the opposite of the one before it."""
    n = len(columns) // 2
    part = [x[HARD : 2 * HARD].copy() for x in columns]
    for i in range(1, n, 2):
        sign = np.uint64(1 << (request.sources[i].bits - 1))
        part[i], part[n + i] = part[i - 1] ^ sign, part[n + i - 1]
    return [np.concatenate([x, y]) for x, y in zip(columns, part, strict=True)]
