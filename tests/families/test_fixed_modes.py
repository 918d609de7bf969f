"""Quantization and overflow modes of fixed point, as SystemC (IEEE 1666-2011, 7.10.9) tabulates them.

The rows were run on Accellera's SystemC, Xilinx's ap_fixed and APyTypes; those that have a mode agree.
"""

import numpy as np
import pytest

import numfmt

ENGINES = ["reference", "numpy", "kernel"]

X = [-2.75, -2.5, -2.25, -2, -1.75, -1.5, -1.25, -1, -0.75, -0.5, -0.25, 0,
     0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75]  # fmt: skip
QUANTIZATION = {
    # mode: (ours, other names of it, row)
    "RND": ("nearest_up", "sc_rnd ap_rnd",
            "-3 -2 -2 -2 -2 -1 -1 -1 -1 0 0 0 0 1 1 1 1 2 2 2 2 3 3"),
    "RND_ZERO": ("nearest_zero", "sc_rnd_zero ap_rnd_zero",
                 "-3 -2 -2 -2 -2 -1 -1 -1 -1 0 0 0 0 0 1 1 1 1 2 2 2 2 3"),
    "RND_MIN_INF": ("nearest_down", "sc_rnd_min_inf ap_rnd_min_inf",
                    "-3 -3 -2 -2 -2 -2 -1 -1 -1 -1 0 0 0 0 1 1 1 1 2 2 2 2 3"),
    "RND_INF": ("nearest_away", "sc_rnd_inf ap_rnd_inf",
                "-3 -3 -2 -2 -2 -2 -1 -1 -1 -1 0 0 0 1 1 1 1 2 2 2 2 3 3"),
    "RND_CONV": ("nearest_even", "sc_rnd_conv ap_rnd_conv",
                 "-3 -2 -2 -2 -2 -2 -1 -1 -1 0 0 0 0 0 1 1 1 2 2 2 2 2 3"),
    "RND_CONV_ODD": ("nearest_odd", "",
                     "-3 -3 -2 -2 -2 -1 -1 -1 -1 -1 0 0 0 1 1 1 1 1 2 2 2 3 3"),
    "TRN": ("toward_negative", "sc_trn ap_trn",
            "-3 -3 -3 -2 -2 -2 -2 -1 -1 -1 -1 0 0 0 0 1 1 1 1 2 2 2 2"),
    "TRN_INF": ("toward_positive", "",
                "-2 -2 -2 -2 -1 -1 -1 -1 0 0 0 0 1 1 1 1 2 2 2 2 3 3 3"),
    "TRN_ZERO": ("toward_zero", "sc_trn_zero ap_trn_zero",
                 "-2 -2 -2 -2 -1 -1 -1 -1 0 0 0 0 0 0 0 1 1 1 1 2 2 2 2"),
    "TRN_AWAY": ("away_from_zero", "",
                 "-3 -3 -3 -2 -2 -2 -2 -1 -1 -1 -1 0 1 1 1 1 2 2 2 2 3 3 3"),
    "JAM_UNBIASED": ("to_odd", "",
                     "-3 -3 -3 -2 -1 -1 -1 -1 -1 -1 -1 0 1 1 1 1 1 1 1 2 3 3 3"),
}  # fmt: skip
# APyTypes' TRN_MAG makes -1 of the exact -2, JAM makes 1 of the exact 0: what is exact does not move here
REFUSED = ["TRN_MAG", "JAM", "sc_trn_mag", "jam"]

