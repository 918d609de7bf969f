"""Fixed-point exp, logistic and tanh, bit for bit as gemmlowp computes them.

A raw integer of B = 16 or 32 bits with I integer bits stands for raw * 2**(I + 1 - B). Results have
no integer bits: the raw maximum stands for 1. Formulas and constants are those of
fixedpoint/fixedpoint.h, as scalar and SSE4 code compute them; 16-bit constants are the 32-bit ones, rounded.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .arguments import Array, raw, reals, whole
from .primitives import high_mul, nearest_away, scaled_by_pot, shifted_away

# exp(-2**k) for k = -2 ... 4, raw without integer bits
POWERS = {
    -2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242,
}  # fmt: skip
EXP_MINUS_EIGHTH, THIRD = 1895147668, 715827883
DIVISION_START, DIVISION_SLOPE = 1515870810, -1010580540  # 48/17 and -32/17, with two integer bits
HALF = 1 << 30


class Arithmetic(NamedTuple):
    """Operations on raw integers of so many bits, kept in int64."""

    bits: int

    @property
    def one(self) -> int:
        """1 without integer bits: the raw maximum."""
        return (1 << (self.bits - 1)) - 1

    def constant(self, raw32: int) -> Any:
        return np.int64(raw32) if self.bits == 32 else shifted_away(np.int64(raw32), 16)

    def mul(self, a: Any, b: Any) -> Array:
        return high_mul(a, b, self.bits)

    def by_pot(self, x: Any, exponent: int) -> Array:
        return scaled_by_pot(x, exponent, self.bits)

    def wrap(self, x: Any) -> Array:
        return x.astype(f"i{self.bits // 8}").astype(np.int64)


# The definitions, on int64 arrays


def _exp_near_zero(a: Array, of: Arithmetic) -> Array:
    """exp on [-1/4, 0): a Taylor polynomial about -1/8. No integer bits."""
    x = of.wrap(a + (1 << (of.bits - 4)))
    x2 = of.mul(x, x)
    x3, x4 = of.mul(x2, x), of.mul(x2, x2)
    cubic = of.mul(of.wrap(of.by_pot(x4, -2) + x3), of.constant(THIRD))
    t = of.by_pot(of.wrap(cubic + x2), -1)
    c = of.constant(EXP_MINUS_EIGHTH)
    return of.wrap(c + of.mul(c, of.wrap(x + t)))  # gemmlowp saturates 16 bits, which none of them needs


def _exp(a: Array, integer_bits: int, of: Arithmetic) -> Array:
    """exp of a <= 0: the part within a quarter by the polynomial, the rest by the bits of its size."""
    fraction_bits = of.bits - 1 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    near = (a & (quarter - 1)) - quarter
    result, rest = _exp_near_zero(of.by_pot(near, integer_bits), of), near - a
    for k, power in POWERS.items():
        if k < integer_bits:
            held = rest & (1 << (fraction_bits + k)) != 0
            result = np.where(held, of.mul(result, of.constant(power)), result)
    if integer_bits > 5:
        result = np.where(a < -32 << fraction_bits, 0, result)
    return np.where(a == 0, of.one, result)


def _half_reciprocal(a: Array, of: Arithmetic) -> Array:
    """2 / (1 + a) for a in [0, 1], with two integer bits: three Newton steps."""
    half = shifted_away(a + of.one, 1)
    x = of.wrap(of.constant(DIVISION_START) + of.mul(half, of.constant(DIVISION_SLOPE)))
    for _ in range(3):
        error = of.wrap((1 << (of.bits - 3)) - of.mul(half, x))
        x = of.wrap(x + of.by_pot(of.mul(x, error), 2))
    return x


def _reciprocal(a: Array, of: Arithmetic) -> Array:
    return of.by_pot(_half_reciprocal(a, of), 1)


def _ratio(a: Array, of: Arithmetic) -> Array:
    return of.by_pot(of.wrap(_half_reciprocal(a, of) - (1 << (of.bits - 3))), 2)


def _logistic(a: Array, integer_bits: int, of: Arithmetic) -> Array:
    positive = _reciprocal(_exp(-np.abs(a), integer_bits, of), of)
    return np.where(a == 0, of.constant(HALF), np.where(a > 0, positive, of.one - positive))


def _tanh(a: Array, integer_bits: int, of: Arithmetic) -> Array:
    positive = _ratio(_exp(-np.abs(a), integer_bits + 1, of), of)
    return np.where(a == 0, 0, np.where(a > 0, positive, of.wrap(-positive)))


tanh32 = partial(_tanh, of=Arithmetic(32))


# What is public


def exp_on_negative_values(a: Any, integer_bits: int) -> Any:
    """exp(a) for a <= 0: gemmlowp's exp_on_negative_values.

    Parameters
    ----------
    a : int32 or int16, any shape; raw, at most 0. Lists and plain integers are int32
    integer_bits : int, 0 to 29, for int16 to 13

    Returns
    -------
    ndarray or scalar, of the dtype of `a`: raw, without integer bits

    Raises
    ------
    TypeError : neither int32 nor int16
    ValueError : a raw above 0, integer_bits outside its range

    >>> to_double(exp_on_negative_values(from_double([-1.0, -0.5], 5), 5)).round(5)
    array([0.36788, 0.60653])
    """
    number, dtype, of = _raw(a)
    if (number > 0).any():
        raise ValueError(f"exp_on_negative_values takes raws of at most 0, got {int(number.max())}")
    return _exp(number, _integer_bits(integer_bits, of, 3), of).astype(dtype)[()]


def one_over_one_plus_x(a: Any) -> Any:
    """1 / (1 + a) for a in [0, 1]: gemmlowp's one_over_one_plus_x_for_x_in_0_1.

    Parameters
    ----------
    a : int32 or int16, any shape; raw without integer bits, at least 0

    >>> one_over_one_plus_x([0, 2**30])
    array([2147483647, 1431655762], dtype=int32)
    """
    number, dtype, of = _raw(a)
    return _reciprocal(_at_least_0(number), of).astype(dtype)[()]


def one_minus_x_over_one_plus_x(a: Any) -> Any:
    """(1 - a) / (1 + a) for a in [0, 1]: gemmlowp's one_minus_x_over_one_plus_x_for_x_in_0_1.

    Parameters
    ----------
    a : int32 or int16, any shape; raw without integer bits, at least 0

    >>> one_minus_x_over_one_plus_x([2**29, 2**31 - 1])
    array([1288490180,         -8], dtype=int32)
    """
    number, dtype, of = _raw(a)
    return _ratio(_at_least_0(number), of).astype(dtype)[()]


def logistic(a: Any, integer_bits: int) -> Any:
    """1 / (1 + exp(-a)): gemmlowp's logistic.

    Parameters
    ----------
    a : int32 or int16, any shape; raw
    integer_bits : int, 0 to 29, for int16 to 13

    >>> logistic([0, 2**27, -(2**27)], 4)
    array([1073741824, 1569936226,  577547421], dtype=int32)
    """
    number, dtype, of = _raw(a)
    return _logistic(number, _integer_bits(integer_bits, of, 3), of).astype(dtype)[()]


def tanh(a: Any, integer_bits: int) -> Any:
    """tanh(a): gemmlowp's tanh.

    Parameters
    ----------
    a : int32 or int16, any shape; raw
    integer_bits : int, 0 to 28, for int16 to 12

    >>> tanh(np.array([2048, -2048], np.int16), 3)
    array([ 15136, -15136], dtype=int16)
    """
    number, dtype, of = _raw(a)
    return _tanh(number, _integer_bits(integer_bits, of, 4), of).astype(dtype)[()]


def from_double(x: Any, integer_bits: int, bits: int = 32) -> Any:
    """Real numbers as raws: ties away from zero, saturated. gemmlowp's FixedPoint::FromDouble.

    Parameters
    ----------
    x : real numbers, any shape, no NaN
    integer_bits : int, 0 to bits - 1
    bits : 32 or 16

    >>> from_double([0.5, -1.0, 1.0], 0)
    array([ 1073741824, -2147483648,  2147483647], dtype=int32)
    """
    of = Arithmetic(_width(bits))
    steps = np.ldexp(reals(x, "from_double"), bits - 1 - _integer_bits(integer_bits, of, 1))
    if np.isnan(steps).any():
        raise ValueError("from_double: a NaN has no raw. Take NaNs out first")
    return nearest_away(np.clip(steps, -of.one - 1, of.one)).astype(f"i{bits // 8}")[()]


def to_double(a: Any, integer_bits: int = 0) -> Any:
    """The real numbers that raws stand for, float64.

    Parameters
    ----------
    a : int32 or int16, any shape
    integer_bits : int, 0 to 31, for int16 to 15

    >>> to_double(np.int16([16384, -32768]), 0)
    array([ 0.5, -1. ])
    """
    number, _, of = _raw(a)
    return np.ldexp(number.astype(np.float64), _integer_bits(integer_bits, of, 1) + 1 - of.bits)[()]


def _raw(a: Any) -> tuple[Array, Any, Arithmetic]:
    number, dtype = raw(a, "raw")
    return number, dtype, Arithmetic(8 * dtype.itemsize)


def _integer_bits(given: Any, of: Arithmetic, spared: int) -> int:
    return whole(given, "integer_bits", (0, of.bits - spared))


def _at_least_0(number: Array) -> Array:
    if (number < 0).any():
        raise ValueError(f"raws are at least 0 here, got {int(number.min())}")
    return number


def _width(bits: int) -> int:
    if bits not in (16, 32):
        raise ValueError(f"bits is 16 or 32, got {bits!r}")
    return bits
