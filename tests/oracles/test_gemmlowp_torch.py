"""The quantized linear of PyTorch with FBGEMM.

Weights keep to 7 bits: without VNNI FBGEMM's products saturate in 16 bits.
"""

import itertools

import numpy as np
import pytest

from numfmt import gemmlowp
from numfmt.gemmlowp import BiasAddition, RequantizeFloat

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.skipif(
        "fbgemm" not in torch.backends.quantized.supported_engines, reason="torch without FBGEMM"
    ),
    pytest.mark.filterwarnings("ignore"),
]
RNG = np.random.default_rng(13)
M, N, X_ZERO, ZERO = 40, 24, 100, 77


@pytest.fixture(autouse=True)
def fbgemm():
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    yield
    torch.backends.quantized.engine = before


def linear(x, weight, bias, scales, x_zero=X_ZERO):
    codes, per_channel = torch.from_numpy(weight), scales[1].ndim
    make = (
        torch._make_per_channel_quantized_tensor if per_channel else torch._make_per_tensor_quantized_tensor
    )
    own = (
        (torch.from_numpy(scales[1].astype(np.float64)), torch.zeros(N, dtype=torch.long), 0)
        if per_channel
        else (float(scales[1]), 0)
    )
    packed = torch.ops.quantized.linear_prepack(make(codes, *own), bias)
    given = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x), float(scales[0]), x_zero)
    return torch.ops.quantized.linear(given, packed, float(scales[2]), ZERO).int_repr().numpy()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("depth", [1, 64, 500])
def test_linear(depth, per_channel):
    for scale, biased in itertools.product((2.0**-3, 2.0**-9, 0.0371, 1e-4, 3.0, 2.0**20), (False, True)):
        x = RNG.integers(0, 256, (M, depth)).astype(np.uint8)
        weight = RNG.integers(-64, 64, (N, depth)).astype(np.int8)
        w_scale = np.float32(2.0**-5 * RNG.choice([1, 0.5, 0.25], N)) if per_channel else np.float32(2.0**-5)
        scales = np.float32(2.0**-4), w_scale, np.float32(2.0**-9 / scale)
        steps = RNG.integers(-1000, 1000, N) * biased
        bias = torch.from_numpy((steps * scales[0] * w_scale).astype(np.float32)) if biased else None
        stages = [
            BiasAddition(steps),
            RequantizeFloat(scales[0] * w_scale / scales[2], ZERO, library="fbgemm"),
        ]
        ours = gemmlowp.run(gemmlowp.gemm(x, weight.T, -X_ZERO), stages)
        theirs = linear(x, weight, bias, scales)
        assert np.array_equal(ours, theirs), f"{scale}: {(ours != theirs).sum()} of {ours.size} differ"


@pytest.mark.parametrize("k", range(8))
def test_sums_past_2_to_the_24_are_float32(k):
    """2**24 + 1 is no float32: the product is a tie there, and none in real numbers."""
    x, weight = np.full((1, 1046), 255, np.uint8), np.full((N, 1046), 63, np.int8)
    x[0, 1045], weight[:, 1044], weight[:, 1045] = 2, 21, 1
    accumulators = gemmlowp.gemm(x, weight.T)
    assert (accumulators == 2**24 + 1).all()
    scales = np.float32(1), np.float32((k + 0.5) * 2.0**-24), np.float32(1)
    ours = gemmlowp.run(accumulators, [RequantizeFloat(scales[1], ZERO, library="fbgemm")])
    assert np.array_equal(ours, linear(x, weight, None, scales, x_zero=0))
    assert (ours == ZERO + k + k % 2).all()
