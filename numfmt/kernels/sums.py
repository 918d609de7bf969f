"""Sums of products in two float64 numbers, and what these may miss."""

from __future__ import annotations

from typing import Any


def two_sum(a: Any, b: Any) -> Any:
    """a + b, and what it lacks: Knuth's TwoSum."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def gather(a: Any, b: Any, high: Any, low: Any, mass: Any, first: Any, last: Any) -> None:
    """Add rows `first ... last - 1` of a @ b, whose products are exact, to high + low; to `mass` the magnitudes of
    all that went into `low`."""
    for i in range(first, last):
        sums, lost, sizes = high[i], low[i], mass[i]
        for k in range(a.shape[1]):
            x, y = a[i, k], b[k]
            for j in range(sums.size):
                total, rest = two_sum(sums[j], x * y[j])
                sums[j] = total
                lost[j] += rest
                sizes[j] += abs(rest)
