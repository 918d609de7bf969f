"""Blocks that libraries coded, kept in a file: each profile gives the same bits."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

import numfmt
from numfmt.blocks import BlockArray

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "block_vectors.json").read_text())
CASES = [
    pytest.param(
        profile["format"], case, id=f"{name}-{GOLDEN['inputs'][case['x']][0]}-{case.get('amax', '')}"
    )
    for name, profile in GOLDEN["profiles"].items()
    for case in profile["cases"]
]


def from_words(text, size):
    words = np.zeros(size, np.uint32)
    given = [int(word, 16) for word in text.split()]
    words[: len(given)] = given
    return words.view(np.float32)


def plain(x):
    """Float32 words, NaN canonical."""
    return np.where(np.isnan(x), np.float32(np.nan), x).astype(np.float32).view(np.uint32)


def encoded(form, case):
    """The array of a case's block; a block with nothing but the tensor's largest magnitude follows."""
    _, count, text = GOLDEN["inputs"][case["x"]]
    x = np.zeros(max(count, form.size if isinstance(form.size, int) else 0), np.float32)
    x[:count] = from_words(text, count)
    if "amax" in case:
        other = np.zeros_like(x)
        other[0] = from_words(case["amax"], 1)[0]
        x = np.concatenate([x, other])
    with np.errstate(all="ignore"):
        return numfmt.encode(x, form), count


def scale_value(array, code):
    """A code of the scales as a number."""
    form = array.scales.format.of if isinstance(array.scales, BlockArray) else array.format.scale
    return numfmt.decode(np.uint8([code]), form)[0]


def first_scale(array):
    if isinstance(array.scales, BlockArray):
        return numfmt.decode(array.scales.codes.reshape(-1)[:1], array.scales.format.of)[0]
    return array.scales.reshape(-1)[0]


@pytest.mark.parametrize(("spec", "case"), CASES)
def test_bits_of_libraries(spec, case):
    form = numfmt.parse(spec)
    array, count = encoded(form, case)
    values = plain(array.decode()[:count])
    if "scale" in case and spec != "hif4":
        assert plain(first_scale(array)) == plain(scale_value(array, case["scale"]))
    if "scale32" in case:
        assert plain(first_scale(array)) == plain(from_words(case["scale32"], 1)[0])
    if "codes" in case:
        assert array.codes[:count].tobytes() == bytes.fromhex(case["codes"]).ljust(count, b"\0")
    if "crc" in case:
        assert zlib.crc32(values.astype("<u4").tobytes()) == case["crc"]
    if "decoded" in case:
        assert np.array_equal(values, plain(from_words(case["decoded"], count)))


@pytest.mark.parametrize("case", [c for c in GOLDEN["profiles"]["hif4"]["cases"] if "scale" in c])
def test_levels_of_hif4(case):
    array, _ = encoded(numfmt.parse("hif4"), case)
    whole = array.scales.scales
    assert numfmt.encode(whole.scales, whole.format.scale).tolist() == [case["scale"]]
    assert whole.codes.tolist() == case["eights"]
    assert array.scales.codes.tolist() == case["fours"]


def test_vectors_are_there():
    """Of all profiles here but those of DeepSeek's kernels, which run on a GPU alone."""
    here = {numfmt.parse(profile["format"]).profile.name for profile in GOLDEN["profiles"].values()}
    assert here == {
        "torchao", "transformer_engine", "4over6", "4over6_mse", "4over6_448", "4over6_448_mse", "modelopt",
        "compressed_tensors", "microxcaling", "deepgemm", "hifloat4",
    }  # fmt: skip
