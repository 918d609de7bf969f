"""The integer GEMM, compiled: blocks of A and B packed for the cache, and tiles over them.

C = (A + a_offset) (B + b_offset) modulo 2**32 comes from AB and the sums of A's rows and B's columns:
AB + b_offset rowsum(A) + a_offset colsum(B) + a_offset b_offset k. Where A's elements are flipped to the sign
that VNNI wants, each of them grows by `shift`, which `a_offset` takes off again.

1. For each block of A's rows and of k: pack A in panels as high as a tile, and sum its rows.
2. For each block of B's columns: pack B in panels as wide as a tile, and sum its columns.
3. For each pair of panels: one tile. At an edge it goes through a spare one.

Operands are addresses. In memory one of an operand's two strides is the size of an element.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from . import tiles as tiles
from .lanes import I64
from .tiles import (
    LINES,
    PAIRS_4,
    PAIRS_8,
    PAIRS_16,
    VNNI_SIGNED,
    VNNI_UNSIGNED,
    across_a,
    across_b,
    along_a,
    along_b,
    clear,
    copy,
    dots,
    element,
    get,
    low_tile,
    middle_tile,
    put,
    single_tile,
    slide,
    tall_tile,
)  # fmt: skip

LANE = 4  # bytes
BLOCK_K = 512  # lanes along k in a block
BLOCK_A, BLOCK_B = 1 << 21, 1 << 19  # bytes packed at a time
BLOCK_LINES = 1 << 12  # rows of A or columns of B, at most
PANELS = 8  # written side by side: as many lines of one set as the first-level cache has ways
SLACK = 1 << 13  # bytes that packing may write past its block
SPARE = 1 << 12


class Matrix(NamedTuple):
    """An operand: its address, the strides in bytes between lines (rows of A, columns of B) and along k,
    the bytes of an element, and what is xored to it."""

    place: int
    across: int
    along: int
    size: int
    flip: int


class Output(NamedTuple):
    place: int
    down: int  # bytes between rows


class Call(NamedTuple):
    """One product, in numbers: a `Matrix` for A and one for B; where `pack_whole` left B, of whose `wide`
    columns ours begin at `first`, or zeros; the output and its bytes between rows; where to add row and
    column sums, or 0."""

    a: int
    a_across: int
    a_along: int
    a_size: int
    a_flip: int
    b: int
    b_across: int
    b_along: int
    b_size: int
    b_flip: int
    panels: int
    panel_sums: int
    wide: int
    first: int
    out: int
    down: int
    m: int
    n: int
    k: int
    a_offset: int
    b_offset: int
    row_sums: int
    column_sums: int
    work: int


class Work(NamedTuple):
    """Where the parts of the work space begin."""

    a: int
    b: int
    rows: int
    a_sums: int
    columns: int
    b_sums: int
    spare: int
    tile: int


@intrinsic
def read(typing, given):
    """The `Call` whose fields lie at an address."""
    call = types.NamedUniTuple(types.intp, len(Call._fields), Call)

    def code(context, builder, signature, args):
        place = builder.inttoptr(args[0], I64.as_pointer())
        fields = [builder.load(cgutils.gep(builder, place, i)) for i in range(call.count)]
        return context.make_tuple(builder, call, fields)

    return call(given), code


@intrinsic
def invoke(typing, function, call):
    """Call what is at an address with a `Call`."""

    def code(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [I64])
        fields = cgutils.alloca_once(builder, ir.ArrayType(I64, call.count))
        builder.store(cgutils.pack_array(builder, cgutils.unpack_tuple(builder, args[1])), fields)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [builder.ptrtoint(fields, I64)])
        return context.get_dummy_value()

    return types.void(function, call), code


@register_jitable
def lanes_of(form, k):
    return (k + form.depth - 1) // form.depth


@register_jitable
def block_sizes(form, m, n, k):
    """Elements along m, n and k of a block; whole tiles and lanes."""
    line = LANE * min(lanes_of(form, k), BLOCK_K)
    rows = min(BLOCK_A // line, BLOCK_LINES) // form.tall * form.tall
    columns = min(BLOCK_B // line, BLOCK_LINES) // form.columns * form.columns
    return min(rows, m), min(columns, n), BLOCK_K * form.depth


@register_jitable
def work_space(form, m, n, k, start):
    """Where the parts of the work space for one product begin."""
    rows, columns, _ = block_sizes(form, m, n, k)
    rows, columns = rows + form.tall, columns + form.columns
    line = LANE * min(lanes_of(form, k), BLOCK_K)
    a = (start + 63) // 64 * 64
    b = a + (rows * line + SLACK) // 64 * 64
    first = b + (columns * line + SLACK) // 64 * 64
    second = first + LANE * (rows + form.lanes)
    third = second + LANE * (rows + form.lanes)
    fourth = third + LANE * columns
    spare = fourth + LANE * columns
    tile = spare + SPARE
    return Work(a, b, first, second, third, fourth, spare, tile)


@register_jitable
def height_of(form, left):
    """Of the next tile over `left` rows."""
    if left >= form.tall:
        return form.tall
    if left >= form.middle or left > form.low:
        return form.middle
    return form.low if left > 1 else 1


# packing


@register_jitable
def pack_along(form, of_a, x, lines, k, target, width, sums, spare):
    """Up to `lanes` lines, contiguous along k; the next vector of a panel is `width` lanes away."""
    unit = form.lanes * form.depth
    for h in range(0, k, unit):
        place, across = x.place + h * x.size, x.across
        if h + unit > k:
            clear(spare, form.lanes * unit * x.size)
            for line in range(lines):
                copy(spare + line * unit * x.size, place + line * across, (k - h) * x.size)
            place, across = spare, unit * x.size
        vector = target + LANE * width * (h // form.depth)
        if of_a:
            along_a(form, place, across, x.size, lines - 1, vector, LANE * width, x.flip, sums)
        else:
            along_b(form, place, across, x.size, lines - 1, vector, LANE * width, x.flip, sums)
    return (k + unit - 1) // unit * unit


@register_jitable
def gather(x, h, j, depth, width, k, lines, spare):
    """Copies what A or B has of `depth` neighbours along k from h and `width` lines from j."""
    clear(spare, depth * width * x.size)
    for r in range(min(depth, k - h)):
        place = x.place + (h + r) * x.along + j * x.size
        copy(spare + r * width * x.size, place, min(width, lines - j) * x.size)


@register_jitable
def pack_a(form, x, m, behind, k, work):
    """m rows of the `behind` that A still has; the number of elements summed in each row."""
    lanes, row = lanes_of(form, k), 0
    summed = lanes * form.depth
    while row < m:
        height = height_of(form, m - row)
        # from the last lanes to the first: what is written past a vector is overwritten by what follows
        for first in range((height - 1) // form.lanes * form.lanes, -1, -form.lanes):
            start = row + first
            panel, sums = work.a + LANE * (row * lanes + first), work.a_sums + LANE * start
            clear(sums, LANE * form.lanes)
            if x.along == x.size:
                there = min(height, m - row) - first
                here = Matrix(x.place + start * x.across, x.across, x.along, x.size, x.flip)
                there = min(form.lanes, there)
                summed = pack_along(form, True, here, there, k, panel, height, sums, work.spare)
            else:
                for g in range(lanes):
                    h, target = g * form.depth, panel + LANE * height * g
                    place, along = x.place + h * x.along + start * x.size, x.along
                    if h + form.depth > k or start + form.lanes > behind:
                        gather(x, h, start, form.depth, form.lanes, k, behind, work.spare)
                        place, along = work.spare, form.lanes * x.size
                    across_a(form, place, along, x.size, 1, target, 0, x.flip, sums)
        row += height
    return summed


@register_jitable
def pack_b(form, x, n, k, target, sums, spare):
    """n columns."""
    lanes = lanes_of(form, k)
    clear(sums, LANE * ((n + form.columns - 1) // form.columns * form.columns))
    if x.along == x.size:
        for j in range(0, n, form.lanes):
            place = target + LANE * (j // form.columns * form.columns * lanes + j % form.columns)
            here = Matrix(x.place + j * x.across, x.across, x.along, x.size, x.flip)
            total = sums + LANE * j
            pack_along(form, False, here, min(form.lanes, n - j), k, place, form.columns, total, spare)
    else:
        panel = LANE * form.columns * lanes
        for j in range(0, n, PANELS * form.columns):
            right, here = min(j + PANELS * form.columns, n), target + LANE * j * lanes
            whole = (right - j) // form.columns
            for g in range(lanes):
                h, total = g * form.depth, sums + LANE * j
                place, count = x.place + h * x.along + j * x.size, whole if h + form.depth <= k else 0
                if count:
                    across_b(form, place, x.along, x.size, count, here, panel, x.flip, total)
                for p in range(j + count * form.columns, right, form.columns):
                    gather(x, h, p, form.depth, form.columns, k, n, spare)
                    place, total = target + LANE * (p * lanes + form.columns * g), sums + LANE * p
                    across_b(form, spare, form.columns * x.size, x.size, 1, place, 0, x.flip, total)
                here += LANE * form.columns


# tiles


@register_jitable
def tile(form, height, a, b, out, down, lanes, rows, columns, add):
    if height == form.tall:
        tall_tile(form, a, b, out, down, lanes, rows, columns, add)
    elif height == form.middle:
        middle_tile(form, a, b, out, down, lanes, rows, columns, add)
    elif height == form.low:
        low_tile(form, a, b, out, down, lanes, rows, columns, add)
    else:
        single_tile(form, a, b, out, down, lanes, rows, columns, add)


@register_jitable
def tile_block(form, b, out, m, n, lanes, add, work):
    """One block of C: the panels of A at `work.a` times those of B at b."""
    i = 0
    while i < m:
        height = height_of(form, m - i)
        there = min(height, m - i)
        for j in range(0, n, form.columns):
            width = min(form.columns, n - j)
            inside = width == form.columns and there == height
            place = out.place + i * out.down + LANE * j
            target, down = (place, out.down) if inside else (work.tile, LANE * form.columns)
            if add and not inside:
                for r in range(there):
                    copy(target + r * down, place + r * out.down, LANE * width)
            left, top = work.a + LANE * i * lanes, b + LANE * j * lanes
            tile(
                form,
                height,
                left,
                top,
                target,
                down,
                lanes,
                work.rows + LANE * i,
                work.columns + LANE * j,
                add,
            )
            if not inside:
                for r in range(there):
                    copy(place + r * out.down, target + r * down, LANE * width)
        i += height


@register_jitable
def terms(target, sums, count, factor, less, constant):
    """target = factor (sums - less) + constant."""
    for i in range(count):
        put(target + LANE * i, np.int32(factor * (get(sums + LANE * i) - less) + constant))


@register_jitable
def add_sums(target, sums, count, less):
    for i in range(count):
        put(target + LANE * i, np.int32(get(target + LANE * i) + get(sums + LANE * i) - less))


@register_jitable
def multiply(form, c):
    a = Matrix(c.a, c.a_across, c.a_along, c.a_size, c.a_flip)
    b = Matrix(c.b, c.b_across, c.b_along, c.b_size, c.b_flip)
    m, n, k = c.m, c.n, c.k
    rows, columns, depth = block_sizes(form, m, n, k)
    work = work_space(form, m, n, k, c.work)
    shift = form.shift if a.flip else 0
    a_offset, b_offset = c.a_offset - shift, c.b_offset
    for i in range(0, m, rows):
        mi = min(rows, m - i)
        for h in range(0, k, depth):
            kh = min(depth, k - h)
            lanes = lanes_of(form, kh)
            here = Matrix(a.place + i * a.across + h * a.along, a.across, a.along, a.size, a.flip)
            grown = shift * (pack_a(form, here, mi, m - i, kh, work) - kh)
            terms(work.rows, work.a_sums, mi, b_offset, grown, a_offset * b_offset * kh)
            if c.row_sums:
                add_sums(c.row_sums + LANE * i, work.a_sums, mi, grown + shift * kh)
            for j in range(0, n, columns):
                nj = min(columns, n - j)
                panels, sums = work.b, work.b_sums
                if c.panels:
                    first = c.first + j
                    panels = c.panels + LANE * (h // form.depth * c.wide + first * lanes)
                    sums = c.panel_sums + LANE * (h // depth * c.wide + first)
                else:
                    there = Matrix(b.place + h * b.along + j * b.across, b.across, b.along, b.size, b.flip)
                    pack_b(form, there, nj, kh, panels, sums, work.spare)
                terms(work.columns, sums, nj, a_offset, 0, 0)
                if c.column_sums and i == 0:
                    add_sums(c.column_sums + LANE * j, sums, nj, 0)
                target = Output(c.out + i * c.down + LANE * j, c.down)
                tile_block(form, panels, target, mi, nj, lanes, h, work)


@register_jitable
def pack_whole(form, b, n, k, target, sums, spare):
    """The whole B for `multiply`: blocks of k, in them panels of columns."""
    wide = (n + form.columns - 1) // form.columns * form.columns
    depth = BLOCK_K * form.depth
    for h in range(0, k, depth):
        here = Matrix(b.place + h * b.along, b.across, b.along, b.size, b.flip)
        place, total = target + LANE * (h // form.depth * wide), sums + LANE * (h // depth * wide)
        pack_b(form, here, n, min(depth, k - h), place, total, spare)


# one row of A, nothing packed


@register_jitable
def slide_over(form, by, x, h, n, k, out, spare):
    """Adds `depth` elements of A, those of `by`, times the lines of B from h on to out."""
    whole = n // form.lanes if h + form.depth <= k else 0
    if whole:
        slide(form, by, x.place + h * x.along, x.along, whole, x.flip, out)
    for j in range(form.lanes * whole, n, form.lanes):
        width, total = min(form.lanes, n - j), spare + form.depth * form.lanes
        clear(spare, form.depth * form.lanes)
        for r in range(min(form.depth, k - h)):
            copy(spare + r * form.lanes, x.place + (h + r) * x.along + j, width)
        copy(total, out + LANE * j, LANE * width)
        slide(form, by, spare, form.lanes, 1, x.flip, total)
        copy(out + LANE * j, total, LANE * width)


@register_jitable
def dot_lines(form, line, x, j, lines, k, out, spare):
    """Adds A's row times `lines` columns of B, contiguous along k, to out."""
    unit = form.lanes * form.depth
    whole = k // unit if lines == LINES else 0
    if whole:
        dots(form, line, x.place + j * x.across, x.across, whole, x.flip, out + LANE * j)
    total = spare + LINES * unit
    for h in range(whole * unit, k, unit):
        clear(spare, LINES * unit)
        for r in range(lines):
            copy(spare + r * unit, x.place + (j + r) * x.across + h, min(unit, k - h))
        copy(total, out + LANE * j, LANE * lines)
        dots(form, line + h, spare, unit, 1, x.flip, total)
        copy(out + LANE * j, total, LANE * lines)


