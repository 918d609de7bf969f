"""`compare_thresholds`: what each method's threshold costs on given data, as one table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import choose
from ..table import Column, Table, counted, decibels, percent, short
from .histograms import Array, Samples
from .methods import METHODS, Options, checked, limited, scale
from .squared_error import largest_code

_AT_ONCE = 1 << 16  # elements


@dataclass(frozen=True)
class ThresholdRow:
    """What one method makes of one tensor. Errors are in the unit of the tensor.

    Attributes
    ----------
    tensor, method : names
    bits : of a code
    count : finite elements
    ignored : NaN and infinities
    threshold : T
    share_of_largest : T / max \\|x\\|, from 0 to 1
    clipped : share of the elements with \\|x\\| > T
    scale : the step, T / (2**(bits - 1) - 1); 1 where T is 0
    mse, rms_error : mean of (x - y)**2, and its root
    sqnr_db : 10 log10(sum x**2 / sum (x - y)**2), in dB; infinite if nothing is lost
    """

    tensor: str
    method: str
    bits: int
    count: int
    ignored: int
    threshold: float
    share_of_largest: float
    clipped: float
    scale: float
    mse: float
    rms_error: float
    sqnr_db: float


COLUMNS = (
    Column("", "method", "method", str),
    Column("thres-", "hold", "threshold", lambda t: f"{t:.4g}"),
    Column("of", "max%", "share_of_largest", percent),
    Column("clip-", "ped%", "clipped", percent),
    Column("", "scale", "scale", short),
    Column("rms", "error", "rms_error", short),
    Column("SQNR", "dB", "sqnr_db", decibels),
)


@dataclass(frozen=True, repr=False)
class Thresholds(Table[ThresholdRow]):
    """The rows of `compare_thresholds`, in the order of tensors and methods."""

    kind = ThresholdRow
    by = "tensor"
    nothing = "no tensors"

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def group(self, row: ThresholdRow) -> tuple[str, int]:
        return row.tensor, row.bits

    def title(self, row: ThresholdRow) -> str:
        ignored = f", {row.ignored} not finite left out" if row.ignored else ""
        return f"{counted(row.tensor, row.count)}{ignored}, {row.bits} bits"


def compare_thresholds(
    x: Any, bits: int = 8, methods: str | Iterable[str] | None = None, *,
    signed: bool = True, percentile: float = 99.99,
) -> Thresholds:  # fmt: skip
    """The thresholds of several methods and what quantizing with each of them loses.

    Each row quantizes the finite elements in float64, symmetric, to the nearest code, ties to even, saturating:
    s = T / q, y = s * clip(rint(x / s), -q, q), q = 2**(bits - 1) - 1.

    Parameters
    ----------
    x : array_like of real numbers, or mapping of names to such
    bits, signed, percentile : as in `threshold`
    methods : str or list of them, optional
        One string may hold several, with commas; all methods, if not given.

    Returns
    -------
    Thresholds
        A sequence of `ThresholdRow`; prints as a table, has `to_csv`, `to_json`, `to_pandas`.

    >>> x = np.append(np.random.default_rng(0).laplace(size=10_000), 50.0)
    >>> for row in compare_thresholds(x, bits=4, methods="absmax, mse"):
    ...     print(row.method, round(row.sqnr_db, 1), f"{row.clipped:.4f}")
    absmax 1.5 0.0000
    mse 9.4 0.0035
    """
    options, names = checked(bits, signed, percentile), method_list(methods)
    tensors = x.items() if isinstance(x, Mapping) else [("", x)]
    return Thresholds(tuple(row for name, a in tensors for row in _rows(str(name), a, names, options)))


def method_list(methods: str | Iterable[str] | None) -> list[str]:
    """Names of methods, without repetition.

    >>> method_list("kl, mse,kl")
    ['kl', 'mse']
    """
    if methods is None:
        return list(METHODS)
    given = methods.split(",") if isinstance(methods, str) else methods
    names = [m.strip() if isinstance(m, str) else m for m in given]
    if not names:
        raise ValueError(f"name at least one method: {', '.join(METHODS)}")
    return list(dict.fromkeys(choose("method", name, METHODS) for name in names))


def _rows(tensor: str, x: Any, names: Sequence[str], options: Options) -> list[ThresholdRow]:
    try:
        data = Samples(x)
        return [_row(tensor, name, data, options) for name in names]
    except (ValueError, TypeError) as error:
        raise type(error)(f"tensor {tensor!r}: {error}" if tensor else str(error)) from None


def _row(tensor: str, method: str, data: Samples, options: Options) -> ThresholdRow:
    t, unit = limited(METHODS[method], data, options), data.largest or 1.0
    step = scale(t, options.bits, options.signed)
    parts = [data.values[i : i + _AT_ONCE] for i in range(0, data.count, _AT_ONCE)]
    noise = math.fsum(_squares(_lost(part, step, options), unit) for part in parts) / data.count
    signal = math.fsum(_squares(part, unit) for part in parts) / data.count
    return ThresholdRow(
        tensor=tensor,
        method=method,
        bits=options.bits,
        count=data.count,
        ignored=data.ignored,
        threshold=t,
        share_of_largest=t / unit,
        clipped=sum(int(np.count_nonzero(abs(part) > t)) for part in parts) / data.count,
        scale=step,
        mse=noise * unit * unit,
        rms_error=math.sqrt(noise) * unit,
        sqnr_db=_decibels(signal, noise),
    )


def _lost(x: Array, step: float, options: Options) -> Array:
    code = largest_code(options.bits, options.signed)
    with np.errstate(over="ignore"):
        return x - step * np.clip(np.rint(x / step), -code, code)


def _squares(x: Array, unit: float) -> float:
    """The sum of squares in units where none leaves float64."""
    scaled = x / unit
    return float((scaled * scaled).sum())


def _decibels(signal: float, noise: float) -> float:
    if not noise:
        return math.inf if signal else math.nan
    return 10 * math.log10(signal / noise) if signal else -math.inf
