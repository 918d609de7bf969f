"""What libraries do beyond a rule, as a table: how scales are found, and the steps to an element.

A profile has a row for each kind of block that its library makes: elements under scales of one format. The
functions are in `mx_steps`, `nvfp4_steps`, `hif4_steps` and `bitsandbytes_steps`, with the source files they follow. Steps are
those of float32 numbers, which bfloat16 and float16 are widened to. "Run": the library gave the same bits on
a CPU. "Read": its source says so, and it could not be run. No GPU kernel was run.

===================== ==============================================================================
torchao               0.18 (run): MX with the rules floor, ceil, even and rceil, NVFP4 with one level of
                      scales or two. On a GPU rceil may differ: its logarithm takes some ulps above a
                      power of two for the power, which the hardware does not
transformer_engine    d0067d0: NVFP4, the profile of `nvfp4` (its Python reference run), MXFP8 (read), FP8 in
                      tiles with scales rounded to powers of two, its default (read)
4over6                TransformerEngine's NVFP4 with the better of two scales for each block, by the sum of
                      errors, scales up to 256 (its Python reference run); `_mse` by that of squares; `_448`
                      with scales up to 448
modelopt              NVIDIA ModelOpt a2fbac7 (run): NVFP4QTensor, MXFP4QTensor, MXFP8QTensor
compressed_tensors    0.20 (run): NVFP4; MX of e4m3fn, e2m3fn and e2m1fn
microxcaling          7bc4195, its Python path (run): MX, signed integers as `e1m6fin` and `e1m2fin`.
                      `rounding="nearest_even"` is its "even"; its "floor" differs beside powers of two;
                      it does not flush here
deepseek_v3           DeepSeek-V3 9b4e978, inference/kernel.py (read), its division taken to be correctly
                      rounded; of absmax 0.0001 or more, as in the two below
deepseek_v3.2         DeepSeek-V3.2-Exp 3b99a53, inference/kernel.py (read)
deepgemm              DeepGEMM 54e2261, utils/math.py (run): FP8 and FP4
hifloat4              HiFloat4 999cc07, HiF4_NVFP4_v14f16.py (run): HiF4; shared microexponents (To_MXN), but
                      that exponents end at -127
flexpoint             test vectors of Intel's Flexpoint
bitsandbytes          0.50, its Python backend (run), that of devices without one of their own: x * fl32(1 /
                      absmax), absmax from 1e-38 up; the last block is divided where it is shorter
bitsandbytes_cpu      0.50, its C++ backend for 8 bits (run): a table of 65536 steps, so that 0 is no longer 0
                      and some codes beside it never come out
bitsandbytes_cpu_049  its C++ backend for 8 bits up to 0.49 (quantize_cpu of 0.49.2 compiled and run): code 0
                      is made -1 in the table itself, so that it decodes to that
bitsandbytes_cuda     0.50, csrc/kernels.cu (searches compiled for a CPU and run): ties to the even index.
                      Blocks are read: 1 / absmax is the GPU's approximation, up to an ulp off what is taken
                      here, a correctly rounded one (UNVERIFIED); subnormal numbers count as 0
===================== ==============================================================================

A block with NaN or infinity in it:

* `default`, `microxcaling`, `hifloat4`, `deepseek...`, `compressed_tensors` of MX, FP4 under powers of two in
  `modelopt`: its scale is NaN, and so all its values. (What the kernels of DeepSeek do is UNVERIFIED.)
* `torchao` of MX: NaN makes the scale NaN, infinity counts as 2**128. `transformer_engine` of FP8: NaN is
  left out, and stays NaN as an element; infinity has the largest scale, in tiles 1. `modelopt` of MXFP8: NaN
  has the least scale, infinity the largest.
* `deepgemm`: the scale is NaN or infinite, and so is no value a number; where it is a power of two, 2**127.
* NVFP4: in `torchao` and `modelopt` a NaN or an infinity makes the whole tensor NaN, as does a tensor of
  zeros, whose scale is 0/0 there. In `compressed_tensors` an infinity does, a NaN its block alone.
  `transformer_engine` and `4over6` leave NaN out, and it is refused as an element unless `nan=` is given
  (the kernels make 6 of it, UNVERIFIED, as `nan=6` does); beside an infinity blocks decode to infinities and NaN.
* `bitsandbytes`: NaN makes the scale NaN and all codes the last one; beside an infinity finite numbers are NaN.
  The others of its name leave NaN out; as an element it has code 0, as have blocks of zeros.

Codes beside a scale of NaN are, elsewhere, 0 or the element's NaN here, whatever the library leaves there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError, choose
from ..format import Format
from . import bitsandbytes_steps, hif4_steps, mx_steps, nvfp4_steps
from .bitsandbytes_steps import Search

if TYPE_CHECKING:
    from .block import Block

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BlockProfile:
    """The choices of one library for one kind of block.

    >>> profile_of("torchao", "e4m3fn", "e8m0fnu").rules
    ('floor', 'ceil', 'even', 'rceil')
    """

    name: str
    elements: str = ""  # specs, with blanks between, * and ? for anything; "": any
    scale: str = ""  # a spec; "": any
    rules: tuple[
        str, ...
    ] = ()  # those it takes, its own first; (): all, floor for powers of two, else absmax
    rounding: str = "nearest_even"
    poisons: bool = True  # NaN in a block is in the statistics; else it is left out of them
    scales: Callable[[Array, Array, Block], Any] | None = None  # from numbers and peaks, whose array it may
    # overwrite; None: by the rule
    factor: Callable[[Any, Block], Array] | None = (
        None  # of the scales: what x is multiplied with; None: x / scale
    )
    adjusted: Callable[[Array, Format], Array] | None = None  # x in units of its scale, before it is rounded
    product: Callable[[Array, Array, Block], Array] | None = None  # element and scale; None: rounded once
    inner: str | None = None  # the profile of scales that are a block themselves
    nan_code: int | None = None  # of NaN elements; None: the format's own, with its sign
    exponent: str | None = None  # how its users write scale 2**-{}
    search: Search | None = None  # of a table, in place of rounding
    check: Callable[[Block], None] | None = (
        None  # `SpecError` for blocks it does not take, beside those above
    )


def flexpoint(x: Array, peaks: Array, block: Block) -> Any:
    """A tensor of zeros is taken for 1, one with an infinity has the largest step (Intel's vectors)."""
    from .rules import floor

    return block.stored(floor(x, np.where(peaks > 0, peaks, 1), block))


FP8, FP6, FP4 = "e4m3fn e5m2", "e2m3fn e3m2fn", "e2m1fn"
POWERS, ONE_NUMBER = "e8m0fnu", "block[of=e4m3fn,scale=f32]"
PAIRS = "block[of=e1m0finu,scale=e8m0fnu,size=8]"
E6M2 = "e6m2b48fnu[normal]"
HIF4 = f"block[of=e1m0b0finu,scale=block[of=e1m0b0finu,scale={E6M2},size=8],size=2]"
ABSMAX = ("absmax",)


TABLE = (
    BlockProfile("default"),
    BlockProfile("flexpoint", "int*", "e?m0*finu", ("floor",), poisons=False, scales=flexpoint, exponent=", Flexpoint's exponent {}"),
    *(
        BlockProfile(
            "torchao", f"{FP8} {FP6} {FP4}", POWERS, ("floor", "ceil", "even", "rceil"),
            scales=mx_steps.torchao, factor=mx_steps.torchao_factor,
        ),
        BlockProfile(
            "torchao", FP4, "e4m3fn", ABSMAX,
            scales=nvfp4_steps.torchao_one_level, factor=mx_steps.reciprocal,
        ),
        BlockProfile(
            "torchao", FP4, ONE_NUMBER, ABSMAX,
            scales=nvfp4_steps.torchao, factor=nvfp4_steps.torchao_factor, inner="amax_scale",
        ),
    ),
    *(
        BlockProfile(
            "transformer_engine", FP8, POWERS, ("rceil",), poisons=False,
            scales=mx_steps.transformer_engine_mx, nan_code=0x7F,
        ),
        BlockProfile(
            "transformer_engine", FP8, "f32", ABSMAX, poisons=False,
            scales=mx_steps.transformer_engine_tiles, nan_code=0x7F,
        ),
        BlockProfile(
            "transformer_engine", FP4, ONE_NUMBER, ABSMAX, poisons=False,
            scales=nvfp4_steps.transformer_engine, factor=nvfp4_steps.transformer_engine_factor,
            inner="amax_over_2688",
        ),
    ),
    *(
        BlockProfile(
            name, FP4, ONE_NUMBER, ABSMAX, poisons=False,
            scales=nvfp4_steps.four_over_six, factor=nvfp4_steps.four_over_six_factor, inner=inner,
        )
        for name, inner in (
            ("4over6", "amax_over_1536"), ("4over6_mse", "amax_over_1536"),
            ("4over6_448", "amax_over_2688"), ("4over6_448_mse", "amax_over_2688"),
        )
    ),
    *(
        BlockProfile(
            "modelopt", FP4, ONE_NUMBER, ABSMAX, scales=nvfp4_steps.modelopt,
            adjusted=mx_steps.zeros_positive, product=nvfp4_steps.without_negative_zero, inner="amax_scale",
        ),
        BlockProfile(
            "modelopt", FP4, POWERS, ("rceil",), "nearest_zero",
            scales=mx_steps.modelopt_mxfp4, adjusted=mx_steps.zeros_negative,
        ),
        BlockProfile("modelopt", "e4m3fn", POWERS, ("rceil",), scales=mx_steps.modelopt_mxfp8),
    ),
    *(
        BlockProfile(
            "compressed_tensors", FP4, ONE_NUMBER, ABSMAX, scales=nvfp4_steps.compressed_tensors,
            adjusted=mx_steps.zeros_positive, inner="global_scale",
        ),
        BlockProfile(
            "compressed_tensors", FP4, POWERS, ("even",),
            scales=mx_steps.compressed_tensors_mx, adjusted=mx_steps.zeros_positive,
        ),
        BlockProfile(
            "compressed_tensors", "e4m3fn e2m3fn", POWERS, ("even",), scales=mx_steps.compressed_tensors_mx
        ),
    ),
    BlockProfile(
        "microxcaling", f"{FP8} {FP6} {FP4} e1m6fin e1m2fin q1.6[symmetric] q1.2[symmetric]", POWERS, ("floor",),
        "nearest_away", scales=mx_steps.microxcaling, adjusted=mx_steps.microxcaling_numbers,
    ),
    *(
        BlockProfile(name, "e4m3fn", scale, ABSMAX, scales=steps)
        for name, steps in (("deepseek_v3", mx_steps.deepseek_v3), ("deepseek_v3.2", mx_steps.deepseek_v3_2))
        for scale in ("f32", POWERS)
    ),
    *(
        BlockProfile("deepgemm", "e4m3fn", scale, ABSMAX, scales=mx_steps.deepgemm, factor=factor)
        for scale, factor in (("f32", mx_steps.reciprocal), (POWERS, None))
    ),
    *(
        BlockProfile(
            "deepgemm", FP4, scale, ABSMAX, "nearest_zero",
            scales=mx_steps.deepgemm, factor=factor, adjusted=mx_steps.deepgemm_fp4,
        )
        for scale, factor in (("f32", mx_steps.reciprocal), (POWERS, None))
    ),
    BlockProfile(
        "hifloat4", "e1m2fin", HIF4, ABSMAX, "nearest_away",
        scales=hif4_steps.scales, factor=hif4_steps.factor, adjusted=hif4_steps.plus_zero,
    ),
    BlockProfile(
        "hifloat4", "e1m6fin e1m3fin e1m1fin", PAIRS, ("floor",), "nearest_away", adjusted=hif4_steps.plus_zero,
    ),
    *(
        BlockProfile(
            name, elements, "", ABSMAX, poisons=poisons, scales=bitsandbytes_steps.scales, inner=name,
            search=search, check=check,
        )
        for name, elements, poisons, search, check in (
            ("bitsandbytes", "", True, bitsandbytes_steps.DEFAULT, bitsandbytes_steps.check),
            ("bitsandbytes_cpu", "", False, bitsandbytes_steps.CPU, bitsandbytes_steps.check_eight_bits),
            ("bitsandbytes_cpu_049", "", False, bitsandbytes_steps.CPU_049, bitsandbytes_steps.check_eight_bits),
            ("bitsandbytes_cuda", "nf4", False, bitsandbytes_steps.CUDA_NF4, bitsandbytes_steps.check),
            ("bitsandbytes_cuda", "fp4_bnb", False, bitsandbytes_steps.CUDA_FP4, bitsandbytes_steps.check),
            ("bitsandbytes_cuda", "", False, bitsandbytes_steps.CUDA, bitsandbytes_steps.check_eight_bits),
        )
    ),
)  # fmt: skip
OF_SCALES = (  # that other profiles bring; the spec of their scales says so, and nobody else needs them
    BlockProfile("amax_scale", "e4m3fn", "f32", product=nvfp4_steps.scale_times_number),
    BlockProfile(
        "global_scale", "e4m3fn", "f32", ABSMAX,
        scales=nvfp4_steps.compressed_tensors_number, product=nvfp4_steps.scale_over_number,
    ),
    *(
        BlockProfile(
            name, "e4m3fn", "f32", ABSMAX, scales=nvfp4_steps.peak_number, product=nvfp4_steps.share_of_peak
        )
        for name in ("amax_over_1536", "amax_over_2688")
    ),
)  # fmt: skip
NAMED = tuple(dict.fromkeys(row.name for row in TABLE))
BLOCK_PROFILES: dict[str, tuple[BlockProfile, ...]] = {
    name: tuple(row for row in (*TABLE, *OF_SCALES) if row.name == name)
    for name in (*NAMED, *dict.fromkeys(row.name for row in OF_SCALES))
}


def _is_one(spec: str, of: str) -> bool:
    """Whether a spec is among those that a row says, in which * and ? stand for anything."""
    return not of or any(spec == one or fnmatchcase(spec, one) for one in of.split())


def profile_of(given: str | BlockProfile, of: str, scale: str) -> BlockProfile:
    """The row of a profile for elements and scales by their specs; `SpecError` with those there are for
    any other."""
    if isinstance(given, BlockProfile):
        rows: tuple[BlockProfile, ...] = (given,)
    else:
        known = isinstance(given, str) and given in BLOCK_PROFILES
        rows = BLOCK_PROFILES[given if known else choose("profile", given, NAMED)]
    for row in rows:
        if _is_one(of, row.elements) and _is_one(scale, row.scale):
            return row
    kinds = "; ".join(f"of={' or '.join(row.elements.split())} with scale={row.scale}" for row in rows)
    raise SpecError(f"profile={rows[0].name} has {kinds}; got of={of} with scale={scale}", "")
