"""The sweep of operations: its fixed slices, planted bugs, going on where it stopped."""

import json

import numpy as np
import pytest

import numfmt
from numfmt import arithmetic
from numfmt.testing import operations


def asked(
    fmt, operation, against="reference", rounding="nearest_even", count=None, tininess="after", start=0
):
    bits = numfmt.parse(fmt).bits * operations.OPERANDS[operation]
    return operations.Question(fmt, operation, against, rounding, tininess, start, count or 1 << bits)


def swept(question):
    [(_, progress)] = operations.run([question])
    return progress


@pytest.mark.parametrize(
    "question",
    [
        asked("e2m1fn", "add", rounding="stochastic_b"), asked("e3m2fn", "mul", rounding="toward_negative"),
        asked("e2m3fn", "div", tininess="before"), asked("e2m1fn", "fma", rounding="to_odd"),
        asked("e5m2", "sqrt", rounding="nearest_away"), asked("e8m0fnu", "sqrt", rounding="toward_zero"),
        asked("e3m2fn", "remainder", rounding="toward_negative"), asked("e8m0fnu", "sub", count=3000),
        asked("e5m2", "add", rounding="toward_negative", start=30000, count=50000),
        asked("e4m3fnuz", "div", rounding="away_from_zero", start=0, count=20000),
        asked("e5m2", "fma", count=20000), asked("f16", "add", "numpy", count=1 << 18),
        asked("bf16", "mul", "numpy", count=1 << 18), asked("bf16", "div", "numpy", count=1 << 18),
        asked("f16", "fma", "numpy", count=1 << 18), asked("bf16", "sqrt", "numpy"),
        asked("bf16", "fma", "mpfr", "toward_zero", count=20000), asked("f16", "sub", "mpfr", "toward_positive", 20000),
        asked("e5m2", "mul", "mpfr", "toward_negative", count=20000),
    ],
    ids=str,
)  # fmt: skip
def test_a_fixed_slice(question):
    if question.against == "mpfr":
        pytest.importorskip("gmpy2")
    assert swept(question) == (question.stop, 0, ())


@pytest.mark.parametrize("against", operations.ORACLES)
def test_a_planted_bug_is_found(against, monkeypatch):
    """One wrong bit of one result."""
    if against == "mpfr":
        pytest.importorskip("gmpy2")
    question, right = (
        asked("e5m2" if against == "reference" else "f16", "add", against, count=40000),
        operations.ours,
    )

    def wrong(question, start, stop):
        found = right(question, start, stop).copy()
        found[12345 - start] ^= found.dtype.type(1 << 44 if against == "mpfr" else 1)
        return found

    monkeypatch.setattr(operations, "ours", wrong)
    found = swept(question)
    assert (found.bad, found.examples[0].pattern) == (1, 12345)


def test_a_wrong_flag_is_found(monkeypatch, capsys):
    right = arithmetic.mul

    def wrong(a, b, fmt, **how):
        codes, flags = right(a, b, fmt, **how)
        return codes, np.where((a == 1) & (b == 0x3C), flags | 2, flags)

    monkeypatch.setattr(arithmetic, "mul", wrong)
    assert operations.main(["e5m2", "mul", "--against", "reference"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "mul in e5m2 (nearest_even, tiny after) against reference: 1 mismatches in 65536",
        "  0x1, 0x3C: numfmt 0x1 flags 00010, reference 0x1 flags 00000",
    ]


def test_operands_are_all_of_them():
    question = asked("e3m2fn", "fma")
    a, b, c = operations.operands(question, 0, question.stop)
    assert np.unique(a.astype(np.int64) << 12 | b << 6 | c).size == 1 << 18
    for bits in (9, 16, 32, 48, 64):
        numbers = np.arange(1 << 16, dtype=np.uint64)
        assert np.unique(operations._scattered(numbers, bits)).size == min(1 << bits, 1 << 16)


def test_the_exact_results_know_zeros_and_nan():
    e3m2 = numfmt.parse("e3m2")
    question = asked("e3m2", "add", rounding="toward_negative")
    found = operations.reference_results(question)(0, 4096).reshape(64, 64)
    assert found[4, 36] == 0x20, "-0"
    assert found[0, 0] == 0
    assert found[29, 0] == e3m2.nan() | 16 << 16, "a NaN that signals"
    assert found[30, 0] == e3m2.nan()
    assert found[28, 60] == e3m2.nan() | 16 << 16, "infinities of two signs"


def test_modes_one_after_another():
    """Exact results are kept from mode to mode, but for the sign of 0."""
    modes = "nearest_even,toward_negative,toward_positive"
    assert operations.main(["e3m2fn", "sub", "--against", "reference", "--rounding", modes]) == 0


def test_an_interrupted_sweep_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(operations, "CHUNK", 1 << 12)
    state, steps = tmp_path / "state", operations.compared

    def interrupted(question, progress):
        for i, step in enumerate(steps(question, progress)):
            if i == 3:
                raise KeyboardInterrupt
            yield step

    command = ["e5m2", "sqrt,add", "--against", "reference", "--count", "30000", "--resume", str(state)]
    monkeypatch.setattr(operations, "compared", interrupted)
    assert operations.main(command) == 130
    assert f"{state} has the state" in capsys.readouterr().err
    done = {name.split()[0]: row[0] for name, row in json.loads(state.read_text()).items()}
    assert done == {"sqrt": 256, "add": 3 << 12}
    monkeypatch.setattr(operations, "compared", steps)
    seen, right = [], operations.ours
    monkeypatch.setattr(
        operations, "ours", lambda q, start, stop: (seen.append(start), right(q, start, stop))[1]
    )
    assert operations.main(command) == 0
    assert sorted(seen) == list(range(3 << 12, 30000, 1 << 12))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("bf61 add --against numpy", "Did you mean 'bf16'"),
        ("bf16 plus --against numpy", "unknown operation 'plus'; there are add, sub"),
        ("bf16 add --against reference", "at most 8 bits, bf16 has 16"),
        ("e4m3fn add --against numpy", "numpy has f16 and bf16"),
        ("bf16 add --against numpy --rounding rtz", "in nearest_even"),
        ("bf16 fma --against numpy", "for f16 alone"),
        ("e4m3fn add --against mpfr", "MPFR has IEEE formats"),
        ("bf16 add --against numpy --slice 3/2", "1 <= K <= N"),
        ("bf16 add", "--against"),
    ],
)
def test_bad_use(arguments, words, capsys):
    pytest.importorskip("gmpy2")
    with pytest.raises(SystemExit) as caught:
        operations.main(arguments.split())
    assert caught.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": [1, 2]}'])
def test_a_foreign_state_file_is_refused_and_left_alone(tmp_path, text, capsys):
    state = tmp_path / "state"
    state.write_text(text)
    with pytest.raises(SystemExit):
        operations.main(["e2m1fn", "add", "--against", "reference", "--resume", str(state)])
    assert "is no state of a sweep" in capsys.readouterr().err
    assert state.read_text() == text
