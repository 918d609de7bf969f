"""The loops that search tables give what the definition in NumPy gives, bit for bit, whatever the array looks like."""

import hashlib

import numpy as np
import pytest
from laws.flushing import on_x86
from laws.test_without_numba import run_apart

import numfmt
from numfmt.blocks import BlockArray, elements, searching
from numfmt.engine import jit, pool

from .hard_blocks import beside, hard_blocks, tied, with_specials
from .test_block_engines import NOT_FINITE, check, outcome, parts, same, words

if jit.loops() is None:
    pytest.skip("numba cannot be imported", allow_module_level=True)

F4 = np.float32
SUBNORMAL = (
    f"codebook[values=[{','.join(repr(float(F4(v))) for v in (-1, -1e-45, 0, 3e-45, 1e-38, 0.5, 1))}]]"
)
LIBRARY = ["bnb8", "bnb8u", "bnb_nf4", "bnb_fp4"]
OTHERS = [
    "bnb_af4",
    "bnb_int4",
    *(f"bnb8[of={of}]" for of in ("linear8", "e4m3_bnb", "dyn5", "dyn4", SUBNORMAL)),
]
CPU = [
    f"bnb8[of={of},profile={p}]"
    for p in ("bitsandbytes_cpu", "bitsandbytes_cpu_049")
    for of in ("dyn8", "e5m2_bnb")
]
CUDA = [f"{name}[profile=bitsandbytes_cuda]" for name in (*LIBRARY, "bnb8[of=linear8]")]
SPECS = [*LIBRARY, *OTHERS, *CPU, *(spec.replace("][", ",") for spec in CUDA)]
SIZES = (1, 3, 16, 64, 100, 300, 5000)
AXES = ("flat", 0, 1, -1)
LARGEST = F4(
    [
        0,
        1e-45,
        1e-39,
        1.17549435e-38,
        2.0**-61,
        2.0**-60,
        1,
        3,
        2.0**60,
        2.0**120,
        2.0**121,
        3e38,
        np.inf,
        np.nan,
    ]
)


def with_size(spec, size):
    return f"{spec[:-1]},size={size}]" if spec.endswith("]") else f"{spec}[size={size}]"


def thresholds(spec):
    """Where codes change, as float32, and the neighbours of 0."""
    form = numfmt.parse(spec)
    cuts = searching.found_cuts(form.profile.search, form.of).cuts
    return np.unique(np.append(np.abs(cuts).astype(F4), F4([1e-45, 1e-39, 2.0**-126, 1e-30, 1, 2])))


def numbers(spec, size=32, count=120, seed=0, exponents=(-150, 128)):
    """Rows of hard numbers, half of them thresholds times the largest, or an ulp or two beside."""
    x = hard_blocks(count, size, seed, exponents)
    with np.errstate(over="ignore"):
        return tied(x, np.abs(x).max(-1), thresholds(spec), seed)


def at_thresholds(spec, most):
    """Rows of 16 with thresholds times the largest, or an ulp or two beside."""
    near = beside(np.repeat(thresholds(spec), 5), np.random.default_rng(0))
    with np.errstate(all="ignore"):
        x = np.concatenate([near, -near, F4([1, -1, 0, -0.0])]) * most
    x = np.append(x, np.zeros(-x.size % 15, F4)).reshape(-1, 15)
    return np.hstack([x.clip(-most, most), np.full((len(x), 1), most)])


@pytest.mark.parametrize("spec", SPECS)
def test_engines_agree_on_every_threshold(spec):
    """Under 1, and scales on both sides of those that have short steps; ragged too."""
    for most in LARGEST[LARGEST <= 3e38]:
        x = at_thresholds(spec, most)
        check(with_size(spec, 16), x)
        check(with_size(spec, 16), x.reshape(-1)[:-3])


@pytest.mark.parametrize("spec", SPECS)
def test_engines_agree_on_hard_blocks(spec):
    for seed in range(2):
        x = numbers(spec, seed=seed)
        check(with_size(spec, 32), x)
        check(with_size(spec, 32), with_specials(x, NOT_FINITE, seed))
        check(with_size(spec, 48), np.abs(x).reshape(-1)[:-5])
    check(spec, np.zeros(5000, F4))
    check(spec, np.full(70, np.nan, F4))


