"""What holds of blocks: where the arithmetic is numfmt's own each bit is worked out in fractions, and for
every recipe the laws of formats hold."""

import pickle
from decimal import Decimal
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from laws.hard import noise_for, words

import numfmt
from blocks.exact_blocks import counted_shape, fl, in_steps, members, quantized
from blocks.hard_steps import LARGEST, SMALLEST, hard_arrays, hard_rows
from blocks.sampled import fields
from numfmt import reference, registry
from numfmt.blocks import TABLE, Block, BlockArray
from numfmt.errors import RangeError
from numfmt.rounding import MODES

SPECS = [spec for spec in registry.scaled_examples() if isinstance(numfmt.parse(spec), Block)]
OWN = [
    spec
    for spec in SPECS
    if numfmt.parse(spec).profile.name in ("default", "flexpoint") and not numfmt.parse(spec).has_offset
]
ENGINES = ("numpy", None)
FLOATS = (np.float16, np.float32, np.float64)
over_specs = pytest.mark.parametrize("spec", SPECS)


def same(a, b):
    """The same bits, NaN for NaN."""
    return a.dtype == b.dtype and bool(((words(a) == words(b)) | (np.isnan(a) & np.isnan(b))).all())


def options_for(block, x):
    """What it takes so that NaN is not refused."""
    return {"nan": 0} if np.isnan(x).any() and not block.takes_nan else {}


def check(x, block, given=None, engines=ENGINES, **keywords):
    """Scales, codes and values are those worked out in fractions."""
    plain = x.dtype.kind == "f" and x.dtype.itemsize <= 8 and x.dtype.isbuiltin == 1
    result = x.dtype.newbyteorder("=") if plain else np.dtype(np.float32)
    wanted = quantized(x, block, result.itemsize, given, **keywords)
    scales = np.array([float(s) for s in wanted.scales.values()]).reshape(counted_shape(block, x.shape))
    more = {} if given is None else {"scale": given}
    for engine in engines:
        array = block.encode(x, engine=engine, **keywords, **more)
        assert np.array_equal(block.units(array.scales)[0], scales, equal_nan=True)
        assert np.array_equal(array.codes, wanted.codes)
        values = block.cast(x, engine=engine, **keywords, **more)
        assert same(values, wanted.values.astype(result))
        assert same(np.asarray(array.decode(result)), values)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("spec", OWN)
def test_recipes(spec, dtype):
    block = numfmt.parse(spec)
    searched = block.rule == "mse"
    for x in hard_arrays(block, dtype, 200 if searched else 500, special=not searched):
        check(x, block, **options_for(block, x))


ELEMENTS = [
    "e4m3fn", "e5m2", "e2m1fn", "e3m2fn", "int8", "int4", "q1.6[symmetric]", "e1m3fin", "e4m3fnuz", "e4m3", "uint8",
    "q3.4", "int2", "f16", "bf16", "int16", "e4m3fn[subnormals=off]", "binary8p3se", "e1m22fin", "uq0.8", "f32", "int24",
    "e8m0fnu", "e3m0fnu", "e4m3fnu", "int29", "nf4", "codebook[values=[-1,1]]", "codebook[values=[-0.5,0,3]]",
]  # fmt: skip
SCALES = [
    "e8m0fnu", "f32", "f16", "bf16", "e4m3fn", "e5m0b31finu", "e5m2", "e4m3fnu", "tf32", "e4m3fn[subnormals=off]",
    "block[of=e4m3fn,scale=f32]", "block[of=e1m0finu,scale=e8m0fnu,size=3]", "block[of=e3m0fnu,scale=e8m0fnu,size=2]",
    "block[of=e4m3fn,scale=block[of=e4m3fn,scale=f32],size=4]", "block[of=f16,scale=e8m0fnu,size=4,rule=rceil]",
]  # fmt: skip
RULED = ["floor", "ceil", "even", "rceil", "absmax"]
SHARED = [
    "size=5",
    "size=5,axis=flat",
    "size=4,axis=0",
    "size=2x3",
    "",
    "axis=1",
    "size=3,axis=-2",
    "size=4x1",
]


