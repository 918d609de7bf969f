"""What makes libraries differ in affine quantization, as a table.

real = scale * (code - zero) everywhere. What differs is the operation (division or a rounded
reciprocal), where ties go, where the zero point enters, what NaN and numbers past the library's
integers give, and how scale and zero come from a range [low, high] of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import choose
from .scale import TINY

Array = np.ndarray[Any, Any]
Parameters = tuple[Array, Array]  # scales (float32; 0 where a slice is all 0 and its library says so), zeros
F4, F8 = np.float32, np.float64
FLOAT32_EPS = F4(2.0**-23)
INT64_LAST = float(np.nextafter(F4(2.0**63), F4(0)))  # the last float32 that an int64 holds


# Scale and zero from a range that contains 0 (float32 arrays) and the codes' range. Every step is
# float32 unless it says float64.


def absmax_over_last(low: Array, high: Array, first: int, last: int) -> Parameters:
    """scale = absmax / last code, zero 0."""
    scale = np.maximum(-low, high) / F4(last or -first)
    return np.where(scale > 0, np.maximum(scale, TINY), scale), np.zeros(low.shape, np.int64)


def span_over_codes(low: Array, high: Array, first: int, last: int) -> Parameters:
    """ONNX DynamicQuantizeLinear: zero rounded to even, after the bounds. All 0: as ONNX Runtime."""
    scale = (high - low) / F4(last - first)
    scale = np.where(scale > 0, np.maximum(scale, TINY), F4(1))
    return scale, np.rint(np.clip(F4(first) - low / scale, first, last)).astype(np.int64)


def onnx_span(low: Array, high: Array, first: int, last: int) -> Parameters:
    """ONNX's reference evaluator: as above, but 1 / 255 where all is 0."""
    scale, zero = span_over_codes(low, high, first, last)
    return np.where(high > low, scale, F4(1) / F4(last - first)), zero


def gemmlowp_span(low: Array, high: Array, first: int, last: int) -> Parameters:
    """doc/quantization_example.cc: scale in float32, zero in float64, ties away from 0."""
    scale = (high - low) / F4(last - first)
    divisor = np.where(scale > 0, scale, F4(1)).astype(F8)
    zero = first - low.astype(F8) / divisor
    return scale, _half_away(np.clip(zero, first, last)).astype(np.int64)


def tflite_span(low: Array, high: Array, first: int, last: int) -> Parameters:
    """ChooseQuantizationParams in quantization_util.h: float64, the zero of the end with less error."""
    low, high = low.astype(F8), high.astype(F8)
    scale = (high - low) / (last - first)
    divisor = np.where(scale > 0, scale, 1.0)
    below, above = low / divisor, high / divisor
    from_low = abs(first) + np.abs(below) < abs(last) + np.abs(above)
    zero = _half_away(np.clip(np.where(from_low, first - below, last - above), first, last))
    return scale.astype(F4), np.where(scale > 0, zero, 0).astype(np.int64)


def torch_symmetric(low: Array, high: Array, first: int, last: int) -> Parameters:
    """torch.ao.quantization's observers: absmax over half the range, 127.5 for 8 bits; the zero of
    unsigned codes is their middle."""
    scale = np.maximum(-low, high) / F4((last - first) / 2)
    middle = 0 if first < 0 else (first + last + 1) // 2
    return np.maximum(scale, FLOAT32_EPS), np.full(low.shape, middle, np.int64)


def torch_affine(low: Array, high: Array, first: int, last: int) -> Parameters:
    scale = np.maximum((high - low) / F4(last - first), FLOAT32_EPS)
    return scale, np.clip(first - np.rint(low / scale).astype(np.int64), first, last)


def torchao_symmetric(low: Array, high: Array, first: int, last: int) -> Parameters:
    """quant_primitives.py, MappingType.SYMMETRIC; the scale is at least the smallest normal."""
    scale = np.maximum(-low, high) / F4((last - first) / 2)
    return np.maximum(scale, TINY), np.full(low.shape, int((last + first + 1) / 2), np.int64)


