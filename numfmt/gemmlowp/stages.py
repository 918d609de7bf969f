"""Output stages: from int32 accumulators to codes, one small step each.

What each takes and gives is an array, element by element; a field that differs from channel to
channel is a sequence with one entry for each index of `axis` of the accumulators. All int32
arithmetic wraps, as the instructions do; where C++ calls that undefined, so does this.

============================== ==========================================================
stage                          in gemmlowp's public/output_stages.h, OutputStage...
============================== ==========================================================
QuantizeDownScale              QuantizeDownInt32ToUint8Scale
QuantizeDownScalePC            QuantizeDownInt32ToUint8ScalePC
QuantizeDownByFixedPoint       QuantizeDownInt32ByFixedPoint
ScaleByFixedPointAndExponent   ScaleInt32ByFixedPointAndExponent, and its PC variant
BiasAddition                   BiasAddition
Clamp                          Clamp
SaturatingCast(to)             SaturatingCastToUint8, ...Int8, ...Int16
TruncatingCast                 TruncatingCastToUint8
Tanh                           Tanh
Requantize                     none: MultiplyByQuantizedMultiplier of TFLite
RequantizeFloat                none: ONNX Runtime, XNNPACK, FBGEMM, LiteRT
============================== ==========================================================

With its vectors "Row" gemmlowp means one entry for each column (axis=-1 here), with "Col" one for
each row (axis=0 of a matrix).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import frexp
from operator import index
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import choose
from .arguments import INT32, Array, Range, dtype_name, integers, reals, wrapped
from .fixedpoint import tanh32
from .multipliers import MULTIPLIERS, PAST_SHIFTS, SHIFTS, multiplied
from .primitives import high_mul, nearest_away, shifted_away

Each = int | Sequence[int] | Array  # one for all, or one for each channel: kept as an int or a tuple
Steps = Iterator[tuple[str, Array]]
SHIFT: Range = (0, 31)
CODES: dict[str, Range] = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}


class Scaling(NamedTuple):
    """A stage as the loop computes it: x + before, << left, times multiplier, >> drop (rounded up at
    ties), >> right (away from zero, or up), + after; each field a number or an array for the channels."""

    before: Any = 0
    left: Any = 0
    multiplier: Any = 1
    drop: Any = 0
    right: Any = 0
    away: bool = True
    after: int = 0


class Stage(ABC):
    """A step of the output pipeline."""

    limits: ClassVar[Mapping[str, Range]] = {}  # of each field that holds integers
    single: ClassVar[frozenset[str]] = frozenset()  # the fields of `limits` that no channel has of its own
    cures: ClassVar[Mapping[str, str]] = {}  # for a field outside its limits
    gives_codes: ClassVar[bool] = False
    axis: int = -1

    def __post_init__(self) -> None:
        for name, limits in self._limits().items():
            object.__setattr__(self, name, self._settled(name, limits))
        object.__setattr__(self, "axis", index(self.axis))
        if len(set(self._lengths().values())) > 1:
            raise ValueError(f"{self.name}: as many entries in each field, got {self._lengths()}")

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def channels(self) -> int | None:
        """How many channels the stage is for; None for any number."""
        return next(iter(self._lengths().values()), None)

    @property
    def scaling(self) -> Scaling | None:
        """What the loop needs to know, None for a stage it does not have."""
        return None

    @abstractmethod
    def steps(self, x: Array) -> Steps:
        """The intermediate results of int32 `x`, each with its name; the last one is the stage's."""

    def result(self, x: Array) -> Array:
        """What the stage makes of int32 `x`."""
        *_, (_, result) = self.steps(x)
        return result

    def each(self, field: str) -> Array:
        """A field as int64: one number, or an array for the channels."""
        return self._arrays[field]

    def check(self, shape: tuple[int, ...]) -> None:
        """`ValueError` unless accumulators of this shape have a channel for each entry."""
        if self.channels is None:
            return
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(f"{self.name}: axis {self.axis} is none of accumulators of shape {shape}")
        if shape[self.axis] != self.channels:
            raise ValueError(
                f"{self.name}: {self.channels} entries for axis {self.axis} of accumulators of shape {shape}, "
                f"which has {shape[self.axis]}: give one for each, or another axis="
            )

    def _limits(self) -> Mapping[str, Range]:
        return self.limits

    def _settled(self, name: str, limits: Range) -> Each:
        given = integers(getattr(self, name), f"{self.name}: {name}", limits, self.cures.get(name, ""))
        if given.ndim > (name not in self.single):
            wanted = "one integer" if name in self.single else "an integer, or one for each channel"
            raise ValueError(f"{self.name}: {name} is {wanted}, got an array of shape {given.shape}")
        return tuple(given.tolist()) if given.ndim else int(given)

    def _lengths(self) -> dict[str, int]:
        fields = {name: getattr(self, name) for name in self._limits()}
        return {name: len(value) for name, value in fields.items() if isinstance(value, tuple)}

    def _along(self, field: str, x: Array) -> Array:
        """A field, so that it broadcasts with `x` along the axis of the channels."""
        value = self.each(field)
        return value.reshape([-1] + [1] * (x.ndim - 1 - self.axis % x.ndim)) if value.ndim else value

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        return {name: np.array(getattr(self, name), np.int64) for name in self._limits()}


