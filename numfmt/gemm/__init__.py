"""Matrix products, exact in the accumulator that is asked for, or as matrix units compute them."""

from .accumulators import Accumulation
from .cpu import path
from .front import dot, matmul
from .integers import Prepacked, accumulate, prepack
from .losses import gemm_error
from .probing import Findings, probe
from .sums import sum
from .unit_steps import Aligned, Chain, Floored, Grouped, Late, Scales, Unit
from .unit_table import systolic, unit_of, units

__all__ = [
    "Accumulation",
    "Aligned",
    "Chain",
    "Findings",
    "Floored",
    "Grouped",
    "Late",
    "Prepacked",
    "Scales",
    "Unit",
    "accumulate",
    "dot",
    "gemm_error",
    "matmul",
    "path",
    "prepack",
    "probe",
    "sum",
    "systolic",
    "unit_of",
    "units",
]
