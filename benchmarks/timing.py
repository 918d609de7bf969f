"""Ratios taken side by side: the pieces are run in turn, round after round, and the best of each
is kept, so that a noisy machine hits all of them alike."""

from __future__ import annotations

import datetime
import importlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Task = Callable[[], Any]
README = os.path.join(os.path.dirname(__file__), "README.md")


@dataclass(frozen=True)
class Row:
    """One measured ratio: `seconds` over `base_seconds`, against the most it may be."""

    what: str
    seconds: float
    base: str
    base_seconds: float
    limit: float | None = None
    aim: float | None = None
    at_least: bool = False

    @property
    def ratio(self) -> float:
        return self.base_seconds / self.seconds if self.at_least else self.seconds / self.base_seconds

    @property
    def holds(self) -> bool:
        if self.limit is None:
            return True
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit

    def cells(self) -> tuple[str, ...]:
        bound = "" if self.limit is None else f"{'>=' if self.at_least else '<='} {self.limit:g}"
        aim = "" if self.aim is None else f" [{self.aim:g}]"
        mark = "" if self.limit is None else "yes" if self.holds else "NO"
        sign = "x faster" if self.at_least else ""
        return self.what, self.base, f"{self.ratio:.2f}{sign}", f"{bound}{aim}", mark


def best(tasks: dict[str, Task], rounds: int = 7) -> dict[str, float]:
    """Least seconds of each task over interleaved rounds, after one run of each to warm up."""
    for task in tasks.values():
        task()
    times = {name: float("inf") for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name] = min(times[name], time.perf_counter() - start)
    return times


def per_call(task: Task, calls: int = 20000, rounds: int = 7) -> float:
    """Seconds a call takes, the best mean of several rounds."""
    task()
    result = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            task()
        result = min(result, (time.perf_counter() - start) / calls)
    return result


def module(name: str) -> Any:
    """A peer, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def threads(count: int) -> None:
    os.environ["NUMFMT_NUM_THREADS"] = str(count)


def normal(*shape: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def report(section: str, head: list[str], parts: dict[str, Callable[[], Iterable[Row]]]) -> None:
    """Run the parts whose titles hold a word of the command line, all without one; with --write into the
    section of README.md."""
    threads(1)
    wanted = [word.lower() for word in sys.argv[1:] if not word.startswith("--")]
    text = [*head, f"Measured on {machine()}.", ""]
    show("\n".join(text))
    for title, rows in parts.items():
        if not wanted or any(word in title.lower() for word in wanted):
            text.append(markdown(title, list(rows())))
            show(text[-1])
    if "--write" in sys.argv:
        replace_section(README, section, "\n".join(text))


def machine() -> str:
    """The machine, the versions and the date, in one line."""
    import numba
    import numpy

    cpu = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return (
        f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {numpy.__version__}, "
        f"numba {numba.__version__}, {datetime.date.today().isoformat()}"
    )


def markdown(title: str, rows: list[Row]) -> str:
    """The rows as a Markdown table under a heading."""
    head = ("what", "against", "ratio", "must [aim]", "holds")
    body = [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * 5, *(row.cells() for row in rows))]
    return "\n".join([f"### {title}", "", *body, ""])


def replace_section(path: str, name: str, text: str) -> None:
    """Put `text` between the markers of a section of a Markdown file, at its end if it is new."""
    start, stop = f"<!-- {name} -->", f"<!-- /{name} -->"
    try:
        with open(path) as file:
            old = file.read()
    except FileNotFoundError:
        old = ""
    block = f"{start}\n{text}\n{stop}"
    if start in old and stop in old:
        new = old[: old.index(start)] + block + old[old.index(stop) + len(stop) :]
    else:
        new = f"{old.rstrip()}\n\n{block}\n"
    with open(path, "w") as file:
        file.write(new)


def show(text: str) -> None:
    print(text, file=sys.stdout, flush=True)
