"""Narrow accumulators: every step against Python integers, shares, policies, errors."""

import numpy as np
import pytest

import numfmt
from numfmt.gemm import Accumulation, accumulate, integers, matmul

RNG = np.random.default_rng(8)
SPANS = {
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "int24": (-(2**23), 2**23 - 1),
    "uint12": (0, 4095),
    "int31": (-(2**30), 2**30 - 1),
    "int40": (-(2**39), 2**39 - 1),
    "int2": (-2, 1),
}


def one_sum(xs, ys, low, high, policy):
    """A sum and its overflows, in Python integers."""
    total, overflows = 0, 0
    if policy == "saturate_symmetric":
        low = max(low, -high)
    for x, y in zip(xs, ys, strict=True):
        grown = total + int(x) * int(y)
        total = (grown - low) % (high - low + 1) + low if policy == "wrap" else min(max(grown, low), high)
        overflows += total != grown
    return total, overflows


@pytest.mark.parametrize("engine", integers.ENGINES)
@pytest.mark.parametrize("policy", ["wrap", "saturate", "saturate_symmetric"])
@pytest.mark.parametrize("name", SPANS)
def test_each_step(name, policy, engine):
    for a_dtype, b_dtype in (
        (np.int8, np.int8),
        (np.uint8, np.int8),
        (np.uint8, np.uint8),
        (np.int16, np.int16),
    ):
        i, j = np.iinfo(a_dtype), np.iinfo(b_dtype)
        a = RNG.integers(i.min, i.max + 1, (3, 40)).astype(a_dtype)
        b = RNG.integers(j.min, j.max + 1, (40, 5)).astype(b_dtype)
        a[0], b[:, 0] = i.max, j.min
        found = accumulate(a, b, name, policy, engine=engine)
        wanted = [[one_sum(x, y, *SPANS[name], policy) for y in b.T] for x in a]
        assert found.result.tolist() == [[total for total, _ in row] for row in wanted]
        assert found.overflows.tolist() == [[count for _, count in row] for row in wanted]
        assert found.share == sum(count for row in wanted for _, count in row) / (15 * 40)
        assert np.array_equal(matmul(a, b, accumulator=name, overflow=policy, engine=engine), found.result)


@pytest.mark.parametrize("engine", integers.ENGINES)
@pytest.mark.parametrize("policy", ["saturate", "saturate_symmetric"])
@pytest.mark.parametrize(
    "name", [*SPANS, "int16[symmetric]", "uint16", "uint32", "uint33", "int32", "uint62"]
)
def test_short_sums(name, policy, engine):
    """Those that may, or may not, leave the accumulator."""
    low, high = numfmt.parse(name).span
    for k in (1, 2, 3):
        for values in ([-1, 0, 1], [0, 1, 2], [-128, 127], [3]):
            a, b = RNG.choice(values, (3, k)).astype(np.int8), RNG.choice(values, (k, 4)).astype(np.int8)
            wanted = [[one_sum(x, y, low, high, policy)[0] for y in b.T] for x in a]
            assert matmul(a, b, accumulator=name, overflow=policy, engine=engine).tolist() == wanted
            assert accumulate(a, b, name, policy, engine=engine).result.tolist() == wanted


@pytest.mark.parametrize("policy", ["saturate", "saturate_symmetric"])
@pytest.mark.parametrize(
    "name", ["int16", "int22", "int24", "uint12", "int31", "uint8", "int9[symmetric]", "int32"]
)
def test_nothing_counted_changes_no_sum(name, policy):
    """`matmul` counts no overflows: extremes, depths that are no multiple of its steps, edges of its blocks."""
    pairs = (
        (np.int8, np.int8),
        (np.uint8, np.int8),
        (np.int8, np.uint8),
        (np.uint8, np.uint8),
        (np.int16, np.int16),
    )
    for a_dtype, b_dtype in pairs:
        for m, k, n in (
            (3, 0, 5),
            (2, 1, 7),
            (1, 35, 1),
            (5, 3, 33),
            (3, 37, 1025),
            (2, 150, 40),
            (70, 300, 70),
        ):
            i, j = np.iinfo(a_dtype), np.iinfo(b_dtype)
            for ends in (True, False):
                a = RNG.choice([i.min, i.max], (m, k)) if ends else RNG.integers(i.min, i.max + 1, (m, k))
                b = RNG.choice([j.min, j.max], (k, n)) if ends else RNG.integers(j.min, j.max + 1, (k, n))
                a, b = a.astype(a_dtype), np.asfortranarray(b.astype(b_dtype))
                found = matmul(a, b, accumulator=name, overflow=policy)
                assert np.array_equal(found, accumulate(a, b, name, policy, engine="numpy").result), (m, k, n)


@pytest.mark.parametrize("name", ["int20", "int22", "uint21", "int22[symmetric]"])
def test_long_runs_of_one_sign_reach_the_ends(name):
    """Lines of sums that are far from both ends are only added: here each passes an end by itself, at any step."""
    longest = 4 * numfmt.parse(name).span[1] // 127**2
    lengths = RNG.integers(1, longest, (80, 900))
    signs = np.stack([np.repeat(np.arange(900) % 2, line)[:900] for line in lengths], 1)
    a, b = np.full((1, 900), 127, np.int8), np.where(signs, -128, 127).astype(np.int8)
    for policy in ("saturate", "saturate_symmetric"):
        wanted = accumulate(a, b, name, policy, engine="numpy")
        assert wanted.overflows.any()
        found = [matmul(a, column, accumulator=name, overflow=policy).item() for column in b.T]
        assert found == wanted.result[0].tolist()


