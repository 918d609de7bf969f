"""E8 and E8P: the nearest point beside every point near, the published table, the published error."""

import hashlib
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from numfmt.quantizers import (
    E8P_SCALE,
    d8_nearest,
    e8_decode,
    e8_encode,
    e8_nearest,
    e8p_decode,
    e8p_encode,
    e8p_table,
)

RNG = np.random.default_rng(8)
EVERY = e8p_decode(np.arange(65536))


def even(p):
    return np.all(p == np.rint(p)) and p.sum() % 2 == 0


def least_distance(v, coset):
    """To the points of D8 + coset whose coordinates are among the three next to each number, exactly."""
    away = [
        [Fraction(float(c)) - Fraction(round(float(c) - coset) + d) - Fraction(coset) for d in (-1, 0, 1)]
        for c in v
    ]
    sums = {0: Fraction(0), 1: None}
    parity = [[(round(float(c) - coset) + d) % 2 for d in (-1, 0, 1)] for c in v]
    for squares, odd in zip(away, parity, strict=True):
        reached = {0: [], 1: []}
        for total_parity, total in sums.items():
            if total is not None:
                for s, o in zip(squares, odd, strict=True):
                    reached[total_parity ^ o].append(total + s * s)
        sums = {k: min(totals) if totals else None for k, totals in reached.items()}
    return sums[0]


def points():
    """Random ones, and hard ones: ties of one or more coordinates, deep holes, lattice points."""
    yield from RNG.uniform(-3, 3, (150, 8))
    yield from RNG.integers(-6, 7, (150, 8)) / 2
    yield from RNG.integers(-12, 13, (150, 8)) / 4
    yield from RNG.integers(-3, 4, (50, 8)).astype(float)
    yield from [np.full(8, 0.25), np.full(8, 0.5), np.array([1.0, 0, 0, 0, 0, 0, 0, 0]), np.zeros(8)]


@pytest.mark.parametrize(("nearest", "cosets"), [(d8_nearest, [0]), (e8_nearest, [0, Fraction(1, 2)])])
def test_no_point_of_the_lattice_is_nearer(nearest, cosets):
    for v in points():
        got = nearest(v)
        distance = sum((Fraction(float(a)) - Fraction(float(b))) ** 2 for a, b in zip(v, got, strict=True))
        assert distance == min(least_distance(v, coset) for coset in cosets)
        assert even(got) or (len(cosets) == 2 and even(got - 0.5))


def test_a_lattice_point_is_its_own_nearest():
    roots = np.array([p for p in itertools.product((-1.0, 0.0, 1.0), repeat=8) if sum(map(abs, p)) == 2])
    halves = np.array([p for p in itertools.product((-0.5, 0.5), repeat=8) if sum(p) % 2 == 0])
    assert len(roots) + len(halves) == 240  # the kissing number of E8
    for p in (roots, halves):
        assert np.array_equal(e8_nearest(p), p)
        assert np.array_equal(e8_nearest(0.49 * p), 0 * p)
        assert np.array_equal(e8_nearest(0.51 * p), p)


def test_documented_ties():
    e = np.eye(8)[0]
    assert d8_nearest(e).tolist() == [2.0, *[0.0] * 7]
    assert d8_nearest([0.5, 0.5, 0, 0, 0, 0, 0, 0]).tolist() == [0.0] * 8
    assert e8_nearest(np.full(8, 0.25)).tolist() == [0.0] * 8


def test_the_second_moment_of_e8():
    """929 / 12960 a dimension, Conway and Sloane 1982: uniform noise over the cells."""
    x = np.random.default_rng(1).uniform(0, 2, (100_000, 8))
    squares = ((x - e8_nearest(x)) ** 2).mean(axis=1)
    assert squares.mean() == pytest.approx(929 / 12960, abs=5 * squares.std() / math.sqrt(len(x)))


def test_codes_of_e8():
    x = RNG.standard_normal((5, 7, 8)) * 3
    codes = e8_encode(x, scale=0.75)
    assert codes.dtype == np.int64
    assert np.array_equal(e8_decode(codes, 0.75), 0.75 * e8_nearest(x / 0.75))
    assert np.array_equal(e8_encode(e8_decode(codes)), codes)


