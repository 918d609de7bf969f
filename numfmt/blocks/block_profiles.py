"""What libraries do beyond a rule, as a table: how scales are found, and the steps to an element.

All arithmetic is float32, in the order written, unless a row says otherwise. In two levels `s` is the
scale of a block, `g` the number of the tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import choose

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]
F4 = np.float32
LARGEST = np.finfo(F4).max


@dataclass(frozen=True)
class BlockProfile:
    """The choices of one library.

    >>> BLOCK_PROFILES["flexpoint"].poisons
    False
    """

    name: str
    rounding: str = "nearest_even"
    rule: str | None = None  # where none is given; None: floor for powers of two, else absmax
    poisons: bool = True  # NaN or infinity makes the scale NaN; else NaN is left out of the statistics
    scales: Callable[[Array, Array, Block], Any] | None = None  # from numbers and peaks; None: by the rule
    factor: Callable[[Any], Array] | None = None  # of the scales: x is multiplied with it; None: x / scale
    product: Callable[[Array, Array], Array] | None = None  # element and scale; None: rounded once
    inner: str | None = None  # the profile of scales that are a block themselves


def flexpoint(x: Array, peaks: Array, block: Block) -> Any:
    """A tensor of zeros is taken for 1, one with an infinity has the largest step (Intel's vectors)."""
    from .rules import floor

    return block.stored(floor(x, np.where(peaks > 0, peaks, 1), block))


BLOCK_PROFILES = {
    row.name: row
    for row in (
        BlockProfile("default"),
        BlockProfile("flexpoint", poisons=False, scales=flexpoint),
    )
}


def block_profile_of(given: str | BlockProfile) -> BlockProfile:
    """A profile by name; `SpecError` with the names there are for any other."""
    return (
        given if isinstance(given, BlockProfile) else BLOCK_PROFILES[choose("profile", given, BLOCK_PROFILES)]
    )
