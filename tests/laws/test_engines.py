"""The engines agree, bit for bit, with the reference: values and codes, in every mode and policy."""

from functools import lru_cache

import numpy as np
import pytest

import numfmt
from laws.hard import (
    DETERMINISTIC,
    HELD,
    OVERFLOWS,
    SPECS,
    STOCHASTIC,
    edge_values,
    first_difference,
    hard_values,
    is_float32,
    noise_for,
    policies_of,
    policy_of,
    reference_codes,
    residues,
    same_bits,
    values_of,
)  # fmt: skip
from numfmt import cuts
from numfmt.rounding import MODES

FAST = ["numpy", "kernel"]
CUT_BITS = 10  # formats whose cut points are compared too
NAN_POLICIES = ["max", "min", 0.0, 1, 1.3, -1e30]
NANS = np.array([np.nan, -np.nan, np.nan])


@lru_cache(maxsize=64)
def reference_of(spec, mode, overflow, nan, every, edges):
    """(values, noise, codes by the reference) of every so manieth hard value; modes take others."""
    fmt = numfmt.parse(spec)
    x = edge_values(spec) if edges else hard_values(spec)
    x = x[list(MODES).index(mode) % every :: every]
    noise = noise_for(x.size) if MODES[mode].stochastic else None
    return x, noise, reference_codes(x, fmt, policy_of(fmt, mode, overflow, nan), noise)


def assert_engines_agree(spec, mode, overflow=None, nan=None, every=1, edges=False, engines=FAST):
    """Both widths, values and codes, every engine; cut points too where a format has few values."""
    x, noise, codes = reference_of(spec, mode, overflow, nan, every, edges)
    for narrow in (False, True):
        part = is_float32(x) if narrow else np.ones(x.shape, bool)
        given = x[part].astype(np.float32) if narrow else x[part]
        drawn = None if noise is None else noise[part]
        options = {"rounding": mode, "overflow": overflow, "nan": nan}
        for engine in engines:
            _compare(given, drawn, codes[part], spec, {**options, "engine": engine})
    fmt = numfmt.parse(spec)
    policy = policy_of(fmt, mode, overflow, nan)
    if noise is None and fmt.bits <= CUT_BITS and not policy.wraps:
        found = cuts.search(x, fmt, policy)
        assert (found == codes).all(), ("cuts", mode, overflow, first_difference(found, codes, x))


def _compare(x, noise, codes, spec, options):
    """Results where the policy accepts, errors that count right where it does not."""
    fmt = numfmt.parse(spec)
    accepted = codes != -1
    _assert_refused(x, noise, ~accepted, spec, options)
    x, codes = x[accepted], codes[accepted]
    noise = None if noise is None else noise[accepted]
    found = residues(numfmt.encode(x, spec, noise=noise, **options), fmt)
    assert (found == codes).all(), (options, first_difference(found, codes, x))
    if spec not in HELD:
        return
    values = numfmt.cast(x, spec, noise=noise, **options)
    expected = values_of(codes, x, fmt, replaced=options["nan"] is not None)
    assert same_bits(values, expected).all(), (options, first_difference(values, expected, x))


def _assert_refused(x, noise, refused, spec, options):
    if not refused.any():
        return
    for verb in (numfmt.cast, numfmt.encode)[spec not in HELD :]:
        with pytest.raises(numfmt.RangeError) as error:
            verb(x, spec, noise=noise, **options)
        assert error.value.count == refused.sum(), options
        assert error.value.index == (int(np.argmax(refused)),), options


@pytest.mark.parametrize("mode", DETERMINISTIC)
@pytest.mark.parametrize("spec", SPECS)
def test_engines_agree_on_hard_values(spec, mode):
    assert_engines_agree(spec, mode, every=1 if mode == "nearest_even" else 4)


@pytest.mark.parametrize("mode", DETERMINISTIC)
@pytest.mark.parametrize("spec", SPECS)
def test_engines_agree_at_the_edges_under_every_overflow_policy(spec, mode):
    fmt = numfmt.parse(spec)
    for overflow in policies_of(fmt):
        if policy_of(fmt, mode, overflow) is None:
            wraps = overflow.startswith("wrap")
            lacking = wraps or (fmt.infinity() if overflow == "infinity" else fmt.nan()) is None
            assert lacking
            assert not (wraps and fmt.signed and not fmt.symmetric)
        else:
            assert_engines_agree(spec, mode, overflow, edges=True)


@pytest.mark.parametrize("spec", SPECS)
def test_engines_agree_on_what_nan_becomes(spec):
    fmt = numfmt.parse(spec)
    for nan in NAN_POLICIES:
        code = policy_of(fmt, nan=nan).nan_code
        for mode in ("nearest_even", "toward_negative", "stochastic"):
            for x in (NANS, NANS.astype(np.float32)):
                noise = noise_for(x.size) if mode == "stochastic" else None
                for engine in ("reference", *FAST):
                    options = {"rounding": mode, "overflow": None, "nan": nan, "engine": engine}
                    codes = np.full(x.shape, code, dtype=object)
                    _compare(x, noise, codes, spec, options)


@pytest.mark.parametrize("spec", SPECS)
def test_engines_agree_on_stochastic_rounding(spec):
    assert_engines_agree(spec, "stochastic", every=2)


@pytest.mark.parametrize("overflow", [*OVERFLOWS, "wrap", "wrap_sign_magnitude[1]"])
@pytest.mark.parametrize("spec", SPECS)
def test_engines_agree_on_stochastic_overflow(spec, overflow):
    for mode in STOCHASTIC if overflow == "ieee" else ["stochastic"]:
        if policy_of(numfmt.parse(spec), mode, overflow) is not None:
            assert_engines_agree(spec, mode, overflow, edges=True)


@pytest.mark.parametrize("spec", SPECS)
def test_the_reference_engine_is_the_reference(spec):
    for mode in MODES:
        assert_engines_agree(spec, mode, every=9, edges=True, engines=["reference"])


@pytest.mark.parametrize("spec", ["f16", "bf16", "binary16p8se", "e6m9"])
def test_cut_points_of_wide_formats_agree_with_the_kernel(spec):
    fmt = numfmt.parse(spec)
    x = hard_values(spec)
    for mode in ("nearest_even", "toward_positive"):
        found = cuts.search(x, fmt, policy_of(fmt, mode))
        codes = numfmt.encode(x, spec, rounding=mode)
        assert (found == codes).all(), (mode, first_difference(found, codes, x))
