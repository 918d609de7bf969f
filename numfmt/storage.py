"""Arrays in scaled formats in `.npz` and `.safetensors` files, whole or not at all.

Each array NAME lies in the file as `BlockArray.pack` gives it: tensors `NAME.codes`, `NAME.scales`, perhaps
`NAME.zeros` and `NAME.offset`; scales that are scaled themselves are `NAME.scales.codes` and `NAME.scales.scales`. A sole array
has no name and no dot. The member `numfmt` of a `.npz`, the key `numfmt` in the metadata of a `.safetensors`,
is a JSON table::

    {"layout": 1, "numfmt": "0.1.0", "sha256": "...", "arrays": {NAME: {"format": "mxfp4", "shape": [2, 32]}}}

`layout` is the version of this description, `numfmt` that of the library that wrote the file, and `sha256`
that of the table without it and of all tensors: a file of which a byte has changed is refused. What is read
is checked against the size of the file before memory is taken for it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ._version import __version__
from .blocks import BlockArray, Packed, SharedScale
from .errors import SpecError
from .packed import packed, unpacked
from .quant_state import tensors_of
from .registry import parse
from .tensors import (
    DTYPES,
    TABLE,
    FileError,
    check_cover,
    check_magic,
    explaining,
    once,
    read,
    replacing,
    safetensors_header,
)

Array = np.ndarray[Any, Any]
Parts = dict[str, Array]
LAYOUT = 1
MOST_AXES = 64  # of a NumPy array


def save(path: str | os.PathLike[str], arrays: Mapping[str, BlockArray]) -> None:
    """Write arrays by name as one `.npz` or `.safetensors` file.

    The file appears under its name when all of it is on disk; until then, and after any failure, what was
    there before stays. Codes of a wider dtype, and two's complement in an unsigned one, come back in the
    format's own; all else comes back as it was.

    Raises
    ------
    FileError : a file that cannot be written; another suffix
    ValueError : an array whose format has no spec, as with a profile of one's own, or whose codes, scales
        or zero points do not fit its format
    TypeError : no mapping of names to `BlockArray`s

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/x.npz", {"w": numfmt.encode([1.0, 2.0], "mxfp8")})
    ...     load(f"{folder}/x.npz")
    {'w': <mxfp8_e4m3: shape (2,), 12 bits an element>}
    """
    file = Path(path)
    kind = _kind(file, "write")
    parts, table = _parts_and_table(arrays)
    with replacing(file) as stream:
        kind.write(stream, _text({**table, "sha256": _digest(table, parts)}), parts)


def load(path: str | os.PathLike[str]) -> dict[str, BlockArray]:
    """The arrays of a file that `save` has written, by name.

    Raises
    ------
    FileError : missing, damaged, of another kind, or of a newer layout
    """
    file = Path(path)
    kind = _kind(file, "read")
    with explaining(file):
        return arrays_of(file, kind)


def arrays_of(file: Path, kind: Kind) -> dict[str, BlockArray]:
    """The arrays of a file of that kind; the errors of `load`, which names the file in them."""
    text, parts = kind.read(file)
    table = _table(text, parts)
    arrays = {name: _array(name, line, parts) for name, line in table["arrays"].items()}
    if parts:
        raise FileError(f"it holds more than its arrays: {', '.join(map(repr, parts))}. Save it again")
    return arrays


def load_one(path: str | os.PathLike[str]) -> BlockArray:
    """The only array of a file."""
    arrays = load(path)
    if len(arrays) != 1:
        names = ", ".join(map(repr, arrays)) or "none"
        raise FileError(
            f"'{path}' holds {len(arrays)} arrays: {names}. numfmt.storage.load gives them by name"
        )
    return next(iter(arrays.values()))


def read_bitsandbytes(path: str | os.PathLike[str]) -> dict[str, BlockArray]:
    """The weights of 4 bits that bitsandbytes has saved in a `.safetensors` file, by name.

    They are in `bnb_nf4` or `bnb_fp4`, nested or not; `numfmt.quant_state` says what is in the file. Its other
    tensors are left out; `numfmt.tensors.read` and `numfmt.decode` have them all.

    Raises
    ------
    FileError : missing, damaged, or without such weights
    """
    arrays = {tensor.name: tensor.array for tensor in read(path) if isinstance(tensor.array, BlockArray)}
    if not arrays:
        raise FileError(
            f"cannot read '{path}': it holds no weights that bitsandbytes has quantized to 4 bits"
        )
    return arrays


def write_bitsandbytes(
    path: str | os.PathLike[str], arrays: Mapping[str, BlockArray], dtype: str = "float16"
) -> None:
    """Write weights of 4 bits as bitsandbytes keeps them, in a `.safetensors` file, whole or not at all.

    `dtype` is what the library is to decode them to: "float16", "bfloat16" or "float32".

    Raises
    ------
    FileError : a file that cannot be written; another suffix
    TypeError : an array in another format

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bitsandbytes(f"{folder}/x.safetensors", {"weight": numfmt.encode(np.ones(64), "bnb_nf4")})
    ...     read_bitsandbytes(f"{folder}/x.safetensors")
    {'weight': <bnb_nf4: shape (64,), 4.5 bits an element>}
    """
    file = Path(path)
    if file.suffix.lower() != ".safetensors":
        raise FileError(f"cannot write '{file}': expected .safetensors")
    _check_mapping(arrays)
    parts: Parts = {}
    for name, array in arrays.items():
        _check_named(name, array)
        parts |= tensors_of(array, name, dtype)
    with replacing(file) as stream:
        _write_tensors(stream, {"format": "pt"}, parts)


# Arrays and the tensors they are stored as


def _parts_and_table(arrays: Mapping[str, BlockArray]) -> tuple[Parts, dict[str, Any]]:
    _check_mapping(arrays)
    parts: Parts = {}
    lines: dict[str, Any] = {}
    for name, array in arrays.items():
        _check_named(name, array)
        lines[name] = {"format": _spec(array), "shape": list(array.shape)}
        for place, part in _laid_out(packed(array), f"{name}." if name else "").items():
            if place in parts:
                raise ValueError(f"two arrays would be stored as {place!r}: name one of them otherwise")
            parts[place] = part
    return parts, {"layout": LAYOUT, "numfmt": __version__, "arrays": lines}


def _check_mapping(arrays: Any) -> None:
    if not isinstance(arrays, Mapping):
        raise TypeError(f"arrays are given by name, as in {{'w': array}}; got {type(arrays).__name__}")


def _check_named(name: Any, array: Any) -> None:
    if not (isinstance(name, str) and name.isprintable()):
        raise ValueError(f"the name of an array is printable text, got {name!r}")
    if not isinstance(array, BlockArray):
        raise TypeError(
            f"array {name!r} is a {type(array).__name__}, not a BlockArray; np.savez keeps others"
        )


def _spec(array: BlockArray) -> str:
    """The spec of the array's format, if it says all of it."""
    form = array.format
    text = str(form)
    try:
        said = parse(text)
    except SpecError:
        said = None
    if said not in (form, form.of_part(form.granularity, array.scales)):
        raise ValueError(
            f"no spec says all of '{form}', and a file keeps the spec alone: a profile of your own, for example,"
            " has none"
        )
    return text


