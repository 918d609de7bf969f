"""Per-token activations, int32 bias, outlier columns."""

import numpy as np
import pytest

import numfmt
from numfmt.blocks import BIAS, PER_TOKEN, int32_bias, llm_int8


def test_per_token_is_a_scale_for_each_row():
    x = np.random.default_rng(0).standard_normal((7, 33)).astype(np.float32)
    array = PER_TOKEN.encode(x)
    assert numfmt.parse("int8[axis=0]") == PER_TOKEN
    assert (array.scales == np.abs(x).max(axis=1) / np.float32(127)).all()
    assert (np.abs(array.codes).max(axis=1) == 127).all()


def test_int32_bias():
    """Accumulators of int8 products count in units of the product of the scales."""
    weights = np.float32([0.001, 0.02, 0.3])
    bias = np.float32([1.0, -2.0, 0.0301])
    array = int32_bias(bias, 0.05, weights)
    scales = np.float32(0.05) * weights
    assert (array.scales == scales).all()
    assert (array.codes == np.rint(bias / scales)).all()
    assert array.codes.dtype == np.int32
    assert array.format == BIAS
    assert (int32_bias(bias, 0.05, 0.001).scales == np.float32(0.05) * np.float32(0.001)).all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (([[1.0]], 0.5, 0.1), ValueError, r"takes a bias \(channels,\).* got shapes \(1, 1\), \(\), \(\)"),
        (([1.0, 2.0, 3.0], 0.5, [0.1, 0.2]), ValueError, r"got shapes \(3,\), \(\), \(2,\)"),
        (([1.0, 2.0], [0.5, 0.5], 0.1), ValueError, r"got shapes \(2,\), \(2,\), \(\)"),
        (([1.0], "a", 0.1), TypeError, "scale= takes a number"),
        (([1.0, 2.0], -1, [-0.1, -0.2]), ValueError, "is negative"),
        (([1.0], 1e-30, 1e-20), ValueError, "is zero"),
    ],
)
def test_bias_that_cannot_be_served(given, error, message):
    with pytest.raises(error, match=message):
        int32_bias(*given)


@pytest.mark.parametrize("threshold", [-6.0, np.nan])
def test_outliers_begin_at_a_magnitude(threshold):
    with pytest.raises(ValueError, match=r"threshold= is a magnitude, got .*; inf keeps no column"):
        llm_int8([[1.0]], threshold)


def test_outlier_columns_of_a_tensor():
    torch = pytest.importorskip("torch")
    x = torch.tensor([[0.5, 20.0], [0.25, 0.0]], dtype=torch.bfloat16)
    assert llm_int8(x).decode().tolist() == llm_int8(x.float().numpy()).decode().tolist()


def test_outlier_columns():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 40)).astype(np.float32)
    x[3, 7], x[9, 21], x[0, 39] = 6.0, -80.125, 5.9999
    array = llm_int8(x)
    assert array.columns.tolist() == [7, 21]
    assert array.shape == x.shape
    values = array.decode()
    assert (values[:, [7, 21]] == x[:, [7, 21]].astype(np.float16)).all()
    rest = np.delete(x, [7, 21], axis=1)
    assert (np.delete(values, [7, 21], axis=1) == PER_TOKEN.cast(rest)).all()
    assert array.bits_per_element == (8 * 1900 + 32 * 50 + 16 * 100 + 32 * 2) / 2000
    assert array.nbytes == 1900 + 200 + 200 + array.columns.nbytes


@pytest.mark.parametrize("threshold", [0.0, 100.0])
def test_all_columns_or_none(threshold):
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    array = llm_int8(x, threshold, wide="bf16")
    expected = numfmt.cast(x, "bf16") if threshold == 0 else PER_TOKEN.cast(x)
    assert (array.decode() == expected).all()


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match=r"takes a matrix \(rows, columns\), got shape \(3,\)"):
        llm_int8([1.0, 2.0, 3.0])
