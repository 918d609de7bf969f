"""bitsandbytes' blocks: the library's steps, its compiled sources, vectors, costs, what cannot be had."""

import json
from pathlib import Path

import numpy as np
import pytest

import numfmt
from blocks import bitsandbytes as library
from blocks.hard_blocks import hard_blocks, with_specials
from numfmt.blocks import Block, BlockArray

F4 = np.float32
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "bitsandbytes_vectors.json").read_text())
EIGHT = ["dyn8", "dyn8u", "linear8", "linear8u", "dyn8[profile=default]", "e4m3_bnb", "ue4m4_bnb"]
STEPS = [  # profile, elements, steps
    *(("bitsandbytes", of, library.default) for of in (*EIGHT, "nf4", "fp4_bnb", "af4", "int4_bnb", "dyn5")),
    *(("bitsandbytes_cpu", of, library.cpu) for of in EIGHT),
    *(("bitsandbytes_cpu_049", of, library.cpu_049) for of in EIGHT),
    *(("bitsandbytes_cuda", of, library.cuda(library.tree)) for of in EIGHT),
    ("bitsandbytes_cuda", "nf4", library.cuda(library.nf4_tree)),
    ("bitsandbytes_cuda", "fp4_bnb", library.cuda(library.fp4_tree)),
]


def table(of):
    return F4(numfmt.parse(of).table)


def spelled(of, profile, size, more=""):
    return f"block[of={of},scale=f32,size={size},axis=flat,profile={profile}{more}]"


def words(x):
    """Float32 words, NaN canonical."""
    return np.where(np.isnan(x), F4(np.nan), x).astype(F4).view(np.uint32)


def near_boundaries(of, size):
    """Blocks that end with 1: values, mid-points and the literals of CUDA, an ulp or two beside each."""
    values = np.unique(table(of))
    near = np.concatenate(
        [values, (values[:-1] + values[1:]) / F4(2), library.NF4_CUDA, library.FP4_CUDA, F4([0, -0.0])]
    )
    near = np.concatenate([near, -near])
    steps = np.arange(-2, 3)[:, None]
    x = np.append((near.view(np.int32) + steps).astype(np.int32).view(F4).clip(-1, 1), near)
    x = np.append(x, np.zeros(-x.size % (size - 1), F4)).reshape(-1, size - 1)
    return np.hstack([x, np.ones((len(x), 1), F4)]).reshape(-1)


