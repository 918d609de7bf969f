"""What holds for every profile, granularity, layout and engine."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from laws.flushing import on_x86
from laws.test_without_numba import run_apart

import numfmt
from blocks.hard import SCALES, hard_numbers
from numfmt.blocks import PROFILES, Affine, BlockArray, Groups, PerAxis, PerTensor, scaled
from numfmt.calibration import range_of_least_squares, threshold
from numfmt.calibration.histograms import Samples
from numfmt.engine import jit
from numfmt.kernels.odd import odd_sum

SHAPE = (5, 12, 70)
GRANULARITIES = [
    PerTensor(), PerAxis(0), PerAxis(1), PerAxis(-1), Groups(0, 2), Groups(1, 5), Groups(-1, 32), Groups(2, 1),
    Groups(2, 100),
]  # fmt: skip
NAMES = [str(list(g.options.values())) for g in GRANULARITIES]
SPECIALS = np.float32([np.nan, np.inf, -np.inf, 3e38, 1e-45, -0.0])
over_granularities = pytest.mark.parametrize("granularity", GRANULARITIES, ids=NAMES)
over_profiles = pytest.mark.parametrize("profile", PROFILES)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def case(granularity, profile="default", spec="int8", shape=SHAPE, specials=True, seed=0):
    """Numbers, format, and scales and zero points for each slice."""
    rng = np.random.default_rng(seed)
    form = Affine(numfmt.parse(spec), granularity, profile=PROFILES[profile])
    counted = granularity.scale_shape(shape)
    scales = np.float32(np.array(SCALES[:8])[rng.integers(0, 8, counted)])
    first, last = form.codes
    zeros = rng.integers(max(first, -200), min(last, 300) + 1, counted)
    if not form.profile.affine:
        zeros = np.zeros_like(zeros)
    count = int(np.prod(shape))
    x = np.concatenate([hard_numbers(s, count // 8 + 1, seed=seed) for s in SCALES[:8]])[:count]
    x = rng.permutation(x)
    if specials:
        x[: SPECIALS.size] = SPECIALS
        x = rng.permutation(x)
    if form.profile.nan == "raise":
        x[np.isnan(x)] = 1
    return x.reshape(shape), form, {"scale": scales, "zero": zeros}


def spread(array, granularity, shape):
    """A number for each element from a number for each slice, written out with indices."""
    array, result = np.asarray(array), np.empty(shape, np.asarray(array).dtype)
    options = granularity.options
    for index in np.ndindex(shape):
        if not options:
            result[index] = array[()]
            continue
        axis = options["axis"] % len(shape)
        if "size" in options:
            result[index] = array[(*index[:axis], index[axis] // options["size"], *index[axis + 1 :])]
        else:
            result[index] = array[index[axis]]
    return result


@over_granularities
@pytest.mark.parametrize("spec", ["int8", "uint8", "int4", "int8[symmetric]", "int16", "uint16", "int1"])
def test_the_definition(spec, granularity):
    """t = fl32(x / s), q = saturate(nearest_even(t) + z), value = fl32(s * (q - z))."""
    x, form, given = case(granularity, spec=spec)
    s, z = (spread(a, granularity, SHAPE) for a in given.values())
    with np.errstate(all="ignore"):
        t = x / s
    codes = np.clip(np.clip(np.rint(t), -1e6, 1e6).astype(np.int64) + z, *form.codes)
    values = s * (codes - z).astype(np.float32)
    for engine in ("reference", "numpy", "kernel", None):
        array = form.encode(x, **given, engine=engine)
        assert (array.codes == codes).all()
        assert same(form.cast(x, **given, engine=engine), values)
    assert same(array.decode(), values)
    assert array.codes.dtype == np.dtype(
        ("u" if spec.startswith("u") else "") + ("int16" if "16" in spec else "int8")
    )


@over_profiles
@over_granularities
@pytest.mark.parametrize("spec", ["int8", "uint8"])
def test_engines_agree_and_cast_is_decode_of_encode(spec, granularity, profile):
    x, form, given = case(granularity, profile, spec)
    array = form.encode(x, **given, engine="numpy")
    fast = form.encode(x, **given)
    assert same(fast.codes, array.codes)
    values = form.cast(x, **given, engine="numpy")
    assert same(form.cast(x, **given), values)
    assert same(array.decode(), values)
    assert not np.signbit(values[values == 0]).any()


@over_profiles
@over_granularities
def test_a_value_never_moves_and_order_is_kept(granularity, profile):
    """Where the profile divides: a rounded reciprocal may move a value, as its library does."""
    x, form, given = case(granularity, profile, specials=False)
    if form.profile.clamp == "int32":
        x = np.clip(x, -1e-3, 1e-3)
    array = form.encode(x, **given)
    if form.profile.op == "divide":
        assert (form.encode(array.decode(), **given).codes == array.codes).all()
    more = np.nextafter(x, np.float32(np.inf))
    assert (form.encode(more, **given).codes >= array.codes).all()


CALIBRATED = [
    pytest.param(granularity, method, id=f"{method}-{name}")
    for granularity, name in zip(GRANULARITIES, NAMES, strict=True)
    for method in ("absmax", "minmax", "percentile")
    if method != "percentile" or granularity.scale_count(SHAPE) <= 20
]


@pytest.mark.parametrize(("granularity", "calibrate"), CALIBRATED)
@pytest.mark.parametrize("spec", ["int8", "uint8", "int8[symmetric]"])
def test_scales_from_the_data_are_those_of_each_slice(spec, granularity, calibrate):
    rng = np.random.default_rng(3)
    x = rng.standard_normal(SHAPE).astype(np.float32) * rng.uniform(0.1, 9, SHAPE).astype(np.float32)
    form = Affine(numfmt.parse(spec), granularity, calibrate=calibrate)
    array = form.encode(x)
    which = np.arange(granularity.scale_count(SHAPE)).reshape(granularity.scale_shape(SHAPE))
    number = spread(which, granularity, SHAPE)
    lone = Affine(numfmt.parse(spec), calibrate=calibrate)
    for i in range(which.size):
        part = lone.encode(x[number == i])
        assert array.scales.reshape(-1)[i] == part.scales
        if array.zeros is not None:
            assert array.zeros.reshape(-1)[i] == part.zeros
        assert (array.codes[number == i] == part.codes).all()
    assert same(form.cast(x), array.decode())


@pytest.mark.parametrize("method", ["kl", "mse", "l2", "percentile", "aciq_gauss", "aciq_laplace"])
def test_all_unsigned_codes_serve_data_without_negative_elements(method):
    x = np.abs(np.random.default_rng(0).standard_t(4, 20_000)).astype(np.float32)
    array = numfmt.parse(f"uint4[calibrate={method}]").encode(x)
    reach = threshold(x, method, 4, signed=False)
    assert (array.scales, array.zeros) == (np.float32(reach) / np.float32(15), 0)


def test_l2_finds_both_ends():
    x = np.random.default_rng(0).standard_t(3, size=20_000).astype(np.float32) + 1
    low, high = np.float32(range_of_least_squares(Samples(x).signed(), 4))
    assert x.min() <= low < 0 < high < min(x.max(), -low)
    array = numfmt.parse("uint4[calibrate=l2]").encode(x)
    assert array.scales == (high - low) / np.float32(15)
    assert array.zeros == np.rint(-low / array.scales)
    assert numfmt.parse("uint4[calibrate=l2]").encode(x + 1000).zeros == 0  # 0 is a code, far from the data


@pytest.mark.parametrize("method", ["absmax", "kl", "mse", "l2", "percentile", "aciq_gauss"])
def test_slices_without_elements_have_scale_1(method):
    for spec, shape, scales in (
        (f"int8[calibrate={method}]", (0,), 1.0),
        (f"uint8[axis=1,calibrate={method}]", (0, 3), [1.0] * 3),
        (f"int8[axis=0,calibrate={method}]", (0, 3), []),
    ):
        assert numfmt.parse(spec).encode(np.zeros(shape)).scales.tolist() == scales


@over_granularities
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_layouts(granularity, dtype):
    """Strides, order, byte order, alignment, read-only, in place, overlapping, out= of any kind."""
    x, form, given = case(granularity)
    with np.errstate(over="ignore"):
        x = np.clip(x, -6e4, 6e4).astype(dtype)
    whole, codes = form.cast(x, **given), form.encode(x, **given).codes
    assert whole.dtype == dtype
    apart = np.zeros((*SHAPE, 2), dtype)[..., 1]
    apart[...] = x
    swapped = x.astype(x.dtype.newbyteorder(">"))
    shifted = np.frombuffer(b"-" + x.tobytes(), np.uint8)[1:].view(dtype).reshape(SHAPE)
    backwards = np.ascontiguousarray(x[::-1, :, ::-1])[::-1, :, ::-1]
    for other in (apart, swapped, shifted, np.asfortranarray(x), backwards):
        assert same(form.cast(other, **given), whole)
        assert same(form.encode(other, **given).codes, codes)
    for out in (np.zeros_like(whole), np.zeros((*SHAPE, 2), dtype)[..., 0], swapped.copy()):
        assert form.cast(x, **given, out=out) is out
        assert same(out.astype(dtype), whole)
    own = x.copy()
    form.cast(own, **given, out=own)
    assert same(own, whole)
    memory = np.zeros(x.size + 3, dtype)
    memory[:-3] = x.reshape(-1)
    form.cast(memory[:-3].reshape(SHAPE), **given, out=memory[3:].reshape(SHAPE))
    assert same(memory[3:].reshape(SHAPE), whole)
    wide = np.zeros((*SHAPE, 2), np.int32)[..., 1]
    assert (form.encode(x, **given, out=wide).codes == codes).all()


def test_long_rows_threads_and_pieces():
    """Rows longer than the loops' pieces, several threads, and many short rows."""
    x = hard_numbers(0.1, 3_000_000)
    for shape, granularity in (
        ((3_000_000,), PerTensor()), ((3, 1_000_000), PerAxis(0)), ((1_000_000, 3), PerAxis(-1)),
        ((1_000_000, 3), PerAxis(0)), ((2, 1_500_000), Groups(-1, 400_000)), ((3_000_000,), Groups(0, 7)),
        ((500, 6000), Groups(0, 3)),
    ):  # fmt: skip
        form = Affine(numfmt.parse("int8"), granularity)
        rng = np.random.default_rng(0)
        scales = rng.uniform(0.05, 0.2, granularity.scale_shape(shape)).astype(np.float32)
        y = x.reshape(shape)
        slow = form.cast(y, scale=scales, engine="numpy")
        assert same(form.cast(y, scale=scales), slow)
        assert same(form.encode(y, scale=scales).decode(), slow)
        own = y.copy()
        assert same(form.cast(own, scale=scales, out=own), slow)


