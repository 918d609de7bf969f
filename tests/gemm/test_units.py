"""Matrix units: published vectors, devices' outputs, and the three engines against each other."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from unit_cases import KINDS, operands

import numfmt
from numfmt.gemm import Aligned, Chain, Grouped, Scales, Unit, matmul, systolic, unit_arrays, unit_of, units
from numfmt.gemm.unit_table import UNITS
from numfmt.testing import assert_same_bits

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "matrix_unit_vectors.json").read_text())
CORES = ("v100", "a100", "h100")
ROWS = [  # c, products as (a, b, how many), results on Volta, Ampere, Hopper: fp16, K = 16
    (1, [(2.0**-12, 2.0**-12, 2)], "3F800000 3F800001 3F800001"),
    (1, [(2.0**-12, 2.0**-13, 4)], "3F800000 3F800000 3F800001"),
    (1, [(2.0**-13, 2.0**-14, 16)], "3F800000 3F800000 3F800000"),
    (2.0**24, [(1, 1, 16)], "4B800000 4B800008 4B800008"),
    (-(2.0**24), [(1, 1, 16)], "CB800000 CB7FFFF0 CB7FFFF0"),
    (
        0,
        [(2.0**10, 2.0**10, 1), (-(2.0**10), 2.0**10, 1), (2.0**-5, 2.0**-5, 14)],
        "3C400000 3C000000 00000000",
    ),
    (1, [(-(2.0**-12), 2.0**-12, 1)], "3F800000 3F7FFFFF 3F7FFFFF"),
    (1, [(-(2.0**-12), 2.0**-13, 1)], "3F800000 3F800000 3F7FFFFF"),
]
SHORT = [  # e4m3, K = 32: c, a, b, how many, Hopper's wgmma and Ada, Blackwell's tcgen05
    (1, 2.0**-7, 2.0**-7, 2, "3F800000", "3F800400"),
    (4096, 0.5, 0.5, 32, "45800000", "45804000"),
    (1, 2.0**-6, 2.0**-7, 1, "3F800400", "3F800400"),
]
ALONE = [  # unit, c, a, b, result: bits that random operands hardly ever need
    # the dot product is floored at 2**-32, not at 2**-31: else a tie
    ("amd_mi300_bf16", 1, [-(2.0**-24), -127 * 2.0**-32], [1, 1], "3F7FFFFF"),
    # c is dropped 26 binades below, not 25
    ("amd_mi300_e4m3fnuz", -(2.0**-25), [1], [1], "3F7FFFFF"),
    ("amd_mi300_e4m3fnuz", -(2.0**-26), [1], [1], "3F800000"),
    # round to odd, in every step
    ("arm_bfdot", 1, [2.0**-12, 2.0**-40], [2.0**-13, 1], "3F800001"),
    ("arm_bfdot_ebf", 1, [2.0**-12, 2.0**-40], [2.0**-12, 1], "3F800001"),
    ("arm_bfdot_ebf", 1, [2.0**-12, 2.0**-40], [2.0**-13, 1], "3F800000"),
    # the high element of a pair goes first
    ("intel_vdpbf16ps", 0, [2.0**30, -(2.0**30), 1, 0], [1, 1, 1, 1], "3F800000"),
    ("intel_vdpbf16ps", 1, [2.0**30, 0, 0, -(2.0**30)], [1, 1, 1, 1], "00000000"),
    ("intel_vdpbf16ps", 0, [-(2.0**30), 1], [1, 1], "CE800000"),
    ("intel_vdpbf16ps", 2.0**30, [1, -(2.0**30)], [1, 1], "3F800000"),
    # subnormals: kept, or zeros
    ("nvidia_h100_bf16", 0, [2.0**-70], [2.0**-70], "00000200"),
    ("intel_vdpbf16ps", 0, [-(2.0**-70)], [2.0**-70], "80000000"),
    ("intel_vdpbf16ps", -0.0, [-(2.0**-70)], [2.0**-70], "80000000"),
    ("intel_vdpbf16ps", 0, [2.0**-130], [2.0**100], "00000000"),
    ("amd_mi250_bf16_1k", -0.0, [-(2.0**-70)], [2.0**-70], "00000000"),
]
FLUSHED = [("", 2.0**-14), ("after", 2.0**-14), ("before", 0.0), ("rounded", 2.0**-14)]
NO_NEED = [name for name in UNITS if "rtx50" not in name]  # the same models as b200
OWN = [
    Unit("floored alignment", Aligned(8, bits=20, cut="toward_negative"), "f16"),
    Unit("rounded alignment", Aligned(3, "bf16", "nearest_even", "ieee", 9, "nearest_even"), "f16", c="bf16"),
    Unit("upward", Aligned(2, "f32", "toward_positive", "ieee", bits=30), "bf16"),
    Unit("downward", Chain(2, "bf16", "toward_negative", daz="signed", ftz="after"), "bf16", c="bf16"),
    Unit("triples", Chain(6, "f32", width=3, lanes=2, clear=True), "f16", order=(2, 0, 1)),
    Unit("mixed", Aligned(32, "e8m13", bits=13), "e4m3fn", "e5m2"),
    Unit("saturating", Aligned(8, "f16", "nearest_away", "saturate", 22, least=-20), "f16", c="f16"),
    systolic(7, "bf16", "bf16", product="bf16", rounding="toward_negative"),
    systolic(4, "f16", "f16", lanes=2, ftz="before"),
]


def bits(x):
    return f"{np.float32(x).view(np.uint32):08X}"


def row(terms, k):
    a, b = np.zeros((1, k)), np.zeros((k, 1))
    at = 0
    for x, y, count in terms:
        a[0, at : at + count], b[at : at + count, 0] = x, y
        at += count
    return a, b


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_vectors_of_tensor_cores(engine):
    for c, terms, wanted in ROWS:
        a, b = row(terms, 16)
        found = [bits(matmul(a, b, unit=f"nvidia_{x}_fp16", c=[[c]], engine=engine)[0, 0]) for x in CORES]
        assert " ".join(found) == wanted


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_vectors_of_fp8(engine):
    for c, x, y, count, short, full in SHORT:
        a, b = row([(x, y, count)], 32)
        for chip, wanted in (("h100", short), ("ada", short), ("b200", full)):
            found = matmul(a, b, unit=f"nvidia_{chip}_e4m3", c=[[c]], engine=engine)
            assert bits(found[0, 0]) == wanted, chip


@pytest.mark.parametrize("engine", ["reference", "numpy", "kernel"])
def test_vectors_of_other_units(engine):
    for name, c, a, b, wanted in ALONE:
        assert bits(matmul(a, b, unit=name, c=c, engine=engine)) == wanted, (name, c, a, b)


@pytest.mark.parametrize(("ftz", "wanted"), FLUSHED)
@pytest.mark.parametrize("engine", ["reference", "numpy"])
def test_tiny_before_or_after_rounding(engine, ftz, wanted):
    """63 x 65 = 4095: half an ulp of fp16 below its least normal value, seen without end of exponents."""
    unit = systolic(1, "f16", "f16", ftz=ftz)
    assert matmul([63 * 2.0**-13], [65 * 2.0**-13], unit=unit, engine=engine) == wanted
    assert matmul([63 * 2.0**-13], [-65 * 2.0**-13], unit=unit, engine=engine) == -wanted
    half = matmul([2047 * 2.0**-24], [0.5], unit=unit, engine=engine)  # a subnormal tie, exact with 11 bits
    assert half == {"": 2.0**-14, "rounded": 2.0**-14}.get(ftz, 0)


@pytest.mark.parametrize("engine", ["reference", "numpy"])
def test_a_group_that_cancels_still_sets_the_exponent(engine):
    a, b = np.zeros((1, 64)), np.full((64, 1), 0.5)
    a[0, [0, 1, 32]] = 0.5, -0.5, 0.5
    for large, wanted in ((2.0**30, 0.25), (2.0**40, 0)):
        found = matmul(a, b, unit="nvidia_b200_mxfp4", scales=([[large, 1]], 1.0), engine=engine)
        assert found == wanted


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['device']}-{case['unit']}")
def test_outputs_of_devices(case):
    unit = unit_of(case["unit"])
    a, b = (
        numfmt.decode(np.array([[int(x, 16) for x in line.split()] for line in GOLDEN[case[key]]]), spec)
        for key, spec in (("a", unit.a), ("b", unit.b))
    )
    c, d = (np.array([int(x, 16) for x in case[key].split()], np.uint32).view(np.float32) for key in "cd")
    found = matmul(a[:, None], b[:, :, None], unit=unit, c=c[:, None, None])
    assert_same_bits(found[:, 0, 0], d, "f32")


@pytest.mark.parametrize("unit", [*(UNITS[name] for name in NO_NEED), *OWN], ids=lambda unit: unit.name)
def test_engines_agree(unit):
    rng = np.random.default_rng(3)
    for kind in KINDS:
        a, b, c, scales = operands(unit, kind, rng)
        wanted = matmul(a, b, unit=unit, c=c, scales=scales, engine="reference")
        for engine in ("numpy", "kernel"):
            found = matmul(a, b, unit=unit, c=c, scales=scales, engine=engine)
            assert_same_bits(found, wanted, unit.step.output)


@pytest.mark.parametrize("name", ["nvidia_a100_fp16", "intel_amx_bf16", "amd_mi300_bf16"])
def test_tails_are_zeros_and_stacks_are_products(name):
    rng = np.random.default_rng(1)
    a, b = (numfmt.cast(rng.standard_normal(s), unit_of(name).a) for s in ((2, 1, 3, 21), (4, 21, 70)))
    found = matmul(a, b, unit=name)
    assert found.shape == (2, 4, 3, 70)
    assert found.dtype == np.float32
    padded = [np.pad(a[1, 0], ((0, 0), (0, 43))), np.pad(b[2], ((0, 43), (0, 0)))]
    assert_same_bits(matmul(*padded, unit=name), found[1, 2], "f32")
    assert_same_bits(matmul(a[1, 0, 2], b[2], unit=name), found[1, 2, 2], "f32")
    assert_same_bits(matmul(a[1, 0], b[2, :, 5], unit=name), found[1, 2, :, 5], "f32")
    one = matmul(a[1, 0, 2], b[2, :, 5], unit=name)
    assert isinstance(one, np.float32)
    assert one == found[1, 2, 2, 5]


@pytest.mark.parametrize("name", NO_NEED)
def test_no_products_leave_the_sum(name):
    unit = unit_of(name)
    scales = (np.ones((2, 0)), np.ones((0, 1))) if unit.scales else None
    found = matmul(np.zeros((2, 0)), np.zeros((0, 1)), unit=unit, c=[[1.5], [-0.0]], scales=scales)
    assert found.tolist() == [[1.5], [0.0]]
    assert matmul(
        np.zeros((2, 0)), np.zeros((0, 3)), unit=unit, scales=scales and (1.0, np.ones((0, 3)))
    ).shape == (2, 3)


def test_threads_do_not_matter(monkeypatch):
    rng = np.random.default_rng(2)
    a, b = (numfmt.cast(rng.standard_normal(s), "bf16") for s in ((130, 160), (160, 150)))
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("NUMFMT_NUM_THREADS", threads)
        found += [matmul(a, b, unit="nvidia_h100_bf16", engine=engine) for engine in ("kernel", "numpy")]
    for other in found[1:]:
        assert_same_bits(other, found[0], "f32")


SCRIPT = """
import sys
if "--without-numba" in sys.argv: sys.modules["numba"] = None
import numpy as np, numfmt
a, b = (numfmt.cast(np.random.default_rng(7).standard_normal(s), "bf16") for s in ((3, 40), (40, 5)))
for name in ("nvidia_h100_bf16", "amd_mi300_bf16", "intel_vdpbf16ps"):
    print(numfmt.matmul(a, b, unit=name).tobytes().hex())
