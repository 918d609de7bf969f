"""The steps of a sum, each rounded to the accumulator's format: operations of `numfmt.arithmetic` on whole arrays.

This is the definition of a product of matrices in a format; loops must equal it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import noise as philox
from ..arithmetic import add, convert, fma, mul, sub
from ..arithmetic.operands import numbers as doubles
from ..engine.inputs import Input
from ..format import Format
from ..reference import exact
from ..registry import element
from .accumulation import accumulated, accumulated_parts
from .exact_sums import exactly, gathered
from .extents import are_single

Array = np.ndarray[Any, Any]
PRODUCTS = ("fused", "rounded", "fma32")
EXACT = "exact"
SINGLE = element("f32")
ODD_BITS = 52  # significant bits of a boundary that numbers rounded to odd in float64 are told from


@dataclass
class Products:
    """Sums of products of rows of `a` and columns of `b`: (..., M, K) and (..., K, N), broadcast.

    accumulator : of every sum; `how`: rounding, overflow, ftz, daz of every step
    seed : of stochastic rounding; addition i, counted from 0 in the order of the sum, draws stream 2 i + 1, product
        k stream 2 k + 2
    """

    a: Array
    b: Array
    accumulator: Format
    product: str
    how: dict[str, Any]
    seed: int | None = None
    inner: Format | str | None = (
        None  # of the sums of chunks, where they have a format of their own, or are exact
    )
    engine: str | None = None
    additions: int = field(default=0, init=False)

    @property
    def shape(self) -> tuple[int, ...]:
        outer = np.broadcast_shapes(self.a.shape[:-2], self.b.shape[:-2])
        return (*outer, self.a.shape[-2], self.b.shape[-1])

    def zero(self) -> Array:
        return np.zeros(self.shape, np.float32)

    def term(self, k: int) -> Array:
        x, y = self._factors(k)
        return self._rounded(mul, (x, y), 2 * k + 2)

    def sequence(self, total: Array, terms: Sequence[int]) -> Array:
        found = accumulated(self, total, terms)
        if found is not None:
            self.additions += len(terms)
            return found
        for k in terms:
            total = self._step(total, k)
        return total

    def _step(self, total: Array, k: int) -> Array:
        if self.product == "rounded":
            return self.add(total, self.term(k))
        return self._rounded(fma, (*self._factors(k), total), self._next())

    def parts(self, total: Array, parts: Sequence[Sequence[int]]) -> Array:
        found = accumulated_parts(self, total, parts)
        if found is not None:
            return found
        for part in parts:
            total = self.exactly(total, part) if self.inner == EXACT else self.add(total, self._chunk(part))
        return total

    def _chunk(self, terms: Sequence[int]) -> Array:
        if self.inner is None:
            return self.sequence(self.zero(), terms)
        assert isinstance(self.inner, Format)
        part = replace(self, accumulator=self.inner, inner=None)
        part.additions = self.additions
        found = part.sequence(part.zero(), terms)
        self.additions = part.additions
        return found

    def add(self, x: Array, y: Array) -> Array:
        return self._rounded(add, (x, y), self._next())

    def sub(self, x: Array, y: Array) -> Array:
        return self._rounded(sub, (x, y), self._next())

    def exactly(self, total: Array, terms: Sequence[int]) -> Array:
        """One rounding of each element, of any number between two that round alike."""
        factors = self.a[..., list(terms)], self.b[..., list(terms), :]
        a, b, start = (doubles(Input(x)) for x in (*factors, total))
        stream = self._next()
        low, high = np.empty(self.shape), np.empty(self.shape)
        outer = self.shape[:-2]
        a, b = (np.broadcast_to(x, (*outer, *x.shape[-2:])) for x in (a, b))
        for i in np.ndindex(outer):
            sums = gathered(np.ascontiguousarray(a[i]), np.ascontiguousarray(b[i]), start[i], self.engine)
            low[i], high[i] = sums.ends()
        result, other = (np.array(self._round(x, stream)) for x in (low, high))
        zeros = (low <= 0) & (high >= 0)
        if self.how["rounding"] != "toward_negative":
            zeros &= (low != high) | np.signbit(start)
        open_ones = ((result != other) & np.isfinite(low)) | zeros
        if self.accumulator.boundary_bits > ODD_BITS or not (are_single(a) and are_single(b)):
            open_ones = (
                np.isfinite(a).all(-1)[..., None] & np.isfinite(b).all(-2)[..., None, :] & np.isfinite(start)
            )
        words = self._words(stream)
        for at in zip(*np.nonzero(open_ones), strict=True):
            result[at] = self._one(a[at[:-1]], b[(*at[:-2], slice(None), at[-1])], start[at], words, at)
        return result

    def _one(self, row: Array, column: Array, start: Any, words: Array | None, at: tuple[Any, ...]) -> Any:
        """One element, from its exact sum."""
        drawn = {} if words is None else {"noise": words[at]}
        total: Any = exactly(row, column, exact(start))
        if total == 0:
            total = np.float64(-0.0 if self._is_minus_zero(row, column, start) else 0.0)
        return convert(total, self.accumulator, **self.how, **drawn)

    def _is_minus_zero(self, row: Array, column: Array, start: Any) -> bool:
        """Whether a sum of 0 is -0: all terms are, or when rounding toward negative some term has a minus
        (IEEE 754-2019, 6.3)."""
        minus = np.append(np.signbit(row) ^ np.signbit(column), np.signbit(start))
        return bool(minus.any() if self.how["rounding"] == "toward_negative" else minus.all())

    def _factors(self, k: int) -> tuple[Array, Array]:
        pair = self.a[..., k][..., None], self.b[..., k, :][..., None, :]
        x, y = (np.ascontiguousarray(np.broadcast_to(x, self.shape)) for x in pair)
        return x, y

    def _rounded(self, operation: Any, operands: tuple[Array, ...], stream: int) -> Array:
        if self.product != "fma32":
            return np.asarray(operation(*operands, self.accumulator, **self.how, **self._noise(stream)))
        return self._round(operation(*operands, SINGLE), stream)

    def _round(self, x: Array, stream: int) -> Array:
        return np.asarray(convert(x, self.accumulator, **self.how, **self._noise(stream)))

    def _noise(self, stream: int) -> dict[str, Any]:
        words = self._words(stream)
        return {} if words is None else {"noise": words}

    def _words(self, stream: int) -> Array | None:
        if self.seed is None:
            return None
        size = int(np.prod(self.shape, dtype=np.int64))
        return philox.words(self.seed, 0, size, stream).reshape(self.shape)

    def _next(self) -> int:
        """The stream of the next addition."""
        stream = 2 * self.additions + 1
        self.additions += 1
        return stream
