"""The figure of bit allocation: its line is the curve of `allocate`, its steps are the corners of the hull."""

from itertools import pairwise

import numpy as np
import pytest

from numfmt import plotting
from numfmt.allocation import allocate, sensitivities
from numfmt.plotting.budgets import hull

RNG = np.random.default_rng(3)
TENSORS = {"$a$": RNG.standard_normal((8, 64)), "b": 9 * np.exp(RNG.standard_normal((8, 32)))}
FORMATS = [f"int{bits}[calibrate=absmax]" for bits in range(2, 9)]
TABLE = sensitivities(TENSORS, FORMATS)
COUNT = 8 * 96


@pytest.mark.parametrize("weights", [None, {"b": 0.01}])
def test_the_line_is_the_curve_and_points_are_formats(weights):
    left, right = plotting.allocation(TABLE, weights=weights).axes
    found = allocate(TABLE, 10**6, weights=weights)
    line, points = left.lines
    for drawn, expected in ((line, found.curve), (points, found.uniform.values())):
        assert list(drawn.get_xdata()) == [point.bits / COUNT for point in expected]
        assert list(drawn.get_ydata()) == [point.error for point in expected]
    assert [text.get_text() for text in left.texts] == [spec.partition("[")[0] for spec in FORMATS]
    assert [text.get_text() for text in right.get_legend().get_texts()] == [r"\$a\$", "b"]


def test_steps_are_what_tensors_get():
    _, right = plotting.allocation(TABLE).axes
    budgets = list(right.lines[0].get_xdata())
    assert budgets == list(right.lines[1].get_xdata())
    assert budgets[0] == TABLE[0].bits_per_element * 512 / COUNT + TABLE[7].bits_per_element * 256 / COUNT
    for i, budget in enumerate(budgets):
        best = allocate(TABLE, round(budget * COUNT)).choice
        assert [line.get_ydata()[i] for line in right.lines] == [row.bits_per_element for row in best]


@pytest.mark.parametrize("seed", range(20))
def test_the_hull_is_below_all_points_and_convex(seed):
    rng = np.random.default_rng(seed)
    x = np.unique(rng.integers(0, 50, 12))
    y = np.sort(rng.integers(0, 100, x.size))[::-1]
    corners = hull(x.tolist(), y.tolist())
    assert (corners[0], corners[-1]) == (0, x.size - 1)
    assert (np.interp(x, x[corners], y[corners]) <= y + 1e-12).all()
    slopes = np.diff(y[corners]) / np.diff(x[corners])
    assert all(a < b for a, b in pairwise(slopes))


def test_tensors_that_lose_nothing():
    assert len(plotting.allocation(sensitivities([1.0, 2.0], "f16, bf16")).axes) == 2


def test_a_figure_is_written(tmp_path):
    plotting.allocation(TABLE, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_a_wrong_path_is_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(ValueError, match="its name must end in"):
        plotting.allocation(TABLE, tmp_path / "figure.gif")
