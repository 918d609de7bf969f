"""numfmt: numeric formats, bit for bit."""

from __future__ import annotations

from . import formats as _formats
from ._version import __version__
from .casting import cast, decode, encode
from .errors import RangeError, SpecError
from .format import Format
from .registry import list_formats, parse


__all__ = ["Format", "RangeError", "SpecError", "cast", "decode", "encode", "list_formats", "parse"]
