"""Weights as bitsandbytes saves them: its own states, files, files that lie."""

import json
import struct
from contextlib import suppress

import numpy as np
import pytest

import numfmt
from numfmt import quant_state, storage, tensors
from numfmt.blocks import BlockArray
from numfmt.tensors import FileError

F4 = np.float32
SPECS = [
    "bnb_nf4",
    "bnb_fp4",
    "bnb_nf4[nested]",
    "bnb_fp4[size=128,nested]",
    "bnb_nf4[size=32,profile=bitsandbytes_cuda]",
]
SHAPES = [(8, 64), (3, 5, 7), (65,), (1, 1), (0, 4)]


def encoded(spec, shape, seed=0):
    return numfmt.encode(F4(np.random.default_rng(seed).standard_normal(shape)), spec)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", SPECS)
def test_round_trip(spec, shape):
    array = encoded(spec, shape)
    parts = quant_state.tensors_of(array, "a.b")
    assert all(part.flags.c_contiguous for part in parts.values())
    back = quant_state.array_of(parts, "a.b")
    assert np.array_equal(back.codes, array.codes)
    assert np.array_equal(back.decode(), array.decode())
    assert back.shape == shape
    assert back.format == numfmt.parse(spec.replace(",profile=bitsandbytes_cuda", ""))
    again = quant_state.tensors_of(back, "a.b")
    assert all(again[key].tobytes() == part.tobytes() for key, part in parts.items())


