"""Names, compile flags, registered patterns, docstrings, types."""

import ast
import configparser
import inspect
import pkgutil
from pathlib import Path

import pytest

import numfmt
import numfmt.adam8bit
import numfmt.allocation
import numfmt.arithmetic
import numfmt.calibration
import numfmt.coding
import numfmt.fixed_point
import numfmt.flexpoint
import numfmt.gemm
import numfmt.gemmlowp
import numfmt.gguf
import numfmt.quant_state
import numfmt.quantizers
import numfmt.testing
import numfmt.training
import numfmt.vectors
from numfmt import registry, spec
from numfmt.engine import jit

PACKAGE = Path(numfmt.__file__).parent
EMPTY_NAMES = {"utils", "util", "info", "manager", "helpers", "helper", "common", "misc", "data", "core"}
UNSAFE = {"fastmath", "parallel"}


def module_names():
    return {
        m.name.split(".")[-1]
        for m in pkgutil.walk_packages([str(PACKAGE)], "numfmt.")
        if m.name != "numfmt.__main__"
    }


def test_no_module_bears_the_name_of_a_public_function():
    """`import numfmt.x.y as z` breaks otherwise."""
    names = {name for name in numfmt.__all__ if not inspect.ismodule(getattr(numfmt, name))}
    assert not module_names() & names


def test_module_names_say_something():
    assert not module_names() & EMPTY_NAMES


def test_all_is_sorted_and_there():
    assert list(numfmt.__all__) == sorted(numfmt.__all__)
    assert all(hasattr(numfmt, name) for name in numfmt.__all__)


def unsafe_options(tree):
    """Keyword arguments of any call, and keys of any dict, that ask for unsafe compilation."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in UNSAFE and not _is_false(node.value):
            yield f"line {node.value.lineno}: {node.arg}"
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in UNSAFE and not _is_false(value):
                    yield f"line {value.lineno}: {key.value}"


def _is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_source_asks_for_fastmath_or_parallel(path):
    assert list(unsafe_options(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "source",
    [
        "njit(fastmath=True)(f)",
        "njit(fastmath={'nnan'})",
        "@njit(parallel=True)\ndef f(): pass",
        "njit(**{'fastmath': 1})",
    ],
)
def test_an_unsafe_option_is_found(source):
    assert list(unsafe_options(ast.parse(source)))
    assert not list(unsafe_options(ast.parse("njit(nogil=True, fastmath=False)")))


def dispatchers():
    loops = [module for module in (jit.loops(), jit.gemm_loops()) if module]
    if not loops:
        pytest.skip("numba cannot be imported")
    return {
        f"{module.__name__}.{name}": f
        for module in loops
        for name, f in vars(module).items()
        if hasattr(f, "targetoptions")
    }


def test_every_loop_is_compiled_safely():
    found = dispatchers()
    assert len(found) >= 9
    for name, loop in found.items():
        options = loop.targetoptions
        assert not any(options.get(key) for key in UNSAFE), name
        assert options.get("nogil"), name
        assert options.get("error_model") == "numpy", name


def matching(text):
    """The families whose pattern matches the name of a spec, as `parse` would look for it."""
    name = spec.read(text).name
    name = registry.ALIASES.get(name, name)
    name = registry.NAMES.get(name, name)
    return [f for f in registry.FAMILIES if f.pattern.fullmatch(name)]


@pytest.mark.parametrize("example", [*registry.examples(), *registry.ALIASES])
def test_each_example_matches_exactly_one_pattern(example):
    assert len(matching(example)) == 1


def test_names_are_no_spellings_of_another_format():
    """A name that a pattern matches too must mean the same."""
    for name in registry.NAMES:
        for family in registry.FAMILIES:
            assert not family.pattern.fullmatch(name) or registry.NAMES[name] == name


def test_each_family_has_examples():
    for family in registry.FAMILIES:
        assert family.examples
        assert all(family in matching(e) for e in family.examples)


def public():
    for module in (
        numfmt,
        numfmt.adam8bit,
        numfmt.allocation,
        numfmt.arithmetic,
        numfmt.testing,
        numfmt.calibration,
        numfmt.coding,
        numfmt.fixed_point,
        numfmt.gemm,
        numfmt.gemmlowp,
        numfmt.gguf,
        numfmt.quant_state,
        numfmt.quantizers,
        numfmt.flexpoint,
        numfmt.training,
        numfmt.vectors,
    ):
        for name in module.__all__:
            if callable(getattr(module, name)):
                yield pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")


@pytest.mark.parametrize("thing", list(public()))
def test_docstrings(thing):
    text = inspect.getdoc(thing)
    assert text
    assert inspect.isclass(thing) or ">>> " in text


@pytest.mark.parametrize("thing", list(public()))
def test_type_hints(thing):
    if not inspect.isclass(thing):
        signature = inspect.signature(thing)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()
    setup = PACKAGE.parent / "setup.cfg"
    if setup.is_file():
        read = configparser.ConfigParser()
        read.read(setup)
        assert "py.typed" in read["options.package_data"]["numfmt"]