@dataclass(frozen=True)
class QuantizeDownScale(Stage):
    """(x + offset) * multiplier / 2**shift, ties away from zero: gemmlowp's first output stage.

    int32 in, int32 out; sum and product wrap. Its header describes a plain shift with ties upwards; the
    code divides as `rounding_divide_by_pot` does, and so does this.

    Parameters
    ----------
    offset, multiplier : int, int32
    shift : int, 0 to 31

    >>> QuantizeDownScale(1000, 3, 8).result(np.int32([50, 700]))
    array([12, 20], dtype=int32)
    """

    offset: Each
    multiplier: Each
    shift: int

    limits: ClassVar = {"offset": INT32, "multiplier": INT32, "shift": SHIFT}
    single: ClassVar = frozenset(("offset", "multiplier", "shift"))

    @property
    def scaling(self) -> Scaling:
        return Scaling(before=self.each("offset"), multiplier=self.each("multiplier"), right=self.shift)

    def steps(self, x: Array) -> Steps:
        moved = wrapped(x + self._along("offset", x))
        yield "offset", moved
        product = wrapped(moved * self._along("multiplier", x))
        yield "product", product
        yield "rounding shift", wrapped(shifted_away(product.astype(np.int64), self.shift))


@dataclass(frozen=True)
class QuantizeDownScalePC(QuantizeDownScale):
    """`QuantizeDownScale` with an offset and a multiplier for each channel, and one shift.

    >>> stage = QuantizeDownScalePC(offset=[0, 10], multiplier=[1, 2], shift=1)
    >>> stage.result(np.int32([[5, 5], [-5, -5]]))
    array([[ 3, 15],
           [-3,  5]], dtype=int32)
    """

    axis: int = -1

    single: ClassVar = frozenset(("shift",))


@dataclass(frozen=True)
class QuantizeDownByFixedPoint(Stage):
    """x times a fixed-point multiplier in [-1, 1), rounded; then divided by 2**shift, rounded; plus an offset.

    Parameters
    ----------
    multiplier : int, int32: raw, without integer bits
    shift : int, 0 to 31
    offset : int, int32: gemmlowp's result_offset_after_shift

    >>> QuantizeDownByFixedPoint(2**30, 2, offset=7).result(np.int32([[1000, -1000]]))
    array([[ 132, -118]], dtype=int32)
    """

    multiplier: int
    shift: int
    offset: int = 0

    limits: ClassVar = {"multiplier": INT32, "shift": SHIFT, "offset": INT32}
    single: ClassVar = frozenset(limits)

    @property
    def scaling(self) -> Scaling:
        return Scaling(multiplier=self.multiplier, drop=31, right=self.shift, after=self.offset)

    def steps(self, x: Array) -> Steps:
        high = high_mul(x.astype(np.int64), self.multiplier)
        yield "high product", wrapped(high)
        divided = shifted_away(high, self.shift)
        yield "rounding shift", wrapped(divided)
        yield "offset", wrapped(divided + self.offset)


