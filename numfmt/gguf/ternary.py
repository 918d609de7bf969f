"""Blocks of 256 elements that are -1, 0 or 1 steps: TQ1_0, five in a byte, and TQ2_0, four.

They follow quantize_row_tq..._0_ref and dequantize_row_tq..._0 of ggml-quants.c. The step is the largest
magnitude; ties go away from zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .fields import Fields, half, numbers, packed, unpacked
from .plain_blocks import Parts, symmetric

Array = np.ndarray[Any, Any]
POWERS = np.array([81, 27, 9, 3, 1], np.uint8)  # the first of five trits is the highest


def _trits(x: Array) -> tuple[Array, Array]:
    found = symmetric(x, 1)
    return (found.codes + np.int8(1)).view(np.uint8), half(found.d)


def quantize_tq1_0(x: Array) -> Fields:
    """quantize_row_tq1_0_ref. A byte is ceil(256 / 243 * the number that five trits write), or four and a 0."""
    trits, d = _trits(x)
    qs = np.concatenate([_five(trits[:, :160], 32), _five(trits[:, 160:240], 16)], axis=1)
    return {"qs": qs, "qh": _five(trits[:, 240:], 4), "d": d}


def _five(trits: Array, run: int) -> Array:
    digits = trits.reshape(len(trits), -1, run)
    written = (digits * POWERS[: digits.shape[1], None]).sum(axis=1, dtype=np.uint16)
    return ((written * 256 + 242) // 243).astype(np.uint8)


def read_tq1_0(f: Fields) -> Parts:
    qs = f["qs"]
    codes = [_digits(qs[:, :32], 5), _digits(qs[:, 32:], 5), _digits(f["qh"], 4)]
    return Parts(np.concatenate(codes, axis=1), numbers(f["d"]))


def _digits(field: Array, count: int) -> Array:
    """Trit n is the whole part of 3 * the fraction that byte * 3**n / 256 leaves."""
    left = field[:, None] * POWERS[::-1][:count, None]
    return (left.astype(np.uint16) * 3 >> 8).astype(np.uint8).reshape(len(field), count * field.shape[1])


def quantize_tq2_0(x: Array) -> Fields:
    """quantize_row_tq2_0_ref: two bits, code 3 unused."""
    trits, d = _trits(x)
    return {"qs": packed(trits, 2, 32), "d": d}


def read_tq2_0(f: Fields) -> Parts:
    return Parts(unpacked(f["qs"], 2, 32), numbers(f["d"]))
