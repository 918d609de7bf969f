"""Every type against numbers worked out one by one, on hard blocks; against the package gguf where it has the type."""

import numpy as np
import pytest

import numfmt
from gguf_blocks import hard, scalar
from numfmt.gguf import TYPES, GGUFArray

SEARCHED = ("q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs")
PACKAGE = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "tq1_0", "tq2_0", "mxfp4")  # what it quantizes
UNREAD = ("q8_1", "q8_k")  # what it does not read


def same(x, y):
    """Bit for bit, NaN equal to NaN."""
    return (x.view(np.uint32) == y.view(np.uint32)) | (np.isnan(x) & np.isnan(y))


def random_bytes(kind, count):
    return np.random.default_rng(kind.number).integers(0, 256, (count, kind.nbytes)).astype(np.uint8)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("numbers", hard.SETS)
def test_bytes_are_those_of_scalars(name, numbers):
    kind = TYPES[name]
    few = 3 if name in SEARCHED and numbers != "nearly constant" else 10
    x = hard.blocks(numbers, kind.elements, few)
    found = numfmt.encode(x, f"gguf_{name}").pack()[:, 0]
    for row, block in zip(x, found, strict=True):
        assert block.tobytes() == scalar.quantize(row, name)


@pytest.mark.parametrize("name", TYPES)
def test_values_are_those_of_scalars(name):
    kind = TYPES[name]
    raw = random_bytes(kind, 40)
    found = GGUFArray.unpack(raw, f"gguf_{name}").decode()
    for row, block in zip(found, raw, strict=True):
        assert same(row, scalar.dequantize(block, name)).all()


@pytest.mark.parametrize("name", PACKAGE)
@pytest.mark.parametrize("numbers", hard.SETS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bytes_are_those_of_the_package(name, numbers):
    """But for -0: where zeros are the largest magnitudes or the least numbers, C takes +0 or the first, and the
    package what NumPy happens to take."""
    quants = pytest.importorskip("gguf.quants")
    x = hard.blocks(numbers, TYPES[name].elements) + np.float32(0)
    theirs = quants.quantize(x, getattr(quants.GGMLQuantizationType, name.upper()))
    assert (numfmt.encode(x, f"gguf_{name}").pack()[:, 0] == theirs).all()


@pytest.mark.parametrize("name", [name for name in TYPES if name not in UNREAD])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_those_of_the_package(name):
    quants = pytest.importorskip("gguf.quants")
    raw = random_bytes(TYPES[name], 2000)
    theirs = quants.dequantize(raw, getattr(quants.GGMLQuantizationType, name.upper()))
    assert same(GGUFArray.unpack(raw, f"gguf_{name}").decode(), theirs).all()


def test_the_table_is_that_of_the_package():
    constants = pytest.importorskip("gguf.constants")
    for kind in TYPES.values():
        number = getattr(constants.GGMLQuantizationType, kind.name.upper())
        assert number == kind.number
        size = (kind.elements, kind.nbytes)
        # the package counts two float32 in Q8_1, where C has two float16
        assert kind.name == "q8_1" or constants.GGML_QUANT_SIZES[number] == size


@pytest.mark.parametrize("name", TYPES)
def test_a_value_is_a_level_times_a_scale(name):
    kind = TYPES[name]
    x = hard.blocks("normal", kind.elements)
    array = numfmt.encode(x, f"gguf_{name}")
    groups = array.scales.shape[1]
    levels = numfmt.decode(array.codes, array.format.of, dtype=np.float32) - np.float32(array.format.zero)
    values = levels.reshape(len(x), groups, -1) * array.scales[:, :, None]
    if array.offsets is not None:
        values = values + array.offsets[:, :, None]
    assert (array.decode() == values.reshape(x.shape)).all()


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("q4_0", 4.5), ("q4_1", 5), ("q5_0", 5.5), ("q5_1", 6), ("q8_0", 8.5), ("q8_1", 9), ("q2_k", 2.625),
        ("q3_k", 3.4375), ("q4_k", 4.5), ("q5_k", 5.5), ("q6_k", 6.5625), ("q8_k", 9.125), ("iq4_nl", 4.5),
        ("iq4_xs", 4.25), ("tq1_0", 1.6875), ("tq2_0", 2.0625), ("mxfp4", 4.25),
    ],
)  # fmt: skip
def test_bits_of_an_element(name, bits):
    array = numfmt.encode(np.zeros((3, 512)), f"gguf_{name}")
    assert array.bits_per_element == bits == numfmt.parse(f"gguf_{name}").bits_per_element((3, 512))
    assert array.nbytes * 8 == bits * array.size


def test_the_logarithm_of_mxfp4_is_that_of_float32():
    """8 less an ulp has logarithm 3 in float32; 4 less an ulp has 2; 2 less an ulp has less than 1."""
    below = [np.nextafter(np.float32(v), np.float32(0)) for v in (2, 4, 8, 2.0**40)]
    found = [numfmt.encode(np.full(32, v), "gguf_mxfp4").pack()[0, 0] - 125 for v in below]
    assert found == [0, 1, 3, 40]
