"""Each planted bug shows in vectors, and is named from wrong results."""

import numpy as np
import pytest

from numfmt import vectors
from numfmt.testing.mutants import MUTANTS, Question, applicable, suspects

CASES = [
    ("mul", "e4m3fn"), ("add", "f16"), ("sub", "e5m2"), ("fma", "bf16"), ("div", "f16"), ("sqrt", "f16"),
    ("cast", "e4m3fn"), ("cast", "bf16"), ("from_int", "f16"), ("to_int", "int8"), ("min", "f16"), ("max", "e5m2"),
    ("eq", "e5m2"), ("lt", "f32"), ("le_quiet", "bf16"), ("fma", "f32"),
]  # fmt: skip
MODES = ["nearest_even", "toward_zero", "toward_positive", "toward_negative"]


def caught(found, mutant, mode):
    codes, flags = mutant.answer(Question(found.request, mode), found.operands)
    assert codes.shape == flags.shape == found["a"].shape
    return np.flatnonzero((codes != found["result"]) | (flags != found["flags"]))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("op", "fmt"), CASES)
def test_vectors_catch_every_mutant(op, fmt, mode):
    found = vectors.generate(op, fmt, rounding=mode)
    if found.rounding != (mode,):
        pytest.skip(f"{op} does not round")
    there = applicable(found.request, mode)
    assert len(there) > 3
    assert [m.name for m in there if not caught(found, m, mode).size] == []


def test_each_mutant_applies_somewhere():
    asked = [Question(vectors.request(op, fmt, rounding=mode), mode) for op, fmt in CASES for mode in MODES]
    assert [m.name for m in MUTANTS.values() if not any(m.applies(q) for q in asked)] == []


@pytest.mark.parametrize("name", ["truncates", "ties_away", "operands_flushed", "minus_zero_lost", "bias_high",
                                  "double_rounding", "sticky_lost", "carry_lost", "overflow_to_max"])  # fmt: skip
def test_a_bug_is_named(name):
    found = vectors.generate("mul", "bf16")
    codes, flags = MUTANTS[name].answer(Question(found.request, "nearest_even"), found.operands)
    best = suspects(found.request, "nearest_even", found.operands, codes, flags)[0]
    assert (best.mutant.name, best.explained, best.spoils) == (name, best.wrong, 0)
    assert suspects(found.request, "nearest_even", found.operands, codes)[0].explained > 0


def test_nothing_is_suspected_of_right_results_or_noise():
    found = vectors.generate("mul", "e4m3fn")
    assert suspects(found.request, "nearest_even", found.operands, *found.results) == []
    noise = np.random.default_rng(0).integers(0, 256, len(found), dtype=np.uint8)
    assert suspects(found.request, "nearest_even", found.operands, noise) == []
