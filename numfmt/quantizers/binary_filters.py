"""Filters of +-1 with one scale each: BWN and XNOR-Net from the weights, BWNH from weights and their input.

M. Rastegari et al., "XNOR-Net: ImageNet classification using binary convolutional neural networks",
ECCV 2016; Q. Hu, P. Wang, J. Cheng, "From hashing to CNNs: training binary weight networks via hashing",
AAAI 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .arguments import axes_within, integer_in
from .levels import finite_numbers

Array = np.ndarray[Any, Any]


class BinaryFilters(NamedTuple):
    """Signs and one scale a filter.

    Attributes
    ----------
    signs : int8, shape of the weights, -1 or 1; 0 too in the profile "code" of `bwn`
    scales : float64, one number a filter, in a shape that multiplies the signs
    """

    signs: Array
    scales: Array

    def decode(self) -> Array:
        """scales * signs, float64.

        >>> bwn([[0.5, -1.5], [0.0, 1.0]]).decode().tolist()
        [[1.0, -1.0], [0.5, 0.5]]
        """
        return np.asarray(self.scales * self.signs)


def signs_of(x: Array) -> Array:
    """+1 where x >= 0, else -1: int8."""
    return np.where(x < 0, -1, 1).astype(np.int8)


def _centred(w: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Weights without their mean over the input channels, clamped to +-1; and their signs."""
    if not axes:
        raise ValueError(f"the code of XNOR-Net takes the mean over input channels away, got shape {w.shape}")
    clamped = np.clip(w - w.mean(axis=axes[0], keepdims=True), -1, 1)
    return clamped, np.sign(clamped).astype(np.int8)


_BINARY: dict[str, Callable[[Array, tuple[int, ...]], tuple[Array, Array]]] = {
    "paper": lambda w, axes: (w, signs_of(w)),
    "code": _centred,
}


def bwn(w: Any, axis: int = 0, *, profile: str = "paper") -> BinaryFilters:
    """Binary weight network: sign(w) times mean |w| of each filter, the best scale and signs there are.

    Parameters
    ----------
    w : array_like of finite numbers, any shape
    axis : whose places are filters

    profile : "paper": sign(0) is +1; "code": the mean over the input channels, the first axis other than
        `axis`, is taken away first, what is left is clamped to +-1, and sign(0) is 0

    Errors: `ValueError` for weights that are empty or not finite, and for an axis that they do not have.

    Source: XNOR-Net (binary weight networks); allenai/XNOR-Net, util.lua (meancenterConvParms, clampConvParms,
    binarizeConvParms).

    >>> bwn([[0.5, -1.5], [0.0, 1.0]]).scales.tolist()
    [[1.0], [0.5]]
    >>> bwn([[0.5, -1.5], [0.5, 0.5]], profile="code").decode().tolist()
    [[1.0, -1.0], [0.0, 0.0]]
    """
    numbers = finite_numbers(w, "BWN")
    if profile not in _BINARY:
        raise ValueError(f"the profiles of BWN are {', '.join(_BINARY)}, got {profile!r}")
    axes = axes_within(numbers.shape, axis)
    weights, signs = _BINARY[profile](numbers, axes)
    return BinaryFilters(signs, np.abs(weights).mean(axis=axes, keepdims=True))


def _windows(x: Array, size: tuple[int, ...]) -> Array:
    if any(n < k for n, k in zip(x.shape[-2:], size, strict=True)):
        raise ValueError(f"a kernel of {size} does not fit into an image of {x.shape[-2:]}; pad the image")
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=(-2, -1))  # type: ignore[call-overload]


def input_scales(image: Any, size: tuple[int, int]) -> Array:
    """K of XNOR-Net: the mean magnitude of what each place of the kernel covers.

    A = mean over channels of |I|, and K is A convolved with a box of 1 / (height * width).

    Parameters
    ----------
    image : array_like of finite numbers, (..., channels, height, width); padded before, where it is
    size : (height, width) of the kernel; stride 1

    Returns
    -------
    float64, (..., height - size[0] + 1, width - size[1] + 1)

    Source: XNOR-Net.

    >>> input_scales([[[1.0, -2.0, 3.0], [0.0, 1.0, 1.0]]], (2, 2)).tolist()
    [[1.0, 1.75]]
    """
    numbers = finite_numbers(image, "XNOR-Net")
    if numbers.ndim < 3:
        raise ValueError(f"an image has channels, height and width, got shape {numbers.shape}")
    return np.asarray(_windows(np.abs(numbers).mean(axis=-3), size).mean(axis=(-2, -1)))


