"""Draw bits_against_error.png: bits an element against the error of every recipe, on the bundled tensors.

python plots/bits_against_error.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import numfmt
from numfmt import plotting

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
tensors = np.load(Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz")
plotting.bits_against_error(tensors, path=folder / "bits_against_error.png")
