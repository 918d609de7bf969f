"""VDPBF16PS as the processor at hand runs it, beside the model `intel_vdpbf16ps`.

`python tests/gemm/bf16_instruction.py 100` compares 100 million dot products of two on hard operands.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import numpy as np

from numfmt import matmul

LANES = 16
CODE = """
declare <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(<16 x float>, <32 x bfloat>, <32 x bfloat>)

define void @dots(ptr %c, ptr %a, ptr %b, i64 %vectors) {
entry:
  br label %step
step:
  %i = phi i64 [ 0, %entry ], [ %next, %step ]
  %c_at = getelementptr <16 x float>, ptr %c, i64 %i
  %a_at = getelementptr <32 x bfloat>, ptr %a, i64 %i
  %b_at = getelementptr <32 x bfloat>, ptr %b, i64 %i
  %x = load <16 x float>, ptr %c_at, align 4
  %y = load <32 x bfloat>, ptr %a_at, align 2
  %z = load <32 x bfloat>, ptr %b_at, align 2
  %d = call <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(<16 x float> %x, <32 x bfloat> %y, <32 x bfloat> %z)
  store <16 x float> %d, ptr %c_at, align 4
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %vectors
  br i1 %more, label %step, label %done
done:
  ret void
}
"""


@cache
def instruction():
    """The function and what keeps it alive, or None: LLVM ends the process on what it cannot select."""
    try:
        from llvmlite import binding
    except ImportError:
        return None
    features = binding.get_host_cpu_features()
    if not all(features.get(name) for name in ("avx512f", "avx512bw", "avx512vl", "avx512bf16")):
        return None
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features.flatten()
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(CODE), machine)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(engine.get_function_address("dots"))
    return call, engine


def run(c, a, b):
    """c : (n,) float32; a, b : (n, 2) uint16 codes of bf16, n a multiple of 16."""
    out = np.ascontiguousarray(c).copy()
    x, y = np.ascontiguousarray(a), np.ascontiguousarray(b)
    instruction()[0](out.ctypes.data, x.ctypes.data, y.ctypes.data, len(out) // LANES)
    return out


def hard_codes(rng, n):
    """bf16: exponents near each other, any, or at an end, with significands of few ones or long runs."""
    fraction = rng.choice([0, 1, 0x40, 0x7F, 0x7E, 0x55, 0x01, 0x3F], n)
    near, any_, ends = (
        rng.integers(120, 134, n),
        rng.integers(0, 256, n),
        rng.choice([0, 1, 2, 63, 64, 254, 255], n),
    )
    exponent = np.select([rng.random(n) < 0.6, rng.random(n) < 0.5], [near, any_], ends)
    return (rng.integers(0, 2, n) << 15 | exponent << 7 | fraction).astype(np.uint16)


def hard_sums(rng, a, b):
    """float32: the first product negated, half an ulp beside it, any word, or around the least normal value."""
    with np.errstate(all="ignore"):
        product = (widen(a[:, 0]) * widen(b[:, 0])).view(np.uint32)
    beside = product ^ np.uint32(0x80000000) ^ rng.integers(0, 4, len(a)).astype(np.uint32)
    wide = rng.integers(0, 1 << 32, len(a), dtype=np.uint32)
    tiny = np.uint32(0x00800000) + rng.integers(-3, 4, len(a)).astype(np.uint32)
    kind = rng.integers(0, 3, len(a))
    return np.select([kind == 0, kind == 1], [beside, wide], tiny).astype(np.uint32).view(np.float32)


def widen(codes):
    return (codes.astype(np.uint32) << 16).view(np.float32)


def modelled(c, a, b):
    return matmul(widen(a)[:, None], widen(b)[:, :, None], unit="intel_vdpbf16ps", c=c[:, None, None])[
        :, 0, 0
    ]


def modelled_fast(c, a, b):
    """The same for many elements: the operands side by side, as an array the model's step takes."""
    from numfmt.gemm import unit_arrays, unit_of

    unit = unit_of("intel_vdpbf16ps")
    with np.errstate(all="ignore"):
        x, y = (
            unit_arrays.operand(
                unit_arrays._flushed(widen(z).astype(np.float64), "bf16", "signed"), "bf16"
            ).values
            for z in (a, b)
        )
        start = unit_arrays._flushed(c.astype(np.float64), "f32", "signed")
        terms = (x * y).T[[1, 0]]
        return unit_arrays._chain(unit.step, unit_arrays.Operand(terms, terms), start, "f32").astype(
            np.float32
        )


def mismatches(found, wanted):
    """NaN equals NaN."""
    same = found.view(np.uint32) == wanted.view(np.uint32)
    return ~(same | (np.isnan(found) & np.isnan(wanted)))


def operands(rng, n):
    a, b = hard_codes(rng, 2 * n).reshape(n, 2), hard_codes(rng, 2 * n).reshape(n, 2)
    return hard_sums(rng, a, b), a, b


def main():
    millions = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    bad = 0
    for seed in range(millions):
        given = operands(np.random.default_rng(seed), 16 * 62500)
        bad += int(mismatches(run(*given), modelled_fast(*given)).sum())
        print(f"{seed + 1} million dot products, {bad} differ", flush=True)


if __name__ == "__main__":
    main()
