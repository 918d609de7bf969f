"""Published and recomputed constants of the normal, Laplace and uniform densities, to their last printed digit."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

import numfmt
from numfmt.quantizers import (
    Levels,
    density_binary,
    density_error,
    density_levels,
    density_scale,
    density_step,
    density_ternary,
    lloyd_max,
    logarithmic_levels,
)
from numfmt.quantizers.densities import DENSITIES

ROOT3 = math.sqrt(3)
FUNCTIONS = {
    "gauss": lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "laplace": lambda x: np.exp(-math.sqrt(2) * abs(x)) / math.sqrt(2),
    "uniform": lambda x: (abs(x) < ROOT3) / (2 * ROOT3),
}

# levels: error of the best ones; step of the best uniform ones, error of these. The laws are log-concave.
BEST = {
    "gauss": {
        2: (".3633802", "1.595769", ".3633802"),
        4: (".1174818", ".995687", ".1188461"),
        8: (".03454776", ".586019", ".03743966"),
        16: (".009501008", ".335201", ".01154288"),
        32: (".002504668", ".188139", ".003495211"),
        64: ("6.442397e-4", ".104063", "1.040045e-3"),
        128: ("1.634782e-4", ".056868", "3.043328e-4"),
        256: ("4.118508e-5", ".030762", "8.768619e-5"),
        5: (".079941", ".84299", ".082178"),
        7: (".044000", ".65077", ".046860"),
        15: (".010737", ".35341", ".012889"),
    },
    "laplace": {
        2: (".5000000", "1.414214", ".5000000"),
        4: (".1761949", "1.087393", ".1963023"),
        8: (".05447599", ".730933", ".07174780"),
        16: (".01537253", ".460995", ".02535097"),
        32: (".004102180", ".279989", ".008713221"),
        64: ("1.060952e-3", ".165681", "2.913431e-3"),
        128: ("2.698738e-4", ".096099", "9.485970e-4"),
        256: ("6.806174e-5", ".054844", "3.014203e-4"),
        5: (".119806", "1.02454", ".132997"),
        7: (".068088", ".82175", ".083087"),
        15: (".017293", ".48688", ".027395"),
    },
}

# law, levels: those above 0; the boundaries above 0
PLACES = [
    ("gauss", 3, "1.22401", ".61200"),
    ("gauss", 4, ".452780 1.510418", ".981599"),
    ("gauss", 8, ".245094 .756005 1.343909 2.151946", ".500550 1.049957 1.747927"),
    (
        "gauss",
        16,
        ".128395 .388048 .656759 .942340 1.256231 1.618046 2.069017 2.732590",
        ".258222 .522404 .799550 1.099286 1.437139 1.843532 2.400803",
    ),
    ("laplace", 3, "1.41421", ".70711"),
    ("laplace", 4, ".419756 1.833969", "1.126863"),
    ("laplace", 8, ".233401 .832962 1.672473 3.086687", ".533181 1.252718 2.379580"),
]

# law: the best ternary D, D / E|x|, a, error; at 0.7 E|x| D, a, error; at 0.75 E|x| error; binary a, error
SMALLEST = {
    "gauss": (
        (".612003", ".767032", "1.224006", ".190174"), (".558519", "1.184161", ".191625"), ".190268",
        (".797885", ".363380"),
    ),
    "laplace": (
        (".707107", "1.000000", "1.414214", ".264241"), (".494975", "1.202082", ".282434"), ".276689",
        (".707107", ".500000"),
    ),
    "uniform": (
        (".577350", ".666667", "1.154701", ".111111"), (".606218", "1.169134", ".111531"), ".113770",
        (".866025", ".250000"),
    ),
}  # fmt: skip

APOT = {  # magnitude bits: numerators, the last of which is the denominator
    2: "0 1 2 4",
    3: "0 1 2 3 4 6 8 10",
    4: "0 1 2 3 4 6 8 9 12 16 18 24 32 33 36 48",
    5: "0 1 2 3 4 5 6 7 8 10 12 14 16 17 20 21 24 28 32 34 36 38 48 52 64 65 68 69 72 76 96 100",
}


def mirrored(magnitudes):
    positive = sorted(v for v in magnitudes if v)
    return np.array([-v for v in positive[::-1]] + [0.0] + positive)


def apot(bits):
    numbers = [float(n) for n in APOT[bits - 1].split()]
    return mirrored([n / numbers[-1] for n in numbers])


def pot(bits):
    return mirrored([2.0**-i for i in range(2 ** (bits - 1) - 1)])


def uniform(bits):
    return mirrored(np.arange(2 ** (bits - 1)) / (2 ** (bits - 1) - 1))


# shape with the top level 1: law: error with the best top level, that level, error at the top level 3
SHAPES = {
    "ELB 1": (mirrored([1.0]), {"gauss": (".190174", "1.224006"), "laplace": (".264241", "1.414214")}),
    "ELB 2": (mirrored([1.0, 2.0]), {"gauss": (".082178", ".842986"), "laplace": (".132997", "1.024544")}),
    "ELB 4": (mirrored([1.0, 2.0, 4.0]), {"gauss": (".047560", ".518127"), "laplace": (".070682", ".691454")}),
    "ELB 8": (mirrored([1.0, 2.0, 4.0, 8.0]), {"gauss": (".039875", ".290049"), "laplace": (".047498", ".442702")}),
    "APoT 3": (apot(3), {"gauss": (".047560", "2.0725", ".0612"), "laplace": (".070682", "2.7658")}),
    "APoT 4": (apot(4), {"gauss": (".012100", "2.6279", ".012872"), "laplace": (".020380", "3.8382")}),
    "APoT 5": (apot(5), {"gauss": (".006005", "3.3577", ".006132"), "laplace": (".006860", "5.7180")}),
    "APoT 6": (apot(6), {"gauss": (".001890", "6.9106", ".0028"), "laplace": (".002218", "7.7816")}),
    "uniform 3": (uniform(3), {"gauss": (".046860", "1.9523"), "laplace": (".083087",)}),
    "uniform 4": (uniform(4), {"gauss": (".012889", "2.4739"), "laplace": (".027395",)}),
    "uniform 5": (uniform(5), {"gauss": (".003693", "2.8987"), "laplace": (".009085",)}),
    "uniform 6": (uniform(6), {"gauss": (".001069", "3.2701"), "laplace": (".002980",)}),
    "PoT 4": (pot(4), {"gauss": (".037745", "4.1936"), "laplace": (".038301", "6.2387")}),
    "PoT 5": (pot(5), {"gauss": (".037729",), "laplace": (".038194", "13.7004")}),
}  # fmt: skip

# law, log2 of the largest magnitude, levels in an octave, bits: error
LOGARITHMIC = [
    ("gauss", 0, 1, 3, ".158723"),
    ("gauss", 1, 1, 3, ".043570"),
    ("gauss", 2, 1, 3, ".041249"),
    ("gauss", 2, 1, 4, ".041248"),
    ("gauss", 2, 1, 5, ".041248"),
    ("gauss", 2, 2, 3, ".014218"),
    ("gauss", 2, 2, 4, ".010117"),
    ("gauss", 2, 2, 5, ".010116"),
    ("laplace", 3, 1, 3, ".041754"),
    ("laplace", 3, 1, 4, ".041741"),
    ("laplace", 3, 2, 4, ".010134"),
]


def printed(text):
    """The number, to half a unit of its last digit."""
    digits, _, exponent = text.partition("e")
    places = len(digits.partition(".")[2])
    return pytest.approx(float(text), rel=0, abs=0.501 * 10.0 ** (int(exponent or 0) - places))


def integral(f, edges, count=4000):
    """Gauss's rule of five points on many pieces of each cell."""
    points, weights = np.polynomial.legendre.leggauss(5)
    total = 0.0
    for low, high in itertools.pairwise(edges):
        cuts = np.linspace(low, high, count + 1)
        half = np.diff(cuts)[:, None] / 2
        total += float((f(cuts[:-1, None] + half * (1 + points)) * weights * half).sum())
    return total


