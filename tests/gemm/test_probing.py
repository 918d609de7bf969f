"""`probe` finds the parameters of every unit that is shipped, and of others."""

from dataclasses import replace

import numpy as np
import pytest

import numfmt
from numfmt.gemm import Aligned, Chain, Floored, Grouped, Late, Unit, probe, systolic
from numfmt.gemm.unit_steps import float_format
from numfmt.gemm.unit_table import EMULATED, UNITS

NARROW = ("e3m2fn", "e2m3fn", "e2m1fn")  # a sum of their products is exact in any unit
CHAINS = {
    "amd_mi100_fp16": ("c", 0, 1, 2, 3),
    "amd_mi100_bf16": ("c", 0, 1),
    "amd_mi250_fp16": (((0, 1), (2, 3)), "c"),
    "amd_mi250_bf16_1k": (((0, 1), (2, 3)), "c"),
    "amd_mi250_bf16": ((0, 1), "c"),
    "intel_vdpbf16ps": (("c", 1), 0),
    "arm_bfdot": ((0, 1), "c"),
    "arm_bfdot_ebf": ((0, 1), "c"),
    "exact": ("c", 0),
}


def chained(leaves):
    """((0, 1), 2), ..."""
    tree = (leaves[0], leaves[1])
    for leaf in leaves[2:]:
        tree = (tree, leaf)
    return tree


def wanted_order(unit):
    step = unit.step
    if unit.name.startswith("intel_amx"):
        return ((chained(range(0, 32, 2)), chained(range(1, 32, 2))), "c")
    if isinstance(step, Chain):
        return CHAINS.get(unit.name, ("c", 0))
    if isinstance(step, Late):
        return (((EMULATED[:16]), *EMULATED[16:]), "c")
    return ("c", *range(wanted_length(unit)))


def wanted_length(unit):
    if unit.name == "exact":
        return None
    return unit.step.length // (unit.scales.block if isinstance(unit.step, Grouped) else 1)


def wanted_alignment(unit):
    """bits, cut, c_bits, c_cut"""
    step, nothing = unit.step, (None, None)
    if isinstance(step, Late):
        return (step.inner.bits, step.inner.cut, *nothing)
    if isinstance(step, Floored):
        return step.bits, "toward_zero", step.c_bits, "toward_negative"
    if not isinstance(step, Aligned):
        return (*nothing, *nothing)
    own = step.bits, step.cut
    hidden = unit.a in NARROW and (unit.scales.block == 32)
    return (*(nothing if hidden else own), *own)


@pytest.mark.parametrize("name", UNITS)
def test_every_unit_is_found(name):
    unit = UNITS[name]
    found, step = probe(name), unit.step
    assert found.length == wanted_length(unit)
    assert found.order == wanted_order(unit)
    assert (found.bits, found.cut, found.c_bits, found.c_cut) == wanted_alignment(unit)
    assert found.precision == float_format(step.output).man_bits + 1
    assert found.rounding == step.rounding
    assert found.exact_products
    assert found.subnormal_inputs == (not getattr(step, "daz", ""))
    assert found.subnormal_results == (not getattr(step, "ftz", ""))


OWN = [
    Aligned(8, bits=20, cut="toward_negative"),
    Aligned(5, bits=27, cut="nearest_even", rounding="toward_positive", overflow="ieee"),
    Aligned(12, bits=29, rounding="nearest_away"),
    Aligned(2, bits=30, rounding="to_odd"),
    Aligned(3, bits=28, rounding="toward_negative"),
    Aligned(4, "e8m20", bits=26, rounding="nearest_zero"),
]


@pytest.mark.parametrize("step", OWN, ids=str)
def test_other_parameters_are_found(step):
    found = probe(Unit("own", step, "bf16"))
    assert (found.length, found.c_bits, found.c_cut) == (step.length, step.bits, step.cut)
    assert (found.bits, found.cut) == ((step.bits, step.cut) if step.length > 2 else (None, None))
    if step.bits > 23:  # else alignment hides what the rounding would do
        assert (found.precision, found.rounding) == (float_format(step.output).man_bits + 1, step.rounding)


def test_pipelines_are_found():
    found = probe(systolic(5, product="bf16"))
    assert (found.length, found.order, found.exact_products) == (5, (chained(range(5)), "c"), False)
    found = probe(systolic(8, lanes=4, clear=False))
    assert found.order == ((((0, 4), (1, 5)), ((2, 6), (3, 7))), "c")
    wide = Unit("pairs", Chain(width=2, length=2), "bf16")
    assert probe(wide).order == ("c", 0, 1)
    reversed_ = replace(wide, step=Chain(4), order=(3, 2, 1, 0))
    assert probe(reversed_).order == (((("c", 3), 2), 1), 0)


def test_a_callable():
    def pairwise(a, b, c):
        """float32: neighbours first, then with the sum so far."""
        total, products = np.float32(c[0, 0]), (a[0] * b[:, 0]).astype(np.float32)
        for x, y in zip(products[::2], products[1::2], strict=True):
            total = total + (x + y)
        return [[total]]

    def steps(a, b, c):
        spare = -a.shape[1] % 2
        return pairwise(np.pad(a, ((0, 0), (0, spare))), np.pad(b, ((0, spare), (0, 0))), c)

    found = probe(steps, "bf16", "f32")
    assert (found.length, found.order, found.rounding) == (2, ((0, 1), "c"), "nearest_even")
    assert found.subnormal_inputs
    assert found.precision == 24


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda a, b, c: [[0.0]], "this is no a b"),
        (lambda a, b, c: [[np.inf]], "makes inf"),
    ],
)
def test_what_adds_nothing_up(run, message):
    with pytest.raises(numfmt.RangeError, match=message):
        probe(run, longest=4)