@pytest.mark.parametrize("mode", ["toward_zero", "toward_positive", "to_odd", "nearest_odd", "nearest_up"])
def test_other_modes_by_the_exact_rule(mode):
    """float32 t = x / s is rounded by the engines of integers: the reference says the same."""
    x, form, given = case(PerAxis(1), specials=False)
    s, z = (spread(a, PerAxis(1), SHAPE) for a in given.values())
    with np.errstate(all="ignore"):
        t = x / s
    k = numfmt.encode(t, "int64", rounding=mode, engine="numpy")
    codes = np.clip(np.clip(k, -(2**40), 2**40) + z, -128, 127)
    assert (form.encode(x, **given, rounding=mode).codes == codes).all()
    assert same(form.cast(x, **given, rounding=mode), s * (codes - z).astype(np.float32))


def test_nearest_modes_by_either_way():
    x, form, given = case(PerAxis(1), specials=False)
    tflite = Affine(form.of, form.granularity, profile=PROFILES["tflite"])
    assert same(form.cast(x, **given, rounding="nearest_away"), tflite.cast(x, **given))
    assert same(tflite.cast(x, **given, rounding="rne"), form.cast(x, **given))


def test_stochastic_rounding():
    form = numfmt.parse("int8[scale=0.25,zero=5]")
    x = np.full((300, 400), 0.3, np.float32)
    drawn = form.encode(x, rounding="stochastic", seed=7)
    assert sorted(np.unique(drawn.codes)) == [6, 7]
    assert abs((drawn.codes == 7).mean() - 0.2) < 0.005
    assert (form.encode(x, rounding="sr", seed=7).codes == drawn.codes).all()
    noise = numfmt.noise.words(7, 0, x.size).reshape(x.shape)
    assert (form.encode(x, rounding="sr", noise=noise).codes == drawn.codes).all()
    assert same(form.cast(x, rounding="sr", seed=7), drawn.decode())
    assert (form.cast(x, rounding="sr", seed=7, random_bits=1) == 0.25).all()


