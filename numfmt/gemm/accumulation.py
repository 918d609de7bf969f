"""Sums in k order by compiled loops over float32 numbers, where these give the bits of the steps one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..engine import jit, pool
from ..engine.plan import Loop, plan
from ..format import Format
from ..kernels import drawn, steps
from ..kernels.parameters import RoundingParameters
from ..noise import BLOCK, key
from ..reference import policy
from ..registry import element
from ..rounding import rounding_mode
from . import panels
from .extents import F4, Extent, are_single, extents_of

if TYPE_CHECKING:
    from .steps import Products

Array = np.ndarray[Any, Any]
# significant bits of boundaries that float32 rounded to odd serves, and rounded to nearest
ODD_BITS, SHORT_BITS = 22, 12
DRAWN_BITS = 19  # the same of float64 rounded to odd, if 32 random bits are below
# numbers whose steps stay away from the ends of float32; factors of more bits leave smaller ones
MOST, LEAST, LEAST_LONG = 2.0**120, 2.0**-100, 2.0**-80
NEAREST_GROWTH = 4.0  # a sum rounded to nearest moves by no more than the number added, twice at most
FORMULAS = {  # by the kind of a format's loop: in general, and where no sum overflows
    "value_even": (steps.EVEN, steps.EVEN),
    "value_even_adder": (steps.ADDER, steps.BARE_ADDER),
    "value_even_own": (steps.OWN, steps.BARE_OWN),
    "value_directed": (steps.DIRECTED, steps.DIRECTED),
}


class Tiles(NamedTuple):
    """The loop for a format: its parameters, and what tells product and formulas."""

    parameters: Array
    product: Any
    formula: Any
    inner: Any


def accumulated(products: Products, total: Array, terms: Sequence[int]) -> Array | None:
    """`total` and terms that follow each other, None where no loop gives them."""
    if rounding_mode(products.how["rounding"]).stochastic:
        return _drawn(products, total, terms)
    return _in_tiles(products, total, terms, panels.depths(len(terms)), None)


def accumulated_parts(products: Products, total: Array, parts: Sequence[Sequence[int]]) -> Array | None:
    """`total` and the sums of parts, each from +0, that follow each other."""
    terms = range(parts[0][0], parts[-1][-1] + 1) if parts else ()
    inner = products.inner or products.accumulator
    if isinstance(inner, str):
        return None
    return _in_tiles(products, total, terms, [0, *accumulate(map(len, parts))], inner)


def _in_tiles(
    products: Products, total: Array, terms: Sequence[int], ends: Sequence[int], inner: Format | None
) -> Array | None:
    loops = None if products.engine in ("numpy", "reference") else jit.rounding_loops()
    if loops is None or not (total.size and terms and _is_plain(products)):
        return None
    a, b = products.a[..., terms[0] : terms[-1] + 1], products.b[..., terms[0] : terms[-1] + 1, :]
    tiles = _tiles(products, a, b, total, inner)
    if tiles is None:
        return None
    split, points = panels.blocks(ends), np.array(ends, np.int64)
    shape = panels.geometry(int(np.diff(points[split]).max()), F4)

    def run(left: Array, right: Array, into: Array, _: int) -> None:
        if into.shape[1] < min(into.shape[0], shape.width):  # products commute
            left, right, into = panels.contiguous(right.T), panels.contiguous(left.T), into.T
        with panels.filled(into, shape) as whole:
            given = left, right, whole, *tiles, points, split, shape.height, shape.width
            shape.share(lambda *work: loops.accumulate(*given, *work), whole.shape, F4)

    return _each(a, b, np.array(total, F4), run)


def _each(a: Array, b: Array, result: Array, run: Callable[[Array, Array, Array, int], None]) -> Array:
    """`run` on each pair of matrices, their result, and the number of its first element."""
    outer = result.shape[:-2]
    a, b = (np.broadcast_to(x, (*outer, *x.shape[-2:])) for x in (a, b))
    for number, i in enumerate(np.ndindex(outer)):
        into = result[i]
        run(panels.contiguous(a[i]), panels.contiguous(b[i]), into, number * into.size)
    return result


def _is_plain(products: Products) -> bool:
    how = products.how
    other = how["ftz"] or how["daz"] or how["nan"] is not None or how["overflow"] == "raise"
    return not other and how["rounding"] != "toward_negative"  # which has zeros of its own


def _tiles(products: Products, a: Array, b: Array, total: Array, inner: Format | None) -> Tiles | None:
    """The loop whose steps are those of the definition."""
    fmt, growth = products.accumulator, _growth(products, a.shape[-1], inner is not None)
    extents = extents_of(a, b, total)
    if extents is None or inner not in (None, fmt, element("f32")):
        return None
    exact = extents[0].short and extents[1].short
    most, limit = _most(a, b, extents, growth, float(fmt.max))
    if not (_least(extents) >= (LEAST if exact else LEAST_LONG) and limit < MOST):
        return None
    found = _rounding(products, most < float(fmt.max), inner is not None)
    product = _product(products.product, fmt, _is_nearest(products), exact)
    if found is None or product is None:
        return None
    return Tiles(found[0], product, found[1], _inner(inner, fmt, found[1]))


def _is_nearest(products: Products) -> bool:
    return bool(products.how["rounding"] == "nearest_even")


def _growth(products: Products, terms: int, parts: bool) -> float:
    """By how much rounding can make a sum greater than the magnitudes in it."""
    if not _is_nearest(products):
        with np.errstate(over="ignore"):
            return float(np.float64(1 + 2.0 ** (2 - products.accumulator.boundary_bits)) ** (2 * terms + 2))
    return NEAREST_GROWTH ** (1 + parts)


def _most(a: Array, b: Array, extents: tuple[Extent, ...], growth: float, last: float) -> tuple[float, float]:
    """What no sum exceeds, and no number that is rounded: first by the greatest factors, then by norms."""
    most = extents[2].most + a.shape[-1] * extents[0].most * extents[1].most
    if most * growth >= min(last, MOST):
        most = extents[2].most + _norm("...mk,...mk->...m", a) * _norm("...kn,...kn->...n", b)
    return most * growth, min(most * growth, last + most)


def _norm(path: str, x: Array) -> float:
    """The greatest Euclidean norm of rows or columns, or a little more."""
    return float(np.einsum(path, x, x, dtype=np.float64).max()) ** 0.5 * (1 + 2.0**-20)


def _least(extents: tuple[Extent, ...]) -> float:
    return min(extents[0].least * extents[1].least, extents[2].least)


def _inner(inner: Format | None, fmt: Format, formula: Any) -> Any:
    if inner is None:
        return jit.rounding_loops().STRAIGHT  # type: ignore[union-attr]
    return formula if inner == fmt else steps.SINGLE


def _product(product: str, fmt: Format, nearest: bool, exact: bool) -> Any:
    if fmt == element("f32"):
        return steps.FUSED if product == "fused" else steps.FMA if product == "fma32" else steps.SHORT
    if product == "fma32":
        return steps.FMA
    if not exact or fmt.boundary_bits > ODD_BITS:
        return None
    if product == "fused":
        return steps.FUSED
    return steps.SHORT if nearest and fmt.boundary_bits <= SHORT_BITS else steps.ROUNDED


def _rounding(products: Products, bare: bool, parts: bool) -> tuple[Array, Any] | None:
    """Parameters and formula of a format; `bare` where no sum overflows."""
    fmt, how = products.accumulator, products.how
    if fmt == element("f32"):
        nothing = np.zeros(len(RoundingParameters._fields), np.uint32)
        return (nothing, steps.SINGLE) if how["rounding"] == "nearest_even" else None
    loop = _loop(fmt, how)
    formulas = None if loop is None else FORMULAS.get(loop.bare[0].__name__)
    if loop is None or formulas is None:
        return None
    parameters = loop.bare[1]
    q = RoundingParameters(*parameters)
    if parts and not bare and q.over_pos > q.inf:  # a NaN that is added to others
        return None
    if fmt == element("f16") and formulas[0] is not steps.DIRECTED and (bare or q.over_pos == q.inf):
        return parameters, steps.HALF if "half" in (jit.cpu_features() or ()) else formulas[bare]
    return parameters, formulas[bare and not q.zero_sign]


def _loop(fmt: Format, how: dict[str, Any], width: int = 32) -> Loop | None:
    return plan(fmt, policy(fmt, how["rounding"], how["overflow"]), False, None).loop(width)


def _drawing(fmt: Format, how: dict[str, Any], width: int = 32) -> Loop | None:
    """The loop of a binary float that draws."""
    loop = _loop(fmt, how, width)
    return loop if loop is not None and loop.bare[0].__name__ == "value_stochastic" else None


def _has_no_nan_to_refuse(fmt: Format, *factors: Array) -> bool:
    """Without a NaN of its own a format meets one only where a factor is infinite or NaN."""
    return fmt.nan() is not None or all(np.isfinite(x).all() for x in factors)


def _drawn(products: Products, total: Array, terms: Sequence[int]) -> Array | None:
    """With stochastic rounding of fused steps."""
    loops = None if products.engine in ("numpy", "reference") else jit.loops()
    if loops is None or not (total.size and terms and _is_plain(products)) or "random_bits" in products.how:
        return None
    a, b = products.a[..., terms[0] : terms[-1] + 1], products.b[..., terms[0] : terms[-1] + 1, :]
    sums, loop, formula = _sums_of_drawn(products, a, b, total)
    if loop is None:
        return None
    assert products.seed is not None
    words, stream = (*key(products.seed), 0, 0, 0), 2 * products.additions + 1

    def run(left: Array, right: Array, into: Array, first: int) -> None:
        columns = into.shape[1]

        def part(ends: tuple[int, int]) -> None:
            work = np.empty(columns + 2 * BLOCK, np.uint32), np.empty(columns, sums)
            given = np.array(words, np.uint64), stream, first
            loops.accumulate_drawn(left, right, into, loop.bare[1], formula, *given, *work, *ends)

        threads = pool.thread_limit() if left.size * columns > panels.WORTH else 1
        pool.run(part, pool.shares(len(into), threads))

    return _each(a, b, np.array(total, F4), run)


def _sums_of_drawn(products: Products, a: Array, b: Array, total: Array) -> tuple[Any, Loop | None, Any]:
    """Which float holds a sum that is to be rounded, the loop that rounds it, and by which formula."""
    fmt, how = products.accumulator, products.how
    singles = all(x.dtype == F4 for x in (a, b)) and are_single(total) and fmt != element("f32")
    if products.product == "fused" and singles and fmt.boundary_bits <= DRAWN_BITS:
        return np.float64, _drawing(fmt, how, 64) if _has_no_nan_to_refuse(fmt, a, b) else None, drawn.GENERAL
    extents = extents_of(a, b, total) if products.product == "fma32" and singles else None
    if extents is None or _least(extents) < LEAST_LONG:
        return F4, None, None
    most, limit = _most(a, b, extents, _growth(products, a.shape[-1], False), float(fmt.max))
    loop = _drawing(fmt, how) if limit < MOST else None
    whole = loop is not None and not RoundingParameters(*loop.bare[1]).emin and most < float(fmt.max)
    return F4, loop, drawn.BARE if whole else drawn.GENERAL
