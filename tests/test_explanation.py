"""`explain`: what it says of numbers past the range, of huge ones, and under long names."""

import math
from fractions import Fraction

import numpy as np
import pytest

import numfmt


def lines(*args, **options):
    """The lines of an explanation by name."""
    rows = (line.split(maxsplit=1) for line in str(numfmt.explain(*args, **options)).splitlines())
    return dict(rows)


def reason(*args, **options):
    return (
        str(numfmt.explain(*args, **options))
        .splitlines()[-1]
        .split("   ")[-2]
        .removeprefix("decided by")
        .strip()
    )


@pytest.mark.parametrize(
    ("x", "spec", "overflow", "text"),
    [
        (300, "int8", "saturate", "past the last value: saturates"),
        (300, "int8", "wrap", "past the last value: wraps around"),
        (300, "int8", "saturate_zero", "past the last value: becomes 0"),
        (-128, "int8", "saturate_symmetric", "outside -127 to 127: saturates"),
        ("-9223372036854775808", "int64", "saturate_symmetric", "outside -2**63 + 1 to 2**63 - 1: saturates"),
        (300, "uint8", "saturate_symmetric", "past the last value: saturates"),
        (-3, "uint8", "saturate", "below the least value: saturates"),
        (-3, "uint8", "wrap", "below the least value: wraps around"),
        (-3, "uint8", "saturate_zero", "below the least value: becomes 0"),
        (-math.inf, "uint8", "saturate", "below the least value: saturates"),
        (1e9, "e4m3fn", "saturate", "past the last value: saturates"),
        (1e9, "e4m3fn", "ieee", "past the last value: overflows"),
        (-3, "binary8p3uf", "ieee", "below the least value: overflows"),
        (127.3, "int8", "saturate", "the nearer of two neighbours"),
    ],
)
def test_which_end_a_number_is_past_and_what_happens(x, spec, overflow, text):
    assert reason(x, spec, overflow=overflow) == text


@pytest.mark.parametrize(
    ("x", "spec", "overflow", "lower", "tie"),
    [
        (127.75, "int8", "saturate", 127, 127.5),
        (127.75, "int8", "wrap", 127, 127.5),
        (-127.75, "int8", "saturate_symmetric", -127, -127.5),
        (-0.75, "uint8", "saturate", 0, -0.5),
        (128, "int8", "saturate", None, None),
        (128.75, "int8", "saturate", None, None),
        (300.5, "int8", "wrap", None, None),
        (-128, "int8", "saturate_symmetric", None, None),
        (-3.5, "uint8", "saturate", None, None),
        (1e9, "e4m3fn", "saturate", 448, None),
    ],
)
def test_a_grid_has_neighbours_only_next_to_its_end(x, spec, overflow, lower, tie):
    step = numfmt.explain(x, spec, overflow=overflow)
    assert (step.lower, step.upper, step.tie) == (lower, None, tie)
    assert ("tie point" in str(step)) == (lower is not None)
    assert "error" in str(step)


@pytest.mark.parametrize(("x", "sign"), [("1e400", 1), ("-1e400", -1), ("1e100000", 1), ("-0x1p99999", -1)])
def test_the_error_of_a_huge_number_is_infinite(x, sign):
    step = numfmt.explain(x, "int8")
    assert step.value == (127 if sign > 0 else -128)
    assert step.error_ulp == sign * math.inf
    assert step.to_dict()["error_ulp"] == sign * math.inf
    assert f"error           {sign * math.inf} ulp" in str(step).splitlines()


def test_a_number_with_thousands_of_digits_is_refused_in_words():
    with pytest.raises(numfmt.RangeError, match="outside the range of int64"):
        numfmt.explain("1e5000", "int64", overflow="raise")
    assert lines("1/3" + "0" * 4000, "f16")["x"].startswith("3.3333333333333333E-4001")


@pytest.mark.parametrize("spec", ["fixed[bits=8,frac=-3,signed=yes]", "int8[symmetric]", "bf16"])
def test_texts_are_aligned_under_long_names(spec):
    step = numfmt.explain(9.3, spec)
    width = max(16, len(spec) + 2)
    names = ["x", spec, "toward zero", "away from zero", "tie point", "error", "decided by"]
    assert [line[:width].rstrip() for line in str(step).splitlines()] == names
    assert all(line[width] != " " for line in str(step).splitlines())


ONE = "uint8[scale=0.00214854861,profile={}]"  # PyTorch multiplies by 1 / s, ONNX Runtime divides


def test_the_stages_of_a_number_in_a_scaled_format():
    assert str(numfmt.explain("-1.3", "int8[scale=0.5,zero=3]")).splitlines() == [
        "x                       -1.3",
        "int8[scale=0.5,zero=3]  -1.5   code 0x00   0|0000000",
        "x in float32            -1.3",
        "x / scale               -2.6",
        "rounded                 -3",
        "plus zero point         0   (zero point 3)",
        "in -128 to 127          0",
        "error                   0.4 steps",
        "decided by              the nearer of two neighbours   (rounding nearest_even, overflow saturate)",
    ]


