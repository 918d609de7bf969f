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
from .binary_filters import BinaryFilters, HashedFilter, bwn, bwnh, input_scales, xnor_convolution
from .elb import AdmmState, ScaledIntegers, elb_admm, elb_integers, elb_optimum, elb_projection
from .factorization import TernaryFactors, best_ternary, ternary_factorization
from .levels import Levels
from .soft import DSQ, QuantizationNetwork, dsq_alpha, dsq_slope, quantization_network

__all__ = [
    "DSQ",
    "AdmmState",
    "BinaryFilters",
    "FilterLevels",
    "HashedFilter",
    "LearnedBasis",
    "Levels",
    "NonuniformThresholds",
    "QuantizationNetwork",
    "ScaledIntegers",
    "TernaryFactors",
    "best_ternary",
    "bwn",
    "bwnh",
    "dsq_alpha",
    "dsq_slope",
    "elb_admm",
    "elb_integers",
    "elb_optimum",
    "elb_projection",
    "input_scales",
    "learned_basis",
    "lqnet_activation_start",
    "lqnet_weight_start",
    "n2uq_start",
    "n2uq_weights",
    "qem_step",
    "quantization_network",
    "surrogates",
    "ternary_factorization",
    "xnor_convolution",
]
