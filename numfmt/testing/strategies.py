"""Hypothesis strategies: codes and values of any format, and formats. They shrink toward simple ones: 0, 1, small
integers, then fractions of few bits; specials come last.

>>> from hypothesis import find
>>> find(values("e4m3fn"), lambda x: x > 100)
104.0
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..format import Format, Value, floor_rank, is_special
from ..reference import is_negative
from ..registry import element, list_formats, parse

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "numfmt.testing.strategies needs hypothesis: python -m pip install hypothesis"
    ) from error

LISTED = 16  # bits: of these formats all codes are put in order
NEAR = 16  # integers that come before other numbers
SUFFIXES = ("", "fn", "fnuz", "fin")


def codes(fmt: Any, *, specials: bool = True) -> st.SearchStrategy[int]:
    """Codes of an element format, as unsigned integers; edges more often than others.

    Parameters
    ----------
    fmt : str, Format or dtype
    specials : bool
        Whether infinities and NaN are among them.

    >>> from hypothesis import find
    >>> hex(find(codes("bf16"), lambda code: code > 0x8000))  # past -0
    '0xbf80'
    """
    form = element(fmt)
    telling = st.sampled_from(_telling(form, specials))
    if form.bits <= LISTED:
        return st.one_of(st.sampled_from(_ordered(form, specials)), telling)
    return st.one_of(telling, st.integers(*form.span).map(form.code_at))


def values(fmt: Any, *, specials: bool = True) -> st.SearchStrategy[Any]:
    """Values of an element format: Python floats, of formats that exceed float64 `Fraction`s.

    >>> from hypothesis import find
    >>> find(values("f32"), lambda x: x < 0)
    -1.0
    """
    form = element(fmt)

    def value(code: int) -> Value:
        exact = form.value(code)
        return exact if form.exceeds_float64 else float(exact)

    return codes(form, specials=specials).map(value)


def formats(*, max_bits: int = 64) -> st.SearchStrategy[Format]:
    """Element formats of at most so many bits: those with names, and floats of any split.

    >>> from hypothesis import find
    >>> find(formats(), lambda fmt: fmt.bits >= 8).bits
    8
    """
    named = [fmt for fmt in map(parse, list_formats()) if isinstance(fmt, Format) and fmt.bits <= max_bits]
    named.sort(key=lambda fmt: (fmt.bits, str(fmt)))
    splits = st.tuples(st.integers(2, 8), st.integers(1, 23), st.sampled_from(SUFFIXES))
    floats = splits.filter(lambda s: 1 + s[0] + s[1] <= max_bits).map(_float)
    return st.one_of(st.sampled_from(named), floats)


def _float(split: tuple[int, int, str]) -> Format:
    return element("e{}m{}{}".format(*split))


def simplicity(value: Value) -> tuple[Any, ...]:
    """A key that sorts values as people do: integers by size, then fractions, specials last.

    >>> sorted([0.25, -1.0, Fraction(3), 1.0, float("inf"), 0.0], key=simplicity)
    [0.0, 1.0, -1.0, Fraction(3, 1), 0.25, inf]
    """
    if is_special(value):
        return (2, value != value, is_negative(value))
    exact = Fraction(value)
    return (exact.denominator > 1, exact.denominator, abs(exact.numerator), is_negative(value))


@lru_cache(maxsize=32)
def _ordered(fmt: Format, specials: bool) -> list[int]:
    """All codes, the simplest first."""
    kept = [c for c in fmt.codes() if c != fmt.left_out]
    valued = [(simplicity(fmt.value(c)), c) for c in kept if specials or not is_special(fmt.value(c))]
    return [code for _, code in sorted(valued)]


def _telling(fmt: Format, specials: bool) -> list[int]:
    """Small integers, the least numbers, the ends, specials: the simplest first."""
    low, high = fmt.span
    integers = [_rank_of(n, fmt) for n in range(-NEAR, NEAR + 1)]
    around = [low, low + 1, high - 1, high, *(rank for rank in integers if rank is not None)]
    if fmt.zero() is not None:
        zero = fmt.rank(fmt.zero() or 0)
        around += range(zero - 3, zero + 3)
    found = {fmt.code_at(rank) for rank in around if low <= rank <= high}
    special = [c for sign in (False, True) for c in (fmt.infinity(sign), fmt.nan(sign)) if c is not None]
    return sorted(
        {*found, *(special if specials else ())}, key=lambda code: (simplicity(fmt.value(code)), code)
    )


def _rank_of(x: int, fmt: Format) -> int | None:
    """The rank of a number that is a value."""
    if not fmt.min <= x <= fmt.max:
        return None
    rank = floor_rank(fmt, Fraction(x), *fmt.span)
    return rank if fmt.at(rank) == x else None
