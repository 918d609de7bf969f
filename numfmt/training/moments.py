"""Adam (Kingma and Ba 2015, algorithm 1) with moments that are kept in formats, and what is lost of them.

A step is that of `numfmt.adam8bit`: moments are read, moved on and used in float32, then rounded to where they are
kept. Beside them run the moments in float32 of the same gradients, which are used for nothing but the errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..casting import cast
from .descent import Descent, Parameter, Run
from .layers import Array
from .networks import Layers
from .policies import POLICIES
from .states import States

F4 = np.float32


class Adam(NamedTuple):
    """w <- w - rate * u, where u is m / (sqrt(v) + eps), both corrected for their start at 0."""

    rate: float
    beta1: float
    beta2: float
    eps: float
    batch: int
    least: int  # elements of a parameter whose moments are kept in the formats; smaller ones have f32


class Moments(NamedTuple):
    """Of one parameter, float32."""

    m: Array
    v: Array

    def moved(self, g: Array, adam: Adam) -> Moments:
        m = F4(adam.beta1) * self.m + F4(1 - adam.beta1) * g
        return Moments(m, F4(adam.beta2) * self.v + F4(1 - adam.beta2) * g * g)

    def update(self, steps: int, adam: Adam) -> Array:
        """What a rate of 1 takes from the parameter."""
        m = self.m / F4(1 - adam.beta1**steps)
        v = self.v / F4(1 - adam.beta2**steps)
        return np.asarray(m / (np.sqrt(v) + F4(adam.eps)))

    def kept(self, states: States) -> Moments:
        """Rounded to the formats; NaN becomes 0."""
        return Moments(
            *(np.asarray(cast(x, of, nan=0), F4) for x, of in zip(self, (states.m, states.v), strict=True))
        )


@dataclass
class Kept:
    """The moments of a parameter, those of the same gradients in float32, and the steps so far."""

    moments: Moments
    exact: Moments
    steps: int = 0


class Loss(NamedTuple):
    """What one step lost of the moments of one parameter; errors are medians of relative errors."""

    elements: int
    m: float
    v: float
    update: float
    nonzero: int  # elements of v that are not 0 in float32
    lost: int  # of those, kept as 0


@dataclass
class Losses:
    """Of some steps."""

    found: list[Loss] = field(default_factory=list)
    largest: float = 0.0  # update of an element, in learning rates

    def mean(self, what: str) -> float:
        """Over the elements; NaN where there are none."""
        return _ratio(
            sum(loss.elements * getattr(loss, what) for loss in self.found), self._total("elements")
        )

    @property
    def lost(self) -> float:
        return _ratio(self._total("lost"), self._total("nonzero"))

    def _total(self, what: str) -> float:
        return float(sum(getattr(loss, what) for loss in self.found))


def _ratio(part: float, total: float) -> float:
    return part / total if total else math.nan


class AdamRun(Run):
    """A network in float32, trained by Adam."""

    def __init__(self, layers: Layers, states: States, adam: Adam, seed: int) -> None:
        self.states, self.adam, self.losses = states, adam, Losses()
        self.kept: dict[str, Kept] = {}
        super().__init__(layers, POLICIES["f32"], Descent(adam.rate, 0.0, adam.batch), seed)

    def epoch(self, x: Array, labels: Array) -> float:
        self.losses = Losses()
        return super().epoch(x, labels)

    def update(self, parameter: Parameter, gradient: Array) -> None:
        zeros = Moments(*(np.zeros_like(parameter.held) for _ in Moments._fields))
        kept = self.kept.setdefault(parameter.name, Kept(zeros, zeros))
        kept.steps += 1
        moments = kept.moments.moved(gradient, self.adam)
        update = moments.update(kept.steps, self.adam)
        parameter.held = parameter.value = parameter.held - F4(self.adam.rate) * update
        self.losses.largest = max(self.losses.largest, float(np.abs(update).max()))
        kept.exact = kept.exact.moved(gradient, self.adam)
        large = gradient.size >= self.adam.least
        kept.moments = moments.kept(self.states) if large else moments
        if large:
            self.losses.found.append(self._loss(kept))

    def _loss(self, kept: Kept) -> Loss:
        found, exact = kept.moments, kept.exact
        updates = (moments.update(kept.steps, self.adam) for moments in (found, exact))
        nonzero = exact.v != 0
        return Loss(
            elements=exact.m.size, m=median_error(found.m, exact.m), v=median_error(found.v, exact.v),
            update=median_error(*updates), nonzero=int(np.count_nonzero(nonzero)),
            lost=int(np.count_nonzero(nonzero & (found.v == 0))),
        )  # fmt: skip


def median_error(found: Array, exact: Array) -> float:
    """The median of \\|found - exact\\| / \\|exact\\| where that is not 0; 0 if it is 0 everywhere.

    >>> median_error(np.float32([1, 1.5, 7]), np.float32([1, 1, 0]))
    0.25
    """
    here = exact != 0
    errors = np.abs(found[here] - exact[here]) / np.abs(exact[here])
    return float(np.median(errors)) if errors.size else 0.0
