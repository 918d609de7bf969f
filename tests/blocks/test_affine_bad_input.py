"""Each mistake has an error that says what was given, what is wrong and what to do."""

import numpy as np
import pytest

import numfmt
from numfmt.blocks import PROFILES, Affine, BlockArray, Groups, PerAxis, scaled
from numfmt.errors import RangeError, SpecError

X = np.ones((4, 6), np.float32)
GIVEN = [
    ("scale 0.0 is zero", ValueError, {"scale": 0}),
    ("scale -0.5 is negative", ValueError, {"scale": -0.5}),
    ("scale nan is NaN", ValueError, {"scale": np.nan}),
    ("scale inf is infinite", ValueError, {"scale": np.inf}),
    ("scale 1e-39 is subnormal", ValueError, {"scale": 1e-39}),
    (r"scale 1e\+300 is beyond its range", ValueError, {"scale": 1e300}),
    ("scale 0.0 at 2 is zero", ValueError, {"scale": [1, 1, 0, 1], "axis": 0}),
    ("scale= takes a number or an array", TypeError, {"scale": "wide"}),
    ("scale= takes a number or an array", TypeError, {"scale": 1j}),
    ("scale= takes a number or an array", TypeError, {"scale": True}),
    ("scale= takes a number or an array", TypeError, {"scale": [None], "axis": 0}),
    ("scale= takes a number or an array", TypeError, {"scale": [[1], [1, 2]], "axis": 0}),
    ("scale= takes a number or an array", TypeError, {"scale": ["1"] * 4, "axis": 0}),
    (r"scale= has shape \(4,\) and there is one scale; axis= says which axis", ValueError, {"scale": [1] * 4}),
    (r"scale= has shape \(3,\).*it is \(4,\)", ValueError, {"scale": [1] * 3, "axis": 0}),
    (r"scale= has shape \(4, 1\).*it is \(4,\)", ValueError, {"scale": [[1]] * 4, "axis": 0}),
    (r"zero= has shape \(3,\).*it is \(4,\)", ValueError, {"scale": 1, "zero": [1] * 3, "axis": 0}),
    ("a zero point is an integer, got 1.5", ValueError, {"scale": 1, "zero": 1.5}),
    ("a zero point is an integer, got nan", ValueError, {"scale": 1, "zero": np.nan}),
    ("zero point 128 is no code of 'int8', -128 to 127", ValueError, {"scale": 1, "zero": 128}),
    ("zero point 10{30} is no code of 'int8', -128 to 127", ValueError, {"scale": 1, "zero": 10**30}),
    (r"a zero point is an integer, got \[\[1\], \[1, 2\]\]", ValueError, {"scale": 1, "zero": [[1], [1, 2]]}),
    ("a zero point is an integer, got True", ValueError, {"scale": 1, "zero": True}),
    ("zero= needs scale=", ValueError, {"zero": 1}),
    (r"axis=2: an array of shape \(4, 6\) has 2 axes, -2 to 1", ValueError, {"scale": 1, "axis": 2}),
    (r"axis=-3: an array of shape", ValueError, {"axis": -3}),
    ("axis= takes one integer", TypeError, {"scale": 1, "axis": (0, 1)}),
    ("axis= takes one integer", TypeError, {"scale": 1, "axis": True}),
    ("unknown engine", SpecError, {"scale": 1, "engine": "gpu"}),
    ("unknown rounding mode 'nearest_evn'. Did you mean", SpecError, {"scale": 1, "rounding": "nearest_evn"}),
    ("unknown overflow policy", SpecError, {"scale": 1, "overflow": "clip"}),
    ("nan= takes a number, 'max' or 'min'", ValueError, {"scale": 1, "nan": "big"}),
    ("nan= takes a number, 'max' or 'min'", ValueError, {"scale": 1, "nan": np.nan}),
    ("nan= takes a number, 'max' or 'min', got 'low'", ValueError, {"scale": 1, "nan": "low"}),
    ("nan= takes a number, 'max' or 'min', got 'raise'", ValueError, {"scale": 1, "nan": "raise"}),
    ("needs either seed= or noise=, got neither", ValueError, {"scale": 1, "rounding": "sr"}),
    ("noise= is for stochastic rounding", ValueError, {"scale": 1, "noise": np.zeros((4, 6), np.uint32)}),
    ("out= takes an ndarray", TypeError, {"scale": 1, "out": []}),
    (r"out has shape \(6,\)", ValueError, {"scale": 1, "out": np.zeros(6, np.float32)}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "error", "options"), GIVEN, ids=[f"{m[:40]}" for m, _, _ in GIVEN])
def test_keywords(message, error, options):
    with pytest.raises(error, match=message):
        scaled(numfmt.parse("int8")).cast(X, **options)