def composed(number):
    """One of the compositions: every element under every scale, the rules and granularities in turn."""
    of, scale = ELEMENTS[number // len(SCALES)], SCALES[number % len(SCALES)]
    rule = RULED[number % len(RULED)]
    rule = "floor" if rule == "even" and numfmt.parse(of).step is None else rule
    rest = ",".join(filter(None, (SHARED[number % len(SHARED)], f"rule={rule}")))
    return numfmt.parse(f"block[of={of},scale={scale},{rest}]")


@pytest.mark.parametrize("of", range(len(ELEMENTS)), ids=ELEMENTS)
def test_compositions(of):
    for number in range(of * len(SCALES), (of + 1) * len(SCALES)):
        block, dtype = composed(number), FLOATS[number % 3]
        for x in hard_arrays(block, dtype, 30, number, special=False)[:2]:
            check(x, block)


@pytest.mark.parametrize("rule", RULED)
@pytest.mark.parametrize(
    "scale", ["e8m0fnu", "f32", "block[of=e4m3fn,scale=f32]", "block[of=e1m0finu,scale=e8m0fnu,size=2]"]
)
def test_special_blocks(scale, rule):
    """Zeros, subnormals, the ends of float32 and beyond, NaN, infinities: each by itself and beside others."""
    for of, dtype in product(("e4m3fn", "e2m1fn", "int8"), FLOATS):
        block = numfmt.parse(f"block[of={of},scale={scale},size=4,rule={rule}]")
        for x in hard_arrays(block, dtype, 40):
            check(x, block)


@pytest.mark.parametrize("rule", ["mean", "mse"])
def test_rules_that_sum(rule):
    """Numbers whose sums are exact in float64."""
    rng = np.random.default_rng(0)
    for of, scale, dtype in zip(("e2m1fn", "int4", "e4m3fn"), ("f32", "e8m0fnu", "f16"), FLOATS, strict=True):
        block = numfmt.parse(f"block[of={of},scale={scale},size=6,rule={rule}]")
        x = rng.integers(-40, 41, (5, 20)) * np.exp2(rng.integers(-3, 4, (5, 1)))
        x[0], x[1, :6] = 0, 0.25
        check(x.astype(dtype), block)


@pytest.mark.parametrize("scale", ["e8m0fnu", "f32", "block[of=e1m0finu,scale=e8m0fnu,size=4]"])
@pytest.mark.parametrize("rounding", MODES)
def test_every_rounding_mode(rounding, scale):
    for of, dtype in product(("e4m3fn", "e2m1fn", "int8"), (np.float32, np.float64)):
        block = numfmt.parse(f"block[of={of},scale={scale},size=8]")
        x = hard_arrays(block, dtype, 64, special=False)[0]
        x[0, :4] = SMALLEST, -SMALLEST, 5e-324, -0.0
        if not MODES[rounding].stochastic:
            check(x, block, rounding=rounding)
            continue
        for bits in (None, 1, 7) if rounding != "stochastic_c" else (3,):
            check(x, block, rounding=rounding, noise=noise_for(x.size, 1).reshape(x.shape), random_bits=bits)


def test_a_tiny_number_in_a_huge_block_stays_on_its_side_of_zero():
    x = np.array([1e300, 1e-300, -1e-300, 5e-324])
    for spec in ("mxfp8_e4m3", "mxint8", "block[of=uint8,scale=e8m0fnu]"):
        for rounding in ("toward_positive", "toward_negative", "to_odd", "away_from_zero"):
            check(x, numfmt.parse(spec), rounding=rounding)


@pytest.mark.parametrize("overflow", ["saturate", "ieee", "saturate_finite", "infinity", "nan"])
def test_overflow_of_elements(overflow):
    """Rule floor leaves up to 2 * 2**emax; scales from the call leave more, past float32 even."""
    for of, dtype in product(("e4m3fn", "e5m2", "f32", "int8", "e4m3fnuz"), (np.float32, np.float64)):
        block = numfmt.parse(f"block[of={of},scale=f32,size=4,rule=floor]")
        exact = numfmt.parse(f"block[of={of},scale=e8m0fnu,size=4]")
        try:
            reference.policy(block.of, None, overflow)
        except numfmt.SpecError:
            continue
        x = hard_rows(block, 12, 4, dtype, special=False)
        given = np.float32([1e-30, 1.5, 1e30])[np.arange(12) % 3].reshape(12, 1)
        x[0], x[1] = [1e38, -1e38, 3.0, -0.0], [3e38, -3e38, np.inf, -np.inf]
        for one in (block, exact):
            check(x, one, given=given, overflow=overflow)
            check(np.where(np.isfinite(x), x, 1), one, overflow=overflow)


def test_quotients_that_float32_does_not_hold():
    """A scale of 2: the least bits of subnormals are lost. Below 2**-127: the reciprocal overflows."""
    block = numfmt.parse("block[of=bf16,scale=e8m0fnu,size=4,rule=ceil]")
    x = np.float32([[3e38, 65537 * 2.0**-149, -131073 * 2.0**-149, 3 * 2.0**-149]] * 2)
    check(x, block)
    for scale in ("block[of=e1m0finu,scale=e8m0fnu,size=2]", "block[of=e3m0fnu,scale=e8m0fnu,size=2]"):
        for of in ("e4m3fn", "e2m1fn", "f32"):
            check(
                np.float32([[0, -0.0, SMALLEST, 1e-40]] * 2),
                numfmt.parse(f"block[of={of},scale={scale},size=2]"),
            )


def test_a_scale_of_two_levels_may_be_0_beside_a_far_larger_one():
    """Its elements are 0 then, even those that are infinite as float32."""
    for of in ("bf16", "e4m3fn", "int8"):
        block = numfmt.parse(f"block[of={of},scale=block[of=e4m3fn,scale=f32],size=2,rule=floor]")
        for peak in (1e300, 1e77, 1e44, 1e38, 1.0):
            x = np.array([peak, -peak, 1e40, -1e40, 1e30, -1e-30, 1e-40, -0.0])
            check(x, block)
            check(x, block, rounding="to_odd")
            assert np.isfinite(block.cast(x)).all()


def test_overflow_may_raise():
    """The error counts the elements whose quotient rounds past the last value, and names the first."""
    for spec in (
        "mxfp8_e4m3",
        "mxfp8_e4m3[rule=ceil]",
        "mxint8",
        "mxfp8_e5m2",
        "block[of=int4,scale=e8m0fnu,size=8]",
    ):
        block = numfmt.parse(spec)
        for x in hard_arrays(block, np.float32, 300, special=False):
            scales = block.encode(x).scales
            steps = np.empty(x.shape)
            for place, inside in members(block, x.shape).items():
                for i in inside:
                    steps[i] = in_steps(reference.exact(x[i].item()), Fraction(float(scales[place])), block)
            last, half = float(block.of.max), float(block.of.step) / 2
            low = float(block.of.min)
            bad = np.argwhere(
                (steps >= last + half) | (steps < low - half) | ((steps == low - half) & (low == -last))
            )
            if not bad.size:
                assert same(block.cast(x, overflow="raise"), block.cast(x))
                continue
            for verb in (block.cast, block.encode):
                with pytest.raises(RangeError) as caught:
                    verb(x, overflow="raise")
                assert (caught.value.count, caught.value.index) == (len(bad), tuple(bad[0]))


@pytest.mark.parametrize(
    "spec", ["mxfp8_e4m3", "mxfp4", "mx6", "deepseek_1x128", "flex16+5", "block[of=int8,scale=f32]"]
)
def test_nan_becomes_a_number_or_an_end(spec):
    """The number takes part in the scale of its block; an end does not."""
    block = numfmt.parse(spec)
    for dtype in (np.float32, np.float64):
        x = np.random.default_rng(0).standard_normal((3, 70)).astype(dtype)
        x[0, 5], x[1, 66:], x[2] = np.nan, -np.nan, np.nan
        for nan in (0, 1.5, -100, "max", "min"):
            check(x, block, nan=nan)
            check(x, block, nan=nan, rounding="toward_zero")
        limit = float(np.finfo(np.float32).max)
        assert same(block.cast(x, nan=1e300), block.cast(np.where(np.isnan(x), limit, x).astype(dtype)))


INTEGERS = [np.int64, np.uint64, np.int32, np.uint32, np.int16, np.uint8, np.int8, np.bool_]


@pytest.mark.parametrize(
    "spec", ["mxfp8_e4m3", "mxint8", "mx9", "deepseek_1x128", "block[of=int16,scale=f16,size=4,rule=floor]"]
)
@pytest.mark.parametrize(
    "dtype", [*INTEGERS, np.longdouble, "bfloat16", "float8_e4m3fn", "float8_e8m0fnu", "int4"]
)
def test_numbers_of_any_dtype_are_rounded_once(dtype, spec):
    block, rng = numfmt.parse(spec), np.random.default_rng(0)
    if isinstance(dtype, str):
        dtype = getattr(pytest.importorskip("ml_dtypes"), dtype)
        x = (
            rng.standard_normal((3, 50)).astype(dtype)
            if dtype(1.5) == 1.5
            else rng.integers(0, 7, (3, 50)).astype(dtype)
        )
        x = np.where(np.isfinite(x.astype(np.float32)), x, dtype(1))
    elif dtype is np.longdouble:
        x = rng.standard_normal((3, 50)).astype(dtype) / 3
        x[0, :3] = (
            5 + np.longdouble(2) ** -60,
            5,
            5 - np.longdouble(2) ** -60,
        )  # a tie of e2m1fn and beside it
    else:
        whole = rng.integers(-(2**62), 2**62, (3, 50)) >> rng.integers(0, 62, (3, 50))
        x = whole.astype(dtype)
        if dtype in (np.int64, np.uint64):
            x[0, :6] = 17 << 58, (17 << 58) + 1, (17 << 58) - 1, (1 << 62) - 1, (1 << 62) + 1, 1 << 62
    check(x, block)
    check(np.asfortranarray(x), block)


def test_scalars_that_no_array_holds():
    """A tie of e2m1fn, and what is closer to it than any float64."""
    block = numfmt.parse("block[of=e2m1fn,scale=e8m0fnu]")
    for x, wanted in (
        (Fraction(5), 4), (Fraction(5) + Fraction(1, 2**80), 6), (Decimal("5.00000000000000000000001"), 6), ("5", 4),
        (5 * 2**80 + 1, 6 * 2**80), (5 * 2**80, 2**82), (-(10**400), -np.inf), ("1e-400", 0),
    ):  # fmt: skip
        assert block.cast(x) == np.float32(wanted)
        assert type(block.cast(x)) is np.float32
    assert numfmt.cast("1e-400", "mxfp4", rounding="away_from_zero") == 2.0**-128


def test_lists_and_scalars():
    block = numfmt.parse("mxfp4")
    assert block.cast([[1, 2, 7]]).tolist() == [[1, 2, 6]]
    assert type(block.cast(1.3)) is np.float64
    assert type(block.cast(np.float16(1.3))) is np.float16
    assert (
        block.cast(np.array(1.3)).shape
        == block.encode(1.3).codes.shape
        == block.encode(1.3).scales.shape
        == ()
    )


@pytest.mark.parametrize("shared", ["size=24,axis=flat", "size=5", "axis=0", ""])
def test_an_offset_is_the_mean(shared):
    """Taken off in float32, and added to the values in float32."""
    spec = f"block[of=int4,scale=f16,{shared}]".replace(",]", "]")
    block = numfmt.parse(f"{spec[:-1]},offset=mean]")
    for seed, dtype in product(range(4), FLOATS):
        x = np.random.default_rng(seed).integers(-300, 301, (7, 11)).astype(dtype)
        mean = np.float32(float(fl(sum(Fraction(v) for v in x.ravel().tolist()) / x.size)))
        less = x.astype(np.float32) - mean
        check(less, numfmt.parse(spec))
        array = block.encode(x)
        assert array.offset == mean
        assert np.array_equal(array.codes, numfmt.encode(less, spec).codes)
        assert same(block.cast(x), (numfmt.cast(less, spec) + mean).astype(dtype))
        assert same(array.decode(dtype), block.cast(x))


# Shapes


def least_axes(block):
    if isinstance(block.size, tuple):
        return 2
    if block.axis in (None, "flat") or (block.size is not None and block.axis in (0, -1)):
        return 0
    return block.axis + 1 if block.axis >= 0 else -block.axis


@pytest.mark.parametrize("shape", [(), (0,), (1,), (33,), (2, 0), (0, 3), (3, 33), (2, 3, 5), (1, 2, 1, 3)])
@pytest.mark.parametrize("shared", [*SHARED, "size=1", "size=100", "axis=-1", "size=100x100", "size=1x1"])
@pytest.mark.parametrize("scale", ["e8m0fnu", "f32", "block[of=e4m3fn,scale=f32,size=2]"])
def test_shapes(scale, shared, shape):
    block = numfmt.parse(f"block[of=e4m3fn,scale={scale},{shared}]".replace(",]", "]"))
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    if len(shape) < least_axes(block):
        with pytest.raises(ValueError, match=r"tiles of .* need two axes|axis=.*: an array of shape"):
            block.cast(x)
        return
    check(x, block)
    array = block.encode(x)
    assert array.scales.shape == counted_shape(block, shape)
    assert array.codes.shape == np.asarray(block.cast(x)).shape == shape


def test_axis_of_the_call_is_that_of_the_spec():
    x = np.random.default_rng(0).standard_normal((5, 7, 9)).astype(np.float32)
    for spec, axis in product(
        ("mxfp4", "mx6", "block[of=int8,scale=f32]", "nvfp4", "bfp8[size=4]"), range(-3, 3)
    ):
        block = numfmt.parse(spec)
        array = block.encode(x, axis=axis)
        assert array.format.axis == axis
        assert same(array.decode(), block.cast(x, axis=axis))
        moved = np.moveaxis(x, axis, -1)
        assert same(np.moveaxis(block.cast(x, axis=axis), axis, -1), block.cast(moved, axis=-1))


# The laws, for every recipe, whosever arithmetic it has


@pytest.fixture(scope="module", params=SPECS)
def case(request):
    """A block format and arrays of finite numbers in three widths."""
    block = numfmt.parse(request.param)
    arrays = []
    for dtype in FLOATS:
        x = hard_arrays(block, dtype, 300, special=False)[0]
        arrays.append(np.atleast_2d(np.where(np.abs(x) < dtype(6e4), x, dtype(3))))
    return block, arrays


def test_cast_is_decode_of_encode(case):
    block, arrays = case
    for x in arrays:
        array, values = block.encode(x), block.cast(x)
        assert isinstance(array, BlockArray)
        assert values.dtype == x.dtype
        assert same(array.decode(x.dtype), values)
        assert same(array.decode(), block.cast(x, dtype=np.float32))
        assert same(np.asarray(array), array.decode())
        assert block.encode(x).codes.dtype == block.code_dtype


def test_engines_agree(case):
    block, arrays = case
    for x in arrays:
        small = x[:2, :80]
        for part, engine in ((x, "numpy"), (x, "kernel"), (small, "reference")):
            array, other = block.encode(part), block.encode(part, engine=engine)
            assert np.array_equal(array.codes, other.codes)
            assert same(block.cast(part), block.cast(part, engine=engine))
            assert same(array.decode(), other.decode())


def test_values_are_elements_times_scales(case):
    """Of the default profile by one rounding; whatever the profile, elements are those of the format."""
    block, arrays = case
    array = block.encode(arrays[2])
    units, zeros = array.units(0, array.size)
    codes = [int(c) for c in array.codes.reshape(-1)]
    finite = [block.of.value(code) for code in codes]
    assert all(isinstance(v, Fraction) or v == 0 for v in finite)
    if block.profile.product is block.profile.search is None and not block.has_offset:
        assert not zeros.any()
        scales = np.broadcast_to(units, len(codes))
        for dtype in FLOATS:
            wanted = [
                float(fl(Fraction(v) * Fraction(u), dtype().itemsize))
                for v, u in zip(finite, scales, strict=True)
            ]
            assert (array.decode(dtype).reshape(-1) == wanted).all()


def test_exact_values_are_fractions(case):
    block, arrays = case
    values, exact = block.cast(arrays[1]), block.cast(arrays[1], dtype=object)
    assert exact.shape == values.shape
    if block.profile.product is None and not block.has_offset:
        assert all(float(fl(Fraction(e))) == v for e, v in zip(exact.flat, values.flat, strict=True))


def test_exact_values_of_what_is_not_finite():
    x = np.array([[np.nan, 1.0], [-0.0, 1.5]])
    (nan, other), (zero, last) = numfmt.cast(x, "mxfp8", dtype=object)
    assert nan != nan
    assert other != other
    assert str(zero) == "-0.0"
    assert last == Fraction(3, 2)
    assert numfmt.cast([1e300], "mxfp8", dtype=object)[0] == 448 * Fraction(2) ** 127


def test_order_is_kept_within_a_block(case):
    """By every deterministic mode, and with one noise word for all."""
    block, _ = case
    for row, mode in product(sorted_blocks(block), MODES):
        if mode == "stochastic_c":  # by the reference alone
            continue
        noise = np.full(row.shape, 0x9E3779B9, np.uint32) if MODES[mode].stochastic else None
        values = block.cast(row, rounding=mode, noise=noise).reshape(-1)
        assert (np.diff(values) >= 0).all(), mode


def sorted_blocks(block):
    """Arrays of one block each, their numbers in order."""
    size = np.prod(block.size or 40)
    x = np.clip(np.sort(hard_rows(block, 6, min(size, 64), np.float32, special=False)), -1e30, 1e30)
    return x.reshape(6, -1, min(block.size[1], 64)) if isinstance(block.size, tuple) else x


def test_blocks_do_not_see_each_other(case):
    """NaN, infinity, the largest number in one leave all others as they are, where scales have one level."""
    block, arrays = case
    if isinstance(block.scale, Block) or not block.takes_nan or block.has_offset:
        return
    x = arrays[1]
    place = {i: place for place, inside in members(block, x.shape).items() for i in inside}
    first = (0,) * x.ndim
    for value in (np.nan, np.inf, -np.inf, LARGEST):
        spoilt = x.copy()
        spoilt[first] = value
        array, whole = block.encode(spoilt), block.encode(x)
        apart = np.array([place[i] != place[first] for i in np.ndindex(x.shape)]).reshape(x.shape)
        assert np.array_equal(array.codes[apart], whole.codes[apart])
        assert same(block.cast(spoilt)[apart], block.cast(x)[apart])
        if value != LARGEST and block.profile.name == "default":
            assert np.isnan(block.cast(spoilt)[~apart]).all()


IDEMPOTENT = [name for name in TABLE if name.startswith(("mx", "msfp"))] + [
    "bfp8", "bfp12[axis=0]", "block[of=int8[symmetric],scale=e5m0b31finu,size=4]", "block[of=f16,scale=e3m0fnu]",
]  # fmt: skip


@pytest.mark.parametrize("spec", IDEMPOTENT)
def test_a_second_cast_changes_nothing_under_floor(spec):
    block = numfmt.parse(spec)
    assert block.rule == "floor"
    for dtype, seed in product(FLOATS, range(3)):
        for x in hard_arrays(block, dtype, 1500, seed):
            x = x if block.takes_nan else np.where(np.isfinite(x), x, 1)
            once = block.cast(x)
            assert same(block.cast(once), once)


@pytest.mark.parametrize(
    ("spec", "x", "once", "twice"),
    [
        ("block[of=int8,scale=e8m0fnu]", [-127.6, 3], [-128, 3], [-128, 4]),  # -128 has a scale of its own
        ("flex16+5", [-3.999999, 3 * 2.0**-13], [-4.0, 3 * 2.0**-13], [-4.0, 2.0**-11]),
        ("block[of=e4m3fn,scale=e8m0fnu,rule=absmax]", [-21504], [-20480], [-14336]),
        ("block[of=int8,scale=e8m0fnu,rule=mean]", [2, 3], [2, 4], [0, 4]),
    ],
)
def test_a_second_cast_may_change_much_elsewhere(spec, x, once, twice):
    first = numfmt.cast(x, spec)
    assert first.tolist() == once
    assert numfmt.cast(first, spec).tolist() == twice != once


def test_a_block_is_what_its_spec_says(case):
    block, _ = case
    assert numfmt.parse(str(block)) == block
    assert hash(numfmt.parse(str(block))) == hash(block)
    assert pickle.loads(pickle.dumps(block)) == block
    assert repr(block) == f"<{block}>"


# Layouts, chunks, threads


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "spec", ["mxfp8_e4m3", "mxfp4[axis=0]", "mx9", "deepseek_128x128", "nvfp4", "flex16+5", "bfp8"]
)
def test_layouts(spec, dtype):
    """Strides, order, byte order, alignment, read-only, in place, overlapping, out= of any kind."""
    block, shape = numfmt.parse(spec), (6, 70)
    x = hard_rows(block, 6, 70, dtype, special=False)
    x[0, :2] = -0.0, 0.0
    if dtype is np.float64:
        x[:, 5] = 5.000000001  # no float32
    whole, codes = block.cast(x), block.encode(x).codes
    apart = np.zeros((*shape, 2), dtype)[..., 1]
    apart[...] = x
    swapped = x.astype(x.dtype.newbyteorder(">"))
    shifted = np.frombuffer(b"-" + x.tobytes(), np.uint8)[1:].view(dtype).reshape(shape)
    backwards = np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    for other in (apart, swapped, shifted, np.asfortranarray(x), backwards):
        assert same(block.cast(other), whole)
        assert np.array_equal(block.encode(other).codes, codes)
    for out in (
        np.zeros_like(whole),
        np.zeros((*shape, 2), dtype)[..., 0],
        swapped.copy(),
        np.asfortranarray(x),
    ):
        assert block.cast(x, out=out) is out
        assert same(out.astype(dtype), whole)
        assert same(block.encode(x).decode(out=out).astype(dtype), whole)
    own = x.copy()
    block.cast(own, out=own)
    assert same(own, whole)
    memory = np.zeros(x.size + 3, dtype)
    memory[:-3] = x.reshape(-1)
    block.cast(memory[:-3].reshape(shape), out=memory[3:].reshape(shape))
    assert same(memory[3:].reshape(shape), whole)
    wide = np.zeros((*shape, 2), f"{block.code_dtype.kind}4")[..., 1]
    assert block.encode(x, out=wide).codes is wide
    assert np.array_equal(wide, codes)


