"""Pipelines in one pass are their stages one after the other, bit for bit; traces show each."""

import itertools
from functools import reduce

import numpy as np
import pytest

from gemmlowp.hard import INT32S
from numfmt import gemmlowp
from numfmt.engine import jit
from numfmt.gemmlowp import (
    BiasAddition,
    Clamp,
    QuantizeDownByFixedPoint,
    QuantizeDownScale,
    QuantizeDownScalePC,
    Requantize,
    RequantizeFloat,
    SaturatingCast,
    ScaleByFixedPointAndExponent,
    Tanh,
    TruncatingCast,
)
from numfmt.gemmlowp.fusion import fused
from numfmt.kernels import gemmlowp as formulas

MIN, MAX = -(2**31), 2**31 - 1
RNG = np.random.default_rng(5)


def one_by_one(x, stages):
    return reduce(lambda a, stage: stage.result(a), stages, x)


def same(x, stages):
    found, expected = gemmlowp.run(x, stages), one_by_one(x, stages)
    return found.dtype == expected.dtype and np.array_equal(found, expected)


def hard(shape):
    """Hard integers in random order, and random ones."""
    n = int(np.prod(shape))
    return (
        np.where(RNG.random(n) < 0.5, RNG.choice(INT32S, n), RNG.integers(MIN, MAX, n))
        .astype(np.int32)
        .reshape(shape)
    )


SCALINGS = [
    [QuantizeDownScale(1000, 3, 8)],
    [QuantizeDownScale(MIN, -77777, 31)],
    [QuantizeDownByFixedPoint(1932735283, 7, 100)],
    [QuantizeDownByFixedPoint(-(2**30), 0, MAX)],
    [ScaleByFixedPointAndExponent(MAX, 0, 3)],
    [ScaleByFixedPointAndExponent(1342177280, -31, -3)],
    *(
        [Requantize(1932735283, shift, -5, r)]
        for r in ("double", "single", "neon")
        for shift in (-31, -9, -1, 0, 3, 30)
    ),
    [Requantize(1932735283, 31, -5)],
    [],
]
BEFORE = [[], [BiasAddition(-12345)], [BiasAddition(MAX), BiasAddition(7)]]
AFTER = [
    [],
    [SaturatingCast("uint8")],
    [Clamp(-50, 90), SaturatingCast("int8")],
    [Clamp(-50, 90), Clamp(100, 200), SaturatingCast("int16")],
    [Clamp(3, 300), SaturatingCast("uint8")],
    [Clamp(-900, -800)],
    [Clamp(-900, -800), SaturatingCast("uint8")],
    [Clamp(300, 400), SaturatingCast("uint8")],
]


@pytest.mark.parametrize("scaling", SCALINGS, ids=repr)
def test_one_scale_in_one_pass(scaling):
    x = hard((64, 100))
    for before, after in itertools.product(BEFORE, AFTER):
        stages = [*before, *scaling, *after]
        assert fused(tuple(stages), 2) is not None
        assert same(x, stages), stages


def multipliers(n):
    return RNG.integers(2**30, MAX, n), RNG.integers(-31, 5, n)


def per_channel(n, axis):
    """Pipelines with one entry for each of n channels."""
    q, shift = multipliers(n)
    bias = BiasAddition(RNG.integers(MIN, MAX, n), axis)
    return [
        [bias, *scaling, Clamp(-100, 200), SaturatingCast(to)]
        for to, scaling in zip(
            itertools.cycle(("uint8", "int8", "int16")),
            (
                [Requantize(q, shift, 11, "double", axis)],
                [Requantize(q, shift, 11, "single", axis)],
                [Requantize(q, shift, 11, "neon", axis)],
                [Requantize(q, -3, 11, "double", axis)],
                [Requantize(2**30, shift, 11, "double", axis)],
                [ScaleByFixedPointAndExponent(q, np.minimum(shift, 0), -1, axis)],
                [QuantizeDownScalePC(RNG.integers(MIN, MAX, n), RNG.integers(-999, 999, n), 9, axis)],
                [],
            ),
            strict=False,
        )
    ]


SHAPES = [((64, 100), 0), ((64, 100), -1), ((64, 100), 1), ((9, 700), 1), ((3, 40, 50), 1), ((3, 40, 50), -3), ((3, 40, 50), 2), ((5000,), 0), ((2, 3, 4, 500), -2), ((2, 3, 4, 500), 3)]  # fmt: skip


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_channels_in_one_pass(shape, axis):
    x = hard(shape)
    for stages in per_channel(shape[axis], axis):
        assert fused(tuple(stages), x.ndim) is not None
        assert same(x, stages), stages


def test_axes_may_be_counted_from_either_end():
    stages = [
        BiasAddition(range(50), axis=2),
        Requantize(range(2**30, 2**30 + 50), -9),
        SaturatingCast("int8"),
    ]
    assert fused(tuple(stages), 3) is not None
    assert same(hard((3, 40, 50)), stages)


