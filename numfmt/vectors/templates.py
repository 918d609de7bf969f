"""Lines of one width, with codes as hexadecimal digits: written and read by tables, without a loop over lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .words import Field, digits, word_of

Array = np.ndarray[Any, Any]
Columns = tuple[Array, ...]
NO_DIGIT = 0xFF
_TABLES = {  # digits: those of each number, as the bytes of one integer
    size: np.frombuffer("".join(f"{x:0{size}X}" for x in range(1 << 4 * size)).encode(), f"=u{size}")
    for size in (4, 2, 1)
}
_DIGITS = np.full(256, NO_DIGIT, np.uint8)
_DIGITS[list(b"0123456789abcdef")] = range(16)
_DIGITS[list(b"ABCDEF")] = range(10, 16)


class Place(NamedTuple):
    """Where a field stands in a line."""

    at: int
    field: Field


class Template:
    """A line: literals and fields in turn.

    >>> line = Template([Field("a", 16), " ", Field("flags", 8), "\\n"])
    >>> line.written((np.array([0x3C00], np.uint16), np.array([1], np.uint8)))
    b'3C00 01\\n'
    >>> line.read(b"3c00 01\\n7E00 10\\n")
    (array([15360, 32256], dtype=uint16), array([ 1, 16], dtype=uint8))
    """

    def __init__(self, pieces: Sequence[str | Field]) -> None:
        self.pieces = pieces

    @cached_property
    def line(self) -> Array:
        """One line, with zeros in place of the fields."""
        text = "".join(piece if isinstance(piece, str) else "0" * digits(piece.bits) for piece in self.pieces)
        return np.frombuffer(text.encode(), np.uint8)

    @cached_property
    def places(self) -> list[Place]:
        return list(self._placed())

    def _placed(self) -> Iterator[Place]:
        at = 0
        for piece in self.pieces:
            if isinstance(piece, Field):
                yield Place(at, piece)
            at += len(piece) if isinstance(piece, str) else digits(piece.bits)

    @cached_property
    def _literal(self) -> Array:
        """Where a line has no digit of a field."""
        found = np.ones(self.line.size, bool)
        for at, field in self.places:
            found[at : at + digits(field.bits)] = False
        return np.flatnonzero(found)

    def written(self, columns: Sequence[Array]) -> bytes:
        """Lines of rows of words."""
        rows = np.empty((columns[0].size, self.line.size), np.uint8)
        rows[:] = self.line
        for (at, field), codes in zip(self.places, columns, strict=True):
            _put(rows, at, digits(field.bits), codes)
        return rows.tobytes()

    def read(self, text: bytes) -> Columns | None:
        """The words of whole lines; None if a line is not such a line to the last byte."""
        if len(text) % self.line.size:
            return None
        rows = np.frombuffer(text, np.uint8).reshape(-1, self.line.size)
        if np.any(rows[:, self._literal] != self.line[self._literal]):
            return None
        found = [_get(rows[:, at : at + digits(field.bits)], field.bits) for at, field in self.places]
        return None if any(x is None for x in found) else tuple(x for x in found if x is not None)


def _put(rows: Array, at: int, count: int, codes: Array) -> None:
    """Digits from the last ones on, four, two or one at a time."""
    done = 0
    while done < count:
        size = next(size for size in _TABLES if size <= count - done)
        stop = at + count - done
        part = codes >> codes.dtype.type(4 * done) if done else codes
        if 8 * part.itemsize > 4 * size:
            part = part & part.dtype.type((1 << 4 * size) - 1)
        _strided(rows, stop - size, size)[...] = _TABLES[size][part]
        done += size


def _strided(rows: Array, at: int, size: int) -> Array:
    """A column of so many bytes, as integers."""
    return np.ndarray(rows.shape[:1], f"=u{size}", rows, at, rows.strides[:1])


def _get(text: Array, bits: int) -> Array | None:
    """The words of a column of digits, None where there is another character or a word is too large."""
    values = _DIGITS[text]
    if np.any(values == NO_DIGIT):
        return None
    word = word_of(4 * text.shape[1])
    found = np.zeros(len(text), word)
    for column in values.T:
        found = found << word.type(4) | column
    if bits < 4 * text.shape[1] and np.any(found >> word.type(bits)):
        return None
    return found.astype(word_of(bits), copy=False)
