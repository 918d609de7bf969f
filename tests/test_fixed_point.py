"""Fixed-point arithmetic against Python integers and the bit recipes of SystemC and HLS.

The oracle shares nothing with numfmt: it drops bits of two's complement by integer arithmetic, then
treats overflow bit by bit (IEEE 1666-2011, 7.10.9).
"""

import operator
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest

import numfmt
from numfmt import fixed_point

# v, k dropped bits, h = half, f = floor, r = remainder: the integer that is kept
ROUND = {
    "nearest_up": lambda v, k, h, f, r: v + h >> k,
    "nearest_zero": lambda v, k, h, f, r: v + h - (v >= 0) >> k,
    "nearest_down": lambda v, k, h, f, r: v + h - 1 >> k,
    "nearest_away": lambda v, k, h, f, r: v + h - (v < 0) >> k,
    "nearest_even": lambda v, k, h, f, r: v + h - 1 + (f & 1) >> k,
    "nearest_odd": lambda v, k, h, f, r: v + h - (f & 1) >> k,
    "toward_negative": lambda v, k, h, f, r: f,
    "toward_positive": lambda v, k, h, f, r: f + (r != 0),
    "toward_zero": lambda v, k, h, f, r: f + ((v < 0) & (r != 0)),
    "away_from_zero": lambda v, k, h, f, r: f + ((v >= 0) & (r != 0)),
    "to_odd": lambda v, k, h, f, r: f | (r != 0),
}
POLICIES = [
    "saturate", "saturate_symmetric", "saturate_zero", "wrap", "wrap[1]", "wrap[3]",
    "wrap_sign_magnitude", "wrap_sign_magnitude[1]", "raise",
]  # fmt: skip


def rounded(v, k, mode):
    """v / 2**k as an integer; arrays of int64 or of Python ints alike."""
    if k <= 0:
        return v << -k
    f = v >> k
    return ROUND[mode](v, k, 1 << (k - 1), f, v - (f << k))


def where(condition, a, b):
    return np.where(condition, a, b)


def wrapped_systemc(v, bits, n):
    """wrap[n] into a signed format: the top n bits show the sign of the source."""
    low = v & ((1 << bits) - 1)
    if n:
        kept = low & ((1 << (bits - n)) - 1)
        ones = ((1 << (n - 1)) - 1) << (bits - n)
        low = where(v < 0, kept | 1 << (bits - 1), kept | ones)
    return low


def wrapped_magnitude(v, bits, n):
    low, mask, top = v & ((1 << bits) - 1), (1 << bits) - 1, bits - 1
    sign = v >> bits & 1 if n == 0 else (v < 0).astype(v.dtype)
    low = where((low >> top & 1) != sign, low ^ mask, low)
    return low & (mask >> 1) | sign << top


