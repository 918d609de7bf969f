"""Integers at which shifts and products turn: powers of two, their neighbours, ties, ends."""

import numpy as np


def around_powers(bits):
    powers = [0] + [2**k for k in range(bits)] + [3 * 2**k for k in range(bits - 2)]
    near = {sign * p + d for p in powers for d in (-1, 0, 1) for sign in (-1, 1)}
    return sorted(x for x in near if -(2 ** (bits - 1)) <= x < 2 ** (bits - 1))


INT32S = np.array([*around_powers(32), 123456789, -987654321, 2147483583, -1717986918], np.int32)
INT16S = np.array(around_powers(16), np.int16)
