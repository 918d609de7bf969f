"""What one chunk of a tensor becomes in a format: errors, and what lies outside the range."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from . import reference
from .casting import cast
from .engine.run import Noise
from .errors import RangeError
from .format import FLOAT64_BITS, Format, exponent
from .learned import Learned
from .scaled import ScaledFormat
from .tensors import Tensor

Array = np.ndarray[Any, Any]


class Limit(NamedTuple):
    """A finite x overflows on one side beyond `at`, and there too if `inclusive`."""

    at: Fraction
    inclusive: bool

    def passed(self, size: Array) -> Array:
        at = _number(self.at, size.dtype)
        return np.asarray(size >= at if self.inclusive else size > at)


class Rounded(NamedTuple):
    """A chunk in a format: the values, the gap of the format's values around each x (0 where x is a
    value), and which finite x round outside the range."""

    values: Array
    gap: Array
    outside: Array


class Job:
    """One element format with its policy: what rounds a chunk and what is known about its range."""

    def __init__(self, fmt: Format, rounding: Any, overflow: Any, nan: Any, seed: int | None) -> None:
        if fmt.exceeds_float64:
            raise ValueError(
                f"compare measures in float64, and values of '{fmt}' have more than {FLOAT64_BITS} significant "
                "bits; leave it out, or take a narrower format"
            )
        self.fmt = fmt
        self.policy = reference.policy(fmt, rounding, overflow, _nan_rule(fmt, nan))
        self.keywords = {"rounding": rounding, "overflow": overflow, "nan": _nan_rule(fmt, nan)}
        self.noise = None
        if self.policy.rounding.stochastic:
            if seed is None:
                raise ValueError(f"rounding='{self.policy.rounding.name}' needs seed=, an integer from 0 on")
            self.noise = Noise(self.policy.random_bits, seed=seed)

    def on(self, tensor: Tensor) -> Job:
        """The same for any tensor."""
        return self

    @property
    def bits(self) -> int:
        return self.fmt.bits

    @property
    def bits_per_element(self) -> float:
        return float(self.fmt.bits)

    @cached_property
    def least_normal(self) -> float:
        return float(self.fmt.min_normal)

    def rounded(self, x: Array, start: int) -> Rounded:
        words = None if self.noise is None else self.noise.take(start, x.size)
        y = np.asarray(cast(x, self.fmt, **self.keywords, noise=words, dtype=np.float64))
        return Rounded(y, self.spacing(x), self.outside(x, y, words))

    def spacing(self, x: Array) -> Array:
        """The gap of the format's values around x; 0 where x is a value."""
        below, above = (
            cast(x, self.fmt, rounding=f"toward_{side}", overflow="saturate", nan="max", dtype=np.float64)
            for side in ("negative", "positive")
        )
        gap = above - below
        for outside, outer in ((x > self.high, self.outer[1]), (x < self.low, self.outer[0])):
            if outside.any():
                gap[outside] = outer
        return np.asarray(gap)

    @cached_property
    def low(self) -> float:
        return float(self.fmt.min)

    @cached_property
    def high(self) -> float:
        return float(self.fmt.max)

    @cached_property
    def outer(self) -> tuple[float, float]:
        """Spacing past the first and the last value: continued, or the nearest gap there is."""
        fmt, (first, last) = self.fmt, self.fmt.span
        below = fmt.at(min(first + 1, last)) - fmt.at(first)
        above = fmt.at(last) - fmt.at(max(last - 1, first))
        if fmt.step is not None:
            below, above = fmt.step if fmt.signed else below, fmt.step
        return float(below), float(above)

    @cached_property
    def limits(self) -> tuple[Limit, Limit]:
        """Where overflow begins, in magnitude, for negative and for positive x."""
        return self._limit(True), self._limit(False)

    def _limit(self, negative: bool) -> Limit:
        """Rounding changes its mind at the last value, half a step on, or a whole step on."""
        edge, step = self._side(negative)
        for size, limit in (
            (edge, Limit(edge, True)),
            (edge + step / 4, Limit(edge, False)),
            (edge + step / 2, Limit(edge + step / 2, True)),
            (edge + step * 3 / 4, Limit(edge + step / 2, False)),
        ):
            if self._overflows(-size if negative else size):
                return limit
        return Limit(edge + step, step > 0)

    def _side(self, negative: bool) -> tuple[Fraction, Fraction]:
        """The last magnitude on a side and the step that goes on past it (0: none does).

        Below an unsigned format that is the mirror of its first step (IEEE P3109)."""
        fmt = self.fmt
        if negative and not fmt.signed:
            return Fraction(0), fmt.smallest
        return abs(Fraction(fmt.value(fmt.edge(negative)))), fmt.step or Fraction(0)

    def _overflows(self, x: Fraction) -> bool:
        try:
            reference.encode(x, self.fmt, self.policy._replace(overflow="raise"))
        except RangeError:
            return True
        return False

    def outside(self, x: Array, y: Array, words: Array | None) -> Array:
        """Which finite x round outside the range."""
        far = (x > self.high) | (x < self.low)
        if self.fmt.zero() is None:
            far |= x == 0
        if not far.any():
            return far
        far &= np.isfinite(x)
        if words is not None:
            return self._drawn_outside(x, y, words, far)
        negative, positive = self.limits
        return np.asarray(far & np.where(x > 0, positive.passed(x), negative.passed(-x)))

    def _drawn_outside(self, x: Array, y: Array, words: Array, far: Array) -> Array:
        """Stochastic: the draw decides; where the result is the last value it is drawn again."""
        unsure = np.flatnonzero(far & np.isfinite(y))
        part, drawn = x[unsure], words[unsure]
        for negative in (False, True):
            here = (part > 0) != negative
            far[unsure[here]] = self._draws_up(abs(part[here]), drawn[here], negative)
        return far

    def _draws_up(self, size: Array, words: Array, negative: bool) -> Any:
        """Whether a draw leaves the last value: as it would between 0 and f16's smallest value."""
        edge, step = self._side(negative)
        if not step or (negative and self.fmt.rejects_negatives):
            return True
        fraction = np.clip(size - float(edge), 0, float(step)) / float(step)
        return cast(fraction * 2.0**-24, "f16", rounding=self.policy.rounding.name, noise=words) > 0


