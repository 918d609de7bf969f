"""The figures: bars where the ranges end, curves at the worst error, and no label upon another."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import numfmt
from numfmt import plotting
from numfmt.plotting.errors import largest_errors, steps
from numfmt.plotting.paper import look
from numfmt.plotting.tally import tallies
from numfmt.training import Epoch, StateEpoch, StateTraining, Training

TWELVE = "f32, f16, bf16, tf32, e5m2, e4m3fn, e3m4, e4m3fnuz, e3m2fn, e2m3fn, e2m1fn, e8m0fnu"
PLOTS = Path(__file__).parents[1] / "plots"
X = np.random.default_rng(1).standard_normal(4000).astype(np.float32)
ONE = {"x": X}
SIX = ONE | {"model.layers.0.self_attn.q_proj.weight": X * 1e-9, "$zeros$": np.zeros(3)}
SIX |= {"bad": np.array([np.nan, np.inf, 1.0]), "empty": np.zeros(0), "large": X * 1e6}


def bars(figure):
    return {
        (round(b.get_x(), 6), round(b.get_x() + b.get_width(), 6)) for a in figure.axes for b in a.patches
    }


def texts(figure):
    """What is written, with its window extents."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    written = [t for ax in figure.axes for t in _written(ax) if t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in written]


def _written(ax):
    yield from ax.texts
    yield ax._left_title
    if ax.get_legend():
        yield from ax.get_legend().get_texts()
    for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
        yield axis.label
        low, high = sorted(axis.get_view_interval())
        ticks = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
        yield from (t.label1 for t in ticks if t.label1.get_visible())


@pytest.mark.parametrize("draw", [plotting.dynamic_range, plotting.relative_error, plotting.comparison])
@pytest.mark.parametrize("tensors", [ONE, SIX], ids=["one", "six"])
@pytest.mark.parametrize("formats", ["f16, bf16", TWELVE], ids=["two", "twelve"])
def test_no_label_lies_on_another_or_outside(draw, tensors, formats):
    figure = draw(tensors, formats)
    found = texts(figure)
    assert len(found) > 8
    for (a, box), (b, other) in combinations(found, 2):
        assert not box.padded(-0.5).overlaps(other.padded(-0.5)), (a, b)
    for text, box in found:
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text


@pytest.mark.parametrize(
    ("fmt", "low", "normal", "high"),
    [
        ("f16", -24, -14, np.log2(65504)),
        ("e4m3fn", -9, -6, np.log2(448)),
        ("bf16", -133, -126, np.log2(float(numfmt.parse("bf16").max))),
    ],
)
def test_bars_end_where_the_format_ends(fmt, low, normal, high):
    found = bars(plotting.dynamic_range(ONE, fmt))
    assert (low, normal) in found
    assert (normal, round(float(high), 6)) in found


def test_histograms_count_binades():
    figure = plotting.dynamic_range([1.0, 1.5, -1.99, 2.0, 0.0], "f16")
    heights = {b.get_x(): b.get_height() for b in figure.axes[0].patches}
    assert heights == {0: pytest.approx(0.6), 1: pytest.approx(0.2)}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int64])
def test_exponents_are_those_of_every_dtype(dtype):
    x = np.arange(1, 9).astype(dtype)[::-1]
    assert tallies(x, [])[0].exponents == {0: 1, 1: 2, 2: 4, 3: 1}


def test_shares_outside_a_format():
    formats = [numfmt.parse("e4m3fn"), numfmt.parse("e8m0fnu")]
    tally = tallies([448.0, 449.0, -449.0, 2.0**-10, 0.0, np.nan, np.inf, 1.0], formats)[0]
    assert (tally.finite, tally.zeros, tally.specials) == (6, 1, 2)
    assert tally.shares(0) == (1 / 6, 2 / 6, 0)
    assert tally.shares(1) == (0, 0, 1 / 6)


def test_many_tensors_become_nine_at_most():
    found = tallies({str(i): [2.0**i] for i in range(20)}, [])
    assert [t.name for t in found] == ["0", "1", "2", "3", "4", "5", "6", "13 others"]
    assert found[-1].finite == 13


@pytest.mark.parametrize(("fmt", "p"), [("f32", 24), ("f16", 11), ("bf16", 8), ("e4m3fn", 4), ("e5m2", 3)])
def test_the_worst_error_of_a_binade_is_that_of_its_first_tie(fmt, p):
    u = 2.0**-p
    assert largest_errors(numfmt.parse(fmt), -2, 3) == pytest.approx(np.full(5, u / (1 + u)), rel=1e-12)


def test_subnormal_values_lose_precision_and_then_all():
    errors = largest_errors(numfmt.parse("f16"), -27, -20)
    assert errors[:3] == pytest.approx([1, 1, 1])  # 2**-25 is the tie below the smallest value
    assert errors[3:] == pytest.approx([1 / 3, 1 / 5, 1 / 9, 1 / 17])


def test_a_curve_ends_at_the_largest_value():
    x, y = steps(numfmt.parse("e4m3fn"), -20, 20)
    assert x[0] == -10
    assert x[-1] == np.log2(448)
    assert y[-2] == 0


