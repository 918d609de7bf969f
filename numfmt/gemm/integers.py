"""Integer matrix products, exact: the front door."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..blocks import BlockArray
from ..engine.plan import ENGINES
from ..errors import choose
from . import cpu, plain, tiled
from .accumulators import Accumulation, accumulator_of, policy_of, stepwise, summed

Array = np.ndarray[Any, Any]
_PAIRS = ("bb", "bB", "Bb", "BB", "hh")  # NumPy's letters of int8, uint8, int16
_INT32 = np.dtype(np.int32)


class Prepacked:
    """A right operand in the order in which tiles read it, made by `prepack` and taken by `matmul`.

    shape, dtype : those of the array
    nbytes : int
        Memory in bytes: about that of the array, twice that where the CPU has no dot product of bytes.
    path : str
        The path of `numfmt.gemm.cpu` it is for.
    """

    def __init__(self, array: Array, panels: tiled.Panels | None) -> None:
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, 2
        self.panels, self.array = panels, None if panels else array

    @property
    def path(self) -> str | None:
        return self.panels.path if self.panels else None

    @property
    def nbytes(self) -> int:
        held = (self.panels.data, self.panels.sums) if self.panels else (self.array,)
        return sum(x.nbytes for x in held if x is not None)

    def __repr__(self) -> str:
        return f"<prepacked {self.dtype} of shape {self.shape}, {self.nbytes} bytes, {self.path or 'plain'}>"


def prepack(b: Any) -> Prepacked:
    """The right operand of `matmul`, packed once for many products.

    Parameters
    ----------
    b : int8, uint8 or int16 array, shape (K, N)
        In any strides; weights stored as (N, K) go in as ``w.T``.

    Returns
    -------
    Prepacked
        It keeps nothing of `b`: later changes of `b` do not show.

    Examples
    --------
    >>> w = prepack(np.array([[1, -2], [3, 4]], np.int8))
    >>> numfmt.matmul(np.array([[1, 10]], np.int8), w)
    array([[31, 38]], dtype=int32)
    """
    array, path = _array(b), cpu.path()
    if array.ndim != 2 or array.dtype.char not in "bBh":
        raise TypeError(
            "prepack takes an int8, uint8 or int16 array with two axes,"
            f" got {array.dtype} of shape {array.shape}"
        )
    return Prepacked(array, tiled.pack(array, path)) if path and array.size else Prepacked(array.copy(), None)


def product(
    a: Any, b: Any, dtype: Any = None, accumulator: Any = None, overflow: str | None = None, sums: bool = False,
    out: Array | None = None, engine: str | None = None,
) -> Any:  # fmt: skip
    """`matmul` of integers."""
    x, y = _array(a), b if isinstance(b, Prepacked) else _array(b)
    if not _are_matrices(x, y):
        how = {"dtype": dtype, "accumulator": accumulator, "overflow": overflow, "engine": engine}
        return _stacked(x, y, sums, out, how)
    shape = x.shape[0], y.shape[1]
    if not sums and dtype is None and accumulator is None and overflow is None and out is None:
        target = np.empty(shape, _INT32)
        multiply(x, y, target, engine=engine)
        return target
    holder = accumulator_of(accumulator, dtype)
    policy = policy_of(overflow, holder)
    target = np.empty(shape, holder.dtype) if out is None else _target(out, shape, holder.dtype, (x, y))
    wraps = policy == "wrap"
    if wraps or holder.holds(plain.reach(x, y), policy):
        found = multiply(x, y, target, sums=sums, engine=engine)
        if wraps and not holder.whole:
            holder.wrap(target)
    else:
        right = _array_of(y)
        target[...] = summed(x, right, holder, policy, _by_kernel(engine))
        found = plain.sums(x, right, holder.dtype) if sums else ()
    if out is None:
        out = target
    elif out is not target:
        out[...] = target
    return (out, *found) if sums else out


def multiply(
    a: Array,
    b: Array | Prepacked,
    out: Array,
    offsets: tuple[int, int] = tiled.NO_OFFSETS,
    sums: bool = False,
    engine: str | None = None,
) -> tuple[Array, ...]:
    """(a + offset) (b + offset) into `out`, modulo the width of its dtype; with sums those of a and b.

    a, b : as in `matmul`, of two axes; out : int32 or int64, its rows contiguous, no memory of a or b
    """
    path = cpu.path() if _by_kernel(engine) else None
    if path and a.size and out.size and out.dtype == _INT32:
        right = _panels(b, path) if isinstance(b, Prepacked) else b
        if not sums:
            tiled.multiply(a, right, out, path, offsets)
            return ()
        found = np.zeros(out.shape[0], _INT32), np.zeros(out.shape[1], _INT32)
        tiled.multiply(a, right, out, path, offsets, found)
        return found
    if isinstance(b, Prepacked) and b.panels and not a.shape[0]:
        return (np.zeros(0, out.dtype), b.panels.sums.sum(0, out.dtype)[: out.shape[1]]) if sums else ()
    right = _array_of(b)
    (plain.by_integers if engine == "reference" else plain.by_floats)(a, right, out)
    if not sums and offsets == (0, 0):
        return ()
    totals = plain.sums(a, right, out.dtype)
    plain.add_offsets(out, *totals, a.shape[1], offsets)
    return totals if sums else ()


def accumulate(
    a: Any,
    b: Any,
    accumulator: Any = "int16",
    overflow: str | None = "saturate",
    *,
    engine: str | None = None,
) -> Accumulation:
    """The matrix product in a narrow accumulator, with the overflows counted.

    After every addition, k ascending, the sum is brought back into the accumulator, and counted if
    it had left it.

    Parameters
    ----------
    a : array of shape (M, K); b : array of shape (K, N)
        As in `matmul`.
    accumulator : str or Format
        An integer format of up to 62 bits.
    overflow : {"saturate", "saturate_symmetric", "wrap", "raise"}

    Returns
    -------
    Accumulation
        `result`, `overflows` for each element, `share` of all additions.

    Examples
    --------
    >>> ones = np.full((1, 5), 100, np.int8)
    >>> found = accumulate(ones, ones.T, "int16")
    >>> found.result.tolist(), found.overflows.tolist(), found.share
    ([[32767]], [[2]], 0.4)
    """
    x, right = operands(a, b)
    y = _array_of(right)
    holder = accumulator_of(accumulator, None)
    return stepwise(x, y, holder, policy_of(overflow, holder), _by_kernel(engine))


def _by_kernel(engine: str | None) -> bool:
    return engine is None or choose("engine", engine, ENGINES) == "kernel"


def _stacked(a: Array, b: Array | Prepacked, sums: bool, out: Any, how: dict[str, Any]) -> Any:
    """One axis, or more than two, as `np.matmul` takes them."""
    _check(a, b)
    given = {"sums": sums, **how}
    if b.ndim > 2:
        found = _each(a, _array_of(b), out, given)
    elif b.ndim == 2:
        found = _flat(a, b, out, given)
    else:
        result, *totals = _parts(product(a, _array_of(b)[:, None], **given))
        found = [result[..., 0], *totals[:1], *(x[..., 0] for x in totals[1:])]
    result = found[0] if found[0].ndim else found[0][()]
    if out is not None and not (isinstance(out, np.ndarray) and np.may_share_memory(out, found[0])):
        _target(out, result.shape, result.dtype, (a, b))
        out[...] = result
    return (result if out is None else out, *found[1:]) if sums else result if out is None else out


def _flat(a: Array, b: Array | Prepacked, out: Any, given: dict[str, Any]) -> list[Array]:
    """A stack times one matrix: its rows as those of one matrix."""
    shape, n = a.shape[:-1], b.shape[1]
    plain_out = isinstance(out, np.ndarray) and out.flags.c_contiguous and out.shape == (*shape, n)
    rows = prod(shape)
    found = product(a.reshape(rows, a.shape[-1]), b, out=out.reshape(rows, n) if plain_out else None, **given)
    result, *totals = _parts(found)
    return [result.reshape(*shape, n), *(x.reshape(shape) for x in totals[:1]), *totals[1:]]


def _each(a: Array, b: Array, out: Any, given: dict[str, Any]) -> list[Array]:
    """The products of two stacks, each into its place."""
    x = a[None] if a.ndim == 1 else a
    try:
        stack = np.broadcast_shapes(x.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(f"stacks of shapes {a.shape} and {b.shape} do not broadcast") from None
    sums, how = given["sums"], {**given, "sums": False}
    dtype = accumulator_of(given["accumulator"], given["dtype"]).dtype
    shape = *stack, x.shape[-2], b.shape[-1]
    result = np.empty(shape, dtype) if out is None or a.ndim == 1 else _target(out, shape, dtype, (a, b))
    left, right = (np.broadcast_to(z, stack + z.shape[-2:]) for z in (x, b))
    for i in np.ndindex(stack):
        product(left[i], right[i], out=result[i], **how)
    totals = [a.sum(-1, np.int64).astype(dtype), b.sum(-2, np.int64).astype(dtype)] if sums else []
    return [result if a.ndim > 1 else result[..., 0, :], *totals]


def _parts(found: Any) -> list[Array]:
    return list(found) if isinstance(found, tuple) else [found]


def operands(a: Any, b: Any) -> tuple[Array, Array | Prepacked]:
    """Two matrices of dtypes that are multiplied, of shapes that match."""
    x, y = _array(a), b if isinstance(b, Prepacked) else _array(b)
    if not _are_matrices(x, y):
        _check(x, y)
        raise ValueError(f"this multiplies matrices of two axes, got shapes {x.shape} and {y.shape}: reshape")
    return x, y


def _array(x: Any) -> Array:
    if not isinstance(x, np.ndarray):
        if isinstance(x, BlockArray):
            raise TypeError(
                "matmul multiplies integers, got a BlockArray: give its .codes, and scale the result"
            )
        x = np.asarray(x)
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def _array_of(b: Any) -> Array:
    if not isinstance(b, Prepacked):
        return _array(b)
    if b.array is None:
        raise TypeError(
            "what prepack made of b serves products modulo 2**32 on the compiled path; int64, overflow= that may"
            " happen, engine='numpy' and stacks of b need the array itself"
        )
    return b.array


def _panels(b: Prepacked, path: str) -> Any:
    if b.panels is None:
        return b.array
    if b.path != path:
        raise ValueError(
            f"b was prepacked for {b.path}, and NUMFMT_CPU now asks for {path}. Prepack it again"
        )
    return b.panels


def _are_matrices(a: Array, b: Array | Prepacked) -> bool:
    """Whether these can be multiplied as they are."""
    two = a.ndim == 2 == b.ndim
    return two and a.shape[1] == b.shape[0] and a.dtype.char + b.dtype.char in _PAIRS


def _check(a: Array, b: Array | Prepacked) -> None:
    if a.dtype.char + b.dtype.char not in _PAIRS:
        whole = {a.dtype.kind, b.dtype.kind} <= set("iub")
        advice = "Choose one of these" if whole else "Quantize it: numfmt.encode(x, 'int8[scale=0.1]').codes"
        raise TypeError(
            "matmul multiplies int8 and uint8 in any pair, and int16 with int16;"
            f" got {a.dtype} and {b.dtype}. {advice}"
        )
    if not a.ndim or not b.ndim:
        raise ValueError("matmul multiplies matrices: a scalar has no axis. Use a * b")
    depth = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != depth:
        raise ValueError(
            f"shapes {a.shape} and {b.shape} do not match: a has {a.shape[-1]} columns, b has {depth} rows"
        )


def _target(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], given: tuple[Any, ...]) -> Array:
    """Where the product goes first: `out`, or an array of its own where the elements of out's rows lie
    apart or it shares memory with an operand."""
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype or not out.flags.writeable:
        what = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out must be a writeable array, {dtype} of shape {shape}; got {what}")
    shared = any(_share(out, x) for x in given if isinstance(x, np.ndarray))
    plain_rows = out.strides[-1:] == (out.itemsize,) and out.flags.aligned and out.dtype.isnative
    return np.empty(shape, dtype) if shared or not plain_rows else out


def _share(x: Array, y: Array) -> bool:
    """Whether they may share memory; arrays that own theirs do not."""
    return not (x is not y and x.base is None is y.base) and np.may_share_memory(x, y)
