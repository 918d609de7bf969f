"""Families of element formats: one file each. Importing this package registers them all."""

from . import fixed, fixed_lowering, floats, floats_lowering, p3109

__all__ = ["fixed", "fixed_lowering", "floats", "floats_lowering", "p3109"]
