"""Sums and products of Flexpoint tensors: exact integers, one rounding to an exponent known before."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from .. import gemm
from ..errors import RangeError
from .arguments import Array, Keywords
from .arrays import FlexArray
from .autoflex import AutoflexTensor


def add(a: FlexArray, b: FlexArray, exponent: int | AutoflexTensor, **how: Unpack[Keywords]) -> FlexArray:
    """a + b, rounded once.

    The integers are aligned to the finer exponent of the two and added; nothing is lost before the
    rounding.

    Parameters
    ----------
    a, b : FlexArray
        Of shapes that broadcast.
    exponent : int or AutoflexTensor
        Of the result, clamped to the format's; then a and b are of one format. An `AutoflexTensor`
        predicts it, has a format of its own, and takes in what was written.
    rounding, seed, noise, random_bits, engine
        As in `numfmt.encode`.

    Returns
    -------
    FlexArray
        Saturated; `clipped` counts how often, `overflowed` is what Autoflex sees.

    Raises
    ------
    TypeError : no FlexArrays, or of two formats with an exponent that is an integer
    RangeError : codes or exponents that a format does not have

    Examples
    --------
    >>> from numfmt.flexpoint import quantize
    >>> a, b = quantize([1.0, 2.0]), quantize([0.125, -3.0])
    >>> add(a, b, 13).values
    array([ 1.125, -1.   ], dtype=float32)
    >>> tensor = AutoflexTensor()
    >>> add(a, b, tensor).exponent, tensor.exponent
    (14, 14)
    """
    frac = max(_checked(a).exponent, _checked(b).exponent)
    return _delivered(_aligned(a, frac) + _aligned(b, frac), frac, a, b, exponent, how)


def multiply(
    a: FlexArray, b: FlexArray, exponent: int | AutoflexTensor, **how: Unpack[Keywords]
) -> FlexArray:
    """a * b element by element: integers multiply, exponents add, then one rounding. As `add`.

    >>> from numfmt.flexpoint import quantize
    >>> multiply(quantize([1.5]), quantize([-1.5]), 13).values
    array([-2.25], dtype=float32)
    """
    steps = _aligned(_checked(a), a.exponent) * _aligned(_checked(b), b.exponent)
    return _delivered(steps, a.exponent + b.exponent, a, b, exponent, how)


def matmul(a: FlexArray, b: FlexArray, exponent: int | AutoflexTensor, **how: Unpack[Keywords]) -> FlexArray:
    """The matrix product, its sums exact in int64, rounded once. As `add`.

    a : shape (..., M, K) or (K,); b : (..., K, N) or (K,)

    Above 16 bits a ValueError says so where 64 bits may not hold a sum.

    >>> from numfmt.flexpoint import quantize
    >>> a = quantize([[1.0, 2.0], [3.0, 4.0]])
    >>> matmul(a, a, 10).values
    array([[ 7., 10.],
           [15., 22.]], dtype=float32)
    """
    return _delivered(_product(_checked(a), _checked(b)), a.exponent + b.exponent, a, b, exponent, how)


def _checked(a: FlexArray) -> FlexArray:
    if not isinstance(a, FlexArray) or not isinstance(a.codes, np.ndarray) or a.codes.dtype.kind != "i":
        raise TypeError(f"expected a FlexArray with signed integer codes, got {a!r}: make one with quantize")
    low, high = a.flex.element(0).span
    if a.codes.size and not (low <= a.codes.min() and a.codes.max() <= high):
        raise RangeError(
            f"codes of {a.format} are {low} to {high}, got {a.codes.min()} to {a.codes.max()}: quantize again"
        )
    if a.exponent != a.flex.clamp(a.exponent):
        last = a.flex.clamp(1 << a.flex.exponent_bits)
        raise RangeError(f"exponents of {a.format} are 0 to {last}, got {a.exponent}: quantize again")
    return a


def _aligned(a: FlexArray, frac: int) -> Array:
    """Steps of 2**-frac in a."""
    return np.asarray(a.codes.astype(np.int64) << (frac - a.exponent))


def _product(a: FlexArray, b: FlexArray) -> Array:
    if max(a.flex.bits, b.flex.bits) <= 16:
        return np.asarray(gemm.matmul(a.codes.astype(np.int16), b.codes.astype(np.int16), dtype=np.int64))
    depth = a.codes.shape[-1] if a.codes.ndim else 1
    if depth * a.peak * b.peak >= 1 << 63:
        raise ValueError(
            f"sums of {depth} products of magnitudes up to {a.peak} and {b.peak} may not fit 64 bits: "
            "split the matrices, or use fewer bits"
        )
    return np.asarray(a.codes.astype(np.int64) @ b.codes.astype(np.int64))


def _delivered(
    steps: Array, frac: int, a: FlexArray, b: FlexArray, exponent: int | AutoflexTensor, how: Keywords
) -> FlexArray:
    if isinstance(exponent, AutoflexTensor):
        return exponent.write(steps, frac, **how)
    if a.flex != b.flex:
        raise TypeError(
            f"operands are {a.flex} and {b.flex}; give an AutoflexTensor of the result's format, "
            "AutoflexTensor(bits=..., exponent_bits=...), in place of the exponent"
        )
    return a.flex.round(steps, exponent, frac, **how)
