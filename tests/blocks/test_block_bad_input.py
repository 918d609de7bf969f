"""What blocks cannot serve gets one clear error: what was given, what is wrong, what to do."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

import numfmt
from numfmt import registry
from numfmt.blocks import BLOCK_PROFILES, RULES, Block, BlockArray
from numfmt.errors import RangeError, SpecError

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "numfmt-hypothesis")  # not into the sources

X = np.ones((4, 6), np.float32)
COMPOSED = "of= and scale= are needed, as in 'block"
SIZE = "size is the number of elements of a block, 1 or more, or rows and columns, such as (128, 128)"
FLOAT32 = "scales are floats that float32 holds, such as 'e8m0fnu' or 'f32'"
SPECS = [
    ("block", COMPOSED),
    ("block[of=int8]", COMPOSED),
    ("block[scale=f32]", COMPOSED),
    ("block[]", "'' should be key=value"),
    ("block[of=,scale=f32]", "'of=' should be key=value"),
    ("block[of=int8,scale=f32,rule]", "'rule' should be key=value"),
    ("block[of=int8,scale=f32", "'[' at column 6 is never closed"),
    ("block[of=int8,of=int8,scale=f32]", "an option is given twice"),
    ("block[of=int8,scale=f32,foo=1]", "unknown option 'foo'. It takes: of, scale, size, axis, rule, profile"),
    ("block[of=int8,scale=f32,sise=4]", "unknown option 'sise'. Did you mean 'size'"),
    ("block[of=bf61,scale=f32]", "unknown format 'bf61'. Did you mean 'bf16'"),
    ("block[of=int8,scale=bf61]", "unknown format 'bf61'"),
    ("block[of=fp8,scale=f32]", "'fp8' does not say which format is meant. Choose one of: 'e4m3fn'"),
    ("block[of=mxfp4,scale=f32]", "'mxfp4' is a scaled format; this takes an element format, such as 'e2m1fn'"),
    ("block[of=block[of=int8,scale=f32],scale=f32]", "is a scaled format; this takes an element format"),
    ("block[of=int8[axis=0],scale=f32]", "is a scaled format; this takes an element format"),
    ("block[of=f64,scale=f32]", "largest value of elements is positive and a normal number of float32; that of 'f64'"),
    ("block[of=e2m1b1040,scale=e8m0fnu]", "largest value of elements is positive and a normal number of float32"),
    ("block[of=int1,scale=e8m0fnu]", "largest value of elements is positive .* that of 'int1' is 0"),
    ("block[of=int32,scale=f32]", "elements under 'f32' have at most 29 significant bits, .* 'int32' has 32"),
    ("block[of=int64,scale=e8m0fnu]", "elements under 'e8m0fnu' have at most 52 significant bits"),
    ("block[of=int8,scale=int8]", f"{FLOAT32}; got 'int8'"),
    ("block[of=int8,scale=f64]", f"{FLOAT32}; got 'f64'"),
    ("block[of=int8,scale=uq4.4]", f"{FLOAT32}; got 'uq4.4'"),
    ("block[of=int8,scale=e4m3b-1000fn]", FLOAT32),
    ("block[of=int8,scale=e2m1b1040]", FLOAT32),
    ("block[of=int8,scale=e9m5]", FLOAT32),
    ("block[of=int8,scale=int8[axis=0]]", "scales are of a float format or a block, not 'int8[axis=0]'"),
    ("block[of=int8,scale=block[of=int8,scale=f64]]", FLOAT32),
    ("block[of=int8,scale=f32,size=0]", f"{SIZE}; got 0"),
    ("block[of=int8,scale=f32,size=2x0]", f"{SIZE}; got (2, 0)"),
    ("block[of=int8,scale=f32,size=-1]", "size is a number, or rows x columns, got '-1'"),
    ("block[of=int8,scale=f32,size=1e3]", "size is a number, or rows x columns, got '1e3'"),
    ("block[of=int8,scale=f32,size=2x2x2]", "size is a number, or rows x columns, got '2x2x2'"),
    ("block[of=int8,scale=f32,size=2x2,axis=0]", "tiles lie in the last two axes: leave axis= out"),
    ("deepseek_128x128[axis=0]", "tiles lie in the last two axes: leave axis= out"),
    ("block[of=int8,scale=f32,axis=last]", "axis is an integer or flat, got 'last'"),
    ("block[of=int8,scale=f32,axis=flat]", "axis=flat needs size=: the elements of a run"),
    ("block[of=int8,scale=f32,size=2x2,axis=flat]", "tiles lie in the last two axes: leave axis= out"),
    ("block[of=int8,scale=f32,offset=max]", "offset is mean, got 'max'"),
    ("block[of=nf4,scale=f32,rule=even]", "rule=even takes elements with fraction bits; 'nf4' has none"),
    ("block[of=codebook[values=[-4,-2]],scale=f32]", "largest value of elements is positive"),
    ("block[of=int8,scale=f32,rule=flor]", "unknown rule 'flor'. Did you mean 'floor'? Choose one of: floor, ceil"),
    ("mxfp4[rule=max]", "unknown rule 'max'"),
    ("bfp8[rule=x]", "unknown rule 'x'"),
    ("block[of=int8,scale=f32,profile=torcao]", "unknown profile 'torcao'. Did you mean 'torchao'"),
    ("mxfp4[profile=x]", "unknown profile 'x'. Choose one of: default, flexpoint, torchao, "),
    ("mxfp4[size=16]", "unknown option 'size'. It takes: axis, rule, profile"),
    ("mxfp5", "unknown format 'mxfp5'. Did you mean 'mxfp4'"),
    ("msfp10", "unknown format 'msfp10'. Did you mean"),
    ("mxfp8_e4m4", "unknown format 'mxfp8_e4m4'. Did you mean 'mxfp8_e4m3'"),
    ("bfp2", "elements have 3 to 24 bits, got 2"),
    ("bfp25", "elements have 3 to 24 bits, got 25"),
    ("bfp8[size=0]", f"{SIZE}; got 0"),
    ("bfp", "unknown format 'bfp'"),
    ("flex1+5", "flexN+M has N from 2 to 32 and M from 1 to 5"),
    ("flex16+6", "flexN+M has N from 2 to 32 and M from 1 to 5"),
    ("flex16", "unknown format 'flex16'. Did you mean 'flex16+5'"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), SPECS, ids=[spec for spec, _ in SPECS])
def test_specs(spec, message):
    with pytest.raises(SpecError) as caught:
        numfmt.parse(spec)
    said = str(caught.value)
    parts = message.split(" .* ")
    assert all(part in said for part in parts), said
    assert spec in said
    assert caught.value.spec


MADE = [
    ({"size": 0}, ValueError, f"{SIZE}; got 0"),
    ({"size": ()}, ValueError, f"{SIZE}; got ()"),
    ({"size": (1, 2, 3)}, ValueError, f"{SIZE}; got (1, 2, 3)"),
    ({"size": "16"}, ValueError, f"{SIZE}; got '16'"),
    ({"size": "128x128"}, ValueError, f"{SIZE}; got '128x128'"),
    ({"size": 2.0}, ValueError, f"{SIZE}; got 2.0"),
    ({"size": True}, ValueError, f"{SIZE}; got True"),
    ({"size": np.array([2, 3])}, ValueError, f"{SIZE}; got array([2, 3])"),
    ({"size": (2, -3)}, ValueError, f"{SIZE}; got (2, -3)"),
    ({"axis": "x"}, TypeError, "axis= takes one integer, got 'x'"),
    ({"axis": 1.5}, TypeError, "axis= takes one integer, got 1.5"),
    ({"axis": True}, TypeError, "axis= takes one integer, got True"),
    ({"axis": (0, 1)}, TypeError, "axis= takes one integer, got (0, 1)"),
    ({"size": (2, 2), "axis": 0}, SpecError, "leave axis= out"),
    ({"rule": 3}, SpecError, "unknown rule 3"),
    ({"rule": "Floor"}, SpecError, "unknown rule 'Floor'. Did you mean 'floor'"),
    ({"profile": 3}, SpecError, "unknown profile 3"),
    ({"profile": None}, SpecError, "unknown profile None"),
    ({"offset": "max"}, SpecError, "unknown offset 'max'"),
    ({"axis": "flat"}, SpecError, "axis=flat needs size="),
]


@pytest.mark.parametrize(("options", "error", "message"), MADE, ids=[str(options) for options, *_ in MADE])
def test_constructor(options, error, message):
    with pytest.raises(error) as caught:
        Block("int8", "f32", **options)
    assert message in str(caught.value)


def test_profiles_of_scales_are_not_offered():
    """They are known, since the spec of NVFP4's scales names one; a user has no need of them."""
    with pytest.raises(SpecError) as caught:
        numfmt.parse("mxfp4[profile=amax]")
    offered = set(str(caught.value).partition("Choose one of: ")[2].split(", "))
    hidden = {"amax_scale", "global_scale", "amax_over_1536", "amax_over_2688"}
    assert offered == set(BLOCK_PROFILES) - hidden
    assert hidden < set(BLOCK_PROFILES)
    scales = numfmt.encode(X, "nvfp4").scales.format
    assert numfmt.parse(str(scales)) == scales


