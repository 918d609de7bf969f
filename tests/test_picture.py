"""The notebook picture of a format: well formed, small, and drawn to scale."""

from __future__ import annotations

import re
from fractions import Fraction
from html.parser import HTMLParser
from itertools import pairwise

import pytest

import numfmt
from numfmt.picture import format_html, number
from numfmt.registry import examples


class Tags(HTMLParser):
    """Every tag that opens closes, in order; keeps the boxes and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.boxes: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append(tag)
        if tag == "rect":
            self.boxes.append(dict(attrs))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("spec", examples())
def test_the_picture_is_well_formed_and_small(spec):
    fmt = numfmt.parse(spec)
    page = format_html(fmt)
    tags = Tags(page)
    assert tags.open == []
    assert set(tags.seen) <= {"div", "b", "span", "svg", "title", "rect", "path", "text"}
    assert len(page.encode()) < 4096
    assert str(fmt) in tags.text
    assert page == fmt._repr_html_()


@pytest.mark.parametrize("spec", examples())
def test_one_box_a_field_as_wide_as_its_bits(spec):
    fmt = numfmt.parse(spec)
    boxes = Tags(format_html(fmt)).boxes
    widths = [float(b["width"]) for b in boxes if b["y"] == "4"]
    cell = sum(widths) / fmt.bits
    assert widths == pytest.approx([bits * cell for _, bits in fmt.fields], abs=0.2)


def test_the_range_is_drawn_to_scale():
    """f32: 1.4e-45 to 3.4e38 on a scale of 84 decades over 432 pixels."""
    boxes = [b for b in Tags(format_html(numfmt.parse("f32"))).boxes if b["y"] == "34"]
    subnormal, normal = ((float(b["x"]), float(b["width"])) for b in boxes)
    decade = 432 / (39 + 45)
    assert subnormal[1] == pytest.approx(23 * 0.30103 * decade, abs=0.2)
    assert subnormal[0] + subnormal[1] == pytest.approx(normal[0], abs=0.2)
    assert normal[0] == pytest.approx(24 + (45 - 37.93) * decade, abs=0.2)
    assert normal[0] + normal[1] == pytest.approx(24 + (45 + 38.53) * decade, abs=0.2)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("e4m3fn", "8 bits: ±0.00195312 (subnormal), 0.015625 … 448; nan"),
        ("e2m1fn", "4 bits: ±0.5 (subnormal), 1 … 6"),
        ("e8m0fnu", "8 bits: 5.87747e-39 … 1.70141e+38; nan; no zero"),
        ("f16[subnormals=off]", "16 bits: ±0.0000610352 … 65504; inf; nan"),
    ],
)
def test_the_sentence_says_the_range(spec, words):
    assert words in Tags(format_html(numfmt.parse(spec))).text


@pytest.mark.parametrize("spec", ["f64", "e4m3fn", "e8m0fnu", "e2m1fn", "binary3p2sf"])
def test_labels_of_the_scale_keep_apart(spec):
    """Eleven pixel type is about seven wide; the labels are centred."""
    labels = re.findall(r'<text x="([\d.]+)" y="69">([^<]+)<', format_html(numfmt.parse(spec)))
    assert 2 <= len(labels) <= 9
    ends = [(float(x) - 3.5 * len(t), float(x) + 3.5 * len(t)) for x, t in labels]
    assert ends[0][0] >= 0
    assert ends[-1][1] <= 480
    assert all(a[1] < b[0] for a, b in pairwise(ends))


def test_names_are_escaped():
    class Odd(type(numfmt.parse("f16"))):
        fields = (("<script>", 16),)

        def __str__(self):
            return "<i>&"

    page = format_html(Odd(5, 10, 15))
    assert "<script>" not in page
    assert "<i>" not in page
    assert "&lt;i&gt;&amp;" in page


def test_numbers_past_float64():
    assert number(Fraction(2) ** 5000) == "1.41247e+1505"