def integrated_error(law, levels, edges):
    reach = ROOT3 if law == "uniform" else 45.0
    inner = np.clip(np.unique([*edges, 0.0]), -reach, reach)
    codes = Levels(np.asarray(levels), np.asarray(edges), "down")
    return integral(lambda x: (x - codes.quantized(x)) ** 2 * FUNCTIONS[law](x), [-reach, *inner, reach])


@pytest.mark.parametrize("law", BEST)
@pytest.mark.parametrize("k", BEST["gauss"])
def test_the_best_levels_and_the_best_steps(law, k):
    error, step, uniform_error = BEST[law][k]
    assert density_levels(law, k).mse == printed(error)
    found = density_step(law, k)
    assert (found.scale, found.mse) == (printed(step), printed(uniform_error))
    assert found.levels.values == pytest.approx(found.scale * (np.arange(k) - (k - 1) / 2))


@pytest.mark.parametrize(("law", "k", "levels", "boundaries"), PLACES)
def test_where_the_best_levels_lie(law, k, levels, boundaries):
    values = density_levels(law, k).levels.values
    assert values[-(k // 2) :].tolist() == [printed(v) for v in levels.split()]
    middles = (values[1:] + values[:-1]) / 2
    assert middles[middles > 1e-9].tolist() == [printed(v) for v in boundaries.split()]
    assert (values == -values[::-1]).all()


def test_the_misprints_of_max_are_near():
    """J. Max, 1960, table I: 16 and 32 levels; the true values are in the fourth digit above."""
    for k, misprint, true in ((16, 0.009497, 0.0095010), (32, 0.002499, 0.0025047)):
        error = density_levels("gauss", k).mse
        assert error == pytest.approx(misprint, abs=1e-5)
        assert error == pytest.approx(true, abs=1e-7)
        assert error != pytest.approx(misprint, abs=1e-6)


@pytest.mark.parametrize("law", SMALLEST)
def test_ternary_and_binary(law):
    (threshold, ratio, a, error), twn, other, (binary, binary_error) = SMALLEST[law]
    best, mean = density_ternary(law), density_binary(law).scale
    assert best.levels.boundaries[1] == printed(threshold)
    assert (best.levels.boundaries[1] / mean, best.scale, best.mse) == (
        printed(ratio),
        printed(a),
        printed(error),
    )
    fixed = density_ternary(law, 0.7)
    assert [fixed.levels.boundaries[1], fixed.scale, fixed.mse] == [printed(v) for v in twn]
    assert density_ternary(law, 0.75).mse == printed(other)
    assert (mean, density_binary(law).mse) == (printed(binary), printed(binary_error))


@pytest.mark.parametrize(("name", "law"), [(name, law) for name, (_, laws) in SHAPES.items() for law in laws])
def test_shapes_of_levels_with_their_best_scale(name, law):
    shape, laws = SHAPES[name]
    error, top, at_three = (*laws[law], None, None)[:3]
    found = density_scale(law, shape)
    assert found.mse == printed(error)
    assert top is None or found.scale == printed(top)
    assert at_three is None or density_error(law, 3 * shape) == printed(at_three)


def test_the_best_of_several_scales_is_found():
    """Five-bit powers of two on Laplace data have a minimum at 7.180 too, of .038197."""
    near = [density_error("laplace", scale * pot(5)) for scale in (7.1, 7.18, 7.26)]
    assert near[1] == printed(".038197")
    assert near[1] < min(near[0], near[2])
    assert density_scale("laplace", pot(5)).mse < near[1]


@pytest.mark.parametrize(("law", "full_scale", "steps", "bits", "error"), LOGARITHMIC)
def test_logarithmic_levels(law, full_scale, steps, bits, error):
    assert density_error(law, logarithmic_levels(bits, full_scale, steps)) == printed(error)


@pytest.mark.parametrize(("steps", "base"), [(1, "2"), (2, "sqrt2")])
@pytest.mark.parametrize(("bits", "full_scale"), [(1, 0), (3, 0), (3, -5), (5, 2)])
def test_logarithmic_levels_are_those_of_the_format(bits, full_scale, steps, base):
    levels = logarithmic_levels(bits, full_scale, steps)
    near = np.concatenate([levels.values, levels.boundaries])
    x = np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf), [-9e9, 9e9]])
    expected = numfmt.cast(x, f"log{bits}[base={base},fsr={full_scale}]")
    assert levels.quantized(x).tolist() == np.asarray(expected, np.float64).tolist()
    assert levels.quantized(np.array([0.0, 5e-324])).tolist() == [0.0, 2.0 ** (full_scale - 2**bits / steps)]


