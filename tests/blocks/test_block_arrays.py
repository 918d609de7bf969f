"""What can be done with an array in a scaled format: parts, other formats, its size."""

import itertools
import re
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

import numfmt
from blocks.sampled import FORMATS, encoded, fields, numbers, same
from numfmt.blocks import Affine, BlockArray, Groups, PerAxis, PerTensor, Tiles
from numfmt.blocks.indexing import block_sizes

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "numfmt-hypothesis")  # not into the sources

F4 = np.float32
NVFP4_LIKE = "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16]"


# Parts


def shapes():
    """Up to three axes, and so few elements that the slowest rule takes no time."""
    return st.lists(st.integers(0, 40), max_size=3).map(tuple).filter(lambda shape: np.prod(shape) <= 3000)


@st.composite
def slices(draw, n, size):
    """A slice of an axis of n elements; mostly of whole blocks."""
    whole = draw(st.integers(0, 3))
    ends = st.one_of(st.none(), st.integers(-n - 2, n + 2))
    if whole and size > 1:
        ends = st.one_of(st.none(), st.integers(0, n // size + 1).map(lambda k: k * size))
    step = draw(st.sampled_from([None, 1] if whole and size > 1 else [None, 1, 2, -1, -3]))
    return slice(draw(ends), draw(ends), step)


@st.composite
def indices(draw, shape, sizes):
    """A basic index of an array with blocks of these sizes along some axes."""
    picks = []
    for axis, n in enumerate(shape):
        choices = [st.just(slice(None)), slices(n, sizes.get(axis, 1))]
        if n and (axis not in sizes or draw(st.integers(0, 9)) == 0):
            choices.append(st.integers(-n, n - 1))
        picks.append(draw(st.one_of(choices)))
    at = draw(st.integers(0, len(picks)))
    stop = at
    while stop < len(picks) and picks[stop] == slice(None):
        stop += 1
    if draw(st.booleans()):
        picks[at:stop] = [Ellipsis]
    return picks[0] if len(picks) == 1 and draw(st.booleans()) else tuple(picks)


def keeps_blocks(index, shape, sizes):
    """Whether each blocked axis keeps a run of whole blocks."""
    picks = index if isinstance(index, tuple) else (index,)
    if Ellipsis in picks:
        at = picks.index(Ellipsis)
        picks = (*picks[:at], *[slice(None)] * (len(shape) - len(picks) + 1), *picks[at + 1 :])
    for axis, size in sizes.items():
        if not isinstance(picks[axis], slice):
            return False
        places = list(range(shape[axis]))
        blocks = [places[start : start + size] for start in places[::size]]
        runs = [
            [*itertools.chain(*blocks[i:j])]
            for i in range(len(blocks))
            for j in range(i + 1, len(blocks) + 1)
        ]
        if places[picks[axis]] not in ([], *runs):
            return False
    return True


def encodable(spec, shape, seed=0):
    try:
        return encoded(spec, shape, seed)
    except ValueError as error:
        assume("ax" not in str(error))  # no such axis, or too few for tiles
        raise


@given(st.data(), st.sampled_from(FORMATS), shapes())
@settings(max_examples=200, deadline=None)
def test_a_part_has_the_values_of_the_part(data, spec, shape):
    """Bit for bit, with a format that its spec says, and again in parts."""
    array = encodable(spec, shape)
    sizes = block_sizes(array)
    index = data.draw(indices(shape, sizes))
    if not keeps_blocks(index, shape, sizes):
        with pytest.raises(ValueError, match=r"axis \d lies in blocks of \d+ elements"):
            array[index]
        return
    part = array[index]
    assert same(part.decode(), np.asarray(array.decode()[index]))
    assert numfmt.parse(str(part.format)) == part.format
    assert fields(part[...]) == fields(part)


@pytest.mark.parametrize("spec", FORMATS)
def test_no_index_leaves_all_as_it_is(spec):
    array = encoded(spec, (4, 6, 32))
    whole = array[:, ..., :]
    assert fields(whole) == fields(array)
    assert whole.codes.base is not None
    assert np.shares_memory(whole.codes, array.codes)


SINGLE_LEVEL = [
    ("int8[axis=0]", np.s_[3]),
    ("int8[axis=0]", np.s_[1:3]),
    ("uint8[axis=0]", np.s_[3]),
    ("uint8[axis=-1]", np.s_[..., 5]),
    ("int4[size=16,axis=-1]", np.s_[2, :, 16:32]),
    ("int4[size=16,axis=2]", np.s_[2, :, 16:32]),
    ("mxfp4", np.s_[:, 3]),
    ("mxfp8[axis=1]", np.s_[2]),
    ("mxfp4[axis=-2]", np.s_[..., 7]),
    ("deepseek_1x128", np.s_[1, 2]),
    ("block[of=e4m3fn,scale=f32,size=2x4]", np.s_[1, 2:4, 8:]),
    ("block[of=e5m2,scale=bf16,axis=0]", np.s_[3]),
    ("block[of=e4m3fn,scale=f32,size=16,axis=flat]", np.s_[3]),
    ("block[of=e4m3fn,scale=f32,size=16,axis=flat]", np.s_[::-2]),
    ("block[of=e4m3fn,scale=f32,size=16,axis=flat]", np.s_[1:3, :, :0]),
    ("block[of=e4m3fn,scale=f32,size=96,axis=flat]", np.s_[2:]),
]


@pytest.mark.parametrize(("spec", "index"), SINGLE_LEVEL)
def test_a_part_is_what_its_format_makes_of_the_part(spec, index):
    x = numbers((5, 6, 40))
    part = numfmt.parse(spec).encode(x)[index]
    assert fields(part.format.encode(x[index])) == fields(part)


AXES = [  # format, index into (4, 6, 64), format of the part, shape of its scales
    ("int8[axis=1]", np.s_[0], "int8[axis=0]", (6,)),
    ("int8[axis=1]", np.s_[:, :, 0], "int8[axis=1]", (6,)),
    ("int8[axis=-2]", np.s_[0], "int8[axis=-2]", (6,)),
    ("int8[axis=-2]", np.s_[:, :, 0], "int8[axis=-1]", (6,)),
    ("int8[axis=1]", np.s_[:, 1:6:2], "int8[axis=1]", (3,)),
    ("int8[axis=1]", np.s_[:, -1], "int8[calibrate=absmax]", ()),
    ("uint8[axis=1]", np.s_[0, 5, 0], "uint8[calibrate=minmax]", ()),
    ("uint8[axis=1,calibrate=percentile]", np.s_[:, 0], "uint8[calibrate=percentile]", ()),
    ("int8[scale=0.5,zero=3]", np.s_[0, 5, 0], "int8[scale=0.5,zero=3]", ()),
    ("int8[scale=0.5,axis=1]", np.s_[:, 0], "int8[scale=0.5]", ()),
    ("int4[size=3,axis=1]", np.s_[0, :, ::-1], "int4[size=3,axis=0]", (2, 64)),
    ("int4[size=3,axis=-2]", np.s_[:, 3:, 0], "int4[size=3,axis=-1]", (4, 1)),
    ("mxfp4", np.s_[0, 1, 32:], "mxfp4", (1,)),
    ("mxfp4[axis=2]", np.s_[0, 1, 32:], "mxfp4[axis=0]", (1,)),
    ("mxfp4[axis=-2]", np.s_[0, :, ::2], "mxfp4[axis=-2]", (1, 32)),
    ("deepseek_128x128", np.s_[0], "deepseek_128x128", (1, 1)),
    ("block[of=e4m3fn,scale=f32,size=2x16]", np.s_[::2, 2:, :32], None, (2, 2, 2)),
    ("flex16+5[axis=1]", np.s_[:, 0], "flex16+5", ()),
    (NVFP4_LIKE, np.s_[0, ::2, 16:], NVFP4_LIKE, (3, 3)),
    ("mx9", np.s_[0, ::2, 16:], "mx9", (3, 24)),
    ("mxfp4[axis=flat]", np.s_[::-3], "mxfp4[axis=flat]", (24,)),
    ("mxfp4[axis=flat]", np.s_[-1], "mxfp4[axis=flat]", (12,)),
    ("block[of=int8,scale=f32,size=512,axis=flat]", np.s_[:0], None, (0,)),
]


@pytest.mark.parametrize(("spec", "index", "expected", "scale_shape"), AXES)
def test_what_becomes_of_the_axis(spec, index, expected, scale_shape):
    part = encoded(spec, (4, 6, 64))[index]
    assert part.format == numfmt.parse(expected or spec)
    assert part.scales.shape == scale_shape


@pytest.mark.parametrize("index", [np.s_[1], np.s_[1:], np.s_[:3], np.s_[:, 1:], np.s_[..., 0]])
def test_a_part_of_a_run_is_refused(index):
    """Rows of 384 elements, four of which are three runs of 512."""
    with pytest.raises(ValueError, match=r"axis \d lies in blocks of \d+ elements"):
        encoded("block[of=int8,scale=f32,size=512,axis=flat]", (6, 6, 64))[index]


def test_runs_go_through_all_axes():
    """Whatever the axes, the scales and codes are those of the flattened array."""
    form, x = numfmt.parse("block[of=e4m3fn,scale=f32,size=7,axis=flat]"), numbers((3, 4, 5))
    array, flat = form.encode(x), form.encode(x.reshape(-1))
    assert array.scales.shape == (9,)
    assert np.array_equal(array.scales, np.abs(np.append(x, F4([0] * 3)).reshape(9, 7)).max(axis=1) / F4(448))
    assert same(array.codes.reshape(-1), flat.codes)
    assert same(
        form.encode(x, axis=1).codes, numfmt.encode(x, "block[of=e4m3fn,scale=f32,size=7,axis=1]").codes
    )
    assert form.encode(F4(3.0)).scales.tolist() == [F4(3.0) / F4(448)]


def test_axes_of_scales_in_blocks_are_counted_anew():
    """Those that a spec names, and those that follow the axis of the elements."""
    spec = "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32,axis=0],size=16,axis=2]"
    array = encoded(spec, (4, 6, 64))
    assert str(array[1:3].format) == spec
    assert str(array[1].format) == "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16,axis=1]"
    assert str(array[1].scales.format) == "block[of=e4m3fn,scale=f32]"
    assert array[:, 1].format == numfmt.parse(spec.replace("axis=2", "axis=1"))
    rows = encoded("mx9[axis=1]", (4, 32, 3))
    assert (str(rows[0].format), str(rows[0].scales.format.axis)) == ("mx9[axis=0]", "0")
    assert rows[0].format.format_of_scales(rows[0].scales.shape) == rows[0].scales.format


def test_flexpoint_along_an_axis_has_a_spec():
    array = numfmt.encode(numbers((2, 3)), "flex8+4", axis=-1)
    assert numfmt.parse(str(array.format)) == array.format
    assert numfmt.parse("flex8+4[axis=-1]").encode(numbers((2, 3))).scales.shape == (3,)


def test_scales_and_zero_points_given_with_the_call():
    x = numbers((3, 5))
    scales, zeros = np.float32([0.5, 0.25, 0.125]), np.int8([1, -2, 3])
    array = numfmt.encode(x, "int8", scale=scales, zero=zeros, axis=0)
    assert array[1].scales == np.float32(0.25)
    assert array[1].zeros == -2
    assert array[1].zeros.dtype == np.int8
    assert array[::-1].scales.tolist() == [0.125, 0.25, 0.5]
    assert array[::-1].zeros.tolist() == [3, -2, 1]
    assert same(array[1].decode(), array.decode()[1])


def test_parts_hold_no_scales_of_others():
    array = encoded("int8[axis=0]", (4, 5))
    assert not np.shares_memory(array[1:].scales, array.scales)
    assert array[1:].scales.flags.writeable
    assert array[::2].scales.flags.c_contiguous


def test_blocks_of_tensors_without_axes():
    array = encoded("mxfp4", ())
    assert fields(array[()]) == fields(array[...]) == fields(array)
    with pytest.raises(IndexError, match=r"shape \(\) has 0 axes, got 1 indices"):
        array[0]


BAD_INDICES = [
    (np.s_[4], IndexError, "index 4 is out of bounds for axis 0 of 4 elements"),
    (np.s_[:, -7], IndexError, "index -7 is out of bounds for axis 1 of 6 elements"),
    (np.s_[0, 0, :, 0], IndexError, r"an array of shape \(4, 6, 64\) has 3 axes, got 4 indices"),
    (np.s_[..., ...], IndexError, r"got more than one '\.\.\.'"),
    (np.s_[None], TypeError, r"an index takes integers, slices and '\.\.\.', got None; decode\(\) gives an"),
    (np.s_[[0, 1]], TypeError, r"got \[0, 1\]"),
    (np.s_[True], TypeError, "got True"),
    (np.s_[np.array([1])], TypeError, r"got array\(\[1\]\)"),
    (np.s_[1.0], TypeError, "got 1.0"),
    (np.s_["w"], TypeError, "got 'w'"),
    (np.s_[..., 3], ValueError, "axis 2 lies in blocks of 16 elements: .* a slice of whole blocks, got '3'"),
    (np.s_[..., 8:], ValueError, "axis 2 lies in blocks of 16 elements: .* got '8:'"),
    (np.s_[..., :24], ValueError, "blocks of 16 elements: .* got ':24'"),
    (np.s_[..., ::-1], ValueError, "blocks of 16 elements: .* got '::-1'"),
    (np.s_[..., ::2], ValueError, "blocks of 16 elements: .* got '::2'"),
    (np.s_[..., 0:16:16], ValueError, "blocks of 16 elements: .* got '0:16:16'"),
]


@pytest.mark.parametrize(("index", "error", "message"), BAD_INDICES)
def test_bad_indices(index, error, message):
    """mx9: pairs of elements, in sixteens."""
    with pytest.raises(error, match=message):
        encoded("mx9", (4, 6, 64))[index]


def test_scales_in_blocks_of_their_own():
    """Of one scale for each index of an axis, four lie together."""
    array = encoded("block[of=e5m2,scale=block[of=e4m3,scale=e8m0fnu,size=4],axis=1]", (3, 8, 2))
    assert same(array[1, 4:].decode(), array.decode()[1, 4:])
    for index in (np.s_[:, 0], np.s_[:, 2:6], np.s_[:, ::2]):
        with pytest.raises(ValueError, match="axis 1 lies in blocks of 4 elements"):
            array[index]


def test_parts_one_by_one():
    array = encoded("mxfp4", (3, 32))
    assert [part.decode().tolist() for part in array] == array.decode().tolist()
    with pytest.raises(ValueError, match="axis 0 lies in blocks of 32"):
        list(encoded("mxfp4", (64,)))
    with pytest.raises(TypeError, match=r"shape \(\) has no parts"):
        list(encoded("mxfp4", ()))


# Other formats


@pytest.mark.parametrize("spec", ["mxfp8", "int8", "int8[axis=0]", "e4m3fn", "f64"])
@pytest.mark.parametrize("source", ["mxfp4", "uint8[axis=0]", NVFP4_LIKE])
def test_into_another_format(source, spec):
    array = encoded(source, (3, 32))
    found, expected = array.astype(spec), numfmt.encode(array.decode(np.float64), spec)
    if isinstance(found, BlockArray):
        assert fields(found) == fields(expected)
    else:
        assert same(found, expected)


def test_keywords_of_encode():
    array = encoded("mxfp8", (3, 32))
    found = array.astype("int8", scale=[0.5, 1.0, 2.0], axis=0, rounding="toward_zero")
    expected = numfmt.encode(array.decode(), "int8", scale=[0.5, 1.0, 2.0], axis=0, rounding="toward_zero")
    assert fields(found) == fields(expected)


def test_values_are_rounded_once():
    """Elements times scales have more bits than float32, and may lie beyond it."""
    array = encoded("deepseek_1x128", (3, 256))
    scales = array.scales.repeat(128, axis=1)
    elements = numfmt.decode(array.codes, "e4m3fn")
    products = [
        Fraction(float(e)) * Fraction(float(s)) for e, s in zip(elements.flat, scales.flat, strict=True)
    ]
    assert array.astype("f64").view(np.float64).ravel().tolist() == [float(p) for p in products]
    assert any(Fraction(float(v)) != p for v, p in zip(array.decode().flat, products, strict=True))
    huge = BlockArray.unpack((bytes([0x7E]), bytes([254])), "mxfp8", (1,))
    assert (
        huge.astype("bfp8").codes.tolist()
        == encoded("bfp8", (0,)).format.encode([2.0**127 * 448]).codes.tolist()
    )
    assert huge.astype("f64").view(np.float64).tolist() == [2.0**127 * 448]


# Sizes, by hand


SIZES = [  # format, shape, bits an element, bytes in memory
    ("mxfp4", (4, 64), 4 + 8 / 32, 256 + 8 * 4),
    ("mxfp8", (4, 64), 8 + 8 / 32, 256 + 8 * 4),
    ("mxfp6_e2m3", (4, 64), 6 + 8 / 32, 256 + 8 * 4),
    ("mxfp4", (3, 33), 4 + 3 * 2 * 8 / 99, 99 + 6 * 4),  # two blocks a row, one of a sole element
    ("mxfp4[axis=0]", (33, 3), 4 + 2 * 3 * 8 / 99, 99 + 6 * 4),
    ("mx9", (4, 64), 9.0, 256 + 128 + 16 * 4),  # 8 + 1 / 2 + 8 / 16
    ("mx6", (4, 64), 6.0, 256 + 128 + 16 * 4),
    ("mx4", (4, 64), 4.0, 256 + 128 + 16 * 4),
    ("mx9", (17,), 8 + (9 * 1 + 2 * 8) / 17, 17 + 9 + 2 * 4),  # nine pairs, two exponents
    (NVFP4_LIKE, (4, 64), 4.5 + 32 / 256, 256 + 16 + 4),
    (NVFP4_LIKE, (2, 20), 4 + (2 * 2 * 8 + 32) / 40, 40 + 4 + 4),
    ("deepseek_1x128", (2, 256), 8 + 32 / 128, 512 + 4 * 4),
    ("deepseek_128x128", (200, 300), 8 + 2 * 3 * 32 / 60000, 60000 + 6 * 4),
    ("flex16+5", (100,), 16 + 5 / 100, 200 + 4),
    ("int8[axis=0]", (4, 64), 8 + 4 * 32 / 256, 256 + 4 * 4),
    ("uint4[size=16,axis=-1]", (4, 64), 4 + (32 + 4) / 16, 256 + 16 * 4 + 16),
    ("int8[scale=0.5,zero=1]", (10,), 8 + (32 + 8) / 10, 10 + 4 + 1),
    ("block[of=e2m1fn,scale=block[of=e4m3fn,scale=block[of=uint8,scale=f16,size=2],size=2],size=2]",
     (16,), 4 + 8 / 2 + 8 / 4 + 16 / 8, 16 + 8 + 4 + 2 * 4),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "shape", "bits", "nbytes"), SIZES)
def test_sizes(spec, shape, bits, nbytes):
    array = encoded(spec, shape)
    assert array.bits_per_element == pytest.approx(bits, rel=1e-15)
    assert array.format.bits_per_element(shape) == pytest.approx(bits, rel=1e-15)
    assert array.nbytes == nbytes


def test_shapes_of_more_elements_than_an_integer_of_64_bits_holds():
    shape = (2**40, 2**40)
    assert numfmt.parse("mxfp4").bits_per_element(shape) == 4.25
    assert numfmt.parse("nvfp4").bits_per_element(shape) == pytest.approx(4.5)


# Construction


def test_scales_are_of_the_kind_that_the_format_says():
    plain, nested = encoded("mxfp4", (2, 32)), encoded(NVFP4_LIKE, (2, 32))
    with pytest.raises(TypeError, match=r"scales= of 'mxfp4' are in 'e8m0fnu', got BlockArray"):
        BlockArray(nested.codes, encoded("mxfp4", (2, 1)), None, plain.format)
    with pytest.raises(
        TypeError, match=r"scales= of 'block.*' are in 'block\[of=e4m3fn,scale=f32\]', got dtype"
    ):
        BlockArray(nested.codes, nested.scales.decode(), None, nested.format)


FOREIGN = [
    ("mxfp4", [[3.0], [1.0]], "scale 3.0 at (0, 0) is no value of its format; scales of 'mxfp4' are numbers of 'e8m0fnu'"),
    ("mxfp4", [[1.0], [-1.0]], "scale -1.0 at (1, 0) is negative"),
    ("mxfp4", [[1.0], [0.0]], "scale 0.0 at (1, 0) is no value"),
    ("mxfp4", [[1.0], [1e-45]], "is no value"),
    ("mxfp4", [[1.0], [np.inf]], "scale inf at (1, 0) is infinite"),
    ("deepseek_1x128", [[1.0], [-0.0]], "scale -0.0 at (1, 0) is negative"),
    ("deepseek_1x128", [[1.0], [np.inf]], "scale inf at (1, 0) is infinite"),
    ("block[of=int8,scale=f16,size=32]", [[1.0], [1e-9]], "is no value"),
    ("block[of=int8,scale=bf16,size=32]", [[1.0], [1.01]], "is no value"),
    ("block[of=int8,scale=e5m0b31finu,size=32]", [[0.5], [np.nan]], "scale nan at (1, 0) is NaN"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "scales", "message"), FOREIGN)
def test_scales_that_no_encoding_gives_are_refused(spec, scales, message):
    form = numfmt.parse(spec)
    with pytest.raises(ValueError, match=re.escape(message)):
        BlockArray(np.zeros((2, 32), form.code_dtype), np.float32(scales), None, form)


@pytest.mark.parametrize("number", [-1.0, -0.0, np.inf])
def test_a_tensors_number_that_no_encoding_gives_is_refused_wherever_it_comes_from(number, tmp_path):
    """Of two levels the outer one too, as bytes, from a file, and by hand; a NaN poisons and is kept."""
    good = encoded(NVFP4_LIKE, (2, 32))
    packed, bad = good.pack(), np.float32(number).reshape(())
    wanted = (
        r"is (negative|infinite); scales of 'block\[of=e4m3fn,scale=f32\]' are numbers of 'f32' from 0 up"
    )
    with pytest.raises(ValueError, match=wanted):
        BlockArray.unpack(packed._replace(scales=packed.scales._replace(scales=bad)), good.format, (2, 32))
    with pytest.raises(ValueError, match=wanted):
        BlockArray(good.scales.codes, bad, None, good.scales.format)
    good.save(tmp_path / "x.npz")
    good.scales.scales[...] = number
    with pytest.raises(ValueError, match=wanted):
        good.save(tmp_path / "x.npz")
    assert np.isfinite(BlockArray.load(tmp_path / "x.npz").decode()).all()


def test_codes_of_negative_scales_are_refused():
    good = encoded(NVFP4_LIKE, (2, 32))
    codes = good.scales.codes | 0x80
    scales = BlockArray(codes, good.scales.scales, None, good.scales.format)
    with pytest.raises(
        ValueError, match=r"is negative; scales of 'block.*' are numbers of 'e4m3fn' from 0 up"
    ):
        BlockArray(good.codes, scales, None, good.format)


def test_numbers_that_a_library_makes_of_infinity_are_kept():
    """TransformerEngine's tensor with an infinity has an infinite number."""
    x = numbers((2, 32))
    x[0, 0] = np.inf
    array = numfmt.encode(x, "nvfp4")
    assert np.isinf(array.scales.scales)
    back = BlockArray.unpack(array.pack(), "nvfp4", (2, 32))
    assert fields(back) == fields(array)


def test_a_format_by_its_name():
    with pytest.raises(TypeError, match=r"takes a scaled format, as numfmt.parse\('mxfp4'\), got 'mxfp4'"):
        BlockArray(np.zeros((2, 32), np.uint8), np.ones((2, 1), np.float32), None, "mxfp4")


def test_axes_and_length():
    for shape in ((3, 32), (0, 4), (5,)):
        array = encoded("mxfp4", shape)
        assert (array.ndim, len(array), array.size) == (len(shape), shape[0], np.prod(shape))
    with pytest.raises(TypeError, match="unsized"):
        len(encoded("mxfp4", ()))


def test_a_rule_is_said_where_one_scale_is_left():
    """`int8` alone is the spec of an element format."""
    array = Affine(numfmt.parse("int8"), PerAxis(0)).encode(numbers((2, 3)))
    assert array[0].format == numfmt.parse("int8[calibrate=absmax]")


@pytest.mark.parametrize(
    ("among", "sizes"),
    [
        (PerTensor(), {}),
        (PerAxis(1), {}),
        (Groups(-1, 8), {2: 8}),
        (Groups(0, 1), {0: 1}),
        (Tiles(2, 4), {1: 2, 2: 4}),
    ],
)
def test_what_stays_together(among, sizes):
    if isinstance(among, Tiles):
        array = encoded("block[of=e4m3fn,scale=f32,size=2x4]", (3, 4, 8))
    else:
        array = Affine(numfmt.parse("int8"), among).encode(numbers((3, 4, 8)))
    assert block_sizes(array) == sizes
