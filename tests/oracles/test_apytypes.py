"""APyTypes: full-precision results, and casts in the modes that it shares.

Its TRN_MAG and JAM move exact values and are no modes of ours. Its formats are all signed.
"""

import itertools

import numpy as np
import pytest

import numfmt
from numfmt import fixed_point

apytypes = pytest.importorskip("apytypes")

Q = apytypes.QuantizationMode
QUANTIZATION = {
    "nearest_up": Q.TIES_POS,
    "nearest_zero": Q.TIES_ZERO,
    "nearest_down": Q.TIES_NEG,
    "nearest_away": Q.TIES_AWAY,
    "nearest_even": Q.TIES_EVEN,
    "nearest_odd": Q.TIES_ODD,
    "toward_negative": Q.TO_NEG,
    "toward_positive": Q.TO_POS,
    "toward_zero": Q.TO_ZERO,
    "away_from_zero": Q.TO_AWAY,
    "to_odd": Q.JAM_UNBIASED,
}
OVERFLOW = {
    "wrap": apytypes.OverflowMode.WRAP,
    "saturate": apytypes.OverflowMode.SAT,
    "wrap[1]": apytypes.OverflowMode.NUMERIC_STD,
}
SPECS = [
    "int8", "q3.4", "q0.15", "int1", "int2", "q7.24", "int33", "q31.0", "fixed[bits=8,frac=9]",
    "fixed[bits=8,frac=-3]", "fixed[bits=20,frac=40]",
]  # fmt: skip
OPERATIONS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
}
rng = np.random.default_rng(8)


def drawn(spec, count=400):
    """Codes of a signed format, its ends among them, here and there of few bits."""
    form = numfmt.parse(spec)
    low, high = form.span
    codes = rng.integers(low, high, count, endpoint=True)
    codes[::3] >>= rng.integers(0, form.bits, codes[::3].size)
    codes[:2] = low, high
    return rng.permutation(codes), form


def theirs(codes, form):
    return apytypes.APyFixedArray(codes.tolist(), bits=form.bits, frac_bits=form.frac)


def ours(fixed):
    """Its numbers as signed integers."""
    bits = np.array([int(b) for b in fixed.to_bits()], object)
    return np.where(bits >> (fixed.bits - 1) == 1, bits - (1 << fixed.bits), bits).tolist()


@pytest.mark.parametrize("name", OPERATIONS)
def test_full_precision(name):
    checked = 0
    for spec_a, spec_b in itertools.product(SPECS, SPECS):
        (x, a), (y, b) = drawn(spec_a), drawn(spec_b)
        expected = OPERATIONS[name](theirs(x, a), theirs(y, b))
        if expected.bits > 64:
            with pytest.raises(numfmt.SpecError, match=f"has {expected.bits} bits"):
                getattr(fixed_point, name)((x, a), (y, b))
            continue
        result = getattr(fixed_point, name)((x, a), (y, b))
        assert (result.format.bits, result.format.frac) == (expected.bits, expected.frac_bits)
        assert result.format.signed
        assert result.codes.tolist() == ours(expected)
        checked += 1
    assert checked > 90


@pytest.mark.parametrize("spec", SPECS)
def test_full_precision_of_one_operand(spec):
    codes, form = drawn(spec)
    negative = fixed_point.negate((codes, form))
    expected = -theirs(codes, form)
    assert (negative.format.bits, negative.format.frac) == (expected.bits, expected.frac_bits)
    assert negative.codes.tolist() == ours(expected)
    for places in (-7, 0, 5):
        moved, expected = fixed_point.shift((codes, form), places), theirs(codes, form) << places
        assert (moved.format.bits, moved.format.frac) == (expected.bits, expected.frac_bits)
        assert moved.codes.tolist() == ours(expected)


def loses_high_bits(source_bits, source_frac, target, policy):
    """APyTypes 0.5.1 moves the point within the 64-bit limbs of source and target: what leaves them
    on the left is lost before it looks for overflow, so that a number far outside does not saturate.
    Modulo 2**bits nothing is lost.
    """
    limbs = -(-max(source_bits, target.bits) // 64)
    widened = source_bits + max(0, target.frac - source_frac)
    return policy != "wrap" and widened > 64 * limbs


@pytest.mark.parametrize("policy", OVERFLOW)
@pytest.mark.parametrize("mode", QUANTIZATION)
def test_casts(mode, policy):
    results = ["q3.4", "int8", "int4", "q1.1", "int1", "q31.32", "int64", "q0.20", "fixed[bits=8,frac=-3]",
               "fixed[bits=8,frac=12]"]  # fmt: skip
    for spec, result in itertools.product(SPECS, results):
        (codes, form), target = drawn(spec), numfmt.parse(result)
        if loses_high_bits(form.bits, form.frac, target, policy):
            continue
        got = fixed_point.requantize((codes, form), target, rounding=mode, overflow=policy)
        whole = target.bits - target.frac
        expected = theirs(codes, form).cast(whole, target.frac, QUANTIZATION[mode], OVERFLOW[policy])
        assert got.codes.tolist() == ours(expected), (spec, result)


@pytest.mark.parametrize("policy", OVERFLOW)
@pytest.mark.parametrize("mode", QUANTIZATION)
def test_wide_products_into_a_format(mode, policy):
    """128-bit products, which APyTypes keeps whole before its cast."""
    (x, a), (y, b) = drawn("int64", 200), drawn("q31.32", 200)
    product = theirs(x, a) * theirs(y, b)
    for result in ("int64", "q15.16", "q3.4", "q0.63"):
        target = numfmt.parse(result)
        if loses_high_bits(product.bits, product.frac_bits, target, policy):
            continue
        got = fixed_point.multiply((x, a), (y, b), target, rounding=mode, overflow=policy)
        whole = target.bits - target.frac
        expected = product.cast(whole, target.frac, QUANTIZATION[mode], OVERFLOW[policy])
        assert got.codes.tolist() == ours(expected), result
