"""Chunks, threads, strides, byte order, dtypes, `out=` and in place do not change a bit."""

import numpy as np
import pytest

import numfmt
from laws.hard import HELD, hard_values, is_float32, noise_for, words

FEW = ["f16", "bf16", "e4m3fn", "e5m2fnuz", "e8m0fnu", "binary8p3ue", "f64", "int8", "uq4.12", "int53"]
MODES = ["nearest_even", "toward_positive", "stochastic"]
SOME = 640  # elements: longer than any vector, and than the 64 that share noise counters


def accepted(spec, dtype=np.float32):
    """Hard values that no policy refuses."""
    x = hard_values(spec)
    x = x[is_float32(x)] if dtype is np.float32 else x
    x = x[~np.isnan(x)] if numfmt.parse(spec).nan() is None else x
    return x.astype(dtype)


def some(x):
    """A part of many values: which they are does not matter here."""
    return x[:: 1 + x.size // SOME]


def options_of(mode, shape):
    noise = noise_for(int(np.prod(shape))).reshape(shape)
    return {"rounding": mode, "noise": noise} if mode == "stochastic" else {"rounding": mode}


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", HELD)
def test_layouts(spec, mode, dtype):
    x = some(accepted(spec, dtype))
    x = x[: x.size // 6 * 6]
    options = options_of(mode, x.shape)
    for verb in (numfmt.cast, numfmt.encode):
        whole = verb(x, spec, **options)
        apart = np.zeros((x.size, 3), dtype)[:, 1]
        apart[...] = x
        assert same(verb(apart, spec, **options), whole)
        swapped = x.astype(x.dtype.newbyteorder(">"))
        assert same(verb(swapped, spec, **options), whole)
        shifted = np.frombuffer(b"-" + x.tobytes(), np.uint8)[1:].view(dtype)
        assert same(verb(shifted, spec, **options), whole)  # not aligned, read-only
        cube = x.reshape(2, 3, -1)
        cubed = {k: v.reshape(cube.shape) if k == "noise" else v for k, v in options.items()}
        assert same(verb(np.asfortranarray(cube), spec, **cubed), whole.reshape(cube.shape))
        assert same(verb(x[::-1], spec, **{k: v[::-1] if k == "noise" else v for k, v in options.items()}),
                    np.ascontiguousarray(whole[::-1]))  # fmt: skip
        parts = [slice(0, 1), slice(1, 64), slice(64, 131), slice(131, None)]
        cut = [
            verb(x[p], spec, **{k: v[p] if k == "noise" else v for k, v in options.items()}) for p in parts
        ]
        assert same(np.concatenate(cut), whole)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", HELD)
def test_out_and_in_place(spec, mode):
    x = some(accepted(spec, np.float64))
    options = options_of(mode, x.shape)
    whole = numfmt.cast(x, spec, **options)
    codes = numfmt.encode(x, spec, **options)
    for out in (np.zeros_like(whole), np.zeros(2 * x.size)[::2], np.zeros(x.size, ">f8")):
        assert numfmt.cast(x, spec, out=out, **options) is out
        assert same(out.astype(np.float64), whole)
    target = np.zeros(2 * x.size, codes.dtype)[::2]
    numfmt.encode(x, spec, out=target, **options)
    assert (target == codes).all()
    own = x.copy()
    numfmt.cast(own, spec, out=own, **options)
    assert same(own, whole)
    memory = np.zeros(x.size + 1)
    memory[:-1] = x
    numfmt.cast(memory[:-1], spec, out=memory[1:], **options)
    assert same(memory[1:], whole)
    turned = x.copy()
    numfmt.cast(turned, spec, out=turned[::-1], **options)
    assert same(turned[::-1].copy(), whole)


@pytest.mark.parametrize("spec", FEW)
def test_dtypes_of_the_input(spec):
    numbers = np.arange(-128, 128)
    for mode in ("nearest_even", "toward_zero", "to_odd"):
        wanted = numfmt.encode(numbers.astype(np.float64), spec, rounding=mode)
        for dtype in (np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.longdouble):
            assert (numfmt.encode(numbers.astype(dtype), spec, rounding=mode) == wanted).all()
        whole = numbers[numbers >= 0]
        for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
            assert (numfmt.encode(whole.astype(dtype), spec, rounding=mode) == wanted[128:]).all()
        assert (numfmt.encode(np.array([False, True]), spec, rounding=mode) == wanted[128:130]).all()
        scalars = [int(numfmt.encode(int(v), spec, rounding=mode)) for v in numbers[::16]]
        assert scalars == wanted[::16].tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", FEW)
def test_threads(spec, mode, monkeypatch):
    """Enough elements for two threads to be worth it."""
    x = accepted(spec)
    x = np.resize(x, 3_000_017)
    options = {"rounding": mode, "seed": 5}
    results = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("NUMFMT_NUM_THREADS", threads)
        results.append((numfmt.cast(x, spec, **options), numfmt.encode(x, spec, **options)))
    for values, codes in results[1:]:
        assert same(values, results[0][0])
        assert same(codes, results[0][1])
    own = x.astype(results[0][0].dtype)
    numfmt.cast(own, spec, out=own, **options)
    assert (words(own) == words(results[0][0])).all()
