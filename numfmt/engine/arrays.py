"""The numpy engine: the formulas of `kernels.floats` on whole blocks of an array.

Same names and arguments as the compiled loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import floats
from ..kernels.floats import decoding, rounding
from ..kernels.words import and_, load, load_word, shl, sub
from ..noise import BLOCK, words

SIZE = 16384  # elements whose words and temporaries stay in the second-level cache


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + SIZE) for start in range(0, n, SIZE)]


def _round(formula: Any, x: Any, out: Any, p: Any, noise: Any = None) -> Any:
    q = rounding(p)
    values = out.dtype.kind == "f"
    peak = q.zero
    up = sub(q.width, load_word(floats.NOISE_BITS, q.zero))
    with np.errstate(all="ignore"):
        for part in _blocks(x.size):
            b = load(x[part], q.zero).view(p.dtype)
            drawn = () if noise is None else (shl(noise[part].astype(p.dtype), up),)
            y = formula(b, *drawn, q)
            out[part] = y.view(f"f{p.dtype.itemsize}") if values else y
            peak = max(peak, and_(b, q.magnitude).max())
    return peak


def value_even(x: Any, out: Any, p: Any) -> Any:
    return _round(floats.value_of_even, x, out, p)


def value_even_unsigned(x: Any, out: Any, p: Any) -> Any:
    return _round(floats.value_of_even_unsigned, x, out, p)


def value_even_in_place(x: Any, p: Any) -> Any:
    return _round(floats.value_of_even, x, x, p)


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
