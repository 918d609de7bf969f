"""README.md tells the truth: its examples run, its output is what is printed, its table is current."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import numfmt
from numfmt.blocks import Block
from numfmt.limits import format_table, recipe_table

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = re.findall(r"```console\n\$ nfmt (.*?)\n(.*?)\n```", README, re.S)


def test_the_python_examples_run():
    test = doctest.DocTestParser().get_doctest(README, {}, "README", "README.md", 0)
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
    assert result.attempted > 5
    assert result.failed == 0


@pytest.mark.parametrize(("command", "printed"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_a_command_prints_what_is_shown(command, printed):
    done = subprocess.run(
        [sys.executable, "-m", "numfmt", *shlex.split(command)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip() == printed.rstrip()


def test_the_format_table_is_current():
    table = re.search(r"<!-- formats -->\n(.*?)\n<!-- /formats -->", README, re.S)[1]
    assert table == format_table()


def test_the_table_of_recipes_is_current():
    table = re.search(r"<!-- recipes -->\n(.*?)\n<!-- /recipes -->", README, re.S)[1]
    assert table == recipe_table()
    names = [name for name in numfmt.list_formats() if isinstance(numfmt.parse(name), Block)]
    assert re.findall(r"^\| `([^`]+)`", table, re.M) == names


def test_every_figure_and_page_named_exists():
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).parents[2] / path).exists(), path


def test_there_are_the_two_commands_that_ci_runs():
    assert len(re.findall(r"^python -m pip install", README, re.M)) == 2