@pytest.mark.parametrize(
    "spec",
    [
        "mxfp8_e4m3",
        "mxfp4[axis=0]",
        "mxint8",
        "mx6",
        "block[of=e4m3fn,scale=f32,size=16x16]",
        "nvfp4",
        "flex16+5",
    ],
)
def test_threads_and_chunks(spec, monkeypatch):
    block = numfmt.parse(spec)
    x = np.random.default_rng(0).standard_normal((70, 90)).astype(np.float32)
    x[3, 40] = np.nan if block.takes_nan and not isinstance(block.scale, Block) else 1
    modes = ({}, {"rounding": "toward_zero"}, {"rounding": "stochastic", "seed": 5})
    whole = [(block.cast(x, **mode), block.encode(x, **mode)) for mode in modes]
    monkeypatch.setattr("numfmt.blocks.elements.WORTH_A_THREAD", 0)
    monkeypatch.setattr("numfmt.blocks.elements.LONG", 128)
    monkeypatch.setattr("numfmt.blocks.elements.PIECE", 50)
    for threads in ("1", "2", "7"):
        monkeypatch.setenv("NUMFMT_NUM_THREADS", threads)
        for mode, (values, array) in zip(modes, whole, strict=True):
            assert same(block.cast(x, **mode), values)
            again = block.encode(x, **mode)
            assert np.array_equal(again.codes, array.codes)
            assert same(again.decode(), values)


