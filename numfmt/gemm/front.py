"""`matmul` and `dot`: integers, floats with rounded sums, or a matrix unit."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from . import floats, integers, unit_products
from .integers import Prepacked

Array = np.ndarray[Any, Any]


@overload
def matmul(
    a: Any, b: Any, *, dtype: Any = ..., accumulator: Any = ..., overflow: str | None = ...,
    sums: Literal[False] = ..., out: Array | None = ..., engine: str | None = ..., fmt: Any = ...,
    product: str | None = ..., order: Any = ..., inner: Any = ..., rounding: Any = ..., nan: Any = ...,
    seed: int | None = ..., random_bits: int | None = ..., ftz: str | None = ..., daz: bool = ..., c: Any = ...,
    bias: Any = ..., unit: Any = ..., cut: str | None = ..., scales: Any = ...,
) -> Array: ...  # fmt: skip


@overload
def matmul(
    a: Any, b: Any, *, dtype: Any = ..., accumulator: Any = ..., overflow: str | None = ...,
    sums: Literal[True], out: Array | None = ..., engine: str | None = ...,
) -> tuple[Array, Array, Array]: ...  # fmt: skip


def matmul(
    a: Any, b: Any, *, dtype: Any = None, accumulator: Any = None, overflow: str | None = None, sums: bool = False,
    out: Array | None = None, engine: str | None = None, fmt: Any = None, product: str | None = None,
    order: Any = None, inner: Any = None, rounding: Any = None, nan: Any = None, seed: int | None = None,
    random_bits: int | None = None, ftz: str | None = None, daz: bool = False, c: Any = None, bias: Any = None,
    unit: Any = None, cut: str | None = None, scales: Any = None,
) -> Any:  # fmt: skip
    """A product of matrices: of integers, exact in its accumulator; of floats, every sum rounded to a format; or of
    either as a matrix unit computes it.

    Parameters
    ----------
    a : array of shape (..., M, K) or (K,)
    b : array of shape (..., K, N) or (K,), or what `prepack` made of an integer matrix
        Integers: int8 and uint8 in any pair, int16 with int16; transposed views and rows apart are not copied.
        Two arrays of floats are taken as exact numbers, and so is anything if a keyword of floats is given.
    accumulator : str or Format, optional
        Of every sum. Integers: int32, or an integer format such as ``"int16"`` or ``"int24"``, in int32 where
        that holds it, else int64. Floats: ``"f32"``, or any format.
    overflow : str, optional
        Of the accumulator after every addition, k ascending. Integers: wrap (default), saturate,
        saturate_symmetric or raise; `accumulate` counts the overflows. Floats: as in `numfmt.cast`.
    dtype : dtype, optional
        Of the result. Integers: int32 or int64, of the accumulator too. Floats: as in `numfmt.cast`.
    out : array, optional
        For the result: its shape and dtype, no memory of `a` or `b`. Unspecified after an error.
    engine : {"kernel", "numpy", "reference"}, optional
        All give the same bits. Floats: "numpy" takes the steps of `numfmt.arithmetic` one by one, as the
        others do where no loop serves, at some nanoseconds a step. Loops serve the orders sequential, blocked,
        split_k and exact of float32 numbers away from its ends, but toward_negative, stochastic steps that are
        rounded twice or are of parts, ftz, daz, nan and overflow="raise".
    sums : bool
        Of integers: return the row sums of a and the column sums of b too.

    Of floats:

    fmt : spec, or one for each of `a` and `b`
        They are cast to it first; blocks run along the axis that is summed.
    product : {"fused", "rounded", "fma32"}
        One step is R(sum + x y), one correct rounding; R(sum + R(x y)); or R(fl32(sum + x y)), which rounds twice,
        as many simulators do, and then also R(fl32(sum + sum)).
    order : str
        "sequential", "pairwise", "tree(w)", "blocked(c)", "split_k(s)", "kahan" or "exact";
        `numfmt.gemm.orders` says what each is.
    inner : spec, optional
        Of the sums of chunks, in the orders that have such, where these have a format of their own. "exact": the exact
        sum of a chunk is added with one rounding, as that of a block: fmt="mxfp8", order="blocked(32)" (OCP MX leaves
        the precision inside a block open).
    rounding, nan, ftz, daz : of every step, as in `numfmt.add`
    seed, random_bits : of stochastic rounding
        At element i of the result, addition k (from 0, in the order of the sum) draws word i of stream 2 k + 1, and
        product k that of stream 2 k + 2.
    c : array that broadcasts to the result, optional
        The sum that is begun with, rounded to the accumulator's format; +0 if it is left out.
    bias : array that broadcasts to the result, optional
        Added at the end, with one rounding.

    Of matrix units:

    unit : str or Unit
        One of `numfmt.units()`: a b + c, bit for bit. `a`, `b` and `c` must be values of the unit's formats, or
        `fmt` casts them; k goes up in the unit's steps, the last of them filled with zeros. The result is float32,
        float64 for float64 units. engine="reference" is exact rational arithmetic. What nobody has confirmed on
        hardware is marked UNVERIFIED there. Library kernels may split K.
    cut : "raw", optional
        For tf32: float32 words lose their low 13 bits, as the unit reads them. A NaN whose other bits are zeros
        becomes an infinity.
    scales : pair of arrays, optional
        Of block-scaled units: shapes (..., M, K / block) and (..., K / block, N). Their signs are ignored.

    Returns
    -------
    array of shape (..., M, N) as `np.matmul` has it; with ``sums=True`` also the sums of a along its last
    axis and those of b along its last but one

    Raises
    ------
    TypeError : other dtypes
    ValueError : shapes that do not match, keywords that exclude each other
    RangeError : ``overflow="raise"``, and the accumulator overflows at some step

    Notes
    -----
    Integer products modulo 2**32 are those of gemmlowp, oneDNN and of the VPDPBUSD and SDOT instructions.
    `NUMFMT_CPU` forces a path (vnni, avx512, avx2, portable), `NUMFMT_NUM_THREADS` bounds threads.

    Examples
    --------
    >>> a = np.array([[100, 100], [-128, 127]], np.int8)
    >>> matmul(a, a.T)
    array([[20000,  -100],
           [ -100, 32513]], dtype=int32)
    >>> matmul(a, a.T, accumulator="int16", overflow="saturate").tolist()
    [[20000, -100], [-100, 32513]]
    >>> x = np.full((1, 1000), 0.1)
    >>> matmul(x, x.T, fmt="bf16", accumulator="bf16"), matmul(x, x.T, fmt="bf16", accumulator="bf16", order="kahan")
    (array([[4.]]), array([[10.]]))
    >>> tall = np.array([[2.0**24, 1.0, 1.0]])
    >>> matmul(tall, [1.0, 1.0, 1.0], unit="nvidia_h100_bf16"), matmul(tall, [1.0, 1.0, 1.0], unit="fma_sequential")
    (array([1.6777218e+07], dtype=float32), array([1.6777216e+07], dtype=float32))
    """
    of_floats = (fmt, product, order, inner, rounding, nan, seed, random_bits, ftz, daz or None, c, bias)
    if unit is not None:
        _refuse(unit, (dtype, accumulator, overflow, sums or None, *of_floats[1:-2], bias))
        return unit_products.multiply(a, b, unit, c, fmt, cut, scales, out, engine)
    if cut is not None or scales is not None:
        raise TypeError("cut and scales belong to matrix units: give unit=, one of numfmt.units()")
    if not any(x is not None for x in of_floats) and (isinstance(b, Prepacked) or not _are_floats(a, b)):
        return integers.product(a, b, dtype, accumulator, overflow, sums, out, engine)
    if sums or isinstance(b, Prepacked):
        what = "sums=True is" if sums else "a prepacked matrix is"
        raise TypeError(f"{what} for integers alone, without keywords of floats")
    return floats.multiply(
        a, b, fmt=fmt, product=product or "fused", accumulator=accumulator, order=order or "sequential",
        inner=inner, rounding=rounding, overflow=overflow, nan=nan, seed=seed, random_bits=random_bits, ftz=ftz,
        daz=daz, c=c, bias=bias, dtype=dtype, out=out, engine=engine,
    )  # fmt: skip


def dot(a: Any, b: Any, **how: Any) -> Any:
    """The product of two vectors: `matmul` of arrays of shape (K,).

    >>> dot([1.0, 2.0], [3.0, 4.0], fmt="e4m3fn", accumulator="bf16")
    np.float64(11.0)
    """
    for name, x in (("a", a), ("b", b)):
        if np.ndim(x) != 1:
            raise ValueError(f"dot takes vectors; {name} has {np.ndim(x)} axes")
    return matmul(a, b, **how)


def _are_floats(a: Any, b: Any) -> bool:
    return all(np.asarray(x).dtype.kind not in "iub" and not hasattr(x, "codes") for x in (a, b))


def _refuse(unit: Any, given: tuple[Any, ...]) -> None:
    if any(x is not None for x in given):
        raise TypeError(
            f"unit={str(unit)!r} has its own sums: of the keywords give c, fmt, cut, scales, out and engine alone"
        )
