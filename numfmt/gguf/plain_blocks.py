"""Blocks of 32 elements: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1, MXFP4; and Q8_K, which is one of 256.

`quantize_...` take numbers (blocks, elements) float32, finite, and give fields; `read_...` take fields. They
follow quantize_row_..._ref and dequantize_row_... of ggml-quants.c, step by step in float32. A reciprocal
or a range that overflows makes C convert what no integer holds, which is undefined there; as compiled
for x86, and so here, the codes are 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..kernels.affine import BELOW_HALF
from .fields import Fields, half, numbers, packed, unpacked
from .searches import nearest, peak

Array = np.ndarray[Any, Any]
F = np.float32
# e2m1 values doubled, by code (kvalues_mxfp4)
E2M1_DOUBLED = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], F)


class Parts(NamedTuple):
    """What blocks say: value = level of the code * scale + offset, each step rounded to float32.

    codes : (blocks, elements), uint8 or int8
    scales : (blocks, groups) float32; the elements of a group are neighbours
    offsets : of the same shape, or None
    """

    codes: Array
    scales: Array
    offsets: Array | None = None


class Codes(NamedTuple):
    """codes : (blocks, elements); d, low : (blocks, 1) float32, the step and where it starts."""

    codes: Array
    d: Array
    low: Array | None = None


def inverse(d: Array) -> Array:
    """1 / d, and 0 for 0."""
    return np.divide(F(1), d, out=np.zeros_like(d), where=d != 0)


def truncated(t: Array, top: int, d: Array, factor: Array) -> Array:
    """Whole parts of numbers from 0 on, at most `top`; 0 in blocks whose step or reciprocal overflows."""
    codes = np.minimum(t, F(top)).astype(np.uint8)
    codes[~np.isfinite(d + factor)[:, 0]] = 0
    return codes


def symmetric(x: Array, last: int) -> Codes:
    """Codes -last ... last, ties away from zero: the largest magnitude is `last` steps."""
    d = np.abs(x).max(axis=1, keepdims=True) / F(last)
    factor = inverse(d)
    t = x * factor
    codes = (t + np.copysign(BELOW_HALF, t)).astype(np.int8)
    codes[~np.isfinite(factor)[:, 0]] = 0
    return Codes(codes, d)


def asymmetric(x: Array, half_range: int) -> Codes:
    """Codes 0 ... 2 * half_range - 1; the largest magnitude, of whatever sign, has code 0."""
    d = peak(x, 1) / F(-half_range)
    factor = inverse(d)
    return Codes(truncated(x * factor + F(half_range + 0.5), 2 * half_range - 1, d, factor), d)


def ranged(x: Array, top: int) -> Codes:
    """Codes 0 ... top, from the least to the greatest number."""
    low = np.take_along_axis(x, x.argmin(axis=1, keepdims=True), axis=1)  # of two zeros the first
    d = (x.max(axis=1, keepdims=True) - low + F(0)) / F(top)  # no -0
    factor = inverse(d)
    return Codes(truncated((x - low) * factor + F(0.5), top, d, factor), d, low)


# Four and five bits: element j is in the low half of a byte, j + 16 in the high one; bit 4 apart


def quantize_q4_0(x: Array) -> Fields:
    """quantize_row_q4_0_ref: the step is the largest magnitude, with its sign, over -8."""
    found = asymmetric(x, 8)
    return {"d": half(found.d), "qs": packed(found.codes, 4, 16)}


def read_q4_0(f: Fields) -> Parts:
    return Parts(unpacked(f["qs"], 4, 16), numbers(f["d"]))


def quantize_q4_1(x: Array) -> Fields:
    """quantize_row_q4_1_ref: 15 steps from the least to the greatest number."""
    codes, d, low = ranged(x, 15)
    assert low is not None
    return {"d": half(d), "m": half(low), "qs": packed(codes, 4, 16)}


def read_q4_1(f: Fields) -> Parts:
    return Parts(unpacked(f["qs"], 4, 16), numbers(f["d"]), numbers(f["m"]))


def _five_bits(codes: Array) -> Fields:
    return {"qh": packed(codes >> 4, 1, 1), "qs": packed(codes & 15, 4, 16)}


def _read_five_bits(f: Fields) -> Array:
    return unpacked(f["qs"], 4, 16) | unpacked(f["qh"], 1, 1) << 4


def quantize_q5_0(x: Array) -> Fields:
    """quantize_row_q5_0_ref: as Q4_0, over -16."""
    found = asymmetric(x, 16)
    return {"d": half(found.d), **_five_bits(found.codes)}


def read_q5_0(f: Fields) -> Parts:
    return Parts(_read_five_bits(f), numbers(f["d"]))


def quantize_q5_1(x: Array) -> Fields:
    """quantize_row_q5_1_ref: as Q4_1, 31 steps."""
    codes, d, low = ranged(x, 31)
    assert low is not None
    return {"d": half(d), "m": half(low), **_five_bits(codes)}


def read_q5_1(f: Fields) -> Parts:
    return Parts(_read_five_bits(f), numbers(f["d"]), numbers(f["m"]))


# Eight bits


def quantize_q8_0(x: Array) -> Fields:
    """quantize_row_q8_0_ref: the step is the largest magnitude over 127."""
    found = symmetric(x, 127)
    return {"d": half(found.d), "qs": found.codes.view(np.uint8)}


def read_q8_0(f: Fields) -> Parts:
    return Parts(f["qs"].view(np.int8), numbers(f["d"]))


def quantize_q8_1(x: Array) -> Fields:
    """quantize_row_q8_1_ref: as Q8_0, and s is the sum of the codes times the step."""
    found = symmetric(x, 127)
    total = found.codes.sum(axis=1, keepdims=True, dtype=np.int32)
    return {"d": half(found.d), "s": half(total.astype(F) * found.d), "qs": found.codes.view(np.uint8)}


def quantize_q8_k(x: Array) -> Fields:
    """quantize_row_q8_K_ref: as Q8_0 with a float32, the largest magnitude being -127, and sums of 16 codes. C
    leaves the sums of a block of zeros as they were; here they are 0."""
    factor = np.divide(F(-127), peak(x, 1), out=np.zeros((len(x), 1), F), where=peak(x, 1) != 0)
    codes = np.minimum(nearest(factor * x), 127).astype(np.int8)
    sums = codes.reshape(len(x), 16, 16).sum(axis=2, dtype=np.int16).astype("<i2")
    d = inverse(factor).astype("<f4")
    return {"d": d.view(np.uint8), "qs": codes.view(np.uint8), "bsums": sums.view(np.uint8)}


def read_q8_k(f: Fields) -> Parts:
    return Parts(f["qs"].view(np.int8), numbers(f["d"], "<f4"))


# MXFP4


def quantize_mxfp4(x: Array) -> Fields:
    """quantize_row_mxfp4_ref. The exponent is floor(log2(absmax)) - 2 of the logarithm in float32, which just
    below a power of two is that power's own; below 2**-125 it wraps around, and all codes are 0. Each number
    takes the nearest element, the first by code of two as near.

    numfmt's `mxfp4` is the OCP format: powers of two are told exactly, ties go to the even element.
    """
    absmax = np.abs(x).max(axis=1, keepdims=True)
    logarithm = np.log2(absmax.astype(np.float64), where=absmax > 0, out=np.full(absmax.shape, -125.0))
    e = (np.floor(logarithm.astype(F)).astype(np.int32) + 125).astype(np.uint8)
    unit = half_power(e)
    codes, least = np.zeros(x.shape, np.uint8), np.abs(x)
    for code in range(1, 16):
        error = np.abs(E2M1_DOUBLED[code] * unit - x)
        codes[error < least] = code
        least = np.minimum(error, least)
    return {"e": e, "qs": packed(codes, 4, 16)}


def half_power(e: Array) -> Array:
    """2**(e - 128), float32 (ggml_e8m0_to_fp32_half): 255 is a number too."""
    wide = e.astype(np.uint32)
    return np.where(e < 2, np.uint32(0x00200000) << wide, (wide - 1) << 23).astype(np.uint32).view(F)


def read_mxfp4(f: Fields) -> Parts:
    return Parts(unpacked(f["qs"], 4, 16), half_power(f["e"]))
