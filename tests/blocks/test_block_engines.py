"""The loops of blocks give what the definition in NumPy gives, bit for bit, whatever the array looks like."""

from functools import cache

import numpy as np
import pytest
from laws.flushing import on_x86
from laws.test_without_numba import run_apart

import numfmt
from numfmt.blocks import BlockArray, elements
from numfmt.engine import jit, pool

from .hard_blocks import hard_blocks, tied, with_specials

if jit.loops() is None:
    pytest.skip("numba cannot be imported", allow_module_level=True)

F4 = np.float32
NOT_FINITE = F4([np.nan, -np.nan, np.inf, -np.inf])
SIZES = (1, 3, 16, 32, 33, 128, 5000)
MX = ["mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "mxint8"]
NAMED = [
    *MX, "msfp12", "msfp16", "bfp3", "bfp8", "bfp24", "mx9", "mx4", "nvfp4", "hif4", "flex16+5", "flex8+4", "flex32+5",
    "deepseek_1x128", "deepseek_128x128",
]  # fmt: skip
ELEMENTS = [
    "e4m3fn", "e5m2", "e2m1fn", "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz", "e1m2fin", "e5m10", "e4m3finu", "binary8p3se",
    "int8", "uint8", "int2", "uint4", "int16", "int22", "q1.6[symmetric]", "q3.12", "fixed[bits=8,frac=-3]",
    "fixed[bits=10,frac=30]",
]  # fmt: skip
WITHOUT_LOOPS = [
    "e3m0fnu",
    "e4m3fn[subnormals=off]",
    "bf16",
    "int29",
    "uint23",
    "fixed[bits=8,frac=60]",
    "nf4",
]
SCALES = ["e8m0fnu", "e5m0b31finu", "f32", "f16", "e4m3fn", "block[of=e4m3fn,scale=f32]", "bf16"]
LAYOUTS = [
    "size=1",
    "size=3",
    "size=16",
    "size=33",
    "size=5000",
    "size=4x8",
    "size=16,axis=0",
    "size=5,axis=1",
    "",
]


def words(x):
    """Something that compares as bits do."""
    x = np.ascontiguousarray(x)
    return x.view(f"u{x.itemsize}") if x.dtype.kind == "f" else x


def parts(array):
    """All that an encoded array is, and its values."""
    scales = parts(array.scales) if isinstance(array.scales, BlockArray) else [array.scales]
    return [array.codes, *scales, array.decode(), array.decode(np.float64)]


def outcome(do):
    """What a call returns, as arrays, or the error that it raises."""
    try:
        result = do()
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return parts(result) if isinstance(result, BlockArray) else [np.asarray(result)]


def same(a, b):
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and a == b
    return all(
        p.dtype == q.dtype and p.shape == q.shape and np.array_equal(words(p), words(q))
        for p, q in zip(a, b, strict=True)
    )


def check(spec, x, **options):
    """The engines agree on values, codes, scales, and what is read from them."""
    form = numfmt.parse(spec)
    for call in (form.cast, form.encode):
        found = outcome(lambda call=call: call(x, engine="kernel", **options))
        wanted = outcome(lambda call=call: call(x, engine="numpy", **options))
        assert same(found, wanted), (spec, call.__name__, options)


@cache
def ties(of):
    """Positive values of a format and the numbers half-way between them, all of them or a few hundred."""
    form = numfmt.parse(of)
    low, high = form.span
    ranks = range(max(low, 0), high, max((high - low) // 500, 1))
    found = [float(x) for r in ranks for x in (form.at(r), form.split(r), form.max)]
    return np.unique([x for x in found if x > 0])


def numbers(spec, count=96, size=32, seed=0):
    """Rows of hard numbers, half of them ties under the power of two that the largest one gives."""
    form = numfmt.parse(spec)
    x = hard_blocks(count, size, seed)
    _, exponents = np.frexp(np.abs(x).max(-1).astype(np.float64) / float(form.of.max))
    return tied(x, np.ldexp(1.0, np.minimum(exponents, 100) - 1), ties(str(form.of)), seed)


@pytest.mark.parametrize("spec", NAMED)
def test_engines_agree_on_formats_with_names(spec):
    for seed in range(3):
        x = numbers(spec, seed=seed)
        check(spec, x)
        check(spec, with_specials(x, NOT_FINITE, seed))


@pytest.mark.parametrize("of", [*ELEMENTS, *WITHOUT_LOOPS])
@pytest.mark.parametrize("scale", SCALES)
def test_engines_agree_on_elements_under_scales(of, scale):
    x = numbers(f"block[of={of},scale={scale}]", 40)
    check(f"block[of={of},scale={scale},size=16]", x)
    check(f"block[of={of},scale={scale},size=16]", with_specials(x, NOT_FINITE))


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil", "absmax", "mse"])
@pytest.mark.parametrize("of", ["e4m3fn", "e5m2", "e2m1fn", "int8", "q1.6[symmetric]", "q0.7", "e1m2fin"])
def test_engines_agree_on_rules(rule, of):
    x = numbers(f"block[of={of},scale=e8m0fnu]", 60)
    check(f"block[of={of},scale=e8m0fnu,size=32,rule={rule}]", x)


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil"])
@pytest.mark.parametrize(
    ("of", "scale"),
    [("e4m3fn", "e8m0fnu"), ("e2m1fn", "e8m0fnu"), ("q0.7", "e8m0fnu"), ("e5m2", "e5m0b31fnu")],
)
def test_powers_of_two_from_every_exponent(rule, of, scale):
    """Blocks of one number: powers of two, what lies beside them, and every fraction that a rule rounds up."""
    fractions = np.concatenate([1 + np.arange(64) / 64, 2 - 2.0 ** -np.arange(1, 24), 448 / 256 * np.ones(1)])
    with np.errstate(all="ignore"):
        centres = F4(np.ldexp(fractions[:, None], np.arange(-150, 128))).reshape(-1)
    near = np.concatenate([centres.view(np.int32) + d for d in (-1, 0, 1)]).view(F4)
    x = near[np.isfinite(near) & (near >= 0)]
    form = numfmt.parse(f"block[of={of},scale={scale},size=1,rule={rule}]")
    found, wanted = (form.encode(x, engine=engine).scales for engine in ("kernel", "numpy"))
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("of", ["e4m3fn", "e2m1fn", "int8"])
@pytest.mark.parametrize("scale", ["e8m0fnu", "f32"])
def test_engines_agree_on_layouts(layout, of, scale):
    """Whole and ragged blocks, along each axis, in tiles, and for the tensor."""
    spec = ",".join(filter(None, (f"block[of={of}", f"scale={scale}", layout))) + "]"
    x = with_specials(hard_blocks(77, 60), NOT_FINITE[:2])
    for shape in ((77, 60), (7, 11, 60), (60, 77), (1, 77 * 60), (5, 0), (0, 3)):
        given = x.reshape(shape) if 0 not in shape else np.empty(shape, F4)
        check(spec, given)
        check(spec, np.ascontiguousarray(given.T))
        check(spec, given.T)


@pytest.mark.parametrize("size", SIZES)
def test_engines_agree_on_sizes(size):
    x = with_specials(hard_blocks(30, 100), NOT_FINITE)
    for spec in (f"block[of=e4m3fn,scale=e8m0fnu,size={size}]", f"block[of=int8,scale=f32,size={size}]"):
        for given in (x, x.reshape(-1), x[:, :1], x[:1, :33], x[0, 0], x[:0]):
            check(spec, given)
        for axis in (0, 1):
            check(spec, x, axis=axis)


def test_engines_agree_where_scales_serve_an_axis():
    """A scale for each index of an axis; of the last one they vary along rows."""
    x = with_specials(hard_blocks(50, 40), NOT_FINITE[:1])
    for spec in (
        "block[of=e4m3fn,scale=e8m0fnu,axis={}]",
        "block[of=int8,scale=f32,axis={}]",
        "flex16+5[axis={}]",
    ):
        for axis in (0, 1, -1):
            check(spec.format(axis), x)
        for axis in (0, 1, 2):
            check(spec.format(axis), x.reshape(5, 40, 10))


@pytest.mark.parametrize(
    "spec", [*MX, "deepseek_1x128", "nvfp4", "flex16+5", "block[of=int8,scale=e8m0fnu,size=3,axis=0]"]
)
def test_engines_agree_on_dtypes(spec):
    x = np.clip(hard_blocks(40, 64, exponents=(-20, 7)), -127, 127)
    for dtype in (np.float16, ">f4", np.float64, ">f8", np.int8, np.int32, np.int64, bool):
        check(spec, x.astype(dtype))
    with np.errstate(over="ignore"):
        check(spec, x.astype(np.float64) * (1 + 2.0**-40))
    beyond = x.astype(np.float64) * 2.0 ** np.random.default_rng(0).integers(-300, 300, (40, 1))
    check(spec, beyond)
    strided = np.repeat(x, 3, axis=1)[:, ::3]
    strided.flags.writeable = False
    check(spec, strided)
    check(spec, strided[::-2, ::-1])


@pytest.mark.parametrize("of", ["e4m3fn", "e2m1fn", "int8"])
def test_a_tie_of_float64_is_seen(of):
    """What float32 would round to a tie, or to a power of two, is rounded once."""
    centres = ties(of)[:, None] * 2.0 ** np.arange(-30, 30, 3)
    for beside in (2.0**-30, -(2.0**-30), 2.0**-52, -(2.0**-52)):
        check(f"block[of={of},scale=e8m0fnu,size=4]", centres * (1 + beside))


@pytest.mark.parametrize(
    "spec",
    [
        "mxfp8_e4m3",
        "mxfp4",
        "deepseek_1x128",
        "mxint8",
        "nvfp4",
        "block[of=e2m1fn,scale=e8m0fnu,size=8,axis=0]",
    ],
)
def test_values_go_into_any_out(spec):
    x = with_specials(hard_blocks(50, 40, exponents=(-12, 12)), NOT_FINITE[:1] if "nvfp4" not in spec else [])
    form = numfmt.parse(spec)
    for dtype in (np.float32, np.float64, np.float16, ">f4", ">f8"):
        for out in (
            np.empty((50, 40), dtype),
            np.empty((40, 50), dtype).T,
            np.empty((100, 80), dtype)[::2, ::2],
        ):
            wanted = form.cast(x, out=np.empty((50, 40), dtype), engine="numpy")
            assert form.cast(x, out=out, engine="kernel") is out
            assert np.array_equal(
                words(out.astype(wanted.dtype.newbyteorder("="))),
                words(wanted.astype(wanted.dtype.newbyteorder("="))),
            )
            array = form.encode(x)
            array.decode(out=out)
            assert np.array_equal(out, array.decode(out.dtype.newbyteorder("=")), equal_nan=True)


@pytest.mark.parametrize("spec", ["mxfp8_e4m3", "deepseek_1x128", "mxint8", "flex16+5", "mxfp4[axis=0]"])
def test_values_may_overwrite_what_they_come_from(spec, monkeypatch):
    form, x = numfmt.parse(spec), hard_blocks(50, 40)
    monkeypatch.setattr(elements, "SCRATCH", 256)
    wanted = form.cast(x, engine="numpy")
    own = x.copy()
    assert form.cast(own, out=own, engine="kernel") is own
    assert np.array_equal(words(own), words(wanted))
    for shift in (1, 7, 40, 100):
        memory = np.concatenate([x.reshape(-1), np.zeros(shift, F4)])
        out = memory[shift:].reshape(x.shape)
        form.cast(memory[: x.size].reshape(x.shape), out=out, engine="kernel")
        assert np.array_equal(words(out), words(wanted)), shift
        memory = np.concatenate([np.zeros(shift, F4), x.reshape(-1)])
        out = memory[: x.size].reshape(x.shape)
        form.cast(memory[shift:].reshape(x.shape), out=out, engine="kernel")
        assert np.array_equal(words(out), words(wanted)), -shift


@pytest.mark.parametrize("spec", ["mxfp8_e4m3", "mxint8", "flex16+5", "deepseek_1x128"])
def test_codes_go_into_any_out(spec):
    form, x = (
        numfmt.parse(spec),
        with_specials(hard_blocks(50, 40), NOT_FINITE[:1] if spec != "flex16+5" else []),
    )
    wanted = form.encode(x, engine="numpy").codes
    kind = wanted.dtype.kind
    for size in (1, 2, 4, 8):
        if size < wanted.itemsize:
            continue
        for out in (np.empty((50, 40), f"{kind}{size}"), np.empty((50, 80), f">{kind}{size}")[:, ::2]):
            assert form.encode(x, out=out, engine="kernel").codes is out
            assert np.array_equal(out, wanted)
            held = BlockArray(out, form.encode(x).scales, None, form.encode(x).format)
            assert np.array_equal(words(held.decode()), words(form.cast(x)))


@pytest.mark.parametrize(
    "spec", [*MX, "deepseek_1x128", "deepseek_128x128", "nvfp4", "flex16+5", "mxfp4[axis=0]"]
)
def test_threads_and_pieces_change_no_bit(spec, monkeypatch):
    form = numfmt.parse(spec)
    x = hard_blocks(90, 70)

    def results():
        array, into = form.encode(x), np.empty((70, 90), F4).T
        return [form.cast(x), form.cast(x, out=into), *parts(array)]

    wanted = results()
    monkeypatch.setattr(elements, "WORTH_A_THREAD", 0)
    for count in ("1", "2", "3", "200"):
        monkeypatch.setenv("NUMFMT_NUM_THREADS", count)
        for scratch in (1, 100, 1 << 15):
            monkeypatch.setattr(elements, "SCRATCH", scratch)
            assert same(results(), wanted), (count, scratch)


def test_large_arrays_take_as_many_threads_as_allowed(monkeypatch):
    taken, run = [], pool.run
    monkeypatch.setattr(pool, "run", lambda task, parts: taken.append(len(parts)) or run(task, parts))
    x = np.ones((2000, 2000), F4)
    for count in (1, 2):
        monkeypatch.setenv("NUMFMT_NUM_THREADS", str(count))
        for call in (lambda: numfmt.cast(x, "mxfp4"), lambda: numfmt.cast(x, "deepseek_1x128")):
            taken.clear()
            call()
            assert max(taken) == count


@pytest.mark.parametrize("spec", ["mxfp8_e4m3", "mxfp4", "mxint8", "flex16+5", "deepseek_1x128", "nvfp4"])
@pytest.mark.parametrize("nan", [None, 0, 1.5, "max", "min"])
def test_engines_agree_on_nan(spec, nan):
    """Left out of the statistics, in them, refused; under scales that are given too."""
    x = with_specials(hard_blocks(40, 64, exponents=(-10, 10)), NOT_FINITE[:2])
    options = {} if nan is None else {"nan": nan}
    check(spec, x, **options)
    check(spec, with_specials(x, NOT_FINITE), **options)
    if "nvfp4" not in spec:
        check(spec, x, scale=0.25, **options)


@pytest.mark.parametrize(
    "spec", ["mxfp8_e4m3", "mxfp4", "mxint8", "block[of=e4m3fnuz,scale=f32,size=8]", "flex16+5"]
)
def test_engines_agree_under_given_scales(spec):
    x = with_specials(numbers(spec), NOT_FINITE[2:])
    for scale in (2.0**-127, 2.0**-126, 2.0**-30, 0.3, 1.0, 2.0**120, 2.0**126, 2.0**127):
        check(spec, x, scale=scale)


@pytest.mark.parametrize("spec", ["mxfp8_e4m3", "mxint8"])
@pytest.mark.parametrize("rounding", ["toward_zero", "nearest_away", "to_odd"])
def test_engines_agree_in_other_modes(spec, rounding):
    check(spec, numbers(spec), rounding=rounding)
    check(spec, numbers(spec), overflow="raise")


@pytest.mark.parametrize(
    "spec", [*MX, "msfp12", "bfp8", "flex16+5", "deepseek_1x128", "nvfp4", "mxfp4[axis=0]", "mxint8[axis=0]"]
)
def test_loops_serve(spec, monkeypatch):
    """The definition is not for arrays that one might have: it takes far longer."""

    def unused(*given):
        raise AssertionError("the definition ran")

    form, x = numfmt.parse(spec), np.random.default_rng(0).standard_normal((50, 64), F4)
    monkeypatch.setattr(elements, "_defined", unused)
    monkeypatch.setattr(elements, "decode_into", unused)
    for given in (x, x.astype(np.float16), x.astype(np.float64), x.T):
        form.cast(given)
        form.cast(given, out=np.empty_like(given))
        form.encode(given)


def test_engines_agree_with_the_reference():
    for spec in ("mxfp8_e4m3", "mxfp4", "mxint8", "block[of=int8,scale=f32,size=8]"):
        x, form = numbers(spec, 6), numfmt.parse(spec)
        assert same(
            *(
                outcome(lambda engine=engine, form=form, x=x: form.encode(x, engine=engine))
                for engine in ("kernel", "reference")
            )
        )


FLUSHING = """
import numpy as np, numfmt
from blocks.hard_blocks import hard_blocks
from laws.flushing import flushed

x = np.concatenate([hard_blocks(200, 32), hard_blocks(200, 32, 1, (-149, -100)), hard_blocks(100, 32, 2, (-140, -120))])
x[:32] = np.arange(1, 1025, dtype=np.uint32).view(np.float32).reshape(32, 32)
specs = [spec + rule for spec in ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp4", "mxint8", "msfp12", "block[of=q0.7,scale=e8m0fnu,size=16]")
         for rule in ("", "[rule=ceil]", "[rule=even]", "[rule=rceil]") if not (rule and spec.endswith("]"))]
wide = x.astype(np.float64)
specs += ["mxfp4[axis=0]", "mxint8[axis=0]", "block[of=e4m3fn,scale=e8m0fnu,size=16x16]", "flex16+5"]

def results():
    out = []
    for spec in specs:
        form = numfmt.parse(spec)
        for given in (x, wide):
            if given.dtype == np.float64 and "rceil" in spec:
                continue
            array = form.encode(given)
            out += [(spec, given.dtype, part) for part in (form.cast(given), array.codes, array.scales, array.decode())]
    return out

plain = results()
with flushed():
    found = results()
bits = [p[2].view(f"u{p[2].itemsize}") for p in plain], [p[2].view(f"u{p[2].itemsize}") for p in found]
bad = [plain[i][:2] for i, (a, b) in enumerate(zip(*bits)) if not np.array_equal(a, b)]
assert not bad, bad
"""


@on_x86
def test_flushing_changes_no_bit():
    run_apart(["-c", FLUSHING])
