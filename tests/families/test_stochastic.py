"""Stochastic rounding: known answers of the generator, counts over all draws, statistics."""

import math

import numpy as np
import pytest

import numfmt
from numfmt import noise

ONES, PI = 0xFFFFFFFF, (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0)

# Random123, kat_vectors: rounds, counter, key, words
PHILOX = [
    (10, (0,) * 4, (0,) * 2, "6627E8D5 E169C58D BC57AC4C 9B00DBD8"),
    (10, (ONES,) * 4, (ONES,) * 2, "408F276D 41C83B0E A20BC7C6 6D5451FD"),
    (10, PI[:4], PI[4:], "D16CFE09 94FDCCEB 5001E420 24126EA1"),
    (7, (0,) * 4, (0,) * 2, "5F6FB709 0D893F64 4F121F81 4F730A48"),
    (7, (ONES,) * 4, (ONES,) * 2, "5207DDC2 45165E59 4D8EE751 8C52F662"),
    (7, PI[:4], PI[4:], "4DFCCABA 190A87F0 C47362BA B6B5242A"),
]
CHECK_WORDS = {
    0: {0: 0x6627E8D5, 1: 0xF8E4CCA4, 16: 0xE169C58D, 32: 0xBC57AC4C, 48: 0x9B00DBD8, 63: 0x03186E9F,
        64: 0x9561B015, 2**34: 0x6AD0C5EC},
    0x0123456789ABCDEF: {0: 0xB850222E, 1: 0xADCA1466, 16: 0xC58CB04B, 64: 0xEA52B831, 2**34: 0xD9412D6A},
}  # fmt: skip


@pytest.mark.parametrize(("rounds", "counter", "key", "answer"), PHILOX)
def test_known_answers_of_philox(rounds, counter, key, answer):
    words = noise.philox4x32(tuple(np.array([c], np.uint64) for c in counter), key, rounds)
    assert " ".join(f"{int(w[0]):08X}" for w in words) == answer


@pytest.mark.parametrize("seed", CHECK_WORDS)
def test_check_words(seed):
    for index, word in CHECK_WORDS[seed].items():
        assert int(noise.words(seed, index, 1)[0]) == word
    assert (noise.words(seed, 3, 500) == noise.words(seed, 0, 503)[3:]).all()


def test_element_i_takes_word_i():
    n = 5000
    x = np.full(n, 1.0 + 2.0**-9)
    words = noise.words(77, 0, n)
    drawn = numfmt.cast(x, "bf16", rounding="stochastic", seed=77)
    given = numfmt.cast(x, "bf16", rounding="stochastic", noise=words)
    # a quarter of the spacing: away where the word is at least three quarters of 2**32
    assert (drawn == given).all()
    assert ((drawn > 1) == (words >= 3 << 30)).all()


