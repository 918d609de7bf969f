"""GGUF formats as `numfmt.parse` knows them: `gguf_q4_0`, `gguf_q4_k` ... Names keep their prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..blocks.granularity import index_of
from ..blocks.reading import read, rounded, single
from ..blocks.shared import OwnEncoder, known_engine, refused
from ..engine.inputs import Input
from ..format import Format
from ..registry import RECIPES, scaled_family
from ..scaled import Ends, Stages
from .execution import write
from .fields import Array
from .gguf_array import GGUFArray, Shape
from .table import TYPES, BlockType


@dataclass(frozen=True, repr=False)
class GGUF(OwnEncoder):
    """Blocks of 32 or 256 neighbours along the last axis, as ggml has them; `numfmt.gguf` lists the types.

    Rows have to divide into blocks, as there. The encoder is that of the C reference, which takes no
    other rounding, overflow or scale. Numbers are first rounded to float32. NaN and infinity, which it does not
    tell from numbers, are refused; `nan=` gives a number in place of NaN.

    The scales of most types are float16: those of blocks whose magnitudes are in the hundred thousands and
    more become infinite, and of some 1e-6 and less 0, as there.

    >>> numfmt.cast(np.arange(32.0), "gguf_q8_0")[:4]
    array([0.       , 0.9765625, 1.953125 , 2.9296875])
    """

    name: str

    whole_blocks: ClassVar[bool] = True
    nan_stand_in: ClassVar[Any] = 0

    @property
    def kind(self) -> BlockType:
        return TYPES[self.name]

    @property
    def of(self) -> Format:  # type: ignore[override]
        return self.kind.element

    @property
    def zero(self) -> int:
        """The code of level 0."""
        return self.kind.zero

    @property
    def takes_nan(self) -> bool:
        return False

    def bits_per_element(self, shape: Shape) -> float:
        return 8 * self.kind.nbytes / self.kind.elements

    def blocks_shape(self, shape: Shape) -> Shape:
        """(..., blocks of a row, bytes of a block) of an array.

        >>> numfmt.parse("gguf_q4_0").blocks_shape((3, 64))
        (3, 2, 18)
        """
        elements = self.kind.elements
        if not shape or shape[-1] % elements:
            got = f"rows of {shape[-1]}" if shape else "one number"
            raise ValueError(f"'{self}' takes rows of whole blocks, {elements} elements each; got {got}")
        return *shape[:-1], shape[-1] // elements, self.kind.nbytes

    def encode(  # type: ignore[override]
        self, x: Any, *, nan: Any = None, axis: int | None = None, engine: str | None = None, **keywords: Any
    ) -> GGUFArray:
        """The blocks of an array.

        Parameters
        ----------
        x : array_like of real numbers, (..., n)
            n is a multiple of the elements of a block.
        nan : number, optional
            What NaN becomes.
        axis : int, optional
            The last one: blocks run along no other.
        engine : str, optional
            As in `numfmt.encode`; all give the same bytes.

        Raises
        ------
        RangeError : infinity; NaN without `nan=`
        ValueError : rows that are no whole blocks; another axis; a keyword for other formats

        >>> numfmt.encode(np.zeros((2, 256)), "gguf_tq1_0").pack().shape
        (2, 1, 54)
        """
        self._check(keywords)
        return self._encoded(read(x), nan, axis, known_engine(engine))

    def _encoded(self, given: Input, nan: Any, axis: Any, engine: str | None) -> GGUFArray:
        shape = given.array.shape
        stored = self.blocks_shape(shape)
        if axis is not None and index_of(axis, shape) != len(shape) - 1:
            raise ValueError(f"axis={axis}: blocks of '{self}' run along the last axis; transpose the array")
        x = np.ascontiguousarray(rounded(given))
        blocks, finite = write(x.reshape(-1, self.kind.elements), self.kind, engine)
        if not finite:
            x = self._without_nan(x, nan)
            blocks, _ = write(x.reshape(-1, self.kind.elements), self.kind, engine)
        return GGUFArray(blocks.reshape(stored), self)

    def _without_nan(self, x: Array, nan: Any) -> Array:
        """x with a number in place of NaN; what it cannot hold is an error."""
        infinite, none = np.isinf(x), np.isnan(x)
        if infinite.any():
            raise refused(self, "encode to", infinite, "infinite in float32", "Take infinities out")
        if nan is None:
            raise refused(self, "encode to", none, "NaN, the format has none", "nan= says what NaN becomes")
        if isinstance(nan, str) and nan in ("min", "max"):
            raise ValueError(
                f"nan={nan!r}: '{self}' has no largest value, scales come from the data; give a number"
            )
        number = single(nan)
        if not np.isfinite(number):
            raise ValueError(f"nan= takes a finite number, got {nan!r}")
        return np.where(none, number, x)

    def _refusal(self, keyword: str) -> str:
        return f"the encoder of '{self}' is fixed, {_REFUSED[keyword]}"

    def stages(self, x: float, **keywords: Any) -> Stages:
        raise ValueError(
            f"'{self}' has blocks, whose scales come from an array: `encode` shows codes and scales"
        )

    def ends(self) -> Ends:
        """The least positive and the largest value that some scale makes possible, without an offset."""
        kind = self.kind
        least, most = kind.ends
        levels = kind.levels if self.of.bits < 8 else np.arange(-127.0, 128.0)
        sizes = np.abs(levels[levels != 0])
        largest = float(sizes.max()) * most * kind.unit
        return Ends(float(sizes.min()) * least, self.zero, -largest, largest)

    def __str__(self) -> str:
        return f"gguf_{self.name}"

    def __repr__(self) -> str:
        return f"<{self}>"


_REFUSED = {
    **dict.fromkeys(("rounding", "seed", "noise", "random_bits"), "and so is how it rounds"),
    "overflow": "and nothing overflows",
    **dict.fromkeys(("scale", "zero"), "and finds the scales itself"),
    **dict.fromkeys(("dtype", "out"), "and gives bytes"),
}


def _register() -> None:
    RECIPES.update(dict.fromkeys((f"gguf_{name}" for name in TYPES), ()))


_register()


@scaled_family(pattern=f"gguf_(?P<name>{'|'.join(TYPES)})", options={}, examples=("gguf_q4_0", "gguf_q4_k"))
def parse_gguf(match: re.Match[str], spec: str) -> GGUF:
    """A type of GGUF blocks."""
    return GGUF(match["name"])
