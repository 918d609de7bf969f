"""Products of matrices of numbers, every sum rounded to an accumulator's format: the front door."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arithmetic import convert
from ..casting import cast, result_dtype
from ..engine import inputs, outputs
from ..engine.plan import ENGINES
from ..errors import choose
from ..format import Format
from ..registry import element, parse
from ..rounding import rounding_mode
from ..scaled import ScaledFormat
from .orders import ORDERS, Order, order_of
from .steps import EXACT, PRODUCTS, Products

Array = np.ndarray[Any, Any]


class Accumulator(NamedTuple):
    """How sums are made: their format, what is rounded in a step, the order, and the keywords of each rounding."""

    format: Format
    product: str
    order: Order
    how: dict[str, Any]
    seed: int | None


def multiply(
    a: Any, b: Any, *, fmt: Any = None, product: str = "fused", accumulator: Any = None, order: Any = "sequential",
    inner: Any = None, rounding: Any = None, overflow: Any = None, nan: Any = None, seed: int | None = None,
    random_bits: int | None = None, ftz: str | None = None, daz: bool = False, c: Any = None, bias: Any = None,
    dtype: Any = None, out: Any = None, engine: str | None = None,
) -> Any:  # fmt: skip
    """`matmul` of floats."""
    sums = accumulator_of(accumulator, product, order, rounding, overflow, nan, seed, random_bits, ftz, daz)
    left, right = operands(a, b, fmt)
    vectors = left.ndim == 1, right.ndim == 1
    left, right = left[None] if vectors[0] else left, right[:, None] if vectors[1] else right
    _check_shapes(left, right)
    wanted = None if engine is None else choose("engine", engine, ENGINES)
    steps = Products(
        left, right, sums.format, sums.product, sums.how, sums.seed, inner_of(inner, sums.order), wanted
    )
    visible = tuple(
        n
        for n, hidden in zip(steps.shape, (*[False] * (len(steps.shape) - 2), *vectors), strict=True)
        if not hidden
    )
    start = steps.zero() if c is None else _start(c, visible, steps)
    total = ORDERS[sums.order.name](steps, start, range(left.shape[-1]), sums.order.size)
    if bias is not None:
        total = steps.add(total, _spread(bias, visible, steps.shape, "bias"))
    total[np.isnan(total)] = np.nan
    held = result_dtype(sums.format, np.result_type(left, right), dtype, out)
    result = outputs.output(visible, held, out)
    result[...] = total.reshape(visible)
    return result if visible or out is not None else result[()]


def _check_shapes(left: Array, right: Array) -> None:
    if left.ndim < 2 or right.ndim < 2:
        raise ValueError("matmul multiplies matrices: a scalar has no axis. Use numfmt.mul")
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(
            f"a of shape {left.shape} and b of shape {right.shape} have no common axis of products"
        )


def accumulator_of(
    fmt: Any, product: str, order: Any, rounding: Any, overflow: Any, nan: Any, seed: int | None,
    random_bits: int | None, ftz: str | None, daz: bool,
) -> Accumulator:  # fmt: skip
    """The keywords of a product, checked."""
    form = element("f32" if fmt is None else fmt)
    mode = rounding_mode(rounding)
    if mode.stochastic and seed is None:
        raise ValueError(f"rounding='{mode.name}' needs seed=: the words of each step come from it")
    how = {"rounding": mode.name, "overflow": overflow, "nan": nan, "ftz": ftz, "daz": daz}
    if random_bits is not None:
        how["random_bits"] = random_bits
    drawn = seed if mode.stochastic else None
    return Accumulator(form, choose("product", product, PRODUCTS), order_of(order), how, drawn)


def inner_of(inner: Any, order: Order) -> Format | str | None:
    if inner is not None and order.name not in ("blocked", "split_k"):
        raise ValueError(f"inner= is of the sums of chunks, and order='{order}' has none")
    return inner if inner in (None, EXACT) else element(inner)


def operands(a: Array, b: Array, fmt: Any) -> tuple[Array, Array]:
    """Both as numbers, cast to a format, or each to its own."""
    formats = fmt if isinstance(fmt, (tuple, list)) else (fmt, fmt)
    if len(formats) != 2:
        raise ValueError(f"fmt= takes one format, or one for each of a and b, got {len(formats)}")
    left, right = (
        _in_format(x, f, axis)
        for x, f, axis in zip((a, b), formats, (-1, -2 if np.ndim(b) > 1 else -1), strict=True)
    )
    return left, right


def _in_format(x: Array, fmt: Any, axis: int) -> Array:
    """Numbers of a format; its blocks run along the axis that is summed, unless it says which."""
    if fmt is None:
        return _numbers(x)
    form = parse(fmt)
    if not isinstance(form, ScaledFormat):
        return np.asarray(cast(x, form))
    along = getattr(form, "axis", 0) is None and isinstance(getattr(form, "size", None), int)
    return np.asarray(cast(x, form, axis=axis) if along else cast(x, form))


def _numbers(x: Any) -> Array:
    """Anything as float32 or float64 numbers, exactly."""
    if isinstance(x, np.ndarray) and x.dtype == np.float32:
        return x
    given = inputs.classify(x if isinstance(x, np.ndarray) else inputs.as_array(x))
    wide = given.coded is None and inputs.width_of(given.array.dtype) == 64
    return np.asarray(cast(x, "f64" if wide else "f32"))


def _start(c: Any, visible: tuple[int, ...], steps: Products) -> Array:
    found = _spread(c, visible, steps.shape, "c")
    return np.array(convert(found, steps.accumulator, rounding="nearest_even"))


def _spread(x: Any, visible: tuple[int, ...], shape: tuple[int, ...], name: str) -> Array:
    """Numbers that broadcast to the result."""
    numbers = _numbers(x)
    try:
        return np.broadcast_to(numbers, visible).reshape(shape)
    except ValueError:
        raise ValueError(
            f"{name} of shape {numbers.shape} does not broadcast to the result's, {visible}"
        ) from None
