"""Quantizers whose levels, scales and thresholds come from data: the methods of the literature as plain functions.

What they learn are `Levels`: the values of codes, the boundaries between them, whose a tie is. Those that an array is
encoded with are formats too, `numfmt.learned` lists them; sets of values that no data changes are element formats
(`binary`, `unorm4`, `apot4`, `log3`, `shiftcnn` ...).

    clustering, optimal      k-means and Lloyd-Max; the optimum by dynamic programming
    densities                best levels, steps, scales and thresholds for normal, Laplace and uniform numbers
    scaling                  the best scale of any levels
    ternary, weights         TWN, TTQ; SYQ, APoT's weights
    binary_filters           BWN and XNOR-Net, BWNH
    ternary_neurons, factorization   TNN's thresholds; ternary factors of a matrix
    uniform, magnitudes      DoReFa-Net, LSQ, PACT, INQ, WAGE; what they need of batches
    basis                    LQ-Nets, N2UQ
    elb                      small integers times a scale; ADMM
    piecewise                PWLQ
    lattice                  E8, and E8P of QuIP#
    soft, surrogates         DSQ and Quantization Networks; the gradient that each quantizer passes back
    compression, elias       TernGrad, QSGD and signs on a wire
"""

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
from .lattice import (
    E8P_SCALE,
    PaddedLattice,
    d8_nearest,
    e8_decode,
    e8_encode,
    e8_nearest,
    e8p_decode,
    e8p_encode,
    e8p_table,
)
from .levels import Levels
from .magnitudes import Magnitudes
from .optimal import optimal_levels
from .piecewise import (
    Breakpoint,
    pwlq,
    pwlq_breakpoint,
    pwlq_expected_error,
    pwlq_search,
    uniform_expected_error,
)
from .scaling import Fit, best_scale
from .soft import DSQ, QuantizationNetwork, dsq_alpha, dsq_slope, quantization_network
from .ternary import ttq, twn
from .ternary_neurons import TernaryNeuron, ternary_neuron
from .uniform import (
    dorefa,
    dorefa_gradient,
    inq,
    lsq,
    lsq_step,
    pact,
    wage_error,
    wage_gradient,
    wage_shift,
)
from .weights import Symmetric, apot_weights, syq

__all__ = [
    "COMPRESSORS",
    "DSQ",
    "E8P_SCALE",
    "AdmmState",
    "BinaryFilters",
    "Breakpoint",
    "Clusters",
    "CompressionRow",
    "CompressionTable",
    "FilterLevels",
    "Fit",
    "HashedFilter",
    "LearnedBasis",
    "Levels",
    "Magnitudes",
    "NonuniformThresholds",
    "NormedGradient",
    "PaddedLattice",
    "QuantizationNetwork",
    "Quantizer",
    "ScaledIntegers",
    "SignGradient",
    "Symmetric",
    "TernaryFactors",
    "TernaryGradient",
    "TernaryNeuron",
    "apot_weights",
    "best_scale",
    "best_ternary",
    "bwn",
    "bwnh",
    "compression_statistics",
    "d8_nearest",
    "density_binary",
    "density_error",
    "density_levels",
    "density_scale",
    "density_step",
    "density_ternary",
    "dorefa",
    "dorefa_gradient",
    "dsq_alpha",
    "dsq_slope",
    "e8_decode",
    "e8_encode",
    "e8_nearest",
    "e8p_decode",
    "e8p_encode",
    "e8p_table",
    "elb_admm",
    "elb_integers",
    "elb_optimum",
    "elb_projection",
    "elias",
    "input_scales",
    "inq",
    "kmeans",
    "learned_basis",
    "lloyd_max",
    "logarithmic_levels",
    "lqnet_activation_start",
    "lqnet_weight_start",
    "lsq",
    "lsq_step",
    "n2uq_start",
    "n2uq_weights",
    "optimal_levels",
    "pact",
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
    "syq",
    "ternary_factorization",
    "ternary_neuron",
    "terngrad",
    "ttq",
    "twn",
    "uniform_expected_error",
    "wage_error",
    "wage_gradient",
    "wage_shift",
    "xnor_convolution",
]
