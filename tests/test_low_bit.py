"""The table and the figure of low-bit formats."""

import math

import numpy as np
import pytest

import numfmt
from numfmt import SpecError, plotting
from numfmt.low_bit import FAMILIES, UNIFORM, low_bit_errors

X = np.random.default_rng(4).laplace(size=(64, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def errors():
    return low_bit_errors({"x": X, "y": X * 3}, ["Lloyd-Max", "APoT", "MX"])


def test_rows_are_those_of_compare(errors):
    for row in errors:
        own = numfmt.compare({row.tensor: X if row.tensor == "x" else X * 3}, row.format)[0]
        assert (row.sqnr_db, row.bits_per_element, row.count) == (
            own.sqnr_db,
            own.bits_per_element,
            own.count,
        )
    assert [r.family for r in errors if r.tensor == "y"] == [
        family for family in (UNIFORM, "Lloyd-Max", "APoT", "MX") for _ in FAMILIES[family]
    ]


def test_gains_are_over_equal_steps(errors):
    rows = [r for r in errors if r.tensor == "x"]
    uniform = {r.bits_per_element: r.sqnr_db for r in rows if r.family == UNIFORM}
    bits = sorted(uniform)
    assert all(r.gain_db == 0 for r in rows if r.family == UNIFORM)
    for row in rows:
        low = max((b for b in bits if b <= row.bits_per_element), default=None)
        high = min((b for b in bits if b >= row.bits_per_element), default=None)
        if high is None or low is None:
            assert math.isnan(row.gain_db)
            continue
        part = (row.bits_per_element - low) / (high - low) if high > low else 0
        wanted = uniform[low] + part * (uniform[high] - uniform[low])
        assert row.gain_db == pytest.approx(row.sqnr_db - wanted, abs=1e-9)


def test_unequal_levels_win_on_long_tails():
    """The best levels are better than the best equal steps at every width."""
    x = np.random.default_rng(4).laplace(size=1 << 16)
    gains = [r.gain_db for r in low_bit_errors(x, "Lloyd-Max") if r.family == "Lloyd-Max"]
    assert all(g > 0.4 for g in gains[1:])


def test_apot_against_equal_steps_on_normal_numbers():
    """It wins a little at 4 bits over as many levels, and loses at 5 and 6."""
    x = np.random.default_rng(0).standard_normal(1 << 18)
    own = [f"fit[of=apot{b}]" for b in (4, 5, 6)]
    equal = [f"fit[of=int{b}[symmetric]]" for b in (4, 5, 6)]
    rows = [r for r in low_bit_errors(x, {"of": [*own, *equal]}) if r.family == "of"]
    gains = [a.sqnr_db - b.sqnr_db for a, b in zip(rows[:3], rows[3:], strict=True)]
    density = [
        10 * math.log10(b / a) for a, b in ((0.0121, 0.012889), (0.006005, 0.003693), (0.00189, 0.001069))
    ]
    assert gains == pytest.approx(density, abs=0.1)
    assert gains[0] > 0 > gains[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_one_sided_and_heavy_data(family):
    x = np.abs(X[:32]) ** 3
    rows = low_bit_errors(x, family)
    assert all(math.isfinite(r.sqnr_db) for r in rows)


def test_the_table_and_the_figure(errors, tmp_path):
    assert "over" in str(errors)
    assert errors.to_csv().startswith("tensor,family,format,count,bits_per_element,sqnr_db,gain_db\n")
    figure = plotting.low_bit_curves(errors, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert len(figure.axes) == 4
    drawn = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    lloyd = [(r.bits_per_element, r.sqnr_db) for r in errors if (r.tensor, r.family) == ("x", "Lloyd-Max")]
    assert drawn["Lloyd-Max"].tolist() == [list(point) for point in lloyd]


def test_gains_do_not_hang_on_the_order_of_the_baseline(monkeypatch, errors):
    monkeypatch.setitem(FAMILIES, UNIFORM, FAMILIES[UNIFORM][::-1])
    again = {
        (r.tensor, r.format): r.gain_db for r in low_bit_errors({"x": X, "y": X * 3}, ["Lloyd-Max", "MX"])
    }
    known = {(r.tensor, r.format): r.gain_db for r in errors}
    np.testing.assert_array_equal(list(again.values()), [known[own] for own in again])


def test_families_of_ones_own():
    """One spec, several in one string, formats, aliases and repetitions: as `compare` takes them."""
    kinds = {
        "one": "lloyd4",
        "two": "lloyd2, lloyd4",
        "format": numfmt.parse("e4m3fn"),
        "twice": ["fp16", "f16"],
    }
    rows = low_bit_errors(X, {UNIFORM: FAMILIES[UNIFORM], **kinds})
    assert [(r.family, r.format) for r in rows if r.family != UNIFORM] == [
        ("one", "lloyd4"),
        ("two", "lloyd2"),
        ("two", "lloyd4"),
        ("format", "e4m3fn"),
        ("twice", "f16"),
    ]
    assert sum(r.family == UNIFORM for r in rows) == len(FAMILIES[UNIFORM])


def test_names_of_families_can_be_listed():
    assert not [name for name in FAMILIES if "," in name]


@pytest.mark.parametrize(
    ("tensors", "families", "said"),
    [
        (X, {UNIFORM: ["lloyd4", "lloyd2"]}, "'uniform' names the equal steps that gains are over"),
        (X, {"mine": []}, "family 'mine' has no formats"),
        ({"w": [1.0, math.nan, -math.inf]}, "MX", "^tensor 'w' has 2 elements that are NaN or infinite"),
        ([1.0, math.inf], "MX", "^the tensor has 1 elements that are NaN or infinite"),
        ({"w": np.arange(10.0)}, "Lloyd-Max", "^tensor 'w', format 'lloyd4': .* 16 levels to place"),
    ],
)
def test_what_cannot_be_told(tensors, families, said):
    with pytest.raises(ValueError, match=said):
        low_bit_errors(tensors, families)


def test_bad_input(errors):
    with pytest.raises(SpecError, match=r"unknown family 'Lloyd'\. Did you mean 'Lloyd-Max'"):
        low_bit_errors(X, "Lloyd")
    with pytest.raises(TypeError, match="low_bit_errors returns"):
        plotting.low_bit_curves([1])
    with pytest.raises(TypeError, match="at least one row"):
        plotting.low_bit_curves(errors[:0])
