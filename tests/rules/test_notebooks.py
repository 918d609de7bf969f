"""The notebooks run, each under two minutes, on the public API alone, and carry no outputs."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

import numfmt

nbformat = pytest.importorskip("nbformat")
ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PUBLIC = {
    "allocation",
    "calibration",
    "coding",
    "flexpoint",
    "gemmlowp",
    "interop",
    "low_bit",
    "metrics",
    "plotting",
    "quantizers",
    "testing",
    "training",
    "vectors",
}


def code_of(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def foreign_names(source):
    """What a source takes from numfmt beyond its public names."""
    public = set(numfmt.__all__) | PUBLIC | {"__version__"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numfmt":
            inner = node.module.split(".")[1:]
            yield from (name for name in inner if name not in PUBLIC)
            yield from (a.name for a in node.names if a.name not in public and not inner)
        elif isinstance(node, ast.Import):
            parts = (a.name.split(".") for a in node.names)
            yield from (p[1] for p in parts if p[0] == "numfmt" and p[1:] and p[1] not in PUBLIC)
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id == "numfmt" and node.attr not in public:
                yield node.attr
            if node.attr.startswith("_"):
                yield node.attr


def test_there_are_notebooks_and_they_are_numbered():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{i:02}_" for i in range(1, len(NOTEBOOKS) + 1)]
    assert len(NOTEBOOKS) >= 3


@pytest.mark.parametrize(
    "source",
    [
        "import numfmt.registry",
        "from numfmt.engine import run",
        "from numfmt import registry",
        "import numfmt; numfmt.registry",
        "import numfmt; numfmt.parse('f16')._mag_bits",
    ],
)
def test_private_names_are_found(source):
    assert list(foreign_names(source))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_only_public_names_and_no_outputs(path):
    for cell in code_of(path):
        assert not list(foreign_names(cell.source))
        assert cell.outputs == []
        assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs(path, monkeypatch):
    client = pytest.importorskip("nbclient")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    notebook = nbformat.read(path, as_version=4)
    client.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(path.parent))
    shown = [o.data for cell in notebook.cells for o in cell.get("outputs", []) if "data" in o]
    assert all("image/png" in data for data in shown if data.get("text/plain", "").startswith("<Figure"))
