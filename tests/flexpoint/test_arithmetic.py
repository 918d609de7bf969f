"""Sums and products of Flexpoint tensors against Python fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt
from numfmt.flexpoint import AutoflexTensor, Flex, FlexArray, add, matmul, multiply, quantize

from . import slow

FORMATS = [Flex(), Flex(8, 5), Flex(12, 3), Flex(32, 5)]
ELEMENTWISE = {"add": (add, lambda x, y: x + y), "multiply": (multiply, lambda x, y: x * y)}


def exact(a):
    return [Fraction(c, 2**a.exponent) for c in a.codes.reshape(-1).tolist()]


@st.composite
def operands(draw, flex, size):
    """An array of `flex`, its ends among the codes."""
    half = 1 << (flex.bits - 1)
    code = st.integers(-half, half - 1) | st.sampled_from([-half, half - 1, 0, 1, -1])
    codes = draw(st.lists(code, min_size=size, max_size=size))
    exponent = draw(st.integers(0, flex.clamp(99)))
    return FlexArray(np.array(codes, flex.round([0], 0).codes.dtype), exponent, flex)


pairs = st.sampled_from(FORMATS).flatmap(lambda flex: st.tuples(operands(flex, 4), operands(flex, 4)))


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(pairs, st.integers(0, 31), st.sampled_from(list(slow.ROUND)))
@settings(deadline=None)
def test_elements_are_rounded_once(name, pair, exponent, mode):
    operation, meant = ELEMENTWISE[name]
    a, b = pair
    found = operation(a, b, exponent, rounding=mode)
    wanted = [meant(x, y) for x, y in zip(exact(a), exact(b), strict=True)]
    assert found.exponent == a.flex.clamp(exponent)
    assert (found.codes.tolist(), found.clipped) == slow.codes(wanted, found.exponent, a.flex.bits, mode)
    assert found.flex == a.flex


@given(pairs, st.integers(0, 31), st.sampled_from(list(slow.ROUND)))
@settings(deadline=None)
def test_matmul_is_rounded_once(pair, exponent, mode):
    a, b = (x._replace(codes=x.codes.reshape(2, 2)) for x in pair)
    (p, q, r, s), (t, u, v, w) = exact(a), exact(b)
    wanted = [p * t + q * v, p * u + q * w, r * t + s * v, r * u + s * w]
    if 2 * a.peak * b.peak >= 2**63:
        with pytest.raises(ValueError, match=r"sums of 2 products .* may not fit 64 bits: split"):
            matmul(a, b, exponent)
        return
    found = matmul(a, b, exponent, rounding=mode)
    codes, clipped = slow.codes(wanted, found.exponent, a.flex.bits, mode)
    assert (found.codes.reshape(-1).tolist(), found.clipped) == (codes, clipped)


@pytest.mark.parametrize("name", [*ELEMENTWISE, "matmul"])
@given(st.lists(pairs, min_size=1, max_size=6), st.sampled_from(["paper", "ngraph"]))
@settings(deadline=None, max_examples=40)
def test_a_predicted_exponent(name, steps, profile):
    """The exponent is known before each operation; the oracle takes the exact results."""
    tensor, oracle = AutoflexTensor(profile), slow.Tensor(AutoflexTensor(profile).rule.alpha)
    for a, b in steps:
        if name == "matmul" and 4 * a.peak * b.peak >= 2**63:
            continue
        predicted = tensor.exponent
        if name == "matmul":
            found = matmul(a, b, tensor)
            wanted = [sum(x * y for x, y in zip(exact(a), exact(b), strict=True))]
        else:
            operation, meant = ELEMENTWISE[name]
            found = operation(a, b, tensor)
            wanted = [meant(x, y) for x, y in zip(exact(a), exact(b), strict=True)]
        assert found.codes.reshape(-1).tolist() == oracle.write(wanted)
        assert found.exponent == oracle.e
        assert predicted in (None, found.exponent)
        assert found.flex == tensor.flex


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_matmul_of_every_shape(bits):
    rng = np.random.default_rng(bits)
    for left, right in [
        ((3, 5), (5, 2)),
        ((5,), (5,)),
        ((2, 3, 5), (5, 4)),
        ((3, 0), (0, 2)),
        ((5,), (5, 2)),
    ]:
        a, b = quantize(rng.standard_normal(left), bits), quantize(rng.standard_normal(right), bits)
        found = matmul(a, b, 4)
        steps = a.codes.astype(object) @ b.codes.astype(object) if a.codes.size else np.zeros((3, 2), object)
        wanted = [Fraction(int(v), 2 ** (a.exponent + b.exponent)) for v in np.ravel(steps)]
        assert found.codes.shape == np.shape(steps)
        assert found.codes.reshape(-1).tolist() == slow.codes(wanted, 4, bits)[0]


def test_sums_pass_32_bits():
    """Depth 1000 of the largest products: 2**40, which int32 would wrap."""
    a = FlexArray(np.full((1, 1000), -32768, np.int16), 0)
    b = FlexArray(np.full((1000, 1), 32767, np.int16), 31)
    assert matmul(a, b, 0).codes.tolist() == [[-500]]  # -1000 * (1/2 - 2**-16), rounded
    assert matmul(a, b, 5).codes.tolist() == [[-16000]]


@pytest.mark.parametrize("exponent", [0, 31])
def test_exponents_as_far_apart_as_there_are(exponent):
    """63 bits once they are aligned."""
    ends = np.array([-(2**31), 2**31 - 1, -(2**31), 1], np.int32)
    a, b = FlexArray(ends, 0, Flex(32, 5)), FlexArray(ends[[0, 1, 3, 2]], 31, Flex(32, 5))
    for x, y in ((a, b), (b, a)):
        found = add(x, y, exponent)
        wanted = [p + q for p, q in zip(exact(x), exact(y), strict=True)]
        assert (found.codes.tolist(), found.clipped) == slow.codes(wanted, exponent, 32)


def test_operands_broadcast_and_stay():
    a, b = quantize([[1.0], [2.0]]), quantize([0.5, 0.25, 0.125])
    before = a.codes.copy()
    assert add(a, b, 12).values.tolist() == [[1.5, 1.25, 1.125], [2.5, 2.25, 2.125]]
    assert multiply(a, b, 12).codes.shape == (2, 3)
    assert np.array_equal(a.codes, before)


def test_scalars_and_nothing():
    one = quantize(1.5)
    assert add(one, one, 12).values.shape == ()
    assert float(multiply(one, one, 12).values) == 2.25
    assert add(quantize([]), quantize([]), 12).codes.shape == (0,)


def test_overflow_is_reported():
    a = quantize([1.5, 0.25])
    found = add(a, a, 14)
    assert (found.codes.tolist(), found.clipped, found.overflowed) == ([32767, 8192], 1, True)
    tensor = AutoflexTensor().update(1.0)
    assert add(a, a, tensor).clipped == 1
    assert tensor.overflows == 1


def test_codes_in_other_layouts():
    a = quantize([1.0, 2.0, 3.0, 4.0])
    odd = a._replace(codes=a.codes.astype(">i2")[::-1])
    odd.codes.flags.writeable = False
    assert add(odd, a, 10).values.tolist() == [5.0] * 4
    square = odd._replace(codes=odd.codes.reshape(2, 2))
    assert matmul(square, square, 8).values.tolist() == [[22, 15], [10, 7]]


def test_tensors_of_two_formats_have_a_third():
    found = multiply(quantize([1.5], 8), quantize([-1.5], 16), AutoflexTensor(bits=12, exponent_bits=4))
    assert (found.format, found.values.tolist()) == ("flex12+4", [-2.25])


def test_noise_reaches_the_rounding():
    a = quantize([0.3] * 500)
    found = add(a, a, 2, rounding="stochastic", seed=3)
    steps = 2 * a.codes.astype(np.int64)
    moved = numfmt.parse(f"fixed[bits=16,frac={2 - a.exponent}]")
    assert np.array_equal(found.codes, numfmt.encode(steps, moved, rounding="stochastic", seed=3))


@pytest.mark.parametrize(("mode", "code"), [("toward_zero", 1), ("away_from_zero", 2), (None, 2)])
def test_the_mode_reaches_a_predicted_exponent(mode, code):
    tensor = AutoflexTensor(bits=3)  # 0.765625 in steps of a half
    tensor.exponent = 1
    a = quantize([1.75 / 2])
    assert multiply(a, a, tensor, rounding=mode).codes.tolist() == [code]


ONE = quantize([1.0])
REFUSED = {
    "an array": (lambda: add([1.0], ONE, 14), TypeError, "expected a FlexArray .*: make one with quantize"),
    "codes of floats": (lambda: add(ONE, FlexArray(np.ones(1), 3), 14), TypeError, "signed integer codes"),
    "a list of codes": (lambda: add(ONE, FlexArray([1], 3), 14), TypeError, "expected a FlexArray"),
    "unsigned codes": (lambda: add(ONE, FlexArray(np.uint16([1]), 3), 14), TypeError, "signed integer codes"),
    "a far code": (
        lambda: multiply(FlexArray(np.int32([40000]), 3), ONE, 14),
        numfmt.RangeError, r"codes of flex16\+5 are -32768 to 32767, got 40000 to 40000",
    ),
    "a far negative code": (
        lambda: add(FlexArray(np.int32([-40000]), 3), ONE, 14), numfmt.RangeError, "got -40000 to -40000",
    ),
    "a far exponent": (
        lambda: matmul(FlexArray(np.int16([4]), 32), ONE, 14),
        numfmt.RangeError, r"exponents of flex16\+5 are 0 to 31, got 32",
    ),
    "two formats": (
        lambda: add(ONE, quantize([1.0], 8), 14),
        TypeError, r"operands are flex16\+5 and flex8\+5; give an AutoflexTensor",
    ),
    "no exponent": (lambda: add(ONE, ONE, None), TypeError, "exponent must be an integer, got None"),
    "shapes": (lambda: add(quantize([1.0] * 2), quantize([1.0] * 3), 14), ValueError, "broadcast"),
    "depths": (lambda: matmul(quantize([[1.0]]), quantize([[1.0]] * 2), 14), ValueError, "do not match"),
    "a keyword": (lambda: add(ONE, ONE, 14, overflow="wrap"), TypeError, "unknown keyword 'overflow'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_why(case):
    call, error, text = REFUSED[case]
    with pytest.raises(error, match=text):
        call()
