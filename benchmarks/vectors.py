"""Speed of golden vectors: made, answered with exceptions and written as text, one thread.
`python benchmarks/vectors.py [--write] [section ...]`.

Against one second of time: how many times faster than the figure in the row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

from timing import Row, best, report

from numfmt import vectors
from numfmt.rounding import MODES
from numfmt.vectors.writing import generated, stream_to

COUNT = 4_000_000
DETERMINISTIC = [name for name, mode in MODES.items() if not mode.stochastic]


class Nowhere:
    """A stream that forgets."""

    def write(self, data: bytes) -> None:
        pass


def text_rows() -> Iterator[Row]:
    """TestFloat lines of f32 fma, into a stream, and into files with their SHA-256."""
    asked = vectors.request("fma", "f32", count=COUNT)
    with tempfile.TemporaryDirectory() as folder:
        t = best(
            {
                "stream": lambda: stream_to(Nowhere(), generated(asked), 0, "testfloat"),
                "pack": lambda: vectors.write(folder, asked),
                "check": lambda: vectors.check(folder),
            },
            3,
        )
    for what, limit in (("stream", 1.0), ("pack", None), ("check", None)):
        yield _rate(f"f32 fma with flags, {what}", t[what], limit)


def _rate(what: str, seconds: float, limit: float | None) -> Row:
    million = COUNT / 1e6
    return Row(
        f"{what}: {million / seconds:.1f} million a second",
        seconds,
        "2 million a second",
        million / 2,
        limit,
        at_least=True,
    )


def whole_rows() -> Iterator[Row]:
    """All operands in all deterministic modes, as a pack."""
    asked = vectors.request("mul", "e4m3fn", rounding=DETERMINISTIC)
    with tempfile.TemporaryDirectory() as folder:
        t: dict[str, Any] = best({"pack": lambda: vectors.write(folder, asked)}, 3)
    what = f"e4m3fn multiply, {len(DETERMINISTIC)} modes of 65536: {t['pack']:.2f} s"
    yield Row(what, t["pack"], "2 s", 2.0, 1.0, at_least=True)


if __name__ == "__main__":
    report(
        "vectors",
        ["## Golden vectors", "", "How many times as fast as the bound in the second column; one thread."],
        {"Text": text_rows, "All operands": whole_rows},
    )
