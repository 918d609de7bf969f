"""Dynamic fixed point: the binary point moves after overflows were counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Self, Unpack

import numpy as np

from ..casting import encode
from ..fixed_point import FixedPoint
from ..formats.fixed import Fixed
from .arguments import Array, Keywords, check_keywords, reals, whole

FARTHEST = 900  # integer bits, of either sign, for which float64 holds every value


@dataclass
class DynamicFixedPoint:
    """Fixed point of one group of numbers, whose integer bits follow the rate of overflow.

    A number overflows where its magnitude reaches the largest value, (2**bits - 1) steps. After `every`
    batches: if the rate exceeds `limit`, one integer bit more; else, if with one bit less the rate
    would not exceed it, one bit less; else none. Then counting starts anew. Defaults are those of the
    example in the README of MatthieuCourbariaux/deep-learning-multipliers; the rules are format.py's
    (`fixed_point`, `overflow`, `new_range`) and arXiv 1412.7024's, section 5.

    Parameters
    ----------
    bits : int, 1 to 31
        Without the sign, NOB in the source. The largest value is symmetric, 2**bits - 1 steps.
    integer_bits : int, -900 to 900
        Where the point is, NOIB in the source: one step is 2**(integer_bits - bits). It stops at the bounds.
    limit : float, 0 to 1
        Rate of overflow that is allowed.
    every : int, at least 1
        Batches between two moves.

    batches, seen, over, over_below : int
        Since the last move: batches, elements, and of those the ones that overflowed, or would have with
        one integer bit less.

    Raises
    ------
    ValueError : parameters out of range

    Notes
    -----
    The rate is that of all elements since the last move, in exact numbers. The source takes the mean of
    the batches' rates, in floats: the same where batches are of one size, up to its rounding.

    Examples
    --------
    >>> group = DynamicFixedPoint(bits=9, integer_bits=1, every=2)
    >>> for x in [3.0, 0.5], [3.0, 0.25], [3.0, 0.25]:
    ...     print(group.quantize(x).values)
    [1.9960938 0.5      ]
    [1.9960938 0.25     ]
    [3.   0.25]
    """

    bits: int = 9
    integer_bits: int = 5
    limit: float = 1e-4
    every: int = 100
    batches: int = 0
    seen: int = 0
    over: int = 0
    over_below: int = 0

    def __post_init__(self) -> None:
        whole(self.bits, "bits", 1, 31)
        whole(self.integer_bits, "integer_bits", -FARTHEST, FARTHEST)
        whole(self.every, "every", 1)
        for name in ("batches", "seen", "over", "over_below"):
            whole(getattr(self, name), name, 0)
        if not 0 <= self.limit <= 1:
            raise ValueError(f"limit is a rate, from 0 to 1, got {self.limit!r}")

    @property
    def format(self) -> Fixed:
        """The format of the next batch."""
        return Fixed(self.bits + 1, self.bits - self.integer_bits, symmetric=True)

    def quantize(self, x: Any, **how: Unpack[Keywords]) -> FixedPoint:
        """A batch in fixed point, saturated; counted as it is after rounding, as layer.py does.

        x : array_like of real numbers, any shape; an empty one counts for nothing
        rounding, nan, seed, noise, random_bits, engine : as in `numfmt.encode`. The source leaves ties to
        Theano; here they go to even.

        >>> DynamicFixedPoint(bits=3, integer_bits=1).quantize([0.3, 9.0]).codes
        array([1, 7], dtype=int8)
        """
        check_keywords(how)
        form = self.format
        codes = np.asarray(encode(reals(x), form, **how))
        self._count(2 * codes.astype(np.int64))
        return FixedPoint(codes, form)

    def observe(self, x: Any) -> Self:
        """Count a batch of real numbers as it is, before any rounding; returns the group.

        >>> DynamicFixedPoint(bits=3, integer_bits=1).observe([0.3, 1.75, 9.0]).over
        2
        """
        finer = Fixed(self.bits + 2, self.bits - self.integer_bits + 1)
        self._count(np.asarray(encode(reals(x), finer, rounding="toward_zero")).astype(np.int64))
        return self

    def state(self) -> dict[str, Any]:
        """Everything there is to know, as a dict of numbers."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The group whose `state` this was."""
        return cls(**state)

    def _count(self, halves: Array) -> None:
        """Count a batch, given in half steps."""
        if not halves.size:
            return
        last = (1 << self.bits) - 1
        self.batches += 1
        self.seen += halves.size
        self.over += int(np.count_nonzero(abs(halves) >= 2 * last))
        self.over_below += int(np.count_nonzero(abs(halves) >= last))
        if self.batches >= self.every:
            self._move()

    def _move(self) -> None:
        allowed = Fraction(self.limit) * self.seen
        by = 1 if self.over > allowed else -1 if self.over_below <= allowed else 0
        self.integer_bits = min(max(self.integer_bits + by, -FARTHEST), FARTHEST)
        self.batches = self.seen = self.over = self.over_below = 0
