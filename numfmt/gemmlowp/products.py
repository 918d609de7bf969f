"""The product of two matrices of codes, with offsets, in int32 accumulators that wrap."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..gemm.integers import multiply, operands
from .arguments import INT32, Array, integers, wrapped

BLOCK = 1 << 16  # elements of the product to which offsets are added at a time


def gemm(lhs: Any, rhs: Any, lhs_offset: Any = 0, rhs_offset: Any = 0) -> Array:
    """(lhs + lhs_offset) @ (rhs + rhs_offset) in int32, modulo 2**32.

    As gemmlowp computes it (doc/low-precision.md): the product of the codes as they are, plus three terms
    from the sums of rows and columns. Offsets are added: they are the negated zero points.

    Parameters
    ----------
    lhs : int8, uint8 or int16, (m, k)
    rhs : int8 or uint8 in any mixture, int16 with int16; (k, n)
        Or what `numfmt.gemm.prepack` made of it, for many products.
    lhs_offset : int32, one, or one for each of the m rows
    rhs_offset : int32, one, or one for each of the n columns

    Returns
    -------
    int32 ndarray, (m, n)

    Raises
    ------
    TypeError : floats, other dtypes
    ValueError : shapes that do not fit, offsets that int32 does not hold

    >>> lhs, rhs = np.uint8([[10, 200], [0, 255]]), np.uint8([[5, 128], [250, 3]])
    >>> gemm(lhs, rhs, lhs_offset=-128, rhs_offset=-7)
    array([[ 17732, -14566],
           [ 31117, -15996]], dtype=int32)
    """
    a, b = operands(lhs, rhs)
    rows = _offsets(lhs_offset, "lhs_offset", a.shape[0], "rows of lhs")[:, None]
    columns = _offsets(rhs_offset, "rhs_offset", b.shape[1], "columns of rhs")
    product = np.empty((a.shape[0], b.shape[1]), np.int32)
    if rows.size == columns.size == 1:
        multiply(a, b, product, (rows.item(), columns.item()))
    else:
        row_sums, column_sums = multiply(a, b, product, sums=True)
        _add(product, rows, column_sums)
        _add(product, row_sums[:, None] + rows * np.int32(a.shape[1]), columns)
    return product


def _add(product: Array, column: Array, row: Array) -> None:
    """Adds column * row to the product, some rows at a time, so that no second one is made."""
    column = np.broadcast_to(column, (len(product), 1))
    step = max(1, BLOCK // max(1, row.size))
    for i in range(0, len(product), step):
        product[i : i + step] += column[i : i + step] * row


def _offsets(given: Any, what: str, count: int, of: str) -> Array:
    offsets = np.atleast_1d(wrapped(integers(given, what, INT32)))
    if offsets.shape not in ((1,), (count,)):
        raise ValueError(
            f"{what}: give one, or one for each of the {count} {of}; got shape {np.shape(given)}"
        )
    return offsets
