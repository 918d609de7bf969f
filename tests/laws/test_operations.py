"""Operations give the same bits with flushing CPUs, in threads, with the JIT off, without numba."""

import json

import pytest

from laws.flushing import on_x86
from laws.operations_sample import digests
from laws.test_without_numba import run_apart

FLUSHED = """
import json
from laws.flushing import flushed
from laws.operations_sample import digests

with flushed():
    found = digests()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def plain():
    return digests()


def differing(found, plain):
    return [name for name in plain if found[name] != plain[name]]


def is_left_to_the_reference(name):
    """Which reads numbers as floats, and so does not hold where the CPU flushes."""
    return (
        "float64" in name
        or "remainder" in name
        or name.endswith(("f32 stochastic float32", "nf4 stochastic float32"))
    )


@on_x86
def test_flushing_changes_no_bit(plain):
    found = json.loads(run_apart(["-c", FLUSHED], NUMFMT_NUM_THREADS="1"))
    assert [name for name in differing(found, plain) if not is_left_to_the_reference(name)] == []


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [([], {"NUMFMT_NUM_THREADS": "1"}), ([], {"NUMFMT_NUM_THREADS": "2"}), (["--without-numba"], {})],
)
def test_another_process_finds_the_same(arguments, environment, plain):
    assert (
        differing(json.loads(run_apart(["-m", "laws.operations_sample", *arguments], **environment)), plain)
        == []
    )
