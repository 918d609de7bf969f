"""How one tensor of a run is rounded, write after write: by a cast, or as Flexpoint under Autoflex.

A rounder belongs to one tensor in one use of it, and may keep state. A maker makes one: it is given a
seed, and the rounder may draw from this seed and those after it, one for each write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..casting import cast
from ..flexpoint import AutoflexTensor, Flex
from ..format import Format
from ..registry import parse
from ..rounding import rounding_mode
from ..scaled import ScaledFormat

Array = np.ndarray[Any, Any]
LARGEST = Fraction(float(np.finfo(np.float32).max))


class Rounded(NamedTuple):
    """What a rounder makes of a float32 array.

    values : float32 array of the same shape
    clipped : how many finite elements lay past the last value, where the rounder can tell
    """

    values: Array
    clipped: int = 0


Rounder = Callable[[Array], Rounded]
Maker = Callable[[int], Rounder]


@dataclass(frozen=True)
class Cast:
    """A maker of rounders that are `numfmt.cast`; write number n takes seed + n.

    Parameters
    ----------
    fmt : str, Format or dtype
        Results are narrowed to float32 where a format holds more.
    rounding, overflow, nan : as in `numfmt.cast`

    Notes
    -----
    Where the scales of a format follow from the data, no element counts as clipped.

    >>> e4m3 = Cast("e4m3fn", overflow="saturate")
    >>> str(e4m3), e4m3(0)(np.float32([6.6, 500.0]))
    ('e4m3fn', Rounded(values=array([  6.5, 448. ], dtype=float32), clipped=1))
    """

    fmt: Any
    rounding: Any = None
    overflow: Any = None
    nan: Any = None

    def __str__(self) -> str:
        return str(parse(self.fmt))

    def __call__(self, seed: int) -> Rounder:
        form = parse(self.fmt)
        how = {"rounding": self.rounding, "overflow": self.overflow, "nan": self.nan}
        return _Casting(form, how, limits(form), seed if rounding_mode(self.rounding).stochastic else None)


@dataclass
class _Casting:
    fmt: Format | ScaledFormat
    how: dict[str, Any]
    limits: tuple[float, float]
    seed: int | None  # of the next write

    def __call__(self, x: Array) -> Rounded:
        values = np.asarray(cast(x, self.fmt, seed=self.seed, **self.how), np.float32)
        if self.seed is not None:
            self.seed += 1
        low, high = self.limits
        outside = (x < low) | (x > high)
        return Rounded(values, int(np.isfinite(x[outside]).sum()) if outside.any() else 0)


def limits(fmt: Format | ScaledFormat) -> tuple[float, float]:
    """The least and the greatest value, within those of float32; infinite where the data decide.

    >>> limits(numfmt.parse("e4m3fn")), limits(numfmt.parse("int8[scale=0.5]"))
    ((-448.0, 448.0), (-64.0, 63.5))
    """
    if isinstance(fmt, Format):
        return float(max(fmt.min, -LARGEST)), float(min(fmt.max, LARGEST))
    try:
        ends = fmt.ends()
    except ValueError:
        return -np.inf, np.inf
    return max(ends.min, -float(LARGEST)), min(ends.max, float(LARGEST))


@dataclass(frozen=True)
class Autoflex:
    """A maker of Flexpoint tensors whose exponents Autoflex predicts: `numfmt.flexpoint.AutoflexTensor`.

    profile, bits, exponent_bits : as there

    >>> flex = Autoflex()
    >>> str(flex), flex(0)(np.float32([0.4, 1e-9])).values
    ('flex16+5 autoflex', array([0.3999939, 0.       ], dtype=float32))
    """

    profile: str = "paper"
    bits: int = 16
    exponent_bits: int = 5

    def __str__(self) -> str:
        return f"{Flex(self.bits, self.exponent_bits)} autoflex"

    def __call__(self, seed: int) -> Rounder:
        tensor = AutoflexTensor(self.profile, bits=self.bits, exponent_bits=self.exponent_bits)

        def write(x: Array) -> Rounded:
            written = tensor.quantize(x)
            return Rounded(written.values.astype(np.float32), written.clipped)

        return write