def brought_in(v, bits, policy):
    """Integers in range of a signed format, as signed codes."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    inside = (v >= low) & (v <= high)
    if policy == "saturate_symmetric":
        return where(v > high, high, where(v < -high, -high, v))
    if policy in ("saturate", "saturate_zero"):
        edge = 0 if policy == "saturate_zero" else where(v < 0, low, high)
        return where(inside, v, edge)
    name, _, count = policy.rstrip("]").partition("[")
    fold = wrapped_systemc if name == "wrap" else wrapped_magnitude
    code = fold(v, bits, int(count or 0))
    return where(inside, v, where(code >> (bits - 1) & 1 == 1, code - (1 << bits), code))


def whole(bits, signed=True):
    low = -(1 << (bits - 1)) if signed else 0
    return np.arange(low, low + (1 << bits))


OPERATIONS = {
    # name: (of integers, whether fractions add up)
    "add": (operator.add, False),
    "subtract": (operator.sub, False),
    "multiply": (operator.mul, True),
}
RESULTS = ["q3.4", "int8", "q3.2", "q1.2"]
A, B = whole(8)[:, None], whole(8)[None, :]


@lru_cache(maxsize=2)
def steps_of(name, frac, mode, result_frac):
    f, adds = OPERATIONS[name]
    return rounded(f(A, B), (2 * frac if adds else frac) - result_frac, mode)


@pytest.mark.parametrize("mode", ROUND)
@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_pair_of_8_bit_codes(name, result, mode):
    form = numfmt.parse(result)
    steps = steps_of(name, 4, mode, form.frac)
    low, high = -(1 << (form.bits - 1)), (1 << (form.bits - 1)) - 1
    outside = (steps < low) | (steps > high)
    operation = getattr(fixed_point, name)
    pair = (A.astype(np.int8), "q3.4"), (B.astype(np.int8), "q3.4")
    for policy in POLICIES:
        if policy == "raise" and outside.any():
            with pytest.raises(numfmt.RangeError, match=f"range of '{form}'") as caught:
                operation(*pair, result, rounding=mode, overflow=policy)
            assert (caught.value.count, caught.value.total) == (outside.sum(), outside.size)
            assert caught.value.index == tuple(np.argwhere(outside)[0])
            continue
        got = operation(*pair, result, rounding=mode, overflow=policy)
        assert got.format == form
        assert got.codes.dtype == np.int8
        expected = steps if policy == "raise" else brought_in(steps, form.bits, policy)
        assert (got.codes == expected).all(), policy


# Exact results

SPECS = [
    "int8", "uint8", "q3.4", "uq4.12", "q0.15", "int1", "uint1", "int64", "uint64", "int33", "uint32",
    "q31.32", "q0.63", "uq0.64", "fixed[bits=8,frac=9]", "fixed[bits=8,frac=-3]",
    "fixed[bits=5,frac=12,signed=no]", "int8[symmetric]",
]  # fmt: skip
rng = np.random.default_rng(3)


def operand(spec, count=60):
    """Ends, small numbers and random codes of a format."""
    form = numfmt.parse(spec)
    low, high = form.span
    drawn = rng.integers(low, high, count, dtype=np.int64 if form.signed else np.uint64, endpoint=True)
    few_bits = [int(c) >> int(s) for c, s in zip(drawn, rng.integers(0, form.bits, count), strict=True)]
    ends = [c for c in (low, low + 1, high, high - 1, 0, 1, -1, high // 2, low // 2) if low <= c <= high]
    codes = [*ends, *map(int, drawn), *few_bits]
    return np.array(codes, np.int64 if form.signed else np.uint64), form


def exact(codes, form):
    return [Fraction(int(c)) / Fraction(2) ** form.frac for c in codes]


def exactly(result):
    return exact(result.codes.reshape(-1).tolist(), result.format)


def narrow(spec):
    return numfmt.parse(spec).bits <= 32


def ends_of(form):
    return [Fraction(rank) / Fraction(2) ** form.frac for rank in form.span]


PAIRS = [(a, b) for a in SPECS for b in SPECS]
ON_VALUES = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul}


def full_grid(name, a, b):
    """(integer bits, fraction bits, signed): ap_fixed_base.h, RType."""
    i1, i2 = a.bits - a.frac, b.bits - b.frac
    s1, s2 = a.signed, b.signed
    if name == "multiply":
        return i1 + i2, a.frac + b.frac, s1 or s2
    widest = max(i1 + (s2 and not s1), i2 + (s1 and not s2)) + 1
    return widest, max(a.frac, b.frac), name == "subtract" or s1 or s2


@pytest.mark.parametrize("name", ON_VALUES)
def test_full_precision(name):
    for spec_a, spec_b in PAIRS:
        (x, a), (y, b) = operand(spec_a, 20), operand(spec_b, 20)
        size = min(x.size, y.size)
        x, y = x[:size], rng.permutation(y)[:size]
        integer, frac, signed = full_grid(name, a, b)
        operation = getattr(fixed_point, name)
        if integer + frac > 64:
            with pytest.raises(numfmt.SpecError, match=rf"has {integer + frac} bits.*fmt="):
                operation((x, a), (y, b))
            continue
        result = operation((x, spec_a), (y, spec_b))
        form = result.format
        assert (form.bits - form.frac, form.frac, form.signed) == (integer, frac, signed)
        assert result.codes.dtype == numfmt.encode([0], form).dtype
        expected = [ON_VALUES[name](p, q) for p, q in zip(exact(x, a), exact(y, b), strict=True)]
        assert exactly(result) == expected
        corners = [ON_VALUES[name](p, q) for p in ends_of(a) for q in ends_of(b)]
        assert ends_of(form)[0] <= min(corners)
        assert max(corners) <= ends_of(form)[1]


@pytest.mark.parametrize("spec", SPECS)
def test_full_precision_of_one_operand(spec):
    codes, form = operand(spec)
    for places in (-70, -3, 0, 2, 65):
        moved = fixed_point.shift((codes, spec), places)
        assert (moved.format.bits, moved.format.signed) == (form.bits, form.signed)
        assert exactly(moved) == [v * Fraction(2) ** places for v in exact(codes, form)]
    if form.bits < 64:
        negative = fixed_point.negate((codes, spec))
        assert (negative.format.bits, negative.format.frac) == (form.bits + 1, form.frac)
        assert negative.format.signed
        assert exactly(negative) == [-v for v in exact(codes, form)]


def test_full_precision_of_multiply_accumulate():
    for spec_a, spec_b, spec_c in [
        ("int8", "int8", "int32"), ("q3.4", "uq4.12", "q15.16"), ("uint8", "uint8", "uint16"),
        ("uint8", "uint8", "int8"), ("fixed[bits=8,frac=9]", "int8", "fixed[bits=8,frac=-3]"),
    ]:  # fmt: skip
        (x, a), (y, b), (z, c) = operand(spec_a), operand(spec_b), operand(spec_c)
        size = min(x.size, y.size, z.size)
        x, y, z = x[:size], rng.permutation(y)[:size], rng.permutation(z)[:size]
        result = fixed_point.multiply_accumulate((x, a), (y, b), (z, c))
        product = fixed_point.multiply((x, a), (y, b))
        assert result.format == fixed_point.add(product, (z, c)).format
        values = zip(exact(x, a), exact(y, b), exact(z, c), strict=True)
        assert exactly(result) == [p * q + r for p, q, r in values]


# Wide operands into a format: Python integers through the same recipes


@pytest.mark.parametrize("policy", POLICIES[:-1])
@pytest.mark.parametrize("mode", ROUND)
def test_wide_operands(mode, policy):
    results = [
        "q31.32",
        "int64",
        "q0.63",
        "int32",
        "q0.7",
        "fixed[bits=64,frac=80]",
        "fixed[bits=16,frac=-50]",
    ]
    for spec_a, spec_b in [("int64", "int64"), ("q31.32", "uq0.64"), ("uint64", "uint64"), ("int33", "q3.4")]:
        (x, a), (y, b) = operand(spec_a, 12), operand(spec_b, 12)
        size = min(x.size, y.size)
        x, y = x[:size], rng.permutation(y)[:size]
        p, q = x.astype(object), y.astype(object)
        high = max(a.frac, b.frac)
        aligned = p << high - a.frac, q << high - b.frac
        sums = {"add": aligned[0] + aligned[1], "subtract": aligned[0] - aligned[1]}
        for result in results:
            form = numfmt.parse(result)
            for name, steps, frac in [
                *((name, steps, high) for name, steps in sums.items()),
                ("multiply", p * q, a.frac + b.frac),
            ]:
                got = getattr(fixed_point, name)((x, a), (y, b), form, rounding=mode, overflow=policy)
                expected = brought_in(rounded(steps, frac - form.frac, mode), form.bits, policy)
                assert got.codes.tolist() == expected.tolist(), (name, spec_a, spec_b, result)


@pytest.mark.parametrize("mode", ROUND)
def test_multiply_accumulate_rounds_once(mode):
    (x, a), (y, b), (z, c) = operand("int64"), operand("q0.63"), operand("q31.32")
    size = min(x.size, y.size, z.size)
    x, y, z = (v[:size] for v in (x, rng.permutation(y), rng.permutation(z)))
    steps = x.astype(object) * y.astype(object) + (z.astype(object) << 63 - 32)
    for result in ("int64", "q31.16", "q3.4"):
        form = numfmt.parse(result)
        got = fixed_point.multiply_accumulate((x, a), (y, b), (z, c), form, rounding=mode, overflow="wrap")
        expected = brought_in(rounded(steps, 63 - form.frac, mode), form.bits, "wrap")
        assert got.codes.tolist() == expected.tolist()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ROUND)
def test_wide_products_of_modest_size(mode, policy):
    """More than 64 bits exactly, fewer where the result's fraction ends; ties and their neighbours."""
    form = numfmt.parse("q15.16")
    size = 29 if policy == "raise" else 40
    codes = rng.integers(-(1 << size), 1 << size, 300)
    ties = ((codes[:100] >> 8) << 8 | 128, np.full(100, 1 << 31))
    x = np.concatenate([codes, ties[0], ties[0]])
    y = np.concatenate([rng.integers(-(1 << 40), 1 << 40, 300), ties[1], ties[1] + rng.integers(-1, 2, 100)])
    steps = x.astype(object) * y.astype(object)
    got = fixed_point.multiply((x, "q31.24"), (y, "q31.31"), form, rounding=mode, overflow=policy)
    expected = rounded(steps, 24 + 31 - 16, mode)
    assert (
        got.codes.tolist()
        == brought_in(expected, form.bits, "saturate" if policy == "raise" else policy).tolist()
    )


