"""Sums and products of arrays in a format, as loops of its operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import choose
from . import elementwise

if TYPE_CHECKING:
    from .arrays import FormatArray

ORDERS = ("sequential", "pairwise")


def matmul(a: FormatArray, b: FormatArray) -> FormatArray:
    """Shapes as `np.matmul` has them: a fused multiply-add for each k, from +0."""
    if not a.ndim or not b.ndim:
        raise ValueError("@ takes arrays of at least one dimension; * multiplies by a number")
    rows = a.reshape(1, -1) if a.ndim == 1 else a
    columns = b.reshape(-1, 1) if b.ndim == 1 else b
    if rows.shape[-1] != columns.shape[-2]:
        raise ValueError(
            f"@ of shapes {a.shape} and {b.shape}: {rows.shape[-1]} columns and {columns.shape[-2]} rows"
        )
    found = _fused(rows, columns).codes
    found = found[..., 0, :] if a.ndim == 1 else found
    return a.with_codes(np.asarray(found[..., 0] if b.ndim == 1 else found))


def _fused(a: FormatArray, b: FormatArray) -> FormatArray:
    stacks = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    total = zeros(a, (*stacks, a.shape[-2], b.shape[-1]))
    for k in range(a.shape[-1]):
        total = a[..., :, k, None].apply(elementwise.fma, b[..., None, k, :], total)
    return total


def zeros(like: FormatArray, shape: tuple[int, ...]) -> FormatArray:
    """+0, or the least value of a format without 0."""
    code = like.format.zero()
    if code is None:
        raise ValueError(f"a sum starts at 0, which '{like.format}' has not")
    return like.with_codes(np.full(shape, code, like.codes.dtype))


def sums(x: FormatArray, axis: int | None, order: str, out: None) -> FormatArray:
    if choose("order", order, ORDERS) == "pairwise":
        _check_out(out)
        lines = _along(x, axis)
        return _pairwise(lines) if len(lines) else zeros(x, lines.shape[1:])
    return reduced(x, axis, lambda a, b: a + b, zeros(x, ()), out)


def reduced(
    x: FormatArray, axis: int | None, step: Callable[[FormatArray, FormatArray], FormatArray],
    start: FormatArray | None, out: None,
) -> FormatArray:  # fmt: skip
    """One step after another along an axis, or over all elements in C order; from `start`, or from the first."""
    _check_out(out)
    lines = _along(x, axis)
    if start is None and not len(lines):
        raise ValueError("no elements, and so no least and no greatest one")
    total = lines[0] if start is None else x.with_codes(np.broadcast_to(start.codes, lines.shape[1:]).copy())
    for line in range(start is None, len(lines)):
        total = step(total, lines[line])
    return total


def _pairwise(lines: FormatArray) -> FormatArray:
    if len(lines) == 1:
        return lines[0]
    half = -(-len(lines) // 2)
    return _pairwise(lines[:half]) + _pairwise(lines[half:])


def _along(x: FormatArray, axis: int | None) -> FormatArray:
    if axis is None:
        return x.ravel()
    if not hasattr(axis, "__index__"):
        raise TypeError(f"axis= takes one axis or None, got {axis!r}")
    return x.with_codes(np.moveaxis(x.codes, axis, 0))


def _check_out(out: Any) -> None:
    if out is not None:
        raise TypeError("out= is not taken here: assign the result, as in b[...] = a.sum()")
