"""Guesses at why results are wrong: each cause says what a common mistake makes of a right result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ..format import Format, Value, floor_rank, is_special
from ..formats.floats import Float
from ..reference import Policy, encode, is_negative, policy
from ..registry import element

CLOSE = Fraction(1, 1 << 20)  # of the distance of two values: so near to their middle is just beside it
ENOUGH = 0.9  # of the differences a cause must explain to be named
WIDER = ("f16", "bf16", "tf32", "f32", "f64")  # what results are rounded to on the way
GUARDS = (1, 2, 3)  # bits kept below the last one where what follows is lost
MODES = {
    "nearest_away": ("ties_away", "ties away from zero"),
    "nearest_zero": ("ties_to_zero", "ties toward zero"),
    "nearest_odd": ("ties_to_odd", "ties to odd"),
    "nearest_up": ("ties_up", "ties upward"),
    "nearest_down": ("ties_down", "ties downward"),
    "nearest_even": ("always_nearest", "nearest even instead of the mode"),
    "toward_zero": ("truncates", "truncation instead of rounding"),
    "toward_negative": ("rounds_down", "rounding down"),
    "toward_positive": ("rounds_up", "rounding up"),
    "away_from_zero": ("rounds_away", "rounding away from zero"),
    "to_odd": ("rounds_to_odd", "rounding to odd"),
}


class Outcome(NamedTuple):
    """One element: codes, and the exact result where it is known."""

    actual: int | None  # None: no code of the format
    expected: int
    exact: Value | None = None


Mistake = Callable[
    [Outcome, Format], int | None
]  # the code that it gives; the right one where it does nothing


class Cause(NamedTuple):
    """`name`: that of the planted bug in `numfmt.testing.mutants` where there is one. `kind`: what the elements are
    that the mistake changes; of each, `mistake` is what it gives."""

    name: str
    text: str
    kind: str
    mistake: Mistake


class Guess(NamedTuple):
    cause: Cause
    explained: int  # differences that the cause gives
    spared: int  # right elements that it would have changed


def guess(fmt: Format, wrong: Sequence[Outcome], right: Sequence[Outcome]) -> Guess | None:
    """The cause that explains most of the differences and changes the fewest of the right elements."""
    fitting = [_tried(cause, fmt, wrong, right) for cause in causes(fmt) if _explains(cause, fmt, wrong)]
    if fitting:
        return max(fitting, key=lambda g: (g.explained, -g.spared))  # the first of equals
    # of a single difference the distance says as much
    return _tried(LAST, fmt, wrong, right) if len(wrong) > 1 and _explains(LAST, fmt, wrong) else None


def _explains(cause: Cause, fmt: Format, wrong: Sequence[Outcome]) -> bool:
    """Whether a cause gives enough of the differences; given up as soon as it cannot."""
    failures = (1 for one in wrong if not _gives(cause, one, fmt))
    allowed = int((1 - ENOUGH) * len(wrong))
    return bool(wrong) and sum(islice(failures, allowed + 1)) <= allowed


def _gives(cause: Cause, one: Outcome, fmt: Format) -> bool:
    return one.actual is not None and cause.mistake(one, fmt) == one.actual


def _tried(cause: Cause, fmt: Format, wrong: Sequence[Outcome], right: Sequence[Outcome]) -> Guess:
    explained = sum(_gives(cause, one, fmt) for one in wrong)
    return Guess(cause, explained, sum(cause.mistake(one, fmt) != one.expected for one in right))


def sentence(found: Guess, fmt: Format, wrong: Sequence[Outcome]) -> str:
    """`looks like ties away from zero, ties_away: all 37 differences are ties`"""
    tied = found.cause in OF_MODES and all(is_tie(one.exact, fmt) for one in wrong)
    kind = "ties" if tied else found.cause.kind
    some = f"{found.explained} of {len(wrong)}" if found.explained < len(wrong) else f"all {len(wrong)}"
    what = f" ({kind})" if len(wrong) == 1 else f": {some} differences are {kind}"
    spared = f"; but {found.spared} right results are such too" if found.spared else ""
    return f"looks like {found.cause.text}, {found.cause.name}{what}{spared}"


# Places of exact results


@lru_cache(maxsize=4096)
def bracket(x: Value | None, fmt: Format) -> int | None:
    """The rank of the value just below an exact result that lies between two values; else None."""
    if x is None or is_special(x) or not fmt.min < x < fmt.max:
        return None
    rank = floor_rank(fmt, Fraction(x), *fmt.span)
    return None if fmt.at(rank) == x else rank


def is_tie(x: Value | None, fmt: Format) -> bool:
    rank = bracket(x, fmt)
    return rank is not None and fmt.split(rank) == x


# What mistakes make of right results


def _rounded(mode: str) -> Mistake:
    """The exact result in another mode."""

    def mistake(one: Outcome, fmt: Format) -> int:
        if bracket(one.exact, fmt) is None:
            return one.expected
        return _code(one.exact, fmt, mode)

    return mistake


def _code(x: Value | None, fmt: Format, mode: str = "nearest_even") -> int:
    assert x is not None
    return encode(x, fmt, _policy(fmt, mode))


@lru_cache(maxsize=256)
def _policy(fmt: Format, mode: str) -> Policy:
    return policy(fmt, mode, "saturate", None if fmt.nan() is not None else "max")


def _through(name: str) -> Mistake:
    """Rounded to a wider format first."""
    wider = element(name)

    def mistake(one: Outcome, fmt: Format) -> int:
        if bracket(one.exact, fmt) is None:
            return one.expected
        return _code(wider.value(_code(one.exact, wider)), fmt)

    return mistake


def _without_sticky(guards: int) -> Mistake:
    """Only so many bits are kept below the last one; whether any of the others is 1 is forgotten."""

    def mistake(one: Outcome, fmt: Format) -> int:
        rank = bracket(one.exact, fmt)
        if rank is None or one.exact is None:
            return one.expected
        ends = (fmt.at(rank), fmt.at(rank + 1))
        near, far = ends[::-1] if is_negative(one.exact) else ends
        part = Fraction(math.floor((Fraction(one.exact) - near) / (far - near) * (1 << guards)), 1 << guards)
        return _code(near + part * (far - near) or math.copysign(0.0, one.exact), fmt)

    return mistake


def _flushed(one: Outcome, fmt: Format) -> int:
    x = fmt.value(one.expected)
    if is_special(x) or not 0 < abs(Fraction(x)) < fmt.min_normal:
        return one.expected
    zero = fmt.zero(is_negative(x))
    return one.expected if zero is None else zero


def _other_zero(one: Outcome, fmt: Format) -> int | None:
    zeros = (fmt.zero(), fmt.zero(True))
    return zeros[zeros[0] == one.expected] if one.expected in zeros else one.expected


def _without_minus_zero(one: Outcome, fmt: Format) -> int | None:
    return fmt.zero() if one.expected == fmt.zero(True) else one.expected


def _is_overflow(one: Outcome) -> bool:
    return one.exact is None or not is_special(one.exact)


def _saturated(one: Outcome, fmt: Format) -> int:
    """The largest value for infinity, or for the NaN of a format without infinities."""
    for negative in (False, True):
        if one.expected == fmt.special(negative) and _is_overflow(one):
            return fmt.edge(negative if one.exact is None else is_negative(one.exact))
    return one.expected


def _overflowed(one: Outcome, fmt: Format) -> int:
    for negative in (False, True):
        if one.expected == fmt.edge(negative) and _is_beyond(one, fmt):
            return fmt.special(negative)
    return one.expected


def _is_beyond(one: Outcome, fmt: Format) -> bool:
    return one.exact is None or not (is_special(one.exact) or fmt.min <= one.exact <= fmt.max)


def _swapped(one: Outcome, fmt: Format) -> int | None:
    """NaN and infinity taken for each other."""
    x = fmt.value(one.expected)
    if x != x:
        return fmt.infinity() if one.actual == fmt.infinity() else fmt.infinity(True)
    return one.actual if is_special(x) and _is_nan(one.actual, fmt) else one.expected


def _other_nan(one: Outcome, fmt: Format) -> int | None:
    return one.actual if _is_nan(one.actual, fmt) and _is_nan(one.expected, fmt) else one.expected


def _is_nan(code: int | None, fmt: Format) -> bool:
    return code is not None and fmt.value(code) != fmt.value(code)


def _without_nan(one: Outcome, fmt: Format) -> int | None:
    nan = _is_nan(one.expected, fmt) and not _is_nan(one.actual, fmt)
    return one.actual if nan else one.expected


def _exponent_moved(by: int) -> Mistake:
    """The exponent field off by one, of normal numbers."""

    def mistake(one: Outcome, fmt: Format) -> int:
        x = fmt.value(one.expected)
        if not isinstance(fmt, Float) or is_special(x) or abs(Fraction(x)) < fmt.min_normal:
            return one.expected
        doubled = Fraction(x) * Fraction(2) ** by
        return _code(doubled, fmt) if fmt.min_normal <= abs(doubled) <= fmt.largest else one.expected

    return mistake


def _without_carry(one: Outcome, fmt: Format) -> int:
    """Rounding up to a power of two cleared the significand and left the exponent."""
    if not isinstance(fmt, Float) or one.expected & ((1 << fmt.man_bits) - 1):
        return one.expected
    x = fmt.value(one.expected)
    if is_special(x) or abs(Fraction(x)) < fmt.min_normal:
        return one.expected
    grew = one.exact is None or (not is_special(one.exact) and abs(Fraction(one.exact)) < abs(Fraction(x)))
    return one.expected - (1 << fmt.man_bits) if grew else one.expected


def _sign_flipped(one: Outcome, fmt: Format) -> int:
    x = fmt.value(one.expected)
    if not fmt.signed or fmt.signed_codes or is_special(x) or x == 0:
        return one.expected
    return one.expected ^ 1 << (fmt.bits - 1)


def _one_off(one: Outcome, fmt: Format) -> int | None:
    """A neighbour, whichever it is; nothing is said of right elements."""
    if one.actual is None or any(is_special(fmt.value(c)) for c in (one.actual, one.expected)):
        return one.expected
    near = abs(fmt.rank(one.actual) - fmt.rank(one.expected)) == 1
    return one.actual if near else one.expected


# In the order in which they are named where they explain as much
OF_CODES = (
    Cause("minus_zero_lost", "-0 lost", "-0 that became +0", _without_minus_zero),
    Cause("zeros_swapped", "wrong sign of zero", "zeros of the other sign", _other_zero),
    Cause("results_flushed", "subnormals flushed", "subnormal results that became 0", _flushed),
    Cause(
        "overflow_to_max",
        "overflow to the largest value",
        "infinity or NaN that became the largest value",
        _saturated,
    ),
    Cause(
        "overflow_to_special",
        "overflow past the largest value",
        "the largest value that became infinity or NaN",
        _overflowed,
    ),
    Cause("carry_lost", "carry into the exponent lost", "powers of two at half their size", _without_carry),
    Cause("bias_high", "exponent bias off by one", "twice as large", _exponent_moved(1)),
    Cause("bias_low", "exponent bias off by one", "half as large", _exponent_moved(-1)),
    Cause("sign_lost", "sign lost", "of the other sign", _sign_flipped),
    Cause("nan_payload", "NaN payload", "NaN of other bits", _other_nan),
    Cause(
        "invalid_is_infinity", "NaN and infinity confused", "NaN for infinity or infinity for NaN", _swapped
    ),
    Cause("nan_lost", "NaN lost", "NaN that became numbers", _without_nan),
)
OF_MODES = tuple(Cause(*words, f"what {mode} gives", _rounded(mode)) for mode, words in MODES.items())
OF_EXACT = (
    *OF_MODES,
    *(
        Cause("sticky_lost", "sticky bit lost", f"just beside what {n} guard bits show", _without_sticky(n))
        for n in GUARDS
    ),
)
LAST = Cause("last_place", "an error in the last place", "one value away", _one_off)


@lru_cache(maxsize=64)
def causes(fmt: Format) -> tuple[Cause, ...]:
    """All that can be told of a format, `LAST` aside."""
    return (*OF_CODES, *OF_EXACT, *_of_double_rounding(fmt))


def _of_double_rounding(fmt: Format) -> Iterator[Cause]:
    for name in WIDER:
        wider = element(name)
        if isinstance(fmt, Float) and isinstance(wider, Float) and _holds(wider, fmt):
            yield Cause(
                "double_rounding", "double rounding", f"ties once they are rounded to {name}", _through(name)
            )


def _holds(wider: Float, fmt: Float) -> bool:
    return wider.man_bits > fmt.man_bits and wider.largest >= fmt.largest and wider.smallest <= fmt.smallest


def place(x: Value, fmt: Format) -> tuple[str, tuple[int, ...]]:
    """How an exact result lies among the values, and the codes beside it."""
    rank = bracket(x, fmt)
    if rank is None:
        past = not is_special(x) and not fmt.min <= x <= fmt.max
        return ("past the last value" if past else ""), ()
    word = _beside_tie(Fraction(x), fmt, rank) + "between"
    return word, (fmt.code_at(rank), fmt.code_at(rank + 1))


def _beside_tie(x: Fraction, fmt: Format, rank: int) -> str:
    off = (x - fmt.split(rank)) / (fmt.at(rank + 1) - fmt.at(rank))
    if not off:
        return "a tie "
    if abs(off) >= CLOSE:
        return ""
    return "just above the tie " if off > 0 else "just below the tie "