@pytest.mark.parametrize(
    ("profile", "how", "steps", "code"),
    [
        ("torch_fake_quantize", "x * (1 / scale)", 127.5, 128),
        ("onnxruntime", "x / scale", 127.49999237060547, 127),
    ],
)
def test_the_stages_are_those_of_the_profile(profile, how, steps, code):
    found = numfmt.explain(0.273939937, ONE.format(profile))
    assert (found.how, found.steps, found.code, found.rounded) == (how, steps, code, code)


def test_a_zero_point_that_is_added_before_rounding_is_told():
    found = numfmt.explain(0.273939937, "uint8[scale=0.00214854861,zero=3,profile=gemmlowp]")
    assert (found.how, found.zero, found.rounded, found.total) == ("x / scale + zero point", 0, 131, 131)


@pytest.mark.parametrize(
    ("x", "spec", "options", "code", "text"),
    [
        (1e9, "int8[scale=0.1,zero=-5]", {}, 127, "past the last code: saturates"),
        (1e9, "int8[scale=0.5]", {"overflow": "wrap"}, 0, "past the last code: wraps around"),
        (1e9, "int8[scale=0.5]", {"overflow": "saturate_zero"}, 0, "past the last code: becomes 0"),
        ("1e400", "int8[scale=0.1]", {}, 127, "past the last code: saturates"),
        (-math.inf, "int8[scale=0.1]", {}, -128, "past the last code: saturates"),
        (1e30, "int8[scale=0.1,profile=onnx]", {}, -128, "past the integers of the profile's library"),
        (math.nan, "int8[scale=0.1]", {"nan": "max"}, 127, "x is NaN"),
        (1.5, "int8[scale=0.5]", {}, 3, "a whole number of steps"),
        (1.25, "int8[scale=0.5]", {}, 2, "tie: nearest_even"),
        (1.25, "int8[scale=0.5]", {"rounding": "toward_positive"}, 3, "toward_positive"),
        (1.25, "int8[scale=0.5]", {"rounding": "stochastic", "seed": 1}, 3, "stochastic"),
    ],
)
def test_the_code_is_that_of_encode(x, spec, options, code, text):
    found = numfmt.explain(x, spec, **options)
    given = float(x) if isinstance(x, str) else x
    assert found.code == int(numfmt.encode(given, spec, **options).codes) == code
    assert found.value == float(numfmt.cast(given, spec, **options))
    assert reason(x, spec, **options) == text
    assert found.to_dict()["code"] == code


@pytest.mark.parametrize("spec", ["int8[axis=0]", "int8[calibrate=kl]", "int4[size=8,axis=-1]"])
@pytest.mark.parametrize("verb", [numfmt.finfo, lambda spec: numfmt.explain(1, spec)])
def test_scales_that_come_from_an_array_explain_no_number(spec, verb):
    with pytest.raises(ValueError, match="has scales for arrays; one number needs one scale, as in 'int"):
        verb(spec)


BLOCKS = ["mxfp8", "mxfp4[rule=ceil]", "mxint8", "msfp12", "mx6", "flex16+5", "deepseek_1x128", "mxfp6_e3m2[axis=0]",
          "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16]", "block[of=e4m3fn,scale=f32,size=3x16]"]  # fmt: skip


@pytest.mark.parametrize("spec", BLOCKS)
@pytest.mark.parametrize("place", [(0, 0), (4, -1), (2, 33)])
def test_a_block_element_is_what_encode_makes_of_it(spec, place):
    x = np.float32(np.random.default_rng(5).standard_normal((5, 50)) * np.logspace(-3, 3, 50))
    array = numfmt.encode(x, spec)
    told = numfmt.explain(x, spec, index=place)
    row, column = told.index
    assert (told.index, told.exact) == ((place[0], place[1] % 50), Fraction(float(x[place])))
    assert told.code == array.codes[place]
    assert told.value == array.decode()[place]
    assert told.code == told.element.code
    assert np.float32(told.scaled) == np.float32(told.element.exact)
    extent = array.format.granularity.extent(told.index, x.shape)
    assert told.absmax == np.abs(x[extent]).max()
    assert row in range(*extent[0].indices(5))
    assert column in range(*extent[1].indices(50))
    lone = x[extent]
    if "scale=block" not in spec and not spec.startswith("mx6"):
        assert np.array_equal(numfmt.encode(lone, spec).codes.ravel(), array.codes[extent].ravel())


