"""Blocks of 256 elements whose sub-blocks have scales of 4 to 8 bits: Q2_K, Q3_K, Q4_K, Q5_K, Q6_K.

They follow quantize_row_q..._K_ref and dequantize_row_q..._K of ggml-quants.c in float32, without fused
products. A search gives each sub-block a scale; the scales become integers under one float16; then the
codes are found again from the numbers that are stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .fields import Fields, half, numbers, packed, unpacked
from .plain_blocks import F, Parts
from .searches import LEAST, Fit, fit_from_minimum, fit_one_by_one, fit_signed, levels, nearest, peak, total

Array = np.ndarray[Any, Any]
BLOCK = 256  # elements
SIX_BITS = 63


def columns(x: Array, size: int) -> Array:
    """Blocks as (elements of a sub-block, sub-blocks)."""
    return np.ascontiguousarray(x.reshape(-1, size).T)


def recoded(x: Array, fit: Fit, step: Array, offset: Array, low: int, high: int) -> Array:
    """Codes (blocks, 256) from the scales that are stored, `low` counting as 0; where a step is 0, those of the
    search. `step` and `offset` are (blocks, sub-blocks)."""
    step, offset = step.reshape(-1), offset.reshape(-1)
    codes = levels((x + offset) / step, low, high) - F(low)
    kept = np.where(step != 0, codes, fit.codes)
    return kept.T.reshape(-1, BLOCK).astype(np.uint8)


# Scales and minima: Q2_K, Q4_K, Q5_K


class Shared(NamedTuple):
    """Integers (blocks, sub-blocks) uint8, and the float16 that they count, as bytes."""

    levels: Array
    unit: Array


def shared(found: Array, last: int) -> Shared:
    """Sub-blocks' numbers, none negative, as 0 ... last times a unit."""
    top = np.fmax.reduce(found, axis=1, keepdims=True, initial=F(0)) + F(0)  # no -0
    factor = np.divide(F(last), top, out=np.zeros_like(top), where=top > 0)
    return Shared(nearest(factor * found).astype(np.uint8), half(top / F(last)))


def steps_of(d: Array, scales: Array) -> Array:
    """Products of a float16 and small integers, float32."""
    return numbers(d) * scales.astype(F)


def quantize_q2_k(x: Array) -> Fields:
    """quantize_row_q2_K_ref: 16 sub-blocks, weights are magnitudes."""
    given = columns(x, 16)
    fit = fit_from_minimum(given, 3, np.abs(given), -0.5, 0.1, 15, np.abs)
    scales, d = shared(fit.scale.reshape(-1, 16), 15)
    lows, dmin = shared(fit.low.reshape(-1, 16), 15)
    both = scales | lows << 4
    codes = recoded(given, fit, steps_of(d, both & 15), steps_of(dmin, both >> 4), 0, 3)
    return {"scales": both, "qs": packed(codes, 2, 32), "d": d, "dmin": dmin}


def read_q2_k(f: Fields) -> Parts:
    scales, lows = steps_of(f["d"], f["scales"] & 15), steps_of(f["dmin"], f["scales"] >> 4)
    return Parts(unpacked(f["qs"], 2, 32), scales, -lows)


def _quantize_eight(x: Array, top: int, first: float, last: int) -> tuple[Array, Fields]:
    """Codes and the fields of the scales: Q4_K and Q5_K. Weights are a number's magnitude and the root of the
    mean square."""
    given = columns(x, 32)
    weights = np.sqrt(total(given * given) / F(32)) + np.abs(given)
    fit = fit_from_minimum(given, top, weights, first, 0.1, last, np.square)
    scales, d = shared(fit.scale.reshape(-1, 8), SIX_BITS)
    lows, dmin = shared(fit.low.reshape(-1, 8), SIX_BITS)
    scales, lows = np.minimum(scales, SIX_BITS), np.minimum(lows, SIX_BITS)
    codes = recoded(given, fit, steps_of(d, scales), steps_of(dmin, lows), 0, top)
    return codes, {"d": d, "dmin": dmin, "scales": _six_bits(scales, lows)}


def _six_bits(scales: Array, lows: Array) -> Array:
    """Eight scales and eight minima of 6 bits in 12 bytes: the low four bits of the last four of each share a
    byte, their high bits are on top of the first four."""
    first = [part[:, :4] | part[:, 4:] >> 4 << 6 for part in (scales, lows)]
    return np.concatenate([*first, scales[:, 4:] & 15 | lows[:, 4:] << 4], axis=1)


