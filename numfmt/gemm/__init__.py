"""Matrix products, exact in the accumulator that is asked for, or as matrix units compute them."""

from .accumulators import Accumulation
from .cpu import path
from .integers import Prepacked, accumulate, matmul, prepack
from .unit_steps import Aligned, Chain, Floored, Grouped, Late, Scales, Unit
from .unit_table import systolic, unit_of, units

__all__ = [
    "Accumulation",
    "Aligned",
    "Chain",
    "Floored",
    "Grouped",
    "Late",
    "Prepacked",
    "Scales",
    "Unit",
    "accumulate",
    "matmul",
    "path",
    "prepack",
    "systolic",
    "unit_of",
    "units",
]
