"""Adam with states of 8 bits, as bitsandbytes' optimizers make a step: in NumPy, for experiments.

Dettmers et al., "8-bit Optimizers via Block-wise Quantization", ICLR 2022, arXiv 2110.02861; bitsandbytes 0.50.1,
csrc/kernels.cu (kOptimizerStatic8bit2StateBlockwise) and backends/cpu/ops.py; percentile clipping of 0.49.2,
functional.py. The first moment m is in `bnb8`, the second one v in `bnb8u`, in blocks of 256 whose scales
are new in each step.

Every operation is rounded once to float32, in the order of the source. A GPU fuses some, approximates division
and powers, and takes subnormal numbers for 0, and PyTorch fuses some on a CPU, so that an update may differ by
some ulps and a code near a boundary by one. (No GPU was run.) Its kernel counts a padding of a short last block
into the largest magnitude of m, 5.5e-7 times 0.9 of the one before; here it does not.

The library keeps float32 states of arrays of fewer than 4096 elements; here that is left to the caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .blocks import Block, BlockArray
from .blocks.bitsandbytes_steps import CUDA
from .blocks.searching import found_cuts
from .errors import choose
from .formats.codebook import Codebook

__all__ = ["PROFILES", "Clip", "State", "clip", "start", "step"]

Array = np.ndarray[Any, Any]
F4 = np.float32
SIZE = 256  # elements of a block
RING = 100  # norms of gradients that are remembered


@dataclass(frozen=True, eq=False)
class State:
    """What is kept between steps: m and v, how many steps there were, and the squared norms of the last 100
    gradients, float32, where gradients are clipped.

    >>> start(np.zeros(512, np.float32)).m
    <bnb8[size=256,profile=bitsandbytes_cuda]: shape (512,), 8.125 bits an element>
    """

    m: BlockArray
    v: BlockArray
    steps: int = 0
    norms: Array | None = None


class Clip(NamedTuple):
    """The norm of a gradient, the one it is clipped to, what it is multiplied with, and the norms to remember."""

    norm: float
    limit: float
    scale: float
    norms: Array


class _Moments(NamedTuple):
    """In float32, flat."""

    m: Array
    v: Array


class _Hyper(NamedTuple):
    """Of one step."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    decay: float
    steps: int


def start(params: Any, profile: str = "bitsandbytes_cuda") -> State:
    """The state before the first step: codes and scales of 0.

    params : array of any shape
    profile : one of `PROFILES`

    >>> start(np.zeros((2, 256), np.float32), "bitsandbytes_cpu").v.codes.shape
    (2, 256)
    """
    choose("profile", profile, PROFILES)
    shape = params.shape if hasattr(params, "shape") else _real("params", params).shape
    m, v = (_zeros(Block(of, "f32", SIZE, "flat", profile=profile), shape) for of in ("dyn8", "dyn8u"))
    return State(m, v)


def _zeros(form: Block, shape: tuple[int, ...]) -> BlockArray:
    return BlockArray(
        np.zeros(shape, np.uint8), np.zeros(form.granularity.scale_shape(shape), F4), None, form
    )


