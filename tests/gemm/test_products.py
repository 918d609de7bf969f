"""Integer products on every path and engine against int64: extremes, depths past int32, any layout."""

import itertools

import numpy as np
import pytest

import numfmt
from numfmt.gemm import cpu, integers, matmul, prepack, tiled

PATHS = cpu.paths()
PAIRS = [
    *itertools.product((np.int8, np.uint8), repeat=2),
    (np.int16, np.int16),
]
SHAPES = [
    (1, 1, 1), (1, 5, 3), (3, 5, 7), (2, 100, 65), (12, 32, 64), (13, 33, 67), (5, 7, 1), (100, 100, 100),
    (17, 70, 2100), (4, 33, 4097), (1, 70, 130), (1, 1, 200), (1, 64, 64), (70, 1, 20), (33, 40, 90),
]  # fmt: skip
OFFSETS = [(0, 0), (3, -7), (-255, 255), (2**31 - 1, -(2**31))]
RNG = np.random.default_rng(5)


def numbers(shape, dtype, extreme):
    info = np.iinfo(dtype)
    if extreme:
        return RNG.choice([info.min, info.max], shape).astype(dtype)
    return RNG.integers(info.min, info.max + 1, shape).astype(dtype)


def layouts(shape, dtype, extreme):
    yield numbers(shape, dtype, extreme)
    yield numbers(shape[::-1], dtype, extreme).T


def exact(a, b, offsets=(0, 0)):
    with np.errstate(over="ignore"):
        return (a.astype(np.int64) + offsets[0]) @ (b.astype(np.int64) + offsets[1])


def multiply(path, a, b, offsets, prepacked, sums):
    out = np.full((a.shape[0], b.shape[1]), 77, np.int32)
    totals = tuple(np.zeros(n, np.int32) for n in out.shape) if sums else tiled.NO_SUMS
    tiled.multiply(a, tiled.pack(b, path) if prepacked else b, out, path, offsets, totals)
    return out, *totals


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: "-".join(d.__name__ for d in p))
@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_exact(path, pair):
    for (m, n, k), extreme in itertools.product(SHAPES, (False, True)):
        for a, b in itertools.product(layouts((m, k), pair[0], extreme), layouts((k, n), pair[1], extreme)):
            for offsets, prepacked in itertools.product(OFFSETS, (False, True)):
                sums = offsets != (0, 0)
                out, rows, columns = multiply(path, a, b, offsets, prepacked, sums)
                assert np.array_equal(out, exact(a, b, offsets).astype(np.int32)), (m, n, k, offsets)
                if sums:
                    assert np.array_equal(rows, a.sum(1, np.int64).astype(np.int32))
                    assert np.array_equal(columns, b.sum(0, np.int64).astype(np.int32))


@pytest.mark.parametrize("shape", [(4200, 5, 3), (8300, 3, 5), (1100, 33, 2100), (5, 9000, 70)])
@pytest.mark.parametrize("path", PATHS)
def test_several_blocks_of_rows_and_columns(path, shape):
    m, n, k = shape
    for pair in PAIRS[1:3] if k < 1000 else PAIRS[:1]:
        for a, b in itertools.product(layouts((m, k), pair[0], False), layouts((k, n), pair[1], False)):
            wanted = exact(a, b, (5, -9)).astype(np.int32)
            for prepacked in (False, True):
                out, rows, columns = multiply(path, a, b, (5, -9), prepacked, True)
                assert np.array_equal(out, wanted)
                assert np.array_equal(rows, a.sum(1))
                assert np.array_equal(columns, b.sum(0))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: "-".join(d.__name__ for d in p))
@pytest.mark.parametrize("engine", integers.ENGINES)
@pytest.mark.parametrize("rows", [1, 3])
def test_sums_past_int32_wrap(engine, pair, rows):
    """The largest products of one sign, and of the other, deeper than int32 holds them."""
    low, high = (np.iinfo(d).min for d in pair), (np.iinfo(d).max for d in pair)
    for (x, y), k in itertools.product((tuple(low), tuple(high)), (33_100, 132_200, 140_001)):
        a, b = np.full((rows, k), x, pair[0]), np.full((k, 35), y, pair[1])
        wanted = np.full((rows, 35), k * x * y)
        assert np.array_equal(matmul(a, b, engine=engine), wanted.astype(np.int32))
        assert np.array_equal(matmul(a, b, engine=engine, dtype=np.int64), wanted)


@pytest.mark.parametrize("engine", integers.ENGINES)
def test_engines_agree_on_everything_they_return(engine):
    for pair in PAIRS:
        a, b = numbers((30, 1100), pair[0], True), numbers((1100, 21), pair[1], False)
        result, rows, columns = matmul(a, b, sums=True, engine=engine)
        assert (result.dtype, rows.dtype, columns.dtype) == (np.int32,) * 3
        assert np.array_equal(result, exact(a, b).astype(np.int32))
        assert np.array_equal(rows, a.sum(1, np.int64).astype(np.int32))
        assert np.array_equal(columns, b.sum(0, np.int64).astype(np.int32))
        wide = matmul(a, b, dtype=np.int64, sums=True, engine=engine)
        assert [x.dtype for x in wide] == [np.int64] * 3
        assert np.array_equal(wide[0], exact(a, b))


