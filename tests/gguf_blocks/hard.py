"""Blocks where quantizers go wrong: ties, zeros of both signs, subnormal and huge magnitudes, constants."""

import numpy as np

RNG = np.random.default_rng(11)
N = 256 * 40


def _near_powers():
    """Every block's largest magnitude is a little below a power of two."""
    words = np.ldexp(np.float32(1), np.repeat(RNG.integers(-126, 127, N // 32), 32)).astype(np.float32)
    below = words.view(np.uint32) - np.repeat(RNG.integers(0, 90, N // 32), 32).astype(np.uint32)
    return below.view(np.float32) * RNG.choice(np.float32([1, -1, 0.5, 0.25, 0.37]), N)


def _with(values, places, x):
    x = np.array(x, np.float32)
    x[places] = values
    return x


def _bits():
    x = np.frombuffer(RNG.bytes(4 * N), np.float32)
    return np.where(np.isfinite(x), x, np.float32(1))


def _scaled(low, high):
    """Normal numbers times a power of two for each 32."""
    return RNG.standard_normal(N) * 2.0 ** np.repeat(RNG.integers(low, high, N // 32), 32)


_normal = RNG.standard_normal(N)
SETS = {
    "normal": _normal,
    "positive": RNG.random(N) + 0.01,
    "negative": -RNG.random(N) - 0.5,
    "heavy": _normal**5,
    "integers": RNG.integers(-8, 9, N),
    "halves": RNG.integers(-128, 129, N) / 2,
    "nearly constant": -3.3 + RNG.integers(0, 5, N) * 2.0**-21,
    "constant": np.repeat(RNG.standard_normal(N // 256), 256),
    "sparse": _normal * (RNG.random(N) < 0.02),
    "zeros": _with(-0.0, slice(0, 512), _with(0.0, slice(0, N // 2), _normal)),
    "ties of 127": _with(127, slice(0, None, 32), RNG.integers(-254, 255, N) / 2),
    "ties of 8": _with(-8, slice(0, None, 32), RNG.integers(-16, 17, N) / 2),
    "both signs": _with(-5, slice(3, None, 32), _with(5, slice(20, None, 32), np.clip(_normal, -5, 5))),
    "powers": np.ldexp(RNG.choice([1, -1], N), RNG.integers(-20, 20, N)),
    "near powers": _near_powers(),
    "subnormal": RNG.integers(-50, 51, N) * 2.0**-149,
    "tiny": _scaled(-149, -90),
    "tiny scales": _scaled(-45, -8),
    "wide scales": _scaled(0, 20),
    "large": _scaled(20, 125),
    "huge": RNG.uniform(-1, 1, N) * 3.4e38,
    "bits": _bits(),
}  # fmt: skip
SETS = {name: np.asarray(x, np.float32) for name, x in SETS.items()}


def blocks(name, elements, most=None):
    """Numbers of a set, (blocks, elements)."""
    return SETS[name].reshape(-1, elements)[:most]
