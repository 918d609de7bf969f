"""`matmul(..., unit=)`: operands checked and brought into the unit's formats, results out of float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..casting import cast
from ..engine.plan import ENGINES
from ..errors import RangeError, SpecError, choose
from . import unit_arrays, unit_reference
from .unit_steps import Scales, Unit, float_format
from .unit_table import unit_of

Array = np.ndarray[Any, Any]
CUTS = ("raw",)
_TF32 = np.uint32(0xFFFFE000)


def multiply(
    a: Any,
    b: Any,
    unit: Any,
    c: Any = None,
    fmt: Any = None,
    cut: str | None = None,
    scales: Any = None,
    out: Array | None = None,
    engine: str | None = None,
) -> Any:
    """d = a b + c as a matrix unit computes it; `matmul` documents the parameters."""
    found = unit_of(unit)
    forms = fmt if isinstance(fmt, (tuple, list)) and len(fmt) == 2 else (fmt, fmt)
    x, y = _values(a, "a", found.a, forms[0], cut), _values(b, "b", found.b, forms[1], cut)
    left, right = x[None] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y
    stack = _stack(x, y, left, right)
    shape = (*stack, left.shape[-2], right.shape[-1])
    visible = (*stack, *(shape[-2:-1] if x.ndim > 1 else ()), *(shape[-1:] if y.ndim > 1 else ()))
    start = _initial(c, found, visible).reshape(shape)
    held = _scales(scales, found, left, right, stack)
    result = np.empty(shape, np.float64)
    lefts, rights = (np.broadcast_to(z, stack + z.shape[-2:]) for z in (left, right))
    for i in np.ndindex(stack):
        given = tuple(s[i] for s in held) if held else None
        result[i] = _one(found, lefts[i], rights[i], start[i], given, engine)
    return _delivered(result.reshape(visible), found, out)


def _one(unit: Unit, a: Array, b: Array, c: Array, scales: Any, engine: str | None) -> Array:
    spare = -a.shape[1] % unit.run
    if spare:
        a, b = np.pad(a, ((0, 0), (0, spare))), np.pad(b, ((0, spare), (0, 0)))
    wanted = None if engine is None else choose("engine", engine, ENGINES)
    if wanted == "reference" or not unit_arrays.serves(unit):
        return unit_reference.multiply(unit, a, b, c, scales)
    return unit_arrays.multiply(unit, a, b, c, scales, wanted != "numpy")


def _values(x: Any, name: str, spec: str, fmt: Any, cut: str | None) -> Array:
    """x as float64, every element a value of the format."""
    given = np.asarray(x)
    if not given.ndim:
        raise ValueError(f"matmul multiplies matrices: {name} is a scalar and has no axis. Use a * b")
    if cut is not None:
        return _raw(given, name, spec, cut)
    if fmt is not None:
        given = cast(given, fmt)
    return _held(given, name, spec)


def _held(given: Array, name: str, spec: str) -> Array:
    wide = given if given.dtype == np.float64 else cast(given, "f64", dtype=np.float64)
    cut = cast(wide, spec, dtype=np.float64, nan=None if float_format(spec).nan() is not None else 0)
    lost = (cut != wide) & ~(np.isnan(wide) & np.isnan(cut))
    if lost.any():
        index = tuple(map(int, np.argwhere(lost)[0]))
        raise RangeError(
            f"{int(lost.sum())} of {lost.size} elements of {name} are no values of '{spec}', which the unit takes;"
            f" first {wide[index]!r} at {index}. Round them: numfmt.cast({name}, '{spec}'), or fmt='{spec}'",
            int(lost.sum()),
            lost.size,
            index,
        )
    return wide


def _raw(given: Array, name: str, spec: str, cut: str) -> Array:
    choose("cut", cut, CUTS)
    if float_format(spec) != float_format("tf32") or given.dtype != np.float32:
        raise SpecError(
            f"cut='raw' drops the low 13 bits of the float32 words that a tf32 unit reads; {name} is {given.dtype}"
            f" for '{spec}'. Leave cut out",
            cut,
        )
    words = np.ascontiguousarray(given).view(np.uint32) & _TF32
    return cast(words.view(np.float32), "f64", dtype=np.float64)


def _stack(x: Array, y: Array, left: Array, right: Array) -> tuple[int, ...]:
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(
            f"shapes {x.shape} and {y.shape} do not match: a has {left.shape[-1]} columns,"
            f" b has {right.shape[-2]} rows"
        )
    try:
        return np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        raise ValueError(f"stacks of shapes {x.shape} and {y.shape} do not broadcast") from None


def _initial(c: Any, unit: Unit, shape: tuple[int, ...]) -> Array:
    if c is None:
        return np.zeros(shape)
    held = _held(np.asarray(c), "c", unit.c)
    try:
        return np.array(np.broadcast_to(held, shape))
    except ValueError:
        raise ValueError(f"c of shape {held.shape} does not broadcast to the product's {shape}") from None


def _scales(given: Any, unit: Unit, a: Array, b: Array, stack: tuple[int, ...]) -> tuple[Array, Array] | None:
    if (given is None) != (unit.scales is None):
        need = f"needs scales=(a_scales, b_scales), {unit.scales}" if unit.scales else "takes no scales"
        raise ValueError(f"unit {unit.name!r} {need}")
    if unit.scales is None:
        return None
    count = -(-a.shape[-1] // unit.scales.block)
    parts = _pair(given)
    shapes = (*stack, a.shape[-2], count), (*stack, count, b.shape[-1])
    blocks = -(-a.shape[-1] // unit.run) * unit.run // unit.scales.block
    left, right = (
        _scale(s, f"scales[{i}]", unit.scales, shape, blocks, 1 - i)
        for i, (s, shape) in enumerate(zip(parts, shapes, strict=True))
    )
    return left, right


def _pair(given: Any) -> tuple[Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise TypeError(
            "scales is a pair: those of a, shape (..., M, K / block), and of b, (..., K / block, N)"
        )
    return given[0], given[1]


def _scale(x: Any, name: str, scales: Scales, shape: tuple[int, ...], blocks: int, last: int) -> Array:
    """Scales without their signs, filled up with ones along k."""
    held = np.abs(_held(np.asarray(x), name, scales.format))
    try:
        full = np.broadcast_to(held, shape)
    except ValueError:
        raise ValueError(f"{name} of shape {held.shape} does not broadcast to {shape}") from None
    spare = [(0, 0)] * len(shape)
    spare[-1 if last else -2] = (0, blocks - shape[-1 if last else -2])
    return np.pad(full, spare, constant_values=1.0)


def _delivered(result: Array, unit: Unit, out: Array | None) -> Any:
    wide = float_format(unit.step.output).bits > 32
    found = result if wide else cast(result, "f32", dtype=np.float32)
    if not wide:
        found = np.asarray(found)
        found.view(np.uint32)[np.isnan(found)] = np.uint32(unit.nan)
    if out is None:
        return found if found.ndim else found[()]
    if not isinstance(out, np.ndarray) or out.shape != found.shape or out.dtype != found.dtype:
        what = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out must be an array, {found.dtype} of shape {found.shape}; got {what}")
    out[...] = found
    return out
