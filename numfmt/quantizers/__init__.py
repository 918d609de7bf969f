"""Quantizers whose levels, scales and thresholds come from data."""

from __future__ import annotations

from . import elias, surrogates
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
from .clustering import Clusters, kmeans, lloyd_max
from .compression import (
    COMPRESSORS,
    CompressionRow,
    CompressionTable,
    NormedGradient,
    SignGradient,
    TernaryGradient,
    compression_statistics,
    qsgd,
    rises,
    sign_compression,
    terngrad,
)
from .densities import (
    Quantizer,
    density_binary,
    density_error,
    density_levels,
    density_scale,
    density_step,
    density_ternary,
    logarithmic_levels,
)
from .elb import AdmmState, ScaledIntegers, elb_admm, elb_integers, elb_optimum, elb_projection
from .factorization import TernaryFactors, best_ternary, ternary_factorization
from .levels import Levels
from .optimal import optimal_levels
from .piecewise import (
    Breakpoint,
    pwlq,
    pwlq_breakpoint,
    pwlq_expected_error,
    pwlq_search,
    uniform_expected_error,
)
from .soft import DSQ, QuantizationNetwork, dsq_alpha, dsq_slope, quantization_network

__all__ = [
    "COMPRESSORS",
    "DSQ",
    "AdmmState",
    "BinaryFilters",
    "Breakpoint",
    "Clusters",
    "CompressionRow",
    "CompressionTable",
    "FilterLevels",
    "HashedFilter",
    "LearnedBasis",
    "Levels",
    "NonuniformThresholds",
    "NormedGradient",
    "QuantizationNetwork",
    "Quantizer",
    "ScaledIntegers",
    "SignGradient",
    "TernaryFactors",
    "TernaryGradient",
    "best_ternary",
    "bwn",
    "bwnh",
    "compression_statistics",
    "density_binary",
    "density_error",
    "density_levels",
    "density_scale",
    "density_step",
    "density_ternary",
    "dsq_alpha",
    "dsq_slope",
    "elb_admm",
    "elb_integers",
    "elb_optimum",
    "elb_projection",
    "elias",
    "input_scales",
    "kmeans",
    "learned_basis",
    "lloyd_max",
    "logarithmic_levels",
    "lqnet_activation_start",
    "lqnet_weight_start",
    "n2uq_start",
    "n2uq_weights",
    "optimal_levels",
    "pwlq",
    "pwlq_breakpoint",
    "pwlq_expected_error",
    "pwlq_search",
    "qem_step",
    "qsgd",
    "quantization_network",
    "rises",
    "sign_compression",
    "surrogates",
    "ternary_factorization",
    "terngrad",
    "uniform_expected_error",
    "xnor_convolution",
]
