"""Sums and products of arrays in a format."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .arrays import FormatArray


def matmul(a: FormatArray, b: FormatArray) -> FormatArray:
    """Shapes as `np.matmul` has them: a fused multiply-add for each k, from +0."""
    from ..gemm import coded

    if not a.ndim or not b.ndim:
        raise ValueError("@ takes arrays of at least one dimension; * multiplies by a number")
    columns, rows = a.shape[-1], b.shape[max(b.ndim - 2, 0)]
    if columns != rows:
        raise ValueError(f"@ of shapes {a.shape} and {b.shape}: {columns} columns and {rows} rows")
    return a.with_codes(coded.product(a.codes, b.codes, a.format, a.keywords()))


def sums(x: FormatArray, axis: int | None, order: str, out: None) -> FormatArray:
    from ..gemm import coded

    _check_out(out)
    lines = _along(x, axis)
    found = coded.total(lines.codes.reshape(len(lines), prod(lines.shape[1:])), x.format, order, x.keywords())
    return x.with_codes(found.reshape(lines.shape[1:]))


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


def _along(x: FormatArray, axis: int | None) -> FormatArray:
    if axis is None:
        return x.ravel()
    if not hasattr(axis, "__index__"):
        raise TypeError(f"axis= takes one axis or None, got {axis!r}")
    return x.with_codes(np.moveaxis(x.codes, axis, 0))


def _check_out(out: Any) -> None:
    if out is not None:
        raise TypeError("out= is not taken here: assign the result, as in b[...] = a.sum()")
