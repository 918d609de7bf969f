"""Errors say what was given, what is wrong and what to do."""

import numpy as np
import pytest

import numfmt
from numfmt import gemmlowp
from numfmt.gemmlowp import (
    BiasAddition,
    Clamp,
    QuantizeDownByFixedPoint,
    QuantizeDownScale,
    QuantizeDownScalePC,
    Requantize,
    RequantizeFloat,
    SaturatingCast,
    ScaleByFixedPointAndExponent,
    Tanh,
    TruncatingCast,
)

I8, U8 = np.ones((2, 3), np.int8), np.ones((3, 2), np.uint8)
X = np.ones((2, 3), np.int32)
MAX = 2**31 - 1
RNG = np.random.default_rng(0)
X8, W8 = RNG.normal(size=(4, 8)), RNG.normal(size=(3, 8))
CLOSE = [[1.0, 1 - 2.0**-40]]
F32 = float(np.finfo(np.float32).max)

CASES = {
    "gemm of floats": (TypeError, lambda: gemmlowp.gemm(I8 * 0.5, U8), "int16 with int16; got float64 and uint8. Quantize it"),
    "gemm of int32": (TypeError, lambda: gemmlowp.gemm(X, U8), "got int32 and uint8"),
    "gemm of int8 and int16": (TypeError, lambda: gemmlowp.gemm(I8, U8.astype(np.int16)), "got int8 and int16"),
    "gemm of shapes": (ValueError, lambda: gemmlowp.gemm(I8, I8), "shapes (2, 3) and (2, 3) do not match: a has 3 columns, b has 2 rows"),
    "gemm of a vector": (ValueError, lambda: gemmlowp.gemm(I8[0], U8), r"got shapes (3,) and (3, 2)"),
    "an offset too far": (ValueError, lambda: gemmlowp.gemm(I8, U8, 2**31), "lhs_offset: 2147483648 lies outside -2147483648 to 2147483647"),
    "an offset of floats": (TypeError, lambda: gemmlowp.gemm(I8, U8, 0, 0.5), "rhs_offset: expected integers, got an array of dtype float64"),
    "too many offsets": (ValueError, lambda: gemmlowp.gemm(I8, U8, [1, 2, 3]), "one for each of the 2 rows of lhs; got shape (3,)"),
    "accumulators of floats": (TypeError, lambda: gemmlowp.run(X * 0.5, [Clamp(0, 9)]), "accumulators: expected integers, got an array of dtype float64. Quantize floats"),
    "accumulators of bools": (TypeError, lambda: gemmlowp.run(X > 0, [Clamp(0, 9)]), "Booleans are no numbers here"),
    "accumulators past int32": (ValueError, lambda: gemmlowp.run([2**31], [Clamp(0, 9)]), "accumulators: 2147483648 at (0,) lies outside"),
    "one stage": (TypeError, lambda: gemmlowp.run(X, Clamp(0, 9)), "stages is a sequence of stages, got one Clamp: put it in brackets"),
    "no stage": (TypeError, lambda: gemmlowp.run(X, [min]), "a pipeline holds stages such as Clamp(0, 255), got <built-in function min>"),
    "a stage after a cast": (TypeError, lambda: gemmlowp.run(X, [SaturatingCast(), Clamp(0, 9)]), "SaturatingCast gives codes, and Clamp(low=0, high=9) after it takes int32: put it last"),
    "two casts": (TypeError, lambda: gemmlowp.run(X, [TruncatingCast(), SaturatingCast()]), "TruncatingCast gives codes"),
    "a bias of wrong length": (ValueError, lambda: gemmlowp.run(X, [BiasAddition([1, 2])]), "BiasAddition: 2 entries for axis -1 of accumulators of shape (2, 3), which has 3: give one for each, or another axis="),
    "an axis that is none": (ValueError, lambda: gemmlowp.run(X, [BiasAddition([1, 2], axis=2)]), "BiasAddition: axis 2 is none of accumulators of shape (2, 3)"),
    "a bias in rows": (ValueError, lambda: BiasAddition([[1]]), "bias is an integer, or one for each channel, got an array of shape (1, 1)"),
    "a bias of floats": (TypeError, lambda: BiasAddition([0.5]), "BiasAddition: bias: expected integers, got an array of dtype float64"),
    "a bias past int32": (ValueError, lambda: BiasAddition([1, 2**31]), "BiasAddition: bias: 2147483648 at (1,) lies outside"),
    "lengths that differ": (ValueError, lambda: Requantize([1, 2, 3], [1, 2]), "Requantize: as many entries in each field, got {'multiplier': 3, 'shift': 2}"),
    "a shift too far": (ValueError, lambda: Requantize(2**30, 32), "Requantize: shift: 32 lies outside -31 to 31"),
    "a single shift too far": (ValueError, lambda: Requantize(2**30, 31, rounding="single"), "shift: 31 lies outside -31 to 30"),
    "a negative single multiplier": (ValueError, lambda: Requantize(-1, 0, rounding="single"), "multiplier: -1 lies outside 0 to 2147483647"),
    "zero points": (ValueError, lambda: Requantize(2**30, 0, [1, 2]), "zero is one integer, got an array of shape (2,)"),
    "a negative shift": (ValueError, lambda: QuantizeDownScale(0, 1, -1), "QuantizeDownScale: shift: -1 lies outside 0 to 31"),
    "shifts of channels": (ValueError, lambda: QuantizeDownScalePC([1], [1], [1]), "shift is one integer"),
    "channels of a stage without": (ValueError, lambda: QuantizeDownByFixedPoint([1, 2], 3), "multiplier is one integer"),
    "an exponent too far": (ValueError, lambda: ScaleByFixedPointAndExponent(1, -32), "exponent: -32 lies outside -31 to 31"),
    "a rounding that is none": (numfmt.SpecError, lambda: Requantize(1, 0, rounding="dubble"), "unknown rounding 'dubble'. Did you mean 'double'?"),
    "a clamp upside down": (ValueError, lambda: Clamp(9, 0), "Clamp: low is at most high, got 9 and 0"),
    "a cast to int4": (numfmt.SpecError, lambda: SaturatingCast("int4"), "unknown dtype 'int4'"),
    "no amplitude": (ValueError, lambda: Tanh(0, 0), "Tanh: amplitude: 0 lies outside 1 to"),
    "a tanh past int32": (ValueError, lambda: Tanh(2**31 - 1, 5), "zero + 8 amplitude have to be int32s"),
    "a scale of 0": (ValueError, lambda: RequantizeFloat([1.0, 0.0]), "RequantizeFloat: scale is above 0 and finite, one or one for each channel; got [1.0, 0.0]"),
    "a scale of NaN": (ValueError, lambda: RequantizeFloat(np.nan), "scale is above 0"),
    "a scale that float32 makes 0": (ValueError, lambda: RequantizeFloat(1e-50), "got 1e-50, in float32 0.0"),
    "a scale past float32": (ValueError, lambda: RequantizeFloat([1.0, 1e39]), "got [1.0, 1e+39], in float32 [1.0, inf]"),
    "a complex scale": (TypeError, lambda: RequantizeFloat(1 + 2j), "RequantizeFloat: scale: expected real numbers, got an array of dtype complex128"),
    "no scale": (TypeError, lambda: RequantizeFloat(None), "RequantizeFloat: scale: expected real numbers"),
    "a dtype object that is none": (numfmt.SpecError, lambda: SaturatingCast(np.int32), "unknown dtype 'int32'"),
    "an empty bias": (TypeError, lambda: BiasAddition([]), "BiasAddition: bias: expected integers, got an empty array of dtype float64. Give numbers; np.zeros(0, np.int32) where"),
    "an empty offset": (TypeError, lambda: gemmlowp.gemm(I8, U8, lhs_offset=[]), "lhs_offset: expected integers, got an empty array"),
    "complex accumulators": (TypeError, lambda: gemmlowp.run(X * 1j, []), "dtype complex128. Give the real and the imaginary part on their own"),
    "a multiplier past every shift": (ValueError, lambda: Requantize(*gemmlowp.quantize_multiplier(1e30)), "shift: 100 lies outside -31 to 31. Real multipliers lie from 2**-32 to 2**31"),
    "a multiplier of a channel past every shift": (ValueError, lambda: Requantize(*gemmlowp.quantize_multiplier([1.0, 1e30])), "shift: 100 at (1,) lies outside"),
    "complex multipliers": (TypeError, lambda: gemmlowp.quantize_multiplier(1j), "multiplier: expected real numbers"),
    "complex raws": (TypeError, lambda: gemmlowp.from_double(1j, 3), "from_double: expected real numbers"),
    "int16 of FBGEMM": (numfmt.SpecError, lambda: RequantizeFloat(1.0, 0, "int16", "fbgemm"), "unknown dtype for library='fbgemm' 'int16'"),
    "a zero that is no code": (ValueError, lambda: RequantizeFloat(1.0, 256), "zero: 256 lies outside 0 to 255"),
    "channels of a float stage": (ValueError, lambda: gemmlowp.run(X, [RequantizeFloat([1.0, 2.0])]), "RequantizeFloat: 2 entries for axis -1"),
    "a multiplier of NaN": (ValueError, lambda: gemmlowp.quantize_multiplier(np.nan), "multiplier nan: it has to be finite"),
    "an infinite multiplier": (ValueError, lambda: gemmlowp.quantize_multiplier([1.0, np.inf]), "multiplier inf"),
    "a negative multiplier": (ValueError, lambda: gemmlowp.quantize_multiplier(-0.5, "single"), "multiplier -0.5: it has to be finite and at least 0"),
    "a multiplier of text": (TypeError, lambda: gemmlowp.quantize_multiplier("0.5"), "multiplier: expected real numbers"),
    "a rounding of multipliers": (numfmt.SpecError, lambda: gemmlowp.quantize_multiplier(0.5, "none"), "unknown rounding"),
    "a product of floats": (TypeError, lambda: gemmlowp.multiply_by_quantized_multiplier(0.5, 2**30, 0), "x: expected integers"),
    "a product past int32": (ValueError, lambda: gemmlowp.multiply_by_quantized_multiplier(2**31, 2**30, 0), "x: 2147483648 lies outside"),
    "a single product of negative q": (ValueError, lambda: gemmlowp.multiply_by_quantized_multiplier(1, -(2**30), 0, "single"), "q: -1073741824 lies outside 0"),
    "a shift of 32": (ValueError, lambda: gemmlowp.multiply_by_quantized_multiplier(1, 2**30, 32), "shift: 32 lies outside"),
    "an int64 past 2**47": (ValueError, lambda: gemmlowp.multiply_int64_by_quantized_multiplier(2**47, 1, 0), "x: 140737488355328 lies outside"),
    "an int64 shift": (ValueError, lambda: gemmlowp.multiply_int64_by_quantized_multiplier(1, 1, 8), "shift: 8 lies outside -31 to 7"),
    "mixed widths": (TypeError, lambda: gemmlowp.saturating_rounding_doubling_high_mul(np.int16(1), np.int32(1)), "two int32 or two int16 operands, got int16 and int32. Convert them"),
    "int64 operands": (TypeError, lambda: gemmlowp.saturating_rounding_doubling_high_mul(np.int64(1), np.int64(1)), "got int64 and int64"),
    "float operands": (TypeError, lambda: gemmlowp.saturating_rounding_doubling_high_mul(0.5, 1), "first operand: expected integers"),
    "a divisor": (ValueError, lambda: gemmlowp.rounding_divide_by_pot(1, 32), "exponent: 32 lies outside 0 to 31"),
    "a 16-bit divisor": (ValueError, lambda: gemmlowp.rounding_divide_by_pot(np.int16(1), 16), "exponent: 16 lies outside 0 to 15"),
    "a shift of int8": (TypeError, lambda: gemmlowp.rounding_divide_by_pot(np.int8(1), 1), "x: expected int32 or int16, got dtype int8. Convert it"),
    "exp of a positive": (ValueError, lambda: gemmlowp.exp_on_negative_values(3, 5), "takes raws of at most 0, got 3"),
    "too many integer bits": (ValueError, lambda: gemmlowp.tanh(3, 29), "integer_bits: 29 lies outside 0 to 28"),
    "integer bits of int16": (ValueError, lambda: gemmlowp.logistic(np.int16(3), 14), "integer_bits: 14 lies outside 0 to 13"),
    "a negative fraction": (ValueError, lambda: gemmlowp.one_over_one_plus_x(-1), "raws are at least 0 here, got -1"),
    "a raw of NaN": (ValueError, lambda: gemmlowp.from_double(np.nan, 3), "a NaN has no raw"),
    "a width": (ValueError, lambda: gemmlowp.from_double(1.0, 3, bits=8), "bits is 16 or 32, got 8"),
    "a small softmax scale": (ValueError, lambda: gemmlowp.softmax_scaling(1.0, 1e-9, 5), "has to be above 1: give fewer integer bits"),
    "many integers": (TypeError, lambda: gemmlowp.input_radius([1, 2], 3), "integer_bits: expected one integer, got 2 in an array of shape (2,)"),
    "a range upside down": (ValueError, lambda: gemmlowp.quantization_parameters(3, 1), "from a finite low to a finite high, got 3 and 1"),
    "a range of infinities": (ValueError, lambda: gemmlowp.quantization_parameters(-np.inf, 1), "got -inf and 1"),
    "a range past float32": (ValueError, lambda: gemmlowp.quantization_parameters(-1e300, 1e300), "range -1e+300 to 1e+300: in float32 the scale of its codes is inf, and has to be above 0 and finite: scale the data down"),
    "a range past float32, in float64": (ValueError, lambda: gemmlowp.quantization_parameters(-1e308, 1.7e308, rule="tflite"), "in float32 the scale of its codes is inf"),
    "a range as wide as float32's": (ValueError, lambda: gemmlowp.quantization_parameters(-3e38, 3e38), "scale the data down"),
    "a range too small": (ValueError, lambda: gemmlowp.quantization_parameters(0, 1e-46), "range 0 to 1e-46: in float32 the scale of its codes is 0, and has to be above 0 and finite: scale the data up"),
    "a range too small, in float64": (ValueError, lambda: gemmlowp.quantization_parameters(-1e-44, 0, rule="tflite"), "scale the data up"),
    "a rule": (numfmt.SpecError, lambda: gemmlowp.quantization_parameters(0, 1, "uint8", "onnx"), "unknown rule 'onnx'"),
    "a layer's shapes": (ValueError, lambda: gemmlowp.quantized_layer(np.ones((2, 3)), np.ones((4, 2))), "got (2, 3), (4, 2) and (4,)"),
    "a layer's bias": (ValueError, lambda: gemmlowp.quantized_layer(np.ones((2, 3)), np.ones((4, 3)), [1.0]), "and (1,)"),
    "a layer of NaN": (ValueError, lambda: gemmlowp.quantized_layer([[np.nan]], [[1.0]]), "x holds NaN or infinities"),
    "a layer's bias past int32": (ValueError, lambda: gemmlowp.quantized_layer(X8, W8, [0.0, 5e7, 0.0]), "bias: channel 1: 5e+07 is 2.23768e+11 steps of x_scale * weight_scale = 0.000223446, which int32 does not hold with the products: add it to the layer's values instead"),
    "a layer whose x is too small": (ValueError, lambda: gemmlowp.quantized_layer(X8 * 1e-300, W8), "x -2.32503e-300 to 1.36646e-300: in float32 the scale of its codes is 0"),
    "a layer whose output is too small": (ValueError, lambda: gemmlowp.quantized_layer(X8 * 1e-30, W8 * 1e-30), "x @ weight.T + bias -5.63445e-60 to 4.0882e-60: in float32 the scale"),
    "a layer whose output is too large": (ValueError, lambda: gemmlowp.quantized_layer(X8 * 1e38, W8 * 10), "x @ weight.T + bias is 2.82335604335"),
    "a layer whose output overflows": (ValueError, lambda: gemmlowp.quantized_layer(X8 * 1e300, W8 * 1e300), "x @ weight.T + bias is -inf at (0, 0), past float32's 3.403e+38: scale x, weight or bias down"),
    "a layer whose codes reach past float32": (ValueError, lambda: gemmlowp.quantized_layer([[F32], [-0.4 * F32 / 255]], [[1.0]]), "the output is 3.408"),
    "a layer whose weights cancel": (ValueError, lambda: gemmlowp.quantized_layer(CLOSE, [[1.0, -1.0]]), "channel 0: the multiplier x_scale * weight_scale / scale is 8.65757e+09 and has to be below 2**31: the outputs are that much smaller"),
    "the same, rounded once": (ValueError, lambda: gemmlowp.quantized_layer(CLOSE, [[1.0, -1.0]], rounding="single"), "has to be below 2**30"),
    "a complex layer": (TypeError, lambda: gemmlowp.quantized_layer(X8 + 1j, W8), "x: expected real numbers, got an array of dtype complex128. Give the real and the imaginary part on their own"),
    "complex weights": (TypeError, lambda: gemmlowp.quantized_layer(X8, W8 * 1j), "weight: expected real numbers"),
    "a bias of text": (TypeError, lambda: gemmlowp.quantized_layer(X8, W8, ["1", "2", "3"]), "bias: expected real numbers, got an array of dtype <U1. Convert them to numbers"),
    "a layer's dtype": (numfmt.SpecError, lambda: gemmlowp.quantized_layer([[1.0]], [[1.0]], to="int16"), "unknown dtype 'int16'"),
    "a layer's method": (numfmt.SpecError, lambda: gemmlowp.quantized_layer([[1.0]], [[1.0]], method="best"), "unknown method 'best'"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_says_what_is_wrong(case):
    kind, call, text = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)
