"""numfmt: numeric formats, bit for bit.

`cast` rounds arrays to a format, `encode` and `decode` go to codes and back, `explain` says what
happened to one number, `compare` what a format costs on given data.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import blocks as _blocks
from . import formats as _formats
from . import gguf as _gguf
from . import learned as _learned
from ._version import __version__
from .casting import cast, decode, encode
from .errors import RangeError, SpecError
from .format import Format
from .registry import list_formats, parse

if TYPE_CHECKING:
    from . import adam8bit as adam8bit
    from . import allocation as allocation
    from . import arithmetic as arithmetic
    from . import behaviours as behaviours
    from . import calibration as calibration
    from . import coding as coding
    from . import fixed_point as fixed_point
    from . import flexpoint as flexpoint
    from . import gemm as gemm
    from . import gemmlowp as gemmlowp
    from . import interop as interop
    from . import low_bit as low_bit
    from . import noise as noise
    from . import plotting as plotting
    from . import quant_state as quant_state
    from . import quantizers as quantizers
    from . import storage as storage
    from . import tensors as tensors
    from . import testing as testing
    from . import training as training
    from . import vectors as vectors
    from .arithmetic import add, array, convert, div, fma, mul, sqrt, sub
    from .behaviours import diff
    from .coding import storage_cost
    from .comparison import compare
    from .explanation import explain
    from .gemm import dot, gemm_error, matmul, prepack, sum, units
    from .limits import finfo
    from .packing import pack, unpack

__all__ = [
    "Format",
    "RangeError",
    "SpecError",
    "__version__",
    "add",
    "array",
    "cast",
    "compare",
    "convert",
    "decode",
    "diff",
    "div",
    "dot",
    "encode",
    "explain",
    "finfo",
    "fma",
    "gemm_error",
    "list_formats",
    "matmul",
    "mul",
    "pack",
    "parse",
    "prepack",
    "sqrt",
    "storage_cost",
    "sub",
    "sum",
    "units",
    "unpack",
]
del _blocks, _formats, _gguf, _learned

_LATE = {  # imported when they are first asked for, so that `import numfmt` stays light
    "adam8bit": "",
    "add": "arithmetic",
    "allocation": "",
    "arithmetic": "",
    "array": "arithmetic",
    "behaviours": "",
    "calibration": "",
    "coding": "",
    "compare": "comparison",
    "convert": "arithmetic",
    "diff": "behaviours",
    "div": "arithmetic",
    "dot": "gemm",
    "explain": "explanation",
    "finfo": "limits",
    "fixed_point": "",
    "flexpoint": "",
    "fma": "arithmetic",
    "gemm": "",
    "gemm_error": "gemm",
    "gemmlowp": "",
    "interop": "",
    "low_bit": "",
    "matmul": "gemm",
    "mul": "arithmetic",
    "noise": "",
    "pack": "packing",
    "plotting": "",
    "prepack": "gemm",
    "quant_state": "",
    "quantizers": "",
    "sqrt": "arithmetic",
    "storage": "",
    "storage_cost": "coding",
    "sub": "arithmetic",
    "sum": "gemm",
    "tensors": "",
    "testing": "",
    "training": "",
    "units": "gemm",
    "unpack": "packing",
    "vectors": "",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'numfmt' has no attribute {name!r}")
    module = importlib.import_module(f".{_LATE[name] or name}", __name__)
    found = getattr(module, name) if _LATE[name] else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *_LATE})
