"""`diff`: the decisions in which conversions differ, and profiles against the libraries whose names they bear."""

import numpy as np
import pytest

import numfmt
from numfmt import behaviours
from numfmt.behaviours import PROFILES, diff


def decisions(*args, **how):
    return {row.decision: (row.input, row.a, row.b) for row in diff(*args, **how)}


def encoder(fmt, **how):
    return lambda x: numfmt.encode(x, fmt, **how)


PLANTED = {
    "NaN": ({"nan_profile": "nvidia"}, ("0x7F800001", "0x7E nan", "0x7F nan")),
    "overflow": ({"overflow": "saturate_finite"}, ("0x47700000", "0x7C inf", "0x7B 57344")),
    "infinity": ({"overflow": "saturate"}, ("0x7F800000", "0x7C inf", "0x7B 57344")),
    "ties": ({"rounding": "rna"}, ("0x37000000", "0x00 0", "0x01 1.52588e-05")),
    "subnormals": ({"ftz": "after"}, ("0x37000001", "0x01 1.52588e-05", "0x00 0")),
    "rounding": ({"rounding": "rtz"}, ("0x38400001", "0x04 6.10352e-05", "0x03 4.57764e-05")),
}


@pytest.mark.parametrize("decision", PLANTED)
def test_a_planted_decision_is_named(decision):
    how, example = PLANTED[decision]
    other = behaviours.Behaviour("planted", how)
    found = decisions("ocp", other, "e5m2")
    assert found[decision][1:] != ("", "")
    if decision != "rounding":
        assert found[decision] == example


def test_zeros():
    def positive(x):
        codes = numfmt.encode(x, "e4m3fn")
        return np.where(codes == 0x80, np.uint8(0), codes)

    assert decisions("ml_dtypes", positive, "e4m3fn") == {"zeros": ("0x80000000", "0x80 -0", "0x00 0")}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("fmt", ["e4m3fn", "e5m2", "bf16", "e2m1fn"])
def test_a_profile_is_itself(name, fmt):
    same = diff(name, name, fmt, source="f16")
    assert len(same) == 0
    assert str(same) == "no differences"


@pytest.mark.parametrize("fmt", ["e4m3fn", "e5m2", "bf16"])
def test_ml_dtypes(fmt):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    own = {"e4m3fn": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2, "bf16": ml_dtypes.bfloat16}[fmt]

    def theirs(x):
        with np.errstate(all="ignore"):
            return x.astype(own).view(f"u{np.dtype(own).itemsize}")

    assert str(diff("ml_dtypes", theirs, fmt)) == "no differences"


@pytest.mark.parametrize("fmt", ["e4m3fn", "e5m2"])
def test_torch(fmt):
    torch = pytest.importorskip("torch")
    new = tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) >= (2, 13)
    own = {"e4m3fn": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}[fmt]
    theirs = lambda x: torch.from_numpy(x).to(own).view(torch.uint8).numpy()  # noqa: E731
    assert str(diff("torch" if new else "torch_2_12", theirs, fmt)) == "no differences"


def test_other_formats_are_compared_by_value():
    found = decisions("ocp_saturating", "hip_fnuz", "e4m3fn")
    assert found["overflow"] == ("0x43E00001", "0x7E 448", "0x7F 240")
    assert found["zeros"] == ("0x80000000", "0x80 -0", "0x00 0")
    assert "NaN" not in found


def test_functions_of_values_and_narrow_sources():
    assert str(diff("ocp", lambda x: numfmt.cast(x, "e5m2"), "e5m2", source="bf16")) == "no differences"
    with pytest.raises(ValueError, match="gave shape"):
        diff("ocp", lambda x: x[:3], "e5m2")
    with pytest.raises(ValueError, match="unknown behaviour 'ocpp'"):
        diff("ocpp", "ocp", "e5m2")


def test_the_table():
    found = diff("ocp", "ptx_satfinite", "e5m2")
    assert [row.decision for row in found] == ["NaN", "infinity", "overflow"]
    assert "ptx_satfinite" in str(found).splitlines()[0]
    assert len(found[:1]) == 1
    assert "<table>" in found._repr_html_()
    assert found.to_dicts()[1]["input"] == "0x7F800000"
