"""Where the random words of a call come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..reference import Policy
from .inputs import writeable_alias
from .run import Noise


def source(rule: Policy, seed: Any, noise: Any, shape: tuple[int, ...]) -> Noise | None:
    """Words drawn from a seed, or those given, uint32 and of the shape of the input; None for a
    deterministic mode, which ignores a seed and refuses words."""
    name = rule.rounding.name
    if not rule.rounding.stochastic:
        if noise is not None:
            raise ValueError(f"noise= is for stochastic rounding, the mode is {name}")
        return None
    if (seed is None) == (noise is None):
        given = "neither" if seed is None else "both"
        raise ValueError(f"rounding='{name}' needs either seed= or noise=, got {given}")
    if noise is None:
        return Noise(rule.random_bits, seed=seed)
    words = np.asarray(noise)
    if words.dtype.kind != "u" or words.dtype.itemsize != 4:
        raise TypeError(f"noise= takes uint32 words, got {words.dtype}; shift r-bit words left by 32 - r")
    if words.shape != shape:
        raise ValueError(f"noise has shape {words.shape}, x has {shape}")
    flat = np.ascontiguousarray(words, dtype=np.uint32).reshape(-1)
    return Noise(rule.random_bits, given=writeable_alias(flat))
