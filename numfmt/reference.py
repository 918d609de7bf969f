"""The reference engine: exact rounding of rationals by bisection over the codes. The truth.

Any width, any mode, no float arithmetic. The other engines must equal it bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from .errors import RangeError, SpecError
from .format import Format, Value, floor_rank
from .overflow import delivers_edge, folded, overflow_policy, wraps
from .rounding import MODES, Rounding, rounding_mode

WORD_BITS = 32  # of one noise word
SATURATE = "overflow='saturate' takes the nearest value"
INFINITY_DOES_NOT_WRAP = "infinity has no remainder to wrap to; overflow='saturate' takes the last value"


class Policy(NamedTuple):
    """All that decides a code beside the value: what `cast` and `encode` resolve first.

    `nan_code` is the code that NaN becomes, None for the format's own, -1 where it must raise.
    """

    rounding: Rounding
    overflow: str
    nan_code: int | None
    random_bits: int = WORD_BITS

    @property
    def wraps(self) -> bool:
        return wraps(self.overflow)


class Step(NamedTuple):
    """How one value was decided; codes of None lie past the last value."""

    code: int
    rule: str
    lower: int | None = None
    upper: int | None = None
    split: Fraction | None = None


def policy(
    fmt: Format, rounding: object = None, overflow: object = None, nan: object = None,
    random_bits: int | None = None,
) -> Policy:  # fmt: skip
    """Resolve the keywords of `cast` for a format; errors name what the format lacks."""
    mode = rounding_mode(rounding)
    name = overflow_policy(overflow, fmt)
    lacking = {"infinity": fmt.infinity, "nan": fmt.nan}.get(name)
    if lacking is not None and lacking() is None:
        raise SpecError(f"overflow={name!r}: {fmt} has no {name}; it can saturate or raise", name)
    return Policy(mode, name, _nan_code(fmt, nan, name), _random_bits(mode, random_bits))


def _random_bits(mode: Rounding, bits: int | None) -> int:
    if bits is None:
        return WORD_BITS
    if not mode.stochastic:
        raise ValueError(f"random_bits is for stochastic rounding, the mode is {mode.name}")
    if isinstance(bits, bool) or not hasattr(bits, "__index__") or not 1 <= bits <= WORD_BITS:
        raise ValueError(f"random_bits must be an integer from 1 to {WORD_BITS}, got {bits!r}")
    return int(bits)


def _nan_code(fmt: Format, nan: object, overflow: str) -> int | None:
    """The code of `nan=`, in the range that the overflow policy leaves."""
    if nan is None:
        return None if fmt.nan() is not None else -1
    within = overflow if overflow == "saturate_symmetric" else "saturate"
    rule = Policy(rounding_mode(None), within, -1)
    if isinstance(nan, str) and nan in ("max", "min"):
        return encode(fmt.min if nan == "min" else fmt.max, fmt, rule)
    try:
        value = exact(nan)
    except (TypeError, ValueError):
        raise ValueError(f"nan= takes a number, 'max' or 'min', got {nan!r}") from None
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("nan= says what NaN becomes: a number, 'max' or 'min', not NaN itself")
    return encode(value, fmt, rule)


def exact(x: Any) -> Value:
    """The exact value of a scalar: number, `Fraction`, `Decimal` or numeric string.

    Returns a `Fraction`, or a float for -0.0, infinities and NaN (with its sign).
    """
    if isinstance(x, str):
        return _exact_text(x)
    if getattr(x, "ndim", 0):
        raise TypeError(f"expected one number, got an array of shape {x.shape}")
    if hasattr(x, "ndim") and not hasattr(
        x, "as_integer_ratio"
    ):  # an array of shape (), which int() truncates
        x = x.item()
    if isinstance(x, Fraction):
        return x
    if isinstance(x, Decimal):
        return _exact_decimal(x)
    if hasattr(x, "__index__") or type(x).__name__ in ("bool_", "bool"):
        return Fraction(int(x))
    if hasattr(x, "as_integer_ratio"):
        return _exact_float(x)
    raise TypeError(f"expected a real number, got {type(x).__name__}: {x!r}")


def _exact_float(x: Any) -> Value:
    if x != x or x in (math.inf, -math.inf):
        return float(x)
    if x == 0:
        return -0.0 if math.copysign(1, x) < 0 else Fraction(0)
    return Fraction(*map(int, x.as_integer_ratio()))


def _exact_decimal(x: Decimal) -> Value:
    if not x.is_finite():
        return math.copysign(math.nan, -1 if x.is_signed() else 1) if x.is_nan() else float(x)
    if abs(x.adjusted()) > 100_000:
        raise ValueError(f"the exponent of {x} is too large for an exact value")
    return -0.0 if not x and x.is_signed() else Fraction(x)


def _exact_text(text: str) -> Value:
    """Decimal, hexadecimal float (`0x1.8p-3`), fraction (`1/3`), `inf`, `nan`."""
    plain = text.strip().replace("_", "")
    try:
        if "/" in plain:
            return Fraction(plain)
        if plain.lower().lstrip("+-").startswith("0x"):
            return _exact_hex(plain)
        return _exact_decimal(Decimal(plain))
    except (InvalidOperation, ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"{text!r} is not a number; write it like 0.1, 1e-3, 1/3 or 0x1.8p-3") from None


def _exact_hex(text: str) -> Value:
    digits, _, power = text.lower().partition("p")
    whole, _, part = digits.partition(".")
    if abs(int(power or 0)) > 100_000:
        raise ValueError
    value = Fraction(int(whole + part, 16)) * Fraction(2) ** (int(power or 0) - 4 * len(part))
    return -0.0 if not value and text.startswith("-") else value


def is_negative(x: Value) -> bool:
    return math.copysign(1, x) < 0 if isinstance(x, float) else x < 0


def encode(x: Value, fmt: Format, policy: Policy, noise: int = 0) -> int:
    """The code of an exact value; `noise` is the uint32 word of stochastic rounding."""
    return decide(x, fmt, policy, noise).code


def decide(x: Value, fmt: Format, policy: Policy, noise: int = 0) -> Step:
    """The code of an exact value and how it came about."""
    if isinstance(x, float) and not math.isfinite(x):
        return _special(x, fmt, policy)
    negative = is_negative(x)
    low, high = fmt.span
    if x == 0 and (fmt.zero() is not None or fmt.rejects_negatives):
        return _zero(fmt, policy, negative)
    value = Fraction(x)
    if fmt.uniform:
        return _on_grid(value, fmt, policy, noise)
    if fmt.step is None and not fmt.min <= value <= fmt.max:
        below = value < fmt.min
        return _overflow(fmt, policy, below)._replace(lower=fmt.edge(below))
    if value < fmt.min and not fmt.signed:
        return _beneath(value, fmt, policy, noise)
    if not fmt.min <= value <= fmt.max:
        return _beyond(value, fmt, policy, noise)
    rank = floor_rank(fmt, value, low, high)
    if fmt.at(rank) == value:
        return Step(fmt.code_at(rank), "exact")
    return _between(value, rank, fmt, policy, noise)


def _special(x: float, fmt: Format, policy: Policy) -> Step:
    negative = math.copysign(1, x) < 0
    if math.isinf(x):
        if policy.wraps:
            raise RangeError(f"{x} to '{fmt}': {INFINITY_DOES_NOT_WRAP}", 1, 1)
        if fmt.infinity(negative) is None and policy.overflow == "raise":
            raise RangeError(f"{fmt} has no {x}; overflow='saturate' takes the last value", 1, 1)
        if fmt.uniform:
            return _folded(fmt.span[not negative] + (-1 if negative else 1), fmt, policy)
        return _overflow(fmt, policy, negative, finite=False)
    if policy.nan_code == -1:
        raise RangeError(f"{fmt} has no NaN; nan= says what NaN becomes", 1, 1)
    code = fmt.nan(negative) if policy.nan_code is None else policy.nan_code
    assert code is not None
    return Step(code, "nan")


def _zero(fmt: Format, policy: Policy, negative: bool) -> Step:
    code = fmt.zero(negative)
    return _rejected(fmt, policy) if code is None else Step(code, "exact")


def _rejected(fmt: Format, policy: Policy) -> Step:
    """A value that an unsigned format does not round: NaN, or its least value when saturating."""
    if policy.overflow == "raise":
        raise RangeError(f"{fmt} holds no such value", 1, 1)
    if policy.overflow == "saturate":
        return Step(fmt.edge(True), "saturates")
    return Step(fmt.special(True), "rejected")


def _beneath(x: Fraction, fmt: Format, policy: Policy, noise: int) -> Step:
    """x below the least value of an unsigned format."""
    if x > 0:  # a format without zero: its least value in every mode
        return Step(fmt.edge(True), "least value")
    if fmt.rejects_negatives:
        return _rejected(fmt, policy)
    # P3109 rounds on the mirrored grid, then looks at the range
    if -x < fmt.smallest:
        lower, upper = fmt.zero(), fmt.code_at(fmt.span[0] + 1)
        assert lower is not None
        split = fmt.split(fmt.span[0])
        rule, grows = _rule(-x, Fraction(0), fmt.smallest, split, fmt.is_odd(lower), True, fmt, policy, noise)
        if not grows:
            return Step(lower, rule, lower, upper, split)
    return _overflow(fmt, policy, True)


def _beyond(x: Fraction, fmt: Format, policy: Policy, noise: int) -> Step:
    """x past the last value: rounded on the last spacing, continued."""
    negative = x < 0
    edge = fmt.edge(negative)
    size, last = abs(x), abs(Fraction(fmt.value(edge)))
    assert fmt.step is not None
    if size >= last + fmt.step:
        return _overflow(fmt, policy, negative)
    split = last + fmt.step / 2
    odd = fmt.is_odd(edge)
    rule, grows = _rule(size, last, last + fmt.step, split, odd, negative, fmt, policy, noise)
    if grows:
        return _overflow(fmt, policy, negative)._replace(lower=edge, split=-split if negative else split)
    return Step(edge, rule, edge, None, -split if negative else split)


def _on_grid(x: Fraction, fmt: Format, policy: Policy, noise: int) -> Step:
    """x on a grid that goes on without end: rounded first, then brought into range."""
    assert fmt.step is not None
    negative, floor = x < 0, math.floor(x / fmt.step)
    near, far = (floor + 1, floor) if negative else (floor, floor + 1)
    split = (floor + Fraction(1, 2)) * fmt.step
    rule, grows = "exact", x == far * fmt.step
    if x not in (near * fmt.step, far * fmt.step):
        rule, grows = _rule(
            abs(x), abs(near) * fmt.step, abs(far) * fmt.step, abs(split), bool(near & 1), negative,
            fmt, policy, noise,
        )  # fmt: skip
    chosen = far if grows else near
    low, high = fmt.span
    if policy.overflow == "saturate_symmetric":
        low = max(low, -high)
    inside = low <= chosen <= high
    step = Step(fmt.code_at(chosen), rule) if inside else _folded(chosen, fmt, policy)
    if rule == "exact":
        return step
    lower, upper = (fmt.code_at(k) if low <= k <= high else None for k in (near, far))
    return step._replace(lower=lower, upper=upper, split=split)


def _folded(k: int, fmt: Format, policy: Policy) -> Step:
    if policy.overflow == "raise":
        raise RangeError(f"outside the range of {fmt}, {fmt.range_text}. {SATURATE}", 1, 1)
    return Step(folded(k, fmt, policy.overflow), "wraps" if policy.wraps else "saturates")


def _between(x: Fraction, rank: int, fmt: Format, policy: Policy, noise: int) -> Step:
    """x strictly between the values of `rank` and `rank + 1`. Between values of both signs, where 0
    is none, the magnitude grows toward the larger one, away from zero as it were."""
    negative = abs(fmt.at(rank)) > abs(fmt.at(rank + 1))
    side = -1 if negative else 1
    near, far = (rank + 1, rank) if negative else (rank, rank + 1)
    lower, upper, split = fmt.code_at(near), fmt.code_at(far), fmt.split(rank)
    rule, grows = _rule(
        side * x, side * fmt.at(near), side * fmt.at(far), side * split, fmt.is_odd(lower), negative,
        fmt, policy, noise,
    )  # fmt: skip
    return Step(upper if grows else lower, rule, lower, upper, split)


def _rule(
    x: Fraction, low: Fraction, high: Fraction, split: Fraction, lower_is_odd: bool,
    negative: bool, fmt: Format, policy: Policy, noise: int,
) -> tuple[str, bool]:  # fmt: skip
    """Which of two neighbouring magnitudes is taken: (rule, whether the greater one)."""
    mode = own_mode(fmt, policy.rounding)
    if mode.stochastic:
        return mode.name, draws_up((x - low) / (high - low), noise, policy)
    if mode.nearest and x != split:
        return "nearer" if 2 * split == low + high else "boundary", x > split
    own = "" if mode.name == policy.rounding.name else f", here {mode.name}"
    return ("tie: " if mode.nearest else "") + policy.rounding.name + own, mode.grows(lower_is_odd, negative)


def own_mode(fmt: Format, mode: Rounding) -> Rounding:
    """The mode that a mode is for a format: nearest_even may stand for another."""
    return MODES[fmt.tie_mode] if mode.name == "nearest_even" else mode


def draws_up(fraction: Fraction, noise: int, policy: Policy) -> bool:
    """P3109 v4.0 4.7.4: whether a stochastic draw takes the greater magnitude."""
    n = policy.random_bits
    r = noise >> (WORD_BITS - n)
    scaled = fraction * (1 << n)
    match policy.rounding.stochastic:
        case "a":
            return math.floor(scaled) + r >= 1 << n
        case "b":
            return math.floor(2 * scaled) + 2 * r + 1 >= 2 << n
        case _:
            return round(scaled) + r >= 1 << n


def _overflow(fmt: Format, policy: Policy, negative: bool, finite: bool = True) -> Step:
    if policy.overflow == "raise" and finite:
        raise RangeError(f"beyond the last value of {fmt}, {fmt.end_text(fmt.max)}. {SATURATE}", 1, 1)
    edge = delivers_edge(
        policy.overflow, policy.rounding, negative=negative, finite=finite,
        edge_is_odd=fmt.edge_is_odd[negative],
    )  # fmt: skip
    if edge:
        return Step(fmt.edge(negative), "saturates")
    code = fmt.nan(negative) if policy.overflow == "nan" else fmt.special(negative)
    assert code is not None
    return Step(code, "overflows")


def encode_all(xs: Iterable[Any], fmt: Format, policy: Policy, noise: Iterable[int]) -> list[int]:
    """Codes of many scalars; a `RangeError` knows the position of the first offender."""
    once = _encoder(fmt, policy)
    codes: list[int] = []
    bad: list[tuple[int, RangeError]] = []
    for i, (x, n) in enumerate(zip(xs, noise, strict=False)):
        try:
            codes.append(once(exact(x), n))
        except RangeError as error:
            bad.append((i, error))
    if bad:
        first, cause = bad[0]
        raise RangeError(cause.message, len(bad), len(codes) + len(bad), (first,))
    return codes


def _encoder(fmt: Format, policy: Policy) -> Any:
    """`encode` for one policy, each distinct value decided once."""

    @lru_cache(maxsize=65536)
    def of_fraction(x: Fraction, noise: int) -> int:
        return encode(x, fmt, policy, noise)

    relevant = bool(policy.rounding.stochastic)
    return lambda x, n: (
        encode(x, fmt, policy, n) if isinstance(x, float) else of_fraction(x, n if relevant else 0)
    )
