"""Recipes of the field made of blocks: per-token activations, int32 bias, LLM.int8()'s outlier columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.inputs import Input
from ..engine.plan import decoding_plan, plan
from ..engine.run import decode_into, execute
from ..format import Format
from ..formats.fixed import Fixed
from ..reference import policy
from ..registry import element
from .affine import Affine
from .block_array import BlockArray
from .granularity import PerAxis
from .reading import plain, read

Array = np.ndarray[Any, Any]
PER_TOKEN = Affine(Fixed(8), PerAxis(0))  # of activations (tokens, features), scales from each call
BIAS = Affine(Fixed(32), PerAxis(0))
INDEX_BITS = 32  # of the number of an outlier column


def int32_bias(bias: Any, input_scale: Any, weight_scales: Any) -> BlockArray:
    """A bias as integer accumulators take it: int32, zero point 0, scale fl32(input * weight).

    bias : (channels,); input_scale : a number; weight_scales : a number or (channels,).
    The 8-bit specification of TensorFlow Lite, "bias".

    >>> int32_bias([1.0, -0.5], 0.5, [0.25, 0.5]).codes
    array([ 8, -2], dtype=int32)
    """
    inputs, weights = (BIAS.scale_format.given(scale) for scale in (input_scale, weight_scales))
    count = np.shape(bias)
    if len(count) != 1 or inputs.shape != () or weights.shape not in ((), count):
        raise ValueError(
            "int32_bias takes a bias (channels,), one input scale, and one weight scale or one a channel; got"
            f" shapes {count}, {inputs.shape}, {weights.shape}"
        )
    return BIAS.encode(bias, scale=np.broadcast_to(inputs * weights, count))


@dataclass(frozen=True, eq=False)
class OutlierArray:
    """A matrix whose outlier columns keep a wider format.

    regular : BlockArray of the other columns, (rows, columns - outliers), a scale for each row
    outliers : codes of `wide`, (rows, outliers)
    columns : indices of the outlier columns, ascending
    wide : Format
    """

    regular: BlockArray
    outliers: Array
    columns: Array
    wide: Format

    @property
    def shape(self) -> tuple[int, int]:
        rows, regular = self.regular.shape
        return rows, regular + self.columns.size

    def decode(self) -> Array:
        """The values, float32, shape of the matrix."""
        result = np.empty(self.shape, np.float32)
        result[:, self._is_regular] = self.regular.decode()
        kept = np.empty(self.outliers.size, np.float32)
        if kept.size:
            decode_into(self.outliers.reshape(-1), decoding_plan(self.wide), kept)
        result[:, self.columns] = kept.reshape(self.outliers.shape)
        return result

    @property
    def _is_regular(self) -> Array:
        return ~np.isin(np.arange(self.shape[1]), self.columns)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays in memory."""
        return self.regular.nbytes + self.outliers.nbytes + self.columns.nbytes

    @property
    def bits_per_element(self) -> float:
        """Codes, scales, outliers and the numbers of their columns, over all elements."""
        count = int(np.prod(self.shape))
        kept = self.outliers.size * self.wide.bits + self.columns.size * INDEX_BITS
        regular = self.regular.bits_per_element * self.regular.codes.size
        return (regular + kept) / count if count else float(self.regular.format.of.bits)


def llm_int8(x: Any, threshold: float = 6.0, wide: str = "f16") -> OutlierArray:
    """int8 with a scale for each row, columns with some |x| >= threshold kept in `wide`.

    x : (rows, columns); Dettmers et al., "LLM.int8()", NeurIPS 2022, section 3: the vectors of an
    inner product, rows of activations here, share a scale; give the transpose of weights.

    >>> a = llm_int8([[0.5, 20.0, -1.0], [0.25, 0.0, 2.0]])
    >>> a.columns.tolist(), a.decode()[:, 1].tolist(), a.regular.codes.tolist()
    ([1], [20.0, 0.0], [[64, -127], [16, 127]])
    """
    numbers = plain(read(x))
    if numbers.ndim != 2:
        raise ValueError(f"llm_int8 takes a matrix (rows, columns), got shape {numbers.shape}")
    if not threshold >= 0:
        raise ValueError(f"threshold= is a magnitude, got {threshold!r}; inf keeps no column apart")
    far = (np.abs(numbers) >= threshold).any(axis=0)
    form = element(wide)
    given = np.ascontiguousarray(numbers[:, far])
    kept = np.empty(given.shape, f"u{form.code_bits // 8}")
    execute(Input(given), plan(form, policy(form), True, None), kept, None)
    return OutlierArray(PER_TOKEN.encode(numbers[:, ~far]), kept, np.flatnonzero(far), form)
