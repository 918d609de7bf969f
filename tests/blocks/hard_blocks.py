"""Rows of numbers that are hard for blocks: ties and what lies an ulp or two beside them, largest magnitudes
at and beside powers of two and multiples of element maxima, both zeros, subnormals (also beside large
numbers), huge numbers."""

import numpy as np

F4 = np.float32
MAXIMA = np.array([6, 448, 57344, 28, 7.5, 2688, 1.75, 1.5, 5, 3.5, 127 / 64, 7])
BESIDE = np.array([0, 1, -1, 2, -2])


def beside(x, rng):
    """An ulp or two away from positive numbers, or none."""
    return (np.maximum(x.view(np.int32), 4) + rng.choice(BESIDE, x.shape)).astype(np.int32).view(F4)


def hard_blocks(count, size, seed=0, exponents=(-150, 128)):
    """`count` rows of `size` float32, each about a power of two of its own from a range."""
    rng = np.random.default_rng(seed)
    top = rng.integers(*exponents, (count, 1))
    below = rng.integers(0, 1000, (count, size)) % (rng.choice([0, 3, 12, 40], (count, 1)) + 1)
    e = np.clip(top - below, -170, 127)
    kind = rng.integers(0, 5, (count, 1))
    drawn = np.choose(
        kind, [1 + rng.integers(0, n, (count, size)) / n for n in (64, 16)] + [1 + rng.random((count, size))] * 3
    )  # fmt: skip
    with np.errstate(all="ignore"):
        x = np.ldexp(drawn, e).astype(F4)
        of_maxima = np.ldexp(rng.choice(MAXIMA, (count, size)), e - rng.integers(0, 8, (count, size)))
        x = np.where(kind == 3, of_maxima.astype(F4), x)
    x = np.where((kind == 2) | (rng.random((count, size)) < 0.3), beside(x, rng), x)
    x = np.where(np.isfinite(x), x, F4(1)) * rng.choice(F4([-1, 1]), (count, size))
    x = np.where(rng.random((count, size)) < 0.1, rng.choice(F4([0, -0.0]), (count, size)), x)
    far = (rng.random((count, size)) < 0.02) & (np.abs(x).max(-1, keepdims=True) > 1)
    x = np.where(far, rng.choice(F4([1e-45, -1e-45, 1e-39, -1e-39]), (count, size)), x)
    x[rng.random(count) < 0.01] = rng.choice(F4([0, -0.0]))
    return np.ascontiguousarray(x, F4)


def with_specials(x, specials, seed=0):
    """Some rows with one of these numbers in each."""
    rng, x = np.random.default_rng(seed), x.copy()
    for special in specials:
        rows = np.flatnonzero(rng.random(len(x)) < 0.03)
        x[rows, rng.integers(0, x.shape[1], rows.size)] = special
    return x


def tied(x, scales, ties, seed=0):
    """Half of the numbers replaced by ties times their row's scale, or what lies an ulp or two beside; none
    larger than the row's largest, which stays."""
    rng = np.random.default_rng(seed)
    most = np.abs(x).max(-1, keepdims=True)
    sizes = beside(np.abs(rng.choice(F4(ties), x.shape) * scales[:, None]).astype(F4), rng)
    suits = (sizes < most) & (np.abs(x) < most) & (rng.random(x.shape) < 0.5)
    return np.where(suits, np.copysign(sizes, x), x)
