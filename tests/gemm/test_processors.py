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
x, y = (rng.standard_normal(s).astype(np.float32).round(2) for s in ((9, 40), (40, 35)))
for how in ({"accumulator": "f16", "product": "fma32"}, {"accumulator": "f32", "order": "exact"}):
    steps = matmul(x, y, fmt="bf16", engine="numpy", **how)
    assert (matmul(x, y, fmt="bf16", **how) == steps).all()
print(cpu.path())
"""
ONE_PRODUCT = """
import numpy as np
from numfmt.gemm import cpu, matmul

a, b = np.full((29, 131), -128, np.int8), np.full((131, 83), -127, np.int8)
assert (matmul(a, b) == 131 * 128 * 127).all()
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
    assert "NUMFMT_CPU='vnni' needs what numba does not compile for here. Choose one of " in done.stderr


def test_a_path_that_is_none():
    done = run("import numfmt.gemm; numfmt.gemm.path()", NUMFMT_CPU="mmx")
    assert "NUMFMT_CPU='mmx' is no path. Choose one of " in done.stderr


@pytest.mark.parametrize("lacking", ["avx512f", "avx512vnni", "avx512bw", "avx2"])
def test_a_list_that_contradicts_itself(lacking):
    """LLVM goes by the last word on a feature, and by what it implies. What it cannot select ends the process,
    in any loop of a path."""
    from llvmlite.binding import get_host_cpu_features

    features = f"{get_host_cpu_features().flatten()},-{lacking}"
    done = run(ONE_PRODUCT, NUMBA_CPU_FEATURES=features)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() in ("avx512", "avx2", "portable")


def test_a_path_without_a_compiler():
    done = run("import numfmt.gemm; numfmt.gemm.path()", NUMFMT_CPU="avx2", NUMBA_DISABLE_JIT="1")
    assert "NUMFMT_CPU='avx2' needs what numba does not compile for here. Leave it unset" in done.stderr


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from numfmt import matmul

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
a, b = np.ones((2000, 4000), np.int8), np.ones((4000, 6000), np.int8)
assert (matmul(a[:8], b) == 4000).all()
for delay in (0.001, 0.01, 0.03, 0.05, 0.08, 0.1) * 3:
    try:
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            matmul(a, b)
    except KeyboardInterrupt:
        pass
print("alive")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to oneself")
def test_ctrl_c_leaves_no_thread_at_work():
    done = run(INTERRUPTED, NUMFMT_NUM_THREADS="3")
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-2000:]


def test_products_while_the_interpreter_ends():
    program = """
import atexit
import numpy as np
import numfmt
a = np.ones((400, 400), np.int8)
atexit.register(lambda: print(int(numfmt.matmul(a, a)[0, 0])))
"""
    assert run(program, NUMFMT_NUM_THREADS="2").stdout == "400\n"
