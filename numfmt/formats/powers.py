"""Powers of two and sums of them, as networks without multipliers take them: pot, apot, sp2, elb, log, shiftcnn.

The largest value is 1 but for elb and log. Values are float32 numbers; where a source does not say whose an exact
tie is, the smaller magnitude takes it.

Sources
-------
pot, apot : Li, Dong, Wang, "Additive Powers-of-Two Quantization", ICLR 2020, equations 3 and 5; the sets of 3 and 5
    bits of a magnitude and the rounding of levels to float32 as yhhhli/APoT_Quantization, quant_layer.py has them.
pot[variant=inq] : Zhou et al., "Incremental Network Quantization", ICLR 2017, equations 1 to 4.
sp2 : Chang et al., "Mix and Match", HPCA 2021, section 3: from a secondary source.
elb : Leng et al., "Extremely Low Bit Neural Network: Squeeze the Last Bit Out with ADMM", AAAI 2018.
log : Miyashita, Lee, Murmann, "Convolutional Neural Networks using Logarithmic Data Representation",
    arXiv 1603.01025, section 3. What it delivers past the ends is from a secondary source.
shiftcnn : Gudovskiy, Rigazio, "ShiftCNN", arXiv 1706.02393; the search as in gudovskiy/ShiftCNN.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import isqrt
from typing import NamedTuple

import numpy as np

from ..errors import SpecError
from ..registry import Option, family, integer, name
from .codebook import MOST, SETS, Codebook
from .level_sets import OWN, both_signs, named, ternary, width

LEAST = -126  # exponent of the least normal float32
ROOT_BITS = 256  # of a boundary that is no rational number: no input has so many


def two(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


@family(
    pattern=r"pot(?P<bits>\d+)(?P<unsigned>u?)",
    options={"variant": Option(("apot", "inq"), "apot"), "ties": OWN},
    examples=("pot4", "pot5[variant=inq]"),
)
def parse_pot(match: re.Match[str], spec: str, variant: str, ties: str) -> Codebook:
    """Zero and powers of two from 1 down: 2**(b - 1) - 1 of them, b bits with a sign; without, 2**b - 1. INQ has
    2**(b - 2), and gives a tie to the larger magnitude (its code to the smaller one, `ties=zero`)."""
    unsigned = match["unsigned"]
    bits = width(spec, match["bits"], range(3 - bool(unsigned), 9 - bool(unsigned)))
    if variant == "apot":
        return powers(bits, unsigned, ties)
    if unsigned:
        raise SpecError(f"{spec!r}: variant=inq is of signed weights", spec)
    values = both_signs(two(-e) for e in range(1 << bits - 2))
    return named(f"pot{bits}[variant=inq]", values, "away", ties)


def powers(bits: int, unsigned: str, ties: str) -> Codebook:
    count = (1 << bits - (not unsigned)) - 1
    values = both_signs((two(-e) for e in range(count)), not unsigned)
    return named(f"pot{bits}{unsigned}", values, "zero", ties)


# Exponents of the terms of a magnitude of 3 and of 5 bits: the last term has one bit
ODD_TERMS = {3: ((1, 2, 4), (3,)), 5: ((1, 3, 6), (2, 4, 7), (5,))}


def _terms(bits: int, k: int) -> tuple[Sequence[int], ...] | None:
    """Exponents, negated, of the k-bit terms of a magnitude; each term may be 0 instead."""
    if k == 2 and bits in ODD_TERMS:
        return ODD_TERMS[bits]
    if k < 1 or bits % k or bits // k * ((1 << k) - 1) > -LEAST:
        return None
    n = bits // k
    return tuple(range(i, i + n * ((1 << k) - 1), n) for i in range(1, n + 1))


def additive(terms: Iterable[Sequence[int]]) -> list[Fraction]:
    """All sums of one power of two, or nothing, of each term."""
    choices = ([Fraction(0), *(two(-e) for e in term)] for term in terms)
    return sorted({sum(chosen, Fraction(0)) for chosen in product(*choices)})


@family(
    pattern=r"apot(?P<bits>\d+)(?P<unsigned>u?)",
    options={"k": integer("2"), "ties": OWN},
    examples=("apot4", "apot5", "apot4u"),
)
def parse_apot(match: re.Match[str], spec: str, k: str, ties: str) -> Codebook:
    """Additive powers of two: sums of terms of k bits each. Signed, a bit is the sign, as of weights; unsigned,
    as of activations, none is. `apot2` is -1, 0 and 1."""
    unsigned = match["unsigned"]
    bits = width(spec, match["bits"], range(2, 9))
    terms = _terms(bits - (not unsigned), 1 if bits == 2 and not unsigned else int(k))
    if terms is None:
        raise SpecError(
            f"{spec!r}: {bits - (not unsigned)} bits of a magnitude are no terms of k={k} bits; k divides them",
            spec,
        )
    if terms == (range(1, 2),):
        return ternary("zero" if ties == "own" else ties)
    if len(terms) == 1:
        return powers(bits, unsigned, ties)
    found = additive(terms)
    inverse = np.float32(1) / np.float32(float(found[-1]))
    levels = [Fraction(float(np.float32(float(v)) * inverse)) for v in found]
    shown = f"[k={k}]" * (k != "2")
    return named(f"apot{bits}{unsigned}{shown}", both_signs(levels, not unsigned), "zero", ties)


@family(
    pattern="sp2",
    options={"bits": integer("4"), "ties": OWN},
    examples=("sp2",),
)
def parse_sp2(match: re.Match[str], spec: str, bits: str, ties: str) -> Codebook:
    """The sum of two powers of two or zeros, 2**-1 ... 2**-(2**m - 1) with m of the bits for each: half of those
    after the sign, the first one more where they are odd."""
    count = width(spec, bits, range(4, 9))
    parts = (count // 2, (count - 1) // 2)
    values = both_signs(additive([range(1, 1 << m) for m in parts]))
    return named("sp2" + f"[bits={count}]" * (count != 4), values, "zero", ties)


@family(
    pattern=r"elb(?P<count>\d+)",
    options={"ties": OWN},
    examples=("elb5", "elb7"),
)
def parse_elb(match: re.Match[str], spec: str, ties: str) -> Codebook:
    """So many values: 0 and 1, 2, 4 ... of both signs. `elb3` is -1, 0, 1."""
    count = int(match["count"])
    if count % 2 == 0 or not 3 <= count <= 65:
        raise SpecError(f"{spec!r}: an odd number of values, 3 to 65, got {count}", spec)
    if count == 3:
        return ternary(ties)
    return named(f"elb{count}", both_signs(two(e) for e in range(count // 2)), "even", ties)


# Logarithms


class Grid(NamedTuple):
    """Exponents in units of 1 / `parts`, `first ... last`; whether less than the half below rounds to 0."""

    parts: int
    first: int
    last: int
    cuts: bool


def root(quarters: int) -> Fraction:
    """2**(quarters / 4), rounded down to so many bits where it is no rational number."""
    whole, part = divmod(quarters, 4)
    scaled = isqrt(isqrt(1 << part + 4 * ROOT_BITS))
    return Fraction(scaled, 1 << ROOT_BITS) * two(whole)


def _log_magnitudes(g: Grid) -> list[Fraction]:
    return [root(e * 4 // g.parts) for e in range(g.first, g.last + 1)]


def _log_boundaries(g: Grid, signed: bool) -> list[Fraction]:
    """Half-way between the logarithms; beside 0 at 0, or where a logarithm rounds to one below the first."""
    half = 2 // g.parts
    above = [root(e * 4 // g.parts + half) for e in range(g.first, g.last)]
    least = root(g.first * 4 // g.parts - half) if g.cuts else Fraction(0)
    sizes = [least, *above]
    return [-b for b in reversed(sizes)] * signed + sizes


@family(
    pattern=r"log(?P<bits>\d+)(?P<unsigned>u?)",
    options={
        "base": Option(("2", "sqrt2"), "2"),
        "fsr": integer("0"),
        "clip": Option(("inclusive", "paper"), "inclusive"),
    },
    examples=(
        "log4", "log3[base=sqrt2,fsr=1]", "log4u[clip=paper]",
    ),
)  # fmt: skip
def parse_log(match: re.Match[str], spec: str, base: str, fsr: str, clip: str) -> Codebook:
    """Powers of the base from 2**fsr down, and 0, the nearest by logarithm: 1 becomes 2 from sqrt(2) on.

    ``clip=inclusive``: 2**b + 1 exponents from fsr down; all but 0 itself is at least the smallest. This is the
    approximate power of two of Hubara et al., "Quantized Neural Networks", arXiv 1609.07061, between two ends.
    ``clip=paper``: the two at the ends left out; what rounds to the lower one, or below, is 0.
    """
    bits, unsigned = width(spec, match["bits"], range(1, 9)), match["unsigned"]
    parts, ends = (2 if base == "sqrt2" else 1), clip == "paper"
    last = int(fsr) * parts - ends
    grid = Grid(parts, int(fsr) * parts - (1 << bits) + ends, last, ends)
    if grid.first // parts < LEAST or int(fsr) > 127:
        raise SpecError(f"{spec!r}: 2**{grid.first / parts:g} to 2**{fsr} is more than float32 holds", spec)
    given = {"base": base, "fsr": fsr, "clip": clip}
    shown = [f"{key}={int(v) if key == 'fsr' else v}" for key, v in given.items() if v != _LOG_DEFAULTS[key]]
    spelling = f"log{bits}{unsigned}" + f"[{','.join(shown)}]" * bool(shown)
    values = both_signs(_log_magnitudes(grid), not unsigned)
    return named(spelling, values, "zero", boundaries=_log_boundaries(grid, not unsigned))


_LOG_DEFAULTS = {"base": "2", "fsr": "0", "clip": "inclusive"}


# Sums found term by term


class Step(NamedTuple):
    """What numbers from `start` on become; with `inclusive`, that one too."""

    start: Fraction
    inclusive: bool
    value: Fraction


def _magnitude_steps(term: int, bits: int) -> list[Step]:
    """One term of a magnitude: a power of two, from above 1.5 times the one before; 0 below the first such."""
    last = 1 - term
    first = last - (1 << bits - 1) + 2
    powers = [Step(3 * two(e - 2), False, two(e)) for e in range(first, last + 1)]
    return [Step(Fraction(0), True, Fraction(0)), *powers]


def _mirrored(steps: list[Step]) -> list[Step]:
    """The same for numbers of both signs, from the least on; the first begins nowhere."""
    negative = [
        Step(-after.start, not after.inclusive, -step.value) for step, after in reversed([*pairwise(steps)])
    ]
    return [Step(-two(8), True, -steps[-1].value), *negative, *steps[1:]]


def _searched(term: int, terms: int, bits: int) -> list[Step]:
    """Terms `term` ... `terms` of a magnitude, each the power of two for what those before have left."""
    own = _magnitude_steps(term, bits)
    if term == terms:
        return own
    rest = _mirrored(_searched(term + 1, terms, bits))
    found: list[Step] = []
    for step, after in pairwise([*own, Step(two(8), False, Fraction(0))]):
        moved = [Step(r.start + step.value, r.inclusive, r.value + step.value) for r in rest]
        begun = [r for r in moved if _key(r) <= _key(step)]
        found.append(Step(step.start, step.inclusive, begun[-1].value))
        found += [r for r in moved if _key(step) < _key(r) < _key(after)]
    return found


def _key(step: Step) -> tuple[Fraction, bool]:
    """Steps in order: one that begins at a number comes before one that begins just above it."""
    return step.start, not step.inclusive


def _joined(steps: Iterable[Step]) -> Iterator[Step]:
    """Steps that change the value, as far as data over its largest magnitude goes."""
    before = None
    for step in steps:
        if step.start <= 1 and step.value != before and not (step.start == 1 and not step.inclusive):
            yield step
            before = step.value


@family(
    pattern="shiftcnn",
    options={"n": integer("2"), "b": integer("4")},
    examples=("shiftcnn", "shiftcnn[b=3]"),
)
def parse_shiftcnn(match: re.Match[str], spec: str, n: str, b: str) -> Codebook:
    """What a sum of n powers of two of b bits each becomes, found term by term: each is that nearest to what
    is left, 0 below three quarters of its smallest one. For numbers over their largest magnitude."""
    terms, bits = int(n), int(b)
    if not (1 <= terms <= 4 and 2 <= bits <= 5):
        raise SpecError(f"{spec!r}: n is 1 to 4 terms and b 2 to 5 bits, got n={n} and b={b}", spec)
    steps = [*_joined(_searched(1, terms, bits))]
    if 2 * len(steps) - 1 > MOST:
        raise SpecError(
            f"{spec!r}: it has {2 * len(steps) - 1} values, and a codebook at most {MOST}: fewer terms, or bits",
            spec,
        )
    given = {"n": (terms, 2), "b": (bits, 4)}
    shown = [f"{key}={value}" for key, (value, usual) in given.items() if value != usual]
    spelling = "shiftcnn" + f"[{','.join(shown)}]" * bool(shown)
    cuts = [_beside(step) for step in steps[1:]]
    values = both_signs(step.value for step in steps)
    return named(spelling, values, "zero", boundaries=[*(-c for c in reversed(cuts)), *cuts])


def _beside(step: Step) -> Fraction:
    """The boundary where a step begins: beside the number, on the side that leaves it to the right one; nearer
    than any input is."""
    nudge = step.start * two(-ROOT_BITS)
    return step.start - nudge if step.inclusive else step.start + nudge


SETS += [*(f"pot{b}[variant=inq]" for b in range(3, 9)), *(f"sp2[bits={b}]" for b in range(4, 9))]
SETS += [
    *(f"pot{b}" for b in range(3, 9)),
    *(f"pot{b}u" for b in range(2, 8)),
    *(f"apot{b}" for b in range(4, 8)),
]
SETS += [*(f"apot{b}u" for b in range(3, 7)), *(f"elb{n}" for n in range(5, 34, 2)), "shiftcnn"]
for _canonical in ("pot4", "apot4", "sp2", "elb5", "elb7", "log4", "shiftcnn"):
    name(_canonical, _canonical)
