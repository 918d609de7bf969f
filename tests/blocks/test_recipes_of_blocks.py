"""Every recipe equals its composed spelling; specs of all profiles and rules are read back as they were."""

from contextlib import suppress

import numpy as np
import pytest

import numfmt
from numfmt import SpecError, registry
from numfmt.blocks import BLOCK_PROFILES, RULES, Block
from numfmt.blocks.block import without_profile

from .hard_blocks import hard_blocks

NAMED = [name for name in registry.RECIPES if isinstance(numfmt.parse(name), Block)]
BLOCKS = [numfmt.parse(spec) for spec in registry.scaled_examples() if isinstance(numfmt.parse(spec), Block)]


def composed(block, inner=False):
    """The spec that says everything; the profile of scales is that which the elements' one brings."""
    size = "x".join(map(str, block.size)) if isinstance(block.size, tuple) else block.size
    scale = composed(block.scale, block.profile.inner) if isinstance(block.scale, Block) else block.scale
    options = {"of": block.of, "scale": scale, "size": size, "axis": block.axis, "rule": block.rule,
               "offset": block.offset}  # fmt: skip
    profile = {} if inner else {"profile": block.profile.name}
    return f"block[{','.join(f'{k}={v}' for k, v in (options | profile).items() if v is not None)}]"


def variants():
    """Every example under every profile and rule that takes it."""
    for block in BLOCKS:
        for name in BLOCK_PROFILES:
            for rule in (None, *RULES):
                with suppress(SpecError):
                    scale = without_profile(block.scale)
                    yield Block(block.of, scale, block.size, block.axis, rule, name, block.offset)


VARIANTS = list(dict.fromkeys(variants()))
READY = [  # rules without a profile have tests of their own
    form for form in VARIANTS
    if form.rule != "given" and (form.profile.name != "default" or form.rule == form.default_rule)
]  # fmt: skip


def words(x):
    return np.asarray(x).view(np.uint32)


def scales_alike(one, other):
    if isinstance(one, numfmt.blocks.BlockArray):
        return np.array_equal(one.codes, other.codes) and scales_alike(one.scales, other.scales)
    return np.array_equal(words(one), words(other))


@pytest.mark.parametrize("name", NAMED)
def test_a_recipe_is_its_composed_spelling(name):
    form, spelled = numfmt.parse(name), numfmt.parse(composed(numfmt.parse(name)))
    assert form == spelled
    assert hash(form) == hash(spelled)
    assert str(spelled) == name


SIZES = {  # elements of a block, bits of an element with its share of the scales of blocks
    "mxfp8_e4m3": (32, 8.25), "mxfp8_e5m2": (32, 8.25), "mxfp6_e3m2": (32, 6.25), "mxfp6_e2m3": (32, 6.25),
    "mxfp4": (32, 4.25), "mxint8": (32, 8.25), "nvfp4": (16, 4.5), "nvfp4_16x16": ((16, 16), 4 + 8 / 256),
    "hif4": (4, 4.5), "mx9": (2, 9), "mx6": (2, 6), "mx4": (2, 4), "flex16+5": (None, 16),
    "deepseek_1x128": (128, 8.25), "deepseek_128x128": ((128, 128), 8 + 32 / 128**2),
    **{f"msfp{n}": (16, n - 8 + 0.5) for n in range(11, 17)},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_sizes_and_bits_of_an_element(name):
    form, shared = numfmt.parse(name), 1e-4  # of what the whole tensor shares
    if name in SIZES:
        assert form.size == SIZES[name][0]
        assert form.bits_per_element((1024, 1024)) == pytest.approx(SIZES[name][1], abs=shared)


def test_each_recipe_of_floats_has_its_size_checked():
    assert set(SIZES) <= set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_their_bits_are_equal(name):
    form = numfmt.parse(name)
    for exponents in ((-150, 128), (-8, 8)):
        x = hard_blocks(64, 256, exponents=exponents)
        one, other = numfmt.encode(x, name), numfmt.encode(x, composed(form))
        assert np.array_equal(one.codes, other.codes)
        assert scales_alike(one.scales, other.scales)
        assert np.array_equal(words(one.decode()), words(other.decode()))
        assert np.array_equal(words(numfmt.cast(x, name)), words(one.decode()))


def test_specs_are_read_back():
    assert len(VARIANTS) > 200
    for form in VARIANTS:
        assert numfmt.parse(str(form)) == form
        assert numfmt.parse(composed(form)) == form


def test_every_profile_takes_some_example_or_the_scales_of_one():
    scales = {form.scale.profile.name for form in VARIANTS if isinstance(form.scale, Block)}
    assert {form.profile.name for form in VARIANTS} | scales >= set(BLOCK_PROFILES)


@pytest.mark.parametrize("form", READY, ids=str)
def test_cast_is_decode_of_encode(form):
    x = hard_blocks(32, 128, exponents=(-20, 20))
    array = form.encode(x)
    assert np.array_equal(words(form.cast(x)), words(array.decode()))
    assert numfmt.parse(str(array.format)) == array.format


@pytest.mark.parametrize("form", [f for f in READY if isinstance(f.size, int) and f.axis is None], ids=str)
def test_blocks_run_along_any_axis(form):
    x = hard_blocks(6, 3 * 160, exponents=(-20, 20)).reshape(6, 3, 160)
    moved = np.moveaxis(x, -1, 1)
    assert np.array_equal(words(form.cast(moved, axis=1)), words(np.moveaxis(form.cast(x), -1, 1)))
    array = form.encode(moved, axis=1)
    assert np.array_equal(words(array.decode()), words(form.cast(moved, axis=1)))


@pytest.mark.parametrize(
    "form", [f for f in READY if f.size and f.rule != "mean" and f.axis != "flat"], ids=str
)
def test_the_last_block_may_be_smaller(form):
    """As if zeros filled it."""
    x = hard_blocks(21, 150, exponents=(-20, 20))
    whole = np.zeros((128, 256), np.float32)
    whole[:21, :150] = x
    keywords = {} if form.axis is None else {"axis": form.axis}
    assert np.array_equal(words(form.cast(x, **keywords)), words(form.cast(whole, **keywords)[:21, :150]))


def test_formats_of_scales_are_read_back():
    for form in VARIANTS:
        if isinstance(form.scale, Block):
            assert numfmt.parse(str(form.scale)) == form.scale


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nvfp4[rule=mse]", "profile=transformer_engine has its own rule, absmax; got mse"),
        (
            "mxfp4[profile=torchao,rule=mean]",
            "profile=torchao has its own rule, floor or ceil or even or rceil",
        ),
        ("mxfp4[profile=transformer_engine]", "profile=transformer_engine has of=e4m3fn or e5m2"),
        ("mxfp8_e5m2[profile=compressed_tensors]", "got of=e5m2 with scale=e8m0fnu"),
        ("nvfp4[profile=microxcaling]", "got of=e2m1fn with scale=block"),
        ("mxfp4[profile=torch_ao]", "Did you mean 'torchao'"),
        (
            "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32,profile=global_scale],size=16,profile=torchao]",
            "profile=torchao has its own profile of scales, amax_scale",
        ),
    ],
)
def test_what_a_profile_does_not_have(spec, message):
    with pytest.raises(SpecError, match=message):
        numfmt.parse(spec)


