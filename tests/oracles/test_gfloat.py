"""gfloat: every mode it has, OCP and P3109 formats, from float64."""

import numpy as np
import pytest
from laws.hard import hard_values, is_float32

import numfmt
from oracles.inputs import float64_values

gfloat = pytest.importorskip("gfloat")
formats = pytest.importorskip("gfloat.formats")

MODES = {
    "nearest_even": gfloat.RoundMode.TiesToEven,
    "nearest_away": gfloat.RoundMode.TiesToAway,
    "toward_zero": gfloat.RoundMode.TowardZero,
    "toward_positive": gfloat.RoundMode.TowardPositive,
    "toward_negative": gfloat.RoundMode.TowardNegative,
}
STOCHASTIC = {
    "stochastic": gfloat.RoundMode.StochasticFastest,
    "stochastic_b": gfloat.RoundMode.StochasticFast,
    "stochastic_c": gfloat.RoundMode.Stochastic,
}
OCP = {
    "f64": "binary64", "f32": "binary32", "f16": "binary16", "bf16": "bfloat16", "e5m2": "ocp_e5m2",
    "e4m3fn": "ocp_e4m3", "e3m2fn": "ocp_e3m2", "e2m3fn": "ocp_e2m3", "e2m1fn": "ocp_e2m1",
}  # fmt: skip
P3109 = [
    *(f"binary8p{p}{d}" for p in range(1, 8) for d in ("se", "sf")),
    *(f"binary8p{p}{d}" for p in range(1, 9) for d in ("ue", "uf")),
    "binary3p2sf", "binary4p2sf", "binary4p1ue", "binary6p3sf", "binary6p4se", "binary16p8se", "binary16p11uf",
]  # fmt: skip


def theirs_of(spec):
    if spec in OCP:
        return getattr(formats, f"format_info_{OCP[spec]}")
    k, p = spec.removeprefix("binary")[:-2].split("p")
    signedness = gfloat.Signedness.Signed if spec[-2] == "s" else gfloat.Signedness.Unsigned
    domain = gfloat.Domain.Extended if spec[-1] == "e" else gfloat.Domain.Finite
    return formats.format_info_p3109(int(k), int(p), signedness, domain)


def inputs(spec, saturates):
    fmt = numfmt.parse(spec)
    x = float64_values(spec, 3000)
    if fmt.nan() is None:
        x = x[~np.isnan(x) & (np.abs(x) <= float(fmt.max))]  # gfloat raises past the last value
    if not fmt.signed:
        x = x[~np.signbit(x)]  # gfloat does not round negatives there
    # P3109 v4.0 4.8 keeps the last value of a finite format, gfloat gives NaN without `sat`
    if spec[-1] == "f" and fmt.kind.p3109 and not saturates:
        x = x[np.abs(x) <= float(fmt.max)]
    return x[np.abs(x) < 2.0**1000] if spec == "f64" else x


def assert_same_values(ours, theirs):
    number = ~np.isnan(theirs)
    assert (np.isnan(ours) == ~number).all()
    assert (ours.view(np.uint64)[number] == theirs.view(np.uint64)[number]).all()


@pytest.mark.parametrize("saturates", [False, True])
@pytest.mark.parametrize("spec", [*OCP, *P3109])
def test_deterministic_modes(spec, saturates):
    x = inputs(spec, saturates)
    for mode, theirs in MODES.items():
        with np.errstate(all="ignore"):
            expected = gfloat.round_ndarray(theirs_of(spec), x, theirs, sat=saturates)
        overflow = "saturate" if saturates else "ieee"
        assert_same_values(numfmt.cast(x, spec, rounding=mode, overflow=overflow, dtype=np.float64), expected)


@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize("spec", [s for s in [*OCP, *P3109] if s not in ("f64", "f32")])
def test_stochastic_modes(spec, bits):
    """Values of float32 in range: there gfloat's own sums are exact."""
    x = inputs(spec, True)
    x = x[is_float32(x) & (np.abs(x) <= float(numfmt.parse(spec).max))][::2]
    drawn = np.random.default_rng(bits).integers(0, 1 << bits, x.size, dtype=np.uint32)
    for mode, theirs in STOCHASTIC.items():
        few = slice(None) if mode == "stochastic" else slice(None, None, 4)
        with np.errstate(all="ignore"):
            expected = gfloat.round_ndarray(
                theirs_of(spec), x[few], theirs, sat=True, srbits=drawn[few].astype(np.int64), srnumbits=bits
            )
        words = drawn[few] << np.uint32(32 - bits)
        options = {"rounding": mode, "noise": words, "random_bits": bits, "overflow": "saturate"}
        assert_same_values(numfmt.cast(x[few], spec, dtype=np.float64, **options), expected)


@pytest.mark.parametrize("mode", ["toward_zero", "toward_positive"])
def test_e8m0_between_its_ends(mode):
    """Not to nearest: gfloat sends ties to an even code, where every significand is odd."""
    x = hard_values("e8m0fnu")
    x = x[(x >= 2.0**-127) & (x <= 2.0**127)]
    expected = gfloat.round_ndarray(formats.format_info_ocp_e8m0, x, MODES[mode])
    assert_same_values(numfmt.cast(x, "e8m0fnu", rounding=mode, dtype=np.float64), expected)


@pytest.mark.parametrize("spec", [*P3109, *OCP])
def test_every_code(spec):
    fmt = numfmt.parse(spec)
    if fmt.bits > 16:
        codes = np.random.default_rng(0).integers(0, 1 << (fmt.bits - 1), 300, dtype=np.uint64)
    else:
        codes = np.arange(0, 1 << fmt.bits, 1 + (1 << fmt.bits) // 4096)
    theirs = np.array([gfloat.decode_float(theirs_of(spec), int(c)).fval for c in codes])
    assert_same_values(numfmt.decode(codes, spec, dtype=np.float64), theirs)
