"""The parts of the figures. The horizontal axis of each is log2 of the magnitude."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..format import Format
from ..picture import log2
from .errors import steps
from .paper import DATA, SHADE, SMALL, caption, look, plain, power, scale_of_powers, tidy
from .tally import Tally

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_NEAR = 16  # binades from the data; an end of a format that is farther off is cut away
_FLOAT64 = (-1022, 1024)
MAGNITUDE = "magnitude |x|, in the unit of the data; one step of the exponent is one binade"


class Window(NamedTuple):
    """What part of the axis is shown, as exponents of two."""

    first: int
    last: int


def window(tallies: Sequence[Tally], formats: Sequence[Format]) -> Window:
    """The data, the ends of formats near it, and formats it misses; without data, all formats.

    >>> window([], [numfmt.parse("f16")])
    Window(first=-25, last=17)
    """
    spans = [ends(fmt) for fmt in formats]
    data = [t.ends for t in tallies if t.ends]
    low, high = _hull(data or spans or [(-1, 1)])
    near = [end for span in spans for end in span if low - _NEAR <= end <= high + _NEAR]
    away = [end for start, stop in spans for end in (start, stop) if start > high or stop < low]
    low, high = _hull([(low, high), *((end, end) for end in near + away)])
    return Window(int(np.floor(low)) - 1, int(np.ceil(high)) + 1)


def _hull(spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in spans), max(high for _, high in spans)


def ends(fmt: Format) -> tuple[float, float]:
    """log2 of the smallest and of the largest positive value."""
    return log2(fmt.smallest), log2(fmt.max)


def draw_histogram(tally: Tally, top: float, ax: Axes) -> None:
    """Share of the finite elements in each binade, 0 to `top`."""
    count = tally.finite or 1
    places = sorted(tally.exponents)
    shares = [tally.exponents[e] / count for e in places]
    ax.bar(places, shares, width=1, align="edge", color=DATA, linewidth=0)
    ax.set_ylim(0, top * 1.4)
    ax.set_yticks([0, top], ["0", percent(top)])
    tidy(ax)


def round_share(share: float) -> float:
    """The greatest of 1, 2, 5, 10, ... percent that is at most the share."""
    return max([s / 100 for s in (1, 2, 5, 10, 20, 50, 100) if s / 100 <= share], default=0.01)


def describe(tally: Tally, ax: Axes) -> None:
    """Name and facts of a tensor, in a panel of their own."""
    ax.set_axis_off()
    ax.text(0, 0.95, plain(tally.name), va="top", fontsize=SMALL + 1, weight="bold")
    ax.text(0, 0.05, "\n".join(_facts(tally)), va="bottom", fontsize=SMALL - 1)


def _facts(tally: Tally) -> Iterator[str]:
    span = tally.ends
    yield f"from {power(span[0])} to {power(span[1])}" if span else "no value but zero" * (tally.zeros > 0)
    parts = [f"{tally.finite:,} values"]
    if tally.zeros:
        parts.append(f"{percent(tally.zeros / tally.finite)} zero")
    if tally.specials:
        parts.append(f"{tally.specials:,} inf or nan")
    yield ", ".join(parts)


def percent(share: float) -> str:
    """Two digits; what is above nothing never prints as nothing.

    >>> percent(0.0), percent(1e-7), percent(0.1234), percent(0.9999), percent(1.0)
    ('0 %', '<0.01 %', '12 %', '>99 %', '100 %')
    """
    if 0 < share < 1e-4:
        return "<0.01 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{100 * share:.{'0' if share >= 0.1 else '2'}{'f' if share >= 0.1 else 'g'}} %"


def draw_bars(ax: Axes, formats: Sequence[Format], shown: Window) -> None:
    """A bar a format, from its smallest to its largest value; the subnormal part is pale."""
    for row, fmt in enumerate(formats):
        low, normal, high = log2(fmt.smallest), log2(fmt.min_normal), log2(fmt.max)
        color = look(row).color
        for start, end, alpha in ((low, normal, 0.35), (normal, high, 1.0)):
            if end > start or (alpha == 1.0 and low == high):
                ax.barh(row, end - start, 0.6, start, color=color, alpha=alpha, edgecolor="black", lw=0.6)
        _mark_cuts(ax, row, (low, high), shown)
    ax.set_ylim(len(formats) - 0.4, -1.2)
    ax.set_yticks(range(len(formats)), [plain(str(fmt)) for fmt in formats])
    ax.tick_params(axis="y", length=0)
    tidy(ax)


def _mark_cuts(ax: Axes, row: int, span: tuple[float, float], shown: Window) -> None:
    """Say where a bar that leaves the window ends."""
    low, high = span
    if min(high, shown.last) - max(low, shown.first) < (shown.last - shown.first) / 4:
        return
    inset = (shown.last - shown.first) / 100
    style: dict[str, Any] = {
        "va": "center",
        "fontsize": SMALL - 1,
        "bbox": {"fc": "white", "ec": "none", "pad": 0.8},
    }
    if low < shown.first:
        ax.text(shown.first + inset, row, f"◀ from {power(round(low, 1))}", ha="left", **style)
    if high > shown.last:
        ax.text(shown.last - inset, row, f"to {power(round(high, 1))} ▶", ha="right", **style)


def draw_shares(ax: Axes, tallies: Sequence[Tally], formats: Sequence[Format]) -> None:
    """The table beside the bars: what share of each tensor lies outside each format."""
    ax.set_axis_off()
    ax.set_xlim(0, max(len(tallies), 1))
    ax.set_ylim(len(formats) - 0.4, -1.2)
    for column, tally in enumerate(tallies):
        ax.text(column, -0.8, plain(tally.name, 13), va="center", fontsize=SMALL - 1, weight="bold")
        for row in range(len(formats)):
            text = _outside(tally.shares(row))
            ax.text(
                column, row, text, va="center", fontsize=SMALL - 1, color="0.5" if text == "–" else "black"
            )


def _outside(shares: tuple[float, float, float]) -> str:
    parts = [f"{sign} {percent(share)}" for sign, share in zip("▼▲−", shares, strict=True) if share]
    return "\n".join(parts) or "–"


def caption_shares(ax: Axes, formats: Sequence[Format]) -> None:
    unsigned = ", − negative" if any(fmt.min >= 0 for fmt in formats) else ""
    caption(ax, f"x unrounded: ▼ below, ▲ above{unsigned}")


def draw_errors(ax: Axes, formats: Sequence[Format], shown: Window) -> list[Line2D]:
    """A curve a format, in its own look."""
    first, last = max(shown.first, _FLOAT64[0]), min(shown.last, _FLOAT64[1])
    lowest, lines = -4.0, []
    for i, fmt in enumerate(formats):
        x, y = steps(fmt, first, last)
        every = max(1, len(x) // 5)
        label = plain(str(fmt))
        if np.isnan(y).all():
            label += " (no error from float64)"
        start = (i * every) // len(formats)
        lines += ax.plot(x, y, drawstyle="steps-post", lw=1.5, ms=5, markevery=(start, every), label=label,
                markerfacecolor="white", **look(i)._asdict())  # fmt: skip
        lowest = min([lowest, *y[np.isfinite(y)]])
    ax.set_ylim(lowest - 1, 1)
    scale_of_powers(ax.yaxis, lowest - 1, 1, 8)
    ax.set_ylabel("largest relative error\n|cast(x) − x| / |x|, no unit", fontsize=SMALL)
    ax.grid(color="0.9", lw=0.6)
    tidy(ax)
    return lines


def shade(ax: Axes, tallies: Sequence[Tally]) -> None:
    """Where the tensors lie, all together."""
    spans = [t.ends for t in tallies if t.ends]
    if spans:
        ax.axvspan(*_hull(spans), color=SHADE, zorder=0)


def caption_errors(ax: Axes, tallies: Sequence[Tally]) -> None:
    shaded = "; shaded: the data" if any(t.ends for t in tallies) else ""
    caption(ax, f"error of rounding to nearest, worst of each binade; $2^0$: value lost{shaded}")
