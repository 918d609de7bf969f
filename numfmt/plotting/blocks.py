"""The figures of blocks: what formats cost in bits and in error, and what one outlier does to a block."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..blocks import Block, PerTensor
from ..casting import cast
from ..comparison import Row, compare, format_list
from ..registry import RECIPES, parse
from .figures import Path
from .paper import DATA, SMALL, caption, check_path, look, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
ELEMENTS = ("bf16", "f16", "e4m3fn", "e5m2", "e2m1fn", "int8[calibrate=absmax]", "int4[size=32,axis=-1]")
GROUPS = ("one scale or none", "powers of two", "powers of two in two levels", "any scale")
_GAP = 0.028  # of the axis, between labels
_NEAR = 0.2  # octaves of bits: labels nearer than that may overlap
_PASSES = 100
_BESIDE = 1.06  # of a point's bits: where its label begins
_DECIBELS_A_BIT = 20 * np.log10(2)
OUTLIER = 64.0  # standard deviations
ONE_IN = 4096  # elements
COUNT = 1 << 18  # elements that the curves are measured on
SIZES = tuple(1 << k for k in range(2, 15))


def bits_against_error(tensors: Any, formats: Any = None, path: Path = None) -> Figure:
    """What formats cost: bits an element, scales counted in, against the signal-to-noise ratio.

    Parameters
    ----------
    tensors : array_like, mapping of names to arrays, or a file `numfmt.compare` reads
        A panel each, at most eight.
    formats : spec, or sequence of specs, optional
        All recipes that take rows of any length beside a few formats without blocks, if not given.
    path : str or path, optional
        Where to write the figure: a name that ends in .png, .svg or .pdf.

    Returns
    -------
    matplotlib.figure.Figure
        A numbered point for each format, by the columns `bits_per_element` and `sqnr_db` of `compare`. The
        dashed line has 6.02 dB for each bit, through the best point.

    Examples
    --------
    >>> figure = bits_against_error({"x": np.random.default_rng(0).standard_normal(512)}, "mxfp4, mx6")
    >>> len(figure.axes)
    2
    """
    target = check_path(path)
    forms = format_list([*ELEMENTS, *_recipes()] if formats is None else formats)
    table = compare(tensors, forms)
    names = list(dict.fromkeys(row.tensor for row in table))[:8]
    rows = [[row for row in table if row.tensor == name] for name in names]
    return write(_costs(names, rows, [_group(f) for f in forms], list(map(str, forms))), target)


def _recipes() -> list[Any]:
    return [form for form in map(parse, RECIPES) if isinstance(form, Block)]


def _group(form: Any) -> int:
    """The kind of scales, a place in `GROUPS`."""
    if "size" not in getattr(form, "granularity", PerTensor()).options:
        return 0
    if not (isinstance(form, Block) and form.is_exact):
        return 3
    return 2 if isinstance(form.scale, Block) else 1


def _costs(names: list[str], rows: list[list[Row]], groups: list[int], specs: list[str]) -> Figure:
    from matplotlib.figure import Figure

    columns = min(2, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(
        figsize=(4.6 * columns + 2.3, max(4.4 * lines, 0.17 * len(specs) + 1)), layout="constrained"
    )
    grid = figure.add_gridspec(lines, columns + 1, width_ratios=[*(4.6,) * columns, 2.1])
    for i, (name, found) in enumerate(zip(names, rows, strict=True)):
        ax = figure.add_subplot(grid[i // columns, i % columns])
        _draw_points(ax, found, groups)
        caption(ax, plain(name) or "tensor")
        ax.set_xlabel("bits per element, scales counted in", fontsize=SMALL)
        ax.set_ylabel("signal-to-noise ratio (dB)", fontsize=SMALL)
    _name_points(figure.add_subplot(grid[:, columns]), specs, groups)
    return figure


def _draw_points(ax: Axes, rows: Sequence[Row], groups: Sequence[int]) -> None:
    from matplotlib.ticker import FixedLocator

    bits, decibels = (np.array([getattr(row, f) for row in rows]) for f in ("bits_per_element", "sqnr_db"))
    ax.set_xscale("log", base=2)
    ax.set_xlim(min(bits) * 0.82, max(bits) * 1.3)
    ax.set_ylim(min(decibels) - 4, max(decibels) + 6)
    ax.xaxis.set_major_locator(FixedLocator([3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 32]))
    ax.xaxis.set_major_formatter("{x:g}")
    best = max(decibels - _DECIBELS_A_BIT * bits)
    line = np.linspace(*ax.get_xlim(), 100)
    ax.plot(line, best + _DECIBELS_A_BIT * line, color=DATA, lw=0.8, linestyle="--", zorder=1)
    for group in sorted(set(groups)):
        here = np.array(groups) == group
        ax.plot(bits[here], decibels[here], look(group).marker, color=look(group).color, ms=5, zorder=3)
    right = np.argsort(np.argsort(decibels)) % 2 == 1
    beside = bits * np.where(right, _BESIDE, 1 / _BESIDE)
    heights = _apart(beside, decibels, np.diff(ax.get_ylim())[0] * _GAP)
    for i, (x, y) in enumerate(zip(beside, heights, strict=True)):
        _label(ax, str(i + 1), (bits[i], decibels[i]), (x, y))
    tidy(ax)


def _label(ax: Axes, text: str, point: tuple[float, float], place: tuple[float, float]) -> None:
    ax.annotate(
        text, point, place, fontsize=SMALL - 1.5, va="center", zorder=4, ha="left" if place[0] > point[0] else "right",
        arrowprops={"arrowstyle": "-", "lw": 0.4, "color": DATA, "shrinkA": 0, "shrinkB": 2},
    )  # fmt: skip


def _apart(x: Array, y: Array, gap: float) -> Array:
    """Heights for labels, moved until those near each other are a gap apart."""
    placed = y.astype(float).copy()
    for _ in range(_PASSES):
        for low, high in combinations(np.argsort(placed, kind="stable"), 2):
            lacking = gap - (placed[high] - placed[low])
            if lacking > 0 and abs(np.log2(x[high] / x[low])) < _NEAR:
                placed[low] -= lacking / 2
                placed[high] += lacking / 2
    return placed


def _name_points(ax: Axes, specs: Sequence[str], groups: Sequence[int]) -> None:
    """The numbers and what they stand for, by kind of scale."""
    ax.set_axis_off()
    y, line = 1.0, min(0.045, 1 / (len(specs) + 2 * len(set(groups))))
    for group in sorted(set(groups)):
        colour, marker = look(group).color, look(group).marker
        ax.plot([0.02], [y], marker, color=colour, ms=5, transform=ax.transAxes, clip_on=False)
        ax.text(0.08, y, GROUPS[group], fontsize=SMALL, va="center", transform=ax.transAxes, weight="bold")
        for i in (i for i, own in enumerate(groups) if own == group):
            y -= line
            ax.text(0.08, y, str(i + 1), fontsize=SMALL - 1, va="center", ha="right", transform=ax.transAxes)
            ax.text(0.11, y, plain(specs[i], 30), fontsize=SMALL - 1, va="center", transform=ax.transAxes)
        y -= 1.6 * line
    ax.set_ylim(0, 1)


class Curve(NamedTuple):
    """One element format under one format of scales, and how it is named."""

    label: str
    of: str
    scale: str


CURVES = (
    Curve("int8, f32 scales", "int8", "f32"),
    Curve("e4m3fn, f32 scales", "e4m3fn", "f32"),
    Curve("q1.6, powers of two", "q1.6[symmetric]", "e8m0fnu"),
    Curve("int4, f32 scales", "int4", "f32"),
    Curve("e2m1fn, powers of two", "e2m1fn", "e8m0fnu"),
)


def outlier_in_blocks(path: Path = None, outlier: float = OUTLIER, one_in: int = ONE_IN) -> Figure:
    """What one outlier does to its block as blocks grow.

    Of 2**18 normal numbers of standard deviation 1 every `one_in`-th is replaced by `outlier`. The
    signal-to-noise ratio is that of all the others, which are as they were.

    Parameters
    ----------
    path : as in `bits_against_error`
    outlier : float
        In standard deviations.
    one_in : int
        Elements for each outlier.

    Returns
    -------
    matplotlib.figure.Figure
        Above, the ratio against the size of blocks, thin lines without outliers; below, the share of
        elements whose block holds an outlier.

    Examples
    --------
    >>> len(outlier_in_blocks().axes)
    2
    """
    target = check_path(path)
    x = np.random.default_rng(0).standard_normal(COUNT).astype(np.float32)
    struck = x.copy()
    struck[::one_in] = outlier
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    others = np.arange(COUNT) % one_in != 0
    for i, curve in enumerate(CURVES):
        shown = look(i)
        for data, width in ((struck, 1.6), (x, 0.7)):
            y = [_ratio(data, others, curve, size) for size in SIZES]
            label = curve.label if data is struck else None
            upper.plot(SIZES, y, linestyle=shown.linestyle, color=shown.color, lw=width, label=label)
    upper.legend(frameon=False, fontsize=SMALL, loc="upper left", bbox_to_anchor=(1.01, 1), handlelength=3.5)
    upper.set_ylabel("signal-to-noise ratio\nof the other elements (dB)", fontsize=SMALL)
    caption(upper, f"one element in {one_in} is {outlier:g} standard deviations; thin: without it")
    lower.plot(SIZES, [100 * min(size / one_in, 1) for size in SIZES], color=DATA, lw=1.4)
    lower.set_ylabel("share a block\nwith it (%)", fontsize=SMALL)
    lower.set_xlabel("block size (elements)", fontsize=SMALL)
    lower.set_xscale("log", base=2)
    for ax in (upper, lower):
        tidy(ax)
    return write(figure, target)


def _ratio(x: Array, others: Array, curve: Curve, size: int) -> float:
    y = cast(x, parse(f"block[of={curve.of},scale={curve.scale},size={size}]"))
    kept = x[others].astype(np.float64)
    return float(10 * np.log10(np.square(kept).sum() / np.square(kept - y[others]).sum()))
