"""The same bits with the JIT off, and where numba cannot be imported at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from laws.sample import digests

ROOT = Path(__file__).parents[2]


def run_apart(arguments, **environment):
    """The digests as another process finds them."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True, text=True, check=False, timeout=300, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_with_the_jit_off():
    assert json.loads(run_apart(["-m", "laws.sample"], NUMBA_DISABLE_JIT="1")) == digests()


def test_without_numba():
    assert json.loads(run_apart(["-m", "laws.sample", "--without-numba"])) == digests()


def test_the_kernel_engine_says_that_it_needs_numba():
    script = (
        "import sys; sys.modules['numba'] = None\n"
        "import numfmt\n"
        "try: numfmt.cast(1.0, 'bf16', engine='kernel')\n"
        "except ImportError as error: print(error)\n"
    )
    assert "needs numba" in run_apart(["-c", script])


@pytest.mark.parametrize("threads", ["1", "2"])
def test_in_another_process_with_so_many_threads(threads):
    assert json.loads(run_apart(["-m", "laws.sample"], NUMFMT_NUM_THREADS=threads)) == digests()
