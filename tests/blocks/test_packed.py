"""Arrays in scaled formats as bytes, and bytes that are no such arrays."""

import numpy as np
import pytest

import numfmt
from blocks.sampled import FORMATS, encoded, fields, numbers, same
from numfmt.blocks import Block, BlockArray, Packed
from numfmt.packing import packed_size

NVFP4_LIKE = "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16]"
SHAPES = [(3, 4, 32), (5, 33), (2, 16)]


def packings(array):
    """The array's own, and those of the scales in it."""
    while isinstance(array, BlockArray):
        yield array, array.pack()
        array = array.scales


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", FORMATS)
def test_round_trip(spec, shape):
    array = encoded(spec, shape)
    given = array.pack()
    back = BlockArray.unpack(given, array.format, shape)
    assert fields(back) == fields(array)
    assert same(back.decode(), array.decode())
    flat = BlockArray.unpack(flattened(given, np.ndarray.tobytes), str(array.format), list(shape))
    assert fields(flat) == fields(array)
    assert fields(BlockArray.unpack(flattened(given, np.ravel), array.format, shape)) == fields(array)


def flattened(given, how):
    """The fields of a `Packed` by themselves, each as bytes or as a flat array."""
    nested = isinstance(given.scales, Packed)
    scales = flattened(given.scales, how) if nested else how(given.scales)
    more = (None if part is None else how(part) for part in (given.zeros, given.offset))
    return how(given.codes), scales, *more


# What the bytes mean, read one bit after the other


PLAIN = [s for s in FORMATS if getattr(numfmt.parse(s).profile, "name", "") in ("default", "flexpoint")]


def values_of(form, codes):
    """By the definition of an element format, float64."""
    return np.array([float(form.value(int(code))) for code in codes])


