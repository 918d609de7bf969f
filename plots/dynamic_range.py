"""Draw dynamic_range.png: the bundled tensors over the ranges of nine formats.

python plots/dynamic_range.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import numfmt
from numfmt import plotting

FORMATS = "f16, bf16, tf32, e5m2, e4m3fn, e4m3fnuz, e3m2fn, e2m3fn, e2m1fn"

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
tensors = np.load(Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz")
plotting.dynamic_range(tensors, FORMATS, folder / "dynamic_range.png")
