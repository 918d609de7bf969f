"""The figure of bit allocation: what tensors lose under each budget, and how the bits are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..allocation import Front, Sensitivity, front
from .figures import Path
from .paper import DATA, SMALL, caption, check_path, look, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BITS = "bits per element over all tensors, scales counted in"
_MARKS = 6  # on a line


def allocation(
    table: Sequence[Sensitivity], path: Path = None, *, weights: Mapping[str, float] | None = None
) -> Figure:
    """The least error of tensors under every budget of bits, beside one format for all, and what each gets.

    Parameters
    ----------
    table : Sensitivities, of `numfmt.allocation.sensitivities`
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.
    weights : as in `numfmt.allocation.allocate`

    Returns
    -------
    matplotlib.figure.Figure
        To the left the weighted sum of squared errors, logarithmic, against the bits of an element: a line of the
        best assignments, a named point for each format that all tensors have in common. To the right the bits of
        an element of each tensor, in those of the assignments that are corners of the line's convex hull: between
        them small tensors only fill the budget.

    Examples
    --------
    >>> x = {"a": [1.0, 0.3, 0.7], "b": [100.0, 33.0, 71.0]}
    >>> table = numfmt.allocation.sensitivities(x, "e2m1fn, e4m3fn, f16")
    >>> len(numfmt.plotting.allocation(table).axes)
    2
    """
    target, found = check_path(path), front(table, weights)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.2, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    count = sum(rows[0].count for rows in found.tensors.values())
    _draw_errors(left, found, count)
    _draw_shares(right, found, count)
    for ax in (left, right):
        ax.set_xlabel(_BITS, fontsize=SMALL)
        ax.grid(color="0.9", lw=0.6)
        tidy(ax)
    return write(figure, target)


def _draw_errors(ax: Axes, found: Front, count: int) -> None:
    best, uniform = look(0), look(3)
    drawn = found.errors > 0
    ax.plot(
        found.bits[drawn] / count, found.errors[drawn], color=best.color, lw=1.4, marker=".", ms=3,
        label="a format for each tensor, best",
    )  # fmt: skip
    named = {spec: point for spec, point in found.uniform.items() if point.error > 0}
    ax.plot(
        [point.bits / count for point in named.values()], [point.error for point in named.values()],
        linestyle="", marker="D", ms=5, color=uniform.color, label="one format for all",
    )  # fmt: skip
    for spec, point in named.items():
        ax.annotate(
            plain(spec.partition("[")[0], 16), (point.bits / count, point.error), (6, 3), fontsize=SMALL - 1,
            textcoords="offset points", color=DATA,
        )  # fmt: skip
    ax.set_yscale("log")
    ax.margins(x=0.08)
    ax.set_ylabel("weighted sum of squared errors", fontsize=SMALL)
    caption(ax, "what all tensors lose")
    ax.legend(frameon=False, fontsize=SMALL, loc="lower left")


def _draw_shares(ax: Axes, found: Front, count: int) -> None:
    corners = hull(found.bits.tolist(), found.errors.tolist())
    budgets = [found.bits[place] / count for place in corners]
    chosen = [found.choice(place) for place in corners]
    every = max(1, len(corners) // _MARKS)
    for i, name in enumerate(found.tensors):
        ax.plot(
            budgets, [rows[i].bits_per_element for rows in chosen], drawstyle="steps-post", lw=1.3, ms=4.5,
            markevery=(i % every, every), markerfacecolor="white", label=plain(name) or "tensor",
            **look(i)._asdict(),
        )  # fmt: skip
    ax.set_ylabel("bits per element of the tensor", fontsize=SMALL)
    caption(ax, "what each tensor gets")
    ax.legend(frameon=False, fontsize=SMALL, loc="upper left", handlelength=4)


def hull(x: Sequence[float], y: Sequence[float]) -> list[int]:
    """The corners of the lower convex hull of points, x rising: their places (Andrew 1979).

    >>> hull([0, 1, 2, 3], [9, 8, 1, 0])
    [0, 2, 3]
    """
    corners: list[int] = []
    for c in range(len(x)):
        while len(corners) > 1:
            a, b = corners[-2:]
            if (x[b] - x[a]) * (y[c] - y[a]) > (y[b] - y[a]) * (x[c] - x[a]):
                break
            corners.pop()
        corners.append(c)
    return corners


__all__ = ["allocation"]
