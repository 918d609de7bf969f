"""The best scale of a shape: against a fine search, and against the densities' own."""

import numpy as np
import pytest

import numfmt
from numfmt.learned.table import shape_of
from numfmt.quantizers import Levels, best_scale, density_scale, elb_optimum

SHAPES = ["ternary", "elb7", "apot4", "pot4", "shiftcnn[n=1]", "log3[clip=paper]", "int3", "e2m1fn", "unorm3"]


@pytest.mark.parametrize("spec", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_no_scale_is_better(spec, seed):
    """On a fine grid, by the definition; of boundaries that are no mid-points, nearly none."""
    rng = np.random.default_rng(seed)
    x = rng.laplace(size=40) * (1 if seed % 2 else 1e-5)
    x = np.abs(x) if spec.startswith("unorm") else x
    shape = shape_of(numfmt.parse(spec))
    found = best_scale(x, shape)
    assert found.mse == pytest.approx(np.mean((found.levels.quantized(x) - x) ** 2), rel=1e-9)
    assert found.levels.values == pytest.approx(found.scale * shape.values)
    tried = np.abs(x).max() / np.abs(shape.values).max() * np.geomspace(2, 1 / 128, 60000)
    errors = [
        np.mean((np.float64(a) * shape.quantized(x / a) - x) ** 2)
        for a in [*tried[::40], *found.scale * np.linspace(0.99, 1.01, 801)]
    ]
    assert found.mse <= min(errors) * (1 + 1e-9 if shape.boundaries is None else 1.03)


@pytest.mark.parametrize("spec", ["elb5", "elb7", "apot5", "apot6", "pot4", "int4[symmetric]"])
def test_many_numbers_take_the_scale_of_the_density(spec):
    shape = shape_of(numfmt.parse(spec))
    x = np.random.default_rng(1).standard_normal(1 << 18)
    wanted = density_scale("gauss", shape)
    found = best_scale(x, shape)
    assert found.mse == pytest.approx(wanted.mse, rel=0.02)


def test_integers_have_their_optimum():
    x = np.random.default_rng(2).standard_normal(30)
    allowed = (-2, -1, 0, 1, 2)
    assert best_scale(x, Levels(np.array(allowed, float))).mse == pytest.approx(elb_optimum(x, allowed).error)


def test_fit_as_a_format():
    x = np.random.default_rng(3).standard_normal(500)
    array = numfmt.encode(x, "fit[of=apot4]")
    found = best_scale(x, shape_of(numfmt.parse("apot4")))
    assert array.levels[0] == pytest.approx(found.levels.values, rel=1e-6)
    assert array.bits_per_element == 4 + 32 / 500
    assert str(numfmt.parse("fit[of=fp8_e4m3]")) == "fit[of=e4m3fn]"
    with pytest.raises(numfmt.SpecError, match="of= is needed"):
        numfmt.parse("fit")
    with pytest.raises(ValueError, match="at most 12 bits, got 'bf16'"):
        numfmt.encode(x, "fit[of=bf16]")


@pytest.mark.parametrize("x", [[], [0.0, 0.0], [1.0, np.nan]])
def test_bad_input(x):
    with pytest.raises(ValueError, match="best_scale"):
        best_scale(x, Levels(np.array([-1.0, 1.0])))
