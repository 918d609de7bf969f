"""`compare`: every column against plain Fractions, hard inputs, layouts, memory, the table."""

import csv
import io
import json
import math
import pickle
import re
import tracemalloc
from bisect import bisect_right
from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt import reference
from numfmt.comparison import Comparison, compare, format_list
from numfmt.format import is_special
from numfmt.measurement import Job
from numfmt.rounding import MODES

SHARES = ("overflow", "underflow", "subnormal", "exact", "nonfinite")
ERRORS = (
    "max_relative_error", "mean_relative_error", "max_ulp_error", "mean_ulp_error", "rms_error", "sqnr_db",
)  # fmt: skip


def hard_floats(fmt):
    """Every value and tie of a small format, one float64 to each side, and numbers far away."""
    low, high = fmt.span
    points = {float(fmt.at(r)) for r in range(low, high + 1)} | {
        float(fmt.split(r)) for r in range(low, high)
    }
    if fmt.step is not None:
        points |= {float(fmt.max + fmt.step * k / 4) for k in (1, 2, 3, 4, 5)}
    near = {math.nextafter(p, side) for p in points for side in (-math.inf, math.inf)}
    signed = {-p for p in points | near} | points | near
    return np.array([*sorted(signed), -0.0, 0.0, 5e-324, 1e300, -1e300, np.nan, np.inf, -np.inf])


def fraction_row(x, fmt, **keywords):
    """The columns by definition, one element at a time, exactly."""
    values = sorted({v for _, v in fmt.values()})
    relative, ulps, noise, signal = [], [], [], []
    shares = dict.fromkeys(SHARES, 0)
    keywords.setdefault("nan", "max" if fmt.nan() is None else None)
    for one in x.tolist():
        y = numfmt.cast(np.array([one]), fmt, dtype=object, **keywords)[0]
        if not math.isfinite(one):
            shares["nonfinite"] += 1
            continue
        v = Fraction(one)
        shares["overflow"] += overflows(v, fmt, **keywords)
        shares["exact"] += not is_special(y) and v == Fraction(y)
        if is_special(y):
            continue
        error = abs(v - Fraction(y))
        shares["underflow"] += v != 0 and y == 0
        shares["subnormal"] += 0 < abs(y) < fmt.min_normal
        ulps.append(error / gap(v, values, fmt) if error else Fraction(0))
        noise.append(error**2)
        signal.append(v**2)
        if v:
            relative.append(error / abs(v))
    return {
        "max_relative_error": max(relative),
        "mean_relative_error": sum(relative) / len(relative),
        "max_ulp_error": max(ulps),
        "mean_ulp_error": sum(ulps) / len(ulps),
        "rms_error": math.sqrt(sum(noise) / len(noise)),
        "sqnr_db": 10 * math.log10(sum(signal) / sum(noise)),
    } | {key: Fraction(count, x.size) for key, count in shares.items()}


def gap(v, values, fmt):
    if v > values[-1]:
        return fmt.step
    if v < values[0]:
        return fmt.step if fmt.signed else values[1] - values[0]
    i = bisect_right(values, v)
    return values[i] - values[i - 1]


def overflows(v, fmt, **keywords):
    try:
        numfmt.cast(v, fmt, **{**keywords, "overflow": "raise"})
    except numfmt.RangeError:
        return True
    return False


@pytest.mark.parametrize("spec", ["e4m3fn", "e2m1fn", "e5m2", "e8m0fnu", "e4m3fnuz", "e2m3fn", "binary8p3ue"])
@pytest.mark.parametrize("overflow", [None, "saturate"])
def test_every_column_equals_its_definition(spec, overflow):
    fmt = numfmt.parse(spec)
    x = hard_floats(fmt)
    x = x[~(np.abs(x) > 1e38) | ~np.isfinite(x)]
    row = compare(x, fmt, overflow=overflow)[0]
    for name, wanted in fraction_row(x, fmt, overflow=overflow).items():
        assert getattr(row, name) == pytest.approx(float(wanted), rel=1e-12, abs=1e-300), name


