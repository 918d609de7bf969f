"""How the magnitudes of tensors are spread, counted in one pass and in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from ..format import Format
from ..tensors import Tensor, tensors_of

_MOST = 8  # tensors shown one by one; what is more becomes one entry


@dataclass
class Tally:
    """Counts of one tensor. `exponents[e]` counts the elements with 2**e <= |x| < 2**(e + 1)."""

    name: str
    formats: Sequence[Format]
    exponents: Counter[int] = field(default_factory=Counter)
    below: Counter[int] = field(default_factory=Counter)  # by index of the format
    above: Counter[int] = field(default_factory=Counter)
    negative: Counter[int] = field(default_factory=Counter)  # of formats without negative values
    zeros: int = 0
    specials: int = 0  # NaN and infinities

    @property
    def finite(self) -> int:
        return sum(self.exponents.values()) + self.zeros

    @property
    def ends(self) -> tuple[int, int] | None:
        """Exponents: 2**first <= |x| < 2**last for all x that are neither zero nor special."""
        return (min(self.exponents), max(self.exponents) + 1) if self.exponents else None

    def shares(self, index: int) -> tuple[float, float, float]:
        """Shares of the finite elements that a format does not reach: nearer to zero than its
        smallest value, past its last, negative where it has no sign."""
        count = self.finite or 1
        return self.below[index] / count, self.above[index] / count, self.negative[index] / count

    def add(self, x: Any) -> None:
        """Count a chunk of floats."""
        finite = x[np.isfinite(x)]
        self.specials += x.size - finite.size
        values = finite[finite != 0]
        self.zeros += finite.size - values.size
        self._add_exponents(values)
        for i, fmt in enumerate(self.formats):
            self._add_outside(i, fmt, values)

    def _add_outside(self, i: int, fmt: Format, values: Any) -> None:
        if fmt.min >= 0:
            self.negative[i] += int(np.count_nonzero(values < 0))
            values = values[values > 0]
        self.below[i] += int(np.count_nonzero(np.abs(values) < as_float(fmt.smallest)))
        past = (values > as_float(fmt.max)) | (values < as_float(min(fmt.min, Fraction(0))))
        self.above[i] += int(np.count_nonzero(past))

    def _add_exponents(self, values: Any) -> None:
        numbers, counts = np.unique(np.frexp(values)[1], return_counts=True)  # |x| = m * 2**e, m < 1
        self.exponents.update(dict(zip((numbers - 1).tolist(), counts.tolist(), strict=True)))

    def merge(self, other: Tally) -> None:
        """Take the counts of another tensor in."""
        for name in ("exponents", "below", "above", "negative"):
            getattr(self, name).update(getattr(other, name))
        self.zeros += other.zeros
        self.specials += other.specials


def as_float(x: Fraction) -> float:
    """The float64 nearest to x; past the last one, infinity."""
    try:
        return float(x)
    except OverflowError:
        return float("-inf") if x < 0 else float("inf")


def tallies(tensors: Any, formats: Sequence[Format]) -> list[Tally]:
    """One tally a tensor, the first eight of them; the last one is for all the others together.

    >>> [t.exponents[0] for t in tallies({"a": [1.0, 1.5, 2.0], "b": [0.0]}, [])]
    [2, 0]
    """
    found: list[Tally] = []
    others = 0
    for tensor in tensors_of(tensors):
        tally = _tally(tensor, formats)
        if len(found) < _MOST:
            found.append(tally)
            continue
        found[-1].merge(tally)
        others += 1
        found[-1].name = f"{others + 1} others"
    return found


def _tally(tensor: Tensor, formats: Sequence[Format]) -> Tally:
    tally = Tally(tensor.name or "data", formats)
    for chunk in tensor.chunks():
        tally.add(chunk)
    return tally