def codes_in(raw, bits, count):
    """Codes that lie densely in bytes, the first in the low bits."""
    word = int.from_bytes(raw.tobytes(), "little")
    assert word >> (bits * count) == 0
    return [(word >> (bits * i)) & ((1 << bits) - 1) for i in range(count)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", [s for s in PLAIN if isinstance(numfmt.parse(s), Block)])
def test_the_definition(spec, shape):
    """value = fl32(element * scale), each by the definition of its format, in the order of the bytes; scales
    that are a block are such values themselves, but under powers of two exact."""
    array = encoded(spec, shape)
    (last, inmost), *outer = reversed(list(packings(array)))
    held = last.format.format_of_scales(last.scales.shape)
    words = inmost.scales if held == numfmt.parse("f32") else values_of(held, inmost.scales.flat)
    found = np.float64(words).reshape(last.scales.shape)
    for part, given in ((last, inmost), *outer):
        elements = values_of(part.format.of, codes_in(given.codes, part.format.of.bits, part.codes.size))
        found = elements.reshape(part.shape) * spread(found, part)
        if part is array or not array.format.is_exact:
            found = found.astype(np.float32).astype(np.float64)
        if part.offset is not None:
            found = (found + part.offset).astype(np.float32).astype(np.float64)
    assert same(array.decode(), found.astype(np.float32))


def spread(scales, part):
    """A scale for each element of an array, written out with indices."""
    index, options = np.indices(part.shape), part.format.granularity.options
    if not options:
        return np.broadcast_to(scales, part.shape)
    if options.get("axis") == "flat":
        return scales[np.arange(index[0].size).reshape(part.shape) // options["size"]]
    if "x" in str(options.get("size")):
        rows, columns = map(int, options["size"].split("x"))
        return scales[(*index[:-2], index[-2] // rows, index[-1] // columns)]
    axis = options["axis"] % len(part.shape)
    if "size" not in options:
        return scales[index[axis]]
    index[axis] //= options["size"]
    return scales[tuple(index)]


def test_mxfp4_by_hand():
    """OCP MX: 0.5 has code 1, 6 code 7, -1 code 10; low nibble first; scales as exponents, 255 for NaN."""
    x = np.zeros((2, 64), np.float32)
    x[0, :4] = [0.5, 6, -1, 3]
    x[1, 32] = np.nan
    given = numfmt.encode(x, "mxfp4").pack()
    assert given.codes.shape == (2, 32)
    assert given.codes[0, :3].tolist() == [0x71, 0x5A, 0]
    assert same(given.scales, np.uint8([[127, 0], [0, 255]]))
    assert given.zeros is None
    back = BlockArray.unpack(given, "mxfp4", (2, 64)).decode()
    assert back[0, :4].tolist() == [0.5, 6, -1, 3]
    assert np.isnan(back[1, 32:]).all()
    assert not back[1, :32].any()


DTYPES = [  # format, dtypes and shapes of codes and scales of (4, 64)
    ("mxfp8", "u1", (4, 64), "u1", (4, 2)),
    ("mxfp6_e2m3", "u1", (4, 48), "u1", (4, 2)),
    ("deepseek_1x128", "u1", (4, 64), "<f4", (4, 1)),
    ("block[of=e4m3fn,scale=bf16,size=32]", "u1", (4, 64), "<u2", (4, 2)),
    ("block[of=e4m3fn,scale=f16,size=32]", "u1", (4, 64), "<u2", (4, 2)),
    ("block[of=e4m3fn,scale=tf32,size=32]", "u1", (4, 64), "<u4", (4, 2)),
    ("block[of=f16,scale=e8m0fnu,size=32]", "u1", (4, 128), "u1", (4, 2)),
    ("flex16+5", "u1", (4, 128), "u1", ()),
    ("int8[axis=0]", "u1", (4, 64), "<f4", (4,)),
    ("int3[axis=0]", "u1", (4, 24), "<f4", (4,)),
]


@pytest.mark.parametrize(("spec", "codes", "rows", "scales", "counted"), DTYPES)
def test_dtypes_and_shapes(spec, codes, rows, scales, counted):
    given = encoded(spec, (4, 64)).pack()
    assert (given.codes.dtype, given.codes.shape) == (np.dtype(codes), rows)
    assert (given.scales.dtype, given.scales.shape) == (np.dtype(scales), counted)


def test_rows_of_half_a_byte_are_one_run():
    given = encoded("mxfp4", (3, 33)).pack()
    assert given.codes.shape == (50,)
    assert given.codes[-1] < 16
    assert encoded("mxfp4", ()).pack().codes.shape == (1,)
    assert encoded("mxfp4", (2, 0)).pack().codes.shape == (2, 0)
    assert encoded("mxfp4", (0, 33)).pack().codes.shape == (0,)


def test_zero_points():
    given = encoded("uint4[size=16,axis=-1]", (4, 64)).pack()
    assert (given.zeros.dtype, given.zeros.shape) == (np.dtype(np.uint8), (4, 4))
    wide = encoded("uint16[axis=0]", (4, 64)).pack()
    assert wide.zeros.dtype == np.dtype("<u2")


def test_codes_of_another_dtype_come_back_in_the_formats_own():
    form = numfmt.parse("int4[scale=1]")
    residues = BlockArray(np.uint8([15, 7, 8, 0]), np.float32(1).reshape(()), None, form)
    assert BlockArray.unpack(residues.pack(), form, (4,)).codes.tolist() == [-1, 7, -8, 0]
    wide = form.encode([1, -2], dtype=np.int32)
    back = BlockArray.unpack(wide.pack(), form, (2,))
    assert (back.codes.dtype, back.codes.tolist()) == (np.dtype(np.int8), [1, -2])


def test_what_comes_back_is_its_own():
    """Neither read-only nor a view of the bytes."""
    given = encoded("deepseek_1x128", (2, 256)).pack()
    back = BlockArray.unpack(given, "deepseek_1x128", (2, 256))
    for a, b in ((back.codes, given.codes), (back.scales, given.scales)):
        assert a.flags.writeable
        assert not np.shares_memory(a, b)


@pytest.mark.parametrize("order", ["little", "big", "onnx", "torchao", "gguf", "awq", "compressed_tensors"])
def test_orders(order):
    array = encoded("int4[size=32,axis=-1]", (4, 64))
    given = array.pack(order)
    assert (given.codes.reshape(-1) == numfmt.pack(array.codes, 4, order)).all()
    assert fields(BlockArray.unpack(given, array.format, (4, 64), order)) == fields(array)


def test_padding_to_a_word():
    array = encoded("int4[scale=1]", (3, 2))
    assert array.pack("compressed_tensors").codes.shape == (4,)
    assert array.pack().codes.shape == (3, 1)
    assert encoded("int4[scale=1]", (4, 2)).pack("compressed_tensors").codes.shape == (4, 1)


def test_parts_pack():
    """Views with strides of any sign."""
    array = encoded("mxfp4", (6, 4, 64))[::-2, 1:, 32:]
    assert fields(BlockArray.unpack(array.pack(), "mxfp4", array.shape)) == fields(array[...])
    columns = encoded("int8[axis=1]", (6, 4))[:, ::-1]
    assert fields(BlockArray.unpack(columns.pack(), "int8[axis=1]", (6, 4))) == fields(columns)


# Bytes that are no such array

MXFP4 = Packed(np.zeros((2, 16), np.uint8), np.full((2, 1), 127, np.uint8))
NESTED = Packed(np.zeros((2, 8), np.uint8), Packed(np.zeros((2, 1), np.uint8), np.ones((), np.float32)))
UINT4 = Packed(np.zeros((2, 16), np.uint8), np.ones(2, np.float32), np.zeros(2, np.uint8))
OFFSET = "block[of=int8,scale=f32,size=4,offset=mean]"
SYMMETRIC = Packed(np.zeros(4, np.uint8), np.full(1, 127, np.uint8))
BAD = [
    ("mxfp4", (2, 32), MXFP4._replace(codes=bytes(31)), ValueError, "codes= takes 32 bytes, got 31"),
    ("mxfp4", (2, 32), MXFP4._replace(codes=bytes(33)), ValueError, "codes= takes 32 bytes, got 33"),
    ("mxfp4", (2, 32), MXFP4._replace(codes=np.zeros(31, np.uint8)), ValueError, r"codes= takes an array of shape \(2, 16\) or \(32,\), got \(31,\)"),
    ("mxfp4", (2, 32), MXFP4._replace(codes=np.zeros((2, 32), np.uint8)), ValueError, r"codes= takes an array of shape .*, got \(2, 32\)"),
    ("mxfp4", (2, 32), MXFP4._replace(codes=np.zeros((16, 2), np.uint8)), ValueError, r"codes= takes an array of shape .*, got \(16, 2\)"),
    ("mxfp4", (2, 32), MXFP4._replace(codes=np.zeros((2, 16), np.int8)), ValueError, "codes= takes uint8, got int8"),
    ("mxfp4", (2, 32), MXFP4._replace(codes=np.zeros((2, 16))), ValueError, "codes= takes uint8, got float64"),
    ("mxfp4", (2, 32), MXFP4._replace(codes=[0] * 32), TypeError, "codes= takes an array or a buffer of bytes, got list"),
    ("mxfp4", (2, 32), MXFP4._replace(scales=bytes(1)), ValueError, "scales= takes 2 bytes, got 1"),
    ("mxfp4", (2, 32), MXFP4._replace(scales=np.zeros((1, 2), np.uint8)), ValueError, r"scales= takes an array of shape \(2, 1\) or \(2,\), got \(1, 2\)"),
    ("mxfp4", (2, 32), MXFP4._replace(scales=np.ones((2, 1), np.float32)), ValueError, "scales= takes uint8, got float32"),
    ("mxfp4", (2, 32), MXFP4._replace(scales=MXFP4), TypeError, "scales= of \'mxfp4\' takes one array, its scales have no scales; got Packed"),
    ("mxfp4", (2, 32), MXFP4._replace(zeros=bytes(2)), ValueError, "'mxfp4' has no zero points"),
    ("mxfp4", (2, 31), MXFP4, ValueError, r"codes= takes an array of shape \(31,\), got \(2, 16\)"),
    ("mxfp4", (3,), Packed(bytes([0, 0x10]), bytes(1)), ValueError, "bits after the last code: they should be 0"),
    ("mxfp4", (2, 32), (1,), TypeError, r"a packed array is \(codes, scales\), perhaps with zeros and an offset, got \(1,\)"),
    ("mxfp4", (2, 32), MXFP4.codes, TypeError, "a packed array is"),
    ("mxfp4", (2.5,), MXFP4, TypeError, r"shape= takes a tuple of integers from 0 on, got \(2.5,\)"),
    ("mxfp4", (-2, -32), MXFP4, TypeError, r"shape= takes a tuple of integers from 0 on, got \(-2, -32\)"),
    ("mxfp4", "64", MXFP4, TypeError, "shape= takes a tuple of integers from 0 on, got '64'"),
    ("e2m1fn", (2, 32), MXFP4, TypeError, "'e2m1fn' has no scales: it takes a scaled format, such as 'mxfp4'"),
    ("mxfp5", (2, 32), MXFP4, numfmt.SpecError, "unknown format 'mxfp5'"),
    ("mxfp4[axis=3]", (2, 32), MXFP4, ValueError, r"axis=3: an array of shape \(2, 32\) has 2 axes"),
    ("mxint8", (4,), SYMMETRIC._replace(codes=np.uint8([0, 128, 0, 0])), numfmt.RangeError, "1 of 4 values is not among its codes"),
    (OFFSET, (1,), Packed(bytes(1), bytes(4)), ValueError, "has an offset: give it as the fourth part"),
    (OFFSET, (1,), Packed(bytes(1), bytes(4), None, bytes(2)), ValueError, "offset= takes 4 bytes, got 2"),
    (OFFSET, (1,), Packed(bytes(1), bytes(4), None, np.zeros(2, np.float32)), ValueError, r"offset= takes an array of shape \(\) or \(1,\), got \(2,\)"),
    ("mxfp4", (2, 32), MXFP4._replace(offset=bytes(4)), ValueError, "has no offset: leave it out"),
    ("flex16+5", (1,), Packed(bytes(2), bytes([32])), numfmt.RangeError, "32"),
    (NVFP4_LIKE, (2, 16), NESTED._replace(scales=np.zeros((2, 1), np.uint8)), TypeError, r"takes \(codes, scales\) of 'block.*', as pack\(\) gives them; got ndarray"),
    (NVFP4_LIKE, (2, 16), NESTED._replace(scales=(bytes(1), bytes(4))), ValueError, "codes= takes 2 bytes, got 1"),
    (NVFP4_LIKE, (2, 16), NESTED._replace(scales=(bytes(2), bytes(3))), ValueError, "scales= takes 4 bytes, got 3"),
    ("uint4[axis=0]", (2, 16), UINT4._replace(codes=bytes(16), zeros=np.uint8([0, 16])), ValueError, "zero point 16 is no code of 'uint4'"),
    ("uint4[axis=0]", (2, 16), UINT4._replace(codes=bytes(16), zeros=bytes(3)), ValueError, "zeros= takes 2 bytes, got 3"),
    ("uint4[axis=0]", (2, 16), UINT4._replace(codes=bytes(16), zeros=np.zeros(2, np.int8)), ValueError, "zeros= takes uint8, got int8"),
    *(
        ("uint4[axis=0]", (2, 16), UINT4._replace(codes=bytes(16), scales=np.float32([1, bad])), ValueError, "scales of .* are finite numbers above 0")
        for bad in (0, -1, np.nan, np.inf)
    ),
    ("int8[scale=0.5]", (1,), Packed(bytes(1), np.float32(0.25).reshape(())), ValueError, "says its scale and zero point, and the array has others"),
    ("int8[scale=0.5]", (1,), Packed(bytes(1), np.float32(0.5).reshape(()), np.int8(1).reshape(())), ValueError, "has others"),
    ("int8[scale=0.5,zero=1]", (1,), Packed(bytes(1), np.float32(0.5).reshape(())), ValueError, "has others"),
    ("int8[scale=0.5,profile=tensorrt]", (1,), Packed(bytes(1), np.float32(0.5).reshape(()), np.int8(1).reshape(())), ValueError, "has no zero point"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "shape", "given", "error", "message"), BAD)
def test_bytes_that_are_no_such_array(spec, shape, given, error, message):
    with pytest.raises(error, match=message):
        BlockArray.unpack(given, spec, shape)


def test_nothing_is_allocated_for_a_shape_that_the_bytes_do_not_have():
    with pytest.raises(ValueError, match="codes= takes 500000000000000000 bytes, got 32"):
        BlockArray.unpack((bytes(32), bytes(2)), "mxfp4", (10**9, 10**9))


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 31, 33, 37])
def test_every_bit_of_padding_is_seen(bits, count):
    form = numfmt.parse(f"uint{bits}[scale=1]")
    scales = np.float32(1).reshape(())
    for bit in range(bits * count, 8 * packed_size(count, bits)):
        raw = np.zeros(packed_size(count, bits), np.uint8)
        raw[bit // 8] = 1 << (bit % 8)
        with pytest.raises(ValueError, match="bits after the last code"):
            BlockArray.unpack((raw, scales), form, (count,))


# Arrays that no bytes can hold


def test_scales_that_are_no_values_of_their_format():
    array, flex = encoded("mxfp4", (1, 32)), encoded("flex16+5", (2,))
    for number in (3.0, -1.0, 0.0, 1e-45, np.inf):
        array.scales[...] = number
        with pytest.raises(
            ValueError, match=r"is no value of its format; scales of 'mxfp4'|is negative|is infinite"
        ):
            array.pack()
    flex.scales[...] = np.nan
    with pytest.raises(ValueError, match="scale nan is NaN; scales of"):
        flex.pack()


@pytest.mark.parametrize(("number", "zero"), [(0.25, None), (0.5, 1), (-0.5, None), (np.nan, None)])
def test_scales_and_zero_points_that_the_format_does_not_have(number, zero):
    zeros, scales = None if zero is None else np.int8(zero).reshape(()), np.float32(number).reshape(())
    with pytest.raises(ValueError, match=r"has others|finite numbers above 0"):
        BlockArray(np.int8([1]), scales, zeros, numfmt.parse("int8[scale=0.5]"))


def test_codes_that_the_format_does_not_have():
    form = numfmt.parse("int4[symmetric,scale=1]")
    for code in (-8, 8, 99):
        array = BlockArray(np.int8([code]), np.float32(1).reshape(()), None, form)
        with pytest.raises(numfmt.RangeError, match="not among its codes"):
            array.pack()


def test_scales_in_another_format_than_it_says():
    array = encoded(NVFP4_LIKE, (2, 32))
    other = numfmt.parse("block[of=e4m3fn,scale=bf16]").encode(array.scales.decode())
    with pytest.raises(
        ValueError, match=r"are in 'block\[of=e4m3fn,scale=f32\]', got 'block\[of=e4m3fn,scale=bf16\]'"
    ):
        BlockArray(array.codes, other, None, array.format).pack()


def test_orders_that_cannot_serve():
    with pytest.raises(numfmt.SpecError, match="unknown bit order 'middle'"):
        encoded("mxfp4", (2, 32)).pack("middle")
    with pytest.raises(ValueError, match="order 'torchao' packs codes of 4 bits, got bits=8"):
        encoded("mxfp8", (2, 32)).pack("torchao")
    with pytest.raises(ValueError, match="order 'gguf' packs blocks of 32 codes, got 33 codes"):
        encoded("mxfp4", (33,)).pack("gguf")
    with pytest.raises(ValueError, match="order 'gguf' packs blocks of 32 codes, got 33 codes"):
        BlockArray.unpack((bytes(17), bytes(2)), "mxfp4", (33,), "gguf")


# Other libraries


@pytest.mark.parametrize(("spec", "dtype"), [("mxfp8", "float8_e8m0fnu"), (NVFP4_LIKE, "float8_e4m3fn")])
def test_scales_of_ml_dtypes(spec, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = encoded(spec, (4, 64))
    held = (
        array.scales if isinstance(array.scales, np.ndarray) else numfmt.decode(array.scales.codes, "e4m3fn")
    )
    given = array.pack().scales
    codes = given if isinstance(given, np.ndarray) else given.codes
    assert (codes.view(getattr(ml_dtypes, dtype)).astype(np.float32) == held).all()


def test_gpt_oss_blocks():
    """(rows, blocks, 16) and (rows, blocks): ldexp(table[nibble], scale - 127), low nibble first."""
    array = encoded("mxfp4", (4, 96))
    given = array.pack()
    blocks, exponents = given.codes.reshape(4, 3, 16), given.scales.astype(int)
    table = np.float32([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    pairs = np.stack([table[blocks & 15], table[blocks >> 4]], axis=-1).reshape(4, 3, 32)
    assert same(np.ldexp(pairs, exponents[..., None] - 127).reshape(4, 96), array.decode())


def test_torchao_tensors():
    torch = pytest.importorskip("torch")
    mx = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")
    x = torch.from_numpy(numbers((4, 96)))
    for dtype, spec in ((torch.float4_e2m1fn_x2, "mxfp4"), (torch.float8_e4m3fn, "mxfp8")):
        theirs = mx.MXTensor.to_mx(x, dtype, 32)
        ours = numfmt.encode(x.numpy(), spec).pack()
        assert (theirs.qdata.view(torch.uint8).numpy() == ours.codes).all()
        assert (theirs.scale.view(torch.uint8).numpy() == ours.scales).all()