def test_a_block_longer_than_the_pieces_of_a_loop():
    x = np.random.default_rng(0).standard_normal(150_000).astype(np.float32)
    for spec in ("block[of=e4m3fn,scale=e8m0fnu]", "block[of=e4m3fn,scale=f32,size=40000]", "mxfp8_e4m3"):
        block = numfmt.parse(spec)
        array = block.encode(x)
        assert same(array.decode(), block.cast(x, engine="numpy"))
        assert same(array.decode(), block.cast(x))
        size = block.size or x.size
        for start in range(0, x.size, size)[:5]:
            part = block.encode(x[start : start + size])
            assert np.array_equal(part.codes, array.codes[start : start + size])


ROUNDED_FIRST = [  # to float32, by libraries' steps and where a mean is taken off
    "mxfp8_e4m3[profile=torchao,rule=rceil]", "mxfp4[profile=torchao]", "mxfp4[profile=modelopt]", "mxfp4[profile=microxcaling]",
    "mxfp4[profile=compressed_tensors]", "deepseek_1x128[profile=deepgemm]", "nvfp4", "nvfp4[profile=torchao]", "hif4",
    "bnb_int4", "bnb8[size=64,offset=mean]", "bnb_nf4[nested]", "block[of=int4,scale=f16,size=24,axis=flat,offset=mean]",
]  # fmt: skip


