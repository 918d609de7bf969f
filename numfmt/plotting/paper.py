"""What all figures share: colours, the scale of powers of two, and writing a figure whole."""

from __future__ import annotations

import os
import secrets
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
SMALL = 8  # points
DATA = "#444444"
SHADE = "#E4E4E4"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")  # Okabe and Ito
_LINES: tuple[Any, ...] = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = "osD^vPX<>*hp8"
_SPACINGS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Look(NamedTuple):
    """How a format is drawn: told apart by line and marker where colours cannot be seen."""

    color: str
    linestyle: Any
    marker: str


def look(index: int) -> Look:
    """The look of the format at that place in the list; the first 455 differ.

    >>> look(0)
    Look(color='#0072B2', linestyle='-', marker='o')
    """
    color, line, marker = (style[index % len(style)] for style in (_COLOURS, _LINES, _MARKERS))
    return Look(color, line, marker)


def plain(text: str, longest: int = 40) -> str:
    """A name as matplotlib prints it letter by letter; of a long one, both ends.

    >>> plain("model.layers.0.weight", 12), plain("$x")
    ('model…weight', '\\\\$x')
    """
    if len(text) > longest:
        text = f"{text[: (longest - 1) // 2]}…{text[len(text) - longest // 2 :]}"
    return text.replace("$", r"\$")


def power(exponent: float, _: Any = None) -> str:
    return f"$2^{{{exponent:g}}}$"


def spacing(length: float, most: int) -> int:
    """The step between powers of two of which at most `most` are labelled."""
    return next((s for s in _SPACINGS if length / s <= most), _SPACINGS[-1])


def scale_of_powers(axis: Any, first: float, last: float, most: int = 10) -> None:
    """Label an axis that is linear in log2."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    axis.set_major_locator(MultipleLocator(spacing(last - first, most)))
    axis.set_major_formatter(FuncFormatter(power))


def tidy(ax: Axes) -> None:
    ax.tick_params(labelsize=SMALL)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def caption(ax: Axes, text: str, above: float = 6.0) -> None:
    """A line so many points above the axes."""
    ax.set_title(text, loc="left", fontsize=SMALL, pad=above)


def check_path(path: str | os.PathLike[str] | None) -> Path | None:
    """The path, or ValueError for a suffix that says no kind of figure."""
    if path is None or Path(path).suffix.lower() in SUFFIXES:
        return None if path is None else Path(path)
    raise ValueError(f"cannot tell the kind of figure '{path}': its name must end in {', '.join(SUFFIXES)}")


def write(figure: Figure, path: Path | None) -> Figure:
    """Write the figure whole or not at all, if there is a path, and give it back.

    A notebook shows it: a Figure made without pyplot has no picture of its own there."""
    figure._repr_png_ = partial(_png, figure)  # type: ignore[attr-defined]
    if path is None:
        return figure
    draft = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        figure.savefig(draft, format=path.suffix[1:].lower(), dpi=120)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return figure


def _png(figure: Figure) -> bytes:
    target = BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()
