"""Which NaN a result is: profiles of processors, as a table.

============ ==============================================================================================
canonical    the format's canonical NaN, positive, whatever the operands; `convert` keeps the sign
riscv        the same (RISC-V unprivileged ISA, 11.3, "NaN Generation and Propagation"); in `convert` too
x86          the first operand that is a NaN, quiet; the NaN of an invalid operation is negative (Intel SDM volume 1,
             table 4-7 and 4.8.3.5)
arm          the first operand that signals, else the first that is a NaN, quiet (Arm ARM, FPProcessNaNs)
nvidia       all bits below the sign are 1 (PTX ISA, "NaN results"; from memory, UNVERIFIED)
============ ==============================================================================================

Operands count in the order they are written. In fma that is what Berkeley SoftFloat does for x86 and Arm;
which operand an instruction looks at first is UNVERIFIED. A payload keeps its high bits from format to format.
Results as values are always the canonical quiet NaN of their dtype; the profile says its sign.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..engine.inputs import Input
from ..format import Format
from ..formats.floats import Float
from ..registry import element

Array = np.ndarray[Any, Any]
FLOATS = {"f4": element("f32"), "f8": element("f64")}
WORD = np.uint64


class Profile(NamedTuple):
    """`takes`: which operand's NaN is the result; "none", the "first", or the first that "signals"."""

    takes: str
    negative: bool = False  # the NaN of an operation without NaN operands
    ones: bool = False  # that NaN has a payload of ones


PROFILES = {
    "canonical": Profile("none"),
    "riscv": Profile("none"),
    "x86": Profile("first", negative=True),
    "arm": Profile("signals"),
    "nvidia": Profile("none", ones=True),
}


def has_payload(fmt: Format) -> bool:
    """Whether a format has NaNs that signal and NaNs that do not."""
    return isinstance(fmt, Float) and fmt.infinity() is not None and fmt.man_bits > 0


def bits_of(source: Input) -> tuple[Array, Format | None]:
    """The codes of operands that are floats, and their format."""
    x, fmt = source
    if fmt is None and x.dtype.str[1:] in FLOATS:
        x = x.astype(x.dtype.newbyteorder("="), copy=False)
        return x.view(f"u{x.dtype.itemsize}").astype(WORD), FLOATS[x.dtype.str[1:]]
    return np.zeros(x.shape, WORD) if fmt is None else x.astype(WORD), fmt


def signals(source: Input) -> Array:
    """Where an operand is a NaN whose first fraction bit is 0 (IEEE 754-2019, 6.2.1)."""
    codes, fmt = bits_of(source)
    if fmt is None or not has_payload(fmt):
        return np.zeros(codes.shape, bool)
    assert isinstance(fmt, Float)
    return is_nan(codes, fmt) & (codes & WORD(1 << (fmt.man_bits - 1)) == 0)


def is_nan(codes: Array, fmt: Float) -> Array:
    """Of formats with infinities."""
    infinity = fmt.infinity()
    assert infinity is not None
    return (codes & WORD((1 << (fmt.bits - fmt.signed)) - 1)) > WORD(infinity)


def chosen(profile: Profile, operands: list[Input], fmt: Format) -> Array:
    """The codes of NaN results, from operands of which these are the NaNs."""
    result = np.full(operands[0].array.shape, _own(profile, fmt), WORD)
    if profile.takes == "none":
        return result
    given = [_quieted(x, fmt) for x in operands]
    for codes, nan, _ in reversed(given):
        result = np.where(nan, codes, result)
    if profile.takes == "signals":
        for codes, _, signalling in reversed(given):
            result = np.where(signalling, codes, result)
    return result


def _own(profile: Profile, fmt: Format) -> int:
    """The NaN of an invalid operation."""
    code = fmt.nan(profile.negative)
    assert code is not None
    return (
        code | ((1 << fmt.man_bits) - 1)
        if profile.ones and isinstance(fmt, Float) and has_payload(fmt)
        else code
    )


def _quieted(source: Input, fmt: Format) -> tuple[Array, Array, Array]:
    """NaN operands as quiet codes of the result's format, where they are NaN, and where they signal."""
    codes, own = bits_of(source)
    none = np.zeros(codes.shape, bool)
    if not isinstance(own, Float) or own.nan() is None:
        return codes, none, none
    if not has_payload(own):
        nan = codes == WORD(own.nan() or 0)
        nan |= codes == WORD(own.nan(True) or own.nan() or 0)
        payload = np.zeros(codes.shape, WORD)
    else:
        nan = is_nan(codes, own)
        payload = codes & WORD((1 << own.man_bits) - 1)
    negative = (codes >> WORD(own.bits - 1) != 0) & own.signed & has_payload(own)
    plain = np.where(negative, WORD(fmt.nan(True) or 0), WORD(fmt.nan() or 0))
    if isinstance(fmt, Float) and has_payload(fmt):
        shift = fmt.man_bits - own.man_bits
        plain = plain | (payload << WORD(shift) if shift >= 0 else payload >> WORD(-shift))
    return plain, nan, signals(source)
