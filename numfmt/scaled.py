"""The contract of a scaled format: elements of one format that share scales."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .format import Format


class ScaledFormat(ABC):
    """Element format x scale format x granularity x scale rule. It holds no arrays."""

    of: Format

    @abstractmethod
    def encode(self, x: Any, **keywords: Any) -> Any:
        """Codes and scales of an array; keywords as in `numfmt.encode`."""

    @abstractmethod
    def cast(self, x: Any, **keywords: Any) -> Any:
        """The values of `encode`, in one pass; keywords as in `numfmt.cast`."""

    @abstractmethod
    def bits_per_element(self, shape: tuple[int, ...]) -> float:
        """Bits of an element of an array of that shape, what elements share counted in."""