"""


def test_without_compiled_loops():
    def run(*words, **environment):
        command = [sys.executable, "-c", SCRIPT, *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
        ).stdout

    wanted = run()
    assert run(NUMBA_DISABLE_JIT="1") == wanted
    assert run("--without-numba") == wanted


def test_nan_has_the_code_of_the_unit():
    for name, code in (
        ("nvidia_h100_fp16", 0x7FFFFFFF),
        ("intel_vdpbf16ps", 0xFFC00000),
        ("arm_bfdot", 0x7FC00000),
    ):
        for a, b in (([np.inf, 1], [0, 1]), ([np.inf, np.inf], [1, -1]), ([np.nan, 1], [1, 1])):
            assert np.float32(matmul(a, b, unit=name)).view(np.uint32) == code
        assert matmul([np.inf, 1], [-1, 1], unit=name) == -np.inf


def test_a_raw_cut_drops_bits_of_words():
    x = np.array([1 + 0.75 * 2.0**-10, 1 + 2.0**-9], np.float32)
    assert matmul(x, np.float32([1, 0]), unit="nvidia_a100_tf32", cut="raw") == 1
    words = np.array([0x7F800001, 0x3F800000], np.uint32).view(np.float32)
    assert matmul(words, np.float32([1, 1]), unit="nvidia_a100_tf32", cut="raw") == np.inf
    with pytest.raises(ValueError, match="cut='raw'"):
        matmul(x, x, unit="nvidia_a100_bf16", cut="raw")


def test_fmt_casts_the_operands():
    x = np.random.default_rng(0).standard_normal((3, 20)).astype(np.float32)
    cast = numfmt.cast(x, "bf16")
    found = matmul(x, x.T, unit="nvidia_h100_bf16", fmt="bf16")
    assert_same_bits(found, matmul(cast, cast.T, unit="nvidia_h100_bf16"), "f32")
    mixed = replace(unit_of("nvidia_h100_e4m3"), b="e5m2")
    wanted = matmul(numfmt.cast(x, "e4m3fn"), numfmt.cast(x.T, "e5m2"), unit=mixed)
    assert_same_bits(matmul(x, x.T, unit=mixed, fmt=("e4m3fn", "e5m2")), wanted, "f32")


def test_dtypes_that_hold_the_values():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.arange(16.0)
    wanted = matmul(x, x, unit="nvidia_h100_e4m3")
    for dtype in (np.int8, np.float16, np.float32, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ">f4"):
        assert matmul(x.astype(dtype), x.tolist(), unit="nvidia_h100_e4m3") == wanted


def test_out():
    x, out = np.eye(3), np.full((3, 3), 9, np.float32)
    assert matmul(x, x, unit="nvidia_v100_fp16", out=out) is out
    assert out.tolist() == np.eye(3).tolist()


WRONG = [
    ({"a": [[0.1]], "b": [[1.0]], "unit": "nvidia_h100_fp16"}, "1 of 1 elements of a are no values of 'f16'"),
    ({"a": [[1.0]], "b": [[np.inf]], "unit": "nvidia_h100_e4m3"}, "elements of b are no values of 'e4m3fn'"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "nvidia_h100_fp16_fp16out", "c": [[1e6]]}, "elements of c"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "nvidia_h100"}, "unknown unit 'nvidia_h100'. Did you mean"),
    ({"a": np.ones((2, 3)), "b": np.ones((4, 5)), "unit": "exact"}, "a has 3 columns, b has 4 rows"),
    ({"a": np.ones((2, 1, 3)), "b": np.ones((3, 3, 5)), "unit": "exact"}, "do not broadcast"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "exact", "c": np.ones((2, 2))}, "does not broadcast"),
    ({"a": 1.0, "b": [1.0], "unit": "exact"}, "scalar"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "exact", "dtype": np.int64}, "has its own sums"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "exact", "scales": (1, 1)}, "takes no scales"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "nvidia_b200_nvfp4"}, "needs scales"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "nvidia_b200_nvfp4", "scales": 1.0}, "pair"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "nvidia_b200_mxfp4", "scales": (3.0, 1.0)}, "no values of 'e8m0fnu'"),
    ({"a": [[1.0]], "b": [[1.0]], "unit": "exact", "out": np.empty(3)}, "out must be"),
    ({"a": [[1.0]], "b": [[1.0]], "cut": "raw"}, "belong to matrix units"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_what_is_refused(given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        matmul(**given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Unit("x", Aligned(0)), "at least one product"),
        (lambda: Unit("x", Aligned(4, bits=-1)), "0 to 4096"),
        (lambda: Unit("x", Aligned(4, cut="up")), "unknown cut"),
        (lambda: Unit("x", Chain(rounding="stochastic")), "deterministic"),
        (lambda: Unit("x", Chain(), "int8"), "binary floats"),
        (lambda: Unit("x", Chain(), order=(1, 2)), "permutation"),
        (lambda: Unit("x", Grouped(64)), "needs scales"),
        (lambda: Unit("x", Chain(width=0)), "width"),
    ],
)
def test_units_that_mean_nothing(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_table_says_what_is_unverified():
    found = {row.name: row for row in numfmt.units()}
    assert set(found) == set(UNITS)
    assert not found["nvidia_a100_bf16"].unverified
    assert found["amd_mi300_fp16"].unverified
    text = str(units())
    assert text.count("UNVERIFIED") == sum(bool(row.unverified) for row in found.values())


def test_wide_sums_go_to_the_reference():
    """More bits than float64 adds exactly."""
    unit = Unit("wide", Aligned(4, bits=80), "bf16")
    assert not unit_arrays.serves(unit)
    a = np.array([2.0**30, -(2.0**30), 2.0**-40])
    assert matmul(a, [1, 1, 1], unit=unit) == 2.0**-40
    assert matmul(a, [1, 1, 1], unit=replace(unit, step=Aligned(4, bits=30))) == 0


def test_scales_of_blocks():
    a = np.full((1, 64), 0.5)
    assert matmul(a, a.T, unit="nvidia_b200_mxfp4", scales=([[2.0, 4.0]], [[8.0], [1.0]])) == 32 * 0.25 * (
        16 + 4
    )
    assert (
        matmul(a, a.T, unit="nvidia_b200_nvfp4", scales=([[-1.0, 0, 0, 3]], [[2.0], [1], [1], [1]]))
        == 16 * 0.25 * 5
    )
    with np.errstate(invalid="ignore"):
        nan = matmul(a, a.T, unit="nvidia_b200_nvfp4", scales=([[np.nan, 1, 1, 1]], 1.0))
    assert np.isnan(nan[0, 0])
    assert Scales("e8m0fnu", 32) == unit_of("nvidia_b200_mxe4m3").scales
