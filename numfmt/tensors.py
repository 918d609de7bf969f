"""Tensors by name, from memory or from `.npy`, `.npz`, `.safetensors` and `.gguf` files, read lazily; and
writing one `.npy` file so that nothing is ever half written.

The safetensors header is read here: the package of that name gives NumPy no bfloat16 and no
float8, and copies each tensor. Eight bytes of length, a JSON table, then plain little-endian
numbers can be mapped as they lie; every size in the table is checked before it is used.
"""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .blocks import BlockArray
from .casting import cast, decode, encode
from .engine import inputs
from .engine.run import Noise
from .errors import RangeError
from .format import Format
from .gguf import GGUFArray
from .gguf.files import contents, entries
from .quant_state import array_of, weights
from .reference import WORD_BITS
from .registry import element
from .rounding import rounding_mode

Array = np.ndarray[Any, Any]
Wanted = Callable[[str], bool]
CHUNK = 1 << 16  # elements
TABLE = "numfmt"  # what arrays with scales are described under, in files that `storage` writes
LONGEST_HEADER = 100_000_000  # bytes, as in the reference implementation of safetensors

# safetensors dtype: (NumPy dtype of the stored words, format of the words if they are codes)
DTYPES: dict[str, tuple[str, str | None]] = {
    "F64": ("<f8", None),
    "F32": ("<f4", None),
    "F16": ("<f2", None),
    "BF16": ("<u2", "bf16"),
    "F8_E4M3": ("|u1", "e4m3fn"),
    "F8_E5M2": ("|u1", "e5m2"),
    "F8_E4M3FNUZ": ("|u1", "e4m3fnuz"),
    "F8_E5M2FNUZ": ("|u1", "e5m2fnuz"),
    "F8_E8M0": ("|u1", "e8m0fnu"),
    "I64": ("<i8", None),
    "I32": ("<i4", None),
    "I16": ("<i2", None),
    "I8": ("|i1", None),
    "U64": ("<u8", None),
    "U32": ("<u4", None),
    "U16": ("<u2", None),
    "U8": ("|u1", None),
    "BOOL": ("|b1", None),
}


class FileError(OSError, ValueError):
    """A file that cannot be read or written; the message says which, why and what to do."""


class Tensor(NamedTuple):
    """A name and an array; with `coded`, the elements are codes of that format. Blocks of a GGUF file are
    a `GGUFArray`, decoded piece by piece, weights that bitsandbytes has quantized a `BlockArray`, decoded whole.

    >>> [chunk.tolist() for chunk in Tensor("w", np.array([0x3F80], np.uint16), element("bf16")).chunks()]
    [[1.0]]
    """

    name: str
    array: Any
    coded: Format | None = None

    def pieces(self) -> Iterator[Array]:
        """The elements in C order, 65536 at a time: 1-D, in their own dtype (float32 if coded)."""
        a = self.array
        if isinstance(a, GGUFArray):
            yield from (a.piece(start, min(start + CHUNK, a.size)) for start in range(0, a.size, CHUNK))
            return
        if isinstance(a, BlockArray):
            a = a.decode()
        flat = np.asarray(a).reshape(-1) if a.flags.c_contiguous else a.flat
        for start in range(0, a.size, CHUNK):
            yield self._decoded(flat[start : start + CHUNK])

    def chunks(self) -> Iterator[Array]:
        """Those pieces as native float64; longdouble where float64 does not hold the numbers."""
        return map(_widened, self.pieces())

    def whole(self) -> Array:
        """All elements in their shape, as `pieces` gives them."""
        return self._decoded(np.asarray(self.array))

    def _decoded(self, words: Array) -> Array:
        return words if self.coded is None else np.asarray(decode(words, self.coded))


def _widened(x: Array) -> Array:
    if x.dtype.itemsize > 8:
        return x.astype(np.longdouble)
    near = x.astype(np.float64)
    integers = x.dtype.str[1:] in ("i8", "u8")
    return x.astype(np.longdouble) if integers and abs(near).max() >= 2.0**53 else near


