"""The numpy engine: the formulas of `kernels.floats`, `.fixed`, `.codebook` and `.odd` on whole blocks of an array.

Same names and arguments as the compiled loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import codebook, fixed, floats, odd
from ..kernels.floats import decoding, rounding
from ..kernels.words import and_, count_real, load, load_word, or_, real, shl, significand, sub, xor
from ..noise import BLOCK, words

SIZE = 65536  # elements whose words and temporaries stay in the second-level cache


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + SIZE) for start in range(0, n, SIZE)]


def _loaded(x: Any, p: Any) -> Any:
    """The words of a block of numbers."""
    like = p[:0]
    same = x.dtype.kind == "f" and x.dtype.itemsize == like.dtype.itemsize
    return (x if same else load(x, like)).view(p.dtype)


def _round(formula: Any, x: Any, out: Any, p: Any, noise: Any = None) -> Any:
    q = rounding(p)
    values = out.dtype.kind == "f"
    peak = q.zero
    up = sub(q.width, load_word(floats.NOISE_BITS, q.zero))
    with np.errstate(all="ignore"):
        for part in _blocks(x.size):
            b = _loaded(x[part], p)
            drawn = () if noise is None else (or_(shl(noise[part].astype(p.dtype), up), q.half_draw),)
            peak = max(peak, and_(b, q.magnitude).max())
            y = formula(b, *drawn, q)
            out[part] = y.view(f"f{p.dtype.itemsize}") if values else y
    return peak


def value_even(x: Any, out: Any, p: Any) -> Any:
    """`floats.value_of_even` in fewer passes, for blocks without overflow and NaN."""
    q = rounding(p)
    steps = _even_steps(q)
    if steps is None or out.dtype.itemsize != p.dtype.itemsize:
        return _round(floats.value_of_even, x, out, p)
    peak, words = q.zero, out.view(p.dtype)
    scratch = np.empty((2, min(SIZE, x.size)), p.dtype)
    with np.errstate(all="ignore"):
        for part in _blocks(x.size):
            b = _loaded(x[part], p)
            a, t = scratch[:, : b.size]
            np.bitwise_and(b, q.magnitude, out=a)
            largest = a.max()
            peak = max(peak, largest)
            if largest > q.max_pos:
                words[part] = floats.value_of_even(b, q)
                continue
            steps(a, t)
            np.bitwise_xor(a, b, out=a)
            if q.zero_sign:
                a[t < q.zero_sign] = q.zero
            np.bitwise_or(t, a, out=words[part])
    return peak


def _even_steps(q: Any) -> Any:
    """A function of (magnitudes, result): `floats.add_half` where the word's own subnormals do,
    `floats.even_adder` where it can."""
    if not q.magic_limit:
        return lambda a, t: _add_half(a, t, q)
    return (lambda a, t: _even_adder(a, t, q)) if q.adder else None


def _add_half(a: Any, t: Any, q: Any) -> None:
    np.right_shift(a, q.cut, out=t)
    np.bitwise_and(t, q.lsb, out=t)
    np.add(t, q.half, out=t)
    np.add(t, a, out=t)
    np.bitwise_and(t, q.keep, out=t)


def _even_adder(a: Any, t: Any, q: Any) -> None:
    np.bitwise_and(a, q.inf, out=t)
    np.add(t, q.adder, out=t)
    np.maximum(t, q.magic, out=t)
    great = real(t)
    np.subtract(np.add(real(a), great), great, out=great)


value_even_adder = value_even_own = value_even


def value_even_unsigned(x: Any, out: Any, p: Any) -> Any:
    return _round(floats.value_of_even_unsigned, x, out, p)


def value_even_in_place(x: Any, p: Any) -> Any:
    return value_even(x, x, p)


def value_directed(x: Any, out: Any, p: Any) -> Any:
    return _round(floats.value_of_directed, x, out, p)


def value_stochastic(x: Any, noise: Any, out: Any, p: Any) -> Any:
    return _round(floats.value_of_stochastic, x, out, p, noise)


def code_even(x: Any, out: Any, p: Any) -> Any:
    return _round(floats.code_of_even, x, out, p)


def code_even_unsigned(x: Any, out: Any, p: Any) -> Any:
    return _round(floats.code_of_even_unsigned, x, out, p)


def code_directed(x: Any, out: Any, p: Any) -> Any:
    return _round(floats.code_of_directed, x, out, p)


def code_stochastic(x: Any, noise: Any, out: Any, p: Any) -> Any:
    return _round(floats.code_of_stochastic, x, out, p, noise)


def _add(formula: Any, x: Any, out: Any, p: Any) -> Any:
    q = fixed.adding(p)
    peak = p.dtype.type(0)
    with np.errstate(all="ignore"):
        for part in _blocks(x.size):
            b = _loaded(x[part], p)
            peak = max(peak, and_(b, q.magnitude).max())
            y = formula(b, q)
            out[part] = real(y) if out.dtype.kind == "f" else y
    return peak


def value_fixed_even(x: Any, out: Any, p: Any) -> Any:
    return _add(fixed.value_of_sum, x, out, p)


def code_fixed_even(x: Any, out: Any, p: Any) -> Any:
    return _add(fixed.code_of_sum, x, out, p)


def _count(x: Any, noise: Any, out: Any, p: Any) -> Any:
    """Integers in every mode and overflow; as values, times the step."""
    q = fixed.grid(p)
    peak = q.zero
    up = sub(q.width, load_word(fixed.NOISE_BITS, q.zero))
    with np.errstate(all="ignore"):
        for part in _blocks(x.size):
            parts = significand(x[part], q.zero)
            peak = max(peak, parts[0].max())
            if noise is None:
                k = fixed.integer_of(parts, q)
            else:
                drawn = or_(shl(noise[part].astype(p.dtype), up), q.half_draw)
                k = fixed.integer_drawn(parts, drawn, q)
            out[part] = count_real(k) * real(q.step) if out.dtype.kind == "f" else k
    return peak


def value_fixed(x: Any, out: Any, p: Any) -> Any:
    return _count(x, None, out, p)


def value_fixed_stochastic(x: Any, noise: Any, out: Any, p: Any) -> Any:
    return _count(x, noise, out, p)


code_fixed, code_fixed_stochastic = value_fixed, value_fixed_stochastic


def decode_fixed(codes: Any, out: Any, p: Any) -> Any:
    q = fixed.counting(p)
    peak = p.dtype.type(0)
    for part in _blocks(codes.size):
        c = and_(load_word(codes[part], q.mask), q.mask)
        out[part] = count_real(sub(xor(c, q.sign), q.sign)) * real(q.step)
        peak = max(peak, c.max())
    return peak


def _find(formula: Any, x: Any, out: Any, p: Any, q: Any) -> Any:
    """Results of a formula of words."""
    peak = q.zero
    for part in _blocks(x.size):
        with np.errstate(all="ignore"):
            b = _loaded(x[part], p)
            peak = max(peak, and_(b, q.magnitude).max())
            y = formula(b)
            out[part] = real(y) if out.dtype.kind == "f" else y
    return peak


def value_steps(x: Any, out: Any, p: Any) -> Any:
    q = codebook.stepping(p)
    return _find(lambda b: codebook.stepped(codebook.ordered(b, q), q, p), x, out, p, q)


def value_lookup(x: Any, out: Any, p: Any) -> Any:
    q = codebook.looking(p)
    table, thresholds, results = codebook.parts(p, q)

    def formula(b: Any) -> Any:
        k = table[codebook.bucket(b, q)]
        return results[codebook.located(codebook.ordered(b, q), k, q, thresholds)]

    return _find(formula, x, out, p, q)


def value_tree(x: Any, out: Any, p: Any) -> Any:
    q = codebook.branching(p)
    _, thresholds, results = codebook.boughs(p)

    def formula(b: Any) -> Any:
        return results[np.searchsorted(thresholds, codebook.ordered(b, q), side="right")]

    return _find(formula, x, out, p, q)


code_steps, code_lookup, code_tree = value_steps, value_lookup, value_tree


def decode_table(codes: Any, out: Any, p: Any) -> Any:
    mask, values = p[0], real(p[1:])
    peak = p.dtype.type(0)
    for part in _blocks(codes.size):
        c = load_word(codes[part], mask)
        out[part] = values[and_(c, mask)]
        peak = max(peak, c.max())
    return peak


def decode_codes(codes: Any, out: Any, p: Any) -> Any:
    q = decoding(p)
    peak = p.dtype.type(0)
    for part in _blocks(codes.size):
        c = load_word(codes[part], q.magnitude)
        with np.errstate(all="ignore"):
            out[part] = floats.decode(c, q).view(f"f{p.dtype.itemsize}")
        peak = max(peak, c.max())
    return peak


def fill_noise(out: Any, p: Any) -> None:
    k0, k1, low, high, first = map(int, p)
    out[:] = words(k1 << 32 | k0, first * BLOCK, out.size, high << 32 | low)


def _odd(formula: Any) -> Any:
    """The loop of a formula of float64 numbers."""

    def loop(*arrays: Any) -> None:
        *given, out = arrays
        with np.errstate(all="ignore"):
            for part in _blocks(out.size):
                out[part] = formula(*(load(x[part], odd.ZERO) for x in given))

    return loop


def _quiet(formula: Any) -> Any:
    return _odd(lambda *given: odd.quiet(formula(*given)))


add_odd, sub_odd, mul_odd = map(_quiet, (odd.odd_sum, odd.odd_difference, odd.product))
div_odd, sqrt_odd, fma_odd = map(_quiet, (odd.odd_quotient, odd.odd_root, odd.odd_fused))
convert_odd = _odd(lambda x: x)


def flag(w: Any, r: Any, out: Any, ends: Any) -> None:
    with np.errstate(all="ignore"):
        for part in _blocks(out.size):
            out[part] = odd.exceptions(w[part], load(r[part], odd.ZERO), *ends)
