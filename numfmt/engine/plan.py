"""What will run for a format, a policy and an engine: loops by width, decided once and cached."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..cuts import WIDEST
from ..errors import choose
from ..format import Format
from ..reference import Policy
from ..registry import LOWERINGS
from . import arrays, jit

ENGINES = ("reference", "numpy", "kernel")


class Loop(NamedTuple):
    """One loop with its parameters. `run(x, noise, out)` returns whether some value may be one
    that the policy refuses."""

    run: Callable[[Any, Any, Any], bool]
    bare: tuple[Any, Any, int]  # the loop itself, its parameters, and the guard its result is held against
    in_place: Callable[[Any], bool] | None
    cost: float  # ns an element, roughly: to decide whether threads pay


_COST = {
    "directed": 0.4,
    "stochastic": 0.5,
    "fixed": 0.8,
    "fixed_stochastic": 0.9,
    "steps": 0.6,
    "lookup": 1.0,
    "tree": 1.2,
}  # and 0.2 for the nearest_even loops
_IN_PLACE = ("even", "even_own", "even_adder")  # kinds that one loop over one array serves


class Plan:
    """Casting (`codes=False`) or encoding to one format under one policy."""

    def __init__(self, fmt: Format, policy: Policy, codes: bool, engine: str | None) -> None:
        self.fmt, self.policy, self.codes = fmt, policy, codes
        self.asked = None if engine is None else choose("engine", engine, ENGINES)
        self._loops: dict[int, Loop | None] = {}

    @cached_property
    def module(self) -> ModuleType:
        """The loops: compiled ones where they may be and can be had."""
        if self.asked == "numpy":
            return arrays
        compiled = jit.loops()
        if compiled is None:
            if self.asked == "kernel":
                raise ImportError("engine='kernel' needs numba, which cannot be imported")
            return arrays
        return compiled

    @cached_property
    def guarded(self) -> bool:
        """Whether some values are refused."""
        return self.policy.nan_code == -1 or self.policy.overflow == "raise" or self.policy.wraps

    def loop(self, width: int) -> Loop | None:
        """The loop of this width, None where none is exact."""
        if width not in self._loops:
            self._loops[width] = self._make(width)
        return self._loops[width]

    def _make(self, width: int) -> Loop | None:
        lowering = LOWERINGS.get(type(self.fmt))
        if self.asked == "reference" or lowering is None:
            return None
        lowered = lowering.rounding(self.fmt, self.policy, width, self.codes)
        return None if lowered is None else self._bind(*lowered)

    @cached_property
    def exact_integers(self) -> bool:
        """Whether the loops take 64-bit integers as they are."""
        lowering = LOWERINGS.get(type(self.fmt))
        return lowering is not None and lowering.exact_integers

    def _bind(self, kind: str, p: Any, guard: int) -> Loop:
        prefix = "code" if self.codes else "value"
        loop = getattr(self.module, f"{prefix}_{kind}")
        if isinstance(loop, FunctionType):
            loop = _quiet(loop)
        cost = _COST.get(kind, 0.2)
        if self.policy.rounding.stochastic:
            return Loop(lambda x, n, out: loop(x, n, out, p) >= guard, (loop, p, guard), None, cost)
        in_place = self.module.value_even_in_place
        serves = kind in _IN_PLACE and not self.codes
        once = (lambda x: in_place(x, p) >= guard) if serves else None
        return Loop(lambda x, n, out: loop(x, out, p) >= guard, (loop, p, guard), once, cost)

    @cached_property
    def searchable(self) -> bool:
        """Whether cut points serve where no loop does."""
        steady = not (self.policy.rounding.stochastic or self.policy.wraps)
        return steady and self.fmt.bits <= WIDEST and self.asked != "reference"


def _quiet(loop: Callable[..., Any]) -> Callable[..., Any]:
    """A loop that is not compiled, without the warnings of NumPy's arithmetic."""

    def run(*given: Any) -> Any:
        with np.errstate(all="ignore"):
            return loop(*given)

    return run


@lru_cache(maxsize=512)
def plan(fmt: Format, policy: Policy, codes: bool, engine: str | None) -> Plan:
    return Plan(fmt, policy, codes, engine)


class DecodingPlan:
    """Reading the codes of one format."""

    def __init__(self, fmt: Format) -> None:
        self.fmt = fmt
        self.module: ModuleType = jit.loops() or arrays
        self._loops: dict[int, Any] = {}

    def loop(self, width: int) -> Any:
        """`run(codes, out)` of this width, None where none is exact."""
        if width not in self._loops:
            lowering = LOWERINGS.get(type(self.fmt))
            reading = lowering and lowering.decoding(self.fmt, width)
            self._loops[width] = reading and partial(
                _read, getattr(self.module, reading.loop), reading.parameters
            )
        return self._loops[width]


def _read(loop: Any, parameters: Any, codes: Any, out: Any) -> int:
    return int(loop(codes, out, parameters))


@lru_cache(maxsize=256)
def decoding_plan(fmt: Format) -> DecodingPlan:
    return DecodingPlan(fmt)
