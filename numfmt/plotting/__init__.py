"""Figures: what range a format has and what error it makes, beside the data it is to hold; where to
clip data, and what that costs; what blocks cost, and what an outlier does to them; what unequal levels win;
how a budget of bits is spread over tensors; how networks train in a format.

matplotlib is imported when a figure is drawn, and not before. Each function returns a
`matplotlib.figure.Figure` and, given a path, writes it too; nothing global changes.
"""

from __future__ import annotations

from .blocks import bits_against_error, outlier_in_blocks
from .budgets import allocation
from .clipping import thresholds
from .epochs import training
from .figures import comparison, dynamic_range, relative_error
from .low_bits import low_bit_curves
from .optimizers import states
from .sums import gemm_losses
from .values import value_sets

__all__ = [
    "allocation",
    "bits_against_error",
    "comparison",
    "dynamic_range",
    "gemm_losses",
    "low_bit_curves",
    "outlier_in_blocks",
    "relative_error",
    "states",
    "thresholds",
    "training",
    "value_sets",
]
