"""Sums in k order by compiled loops over float32 numbers, where these give the bits of the steps one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import inputs, jit, pool
from ..engine.plan import plan
from ..kernels import steps
from ..kernels.parameters import RoundingParameters
from ..reference import policy
from ..registry import element

if TYPE_CHECKING:
    from .steps import Products

Array = np.ndarray[Any, Any]
F4 = np.dtype(np.float32)
LOW_BITS = np.uint32(0xFFF)  # of a float32; without them it has 12 significant bits
SHORT, HALF = (
    22,
    12,
)  # significant bits of boundaries that float32 rounded to odd serves, and rounded to nearest
MOST, LEAST = 2.0**120, 2.0**-100  # of numbers whose steps stay away from the ends of float32
WORTH = 1 << 16  # products of a thread
PRODUCTS = {"fused": steps.FUSED, "rounded": steps.ROUNDED, "fma32": steps.FMA}
FORMULAS = {  # by the kind of a format's loop: in general, and where no sum overflows
    "value_even": (steps.EVEN, steps.EVEN),
    "value_even_adder": (steps.ADDER, steps.BARE_ADDER),
    "value_even_own": (steps.OWN, steps.BARE_OWN),
}


def accumulated(products: Products, total: Array, terms: Sequence[int]) -> Array | None:
    """`total` and terms that follow each other, None where no loop gives them."""
    compiled = None if products.engine in ("numpy", "reference") else jit.loops()
    if (
        compiled is None
        or products.seed is not None
        or not (total.size and terms and _is_plain(products.how))
    ):
        return None
    a, b = products.a[..., terms[0] : terms[-1] + 1], products.b[..., terms[0] : terms[-1] + 1, :]
    found = _formula(products, a, b, total)
    if found is None:
        return None
    parameters, formula = found
    product = PRODUCTS[products.product]
    if formula is steps.SINGLE and product is steps.FUSED:
        product = steps.FMA  # which is one correct rounding to float32
    result = np.array(total, F4)
    outer = result.shape[:-2]
    a, b = (np.broadcast_to(x, (*outer, *x.shape[-2:])) for x in (a, b))
    for i in np.ndindex(outer):
        left, right = (inputs.writeable_alias(np.ascontiguousarray(x[i])) for x in (a, b))
        rows = len(left)
        limit = pool.thread_limit() if left.size * right.shape[1] > WORTH else 1
        size = max(-(-rows // limit), 1)
        parts = [(start, min(start + size, rows)) for start in range(0, rows, size)]
        into = result[i]
        pool.run(lambda p: compiled.accumulate(left, right, into, parameters, product, formula, *p), parts)  # noqa: B023
    return result


def _is_plain(how: dict[str, Any]) -> bool:
    return how["rounding"] == "nearest_even" and not (how["ftz"] or how["daz"] or how["nan"] is not None)


def _formula(products: Products, a: Array, b: Array, total: Array) -> tuple[Any, Any] | None:
    """Parameters and formula of the loop that rounds, where its steps are those of the definition."""
    fmt, product = products.accumulator, products.product
    if any(x.dtype != F4 for x in (a, b)) or not are_single(total):
        return None
    sizes = _range(a), _range(b), _range(total)
    if None in sizes:
        return None
    (low_a, high_a), (low_b, high_b), (low_c, high_c) = sizes  # type: ignore[misc]
    bound = high_c + a.shape[-1] * high_a * high_b
    near = bound < MOST and low_a * low_b >= LEAST and low_c >= LEAST
    exact = _has_few_bits(a) and _has_few_bits(b)
    if fmt == element("f32"):
        return (np.zeros(len(RoundingParameters._fields), np.uint32), steps.SINGLE) if near else None
    bits = {"fused": SHORT, "rounded": HALF, "fma32": 64}[product]
    if not (near and fmt.boundary_bits <= bits and (exact or product == "fma32")):
        return None
    loop = plan(fmt, policy(fmt, "nearest_even", products.how["overflow"]), False, None).loop(32)
    formulas = None if loop is None else FORMULAS.get(loop.bare[0].__name__)
    if loop is None or formulas is None or products.how["overflow"] == "raise":
        return None
    grown = bound * (1 + 2.0 ** (2 - fmt.boundary_bits)) ** (2 * a.shape[-1])
    return loop.bare[1], formulas[grown < float(fmt.max)]


def are_single(x: Array) -> bool:
    """Whether float32 holds all numbers."""
    return bool(x.dtype == F4 or ((x.astype(F4) == x) | np.isnan(x)).all())


def _range(x: Array) -> tuple[float, float] | None:
    """The least magnitude but 0, and the largest; None where some number is not finite."""
    sizes = np.abs(x)
    most = float(sizes.max(initial=0))
    if not np.isfinite(most):
        return None
    return float(np.min(sizes, initial=np.inf, where=sizes > 0)), most


def _has_few_bits(x: Array) -> bool:
    return not (np.ascontiguousarray(x).view(np.uint32) & LOW_BITS).any()