def step(
    params: Any, grad: Any, state: State, *, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8, weight_decay: float = 0.0, percentile: int | None = None,
) -> tuple[Array, State]:  # fmt: skip
    """One step of Adam: the parameters after it, and the state.

    Parameters
    ----------
    params : ndarray of float32 or float16
    grad : array_like of the same shape
    state : State
        Of `start` or the step before; its profile says whose steps these are. `bitsandbytes_cuda`: where a
        gradient is not finite, m and v become 0 and the parameter stays; codes of m keep the sign of m; weight
        decay comes after the update. `bitsandbytes_cpu`: weight decay comes first, v is not 0 for long, since
        that backend's search has no code for it.
    lr, betas, eps, weight_decay : float
        Decay is decoupled: parameters times 1 - lr * weight_decay.
    percentile : int, 0 to 99, optional
        Gradients are clipped to that percentile of the last 100 norms; see `clip`.

    Returns
    -------
    (ndarray like params, State)

    Raises
    ------
    TypeError : no real numbers; params of another dtype; no State
    ValueError : shapes that differ; a rate, a decay or eps below 0, betas outside of [0, 1)

    >>> params = np.ones(4, np.float32)
    >>> params, state = step(params, [0.1, -2.0, 0.0, 3.0], start(params))
    >>> params
    array([0.999, 1.001, 1.   , 0.999], dtype=float32)
    """
    given, g = _checked(params, grad, state)
    hyper = _hyper(lr, betas, eps, weight_decay, state.steps + 1)
    norms = state.norms
    if percentile is not None:
        clipped = clip(g, norms, hyper.steps, percentile)
        g, norms = g * F4(clipped.scale), clipped.norms
    profile = PROFILES[_name_of(state)]
    before = _Moments(state.m.decode().reshape(-1), state.v.decode().reshape(-1))
    with np.errstate(all="ignore"):
        flat, after = profile.update(given.reshape(-1), g.reshape(-1), before, hyper)
        m, v = (profile.coded(x, a) for x, a in zip(after, (state.m, state.v), strict=True))
    return flat.reshape(given.shape), replace(state, m=m, v=v, steps=hyper.steps, norms=norms)


def clip(grad: Any, norms: Array | None, step_number: int, percentile: int = 5) -> Clip:
    """How a gradient is clipped to a percentile of the last 100 norms, those of this one among them.

    Parameters
    ----------
    grad : array_like
    norms : (100,) of float32, or None before the first step
        Squared norms; that of step t has place t % 100, the first one all places.
    step_number : int, from 1 on
    percentile : int, 0 to 99
        The place of the limit among the norms in rising order.

    >>> norms = clip([3.0, 4.0], None, 1).norms
    >>> clip([30.0, 40.0], norms, 2)[:3]
    (50.0, 5.0, 0.10000000149011612)
    """
    _check_clipping(norms, step_number, percentile)
    with np.errstate(over="ignore"):
        squared = F4(np.square(np.asarray(_real("grad", grad), np.float64)).sum())
    kept = np.full(RING, squared) if norms is None or step_number == 1 else np.array(norms, F4)
    kept[step_number % RING] = squared
    norm, limit = np.sqrt(squared), np.sqrt(np.sort(kept)[percentile])
    scale = limit / norm if norm > limit else F4(1)
    return Clip(float(norm), float(limit), float(scale), kept)


def _checked(params: Any, grad: Any, state: Any) -> tuple[Array, Array]:
    if not isinstance(state, State):
        raise TypeError(f"state is that of `start` or of the step before, got {type(state).__name__}")
    with np.errstate(over="ignore"):
        given, g = np.asarray(params), _real("grad", grad).astype(F4)
    if given.dtype not in (np.float32, np.float16):
        raise TypeError(f"params are float32 or float16, got {given.dtype}")
    if not given.shape == g.shape == state.m.shape:
        raise ValueError(
            f"params, grad and state have shapes {given.shape}, {g.shape} and {state.m.shape}; they are one"
        )
    return given, g


def _real(what: str, given: Any) -> Array:
    found = np.asarray(given)
    if found.dtype.kind not in "biufV":
        raise TypeError(f"{what} takes an array of real numbers, got one of {found.dtype}")
    return found


def _hyper(lr: Any, betas: Any, eps: Any, decay: Any, steps: int) -> _Hyper:
    """Numbers that the library's optimizers take; they refuse the others too."""
    for name, value in (("lr", lr), ("eps", eps), ("weight_decay", decay)):
        if not (_is_number(value) and 0 <= value < math.inf):
            raise ValueError(f"{name}= takes a finite number from 0 on, got {value!r}")
    if not (isinstance(betas, (tuple, list)) and len(betas) == 2 and all(map(_is_number, betas))):
        raise ValueError(f"betas= takes two numbers, got {betas!r}")
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas= takes numbers from 0 on and below 1, got {betas!r}")
    return _Hyper(float(lr), float(betas[0]), float(betas[1]), float(eps), float(decay), steps)


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)