def test_formats_that_a_constructor_does_not_take():
    for of, scale in (
        (3, "f32"),
        ("int8", None),
        (None, "f32"),
        ("int8", 3.0),
        ("mxfp4", "f32"),
        ("int8", "int4"),
    ):
        with pytest.raises((SpecError, TypeError)) as caught:
            Block(of, scale)
        assert "'" in str(caught.value) or "spec string" in str(caught.value)


def test_what_a_constructor_takes():
    assert Block("int8", "f32", np.int32(4), np.int64(-1)) == numfmt.parse(
        "block[of=int8,scale=f32,size=4,axis=-1]"
    )
    assert (
        Block("int8", "f32", [2, 3])
        == Block("int8", "f32", (np.uint8(2), 3))
        == numfmt.parse("block[of=int8,scale=f32,size=2x3]")
    )
    assert Block("int8", "f32", (4,)) == Block("int8", "f32", 4)
    big = numfmt.parse("block[of=int8,scale=f32,size=99999999999999999999999]")
    assert big.encode(X).scales.shape == (4, 1)


CALLS = [
    ("mxfp4", {"axis": 2}, ValueError, "axis=2: an array of shape (4, 6) has 2 axes, -2 to 1"),
    ("mxfp4", {"axis": -3}, ValueError, "axis=-3: an array of shape (4, 6) has 2 axes, -2 to 1"),
    ("mxfp4", {"axis": (0, 1)}, TypeError, "axis= takes one integer, got (0, 1)"),
    ("mxfp4", {"axis": True}, TypeError, "axis= takes one integer, got True"),
    ("mxfp4", {"axis": "flat"}, ValueError, "axis= of a call takes an integer; a spec says axis=flat. Got it with 'mxfp4'"),
    ("mxfp4", {"axis": 1.0}, TypeError, "axis= takes one integer, got 1.0"),
    ("mxfp4[axis=0]", {"axis": 1}, ValueError, "axis=1 conflicts with axis=0 of 'mxfp4[axis=0]'"),
    ("deepseek_128x128", {"axis": 0}, ValueError, "axis=0 conflicts with the tiles of 'deepseek_128x128'"),
    ("block[of=int8,scale=f32,axis=2]", {}, ValueError, "axis=2: an array of shape (4, 6) has 2 axes"),
    ("block[of=int8,scale=f32,axis=99999999999999999999]", {}, ValueError, "has 2 axes"),
    ("mxfp4", {"zero": 3}, ValueError, "'mxfp4' has no zero points: leave zero= out"),
    ("mxfp4", {"scale": 0}, ValueError, "scale 0.0 is zero; a scale is a positive number of 'e8m0fnu'"),
    ("mxfp4", {"scale": -1}, ValueError, "scale -1.0 is negative; a scale is a positive number"),
    ("mxfp4", {"scale": np.nan}, ValueError, "scale nan is NaN; a scale is a positive number"),
    ("mxfp4", {"scale": np.inf}, ValueError, "scale inf is infinite; a scale is a positive number"),
    ("mxfp4", {"scale": [[1], [2], [0], [-1]]}, ValueError, "scale 0.0 at (2, 0) is zero"),
    ("mxfp4", {"scale": [1, 2]}, ValueError, "scale= has shape (2,); it is (4, 1) or one number"),
    ("mxfp4", {"scale": np.ones((4, 2))}, ValueError, "scale= has shape (4, 2); it is (4, 1) or one number"),
    ("mxfp4", {"scale": []}, ValueError, "scale= has shape (0,); it is (4, 1) or one number"),
    ("mxfp4", {"scale": "abc"}, TypeError, "scale= takes a number or an array of numbers, got 'abc'"),
    ("mxfp4", {"scale": 1j}, TypeError, "scale= takes a number or an array of numbers, got 1j"),
    ("mxfp4", {"scale": True}, TypeError, "scale= takes a number or an array of numbers, got True"),
    ("mxfp4", {"scale": [1, [2]]}, TypeError, "scale= takes a number or an array of numbers, got [1, [2]]"),
    ("mxfp4", {"scale": [None] * 4}, TypeError, "scale= takes a number or an array of numbers"),
    (
        "block[of=int8,scale=block[of=e4m3fn,scale=f32],size=6]", {"scale": [[1], [1], [1e-9], [1]]}, ValueError,
        "scale 1e-09 at (2, 0) rounds to 0; a scale is a positive number of 'block[of=e4m3fn,scale=f32]'",
    ),
    ("block[of=int8,scale=f32,rule=given]", {}, ValueError, "takes its scales from the call: give scale="),
    ("mxfp4", {"nan": "big"}, ValueError, "nan= takes a number, 'max' or 'min', got 'big'"),
    ("mxfp4", {"nan": np.nan}, ValueError, "nan= says what NaN becomes: a number, 'max' or 'min', not NaN itself"),
    ("mxfp4", {"nan": [1, 2]}, ValueError, "nan= takes a number, 'max' or 'min', got [1, 2]"),
    ("mxfp4", {"nan": 1, "scale": 1, "zero": 0}, ValueError, "no zero points"),
    ("mxfp4", {"rounding": "rne2"}, SpecError, "unknown rounding mode 'rne2'"),
    ("mxfp4", {"overflow": "clip"}, SpecError, "unknown overflow policy 'clip'"),
    ("mxfp4", {"overflow": "infinity"}, SpecError, "e2m1fn has no infinity; it can saturate or raise"),
    ("mxfp4", {"overflow": "wrap"}, SpecError, "overflow 'wrap' is for fixed-point formats"),
    ("mxfp4", {"rounding": "sr"}, ValueError, "rounding='stochastic' needs either seed= or noise=, got neither"),
    ("mxfp4", {"rounding": "sr", "seed": -1}, ValueError, "seed must satisfy 0 <= seed < 2**64, got -1"),
    ("mxfp4", {"rounding": "sr", "noise": np.zeros(24, np.uint32)}, ValueError, "noise has shape (24,), x has (4, 6)"),
    ("mxfp4", {"rounding": "sr", "noise": np.zeros((4, 6))}, TypeError, "noise= takes uint32 words, got float64"),
    ("mxfp4", {"noise": np.zeros((4, 6), np.uint32)}, ValueError, "noise= is for stochastic rounding"),
    ("mxfp4", {"random_bits": 4}, ValueError, "random_bits is for stochastic rounding"),
    ("mxfp4", {"rounding": "sr", "seed": 1, "random_bits": 33}, ValueError, "random_bits must be an integer from 1 to 32"),
    ("mxfp4", {"engine": "gpu"}, SpecError, "unknown engine 'gpu'. Choose one of: reference, numpy, kernel"),
    ("mxfp4", {"out": []}, TypeError, "out= takes an ndarray, got list"),
    ("mxfp4", {"out": np.zeros(3)}, ValueError, "out has shape (3,), the result has (4, 6)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "options", "error", "message"), CALLS, ids=[f"{s}-{m[:50]}" for s, _, _, m in CALLS]
)
def test_keywords(spec, options, error, message):
    for verb in (numfmt.cast, numfmt.encode):
        if verb is numfmt.encode and isinstance(options.get("out"), np.ndarray):
            options = {"out": options["out"].astype(np.uint8)}
        with pytest.raises(error) as caught:
            verb(X, spec, **options)
        assert message in str(caught.value)


def test_dtypes_asked_for():
    with pytest.raises(TypeError, match="values come as float16, float32, float64 or object, not int8"):
        numfmt.cast(X, "mxfp4", dtype=np.int8)
    with pytest.raises(TypeError, match="codes of 'mxfp4' are uint8, got dtype int8"):
        numfmt.encode(X, "mxfp4", dtype=np.int8)
    with pytest.raises(TypeError, match="codes of 'mxfp4' are uint8, got dtype float32"):
        numfmt.encode(X, "mxfp4", out=np.zeros((4, 6), np.float32))
    locked = X.copy()
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        numfmt.cast(X, "mxfp4", out=locked)


@pytest.mark.parametrize(("x", "error", "message"), [
    (np.array([1j]), TypeError, "expected real numbers, got an array of dtype complex128"),
    (np.array([None]), TypeError, "expected real numbers, got an array of dtype object"),
    (np.array(["1"]), TypeError, "expected real numbers, got an array of dtype <U1"),
    ([1, "a"], TypeError, "expected real numbers"),
    (None, TypeError, "expected real numbers"),
    ("abc", ValueError, "'abc' is not a number; write it like 0.1"),
    ([2**70, 1], TypeError, "fits no array"),
    ([[1.0], [1.0, 2.0]], ValueError, "got a ragged list"),
])  # fmt: skip
def test_arrays_that_cannot_be_served(x, error, message):
    for spec in ("mxfp4", "mx9[axis=0]", "nvfp4"):
        for verb in (numfmt.cast, numfmt.encode):
            with pytest.raises(error, match=message):
                verb(x, spec)


def test_codes_without_their_scales():
    array = numfmt.encode(X, "mxfp4")
    for codes in (array.codes, array.pack(), array.codes.tolist()):
        with pytest.raises(
            TypeError, match="codes of 'mxfp4' mean nothing without their scales: give the BlockArray"
        ):
            numfmt.decode(codes, "mxfp4")


def test_tiles_need_two_axes():
    for x in (X[0], np.float32(1)):
        with pytest.raises(ValueError, match=r"tiles of 128x128 need two axes or more, got shape \(.*\)"):
            numfmt.cast(x, "deepseek_128x128")


def test_scales_that_cannot_say_nan():
    x = np.float32([[1, 2], [np.nan, 3], [np.inf, 4]])
    block = numfmt.parse("block[of=int8,scale=e5m0b31finu,size=2]")
    with pytest.raises(
        RangeError,
        match=r"2 of 3 scales are NaN, of blocks with NaN or infinity in them, and 'e5m0b31finu' has no NaN; first at"
        r" \(1, 0\)",
    ) as caught:
        block.cast(x)
    assert (caught.value.count, caught.value.index) == (2, (1, 0))
    assert not block.takes_nan
    with pytest.raises(RangeError, match="1 of 3 scales is NaN, of blocks with NaN or infinity"):
        block.encode(x, nan=0)
    assert block.cast(x[:2], nan=0).tolist()[1] == [0, 3]


def test_out_is_left_alone_where_it_is_the_input():
    for spec, options in (
        ("flex16+5", {}), ("mxfp4", {"overflow": "raise"}), ("mxfp4", {"scale": 1.0}), ("mxfp4", {"nan": "x"}),
        ("block[of=int8,scale=e5m0b31finu]", {}), ("mxfp4", {"axis": 5}),
    ):  # fmt: skip
        own = np.float32([1.99, np.nan, 3, 3.99])
        before = own.tobytes()
        with pytest.raises(ValueError, match=r".+"):
            numfmt.cast(own[[0, 2, 3]] if "overflow" in options else own, spec, **options)
        with pytest.raises(ValueError, match=r".+"):
            numfmt.cast(own, spec, out=own, **({"nan": 0} if "overflow" in options else {}) | options)
        assert own.tobytes() == before


def test_codes_that_the_elements_do_not_have():
    array = numfmt.encode([1.0, 2.0], "mxfp4")
    with pytest.raises(
        RangeError, match="decode from 'mxfp4': 1 of 2 values is not among its codes, 0 to 15"
    ):
        BlockArray(np.uint8([3, 16]), array.scales, None, array.format).decode()
    with pytest.raises(
        ValueError, match=r"scales= has shape \(1,\); for codes of shape \(1, 40\) it is \(1, 2\)"
    ):
        BlockArray(np.zeros((1, 40), np.uint8), array.scales, None, array.format)
    with pytest.raises(TypeError, match="the array is in 'mxfp4'"):
        numfmt.decode(array, "mxfp8")


# Any text

PIECES = [
    *registry.scaled_examples(), *RULES, "block", "[", "]", "=", ",", "of", "scale", "size", "axis", "rule", "profile",
    "of=e2m1fn", "scale=e8m0fnu", "scale=f32", "size=32", "size=2x3", "axis=-1", "rule=mse", "block[of=e4m3fn,scale=f32",
    "of=int8,", "flex", "+", "bfp", "msfp", "mxfp", "0", "1", "8", "99999", "-", "x", " ", "\n", "\0", "²", "é",
]  # fmt: skip


def check(text):
    """The format of a text, whose own spec it is, or a `SpecError`; nothing else."""
    registry._parse_text.cache_clear()
    try:
        form = numfmt.parse(text)
    except SpecError as error:
        form = error
    assert str(form).strip()
    assert isinstance(form, SpecError) or numfmt.parse(str(form)) == form


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
@example("block[" * 60 + "]" * 60)
@example("block[of=int8,scale=" * 40 + "f32" + "]" * 40)
@example("block[of=e2m1fn,scale=f32,size=" + "9" * 900 + "]")
@example("block[of=e2m1fn,scale=f32,axis=-" + "9" * 900 + "]")
@example("bfp" + "9" * 900)
@example("flex" + "9" * 400 + "+" + "9" * 400)
@example("bfp8[size=" + "9" * 900 + "]")
@settings(max_examples=200, deadline=None)
def test_pieces_of_specs(text):
    check(text)


@st.composite
def near_misses(draw):
    """A valid spec with a few characters dropped, doubled, swapped or replaced."""
    text = draw(st.sampled_from(registry.scaled_examples()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        new = draw(st.sampled_from(["", text[at : at + 1] * 2, text[at : at + 2][::-1], *"09-[]=,f"]))
        text = text[:at] + new + text[at + max(1, len(new) // 2) :]
    return text


@given(near_misses())
@settings(max_examples=200, deadline=None)
def test_near_misses(text):
    check(text)


@given(
    st.sampled_from([*registry.examples(), "f3", "block", "mxfp4"]), st.sampled_from([*registry.examples(), "nvfp4"]),
    st.sampled_from(["", "size=4", "size=4x4", "size=0", "axis=1", "size=4x4,axis=0"]),
    st.sampled_from(["", *RULES, "x"]), st.booleans(),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_composition(of, scale, shared, rule, nested):
    """What can be parsed serves: values are finite, and their own cast has the dtype asked for."""
    held = f"block[of={scale},scale=f32]" if nested else scale
    rest = ",".join(filter(None, (shared, f"rule={rule}" * bool(rule))))
    text = f"block[of={of},scale={held},{rest}]".replace(",]", "]")
    check(text)
    try:
        block = numfmt.parse(text)
    except SpecError:
        return
    if block.rule == "given":
        return
    values = block.cast(X * np.float32(0.7))
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert np.array_equal(block.encode(X * np.float32(0.7)).decode(), values)
