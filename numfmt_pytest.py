"""pytest plugin of numfmt: tests over formats and modes, with seeds of their own.

Installed with numfmt, and loaded by pytest itself. It imports nothing but pytest until a test asks for something:

* ``@pytest.mark.numfmt(formats="bf16,e4m3fn", rounding="rne,rtz")`` calls the test for each format (argument
  ``fmt``, a `numfmt.Format`) and each mode (argument ``rounding``, its name). Lists serve too;
  ``formats="all"`` is every element format with a name, ``rounding="all"`` every deterministic
  mode. A test takes either argument, or both.
* ``numfmt_seed``: an integer from 0 to 2**64 - 1 of that test alone, whatever other tests run: of its name and
  ``--numfmt-seed N``. ``--numfmt-seed random`` draws N and tells it in the header.
* ``numfmt_rng``: a `numpy.random.Generator` of that seed.
* ``assert_same_bits``, ``assert_ulp``: those of `numfmt.testing`.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import numpy as np

MARKER = "numfmt(formats, rounding): call the test for each format `fmt` and each mode `rounding`"
SEEDS = 1 << 64
SEED_OF_ALL = "numfmt_seed"  # in what pytest-xdist hands to its processes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("numfmt").addoption(
        "--numfmt-seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of numfmt's random numbers: an integer, or `random`",
    )


def _seed(text: str) -> int:
    try:
        seed = secrets.randbelow(1 << 32) if text == "random" else int(text, 0)
    except ValueError:
        seed = -1
    if not 0 <= seed < SEEDS:
        raise argparse.ArgumentTypeError(f"an integer from 0 to 2**64 - 1, or `random`, not {text!r}")
    return seed


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    config.option.numfmt_seed = getattr(config, "workerinput", {}).get(SEED_OF_ALL, config.option.numfmt_seed)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """One seed for all processes of pytest-xdist, each of which would draw its own."""
    node.workerinput[SEED_OF_ALL] = node.config.option.numfmt_seed


def pytest_report_header(config: pytest.Config) -> list[str]:
    seed = config.getoption("--numfmt-seed")
    return [f"numfmt: --numfmt-seed {seed}"] if seed else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for mark in metafunc.definition.iter_markers("numfmt"):
        unknown = set(mark.kwargs) - set(ARGUMENTS)
        if mark.args or unknown:
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: {MARKER}; both are keywords")
        for keyword, (argument, read) in ARGUMENTS.items():
            if keyword in mark.kwargs:
                cases = read(mark.kwargs[keyword])
                metafunc.parametrize(argument, cases, ids=[str(case) for case in cases])


def _formats(given: Any) -> list[Any]:
    import numfmt

    if given == "all":
        named = [numfmt.parse(name) for name in numfmt.list_formats()]
        return [fmt for fmt in named if isinstance(fmt, numfmt.Format)]
    return [numfmt.parse(spec) for spec in _listed(given)]


def _modes(given: Any) -> list[str]:
    from numfmt.rounding import MODES, rounding_mode

    if given == "all":
        return [name for name, mode in MODES.items() if not mode.stochastic]
    return [rounding_mode(name).name for name in _listed(given)]


def _listed(given: Any) -> list[Any]:
    """A list as it is, or names with commas between."""
    from numfmt.spec import split_commas

    return [name.strip() for name in split_commas(given)] if isinstance(given, str) else list(given)


ARGUMENTS: dict[str, tuple[str, Callable[[Any], list[Any]]]] = {
    "formats": ("fmt", _formats),
    "rounding": ("rounding", _modes),
}


@pytest.fixture
def numfmt_seed(request: pytest.FixtureRequest) -> int:
    """A seed of this test alone: of its name and ``--numfmt-seed``."""
    told = f"{request.config.getoption('--numfmt-seed')} {request.node.nodeid}"
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "little")


@pytest.fixture
def numfmt_rng(numfmt_seed: int) -> np.random.Generator:
    """Random numbers of this test alone."""
    import numpy as np

    return np.random.default_rng(numfmt_seed)


@pytest.fixture
def assert_same_bits() -> Callable[..., None]:
    """`numfmt.testing.assert_same_bits`."""
    from numfmt import testing

    return testing.assert_same_bits


@pytest.fixture
def assert_ulp() -> Callable[..., None]:
    """`numfmt.testing.assert_ulp`."""
    from numfmt import testing

    return testing.assert_ulp
