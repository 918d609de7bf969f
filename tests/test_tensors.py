"""Reading tensors from files, hostile ones among them, and writing that never harms."""

import errno
import json
import os
import struct
import threading
import zipfile

import numpy as np
import pytest

import numfmt
from numfmt import tensors
from numfmt.tensors import FileError, Tensor, read, rounded, tensors_of, write_npy


def numbers(tensor):
    return np.concatenate([np.zeros(0), *tensor.chunks()]).reshape(tensor.array.shape)


def safetensors_file(path, table, body=b"", length=None):
    header = table if isinstance(table, bytes) else json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + body)
    return path


def line(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "x",
    [
        np.arange(6.0).reshape(2, 3),
        np.array(1.5),
        np.zeros((0, 3), np.float32),
        np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
        np.array([True, False]),
        np.float16([0.1, 1]),
    ],
    ids=["float64", "0-d", "empty", "fortran big-endian", "bool", "float16"],
)
def test_npy(tmp_path, x):
    np.save(tmp_path / "x.npy", x)
    (tensor,) = read(tmp_path / "x.npy")
    assert tensor.name == "x"
    assert (numbers(tensor) == x).all()
    assert tensor.array.shape == x.shape


def test_npy_is_mapped(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(1000))
    (tensor,) = read(tmp_path / "x.npy")
    assert isinstance(tensor.array.base, np.memmap)


