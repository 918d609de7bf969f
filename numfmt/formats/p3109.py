"""IEEE P3109 formats, `binaryKpP{s,u}{e,f}`: K bits, precision P, signed or unsigned, extended
(with infinities) or finite.

IEEE SA P3109 interim report v4.0 (26 June 2026), 3.1 and 4.2.
"""

from __future__ import annotations

import re

from ..errors import SpecError
from ..registry import Option, family
from .floats import Float, check


@family(
    pattern=r"binary(?P<k>\d+)p(?P<p>\d+)(?P<domain>[su][ef])",
    options={"subnormals": Option(("on", "off"), "on")},
    examples=(
        "binary8p4se", "binary8p3se", "binary4p2sf", "binary8p1se", "binary8p3ue", "binary8p1uf",
        "binary8p4sf", "binary6p3sf", "binary16p8se", "binary8p8ue", "binary3p2sf",
    ),
)  # fmt: skip
def parse_p3109(match: re.Match[str], spec: str, subnormals: str) -> Float:
    """K > 2; 0 < P < K signed, 0 < P <= K unsigned."""
    k, p, domain = int(match["k"]), int(match["p"]), match["domain"]
    signed = domain[0] == "s"
    if not 2 < k <= 64:
        raise SpecError(f"{spec!r}: P3109 formats have 3 to 64 bits here, got {k}", spec)
    if not 0 < p < k + (not signed):
        raise SpecError(f"{spec!r}: precision must be 1 to {k - signed}, got {p}", spec)
    exp_bits = k - p + (not signed)
    if exp_bits > 20:
        raise SpecError(f"{spec!r}: its largest value does not fit float64", spec)
    bias = 1 << (exp_bits - 1) if exp_bits else 1
    on = subnormals == "on" or p == 1
    return check(Float(exp_bits, p - 1, bias, domain, on), spec)
