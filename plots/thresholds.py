"""Draw thresholds.png: where methods of calibration clip an activation to 4 bits, and what that costs.

python plots/thresholds.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import numfmt
from numfmt import plotting

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
tensors = np.load(Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz")
plotting.thresholds({"activation": tensors["activation"]}, folder / "thresholds.png", bits=4)
