"""A float's guess of a rank is right, so that the reference need not search; a wrong one changes nothing."""

from fractions import Fraction

import pytest

from numfmt import parse
from numfmt.format import floor_rank
from numfmt.formats.floats import Float

SPECS = [
    "e4m3fn",
    "e5m2",
    "e2m1fn",
    "e4m3fnuz",
    "e8m0fnu",
    "e3m2fn",
    "binary8p3se",
    "binary8p3uf",
    "e4m3finu",
    "e3m2finu[normal]",
]


def between(fmt, rank):
    """The value of a rank, numbers up to the next, and numbers near that."""
    a, b = fmt.at(rank), fmt.at(rank + 1)
    return {x for x in (a, (a + b) / 2, (1023 * a + b) / 1024, (a + 1023 * b) / 1024) if x and a <= x < b}


@pytest.mark.parametrize("spec", SPECS)
def test_the_guess_is_right(spec):
    fmt = parse(spec)
    for rank in range(*fmt.span):
        for x in between(fmt, rank):
            assert fmt.guessed_rank(x) == rank


@pytest.mark.parametrize("spec", ["f64", "f32"])
def test_at_the_ends_of_wide_formats(spec):
    fmt = parse(spec)
    low, high = fmt.span
    normal = fmt.rank(1 << fmt.man_bits)
    for rank in (
        low,
        low + 1,
        -normal - 1,
        -normal,
        -3,
        -2,
        0,
        1,
        normal - 1,
        normal,
        high - 1,
        fmt.rank(fmt.bias << fmt.man_bits),
    ):
        for x in between(fmt, rank):
            assert fmt.guessed_rank(x) == rank


@pytest.mark.parametrize("wrong", [None, 0, -1, 5, 10**9, -(10**9)])
def test_a_wrong_guess_changes_nothing(wrong, monkeypatch):
    fmt = parse("e4m3fnuz")
    numbers = [x for rank in range(*fmt.span) for x in between(fmt, rank)] + [Fraction(0)]
    right = [floor_rank(fmt, x, *fmt.span) for x in numbers]
    monkeypatch.setattr(Float, "guessed_rank", lambda self, x: wrong)
    assert [floor_rank(fmt, x, *fmt.span) for x in numbers] == right