CONFLICTS = [
    ("int8[scale=0.5]", {"scale": 0.5}, "scale= conflicts with scale=0.5"),
    ("int8[calibrate=kl]", {"scale": 0.5}, "scale= conflicts with calibrate=kl"),
    ("int8[scale=0.5,zero=1]", {"zero": 1}, "zero= conflicts with zero=1"),
    ("int8[axis=0]", {"axis": 1}, r"axis=1 conflicts with axis=0 of 'int8\[axis=0\]'"),
    ("int8[scale=0.5]", {"axis": 0}, "axis=0 conflicts with the one scale"),
    ("int8[size=2,axis=-1]", {"axis": 0}, "axis=0 conflicts with axis=-1"),
    (
        "int8[axis=0,profile=tensorrt]",
        {"scale": 1, "zero": 1},
        "profile 'tensorrt' has no zero point other than 0",
    ),
    (
        "int8[size=4,axis=-1]",
        {"scale": np.ones(2)},
        r"scale= has shape \(2,\); for x of shape \(4, 6\) it is \(4, 2\)",
    ),
    ("int8[axis=2]", {}, "axis=2: an array of shape"),
    (
        "int8[symmetric,axis=0]",
        {"scale": 1, "zero": -128},
        r"-128 is no code of 'int8\[symmetric\]', -127 to 127",
    ),
]


@pytest.mark.parametrize(("spec", "options", "message"), CONFLICTS)
def test_conflicts_with_the_spec(spec, options, message):
    for verb in (numfmt.parse(spec).cast, numfmt.parse(spec).encode):
        with pytest.raises(ValueError, match=message):
            verb(X, **options)


def test_what_agrees_with_the_spec_is_taken():
    form = numfmt.parse("int8[axis=-1]")
    assert form.encode(X, axis=1).format == form.encode(X, axis=-1).format == form
    assert numfmt.parse("int8[scale=0.5]").encode(X, zero=3).format == numfmt.parse("int8[scale=0.5,zero=3]")
    assert scaled(numfmt.parse("int8")).encode(X, axis=0).format == numfmt.parse("int8[axis=0]")
    assert scaled(form) is form


SPECS = [
    ("int8[scale=0]", "scale 0.0 is zero"),
    ("int8[scale=-1]", "scale -1.0 is negative"),
    ("int8[scale=nan]", "scale nan is NaN"),
    ("int8[scale=inf]", "scale inf is infinite"),
    ("int8[scale=1e-40]", "scale 1e-40 is subnormal"),
    ("int8[scale=big]", "scale is a number, got 'big'"),
    ("int8[scale=1,zero=200]", "zero point 200 is no code of 'int8'"),
    ("int8[scale=1,zero=1.5]", "zero is an integer, got '1.5'"),
    ("int8[zero=3]", "zero= needs scale="),
    ("int8[size=32]", "size= needs axis="),
    ("int8[size=0,axis=0]", "size is the number of elements of a group, 1 or more; got 0"),
    ("int8[scale=1,calibrate=kl]", "calibrate= finds the scale that scale= gives"),
    ("int8[calibrate=minmx]", "calibrate is absmax or minmax"),
    ("int8[profile=onnxruntme,scale=1]", "unknown profile 'onnxruntme'. Did you mean 'onnxruntime'"),
    ("int8[calibrate=minmax,profile=tensorrt]", "profile 'tensorrt' has no zero point"),
    ("int8[scale=1,profile=tensorrt,zero=1]", "profile 'tensorrt' has no zero point other than 0"),
    ("int8[axis=0,axis=1]", "given twice"),
    ("e4m3fn[scale=0.5]", "affine elements are integers of at most 32 bits, such as 'int8'; got 'e4m3fn'"),
    ("q3.4[scale=0.5]", "affine elements are integers"),
    ("int64[scale=0.5]", "affine elements are integers of at most 32 bits"),
    ("int8[scal=0.5]", "unknown option 'scal'"),
    ("int17[calibrate=kl]", "calibrate=kl takes codes of 2 to 16 bits; absmax takes any"),
    ("uint1[calibrate=mse,axis=0]", "calibrate=mse takes codes of 2 to 16 bits"),
]


@pytest.mark.parametrize(("spec", "message"), SPECS)
def test_specs(spec, message):
    with pytest.raises(SpecError, match=message) as caught:
        numfmt.parse(spec)
    assert spec in str(caught.value)


def test_more_than_one_scale_in_a_format_is_refused():
    with pytest.raises((TypeError, ValueError)):
        Affine(numfmt.parse("int8"), scale=[0.1, 0.2])


def test_arrays_that_cannot_be_served():
    form = numfmt.parse("int8[scale=1]")
    for x in (np.array([1j]), np.array([None]), np.array(["1"])):
        with pytest.raises(TypeError, match="expected real numbers"):
            form.cast(x)
    with pytest.raises(TypeError, match=r"codes of .* are int8, got dtype uint8"):
        form.encode(X, dtype=np.uint8)
    with pytest.raises(TypeError, match="values come as"):
        form.cast(X, dtype=np.int8)
    locked = X.copy()
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        form.cast(X, out=locked)


