"""Quantizers whose levels, scales and thresholds come from data."""

from __future__ import annotations

from . import surrogates
from .basis import (
    FilterLevels,
    LearnedBasis,
    NonuniformThresholds,
    learned_basis,
    lqnet_activation_start,
    lqnet_weight_start,
    n2uq_start,
    n2uq_weights,
    qem_step,
)
from .elb import AdmmState, ScaledIntegers, elb_admm, elb_integers, elb_optimum, elb_projection
from .levels import Levels
from .soft import DSQ, QuantizationNetwork, dsq_alpha, dsq_slope, quantization_network

__all__ = [
    "DSQ",
    "AdmmState",
    "FilterLevels",
    "LearnedBasis",
    "Levels",
    "NonuniformThresholds",
    "QuantizationNetwork",
    "ScaledIntegers",
    "dsq_alpha",
    "dsq_slope",
    "elb_admm",
    "elb_integers",
    "elb_optimum",
    "elb_projection",
    "learned_basis",
    "lqnet_activation_start",
    "lqnet_weight_start",
    "n2uq_start",
    "n2uq_weights",
    "qem_step",
    "quantization_network",
    "surrogates",
]
