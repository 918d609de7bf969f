"""The figure of low-bit formats: signal to noise against true bits, and what is won over equal steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..low_bit import LowBitError, LowBitErrors
from .figures import Path
from .paper import DATA, SMALL, caption, check_path, look, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 8  # tensors
LOWEST = -12  # dB: what loses more is out of sight


def low_bit_curves(errors: LowBitErrors, path: Path = None) -> Figure:
    """Signal to noise of each family of formats against its true bits an element, and its gain over equal steps.

    Parameters
    ----------
    errors : LowBitErrors
        Of `numfmt.low_bit.low_bit_errors`: two panels for each of at most eight tensors.
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        On the left SQNR in dB, on the right that less the same of equal steps with as many bits: above the line
        a family wins. Scales and codebooks are counted in.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal(2048)
    >>> len(low_bit_curves(numfmt.low_bit.low_bit_errors(x, "Lloyd-Max")).axes)
    2
    """
    target = check_path(path)
    if not isinstance(errors, LowBitErrors) or not errors:
        raise TypeError("the figure shows what numfmt.low_bit.low_bit_errors returns, at least one row")
    from matplotlib.figure import Figure

    tensors = list(dict.fromkeys(row.tensor for row in errors))[:MOST]
    families = list(dict.fromkeys(row.family for row in errors))
    figure = Figure(figsize=(11.5, 2.9 * len(tensors) + 0.6), layout="constrained")
    axes = figure.subplots(len(tensors), 2, squeeze=False, sharex=True)
    for (left, right), tensor in zip(axes, tensors, strict=True):
        own = [row for row in errors if row.tensor == tensor]
        _draw(left, own, families, "sqnr_db")
        _draw(right, own, families, "gain_db")
        caption(left, f"{plain(tensor) or 'tensor'}: signal-to-noise ratio")
        caption(right, "over equal steps with as many bits")
    _finish(figure, axes)
    return write(figure, target)


def _draw(ax: Axes, rows: Sequence[LowBitError], families: Sequence[str], field: str) -> None:
    for i, family in enumerate(families):
        own = sorted((r.bits_per_element, getattr(r, field)) for r in rows if r.family == family)
        bits, decibels = zip(*own, strict=True)
        shown = look(i)
        ax.plot(bits, decibels, label=plain(family), lw=1.2, ms=3.5, zorder=3, **shown._asdict())
    ax.grid(color="0.92", lw=0.6)
    ax.set_ylabel("dB", fontsize=SMALL)
    tidy(ax)


def _finish(figure: Figure, axes: Any) -> None:
    for ax in axes[:, 1]:
        ax.axhline(0, color=DATA, lw=0.8)
        ax.set_ylim(bottom=max(ax.get_ylim()[0], LOWEST))
    for ax in axes[-1]:
        ax.set_xlabel("bits an element, scales and codebooks counted in", fontsize=SMALL)
        ax.set_xlim(0.8, 9.2)
        ax.set_xticks(np.arange(1, 10))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right center", fontsize=SMALL, frameon=False, handlelength=3.6
    )


__all__ = ["low_bit_curves"]
