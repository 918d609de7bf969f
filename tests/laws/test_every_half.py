"""Every float16 and every bfloat16 bit pattern, and every code of two 16-bit fixed-point formats, to
every format of up to 8 bits, in every deterministic mode, against the reference.

Order is kept, so between two inputs of one sign with the same code all have that code: the
reference is asked at the ends of an interval, and inside it only where they differ. Intervals begin
where codes changed in the mode before, since modes move a boundary little.
"""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest

import numfmt
from laws.hard import (
    DETERMINISTIC,
    SPECS,
    order_key,
    policy_of,
    reference_codes,
    remembering,
    residues,
    same_bits,
    values_of,
)
from numfmt import reference

SMALL = [spec for spec in SPECS if numfmt.parse(spec).bits <= 8]
PATTERNS = np.arange(1 << 16, dtype=np.uint32)


@lru_cache
def inputs(source):
    """All values of a 16-bit format, as what holds them: float16, int16, or float32."""
    if source == "int16":
        return PATTERNS.astype(np.uint16).view(np.int16)
    if source == "q3.12":
        return numfmt.decode(PATTERNS, source)
    if source == "f16":
        return PATTERNS.astype(np.uint16).view(np.float16)
    return (PATTERNS << np.uint32(16)).view(np.float32)


@lru_cache
def widened(source):
    with np.errstate(invalid="ignore"):  # signalling NaNs are among the patterns
        return inputs(source).astype(np.float64)


@lru_cache
def ordered(source):
    """Positions of the numbers of one sign, in order, for both signs; and of all NaN."""
    x = widened(source)
    numbers = np.flatnonzero(~np.isnan(x))
    numbers = numbers[np.argsort(order_key(x[numbers]), kind="stable")]
    negative = np.signbit(x[numbers])
    zero = x[numbers] == 0
    runs = [
        numbers[negative & ~zero],
        numbers[zero & negative],
        numbers[zero & ~negative],
        numbers[~negative & ~zero],
    ]
    return runs, np.flatnonzero(np.isnan(x))


def expected_codes(source, fmt, policy, before):
    """By the reference; `before`: the codes of another mode, or zeros."""
    x = widened(source)
    codes = np.empty(x.size, np.int64)
    fmt = remembering(fmt)
    runs, nans = ordered(source)
    for run in filter(len, runs):
        _fill(codes, run, x, fmt, policy, before)
    if nans.size:
        codes[nans] = reference_codes(x[nans[[0, -1]]], fmt, policy)[np.signbit(x[nans]).astype(int)]
    return codes


def _fill(codes, run, x, fmt, policy, before):
    def code(i):
        return reference.encode(reference.exact(float(x[run[i]])), fmt, policy)

    changes = np.flatnonzero(np.diff(before[run]))
    near = {i + d for i in changes.tolist() for d in (0, 1, 2) if i + d < run.size}
    asked = [(i, code(i)) for i in sorted({0, run.size - 1} | near)]
    todo = [(*a, *b) for a, b in pairwise(asked)] or [(*asked[0], *asked[0])]
    while todo:
        low, first, high, last = todo.pop()
        if first == last or high - low <= 1:
            codes[run[low]], codes[run[high]] = first, last
            codes[run[low + 1 : high]] = first
        else:
            middle = (low + high) // 2
            between = code(middle)
            todo += [(low, first, middle, between), (middle, between, high, last)]


@pytest.mark.parametrize("source", ["f16", "bf16", "int16", "q3.12"])
@pytest.mark.parametrize("spec", SMALL)
def test_every_pattern(spec, source):
    fmt = numfmt.parse(spec)
    x = inputs(source)
    nan = None if fmt.nan() is not None else "max"
    codes = np.zeros(x.size, np.int64)
    for mode in DETERMINISTIC:
        codes = expected_codes(source, fmt, policy_of(fmt, mode, None, nan), codes)
        values = values_of(codes, widened(source), fmt, replaced=nan is not None)
        for engine in ("numpy", "kernel"):
            options = {"rounding": mode, "nan": nan, "engine": engine}
            assert (residues(numfmt.encode(x, spec, **options), fmt) == codes).all(), options
            assert same_bits(numfmt.cast(x, spec, **options), values).all(), options
