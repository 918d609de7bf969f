"""Arithmetic of float32 numbers, exact or rounded to odd in float64, and the loops around it.

A result rounded to odd has 53 bits, the last of which is 1 if bits are lost below: a later rounding to at most
51 bits, in any mode, gives what rounding the exact result would (Boldo and Melquiond, "Emulation of FMA and
correctly rounded sums: proved algorithms using rounding to odd", IEEE Trans. Computers 57(4), 2008).

Operands are floats with 24 significant bits from 2**-149 to 2**128, so that no step meets the ends of float64:
products are exact, and so is what a sum, a quotient or a root leaves over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .words import and_, load, or_, put, real, select, shr, sub, umax, umin, word, xor

ZERO, ONE, TOP = np.uint64(0), np.uint64(1), np.uint64(63)
SIGN = np.uint64(1 << 63)
NAN = np.float64(np.nan)
NONE, SINGLE_ONE, SINGLE_TOP = np.uint32(0), np.uint32(1), np.uint32(31)
MAGNITUDE, NO_LEAST = np.uint32(0x7FFFFFFF), np.uint32(0xFFFFFFFF)
LEAST, MOST = np.uint32((27 << 23) - 1), np.uint32(227 << 23)  # words of 2**-100, less one, and of 2**100
SPLITTER = np.float64((1 << 27) + 1)  # Dekker (1971): a product with it parts 53 bits in two halves


def stepped(s: Any, rest: Any) -> Any:
    """`s`, nearest to a number that is `rest` away, rounded to odd; as it is where `rest` is 0 or NaN."""
    b = word(s)
    inward = shr(xor(b, word(rest)), TOP)  # 1 where the number is nearer to 0
    return real(select(np.abs(rest) > 0, or_(sub(b, inward), ONE), b))


def two_sum(a: Any, b: Any) -> Any:
    """a + b, and what it lacks: Knuth's TwoSum (The Art of Computer Programming 2, 4.2.2, theorem B)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def odd_sum(a: Any, b: Any) -> Any:
    """a + b of float64."""
    total, rest = two_sum(a, b)
    return stepped(total, rest)


def odd_difference(a: Any, b: Any) -> Any:
    return odd_sum(a, -b)


def product(a: Any, b: Any) -> Any:
    return a * b


def odd_fused(a: Any, b: Any, c: Any) -> Any:
    return odd_sum(a * b, c)


def halves(x: Any) -> Any:
    """Two numbers of 26 bits with the sum x."""
    large = SPLITTER * x
    high = large - (large - x)
    return high, x - high


def odd_quotient(a: Any, b: Any) -> Any:
    q = a / b
    high, low = halves(q)
    rest = (a - high * b) - low * b
    return stepped(q, real(xor(word(rest), and_(word(b), SIGN))))


def odd_root(a: Any) -> Any:
    s = np.sqrt(a)
    high, low = halves(s)
    rest = ((a - high * high) - (high + high) * low) - low * low
    return stepped(s, rest)


def quiet(x: Any) -> Any:
    """x, with the positive NaN for any."""
    return select(x != x, NAN, x)


# The loops


def add_odd(x: Any, y: Any, out: Any) -> None:
    for i in range(out.size):
        put(out, i, quiet(odd_sum(load(x[i], ZERO), load(y[i], ZERO))))


def sub_odd(x: Any, y: Any, out: Any) -> None:
    for i in range(out.size):
        put(out, i, quiet(odd_difference(load(x[i], ZERO), load(y[i], ZERO))))


def mul_odd(x: Any, y: Any, out: Any) -> None:
    for i in range(out.size):
        put(out, i, quiet(product(load(x[i], ZERO), load(y[i], ZERO))))


def div_odd(x: Any, y: Any, out: Any) -> None:
    for i in range(out.size):
        put(out, i, quiet(odd_quotient(load(x[i], ZERO), load(y[i], ZERO))))


def sqrt_odd(x: Any, out: Any) -> None:
    for i in range(out.size):
        put(out, i, quiet(odd_root(load(x[i], ZERO))))