# P3109 v4.0 4.7.4: of all 2**N words, how many round away in A, B, C: N, fraction, counts
COUNTS = [
    (2, 1 / 8, 0, 1, 0), (2, 3 / 16, 0, 1, 1), (2, 1 / 4, 1, 1, 1), (2, 5 / 16, 1, 1, 1), (2, 3 / 8, 1, 2, 2),
    (2, 1 / 2, 2, 2, 2), (2, 5 / 8, 2, 3, 2), (2, 7 / 8, 3, 4, 4), (3, 1 / 16, 0, 1, 0), (3, 3 / 16, 1, 2, 2),
    (3, 5 / 16, 2, 3, 2), (3, 7 / 16, 3, 4, 4), (3, 15 / 16, 7, 8, 8), (3, 0, 0, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize("where", [(1.0, 0.125), (0.0, 2.0**-9), (2.0**-8, 2.0**-9), (-16.0, -2.0)])
@pytest.mark.parametrize(("bits", "fraction", "a", "b", "c"), COUNTS)
def test_how_many_words_round_away(bits, fraction, a, b, c, where):
    lower, step = where
    x = np.full(1 << bits, lower + fraction * step)
    words = np.arange(1 << bits, dtype=np.uint32) << np.uint32(32 - bits)
    for mode, count in (("stochastic", a), ("stochastic_b", b), ("stochastic_c", c)):
        for low in (0, ONES >> bits):  # bits of the word that are not asked for do not matter
            drawn = words | np.uint32(low)
            result = numfmt.cast(x, "e4m3fn", rounding=mode, noise=drawn, random_bits=bits)
            assert (result != lower).sum() == count, mode


# PTX ISA, cvt.rs.satfinite.bf16x2.f32: float32 bits, 16 random bits, bf16
PTX = [
    (0x3F800000, 0xFFFF, 0x3F80), (0x3F808000, 0x7FFF, 0x3F80), (0x3F808000, 0x8000, 0x3F81),
    (0xBF808000, 0x7FFF, 0xBF80), (0xBF808000, 0x8000, 0xBF81), (0x3F80FFFF, 0x0000, 0x3F80),
    (0x3F80FFFF, 0x0001, 0x3F81), (0x7F7EFFFF, 0xFFFF, 0x7F7F), (0x7F7F0001, 0xFFFF, 0x7F7F),
    (0x7F800000, 0x0000, 0x7F7F), (0x00000001, 0xFFFF, 0x0001), (0x00000001, 0xFFFE, 0x0000),
]  # fmt: skip


@pytest.mark.parametrize(("bits", "word", "result"), PTX)
def test_vectors_of_ptx(bits, word, result):
    x = np.array([bits], np.uint32).view(np.float32)
    for engine in ("reference", "numpy", "kernel"):
        options = {"noise": np.array([word << 16], np.uint32), "random_bits": 16, "overflow": "saturate"}
        code = numfmt.encode(x, "bf16", rounding="stochastic", engine=engine, **options)
        assert int(code[0]) == result


DRAWS = 1 << 20
FRACTIONS = [2.0**-20, 0.001, 0.125, 1 / 3, 0.5, 0.75, 0.999, 1 - 2.0**-16]
# format, lower neighbour, spacing: a normal, a subnormal, below the smallest step, negative
PLACES = [
    ("bf16", 1.0, 2.0**-7), ("e4m3fn", 2.0**-8, 2.0**-9), ("e4m3fn", 0.0, 2.0**-9), ("f16", -3.0, -(2.0**-9)),
    ("f16", 0.0, -(2.0**-24)), ("binary8p3ue", 0.0, 2.0**-33), ("e4m3fnuz", 208.0, 16.0),
    ("e4m3fn[subnormals=off]", 0.0, 2.0**-6), ("e8m0fnu", 2.0, 2.0),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("fmt", "lower", "step"), PLACES)
def test_the_mean_of_many_draws(fmt, lower, step, dtype):
    for seed, fraction in enumerate(FRACTIONS):
        x = dtype(lower + fraction * step)
        share = (float(x) - lower) / step
        drawn = numfmt.cast(np.full(DRAWS, x), fmt, rounding="stochastic", seed=seed)
        away = drawn != drawn.dtype.type(lower)
        assert np.isin(drawn, np.array([lower, lower + step], drawn.dtype)).all()
        error = math.sqrt(share * (1 - share) / DRAWS)
        assert abs(away.mean() - share) <= 5 * error + 2.0**-32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("fmt", "special"), [("e5m2", math.inf), ("e4m3fn", math.nan), ("f16", math.inf)])
def test_the_frequency_of_overflow(fmt, special, dtype):
    form = numfmt.parse(fmt)
    largest, step = float(form.max), float(form.step)
    for seed, share in enumerate((0.125, 0.5, 0.75)):
        x = np.full(DRAWS, largest + share * step, dtype)
        drawn = numfmt.cast(x, fmt, rounding="stochastic", seed=seed)
        over = np.isnan(drawn) if math.isnan(special) else drawn == special
        assert (over | (drawn == largest)).all()
        assert abs(over.mean() - share) <= 5 * math.sqrt(share * (1 - share) / DRAWS)
        kept = numfmt.cast(x, fmt, rounding="stochastic", seed=seed, overflow="saturate")
        assert (kept == largest).all()


@pytest.mark.parametrize("fmt", ["bf16", "e4m3fn", "e8m0fnu", "binary8p3ue"])
def test_the_same_bits_in_any_layout(fmt, monkeypatch):
    n = 1 << 21
    x = np.abs(np.random.default_rng(0).standard_normal(n)).astype(np.float32) + np.float32(0.01)
    options = {"rounding": "stochastic", "seed": 2**63 + 5}
    monkeypatch.setenv("NUMFMT_NUM_THREADS", "1")
    codes = numfmt.encode(x, fmt, **options)
    monkeypatch.setenv("NUMFMT_NUM_THREADS", "2")
    assert (numfmt.encode(x, fmt, **options) == codes).all()
    assert (numfmt.encode(x.astype(np.float64), fmt, **options) == codes).all()
    square = x.reshape(1 << 10, -1)
    fortran = numfmt.encode(np.asfortranarray(square), fmt, **options)
    assert (fortran.reshape(-1) == codes).all()
    apart = np.zeros(2 * n, np.float32)[::2]
    apart[...] = x
    assert (numfmt.encode(apart, fmt, **options) == codes).all()
    words = noise.words(2**63 + 5, 0, n)
    assert (numfmt.encode(x, fmt, rounding="stochastic", noise=words) == codes).all()
    assert (numfmt.encode(x[:1000], fmt, engine="numpy", **options) == codes[:1000]).all()