@register_jitable
def multiply_line(form, a, b, out, n, k, start):
    """A's row, contiguous, times B. It is B that is flipped here."""
    unit = form.lanes * form.depth
    padded = (k + unit - 1) // unit * unit
    line, spare = start, start + padded
    clear(line, padded)
    copy(line, a, k)
    total = np.int32(0)
    for h in range(k):
        total = np.int32(total + element(form, line + h))
    for j in range(n):
        put(out + LANE * j, np.int32(form.shift * total if b.flip else 0))
    if b.along == b.size:
        for j in range(0, n, LINES):
            dot_lines(form, line, b, j, min(LINES, n - j), k, out, spare)
    else:
        for h in range(0, k, form.depth):
            slide_over(form, get(line + h), b, h, n, k, out, spare)


_loop = njit(nogil=True, cache=True, fastmath=False, error_model="numpy")


# these are compiled with a C interface, so that a loop for another memory layout need not hold them


def multiply_vnni_signed(given):
    multiply(VNNI_SIGNED, read(given))


def multiply_vnni_unsigned(given):
    multiply(VNNI_UNSIGNED, read(given))


def multiply_pairs_16(given):
    multiply(PAIRS_16, read(given))


def multiply_pairs_8(given):
    multiply(PAIRS_8, read(given))