# NaN and infinity


def row(special):
    x = np.ones((2, 64), np.float32)
    x[0, 3] = special
    return x


NUMBERS_FOR_NAN = (
    "deepgemm", "compressed_tensors", "bitsandbytes_cpu", "bitsandbytes_cpu_049", "bitsandbytes_cuda"
)  # fmt: skip


@pytest.mark.parametrize("form", [f for f in READY if f.size], ids=str)
def test_nan_is_a_nan_or_refused(form):
    """A profile that has a place for NaN gives it, but for `deepgemm`, whose scales are never NaN where they
    are powers of two, and for searches in which NaN compares as less than all; others refuse it unless `nan=` says what to take."""
    if isinstance(form.size, tuple):
        return
    if form.takes_nan:
        values = form.encode(row(np.nan)).decode()
        assert np.isnan(values[0, 3]) or form.profile.name in NUMBERS_FOR_NAN
    else:
        with pytest.raises(numfmt.RangeError, match=r"1 of 128 values is NaN|1 of .* NaN"):
            form.encode(row(np.nan))
    assert np.isfinite(form.cast(row(np.nan), nan=2.0)).all()
    assert np.isfinite(form.cast(row(np.nan), nan="max")).all()


@pytest.mark.parametrize("form", [f for f in READY if not isinstance(f.scale, Block)], ids=str)
def test_blocks_are_apart(form):
    """One level: neither NaN nor infinity in a block changes another."""
    if not isinstance(form.size, int) or form.size > 64 or form.axis == 0 or not form.takes_nan:
        return
    if form.offset:  # which all share
        return
    for special in (np.nan, np.inf):
        assert np.array_equal(form.cast(row(special))[1], form.cast(row(1.0))[1])


@pytest.mark.parametrize(
    ("profile", "apart"),
    [("torchao", False), ("modelopt", False), ("compressed_tensors", False), ("default", False), ("transformer_engine", True)],
)  # fmt: skip
def test_nan_in_a_tensor_of_two_levels(profile, apart):
    """`transformer_engine` leaves NaN out; compressed-tensors takes 1 for the number of the tensor; the
    others make all of it NaN."""
    form = numfmt.parse(f"nvfp4[profile={profile}]")
    values = form.cast(row(np.nan), nan="max" if apart else None)
    if apart:
        assert np.array_equal(values[1], form.cast(row(1.0))[1])
    elif profile == "compressed_tensors":
        assert np.isnan(values[0, :16]).all()
        assert np.isfinite(values[1]).all()
    else:
        assert np.isnan(values).all()


def test_compare_takes_every_profile():
    x = row(np.nan)
    table = numfmt.compare(x, READY)
    assert all(r.nonfinite == 1 / 128 for r in table)
