"""GGUF files: what the package gguf writes, and files that lie."""

import itertools
import json
import os
import re
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import numfmt
from gguf_blocks import hard
from numfmt.gguf import TYPES, GGUFArray
from numfmt.tensors import FileError, read

ROOT = Path(__file__).parents[2]
X = hard.SETS["normal"][: 4 * 256].reshape(2, 2, 256)
STRING, ARRAY, UINT32 = 8, 9, 4


# Files made here, byte by byte


def text(s):
    raw = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def tensor(name="w", shape=(32,), kind=8, offset=0):
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, offset)


def header(tensors=(), pairs=(), version=3, counts=None):
    count, keys = counts or (len(tensors), len(pairs))
    return b"GGUF" + struct.pack("<IQQ", version, count, keys) + b"".join(pairs) + b"".join(tensors)


def padded(raw, alignment=32):
    return raw + bytes(-len(raw) % alignment)


def whole(tensors=None, pairs=(), body=None, alignment=32, **keywords):
    """A file of one Q8_0 block, unless said otherwise."""
    head = header((tensor(),) if tensors is None else tensors, pairs, **keywords)
    return padded(head, alignment) + padded(bytes(range(34)) if body is None else body, alignment)


@pytest.fixture
def opened(tmp_path):
    """What reading these bytes gives."""

    def found(raw):
        path = tmp_path / "x.gguf"
        path.write_bytes(raw)
        return list(read(path))

    return found


def test_a_file_of_one_block(opened):
    (found,) = opened(whole())
    assert (found.name, found.array.shape, found.coded) == ("w", (32,), None)
    assert isinstance(found.array, GGUFArray)
    assert found.array.pack().tobytes() == bytes(range(34))


def test_tensors_are_mapped_and_not_decoded(opened):
    (found,) = opened(whole())
    base = found.array.blocks
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


