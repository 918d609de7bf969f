"""Vectors from files: packs of numfmt, and those of others in the same forms."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..errors import SpecError, choose
from ..tensors import FileError
from . import fptest
from .asking import Request, of_dict, request
from .batch import Vectors, concatenated
from .forms import FORMS, Form
from .names import function
from .words import Field, word_of
from .writing import LAYOUT, MANIFEST

Array = np.ndarray[Any, Any]
BLOCK = 1 << 22  # bytes of text at a time
LONGEST = 1 << 16  # bytes of a line
SUFFIXES = {form.suffix: form.name for form in FORMS.values()} | {
    ".txt": "testfloat", ".testfloat": "testfloat", ".hex": "memh", ".fptest": "fptest",
}  # fmt: skip
READERS = (*FORMS, "fptest")
MOST_TEXT = 1 << 20  # bytes of a manifest


class Rows(NamedTuple):
    """Some vectors of a file, and the line of each."""

    vectors: Vectors
    lines: Array


class Told(NamedTuple):
    """What a file is, as far as its name, its manifest and the call say."""

    form: str
    request: Request


def load(path: str | os.PathLike[str], op: str | None = None, fmt: Any = None, *, form: str | None = None, **how: Any) -> Vectors:  # fmt: skip
    """Vectors of a pack, or of a file in any of the forms, IBM's `.fptest` among them.

    Parameters
    ----------
    path : path
        A folder with a manifest, or a file. A file of a pack is known by its manifest; another by its name, such as
        `f16_add_rne.tv`, or by `op` and `fmt`.
    op, fmt, others
        As in `generate`. An `.fptest` file holds many operations: these choose among them.
    form : str, optional
        One of `FORMS`, or "fptest"; told by the suffix unless given.

    Returns
    -------
    Vectors : operands and what the file says are the results; nothing is checked but their widths

    Raises
    ------
    FileError : a file that cannot be read, with the line at fault
    SpecError : a file of which it is not known what it holds

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as pack:
    ...     told = numfmt.vectors.write(pack, numfmt.vectors.request("mul", "e2m1fn"))
    ...     load(pack)
    <256 vectors: mul in e2m1fn, nearest_even>
    """
    parts = [rows.vectors for rows in rows_of(path, op, fmt, form=form, **how)]
    if not parts:
        raise FileError(f"cannot read '{path}': there is no vector in it")
    asked = list(dict.fromkeys((p.request.op, p.request.fmt, p.request.operands) for p in parts))
    if len(asked) > 1:
        names = ", ".join(f"{op} in {fmt}" for op, fmt, _ in asked[:8])
        raise SpecError(f"'{path}' holds several operations, choose one with op and fmt: {names}", str(path))
    modes = tuple(dict.fromkeys(mode for part in parts for mode in part.rounding))
    first = parts[0].request
    whole = request(first.op, first.fmt, operands=first.operands, rounding=modes, **first.choices)
    return concatenated([_in_modes(part, whole) for part in parts])


def _in_modes(part: Vectors, whole: Request) -> Vectors:
    """The same vectors, of a request in more modes."""
    place = np.array([whole.rounding.index(mode) for mode in part.rounding], np.uint8)
    return Vectors(whole, part.columns, place[part.modes])


def rows_of(path: str | os.PathLike[str], op: str | None = None, fmt: Any = None, *, form: str | None = None, **how: Any) -> Iterator[Rows]:  # fmt: skip
    """The vectors of a file, a pack or standard input ("-"), piece by piece; the arguments of `load`."""
    place = Path(path)
    if str(path) != "-" and place.is_dir():
        yield from _of_pack(place)
        return
    kind = _form(place, form)
    with opened(path) as stream:
        if kind == "fptest":
            yield from (Rows(*found) for found in _fptest(stream, str(path), op, fmt, how))
            return
        told = _told(place, kind, op, fmt, how)
        yield from _of_kind(place, stream, told)


def _of_kind(place: Path, stream: BinaryIO, told: Told) -> Iterator[Rows]:
    if told.form == "npz":
        yield from _of_npz(place, stream, told)
    elif told.form == "memh_split":
        yield from _of_split(place, stream, told)
    else:
        for columns, lines in columns_of(stream, FORMS[told.form], told.request.fields, str(place)):
            yield Rows(_vectors(told.request, columns), lines)


def _vectors(asked: Request, columns: Sequence[Array]) -> Vectors:
    named = dict(zip((field.name for field in asked.fields), columns, strict=True))
    return Vectors(asked, named, np.zeros(columns[0].size, np.uint8))


# What a file is


def _form(place: Path, form: str | None) -> str:
    if form is not None:
        return choose("form", form, READERS)
    if str(place) == "-":
        return "testfloat"
    found = SUFFIXES.get(place.suffix.lower())
    if found is None:
        known = " ".join(sorted(SUFFIXES))
        raise SpecError(f"'{place}': the suffix tells no form; give form=, or one of {known}", str(place))
    return found


def _told(place: Path, form: str, op: str | None, fmt: Any, how: dict[str, Any]) -> Told:
    if op is None and form == "npz":
        return Told(form, request("cast", "f16"))  # the file itself says
    if op is not None:
        if fmt is None:
            return Told(form, request(**{**function(op), **how}))
        return Told(form, request(op, fmt, **how))
    entry = _entry_of(place)
    if entry is not None:
        return Told(form, _in_one_mode(*entry))
    return Told(form, request(**{**function(_stem(place)), **how}))


def _stem(place: Path) -> str:
    return place.name.partition(".")[0]


def _in_one_mode(asked: Request, mode: str) -> Request:
    return of_dict({**asked.to_dict(), "rounding": [mode]})


def _entry_of(place: Path) -> tuple[Request, str] | None:
    """What the manifest beside a file says of it."""
    beside = place.parent / MANIFEST
    if str(place) == "-" or not beside.is_file():
        return None
    manifest = _manifest(beside)
    for entry in manifest["files"]:
        if entry["name"] == place.name:
            return of_dict(manifest["request"]), entry["rounding"]
    return None


def _manifest(file: Path) -> dict[str, Any]:
    with opened(file) as stream:
        text = stream.read(MOST_TEXT)
    try:
        found = json.loads(text)
        if found["layout"] != LAYOUT:
            raise FileError(f"cannot read '{file}': layout {found['layout']!r}, this numfmt reads {LAYOUT}")
        entries = [(str(e["name"]), str(e["rounding"]), str(e["sha256"])) for e in found["files"]]
        of_dict(found["request"])
    except FileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise FileError(f"cannot read '{file}': it is no manifest of vectors ({why:.200})") from None
    if any(os.path.basename(name) != name for name, _, _ in entries):
        raise FileError(f"cannot read '{file}': it names files of other folders")
    return dict(found)


def _of_pack(folder: Path) -> Iterator[Rows]:
    """Every file of a pack, if it is what was written."""
    if not (folder / MANIFEST).exists():
        raise FileError(f"cannot read '{folder}': there is no {MANIFEST}; name a file in it, with op and fmt")
    manifest = _manifest(folder / MANIFEST)
    asked, form = of_dict(manifest["request"]), manifest["form"]
    for entry in manifest["files"]:
        _check_digest(folder / entry["name"], entry["sha256"])
    for entry in manifest["files"]:
        if form == "memh_split" and not entry["name"].endswith(f".{asked.fields[0].name}.mem"):
            continue
        place = folder / entry["name"]
        with opened(place) as stream:
            yield from _of_kind(
                place, stream, Told(choose("form", form, FORMS), _in_one_mode(asked, entry["rounding"]))
            )


def _check_digest(file: Path, wanted: str) -> None:
    with opened(file) as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    if found != wanted:
        raise FileError(f"cannot read '{file}': its SHA-256 is not that of the manifest: it has been changed")


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file or standard input for reading; what goes wrong is one clear error."""
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        with open(path, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and not stat.S_ISFIFO(
                os.fstat(stream.fileno()).st_mode
            ):
                raise FileError(f"cannot read '{path}': it is no regular file")
            yield stream
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read '{path}': {error.strerror or error}") from None


# Text


def columns_of(stream: BinaryIO, form: Form, fields: Sequence[Field], name: str) -> Iterator[tuple[list[Array], Array]]:  # fmt: skip
    """Words of the fields, and the line of each vector; whole blocks at once where every line is as numfmt writes it."""
    template = form.template(fields)
    for first, text in _blocks(stream, name):
        found = None if template is None else template.read(text)
        if found is not None:
            yield list(found), np.arange(first, first + found[0].size)
        else:
            columns, lines = _line_by_line(text, first, form, fields, name)
            if lines.size:
                yield columns, lines


def _blocks(stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Whole lines, some megabytes at a time, and the number of the first."""
    rest, line = b"", 1
    while True:
        read = stream.read(BLOCK)
        block, _, tail = (rest + read).rpartition(b"\n")
        if block or read.count(b"\n"):
            yield line, block + b"\n"
            line += block.count(b"\n") + 1
        if len(tail) > LONGEST:
            raise _at(name, line, f"it has more than {LONGEST} bytes; vectors are lines of some tens")
        rest = tail
        if not read:
            break
    if rest:
        yield line, rest


def _line_by_line(text: bytes, first: int, form: Form, fields: Sequence[Field], name: str) -> tuple[list[Array], Array]:  # fmt: skip
    found, lines = [], []
    for number, raw in enumerate(text.split(b"\n"), first):
        if len(raw) > LONGEST:
            raise _at(name, number, f"it has more than {LONGEST} bytes; vectors are lines of some tens")
        try:
            words = form.words(raw.decode("ascii"), fields)
        except UnicodeDecodeError:
            raise _at(name, number, "there are bytes that are no text; the form may be another") from None
        except ValueError as error:
            raise _at(name, number, " ".join(str(error).split())) from None
        if words is not None:
            found.append(words)
            lines.append(number)
    columns = [np.array(x, word_of(f.bits)) for f, x in zip(fields, zip(*found, strict=True), strict=False)]
    return columns, np.array(lines)


def _at(name: str, line: int, why: str) -> FileError:
    return FileError(f"cannot read '{name}': line {line}: {why}")


def _of_split(place: Path, stream: BinaryIO, told: Told) -> Iterator[Rows]:
    """A file for each field, side by side: NAME.a.mem, NAME.b.mem and so on."""
    fields, form = told.request.fields, FORMS["memh_split"]
    columns: list[Array] = []
    for field in fields:
        other = place.with_name(f"{_stem(place)}.{field.name}{form.suffix}")
        with opened(other) as beside:
            parts = [found[0] for found, _ in columns_of(beside, form, [field], str(other))]
        columns.append(np.concatenate(parts) if parts else np.zeros(0, word_of(field.bits)))
    sizes = {x.size for x in columns}
    if len(sizes) > 1:
        counts = ", ".join(f"{f.name} {x.size}" for f, x in zip(fields, columns, strict=True))
        raise FileError(f"cannot read '{place}': the files beside it hold different counts: {counts}")
    yield Rows(_vectors(told.request, columns), np.arange(1, columns[0].size + 1))


# Other files


def _of_npz(place: Path, stream: BinaryIO, told: Told) -> Iterator[Rows]:
    try:
        with zipfile.ZipFile(stream) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
            if claimed > 2 * place.stat().st_size:
                raise FileError("its members claim more bytes than it has")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as arrays:
            asked = of_dict(json.loads(str(arrays["request"])))
            columns = [_column(arrays[field.name], field) for field in asked.fields]
        if len({x.size for x in columns}) != 1:
            raise FileError("its columns differ in length")
    except Exception as error:  # whatever a crafted zip file may bring about
        why = " ".join(str(error).split()) or type(error).__name__
        raise FileError(f"cannot read '{place}': it is damaged or no .npz of vectors ({why:.200})") from None
    yield Rows(_vectors(asked, columns), np.arange(1, columns[0].size + 1))


def _column(x: Array, field: Field) -> Array:
    wanted = word_of(field.bits)
    if x.ndim != 1 or x.dtype.kind != "u":
        raise FileError(f"column {field.name} is {x.dtype} of shape {x.shape}, not unsigned codes")
    if x.size and int(x.max()) >> field.bits:
        raise FileError(f"column {field.name} has words of more than {field.bits} bits")
    return x.astype(wanted)


def _fptest(stream: BinaryIO, name: str, op: str | None, fmt: Any, how: dict[str, Any]) -> Iterator[tuple[Vectors, Array]]:  # fmt: skip
    wanted = None if op is None else (function(op) if fmt is None else {"op": op, "fmt": fmt})
    groups: dict[tuple[str, str, str], list[tuple[int, tuple[int, ...]]]] = {}
    for first, text in _blocks(stream, name):
        for number, raw in enumerate(text.split(b"\n"), first):
            try:
                found = fptest.vector(raw.decode("ascii"))
            except UnicodeDecodeError:
                raise _at(name, number, "there are bytes that are no text") from None
            except ValueError as error:
                raise _at(name, number, str(error)) from None
            if found is not None:
                groups.setdefault(found.key, []).append((number, found.words))
    for (operation, spec, mode), rows in groups.items():
        if wanted is not None and (operation, spec) != (
            wanted["op"],
            str(request(operation, wanted["fmt"]).fmt),
        ):
            continue
        asked = request(operation, spec, **{**how, "rounding": mode})
        lines, words = zip(*rows, strict=True)
        columns = [
            np.array(x, word_of(f.bits)) for f, x in zip(asked.fields, zip(*words, strict=True), strict=True)
        ]
        yield _vectors(asked, columns), np.array(lines)
