"""What a GGUF array says of itself, bytes in and out, and the formats' manners."""

import pickle

import numpy as np
import pytest

import numfmt
from gguf_blocks import hard
from numfmt.gguf import GGUF, TYPES, GGUFArray

X = hard.SETS["normal"][: 3 * 512].reshape(3, 512)


@pytest.fixture(params=TYPES)
def array(request):
    return numfmt.encode(X, f"gguf_{request.param}")


def test_it_reads_as_other_arrays_do(array):
    values = array.decode()
    assert array.shape == array.codes.shape == values.shape == X.shape
    assert (array.size, array.ndim, array.dtype) == (X.size, 2, np.float32)
    assert array.scales.dtype == np.float32
    assert (np.asarray(array) == values).all()
    assert np.asarray(array, np.float64).dtype == np.float64
    assert (numfmt.decode(array) == values).all()
    assert (numfmt.cast(X, array.format) == values).all()
    assert str(array.format) in repr(array)


def test_bytes_and_back(array):
    packed = array.pack()
    kind = array.format.kind
    assert packed.shape == (3, 512 // kind.elements, kind.nbytes)
    for given in (
        packed,
        packed.reshape(3, -1),
        packed.ravel(),
        packed.tobytes(),
        bytearray(packed.tobytes()),
    ):
        back = GGUFArray.unpack(given, str(array.format), array.shape)
        assert back.pack().tobytes() == packed.tobytes()
        assert back.shape == array.shape
    rows = packed.reshape(3, -1)
    assert (numfmt.decode(rows, str(array.format)) == array.decode()).all()
    assert GGUFArray.unpack(rows, array.format).shape == X.shape


def test_packed_bytes_are_a_copy(array):
    array.pack()[...] = 0
    assert array.blocks.any()


@pytest.mark.parametrize("part", [(0, 1), (5, 5), (31, 33), (250, 800), (0, 1536), (1535, 1536)])
def test_a_piece_is_that_of_the_whole(array, part):
    found = array.piece(*part)
    assert found.dtype == np.float32
    assert (found == array.decode().ravel()[slice(*part)]).all()


def test_units_say_what_a_code_is_worth(array):
    for start, stop in ((0, array.size), (37, 700)):
        unit, zero = array.units(start, stop)
        levels = numfmt.decode(array.codes.ravel()[start:stop], array.format.of, dtype=np.float64)
        expected = array.decode(np.float64).ravel()[start:stop]
        assert np.allclose((levels - zero) * unit, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, object])
def test_dtypes_of_values(dtype):
    array = numfmt.encode(X, "gguf_q5_k")
    found = array.decode(dtype)
    assert found.dtype == dtype
    assert (found.astype(np.float64) == array.decode().astype(dtype).astype(np.float64)).all()


@pytest.mark.parametrize("name", ["q8_0", "q4_0", "q6_k"])
@pytest.mark.parametrize("layout", ["strided", "big-endian", "float64", "float16", "backwards"])
def test_values_into_any_array(name, layout):
    out = {
        "strided": np.zeros((3, 1024), np.float32)[:, ::2], "big-endian": np.zeros(X.shape, ">f4"),
        "float64": np.zeros(X.shape), "float16": np.zeros(X.shape, np.float16),
        "backwards": np.zeros(X.shape, np.float32)[::-1, ::-1],
    }[layout]  # fmt: skip
    array = numfmt.encode(X, f"gguf_{name}")
    assert array.decode(out=out) is out
    assert (out == array.decode().astype(out.dtype)).all()
    assert numfmt.cast(X, f"gguf_{name}", out=out) is out


@pytest.mark.parametrize("name", ["q8_0", "q4_0", "q5_1", "q4_k"])
def test_inputs_of_any_kind(name):
    fmt = f"gguf_{name}"
    packed = numfmt.encode(X, fmt).pack().tobytes()
    wide = np.zeros((3, 1024), np.float32)
    wide[:, ::2] = X
    read_only = X.copy()
    read_only.setflags(write=False)
    shifted = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    for given in (wide[:, ::2], X.astype(">f4"), X.astype(np.float64), read_only, shifted, X.tolist()):
        assert numfmt.encode(given, fmt).pack().tobytes() == packed
    halves = X.astype(np.float16)
    assert (
        numfmt.encode(halves, fmt).pack().tobytes() == numfmt.encode(np.float32(halves), fmt).pack().tobytes()
    )
    assert numfmt.cast(halves, fmt).dtype == np.float16
    assert numfmt.cast(np.float64(X), fmt).dtype == np.float64
    integers = np.arange(512) - 256
    assert (numfmt.encode(integers, fmt).codes == numfmt.encode(np.float32(integers), fmt).codes).all()


def test_numbers_are_rounded_to_float32_once():
    x = np.full(32, 1 + 2.0**-24 + 2.0**-40)
    assert (numfmt.encode(x, "gguf_q8_0").codes == numfmt.encode(np.float32(x), "gguf_q8_0").codes).all()