def _laid_out(given: Packed, prefix: str) -> Parts:
    parts = {f"{prefix}codes": given.codes}
    for name, part in (("zeros", given.zeros), ("offset", given.offset)):
        if part is not None:
            parts[f"{prefix}{name}"] = part
    if isinstance(given.scales, Packed):
        return parts | _laid_out(given.scales, f"{prefix}scales.")
    return parts | {f"{prefix}scales": given.scales}


def _array(name: str, line: dict[str, Any], parts: Parts) -> BlockArray:
    """The array of a line of the table; its tensors are taken out of `parts`."""
    try:
        form, shape = parse(line["format"]), tuple(line["shape"])
        if not isinstance(form, SharedScale):
            raise ValueError(f"'{form}' is no scaled format")
        return unpacked(_gathered(parts, f"{name}." if name else "", form, shape), form, shape)
    except (ValueError, TypeError) as error:
        what = f"its array {name!r}" if name else "its array"
        why = str(error).removesuffix(".")
        raise FileError(f"{what} cannot be had: {why}. Save it again") from None


def _gathered(parts: Parts, prefix: str, form: SharedScale, shape: tuple[int, ...]) -> Packed:
    counted = form.granularity.scale_shape(shape)
    held = form.format_of_scales(counted)
    codes = _taken(parts, f"{prefix}codes")
    zeros, offset = (parts.pop(f"{prefix}{name}", None) for name in ("zeros", "offset"))
    if isinstance(held, SharedScale):
        return Packed(codes, _gathered(parts, f"{prefix}scales.", held, counted), zeros, offset)
    return Packed(codes, _taken(parts, f"{prefix}scales"), zeros, offset)


def _taken(parts: Parts, name: str) -> Array:
    if name not in parts:
        raise ValueError(f"there is no {name!r}")
    return parts.pop(name)


# The table


def _text(table: dict[str, Any]) -> str:
    return json.dumps(table, sort_keys=True, separators=(",", ":"))


def _digest(table: dict[str, Any], parts: Parts) -> str:
    """SHA-256 of the table, without its own, and of each tensor: name, dtype, shape, bytes."""
    found = hashlib.sha256(_text({key: line for key, line in table.items() if key != "sha256"}).encode())
    for name in sorted(parts):
        part = parts[name]
        found.update(f"\0{name}\0{part.dtype.str}\0{part.shape}\0".encode())
        found.update(_bytes(part))
    return found.hexdigest()


def _bytes(part: Array) -> memoryview:
    return np.ascontiguousarray(part).reshape(-1).view(np.uint8).data


