"""The format of a scale: how a raw number becomes one of its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.inputs import Input
from ..format import Format
from ..registry import element
from .reading import read, rounded

Array = np.ndarray[Any, Any]
TINY = float(np.finfo(np.float32).tiny)  # 2**-126, the least normal


@dataclass(frozen=True)
class Scale:
    """A scale is a positive normal value of `of`, which float32 holds.

    >>> Scale.named("f32").of.bits
    32
    """

    of: Format

    @classmethod
    def named(cls, spec: str) -> Scale:
        return cls(element(spec))

    @property
    def bits(self) -> int:
        return self.of.bits

    def given(self, raw: Any) -> Array:
        """A number or an array of numbers rounded to the format; `ValueError` where one cannot divide."""
        numbers = given_numbers(raw)
        scales = rounded(numbers, self.of)
        bad = ~((scales >= TINY) & np.isfinite(scales))
        if bad.any():
            raise ValueError(_why_refused(numbers, scales, bad, self))
        return scales


def given_numbers(raw: Any) -> Input:
    """Scales of a call, as the engines take numbers; `TypeError` for anything else."""
    try:
        given = read(raw)
    except (TypeError, ValueError):
        given = None
    if given is None or given.array.dtype.kind == "b":
        raise TypeError(f"scale= takes a number or an array of numbers, got {raw!r}")
    return given


def _why_refused(given: Input, scales: Array, bad: Array, scale: Scale) -> str:
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    held = float(scales[first])
    number = held if given.coded else float(given.array[first])
    problem = next(text for text, fits in _PROBLEMS if fits(number, held))
    at = f" at {first[0] if len(first) == 1 else first}" if first else ""
    return f"scale {number!r}{at} {problem}; a scale is a positive normal number of '{scale.of}'"


_PROBLEMS = (
    ("is NaN", lambda raw, held: raw != raw),
    ("is infinite", lambda raw, held: abs(raw) == float("inf")),
    ("is zero", lambda raw, held: raw == 0),
    ("is negative", lambda raw, held: raw < 0),
    ("is beyond its range", lambda raw, held: held == float("inf")),
    (f"is subnormal, below {TINY:.4g}", lambda raw, held: True),
)