@pytest.mark.parametrize("mode", [name for name, mode in MODES.items() if not mode.stochastic])
@pytest.mark.parametrize(
    "spec", ["e4m3fn", "e2m1fn", "e5m2", "e8m0fnu", "e4m3fnuz", "binary4p2sf", "binary8p3ue"]
)
def test_overflow_begins_where_the_reference_says(spec, mode):
    fmt = numfmt.parse(spec)
    x = hard_floats(fmt)
    x = x[np.isfinite(x)]
    x = (
        x[np.abs(x) >= float(fmt.max) / 2]
        if fmt.signed
        else x[(x < float(fmt.smallest)) | (x > float(fmt.max) / 2)]
    )
    job = Job(fmt, mode, "saturate", None, None)
    wanted = [overflows(Fraction(v), fmt, rounding=mode, nan=job.keywords["nan"]) for v in x.tolist()]
    assert any(wanted)
    assert job.rounded(x, 0).outside.tolist() == wanted


def test_a_table_computed_by_hand():
    # e2m1fn: 0 .5 1 1.5 2 3 4 6; 5 is a tie and goes to 4; 7 is half a step past 6, where 6 is odd
    row = compare(np.float32([0, 0.1, 0.75, 3, -5, 7, np.inf, 100]), "e2m1fn")[0]
    assert (row.count, row.bits, row.bits_per_element) == (8, 4, 4.0)
    assert row.max_relative_error == 1.0
    assert row.max_ulp_error == 47.0  # (100 - 6) / 2
    assert row.overflow == 2 / 8
    assert row.underflow == 1 / 8
    assert row.subnormal == 0
    assert row.exact == 2 / 8
    assert row.nonfinite == 1 / 8
    noise = np.float64(np.float32(0.1)) ** 2 + 0.25**2 + 1 + 1 + 94**2
    assert row.rms_error == pytest.approx(math.sqrt(noise / 7), rel=1e-14)


def test_subnormals_are_seen():
    row = compare([0.25, 0.3, 0.5, 1.0, 0.0], "e2m1fn", rounding="away_from_zero")[0]
    assert row.subnormal == 3 / 5


def test_nothing_is_lost():
    row = compare(np.float32([1, 2, -3]), "f32")[0]
    assert (row.exact, row.rms_error, row.max_ulp_error, row.sqnr_db) == (1.0, 0.0, 0.0, math.inf)


@pytest.mark.parametrize("x", [np.zeros((0, 3), np.float32), [np.nan, np.inf], np.zeros(4)])
def test_columns_without_elements_are_nan(x):
    row = compare(x, "bf16")[0]
    assert math.isnan(row.mean_relative_error)
    assert math.isnan(row.max_relative_error)
    assert math.isnan(row.sqnr_db)
    assert "-" in str(Comparison((row,)))


def test_all_zeros_have_no_ulp_error():
    row = compare(np.zeros(4), "bf16")[0]
    assert (row.max_ulp_error, row.rms_error, row.exact) == (0.0, 0.0, 1.0)


def test_nan_is_no_error_in_formats_without_one():
    row = compare([np.nan, 1.0], "e2m1fn")[0]
    assert (row.nonfinite, row.exact, row.overflow, row.rms_error) == (0.5, 0.5, 0.0, 0.0)


def test_a_given_nan_rule_is_no_subnormal():
    row = compare([np.nan, 1.0], "bf16", nan=1e-39)[0]
    assert (row.nonfinite, row.subnormal, row.underflow) == (0.5, 0.0, 0.0)


def test_wide_integers_are_not_narrowed():
    row = compare(np.array([2**53 + 1, 2**53], np.int64), "f64")[0]
    assert (row.exact, row.max_ulp_error) == (0.5, 0.5)
    top = compare(np.array([2**64 - 1], np.uint64), "f64")[0]
    assert (top.rms_error, top.exact) == (1.0, 0.0)


def test_squares_that_leave_float64():
    x = np.array([1.1e300, 1.3e-300])
    for part in (x, x[:1], x[1:]):
        row = compare(part, "e11m7")[0]
        errors = [Fraction(v) - Fraction(float(numfmt.cast(v, "e11m7"))) for v in part.tolist()]
        noise, signal = sum(e * e for e in errors), sum(Fraction(v) ** 2 for v in part.tolist())
        assert row.sqnr_db == pytest.approx(10 * math.log10(signal / noise), rel=1e-12)
        assert float(Fraction(row.rms_error) ** 2 * part.size / noise) == pytest.approx(1, rel=1e-12)