def _table(text: str, parts: Parts) -> dict[str, Any]:
    """The table, once it is known to be whole and to belong to these tensors."""
    table = json.loads(text, object_pairs_hook=once)
    if not isinstance(table, dict) or type(table.get("layout")) is not int:
        raise FileError("its table says no layout. Save it again")
    if table["layout"] != LAYOUT:
        raise FileError(
            f"it has layout {table['layout']}, written by numfmt {str(table.get('numfmt'))!r:.40}; numfmt"
            f" {__version__} reads layout {LAYOUT}. Use the numfmt that wrote it, or a newer one"
        )
    if table.get("sha256") != _digest(table, parts):
        raise FileError("it is damaged: its SHA-256 is not the one that was saved with it. Get it again")
    lines = table.get("arrays")
    if not isinstance(lines, dict) or not all(map(_is_line, lines.values())):
        raise FileError("its table of arrays makes no sense. Save it again")
    return table


def _is_line(line: Any) -> bool:
    if not isinstance(line, dict) or not isinstance(line.get("format"), str):
        return False
    shape = line.get("shape")
    if not isinstance(shape, list) or len(shape) > MOST_AXES:
        return False
    return all(type(n) is int and 0 <= n < 1 << 63 for n in shape)


# Kinds of files


class Kind(NamedTuple):
    """`write(stream, table, tensors)`; `read(file)` gives the table and the tensors."""

    write: Callable[[BinaryIO, str, Parts], None]
    read: Callable[[Path], tuple[str, Parts]]


def _kind(file: Path, verb: str) -> Kind:
    kind = KINDS.get(file.suffix.lower())
    if kind is None:
        raise FileError(f"cannot {verb} '{file}': expected one of {', '.join(KINDS)}")
    return kind


def _no_table() -> FileError:
    return FileError(
        "it holds no arrays in scaled formats, as BlockArray.save and numfmt.storage.save write them"
    )


def _write_npz(stream: BinaryIO, text: str, parts: Parts) -> None:
    np.savez(stream, **{TABLE: np.array(text)}, **parts)  # type: ignore[arg-type]


def _read_npz(file: Path) -> tuple[str, Parts]:
    check_magic(file, b"PK")
    try:
        with zipfile.ZipFile(file) as archive:
            parts = _members(archive, file.stat().st_size)
    except FileError:
        raise
    except Exception as error:  # whatever a crafted zip file may bring about
        why = str(error) or type(error).__name__
        raise FileError(f"it is damaged or no .npz file ({why}). Save it again") from None
    if TABLE not in parts:
        raise _no_table()
    return str(parts.pop(TABLE)), parts


def _members(archive: zipfile.ZipFile, size: int) -> Parts:
    """Members are stored as they are, so that all together are smaller than the file."""
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise FileError("its members are compressed, which numfmt does not do. Save it again")
    if sum(entry.file_size for entry in entries) > size:
        raise FileError("it is truncated: its members claim more bytes than it has. Get it again")
    parts = {entry.filename.removesuffix(".npy"): _of_npy(archive.read(entry)) for entry in entries}
    if len(parts) < len(entries):
        raise FileError("a member stands twice in it. Save it again")
    return parts


def _of_npy(raw: bytes) -> Array:
    """The array of a `.npy` file in memory; its header is checked before anything is done with it."""
    stream = io.BytesIO(raw)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise FileError("a member has an unknown header. Save it again")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    rest = memoryview(raw)[stream.tell() :]
    if fortran or dtype.hasobject or math.prod(shape) * dtype.itemsize != len(rest):
        raise FileError("the header of a member makes no sense. Save it again")
    return np.frombuffer(rest, dtype).reshape(shape)


_NAMES_OF_DTYPES = {dtype: name for name, (dtype, coded) in DTYPES.items() if coded is None}


def _write_safetensors(stream: BinaryIO, text: str, parts: Parts) -> None:
    _write_tensors(stream, {TABLE: text}, parts)


def _write_tensors(stream: BinaryIO, metadata: dict[str, str], parts: Parts) -> None:
    """Wide words first, so that each tensor begins at a multiple of its word."""
    table: dict[str, Any] = {"__metadata__": metadata}
    names, end = sorted(parts, key=lambda name: (-parts[name].dtype.itemsize, name)), 0
    for name in names:
        part, begin = parts[name], end
        end += part.nbytes
        dtype = _NAMES_OF_DTYPES[part.dtype.str]
        table[name] = {"dtype": dtype, "shape": part.shape, "data_offsets": [begin, end]}
    header = json.dumps(table, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    stream.write(struct.pack("<Q", len(header)) + header)
    for name in names:
        stream.write(_bytes(parts[name]))


def _read_safetensors(file: Path) -> tuple[str, Parts]:
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        entries, start, metadata = safetensors_header(stream, size)
        check_cover(entries, size - start)
        raw = memoryview(stream.read())
    if not isinstance(metadata, dict) or not isinstance(metadata.get(TABLE), str):
        raise _no_table()
    return metadata[TABLE], {
        entry.name: np.frombuffer(raw[entry.begin : entry.end], DTYPES[entry.dtype][0]).reshape(entry.shape)
        for entry in entries
    }


KINDS = {".npz": Kind(_write_npz, _read_npz), ".safetensors": Kind(_write_safetensors, _read_safetensors)}
