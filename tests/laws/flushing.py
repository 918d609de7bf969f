"""A part of a test in which the CPU takes subnormal numbers for zeros, as some libraries set it for speed."""

import ctypes
import platform
import sys
from contextlib import contextmanager

import numpy as np
import pytest

on_x86 = pytest.mark.skipif(
    not (platform.machine() == "x86_64" and sys.platform == "linux"),
    reason="sets the control word through glibc on x86-64",
)


@contextmanager
def flushed():
    """Of this thread; to be used in a process of its own."""
    _flush(True)
    try:
        total = float(np.add(np.full(64, 1e-40, np.float32), np.float32(1e-40)).max())
        assert total == 0.0, "the CPU does not flush: the test would show nothing"
        yield
    finally:
        _flush(False)


def _flush(on):
    """FTZ and DAZ: the last word of glibc's fenv_t on x86-64."""
    libm, env = ctypes.CDLL("libm.so.6"), (ctypes.c_uint32 * 8)()
    libm.fegetenv(env)
    env[7] = env[7] | 0x8040 if on else env[7] & ~0x8040
    libm.fesetenv(env)