def everything(name: str) -> bool:
    """The choice of all tensors."""
    return True


def tensors_of(x: Any, wanted: Wanted = everything) -> Iterator[Tensor]:
    """The tensors of an array, of a mapping of names to arrays, or of a file; an iterator of
    tensors is taken as it is.

    `wanted(name)` says which to read; a sole array has no name and is always wanted.

    >>> [t.name for t in tensors_of({"a": [1.0], "b": [2.0]})]
    ['a', 'b']
    """
    if isinstance(x, Iterator):
        return x
    if isinstance(x, (str, os.PathLike)):
        return read(x, wanted)
    if isinstance(x, Mapping):
        return (_tensor(str(name), array) for name, array in x.items() if wanted(str(name)))
    return iter([_tensor("", x)])


def _tensor(name: str, x: Any) -> Tensor:
    try:
        array, coded = _torch_or_numpy(x)
        if coded is None:
            inputs.classify(array)
    except TypeError as error:
        raise TypeError(f"tensor {name!r}: {error}" if name else str(error)) from None
    return Tensor(name, array, coded)


def _torch_or_numpy(x: Any) -> tuple[Array, Format | None]:
    if inputs.is_tensor(x):
        return inputs.classify_tensor(x.detach().cpu())
    return np.asarray(x), None


def read(path: str | os.PathLike[str], wanted: Wanted = everything) -> Iterator[Tensor]:
    """The tensors of a `.npy`, `.npz`, `.safetensors` or `.gguf` file, one at a time.

    Arrays that `BlockArray.save` has written come as `BlockArray`s. All but `.npz` are memory-mapped; of an `.npz` one member is held at a time. Weights of 4 bits that bitsandbytes
    has saved in a `.safetensors` file come as `BlockArray`s (`numfmt.quant_state`), blocks of a `.gguf` file as
    `GGUFArray`s, those of types that numfmt has no format of as values that the package gguf decodes.

    Raises
    ------
    FileError : missing, without permission, truncated, or of another kind
    TypeError : a tensor that does not hold real numbers
    """
    file = Path(path)
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise FileError(f"cannot read '{file}': expected one of {', '.join(READERS)}")
    return _explained(file, lambda: reader(file, wanted))


def _explained(file: Path, read_all: Callable[[], Iterator[Tensor]]) -> Iterator[Tensor]:
    with explaining(file):
        yield from read_all()


@contextmanager
def explaining(file: Path) -> Iterator[None]:
    """Whatever is raised about a file that is read becomes one clear error."""
    try:
        if not file.is_file() and file.exists():
            raise FileError("it is no regular file")
        yield
    except FileError as error:
        raise FileError(f"cannot read '{file}': {error}") from None
    except MemoryError:
        raise FileError(f"cannot read '{file}': a tensor does not fit in memory") from None
    except OSError as error:
        raise FileError(f"cannot read '{file}': {error.strerror or error}") from None
    except (ValueError, EOFError, KeyError, RecursionError, zipfile.BadZipFile) as error:
        why = " ".join(str(error).split())
        raise FileError(
            f"cannot read '{file}': it is damaged or no {file.suffix} file ({why}). Save it again"
        ) from None


def _read_npy(file: Path, wanted: Wanted) -> Iterator[Tensor]:
    check_magic(file, b"\x93NUMPY")
    if wanted(file.stem):
        yield _tensor(file.stem, _load_npy(file))