@pytest.mark.parametrize("number", [1.5, -0.0, math.nan, math.inf, 3.0, 2**40 + 0.5])
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "f2"])
def test_an_array_of_shape_nothing_is_a_number(number, dtype):
    """Its fraction is not lost on the way, as int() would have it."""
    with np.errstate(over="ignore"):
        x = np.array(number, dtype)
    for spec in ("mxfp4", "e4m3fn", "int8[scale=0.5]" if math.isfinite(number) else "mx6"):
        assert str(numfmt.explain(x, spec)) == str(numfmt.explain(x[()], spec))
    assert str(numfmt.explain(np.array(3), "int8")) == str(numfmt.explain(3, "int8"))


def test_a_scale_out_of_range_is_told():
    text = str(numfmt.explain(3e38, "block[of=e2m1fn,scale=e5m0b31finu,size=4]"))
    assert "scale " in text
    assert "1.0   code 0x1F   2**0   (clamped from 4.25353e+37)" in text
    assert "(rounded from" in str(numfmt.explain([0.3], "block[of=e2m1fn,scale=e4m3fn,size=4]", index=0))
    assert "(" not in line_of(numfmt.explain(1.0, "mxfp8"), "scale")


def line_of(told, name):
    return next(line for line in str(told).splitlines() if line.startswith(f"{name} "))


def test_a_poisoned_block_is_told():
    told = numfmt.explain([1.0, np.nan, 2.0], "mxfp4", index=2)
    assert told.element is None
    assert "NaN or infinity in the block" in str(told)
    assert math.isnan(told.value)
    assert told.to_dict()["element"] is None


def test_the_draw_of_a_block_element_is_that_of_its_place():
    x = np.float32(np.random.default_rng(6).standard_normal((3, 40)))
    codes = numfmt.encode(x, "mxfp4", rounding="stochastic", seed=11).codes
    for place in [(0, 3), (1, 39), (2, 0)]:
        assert numfmt.explain(x, "mxfp4", index=place, rounding="sr", seed=11).code == codes[place]
        assert numfmt.explain(x, "mxfp4", index=place, rounding="sr", seed=11).element.code == codes[place]


@pytest.mark.parametrize(("index", "shape"), [(None, "(2,)"), (7, "(2,)"), ((0, 0), "(2,)"), (-3, "(2,)")])
def test_an_index_that_names_no_element(index, shape):
    with pytest.raises(ValueError, match="names one element of an array of shape"):
        numfmt.explain([1.0, 2.0], "mxfp4", index=index)


@pytest.mark.parametrize("spec", ["bf16", "int8[scale=0.5]"])
def test_an_index_without_blocks(spec):
    with pytest.raises(ValueError, match="has no blocks: leave index= out"):
        numfmt.explain(1.0, spec, index=0)


def test_two_levels_tell_a_scale_within_the_outer_one():
    spec = "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16]"
    assert "(rounded from 15000)" in line_of(numfmt.explain([1e5] * 16 + [9e4] * 16, spec, index=16), "scale")
    assert "(clamped from 0.05)" in line_of(numfmt.explain([1e5] * 16 + [0.3] * 16, spec, index=16), "scale")
    lost = numfmt.explain([1e-6] * 16 + [1e5] * 16, spec, index=0)
    assert (lost.value, lost.element) == (0, None)
    assert "its scale is 0" in str(lost)


@pytest.mark.parametrize("largest", [1e-6, 0.75, 63.0, 30000.0])
def test_powers_of_two_are_told_as_their_users_write_them(largest):
    """Flexpoint's is e of 2**-e, as `numfmt.flexpoint` has it, and no code of five bits."""
    exponent = numfmt.flexpoint.quantize([largest, 0.0]).exponent
    told = numfmt.explain([largest, 0.0], "flex16+5", index=0)
    assert told.scale_note == f"2**{-exponent}, Flexpoint's exponent {exponent}"
    assert told.scale == 2.0**-exponent
    assert (
        numfmt.explain([largest], "mxfp4", index=0).scale_note == f"2**{int(np.floor(np.log2(largest))) - 2}"
    )
    assert numfmt.explain([largest], "nvfp4", index=0).scale_note == ""
    assert numfmt.explain([np.nan], "mxfp4", index=0).scale_note == ""


def test_a_profile_tells_its_clamped_scale():
    text = line_of(numfmt.explain([100000.0, 3.0], "flex16+5", index=0), "scale")
    assert text.endswith("1.0   code 0x1F   2**0, Flexpoint's exponent 0   (clamped from 4)")
    assert "its scale is infinite" in str(numfmt.explain([3e38, 1.0], "nvfp4", index=0))


def test_a_lone_number_is_told_exactly():
    assert numfmt.explain("0.1", "mxfp4").exact == Fraction(1, 10)
    assert "1.0000000000000001E+300" in str(numfmt.explain([1e300, 1.0], "mxfp4", index=0))


@pytest.mark.parametrize("index", ["a", 1.5, True])
def test_an_index_that_is_none(index):
    with pytest.raises(ValueError, match="names one element"):
        numfmt.explain([1.0, 2.0], "mxfp4", index=index)