def test_torch_tensors_come_back_as_such():
    torch = pytest.importorskip("torch")
    found = numfmt.cast(torch.from_numpy(X), "gguf_q4_0")
    assert (found.numpy() == numfmt.cast(X, "gguf_q4_0")).all()
    assert numfmt.cast(torch.from_numpy(X).to(torch.bfloat16), "gguf_q4_0").dtype == torch.float32


@pytest.mark.parametrize("shape", [(0,), (0, 256), (3, 0), (2, 3, 256), (1, 1, 1, 512)])
@pytest.mark.parametrize("name", TYPES)
def test_shapes(name, shape):
    array = numfmt.encode(np.ones(shape, np.float32), f"gguf_{name}")
    assert array.shape == array.codes.shape == array.decode().shape == shape
    assert array.scales.shape[:-1] == shape[:-1]
    assert GGUFArray.unpack(array.pack(), array.format, shape).shape == shape
    assert [u.size for u in array.units(0, array.size)] == [array.size] * 2


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(1, None),
        ...,
        (1, slice(256, None)),
        (slice(None, None, -2), slice(0, 256)),
        (0, slice(0, 0)),
        (0, slice(0, 512, -1)),
    ],
)
def test_parts(array, index):
    assert (array[index].decode() == array.decode()[index]).all()
    assert array[index].shape == array.decode()[index].shape
    assert [row.shape for row in array] == [(512,)] * 3


def test_parts_of_blocks():
    array = numfmt.encode(X, "gguf_q4_0")
    for index in (slice(0, 16), (0, 5), (..., slice(None, None, 2)), (0, slice(None, None, -1))):
        with pytest.raises(
            (ValueError, IndexError), match=r"axis 1 lies in blocks of 32 elements|out of bounds"
        ) as error:
            array[index if isinstance(index, tuple) else (0, index)]
        assert "decode() gives an ndarray" in str(error.value)
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0"):
        array[3]


# What cannot be served


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"rounding": "toward_zero"}, "the encoder of 'gguf_q4_k' is fixed, and so is how it rounds: leave rounding= out"),
        ({"rounding": "nearest_even"}, "leave rounding= out"),
        ({"seed": 1}, "leave seed= out"),
        ({"noise": np.zeros(512, np.uint32)}, "leave noise= out"),
        ({"random_bits": 8}, "leave random_bits= out"),
        ({"overflow": "saturate"}, "nothing overflows: leave overflow= out"),
        ({"scale": 0.5}, "finds the scales itself: leave scale= out"),
        ({"zero": 1}, "leave zero= out"),
        ({"axis": 0}, "blocks of 'gguf_q4_k' run along the last axis; transpose the array"),
        ({"engine": "fast"}, "unknown engine 'fast'"),
        ({"nan": "max"}, "'gguf_q4_k' has no largest value"),
        ({"nan": np.inf}, "nan= takes a finite number"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)  # fmt: skip
def test_keywords_of_other_formats(keywords, words):
    x = X.copy()
    x[1, 7] = np.nan if "nan" in keywords else 0
    for verb in (numfmt.encode, numfmt.cast):
        with pytest.raises(ValueError, match=words):
            verb(x, "gguf_q4_k", **keywords)


def test_encode_gives_bytes_and_nothing_else():
    for keywords in ({"dtype": np.uint8}, {"out": np.zeros(X.shape, np.uint8)}):
        with pytest.raises(ValueError, match="gives bytes: leave"):
            numfmt.encode(X, "gguf_q4_0", **keywords)


def test_the_last_axis_may_be_named():
    for axis in (1, -1):
        assert (numfmt.cast(X, "gguf_q4_0", axis=axis) == numfmt.cast(X, "gguf_q4_0")).all()


@pytest.mark.parametrize("name", TYPES)
def test_rows_are_whole_blocks(name):
    elements = TYPES[name].elements
    words = f"'gguf_{name}' takes rows of whole blocks, {elements} elements each; got "
    for shape, got in (
        ((2, elements + 1), f"rows of {elements + 1}"),
        ((elements, 8), "rows of 8"),
        ((), "one number"),
    ):
        with pytest.raises(ValueError, match=words + got):
            numfmt.encode(np.zeros(shape), f"gguf_{name}")


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(name, bad):
    for place in (0, 17, 511):
        x = X.copy()
        x[1, place] = bad
        what = "NaN, the format has none" if np.isnan(bad) else "infinite in float32"
        for engine in (None, "numpy"):
            with pytest.raises(numfmt.RangeError, match=f"1 of 1536 values is {what}; first at ") as error:
                numfmt.encode(x, f"gguf_{name}", engine=engine)
        assert error.value.index == (1, place)


@pytest.mark.parametrize("name", TYPES)
def test_nan_becomes_a_number(name):
    x = X.copy()
    x[1, 17] = np.nan
    expected = np.where(np.isnan(x), np.float32(0.5), x)
    found = numfmt.encode(x, f"gguf_{name}", nan=0.5)
    assert found.pack().tobytes() == numfmt.encode(expected, f"gguf_{name}").pack().tobytes()


