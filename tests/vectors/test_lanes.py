"""Vectors of sums, requantization and blocks, against other arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

import numfmt
from numfmt import parse, reference, vectors
from numfmt.errors import SpecError
from numfmt.format import is_special


def some(found, count):
    return found.take(np.random.default_rng(3).choice(len(found), count, replace=False))


@pytest.mark.parametrize("mode", ["nearest_even", "toward_zero"])
def test_a_dot_rounds_every_sum(mode):
    found = some(vectors.generate("dot", "bf16", operands="e4m3fn", length=4, rounding=mode), 300)
    source, target = parse("e4m3fn"), parse("bf16")
    policy, checked = reference.policy(target, mode), 0
    for i in range(len(found)):
        words = [int(x[i]) for x in found.operands]
        a, b, c = (
            [f.value(w) for w in ws]
            for f, ws in ((source, words[:4]), (source, words[4:8]), (target, words[8:]))
        )
        total = c[0]
        for x, y in zip(a, b, strict=True):
            if (
                is_special(total)
                or is_special(x)
                or is_special(y)
                or Fraction(x) * Fraction(y) + Fraction(total) == 0
            ):
                break
            total = target.value(
                reference.encode(Fraction(x) * Fraction(y) + Fraction(total), target, policy)
            )
        else:
            assert int(found["result"][i]) == reference.encode(total, target, policy)
            checked += 1
    assert checked > 50


def test_a_matrix_unit_is_that_of_exact_rationals():
    found = some(vectors.generate("dot", "f32", unit="nvidia_h100_bf16", length=16), 40)
    values = [numfmt.decode(x, f) for x, f in zip(found.operands, found.request.operands, strict=True)]
    for i in range(len(found)):
        a, b, c = (
            np.array([x[i] for x in part], np.float32) for part in (values[:16], values[16:32], values[32:])
        )
        exact = numfmt.matmul(a[None], b[:, None], c=c[None], unit="nvidia_h100_bf16", engine="reference")
        assert int(found["result"][i]) == int(exact.view(np.uint32)[0, 0])


def requantized(x, multiplier, shift, zero, stage):
    """By Python's integers: gemmlowp's two roundings, or TFLite's one."""
    if stage == "single":
        total = (x * multiplier + (1 << (30 - shift))) >> (31 - shift)
    else:
        up = (x << max(shift, 0)) + (1 << 31)
        left = (up & 0xFFFFFFFF) - (1 << 31)
        product = left * multiplier
        nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
        high = abs(product + nudge) >> 31
        high = high if product + nudge >= 0 else -high
        right = max(-shift, 0)
        rest, half = high & ((1 << right) - 1), ((1 << right) - 1) >> 1
        total = (high >> right) + (rest > half + (high < 0))
    total = (total + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
    return total + zero


@pytest.mark.parametrize("stage", ["double", "single"])
@pytest.mark.parametrize("fmt", ["int8", "uint8"])
def test_requantize(stage, fmt):
    whole = vectors.generate("requantize", fmt, stage=stage)
    found, form = some(whole, 3000), parse(fmt)
    for i in range(len(found)):
        x, multiplier = (int(np.uint32(found[n][i]).astype(np.int32)) for n in ("x", "multiplier"))
        shift, zero = int(np.uint8(found["shift"][i]).astype(np.int8)), int(form.value(int(found["zero"][i])))
        total = requantized(x, multiplier, shift, zero, stage)
        wanted = min(max(total, int(form.min)), int(form.max))
        assert int(found["result"][i]) == wanted & 255, (x, multiplier, shift, zero)


def test_a_block_has_its_scale_and_its_codes():
    """OCP MX v1.0, 6.3, by hand: 32 numbers of alternating sign up to 11.84."""
    x = np.float32([(-1) ** i * (i + 1) * 0.37 for i in range(32)])
    asked = vectors.request("quantize_block", "mxfp4")
    scale, *codes = asked.answer("nearest_even", tuple(x[:, None].view(np.uint32)))
    told = "0 9 1 9 2 A 3 B 3 C 4 C 4 D 5 D 5 D 6 E 6 E 6 E 6 E 6 F 7 F 7 F"
    assert (int(scale[0]), " ".join(f"{int(c[0]):X}" for c in codes)) == (0x80, told)


@pytest.mark.parametrize(("op", "fmt", "how"), [("dot", "f16", {"length": 3, "count": 500}), ("requantize", "int8", {"count": 500}), ("quantize_block", "mxfp8", {"count": 500})])  # fmt: skip
@pytest.mark.parametrize("form", ["testfloat", "sv", "npz", "memh_split"])
def test_packs_of_lanes(op, fmt, how, form, tmp_path):
    vectors.write(tmp_path, vectors.request(op, fmt, **how), form)
    found, wanted = vectors.load(tmp_path), vectors.generate(op, fmt, **how)
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted.columns)
    assert vectors.check(tmp_path)


BAD = [
    (("dot", "f32"), {"length": 0}, "length is an integer"),
    (("dot", "f32"), {"unit": "nvidia_h900"}, "nvidia_h900"),
    (("dot", "f32"), {"operands": ("f16",) * 4, "length": 8}, "one format, two or three"),
    (("requantize", "int8"), {"stage": "triple"}, "unknown stage"),
    (("quantize_block", "nvfp4"), {}, "plain format"),
    (("quantize_block", "f16"), {}, "as mxfp4"),
    (("quantize_block", "mxfp4"), {"ftz": "after"}, "has no ftz"),
]


@pytest.mark.parametrize(("given", "how", "message"), BAD)
def test_bad_requests(given, how, message):
    with pytest.raises((SpecError, ValueError), match=message):
        vectors.generate(*given, **how)


def test_no_coverage_of_lanes():
    with pytest.raises(SpecError, match="up to three operands"):
        vectors.coverage(vectors.generate("dot", "f16", count=5))
