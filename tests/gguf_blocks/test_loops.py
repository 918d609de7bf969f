"""The compiled loops against the definition, which other tests hold against scalars; chunks and threads."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numfmt
from gguf_blocks import hard
from numfmt.engine import jit
from numfmt.gguf import TYPES, GGUFArray, execution
from numfmt.kernels import gguf as kernels

ROOT = Path(__file__).parents[2]
LOOPS = execution.LOOPS


def by_definition(x, name):
    """Bytes and values without any loop."""
    blocks = TYPES[name].written(x)
    return blocks.tobytes(), TYPES[name].values(blocks).tobytes()


def disagreements():
    """Sets whose bytes or values differ from the definition's."""
    for name in LOOPS:
        for numbers in hard.SETS:
            x = hard.blocks(numbers, 32)
            array = numfmt.encode(x, f"gguf_{name}")
            if (array.pack().tobytes(), array.decode().tobytes()) != by_definition(x, name):
                yield name, numbers


def test_loops_are_the_definition():
    assert list(disagreements()) == []


def test_loops_are_there():
    if jit.loops() is None:
        pytest.skip("numba cannot be imported")
    for name in LOOPS:
        for verb in ("write", "read"):
            assert execution._loop(verb, TYPES[name], None) is not None
            assert execution._loop(verb, TYPES[name], "numpy") is None


@pytest.mark.parametrize("engine", ["numpy", "reference", "kernel"])
def test_engines_agree(engine):
    x = hard.blocks("normal", 256)
    for name in TYPES:
        expected = numfmt.encode(x, f"gguf_{name}").pack()
        assert (numfmt.encode(x, f"gguf_{name}", engine=engine).pack() == expected).all()


@pytest.mark.parametrize("name", LOOPS)
def test_every_byte_is_read_as_the_definition_reads_it(name):
    kind = TYPES[name]
    raw = np.random.default_rng(1).integers(0, 256, (5000, kind.nbytes)).astype(np.uint8)
    found = GGUFArray.unpack(raw, f"gguf_{name}").decode()
    expected = kind.values(raw)
    assert (
        (found.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(found) & np.isnan(expected))
    ).all()


def test_float16_in_loops():
    """Every float16 is read; numbers on and beside every midpoint of two are written as NumPy writes them."""
    words = np.arange(1 << 16, dtype=np.uint16)
    numbers = words.view(np.float16).astype(np.float32)
    with np.errstate(all="ignore"):
        assert (kernels.single_of(words.astype(np.uint32)).view(np.uint32) == numbers.view(np.uint32)).all()
        finite = np.unique(np.abs(numbers[np.isfinite(numbers)]))
        middles = np.append((finite[1:] + finite[:-1]) / 2, np.float32(65520))
        beside = [np.nextafter(middles, np.float32(end)) for end in (0, np.inf)]
        x = np.concatenate([finite, middles, *beside, hard.SETS["bits"], hard.SETS["subnormal"]])
        x = np.concatenate([x, -x])
        assert (kernels.half_of(x) == x.astype(np.float16).view(np.uint16)).all()


RUN_APART = "from gguf_blocks.test_loops import disagreements; print(list(disagreements()))"


@pytest.mark.parametrize(
    "environment", [{"NUMBA_DISABLE_JIT": "1"}, {"NUMFMT_NUM_THREADS": "2"}], ids=["no JIT", "threads"]
)
def test_in_another_process(environment):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN_APART], env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.stdout.strip() == "[]", done.stderr


def test_without_numba():
    script = (
        "import sys; sys.modules['numba'] = None\n"
        f"{RUN_APART}\n"
        "import numfmt\n"
        "try: numfmt.encode([0.0] * 32, 'gguf_q8_0', engine='kernel')\n"
        "except ImportError as error: print(error)\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[]", "engine='kernel' needs numba, which cannot be imported"], (
        done.stderr
    )


@pytest.mark.parametrize("name", ["q8_0", "q4_0", "q5_1", "q6_k", "tq1_0"])
@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_chunks_and_threads_do_not_matter(name, threads, extra, monkeypatch):
    monkeypatch.setenv("NUMFMT_NUM_THREADS", threads)
    monkeypatch.setattr(execution, "CHUNK", 1024)
    monkeypatch.setattr(execution, "WORTH_A_THREAD", 1.0)
    kind = TYPES[name]
    count = 4 * 1024 // kind.elements + extra
    x = np.resize(hard.SETS["normal"], (count, kind.elements))
    array = numfmt.encode(x, f"gguf_{name}")
    assert (array.pack().tobytes(), array.decode().tobytes()) == by_definition(x, name)
    assert array.decode(np.float64).astype(np.float32).tobytes() == array.decode().tobytes()


def test_a_nan_in_any_thread_is_found(monkeypatch):
    monkeypatch.setenv("NUMFMT_NUM_THREADS", "3")
    monkeypatch.setattr(execution, "WORTH_A_THREAD", 1.0)
    for name in ("q8_0", "q4_0", "q4_1"):
        for place in (0, 100, 319):
            x = np.ones((10, 32), np.float32)
            x.ravel()[place] = np.nan
            with pytest.raises(numfmt.RangeError, match="1 of 320 values is NaN"):
                numfmt.encode(x, f"gguf_{name}")
