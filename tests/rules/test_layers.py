"""A module imports its own layer and lower ones: the table as data, checked against the sources.

Imports inside functions count too.
"""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import numfmt

PACKAGE = Path(numfmt.__file__).parent

# A new module needs a place here. `kernels` stands beside L2: it imports nothing of ours.
LAYERS = {
    "L0": "_version errors rounding noise spec table",
    "L1": "format scaled",
    "L2": "overflow reference cuts registry notation",
    "K": "kernels",
    "L3": "engine",
    "L4": "formats blocks calibration gguf quantizers learned",
    "L5": "casting limits explanation packed packing picture quant_state",
    "L6": "adam8bit tensors measurement comparison fixed_point arithmetic flexpoint gemm gemmlowp metrics storage training vectors behaviours coding allocation low_bit",
    "L7": "plotting testing interop",
    "L8": "cli __main__",
    "top": "__init__",
}
ORDER = {name: level for level, names in enumerate(LAYERS.values()) for name in names.split()}

# (importer, imported): an import upwards, late, and why
UPWARDS = {
    ("format", "picture"): "a format shows itself in a notebook",
    ("casting", "tensors"): "decode takes a file",
    ("blocks.block_array", "casting"): "an array goes into any other format",
    ("blocks.block_array", "packed"): "an array becomes bytes, and bytes an array",
    ("blocks.block_array", "storage"): "an array is written to a file, and read",
}
NEVER = [
    ("formats", "engine", "a format knows no arrays"),
    ("kernels", "", "kernels import nothing else of ours"),
]
COMPILED = (
    "kernels.compiled",
    "kernels.gemm",
    "kernels.rounded",
)  # jitted code: imported by one module alone, late

# third-party package: (modules that may import it, at the top of the module too?)
GUESTS = {
    "numba": (("kernels.compiled", "kernels.gemm", "kernels.tiles", "kernels.rounded", "engine.jit"), True),
    "llvmlite": (("kernels.lanes", "kernels.tiles", "kernels.gemm", "kernels.rounded"), True),
    "matplotlib": (("plotting",), False),
    "torch": (("interop", "engine.inputs"), False),
    "dask": (("interop",), False),
    "jax": (("interop",), False),
    "typer": (("cli",), True),
    "click": (("cli",), True),
    "rich": (("cli", "comparison", "testing", "explanation", "limits"), False),
    "pandas": (("table", "interop"), False),
    "sklearn": (("training",), False),
    "gguf": (("gguf.files",), False),
    "safetensors": (("tensors", "interop"), False),
    "hypothesis": (("testing.strategies",), True),
    "pytest": ((), False),
    "ml_dtypes": (("testing", "interop", "tensors"), False),
}


class Import(NamedTuple):
    importer: str  # dotted, without `numfmt.`
    imported: str  # one of ours starts with `numfmt`
    late: bool  # inside a function
    for_types: bool  # under `if TYPE_CHECKING`
    line: int


def modules(package):
    """Dotted name of every module, without the package's own: its file."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        names[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = path
    return names


def imports(package):
    known = modules(package)
    for name, path in known.items():
        yield from _imports(name, path, known)


def _imports(name, path, known):
    home = ["numfmt", *name.split(".")]
    if path.name != "__init__.py" or name == "__init__":
        home.pop()
    return _imports_of(name, tuple(home), path.read_text(), frozenset(known))


@cache
def _imports_of(name, home, text, known):
    """Of a source, which most copies of the package leave as it is."""
    found, stack = [], [(ast.parse(text), False, False)]
    while stack:
        node, late, types = stack.pop()
        late = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        types = types or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        stack += [(child, late, types) for child in ast.iter_child_nodes(node)]
        found += [
            Import(name, target, late, types, node.lineno) for target in _targets(node, list(home), known)
        ]
    return found


def _targets(node, home, known):
    """What an import statement imports, as full dotted names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = home[: len(home) - node.level + 1] if node.level else []
    base = [*base, *(node.module.split(".") if node.module else [])]
    return [_narrowed(base, alias.name, known) for alias in node.names]


def _narrowed(base, name, known):
    """`base.name` where that is a module of ours, else `base`."""
    inner = ".".join([*base[1:], name])
    return f"numfmt.{inner}" if base[0] == "numfmt" and inner in known else ".".join(base)


def ours(found):
    """(importer, imported) without `numfmt.`; imports of other packages left out."""
    for i in found:
        root, _, rest = i.imported.partition(".")
        if root == "numfmt":
            yield i, rest or "__init__"


