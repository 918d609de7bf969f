"""The figures of blocks: points are the columns of `compare`, curves the errors of the spared elements."""

import numpy as np
import pytest

import numfmt
from numfmt import plotting
from numfmt.plotting.blocks import CURVES, SIZES, _apart, _group

RNG = np.random.default_rng(3)
TENSORS = {"$a$": RNG.standard_normal((8, 64)), "b": np.exp(RNG.standard_normal((8, 64)))}
FORMATS = ["bf16", "mxfp4", "mx6", "int4[size=32,axis=-1]", "deepseek_128x128", "flex16+5", "int8[axis=0]"]


def points(ax):
    """The points of a panel, the dashed line left out."""
    drawn = [line for line in ax.lines if line.get_linestyle() != "--"]
    return {(x, y) for line in drawn for x, y in zip(*line.get_data(), strict=True)}


def test_points_are_the_columns_of_compare():
    figure = plotting.bits_against_error(TENSORS, FORMATS)
    *panels, names = figure.axes
    table = numfmt.compare(TENSORS, FORMATS)
    for tensor, ax in zip(TENSORS, panels, strict=True):
        assert points(ax) == {(r.bits_per_element, r.sqnr_db) for r in table if r.tensor == tensor}
        assert sorted(t.get_text() for t in ax.texts) == sorted(str(i + 1) for i in range(len(FORMATS)))
    written = [t.get_text() for t in names.texts]
    assert all(fmt in written for fmt in FORMATS)
    assert panels[0].get_title("left") == r"\$a\$"


def test_the_line_goes_through_the_best_point():
    ax = plotting.bits_against_error(TENSORS["b"], FORMATS).axes[0]
    line = next(line for line in ax.lines if line.get_linestyle() == "--")
    x, y = line.get_data()
    above = [dB - np.interp(bits, x, y) for bits, dB in points(ax)]
    assert max(above) == pytest.approx(0, abs=1e-9)
    assert np.diff(y) / np.diff(x) == pytest.approx(6.0206, abs=1e-4)


def test_formats_are_grouped_by_their_scales():
    groups = dict(zip(FORMATS, map(_group, map(numfmt.parse, FORMATS)), strict=True))
    assert groups == {
        "bf16": 0, "mxfp4": 1, "mx6": 2, "int4[size=32,axis=-1]": 3, "deepseek_128x128": 3, "flex16+5": 0,
        "int8[axis=0]": 0,
    }  # fmt: skip


def test_labels_are_moved_apart():
    x, y = np.array([4.0, 4.1, 4.2, 16.0]), np.array([10.0, 10.0, 10.5, 10.0])
    placed = _apart(x, y, 2.0)
    assert (np.diff(np.sort(placed[:3])) > 2 - 1e-3).all()
    assert placed[3] == 10


def test_curves_of_outliers_are_those_of_the_spared_elements():
    upper, lower = plotting.outlier_in_blocks(outlier=32.0, one_in=512).axes
    assert len(upper.lines) == 2 * len(CURVES)
    struck, clean = (np.array(line.get_ydata()) for line in upper.lines[:2])
    assert (struck <= clean + 1e-6).all()
    assert clean[-1] - struck[-1] > 15  # int8 loses log2(32 / 4) bits or so
    assert list(lower.lines[0].get_ydata())[:2] == [100 * 4 / 512, 100 * 8 / 512]
    assert max(lower.lines[0].get_ydata()) == 100
    assert tuple(upper.lines[0].get_xdata()) == SIZES


def test_a_wrong_path_is_refused_before_anything_is_drawn(tmp_path):
    for draw in (lambda p: plotting.bits_against_error([1.0], "mxfp4", p), plotting.outlier_in_blocks):
        with pytest.raises(ValueError, match="its name must end in"):
            draw(tmp_path / "figure.gif")