def test_the_first_code_is_in_the_high_bits():
    parts = quant_state.tensors_of(numfmt.encode([1, -1, 0], "bnb_nf4"))
    assert parts["weight"].tolist() == [[0xF0], [0x77]]  # the code of 0 at the end
    assert quant_state.tensors_of(numfmt.encode([1, -1, 0], "bnb_fp4"))["weight"].tolist() == [[0x3B], [0x00]]
    assert parts["weight.quant_map"].tolist() == list(numfmt.parse("nf4").table)
    state = json.loads(parts["weight.quant_state.bitsandbytes__nf4"].tobytes())
    assert state == {"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [3]}


def test_codes_may_be_viewed_as_another_dtype():
    array = encoded("bnb_nf4", (8, 64))
    parts = quant_state.tensors_of(array)
    parts["weight"] = parts["weight"].reshape(-1).view(np.float16).reshape(-1, 1)
    assert np.array_equal(quant_state.array_of(parts).decode(), array.decode())


def test_another_map_of_scales():
    """bitsandbytes decodes scales by the map in the file, which up to 0.49 may begin with -1."""
    array = encoded("bnb_nf4[nested]", (64, 64))
    parts = quant_state.tensors_of(array)
    parts["weight.nested_quant_map"][0] = -1
    parts["weight.absmax"][:3] = 0
    found = quant_state.array_of(parts)
    least, offset = array.scales.scales[0], array.scales.offset
    assert found.scales.decode()[0] == F4(-1) * least + offset
    parts["weight.nested_quant_map"] = F4(numfmt.parse("dyn8[profile=default]").table)
    assert quant_state.array_of(parts).scales.format.of == numfmt.parse("dyn8[profile=default]")


# Files


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "model.safetensors"
    arrays = {
        "layers.0.weight": encoded("bnb_nf4[nested]", (16, 128)),
        "layers.1.weight": encoded("bnb_fp4", (4, 64), 1),
    }
    storage.write_bitsandbytes(path, arrays, "bfloat16")
    return path, arrays


def test_files(checkpoint):
    path, arrays = checkpoint
    found = storage.read_bitsandbytes(path)
    assert list(found) == list(arrays)
    values = numfmt.decode(path)
    assert set(values) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(found[name].decode(), array.decode())
        assert np.array_equal(values[name], array.decode())
        assert (values[name].dtype, values[name].shape) == (F4, array.shape)
    assert numfmt.decode(str(path), dtype=np.float16)["layers.1.weight"].dtype == np.float16


def test_other_tensors_of_the_file(checkpoint, tmp_path):
    """Those whose names are alike, too."""
    path, arrays = checkpoint
    parts = quant_state.tensors_of(arrays["layers.1.weight"], "w") | {
        "w.bias": np.ones(3, F4),
        "absmax": np.ones(2, F4),
    }
    path = tmp_path / "more.safetensors"
    write(path, parts)
    assert {name: x.shape for name, x in numfmt.decode(path).items()} == {
        "absmax": (2,),
        "w": (4, 64),
        "w.bias": (3,),
    }
    assert [t.name for t in tensors.read(path, lambda name: name == "w.bias")] == ["w.bias"]
    assert isinstance(next(tensors.read(path, lambda name: name == "w")).array, BlockArray)


def test_pieces_and_comparisons_of_a_weight(checkpoint):
    path, arrays = checkpoint
    (tensor,) = tensors.read(path, lambda name: name == "layers.0.weight")
    values = arrays["layers.0.weight"].decode()
    assert np.array_equal(np.concatenate(list(tensor.pieces())), values.reshape(-1))
    assert np.array_equal(tensor.whole(), values)
    table = numfmt.compare(path, "bf16")
    assert [row.tensor for row in table] == list(arrays)


def test_the_package_reads_what_is_written(checkpoint):
    safe = pytest.importorskip("safetensors")
    path, _ = checkpoint
    with safe.safe_open(path, framework="np") as file:
        assert file.metadata() == {"format": "pt"}
        assert file.get_tensor("layers.0.weight").shape == (1024, 1)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(TypeError, match="bitsandbytes reads arrays in bnb_nf4 and bnb_fp4, got <bnb8"):
        storage.write_bitsandbytes(tmp_path / "x.safetensors", {"w": encoded("bnb8", (4, 4))})
    for spec in ("bnb_nf4[axis=0]", "block[of=nf4,scale=f32,size=64,axis=flat]", "bnb_nf4[offset=mean]"):
        with pytest.raises(TypeError, match="bitsandbytes reads arrays in bnb_nf4 and bnb_fp4"):
            quant_state.tensors_of(encoded(spec, (4, 64)))
    with pytest.raises(ValueError, match="dtype= is float16, bfloat16, float32, got 'int8'"):
        quant_state.tensors_of(encoded("bnb_nf4", (4, 4)), dtype="int8")
    with pytest.raises(TypeError, match="bitsandbytes reads arrays in bnb_nf4 and bnb_fp4, got 'str'"):
        quant_state.tensors_of("abc")
    with pytest.raises(TypeError, match="the name of a weight is a string, got 5"):
        quant_state.tensors_of(encoded("bnb_nf4", (4, 4)), 5)
    with pytest.raises(TypeError, match="arrays are given by name"):
        storage.write_bitsandbytes(tmp_path / "x.safetensors", encoded("bnb_nf4", (4, 4)))
    with pytest.raises(FileError, match=r"expected .safetensors"):
        storage.write_bitsandbytes(tmp_path / "x.npz", {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_such_weights(tmp_path):
    path = tmp_path / "x.safetensors"
    write(path, {"w": np.ones(3, F4)})
    with pytest.raises(FileError, match="it holds no weights that bitsandbytes has quantized to 4 bits"):
        storage.read_bitsandbytes(path)


# Damage


def write(path, parts):
    """A safetensors file, written out here."""
    names = {np.dtype(F4): "F32", np.dtype(np.uint8): "U8", np.dtype(np.float16): "F16"}
    table, data = {}, b""
    for name, part in parts.items():
        begin = len(data)
        data += part.tobytes()
        table[name] = {"dtype": names[part.dtype], "shape": part.shape, "data_offsets": [begin, len(data)]}
    header = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def saying(**changes):
    """The JSON of a nested weight of (16, 128), with other values; None leaves one out."""
    state = {"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [16, 128], "nested_blocksize": 256,
             "nested_dtype": "float32", "nested_offset": 2.5}  # fmt: skip
    said = {key: value for key, value in (state | changes).items() if value is not None}
    return {"w.quant_state.bitsandbytes__nf4": np.frombuffer(json.dumps(said).encode(), np.uint8)}


WRONG = {
    "no weight": ({"w": None}, "there is no 'w'"),
    "no absmax": ({"w.absmax": None}, r"there is no 'w.absmax'"),
    "no map": ({"w.quant_map": None}, r"there is no 'w.quant_map'"),
    "no nested absmax": ({"w.nested_absmax": None}, r"there is no 'w.nested_absmax'"),
    "no nested map": ({"w.nested_quant_map": None}, r"there is no 'w.nested_quant_map'"),
    "two states": ({"w.quant_state.bitsandbytes__fp4": np.zeros(2, np.uint8)}, "has 2 tensors w.quant_state"),
    "a byte less": ({"w": np.zeros((1023, 1), np.uint8)}, r"its codes have 1023 bytes; for shape \(16, 128\) they are 1024"),
    "fewer scales": ({"w.absmax": np.zeros(31, np.uint8)}, r"absmax holds uint8 of shape \(31,\); .* \(32,\)"),
    "scales that are not nested": ({"w.absmax": np.ones(32, F4)}, "absmax holds float32"),
    "more nested scales": ({"w.nested_absmax": np.ones(2, F4)}, r"nested_absmax holds float32 of shape \(2,\)"),
    "a short map": ({"w.nested_quant_map": np.ones(255, F4)}, r"nested_quant_map holds float32 of shape \(255,\)"),
    "the map of FP4": ({"w.quant_map": F4(numfmt.parse("fp4_bnb").table)}, "quant_map is not the table of nf4"),
    "NaN in a map": ({"w.nested_quant_map": np.full(256, np.nan, F4)}, "finite"),
    "no JSON": ({"w.quant_state.bitsandbytes__nf4": np.frombuffer(b"{", np.uint8)}, "holds no JSON"),
    "no text": ({"w.quant_state.bitsandbytes__nf4": np.frombuffer(b"\xff\xfe", np.uint8)}, "holds no JSON"),
    "a list": ({"w.quant_state.bitsandbytes__nf4": np.frombuffer(b"[1]", np.uint8)}, "says no quant_type"),
    "deep": ({"w.quant_state.bitsandbytes__nf4": np.frombuffer(b"[" * 100_000, np.uint8)}, "holds no JSON"),
    "another type": (saying(quant_type="fp4"), "says no quant_type, or another one"),
    "no size": (saying(blocksize=None), "says no size of blocks"),
    "size 0": (saying(blocksize=0), "says no size of blocks"),
    "nested size 0": (saying(nested_blocksize=0), "says no size of blocks"),
    "another size": (saying(blocksize=32), r"absmax holds uint8 of shape \(32,\); .* \(64,\)"),
    "no shape": (saying(shape=None), "says no shape"),
    "a negative shape": (saying(shape=[-16, 128]), "says no shape"),
    "a huge shape": (saying(shape=[1 << 47, 1 << 47]), "its codes have 1024 bytes"),
    "half a shape": (saying(shape=[16.5, 128]), "says no shape"),
    "no offset": (saying(nested_offset=None), "says no nested_offset"),
    "an offset in words": (saying(nested_offset="2"), "says no nested_offset"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_damage(name, tmp_path):
    path, (changes, message) = tmp_path / "x.safetensors", WRONG[name]
    parts = quant_state.tensors_of(encoded("bnb_nf4[nested]", (16, 128)), "w")
    write(path, parts)
    assert list(storage.read_bitsandbytes(path)) == ["w"]
    write(path, {key: part for key, part in (parts | changes).items() if part is not None})
    with pytest.raises(
        FileError, match=f"cannot read '.*': the quantized weight 'w' makes no sense: .*{message}"
    ):
        numfmt.decode(path)
    with pytest.raises(FileError, match=message):
        storage.read_bitsandbytes(path)


def test_every_truncation_is_refused(checkpoint):
    path, _ = checkpoint
    raw = path.read_bytes()
    for length in range(0, len(raw), 61):
        path.write_bytes(raw[:length])
        with pytest.raises(FileError):
            numfmt.decode(path)


def test_any_byte_of_the_header_or_state_changed_gives_arrays_or_an_error(tmp_path):
    path = tmp_path / "x.safetensors"
    parts = quant_state.tensors_of(encoded("bnb_nf4[nested]", (2, 64)), "w")
    write(path, parts)
    raw = path.read_bytes()
    for at in range(0, len(raw), 5):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x11]) + raw[at + 1 :])
        with suppress(FileError):
            numfmt.decode(path)


def test_tensors_without_the_weight():
    parts = quant_state.tensors_of(encoded("bnb_nf4", (4, 4)), "layer.weight")
    with pytest.raises(ValueError, match=r"'weight' has 0 tensors .*, it is one; weights here: layer.weight"):
        quant_state.array_of(parts)
    with pytest.raises(ValueError, match="weights here: none"):
        quant_state.array_of({})
    with pytest.raises(TypeError, match="tensors are given by their names, in a dict; got list"):
        quant_state.array_of([1, 2])


def test_huge_shapes_without_elements():
    for shape in ([0, 1 << 47], [0, *[1 << 47] * 3]):
        parts = quant_state.tensors_of(encoded("bnb_nf4", (0, 4)))
        key = "weight.quant_state.bitsandbytes__nf4"
        state = json.loads(parts[key].tobytes()) | {"shape": shape}
        parts[key] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        with suppress(ValueError):
            assert quant_state.array_of(parts).decode().size == 0


# The library itself


def test_states_of_the_library(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("bitsandbytes", minversion="0.43")
    from bitsandbytes import functional

    x = torch.from_numpy(F4(np.random.default_rng(4).standard_normal((33, 65))))
    for kind in ("nf4", "fp4"):
        for nested in (False, True):
            raw, state = functional.quantize_4bit(
                x, blocksize=64, quant_type=kind, compress_statistics=nested
            )
            theirs = {f"w.{key}": part.numpy() for key, part in state.as_dict(packed=True).items()} | {
                "w": raw.numpy()
            }
            array = quant_state.array_of(theirs, "w")
            assert np.array_equal(array.decode(), functional.dequantize_4bit(raw, state).numpy())
            ours = quant_state.tensors_of(array, "w", "float32")
            assert set(ours) == set(theirs)
            for key, part in theirs.items():
                assert (part.dtype, part.shape, part.tobytes()) == (
                    ours[key].dtype,
                    ours[key].shape,
                    ours[key].tobytes(),
                )
            write(tmp_path / "x.safetensors", theirs)
            assert np.array_equal(numfmt.decode(tmp_path / "x.safetensors")["w"], array.decode())


def test_the_library_reads_ours():
    torch = pytest.importorskip("torch")
    pytest.importorskip("bitsandbytes", minversion="0.43")
    from bitsandbytes import functional

    for spec in SPECS:
        array = encoded(spec, (16, 128))  # rows of whole blocks: others its CPU code of 0.50 takes for such
        parts = {
            key: torch.from_numpy(part.copy()) for key, part in quant_state.tensors_of(array, "w").items()
        }
        raw = parts.pop("w")
        state = functional.QuantState.from_dict(
            {key[2:]: part for key, part in parts.items()}, torch.device("cpu")
        )
        state.dtype = torch.float32
        assert np.array_equal(functional.dequantize_4bit(raw, state).numpy(), array.decode())
