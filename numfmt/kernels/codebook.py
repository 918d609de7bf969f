"""Codebooks: a rounding mode is a sorted list of thresholds on the words of numbers, put in order.

With few thresholds every one of them is compared with. With many, a table says how many lie below the
bucket of x, which holds at most one: a second comparison decides. Where thresholds lie in clusters, a
search of two steps counts those below, 16 at once. No arithmetic on floats, so that subnormals need no
care; NaN lies beyond both infinities.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .parameters import LookupParameters, StepParameters, TreeParameters
from .words import (
    add,
    and_,
    load,
    load_word,
    or_,
    put,
    put_code,
    real,
    select,
    shr,
    sub,
    umax,
    umin,
    word,
    xor,
)  # fmt: skip

STEPS = 17  # thresholds of 16 values, and two for NaN
HEADER = len(StepParameters._fields)
BUCKETS = len(LookupParameters._fields)
BRANCHES = len(TreeParameters._fields)
FAN = 16  # thresholds compared with at once; a tree has FAN separators and FAN + 1 leaves
LEAVES = slice(2 * FAN, 2 * FAN + FAN * (FAN + 1))
BLOCK = 256  # elements whose words and buckets stay in the first-level cache


def stepping(p: Any) -> StepParameters:
    return StepParameters(*p[:HEADER])


def looking(p: Any) -> LookupParameters:
    return LookupParameters(*p[:BUCKETS])


def branching(p: Any) -> TreeParameters:
    return TreeParameters(*p[:BRANCHES])


def ordered(b: Any, q: Any) -> Any:
    """Words that compare as their numbers do, -0 just below +0."""
    negative = sub(q.zero, shr(b, q.top))
    return xor(b, or_(negative, q.sign))


def stepped(key: Any, q: Any, p: Any) -> Any:
    """The result of an ordered word: what the thresholds at or below it add up to."""
    y = q.first
    for k in range(HEADER, HEADER + STEPS):
        y = add(y, select(key >= p[k], p[k + STEPS], q.zero))
    return y


def bucket(b: Any, q: Any) -> Any:
    """Where in the table a word is: by the top of its magnitude, negative ones after the positive."""
    a = umin(umax(and_(b, q.magnitude), q.low), q.high)
    side = and_(sub(q.zero, shr(b, q.top)), q.buckets)
    return add(shr(sub(a, q.low), q.shift), side)


def located(key: Any, k: Any, q: Any, thresholds: Any) -> Any:
    """The place of an ordered word among the results, `k` that of the least number in its bucket."""
    return add(k, load_word(key >= thresholds[k], q.zero))


def parts(p: Any, q: Any) -> Any:
    """The table of buckets, of 16 bits each so that it stays in the cache, the thresholds and the results."""
    first, second = np.intp(q.thresholds), np.intp(q.results)
    return p[BUCKETS:first].view(np.uint16), p[first:second], p[second:]


def leaf_of(key: Any, q: Any, separators: Any) -> Any:
    """Where the thresholds begin that an ordered word is compared with: those before lie at or below it."""
    at = q.zero
    for k in range(FAN):
        at = select(key >= separators[k], add(at, q.leaf), at)  # one instruction after the comparison
    return at


def counted(key: Any, thresholds: Any, at: Any) -> Any:
    """The place of an ordered word among the results: its leaf begins at `at`."""
    return add(at, load_word((key >= thresholds[at : at + FAN]).sum(), at))


def boughs(p: Any) -> Any:
    """The separators, the thresholds and the results of a tree."""
    return p[BRANCHES : BRANCHES + FAN], p[LEAVES], p[LEAVES.stop :]


# The loops; see `floats` for why they are written out.


def value_steps(x: Any, out: Any, p: Any) -> Any:
    q = stepping(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        put(out, i, real(stepped(ordered(b, q), q, p)))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def code_steps(x: Any, out: Any, p: Any) -> Any:
    q = stepping(p)
    peak = q.zero
    for i in range(x.size):
        b = word(load(x[i], q.zero))
        put_code(out, i, stepped(ordered(b, q), q, p))
        peak = umax(peak, and_(b, q.magnitude))
    return peak


def value_lookup(x: Any, out: Any, p: Any) -> Any:
    q = looking(p)
    table, thresholds, results = parts(p, q)
    keys, buckets = np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    peak = q.zero
    for start in range(0, x.size, BLOCK):
        given, result = x[start : start + BLOCK], out[start : start + BLOCK]
        for i in range(given.size):  # vectors
            b = word(load(given[i], q.zero))
            keys[i], buckets[i] = ordered(b, q), bucket(b, q)
            peak = umax(peak, and_(b, q.magnitude))
        for i in range(given.size):
            k = located(keys[i], table[buckets[i]], q, thresholds)
            put(result, i, real(results[k]))
    return peak


def code_lookup(x: Any, out: Any, p: Any) -> Any:
    q = looking(p)
    table, thresholds, results = parts(p, q)
    keys, buckets = np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    peak = q.zero
    for start in range(0, x.size, BLOCK):
        given, result = x[start : start + BLOCK], out[start : start + BLOCK]
        for i in range(given.size):
            b = word(load(given[i], q.zero))
            keys[i], buckets[i] = ordered(b, q), bucket(b, q)
            peak = umax(peak, and_(b, q.magnitude))
        for i in range(given.size):
            k = located(keys[i], table[buckets[i]], q, thresholds)
            put_code(result, i, results[k])
    return peak


def value_tree(x: Any, out: Any, p: Any) -> Any:
    q = branching(p)
    separators, thresholds, results = boughs(p)
    keys, leaves = np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    peak = q.zero
    for start in range(0, x.size, BLOCK):
        given, result = x[start : start + BLOCK], out[start : start + BLOCK]
        for i in range(given.size):  # vectors of elements
            b = word(load(given[i], q.zero))
            key = ordered(b, q)
            keys[i], leaves[i] = key, leaf_of(key, q, separators)
            peak = umax(peak, and_(b, q.magnitude))
        for i in range(given.size):  # vectors of thresholds
            put(result, i, real(results[counted(keys[i], thresholds, leaves[i])]))
    return peak


def code_tree(x: Any, out: Any, p: Any) -> Any:
    q = branching(p)
    separators, thresholds, results = boughs(p)
    keys, leaves = np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    peak = q.zero
    for start in range(0, x.size, BLOCK):
        given, result = x[start : start + BLOCK], out[start : start + BLOCK]
        for i in range(given.size):
            b = word(load(given[i], q.zero))
            key = ordered(b, q)
            keys[i], leaves[i] = key, leaf_of(key, q, separators)
            peak = umax(peak, and_(b, q.magnitude))
        for i in range(given.size):
            put_code(result, i, results[counted(keys[i], thresholds, leaves[i])])
    return peak


def decode_table(codes: Any, out: Any, p: Any) -> Any:
    """`p` holds the mask of a code, then the value of each."""
    mask, values = p[0], p[1:]
    peak = mask ^ mask
    for start in range(0, codes.size, BLOCK):
        given, result = codes[start : start + BLOCK], out[start : start + BLOCK]
        for i in range(given.size):  # vectors
            peak = umax(peak, load_word(given[i], mask))
        for i in range(given.size):
            put(result, i, real(values[and_(load_word(given[i], mask), mask)]))
    return peak
