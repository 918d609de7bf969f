"""The steps of bitsandbytes: how a block's largest magnitude becomes its scale, and the search of a table.

bitsandbytes-foundation/bitsandbytes: backends/default/ops.py, csrc/cpu_ops.cpp and csrc/kernels.cu of 0.50.1,
csrc/cpu_ops.cpp of 0.49.2. Scales are float32, or nested: coded themselves, less their mean, in blocks of 256
of the signed dynamic map, as QLoRA has them (functional.py, quantize_4bit with compress_statistics).
Elements are coded under the scales before they are nested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cuts import Cuts
from ..errors import SpecError
from ..format import Format
from ..formats import codebook_searches as searches
from ..formats.codebook import Codebook
from ..registry import element
from .granularity import Granularity, Groups, Runs, Shape
from .scale import TINY

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]
F4 = np.float32
SINGLE = element("f32")
LEAST = F4(1e-38)


def _own(fmt: Codebook) -> list[float]:
    return list(fmt.table)


def _minus_one_first(fmt: Codebook) -> list[float]:
    return [-1.0, *fmt.table[1:]]


def _distances_from_minus_one(fmt: Codebook) -> Cuts:
    return searches.distances(Codebook.of(_minus_one_first(fmt)))


@dataclass(frozen=True)
class Search:
    """How numbers over their block's largest magnitude become codes, and codes values."""

    cuts: Callable[[Codebook], Cuts]
    nan: int | None = 0  # the code of NaN, as 0 / 0 is; None: the last one
    floor: float = 0.0  # the least divisor
    divides_short: bool = (
        False  # x / absmax in a block that is no whole one, and its absmax is not below the floor
    )
    flushes: bool = False  # subnormal numbers count as 0
    read_as: Callable[[Codebook], list[float]] = _own  # what codes mean
    rounds: tuple[str, str] | None = None  # the mid-points and ties of a codebook that has the same search

    def values(self, fmt: Codebook) -> Array:
        """The value of each code, float32."""
        return np.array(self.read_as(fmt), F4)

    def factor(self, absmax: Array) -> Array:
        """What numbers are multiplied with, float32."""
        with np.errstate(all="ignore"):
            found = F4(1) / np.maximum(absmax, F4(self.floor))
        return self.flushed(found)

    def flushed(self, x: Array) -> Array:
        """Float32 numbers without subnormal ones, where the library runs so."""
        if not self.flushes:
            return x
        return np.where(np.abs(x) < TINY, np.copysign(F4(0), x), x)

    def codebook(self, fmt: Codebook) -> Codebook:
        """A codebook that rounds as the search does, but for codes of equal values."""
        return Codebook.of(fmt.table, *self.rounds) if self.rounds else fmt


def _fp4_with_minus_zero(fmt: Codebook) -> list[float]:
    return [-0.0 if code == 8 else value for code, value in enumerate(fmt.table)]


DEFAULT = Search(searches.bucketized, None, 1e-38, divides_short=True, rounds=("float32", "down"))
CPU = Search(searches.tabulated)
CPU_049 = Search(_distances_from_minus_one, read_as=_minus_one_first)
CUDA = Search(searches.halving, flushes=True, rounds=("float32", "even"))
CUDA_NF4 = Search(searches.nf4_cuda, flushes=True)
CUDA_FP4 = Search(searches.fp4_cuda, flushes=True, read_as=_fp4_with_minus_zero, rounds=("cuda", "zero"))


def absmax(x: Array, peaks: Array, block: Block) -> Array:
    """The largest magnitudes as the library keeps them, float32."""
    search = block.profile.search
    assert search is not None
    found = np.asarray(search.flushed(peaks.astype(F4)))
    if search.divides_short:
        np.maximum(found, F4(search.floor), out=found, where=short_blocks(block.granularity, x.shape))
    return found


def scales(x: Array, peaks: Array, block: Block) -> Any:
    found = absmax(x, peaks, block)
    if isinstance(block.scale, Format):
        return found
    return block.scales_along(found.shape).encode(found)


def short_blocks(among: Granularity, shape: Shape) -> Array:
    """Which scales are those of fewer elements than a block has."""
    found = np.zeros(among.scale_shape(shape), bool)
    if isinstance(among, (Groups, Runs)):
        layout = among.layout(shape)
        found.reshape(layout.outer, layout.groups, layout.inner)[:, -1:] = layout.n % among.size != 0
    return found


def check(block: Block) -> None:
    """`SpecError` for a block that is none of the library's kind."""
    of, scale = block.of, block.scale
    if not isinstance(of, Codebook) or (of.midpoints, of.ties) != ("exact", "even"):
        raise _refused(block, f"searches a plain table of numbers, such as dyn8 or nf4, not '{of}'")
    if np.array(of.table, F4).tolist() != list(of.table):
        raise _refused(block, "searches a table of float32 numbers")
    if isinstance(block.size, tuple):
        raise _refused(block, "has blocks along one axis, or flat, and no tiles")
    if not (scale == SINGLE or _is_nested(scale)):
        raise _refused(block, f"has scales in f32, or nested as bnb8[offset=mean], not '{scale}'")
    if block.rule == "given" and scale != SINGLE:
        raise _refused(block, "finds nested scales itself: leave rule=given out")


def _is_nested(scale: Format | Block) -> bool:
    if isinstance(scale, Format):
        return False
    return isinstance(scale.of, Codebook) and scale.scale == SINGLE and scale.offset is not None


def check_eight_bits(block: Block) -> None:
    check(block)
    assert isinstance(block.of, Codebook)
    if len(block.of.table) != 256 or list(block.of.table) != sorted(block.of.table):
        raise _refused(
            block, f"searches tables of 256 rising numbers, not '{block.of}'; profile=bitsandbytes has any"
        )


def _refused(block: Block, what: str) -> SpecError:
    return SpecError(f"profile={block.profile.name} {what}", "")
