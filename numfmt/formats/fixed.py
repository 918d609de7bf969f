"""Fixed point and integers: `code * 2**-frac` in two's complement, or unsigned.

One family in the spellings of the field: intN, uintN; TI's Qm.n, whose m leaves the sign out;
MATLAB's sfix/ufix; SystemC's sc_fixed and HLS's ap_fixed, whose integer bits hold the sign.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from ..errors import SpecError
from ..format import Format, Value
from ..registry import Option, family, integer, name

WIDEST = 64
LARGEST_EXPONENT = 1023


@dataclass(frozen=True, repr=False)
class Fixed(Format):
    """`code * 2**-frac`; a symmetric one leaves out the lowest code."""

    bits: int
    frac: int = 0
    signed: bool = True
    symmetric: bool = False

    uniform = True

    @cached_property
    def signed_codes(self) -> bool:  # type: ignore[override]
        return self.signed

    @cached_property
    def span(self) -> tuple[int, int]:  # type: ignore[override]
        if not self.signed:
            return 0, (1 << self.bits) - 1
        half = 1 << (self.bits - 1)
        return self.symmetric - half, half - 1

    def value(self, code: int) -> Value:
        low, high = self.span
        if not low <= code < 1 << self.bits or code == self.left_out:
            residues = " or their residues" * self.signed
            raise ValueError(f"{self} has codes {low} to {high}{residues}, got {code}")
        return self.rank(code) * self.step

    @cached_property
    def left_out(self) -> int | None:  # type: ignore[override]
        return 1 << (self.bits - 1) if self.symmetric else None

    def code_at(self, rank: int) -> int:
        return rank & ((1 << self.bits) - 1)

    def rank(self, code: int) -> int:
        return self.outward(code & ((1 << self.bits) - 1))

    @cached_property
    def step(self) -> Fraction:  # type: ignore[override]
        return Fraction(2) ** -self.frac

    @cached_property
    def smallest(self) -> Fraction:
        """One step; the smallest positive value where there is one (int1 has none)."""
        return self.step

    def zero(self, negative: bool = False) -> int:
        return 0

    @cached_property
    def boundary_bits(self) -> int:
        return self.bits + (not self.signed)

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        whole = self.bits - self.signed
        inside = 0 <= self.frac <= whole
        parts = (
            ("sign", int(self.signed)),
            ("integer", whole - self.frac if inside else whole),
            ("fraction", self.frac if inside else 0),
        )
        return tuple(part for part in parts if part[1])

    def __str__(self) -> str:
        whole = self.bits - self.signed - self.frac
        plain, options = f"{'u' * (not self.signed)}int{self.bits}", ["symmetric"] * self.symmetric
        if self.frac > 0 and whole >= 0:
            plain = f"{'u' * (not self.signed)}q{whole}.{self.frac}"
        elif self.frac:
            signed = "yes" if self.signed else "no"
            plain = "fixed"
            options = [f"bits={self.bits}", f"frac={self.frac}", f"signed={signed}", *options]
        return f"{plain}[{','.join(options)}]" if options else plain


def _made(spec: str, bits: int, frac: int, signed: bool, symmetric: str = "off") -> Fixed:
    """The format, or a `SpecError` where a code has too many bits or float64 no such power."""
    if not 1 <= bits <= WIDEST:
        raise SpecError(f"{spec!r}: a fixed-point format has 1 to {WIDEST} bits, got {bits}", spec)
    if not -960 <= frac <= 1074:
        raise SpecError(f"{spec!r}: -960 to 1074 fraction bits fit float64's range, got {frac}", spec)
    if bits - signed - frac > LARGEST_EXPONENT:
        raise SpecError(
            f"{spec!r}: values reach 2**{bits - signed - frac} and float64 ends below 2**1024; "
            f"{bits} bits need a frac of {bits - signed - LARGEST_EXPONENT} or more", spec,
        )  # fmt: skip
    if symmetric == "on" and (not signed or bits == 1):
        raise SpecError(f"{spec!r}: symmetric leaves out the lowest code of 2 signed bits or more", spec)
    return Fixed(bits, frac, signed, symmetric == "on")


_SYMMETRIC = {"symmetric": Option(("on", "off"), "off")}


@family(
    pattern=r"(?P<unsigned>u?)int(?P<bits>\d+)",
    options=_SYMMETRIC,
    examples=(
        "int8", "uint8", "int16", "int1", "uint1", "int3", "uint7", "int12", "int23", "int24", "uint24",
        "int53", "int54", "int55", "uint53", "int64", "uint64", "int8[symmetric]", "int4[symmetric]",
    ),
)  # fmt: skip
def parse_integer(match: re.Match[str], spec: str, symmetric: str) -> Fixed:
    """`intN`, `uintN`: 1 to 64 bits."""
    return _made(spec, int(match["bits"]), 0, not match["unsigned"], symmetric)


@family(
    pattern=r"(?P<unsigned>u?)q(?P<whole>\d+)\.(?P<frac>\d+)",
    options=_SYMMETRIC,
    examples=("q3.4", "q0.15", "uq4.12", "uq0.8", "q15.16", "q3.4[symmetric]"),
)
def parse_q(match: re.Match[str], spec: str, symmetric: str) -> Fixed:
    """TI's Qm.n: a sign bit, m integer bits, n fraction bits; uqm.n has no sign bit."""
    whole, frac = int(match["whole"]), int(match["frac"])
    signed = not match["unsigned"]
    return _made(spec, signed + whole + frac, frac, signed, symmetric)


