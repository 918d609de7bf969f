"""Lines of IBM's FPgen test suites, `.fptest`: `b32+ =0 i -1.6E9177P49 -1.7FFFFFP127 -> -1.7FFFFFP127 x`.

A type and an operation, a rounding mode, exceptions that are trapped (i where they are not is of no consequence),
operands, `->`, the result or `#` for none, and the exceptions raised. Lines with trapped overflow or underflow
deliver another result and are left out, as are decimal types and operations that numfmt does not have.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..formats.floats import Float
from ..registry import element

FORMATS = {"b16": "f16", "b32": "f32", "b64": "f64"}
OPERATIONS = {"+": ("add", 2), "-": ("sub", 2), "*": ("mul", 2), "/": ("div", 2), "*+": ("fma", 3), "V": ("sqrt", 1),
              "%": ("rem", 2)}  # fmt: skip
MODES = {
    "=0": "nearest_even",
    "=^": "nearest_away",
    "0": "toward_zero",
    ">": "toward_positive",
    "<": "toward_negative",
}
FLAGS = {"x": 1, "u": 2, "v": 2, "w": 2, "o": 4, "z": 8, "i": 16}
LINE = re.compile(r"(?P<type>[bd]\d+)(?P<op>\S+)\s+(?P<mode>=0|=\^|0|>|<)\s+(?P<rest>.*)")
NUMBER = re.compile(r"([+-])([01])\.([0-9A-Fa-f]+)P([+-]?\d{1,5})")
TRAPS = re.compile(r"[xuozi]+")


class Found(NamedTuple):
    """The operation, the format and the mode of a line, and its words."""

    key: tuple[str, str, str]
    words: tuple[int, ...]


def vector(line: str) -> Found | None:
    """The vector of a line, None where it has none for us; `ValueError` says what is wrong with it.

    >>> vector("b32+ =0 -1.6E9177P49 +0.000001P-126 -> -1.6E9177P49 x").words
    (3631124855, 1, 3631124855, 1)
    """
    match = LINE.fullmatch(line.strip())
    if match is None:
        _check_is_text(line)
        return None
    spec, operation = FORMATS.get(match["type"]), OPERATIONS.get(match["op"])
    if spec is None or operation is None:
        return None
    given, arrow, told = match["rest"].partition("->")
    if not arrow:
        raise ValueError("there is no '->' before a result")
    tokens, results = given.split(), told.split()
    if tokens and TRAPS.fullmatch(tokens[0]) and set(tokens.pop(0)) & set("uo"):
        return None
    return _found(operation, spec, MODES[match["mode"]], tokens, results)


def _check_is_text(line: str) -> None:
    """A line of words for people; one that begins as a vector does is a broken one."""
    if re.match(r"\s*[bd]\d+\S*\s+[=<>0]", line):
        raise ValueError("it begins as a vector does, and goes on otherwise")


def _found(
    operation: tuple[str, int], spec: str, mode: str, tokens: list[str], results: list[str]
) -> Found | None:
    name, count = operation
    if len(tokens) != count or not 1 <= len(results) <= 2:
        raise ValueError(
            f"{name} has {count} operands and a result, here are {len(tokens)} and {len(results)} words"
        )
    if results[0] == "#":
        return None
    fmt = element(spec)
    assert isinstance(fmt, Float)
    words = [_code(token, fmt) for token in [*tokens, results[0]]]
    raised = results[1] if len(results) > 1 else ""
    if set(raised) - set(FLAGS):
        raise ValueError(f"unknown exceptions {raised!r:.20}; there are {', '.join(FLAGS)}")
    flags = sum({FLAGS[letter] for letter in raised})
    return Found((name, spec, mode), (*words, flags))


def _code(token: str, fmt: Float) -> int:
    sign = int(token[:1] == "-") << (fmt.bits - 1)
    infinity, quiet = fmt.infinity(), fmt.nan()
    assert infinity is not None
    assert quiet is not None
    names = {"Inf": infinity, "Zero": 0}
    if token in ("Q", "S"):
        return quiet if token == "Q" else infinity + 1
    if token[1:] in names:
        return sign | names[token[1:]]
    match = NUMBER.fullmatch(token)
    if match is None:
        raise ValueError(f"{token!r:.30} is no number such as +1.7FFFFFP127, +Inf, -Zero, Q or S")
    return sign | _magnitude(match, fmt, token)


def _magnitude(match: re.Match[str], fmt: Float, token: str) -> int:
    fraction, exponent = int(match[3], 16), int(match[4])
    stored = exponent + fmt.bias if match[2] == "1" else 0
    fits = 1 <= stored <= fmt.max_mag >> fmt.man_bits if match[2] == "1" else exponent == fmt.emin
    if fraction >> fmt.man_bits or not fits:
        raise ValueError(f"{token!r:.30} is no number of {fmt}")
    return stored << fmt.man_bits | fraction