def layouts():
    x = np.random.default_rng(3).standard_normal((300, 700)).astype(np.float32)
    yield "float64", x.astype(np.float64)
    yield "big-endian", x.astype(">f4")
    yield "fortran", np.asfortranarray(x)
    yield "strided", np.repeat(x, 2, axis=1)[:, ::2]
    yield "reversed", x[::-1].copy()[::-1]
    yield "flat", x.ravel()
    locked = x.copy()
    locked.flags.writeable = False
    yield "read-only", locked


@pytest.mark.parametrize(("name", "other"), list(layouts()))
@pytest.mark.parametrize("keywords", [{}, {"rounding": "stochastic", "seed": 7}])
def test_no_digit_depends_on_the_layout(name, other, keywords):
    x = np.random.default_rng(3).standard_normal((300, 700)).astype(np.float32)
    assert compare(other, "e4m3fn,f16", **keywords).rows == compare(x, "e4m3fn,f16", **keywords).rows


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint16", "bool", "int64", "uint64"])
def test_other_dtypes(dtype):
    x = np.array([0, 1, 3, 100, 77]).astype(dtype)
    assert compare(x, "e3m2fn").rows == compare(x.astype(np.float64), "e3m2fn").rows


def test_ml_dtypes_arrays():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.array([0.1, 3, 1e30]).astype(ml_dtypes.bfloat16)
    assert compare(x, "e5m2").rows == compare(x.astype(np.float32), "e5m2").rows


def test_a_scalar_is_one_element():
    assert compare(np.float32(1.5), "bf16")[0].count == compare(np.array(1.5), "bf16")[0].count == 1


def test_stochastic_uses_the_words_of_cast():
    x = np.random.default_rng(1).standard_normal(150_000)
    y = numfmt.cast(x, "e4m3fn", rounding="stochastic", seed=5)
    row = compare(x, "e4m3fn", rounding="stochastic", seed=5)[0]
    assert row.rms_error == pytest.approx(math.sqrt(np.mean((x - y) ** 2)), rel=1e-12)
    assert row.underflow == np.mean((y == 0) & (x != 0))


def test_stochastic_overflow_is_what_was_drawn():
    x = np.random.default_rng(2).uniform(440, 500, 70_000)
    drawn = np.isnan(numfmt.cast(x, "e4m3fn", rounding="stochastic", seed=9))
    assert 0.2 < drawn.mean() < 0.9
    for overflow in (None, "saturate"):
        keywords = {"rounding": "stochastic", "seed": 9, "overflow": overflow}
        assert compare(x, "e4m3fn", **keywords)[0].overflow == drawn.mean()


@pytest.mark.parametrize("mode", ["stochastic", "stochastic_b", "stochastic_c"])
@pytest.mark.parametrize("spec", ["e2m1fn", "e5m2", "e8m0fnu", "binary8p3ue", "binary4p2sf", "e3m0fnu"])
def test_stochastic_overflow_equals_the_reference(spec, mode):
    fmt = numfmt.parse(spec)
    x = hard_floats(fmt)
    x = x[np.isfinite(x)]
    x = np.repeat(x[(x > float(fmt.max) * 0.9) | (x < min(float(fmt.min) * 0.9, 1e-3))], 5)
    job = Job(fmt, mode, "saturate", None, 11)
    words = job.noise.take(0, x.size)
    policy = reference.policy(fmt, mode, "raise", "max")
    wanted = [refused(Fraction(v), fmt, policy, int(w)) for v, w in zip(x.tolist(), words, strict=True)]
    assert 0 < sum(wanted) < len(wanted)
    assert job.rounded(x, 0).outside.tolist() == wanted


def refused(v, fmt, policy, word):
    try:
        reference.encode(v, fmt, policy, word)
    except numfmt.RangeError:
        return True
    return False


