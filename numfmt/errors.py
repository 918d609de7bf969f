"""The two errors of numfmt's own; both are `ValueError`s, keep their fields and survive pickling."""

from __future__ import annotations

from collections.abc import Iterable


class SpecError(ValueError):
    """A name or spec string that means nothing: `spec` holds what was given."""

    def __init__(self, message: str, spec: str = "") -> None:
        super().__init__(message, spec)
        self.message, self.spec = message, spec

    def __str__(self) -> str:
        return self.message


class RangeError(ValueError):
    """Values that the format cannot take: `count` of `total`, the first at `index`."""

    def __init__(self, message: str, count: int = 0, total: int = 0, index: tuple[int, ...] = ()) -> None:
        super().__init__(message, count, total, index)
        self.message, self.count, self.total, self.index = message, count, total, index

    def __str__(self) -> str:
        return self.message


def suggestion(word: str, known: Iterable[str]) -> str:
    """`" Did you mean 'bf16' or 'f16'?"`, or nothing where no known word is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def choose(what: str, given: object, known: Iterable[str]) -> str:
    """`given` if it is one of `known`, else a `SpecError` that lists them."""
    names = list(known)
    if isinstance(given, str) and given in names:
        return given
    hint = suggestion(given, names) if isinstance(given, str) else ""
    raise SpecError(f"unknown {what} {given!r}.{hint} Choose one of: {', '.join(names)}", str(given))
