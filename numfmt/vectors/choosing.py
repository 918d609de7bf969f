"""Which operands a pack holds: all of them where there are at most 2**20, else hard ones, then random ones.

Hard ones are every class of number with every other, one ulp beside each; significands of few bits or long runs
under telling exponents (as Berkeley TestFloat chooses them); operands whose exponents differ by every telling
distance; and operands aimed at: their exact result lies on or beside a value, a tie, an end of the range, or 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from ..casting import decode, encode
from ..format import Format
from ..formats.floats import Float
from .asking import Request
from .draws import Draws

Array = np.ndarray[Any, Any]
Operands = tuple[Array, ...]
WHOLE = 1 << 20  # cases
RANDOM = 1 << 16  # cases after the hard ones, unless the call says
DRAWN = 1 << 13  # cases of each recipe
MOST = 48  # telling codes of an operand in triples


class Chosen:
    """The operands of a request by number, the same in every mode."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.bits = [field.bits for field in request.inputs]
        self.is_whole = sum(self.bits) <= WHOLE.bit_length() - 1

    @cached_property
    def hard(self) -> Operands:
        return _distinct(_hard(self.request))

    def __len__(self) -> int:
        if self.is_whole:
            every = 1 << sum(self.bits)
            return every if self.request.count is None else min(every, self.request.count)
        return self.hard[0].size + RANDOM if self.request.count is None else self.request.count

    def codes(self, start: int, stop: int) -> Operands:
        """The operands numbered `start ... stop - 1`, as codes."""
        if self.is_whole:
            return self._of_all(start, stop)
        known = self._sampled(start, stop)
        first = min(max(start - self.hard[0].size, 0), max(stop - self.hard[0].size, 0))
        count = stop - start - known[0].size
        if not count:
            return known
        return tuple(
            np.concatenate(pair) for pair in zip(known, self._random(first, first + count), strict=True)
        )

    def _of_all(self, start: int, stop: int) -> Operands:
        """All operands in the order of their codes, the last the fastest; of fewer, evenly spread ones."""
        numbers = np.arange(start, stop, dtype=np.int64)
        every = 1 << sum(self.bits)
        if len(self) < every:
            numbers = numbers * every // len(self)
        found = []
        for bits in reversed(self.bits):
            found.append((numbers & ((1 << bits) - 1)).astype(_word(bits)))
            numbers >>= bits
        return tuple(found[::-1])

    def _sampled(self, start: int, stop: int) -> Operands:
        """Hard operands; evenly spread ones where fewer are asked for than there are."""
        size = self.hard[0].size
        if len(self) >= size:
            return tuple(x[start:stop] for x in self.hard)
        where = np.arange(start, stop) * size // len(self)
        return tuple(x[where] for x in self.hard)

    def _random(self, start: int, stop: int) -> Operands:
        draws = Draws(self.request.seed)
        found: list[Array] = []
        for i, fmt in enumerate(self.request.sources):
            codes = draws.codes(3 * i, start, stop, fmt.bits)
            if i and isinstance(fmt, Float):
                codes = _near(
                    codes, draws.words(3 * i + 2, start, stop), found[0], self.request.sources[0], fmt
                )
            found.append(codes.astype(_word(fmt.bits), copy=False))
        usable = self.request.operation.usable
        return tuple(found if usable is None else usable(self.request, found))


def _word(bits: int) -> np.dtype[Any]:
    """The least unsigned dtype that holds a code."""
    return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if 8 * size >= bits)}")


