"""The contract of a scaled format: elements of one format that share scales."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

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


class Located(NamedTuple):
    """One element x of an array, with its place and its number in C order: the elements that share its scale, the largest magnitude among them, the
    scale that the rule wants (None where a library's own steps find it), whether it is out of range, and the one that its format holds,
    with its code and how its users write it; the element over the scale, and the modes that make it `code`, which means `value`."""

    x: float
    place: tuple[int, ...]
    number: int
    extent: tuple[slice, ...]
    absmax: float
    wanted: float | None
    is_clamped: bool
    scale: float
    scale_code: int
    scale_note: str
    steps: float
    rounding: str
    overflow: str
    code: int
    value: float


class ScaledFormat(ABC):
    """Element format x scale format x granularity x scale rule. It holds no arrays."""

    of: Format
    has_blocks: ClassVar[bool] = False  # whether `located` says what becomes of the elements of an array
    whole_blocks: ClassVar[bool] = False  # whether the last axis has to divide into blocks
    nan_stand_in: ClassVar[Any] = "max"  # what `compare` puts in place of NaN, where NaN is not taken

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

    def located(self, x: Any, index: Any, **keywords: Any) -> Located:
        """What becomes of one element of an array, where formats have blocks."""
        raise ValueError(f"'{self}' has no blocks: leave index= out, and give one number")

    @abstractmethod
    def ends(self) -> Ends:
        """The range where the format has one scale; else `ValueError`."""
