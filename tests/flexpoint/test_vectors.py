"""Intel's test vectors for Autoflex: NervanaSystems/ngraph-python, tests/flex_tests.

Operands are written from the host, which truncates; kernels compute in float32 and write to nearest even.
The files print results to at most four decimals, longer ones here are the profile's own.
"""

import numpy as np
import pytest

from numfmt.flexpoint import AutoflexTensor, matmul, quantize

LOW, HIGH = -32768, 32767
MATRIX = np.arange(9).reshape(3, 3)


def ran(operation, *runs, profile="ngraph"):
    """Results of a kernel on operands in order, with the exponents of the first operand and the result."""
    tensors, output = [AutoflexTensor(profile) for _ in runs[0]], AutoflexTensor(profile)
    for operands in runs:
        pairs = zip(tensors, operands, strict=True)
        given = [t.quantize(np.float64(x), rounding="toward_zero") for t, x in pairs]
        with np.errstate(all="ignore"):
            result = np.asarray(operation(*(a.values for a in given)), np.float32)
        written = output.quantize(result)
        yield written.values, given[0].exponent, written.exponent


def same(x):
    return x


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


SEQUENCES = {  # operation, second operand, inputs, results, exponents of input and result
    "copy": (
        same, None, [1, 5, 10, LOW],
        "1 1.99993896484375 7.999755859375 -32", [14, 14, 12, 10], [14, 14, 12, 10],
    ),
    "abs": (
        np.abs, None, [-1, 10000, -0.4, LOW],
        "1 1.999939 0.39990234 15.99951172", [14, 14, 12, 11], [14, 14, 12, 11],
    ),
    "sqrt": (
        np.sqrt, None, [1, 124, 10000, 32000],
        "1 1.414185 2.828369 5.656738", [14, 14, 12, 10], [14, 14, 13, 12],
    ),
    "plus 1.5": (np.add, 1.5, [0, 1, 2, 3], "1.5 1.99993896484375 3.5 4.5", None, [14, 14, 12, 12]),
    "minus 0.4": (
        np.subtract, 0.4, [10, 1000, 10000, 1],
        "9.6001 15.5996 31.9990 0.6015625", [11, 11, 9, 7], [11, 11, 10, 8],
    ),
    "minus 0.4, history of 16": (
        np.subtract, 0.4,
        [10000, 5000, 2500, 1000, 800, 750, 600, 500, 300, 200, 250, 100, 80, 75, 60, 50, 30, 25, 20, 10, 1],
        "9999.5 4999.5 2500 1000 800 750 600 500 300 200 250 100 80 75 60 50 30 24.5 19.5 9.625 0.625",
        None, None,
    ),
    "times 10.1": (
        np.multiply, 10.1, [1, 1000, 2, -1000, 0.4],
        "10.0996 15.9995 20.1992 -64 4.03125", [14, 14, 12, 12, 10], [11, 11, 9, 9, 7],
    ),
    "by 7": (
        np.divide, 7, [-10, 0.4, HIGH, LOW, 0],
        "-1.428589 0.057129 3.999878 -16 0", [11, 11, 10, 8, 6], [14, 14, 13, 11, 9],
    ),
    "cube": (
        np.power, 3, [1, 5, -10, 22],
        "1 1.999939 -8 31.999023", [14, 14, 12, 10], [14, 14, 12, 10],
    ),
    "exp": (
        np.exp, None, [0, 10, 1, -5],
        "1 1.999939 2.718262 0.006836", [14, 14, 12, 11], [14, 14, 12, 12],
    ),
    "reciprocal": (
        np.reciprocal, None, [1, HIGH, 2, LOW],
        "1 0.5 0.5 -0.125", [14, 14, 12, 12], [14, 14, 14, 14],
    ),
    "ln": (
        np.log, None, [2, HIGH, 10, 1],
        "0.693146 0.999969 2.302612 0", [13, 13, 11, 11], [15, 15, 13, 13],
    ),
    "sum": (
        np.sum, None, [[1, 2, 3, 4], [0.4, 0.03, 0.44, 1.47], [100, 2000, 3500.4, 10000]],
        "10 2.339844 31.999023", [12, 12, 12], [11, 11, 10],
    ),
    "prod": (
        np.prod, None, [[1, 2, 3, 4], [100, 200, 3, 4], [0.4, 0.7, 100, 10000]],
        "24 31.999023 127.996094", [12, 12, 10], [10, 10, 8],
    ),
    "max": (
        np.max, None, [[0.4, 0.1, 0.2], [0, 100, 10], [7, 1, 0]],
        "0.39999390 0.49998474 1.999939", [16, 16, 14], [16, 16, 14],
    ),
    "min": (
        np.min, None, [[LOW, LOW + 1, LOW + 2], [0.4, 0.39, 0.38], [HIGH, HIGH - 1, HIGH - 2]],
        "-32768 0 32765", [0, 0, 0], [0, 0, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence(name):
    operation, second, inputs, printed, before, after = SEQUENCES[name]
    runs = [(x,) if second is None else (x, second) for x in inputs]
    results, given, written = zip(*ran(operation, *runs), strict=True)
    assert before is None or list(given) == before
    assert after is None or list(written) == after
    for result, text in zip(results, printed.split(), strict=True):
        decimals = len(text.partition(".")[2])
        assert abs(float(result) - float(text)) <= 0.5001 * 10**-decimals * (decimals > 0), name


SINGLE = [
    (same, [0.4], 0.399993896484375),
    (same, [HIGH + 2], HIGH), (same, [LOW - 2], LOW), (same, [LOW], LOW), (same, [HIGH], HIGH),
    (np.negative, [LOW], HIGH), (np.negative, [LOW + 1], HIGH), (np.negative, [HIGH], LOW + 1),
    (np.abs, [LOW], HIGH), (np.abs, [HIGH - 2], HIGH - 2),
    (np.add, [HIGH, 2], HIGH), (np.add, [LOW, 1], LOW + 1),
    (np.subtract, [LOW, 2], LOW), (np.subtract, [HIGH, 1], HIGH - 1),
    (np.multiply, [LOW, 2], LOW), (np.multiply, [LOW, -0.5], 16384), (np.multiply, [0, 0], 0),
    (np.divide, [HIGH, 0.5], HIGH), (np.divide, [LOW, 0.5], LOW),
    (np.power, [HIGH, 2], HIGH), (np.power, [LOW, 3], LOW), (np.power, [LOW, -2], 2.0**-30),
    (np.square, [LOW], HIGH), (np.reciprocal, [LOW], -(2.0**-15)),
    (np.exp, [1], 2.71826171875), (np.exp, [5], 148.4140625), (np.exp, [-5], 0.006737947463989258),
    (np.exp, [-11], 17933 * 2.0**-30), (np.exp, [HIGH], HIGH),
    (sigmoid, [-10], 0.00004539825022220611572265625), (sigmoid, [-20], 4 * 2.0**-31), (sigmoid, [-30], 0),
    (np.sqrt, [HIGH], 181.015625), (np.power, [HIGH, 0.4], 63.99609375),
    (np.log, [0], LOW), (np.log, [1], 0), (np.tanh, [LOW - 1], -1), (np.tanh, [HIGH + 1], 1),
    (np.log, [0.01], -4.605224609375), (np.log, [HIGH], 10.39697265625), (np.log, [HIGH + 1], 10.39697265625),
    (np.sum, [[HIGH, -1, -2]], HIGH - 3), (np.sum, [[LOW, LOW / 2]], LOW), (np.sum, [[HIGH, 2]], HIGH),
    (np.prod, [[LOW / 10, 1, 2]], -6553.5), (np.prod, [[HIGH / 10, 1, 1]], 3276.625),
    (np.prod, [[HIGH, 0, 5]], 0),
    (np.max, [[HIGH - 2, HIGH, HIGH + 2]], HIGH), (np.min, [[LOW + 2, LOW, LOW - 2]], LOW),
    (
        np.maximum, [[1, 1.1, 1.2, 1.3], [1.2, 1, 1.3, 1.4]],
        [1.199951171875, 1.0999755859375, 1.29998779296875, 1.39996337890625],
    ),
    (np.minimum, [[0.4, HIGH, 0.3], [0.3, 0.4, 0.2]], [0, 0.399993896484375, 0]),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(SINGLE)))
def test_a_single_shot(case):
    operation, operands, expected = SINGLE[case]
    [(result, _, _)] = ran(operation, operands)
    assert np.array_equal(result, np.float32(expected))


def products(first, *matrices):
    """The matrix product with each matrix, in integers."""
    tensors = [AutoflexTensor() for _ in range(3)]
    for matrix in matrices:
        left, right = (
            t.quantize(np.float64(x), rounding="toward_zero")
            for t, x in zip(tensors[:2], (first, matrix), strict=True)
        )
        yield matmul(left, right, tensors[2])


def test_a_vector_times_a_growing_matrix():
    found = list(products(np.ones(3), *(MATRIX * t for t in (1, 2, 3))))
    assert [a.values.tolist() for a in found] == [[9, 12, 15], [15.99951171875] * 3, [27, 36, 45]]
    assert found[1].clipped == 3


def test_a_vector_times_a_matrix_of_zeros():
    assert not any(a.values.any() for a in products(np.ones(4), *(np.zeros((4, 2)) for _ in range(2))))


def test_the_papers_profile_copies():
    results, before, after = zip(*ran(same, [1], [5], [10], [LOW], profile="paper"), strict=True)
    assert [float(x) for x in results] == [1, 3.9998779296875, 10, -32]
    assert before == after == (14, 13, 10, 10)


# A maximum that grows by 2**(1/100) a write: measured with the algorithm as published.
@pytest.mark.parametrize(
    ("profile", "steps", "largest"), [("ngraph", [], 29944), ("paper", [1], 14972)], ids=["ngraph", "paper"]
)
def test_a_growing_maximum_never_overflows(profile, steps, largest):
    tensor = AutoflexTensor(profile)
    written = [tensor.quantize(2 ** (t / 100)) for t in range(400)]
    exponents = [a.exponent for a in written]
    assert [t for t in range(1, 400) if exponents[t] != exponents[t - 1]] == [*steps, 88, 188, 288, 388]
    assert max(a.peak for a in written[len(steps) :]) == largest
    assert tensor.overflows == 0


@pytest.mark.parametrize(("profile", "overflows", "unused"), [("ngraph", 1, 2.51), ("paper", 0, 3.52)])
def test_random_maxima(profile, overflows, unused):
    tensor = AutoflexTensor(profile)
    maxima = np.exp(0.5 * np.random.default_rng(0).standard_normal(5000))
    peaks = [tensor.quantize(v).peak for v in maxima]
    assert tensor.overflows == overflows
    assert round(float(np.mean([15 - np.log2(p) for p in peaks])), 2) == unused


@pytest.mark.parametrize(("spread", "share"), [(2, 0.00140), (4, 0.84092)])
def test_small_numbers_flush_to_zero(spread, share):
    """2**20 values of magnitude 2**(spread * n - 10) under one exponent."""
    x = np.exp2(spread * np.random.default_rng(0).standard_normal(1 << 20) - 10)
    assert round(float(np.mean(quantize(x).codes == 0)), 5) == share