METADATA = [
    pair("a", 0, b"\1"), pair("b", 7, b"\1"), pair("c", 3, b"\1\2"), pair("d", 6, bytes(4)), pair("e", 12, bytes(8)),
    pair("f", STRING, text("x" * 100)), pair("g", ARRAY, struct.pack("<IQ", 5, 3) + bytes(12)),
    pair("h", ARRAY, struct.pack("<IQ", STRING, 2) + text("one") + text("")), pair("i", ARRAY, struct.pack("<IQ", 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [1, 8, 32, 4096])
def test_metadata_is_passed_over(opened, version, alignment):
    pairs = [*METADATA, pair("general.alignment", UINT32, struct.pack("<I", alignment))]
    (found,) = opened(whole(pairs=pairs, alignment=alignment, version=version))
    assert found.array.pack().tobytes() == bytes(range(34))


def test_the_last_padding_may_be_left_out(opened):
    assert opened(whole()[:-30])[0].array.size == 32


@pytest.mark.parametrize(
    ("shape", "kind"), [((), 0), ((0,), 0), ((3, 0, 32), 8), ((2, 1, 1, 32), 8), ((5,), 30)]
)
def test_shapes(opened, shape, kind):
    count = int(np.prod(shape))
    body = bytes({0: 4 * count, 8: 34 * (count // 32), 30: 2 * count}[kind])
    (found,) = opened(whole([tensor("w", shape, kind)], body=body))
    assert found.array.shape == found.whole().shape == shape


def test_several_tensors_and_the_wanted_ones(tmp_path):
    tensors = [tensor("a", (32,), 8, 0), tensor("b", (3,), 0, 64), tensor("c", (64,), 2, 96)]
    body = padded(bytes(34)) + padded(np.float32([1, 2, 3]).tobytes()) + bytes(36)
    path = tmp_path / "x.gguf"
    path.write_bytes(whole(tensors, body=body))
    assert [t.name for t in read(path)] == ["a", "b", "c"]
    (found,) = read(path, lambda name: name == "b")
    assert found.whole().tolist() == [1, 2, 3]
    assert {name: x.shape for name, x in numfmt.decode(path).items()} == {"a": (32,), "b": (3,), "c": (64,)}
    assert numfmt.decode(str(path), dtype=np.float64)["b"].dtype == np.float64
    for given in (path, str(path)):
        with pytest.raises(TypeError, match="leave fmt and out out"):
            numfmt.decode(given, "gguf_q8_0")


# The package


def written(path, arrays):
    """A file by the package: name: (array as it is stored, its type or None)."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_uint32("llama.block_count", 1)
    writer.add_array("tokenizer.ggml.tokens", ["a", "bb", "ccc"])
    for name, (array, kind) in arrays.items():
        writer.add_tensor(name, array, raw_dtype=None if kind is None else gguf.GGMLQuantizationType(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def model(tmp_path):
    """A tensor of each type, and of plain numbers."""
    x = X.reshape(4, 256)
    blocks = {
        name: (numfmt.encode(x, f"gguf_{name}").pack().reshape(4, -1), TYPES[name].number) for name in TYPES
    }
    del blocks["q8_1"]  # 36 bytes to ggml, 40 to the package
    halves = numfmt.encode(x, "bf16").astype("<u2").view(np.uint8).reshape(4, -1)
    plain = {
        "f32": (x, None),
        "f16": (x.astype(np.float16), None),
        "f64": (x.astype(np.float64), None),
        "bf16": (halves, 30),
    }
    return written(tmp_path / "model.gguf", {**blocks, **plain, "norm": (x[0], None)})


def test_what_the_package_writes(model):
    found = {t.name: t for t in read(model)}
    x = X.reshape(4, 256)
    assert len(found) == len(TYPES) - 1 + 5
    for name in TYPES.keys() & found.keys():
        array = found[name].array
        assert str(array.format) == f"gguf_{name}"
        assert (found[name].whole() == numfmt.cast(x, array.format)).all()
        assert (np.concatenate(list(found[name].chunks())) == found[name].whole().ravel()).all()
        assert (numfmt.decode(array) == numfmt.cast(x, array.format)).all()
    assert (found["f32"].whole() == x).all()
    assert (found["f64"].whole() == x).all()
    assert (found["f16"].whole() == x.astype(np.float16)).all()
    assert (found["bf16"].whole() == numfmt.cast(x, "bf16")).all()


def test_what_the_package_reads(model):
    """It finds the same bytes under the same names."""
    reader = pytest.importorskip("gguf").GGUFReader(str(model))
    found = {t.name: t.array for t in read(model)}
    for theirs in reader.tensors:
        ours = found[theirs.name]
        raw = ours.pack() if isinstance(ours, GGUFArray) else ours
        assert theirs.data.tobytes() == raw.tobytes()


def test_large_tensors_come_in_pieces(tmp_path):
    x = np.resize(hard.SETS["normal"], (300, 512))
    packed = numfmt.encode(x, "gguf_q8_0").pack().reshape(300, -1)
    (found,) = read(written(tmp_path / "x.gguf", {"w": (packed, 8)}))
    chunks = list(found.chunks())
    assert [c.size for c in chunks] == [65536, 65536, 22528]
    assert (np.concatenate(chunks) == found.whole().ravel()).all()


def test_types_that_the_package_decodes(tmp_path):
    gguf = pytest.importorskip("gguf")
    raw = np.random.default_rng(0).integers(0, 256, (3, 2 * 66)).astype(np.uint8)
    raw[:, [1, 67]] = 0x3C  # scales about 1
    (found,) = read(written(tmp_path / "x.gguf", {"w": (raw, 16)}))
    assert found.array.shape == (3, 512)
    assert (found.whole() == gguf.quants.dequantize(raw, gguf.GGMLQuantizationType.IQ2_XXS)).all()


def test_types_that_nobody_decodes(opened, monkeypatch):
    file = whole([tensor("w", (256,), 16)], body=bytes(66))
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(
        FileError, match="tensor 'w' is of type IQ2_XXS, which numfmt leaves to the package gguf: install it"
    ):
        opened(file)
    monkeypatch.delitem(sys.modules, "gguf")
    pytest.importorskip("gguf")
    with pytest.raises(FileError, match=r"type Q2_0, .* and the one installed does not know it"):
        opened(whole([tensor("w", (64,), 42)], body=bytes(18)))


def test_compare_reads_a_model(model):
    table = numfmt.compare(model, "mxfp4,int8[calibrate=absmax],gguf_q8_0")
    assert len(table) == 3 * (len(TYPES) - 1 + 5)
    rows = {(r.tensor, r.format): r for r in table}
    assert rows["q8_0", "gguf_q8_0"].sqnr_db > 80  # nearly all of it stays as it is
    assert rows["norm", "mxfp4"].count == 256


def test_the_command_line_reads_a_model(model):
    done = subprocess.run(
        [sys.executable, "-m", "numfmt", "compare", str(model), "--formats", "mxfp4,int8[calibrate=absmax]", "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["tensor"] for row in rows} >= {"q4_k", "mxfp4", "f16", "bf16"}


# Files that lie

BAD = {
    "empty": (b"", "it is empty"),
    "other magic": (b"GGML" + bytes(40), "does not begin as a .gguf file does"),
    "magic alone": (b"GGUF", "4 bytes where it has 0 left"),
    "version 1": (header(version=1), "version 1, and versions 2 and 3 are read"),
    "version 4": (header(version=4), "version 4"),
    "big-endian": (header(version=3 << 24), "it is big-endian"),
    "counts of 2**64": (header(counts=(2**64 - 1, 2**64 - 1)), "claims 18446744073709551615 entries"),
    "tensors of 2**60": (header(counts=(2**60, 0)), f"claims {2**60} tensors in the 0 bytes"),
    "a key of 2**63": (header(counts=(0, 1)) + struct.pack("<Q", 2**63) + bytes(8), f"{2**63} bytes where it has 8 left"),
    "a string of 2**62": (header(pairs=[pair("k", STRING, struct.pack("<Q", 2**62))]), "bytes where it has 0 left"),
    "an array of 2**62": (header(pairs=[pair("k", ARRAY, struct.pack("<IQ", 0, 2**62))]), f"claims {2**62} entries"),
    "strings of 2**61": (header(pairs=[pair("k", ARRAY, struct.pack("<IQ", STRING, 2**61))]), f"claims {2**61} entries"),
    "an array of arrays": (
        header(pairs=[pair("k", ARRAY, struct.pack("<IQIQ", ARRAY, 1, 0, 0))]), "an array of type 9",
    ),
    "a value of no type": (header(pairs=[pair("k", 13, bytes(8))]), "a value of type 13, which there is not"),
    "no UTF-8": (header(pairs=[pair(b"\xff", 0, b"\0")]), "at byte 32 of its header is no UTF-8"),
    "a key twice": (header(pairs=[pair("k", 0, b"\0"), pair("k", 0, b"\0")]), "key 'k' stands twice"),
    "alignment 3": (header(pairs=[pair("general.alignment", UINT32, b"\3\0\0\0")]), "is 3, no power of two"),
    "alignment 0": (header(pairs=[pair("general.alignment", UINT32, bytes(4))]), "is 0, no power of two"),
    "alignment 2**31": (
        whole(pairs=[pair("general.alignment", UINT32, struct.pack("<I", 2**31))]), "it is truncated",
    ),
    "alignment as text": (header(pairs=[pair("general.alignment", STRING, text("32"))]), "is no uint32"),
    "five axes": (whole([tensor(shape=(1, 1, 1, 1, 32))]), "has 5 axes, and 4 is the most"),
    "2**32 axes": (header([text("w") + struct.pack("<I", 2**32 - 1)]) + bytes(64), "has 4294967295 axes"),
    "2**58 elements": (whole([tensor(shape=(2**26, 2**32))]), "it is truncated"),
    "2**80 elements": (whole([tensor(shape=(2**40, 2**40))]), "is larger than any memory"),
    "2**252 elements": (whole([tensor(shape=(2**63,) * 4)]), "is larger than any memory"),
    "none of 2**64": (whole([tensor(shape=(2**64 - 32, 0))], body=b""), "is larger than any memory"),
    "none of 2**60": (whole([tensor(shape=(2**60, 0, 32))], body=b""), "is larger than any memory"),
    "an unknown type": (whole([tensor(kind=77)]), "is of type 77, which is not known"),
    "a removed type": (whole([tensor(kind=4)]), "is of type 4, which is not known"),
    "no whole blocks": (whole([tensor(shape=(33,))]), "of shape \\(33,\\) has no rows of whole blocks of 32"),
    "one number in blocks": (whole([tensor(shape=())]), "has no rows of whole blocks"),
    "blocks across rows": (whole([tensor(shape=(32, 16))], body=bytes(16 * 34)), "has no rows of whole blocks"),
    "a name twice": (whole([tensor(), tensor(offset=64)], body=bytes(98)), "a name stands twice"),
    "an offset too far": (whole([tensor(offset=32)], body=bytes(98)), "does not begin where the one before ends"),
    "an offset of 2**64": (whole([tensor(offset=2**64 - 32)]), "does not begin where the one before ends"),
    "a hole": (whole([tensor(), tensor("v", offset=96)], body=bytes(130)), "tensor 'v' does not begin"),
    "an overlap": (whole([tensor(), tensor("v", offset=0)], body=bytes(98)), "tensor 'v' does not begin"),
    "too long": (whole() + bytes(1), "it is too long: its tensors end at byte"),
    "the last block cut": (whole()[:-31], "it is truncated: tensor 'w' ends at byte"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "words"), BAD.values(), ids=BAD)
def test_a_file_that_lies(opened, raw, words):
    with pytest.raises(FileError, match=words) as error:
        opened(raw)
    assert re.match(r"cannot read '.*x\.gguf': ", str(error.value))


def small_file():
    tensors = [tensor("a", (32,), 8, 0), tensor("b", (2, 256), 12, 64), tensor("c", (3,), 0, 352)]
    body = padded(bytes(range(34))) + padded(bytes(288)) + np.float32([1, 2, 3]).tobytes()
    return whole(tensors, METADATA, body)


def summary(tensors):
    return [(t.name, t.array.shape, t.whole().tobytes()) for t in tensors]


def test_every_truncation(opened):
    file = small_file()
    expected = summary(opened(file))
    for length in range(len(file)):
        cut = file[:length]
        if length >= len(file) - 20:  # padding
            assert summary(opened(cut)) == expected
        else:
            with pytest.raises(FileError):
                opened(cut)


def test_every_byte_changed(opened):
    """An error, or tensors that lie in the file: names, types of the same size and padding may be anything."""
    file = small_file()
    body = len(file) - 384
    outcomes = {"error": 0, "read": 0}
    tracemalloc.start()
    for place, flip in itertools.product(range(len(file)), (0x01, 0x80, 0xFF)):
        bad = bytearray(file)
        bad[place] ^= flip
        try:
            found = opened(bytes(bad))
        except FileError:
            outcomes["error"] += 1
            continue
        outcomes["read"] += 1
        assert sum(t.array.nbytes for t in found) <= 384
        if place >= body:
            assert [(t.name, t.array.shape) for t in found] == [("a", (32,)), ("b", (2, 256)), ("c", (3,))]
        assert [t.whole().size for t in found] == [t.array.size for t in found]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert min(outcomes.values()) > 300
    assert peak < 4 << 20


def test_random_bytes_after_the_magic(opened):
    rng = np.random.default_rng(3)
    for _ in range(300):
        with pytest.raises(FileError):
            opened(b"GGUF" + struct.pack("<I", 3) + rng.bytes(int(rng.integers(0, 400))))


def test_a_sparse_file_of_a_terabyte_takes_no_memory(tmp_path):
    """Its header claims as much as it has: only what is asked for is read."""
    path = tmp_path / "x.gguf"
    rows = 2**30
    head = padded(header([tensor("w", (rows, 1024), 8)]))
    with path.open("wb") as stream:
        stream.write(head)
        try:
            stream.truncate(len(head) + rows * 32 * 34)
        except OSError:
            pytest.skip("the file system has no room for a sparse file")
    tracemalloc.start()
    (found,) = read(path)
    first = next(found.chunks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.array.size == rows * 1024
    assert not first.any()
    assert peak < 8 << 20


def test_memory_of_a_long_header(opened):
    """A million strings are passed over one by one."""
    strings = pair("tokens", ARRAY, struct.pack("<IQ", STRING, 200_000) + text("word") * 200_000)
    raw = whole(pairs=[strings])
    tracemalloc.start()
    opened(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
