"""Laws of values: they never move, order is kept, and a result is a value of the format."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import numfmt
from laws.hard import (
    DETERMINISTIC,
    HARD_NOISE,
    HELD,
    OVERFLOWS,
    STOCHASTIC,
    edge_points,
    floats_of,
    hard_values,
    is_float32,
    noise_for,
    order_key,
    points,
    policy_of,
    ranks,
    residues,
    words,
)  # fmt: skip
from numfmt.rounding import MODES

FEW = 150  # values of a format that the slow stochastic variants see
OVERFLOWS_THAT_KEEP_ORDER = ["ieee", "saturate", "infinity"]


def finite_values(fmt):
    return np.array([float(fmt.value(fmt.code_at(rank))) for rank in ranks(fmt)])


def special_values(fmt):
    """Infinities and NaNs that the format itself holds."""
    codes = {fmt.infinity(False), fmt.infinity(True), fmt.nan(False), fmt.nan(True)} - {None}
    return np.array([float(fmt.value(code)) for code in sorted(codes)])


def _sorted(x):
    x = x[~np.isnan(x)]
    return x[np.argsort(order_key(x))]


def in_float32(x):
    return x[is_float32(x)].astype(np.float32)


@pytest.mark.parametrize("spec", HELD)
def test_a_value_never_moves(spec):
    fmt = numfmt.parse(spec)
    values, own = finite_values(fmt), special_values(fmt)
    for mode in DETERMINISTIC:
        for x, overflow in product((values, in_float32(values)), OVERFLOWS):
            if policy_of(fmt, mode, overflow) is not None:
                kept = numfmt.cast(x, spec, rounding=mode, overflow=overflow)
                assert (words(kept.astype(x.dtype)) == words(x)).all(), (mode, overflow)
        kept = numfmt.cast(own, spec, rounding=mode, dtype=np.float64)
        assert (words(kept) == words(own)).all(), mode


@pytest.mark.parametrize("mode", STOCHASTIC)
@pytest.mark.parametrize("spec", HELD)
def test_a_value_never_moves_whatever_is_drawn(spec, mode):
    fmt = numfmt.parse(spec)
    values = np.concatenate([finite_values(fmt)[:: 1 if mode == "stochastic" else 5], special_values(fmt)])
    for x, noise in product((values, in_float32(values)), HARD_NOISE):
        drawn = np.full(x.shape, noise)
        for bits in (None, 1, 8):
            kept = numfmt.cast(x, spec, rounding=mode, noise=drawn, random_bits=bits)
            assert (words(kept.astype(x.dtype)) == words(x)).all(), (noise, bits)


@pytest.mark.parametrize("overflow", OVERFLOWS_THAT_KEEP_ORDER)
@pytest.mark.parametrize("spec", HELD)
def test_order_is_kept(spec, overflow):
    fmt = numfmt.parse(spec)
    if policy_of(fmt, None, overflow) is None:
        with pytest.raises(numfmt.SpecError):
            numfmt.cast(1.0, spec, overflow=overflow)
        return
    for x in (_sorted(hard_values(spec)), _sorted(in_float32(hard_values(spec)).astype(np.float64))):
        for mode in DETERMINISTIC:
            _assert_rising(numfmt.cast(x, spec, rounding=mode, overflow=overflow, dtype=np.float64))


@pytest.mark.parametrize("spec", HELD)
def test_order_is_kept_when_the_same_word_is_drawn(spec):
    x = _sorted(hard_values(spec))
    few = x[:: len(x) // FEW + 1]
    for (mode, y), noise in product(
        (("stochastic", x), ("stochastic_b", few), ("stochastic_c", few)), HARD_NOISE
    ):
        drawn = np.full(y.shape, noise)
        _assert_rising(numfmt.cast(y, spec, rounding=mode, noise=drawn, dtype=np.float64))


def _assert_rising(result):
    result = result[~np.isnan(result)]
    assert result.size
    assert (result[1:] >= result[:-1]).all()
    sign = np.signbit(result)
    assert (sign[:-1] >= sign[1:]).all()  # -0 comes before +0


@pytest.mark.parametrize("spec", HELD)
def test_every_result_is_a_value_of_the_format(spec):
    fmt = numfmt.parse(spec)
    x = hard_values(spec)
    top = np.uint64((1 << fmt.bits) - 1)
    for mode in MODES:
        y = x if MODES[mode].stochastic in ("", "a") else x[:: len(x) // FEW + 1]
        drawn = noise_for(y.size) if MODES[mode].stochastic else None
        codes = numfmt.encode(y, spec, rounding=mode, noise=drawn, nan=None if fmt.nan() is not None else 0)
        values = numfmt.cast(y, spec, rounding=mode, noise=drawn, nan=None if fmt.nan() is not None else 0)
        assert (residues(codes, fmt) <= top).all()
        _assert_decoded(fmt, codes, values)
        again = numfmt.cast(values, spec, nan=None if fmt.nan() is not None else 0)
        assert (words(again.astype(values.dtype)) == words(values)).all()


def _assert_decoded(fmt, codes, values):
    """Values are those of the codes; a NaN may carry a sign that its code has no room for."""
    decoded = numfmt.decode(codes, fmt, dtype=np.float64)
    wide = values.astype(np.float64)
    assert (np.isnan(decoded) == np.isnan(wide)).all()
    number = ~np.isnan(wide)
    assert (words(decoded)[number] == words(wide)[number]).all()


@pytest.mark.parametrize("spec", HELD)
def test_directed_modes_stay_on_their_side(spec):
    fmt = numfmt.parse(spec)
    x = _sorted(hard_values(spec))
    x = x[(x >= float(fmt.min)) & (x <= float(fmt.max)) & (np.abs(x) >= float(fmt.smallest))]
    down, up, zero, away = (
        numfmt.cast(x, spec, rounding=mode, dtype=np.float64)
        for mode in ("toward_negative", "toward_positive", "toward_zero", "away_from_zero")
    )
    assert ((down <= x) & (x <= up)).all()
    assert ((np.abs(zero) <= np.abs(x)) & (np.abs(x) <= np.abs(away))).all()
    assert ((down == up) == (down == x)).all()


def _has_midpoints(spec):
    """Whether values part half-way; quantizers of logarithms, and those that search term by term, do not."""
    return "midpoints=" not in spec and not getattr(numfmt.parse(spec), "boundaries", ())


@pytest.mark.parametrize("spec", [spec for spec in HELD if _has_midpoints(spec)])
def test_the_nearest_modes_take_the_nearest(spec):
    """By exact arithmetic on the values alone."""
    fmt = numfmt.parse(spec)
    exact = [v for v in points(fmt, many=FEW) - edge_points(fmt) if fmt.smallest <= abs(v)]
    x = floats_of(exact[:FEW])
    x = x[(x >= float(fmt.min)) & (x <= float(fmt.max)) & (np.abs(x) >= float(fmt.smallest))]
    below = numfmt.cast(x, spec, rounding="toward_negative", dtype=np.float64)
    above = numfmt.cast(x, spec, rounding="toward_positive", dtype=np.float64)
    for mode in (mode for mode in DETERMINISTIC if MODES[mode].nearest):
        near = numfmt.cast(x, spec, rounding=mode, dtype=np.float64)
        for value, low, high, taken in zip(x, below, above, near, strict=True):
            to_low, to_high = (abs(Fraction(float(value)) - Fraction(float(v))) for v in (low, high))
            wanted = {low, high} if to_low == to_high else {low if to_low < to_high else high}
            assert taken in wanted, (mode, value)