def test_overflow_policies():
    form = numfmt.parse("int8[scale=1,zero=3]")
    x = np.float32([124, 125, 126, 400, -131, -132, 2.0**40 + 2.0**18])
    assert form.encode(x, overflow="saturate").codes.tolist() == [127, 127, 127, 127, -128, -128, 127]
    assert form.encode(x, overflow="wrap").codes.tolist() == [127, -128, -127, -109, -128, 127, 3]
    assert form.cast(x, overflow="wrap").tolist() == [124, -131, -130, -112, -131, 124, 0]
    with pytest.raises(numfmt.RangeError, match="5 of 7 values are out of its range"):
        form.encode(x, overflow="raise")
    with pytest.raises(numfmt.RangeError):
        form.encode([np.inf], overflow="wrap")


def test_nan():
    form, x = numfmt.parse("int8[scale=0.5,zero=4]"), np.float32([[1, np.nan], [np.nan, 2]])
    with pytest.raises(numfmt.RangeError, match=r"2 of 4 values are NaN.*first at \(0, 1\)") as caught:
        form.cast(x)
    assert (caught.value.count, caught.value.total, caught.value.index) == (2, 4, (0, 1))
    assert form.encode(x, nan=0).codes.tolist() == [[6, 4], [4, 8]]
    assert form.encode(x, nan=-3.1).codes.tolist() == [[6, -2], [-2, 8]]
    assert form.encode(x, nan="max").codes.tolist() == [[6, 127], [127, 8]]
    assert form.cast(x, nan="min").tolist() == [[1, -66], [-66, 2]]
    assert form.encode(x, nan="min", rounding="rtz").codes.tolist() == [[6, -128], [-128, 8]]
    with pytest.raises(numfmt.RangeError, match="2 of 4 values are NaN"):
        form.encode(x, rounding="rtz")
    own = x.copy()
    with pytest.raises(numfmt.RangeError):
        form.cast(own, out=own)
    assert same(own, x)


