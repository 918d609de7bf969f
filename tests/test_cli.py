"""The command line: output, exit status, no tracebacks, nothing half written."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

import numfmt
from numfmt import comparison
from numfmt.blocks import BlockArray
from numfmt.cli import app

runner = CliRunner()
TENSORS = ("hidden", "weight", "activation", "gradient")


def run(*args, status=0):
    result = runner.invoke(app, list(map(str, args)))
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def spawn(*args, **keywords):
    return subprocess.run(
        [sys.executable, "-m", "numfmt", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        **keywords,
    )


@pytest.fixture
def source(tmp_path):
    np.save(tmp_path / "x.npy", np.float32([[0.1, 1.5], [-3, 1e6]]))
    return tmp_path / "x.npy"


def test_compare_without_a_file_shows_the_bundled_tensors():
    text = run("compare").stdout
    assert [line.split(":")[0] for line in text.splitlines() if "elements" in line] == list(TENSORS)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("\nbf16 ") == 4


def test_compare_selects_and_prints_json():
    result = run("compare", "--formats", "bf16,e4m3fn[subnormals=off]", "--tensor", "[wg]*", "--json")
    rows = json.loads(result.stdout)
    assert [(r["tensor"], r["format"]) for r in rows] == [
        (tensor, fmt) for tensor in ("weight", "gradient") for fmt in ("bf16", "e4m3fn[subnormals=off]")
    ]
    assert result.stderr == ""


def test_compare_prints_what_the_library_computes(source):
    line = next(csv.DictReader(io.StringIO(run("compare", source, "--formats", "e4m3fn", "--csv").stdout)))
    row = comparison.compare({"x": np.load(source)}, "e4m3fn")[0]
    assert line == {key: str(value) for key, value in row.__dict__.items()}


def test_compare_takes_modes(source):
    args = ("compare", source, "--formats", "e4m3fn", "--json")
    keywords = {"rounding": "stochastic", "overflow": "saturate", "seed": 4}
    options = [f"--{key}={value}" for key, value in keywords.items()]
    row = json.loads(run(*args, *options).stdout)[0]
    assert row["rms_error"] == comparison.compare(np.load(source), "e4m3fn", **keywords)[0].rms_error


def test_a_file_without_tensors_is_named_as_that(tmp_path):
    np.savez(tmp_path / "none.npz")
    assert "there is no tensor in what was given" in run("compare", tmp_path / "none.npz", status=2).stderr


def test_names_tell_files_apart(source, tmp_path):
    np.savez(tmp_path / "y.npz", a=np.ones(2))
    rows = json.loads(run("compare", source, tmp_path / "y.npz", "--formats", "f16", "--json").stdout)
    assert [row["tensor"] for row in rows] == ["x.npy:x", "y.npz:a"]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_compare_draws(source, tmp_path, suffix):
    pytest.importorskip("numfmt.plotting.figures", reason="no figures")
    run("compare", source, "--formats", "bf16,e4m3fn", "--plot", tmp_path / f"f{suffix}")
    assert (tmp_path / f"f{suffix}").stat().st_size > 1000


def test_calibrate_without_a_file_shows_the_bundled_tensors():
    text = run("calibrate", "--methods", "absmax,kl").stdout
    assert [line.split(":")[0] for line in text.splitlines() if "elements" in line] == list(TENSORS)
    assert text.count("\nkl ") == 4


def test_calibrate_prints_what_the_library_computes(source):
    rows = json.loads(run("calibrate", source, "--bits", "4", "--json").stdout)
    table = numfmt.calibration.compare_thresholds({"x": np.load(source)}, 4)
    assert rows == json.loads(table.to_json())
    lines = csv.DictReader(io.StringIO(run("calibrate", source, "--methods", "mse", "--csv").stdout))
    assert [line["method"] for line in lines] == ["mse"]


def test_calibrate_draws_one_tensor(source, tmp_path):
    args = ("calibrate", source, "--methods", "absmax,mse", "--plot", tmp_path / "f.png")
    assert "mse" in run(*args).stdout
    assert (tmp_path / "f.png").stat().st_size > 1000


MISUSE = [
    (("calibrate", "--methods", "kll"), "Did you mean 'kl'"),
    (("calibrate", "--bits", "1"), "--bits takes an integer from 2 to 16, got 1"),
    (("calibrate", "--json", "--csv"), "exclude each other"),
    (("calibrate", "--tensor", "nothing*"), "no tensor has a name like nothing*"),
    (("calibrate", "--plot", "f.gif"), "ends in .png, .svg, .pdf"),
    (("calibrate", "--plot", "f.png"), "draws one tensor, there are 4; choose one with --tensor"),
    (("compare", "--formats", "bf61"), "Did you mean 'bf16'"),
    (("compare", "--formats", "fp8"), "Choose one of: 'e4m3fn'"),
    (("compare", "--rounding", "nearest_evn"), "Did you mean 'nearest_even'"),
    (("compare", "--overflow", "wrap"), "for fixed-point formats"),
    (("compare", "--rounding", "sr"), "needs --seed"),
    (("compare", "--rounding", "sr", "--seed", "-1"), "from 0 to 2**64 - 1"),
    (("compare", "--json", "--csv"), "exclude each other"),
    (("compare", "--plot", "f.gif"), "ends in .png, .svg, .pdf"),
    (("compare", "--plot", "no/such/f.png"), "there is no folder"),
    (("compare", "--tensor", "nothing*"), "no tensor has a name like nothing*"),
    (("compare", "--nonsense"), "No such option"),
    (("info", "e1m3"), "at least 2 exponent bits"),
    (("info",), "Missing argument"),
    (("nonsense",), "No such command"),
    (("info", "q3"), "Did you mean 'q3.4'? nfmt formats lists all of them."),
    (("info", "ap_fixed<16,4"), "Did you mean 'ap_fixed<16,4>'"),
    (("info", "int8[nan=3]"), "'int8[nan=3]': unknown option 'nan'"),
    (("cast", "x.npy", "y.npy", "--to", "int64"), "no float holds every value of 'int64'; --codes writes"),
    (
        ("cast", "x.npy", "y.npy", "--to", "mxfp4", "--codes"),
        "come with scales: name an output of .npz or .safetensors",
    ),
    (("cast", "x.npy", "y.npz", "--to", "gguf_q4_0", "--codes"), "leave --codes out for values"),
    (("cast", "x.npy", "y.npz", "--to", "kmeans1", "--codes"), "learned levels lie in no file"),
    (("cast", "x.npy", "y.npy", "--to", "mxfp5"), "Did you mean 'mxfp4'"),
    (("explain", "abc", "bf16"), "'abc' is not a number"),
    (("explain", "1", "abc", "mxfp4"), "'abc' is not a number"),
    (("explain", "1", "2", "bf16"), "'bf16' has no blocks: give one number, there are 2"),
    (("explain", "1", "2", "int8[axis=0]"), "'int8[axis=0]' has no blocks: give one number, there are 2"),
    (("explain", "0.1", "bf16", "--nan", "x"), "'x' is not a number"),
    (("values", "f32"), "values lists formats of up to 16 bits"),
    (("values", "e2m1fn", "--json", "--csv"), "exclude each other"),
]


@pytest.mark.parametrize(("args", "text"), MISUSE, ids=[" ".join(args) for args, _ in MISUSE])
def test_bad_use_is_status_2(args, text):
    result = run(*args, status=2)
    assert text in result.stderr
    assert result.stdout == ""


def test_failures_are_status_1(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4 no")
    np.save(tmp_path / "empty.npy", np.zeros(0))
    for args, text in [
        (("compare", tmp_path / "none.npy"), "No such file"),
        (("compare", tmp_path / "bad.npz"), "damaged"),
        (("compare", tmp_path), "expected one of .npy"),
        (("explain", "1", "int8[axis=0]"), "one number needs one scale, as in 'int8[scale=0.1]'"),
        (("calibrate", tmp_path / "empty.npy"), "tensor 'empty': no threshold"),
        (("explain", "nan", "e2m1fn"), "no NaN"),
        (("explain", "1", "2", "mxfp4"), "--index names one element of an array of shape (2,); got None"),
        (
            ("explain", "1", "2", "mxfp4", "--index", "2"),
            "--index names one element of an array of shape (2,); got 2",
        ),
        (
            ("explain", "1", "bf16", "--index", "0"),
            "'bf16' has no blocks: leave --index out, and give one number",
        ),
        (("explain", "nan", "int8"), "int8 has no NaN; --nan says what NaN becomes"),
        (("explain", "nan", "int8", "--nan", "nan"), "--nan says what NaN becomes: a number"),
        (("compare", "--formats", "int64"), "values of 'int64' have more than 53 significant bits"),
        (("explain", "1e9", "bf16", "--overflow", "raise", "--rounding", "nearest_even"), None),
        (("explain", "1e9", "f16", "--overflow", "raise"), "beyond the last value"),
    ]:
        result = run(*args, status=0 if text is None else 1)
        assert (text or "") in result.stderr


@pytest.mark.parametrize("number", ["-0.1", "-1e-3", "-inf", "-0x1.8p-3", "-1/3", "0.1"])
def test_explain_takes_literals_as_exact(number):
    result = json.loads(run("explain", number, "bf16", "--json").stdout)
    assert result["value"] == numfmt.explain(number, "bf16").to_dict()["value"] or number == "-inf"
    assert run("explain", number, "bf16", "--rounding", "rtz").stdout.startswith("x ")


def test_a_huge_number_is_explained():
    assert "error           inf ulp" in run("explain", "1e100000", "int8").stdout
    assert json.loads(run("explain", "-1e400", "int8", "--json").stdout)["error_ulp"] == "-inf"


def test_explain_takes_several_numbers_as_a_block():
    x = [0.3, -7.0, 1 / 3, 2.0]
    for spec, options in (
        ("mxfp4", {}),
        ("nvfp4", {}),
        ("flex16+5", {}),
        ("mxfp4", {"rounding": "sr", "seed": 5}),
    ):
        for index in (0, 1, 2, -1):
            given = [f"--{name}={value}" for name, value in (options | {"index": index}).items()]
            text = run("explain", "0.3", "-7", "1/3", "2", spec, *given).stdout
            assert text.rstrip() == str(numfmt.explain(x, spec, index=index, **options))
    row = json.loads(run("explain", "0.3", "-7", "mxfp4", "--index=1", "--json").stdout)
    assert (row["exact"], row["value"], row["scale_note"]) == ("-7", -6.0, "2**0")
    assert run("explain", "0.1", "mxfp4").stdout.startswith("x               0.1\n")


def test_explain_is_not_through_float64():
    # one tenth lies below the float64 next to it, and so it truncates below in f64
    down = json.loads(run("explain", "0.1", "f64", "--rounding", "toward_zero", "--json").stdout)
    assert down["code"] == int(np.float64(0.1).view(np.uint64)) - 1


def test_info_and_formats():
    assert "448" in run("info", "fp8_e4m3").stdout
    assert json.loads(run("info", "e4m3fn", "--json").stdout)["max"] == 448
    names = [line.split()[0] for line in run("formats").stdout.splitlines()]
    assert names == ["name", *numfmt.list_formats()]
    assert [row["name"] for row in json.loads(run("formats", "--json").stdout)] == numfmt.list_formats()


def test_values_is_the_whole_table():
    lines = run("values", "e2m1fn").stdout.splitlines()
    assert lines[0].split() == ["code", "hex", "bits", "value"]
    assert lines[8].split() == ["7", "0x7", "0|11|1", "6.0"]
    assert len(lines) == 17


def test_values_leaves_out_what_a_symmetric_format_leaves_out():
    rows = json.loads(run("values", "int4[symmetric]", "--json").stdout)
    assert [row["code"] for row in rows] == [*range(8), *range(-7, 0)]


def test_values_for_programs():
    rows = json.loads(run("values", "e5m2", "--json").stdout)
    assert (rows[0x7C]["value"], rows[0xFC]["value"], rows[0x7E]["value"]) == ("inf", "-inf", "nan")
    table = list(csv.DictReader(io.StringIO(run("values", "f16", "--csv").stdout)))
    assert len(table) == 1 << 16
    values = np.array([float(line["value"]) for line in table])
    np.testing.assert_array_equal(values, np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(float))


@pytest.mark.parametrize("codes", [False, True])
def test_cast_writes(source, tmp_path, codes):
    run("cast", source, tmp_path / "y.npy", "--to", "e4m3fn", *["--codes"] * codes)
    wanted = (numfmt.encode if codes else numfmt.cast)(np.load(source), "e4m3fn")
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == wanted.dtype
    assert y.tobytes() == wanted.tobytes()


SCALED = ["mxfp4", "nvfp4", "mxfp8[axis=0]", "int8[axis=0]", "block[of=e3m2fn,scale=e5m3,size=2]", "flex16+5"]


@pytest.mark.parametrize("spec", SCALED)
def test_cast_to_formats_that_share_scales(source, tmp_path, spec):
    """Values as an array, codes and scales as `BlockArray.load` reads them."""
    x = np.load(source)
    run("cast", source, tmp_path / "y.npy", "--to", spec)
    wanted, values = numfmt.cast(x, spec), np.load(tmp_path / "y.npy")
    assert (values.dtype, values.shape, values.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())
    for suffix in (".npz", ".safetensors"):
        run("cast", source, tmp_path / f"y{suffix}", "--to", spec, "--codes")
        array, whole = BlockArray.load(tmp_path / f"y{suffix}"), numfmt.encode(x, spec)
        assert array.codes.tobytes() == whole.codes.tobytes()
        assert array.decode().tobytes() == wanted.tobytes()
        run("cast", tmp_path / f"y{suffix}", tmp_path / "z.npy", "--to", "f32")
        assert np.load(tmp_path / "z.npy").tobytes() == wanted.tobytes()


def test_cast_of_blocks_takes_modes(source):
    x = np.load(source)
    run("cast", source, source, "--to", "mxfp4", "--rounding", "sr", "--seed", "3")
    assert np.load(source).tolist() == numfmt.cast(x, "mxfp4", rounding="sr", seed=3).tolist()


def test_cast_to_blocks_of_gguf(tmp_path):
    x = np.linspace(-3, 3, 64, dtype=np.float32).reshape(2, 32)
    np.save(tmp_path / "x.npy", x)
    run("cast", tmp_path / "x.npy", tmp_path / "y.npy", "--to", "gguf_q4_0")
    assert np.load(tmp_path / "y.npy").tobytes() == numfmt.cast(x, "gguf_q4_0").tobytes()
    np.save(tmp_path / "x.npy", x[:, :31])
    before = (tmp_path / "y.npy").read_bytes()
    run("cast", tmp_path / "x.npy", tmp_path / "y.npy", "--to", "gguf_q4_0", status=1)
    assert (tmp_path / "y.npy").read_bytes() == before


def test_cast_with_options(source):
    run("cast", source, source, "--to", "bf16", "--rounding", "sr", "--seed", "3", "--overflow", "saturate")
    x = np.float32([[0.1, 1.5], [-3, 1e6]])
    assert np.load(source).tolist() == numfmt.cast(x, "bf16", rounding="sr", seed=3).tolist()


def test_a_failed_cast_harms_nothing(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([1, np.nan]))
    before = path.read_bytes()
    assert "no" in run("cast", path, path, "--to", "e2m1fn", status=1).stderr
    assert "Did you mean" in run("cast", path, path, "--to", "e2m1fm", status=2).stderr
    assert "cannot write" in run("cast", path, tmp_path, "--to", "bf16", status=1).stderr
    run("cast", path, tmp_path / "y.npy", "--to", "e2m1fn", "--nan", "max")
    assert np.load(tmp_path / "y.npy").tolist() == [1, 6]
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["x.npy", "y.npy"]


def test_cast_takes_one_tensor(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones(2), b=np.ones(2))
    assert (
        "holds 2 tensors"
        in run("cast", tmp_path / "x.npz", tmp_path / "y.npy", "--to", "bf16", status=2).stderr
    )


def test_version_and_help():
    assert run("--version").stdout == f"numfmt {numfmt.__version__}\n"
    assert "compare" in run("--help").stdout


def test_completion_knows_formats_and_modes():
    from numfmt.cli import _complete_format, _complete_rounding

    assert _complete_format("f16,e4m3fn") == ["f16,e4m3fn", "f16,e4m3fnuz"]
    assert "toward_zero" in _complete_rounding("tow")


def test_ctrl_c_is_status_130(source, tmp_path, monkeypatch):
    def interrupted(*args, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("numfmt.tensors.cast", interrupted)
    run("cast", source, tmp_path / "y.npy", "--to", "bf16", status=130)
    assert os.listdir(tmp_path) == ["x.npy"]


def test_the_module_runs():
    result = spawn("explain", "-0.1", "bf16")
    assert (result.returncode, result.stderr) == (0, "")
    assert "0xBDCD" in result.stdout
    failed = spawn("info", "bf61")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("nfmt: unknown format 'bf61'")


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m numfmt values f16 | head -n 1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["code", "hex", "bits", "value"]
    assert result.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_half_file(tmp_path, number, status):
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float64, (1 << 29,))  # sparse: 4 GiB of zeros
    process = subprocess.Popen(
        [sys.executable, "-m", "numfmt", "cast", "x.npy", "y.npy", "--to", "f16", "--codes"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while len(os.listdir(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == ["x.npy"]
