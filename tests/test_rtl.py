"""The circuits of examples/rtl, simulated: right ones agree with numfmt, planted bugs are named."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "rtl"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
UNITS = {"fp8_mul": 65536, "bf16_fma": 120000}
WAYS = {"readmemh": None, "with_cocotb": "cocotb"}  # script: the package that it needs

pytestmark = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="Icarus Verilog (iverilog) is not installed"
)


def run(way, work, *arguments):
    if WAYS[way] and importlib.util.find_spec(WAYS[way]) is None:
        pytest.skip(f"{WAYS[way]} is not installed")
    command = [sys.executable, str(EXAMPLE / f"{way}.py"), *arguments, "--work", str(work)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_every_vector_agrees(unit, tmp_path):
    status, text = run("readmemh", tmp_path, unit)
    assert status == 0, text
    assert f"0 of {UNITS[unit]} vectors differ" in text
    assert f"{unit}: {UNITS[unit]} vectors, results and flags, all agree" in text


def test_the_multiplier_saturates(tmp_path):
    assert run("readmemh", tmp_path, "fp8_mul", "--saturate")[0] == 0


@pytest.mark.parametrize("unit", UNITS)
def test_cocotb_agrees(unit, tmp_path):
    status, text = run("with_cocotb", tmp_path, unit, "--count", "20000")
    assert status == 0, text
    assert "20000 vectors agree" in text


NAMED = [
    "truncates", "ties_away", "sticky_lost", "carry_lost", "results_flushed", "overflow_to_max", "minus_zero_lost",
]  # fmt: skip


@pytest.mark.parametrize("bug", NAMED)
@pytest.mark.parametrize("unit", UNITS)
def test_a_planted_bug_is_named(unit, bug, tmp_path):
    status, text = run("readmemh", tmp_path, unit, "--bug", bug, "--count", "20000")
    assert status == 1, text
    assert re.search(rf"  looks like .*\b{bug}\b", text), text


def test_cocotb_names_a_planted_bug(tmp_path):
    status, text = run("with_cocotb", tmp_path, "fp8_mul", "--bug", "ties_away", "--count", "8192")
    assert status == 1, text
    assert re.search(r"looks like ties away from zero, ties_away: all \d+ differences are ties", text), text


def test_a_unit_refuses_what_it_lacks(tmp_path):
    status, text = run("readmemh", tmp_path, "bf16_fma", "--saturate")
    assert (status, "only fp8_mul saturates" in text) == (2, True)


def test_verilator_has_no_complaints():
    """The circuits are lint clean, as synthesizable code should be."""
    if shutil.which("verilator") is None:
        pytest.skip("Verilator is not installed")
    for unit, files in (("fp8_mul", ["fp8_mul.sv"]), ("bf16_fma", ["bf16_operand.sv", "bf16_fma.sv"])):
        command = ["verilator", "--lint-only", "-Wall", "--top-module", unit, "bugs.sv", *files]
        done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