def test_npz_reads_only_what_is_wanted(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", w=np.ones(3), words=np.array(["a"]))
    assert [t.name for t in read(tmp_path / "x.npz", lambda name: name == "w")] == ["w"]
    with pytest.raises(TypeError, match="tensor 'words': expected real numbers"):
        list(read(tmp_path / "x.npz"))


def test_safetensors_equals_the_official_writer(tmp_path):
    writer = pytest.importorskip("safetensors.numpy")
    given = {
        "f32": np.float32([[0.1, -1]]), "f16": np.float16([0.1]), "f64": np.array([0.1]), "i8": np.int8([-3]),
        "u16": np.uint16([65535]), "i64": np.array([2**53 + 1]), "bool": np.array([True, False]),
        "scalar": np.array(2.0), "empty": np.zeros((0, 4)),
    }  # fmt: skip
    writer.save_file(given, tmp_path / "x.safetensors", metadata={"format": "np"})
    found = {t.name: t for t in read(tmp_path / "x.safetensors")}
    assert found.keys() == given.keys()
    for name, x in given.items():
        assert found[name].array.shape == x.shape
        assert (numbers(found[name]) == x).all()
    assert int(next(found["i64"].chunks())[0]) == 2**53 + 1


@pytest.mark.parametrize(
    ("dtype", "spec"),
    [("BF16", "bf16"), ("F8_E4M3", "e4m3fn"), ("F8_E5M2", "e5m2"), ("F8_E8M0", "e8m0fnu"), ("F16", "f16")],
)
def test_codes_of_safetensors(tmp_path, dtype, spec):
    codes = numfmt.encode([1.0, 0.125, 96.0], spec)
    table = {"w": line(dtype, (3,), (0, codes.nbytes))}
    (tensor,) = read(safetensors_file(tmp_path / "x.safetensors", table, codes.tobytes()))
    assert numbers(tensor).tolist() == numfmt.decode(codes, spec).tolist()


def test_torch_writes_bfloat16(tmp_path):
    torch = pytest.importorskip("torch")
    writer = pytest.importorskip("safetensors.torch")
    x = torch.linspace(-3, 3, 100_000).to(torch.bfloat16).reshape(100, 1000)
    writer.save_file({"w": x, "v": x[:1].contiguous().to(torch.float8_e4m3fn)}, tmp_path / "x.safetensors")
    found = {t.name: t for t in read(tmp_path / "x.safetensors")}
    assert (numbers(found["w"]) == x.double().numpy()).all()
    assert (numbers(found["v"]) == x[:1].to(torch.float8_e4m3fn).double().numpy()).all()


HOSTILE = {
    "empty": b"",
    "short": b"\x02\0\0",
    "no header": struct.pack("<Q", 0),
    "header past the end": struct.pack("<Q", 10**6) + b"{}",
    "huge header": struct.pack("<Q", 2**63) + b"{}",
    "no JSON": struct.pack("<Q", 4) + b"{{{{",
    "no UTF-8": struct.pack("<Q", 4) + b'{"\xff"',
    "no table": struct.pack("<Q", 2) + b"[]",
    "deep": struct.pack("<Q", 200_000) + b"[" * 200_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_damaged_safetensors(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"cannot read '.*x.safetensors'"):
        list(read(path))


BAD_TABLES = {
    "number for a table": {"w": 3},
    "missing key": {"w": {"dtype": "F32", "shape": [1]}},
    "negative size": {"w": line(shape=(-1, -1))},
    "size as text": {"w": line(shape=("1",))},
    "size as bool": {"w": line(shape=(True,))},
    "fraction": {"w": line(offsets=(0, 4.0))},
    "product too large": {"w": line(shape=(2**40, 2**40))},
    "wrong size": {"w": line(shape=(2,))},
    "backwards": {"w": line(offsets=(4, 0))},
    "past the end": {"w": line(shape=(2,), offsets=(0, 8))},
    "hole": {"w": line(offsets=(4, 8))},
    "overlap": {"v": line(), "w": line()},
    "left over": {},
    "too many axes": {"w": line(shape=(1,) * 65)},
    "unknown dtype": {"w": line("F4", (8,))},
    "huge offset": {"w": line("F4", (8,), (0, 2**80))},
    "NaN": b'{"w": NaN}',
    "twice": b'{"w": 1, "w": 2}',
}


@pytest.mark.parametrize("table", BAD_TABLES.values(), ids=BAD_TABLES)
def test_tables_are_checked(tmp_path, table):
    with pytest.raises(FileError, match="cannot read"):
        list(read(safetensors_file(tmp_path / "x.safetensors", table, bytes(4))))


def test_an_unknown_dtype_can_be_left_out(tmp_path):
    table = {"v": line("F4", (8,)), "w": line(offsets=(4, 8))}
    path = safetensors_file(tmp_path / "x.safetensors", table, bytes(8))
    assert [t.name for t in read(path, lambda name: name == "w")] == ["w"]
    with pytest.raises(FileError, match="tensor 'v' has dtype 'F4'; known are F64"):
        list(read(path))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_truncated_files(tmp_path, suffix):
    whole = {".npy": np.save, ".npz": lambda p, x: np.savez(p, w=x)}.get(suffix)
    path = tmp_path / f"x{suffix}"
    if whole:
        whole(path, np.arange(100.0))
    else:
        safetensors_file(path, {"w": line("F64", (100,), (0, 800))}, bytes(800))
    content = path.read_bytes()
    for size in (0, 3, 9, 60, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(FileError, match="cannot read"):
            list(read(path))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_foreign_files(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"%PDF-1.7 this is something else entirely" * 3)
    with pytest.raises(FileError, match="cannot read"):
        list(read(path))


def test_a_damaged_member(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, w=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(FileError, match="cannot read"):
        list(read(path))


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([print], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "y.npz", w=np.array([{}], dtype=object))
    for name in ("x.npy", "y.npz"):
        with pytest.raises((FileError, TypeError)):
            list(read(tmp_path / name))


def test_a_header_that_claims_too_much(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("w.npy", "w") as member:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 55,)}
        np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(FileError, match="cannot read"):
        list(read(path))


@pytest.mark.parametrize(
    ("name", "text"),
    [("none.npy", "No such file"), ("x.txt", r"expected one of \.npy, \.npz"), ("f.npy", "regular")],
)
def test_paths_that_cannot_be(tmp_path, name, text):
    (tmp_path / "f.npy").mkdir()
    with pytest.raises(FileError, match=text):
        list(tensors_of(tmp_path / name))


@pytest.fixture
def nobody():
    """Root may read everything: for a while we are somebody else."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no such permissions")
def test_without_permission(tmp_path, request):
    np.save(tmp_path / "x.npy", np.zeros(3))
    (tmp_path / "x.npy").chmod(0)
    request.getfixturevalue("nobody")
    with pytest.raises(FileError, match="Permission denied"):
        list(read(tmp_path / "x.npy"))


def test_errors_are_both_kinds():
    assert issubclass(FileError, OSError)
    assert issubclass(FileError, ValueError)


def test_chunks_are_fixed():
    sizes = [c.size for c in Tensor("", np.zeros((3, 50_000), np.int8)).chunks()]
    assert sizes == [65536, 65536, 150_000 - 2 * 65536]


def test_an_iterator_is_taken_as_it_is():
    assert [t.name for t in tensors_of(Tensor(name, np.zeros(1)) for name in "ab")] == ["a", "b"]


def test_mappings_and_torch():
    torch = pytest.importorskip("torch")
    found = list(tensors_of({"a": torch.tensor([0.5], dtype=torch.bfloat16, requires_grad=True), 3: [1]}))
    assert [t.name for t in found] == ["a", "3"]
    assert numbers(found[0]).tolist() == [0.5]


def convert(tensor, spec, path, **keywords):
    dtype, pieces = rounded(tensor, numfmt.parse(spec), **keywords)
    write_npy(path, tensor.array.shape, dtype, pieces)


@pytest.mark.parametrize("codes", [False, True])
@pytest.mark.parametrize("keywords", [{}, {"rounding": "sr", "seed": 3}])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16])
def test_written_pieces_equal_one_call(tmp_path, codes, keywords, dtype):
    x = (np.random.default_rng(0).standard_normal((2, 100_000)) * 40).astype(dtype)
    convert(Tensor("", x), "e4m3fn", tmp_path / "y.npy", codes=codes, **keywords)
    y = np.load(tmp_path / "y.npy")
    wanted = (numfmt.encode if codes else numfmt.cast)(x, "e4m3fn", **keywords)
    assert y.dtype == wanted.dtype
    assert y.shape == x.shape
    assert y.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("x", [np.array(1.1), np.zeros((0, 2), np.float32)])
def test_written_scalars_and_empties(tmp_path, x):
    convert(Tensor("", x), "bf16", tmp_path / "y.npy")
    assert np.load(tmp_path / "y.npy").shape == x.shape


def test_onto_itself(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.full(200_000, 1.1, np.float32))
    path.chmod(0o640)
    (tensor,) = read(path)
    convert(tensor, "bf16", path)
    assert (np.load(path) == np.float32(1.1015625)).all()
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["x.npy"]


def test_through_a_link(tmp_path):
    np.save(tmp_path / "x.npy", np.ones(3))
    (tmp_path / "link.npy").symlink_to("x.npy")
    convert(Tensor("", np.zeros(2)), "bf16", tmp_path / "link.npy")
    assert (tmp_path / "link.npy").is_symlink()
    assert np.load(tmp_path / "x.npy").tolist() == [0, 0]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, MemoryError, SystemExit, RuntimeError])
def test_a_failure_leaves_everything_as_it_was(tmp_path, fault):
    path = tmp_path / "x.npy"
    path.write_bytes(b"before")

    def pieces():
        yield np.zeros(3)
        raise fault

    with pytest.raises(fault):
        write_npy(path, (6,), np.dtype(float), pieces())
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["x.npy"]


def test_a_full_disk(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensors.os, "fsync", full)
    with pytest.raises(FileError, match=r"No space left on device\. Free some space"):
        write_npy(tmp_path / "x.npy", (1,), np.dtype(float), [np.zeros(1)])
    assert os.listdir(tmp_path) == []


def test_overflow_in_a_late_piece_counts_all(tmp_path):
    x = np.zeros(100_000)
    x[[70_000, 90_000]] = np.nan
    with pytest.raises(numfmt.RangeError, match=r"2 of 100000 values are NaN.*first at 70000"):
        convert(Tensor("", x), "e2m1fn", tmp_path / "y.npy")
    assert os.listdir(tmp_path) == []


def test_a_folder_or_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(FileError, match="no regular file"):
            write_npy(target, (1,), np.dtype(float), [np.zeros(1)])


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileError, match=r"cannot write .*No such file"):
        write_npy(tmp_path / "no" / "x.npy", (1,), np.dtype(float), [np.zeros(1)])


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "x.npy"
    jobs = [
        threading.Thread(target=write_npy, args=(path, (5,), np.dtype(float), [np.full(5, float(i))]))
        for i in range(8)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(set(np.load(path))) == 1
    assert os.listdir(tmp_path) == ["x.npy"]
