"""Where the loops read and write: operands that end, or begin, at a page that nobody may touch."""

import ctypes
import itertools
import mmap
import sys

import numpy as np
import pytest

from numfmt.engine import jit
from numfmt.gemm import cpu, tiled

if not sys.platform.startswith("linux"):
    pytest.skip("pages are protected by Linux's mprotect", allow_module_level=True)

SHAPES = [
    (1, 1, 1),
    (1, 17, 70),
    (5, 31, 63),
    (13, 33, 65),
    (12, 64, 64),
    (11, 257, 2049),
    (25, 5, 4097),
    (1, 40, 2100),
]
RNG = np.random.default_rng(3)


def guarded(x, at_end):
    """A copy of x in its layout, the pages on both sides of it closed."""
    page = mmap.PAGESIZE
    inner = -(-x.nbytes // page) * page
    region = mmap.mmap(-1, inner + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    libc = ctypes.CDLL(None, use_errno=True)
    for place in (start, start + page + inner):
        assert libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(page), 0) == 0
    offset = page + (inner - x.nbytes if at_end else 0)
    order = "C" if x.flags.c_contiguous else "F"
    copy = np.ndarray(x.shape, x.dtype, region, offset, order=order)
    copy[...] = x
    return copy


@pytest.mark.parametrize("pair", [("i1", "i1"), ("u1", "i1"), ("i1", "u1"), ("i2", "i2")])
@pytest.mark.parametrize("path", cpu.paths())
def test_nothing_is_touched_outside(path, pair):
    for (m, n, k), at_end in itertools.product(SHAPES, (False, True)):
        for a_order, b_order in itertools.product("CF", repeat=2):
            a = np.asarray(RNG.integers(0, 100, (m, k)), pair[0], a_order)
            b = np.asarray(RNG.integers(0, 100, (k, n)), pair[1], b_order)
            wanted = a.astype(np.int64) @ b
            x, y = guarded(a, at_end), guarded(b, at_end)
            for right in (y, tiled.pack(y, path)):
                out = guarded(np.zeros((m, n), np.int32), at_end)
                tiled.multiply(x, right, out, path)
                assert np.array_equal(out, wanted)


@pytest.mark.parametrize("path", cpu.paths())
def test_the_parts_of_the_work_space_fit_into_it(path):
    loops = jit.gemm_loops()
    for dtype in (np.int8, np.uint8, np.int16):
        form = tiled.kernels(path, np.dtype(dtype), np.dtype(dtype)).form
        for k in (1, 2, 5, 100, 500, 511, 512, 513, 700, 1000, 1024, 2047, 2048, 2049, 10**6):
            parts = loops.work_space(form, 10**7, 10**7, k, 63)
            assert parts.tile + loops.LANE * form.tall * form.columns <= tiled.WORK
