"""What every test shares: the objects that doctests may name."""

import numpy as np
import pytest

import numfmt


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace.update(np=np, numfmt=numfmt)
