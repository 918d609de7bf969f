"""What a product of matrices loses: input formats, accumulators and orders beside the exact product, as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product as combinations
from typing import Any

import numpy as np

from ..casting import cast
from ..registry import element, parse
from ..table import Column, Table, decibels, decimal, percent, short
from .exact_sums import gathered
from .floats import multiply

Array = np.ndarray[Any, Any]
KEYS = ("fmt", "accumulator", "product", "order", "rounding", "k")


@dataclass(frozen=True)
class Loss:
    """What one way to multiply loses on one pair of matrices.

    Attributes
    ----------
    fmt : of the inputs, "" where they are taken as they are
    accumulator, product, order, rounding : as in `numfmt.matmul`
    k : terms of a sum
    relative_error : norm of the error over the norm of the exact product (Frobenius)
    max_ulp_error : the largest error, in units of the accumulator's spacing at the exact result
    sqnr_db : 20 log10 of one over `relative_error`, in dB
    overflow : share of the results that are not finite, from 0 to 1
    """

    fmt: str
    accumulator: str
    product: str
    order: str
    rounding: str
    k: int
    relative_error: float
    max_ulp_error: float
    sqnr_db: float
    overflow: float


COLUMNS = (
    Column("", "inputs", "fmt", lambda x: x or "as given"),
    Column("", "accumulator", "accumulator", str),
    Column("", "product", "product", str),
    Column("", "order", "order", str),
    Column("", "rounding", "rounding", str),
    Column("relative", "error", "relative_error", short),
    Column("ulp", "max", "max_ulp_error", decimal),
    Column("SQNR", "dB", "sqnr_db", decibels),
    Column("over", "flow%", "overflow", percent),
)


@dataclass(frozen=True, repr=False)
class Losses(Table[Loss]):
    """The rows of `gemm_error`, in the order of the grid, shorter sums first."""

    kind = Loss
    by = "k"
    nothing = "an empty grid"

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def group(self, row: Loss) -> int:
        return row.k

    def title(self, row: Loss) -> str:
        return f"K = {row.k}"


def gemm_error(
    a: Any, b: Any, grid: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, seed: int = 0
) -> Losses:
    """The error of products of matrices, for every way of a grid.

    Parameters
    ----------
    a, b : array_like, shapes (M, K) and (K, N)
    grid : dict, or list of dicts
        Keywords of `matmul` with lists of what to try: fmt, accumulator, product, order, rounding; and k,
        lengths of the sums, of which all K columns of `a` are one. All combinations of a dict are tried.
    seed : int
        Of stochastic rounding.

    Returns
    -------
    Losses
        A sequence of `Loss`; prints as a table, and has `to_csv`, `to_json` and `to_pandas`. Errors are against
        the product of `a` and `b` as they are given, so that what inputs lose counts too; it is exact to some
        float64 ulps.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.standard_normal((8, 512)), rng.standard_normal((512, 8))
    >>> table = gemm_error(a, b, {"fmt": "bf16", "accumulator": ["f32", "bf16"]})
    >>> [f"{row.sqnr_db:.0f} dB" for row in table]
    ['52 dB', '32 dB']
    """
    x, y = (np.asarray(cast(m, "f64")) for m in (a, b))
    ways = [
        way for part in ([grid] if isinstance(grid, Mapping) else grid) for way in _ways(part, x.shape[-1])
    ]
    rows = []
    for k in sorted({way["k"] for way in ways}):
        exact = gathered(x[:, :k], y[:k], np.zeros((len(x), y.shape[1])))
        rows += [_loss(x[:, :k], y[:k], exact.high + exact.low, way, seed) for way in ways if way["k"] == k]
    return Losses(tuple(rows))


def _ways(grid: Mapping[str, Any], longest: int) -> Iterator[dict[str, Any]]:
    """Every combination of a grid."""
    unknown = [key for key in grid if key not in KEYS]
    if unknown:
        raise ValueError(f"a grid has {', '.join(KEYS)}; got {unknown[0]!r}")
    plain = {
        "accumulator": "f32", "product": "fused", "order": "sequential", "rounding": "nearest_even", "k": longest,
    }  # fmt: skip
    lists = {key: _listed(value) for key, value in {"fmt": None, **plain, **grid}.items()}
    for values in combinations(*lists.values()):
        way = dict(zip(lists, values, strict=True))
        if not 1 <= way["k"] <= longest:
            raise ValueError(f"k is from 1 to {longest}, the columns of a; got {way['k']!r}")
        yield way


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, range)) else [value]


def _loss(a: Array, b: Array, exact: Array, way: dict[str, Any], seed: int) -> Loss:
    how = {key: value for key, value in way.items() if key != "k"}
    found = np.asarray(multiply(a, b, seed=seed, **how), np.float64)
    accumulator = element(way["accumulator"])
    finite = np.isfinite(found)
    error = np.where(finite, found - exact, 0)
    norm = float(np.linalg.norm(exact[finite])) if finite.any() else math.nan
    relative = float(np.linalg.norm(error)) / norm if norm else math.nan
    return Loss(
        fmt="" if way["fmt"] is None else str(parse(way["fmt"])), accumulator=str(accumulator),
        product=way["product"], order=str(way["order"]), rounding=str(way["rounding"]), k=way["k"],
        relative_error=relative,
        max_ulp_error=float(np.max(np.abs(error) / spacing(exact, accumulator), initial=0)),
        sqnr_db=-20 * math.log10(relative) if relative else math.inf,
        overflow=float(np.mean(~finite)) if found.size else math.nan,
    )  # fmt: skip


def spacing(x: Array, fmt: Any) -> Array:
    """The distance of neighbouring values of a float format in the binade of each number (Goldberg's ulp)."""
    least = float(fmt.smallest)
    _, e = np.frexp(np.maximum(np.abs(x), float(fmt.min_normal)))
    digits = (
        round(math.log2(float(fmt.min_normal) / least)) if fmt.min_normal > fmt.smallest else fmt.man_bits
    )
    return np.maximum(np.ldexp(1.0, e - 1 - digits), least)
