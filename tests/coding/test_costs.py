"""Sizes counted by hand, the ratio of weight sharing, the table, bad input."""

import csv
import io
import json

import numpy as np
import pytest

import numfmt
from numfmt import coding

ROWS = np.array([[0, 0, 0, 0, 0, 5], [0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 2]])
WAYS = [
    "float32",
    "codes in memory",
    "packed",
    "runs",
    "runs of zero",
    "CSR",
    "CSR, Huffman",
    "Huffman",
    "entropy",
]


def sizes(cost):
    return cost.codes, cost.index, cost.table, cost.shared


def test_counted_by_hand():
    costs = numfmt.storage_cost(ROWS.astype(np.uint8), codebook_bits=100, gap_bits=2, zero=0)
    assert [row.way for row in costs] == WAYS
    assert {row.way: sizes(row) for row in costs[:-1]} == {
        "float32": (18 * 32, 0, 0, 0),
        "codes in memory": (18 * 8, 0, 0, 100),
        "packed": (18 * 3, 0, 0, 100),
        # 00000 is 4 + 1, then 5, then 000000 is 4 + 2, 1, 0000, 2
        "runs": (8 * 3, 8 * 2, 0, 100),
        # a filler spans 4 of the 5 zeros before 5, another 4 of the 6 before 1, then 4 before 2: a filler, 0 left
        "runs of zero": (6 * 3, 6 * 2, 0, 100),
        # 5 has a filler, 1 none, 2 one; 4 pointers of 5 bits, as there are 18 elements
        "CSR": (5 * 3, 4 * 5 + 5 * 2, 0, 100),
        # values 0 5 1 0 2: two words of 2 bits with 0, 5, 1, 2 all 2 bits; gaps 3 1 0 3 0: 0 and 3 twice, 1 once
        "CSR, Huffman": (5 * 2, 20 + 8, 6 * (8 + 4), 100),
        # 15 times 0 by 1 bit, 1, 2, 5 once each: 2, 3, 3 bits
        "Huffman": (15 + 2 + 3 + 3, 0, 8 * 6, 100),
    }
    assert costs.way("entropy").codes == pytest.approx(15 * np.log2(18 / 15) + 3 * np.log2(18))


def test_derived_columns():
    for row in numfmt.storage_cost(ROWS, codebook_bits=64):
        assert row.bits == sum(sizes(row))
        assert row.bits_per_element == row.bits / 18
        assert row.ratio == 32 * 18 / row.bits
        assert row.count == 18


def test_rows_run_along_the_first_axis():
    cube = np.arange(24).reshape(2, 3, 4) % 5
    flat = numfmt.storage_cost(cube.reshape(2, 12), bits=3).way("CSR")
    assert numfmt.storage_cost(cube, bits=3).way("CSR") == flat
    assert numfmt.storage_cost(cube.reshape(3, 8), bits=3).way("CSR") != flat


def test_the_code_left_out_is_the_most_frequent():
    codes = [2, 2, 2, 1, 1, 1, 0]
    assert coding.zero_run_encode(codes).zero == 1  # of two the lowest
    assert coding.zero_run_encode(codes, zero=2).zero == 2


def test_the_ratio_of_weight_sharing():
    assert numfmt.coding.sharing_ratio(16, 4, 32) == 3.2
    assert coding.sharing_ratio(1 << 20, 256) == pytest.approx(4, rel=1e-3)
    codes = np.arange(16) % 4
    assert numfmt.storage_cost(codes, codebook_bits=4 * 32).way("packed").ratio == 3.2


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_ratio_is_that_of_packed_codes(bits):
    codes = np.arange(1000) % (1 << bits)
    found = numfmt.storage_cost(codes, codebook_bits=32 << bits).way("packed").ratio
    assert found == pytest.approx(coding.sharing_ratio(1000, 1 << bits), rel=1e-15)


