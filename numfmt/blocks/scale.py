"""The format of a scale: how a raw number becomes one of its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.inputs import Input
from ..engine.plan import plan
from ..engine.run import execute
from ..format import Format
from ..reference import policy
from ..registry import element

Array = np.ndarray[Any, Any]
TINY = float(np.finfo(np.float32).tiny)  # 2**-126, the least normal
SINGLE = element("f32")


@dataclass(frozen=True)
class Scale:
    """A scale is a positive normal value of `of`, held as float32.

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

    def rounded(self, raw: Any) -> Array:
        """Raw numbers of any shape to the nearest values of the format, as float32."""
        if self.of == SINGLE and getattr(raw, "dtype", None) == np.float32:
            return np.asarray(raw, np.float32)
        numbers = np.asarray(raw, np.float64)
        result = np.empty(numbers.shape, np.float32)
        execute(Input(numbers), plan(self.of, policy(self.of), False, None), result, None)
        return result

    def given(self, raw: Any) -> Array:
        """`rounded`, where every scale must be one that can divide: else `ValueError`."""
        try:
            numbers = np.asarray(raw)
            numbers = numbers if numbers.dtype == np.float32 else numbers.astype(np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"scale= takes a number or an array of numbers, got {raw!r}") from None
        scales = self.rounded(numbers)
        bad = ~((scales >= TINY) & np.isfinite(scales))
        if bad.any():
            raise ValueError(_why_refused(numbers, scales, bad, self))
        return scales


def _why_refused(raw: Array, scales: Array, bad: Array, scale: Scale) -> str:
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    number, held = float(raw[first]), float(scales[first])
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