def test_threads_change_no_sum(monkeypatch):
    a = RNG.integers(-128, 128, (130, 140)).astype(np.int8)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("NUMFMT_NUM_THREADS", threads)
        found.append(matmul(a, a.T, accumulator="int16", overflow="saturate"))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_the_order_is_that_of_k():
    a = np.array([[100, 100, -100, -100]], np.int8)
    b = np.full((4, 1), 100, np.int8)
    assert accumulate(a, b, "int15", "saturate").result == 16383 - 20000
    assert accumulate(a[:, ::-1], b, "int15", "saturate").result == -16384 + 20000
    assert accumulate(a, b, "int15", "wrap").result == 0


def test_wide_rows():
    a, b = np.full((2, 3), 127, np.int8), np.full((3, 9000), 127, np.int8)
    found = accumulate(a, b, "int16")
    assert (found.result == 32767).all()
    assert (found.overflows == 1).all()


def test_results_have_the_dtype_that_holds_them():
    a = np.ones((2, 2), np.int8)
    for name, dtype in (("int16", np.int32), ("int32", np.int32), ("uint32", np.int64), ("int33", np.int64)):
        for policy in ("wrap", "saturate"):
            assert matmul(a, a, accumulator=name, overflow=policy).dtype == dtype
            assert accumulate(a, a, name, policy).result.dtype == dtype


def test_sums_and_out_with_an_accumulator():
    a = RNG.integers(-128, 128, (4, 50)).astype(np.int8)
    b = RNG.integers(-128, 128, (50, 6)).astype(np.int8)
    for policy in ("wrap", "saturate"):
        out = np.empty((4, 6), np.int32)
        result, rows, columns = matmul(a, b, accumulator="int12", overflow=policy, sums=True, out=out)
        assert result is out
        assert np.array_equal(out, accumulate(a, b, "int12", policy).result)
        assert np.array_equal(rows, a.sum(1))
        assert np.array_equal(columns, b.sum(0))


def test_raise():
    a = np.full((2, 66_052), 255, np.uint8)
    a[0] = 1
    with pytest.raises(
        numfmt.RangeError, match=r"int32 .* overflows in 3 of 6 sums of 66052 products, first in \[1, 0\]"
    ) as error:
        matmul(a, np.full((66_052, 3), 255, np.uint8), overflow="raise")
    assert (error.value.count, error.value.total, error.value.index) == (3, 6, (1, 0))
    b = np.full((66_052, 3), 127, np.uint8)
    assert np.array_equal(matmul(a, b, overflow="raise"), a.astype(int) @ b)
    with pytest.raises(numfmt.RangeError, match="int16"):
        matmul(a[:, :9], b[:9], accumulator="int16", overflow="raise")
    with pytest.raises(numfmt.RangeError, match="int16"):
        accumulate(a[:, :9], b[:9], "int16", "raise")
    with pytest.raises(numfmt.RangeError, match="uint16"):
        matmul(np.int8([[-1]]), np.int8([[1]]), accumulator="uint16", overflow="raise")


def test_a_sum_that_overflows_on_the_way_raises():
    a = np.concatenate((np.full(70_000, 255), np.full(70_000, 0))).astype(np.uint8)[None]
    b = np.full((140_000, 1), 255, np.uint8)
    with pytest.raises(numfmt.RangeError):
        matmul(a, b, overflow="raise")
    signed = np.concatenate((np.full(140_000, 127), np.full(140_000, -127))).astype(np.int8)[None]
    assert matmul(signed, np.full((280_000, 1), 127, np.int8)).item() == 0
    with pytest.raises(numfmt.RangeError):
        matmul(signed, np.full((280_000, 1), 127, np.int8), overflow="raise")


def test_nothing_to_add():
    found = accumulate(np.zeros((2, 0), np.int8), np.zeros((0, 3), np.int8))
    assert isinstance(found, Accumulation)
    assert (found.result.tolist(), found.share) == ([[0] * 3] * 2, 0.0)


BAD = {
    "float": ({"accumulator": "bf16"}, numfmt.SpecError, "expected an integer format such as 'int16'"),
    "fraction": ({"accumulator": "q3.4"}, numfmt.SpecError, "accumulator 'q3.4'"),
    "wide": ({"accumulator": "int63"}, numfmt.SpecError, "up to 62 bits"),
    "policy": ({"accumulator": "int16", "overflow": "wrpa"}, numfmt.SpecError, "Did you mean 'wrap'"),
    "left out": ({"accumulator": "int16[symmetric]", "overflow": "wrap"}, numfmt.SpecError, "leaves one out"),
    "dtype": ({"accumulator": "int16", "dtype": np.int64}, TypeError, "'int16' gives int32, got dtype=int64"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    how, error, message = BAD[case]
    a = np.ones((2, 2), np.int8)
    with pytest.raises(error, match=message):
        matmul(a, a, **how)


def test_accumulate_takes_matrices():
    with pytest.raises(ValueError, match=r"two axes, got shapes \(2,\) and \(2, 2\)"):
        accumulate(np.ones(2, np.int8), np.ones((2, 2), np.int8))