def _load_npy(file: Path) -> Array:
    """Mapped where it can be: an array without elements cannot."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "empty" not in str(error):
            raise
        array = np.load(file, allow_pickle=False)
    return np.asarray(array)


def _read_npz(file: Path, wanted: Wanted) -> Iterator[Tensor]:
    check_magic(file, b"PK")
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as members:
        if TABLE in members.files and _member(members, TABLE).dtype.kind == "U":
            yield from _saved(file, wanted)
            return
        for name in filter(wanted, members.files):
            yield _tensor(name, _member(members, name))


def _saved(file: Path, wanted: Wanted) -> Iterator[Tensor]:
    """The arrays of a file that `BlockArray.save` or `storage.save` has written."""
    from .storage import KINDS, arrays_of

    for name, array in arrays_of(file, KINDS[file.suffix.lower()]).items():
        if wanted(name or file.stem):
            yield Tensor(name or file.stem, array)


def _member(members: Any, name: str) -> Array:
    try:
        return np.asarray(members[name])
    except Exception as error:  # zlib.error, and what a crafted zip member may bring about
        raise FileError(f"its member {name!r} is damaged ({error}). Save it again") from None


def check_magic(file: Path, magic: bytes) -> None:
    with file.open("rb") as stream:
        start = stream.read(len(magic))
    if start != magic:
        what = "it is empty" if not start else f"it does not begin as a {file.suffix} file does"
        raise FileError(f"{what}. Save it again")


class Entry(NamedTuple):
    """One line of a safetensors header; begin and end in bytes from the first tensor's."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _read_safetensors(file: Path, wanted: Wanted) -> Iterator[Tensor]:
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        entries, start, metadata = safetensors_header(stream, size)
    if isinstance(metadata, dict) and TABLE in metadata:
        yield from _saved(file, wanted)
        return
    check_cover(entries, size - start)
    mapped = np.memmap(file, np.uint8, mode="r")
    known = {entry.name: entry for entry in entries}
    quantized = weights(known)
    parts = {part for names in quantized.values() for part in names}

    def tensor_of(name: str) -> Tensor:
        entry = known[name]
        return _mapped_tensor(entry, np.asarray(mapped[start + entry.begin : start + entry.end]))

    for name in filter(wanted, dict.fromkeys([*known, *quantized])):
        if name in quantized:
            held = {part: tensor_of(part).array for part in (name, *quantized[name]) if part in known}
            yield Tensor(name, _quantized(name, held))
        elif name not in parts:
            yield tensor_of(name)


def _quantized(name: str, tensors: dict[str, Array]) -> BlockArray:
    try:
        return array_of(tensors, name)
    except ValueError as error:
        raise FileError(f"the quantized weight {name!r} makes no sense: {error}. Save it again") from None


def _mapped_tensor(entry: Entry, words: Array) -> Tensor:
    if entry.dtype not in DTYPES:
        known = ", ".join(DTYPES)
        raise FileError(f"tensor {entry.name!r} has dtype {entry.dtype!r}; known are {known}")
    dtype, coded = DTYPES[entry.dtype]
    array = words.view(dtype).reshape(entry.shape)
    return Tensor(entry.name, array, element(coded) if coded else None)


def safetensors_header(stream: BinaryIO, size: int) -> tuple[list[Entry], int, Any]:
    """The entries, in the order of the file, where the first tensor begins, and the metadata."""
    length = int.from_bytes(stream.read(8), "little")
    if size < 10 or not 2 <= length <= min(size - 8, LONGEST_HEADER):
        raise FileError(f"its header claims {length} bytes, the file has {size}. Save it again")
    table = json.loads(stream.read(length), object_pairs_hook=once)
    if not isinstance(table, dict):
        raise FileError("its header is no table of tensors. Save it again")
    metadata = table.pop("__metadata__", None)
    entries = [_entry(name, line) for name, line in table.items()]
    return sorted(entries, key=lambda e: (e.begin, e.end)), 8 + length, metadata


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise FileError("a name stands twice in its header. Save it again")
    return table


