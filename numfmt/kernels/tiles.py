"""The vector steps of the integer GEMM: LLVM code, emitted once for each lane form.

A vector has `lanes` accumulators of 32 bits. Each of them takes `depth` neighbours along k at a time: four
bytes for the dot product of AVX-512 VNNI, else two int16, written as sign extension, products and a sum of
neighbours that every CPU can select (LLVM makes pmaddwd, vpdpwssd or smlal of it). Sums wrap modulo 2**32.

The instruction of VNNI multiplies unsigned by signed bytes. Where A and B have the same sign, one of them is
flipped (0x80 is xored) as it is read, which adds 128 to each of its elements or takes 128 away.

Operands are addresses and strides in bytes. Nothing checks bounds here: `gemm` asks for what exists.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .lanes import I8, I16, I32, Emitter, Lanes, State, indices, spread


class Form(NamedTuple):
    """Run-time numbers of a form; its subclass tells the intrinsics which it is."""

    lanes: int
    depth: int  # elements of k in a lane
    columns: int  # of B in a tile
    tall: int  # rows of A in a tile
    middle: int
    low: int
    shift: int  # what flipping adds to an element of A


class VnniSigned(Form):
    """A is int8."""


class VnniUnsigned(Form):
    """A is uint8."""


class Pairs16(Form):
    """int16 in 512 bits."""


class Pairs8(Form):
    """int16 in 256 bits."""


class Pairs4(Form):
    """int16 in 128 bits."""


VNNI_SIGNED = VnniSigned(16, 4, 32, 12, 8, 4, -128)
VNNI_UNSIGNED = VnniUnsigned(16, 4, 32, 12, 8, 4, 128)
PAIRS_16 = Pairs16(16, 2, 32, 12, 8, 4, 0)
PAIRS_8 = Pairs8(8, 2, 16, 6, 4, 2, 0)
PAIRS_4 = Pairs4(4, 2, 8, 6, 4, 2, 0)
_FORMS = {type(form): form for form in (VNNI_SIGNED, VNNI_UNSIGNED, PAIRS_16, PAIRS_8, PAIRS_4)}


@cache
def features_of(codegen: Any) -> frozenset[str]:
    """Features by the instructions that LLVM takes on the CPU that numba compiles for, which may be named without
    a list or with a list that contradicts itself. `avx512vnni` only if all that its instructions need is in the
    list too: LLVM ends the process on one that it cannot select."""
    # the last word on a feature counts
    listed = {name[1:]: name[0] for name in codegen.magic_tuple()[2].split(",") if name}
    named = {name for name, sign in listed.items() if sign == "+"}
    products = _instructions(codegen, I32, lambda code, *x: code.dot(*x), "pmaddwd", "pdpwssd")
    wide, middle = (any(register in line for line in products) for register in ("zmm", "ymm"))
    vnni = {"avx512f", "avx512bw", "avx512vl", "avx512vnni"}
    half = _instructions(codegen, ir.FloatType(), _halved, "vcvtps2ph", "fcvtn")
    served = {
        "avx2": wide or middle, "avx512bw": wide, "half": half,
        **dict.fromkeys(vnni - {"avx512bw"}, wide and vnni <= named),
    }  # fmt: skip
    return frozenset(name for name, found in served.items() if found)


def _halved(code: Code, x: Any, *_: Any) -> Any:
    return Lanes(code.builder, x).through_half().value


def _instructions(codegen: Any, element: Any, emit: Callable[..., Any], *names: str) -> list[str]:
    """Those with these names in what LLVM makes of code about three vectors."""
    module = ir.Module()
    module.triple = codegen.magic_tuple()[0]
    vector = ir.VectorType(element, 16)
    probe = ir.Function(module, ir.FunctionType(vector, [vector] * 3), "probe")
    builder = ir.IRBuilder(probe.append_basic_block())
    builder.ret(emit(Code(builder, Pairs16), *probe.args))
    machine = getattr(codegen, "_tm", None)
    text = machine.emit_assembly(binding.parse_assembly(str(module))) if machine else ""
    return [line for line in text.splitlines() if any(name in line for name in names)]


class Code(Emitter):
    """Vector code of one form, written at the end of a builder."""

    def __init__(self, builder: Any, form: type) -> None:
        self.kind, self.form = form, _FORMS[form]
        super().__init__(builder, ir.VectorType(I32, self.form.lanes))

    def ones(self) -> Any:
        word = 0x01010101 if self.form.depth == 4 else 0x00010001
        return ir.Constant(self.vector, [word] * self.form.lanes)

    def zeros(self) -> Any:
        return ir.Constant(self.vector, [0] * self.form.lanes)

    def halves(self, x: Any) -> Any:
        return self.builder.bitcast(x, ir.VectorType(I16, 2 * self.form.lanes))

    def dot(self, total: Any, a: Any, b: Any) -> Any:
        """total + the dot products of A's and B's neighbours in each lane."""
        if self.form.depth == 4:
            return self._dot_bytes(total, *((b, a) if self.kind is VnniSigned else (a, b)))
        wide = ir.VectorType(I32, 2 * self.form.lanes)
        left, right = (self.builder.sext(self.halves(x), wide) for x in (a, b))
        product = self.builder.mul(left, right)
        even, odd = (
            self.builder.shuffle_vector(product, product, indices(range(first, 2 * self.form.lanes, 2)))
            for first in (0, 1)
        )
        return self.builder.add(total, self.builder.add(even, odd))

    def _dot_bytes(self, total: Any, unsigned: Any, signed: Any) -> Any:
        name = f"llvm.x86.avx512.vpdpbusd.{32 * self.form.lanes}"
        function = self.function(name, ir.FunctionType(self.vector, [self.vector] * 3))
        return self.builder.call(function, [total, unsigned, signed])

    def function(self, name: str, kind: Any) -> Any:
        return self.builder.module.globals.get(name) or ir.Function(self.builder.module, kind, name)

    def interleave(self, x: Any, y: Any) -> tuple[Any, Any]:
        """x0 y0 x1 y1 ..., both halves."""
        n = x.type.count
        low, high = ([i + s for i in range(first, first + n // 2) for s in (0, n)] for first in (0, n // 2))
        return tuple(self.builder.shuffle_vector(x, y, indices(order)) for order in (low, high))  # type: ignore[return-value]

    def interleaved(self, x: Any, y: Any) -> Any:
        """x0 y0 x1 y1 ... of vectors of half the size."""
        n = x.type.count
        return self.builder.shuffle_vector(x, y, indices([i + s for i in range(n) for s in (0, n)]))


def _on(form: Any, integers: int, emit: Callable[..., None]) -> Any:
    """Signature and code of a step on a form and so many integers."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit(Code(builder, form.instance_class), *args[1:])
        return context.get_dummy_value()

    return types.void(form, *[types.intp] * integers), code


