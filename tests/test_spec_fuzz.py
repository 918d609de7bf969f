"""Whatever text there is, `parse` gives a format or a `SpecError`, soon."""

import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

import numfmt
from numfmt import registry
from numfmt.format import Format

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "numfmt-hypothesis")  # not into the sources

SECONDS = 1.0  # that one text may take: far more than any needs
KNOWN = [*registry.examples(), *registry.ALIASES]
PIECES = [
    *KNOWN, "[", "]", "=", ",", "subnormals", "on", "off", "e", "m", "b", "-", "fn", "fnuz", "fin", "fnu", "p", "se",
    "binary", "0", "1", "8", "99", "1023", "-1075", " ", "\n", "\t", "\0", "²", "٣", "e４m３", "é", "İ", "ß", "\ud800",
]  # fmt: skip


def outcome(text):
    """The format of a text or its error; anything else that comes out fails the test."""
    registry._parse_text.cache_clear()
    began = time.perf_counter()
    try:
        result = numfmt.parse(text)
    except numfmt.SpecError as error:
        result = error
    assert str(result).strip()
    assert time.perf_counter() - began < SECONDS
    return result


def check(text):
    result = outcome(text)
    if isinstance(result, Format):
        assert numfmt.parse(str(result)) == result
        assert 0 < result.bits <= 64


@given(st.text())
@example("e" + "9" * 900 + "m3")
@example("e4m3b" + "9" * 900)
@example("e4m3b-" + "9" * 900)
@example("binary" + "9" * 900 + "p3se")
@example("e4m3" + "[" * 400 + "]" * 400)
@example("e4m3[subnormals=" + "[" * 300 + "]" * 300 + "]")
@example("e20m2b-500000")
@example("e20m40b524287")
@example("binary24p5se")
@example("x" * 5000)
@example("e٤m٣")
@settings(max_examples=300, deadline=None)
def test_any_text(text):
    check(text)


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@settings(max_examples=600, deadline=None)
def test_pieces_of_specs(text):
    check(text)


@st.composite
def near_misses(draw):
    """A valid spec with a few characters dropped, doubled, swapped or replaced."""
    text = draw(st.sampled_from(KNOWN))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        new = draw(
            st.sampled_from(
                ["", text[at : at + 1] * 2, text[at : at + 2][::-1], "0", "9", "-", "[", "]", "=", "f"]
            )
        )
        text = text[:at] + new + text[at + max(1, len(new) // 2) :]
    return text


@given(near_misses())
@settings(max_examples=600, deadline=None)
def test_near_misses(text):
    check(text)


@given(
    st.integers(0, 40),
    st.integers(0, 70),
    st.integers(-3000, 3000),
    st.sampled_from(["", "fn", "fin", "fnu", "fnuz"]),
)
@settings(max_examples=400, deadline=None)
def test_any_parameters(exp_bits, man_bits, bias, variant):
    check(f"e{exp_bits}m{man_bits}{variant}")
    check(f"e{exp_bits}m{man_bits}b{bias}{variant}")


@given(st.integers(0, 70), st.integers(0, 70), st.sampled_from(["se", "sf", "ue", "uf"]))
@settings(max_examples=300, deadline=None)
def test_any_p3109_parameters(bits, precision, domain):
    check(f"binary{bits}p{precision}{domain}")


@given(
    st.one_of(
        st.none(),
        st.integers(),
        st.floats(),
        st.binary(),
        st.lists(st.text()),
        st.dictionaries(st.text(), st.text()),
    )
)
@settings(max_examples=100, deadline=None)
def test_what_is_no_text(thing):
    with pytest.raises(numfmt.SpecError):
        numfmt.parse(thing)


@pytest.mark.parametrize("spec", KNOWN)
def test_case_and_blanks_do_not_matter(spec):
    assert numfmt.parse(f"  {spec.upper()}\n") == numfmt.parse(spec)
    assert numfmt.parse(" ".join(spec)) == numfmt.parse(spec)
