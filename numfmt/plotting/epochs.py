"""The figure of training runs: accuracy and gradient underflow of each policy over the epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING

from ..training import Epoch, Training
from .figures import Path
from .paper import SMALL, caption, check_path, look, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = (3.9, 2.9)  # inches
_SIDE = 2.1  # inches, of the legend
_ACCURACIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)  # that are labelled
_LEAST_ERROR = 1e-3  # an accuracy nearer to 1 is drawn here
_SHARES = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
_LINEAR = 1e-4  # of the axis of shares; above it is logarithmic
_MARKS = 6  # on a curve

Curves = dict[str, list[float]]


def training(runs: Training, path: Path = None) -> Figure:
    """Accuracy and gradient underflow over the epochs, a row of panels for each network.

    Parameters
    ----------
    runs : Training
        Of `numfmt.training.compare_training`.
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        To the left the share of held-back examples that are classified rightly, on an axis where equal
        distances are equal ratios of errors; to the right the share of nonzero gradient elements that
        become 0, logarithmic above 0.01 %. A curve is the mean of a policy's runs.

    Examples
    --------
    >>> from numfmt.training import compare_training
    >>> data = np.eye(8, dtype=np.float32), np.arange(8) % 2
    >>> len(numfmt.plotting.training(compare_training("f32, f16", data=data, epochs=2)).axes)
    3
    """
    target = check_path(path)
    if not isinstance(runs, Training) or not runs:
        raise TypeError(
            "the figure shows the runs that numfmt.training.compare_training returns, at least one"
        )
    return write(_drawn(runs), target)


def _drawn(runs: Training) -> Figure:
    from matplotlib.figure import Figure

    networks = list(dict.fromkeys(row.network for row in runs))
    policies = list(dict.fromkeys(row.policy for row in runs))
    (width, height), rows = _PANEL, len(networks)
    figure = Figure(figsize=(2 * width + _SIDE, 0.4 + height * rows), layout="constrained")
    grid = figure.add_gridspec(rows, 3, width_ratios=(width, width, _SIDE))
    for i, network in enumerate(networks):
        own = [row for row in runs if row.network == network]
        left, right = (figure.add_subplot(grid[i, column]) for column in range(2))
        _accuracy(left, own, policies)
        _underflow(right, own, policies)
        for ax in (left, right):
            _share_axis(ax, own, bottom=i == rows - 1)
    _legend(figure.add_subplot(grid[:, 2]), figure.axes[0], policies)
    return figure


def _accuracy(ax: Axes, rows: Sequence[Epoch], policies: Sequence[str]) -> None:
    means = _curves(rows, lambda row: 1 - row.accuracy)
    errors = {policy: [max(e, _LEAST_ERROR) for e in curve] for policy, curve in means.items()}
    _draw(ax, errors, policies)
    ax.set_yscale("log")
    least = min(e for curve in errors.values() for e in curve) / 1.3
    labelled = [a for a in _ACCURACIES if 1 - a >= least]
    _label(ax, [1 - a for a in labelled], [f"{100 * a:g} %" for a in labelled])
    ax.set_ylim(1.0, least)
    ax.set_ylabel("accuracy, share of held-back examples", fontsize=SMALL)
    seeds = len({row.seed for row in rows})
    caption(ax, f"{plain(rows[0].network)}: accuracy{f', mean of {seeds} seeds' * (seeds > 1)}")


def _underflow(ax: Axes, rows: Sequence[Epoch], policies: Sequence[str]) -> None:
    shares = _curves(rows, lambda row: row.underflow)
    _draw(ax, shares, policies)
    ax.set_yscale("symlog", linthresh=_LINEAR, linscale=0.4)
    _label(ax, _SHARES, [f"{100 * s:g} %" for s in _SHARES])
    ax.set_ylim(-_LINEAR / 5, 1.0)
    ax.set_ylabel("underflow, share of nonzero gradient elements", fontsize=SMALL)
    caption(ax, f"{plain(rows[0].network)}: gradient elements that become 0")


def _curves(rows: Sequence[Epoch], value: Callable[[Epoch], float]) -> Curves:
    """For each policy the mean over its seeds, epoch by epoch."""
    curves: Curves = {}
    for policy, group in groupby(rows, lambda row: row.policy):
        own = list(group)
        last = max(row.epoch for row in own)
        curves[policy] = [fmean(value(row) for row in own if row.epoch == e) for e in range(1, last + 1)]
    return curves


def _draw(ax: Axes, curves: Curves, policies: Sequence[str]) -> None:
    for policy, y in curves.items():
        place = policies.index(policy)
        every = max(1, len(y) // _MARKS)
        ax.plot(
            range(1, len(y) + 1), y, label=plain(policy), lw=1.3, ms=4.5, markerfacecolor="white",
            markevery=(place % every, every), clip_on=False, **look(place)._asdict(),
        )  # fmt: skip


def _label(ax: Axes, places: Sequence[float], names: Sequence[str]) -> None:
    """Ticks there and nowhere else."""
    from matplotlib.ticker import NullLocator

    ax.set_yticks(places, names)
    ax.yaxis.set_minor_locator(NullLocator())


def _share_axis(ax: Axes, rows: Sequence[Epoch], bottom: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    last = max(row.epoch for row in rows)
    ax.set_xlim(min(1, last - 1), last)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.grid(color="0.9", lw=0.6)
    tidy(ax)
    if bottom:
        ax.set_xlabel("epoch", fontsize=SMALL)


def _legend(ax: Axes, drawn: Axes, policies: Sequence[str]) -> None:
    ax.set_axis_off()
    ax.legend(
        *drawn.get_legend_handles_labels(), loc="upper left", borderaxespad=0, frameon=False, fontsize=SMALL,
        handlelength=4,
    )  # fmt: skip


__all__ = ["training"]
