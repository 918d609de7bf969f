"""Blocks against bitsandbytes itself: its default and CPU backends, 8 and 4 bits, nested scales, its maps."""

import numpy as np
import pytest
from blocks.hard_blocks import hard_blocks, with_specials

import numfmt
from numfmt.formats.codebook_maps import normal_map

torch = pytest.importorskip("torch")
pytest.importorskip("bitsandbytes", minversion="0.50")
from bitsandbytes import functional  # noqa: E402

F4 = np.float32
OPS = torch.ops.bitsandbytes
DEFAULT = torch._C.DispatchKey.CompositeExplicitAutograd  # the backend of devices without one of their own


def words(x):
    x = np.asarray(x, F4)
    return np.where(np.isnan(x), F4(np.nan), x).view(np.uint32)


def inputs(size):
    """Hard blocks with NaN and infinities in some; ragged, short, of zeros, of subnormals, with two axes."""
    hard = hard_blocks(200, size)
    yield with_specials(hard, (np.nan, np.inf, -np.inf)).reshape(-1)
    yield hard.reshape(-1)[:-5]
    rng = np.random.default_rng(1)
    yield F4(rng.standard_normal(40 * size + 7))
    yield F4(rng.standard_normal(2 * size + 2) * 1e-39)
    yield np.zeros(2 * size + 3, F4)
    yield F4(rng.standard_normal((17, 33)))


def as_the_library(form, x, codes, absmax, size):
    array = form.encode(x)
    assert np.array_equal(words(array.scales), words(absmax))
    assert np.array_equal(array.codes.reshape(-1), codes)
    with np.errstate(all="ignore"):
        values = F4(form.of.table)[codes] * np.repeat(absmax, size)[: codes.size]
    assert np.array_equal(words(array.decode().reshape(-1)), words(values))


def backend(op, key, *given):
    return op(*given) if key is None else op._op_dk(key, *given)


@pytest.mark.parametrize("size", [64, 256, 4096])
@pytest.mark.parametrize("of", ["dyn8", "dyn8u", "linear8", "linear8u", "e4m3_bnb", "e5m2_bnb"])
@pytest.mark.parametrize(("profile", "key"), [("bitsandbytes", DEFAULT), ("bitsandbytes_cpu", None)])
def test_eight_bits(of, size, profile, key):
    form = numfmt.parse(f"bnb8[of={of},size={size},profile={profile}]")
    code = torch.from_numpy(F4(form.of.table))
    for x in inputs(size):
        codes, absmax = backend(OPS.quantize_blockwise.default, key, torch.from_numpy(x), code, size)
        as_the_library(form, x, codes.numpy().reshape(-1), absmax.numpy(), size)


@pytest.mark.parametrize("profile", ["bitsandbytes", "bitsandbytes_cpu"])
def test_eight_bits_are_decoded_alike(profile):
    form = numfmt.parse(f"bnb8[size=64,profile={profile}]")
    array, code = form.encode(hard_blocks(50, 64)), torch.from_numpy(F4(form.of.table))
    key = DEFAULT if profile == "bitsandbytes" else None
    for dtype, wanted in ((torch.float32, F4), (torch.float16, np.float16)):
        op, given = OPS.dequantize_blockwise.default, map(torch.from_numpy, (array.codes, array.scales))
        found = backend(op, key, *given, code, 64, dtype).numpy()
        with np.errstate(over="ignore"):
            assert np.array_equal(found, array.decode(wanted))


@pytest.mark.parametrize("size", [32, 64, 4096])
@pytest.mark.parametrize(("kind", "name"), [("nf4", "bnb_nf4"), ("fp4", "bnb_fp4")])
def test_four_bits(kind, name, size):
    form = numfmt.parse(f"{name}[size={size}]")
    for x in inputs(size):
        raw, absmax = OPS.quantize_4bit(torch.from_numpy(x), size, kind, torch.uint8)
        codes = numfmt.unpack(raw.numpy().reshape(-1), 4, x.size, order="big")
        as_the_library(form, x, codes, absmax.numpy(), size)


def test_four_bits_are_decoded_alike():
    x = hard_blocks(4, 64, exponents=(-20, 20))
    for kind, name in (("nf4", "bnb_nf4"), ("fp4", "bnb_fp4")):
        raw, state = functional.quantize_4bit(torch.from_numpy(x), blocksize=64, quant_type=kind)
        assert np.array_equal(functional.dequantize_4bit(raw, state).numpy(), numfmt.cast(x, name))


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_nested_scales(kind):
    """Of whose mean the sum is exact in float32, in any order; the library codes scales on the CPU's backend here."""
    rng = np.random.default_rng(2)
    x = F4(rng.integers(-64, 64, 64 * 1000)) / F4(64)
    raw, state = functional.quantize_4bit(
        torch.from_numpy(x), blocksize=64, quant_type=kind, compress_statistics=True
    )
    array = numfmt.encode(x, f"bnb_{kind}[nested]")
    packed = numfmt.pack(array.codes, 4, order="big")
    assert packed.tobytes() == raw.numpy().tobytes()
    assert array.scales.offset == state.offset.item()
    rest = array.scales.format.encode  # the steps after the mean, of either backend
    for profile, key in (("bitsandbytes", DEFAULT), ("bitsandbytes_cpu", None)):
        absmax = numfmt.encode(x, f"bnb_{kind}").scales - array.scales.offset
        code = torch.from_numpy(F4(numfmt.parse("dyn8").table))
        codes, scales = backend(OPS.quantize_blockwise.default, key, torch.from_numpy(absmax), code, 256)
        found = numfmt.encode(absmax, f"bnb8[size=256,profile={profile}]")
        assert np.array_equal(found.codes, codes.numpy())
        assert np.array_equal(found.scales, scales.numpy())
        if profile == "bitsandbytes":
            assert np.array_equal(rest(absmax + array.scales.offset).codes, codes.numpy())


def test_a_nested_state_is_decoded_alike():
    x = F4(np.random.default_rng(3).standard_normal((64, 128)))
    raw, state = functional.quantize_4bit(
        torch.from_numpy(x), blocksize=64, quant_type="nf4", compress_statistics=True
    )
    form = numfmt.parse("bnb_nf4[nested]")
    held = numfmt.blocks.BlockArray(
        state.absmax.numpy(), state.state2.absmax.numpy(), None, form.scale, F4(state.offset.numpy())
    )
    codes = numfmt.unpack(raw.numpy().reshape(-1), 4, x.size, order="big").reshape(x.shape)
    array = numfmt.blocks.BlockArray(codes, held, None, form)
    assert np.array_equal(array.decode(), functional.dequantize_4bit(raw, state).numpy())


@pytest.mark.parametrize("bits", range(3, 9))
def test_maps_of_floats(bits):
    for signed, letter in ((True, ""), (False, "u")):
        for exponents in range(1, bits - signed + 1):
            fractions = bits - signed - exponents
            if exponents > 7:
                continue
            theirs = functional.create_fp8_map(signed, exponents, fractions, bits).numpy()
            ours = F4(numfmt.parse(f"{letter}e{exponents}m{fractions}_bnb").table)
            assert np.array_equal(np.unique(theirs), np.unique(ours))
            assert ours.size == 1 << bits
            if bits == 8:
                assert np.array_equal(theirs, ours)


def test_normal_maps():
    pytest.importorskip("scipy")
    for extra in (True, False):
        theirs = functional.create_normal_map(use_extra_value=extra).tolist()
        assert theirs == list(normal_map(extra).table)
