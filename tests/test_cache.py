"""What importing costs, and where compiled loops are kept: each in a process of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from numfmt.engine import jit

ROOT = Path(__file__).parent.parent
CAST = """
    import numpy as np, numfmt
    assert numfmt.cast(np.float32([1.1]), "bf16", engine="kernel")[0] == np.float32(1.1015625)
"""


def run(script, **environment):
    """What a script prints; variables given as None are unset."""
    env = {k: v for k, v in {**os.environ, **environment}.items() if v is not None}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HEAVY = ["numba", "llvmlite", "matplotlib", "torch", "pandas", "typer", "rich", "ml_dtypes", "safetensors"]


def test_import_is_light():
    print_heavy = f"import sys, numfmt; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(print_heavy) == "[]"


@pytest.mark.parametrize(
    "module", ["numfmt.testing", "numfmt.casting", "numfmt.reference", "numfmt.registry"]
)
def test_parts_are_light_too(module):
    assert run(f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])") == "[]"


def test_exact_work_needs_no_numba():
    script = """
        import sys, numfmt
        numfmt.cast([1.1, 2.2], "bf16", engine="numpy")
        numfmt.cast([1.1, 2.2], "bf16", engine="reference")
        numfmt.parse("e4m3fn"), numfmt.list_formats()
        print("numba" in sys.modules)
    """
    assert run(script) == "False"


def files(folder):
    return sorted(p.relative_to(folder) for p in Path(folder).rglob("*") if p.is_file())


def test_the_second_process_compiles_nothing(tmp_path):
    run(CAST, NUMFMT_CACHE_DIR=str(tmp_path))
    first = files(tmp_path)
    stamps = [(tmp_path / f).stat().st_mtime_ns for f in first]
    assert any(f.suffix == ".nbc" for f in first)
    script = (
        CAST
        + """
    from numfmt.engine import jit
    print(sum(sum(f.stats.cache_misses.values()) for f in vars(jit.loops()).values() if hasattr(f, "stats")))
    """
    )
    assert run(script, NUMFMT_CACHE_DIR=str(tmp_path)) == "0"
    assert files(tmp_path) == first
    assert [(tmp_path / f).stat().st_mtime_ns for f in first] == stamps


def test_numba_is_left_as_found():
    script = (
        """
        from numba.core import config
        config.CACHE_DIR = "/somewhere/else"
    """
        + CAST.replace("\n    ", "\n        ")
        + """
        print(config.CACHE_DIR)
    """
    )
    assert run(script) == "/somewhere/else"


def test_numba_is_left_as_found_where_the_import_fails(monkeypatch):
    config = pytest.importorskip("numba.core.config")
    found = config.CACHE_DIR
    jit.loops.cache_clear()
    monkeypatch.setattr(jit, "cache_folder", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        jit.loops()
    assert found == config.CACHE_DIR
    monkeypatch.undo()
    assert jit.loops() is not None


def test_nothing_can_be_written(tmp_path):
    """Home and package on a read-only disk: /proc takes no folders, not even root's."""
    script = (
        """
        import pathlib
        from numfmt.engine import jit
        jit._candidates = lambda: [pathlib.Path("/proc/numfmt"), pathlib.Path("/proc/self/numfmt")]
    """
        + CAST.replace("\n    ", "\n        ")
        + """
        folder = jit.cache_folder()
        print(oct(folder.stat().st_mode & 0o777), folder.parent)
    """
    )
    assert run(script, NUMFMT_CACHE_DIR=None, TMPDIR=str(tmp_path)) == f"0o700 {tmp_path}"


def test_a_read_only_package_and_home_fall_back_to_the_temporary_folder(tmp_path):
    script = (
        """
        import pathlib
        from numfmt.engine import jit
        jit._is_ours_and_writable = lambda folder, real=jit._is_ours_and_writable: (
            "numfmt/kernels" not in str(folder) and real(folder)
        )
    """
        + CAST.replace("\n    ", "\n        ")
        + """
        print(jit.cache_folder().parent)
    """
    )
    environment = {
        "NUMFMT_CACHE_DIR": None,
        "HOME": "/proc/nobody",
        "XDG_CACHE_HOME": None,
        "TMPDIR": str(tmp_path),
    }
    user = os.getuid() if hasattr(os, "getuid") else "user"
    assert run(script, **environment) == str(tmp_path / f"numfmt-{user}")
    assert any(f.suffix == ".nbc" for f in files(tmp_path))


def test_the_home_folder_comes_before_the_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NUMFMT_CACHE_DIR", raising=False)
    found = list(jit._candidates())
    assert found.index(tmp_path / "numfmt") == 1
    monkeypatch.setenv("NUMFMT_CACHE_DIR", "/proc/mine")
    assert next(iter(jit._candidates())) == Path("/proc/mine")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners")
def test_a_folder_that_others_can_write_is_not_trusted(tmp_path):
    """numba unpickles what it finds there."""
    folder = tmp_path / "open"
    folder.mkdir()
    assert jit._is_ours_and_writable(folder)
    folder.chmod(0o777)
    assert not jit._is_ours_and_writable(folder)
    folder.chmod(0o770)
    assert not jit._is_ours_and_writable(folder)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners")
def test_a_folder_of_someone_else_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 123456)
    assert not jit._is_ours_and_writable(tmp_path)


def test_a_new_folder_is_private(tmp_path):
    folder = tmp_path / "deep" / "new"
    assert jit._is_ours_and_writable(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_folder_changes_with_the_sources(tmp_path, monkeypatch):
    before = jit.source_hash()
    for path in jit._KERNELS.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(jit, "_KERNELS", tmp_path)
    assert jit.source_hash() == before
    (tmp_path / "words.py").write_text("# changed\n")
    assert jit.source_hash() != before


def test_without_numba_all_is_there():
    script = """
        import sys
        sys.modules["numba"] = None
        import numpy as np, numfmt
        assert numfmt.cast(np.float32([1.1]), "bf16")[0] == np.float32(1.1015625)
        assert numfmt.encode([1.1], "bf16", rounding="sr", seed=1)[0] in (0x3F8C, 0x3F8D)
        try:
            numfmt.cast([1.0], "bf16", engine="kernel")
        except ImportError as error:
            print(error)
    """
    assert run(script) == "engine='kernel' needs numba, which cannot be imported"
