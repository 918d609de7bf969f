"""Operations on words: a uint32 seen as a float32, a uint64 as a float64.

They work on arrays and on NumPy scalars, wrap silently, and keep the width of their operands.
`compiled` gives each one its machine instruction.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

add = np.add
sub = np.subtract
and_ = np.bitwise_and
or_ = np.bitwise_or
xor = np.bitwise_xor
invert = np.invert
shl = np.left_shift
shr = np.right_shift
umax = np.maximum
umin = np.minimum

EXACT = np.uint64(1 << 53)  # integers below it are float64s
LOW = np.uint64(2047)  # the bits that a 64-bit integer may have beyond 53
LOW_CLEARED, ODD = np.uint64(0xFFFFFFFFFFFFF800), np.uint64(2048)
FLOAT = {4: np.float32, 8: np.float64}
WORD = {4: np.uint32, 8: np.uint64}
INTEGER = {4: np.int32, 8: np.int64}


class Layout(NamedTuple):
    """The fields of a float, as words of its width."""

    magnitude: Any
    fraction: Any
    fraction_bits: Any
    implicit: Any
    top: Any
    one: Any
    unit: Any  # the biased exponent whose significands count ones


def _layout(word: Any, bits: int, fraction_bits: int, bias: int) -> Layout:
    return Layout(
        *map(
            word,
            (
                (1 << (bits - 1)) - 1, (1 << fraction_bits) - 1, fraction_bits, 1 << fraction_bits,
                bits - 1, 1, bias + fraction_bits,
            ),
        )
    )  # fmt: skip


SINGLE = _layout(np.uint32, 32, 23, 127)
DOUBLE = _layout(np.uint64, 64, 52, 1023)
LAYOUT = {4: SINGLE, 8: DOUBLE}


def word(x: Any) -> Any:
    """The bits of a float."""
    return x.view(WORD[x.dtype.itemsize])


def real(w: Any) -> Any:
    """The float of these bits."""
    return w.view(FLOAT[w.dtype.itemsize])


def select(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`."""
    if not np.any(condition):
        return no
    return np.where(condition, yes, no)


def load(x: Any, like: Any) -> Any:
    """A number as the float whose word `like` is; 64-bit integers are rounded to odd."""
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8:
        return odd_integer(x)
    return x.astype(FLOAT[like.dtype.itemsize])


def odd_integer(x: Any) -> Any:
    """int64 or uint64 to float64: from 2**53 on the low 11 bits become one odd bit, which no later
    rounding to at most 41 bits can tell from them."""
    negative = x < 0
    size = np.where(negative, np.negative(x), x).astype(np.uint64)
    kept = and_(size, LOW_CLEARED)
    sticky = np.where(and_(size, LOW) != 0, ODD, np.uint64(0))
    size = np.where(size >= EXACT, or_(kept, sticky), size)
    value = size.astype(np.float64)
    return np.where(negative, -value, value)


def significand(x: Any, like: Any) -> Any:
    """(magnitude word, all ones where negative, m, e) with |x| = m * 2**(e - unit), m an integer;
    the magnitude word of a 64-bit integer is that of a float64 near it."""
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8:
        m = np.where(x < 0, np.negative(x), x).astype(np.uint64)
        negative = sub(like, np.asarray(x < 0).astype(np.uint64))
        return word(m.astype(np.float64)), negative, m, DOUBLE.unit
    return parted(word(load(x, like)), LAYOUT[like.dtype.itemsize])


def parted(b: Any, of: Layout) -> Any:
    """`significand` of the word of a float."""
    a = and_(b, of.magnitude)
    e, fraction = shr(a, of.fraction_bits), and_(a, of.fraction)
    m = select(e < of.one, fraction, or_(fraction, of.implicit))
    return a, sub(sub(of.one, of.one), shr(b, of.top)), m, umax(e, of.one)


def count_real(k: Any) -> Any:
    """The float of a two's-complement integer in a word, small enough to be exact."""
    return k.view(INTEGER[k.dtype.itemsize]).astype(FLOAT[k.dtype.itemsize])


def load_word(code: Any, like: Any) -> Any:
    """A code as a word of the width of `like`; signed codes keep their low bits."""
    return code.astype(like.dtype)


def put_code(out: Any, i: Any, k: Any) -> None:
    """`out[i] = k`, the low bits of a word."""
    out[i] = k.astype(out.dtype)


def put(out: Any, i: Any, x: Any) -> None:
    """`out[i] = x`, where `x` fits the dtype of `out` exactly."""
    out[i] = x
