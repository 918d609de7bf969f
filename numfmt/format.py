"""The contract of a format: an ordered finite set of values, with one code each."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property

FLOAT64_BITS = 53  # significant bits of a float64
Value = Fraction | float  # float only for -0.0, inf, -inf and nan


class Format(ABC):
    """An element format. A family says what each code means; all else follows from that.

    Finite values are numbered by `rank`, in order, -0 before +0; `span` holds the first and the
    last rank. A format knows no modes, no arrays, no kernels.
    """

    bits: int
    signed: bool
    default_overflow = "saturate"
    ties_away = False  # nearest_even sends every tie away from zero (no even significands)
    rejects_negatives = False  # x < 0 is not rounded: it gives the special
    edge_is_odd = (True, True)  # does to_odd stay at the last value? (above, below)
    uniform = False  # the values are rank * step: a grid that goes on, so that overflow can wrap
    left_out: int | None = None  # the one code without a value, where there is one
    signed_codes = False  # codes are two's complement: `encode` gives them as signed integers

    @abstractmethod
    def value(self, code: int) -> Value:
        """The exact value of a code: the definition of the format."""

    @property
    @abstractmethod
    def span(self) -> tuple[int, int]:
        """First and last rank of the finite values."""

    @abstractmethod
    def code_at(self, rank: int) -> int:
        """The code of the value of that rank."""

    @abstractmethod
    def rank(self, code: int) -> int:
        """The rank of a finite code; the inverse of `code_at`."""

    @property
    def step(self) -> Fraction | None:
        """Spacing of the grid continued past the last value; None: it ends there."""
        return None

    def infinity(self, negative: bool = False) -> int | None:
        """The code of that infinity, None where there is none."""
        return None

    def nan(self, negative: bool = False) -> int | None:
        """The canonical NaN code of that sign, None where there is none."""
        return None

    def zero(self, negative: bool = False) -> int | None:
        """The code of that zero; +0 where -0 does not exist, None without a zero."""
        plus, minus = self._zeros
        return minus if negative and minus is not None else plus

    @property
    def tie_mode(self) -> str:
        """The rounding mode that nearest_even stands for: its ties may be those of another."""
        return "nearest_away" if self.ties_away else "nearest_even"

    def guessed_rank(self, x: Fraction) -> int | None:
        """The rank that `floor_rank` looks at first, where a format has an idea; it need not be right."""
        return None

    def special(self, negative: bool = False) -> int:
        """What lies past the last value: infinity, else NaN, else the last value."""
        for code in (self.infinity(negative), self.nan(negative)):
            if code is not None:
                return code
        return self.edge(negative)

    def at(self, rank: int) -> Fraction:
        """The value of a rank; both zeros are 0."""
        return Fraction(self.value(self.code_at(rank)))

    def split(self, rank: int) -> Fraction:
        """The boundary between the values of `rank` and `rank + 1`."""
        return (self.at(rank) + self.at(rank + 1)) / 2

    def edge(self, negative: bool = False) -> int:
        """The code of the last value on that side."""
        return self.code_at(self.span[0 if negative else 1])

    def outward(self, code: int) -> int:
        """A code as `encode` gives it: in two's complement the upper half is negative."""
        return code - (1 << self.bits) if self.signed_codes and code >> (self.bits - 1) else code

    def is_odd(self, code: int) -> bool:
        return bool(code & 1)

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        """Bit fields, highest first, as (name, bits)."""
        return (("code", self.bits),)

    @cached_property
    def code_bits(self) -> int:
        """Bits of the narrowest unsigned NumPy integer that holds a code."""
        return max(8, 1 << (self.bits - 1).bit_length())

    @cached_property
    def boundary_bits(self) -> int:
        """Significant bits of a boundary between two values, at most; 64 where it is not known."""
        if self.bits > 16:
            return 64
        low, high = self.span
        return max(significant_bits(self.split(rank)) for rank in range(low, high))

    def fits(self, fraction_bits: int, emin: int, emax: int) -> bool:
        """Whether floats of so many fraction bits, normal from 2**emin to 2**(emax + 1), hold every
        finite value; all have -0, infinities and NaN."""
        return (
            self.boundary_bits - 1 <= fraction_bits + 1
            and exponent(self.largest) <= emax
            and (self.smallest / Fraction(2) ** (emin - fraction_bits)).denominator == 1
        )

    @property
    def exceeds_float64(self) -> bool:
        """Whether values have more significant bits than float64, as those of int64 do."""
        return self.boundary_bits > FLOAT64_BITS + 1

    @cached_property
    def max(self) -> Fraction:
        return self.at(self.span[1])

    @cached_property
    def min(self) -> Fraction:
        return self.at(self.span[0])

    @cached_property
    def largest(self) -> Fraction:
        """The largest magnitude."""
        return max(self.max, -self.min)

    @cached_property
    def smallest(self) -> Fraction:
        """The smallest positive value."""
        return self.at(self._first_positive)

    @cached_property
    def min_normal(self) -> Fraction:
        """The smallest positive value of full precision."""
        return self.smallest

    @cached_property
    def eps(self) -> Fraction | None:
        """Distance from 1 to the next value above; None where 1 is no value below the last."""
        low, high = self.span
        rank = floor_rank(self, Fraction(1), low, high)
        return None if rank == high or self.at(rank) != 1 else self.at(rank + 1) - 1

    @cached_property
    def _zeros(self) -> tuple[int | None, int | None]:
        """Codes of +0 and -0."""
        low, high = self.span
        if not self.at(low) <= 0 <= self.at(high):
            return None, None
        rank = floor_rank(self, Fraction(0), low, high)
        below = rank - 1
        pair = below >= low and self.at(below) == 0
        return self.code_at(rank), self.code_at(below) if pair else None

    @cached_property
    def _first_positive(self) -> int:
        low, high = self.span
        return low if self.at(low) > 0 else floor_rank(self, Fraction(0), low, high) + 1

    def values(self) -> Iterator[tuple[int, Fraction]]:
        """(code, value) of every finite value, in order."""
        for rank in range(self.span[0], self.span[1] + 1):
            code = self.code_at(rank)
            yield code, Fraction(self.value(code))

    def codes(self) -> range:
        """Every code, one that is left out among them."""
        return range(1 << self.bits)

    @property
    def range_text(self) -> str:
        """The least and the greatest value, as `-128 to 127` or `-1 to 1 - 2**-63`."""
        return f"{self.end_text(self.min)} to {self.end_text(self.max)}"

    def end_text(self, x: Fraction) -> str:
        """An end of the range, in six digits; on a grid as `grid_text` has it."""
        return grid_text(x) if self.uniform else f"{float(x):.6g}"

    def __repr__(self) -> str:
        if self.uniform:
            return f"<{self}: {self.bits} bits, {self.range_text}, step {grid_text(self.smallest)}>"
        low, high = float(self.smallest), float(self.max)
        specials = "".join(
            f", {name}" for name, code in (("inf", self.infinity()), ("nan", self.nan())) if code is not None
        )
        return f"<{self}: {self.bits} bits, {low:.6g} to {high:.6g}{specials}>"

    def _repr_html_(self) -> str:
        from .picture import format_html

        return format_html(self)