@pytest.mark.parametrize("rounding", [None, "to_odd"])
@pytest.mark.parametrize("spec", ROUNDED_FIRST)
def test_numbers_that_no_float32_holds_in_any_layout(spec, rounding):
    """Past its range, and beside ties by less than its last bit."""
    block = numfmt.parse(spec)
    if rounding and not block.takes_nan:
        return
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.choice([0.25, 1.25, 2.5, 3.5, 5.0, 6.0, 1.0], (6, 64)) * rng.choice([1, -1], (6, 64))
        x *= 1 + rng.choice([0, 2.0**-40, -(2.0**-40)], x.shape)
        x[rng.integers(6)] *= 2.0 ** rng.choice([0, 126, 127])
        whole = block.encode(x, rounding=rounding)
        with np.errstate(over="ignore"):
            single = block.encode(x.astype(np.float32), rounding=rounding)
        if block.profile.factor or block.profile.search or block.has_offset:
            assert fields(single) == fields(whole)
        for other in (
            np.asfortranarray(x),
            x.astype(">f8"),
            np.repeat(x, 2, axis=1)[:, ::2],
            x[::-1].copy()[::-1],
        ):
            assert fields(block.encode(other, rounding=rounding)) == fields(whole)


def test_a_mean_is_the_same_in_any_layout():
    """Sums depend on their order: it is C order whatever lies in memory."""
    block = numfmt.parse("block[of=int8,scale=f32,size=64,offset=mean]")
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = np.float32(rng.standard_normal((70, 90)) * 2.0 ** rng.integers(0, 60, (70, 90)))
        x[35:] = -x[:35]  # the sum is what is lost on the way
        whole = block.encode(x)
        for other in (
            np.asfortranarray(x),
            x.astype(">f4"),
            x[::-1].copy()[::-1],
            np.repeat(x, 2, axis=1)[:, ::2],
        ):
            assert block.encode(other).offset.tobytes() == whole.offset.tobytes()


