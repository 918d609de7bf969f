"""A fully connected layer in integers: from real tensors to codes, and what that lost."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..blocks.profiles import PROFILES
from ..calibration import observer
from ..casting import encode
from ..errors import choose
from .arguments import INT32, Array, dtype_name, first_of, reals
from .multipliers import SHIFTS, quantize_multiplier
from .pipelines import run
from .products import gemm
from .stages import CODES, BiasAddition, Requantize, SaturatingCast, Stage

RULES = {"gemmlowp": np.float32, "tflite": np.float64}  # in which the range is divided
ACTIVATIONS = ("int8", "uint8")
FLOAT32_MAX = float(np.finfo(np.float32).max)


def quantization_parameters(
    low: float, high: float, to: str = "uint8", rule: str = "gemmlowp", narrow: bool = False
) -> tuple[float, int]:
    """Scale and zero point of codes that reach from `low` to `high`, with 0 exactly a code.

    Parameters
    ----------
    low, high : float, finite; widened to hold 0
    to : "uint8", "int8" or "int16", or that dtype
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
    ValueError : a range that is not finite, or upside down; one whose scale float32 does not hold

    >>> quantization_parameters(-10, 30)
    (0.1568627506494522, 64)
    """
    return _affine("range", low, high, to, rule, narrow)


def _affine(
    what: str, low: float, high: float, to: str, rule: str, narrow: bool = False
) -> tuple[float, int]:
    first, last = CODES[choose("dtype", dtype_name(to), CODES)]
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"a range goes from a finite low to a finite high, got {low!r} and {high!r}")
    ends = np.array(((min(low, 0),), (max(high, 0),)), np.float64)
    span = PROFILES[choose("rule", rule, RULES)].affine
    assert span is not None
    with np.errstate(over="ignore", invalid="ignore"):
        least, most = ends.astype(RULES[rule])
        scale, zero = span(least, most, first + narrow, last)
    if ends.any() and not 0 < scale[0] < math.inf:
        raise ValueError(
            f"{what} {low:g} to {high:g}: in float32 the scale of its codes is {scale[0]:g}, and has to be above 0 "
            f"and finite: scale the data {'down' if scale[0] else 'up'}"
        )
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
    to : "int8" or "uint8", or that dtype; of input and output
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
    ValueError : shapes that do not fit, NaN or infinities; numbers too large or too small for float32; a bias
        that int32 does not hold, alone or with the products; multipliers too large for a shift
    TypeError : complex numbers, text
    SpecError : unknown dtype, method, rule or rounding

    >>> rng = np.random.default_rng(0)
    >>> quantized_layer(rng.normal(size=(4, 64)), rng.normal(size=(3, 64)))
    <int8 layer (4, 64) -> (4, 3): x 0.02421 * (q - 0), y 0.07417 * (q - -28), SQNR 36.6 dB, largest error 0.178>
    """
    to = choose("dtype", dtype_name(to), ACTIVATIONS)
    real, matrix, added = _tensors(x, weight, bias)
    reference = _reference(real, matrix, added)
    x_codes, x_scale, x_zero = _quantized(real, to, method, rule)
    weights = encode(matrix, f"int8[symmetric,{'axis=0,' if per_channel else ''}calibrate=absmax]")
    scales = np.broadcast_to(weights.scales.reshape(-1), len(matrix))
    scale, zero = _parameters("x @ weight.T + bias", reference, to, method, rule)

    product = gemm(x_codes.reshape(-1, matrix.shape[1]), weights.codes.T, lhs_offset=-x_zero)
    units = x_scale * scales.astype(np.float64)
    pipeline = (
        BiasAddition(_steps(added, units, product)),
        Requantize(*_multipliers(units / scale, rounding), zero, rounding),
        SaturatingCast(to),
    )
    accumulators = product.reshape(reference.shape)
    codes = run(accumulators, pipeline)
    values = _held(scale * (codes.astype(np.float64) - zero), "the output").astype(np.float32)
    return QuantizedLayer(
        codes, values, reference, scale, zero, x_codes, x_scale, x_zero, weights.codes, scales, units / scale,
        accumulators, pipeline, _decibels(reference, values - reference), float(abs(values - reference).max(initial=0)),
    )  # fmt: skip


def _tensors(x: Any, weight: Any, bias: Any) -> tuple[Array, Array, Array]:
    real, matrix = reals(x, "x"), reals(weight, "weight")
    added = np.zeros(matrix.shape[:1]) if bias is None else reals(bias, "bias")
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


def _reference(x: Array, weight: Array, bias: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return _held(x @ weight.T + bias, "x @ weight.T + bias")


def _held(a: Array, what: str) -> Array:
    """`a`, if float32 reaches as far."""
    past = ~(abs(a) <= FLOAT32_MAX)
    if past.any():
        raise ValueError(
            f"{what} is {first_of(a, past)}, past float32's {FLOAT32_MAX:.4g}: scale x, weight or bias down"
        )
    return a


def _parameters(what: str, x: Array, to: str, method: str, rule: str) -> tuple[float, int]:
    """Scale and zero point of the range that the method keeps; 1 where all is 0."""
    scale, zero = _affine(what, *observer(method).update(x).range(8), to, rule)
    return scale or 1.0, zero


def _quantized(x: Array, to: str, method: str, rule: str) -> tuple[Array, float, int]:
    scale, zero = _parameters("x", x, to, method, rule)
    return encode(x, f"{to}[profile={rule}]", scale=scale, zero=zero).codes, scale, zero


def _steps(bias: Array, units: Array, products: Array) -> Array:
    """The bias in the units of the products, if int32 holds it and every sum."""
    steps = np.rint(bias / units)
    low, high = steps + products.min(0, initial=0), steps + products.max(0, initial=0)
    past = (low < INT32[0]) | (high > INT32[1])
    if past.any():
        channel = int(past.argmax())
        raise ValueError(
            f"bias: channel {channel}: {bias[channel]:g} is {steps[channel]:g} steps of x_scale * weight_scale "
            f"= {units[channel]:g}, which int32 does not hold with the products: add it to the layer's values instead"
        )
    return steps.astype(np.int64)


def _multipliers(real: Array, rounding: str) -> tuple[Array, Array]:
    """The multipliers as integers, if there is a shift for each."""
    q, shift = quantize_multiplier(real)
    most = SHIFTS[choose("rounding", rounding, SHIFTS)][1]
    if (shift > most).any():
        channel = int((shift > most).argmax())
        raise ValueError(
            f"channel {channel}: the multiplier x_scale * weight_scale / scale is {real[channel]:g} and has to be "
            f"below 2**{most}: the outputs are that much smaller than their products, as where weights cancel. "
            "Give data with larger outputs, or a bias"
        )
    return q, shift


def _decibels(signal: Array, error: Array) -> float:
    noise, power = float(np.square(error).sum()), float(np.square(signal).sum())
    return 10 * math.log10(power / noise) if noise and power else math.inf if power else math.nan
