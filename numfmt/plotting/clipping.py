"""The figure of thresholds: where each method clips a tensor, and what rounding and clipping cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..calibration import ThresholdRow, compare_thresholds, mean_squared_errors
from ..calibration.histograms import Samples
from ..tensors import tensors_of
from .figures import Path
from .panels import percent
from .paper import DATA, SMALL, caption, check_path, look, plain, scale_of_powers, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
METHODS = ("absmax", "percentile", "kl", "mse", "l2", "aciq_gauss", "aciq_laplace")
_PARTS = 8  # bars of the histogram a binade
_POINTS = 300  # of the curves
_BINS = 1 << 14  # that the curves are computed from
_LEFT = 3  # binades shown below the least threshold
_LETTER = 0.012  # half the width of a letter with its space, as a share of the axis
_CURVES: tuple[dict[str, Any], ...] = (
    {"color": "black", "lw": 1.8},
    {"color": DATA, "lw": 1.1, "linestyle": "--"},
    {"color": DATA, "lw": 1.3, "linestyle": ":"},
)
_COLUMNS = (0.0, 0.36, 0.68)  # of the table, as shares of its width


class Scene(NamedTuple):
    """One tensor and its thresholds."""

    name: str
    data: Samples
    rows: list[ThresholdRow]
    signed: bool

    @property
    def shown(self) -> tuple[float, float]:
        """The horizontal axis, in log2 of the magnitude."""
        least = min(row.threshold for row in self.rows)
        return np.floor(np.log2(least)) - _LEFT, np.log2(self.data.largest) + 0.35

    @property
    def letters(self) -> str:
        """One for each method, by which it is found in every panel."""
        return ascii_lowercase[: len(self.rows)]

    @property
    def labels(self) -> list[tuple[str, list[ThresholdRow]]]:
        """Letters, and the rows that they stand for, from the least threshold on."""
        first, last = self.shown
        groups: list[tuple[str, list[ThresholdRow]]] = []
        for letter, row in sorted(
            zip(self.letters, self.rows, strict=True), key=lambda pair: pair[1].threshold
        ):
            letters, near = groups[-1] if groups else ("", [])
            room = _LETTER * (len(near) + 1) * (last - first)
            if near and np.log2(row.threshold) - _middle(near) < room:
                groups[-1] = f"{letters} {letter}", [*near, row]
            else:
                groups.append((letter, [row]))
        return groups

    @property
    def tried(self) -> tuple[float, float]:
        """Where the curves begin and end, in log2 of the threshold."""
        return self.shown[0], np.log2(self.data.largest)


def thresholds(
    x: Any, path: Path = None, *, bits: int = 8, methods: str | Iterable[str] | None = None,
    signed: bool = True, percentile: float = 99.99,
) -> Figure:  # fmt: skip
    """Where methods of `numfmt.calibration` clip a tensor, and what that costs.

    Parameters
    ----------
    x : array_like, or a mapping or file that holds one tensor
        NaN and infinities are left out.
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.
    bits, methods, signed, percentile : as in `numfmt.calibration.compare_thresholds`
        Seven methods, if not given.

    Returns
    -------
    matplotlib.figure.Figure
        Over one axis of magnitudes: a histogram in eighths of a binade, the threshold of each
        method, and the root mean square error of rounding, of clipping and of both against the
        threshold. To the right of the dip is what saturating buys. A letter stands for each
        method.

    Examples
    --------
    >>> x = np.random.default_rng(0).laplace(size=1000)
    >>> len(numfmt.plotting.thresholds(x, bits=4, methods="absmax, kl").axes) > 2
    True
    """
    target = check_path(path)
    scene = _scene(x, bits, methods or METHODS, signed, percentile)
    return write(_drawn(scene), target)


def _scene(x: Any, bits: int, methods: str | Iterable[str], signed: bool, percentile: float) -> Scene:
    found = list(tensors_of(x))
    if len(found) != 1:
        raise ValueError(f"the figure shows one tensor, got {len(found)}; choose one")
    name, array = found[0].name, found[0].whole()
    table = compare_thresholds({name: array}, bits, methods, signed=signed, percentile=percentile)
    data = Samples(array)
    if not data.largest:
        raise ValueError("every element is 0: there is nothing to clip and nothing to draw")
    return Scene(name, data, list(table), signed)


def _drawn(scene: Scene) -> Figure:
    from matplotlib.figure import Figure

    heights = (1.7, 0.5 + 0.24 * len(scene.rows), 3.0)
    figure = Figure(figsize=(9.6, 1.1 + sum(heights)), layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(5.6, 2.6), height_ratios=heights)
    draw = ((_histogram, _facts), (_strip, _table), (_errors, _verdict))
    for i, (left, right) in enumerate(draw):
        ax = figure.add_subplot(grid[i, 0])
        left(scene, ax)
        _share_axis(scene, ax, bottom=i == 2)
        beside = figure.add_subplot(grid[i, 1])
        beside.set_axis_off()
        right(scene, beside)
    return figure


def _share_axis(scene: Scene, ax: Axes, bottom: bool) -> None:
    ax.set_xlim(*scene.shown)
    scale_of_powers(ax.xaxis, *scene.shown)
    ax.tick_params(axis="x", labelbottom=bottom)
    tidy(ax)
    if bottom:
        ax.set_xlabel("magnitude |x| and threshold T, in the unit of the data", fontsize=SMALL)


def _histogram(scene: Scene, ax: Axes) -> None:
    sizes = abs(scene.data.values[scene.data.values != 0])
    first, last = scene.shown
    edges = np.arange(first * _PARTS, np.ceil(last * _PARTS) + 1) / _PARTS
    counts, _ = np.histogram(np.log2(sizes), edges)
    ax.bar(edges[:-1], counts, 1 / _PARTS, align="edge", color=DATA, alpha=0.45, linewidth=0)
    ax.set_yscale("log")
    ax.set_ylim(0.5, counts.max(initial=1) * 2)
    for i, row in enumerate(scene.rows):
        ax.axvline(np.log2(row.threshold), color=look(i).color, linestyle=look(i).linestyle, lw=1.2)
    for letters, rows in scene.labels:
        ax.text(
            _middle(rows), 1.0, letters, transform=ax.get_xaxis_transform(), ha="center", va="bottom",
            fontsize=SMALL, weight="bold",
        )  # fmt: skip
    ax.set_ylabel("elements,\nlog scale", fontsize=SMALL)
    caption(ax, f"histogram of the magnitudes, {_PARTS} bars a binade; lines: the thresholds below", 16)


def _middle(rows: Sequence[ThresholdRow]) -> Any:
    """Of thresholds, in log2."""
    return np.mean([np.log2(row.threshold) for row in rows])


def _facts(scene: Scene, ax: Axes) -> None:
    data, first = scene.data, scene.shown[0]
    below = np.count_nonzero((abs(data.values) < 2.0**first) & (data.values != 0))
    zeros = data.count - np.count_nonzero(data.values)
    facts = [f"{data.count:,} values, largest magnitude {data.largest:.4g}"]
    facts += [f"{percent(below / data.count)} lie left of the axis"] * bool(below)
    facts += [f"{percent(zeros / data.count)} are zero"] * bool(zeros)
    facts += [f"{data.ignored:,} inf or nan left out"] * bool(data.ignored)
    ax.text(0, 0.95, plain(scene.name or "data", 30), va="top", fontsize=SMALL + 1, weight="bold")
    ax.text(0, 0.05, "\n".join(facts), va="bottom", fontsize=SMALL - 1)


def _strip(scene: Scene, ax: Axes) -> None:
    """A line a method: solid as far as values are kept, dotted where they are clipped."""
    first, _ = scene.shown
    end = np.log2(scene.data.largest)
    for i, row in enumerate(scene.rows):
        t, color, marker = np.log2(row.threshold), look(i).color, look(i).marker
        ax.plot([first, t], [i, i], color=color, lw=1.6, solid_capstyle="butt")
        ax.plot([t, end], [i, i], color=color, lw=1.2, linestyle=":")
        ax.plot(t, i, marker=marker, color=color, markerfacecolor="white", ms=6, mew=1.4)
    ax.set_ylim(len(scene.rows) - 0.4, -1.0)
    ax.set_yticks(
        range(len(scene.rows)),
        [f"{plain(row.method)}  {letter}" for letter, row in zip(scene.letters, scene.rows, strict=True)],
    )
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.9", lw=0.6)
    caption(ax, "thresholds; dotted: clipped")


def _table(scene: Scene, ax: Axes) -> None:
    ax.set_xlim(0, 1)
    ax.set_ylim(len(scene.rows) - 0.4, -1.0)
    best = max(row.sqnr_db for row in scene.rows)
    lines = [("T", "clipped", "SQNR, dB")]
    lines += [(f"{row.threshold:.4g}", percent(row.clipped), f"{row.sqnr_db:.1f}") for row in scene.rows]
    for y, line in enumerate(lines, start=-1):
        bold = y < 0 or scene.rows[y].sqnr_db == best
        for column, text in zip(_COLUMNS, line, strict=True):
            ax.text(
                column, y if y >= 0 else -0.8, text, va="center", fontsize=SMALL - 1,
                weight="bold" if bold else "normal",
            )  # fmt: skip


def _errors(scene: Scene, ax: Axes) -> None:
    bits, curves = scene.rows[0].bits, _curves(scene)
    for (name, y), style in zip(curves.items(), _CURVES, strict=True):
        ax.plot(np.linspace(*scene.tried, _POINTS), y, label=name, **style)
    for i, row in enumerate(scene.rows):
        place = np.log2(row.threshold), np.log2(row.rms_error or np.nan)
        ax.plot(*place, marker=look(i).marker, color=look(i).color, markerfacecolor="white", ms=7, mew=1.6)
    for letters, rows in scene.labels:
        height = max(np.log2(row.rms_error or np.nan) for row in rows)
        ax.annotate(
            letters, (_middle(rows), height), (0, 6), textcoords="offset points", ha="center", va="bottom",
            fontsize=SMALL, weight="bold",
        )  # fmt: skip
    both = curves["both"]
    bottom, top = np.nanmin(both) - 2.5, np.nanmax(both) + 0.5
    ax.set_ylim(bottom, top)
    scale_of_powers(ax.yaxis, bottom, top, 7)
    ax.set_ylabel("root mean square error,\nin the unit of the data", fontsize=SMALL)
    ax.grid(color="0.9", lw=0.6)
    caption(ax, f"error of {bits}-bit codes against the threshold")


def _curves(scene: Scene) -> dict[str, Array]:
    """log2 of root mean square errors at the thresholds tried; NaN where there is none."""
    histogram = replace(scene.data.magnitudes(_BINS), width=1.0)  # squares in other units may leave float64
    unit = np.log2(scene.data.largest) - np.log2(_BINS)
    t = np.exp2(np.linspace(*scene.tried, _POINTS) - unit)
    rounding, clipping = mean_squared_errors(histogram, t, scene.rows[0].bits, scene.signed)
    curves = {
        "both": rounding + clipping,
        "rounding of |x| ≤ T": rounding,
        "clipping of |x| > T": clipping,
    }
    return {name: np.log2(np.where(y > 0, y, np.nan)) / 2 + unit for name, y in curves.items()}


def _verdict(scene: Scene, ax: Axes) -> None:
    lines = [line for line in ax.figure.axes[4].lines if not str(line.get_label()).startswith("_")]
    ax.legend(
        handles=lines, loc="upper left", borderaxespad=0, frameon=False, fontsize=SMALL, handlelength=4,
        title="error of", title_fontsize=SMALL, alignment="left",
    )  # fmt: skip
    ax.text(0, 0.05, _gain(scene.rows), va="bottom", fontsize=SMALL)


def _gain(rows: Sequence[ThresholdRow]) -> str:
    """What the best method wins over clipping nothing."""
    best = max(rows, key=lambda row: row.sqnr_db)
    whole = [row.sqnr_db for row in rows if row.method == "absmax"]
    if not whole:
        return f"Least error: {best.method}."
    if best.sqnr_db - whole[0] < 0.05:
        return "No method beats absmax by 0.05 dB:\nhere saturating buys nothing."
    return f"Saturating at {best.threshold:.4g}\n({best.method})\nbuys {best.sqnr_db - whole[0]:.1f} dB over absmax."


__all__ = ["METHODS", "thresholds"]
