"""The contract of a scaled format: elements of one format that share scales."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from .format import Format


class Stages(NamedTuple):
    """How one number becomes a code: `how` gives `steps` in float32, which `rounding` makes an integer;
    `zero` is added to that, and what `overflow` makes of the sum is `code`, which means `value`."""

    how: str
    steps: float
    rounding: str
    zero: int
    overflow: str
    code: int
    value: float


class Ends(NamedTuple):
    """Real numbers a step, the code of 0, the least and the greatest value."""

    step: float
    zero: int
    min: float
    max: float


class ScaledFormat(ABC):
    """Element format x scale format x granularity x scale rule. It holds no arrays."""

    of: Format

    @property
    @abstractmethod
    def takes_nan(self) -> bool:
        """Whether NaN is encoded, be it as a block of NaNs; else it is refused."""

    @abstractmethod
    def encode(self, x: Any, **keywords: Any) -> Any:
        """Codes and scales of an array; keywords as in `numfmt.encode`."""

    @abstractmethod
    def cast(self, x: Any, **keywords: Any) -> Any:
        """The values of `encode`, in one pass; keywords as in `numfmt.cast`."""

    @abstractmethod
    def bits_per_element(self, shape: tuple[int, ...]) -> float:
        """Bits of an element of an array of that shape, what elements share counted in."""

    @abstractmethod
    def stages(self, x: float, **keywords: Any) -> Stages:
        """What becomes of one float32 number; `ValueError` where scales come from an array."""

    @abstractmethod
    def ends(self) -> Ends:
        """The range where the format has one scale; else `ValueError`."""
