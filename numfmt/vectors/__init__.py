"""Golden vectors: operands, results and exceptions of operations, for people who build hardware.

>>> v = numfmt.vectors.generate("mul", "e4m3fn", rounding="rne,rtz")
>>> v
<131072 vectors: mul in e4m3fn, nearest_even, toward_zero>
"""

from .asking import Request, of_dict, request
from .batch import Vectors
from .cells import coverage, minimal
from .checking import Report, check
from .forms import FORMS
from .generation import generate
from .operations import OPERATIONS
from .reading import load
from .writing import write

__all__ = [
    "FORMS", "OPERATIONS", "Report", "Request", "Vectors", "check", "coverage", "generate", "load", "minimal", "of_dict", "request", "write",
]  # fmt: skip