INT4 = "int4[scale=1.0]"
ARRAYS = [
    ([1, 2], np.float32(1), None, INT4, TypeError, "codes= takes an array of integers, got list"),
    (np.float32([1]), np.float32(1), None, INT4, TypeError, "codes= .* got dtype float32"),
    (np.int8([1]), 1.0, None, INT4, TypeError, "scales= takes an array of float32, got float"),
    (np.int8([1]), np.float64(1), None, INT4, TypeError, "scales= .* got dtype float64"),
    (np.int8([1]), np.float32(1), 0.0, INT4, TypeError, "zeros= takes an array of integers or None, got float"),
    (
        np.zeros((4, 6), np.int8), np.ones(4, np.float32), None, "int8[axis=1]", ValueError,
        r"scales= has shape \(4,\); for codes of shape \(4, 6\) it is \(6,\)",
    ),
    (
        np.zeros((4, 6), np.int8), np.ones(6, np.float32), np.int8([0]), "int8[axis=1]", ValueError,
        r"zeros= has shape \(1,\); for codes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("codes", "scales", "zeros", "spec", "error", "message"), ARRAYS)
def test_parts_that_make_no_array(codes, scales, zeros, spec, error, message):
    """Scales of another shape would be read past their end."""
    with pytest.raises(error, match=message):
        BlockArray(codes, scales, zeros, numfmt.parse(spec))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64])
def test_codes_that_the_format_does_not_have(dtype):
    array = BlockArray(np.array([[7, -8], [0, -9]], dtype), np.float32(1), None, numfmt.parse(INT4))
    with pytest.raises(
        RangeError, match=r"decode from .*: 1 of 4 values is not among its codes, -8 to 7; .*\(1, 1\)"
    ):
        array.decode()
    for bad in (16, 100):
        with pytest.raises(RangeError, match="not among its codes"):
            BlockArray(np.array([bad], dtype), np.float32(1), None, numfmt.parse(INT4)).decode()


def test_codes_may_be_residues():
    """As `unpack` gives them, unless it is told of the sign."""
    residues = BlockArray(np.uint8([15, 7, 8, 0]), np.float32(1), None, numfmt.parse(INT4))
    assert residues.decode().tolist() == [-1, 7, -8, 0]
    lowest = BlockArray(np.uint8([8]), np.float32(1), None, numfmt.parse("int4[symmetric,scale=1]"))
    with pytest.raises(RangeError, match="-7 to 7"):
        lowest.decode()


def test_tensors_that_would_lose_something():
    torch = pytest.importorskip("torch")
    x, form = torch.ones(3), numfmt.parse(INT4)
    for verb in (form.cast, form.encode):
        with pytest.raises(TypeError, match=r"it requires grad; numfmt.interop.torch.cast takes it"):
            verb(torch.ones(3, requires_grad=True))
    for options in ({"out": np.zeros(3, np.float32)}, {"dtype": object}):
        with pytest.raises(TypeError, match="neither out= nor dtype=object"):
            form.cast(x, **options)


def test_a_range_beyond_float32():
    with pytest.raises(ValueError, match="spans more than float32"):
        numfmt.parse("uint8[calibrate=minmax]").encode(np.float32([-3e38, 3e38]))
    assert numfmt.parse("int8[axis=0]").encode(np.float32([[-3e38, 3e38]])).codes.tolist() == [[-127, 127]]


def test_tiny_ranges_have_a_normal_scale():
    array = numfmt.parse("int8[axis=0]").encode(np.float32([[1e-44, 1e-38]]))
    assert array.scales.tolist() == [2.0**-126]
    assert array.codes.tolist() == [[0, 1]]
    for profile in ("default", "onnx", "onnxruntime", "torchao"):
        form = numfmt.parse(f"uint8[calibrate=minmax,profile={profile}]")
        assert form.encode(np.float32([0, 1e-38])).scales == 2.0**-126


def test_formats_hold_no_arrays():
    for form in (
        Affine(numfmt.parse("int8"), g, profile=p)
        for g in (PerAxis(0), Groups(0, 2))
        for p in PROFILES.values()
    ):
        hash(form)
        array = form.encode(X)
        assert numfmt.parse(str(array.format)) == array.format == form


def test_errors_survive_pickling():
    import pickle

    with pytest.raises(RangeError) as caught:
        numfmt.parse("int8[scale=1]").encode([1.0, np.nan])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.index) == (str(caught.value), (1,))


def test_lists_that_no_array_holds():
    for given, error, message in (
        ([2**53 + 1, 0.5], TypeError, "NumPy would round 9007199254740993 to float64"),
        ([[1.0], [1.0, 2.0]], ValueError, "got a ragged list"),
        ([2**70, 1], TypeError, "fits no array"),
    ):
        with pytest.raises(error, match=message):
            numfmt.encode(given, "int8[scale=0.5]")
