"""Profiles of blocks against the libraries' steps written out in NumPy, on hard blocks."""

import numpy as np
import pytest

import numfmt
from numfmt.blocks import nvfp4_steps

from . import library_steps as steps
from .hard_blocks import hard_blocks, tied, with_specials

F4 = np.float32
COUNT = 20_000
TIES = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5]  # of e2m1fn
INFINITIES = [np.inf, -np.inf]
SPECIALS = [np.nan, -np.nan, *INFINITIES]
FP8_TO_FP4 = ("e4m3fn", "e5m2", "e3m2fn", "e2m3fn", "e2m1fn")
TENSORS = [
    (-150, -120),
    (-130, -95),
    (-40, 0),
    (-5, 5),
    (0, 40),
    (90, 128),
    (-150, 128),
]  # exponents of a tensor


def values_alike(ours, theirs):
    """The same float32 words, NaN apart."""
    same = (np.asarray(ours).view(np.uint32) == theirs.view(np.uint32)) | (np.isnan(ours) & np.isnan(theirs))
    assert same.all(), f"{(~same).sum()} of {same.size} differ, first at {np.argwhere(~same)[0]}"


def check(form, x, wanted, rows=1, **keywords):
    """Scales, codes but where the scale is NaN, and values, of blocks of so many whole rows."""
    scales, codes, values = wanted
    array = numfmt.encode(x, form, **keywords)
    values_alike(np.asarray(array.scales).reshape(-1).repeat(rows), scales)
    good = ~np.isnan(scales)
    assert np.array_equal(array.codes[good], codes[good])
    values_alike(array.decode(), np.where(good[:, None], values, F4(np.nan)))
    values_alike(numfmt.cast(x, form, **keywords), array.decode())


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


# One level


def mx(of, profile, rule=None):
    return f"block[of={of},scale=e8m0fnu,size=32,profile={profile}{f',rule={rule}' if rule else ''}]"


def blocks(specials, size=32):
    return with_specials(hard_blocks(COUNT, size), specials)


@pytest.mark.parametrize("of", FP8_TO_FP4)
@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil"])
def test_torchao_mx(of, rule):
    x = blocks(SPECIALS)
    check(mx(of, "torchao", rule), x, steps.torchao_mx(x, of, rule))


def test_torchao_nvfp4_with_one_level():
    x = blocks(SPECIALS, 16)
    check("block[of=e2m1fn,scale=e4m3fn,size=16,profile=torchao]", x, steps.torchao_nvfp4_one_level(x))


@pytest.mark.parametrize("of", ["e4m3fn", "e5m2"])
def test_transformer_engine_mxfp8(of):
    x = blocks(SPECIALS)
    check(mx(of, "transformer_engine"), x, steps.transformer_engine_mx(x, of))


@pytest.mark.parametrize("of", ["e4m3fn", "e5m2"])
def test_transformer_engine_tiles(of):
    x = blocks(SPECIALS, 128)
    check(
        f"block[of={of},scale=f32,size=128,profile=transformer_engine]",
        x,
        steps.transformer_engine_tiles(x, of),
    )


def test_modelopt_mx():
    x = blocks([])
    check(mx("e2m1fn", "modelopt"), x, steps.modelopt_mxfp4(x))
    x = blocks(SPECIALS)
    check(mx("e4m3fn", "modelopt"), x, steps.modelopt_mxfp8(x))


@pytest.mark.parametrize("of", ["e4m3fn", "e2m3fn", "e2m1fn"])
def test_compressed_tensors_mx(of):
    x = blocks(INFINITIES)
    check(mx(of, "compressed_tensors"), x, steps.compressed_tensors_mx(x, of))


@pytest.mark.parametrize("of", [*FP8_TO_FP4, "e1m6fin", "e1m2fin"])
@pytest.mark.parametrize("ties", ["away", "even"])
def test_microxcaling(of, ties):
    x = blocks(SPECIALS)
    quantum = float(numfmt.parse(of).smallest)
    x[:500, 3] = F4(quantum * (0.5 - 2.0**-25)) * (2 * np.abs(x[:500]).max(-1).astype(bool) - 1)
    x[:500, 0] = np.ldexp(F4(1), steps.EMAX[of])
    x[:500, 4:] = 0
    check(mx(of, "microxcaling"), x, steps.microxcaling(x, of, ties), rounding=f"nearest_{ties}")


