"""The model of VDPBF16PS against the instruction, where the processor has it."""

import bf16_instruction
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _instruction():
    if not bf16_instruction.instruction():
        pytest.skip("the processor has no AVX512-BF16")


def test_hard_operands():
    given = bf16_instruction.operands(np.random.default_rng(7), 160000)
    found = bf16_instruction.run(*given)
    bad = bf16_instruction.mismatches(found, bf16_instruction.modelled_fast(*given))
    assert not bad.any(), [x[bad][0] for x in given]
    assert 0.02 < np.isnan(found).mean() < 0.5


def test_through_matmul():
    given = bf16_instruction.operands(np.random.default_rng(8), 800)
    assert not bf16_instruction.mismatches(
        bf16_instruction.run(*given), bf16_instruction.modelled(*given)
    ).any()