def floor_rank(fmt: Format, x: Fraction, low: int, high: int) -> int:
    """The greatest rank in low ... high whose value is at most `x`; value(low) <= x is known."""
    guess = fmt.guessed_rank(x)
    if guess is not None and low <= guess < high and fmt.at(guess) <= x < fmt.at(guess + 1):
        return guess
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fmt.at(middle) <= x else (low, middle - 1)
    return low


def grid_text(x: Fraction) -> str:
    """A value of a grid: six digits where ten would hold it, or an integer of up to ten digits; else
    a power of two and what it lacks of one.

    >>> [grid_text(Fraction(x)) for x in (15.99609375, 2**31 - 1, -(2**63))]
    ['15.9961', '2147483647', '-2**63']
    >>> grid_text(1 - Fraction(2) ** -63)
    '1 - 2**-63'
    """
    if x.denominator == 1 and abs(x) < 10**10:
        return str(x)
    if Fraction(f"{float(x):.10g}") == x:
        return f"{float(x):.6g}"
    return by_powers(x) or f"{float(x):.6g}"


def by_powers(x: Fraction) -> str | None:
    """A power of two, or one less another: `2**63 - 1`, `-1 + 2**-15`; None for any other value."""
    top = Fraction(2) ** (exponent(abs(x)) + (significant_bits(x) > 1))
    lacking = top - abs(x)
    if significant_bits(lacking) > 1:
        return None
    sign, join = ("-", "+") if x < 0 else ("", "-")
    short = lacking.denominator > 1 and top.denominator == 1 and top < 10**4
    lead = f"{sign}{top}" if short else f"{sign}2**{exponent(top)}"
    rest = lacking if lacking == 1 else f"2**{exponent(lacking)}" if lacking else ""
    return f"{lead} {join} {rest}" if rest else lead


def exponent(x: Fraction) -> int:
    """floor(log2(x)) of a positive x, exactly."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if x >= Fraction(2) ** e else e - 1


def significant_bits(x: Fraction) -> int:
    """Bits from the first to the last one of a dyadic value; 64 for any other."""
    if x.denominator & (x.denominator - 1):
        return 64
    n = abs(x.numerator)
    return n.bit_length() - ((n & -n).bit_length() - 1) if n else 0


def is_special(value: Value) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
