"""The forms in which vectors are written and read, one row each.

=========== ============================================================ ==========================================
form        a line                                                       for
=========== ============================================================ ==========================================
testfloat   `74FB E879 746C 01`                                          Berkeley TestFloat's programs
memh        `74FBE879746C01`, each word padded to whole digits           `$readmemh`, one packed word a line
memh_split  `74FB`, a file for each field                                `$readmemh`, a memory for each field
tv          `74FB_E879_746C_01`                                          `$readmemh` benches such as CVW's
csv         `0x74FB,0xE879,0x746C,0x01` under a line of names            spreadsheets, pandas
jsonl       `{"a":"74FB","b":"E879","result":"746C","flags":"01"}`       scripts
npz         arrays by name                                               NumPy
c           `    {0x74FBu, ...},` in an array of structs                 C and C++
vunit       `29947,59513,29804,1`, decimal, words of at most 32 bits     VUnit's `load_csv`, VHDL
sv          `    ,'{16'h74FB, ...}` in a package with a struct           SystemVerilog
=========== ============================================================ ==========================================

Icarus Verilog has no arrays of structs as parameters: it reads `memh`, Verilator and others `sv` too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import SpecError
from .asking import Request
from .templates import Template
from .words import Field, digits

Array = np.ndarray[Any, Any]
Pieces = list[str | Field]
Words = list[int] | None  # None: a line without a vector
INT_BITS = 32  # of VHDL's integers


class Sheet(NamedTuple):
    """What a file is about: its name without the suffix, the request, the mode, how many vectors."""

    name: str
    request: Request
    mode: str
    size: int

    @property
    def about(self) -> str:
        """One line for people."""
        r = self.request
        choices = "".join(f", {name}={value}" for name, value in r.choices.items())
        return f"{r.op} of {', '.join(r.operands)} to {r.fmt}, {self.mode}{choices}: {self.size} vectors by numfmt"


class Form(NamedTuple):
    """`pieces(fields)`: what a line is made of, None where another writer serves. `words(line, fields)`: the words of
    a line however it is spaced; a `ValueError` says what is wrong."""

    name: str
    suffix: str
    pieces: Callable[[Sequence[Field]], Pieces] | None
    words: Callable[[str, Sequence[Field]], Words]
    head: Callable[[Sheet], str] = lambda sheet: ""
    tail: Callable[[Sheet], str] = lambda sheet: ""
    first: str = ""  # in place of as many characters of the first line

    def template(self, fields: Sequence[Field]) -> Template | None:
        return None if self.pieces is None else Template(self.pieces(fields))


def _joined(parts: Sequence[Pieces], between: str) -> Pieces:
    found: Pieces = []
    for i, part in enumerate(parts):
        found += [between] * (i > 0) + part
    return found


def _separated(by: str, prefix: str = "") -> Callable[[Sequence[Field]], Pieces]:
    return lambda fields: [*_joined([[prefix, field] for field in fields], by), "\n"]


def _json_line(fields: Sequence[Field]) -> Pieces:
    return ["{", *_joined([[f'"{field.name}":"', field, '"'] for field in fields], ","), "}\n"]


def _c_line(fields: Sequence[Field]) -> Pieces:
    ends = {True: "ull", False: "u"}
    return ["    {", *_joined([["0x", field, ends[field.bits > INT_BITS]] for field in fields], ", "), "},\n"]


def _sv_line(fields: Sequence[Field]) -> Pieces:
    return ["    ,'{", *_joined([[f"{field.bits}'h", field] for field in fields], ", "), "}\n"]


# Heads and tails


def _names(sheet: Sheet) -> str:
    return ",".join(field.name for field in sheet.request.fields) + "\n"


def _c_type(bits: int) -> str:
    return f"uint{max(8, 1 << (bits - 1).bit_length())}_t"


def _c_head(sheet: Sheet) -> str:
    members = "\n".join(f"    {_c_type(field.bits)} {field.name};" for field in sheet.request.fields)
    return (
        f"/* {sheet.about} */\n#ifndef {identifier(sheet.name).upper()}_H\n#define {identifier(sheet.name).upper()}_H\n"
        f"#include <stdint.h>\n\nstruct {identifier(sheet.name)} {{\n{members}\n}};\n"
        f"static const struct {identifier(sheet.name)} {identifier(sheet.name)}_vectors[{sheet.size}] = {{\n"
    )


def _sv_head(sheet: Sheet) -> str:
    members = "\n".join(f"    logic [{field.bits - 1}:0] {field.name};" for field in sheet.request.fields)
    return (
        f"// {sheet.about}\npackage {identifier(sheet.name)}_pkg;\n  typedef struct packed {{\n{members}\n  }} vector_t;\n"
        f"  localparam int COUNT = {sheet.size};\n  localparam vector_t VECTORS [0:COUNT-1] = '{{\n"
    )


def identifier(name: str) -> str:
    """A name as C and SystemVerilog take it."""
    plain = re.sub(r"\W", "_", name)
    return plain if plain[0].isalpha() else f"v_{plain}"


# Lines as words


def _hexadecimal(tokens: Sequence[str], fields: Sequence[Field]) -> list[int]:
    if len(tokens) != len(fields):
        names = ", ".join(field.name for field in fields)
        raise ValueError(f"there are {len(tokens)} words, not {len(fields)}: {names}")
    return [_word(token, field) for token, field in zip(tokens, fields, strict=True)]


def _word(token: str, field: Field) -> int:
    what = f"{field.name}, {field.fmt or f'{field.bits} bits'}"
    if not re.fullmatch(r"[0-9A-Fa-f]+", token):
        raise ValueError(f"{shown(token)} is no hexadecimal number ({what})")
    if len(token) != digits(field.bits):
        raise ValueError(
            f"{shown(token)} has {len(token)} digits, {field.name} has {digits(field.bits)} ({what})"
        )
    word = int(token, 16)
    if word >> field.bits:
        raise ValueError(f"{shown(token)} has more than the {field.bits} bits of {field.name}")
    return word


def shown(text: str) -> str:
    """Foreign text in an error: short, printable."""
    short = text if len(text) <= 24 else text[:24] + "..."
    return ascii(short)


def _of_blanks(line: str, fields: Sequence[Field]) -> Words:
    tokens = line.split()
    return _hexadecimal(tokens, fields) if tokens else None


def _uncommented(line: str) -> str:
    return line.partition("//")[0].strip()


def _of_underscores(line: str, fields: Sequence[Field]) -> Words:
    plain = _uncommented(line)
    return _hexadecimal(plain.split("_"), fields) if plain else None


def _of_packed(line: str, fields: Sequence[Field]) -> Words:
    plain = _uncommented(line).replace("_", "")
    if not plain or plain.startswith("@"):
        return None
    total = sum(digits(field.bits) for field in fields)
    if len(plain) != total:
        raise ValueError(f"{shown(plain)} has {len(plain)} digits, a packed vector has {total}")
    tokens, at = [], 0
    for field in fields:
        tokens.append(plain[at : at + digits(field.bits)])
        at += digits(field.bits)
    return _hexadecimal(tokens, fields)


def _of_commas(line: str, fields: Sequence[Field]) -> Words:
    tokens = [token.strip().removeprefix("0x") for token in line.split(",")]
    if tokens in ([""], [field.name for field in fields]):
        return None
    return _hexadecimal(tokens, fields)


def _of_json(line: str, fields: Sequence[Field]) -> Words:
    if not line.strip():
        return None
    try:
        row = json.loads(line)
    except RecursionError:
        raise ValueError("its brackets nest too deeply") from None
    names = [field.name for field in fields]
    if not isinstance(row, dict) or sorted(row) != sorted(names):
        raise ValueError(f"an object with {', '.join(names)} is wanted")
    return _hexadecimal([str(row[name]) for name in names], fields)


def _of_pattern(pattern: str, start: tuple[str, ...]) -> Callable[[str, Sequence[Field]], Words]:
    """The numbers of lines that begin so; all other lines hold no vector."""
    number = re.compile(pattern)

    def words(line: str, fields: Sequence[Field]) -> Words:
        if not line.lstrip().startswith(start):
            return None
        return _hexadecimal(number.findall(line), fields)

    return words


def _of_decimals(line: str, fields: Sequence[Field]) -> Words:
    tokens = [token.strip() for token in line.split(",")]
    if tokens == [""]:
        return None
    if len(tokens) != len(fields):
        raise ValueError(f"there are {len(tokens)} words, not {len(fields)}")
    return [_decimal(token, field) for token, field in zip(tokens, fields, strict=True)]


def _decimal(token: str, field: Field) -> int:
    if not re.fullmatch(r"-?[0-9]{1,10}", token):
        raise ValueError(f"{shown(token)} is no decimal integer of 32 bits")
    number = int(token)
    if not -(1 << (field.bits - 1)) <= number < 1 << field.bits:
        raise ValueError(f"{shown(token)} has more than the {field.bits} bits of {field.name}")
    return number & ((1 << field.bits) - 1)


def _of_one_field(line: str, fields: Sequence[Field]) -> Words:
    plain = _uncommented(line)
    return None if not plain or plain.startswith("@") else _hexadecimal([plain], fields)


def _not_text(line: str, fields: Sequence[Field]) -> Words:
    raise ValueError("it is no text")


def decimals(columns: Sequence[Array], fields: Sequence[Field]) -> bytes:
    """Lines of VUnit's `load_csv`: words of 32 bits as the negative integers that VHDL has for them."""
    wide = [field.name for field in fields if field.bits > INT_BITS]
    if wide:
        raise SpecError(
            f"form 'vunit' has words of at most {INT_BITS} bits, {wide[0]} has more; choose another form",
            wide[0],
        )
    signed = [
        x.view(np.int32) if field.bits == INT_BITS else x for x, field in zip(columns, fields, strict=True)
    ]
    rows = zip(*(map(str, x.tolist()) for x in signed), strict=True)
    return "".join(",".join(row) + "\n" for row in rows).encode()


FORMS = {
    form.name: form
    for form in (
        Form("testfloat", ".tf", _separated(" "), _of_blanks),
        Form("memh", ".memh", _separated(""), _of_packed),
        Form("memh_split", ".mem", None, _of_one_field),
        Form("tv", ".tv", _separated("_"), _of_underscores),
        Form("csv", ".csv", _separated(",", "0x"), _of_commas, _names),
        Form("jsonl", ".jsonl", _json_line, _of_json),
        Form("npz", ".npz", None, _not_text),
        Form("c", ".h", _c_line, _of_pattern("0x([0-9A-Za-z]*?)u", ("{",)), _c_head, lambda sheet: "};\n#endif\n"),
        Form("vunit", ".vunit", None, _of_decimals),
        Form("sv", ".sv", _sv_line, _of_pattern("'h([0-9A-Za-z]*)", (",'{", " '{", "'{")), _sv_head, lambda sheet: "  };\nendpackage\n", "     '{"),
    )
}  # fmt: skip