def test_apot_loses_to_uniform_levels_on_gaussian_data_at_5_and_6_bits():
    better = {
        b: density_scale("gauss", apot(b)).mse < density_scale("gauss", uniform(b)).mse for b in (4, 5, 6)
    }
    assert better == {4: True, 5: False, 6: False}


@pytest.mark.parametrize("law", DENSITIES)
def test_formulas_are_the_integrals(law):
    density = DENSITIES[law]
    top = ROOT3 if law == "uniform" else 40.0
    for b in (0.0, 0.3, 1.0, 1.7):
        assert density.mass(b) == pytest.approx(integral(FUNCTIONS[law], [b, top]), rel=1e-10)
        moment = integral(lambda x: x * FUNCTIONS[law](x), [b, top])
        assert density.moment(b) == pytest.approx(moment, rel=1e-10)
        assert density.at(b) == pytest.approx(float(FUNCTIONS[law](b)), rel=1e-14)
    third = lambda x: FUNCTIONS[law](x) ** (1 / 3)  # noqa: E731
    whole = integral(third, [0.0, ROOT3 if law == "uniform" else 120.0])
    for part in (0.1, 0.5, 0.9):
        assert integral(third, [0.0, density.companded(part)]) == pytest.approx(part * whole, rel=1e-9)


