"""Autoflex: the exponent of a tensor, predicted before the tensor is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from statistics import pstdev
from typing import Any, NamedTuple, Self, Unpack

from ..errors import choose
from ..format import exponent as floor_log2
from .arguments import Keywords, absmax, extremes, whole
from .arrays import Flex, FlexArray


class Profile(NamedTuple):
    """Hyper-parameters of Algorithm 2 in arXiv 1711.02213."""

    alpha: float  # headroom: a factor of everything
    beta: float  # of the standard deviation of the maxima
    gamma: float  # steps added
    history: int  # maxima remembered, l in the paper


PROFILES = {
    "paper": Profile(2.0, 3.0, 100.0, 16),
    "ngraph": Profile(1.0, 3.0, 100.0, 16),  # recovered from Intel's test vectors
}


class AutoflexTensor:
    """What Autoflex knows of one tensor in one use of it: the exponent for the next write.

    After each write with the largest code magnitude Γ and the step k (Algorithm 2):

    1. if Γ >= 2**(bits - 1) - 1, an overflow: the history is cleared, and Γ doubled
    2. Γ k joins the history, which keeps the last `history` maxima
    3. χ = alpha (max + beta std + gamma k) over the history, std that of a population
    4. the next step is 2**(ceil(log2 χ) - (bits - 1)), its exponent clamped to the format's

    The first write takes the exponent from what is written, as `quantize` does. As long as all that was
    written is 0, there is no history and the exponent stays. Sums and logarithms are exact; std is rounded
    once, to float64. So a prediction is the same on every machine.

    Parameters
    ----------
    profile : {"ngraph", "paper"}
        "ngraph" has what Intel's test vectors show (alpha = 1), "paper" what is printed (alpha = 2).
    bits, exponent_bits : int
        N and M of flexN+M.
    alpha, beta, gamma : float, optional
        In place of the profile's: above 0; at least 0; at least 0.
    history : int, at least 1, optional

    Attributes
    ----------
    exponent : int or None
        For the next write; None before the first.
    maxima : tuple of float
        The history, in real units, the oldest first.
    overflows : int
        How many writes overflowed.

    Raises
    ------
    SpecError : an unknown profile
    ValueError : hyper-parameters or bits out of range

    Notes
    -----
    The paper begins with trial runs of the kernel (Algorithm 1). Their factor and threshold cannot be read
    with certainty, and Intel's vectors show the first exponent taken from the maximum: so it is here, in
    both profiles. Where alpha stands in the printed step 3 is not certain either; the paper's example of
    a growing tensor needs it where it is above.

    Examples
    --------
    >>> tensor = AutoflexTensor("paper")
    >>> [tensor.quantize([x]).exponent for x in (1.0, 5.0, 10.0, -32768.0)]
    [14, 13, 10, 10]
    >>> AutoflexTensor.from_state(tensor.state()).exponent == tensor.exponent
    True
    """

    def __init__(
        self, profile: str = "ngraph", *, bits: int = 16, exponent_bits: int = 5, alpha: float | None = None,
        beta: float | None = None, gamma: float | None = None, history: int | None = None,
    ) -> None:  # fmt: skip
        rule = PROFILES[choose("profile", profile, PROFILES)]
        given = zip((alpha, beta, gamma, history), rule, strict=True)
        self.rule = _checked(*(own if x is None else x for x, own in given))
        self.flex = Flex(bits, exponent_bits)
        self.exponent: int | None = None
        self.maxima: tuple[float, ...] = ()
        self.overflows = 0

    def __repr__(self) -> str:
        return f"<AutoflexTensor {self.flex}, exponent {self.exponent}, {len(self.maxima)} maxima>"

    def quantize(self, x: Any, **how: Unpack[Keywords]) -> FlexArray:
        """Write real numbers under the predicted exponent, and predict the next.

        Parameters and errors are those of `quantize`; an error changes nothing here.

        >>> AutoflexTensor().quantize([0.4], rounding="toward_zero").values
        array([0.3999939], dtype=float32)
        """
        return self.write(x, 0, **how)

    def update(self, x: Any, rounding: Any = None) -> Self:
        """Take in what a write of `x` would show, without writing it; returns the tensor.

        x : a FlexArray; or array_like of real numbers, such as their largest magnitude alone
            NaN is left out, an empty array changes nothing.

        >>> AutoflexTensor().update([1.0, -5.0]).update(5.0).exponent
        12
        """
        if isinstance(x, FlexArray):
            return self._record(x)
        self.write(extremes(x), 0, rounding=rounding)
        return self

    def write(self, x: Any, frac: int, **how: Unpack[Keywords]) -> FlexArray:
        """As `quantize`, of x * 2**-frac.

        >>> AutoflexTensor().write([3], 1).values
        array([1.5], dtype=float32)
        """
        exponent = self.exponent
        if exponent is None:
            exponent = self.flex.exponent_of(absmax(x) / Fraction(2) ** frac)
        written = self.flex.round(x, exponent, frac, **how)
        self._record(written)
        return written

    def state(self) -> dict[str, Any]:
        """Everything there is to know, as a dict of numbers and one list that JSON can hold."""
        return {
            "bits": self.flex.bits,
            "exponent_bits": self.flex.exponent_bits,
            **self.rule._asdict(),
            "exponent": self.exponent,
            "maxima": list(self.maxima),
            "overflows": self.overflows,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The tensor whose `state` this was."""
        options = dict(state)
        try:
            exponent, maxima, overflows = (options.pop(x) for x in ("exponent", "maxima", "overflows"))
        except KeyError as missing:
            raise ValueError(f"the state lacks {missing}; give what state() returned") from None
        tensor = cls(**options)
        last = (1 << tensor.flex.exponent_bits) - 1
        tensor.exponent = None if exponent is None else whole(exponent, "exponent", 0, last)
        tensor.maxima = tuple(_real(x, "a maximum") for x in maxima)[-tensor.rule.history :]
        tensor.overflows = whole(overflows, "overflows", 0)
        return tensor

    def _record(self, written: FlexArray) -> Self:
        if written.flex != self.flex:
            raise TypeError(f"this tensor is {self.flex}, and {written.flex} was written: use one format")
        if written.codes.size and (written.peak or self.maxima):
            self._predict(written)
        elif written.codes.size:
            self.exponent = written.exponent
        return self

    def _predict(self, written: FlexArray) -> None:
        doubled = 1 + written.overflowed
        kept = () if written.overflowed else self.maxima
        self.maxima = (*kept, doubled * written.peak * written.scale)[-self.rule.history :]
        self.overflows += written.overflowed
        reach = self._reach(Fraction(written.scale))
        up = _ceil_log2(reach) if reach else self.flex.bits - 1 - written.exponent
        self.exponent = self.flex.clamp(self.flex.bits - 1 - up)

    def _reach(self, step: Fraction) -> Fraction:
        """χ of Algorithm 2: the largest magnitude to expect, with headroom."""
        alpha, beta, gamma = map(Fraction, self.rule[:3])
        return alpha * (Fraction(max(self.maxima)) + beta * Fraction(pstdev(self.maxima)) + gamma * step)


def _ceil_log2(x: Fraction) -> int:
    low = floor_log2(x)
    return low + (x != Fraction(2) ** low)


def _checked(alpha: Any, beta: Any, gamma: Any, history: Any) -> Profile:
    rule = Profile(
        _real(alpha, "alpha"), _real(beta, "beta"), _real(gamma, "gamma"), whole(history, "history", 1)
    )  # fmt: skip
    if not rule.alpha:
        raise ValueError("alpha is a factor of all that is expected and must be above 0, got 0")
    return rule


def _real(x: Any, what: str) -> float:
    try:
        number = float(x)
    except (TypeError, ValueError):
        raise TypeError(f"{what} must be a number, got {x!r}") from None
    if not 0 <= number < math.inf:
        raise ValueError(f"{what} must be at least 0 and finite, got {x!r}")
    return number
