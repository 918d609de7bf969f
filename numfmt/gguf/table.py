"""Every type of block: its fields in their order, its elements, and what writes and reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..format import Format
from ..formats.fixed import Fixed
from ..registry import element
from . import nonlinear, plain_blocks, superblocks, ternary
from .fields import Array, Fields, joined, parted
from .nonlinear import VALUES
from .plain_blocks import Parts

IQ4 = f"codebook[values=[{','.join(map(str, VALUES))}]]"
LARGEST_HALF, LEAST_HALF = 65504.0, 2.0**-24
SEARCH = 200.0  # ns an element, roughly


@dataclass(frozen=True, eq=False)
class BlockType:
    """A type of block.

    name : in lower case, as in a spec after `gguf_`
    number : of the type in files (ggml_type)
    elements : of a block
    widths : bytes of each field, in their order
    of : spec of the elements; the level of a code is its value there less `zero`
    quantize : fields from finite float32 numbers (blocks, elements)
    read : what fields say
    unit : the largest integer that scales are a float16 times
    ends : the least and the largest unit, where they are no float16
    cost : of `quantize`, ns an element, roughly
    """

    name: str
    number: int
    elements: int
    widths: dict[str, int]
    of: str
    zero: int
    quantize: Callable[[Array], Fields]
    read: Callable[[Fields], Parts]
    unit: int = 1
    ends: tuple[float, float] = (LEAST_HALF, LARGEST_HALF)
    cost: float = 10.0

    @cached_property
    def nbytes(self) -> int:
        """Bytes of a block."""
        return sum(self.widths.values())

    @cached_property
    def element(self) -> Format:
        return element(self.of)

    @cached_property
    def levels(self) -> Array:
        """The level of each code, float32."""
        form = self.element
        return np.array([float(form.value(c)) + 0.0 - self.zero for c in range(1 << form.bits)], np.float32)

    def parts(self, blocks: Array) -> Parts:
        """What blocks (n, nbytes) say."""
        return self.read(parted(blocks, self.widths))

    def written(self, x: Array) -> Array:
        """Blocks (n, nbytes) of numbers (n, elements)."""
        with np.errstate(all="ignore"):
            return joined(self.quantize(x))

    def values(self, blocks: Array) -> Array:
        """Numbers (n, elements) of blocks, float32."""
        result = np.empty((len(blocks), self.elements), np.float32)
        self.fill(blocks, result)
        return result

    def fill(self, blocks: Array, out: Array) -> None:
        """Those numbers into an array of their shape, contiguous float32."""
        with np.errstate(all="ignore"):
            codes, scales, offsets = self.parts(blocks)
            if isinstance(self.element, Fixed):
                np.subtract(codes, np.float32(self.zero), out=out, dtype=np.float32)
            else:
                np.take(self.levels, codes, out=out, mode="clip")
            groups = out.reshape(*scales.shape, self.elements // scales.shape[1])
            groups *= scales[:, :, None]
            if offsets is not None:
                groups += offsets[:, :, None]


def _types() -> list[BlockType]:
    p, k, n, t = plain_blocks, superblocks, nonlinear, ternary
    scales = {"d": 2, "dmin": 2, "scales": 12}
    mx_ends = 2.0**-128, 2.0**124  # no larger one has a finite product with all elements
    single_ends = 2.0**-149, float(np.finfo(np.float32).max) / 127
    return [
        BlockType("q4_0", 2, 32, {"d": 2, "qs": 16}, "uint4", 8, p.quantize_q4_0, p.read_q4_0),
        BlockType("q4_1", 3, 32, {"d": 2, "m": 2, "qs": 16}, "uint4", 0, p.quantize_q4_1, p.read_q4_1),
        BlockType("q5_0", 6, 32, {"d": 2, "qh": 4, "qs": 16}, "uint5", 16, p.quantize_q5_0, p.read_q5_0),
        BlockType(
            "q5_1", 7, 32, {"d": 2, "m": 2, "qh": 4, "qs": 16}, "uint5", 0, p.quantize_q5_1, p.read_q5_1
        ),
        BlockType("q8_0", 8, 32, {"d": 2, "qs": 32}, "int8", 0, p.quantize_q8_0, p.read_q8_0),
        BlockType("q8_1", 9, 32, {"d": 2, "s": 2, "qs": 32}, "int8", 0, p.quantize_q8_1, p.read_q8_0),
        BlockType(
            "q2_k", 10, 256, {"scales": 16, "qs": 64, "d": 2, "dmin": 2}, "uint2", 0, k.quantize_q2_k,
            k.read_q2_k, 15, cost=SEARCH,
        ),
        BlockType(
            "q3_k", 11, 256, {"hmask": 32, "qs": 64, "scales": 12, "d": 2}, "uint3", 4, k.quantize_q3_k,
            k.read_q3_k, 32, cost=SEARCH,
        ),
        BlockType("q4_k", 12, 256, {**scales, "qs": 128}, "uint4", 0, k.quantize_q4_k, k.read_q4_k, 63, cost=SEARCH),
        BlockType(
            "q5_k", 13, 256, {**scales, "qh": 32, "qs": 128}, "uint5", 0, k.quantize_q5_k, k.read_q5_k, 63,
            cost=SEARCH,
        ),
        BlockType(
            "q6_k", 14, 256, {"ql": 128, "qh": 64, "scales": 16, "d": 2}, "uint6", 32, k.quantize_q6_k,
            k.read_q6_k, 128, cost=SEARCH,
        ),
        BlockType(
            "q8_k", 15, 256, {"d": 4, "qs": 256, "bsums": 32}, "int8", 0, p.quantize_q8_k, p.read_q8_k,
            ends=single_ends,
        ),
        BlockType("iq4_nl", 20, 32, {"d": 2, "qs": 16}, IQ4, 0, n.quantize_iq4_nl, n.read_iq4_nl),
        BlockType(
            "iq4_xs", 23, 256, {"d": 2, "scales_h": 2, "scales_l": 4, "qs": 128}, IQ4, 0, n.quantize_iq4_xs,
            n.read_iq4_xs, 32, cost=SEARCH,
        ),
        BlockType(
            "tq1_0", 34, 256, {"qs": 48, "qh": 4, "d": 2}, "codebook[values=[-1,0,1]]", 0, t.quantize_tq1_0,
            t.read_tq1_0,
        ),
        BlockType(
            "tq2_0", 35, 256, {"qs": 64, "d": 2}, "codebook[values=[-1,0,1,2]]", 0, t.quantize_tq2_0,
            t.read_tq2_0,
        ),
        BlockType(
            "mxfp4", 39, 32, {"e": 1, "qs": 16}, "e2m1b0fin", 0, p.quantize_mxfp4, p.read_mxfp4, ends=mx_ends
        ),
    ]  # fmt: skip


TYPES = {kind.name: kind for kind in _types()}
