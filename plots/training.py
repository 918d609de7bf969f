"""Draw training.png: accuracy and gradient underflow of two small networks in every policy; print the table.

python plots/training.py [FOLDER [EPOCHS [SEEDS]]]

The default, 4 epochs of one seed, takes some twenty seconds of one core; 20 epochs of 5 seeds take eight minutes.
"""

import sys
from pathlib import Path

from numfmt import plotting
from numfmt.training import NETWORKS, compare_training

DEFAULTS = (Path(__file__).parent, 4, 1)

folder, epochs, seeds = (*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :])
runs = compare_training(network=NETWORKS, epochs=int(epochs), seed=range(int(seeds)))
plotting.training(runs, Path(folder) / "training.png")
print(runs)
