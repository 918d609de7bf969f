"""Binary floats: one formula for each kind of rounding, and the loops around them.

`b` is the word of x, `a` its magnitude, `negative` all ones where x < 0, `q` the parameters.
A rounding mode is the number added before truncating; nothing branches on data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .parameters import DecodingParameters, RoundingParameters
from .words import (
    add,
    and_,
    invert,
    load,
    load_word,
    or_,
    put,
    real,
    select,
    shl,
    shr,
    sub,
    umax,
    umin,
    word,
    xor,
)  # fmt: skip

NOISE_BITS = np.uint32(32)


def rounding(p: Any) -> RoundingParameters:
    return RoundingParameters(*p)


def decoding(p: Any) -> DecodingParameters:
    return DecodingParameters(*p)


def add_half(a: Any, q: Any) -> Any:
    """|x| rounded to the bits kept in the normal range, ties to even, as a word: half of what is
    dropped is added, less one where the kept part is even."""
    return and_(add(add(a, q.half), and_(xor(shr(a, q.cut), q.flip), q.lsb)), q.keep)


def nearest_even(a: Any, q: Any) -> Any:
    """|x| to the grid continued without end, as a word. Below the least normal the adder itself
    rounds, exactly, at the ulp of the magic number."""
    magic = real(q.magic)
    return select(a < q.magic_limit, word((real(a) + magic) - magic), add_half(a, q))


def even_adder(a: Any, q: Any) -> Any:
    """`nearest_even` by the adder alone: the ulp of the great term, a power of two as far above x
    as bits are dropped, is the last bit kept. Overflowing x are brought near the last value."""
    small = umin(a, q.clamp)
    great = real(umax(add(and_(small, q.inf), q.adder), q.magic))
    return word((real(small) + great) - great)


def code_nearest_even(a: Any, r: Any, q: Any) -> Any:
    """The magnitude code of `nearest_even`, from `r = add_half(a)`: subnormals are counted by
    the low bits of the magic sum."""
    count = sub(word(real(a) + real(q.magic)), q.magic)
    return select(a < q.magic_limit, count, shr(sub(r, q.rebias), q.cut))


def directed(a: Any, negative: Any, q: Any) -> Any:
    """|x| to the grid continued without end in any deterministic mode, as a word."""
    # 1. how many low bits go: more and more of them below the least normal
    e = shr(a, q.fraction_bits)
    d = sub(umax(e, q.emin), sub(e, q.cut))
    bit = shl(q.one, d)
    low = sub(bit, q.one)
    # 2. does the magnitude grow (on the tie, or anywhere)? the implicit bit counts for parity
    kept = xor(or_(a, q.implied), q.parity)
    up = xor(q.base, and_(negative, q.neg))
    up = select(and_(kept, bit) != q.zero, xor(up, q.odd), up)
    # 3. add and truncate
    r = and_(add(a, and_(add(shr(low, q.half_shift), up), low)), invert(low))
    # 4. below the quantum one comparison decides
    grown = a >= xor(q.tiny_pos, and_(negative, q.tiny_x))
    return select(a < q.tiny_limit, select(grown, q.quantum, q.tiny_result), r)


def stochastic(a: Any, noise: Any, negative: Any, q: Any) -> Any:
    """|x| to the grid continued without end; `noise` is random bits at the top of a word."""
    e = shr(a, q.fraction_bits)
    d = sub(umax(e, q.emin), sub(e, q.cut))
    low = sub(shl(q.one, d), q.one)
    # 1. the noise, aligned to the bits that go
    r = and_(add(a, and_(shr(noise, sub(q.width, d)), low)), invert(low))
    # 2. below the quantum: |x| / quantum as a binary fraction of one word, against the noise
    significand = select(e > q.zero, or_(and_(a, q.fraction), q.implicit), shl(a, q.one))
    d = add(d, q.tiny_bits)
    kept = shl(significand, sub(q.width, umin(d, q.width)))
    share = shr(kept, umin(sub(umax(d, q.width), q.width), q.top))
    grown = share > invert(noise)
    grown = or_(grown, a >= xor(q.tiny_pos, and_(negative, q.tiny_x)))
    return select(a < q.tiny_limit, select(grown, q.quantum, q.tiny_result), r)


def code(r: Any, q: Any) -> Any:
    """The magnitude code of a value of the format: normals are re-biased, subnormals counted."""
    magic = real(q.magic)
    return select(r < q.magic_limit, sub(word(real(r) + magic), q.magic), shr(sub(r, q.rebias), q.cut))


def finish_even(r: Any, y: Any, a: Any, sign: Any, q: Any) -> Any:
    """Overflow, NaN and sign around `y`, the value or code of `r`: one special for all overflow,
    and NaN keeps its sign. `sign` is the sign bit of x, where the result has it."""
    y = select(r > q.max_pos, q.over_pos, y)
    y = select(a > q.inf, q.nan, y)
    return or_(y, select(y < q.zero_sign, q.zero, sign))


def finish_even_unsigned(r: Any, y: Any, a: Any, b: Any, q: Any) -> Any:
    """The same for a format without negative values: they are rejected (and 0 where it is none),
    and there is no sign."""
    y = select(r > q.max_pos, q.over_pos, y)
    y = select(sub(b, q.no_zero) > q.neg_limit, q.over_neg, y)
    return select(a > q.inf, or_(q.nan, and_(xor(a, b), q.nan_sign)), y)


def finish(r: Any, y: Any, a: Any, sign: Any, negative: Any, q: Any) -> Any:
    """Overflow, sign and NaN around `y`, with results that differ by sign and for infinity."""
    over = xor(q.over_pos, and_(negative, q.over_x))
    over = select(a == q.inf, xor(q.inf_pos, and_(negative, q.inf_x)), over)
    y = select(r > xor(q.max_pos, and_(negative, q.max_x)), over, y)
    y = or_(y, select(y < q.zero_sign, q.zero, sign))
    return select(a > q.inf, or_(q.nan, and_(sign, q.nan_sign)), y)


def decode(c: Any, q: Any) -> Any:
    """The value of a code, as a word."""
    mag = and_(c, q.magnitude)
    magic = real(q.magic)
    low = word(real(add(q.magic, and_(mag, q.subnormal))) - magic)
    r = select(mag < q.normal, low, add(shl(mag, q.cut), q.rebias))
    r = select(mag > q.max_mag, select(mag == q.inf_mag, q.inf, q.nan), r)
    r = or_(r, and_(shl(c, q.sign_shift), q.sign))
    return select(c == q.nan_code, q.nan, r)


def value_of_even(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    r = nearest_even(a, q)
    return finish_even(r, r, a, xor(a, b), q)


def value_of_even_adder(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    r = even_adder(a, q)
    return finish_even(r, r, a, xor(a, b), q)


def value_of_even_own(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    r = add_half(a, q)
    return finish_even(r, r, a, xor(a, b), q)


def value_of_even_unsigned(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    r = umax(nearest_even(a, q), q.least)
    return finish_even_unsigned(r, r, a, b, q)


def value_of_directed(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    negative = sub(q.zero, shr(b, q.top))
    r = directed(a, negative, q)
    return finish(r, r, a, xor(a, b), negative, q)


def value_of_stochastic(b: Any, noise: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    negative = sub(q.zero, shr(b, q.top))
    r = stochastic(a, noise, negative, q)
    return finish(r, r, a, xor(a, b), negative, q)


def code_of_even(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    r = add_half(a, q)
    return finish_even(r, code_nearest_even(a, r, q), a, shr(xor(a, b), q.sign_shift), q)


def code_of_even_unsigned(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    r = umax(add_half(a, q), q.least)
    return finish_even_unsigned(r, code_nearest_even(a, r, q), a, b, q)


def code_of_directed(b: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    negative = sub(q.zero, shr(b, q.top))
    r = directed(a, negative, q)
    return finish(r, code(r, q), a, shr(xor(a, b), q.sign_shift), negative, q)


def code_of_stochastic(b: Any, noise: Any, q: Any) -> Any:
    a = and_(b, q.magnitude)
    negative = sub(q.zero, shr(b, q.top))
    r = stochastic(a, noise, negative, q)
    return finish(r, code(r, q), a, shr(xor(a, b), q.sign_shift), negative, q)


# The loops. Each returns the largest magnitude word (or code) it met, so that NaN, overflow and
# codes out of range are seen without a second pass. They are written out, one for each formula:
# numba would compile a loop that takes or closes over a function anew in every process.


def value_even(x: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        put(out, i, real(value_of_even(b, q)))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def value_even_adder(x: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        put(out, i, real(value_of_even_adder(b, q)))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def value_even_own(x: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        put(out, i, real(value_of_even_own(b, q)))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def value_even_unsigned(x: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        put(out, i, real(value_of_even_unsigned(b, q)))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def value_even_in_place(x: Any, p: Any) -> Any:
    """One array, not two that might overlap: the compiler need not ask."""
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(x[i])
        x[i] = real(value_of_even(b, q))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def value_directed(x: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        put(out, i, real(value_of_directed(b, q)))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def value_stochastic(x: Any, noise: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    up = sub(q.width, load_word(NOISE_BITS, q.zero))
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        n = or_(shl(load_word(noise[i], q.zero), up), q.half_draw)
        put(out, i, real(value_of_stochastic(b, n, q)))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def code_even(x: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        out[i] = code_of_even(b, q)
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def code_even_unsigned(x: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        out[i] = code_of_even_unsigned(b, q)
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def code_directed(x: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        out[i] = code_of_directed(b, q)
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def code_stochastic(x: Any, noise: Any, out: Any, p: Any) -> Any:
    q = rounding(p)
    peak = q.zero
    up = sub(q.width, load_word(NOISE_BITS, q.zero))
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        n = or_(shl(load_word(noise[i], q.zero), up), q.half_draw)
        out[i] = code_of_stochastic(b, n, q)
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def decode_codes(codes: Any, out: Any, p: Any) -> Any:
    q = decoding(p)
    peak = q.magnitude ^ q.magnitude
    for i in range(codes.size):
        c = load_word(codes[i], q.magnitude)
        put(out, i, real(decode(c, q)))
        peak = umax(peak, c)
    return peak
