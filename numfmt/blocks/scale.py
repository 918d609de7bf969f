"""The format of a scale: how a raw number becomes one of its values, and which numbers are scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.inputs import Input
from ..format import Format
from ..registry import element
from .reading import read, rounded, wide

Array = np.ndarray[Any, Any]
LARGEST = float(np.finfo(np.float32).max)
TINY = float(np.finfo(np.float32).tiny)  # 2**-126, the least normal
LEAST = float(np.finfo(np.float32).smallest_subnormal)  # 2**-149


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
        given = scales if numbers.coded else wide(numbers)
        check_numbers(given, scales, DIVISORS, f"a scale is a positive normal number of '{self.of}'")
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


# What is wrong with a number, and with what its format makes of it
Problem = tuple[str, Callable[[Array, Array], Array]]
PROBLEMS: tuple[Problem, ...] = (
    ("is NaN", lambda given, held: np.isnan(given)),
    ("is infinite", lambda given, held: np.isinf(given)),
    ("is zero", lambda given, held: given == 0),
    ("is negative", lambda given, held: np.signbit(given) & ~np.isnan(given)),
    ("is beyond its range", lambda given, held: np.isinf(held)),
    ("rounds to 0", lambda given, held: held == 0),
    (f"is subnormal, below {TINY:.4g}", lambda given, held: held < TINY),
    ("is no value of its format", lambda given, held: (held != given) & ~np.isnan(given)),
)
FACTORS = ("is NaN", "is infinite", "is zero", "is negative", "rounds to 0")
DIVISORS = (*FACTORS[:4], "is beyond its range", f"is subnormal, below {TINY:.4g}")


def check_numbers(given: Array, held: Array, problems: Sequence[str], wanted: str) -> None:
    """`ValueError` that names the first number with one of these problems; `wanted` says what serves."""
    for problem, has in PROBLEMS:
        if problem in problems and (bad := has(given, held)).any():
            first = tuple(int(i) for i in np.argwhere(bad)[0]) if given.size > 1 else ()
            at = f" at {first[0] if len(first) == 1 else first}" if first else ""
            raise ValueError(
                f"scale {float(given[first] if first else given.item())!r}{at} {problem}; {wanted}"
            )
