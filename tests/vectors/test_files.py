"""Packs: written and read in every form, the same bytes again, refused when damaged."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import numfmt
from numfmt import vectors
from numfmt.errors import SpecError
from numfmt.tensors import FileError
from numfmt.vectors import FORMS, generation, writing
from numfmt.vectors.names import SHORT, function, name_of
from numfmt.vectors.reading import LONGEST

TEXT = [name for name in FORMS if name not in ("npz", "memh_split")]
REQUESTS = [
    ("mul", "e4m3fn", {"rounding": "rne,rtz"}), ("fma", "f32", {"count": 3000}), ("cast", "tf32", {"count": 3000}),
    ("lt", "f16", {"count": 3000}), ("to_int", "int32", {"count": 3000}), ("add", "e2m3fn", {}), ("from_int", "f16", {"count": 300}),
    ("add", "e2m1fn", {"rounding": "rup,rdn,rna"}),
]  # fmt: skip


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a.columns) and np.array_equal(a.modes, b.modes)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("op", "fmt", "how"), REQUESTS)
def test_a_pack_comes_back(op, fmt, how, form, tmp_path):
    asked = vectors.request(op, fmt, **how)
    told = vectors.write(tmp_path / "pack", asked, form)
    found, wanted = vectors.load(tmp_path / "pack"), vectors.generate(op, fmt, **how)
    assert same(found, wanted)
    assert found.rounding == wanted.rounding
    first = tmp_path / "pack" / told["files"][0]["name"]
    assert same(vectors.load(first), wanted.take(wanted.modes == 0))
    assert vectors.check(tmp_path / "pack")
    assert sum(e["vectors"] for e in told["files"]) == len(wanted) * (
        len(asked.fields) if form == "memh_split" else 1
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_same_request_gives_the_same_bytes(form, tmp_path, monkeypatch):
    asked = vectors.request("add", "f16", rounding="rne,rup", count=70_000)
    vectors.write(tmp_path / "one", asked, form)
    monkeypatch.setattr(generation.of_mode, "__defaults__", (999,))
    vectors.write(tmp_path / "other", asked, form)
    names = sorted(os.listdir(tmp_path / "one"))
    assert names == sorted(os.listdir(tmp_path / "other"))
    assert len(names) == (9 if form == "memh_split" else 3)
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


LINES = {
    "testfloat": "7E 7E 7F 05\n", "memh": "7E7E7F05\n", "tv": "7E_7E_7F_05\n", "csv": "0x7E,0x7E,0x7F,0x05\n",
    "jsonl": '{"a":"7E","b":"7E","result":"7F","flags":"05"}\n', "c": "    {0x7Eu, 0x7Eu, 0x7Fu, 0x05u},\n",
    "vunit": "126,126,127,5\n", "sv": "    ,'{8'h7E, 8'h7E, 8'h7F, 8'h05}\n",
}  # fmt: skip


@pytest.mark.parametrize("form", TEXT)
def test_lines(form, tmp_path):
    told = vectors.write(tmp_path, vectors.request("mul", "e4m3fn"), form)
    lines = (tmp_path / told["files"][0]["name"]).read_text().splitlines(keepends=True)
    assert lines.count(LINES[form]) == 1


@pytest.mark.parametrize(
    ("op", "fmt"), [("fma", "f32"), ("add", "tf32"), ("cast", "f64"), ("lt", "f16"), ("add", "e2m3fn")]
)
def test_words_have_all_their_digits(op, fmt, tmp_path):
    found = vectors.generate(op, fmt, count=300)
    told = vectors.write(tmp_path, found)
    lines = (tmp_path / told["files"][0]["name"]).read_text().splitlines()
    digits = [-(-field.bits // 4) for field in found.request.fields]
    rows = zip(*(x.tolist() for x in found.columns.values()), strict=True)
    assert lines == [" ".join(f"{word:0{n}X}" for word, n in zip(row, digits, strict=True)) for row in rows]


def test_memory_does_not_grow_with_the_number_of_vectors():
    class Nowhere:
        def write(self, data):
            pass

    peaks = []
    for count in (600_000, 600_000, 1_800_000):
        tracemalloc.start()
        writing.stream_to(
            Nowhere(), writing.generated(vectors.request("fma", "f32", count=count)), 0, "testfloat"
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1]


def test_a_manifest_of_others_is_kept(tmp_path):
    other = tmp_path / "manifest.json"
    for text in ('{"name": "x"}', "[]", "{", '"layout numfmt request"'):
        other.write_text(text)
        with pytest.raises(FileError, match="is no manifest of vectors, and would be lost"):
            vectors.write(tmp_path, vectors.request("mul", "e2m1fn"))
        assert other.read_text() == text
    with pytest.raises(FileError, match="cannot write '': name a folder"):
        vectors.write("", vectors.request("mul", "e2m1fn"))


def test_manifest(tmp_path):
    told = vectors.write(tmp_path, vectors.request("mul", "e4m3fn", seed=5))
    assert json.loads((tmp_path / "manifest.json").read_text()) == told
    assert told["classes"]["a"]["+subnormal"] == 7 * 256
    assert told["flags"]["05"] == np.count_nonzero(vectors.generate("mul", "e4m3fn")["flags"] == 5)
    assert told["numfmt"] == numfmt.__version__
    assert vectors.of_dict(told["request"]).seed == 5


def test_vunit_refuses_wide_words(tmp_path):
    with pytest.raises(SpecError, match="at most 32 bits"):
        vectors.write(tmp_path, vectors.request("cast", "f64", count=10), "vunit")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    asked = vectors.request("mul", "e2m1fn")
    vectors.write(tmp_path, asked)
    before = (tmp_path / "e2m1fn_mul_rne.tf").read_bytes()

    def broken(*_):
        raise OSError("disk")

    monkeypatch.setattr(writing, "_texts", lambda *_: iter([b"half", broken()]))
    with pytest.raises(OSError, match="disk"):
        vectors.write(tmp_path, asked)
    assert (tmp_path / "e2m1fn_mul_rne.tf").read_bytes() == before
    assert not (tmp_path / "manifest.json").exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_changed_pack_is_refused(tmp_path):
    vectors.write(tmp_path, vectors.request("mul", "e2m1fn"))
    file = tmp_path / "e2m1fn_mul_rne.tf"
    file.write_text(file.read_text().replace("00\n", "01\n", 1))
    with pytest.raises(FileError, match="SHA-256"):
        vectors.load(tmp_path)
    assert vectors.check(file).wrong == 1


@pytest.mark.parametrize("text", ["3C00 4000 4200 00\r\n", "3c00  4000\t4200 00", "\n3C00 4000 4200 00\n\n"])
def test_other_spellings(text, tmp_path):
    (tmp_path / "f16_add_rne.txt").write_text(text)
    found = vectors.load(tmp_path / "f16_add_rne.txt")
    assert [int(x[0]) for x in found.columns.values()] == [0x3C00, 0x4000, 0x4200, 0]


@pytest.mark.parametrize("op", ["add", "fma", "sqrt", "min", "eq"])
@pytest.mark.parametrize("mode", list(SHORT))
def test_names_tell_what_they_name(op, mode):
    asked = vectors.request(op, "bf16", rounding=mode)
    assert vectors.request(**function(name_of(asked, asked.rounding[0]))) == asked


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("f16_mulAdd", ("fma", "f16", ("f16",) * 3)), ("ui32_to_f16", ("from_int", "f16", ("uint32",))),
        ("f32_to_i8_minMag", ("to_int", "int8", ("f32",))), ("f32_to_f16_rnm", ("cast", "f16", ("f32",))),
        ("f32_roundToInt", ("round_to_integral", "f32", ("f32",))), ("f64_le_quiet", ("le_quiet", "f64", ("f64",) * 2)),
    ],
)  # fmt: skip
def test_functions_of_testfloat(name, wanted):
    asked = vectors.request(**function(name))
    assert (asked.op, asked.fmt, asked.operands) == wanted


def test_fptest(tmp_path):
    lines = [
        "Floating point tests: Underflow", "", "b32+ =0 i -1.6E9177P49 -1.7FFFFFP127 -> -1.7FFFFFP127 x",
        "b32+ =0 xu +0.731A35P-126 -0.000D18P-126 -> +1.661A3AP65 u", "b32* > +Inf -Zero -> Q i",
        "b32*+ 0 +1.000000P0 +1.000000P0 +1.000000P0 -> +1.000000P1", "d64+ =0 +1 +1 -> +2", "b32V =^ +1.000000P1 -> +1.3504F3P0 x",
        "b32- < +1.000000P0 +1.000000P0 -> -Zero", "b32+ > +1.000000P0 +1.000000P-60 -> +1.000001P0 x",
    ]  # fmt: skip
    file = tmp_path / "some.fptest"
    file.write_text("\n".join(lines))
    report = vectors.check(file)
    assert (report.total, report.wrong) == (6, 0)
    assert vectors.load(file, "fma", "f32").rounding == ("toward_zero",)
    with pytest.raises(SpecError, match="several operations"):
        vectors.load(file)
    file.write_text("b32+ =0 +1.000000P0 +1.000000P0 -> +1.000000P0\n")
    assert vectors.check(file).first.startswith("line 1: add in f32, nearest_even: a 3F800000, b 3F800000")


BAD = {
    "wrong width": ("3C00 4000 4200 00\n3C0 4000 4200 00\n", "line 2: '3C0' has 3 digits, a has 4"),
    "odd hex": ("3C00 4000 4200 00\n3C00 4G00 4200 00\n", "line 2: '4G00' is no hexadecimal number"),
    "few words": ("3C00 4000 4200\n", "line 1: there are 3 words, not 4: a, b, result, flags"),
    "mixed forms": ("3C00 4000 4200 00\n3C00_4000_4200_00\n", "line 2: there are 1 words"),
    "long line": ("3C00 4000 4200 00\n" + "3" * 10_000_000, "line 2: it has more than 65536 bytes"),
    "long line, ended": ("3C00 4000 4200 00\n" + "3" * 10_000_000 + "\n", "line 2: it has more than 65536 bytes"),
    "binary": (b"3C00 4000 4200 00\n\xff\xfe\x00\n", "line 2: there are bytes that are no text"),
    "empty": ("", "there is no vector in it"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files(case, tmp_path):
    given, message = BAD[case]
    file = tmp_path / "f16_add_rne.tf"
    file.write_bytes(given if isinstance(given, bytes) else given.encode())
    with pytest.raises(FileError) as error:
        vectors.load(file)
    assert message in str(error.value)
    assert str(file) in str(error.value)
    assert len(str(error.value)) < 400 + len(str(file))


def test_paths_that_cannot_be_read(tmp_path):
    loop = tmp_path / "f16_add_rne.tf"
    loop.symlink_to(loop)
    for path, message in ((loop, "symbolic links"), (tmp_path / "f16_sub_rne.tf", "No such file"), (tmp_path, "there is no manifest")):  # fmt: skip
        with pytest.raises(FileError, match=message):
            vectors.load(path)
    with pytest.raises(SpecError, match="the suffix tells no form"):
        vectors.load(tmp_path / "f16_add_rne.bin")
    (tmp_path / "results.tf").write_text("3C00 4000 4200 00\n")
    with pytest.raises(SpecError, match="tells no operation"):
        vectors.load(tmp_path / "results.tf")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_no_permission(tmp_path):
    file = tmp_path / "f16_add_rne.tf"
    file.write_text("")
    file.chmod(0)
    with pytest.raises(FileError, match="Permission denied"):
        vectors.load(file)


@pytest.mark.parametrize("form", [*FORMS, "fptest"])
def test_damaged_files_end_in_one_error_or_in_vectors(form, tmp_path):
    """Bytes changed, cut, doubled, at random: never anything but a clear error or a table."""
    rng = np.random.default_rng(7)
    if form == "fptest":
        file = tmp_path / "x.fptest"
        file.write_text(
            "b32* > +Inf -Zero -> Q i\nb32+ =0 i -1.6E9177P49 -1.7FFFFFP127 -> -1.7FFFFFP127 x\n" * 5
        )
    else:
        file = (
            tmp_path
            / vectors.write(tmp_path, vectors.request("add", "f16", count=20), form)["files"][0]["name"]
        )
    sound = file.read_bytes()
    for _ in range(150):
        file.write_bytes(damaged(sound, rng))
        try:
            found = vectors.load(file, "add", "f16" if form != "fptest" else "f32", form=form)
        except (FileError, SpecError) as error:
            message = str(error)
        else:
            message = f"{len(found)} vectors"
        assert 0 < len(message) < 500
        assert "\n" not in message


def damaged(text, rng):
    found = bytearray(text)
    for _ in range(rng.integers(1, 4)):
        at, kind = int(rng.integers(len(found))), rng.integers(4)
        if kind == 0:
            found[at] = rng.integers(256)
        elif kind == 1:
            del found[at : at + int(rng.integers(1, 30))]
        elif kind == 2:
            found[at:at] = rng.integers(0, 256, int(rng.integers(1, 30)), dtype=np.uint8).tobytes()
        else:
            found[at:at] = found[: int(rng.integers(1, 60))]
        found = found or bytearray(b"\n")
    return bytes(found)


def nfmt(*arguments, given=""):
    return subprocess.run(
        [sys.executable, "-m", "numfmt", *arguments], input=given, capture_output=True, text=True, check=False
    )


def test_the_command_line(tmp_path):
    pack = str(tmp_path / "pack")
    made = nfmt("vectors", "--op", "mul", "--format", "e4m3fn", "--rounding", "rne,rtz", "--out", pack)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.count("65536") == 2
    lines = nfmt("vectors", "--op", "mul", "--format", "e4m3fn", "--stdout").stdout
    assert lines == (tmp_path / "pack" / "e4m3fn_mul_rne.tf").read_text()
    sound = nfmt("check", "-", "--op", "e4m3fn_mul_rne", given=lines)
    assert (sound.returncode, sound.stdout) == (0, "65536 vectors, none differs\n")
    other = nfmt("check", "-", "--op", "mul", "--format", "e4m3fn", "--rounding", "rtz", given=lines)
    assert other.returncode == 1
    assert "kinds:" in other.stdout
    assert "the mode is ignored: nearest even" in other.stdout
    bad = nfmt("check", "-", "--op", "e4m3fn_mul", given="7E 7E 7F 05\n7E 7E\n")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "line 2: there are 2 words" in bad.stderr
    assert nfmt("vectors", "--op", "mul", "--format", "e4m3fn").returncode == 2


@pytest.mark.parametrize("form", ["npz", "memh_split"])
def test_no_stream_of_forms_that_are_several_parts(form):
    done = nfmt("vectors", "--op", "mul", "--format", "e4m3fn", "--form", form, "--stdout")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"form '{form}' is no single text" in done.stderr


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_nothing_to_check_is_an_error(text):
    done = nfmt("check", "-", "--op", "e4m3fn_mul", given=text)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no vector in it" in done.stderr


def test_audit_and_coverage_of_the_command_line(tmp_path):
    found = nfmt("vectors", "--op", "add", "--format", "f16", "--minimal", "--audit")
    assert found.returncode == 0, found.stdout
    assert "ALIVE" not in found.stdout
    short = nfmt("vectors", "--op", "add", "--format", "f16", "--count", "3", "--audit")
    assert short.returncode == 1
    assert "ALIVE" in short.stdout
    table = nfmt("vectors", "--op", "mul", "--format", "e2m1fn", "--coverage").stdout
    assert table.startswith("rounding")


def test_reading_does_not_depend_on_blocks(tmp_path, monkeypatch):
    vectors.write(tmp_path, vectors.request("add", "f16", count=5000))
    whole = vectors.load(tmp_path)
    monkeypatch.setattr("numfmt.vectors.reading.BLOCK", 101)
    assert same(vectors.load(tmp_path), whole)
    assert LONGEST > 1000
    shutil.rmtree(tmp_path)


def test_nobody_may_read_or_write(tmp_path, monkeypatch):
    """Whatever the system refuses is one clear error, for root too."""
    file = tmp_path / "f16_add_rne.tf"
    file.write_text("3C00 3C00 4000 00\n")

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    with pytest.raises(FileError, match=r"cannot write '.*f16_add_rne\.tf'"):
        vectors.write(file, vectors.request("add", "f16", count=3))
    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(FileError, match=r"cannot read '.*f16_add_rne\.tf': Permission denied"):
        vectors.load(file)


@pytest.mark.parametrize(("op", "fmt"), [("fma", "f64"), ("add", "e2m3fn"), ("lt", "f16")])
def test_compilers_take_the_sources(op, fmt, tmp_path):
    """A C compiler counts the vectors; Verilator, which knows arrays of structs, reads the package."""
    asked = vectors.request(op, fmt, count=20)
    if shutil.which("gcc"):
        name = vectors.write(tmp_path, asked, "c")["files"][0]["name"].removesuffix(".h")
        check = f'#include "{name}.h"\n_Static_assert(sizeof {name}_vectors / sizeof *{name}_vectors == 20, "count");\n'
        (tmp_path / "t.c").write_text(check)
        done = subprocess.run(
            ["gcc", "-fsyntax-only", "-Wall", "-Wno-unused", str(tmp_path / "t.c")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
    if shutil.which("verilator"):
        name = vectors.write(tmp_path, asked, "sv")["files"][0]["name"]
        top = tmp_path / "top.sv"
        top.write_text(
            f"module top; import {name.removesuffix('.sv')}_pkg::*; initial $display(VECTORS[COUNT-1].result); endmodule\n"
        )
        done = subprocess.run(
            ["verilator", "--lint-only", str(tmp_path / name), str(top)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
