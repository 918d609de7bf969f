"""Smooth functions that stand in for a quantizer while a network learns, and become it in the limit.

R. Gong et al., "Differentiable soft quantization: bridging full-precision and low-bit neural networks",
ICCV 2019; J. Yang et al., "Quantization networks", CVPR 2019.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .arguments import integer_in, positive
from .levels import Levels, finite_numbers

Array = np.ndarray[Any, Any]
MOST_BITS = 16


def dsq_slope(alpha: float, step: float) -> float:
    """The k of tanh(k (x - middle)) that leaves a distance `alpha` to the step at the ends of an interval.

    alpha = 1 - tanh(k step / 2), so k = ln(2 / alpha - 1) / step. The paper uses 0 < alpha < 0.5; towards 0
    the curve is the quantizer, towards 1 a straight line.

    Parameters
    ----------
    alpha : 0 < alpha < 1
    step : width of an interval, above 0

    Source: DSQ; ModelTC/MQBench, fake_quantize/dsq.py.

    >>> round(dsq_slope(0.2, 2 / 3), 9)
    3.295836866
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha of DSQ satisfies 0 < alpha < 1, got {alpha}; near 0 is the hard quantizer")
    return math.log1p(2 * (1 - alpha) / alpha) / positive("the step of DSQ", step)


def dsq_alpha(slope: float, step: float) -> float:
    """The alpha of a slope k: 1 - tanh(k step / 2), computed as 2 e / (1 + e) with e = exp(-k step).

    Errors: `ValueError` where k step is so large that alpha is 0 in float64, or so small that it is 1.

    Source: DSQ.

    >>> round(dsq_alpha(dsq_slope(0.2, 2 / 3), 2 / 3), 12)
    0.2
    """
    e = math.exp(-positive("the slope of DSQ", slope) * positive("the step of DSQ", step))
    alpha = 2 * e / (1 + e)
    if not 0 < alpha < 1:
        raise ValueError(
            f"a slope of {slope} and a step of {step} give alpha = {alpha}, which is no soft curve"
        )
    return alpha


class DSQ(NamedTuple):
    """Differentiable soft quantization: on each interval between two levels a piece of tanh.

    With D = (high - low) / (2**bits - 1), interval i = floor((x - low) / D), its middle
    m = low + (i + 1/2) D and s = 1 / (1 - alpha), the soft value is low + D (i + (phi + 1) / 2),
    phi = s tanh(k (x - m)). The hard value has the sign of x - m in place of phi.

    Attributes
    ----------
    low, high : ends of the range; x is clipped to it
    bits : 1 to 16; 2**bits levels
    alpha : 0 < alpha < 1, see `dsq_slope`

    Source: DSQ; ModelTC/MQBench, fake_quantize/dsq.py.

    >>> soft = DSQ(-1.0, 1.0, bits=2, alpha=0.2)
    >>> soft.soft([0.9, -0.7, 0.5, 0.0]).round(9).tolist()
    [0.935985102, -0.712258901, 0.458333333, 0.0]
    >>> soft.hard([0.9, -0.7, 0.5, 0.0]).round(3).tolist()
    [1.0, -1.0, 0.333, 0.333]
    """

    low: float
    high: float
    bits: int
    alpha: float

    @property
    def step(self) -> float:
        """D, the distance of neighbouring levels."""
        low, high = self.ends
        return (high - low) / self.intervals_within

    @property
    def ends(self) -> tuple[float, float]:
        """low and high; `ValueError` where they are no range."""
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"the range of DSQ is from low up to high, got {self.low} and {self.high}")
        return self.low, self.high

    @property
    def intervals_within(self) -> int:
        """2**bits - 1, how many intervals lie in the range."""
        return 2 ** integer_in("bits", self.bits, 1, MOST_BITS) - 1

    @property
    def slope(self) -> float:
        """k, in the inverse of the unit of x."""
        return dsq_slope(self.alpha, self.step)

    @property
    def levels(self) -> Levels:
        """The hard quantizer; the middle of an interval goes up, and a decoder needs low and high.

        >>> DSQ(-1.0, 1.0, bits=2, alpha=0.2).levels.values.round(3).tolist()
        [-1.0, -0.333, 0.333, 1.0]
        """
        return Levels(np.linspace(*self.ends, self.intervals_within + 1), ties="up", numbers=2)

    def intervals(self, x: Any) -> tuple[Array, Array]:
        """The interval of each element, from 0, and the place in it: -1/2 at its lower end, almost 1/2."""
        place = (np.clip(finite_numbers(x, "DSQ"), self.low, self.high) - self.low) / self.step
        interval = np.floor(place)
        return interval, place - interval - 0.5

    def rise(self, place: Array) -> tuple[Array, Array]:
        """(phi + 1) / 2 at a place within an interval, and its slope per interval."""
        k, s = self.slope * self.step, 1 / (1 - self.alpha)
        t = np.tanh(k * place)
        return (s * t + 1) / 2, s * k * (1 - t * t) / 2

    def soft(self, x: Any) -> Array:
        """The smooth value of each element.

        Parameters
        ----------
        x : array_like of finite numbers, any shape

        Returns
        -------
        float64, shape of x
        """
        interval, place = self.intervals(x)
        return np.asarray(self.low + self.step * (interval + self.rise(place)[0]))

    def hard(self, x: Any) -> Array:
        """The level of each element, float64 in the shape of x."""
        return self.levels.quantized(finite_numbers(x, "DSQ"))

    def derivative(self, x: Any) -> Array:
        """d soft / d x: k D s / 2 (1 - tanh(k (x - m))**2) within [low, high], 0 outside.

        >>> DSQ(-1.0, 1.0, bits=2, alpha=0.2).derivative([0.0, 1.5]).round(9).tolist()
        [1.373265361, 0.0]
        """
        inside = (np.asarray(x) >= self.low) & (np.asarray(x) <= self.high)
        return np.where(inside, self.rise(self.intervals(x)[1])[1], 0.0)


