"""Sums of numbers, each step rounded: products of matrices with ones."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..engine import inputs, outputs
from . import front

Array = np.ndarray[Any, Any]
WHOLE = "bBh"  # NumPy's letters of what is summed as integers


def sum(
    x: Any, axis: Any = None, *, fmt: Any = None, accumulator: Any = None, order: Any = None, inner: Any = None,
    rounding: Any = None, overflow: str | None = None, nan: Any = None, seed: int | None = None,
    random_bits: int | None = None, ftz: str | None = None, daz: bool = False, dtype: Any = None,
    out: Array | None = None, engine: str | None = None,
) -> Any:  # fmt: skip
    """The sum along axes, rounded at each step: the product of ones and `x`, as `matmul` has it.

    Terms enter in C order from +0, each multiplied by 1. So a sum of nothing, and to nearest of -0 alone, is +0, and
    in the orders that round products before they add them (pairwise, tree, kahan) a term is first rounded to the
    accumulator's format.

    Parameters
    ----------
    x : array_like, any shape
        Floats are taken as exact numbers. int8, uint8 and int16 are summed as integers, unless a keyword of floats
        is given.
    axis : int or tuple of ints, optional
        All axes if it is left out.
    fmt : spec, optional
        `x` is cast to it first; blocks run along the terms of a sum.
    accumulator : str or Format, optional
        Of every sum: ``"f32"``, or any format; of integers int32, or an integer format.
    order, inner, rounding, overflow, nan, seed, random_bits, ftz, daz, engine : as in `matmul`
    dtype, out : of the result, as in `matmul`

    Returns
    -------
    array of the shape of `x` without these axes

    Raises
    ------
    TypeError, ValueError, RangeError : as `matmul`
    numpy.exceptions.AxisError : an axis that `x` has not

    >>> numfmt.sum([256.0, 1.0, 1.0], accumulator="bf16"), numfmt.sum([1.0, 1.0, 256.0], accumulator="bf16")
    (np.float64(256.0), np.float64(258.0))
    >>> numfmt.sum([[256.0, 1.0], [1.0, 1.0]], axis=0, accumulator="bf16", order="exact")
    array([256.,   2.])
    >>> numfmt.sum(np.full(300, 127, np.int8), accumulator="int16", overflow="saturate")
    np.int32(32767)
    """
    given = x if isinstance(x, np.ndarray) else inputs.as_array(x)
    lines, shape = _lines(given, axis)
    whole = lines.dtype.char in WHOLE
    ones = np.ones((1, len(lines)), lines.dtype if whole else np.float32)
    order = order if whole or order is not None else "sequential"
    found = front.matmul(
        ones, lines, fmt=None if fmt is None else (None, fmt), accumulator=accumulator, order=order, inner=inner,
        rounding=rounding, overflow=overflow, nan=nan, seed=seed, random_bits=random_bits, ftz=ftz, daz=daz,
        dtype=getattr(out, "dtype", None) if dtype is None else dtype, engine=engine,
    ).reshape(shape)  # fmt: skip
    result = outputs.output(shape, found.dtype, out)
    result[...] = found
    return result if shape or out is not None else result[()]


def _lines(x: Array, axis: Any) -> tuple[Array, tuple[int, ...]]:
    """The terms of all sums, of shape (K, sums), and the shape of the result."""
    axes = np.lib.array_utils.normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    terms = np.moveaxis(x, sorted(axes), range(len(axes)))
    shape = terms.shape[len(axes) :]
    return terms.reshape(prod(terms.shape[: len(axes)]), prod(shape)), shape