def inside(name, place):
    return not place or name == place or name.startswith(f"{place}.")


def broken_layers(package):
    for i, target in ours(imports(package)):
        low, high = i.importer.split(".")[0], target.split(".")[0]
        if low != high and ORDER[high] >= ORDER[low] and not _is_sideways(low, high):
            if (i.importer, target) in UPWARDS and i.late:
                continue
            yield f"{i.importer}:{i.line} imports {target}, which is not below it"


def _is_sideways(low, high):
    """Modules of one layer may import each other; packages of one layer too."""
    return ORDER[low] == ORDER[high]


def broken_bans(package):
    for i, target in ours(imports(package)):
        for importer, imported, why in NEVER:
            if inside(i.importer, importer) and inside(target, imported) and not inside(target, importer):
                yield f"{i.importer}:{i.line} imports {target}: {why}"
        if target in COMPILED and (i.importer, i.late) != ("engine.jit", True):
            yield f"{i.importer}:{i.line} imports {target}; engine.jit alone does, late"


def broken_guests(package):
    for i in imports(package):
        places, early = GUESTS.get(i.imported.split(".")[0], ((i.importer,), True))
        if not any(inside(i.importer, place) for place in places):
            yield f"{i.importer}:{i.line} imports {i.imported}"
        elif not (early or i.late or i.for_types):
            yield f"{i.importer}:{i.line} imports {i.imported} outside a function"


CHECKS = [broken_layers, broken_bans, broken_guests]


def test_every_module_has_a_layer():
    homeless = {name.split(".")[0] for name in modules(PACKAGE)} - set(ORDER)
    assert not homeless


@pytest.mark.parametrize("check", CHECKS)
def test_the_sources_keep_the_table(check):
    assert list(check(PACKAGE)) == []


def cycle(edges):
    """Some modules that import each other in a ring, or none."""
    left = {a: {b for x, b in edges if x == a and b != a} for a, _ in edges}
    while free := [a for a, targets in left.items() if not targets & set(left)]:
        for a in free:
            del left[a]
    return sorted(left)


def test_no_ring_of_imports():
    top = [(i.importer, target) for i, target in ours(imports(PACKAGE)) if not (i.late or i.for_types)]
    assert cycle([edge for edge in top if "__init__" not in edge]) == []


def test_each_exception_is_still_needed():
    seen = {(i.importer, target) for i, target in ours(imports(PACKAGE))}
    assert set(UPWARDS) <= seen


PLANTED = {
    "L1 to L2": ("format.py", "from .registry import parse", broken_layers),
    "L0 to L5, late": ("errors.py", "def f():\n    from . import casting", broken_layers),
    "L3 to L5": ("engine/run.py", "from ..casting import cast", broken_layers),
    "L3 to the top": ("engine/run.py", "import numfmt", broken_layers),
    "absolute": ("engine/run.py", "from numfmt.cli import main", broken_layers),
    "an exception at the top": ("format.py", "from .picture import format_html", broken_layers),
    "formats to engine": ("formats/floats.py", "def f():\n    from ..engine import run", broken_bans),
    "kernels to errors": ("kernels/words.py", "from .. import errors", broken_bans),
    "compiled loops": (
        "engine/plan.py",
        "def f():\n    from ..kernels.compiled import value_even",
        broken_bans,
    ),
    "compiled loops, early": ("engine/jit.py", "from ..kernels import compiled", broken_bans),
    "numba": ("casting.py", "def f():\n    import numba", broken_guests),
    "matplotlib at the top": ("plotting/figures.py", "import matplotlib.pyplot", broken_guests),
    "matplotlib elsewhere": ("picture.py", "def f():\n    from matplotlib import pyplot", broken_guests),
    "torch": ("engine/run.py", "def f():\n    import torch", broken_guests),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_import_is_found(case, tmp_path):
    file, statement, check = PLANTED[case]
    for path in modules(PACKAGE).values():
        copy = tmp_path / path.relative_to(PACKAGE)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text())
    before = len(list(check(tmp_path)))
    with (tmp_path / file).open("a") as out:
        out.write(f"\n{statement}\n")
    assert len(list(check(tmp_path))) == before + 1


def test_a_ring_is_found():
    assert cycle([("b", "c"), ("c", "b")]) == ["b", "c"]
    assert cycle([("a", "b"), ("b", "c")]) == []
