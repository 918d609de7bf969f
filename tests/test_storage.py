"""Files of arrays in scaled formats: nothing is lost in them, and nothing damaged is taken for an array."""

import errno
import io
import json
import os
import struct
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blocks.sampled import FORMATS, encoded, fields, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

import numfmt
from numfmt import storage
from numfmt.blocks import BLOCK_PROFILES, PROFILES, Affine, Block, BlockArray, PerAxis
from numfmt.storage import KINDS, load, save
from numfmt.tensors import FileError

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "numfmt-hypothesis")  # not into the sources

NVFP4_LIKE = "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16]"
over_kinds = pytest.mark.parametrize("suffix", KINDS)


# Round trips


@over_kinds
@pytest.mark.parametrize("spec", FORMATS)
def test_nothing_is_lost(spec, suffix, tmp_path):
    array = encoded(spec, (3, 4, 33))
    array.save(tmp_path / f"x{suffix}")
    back = BlockArray.load(tmp_path / f"x{suffix}")
    assert fields(back) == fields(array)
    assert numfmt.decode(back).tobytes() == numfmt.decode(array).tobytes()
    assert repr(back) == repr(array)


@given(
    st.sampled_from([s for s in FORMATS if "size" not in s or "x" not in s]),
    st.lists(st.integers(0, 40), min_size=2, max_size=4).map(tuple),
    st.sampled_from(list(KINDS)),
    st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_any_shape(spec, shape, suffix, seed):
    array = encoded(spec, shape, seed)
    with tempfile.TemporaryDirectory() as folder:
        array.save(f"{folder}/x{suffix}")
        assert fields(BlockArray.load(f"{folder}/x{suffix}")) == fields(array)


@over_kinds
@pytest.mark.parametrize("spec", ["mxfp4", "int8[scale=0.5]", "block[of=e5m2,scale=bf16]"])
def test_without_axes_and_without_elements(spec, suffix, tmp_path):
    for shape in ((), (0,), (0, 3), (3, 0)):
        array = encoded(spec, shape)
        array.save(tmp_path / f"x{suffix}")
        assert fields(BlockArray.load(tmp_path / f"x{suffix}")) == fields(array)


@over_kinds
def test_nan_in_scales_and_elements(suffix, tmp_path):
    x = numbers((2, 64))
    x[0, 0] = np.nan
    for spec in ("mxfp4", "mxfp8", "deepseek_1x128", "block[of=e4m3fn,scale=bf16,size=32]"):
        array = numfmt.encode(x, spec)
        array.save(tmp_path / f"x{suffix}")
        assert fields(BlockArray.load(tmp_path / f"x{suffix}")) == fields(array)


@over_kinds
def test_scales_and_zero_points_of_a_call(suffix, tmp_path):
    array = numfmt.encode(numbers((3, 5)), "int8", scale=[0.5, 0.25, 3e38], zero=[1, -2, 3], axis=0)
    array.save(tmp_path / f"x{suffix}")
    assert fields(BlockArray.load(tmp_path / f"x{suffix}")) == fields(array)


@over_kinds
def test_a_rule_that_no_spec_of_integers_says(suffix, tmp_path):
    """`Affine(int8)` is `int8[calibrate=absmax]`: `int8` is an element format."""
    array = Affine(numfmt.parse("int8")).encode(numbers((3, 5)))
    array.save(tmp_path / f"x{suffix}")
    back = BlockArray.load(tmp_path / f"x{suffix}")
    assert str(back.format) == "int8[calibrate=absmax]"
    assert fields(back)[1:] == fields(array)[1:]


@over_kinds
def test_what_comes_back_is_its_own(suffix, tmp_path):
    """Neither read-only nor mapped: the file may change."""
    array = encoded("deepseek_1x128", (2, 256))
    array.save(tmp_path / f"x{suffix}")
    back = BlockArray.load(tmp_path / f"x{suffix}")
    os.remove(tmp_path / f"x{suffix}")
    back.codes[...], back.scales[...] = 0, 1
    assert not back.decode().any()


ARRAYS = {"w": "mxfp4", "layer.1/x": "mx9", "zeros": "uint4[axis=0]", "é ü": "int8[scale=0.5]", "": "mxfp8"}


@over_kinds
def test_arrays_by_name(suffix, tmp_path):
    given = {name: encoded(spec, (3, 32)) for name, spec in ARRAYS.items()}
    numfmt.storage.save(tmp_path / f"x{suffix}", given)
    found = numfmt.storage.load(tmp_path / f"x{suffix}")
    assert {name: fields(a) for name, a in found.items()} == {name: fields(a) for name, a in given.items()}
    message = r"holds 5 arrays: .*'w'.*\. numfmt\.storage\.load gives them by name"
    with pytest.raises(FileError, match=message):
        BlockArray.load(tmp_path / f"x{suffix}")
    save(tmp_path / f"x{suffix}", {"w": given["w"]})
    assert fields(BlockArray.load(tmp_path / f"x{suffix}")) == fields(given["w"])
    save(tmp_path / f"x{suffix}", {})
    assert load(tmp_path / f"x{suffix}") == {}


@over_kinds
def test_the_same_array_makes_the_same_bytes(suffix, tmp_path):
    for name in "ab":
        encoded(NVFP4_LIKE, (3, 32)).save(tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@over_kinds
def test_tensors_reads_them(suffix, tmp_path):
    """And so do `decode` of a file, `compare` and the command line."""
    path = tmp_path / f"x{suffix}"
    save(path, {"w": encoded("mxfp4", (3, 32)), "v": encoded("nvfp4", (2, 48))})
    found = {tensor.name: tensor.array for tensor in numfmt.tensors.read(path)}
    assert {name: fields(array) for name, array in found.items()} == {
        "w": fields(encoded("mxfp4", (3, 32))), "v": fields(encoded("nvfp4", (2, 48)))
    }  # fmt: skip
    assert [tensor.name for tensor in numfmt.tensors.read(path, lambda name: name == "v")] == ["v"]
    assert numfmt.decode(path)["w"].tobytes() == found["w"].decode().tobytes()
    assert [row.tensor for row in numfmt.compare(path, "bf16")] == ["v", "w"]
    encoded("mxfp4", (3, 32)).save(path)
    assert [tensor.name for tensor in numfmt.tensors.read(path)] == ["x"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileError, match=r"^cannot read '[^']*': (?!cannot)"):
        list(numfmt.tensors.read(path))


def test_an_array_by_the_name_of_the_table_is_an_array(tmp_path):
    np.savez(tmp_path / "x.npz", numfmt=np.ones(3))
    assert [tensor.name for tensor in numfmt.tensors.read(tmp_path / "x.npz")] == ["numfmt"]


# What others find in the files


def test_numpy_reads_the_members(tmp_path):
    array = encoded("mxfp4", (3, 64))
    array.save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as members:
        assert set(members.files) == {"numfmt", "codes", "scales"}
        table = json.loads(members["numfmt"].item())
        assert members["codes"].shape == (3, 32)
        assert (members["scales"] == array.pack().scales).all()
    assert table["arrays"] == {"": {"format": "mxfp4", "shape": [3, 64]}}
    assert (table["layout"], table["numfmt"]) == (1, numfmt.__version__)


def test_the_safetensors_package_reads_the_tensors(tmp_path):
    package = pytest.importorskip("safetensors")
    pytest.importorskip("safetensors.numpy")
    arrays = {"w": encoded("mx9", (3, 33)), "v": encoded("uint16[axis=0]", (3, 5))}
    save(tmp_path / "x.safetensors", arrays)
    found = package.numpy.load_file(tmp_path / "x.safetensors")
    w, v = arrays["w"].pack(), arrays["v"].pack()
    expected = {
        "w.codes": w.codes, "w.scales.codes": w.scales.codes, "w.scales.scales": w.scales.scales,
        "v.codes": v.codes, "v.scales": v.scales, "v.zeros": v.zeros,
    }  # fmt: skip
    assert found.keys() == expected.keys()
    for name, part in expected.items():
        assert (found[name].dtype, found[name].shape) == (part.dtype, part.shape)
        assert (found[name] == part).all()
    with package.safe_open(tmp_path / "x.safetensors", "np") as file:
        table = json.loads(file.metadata()["numfmt"])
    assert table["arrays"]["w"] == {"format": "mx9", "shape": [3, 33]}


def test_what_the_safetensors_package_writes_again_is_read(tmp_path):
    package = pytest.importorskip("safetensors")
    pytest.importorskip("safetensors.numpy")
    array = encoded(NVFP4_LIKE, (3, 64))
    array.save(tmp_path / "x.safetensors")
    with package.safe_open(tmp_path / "x.safetensors", "np") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    package.numpy.save_file(tensors, tmp_path / "y.safetensors", metadata)
    assert fields(BlockArray.load(tmp_path / "y.safetensors")) == fields(array)


def test_tensors_begin_at_multiples_of_their_words(tmp_path):
    save(tmp_path / "x.safetensors", {"a": encoded("mxfp4", (3, 33)), "b": encoded("int8[axis=0]", (3, 33))})
    raw = (tmp_path / "x.safetensors").read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    assert length % 8 == 0
    for name, line in json.loads(raw[8 : 8 + length]).items():
        if name != "__metadata__":
            assert line["data_offsets"][0] % {"F32": 4, "U8": 1}[line["dtype"]] == 0


# Damage


def outcome(path, raw):
    """The array of these bytes, or the error."""
    path.write_bytes(raw)
    try:
        return BlockArray.load(path)
    except FileError as error:
        return error


def check_outcome(path, raw, array):
    found = outcome(path, raw)
    if isinstance(found, FileError):
        assert str(found).startswith(f"cannot read '{path}': ")
    else:
        assert fields(found) == fields(array)
    return isinstance(found, FileError)


FUZZED = [("uint4[axis=0]", ".npz"), ("mx9", ".safetensors")]


@pytest.mark.parametrize(("spec", "suffix"), FUZZED)
def test_every_truncation_is_an_error(spec, suffix, tmp_path):
    path, array = tmp_path / f"x{suffix}", encoded(spec, (2, 5))
    array.save(path)
    raw = path.read_bytes()
    for size in range(len(raw)):
        assert check_outcome(path, raw[:size], array)


@pytest.mark.parametrize(("spec", "suffix"), FUZZED)
def test_a_byte_that_changed_is_an_error_or_nothing(spec, suffix, tmp_path):
    """The frame of a .npz has bytes that nobody reads, such as the hours at which members were written."""
    path, array = tmp_path / f"x{suffix}", encoded(spec, (2, 5))
    array.save(path)
    raw = path.read_bytes()
    seen = [
        check_outcome(path, raw[:at] + bytes([raw[at] ^ flipped]) + raw[at + 1 :], array)
        for at in range(len(raw))
        for flipped in (0x01, 0xFF)
    ]
    assert sum(seen) > 0.75 * len(seen)


@pytest.mark.parametrize(("spec", "suffix"), FUZZED)
def test_a_byte_too_many_or_too_few(spec, suffix, tmp_path):
    path, array = tmp_path / f"x{suffix}", encoded(spec, (2, 5))
    array.save(path)
    raw = path.read_bytes()
    for at in range(len(raw)):
        for changed in (raw[:at] + raw[at + 1 :], raw[:at] + b"1" + raw[at:]):
            check_outcome(path, changed, array)


def parts_of(path):
    """The table of a file, and its tensors."""
    text, parts = KINDS[path.suffix].read(path)
    return json.loads(text), {name: np.array(part) for name, part in parts.items()}


def write(path, table, parts, **changes):
    """A file as `save` would write it, with a digest that fits."""
    table = {**table, **changes}
    table.pop("sha256", None)
    with path.open("wb") as stream:
        KINDS[path.suffix].write(
            stream, storage._text({**table, "sha256": storage._digest(table, parts)}), parts
        )


def line(spec, shape):
    return {"": {"format": spec, "shape": shape}}


CRAFTED = {  # what a file of mxfp4 (2, 32) says instead, with a digest that fits
    "unknown format": ({"arrays": line("mxfp5", [2, 32])}, "unknown format 'mxfp5'"),
    "element format": ({"arrays": line("e2m1fn", [2, 32])}, "'e2m1fn' is no scaled format"),
    "another format": ({"arrays": line("mxfp8", [2, 32])}, r"codes= takes an array of shape \(2, 32\) or \(64,\), got \(2, 16\)"),
    "other scales": ({"arrays": line("block[of=e2m1fn,scale=f32,size=32]", [2, 32])}, "scales= takes float32, got uint8"),
    "other blocks": ({"arrays": line("block[of=e2m1fn,scale=e8m0fnu,size=16]", [2, 32])}, r"scales= takes an array of shape .*, got \(2, 1\)"),
    "nested scales": ({"arrays": line(NVFP4_LIKE, [2, 32])}, "there is no 'scales.codes'"),
    "no such axis": ({"arrays": line("mxfp4[axis=5]", [2, 32])}, "axis=5"),
    "another shape": ({"arrays": line("mxfp4", [4, 16])}, r"codes= takes an array of shape .*, got \(2, 16\)"),
    "huge shape": ({"arrays": line("mxfp4", [2**62, 2**62])}, r"codes= takes an array of shape .*, got \(2, 16\)"),
    "huge without elements": ({"arrays": line("mxfp4", [0, 2**62])}, r"codes= takes an array of shape .*, got \(2, 16\)"),
    "negative shape": ({"arrays": line("mxfp4", [-2, -32])}, "table of arrays makes no sense"),
    "fractional shape": ({"arrays": line("mxfp4", [2.0, 32])}, "table of arrays makes no sense"),
    "shape as text": ({"arrays": line("mxfp4", "64")}, "table of arrays makes no sense"),
    "too many axes": ({"arrays": line("mxfp4", [1] * 63 + [2, 32])}, "table of arrays makes no sense"),
    "format as number": ({"arrays": line(4, [2, 32])}, "table of arrays makes no sense"),
    "no line": ({"arrays": {"": None}}, "table of arrays makes no sense"),
    "no arrays": ({"arrays": [1]}, "table of arrays makes no sense"),
    "another name": ({"arrays": {"w": line("mxfp4", [2, 32])[""]}}, "its array 'w' cannot be had: there is no 'w.codes'"),
    "no array": ({"arrays": {}}, "it holds more than its arrays: 'codes', 'scales'"),
    "newer": ({"layout": 2, "numfmt": "9.9"}, "it has layout 2, written by numfmt '9.9'; numfmt .* reads layout 1. Use"),
    "layout as text": ({"layout": "1"}, "its table says no layout"),
    "layout as bool": ({"layout": True}, "its table says no layout"),
}  # fmt: skip


@over_kinds
@pytest.mark.parametrize(("changes", "message"), CRAFTED.values(), ids=CRAFTED)
def test_tables_that_do_not_fit(changes, message, suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    encoded("mxfp4", (2, 32)).save(path)
    table, parts = parts_of(path)
    write(path, table, parts)
    assert BlockArray.load(path).shape == (2, 32)
    write(path, table, parts, **changes)
    with pytest.raises(FileError, match=f"cannot read '.*': .*{message}"):
        BlockArray.load(path)


WRONG_PARTS = {  # of a file of int8[axis=0] (2, 3)
    "no codes": ({"codes": None}, "there is no 'codes'"),
    "no scales": ({"scales": None}, "there is no 'scales'"),
    "one more": ({"bias": np.zeros(3, np.float32)}, "more than its arrays: 'bias'"),
    "wider codes": ({"codes": np.zeros((2, 3), np.uint16)}, "codes= takes uint8, got uint16"),
    "signed codes": ({"codes": np.zeros((2, 3), np.int8)}, "codes= takes uint8, got int8"),
    "one code less": ({"codes": np.zeros(5, np.uint8)}, r"codes= takes an array of shape \(2, 3\) or \(6,\), got \(5,\)"),
    "transposed": ({"codes": np.zeros((3, 2), np.uint8)}, r"codes= takes an array of shape .*, got \(3, 2\)"),
    "float64 scales": ({"scales": np.ones(2)}, "scales= takes float32, got float64"),
    "one scale": ({"scales": np.ones((), np.float32)}, r"scales= takes an array of shape \(2,\), got \(\)"),
    "NaN": ({"scales": np.float32([1, np.nan])}, "scale nan at 1 is NaN; scales of 'int8.*' are finite numbers above 0"),
    "zero": ({"scales": np.float32([1, 0])}, "scale 0.0 at 1 is zero; scales of"),
    "an offset": ({"offset": np.ones((), np.float32)}, "has no offset"),
    "zero points of another shape": ({"zeros": np.zeros(3, np.int8)}, r"zeros= takes an array of shape .*, got \(3,\)"),
    "zero points of another dtype": ({"zeros": np.zeros(2, np.int16)}, "zeros= takes int8, got int16"),
    "a code that is left out": ({"codes": np.full((2, 3), 128, np.uint8)}, "not among its codes"),
    "a zero point that is left out": ({"zeros": np.int8([0, -128])}, "zero point -128 is no code"),
}  # fmt: skip


@over_kinds
@pytest.mark.parametrize(("changes", "message"), WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_tensors_that_do_not_fit(changes, message, suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    encoded("int8[symmetric,axis=0]", (2, 3)).save(path)
    table, parts = parts_of(path)
    write(path, table, {name: part for name, part in (parts | changes).items() if part is not None})
    with pytest.raises(FileError, match=f"cannot read '.*': .*{message}"):
        BlockArray.load(path)


@over_kinds
def test_scales_that_the_spec_contradicts(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    encoded("int8[scale=0.5]", (2, 3)).save(path)
    table, parts = parts_of(path)
    write(path, table, parts | {"scales": np.float32(0.25).reshape(())})
    with pytest.raises(FileError, match="says its scale and zero point, and the array has others"):
        BlockArray.load(path)


def test_exponents_past_their_bits(tmp_path):
    encoded("flex16+5", (2,)).save(tmp_path / "x.npz")
    table, parts = parts_of(tmp_path / "x.npz")
    write(tmp_path / "x.npz", table, parts | {"scales": np.uint8(32).reshape(())})
    with pytest.raises(FileError, match=r"its array cannot be had: .*32"):
        BlockArray.load(tmp_path / "x.npz")


def test_bits_after_the_last_code(tmp_path):
    encoded("mxfp4", (3,)).save(tmp_path / "x.npz")
    table, parts = parts_of(tmp_path / "x.npz")
    write(tmp_path / "x.npz", table, parts | {"codes": parts["codes"] | np.uint8([0, 16])})
    with pytest.raises(FileError, match="bits after the last code"):
        BlockArray.load(tmp_path / "x.npz")


TEXTS = {
    "no JSON": ("{{", "damaged"),
    "no table": ("[]", "its table says no layout"),
    "deep": ("[" * 100_000, "damaged"),
    "twice": ('{"layout": 1, "layout": 1}', "a name stands twice"),
    "two arrays of a name": ('{"layout": 1, "arrays": {"a": {}, "a": {}}}', "a name stands twice"),
    "no digest": ('{"layout": 1, "arrays": {}}', "SHA-256"),
    "digest as number": ('{"layout": 1, "arrays": {}, "sha256": 0}', "SHA-256"),
}


@over_kinds
@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS)
def test_tables_that_make_no_sense(text, message, suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    with path.open("wb") as stream:
        KINDS[suffix].write(stream, text, {})
    with pytest.raises(FileError, match=f"cannot read '.*': .*{message}"):
        BlockArray.load(path)


def npy(array=None, header=None):
    """A .npy file in memory, perhaps with a header that lies."""
    stream = io.BytesIO()
    np.save(stream, np.zeros(4, np.uint8) if array is None else array, allow_pickle=True)
    raw = stream.getvalue()
    if header is None:
        return raw
    text = header.encode() + b" " * (117 - len(header)) + b"\n"
    return raw[:8] + struct.pack("<H", len(text)) + text + raw[128:]


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }"
MEMBERS = {
    "no array": (b"hello", "damaged"),
    "version 2": (b"\x93NUMPY\x02\x00" + npy()[8:], "unknown header"),
    "huge": (npy(header=HUGE), "the header of a member makes no sense"),
    "negative": (npy(header=HUGE.replace("(1000000000000,)", "(-2, -2)")), "damaged"),
    "objects": (npy(np.array([{}])), "the header of a member makes no sense"),
    "fortran": (npy(np.asfortranarray(np.zeros((2, 2)))), "the header of a member makes no sense"),
    "one byte more": (npy() + b"1", "the header of a member makes no sense"),
    "code": (npy(header="__import__('os')"), "damaged"),
}


@pytest.mark.parametrize(("raw", "message"), MEMBERS.values(), ids=MEMBERS)
def test_crafted_members(raw, message, tmp_path):
    encoded("mxfp4", (2, 4)).save(tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("more.npy", raw)
    with pytest.raises(FileError, match=f"cannot read '.*': .*{message}"):
        BlockArray.load(tmp_path / "x.npz")


def test_members_that_are_compressed_or_come_twice(tmp_path):
    path = tmp_path / "x.npz"
    encoded("mxfp4", (2, 4)).save(path)
    table, parts = parts_of(path)
    np.savez_compressed(path, numfmt=np.array(storage._text(table)), **parts)
    with pytest.raises(FileError, match="its members are compressed, which numfmt does not do"):
        BlockArray.load(path)
    encoded("mxfp4", (2, 4)).save(path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("scales.npy", npy())
    with pytest.raises(FileError, match="a member stands twice"):
        BlockArray.load(path)


def test_members_that_lie_over_each_other_are_not_read(tmp_path):
    """A thousand entries for the bytes of one: none is read."""
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", bytes(100_000))
        entry = archive.infolist()[0]
        for i in range(1000):
            again = zipfile.ZipInfo(f"{i}.npy")
            again.header_offset, again.CRC = entry.header_offset, entry.CRC
            again.file_size = again.compress_size = entry.file_size
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    with pytest.raises(FileError, match="its members claim more bytes than it has"):
        BlockArray.load(path)


@pytest.mark.parametrize("name", ["x.npz", "x.safetensors"])
def test_files_of_others(name, tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    np.savez(tmp_path / "x.npz", w=np.ones(3))
    package.save_file({"w": np.ones(3)}, tmp_path / "x.safetensors", {"format": "np"})
    with pytest.raises(FileError, match="it holds no arrays in scaled formats, as BlockArray"):
        BlockArray.load(tmp_path / name)


def test_a_safetensors_file_has_no_bytes_that_belong_to_no_tensor(tmp_path):
    path = tmp_path / "x.safetensors"
    encoded("mxfp4", (2, 4)).save(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(FileError, match="it is too long"):
        BlockArray.load(path)


@pytest.mark.parametrize("metadata", [[], {"numfmt": 3}, "numfmt"])
def test_metadata_that_is_no_table_of_texts(metadata, tmp_path):
    header = json.dumps({"__metadata__": metadata}).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(FileError, match="it holds no arrays in scaled formats"):
        BlockArray.load(tmp_path / "x.safetensors")


# Files that cannot be read or written


@over_kinds
def test_nowhere(suffix, tmp_path):
    array = encoded("mxfp4", (2, 4))
    with pytest.raises(FileError, match=r"cannot read '.*': No such file"):
        BlockArray.load(tmp_path / f"x{suffix}")
    with pytest.raises(FileError, match=r"cannot write '.*': No such file"):
        array.save(tmp_path / "no" / f"x{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(FileError, match="no regular file"):
        array.save(tmp_path / f"folder{suffix}")
    with pytest.raises(FileError, match="no regular file"):
        BlockArray.load(tmp_path / f"folder{suffix}")
    assert os.listdir(tmp_path) == [f"folder{suffix}"]


@pytest.mark.parametrize("name", ["x", "x.npy", "x.txt", "npz"])
def test_other_suffixes(name, tmp_path):
    with pytest.raises(FileError, match=rf"cannot write '.*{name}': expected one of \.npz, \.safetensors"):
        encoded("mxfp4", (2, 4)).save(tmp_path / name)
    with pytest.raises(FileError, match=rf"cannot read '.*{name}': expected one of \.npz, \.safetensors"):
        BlockArray.load(str(tmp_path / name))
    encoded("mxfp4", (2, 4)).save(tmp_path / "X.NPZ")
    assert BlockArray.load(tmp_path / "X.NPZ").shape == (2, 4)


@over_kinds
def test_a_full_disk_leaves_what_was_there(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"x{suffix}"
    first = encoded("mxfp4", (2, 4))
    first.save(path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"No space left on device. Free some space"):
        encoded("mxfp8", (2, 4)).save(path)
    assert fields(BlockArray.load(path)) == fields(first)
    assert os.listdir(tmp_path) == [path.name]


@over_kinds
def test_arrays_that_no_file_can_hold(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    own = replace(BLOCK_PROFILES["default"][0], name="mine")
    hidden = replace(PROFILES["default"], op="reciprocal")
    for form in (
        Block("e2m1fn", "e8m0fnu", 32, profile=own),
        Affine(numfmt.parse("int8"), PerAxis(0), profile=hidden),
    ):
        with pytest.raises(ValueError, match=r"no spec says all of '.*', and a file keeps the spec alone"):
            form.encode(numbers((2, 32))).save(path)
    wrong = numfmt.encode(numbers((1, 32)), "mxfp4")
    wrong.scales[...] = 3
    with pytest.raises(ValueError, match=r"scale 3\.0 is no value of its format; scales of 'mxfp4'"):
        wrong.save(path)
    assert os.listdir(tmp_path) == []


def test_names_and_arrays_that_cannot_be_saved(tmp_path):
    array, path = encoded("mxfp4", (2, 4)), tmp_path / "x.npz"
    for name in ("a\0b", "a\n", 3, "\ud800"):
        with pytest.raises(ValueError, match="the name of an array is printable text"):
            save(path, {name: array})
    with pytest.raises(TypeError, match=r"array 'w' is a ndarray, not a BlockArray; np\.savez keeps others"):
        save(path, {"w": array.decode()})
    with pytest.raises(TypeError, match=r"arrays are given by name, as in {'w': array}; got BlockArray"):
        save(path, array)
    with pytest.raises(ValueError, match=r"two arrays would be stored as 'a\.scales\.codes'"):
        save(path, {"a": encoded("mx9", (2, 16)), "a.scales": array})
    assert os.listdir(tmp_path) == []