def multiply_pairs_4(given):
    multiply(PAIRS_4, read(given))


@_loop
def call_with_arrays(function, a, b, out, a_flip, b_flip, work, most):
    """`function` on whole arrays, if it takes them as they lie and there are at most so many products."""
    (m, k), n, size = a.shape, b.shape[1], a.itemsize
    packable = (a.strides[0] == size or a.strides[1] == size) and (
        b.strides[0] == size or b.strides[1] == size
    )
    served = packable and m > 1 and n > 1 and m * n * k <= most
    if served:
        invoke(
            function,
            Call(
                a.ctypes.data, a.strides[0], a.strides[1], size, a_flip,
                b.ctypes.data, b.strides[1], b.strides[0], size, b_flip,
                0, 0, 0, 0, out.ctypes.data, out.strides[0], m, n, k, 0, 0, 0, 0, work.ctypes.data,
            ),
        )  # fmt: skip
    return served


@_loop
def call_with_panels(function, a, panels, sums, out, a_flip, b_flip, work, most):
    """The same with what `pack_whole` made of B."""
    (m, k), n, size = a.shape, out.shape[1], a.itemsize
    served = (a.strides[0] == size or a.strides[1] == size) and m * n * k <= most
    if served:
        invoke(
            function,
            Call(
                a.ctypes.data, a.strides[0], a.strides[1], size, a_flip,
                0, 0, 0, size, b_flip, panels.ctypes.data, sums.ctypes.data, sums.shape[1], 0,
                out.ctypes.data, out.strides[0], m, n, k, 0, 0, 0, 0, work.ctypes.data,
            ),
        )  # fmt: skip
    return served


