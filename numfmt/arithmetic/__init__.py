"""Operations of IEEE 754 on numbers of any format: each result is rounded once, in any mode, with exceptions.

>>> numfmt.add(1.0, 2.0**-9, "bf16")
np.float64(1.0)
"""

from .arrays import FormatArray, array
from .comparisons import equal, less, less_equal, unordered
from .elementwise import add, convert, div, fma, mul, remainder, sqrt, sub
from .exceptions import NAMES as FLAGS
from .integers import round_to_integral, to_integer
from .nans import PROFILES as NAN_PROFILES
from .neighbours import next_down, next_up, nextafter, ulp
from .selection import VARIANTS, maximum, minimum
from .signs import abs, copysign, neg

__all__ = [
    "FLAGS", "NAN_PROFILES", "VARIANTS", "FormatArray", "abs", "add", "array", "convert", "copysign", "div", "equal", "fma", "less", "less_equal",
    "maximum", "minimum", "mul", "neg", "next_down", "next_up", "nextafter", "remainder", "round_to_integral", "sqrt",
    "sub", "to_integer", "ulp", "unordered",
]  # fmt: skip
