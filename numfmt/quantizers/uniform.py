"""Equal steps whose size, or whose place, comes from data: DoReFa-Net, LSQ, PACT, INQ, WAGE.

Equal steps between fixed ends are formats: `unorm<b>` are DoReFa-Net's and WRPN's activations, `snorm<b>` WRPN's
weights, ``q0.1[symmetric]`` WAGE's weights of two bits and ``q0.7[symmetric]`` its activations of eight.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..noise import words
from ..registry import element
from .arguments import integer_in, positive
from .compression import rises
from .levels import Array, Levels, finite_numbers
from .magnitudes import magnitudes_of

WORD = 2.0**32  # of noise


def dorefa(x: Any, bits: int) -> Levels:
    """DoReFa-Net's weights: 2 q(tanh(x) / (2 max\\|tanh(x)\\|) + 1/2) - 1, q to 2**bits - 1 equal steps.

    Parameters
    ----------
    x : array_like of finite real numbers, any shape: the weights of a layer, not all zero; or `Magnitudes`
    bits : int, 1 to 8
        With 1: sign(x) * E\\|x\\|, and 1 for 0.

    Returns
    -------
    Levels : values from -1 to 1 whatever the range of x, without 0 (0 becomes the least positive one). What is
        evaluated in floating point there is a comparison with the exact boundary here, rounded once.

    Notes
    -----
    Zhou et al., arXiv 1606.06160, equations 5 and 9; tensorpack, examples/DoReFa-Net/dorefa.py.

    >>> dorefa([0.9, -0.7, 0.375, 0.0], 2).quantized(np.array([0.9, -0.7, 0.375, 0.0])).round(4).tolist()
    [1.0, -1.0, 0.3333, 0.3333]
    """
    sizes, width = magnitudes_of(x, "dorefa"), integer_in("bits", bits, 1, 8)
    if width == 1:
        return Levels(np.array([-sizes.mean, sizes.mean]), np.zeros(1), "up")
    n = (1 << width) - 1
    between = (2.0 * np.arange(n) + 1 - n) / n
    return Levels((2.0 * np.arange(n + 1) - n) / n, np.arctanh(math.tanh(sizes.largest) * between), "up", 0)


def dorefa_gradient(g: Any, bits: int, seed: int) -> Array:
    """DoReFa-Net's gradients: 2 m (q(g / (2 m) + 1/2 + N) - 1/2), m the largest magnitude of an example.

    Parameters
    ----------
    g : array_like of finite real numbers, (batch, ...); an example of zeros stays
    bits : int, 1 to 16
    seed : int, 0 <= seed < 2**64
        Of N = (u - 1/2) / (2**bits - 1), u = (word + 1/2) / 2**32 of the element's word of `numfmt.noise`.

    Returns
    -------
    ndarray of float64, shape of g

    Notes
    -----
    Zhou et al., arXiv 1606.06160, equation 12. Unbiased but at the ends, where numbers are clipped.

    >>> dorefa_gradient([[0.5, -0.25, 0.0]], 2, seed=0).round(4).tolist()
    [[0.5, -0.1667, -0.1667]]
    """
    numbers, n = finite_numbers(g, "dorefa_gradient"), (1 << integer_in("bits", bits, 1, 16)) - 1
    shape = np.atleast_1d(numbers).shape
    rows = numbers.reshape(shape[0], -1)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    unit = np.where(largest > 0, 2 * largest, 1)
    drawn = (words(seed, 0, numbers.size).reshape(rows.shape) + 0.5) / WORD - 0.5
    steps = np.rint(np.clip(rows / unit + 0.5 + drawn / n, 0, 1) * n)
    return np.where(largest > 0, unit * (steps / n - 0.5), 0).reshape(numbers.shape)


def lsq_step(x: Any, bits: int, signed: bool = True) -> float:
    """The step that LSQ begins with: 2 E\\|x\\| / sqrt(Q), Q the largest code.

    Parameters
    ----------
    x : array_like of finite real numbers, not all zero; or `Magnitudes` of batches
    bits : int, 2 to 16 signed, 1 to 16 unsigned
    signed : bool

    Esser et al., "Learned Step Size Quantization", ICLR 2020, section 2.1.

    >>> round(lsq_step([1.0, -3.0, 2.0], 4), 6)
    1.511858
    """
    last = (1 << integer_in("bits", bits, 1 + signed, 16) - signed) - 1
    return 2 * magnitudes_of(x, "lsq_step").mean / math.sqrt(last)


def lsq(x: Any, bits: int) -> Levels:
    """Codes -2**(bits - 1) ... 2**(bits - 1) - 1 times `lsq_step`, ties to even codes.

    >>> lsq([0.9, -0.7, 0.5, 0.3], 2).values.round(4).tolist()
    [-2.4, -1.2, 0.0, 1.2]
    """
    step = lsq_step(x, bits)
    return Levels(step * np.arange(-(1 << bits - 1), 1 << bits - 1))


def pact(alpha: float, bits: int) -> Levels:
    """PACT's activations: x clipped to 0 ... alpha, in 2**bits - 1 equal steps.

    alpha : float, above 0, which training learns, from 6 to 10 on
    bits : int, 1 to 16

    Choi et al., arXiv 1805.06085, equations 1 and 2.

    >>> pact(3, 2).quantized(np.array([-1, 0, 0.3, 1.1, 2.9, 3, 4])).tolist()
    [0.0, 0.0, 0.0, 1.0, 3.0, 3.0, 3.0]
    """
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha= is the largest activation kept, above 0 and finite; got {alpha!r}")
    n = (1 << integer_in("bits", bits, 1, 16)) - 1
    return Levels(float(alpha) * np.arange(n + 1) / n)


def inq(x: Any, bits: int) -> Levels:
    """Incremental network quantization: ``pot<bits>[variant=inq]`` times 2**floor(log2(4/3 max\\|x\\|)).

    Parameters
    ----------
    x : array_like of finite real numbers, not all zero: the weights of a layer; or `Magnitudes`
    bits : int, 3 to 8

    Returns
    -------
    Levels : a tie takes the larger magnitude, as in the paper

    Notes
    -----
    Zhou et al., ICLR 2017, equations 2 to 4.

    >>> inq([0.9, -0.3], 3).values.tolist()
    [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    m, e = math.frexp(magnitudes_of(x, "inq").largest)
    form = element(f"pot{integer_in('bits', bits, 3, 8)}[variant=inq]")
    unit = math.ldexp(1.0, e if m >= 0.75 else e - 1)
    return Levels(np.array([float(value) * unit for _, value in form.values()]), ties="away")


def wage_shift(x: Any) -> float:
    """WAGE's Shift of the largest magnitude: 2**round(log2(max\\|x\\|)), decided on the bits.

    Wu et al., "Training and Inference with Integers in Deep Neural Networks", ICLR 2018, equation 7.

    >>> wage_shift([0.7, -0.1]), wage_shift([0.71])
    (0.5, 1.0)
    """
    m, e = math.frexp(magnitudes_of(x, "wage_shift").largest)
    return math.ldexp(1.0, e - 1 + (2 * m * m >= 1))


def wage_error(e: Any, bits: int = 8) -> Array:
    """WAGE's errors: e / Shift, to `bits` bits of ``q0.<bits - 1>[symmetric]``, ties to even: float64.

    Equation 10 there. The shift is not multiplied back.

    >>> wage_error([0.7, -0.1, 0.001]).tolist()
    [0.9921875, -0.203125, 0.0]
    """
    numbers, steps = finite_numbers(e, "wage_error"), float(1 << integer_in("bits", bits, 2, 16) - 1)
    return np.asarray(np.clip(np.rint(numbers / wage_shift(numbers) * steps), 1 - steps, steps - 1) / steps)


def wage_gradient(g: Any, rate: float, seed: int, bits: int = 8) -> Array:
    """WAGE's weight updates: rate * g / Shift, its magnitude drawn to one of the integers beside it, over
    2**(bits - 1): float64.

    Element i takes word i of the seed, see `rises`; `rate` is above 0 and finite. Equation 12 there.

    >>> (wage_gradient([0.7, -0.1, 0.001], rate=8.0, seed=1) * 128).tolist()
    [12.0, -2.0, 0.0]
    """
    numbers, steps = finite_numbers(g, "wage_gradient"), float(1 << integer_in("bits", bits, 2, 16) - 1)
    sizes = np.abs(numbers / wage_shift(numbers) * positive("the rate of WAGE", rate))
    up = rises(sizes - np.floor(sizes), words(seed, 0, numbers.size).reshape(numbers.shape))
    return np.copysign((np.floor(sizes) + up) / steps, numbers)
