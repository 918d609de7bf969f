"""Draw allocation.png: how many bits each bundled tensor gets under every budget, integers with one scale a tensor.

python plots/allocation.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import numfmt
from numfmt import plotting

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
tensors = np.load(Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz")
formats = [f"int{bits}[calibrate=absmax]" for bits in range(2, 13)]
noise_to_signal = {name: 1 / np.square(x, dtype=np.float64).sum() for name, x in tensors.items()}
table = numfmt.allocation.sensitivities(tensors, formats)
plotting.allocation(table, folder / "allocation.png", weights=noise_to_signal)
