"""Formats whose values come from data: published vectors, the functions behind them, layouts and bad input."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import numfmt
from numfmt import RangeError, SpecError, quantizers
from numfmt.learned import RULES, Learned, LearnedArray
from numfmt.learned.form import finder
from numfmt.learned.table import shape_of
from numfmt.quantizers import Levels
from numfmt.registry import scaled_examples

W0 = np.array([0.9, -0.7, 0.5, 0.375, 0.36, -0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.0])
SPECS = [s for s in scaled_examples() if isinstance(numfmt.parse(s), Learned)]
REAL = np.load(Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz")["weight"][:96]
DRAWN = np.random.default_rng(7).standard_normal((6, 640)).astype(np.float32)


def test_every_rule_has_an_example():
    assert {numfmt.parse(s).rule for s in SPECS} == set(RULES)


@pytest.mark.parametrize("spec", SPECS)
def test_specs_come_back(spec):
    assert numfmt.parse(str(numfmt.parse(spec))) == numfmt.parse(spec)


# The common vector, float64: squared errors and integers as they are known

ERRORS = {
    "bwn": 0.084189472,
    "twn": 0.028169153,
    "elbfit3": 0.022149083,
    "elbfit5": 0.006913771,
    "elbfit7": 0.007663867,
}


@pytest.mark.parametrize("spec", ERRORS)
def test_errors_of_the_common_vector(spec):
    assert float(np.mean((numfmt.cast(W0, spec) - W0) ** 2)) == pytest.approx(ERRORS[spec], abs=2e-8)


def test_signs_of_the_common_vector():
    signs = [1, -1, 1, 1, 1, -1]
    assert np.sign(numfmt.cast(W0, "twn")).tolist() == [*signs, 0, 0, 0, 0, 0, 0]
    assert np.sign(numfmt.cast(W0, "ttq")).tolist() == [*signs, 1, 1, 0, 0, 0, 0]
    assert np.sign(numfmt.cast(W0, "bwn")).tolist() == [*signs, 1, 1, 1, 1, 1, 1]


def test_equal_steps_of_the_common_vector():
    thirds = numfmt.cast(W0, "dorefa2") * 3
    assert thirds == pytest.approx([3, -3, 1, 1, 1, -1, 1, 1, 1, 1, 1, 1], abs=1e-6)
    sevenths = numfmt.cast(W0, "dorefa3") * 7
    assert sevenths == pytest.approx([7, -5, 5, 3, 3, -1, 1, 1, 1, 1, 1, 1], abs=1e-6)
    for bits, step, wanted in (
        (2, 0.536333333, [1, -1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]),
        (3, 0.309652194, [3, -2, 2, 1, 1, -1, 0, 0, 0, 0, 0, 0]),
        (4, 0.202714946, [4, -3, 2, 2, 2, -1, 0, 0, 0, 0, 0, 0]),
    ):
        assert quantizers.lsq_step(W0, bits) == pytest.approx(step, abs=1e-9)
        assert numfmt.cast(W0, f"lsq{bits}") / step == pytest.approx(wanted, abs=1e-6)


def test_inq_of_the_common_vector():
    """Ties to the larger magnitude; twice the numbers, twice the values."""
    wanted = [1, -0.5, 0.5, 0.5, 0.25, -0.25, 0.125, 0, 0, 0, 0, 0]
    assert numfmt.cast(W0, "inq4").tolist() == wanted
    assert numfmt.cast(W0 * 2, "inq4").tolist() == (2 * np.array(wanted)).tolist()


@pytest.mark.parametrize(
    ("largest", "exponent"), [(0.75, 0), (np.nextafter(0.75, 0), -1), (1.49, 0), (1.5, 1)]
)
def test_the_first_power_of_inq(largest, exponent):
    """floor(log2(4 s / 3)), exactly."""
    assert quantizers.inq([largest, 0.1], 3).values.max() == 2.0**exponent


def test_levels_of_the_common_vector():
    assert numfmt.encode(W0, "kmeans2").levels[0] == pytest.approx([-0.7, -0.002428571, 0.411666667, 0.9])
    basis = quantizers.learned_basis(W0, 2, start=[0.2, 0.4]).levels.values
    assert numfmt.encode(W0, "lqnet2").levels[0].size == basis.size == 4


# Against the functions of numfmt.quantizers

FUNCTIONS = {
    "twn": quantizers.twn,
    "twn[ratio=best]": lambda x: quantizers.twn(x, "best"),
    "twn[ratio=0.5]": lambda x: quantizers.twn(x, 0.5),
    "ttq": quantizers.ttq,
    "ttq[t=0.1]": lambda x: quantizers.ttq(x, 0.1),
    "dorefa1": lambda x: quantizers.dorefa(x, 1),
    "dorefa5": lambda x: quantizers.dorefa(x, 5),
    "lsq3": lambda x: quantizers.lsq(x, 3),
    "inq5": lambda x: quantizers.inq(x, 5),
    "lqnet3": lambda x: quantizers.learned_basis(x, 3).levels,
    "elbfit9": lambda x: quantizers.elb_projection(x, quantizers.elb_integers(4)).levels,
    "lloyd4": lambda x: quantizers.lloyd_max(x, 16).levels,
    "kmeans4[init=random,seed=3]": lambda x: quantizers.kmeans(x, 16, init="random", seed=3).levels,
}


@pytest.mark.parametrize("spec", FUNCTIONS)
@pytest.mark.parametrize("x", [DRAWN, REAL], ids=["drawn", "real"])
def test_codes_and_levels_are_those_of_the_function(spec, x):
    found = FUNCTIONS[spec](x)
    array = numfmt.encode(x, spec)
    assert array.levels.tolist() == [found.values.astype(np.float32).tolist()]
    rounded = found._replace(values=found.values.astype(np.float32).astype(np.float64))
    assert (array.codes == rounded.codes(x.astype(np.float64))).all()
    assert array.bits_per_element == (found.values.size - 1).bit_length() + found.numbers * 32 / x.size


@pytest.mark.parametrize("spec", ["twn", "lsq3", "kmeans3", "dorefa4", "pwlq3", "bwn"])
def test_ties_and_their_neighbours(spec):
    """Around each boundary, by both ways to find a code."""
    found = numfmt.parse(spec).learn(DRAWN)
    v = found.values
    edges = (v[:-1] + v[1:]) / 2 if found.boundaries is None else found.boundaries
    x = np.concatenate([edges, np.nextafter(edges, -9), np.nextafter(edges, 9), v])
    assert (numfmt.encode(x, finder(found)) == found.codes(x)).all()


@pytest.mark.parametrize("ties", ["even", "odd", "down", "up", "zero", "away"])
@pytest.mark.parametrize(
    "edges",
    [None, [-2, -0.5, 0.25, 1.25], [-3, -1, 0, 0.5], [-1, 0, 0.5, 2], [-1, -1, 0.5, 0.5], [-2, 0, 0, 2]],
)
def test_ties_of_levels_are_those_of_a_codebook(ties, edges):
    """On boundaries, and where those are values themselves, which stay."""
    between = None if edges is None else np.array(edges, np.float64)
    levels = Levels(np.array([-3.0, -1.0, 0.0, 0.5, 2.0]), between, ties)
    x = np.array([-3.0, -2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.25, 2.0])
    assert (levels.codes(x) == numfmt.encode(x, finder(levels))).all()


def test_a_threshold_of_zero():
    x = [1.0, -1.0, 0.0, 0.5]
    assert numfmt.cast(x, "ttq[t=0]").tolist() == [0.75, -1, 0, 0.75]
    assert quantizers.ttq(x, t=0).quantized(np.array(x)).tolist() == [0.75, -1, 0, 0.75]


@pytest.mark.parametrize(
    "spec", ["e2m1fn", "e2m3fn", "int3", "uint3", "e4m3fn", "fp4_bnb[midpoints=cuda,ties=zero]", "nf4"]
)
def test_fit_rounds_as_its_format(spec):
    """Ties among the rest, as even codes have them."""
    fmt = numfmt.parse(spec)
    v = np.unique([float(value) for _, value in fmt.values()])
    edges = np.array([float(fmt.split(r)) for r in range(*fmt.span)])
    x = np.concatenate([v, edges, np.nextafter(edges, 99), np.nextafter(edges, -99)])
    assert shape_of(fmt).quantized(x).tolist() == (numfmt.cast(x, fmt, dtype=np.float64) + 0.0).tolist()


def test_numbers_beyond_float32():
    for spec in ("bwn", "twn", "ttq", "lsq3", "inq3", "fit[of=int3]", "lqnet1"):
        with pytest.raises(ValueError, match="larger than float32 holds: scale the data down"):
            numfmt.cast([1e39, -1.5e39, 3e39, 2e38], spec)
    tiny = np.array([1.0, -3.0, 2.0]) * 2.0**-700
    found = quantizers.best_scale(tiny, Levels(np.array([-1.0, 0.0, 1.0])))
    assert (
        found.scale
        == quantizers.best_scale(tiny * 2.0**700, Levels(np.array([-1.0, 0.0, 1.0]))).scale * 2.0**-700
    )


def test_float16_takes_its_largest():
    x = np.float16([60000, 65504, -65504, 65504])
    assert np.isfinite(numfmt.cast(x, "lsq2")).all()
    assert np.abs(numfmt.cast(x, "lsq2")).max() == 65504


def test_nothing_is_learned_from_nan():
    x = np.array([2.0, -2.0] * 50)
    with_nan = np.insert(x, slice(0, 100, 3), np.nan)
    assert numfmt.encode(with_nan, "bwn", nan=0).levels.tolist() == [[-2, 2]]
    row = numfmt.compare(with_nan, "bwn")[0]
    assert row.sqnr_db == np.inf
    assert row.nonfinite == np.isnan(with_nan).mean()


# Optima by trying everything


def test_the_best_threshold():
    rng = np.random.default_rng(3)
    for _ in range(50):
        x = rng.standard_normal(12).round(2)
        errors = [
            np.mean((quantizers.twn(x, r).quantized(x) - x) ** 2)
            for r in np.abs(x[np.abs(x) < np.abs(x).max()]) / np.abs(x).mean() * (1 + 1e-12)
        ]
        best = np.mean((quantizers.twn(x, "best").quantized(x) - x) ** 2)
        assert best <= min(errors) + 1e-15


# Axes, layouts, engines, dtypes


@pytest.mark.parametrize("spec", SPECS)
def test_an_axis_is_slice_by_slice(spec):
    base = numfmt.parse(spec.replace("[axis=0]", "").replace(",axis=0", ""))
    x = DRAWN.T.copy()  # (640, 6)
    whole = base.encode(x, axis=1)
    assert whole.format.axis == 1
    for i in range(6):
        part = base.encode(x[:, i])
        assert (whole.codes[:, i] == part.codes).all()
        assert whole.levels[i].tolist() == part.levels[0].tolist()
    assert np.asarray(whole).tobytes() == numfmt.cast(x, base, axis=-1).tobytes()


@pytest.mark.parametrize("spec", ["kmeans3", "twn[axis=0]", "lqnet2[axis=0]", "inq4"])
def test_layouts_and_engines_do_not_matter(spec):
    wanted = numfmt.encode(DRAWN, spec)
    wide = np.zeros((6, 1280), ">f4")
    wide[:, ::2] = DRAWN
    others = (wide[:, ::2], np.asfortranarray(DRAWN), DRAWN[::-1][::-1], DRAWN.tolist())
    for x in others:
        found = numfmt.encode(x, spec)
        assert found.levels.tobytes() == wanted.levels.tobytes()
        assert found.codes.tobytes() == wanted.codes.tobytes()
    double = DRAWN.astype(np.float64) + 2.0**-40
    wanted64 = numfmt.encode(double, spec)
    for x in (np.asfortranarray(double), double.astype(">f8"), double[:, ::-1][:, ::-1]):
        found = numfmt.encode(x, spec)
        assert found.levels.tobytes() == wanted64.levels.tobytes()
        assert found.codes.tobytes() == wanted64.codes.tobytes()
    for engine in ("reference", "numpy", "kernel"):
        assert numfmt.encode(DRAWN, spec, engine=engine).codes.tobytes() == wanted.codes.tobytes()


def test_dtypes_and_out():
    for dtype in (np.float16, np.float32, np.float64):
        assert numfmt.cast(DRAWN.astype(dtype), "kmeans2").dtype == dtype
    assert numfmt.cast(np.arange(8), "kmeans2").dtype == np.float32
    values = numfmt.cast(DRAWN, "kmeans2", dtype=object)
    assert isinstance(values[0, 0], Fraction)
    out = np.empty_like(DRAWN)
    assert numfmt.cast(DRAWN, "kmeans2", out=out) is out
    x = DRAWN.copy()
    assert numfmt.cast(x, "kmeans2", out=x).tobytes() == out.tobytes()


def test_the_array():
    a = numfmt.encode(DRAWN, "kmeans3[axis=0]")
    assert isinstance(a, LearnedArray)
    assert (a.shape, a.ndim, a.size, a.dtype) == ((6, 640), 2, 3840, np.float32)
    assert a.nbytes == 3840 + 6 * 8 * 4
    assert numfmt.decode(a).tobytes() == np.asarray(a).tobytes() == numfmt.cast(DRAWN, a.format).tobytes()
    assert np.asarray(a, np.float64).dtype == np.float64
    with pytest.raises(TypeError, match="the array is in 'kmeans3"):
        numfmt.decode(a, "bf16")


def test_compare_counts_the_levels():
    row = numfmt.compare(DRAWN, "kmeans4")[0]
    values = numfmt.cast(DRAWN, "kmeans4").astype(np.float64)
    noise = np.sum((values - DRAWN) ** 2)
    assert row.sqnr_db == pytest.approx(10 * np.log10(np.sum(DRAWN.astype(np.float64) ** 2) / noise))
    assert row.bits_per_element == 4 + 16 * 32 / DRAWN.size
    levels = numfmt.encode(DRAWN, "kmeans4").levels
    assert row.overflow == np.mean((levels.max() < DRAWN) | (levels.min() > DRAWN))
    inside = np.abs(values - DRAWN)[(levels.max() >= DRAWN) & (levels.min() <= DRAWN)]
    assert row.max_ulp_error >= 0.5 > inside.max() / np.diff(levels).max() - 1e-6


# Bad input

BAD = {
    "twn": ([0.0, 0.0], "no magnitude is above the threshold 0"),
    "ttq": ([0.0, -0.0], "ttq: no magnitude is above the threshold 0"),
    "kmeans2": ([1.0, 2.0, 2.0], "kmeans"),
    "lloyd1": ([3.0, 3.0], "lloyd_max"),
    "lsq3": ([0.0], "every number is 0"),
    "inq4": ([0.0], "every number is 0"),
    "bwn": ([0.0], "every number is 0"),
    "dorefa2": ([0.0], "every number is 0"),
    "elbfit3": ([0.0], "a number other than 0"),
    "lqnet3": ([1.0, 2.0], "distinct"),
    "lsq4": ([1e-45, 1e-45], "not distinct in float32"),
}


@pytest.mark.parametrize("spec", BAD)
def test_data_that_teach_nothing(spec):
    x, message = BAD[spec]
    with pytest.raises(ValueError, match=message):
        numfmt.encode(x, spec)


@pytest.mark.parametrize("spec", SPECS)
def test_what_no_rule_takes(spec):
    with pytest.raises(ValueError, match="without elements"):
        numfmt.encode(np.empty((2, 0)), spec)
    x = DRAWN.copy()
    x[2, 5] = np.nan
    with pytest.raises(RangeError, match=r"1 of 3840 values is not finite.*first at \(2, 5\).*nan= says"):
        numfmt.encode(x, spec)
    x[2, 5] = np.inf
    with pytest.raises(RangeError, match="Take infinities out"):
        numfmt.encode(x, spec)


def test_nan_becomes_a_number():
    """That of the levels of all others."""
    x = DRAWN.copy()
    x[0, 0] = np.nan
    found = numfmt.encode(x, "kmeans3", nan=0.5)
    others = numfmt.encode(x.reshape(-1)[1:], "kmeans3")
    assert found.levels.tolist() == others.levels.tolist()
    assert found.codes.reshape(-1)[1:].tolist() == others.codes.tolist()
    assert found.codes[0, 0] == np.abs(others.levels[0] - 0.5).argmin()
    with pytest.raises(ValueError, match="give a number"):
        numfmt.cast(x, "kmeans3", nan="max")
    with pytest.raises(ValueError, match="without elements"):
        numfmt.cast([np.nan, np.nan], "kmeans3", nan=0)


@pytest.mark.parametrize(
    "keywords", [{"rounding": "toward_zero"}, {"overflow": "ieee"}, {"scale": 1.0}, {"seed": 1}]
)
def test_keywords_of_other_formats(keywords):
    with pytest.raises(ValueError, match=f"leave {next(iter(keywords))}= out"):
        numfmt.cast(DRAWN, "kmeans3", **keywords)


def test_axes_that_do_not_fit():
    with pytest.raises(ValueError, match="axis=1 conflicts with axis=0"):
        numfmt.cast(DRAWN, "twn[axis=0]", axis=1)
    with pytest.raises(ValueError, match="axis=5: an array of shape"):
        numfmt.cast(DRAWN, "twn", axis=5)
    with pytest.raises(TypeError, match="takes one integer"):
        numfmt.cast(DRAWN, "twn", axis=0.5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kmeans9", "after kmeans stands a number from 1 to 8, got 9"),
        ("elbfit4", "in steps of 2, got 4"),
        ("kmeans4[init=best]", "init is linear or density or random"),
        ("twn[ratio=much]", "ratio is a number or best"),
        ("twn[ratio=e]", "ratio is a number or best"),
        ("ttq[t=..]", "t is a number"),
        ("twn2", "unknown format 'twn2'"),
        ("kmeans", "unknown format 'kmeans'"),
    ],
)
def test_bad_specs(spec, message):
    with pytest.raises(SpecError, match=message):
        numfmt.parse(spec)


def test_what_a_learned_format_has_not():
    with pytest.raises(ValueError, match="comes from the data"):
        numfmt.finfo("kmeans4")
    with pytest.raises(ValueError, match="come from an array"):
        numfmt.explain(0.5, "kmeans4")