def _near(codes: Array, words: Array, first: Array, other: Format, fmt: Float) -> Array:
    """In half of the cases with an exponent near that of the first operand, where both are alike."""
    if not isinstance(other, Float) or other.exp_bits != fmt.exp_bits:
        return codes
    word = codes.dtype.type
    top, reach = (1 << fmt.exp_bits) - 1, 2 * fmt.man_bits + 6
    shift = (words >> np.uint32(1)) % np.uint32(reach) + np.uint32(top + 1 - reach // 2)
    wanted = (first >> first.dtype.type(other.man_bits)) + shift.astype(first.dtype)
    field = word(top << fmt.man_bits)
    moved = codes & ~field | (wanted.astype(codes.dtype) & word(top)) << word(fmt.man_bits)
    return np.where(words & np.uint32(1), moved, codes)


def _distinct(recipes: Iterator[Operands]) -> Operands:
    """Rows in order, each once."""
    columns = [np.concatenate(parts) for parts in zip(*recipes, strict=True)]
    order = np.lexsort(columns[::-1])
    ordered = [x[order] for x in columns]
    new = np.ones(order.size, bool)
    new[1:] = np.logical_or.reduce([x[1:] != x[:-1] for x in ordered])
    return tuple(x[new] for x in ordered)


def _hard(request: Request) -> Iterator[Operands]:
    own = request.operation.hard
    recipes = (_classes, *RECIPES, *MORE.get(request.op, ())) if own is None else (own,)
    for recipe in recipes:
        found = recipe(request)
        yield tuple(x.astype(_word(fmt.bits)) for x, fmt in zip(found, request.sources, strict=True))


# Codes of one format


def telling(fmt: Format) -> Array:
    """A code of every class and both signs: ends, zeros, around 1, specials, one beside each.

    >>> telling(numfmt.parse("e2m1fn")).tolist()
    [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15]
    """
    codes = _telling_float(fmt) if isinstance(fmt, Float) else _telling_ranks(fmt)
    return np.unique(np.array(sorted(codes), np.uint64) & np.uint64((1 << fmt.bits) - 1))


def _telling_float(fmt: Float) -> set[int]:
    size = fmt.bits - fmt.signed
    one, normal = fmt.bias << fmt.man_bits, 1 << fmt.man_bits
    around = [0, normal, one, fmt.max_mag]
    quiet = fmt.nan() or 0
    single = [normal + (normal >> 1), quiet, quiet | 1, quiet | 5, (1 << size) - 1, fmt.max_mag + 2]
    magnitudes = {m + d for m in around for d in (-1, 0, 1)} | set(single)
    kept = {m for m in magnitudes if 0 <= m < 1 << size}
    return {m | sign << size for m in kept for sign in range(1 + fmt.signed)}


def _telling_ranks(fmt: Format) -> set[int]:
    """Of a format whose fields mean nothing here: its ends, zero and powers of two, and what lies beside."""
    low, high = fmt.span
    centres = {low, high, 0, *((1 << k) * s for k in range(fmt.bits) for s in (1, -1))}
    ranks = {c + d for c in centres for d in (-1, 0, 1)}
    return {fmt.code_at(rank) for rank in ranks if low <= rank <= high}


def shapes(bits: int) -> list[int]:
    """Words of few ones, few zeros, and long runs.

    >>> [f"{x:03b}" for x in shapes(3)]
    ['000', '001', '010', '011', '100', '101', '110', '111']
    """
    full, found = (1 << bits) - 1, {0, 1, 3, (1 << bits) - 1, (1 << bits) - 2}
    for i in range(bits):
        one = 1 << i
        found |= {one, one - 1, one + 1, full ^ one, full ^ (one - 1), one | 1 << (bits - 1)}
    return sorted(x for x in found if 0 <= x <= full)


def shaped(fmt: Format) -> Array:
    """Codes of telling exponents with significands of telling shapes."""
    if not isinstance(fmt, Float):
        return np.array(shapes(fmt.bits), np.uint64)
    fields = [
        sign << (fmt.bits - 1) | exponent << fmt.man_bits | shape
        for sign in range(1 + fmt.signed)
        for exponent in _exponents(fmt)
        for shape in shapes(fmt.man_bits)
    ]
    return np.array(fields, np.uint64)


def _exponents(fmt: Float) -> list[int]:
    """Stored exponents: the ends, around 1, and a significand's width from each."""
    top, width = (1 << fmt.exp_bits) - 1, fmt.man_bits + 1
    wanted = {c + d for c in (0, fmt.bias, top) for d in (-2, -1, 0, 1, 2, -width, width)}
    wanted |= {fmt.bias + s * d for s in (1, -1) for d in (2 * width, fmt.bias // 2, fmt.bias // 2 + 1)}
    return sorted(e for e in wanted if 0 <= e <= top)


# Recipes: each gives codes of all operands


def _classes(request: Request) -> Operands:
    """Every telling code with every other."""
    lists = [telling(fmt) for fmt in request.sources]
    if len(lists) > 2:
        lists = [x[np.arange(MOST) * x.size // MOST] if x.size > MOST else x for x in lists]
    return tuple(x.reshape(-1) for x in np.meshgrid(*lists, indexing="ij"))


def _shaped(request: Request) -> Operands:
    draws, base = Draws(request.seed), 1000
    lists = [shaped(fmt) for fmt in request.sources]
    if len(lists) == 1:
        return (lists[0],)
    return tuple(x[draws.below(base + i, 0, 4 * DRAWN, x.size)] for i, x in enumerate(lists))


def _aligned(request: Request) -> Operands:
    """The last operand a telling number of binades from what the others give, with a short significand."""
    draws, others = Draws(request.seed), _drawn_others(request, 2000)
    fmt, width = request.sources[-1], _width(request.form)
    sizes = np.abs(_neutral(request, others))
    usable = np.isfinite(sizes) & (sizes > 0)
    shift = draws.below(2010, 0, DRAWN, 2 * width + 8) - (width + 4)
    bits = np.array(shapes(min(_width(fmt) - 1, 52)), float)
    significand = 1 + bits[draws.below(2011, 0, DRAWN, bits.size)] / 2.0 ** min(_width(fmt) - 1, 52)
    sign = 1.0 - 2.0 * draws.below(2012, 0, DRAWN, 2)
    exponent = np.frexp(np.where(usable, sizes, 1.0))[1] - 1
    with np.errstate(all="ignore"):
        last = _encoded(sign * np.ldexp(significand, exponent + shift), fmt)
    return (*others, last)


def _aimed(request: Request) -> Operands:
    """The last operand such that the exact result lies on or one ulp of it beside a target."""
    draws, aim = Draws(request.seed), AIMS.get(request.op)
    if aim is None:
        return _beside(request)
    others = _drawn_others(request, 3000)
    marks = targets(request.form)
    with np.errstate(all="ignore"):
        wanted = aim(marks[draws.below(3010, 0, DRAWN, marks.size)], *_values(request, others))
    last = _encoded(wanted, request.sources[-1])
    return (*others, _stepped(last, draws.below(3011, 0, DRAWN, 5) - 2, request.sources[-1]))


def _cancelling(request: Request) -> Operands:
    """The last operand such that nearly nothing is left."""
    aim, draws = AIMS.get(request.op), Draws(request.seed)
    if aim is None or len(request.sources) == 1:
        return _beside(request)
    others = _drawn_others(request, 4000)
    with np.errstate(all="ignore"):
        wanted = aim(np.zeros(DRAWN), *_values(request, others))
    last = _encoded(wanted, request.sources[-1])
    return (*others, _stepped(last, draws.below(4011, 0, DRAWN, 7) - 3, request.sources[-1]))


def _beside(request: Request) -> Operands:
    """The last operand is the first, or one of the next three codes on either side."""
    (first, *_), draws = _drawn(request, 5000), Draws(request.seed)
    steps = draws.below(5011, 0, DRAWN, 7) - 3
    one = _stepped(first, steps, request.sources[0])
    if len(request.sources) == 1:
        return (one,)
    middle = _drawn(request, 5020)[1:-1]
    near = _encoded(decode(first.astype(_word(request.sources[0].bits)), request.sources[0], dtype=float),
                    request.sources[-1])  # fmt: skip
    return (first, *middle, _stepped(near, steps, request.sources[-1]))


def _carrying(request: Request) -> Operands:
    """Quotients midway between the largest subnormal number and the first normal one: rounded to nearest, no other
    quotient carries into the exponent."""
    fmt, other = request.sources
    tie = float(request.form.min_normal) * (1 - 2.0 ** -_width(request.form))
    firsts = shaped(fmt)
    with np.errstate(all="ignore"):
        return firsts, _encoded(_values(request, (firsts,))[0] / tie, other)


RECIPES: tuple[Callable[[Request], Operands], ...] = (_shaped, _aligned, _aimed, _cancelling, _beside)
MORE: dict[str, tuple[Callable[[Request], Operands], ...]] = {"div": (_carrying,)}

# What the last operand must be for a result, from the others: all float64, near enough
AIMS: dict[str, Callable[..., Array]] = {
    "cast": lambda t: t,
    "from_int": lambda t: t,
    "to_int": lambda t: t,
    "round_to_integral": lambda t: np.rint(t * 2) / 2,
    "add": lambda t, a: t - a,
    "sub": lambda t, a: a - t,
    "mul": lambda t, a: t / a,
    "div": lambda t, a: a / t,
    "sqrt": lambda t: t * t,
    "fma": lambda t, a, b: t - a * b,
}


def targets(fmt: Format) -> Array:
    """Values of a format, the ties above them, and the numbers at which its range begins and ends.

    >>> targets(numfmt.parse("e2m1fn")).tolist()[-4:]
    [4.0, 5.0, 6.0, 7.0]
    """
    values = _finite_values(fmt)
    ties = values[1:] / 2 + values[:-1] / 2
    beyond = float(fmt.max + (fmt.step or 0) / 2) if fmt.bits < 64 else float(fmt.max)
    ends = [float(fmt.min_normal) * (1 - 2.0**-k) for k in (_width(fmt), _width(fmt) + 1)]
    least = float(fmt.smallest)
    return np.unique([*values, *ties, beyond, *ends, least / 2, least * 0.75, least * 1.5, least / 4])


def _finite_values(fmt: Format) -> Array:
    """Ascending: all of a small format, else shaped ones and their upper neighbours."""
    if fmt.bits <= 8:
        return np.array([float(v) for _, v in fmt.values()])
    codes = np.concatenate([shaped(fmt), telling(fmt)])
    codes = np.concatenate([codes, _stepped(codes, np.ones(codes.size, int), fmt)])
    values = np.asarray(decode(codes.astype(_word(fmt.bits)), fmt, dtype=np.float64))
    return np.unique(values[np.isfinite(values)])


def _width(fmt: Format) -> int:
    """Significant bits of a value."""
    return fmt.man_bits + 1 if isinstance(fmt, Float) else min(fmt.bits, 53)


def _drawn(request: Request, base: int) -> Operands:
    """A shaped or a telling code for each operand."""
    draws, lists = Draws(request.seed), [np.concatenate([shaped(f), telling(f)]) for f in request.sources]
    return tuple(x[draws.below(base + i, 0, DRAWN, x.size)] for i, x in enumerate(lists))


def _drawn_others(request: Request, base: int) -> Operands:
    return _drawn(request, base)[:-1]


def _values(request: Request, codes: Operands) -> Operands:
    pairs = zip(codes, request.sources, strict=False)
    return tuple(np.asarray(decode(x.astype(_word(f.bits)), f, dtype=np.float64)) for x, f in pairs)


def _neutral(request: Request, others: Operands) -> Array:
    """The number that the last operand is compared with: the product of the others, or 1."""
    with np.errstate(all="ignore"):
        return np.prod([np.ones(DRAWN), *_values(request, others)], axis=0)


def _encoded(x: Array, fmt: Format) -> Array:
    """The nearest codes; NaN as it is, or as the largest value."""
    nan = None if fmt.nan() is not None else "max"
    codes = encode(x, fmt, rounding="nearest_even", overflow="saturate", nan=nan)
    return codes.astype(np.int64).view(np.uint64) & np.uint64((1 << fmt.bits) - 1)


def _stepped(codes: Array, steps: Array, fmt: Format) -> Array:
    """Codes so many steps further, within the format."""
    wide = codes.astype(np.uint64)
    moved = wide + steps.astype(np.int64).view(np.uint64)
    return np.where(moved >> np.uint64(fmt.bits - 1) >> np.uint64(1), wide, moved)
