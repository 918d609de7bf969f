"""Matrix units as data: what a step adds, where it cuts, and what it rounds to.

A unit computes d = a b + c step by step: each step takes the next `length` products along k and the sum so
far. The last step is filled with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import RangeError, SpecError, choose
from ..formats.floats import Float
from ..registry import element
from ..rounding import rounding_mode

CUTS = ("toward_zero", "toward_negative", "nearest_even")
OVERFLOWS = ("ieee", "infinity", "saturate")
FLUSHES = ("", "before", "after", "rounded")
ZEROED = ("", "signed", "positive")


@dataclass(frozen=True)
class Rounded:
    """What all steps have: the format of their result, and how it is reached.

    output : a float format
    rounding : a deterministic mode
    overflow : "ieee", "infinity" or "saturate"
    """

    length: int = 1
    output: str = "f32"
    rounding: str = "nearest_even"
    overflow: str = "ieee"

    def __post_init__(self) -> None:
        if self.length < 1:
            raise RangeError(f"a step takes at least one product, got length={self.length}")
        choose("overflow policy of a unit", self.overflow, OVERFLOWS)
        if rounding_mode(self.rounding).stochastic:
            raise SpecError(f"a unit rounds in a deterministic mode, got {self.rounding!r}", self.rounding)
        float_format(self.output)


@dataclass(frozen=True)
class Aligned(Rounded):
    """Products and the sum so far, aligned to the largest exponent, cut, and added at once (T-FDA).

    An operand is s 2**e with 1 <= \\|s\\| < 2; subnormals have the least exponent of their format. A product
    has the exponent e_a + e_b, whatever its significand. Each term becomes a whole number of units of
    2**(E - bits), E the largest exponent; their exact sum is rounded to `output`. A zero is +0.

    bits : F, the fraction bits kept below the largest exponent
    cut : how a term becomes a whole number: "toward_zero", "toward_negative" or "nearest_even"
    least : the exponent of a zero, thus the least E (of the units shipped: UNVERIFIED on devices)
    """

    rounding: str = "toward_zero"
    overflow: str = "infinity"
    bits: int = 24
    cut: str = "toward_zero"
    least: int = -132

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_bits(self.bits)
        choose("cut", self.cut, CUTS)


@dataclass(frozen=True)
class Grouped(Aligned):
    """As `Aligned`, the terms being exact sums of `group` products with their two block scales.

    The exponent of a term is that of its scales alone: the size of the sum does not enter.
    """

    group: int = 16


@dataclass(frozen=True)
class Floored(Rounded):
    """Products aligned and cut as in `Aligned`, then the sum so far with cuts toward -infinity.

    E is the larger exponent of the dot product (that of its largest product) and the sum so far. The dot
    product is floored at 2**(E - dot_bits), the sum so far at 2**(E - c_bits); their sum is floored to
    `kept` bits below its own exponent and then rounded to `output`. A product of 2**128 or more is infinite, and
    makes NaN with an infinite sum of the other sign (UNVERIFIED).

    halves : products of even and of odd k are aligned apart, each half floored at 2**(E - bits), and added
    reach : the sum so far counts as 0 where its exponent is below E - reach; None: never
    """

    bits: int = 24
    dot_bits: int = 32
    c_bits: int = 24
    kept: int = 31
    halves: bool = False
    reach: int | None = None


@dataclass(frozen=True)
class Chain(Rounded):
    """Operations with one rounding each, as IEEE 754 has them.

    width : products that enter one addition, exactly; None: all of K
    lanes : 0: they are added to the sum so far. Else so many sums are kept apart, to which the groups go in
        turn; every `length` products they are joined in a balanced tree, and that is added to the sum so far
    clear : the lanes begin at +0, not with their first product
    product : a format that each product is rounded to first; None: it stays exact (a fused multiply-add)
    daz : what subnormal inputs count as: "" themselves, "signed" zeros, or "positive" ones
    ftz : a result becomes a zero of its sign when it is tiny "before" or "after" rounding, or where it is
        "rounded" to a subnormal; "": never
    """

    width: int | None = 1
    lanes: int = 0
    clear: bool = False
    product: str | None = None
    daz: str = ""
    ftz: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("daz", self.daz, ZEROED)
        choose("ftz", self.ftz, FLUSHES)
        if self.lanes < 0 or (self.width is not None and self.width < 1):
            raise RangeError(f"expected lanes >= 0 and width >= 1, got {self.lanes} and {self.width}")
        if self.product is not None:
            float_format(self.product)


@dataclass(frozen=True)
class Late(Rounded):
    """`inner` over `length` products from +0; the sum so far is added to what it gives, with one rounding."""

    inner: Aligned = field(default_factory=Aligned)


Step = Aligned | Floored | Chain | Late


@dataclass(frozen=True)
class Scales:
    """One scale for each `block` neighbours along k, of both operands; the sign of `format` is ignored.

    Blocks that `numfmt.encode` makes go in as their elements and scales:

    >>> from numfmt.gemm import matmul
    >>> x = np.arange(-64.0, 64.0).reshape(2, 64)
    >>> a, b = numfmt.encode(x, "mxfp4"), numfmt.encode(x.T, "mxfp4", axis=0)
    >>> left, right = numfmt.decode(a.codes, "e2m1fn"), numfmt.decode(b.codes, "e2m1fn")
    >>> found = matmul(left, right, unit="nvidia_b200_mxfp4", scales=(a.scales, b.scales))
    >>> found.tolist() == (a.decode() @ b.decode()).tolist()
    True
    """

    format: str
    block: int


@dataclass(frozen=True)
class Unit:
    """A matrix unit: the format of its operands, and what it does with their products.

    Parameters
    ----------
    name : str
    step : Aligned, Grouped, Floored, Chain or Late
    a, b : str
        Formats of the operands; b is that of a where it is left out.
    c : str
        Format of the initial sum.
    order : tuple of int
        Of each run of ``len(order)`` products, the one that is taken first, second, ...
    scales : Scales, optional
        Block-scaled operands.
    nan : int
        The float32 code of every NaN result.
    instruction, source, unverified : str
        Where it is found, who says so, and what of it nobody has confirmed on hardware.

    Examples
    --------
    A tensor core that keeps 20 bits of eight products:

    >>> from numfmt.gemm import Aligned, Unit, matmul
    >>> mine = Unit("mine", Aligned(length=8, bits=20), a="bf16")
    >>> a = np.array([1.0, 2.0**-10, 2.0**-11])
    >>> [float(matmul(a, a, unit=unit) - 1) * 2**22 for unit in (mine, "exact")]
    [4.0, 5.0]
    """

    name: str
    step: Step
    a: str = "bf16"
    b: str = ""
    c: str = "f32"
    order: tuple[int, ...] = ()
    scales: Scales | None = None
    nan: int = 0x7FFFFFFF
    instruction: str = ""
    source: str = ""
    unverified: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "b", self.b or self.a)
        for spec in (self.a, self.b, self.c):
            float_format(spec)
        if sorted(self.order) != list(range(len(self.order))):
            raise RangeError(f"order is a permutation of 0 to {len(self.order) - 1}, got {self.order}")
        if isinstance(self.step, Grouped) and not self.scales:
            raise SpecError(
                f"unit {self.name!r}: a Grouped step needs scales=Scales(format, block)", self.name
            )

    @property
    def run(self) -> int:
        """Products that are filled up with zeros together."""
        return max(self.step.length, len(self.order), self.scales.block if self.scales else 1)

    def summary(self) -> str:
        """The step in a few words.

        >>> Unit("x", Aligned(length=4, bits=23)).summary()
        'Aligned, length 4, bits 23'
        """
        return _summary(self.step)


def _summary(step: Any) -> str:
    shown = {"width", "lanes", "clear", "bits", "cut", "group", "halves", "product", "daz", "ftz", "inner"}
    told = [type(step).__name__, f"length {step.length}"]
    for part in fields(step):
        value = getattr(step, part.name)
        if part.name in shown and (value != part.default or part.name == "bits"):
            told.append(f"({_summary(value)})" if isinstance(value, Rounded) else f"{part.name} {value}")
    return ", ".join(told)


def float_format(spec: Any) -> Float:
    """The binary float of a spec."""
    found = element(spec)
    if not isinstance(found, Float):
        raise SpecError(f"a matrix unit works on binary floats, got '{found}'", str(spec))
    return found


def _check_bits(bits: int) -> None:
    if not 0 <= bits <= 4096:
        raise RangeError(f"alignment keeps 0 to 4096 bits, got bits={bits}")