# tiles: rows of A times columns of B, whole depth


def _tile(height: str) -> Callable[..., None]:
    def emit(
        code: Code, a: Any, b: Any, out: Any, ld: Any, groups: Any, rows: Any, cols: Any, add: Any
    ) -> None:
        form, builder = code.form, code.builder
        tall, vectors = getattr(form, height, 1), form.columns // form.lanes

        def body(i: Any, totals: State) -> State:
            left, top = (
                builder.add(start, builder.mul(i, code.number(4 * width)))
                for start, width in ((a, tall), (b, form.columns))
            )
            across = [code.load(code.plus(top, 4 * form.lanes * v)) for v in range(vectors)]
            new = []
            for r in range(tall):
                down = code.splat(code.load(code.plus(left, 4 * r), I32))
                new += [code.dot(totals[r * vectors + v], down, across[v]) for v in range(vectors)]
            return new

        totals = code.loop(groups, [code.zeros()] * (tall * vectors), body)
        columns = [code.load(code.plus(cols, 4 * form.lanes * v)) for v in range(vectors)]
        places, values = [], []
        line = out
        for r in range(tall):
            term = code.splat(code.load(code.plus(rows, 4 * r), I32))
            for v in range(vectors):
                places.append(code.plus(line, 4 * form.lanes * v))
                values.append(builder.add(totals[r * vectors + v], builder.add(term, columns[v])))
            line = builder.add(line, ld)
        with builder.if_else(builder.icmp_signed("!=", add, code.number(0))) as (adding, new):
            with adding:
                for place, value in zip(places, values, strict=True):
                    code.store(builder.add(value, code.load(place)), place)
            with new:
                for place, value in zip(places, values, strict=True):
                    code.store(value, place)

    return emit


_TALL, _MIDDLE, _LOW, _SINGLE = map(_tile, ("tall", "middle", "low", "single"))


@intrinsic
def tall_tile(typing, form, a, b, out, down, lanes, rows, columns, add):
    return _on(form, 8, _TALL)


@intrinsic
def middle_tile(typing, form, a, b, out, down, lanes, rows, columns, add):
    return _on(form, 8, _MIDDLE)


@intrinsic
def low_tile(typing, form, a, b, out, down, lanes, rows, columns, add):
    return _on(form, 8, _LOW)