def fma_odd(x: Any, y: Any, z: Any, out: Any) -> None:
    for i in range(out.size):
        put(out, i, quiet(odd_fused(load(x[i], ZERO), load(y[i], ZERO), load(z[i], ZERO))))


def convert_odd(x: Any, out: Any) -> None:
    for i in range(out.size):
        put(out, i, load(x[i], ZERO))


# The same rounded to odd in float32, for formats of at most 22 bits. Each loop says whether some number other than 0
# lies outside 2**-100 to 2**100, where a step may have met the ends of float32 or a CPU that flushes subnormals: then
# its results do not count. Sums of numbers that are inside are safe.


def smaller(least: Any, x: Any) -> Any:
    """The lesser magnitude word, less one: 0 is greater than all."""
    return umin(least, sub(and_(word(x), MAGNITUDE), SINGLE_ONE))


def greater(most: Any, x: Any) -> Any:
    return umax(most, and_(word(x), MAGNITUDE))


def outside(least: Any, most: Any) -> Any:
    """1 for magnitude words that no step is safe with, else 0."""
    return select(least < LEAST, SINGLE_ONE, select(most > MOST, SINGLE_ONE, NONE))


def stepped_single(s: Any, rest: Any) -> Any:
    """`stepped` of float32 numbers."""
    b = word(s)
    inward = shr(xor(b, word(rest)), SINGLE_TOP)
    return real(select(np.abs(rest) > 0, or_(sub(b, inward), SINGLE_ONE), b))


def residue(a: Any, b: Any, p: Any) -> Any:
    """a * b - p of float32 numbers, where p is near and the difference one of them."""
    return np.asarray(np.multiply(a, b, dtype=np.float64) - p, np.float32)


def single_sum(a: Any, b: Any) -> Any:
    total, rest = two_sum(a, b)
    return stepped_single(total, rest)


def single_difference(a: Any, b: Any) -> Any:
    return single_sum(a, -b)


def single_product(a: Any, b: Any) -> Any:
    p = a * b
    return stepped_single(p, residue(a, b, p))


def add_single(x: Any, y: Any, out: Any) -> Any:
    least, most = NO_LEAST, NONE
    for i in range(out.size):
        out[i] = single_sum(x[i], y[i])
        least, most = smaller(smaller(least, x[i]), y[i]), greater(greater(most, x[i]), y[i])
    return outside(least, most)


def sub_single(x: Any, y: Any, out: Any) -> Any:
    least, most = NO_LEAST, NONE
    for i in range(out.size):
        out[i] = single_difference(x[i], y[i])
        least, most = smaller(smaller(least, x[i]), y[i]), greater(greater(most, x[i]), y[i])
    return outside(least, most)


def mul_single(x: Any, y: Any, out: Any) -> Any:
    least, most = NO_LEAST, NONE
    for i in range(out.size):
        r = single_product(x[i], y[i])
        least, most = smaller(smaller(least, x[i]), y[i]), greater(greater(most, x[i]), y[i])
        least, most = smaller(least, r), greater(most, r)
        out[i] = r
    return outside(least, most)


# Exceptions, in the order of Berkeley TestFloat's flags

INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID = 1, 2, 4, 8, 16


def exceptions(w: Any, r: Any, low: Any, high: Any, tiny_low: Any, tiny_high: Any) -> Any:
    """Of a number `w` that became `r`; 0 where it is infinite or NaN."""
    over = (w <= low) | (w >= high)
    inexact = (r != w) | over
    tiny = inexact & (w > tiny_low) & (w < tiny_high)
    return (INEXACT * inexact + UNDERFLOW * tiny + OVERFLOW * over) * (np.abs(w) < np.inf)


def flag(w: Any, r: Any, out: Any, ends: Any) -> None:
    for i in range(out.size):
        out[i] = exceptions(w[i], load(r[i], ZERO), ends[0], ends[1], ends[2], ends[3])
