"""Sums of products that stay in registers, compiled: rounded at each step, in parts, or kept in two numbers.

The formulas of `steps` and `sums` are called with `Lanes` and leave the code of a tile: some rows and two vectors of
columns of the result. Operands are copied to panels as tiles read them; the result's sides are whole tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from . import steps, sums
from .lanes import I32, I64, Emitter, Lanes, State
from .parameters import RoundingParameters
from .tiles import features_of

STRAIGHT = np.float32(0)  # in place of the formula of parts: there are none
VECTORS = 2  # side by side in a tile
Step = Callable[..., tuple[Lanes, ...]]


class Shape(NamedTuple):
    """Of a tile of float32: rows, and lanes of a vector."""

    height: int
    lanes: int


SHAPES = {"avx512bw": Shape(4, 16), "avx2": Shape(4, 8)}
LEAST = Shape(4, 4)


def shape_of(features: frozenset[str]) -> Shape:
    return next((shape for name, shape in SHAPES.items() if name in features), LEAST)


class Tile(Emitter):
    """Code about a tile: of float32, or of half as many columns of float64."""

    def __init__(self, context: Any, builder: Any, element: Any) -> None:
        shape = shape_of(features_of(context.codegen()))
        self.element, self.size = element, 4 if element == ir.FloatType() else 8
        super().__init__(builder, ir.VectorType(element, shape.lanes * 4 // self.size))
        self.height, self.line = shape.height, VECTORS * shape.lanes * 4

    def places(self, c: Any, down: Any) -> list[Any]:
        """Addresses of all vectors of a tile whose rows are `down` apart."""
        found = []
        for _ in range(self.height):
            found += self.across(c)
            c = self.builder.add(c, down)
        return found

    def across(self, address: Any) -> list[Any]:
        return [self.plus(address, offset) for offset in range(0, self.line, self.line // VECTORS)]

    def panels(self, a: Any, b: Any, k: Any) -> list[Any]:
        """Where term `k` lies in both."""
        lines = self.size * self.height, self.line
        return [
            self.builder.add(start, self.builder.mul(k, self.number(n)))
            for start, n in zip((a, b), lines, strict=True)
        ]

    def rounding(self, formula: Any, p: Any) -> Callable[[Lanes], Lanes]:
        """To the format whose parameters lie at an address."""
        words = [self.load(self.plus(p, 4 * i), I32) for i in range(len(RoundingParameters._fields))]
        q = RoundingParameters(*(Lanes(self.builder, self.splat(w)) for w in words))
        return lambda s: steps.FORMULAS[formula](s.view(np.uint32), q).view(np.float32)

    def sums(self, a: Any, b: Any, count: Any, states: State, step: Step) -> State:
        """The states after `count` terms: for each vector of the tile some that `step(*states, x, y)` gives anew."""
        each = len(states) // (self.height * VECTORS)

        def body(k: Any, now: State) -> State:
            left, top = self.panels(a, b, k)
            across = [Lanes(self.builder, self.load(place)) for place in self.across(top)]
            new: State = []
            for r in range(self.height):
                x = Lanes(self.builder, self.splat(self.load(self.plus(left, self.size * r), self.element)))
                for y in across:
                    state = [Lanes(self.builder, s) for s in now[len(new) : len(new) + each]]
                    new += [s.value for s in step(*state, x, y)]
            return new

        return self.loop(count, states, body)

    def change(self, places: list[Any], update: Callable[[State], State]) -> None:
        for value, place in zip(update([self.load(p) for p in places]), places, strict=True):
            self.store(value, place)


def _dtype(tag: Any) -> Any:
    return np.dtype(str(tag))


@intrinsic
def rounded_tile(typing, product, formula, inner, a, b, c, down, ends, parts, p):
    """Add the terms up to `ends[parts]`, from `ends[0]` on, to a tile: one after the other, or where `inner` is a
    formula the sums of parts, each begun from 0 and rounded by it."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emitted = _straight if inner == types.float32 else _in_parts
        emitted(Tile(context, builder, ir.FloatType()), *map(_dtype, (product, formula, inner)), *args[3:])
        return context.get_dummy_value()

    return types.void(product, formula, inner, *[types.intp] * 7), emit


def _end(tile: Tile, ends: Any, i: Any) -> Any:
    return tile.load(tile.builder.add(ends, tile.builder.mul(i, tile.number(8))), I64)


def _straight(
    tile: Tile, product: Any, formula: Any, inner: Any, a: Any, b: Any, c: Any, down: Any, ends: Any, parts: Any, p: Any
) -> None:  # fmt: skip
    rounded, step = tile.rounding(formula, p), steps.step_of(product, formula)
    count = tile.builder.sub(_end(tile, ends, parts), _end(tile, ends, tile.number(0)))
    tile.change(
        tile.places(c, down),
        lambda totals: tile.sums(a, b, count, totals, lambda s, x, y: (step(s, x, y, rounded),)),
    )