def test_one_rounding_is_not_two():
    a, b, c = ([3], "q3.4"), ([8], "q3.4"), ([1], "q0.7")
    once = fixed_point.multiply_accumulate(a, b, c, "q3.4").codes  # 24/256 + 1/128 = 1.625 / 16
    twice = fixed_point.add(fixed_point.multiply(a, b, "q3.4"), c, "q3.4").codes  # 1.5 ties to 2
    assert (once.tolist(), twice.tolist()) == ([2], [2])
    c = ([-1], "q0.7")  # 1.375 / 16
    assert fixed_point.multiply_accumulate(a, b, c, "q3.4").codes.tolist() == [1]
    assert fixed_point.add(fixed_point.multiply(a, b, "q3.4"), c, "q3.4").codes.tolist() == [2]


@pytest.mark.parametrize("mode", ROUND)
def test_shift_negate_and_requantize_into_a_format(mode):
    codes, form = operand("q31.32")
    numbers = codes.astype(object)
    for places in (-40, -33, -1, 0, 5, 40):
        got = fixed_point.shift((codes, form), places, "q15.16", rounding=mode, overflow="wrap")
        expected = brought_in(rounded(numbers, 32 - places - 16, mode), 32, "wrap")
        assert got.codes.tolist() == expected.tolist()
    got = fixed_point.negate((codes, form), "q15.16", rounding=mode, overflow="saturate")
    assert got.codes.tolist() == brought_in(rounded(-numbers, 16, mode), 32, "saturate").tolist()
    got = fixed_point.requantize((codes, form), "q15.16", rounding=mode, overflow="saturate")
    assert got.codes.tolist() == brought_in(rounded(numbers, 16, mode), 32, "saturate").tolist()


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
@pytest.mark.parametrize("policy", POLICIES[:-1])
def test_numbers_far_outside(policy, engine):
    """Beyond 64 bits of steps, where a loop's own words wrap."""
    codes, form = operand("int64")
    for places in (0, 3, 30, 60, 64, 100):
        for result in ("int8", "q3.4", "int33", "int64"):
            target = numfmt.parse(result)
            got = fixed_point.shift((codes, form), places, target, overflow=policy, engine=engine)
            expected = brought_in(codes.astype(object) << places + target.frac, target.bits, policy)
            assert got.codes.tolist() == expected.tolist(), (places, result)