@intrinsic
def single_tile(typing, form, a, b, out, down, lanes, rows, columns, add):
    return _on(form, 8, _SINGLE)


# packing: `depth` elements along k side by side, for each of `lanes` rows of A or columns of B


def _elements(code: Code, raw: Any, flip: Any) -> Any:
    """A vector of source elements as the lanes hold them. `flip` changes the sign of bytes; of those that
    are widened it extends it (0x80 for int8, 0 for uint8)."""
    builder, n = code.builder, raw.type.count
    if raw.type.element == I16:
        return raw
    mask = spread(builder, builder.trunc(flip, I8 if code.form.depth == 4 else I16), n)
    if code.form.depth == 4:
        return builder.xor(raw, mask)
    return builder.sub(builder.xor(builder.zext(raw, ir.VectorType(I16, n)), mask), mask)


def _counted(code: Code, total: Any, packed: Any, of_a: bool) -> Any:
    """total + the sum of the neighbours in each lane."""
    return code.dot(total, packed, code.ones()) if of_a else code.dot(total, code.ones(), packed)


def _for_each_size(code: Code, size: Any, emit: Callable[[Any], None]) -> None:
    """`emit(element)` for bytes, and where lanes hold int16 for these too, as `size` says."""
    if code.form.depth == 4:
        return emit(I8)
    with code.builder.if_else(code.builder.icmp_signed("==", size, code.number(1))) as (narrow, wide):
        with narrow:
            emit(I8)
        with wide:
            emit(I16)
    return None


def _packed_across(
    code: Code, element: Any, source: Any, stride: Any, flip: Any, vectors: int = 1
) -> list[Any]:
    """`depth` lines along k, of `lanes` neighbours for each of the vectors."""
    builder, form, width = code.builder, code.form, code.form.lanes * vectors
    places = [source]
    for _ in range(form.depth - 1):
        places.append(builder.add(places[-1], stride))
    lines = [code.load(place, ir.VectorType(element, width)) for place in places]
    while len(lines) > 1:
        half = len(lines) // 2
        lines = [code.interleaved(lines[i], lines[i + half]) for i in range(half)]
    whole = builder.bitcast(_elements(code, lines[0], flip), ir.VectorType(I32, width))
    return [
        builder.shuffle_vector(whole, whole, indices(range(first, first + form.lanes)))
        for first in range(0, width, form.lanes)
    ]


