"""Draw adam_states.png: losses, and errors of Adam's moments in 8 bits, of two small networks; print the table.

python plots/adam_states.py [FOLDER [EPOCHS [SEEDS]]]

The default, 3 epochs of one seed, takes some ten seconds of one core; 20 epochs of 5 seeds take eight minutes.
"""

import sys
from pathlib import Path

from numfmt import plotting
from numfmt.training import LARGE_NETWORKS, compare_states

DEFAULTS = (Path(__file__).parent, 3, 1)

folder, epochs, seeds = (*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :])
runs = compare_states(network=LARGE_NETWORKS, epochs=int(epochs), seed=range(int(seeds)))
plotting.states(runs, Path(folder) / "adam_states.png")
print(runs)
