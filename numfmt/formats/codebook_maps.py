"""Other tables of bitsandbytes: its map of floats, which is not FP8, and those that come from a
distribution or from data.

bitsandbytes-foundation/bitsandbytes, bitsandbytes/functional.py: create_fp8_map, create_normal_map (0.50.2);
create_quantile_map (0.46.1, the last that has it).
"""

from __future__ import annotations

import re
from functools import cache, partial
from statistics import NormalDist
from typing import Any

import numpy as np

from ..errors import SpecError
from ..registry import family
from .codebook import TABLES, Array, Codebook, rule
from .codebook_tables import linspace

SIZE = 256  # entries of a table that the library pads with zeros
BITS = range(3, 9)
EXPONENTS = range(1, 8)  # bits: more than 7 have values that no float32 is
LAST_QUANTILE = 0.9677083  # 1 - (1/32 + 1/30) / 2


@cache
def floats(exponent_bits: int, fraction_bits: int, signed: bool) -> tuple[float, ...]:
    """The map that `create_fp8_map` makes, in rising order, over its largest value.

    With bias = 2**(exponent_bits - 1), a field e from 1 on means 2**(bias + 1 - e) * (1 + f), so that a
    larger field is a smaller number, and field 0 means 2**-bias * f, below a gap. Signed, 0 is there twice.
    """
    bias = 1 << (exponent_bits - 1)
    fractions = np.arange(1 << fraction_bits) / (1 << fraction_bits)
    fields = np.arange(1, 2 * bias)[:, None]
    sizes = np.append(fractions * 2.0**-bias, np.ldexp(1 + fractions, bias + 1 - fields))
    values = np.sort(np.append(sizes, -sizes if signed else [])).astype(np.float32)
    return tuple((values / values.max()).tolist())


def normal_map(extra: bool = True) -> Codebook:
    """Quantiles of the normal distribution, as `create_normal_map` has them in 256 entries.

    The entries that are not 0 are those of `nf4`, 7 negative and 8 positive ones, where the codes of `nf4`
    are the places without the 241 zeros between them; without `extra` 7 of each sign.

    >>> numfmt.encode([-1.0, 0.0, 1.0], normal_map())
    array([  0,   7, 255], dtype=uint8)
    """
    negative, positive = _normal(8), _normal(9 if extra else 8)
    values = np.array([*(-negative), *np.zeros(SIZE - negative.size - positive.size), *positive[::-1]])
    return Codebook.of((values.astype(np.float32) / np.float32(positive[0])).tolist())


def _normal(count: int) -> Array:
    """Quantiles from the last down, without the one of 1/2."""
    steps = linspace(LAST_QUANTILE, count, "fma", end=0.5)[:-1]
    return np.array([NormalDist().inv_cdf(p) for p in steps.tolist()])


def quantile_map(x: Any, bits: int = 8) -> Codebook:
    """2**bits - 1 quantiles of data and 0, over the largest magnitude: a codebook with as many numbers of x
    at each value.

    Parameters
    ----------
    x : array_like of finite real numbers, any shape
    bits : int, 2 to 8

    Notes
    -----
    With n quantiles they are those of the probabilities from 1/(2n) to 1 - 1/(2n) in equal steps, interpolated
    in float64 and rounded to float32. `create_quantile_map` takes them from a GPU's estimate, the mean of the
    quantiles of parts of x.

    Raises
    ------
    SpecError : fewer than two distinct values come out

    >>> quantile_map(np.arange(101.0) - 50, bits=2)
    <codebook[values=[-1,0,0,1]]: 2 bits, 3 values, -1 to 1>
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits= takes 2 to 8, got {bits!r}")
    numbers = np.asarray(x, np.float64).reshape(-1)
    if not (numbers.size and np.isfinite(numbers).all()):
        raise ValueError("quantiles are those of finite numbers, one or more")
    count = (1 << bits) - 1
    found = np.quantile(numbers, np.linspace(0.5 / count, 1 - 0.5 / count, count)).astype(np.float32)
    values = np.sort(np.append(found, np.float32(0)))
    return Codebook.of((values / (np.abs(values).max() or np.float32(1))).tolist())


for _exponents in EXPONENTS:
    for _fractions in range(8):
        for _sign, _signed in (("", True), ("u", False)):
            if _exponents + _fractions + _signed in BITS:
                TABLES[f"{_sign}e{_exponents}m{_fractions}_bnb"] = partial(
                    floats, _exponents, _fractions, _signed
                )


@family(
    pattern=r"u?e\d+m\d+_bnb",
    options=rule(),
    examples=("e4m3_bnb", "e5m2_bnb[midpoints=float32,ties=down]", "ue4m4_bnb", "e2m1_bnb"),
)
def parse_floats(match: re.Match[str], spec: str, midpoints: str, ties: str) -> Codebook:
    """bitsandbytes' map of floats, `e4m3_bnb`; with a u before it without a sign."""
    if match[0] not in TABLES:
        raise SpecError(
            f"{spec!r}: such a map has 1 to 7 exponent bits and {BITS[0]} to {BITS[-1]} bits in all, a sign"
            " counted in unless a u stands before it",
            spec,
        )
    return Codebook.of(TABLES[match[0]](), midpoints, ties)
