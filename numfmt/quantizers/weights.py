"""Weights in more than one scale, or normalised first: SYQ, APoT's weight normalisation."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..registry import element
from .levels import Array, Levels, finite_numbers


class Symmetric(NamedTuple):
    """Signs with a scale for each place of a kernel.

    Attributes
    ----------
    signs : int8, shape of the weights: -1, 0 or 1
    scales : float64, the kernel's shape; () of a matrix
    """

    signs: Array
    scales: Array

    def decode(self) -> Array:
        """signs * scales, float64."""
        return np.asarray(self.signs * self.scales)


def syq(w: Any, t: float | None = 0.05) -> Symmetric:
    """SYQ: signs, 0 below a threshold, and a scale for each place (i, j) of a kernel, shared by filters and channels.

    Parameters
    ----------
    w : array_like of finite real numbers, (filters, channels, ...kernel), or a matrix, which has one scale
    t : float, 0 <= t < 1, or None
        Ternary: 0 where \\|w\\| < t * max\\|w\\|. None: binary, and 1 for 0.

    Returns
    -------
    Symmetric : scales begin at the mean of \\|w\\| at their place; training learns them

    Raises
    ------
    ValueError : fewer than two axes; zeros in ternary; t out of range

    Notes
    -----
    Faraone et al., "SYQ: Learning Symmetric Quantization for Efficient Deep Neural Networks", CVPR 2018;
    julianfaraone/SYQ, whose binary mode leaves magnitude 1 in place of the scale where \\|w\\| <= 0.05 max\\|w\\|.

    >>> found = syq([[[0.5, -0.01], [2.0, 1.0]], [[-1.5, 0.03], [4.0, 3.0]]])
    >>> found.signs[0].tolist(), found.scales.tolist()
    ([[1, 0], [1, 1]], [2.0, 1.01])
    """
    numbers = finite_numbers(w, "syq")
    if numbers.ndim < 2:
        raise ValueError(f"syq takes weights (filters, channels, ...kernel), got shape {numbers.shape}")
    if t is not None and not 0 <= t < 1:
        raise ValueError(f"t= is a share of the largest magnitude, 0 <= t < 1, or None; got {t!r}")
    sizes = np.abs(numbers)
    if t is not None and not sizes.any():
        raise ValueError("syq: every number is 0, so that no threshold leaves one")
    signs = np.where(numbers < 0, -1, 1) if t is None else np.sign(numbers) * (sizes >= t * sizes.max())
    return Symmetric(signs.astype(np.int8), np.asarray(sizes.mean(axis=(0, 1))))


def apot_weights(w: Any, bits: int, alpha: float = 3.0) -> Array:
    """APoT's weights: (w - mean) / deviation, clipped to -alpha ... alpha, to the levels of `apot<bits>` times alpha.

    Parameters
    ----------
    w : array_like of two finite real numbers or more, not all equal: the weights of a layer
    bits : int, 2 to 7
    alpha : float, above 0, which training learns, from 3 on

    Returns
    -------
    float64, shape of w: the normalised weights, which are what the network computes with

    Notes
    -----
    The deviation has n - 1 below. Li, Dong, Wang, ICLR 2020, section 2.3; yhhhli/APoT_Quantization, quant_layer.py.

    >>> apot_weights([0.9, -0.7, 0.375, 0.0], 4).round(3).tolist()
    [1.2, -1.2, 0.3, -0.3]
    """
    numbers = finite_numbers(w, "apot_weights")
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha= is above 0 and finite, got {alpha!r}")
    if isinstance(bits, bool) or not hasattr(bits, "__index__"):
        raise TypeError(f"bits= takes an integer, got {bits!r}")
    if numbers.min() == numbers.max():
        raise ValueError("apot_weights: the numbers are all equal, so that no deviation comes from them")
    levels = [float(value) for _, value in element(f"apot{bits}").values()]
    normal = (numbers - numbers.mean()) / numbers.std(ddof=1)
    return alpha * Levels(np.array(levels), ties="zero").quantized(normal / alpha)