def test_ties_in_nearest_even_at_the_edge():
    assert compare([464.0], "e4m3fn")[0].overflow == 0  # 448 has an even code
    assert compare([464.0], "e4m3fn", rounding="nearest_away")[0].overflow == 1
    assert compare([61440.0], "e5m2")[0].overflow == 1
    assert compare([61440.0], "e5m2", overflow="saturate")[0].overflow == 1
    assert compare([470.0], "e4m3fn", rounding="toward_zero")[0].overflow == 0
    assert compare([480.0], "e4m3fn", rounding="toward_zero")[0].overflow == 1


def test_memory_is_bounded(tmp_path):
    path = tmp_path / "large.npy"
    np.save(path, np.random.default_rng(0).standard_normal(1 << 22, dtype=np.float32).reshape(64, -1))
    compare([1.0], "bf16,e4m3fn")
    tracemalloc.start()
    table = compare(path, "bf16,e4m3fn")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert table[0].count == 1 << 22
    assert peak < 12 << 20  # the file has 16 MiB, in float64 it would take 32


@pytest.mark.parametrize(
    ("formats", "wanted"),
    [
        ("bf16, fp16", ["bf16", "f16"]),
        (["e4m3fn[subnormals=off],f16", np.float32], ["e4m3fn[subnormals=off]", "f16", "f32"]),
        (numfmt.parse("tf32"), ["tf32"]),
        ("f16,e5m10,half", ["f16"]),
    ],
)
def test_lists_of_formats(formats, wanted):
    assert list(map(str, format_list(formats))) == wanted


@pytest.mark.parametrize(
    ("formats", "keywords", "error", "text"),
    [
        ("bf61", {}, numfmt.SpecError, "Did you mean 'bf16'"),
        ([], {}, ValueError, "at least one format"),
        ("bf16", {"rounding": "up"}, numfmt.SpecError, "unknown rounding mode 'up'"),
        ("bf16", {"rounding": "sr"}, ValueError, "needs seed="),
        ("e4m3fn", {"overflow": "infinity"}, numfmt.SpecError, "has no infinity"),
    ],
)
def test_bad_requests_fail_before_anything_is_read(formats, keywords, error, text):
    with pytest.raises(error, match=text):
        compare("no such file.npy", formats, **keywords)


@pytest.mark.parametrize("x", [np.array([1j]), np.array(["a"]), {"w": np.array([None])}])
def test_what_is_no_number_is_refused(x):
    with pytest.raises(TypeError, match="expected real numbers"):
        compare(x, "bf16")


def test_overflow_raise_raises():
    with pytest.raises(numfmt.RangeError):
        compare([1e10], "e4m3fn", overflow="raise")


def sample_table():
    return compare({"a <b>": [1.0, np.nan], "c": [0.1, 1e9]}, "bf16,e4m3fn")


def test_text_has_a_line_a_row_and_fits_a_narrow_screen():
    text = str(sample_table())
    assert len([line for line in text.splitlines() if line.startswith(("bf16", "e4m3fn"))]) == 4
    assert "a <b>: 2 elements" in text
    assert "fin.%" in text
    plain = str(compare([0.1, 1e9, 1e-9], "e4m3b11fnuz,bf16,e8m0fnu"))
    assert "fin.%" not in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_html_escapes_names():
    html = sample_table()._repr_html_()
    assert "a &lt;b&gt;" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 5


def test_csv_keeps_every_digit(tmp_path):
    table = sample_table()
    text = table.to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["format"] for line in lines] == ["bf16", "e4m3fn"] * 2
    assert float(lines[2]["mean_relative_error"]) == table[2].mean_relative_error


def test_json_is_strict(tmp_path):
    def refuse(name):
        raise AssertionError(name)

    text = compare({"a": [1.0], "b": []}, "bf16").to_json(tmp_path / "t.json")
    assert (tmp_path / "t.json").read_text() == text
    exact, empty = json.loads(text, parse_constant=refuse)
    assert exact["sqnr_db"] == "inf"
    assert empty["rms_error"] is None


def test_pandas():
    pytest.importorskip("pandas")
    frame = sample_table().to_pandas()
    assert list(frame["tensor"]) == ["a <b>", "a <b>", "c", "c"]


def test_pandas_missing_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        sample_table().to_pandas()


