"""Whole layers: each part by its definition, real tensors, options."""

import math
from importlib.resources import files

import numpy as np
import pytest

from gemmlowp import exact
from numfmt import calibration, gemmlowp

TENSORS = dict(np.load(files("numfmt") / "data" / "minilm_layer2.npz"))
HIDDEN, WEIGHT = TENSORS["hidden"], TENSORS["weight"]

PARAMETERS = [  # low, high, scale, zero
    (-10, 30, 40 / 255, 64), (0, 30, 30 / 255, 0), (-10, 0, 10 / 255, 255), (0, 0, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("low", "high", "scale", "zero"), PARAMETERS)
@pytest.mark.parametrize("rule", ["tflite", "gemmlowp"])
def test_published_parameters(low, high, scale, zero, rule):
    assert gemmlowp.quantization_parameters(low, high, "uint8", rule) == (np.float32(scale), zero)


def test_parameters_of_other_ranges():
    assert gemmlowp.quantization_parameters(1, 30) == gemmlowp.quantization_parameters(0, 30)
    assert gemmlowp.quantization_parameters(-30, -1) == gemmlowp.quantization_parameters(-30, 0)
    assert gemmlowp.quantization_parameters(-127, 127, "int8", "tflite", narrow=True) == (1, 0)
    assert gemmlowp.quantization_parameters(-32767, 32767, "int16", "tflite", narrow=True) == (1, 0)
    # ends that float32 does not hold, and whose float32s have another scale
    low, high = -0.14, 19.8978
    scale, _ = gemmlowp.quantization_parameters(low, high, rule="tflite")
    assert (
        scale
        == np.float32((high - low) / 255)
        != np.float32((float(np.float32(high)) - np.float64(np.float32(low))) / 255)
    )
    # ties of the zero point go away from 0
    assert gemmlowp.quantization_parameters(-0.5, 254.5, "uint8") == (1, 1)


def test_every_part_of_a_layer():
    bias = np.linspace(-1, 1, 384)
    layer = gemmlowp.quantized_layer(HIDDEN, WEIGHT, bias)
    x, w = HIDDEN.astype(np.float64), WEIGHT.astype(np.float64)
    reference = x @ w.T + bias
    assert np.array_equal(layer.reference, reference)

    assert (layer.x_scale, layer.x_zero) == gemmlowp.quantization_parameters(
        x.min(), x.max(), "int8", "tflite"
    )
    assert (layer.scale, layer.zero) == gemmlowp.quantization_parameters(
        reference.min(), reference.max(), "int8", "tflite"
    )
    scales = np.float32(np.abs(WEIGHT).max(axis=1)) / np.float32(127)
    assert np.array_equal(layer.weight_scales, scales)
    assert np.array_equal(layer.weight_codes, np.clip(np.rint(WEIGHT / scales[:, None]), -127, 127))

    units = layer.x_scale * scales.astype(np.float64)
    assert np.array_equal(layer.multipliers, units / layer.scale)
    steps = np.rint(bias / units).astype(np.int64)
    assert layer.stages[0].bias == tuple(steps)
    sums = (layer.x_codes.astype(np.int64) - layer.x_zero) @ layer.weight_codes.astype(np.int64).T
    assert np.array_equal(layer.accumulators, sums)
    for row, column in ((0, 0), (95, 383), (40, 200), (17, 5)):
        q, shift = exact.quantized(float(layer.multipliers[column]))
        code = exact.multiply(int(sums[row, column] + steps[column]), q, shift, "double") + layer.zero
        assert layer.codes[row, column] == exact.clip(code, -128, 127)
    assert np.array_equal(layer.codes, gemmlowp.run(layer.accumulators, layer.stages))

    assert np.array_equal(
        layer.values, np.float32(layer.scale) * (layer.codes.astype(np.float32) - layer.zero)
    )
    error = layer.values - reference
    assert layer.sqnr_db == pytest.approx(10 * math.log10((reference**2).sum() / (error**2).sum()))
    assert layer.largest_error == abs(error).max()
    assert "SQNR" in repr(layer)


def test_what_the_options_cost_on_real_tensors():
    db = {
        (to, per_channel, rule): gemmlowp.quantized_layer(HIDDEN, WEIGHT, to=to, per_channel=per_channel, rule=rule).sqnr_db
        for to in ("int8", "uint8") for per_channel in (True, False) for rule in ("tflite", "gemmlowp")
    }  # fmt: skip
    assert min(db.values()) > 25
    for (to, per_channel, rule), found in db.items():
        assert not per_channel or found > db[to, False, rule]
        assert found == pytest.approx(db["int8", per_channel, "tflite"], abs=0.3)


@pytest.mark.parametrize("rounding", ["single", "neon"])
def test_other_roundings_are_one_code_away_at_most(rounding):
    codes = [
        gemmlowp.quantized_layer(HIDDEN, WEIGHT, rounding=r).codes.astype(int) for r in ("double", rounding)
    ]
    gap = abs(codes[0] - codes[1])
    assert 0 < np.count_nonzero(gap) < gap.size // 100
    assert gap.max() == 1


def test_calibration_is_that_of_calibration():
    layer = gemmlowp.quantized_layer(HIDDEN, WEIGHT, method="kl")
    low, high = calibration.observer("kl").update(HIDDEN).range(8)
    assert (layer.x_scale, layer.x_zero) == gemmlowp.quantization_parameters(low, high, "int8", "tflite")


def test_shapes_and_zeros():
    stacked = gemmlowp.quantized_layer(HIDDEN.reshape(8, 12, 384), WEIGHT)
    assert np.array_equal(stacked.codes.reshape(96, 384), gemmlowp.quantized_layer(HIDDEN, WEIGHT).codes)
    assert gemmlowp.quantized_layer(HIDDEN[0], WEIGHT).codes.shape == (384,)
    nothing = gemmlowp.quantized_layer(np.zeros((2, 3)), np.zeros((4, 3)))
    assert not nothing.values.any()
    assert math.isnan(nothing.sqnr_db)
    assert math.isinf(gemmlowp.quantized_layer([[127.0, -128.0]], [[127.0, 0.0]]).sqnr_db)


def test_a_bias_as_large_as_int32():
    """The sum of bias and product is the last int32, and one more is refused."""
    x, weight = [[127.0, -128.0]], [[127.0, 0.0], [0.0, 127.0]]
    bias = np.array([2.0**31 - 1 - 127 * 127, 0.0])
    layer = gemmlowp.quantized_layer(x, weight, bias)
    assert layer.accumulators[0, 0] + layer.stages[0].bias[0] == 2**31 - 1
    assert layer.sqnr_db > 40
    with pytest.raises(ValueError, match="bias: channel 0"):
        gemmlowp.quantized_layer(x, weight, bias + 1)


@pytest.mark.parametrize("rule", ["tflite", "gemmlowp"])
def test_the_least_scale(rule):
    assert gemmlowp.quantization_parameters(0, 255 * 2.0**-149, rule=rule) == (2.0**-149, 0)
    assert gemmlowp.quantization_parameters(0.0, -0.0, rule=rule) == (0, 0)