# Noise


@pytest.mark.parametrize("spec", ["mxfp4", "mxint8", "mx9", "deepseek_1x128", "nvfp4", "mxfp8_e5m2[axis=0]"])
def test_a_seed_is_a_noise_word_for_each_element(spec):
    """Whatever the dtype, the layout, the way of the call."""
    block = numfmt.parse(spec)
    x = np.random.default_rng(0).standard_normal((40, 70)).astype(np.float16)
    noise = numfmt.noise.words(11, 0, x.size).reshape(x.shape)
    for rounding in ("stochastic", "stochastic_b"):
        drawn = block.encode(x, rounding=rounding, seed=11)
        assert np.array_equal(block.encode(x, rounding=rounding, noise=noise).codes, drawn.codes)
        for dtype in (np.float32, np.float64, ">f4"):
            assert np.array_equal(
                block.encode(x.astype(dtype), rounding=rounding, seed=11).codes, drawn.codes
            )
        assert np.array_equal(
            block.encode(np.asfortranarray(x), rounding=rounding, seed=11).codes, drawn.codes
        )
        assert same(block.cast(x, rounding=rounding, seed=11), drawn.decode(np.float16))
        assert (block.encode(x, rounding=rounding, seed=12).codes != drawn.codes).any()
        few = block.encode(x, rounding=rounding, seed=11, random_bits=3).codes
        assert np.array_equal(
            block.encode(x, rounding=rounding, noise=noise >> 29 << 29, random_bits=3).codes, few
        )
    assert np.array_equal(block.encode(x, seed=3).codes, block.encode(x).codes)  # of no mode that draws