def strided(x):
    yield x
    yield np.asfortranarray(x)
    yield np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3]
    yield np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    yield np.pad(x, ((0, 0), (3, 5)))[:, 3 : 3 + x.shape[1]]
    frozen = x.copy()
    frozen.flags.writeable = False
    yield frozen


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_any_strides(dtype):
    a, b = numbers((37, 41), dtype, False), numbers((41, 29), dtype, False)
    for x, y in itertools.product(strided(a), strided(b)):
        assert np.array_equal(matmul(x, y), exact(a, b).astype(np.int32))
    assert (
        np.array_equal(matmul(a.astype(">i2"), b.astype(">i2")), exact(a, b).astype(np.int32))
        or dtype == np.int8
    )
    line = np.broadcast_to(a[:1], a.shape)
    assert np.array_equal(matmul(line, b), exact(line, b).astype(np.int32))


def test_the_other_byte_order():
    a, b = numbers((7, 9), np.int16, False), numbers((9, 5), np.int16, False)
    assert np.array_equal(matmul(a.astype(">i2"), b), exact(a, b).astype(np.int32))


@pytest.mark.parametrize("path", PATHS)
def test_a_very_long_row(path):
    """Longer than the work space of a thread."""
    for order in "CF":
        a, b = np.ones((1, 2_000_001), np.int8), np.full((2_000_001, 5), -3, np.int8, order)
        out = np.empty((1, 5), np.int32)
        tiled.multiply(a, b, out, path)
        assert out.tolist() == [[-6_000_003] * 5]


def test_transposed_views_are_not_copied(monkeypatch):
    monkeypatch.setattr(np, "ascontiguousarray", None)
    a, b = numbers((20, 30), np.int8, False), numbers((40, 30), np.int8, False)
    assert np.array_equal(matmul(a, b.T), exact(a, b.T).astype(np.int32))
    assert np.array_equal(matmul(np.asfortranarray(a), b.T), exact(a, b.T).astype(np.int32))


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 1, 0)])
@pytest.mark.parametrize("engine", integers.ENGINES)
def test_empty_sides(shape, engine):
    m, k, n = shape
    a, b = numbers((m, k), np.int8, False), numbers((k, n), np.uint8, False)
    for right in (b, prepack(b)) if engine == "kernel" else (b,):
        result, rows, columns = matmul(a, right, sums=True, engine=engine)
        assert np.array_equal(result, np.zeros((m, n), np.int32))
        assert np.array_equal(rows, a.sum(1))
        assert np.array_equal(columns, b.sum(0))


