"""Lengths of codewords: optimal by brute force, canonical by the example of the standard."""

import heapq
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from numfmt import coding
from numfmt.coding.huffman import codewords, entropy
from numfmt.coding.streams import codes_of


@cache
def full_lengths(count):
    """Sorted lengths of all full binary trees with that many leaves."""
    if count == 1:
        return {(0,)}
    return {
        tuple(sorted(length + 1 for length in (*left, *right)))
        for size in range(1, count // 2 + 1)
        for left in full_lengths(size)
        for right in full_lengths(count - size)
    }


def least_bits(counts):
    """The bits of the best of all trees: frequent symbols have short words."""
    used = sorted((c for c in counts if c), reverse=True)
    return min(sum(c * n for c, n in zip(used, tree, strict=True)) for tree in full_lengths(len(used)))


@pytest.mark.parametrize("seed", range(40))
def test_no_tree_takes_fewer_bits(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, [3, 20, 1000][seed % 3], rng.integers(2, 10))
    counts[:2] += 1
    lengths = coding.huffman_lengths(counts)
    assert (lengths * counts).sum() == least_bits(counts.tolist())
    assert sum(Fraction(1, 1 << int(n)) for n in lengths[counts > 0]) == 1
    assert not lengths[counts == 0].any()


def test_many_symbols_against_the_sum_of_joined_counts():
    """The bits of a Huffman code are the sum of all counts that are joined, whatever tree is grown."""
    counts = np.random.default_rng(1).zipf(1.3, 3000).clip(max=10**9)
    heap, joined = counts.tolist(), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        joined += both
        heapq.heappush(heap, both)
    assert int((coding.huffman_lengths(counts) * counts).sum()) == joined


def test_equal_counts():
    assert coding.huffman_lengths([1, 1, 1, 1]).tolist() == [2, 2, 2, 2]
    assert coding.huffman_lengths([1, 1, 1]).tolist() == [2, 2, 1]
    assert coding.huffman_lengths([2, 1, 1, 2]).tolist() == [2, 2, 2, 2]  # not 1, 3, 3, 2


@pytest.mark.parametrize(
    ("counts", "lengths"), [([], []), ([0, 0], [0, 0]), ([0, 9], [0, 1]), ([1, 1], [1, 1])]
)
def test_few_symbols(counts, lengths):
    assert coding.huffman_lengths(np.array(counts, int)).tolist() == lengths


def test_codewords_of_the_standard():
    """RFC 1951, 3.2.2: A to H with lengths 3, 3, 3, 3, 3, 2, 4, 4."""
    found = codewords(np.array([3, 3, 3, 3, 3, 2, 4, 4]))
    words = {
        int(s): f"{int(start) >> (57 - int(n)):0{int(n)}b}"
        for s, n, start in zip(found.symbols, found.lengths, found.starts, strict=True)
    }
    assert words == dict(enumerate(["010", "011", "100", "101", "110", "00", "1110", "1111"]))


def test_bits_of_a_stream():
    """Six bits for each of four lengths, 1 0 2 2, then 0 0 10 11 0."""
    stream = coding.huffman_encode([0, 0, 2, 3, 0], bits=2)
    bits = "".join(f"{byte:08b}" for byte in stream.data)[: stream.length]
    assert bits == "0000010000000000100000100010110"


def test_fibonacci_counts_have_the_longest_words():
    counts = [1, 1]
    while len(counts) < 22:
        counts.append(counts[-1] + counts[-2])
    assert coding.huffman_lengths(counts).max() == 21
    codes = np.repeat(np.arange(22), counts)
    np.random.default_rng(0).shuffle(codes)
    assert np.array_equal(coding.huffman_decode(coding.huffman_encode(codes)), codes)


def test_words_of_57_bits():
    lengths = np.array([*range(1, 58), 57])
    found = codewords(lengths)
    assert found.starts[-1] == (1 << 57) - 1
    with pytest.raises(ValueError, match="damaged"):
        codewords(np.array([*range(1, 59), 58]))


@pytest.mark.parametrize("seed", range(10))
def test_entropy_is_below_huffman_by_less_than_a_bit_an_element(seed):
    """Gallager 1978 and older: H <= L < H + 1."""
    rng = np.random.default_rng(seed)
    codes = codes_of(np.minimum(rng.geometric(0.1 + seed / 12, 5000) - 1, 255), 8)
    counts = np.bincount(codes.flat, minlength=256)
    words = int((coding.huffman_lengths(counts) * counts).sum())
    assert entropy(codes) <= words < entropy(codes) + codes.flat.size


def test_entropy():
    assert entropy(codes_of([])) == 0
    assert entropy(codes_of([7] * 9)) == 0
    assert entropy(codes_of([0, 1] * 8)) == 16
    counts = np.array([1, 2, 5, 11])
    p = counts / 19
    assert entropy(codes_of(np.repeat(np.arange(4), counts))) == pytest.approx(-19 * (p * np.log2(p)).sum())


@pytest.mark.parametrize(
    ("counts", "error", "said"),
    [
        ([[1, 2]], ValueError, r"one dimension.*got shape \(1, 2\)"),
        ([1.5], TypeError, "counts are integers, got an array of dtype float64"),
        ([3, -1], ValueError, "got -1 for symbol 1"),
    ],
)
def test_bad_counts(counts, error, said):
    with pytest.raises(error, match=said):
        coding.huffman_lengths(counts)
