"""Scaled formats with names of their own: a table of recipes, and the grammars of specs.

Sources: OCP Microscaling Formats v1.0, tables 1 to 3 (mx...); NVIDIA's NVFP4, one scale for 16 elements or for
tiles of 16x16, as weights have it; "HiFloat4", arXiv 2602.11287 (hif4); "With Shared Microexponents, A Little
Shifting Goes a Long Way", ISCA 2023 (mx9, mx6, mx4); Rouhani et al., "Pushing the Limits of Narrow Precision
Inferencing at Cloud Scale with Microsoft Floating Point", NeurIPS 2020 (msfp...); DeepSeek-V3, section 3.3.2;
Köster et al., "Flexpoint", NeurIPS 2017.

How shared microexponents round, and where their exponents end, the paper does not say: here to nearest even,
from -127 to 127. `rounding="nearest_away"` and the profile `hifloat4` are as Huawei's reference has it.

Sign and magnitude, as block floating point has it, is a float with one exponent bit: the values of `e1m2fin`
are 0, 0.25 ... 1.75 and their negatives.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import SpecError
from ..registry import RECIPES, Option, integer, scaled_family
from .block import OFFSETS, Block, named_as, without_profile
from .granularity import FLAT

MSFP = range(11, 17)  # 8 bits of exponent, a sign and 2 to 7 bits of magnitude
BFP = range(3, 25)  # bits of an element
MX_PAIRS = {"mx9": 7, "mx6": 4, "mx4": 2}  # bits of magnitude


def _pairs(magnitude: int) -> Block:
    """Pairs share one bit more of the exponent that sixteen elements share."""
    pair = Block("e1m0finu", "e8m0fnu", 8)
    return Block(f"e1m{magnitude - 1}fin", pair, 2)


_FACTORS = Block("e1m0b0finu", Block("e1m0b0finu", "e6m2b48fnu[normal]", 8), 2)  # of 1 or 2
TABLE = {
    "mxfp8_e4m3": Block("e4m3fn", "e8m0fnu", 32),
    "mxfp8_e5m2": Block("e5m2", "e8m0fnu", 32),
    "mxfp6_e3m2": Block("e3m2fn", "e8m0fnu", 32),
    "mxfp6_e2m3": Block("e2m3fn", "e8m0fnu", 32),
    "mxfp4": Block("e2m1fn", "e8m0fnu", 32),
    "mxint8": Block("q1.6[symmetric]", "e8m0fnu", 32),
    **{f"msfp{n}": Block(f"e1m{n - 10}fin", "e8m0fnu", 16) for n in MSFP},
    **{name: _pairs(bits) for name, bits in MX_PAIRS.items()},
    "hif4": Block("e1m2fin", _FACTORS, 4, profile="hifloat4"),
    "nvfp4": Block("e2m1fn", Block("e4m3fn", "f32"), 16, profile="transformer_engine"),
    "nvfp4_16x16": Block("e2m1fn", Block("e4m3fn", "f32"), (16, 16), profile="transformer_engine"),
    "flex16+5": Block("int16", "e5m0b31finu", profile="flexpoint"),
    "deepseek_1x128": Block("e4m3fn", "f32", 128),
    "deepseek_128x128": Block("e4m3fn", "f32", (128, 128)),
}
OTHER_NAMES = {
    "mxfp8_e4m3": ("mxfp8", "mxfp8_e4m3fn"),
    "mxfp6_e3m2": ("mxfp6_e3m2fn",),
    "mxfp6_e2m3": ("mxfp6_e2m3fn",),
    "mxfp4": ("mxfp4_e2m1", "mxfp4_e2m1fn"),
}


def _register() -> None:
    for name, block in TABLE.items():
        RECIPES[name] = OTHER_NAMES.get(name, ())
        named_as(block, name)


_register()
SPELLINGS = {other: name for name, others in RECIPES.items() for other in (name, *others)}

AXIS = Option(("an integer or flat",), None, r"[+-]?\d+|flat")
RULE = Option(("a rule",), None, r".+")
PROFILE = Option(("a profile",), None, r".+")
OFFSET = Option(OFFSETS)


def made(spec: str, make: Any) -> Block:
    """A block, or the error with the spec in front."""
    try:
        found: Block = make()
    except (ValueError, TypeError) as error:
        raise SpecError(f"{spec!r}: {error}", spec) from None
    return found


@scaled_family(
    pattern="|".join(re.escape(name) for name in sorted(SPELLINGS, key=len, reverse=True) if "+" not in name),
    options={"axis": AXIS, "rule": RULE, "profile": PROFILE},
    examples=("mxfp4[rule=ceil]", "mxfp8_e5m2[axis=0]", "mx6[axis=0]"),
)
def named(match: re.Match[str], spec: str, axis: str | None, rule: str | None, profile: str | None) -> Block:
    """A recipe of the table, with an axis, a rule or a profile of its own."""
    return made(spec, lambda: _changed(TABLE[SPELLINGS[match[0]]], axis, rule, profile))


@scaled_family(
    pattern="block",
    options={
        "of": Option(("a format",), None, r".+"),
        "scale": Option(("a format",), None, r".+"),
        "size": Option(("a number, or rows x columns",), None, r"\d+(x\d+)?"),
        "axis": AXIS,
        "rule": RULE,
        "profile": PROFILE,
        "offset": OFFSET,
    },
    examples=(
        "block[of=e2m1fn,scale=e8m0fnu,size=32,rule=rceil]",
        "block[of=e4m3fn,scale=f32,size=16x16]",
        "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16]",
        "block[of=int8,scale=f16,size=32,axis=0,rule=mse]",
        "block[of=e5m2,scale=bf16]",
        "block[of=int4,scale=f16,size=24,axis=flat,offset=mean]",
    ),
)
def composed(
    match: re.Match[str], spec: str, of: str | None, scale: str | None, size: str | None, axis: str | None,
    rule: str | None, profile: str | None, offset: str | None,
) -> Block:  # fmt: skip
    """Any block."""
    if of is None or scale is None:
        raise SpecError(
            f"{spec!r}: of= and scale= are needed, as in 'block[of=e2m1fn,scale=e8m0fnu,size=32]'", spec
        )
    sizes = tuple(map(int, size.split("x"))) if size else None
    return made(spec, lambda: Block(of, scale, sizes, axis_of(axis), rule, profile or "default", offset))


@scaled_family(
    pattern=r"bfp(?P<bits>\d+)",
    options={"size": integer("16"), "axis": AXIS, "rule": RULE},
    examples=("bfp8", "bfp6[size=32]", "bfp12[axis=0]"),
)
def block_floating_point(
    match: re.Match[str], spec: str, size: str, axis: str | None, rule: str | None
) -> Block:
    """Block floating point: elements of sign and magnitude, in all `bits`, and an exponent of 8 bits."""
    bits = int(match["bits"])
    if bits not in BFP:
        raise SpecError(f"{spec!r}: elements have {BFP[0]} to {BFP[-1]} bits, got {bits}", spec)
    return made(spec, lambda: Block(f"e1m{bits - 2}fin", "e8m0fnu", int(size), axis_of(axis), rule))


@scaled_family(
    pattern=r"flex(?P<bits>\d+)\+(?P<exponent>\d+)",
    options={"axis": AXIS, "rule": RULE},
    examples=("flex16+5", "flex8+4"),
)
def flexpoint(match: re.Match[str], spec: str, axis: str | None, rule: str | None) -> Block:
    """Flexpoint in one shot: integers and one exponent for the tensor, from its largest magnitude."""
    bits, exponent_bits = int(match["bits"]), int(match["exponent"])
    if not (2 <= bits <= 32 and 1 <= exponent_bits <= 5):
        raise SpecError(f"{spec!r}: flexN+M has N from 2 to 32 and M from 1 to 5", spec)
    scale = _below_one(exponent_bits)
    return made(spec, lambda: Block(f"int{bits}", scale, None, axis_of(axis), rule, "flexpoint"))


def _below_one(exponent_bits: int) -> str:
    """Powers of two from 1 down: exponents 0 to -(2**bits - 1)."""
    return f"e{exponent_bits}m0b{(1 << exponent_bits) - 1}finu"


def _changed(block: Block, axis: str | None, rule: str | None, profile: str | None) -> Block:
    """A block with what is given; a profile brings its own rule."""
    own = block.rule if profile is None else None
    return Block(
        block.of, without_profile(block.scale), block.size, block.axis if axis is None else axis_of(axis), rule or own,
        profile or block.profile.name,
    )  # fmt: skip


def axis_of(text: str | None) -> int | str | None:
    return text if text is None or text == FLAT else int(text)
