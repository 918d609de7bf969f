"""What chosen inputs tell of an unknown matrix unit.

The pattern of large terms that cancel around small ones shows which terms are added at once (Fasi et al., PeerJ
Computer Science 7:e330, 2021; Xie et al., FPRev, arXiv 2411.00442); single terms beside a cancelling pair show
where alignment cuts (Li et al., FTTN, arXiv 2403.00232; Khattak and Mikaitis, IEEE HPEC 2025; Valpey et al.,
arXiv 2502.15999).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from ..errors import RangeError
from ..formats.floats import Float
from ..rounding import MODES
from .unit_products import multiply
from .unit_steps import Grouped, Unit, float_format
from .unit_table import unit_of

Array = np.ndarray[Any, Any]
Tree = Any  # an int (a product), "c", or a tuple of trees that are added at once
C = -1
BLOCKS = 16  # along k, where terms are blocks
GAP = 60  # binades between large and small terms, where the formats have them
APART = 32  # binades between terms that do not show beside each other, nor do their sums
BLOCKS_APART = 43  # of scaled blocks
CUT_OF: dict[Any, str] = {  # what 1.5 and -1.5 units become, then 0.5 and -0.5
    (1, -1, 0, 0): "toward_zero",
    (1, -2, 0, -1): "toward_negative",
    (2, -2, 0, 0): "nearest_even",
    (2, -1, 1, 0): "toward_positive",
}


@dataclass(frozen=True)
class Findings:
    """What was seen of a unit. None: not to be seen with the range of its formats, or nothing is cut.

    Attributes
    ----------
    length : products in a step; None where no product is ever lost
    order : the additions of a step, a tree: the members of a tuple are added at once, numbers are products,
        "c" the sum so far. Where exact sums hide it, one tuple
    bits, cut : fraction bits that products keep beside the largest, and how the rest is cut
    c_bits, c_cut : the same for the sum so far
    precision : significand bits of the result
    rounding : of the result
    exact_products : whether a product keeps all its bits
    subnormal_inputs, subnormal_results : whether they count, or become zeros
    """

    length: int | None
    order: Tree
    bits: int | None
    cut: str | None
    c_bits: int | None
    c_cut: str | None
    precision: int
    rounding: str | None
    exact_products: bool
    subnormal_inputs: bool
    subnormal_results: bool


class Bench:
    """A unit that is given products by their values, one dot product at a time."""

    def __init__(
        self, run: Callable[..., Any], a: Float, c: Float, size: int, apart: int = APART, finer: int = 0
    ) -> None:
        self.run, self.a, self.c, self.size = run, a, c, size
        self.top = min(2 * a.emax, c.emax - 1)
        self.least = 2 * (a.emin - a.man_bits) - finer
        self.low = max(2 * a.emin, c.emin)
        if self.top - self.low < apart:
            self.low = max(self.least, c.emin - c.man_bits)
        self.low = max(self.low, self.top - GAP)
        self.is_wide = self.top - self.low >= apart

    def sum(self, products: dict[int, float], c: float = 0.0, width: int | None = None) -> Fraction:
        """The result for products at given places, zeros elsewhere, and c."""
        return self.dot({k: _factors(value) for k, value in products.items()}, c, width)

    def dot(
        self, factors: dict[int, tuple[float, float]], c: float = 0.0, width: int | None = None
    ) -> Fraction:
        """As `sum`, each product given by its two operands."""
        a, b = np.zeros((1, width or self.size)), np.zeros((width or self.size, 1))
        for k, (x, y) in factors.items():
            a[0, k], b[k, 0] = x, y
        result = float(np.asarray(self.run(a, b, np.full((1, 1), c)))[0, 0])
        if not np.isfinite(result):
            raise RangeError(
                f"the unit makes {result} of the products {factors} and c = {c}, which it should hold"
            )
        return Fraction(result)

    def terms(self, values: dict[int, float], width: int) -> Fraction:
        """As `sum`, with the initial sum at place `C`."""
        return self.sum({k: x for k, x in values.items() if k != C}, values.get(C, 0.0), width)

    def lost(self, i: int, j: int, width: int) -> int:
        """Terms that do not show where a large one is added at i and taken away at j, those two with them."""
        large, small = 2.0**self.top, 2.0**self.low
        others = [k for k in (C, *range(width)) if k not in (i, j)]
        kept = self.terms({**dict.fromkeys(others, small), i: large, j: -large}, width) / Fraction(small)
        if kept == len(others) or (self.is_wide and kept in range(width)):
            return width + 1 - int(kept)
        alone = (self.terms({k: small, i: large, j: -large}, width) for k in others)
        return 2 + sum(result != Fraction(small) for result in alone)


def _factors(value: float) -> tuple[float, float]:
    """Two operands, the first with the significand."""
    significand, exponent = np.frexp(value)
    part = -(-int(exponent - 1) // 2)
    return float(np.ldexp(2 * significand, part)), float(np.ldexp(1.0, int(exponent) - 1 - part))


def probe(unit: Any, a: Any = "bf16", c: Any = "f32", longest: int = 64) -> Findings:
    """The parameters of a matrix unit, found by chosen inputs.

    Parameters
    ----------
    unit : str, Unit or callable
        A callable takes float64 arrays of shapes (1, K), (K, 1), (1, 1) and returns a b + c.
    a, c : str or Format
        Of a callable: the formats of its operands and of its sum, which must hold integers up to `longest`.
    longest : int
        Steps of up to so many products are found. K is at most twice that.

    Returns
    -------
    Findings

    Raises
    ------
    RangeError : the results contradict each other, as those of no sum do

    Notes
    -----
    Of `Grouped` units a product is the sum of a block, its size the scales'; other block-scaled units are
    probed with scales of 1.

    Examples
    --------
    >>> found = probe("nvidia_v100_fp16")
    >>> found.length, found.bits, found.cut, found.precision, found.rounding
    (4, 23, 'toward_zero', 24, 'toward_zero')
    >>> probe("intel_vdpbf16ps").order
    (('c', 1), 0)
    """
    bench, steps, block = _benches(unit, a, c, 2 * longest)
    blocks = _length(steps or bench)
    length = None if blocks is None else blocks * block
    terms = steps if steps and block == 1 else bench
    width = length or 1
    distances = {pair: terms.lost(*pair, width) for pair in combinations((C, *range(width)), 2)}
    order = _tree((C, *range(width)), distances)
    bits, cut = _alignment(terms, _joined(order, False), width)
    c_bits, c_cut = _alignment(terms, _joined(order, True), width)
    precision, ulp = _precision(bench)
    return Findings(
        length, order, bits, cut, c_bits, c_cut, precision, _rounding(bench, ulp), _has_exact_products(bench),
        _keeps_inputs(bench), _keeps_results(bench),
    )  # fmt: skip


def _benches(unit: Any, a: Any, c: Any, size: int) -> tuple[Bench, Bench | None, int]:
    """The unit given products, the unit given blocks if it has scales, and the products that a block counts as."""
    if callable(unit):
        return Bench(unit, float_format(a), float_format(c), size), None, 1
    found = unit_of(unit)
    scales = (1.0, 1.0) if found.scales else None
    bench = Bench(
        lambda x, y, z: multiply(x, y, found, z, scales=scales),
        float_format(found.a),
        float_format(found.c),
        size,
    )
    if found.scales is None:
        return bench, None, 1
    return bench, _block_bench(found), 1 if isinstance(found.step, Grouped) else found.scales.block


def _block_bench(unit: Unit) -> Bench:
    """Each product is a block: its significand in the first elements, its exponent in the scales."""
    assert unit.scales is not None
    block, form = unit.scales.block, float_format(unit.scales.format)
    ends = float(form.smallest), 2.0**form.emax

    def run(a: Array, b: Array, c: Array) -> Any:
        left, right = (_blocks(x.ravel(), block, ends) for x in (a, b))
        scales = left[1][None], right[1][:, None]
        return multiply(left[0][None], right[0][:, None], unit, c, scales=scales)

    return Bench(run, form, float_format(unit.c), BLOCKS, BLOCKS_APART, 2)


def _blocks(x: Array, block: int, ends: tuple[float, float]) -> tuple[Array, Array]:
    """Elements and scales."""
    exponents = np.frexp(x)[1] - 1
    scales = np.clip(np.where(x == 0, 1.0, np.ldexp(1.0, exponents)), *ends)
    elements = np.zeros((len(x), block))
    elements[:, 0] = x / scales
    return elements.ravel(), scales


def _length(bench: Bench) -> int | None:
    """How many products the sum so far waits for: what is lost between the first product and c."""
    size = bench.size
    found = bench.lost(0, C, size) - 1
    if found > 1 or bench.lost(0, 1, size) > 2:
        return found
    return next((j for j in range(2, size) if bench.lost(0, j, size) > 2), None)


def _tree(leaves: tuple[int, ...], distances: dict[tuple[int, int], int]) -> Tree:
    """Leaves in the order of their additions, from how many others each pair takes along."""
    if len(leaves) == 1:
        return "c" if leaves[0] == C else leaves[0]
    most = max(distances[pair] for pair in combinations(leaves, 2))
    parts: list[list[int]] = []
    for leaf in leaves:
        near = [p for p in parts if distances[p[0], leaf] < most]
        if len(near) > 1:
            raise RangeError(
                f"terms {near[0][0]} and {near[1][0]} are each nearer to {leaf} than to each other"
            )
        (near[0].append if near else lambda x: parts.append([x]))(leaf)
    trees = [_tree(tuple(part), distances) for part in parts]
    return tuple(sorted(trees, key=lambda tree: not isinstance(tree, tuple)))


def _joined(order: Tree, with_c: bool) -> tuple[int, int, int] | None:
    """Two products and a third term that are added at once; the third is c if asked for."""
    leaves = [k for k in order if not isinstance(k, tuple)] if isinstance(order, tuple) else []
    products = [k for k in leaves if k != "c"]
    if with_c and "c" in leaves:
        return (products[0], products[1], C) if len(products) > 1 else None
    if not with_c and len(products) > 2:
        return products[0], products[1], products[2]
    below = [_joined(tree, with_c) for tree in order if isinstance(tree, tuple)]
    return next((found for found in below if found), None)


def _alignment(
    bench: Bench, places: tuple[int, int, int] | None, width: int
) -> tuple[int | None, str | None]:
    """The last binade below a cancelling pair where a third term shows, and how it is cut there."""
    if not places:
        return None, None
    top, low = _reach(bench, places[2])

    def beside(x: float) -> Fraction:
        return bench.terms({places[0]: 2.0**top, places[1]: -(2.0**top), places[2]: x}, width)

    seen = [t for t in range(top - low + 1) if beside(2.0 ** (top - t))]
    bits = max(seen, default=0)
    if bits >= top - low:
        return None, None
    unit = 2.0 ** (top - bits)
    found = tuple(beside(x * unit) / Fraction(unit) for x in (1.5, -1.5, 0.5, -0.5))
    return bits, CUT_OF.get(found, "unknown")


def _reach(bench: Bench, place: int) -> tuple[int, int]:
    """Exponents of the large and of the least term: as far apart as the formats allow, up to `GAP`."""
    least = bench.c.emin - bench.c.man_bits + 1
    return bench.top, max(least if place == C else max(least, bench.least), bench.top - GAP)


def _precision(bench: Bench) -> tuple[int, Fraction]:
    """Significand bits of the result, and its ulp at 4: the least step of c + 2.25 there."""
    fine = bench.c.man_bits
    steps = {k << shift for shift in range(max(1, fine - 2)) for k in range(4)}
    sums = sorted({_around_four(bench, Fraction(k, 2**fine), 1) for k in steps})
    if len(sums) == 1:
        raise RangeError(f"c + 2.25 gives {sums[0]} for every c from 1.75 to 2: this is no a b + c")
    ulp = min(y - x for x, y in pairwise(sums))
    return 3 + (1 / ulp).numerator.bit_length() - 1, ulp


def _around_four(bench: Bench, beyond: Fraction, sign: int) -> Fraction:
    return bench.dot({0: (sign * 1.5, 1.5)}, sign * float(Fraction(7, 4) + beyond))


def _rounding(bench: Bench, ulp: Fraction) -> str | None:
    """The mode that explains quarters of an ulp beside 4, after even and odd significands, of both signs."""
    seen = {
        (odd, quarter, sign): sign * _around_four(bench, ulp * (odd + Fraction(quarter, 4)), sign)
        != 4 + odd * ulp
        for odd in (0, 1)
        for quarter in (1, 2, 3)
        for sign in (1, -1)
    }
    names = [mode.name for mode in MODES.values() if not mode.stochastic and _explains(mode, seen)]
    return names[0] if names else None


def _explains(mode: Any, seen: dict[tuple[int, int, int], bool]) -> bool:
    return all(
        grown == (quarter > 2 if mode.nearest and quarter != 2 else mode.grows(bool(odd), sign < 0))
        for (odd, quarter, sign), grown in seen.items()
    )


def _has_exact_products(bench: Bench) -> bool:
    """(1 + u)**2 - (1 + 2 u) is u**2."""
    u = 2.0**-bench.a.man_bits
    return bench.dot({0: (1 + u, 1 + u)}, -(1 + 2 * u)) == Fraction(u * u)


def _keeps_inputs(bench: Bench) -> bool:
    return bench.dot({0: (2.0 ** (bench.a.emin - 1), 2.0 ** (bench.a.emax - 1))}) != 0


def _keeps_results(bench: Bench) -> bool:
    """Of a product where the formats allow, else of c."""
    tiny = 2.0 ** (bench.c.emin - 1)
    return bool(bench.sum({0: tiny}) if bench.c.emin - 1 >= 2 * bench.a.emin else bench.sum({}, tiny))
