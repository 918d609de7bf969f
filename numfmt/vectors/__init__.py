"""Golden vectors: operands, results and exceptions of operations, for people who build hardware.

>>> v = numfmt.vectors.generate("mul", "e4m3fn", rounding="rne,rtz")
>>> v
<131072 vectors: mul in e4m3fn, nearest_even, toward_zero>
"""

from .batch import Vectors
from .generation import generate
from .operations import OPERATIONS
from .request import Request, of_dict, request

__all__ = ["OPERATIONS", "Request", "Vectors", "generate", "of_dict", "request"]