class QuantizationNetwork(NamedTuple):
    """A quantizer as a sum of unit steps: y = alpha (sum of heights[i] A(beta x - biases[i]) - offset).

    A is the unit step (1 above 0, else 0); while a network learns it is sigmoid(temperature times that).

    Attributes
    ----------
    heights : float64, (n,): the distances of the n + 1 levels
    biases : float64, (n,), rising: the boundaries times beta
    offset : float; half the sum of the heights for symmetric levels, 0 for activations
    alpha, beta : scale of the output and of the input

    Source: Quantization networks; aliyun/alibabacloud-quantization-networks, anybit.py.

    >>> net = quantization_network([-1, 0, 1], boundaries=[-0.05, 0.05], largest=1.0)
    >>> net.hard([0.3, 0.01, -2.0]).tolist()
    [0.8, 0.0, -0.8]
    >>> net.soft([0.3, 0.01, -2.0], temperature=1000.0).tolist()
    [0.8, 0.0, -0.8]
    """

    heights: Array
    biases: Array
    offset: float
    alpha: float
    beta: float

    @property
    def levels(self) -> Levels:
        """The hard quantizer; a boundary goes down, and a decoder needs alpha."""
        values = self.alpha * (np.concatenate([[0.0], np.cumsum(self.heights)]) - self.offset)
        return Levels(values, np.asarray(self.biases) / self.beta, ties="down")

    def hard(self, x: Any) -> Array:
        """The value of each element with unit steps; float64, shape of x."""
        arguments = self.beta * finite_numbers(x, "a quantization network")[..., None] - self.biases
        return np.asarray(self.alpha * ((arguments > 0) @ np.asarray(self.heights) - self.offset))

    def sigmoids(self, x: Any, temperature: float) -> tuple[Array, Array]:
        """sigmoid(T (beta x - biases[i])) and its derivative by its argument, T left out: (..., n) each."""
        if not temperature > 0:
            raise ValueError(
                f"the temperature is above 0, got {temperature}; a large one gives the hard steps"
            )
        numbers = finite_numbers(x, "a quantization network")[..., None]
        half = np.tanh(temperature * (self.beta * numbers - self.biases) / 2)
        return (1 + half) / 2, (1 - half * half) / 4

    def soft(self, x: Any, temperature: float) -> Array:
        """The smooth value of each element.

        The authors take T = 10 epoch (AlexNet) or 5 epoch (ResNet), at most 2000 in their code, where the
        argument of the sigmoid also stays within +-10; here it is not clipped.

        Parameters
        ----------
        x : array_like of finite numbers, any shape
        temperature : above 0

        Returns
        -------
        float64, shape of x
        """
        s, _ = self.sigmoids(x, temperature)
        return np.asarray(self.alpha * (s @ np.asarray(self.heights) - self.offset))

    def derivatives(self, x: Any, temperature: float) -> tuple[Array, Array, Array, Array]:
        """d soft by x, alpha, beta and each bias.

        With g_i = alpha s_i sigmoid: dy/dx = sum of T beta / (alpha s_i) g_i (alpha s_i - g_i),
        dy/dalpha = y / alpha, dy/dbeta the same as dy/dx with x for beta,
        dy/db_i = -T / (alpha s_i) g_i (alpha s_i - g_i).

        Returns
        -------
        float64 : shape of x three times, and (..., n)

        Source: Quantization networks; anybit.py.

        >>> net = quantization_network([-1, 0, 1], boundaries=[-0.05, 0.05], largest=1.0)
        >>> [d.round(6).tolist() for d in net.derivatives([0.05], temperature=10.0)]
        [[4.231048], [0.2773], [0.169242], [[-1.384838, -2.0]]]
        """
        numbers = finite_numbers(x, "a quantization network")
        s, slope = self.sigmoids(x, temperature)
        by_bias = -temperature * self.alpha * np.asarray(self.heights) * slope
        total = -by_bias.sum(axis=-1)
        by_alpha = s @ np.asarray(self.heights) - self.offset
        return self.beta * total, by_alpha, numbers * total, by_bias


def quantization_network(levels: Any, boundaries: Any, largest: float) -> QuantizationNetwork:
    """The start of a quantization network with symmetric levels: beta = (5 p / 4) / q, alpha = 1 / beta.

    Parameters
    ----------
    levels : array_like, rising, n + 1 integers Y; p = max |Y|
    boundaries : array_like, rising, n numbers in the unit of x, as the mid-points of the centres of k-means
    largest : q = max |x|

    Errors: `ValueError` where levels or boundaries do not rise, or their counts do not fit.

    Source: Quantization networks; anybit.py.

    >>> quantization_network([-4, -2, -1, 0, 1, 2, 4], range(-5, 6, 2), largest=5.0).heights.tolist()
    [2.0, 1.0, 1.0, 1.0, 1.0, 2.0]
    """
    y, edges = finite_numbers(levels, "a quantization network"), finite_numbers(boundaries, "its boundary")
    if edges.shape != (y.size - 1,) or (np.diff(y) <= 0).any() or (np.diff(edges) < 0).any():
        raise ValueError(
            f"{y.size} levels need {y.size - 1} boundaries, both rising, got {y.tolist()} and {edges.tolist()}"
        )
    beta = 5 * float(np.abs(y).max()) / 4 / positive("the largest magnitude of the data", largest)
    heights = np.diff(y)
    return QuantizationNetwork(heights, beta * edges, float(heights.sum()) / 2, 1 / beta, beta)