def _entry(name: str, line: Any) -> Entry:
    wrong = FileError(f"the header of tensor {name!r} makes no sense. Save it again")
    if not isinstance(line, dict) or not {"dtype", "shape", "data_offsets"} <= line.keys():
        raise wrong
    dtype, shape, offsets = line["dtype"], line["shape"], line["data_offsets"]
    if not (isinstance(dtype, str) and _are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
        raise wrong
    entry = Entry(name, dtype, tuple(shape), *offsets)
    if len(shape) > 64 or (dtype in DTYPES and entry.end - entry.begin != _nbytes(entry)):
        raise wrong
    return entry


def _are_sizes(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in numbers)


def _nbytes(entry: Entry) -> int:
    return math.prod(entry.shape) * np.dtype(DTYPES[entry.dtype][0]).itemsize


def check_cover(entries: list[Entry], size: int) -> None:
    """The tensors fill the file without gaps or overlaps, as the format demands."""
    at = 0
    for entry in entries:
        if entry.begin != at or entry.end < at:
            raise FileError(f"tensor {entry.name!r} does not begin where the one before ends. Save it again")
        at = entry.end
    if at != size:
        fault = "truncated" if at > size else "too long"
        raise FileError(f"it is {fault}: its tensors have {at} bytes, there are {size}. Get it again")


def _read_gguf(file: Path, wanted: Wanted) -> Iterator[Tensor]:
    check_magic(file, b"GGUF")
    mapped = np.memmap(file, np.uint8, mode="r")
    for entry in entries(mapped.data):
        if wanted(entry.name):
            yield Tensor(entry.name, *contents(entry, np.asarray(mapped[entry.begin : entry.end])))


READERS: dict[str, Callable[[Path, Wanted], Iterator[Tensor]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".gguf": _read_gguf,
}


def rounded(
    tensor: Tensor, fmt: Format, *, codes: bool = False, seed: int | None = None, **keywords: Any
) -> tuple[np.dtype[Any], Iterator[Array]]:
    """What `cast`, or `encode` if `codes`, makes of a tensor: the dtype, and 1-D pieces in C order.

    >>> dtype, pieces = rounded(Tensor("", np.float32([1.1, 2])), element("e4m3fn"), codes=True)
    >>> dtype, [piece.tolist() for piece in pieces]
    (dtype('uint8'), [[57, 64]])
    """
    verb = encode if codes else cast
    nothing = tensor._replace(array=np.empty(0, tensor.array.dtype))
    dtype = verb(nothing.whole(), fmt, seed=seed, **keywords).dtype
    return dtype, _rounded_pieces(tensor, fmt, verb, seed, keywords)


def _rounded_pieces(
    tensor: Tensor, fmt: Format, verb: Callable[..., Any], seed: int | None, keywords: dict[str, Any]
) -> Iterator[Array]:
    stochastic = rounding_mode(keywords.get("rounding")).stochastic
    noise = Noise(WORD_BITS, seed=seed) if stochastic else None
    for i, x in enumerate(tensor.pieces()):
        words = noise.take(i * CHUNK, x.size) if noise else None
        try:
            yield verb(x, fmt, noise=words, **keywords)
        except RangeError:
            verb(tensor.whole(), fmt, seed=seed, **keywords)  # fails too, and counts all offenders
            raise


def write_npy(
    path: str | os.PathLike[str], shape: tuple[int, ...], dtype: np.dtype[Any], chunks: Iterable[Array]
) -> None:
    """Write chunks (1-D, C order) as one `.npy` file, whole or not at all.

    The file appears under its name when all of it is on disk; until then, and after any failure,
    what was there before stays. So a file may be converted onto itself.
    """
    with replacing(Path(path)) as stream:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for chunk in chunks:
            stream.write(np.ascontiguousarray(chunk, dtype).data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file beside `path` that takes its place at the end, or is removed."""
    target = Path(os.path.realpath(path))
    _check_target(path, target)
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)
    except OSError as error:
        if isinstance(error, FileError) or error.errno is None:
            raise
        hint = ". Free some space and run it again" if error.errno == errno.ENOSPC else ""
        raise FileError(f"cannot write '{path}': {error.strerror}{hint}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _check_target(path: Path, target: Path) -> None:
    """A device, a pipe or a folder is never replaced."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        if not stat.S_ISREG(target.stat().st_mode):
            raise FileError(f"cannot write '{path}': it is no regular file. Name another")
