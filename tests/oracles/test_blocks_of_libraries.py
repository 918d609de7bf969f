"""torchao's MX and NVFP4 tensors and compressed-tensors' scales and elements, bit for bit on a CPU."""

import warnings

import numpy as np
import pytest
from blocks.hard_blocks import hard_blocks, tied, with_specials

import numfmt

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch")

COUNT = 100_000
SPECIALS = [np.nan, -np.nan, np.inf, -np.inf]
ELEMENTS = ["e4m3fn", "e5m2", "e2m3fn", "e3m2fn", "e2m1fn"]


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def alike(ours, theirs):
    """Floats by their bits, NaN apart."""
    ours, theirs = np.asarray(ours, np.float32), np.asarray(theirs, np.float32)
    same = (ours.view(np.uint32) == theirs.view(np.uint32)) | (np.isnan(ours) & np.isnan(theirs))
    assert same.all(), f"{(~same).sum()} of {same.size} differ, first at {np.argwhere(~same)[0]}"


def nibbles(packed):
    return np.stack([packed & 15, packed >> 4], -1).reshape(len(packed), -1)


def test_logarithms_beside_powers_of_two():
    """float32's logarithm, which torchao, ModelOpt and microxcaling round, is float64's rounded once."""
    powers = np.ldexp(np.float32(1), np.arange(-126, 128)).view(np.int32)
    x = (powers[:, None] + np.arange(-60, 61)).astype(np.int32).view(np.float32).reshape(-1)
    alike(np.log2(x.astype(float)).astype(np.float32), torch.log2(torch.from_numpy(x)).numpy())


# torchao


@pytest.fixture(scope="module")
def mx_tensor():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")


def torchao_mode(rule):
    from torchao.prototype.mx_formats.config import ScaleCalculationMode

    return ScaleCalculationMode[rule.upper()]


def torchao_dtype(of):
    from torchao.prototype.mx_formats import constants

    return {
        "e4m3fn": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2, "e2m3fn": constants.DTYPE_FP6_E2M3,
        "e3m2fn": constants.DTYPE_FP6_E3M2, "e2m1fn": torch.float4_e2m1fn_x2,
    }[of]  # fmt: skip


@pytest.mark.parametrize("of", ELEMENTS)
@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil"])
def test_torchao_mx(mx_tensor, of, rule):
    x = with_specials(hard_blocks(COUNT, 32), SPECIALS)
    theirs = mx_tensor.MXTensor.to_mx(torch.from_numpy(x), torchao_dtype(of), 32, torchao_mode(rule))
    codes = theirs.qdata.view(torch.uint8).numpy()
    scales = theirs.scale.view(torch.uint8).numpy()
    ours = numfmt.encode(x, f"block[of={of},scale=e8m0fnu,size=32,profile=torchao,rule={rule}]")
    assert np.array_equal(numfmt.encode(ours.scales, "e8m0fnu"), scales)
    known = ~np.isnan(x).any(-1)  # beside NaN torchao leaves codes as they come
    assert np.array_equal(ours.codes[known], (nibbles(codes) if of == "e2m1fn" else codes)[known])
    alike(ours.decode(), theirs.dequantize(torch.float32).numpy())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_torchao_mx_of_other_dtypes(mx_tensor, dtype):
    """bfloat16 is widened there too."""
    x = torch.from_numpy(hard_blocks(5000, 32)).to(getattr(torch, dtype)).float()
    theirs = mx_tensor.MXTensor.to_mx(
        x.to(getattr(torch, dtype)), torch.float8_e4m3fn, 32, torchao_mode("floor")
    )
    alike(numfmt.cast(x.numpy(), "mxfp8[profile=torchao]"), theirs.dequantize(torch.float32).numpy())


