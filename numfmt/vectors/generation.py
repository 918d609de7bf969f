"""Vectors of a request: operands chosen, results computed, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .asking import Request, request
from .batch import Vectors, concatenated
from .choosing import Chosen

CHUNK = 1 << 17  # vectors


def generate(op: str, fmt: Any, **how: Any) -> Vectors:
    """Golden vectors of an operation: operands that find bugs, the right results, the exceptions.

    Parameters
    ----------
    op : str
        One of `numfmt.vectors.OPERATIONS`: "cast", "add", "sub", "mul", "div", "sqrt", "fma", "rem", comparisons,
        "min", "max", "to_int", "from_int", "round_to_integral"; "dot", "requantize", "quantize_block".
    fmt : str, Format or dtype
        Of the result; of comparisons that of the operands.
    operands : format or one for each operand, optional
        That of the result unless given; of "cast" and "to_int" f32, of "from_int" int32.
    rounding : str or several, optional
        Deterministic modes, in a list or with commas between: "rne,rtz". Nearest even unless given.
    overflow, nan, ftz, daz, tininess, nan_profile
        As in `numfmt.add`.
    variant : str
        Of "min" and "max": see `numfmt.arithmetic.minimum`.
    profile : "x86", "arm" or "riscv"
        Of "to_int": see `numfmt.arithmetic.to_integer`; x86 unless given, as TestFloat's usual build.
    exact : bool
        Whether "to_int" (True unless given) and "round_to_integral" (False) raise inexact.
    length, unit, accumulator, order, product, inner
        Of "dot": how many products (4 unless given), and how `numfmt.matmul` adds them; `operands` are the formats of
        a, b and the initial sum c, or those of the unit.
    stage : "double", "single" or "neon"
        Of "requantize": see `numfmt.gemmlowp.multiply_by_quantized_multiplier`.
    seed : int
        Of the random operands.
    count : int, optional
        How many vectors a mode. Unless given: all operands where there are at most 2**20, else all hard ones and
        65536 random ones.

    Returns
    -------
    Vectors : the same on any machine

    Raises
    ------
    SpecError, ValueError, TypeError : an unknown name, or a choice that the operation does not have

    >>> v = generate("add", "bf16", rounding="rtz", count=1000)
    >>> v
    <1000 vectors: add in bf16, toward_zero>
    >>> generate("mul", "e4m3fn")["result"][0x7E7E], hex(generate("mul", "e4m3fn")["flags"][0x7E7E])
    (np.uint8(127), '0x5')
    """
    return concatenated(list(chunks(request(op, fmt, **how))))


def chunks(wanted: Request, size: int = CHUNK) -> Iterator[Vectors]:
    """All vectors, mode by mode, at most `size` at a time."""
    chosen = Chosen(wanted)
    for i in range(len(wanted.rounding)):
        yield from of_mode(wanted, chosen, i, size)


def of_mode(wanted: Request, chosen: Chosen, index: int, size: int = CHUNK) -> Iterator[Vectors]:
    """The vectors of one mode of a request."""
    total = len(chosen)
    for start in range(0, total, size):
        yield answered(wanted, index, chosen.codes(start, min(start + size, total)))


def answered(wanted: Request, index: int, operands: tuple[Any, ...]) -> Vectors:
    """Operands with the right results."""
    results = wanted.answer(wanted.rounding[index], operands)
    names = [field.name for field in wanted.fields]
    columns = dict(zip(names, (*operands, *results), strict=True))
    return Vectors(wanted, columns, np.full(operands[0].size, index, np.uint8))
