"""Families of element formats: one file each. Importing this package registers them all."""

from . import floats, floats_lowering, p3109

__all__ = ["floats", "floats_lowering", "p3109"]
