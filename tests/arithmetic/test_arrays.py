"""`numfmt.array`: NumPy's operators are the functions; ml_dtypes and Fractions beside them."""

import copy
import operator
import pickle
from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt import arithmetic

rng = np.random.default_rng(5)
X, Y = np.round(rng.standard_normal((2, 4, 5)) * 64) / 32 + 0.015625


def held(spec="bf16", **options):
    return numfmt.array(X, spec, **options), numfmt.array(Y, spec, **options)


BINARY = {
    operator.add: numfmt.add, operator.sub: numfmt.sub, operator.mul: numfmt.mul, operator.truediv: numfmt.div,
    np.add: numfmt.add, np.subtract: numfmt.sub, np.multiply: numfmt.mul, np.divide: numfmt.div,
    np.minimum: arithmetic.minimum, np.maximum: arithmetic.maximum, np.copysign: arithmetic.copysign,
    np.nextafter: arithmetic.nextafter,
}  # fmt: skip
UNARY = {
    np.sqrt: numfmt.sqrt, np.negative: arithmetic.neg, np.absolute: arithmetic.abs, abs: arithmetic.abs,
    operator.neg: arithmetic.neg, np.rint: arithmetic.round_to_integral,
}  # fmt: skip
EXACT = {
    np.minimum,
    np.maximum,
    np.copysign,
    np.nextafter,
    np.negative,
    np.absolute,
    np.rint,
    abs,
    operator.neg,
}


@pytest.mark.parametrize(
    "options", [{}, {"rounding": "toward_zero"}, {"overflow": "saturate", "ftz": "after"}]
)
@pytest.mark.parametrize("spec", ["bf16", "e4m3fn", "q3.4", "nf4", "int8"])
def test_operators_are_the_functions(spec, options):
    if spec != "bf16":
        options = {k: v for k, v in options.items() if k != "ftz"} | {"nan": "max"}
    a, b = held(spec, **options)
    assert np.array_equal(a.values, numfmt.cast(X, spec, **{k: v for k, v in options.items() if k != "ftz"}))
    for operation, function in (BINARY | UNARY).items():
        given = (a, b) if operation in BINARY else (a,)
        how = {k: v for k, v in options.items() if operation not in EXACT or k == "nan"}
        if spec in ("nf4", "q3.4") and operation is np.rint:
            continue
        expected = function(*(x.codes for x in given), spec, codes=True, **how)
        found = operation(*given)
        assert np.array_equal(found.codes, expected), operation
        assert (found.format, found.options) == (a.format, a.options)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn"])
