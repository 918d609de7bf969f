"""In which order the K terms of a sum are added, as a table of functions.

Each takes `Steps`, which know how one term enters a sum and how two sums are added, and the terms' numbers.

=============== ===========================================================================================
sequential      from the first term to the last
pairwise        recursive: the first ceil(n/2) terms, and the others
tree(w)         groups of w terms, each a balanced binary tree, added to the sum one after the other; of the
                last group absent terms are left out
blocked(c)      chunks of c terms, each a sum of its own from +0; their sums added one after the other
split_k(s)      the same with s parts, the first K mod s of them a term longer
kahan           sequential, with the rounding error of each addition added to the next term (Kahan 1965)
exact           exact sum, rounded once
=============== ===========================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise as pairs
from typing import Any, NamedTuple, Protocol

from ..errors import SpecError, choose


class Steps(Protocol):
    """Rounded steps of a sum; a sum is any object."""

    def zero(self) -> Any: ...

    def term(self, k: int) -> Any:
        """Term `k`, rounded."""

    def sequence(self, total: Any, terms: Sequence[int]) -> Any:
        """A sum and some terms, one after the other."""

    def parts(self, total: Any, parts: Sequence[Sequence[int]]) -> Any:
        """A sum and the sums of parts, each of these from +0."""

    def add(self, x: Any, y: Any) -> Any:
        """Two sums."""

    def sub(self, x: Any, y: Any) -> Any: ...

    def exactly(self, total: Any, terms: Sequence[int]) -> Any:
        """A sum and all of some terms, rounded once."""


class Order(NamedTuple):
    name: str
    size: int | None = None

    def __str__(self) -> str:
        return self.name if self.size is None else f"{self.name}({self.size})"


def order_of(spec: Any) -> Order:
    """An order by its spelling.

    >>> order_of("blocked(32)")
    Order(name='blocked', size=32)
    """
    found = re.fullmatch(r"\s*(\w+)\s*(?:\(\s*(\d+)\s*\))?\s*", str(spec))
    name = choose("order", found[1] if found else str(spec), ORDERS)
    size = int(found[2]) if found and found[2] else None
    if (name in SIZED) != (size is not None) or size == 0:
        wanted = f"'{name}(n)' with n = 1 or more" if name in SIZED else f"'{name}' alone"
        raise SpecError(f"order: {wanted}, got {str(spec)!r}", str(spec))
    return Order(name, size)


def sequential(steps: Steps, total: Any, terms: Sequence[int], size: Any = None) -> Any:
    return steps.sequence(total, terms)


def pairwise(steps: Steps, total: Any, terms: Sequence[int], size: Any = None) -> Any:
    return steps.add(total, _halved(steps, terms)) if terms else total


def _halved(steps: Steps, terms: Sequence[int]) -> Any:
    if len(terms) == 1:
        return steps.term(terms[0])
    middle = -(-len(terms) // 2)
    return steps.add(_halved(steps, terms[:middle]), _halved(steps, terms[middle:]))


def tree(steps: Steps, total: Any, terms: Sequence[int], size: int) -> Any:
    for group in _chunks(terms, size):
        level = [steps.term(k) for k in group]
        while len(level) > 1:
            pairs = [steps.add(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
            level = pairs + level[2 * len(pairs) :]
        total = steps.add(total, level[0])
    return total


def blocked(steps: Steps, total: Any, terms: Sequence[int], size: int) -> Any:
    return steps.parts(total, _chunks(terms, size))


def split_k(steps: Steps, total: Any, terms: Sequence[int], size: int) -> Any:
    short, longer = divmod(len(terms), size)
    starts = [i * short + min(i, longer) for i in range(size + 1)]
    parts = [terms[a:b] for a, b in pairs(starts)]
    return steps.parts(total, [part for part in parts if part])


def kahan(steps: Steps, total: Any, terms: Sequence[int], size: Any = None) -> Any:
    lost = steps.zero()
    for k in terms:
        term = steps.sub(steps.term(k), lost)
        grown = steps.add(total, term)
        lost, total = steps.sub(steps.sub(grown, total), term), grown
    return total


def exact(steps: Steps, total: Any, terms: Sequence[int], size: Any = None) -> Any:
    return steps.exactly(total, terms)


def _chunks(terms: Sequence[int], size: int) -> list[Sequence[int]]:
    return [terms[start : start + size] for start in range(0, len(terms), size)]


ORDERS: dict[str, Callable[[Steps, Any, Sequence[int], Any], Any]] = {
    f.__name__: f for f in (sequential, pairwise, tree, blocked, split_k, kahan, exact)
}
SIZED = ("tree", "blocked", "split_k")
