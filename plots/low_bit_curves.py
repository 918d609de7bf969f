"""Print how low-bit formats do on the bundled tensors, and draw low_bit_curves.png.

python plots/low_bit_curves.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import numfmt
from numfmt import plotting

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
tensors = np.load(Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz")
errors = numfmt.low_bit.low_bit_errors(dict(tensors))
print(errors)
plotting.low_bit_curves(errors, folder / "low_bit_curves.png")
