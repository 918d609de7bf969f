"""Integer products without vector code of ours: float BLAS where it is exact, and int64 as the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
BLOCK = 1024  # elements of a side of what is converted at a time


def by_floats(a: Array, b: Array, out: Array) -> None:
    """a b into `out`, modulo its width: sums of so few products that a float holds them."""
    real = np.float32 if a.itemsize == 1 else np.float64
    depth = exact_depth(a.dtype, b.dtype)
    (m, k), n = a.shape, b.shape[1]
    out[...] = 0
    for i in range(0, m, BLOCK):
        for j in range(0, n, BLOCK):
            part = out[i : i + BLOCK, j : j + BLOCK]
            for h in range(0, k, depth):
                left, right = a[i : i + BLOCK, h : h + depth], b[h : h + depth, j : j + BLOCK]
                part += (left.astype(real) @ right.astype(real)).astype(np.int64).astype(out.dtype)


def exact_depth(a: np.dtype[Any], b: np.dtype[Any]) -> int:
    """How many products of these dtypes at most are summed at a time, in float32 for bytes, else in float64.

    >>> exact_depth(np.dtype("i1"), np.dtype("i1")), exact_depth(np.dtype("u1"), np.dtype("i1"))
    (1024, 514)
    """
    held = 1 << 24 if a.itemsize == 1 else 1 << 53
    return min(held // largest_product(a, b), BLOCK)


def largest_product(a: np.dtype[Any], b: np.dtype[Any]) -> int:
    """The largest magnitude that a product of these dtypes has."""
    return max(abs(x) * abs(y) for x in _ends(a) for y in _ends(b))


def _ends(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def reach(a: Any, b: Any) -> tuple[int, int]:
    """Between what the sums of up to K products of a's and b's elements lie, those on the way too."""
    products = [x * y for x in _extremes(a) for y in _extremes(b)]
    return min(0, *products) * a.shape[1], max(0, *products) * a.shape[1]


def _extremes(x: Any) -> tuple[int, int]:
    if not isinstance(x, np.ndarray):
        return _ends(x.dtype)
    return (int(x.min()), int(x.max())) if x.size else (0, 0)


def by_integers(a: Array, b: Array, out: Array) -> None:
    """a b into `out`: NumPy's product of int64, which wraps modulo 2**64."""
    out[...] = (a.astype(np.int64) @ b.astype(np.int64)).astype(out.dtype)


def sums(a: Array, b: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Row sums of a, column sums of b."""
    return a.sum(1, np.int64).astype(dtype), b.sum(0, np.int64).astype(dtype)


def add_offsets(out: Array, rows: Array, columns: Array, depth: int, offsets: tuple[int, int]) -> None:
    """From AB to (A + a) (B + b), modulo the width of `out`."""
    a, b = offsets
    both = (a * b * depth + (1 << 63)) % (1 << 64) - (1 << 63)
    out += (b * rows.astype(np.int64)).astype(out.dtype)[:, None]
    out += (a * columns.astype(np.int64) + both).astype(out.dtype)