def test_nothing():
    costs = numfmt.storage_cost(np.empty((0, 4), np.uint8), bits=4)
    assert all(np.isnan(row.bits_per_element) for row in costs)
    assert {row.way: row.bits for row in costs} == dict.fromkeys(WAYS, 0) | {
        "Huffman": 16 * 6,
        "CSR, Huffman": (32 + 16) * 6,
    }
    assert str(costs)


def test_files():
    costs = numfmt.storage_cost(ROWS)
    rows = list(csv.DictReader(io.StringIO(costs.to_csv())))
    assert [row["way"] for row in rows] == WAYS
    assert float(rows[-1]["bits"]) == costs[-1].bits
    assert json.loads(costs.to_json())[2]["bits"] == 54
    pandas = pytest.importorskip("pandas")
    assert isinstance(costs.to_pandas(), pandas.DataFrame)
    assert "CSR, Huffman" in costs._repr_html_()


@pytest.mark.parametrize(
    ("codes", "how", "error", "said"),
    [
        ([0, -1], {}, numfmt.RangeError, r"0 to 1; 1 of 2 are not, the first is -1 at \(1,\)"),
        (
            [[0, 9], [3, 8]],
            {"bits": 3},
            numfmt.RangeError,
            r"0 to 7; 2 of 4 are not, the first is 9 at \(0, 1\)",
        ),
        ([-128], {"bits": 8}, numfmt.RangeError, "the first is -128"),
        (np.array([1 << 63], np.uint64), {"bits": 16}, numfmt.RangeError, "the first is 9223372036854775808"),
        ([1 << 16], {}, numfmt.RangeError, "0 to 65535; 1 of 1 are not, the first is 65536"),
        ([0, 70000], {}, numfmt.RangeError, r"0 to 65535; 1 of 2 are not, the first is 70000 at \(1,\)"),
        ([1], {"bits": 17}, ValueError, "bits is an integer from 1 to 16, got 17"),
        ([0.5], {}, TypeError, "integers from 0 on, got an array of dtype float64"),
        ([True], {}, TypeError, "dtype bool"),
        ([1], {"bits": 0}, ValueError, "bits is an integer from 1 to 16, got 0"),
        ([1], {"bits": 2.0}, ValueError, "bits is an integer from 1 to 16, got 2.0"),
        ([1], {"gap_bits": 0}, ValueError, "gap_bits is an integer from 1 to 16, got 0"),
        ([1], {"gap_bits": 17}, ValueError, "gap_bits is an integer from 1 to 16, got 17"),
        ([1], {"zero": 2}, ValueError, "zero is a code, an integer from 0 to 1, got 2"),
        ([1], {"zero": -1}, ValueError, "got -1"),
        ([1], {"codebook_bits": -1}, ValueError, "codebook_bits is an integer from 0 on, got -1"),
        ([1], {"codebook_bits": 1.5}, ValueError, "got 1.5"),
    ],
)
def test_bad_input(codes, how, error, said):
    with pytest.raises(error, match=said):
        numfmt.storage_cost(codes, **how)


def test_bits_of_an_array_in_blocks_are_its_own():
    a = numfmt.encode([1.0, 2.0], "mxfp4")
    assert numfmt.storage_cost(a, bits=4) == numfmt.storage_cost(a)
    with pytest.raises(ValueError, match="codes of 'mxfp4' have 4 bits, got bits=5; leave it out"):
        numfmt.storage_cost(a, bits=5)


def test_an_unknown_way():
    with pytest.raises(KeyError, match="no way 'zip'; there are float32, codes in memory, packed"):
        numfmt.storage_cost([1]).way("zip")


@pytest.mark.parametrize("bad", [{"n": 0}, {"k": 0}, {"b": 0}, {"k": 2.0}, {"n": True}])
def test_bad_sharing(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} is an integer from 1 on, got"):
        coding.sharing_ratio(**{"n": 16, "k": 4, **bad})