def test_microxcaling_of_two_s_complement():
    """`mxint8` has one zero; all else is as with a sign."""
    x = blocks([])
    ours = numfmt.encode(x, "mxint8[profile=microxcaling]").decode()
    assert np.array_equal(ours, steps.microxcaling(x, "e1m6fin")[2], equal_nan=True)


@pytest.mark.parametrize("powers", [False, True])
@pytest.mark.parametrize("profile", ["deepseek_v3", "deepseek_v3.2"])
def test_deepseek(profile, powers):
    x = blocks([], 128)
    oracle = {"deepseek_v3": steps.deepseek_v3, "deepseek_v3.2": steps.deepseek_v3_2}[profile]
    form = f"block[of=e4m3fn,scale={'e8m0fnu' if powers else 'f32'},size=128,profile={profile}]"
    check(form, x, oracle(x, powers))


@pytest.mark.parametrize("of", ["e4m3fn", "e2m1fn"])
@pytest.mark.parametrize("powers", [False, True])
def test_deepgemm(of, powers):
    x = blocks([*INFINITIES, *([np.nan, -np.nan] if of == "e4m3fn" or not powers else [])], 128)
    form = f"block[of={of},scale={'e8m0fnu' if powers else 'f32'},size=128,profile=deepgemm]"
    check(form, x, steps.deepgemm(x, of, powers))


# Two levels


