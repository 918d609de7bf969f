"""numfmt: numeric formats, bit for bit.

`cast` rounds arrays to a format, `encode` and `decode` go to codes and back, `explain` says what
happened to one number, `compare` what a format costs on given data.
"""

from __future__ import annotations

from . import formats as _formats
from ._version import __version__
from .casting import cast, decode, encode
from .errors import RangeError, SpecError
from .explanation import explain
from .format import Format
from .limits import finfo
from .packing import pack, unpack
from .registry import list_formats, parse

__all__ = [
    "Format",
    "RangeError",
    "SpecError",
    "__version__",
    "cast",
    "decode",
    "encode",
    "explain",
    "finfo",
    "list_formats",
    "pack",
    "parse",
    "unpack",
]
del _formats
