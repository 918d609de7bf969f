"""How the numbers of a block become its scale, as a table.

A rule gives the scale as a number, before it is rounded to the scale's format: 0 for a block of zeros, NaN or
infinity for one that holds such. It may overwrite the peaks. "Largest value" and "exponent" are those of the element
format: 448 and 8 of e4m3fn, whose 448 is 1.75 * 2**8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..format import Format, exponent
from .granularity import Granularity

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]
F4 = np.float32
SEARCHED = 64  # steps of the search, from the whole scale down to half of it


def power_of_two(x: Array, up_from: float) -> Array:
    """2**e of m * 2**e with 1 <= m < 2, one more where m >= up_from; 0, NaN and infinity as they are."""
    m, e = np.frexp(x)
    found = np.ldexp(1.0, e - 1 + (2 * m >= up_from))
    return np.where(np.isfinite(x) & (x > 0), found, x)


def fraction_bits(of: Format) -> int:
    """Bits below the leading one of the element format's last binade."""
    assert of.step is not None
    return exponent(of.max) - exponent(of.step)


def _over_exponent(peaks: Array, of: Format, up_from: float) -> Array:
    return power_of_two(peaks.astype(np.float64), up_from) * 2.0 ** -exponent(of.max)


def floor(x: Array, peaks: Array, block: Block) -> Array:
    """2**floor(log2 absmax) over the exponent: OCP MX v1.0, section 6.3; BFP."""
    return _over_exponent(peaks, block.of, 2.0)


def ceil(x: Array, peaks: Array, block: Block) -> Array:
    """2**ceil(log2 absmax) over the exponent."""
    return _over_exponent(peaks, block.of, np.nextafter(1.0, 2.0))


def even(x: Array, peaks: Array, block: Block) -> Array:
    """As `floor`, of absmax rounded to the fraction bits of the elements, ties up."""
    return _over_exponent(peaks, block.of, 2.0 - 2.0 ** -(fraction_bits(block.of) + 1))


def rceil(x: Array, peaks: Array, block: Block) -> Array:
    """The least power of two that is not below fl32(absmax * fl32(1 / largest value)): no element saturates
    (PTX `cvt.rp.satfinite.ue8m0x2.f32`)."""
    ratio = peaks.astype(F4) * (F4(1) / F4(block.of.max))
    return power_of_two(ratio.astype(np.float64), np.nextafter(1.0, 2.0))


def absmax(x: Array, peaks: Array, block: Block) -> Array:
    """fl32(absmax / largest value)."""
    single = np.asarray(peaks.astype(F4, copy=False))
    return np.divide(single, F4(block.of.max), out=single)


def mean(x: Array, peaks: Array, block: Block) -> Array:
    """The mean magnitude, summed in float64, as XNOR-Net's alpha (Rastegari et al. 2016, section 3.1): of elements 1
    and -1."""
    shape = x.shape
    layout, among = block.granularity.layout(shape), block.granularity
    sizes = np.abs(x, dtype=np.float64)
    total = among.joined(layout.sums(sizes), shape, np.add)
    count = among.joined(layout.sums(np.ones(shape)), shape, np.add)
    return np.asarray(total / np.maximum(count, 1)).astype(F4).astype(np.float64)


def mse(x: Array, peaks: Array, block: Block) -> Array:
    """Of some scales the first with the least sum of squared errors (float64) of its block: that of `absmax` times
    64/64, 63/64 ... 32/64, rounded to the scale's format; under powers of two that of `rceil`, its half and its
    quarter, of which one is `floor`'s."""
    first, *others = _candidates(x, peaks, block)
    best, least = first, _squared_error(x, block.stored(first), block)
    for tried in others:
        error = _squared_error(x, block.stored(tried), block)
        better = error < least
        best, least = np.where(better, tried, best), np.where(better, error, least)
    return best


def _candidates(x: Array, peaks: Array, block: Block) -> Iterator[Array]:
    if block.is_exact:
        whole = rceil(x, peaks, block)
        return (whole / part for part in (1, 2, 4))
    whole = absmax(x, peaks, block).astype(np.float64)
    return (whole * (step / SEARCHED) for step in range(SEARCHED, SEARCHED // 2 - 1, -1))


def _squared_error(x: Array, scales: Any, block: Block) -> Array:
    values = block.rounded(x, scales)
    with np.errstate(all="ignore"):
        squares = np.square(np.subtract(x, values, dtype=np.float64))
    among: Granularity = block.granularity
    return among.joined(among.layout(x.shape).sums(squares), x.shape, np.add)


def given(x: Array, peaks: Array, block: Block) -> Array:
    """None from the data: `scale=` of the call brings them."""
    raise ValueError(f"'{block}' takes its scales from the call: give scale=")


Rule = Callable[[Array, Array, "Block"], Array]
RULES: dict[str, Rule] = {
    rule.__name__: rule for rule in (floor, ceil, even, rceil, absmax, mean, mse, given)
}
