"""Packs of vectors: files in one form, and `manifest.json`, the last to appear; each whole or not at all.

The manifest says what was asked (`request`), by which version of numfmt, and of each file its mode, how many vectors
and bytes it has, and its SHA-256; `classes` counts operands and results by class, `flags` the exceptions. Equal
requests give equal bytes in every file, on any machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from .._version import __version__
from ..errors import SpecError, choose
from ..registry import element
from ..tensors import FileError, replacing
from .asking import Request
from .batch import Vectors
from .choosing import Chosen
from .classes import NAMES, classes
from .forms import FORMS, Form, Sheet, decimals
from .generation import of_mode
from .names import name_of

Array = np.ndarray[Any, Any]
Progress = Callable[[int], None]
MANIFEST, LAYOUT = "manifest.json", 1
EPOCH = (1980, 1, 1, 0, 0, 0)  # of a member of a .npz: zip files begin there
BLOCK = 1 << 20
SEVERAL_PARTS = ("memh_split", "npz")  # forms that no stream of text can hold


class Sink(Protocol):
    def write(self, data: bytes, /) -> Any: ...


class _Counted:
    """A stream that knows what was written: how much, and its SHA-256."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.size, self.hash = stream, 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self.hash.update(data)
        return self.stream.write(data)


class _Tally:
    """Classes of operands and results, and exceptions, counted."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.classes: dict[str, Counter[str]] = {f.name: Counter() for f in request.fields if f.fmt}
        self.flags: Counter[str] = Counter()

    def add(self, part: Vectors) -> None:
        for field in self.request.fields:
            if field.fmt is not None:
                counts = np.bincount(classes(part[field.name], element(field.fmt)), minlength=len(NAMES))
                self.classes[field.name].update(dict(zip(NAMES, counts.tolist(), strict=True)))
        if "flags" in part.columns:
            counts = np.bincount(part["flags"], minlength=32)
            self.flags.update({f"{i:02X}": int(counts[i]) for i in np.flatnonzero(counts)})

    def told(self) -> dict[str, Any]:
        kept = {name: {k: n for k, n in counter.items() if n} for name, counter in self.classes.items()}
        return {"classes": kept, "flags": dict(sorted(self.flags.items()))}


class Source(NamedTuple):
    """Where the vectors of each mode come from: how many, and their chunks."""

    request: Request
    size: Callable[[int], int]
    parts: Callable[[int], Iterable[Vectors]]


def generated(request: Request) -> Source:
    """The vectors of a request, made as they are written."""
    chosen = Chosen(request)
    return Source(request, lambda i: len(chosen), lambda i: of_mode(request, chosen, i))


def held(vectors: Vectors) -> Source:
    """Vectors in memory."""
    return Source(
        vectors.request,
        lambda i: int(np.count_nonzero(vectors.modes == i)),
        lambda i: [vectors.take(vectors.modes == i)],
    )


def write(folder: str | os.PathLike[str], what: Request | Vectors, form: str = "testfloat", *, progress: Progress | None = None) -> dict[str, Any]:  # fmt: skip
    """Write vectors as a pack: a file for each rounding mode (of "memh_split" one for each field), and a manifest.

    Parameters
    ----------
    folder : path
        Made if it is not there. Files in it of the same names are replaced.
    what : Request or Vectors
        Vectors of a request are made chunk by chunk, in memory that does not grow with their number.
    form : str
        One of `numfmt.vectors.FORMS`.
    progress : callable, optional
        Called with how many more vectors are written.

    Returns
    -------
    dict : the manifest

    Raises
    ------
    FileError : a folder or file that cannot be written
    SpecError : an unknown form, or one that cannot hold such words

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as pack:
    ...     told = numfmt.vectors.write(pack, numfmt.vectors.request("mul", "e2m1fn", rounding="rne,rtz"))
    ...     sorted(os.listdir(pack)), told["files"][0]["vectors"]
    (['e2m1fn_mul_rne.tf', 'e2m1fn_mul_rtz.tf', 'manifest.json'], 256)
    """
    row = FORMS[choose("form", form, FORMS)]
    source = generated(what) if isinstance(what, Request) else held(what)
    place = _folder(folder)
    tally, files = _Tally(source.request), []
    for i in range(len(source.request.rounding)):
        sheet = Sheet(name_of(source.request, source.request.rounding[i]), source.request, source.request.rounding[i], source.size(i))  # fmt: skip
        files += _write_sheet(place, row, sheet, _watched(source.parts(i), tally, progress))
    manifest = {
        "layout": LAYOUT, "numfmt": __version__, "form": row.name, "request": source.request.to_dict(), "files": files,
        **tally.told(),
    }  # fmt: skip
    with replacing(place / MANIFEST) as stream:
        stream.write((json.dumps(manifest, indent=1) + "\n").encode())
    return manifest


def _folder(folder: str | os.PathLike[str]) -> Path:
    """The folder, made if need be; an older manifest is taken away, since it says what files were."""
    if not str(folder):
        raise FileError("cannot write '': name a folder, '.' for the current one")
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        if (place / MANIFEST).exists() and not _is_ours(place / MANIFEST):
            raise FileError(
                f"'{place / MANIFEST}' is no manifest of vectors, and would be lost. Name another folder"
            )
        (place / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot write '{place}': {error.strerror or error}. Name another folder") from None
    return place


def _is_ours(manifest: Path) -> bool:
    try:
        found = json.loads(manifest.read_text())
    except ValueError:
        return False
    return isinstance(found, dict) and {"layout", "numfmt", "request"} <= found.keys()


def _watched(parts: Iterable[Vectors], tally: _Tally, progress: Progress | None) -> Iterator[Vectors]:
    for part in parts:
        tally.add(part)
        yield part
        if progress is not None:
            progress(len(part))


def stream_to(stream: Sink, source: Source, index: int, form: str) -> None:
    """The vectors of one mode as text."""
    row, mode = _one_text(form), source.request.rounding[index]
    sheet = Sheet(name_of(source.request, mode), source.request, mode, source.size(index))
    for text in _texts(row, sheet, source.parts(index)):
        stream.write(text)


def _one_text(form: str) -> Form:
    """A form whose vectors are one stream of text."""
    if form in SEVERAL_PARTS:
        raise SpecError(
            f"form '{form}' is no single text; write a folder of it, or choose another form", form
        )
    return FORMS[choose("form", form, FORMS)]


def _write_sheet(place: Path, form: Form, sheet: Sheet, parts: Iterable[Vectors]) -> list[dict[str, Any]]:
    """The files of one mode, and what the manifest says of them."""
    if form.name == "memh_split":
        return _write_split(place, form, sheet, parts)
    name = sheet.name + form.suffix
    with replacing(place / name) as stream:
        counted = _Counted(stream)
        if form.name == "npz":
            _write_npz(counted, sheet, parts)
        else:
            for text in _texts(form, sheet, parts):
                counted.write(text)
    return [_entry(name, sheet, counted)]


def _entry(name: str, sheet: Sheet, counted: _Counted) -> dict[str, Any]:
    return {
        "name": name, "rounding": sheet.mode, "vectors": sheet.size, "bytes": counted.size, "sha256": counted.hash.hexdigest(),
    }  # fmt: skip


def _texts(form: Form, sheet: Sheet, parts: Iterable[Vectors]) -> Iterator[bytes]:
    """A file piece by piece."""
    fields, template, first = sheet.request.fields, form.template(sheet.request.fields), form.first.encode()
    yield form.head(sheet).encode()
    for part in parts:
        columns = [part[field.name] for field in fields]
        text = decimals(columns, fields) if template is None else template.written(columns)
        yield first + text[len(first) :] if first else text
        first = b""
    yield form.tail(sheet).encode()


def _write_split(place: Path, form: Form, sheet: Sheet, parts: Iterable[Vectors]) -> list[dict[str, Any]]:
    fields = sheet.request.fields
    templates = [FORMS["memh"].template([field]) for field in fields]
    names = [f"{sheet.name}.{field.name}{form.suffix}" for field in fields]
    with ExitStack() as stack:
        sinks = [_Counted(stack.enter_context(replacing(place / name))) for name in names]
        for part in parts:
            for field, template, sink in zip(fields, templates, sinks, strict=True):
                assert template is not None
                sink.write(template.written((part[field.name],)))
    return [_entry(name, sheet, sink) for name, sink in zip(names, sinks, strict=True)]


def _write_npz(sink: _Counted, sheet: Sheet, parts: Iterable[Vectors]) -> None:
    """Members stored as they are, dated 1980; columns lie in temporary files until all are known."""
    with ExitStack() as stack:
        columns = {f.name: stack.enter_context(tempfile.TemporaryFile()) for f in sheet.request.fields}
        dtypes: dict[str, np.dtype[Any]] = {}
        for part in parts:
            for name, column in columns.items():
                dtypes[name] = part[name].dtype
                column.write(np.ascontiguousarray(part[name]).data)
        archive = stack.enter_context(zipfile.ZipFile(_Forward(sink), "w"))  # type: ignore[arg-type]
        text = json.dumps({**sheet.request.to_dict(), "rounding": [sheet.mode]})
        _member(archive, "request", _npy_head(np.array(text).dtype, ()), io.BytesIO(np.array(text).tobytes()))
        for name, column in columns.items():
            column.seek(0)
            _member(archive, name, _npy_head(dtypes[name], (sheet.size,)), column)


class _Forward(io.RawIOBase):
    """A stream that only goes forward, so that what was written is hashed as it is."""

    def __init__(self, sink: _Counted) -> None:
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._sink.write(bytes(data))


def _npy_head(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    head = io.BytesIO()
    told = {"descr": dtype.newbyteorder("<").str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, told)  # type: ignore[arg-type]
    return head.getvalue()


def _member(archive: zipfile.ZipFile, name: str, head: bytes, body: Any) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    with archive.open(entry, "w", force_zip64=True) as member:
        member.write(head)
        while block := body.read(BLOCK):
            member.write(block)
