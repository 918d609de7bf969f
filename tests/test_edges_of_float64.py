"""Where float64 itself ends: formats at its top and bottom, numbers beyond it, lists it would round."""

from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt.reference import exact

AT_THE_TOP = ("e4m3b-1000fn", "e4m3b-1005fn", "e2m5b-1000", "e2m1b-1019fin", "e5m2b-980fnuz")
AT_THE_BOTTOM = ("f64[subnormals=off]", "e2m50b1000", "e4m3b1070", "e3m3b1060fn")


@pytest.mark.parametrize("spec", AT_THE_TOP + AT_THE_BOTTOM)
def test_such_formats_have_the_bits_of_the_reference(spec):
    fmt = numfmt.parse(spec)
    near = [float(fmt.smallest), float(fmt.max), float(fmt.max) / 3, float(fmt.smallest) * 1.5]
    x = np.array([0.0, 1.0, 1e300, 5e-324, np.inf, *near])
    x = np.concatenate([x, -x])
    expected = numfmt.encode(x, spec, overflow="saturate", engine="reference")
    for engine in ("numpy", "kernel"):
        assert numfmt.encode(x, spec, overflow="saturate", engine=engine).tolist() == expected.tolist()
    values = numfmt.cast(x, spec, overflow="saturate")
    np.testing.assert_array_equal(numfmt.decode(expected, spec), values)


@pytest.mark.parametrize("spec", ["fixed[bits=8,frac=1074]", "fixed[bits=8,frac=1070]", *AT_THE_BOTTOM[1:]])
@pytest.mark.parametrize("mode", ["nearest_even", "nearest_zero", "toward_positive", "toward_zero", "to_odd"])
def test_longdoubles_between_the_smallest_float64s(spec, mode):
    """float64 has no bit there to remember what was dropped."""
    quarters = np.arange(-40, 40, dtype=np.longdouble) / 4
    x = np.ldexp(np.concatenate([quarters, quarters * (1 + np.longdouble(2) ** -60)]), -1074)
    how = {"rounding": mode, "overflow": "saturate"}
    expected = [numfmt.encode(exact(v), spec, **how) for v in x]
    for engine in ("reference", "numpy", "kernel"):
        assert numfmt.encode(x, spec, engine=engine, **how).tolist() == expected


@pytest.mark.parametrize("spec", AT_THE_BOTTOM)
def test_a_decoded_nan_keeps_its_sign(spec):
    codes = numfmt.encode([-np.nan, np.nan], spec)
    assert np.signbit(numfmt.decode(codes, spec)).tolist() == [True, False]


@pytest.mark.parametrize("x", ["1e400", "-1e400", 10**400, Fraction(10) ** 400])
def test_explain_takes_numbers_beyond_float64(x):
    result = numfmt.explain(x, "f64")
    assert abs(result.value) == np.inf
    assert result.lower_code in (numfmt.parse("f64").edge(), numfmt.parse("f64").edge(True))
    assert "overflows" in str(result)


@pytest.mark.parametrize("x", [[2**64 - 1, -1], [2**53 + 1, 0.5], [np.int64(2**53 + 1), 1.0]])
def test_a_list_that_numpy_would_round_is_refused(x):
    with pytest.raises(TypeError, match="integer array"):
        numfmt.cast(x, "f64")


@pytest.mark.parametrize("x", [[2**70, 1], [-(2**63) - 1], [[0.5, 2**64]], (2**70, Fraction(1))])
@pytest.mark.parametrize("verb", [numfmt.cast, numfmt.encode])
def test_a_list_with_integers_that_no_array_holds_is_refused(x, verb):
    big = next(str(v) for v in np.asarray(x, object).reshape(-1) if abs(v) > 2**62)
    with pytest.raises(TypeError, match=f"a list with {big} fits no array.*64 bits; pass .* one at a time"):
        verb(x, "int8")
    assert verb(int(big), "int8") in (-128, 127)


def test_a_list_that_numpy_takes_exactly_is_taken():
    assert numfmt.cast([2**60, 0.5], "f64").tolist() == [2.0**60, 0.5]


def test_bridges_are_reached_by_name():
    pytest.importorskip("torch")
    assert numfmt.interop.torch.cast.__doc__