@pytest.mark.parametrize("mode", ["toward_zero", "away_from_zero", "nearest_even"])
def test_points_that_lie_far_apart(mode):
    tiny = ([3, -3, 0], "fixed[bits=8,frac=1000]")
    up = mode == "away_from_zero"
    assert fixed_point.requantize(tiny, "int8", rounding=mode).codes.tolist() == [up, -up, 0]
    huge = fixed_point.multiply(tiny, tiny, "int8", rounding=mode)  # 2000 fraction bits
    assert huge.codes.tolist() == [up, up, 0]
    far = fixed_point.add(tiny, ([1, 1, 0], "fixed[bits=8,frac=-900]"), "int8", rounding=mode)
    assert far.codes.tolist() == [127, 127, 0]


# Random rounding


@pytest.mark.parametrize("wide", [False, True])
def test_stochastic_rounding_is_that_of_encode(wide):
    """Word i belongs to element i of the broadcast result; seeds and injected words."""
    x = rng.integers(-(1 << 40), 1 << 40, (30, 1))
    y = rng.integers(-(1 << 40 if wide else 1 << 16), 1 << (40 if wide else 16), (1, 20))
    products = x.astype(object) * y.astype(object)
    noise = rng.integers(0, 1 << 32, products.shape, dtype=np.uint32)
    fmt, bits = "q31.12", 60
    values = [Fraction(p, 1 << bits) for p in products.reshape(-1).tolist()]
    for how in ({"noise": noise}, {"seed": 7}, {"seed": 7, "random_bits": 3}):
        got = fixed_point.multiply(
            (x, "q31.32"), (y, "fixed[bits=64,frac=28]"), fmt, rounding="stochastic", **how
        )
        assert got.codes.shape == products.shape
        words = noise if "noise" in how else numfmt.noise.words(7, 0, noise.size).reshape(noise.shape)
        expected = [
            numfmt.encode(v, fmt, rounding="stochastic", noise=w, random_bits=how.get("random_bits"))
            for v, w in zip(values, words.reshape(-1), strict=True)
        ]
        assert got.codes.reshape(-1).tolist() == expected


