"""Learned levels with the structure of a number: sums of a binary basis (LQ-Nets), equal outputs (N2UQ).

D. Zhang, J. Yang, D. Ye, G. Hua, "LQ-Nets: learned quantization for highly accurate and compact deep neural
networks", ECCV 2018; Z. Liu et al., "Nonuniform-to-uniform quantization", CVPR 2022.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .arguments import axes_within, integer_in
from .levels import Levels, finite_numbers
from .ordered import Ordered, ordered

Array = np.ndarray[Any, Any]
UPPER_QUARTILE = 0.6745  # of the normal law, as the authors of LQ-Nets write it
MOST_BITS = 8
NARROWEST = 1e-3  # of N2UQ's intervals
SETTLED = 1e-13  # of the largest number of a basis


class LearnedBasis(NamedTuple):
    """Levels that are sums of basis numbers: one bit of a code multiplies each.

    Attributes
    ----------
    basis : float64, (bits,)
    digits : what bits 0 and 1 of a code stand for: (-1, 1) for weights, (0, 1) for activations
    error : mean squared error on the data it was learned from

    Source: LQ-Nets; microsoft/LQ-Nets, learned_quantization.py.

    >>> LearnedBasis(np.array([0.25, 0.5]), (-1, 1), 0.0).levels.values.tolist()
    [-0.75, -0.25, 0.25, 0.75]
    """

    basis: Array
    digits: tuple[int, int]
    error: float

    @property
    def codes(self) -> Array:
        """The digits of each level, from the lowest level up: int8, (2**bits, bits)."""
        table = _digit_table(self.basis.size, self.digits)
        return table[np.argsort(table @ self.basis, kind="stable")]

    @property
    def levels(self) -> Levels:
        """The levels; a number on the mid-point of two goes down, and a decoder needs the basis."""
        return Levels(self.codes @ self.basis, ties="down", numbers=self.basis.size)


def _digit_table(bits: int, digits: tuple[int, int]) -> Array:
    ones = np.arange(2**bits)[:, None] >> np.arange(bits) & 1
    return np.where(ones, digits[1], digits[0]).astype(np.int8)


def lqnet_weight_start(bits: int, fan_out: int) -> Array:
    """Where LQ-Nets start for weights: 0.6745 sqrt(2 / n) / 2**(bits - 1) times 1, 2, 4, ...

    Parameters
    ----------
    fan_out : n, the kernel's places times the output channels; sqrt(2 / n) is the deviation of fresh weights

    Source: microsoft/LQ-Nets, learned_quantization.py (QuantizedWeight).

    >>> lqnet_weight_start(2, fan_out=50).round(5).tolist()
    [0.06745, 0.1349]
    """
    deviation = math.sqrt(2 / integer_in("fan_out", fan_out, 1))
    return _doubling(UPPER_QUARTILE * deviation / 2 ** (_checked_bits(bits) - 1), bits)


def lqnet_activation_start(bits: int) -> Array:
    """Where LQ-Nets start for activations of unit variance: 0.6745 * 2 / (2**bits - 1) times 1, 2, 4, ...

    Source: microsoft/LQ-Nets, learned_quantization.py (QuantizedActiv).

    >>> lqnet_activation_start(2).round(6).tolist()
    [0.449667, 0.899333]
    """
    return _doubling(UPPER_QUARTILE * 2 / (2 ** _checked_bits(bits) - 1), bits)


def _checked_bits(bits: Any) -> int:
    return integer_in("bits", bits, 1, MOST_BITS)


def _doubling(first: float, bits: int) -> Array:
    return np.asarray(first * 2.0 ** np.arange(bits))


def _started(data: Ordered, bits: int, digits: tuple[int, int]) -> Array:
    """The starts of the authors with the root mean square of the data for the deviation they assume."""
    size = math.sqrt(float(np.square(data.numbers, dtype=np.float64).mean()))
    if digits == (0, 1):
        return lqnet_activation_start(bits) * size
    return _doubling(UPPER_QUARTILE * size / 2 ** (bits - 1), bits)


def _checked_basis(data: Ordered, start: Array, digits: tuple[int, int]) -> Array:
    if tuple(digits) not in ((-1, 1), (0, 1)):
        raise ValueError(f"the digits of a basis are (-1, 1) or (0, 1), got {digits}")
    if data.distinct() < 2**start.size:
        raise ValueError(
            f"{start.size} bits have {2**start.size} levels, and the data have {data.distinct()} distinct"
            " values. Take fewer bits"
        )
    return start


def _refitted(data: Ordered, now: LearnedBasis, ridge: float) -> Array:
    """The least squares basis of the codes that the data have now.

    Solved for the change, so that digits that no element tells apart stay as they are.
    """
    codes = now.codes.astype(np.float64)
    cuts = data.cuts(codes @ now.basis)
    gram = codes.T @ (np.diff(cuts)[:, None] * codes)
    missing = codes.T @ data.run_sums(cuts) - gram @ now.basis
    change = np.linalg.lstsq(gram + ridge * np.eye(len(gram)), missing, rcond=None)[0]
    return np.asarray(now.basis + change)


def _moved(data: Ordered, basis: Array, digits: tuple[int, int], keep: float, ridge: float) -> Array:
    """The basis after one step."""
    if not 0 <= keep < 1 or not 0 <= ridge < math.inf:
        raise ValueError(f"a step needs 0 <= keep < 1 and a finite ridge >= 0, got {keep} and {ridge}")
    return keep * basis + (1 - keep) * _refitted(data, LearnedBasis(basis, digits, 0.0), ridge)


def _with_error(data: Ordered, basis: Array, digits: tuple[int, int]) -> LearnedBasis:
    levels = LearnedBasis(basis, digits, 0.0).levels.values
    error = data.squared_errors(data.cuts(levels), levels) / data.numbers.size
    return LearnedBasis(basis, digits, error)


def qem_step(
    x: Any, basis: Any, digits: tuple[int, int] = (-1, 1), *, keep: float = 0.0, ridge: float = 0.0
) -> LearnedBasis:
    """One step of alternating least squares: codes by the nearest level, then the best basis of these codes.

    The new basis solves (B^T B + ridge) v = B^T x + ridge v_old, and the result is keep v_old +
    (1 - keep) v. With keep = ridge = 0 the error never rises. The authors' code has keep 0.9, and ridge 1e-4
    for weights.

    Parameters
    ----------
    x : array_like of finite numbers, any shape; of one output channel, as LQ-Nets learn weights
    basis : array_like, (bits,)
    digits : (-1, 1) for weights, (0, 1) for activations
    keep : 0 <= keep < 1, share of the old basis
    ridge : at least 0, finite

    Errors: `ValueError` for data that are empty, not finite, or have fewer distinct values than levels.

    Source: LQ-Nets (QEM); learned_quantization.py.

    >>> qem_step([1.0, 3.0, -1.0, -3.0], [0.9, 1.9]).basis.round(12).tolist()
    [1.0, 2.0]
    """
    old = finite_numbers(basis, "a basis")
    if old.ndim != 1:
        raise ValueError(f"a basis is one row of numbers, got shape {old.shape}")
    data = ordered(x, 2**old.size, "a basis")
    return _with_error(data, _moved(data, _checked_basis(data, old, digits), digits, keep, ridge), digits)


def learned_basis(
    x: Any,
    bits: int,
    *,
    start: Any = None,
    digits: tuple[int, int] = (-1, 1),
    keep: float = 0.0,
    ridge: float = 0.0,
    steps: int = 100,
) -> LearnedBasis:
    """Steps of `qem_step` until the basis changes by less than 1e-13 of itself, or `steps` are done.

    Parameters
    ----------
    x : array_like of finite numbers, any shape
    bits : 1 to 8
    start : array_like, (bits,); None: as `lqnet_weight_start` and `lqnet_activation_start`, with the root
        mean square of the data in place of the deviation these assume

    steps : at most, 0 or more

    The other parameters, the errors and the source are those of `qem_step`. The result is a local optimum.
    With keep=0.9 and ridge=1e-4 the steps are those of the authors' code for weights, with keep=0.9 alone those
    for activations; the code takes one step a batch.

    >>> w = [0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0]
    >>> learned = learned_basis(w, 2, start=[0.2, 0.4])
    >>> learned.basis.round(9).tolist(), round(learned.error, 9)
    ([0.287888889, 0.412111111], 0.022029463)
    """
    width = _checked_bits(bits)
    data = ordered(x, 2**width, "a basis")
    first = _started(data, width, digits) if start is None else finite_numbers(start, "a basis")
    if first.shape != (width,):
        raise ValueError(f"a basis of {bits} bits starts from {bits} numbers, got shape {first.shape}")
    now = _checked_basis(data, first, digits)
    for _ in range(integer_in("steps", steps, 0)):
        before, now = now, _moved(data, now, digits, keep, ridge)
        if np.abs(now - before).max() <= SETTLED * np.abs(now).max():
            break
    return _with_error(data, now, digits)


class NonuniformThresholds(NamedTuple):
    """N2UQ: intervals of learned widths, outputs of equal distance.

    Attributes
    ----------
    widths : float64, (2**bits - 1,); each counts as at least 1e-3
    start : where the first interval begins, in the unit of x * scale_in
    scale_in, scale_out : learned factors of input and output

    Thresholds are the middles of the intervals; the output is (2 / n) times how many of them are below
    x * scale_in, times scale_out, n = 2**bits - 1.

    Source: N2UQ; liuzechun/Nonuniform-to-Uniform-Quantization, resnet.py (LTQ).

    >>> steps = NonuniformThresholds(np.array([0.5, 1.0, 0.5]))
    >>> steps.thresholds.tolist()
    [0.25, 1.0, 1.75]
    >>> steps.levels.quantized(np.array([0.25, 0.3, 9.0])).round(6).tolist()
    [0.0, 0.666667, 2.0]
    """

    widths: Array
    start: float = 0.0
    scale_in: float = 1.0
    scale_out: float = 1.0

    @property
    def thresholds(self) -> Array:
        """T_1 = start + a_1 / 2, T_(i+1) = T_i + (a_i + a_(i+1)) / 2; float64, in the unit of x * scale_in."""
        a = np.maximum(finite_numbers(self.widths, "N2UQ"), NARROWEST)
        return np.asarray(self.start + np.cumsum(a) - a / 2)

    @property
    def levels(self) -> Levels:
        """The quantizer of x; a threshold itself goes down, and a decoder needs scale_out."""
        if not (self.scale_in > 0 and self.scale_out > 0):
            raise ValueError(f"the scales of N2UQ are above 0, got {self.scale_in} and {self.scale_out}")
        edges = self.thresholds / self.scale_in
        return Levels(self.scale_out * 2 / edges.size * np.arange(edges.size + 1), edges, ties="down")


def n2uq_start(bits: int) -> NonuniformThresholds:
    """Where N2UQ starts: 2**bits - 1 widths that share the range from 0 to 2 equally.

    Source: liuzechun/Nonuniform-to-Uniform-Quantization, resnet.py (LTQ).

    >>> n2uq_start(2).thresholds.round(6).tolist()
    [0.333333, 1.0, 1.666667]
    """
    n = 2 ** _checked_bits(bits) - 1
    return NonuniformThresholds(np.full(n, 2 / n))


class FilterLevels(NamedTuple):
    """Weights whose filters share levels but not the scale.

    Attributes
    ----------
    codes : uint8, shape of the weights
    levels : Levels of the unit range
    scales : float64, one number a filter, in a shape that multiplies the weights
    """

    codes: Array
    levels: Levels
    scales: Array

    def decode(self) -> Array:
        """The quantized weights, float64.

        >>> n2uq_weights([[1.0, -2.0, 0.1, 0.0]], bits=2).decode().round(6).tolist()
        [[1.1625, -1.1625, 0.3875, 0.3875]]
        """
        return np.asarray(self.levels.values[self.codes] * self.scales)


def n2uq_scales(w: Any, bits: int, axis: int = 0) -> Array:
    """gamma mean |w| of each filter, gamma = (2**bits - 1) / 2**(bits - 1), in a shape that divides the weights.

    Parameters, errors and source are those of `n2uq_weights`.

    >>> n2uq_scales([[1.0, -2.0, 0.0, 0.0]], bits=2).tolist()
    [[1.125]]
    """
    sizes, width = np.abs(finite_numbers(w, "N2UQ")), _checked_bits(bits)
    scales = (
        (2**width - 1) / 2 ** (width - 1) * sizes.mean(axis=axes_within(sizes.shape, axis), keepdims=True)
    )
    if not scales.all():
        raise ValueError(f"filter {int(np.argmin(scales))} has no weight but 0, so it has no scale")
    return np.asarray(scales)


def n2uq_weights(w: Any, bits: int, axis: int = 0) -> FilterLevels:
    """N2UQ's weights: 2**bits equal steps over +-gamma mean |w| of each filter, ties to even codes.

    gamma = (2**bits - 1) / 2**(bits - 1). Each filter is divided by that scale and clipped to +-1; with
    n = 2**bits - 1 the code is round((w + 1) n / 2).

    Parameters
    ----------
    w : array_like of finite numbers, any shape
    bits : 1 to 8
    axis : whose places are filters

    Errors: `ValueError` for a filter whose weights are all 0.

    Source: N2UQ; resnet.py (HardQuantizeConv).

    >>> n2uq_weights([[1.0, -2.0, 0.1, 0.0]], bits=2).codes.tolist()
    [[3, 0, 2, 2]]
    """
    numbers = finite_numbers(w, "N2UQ")
    n, scales = 2 ** _checked_bits(bits) - 1, n2uq_scales(numbers, bits, axis)
    codes = np.rint((np.clip(numbers / scales, -1, 1) + 1) * n / 2).astype(np.uint8)
    return FilterLevels(codes, Levels(2 * np.arange(n + 1) / n - 1), scales)
