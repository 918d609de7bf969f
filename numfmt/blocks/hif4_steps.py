"""Steps to HiF4: 64 elements share an unsigned e6m2 scale, eights of them and fours a factor of 1 or 2 each.

HiFloat4 999cc07, hif4_gpu/HiF4_NVFP4_v14f16.py: To_HiFX; arXiv 2602.11287. All in float64, where products
of float32 numbers with bfloat16 constants are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.inputs import Input
from ..format import Format
from ..registry import element
from .block_array import BlockArray
from .elements import magnitudes
from .granularity import Granularity, Shape
from .reading import rounded

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]
SEVENTH = 0.142578125  # bfloat16(1/7): the largest element under both factors is 7


def scales(x: Array, peaks: Array, block: Block) -> Any:
    """e6m2 of bfloat16(absmax * bfloat16(1/7)); an eight has factor 2 where its largest magnitude over the
    scale is 4 or more, a four where that over the eight's factor is 2 or more."""
    by_four = block.scales_along(peaks.shape)
    of_fours = peaks.astype(np.float64)
    of_eights = magnitudes(of_fours, by_four.granularity, None)
    by_eight = by_four.scales_along(of_eights.shape)
    whole = magnitudes(of_eights, by_eight.granularity, None)
    scale = by_eight.stored(np.where(np.isfinite(whole), _bfloat16(whole * SEVENTH), np.nan))
    one_over = _each(inverse(scale), by_eight.granularity, of_eights.shape)
    eights = of_eights * one_over >= 4
    steps = _each(one_over / (1 + eights), by_four.granularity, of_fours.shape)
    fours = of_fours * steps >= 2
    upper = BlockArray(eights.astype(np.uint8), scale, None, by_eight)
    return BlockArray(fours.astype(np.uint8), upper, None, by_four)


def factor(scales: Any, block: Block) -> Array:
    """bfloat16(1 / scale) over both factors."""
    upper = scales.scales
    one_over = _each(inverse(upper.scales), upper.format.granularity, upper.shape) / (1.0 + upper.codes)
    return _each(one_over, scales.format.granularity, scales.shape) / (1.0 + scales.codes)


def inverse(scale: Array) -> Array:
    """bfloat16(1 / scale)."""
    return _bfloat16(1 / scale.astype(np.float64))


def plus_zero(t: Array, of: Format) -> Array:
    """-0 as +0."""
    return t + t.dtype.type(0)


def _bfloat16(x: Array) -> Array:
    return rounded(Input(np.asarray(x)), element("bf16")).astype(np.float64)


def _each(numbers: Array, among: Granularity, shape: Shape) -> Array:
    """A number for each scale as one for each element."""
    which = among.layout(shape).scale_of(0, int(np.prod(shape)))
    return among.spread(numbers, shape)[which].reshape(shape)
