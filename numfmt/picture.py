"""The picture a notebook shows of a format: its bit fields, and its range in powers of ten."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from html import escape

from .format import Format
from .notation import log10

_COLOURS = ("#D55E00", "#56B4E9", "#F0E442", "#009E73", "#CC79A7")  # Okabe and Ito
_WIDTH = 480  # of the drawing, in pixels
_MARGIN = 24
_CELL = 20  # of one bit, at most
_BAR = "#0072B2"
_MINUS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def format_html(fmt: Format) -> str:
    """One self-contained HTML element, under 4 kB, without scripts.

    >>> format_html(numfmt.parse("e4m3fn")).startswith("<div")
    True
    """
    drawing = "".join((*_bits(fmt), *_range_bar(fmt)))
    return (
        '<div style="font-family:sans-serif;font-size:13px">'
        f"<div>{_legend(fmt)}</div>"
        f'<svg width="{_WIDTH}" height="74" viewBox="0 0 {_WIDTH} 74" role="img" '
        f'font-size="11" text-anchor="middle" fill="currentColor">'
        f"<title>{escape(repr(fmt))}</title>{drawing}</svg>"
        f"<div>{_sentence(fmt)}</div></div>"
    )


def _legend(fmt: Format) -> str:
    """The name of the format, then each field in its colour with its width."""
    parts = [f"<b>{escape(str(fmt))}</b>"]
    for i, (name, bits) in enumerate(fmt.fields):
        parts.append(f'<span style="{_paint(i)}">&nbsp;{escape(name)}&nbsp;</span>&nbsp;{bits}')
    return " &ensp; ".join(parts)


def _paint(index: int) -> str:
    return f"background:{_COLOURS[index % len(_COLOURS)]};color:#000"


def _bits(fmt: Format) -> Iterator[str]:
    """A box a field, a line a bit."""
    cell = min(_CELL, (_WIDTH - 2 * _MARGIN) / sum(bits for _, bits in fmt.fields))
    start = float(_MARGIN)
    for i, (_, bits) in enumerate(fmt.fields):
        end = start + bits * cell
        yield _box(start, end, 4, 18, _COLOURS[i % len(_COLOURS)], "#000")
        lines = "".join(f"M{start + k * cell:.1f} 4v18" for k in range(1, bits))
        yield f'<path d="{lines}" stroke="#000" stroke-opacity=".35"/>'
        start = end


def _box(start: float, end: float, top: int, height: int, fill: str, stroke: str) -> str:
    width = max(end - start, 1)
    return (
        f'<rect x="{start:.1f}" y="{top}" width="{width:.1f}" height="{height}" '
        f'fill="{fill}" stroke="{stroke}"/>'
    )


def _range_bar(fmt: Format) -> Iterator[str]:
    """Positive values on a scale of powers of ten; the subnormal ones in a lighter shade."""
    low, normal, high = map(log10, (fmt.smallest, fmt.min_normal, fmt.largest))
    first = math.floor(low)
    last = max(math.ceil(high), first + 1)

    def place(decade: float) -> float:
        return _MARGIN + (decade - first) / (last - first) * (_WIDTH - 2 * _MARGIN)

    if normal > low:
        yield _box(place(low), place(normal), 34, 12, "#A6CDE4", _BAR)
    yield _box(place(normal), place(high), 34, 12, _BAR, _BAR)
    yield f'<path d="M{place(first):.1f} 52H{place(last):.1f}" stroke="currentColor"/>'
    for decade in _ticks(first, last):
        yield f'<path d="M{place(decade):.1f} 52v4" stroke="currentColor"/>'
        yield f'<text x="{place(decade):.1f}" y="69">{power_of_ten(decade)}</text>'


def _ticks(first: int, last: int) -> range:
    """At most nine round decades; 10**0 is one of them where it is on the scale."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**3, 10**4) if (last - first) / s <= 8)
    return range(-(-first // step) * step, last + 1, step)


def _sentence(fmt: Format) -> str:
    """The same in words: the ends of the range, and the special values."""
    if fmt.uniform:
        least, greatest, step = map(fmt.end_text, (fmt.min, fmt.max, fmt.smallest))
        return f"{fmt.bits} bits: {least} … {greatest}, step {step}"
    subnormal = f"{number(fmt.smallest)} (subnormal), " if fmt.smallest < fmt.min_normal else ""
    sign = "±" if fmt.min < 0 else ""
    specials = [n for n, c in (("inf", fmt.infinity()), ("nan", fmt.nan())) if c is not None]
    if fmt.zero() is None:
        specials.append("no zero")
    ends = f"{fmt.bits} bits: {sign}{subnormal}{number(fmt.min_normal)} … {number(fmt.max)}"
    return escape("; ".join((ends, *specials)))


def log2(x: Fraction) -> float:
    """log2 of a positive x, also of one that no float64 holds."""
    return math.log2(x.numerator) - math.log2(x.denominator)


def number(x: Fraction) -> str:
    """Six digits of x, whatever its size.

    >>> from fractions import Fraction
    >>> number(Fraction(65504)), number(Fraction(1, 2**2000))
    ('65504', '8.70981e-603')
    """
    return f"{Decimal(x.numerator) / Decimal(x.denominator):.6g}"


def power_of_ten(decade: int) -> str:
    return "10" + str(decade).translate(_MINUS)