# The front door


def test_operands_are_pairs_and_results():
    a = fixed_point.array([1.5, -0.25], "q3.4")
    assert isinstance(a, fixed_point.FixedPoint)
    assert a.codes.tolist() == [24, -4]
    assert a.values.tolist() == [1.5, -0.25]
    total = fixed_point.add(a, ([16, 16], numfmt.parse("q3.4")))
    assert str(total.format) == "q4.4"
    assert total.values.tolist() == [2.5, 0.75]
    assert fixed_point.add(total, total).values.tolist() == [5.0, 1.5]
    assert fixed_point.multiply((3, "int8"), (5, "int8")).codes.shape == ()
    assert fixed_point.multiply((1 << 62, "int64"), (4, "int64"), "int64").codes == (1 << 63) - 1
    half = fixed_point.multiply((1 << 62, "q1.62"), (1 << 62, "q1.62"), "q3.4").codes
    assert (half.shape, half.dtype, int(half)) == ((), np.int8, 16)
    rounding_up = fixed_point.array([0.3], "int8", rounding="toward_positive", overflow="raise")
    assert rounding_up.codes.tolist() == [1]


def test_unsigned_residues_are_signed_codes():
    residues = (np.array([0xFF, 0x80, 0x7F], np.uint8), "q3.4")
    assert fixed_point.shift(residues, 0).codes.tolist() == [-1, -128, 127]
    assert fixed_point.shift((np.array([1 << 63], np.uint64), "int64"), 0).codes.tolist() == [-(1 << 63)]
    assert fixed_point.add(residues, (1, "q3.4")).codes.tolist() == [0, -127, 128]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, ">i4"])
def test_layouts_and_dtypes(dtype):
    codes = np.arange(-50, 50).reshape(10, 10).astype(dtype)
    plain = fixed_point.multiply((codes.astype(np.int64), "q3.4"), (3, "int8"), "q3.2").codes
    for form in (codes[::-1, ::-1], np.asfortranarray(codes)[::-1, ::-1]):
        assert (fixed_point.multiply((form, "q3.4"), (3, "int8"), "q3.2").codes[::-1, ::-1] == plain).all()


def test_empty():
    for shape in ((0,), (3, 0)):
        nothing = (np.zeros(shape, np.int64), "int64")
        assert fixed_point.multiply(nothing, (1, "int64"), "int8").codes.shape == shape
        assert fixed_point.negate((np.zeros(shape), "int8")).codes.dtype == np.int16


@pytest.mark.parametrize("policy", ["saturate", "wrap", "wrap[2]", "wrap_sign_magnitude"])
def test_the_farthest_shift_moves_past_every_format(policy):
    low, high = "fixed[bits=64,frac=1074]", "fixed[bits=64,frac=-959]"
    far = fixed_point.FARTHEST
    for places, fmt, target in ((far, high, low), (-far, low, high)):
        codes = np.array([1, -1, 3, -(1 << 63)])
        found = fixed_point.shift(
            (codes, fmt), places, target, rounding="toward_negative", overflow=policy
        ).codes
        near = [int(c) << 200 if places > 0 else int(c) >> 200 for c in codes]
        expected = [numfmt.encode(k, "int64", overflow=policy) for k in near]
        assert found.tolist() == expected


