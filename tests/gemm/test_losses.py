"""The table of what products lose."""

import numpy as np
import pytest

import numfmt


def pair(k=256):
    rng = np.random.default_rng(0)
    return (np.abs(rng.standard_normal(shape)).astype(np.float32) for shape in ((6, k), (k, 5)))


def test_columns_are_what_they_say():
    a, b = pair()
    row = numfmt.gemm_error(a, b, {"fmt": "bf16", "accumulator": "bf16"})[0]
    found = numfmt.matmul(a, b, fmt="bf16", accumulator="bf16").astype(np.float64)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert row.relative_error == pytest.approx(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    assert row.sqnr_db == pytest.approx(-20 * np.log10(row.relative_error))
    ulp = 2.0 ** (np.floor(np.log2(exact)) - 7)
    assert row.max_ulp_error == pytest.approx((np.abs(found - exact) / ulp).max())
    assert (row.fmt, row.accumulator, row.k, row.overflow) == ("bf16", "bf16", 256, 0.0)


def test_a_grid_is_all_combinations_and_shorter_sums_first():
    a, b = pair(64)
    table = numfmt.gemm_error(
        a, b, {"accumulator": ["f32", "f16"], "order": ["sequential", "pairwise"], "k": [64, 8]}
    )
    assert [(row.k, row.accumulator, row.order) for row in table] == [
        (k, accumulator, order) for k in (8, 64) for accumulator in ("f32", "f16") for order in ("sequential", "pairwise")
    ]  # fmt: skip
    assert len(numfmt.gemm_error(a, b, [{"accumulator": "f16"}, {"product": "fma32"}])) == 2


def test_narrow_sums_stop_growing_and_what_mends_that():
    a, b = pair(4096)
    ways = [{"rounding": ["nearest_even", "stochastic"]}, {"order": ["blocked(64)", "kahan"]}]
    table = numfmt.gemm_error(a, b, [{"fmt": "bf16", "accumulator": "bf16", **way} for way in ways])
    stagnant, stochastic, blocked, kahan = (row.relative_error for row in table)
    assert stagnant > 0.5 > 0.1 > stochastic > blocked > kahan


def test_overflow_is_a_share():
    a, b = np.float32([[1], [300]]), np.float32([[300, 1]])
    row = numfmt.gemm_error(a, b, {"accumulator": "f16"})[0]
    assert row.overflow == 0.25
    assert row.relative_error == 0


def test_bad_input():
    a, b = pair(8)
    with pytest.raises(
        ValueError, match="a grid has fmt, accumulator, product, order, rounding, k; got 'orders'"
    ):
        numfmt.gemm_error(a, b, {"orders": "pairwise"})
    with pytest.raises(ValueError, match="k is from 1 to 8, the columns of a; got 9"):
        numfmt.gemm_error(a, b, {"k": [8, 9]})
