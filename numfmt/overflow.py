"""Overflow policies: what is delivered past the last value."""

from __future__ import annotations

import re

from .errors import SpecError, choose
from .format import Format
from .rounding import Rounding

POLICIES = ("ieee", "saturate", "saturate_finite", "infinity", "nan", "raise")
FIXED_POINT_POLICIES = ("wrap", "wrap_sign_magnitude", "saturate_zero", "saturate_symmetric")
# SystemC (IEEE 1666-2011) and HLS
ALIASES = {
    f"{prefix}_{short}": name
    for prefix in ("sc", "ap")
    for short, name in (
        ("sat", "saturate"),
        ("sat_zero", "saturate_zero"),
        ("sat_sym", "saturate_symmetric"),
        ("wrap", "wrap"),
        ("wrap_sm", "wrap_sign_magnitude"),
    )
}
_COUNTED = re.compile(r"(?P<name>\w+)(?:\[(?P<count>\d{1,3})(?P<variant>,ap)?\])?")
_BRACKETED = re.compile(r"(?P<name>\w+)\[(?P<inside>.*)\]")


def overflow_policy(name: object, fmt: Format) -> str:
    """The policy of a name or alias in any case; `None` is the format's own.

    `wrap[n]` and `wrap_sign_magnitude[n]` have n saturated bits, `wrap[n,ap]` is HLS's variant:
    `ap_wrap[n]` means it, `sc_wrap[n]` never does.
    """
    if name is None:
        return fmt.default_overflow
    key = "".join(name.lower().split()) if isinstance(name, str) else name
    match = _COUNTED.fullmatch(key) if isinstance(key, str) else None
    plain = ALIASES.get(match["name"], match["name"]) if match else key
    if match is None or plain not in FIXED_POINT_POLICIES:
        _check_brackets(str(key))
        known = (*POLICIES, *FIXED_POINT_POLICIES) if fmt.uniform else POLICIES
        return choose("overflow policy", ALIASES.get(str(key), key), known)
    _check_fixed(str(key), plain, fmt, match)
    count, hls = (
        int(match["count"] or 0),
        match["variant"] or (plain == "wrap" and match["name"] == "ap_wrap"),
    )
    return f"{plain}[{count}{',ap' if hls else ''}]" if count else plain


def _check_brackets(key: str) -> None:
    match = _BRACKETED.fullmatch(key)
    if match and ALIASES.get(match["name"], match["name"]).startswith("wrap"):
        raise SpecError(
            f"overflow {key!r}: {match['inside']!r} is no number of saturated bits; write it like "
            f"{match['name']}[2], 0 to 999 (as many as the format has bits, or more, saturate)",
            key,
        )  # fmt: skip


def _check_fixed(key: str, plain: str, fmt: Format, match: re.Match[str]) -> None:
    def refuse(why: str) -> SpecError:
        return SpecError(f"overflow {key!r} {why}", key)

    if not fmt.uniform:
        raise refuse(f"is for fixed-point formats; '{fmt}' is none")
    if match["count"] and not plain.startswith("wrap"):
        raise refuse("takes no number of bits; wrap[n] and wrap_sign_magnitude[n] do")
    if match["variant"] and (plain != "wrap" or match["name"] == "sc_wrap"):
        raise refuse("has no variant; wrap[n,ap] is HLS's")
    if plain.startswith("wrap") and fmt.span[1] - fmt.span[0] + 1 < 1 << fmt.bits:
        raise refuse(f"needs every code; '{fmt}' leaves one out")
    if plain == "wrap_sign_magnitude" and not fmt.signed:
        raise refuse(f"is defined for signed formats; '{fmt}' is unsigned")


def wraps(policy: str) -> bool:
    """Whether far values come round again, so that infinity has no place."""
    return policy.startswith("wrap")


def saturated_bits(policy: str) -> tuple[int, bool]:
    """n of `wrap[n]` or `wrap_sign_magnitude[n]`, and whether HLS's variant is meant."""
    match = _COUNTED.fullmatch(policy)
    assert match is not None
    return int(match["count"] or 0), bool(match["variant"])


def folded(k: int, fmt: Format, policy: str) -> int:
    """The code for an integer k outside the span of a fixed-point format.

    SystemC, IEEE 1666-2011 clause 7.10.9; the recipes work on the two's complement of k.
    """
    low, high = fmt.span
    if policy == "saturate_zero":
        return 0
    if policy == "saturate_symmetric":
        return fmt.code_at(high if k > 0 else max(low, -high))
    if not wraps(policy):
        return fmt.code_at(high if k > 0 else low)
    count, hls = saturated_bits(policy)
    count = min(count, fmt.bits)
    if policy.startswith("wrap_sign_magnitude"):
        return _wrapped_magnitude(k, fmt.bits, count)
    return _wrapped(k, fmt.bits, count, fmt.signed, hls)


def _wrapped(k: int, bits: int, count: int, signed: bool, hls: bool) -> int:
    """The low bits of k, of which the top `count` tell the side of the overflow."""
    kept = k & ((1 << (bits - count)) - 1)
    ones = ((1 << count) - 1) << (bits - count)
    if not count:
        return kept
    if not signed:
        return kept | (ones if k > 0 or hls else 0)
    sign = 1 << (bits - 1)
    return kept | (sign if k < 0 else ones ^ sign)


def _wrapped_magnitude(k: int, bits: int, count: int) -> int:
    """Sign-magnitude wrapping: the low bits of k, inverted on every other turn."""
    mask, negative = (1 << bits) - 1, k < 0
    if count == 0:
        turn = (k >> bits ^ k >> (bits - 1)) & 1
    elif count == 1:
        turn = (k >> (bits - 1) & 1) ^ negative
    else:
        turn = (k >> (bits - count) & 1) ^ (not negative)
    low = (k ^ -turn) & mask
    return (
        low if count < 2 else _wrapped(low if not negative else low - (1 << bits), bits, count, True, False)
    )


def delivers_edge(
    policy: str, rounding: Rounding, *, negative: bool, finite: bool, edge_is_odd: bool
) -> bool:
    """Whether an overflow gives the last finite value; otherwise it gives the format's special.

    IEEE 754-2019 clause 7.4: under `ieee` the last value is kept by the directed modes that do
    not grow there. `edge_is_odd` says whether to_odd stays at the last value.
    """
    if policy == "saturate":
        return True
    if policy == "saturate_finite":
        return finite
    if policy == "ieee" and finite:
        directed = not (rounding.nearest or rounding.stochastic)
        return directed and not rounding.grows(edge_is_odd, negative)
    return False
