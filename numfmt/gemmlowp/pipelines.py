"""Pipelines of output stages: run them, see every intermediate result.

A pipeline is a sequence of stages, the first of which takes int32 accumulators. Each stage is defined in
`stages`; where additions, one scaling, clamps and a cast follow each other in this order, as they do in
most kernels, `run` computes them in one pass, to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, NamedTuple

from ..engine import jit
from .arguments import Array, accumulators_of
from .fusion import fused
from .stages import Stage

SMALL = 1 << 12  # elements: below it NumPy is done before numba is imported


class Step(NamedTuple):
    """An intermediate result: after which stage, and the array."""

    name: str
    result: Array


def run(accumulators: Any, stages: Sequence[Stage]) -> Array:
    """The codes that a pipeline makes of int32 accumulators.

    Parameters
    ----------
    accumulators : integers that int32 holds, any shape
    stages : sequence of stages; casts and `RequantizeFloat` come last

    Returns
    -------
    ndarray of the shape of the accumulators: of the dtype of the cast, int32 without one

    Raises
    ------
    TypeError : floats, stages that are none, a stage after a cast
    ValueError : an accumulator that int32 does not hold, as many channels as the shape has not

    >>> from numfmt.gemmlowp import BiasAddition, Clamp, Requantize, SaturatingCast
    >>> stages = [BiasAddition([5, -5]), Requantize(2**30, -3, zero=100), Clamp(100, 255), SaturatingCast("uint8")]
    >>> run([[1000, -1000], [9000, 200]], stages)
    array([[163, 100],
           [255, 112]], dtype=uint8)
    """
    x, pipeline = _checked(accumulators, stages)
    if not pipeline:
        return x.copy()
    job = fused(pipeline, x.ndim) if x.size >= SMALL else None
    loops = jit.loops() if job is not None else None
    if job is None or loops is None:
        return reduce(lambda a, stage: stage.result(a), pipeline, x)
    return job.run(loops, x)


def trace(accumulators: Any, stages: Sequence[Stage], inside: bool = False) -> tuple[Step, ...]:
    """The accumulators and the result of every stage, each by its definition.

    Parameters
    ----------
    accumulators, stages : as in `run`
    inside : bool
        Whether to show what lies inside the stages too: products before they are shifted, and so on.

    Returns
    -------
    tuple of Step : each a name and an array

    >>> from numfmt.gemmlowp import Requantize, SaturatingCast
    >>> for name, x in trace([1000], [Requantize(2**31 - 1, -4, zero=3), SaturatingCast("int8")], inside=True):
    ...     print(f"{name:28} {x}")
    accumulators                 [1000]
    Requantize: high product     [1000]
    Requantize: rounding shift   [63]
    Requantize: zero point       [66]
    SaturatingCast: cast         [66]
    """
    x, pipeline = _checked(accumulators, stages)
    found = [Step("accumulators", x.copy())]
    for stage in pipeline:
        steps = list(stage.steps(found[-1].result))
        if inside:
            found += [Step(f"{stage.name}: {name}", result) for name, result in steps]
        else:
            found.append(Step(stage.name, steps[-1][1]))
    return tuple(found)


def _checked(given: Any, stages: Iterable[Stage]) -> tuple[Array, tuple[Stage, ...]]:
    x, pipeline = accumulators_of(given), pipeline_of(stages)
    for stage in pipeline:
        stage.check(x.shape)
    return x, pipeline


def pipeline_of(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """`stages` as a tuple, once they are known to be stages that can follow each other."""
    if isinstance(stages, Stage):
        raise TypeError(f"stages is a sequence of stages, got one {stages.name}: put it in brackets")
    pipeline = tuple(stages)
    for i, stage in enumerate(pipeline):
        if not isinstance(stage, Stage):
            raise TypeError(f"a pipeline holds stages such as Clamp(0, 255), got {stage!r}")
        if stage.gives_codes and i + 1 < len(pipeline):
            raise TypeError(
                f"{stage.name} gives codes, and {pipeline[i + 1]!r} after it takes int32: put it last"
            )
    return pipeline
