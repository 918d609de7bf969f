"""Where two pipelines part: planted differences are found where they are."""

import pickle

import numpy as np
import pytest

from numfmt import gemmlowp
from numfmt.gemmlowp import BiasAddition, Clamp, Requantize, SaturatingCast, first_difference, trace

RNG = np.random.default_rng(7)
X = RNG.integers(-(2**20), 2**20, (6, 8)).astype(np.int32)
BIAS = RNG.integers(-99, 99, 8)


def pipeline(**changes):
    q, shift = gemmlowp.quantize_multiplier(0.00123)
    return [BiasAddition(BIAS), Requantize(q, shift, 3, **changes), Clamp(-100, 100), SaturatingCast("int8")]


def test_nothing_differs():
    assert first_difference(X, X, pipeline()) is None
    assert first_difference(X, trace(X, pipeline()), pipeline()) is None
    assert first_difference(trace(X, pipeline(), inside=True), trace(X, pipeline(), inside=True)) is None


@pytest.mark.parametrize("stage", range(5))
def test_a_planted_bit_is_found(stage):
    dumped = [step.result.copy() for step in trace(X, pipeline())]
    dumped[stage][4, 5] ^= 1
    dumped[stage][5, 0] ^= 1
    found = first_difference(X, dumped, pipeline())
    assert (found.stage, found.index, found.count, found.total) == (stage, (4, 5), 2, X.size)
    assert (found.a ^ 1, found.b) == (found.b, dumped[stage][4, 5])
    before = trace(X, pipeline())[stage - 1].result[4, 5]
    assert found.inputs == ((before, before) if stage else None)
    name = ["accumulators", "BiasAddition", "Requantize", "Clamp", "SaturatingCast"][stage]
    assert str(found).startswith(f"stage {stage}, {name}: 2 of 48 elements differ, first at (4, 5): ")
    assert pickle.loads(pickle.dumps(found)) == found


def test_results_that_were_not_dumped_are_passed_over():
    dumped = [step.result.copy() for step in trace(X, pipeline())]
    dumped[2][0, 0] += 1
    kept = [dumped[0], dumped[1], None, dumped[3], dumped[4]]
    assert first_difference(X, kept, pipeline()) is None
    kept[3] = kept[3] + 1
    found = first_difference(X, kept, pipeline())
    assert (found.stage, found.inputs) == (3, None)
    assert "from" not in str(found)


def test_two_roundings_part_inside_the_stage():
    x = np.arange(-3000, 3000, dtype=np.int32)
    double, neon = (trace(x, [Requantize(2**30, -3, rounding=r)], inside=True) for r in ("double", "neon"))
    found = first_difference(double, neon)
    assert found.name == "Requantize: rounding shift"
    assert (found.a, found.b, found.inputs) == (-188, -187, (-1500, -1500))
    assert x[found.index] == -3000


def test_inputs_of_both_where_only_the_name_of_a_stage_differs():
    one, other = [BiasAddition(1), Clamp(0, 9)], [BiasAddition(1), SaturatingCast("uint8")]
    found = first_difference(trace([3, 50], one), trace([3, 50], other))
    assert (found.stage, found.name, found.inputs) == (2, "Clamp / SaturatingCast", (51, 51))
    assert str(found).endswith("first at (1,): 9 and 51, from 51")


def test_traces_without_stages():
    found = first_difference([X, X + 1], [X, X + 2])
    assert (found.stage, found.name, found.count) == (1, "result 1", X.size)


def test_signed_and_unsigned_dumps_compare_by_value():
    assert first_difference([np.int32([200])], [np.uint8([200])]) is None
    assert first_difference([np.int32([-56])], [np.uint8([200])]).b == 200


def test_traces_that_cannot_be_compared():
    with pytest.raises(
        ValueError,
        match=r"a has 5 results and b has 2; give as many, with None .* b is accumulators, result 1",
    ):
        first_difference(trace(X, pipeline()), [X, X])
    with pytest.raises(
        ValueError, match=r"stage 1, BiasAddition: the results have shapes \(6, 8\) and \(48,\); reshape"
    ):
        first_difference(X, [X, X.reshape(-1), None, None, None], pipeline())
    with pytest.raises(TypeError, match="accumulators: a trace holds arrays of numbers, got dtype <U1"):
        first_difference(X, ["a", None, None, None, None], pipeline())


@pytest.mark.parametrize(
    "before", [X.reshape(-1), X[0], X.T, X[..., None], X.reshape(2, 3, 8)], ids=lambda a: str(a.shape)
)
def test_inputs_of_another_shape_are_not_told(before):
    found = first_difference([before, X], [before, X ^ 1])
    assert (found.stage, found.index, found.inputs) == (1, (0, 0), None)


@pytest.mark.parametrize("length", [0, 1, 4, 6])
def test_a_trace_has_a_result_for_each_stage(length):
    dumped = ([*(step.result for step in trace(X, pipeline()))] * 2)[:length]
    why = (
        "a is an empty trace" if not length else f"a has {length} results; .* 4 stages make 5: give None for"
    )
    with pytest.raises(ValueError, match=why):
        first_difference(dumped, dumped, pipeline())


def test_nan_is_no_difference_to_nan():
    one, other = np.array([np.nan, 1.0, np.nan]), np.array([np.nan, 2.0, 5.0])
    assert first_difference([one], [one.copy()]) is None
    found = first_difference([one], [other])
    assert (found.index, found.count, found.a, found.b) == ((1,), 2, 1.0, 2.0)


@pytest.mark.parametrize("given", [None, 5, iter([X])], ids=["None", "int", "iterator"])
def test_neither_accumulators_nor_a_trace(given):
    for arguments, name in (((given, X), "a"), ((X, given), "b")):
        with pytest.raises(
            TypeError, match=f"{name}: expected accumulators in an ndarray, or a list of results; got"
        ):
            first_difference(*arguments)


def test_stages_that_are_none():
    with pytest.raises(TypeError, match="stages is a sequence of stages, got one Clamp"):
        first_difference([X], [X], Clamp(0, 9))
