"""Coverage, small packs, and the mutation audit."""

import numpy as np
import pytest

from numfmt import parse, vectors
from numfmt.errors import SpecError
from numfmt.testing import audit
from numfmt.testing.mutants import MUTANTS, Question
from numfmt.vectors.classes import NAMES, classes


@pytest.mark.parametrize(
    "spec",
    [
        "e4m3fn",
        "e5m2",
        "e4m3fnuz",
        "e2m1fn",
        "e8m0fnu",
        "binary8p3se",
        "binary8p3uf",
        "int4",
        "e4m3fn[subnormals=off]",
    ],
)
def test_classes_are_those_of_the_values(spec):
    fmt = parse(spec)
    found = [NAMES[i] for i in classes(np.arange(1 << fmt.bits, dtype=np.uint8), fmt)]
    for code, name in enumerate(found):
        value, sign = fmt.value(code), name[0]
        if value != value:
            assert name.endswith("NaN")
            continue
        kind = "zero" if value == 0 else "infinity" if abs(value) == float("inf") else (
            "subnormal" if abs(value) < fmt.min_normal else "normal")  # fmt: skip
        assert name[1:] == kind, (code, value)
        assert sign == ("-" if value < 0 or str(value) == "-0.0" else "+")


def test_coverage_counts_every_vector_once():
    found = vectors.generate("add", "e5m2", rounding="rne,rup")
    table = vectors.coverage(found)
    assert sum(row.size for row in table) == len(found)
    assert {row.rounding for row in table} == set(found.rounding)
    assert {row.position for row in table} == {"exact", "below the tie", "tie", "above the tie"}
    row = next(r for r in table if r.operands == ("+infinity", "-infinity"))
    assert (row.flags, row.size) == (16, 1)


def test_positions_are_where_exact_results_lie():
    found = vectors.generate("cast", "e4m3fn", operands="f16", rounding="rne")
    x = found["a"].view(np.float16).astype(float)
    table = {
        row.position: row.first
        for row in vectors.coverage(found)
        if row.operands == ("+normal",) and row.flags == 1
    }
    fractions = {
        position: x[i] / 2.0 ** (max(np.frexp(x[i])[1] - 1, -6) - 3) % 1 for position, i in table.items()
    }
    assert fractions["tie"] == 0.5
    assert 0 < fractions["below the tie"] < 0.5 < fractions["above the tie"] < 1


@pytest.mark.parametrize(("op", "fmt"), [("mul", "e4m3fn"), ("add", "f16"), ("fma", "bf16"), ("lt", "e5m2")])
def test_a_small_pack_covers_and_catches_as_much(op, fmt):
    whole = vectors.generate(op, fmt, rounding="rne,rdn")
    small = audit.minimal(whole)
    assert len(small) < len(whole) / 10
    cells = [{row[:5] for row in vectors.coverage(v)} for v in (whole, small)]
    assert cells[0] == cells[1]
    assert audit.run(small)


def test_an_audit_names_what_lives_and_what_caught():
    whole = vectors.generate("mul", "bf16", count=3000)
    found = audit.run(whole)
    assert found
    row = next(r for r in found.rows if r.mutant.name == "ties_away")
    wrong = MUTANTS["ties_away"].answer(Question(whole.request, "nearest_even"), whole.operands)[0]
    assert row.at == np.flatnonzero(wrong != whole["result"])[0]
    assert f"not {int(wrong[row.at]):04X}" in row.shown
    plain = audit.run(whole.take(whole["flags"] == 0))
    assert not plain
    assert {"ties_away", "underflow_never"} <= {r.mutant.name for r in plain.alive}
    with pytest.raises(SpecError, match="no mutants of dot"):
        audit.run(vectors.generate("dot", "f16", count=5))