def xnor_convolution(image: Any, w: Any) -> Array:
    """What XNOR-Net computes in place of a convolution: (sign I * sign W) times K times the filter's scale.

    The sums of signs are counts of equal bits; only the two scales are real numbers.

    Parameters
    ----------
    image : array_like of finite numbers, (..., channels, height, width); padded before, where it is
    w : array_like of finite numbers, (filters, channels, height, width); correlated with stride 1

    Returns
    -------
    float64, (..., filters, height', width')

    Source: XNOR-Net.

    >>> xnor_convolution([[[1.0, -2.0, 3.0], [0.0, 1.0, 1.0]]], [[[[1.0, -1.0], [1.0, 1.0]]]]).tolist()
    [[[4.0, 0.0]]]
    """
    numbers, filters = finite_numbers(image, "XNOR-Net"), bwn(w)
    if filters.signs.ndim != 4 or numbers.ndim < 3 or numbers.shape[-3] != filters.signs.shape[1]:
        raise ValueError(
            "filters have shape (filters, channels, height, width) and the image as many channels, got"
            f" {filters.signs.shape} and {numbers.shape}"
        )
    size = filters.signs.shape[2:]
    windows = _windows(signs_of(numbers).astype(np.float64), size)
    sums = np.einsum("...chwij,fcij->...fhw", windows, filters.signs.astype(np.float64))
    return np.asarray(sums * input_scales(numbers, size)[..., None, :, :] * filters.scales[:, 0])


class HashedFilter(NamedTuple):
    """A filter of +-1 whose products with given inputs are near those of the weights.

    Attributes
    ----------
    signs : int8, (n,)
    scale : float
    errors : float64: mean squared error of the products, at the start and after each sweep
    """

    signs: Array
    scale: float
    errors: Array

    def decode(self) -> Array:
        """scale * signs, float64, (n,)."""
        return np.asarray(self.scale * self.signs)


def bwnh(w: Any, inputs: Any, *, sweeps: int = 50) -> HashedFilter:
    """min ||S - a X^T b||**2 with S = X^T w, b in {-1, 1}^n: cyclic coordinate descent.

    With G = X X^T and c = X S: a = c b / (b G b); then each b_j in turn becomes the sign of
    a (c_j - a sum over k != j of G_jk b_k), and stays where that is 0. It ends where a sweep changes no sign.
    The start is sign(w). The error never rises; no single sign could lower what is left.

    Parameters
    ----------
    w : array_like, (n,): weights of one filter, its n inputs in a row
    inputs : array_like, (n, samples): X
    sweeps : at most

    Errors: `ValueError` for shapes that do not fit, and for inputs that carry none of the products.

    Source: Hu, Wang, Cheng; the update is derived from the objective.

    >>> found = bwnh([0.9, -0.2, 0.1], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 2.0]])
    >>> found.signs.tolist(), round(found.scale, 6)
    ([1, -1, 1], 0.45)
    """
    weights, x = finite_numbers(w, "BWNH"), finite_numbers(inputs, "BWNH")
    if weights.ndim != 1 or x.ndim != 2 or x.shape[0] != weights.size:
        raise ValueError(
            f"one filter of n weights has inputs of shape (n, samples), got {weights.shape} and {x.shape}"
        )
    products = x.T @ weights
    gram, aim = x @ x.T, x @ products
    b = signs_of(weights).astype(np.float64)
    found = [_hashed(b, x, products, gram, aim)]
    for _ in range(integer_in("sweeps", sweeps, 0)):
        before = b.copy()
        _sweep(b, found[-1][0], gram, aim)
        if np.array_equal(before, b):
            break
        found.append(_hashed(b, x, products, gram, aim))
    return HashedFilter(b.astype(np.int8), found[-1][0], np.array([error for _, error in found]))


def _hashed(b: Array, x: Array, products: Array, gram: Array, aim: Array) -> tuple[float, float]:
    """The best scale of given signs, and the error."""
    size = float(b @ gram @ b)
    if not size:
        raise ValueError("the inputs cancel in every product with the signs of the weights: no scale is best")
    scale = float(aim @ b) / size
    away = products - scale * (b @ x)
    return scale, float((away * away).mean())


def _sweep(b: Array, scale: float, gram: Array, aim: Array) -> None:
    """Each sign in turn, the others held."""
    for j in range(b.size):
        others = gram[j] @ b - gram[j, j] * b[j]
        wish = scale * (aim[j] - scale * others)
        if wish:
            b[j] = 1.0 if wish > 0 else -1.0
