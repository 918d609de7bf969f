"""bitsandbytes' formats by name: `bnb8` and `bnb8u`, dynamic trees of 8 bits; `bnb_nf4`, `bnb_fp4`,
`bnb_af4`, `bnb_int4`.

Blocks go through all elements in C order; their scale is their largest magnitude, in float32. The sizes are
those of bitsandbytes 0.50, functional.py: 4096 of quantize_blockwise, 64 of quantize_4bit. Its optimizers
keep their states in blocks of 256 (2048 up to 0.43): `bnb8[size=256]`, `bnb8u[size=256]`.

AF4 and int4 are tables without a search in the library; they are searched as the others.
"""

from __future__ import annotations

import re
from functools import partial

from ..errors import SpecError
from ..registry import RECIPES, Option, integer, scaled_family
from .block import SIZED, Block, Sized
from .granularity import FLAT
from .named import AXIS, OFFSET, PROFILE, RULE, axis_of, made

PROFILE_NAME = "bitsandbytes"
EIGHT_BITS = {"bnb8": "dyn8", "bnb8u": "dyn8u"}
FOUR_BITS = {"bnb_nf4": "nf4", "bnb_fp4": "fp4_bnb", "bnb_af4": "af4", "bnb_int4": "int4_bnb"}
SIZES = {**dict.fromkeys(EIGHT_BITS, 4096), **dict.fromkeys(FOUR_BITS, 64)}
NESTED_SIZE = 256  # of the scales of 4 bits; those of 8 bits have the size of the elements


def nested(name: str, size: int) -> Block:
    """The scales of blocks of that size, nested: functional.py, quantize_4bit and quantize_blockwise."""
    return Block("dyn8", "f32", NESTED_SIZE if name in FOUR_BITS else size, FLAT, offset="mean")


def _register() -> None:
    for name, of in (EIGHT_BITS | FOUR_BITS).items():
        RECIPES[name] = ()
        block = Block(of, "f32", SIZES[name], FLAT, profile=PROFILE_NAME)
        SIZED[block.of] = Sized(name, block, partial(nested, name))
    SIZED[None] = SIZED[Block("dyn8", "f32").of]


_register()


@scaled_family(
    pattern="|".join(SIZES),
    options={
        "of": Option(("a codebook",), None, r".+"),
        "size": integer(),
        "block": integer(),
        "axis": AXIS,
        "nested": Option(("on", "off"), "off"),
        "rule": RULE,
        "profile": PROFILE,
        "offset": OFFSET,
    },
    examples=(
        "bnb8[size=256]", "bnb8[size=64,profile=bitsandbytes_cpu]", "bnb8u[size=128,profile=bitsandbytes_cuda]",
        "bnb8[of=linear8,size=256]", "bnb8[of=e4m3_bnb,size=256,profile=bitsandbytes_cpu_049]", "bnb8[size=32,nested]",
        "bnb_nf4[nested]", "bnb_nf4[size=32,profile=bitsandbytes_cuda]", "bnb_fp4[profile=bitsandbytes_cuda]",
        "bnb_fp4[size=16,axis=-1]", "bnb8[size=64,offset=mean]",
    ),
)  # fmt: skip
def bitsandbytes(
    match: re.Match[str], spec: str, of: str | None, size: str | None, block: str | None, axis: str | None,
    nested: str, rule: str | None, profile: str | None, offset: str | None,
) -> Block:  # fmt: skip
    """A table of numbers under absmax; `of` has another one of 8 bits, `block` is another word for `size`."""
    name = match[0]
    if of is not None and name != "bnb8":
        raise SpecError(f"{spec!r}: {name} says of what its elements are; bnb8[of=...] takes any table", spec)
    if size is not None and block is not None:
        raise SpecError(f"{spec!r}: block= is another word for size=: leave one out", spec)
    return made(spec, lambda: _block(name, of, size or block, axis, nested == "on", rule, profile, offset))


def _block(
    name: str, of: str | None, size: str | None, axis: str | None, is_nested: bool, rule: str | None,
    profile: str | None, offset: str | None,
) -> Block:  # fmt: skip
    elements = of or (EIGHT_BITS | FOUR_BITS)[name]
    count = SIZES[name] if size is None else int(size)
    scale = nested(name, count) if is_nested else "f32"
    return Block(elements, scale, count, axis_of(axis or FLAT), rule, profile or PROFILE_NAME, offset)
