"""The pytest plugin: in processes of their own, as users' tests load it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "",
}


def run(folder, source, *arguments):
    (folder / "test_it.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "numfmt_pytest",
        "-p",
        "no:cacheprovider",
        "-v",
        *arguments,
    ]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def test_importing_it_imports_nothing_heavy():
    source = "import sys, numfmt_pytest; print([m for m in ('numpy', 'numba', 'numfmt') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", source], env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_run_without_the_marker_stays_light(tmp_path):
    text = run(
        tmp_path, "import sys\ndef test_it(): assert not {'numpy', 'numba', 'numfmt'} & set(sys.modules)\n"
    )
    assert "1 passed" in text


def test_formats_and_modes(tmp_path):
    text = run(tmp_path, """
import numfmt, pytest
@pytest.mark.numfmt(formats="fp16,e4m3fn", rounding="rne,rtz")
def test_both(fmt, rounding): assert numfmt.cast(1.0, fmt, rounding=rounding) == 1.0
@pytest.mark.numfmt(formats=["int8", "fixed[bits=8, frac=9]"])
def test_one(fmt): assert isinstance(fmt, numfmt.Format)
@pytest.mark.numfmt(rounding="all")
def test_all(rounding): pass
""", "--strict-markers")  # fmt: skip
    assert "17 passed" in text
    assert "test_both[nearest_even-f16] PASSED" in text or "test_both[f16-nearest_even] PASSED" in text
    assert "toward_zero" in text


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("formats='bf61'", "Did you mean 'bf16'"),
        ("modes='rne'", "numfmt(formats, rounding)"),
        ("rounding='rnx'", "rnx"),
    ],
)
def test_a_wrong_marker_is_told(tmp_path, mark, told):
    text = run(tmp_path, f"import pytest\n@pytest.mark.numfmt({mark})\ndef test_it(fmt, rounding): pass\n")
    assert told in text
    assert "1 error" in text or "error" in text.lower()
    assert "passed" not in text


SEEDS = """
def test_a(numfmt_seed, numfmt_rng): print("A", numfmt_seed, numfmt_rng.integers(1 << 30))
def test_b(numfmt_seed): print("B", numfmt_seed)
"""


def seeds(text):
    return re.findall(r"[AB] \d+.*", text)


def test_seeds_are_of_the_test_and_the_option(tmp_path):
    both = seeds(run(tmp_path, SEEDS, "-s", "-q", "-q"))
    assert len({line.split()[1] for line in both}) == 2
    alone = seeds(run(tmp_path, SEEDS, "-s", "-q", "-q", "-k", "test_a"))
    assert alone == both[:1]
    other = seeds(run(tmp_path, SEEDS, "-s", "-q", "-q", "--numfmt-seed", "7"))
    assert not set(other) & set(both)


def test_a_random_seed_is_told(tmp_path):
    assert "numfmt: --numfmt-seed " in run(tmp_path, SEEDS, "--numfmt-seed", "random")


@pytest.mark.parametrize("seed", ["-1", "abc", "1.5", "", str(1 << 64)])
def test_a_bad_seed_is_one_clear_error(tmp_path, seed):
    assert f"an integer from 0 to 2**64 - 1, or `random`, not {seed!r}" in run(
        tmp_path, SEEDS, f"--numfmt-seed={seed}"
    )


def test_processes_share_a_random_seed(tmp_path):
    pytest.importorskip("xdist")
    source = """
import pytest
@pytest.mark.parametrize("i", range(8))
def test_a(i, request):
    with open("told", "a") as file:
        file.write(f"{request.config.getoption('--numfmt-seed')}\\n")
"""
    told = run(tmp_path, source, "-p", "xdist.plugin", "-n2", "--dist", "each", "--numfmt-seed", "random")
    found = (tmp_path / "told").read_text().split()
    assert len(found) == 16, told
    assert len(set(found)) == 1


def test_names_between_commas_may_have_brackets(tmp_path):
    source = """
import pytest
@pytest.mark.numfmt(formats="fixed[bits=8, frac=2], bf16", rounding="rne, rtz")
def test_a(fmt, rounding): pass
"""
    assert "4 passed" in run(tmp_path, source)


def test_assertions_are_fixtures(tmp_path):
    text = run(tmp_path, """
def test_it(assert_same_bits, assert_ulp):
    assert_ulp([1.0], [1.0], "bf16")
    assert_same_bits([1.0], [2.0], "bf16")
""")  # fmt: skip
    assert "1 of 1 elements differs as bf16" in text
    assert "1 failed" in text


def test_it_is_registered():
    assert "numfmt_pytest = numfmt_pytest" in (ROOT / "setup.cfg").read_text()


# Strategies

hypothesis = pytest.importorskip("hypothesis")
strategies = pytest.importorskip("numfmt.testing.strategies")
import numfmt  # noqa: E402

LAZY = hypothesis.settings(deadline=None, max_examples=50, derandomize=True, database=None)


@pytest.mark.parametrize(
    "spec", ["e4m3fn", "bf16", "f32", "f64", "int8", "int8[symmetric]", "int64", "e8m0fnu", "nf4"]
)
def test_codes_and_values_belong_to_the_format(spec):
    fmt = numfmt.parse(spec)

    @LAZY
    @hypothesis.given(strategies.codes(fmt), strategies.values(fmt, specials=False))
    def check(code, value):
        assert 0 <= code < 1 << fmt.bits
        assert code != fmt.left_out
        assert value in (fmt.at(fmt.rank(c)) for c in [fmt.code_at(_rank(fmt, value))])

    check()


def _rank(fmt, value):
    from numfmt.format import floor_rank

    return floor_rank(fmt, numfmt.reference.exact(value), *fmt.span)


SIMPLEST = {
    "anything": (lambda x: True, 0.0),
    "not 0": (lambda x: x != 0, 1.0),
    "negative": (lambda x: x < 0, -1.0),
    "more than 2": (lambda x: x > 2, 3.0),
    "a fraction": (lambda x: x != np.rint(x), 0.5),
    "NaN": (lambda x: x != x, np.nan),
}


CASES = [(spec, case) for spec in ("e4m3fn", "bf16", "f32") for case in SIMPLEST]
CASES.remove(("f32", "a fraction"))  # wide formats shrink toward integers alone


@pytest.mark.parametrize(("spec", "case"), CASES)
def test_shrinking(spec, case):
    wanted, simplest = SIMPLEST[case]
    found = hypothesis.find(
        strategies.values(spec), wanted, settings=hypothesis.settings(LAZY, max_examples=2000)
    )
    np.testing.assert_equal(found, simplest)


def test_formats():
    @LAZY
    @hypothesis.given(strategies.formats(max_bits=16))
    def check(fmt):
        assert fmt.bits <= 16
        assert numfmt.parse(str(fmt)) == fmt

    check()
