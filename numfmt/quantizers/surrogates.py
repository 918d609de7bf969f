"""What gradient a quantizer passes back: plain functions of the upstream gradient and the quantizer's input.

Rounding has derivative 0 almost everywhere, so each method says what stands in for it. `SURROGATES` names
the function of each method. In all of them

* `g`, array_like of finite numbers, is the gradient by the quantizer's output, and `x` (or `w`) its input in
  the same shape, else `ValueError`;
* the gradient by the input has that shape and is float64; gradients by parameters are sums over all
  elements: floats, or float64 arrays where the parameter is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from .arguments import axes_within, integer_in, positive
from .basis import n2uq_scales
from .levels import Levels, finite_numbers
from .soft import DSQ, QuantizationNetwork

Array = np.ndarray[Any, Any]
LARGEST = 1 << 31  # integer of LSQ


def _pair(g: Any, x: Any) -> tuple[Array, Array]:
    gradient, numbers = finite_numbers(g, "a gradient"), finite_numbers(x, "a gradient")
    if gradient.shape != numbers.shape:
        raise ValueError(
            f"an upstream gradient has the shape of the quantizer's input, got {gradient.shape} and {numbers.shape}"
        )
    return gradient, numbers


def _within(g: Array, inside: Array) -> Array:
    return np.where(inside, g, 0.0)


def ste(g: Any, x: Any) -> Array:
    """The straight-through estimator: g.

    Source: Bengio, Leonard, Courville, "Estimating or propagating gradients through stochastic neurons for
    conditional computation", arXiv 1308.3432, 2013.

    >>> ste([1.0, -2.0], [0.3, 40.0]).tolist()
    [1.0, -2.0]
    """
    return _pair(g, x)[0].copy()


def range_clipped(g: Any, x: Any, low: float, high: float) -> Array:
    """g where low <= x <= high, else 0: the derivative of clipping, rounding passed straight through.

    Source: WRPN, uniform quantizers with a given range.

    >>> range_clipped([1.0, 1.0, 1.0], [-0.1, 0.0, 1.5], 0.0, 1.0).tolist()
    [0.0, 1.0, 0.0]
    """
    if not low <= high:
        raise ValueError(f"a range is from low up to high, got {low} and {high}")
    gradient, numbers = _pair(g, x)
    return _within(gradient, (numbers >= low) & (numbers <= high))


def wage_activations(g: Any, x: Any, bits: int = 8) -> Array:
    """g where |x| <= 1 - 2**(1 - bits), the ends of WAGE's range, else 0. Weights take `ste`: no clip counts.

    Parameters
    ----------
    bits : int, 2 to 15, the widths that are clipped short of 1

    Source: Wu et al., "Training and inference with integers in deep neural networks", ICLR 2018;
    boluoweifenda/WAGE, Quantize.py (A and W).

    >>> wage_activations([1.0, 1.0, 1.0], [-0.5, 0.5, 0.75], bits=2).tolist()
    [1.0, 1.0, 0.0]
    """
    top = 1 - 2.0 ** (1 - integer_in("bits", bits, 2, 15))
    return range_clipped(g, x, -top, top)


def clipped_ste(g: Any, x: Any) -> Array:
    """g where |x| <= 1, else 0: the derivative of hard tanh, its ends included.

    Source: Courbariaux et al., "Binarized neural networks", 2016;
    MatthieuCourbariaux/BinaryNet.

    >>> clipped_ste([3.0, 3.0, 3.0], [-1.0, 0.5, 1.1]).tolist()
    [3.0, 3.0, 0.0]
    """
    return range_clipped(g, x, -1.0, 1.0)


def open_clipped_ste(g: Any, x: Any) -> Array:
    """g where |x| < 1, else 0: the ends excluded, as the code of XNOR-Net has it.

    Source: allenai/XNOR-Net, models (the gradient of its binary activation).

    >>> open_clipped_ste([3.0, 3.0, 3.0], [-1.0, 0.5, 1.1]).tolist()
    [0.0, 3.0, 0.0]
    """
    gradient, numbers = _pair(g, x)
    return _within(gradient, np.abs(numbers) < 1)


def pact(g: Any, x: Any, alpha: float) -> tuple[Array, float]:
    """By x: g where 0 <= x < alpha; by alpha: the sum of g where x >= alpha.

    Source: Choi et al., "PACT: parameterized clipping activation", 2018.

    >>> by_x, by_alpha = pact([1.0, 2.0, 4.0], [-0.5, 0.5, 3.0], alpha=3.0)
    >>> by_x.tolist(), by_alpha
    ([0.0, 2.0, 0.0], 4.0)
    """
    positive("alpha of PACT", alpha)
    gradient, numbers = _pair(g, x)
    inside = (numbers >= 0) & (numbers < alpha)
    return _within(gradient, inside), float(gradient[numbers >= alpha].sum())


def lsq_gradient_scale(count: int, high: int) -> float:
    """1 / sqrt(N QP), by which LSQ scales the gradient of its step.

    Parameters
    ----------
    count : N, elements that share the step
    high : QP, the largest integer

    Source: Esser et al., "Learned step size quantization", ICLR 2020.

    >>> lsq_gradient_scale(16, 4)
    0.125
    """
    return 1 / math.sqrt(integer_in("N of LSQ", count, 1) * integer_in("QP of LSQ", high, 1))


def _checked_range(low: int, high: int) -> None:
    integer_in("high", high, integer_in("low", low, -LARGEST, LARGEST) + 1, LARGEST)


def lsq(g: Any, x: Any, step: float, low: int, high: int) -> tuple[Array, float]:
    """Learned step size: g where low < x / step < high; and what each element adds to the step's gradient.

    By the step: the sum of g times low where x / step <= low, high where x / step >= high, else
    round(x / step) - x / step; all of it times `lsq_gradient_scale`. Rounding is to nearest even.

    Parameters
    ----------
    step : above 0
    low, high : -QN and QP, the ends of the integers: -2**(b - 1) and 2**(b - 1) - 1, or 0 and 2**b - 1

    Source: Esser et al., "Learned step size quantization", ICLR 2020.

    >>> by_x, by_step = lsq([1.0, 1.0, 1.0], [0.9, -0.2, 0.1], step=0.5, low=-2, high=1)
    >>> by_x.tolist(), round(by_step, 12)
    ([0.0, 1.0, 1.0], 0.692820323028)
    """
    gradient, numbers = _pair(g, x)
    _checked_range(low, high)
    scaled = numbers / positive("the step of LSQ", step)
    inside = (scaled > low) & (scaled < high)
    by_step = np.where(inside, np.rint(scaled) - scaled, np.clip(scaled, low, high))
    total = float((gradient * by_step).sum()) * lsq_gradient_scale(numbers.size, high)
    return _within(gradient, inside), total


def lsq_affine(g: Any, x: Any, step: float, zero: int, low: int, high: int) -> tuple[Array, float, float]:
    """LSQ with a zero point, as frameworks compute it: inside is where round(x / step) + zero is in the range.

    By x: g inside. By the step: the sum of g times round(x / step) - x / step inside, low - zero below,
    high - zero above. By the zero point: the sum of g times 0 inside and -step outside. Not scaled.

    Source: PyTorch, _fake_quantize_learnable_per_tensor_affine; ModelTC/MQBench, fake_quantize/lsq.py.

    >>> by_x, by_step, by_zero = lsq_affine([1.0, 1.0], [0.3, 9.0], step=0.5, zero=1, low=0, high=3)
    >>> by_x.tolist(), by_step, by_zero
    ([1.0, 0.0], 2.4, -0.5)
    """
    gradient, numbers = _pair(g, x)
    _checked_range(low, high)
    scaled = numbers / positive("the step of LSQ", step)
    rank = np.rint(scaled) + zero
    inside = (rank >= low) & (rank <= high)
    by_step = np.where(inside, rank - zero - scaled, np.clip(rank, low, high) - zero)
    by_zero = -step * float(gradient[~inside].sum())
    return _within(gradient, inside), float((gradient * by_step).sum()), by_zero


def apot(g: Any, x: Any, alpha: float, levels: Levels) -> tuple[Array, float]:
    """By x: g where |x| <= alpha; by alpha: the sum of g (Q(x / alpha) - [|x| <= alpha] x / alpha).

    That is what differentiating alpha Q(clip(x / alpha)) gives when rounding is passed straight through.

    Parameters
    ----------
    alpha : the clipping threshold, above 0
    levels : of the unit range, from -1 (0 for activations) to 1

    Source: Li, Dong, Wang, "Additive powers-of-two quantization", ICLR 2020;
    yhhhli/APoT_Quantization, quant_layer.py.

    >>> unit = Levels(np.array([-1.0, -0.5, 0.0, 0.5, 1.0]))
    >>> by_x, by_alpha = apot([1.0, 1.0], [0.8, 5.0], 2.0, unit)
    >>> by_x.tolist(), round(by_alpha, 12)
    ([1.0, 0.0], 1.1)
    """
    gradient, numbers = _pair(g, x)
    place = numbers / positive("alpha of APoT", alpha)
    inside = np.abs(place) <= 1
    by_alpha = levels.quantized(np.clip(place, -1, 1)) - _within(place, inside)
    return _within(gradient, inside), float((gradient * by_alpha).sum())


def apot_two_bits(g: Any, x: Any, alpha: float, levels: Levels) -> tuple[Array, float]:
    """As `apot`, but g reaches x everywhere.

    By alpha: sign(x) outside, Q(x / alpha) - x / alpha inside, which is the same as in `apot`.

    Source: yhhhli/APoT_Quantization, quant_layer.py (the quantizer of 2 bits).

    >>> apot_two_bits([1.0, 1.0], [0.8, 5.0], 2.0, Levels(np.array([-1.0, 0.0, 1.0])))[0].tolist()
    [1.0, 1.0]
    """
    return ste(g, x), apot(g, x, alpha, levels)[1]


def dsq(g: Any, x: Any, quantizer: DSQ) -> tuple[Array, float, float]:
    """The true gradient of `DSQ.soft` by x, low and high, its alpha held.

    With t = (x - low) / D of n = 2**bits - 1 intervals and h(t) the soft value in levels: by x, h'(t); by
    low, 1 - h / n - h' (1 - t / n); by high, h / n - h' t / n. Beyond the range 0 by x, and 1 by the end.

    Source: DSQ; through low and high the derivative of its formula.

    >>> by_x, by_low, by_high = dsq([1.0, 1.0], [0.0, 1.5], DSQ(-1.0, 1.0, bits=2, alpha=0.2))
    >>> by_x.round(9).tolist(), round(by_low, 9), round(by_high, 9)
    ([1.373265361, 0.0], -0.18663268, 0.81336732)
    """
    gradient, numbers = _pair(g, x)
    interval, place = quantizer.intervals(numbers)
    rise, slope = quantizer.rise(place)
    by_x = quantizer.derivative(numbers)
    share = (interval + rise) / quantizer.intervals_within
    t = (interval + place + 0.5) / quantizer.intervals_within
    inside = (numbers >= quantizer.low) & (numbers <= quantizer.high)
    by_high = np.where(inside, share - slope * t, numbers > quantizer.high)
    by_low = np.where(inside, 1 - share - slope * (1 - t), numbers < quantizer.low)
    return gradient * by_x, float((gradient * by_low).sum()), float((gradient * by_high).sum())


def quantization_network(
    g: Any, x: Any, network: QuantizationNetwork, temperature: float
) -> tuple[Array, float, float, Array]:
    """The true gradient of `QuantizationNetwork.soft` by x, alpha, beta and the biases.

    Source: Quantization networks; `QuantizationNetwork.derivatives` has the formulas.

    >>> net = QuantizationNetwork(np.array([1.0]), np.array([0.0]), 0.5, 2.0, 1.0)
    >>> [np.round(d, 6).tolist() for d in quantization_network([1.0], [0.0], net, 4.0)]
    [[2.0], 0.0, 0.0, [-2.0]]
    """
    gradient, numbers = _pair(g, x)
    by_x, by_alpha, by_beta, by_bias = network.derivatives(numbers, temperature)
    biases = (gradient[..., None] * by_bias).reshape(-1, by_bias.shape[-1]).sum(axis=0)
    return gradient * by_x, float((gradient * by_alpha).sum()), float((gradient * by_beta).sum()), biases


def _tanh_of_weights(w: Array) -> tuple[Array, float]:
    t = np.tanh(w)
    return t, positive("the largest magnitude of DoReFa's weights", float(np.abs(t).max()))


def dorefa_weights(g: Any, w: Any) -> Array:
    """g (1 - tanh(w)**2) / max |tanh w|: rounding passed straight through, the maximum held.

    Source: Zhou et al., "DoReFa-Net", 2016, with the maximum as a constant.

    >>> dorefa_weights([1.0, 1.0], [0.0, 0.5]).round(6).tolist()
    [2.163953, 1.701836]
    """
    gradient, numbers = _pair(g, w)
    t, largest = _tanh_of_weights(numbers)
    return gradient * (1 - t * t) / largest


def dorefa_weights_with_maximum(g: Any, w: Any) -> Array:
    """As `dorefa_weights`, but the maximum carries gradient too, in equal parts where several attain it.

    The true gradient of tanh(w) / M, M = max |tanh w|: to each of the m largest come another
    -sign(w) (1 - tanh(w)**2) sum(g tanh w) / (m M**2).

    Source: tensorpack/tensorpack, examples/DoReFa-Net/dorefa.py; equal parts as TensorFlow's reduce_max.

    >>> dorefa_weights_with_maximum([1.0, 1.0], [0.0, 0.5]).round(6).tolist()
    [2.163953, 0.0]
    """
    gradient, numbers = _pair(g, w)
    t, largest = _tanh_of_weights(numbers)
    top = np.abs(t) == largest
    shared = float((gradient * t).sum()) / largest**2 / int(top.sum())
    return (1 - t * t) * (gradient / largest - np.where(top, np.sign(t) * shared, 0.0))


def xnor_weights(g: Any, w: Any, axis: int = 0) -> Array:
    """g (1 / n + a [|w| < 1]) with a = mean |w| of the n weights of each filter.

    Parameters
    ----------
    axis : whose places are filters

    Source: Rastegari et al., "XNOR-Net", ECCV 2016. The code of the authors multiplies that by
    n (1 - 1 / channels) for SGD.

    >>> xnor_weights([[1.0, 1.0]], [[0.5, -1.5]]).tolist()
    [[1.5, 0.5]]
    """
    gradient, numbers = _pair(g, w)
    a = np.abs(numbers).mean(axis=axes_within(numbers.shape, axis), keepdims=True)
    n = numbers.size // numbers.shape[axis]
    return gradient * (1 / n + a * (np.abs(numbers) < 1))


def ttq(g: Any, w: Any, threshold: float, positive: float, negative: float) -> tuple[Array, float, float]:
    """Trained ternary quantization: g times Wp above the threshold, 1 in the middle, Wn below minus it.

    By Wp: the sum of g where w > threshold; by Wn: minus the sum of g where w < -threshold.

    Source: Zhu et al., "Trained ternary quantization", ICLR 2017; czhu95/ternarynet.

    >>> by_w, by_positive, by_negative = ttq([1.0, 1.0, 3.0], [0.9, 0.1, -0.9], 0.5, 2.0, 4.0)
    >>> by_w.tolist(), by_positive, by_negative
    ([2.0, 1.0, 12.0], 1.0, -3.0)
    """
    if not threshold >= 0:
        raise ValueError(f"the threshold of TTQ is at least 0, got {threshold}")
    gradient, numbers = _pair(g, w)
    above, below = numbers > threshold, numbers < -threshold
    by_w = gradient * np.select([above, below], [positive, negative], 1.0)
    return by_w, float(gradient[above].sum()), -float(gradient[below].sum())


def lqnet_activations(g: Any, x: Any, top: float) -> Array:
    """g where x <= top, the largest level, else 0.

    Source: Zhang et al., "LQ-Nets", ECCV 2018; microsoft/LQ-Nets, learned_quantization.py (QuantizedActiv).

    >>> lqnet_activations([1.0, 1.0], [-3.0, 3.0], 2.0).tolist()
    [1.0, 0.0]
    """
    gradient, numbers = _pair(g, x)
    return _within(gradient, numbers <= top)


def n2uq(g: Any, x: Any, widths: Any, start: float) -> tuple[Array, Array, float]:
    """Nonuniform-to-uniform quantization: the true gradient of the polygon that stands for the staircase.

    n widths a_i from `start` on; within interval i the polygon is (2 / n) (i + (x - T_i) / a_i), T_i its
    lower end, counted from 0; below it is 0, above 2. By x: (2 / n) / a_i; by the start: minus that; by a
    width: -(2 / n) (x - T_i) / a_i**2 in its own interval, -(2 / n) / a_i of the later interval i that x is in.

    Parameters
    ----------
    widths : array_like, (n,), above 0

    Source: Liu et al., "Nonuniform-to-uniform quantization", CVPR 2022;
    liuzechun/Nonuniform-to-Uniform-Quantization, resnet.py (LTQ), where widths are at least 1e-3.

    >>> by_x, by_widths, by_start = n2uq([1.0, 1.0], [0.25, 1.5], [0.5, 2.0], 0.0)
    >>> by_x.tolist(), by_widths.tolist(), by_start
    ([2.0, 0.5], [-1.5, -0.25], -2.5)
    """
    gradient, numbers = _pair(g, x)
    a = finite_numbers(widths, "N2UQ")
    if a.ndim != 1 or not (a > 0).all():
        raise ValueError(f"the widths of N2UQ are one row of numbers above 0, got {a.tolist()}")
    ends = start + np.concatenate([[0.0], np.cumsum(a)])
    i = np.searchsorted(ends, numbers, "left") - 1
    inside = (i >= 0) & (i < a.size)
    i = np.clip(i, 0, a.size - 1)
    by_x = _within(gradient * 2 / a.size / a[i], inside)
    sums = np.bincount(i.reshape(-1), by_x.reshape(-1), a.size)
    own = np.bincount(i.reshape(-1), (by_x * (numbers - ends[i]) / a[i]).reshape(-1), a.size)
    later = sums[::-1].cumsum()[::-1] - sums
    return by_x, -own - later, -float(sums.sum())


def n2uq_weights(g: Any, w: Any, bits: int, axis: int = 0) -> Array:
    """g over the scale of each filter: straight through rounding and clipping, the scale held.

    The quantized weight is the scale times an integer step, and its stand-in is w / scale, without the factor.

    Parameters
    ----------
    bits, axis : as `numfmt.quantizers.n2uq_weights`

    Source: liuzechun/Nonuniform-to-Uniform-Quantization, resnet.py (HardQuantizeConv).

    >>> n2uq_weights([[1.0, 3.0, 0.0, 0.0]], [[1.0, -2.0, 0.0, 1.0]], bits=2).tolist()
    [[0.6666666666666666, 2.0, 0.0, 0.0]]
    """
    gradient, numbers = _pair(g, w)
    return gradient / n2uq_scales(numbers, bits, axis)


def centroids(g: Any, codes: Any, count: int) -> Array:
    """Weight sharing: the gradient of each centroid is the sum of g over its members.

    Parameters
    ----------
    codes : array_like of int, shape of g: the cluster of each weight, from 0
    count : clusters

    Returns
    -------
    float64, (count,)

    Source: Han et al., "Deep compression", ICLR 2016.

    >>> centroids([1.0, 2.0, 4.0], [0, 2, 0], 3).tolist()
    [5.0, 0.0, 2.0]
    """
    gradient, members = finite_numbers(g, "a gradient"), np.asarray(codes)
    if members.shape != gradient.shape or members.dtype.kind not in "iu":
        raise ValueError(
            f"each weight has an integer code: gradients have shape {gradient.shape}, codes {members.shape} of"
            f" {members.dtype}"
        )
    if members.min() < 0 or members.max() >= count:
        raise ValueError(f"codes are from 0 to {count - 1}, got {members.min()} to {members.max()}")
    return np.bincount(members.reshape(-1), gradient.reshape(-1), count)


def inq(g: Any, frozen: Any) -> Array:
    """Incremental network quantization: 0 for weights that are already quantized, g for the others.

    Parameters
    ----------
    frozen : array_like of bool, shape of g

    Source: Zhou et al., "Incremental network quantization", ICLR 2017.

    >>> inq([1.0, 2.0], [True, False]).tolist()
    [0.0, 2.0]
    """
    gradient, mask = finite_numbers(g, "a gradient"), np.asarray(frozen)
    if mask.shape != gradient.shape or mask.dtype != bool:
        raise ValueError(
            f"frozen is a bool for each weight: gradients have shape {gradient.shape}, frozen {mask.shape} of"
            f" {mask.dtype}"
        )
    return _within(gradient, ~mask)


# method, and part of it where parts differ: its function
SURROGATES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "ste": ste,
        "bnn": clipped_ste,
        "xnor activations": open_clipped_ste,
        "xnor weights": xnor_weights,
        "bwn": xnor_weights,
        "twn": ste,
        "ttq": ttq,
        "wrpn": range_clipped,
        "wage weights": ste,
        "wage activations": wage_activations,
        "pact": pact,
        "lsq": lsq,
        "lsq with a zero point": lsq_affine,
        "apot": apot,
        "apot of 2 bits": apot_two_bits,
        "dsq": dsq,
        "quantization network": quantization_network,
        "dorefa weights": dorefa_weights,
        "dorefa weights, tensorpack": dorefa_weights_with_maximum,
        "dorefa activations": range_clipped,
        "lq-net weights": ste,
        "lq-net activations": lqnet_activations,
        "n2uq activations": n2uq,
        "n2uq weights": n2uq_weights,
        "weight sharing": centroids,
        "inq": inq,
        "logarithmic": ste,
        "shiftcnn": ste,
        "codebook": ste,
        # straight through as is usual: that the methods' own code does the same is not claimed
        "syq": ste,
        "pwlq": ste,
        "tnn": ste,
        "elb": ste,
    }
)
