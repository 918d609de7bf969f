"""Draw value_sets.png: the values of 4-, 6- and 8-bit formats side by side.

python plots/value_sets.py [FOLDER]
"""

import sys
from pathlib import Path

from numfmt import plotting

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
plotting.value_sets(path=folder / "value_sets.png")
