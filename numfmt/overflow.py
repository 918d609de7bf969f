"""Overflow policies: what is delivered past the last value."""

from __future__ import annotations

from .errors import SpecError, choose
from .rounding import Rounding

POLICIES = ("ieee", "saturate", "saturate_finite", "infinity", "nan", "raise")
FIXED_POINT_POLICIES = ("wrap", "saturate_zero", "saturate_symmetric", "wrap_sign_magnitude")


def overflow_policy(name: object, default: str) -> str:
    """The policy of a name in any case; `None` is the format's own."""
    if name is None:
        return default
    key = name.strip().lower() if isinstance(name, str) else name
    if isinstance(key, str) and key.split("[")[0] in FIXED_POINT_POLICIES:
        raise SpecError(f"overflow {key!r} is for fixed-point formats, not for floats", key)
    return choose("overflow policy", key, POLICIES)


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