class BlockJob:
    """One scaled format: scales may come from the whole tensor, so it is rounded at once."""

    least_normal = 0.0  # a scaled format has no subnormal values of its own

    def __init__(self, fmt: ScaledFormat, keywords: dict[str, Any], tensor: Tensor | None = None) -> None:
        self.fmt, self.keywords = fmt, keywords
        if tensor is not None:
            self.array = fmt.encode(tensor.whole(), **keywords)
            self.values = self.array.decode().reshape(-1)
            self.elements = Job(fmt.of, "nearest_even", "saturate", "max", None)

    def on(self, tensor: Tensor) -> BlockJob:
        return type(self)(self.fmt, self.keywords, tensor)

    @property
    def bits(self) -> int:
        return self.fmt.of.bits

    @property
    def bits_per_element(self) -> float:
        return float(self.array.bits_per_element)

    def rounded(self, x: Array, start: int) -> Rounded:
        y = self.values[start : start + x.size].astype(np.float64)
        unit, zero = self.array.units(start, start + x.size)
        t = np.where(abs(unit) > 0, x / unit + zero, 0)
        gap = self.elements.spacing(np.nextafter(t, np.copysign(np.inf, t))) * abs(unit)
        outside = self.elements.outside(t, y, None) | ~np.isfinite(y)
        return Rounded(y, np.where(x == y, 0, gap), np.isfinite(x) & outside)


class LearnedJob(BlockJob):
    """One format whose values come from the whole tensor: the gap around x is that of the levels."""

    def rounded(self, x: Array, start: int) -> Rounded:
        y = self.values[start : start + x.size].astype(np.float64)
        gap, outside = self.array.around(x, start)
        return Rounded(y, np.where(x == y, 0, gap), np.isfinite(x) & outside)


def job_of(
    fmt: Format | ScaledFormat, rounding: Any, overflow: Any, nan: Any, seed: int | None
) -> Job | BlockJob:
    """What measures a format under a policy; keywords as in `compare`."""
    if isinstance(fmt, Format):
        return Job(fmt, rounding, overflow, nan, seed)
    put = fmt.nan_stand_in if nan is None and not fmt.takes_nan else nan
    kind = LearnedJob if isinstance(fmt, Learned) else BlockJob
    return kind(fmt, {"rounding": rounding, "overflow": overflow, "nan": put, "seed": seed})


def _nan_rule(fmt: Format, nan: Any) -> Any:
    return "max" if nan is None and fmt.nan() is None else nan


def _number(x: Fraction, dtype: np.dtype[Any]) -> Any:
    """A boundary (at most 64 significant bits) as a float of that dtype, infinite past its range."""
    shift = exponent(x) - 63 if x else 0
    with np.errstate(over="ignore"):
        return np.ldexp(dtype.type(int(x / Fraction(2) ** shift)), shift)


class Part(NamedTuple):
    """What one chunk adds to a row: counts, largest values, sums."""

    kept: int
    nonzero: int
    overflow: int
    underflow: int
    subnormal: int
    exact: int
    nonfinite: int
    max_relative: float
    max_ulp: float
    relative: float
    ulp: float
    noise: Fraction
    signal: Fraction


def measure(x: Array, job: Job | BlockJob, start: int) -> Part:
    """One chunk; x is 1-D, float64 or longdouble."""
    y, gap, outside = job.rounded(x, start)
    finite = np.isfinite(x)
    kept = finite & np.isfinite(y)
    size, error = abs(x), abs(x - y)
    if not kept.all():
        size[~kept] = error[~kept] = 0
    nonzero = size != 0
    relative = error / np.where(nonzero, size, 1)
    ulp = error / np.where(gap > 0, gap, 1)
    magnitude = abs(y)
    return Part(
        kept=_count(kept),
        nonzero=_count(nonzero),
        overflow=_count(outside),
        underflow=_count(nonzero & (magnitude == 0)),
        subnormal=_count(kept & (magnitude > 0) & (magnitude < job.least_normal)),
        exact=_count(finite & (x == y)),
        nonfinite=x.size - _count(finite),
        max_relative=float(relative.max()),
        max_ulp=float(ulp.max()),
        relative=float(relative.sum()),
        ulp=float(ulp.sum()),
        noise=_sum_of_squares(error),
        signal=_sum_of_squares(size),
    )


def _count(mask: Array) -> int:
    return int(np.count_nonzero(mask))


def _sum_of_squares(sizes: Array) -> Fraction:
    """Of finite sizes >= 0, scaled by a power of two so that no square leaves float64."""
    largest = sizes.max()
    if not largest:
        return Fraction(0)
    _, shift = np.frexp(largest)
    scaled = np.ldexp(sizes, -shift)
    return Fraction(float((scaled * scaled).sum())) * Fraction(4) ** int(shift)