def test_float64_beyond_float32_is_infinite_there():
    with pytest.raises(numfmt.RangeError, match="32 of 32 values are infinite in float32"):
        numfmt.encode(np.full(32, 1e39), "gguf_q8_0")


@pytest.mark.parametrize("name", TYPES)
def test_buffers_of_the_wrong_length(name):
    kind, fmt = TYPES[name], f"gguf_{name}"
    raw = bytes(2 * kind.nbytes)
    for given in (raw[:-1], raw + b"\0", raw[:1], b""):
        with pytest.raises(ValueError, match=f"has {2 * kind.nbytes} bytes, {kind.nbytes} for each"):
            GGUFArray.unpack(given, fmt, (2, kind.elements))
    for given in (raw[:-1], raw[:1]):
        with pytest.raises(ValueError, match=f"rows of '{fmt}' are blocks of {kind.nbytes} bytes"):
            numfmt.decode(given, fmt)
    with pytest.raises(ValueError, match=f"takes rows of whole blocks, {kind.elements} elements each"):
        GGUFArray.unpack(raw, fmt, (2, kind.elements - 1))


def test_what_is_no_bytes():
    with pytest.raises(TypeError, match=r"got an array of int8; .view\(np.uint8\) reads its bytes"):
        GGUFArray.unpack(np.zeros(34, np.int8), "gguf_q8_0")
    with pytest.raises(TypeError, match="an array or a buffer of bytes, got list"):
        GGUFArray.unpack([0] * 34, "gguf_q8_0")
    with pytest.raises(TypeError, match="'mxfp4' is no GGUF format"):
        GGUFArray.unpack(bytes(34), "mxfp4")
    with pytest.raises(TypeError, match="shape= takes a tuple of integers from 0 on"):
        GGUFArray.unpack(bytes(34), "gguf_q8_0", (-32,))
    with pytest.raises(ValueError, match=r"blocks= has shape \(..., blocks, 34\), got \(34,\)"):
        GGUFArray(np.zeros(34, np.uint8), GGUF("q8_0"))
    with pytest.raises(TypeError, match="blocks= takes an array of uint8, got bytes"):
        GGUFArray(bytes(34), GGUF("q8_0"))
    with pytest.raises(TypeError, match="the array is in 'gguf_q8_0', not in 'gguf_q4_0'"):
        numfmt.decode(numfmt.encode(np.zeros(32), "gguf_q8_0"), "gguf_q4_0")
    with pytest.raises(ValueError, match="copy=False cannot be had"):
        np.asarray(numfmt.encode(np.zeros(32), "gguf_q8_0"), copy=False)


# Formats


@pytest.mark.parametrize("name", TYPES)
def test_formats(name):
    form = numfmt.parse(f" GGUF_{name.upper()} ")
    assert numfmt.parse(str(form)) == form == pickle.loads(pickle.dumps(form))
    assert f"gguf_{name}" in numfmt.list_formats()
    assert not form.takes_nan
    limits = numfmt.finfo(form)
    assert limits.max > 0 > limits.min
    with pytest.raises(ValueError, match="has blocks, whose scales come from an array"):
        numfmt.explain(1.0, form)


def test_the_figure_of_all_recipes_takes_rows_of_any_length():
    texts = [t.get_text() for t in numfmt.plotting.bits_against_error({"x": X[:, :100]}).axes[-1].texts]
    assert "mxfp4" in texts
    assert not any("gguf" in text for text in texts)


def test_a_name_without_its_prefix_is_no_format():
    with pytest.raises(numfmt.SpecError, match="unknown format 'q4_0'"):
        numfmt.parse("q4_0")
    with pytest.raises(numfmt.SpecError, match="unknown option"):
        numfmt.parse("gguf_q4_0[axis=0]")


@pytest.mark.parametrize("sign", [1, -1])
def test_overflow_under_scales_of_either_sign(sign):
    """The first of the largest magnitudes is -8 steps; the other sign ends at 7, where 8 is out of range."""
    x = np.float32([8, -8, 7, -7, *[0] * 28]) * sign / 4
    assert numfmt.encode(x, "gguf_q4_0").scales == -sign / 4
    row = numfmt.compare(x, "gguf_q4_0")[0]
    assert (row.overflow, row.max_ulp_error) == (1 / 32, 1)


@pytest.mark.parametrize("name", TYPES)
def test_compare(name):
    x = X.copy()
    row = numfmt.compare(x, f"gguf_{name}")[0]
    y = numfmt.cast(x, f"gguf_{name}").astype(np.float64)
    assert row.format == f"gguf_{name}"
    assert row.bits_per_element == TYPES[name].nbytes * 8 / TYPES[name].elements
    assert row.rms_error == pytest.approx(np.sqrt(np.mean((x - y) ** 2)))
    assert row.max_ulp_error <= 1.5
    assert row.overflow < 0.05
    x[0, 0] = np.nan
    assert numfmt.compare(x, f"gguf_{name}")[0].nonfinite == 1 / x.size
