"""Codebooks against bitsandbytes itself: its maps, and the searches of its CPU and default backends.

Blocks whose largest magnitude is 1, so that scaling changes no bit.
"""

from itertools import pairwise

import numpy as np
import pytest

import numfmt
from numfmt.formats import codebook_searches

torch = pytest.importorskip("torch")
pytest.importorskip("bitsandbytes", minversion="0.50")
from bitsandbytes import functional  # noqa: E402

F32 = np.float32
BLOCK = 256
DEFAULT = torch._C.DispatchKey.CompositeExplicitAutograd  # the backend of devices without one of their own


def table(spec):
    return np.array(numfmt.parse(spec).table, F32)


@pytest.mark.parametrize("signed", [True, False])
def test_maps_of_eight_bits(signed):
    """In the profile of this machine's torch."""
    u = "" if signed else "u"
    dynamic = functional.create_dynamic_map(signed=signed).numpy().tobytes()
    linear = functional.create_linear_map(signed=signed).numpy().tobytes()
    assert dynamic in {table(f"dyn8{u}{p}").tobytes() for p in ("", "[profile=default]")}
    assert linear in {table(f"linear8{u}{p}").tobytes() for p in ("", "[profile=default]")}


@pytest.mark.parametrize("bits", range(2, 8))
def test_maps_of_fewer_bits(bits):
    """The library fills them up to 256 entries with zeros."""
    signed = np.unique(functional.create_dynamic_map(True, bits, bits).numpy())
    unsigned = np.unique(functional.create_dynamic_map(False, bits - 1, bits).numpy())
    for u, found in (("", signed), ("u", unsigned)):
        named = [table(f"dyn{bits}{u}{p}").tobytes() for p in ("", "[profile=default]")]
        assert found.tobytes() in named


@pytest.mark.parametrize(("kind", "spec"), [("nf4", "nf4"), ("fp4", "fp4_bnb"), ("af4", "af4")])
def test_tables_of_four_bits(kind, spec):
    assert functional.get_4bit_type(kind, device="cpu", blocksize=64).tolist() == table(spec).tolist()


def hard(spec, more=()):
    """Numbers in blocks that end with 1: values, mid-points and their neighbours, and random ones."""
    values = np.unique(table(spec))
    near = np.concatenate([values, (values[:-1] + values[1:]) / F32(2), F32([0, -0.0]), F32(more)])
    drawn = np.random.default_rng(0)
    parts = [
        near,
        np.nextafter(near, F32(2)),
        np.nextafter(near, F32(-2)),
        -near,
        F32(drawn.uniform(-1, 1, 1 << 19)),
    ]
    parts += [F32(drawn.standard_normal(1 << 17) * 1e-3), F32(drawn.standard_normal(1 << 17) * 1e-6)]
    x = np.concatenate(parts).clip(-1, 1)
    x = np.concatenate([x, np.zeros(-x.size % (BLOCK - 1), F32)]).reshape(-1, BLOCK - 1)
    x = np.hstack([x, np.ones((len(x), 1), F32)])
    return np.ascontiguousarray(np.abs(x) if values[0] == 0 else x)


MAPS = ["dyn8", "dyn8u", "linear8", "linear8u", "dyn8[profile=default]"]


def ruled(spec, rule):
    return f"{spec[:-1]},{rule}]" if spec.endswith("]") else f"{spec}[{rule}]"


@pytest.mark.parametrize("spec", MAPS)
def test_eight_bits_on_the_default_backend(spec):
    x, code = hard(spec), torch.from_numpy(table(spec))
    op = torch.ops.bitsandbytes.quantize_blockwise.default
    found, largest = op._op_dk(DEFAULT, torch.from_numpy(x), code, BLOCK)
    assert (largest == 1).all()
    assert (numfmt.encode(x, ruled(spec, "midpoints=float32,ties=down")) == found.numpy()).all()


@pytest.mark.parametrize("spec", MAPS)
def test_eight_bits_of_float64_on_the_cpu(spec):
    """For which the CPU's backend takes the first least distance in float32."""
    x, code = hard(spec)[:200], torch.from_numpy(table(spec))
    wide = torch.from_numpy(x.astype(np.float64))
    found, _ = torch.ops.bitsandbytes.quantize_blockwise(wide, code, BLOCK)
    assert (numfmt.encode(x, ruled(spec, "midpoints=distance,ties=down")) == found.numpy()).all()


@pytest.mark.parametrize("spec", MAPS)
def test_eight_bits_on_the_cpu(spec):
    points = codebook_searches.tabulated(numfmt.parse(spec))
    x, code = hard(spec, F32(points.cuts)), torch.from_numpy(table(spec))
    found, largest = torch.ops.bitsandbytes.quantize_blockwise(torch.from_numpy(x), code, BLOCK)
    assert (largest == 1).all()
    assert (
        points.codes[np.searchsorted(points.cuts, x.astype(np.float64), side="right")] == found.numpy()
    ).all()


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_four_bits_on_the_default_backend(kind):
    spec = "nf4" if kind == "nf4" else "fp4_bnb"
    x = hard(spec)
    packed, largest = torch.ops.bitsandbytes.quantize_4bit(torch.from_numpy(x), BLOCK, kind, torch.uint8)
    assert (largest == 1).all()
    found = numfmt.unpack(packed.numpy().reshape(-1), 4, x.size, order="big")
    codes = numfmt.encode(x, f"{spec}[midpoints=float32,ties=down]").reshape(-1)
    if kind == "fp4":
        points = codebook_searches.bucketized(numfmt.parse("fp4_bnb"))
        assert (numfmt.decode(codes, spec) == numfmt.decode(found, spec)).all()
        codes = points.codes[np.searchsorted(points.cuts, x.reshape(-1).astype(np.float64), side="right")]
    assert (codes == found).all()


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_four_bits_are_decoded_alike(kind):
    spec = "nf4" if kind == "nf4" else "fp4_bnb"
    codes = np.arange(16, dtype=np.uint8).repeat(BLOCK // 16)
    packed = torch.from_numpy(numfmt.pack(codes, 4, order="big"))
    op = torch.ops.bitsandbytes.dequantize_4bit.default
    found = op._op_dk(DEFAULT, packed, torch.ones(1), BLOCK, kind, (BLOCK,), torch.float32)
    assert found.tolist() == numfmt.decode(codes, spec).tolist()


def test_neighbours_of_the_maps_are_apart():
    """What float32 mid-points need: each lies strictly between two values."""
    for spec in MAPS:
        values = np.unique(table(spec))
        for (x, y), split in zip(pairwise(values), (values[:-1] + values[1:]) / F32(2), strict=True):
            assert x < split < y