def test_ml_dtypes_computes_the_same(name):
    """In float32, which is exact enough for one operation of so few bits."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = getattr(ml_dtypes, name)
    a, b = held(name)
    x, y = X.astype(np.float32).astype(dtype), Y.astype(np.float32).astype(dtype)
    for operation in (operator.add, operator.sub, operator.mul, operator.truediv):
        assert np.array_equal(operation(a, b).values, operation(x, y).astype(np.float32), equal_nan=True)
    for operation in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert np.array_equal(operation(a, b), operation(x, y))
        assert np.array_equal(operation(a, a), operation(x, x))


def test_one_number_is_rounded_to_the_format_first():
    a, _ = held()
    tenth = numfmt.cast(0.1, "bf16")
    for number in (0.1, np.float32(tenth), np.float64(0.1), Fraction(1, 10)):
        assert np.array_equal(
            (a * number).codes,
            numfmt.mul(a.values, tenth, "bf16", codes=False).astype(np.float32).view(np.uint32) >> 16,
        )
        assert np.array_equal((number - a).values, numfmt.sub(tenth, a.values, "bf16"))
    down = numfmt.array([1.0], "bf16", rounding="rdn")
    assert (down * 0.1).values == numfmt.cast(0.1, "bf16", rounding="rdn")
    assert (2 / numfmt.array(4.0, "bf16")).item() == 0.5
    assert (a < 1).tolist() == (a.values < 1).tolist()


def test_a_product_is_a_loop_over_k():
    a, b = held("e4m3fn", rounding="toward_positive")
    found = a @ b.T
    for i in range(4):
        for j in range(4):
            total = 0.0
            for k in range(5):
                exact = Fraction(float(a.values[i, k])) * Fraction(float(b.values[j, k])) + Fraction(
                    float(total)
                )
                total = numfmt.cast(exact, "e4m3fn", rounding="toward_positive")
            assert found.values[i, j] == total
    assert (a[0] @ b[0]).shape == ()
    assert np.array_equal((a[0] @ b.T).codes, found[0].codes)
    assert np.array_equal((a @ b[1]).codes, found[:, 1].codes)
    stacked = np.stack([a, a]) @ b.T
    assert np.array_equal(stacked[1].codes, found.codes)
    assert (a[:, :0] @ b[:, :0].T).tolist() == np.zeros((4, 4)).tolist()
    with pytest.raises(ValueError, match=r"@ of shapes \(4, 5\) and \(4, 5\): 5 columns and 4 rows"):
        a @ b
    with pytest.raises(ValueError, match="at least one dimension"):
        a @ 2


def test_sums_in_order():
    a = numfmt.array([256.0] + [1.0] * 4, "bf16")
    assert [a.sum().item(), a[::-1].sum().item(), a.sum(order="pairwise").item()] == [256.0, 260.0, 258.0]
    assert not np.signbit(numfmt.array([-0.0], "bf16").sum().item())
    x, y = held()
    for axis in (0, 1, -1):
        total = np.zeros(np.delete(X.shape, axis))
        for line in np.moveaxis(x.values, axis, 0):
            total = numfmt.add(total, line, "bf16")
        assert np.array_equal(x.sum(axis).values, total)
        assert np.array_equal(np.sum(x, axis=axis).codes, x.sum(axis).codes)
        assert np.array_equal(np.add.reduce(x, axis).codes, x.sum(axis).codes)
        assert np.array_equal(x.max(axis).values, x.values.max(axis))
        assert np.array_equal(x.min(axis).values, x.values.min(axis))
        count = X.shape[axis]
        assert np.array_equal(np.mean(x, axis=axis).values, numfmt.div(x.sum(axis).values, count, "bf16"))
    assert numfmt.array(np.ones(257), "bf16").mean().item() == numfmt.div(256.0, 257, "bf16")
    assert y[:1].prod(0).tolist() == y[0].tolist()
    assert numfmt.array([], "bf16").sum().item() == 0
    assert numfmt.array([], "bf16").prod().item() == 1
    with pytest.raises(ValueError, match="no elements"):
        numfmt.array([], "bf16").max()
    with pytest.raises(ValueError, match="starts at 0, which 'e8m0fnu' has not"):
        numfmt.array([1.0], "e8m0fnu").sum()
    with pytest.raises(TypeError, match="out= is not taken here"):
        x.sum(out=y)
    with pytest.raises(numfmt.SpecError, match=r"'tree\(n\)' with n = 1 or more"):
        x.sum(order="tree")


@pytest.mark.parametrize("spec", ["bf16", "e4m3fn", "q3.4", "f64"])
def test_products_and_sums_are_those_of_matmul(spec):
    for options in ({}, {"rounding": "toward_negative"}, {"overflow": "saturate", "daz": True}):
        a, b = held(spec, **options)
        how = {"accumulator": spec, "rounding": options.get("rounding"), "overflow": options.get("overflow")}
        assert np.array_equal(
            (a @ b.T).values, numfmt.matmul(a.values, b.values.T, **how, order="sequential")
        )
        for order in ("pairwise", "tree(3)", "kahan", "exact"):
            assert np.array_equal(a.sum(0, order=order).values, numfmt.sum(a.values, 0, order=order, **how))


def test_what_values_cannot_say_is_multiplied_in_codes():
    """Integers of more than 53 bits; NaNs with a payload, of which x86 gives the first one in a step."""
    a = numfmt.array([[2**61 + 1, 1]], "int64")
    assert (a @ a.T).item() == 2**63 - 1
    assert a.sum().item() == (a @ numfmt.array([1, 1], "int64")).item() == 2**61 + 2
    assert a.sum(order="pairwise").item() == 2**61 + 2
    with pytest.raises(ValueError, match="order='exact' is for formats that float64 holds"):
        a.sum(order="exact")
    one, first, second = 0x3F80, 0x7FC1, 0xFFC2
    b = numfmt.array([one, first, second], "bf16", codes=True, nan_profile="x86")
    assert int(b.sum().codes) == first
    assert int((b @ b[::-1]).codes) == second


def test_one_seed_a_product():
    how = {"rounding": "stochastic", "seed": 3}
    a = numfmt.array(np.full((2, 9), 1.3), "e4m3fn", **how)
    total = a.sum(1)
    wanted = numfmt.sum(a.values, 1, accumulator="e4m3fn", rounding="stochastic", seed=4)
    assert np.array_equal(total.values, wanted)
    wanted = numfmt.matmul(a.values, a.values.T, accumulator="e4m3fn", rounding="stochastic", seed=5)
    assert np.array_equal((a @ a.T).values, wanted)
    assert a.seeds.next == 6


def test_stochastic_rounding_counts_its_seeds():
    a = numfmt.array(np.full(100, 1.3), "e4m3fn", rounding="stochastic", seed=7)
    assert np.array_equal(a.values, numfmt.cast(np.full(100, 1.3), "e4m3fn", rounding="stochastic", seed=7))
    third = a / numfmt.array(3.0, "e4m3fn", rounding="stochastic", seed=0)
    assert np.array_equal(
        third.codes, numfmt.div(a.codes, 0x44, "e4m3fn", codes=True, rounding="stochastic", seed=8)
    )
    assert (a.seeds.next, third.seeds is a.seeds, len(set(third.tolist()))) == (9, True, 3)
    assert (-a).seeds.next == 9, "no draw, no seed"
    with pytest.raises(ValueError, match="needs seed=, the first of a counter"):
        numfmt.array(1.0, "bf16", rounding="sr")
    with pytest.raises(ValueError, match="takes no seed="):
        numfmt.array(1.0, "bf16", seed=1)


def test_parts_are_views_and_take_values():
    a, b = held()
    part = a[1:, ::2]
    part[...] = 7
    assert (a.values[1:, ::2] == 7).all()
    a[0] = b[0]
    a[0, 1] = 1 / 3
    assert a[0].tolist() == [b[0, 0].item(), numfmt.cast(1 / 3, "bf16"), *b[0, 2:].tolist()]
    a[a > 1] = 0
    assert a.values.max() <= 1
    kept = a.codes
    a += 1
    a *= b
    a -= b
    a /= 2
    assert a.codes is kept
    assert np.add(a, b, out=a) is a
    assert (len(a), a.ndim, a.size, a.shape, a.T.shape, a.reshape(2, 10).shape) == (
        4,
        2,
        20,
        (4, 5),
        (5, 4),
        (2, 10),
    )
    assert [x.shape for x in a] == [(5,)] * 4
    assert (float(a[0, 0]), int(a[0, 0]), bool(a[0, 0])) == (
        a.values[0, 0],
        int(a.values[0, 0]),
        bool(a.values[0, 0]),
    )


def test_what_moves_elements_keeps_the_format():
    a, b = held()
    for found, expected in (
        (np.concatenate([a, b]), np.concatenate([a.values, b.values])),
        (np.stack([a, b], axis=1), np.stack([a.values, b.values], axis=1)),
        (np.transpose(a), a.values.T), (np.where(a > b, a, 0.0), np.where(a.values > b.values, a.values, 0)),
        (np.array_split(a, 3)[1], np.array_split(a.values, 3)[1]), (np.flip(a), np.flip(a.values)),
        (a.astype("e4m3fn"), numfmt.cast(a.values, "e4m3fn")), (a.ravel(), a.values.ravel()),
    ):  # fmt: skip
        assert isinstance(found, arithmetic.FormatArray)
        assert np.array_equal(found.values, expected)
    for twin in (pickle.loads(pickle.dumps(a)), copy.copy(a), copy.deepcopy(a), a.copy(), np.copy(a)):
        assert np.array_equal(twin.codes, a.codes)
        assert (twin.format, twin.options) == (a.format, a.options)
        twin[0] = 9
        assert a.values[0, 0] != 9
    assert np.asarray(a).dtype == np.float32
    assert np.asarray(a, np.float64).dtype == np.float64
    assert np.array_equal(a, a)


def test_printing_tells_the_format():
    assert repr(numfmt.array([1.0, 2.5], "bf16")) == "array([1. , 2.5], 'bf16')"
    told = repr(numfmt.array(1.0, "e4m3fn", rounding="rtz", overflow="saturate"))
    assert told == "array(1., 'e4m3fn', rounding='toward_zero', overflow='saturate')"


REFUSED = {
    "an array of NumPy": (lambda a, b: a + X, "'bf16' .* and ndarray"),
    "on the left": (lambda a, b: X + a, "'bf16' .* and ndarray"),
    "another format": (lambda a, b: a + numfmt.array(1.0, "f16"), "'bf16' .* and 'f16'"),
    "other options": (lambda a, b: a * numfmt.array(1.0, "bf16", daz=True), "daz=True"),
    "assignment": (lambda a, b: a.__setitem__(0, X[0]), "and ndarray"),
    "a list of both": (lambda a, b: np.concatenate([a, X]), "and ndarray"),
    "a complex number": (lambda a, b: a + 1j, "and complex"),
    "exp": (lambda a, b: np.exp(a), "np.exp rounds in no format"),
    "accumulate": (lambda a, b: np.add.accumulate(a), "np.add.accumulate rounds in no format"),
    "where=": (lambda a, b: np.add(a, b, where=X > 0), r"np.add\(where=\)"),
    "out= of NumPy": (lambda a, b: np.add(a, b, out=X.copy()), "out= takes an array in 'bf16'"),
    "dot": (lambda a, b: np.dot(a, b.T), "np.dot rounds in no format"),
    "a norm": (lambda a, b: np.linalg.norm(a), "np.norm rounds in no format"),
    "remainder": (lambda a, b: a % b, "unsupported operand"),
    "a scaled format": (lambda a, b: numfmt.array(X, "mxfp4"), "scaled format"),
    "axes": (lambda a, b: a.sum((0, 1)), "one axis or None"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_round_is_refused(case):
    call, words = REFUSED[case]
    with pytest.raises(TypeError, match=words):
        call(*held())


def test_codes_in():
    a = numfmt.array([0x3F80, 0x7FC0], "bf16", codes=True)
    assert a.codes.dtype == np.uint16
    assert np.isnan(a).tolist() == [False, True]
    with pytest.raises(TypeError, match="codes=True takes integers"):
        numfmt.array([1.0], "bf16", codes=True)
    with pytest.raises(numfmt.RangeError, match="codes of 'e4m3fn'"):
        numfmt.array([256], "e4m3fn", codes=True)
    wide = numfmt.array([2**62 + 1], "int64") + 1
    assert wide.values.tolist() == [2**62 + 2]