def test_means_of_many_draws():
    x = np.tile(np.float32([0.3, -1.1, 5.9, 6.0]), (5000, 1))
    values = numfmt.cast(x, "block[of=e2m1fn,scale=e8m0fnu,size=4]", rounding="stochastic", seed=1)
    assert np.abs(values.mean(axis=0) - x[0]).max() < 0.03
    assert (values[:, 3] == 6).all()


# Scales of the call


@pytest.mark.parametrize(
    "spec",
    [
        "mxfp4",
        "mxfp8_e4m3[rule=ceil]",
        "mxint8",
        "mx6",
        "deepseek_1x128",
        "bfp8[axis=0]",
        "block[of=int8,scale=f16,size=2x3]",
        "block[of=int8,scale=f32]",
        "block[of=int8,scale=bf16,axis=1]",
    ],
)
def test_scales_of_the_call(spec):
    """Rounded to their format and brought between its ends; the rule does not matter."""
    block, rng = numfmt.parse(spec), np.random.default_rng(0)
    for dtype in FLOATS:
        x = rng.standard_normal((6, 70)).astype(dtype)
        x[0, 0], x[1, 1], x[2, 2] = np.inf, -np.inf, -0.0
        counted = counted_shape(block, x.shape)
        given = np.asarray(np.exp2(rng.integers(-4, 5, counted)) * rng.uniform(1, 2, counted))
        check(x, block, given)
        alone = Block(block.of, block.scale, block.size, block.axis, "given")
        assert same(alone.cast(x, scale=given), block.cast(x, scale=given))
        assert same(block.cast(x, scale=0.3), block.cast(x, scale=np.full(counted, 0.3)))
        for scale in (
            given.astype(np.float32),
            given.tolist(),
            given.astype(">f8"),
            np.asfortranarray(given),
        ):
            wanted = block.cast(x, scale=np.asarray(scale, np.float64))
            assert same(block.cast(x, scale=scale), wanted)
        array = block.encode(x, scale=given)
        assert same(block.cast(x, scale=array.scales), array.decode(dtype))


def test_scales_of_the_call_beyond_the_ends():
    for scale, held in ((1e-40, 2.0**-31), (1e300, 1.0), (2**70, 1.0), (0.3, 0.25), (0.4, 0.5), (0.375, 0.5)):
        assert numfmt.encode([1.0], "block[of=int8,scale=e5m0b31finu]", scale=scale).scales == held
    assert numfmt.encode([1.0], "block[of=int8,scale=f32]", scale=1e300).scales == np.finfo(np.float32).max
    assert numfmt.encode([1.0], "block[of=int8,scale=f16]", scale=16777217).scales == 65504


def test_nan_under_scales_of_the_call():
    """An element that has NaN says it; of others it is refused, as nowhere does a code say it."""
    x = np.array([1.0, np.nan, -np.nan])
    values = numfmt.cast(x, "mxfp8_e4m3", scale=1.0)
    assert np.isnan(values).tolist() == [False, True, True]
    assert np.signbit(values).tolist() == [False, False, True]
    assert numfmt.encode(x, "mxfp8_e4m3", scale=1.0).codes.tolist() == [0x38, 0x7F, 0xFF]
    for spec in ("mxfp4", "mxint8", "flex16+5", "mx6"):
        for verb in (numfmt.cast, numfmt.encode):
            with pytest.raises(RangeError, match=r"2 of 3 values are NaN.*first at 1. nan= says") as caught:
                verb(x, spec, scale=1.0)
            assert (caught.value.count, caught.value.index) == (2, (1,))
        assert numfmt.cast(x, spec, scale=1.0, nan=1).tolist() == [1.0, 1.0, 1.0]


# Rules, by hand


def scale_code(x, of, rule):
    scale = numfmt.encode(np.float32(x), f"block[of={of},scale=e8m0fnu,size=4,rule={rule}]").scales
    return int(numfmt.encode(scale, "e8m0fnu").reshape(-1)[0])