@pytest.mark.parametrize(
    ("left", "right"),
    [((4,), (4,)), ((4,), (4, 5)), ((3, 4), (4,)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((0, 3, 4), (4, 5)), ((2, 3, 4), (4,))],
)  # fmt: skip
def test_more_and_fewer_axes_are_those_of_numpy(left, right):
    a, b = numbers(left, np.int8, False), numbers(right, np.int8, False)
    wanted = np.matmul(a.astype(np.int32), b.astype(np.int32))
    found = matmul(a, b)
    assert np.array_equal(found, wanted)
    assert np.shape(found) == wanted.shape
    result, rows, columns = matmul(a, b, sums=True)
    assert np.array_equal(result, wanted)
    assert np.array_equal(rows, a.sum(-1))
    assert np.array_equal(columns, b.sum(-2 if b.ndim > 1 else -1))
    if b.ndim == 2:
        assert np.array_equal(matmul(a, prepack(b)), wanted)
    if np.ndim(wanted):
        for out in (np.empty(wanted.shape, np.int32), np.empty(wanted.shape[::-1], np.int32).T):
            assert matmul(a, b, out=out) is out
            assert np.array_equal(out, wanted)


def test_a_column_is_the_product_turned(monkeypatch):
    monkeypatch.setenv("NUMFMT_NUM_THREADS", "2")
    for pair in PAIRS:
        for m, k in ((2, 3), (70, 131), (6000, 6100)):
            a, b = numbers((m, k), pair[0], False), numbers((k, 1), pair[1], False)
            assert np.array_equal(matmul(a, b), exact(a, b).astype(np.int32))
            assert np.array_equal(matmul(np.asfortranarray(a), b[:, 0]), exact(a, b)[:, 0].astype(np.int32))


def test_out():
    a, b = numbers((40, 50), np.uint8, False), numbers((50, 60), np.int8, False)
    wanted = exact(a, b)
    for choose in (lambda x: x[5:45, 7:67], lambda x: x[::2, ::2][:40, :60], lambda x: x.T[:40, :60]):
        big = np.full((90, 140), 7, np.int32)
        out = choose(big)
        assert matmul(a, b, out=out) is out
        assert np.array_equal(out, wanted)
        out[...] = 7
        assert (big == 7).all()


def test_out_that_shares_memory():
    memory = np.zeros(40 * 40 * 4, np.int8)
    memory[:1600] = numbers(1600, np.int8, False)
    a = memory[:1600].reshape(40, 40)
    wanted = exact(a, a)
    assert np.array_equal(matmul(a, a, out=memory.view(np.int32).reshape(40, 40)), wanted)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_change_nothing(threads, monkeypatch):
    monkeypatch.setenv("NUMFMT_NUM_THREADS", str(threads))
    for m, n, k in ((300, 310, 300), (1000, 40, 600), (1, 4100, 4200), (9, 2000, 1000)):
        a, b = numbers((m, k), np.int8, False), numbers((k, n), np.int8, False)
        wanted = exact(a, b).astype(np.int32)
        for right in (b, prepack(b), np.asfortranarray(b)):
            assert np.array_equal(matmul(a, right), wanted)
        result, rows, columns = matmul(a, b, sums=True)
        assert np.array_equal(result, wanted)
        assert np.array_equal(rows, a.sum(1))
        assert np.array_equal(columns, b.sum(0))


def test_prepacked_operands():
    b = numbers((30, 20), np.uint8, False)
    packed = prepack(b)
    assert (packed.shape, packed.dtype, packed.path) == ((30, 20), np.uint8, cpu.path())
    for dtype in (np.int8, np.uint8):
        a = numbers((4, 30), dtype, True)
        assert np.array_equal(matmul(a, packed), exact(a, b))
    kept = exact(a, b)
    b[:] = 0
    assert np.array_equal(matmul(a, packed), kept)
    assert repr(packed).startswith("<prepacked uint8 of shape (30, 20), ")
    if packed.path:
        with pytest.raises(TypeError, match="need the array itself"):
            matmul(a, packed, engine="numpy")


def test_int64_of_bytes_is_exact_too():
    a, b = np.full((2, 40_000), 255, np.uint8), np.full((40_000, 3), 255, np.uint8)
    assert matmul(a, b, dtype="int64").tolist() == [[40_000 * 255 * 255] * 3] * 2


BAD = {
    "floats": (lambda: matmul(np.ones((2, 2)), np.ones((2, 2), np.int8)), TypeError, r"got float64 and int8\. Quantize it"),
    "int64": (lambda: matmul([[1]], [[2]]), TypeError, "got int64 and int64. Choose one of these"),
    "pair": (lambda: matmul(np.ones((2, 2), np.int16), np.ones((2, 2), np.int8)), TypeError, "int16 with int16; got int16 and int8"),
    "shapes": (lambda: matmul(np.ones((2, 3), np.int8), np.ones((2, 3), np.int8)), ValueError, "a has 3 columns, b has 2 rows"),
    "block": (lambda: matmul(numfmt.encode(np.ones((2, 2)), "int8[scale=0.5]"), np.ones((2, 2), np.int8)), TypeError, "give its .codes"),
    "stacks": (lambda: matmul(np.ones((2, 3, 4), np.int8), np.ones((5, 4, 2), np.int8)), ValueError, r"stacks of shapes \(2, 3, 4\) and \(5, 4, 2\) do not broadcast"),
    "scalar": (lambda: matmul(np.int8(2), np.ones((2, 3), np.int8)), ValueError, "a scalar has no axis"),
    "dtype": (lambda: matmul(np.ones((2, 2), np.int8), np.ones((2, 2), np.int8), dtype=np.int16), TypeError, "int32 or int64, got dtype=int16"),
    "engine": (lambda: matmul(np.ones((2, 2), np.int8), np.ones((2, 2), np.int8), engine="gpu"), numfmt.SpecError, "unknown engine 'gpu'"),
    "out shape": (lambda: matmul(np.ones((2, 2), np.int8), np.ones((2, 2), np.int8), out=np.zeros((2, 3), np.int32)), ValueError, r"int32 of shape \(2, 2\); got int32 of shape \(2, 3\)"),
    "out dtype": (lambda: matmul(np.ones((2, 2), np.int8), np.ones((2, 2), np.int8), out=np.zeros((2, 2))), ValueError, "got float64"),
    "out list": (lambda: matmul(np.ones((2, 2), np.int8), np.ones((2, 2), np.int8), out=[1]), ValueError, "got list"),
    "out of a stack": (lambda: matmul(np.ones((3, 2, 2), np.int8), np.ones((2, 2), np.int8), out=[1]), ValueError, "got list"),
    "prepack floats": (lambda: prepack(np.ones((2, 2))), TypeError, "int8, uint8 or int16 array with two axes, got float64"),
    "prepack line": (lambda: prepack(np.ones(2, np.int8)), TypeError, r"shape \(2,\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
