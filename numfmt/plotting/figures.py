"""The figures: rows of panels over one axis of magnitudes, and what they say beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..comparison import format_list
from ..format import Format
from ..registry import element
from . import panels
from .paper import SMALL, caption, check_path, scale_of_powers, write
from .tally import Tally, tallies

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Path = str | os.PathLike[str] | None
_MAIN = 5.6  # inches, the width of the panels
_SIDE = 2.7  # inches, of what is beside them, at least
_COLUMN = 0.95  # inches, of the table


class Row(NamedTuple):
    """A panel and what is beside it: their height in inches, and what draws them."""

    height: float
    draw: Callable[[Axes], Any]
    beside: Callable[[Axes], Any]


class Scene(NamedTuple):
    """What a figure is about."""

    data: list[Tally]
    formats: list[Format]
    shown: panels.Window


def dynamic_range(tensors: Any, formats: Any, path: Path = None) -> Figure:
    """Where the magnitudes of tensors lie, over the ranges of formats.

    Parameters
    ----------
    tensors : array_like, mapping of names to arrays, or a file `numfmt.compare` reads
        NaN and infinities are counted apart. After eight tensors the others are taken together.
    formats : spec, or sequence of specs
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        Histograms, in percent of the finite values per binade, over bars from the smallest
        subnormal to the smallest normal (pale) to the largest value of each format; beside them
        the share of values below the smallest and past the last value.

    Examples
    --------
    >>> figure = numfmt.plotting.dynamic_range([1.0, 1e-6], ["f16", "bf16"])
    >>> len(figure.axes) > 1
    True
    """
    scene, target = _scene(tensors, formats), check_path(path)
    return write(_drawn(scene, [*_histograms(scene), _bars(scene)]), target)


def relative_error(tensors: Any, formats: Any, path: Path = None) -> Figure:
    """The largest relative error of one rounding to nearest, against magnitude.

    Parameters
    ----------
    tensors : as in `dynamic_range`, or None
        The span of their magnitudes is shaded.
    formats, path : as in `dynamic_range`

    Returns
    -------
    matplotlib.figure.Figure
        A curve a format, in steps of one binade: the worst case that casting float64 values of
        that binade meets. 2**0, the whole value, is where values become zero, infinite or NaN.

    Examples
    --------
    >>> figure = numfmt.plotting.relative_error(None, "f16, bf16")
    >>> len(figure.axes) > 0
    True
    """
    scene, target = _scene(tensors, formats), check_path(path)
    return write(_drawn(scene, [_errors(scene)]), target)


def comparison(tensors: Any, formats: Any, path: Path = None) -> Figure:
    """`dynamic_range` and `relative_error` in one figure, over one axis of magnitudes.

    Parameters are those of `dynamic_range`.

    Examples
    --------
    >>> figure = numfmt.plotting.comparison({"x": [1.0, 1e-6]}, "f16, bf16")
    >>> len(figure.axes) > 0
    True
    """
    scene, target = _scene(tensors, formats), check_path(path)
    return write(_drawn(scene, [*_histograms(scene), _bars(scene), _errors(scene)]), target)


def _scene(tensors: Any, formats: Any) -> Scene:
    forms = [element(fmt) for fmt in format_list(formats)]
    data = [] if tensors is None else tallies(tensors, forms)
    return Scene(data, forms, panels.window(data, forms))


def _histograms(scene: Scene) -> list[Row]:
    shares = [n / t.finite for t in scene.data for n in t.exponents.values()]
    top = panels.round_share(max(shares, default=0.0))
    return [Row(0.6, partial(panels.draw_histogram, t, top), partial(panels.describe, t)) for t in scene.data]


def _bars(scene: Scene) -> Row:
    def draw(ax: Axes) -> None:
        panels.draw_bars(ax, scene.formats, scene.shown)
        caption(ax, "range of the formats; pale: subnormal values")

    def beside(ax: Axes) -> None:
        panels.draw_shares(ax, scene.data, scene.formats)
        panels.caption_shares(ax, scene.formats)

    return Row(0.5 + 0.3 * len(scene.formats), draw, beside)


def _errors(scene: Scene) -> Row:
    lines: list[Any] = []

    def draw(ax: Axes) -> None:
        panels.shade(ax, scene.data)
        lines.extend(panels.draw_errors(ax, scene.formats, scene.shown))
        panels.caption_errors(ax, scene.data)

    def beside(ax: Axes) -> None:
        ax.set_axis_off()
        ax.legend(
            handles=lines, loc="upper left", borderaxespad=0, frameon=False, fontsize=SMALL, handlelength=5
        )

    return Row(max(2.8, 0.2 * len(scene.formats)), draw, beside)


def _drawn(scene: Scene, rows: Sequence[Row]) -> Figure:
    from matplotlib.figure import Figure

    side = max(_SIDE, _COLUMN * len(scene.data))
    heights = [row.height for row in rows]
    figure = Figure(figsize=(1 + _MAIN + side, 0.8 + sum(heights) * 1.15), layout="constrained")
    grid = figure.add_gridspec(len(rows), 2, width_ratios=(_MAIN, side), height_ratios=heights)
    for i, row in enumerate(rows):
        ax = figure.add_subplot(grid[i, 0])
        row.draw(ax)
        row.beside(figure.add_subplot(grid[i, 1]))
        _share_axis(ax, scene.shown, i == len(rows) - 1)
    if scene.data and rows[0].height < 1:
        caption(figure.axes[0], "share of the values in each binade")
    return figure


def _share_axis(ax: Axes, shown: panels.Window, bottom: bool) -> None:
    ax.set_xlim(*shown)
    scale_of_powers(ax.xaxis, *shown)
    ax.tick_params(axis="x", labelbottom=bottom)
    if bottom:
        ax.set_xlabel(panels.MAGNITUDE, fontsize=SMALL)
