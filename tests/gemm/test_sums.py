"""`sum`: against fractions in every order, axes against loops, integers, zeros, bad input."""

import numpy as np
import pytest
from exact_products import Sum, rounded

import numfmt

ORDERS = ["sequential", "pairwise", "tree(4)", "blocked(4)", "split_k(3)", "kahan", "exact"]
RNG = np.random.default_rng(6)
TIES = [1.0, 2.0**-8, 2.0**-8, -(2.0**-9), 3.0, 2.0**-7, 0.5, 2.0**-40, -1.0, 256.0, 1.0]


def in_fractions(line, spec, order, mode):
    name, _, size = order.rstrip(")").partition("(")
    steps = Sum(line, np.ones(len(line)), spec, "fused", mode)
    return float(getattr(steps, name)(rounded(0, spec), range(len(line)), *([int(size)] if size else [])))


@pytest.mark.parametrize("engine", [None, "numpy"])
@pytest.mark.parametrize(
    ("spec", "mode"),
    [("bf16", "nearest_even"), ("f16", "toward_positive"), ("e5m2", "to_odd"), ("q6.9", "toward_zero")],
)
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_in_fractions(order, spec, mode, engine):
    x = np.float32([TIES, TIES[::-1], RNG.standard_normal(11), np.full(11, 0.3)])
    found = numfmt.sum(x, 1, accumulator=spec, order=order, rounding=mode, engine=engine)
    assert found.tolist() == [in_fractions(line, spec, order, mode) for line in x]


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (2, 0), (1,), ()])
def test_axes(axis):
    """Terms in C order, however the axes are named."""
    x = RNG.standard_normal((3, 4, 5)).astype(np.float32)
    axes = range(3) if axis is None else sorted(a % 3 for a in np.atleast_1d(np.int64(axis)))
    lines = np.moveaxis(x, list(axes), range(len(axes)))
    total = np.zeros(lines.shape[len(axes) :])
    for i in np.ndindex(lines.shape[: len(axes)]):
        total = numfmt.add(total, lines[i], "e4m3fn")
    found = numfmt.sum(x, axis, accumulator="e4m3fn")
    assert np.array_equal(found, total)
    assert found.dtype == np.float32
    assert np.array_equal(numfmt.sum(np.asfortranarray(x), axis, accumulator="e4m3fn"), total)


def test_zeros():
    """The sum starts at +0."""
    for order in ORDERS:
        for mode, minus in (("nearest_even", False), ("toward_negative", True)):
            found = numfmt.sum([-0.0, -0.0], accumulator="bf16", order=order, rounding=mode)
            assert (found, np.signbit(found)) == (0, minus), (order, mode)
        empty = numfmt.sum(np.empty((2, 0)), 1, accumulator="bf16", order=order)
        assert empty.tolist() == [0, 0]
        assert not np.signbit(empty).any()


def test_a_format_of_the_terms_and_one_of_the_sums():
    x = RNG.standard_normal((4, 64)).astype(np.float32)
    for spec in ("e4m3fn", "mxfp8"):
        terms = numfmt.cast(x, spec)
        wanted = numfmt.sum(terms, 1, accumulator="bf16")
        assert np.array_equal(numfmt.sum(x, 1, fmt=spec, accumulator="bf16"), wanted)
    chunks = [numfmt.sum(x[:, i : i + 16], 1, accumulator="f16") for i in range(0, 64, 16)]
    wanted = numfmt.sum(np.stack(chunks, 1), 1, accumulator="bf16")
    assert np.array_equal(numfmt.sum(x, 1, accumulator="bf16", order="blocked(16)", inner="f16"), wanted)


def test_stochastic_words_by_stream():
    """Addition k draws stream 2 k + 1, element i word i."""
    x = np.float32([[1, 2.0**-8, 2.0**-9], [1, 2.0**-7, 2.0**-8]])
    total = np.zeros(2, np.float32)
    for k in range(3):
        noise = numfmt.noise.words(5, 0, 2, 2 * k + 1)
        total = numfmt.add(total, x[:, k], "bf16", rounding="stochastic", noise=noise)
    assert np.array_equal(numfmt.sum(x, 1, accumulator="bf16", rounding="stochastic", seed=5), total)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_integers(dtype):
    x = np.full((2, 400), np.iinfo(dtype).max, dtype)
    assert numfmt.sum(x, 1).tolist() == x.sum(1, np.int64).tolist()
    assert numfmt.sum(x).dtype == np.int32
    assert numfmt.sum(x, dtype=np.int64).dtype == np.int64
    assert (numfmt.sum(x, 1, accumulator="int14", overflow="saturate") == 8191).all()
    wrapped = (x.sum(1, np.int64) + 8192) % 16384 - 8192
    assert np.array_equal(numfmt.sum(x, 1, accumulator="int14"), wrapped)
    assert numfmt.sum(x[:1, :3], order="sequential") == 3 * float(x[0, 0])


def test_what_is_taken_as_numbers():
    assert numfmt.sum([1, 2, 3]) == 6
    assert numfmt.sum([1, 2, 3], accumulator="bf16").dtype == np.float64
    assert numfmt.sum(2.5, accumulator="bf16") == 2.5
    assert isinstance(numfmt.sum([1.0, 2.0]), np.float64)
    assert numfmt.sum(np.float16([1, 2])).dtype == np.float32


def test_out():
    x = np.float32([[1, 2], [3, 4]])
    out = np.empty(4, np.float64)[::2]
    assert numfmt.sum(x, 0, out=out) is out
    assert out.tolist() == [4, 6]
    whole = np.empty((), np.float32)
    assert numfmt.sum(x, out=whole) is whole
    assert numfmt.sum(x, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="out has shape"):
        numfmt.sum(x, 0, out=np.empty(3, np.float32))


def test_bad_input():
    with pytest.raises(np.exceptions.AxisError):
        numfmt.sum([1.0], 1)
    with pytest.raises(ValueError, match="repeated axis"):
        numfmt.sum(np.eye(2), (0, -2))
    with pytest.raises(ValueError, match="needs seed="):
        numfmt.sum([1.0], rounding="stochastic")
    with pytest.raises(numfmt.SpecError, match="unknown order"):
        numfmt.sum([1.0], order="treee(3)")
