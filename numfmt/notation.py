"""How numbers, codes and bits are written."""

from __future__ import annotations

import math
from decimal import Context
from fractions import Fraction

from .format import Format, Value, by_powers, exponent

_SHORT = 128  # bits of a fraction that is written out
_PLAIN = 27  # characters of a number without an exponent


def hexadecimal(code: int, bits: int) -> str:
    """A code with all its digits; of a negative one its two's complement.

    >>> hexadecimal(7, 8)
    '0x07'
    """
    return f"0x{code & ((1 << bits) - 1):0{-(-bits // 4)}X}"


def split_bits(code: int, fmt: Format) -> str:
    """The bits of a code, fields parted by `|`.

    >>> split_bits(0x7E, numfmt.parse("e4m3fn"))
    '0|1111|110'
    """
    text, parts, at = f"{code & ((1 << fmt.bits) - 1):0{fmt.bits}b}", [], 0
    for _, width in fmt.fields:
        parts.append(text[at : at + width])
        at += width
    return "|".join(parts)


def number_text(x: Value) -> str:
    """A number exactly where that is short, else with 17 digits and its place as a fraction.

    >>> from fractions import Fraction
    >>> number_text(Fraction(13, 128)), number_text(Fraction(1, 3))
    ('0.1015625', '0.33333333333333333 (1/3)')
    """
    if isinstance(x, float):
        return repr(x)
    text = _decimal(x)
    if text is not None:
        return text
    near = _scientific(x)
    short = x.numerator.bit_length() + x.denominator.bit_length() <= _SHORT
    return f"{near} ({x})" if short else near


def _decimal(x: Fraction) -> str | None:
    """The exact decimal of a dyadic value, None where it is long."""
    context = Context(prec=25)
    value = context.divide(x.numerator, x.denominator)
    if Fraction(value) != x:
        return None
    short = value.normalize(context)
    plain = f"{short:f}" if abs(short.adjusted()) < _PLAIN else ""
    return plain if 0 < len(plain) <= _PLAIN else str(short)


def _scientific(x: Fraction) -> str:
    value = Context(prec=17).divide(x.numerator, x.denominator)
    return f"{value:f}" if 1e-5 <= abs(value) < 1e17 else str(value)


def log10(x: Fraction) -> float:
    """log10 of a positive value of any size."""
    return math.log10(x.numerator) - math.log10(x.denominator)


def power_text(x: Fraction) -> str:
    """`2**-24`, `1.75 * 2**15`, or `2**31 - 1` where six digits are too few.

    >>> from fractions import Fraction
    >>> power_text(Fraction(448)), power_text(Fraction(2**31 - 1))
    ('1.75 * 2**8', '2**31 - 1')
    """
    if x == 0:
        return "0"
    e = exponent(abs(x))
    m = x / Fraction(2) ** e
    digits = f"{float(m):.6g}"
    if abs(m) == 1:
        return f"{'-' * (m < 0)}2**{e}"
    exact = None if Fraction(digits) == m else by_powers(x)
    return exact or f"{digits} * 2**{e}"
