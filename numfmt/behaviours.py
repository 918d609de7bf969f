"""What hardware and libraries decide differently when they convert: profiles as data, and `diff` between two."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from . import vectors
from .arithmetic import convert
from .casting import decode, encode
from .errors import choose
from .format import Format
from .notation import hexadecimal
from .registry import element
from .table import Column, Table

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Behaviour:
    """`choices`: keywords of `numfmt.convert`; `of` has others for some formats, `instead` other formats, `nans` the
    code of a positive NaN where it is not the canonical one."""

    text: str
    choices: Mapping[str, Any] = field(default_factory=dict)
    of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    nans: Mapping[str, int] = field(default_factory=dict)

    def form(self, fmt: Format) -> Format:
        return element(self.instead.get(str(fmt), fmt))

    def codes(self, words: Array, source: Format, fmt: Format) -> Array:
        """Of codes of the source."""
        how: dict[str, Any] = {**self.of.get(str(fmt), self.choices)}
        form = self.form(fmt)
        nan = (
            "max" if form.nan() is None else None
        )  # as PTX ISA has it for fp6 and fp4; from memory, UNVERIFIED
        found = np.asarray(convert(words, form, codes=True, operands=source, nan=nan, **how))
        if str(fmt) not in self.nans:
            return found
        sign = found & found.dtype.type(1 << (form.bits - 1))
        return np.where(np.isnan(decode(found, form)), sign | found.dtype.type(self.nans[str(fmt)]), found)


SATURATES, DOES_NOT = {"overflow": "saturate"}, {"overflow": "ieee"}
RISCV = {"nan_profile": "riscv"}
FNUZ = {"e4m3fn": "e4m3fnuz", "e5m2": "e5m2fnuz"}
PROFILES = {
    "ocp_saturating": Behaviour("OCP 8-bit floating point, saturating mode", SATURATES),
    "ocp": Behaviour("OCP 8-bit floating point, non-saturating mode", DOES_NOT),
    "ptx_satfinite": Behaviour("NVIDIA cvt.rn.satfinite", {**SATURATES, "nan_profile": "nvidia"}),
    "riscv_zfbfmin": Behaviour("RISC-V fcvt.bf16.s", {**DOES_NOT, **RISCV}),
    "riscv_zvfofp8": Behaviour("RISC-V vector conversions to OCP FP8", {**DOES_NOT, **RISCV}),
    "riscv_zvfofp8_sat": Behaviour("the same, .sat", {**SATURATES, **RISCV}),
    "hip_fnuz": Behaviour("HIP on CDNA3: fnuz types, saturating", SATURATES, instead=FNUZ),
    "onnx": Behaviour("ONNX Cast, saturate=1", SATURATES),
    "onnx_unsaturated": Behaviour("ONNX Cast, saturate=0", DOES_NOT),
    "torch": Behaviour("PyTorch from 2.13 on", DOES_NOT, of={"e4m3fn": SATURATES}, nans={"e5m2": 0x7F}),
    "torch_2_12": Behaviour("PyTorch before 2.13", DOES_NOT, nans={"e5m2": 0x7F}),
    "ml_dtypes": Behaviour("ml_dtypes from float32", DOES_NOT),
    "flushing": Behaviour("subnormal results become 0", {**DOES_NOT, "ftz": "before"}),
}
Side = str | Behaviour | Callable[[Array], Any]


@dataclass(frozen=True)
class Decision:
    """One thing that two behaviours decide differently, with the first input that shows it."""

    decision: str
    count: int  # of inputs
    input: str
    value: float
    a: str
    b: str


@dataclass(frozen=True, repr=False)
class Differences(Table[Decision]):
    """What `diff` found, a row for each decision."""

    names: tuple[str, str]
    inputs: int
    kind: ClassVar[type] = Decision
    by: ClassVar[str] = "decision"
    nothing: ClassVar[str] = "no differences"

    def columns(self) -> Sequence[Column]:
        shown = (("decision", "decision"), ("inputs", "count"), ("for example", "input"), ("value", "value"),
                 (self.names[0], "a"), (self.names[1], "b"))  # fmt: skip
        return [Column("", heading, name, _written) for heading, name in shown]

    def group(self, row: Decision) -> Hashable:
        return None

    def title(self, row: Decision) -> str:
        total = sum(row.count for row in self.rows)
        return f"{total} of {self.inputs} inputs differ"

    def __str__(self) -> str:
        return super().__str__().lstrip()

    __repr__ = __str__

    def __getitem__(self, index: Any) -> Any:
        rows = self.rows[index]
        return Differences(rows, self.names, self.inputs) if isinstance(index, slice) else rows


def _written(x: Any) -> str:
    return f"{x:.9g}" if isinstance(x, float) else str(x)


def diff(a: Side, b: Side, fmt: Any, *, source: Any = "f32") -> Differences:
    """Compare two ways of converting numbers to a format, and name the decisions in which they differ.

    Parameters
    ----------
    a, b : str, Behaviour or callable
        One of `PROFILES`, or a function of a float array (float32, or float64 where the source has more bits) that
        gives values, or codes as integers.
    fmt : str, Format or dtype
        What is converted to. A profile may have another in its place, as HIP's fnuz types: then values are compared.
    source : str, Format or dtype
        Of the inputs: all of a source of at most 16 bits; of wider ones all bfloat16 numbers, and the values and ties
        of `fmt`, numbers just beside them, its ends, specials, and random numbers.

    Returns
    -------
    Differences : a table with a row for each of "NaN", "infinity", "zeros", "overflow", "subnormals", "ties" and
        "rounding" in which some input differs, with the number of inputs, and the first as an example

    >>> diff("ocp", "ocp_saturating", "e4m3fn", source="f16")
    decision inputs for example  value      ocp ocp_saturating
    <BLANKLINE>
    14720 of 65536 inputs differ
    infinity      2      0x7C00    inf 0x7F nan       0x7E 448
    overflow  14718      0x5F41 464.25 0x7F nan       0x7E 448
    """
    form, given = element(fmt), element(source)
    words = _words(form, given)
    sides = [_side(side, words, given, form) for side in (a, b)]
    values = np.asarray(decode(words, given, dtype=np.float64))
    decided = np.where(_differ(*sides), _decisions(values, [s[2] for s in sides], form), "")
    names = (_name(a, "a"), _name(b, "b"))
    rows = [_row(kind, np.flatnonzero(decided == kind), words, values, sides, given) for kind in KINDS]
    return Differences(tuple(row for row in rows if row.count), names, int(words.size))


def _words(form: Format, source: Format) -> Array:
    """Codes of the inputs."""
    (words,) = vectors.generate(
        "cast", form, operands=source, nan="max" if form.nan() is None else None
    ).operands
    if source == element("f32"):
        words = np.concatenate([words, np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)])
    return np.unique(words)


def _side(side: Side, words: Array, source: Format, fmt: Format) -> tuple[Format, Array, Array]:
    """The format, codes and float64 values that one side gives."""
    behaviour = PROFILES[choose("behaviour", side, PROFILES)] if isinstance(side, str) else side
    if isinstance(behaviour, Behaviour):
        form, codes = behaviour.form(fmt), behaviour.codes(words, source, fmt)
    else:
        form, codes = fmt, _called(behaviour, words, source, fmt)
    return form, codes, np.asarray(decode(codes, form, dtype=np.float64))


def _called(f: Callable[[Array], Any], words: Array, source: Format, fmt: Format) -> Array:
    dtype = np.float32 if source.fits(23, -126, 127) else np.float64
    found = np.asarray(f(np.asarray(decode(words, source, dtype=dtype))))
    if found.shape != words.shape:
        raise ValueError(f"the function gave shape {found.shape} for inputs of shape {words.shape}")
    return found if found.dtype.kind in "iu" else np.asarray(encode(found, fmt, nan=_nan(fmt)))


def _nan(fmt: Format) -> str | None:
    return "max" if fmt.nan() is None else None


def _differ(a: tuple[Format, Array, Array], b: tuple[Format, Array, Array]) -> Array:
    if a[0] == b[0]:
        return np.asarray(a[1] != b[1])
    x, y = a[2], b[2]
    return ~((np.isnan(x) & np.isnan(y)) | ((x == y) & (np.signbit(x) == np.signbit(y))))


KINDS = ("NaN", "infinity", "zeros", "overflow", "subnormals", "ties", "rounding")


def _decisions(x: Array, results: list[Array], fmt: Format) -> Array:
    """Of each input the decision that it shows, the first that fits."""
    first, second = results
    with np.errstate(all="ignore"):
        tests = {
            "NaN": np.isnan(x),
            "infinity": np.isinf(x),
            "zeros": (first == 0) & (second == 0),
            "overflow": (np.abs(x) > float(fmt.largest)) | ~np.isfinite(first) | ~np.isfinite(second),
            "subnormals": (np.abs(x) < float(fmt.min_normal))
            & ((first == 0) | (second == 0))
            & ~_ties(x, fmt),
            "ties": _ties(x, fmt),
        }
    return np.select(list(tests.values()), list(tests), "rounding")


def _ties(x: Array, fmt: Format) -> Array:
    """Where a number lies in the middle of two values."""
    finite = np.where(np.isfinite(x), x, 0.0)
    how: dict[str, Any] = {"overflow": "saturate", "dtype": np.float64}
    down, up = (np.asarray(convert(finite, fmt, rounding=mode, **how)) for mode in ("rdn", "rup"))
    return (down != up) & (up - finite == finite - down)


def _row(kind: str, where: Array, words: Array, values: Array, sides: Any, source: Format) -> Decision:
    if not where.size:
        return Decision(kind, 0, "", 0.0, "", "")
    i = where[np.argmin(np.abs(np.nan_to_num(values[where], nan=0.0, posinf=1.0, neginf=2.0)))]
    told = [_result(codes[i], form) for form, codes, _ in sides]
    return Decision(kind, int(where.size), hexadecimal(int(words[i]), source.bits), float(values[i]), *told)


def _result(code: Any, fmt: Format) -> str:
    plain = int(code) & ((1 << fmt.bits) - 1)
    return f"{hexadecimal(plain, fmt.bits)} {float(fmt.value(plain)):.6g}"


def _name(side: Side, letter: str) -> str:
    if isinstance(side, str):
        return side
    return getattr(side, "__name__", letter).strip("<>")
