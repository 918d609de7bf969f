"""Products with offsets: Python integers, wrapping, one offset or one for each row and column."""

import itertools
import tracemalloc

import numpy as np
import pytest

from gemmlowp import exact
from numfmt import gemmlowp
from numfmt.gemm import prepack

RNG = np.random.default_rng(6)
PAIRS = [*itertools.product(("int8", "uint8"), repeat=2), ("int16", "int16")]
OFFSETS = [0, -128, 7, 2**31 - 1, -(2**31)]
SHAPES = [(1, 1, 1), (3, 5, 2), (17, 1, 9), (4, 70, 1)]


def by_hand(lhs, rhs, lo, ro):
    rows, columns = np.broadcast_to(lo, len(lhs)).tolist(), np.broadcast_to(ro, rhs.shape[1]).tolist()
    a, b = lhs.tolist(), rhs.T.tolist()
    return [
        [exact.wrap(sum((x + u) * (y + v) for x, y in zip(row, column, strict=True))) for column, v in zip(b, columns, strict=True)]
        for row, u in zip(a, rows, strict=True)
    ]  # fmt: skip


def operands(pair, shape, kind):
    m, k, n = shape
    for dtype, size in zip(pair, ((m, k), (k, n)), strict=True):
        limits = np.iinfo(dtype)
        if kind == "random":
            yield RNG.integers(limits.min, limits.max, size, dtype, endpoint=True)
        else:
            yield np.full(size, getattr(limits, kind), dtype)


@pytest.mark.parametrize("kind", ["random", "min", "max"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_against_python_integers(pair, shape, kind):
    lhs, rhs = operands(pair, shape, kind)
    for lo, ro in itertools.product(OFFSETS, repeat=2):
        found = gemmlowp.gemm(lhs, rhs, lo, ro)
        assert found.dtype == np.int32
        assert found.tolist() == by_hand(lhs, rhs, lo, ro)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_an_offset_for_each_row_and_column(pair):
    lhs, rhs = operands(pair, (4, 13, 3), "random")
    lo, ro = [0, -1, 2**31 - 1, -99], [-(2**31), 5, 77]
    for u, v in ((lo, ro), (lo, 3), (-3, ro), (0, ro), (lo, 0)):
        assert gemmlowp.gemm(lhs, rhs, u, v).tolist() == by_hand(lhs, rhs, u, v)


def test_sums_wrap():
    depth = 70_000
    ones = np.full((1, depth), 255, np.uint8)
    assert gemmlowp.gemm(ones, ones.T) == exact.wrap(255 * 255 * depth)
    assert gemmlowp.gemm(ones, ones.T, -128, -3) == exact.wrap(127 * 252 * depth)
    assert gemmlowp.gemm(ones, ones.T, 2**31 - 1, 2**30) == exact.wrap((2**31 + 254) * (2**30 + 255) * depth)


def test_layouts():
    lhs, rhs = operands(("uint8", "int8"), (8, 9, 7), "random")
    expected = gemmlowp.gemm(lhs, rhs, -3, 4)
    assert np.array_equal(gemmlowp.gemm(np.asfortranarray(lhs), rhs.T.copy().T, -3, 4), expected)
    assert np.array_equal(gemmlowp.gemm(np.repeat(lhs, 2, 0)[::2], rhs[:, ::-1][:, ::-1], -3, 4), expected)


def test_a_packed_right_operand():
    lhs, rhs = operands(("uint8", "int8"), (8, 90, 70), "random")
    packed = prepack(rhs)
    assert np.array_equal(gemmlowp.gemm(lhs, packed, -3, 4), gemmlowp.gemm(lhs, rhs, -3, 4))
    assert np.array_equal(gemmlowp.gemm(lhs, packed), lhs.astype(np.int32) @ rhs.astype(np.int32))


@pytest.mark.parametrize("shape", [(0, 3, 2), (3, 0, 2), (3, 2, 0)])
def test_empty(shape):
    m, k, n = shape
    found = gemmlowp.gemm(np.ones((m, k), np.int8), np.ones((k, n), np.int8), 5, 6)
    assert found.shape == (m, n)
    assert not found.any()


def test_offsets_of_channels_take_no_second_product():
    lhs, rhs = operands(("uint8", "int8"), (1100, 3, 900), "random")
    lo, ro = RNG.integers(-99, 99, 1100), RNG.integers(-99, 99, 900)
    for u, v in ((lo, ro), (lo, 3), (-3, ro)):
        gemmlowp.gemm(lhs, rhs, u, v)  # what it loads is not counted
        tracemalloc.start()
        found = gemmlowp.gemm(lhs, rhs, u, v)
        assert tracemalloc.get_traced_memory()[1] < 1.4 * found.nbytes
        tracemalloc.stop()
        wide = lhs.astype(np.int64) + np.reshape(u, (-1, 1))
        assert np.array_equal(found, wide @ (rhs.astype(np.int64) + v))
