"""Products of matrices whose every sum is rounded to a format, to nearest even: float32 words throughout.

Rows of the result are accumulated in place, k ascending. The caller sees to it that products are exact in float32
(but under FMA, where the step is one fused operation), that no step meets the ends of float32, and that sums
rounded to odd or to nearest in float32 round on to the format as the exact ones would.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .affine import single
from .floats import rounding, value_of_even, value_of_even_adder, value_of_even_own
from .odd import odd_sum, single_sum
from .words import add, and_, or_, real, shr, umax, word, xor

# what a step is, and which formula rounds: told apart by their types, so that each has a loop of its own
FUSED, ROUNDED, FMA = np.uint8(0), np.uint16(0), np.uint32(0)
EVEN, ADDER, OWN, BARE_ADDER, BARE_OWN, SINGLE = (
    np.uint8(0), np.uint16(0), np.uint32(0), np.int8(0), np.int16(0), np.int32(0)
)  # fmt: skip
BLOCK = 512  # columns of the result that stay in the first-level cache


def fma(x: Any, y: Any, c: Any) -> Any:
    """fl32(x * y + c); the product is exact in float64."""
    return single(odd_sum(np.multiply(x, y, dtype=np.float64), np.float64(c)))


def nearest(s: Any, q: Any, formula: Any) -> Any:
    """The value of the format nearest to a float32."""
    return real(FORMULAS[formula.dtype.char](word(s), q))


def bare_adder(b: Any, q: Any) -> Any:
    """`value_of_even_adder` of a number that does not overflow."""
    a = and_(b, q.magnitude)
    great = real(umax(add(and_(a, q.inf), q.adder), q.magic))
    return or_(word((real(a) + great) - great), xor(a, b))


def bare_own(b: Any, q: Any) -> Any:
    """`value_of_even_own` of a number that does not overflow."""
    return and_(add(add(b, q.half), and_(xor(shr(b, q.cut), q.flip), q.lsb)), q.keep)


def unrounded(b: Any, q: Any) -> Any:
    """Of float32 itself."""
    return b


FORMULAS = {
    tag.dtype.char: formula
    for tag, formula in (
        (EVEN, value_of_even), (ADDER, value_of_even_adder), (OWN, value_of_even_own), (BARE_ADDER, bare_adder),
        (BARE_OWN, bare_own), (SINGLE, unrounded),
    )
}  # fmt: skip


def step(c: Any, x: Any, y: Any, q: Any, product: Any, formula: Any) -> Any:
    """A sum and a product: FUSED, one correct rounding; ROUNDED, the product first; FMA, fl32(x * y + c) rounded."""
    return STEPS[product.dtype.char](c, x, y, q, formula)


def step_fused(c: Any, x: Any, y: Any, q: Any, formula: Any) -> Any:
    return nearest(single_sum(x * y, c), q, formula)


def step_rounded(c: Any, x: Any, y: Any, q: Any, formula: Any) -> Any:
    return nearest(c + nearest(x * y, q, formula), q, formula)


def step_fma(c: Any, x: Any, y: Any, q: Any, formula: Any) -> Any:
    return nearest(fma(x, y, c), q, formula)


STEPS = {FUSED.dtype.char: step_fused, ROUNDED.dtype.char: step_rounded, FMA.dtype.char: step_fma}


def accumulate(
    a: Any, b: Any, c: Any, p: Any, product: Any, formula: Any, first: Any, last: Any
) -> None:  # fmt: skip
    """Rows `first ... last - 1` of c + a @ b, in `c`."""
    q = rounding(p)
    for i in range(first, last):
        for left in range(0, c.shape[1], BLOCK):
            sums = c[i, left : left + BLOCK]
            whole = a.shape[1] // 4 * 4
            for k in range(0, whole, 4):
                x0, x1, x2, x3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                y0, y1 = b[k, left : left + BLOCK], b[k + 1, left : left + BLOCK]
                y2, y3 = b[k + 2, left : left + BLOCK], b[k + 3, left : left + BLOCK]
                for j in range(sums.size):
                    s = step(sums[j], x0, y0[j], q, product, formula)
                    s = step(s, x1, y1[j], q, product, formula)
                    s = step(s, x2, y2[j], q, product, formula)
                    sums[j] = step(s, x3, y3[j], q, product, formula)
            for k in range(whole, a.shape[1]):
                x, y = a[i, k], b[k, left : left + BLOCK]
                for j in range(sums.size):
                    sums[j] = step(sums[j], x, y[j], q, product, formula)
