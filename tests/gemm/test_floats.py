"""Products of matrices with every sum rounded: against fractions, and loops against the steps one by one."""

from fractions import Fraction

import numpy as np
import pytest
from exact_products import multiply as in_fractions
from exact_products import rounded

import numfmt
from numfmt.gemm.floats import multiply

ORDERS = ["sequential", "pairwise", "tree(4)", "tree(5)", "blocked(4)", "split_k(3)", "kahan", "exact"]


def pair(m, k, n, spec="bf16", seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, k)) * scale, rng.standard_normal((k, n))
    return (numfmt.cast(x.astype(np.float32), spec) for x in (a, b))


@pytest.mark.parametrize("product", ["fused", "rounded", "fma32"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("spec", "mode"), [("bf16", "nearest_even"), ("f16", "toward_positive"), ("e5m2", "to_odd")]
)
def test_every_order_in_fractions(order, product, spec, mode):
    a, b = pair(2, 11, 3)
    found = multiply(a, b, accumulator=spec, order=order, product=product, rounding=mode, c=np.float32(0.3))
    assert np.array_equal(found, in_fractions(a, b, spec, product, order, mode, 0.3))


@pytest.mark.parametrize("product", ["fused", "rounded", "fma32"])
@pytest.mark.parametrize("spec", ["bf16", "f16", "e5m2", "e4m3fn", "e8m10", "tf32", "f32", "e6m5"])
def test_loops_give_the_bits_of_the_steps(spec, product):
    for inputs in ("bf16", "f32"):
        for scale in (1.0, 1e3, 1e-30):  # overflow in narrow formats; numbers too small for the loop
            a, b = pair(5, 21, 70, inputs, scale=scale)
            for order, inner in (("sequential", None), ("blocked(8)", None), ("split_k(4)", "f32")):
                how = {
                    "accumulator": spec,
                    "product": product,
                    "order": order,
                    "inner": inner,
                    "c": np.float32(0.5),
                }
                expected = multiply(a, b, engine="numpy", **how)
                assert same(multiply(a, b, **how), expected), (inputs, scale, order)


def same(x, y):
    """The same numbers and signs of zeros; any NaN is any other."""
    return np.array_equal(x, y, equal_nan=True) and np.array_equal(
        np.signbit(x[x == x]), np.signbit(y[y == y])
    )


MODES = [m.name for m in numfmt.rounding.MODES.values() if not m.stochastic]


@pytest.mark.parametrize("product", ["fused", "rounded", "fma32"])
@pytest.mark.parametrize("mode", MODES)
def test_loops_in_every_mode(mode, product):
    a, b = pair(4, 40, 20)
    a[:, 3], b[5] = 0, -0.0
    for spec, overflow in (("f16", None), ("bf16", None), ("e5m2", "saturate"), ("e2m1fn", "saturate")):
        for order in ("sequential", "blocked(7)"):
            how = {
                "accumulator": spec,
                "product": product,
                "order": order,
                "rounding": mode,
                "overflow": overflow,
            }
            assert same(multiply(a, b, **how), multiply(a, b, engine="numpy", **how)), (spec, order)


@pytest.mark.parametrize("product", ["fused", "fma32", "rounded"])
def test_loops_draw_as_the_steps_do(product):
    a, b = (np.stack([x, -x]) for x in pair(3, 9, 70))
    for spec in ("bf16", "f16", "e4m3fn", "f32"):
        for mode in ("stochastic", "stochastic_b"):
            how = {"accumulator": spec, "product": product, "rounding": mode, "seed": 5, "c": np.float32(0.7)}
            assert same(multiply(a, b, **how), multiply(a, b, engine="numpy", **how)), (spec, mode)


@pytest.mark.parametrize("order", ["sequential", "blocked(300)", "blocked(5)", "split_k(2)", "exact"])
@pytest.mark.parametrize(
    ("rows", "terms", "columns"), [(1, 1500, 1), (40, 1030, 1), (1, 600, 40), (7, 1, 33), (2, 0, 3)]
)
def test_deep_and_thin_products(order, rows, terms, columns):
    a, b = pair(rows, terms, columns)
    how = {"accumulator": "bf16", "order": order, "c": np.float32(3)}
    assert same(multiply(a, b, **how), multiply(a, b, engine="numpy", **how))


@pytest.mark.parametrize(
    "how",
    [
        {"accumulator": "bf16"}, {"accumulator": "f16", "product": "rounded"}, {"accumulator": "e5m2", "product": "fma32"},
        {"accumulator": "f32"}, {"accumulator": "bf16", "order": "blocked(8)", "inner": "f32"},
        {"accumulator": "e4m3fn", "rounding": "toward_zero"}, {"accumulator": "bf16", "rounding": "stochastic", "seed": 1},
    ],
    ids=str,
)  # fmt: skip
def test_loops_serve(monkeypatch, how):
    pytest.importorskip("numba")

    def never(*_):
        raise AssertionError("a step")

    monkeypatch.setattr(numfmt.gemm.steps.Products, "_rounded", never)
    a, b = pair(4, 40, 20)
    assert multiply(a, b, **how).shape == (4, 20)


def test_opposite_infinities_of_parts():
    a, b = np.float32([[6e4, 6e4, -6e4, -6e4]]), np.ones((4, 1), np.float32)
    how = {"accumulator": "f16", "order": "blocked(2)"}
    for engine in (None, "numpy"):
        found = multiply(a, b, engine=engine, **how)
        assert np.isnan(found).all()
        assert not np.signbit(found).any()


def test_an_exact_sum_is_rounded_once():
    """1 + 2**-8 is a tie of bf16; what lies above it is below float32's bits."""
    a, b = np.float32([[1, 2.0**-8, 2.0**-40]]), np.float32([[1], [1], [1]])
    how = {"accumulator": "bf16", "order": "exact"}
    assert multiply(a, b, **how) == 1 + 2.0**-7


@pytest.mark.parametrize("engine", [None, "numpy"])
def test_double_rounding_of_fma32(engine):
    """258 + (1 - 2**-9) (1 + 2**-9) is just below a tie of bf16, and that tie in float32."""
    a, b, c = np.float32([[1 - 2.0**-9]]), np.float32([[1 + 2.0**-9]]), np.float32([[258]])
    for product, expected in (("fused", 258), ("fma32", 260)):
        assert multiply(a, b, accumulator="bf16", product=product, c=c, engine=engine) == expected


@pytest.mark.parametrize("engine", [None, "numpy"])
def test_nothing_and_specials(engine):
    def of(a, b, **how):
        return multiply(np.float32(a), np.float32(b), accumulator="bf16", engine=engine, **how).tolist()

    assert of(np.empty((2, 0)), np.empty((0, 3))) == [[0.0] * 3] * 2
    assert of([[1, 2]], [[3], [4]], bias=np.float32(0.5)) == [[11.5]]
    assert of([[np.inf, 1]], [[1], [1]]) == [[np.inf]]
    assert np.isnan(of([[np.inf, 1]], [[1], [-np.inf]])[0][0])
    assert np.isnan(of([[np.inf, 1]], [[0], [1]])[0][0])
    assert of([[3e38, 3e38]], [[1], [1]]) == [[np.inf]]
    assert of([[3e38, 3e38]], [[1], [1]], overflow="saturate") == [[float(numfmt.parse("bf16").max)]]
    for order in ORDERS:
        assert np.isnan(of([[np.nan, 1]], [[1], [1]], order=order)[0][0])


def test_zeros_of_exact_sums():
    a, b = np.float32([[1, -1], [-0.0, -0.0]]), np.float32([[1], [1]])
    minus = np.float32(-0.0)
    for mode, signs in (("nearest_even", [False, True]), ("toward_negative", [True, True])):
        for order in ("sequential", "exact"):
            found = multiply(a, b, accumulator="bf16", rounding=mode, order=order, c=minus)
            assert np.signbit(found[:, 0]).tolist() == signs, (mode, order)


def test_batches_threads_and_strides(monkeypatch):
    a, b = pair(64, 96, 80)
    a, b = np.stack([a, -a])[:, None], np.stack([b, b + 1])
    how = {"accumulator": "bf16", "fmt": "bf16"}
    expected = multiply(a, b, **how)
    assert expected.shape == (2, 2, 64, 80)
    assert np.array_equal(expected[1, 0], multiply(-a[0, 0], b[0], **how))
    monkeypatch.setenv("NUMFMT_NUM_THREADS", "1")
    assert np.array_equal(multiply(a, b, **how), expected)
    assert np.array_equal(multiply(np.asfortranarray(a), b.astype(">f4"), **how), expected)
    assert np.array_equal(multiply(a.astype(np.float64), b, **how), expected)


def test_stochastic_words_by_stream():
    a, b = np.float32([[1, 1]]), np.float32([[1 + 2.0**-8, 0], [1, 1]])
    words = [numfmt.noise.words(7, 0, 2, stream) for stream in (1, 2, 3, 4)]
    total = np.zeros((1, 2), np.float32)
    for k in range(2):
        x, y = np.broadcast_to(a[:, k, None], (1, 2)), np.broadcast_to(b[k], (1, 2))
        term = numfmt.mul(x, y, "bf16", rounding="stochastic", noise=words[2 * k + 1].reshape(1, 2))
        total = numfmt.add(total, term, "bf16", rounding="stochastic", noise=words[2 * k].reshape(1, 2))
    found = multiply(a, b, accumulator="bf16", product="rounded", rounding="stochastic", seed=7)
    assert np.array_equal(found, total)


@pytest.mark.parametrize("mode", ["nearest_even", "toward_negative", "to_odd"])
@pytest.mark.parametrize("spec", ["mxfp8", "nvfp4", "mxint8"])
def test_exact_sums_of_blocks(spec, mode):
    size = numfmt.parse(spec).size
    a, b = pair(2, 3 * size + 5, 3, "f32")
    found = multiply(
        a, b, fmt=spec, accumulator="f16", order=f"blocked({size})", inner="exact", rounding=mode
    )
    x, y = (numfmt.cast(m, spec, axis=axis) for m, axis in ((a, -1), (b, -2)))
    for i, j in np.ndindex(found.shape):
        total = 0.0
        for k in range(0, len(y), size):
            terms = zip(x[i, k : k + size].tolist(), y[k : k + size, j].tolist(), strict=True)
            total = rounded(Fraction(total) + sum(Fraction(s) * Fraction(t) for s, t in terms), "f16", mode)
        assert float(total) == found[i, j], (i, j)


@pytest.mark.parametrize("spec", ["mxfp8", "mxfp4", "nvfp4", "flex16+5"])
def test_blocks_are_numbers_in_their_format(spec):
    a, b = pair(3, 64, 4)
    found = multiply(a, b, fmt=spec, accumulator="f32", order="exact")
    x, y = (numfmt.cast(m, spec, axis=axis).astype(np.float64) if spec != "flex16+5" else numfmt.cast(m, spec).astype(np.float64)
            for m, axis in ((a, -1), (b, -2)))  # fmt: skip
    assert np.array_equal(found, (x @ y).astype(np.float32)) or np.abs(found - x @ y).max() < 1e-6


def test_bad_input():
    a, b = pair(2, 3, 4)
    with pytest.raises(ValueError, match="have no common axis of products"):
        multiply(a, a)
    with pytest.raises(numfmt.SpecError, match=r"order: 'blocked\(n\)' with n = 1 or more, got 'blocked'"):
        multiply(a, b, order="blocked")
    with pytest.raises(numfmt.SpecError, match="unknown product 'fuse'"):
        multiply(a, b, product="fuse")
    with pytest.raises(ValueError, match="needs seed="):
        multiply(a, b, rounding="stochastic")
    with pytest.raises(ValueError, match="inner= is of the sums of chunks"):
        multiply(a, b, inner="f32")


@pytest.mark.parametrize("order", ["sequential", "blocked(2)", "exact", "kahan"])
def test_nan_has_no_sign(order):
    a, b = np.float32([[-1e4, 1]]), np.float32([[1e4], [1]])
    for engine in (None, "numpy"):
        for k in (1, 2):
            found = multiply(a[:, :k], b[:k], accumulator="e4m3fn", order=order, engine=engine)
            assert np.isnan(found).all()
            assert not np.signbit(found).any()


@pytest.mark.parametrize("engine", [None, "numpy"])
def test_a_sum_of_a_part_has_more_bits_than_the_whole(engine):
    """257 + 2**-23 is just above a tie of bf16, and that tie in float32."""
    a, b = np.float32([[1, 2.0**-12]]), np.float32([[1], [2.0**-11]])
    how = {"accumulator": "bf16", "product": "rounded", "order": "blocked(2)", "inner": "f32"}
    assert multiply(a, b, c=np.float32(256), engine=engine, **how) == 258


@pytest.mark.parametrize("engine", [None, "numpy"])
def test_a_format_with_one_zero(engine):
    for spec in ("e5m2fnuz", "e4m3fnuz"):
        found = multiply(np.float32([[-(2.0**-30)]]), np.float32([[1]]), accumulator=spec, engine=engine)
        assert (found, np.signbit(found)) == (0, False)


@pytest.mark.parametrize("engine", [None, "numpy"])
def test_an_exact_sum_begun_with_more_bits_than_float32(engine):
    """2**24 + 2**-7 is a tie of e11m30, and c lies above it."""
    x, c = np.float32([[2**12]]), np.float64([[2.0**-7 + 2.0**-37]])
    how = {"accumulator": "e11m30", "order": "exact", "dtype": np.float64}
    assert multiply(x, x, c=c, engine=engine, **how) == 2**24 + 2.0**-6


@pytest.mark.parametrize("engine", [None, "numpy"])
def test_an_exact_sum_whose_terms_float64_does_not_hold(engine):
    a, b = np.float64([[1e200, 1e200, 1]]), np.float64([[1e200], [-1e200], [1]])
    how = {"accumulator": "f64", "order": "exact", "engine": engine}
    assert multiply(a, b, **how) == 1
    for mode, minus in (("nearest_even", False), ("toward_negative", True)):
        found = multiply(a[:, :2], b[:2], rounding=mode, **how)
        assert (found, np.signbit(found)) == (0, minus)


@pytest.mark.parametrize("product", ["fused", "rounded"])
def test_parts_of_the_same_format_draw_the_same(product):
    a, b = pair(3, 16, 4)
    how = {
        "accumulator": "bf16",
        "product": product,
        "order": "blocked(4)",
        "rounding": "stochastic",
        "seed": 3,
    }
    assert same(multiply(a, b, **how), multiply(a, b, inner="bf16", **how))


@pytest.mark.parametrize("engine", [None, "numpy"])
def test_stochastic_sums_of_formats_without_nan(engine):
    one, how = np.float32([[1]]), {"rounding": "stochastic", "seed": 1, "engine": engine}
    for spec in ("int8", "q3.4", "uq4.4"):
        assert multiply(one, one, accumulator=spec, product="fma32", **how) == 1
    with pytest.raises(numfmt.RangeError, match="the format has none"):
        multiply(np.float32([[np.nan]]), one, accumulator="e2m1fn", **how)
