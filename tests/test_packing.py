"""Packed codes: where each bit lies in each order, round trips, what is refused."""

import tracemalloc

import numpy as np
import pytest

import numfmt
from numfmt.packing import ORDERS

rng = np.random.default_rng(11)

# Bit b of element e, counted from bit 0 of byte 0 upwards, as each system defines it.
AWQ_NIBBLE = np.array([0, 4, 1, 5, 2, 6, 3, 7])  # of element e % 8: AutoAWQ's unpack order


def dense(e, b, bits):
    return e * bits + b


def dense_from_the_top(e, b, bits):
    place = e * bits + bits - 1 - b
    return place // 8 * 8 + 7 - place % 8


def even_high(e, b, bits):
    return e // 2 * 8 + (1 - e % 2) * 4 + b


def gguf(e, b, bits):
    return (e // 32 * 16 + e % 16) * 8 + e % 32 // 16 * 4 + b


def gguf_k(e, b, bits):
    block = 32 * 8 // bits
    return (e // block * 32 + e % 32) * 8 + e % block // 32 * bits + b


def awq(e, b, bits):
    return e // 8 * 32 + AWQ_NIBBLE[e % 8] * 4 + b


# order: (where a bit lies, codes of a block by width, bits to which the end is filled, offset)
WHERE = {
    "little": (dense, {}, 8, False),
    "big": (dense_from_the_top, {}, 8, False),
    "onnx": (dense, {}, 8, False),
    "tflite": (dense, {}, 8, False),
    "torchao": (even_high, {4: 2}, 8, False),
    "torchao_plain": (dense, {4: 2}, 8, False),
    "bitsandbytes": (even_high, {4: 2}, 8, False),
    "gguf": (gguf, {4: 32}, 8, False),
    "gguf_k": (gguf_k, {2: 128, 4: 64}, 8, False),
    "gptq": (dense, {2: 16, 3: 32, 4: 8, 8: 4}, 32, False),
    "awq": (awq, {4: 8}, 32, False),
    "compressed_tensors": (dense, {}, 32, True),
}
CASES = [(order, bits) for order, row in ORDERS.items() for bits in row.widths]
LENGTHS = (0, 1, 2, 3, 5, 7, 8, 9, 31, 33, 100, 127, 259)


def served(order, bits, length):
    """The length, as so many blocks where the order has them."""
    return length * WHERE[order][1].get(bits, 1)


def drawn(bits, count, signed=False):
    codes = rng.integers(0, (1 << bits) - 1, count, dtype=np.uint64, endpoint=True)
    codes = codes.astype(np.int64) << (64 - bits) >> (64 - bits) if signed else codes
    return codes.astype(np.min_scalar_type(-(1 << (bits - 1)) if signed else (1 << bits) - 1))


def expected_bytes(codes, bits, order):
    where, _, word, offset = WHERE[order]
    stored = codes.astype(np.int64).astype(np.uint64) if codes.dtype.kind == "i" else codes.astype(np.uint64)
    stored = stored + np.uint64(1 << (bits - 1)) if offset else stored
    e, b = np.arange(codes.size)[:, None], np.arange(bits)[None, :]
    stream = np.zeros(-(-codes.size * bits // word) * word, np.uint8)
    stream[where(e, b, bits)] = stored[:, None] >> b.astype(np.uint64) & np.uint64(1)
    return np.packbits(stream, bitorder="little")


def test_every_order_is_tested():
    assert set(WHERE) == set(ORDERS)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("order", "bits"), CASES)
def test_each_bit_lies_where_it_is_defined_and_comes_back(order, bits, signed):
    for length in LENGTHS:
        codes = drawn(bits, served(order, bits, length), signed)
        packed = numfmt.pack(codes, bits, order)
        assert packed.dtype == np.uint8
        assert packed.tobytes() == expected_bytes(codes, bits, order).tobytes()
        again = numfmt.unpack(packed, bits, codes.size, order, signed)
        assert again.dtype == codes.dtype
        assert (again == codes).all()


@pytest.mark.parametrize(("order", "bits"), [c for c in CASES if c[1] in (1, 2, 3, 4, 6, 11)])
def test_streams_of_many_chunks(order, bits):
    codes = drawn(bits, served(order, bits, 200_000 // served(order, bits, 1)) // 2)
    codes = codes[: codes.size // 128 * 128]
    codes = codes if WHERE[order][1] else codes[:-1]
    packed = numfmt.pack(codes, bits, order)
    assert packed.tobytes() == expected_bytes(codes, bits, order).tobytes()
    assert (numfmt.unpack(packed, bits, codes.size, order) == codes).all()
    assert (numfmt.unpack(packed, bits, 65_537, order) == codes[:65_537]).all()


# Worked by hand. Codes 0 1 2 ... are told apart by their place.
GOLDEN = [
    ("little", 1, [1, 0, 0, 0, 0, 0, 0, 1, 1], "8101"),
    ("big", 1, [1, 0, 0, 0, 0, 0, 0, 1, 1], "8180"),
    ("little", 3, [1, 2, 3, 4, 5, 6, 7], "d1581f"),
    ("big", 3, [1, 2, 3, 4, 5, 6, 7], "29cbb8"),
    ("little", 12, [0xABC, 0x123], "bc3a12"),
    ("onnx", 4, [1, -2, 3], "e103"),
    ("onnx", 2, [0, 1, 2, 3, 3], "e403"),
    ("onnx", 6, [1, 2, 3, 4], "813010"),
    ("tflite", 4, [-8, 7, -1], "780f"),
    ("tflite", 2, [0, 1, -2, -1, 1], "e401"),
    ("torchao", 4, [1, 2, 3, 4], "1234"),
    ("torchao_plain", 4, [1, 2, 3, 4], "2143"),
    ("bitsandbytes", 4, [0, 7, 15, 8], "07f8"),
    ("gguf", 4, [*range(16), *range(15, -1, -1)], "f0e1d2c3b4a5968778695a4b3c2d1e0f"),
    ("gguf_k", 4, [1] * 31 + [2] + [3] * 31 + [4], "31" * 31 + "42"),
    ("gguf_k", 2, [0] * 32 + [1] * 32 + [2] * 32 + [3] * 31 + [0], "e4" * 31 + "24"),
    ("gptq", 4, [*range(8)], "10325476"),
    ("gptq", 8, [1, 2, 3, 255], "010203ff"),
    ("gptq", 2, [0, 1, 2, 3] * 4, "e4e4e4e4"),
    # values 10 and 21 straddle the words: bits 30-32 and 63-65
    ("gptq", 3, [7 * (i in (0, 10, 21)) for i in range(32)], "070000c0" "01000080" "03000000"),
    ("awq", 4, [*range(8)], "20643175"),
    ("compressed_tensors", 4, [-8, -7, -6, 7, 0], "10f20800"),
    ("compressed_tensors", 1, [-1, 0, 0], "06000000"),
    ("compressed_tensors", 8, [-128, 0, 127], "0080ff00"),
    ("compressed_tensors", 3, [3 * (i == 10) - 4 * (i != 10) for i in range(11)], "000000c001000000"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "bits", "codes", "packed"), GOLDEN)
def test_golden_bytes(order, bits, codes, packed):
    assert numfmt.pack(codes, bits, order).tobytes().hex() == packed
    again = numfmt.unpack(bytes.fromhex(packed), bits, len(codes), order, signed=min(codes) < 0)
    assert again.tolist() == codes


def test_the_docstring_lists_every_order():
    first_words = {line.split()[0] for line in numfmt.pack.__doc__.splitlines() if line.strip()}
    assert set(ORDERS) <= first_words


@pytest.mark.parametrize(
    ("codes", "bits", "order", "message"),
    [
        ([1], 4, "middle", r"unknown bit order 'middle'.*torchao_plain"),
        ([1], 4, "gtpq", r"Did you mean 'gptq'"),
        ([1], 3, "awq", r"order 'awq' packs codes of 4 bits, got bits=3"),
        ([1], 5, "gptq", r"order 'gptq' packs codes of 2, 3, 4, 8 bits, got bits=5"),
        ([1], 9, "compressed_tensors", r"got bits=9"),
        ([1], 0, "little", r"bits must be an integer from 1 to 64, got 0"),
        ([1], True, "little", r"bits must be"),
        ([1], 4.0, "little", r"bits must be"),
        ([1] * 33, 4, "gguf", r"'gguf' packs blocks of 32 codes, got 33 codes; pad them with 31 more"),
        ([1], 4, "bitsandbytes", r"blocks of 2 codes, got 1 codes; pad them with 1 more"),
        ([1] * 31, 3, "gptq", r"blocks of 32 codes, got 31 codes; pad them with 1 more"),
        ([1] * 9, 4, "awq", r"blocks of 8 codes, got 9 codes; pad them with 7 more"),
        ([16], 4, "onnx", r"a code of 4 bits is needed, got 16"),
        ([-9], 4, "compressed_tensors", r"a code of 4 bits is needed, got -9"),
    ],
)
def test_what_pack_refuses(codes, bits, order, message):
    with pytest.raises(ValueError, match=message):
        numfmt.pack(codes, bits, order)


@pytest.mark.parametrize(
    ("buffer", "bits", "count", "order", "message"),
    [
        (b"12", 3, 1, "onnx", r"order 'onnx' packs codes of 2, 4, 6 bits, got bits=3"),
        (b"12", 4, 5, "little", r"5 codes of 4 bits need 3 bytes, got 2"),
        (b"123", 4, 5, "awq", r"5 codes of 4 bits need 4 bytes, got 3"),
        (b"1" * 15, 4, 1, "gguf", r"1 codes of 4 bits need 16 bytes, got 15"),
        (b"12", 4, -1, "little", r"count must be an integer from 0 on, got -1"),
        (b"12", 4, 1.0, "little", r"count must be"),
    ],
)
def test_what_unpack_refuses(buffer, bits, count, order, message):
    with pytest.raises(ValueError, match=message):
        numfmt.unpack(buffer, bits, count, order)


def test_types_that_are_refused():
    with pytest.raises(TypeError, match="codes are integers, got an array of dtype float64"):
        numfmt.pack([1.0], 4)
    with pytest.raises(TypeError, match=r"holds uint8, got int32; .view\(np.uint8\)"):
        numfmt.unpack(np.zeros(1, np.int32), 4, 8, "gptq")


@pytest.mark.parametrize("dtype", ["int4", "uint4", "int2", "uint2"])
def test_narrow_integers_of_ml_dtypes(dtype):
    """One an element, as ONNX's tensors hold them."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bits, signed = int(dtype[-1]), dtype.startswith("i")
    codes = np.arange(-(1 << (bits - 1)) if signed else 0, 1 << (bits - signed)).astype(np.int8)
    packed = numfmt.pack(codes.astype(getattr(ml_dtypes, dtype)), bits)
    assert packed.tobytes() == numfmt.pack(codes, bits).tobytes()
    assert (numfmt.unpack(packed, bits, codes.size, signed=signed) == codes).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: numfmt.pack([2**64], 64), numfmt.RangeError, f"a code of 64 bits is needed, got {2**64}"),
        (lambda: numfmt.pack([[1], [2, 3]], 4), ValueError, "a regular grid, got a ragged list"),
        (lambda: numfmt.pack([None], 4), TypeError, "codes are integers, got an array of dtype object"),
        (lambda: numfmt.unpack([1, 2], 4, 3), TypeError, "is bytes or an array of uint8, got list"),
        (lambda: numfmt.unpack("ab", 4, 3), TypeError, "is bytes or an array of uint8, got str"),
    ],
)
def test_what_is_no_array_of_codes(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_words_of_the_system_are_views():
    words = numfmt.pack(range(16), 4, "gptq").view("<i4")
    assert [f"{w & 0xFFFFFFFF:08x}" for w in words.tolist()] == ["76543210", "fedcba98"]
    assert numfmt.unpack(words.view(np.uint8), 4, 16, "gptq").tolist() == list(range(16))


@pytest.mark.parametrize("order", ["little", "gguf_k", "compressed_tensors"])
def test_memory_beyond_the_result_is_a_few_chunks(order):
    codes = np.zeros(1 << 23, np.uint8)
    numfmt.unpack(numfmt.pack(codes, 4, order), 4, codes.size, order)
    tracemalloc.start()
    packed = numfmt.pack(codes, 4, order)
    numfmt.unpack(packed, 4, codes.size, order)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < codes.nbytes * 1.5 + (1 << 20)