@pytest.mark.parametrize("law", DENSITIES)
def test_errors_of_any_levels_are_the_integrals(law):
    rng = np.random.default_rng(3)
    for k in (1, 2, 5, 9):
        values = np.sort(rng.normal(size=k))
        edges = np.sort(rng.normal(size=k - 1))
        assert density_error(law, Levels(values, edges)) == pytest.approx(
            integrated_error(law, values, edges), rel=1e-9
        )
        middles = (values[1:] + values[:-1]) / 2
        assert density_error(law, values.tolist()) == pytest.approx(
            integrated_error(law, values, middles), rel=1e-9
        )


@pytest.mark.parametrize("law", DENSITIES)
@pytest.mark.parametrize("k", [2, 3, 6, 7, 11, 64, 255, 1000])
def test_the_best_levels_are_the_centroids_of_their_cells(law, k):
    values, density = density_levels(law, k).levels.values, DENSITIES[law]
    edges = (values[1:] + values[:-1]) / 2
    edges = edges[edges > 1e-9] if k % 2 else np.append(0.0, edges[edges > 1e-9])
    mass = -np.diff([density.mass(b) for b in edges], append=0)
    moment = -np.diff([density.moment(b) for b in edges], append=0)
    assert values[-(k // 2) :] == pytest.approx(moment / mass, rel=1e-9)
    assert (np.diff(values) > 0).all()


@pytest.mark.parametrize("law", DENSITIES)
def test_no_level_moves_for_the_better(law):
    rng = np.random.default_rng(6)
    for found in (density_levels(law, 6), density_levels(law, 7)):
        for _ in range(20):
            moved = found.levels.values * (1 + rng.normal(size=found.levels.values.size) * 1e-3)
            assert density_error(law, moved) >= found.mse - 1e-15


@pytest.mark.parametrize("law", DENSITIES)
@pytest.mark.parametrize(
    "shape", [apot(4), pot(4), pot(5), np.arange(-8.0, 8.0), mirrored([1.0, 2.0, 4.0, 8.0])]
)
def test_no_other_scale_is_better(law, shape):
    found = density_scale(law, shape)
    tried = [density_error(law, s * shape) for s in np.geomspace(found.scale / 30, found.scale * 30, 700)]
    assert found.mse <= min(tried) + 1e-15


def test_boundaries_scale_with_their_levels():
    shape = logarithmic_levels(3)
    found = density_scale("gauss", shape)
    assert found.levels.boundaries == pytest.approx(shape.boundaries * found.scale)
    tried = [
        density_error("gauss", shape._replace(values=shape.values * s, boundaries=shape.boundaries * s))
        for s in np.linspace(0.5, 8, 400)
    ]
    assert found.mse <= min(tried)


def test_uniform_data_want_equal_steps():
    for k in (2, 5, 16, 255):
        found = density_levels("uniform", k)
        assert found.levels.values == pytest.approx((2 * np.arange(k) + 1 - k) * ROOT3 / k, abs=1e-12)
        assert found.mse == pytest.approx(1 / k**2, rel=1e-9)


def test_learned_levels_come_near():
    x = [NormalDist().inv_cdf((i + 0.5) / 50_000) for i in range(50_000)]
    for k in (2, 3, 8):
        found = density_levels("gauss", k)
        assert lloyd_max(x, k, tolerance=1e-12).levels.values == pytest.approx(found.levels.values, abs=3e-3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: density_levels("cauchy", 4), "one of gauss, laplace, uniform; got 'cauchy'"),
        (lambda: density_levels("gauss", 1), "k is an integer from 2 to 4096, got 1"),
        (lambda: density_levels("gauss", 4097), "2 to 4096, got 4097"),
        (lambda: density_step("gauss", 2.5), "got 2.5"),
        (lambda: density_error("gauss", [1.0, 1.0]), "finite numbers that rise"),
        (lambda: density_error("gauss", [0.0, math.nan]), "finite numbers that rise"),
        (lambda: density_error("gauss", []), "finite numbers that rise"),
        (lambda: density_scale("gauss", [1.0]), "two levels or more"),
        (lambda: density_ternary("uniform", 2.1), "no part of 'uniform' beyond"),
        (lambda: density_ternary("gauss", 0.0), "or all"),
        (lambda: density_ternary("gauss", math.nan), "or all"),
        (lambda: logarithmic_levels(0), "bits is an integer from 1 to 8"),
        (lambda: logarithmic_levels(8), "more than float32 holds"),
        (lambda: logarithmic_levels(3, 0, 3), "1 to 2, got 3"),
        (lambda: logarithmic_levels(9), "1 to 8, got 9"),
        (lambda: logarithmic_levels(3, 0, 0), "steps is an integer from 1 to 2"),
    ],
)
def test_bad_input(call, error):
    with pytest.raises(ValueError, match=error):
        call()
