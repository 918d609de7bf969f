"""Draw comparison.png: the bundled tensors, and the ranges and errors of six formats.

python plots/comparison.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import numfmt
from numfmt import plotting

FORMATS = "f16, bf16, tf32, e5m2, e4m3fn, e2m1fn"

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
tensors = np.load(Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz")
plotting.comparison(tensors, FORMATS, folder / "comparison.png")
