"""Elias' codes: known words, round trips, lengths, no word the start of another."""

import itertools

import numpy as np
import pytest

from numfmt.quantizers import elias

OMEGA = {
    1: "0", 2: "100", 3: "110", 4: "101000", 7: "101110", 8: "1110000", 15: "1111110", 16: "10100100000",
    100: "1011011001000", 1000: "11100111111010000", 1_000_000: "1010010011111101000010010000000",
}  # fmt: skip
GAMMA = {1: "1", 2: "010", 3: "011", 4: "00100", 8: "0001000", 17: "000010001"}
NUMBERS = [*range(1, 2000), 2**16 - 1, 2**16, 2**16 + 1, 2**31, 2**32 - 1, 2**52, 2**53 - 1]
CODES = {
    "omega": (elias.omega_word, elias.read_omega, elias.omega_lengths),
    "gamma": (elias.gamma_word, elias.read_gamma, elias.gamma_lengths),
}


def test_known_words():
    assert {n: elias.omega_word(n) for n in OMEGA} == OMEGA
    assert {n: elias.gamma_word(n) for n in GAMMA} == GAMMA


@pytest.mark.parametrize("code", CODES)
def test_round_trip_and_lengths(code):
    word, read, lengths = CODES[code]
    words = [word(n) for n in NUMBERS]
    assert lengths(NUMBERS).tolist() == [len(w) for w in words]
    stream, at = "".join(words), 0
    for n in NUMBERS:
        got, at = read(stream, at)
        assert got == n
    assert at == len(stream)


@pytest.mark.parametrize("code", CODES)
def test_no_word_is_the_start_of_another(code):
    words = sorted(CODES[code][0](n) for n in range(1, 3000))
    assert not any(b.startswith(a) for a, b in itertools.pairwise(words))


@pytest.mark.parametrize("bad", [0, -1, 2**53, 1.5])
def test_bad_numbers(bad):
    for lengths in (elias.omega_lengths, elias.gamma_lengths):
        with pytest.raises(ValueError, match="from 1 to"):
            lengths(np.array([bad]))


def test_bits_that_end_within_a_word():
    with pytest.raises(ValueError, match="end within a code"):
        elias.read_omega("1010", 0)
    with pytest.raises(ValueError, match="end within a code"):
        elias.read_gamma("0010", 0)