@_loop
def call_with_numbers(function, given):
    """`function` on the fields of a `Call`, int64."""
    invoke(function, read(given.ctypes.data))


@_loop
def pack_vnni_signed(b, n, k, target, sums, spare):
    pack_whole(VNNI_SIGNED, Matrix(*b), n, k, target, sums, spare)


@_loop
def pack_vnni_unsigned(b, n, k, target, sums, spare):
    pack_whole(VNNI_UNSIGNED, Matrix(*b), n, k, target, sums, spare)


@_loop
def pack_pairs_16(b, n, k, target, sums, spare):
    pack_whole(PAIRS_16, Matrix(*b), n, k, target, sums, spare)


@_loop
def pack_pairs_8(b, n, k, target, sums, spare):
    pack_whole(PAIRS_8, Matrix(*b), n, k, target, sums, spare)


@_loop
def pack_pairs_4(b, n, k, target, sums, spare):
    pack_whole(PAIRS_4, Matrix(*b), n, k, target, sums, spare)


@_loop
def line_vnni_int8(a, b, out, n, k, work):
    multiply_line(VNNI_SIGNED, a, Matrix(*b), out, n, k, work)


@_loop
def line_vnni_uint8(a, b, out, n, k, work):
    multiply_line(VNNI_UNSIGNED, a, Matrix(*b), out, n, k, work)


