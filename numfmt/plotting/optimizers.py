"""The figure of Adam's moments in formats: losses and errors over the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from ..training import StateEpoch, StateTraining
from .figures import Path
from .paper import SMALL, caption, check_path, look, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = (2.9, 2.7)  # inches
_SIDE = 1.8  # inches, of the legend
_ERRORS = (1e-4, 10.0)
_MARKS = 6  # on a curve


class Panel(NamedTuple):
    """A column of the figure: what it shows, its axis, and the widest range of that. What is beyond lies on its edge."""

    title: str
    label: str
    value: Callable[[StateEpoch], float]
    range: tuple[float, float]


PANELS = (
    Panel("loss", "mean of an epoch, nats", lambda row: _worst(row.loss), (1e-4, 100.0)),
    Panel("first moment m", "median relative error", lambda row: row.m_error, _ERRORS),
    Panel("second moment v", "median relative error", lambda row: row.v_error, _ERRORS),
    Panel("update m / (sqrt v + eps)", "median relative error", lambda row: row.update_error, _ERRORS),
    Panel("largest update", "in learning rates", lambda row: row.largest, (0.1, 1e8)),
)


def states(runs: StateTraining, path: Path = None) -> Figure:
    """Losses, errors of Adam's moments and the largest update over the steps, a row of panels for each network.

    Parameters
    ----------
    runs : StateTraining
        Of `numfmt.training.compare_states`.
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        On logarithmic axes, against the number of steps. A curve is the median of the seeds. What is larger than
        the axis, and a loss that is NaN, lies on its upper edge; errors that are 0, or of no step, are not drawn.

    Examples
    --------
    >>> from numfmt.training import compare_states
    >>> data = np.eye(8, dtype=np.float32), np.arange(8) % 2
    >>> len(numfmt.plotting.states(compare_states("f32, bf16", data=data, epochs=2, least=0)).axes)
    6
    """
    target = check_path(path)
    if not isinstance(runs, StateTraining) or not runs:
        raise TypeError("the figure shows the runs that numfmt.training.compare_states returns, at least one")
    return write(_drawn(runs), target)


def _drawn(runs: StateTraining) -> Figure:
    from matplotlib.figure import Figure

    networks = list(dict.fromkeys(row.network for row in runs))
    kinds = list(dict.fromkeys(row.states for row in runs))
    (width, height), rows, columns = _PANEL, len(networks), len(PANELS)
    figure = Figure(figsize=(columns * width + _SIDE, 0.4 + height * rows), layout="constrained")
    grid = figure.add_gridspec(rows, columns + 1, width_ratios=(*(width,) * columns, _SIDE))
    for i, network in enumerate(networks):
        own = [row for row in runs if row.network == network]
        for j, panel in enumerate(PANELS):
            ax = figure.add_subplot(grid[i, j])
            _draw(ax, panel, own, kinds)
            caption(ax, f"{plain(network)}: {panel.title}")
            if i == rows - 1:
                ax.set_xlabel("steps", fontsize=SMALL)
    _legend(figure.add_subplot(grid[:, columns]), figure.axes[0], kinds, len({row.seed for row in runs}))
    return figure


def _draw(ax: Axes, panel: Panel, rows: Sequence[StateEpoch], kinds: Sequence[str]) -> None:
    shown = []
    for kind, group in groupby(rows, lambda row: row.states):
        x, y = _curve(list(group), panel)
        place = kinds.index(kind)
        every = max(1, len(x) // _MARKS)
        ax.plot(
            x, y, label=plain(kind), lw=1.3, ms=4, markerfacecolor="white", markevery=(place % every, every),
            clip_on=False, **look(place)._asdict(),
        )  # fmt: skip
        shown += y
    ax.set_yscale("log")
    ax.set_ylim(*_limits(shown, panel.range[1]))
    ax.set_ylabel(panel.label, fontsize=SMALL)
    ax.grid(color="0.9", lw=0.6)
    tidy(ax)


def _curve(rows: Sequence[StateEpoch], panel: Panel) -> tuple[list[int], list[float]]:
    """Steps, and the median of the seeds as far as it is shown; NaN and 0 are not drawn."""
    steps = sorted({row.steps for row in rows})
    least, most = panel.range
    found = (_median([panel.value(row) for row in rows if row.steps == n]) for n in steps)
    return steps, [min(max(y, least), most) if y else math.nan for y in found]


def _median(values: Sequence[float]) -> float:
    numbers = [x for x in values if not math.isnan(x)]
    return median(numbers) if numbers else 0.0


def _worst(loss: float) -> float:
    return math.inf if math.isnan(loss) else loss


def _limits(shown: Sequence[float], most: float) -> tuple[float, float]:
    drawn = [y for y in shown if y > 0] or [1.0]
    return min(drawn) / 1.5, min(most, 1.5 * max(drawn))


def _legend(ax: Axes, drawn: Axes, kinds: Sequence[str], seeds: int) -> None:
    ax.set_axis_off()
    title = f"{f'median of {seeds} seeds' * (seeds > 1)}\nupper edge: larger".strip()
    ax.legend(
        *drawn.get_legend_handles_labels(), loc="upper left", borderaxespad=0, frameon=False, fontsize=SMALL,
        handlelength=4, title=title, title_fontsize=SMALL,
        alignment="left",
    )  # fmt: skip


__all__ = ["states"]
