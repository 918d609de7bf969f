"""Quantizers whose levels, scales and thresholds come from data."""

from __future__ import annotations

from . import surrogates
from .levels import Levels
from .soft import DSQ, QuantizationNetwork, dsq_alpha, dsq_slope, quantization_network

__all__ = [
    "DSQ",
    "Levels",
    "QuantizationNetwork",
    "dsq_alpha",
    "dsq_slope",
    "quantization_network",
    "surrogates",
]
