"""The integer arithmetic of gemmlowp, TFLite and their kin, bit for bit.

`gemm` gives int32 accumulators, `run` takes them through a pipeline of output stages, `trace` shows each
result on the way, `first_difference` says where two pipelines part. `quantized_layer` is all of it for
real tensors. Primitives, multipliers and fixed-point functions have gemmlowp's names.

>>> import numpy as np
>>> from numfmt import gemmlowp
>>> lhs, rhs = np.uint8([[10, 200], [0, 255]]), np.uint8([[5, 128], [250, 3]])
>>> q, shift = gemmlowp.quantize_multiplier(0.0078125 * 0.9)
>>> stages = [gemmlowp.Requantize(q, shift, zero=100), gemmlowp.SaturatingCast("uint8")]
>>> gemmlowp.run(gemmlowp.gemm(lhs, rhs, lhs_offset=-128, rhs_offset=-7), stages)
array([[225,   0],
       [255,   0]], dtype=uint8)
"""

from __future__ import annotations

from .differences import Difference, first_difference
from .fixedpoint import (
    exp_on_negative_values,
    from_double,
    logistic,
    one_minus_x_over_one_plus_x,
    one_over_one_plus_x,
    tanh,
    to_double,
)
from .layers import QuantizedLayer, quantization_parameters, quantized_layer
from .multipliers import (
    input_radius,
    inverse_sqrt_multiplier,
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    quantize_multiplier,
    softmax_scaling,
)
from .pipelines import Step, run, trace
from .primitives import (
    rounding_divide_by_pot,
    rounding_half_sum,
    saturating_rounding_doubling_high_mul,
    saturating_rounding_multiply_by_pot,
    vrhadd,
    vrshl,
)
from .products import gemm
from .stages import (
    BiasAddition,
    Clamp,
    QuantizeDownByFixedPoint,
    QuantizeDownScale,
    QuantizeDownScalePC,
    Requantize,
    RequantizeFloat,
    SaturatingCast,
    ScaleByFixedPointAndExponent,
    Stage,
    Tanh,
    TruncatingCast,
)

__all__ = [
    "BiasAddition",
    "Clamp",
    "Difference",
    "QuantizeDownByFixedPoint",
    "QuantizeDownScale",
    "QuantizeDownScalePC",
    "QuantizedLayer",
    "Requantize",
    "RequantizeFloat",
    "SaturatingCast",
    "ScaleByFixedPointAndExponent",
    "Stage",
    "Step",
    "Tanh",
    "TruncatingCast",
    "exp_on_negative_values",
    "first_difference",
    "from_double",
    "gemm",
    "input_radius",
    "inverse_sqrt_multiplier",
    "logistic",
    "multiply_by_quantized_multiplier",
    "multiply_int64_by_quantized_multiplier",
    "one_minus_x_over_one_plus_x",
    "one_over_one_plus_x",
    "quantization_parameters",
    "quantize_multiplier",
    "quantized_layer",
    "rounding_divide_by_pot",
    "rounding_half_sum",
    "run",
    "saturating_rounding_doubling_high_mul",
    "saturating_rounding_multiply_by_pot",
    "softmax_scaling",
    "tanh",
    "to_double",
    "trace",
    "vrhadd",
    "vrshl",
]
