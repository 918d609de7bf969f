"""Every coder gives the codes back, and its stream is as long as `storage_cost` says."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.extra import numpy as hnp

import numfmt
from numfmt import coding
from numfmt.coding import streams

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "numfmt-hypothesis")  # not into the sources
LAZY = settings(deadline=None, max_examples=300, derandomize=True, database=None)
DATA = Path(numfmt.__file__).parent / "data" / "minilm_layer2.npz"

# way in `storage_cost`: (encode, decode, what it takes besides codes and bits)
CODERS = {
    "runs": (coding.run_length_encode, coding.run_length_decode, {"gap_bits"}),
    "runs of zero": (coding.zero_run_encode, coding.zero_run_decode, {"gap_bits", "zero"}),
    "CSR": (coding.csr_encode, coding.csr_decode, {"gap_bits", "zero"}),
    "CSR, Huffman": (coding.csr_huffman_encode, coding.csr_huffman_decode, {"gap_bits", "zero"}),
    "Huffman": (coding.huffman_encode, coding.huffman_decode, set()),
}


def check(codes, bits=None, **how):
    """All coders on some codes: the round trip, the size, the bytes."""
    costs = numfmt.storage_cost(codes, bits=bits, **how)
    for way, (encode, decode, names) in CODERS.items():
        stream = encode(codes, bits=bits, **{name: how[name] for name in names & set(how)})
        found = decode(stream)
        assert found.shape == np.shape(codes)
        assert found.dtype == np.uint16
        assert np.array_equal(found, codes), way
        assert stream.length == costs.way(way).bits, way
        assert stream.data.size == -(-stream.length // 8)
        assert not stream.data.size or not np.unpackbits(stream.data)[stream.length :].any()


@st.composite
def sparse_codes(draw):
    """Codes of which most are one and the same, in one to three axes, in any integer type that holds them."""
    bits = draw(st.integers(1, 9))
    dtype = draw(st.sampled_from(["u2", "i2", ">i4", "i8"]))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=12))
    zero = draw(st.integers(0, (1 << bits) - 1))
    fill = st.just(zero) if draw(st.booleans()) else None
    codes = draw(hnp.arrays(dtype, shape, elements=st.integers(0, (1 << bits) - 1), fill=fill))
    return codes, bits, draw(st.sampled_from([zero, None]))


@LAZY
@given(sparse_codes(), st.integers(1, 6))
def test_round_trips(case, gap_bits):
    codes, bits, zero = case
    check(codes, bits, zero=zero, gap_bits=gap_bits)


@pytest.mark.parametrize("gap_bits", [1, 2, 3])
@pytest.mark.parametrize("more", range(-2, 3))
def test_gaps_and_runs_around_the_widest(gap_bits, more):
    """Spans of once and twice 2**gap_bits places, one less and one more, within rows and across them."""
    for spans in (1, 2):
        gap = max((spans << gap_bits) + more, 0)
        row = [*[0] * gap, 3, *[0] * gap, 2, *[0] * gap]
        check(np.array(row), gap_bits=gap_bits)
        check(np.array([row, row[::-1], [0] * len(row)]), gap_bits=gap_bits)
        check(np.array([1] * gap + [0] * (gap + 1)), gap_bits=gap_bits, zero=1)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (0, 3), (1, 1), (2, 3, 4, 5), (7, 1), (1, 7)])
@pytest.mark.parametrize("value", [0, 5])
def test_one_symbol(shape, value):
    check(np.full(shape, value))
    check(np.full(shape, value), zero=0 if value else 1)


def test_an_empty_list():
    check([], bits=4)


def test_the_widest_codes():
    check(np.array([0, 65535, 1, 65535, 32768]), bits=16, gap_bits=16)


def test_more_codes_than_a_chunk_of_bytes():
    rng = np.random.default_rng(0)
    drawn = rng.geometric(0.4, 300_000) - 1
    check(np.minimum(drawn, 63).reshape(600, 500), bits=6, gap_bits=4)
    assert coding.huffman_encode(drawn).data.size > 1 << 16


@pytest.mark.parametrize("name", ["weight", "gradient"])
def test_real_codes(name):
    x = np.load(DATA)[name]
    quarter = np.abs(x).max() / 8
    codes = np.clip(np.rint(x / quarter), -8, 7).astype(int) + 8
    check(codes, bits=4, zero=8, gap_bits=5)
    check(codes, bits=8, gap_bits=8)


@pytest.mark.parametrize("spec", ["int4[size=32,axis=-1]", "mxfp4", "nvfp4", "int8[axis=0]", "uint4[axis=0]"])
def test_blocks(spec):
    x = np.load(DATA)["weight"][:64, :96]
    a = numfmt.encode(x, spec)
    costs = numfmt.storage_cost(a)
    assert costs.way("packed").bits_per_element == a.bits_per_element
    assert costs.way("packed").codes == 8 * a.pack().codes.size
    assert costs.way("codes in memory").codes == 8 * a.codes.nbytes
    own = a.codes.astype(int) & ((1 << a.format.of.bits) - 1)
    for way, (encode, decode, _) in CODERS.items():
        stream = encode(a)
        assert np.array_equal(decode(stream), own)
        assert stream.length + costs.way(way).shared == costs.way(way).bits


@pytest.mark.parametrize("spec", ["kmeans4", "twn", "lloyd3[axis=0]"])
def test_learned_levels(spec):
    a = numfmt.encode(np.load(DATA)["weight"][:64, :96], spec)
    costs = numfmt.storage_cost(a)
    assert costs.way("packed").bits == round(a.bits_per_element * a.size)
    assert costs.way("packed").codes == a.format.of.bits * a.size
    assert costs.way("codes in memory").codes == 8 * a.codes.nbytes
    for way, (encode, decode, _) in CODERS.items():
        stream = encode(a)
        assert np.array_equal(decode(stream), a.codes)
        assert stream.length + costs.way(way).shared == costs.way(way).bits


def test_packed_is_what_pack_writes():
    codes = np.arange(31) % 8
    assert numfmt.storage_cost(codes, bits=3).way("packed").bits == 93
    assert numfmt.pack(codes, 3).size == -(-93 // 8)


def outcome(decode, fields):
    """The shape that comes out, or whether the stream is refused."""
    try:
        return decode(streams.Coded(**fields)).shape
    except ValueError as error:
        told = "stream is damaged" in str(error) or "ends too early" in str(error)
        return "refused" if told or "table of the stream" in str(error) else str(error)


@LAZY
@given(sparse_codes(), st.integers(1, 5))
def test_a_stream_cut_short_is_refused_or_gives_codes(case, gap_bits):
    """Whatever is left of a stream, the answer is an error of one kind or an array of the shape."""
    codes, bits, zero = case
    for encode, decode, names in CODERS.values():
        how = {"gap_bits": gap_bits, "zero": zero}
        whole = encode(codes, bits=bits, **{name: how[name] for name in names})
        for length in {0, whole.length // 2, max(whole.length - 1, 0)}:
            fields = {**vars(whole), "length": length}
            assert outcome(decode, fields) in (codes.shape, "refused")


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_stream_is_refused_or_gives_codes(seed):
    rng = np.random.default_rng(seed)
    codes = np.where(rng.random((9, 40)) < 0.8, 0, rng.integers(0, 16, (9, 40)))
    for encode, decode, _ in CODERS.values():
        whole = encode(codes, bits=4)
        damaged = whole.data ^ np.where(
            rng.random(whole.data.size) < 0.1, rng.integers(0, 256, whole.data.size), 0
        )
        fields = {**vars(whole), "data": damaged.astype(np.uint8)}
        assert outcome(decode, fields) in (codes.shape, "refused")


def test_a_length_beyond_the_data_is_refused():
    whole = coding.huffman_encode([1, 2, 3])
    with pytest.raises(ValueError, match="a stream of 99999 bits needs that many, data= has"):
        coding.huffman_decode(streams.Coded(**{**vars(whole), "length": 99999}))


def test_long_words_across_chunks():
    rng = np.random.default_rng(1)
    check(rng.integers(0, 1 << 12, 70_000), bits=12)


def words(widths_and_words):
    """Fields of one word each."""
    return [streams.Field("codes", np.array([word], np.int64), width) for width, word in widths_and_words]


@pytest.mark.parametrize(
    ("decode", "written", "said"),
    [
        # gaps of 3 bits before codes of 2 bits, three elements
        (coding.zero_run_decode, [(3, 3), (2, 1)], "a code lies at 3 of 3"),
        (coding.run_length_decode, [(3, 3), (2, 1)], "its runs have 4 codes, not 3"),
        (coding.run_length_decode, [(3, 1), (2, 1)], "its runs have 2 codes, not 3"),
        # pointers of 2 bits: one row of three elements
        (coding.csr_decode, [(2, 1), (2, 1)], "its rows do not begin one after the other"),
        (coding.csr_decode, [(2, 0), (2, 1), (3, 3), (2, 1)], "a code lies at 3 of 3"),
        (
            coding.csr_decode,
            [(2, 0), (2, 2), (3, 0), (2, 1)],
            "the stream ends too early: 9 bits, and 10 are",
        ),
        # lengths of four words, and Kraft's sum beyond 1
        (coding.huffman_decode, [(6, 1), (6, 1), (6, 2), (6, 0), (3, 0)], "no prefix code has codewords"),
        (coding.huffman_decode, [(6, 58), (6, 1), (6, 0), (6, 0), (3, 0)], "no prefix code has codewords"),
        (coding.huffman_decode, [(6, 0)] * 4, "it has no codewords, for 3 codes"),
        (coding.huffman_decode, [(6, 1), (6, 1), (6, 0), (6, 0), (2, 0)], "26 bits, and 27 are asked for"),
        (coding.huffman_decode, [(6, 1), (6, 2), (6, 2), (6, 0), (3, 1)], "27 bits, and 28 are asked for"),
    ],
)
def test_damage_is_told(decode, written, said):
    coder = decode.__name__.removesuffix("_decode")
    stream = streams.coded(coder, words(written), streams.codes_of([0, 0, 0], 2), gap_bits=3)
    with pytest.raises(ValueError, match=said):
        decode(stream)


def test_rows_that_go_back_are_refused():
    stream = streams.coded(
        "csr", words([(3, 0), (3, 3), (3, 2)]), streams.codes_of(np.zeros((2, 3), int), 2), 3
    )
    with pytest.raises(ValueError, match="its rows do not begin one after the other"):
        coding.csr_decode(stream)


@pytest.mark.parametrize("way", CODERS)
@pytest.mark.parametrize("other", CODERS)
def test_each_decoder_reads_the_streams_of_its_coder_alone(way, other):
    encode, decode = CODERS[way][0], CODERS[other][1]
    stream = encode([1, 2, 3])
    if way == other:
        assert decode(stream).tolist() == [1, 2, 3]
        return
    own = encode.__name__
    said = f"a stream of {own} is read by {own.removesuffix('_encode')}_decode, not by {decode.__name__}"
    with pytest.raises(ValueError, match=said):
        decode(stream)


@pytest.mark.parametrize("way", CODERS)
def test_what_is_no_stream_is_refused(way):
    encode, decode, _ = CODERS[way]
    with pytest.raises(TypeError, match=f"{decode.__name__} takes what {encode.__name__} gives, not ndarray"):
        decode(np.zeros(3, np.uint8))
