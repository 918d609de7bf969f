"""Draw outlier_in_blocks.png: what one outlier does to the other elements as blocks grow.

python plots/outlier_in_blocks.py [FOLDER]
"""

import sys
from pathlib import Path

from numfmt import plotting

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
plotting.outlier_in_blocks(folder / "outlier_in_blocks.png")
