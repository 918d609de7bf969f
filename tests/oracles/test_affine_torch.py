"""PyTorch's fake quantization, quantized tensors and observers, and torchao, bit for bit."""

import warnings

import numpy as np
import pytest
from blocks.hard import SCALES, hard_numbers

import numfmt
from numfmt.blocks import PROFILES, Affine, PerAxis

torch = pytest.importorskip("torch")
COUNT = 1 << 17
SPECIALS = np.float32([np.nan, -np.nan, np.inf, -np.inf, 1e18, 9.3e18, -9.3e18, 3e38])
ZEROS = {"int8": (0, 3, -128, 127, -77), "uint8": (0, 3, 255, 128)}
DTYPES = {"int8": "qint8", "uint8": "quint8"}
CASES = [
    pytest.param(spec, scale, zero, id=f"{spec}-{scale:g}-{zero}")
    for spec, zeros in ZEROS.items()
    for scale, zero in zip(SCALES, np.resize(zeros, len(SCALES)).tolist(), strict=True)
]


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # quantized tensors are deprecated
        yield


def block(spec, profile, granularity=None):
    form = numfmt.parse(spec)
    more = {} if granularity is None else {"granularity": granularity}
    return Affine(form, profile=PROFILES[profile], **more)


def numbers(scale, count=COUNT):
    return np.concatenate([SPECIALS, hard_numbers(scale, count)])


def same(ours, theirs):
    assert np.array_equal(ours, theirs), f"{(ours != theirs).sum()} of {ours.size} differ"


def zeros_of(array):
    return np.zeros(array.scales.shape) if array.zeros is None else array.zeros


@pytest.mark.parametrize(("spec", "scale", "zero"), CASES)
def test_fake_quantize_per_tensor(spec, scale, zero):
    """Values compare as numbers: torch keeps the sign of a zero, codes have one zero."""
    x = numbers(scale)
    form = block(spec, "torch_fake_quantize")
    theirs = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), scale, zero, *form.codes).numpy()
    ours = form.cast(x, scale=scale, zero=zero)
    same(ours, theirs)
    assert not np.signbit(ours[ours == 0]).any()


@pytest.mark.parametrize(("spec", "scale", "zero"), CASES)
def test_quantize_per_tensor(spec, scale, zero):
    x = numbers(scale)
    theirs = torch.quantize_per_tensor(torch.from_numpy(x), scale, zero, getattr(torch, DTYPES[spec]))
    ours = block(spec, "torch_quantize").encode(x, scale=scale, zero=zero)
    same(ours.codes, theirs.int_repr().numpy())
    same(ours.decode(), theirs.dequantize().numpy())


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("spec", ZEROS)
def test_per_channel(spec, axis):
    scales = np.float32(SCALES[:8])
    zeros = np.resize(ZEROS[spec], 8).astype(np.int32)
    rows = np.stack([numbers(s, 5992) for s in scales])
    x = np.ascontiguousarray(np.moveaxis(rows.reshape(8, 60, 100), 0, axis))
    given, s, z = torch.from_numpy(x), torch.from_numpy(scales), torch.from_numpy(zeros)
    options = {"scale": scales, "zero": zeros, "axis": axis}
    fake = block(spec, "torch_fake_quantize")
    theirs = torch.fake_quantize_per_channel_affine(given, s, z, axis, *fake.codes).numpy()
    same(fake.cast(x, **options), theirs)
    quantized = torch.quantize_per_channel(given, s, z, axis, getattr(torch, DTYPES[spec]))
    ours = block(spec, "torch_quantize").encode(x, **options)
    same(ours.codes, quantized.int_repr().numpy())
    same(ours.decode(), quantized.dequantize().numpy())


@pytest.mark.parametrize("spec", ZEROS)
@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_observers(spec, scheme, axis):
    from torch.ao.quantization.observer import MinMaxObserver, PerChannelMinMaxObserver

    for x in (spread(), np.abs(spread()), -np.abs(spread()), np.zeros((16, 24), np.float32)):
        kind = getattr(torch, f"per_{'tensor' if axis is None else 'channel'}_{scheme}")
        dtype = getattr(torch, DTYPES[spec])
        chosen = {"dtype": dtype, "qscheme": kind}
        observer = (
            MinMaxObserver(**chosen) if axis is None else PerChannelMinMaxObserver(ch_axis=axis, **chosen)
        )
        observer(torch.from_numpy(x))
        scale, zero = (t.numpy() for t in observer.calculate_qparams())
        calibrate = "minmax" if scheme == "affine" else "absmax"
        granularity = {} if axis is None else {"granularity": PerAxis(axis)}
        form = Affine(
            numfmt.parse(spec), calibrate=calibrate, profile=PROFILES["torch_quantize"], **granularity
        )
        ours = form.encode(x)
        same(ours.scales.reshape(-1), scale.astype(np.float32).reshape(-1))
        same(zeros_of(ours).reshape(-1), zero.reshape(-1))


def spread():
    rng = np.random.default_rng(5)
    sizes = 10.0 ** rng.integers(-9, 9, (16, 1))
    return (rng.standard_normal((16, 24)) * sizes).astype(np.float32)


@pytest.mark.parametrize("mapping", ["SYMMETRIC", "ASYMMETRIC"])
@pytest.mark.parametrize("spec", ["int8", "uint8"])
def test_torchao(spec, mapping):
    """Groups of 32 along the last axis. NaN is left out: torchao converts it to an integer."""
    primitives = pytest.importorskip("torchao.quantization.quant_primitives")
    for seed in range(46):
        x = np.concatenate([hard_numbers(s, 2048, seed=seed) for s in SCALES]).reshape(-1, 64)
        x = np.clip(x, -1e30, 1e30)
        dtype, group = getattr(torch, spec), [1, 32]
        given = torch.from_numpy(x)
        scale, zero = primitives.choose_qparams_affine(
            given, getattr(primitives.MappingType, mapping), group, dtype
        )
        codes = primitives.quantize_affine(given, group, scale, zero, dtype)
        values = primitives.dequantize_affine(codes, group, scale, zero, dtype)
        calibrate = "minmax" if mapping == "ASYMMETRIC" else "absmax"
        ours = numfmt.parse(f"{spec}[size=32,axis=-1,calibrate={calibrate},profile=torchao]").encode(x)
        same(ours.scales, scale.numpy().reshape(ours.scales.shape))
        same(zeros_of(ours), zero.numpy().reshape(ours.scales.shape))
        same(ours.codes, codes.numpy())
        same(ours.decode(), values.numpy())
