"""`sensitivities` against the rows of `compare`, `allocate` against all assignments there are."""

import csv
import io
import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import numfmt
from numfmt.allocation import Point, Sensitivities, Sensitivity, allocate, sensitivities

RNG = np.random.default_rng(5)
TENSORS = {
    "a": RNG.standard_normal((8, 40)),
    "b": 30 * RNG.laplace(size=(4, 64)),
    "c": RNG.standard_normal(100),
}
WIDTHS = [f"int{bits}[size=32,axis=-1]" for bits in (2, 3, 4, 6, 8)]


def row(tensor, spec, bits, error, count=10):
    return Sensitivity(tensor, spec, count, bits, bits / count, error, 0.0)


def drawn(seed, tensors=4, formats=4):
    """Whole errors, so that sums are exact; many equal sums, and formats that others beat."""
    rng = np.random.default_rng(seed)
    span = [3, 10, 1000][seed % 3]
    return [
        row(f"t{t}", f"f{f}", int(rng.integers(1, span)), float(rng.integers(0, span)))
        for t in range(tensors)
        for f in range(1 + int(rng.integers(formats)))
    ]


def assignments(table, weights=None):
    """(bits, error, rows) of every assignment."""
    names = list(dict.fromkeys(r.tensor for r in table))
    for choice in product(*([r for r in table if r.tensor == name] for name in names)):
        error = sum((weights or {}).get(r.tensor, 1) * r.squared_error for r in choice)
        yield sum(r.bits for r in choice), error, choice


@pytest.mark.parametrize("seed", range(60))
def test_no_assignment_is_better(seed):
    table = drawn(seed)
    every = list(assignments(table))
    for budget in {bits for bits, _, _ in every} | {math.inf, max(bits for bits, _, _ in every) - 0.5}:
        fitting = [(error, bits) for bits, error, _ in every if bits <= budget]
        if not fitting:
            continue
        found = allocate(table, budget)
        assert (found.error, found.bits) == min(fitting)
        assert (found.bits, found.error, tuple(found.choice)) in every
        assert found.budget == budget


@pytest.mark.parametrize("seed", range(30))
def test_the_curve_is_that_of_all_assignments(seed):
    table, best = drawn(seed), {}
    for bits, error, _ in sorted(assignments(table), key=lambda a: a[:2]):
        if error < min(best.values(), default=math.inf):
            best[bits] = error
    assert list(allocate(table, math.inf).curve) == list(best.items())


