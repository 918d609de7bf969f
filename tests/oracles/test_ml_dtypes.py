"""ml_dtypes, NumPy and torch: nearest even, from inputs for which they round once."""

import numpy as np
import pytest
from laws.hard import hard_values

import numfmt
from oracles.inputs import float32_patterns, float64_values

ml_dtypes = pytest.importorskip("ml_dtypes")

TYPES = {
    "bf16": "bfloat16", "e5m2": "float8_e5m2", "e4m3fn": "float8_e4m3fn", "e4m3": "float8_e4m3",
    "e3m4": "float8_e3m4", "e4m3fnuz": "float8_e4m3fnuz", "e5m2fnuz": "float8_e5m2fnuz",
    "e4m3b11fnuz": "float8_e4m3b11fnuz", "e8m0fnu": "float8_e8m0fnu", "e3m2fn": "float6_e3m2fn",
    "e2m3fn": "float6_e2m3fn", "e2m1fn": "float4_e2m1fn",
}  # fmt: skip


def dtype_of(spec):
    return np.dtype(getattr(ml_dtypes, TYPES[spec]))


@pytest.mark.parametrize("spec", TYPES)
def test_float32_to_ml_dtypes(spec):
    """float32 only: from float64 ml_dtypes rounds twice, through float32."""
    x = float32_patterns(spec)
    if numfmt.parse(spec).nan() is None:
        # MX 1.0 has no NaN in these types; ml_dtypes makes it a negative zero, numfmt raises
        x = x[~np.isnan(x)]
    if spec == "e8m0fnu":
        # float32 subnormals between 2**-127 = 0x400000 and the tie with 2**-126 at 0x600000: the
        # nearer value is 2**-127, ml_dtypes gives 2**-126
        word = x.view(np.uint32)
        x = x[~((word >= 0x400001) & (word <= 0x5FFFFF))]
    with np.errstate(all="ignore"):
        theirs = x.astype(dtype_of(spec))
    codes = numfmt.encode(x, spec)
    raw = theirs.view(codes.dtype)
    nan = np.isnan(x)
    assert (codes[~nan] == raw[~nan]).all()
    # any NaN is a NaN; numfmt's is the quiet one of its sign
    assert np.isnan(theirs[nan].astype(np.float32)).all()
    assert np.isnan(numfmt.decode(codes[nan], spec)).all()


@pytest.mark.parametrize("spec", TYPES)
def test_every_code_of_ml_dtypes(spec):
    fmt = numfmt.parse(spec)
    codes = np.arange(1 << fmt.bits, dtype=f"u{max(1, fmt.bits // 8)}")
    theirs = codes.view(dtype_of(spec)).astype(np.float32)
    ours = numfmt.decode(codes, spec)
    number = ~np.isnan(theirs)
    assert (np.isnan(ours) == ~number).all()
    assert (ours.view(np.uint32)[number] == theirs.view(np.uint32)[number]).all()
    assert numfmt.parse(dtype_of(spec)) == fmt


@pytest.mark.parametrize("spec", TYPES)
def test_arrays_of_ml_dtypes_are_read_as_their_values(spec):
    fmt = numfmt.parse(spec)
    x = np.arange(1 << fmt.bits, dtype=f"u{max(1, fmt.bits // 8)}").view(dtype_of(spec))
    if spec.endswith("fnuz"):
        x = x[~np.isnan(x.astype(np.float32))]  # one NaN, without a sign: ml_dtypes makes it negative
    for target in ("f32", "e5m2", "binary8p3se"):
        assert (numfmt.encode(x, target) == numfmt.encode(x.astype(np.float32), target)).all()


@pytest.mark.parametrize("source", [np.float32, np.float64])
def test_float16_of_numpy(source):
    """NumPy rounds once from both widths."""
    if source is np.float32:
        x = float32_patterns("f16")
    else:
        x = np.concatenate([float64_values("f16", 1 << 20), hard_values("f16")])
    with np.errstate(all="ignore"):
        theirs = x.astype(np.float16)
    ours = numfmt.encode(x, "f16")
    number = ~np.isnan(x)
    assert (ours[number] == theirs.view(np.uint16)[number]).all()
    assert np.isnan(theirs[~number]).all()
    assert ((ours[~number] & 0x7FFF) == 0x7E00).all()


def test_float32_of_numpy():
    x = float64_values("f32", 1 << 20)
    with np.errstate(all="ignore"):
        theirs = x.astype(np.float32)
    ours = numfmt.encode(x, "f32")
    number = ~np.isnan(x)
    assert (ours[number] == theirs.view(np.uint32)[number]).all()


@pytest.mark.parametrize("spec", ["f16", "bf16", "e5m2", "e4m3fn"])
def test_torch(spec):
    torch = pytest.importorskip("torch")
    name = {"f16": "float16", "bf16": "bfloat16", "e5m2": "float8_e5m2", "e4m3fn": "float8_e4m3fn"}[spec]
    x = float32_patterns(spec)
    x = x[~np.isnan(x)]
    wide = np.uint16 if spec in ("f16", "bf16") else np.uint8
    theirs = torch.from_numpy(x).to(getattr(torch, name))
    bits = theirs.view(torch.int16 if wide is np.uint16 else torch.uint8).numpy().view(wide)
    # torch's e4m3fn saturates from 2.13 on, earlier ones gave NaN: both are policies of numfmt
    overflow = "ieee"
    if spec == "e4m3fn":
        overflow = "saturate" if bits[np.argmax(x)] == 0x7E else "ieee"
    assert (numfmt.encode(x, spec, overflow=overflow) == bits).all()
    assert numfmt.parse(getattr(torch, name)) == numfmt.parse(spec)