def test_a_format_that_holds_every_float64_has_no_curve():
    _, y = steps(numfmt.parse("f64"), -20, 20)
    assert np.isnan(y).all()
    assert plotting.relative_error(None, "f64").axes


@pytest.mark.parametrize("spec", ["e8m0fnu", "e5m2b-20", "binary8p1se", "e4m3fn[subnormals=off]", "f64"])
@pytest.mark.parametrize("x", [[], [0.0], [np.nan, np.inf], [1.0], [5e-324, 1.7e308]], ids=str)
def test_odd_formats_and_odd_data_can_be_drawn(spec, x):
    texts(plotting.comparison(x, spec))


HEAVY = np.append(X, [40.0, np.nan, 0.0]).astype(np.float32)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("methods", [None, list(numfmt.calibration.METHODS)], ids=["seven", "all"])
def test_no_label_of_thresholds_lies_on_another(bits, methods):
    figure = plotting.thresholds({"model.layers.0.mlp.act": HEAVY}, bits=bits, methods=methods)
    found = texts(figure)
    assert len(found) > 40
    for (a, box), (b, other) in combinations(found, 2):
        assert not box.padded(-0.5).overlaps(other.padded(-0.5)), (a, b)
    for text, box in found:
        assert min(box.x0, box.y0) >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text


def test_thresholds_are_drawn_where_they_are():
    figure = plotting.thresholds(HEAVY, bits=4, methods="absmax,mse")
    rows = numfmt.calibration.compare_thresholds(HEAVY, 4, "absmax,mse")
    marks = [line.get_xydata()[0].tolist() for line in figure.axes[4].lines if len(line.get_xdata()) == 1]
    assert marks == [[np.log2(row.threshold), np.log2(row.rms_error)] for row in rows]
    total = next(line for line in figure.axes[4].lines if line.get_label() == "both")
    for mark in marks:
        assert np.interp(mark[0], *total.get_data()) == pytest.approx(mark[1], abs=0.02)
    lines = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert lines == [mark[0] for mark in marks]
    assert "buys" in " ".join(text for text, _ in texts(figure))


@pytest.mark.parametrize("x", [[1.0], [5e-324], [5e-324, 1.7e308], [1.0, -1.0, 0.0], np.arange(9)], ids=str)
def test_thresholds_of_odd_data_can_be_drawn(x):
    texts(plotting.thresholds(x))


@pytest.mark.parametrize(
    ("x", "options", "text"),
    [
        ({"a": [1.0], "b": [2.0]}, {}, "shows one tensor, got 2"),
        ([0.0, 0.0], {}, "every element is 0"),
        ([], {}, "no finite element"),
        ([1.0], {"bits": 1}, "from 2 to 16"),
        ([1.0], {"path": "t.gif"}, "its name must end in"),
    ],
)
def test_thresholds_refuse(x, options, text):
    with pytest.raises(ValueError, match=text):
        plotting.thresholds(x, **options)


def test_each_threshold_has_its_letter_and_colour():
    """As many methods as there are by default: in the histogram, in the list and on the curve."""
    figure = plotting.thresholds(HEAVY, bits=4)
    histogram, _, strip, _, errors, _ = figure.axes
    names = [label.get_text() for label in strip.get_yticklabels()]
    assert [name.split("  ")[1] for name in names] == list("abcdefg")
    for ax in (histogram, errors):
        letters = " ".join(text.get_text() for text in ax.texts)
        assert sorted(letters.split()) == list("abcdefg")
    assert len({line.get_color() for line in histogram.lines}) == 7


RUNS = Training(
    tuple(
        Epoch(
            network=network, policy=policy, weights="f16", activations="f16", gradients="f16", master="",
            seed=seed, epoch=epoch, loss=1.0, accuracy=accuracy, underflow=share, overflow=0.0, nonfinite=0.0,
            steps=1, skipped=0, loss_scale=1.0,
        )
        for network in ("mlp", "convolution")
        for policy, accuracies, share in (("$a$", (0.1, 0.9, 1.0), 0.0), ("a very long name of a policy", (0.5,) * 3, 0.5))
        for seed, more in ((0, 0.0), (1, 0.05))
        for epoch, accuracy in enumerate((a - more for a in accuracies), 1)
    )
)  # fmt: skip


@pytest.mark.parametrize("runs", [RUNS, Training(RUNS[:1].rows)], ids=["two networks", "one epoch"])
def test_no_label_of_training_lies_on_another(runs):
    figure = plotting.training(runs)
    found = texts(figure)
    assert len(found) > 15
    for (a, box), (b, other) in combinations(found, 2):
        assert not box.padded(-0.5).overlaps(other.padded(-0.5)), (a, b)
    for text, box in found:
        assert min(box.x0, box.y0) >= -1, text
        assert max(box.x1 - figure.bbox.x1, box.y1 - figure.bbox.y1) <= 1, text


