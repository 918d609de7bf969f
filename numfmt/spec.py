"""Spec strings: `name` or `name[key=value,...]`, brackets nest, case and blanks do not matter."""

from __future__ import annotations

from typing import NamedTuple

from .errors import SpecError

LONGEST = 200_000  # a list of 4096 numbers takes half of that


class Spec(NamedTuple):
    """A spec string taken apart; option values are kept as text, nested specs whole."""

    text: str
    name: str
    options: tuple[tuple[str, str], ...]


def read(text: str) -> Spec:
    """Split a spec; `SpecError` says where it is malformed.

    >>> read("e4m3fn[subnormals=off]").options
    (('subnormals', 'off'),)
    """
    if len(text) > LONGEST:
        raise SpecError(f"a spec has at most {LONGEST} characters, got {len(text)}", text[:LONGEST])
    if not text.isascii():
        raise SpecError(f"unknown format {text.strip()!r}: names are plain ASCII", text)
    _check_brackets(text)
    plain = "".join(text.split()).lower()
    name, bracket, rest = plain.partition("[")
    if not name:
        raise SpecError(f"{text!r}: a spec begins with the name of a format", text)
    if not bracket:
        return Spec(text, name, ())
    if not rest.endswith("]"):
        raise SpecError(f"{text!r}: nothing may follow the closing ']'", text)
    return Spec(text, name, tuple(_option(text, part) for part in split_commas(rest[:-1])))


def _check_brackets(text: str) -> None:
    opened: list[int] = []
    for column, char in enumerate(text, 1):
        if char == "[":
            opened.append(column)
        elif char == "]":
            if not opened:
                raise SpecError(f"{text!r}: ']' at column {column} was never opened", text)
            opened.pop()
            rest = text[column:].strip()
            if not opened and rest:
                raise SpecError(f"{text!r}: {rest!r} after the closing ']' means nothing", text)
    if opened:
        raise SpecError(f"{text!r}: '[' at column {opened[-1]} is never closed", text)


def split_commas(text: str) -> list[str]:
    """Parts of a list, commas inside brackets apart."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[<") - (char in "]>")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _option(text: str, part: str) -> tuple[str, str]:
    """A pair; of a bare word, which may be a switch, the value is empty."""
    key, equals, value = part.partition("=")
    if not key or bool(equals) != bool(value):
        raise SpecError(f"{text!r}: {part!r} should be key=value", text)
    return key, value