V = [*range(-20, 20)]
SAME = [*range(-8, 8)]
# policy: (for -20 ... -9, for -8 ... 7, for 8 ... 19), 4 bits, signed
OVERFLOW = {
    "saturate": ([-8] * 12, SAME, [7] * 12),
    "saturate_zero": ([0] * 12, SAME, [0] * 12),
    "saturate_symmetric": ([-7] * 12, [-7, *SAME[1:]], [7] * 12),
    "wrap": ([-4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7], SAME,
             [-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3]),
    "wrap[1]": ([-4, -3, -2, -1, -8, -7, -6, -5, -4, -3, -2, -1], SAME,
                [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]),
    "wrap[2]": ([-8, -7, -6, -5] * 3, SAME, [4, 5, 6, 7] * 3),
    "wrap[3]": ([-8, -7] * 6, SAME, [6, 7] * 6),
    "wrap[4]": ([-8] * 12, SAME, [7] * 12),
    "wrap[9]": ([-8] * 12, SAME, [7] * 12),
    "wrap_sign_magnitude": ([3, 2, 1, 0, -1, -2, -3, -4, -5, -6, -7, -8], SAME,
                            [7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3, -4]),
    "wrap_sign_magnitude[1]": ([-4, -3, -2, -1, -1, -2, -3, -4, -5, -6, -7, -8], SAME,
                               [7, 6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 3]),
    "wrap_sign_magnitude[2]": ([-5, -6, -7, -8, -8, -7, -6, -5, -5, -6, -7, -8], SAME,
                               [7, 6, 5, 4, 4, 5, 6, 7, 7, 6, 5, 4]),
    "wrap_sign_magnitude[3]": ([-8, -7, -7, -8, -8, -7, -7, -8, -8, -7, -7, -8], SAME,
                               [7, 6, 6, 7, 7, 6, 6, 7, 7, 6, 6, 7]),
}  # fmt: skip
OVERFLOW["wrap[0]"] = OVERFLOW["wrap"]
OVERFLOW["wrap[1,ap]"] = OVERFLOW["wrap[1]"]  # HLS differs for unsigned targets only
OVERFLOW["wrap[3,ap]"] = OVERFLOW["wrap[3]"]
NAMES = {
    "saturate": "sc_sat AP_SAT",
    "saturate_zero": "SC_SAT_ZERO ap_sat_zero",
    "saturate_symmetric": "SC_SAT_SYM ap_sat_sym",
    "wrap": "SC_WRAP ap_wrap",
    "wrap[1]": "SC_WRAP[1]",
    "wrap_sign_magnitude": "SC_WRAP_SM ap_wrap_sm",
}
MODULO = [v % 16 for v in V]
# for -20 ... -1, for 0 ... 15, for 16 ... 19, 4 bits, unsigned
UNSIGNED = {
    "saturate": ([0] * 20, [15] * 4),
    "saturate_symmetric": ([0] * 20, [15] * 4),
    "saturate_zero": ([0] * 20, [0] * 4),
    "wrap": (MODULO[:20], [0, 1, 2, 3]),
    "wrap[1]": ([4, 5, 6, 7, *range(8), *range(8)], [8, 9, 10, 11]),
    "wrap[1,ap]": ([12, 13, 14, 15, *range(8, 16), *range(8, 16)], [8, 9, 10, 11]),
    "wrap[3]": ([0, 1] * 10, [14, 15, 14, 15]),
    "wrap[3,ap]": ([14, 15] * 10, [14, 15, 14, 15]),
    "wrap[4]": ([0] * 20, [15] * 4),
}
UNSIGNED_NAMES = {
    "wrap": "SC_WRAP AP_WRAP AP_WRAP[0] wrap[0,ap]",
    "wrap[1]": "SC_WRAP[1]",
    "wrap[1,ap]": "AP_WRAP[1] ap_wrap[1,ap]",
    "wrap[3,ap]": "AP_WRAP[3]",
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", QUANTIZATION)
def test_quantization(mode, engine):
    ours, aliases, row = QUANTIZATION[mode]
    wanted = [int(v) for v in row.split()]
    for name in (ours, *aliases.split()):
        assert numfmt.encode(X, "int4", rounding=name, engine=engine).tolist() == wanted
    scaled = np.array(X) / 32  # the same codes of a finer grid, from another dtype
    assert numfmt.encode(scaled, "q0.5", rounding=ours, engine=engine).tolist() == wanted
    assert numfmt.encode(np.float32(scaled), "q0.5", rounding=ours, engine=engine).tolist() == wanted
    quarters = (4 * np.array(X)).astype(np.int64)
    coarse = numfmt.encode(quarters, "fixed[bits=8,frac=-2]", rounding=ours, engine=engine)
    assert coarse.tolist() == wanted


@pytest.mark.parametrize("mode", REFUSED)
def test_modes_that_move_exact_values_are_no_modes(mode):
    with pytest.raises(numfmt.SpecError, match="unknown rounding mode"):
        numfmt.encode([0.5], "int4", rounding=mode)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("policy", OVERFLOW)
def test_signed_overflow(policy, engine):
    wanted = [code for part in OVERFLOW[policy] for code in part]
    for name in (policy, *NAMES.get(policy, "").split()):
        for x in (V, np.array(V, np.int8), np.array(V, np.int64), np.array(V, np.float32)):
            assert numfmt.encode(x, "int4", overflow=name, engine=engine).tolist() == wanted
    finer = np.array(V) / 4
    assert numfmt.encode(finer, "q1.2", overflow=policy, engine=engine).tolist() == wanted


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("policy", UNSIGNED)
def test_unsigned_overflow(policy, engine):
    below, above = UNSIGNED[policy]
    wanted = [*below, *range(16), *above]
    for name in (policy, *UNSIGNED_NAMES.get(policy, "").split()):
        for x in (V, np.array(V, np.int64), np.array(V, np.float32)):
            assert numfmt.encode(x, "uint4", overflow=name, engine=engine).tolist() == wanted


@pytest.mark.parametrize("engine", ENGINES)
def test_rounding_comes_first(engine):
    """7.75 becomes 8 and 8 overflows; 15.5 becomes 16."""
    up = {"rounding": "SC_RND", "engine": engine}
    assert numfmt.encode(7.75, "int4", overflow="saturate", **up) == 7
    assert numfmt.encode(7.75, "int4", overflow="wrap", **up) == -8
    assert numfmt.encode(7.75, "int4", overflow="wrap", rounding="SC_TRN", engine=engine) == 7
    assert numfmt.encode(15.5, "uint4", overflow="wrap[1]", **up) == 8
    assert numfmt.encode(-0.25, "uint4", overflow="wrap", rounding="SC_TRN", engine=engine) == 15
    with pytest.raises(numfmt.RangeError):
        numfmt.encode([7.25, 7.75], "int4", overflow="raise", **up)
    assert numfmt.encode(7.25, "int4", overflow="raise", **up) == 7


@pytest.mark.parametrize("policy", ["wrap_sign_magnitude", "wrap_sign_magnitude[2]"])
def test_sign_magnitude_needs_a_sign(policy):
    with pytest.raises(numfmt.SpecError, match="unsigned"):
        numfmt.encode(V, "uint4", overflow=policy)


@pytest.mark.parametrize(
    "policy",
    [
        "wrap[",
        "wrap[-1]",
        "wrap[1,sc]",
        "SC_WRAP[1,ap]",
        "AP_WRAP_SM[1,ap]",
        "saturate[1]",
        "wrap_sm_1",
        "numeric_std",
    ],
)
def test_policies_that_do_not_exist(policy):
    with pytest.raises(numfmt.SpecError):
        numfmt.encode(V, "int4", overflow=policy)


@pytest.mark.parametrize(
    "policy", ["wrap[x]", "wrap[]", "wrap[-1]", "sc_wrap[1,hls]", "wrap_sign_magnitude[1.5]"]
)
def test_what_is_no_number_of_saturated_bits(policy):
    with pytest.raises(numfmt.SpecError, match=r"is no number of saturated bits; write it like \w+\[2\]"):
        numfmt.encode(V, "int4", overflow=policy)
