"""The figure of long sums: how the error of a product of matrices grows with the number of terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..gemm.losses import Loss, Losses
from .figures import Path
from .paper import SMALL, caption, check_path, look, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def gemm_losses(losses: Losses, path: Path = None) -> Figure:
    """The relative error of each way to multiply against the number of terms, both logarithmic.

    Parameters
    ----------
    losses : Losses
        Of `numfmt.gemm_error`, with several `k`.
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        A curve for each way: the norm of the error over that of the exact product.

    Examples
    --------
    >>> a, b = np.ones((2, 64)), np.full((64, 2), 0.1)
    >>> len(gemm_losses(numfmt.gemm_error(a, b, {"accumulator": "bf16", "k": [16, 64]})).axes)
    1
    """
    target = check_path(path)
    if not isinstance(losses, Losses) or not losses:
        raise TypeError("the figure shows what numfmt.gemm_error returns, at least one row")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    ax = figure.add_subplot()
    for i, way in enumerate(dict.fromkeys(map(_name, losses))):
        own = [row for row in losses if _name(row) == way]
        shown = look(i)
        ax.plot(
            [row.k for row in own], [row.relative_error for row in own], label=plain(way, 60), lw=1.4, ms=4,
            **shown._asdict(),
        )  # fmt: skip
    _axes(ax)
    return write(figure, target)


def _name(row: Loss) -> str:
    """What tells a way from the others; what is usual is left out."""
    usual = {"fused", "sequential", "nearest_even"}
    said = [x for x in (row.product, row.order, row.rounding) if x not in usual]
    inputs = f"{row.fmt} inputs, " if row.fmt else ""
    return inputs + ", ".join([f"sums in {row.accumulator}", *said])


def _axes(ax: Axes) -> None:
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xlabel("terms of a sum, K", fontsize=SMALL)
    ax.set_ylabel("norm of the error / norm of the product", fontsize=SMALL)
    caption(ax, "relative error against the exact product")
    ax.legend(frameon=False, fontsize=SMALL, loc="upper left", bbox_to_anchor=(1.01, 1), handlelength=4)
    ax.grid(color="0.9", lw=0.6)
    tidy(ax)


__all__ = ["gemm_losses"]
