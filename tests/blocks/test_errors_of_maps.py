"""Errors of known size: bitsandbytes' maps on drawn numbers, by the block, and the limits of the library's own tests.

The table was measured in float64 on these very draws, so its printed digits are met; exact quantiles are
taken by another rule than there, and are met to one percent.
"""

import numpy as np
import pytest

import numfmt
from numfmt.formats.codebook_maps import quantile_map

F4 = np.float32
COUNT = 1 << 22
SIZES = (None, 2048, 256)  # one scale for the tensor, or blocks

# data, map: for each size the mean |e|, the mean of |e| / (|x| + 1e-8), and the mean of e**2, as printed
TABLE = {
    ("normal", "linear8"): ".01053 .05024 1.479e-4 | .00712 .03618 6.82e-5 | .00597 .03124 4.84e-5",
    ("normal", "e4m3_bnb"): ".01796 .02256 6.99e-4 | .01793 .02253 6.99e-4 | .01770 .02246 6.75e-4",
    ("normal", "e5m2_bnb"): ".03582 .04490 2.78e-3 | .03572 .04484 2.77e-3 | .03534 .04473 2.70e-3",
    ("normal", "dyn8"): ".01239 .01925 2.79e-4 | .00969 .01664 1.55e-4 | .00853 .01538 1.17e-4",
    ("Laplace", "linear8"): ".03248 .13689 1.41e-3 | .01609 .07891 3.54e-4 | .01201 .06244 2.01e-4",
    ("Laplace", "dyn8"): ".01859 .02516 9.22e-4 | .01518 .02098 4.89e-4 | .01310 .01918 3.37e-4",
    ("outliers", "linear8"): ".31273 .64130 .1304 | .02041 .07247 2.45e-3 | .00772 .03613 3.55e-4",
    ("outliers", "dyn8"): ".02830 .04625 1.97e-3 | .01155 .01933 2.88e-4 | .00880 .01576 1.40e-4",
}
QUANTILES = ".00540 .02412 4.27e-5 | .00503 .01808 8.14e-5 | .00553 .01632 1.44e-4"


@pytest.fixture(scope="module")
def drawn():
    """Of one generator, in this order; one in ten thousand of the outliers is 50 times as large."""
    rng = np.random.default_rng(0)
    normal, laplace, third = rng.standard_normal(COUNT), rng.laplace(size=COUNT), rng.standard_normal(COUNT)
    outliers = np.where(rng.random(COUNT) < 1e-4, 50 * third, third)
    return {"normal": F4(normal), "Laplace": F4(laplace), "outliers": F4(outliers)}


def errors(x, spec):
    x = x.astype(np.float64)
    error = np.abs(numfmt.cast(F4(x), spec) - x)
    return error.mean(), (error / (np.abs(x) + 1e-8)).mean(), np.square(error).mean()


def spelled(of, size):
    return f"block[of={of},scale=f32]" if size is None else f"bnb8[of={of},size={size}]"


def half_a_digit(text):
    """Half a unit of the last digit that is printed."""
    digits, _, power = text.partition("e")
    return 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


@pytest.mark.parametrize(("data", "of"), TABLE)
def test_the_table_of_errors(drawn, data, of):
    for size, printed in zip(SIZES, TABLE[data, of].split("|"), strict=True):
        for found, text in zip(errors(drawn[data], spelled(of, size)), printed.split(), strict=True):
            assert abs(found - float(text)) <= 1.02 * half_a_digit(text), (size, text, found)


def test_quantiles(drawn):
    of = quantile_map(drawn["normal"])
    for size, printed in zip(SIZES, QUANTILES.split("|"), strict=True):
        spec = f"block[of={of},scale=f32{f',size={size},axis=flat' if size else ''}]"
        for found, text in zip(errors(drawn["normal"], spec), printed.split(), strict=True):
            assert found == pytest.approx(float(text), rel=0.01)


def test_what_the_table_says(drawn):
    """A tree has the smaller relative error, equal steps the smaller absolute one where no number is large."""
    found = {(data, of, size): errors(x, spelled(of, size)) for data, x in drawn.items()
             for of in ("linear8", "dyn8") for size in SIZES}  # fmt: skip
    for data in drawn:
        for size in SIZES:
            assert found[data, "dyn8", size][1] < found[data, "linear8", size][1]
    for size in SIZES:
        assert found["normal", "linear8", size][0] < found["normal", "dyn8", size][0]
    assert found["outliers", "linear8", None][0] > 40 * found["outliers", "linear8", 256][0]
    assert found["outliers", "dyn8", None][0] < 4 * found["outliers", "dyn8", 256][0]


LIMITS = [  # bitsandbytes, tests/test_functional.py, test_dynamic_blockwise_quantization
    ("bnb8", "normal", 0.011, 0.018), ("bnb8", "uniform", 0.0036, 0.015), ("bnb8u", "uniform", 0.0023, 0.012),
]  # fmt: skip


@pytest.mark.parametrize("size", [64, 128, 256, 512, 1024, 2048, 4096])
@pytest.mark.parametrize(("name", "data", "absolute", "relative"), LIMITS)
def test_limits_of_the_library(name, data, absolute, relative, size):
    rng = np.random.default_rng(1)
    x = F4(rng.standard_normal(1 << 20) if data == "normal" else rng.random(1 << 20))
    found = errors(x, f"{name}[size={size}]")
    assert found[0] < absolute
    assert found[1] < relative