@dataclass(frozen=True)
class ScaleByFixedPointAndExponent(Stage):
    """The same with an exponent of either sign: for a positive one x is first shifted left.

    The shift saturates, as gemmlowp's scalar and SSE4 code does; its NEON code wraps, as
    ``Requantize(multiplier, exponent, zero)`` does.

    Parameters
    ----------
    multiplier : int or sequence of int, int32: raw, without integer bits
    exponent : int or sequence of int, -31 to 31
    offset : int, int32: gemmlowp's result_offset_after_shift
    axis : int, of the channels

    >>> ScaleByFixedPointAndExponent(2**30, [1, -3]).result(np.int32([[1000, -1000]]))
    array([[1000,  -63]], dtype=int32)
    """

    multiplier: Each
    exponent: Each
    offset: int = 0
    axis: int = -1

    limits: ClassVar = {"multiplier": INT32, "exponent": (-31, 31), "offset": INT32}
    single: ClassVar = frozenset(("offset",))

    @property
    def scaling(self) -> Scaling | None:
        exponent = self.each("exponent")
        if exponent.max(initial=0) > 0:
            return None
        multiplier = self.each("multiplier")
        return Scaling(multiplier=multiplier, drop=31, right=-exponent, after=self.offset)

    def steps(self, x: Array) -> Steps:
        exponent = self._along("exponent", x)
        shifted = np.clip(x.astype(np.int64) << np.maximum(exponent, 0), *INT32)
        yield "left shift", wrapped(shifted)
        high = high_mul(shifted, self._along("multiplier", x))
        yield "high product", wrapped(high)
        divided = shifted_away(high, np.maximum(-exponent, 0))
        yield "rounding shift", wrapped(divided)
        yield "offset", wrapped(divided + self.offset)


@dataclass(frozen=True)
class Requantize(Stage):
    """x * multiplier * 2**(shift - 31) + zero, rounded in a named way: how TFLite's kernels requantize.

    Parameters
    ----------
    multiplier, shift : int or sequence of int, as `quantize_multiplier` gives them
    zero : int, int32: the zero point of the output
    rounding : "double", "single" or "neon", as in `multiply_by_quantized_multiplier`
    axis : int, of the channels

    >>> [Requantize(2**31 - 1, -4, rounding=r).result(np.int32([-1000])).item() for r in ("double", "single")]
    [-63, -62]
    """

    multiplier: Each
    shift: Each
    zero: int = 0
    rounding: str = "double"
    axis: int = -1

    single: ClassVar = frozenset(("zero",))
    cures: ClassVar = {"shift": PAST_SHIFTS}

    def _limits(self) -> Mapping[str, Range]:
        rounding = choose("rounding", self.rounding, SHIFTS)
        return {"multiplier": MULTIPLIERS[rounding], "shift": SHIFTS[rounding], "zero": INT32}

    @property
    def scaling(self) -> Scaling:
        multiplier, shift = self.each("multiplier"), self.each("shift")
        if self.rounding == "single":
            return Scaling(multiplier=multiplier, drop=31 - shift, after=self.zero)
        left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
        return Scaling(0, left, multiplier, 31, right, self.rounding == "double", self.zero)

    def steps(self, x: Array) -> Steps:
        by, shift = self._along("multiplier", x), self._along("shift", x)
        for name, result in multiplied(x.astype(np.int64), by, shift, self.rounding):
            yield name, result
        yield "zero point", wrapped(result.astype(np.int64) + self.zero)


class Library(NamedTuple):
    """How a library multiplies accumulators by a float."""

    real: Any  # the float that both are
    nearest: Callable[[Array], Array]
    clamps: bool  # in float, before the conversion; else what int32 does not hold becomes INT_MIN, as on x86
    wraps: bool  # where the zero point is added
    dtypes: tuple[str, ...]


LIBRARIES = {
    "onnxruntime": Library(np.float32, np.rint, True, False, ("uint8", "int8")),
    "xnnpack": Library(np.float32, np.rint, True, False, ("uint8", "int8")),
    "fbgemm": Library(np.float32, np.rint, False, False, ("uint8",)),
    "litert": Library(np.float64, nearest_away, False, True, ("uint8", "int8", "int16")),
}