def _check_clipping(norms: Any, step_number: Any, percentile: Any) -> None:
    if not (_is_whole(percentile) and 0 <= percentile < RING):
        raise ValueError(f"percentile= takes 0 to {RING - 1}, got {percentile!r}")
    if not (_is_whole(step_number) and step_number >= 1):
        raise ValueError(f"step_number= counts from 1, got {step_number!r}")
    if norms is not None and np.shape(norms) != (RING,):
        raise ValueError(f"norms= takes {RING} squared norms, got an array of shape {np.shape(norms)}")


def _is_whole(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def _name_of(state: State) -> str:
    form = state.m.format
    return form.profile.name if isinstance(form, Block) else ""


# CUDA


def _cuda_update(p: Array, g: Array, before: _Moments, hyper: _Hyper) -> tuple[Array, _Moments]:
    b1, b2, lr, eps = (F4(x) for x in (hyper.beta1, hyper.beta2, hyper.lr, hyper.eps))
    correction1, correction2 = (F4(1) - F4(float(b) ** hyper.steps) for b in (b1, b2))
    correction2 = np.sqrt(correction2)
    finite = np.isfinite(g)
    v = np.where(finite, before.v * b2 + (F4(1) - b2) * g * g, F4(0))
    m = np.where(finite, before.m * b1 + (F4(1) - b1) * g, F4(0))
    moved = p.astype(F4) + -lr * correction2 / correction1 * (m / (np.sqrt(v) + correction2 * eps))
    result = moved.astype(p.dtype)
    if hyper.decay > 0:
        result = (result.astype(F4) * (F4(1) - lr * F4(hyper.decay))).astype(p.dtype)
    return np.where(finite, result, p), _Moments(m, v)


def _cuda_coded(x: Array, like: BlockArray) -> BlockArray:
    """x over the largest of its block, divided; codes of m, whose table is signed, keep its sign."""
    form = like.format
    assert isinstance(form, Block)
    assert isinstance(form.of, Codebook)
    layout = form.granularity.layout(x.shape)
    absmax = np.fmax.reduceat(np.abs(x), np.arange(0, x.size, SIZE)) if x.size else x
    cuts, table = found_cuts(CUDA, form.of), np.array(form.of.table, F4)
    s = x / absmax[layout.scale_of(0, x.size)]
    codes = np.where(np.isnan(s), 0, cuts.codes[np.searchsorted(cuts.cuts, s, side="right")])
    if form.of.signed:
        turned = np.signbit(table[codes]) != np.signbit(x)
        codes = np.where(turned, codes + np.where(x > 0, 1, -1), codes) & 255
    return BlockArray(codes.astype(np.uint8).reshape(like.shape), absmax, None, form)


# CPU


def _cpu_update(p: Array, g: Array, before: _Moments, hyper: _Hyper) -> tuple[Array, _Moments]:
    correction1, correction2 = (1 - b**hyper.steps for b in (hyper.beta1, hyper.beta2))
    m = before.m * F4(hyper.beta1) + F4(1 - hyper.beta1) * g
    v = before.v * F4(hyper.beta2) + F4(1 - hyper.beta2) * g * g
    divisor = np.sqrt(v) / F4(math.sqrt(correction2)) + F4(hyper.eps)
    kept = p.astype(F4)
    if hyper.decay > 0:
        kept = kept * F4(1 - hyper.lr * hyper.decay)
    return (kept + F4(-hyper.lr / correction1) * m / divisor).astype(p.dtype), _Moments(m, v)


def _cpu_coded(x: Array, like: BlockArray) -> BlockArray:
    return like.format.encode(x.reshape(like.shape))


class Profile(NamedTuple):
    """Whose steps: the parameters and moments after one, and moments as codes."""

    update: Callable[[Array, Array, _Moments, _Hyper], tuple[Array, _Moments]]
    coded: Callable[[Array, BlockArray], BlockArray]


PROFILES = {
    "bitsandbytes_cuda": Profile(_cuda_update, _cuda_coded),
    "bitsandbytes_cpu": Profile(_cpu_update, _cpu_coded),
}
