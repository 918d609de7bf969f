"""Classes of numbers: zero, subnormal, normal, infinite, quiet and signalling NaN, of two signs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..arithmetic import nans
from ..casting import decode
from ..format import Format
from ..formats.floats import Float

Array = np.ndarray[Any, Any]
KINDS = ("zero", "subnormal", "normal", "infinity", "quiet NaN", "signalling NaN")
ZERO, SUBNORMAL, NORMAL, INFINITY, QUIET, SIGNALLING = range(6)
NAMES = tuple(f"{sign}{kind}" for sign in ("+", "-") for kind in KINDS)  # by class


def classes(codes: Array, fmt: Format) -> Array:
    """The class of each code, an index into `NAMES`.

    >>> form = numfmt.parse("e5m2")
    >>> [NAMES[i] for i in classes(np.array([0x80, 0x01, 0x3C, 0xFC, 0x7E, 0x7D], np.uint8), form)]
    ['-zero', '+subnormal', '+normal', '-infinity', '+quiet NaN', '+signalling NaN']
    """
    return _of_float(codes, fmt) if isinstance(fmt, Float) else _of_values(codes, fmt)


def _of_float(codes: Array, fmt: Float) -> Array:
    edges, kinds = _edges(fmt)
    size, word = fmt.bits - fmt.signed, codes.dtype.type
    found = kinds[np.searchsorted(edges, codes & word((1 << size) - 1), "right")]
    if fmt.kind.nan == "sign":
        found[codes == word(fmt.nan() or 0)] = QUIET
    return found + np.uint8(len(KINDS)) * (codes >> word(size)).astype(np.uint8) if fmt.signed else found


@lru_cache(maxsize=64)
def _edges(fmt: Float) -> tuple[Array, Array]:
    """Magnitudes at which a kind begins, and the kinds below and between them."""
    infinity, nan = fmt.infinity(), fmt.max_mag + 1 + (fmt.infinity() is not None)
    least = 1 if fmt.subnormals and fmt.man_bits else 1 << fmt.man_bits
    begins = [(least, SUBNORMAL), (1 << fmt.man_bits, NORMAL)] if fmt.has_zero else []
    if infinity is not None:
        begins.append((infinity, INFINITY))
    begins.append((nan, SIGNALLING if nans.has_payload(fmt) else QUIET))
    if nans.has_payload(fmt):
        begins.append((fmt.nan() or 0, QUIET))
    kinds = [ZERO if fmt.has_zero else NORMAL, *(kind for _, kind in begins)]
    return np.array([at for at, _ in begins], np.uint64), np.array(kinds, np.uint8)


def _of_values(codes: Array, fmt: Format) -> Array:
    """Of a format without such fields."""
    x = np.asarray(decode(codes, fmt, dtype=np.float64))
    size = np.abs(x)
    kind = np.where(size == 0, ZERO, np.where(size < float(fmt.min_normal), SUBNORMAL, NORMAL))
    kind = np.where(np.isnan(x), QUIET, np.where(np.isinf(x), INFINITY, kind))
    return (kind + len(KINDS) * np.signbit(x)).astype(np.uint8)