@pytest.mark.parametrize("spec", ["int8[scale=0.5]", "int8[axis=1]"])
def test_every_way_out_tells_nan_from_infinity(spec):
    """Straight, strided, narrow and in place; by rows and by columns."""
    form, given = numfmt.parse(spec), {} if "scale" in spec else {"scale": np.full(70, 0.5, np.float32)}
    x = np.full((40, 70), np.inf, np.float32)
    for value in (np.inf, -np.inf, np.nan):
        x[7, 3] = value
        for out in (
            np.empty_like(x),
            np.empty((40, 140), np.float32)[:, ::2],
            x.astype(np.float16),
            x.copy(),
        ):
            source = out if out.flags.c_contiguous and out.dtype == x.dtype else x
            source[...] = x
            if value == value:
                assert set(form.cast(source, out=out, **given).ravel().tolist()) <= {63.5, -64.0}
            else:
                with pytest.raises(numfmt.RangeError, match="1 of 2800 values is NaN"):
                    form.cast(source, out=out, **given)


@pytest.mark.parametrize("shift", [1, 40_001, -1, -40_001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_overlaps(dtype, shift):
    """Longer than the pieces that go by a scratch array: each is read before another is written over it."""
    memory = np.zeros(150_000, dtype)
    start, end = max(shift, 0), memory.size + min(shift, 0)
    x = memory[start:end] if shift > 0 else memory[: end - start]
    out = memory[: x.size] if shift > 0 else memory[memory.size - x.size :]
    x[...] = hard_numbers(0.1, x.size)
    form = numfmt.parse("int8[scale=0.1]")
    wanted = form.cast(x.copy())
    form.cast(x, out=out)
    assert same(out, wanted)


def test_infinities_saturate_and_scales_from_them_are_refused():
    assert numfmt.parse("int8[scale=1]").encode([np.inf, -np.inf]).codes.tolist() == [127, -128]
    form = numfmt.parse("int8[axis=0]")
    for bad in (np.inf, np.nan, 1e300):
        with pytest.raises(
            numfmt.RangeError, match=r"1 of 3 values is not finite in float32; first at \(1, 0\)"
        ):
            form.encode(np.array([[1.0], [bad], [2.0]]))
    assert form.encode([[1.0], [np.nan], [2.0]], nan=0).codes.tolist() == [[127], [0], [127]]
    with pytest.raises(numfmt.RangeError, match="1 of 3 values is not finite"):
        form.encode([[1.0], [np.nan], [np.inf]], nan=0)


def test_dtypes_of_results_and_inputs():
    form = numfmt.parse("int8[scale=0.1]")
    for dtype in (np.float16, np.float32, np.float64):
        assert form.cast(np.ones(3, dtype)).dtype == dtype
    for given in (np.int8([1, 2]), [1, 2], np.uint64([1, 2]), np.longdouble([1, 2]), np.array([True, False])):
        assert form.cast(given).dtype == (np.float64 if np.asarray(given).dtype.char == "d" else np.float32)
    assert isinstance(form.cast(0.3), np.float64)
    assert form.cast(np.float32(0.3)) == np.float32(3) * np.float32(0.1)
    assert form.cast(np.array(0.3)).shape == ()
    assert form.cast(np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert form.cast([0.3], dtype=np.float32).dtype == np.float32
    exact = form.cast([0.3], dtype=object)[0]
    assert float(exact) == float(np.float32(3) * np.float32(0.1))
    assert numfmt.parse("int8[axis=1]").encode(np.zeros((0, 3))).scales.tolist() == [1, 1, 1]
    assert numfmt.parse("int8[size=2,axis=0]").encode(np.zeros((0, 3))).scales.shape == (0, 3)


def test_exact_scalars_are_rounded_once():
    form = numfmt.parse("int8[scale=1]")
    tie = Fraction(5, 2) + Fraction(1, 10**30)  # float64 would have the tie
    near = 1 + Fraction(1, 2**24) + Fraction(1, 2**60)  # to float32 by way of float64: 1
    for x, code in ((tie, 2), (Decimal("-2.25"), -2), ("0.75", 1), (2**80, 127), (-(2**80), -128)):
        assert form.encode(x).codes == code
        value = form.cast(x)
        assert (type(value), value) == (np.float32, code)
    step = np.nextafter(np.float32(1), np.float32(2))
    for scale in (near, np.longdouble(1) + np.longdouble(2) ** -24 + np.longdouble(2) ** -60):
        assert scaled(form.of).encode([1.0], scale=scale).scales == step


def test_ml_dtypes_and_torch_inputs():
    form = numfmt.parse("int8[scale=0.1]")
    x = np.linspace(-20, 20, 1001).astype(np.float32)
    ml_dtypes = pytest.importorskip("ml_dtypes")
    narrow = x.astype(ml_dtypes.bfloat16)
    assert same(form.cast(narrow), form.cast(narrow.astype(np.float32)))
    torch = pytest.importorskip("torch")
    assert same(form.cast(torch.from_numpy(x)).numpy(), form.cast(x))
    half = torch.from_numpy(x).bfloat16()
    assert same(form.cast(half).numpy(), form.cast(half.float().numpy()))
    assert form.cast(torch.from_numpy(x).half()).dtype == torch.float16


def test_wide_codes():
    """Codes beyond float32's integers: the value is scale * (code - zero) rounded once."""
    rng = np.random.default_rng(0)
    for spec in ("int24", "int32", "uint32"):
        form = numfmt.parse(spec)
        first, last = int(form.min), int(form.max)
        codes = np.concatenate([rng.integers(first, last + 1, 200), [first, last, 0]])
        for scale, zero in ((0.1, 0), (3e-7, 12345), (1.0, last), (2.0**-30, first)):
            block = Affine(form, scale=scale, zero=zero)
            array = BlockArray(
                codes.astype(block.code_dtype), np.float32(scale), block.code_dtype.type(zero), block
            )
            exact = [int(numfmt.encode(_exact(scale, c, zero), "f32")) for c in codes.tolist()]
            assert array.decode().view(np.uint32).tolist() == exact
        x = rng.standard_normal(1000).astype(np.float32) * last
        t = np.rint(x / np.float32(2)).astype(np.float64)
        assert (Affine(form, scale=2.0, zero=9).encode(x).codes == np.clip(t + 9, first, last)).all()


def test_a_sum_rounded_to_odd():
    """Exact, or the neighbour whose last bit is 1: what a later rounding needs."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal(3000)
    b = rng.standard_normal(3000) * np.exp2(rng.integers(-60, 10, 3000))
    for x, y, total in zip(a.tolist(), b.tolist(), odd_sum(a, b), strict=True):
        exact = Fraction(x) + Fraction(y)
        assert abs(Fraction(float(total)) - exact) < Fraction(float(np.spacing(abs(total))))
        assert Fraction(float(total)) == exact or total.view(np.int64) & 1


def test_wide_products_a_bit_below_a_tie():
    """(1 + 2**-23) * (193 * 2**23 - 1) is 2**-23 below a tie of float32; float64 has no bit for it."""
    scale, code = float(np.float32(1 + 2.0**-23)), 193 * 2**23 - 1
    block = Affine(numfmt.parse("int32"), scale=scale)
    value = BlockArray(np.int32([code]), np.float32(scale), None, block).decode()
    assert np.float32(scale * code) != value
    assert value == numfmt.cast(_exact(scale, code, 0), "f32")


def _exact(scale, code, zero):
    return Fraction(float(np.float32(scale))) * (code - zero)


SPECS = [
    "int8[scale=0.05,zero=3]", "int8[axis=0]", "int8[axis=0,calibrate=kl]", "int4[size=128,axis=-1,calibrate=minmax]",
    "uint8[calibrate=minmax,profile=tflite]", "int8[symmetric,scale=0.1,profile=tensorrt]", "int8[calibrate=absmax]",
    "uint8[scale=1e-05]", "int8[axis=-2,profile=torch_quantize]", "uint4[size=32,axis=0]", "int16[scale=0.33333334]",
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_specs(spec):
    form = numfmt.parse(spec)
    assert str(form) == spec
    assert numfmt.parse(str(form)) == form
    assert hash(numfmt.parse(spec.upper().replace(",", " , "))) == hash(form)
    assert repr(form) == f"<{spec}>"


def test_composed_formats_are_equal_to_their_spelling():
    of = numfmt.parse("int4")
    assert Affine(of, Groups(-1, 128), calibrate="minmax") == numfmt.parse(
        "int4[calibrate=minmax,axis=-1,size=128]"
    )
    assert (
        Affine(of, scale=0.1) == Affine(of, scale=float(np.float32(0.1))) == numfmt.parse("int4[scale=0.1]")
    )


@over_profiles
@over_granularities
def test_units_are_the_step_and_the_zero_point(granularity, profile):
    x, form, given = case(granularity, profile, "uint8", specials=False)
    array = form.encode(x, **given)
    step, zero = (np.broadcast_to(a, 900) for a in array.units(1000, 1900))
    for code in (0, 255):
        full = BlockArray(np.full(SHAPE, code, np.uint8), array.scales, array.zeros, array.format)
        assert np.allclose(full.decode().ravel()[1000:1900], step * (code - zero), rtol=1e-6)


def test_one_number_for_all_scales():
    x = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    for spec, shape in (("int8[axis=1]", (6,)), ("int8[size=4,axis=-1]", (4, 2))):
        one = numfmt.parse(spec).encode(x, scale=0.1, zero=3)
        many = numfmt.parse(spec).encode(x, scale=np.full(shape, 0.1), zero=np.full(shape, 3))
        assert one.scales.shape == one.zeros.shape == shape
        assert same(one.codes, many.codes)


def test_bits_and_bytes():
    x = np.ones((8, 100), np.float32)
    for spec, bits in (
        ("int8[scale=1]", 8 + 32 / 800), ("int8[scale=1,zero=1]", 8 + 40 / 800), ("int8[axis=0]", 8 + 8 * 32 / 800),
        ("int4[size=32,axis=-1]", 4 + 32 * 32 / 800), ("int4[size=32,axis=1,calibrate=minmax]", 4 + 32 * 36 / 800),
    ):  # fmt: skip
        array = numfmt.parse(spec).encode(x)
        assert array.bits_per_element == numfmt.parse(spec).bits_per_element(x.shape) == bits
        assert array.shape == x.shape
        zeros = 0 if array.zeros is None else array.zeros.size
        assert array.nbytes == x.size + 4 * array.scales.size + zeros


SCRIPT = """
import hashlib, numpy as np, numfmt
from blocks.test_affine_laws import GRANULARITIES, PROFILES, case
digest = hashlib.sha256()
for profile in PROFILES:
    for granularity in GRANULARITIES:
        x, form, given = case(granularity, profile, shape=(3, 4, 9))
        array = form.encode(x, **given)
        for result in (array.codes, array.decode(), form.cast(x, **given)):
            digest.update(result.tobytes())
print(digest.hexdigest())
"""


def test_the_jit_off_gives_the_same_bits():
    assert run_apart(["-c", SCRIPT], NUMBA_DISABLE_JIT="1") == run_apart(["-c", SCRIPT])


FLUSHING = """
import numpy as np, numfmt
from blocks.test_affine_laws import PerAxis, PROFILES, case
from laws.flushing import flushed

def results():
    found = []
    for profile in PROFILES:
        x, form, given = case(PerAxis(1), profile)
        small = np.float32([1e-45, -1e-39, 1e-38]) * np.ones((5, 12, 1), np.float32)
        for numbers in (x, small):
            array = form.encode(numbers, **given)
            found += [array.codes.tobytes(), array.decode().tobytes(), form.cast(numbers, **given).tobytes()]
    return found

plain = results()
with flushed():
    found = results()
assert plain == found
"""


@on_x86
def test_flushing_subnormals_changes_no_bit():
    """The result of a step is never a subnormal that matters while scales are above 2**-124."""
    run_apart(["-c", FLUSHING])


def test_kernel_engine_is_there():
    assert jit.loops() is not None
