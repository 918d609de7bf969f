"""Inputs that the oracles and numfmt see: a million, of which a third were chosen to be hard."""

import numpy as np
from laws.hard import hard_values, is_float32

import numfmt

COUNT = 1 << 20


def float32_patterns(spec, count=COUNT):
    """Hard float32 values of a format, values around its range, and random bit patterns."""
    hard = hard_values(spec)
    hard = hard[is_float32(hard)].astype(np.float32)
    rng = np.random.default_rng(len(spec))
    drawn = rng.integers(0, 1 << 32, count - hard.size, dtype=np.uint32)
    third = drawn.size // 3
    # few significant bits meet ties and the values themselves
    drawn[:third] &= np.uint32(0xFFFFE000)
    drawn[third : 2 * third] &= np.uint32(0xFFF00000)
    drawn[third : third + third // 2] |= rng.integers(0, 2, third // 2, dtype=np.uint32)
    return np.concatenate([hard, drawn.view(np.float32)])


def float64_values(spec, count):
    """Hard float64 values of a format, and random ones that span and pass its range."""
    fmt = numfmt.parse(spec)
    hard = hard_values(spec)
    rng = np.random.default_rng(len(spec))
    low, high = np.log2(float(fmt.smallest)) - 4, np.log2(float(fmt.max)) + 2
    size = 2.0 ** rng.uniform(max(low, -1060), min(high, 1023.9), count)
    return np.concatenate([hard, size * rng.choice([-1, 1], count)])
