"""Numbers that are hard to quantize: ties under division and under a reciprocal, a few ulp beside
them, steps themselves, numbers past the range, subnormals, random bits."""

import numpy as np

SCALES = [0.1, 0.02, 1 / 255, 0.00214854861, 1.0, 0.0078125, 3.1e-5, 7.7e-30, 1.3e25, 0.30000001, 1.9999999]
SPECIALS = np.float32([0, -0.0, 1e-45, -1e-45, 1e-39, -2e-38, 3.4e38, -3.4e38, 1e10, -1e10, 2**31, -(2**31)])


def hard_numbers(scale, count, steps=300, seed=0):
    """`count` finite float32 numbers for codes of some `steps` on each side of 0."""
    rng = np.random.default_rng(seed)
    s = np.float32(scale)
    halves = np.arange(-2 * steps, 2 * steps + 1, dtype=np.float64) / 2
    with np.errstate(all="ignore"):
        centres = np.concatenate([halves * float(s), halves / float(np.float32(1) / s)]).astype(np.float32)
    words = centres.view(np.int32)
    beside = np.concatenate([words + d for d in range(-3, 4)]).view(np.float32)
    rest = max(count - beside.size - SPECIALS.size, 0)
    drawn = rng.integers(0, 1 << 32, rest, dtype=np.uint32)
    near = np.float32(rng.uniform(-steps, steps, rest)) * s
    tied = centres[rng.integers(0, centres.size, rest)].view(np.int32) + rng.integers(
        -2, 3, rest, dtype=np.int32
    )
    which = rng.integers(0, 4, rest)
    mixed = np.choose(which, [drawn.view(np.float32), near, tied.view(np.float32), tied.view(np.float32)])
    x = np.concatenate([SPECIALS, beside, mixed])
    x = x[np.isfinite(x)]
    return np.resize(x, count) if x.size < count else x[:count]
