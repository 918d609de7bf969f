"""The codebooks of bitsandbytes, value by value: dynamic trees, NF4, FP4, AF4, int4, linear maps.

bitsandbytes-foundation/bitsandbytes 0.50.2, bitsandbytes/functional.py. The libraries' ways to find the
nearest value, as options of these formats:

    midpoints=float32,ties=down     quantize_blockwise and quantize_4bit of the default backend
    midpoints=float32               8 bits in CUDA (dQuantize): a tie goes to the even index
    midpoints=distance,ties=down    8 bits on the CPU up to 0.49, and of float64 from 0.50 on
    midpoints=cuda,ties=zero        FP4 in CUDA (dQuantizeFP4)

`codebook_searches` has them for whole blocks, NF4 in CUDA too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np

from ..errors import SpecError
from ..registry import Option, family, name
from .codebook import MIDPOINTS, TABLES, Codebook, rule

Array = np.ndarray[Any, np.dtype[np.float32]]


def _single(values: Sequence[float], divisor: float = 1) -> tuple[float, ...]:
    """The values in float32, divided there."""
    return tuple((np.array(values, np.float32) / np.float32(divisor)).tolist())


# 4 bits: the tables as they are printed

# Quantiles of the normal distribution. Dettmers et al., QLoRA, arXiv 2305.14314, appendix E
NF4 = _single((
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
))  # fmt: skip
# Of the absolute normal distribution in blocks of 64, from the largest down. Yoshida, arXiv 2306.06965
AF4 = _single((
    1.0, 0.72424863, 0.55496234, 0.42563882, 0.31675666, 0.21961274, 0.12934483, 0.04273164, 0.0,
    -0.04934812, -0.14982478, -0.25607552, -0.3736951, -0.51243739, -0.69441008, -1.0,
))  # fmt: skip
# One sign, two exponent, one fraction bit, in twelfths; the code of -0 means 0 too
_TWELFTHS = (0, 0.0625, 8, 12, 4, 6, 2, 3)
FP4 = _single([*_TWELFTHS, *(-t for t in _TWELFTHS)], 12)
INT4 = _single([7, 6, 5, 4, 3, 2, 1, 0, 0, -1, -2, -3, -4, -5, -6, -7], 7)

# csrc/kernels.cu, dQuantizeFP4: what |x| is compared with; not quite the mid-points
FP4_CUDA = _single([0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333])


def fp4_midpoints(rising: Sequence[float]) -> list[Fraction]:
    if set(rising) != set(FP4):
        raise SpecError("midpoints=cuda is for the values of fp4_bnb")
    return [Fraction(m) for m in sorted([*FP4_CUDA, *(-size for size in FP4_CUDA)])]


MIDPOINTS["cuda"] = fp4_midpoints


# Maps built by linspace, whose last bits depend on how it computes


def linspace(start: float, count: int, profile: str, end: float = 1.0) -> Array:
    """`count` float32 numbers from `start` to `end` as torch.linspace gives them: from both ends to the middle.

    In profile "fma", that of PyTorch's vector code, each is rounded once; in "default", that of its
    scalar code, the product first.
    """
    first, last = np.float32(start), np.float32(end)
    step = np.float32((last - first) / np.float32(count - 1))
    up = np.arange(count)
    product = np.float64(step) * np.minimum(up, up[::-1])  # exact, and so is the sum
    if profile == "default":
        product = product.astype(np.float32).astype(np.float64)
    return np.where(up < count // 2, np.float64(first) + product, last - product).astype(np.float32)


@cache
def dynamic(bits: int, signed: bool, profile: str) -> tuple[float, ...]:
    """A dynamic tree: a sign, zeros that count decades, an indicator bit and a linear fraction.

    With n bits after the sign, z zeros and f in the n - 1 - z bits below the indicator, the value is
    10**-z * (0.1 + 0.9 * (f + 1/2) / 2**(n - 1 - z)), the middle of one of equal parts of a decade, rounded
    as `create_dynamic_map` does; no indicator means 0. A rank says the same: that many above zero's is the
    pattern without the sign. The pattern of -0 is spent on 1.0, so that -1 is no value.

    Dettmers, 8-Bit Approximations for Parallelism in Deep Learning, arXiv 1511.04561; without a sign, where
    the pattern is one above the rank: 8-bit Optimizers via Block-wise Quantization, arXiv 2110.02861.
    """
    decades = range(bits - 1)
    positive = [v for i in decades for v in _decade(2 ** (i + (not signed)), i - bits + 2, profile)]
    negative = [-v for v in positive] if signed else []
    return _single(sorted([*negative, 0.0, *positive, 1.0]))


def _decade(count: int, power: int, profile: str) -> list[float]:
    """The middles of so many equal parts of 0.1 ... 1, times a power of ten; all in float32."""
    edges = linspace(0.1, count + 1, profile)
    middles = (edges[:-1] + edges[1:]) / np.float32(2)
    return list((np.float32(10.0**power) * middles).tolist())


@cache
def linear(signed: bool, profile: str) -> tuple[float, ...]:
    """Equal steps from -1 or 0 to 1; signed, of 255 values and a 0 before the middle one, which is
    not 0 but what `linspace` computes there."""
    if not signed:
        return _single(linspace(0.0, 256, profile).tolist())
    values = linspace(-1.0, 255, profile).tolist()
    return _single([*values[:127], 0.0, *values[127:]])


PROFILES = ("fma", "default")
_MAPS = {
    **{f"dyn{bits}{u}": partial(dynamic, bits, not u) for bits in range(8, 1, -1) for u in ("", "u")},
    **{f"linear8{u}": partial(linear, not u) for u in ("", "u")},
}
for _plain, _values in (("nf4", NF4), ("fp4_bnb", FP4), ("af4", AF4), ("int4_bnb", INT4)):
    TABLES[_plain] = partial(tuple, _values)
for _plain, _make in _MAPS.items():
    TABLES[_plain] = partial(_make, "fma")
    TABLES[f"{_plain}[profile=default]"] = partial(_make, "default")


@family(
    pattern="nf4|af4|int4_bnb",
    options=rule(),
    examples=("nf4", "nf4[midpoints=float32,ties=down]", "af4", "int4_bnb"),
)
def parse_table(match: re.Match[str], spec: str, midpoints: str, ties: str) -> Codebook:
    """A table of 16 values."""
    return Codebook.of(TABLES[match[0]](), midpoints, ties)


@family(
    pattern="fp4_bnb",
    options=rule(midpoints=("cuda",)),
    examples=("fp4_bnb", "fp4_bnb[midpoints=float32,ties=down]", "fp4_bnb[midpoints=cuda,ties=zero]"),
)
def parse_fp4(match: re.Match[str], spec: str, midpoints: str, ties: str) -> Codebook:
    """bitsandbytes' FP4, whose CUDA code has boundaries of its own."""
    return Codebook.of(FP4, midpoints, ties)


@family(
    pattern=r"(?P<map>(dyn[2-8]|linear8)u?)",
    options={"profile": Option(PROFILES, "fma"), **rule()},
    examples=(
        "dyn8", "dyn8u", "dyn7", "dyn6", "dyn5", "dyn4", "dyn3", "dyn4u", "dyn8[profile=default]",
        "dyn8[midpoints=float32]", "dyn8u[midpoints=float32,ties=down]", "linear8", "linear8u",
    ),
)  # fmt: skip
def parse_map(match: re.Match[str], spec: str, profile: str, midpoints: str, ties: str) -> Codebook:
    """A dynamic tree of 2 to 8 bits, or 256 equal steps; signed, or with a u not."""
    return Codebook.of(_MAPS[match["map"]](profile), midpoints, ties)


for _canonical in ("dyn8", "dyn8u", "linear8", "linear8u", "nf4", "fp4_bnb", "af4", "int4_bnb"):
    name(_canonical, _canonical)
