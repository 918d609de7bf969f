"""Quantizers whose levels, scales and thresholds come from data."""

from __future__ import annotations

from .levels import Levels

__all__ = ["Levels"]