def test_the_table_of_e8p():
    """Bits of the table that quip-sharp's latticee8_padded12.py builds, times 4, a byte a coordinate."""
    digest = hashlib.sha256((4 * EVERY).astype(np.int8).tobytes()).hexdigest()
    assert digest == "ea3883a85a627590ca74626320a2a691943386a8c89ac72cdb6388bfe7da5cc0"


def test_the_points_of_e8p_are_distinct_and_of_the_lattice():
    assert len(np.unique(EVERY, axis=0)) == 65536
    assert np.array_equal(e8_nearest(EVERY + 0.25), EVERY + 0.25)
    norms, counts = np.unique((e8p_table().magnitudes ** 2).sum(axis=1), return_counts=True)
    assert dict(zip(norms, counts, strict=True)) == {2: 1, 4: 8, 6: 28, 8: 64, 10: 126, 12: 29}


def test_every_code_comes_back():
    assert np.array_equal(e8p_encode(EVERY), np.arange(65536))
    assert np.array_equal(e8p_encode(EVERY + RNG.uniform(-0.05, 0.05, EVERY.shape)), np.arange(65536))


@pytest.mark.parametrize("spread", [0.2, 1.03, 2.0, 10.0])
def test_no_point_of_e8p_is_nearer(spread):
    x = RNG.standard_normal((40, 8)) * spread
    for v, got in zip(x, e8p_decode(e8p_encode(x)), strict=True):
        least = ((EVERY - v) ** 2).sum(axis=1).min()
        assert ((got - v) ** 2).sum() == pytest.approx(least, rel=1e-12)


def test_no_point_of_e8p_is_nearer_at_ties():
    for v in RNG.integers(-8, 9, (60, 8)) / 4:
        got = e8p_decode(e8p_encode(v))
        assert ((got - v) ** 2).sum() == ((EVERY - v) ** 2).sum(axis=1).min()


@pytest.mark.parametrize(("scale", "published"), [(E8P_SCALE, 0.09140), (1.0, 0.09185)])
def test_the_error_on_normal_numbers(scale, published):
    x = np.random.default_rng(0).standard_normal((60_000, 8))
    errors = ((e8p_decode(e8p_encode(x * scale)) / scale - x) ** 2).mean(axis=1)
    assert errors.mean() == pytest.approx(published, abs=5 * errors.std() / math.sqrt(len(x)) + 5e-6)


def test_chunks_do_not_matter():
    x = RNG.standard_normal((4100, 8))
    codes = e8p_encode(x)
    assert codes.dtype == np.uint16
    assert np.array_equal(codes, np.concatenate([e8p_encode(x[:1500]), e8p_encode(x[1500:])]))
    assert np.array_equal(e8p_encode(x.reshape(41, 100, 8)), codes.reshape(41, 100))
    assert e8p_decode(codes.reshape(41, 100)).shape == (41, 100, 8)


BAD = [
    (lambda: e8_nearest([]), "without elements"),
    (lambda: e8_nearest(np.zeros((3, 7))), r"vectors of 8 numbers along the last axis, got shape \(3, 7\)"),
    (lambda: e8_nearest([np.nan] * 8), "element 0 of 8 is nan"),
    (lambda: e8_nearest([2.0**50] * 8), "below 2"),
    (lambda: e8_encode([1.0] * 8, 0.0), "scale of a lattice"),
    (lambda: e8_encode([1.0] * 8, np.ones(2)), "scale of a lattice is above 0 and finite, got array"),
    (lambda: e8_encode([1.0] * 8, np.nan), "scale of a lattice"),
    (lambda: e8_encode([1.0] * 8, "1"), "scale of a lattice"),
    (lambda: e8_decode([1, 0, 0, 0, 0, 0, 0, 0]), "all even or all odd"),
    (lambda: e8_decode([2, 0, 0, 0, 0, 0, 0, 0]), "multiple of 4"),
    (lambda: e8_decode([0.5] * 8), "codes of E8 are integers"),
    (lambda: e8p_decode([65536]), "0 to 65535"),
    (lambda: e8p_decode([0.5]), "0 to 65535"),
    (lambda: e8p_encode(np.zeros(9)), "vectors of 8 numbers"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
