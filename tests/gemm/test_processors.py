"""What other processors run, as far as numba can be told to compile for them: each in a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

pytest.importorskip("numba")

PROGRAM = """
import numpy as np
from numfmt.gemm import cpu, matmul, prepack

rng = np.random.default_rng(2)
for dtypes in (("i1", "i1"), ("u1", "i1"), ("i1", "u1"), ("u1", "u1"), ("i2", "i2")):
    for m, k, n in ((1, 70, 40), (29, 131, 83), (7, 70_001, 33)):
        a, b = (rng.choice([np.iinfo(d).min, np.iinfo(d).max], s).astype(d) for d, s in zip(dtypes, ((m, k), (k, n))))
        wanted = (a.astype(np.int64) @ b.astype(np.int64)).astype(np.int32)
        for right in (b, prepack(b), np.asfortranarray(b)):
            assert (matmul(np.asfortranarray(a), right) == wanted).all()
            assert (matmul(a, right) == wanted).all()
print(cpu.path())
"""


def run(program=PROGRAM, **environment):
    outer = {k: v for k, v in os.environ.items() if not k.startswith(("NUMFMT_CPU", "NUMBA_"))}
    return subprocess.run(
        [sys.executable, "-c", program], env=outer | environment, capture_output=True, text=True, timeout=500
    )


@pytest.mark.parametrize(
    ("path", "environment"),
    [
        ("avx2", {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}),
        ("portable", {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": ""}),
        ("portable", {"NUMBA_CPU_NAME": "generic", "NUMFMT_CPU": "portable"}),
        ("None", {"NUMBA_DISABLE_JIT": "1"}),
    ],
)
def test_what_lesser_processors_run(path, environment):
    if platform.machine() != "x86_64" and environment.get("NUMBA_CPU_NAME") != "generic":
        pytest.skip("x86 only")
    done = run(**environment)
    assert done.stdout == f"{path}\n", done.stderr[-2000:]


def test_a_path_that_the_processor_lacks_is_refused():
    """LLVM would end the process on an instruction that it cannot select."""
    done = run(NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="", NUMFMT_CPU="vnni")
    assert done.returncode == 1
    assert (
        "NUMFMT_CPU='vnni' needs instructions that numba does not compile for here. Choose one of "
        in done.stderr
    )


def test_a_path_that_is_none():
    done = run("import numfmt.gemm; numfmt.gemm.path()", NUMFMT_CPU="mmx")
    assert "NUMFMT_CPU='mmx' is no path. Choose one of " in done.stderr