def test_curves_of_training_are_means_over_seeds():
    accuracy, underflow, *_ = plotting.training(RUNS).axes
    assert [line.get_label() for line in accuracy.lines] == [r"\$a\$", "a very long name of a policy"]
    assert accuracy.lines[0].get_ydata() == pytest.approx([0.925, 0.125, 0.025])
    assert [list(line.get_ydata()) for line in underflow.lines] == [[0.0] * 3, [0.5] * 3]
    assert accuracy.lines[0].get_xdata().tolist() == [1, 2, 3]
    low, high = accuracy.get_ylim()
    assert low == 1 > high
    faultless = plotting.training(Training((replace(RUNS[0], accuracy=1.0),))).axes[0]
    assert faultless.lines[0].get_ydata().tolist() == [0.001]


@pytest.mark.parametrize("runs", [[], Training(()), RUNS.outcomes(), None])
def test_training_draws_runs_alone(runs):
    with pytest.raises(TypeError, match=r"runs that numfmt\.training\.compare_training returns"):
        plotting.training(runs)


STATES = StateTraining(
    tuple(
        StateEpoch(
            network=network, states=states, m="f32", v="f32", seed=seed, epoch=epoch, steps=43 * epoch,
            loss=loss * (seed + 1) / epoch, accuracy=0.5, m_error=error, v_error=error, update_error=3 * error, lost=0.1,
            largest=loss, skipped=0,
        )
        for network in ("mlp", "embedding")
        for states, loss, error in (("$f32$", 1.0, 0.0), ("linear", np.nan, 1.0), ("dynamic blocks cpu", 1e30, 1e12))
        for seed in (0, 1, 7)
        for epoch in (1, 2, 3)
    )
)  # fmt: skip


@pytest.mark.parametrize("runs", [STATES, StateTraining(STATES[:1].rows)], ids=["two networks", "one epoch"])
def test_no_label_of_states_lies_on_another(runs):
    figure = plotting.states(runs)
    found = texts(figure)
    assert len(found) > 15
    for (a, box), (b, other) in combinations(found, 2):
        assert not box.padded(-0.5).overlaps(other.padded(-0.5)), (a, b)
    for text, box in found:
        assert min(box.x0, box.y0) >= -1, text
        assert max(box.x1 - figure.bbox.x1, box.y1 - figure.bbox.y1) <= 1, text


def test_curves_of_states_are_medians_over_seeds():
    loss, m, *_ = plotting.states(STATES).axes
    assert [line.get_label() for line in loss.lines] == [r"\$f32\$", "linear", "dynamic blocks cpu"]
    assert loss.lines[0].get_xdata().tolist() == [43, 86, 129]
    assert loss.lines[0].get_ydata().tolist() == pytest.approx([2, 1, 2 / 3])
    assert loss.lines[1].get_ydata().tolist() == loss.lines[2].get_ydata().tolist() == [100] * 3
    assert loss.get_ylim() == pytest.approx((2 / 3 / 1.5, 100))
    assert np.isnan(m.lines[0].get_ydata()).all()
    assert m.lines[1].get_ydata().tolist() == [1] * 3
    broken = StateTraining(tuple(replace(row, m_error=math.nan, largest=0.0) for row in STATES))
    _, m, *_, largest, _ = plotting.states(StateTraining((*STATES[18:19].rows, *broken[19:27].rows))).axes
    assert all(np.isnan(line.get_ydata()[1:]).all() for ax in (m, largest) for line in ax.lines)


@pytest.mark.parametrize("runs", [[], StateTraining(()), STATES.outcomes(), RUNS, None])
def test_states_draws_runs_alone(runs):
    with pytest.raises(TypeError, match=r"runs that numfmt\.training\.compare_states returns"):
        plotting.states(runs)


def test_looks_differ_without_colour():
    looks = [look(i) for i in range(12)]
    assert len({(str(a.linestyle), a.marker) for a in looks}) == 12


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_is_written_whole(tmp_path, suffix, start):
    path = tmp_path / f"figure.{suffix}"
    plotting.dynamic_range(X, "f16", path)
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_a_notebook_shows_the_figure():
    figure = plotting.dynamic_range(X, "f16")
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_unknown_suffix_is_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(ValueError, match=r"'.*figure\.gif': its name must end in \.png, \.svg, \.pdf"):
        plotting.comparison(X, "f16", tmp_path / "figure.gif")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "figure.png").mkdir()
    with pytest.raises(OSError, match="figure"):
        plotting.dynamic_range(X, "f16", tmp_path / "figure.png")
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


def test_matplotlib_is_imported_late_and_pyplot_never():
    code = (
        "import sys, numfmt.plotting as p; assert 'matplotlib' not in sys.modules;"
        "p.comparison([1.0], 'f16'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("script", sorted(PLOTS.glob("*.py")), ids=lambda p: p.stem)
def test_the_scripts_draw_their_figure(script, tmp_path):
    subprocess.run([sys.executable, "-W", "error", script, tmp_path], check=True, timeout=120)
    assert [p.name for p in tmp_path.iterdir()] == [f"{script.stem}.png"]