def inputs(of, size):
    hard = with_specials(hard_blocks(150, size), (np.nan, np.inf, -np.inf)).reshape(-1)
    rng = np.random.default_rng(3)
    yield near_boundaries(of, size)
    yield hard
    yield hard[: 100 * size - 3]
    yield np.zeros(2 * size + 3, F4)
    yield np.full(size + 1, np.nan, F4)
    yield F4(rng.standard_normal(40 * size + 5))
    yield F4(rng.standard_normal(size // 2) * 1e-39)
    yield F4([3.4e38, -1e-45, 2e-45, 0, 1])


@pytest.mark.parametrize("size", [32, 100])
@pytest.mark.parametrize(("profile", "of", "steps"), STEPS)
def test_the_steps_of_the_library(profile, of, steps, size):
    form = numfmt.parse(spelled(of, profile, size))
    for x in inputs(of, size):
        if min(form.of.table) == 0:
            x = np.abs(x)
        with np.errstate(all="ignore"):
            codes, absmax, values = steps(x, table(of), size)
        array = form.encode(x)
        assert np.array_equal(words(array.scales), words(absmax))
        assert np.array_equal(array.codes, codes), np.flatnonzero(array.codes != codes)[:5]
        assert np.array_equal(words(array.decode()), words(values))
        assert np.array_equal(words(form.cast(x)), words(values))


def from_words(text):
    return np.frombuffer(bytes.fromhex(text), ">u4").astype(np.uint32).view(F4)


@pytest.mark.parametrize("case", GOLDEN["searches"], ids=lambda c: f"{c['profile']}-{c['format']}")
def test_searches_of_the_compiled_sources(case):
    x = from_words(GOLDEN["inputs"][case["format"]])
    found = numfmt.encode(x, spelled(case["format"], case["profile"], 64))
    assert (found.scales == 1).all()
    assert found.codes.tobytes() == bytes.fromhex(case["codes"])


@pytest.mark.parametrize("case", GOLDEN["blocks"], ids=lambda c: c["profile"])
def test_blocks_of_the_compiled_sources(case):
    found = numfmt.encode(from_words(case["x"]), spelled(case["format"], case["profile"], case["size"]))
    assert np.array_equal(words(found.scales), words(from_words(case["absmax"])))
    assert found.codes.tobytes() == bytes.fromhex(case["codes"])


# Vectors: a block whose largest magnitude is 1, ties, blocks of zeros, NaN, infinities

X = F4([1, 0, 1e-7, 1e-6, 3e-6, 1e-5, 2e-5, -1e-6, 0.5, -1, -0.9965, 0.996, 0.25, 0.0101, 0.1])
SIGNED = [255, 127, 127, 128, 129, 130, 131, 126, 219, 0, 0, 254, 201, 158, 190]
UNSIGNED = [255, 0, 0, 2, 3, 6, 7, 2, 183, 255, 254, 254, 148, 62, 126]
CPU_SIGNED = [255, 131, 131, 131, 131, 131, 131, 123, *SIGNED[8:]]
CPU_UNSIGNED = [255, 7, 7, 7, 7, 7, 7, 7, *UNSIGNED[8:]]


@pytest.mark.parametrize("times", [1, 8, 2.0**-100, 2.0**100])
@pytest.mark.parametrize(
    ("profile", "signed", "unsigned"),
    [
        ("bitsandbytes", SIGNED, UNSIGNED),
        ("bitsandbytes_cuda", SIGNED, UNSIGNED),
        ("bitsandbytes_cpu", CPU_SIGNED, CPU_UNSIGNED),
    ],
)
def test_a_block(profile, signed, unsigned, times):
    x = X * F4(times)
    assert numfmt.encode(x, f"bnb8[profile={profile}]").codes.tolist() == signed
    assert numfmt.encode(np.abs(x), f"bnb8u[profile={profile}]").codes.tolist() == unsigned


@pytest.mark.parametrize(
    ("x", "down", "even"), [(0x3F7C6666, 253, 254), (0x3E826666, 201, 202), (0x3F7F199A, 254, 254)]
)
def test_ties(x, down, even):
    block = F4([np.uint32(x).view(F4), 1])
    assert numfmt.encode(block, "bnb8").codes[0] == down
    assert numfmt.encode(block, "bnb8[profile=bitsandbytes_cuda]").codes[0] == even


ZEROS = [  # format, code of a zero in a block of zeros
    ("bnb8", 127), ("bnb8u", 0), ("bnb_nf4", 7), ("bnb_fp4", 0), ("bnb8[profile=bitsandbytes_cuda]", 0),
    ("bnb8[profile=bitsandbytes_cpu]", 0), ("bnb8[profile=bitsandbytes_cpu_049]", 0),
    ("bnb_nf4[profile=bitsandbytes_cuda]", 0), ("bnb_fp4[profile=bitsandbytes_cuda]", 0),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "code"), ZEROS)
def test_a_block_of_zeros(spec, code):
    form = numfmt.parse(spec)
    array = form.encode(np.zeros(form.size + 1, F4))
    short = F4(1e-38) if form.profile.name == "bitsandbytes" else 0
    assert (array.codes == code).all()
    assert array.scales.tolist() == [0, short]
    assert not array.decode().any()
    assert np.signbit(array.decode()).all() == (form.of.table[code] < 0)


def test_what_nan_and_infinity_do():
    x = F4([1, np.nan, -0.5, np.inf, 2, -4])
    array = numfmt.encode(x, "bnb8[size=2]")
    assert array.codes.tolist() == [255, 255, 127, 255, numfmt.encode(F4(0.5), "dyn8"), 0]
    assert np.isnan(array.decode()[:3]).all()
    assert array.decode()[3] == np.inf
    for profile in ("bitsandbytes_cpu", "bitsandbytes_cpu_049", "bitsandbytes_cuda"):
        apart = numfmt.encode(x, f"bnb8[size=2,profile={profile}]")
        assert apart.codes[:2].tolist() == [255, 0]
        assert apart.scales.tolist() == [1, np.inf, 4]
    assert np.isfinite(numfmt.cast(x[:3], "bnb8[size=2]", nan=0.25)).all()
    assert numfmt.encode(x[:2], "bnb8[size=2]", nan="min").codes.tolist() == [255, 0]


def test_minus_one_is_no_value_but_up_to_049():
    x = F4([-2, 1])
    assert numfmt.cast(x, "bnb8")[0] == F4(-0.99296874) * F4(2)
    assert numfmt.cast(x, "bnb8[profile=bitsandbytes_cpu_049]")[0] == -2


def test_the_tensor_that_has_no_elements():
    array = numfmt.encode(np.zeros((0, 3), F4), "bnb_nf4")
    assert array.scales.shape == (0,)
    assert array.decode().shape == (0, 3)


# Explicit modes: x over its scale in one float32 division, exact mid-points


@pytest.mark.parametrize(
    "spec", ["bnb8[size=16]", "bnb_nf4[size=16]", "bnb_fp4[size=16,profile=bitsandbytes_cuda]"]
)
def test_a_mode_of_rounding_is_the_table_s(spec):
    form = numfmt.parse(spec)
    x = hard_blocks(50, 16, exponents=(-100, 100)).reshape(-1)
    plain = Block(form.of, "f32", form.size, "flat")
    for mode in ("nearest_even", "toward_zero", "toward_positive"):
        assert np.array_equal(form.encode(x, rounding=mode).codes, plain.encode(x, rounding=mode).codes)
    drawn = form.encode(x[:64], rounding="stochastic", seed=3)
    assert np.array_equal(drawn.codes, plain.encode(x[:64], rounding="stochastic", seed=3).codes)
    with pytest.raises(numfmt.RangeError, match="over the scales"):
        numfmt.encode(F4([-1, 0.5]), "bnb8", overflow="raise")
    with pytest.raises(ValueError, match="noise"):
        form.encode(x, noise=np.zeros(x.shape, np.uint32))


# Dtypes: float32 products, rounded once more


@pytest.mark.parametrize(
    "spec", ["bnb8[size=64]", "bnb_nf4", "bnb_nf4[nested]", "bnb_fp4[profile=bitsandbytes_cuda]"]
)
def test_results_of_other_dtypes_are_the_float32_values(spec):
    x = hard_blocks(60, 64, exponents=(-20, 14))
    array = numfmt.encode(x, spec)
    single = array.decode()
    for dtype in (np.float16, np.float64):
        with np.errstate(over="ignore"):
            assert np.array_equal(array.decode(dtype), single.astype(dtype))
    wide = x.astype(np.float64) * (1 + 2.0**-30)
    narrow = wide.astype(F4)
    assert np.array_equal(numfmt.encode(wide, spec).codes, numfmt.encode(narrow, spec).codes)
    assert np.array_equal(numfmt.cast(wide, spec), numfmt.cast(narrow, spec).astype(np.float64))
    half = x.clip(-60000, 60000).astype(np.float16)
    assert np.array_equal(numfmt.encode(half, spec).codes, numfmt.encode(half.astype(F4), spec).codes)
    assert numfmt.cast(half, spec).dtype == np.float16


def test_blocks_along_an_axis():
    x = hard_blocks(7, 6 * 5, exponents=(-20, 20)).reshape(7, 6, 5)
    across = numfmt.encode(x, "bnb_nf4[size=4]", axis=1)
    lines = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    along = numfmt.encode(lines, "bnb_nf4[size=4,axis=-1]")
    assert across.scales.shape == (7, 2, 5)
    assert np.array_equal(np.moveaxis(across.codes, 1, -1), along.codes)
    for line, codes in zip(lines.reshape(-1, 6), along.codes.reshape(-1, 6), strict=True):
        assert np.array_equal(numfmt.encode(line, "bnb_nf4[size=4]").codes, codes)


# Nested scales


def test_nested_scales_by_hand():
    """Largest magnitudes 1 to 4, whose mean is 2.5: -1.5, -0.5, 0.5 and 1.5 over 1.5 are coded."""
    x = np.repeat(F4([1, 2, 3, 4]), 32)
    array = numfmt.encode(x, "bnb_nf4[size=32,nested]")
    offset, coded = array.scales.offset, array.scales
    assert (offset.dtype, offset.shape, offset) == (F4, (), 2.5)
    assert coded.scales.tolist() == [1.5]
    assert coded.codes.tolist() == numfmt.encode(F4([-1, -1 / 3, 1 / 3, 1]), "dyn8").tolist()
    wanted = F4(numfmt.decode(coded.codes, "dyn8")) * F4(1.5) + F4(2.5)
    assert coded.decode().tolist() == wanted.tolist()
    assert (array.codes == 15).all()
    assert array.decode().tolist() == np.repeat(wanted, 32).tolist()


def test_elements_are_coded_before_their_scales_are_nested():
    x = F4(np.random.default_rng(0).standard_normal(64 * 300))
    plain, nested = numfmt.encode(x, "bnb_nf4"), numfmt.encode(x, "bnb_nf4[nested]")
    assert np.array_equal(plain.codes, nested.codes)
    assert nested.scales.format == numfmt.parse("bnb8[size=256,offset=mean]")
    assert np.abs(nested.scales.decode() - plain.scales).max() > 0
    values = numfmt.decode(nested.codes, "nf4").reshape(-1, 64) * nested.scales.decode()[:, None]
    assert np.array_equal(nested.decode(), values.reshape(-1))


def test_cost_of_nested_scales():
    shape = (4096, 4096)
    assert numfmt.parse("bnb_nf4").bits_per_element(shape) == 4.5
    bits = numfmt.parse("bnb_nf4[nested]").bits_per_element(shape)
    assert bits == pytest.approx(4 + 8 / 64 + 32 / (64 * 256), abs=1e-5)
    assert round(bits - 4, 3) == 0.127
    x = np.ones((64, 256), F4)
    for spec in ("bnb_nf4", "bnb_nf4[nested]", "bnb8[size=256]"):
        assert numfmt.encode(x, spec).bits_per_element == numfmt.parse(spec).bits_per_element(x.shape)


def test_an_offset_is_the_mean():
    x = hard_blocks(9, 40, exponents=(-9, 9))
    array = numfmt.encode(x, "bnb8[size=16,offset=mean]")
    assert array.offset == F4(x.mean(dtype=np.float64))
    rest = numfmt.encode(x - array.offset, "bnb8[size=16]")
    assert np.array_equal(array.codes, rest.codes)
    assert np.array_equal(array.decode(), rest.decode() + array.offset)
    assert np.array_equal(numfmt.cast(x, "bnb8[size=16,offset=mean]"), array.decode())


def test_parts_and_bytes_keep_an_offset(tmp_path):
    x = F4(np.random.default_rng(1).standard_normal((256, 128)))
    array = numfmt.encode(x, "bnb_nf4[nested]")
    assert np.array_equal(array[128:].decode(), array.decode()[128:])
    for suffix in (".npz", ".safetensors"):
        array.save(tmp_path / f"x{suffix}")
        back = BlockArray.load(tmp_path / f"x{suffix}")
        assert back.format == array.format
        assert np.array_equal(back.decode(), array.decode())
        assert back.scales.offset == array.scales.offset


def test_an_offset_belongs_to_the_format():
    codes, scales, form = np.zeros(4, np.uint8), np.ones(1, F4), numfmt.parse("bnb8[offset=mean]")
    with pytest.raises(TypeError, match=r"offset= of 'bnb8.offset=mean.' takes an array of float32"):
        BlockArray(codes, scales, None, form)
    with pytest.raises(TypeError, match="offset= of 'bnb8' is None"):
        BlockArray(codes, scales, None, numfmt.parse("bnb8"), np.zeros((), F4))
    with pytest.raises(TypeError, match="offset= takes an array of float32 and shape"):
        BlockArray(codes, scales, None, form, np.zeros(1, F4))
    values = BlockArray(codes, scales, None, form, np.ones((), F4)).decode()
    assert values.tolist() == [float(F4(1) + numfmt.decode(0, "dyn8"))] * 4


# Errors of known size


FOUR_BITS = {  # N(0, 1), 1024 x 1024: mean absolute and relative error of FP4 and NF4, of bitsandbytes' tests
    32: (0.088925, 0.242443, 0.067746, 0.189726), 64: (0.096543, 0.260125, 0.072798, 0.203339),
    128: (0.102969, 0.275817, 0.076831, 0.215237), 256: (0.108684, 0.289831, 0.080337, 0.226105),
    512: (0.114115, 0.302881, 0.083547, 0.236079), 1024: (0.119333, 0.315000, 0.086610, 0.245370),
    2048: (0.124556, 0.326607, 0.089592, 0.254163), 4096: (0.129536, 0.337169, 0.092547, 0.262473),
}  # fmt: skip
SPREAD = {32: (9.1e-5, 3.3e-4), 4096: (6.12e-4, 1.24e-3)}  # of one run, of FP4, which has the larger one


@pytest.mark.parametrize("size", FOUR_BITS)
def test_errors_of_four_bits(size):
    """Within five standard deviations of one run, taken between those of the ends in the logarithm."""
    x = F4(np.random.default_rng(7).standard_normal((1024, 1024)))
    share = np.log2(size / 32) / 7
    spread = [a ** (1 - share) * b**share for a, b in zip(SPREAD[32], SPREAD[4096], strict=True)]
    for name, wanted in (("bnb_fp4", FOUR_BITS[size][:2]), ("bnb_nf4", FOUR_BITS[size][2:])):
        error = np.abs(numfmt.cast(x, f"{name}[size={size}]") - x)
        found = error.mean(dtype=np.float64), (error / (np.abs(x) + 1e-8)).mean(dtype=np.float64)
        for mean, one, deviation in zip(found, wanted, spread, strict=True):
            assert abs(mean - one) < 5 * deviation


# What cannot be had


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bnb8[of=e4m3fn]", "searches a plain table of numbers, such as dyn8 or nf4, not 'e4m3fn'"),
        ("bnb8[of=nf4[midpoints=float32]]", "searches a plain table of numbers"),
        ("bnb8[of=codebook[values=[0,0.1,1]]]", "searches a table of float32 numbers"),
        ("bnb_nf4[of=dyn8]", r"bnb8\[of=...\] takes any table"),
        ("bnb_nf4[profile=bitsandbytes_cpu]", "searches tables of 256 rising numbers, not 'nf4'"),
        ("bnb_af4[profile=bitsandbytes_cuda]", "searches tables of 256 rising numbers, not 'af4'"),
        ("bnb_nf4[rule=mse]", "has its own rule, absmax; got mse"),
        ("bnb_nf4[nested,rule=given]", "finds nested scales itself"),
        ("bnb8[size=4,block=4]", "block= is another word for size="),
        ("bnb8[size=0]", "size is the number of elements of a block, 1 or more"),
        ("bnb8[offset=median]", "offset is mean, got 'median'"),
        ("block[of=nf4,scale=f16,size=64,profile=bitsandbytes]", "has scales in f32, or nested"),
        ("block[of=nf4,scale=bnb8,size=64,profile=bitsandbytes]", "has scales in f32, or nested"),
        ("block[of=nf4,scale=f32,size=2x2,profile=bitsandbytes]", "no tiles"),
    ],
)
def test_specs_that_are_none(spec, message):
    with pytest.raises(numfmt.SpecError, match=message):
        numfmt.parse(spec)


@pytest.mark.parametrize("spec", ["bnb_fp4[size=16,axis=-1]", "bnb8[axis=-1]", "bnb_nf4", "bnb_nf4[nested]"])
def test_a_number_is_a_short_block(spec):
    for x in (0.3, -2.0, 0.0, 1e-42):
        number, row = (numfmt.encode(np.float32(given), spec) for given in (x, [x]))
        assert number.shape == ()
        assert number.codes.tobytes() == row.codes.tobytes()
        assert number.decode().tobytes() == row.decode().tobytes()


def test_given_scales():
    array = numfmt.encode(F4([1, -3, 0.5, 9]), "bnb8[size=2]", scale=[2, 4])
    assert array.scales.tolist() == [2, 4]
    assert array.codes.tolist() == numfmt.encode(F4([0.5, -1, 0.125, 1]), "dyn8").tolist()
    with pytest.raises(ValueError, match="finds its nested scales itself: leave scale= out"):
        numfmt.encode(np.ones(4), "bnb8[nested]", scale=1.0)
    with pytest.raises(ValueError, match=r"scale 0\.0 is zero; a scale is a positive number of 'f32'"):
        numfmt.encode(np.ones(4), "bnb8", scale=0.0)
