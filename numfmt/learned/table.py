"""The rules by name: how values come from numbers, of how many bits there are, what may be chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..format import Format
from ..formats.codebook import Codebook
from ..registry import Option, element

if TYPE_CHECKING:
    from ..quantizers import Levels

Array = np.ndarray[Any, Any]
NUMBER = r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
EIGHT = range(1, 9)
MOST_BITS = 12


class Rule(NamedTuple):
    """From the numbers that share levels, the number behind the name and the options, to `Levels`."""

    learn: Callable[[Array, int, dict[str, str]], Levels]
    examples: tuple[str, ...]  # the first is the usual one
    counts: range | None = None  # what may follow the name
    options: dict[str, Option] = {}  # noqa: RUF012  never changed


def _bwn(x: Array, _: int, o: dict[str, str]) -> Levels:
    from ..quantizers import Levels, bwn

    a = float(bwn(x[None]).scales[0, 0])
    if not a:
        raise ValueError("bwn: every number is 0, so that no scale comes from them")
    return Levels(np.array([-a, a]), np.zeros(1), "up")


def _twn(x: Array, _: int, o: dict[str, str]) -> Levels:
    from ..quantizers import twn

    return twn(x, o["ratio"] if o["ratio"] == "best" else float(o["ratio"]))


def _ttq(x: Array, _: int, o: dict[str, str]) -> Levels:
    from ..quantizers import ttq

    return ttq(x, float(o["t"]))


def _elbfit(x: Array, count: int, o: dict[str, str]) -> Levels:
    from ..quantizers import elb_integers, elb_projection

    return elb_projection(x, elb_integers(count // 2)).levels


def _by_bits(name: str) -> Callable[[Array, int, dict[str, str]], Levels]:
    """A function of `numfmt.quantizers` that takes numbers and bits; imported when it is called."""

    def learn(x: Array, bits: int, o: dict[str, str]) -> Levels:
        from .. import quantizers

        found: Levels = getattr(quantizers, name)(x, bits)
        return found

    return learn


def _pwlq(x: Array, bits: int, o: dict[str, str]) -> Levels:
    from ..quantizers import Levels, pwlq_search

    found = pwlq_search(x, bits, profile="paper")
    parts = np.arange(1 << bits - 1) / ((1 << bits - 1) - 1)
    sizes = np.concatenate((parts * found.p, found.p + parts * (found.m - found.p)))
    return Levels(np.unique(np.concatenate((-sizes, sizes))), ties="zero", numbers=2)


def _lqnet(x: Array, bits: int, o: dict[str, str]) -> Levels:
    from ..quantizers import learned_basis

    return learned_basis(x, bits).levels


def _lloyd(x: Array, bits: int, o: dict[str, str]) -> Levels:
    from ..quantizers import lloyd_max

    return lloyd_max(x, 1 << bits).levels


def _kmeans(x: Array, bits: int, o: dict[str, str]) -> Levels:
    from ..quantizers import kmeans

    return kmeans(x, 1 << bits, init=o["init"], seed=int(o["seed"]) if o["init"] == "random" else None).levels


def _fit(x: Array, _: int, o: dict[str, str]) -> Levels:
    from ..quantizers import best_scale

    return best_scale(x, shape_of(element(o["of"]))).levels


def shape_of(form: Format) -> Levels:
    """The values of a format, the boundaries between them and whose a tie is."""
    from ..quantizers import Levels

    if not (form.bits <= MOST_BITS and form.largest):
        raise ValueError(f"fit takes elements of at most {MOST_BITS} bits, got '{form}'")
    values = np.unique([float(value) for _, value in form.values()])
    if isinstance(form, Codebook):
        own = form.boundaries or form.midpoints != "exact"
        edges = [float(form.split(rank)) for rank in range(form.span[1])] if own else None
        return Levels(values, None if edges is None else np.array(edges), form.ties)
    return Levels(values, None, "odd" if form.is_odd(form.code_at(form.span[0])) else "even")


RULES = {
    "bwn": Rule(_bwn, ("bwn", "bwn[axis=0]")),
    "twn": Rule(
        _twn,
        ("twn", "twn[ratio=best]"),
        options={"ratio": Option(("a number or best",), "0.7", f"{NUMBER}|best")},
    ),
    "ttq": Rule(_ttq, ("ttq", "ttq[t=0.1]"), options={"t": Option(("a number",), "0.05", NUMBER)}),
    "elbfit": Rule(_elbfit, ("elbfit5", "elbfit7[axis=0]"), range(3, 18, 2)),
    "fit": Rule(
        _fit, ("fit[of=apot4]", "fit[of=e2m1fn,axis=0]"), options={"of": Option(("a format",), None, r".+")}
    ),
    "inq": Rule(_by_bits("inq"), ("inq5", "inq3[axis=0]"), range(3, 9)),
    "lsq": Rule(_by_bits("lsq"), ("lsq4", "lsq2[axis=0]"), range(2, 9)),
    "dorefa": Rule(_by_bits("dorefa"), ("dorefa2", "dorefa4[axis=0]"), EIGHT),
    "pwlq": Rule(_pwlq, ("pwlq4", "pwlq3[axis=0]"), range(2, 9)),
    "lqnet": Rule(_lqnet, ("lqnet3", "lqnet2[axis=0]"), EIGHT),
    "lloyd": Rule(_lloyd, ("lloyd4", "lloyd3[axis=0]"), EIGHT),
    "kmeans": Rule(
        _kmeans,
        ("kmeans4", "kmeans3[init=density]", "kmeans2[init=random,seed=5]"),
        EIGHT,
        {
            "init": Option(("linear", "density", "random"), "linear"),
            "seed": Option(("an integer",), "0", r"\d+"),
        },
    ),
}
