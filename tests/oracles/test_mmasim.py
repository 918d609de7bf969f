"""The models of matrix units beside those of MMA-Sim (Xie et al., arXiv 2511.10909).

Tensor cores alone, and no tiny sums: its models of matrix cores changed between releases, and so did the exponent
of a zero.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from numfmt import matmul
from numfmt.gemm import unit_of
from numfmt.testing import assert_same_bits

torch = pytest.importorskip("torch")
nvidia = pytest.importorskip("mmasim.simulator.nv_ptx")
sys.path.append(str(Path(__file__).parents[1] / "gemm"))
from unit_cases import operands  # noqa: E402

MODELS = [  # unit, class of MMA-Sim, architecture, qualifier
    ("nvidia_v100_fp16", nvidia.mma, "Volta", "m8n8k4.f32.f16.f16.f32"),
    ("nvidia_v100_fp16_fp16out", nvidia.mma, "Volta", "m8n8k4.f16.f16.f16.f16"),
    ("nvidia_t4_fp16", nvidia.mma, "Turing", "m16n8k8.f32.f16.f16.f32"),
    ("nvidia_a100_fp16", nvidia.mma, "Ampere", "m16n8k16.f32.f16.f16.f32"),
    ("nvidia_a100_fp16_fp16out", nvidia.mma, "Ampere", "m16n8k16.f16.f16.f16.f16"),
    ("nvidia_a100_bf16", nvidia.mma, "Ampere", "m16n8k16.f32.bf16.bf16.f32"),
    ("nvidia_a100_tf32", nvidia.mma, "Ampere", "m16n8k8.f32.tf32.tf32.f32"),
    ("nvidia_ada_e4m3", nvidia.mma, "Ada Lovelace", "m16n8k32.f32.e4m3.e4m3.f32"),
    ("nvidia_ada_e5m2_fp16out", nvidia.mma, "Ada Lovelace", "m16n8k32.f16.e5m2.e5m2.f16"),
    ("nvidia_h100_fp16", nvidia.mma, "Hopper", "m16n8k16.f32.f16.f16.f32"),
    ("nvidia_h100_tf32", nvidia.wgmma, "Hopper", "m64n8k8.f32.tf32.tf32"),
    ("nvidia_h100_bf16", nvidia.wgmma, "Hopper", "m64n8k16.f32.bf16.bf16"),
    ("nvidia_h100_e4m3", nvidia.wgmma, "Hopper", "m64n8k32.f32.e4m3.e4m3"),
    ("nvidia_h100_e5m2_fp16out", nvidia.wgmma, "Hopper", "m64n8k32.f16.e5m2.e5m2"),
    ("nvidia_rtx50_e4m3", nvidia.mma, "RTX Blackwell", "m16n8k32.f32.e4m3.e4m3.f32"),
]


@pytest.mark.parametrize("kind", ["near", "cancelling", "edges", "codes", "special"])
@pytest.mark.parametrize(("name", "simulator", "architecture", "qualifier"), MODELS)
def test_same_bits(name, simulator, architecture, qualifier, kind):
    unit, peer, rng = unit_of(name), simulator(architecture, qualifier), np.random.default_rng(11)
    steps = peer.k // unit.run
    a, b, c, _ = operands(unit, kind, rng, peer.m, peer.n, steps)
    tensors = [
        torch.from_numpy(x.astype(np.float32)).to(dtype)
        for x, dtype in ((a, peer.a_type), (b, peer.b_type), (c, peer.c_type))
    ]
    wanted = peer(*tensors).float().numpy()
    assert_same_bits(matmul(a, b, unit=unit, c=c), wanted, unit.step.output)
