"""Threads, forks and the number of workers: the bits are the same."""

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

import numfmt
from numfmt.engine import pool
from numfmt.testing import assert_same_bits

LARGE = 3_000_001  # enough for several threads, and no multiple of a block of noise
CALLS = [
    ("bf16", {}),
    ("e4m3fn", {"overflow": "saturate"}),
    ("f16", {"rounding": "toward_positive"}),
    ("e5m2", {"rounding": "stochastic", "seed": 7}),
    ("e4m3fn", {"rounding": "stochastic", "seed": 7, "random_bits": 5}),
]


def numbers(n, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(n) * 10.0 ** rng.integers(-6, 6, n)).astype(np.float32)


def digest(script, **environment):
    """What a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("fmt", "options"), CALLS, ids=lambda a: str(a))
def test_eight_threads_at_once(fmt, options):
    x = numbers(300_000)
    alone = numfmt.cast(x, fmt, **options)
    codes = numfmt.encode(x, fmt, **options)
    start = Barrier(8)

    def work(turn):
        start.wait()
        return [
            numfmt.cast(x, fmt, **options) if turn % 2 else numfmt.encode(x, fmt, **options) for _ in range(4)
        ]

    with ThreadPoolExecutor(8) as threads:
        for turn, results in enumerate(threads.map(work, range(8))):
            for result in results:
                assert_same_bits(result, alone if turn % 2 else codes, fmt, nan_bits=True)


def test_eight_threads_meet_in_the_first_calls():
    """Plans, loops and the pool are made while others want them."""
    script = """
        from concurrent.futures import ThreadPoolExecutor
        from threading import Barrier
        import hashlib, sys
        import numpy as np, numfmt

        sys.setswitchinterval(1e-5)
        x = np.linspace(-500, 500, 2_000_000, dtype=np.float32)
        start = Barrier(8)

        def work(i):
            start.wait()
            return numfmt.cast(x, "e4m3fn", rounding="stochastic", seed=3).tobytes()

        with ThreadPoolExecutor(8) as threads:
            print(len(set(threads.map(work, range(8)))))
    """
    assert digest(script, NUMFMT_NUM_THREADS="2") == "1"


def test_more_threads_than_parts_and_parts_than_threads(monkeypatch):
    x = numbers(LARGE)
    for fmt, options in CALLS:
        results = []
        for count in ("1", "2", "3", "7"):
            monkeypatch.setenv("NUMFMT_NUM_THREADS", count)
            results.append(numfmt.encode(x, fmt, **options))
        for other in results[1:]:
            assert_same_bits(other, results[0], fmt, nan_bits=True)


def test_large_arrays_are_small_ones_side_by_side(monkeypatch):
    monkeypatch.setenv("NUMFMT_NUM_THREADS", "2")
    x = numbers(LARGE)
    whole = numfmt.cast(x, "e4m3fn")
    parts = [numfmt.cast(part, "e4m3fn") for part in np.array_split(x, 1000)]
    assert_same_bits(whole, np.concatenate(parts), "e4m3fn")


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", " "])
def test_a_bad_number_of_threads(monkeypatch, given):
    monkeypatch.setenv("NUMFMT_NUM_THREADS", given)
    with pytest.raises(ValueError, match="NUMFMT_NUM_THREADS must be a positive integer, got"):
        pool.thread_limit()
    with pytest.raises(ValueError, match="NUMFMT_NUM_THREADS"):
        numfmt.cast(np.zeros(10_000_000, np.float32), "bf16")


def test_no_thread_for_a_small_array(monkeypatch):
    monkeypatch.setenv("NUMFMT_NUM_THREADS", "8")
    monkeypatch.setattr(pool, "_executor", lambda workers: pytest.fail("a thread for 1e5 elements"))
    numfmt.cast(numbers(100_000), "bf16")


def test_an_error_of_one_part_comes_out(monkeypatch):
    monkeypatch.setenv("NUMFMT_NUM_THREADS", "2")
    x = np.ones(LARGE, np.float32)
    x[-1] = np.nan
    with pytest.raises(numfmt.RangeError) as caught:
        numfmt.cast(x, "e2m1fn")
    assert caught.value.index == (LARGE - 1,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_gives_the_same_bits():
    """Threads are used before the fork, by the child, and by the parent afterwards."""
    script = """
        import hashlib, os, warnings
        import numpy as np, numfmt
        from numfmt.engine import pool

        warnings.simplefilter("ignore", DeprecationWarning)  # fork in a process with threads
        x = np.linspace(-500, 500, 4_000_000, dtype=np.float32)

        def digest():
            modes = {"rounding": "stochastic", "seed": 5}, {"rounding": "rtz"}, {}
            return hashlib.sha256(b"".join(numfmt.cast(x, "e5m2", **m).tobytes() for m in modes)).hexdigest()

        before = digest()
        assert pool._pool is not None  # there were threads
        seen = []
        for turn in range(2):
            read, write = os.pipe()
            child = os.fork()
            if not child:
                os.write(write, digest().encode())
                os._exit(0)
            os.close(write)
            with os.fdopen(read) as pipe:
                seen.append(pipe.read())
            assert os.waitpid(child, 0)[1] == 0
        print(len({before, digest(), *seen}))
    """
    assert digest(script, NUMFMT_NUM_THREADS="2") == "1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_while_the_lock_is_held():
    """A child may be born while another thread makes the pool."""
    script = """
        import os, warnings
        import numpy as np, numfmt
        from numfmt.engine import pool

        warnings.simplefilter("ignore", DeprecationWarning)
        x = np.zeros(4_000_000, np.float32)
        pool._lock.acquire()
        child = os.fork()
        if not child:
            numfmt.cast(x, "bf16")
            os._exit(0)
        print(os.waitpid(child, 0)[1])
    """
    assert digest(script, NUMFMT_NUM_THREADS="2") == "0"
