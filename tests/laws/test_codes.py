"""Laws of names and codes."""

import math

import numpy as np
import pytest

import numfmt
from laws.hard import HELD, SPECS, is_float32, ranks, residues, words
from numfmt import registry
from numfmt.spec import read

WIDE = 16  # formats of up to so many bits are walked code by code


def codes_of(fmt):
    """Every code, or a sample of a wide format with its ends, its edges and its special codes."""
    if fmt.bits <= WIDE:
        return np.array([code for code in fmt.codes() if code != fmt.left_out], dtype=np.uint32)
    top = (1 << fmt.bits) - 1
    finite = [fmt.code_at(rank) for rank in ranks(fmt)]
    around = [c + d for c in (fmt.edge(), fmt.edge(True)) for d in range(-3, 4)]
    ends = [*range(4), *range(top - 3, top + 1)]
    drawn = np.random.default_rng(1).integers(0, top, 300, dtype=np.uint64, endpoint=True).tolist()
    return np.array(
        sorted({c for c in finite + around + ends + drawn if 0 <= c <= top} - {fmt.left_out}), dtype=np.uint64
    )


def is_canonical(fmt, code):
    """Whether encoding gives this code: of NaNs the quiet one of each sign, of numbers the one
    that its rank has (formats without subnormals leave codes over)."""
    value = fmt.value(code)
    if isinstance(value, float) and math.isnan(value):
        return code in (fmt.nan(False), fmt.nan(True))
    if math.isinf(value):
        return True
    return fmt.code_at(fmt.rank(code)) == code and fmt.min <= value <= fmt.max


@pytest.mark.parametrize("spec", SPECS)
def test_parsing_the_name_of_a_format_gives_the_format(spec):
    fmt = numfmt.parse(spec)
    assert numfmt.parse(str(fmt)) == fmt
    assert str(numfmt.parse(str(fmt))) == str(fmt)
    assert hash(numfmt.parse(str(fmt))) == hash(fmt)


@pytest.mark.parametrize("spec", SPECS)
def test_exactly_one_family_knows_a_spelling(spec):
    name = read(spec).name
    spelling = registry.NAMES.get(name, name)
    assert sum(bool(family.pattern.fullmatch(spelling)) for family in registry.FAMILIES) == 1


def test_a_name_hides_no_other_name():
    assert not set(registry.NAMES) & set(registry.ALIASES)
    spelled = [numfmt.parse(name) for name in registry.NAMES]
    assert len(set(spelled)) == len(spelled)


@pytest.mark.parametrize("spec", HELD)
def test_decode_gives_the_value_of_each_code(spec):
    fmt = numfmt.parse(spec)
    codes = codes_of(fmt)
    expected = np.array([float(fmt.value(int(c))) for c in codes])
    for dtype in (None, np.float64):
        decoded = numfmt.decode(codes, spec, dtype=dtype).astype(np.float64)
        numbers = ~np.isnan(expected)
        assert (np.isnan(decoded) == ~numbers).all()
        assert (words(decoded)[numbers] == words(expected)[numbers]).all()


@pytest.mark.parametrize("spec", SPECS)
def test_decode_gives_the_exact_value_of_each_code(spec):
    fmt = numfmt.parse(spec)
    codes = codes_of(fmt)[::5]
    numbers = [i for i, c in enumerate(codes) if not math.isnan(fmt.value(int(c)))]
    found = numfmt.decode(codes, spec, dtype=object)
    assert [found[i] for i in numbers] == [fmt.value(int(codes[i])) for i in numbers]


@pytest.mark.parametrize("spec", sorted(set(SPECS) - set(HELD)))
def test_what_float64_cannot_hold_is_refused(spec):
    for verb in (numfmt.decode, numfmt.cast):
        for dtype in (None, np.float64, np.float32):
            with pytest.raises(ValueError, match="does not hold every value"):
                verb(np.array([0, 1]), spec, dtype=dtype)


@pytest.mark.parametrize("spec", HELD)
def test_the_default_dtype_of_decode_is_the_narrowest_that_holds_all(spec):
    fmt = numfmt.parse(spec)
    codes = codes_of(fmt)
    exact = np.array([float(fmt.value(int(c))) for c in codes])
    narrow = numfmt.decode(codes[:1], spec).dtype == np.float32
    assert narrow == bool(is_float32(exact).all())


@pytest.mark.parametrize("engine", ["numpy", "kernel"])
@pytest.mark.parametrize("spec", HELD)
def test_encoding_a_decoded_code_gives_the_code_back(spec, engine):
    fmt = numfmt.parse(spec)
    codes = codes_of(fmt)
    values = numfmt.decode(codes, spec, dtype=np.float64)
    again = numfmt.encode(values, spec, engine=engine)
    canonical = np.array([is_canonical(fmt, int(c)) for c in codes])
    assert (residues(again, fmt)[canonical] == codes[canonical]).all()
    held = ~((values < float(fmt.min)) | (values > float(fmt.max))) | np.isinf(values)
    assert (words(numfmt.decode(again, spec, dtype=np.float64)) == words(values))[held].all()


@pytest.mark.parametrize("spec", SPECS)
def test_each_value_has_its_rank_and_the_values_rise(spec):
    fmt = numfmt.parse(spec)
    before = None
    for rank in ranks(fmt):
        code, value = fmt.code_at(rank), fmt.at(rank)
        assert fmt.rank(code) == rank
        assert before is None or value > before or (value == before == 0)
        before = value


@pytest.mark.parametrize("spec", SPECS)
def test_a_code_that_does_not_exist_is_refused(spec):
    fmt = numfmt.parse(spec)
    low = -(1 << (fmt.bits - 1)) if fmt.signed_codes else 0
    for code in (low - 1, 1 << fmt.bits):
        if -(1 << 63) <= code < 1 << 63:
            with pytest.raises(numfmt.RangeError):
                numfmt.decode(np.array([0, code]), spec, dtype=object)