@pytest.mark.parametrize(
    "stages",
    [
        [ScaleByFixedPointAndExponent(2**30, 3)],  # its left shift saturates
        [QuantizeDownByFixedPoint(MIN, 0)],  # its high product may saturate
        [Requantize([2**30, MIN], 0)],
        [Tanh(0, 100), SaturatingCast("uint8")],
        [TruncatingCast()],
        [RequantizeFloat(0.1)],
        [Clamp(0, 9), BiasAddition(3)],
        [Requantize(2**30, -1), Requantize(2**30, -1)],
        [BiasAddition([1, 2], axis=0), BiasAddition([3, 4], axis=1)],
    ],
)
def test_what_the_loops_do_not_have(stages):
    assert fused(tuple(stages), 2) is None
    x = hard((2, 2))
    assert same(np.repeat(x, 5000, axis=0), stages) if "axis=0" not in repr(stages) else same(x, stages)


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_threads_change_nothing(threads, monkeypatch):
    x, y = hard((700, 2048)), hard((5, 300, 1400))
    stages = [
        BiasAddition(range(2048)),
        Requantize(range(2**30, 2**30 + 2048), -9, 3),
        SaturatingCast("uint8"),
    ]
    rows = [Requantize(range(2**30, 2**30 + 300), -9, 3, axis=1), SaturatingCast("uint8")]
    monkeypatch.setenv("NUMFMT_NUM_THREADS", threads)
    assert same(x, stages)
    assert same(y, rows)
    assert same(x, [Requantize(2**30, -9, 3), SaturatingCast("int16")])


def test_layouts_and_dtypes():
    x = hard((90, 120))
    stages = [BiasAddition(range(120)), Requantize(1342177280, -12, 3), SaturatingCast("int8")]
    expected = one_by_one(x, stages)
    for given in (
        np.asfortranarray(x),
        np.repeat(x, 2, 1)[:, ::2],
        x.astype(">i4"),
        x.astype(np.int64),
        x.tolist(),
    ):
        assert np.array_equal(gemmlowp.run(given, stages), expected)
    x.flags.writeable = False
    assert np.array_equal(gemmlowp.run(x, stages), expected)
    assert gemmlowp.run(np.zeros((0, 120), np.int32), stages).shape == (0, 120)
    assert gemmlowp.run(np.int32(5), [Clamp(0, 3)]) == 3
    small = np.array([-5, 5], np.int8)
    assert gemmlowp.run(small, [Requantize(2**30, 0)]).tolist() == [-2, 3]


def test_the_loops_as_plain_python():
    """The same text, run by the interpreter on NumPy scalars."""
    x, out = hard((6, 9)), np.empty((6, 9), np.int8)
    for stages in per_channel(9, 1)[:3]:
        job = fused(tuple(stages), 2)
        out = np.empty(x.shape, job.dtype)
        formulas.requantize_columns(x, out, job.table, np.array(job.ends, np.int32))
        assert np.array_equal(out, one_by_one(x, stages))
    for stages in per_channel(6, 0):
        job = fused(tuple(stages), 2)
        out = np.empty(x.shape, job.dtype)
        formulas.requantize_rows(x, out, job.table, np.array(job.ends, np.int32), 0)
        assert np.array_equal(out, one_by_one(x, stages))


def test_without_numba(monkeypatch):
    x, stages = hard((64, 100)), [Requantize(1932735283, -9, 3), SaturatingCast("uint8")]
    expected = gemmlowp.run(x, stages)
    monkeypatch.setattr(jit, "loops", lambda: None)
    assert np.array_equal(gemmlowp.run(x, stages), expected)


def test_a_trace_holds_each_result():
    x = hard((3, 5))
    stages = [BiasAddition(7), Requantize(1932735283, -9, 3), Clamp(0, 99), SaturatingCast("uint8")]
    steps = gemmlowp.trace(x, stages)
    assert [step.name for step in steps] == ["accumulators", *(type(stage).__name__ for stage in stages)]
    for i, step in enumerate(steps):
        assert np.array_equal(step.result, one_by_one(x, stages[:i]))


def test_a_trace_looks_inside():
    x = hard((30, 50))
    stages = [Requantize(1932735283, -9, 3), Tanh(0, 50)]
    inside = dict(gemmlowp.trace(x, stages, inside=True))
    high = gemmlowp.saturating_rounding_doubling_high_mul(x, 1932735283)
    assert np.array_equal(inside["Requantize: high product"], high)
    assert np.array_equal(inside["Requantize: rounding shift"], gemmlowp.rounding_divide_by_pot(high, 9))
    argument = inside["Tanh: argument, 3 integer bits"]
    assert np.array_equal(inside["Tanh: tanh, no integer bits"], gemmlowp.tanh(argument, 3))
    assert all(result.dtype == np.int32 for result in inside.values())


@pytest.mark.parametrize("shape", [(3, 5), (64, 100)])
def test_results_are_arrays_of_their_own(shape):
    x = hard(shape)
    stages = [[], [Clamp(MIN, MAX)], [BiasAddition(0)]]
    given = [gemmlowp.run(x, s) for s in stages] + [step.result for step in gemmlowp.trace(x, stages[1])]
    assert all(np.array_equal(found, x) and not np.shares_memory(found, x) for found in given)
