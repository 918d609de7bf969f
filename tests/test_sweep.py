"""The sweep: its step function is the reference, it finds planted bugs, it goes on where it stopped."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import numfmt
from numfmt import reference
from numfmt.rounding import MODES
from numfmt.testing import sweep

DETERMINISTIC = [name for name, mode in MODES.items() if not mode.stochastic]
NORMAL = 0x3F800000  # 1.0


def asked(fmt, start, count, against="reference", rounding="nearest_even", overflow="ieee"):
    return sweep.Question(fmt, against, rounding, overflow, start, start + count)


@pytest.mark.parametrize("mode", DETERMINISTIC)
@pytest.mark.parametrize(
    "spec", ["e4m3fn", "e2m1fn", "e8m0fnu", "e5m2fnuz", "e4m3fn[subnormals=off]", "binary8p3ue"]
)
def test_the_step_table_is_the_reference(spec, mode):
    """At random patterns, at every step and just below it."""
    fmt = numfmt.parse(spec)
    policy = reference.policy(fmt, mode, nan=sweep._nan(fmt))
    first, codes = sweep.step_table(fmt, policy, 0, sweep.PATTERNS)
    rng = np.random.default_rng(7)
    patterns = np.concatenate([rng.integers(0, sweep.PATTERNS, 50), first[::5], first[1::5] - 1])
    found = codes[np.searchsorted(first, patterns, side="right") - 1]
    assert found.tolist() == [sweep._reference_code(int(p), fmt, policy) for p in patterns]


@pytest.mark.parametrize("start", [0, 0x3A000123, 0x7F7FFFF0, 0x7FFFFFF0, 0x80000000, 0xFFFFFF00])
def test_a_part_of_the_step_table(start):
    fmt = numfmt.parse("e4m3fn")
    policy = reference.policy(fmt)
    first, codes = sweep.step_table(fmt, policy, 0, sweep.PATTERNS)
    part, part_codes = sweep.step_table(fmt, policy, start, min(start + 0x100, sweep.PATTERNS))
    wanted = codes[np.searchsorted(first, part, side="right") - 1]
    assert part[0] == start
    assert part_codes.tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ("spec", "against", "start", "count"),
    [
        ("bf16", "reference", NORMAL, 1 << 24),
        ("f16", "reference", 0x33000000, 1 << 24),  # subnormal results
        ("f16", "numpy", 0x46FFF000, 1 << 22),
        ("e4m3fn", "reference", 0x3A000000, 0x0A000000),  # every positive value and the overflow
        ("e4m3fn", "ml_dtypes", 0xBA000000, 0x0A000000),
        ("e5m2", "reference", 0x7F000000, 0x01000000),  # overflow, infinity, NaN
        ("e2m1fn", "ml_dtypes", 0x7F000000, 0x01000000),
        ("e8m0fnu", "ml_dtypes", 0, 0x00900000),
        ("e8m0fnu", "reference", 0x80000000, 1 << 20),  # -0 is no number there
        ("bf16", "ml_dtypes", 0xFF000000, 0x01000000),
        ("tf32", "reference", 0, 1 << 22),
        ("int8", "reference", 0xC2000000, 0x02000000),  # negative codes, the last value, overflow
        ("q3.4", "reference", 0xBC000000, 0x04000000),
        ("uq4.4", "reference", 0x3C000000, 0x06000000),
        ("int12", "reference", 0xFF000000, 0x01000000),  # infinity and NaN
    ],
)
def test_a_fixed_slice(spec, against, start, count):
    assert sweep.run(asked(spec, start, count, against)) == (start + count, 0, ())


@pytest.mark.parametrize("mode", DETERMINISTIC)
def test_a_fixed_slice_in_every_mode(mode):
    for start in (0x3A800000, 0xBA800000, 0x43000000, 0xC3000000):
        question = asked("e4m3fn", start, 1 << 21, rounding=mode)
        assert sweep.run(question).bad == 0


@pytest.mark.parametrize("against", sweep.ORACLES)
def test_a_planted_bug_is_found(against, monkeypatch):
    """One wrong code among 2^23 patterns."""
    pattern, right = NORMAL + 0x345678, sweep.encoder

    def wrong(fmt, question):
        def run(patterns):
            codes = right(fmt, question)(patterns)
            codes[patterns == pattern] += 1
            return codes

        return run

    monkeypatch.setattr(sweep, "encoder", wrong)
    found = sweep.run(asked("f16" if against == "numpy" else "bf16", NORMAL, 1 << 23, against))
    assert found.bad == 1
    [example] = found.examples
    assert example.pattern == pattern
    assert example.got == example.wanted + 1


def test_a_wrong_sign_of_nan_is_found(monkeypatch):
    """Against the reference a NaN must be the canonical one, sign included."""
    right = sweep.encoder
    monkeypatch.setattr(
        sweep, "encoder", lambda fmt, q: lambda patterns: right(fmt, q)(patterns) & np.uint8(0x7F)
    )
    assert sweep.run(asked("e4m3fn", 0xFF800001, 1 << 20)).bad == 1 << 20
    assert sweep.run(asked("e4m3fn", 0xFF800001, 1 << 20, "ml_dtypes")).bad == 0


def test_the_report_names_both_codes(monkeypatch, capsys):
    right = sweep.encoder
    monkeypatch.setattr(sweep, "encoder", lambda fmt, q: lambda p: right(fmt, q)(p) + np.uint8(1))
    assert sweep.main(["e4m3fn", "--against", "reference", "--start", "0x3F800000", "--count", "100"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("100 mismatches in 100 patterns")
    assert out[1] == "  float32 0x3F800000 (1.0): numfmt 0x39, reference 0x38"
    assert len(out) == 1 + sweep.SHOWN + 1
    assert out[-1] == "  ... and 90 more"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("bf61 --against reference", "Did you mean 'bf16'"),
        ("bf16 --against nothing", "invalid choice"),
        ("bf16", "--against"),
        ("bf16 --against numpy", "numpy has f16 alone"),
        ("e6m9 --against ml_dtypes", "ml_dtypes has no e6m9"),
        ("f16 --against ml_dtypes", "ml_dtypes has no f16"),
        ("f32 --against reference", "at most 20 bits"),
        ("f16 --against numpy --rounding rtz", "rounds to nearest_even"),
        ("bf16 --against reference --rounding sr", "deterministic"),
        ("bf16 --against reference --rounding neerest_even", "Did you mean"),
        ("bf16 --against reference --overflow raise", "delivers"),
        ("e4m3fn --against reference --overflow infinity", "has no infinity"),
        ("q3.4 --against reference --overflow wrap", "codes come again"),
        ("bf16 --against reference --slice 0/4", "1 <= K <= N"),
        ("bf16 --against reference --slice 5/4", "1 <= K <= N"),
        ("bf16 --against reference --slice 1", "1 <= K <= N"),
        ("bf16 --against reference --slice 1/4 --start 0", "not both"),
        ("bf16 --against reference --start -1", "within the 2**32 patterns"),
        ("bf16 --against reference --start 0xFFFFFFFF --count 2", "within the 2**32 patterns"),
        ("bf16 --against reference --count 0", "within the 2**32 patterns"),
        ("bf16 --against reference --count x", "invalid"),
    ],
)
def test_bad_use(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        sweep.main(arguments.split())
    assert caught.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_slices_cover_everything_once():
    parts = [sweep._span(sweep._parser().parse_args(["f16", "--against", "numpy", "--slice", f"{k}/7"]))
             for k in range(1, 8)]  # fmt: skip
    assert (parts[0][0], parts[-1][1]) == (0, sweep.PATTERNS)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))


def test_an_interrupted_sweep_goes_on(tmp_path, monkeypatch):
    """Ctrl-C after the second chunk; the rest is done by the next run, nothing twice."""
    monkeypatch.setattr(sweep, "CHUNK", 1 << 12)
    state, question = tmp_path / "state.json", asked("bf16", NORMAL, 1 << 16)
    chunks, seen = sweep.compared, []

    def interrupted(question, progress):
        for i, step in enumerate(chunks(question, progress)):
            if i == 2:
                raise KeyboardInterrupt
            yield step

    monkeypatch.setattr(sweep, "compared", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(question, state)
    assert sweep.load_state(state, question).done == NORMAL + 2 * sweep.CHUNK
    assert os.listdir(tmp_path) == ["state.json"]

    def noted(fmt, question, right=sweep.encoder):
        return lambda patterns: (seen.append(int(patterns[0])), right(fmt, question)(patterns))[1]

    monkeypatch.setattr(sweep, "compared", chunks)
    monkeypatch.setattr(sweep, "encoder", noted)
    assert sweep.run(question, state) == (question.stop, 0, ())
    assert sorted(seen) == list(range(NORMAL + 2 * sweep.CHUNK, question.stop, sweep.CHUNK))
    seen.clear()
    assert sweep.run(question, state).done == question.stop  # a finished sweep has nothing to do
    assert not seen


def test_mismatches_survive_an_interruption(tmp_path):
    question = asked("bf16", 0, 1 << 20)
    progress = sweep.Progress(5, 3, (sweep.Mismatch(1, 2, 3),))
    sweep.save_state(tmp_path / "s", question, progress)
    assert sweep.load_state(tmp_path / "s", question) == progress


@pytest.mark.parametrize("text", ["", "{", "[]", '{"question": {}}', '{"question": {"fmt": "bf16"}}', "\0"])
def test_a_foreign_state_file_is_refused_and_left_alone(tmp_path, text, capsys):
    state = tmp_path / "state.json"
    state.write_text(text)
    with pytest.raises(SystemExit):
        sweep.main(["bf16", "--against", "reference", "--count", "10", "--resume", str(state)])
    assert "is no state of a sweep" in capsys.readouterr().err
    assert state.read_text() == text


def test_a_state_file_that_cannot_be_written_is_found_out_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "compared", lambda *a: pytest.fail("the work began"))
    with pytest.raises(SystemExit) as caught:
        sweep.main(["bf16", "--against", "reference", "--resume", str(tmp_path / "no" / "state")])
    assert caught.value.code == 2
    assert "No such file" in capsys.readouterr().err


def test_the_state_of_another_sweep_is_refused(tmp_path):
    state = tmp_path / "state.json"
    sweep.save_state(state, asked("f16", 0, 10), sweep.Progress(5))
    with pytest.raises(ValueError, match="the state of another sweep: f16"):
        sweep.run(asked("bf16", 0, 10), state)
    assert json.loads(state.read_text())["question"]["fmt"] == "f16"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_saves_and_exits_130(tmp_path):
    state = tmp_path / "state.json"
    command = [
        sys.executable,
        "-m",
        "numfmt.testing.sweep",
        "e4m3fn",
        "--against",
        "reference",
        "--resume",
        str(state),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
            if state.exists() and json.loads(state.read_text())["done"]:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, ""), err
    assert err == f"interrupted; {state} has the state\n"
    assert 0 < json.loads(state.read_text())["done"] < sweep.PATTERNS