@dataclass(frozen=True)
class RequantizeFloat(Stage):
    """x * scale in floating point, rounded, plus the zero point: codes at once.

    ============= ======= ==================== =============================================
    library       float   ties                 where
    ============= ======= ==================== =============================================
    "onnxruntime" float32 to even              MlasRequantizeOutput: QLinearMatMul
    "xnnpack"     float32 to even              its "fp32" requantization: LiteRT by default
    "fbgemm"      float32 to even              requantizeOutputProcessingAvx2: torch.quantized
    "litert"      float64 away from zero       LiteRT's reference kernels, and those of int16
    ============= ======= ==================== =============================================

    They differ for products that an int32 does not hold too: the first two clamp before they convert;
    on x86 FBGEMM and LiteRT turn them into INT_MIN, so a huge x gives the least code. In LiteRT the
    sum with the zero point then wraps. All as run: ONNX Runtime 1.31, LiteRT 2.3, torch 2.13 on
    x86. FBGEMM can also add a float bias, which is not here.

    Parameters
    ----------
    scale : float or sequence of float: input scale * weight scale / output scale
        Rounded to float32 where the library has that.
    zero : int, one of the codes
    to : "uint8"; "int8" but for FBGEMM; "int16" for LiteRT; or that dtype
    library : str
    axis : int, of the channels

    >>> RequantizeFloat(0.5, zero=100).result(np.int32([5, 6, 7, 2000]))
    array([102, 103, 104, 255], dtype=uint8)
    >>> RequantizeFloat(0.5, zero=100, library="litert").result(np.int32([5, 6, 7, 2000]))
    array([103, 103, 104, 255], dtype=uint8)
    """

    gives_codes: ClassVar = True
    scale: float | Sequence[float] | Array
    zero: int = 0
    to: str = "uint8"
    library: str = "onnxruntime"
    axis: int = -1

    def __post_init__(self) -> None:
        known = LIBRARIES[choose("library", self.library, LIBRARIES)]
        to = choose(f"dtype for library={self.library!r}", dtype_name(self.to), known.dtypes)
        object.__setattr__(self, "to", to)
        object.__setattr__(self, "scale", self._float_scale(known.real))
        super().__post_init__()

    def _float_scale(self, real: Any) -> float | tuple[float, ...]:
        given = reals(self.scale, "RequantizeFloat: scale")
        with np.errstate(over="ignore"):
            scale = given.astype(real)
        if scale.ndim > 1 or not (np.isfinite(scale) & (scale > 0)).all():
            raise ValueError(
                "RequantizeFloat: scale is above 0 and finite, one or one for each channel; "
                f"got {given.tolist()}, in {scale.dtype} {scale.tolist()}"
            )
        return tuple(scale.tolist()) if scale.ndim else scale.item()

    def _limits(self) -> Mapping[str, Range]:
        return {"zero": CODES[self.to]}

    def _lengths(self) -> dict[str, int]:
        return {"scale": len(self.scale)} if isinstance(self.scale, tuple) else {}

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        return {"scale": np.array(self.scale, LIBRARIES[self.library].real)}

    def steps(self, x: Array) -> Steps:
        of, (low, high) = LIBRARIES[self.library], CODES[self.to]
        with np.errstate(over="ignore"):  # infinities are past int32 like all else that is
            real = x.astype(of.real) * self._along("scale", x)
        yield "float product", real
        if of.clamps:
            nearest = of.nearest(np.clip(real, of.real(low - self.zero), of.real(high - self.zero)))
        else:
            nearest = of.nearest(real)
            nearest = np.where((nearest >= INT32[0]) & (nearest < -INT32[0]), nearest, of.real(INT32[0]))
        integer = nearest.astype(np.int64)
        yield "nearest integer", wrapped(integer)
        total = wrapped(integer + self.zero) if of.wraps else integer + self.zero
        yield "zero point and cast", np.clip(total, low, high).astype(self.to)


