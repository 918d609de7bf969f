"""Real multipliers as integers: q * 2**(shift - 31), and the three ways to multiply by one.

"double" rounds twice, as gemmlowp does and TFLite's source by default; "single" rounds once
(TFLITE_SINGLE_ROUNDING, CMSIS-NN with its switch, ruy's portable code); "neon" rounds twice, the second
time with ties upwards (TFLite's code for Arm, ruy's vectorised code). ruy was run, in LiteRT 2.3 on x86;
the code for Arm was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import choose
from .arguments import INT32, Array, Range, integers, reals, whole, wrapped
from .primitives import high_mul, nearest_away, scaled_by_pot, shifted_away, shifted_up

SHIFTS: dict[str, Range] = {"double": (-31, 31), "single": (-31, 30), "neon": (-31, 31)}
PAST_SHIFTS = ". Real multipliers lie from 2**-32 to 2**31, single ones to 2**30: change their scales"
MULTIPLIERS: dict[str, Range] = {"double": INT32, "single": (0, INT32[1]), "neon": INT32}
WIDE_SHIFTS, WIDE_REACH = (-31, 7), 1 << 47


def quantize_multiplier(m: Any, rounding: str = "double") -> tuple[Any, Any]:
    """A real multiplier as an integer and a power of two: m is about q * 2**(shift - 31).

    TFLite's QuantizeMultiplier (quantization_util.cc): \\|q\\| lies in 2**30 ... 2**31 - 1, ties go
    away from zero; what is below 2**-32 becomes (0, 0). From 2**31 on the shift is above 31, which no
    multiplication and no stage takes.

    Parameters
    ----------
    m : real number or array_like of them, any shape; finite, taken as float64
    rounding : "double", "single" or "neon"
        Of the multiplication it is for. "single" caps shifts at 30, as (2**31 - 1, 30), and takes no
        negative multiplier.

    Returns
    -------
    (q, shift) : two integers, or two int32 arrays of the shape of `m`

    Raises
    ------
    ValueError : NaN, infinities; negative multipliers for "single"
    TypeError : no real numbers
    SpecError : unknown rounding

    >>> quantize_multiplier(0.75), quantize_multiplier(1e-5)
    ((1610612736, 0), (1407374884, -16))
    >>> quantize_multiplier([0.5, 0.0, 3.0])
    (array([1073741824,          0, 1610612736], dtype=int32), array([0, 0, 2], dtype=int32))
    """
    real = _real(m, choose("rounding", rounding, SHIFTS))
    fraction, shift = np.frexp(real)
    q = nearest_away(fraction * 2.0**31).astype(np.int64)
    carried = abs(q) == 1 << 31
    q, shift = np.where(carried, q >> 1, q), shift + carried
    lost = (shift < -31) | (q == 0)
    q, shift = np.where(lost, 0, q), np.where(lost, 0, shift)
    if rounding == "single":
        q, shift = np.where(shift > SHIFTS[rounding][1], INT32[1], q), np.minimum(shift, SHIFTS[rounding][1])
    return (q.astype(np.int32), shift.astype(np.int32)) if real.ndim else (int(q), int(shift))


def _real(m: Any, rounding: str) -> Array:
    real = reals(m, "multiplier")
    bad = ~np.isfinite(real) | (real < 0 if rounding == "single" else False)
    if bad.any():
        first = real[bad].reshape(-1)[0]
        wanted = "finite and at least 0 for rounding='single'" if rounding == "single" else "finite"
        raise ValueError(f"multiplier {first:g}: it has to be {wanted}. Look at the scales it comes from")
    return real


def multiply_by_quantized_multiplier(x: Any, q: Any, shift: Any, rounding: str = "double") -> Any:
    """x * q * 2**(shift - 31), rounded to int32: TFLite's MultiplyByQuantizedMultiplier (common.h).

    With left = max(shift, 0) and right = max(-shift, 0):

    - "double": x << left wraps; the high half of twice the product with q
      (`saturating_rounding_doubling_high_mul`); `rounding_divide_by_pot` by right
    - "neon": the same, with the ties of `vrshl` in the last step
    - "single": (x q + 2**(30 - shift)) >> (31 - shift), once; what int32 does not hold wraps, where
      the library asserts

    Parameters
    ----------
    x : integers that int32 holds, any shape
    q, shift : as `quantize_multiplier` gives them; integers or arrays that broadcast with x
        Shifts from -31 to 31, for "single" to 30; for "single" q is at least 0.
    rounding : "double", "single" or "neon"

    Returns
    -------
    int32 ndarray or scalar

    Raises
    ------
    TypeError : floats
    ValueError : x, q or shift outside its range, where the library is undefined
    SpecError : unknown rounding

    >>> [multiply_by_quantized_multiplier(-1000, 2**31 - 1, -4, r).item() for r in ("double", "single", "neon")]
    [-63, -62, -62]
    """
    choose("rounding", rounding, SHIFTS)
    number, by = integers(x, "x"), integers(q, "q", MULTIPLIERS[rounding])
    places = integers(shift, "shift", SHIFTS[rounding], PAST_SHIFTS)
    *_, (_, result) = multiplied(number, by, places, rounding)
    return result[()]


def multiplied(x: Array, q: Array, shift: Array, rounding: str) -> Iterator[tuple[str, Array]]:
    """The steps of the multiplication, each with its name and int32 result; arguments are int64."""
    if rounding == "single":
        yield "product, rounded", wrapped(shifted_up(x * q, 31 - shift))
        return
    high = wrapped(high_mul(wrapped(x << np.maximum(shift, 0)).astype(np.int64), q))
    yield "high product", high
    divide = shifted_up if rounding == "neon" else shifted_away
    yield "rounding shift", wrapped(divide(high.astype(np.int64), np.maximum(-shift, 0)))


def multiply_int64_by_quantized_multiplier(x: Any, q: Any, shift: Any) -> Any:
    """The same for the int64 accumulators of 16-bit activations and 8-bit weights.

    TFLite's overload of MultiplyByQuantizedMultiplier for int64: q is cut to 16 bits, q16 =
    (q + 2**15) >> 16, at most 0x7FFF; the result is (x q16 + 2**(14 - shift)) >> (15 - shift). What int32
    does not hold wraps, where the library asserts. LiteRT 2.3 on x86 does not do so, as run: it
    multiplies in float64, ``RequantizeFloat(m, to="int16", library="litert")``.

    Parameters
    ----------
    x : integers from -2**47 to 2**47 - 1, any shape
    q : integers, at least 0
    shift : integers, -31 to 7

    Returns
    -------
    int32 ndarray or scalar

    Raises
    ------
    TypeError, ValueError : as above

    >>> multiply_int64_by_quantized_multiplier(2**47 - 1, 2**31 - 1, -31)
    np.int32(65534)
    """
    number = integers(x, "x", (-WIDE_REACH, WIDE_REACH - 1))
    by = integers(q, "q", MULTIPLIERS["single"])
    places = integers(shift, "shift", WIDE_SHIFTS)
    return wrapped(shifted_up(number * np.minimum((by + (1 << 15)) >> 16, 0x7FFF), 15 - places))[()]


# What TFLite's kernels prepare


def inverse_sqrt_multiplier(x: Any) -> tuple[int, int]:
    """1 / sqrt(x) as (q, shift): TFLite's GetInvSqrtQuantizedMultiplierExp, with left shifts positive.

    Parameters
    ----------
    x : int, 0 to 2**31 - 1; 0 counts as 1

    >>> inverse_sqrt_multiplier(2), inverse_sqrt_multiplier(100)
    ((1518498372, 0), (214748363, 0))
    """
    n = whole(x, "x", (0, INT32[1]))
    if n <= 1:
        return INT32[1], 0
    right = 11
    while n >= 1 << 29:
        n, right = n >> 2, right + 1
    pairs = (
        31 - n.bit_length()
    ) // 2 - 1  # n becomes 2**27 ... 2**29 - 1, a half up to 2 with 3 integer bits
    q, right = _inverse_sqrt(n << 2 * pairs), right - pairs
    return (q << -right, 0) if right < 0 else (q, -right)


def _inverse_sqrt(n: int) -> int:
    """Five Newton steps x (3 - n x**2) / 2 from 1, in fixed point with 3 integer bits."""
    x, half = np.int64(1 << 28), shifted_away(np.int64(n >> 1), 1)
    for _ in range(5):
        cube = scaled_by_pot(high_mul(high_mul(x, x), x), 6)
        x = scaled_by_pot(high_mul(x, 3 << 27) - high_mul(half, cube), 3)
    return int(high_mul(x, 1518500250))  # sqrt(1/2)


def softmax_scaling(beta: float, input_scale: float, integer_bits: int) -> tuple[int, int]:
    """The multiplier of differences before exp: TFLite's PreprocessSoftmaxScaling, double rounding.

    beta * input_scale * 2**(31 - integer_bits), at most 2**31 - 1, as (q, left shift).

    Parameters
    ----------
    beta, input_scale : float
    integer_bits : int, 0 to 31, of exp's fixed-point argument

    Raises
    ------
    ValueError : the product is not above 1, which the library asserts

    >>> softmax_scaling(1.0, 8.0, 4)
    (1073741824, 31)
    """
    real = beta * input_scale * 2.0 ** (31 - whole(integer_bits, "integer_bits", (0, 31)))
    if not real > 1:
        raise ValueError(
            f"beta * input_scale * 2**(31 - integer_bits) is {real:g} and has to be above 1: give fewer integer bits"
        )
    return quantize_multiplier(min(real, 2.0**31 - 1))


def input_radius(integer_bits: int, left_shift: int, total_signed_bits: int = 31) -> int:
    """The largest input that does not overflow when it is shifted: TFLite's CalculateInputRadius.

    floor((2**integer_bits - 1) * 2**(total_signed_bits - integer_bits) / 2**left_shift).

    Parameters
    ----------
    integer_bits : int, 0 to total_signed_bits
    left_shift : int, 0 to 62
    total_signed_bits : int, 0 to 31

    >>> input_radius(4, 27), input_radius(3, 28)
    (15, 7)
    """
    total = whole(total_signed_bits, "total_signed_bits", (0, 31))
    bits = whole(integer_bits, "integer_bits", (0, total))
    return ((1 << bits) - 1 << total - bits) >> whole(left_shift, "left_shift", (0, 62))
