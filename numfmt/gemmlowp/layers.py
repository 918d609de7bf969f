"""A fully connected layer in integers: from real tensors to codes, and what that lost."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..blocks.profiles import PROFILES
from ..calibration import observer
from ..casting import encode
from ..errors import choose
from .arguments import INT32, Array
from .multipliers import quantize_multiplier
from .pipelines import run
from .products import gemm
from .stages import CODES, BiasAddition, Requantize, SaturatingCast, Stage

RULES = {"gemmlowp": np.float32, "tflite": np.float64}  # in which the range is divided
ACTIVATIONS = ("int8", "uint8")


def quantization_parameters(
    low: float, high: float, to: str = "uint8", rule: str = "gemmlowp", narrow: bool = False
) -> tuple[float, int]:
    """Scale and zero point of codes that reach from `low` to `high`, with 0 exactly a code.

    Parameters
    ----------
    low, high : float, finite; widened to hold 0
    to : "uint8", "int8" or "int16"
    rule : str
        "gemmlowp": doc/quantization_example.cc, the scale in float32, the zero point from `low`.
        "tflite": ChooseQuantizationParams in quantization_util.h, in float64, the zero point from
        the end with the smaller error; the scale is then rounded to float32.
    narrow : bool
        Whether to leave out the least code.

    Returns
    -------
    (scale, zero) : a float that float32 holds, and an integer; scale 0 where low = high = 0

    Raises
    ------
    ValueError : a range that is not finite, or upside down

    >>> quantization_parameters(-10, 30)
    (0.1568627506494522, 64)
    """
    first, last = CODES[choose("dtype", to, CODES)]
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"a range goes from a finite low to a finite high, got {low!r} and {high!r}")
    ends = np.array((min(low, 0), max(high, 0)), RULES[choose("rule", rule, RULES)])
    span = PROFILES[rule].affine
    assert span is not None
    scale, zero = span(ends[:1], ends[1:], first + narrow, last)
    return float(scale[0]), int(zero[0])


class QuantizedLayer(NamedTuple):
    """A layer computed in integers, and all that went into it.

    Attributes
    ----------
    codes : of the output, (..., n)
    values : float32 of the codes
    reference : the same layer in float64
    scale, zero : of the output
    x_codes, x_scale, x_zero : of the input
    weight_codes, weight_scales : int8 (n, k) and float32 (n,), without zero point
    multipliers : float64 (n,), x_scale * weight_scales / scale
    accumulators : int32, (..., n)
    stages : the pipeline that made the codes of them
    sqnr_db : 10 log10(sum reference**2 / sum (values - reference)**2), in dB
    largest_error : max \\|values - reference\\|
    """

    codes: Array
    values: Array
    reference: Array
    scale: float
    zero: int
    x_codes: Array
    x_scale: float
    x_zero: int
    weight_codes: Array
    weight_scales: Array
    multipliers: Array
    accumulators: Array
    stages: tuple[Stage, ...]
    sqnr_db: float
    largest_error: float

    def __repr__(self) -> str:
        return (
            f"<{self.codes.dtype} layer {self.x_codes.shape} -> {self.codes.shape}: "
            f"x {self.x_scale:.4g} * (q - {self.x_zero}), y {self.scale:.4g} * (q - {self.zero}), "
            f"SQNR {self.sqnr_db:.1f} dB, largest error {self.largest_error:.3g}>"
        )


def quantized_layer(
    x: Any, weight: Any, bias: Any = None, *, to: str = "int8", method: str = "absmax", rule: str = "tflite",
    per_channel: bool = True, rounding: str = "double",
) -> QuantizedLayer:  # fmt: skip
    """x @ weight.T + bias in integers: calibrate, quantize, multiply, requantize; compare with float64.

    As TFLite's 8-bit specification has it: activations with a zero point, int8 weights of -127 ... 127 without
    one, an int32 bias in units of x_scale * weight_scale (ties to even).

    Parameters
    ----------
    x : real numbers, (..., k)
    weight : real numbers, (n, k)
    bias : real numbers, (n,), optional
    to : "int8" or "uint8", of input and output
    method : str
        What finds the ranges of input and output: a method of `numfmt.calibration.observer`.
        Weights keep their largest magnitude.
    rule : "tflite" or "gemmlowp", as in `quantization_parameters`
    per_channel : bool
        Whether each of the n outputs has a weight scale of its own.
    rounding : "double", "single" or "neon", as in `multiply_by_quantized_multiplier`

    Returns
    -------
    QuantizedLayer

    Raises
    ------
    ValueError : shapes that do not fit, NaN or infinities
    SpecError : unknown dtype, method, rule or rounding

    >>> rng = np.random.default_rng(0)
    >>> quantized_layer(rng.normal(size=(4, 64)), rng.normal(size=(3, 64)))
    <int8 layer (4, 64) -> (4, 3): x 0.02421 * (q - 0), y 0.07417 * (q - -28), SQNR 36.6 dB, largest error 0.178>
    """
    choose("dtype", to, ACTIVATIONS)
    real, matrix, added = _tensors(x, weight, bias)
    reference = real @ matrix.T + added
    x_codes, x_scale, x_zero = _quantized(real, to, method, rule)
    weights = encode(matrix, f"int8[symmetric,{'axis=0,' if per_channel else ''}calibrate=absmax]")
    scales = np.broadcast_to(weights.scales.reshape(-1), len(matrix))
    scale, zero = _parameters(reference, to, method, rule)

    units = x_scale * scales.astype(np.float64)
    steps = np.clip(np.rint(added / units), *INT32).astype(np.int64)
    pipeline = (
        BiasAddition(steps),
        Requantize(*quantize_multiplier(units / scale, rounding), zero, rounding),
        SaturatingCast(to),
    )
    product = gemm(x_codes.reshape(-1, matrix.shape[1]), weights.codes.T, lhs_offset=-x_zero)
    accumulators = product.reshape(reference.shape)
    codes = run(accumulators, pipeline)
    values = np.float32(scale) * (codes.astype(np.int32) - zero).astype(np.float32)
    return QuantizedLayer(
        codes, values, reference, scale, zero, x_codes, x_scale, x_zero, weights.codes, scales, units / scale,
        accumulators, pipeline, _decibels(reference, values - reference), float(abs(values - reference).max(initial=0)),
    )  # fmt: skip


def _tensors(x: Any, weight: Any, bias: Any) -> tuple[Array, Array, Array]:
    real, matrix = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    added = np.zeros(len(matrix)) if bias is None else np.asarray(bias, np.float64)
    if (
        not real.ndim
        or matrix.ndim != 2
        or real.shape[-1] != matrix.shape[1]
        or added.shape != matrix.shape[:1]
    ):
        raise ValueError(
            f"a layer takes x (..., k), weight (n, k) and bias (n,), got {real.shape}, {matrix.shape} and {added.shape}"
        )
    for name, tensor in (("x", real), ("weight", matrix), ("bias", added)):
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinities, which have no code: take them out first")
    return real, matrix, added


def _parameters(x: Array, to: str, method: str, rule: str) -> tuple[float, int]:
    """Scale and zero point of the range that the method keeps; 1 where all is 0."""
    scale, zero = quantization_parameters(*observer(method).update(x).range(8), to, rule)
    return scale or 1.0, zero


def _quantized(x: Array, to: str, method: str, rule: str) -> tuple[Array, float, int]:
    scale, zero = _parameters(x, to, method, rule)
    return encode(x, f"{to}[profile={rule}]", scale=scale, zero=zero).codes, scale, zero


def _decibels(signal: Array, error: Array) -> float:
    noise, power = float(np.square(error).sum()), float(np.square(signal).sum())
    return 10 * math.log10(power / noise) if noise and power else math.inf if power else math.nan
