"""The figure of value sets: a tick for each value, none twice."""

import numpy as np
import pytest

import numfmt
from numfmt import plotting


def ticks(ax):
    """Horizontal places of the ticks of each row."""
    return [np.array([segment[0][0] for segment in rows.get_segments()]) for rows in ax.collections]


def test_ticks_are_the_values():
    left, right = plotting.value_sets(["e2m1fn", "int4", "codebook[values=[-2,0.5,1]]"]).axes
    for drawn, spec in zip(ticks(left), ["e2m1fn", "int4", "codebook[values=[-2,0.5,1]]"], strict=True):
        form = numfmt.parse(spec)
        assert np.allclose(np.sort(drawn), [float(v / form.largest) for _, v in form.values()])
    assert np.allclose(np.sort(ticks(right)[2]), np.log10([0.25, 0.5]))
    assert [t.get_text() for t in left.get_yticklabels()] == ["e2m1fn", "int4", "codebook[values=[-2,0.5,1]]"]
    assert [t.get_text() for t in right.texts] == [
        "15 values, 1.1 decades", "16 values, 0.9 decades", "3 values, 0.6 decades",
    ]  # fmt: skip


def test_wide_formats_and_scaled_ones_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'f16' has 16 bits; values of formats of at most 12 are drawn"):
        plotting.value_sets("nf4, f16")
    with pytest.raises(TypeError, match="'mxfp4' is a scaled format"):
        plotting.value_sets("mxfp4")
    with pytest.raises(ValueError, match="its name must end in"):
        plotting.value_sets("nf4", tmp_path / "figure.gif")
