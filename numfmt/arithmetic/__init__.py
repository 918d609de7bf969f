"""Operations of IEEE 754 on numbers of any format: each result is rounded once, in any mode, with exceptions.

>>> numfmt.add(1.0, 2.0**-9, "bf16")
np.float64(1.0)
"""

from .elementwise import add, convert, div, fma, mul, remainder, sqrt, sub
from .exceptions import NAMES as FLAGS
from .nans import PROFILES as NAN_PROFILES

__all__ = ["FLAGS", "NAN_PROFILES", "add", "convert", "div", "fma", "mul", "remainder", "sqrt", "sub"]
