"""The steps of rounded sums, on vectors: formulas of `floats` and `odd`, and what of them is left where no sum
overflows.

They hold where products are exact in float32 (but under FMA, where the step is one fused operation), no step meets
the ends of float32, and sums rounded to odd or to nearest in float32 round on to the format as the exact ones would.
`c`, `x` and `y` are `Lanes` of float32, `q` the format's parameters as such.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .floats import value_of_directed, value_of_even, value_of_even_adder, value_of_even_own
from .odd import single_sum
from .words import add, and_, or_, real, shr, umax, word, xor

# numbers that tell by their types what a step is and how it rounds: each combination has a tile of its own
FUSED, ROUNDED, SHORT, FMA = np.uint8(0), np.uint16(0), np.uint32(0), np.uint64(0)
EVEN, ADDER, OWN, BARE_ADDER, BARE_OWN, DIRECTED, SINGLE, HALF = (
    np.uint8(0), np.uint16(0), np.uint32(0), np.int8(0), np.int16(0), np.uint64(0), np.int32(0), np.int64(0)
)  # fmt: skip


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


def half(b: Any, q: Any) -> Any:
    """Of IEEE's binary16, by the CPU."""
    return word(real(b).through_half())


FORMULAS = {
    tag.dtype: formula
    for tag, formula in (
        (EVEN, value_of_even), (ADDER, value_of_even_adder), (OWN, value_of_even_own), (BARE_ADDER, bare_adder),
        (BARE_OWN, bare_own), (DIRECTED, value_of_directed), (SINGLE, unrounded), (HALF, half),
    )
}  # fmt: skip


# A step takes a sum, two factors, and what rounds; `rounded` and `joined` are told from the exact sum by its odd bit.


def step_fused(c: Any, x: Any, y: Any, rounded: Any) -> Any:
    return rounded(single_sum(x * y, c))


def step_rounded(c: Any, x: Any, y: Any, rounded: Any) -> Any:
    return rounded(single_sum(c, rounded(x * y)))


def step_short(c: Any, x: Any, y: Any, rounded: Any) -> Any:
    """`step_rounded` of at most 11 bits to nearest, which a sum rounded to nearest in float32 does not disturb."""
    return rounded(c + rounded(x * y))


def step_fma(c: Any, x: Any, y: Any, rounded: Any) -> Any:
    return rounded(x.fused(y, c))


def joined(x: Any, y: Any, rounded: Any) -> Any:
    return rounded(single_sum(x, y))


def joined_plainly(x: Any, y: Any, rounded: Any) -> Any:
    return rounded(x + y)


STEPS = {FUSED.dtype: step_fused, ROUNDED.dtype: step_rounded, SHORT.dtype: step_short, FMA.dtype: step_fma}


def step_of(product: Any, formula: Any) -> Any:
    """Of float32 itself the plain operations are those rounded once."""
    if formula != SINGLE.dtype:
        return STEPS[product]
    return step_fma if product in (FUSED.dtype, FMA.dtype) else step_short


def join_of(product: Any, formula: Any, inner: Any) -> Any:
    """How a sum of a part is added to one. A short sum rounded in float32 first needs two of few bits."""
    short = product == SHORT.dtype and inner == formula
    return joined_plainly if SINGLE.dtype == formula or short or product == FMA.dtype else joined
