"""Where two pipelines part: to debug a kernel or a circuit against its model, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import Array
from .pipelines import Step, pipeline_of, trace
from .stages import Stage


@dataclass(frozen=True)
class Difference:
    """The first stage at which two traces differ, and its first element that does.

    Attributes
    ----------
    stage : place in the trace; 0 are the accumulators
    name : of the stage
    index : of the element, in C order
    a, b : what the two have there
    inputs : what went into the stage at that element, of a and of b; None where it is not known, or of another shape
    count, total : how many of its elements differ, of how many
    """

    stage: int
    name: str
    index: tuple[int, ...]
    a: float
    b: float
    inputs: tuple[float, float] | None
    count: int
    total: int

    def __str__(self) -> str:
        return (
            f"stage {self.stage}, {self.name}: {self.count} of {self.total} elements differ, first at {self.index}: "
            f"{self.a} and {self.b}{self._from}"
        )

    @property
    def _from(self) -> str:
        if self.inputs is None:
            return ""
        a, b = self.inputs
        return f", from {a}" if a == b else f", from {a} and {b}"


def first_difference(a: Any, b: Any, stages: Sequence[Stage] = ()) -> Difference | None:
    """The first stage and element at which two pipelines part.

    Parameters
    ----------
    a, b : each a trace, or accumulators
        A trace is what `trace` gives, or a sequence of arrays in its order, as dumped from a simulation: the
        accumulators, then a result for each stage, with None for what was not dumped. An ndarray
        counts as accumulators, and goes through `stages`.
    stages : sequence of stages
        Of the accumulators given; for traces without names it says how the stages are called, and a trace
        then has a result for each.

    Returns
    -------
    Difference, whose str is one line; None where all that can be compared is equal, NaN to NaN too

    Raises
    ------
    TypeError : neither accumulators nor a trace
    ValueError : traces of different length, of another than the stages make, or empty; results of different shape

    >>> from numfmt.gemmlowp import Requantize, SaturatingCast
    >>> stages = [Requantize(2**31 - 1, -4, zero=3), SaturatingCast("int8")]
    >>> accumulators = np.int32([[500, -1000, 70]])
    >>> dumped = [accumulators, None, np.int8([[34, -59, 7]])]
    >>> print(first_difference(accumulators, dumped, stages))
    stage 2, SaturatingCast: 1 of 3 elements differ, first at (0, 1): -60 and -59
    >>> theirs = [Requantize(2**31 - 1, -4, zero=3, rounding="neon"), SaturatingCast("int8")]
    >>> print(first_difference(trace(accumulators, stages, inside=True), trace(accumulators, theirs, inside=True)))
    stage 2, Requantize: rounding shift: 1 of 3 elements differ, first at (0, 1): -63 and -62, from -1000
    """
    pipeline = pipeline_of(stages)
    x, y = _trace("a", a, pipeline), _trace("b", b, pipeline)
    if len(x) != len(y):
        raise ValueError(
            f"a has {len(x)} results and b has {len(y)}; give as many, with None for what was not dumped: "
            f"a is {_names(x)}, b is {_names(y)}"
        )
    inputs: tuple[Array, Array] | None = None
    for place, (one, other) in enumerate(zip(x, y, strict=True)):
        if one is None or other is None:
            inputs = None
            continue
        found = _difference(place, one, other, inputs)
        if found is not None:
            return found
        inputs = one.result, other.result
    return None


def _trace(what: str, given: Any, stages: tuple[Stage, ...]) -> list[Step | None]:
    if isinstance(given, np.ndarray):
        return list(trace(given, stages))
    if not isinstance(given, Sequence):
        raise TypeError(
            f"{what}: expected accumulators in an ndarray, or a list of results; got {type(given).__name__}"
        )
    _check_length(what, given, stages)
    names = [stage.name for stage in stages] or [f"result {i}" for i in range(1, len(given))]
    return [_step(item, name) for item, name in zip(given, ["accumulators", *names], strict=True)]


def _check_length(what: str, given: Sequence[Any], stages: tuple[Stage, ...]) -> None:
    if not given:
        raise ValueError(f"{what} is an empty trace. Give the accumulators, then a result for each stage")
    if stages and len(given) != len(stages) + 1:
        raise ValueError(
            f"{what} has {len(given)} results; accumulators and {len(stages)} stages make {len(stages) + 1}: "
            "give None for what was not dumped. For what `trace` gives, leave out stages="
        )


def _step(item: Any, name: str) -> Step | None:
    if item is None:
        return None
    name, result = item if isinstance(item, Step) else (name, item)
    array = np.asarray(result)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: a trace holds arrays of numbers, got dtype {array.dtype}: convert it")
    return Step(name, array)


def _names(steps: Sequence[Step | None]) -> str:
    return ", ".join("None" if step is None else step.name for step in steps)


def _difference(place: int, a: Step, b: Step, inputs: tuple[Array, Array] | None) -> Difference | None:
    name = a.name if a.name == b.name else f"{a.name} / {b.name}"
    if a.result.shape != b.result.shape:
        raise ValueError(
            f"stage {place}, {name}: the results have shapes {a.result.shape} and {b.result.shape}; "
            "reshape what was dumped"
        )
    differ = (a.result != b.result) & ~(np.isnan(a.result) & np.isnan(b.result))
    if not differ.any():
        return None
    first = tuple(int(i) for i in np.argwhere(differ)[0])
    ours, theirs = a.result[first].item(), b.result[first].item()
    same_shape = inputs is not None and inputs[0].shape == differ.shape
    came_from = (inputs[0][first].item(), inputs[1][first].item()) if inputs and same_shape else None
    return Difference(place, name, first, ours, theirs, came_from, int(differ.sum()), differ.size)
