"""Accumulators of any width: what they hold, and sums that overflow on the way."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..engine import inputs, jit, pool
from ..errors import RangeError, SpecError, choose
from ..registry import element
from .plain import largest_product

Array = np.ndarray[Any, Any]
POLICIES = ("wrap", "saturate", "saturate_symmetric", "raise")
_INT32, _INT64 = np.dtype(np.int32), np.dtype(np.int64)
_INT16 = np.dtype(np.int16)
_NARROW = 1 << 30  # bounds up to here leave room for a product of bytes in int32
_SHORT = 1 << 15  # the first integer past int16
_WORTH = 1 << 20  # products of a thread


class Accumulator(NamedTuple):
    """The integers from low to high, in a dtype that holds them."""

    name: str
    low: int
    high: int
    dtype: np.dtype[Any]
    whole: bool = False  # they are all that the dtype holds

    def least(self, policy: str) -> int:
        return max(self.low, -self.high) if policy == "saturate_symmetric" else self.low

    def holds(self, ends: tuple[int, int], policy: str) -> bool:
        return self.least(policy) <= ends[0] and ends[1] <= self.high

    def wrap(self, x: Array) -> None:
        """Brings x, exact modulo the width of its dtype, back into the range, in place."""
        x -= x.dtype.type(self.low)
        x &= x.dtype.type(self.high - self.low)
        x += x.dtype.type(self.low)


_WHOLE = {
    x: Accumulator(x.name, -(1 << 8 * x.itemsize - 1), (1 << 8 * x.itemsize - 1) - 1, x, True)
    for x in (_INT32, _INT64)
}


class Accumulation(NamedTuple):
    """What came of sums of K products each.

    result : array of shape (M, N)
    overflows : int32 array of shape (M, N)
        After how many of its additions each sum had left the accumulator.
    steps : int
        Additions for each sum: K.
    """

    result: Array
    overflows: Array
    steps: int

    @property
    def share(self) -> float:
        """Overflows over all additions, 0 to 1."""
        return int(self.overflows.sum(dtype=np.int64)) / max(self.overflows.size * self.steps, 1)


def accumulator_of(spec: Any, dtype: Any) -> Accumulator:
    """Of an integer format, or where it is None of the dtype asked for, int32 by default."""
    if spec is None:
        if dtype is not None and np.dtype(dtype) not in (_INT32, _INT64):
            raise TypeError(f"integer products are int32 or int64, got dtype={np.dtype(dtype)}")
        return _WHOLE[_INT32 if dtype is None else np.dtype(dtype)]
    form = element(spec)
    if str(form) in ("int32", "int64"):
        return _WHOLE[np.dtype(str(form))]
    if not form.uniform or form.smallest != 1 or form.bits > 62:
        raise SpecError(
            f"accumulator {str(spec)!r}: expected an integer format such as 'int16', up to 62 bits", str(spec)
        )
    wide = _INT32 if form.span[0] >= -(2**31) and form.span[1] < 2**31 else _INT64
    if dtype is not None and np.dtype(dtype) != wide:
        raise TypeError(f"accumulator '{form}' gives {wide}, got dtype={np.dtype(dtype)}. Leave dtype out")
    return Accumulator(str(form), *form.span, wide)


def policy_of(name: str | None, accumulator: Accumulator) -> str:
    policy = "wrap" if name is None else choose("overflow policy", name, POLICIES)
    if policy == "wrap" and (accumulator.high - accumulator.low + 1).bit_count() > 1:
        raise SpecError(f"overflow 'wrap' needs every code; '{accumulator.name}' leaves one out", policy)
    return policy


def summed(a: Array, b: Array, accumulator: Accumulator, policy: str, by_kernel: bool) -> Array:
    """The result of `stepwise`; nothing is counted where nobody asks for it."""
    lanes = _lanes(a, b, accumulator)
    loops = jit.gemm_loops() if by_kernel and lanes and policy != "raise" else None
    if loops is None or lanes is None:
        return stepwise(a, b, accumulator, policy, by_kernel).result
    (m, k), n = a.shape, b.shape[1]
    padded = -(-k // loops.STEPS) * loops.STEPS  # with products of 0, which move no sum
    left, right = np.zeros((m, padded), lanes[0]), np.zeros((padded, n), lanes[0])
    left[:, :k], right[:k] = a, b
    result = np.zeros((m, n), lanes[1])
    limit = pool.thread_limit() if m * n * k > _WORTH else 1
    size = max(-(-m // limit), 1)
    parts = [(i, min(i + size, m)) for i in range(0, m, size)]
    ends = accumulator.least(policy), accumulator.high, largest_product(a.dtype, b.dtype)
    pool.run(lambda rows: loops.saturate(left, right, result, *ends, *rows), parts)
    return result.astype(accumulator.dtype, copy=False)


def _lanes(a: Array, b: Array, accumulator: Accumulator) -> tuple[np.dtype[Any], np.dtype[Any]] | None:
    """Dtypes of products and of sums that a loop without counts takes."""
    bound, largest = max(-accumulator.low, accumulator.high + 1), largest_product(a.dtype, b.dtype)
    if bound > _NARROW:
        return None
    factors = _INT16 if largest < _SHORT else _INT32
    return factors, _INT16 if bound <= _SHORT and factors == _INT16 else _INT32


def stepwise(a: Array, b: Array, accumulator: Accumulator, policy: str, by_kernel: bool) -> Accumulation:
    """a b, the accumulator brought back into its range after each addition, k ascending."""
    low = accumulator.least(policy)
    narrow = a.itemsize == 1 and accumulator.high < _NARROW
    result = np.zeros((a.shape[0], b.shape[1]), np.int32 if narrow else np.int64)
    overflows = np.zeros(result.shape, np.int32)
    loops = jit.gemm_loops() if by_kernel else None
    run = loops.accumulate if loops else _by_steps
    left, right = (inputs.writeable_alias(np.ascontiguousarray(x)) for x in (a, b))
    run(left, right, result, overflows, low, accumulator.high, policy == "wrap")
    found = Accumulation(result.astype(accumulator.dtype, copy=False), overflows, a.shape[1])
    if policy == "raise":
        refuse_overflows(found, accumulator)
    return found


def _by_steps(a: Array, b: Array, out: Array, overflows: Array, low: int, high: int, wraps: bool) -> None:
    for h in range(a.shape[1]):
        grown = out + a[:, h, None].astype(out.dtype) * b[h].astype(out.dtype)
        kept = ((grown - low) & (high - low)) + low if wraps else np.clip(grown, low, high)
        overflows += kept != grown
        out[...] = kept


def refuse_overflows(found: Accumulation, accumulator: Accumulator) -> None:
    count = int(np.count_nonzero(found.overflows))
    if count:
        index = tuple(map(int, np.argwhere(found.overflows)[0]))
        raise RangeError(
            f"{accumulator.name} ({accumulator.low} to {accumulator.high}) overflows in {count} of"
            f" {found.overflows.size} sums of {found.steps} products, first in [{index[0]}, {index[1]}]."
            " Take a wider accumulator, shorter sums, or another overflow=",
            count,
            found.overflows.size,
            index,
        )
