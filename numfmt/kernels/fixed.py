"""Fixed point: the formulas and the loops around them.

The first formula leaves rounding to the adder; the second knows every mode and every overflow, and
takes numbers apart as integer significand and exponent, so that 64-bit integers stay exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .parameters import AdderParameters, GridParameters, IntegerParameters
from .words import (
    add,
    and_,
    count_real,
    invert,
    load,
    load_word,
    or_,
    put,
    put_code,
    real,
    select,
    shl,
    shr,
    significand,
    sub,
    umax,
    umin,
    word,
    xor,
)  # fmt: skip

NOISE_BITS = np.uint32(32)


def adding(p: Any) -> AdderParameters:
    return AdderParameters(*p)


def grid(p: Any) -> GridParameters:
    return GridParameters(*p)


def counting(p: Any) -> IntegerParameters:
    return IntegerParameters(*p)


def nearest_sum(b: Any, a: Any, q: Any) -> Any:
    """x in steps, saturated, plus a number whose ulp is one step: the adder rounds, ties to even."""
    t = real(b) * real(q.scale)
    low, high = real(q.low), real(q.high)
    t = select(t < low, low, t)
    t = select(t > high, high, t)
    return t + real(q.magic)


def value_of_sum(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    y = word((nearest_sum(b, a, q) - real(q.magic)) * real(q.step))
    return select(a > q.inf, q.nan, y)


def code_of_sum(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    return select(a > q.inf, q.nan, sub(word(nearest_sum(b, a, q)), q.magic))


def dropped(m: Any, d: Any, q: Any) -> Any:
    """The lowest `d` bits of m as a fraction of one word; what lies deeper is one sticky bit, or no
    bit for a draw, which looks no deeper."""
    near = select(d == q.zero, q.zero, shl(m, and_(sub(q.zero, d), q.last)))
    sticky = select(m == q.zero, q.zero, q.sticky)
    far = or_(shr(m, umin(sub(umax(d, q.width), q.width), q.last)), sticky)
    return select(d > q.width, far, near)


def kept(m: Any, d: Any, q: Any) -> Any:
    return select(d > q.last, q.zero, shr(m, umin(d, q.last)))


def grows(whole: Any, part: Any, negative: Any, q: Any) -> Any:
    """1 where the magnitude grows in a deterministic mode."""
    up = xor(q.base, and_(negative, q.neg))
    up = select(and_(whole, q.one) == q.zero, up, xor(up, q.odd))
    return select(part > select(up == q.zero, q.above, q.above_up), q.one, q.zero)


def drawn(part: Any, noise: Any, q: Any) -> Any:
    """1 where the draw takes the greater magnitude: the carry of part + noise, random bits at the
    top of a word, written out because the compiler's own carry flag is no vector instruction."""
    carry = or_(and_(part, noise), and_(or_(part, noise), invert(add(part, noise))))
    return shr(carry, q.last)


def in_range(size: Any, lost: Any, a: Any, negative: Any, q: Any) -> Any:
    """The integer for a rounded magnitude, as a word: overflow, NaN and sign."""
    k = sub(xor(size, negative), negative)
    over = or_(
        select(size > select(negative == q.zero, q.max_pos, q.max_neg), q.one, q.zero),
        select(lost > q.zero, q.one, q.zero),
    )
    # 1. sign-magnitude wrapping inverts every other turn
    other = or_(and_(shr(k, q.turn_top), q.turn_zero), and_(negative, q.turn_sign))
    turn = and_(xor(xor(shr(k, q.turn), other), q.turn_base), q.turns)
    low = and_(xor(k, sub(q.zero, turn)), q.low)
    # 2. what the policy keeps of k, and what it forces by sign; then two's complement
    folded = or_(low, select(negative == q.zero, q.over_pos, q.over_neg))
    k = select(over == q.zero, k, sub(xor(folded, q.sign), q.sign))
    return select(a > q.inf, q.nan, k)


def left(m: Any, u: Any, q: Any) -> Any:
    """m * 2**u modulo the word."""
    return select(u > q.last, q.zero, shl(m, umin(u, q.last)))


def lost_left(m: Any, u: Any, q: Any) -> Any:
    """Not 0 where `left` loses bits."""
    bound = select(u > q.last, q.zero, shr(q.ones, umin(u, q.last)))
    return select(m > bound, q.one, q.zero)


def integer_of(parts: Any, q: Any) -> Any:
    a, negative, m, e = parts
    d, u = sub(umax(q.point, e), e), sub(umax(e, q.point), q.point)
    whole = kept(m, d, q)
    up = grows(whole, dropped(m, d, q), negative, q)
    return in_range(add(left(whole, u, q), up), lost_left(m, u, q), a, negative, q)


def integer_drawn(parts: Any, noise: Any, q: Any) -> Any:
    a, negative, m, e = parts
    d, u = sub(umax(q.point, e), e), sub(umax(e, q.point), q.point)
    whole = kept(m, d, q)
    up = drawn(dropped(m, d, q), noise, q)
    return in_range(add(left(whole, u, q), up), lost_left(m, u, q), a, negative, q)


def value_fixed_even(x: Any, out: Any, p: Any) -> Any:
    q = adding(p)
    peak = q.magnitude ^ q.magnitude
    for i in range(x.size):
        b = word(load(x[i], q.magnitude))
        put(out, i, real(value_of_sum(b, q)))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def code_fixed_even(x: Any, out: Any, p: Any) -> Any:
    q = adding(p)
    peak = q.magnitude ^ q.magnitude
    for i in range(x.size):
        b = word(load(x[i], q.magnitude))
        put_code(out, i, code_of_sum(b, q))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def value_fixed(x: Any, out: Any, p: Any) -> Any:
    q = grid(p)
    peak = q.zero
    for i in range(x.size):
        parts = significand(x[i], q.zero)
        put(out, i, count_real(integer_of(parts, q)) * real(q.step))
        peak = umax(peak, parts[0])
    return peak


def code_fixed(x: Any, out: Any, p: Any) -> Any:
    q = grid(p)
    peak = q.zero
    for i in range(x.size):
        parts = significand(x[i], q.zero)
        put_code(out, i, integer_of(parts, q))
        peak = umax(peak, parts[0])
    return peak


def value_fixed_stochastic(x: Any, noise: Any, out: Any, p: Any) -> Any:
    q = grid(p)
    peak = q.zero
    up = sub(q.width, load_word(NOISE_BITS, q.zero))
    for i in range(x.size):
        parts = significand(x[i], q.zero)
        n = or_(shl(load_word(noise[i], q.zero), up), q.half_draw)
        put(out, i, count_real(integer_drawn(parts, n, q)) * real(q.step))
        peak = umax(peak, parts[0])
    return peak


def code_fixed_stochastic(x: Any, noise: Any, out: Any, p: Any) -> Any:
    q = grid(p)
    peak = q.zero
    up = sub(q.width, load_word(NOISE_BITS, q.zero))
    for i in range(x.size):
        parts = significand(x[i], q.zero)
        n = or_(shl(load_word(noise[i], q.zero), up), q.half_draw)
        put_code(out, i, integer_drawn(parts, n, q))
        peak = umax(peak, parts[0])
    return peak


def decode_fixed(codes: Any, out: Any, p: Any) -> Any:
    q = counting(p)
    peak = q.mask ^ q.mask
    for i in range(codes.size):
        c = and_(load_word(codes[i], q.mask), q.mask)
        put(out, i, count_real(sub(xor(c, q.sign), q.sign)) * real(q.step))
        peak = umax(peak, c)
    return peak
