"""Steps of libraries to NVFP4: e2m1 elements, an e4m3 scale for 16 of them, a number for the tensor.

Functions of `block_profiles.BlockProfile`. All arithmetic is float32 in the order written. `s` is the scale
of a block as an e4m3 value, `number` what the library keeps of the tensor: its largest magnitude
(TransformerEngine), that over 2688 (torchao, ModelOpt) or 2688 over it (compressed-tensors).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.inputs import Input
from ..engine.plan import decoding_plan, plan
from ..engine.run import decode_into, execute
from ..format import Format
from ..reference import policy
from .block_array import BlockArray
from .granularity import Granularity, Shape, Tiles
from .scale import LARGEST, TINY
from .shared import SharedScale

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]
F4 = np.float32
SIX, BOUND = F4(6), 448  # the largest values of e2m1 and e4m3
RANGE = F4(SIX * BOUND)  # 2688
LEAST_NORMAL = F4(2.0**-6)  # of e4m3
LEAST = F4(2.0**-9)
PIECE = 1 << 16  # elements
BOUNDS = {  # of profiles that take scales up to a bound for granted, at 6 times which the tensor's peak is
    "4over6": 256, "4over6_mse": 256, "4over6_448": BOUND, "4over6_448_mse": BOUND,
    "amax_over_1536": 256, "amax_over_2688": BOUND,
}  # fmt: skip
SQUARED = ("4over6_mse", "4over6_448_mse")


def codes_of(raw: Array, of: Format) -> Array:
    """The codes nearest to numbers, saturated; NaN without its sign."""
    codes = np.empty(raw.shape, np.uint8)
    bad = np.isnan(raw)
    plain = np.asarray(np.where(bad, np.nan, raw) if bad.any() else raw, F4)
    execute(Input(plain), plan(of, policy(of, None, "saturate"), True, None), codes, None)
    return codes


def values_of(codes: Array, of: Format) -> Array:
    """The values of codes, float32, in their shape."""
    values = np.empty(codes.size, F4)
    decode_into(np.ascontiguousarray(codes).reshape(-1), decoding_plan(of), values)
    return values.reshape(codes.shape)


def held(raw: Array, of: Format) -> Array:
    """The values nearest to numbers."""
    return values_of(codes_of(raw, of), of)


def two_levels(raw: Array, number: Any, block: Block) -> BlockArray:
    """Scales of blocks, rounded to their format, and the number of the tensor."""
    inner = block.scales_along(raw.shape)
    return BlockArray(codes_of(raw, inner.of), np.asarray(number, F4), None, inner)


def blocks_and_number(scales: BlockArray) -> tuple[Array, Array]:
    """The scale of each block as a value of its format, float32, and the number of the tensor, shape ()."""
    return values_of(scales.codes, scales.format.of), np.asarray(scales.scales)


def _peak(peaks: Array) -> Array:
    return np.asarray(peaks.max(initial=0)).astype(F4)


# TransformerEngine d0067d0: common/cast/nvfp4/core_nvfp4.cuh, dequantize_nvfp4.cuh


def encode_scale(number: Array, bound: int = BOUND) -> Array:
    """fl32(6 * bound / number), finite; 1 for a number of zero or infinity."""
    found = np.fmin(SIX * F4(bound) / number, LARGEST)
    return np.where((number == 0) | (found == 0), F4(1), found)


def transformer_engine(x: Array, peaks: Array, block: Block) -> Any:
    """s = fl32(absmax * fl32(S * fl32(1/6))) for S = fl32(2688 / number)."""
    number = _peak(peaks)
    raw = peaks.astype(F4, copy=False)
    np.multiply(raw, encode_scale(number) * (F4(1) / SIX), out=raw)
    return two_levels(np.fmin(raw, LARGEST, out=raw), number, block)


def multiplier(s: Array, number: Array, bound: int = BOUND) -> Array:
    """fl32(1 / fl32(s * fl32(1 / S))), finite: under a scale of 0 every element saturates."""
    found = np.asarray(s * (F4(1) / encode_scale(number, bound)))
    np.divide(F4(1), found, out=found)
    return np.fmin(found, LARGEST, out=found)


def transformer_engine_factor(scales: Any, block: Block) -> Array:
    return multiplier(*blocks_and_number(scales))


def peak_number(x: Array, peaks: Array, block: Block) -> Any:
    """For any scales: fl32(absmax * fl32(6 * bound / 448))."""
    return np.fmin(peaks.astype(F4) * F4(SIX * BOUNDS[block.profile.name] / F4(BOUND)), LARGEST)


def share_of_peak(s: Array, number: Array, block: Block) -> Array:
    """fl32(fl32(s * number) * fl32(1 / (6 * bound)))."""
    return s * number * (F4(1) / (SIX * F4(BOUNDS[block.profile.name])))


# Four over six: common/cast/nvfp4/quantize_4over6_nvfp4.cuh


def four_over_six(x: Array, peaks: Array, block: Block) -> Any:
    """Two scales are tried, for elements up to 4 and up to 6; the first where its error is less."""
    peak, number = peaks.astype(F4), _peak(peaks)
    base = peak / SIX * encode_scale(number, BOUNDS[block.profile.name])
    tried = [np.fmin(base * k, F4(BOUND)) for k in (F4(1.5), F4(1))]
    four, six = (_error(x, raw, number, block) for raw in tried)
    return two_levels(np.where(four < six, *tried), number, block)


def four_over_six_factor(scales: Any, block: Block) -> Array:
    return multiplier(*blocks_and_number(scales), BOUNDS[block.profile.name])


def _error(x: Array, raw: Array, number: Array, block: Block) -> Array:
    """The error of each block under scales `raw`, piece by piece."""
    s, errors = held(raw, block.scales_along(raw.shape).of), np.empty(raw.shape, F4)
    for part, places in _pieces(x.shape, block.granularity):
        errors[places] = _error_of_part(x[part], s[places], number, block)
    return errors


def _pieces(shape: Shape, among: Granularity) -> Iterator[tuple[Any, Any]]:
    """Parts of the first axis with whole blocks, as slices of numbers and of scales."""
    if not shape:
        yield (), ()
        return
    extent = among.extent((0,) * len(shape), shape)[0]
    whole = max(extent.stop, 1)
    step = whole * max(PIECE // (whole * max(math.prod(shape[1:]), 1)), 1)
    for start in range(0, shape[0], step):
        yield slice(start, start + step), slice(start // whole, -(-(start + step) // whole))


def _error_of_part(x: Array, s: Array, number: Array, block: Block) -> Array:
    """The error of each block: magnitudes or squares, added one after the other."""
    among, bound = block.granularity, BOUNDS[block.profile.name]
    which = among.layout(x.shape).scale_of(0, x.size)
    step, factor = (among.spread(n, x.shape)[which] for n in (s, multiplier(s, number, bound)))
    given = x.reshape(-1).astype(F4)
    values = held(given * factor, block.of) * step * number / (SIX * F4(bound))
    off = values - given
    squared = block.profile.name in SQUARED
    return _added(off * off if squared else np.abs(off), x.shape, among)


def _added(errors: Array, shape: Shape, among: Granularity) -> Array:
    """The sum of each block, from its first element to its last; of a tile, rows as a tree."""
    layout = among.layout(shape)
    cube = _padded(errors.reshape(layout.outer, layout.n, layout.inner), layout.size)
    total = np.zeros((layout.outer, layout.groups, layout.inner), F4)
    for i in range(layout.size):
        total = total + cube[:, :, i]
    if not isinstance(among, Tiles):
        return total.reshape(among.scale_shape(shape))
    by_row = _padded(total.reshape(math.prod(shape[:-2]), shape[-2], layout.groups), among.rows)
    while by_row.shape[2] > 1:
        half = by_row.shape[2] // 2
        by_row = by_row[:, :, :half] + by_row[:, :, half:]
    return by_row.reshape(among.scale_shape(shape))


def _padded(cube: Array, size: int) -> Array:
    """The middle axis in pieces of `size`, zeros at its end."""
    outer, n, inner = cube.shape
    pieces = -(-n // size)
    whole = np.zeros((outer, pieces * size, inner), cube.dtype)
    whole[:, :n] = cube
    return whole.reshape(outer, pieces, size, inner)


# torchao 0.18, prototype/mx_formats/nvfp4_tensor.py: nvfp4_quantize


def torchao_one_level(x: Array, peaks: Array, block: Block) -> Any:
    """s = fl32(absmax / 6) as e4m3, from 2**-6 up to 448: no number for the tensor."""
    raw = np.clip(peaks.astype(F4) / SIX, LEAST_NORMAL, F4(BOUND))
    assert not isinstance(block.scale, SharedScale)
    return held(raw, block.scale)


def torchao(x: Array, peaks: Array, block: Block) -> Any:
    """s = fl32(fl32(absmax / 6) / number), from 2**-6 up, for number = fl32(absmax of the tensor / 2688)."""
    number = _peak(peaks) / RANGE
    raw = np.clip(peaks.astype(F4) / SIX / number, LEAST_NORMAL, F4(BOUND))
    return two_levels(raw, number, block)


def torchao_factor(scales: Any, block: Block) -> Array:
    """fl32(fl32(1 / number) / s)."""
    s, number = blocks_and_number(scales)
    return F4(1) / number / s


def scale_times_number(s: Array, number: Array, block: Block) -> Array:
    """fl32(s * number)."""
    return s * number


# ModelOpt a2fbac7: quantization/qtensor/nvfp4_tensor.py


def modelopt(x: Array, peaks: Array, block: Block) -> Any:
    """s = fl32(absmax / fl32(6 * number)) from 2**-9 up, 1 where that is 0."""
    number = _peak(peaks) / RANGE
    raw = peaks.astype(F4) / (SIX * number)
    return two_levels(np.clip(np.where(raw == 0, F4(1), raw), LEAST, F4(BOUND)), number, block)


def without_negative_zero(values: Array, unit: Array, block: Block) -> Array:
    """fl32(value * scale); code 8 is +0."""
    return np.where(values == 0, F4(0), values) * unit


# compressed-tensors 0.20: quantization/utils/helpers.py


def global_scale(peak: Array) -> Array:
    """fl32(fl32(1 / peak) * 2688), 1 where that is not finite."""
    found = F4(1) / np.maximum(peak, TINY) * RANGE
    return np.where(np.isfinite(found), found, F4(1))


def compressed_tensors(x: Array, peaks: Array, block: Block) -> Any:
    """s = fl32(number * fl32(absmax / 6)), 0.125 where that rounds to 0, for number = `global_scale`."""
    number = global_scale(_peak(peaks))
    raw = np.minimum(number * (peaks.astype(F4) / SIX), F4(BOUND))
    return two_levels(np.where(raw <= LEAST / 2, F4(0.125), raw), number, block)


def compressed_tensors_number(x: Array, peaks: Array, block: Block) -> Any:
    """For any scales: fl32(448 / absmax)."""
    found = F4(BOUND) / peaks.astype(F4)
    return np.where(np.isfinite(found), found, F4(1))


def scale_over_number(s: Array, number: Array, block: Block) -> Array:
    """fl32(s / number)."""
    return s / number
