"""onnx, torchao, gguf, bitsandbytes, compressed-tensors: the bytes that they store for the same codes."""

import numpy as np
import pytest

import numfmt

rng = np.random.default_rng(5)
COUNTS = (1, 2, 3, 4, 5, 31, 64, 65)


def drawn(bits, count, signed):
    low = -(1 << (bits - 1)) if signed else 0
    return rng.integers(low, low + (1 << bits), count).astype(np.int8 if signed else np.uint8)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", ["int4", "uint4", "int2", "uint2", "float6_e2m3fn"])
def test_onnx(dtype, count):
    helper = pytest.importorskip("onnx.numpy_helper")
    ml_dtypes = pytest.importorskip("ml_dtypes")
    if "6" in dtype and not hasattr(helper, "_pack_6bit"):
        pytest.skip("this onnx has no 6-bit tensors")
    bits = int(dtype.removeprefix("float").lstrip("uint")[0])
    codes = drawn(bits, count, dtype[0] == "i")
    stored = codes.view(ml_dtypes.float6_e2m3fn) if bits == 6 else codes.astype(getattr(ml_dtypes, dtype))
    assert numfmt.pack(codes, bits, "onnx").tobytes() == helper.from_array(stored).raw_data


@pytest.mark.parametrize(("device", "order"), [("cuda", "torchao"), ("xpu", "torchao_plain")])
def test_torchao_weights(device, order, monkeypatch):
    """The nibbles are made in Python, by the device's name; here on a CPU."""
    torch = pytest.importorskip("torch")
    utils = pytest.importorskip("torchao.quantization.utils")
    monkeypatch.setattr(utils, "_is_device", lambda name, _: name == device)
    codes = drawn(4, 256, False).reshape(4, 64)
    scales, zeros = torch.ones(4, 2), torch.full((4, 2), 8.0)  # value = code
    packed = utils.groupwise_affine_quantize_tensor_from_qparams(
        torch.from_numpy(codes).float(), scales, zeros, groupsize=32
    )
    assert packed.numpy().astype(np.uint8).tobytes() == numfmt.pack(codes, 4, order).tobytes()


def test_torchao_optimizer_states():
    torch = pytest.importorskip("torch")
    states = pytest.importorskip("torchao.optim.subclass_4bit")
    codes = drawn(4, 256, False)
    packed = torch.from_numpy(numfmt.pack(codes, 4, "torchao"))
    state = states.OptimState4bit(packed, torch.ones(2), torch.arange(16.0), False, (256,), torch.float32)
    assert (state.dequantize().numpy() == codes).all()


@pytest.mark.parametrize("block", [32, 128])
def test_gguf(block):
    quants = pytest.importorskip("gguf.quants")
    one, nothing = np.float16(1).tobytes(), np.float16(0).tobytes()
    codes = drawn(4, 320, False) if block == 32 else drawn(2, 384 * 2, False)
    if block == 32:
        rows = numfmt.pack(codes, 4, "gguf").reshape(-1, 16).tolist()
        raw = b"".join(one + bytes(row) for row in rows)
        values = quants.Q4_0.dequantize_blocks(np.frombuffer(raw, np.uint8).reshape(-1, 18)) + 8
    else:
        rows = numfmt.pack(codes, 2, "gguf_k").reshape(-1, 64).tolist()
        raw = b"".join(b"\1" * 16 + bytes(row) + one + nothing for row in rows)
        values = quants.Q2_K.dequantize_blocks(np.frombuffer(raw, np.uint8).reshape(-1, 84))
    assert values.reshape(-1).astype(int).tolist() == codes.tolist()


def test_gguf_q4_k():
    quants = pytest.importorskip("gguf.quants")
    codes = drawn(4, 512, False)
    scales = bytes([1] * 4 + [0] * 4 + [1] * 4)  # every sub-block's scale 1, its minimum 0
    head = np.float16(1).tobytes() + np.float16(0).tobytes() + scales
    raw = b"".join(head + bytes(row) for row in numfmt.pack(codes, 4, "gguf_k").reshape(-1, 128).tolist())
    values = quants.Q4_K.dequantize_blocks(np.frombuffer(raw, np.uint8).reshape(-1, 144))
    assert values.reshape(-1).astype(int).tolist() == codes.tolist()


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_bitsandbytes(kind):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes.functional")
    codebook = functional.get_4bit_type(kind, device="cpu").numpy()
    largest = int(np.argmax(np.abs(codebook)))
    codes = drawn(4, 256, False)
    codes[codebook[codes] == 0] = largest  # fp4 has two zeros
    codes[::64] = largest  # so the scale of each block is 1
    x = torch.from_numpy(codebook[codes])
    packed, _ = functional.quantize_4bit(x, blocksize=64, quant_type=kind)
    assert packed.numpy().tobytes() == numfmt.pack(codes, 4, "bitsandbytes").tobytes()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("bits", range(1, 9))
def test_compressed_tensors(bits, count):
    torch = pytest.importorskip("torch")
    helpers = pytest.importorskip("compressed_tensors.compressors.pack_quantized.helpers")
    codes = drawn(bits, count, True)
    words = helpers.pack_to_int32(torch.from_numpy(codes)[None], bits).numpy()
    assert words.tobytes() == numfmt.pack(codes, bits, "compressed_tensors").tobytes()
    again = numfmt.unpack(words.view(np.uint8), bits, count, "compressed_tensors", signed=True)
    assert (again == codes).all()
