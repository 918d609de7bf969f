"""Products and sums of codes, for arrays that compute in a format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic import add, convert
from ..casting import decode, encode
from ..format import Format
from .floats import multiply
from .orders import ORDERS, order_of
from .steps import Products

Array = np.ndarray[Any, Any]


@dataclass
class Coded(Products):
    """Products of codes of the accumulator's own format: NaNs keep their payloads, wide integers all bits."""

    def zero(self) -> Array:
        return np.full(self.shape, self.accumulator.zero(), self.b.dtype)

    def exactly(self, total: Array, terms: Sequence[int]) -> Array:
        raise ValueError(
            f"order='exact' is for formats that float64 holds, without nan_profile; '{self.accumulator}' is summed"
            " in codes"
        )


@dataclass
class Terms(Coded):
    """Sums of the rows of `b`."""

    def term(self, k: int) -> Array:
        return np.asarray(convert(self._row(k), self.accumulator, **self.how, **self._noise(2 * k + 2)))

    def _step(self, total: Array, k: int) -> Array:
        return self._rounded(add, (total, self._row(k)), self._next())

    def _row(self, k: int) -> Array:
        return np.broadcast_to(self.b[k], self.shape)


def product(a: Array, b: Array, fmt: Format, how: dict[str, Any]) -> Array:
    """Codes of a b from codes, shapes as `np.matmul` has them: a fused multiply-add for each k, from +0.

    how : keywords of `numfmt.add`
    """
    _check_zero(fmt)
    if not _needs_codes(fmt, how):
        return _encoded(decode(a, fmt), decode(b, fmt), fmt, "sequential", how)
    rows, columns = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    found = _by_codes(Coded, rows, columns, fmt, "sequential", how)
    found = found[..., 0, :] if a.ndim == 1 else found
    return found[..., 0] if b.ndim == 1 else found


def total(lines: Array, fmt: Format, order: Any, how: dict[str, Any]) -> Array:
    """Codes of sums along the first axis of two, in an order of `orders`."""
    _check_zero(fmt)
    ones = np.ones((1, len(lines)), np.float32)
    if _needs_codes(fmt, how):
        return _by_codes(Terms, ones, lines, fmt, order, how)[0]
    return _encoded(ones, decode(lines, fmt), fmt, order, how)[0]


def _check_zero(fmt: Format) -> None:
    if fmt.zero() is None:
        raise ValueError(f"a sum starts at 0, which '{fmt}' has not")


def _needs_codes(fmt: Format, how: dict[str, Any]) -> bool:
    return fmt.exceeds_float64 or how["nan_profile"] is not None


def _encoded(a: Array, b: Array, fmt: Format, order: Any, how: dict[str, Any]) -> Array:
    """Codes of the product of values."""
    given = {key: x for key, x in how.items() if key != "nan_profile"}
    found = multiply(a, b, accumulator=fmt, order=order, **given)
    return np.asarray(encode(found, fmt, overflow=how["overflow"], nan=how["nan"]))


def _by_codes(kind: type[Coded], a: Array, b: Array, fmt: Format, order: Any, how: dict[str, Any]) -> Array:
    """Codes of the product, by the operations on codes one after the other."""
    steps = {key: x for key, x in how.items() if key != "seed"} | {"codes": True}
    sums, chosen = kind(a, b, fmt, "fused", steps, how["seed"]), order_of(order)
    return np.asarray(ORDERS[chosen.name](sums, sums.zero(), range(a.shape[-1]), chosen.size))