@pytest.mark.parametrize("seed", range(20))
def test_weights(seed):
    table, weights = drawn(seed), {"t0": 5.0, "t2": 0.25, "t3": 0.0}
    every = list(assignments(table, weights))
    budget = sorted(bits for bits, _, _ in every)[len(every) // 2]
    found = allocate(table, budget, weights=weights)
    assert (found.error, found.bits) == min((error, bits) for bits, error, _ in every if bits <= budget)


def test_equal_assignments():
    table = [row(t, f, bits, 4 - bits) for t in "ab" for f, bits in (("x", 2), ("y", 1), ("z", 1))]
    assert [r.format for r in allocate(table, 3).choice] == ["y", "x"]
    assert [r.format for r in allocate(table, 2).choice] == ["y", "y"]


def test_a_wider_format_that_is_worse_is_not_taken():
    table = [row("a", "narrow", 10, 1.0), row("a", "wide", 20, 2.0)]
    assert allocate(table, 99).choice[0].format == "narrow"


def test_totals_and_uniform():
    table = sensitivities(TENSORS, WIDTHS)
    n = sum(x.size for x in TENSORS.values())
    found = allocate(table, 5 * n)
    assert [r.tensor for r in found.choice] == ["a", "b", "c"]
    assert found.bits == sum(r.bits for r in found.choice) <= 5 * n
    assert found.bits_per_element == found.bits / n
    assert found.error == pytest.approx(sum(r.squared_error for r in found.choice), rel=1e-15)
    assert list(found.uniform) == WIDTHS
    for spec, point in found.uniform.items():
        own = [r for r in table if r.format == spec]
        assert point.bits == sum(r.bits for r in own)
        assert point.error == pytest.approx(sum(r.squared_error for r in own))
        assert allocate(table, point.bits).error <= point.error
    assert found.choice[1].bits_per_element > found.choice[0].bits_per_element  # b has the larger numbers


def test_a_format_that_one_tensor_lacks_is_not_uniform():
    table = [row("a", "x", 1, 1.0), row("a", "y", 2, 0.0), row("b", "y", 3, 2.0)]
    assert allocate(table, 9).uniform == {"y": Point(5, 2.0)}


def test_sensitivities_are_exact_sums():
    table = sensitivities(TENSORS, ["int4[size=32,axis=-1]", "e4m3fn", "mxfp4"])
    for r in table:
        x = TENSORS[r.tensor]
        encoded = numfmt.cast(x, r.format, overflow="saturate")
        error = sum((Fraction(p) - Fraction(q)) ** 2 for p, q in zip(x.flat, encoded.flat, strict=True))
        assert r.squared_error == pytest.approx(float(error), rel=1e-12)
        shared = getattr(numfmt.encode(x, r.format), "bits_per_element", 8)
        assert r.bits == shared * x.size
        assert r.bits_per_element == shared
        assert r.count == x.size


def test_what_overflows_has_an_error():
    table = sensitivities([1e6, 1.0], "e4m3, e4m3fn, f16")
    assert [r.squared_error for r in table] == pytest.approx([(1e6 - top) ** 2 for top in (240, 448, 65504)])


@pytest.mark.parametrize(
    "spec", ["kmeans3", "twn[axis=0]", "gguf_q4_0", "nvfp4", "mxfp8", "deepseek_128x128", "nf4"]
)
def test_formats_of_all_kinds(spec):
    x = 300 * RNG.standard_normal((4, 32))
    (found,) = sensitivities(x, spec)
    decoded = np.asarray(numfmt.cast(x, spec), np.float64)
    assert np.isfinite(decoded).all()
    assert found.squared_error == pytest.approx(np.square(x - decoded).sum())
    bits = getattr(numfmt.encode(x, spec), "bits_per_element", 4)
    assert found.bits == round(bits * x.size)


def test_stochastic_rounding():
    how = {"rounding": "stochastic", "seed": 3}
    expected = numfmt.compare(TENSORS, "e4m3fn", overflow="saturate", **how)
    found = sensitivities(TENSORS, "e4m3fn", **how)
    assert [r.sqnr_db for r in found] == [r.sqnr_db for r in expected]


def test_tables():
    table = sensitivities(TENSORS, WIDTHS)
    read = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [float(r["squared_error"]) for r in read] == [r.squared_error for r in table]
    found = allocate(table, 5000)
    assert str(found) == repr(found)
    assert str(found.choice) in str(found)
    assert f"{found.bits} bits of 5000, {found.bits_per_element:.4g} an element" in str(found)
    assert isinstance(table[:2], Sensitivities)


def test_many_tensors_of_few_sizes():
    """Hundreds of tensors are no matter where sums of bits coincide."""
    rng = np.random.default_rng(0)
    sizes = rng.choice([384, 1536], 200) * 384
    table = [
        row(f"t{i}", f"int{b}", int(n) * b, float(n * scale / 4.0**b), int(n))
        for i, (n, scale) in enumerate(zip(sizes, np.exp(rng.standard_normal(200)), strict=True))
        for b in range(2, 9)
    ]
    found = allocate(table, 4 * sizes.sum())
    assert found.bits == 4 * sizes.sum()
    assert found.error < found.uniform["int4"].error


GOOD = [row("a", "x", 10, 1.0), row("a", "y", 20, 0.5)]


@pytest.mark.parametrize(
    ("table", "how", "said"),
    [
        (GOOD, {"budget": 9}, "a budget of 9 bits cannot be met: the least is 10 bits"),
        (GOOD, {"budget": math.nan}, "a budget of nan bits cannot be met"),
        ([], {"budget": 9}, "the table has no rows"),
        (GOOD, {"budget": 99, "weights": {"b": 1}}, "weights names 'b', and the tensors are 'a'"),
        (GOOD, {"budget": 99, "weights": {"a": -1}}, "got -1 for 'a'"),
        (GOOD, {"budget": 99, "weights": {"a": math.inf}}, "got inf for 'a'"),
        ([*GOOD, GOOD[0]], {"budget": 99}, "tensor 'a' has two rows of 'x'; leave one out"),
        ([row("a", "x", 1, math.inf)], {"budget": 99}, "tensor 'a' in 'x' has the error inf; leave it out"),
    ],
)
def test_bad_allocations(table, how, said):
    with pytest.raises(ValueError, match=said):
        allocate(table, **how)


@pytest.mark.parametrize(
    ("table", "how", "said"),
    [
        ([1, 2], {"budget": 1e5}, "the rows that `sensitivities` gives, and one is 1"),
        (7, {"budget": 1e5}, "the rows that `sensitivities` gives, not 7"),
        (GOOD, {"budget": "a"}, "budget is a number of bits, got 'a'"),
        (GOOD, {"budget": None}, "budget is a number of bits, got None"),
        (GOOD, {"budget": True}, "budget is a number of bits, got True"),
        (GOOD, {"budget": 99, "weights": [1, 2]}, r"weights is a mapping of tensors to .*; got \[1, 2\]"),
        (GOOD, {"budget": 99, "weights": []}, r"weights is a mapping of tensors to .*; got \[\]"),
        (GOOD, {"budget": 99, "weights": {"a": "x"}}, "the weight of 'a' is a number, got 'x'"),
        (GOOD, {"budget": 99, "weights": {"a": None}}, "the weight of 'a' is a number, got None"),
    ],
)
def test_allocations_of_other_types(table, how, said):
    with pytest.raises(TypeError, match=said):
        allocate(table, **how)


@pytest.mark.parametrize("kind", [int, float, np.int64, np.float32, Fraction])
def test_numbers_of_every_type(kind):
    assert allocate(GOOD, kind(20), weights={"a": kind(2)}).error == 1.0


def test_bad_tensors():
    with pytest.raises(ValueError, match="tensor 'x' has 2 elements that are NaN or infinite"):
        sensitivities({"x": [1.0, math.nan, math.inf]}, "f16")
    with pytest.raises(ValueError, match="tensor 'x' has no elements"):
        sensitivities({"x": []}, "f16")
