"""Draw gemm_losses.png: sums of positive terms that stop growing in a narrow accumulator, and what mends that.

python plots/gemm_losses.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import numfmt
from numfmt import plotting

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
rng = np.random.default_rng(0)
a, b = (np.abs(rng.standard_normal(shape)).astype(np.float32) for shape in ((16, 4096), (4096, 16)))
bf16 = {"fmt": "bf16", "accumulator": "bf16", "k": [4**e for e in range(2, 7)]}
grid = [
    {**bf16, "accumulator": "f32"},
    bf16,
    {**bf16, "rounding": "stochastic"},
    {**bf16, "order": ["blocked(64)", "pairwise", "kahan"]},
]
plotting.gemm_losses(numfmt.gemm_error(a, b, grid), folder / "gemm_losses.png")