def tensors(specials=()):
    """Some with ties under the scales of a profile that divides by them."""
    for seed, exponents in enumerate(TENSORS):
        x = hard_blocks(COUNT // 4, 16, seed, exponents)
        yield x
        yield tied(x, np.asarray(numfmt.encode(x, "nvfp4[profile=modelopt]").scales).reshape(-1), TIES)
        if specials:
            yield with_specials(x, specials)
    yield np.zeros((3, 16), F4)


def number_holds(x):
    """Where the reciprocal of the tensor's number is finite, so that 0 times it is 0."""
    return np.isfinite(F4(1) / (np.abs(x).max() / F4(2688)))


def test_torchao_nvfp4():
    for x in tensors(INFINITIES):
        wanted = steps.torchao_nvfp4(x, np.abs(x).max())
        if number_holds(x):
            check("nvfp4[profile=torchao]", x, wanted)


def test_torchao_nvfp4_of_a_tiny_tensor():
    """fl32(1 / number) is infinite, and 0 times that NaN, whose code in torchao is that of -1.5 or 1.5 by the
    sign of NaN: here it is 0. Other numbers saturate, as there."""
    x = F4([[1e-39, -1e-40, 0, 0]])
    assert not number_holds(x)
    assert numfmt.encode(x, "nvfp4[profile=torchao]").codes.tolist() == [[7, 15, 0, 0]]


@pytest.mark.parametrize("profile", ["torchao", "modelopt"])
def test_a_tensor_of_zeros_is_nan_as_in_the_library(profile):
    """Its scales are 0/0 there."""
    form = f"nvfp4[profile={profile}]"
    assert np.isnan(numfmt.cast(np.zeros(32, F4), form)).all()
    assert np.isnan(numfmt.encode(np.zeros(32, F4), form).decode()).all()


@pytest.mark.parametrize("profile", ["torchao", "modelopt", "compressed_tensors"])
def test_infinity_takes_a_tensor_of_two_levels(profile):
    x = np.ones((2, 32), F4)
    x[1, 4] = np.inf
    assert np.isnan(numfmt.cast(x, f"nvfp4[profile={profile}]")).all()


def test_transformer_engine_nvfp4():
    for x in tensors(INFINITIES):
        check("nvfp4", x, steps.transformer_engine_nvfp4(x, np.abs(x).max()))


def test_transformer_engine_nvfp4_leaves_nan_out():
    for x in tensors():
        y = with_specials(x, [np.nan, -np.nan])
        scales, codes, values = steps.transformer_engine_nvfp4(y, steps.known_absmax(y).max())
        bad = np.isnan(y)
        wanted = scales, np.where(bad, 7, codes), np.where(bad, F4(6) * scales[:, None], values)
        if bad.any():
            check("nvfp4", y, wanted, nan="max")


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("bound", [256, 448])
def test_four_over_six(bound, squared):
    profile = "4over6" + "_448" * (bound == 448) + "_mse" * squared
    for x in tensors(INFINITIES):
        check(f"nvfp4[profile={profile}]", x, steps.four_over_six(x, np.abs(x).max(), bound, squared))


@pytest.mark.parametrize("form", ["nvfp4[profile=4over6]", "nvfp4_16x16[profile=4over6]"])
@pytest.mark.parametrize("shape", [(50, 40), (3, 50, 40), (40,), (2, 3, 0), ()])
def test_four_over_six_piece_by_piece(form, shape, monkeypatch):
    x = hard_blocks(1, 6000, exponents=(-3, 3)).reshape(-1)[: int(np.prod(shape))].reshape(shape)
    tiled = "16x16" in form
    for axis in () if tiled and x.ndim < 2 else (None,) if tiled or not shape else range(x.ndim):
        whole = numfmt.encode(x, form, axis=axis)
        monkeypatch.setattr(nvfp4_steps, "PIECE", 64)
        assert np.array_equal(numfmt.encode(x, form, axis=axis).scales.codes, whole.scales.codes)
        monkeypatch.undo()


@pytest.mark.parametrize("profile", ["4over6", "4over6_448_mse", "transformer_engine"])
def test_tiles_of_nvfp4(profile):
    for x in tensors(INFINITIES):
        x = x[: len(x) // 16 * 16]
        peak, form = np.abs(x).max(initial=0), f"nvfp4_16x16[profile={profile}]"
        if profile == "transformer_engine":
            wide = np.abs(x.reshape(-1, 256)).max(-1).repeat(16)
            scales, codes, values = steps.transformer_engine_nvfp4(np.c_[x, wide], peak)
            wanted = scales, codes[:, :16], values[:, :16]
        else:
            bound, squared = (448, True) if "448" in profile else (256, False)
            wanted = steps.four_over_six(x, peak, bound, squared, rows=16)
        check(form, x, wanted, rows=16)


def test_modelopt_nvfp4():
    for x in tensors(SPECIALS):
        check("nvfp4[profile=modelopt]", x, steps.modelopt_nvfp4(x, np.abs(x).max()))


def test_compressed_tensors_nvfp4():
    for x in tensors(INFINITIES):
        check("nvfp4[profile=compressed_tensors]", x, steps.compressed_tensors_nvfp4(x, np.abs(x).max()))


# Three levels, and shared exponents


def test_hif4():
    x = np.concatenate([hard_blocks(COUNT, 64), hard_blocks(COUNT, 64, 1, (-50, 20))])
    scale, upper, lower, codes, values = steps.hif4(x)
    array = numfmt.encode(x, "hif4")
    held = array.scales.scales
    assert np.array_equal(held.scales.reshape(-1), scale)
    assert np.array_equal(held.codes, upper)
    assert np.array_equal(array.scales.codes, lower)
    assert np.array_equal(array.codes, codes)
    values_alike(array.decode(), values)
    values_alike(numfmt.cast(x, "hif4"), values)


def test_nan_and_infinity_take_a_whole_group_of_hif4():
    x = np.ones((4, 64), F4)
    x[1, 5], x[2, 63] = np.nan, -np.inf
    assert np.isnan(numfmt.cast(x, "hif4")).all(-1).tolist() == [False, True, True, False]
    assert np.isnan(numfmt.encode(x, "hif4").decode()).any(-1).tolist() == [False, True, True, False]


@pytest.mark.parametrize(("form", "bits"), [("mx9", 9), ("mx6", 6), ("mx4", 4)])
def test_shared_microexponents(form, bits):
    x = hard_blocks(COUNT, 16, exponents=(-100, 127))
    values_alike(numfmt.cast(x, f"{form}[profile=hifloat4]"), steps.shared_microexponents(x, bits))
    tied = numfmt.cast(x, form, rounding="nearest_away")
    assert np.array_equal(tied, steps.shared_microexponents(x, bits))