def torchao_affine(low: Array, high: Array, first: int, last: int) -> Parameters:
    scale = np.maximum((high - low) / F4(last - first), TINY)
    return scale, np.clip(F4(first) - np.rint(low / scale), first, last).astype(np.int64)


def bound_over_absmax(low: Array, high: Array, first: int, last: int) -> Parameters:
    """pytorch-quantization's tensor_quant.py: codes a unit; below 2**-24 all codes are 0, as with 1."""
    absmax = np.maximum(-low, high)
    steps = F4(last) / np.where(absmax > 0, absmax, F4(1))
    return np.where(absmax > F4(2.0**-24), steps, F4(1)), np.zeros(low.shape, np.int64)


def _half_away(t: Array) -> Array:
    """Rounded to integers, ties away from 0; exact in float64 for |t| below 2**51."""
    return np.trunc(t + np.copysign(0.5, t))


FromRange = Callable[[Array, Array, int, int], Parameters]


@dataclass(frozen=True)
class Profile:
    """The choices of one library.

    >>> PROFILES["torch_quantize"].op
    'reciprocal'
    """

    name: str
    op: str = "divide"  # x / scale; "reciprocal": x * fl32(1 / scale)
    rounding: str = "nearest_even"  # or "nearest_away"
    zero: str = "after"  # rounding, as an integer; "before": added to the float32; "fused": with one rounding
    clamp: str = "float"  # before the conversion to an integer; "int32": after it, which wraps
    nan: str = "raise"  # or the code it gives: "low", "high" (the ends of the range), "0"
    limit: float = math.inf  # rounded numbers above it give the lowest code: the library's int64 is full
    keeps: str = "scale"  # "reciprocal": the library holds codes a unit, and divides to decode
    symmetric: FromRange = absmax_over_last
    affine: FromRange | None = span_over_codes  # None: the zero point is always 0
    by_axis: tuple[tuple[str, Any], ...] = field(default=())  # what differs with more than one scale

    def serving(self, many_scales: bool) -> Profile:
        """The choices for one scale, or for an array of them."""
        return replace(self, by_axis=(), **dict(self.by_axis)) if many_scales and self.by_axis else self


PROFILES = {
    row.name: row
    for row in (
        Profile("default"),
        # doc/quantization_example.cc: transformed = zero + x / scale, clamped, then std::round
        Profile("gemmlowp", rounding="nearest_away", zero="before", affine=gemmlowp_span),
        # AffineQuantize in kernels/internal/reference/quantize.h
        Profile("tflite", rounding="nearest_away", affine=tflite_span),
        # onnx.reference: np.rint, int32, then the bounds: NaN and huge numbers become INT_MIN
        Profile("onnx", clamp="int32", nan="low", affine=onnx_span),
        Profile("onnxruntime", nan="low"),
        # static_cast<int64_t> for each channel, float for the whole tensor
        Profile(
            "torch_fake_quantize", op="reciprocal", nan="low", symmetric=torch_symmetric, affine=torch_affine,
            by_axis=(("limit", INT64_LAST),),
        ),
        # FBGEMM adds the zero point before rounding, for a whole tensor by a fused multiply-add: ties
        # and their neighbours differ from fake quantization's. So run torch 2.13's wheels on x86.
        Profile(
            "torch_quantize", op="reciprocal", zero="fused", nan="high", symmetric=torch_symmetric,
            affine=torch_affine, by_axis=(("zero", "before"), ("nan", "0")),
        ),
        Profile("torchao", op="reciprocal", symmetric=torchao_symmetric, affine=torchao_affine),
        Profile("tensorrt", affine=None),
        Profile(
            "pytorch_quantization", op="reciprocal", keeps="reciprocal", symmetric=bound_over_absmax,
            affine=None,
        ),
    )
}  # fmt: skip


def profile_of(given: str | Profile) -> Profile:
    """A profile by name; `SpecError` with the names there are for any other."""
    return given if isinstance(given, Profile) else PROFILES[choose("profile", given, PROFILES)]
