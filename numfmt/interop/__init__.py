"""Bridges to frameworks; each imports its framework when it is used."""

from __future__ import annotations

import importlib
from types import ModuleType

BRIDGES = ("torch",)


def __getattr__(name: str) -> ModuleType:
    if name not in BRIDGES:
        raise AttributeError(f"module 'numfmt.interop' has no attribute {name!r}")
    return importlib.import_module(f".{name}", __name__)