def _across(of_a: bool) -> Callable[..., None]:
    """Packs `depth` lines along k: into one vector for A, for B into each of `count` panels, which are
    `panel` bytes apart."""

    def emit(
        code: Code,
        source: Any,
        stride: Any,
        size: Any,
        count: Any,
        target: Any,
        panel: Any,
        flip: Any,
        sums: Any,
    ) -> None:
        builder, form = code.builder, code.form
        width = form.lanes if of_a else form.columns

        def of(element: Any) -> None:
            def body(i: Any, states: State) -> State:
                place = builder.add(source, builder.mul(i, code.number(width * element.width // 8)))
                here = builder.add(target, builder.mul(i, panel))
                total = builder.add(sums, builder.mul(i, code.number(4 * width)))
                for packed in _packed_across(code, element, place, stride, flip, width // form.lanes):
                    code.store(packed, here)
                    code.store(_counted(code, code.load(total), packed, of_a), total)
                    here, total = code.plus(here, 4 * form.lanes), code.plus(total, 4 * form.lanes)
                return states

            code.loop(count, [], body)

        _for_each_size(code, size, of)

    return emit


def _along(of_a: bool) -> Callable[..., None]:
    """Packs `lanes` lines, none more than `last` strides away, of `lanes` times `depth` neighbours along k,
    into `lanes` vectors, each `step` after the one before."""

    def emit(
        code: Code,
        source: Any,
        stride: Any,
        size: Any,
        last: Any,
        target: Any,
        step: Any,
        flip: Any,
        sums: Any,
    ) -> None:
        builder, form = code.builder, code.form

        def of(element: Any) -> None:
            lines = []
            for line in range(form.lanes):
                number = code.number(line)
                number = builder.select(builder.icmp_signed("<", number, last), number, last)
                place = builder.add(source, builder.mul(number, stride))
                raw = code.load(place, ir.VectorType(element, form.lanes * form.depth))
                lines.append(builder.bitcast(_elements(code, raw, flip), code.vector))
            half = form.lanes // 2
            for _ in range(half.bit_length()):
                lines = [x for i in range(half) for x in code.interleave(lines[i], lines[i + half])]
            total, place = code.load(sums), target
            for packed in lines:
                code.store(packed, place)
                total = _counted(code, total, packed, of_a)
                place = builder.add(place, step)
            code.store(total, sums)

        _for_each_size(code, size, of)

    return emit


_ACROSS_A, _ACROSS_B, _ALONG_A, _ALONG_B = (f(of_a) for f in (_across, _along) for of_a in (True, False))


@intrinsic
def across_a(typing, form, source, stride, size, count, target, panel, flip, sums):
    return _on(form, 8, _ACROSS_A)


@intrinsic
def across_b(typing, form, source, stride, size, count, target, panel, flip, sums):
    return _on(form, 8, _ACROSS_B)


@intrinsic
def along_a(typing, form, source, stride, size, last, target, step, flip, sums):
    return _on(form, 8, _ALONG_A)


@intrinsic
def along_b(typing, form, source, stride, size, last, target, step, flip, sums):
    return _on(form, 8, _ALONG_B)


# one row of A, nothing packed


def _slide(code: Code, by: Any, source: Any, stride: Any, count: Any, flip: Any, target: Any) -> None:
    """`depth` elements of A times as many lines of B, of `count` times `lanes` neighbours each, added to
    `target`."""
    builder, lanes = code.builder, code.form.lanes
    left = code.splat(builder.trunc(by, I32))
    ahead = builder.mul(stride, code.number(code.form.depth))
    prefetch = builder.module.declare_intrinsic(
        "llvm.prefetch", [I8.as_pointer()], ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
    )

    how = [ir.Constant(I32, number) for number in (0, 3, 1)]  # to read, into every cache, data

    def body(i: Any, states: State) -> State:
        offset = builder.mul(i, code.number(lanes))
        place = builder.add(source, offset)
        (packed,) = _packed_across(code, I8, place, stride, flip)
        later = builder.add(place, ahead)
        for _ in range(code.form.depth):
            builder.call(prefetch, [builder.inttoptr(later, I8.as_pointer()), *how])
            later = builder.add(later, stride)
        out = builder.add(target, builder.mul(i, code.number(4 * lanes)))
        code.store(code.dot(code.load(out), left, packed), out)
        return states

    code.loop(count, [], body)


def _dots(code: Code, a: Any, source: Any, stride: Any, steps: Any, flip: Any, target: Any) -> None:
    """A's row times LINES of B along k, added to `target`."""
    builder, wide = code.builder, 4 * code.form.lanes

    def body(i: Any, totals: State) -> State:
        offset = builder.mul(i, code.number(wide))
        left, place, new = code.load(builder.add(a, offset)), builder.add(source, offset), []
        for total in totals:
            raw = code.load(place, ir.VectorType(I8, wide))
            right = builder.bitcast(_elements(code, raw, flip), code.vector)
            new.append(code.dot(total, left, right))
            place = builder.add(place, stride)
        return new

    name = f"llvm.vector.reduce.add.v{code.form.lanes}i32"
    reduce = code.function(name, ir.FunctionType(I32, [code.vector]))
    for line, total in enumerate(code.loop(steps, [code.zeros()] * LINES, body)):
        place = code.plus(target, 4 * line)
        code.store(builder.add(code.load(place, I32), builder.call(reduce, [total])), place)


LINES = 4


@intrinsic
def slide(typing, form, by, source, stride, count, flip, target):
    return _on(form, 6, _slide)


@intrinsic
def dots(typing, form, a, source, stride, steps, flip, target):
    return _on(form, 6, _dots)


@intrinsic
def element(typing, form, place):
    """A byte of A."""

    def code(context, builder, signature, args):
        byte = builder.load(builder.inttoptr(args[1], I8.as_pointer()))
        extend = builder.sext if form.instance_class is VnniSigned else builder.zext
        return extend(byte, I32)

    return types.int32(form, types.intp), code


# memory at an address


@intrinsic
def copy(typing, target, source, count):
    def code(context, builder, signature, args):
        pointers = [builder.inttoptr(x, I8.as_pointer()) for x in args[:2]]
        cgutils.raw_memcpy(builder, *pointers, args[2], 1)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), code


@intrinsic
def clear(typing, target, count):
    def code(context, builder, signature, args):
        cgutils.memset(builder, builder.inttoptr(args[0], I8.as_pointer()), args[1], 0)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 2), code


@intrinsic
def get(typing, place):
    def code(context, builder, signature, args):
        return builder.load(builder.inttoptr(args[0], I32.as_pointer()))

    return types.int32(types.intp), code


@intrinsic
def put(typing, place, value):
    def code(context, builder, signature, args):
        builder.store(args[1], builder.inttoptr(args[0], I32.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.int32), code