REFUSED = {
    "wide": (lambda f: f.multiply(([1], "int40"), ([1], "int40")), r"80 bits, 80 before and 0 after.*fmt="),
    "wide sum": (lambda f: f.add(([1], "uint64"), ([1], "int64")), r"has 66 bits"),
    "no step": (lambda f: f.shift(([1], "int8"), -2000), r"fraction bits fit float64"),
    "code": (lambda f: f.add(([300], "int8"), ([1], "int8")), r"codes of 'int8' are -128 to 255, got 300"),
    "low": (lambda f: f.add(([-129], "int8"), ([1], "int8")), r"got -129"),
    "negative": (lambda f: f.negate(([-1], "uint8")), r"codes of 'uint8' are 0 to 255, got -1"),
    "reals": (lambda f: f.negate(([1.0], "int8")), r"are integers of at most 64 bits, got dtype float64"),
    "big": (lambda f: f.negate(([1 << 64], "int64")), r"got dtype object"),
    "floats": (lambda f: f.negate(([1], "bf16")), r"takes formats such as 'q3.4' or 'int8', got 'bf16'"),
    "result": (lambda f: f.negate(([1], "int8"), "e4m3fn"), r"got 'e4m3fn'"),
    "unknown": (lambda f: f.negate(([1], "q3,4")), r"unknown format"),
    "no pair": (lambda f: f.negate(3), r"a FixedPoint or a pair \(codes, spec\).*got 3"),
    "mode, exact": (lambda f: f.negate(([1], "int8"), rounding="rtz"), r"rounding= needs the format"),
    "keyword": (lambda f: f.negate(([1], "int8"), "int8", roundin="rtz"), r"unknown keyword 'roundin'"),
    "out": (lambda f: f.negate(([1], "int8"), "int8", out=None), r"unknown keyword 'out'"),
    "mode": (lambda f: f.negate(([1], "int8"), "int8", rounding="rtx"), r"unknown rounding mode 'rtx'"),
    "mode, wide": (lambda f: f.multiply(([1 << 62], "int64"), ([4], "int64"), "int8", rounding="rtx"), r"'rtx'"),
    "engine": (lambda f: f.multiply(([1 << 62], "int64"), ([4], "int64"), "int8", engine="gpu"), r"'gpu'"),
    "places": (lambda f: f.shift(([1], "int8"), 1.5), r"places must be an integer, got 1.5"),
    "far": (lambda f: f.shift(([1], "int8"), 10**9, "int8"), r"places must be -2200 to 2200, got 1000000000"),
    "far right": (lambda f: f.shift(([1], "int8"), -(10**30)), r"places must be -2200 to 2200, got -10"),
    "overflow": (lambda f: f.add(([100], "int8"), ([100], "int8"), "int8", overflow="raise"),
                 r"1 of 1 results lie outside the range of 'int8', -128 to 127; first at 0"),
    "wide overflow": (lambda f: f.multiply(([1, 1 << 62], "int64"), (4, "int64"), "q3.4", overflow="raise"),
                      r"1 of 2 results lie outside the range of 'q3.4', -8 to 7.9375; first at 1$"),
    "wide overflow, 2-D": (lambda f: f.multiply(([[1], [1 << 62]], "int64"), ([4, 8], "int64"), "q3.4",
                           overflow="raise"), r"3 of 4 results.* to 7.9375; first at \(0, 1\)$"),
    "scalar overflow": (lambda f: f.negate((-128, "int8"), "int8", overflow="raise"), r"-128 to 127$"),
    "shapes": (lambda f: f.add(([1, 2], "int8"), ([1, 2, 3], "int8")), r"broadcast"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, message = REFUSED[case]
    with pytest.raises((ValueError, TypeError), match=message):
        call(fixed_point)


def test_values_that_float64_does_not_hold():
    wide = fixed_point.multiply(([3], "int32"), ([5], "int32"))
    with pytest.raises(ValueError, match="dtype=object"):
        _ = wide.values
    assert numfmt.decode(wide.codes, wide.format, dtype=object).tolist() == [15]
