"""The figure of value sets: where the values of formats lie, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison import format_list
from ..format import Format
from ..registry import element
from .figures import Path
from .paper import SMALL, caption, check_path, look, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
FORMATS = "int4, e2m1fn, nf4, fp4_bnb, af4, e3m2fn, e2m3fn, int8, e4m3fn, e5m2, linear8, dyn8"
WIDEST = 12  # bits of a format whose values are drawn
_DECADES = 7.3  # below the largest value, as far as magnitudes are shown


def value_sets(formats: Any = FORMATS, path: Path = None) -> Figure:
    """Where the values of formats lie, each divided by its largest magnitude.

    Parameters
    ----------
    formats : spec, or sequence of specs
        Element formats of at most 12 bits.
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        A row of ticks a format: on the left all values, on a linear scale; on the right the positive
        ones, by magnitude, and the number of values and the decades that they span.

    Raises
    ------
    ValueError : a format of more than 12 bits

    Examples
    --------
    >>> len(value_sets("nf4, e2m1fn").axes)
    2
    """
    target = check_path(path)
    forms = [element(form) for form in format_list(formats)]
    wide = next((form for form in forms if form.bits > WIDEST), None)
    if wide is not None:
        raise ValueError(f"'{wide}' has {wide.bits} bits; values of formats of at most {WIDEST} are drawn")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 0.9 + 0.36 * len(forms)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for row, form in enumerate(forms):
        _draw_row(left, right, form, row)
    _finish(left, right, forms)
    return write(figure, target)


def _draw_row(left: Axes, right: Axes, form: Format, row: int) -> None:
    values = np.array([float(v / form.largest) for _, v in form.values()])
    shown = look(row).color
    left.vlines(values, row - 0.32, row + 0.32, color=shown, lw=0.7)
    positive = np.log10(values[values > 0])
    right.vlines(positive[positive > -_DECADES], row - 0.32, row + 0.32, color=shown, lw=0.7)
    decades = np.log10(np.abs(values).max() / np.abs(values[values != 0]).min())
    text = f"{np.unique(values).size} values, {decades:.1f} decades"
    right.annotate(
        text, (1, row), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=SMALL,
        va="center", annotation_clip=False,
    )  # fmt: skip


def _finish(left: Axes, right: Axes, forms: list[Format]) -> None:
    left.set_yticks(range(len(forms)), [plain(str(form)) for form in forms])
    left.set_ylim(len(forms) - 0.4, -0.6)
    left.set_xlim(-1.03, 1.03)
    left.set_xlabel("value / largest magnitude", fontsize=SMALL)
    right.set_xlim(-_DECADES, 0.15)
    right.set_xlabel("log10(value / largest magnitude)", fontsize=SMALL)
    caption(left, "all values")
    caption(right, "positive values")
    for ax in (left, right):
        tidy(ax)
    right.tick_params(axis="y", labelleft=False)