VECTORS = [  # codes of the scale, under floor, ceil, even, rceil
    ("e4m3fn", 1.75, "77 78 77 77"),
    ("e4m3fn", 1.76, "77 78 77 78"),
    ("e4m3fn", 1.9375, "77 78 78 78"),
    ("e4m3fn", 448, "7F 80 7F 7F"),
    ("e4m3fn", 449, "7F 80 7F 80"),
    ("e4m3fn", 511, "7F 80 80 80"),
    ("e4m3fn", 7.0, "79 7A 79 79"),
    ("e4m3fn", 7.5, "79 7A 79 7A"),
    ("e2m1fn", 1.75, "7D 7E 7E 7E"),
    ("e2m1fn", 6, "7F 80 7F 7F"),
    ("e2m1fn", 6.1, "7F 80 7F 80"),
    ("e2m1fn", 7, "7F 80 80 80"),
    ("e2m1fn", 0, "00 00 00 00"),
    ("e2m1fn", 1e-40, "00 00 00 00"),
    ("e2m1fn", 3.4028235e38, "FC FD FD FD"),
    ("e5m2", 1.0, "70 70 70 70"),
    ("e5m2", 57344, "7F 80 7F 7F"),
    ("q1.6", 1.0, "7F 7F 7F 7F"),
    ("q1.6", 127 / 64, "7F 80 7F 7F"),
    ("q1.6", 255 / 128, "7F 80 80 80"),
    ("int8", 127, "7F 80 7F 7F"),
    ("int8", 127.49999, "7F 80 7F 80"),
    ("int8", 127.5, "7F 80 80 80"),
    ("int8", 128, "80 80 80 80"),
]


@pytest.mark.parametrize(("of", "peak", "codes"), VECTORS)
def test_scales_of_powers_of_two(of, peak, codes):
    """OCP MX v1.0, section 6.3, and what libraries make of it: values worked out by hand."""
    for x in ([peak], [0.0, -peak], [peak / 2, -peak, peak / 3, -0.0]):
        for rule, code in zip(("floor", "ceil", "even", "rceil"), codes.split(), strict=True):
            assert scale_code(x, of, rule) == int(code, 16), rule


def test_no_element_saturates_under_rceil():
    """By more than half an ulp of float32: fl32(1 / largest) may lie below it."""
    for of in ("e4m3fn", "e5m2", "e2m1fn", "int8", "e2m3fn", "int16"):
        block = numfmt.parse(f"block[of={of},scale=e8m0fnu,rule=rceil]")
        last = np.float32(float(block.of.max))
        for x in (
            last,
            np.nextafter(last, np.float32(np.inf)),
            np.nextafter(last, np.float32(0)),
            last * 2,
            last / 2,
        ):
            scale = block.encode(x).scales
            assert last / 2 * (1 - 2.0**-22) <= x / scale <= last * (1 + 2.0**-22)


def test_scales_by_division():
    """fl32(absmax / largest): of 1 and 448, of 6 and 6, of an odd quotient."""
    for of, peak, scale in (
        ("e4m3fn", 448, 1.0), ("e4m3fn", 1, 0.002232142956927419), ("e2m1fn", 6, 1.0), ("int8", 1, 0.007874015718698502),
        ("e2m1fn", SMALLEST, SMALLEST), ("e2m1fn", 0, 0.0), ("int8", LARGEST, 2.6793887e36),
    ):  # fmt: skip
        found = numfmt.encode(np.float32([peak, -peak]), f"block[of={of},scale=f32]").scales
        assert found == np.float32(scale)


def test_mean_magnitude():
    array = numfmt.encode([1.0, -2.0, 3.0, -6.0], "block[of=e2m1fn,scale=f32,rule=mean]")
    assert (array.scales, array.decode().tolist()) == (3.0, [1.5, -1.5, 3.0, -6.0])
    ragged = numfmt.encode([1.0, -2.0, 3.0, -6.0, 5.0], "block[of=e2m1fn,scale=f32,size=2,rule=mean]")
    assert ragged.scales.tolist() == [1.5, 4.5, 5.0]


def test_least_squares():
    """Of 1, 0 and -1 times the largest magnitude times 64/64, 63/64 ... 32/64."""
    for x, step in (
        ([64, 64], 64), ([64, -62], 63), ([64, 33], 49), ([64, *[-32] * 100], 32), ([5.2, 4, 4, -4], 53), ([64, 0, 1], 64),
    ):  # fmt: skip
        array = numfmt.encode(np.float64(x), "block[of=int2[symmetric],scale=f32,rule=mse]")
        assert array.scales == np.float32(float(np.float32(x[0])) * step / 64)
    assert numfmt.encode([0.0, 0.0], "block[of=int4,scale=f32,rule=mse]").scales == 0


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil", "absmax", "mean", "mse"])
def test_a_scale_of_what_is_not_zero_is_not_zero(rule):
    for of, scale in product(
        ("e4m3fn", "int8", "e2m1fn"), ("f32", "f16", "e4m3fn", "e8m0fnu", "block[of=e4m3fn,scale=f32]")
    ):
        block = numfmt.parse(f"block[of={of},scale={scale},rule={rule}]")
        least = float((block.scale if not isinstance(block.scale, Block) else numfmt.parse("f32")).smallest)
        for x in (np.float64([5e-324]), np.float32([SMALLEST]), np.float64([1e-300, 0])):
            assert np.asarray(block.encode(x).scales) == np.float32(least)
        zero = 0 if block.units(block.encode([0.0, -0.0]).scales)[0] == 0 else least
        array = block.encode([0.0, -0.0])
        assert np.asarray(array.scales) == zero
        assert not np.signbit(np.asarray(array.scales))
        assert same(array.decode(), np.float32([0, -0.0 if block.of.zero(True) != block.of.zero() else 0]))
