"""Figures: what range a format has and what error it makes, beside the data it is to hold.

matplotlib is imported when a figure is drawn, and not before. Each function returns a
`matplotlib.figure.Figure` and, given a path, writes it too; nothing global changes.
"""

from __future__ import annotations

from .figures import comparison, dynamic_range, relative_error

__all__ = ["comparison", "dynamic_range", "relative_error"]