def test_it_is_a_sequence():
    table = sample_table()
    assert len(table[:2]) == 2
    assert isinstance(table[1:], Comparison)
    assert table[-1].format == "e4m3fn"
    assert [row.tensor for row in table] == ["a <b>", "a <b>", "c", "c"]


def test_progress_can_be_shown(capsys):
    compare([1.0], "bf16", progress=True)
    assert capsys.readouterr().out == ""
    compare([1.0], "bf16")
    assert capsys.readouterr().err == ""


SCALED = [
    "int8[scale=0.25, zero=3]",
    "int8[axis=0]",
    "int4[size=5, axis=1, calibrate=minmax]",
    "uint8[calibrate=minmax]",
]


@pytest.mark.parametrize("spec", SCALED)
def test_a_scaled_format_is_measured_by_its_own_values(spec):
    x = np.random.default_rng(3).standard_normal((7, 23)).astype(np.float32) * 20
    row, array = compare(x, spec)[0], numfmt.encode(x, spec)
    wide, y = x.astype(np.float64), array.decode(dtype=np.float64)
    assert row.rms_error == pytest.approx(np.sqrt(np.mean((wide - y) ** 2)), rel=1e-12)
    assert row.max_relative_error == pytest.approx((abs(wide - y) / abs(wide)).max())
    assert (row.format, row.bits) == (str(array.format), array.format.of.bits)
    assert row.bits_per_element == array.bits_per_element > row.bits
    assert row.exact == np.mean(wide == y)


def test_the_ulp_of_a_scaled_format_is_one_step_and_overflow_begins_half_a_step_outside():
    x = np.float32([0.0, 1.0, 63.5, 63.74, 63.76, 100.0, -64.2, -64.3])
    row = compare(x, "int8[scale=0.5]")[0]
    assert row.overflow == 3 / 8
    assert row.max_ulp_error == pytest.approx((100 - 63.5) / 0.5)


def test_a_scaled_format_counts_nan_and_refuses_scales_from_infinity():
    x = np.float32([np.nan, 1.0, 2.0, 3.0])
    assert compare(x, "int8[scale=1]")[0].nonfinite == 0.25
    with pytest.raises(numfmt.RangeError, match="not finite"):
        compare(np.float32([np.inf, 1.0]), "int8[axis=0]")


@pytest.mark.parametrize("spec", ["int64", "uint54", "q0.63"])
def test_what_float64_cannot_hold_is_not_measured(spec):
    with pytest.raises(ValueError, match=f"values of '{spec}' have more than 53 significant bits"):
        compare([1.0], f"bf16,{spec}")
    assert compare([1.0], "int54,uint53")[0].exact == 1


def test_a_refusal_names_tensor_and_format():
    tensors = {"good": np.arange(99.0), "bad": np.arange(10.0)}
    with pytest.raises(
        ValueError, match=r"^tensor 'bad', format 'lloyd4': .* 16 levels to place.* 10 "
    ) as caught:
        numfmt.compare(tensors, "f16, lloyd4")
    assert type(caught.value) is ValueError
    with pytest.raises(ValueError, match=r"^format 'lloyd4': .* 16 levels"):
        numfmt.compare(tensors["bad"], "lloyd4")


@pytest.mark.parametrize(
    ("spec", "x", "how"), [("e4m3fn", 1e6, {"overflow": "raise"}), ("int8[axis=0]", np.inf, {})]
)
def test_a_refusal_keeps_its_fields(spec, x, how):
    """Of element formats, refused chunk by chunk, and of scaled ones, refused at once."""
    with pytest.raises(numfmt.RangeError) as own:
        numfmt.encode([1.0, x], spec, **how)
    with pytest.raises(numfmt.RangeError) as caught:
        numfmt.compare({"w": [1.0, x]}, spec, **how)
    _, where, what = str(own.value).partition(" to ")
    assert re.fullmatch(
        rf"tensor 'w', format '{re.escape(spec)}': \w+{re.escape(where + what)}", str(caught.value)
    )
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert (error.count, error.total, error.index) == (own.value.count, own.value.total, own.value.index)
        assert error.message == str(caught.value)