@dataclass(frozen=True)
class BiasAddition(Stage):
    """x + bias; the sum wraps.

    Parameters
    ----------
    bias : int or sequence of int, int32
    axis : int, of the channels

    >>> BiasAddition([10, 20], axis=0).result(np.int32([[1, 2], [3, 4]]))
    array([[11, 12],
           [23, 24]], dtype=int32)
    """

    bias: Each
    axis: int = -1

    limits: ClassVar = {"bias": INT32}

    def steps(self, x: Array) -> Steps:
        yield "sum", wrapped(x + self._along("bias", x))


@dataclass(frozen=True)
class Clamp(Stage):
    """min(max(x, low), high).

    Parameters
    ----------
    low, high : int, int32; low <= high

    >>> Clamp(0, 127).result(np.int32([-5, 5, 500]))
    array([  0,   5, 127], dtype=int32)
    """

    low: int
    high: int

    limits: ClassVar = {"low": INT32, "high": INT32}
    single: ClassVar = frozenset(limits)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise ValueError(f"Clamp: low is at most high, got {self.low} and {self.high}")

    def steps(self, x: Array) -> Steps:
        yield "clamp", np.clip(x, np.int32(self.low), np.int32(self.high))


@dataclass(frozen=True)
class SaturatingCast(Stage):
    """x within the range of a dtype, as that dtype.

    Parameters
    ----------
    to : "uint8", "int8" or "int16", or that dtype

    >>> SaturatingCast("int8").result(np.int32([-5, 200, 500]))
    array([ -5, 127, 127], dtype=int8)
    """

    gives_codes: ClassVar = True
    to: str = "uint8"

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", choose("dtype", dtype_name(self.to), CODES))

    def steps(self, x: Array) -> Steps:
        yield "cast", np.clip(x, *CODES[self.to]).astype(self.to)


@dataclass(frozen=True)
class TruncatingCast(Stage):
    """The low 8 bits of x, as uint8.

    >>> TruncatingCast().result(np.int32([-1, 256, 300]))
    array([255,   0,  44], dtype=uint8)
    """

    gives_codes: ClassVar = True

    def steps(self, x: Array) -> Steps:
        yield "cast", x.astype(np.uint8)


@dataclass(frozen=True)
class Tanh(Stage):
    """zero + amplitude * tanh((x - zero) / amplitude) in fixed point.

    From 8 amplitudes away from zero on the result is zero - amplitude or zero + amplitude. The
    product with the amplitude is truncated towards -infinity, as in gemmlowp.

    Parameters
    ----------
    zero : int, int32: gemmlowp's real_zero_as_int32
    amplitude : int, 1 to 2**28: gemmlowp's real_amplitude_as_int32

    >>> Tanh(1000, 500).result(np.int32([-4000, 750, 1000, 1250, 5000]))
    array([ 500,  768, 1000, 1231, 1500], dtype=int32)
    """

    zero: int
    amplitude: int

    limits: ClassVar = {"zero": INT32, "amplitude": (1, 1 << 28)}
    single: ClassVar = frozenset(limits)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not INT32[0] <= self.zero - 8 * self.amplitude <= self.zero + 8 * self.amplitude <= INT32[1]:
            raise ValueError(
                f"Tanh: zero - 8 amplitude and zero + 8 amplitude have to be int32s, got {self.zero} and {self.amplitude}"
            )

    def steps(self, x: Array) -> Steps:
        inverse, left = (1.0, 0) if self.amplitude == 1 else frexp(1 / self.amplitude)
        amplitude, exponent = frexp(self.amplitude)
        distance = x.astype(np.int64) - self.zero
        centred = wrapped(distance).astype(np.int64)
        real = np.clip(high_mul(centred, _fraction(inverse)) << 28 + left, *INT32)
        yield "argument, 3 integer bits", wrapped(real)
        curve = tanh32(real, 3)
        yield "tanh, no integer bits", wrapped(curve)
        near = high_mul(curve, _fraction(amplitude)) >> 31 - exponent
        far = abs(distance) >= 8 * self.amplitude
        yield "scaled", wrapped(np.where(far, np.sign(distance) * self.amplitude, near) + self.zero)


def _fraction(real: float) -> Any:
    """A real number of [1/2, 1] as a raw without integer bits."""
    return np.int64(min(int(real * 2**31 + 0.5), INT32[1]))
