"""Code of LLVM on vectors: its loops and places in memory, and formulas told to emit it.

`Lanes` stands for a vector in a register. NumPy hands its operators and ufuncs to it (NEP 13 and 18), so the formulas
of `floats`, `odd` and `sums`, which serve arrays, write the code of a tile too when they are called with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.lib.mixins import NDArrayOperatorsMixin

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
State = list[Any]
TYPES = {
    np.dtype(name): kind
    for name, kind in (
        ("u4", I32), ("u8", I64), ("f4", ir.FloatType()), ("f8", ir.DoubleType()),
        ("?", ir.IntType(1)),
    )
}  # fmt: skip
DTYPES = {str(kind): dtype for dtype, kind in TYPES.items()}
# what emits an operation: on integers, and on floats
EMITTED = {
    np.add: ("add", "fadd"), np.subtract: ("sub", "fsub"), np.multiply: ("mul", "fmul"), np.bitwise_and: ("and_", ""),
    np.bitwise_or: ("or_", ""), np.bitwise_xor: ("xor", ""), np.left_shift: ("shl", ""),
    np.right_shift: ("lshr", ""),
}  # fmt: skip
COMPARED = {
    np.less: "<", np.less_equal: "<=", np.greater: ">", np.greater_equal: ">=", np.equal: "==", np.not_equal: "!=",
}  # fmt: skip


class Emitter:
    """Code at the end of a builder, about vectors of one type. Addresses and offsets are bytes; nothing checks
    bounds."""

    def __init__(self, builder: Any, vector: Any) -> None:
        self.builder, self.vector = builder, vector

    def number(self, value: int, width: Any = I64) -> Any:
        return ir.Constant(width, value)

    def plus(self, address: Any, offset: int) -> Any:
        return self.builder.add(address, self.number(offset)) if offset else address

    def load(self, address: Any, what: Any = None) -> Any:
        what = what or self.vector
        return self.builder.load(self.builder.inttoptr(address, what.as_pointer()), align=1)

    def store(self, value: Any, address: Any) -> None:
        self.builder.store(value, self.builder.inttoptr(address, value.type.as_pointer()), align=1)

    def splat(self, x: Any) -> Any:
        return spread(self.builder, x, self.vector.count)

    def loop(self, count: Any, states: State, body: Callable[[Any, State], State]) -> State:
        """The states after `body(i, states)` for i from 0 to count - 1, at least once."""
        b, before = self.builder, self.builder.block
        inside, after = b.append_basic_block("step"), b.append_basic_block("done")
        b.branch(inside)
        b.position_at_end(inside)
        i, *now = phis = [b.phi(state.type) for state in (self.number(0), *states)]
        new = body(i, now)
        following = b.add(i, self.number(1))
        for phi, start, value in zip(phis, (self.number(0), *states), (following, *new), strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(value, b.block)
        b.cbranch(b.icmp_signed("<", following, count), inside, after)
        b.position_at_end(after)
        return list(new)


def spread(builder: Any, x: Any, n: int) -> Any:
    one = builder.insert_element(ir.Constant(ir.VectorType(x.type, n), ir.Undefined), x, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, one, indices([0] * n))


def indices(order: Any) -> Any:
    order = list(order)
    return ir.Constant(ir.VectorType(I32, len(order)), order)


class Lanes(NDArrayOperatorsMixin):
    """A vector at the end of a builder."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @property
    def dtype(self) -> Any:
        return DTYPES[str(self.value.type.element)]

    def view(self, dtype: Any) -> Lanes:
        """The same bits."""
        return self._of(self.builder.bitcast(self.value, self._type(dtype)))

    def fused(self, y: Lanes, c: Lanes) -> Lanes:
        """self * y + c, rounded once."""
        kind = self.value.type
        name = f"llvm.fma.v{kind.count}f{8 * self.dtype.itemsize}"
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, ir.FunctionType(kind, [kind] * 3), name)
        return self._of(self.builder.call(function, [self.value, y.value, c.value]))

    def through_half(self) -> Lanes:
        """What binary16 rounds to, to nearest even."""
        short = self.builder.fptrunc(self.value, ir.VectorType(ir.HalfType(), self.value.type.count))
        return self._of(self.builder.fpext(short, self.value.type))

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **how: Any) -> Any:
        if method != "__call__" or how:
            return NotImplemented
        operands = [x if isinstance(x, Lanes) else self._of(self._constant(x)) for x in given]
        floating = operands[0].value.type.element in (ir.FloatType(), ir.DoubleType())
        values = [x.value for x in operands]
        if ufunc in EMITTED:
            return self._of(getattr(self.builder, EMITTED[ufunc][floating])(*values))
        if ufunc in COMPARED:
            return self._of(self._compared(COMPARED[ufunc], floating, values))
        return SPECIAL[ufunc](*operands)

    def __array_function__(self, function: Any, types: Any, given: Any, how: Any) -> Any:
        return True if function is np.any else chosen(*given)

    def _compared(self, sign: str, floating: bool, values: list[Any]) -> Any:
        if not floating:
            return self.builder.icmp_unsigned(sign, *values)
        compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        return compare(sign, *values)

    def _constant(self, x: Any) -> Any:
        """A number among operands, of the others' type."""
        kind = self.value.type
        number = float(x) if self.dtype.kind == "f" else int(x)
        return ir.Constant(kind, [number] * kind.count)

    def _type(self, dtype: Any) -> Any:
        return ir.VectorType(TYPES[np.dtype(dtype)], self.value.type.count)

    def _of(self, value: Any) -> Lanes:
        return Lanes(self.builder, value)


def chosen(condition: Lanes, yes: Lanes, no: Lanes) -> Lanes:
    return Lanes(no.builder, no.builder.select(condition.value, yes.value, no.value))


def absolute(x: Lanes) -> Lanes:
    word = np.dtype(f"u{x.dtype.itemsize}")
    return (x.view(word) & (1 << 8 * word.itemsize - 1) - 1).view(x.dtype)


SPECIAL: dict[Any, Callable[..., Lanes]] = {
    np.maximum: lambda x, y: chosen(x > y, x, y), np.minimum: lambda x, y: chosen(x < y, x, y), np.absolute: absolute,
    np.negative: lambda x: Lanes(x.builder, x.builder.fneg(x.value)), np.invert: lambda x: x ^ ((1 << 8 * x.dtype.itemsize) - 1),
}  # fmt: skip
