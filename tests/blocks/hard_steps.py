"""Blocks that are hard to quantize: every value and tie of the elements times a scale, an ulp beside them,
under a largest magnitude that lies where some rule changes its mind; and blocks of what is special."""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from laws.hard import points, remembering

from numfmt.format import exponent

SMALLEST, LARGEST = 2.0**-149, 3.4028234e38
NAN, INF = float("nan"), float("inf")
SPECIAL = [
    [0.0], [-0.0], [0.0, -0.0], [SMALLEST], [-SMALLEST, 0.0], [1e-40, -3e-39, SMALLEST], [2.0**-126, 2.0**-127],
    [LARGEST], [-LARGEST, SMALLEST], [LARGEST, 1.0, -1e-30], [NAN, 1.0], [-NAN], [INF, 1.0], [-INF, -0.0], [NAN, INF],
    [1e300, 1.0], [-1e-300, 5e-324], [1.7e308, -1e300, 1e-300], [2.0**127, 2.0**-127], [1e300, 1e-300],
]  # fmt: skip


@lru_cache(maxsize=64)
def element_points(of):
    """Values and ties of an element format and what lies around its ends, as float64."""
    return np.array(sorted(float(x) for x in points(remembering(of), 300) if abs(x) < 4 * of.max))


def pins(of):
    """Largest magnitudes in steps: where the scale of some rule changes."""
    last = Fraction(2) ** exponent(of.max)
    tie = 2 * last - (of.step or last) / 2
    return [float(x) for x in (of.max, last, 2 * last, tie, last * Fraction(3, 2), of.max * Fraction(9, 8))]


def beside(x, rng):
    """Each number, or the next one below or above it."""
    step = rng.integers(-1, 2, x.shape)
    return np.where(step < 0, np.nextafter(x, -np.inf), np.where(step > 0, np.nextafter(x, np.inf), x))


def units(count, dtype, exact, rng):
    """Scales within reach of a dtype, powers of two where they are such."""
    low, high = {2: (-14, 5), 4: (-140, 118), 8: (-140, 118)}[np.dtype(dtype).itemsize]
    far = rng.integers(low, high, count)
    near = rng.integers(-6, 5, count)
    unit = np.exp2(np.where(rng.random(count) < 0.4, far, near).astype(float))
    return unit if exact else unit * np.float32(rng.uniform(1, 2, count)).astype(float)


def hard_rows(block, count, size, dtype, seed=0, special=True):
    """`count` blocks of `size` elements, as rows."""
    rng = np.random.default_rng(seed)
    of, unit = block.of, units((count, 1), dtype, block.is_exact, rng)
    with np.errstate(all="ignore"):
        x = (rng.choice(element_points(of), (count, size)) * unit).astype(dtype)
        pin = (rng.choice(pins(of), (count, 1)) * rng.choice([-1.0, 1.0], (count, 1)) * unit).astype(dtype)
        x[np.arange(count)[:, None], rng.integers(0, size, (count, 1))] = pin
        x = beside(x, rng)
        x[~np.isfinite(x)] = 1
        for row, numbers in enumerate(SPECIAL if special else []):
            x[row % count] = np.resize(np.array(numbers).astype(dtype), size)
    return rng.permutation(x)


def hard_arrays(block, dtype, count=500, seed=0, special=True):
    """Arrays whose blocks are hard, the last ones perhaps ragged."""
    if isinstance(block.size, tuple):
        return [_tiled(block, dtype, count, seed, special)]
    if block.size is None:
        rows = hard_rows(block, 2 * len(SPECIAL), max(count // 40, 2), dtype, seed, special)
        return list(rows) if block.axis is None else [np.moveaxis(rows[:, :, None], 0, block.axis)]
    rows = max(count // block.size, (len(SPECIAL) + 7) * special, 6) // 3 * 3
    x = hard_rows(block, rows, block.size, dtype, seed, special).reshape(rows // 3, -1)
    x = x[:, : x.shape[1] - block.size // 3]
    return [x if block.axis in (None, -1, "flat") else np.moveaxis(x[None], -1, block.axis)]


def _tiled(block, dtype, count, seed, special):
    r, c = (min(n, 24) for n in block.size)
    rows = hard_rows(block, max(count // (r * c), 6) // 2 * 2, r * c, dtype, seed, special).reshape(-1, r, c)
    left, right = np.concatenate(rows[::2]), np.concatenate(rows[1::2])
    return np.concatenate([left, right], axis=1)[: -1 if r > 1 else None, : -1 if c > 1 else None]