def _read_six_bits(field: Array) -> tuple[Array, Array]:
    scales, lows, low_bits = field[:, :4], field[:, 4:8], field[:, 8:]
    return (
        np.concatenate([scales & 63, low_bits & 15 | scales >> 6 << 4], axis=1),
        np.concatenate([lows & 63, low_bits >> 4 | lows >> 6 << 4], axis=1),
    )


def _read_eight(f: Fields, codes: Array) -> Parts:
    scales, lows = _read_six_bits(f["scales"])
    return Parts(codes, steps_of(f["d"], scales), -steps_of(f["dmin"], lows))


def quantize_q4_k(x: Array) -> Fields:
    """quantize_row_q4_K_ref: 8 sub-blocks of 4 bits, 21 trials."""
    codes, fields = _quantize_eight(x, 15, -1.0, 20)
    return {**fields, "qs": packed(codes, 4, 32)}


def read_q4_k(f: Fields) -> Parts:
    return _read_eight(f, unpacked(f["qs"], 4, 32))


def quantize_q5_k(x: Array) -> Fields:
    """quantize_row_q5_K_ref: 8 sub-blocks of 5 bits, 16 trials."""
    codes, fields = _quantize_eight(x, 31, -0.5, 15)
    return {**fields, "qh": packed(codes >> 4, 1, 32), "qs": packed(codes & 15, 4, 32)}


def read_q5_k(f: Fields) -> Parts:
    return _read_eight(f, unpacked(f["qs"], 4, 32) | unpacked(f["qh"], 1, 32) << 4)


# Signed scales: Q3_K, Q6_K


def _signed(
    x: Array, search: Callable[[Array, int], Fit], half_range: int
) -> tuple[Array, Fit, Array, Array]:
    """Sub-blocks, what the search finds for them, their scales (blocks, 16), and the one of largest magnitude."""
    given = columns(x, 16)
    fit = search(given, half_range)
    scales = fit.scale.reshape(-1, 16)
    return given, fit, scales, peak(scales, 1)


def quantize_q3_k(x: Array) -> Fields:
    """quantize_row_q3_K_ref: 16 sub-blocks; scales of 6 bits, the largest magnitude being -32."""
    given, fit, scales, top = _signed(x, fit_one_by_one, 4)
    factor = np.divide(F(-32), top, out=np.zeros_like(top), where=top != 0)
    stored = np.clip(nearest(factor * scales).astype(np.int8), -32, 31) + np.int8(32)
    stored = np.where(top != 0, stored, 0).astype(np.uint8)
    d = half(np.where(top != 0, F(1) / factor, F(0)))
    step = steps_of(d, stored.astype(np.int8) - 32)
    codes = recoded(given, fit, step, np.zeros_like(step), -4, 3)
    low_bits = packed(stored & 15, 4, 8)
    return {
        "hmask": packed(codes >> 2, 1, 32),
        "qs": packed(codes & 3, 2, 32),
        "scales": np.concatenate([low_bits, packed(stored >> 4, 2, 4)], axis=1),
        "d": d,
    }


def read_q3_k(f: Fields) -> Parts:
    low_bits, high_bits = unpacked(f["scales"][:, :8], 4, 8), unpacked(f["scales"][:, 8:], 2, 4)
    scales = (low_bits | high_bits << 4).astype(np.int8) - 32
    return Parts(unpacked(f["qs"], 2, 32) | unpacked(f["hmask"], 1, 32) << 2, steps_of(f["d"], scales))


def quantize_q6_k(x: Array) -> Fields:
    """quantize_row_q6_K_ref: 16 sub-blocks; scales of 8 bits, the largest magnitude being -128."""
    given, fit, scales, top = _signed(x, fit_signed, 32)
    is_zero = np.abs(top) < LEAST
    factor = F(-128) / top
    stored = np.minimum(nearest(factor * scales), 127).astype(np.int8)
    d = half(F(1) / factor)
    step = steps_of(d, stored)
    codes = recoded(given, fit, step, np.zeros_like(step), -32, 31)
    fields = {
        "ql": packed(codes & 15, 4, 64),
        "qh": packed(codes >> 4, 2, 32),
        "scales": stored.view(np.uint8),
        "d": d,
    }
    return {name: np.where(is_zero, np.uint8(0), field) for name, field in fields.items()}


def read_q6_k(f: Fields) -> Parts:
    codes = unpacked(f["ql"], 4, 64) | unpacked(f["qh"], 2, 32) << 4
    return Parts(codes, steps_of(f["d"], f["scales"].view(np.int8)))
