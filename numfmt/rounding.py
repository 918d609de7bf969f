"""Rounding modes: which of two neighbours is taken, as rows of one table."""

from __future__ import annotations

from typing import NamedTuple

from .errors import choose


class Rounding(NamedTuple):
    """One mode. The magnitude grows when `base ^ (odd & lower code is odd) ^ (neg & negative)`:
    on the tie if `nearest`, anywhere between two neighbours if not. `stochastic` names the
    IEEE P3109 variant ("a", "b", "c"), for which the four bits mean nothing.
    """

    name: str
    nearest: int = 0
    base: int = 0
    odd: int = 0
    neg: int = 0
    stochastic: str = ""

    def grows(self, lower_is_odd: bool, negative: bool) -> bool:
        return bool(self.base ^ (self.odd & lower_is_odd) ^ (self.neg & negative))


MODES: dict[str, Rounding] = {
    row[0]: Rounding(*row)
    for row in (
        # name, nearest, base, odd, neg
        ("nearest_even", 1, 0, 1, 0),
        ("nearest_away", 1, 1, 0, 0),
        ("nearest_up", 1, 1, 0, 1),
        ("nearest_down", 1, 0, 0, 1),
        ("nearest_zero", 1, 0, 0, 0),
        ("nearest_odd", 1, 1, 1, 0),
        ("toward_zero", 0, 0, 0, 0),
        ("toward_positive", 0, 1, 0, 1),
        ("toward_negative", 0, 0, 0, 1),
        ("away_from_zero", 0, 1, 0, 0),
        ("to_odd", 0, 1, 1, 0),
        ("stochastic", 0, 0, 0, 0, "a"),
        ("stochastic_b", 0, 0, 0, 0, "b"),
        ("stochastic_c", 0, 0, 0, 0, "c"),
    )
}

# One line a mode: short names; IEEE 754-2019 clause 4.3; Berkeley TestFloat; PTX; SystemC; HLS; P3109.
_ALIASES = {
    "nearest_even": "rne rn roundtiestoeven near_even sc_rnd_conv ap_rnd_conv nearesttiestoeven",
    "nearest_away": "rna rha roundtiestoaway near_maxmag sc_rnd_inf ap_rnd_inf nearesttiestoaway",
    "nearest_up": "rhu sc_rnd ap_rnd",
    "nearest_down": "rhd sc_rnd_min_inf ap_rnd_min_inf",
    "nearest_zero": "rhz sc_rnd_zero ap_rnd_zero",
    "nearest_odd": "rno",
    "toward_zero": "rtz rz roundtowardzero minmag sc_trn_zero ap_trn_zero towardzero",
    "toward_positive": "rup ru rp roundtowardpositive max towardpositive",
    "toward_negative": "rdn rd rm roundtowardnegative min sc_trn ap_trn towardnegative",
    "away_from_zero": "raz",
    "to_odd": "rto ro odd toodd",
    "stochastic": "sr rs stochastica",
    "stochastic_b": "stochasticb",
    "stochastic_c": "stochasticc",
}
ALIASES: dict[str, str] = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
NEAREST_AWAY = MODES["nearest_away"]


def rounding_mode(name: object) -> Rounding:
    """The mode of a name or alias, in any case; `None` is nearest_even.

    >>> rounding_mode("SC_RND_CONV").name
    'nearest_even'
    """
    if name is None:
        return MODES["nearest_even"]
    if isinstance(name, Rounding):
        return name
    key = name.strip().lower() if isinstance(name, str) else name
    if isinstance(key, str) and key in ALIASES:
        key = ALIASES[key]
    return MODES[choose("rounding mode", key, MODES)]
