"""The steps of bitsandbytes for whole arrays, written out in NumPy: sources as in numfmt.blocks.bitsandbytes_steps.

Each takes flat float32 numbers and the elements of a block, and gives codes, float32 largest magnitudes, values.
"""

import numpy as np

import numfmt

F4 = np.float32
TINY = F4(2.0**-126)
NF4_LITERALS = (  # of dQuantizeNF4
    "-0.8480964004993439", "-0.6106329262256622", "-0.4599952697753906", "-0.33967943489551544",
    "-0.23460740596055984", "-0.13791173323988914", "-0.045525018125772476", "0.03979014977812767",
    "0.1202552504837513", "0.2035212516784668", "0.2920137718319893", "0.3893125355243683",
    "0.5016634166240692", "0.6427869200706482", "0.8614784181118011",
)  # fmt: skip
NF4_CUDA = F4([numfmt.cast(text, "f32") for text in NF4_LITERALS])  # rounded once, as compilers do
FP4_CUDA = F4([0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333])


def flushed(x):
    return np.where(np.abs(x) < TINY, np.copysign(F4(0), x), x)


def blocks_of(x, size):
    return [x[start : start + size] for start in range(0, x.size, size)]


def decoded(codes, absmax, code, size):
    return np.concatenate([code[q] * a for q, a in zip(blocks_of(codes, size), absmax, strict=True)])


def default(x, table, size):
    """backends/default/ops.py, quantize_blockwise and quantize_4bit."""
    order = np.argsort(table, kind="stable")
    bounds = (table[order][:-1] + table[order][1:]) / F4(2)
    codes, absmax = [], []
    for block in blocks_of(x, size):
        largest = np.abs(block).max()
        if block.size == size:
            scaled = block * (F4(1) / np.maximum(largest, F4(1e-38)))
        else:
            largest = np.maximum(largest, F4(1e-38))
            scaled = block / largest
        scaled = np.clip(scaled, F4(-1), F4(1))
        codes.append(
            order[np.where(np.isnan(scaled), bounds.size, np.searchsorted(bounds, scaled, side="left"))]
        )
        absmax.append(largest)
    codes = np.concatenate(codes)
    return codes, F4(absmax), decoded(codes, absmax, table, size)


def cpu(x, table, size):
    """csrc/cpu_ops.cpp of 0.50, quantize_cpu: a table of 65536 entries."""
    values = F4(-1) + F4(2) * np.arange(65536, dtype=F4) / F4(65535)
    entries = np.searchsorted((table[:-1] + table[1:]) * F4(0.5), values, side="left")
    codes, absmax = [], []
    for block in blocks_of(x, size):
        largest = np.fmax.reduce(np.abs(block), initial=F4(0))
        scaled = np.clip(block * (F4(1) / largest), F4(-1), F4(1))
        half = ((scaled + F4(1)) * F4(0.5)).astype(np.float64)
        places = F4(half * 65535 + 0.5)
        codes.append(
            entries[np.where(np.isnan(places), 0, places).astype(np.int64)] if largest else [0] * block.size
        )
        absmax.append(largest)
    codes = np.concatenate(codes).astype(np.int64)
    return codes, F4(absmax), decoded(codes, absmax, table, size)


def cpu_049(x, table, size):
    """csrc/cpu_ops.cpp of 0.49, quantize_cpu: lower_bound, then distances; code 0 is made -1 first."""
    table = np.append(F4(-1), table[1:])
    codes, absmax = [], []
    for block in blocks_of(x, size):
        largest = np.fmax.reduce(np.abs(block), initial=F4(0))
        v = np.clip(block * (F4(1) / largest), F4(-1), F4(1))
        right = np.searchsorted(table, v, side="left").clip(1, 255)
        nearer = np.abs(table[right] - v) < np.abs(v - table[right - 1])
        found = np.where(nearer, right, right - 1)
        codes.append(np.where(np.isnan(v) | (largest == 0), 0, found))
        absmax.append(largest)
    codes = np.concatenate(codes)
    return codes, F4(absmax), decoded(codes, absmax, table, size)


def tree(x, table):
    """csrc/kernels.cu, dQuantize: of rising tables of 256."""
    pivot, lower, upper = (np.full(x.shape, k) for k in (127, 0, 255))
    for step in (64, 32, 16, 8, 4, 2, 1):
        up = x > table[pivot]
        lower, upper = np.where(up, pivot, lower), np.where(up, upper, pivot)
        pivot = np.where(up, pivot + step, pivot - step)
    over = x > (table[upper] + table[pivot]) * F4(0.5)
    under = x < (table[lower] + table[pivot]) * F4(0.5)
    return np.where(x > table[pivot], np.where(over, upper, pivot), np.where(under, lower, pivot))


def nf4_tree(x, table):
    return np.where(np.isnan(x), 0, np.searchsorted(NF4_CUDA, x, side="left"))


def fp4_tree(x, table):
    places = np.array([0, 1, 6, 7, 4, 5, 2, 3])[np.searchsorted(FP4_CUDA, np.abs(x), side="left") % 8]
    return np.where(np.isnan(x), 0, np.where(x < 0, places + 8, places))


def cuda(search):
    """csrc/kernels.cu, kQuantizeBlockwise as its source and --use_fast_math read, with a reciprocal that is
    correctly rounded; dDequantizeFP4Tree has a -0."""

    def run(x, table, size):
        codes, absmax = [], []
        for block in blocks_of(flushed(x), size):
            largest = np.fmax.reduce(np.abs(block), initial=F4(0))
            codes.append(search(flushed(block * flushed(F4(1) / largest)), table))
            absmax.append(largest)
        codes = np.concatenate(codes)
        meant = np.where(np.arange(16) == 8, F4(-0.0), table) if search is fp4_tree else table
        return codes, F4(absmax), flushed(decoded(codes, absmax, meant, size))

    return run