@family(
    pattern="fixed",
    options={
        "bits": integer(),
        "frac": integer(),
        "signed": Option(("yes", "no"), "yes"),
        **_SYMMETRIC,
    },
    examples=(
        "fixed[bits=8,frac=9]", "fixed[bits=8,frac=-3]", "fixed[bits=6,frac=10,signed=no]",
        "fixed[bits=7,frac=-2,symmetric]", "fixed[bits=5,frac=1000]",
    ),
)  # fmt: skip
def parse_fixed(match: re.Match[str], spec: str, bits: str, frac: str, signed: str, symmetric: str) -> Fixed:
    """Any width and any number of fraction bits, beyond the width or negative too."""
    return _made(spec, int(bits), int(frac), signed == "yes", symmetric)


@family(
    pattern=r"(?P<sign>[su])fix(?P<bits>\d+)(?:_e(?P<down>n?)(?P<power>\d+))?",
    options={},
    examples=("sfix16_En12", "ufix8_En8", "sfix10", "sfix8_E3"),
)
def parse_matlab(match: re.Match[str], spec: str) -> Fixed:
    """MATLAB's Fixed-Point Designer: sfix16_En12 has 12 fraction bits, sfix8_E3 the step 2**3."""
    power = int(match["power"] or "0")
    return _made(spec, int(match["bits"]), power if match["down"] else -power, match["sign"] == "s")


@family(
    pattern=r"(?:ap|sc)_(?P<unsigned>u?)(?:fixed<(?P<width>\d+),(?P<whole>-?\d+)(?P<modes>(?:,\w+)*)>|int<(?P<bits>\d+)>)",
    options={},
    examples=(
        "ap_fixed<16,4>",
        "ap_ufixed<8,0>",
        "sc_fixed<8,10>",
        "sc_ufixed<8,-2>",
        "ap_int<8>",
        "sc_uint<5>",
    ),
)
def parse_hardware(match: re.Match[str], spec: str) -> Fixed:
    """SystemC (IEEE 1666) and HLS: width, then integer bits with the sign among them."""
    signed = not match["unsigned"]
    if match["bits"]:
        return _made(spec, int(match["bits"]), 0, signed)
    if match["modes"]:
        raise SpecError(
            f"{spec!r}: a format is a set of values; give its modes as arguments, "
            "as in rounding='AP_RND', overflow='AP_SAT'", spec,
        )  # fmt: skip
    width = int(match["width"])
    return _made(spec, width, width - int(match["whole"]), signed)


for _bits in (4, 8, 16, 32, 64):
    for _prefix in ("", "u"):
        name(f"{_prefix}int{_bits}", f"{_prefix}int{_bits}")
