"""Sets of few values, and equal steps between -1, 0 and 1: binary, ternary, unorm, snorm, and two steps, pwl.

Values that are no float32 are rounded to it; boundaries are those of the numbers themselves.

Sources
-------
binary, ternary : Courbariaux et al., "BinaryConnect", NeurIPS 2015; Li, Liu, "Ternary Weight Networks",
    arXiv 1605.04711.
unorm, snorm : normalised integers as graphics has them (Khronos Vulkan, "Fixed-Point Data Conversions"), and as
    DoReFa-Net, WRPN and PACT quantize; ties go to the even integer.
pwl : Fang et al., "Post-Training Piecewise Linear Quantization for Deep Neural Networks", ECCV 2020, equation 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from ..errors import SpecError
from ..reference import exact
from ..registry import Option, family, name
from .codebook import SETS, TIES, Codebook

OWN = Option(("own", *TIES), "own")  # ties: those of the source


def named(
    spelling: str, values: Iterable[Fraction], own_ties: str, ties: str = "own",
    boundaries: Sequence[Fraction] = (),
) -> Codebook:  # fmt: skip
    """The codebook of values in float32, and how it is written."""
    chosen = own_ties if ties == "own" else ties
    if chosen != own_ties:
        opened = f"{spelling[:-1]}," if spelling.endswith("]") else f"{spelling}["
        spelling = f"{opened}ties={chosen}]"
    table = np.array([float(v) for v in values], np.float32).tolist()
    return Codebook.of(table, ties=chosen, boundaries=boundaries, spelling=spelling)


def both_signs(magnitudes: Iterable[Fraction], signed: bool = True) -> list[Fraction]:
    """0, the magnitudes and, signed, their negatives, in order."""
    sizes = {Fraction(0), *magnitudes}
    return sorted(sizes | {-v for v in sizes} if signed else sizes)


def width(spec: str, given: str, allowed: range) -> int:
    """A number of bits; `SpecError` where there is no such set."""
    bits = int(given)
    if bits not in allowed:
        raise SpecError(f"{spec!r}: it has {allowed[0]} to {allowed[-1]} bits, got {bits}", spec)
    return bits


@family(pattern="binary", options={"ties": OWN}, examples=("binary",))
def parse_binary(match: re.Match[str], spec: str, ties: str) -> Codebook:
    """-1 and 1; from 0 on, -0 too, it is 1. In stochastic rounding 1 is as probable as x is far from -1:
    BinaryConnect's hard sigmoid."""
    return named("binary", (Fraction(-1), Fraction(1)), "up", ties)


@family(pattern="ternary", options={"ties": OWN}, examples=("ternary",))
def parse_ternary(match: re.Match[str], spec: str, ties: str) -> Codebook:
    """-1, 0 and 1."""
    return ternary(ties)


def ternary(ties: str) -> Codebook:
    return named("ternary", map(Fraction, (-1, 0, 1)), "even", ties)


@family(
    pattern=r"(?P<signed>[us])norm(?P<bits>\d+)",
    options={"ties": OWN},
    examples=("unorm8", "snorm8"),
)
def parse_norm(match: re.Match[str], spec: str, ties: str) -> Codebook:
    """Integers over the largest: `unorm8` is 0, 1/255 ... 1, `snorm8` is -1 ... 1 in steps of 1/127."""
    signed = match["signed"] == "s"
    bits = width(spec, match["bits"], range(1 + signed, 13))
    even = "odd" if signed else "even"  # of a rank: signed integers begin at an odd one
    if bits == 1 + signed == 2:
        return ternary(even if ties == "own" else ties)
    last = (1 << bits - signed) - 1
    steps = range(-last if signed else 0, last + 1)
    between = [Fraction(2 * i + 1, 2 * last) for i in steps[:-1]]
    return named(match[0], [Fraction(i, last) for i in steps], even, ties, between)


@family(
    pattern=r"pwl(?P<bits>\d+)",
    options={"p": Option(("a number",), None, r"[0-9./e+-]+"), "ties": OWN},
    examples=("pwl4[p=0.25]",),
)
def parse_piecewise(match: re.Match[str], spec: str, p: str, ties: str) -> Codebook:
    """Two steps: 2**(b - 1) magnitudes up to the break point p, and as many from p to 1; b + 1 bits are stored."""
    bits = width(spec, match["bits"], range(2, 11))
    at = _break_point(p, spec)
    last = (1 << bits - 1) - 1
    parts = [Fraction(i, last) for i in range(last + 1)]
    values = both_signs([*(at * t for t in parts), *(at + (1 - at) * t for t in parts)])
    if len({np.float32(float(v)) for v in values}) < len(values):
        raise SpecError(f"{spec!r}: float32 does not tell the values beside the break point {p} apart", spec)
    between = [(x + y) / 2 for x, y in pairwise(values)]
    return named(f"pwl{bits}[p={_shortest(at)}]", values, "zero", ties, between)


def _shortest(x: Fraction) -> str:
    """A decimal, or a fraction where none is the number.

    >>> _shortest(Fraction(1, 4)), _shortest(Fraction(1, 3))
    ('0.25', '1/3')
    """
    digits = repr(float(x))
    return digits if Fraction(digits) == x else str(x)


def _break_point(text: str, spec: str) -> Fraction:
    try:
        at = Fraction(exact(text))
    except (ValueError, OverflowError):
        raise SpecError(f"{spec!r}: p is a number between 0 and 1, got {text!r}", spec) from None
    if not 0 < at < 1:
        raise SpecError(f"{spec!r}: the break point p lies between 0 and 1, got {text}", spec)
    return at


SETS += [*(f"unorm{b}" for b in range(1, 9)), *(f"snorm{b}" for b in range(3, 9)), "binary"]
SETS += [f"{_set}[ties={ties}]" for _set in ("binary", "ternary") for ties in TIES]
for _canonical in ("binary", "ternary", "unorm8", "snorm8"):
    name(_canonical, _canonical)