@_loop
def address(x):
    return x.ctypes.data


# narrow accumulators


@register_jitable
def saturate_line(x, b, total, overflows, low, high):
    one = total.dtype.type
    for j in range(total.size):
        grown = one(total[j] + one(x * one(b[j])))
        kept = min(max(grown, low), high)
        overflows[j] += np.int32(kept != grown)
        total[j] = kept


@register_jitable
def wrap_line(x, b, total, overflows, low, span):
    one = total.dtype.type
    for j in range(total.size):
        grown = one(total[j] + one(x * one(b[j])))
        kept = one(one(one(grown - low) & span) + low)
        overflows[j] += np.int32(kept != grown)
        total[j] = kept


@_loop
def accumulate(a, b, out, overflows, low, high, wraps):
    """Adds a b to out, k ascending, each sum brought back between low and high after each addition."""
    one = out.dtype.type
    m, k = a.shape
    for j in range(0, out.shape[1], BLOCK_LINES):
        part = slice(j, j + BLOCK_LINES)
        for i in range(m):
            for h in range(k):
                line, total, count = b[h, part], out[i, part], overflows[i, part]
                if wraps:
                    wrap_line(one(a[i, h]), line, total, count, one(low), one(high - low))
                else:
                    saturate_line(one(a[i, h]), line, total, count, one(low), one(high))


