"""Matrix products, exact in the accumulator that is asked for."""

from .accumulators import Accumulation
from .cpu import path
from .integers import Prepacked, accumulate, matmul, prepack

__all__ = ["Accumulation", "Prepacked", "accumulate", "matmul", "path", "prepack"]
