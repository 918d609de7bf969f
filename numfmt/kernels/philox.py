"""Philox4x32-10 over a run of blocks of 64 words; `numfmt.noise` is the definition."""

from __future__ import annotations

from typing import Any

import numpy as np

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
SIXTEEN = np.uint64(16)


def fill_noise(out: Any, p: Any) -> None:
    """Fill `out` (uint32, a multiple of 64) with p = (k0, k1, stream low, high, first block)."""
    for block in range(out.size // 64):
        first = np.uint64(p[4] + np.uint64(block)) * SIXTEEN
        for lane in range(16):
            c = np.uint64(first + np.uint64(lane))
            c0, c1, c2, c3 = c & LOW, c >> HALF, p[2], p[3]
            k0, k1 = p[0], p[1]
            for _ in range(10):
                p0, p1 = M0 * c0, M1 * c2
                c0, c1 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW
                c2, c3 = (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
                k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
            out[64 * block + lane] = c0
            out[64 * block + 16 + lane] = c1
            out[64 * block + 32 + lane] = c2
            out[64 * block + 48 + lane] = c3
