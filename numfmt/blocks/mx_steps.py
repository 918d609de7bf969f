"""Steps of libraries to elements under one scale: MX, and FP8 with a float32 scale.

Functions of `block_profiles.BlockProfile`. Arithmetic is float32 in the order written: `peaks` are the
largest magnitudes, rounded to float32 first; a power of two is multiplied with, or divided by, exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..format import Format, exponent
from .rules import RULES, power_of_two
from .scale import LARGEST

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]
F4 = np.float32
JUST_ABOVE_ONE = np.nextafter(1.0, 2.0)
LEAST_PEAK = F4(1e-4)  # of DeepSeek's kernels: no smaller peak counts
LAST = 2.0**127  # scale FE


def log2(x: Array) -> Array:
    """The logarithm rounded to float32, as torch's: beside a power of two it is that power's."""
    return np.log2(x.astype(F4).astype(np.float64)).astype(F4)


def _least_power_above(ratio: Array) -> Array:
    """2**ceil(log2(ratio)) from 2**-127 to 2**127 by that logarithm: some ulps above a power count as it."""
    found = np.clip(np.ceil(log2(ratio)), -127, 127)
    return np.where(np.isnan(found), np.nan, np.ldexp(1.0, found.astype(np.int64)))


# torchao 0.18, prototype/mx_formats/mx_tensor.py: to_mx


def torchao(x: Array, peaks: Array, block: Block) -> Any:
    """Infinity counts as 2**128; `rceil` takes a logarithm."""
    if block.rule == "rceil":
        ratio = peaks.astype(F4) / F4(block.of.max)
        return block.stored(np.where(np.isinf(ratio), LAST, _least_power_above(ratio)))
    wide = peaks.astype(np.float64)
    return block.stored(RULES[block.rule](x, np.where(np.isinf(wide), 2.0**128, wide), block))


def torchao_factor(scales: Any, block: Block) -> Array:
    """Under scale 00, which is worth 2**-127, numbers are taken 2**126 times, with `rceil` once."""
    wide = scales.astype(np.float64)
    if block.rule == "rceil":
        return np.where(wide == 2.0**-127, 1.0, 1 / wide)
    return np.asarray(1 / np.maximum(wide, 2.0**-126))


# TransformerEngine d0067d0: common/cast/mxfp8, common/recipe/recipe_common.cuh


def transformer_engine_mx(x: Array, peaks: Array, block: Block) -> Any:
    """By `rceil`; infinity has the largest scale."""
    return block.stored(np.where(np.isinf(peaks), LAST, RULES["rceil"](x, peaks, block)))


def transformer_engine_tiles(x: Array, peaks: Array, block: Block) -> Any:
    """One over the greatest power of two not above fl32(largest value / absmax); 1 for zero or infinity."""
    peak = peaks.astype(F4)
    multiplier = np.minimum(F4(block.of.max) / peak, LARGEST)
    power = power_of_two(multiplier.astype(np.float64), 2.0)
    return np.where((peak == 0) | np.isinf(peak), 1.0, 1 / power).astype(F4)


# ModelOpt a2fbac7: qtensor/mxfp4_tensor.py, mxfp8_tensor.py


def modelopt_mxfp4(x: Array, peaks: Array, block: Block) -> Any:
    """2**ceil(log2(fl32(absmax / largest value))) by a logarithm; NaN or infinity makes the scale NaN."""
    ratio = peaks.astype(F4) / F4(block.of.max)
    return block.stored(np.where(np.isfinite(ratio), _least_power_above(ratio), np.nan))


def modelopt_mxfp8(x: Array, peaks: Array, block: Block) -> Any:
    """NaN has the least scale, infinity the largest."""
    ratio = peaks.astype(F4) / F4(block.of.max)
    return block.stored(np.where(ratio > 0, _least_power_above(ratio), 2.0**-127))


def zeros_negative(t: Array, of: Format) -> Array:
    """Both zeros, and what float32 underflows to them, as -0."""
    narrow = t.astype(F4)
    return np.where(narrow == 0, F4(-0.0), narrow)


# compressed-tensors 0.20: quantization/utils/mxfp_utils.py


def compressed_tensors_mx(x: Array, peaks: Array, block: Block) -> Any:
    """As `even`, of absmax rounded to 3 fraction bits for e2m3fn, else to 1; past 2**127 scale FF."""
    kept = 3 if block.of.bits == 6 else 1
    power = power_of_two(peaks.astype(np.float64), 2.0 - 2.0 ** -(kept + 1))
    held = np.where(power < 2.0**128, power * 2.0 ** -exponent(block.of.max), np.nan)
    return block.stored(held)


def zeros_positive(t: Array, of: Format) -> Array:
    """Both zeros, and what float32 underflows to them, as +0."""
    return t.astype(F4) + F4(0)


# microxcaling 7bc4195: mx/mx_ops.py, mx/elemwise_ops.py


def microxcaling(x: Array, peaks: Array, block: Block) -> Any:
    """2**floor(log2 absmax) by float32's logarithm, so that some ulps below a power count as it; a block of
    zeros counts as 2**-126. Past 2**127 NaN."""
    peak = peaks.astype(F4)
    found = np.floor(log2(np.where(peak == 0, F4(2.0**-126), peak))) - exponent(block.of.max)
    power = np.ldexp(1.0, np.clip(found, -127, 127).astype(np.int64))
    return block.stored(np.where(found <= 127, power, np.nan))


def microxcaling_numbers(t: Array, of: Format) -> Array:
    """The float32 just below half of the least value rounds up, as 0.5 is added to it in float32."""
    quantum = float(of.smallest)
    narrow = zeros_positive(t, of)
    half = np.abs(narrow) == F4(quantum * (0.5 - 2.0**-25))
    return np.where(half, np.copysign(F4(quantum * 0.625), narrow), narrow)


# DeepSeek-V3 and V3.2, inference/kernel.py; DeepGEMM 54e2261, utils/math.py


def _clamped(peaks: Array) -> Array:
    return np.maximum(peaks.astype(F4), LEAST_PEAK)


def _held(ratio: Array, block: Block) -> Any:
    """As it is, or up to a power of two where scales are those."""
    return block.stored(power_of_two(ratio.astype(np.float64), JUST_ABOVE_ONE)) if block.is_exact else ratio


def deepseek_v3(x: Array, peaks: Array, block: Block) -> Any:
    """fl32(absmax / largest value), absmax from 0.0001 up; NaN or infinity makes the scale NaN."""
    ratio = _clamped(peaks) / F4(block.of.max)
    return _held(np.where(np.isfinite(ratio), ratio, F4(np.nan)), block)


def deepseek_v3_2(x: Array, peaks: Array, block: Block) -> Any:
    """As above, but fl32(absmax * fl32(1 / largest value))."""
    ratio = _clamped(peaks) * (F4(1) / F4(block.of.max))
    return _held(np.where(np.isfinite(ratio), ratio, F4(np.nan)), block)


def deepgemm(x: Array, peaks: Array, block: Block) -> Any:
    """Powers of two end at 2**127, which NaN and infinity have too."""
    ratio = _clamped(peaks) / F4(block.of.max)
    return _held(np.where(np.isfinite(ratio), ratio, F4(LAST)) if block.is_exact else ratio, block)


def reciprocal(scales: Any, block: Block) -> Array:
    """x is multiplied with fl32(1 / scale)."""
    return np.asarray(F4(1) / scales)


def deepgemm_fp4(t: Array, of: Format) -> Array:
    """What rounds to zero is +0."""
    return np.where(np.abs(t) <= float(of.smallest) / 2, t.dtype.type(0), t)