STEPS = 4  # of k at a time, for which a sum stays in a register
LINE, DEPTH = 1 << 10, 32  # columns and rows of B that stay in the first-level cache


@intrinsic
def plus(typing, x, y):
    """x + y of one type: saturated in 16 bits, where the CPU has that; modulo 2**32 in 32."""

    def code(context, builder, signature, args):
        kind = context.get_value_type(signature.return_type)
        if kind.width != 16:
            return builder.add(*args)
        saturated = ir.FunctionType(kind, [kind, kind])
        name = "llvm.sadd.sat.i16"
        return builder.call(cgutils.get_or_insert_function(builder.module, saturated, name), args)

    return x(x, x), code


@register_jitable
def four_steps(x, b, h, part, total, low, high):
    one, of = total.dtype.type, b.dtype.type
    x0, x1, x2, x3 = x[h], x[h + 1], x[h + 2], x[h + 3]
    b0, b1, b2, b3 = b[h][part], b[h + 1][part], b[h + 2][part], b[h + 3][part]
    for j in range(total.size):
        t = total[j]
        t = one(min(max(plus(t, one(of(x0 * b0[j]))), low), high))
        t = one(min(max(plus(t, one(of(x1 * b1[j]))), low), high))
        t = one(min(max(plus(t, one(of(x2 * b2[j]))), low), high))
        total[j] = one(min(max(plus(t, one(of(x3 * b3[j]))), low), high))


@register_jitable
def four_sums(x, b, h, part, total):
    one, of = total.dtype.type, b.dtype.type
    x0, x1, x2, x3 = x[h], x[h + 1], x[h + 2], x[h + 3]
    b0, b1, b2, b3 = b[h][part], b[h + 1][part], b[h + 2][part], b[h + 3][part]
    for j in range(total.size):
        t = plus(plus(total[j], one(of(x0 * b0[j]))), one(of(x1 * b1[j])))
        total[j] = plus(plus(t, one(of(x2 * b2[j]))), one(of(x3 * b3[j])))


@register_jitable
def are_within(total, low, high):
    outside = total.dtype.type(0)
    for j in range(total.size):
        outside |= total.dtype.type((total[j] < low) | (total[j] > high))
    return outside == 0


@_loop
def saturate(a, b, out, low, high, most, first, last):
    """Adds rows `first` to `last` of a b to out as `accumulate` does, and counts nothing.

    a, b : K a multiple of `STEPS`, in a dtype that holds their products
    out : int16, or int32 with bounds and products up to 2**30
    most : the largest magnitude of a product; sums that so many of them cannot bring out of range are only added
    """
    one = out.dtype.type
    k, reach = a.shape[1], DEPTH * most
    for j in range(0, out.shape[1], LINE):
        part = slice(j, j + LINE)
        for start in range(0, k, DEPTH):
            stop = min(start + DEPTH, k)
            for i in range(first, last):
                total = out[i][part]
                if low + reach < high - reach and are_within(total, one(low + reach), one(high - reach)):
                    for h in range(start, stop, STEPS):
                        four_sums(a[i], b, h, part, total)
                else:
                    for h in range(start, stop, STEPS):
                        four_steps(a[i], b, h, part, total, one(low), one(high))