@pytest.mark.parametrize("spec", SPECS)
def test_engines_agree_on_values(spec):
    """Every code under every kind of scale, into every dtype."""
    form = numfmt.parse(with_size(spec, 16))
    codes = np.tile(np.arange(len(form.of.table)), 16).astype(np.uint8)
    for size in (codes.size, codes.size - 7):
        for most in LARGEST:
            job = searching.job_of(form, (size,), np.full(-(-size // 16), most, F4))
            for dtype in (F4, np.float64, np.float16, ">f4"):
                found, wanted = np.empty(size, dtype), np.empty(size, dtype)
                searching.read(codes[:size], found, job, "kernel")
                searching.read(codes[:size], wanted, job, "numpy")
                assert same([found], [wanted]), (most, dtype)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "spec", ["bnb8", "bnb_nf4", "bnb8[profile=bitsandbytes_cpu]", "bnb_fp4[profile=bitsandbytes_cuda]"]
)
def test_engines_agree_on_layouts(spec, size):
    """Whole and ragged blocks along each axis, in parts and whole."""
    x = with_specials(numbers(spec, 60, 35), NOT_FINITE)
    form = numfmt.parse(with_size(spec, size))
    for axis in AXES:
        options = {} if axis == "flat" else {"axis": axis}
        for shape in ((35, 60), (7, 5, 60), (60, 35), (1, 2100), (5, 0), (0, 3)):
            given = x.reshape(shape) if 0 not in shape else np.empty(shape, F4)
            check(str(form), given, **options)
            check(str(form), given.T, **options)
            array = form.encode(given, **options)
            job = searching.job_of(array.format, array.shape, array.scales)
            found, wanted = np.empty(array.shape, F4), np.empty(array.shape, F4)
            searching.read(array.codes, found, job, "kernel")
            searching.read(array.codes, wanted, job, "numpy")
            assert same([found], [wanted]), (axis, shape)


@pytest.mark.parametrize("spec", ["bnb8[size=3]", "bnb_nf4[size=16]", "bnb_fp4[size=5]"])
def test_pieces_of_lines_change_no_bit(spec, monkeypatch):
    form, x = numfmt.parse(spec), numbers(spec, 6 * 7, 40).reshape(5, 8, 6, 7)
    arrays = [form.encode(x, axis=axis, engine="numpy") for axis in (0, 1, 2)]
    wanted = [array.codes for array in arrays]
    single = [array.decode() for array in arrays]
    monkeypatch.setattr(elements, "WORTH_A_THREAD", 0)
    for count in ("1", "2", "5"):
        monkeypatch.setenv("NUMFMT_NUM_THREADS", count)
        for piece, width in ((1, 1), (40, 2), (1 << 16, 16)):
            monkeypatch.setattr(searching, "PIECE", piece)
            monkeypatch.setattr(searching, "LEAST_WIDTH", width)
            found = [form.encode(x, axis=axis, engine="kernel").codes for axis in (0, 1, 2)]
            assert same(found, wanted), (count, piece)
            for dtype in (F4, np.float64, np.float16):
                read = [array.decode(dtype) for array in arrays]
                with np.errstate(over="ignore"):
                    assert same(read, [values.astype(dtype) for values in single]), (count, piece, dtype)


@pytest.mark.parametrize("spec", ["bnb8", "bnb_nf4", "bnb_fp4", "bnb8[profile=bitsandbytes_cuda]"])
def test_engines_agree_on_dtypes(spec):
    x = with_specials(numbers(spec, 64, 60, exponents=(-20, 14)).clip(-60000, 60000), NOT_FINITE)
    for dtype in (np.float16, ">f4", np.float64, ">f8"):
        check(spec, x.astype(dtype))
    for dtype in (np.int8, np.int32, np.int64, bool):
        with np.errstate(invalid="ignore"):
            check(spec, x.astype(dtype))
    wide = x.astype(np.float64)
    for factor in (1 + 2.0**-40, 1 + 2.0**-25, 2.0**-140, 2.0**-160, 2.0**120):
        check(spec, wide * factor)
    strided = np.repeat(x, 3, axis=1)[:, ::3]
    strided.flags.writeable = False
    check(spec, strided)
    check(spec, strided[::-2, ::-1])


@pytest.mark.parametrize("spec", ["bnb8", "bnb_nf4", "bnb_fp4[profile=bitsandbytes_cuda]"])
def test_results_go_into_any_out(spec):
    x, form = with_specials(numbers(spec, 64, 40), NOT_FINITE[:2]), numfmt.parse(spec)
    array = form.encode(x, engine="numpy")
    for dtype in (np.uint8, np.uint16, ">u4"):
        for out in (np.empty((40, 64), dtype), np.empty((64, 40), dtype).T, np.empty((80, 64), dtype)[::2]):
            assert form.encode(x, out=out, engine="kernel").codes is out
            assert np.array_equal(out, array.codes)
            held = BlockArray(out, array.scales, None, array.format)
            assert np.array_equal(words(held.decode()), words(array.decode()))
    values = array.decode()
    for dtype in (F4, np.float64, np.float16, ">f4", ">f8"):
        for out in (
            np.empty((40, 64), dtype),
            np.empty((64, 40), dtype).T,
            np.empty((40, 128), dtype)[:, ::2],
        ):
            with np.errstate(over="ignore"):
                wanted = values.astype(dtype)
            assert np.array_equal(array.decode(out=out), wanted, equal_nan=True)
            assert np.array_equal(form.cast(x, out=out, engine="kernel"), wanted, equal_nan=True)


@pytest.mark.parametrize("spec", ["bnb8[size=64]", "bnb_nf4"])
def test_results_may_overwrite_what_they_come_from(spec, monkeypatch):
    monkeypatch.setattr(elements, "SCRATCH", 64)
    form, x = numfmt.parse(spec), numbers(spec, 64, 50)
    wanted = form.encode(x, engine="numpy")
    for shift in (0, 4, 64, 2000):
        memory = np.concatenate([x.reshape(-1).view(np.uint8), np.zeros(x.nbytes, np.uint8)])
        given = memory[: x.nbytes].view(F4).reshape(x.shape)
        out = memory[shift : shift + x.size].reshape(x.shape)
        found = form.encode(given, out=out)
        assert np.array_equal(found.codes, wanted.codes)
        back = memory[: x.nbytes].view(F4).reshape(x.shape)
        assert np.array_equal(words(found.decode(out=back)), words(wanted.decode()))


@pytest.mark.parametrize("spec", ["bnb8", "bnb_nf4", "bnb_fp4", "bnb8[size=256]"])
def test_threads_and_pieces_change_no_bit(spec, monkeypatch):
    form, x = numfmt.parse(spec), numbers(spec, 64, 97)

    def results():
        array, into = form.encode(x), np.empty((64, 97), F4).T
        return [form.cast(x), form.cast(x, out=into), array.decode(), *parts(array)]

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
        for spec, options in (("bnb8", {}), ("bnb_nf4", {}), ("bnb_nf4", {"axis": 0})):
            taken.clear()
            array = numfmt.encode(x, spec, **options)
            assert max(taken) == count
            taken.clear()
            array.decode()
            assert max(taken) == count


@pytest.mark.parametrize("spec", ["bnb8", "bnb_nf4", "bnb_fp4[profile=bitsandbytes_cuda]"])
def test_engines_agree_on_other_options(spec):
    """NaN by another number, given scales, modes of rounding, overflow."""
    x = with_specials(numbers(spec, 64, 40, exponents=(-30, 30)), NOT_FINITE[:2])
    for nan in (0, 1.5, "max", "min"):
        check(spec, x, nan=nan)
    for scale in (1e-45, 2.0**-126, 2.0**-60, 0.3, 1.0, 2.0**120, 3e38):
        check(spec, with_specials(x, NOT_FINITE), scale=scale)
    for rounding in ("toward_zero", "nearest_away", "nearest_even"):
        check(spec, x[:, :10], rounding=rounding, nan=0)
    check(spec, x, overflow="raise")


@pytest.mark.parametrize(
    "spec",
    ["bnb8[size=64,nested]", "bnb_nf4[nested]", "bnb8[size=64,offset=mean]", "bnb_nf4[axis=0,size=8,nested]"],
)
def test_engines_agree_on_nested_scales(spec):
    x = numbers(spec.replace("nested", "").replace(",]", "]").replace("[]", ""), 64, 200, exponents=(-20, 20))
    check(spec, x)
    check(spec, with_specials(x, NOT_FINITE[:2]))


@pytest.mark.parametrize("spec", [*SPECS, "bnb_nf4[axis=0]", "bnb8[axis=0,size=16]"])
def test_loops_serve(spec, monkeypatch):
    """The definition is not for arrays that one might have: it takes far longer."""

    def unused(*given):
        raise AssertionError("the definition ran")

    form, x = numfmt.parse(spec), np.random.default_rng(0).standard_normal((50, 64), F4)
    monkeypatch.setattr(searching, "_encode_defined", unused)
    monkeypatch.setattr(searching, "_read_defined", unused)
    for given in (x, x.astype(np.float16), x.astype(np.float64), x.T):
        form.cast(given)
        form.encode(given).decode(np.float16)


def test_thresholds_that_lie_too_close_together():
    """No table tells them apart: the definition serves, whatever the engine."""
    close = [-1, *(1e-30 * (1 + k * 2.0**-23) for k in range(18)), 1]
    spec = f"bnb8[of=codebook[values={str([float(F4(v)) for v in close]).replace(' ', '')}],size=16]"
    form = numfmt.parse(spec)
    assert searching.search_words(form.profile.search, form.of) is None
    check(spec, numbers(spec, 16))


def _table(count, most):
    """That many numbers from -1 on in any order."""
    drawn = np.random.default_rng(count).uniform(-1, most, count - 1).astype(F4).tolist()
    return f"codebook[values={str([most, *drawn]).replace(' ', '')}]"


@pytest.mark.parametrize("most", [1.0, 0.25])
@pytest.mark.parametrize("count", [2, 3, 8, 15, 16, 17, 31, 100, 200])
def test_engines_agree_on_tables_in_any_order(count, most):
    spec = f"bnb8[of={_table(count, most)},size=16]"
    form = numfmt.parse(spec)
    assert searching.search_words(form.profile.search, form.of).halves == (count <= 16)
    check(spec, at_thresholds(spec, F4(1)))
    check(spec, numbers(spec, 16))


def test_engines_agree_with_the_reference():
    for spec in SPECS[:4]:
        x, form = numbers(spec, 64, 6), numfmt.parse(spec)
        found, wanted = (
            outcome(lambda e=engine, f=form, x=x: f.encode(x, engine=e)) for engine in ("kernel", "reference")
        )
        assert same(found, wanted)


WITHOUT_JIT = "import sys\nfrom blocks.test_search_engines import digest\nprint(digest())"


def digest():
    """Of the loops' results."""
    found = hashlib.sha256()
    for spec in (*SPECS[:4], *CPU[:1], *CUDA[-2:-1]):
        spec = spec.replace("][", ",")
        form, x = numfmt.parse(with_size(spec, 16)), with_specials(numbers(spec, 16, 30), NOT_FINITE)
        for axis in (None, 0):
            array = form.encode(x[:, :15], axis=axis)
            for part in (*parts(array), np.where(np.isnan(array.decode()), 0, array.decode())):
                found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


def test_the_jit_off_changes_no_bit():
    assert run_apart(["-c", WITHOUT_JIT], NUMBA_DISABLE_JIT="1").strip() == digest()


FLUSHING = """
import numpy as np, numfmt
from blocks.test_search_engines import SPECS, numbers, with_size
from laws.flushing import flushed
from numfmt.blocks import searching

jobs = []
for spec in SPECS:
    form = numfmt.parse(with_size(spec, 32))
    for x in (numbers(spec), numbers(spec, seed=1, exponents=(-149, -100)), numbers(spec, seed=2).astype(np.float64) * 2.0**-20):
        array = form.encode(x)
        jobs.append((spec, x, searching.job_of(form, x.shape, array.scales), array.codes))

def results():
    out = []
    for spec, x, job, codes in jobs:
        found, values = np.empty(x.shape, np.uint8), np.empty(x.shape, np.float32)
        searching.encode(x, found, job, "kernel")
        searching.read(codes, values, job, "kernel")
        out += [(spec, found), (spec, values.view(np.uint32))]
    return out

plain = results()
with flushed():
    found = results()
bad = [(a[0], a[1].dtype) for a, b in zip(plain, found) if not np.array_equal(a[1], b[1])]
assert not bad, bad
"""


@on_x86
def test_flushing_changes_no_bit():
    run_apart(["-c", FLUSHING], NUMFMT_NUM_THREADS="1")
