"""Families of element formats: one file each. Importing this package registers them all."""

# ruff: noqa: I001  the order is that of list_formats
from . import (
    floats,
    floats_lowering,
    p3109,
    fixed,
    fixed_lowering,
    codebook,
    codebook_tables,
    codebook_maps,
    level_sets,
    powers,
    codebook_lowering,
)

__all__ = [
    "codebook",
    "codebook_lowering",
    "codebook_maps",
    "codebook_tables",
    "fixed",
    "fixed_lowering",
    "floats",
    "floats_lowering",
    "level_sets",
    "p3109",
    "powers",
]