def _in_parts(
    tile: Tile, product: Any, formula: Any, inner: Any, a: Any, b: Any, c: Any, down: Any, ends: Any, parts: Any, p: Any
) -> None:  # fmt: skip
    rounded, kept = tile.rounding(formula, p), tile.rounding(inner, p)
    step, join = steps.step_of(product, inner), steps.join_of(product, formula, inner)
    start = _end(tile, ends, tile.number(0))

    def body(i: Any, totals: State) -> State:
        first, last = _end(tile, ends, i), _end(tile, ends, tile.builder.add(i, tile.number(1)))
        left, top = tile.panels(a, b, tile.builder.sub(first, start))
        nothing = [ir.Constant(tile.vector, [0.0] * tile.vector.count)] * len(totals)
        count = tile.builder.sub(last, first)
        found = tile.sums(left, top, count, nothing, lambda s, x, y: (step(s, x, y, kept),))
        pairs = [[Lanes(tile.builder, s) for s in pair] for pair in zip(totals, found, strict=True)]
        return [join(*pair, rounded).value for pair in pairs]

    tile.change(tile.places(c, down), lambda totals: tile.loop(parts, totals, body))


@intrinsic
def exact_tile(typing, a, b, high, low, mass, down, depth):
    """`sums.gathered` of a tile of float64."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = Tile(context, builder, ir.DoubleType())
        a, b, *matrices, down, depth = args
        places = [p for one in zip(*(tile.places(m, down) for m in matrices), strict=True) for p in one]
        tile.change(places, lambda states: tile.sums(a, b, depth, states, sums.gathered))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), emit


_loop = njit(nogil=True, cache=True, fastmath=False, error_model="numpy")


@_loop
def pack_rows(a, row, first, last, height, panels):
    """Rows from `row` on, terms from `first` to `last`, in panels of `height` rows; absent rows are 0."""
    for panel in range(panels.shape[0]):
        for r in range(height):
            source = row + panel * height + r
            for k in range(last - first):
                panels[panel, k * height + r] = a[source, first + k] if source < a.shape[0] else 0


@_loop
def pack_columns(b, column, first, last, width, panel):
    """Columns from `column` on; absent ones are 0."""
    count = min(width, b.shape[1] - column)
    for k in range(last - first):
        for j in range(count):
            panel[k * width + j] = b[first + k, column + j]
        for j in range(count, width):
            panel[k * width + j] = 0


@_loop
def accumulate(a, b, c, p, product, formula, inner, ends, blocks, height, width, left, top, first, last):
    """Rows `first ... last - 1` of c + a @ b, in `c`. Parts lie between `ends`; block i of those in panels at a time
    is from `ends[blocks[i]]` on. `left` and `top` are work space: panels of A, and one of B."""
    place_a, place_b, place_c, place_ends = left.ctypes.data, top.ctypes.data, c.ctypes.data, ends.ctypes.data
    for row in range(first, last, left.shape[0] * height):
        panels = min(left.shape[0], (last - row) // height)
        for block in range(blocks.size - 1):
            here, parts = place_ends + 8 * blocks[block], blocks[block + 1] - blocks[block]
            start, end = ends[blocks[block]], ends[blocks[block + 1]]
            pack_rows(a, row, start, end, height, left[:panels])
            for column in range(0, c.shape[1], width):
                pack_columns(b, column, start, end, width, top)
                for i in range(panels):
                    rounded_tile(
                        product, formula, inner, place_a + i * left.strides[0], place_b,
                        place_c + (row + i * height) * c.strides[0] + 4 * column, c.strides[0], here, parts,
                        p.ctypes.data,
                    )  # fmt: skip


@_loop
def gather(a, b, sums, blocks, height, width, left, top, first, last):
    """Rows `first ... last - 1` of a @ b, whose products are exact, added to sums[0] + sums[1]; to sums[2] the
    magnitudes of all that went into sums[1]."""
    place_a, place_b, place, down = left.ctypes.data, top.ctypes.data, sums.ctypes.data, sums.strides[1]
    for row in range(first, last, left.shape[0] * height):
        panels = min(left.shape[0], (last - row) // height)
        for block in range(blocks.size - 1):
            start, end = blocks[block], blocks[block + 1]
            pack_rows(a, row, start, end, height, left[:panels])
            for column in range(0, sums.shape[2], width):
                pack_columns(b, column, start, end, width, top)
                for i in range(panels):
                    at = place + (row + i * height) * down + 8 * column
                    exact_tile(
                        place_a + i * left.strides[0], place_b, at, at + sums.strides[0], at + 2 * sums.strides[0],
                        down, end - start,
                    )  # fmt: skip