def nvfp4_cases(form):
    """Tensors of many magnitudes, with ties of that format's elements."""
    yield with_specials(hard_blocks(1000, 16), SPECIALS[2:])
    yield hard_blocks(COUNT, 16)
    for seed, exponents in enumerate([(-100, -60), (100, 128), *[(-5, 5)] * 8]):
        x = hard_blocks(COUNT // 10, 16, seed, exponents)
        scales = np.asarray(numfmt.encode(x, form).scales).reshape(-1)
        yield tied(x, scales, [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5])


def test_torchao_nvfp4_with_one_level(mx_tensor):
    from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor

    form = "block[of=e2m1fn,scale=e4m3fn,size=16,profile=torchao]"
    for x in nvfp4_cases(form):
        theirs = NVFP4Tensor.to_nvfp4(torch.from_numpy(x), 16)
        ours = numfmt.encode(x, form)
        alike(ours.scales, theirs.scale.float().numpy())
        assert np.array_equal(ours.codes, nibbles(theirs.qdata.numpy()))
        alike(ours.decode(), theirs.dequantize(torch.float32).numpy())


def test_torchao_nvfp4(mx_tensor):
    from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

    for x in nvfp4_cases("nvfp4[profile=torchao]"):
        given = torch.from_numpy(x)
        number = per_tensor_amax_to_scale(given.abs().max())
        theirs = NVFP4Tensor.to_nvfp4(given, 16, number)
        ours = numfmt.encode(x, "nvfp4[profile=torchao]")
        alike(ours.scales.scales, number.numpy())
        alike(numfmt.decode(ours.scales.codes, "e4m3fn"), theirs.scale.float().numpy())
        known = np.isfinite(np.asarray(ours.scales)).all() or ~np.isnan(np.asarray(ours.scales)).reshape(-1)
        assert np.array_equal(ours.codes[known], nibbles(theirs.qdata.numpy())[known])
        alike(ours.decode(), theirs.dequantize(torch.float32).numpy())


# compressed-tensors


@pytest.fixture(scope="module")
def compressed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("compressed_tensors")
        from compressed_tensors import quantization
        from compressed_tensors.quantization.lifecycle import forward
        from compressed_tensors.quantization.utils import helpers

        return quantization.QuantizationArgs, helpers, forward


def test_compressed_tensors_nvfp4(compressed):
    arguments, helpers, forward = compressed
    fp8 = torch.float8_e4m3fn
    how = arguments(
        num_bits=4, type="float", symmetric=True, group_size=16, strategy="tensor_group",
        scale_dtype=fp8, zp_dtype=fp8,
    )  # fmt: skip
    for x in nvfp4_cases("nvfp4[profile=compressed_tensors]"):
        given = torch.from_numpy(x)
        number = helpers.generate_gparam(given.min(), given.max())
        s, _ = helpers.calculate_qparams(given.amin(-1), given.amax(-1), how, global_scale=number)
        q = forward.quantize(given, s.unsqueeze(-1), None, how, global_scale=number)
        values = forward.dequantize(q, s.unsqueeze(-1), args=how, global_scale=number)
        ours = numfmt.encode(x, "nvfp4[profile=compressed_tensors]")
        alike(ours.scales.scales, number.numpy().reshape(()))
        held = numfmt.decode(ours.scales.codes, "e4m3fn").reshape(-1)
        alike(held, s.float().numpy().reshape(-1))
        known = ~(np.isnan(held) | np.isnan(q.numpy()).any(-1))
        alike(numfmt.decode(ours.codes, "e2m1fn")[known], q.numpy()[known])
        alike(ours.decode(), values.numpy())


@pytest.mark.parametrize(("of", "bits"), [("e2m1fn", 4), ("e2m3fn", 6), ("e4m3fn", 8)])
def test_compressed_tensors_mx(compressed, of, bits):
    """Scale FF is infinity there until it is stored."""
    arguments, helpers, forward = compressed
    how = arguments(
        num_bits=bits, type="float", symmetric=True, group_size=32, strategy="group",
        scale_dtype=torch.uint8, zp_dtype=torch.uint8,
    )  # fmt: skip
    x = with_specials(hard_blocks(COUNT, 32), SPECIALS[2:])
    given = torch.from_numpy(x)
    s, _ = helpers.calculate_qparams(given.amin(-1), given.amax(-1), how)
    q = forward.quantize(given, s.unsqueeze(-1), None, how).numpy()
    ours = numfmt.encode(x, f"block[of={of},scale=e8m0fnu,size=32,profile=compressed_tensors]")
    scales = s.numpy().reshape(-1)
    alike(ours.scales.reshape(-1), np.where(np.isinf(scales), np.float32(np.nan), scales))
    known = np.isfinite(scales)
    alike(numfmt.decode(ours.codes, of)[known], q[known])
