"""The worked example of CONTRIBUTING.md runs as it stands and obeys the laws."""

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"
CHECK = """
import numpy as np, numfmt
f = numfmt.parse("pow4")
assert list(map(float, (f.max, f.smallest, f.eps or 0))) == [1.0, 2.0**-6, 0.0]
x = np.concatenate([[float(v) for _, v in f.values()], np.linspace(-2, 2, 1001)])
for mode in ("nearest_even", "toward_zero", "to_odd", "toward_positive"):
    exact = numfmt.encode(x, f, rounding=mode, engine="reference")
    assert np.array_equal(numfmt.encode(x, f, rounding=mode), exact), mode
    assert np.array_equal(numfmt.cast(x, f, rounding=mode), numfmt.decode(exact, f)), mode
odd = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0, -1e-9])
for engine in (None, "reference"):
    assert numfmt.encode(odd, f, nan=0, engine=engine).tolist() == [0, 0, 7, 15, 8, 0, 8], engine
table = numfmt.compare(x, "pow4")
assert table[0].bits == 4 and "pow4" in str(table)
assert numfmt.plotting.relative_error(None, ["pow4", "pow5"]).axes
assert numfmt.cast(np.float32([0.3]), "pow4").dtype == np.float32
assert "pow" in str(numfmt.explain(0.3, "pow5")) and numfmt.finfo("pow5").bits == 5
"""


def test_the_worked_example_is_a_format_like_any_other():
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.S)[1]
    code = code.replace("from ..", "from numfmt.")
    done = subprocess.run([sys.executable, "-c", code + CHECK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
