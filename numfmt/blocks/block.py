"""Blocks: elements of any format, a scale of any format for each block, a rule that finds it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..engine import draws
from ..engine.inputs import Input
from ..engine.outputs import own_code_dtype
from ..engine.plan import plan
from ..engine.run import execute
from ..errors import RangeError, SpecError, choose
from ..format import Format, significant_bits
from ..formats.floats import Float
from ..reference import Policy, policy
from ..registry import element, parse
from ..scaled import Ends, Located, ScaledFormat, Stages
from . import elements, searching
from .bitsandbytes_steps import absmax
from .block_array import Array, BlockArray
from .block_profiles import BlockProfile, profile_of
from .elements import Job, magnitudes
from .granularity import FLAT, Granularity, Groups, PerAxis, PerTensor, Runs, Shape, Tiles, index_of
from .reading import decoded, read, rounded, single, wide
from .rules import RULES
from .scale import FACTORS, LARGEST, LEAST, TINY, check_numbers, given_numbers
from .shared import Request, SharedScale, refused

OFFSETS = ("mean",)
OFFSET_BITS = 32
CODES = 256  # of 8 bits
SINGLE_BITS, DOUBLE_BITS = 24, 53  # significant bits of float32 and float64


@dataclass(frozen=True, repr=False, init=False)
class Block(SharedScale):
    """Elements of one format that share a scale: value = element * scale.

    A spec composes it, as in ``block[of=e2m1fn, scale=e8m0fnu, size=32, rule=floor]``, which is `mxfp4`.

    Parameters
    ----------
    of : Format or spec
        Of the elements, such as ``"e4m3fn"`` or ``"int8"``.
    scale : Format, Block or spec
        Of the scales: any float format that float32 holds; powers of two, such as ``"e8m0fnu"``, or of
        a stated width, ``"e5m0b31finu"`` from 2**-31 to 2**0; or a block itself, whose elements are the
        scales: ``"block[of=e4m3fn, scale=f32]"`` has one float32 for all of them.
    size : int or (rows, columns), optional
        Elements of a block along `axis`, the last one perhaps smaller; or tiles of the last two axes,
        ``size=128x128`` in a spec. Without it one scale serves the tensor, or each index of `axis`.
    axis : int or "flat", optional
        Along which blocks run; the last one unless the call says otherwise. "flat": through all elements in
        C order, in runs of `size`, unless the call names an axis.
    rule : str, optional
        One of `RULES`. ``floor`` where scales are powers of two, else ``absmax``, if not given.
    offset : "mean", optional
        What is taken off all numbers first, and added to all values: their mean, in float32. Numbers are
        then rounded to float32, and so is each difference, each value, and each sum.
    profile : str or BlockProfile, optional
        One of `BLOCK_PROFILES`: whose steps, of which version, and what NaN does there, says
        `numfmt.blocks.block_profiles`. In NVFP4 the outer scale is what the library keeps of a tensor: its
        largest magnitude (TransformerEngine), that over 2688 (torchao, ModelOpt), 2688 over it
        (compressed-tensors).

    Notes
    -----
    Without a profile: where scales are powers of two, x over its scale is exact, and is rounded once, from any dtype. Else x
    is first rounded to float32 and divided in float32, and scales that are a block decode to float32.
    Elements saturate. A value is the product of the element and its scale, rounded once to the result's
    dtype.

    A scale is brought between the least positive and the largest value of its format. A block of zeros
    has scale 0, or the least value of a format without 0. NaN or infinity in a block makes its scale NaN,
    and so all its values; of a format without NaN that is a `RangeError`. Other blocks stay intact, unless
    the scales are a block themselves: then all that share the outer scale are NaN, and a scale far below the
    largest that shares it may become 0, and its elements with it.

    >>> form = numfmt.parse("block[of=e2m1fn, scale=e8m0fnu, size=4]")
    >>> array = form.encode([1.0, -2.0, 5.0, 7.0, 0.01, 0.0, 0.0, 0.02])
    >>> array.scales.tolist(), array.decode().tolist()
    ([1.0, 0.00390625], [1.0, -2.0, 4.0, 6.0, 0.01171875, 0.0, 0.0, 0.0234375])
    >>> numfmt.encode([6.0, -1.0, 0.5], "nvfp4[profile=compressed_tensors]").scales.scales
    array(448., dtype=float32)
    """

    of: Format
    scale: Format | Block
    size: int | tuple[int, int] | None
    axis: int | str | None
    rule: str
    profile: BlockProfile
    offset: str | None

    has_blocks: ClassVar[bool] = True

    def __init__(
        self, of: Any, scale: Any, size: Any = None, axis: int | str | None = None, rule: str | None = None,
        profile: Any = "default", offset: str | None = None,
    ) -> None:  # fmt: skip
        elements_of, held = _element_format(of), _scale_format(scale)
        chosen = profile_of(profile, str(elements_of), str(without_profile(held)))
        given = {
            "of": elements_of, "scale": _with_profile(held, chosen), "size": _size(size), "axis": _axis(axis),
            "profile": chosen, "offset": None if offset is None else choose("offset", offset, OFFSETS),
        }  # fmt: skip
        for name, value in given.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "rule", _rule(rule or self.default_rule, chosen))
        self._check_parts()
        self._check_digits()
        if chosen.check is not None:
            chosen.check(self)

    def _check_parts(self) -> None:
        """`SpecError` for what does not go together."""
        if isinstance(self.size, tuple) and self.axis is not None:
            raise SpecError("tiles lie in the last two axes: leave axis= out", "")
        if self.size is None and self.axis == FLAT:
            raise SpecError("axis=flat needs size=: the elements of a run", "")
        if self.rule == "even" and self.of.step is None:
            raise SpecError(f"rule=even takes elements with fraction bits; '{self.of}' has none", "")

    def _check_digits(self) -> None:
        """`SpecError` for elements whose products with scales do not fit float64."""
        most = DOUBLE_BITS - (1 if self.is_exact else SINGLE_BITS)
        if digits(self.of) > most and (self.profile.product or self.profile.search) is None:
            raise SpecError(
                f"elements under '{self.scale}' have at most {most} significant bits, so that their products are"
                f" rounded once; '{self.of}' has {digits(self.of)}", "",
            )  # fmt: skip

    @property
    def default_rule(self) -> str:
        return self.profile.rules[0] if self.profile.rules else "floor" if self.is_exact else "absmax"

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        return _granularity(self.size, self.axis)

    @property
    def is_exact(self) -> bool:
        """Whether every scale is a power of two."""
        if isinstance(self.scale, Block):
            return self.scale.is_exact and _is_powers(self.scale.of)
        return _is_powers(self.scale)

    @property
    def takes_nan(self) -> bool:
        if self.profile.search is not None:
            return True
        of = self.scale if self.profile.poisons else self.of
        return of.takes_nan if isinstance(of, Block) else of.nan() is not None

    def scale_bits(self, shape: Shape) -> int:
        counted, count = self.granularity.scale_shape(shape), self.granularity.scale_count(shape)
        own = OFFSET_BITS * self.has_offset
        if isinstance(self.scale, Block):
            return own + self.scales_along(shape).scale_bits(counted) + self.scale.of.bits * count
        return own + self.scale.bits * count

    @property
    def has_offset(self) -> bool:
        return self.offset is not None

    def __str__(self) -> str:
        return spelled(self)

    # Scales

    def check_shared(self, scales: Any, zeros: Array | None) -> None:
        """Scales are values of their format, not negative; infinite only where a library's own steps make
        them so."""
        if zeros is not None:
            raise ValueError(f"'{self}' has no zero points: leave zeros out")
        nested = isinstance(scales, BlockArray)
        if nested and scales.offset is not None:  # what lies below a mean is negative
            return
        held = self._held
        numbers = decoded(scales.format.own_codes(scales.codes), held) if nested else scales
        problems = ["is negative"] + ["is NaN"] * (held.nan() is None)
        problems += ["is infinite"] * (self.profile.scales is None is self.profile.product)
        wanted = f"scales of '{self}' are numbers of '{held}' from 0 up"
        check_numbers(numbers, numbers, problems, wanted)
        if not nested:
            check_numbers(numbers, rounded(read(numbers), held), ["is no value of its format"], wanted)

    def settled(self, shape: Shape, scale: Any, zero: Any, axis: int | None) -> tuple[Block, Any, Any]:
        if zero is not None:
            raise ValueError(f"'{self}' has no zero points: leave zero= out")
        block = self._along(axis, shape)
        counted = block.granularity.scale_shape(shape)
        return block, None if scale is None else block._given(scale, counted), None

    def _along(self, axis: int | None, shape: Shape) -> Block:
        if axis is None:
            return self
        if isinstance(axis, str) and axis == FLAT:
            raise ValueError(f"axis= of a call takes an integer; a spec says axis=flat. Got it with '{self}'")
        place = index_of(_number_of_axis(axis), shape)
        if isinstance(self.size, tuple):
            raise ValueError(f"axis={axis} conflicts with the tiles of '{self}'")
        if not isinstance(self.axis, int):
            return replace(self, axis=int(axis))
        if index_of(self.axis, shape) != place:
            raise ValueError(f"axis={axis} conflicts with axis={self.axis} of '{self}'")
        return self

    def _given(self, raw: Any, counted: Shape) -> Any:
        """Scales that come with a call, rounded to their format."""
        if self.profile.search is not None and isinstance(self.scale, Block):
            raise ValueError(f"'{self}' finds its nested scales itself: leave scale= out")
        numbers = wide(given_numbers(raw)).astype(np.float64)
        if numbers.size != 1 and numbers.shape != counted:
            raise ValueError(f"scale= has shape {numbers.shape}; it is {counted} or one number")
        if numbers.size == 1:
            numbers = numbers.reshape(())
        wanted = f"a scale is a positive number of '{self.scale}'"
        check_numbers(numbers, numbers, FACTORS, wanted)
        held = self.stored(np.broadcast_to(numbers, counted))
        check_numbers(numbers, self.units(held)[0], FACTORS, wanted)
        return held

    def scales_of(self, x: Array, scale: Any, zero: Any, request: Request) -> tuple[Any, None]:
        policy(self.of, nan=request.nan)
        if scale is not None:
            self._check_elements(x, request)
            return scale, None
        return self._scales(x, magnitudes(x, self.granularity, request.engine), request), None

    def _scales(self, x: Array, peaks: Array, request: Request) -> Any:
        """From numbers and their largest magnitudes."""
        most = peaks.max(initial=0)
        counted = self._counted(x, request) if np.isnan(most) else x
        if counted is not x:
            peaks = magnitudes(counted, self.granularity, request.engine)
        with np.errstate(all="ignore"):
            if self.profile.scales is not None and self.rule != "given":
                return self.profile.scales(counted, peaks, self)
            words = self._power_words()
            found = None if words is None else elements.powers(peaks, words, request.engine)
            if found is not None:
                return found
            positive, lost = peaks > 0, None if np.isfinite(most) else ~np.isfinite(peaks)
            raw = np.asarray(RULES[self.rule](counted, peaks, self))
            np.maximum(raw, LEAST, out=raw, where=positive)
        return self.stored(raw if lost is None else np.where(lost, np.nan, raw))

    def _power_words(self) -> Array | None:
        return None if isinstance(self.scale, Block) else elements.power_words(self.rule, self.of, self.scale)

    def _check_elements(self, x: Array, request: Request) -> None:
        """`RangeError` for NaN that neither an element nor a scale given with the call can say."""
        bad = np.isnan(x)
        if self.of.nan() is None and request.nan is None and bad.any():
            what = f"NaN, '{self.of}' has none and the scales are given"
            raise refused(self, f"{request.verb} to", bad, what, "nan= says what NaN becomes")

    def numbers(self, given: Input) -> Array:
        """As they are; rounded to float32 before a library's steps and before a mean is taken off."""
        exactly = self.profile.factor is None and self.profile.search is None and not self.has_offset
        return wide(given) if exactly else rounded(given)

    def centred(self, x: Array, request: Request) -> tuple[Array, Array | None]:
        if self.offset is None:
            return x, None
        with np.errstate(all="ignore"):
            flat = self._counted(x, request).reshape(-1)  # in C order, as sums depend on theirs
            offset = np.asarray(flat.mean(dtype=np.float64) if x.size else 0, np.float32)
            return np.asarray(_with_number(x, request.nan).astype(np.float32) - offset), offset

    def stored(self, raw: Array) -> Any:
        """Numbers as scales of the format: float32, or a `BlockArray`; NaN stays NaN. An array of float32 may be
        overwritten."""
        if isinstance(self.scale, Block):
            single = np.minimum(raw, LARGEST, out=raw if raw.dtype == np.float32 else None)
            single = single.astype(np.float32, copy=False)
            return self.scales_along(raw.shape).encode(single)
        return _stored(raw, self.scale, self)

    def scales_along(self, shape: Shape) -> Block:
        """The format of the scales; their blocks run along the same axis."""
        assert isinstance(self.scale, Block)
        has_axis = isinstance(self.size, int) and isinstance(self.scale.size, int)
        if not has_axis or self.scale.axis is not None or self.axis == FLAT or not shape:
            return self.scale
        return replace(self.scale, axis=-1 if self.axis is None else self.axis)

    def format_of_scales(self, counted: Shape) -> Format | Block:
        return self.scales_along(counted) if isinstance(self.scale, Block) else self.scale

    def of_part(self, granularity: Granularity, scales: Any) -> Block:
        axis = None if self.axis is None else granularity.options.get("axis")
        scale = self.scale
        if isinstance(scale, Block):
            scale = replace(scales.format, axis=None) if scale.axis is None else scales.format
        return replace(self, axis=axis, scale=scale)

    def units(self, scales: Any, zeros: Array | None = None) -> tuple[Array, Array]:
        return self._unit(scales).astype(np.float64), np.zeros(())

    def _unit(self, scales: Any) -> Array:
        """What 1 is worth under each scale: float32, or float64 of powers of two that it may not hold."""
        if self.profile.product is not None:
            numbers = scales.decode() if isinstance(scales, BlockArray) else scales
            with np.errstate(all="ignore"):
                return np.asarray(self.profile.product(np.ones(numbers.shape, np.float32), numbers, self))
        if not isinstance(scales, BlockArray):
            return np.asarray(scales)
        if self.is_exact:
            least, _, _, most = scales.format.ends()
            return np.asarray(scales.decode(np.float32 if least >= LEAST and most <= LARGEST else np.float64))
        values = np.asarray(scales.decode())
        return np.minimum(values, np.float32(LARGEST)) if self.profile.scales is None else values

    # Elements

    def filled(
        self, kind: str, x: Array, out: Array, scale: Any, zero: Any, request: Request
    ) -> tuple[Any, Array | None]:
        if scale is not None:
            return super().filled(kind, x, out, scale, zero, request)
        own = self.profile.scales is None and self.profile.poisons and request.nan is None
        scales = self._in_one_pass(kind, x, out, request) if own else None
        if scales is None:
            policy(self.of, nan=request.nan)
            peaks = magnitudes(x, self.granularity, request.engine)
            has_nan = not (own or np.isfinite(peaks.max(initial=0)))
            scales = self._scales(x, peaks, request)
            self._fill(kind, x, out, scales, request, has_nan)
        return scales, None

    def _in_one_pass(self, kind: str, x: Array, out: Array, request: Request) -> Array | None:
        """The scales, and `out` by them, where a loop finds both; else None."""
        among, words, rule = self.granularity, self._power_words(), self._policy(request)
        drawn = request.seed is not None or request.noise is not None
        if words is None or self.profile.adjusted is not None or drawn or isinstance(among, Tiles):
            return None
        layout = among.layout(x.shape)
        scales = elements.run_by_powers(kind, x, out, self.of, layout, words, rule, request.engine)
        return None if scales is None else scales.reshape(among.scale_shape(x.shape))

    def fill(
        self, kind: str, x: Array, out: Array, scales: Any, zeros: Array | None, request: Request
    ) -> None:
        self._fill(kind, x, out, scales, request, bool(x.size and np.isnan(x.max())))

    def _fill(self, kind: str, x: Array, out: Array, scales: Any, request: Request, has_nan: bool) -> None:
        """`has_nan`: an element may be NaN for another reason than its scale."""
        search = self.profile.search
        if kind == "value" and (search or self.profile.product) is not None:
            codes = np.empty(x.shape, self.code_dtype)
            self._fill("code", x, codes, scales, request, has_nan)
            self.read(codes, out, scales, None)
            return
        rule = self._policy(request)
        noise = draws.source(rule, request.seed, request.noise, x.shape)
        numbers = _with_number(x, request.nan) if has_nan else x
        if search is not None and request.rounding is None and rule.overflow == "saturate":
            searching.encode(numbers, out, self._search_job(x, scales, request), request.engine)
            if _is_end(request.nan):
                out[np.isnan(x)] = rule.nan_code
            return
        if has_nan and rule.nan_code == -1 and (bad := np.isnan(numbers)).any():
            what = f"NaN, and '{self.of}' has none"
            raise refused(self, f"{request.verb} to", bad, what, "nan= says what NaN becomes")
        try:
            elements.run(kind, numbers, out, self.job(x.shape, scales), rule, noise, request.engine, has_nan)
        except RangeError as error:
            raise self._over_scales(error, request) from None
        if has_nan and kind == "code" and self.profile.nan_code is not None and request.nan is None:
            out[np.isnan(x)] = self.profile.nan_code

    def _over_scales(self, error: RangeError, request: Request) -> RangeError:
        """What an element format says of numbers over their scales, as this format says it."""
        said = f"{request.verb} to '{self}', over the scales{error.message[error.message.index(':') :]}"
        return RangeError(said, error.count, error.total, error.index)

    def _policy(self, request: Request) -> Policy:
        poisoned = self.of.nan() is None and self.profile.poisons
        return policy(
            self.of, request.rounding or self.profile.rounding, request.overflow or "saturate",
            request.nan if _is_end(request.nan) else 0 if poisoned else None, request.random_bits,
        )  # fmt: skip

    def rounded(self, x: Array, scales: Any) -> Array:
        """The values of x under scales, nearest even, float32."""
        values = np.empty(x.shape, np.float32)
        self.fill("value", x, values, scales, None, Request("cast"))
        return values

    def _search_job(self, x: Array, scales: Any, request: Request) -> searching.Job:
        """What a library's search takes: largest magnitudes before they are nested."""
        if isinstance(scales, BlockArray):
            counted = self._counted(x, request)
            scales = absmax(counted, magnitudes(counted, self.granularity, request.engine), self)
        return searching.job_of(self, x.shape, scales)

    def read(self, codes: Array, out: Array, scales: Any, zeros: Array | None) -> None:
        if self.profile.search is not None:
            held = scales.decode() if isinstance(scales, BlockArray) else scales
            searching.read(codes, out, searching.job_of(self, codes.shape, held))
            return
        job = self.job(codes.shape, scales)
        if self.profile.product is None:
            elements.read(codes, out, job)
            return
        values = np.empty(codes.shape, np.float32)
        elements.read(codes, values, job._replace(unit=np.ones(job.unit.size, np.float32)))
        numbers = scales.decode() if isinstance(scales, BlockArray) else scales
        each, target = self.granularity.spread(numbers, codes.shape), elements.in_c_order(out)
        for where in elements.chunks(codes.size, elements.PIECE):
            held = each if each.size == 1 else each[job.layout.scale_of(where.start, where.stop)]
            with np.errstate(all="ignore"):
                target[where] = self.profile.product(values.reshape(-1)[where], held, self)

    def job(self, shape: Shape, scales: Any) -> Job:
        """What elements take of these scales."""
        among = self.granularity
        layout = among.layout(shape)
        if layout.is_varying or not _has_few(scales):
            unit, factor, divide = self._numbers(scales)
            factor = None if factor is None else among.spread(factor, shape)
            return Job(self.of, layout, factor, among.spread(unit, shape), divide, self.profile.adjusted)
        unit, factor, divide = self._numbers(_each_code(scales))
        codes = np.ascontiguousarray(among.spread(scales.codes, shape))
        return Job(self.of, layout, factor, unit, divide, self.profile.adjusted, codes)

    def _numbers(self, scales: Any) -> tuple[Array, Array | None, bool]:
        """`unit`, `factor` and `divide` of `Job`, in the shape of the scales."""
        unit = self._unit(scales)
        if self.profile.factor is not None:
            with np.errstate(all="ignore"):
                return unit, self.profile.factor(scales, self), False
        if self.is_exact:
            return unit, None, True
        own = self.profile.scales is None or self.profile.search is not None
        inverted = own and not unit.all()
        return unit, np.where(unit == 0, np.float32(np.inf), unit) if inverted else unit, True

    def _counted(self, x: Array, request: Request) -> Array:
        """The numbers that scales come from."""
        if _is_end(request.nan) or (request.nan is None and not self.profile.poisons):
            return _with_number(x, 0)
        return _with_number(x, request.nan)

    def stages(self, x: float, **keywords: Any) -> Stages:
        raise ValueError(f"'{self}' has blocks; `located` says what becomes of an element")

    def located(self, x: Any, index: Any, **keywords: Any) -> Located:
        given = np.asarray(self.numbers(read(x)))
        array = self.encode(given, **keywords)
        block, place = array.format, _index(index, given.shape)
        assert isinstance(block, Block)
        among, flat = block.granularity, int(np.ravel_multi_index(place, given.shape)) if place else 0
        extent, at = among.extent(place, given.shape), among.place(place, given.shape)
        here = slice(flat, flat + 1)
        steps = elements.in_units(given.reshape(-1)[here], block.job(given.shape, array.scales), here)[0]
        wanted = block._wanted(given, at, keywords)
        return Located(
            float(given[place]), place, flat, extent, float(np.abs(among.sharing(given, place)).max()), wanted,
            block._is_clamped(wanted, array.scales, at), float(np.asarray(array.scales)[at]),
            _scale_code(array.scales, block._held, at), block._note(float(np.asarray(array.scales)[at])), float(steps),
            str(keywords.get("rounding") or block.profile.rounding), keywords.get("overflow") or "saturate",
            int(array.codes[place]), float(array.decode()[place]),
        )  # fmt: skip

    @property
    def _held(self) -> Format:
        """The format of which a block's scale is a code."""
        return self.scale.of if isinstance(self.scale, Block) else self.scale

    def _note(self, scale: float) -> str:
        """A scale as the users of power-of-two scales write it."""
        if not self.is_exact or not math.isfinite(scale):
            return ""
        exponent = math.frexp(scale)[1] - 1
        return f"2**{exponent}" + (self.profile.exponent or "").format(-exponent)

    def _wanted(self, x: Array, at: Shape, keywords: dict[str, Any]) -> float | None:
        """The scale before it is rounded to its format; None where it is given, or has three levels."""
        levels = isinstance(self.scale, Block) and isinstance(self.scale.scale, Block)
        if self.rule == "given" or levels:
            return None
        counted = self._counted(x, Request("explain", nan=keywords.get("nan")))
        with np.errstate(all="ignore"):
            raw = RULES[self.rule](counted, magnitudes(counted, self.granularity, None), self)
        return float(raw[at])

    def _is_clamped(self, wanted: float | None, scales: Any, at: Shape) -> bool:
        """Whether a scale lies outside what its format holds, under the outer scale where there is one."""
        if wanted is None or not math.isfinite(wanted):
            return False
        if isinstance(scales, BlockArray):
            number = int(np.ravel_multi_index(at, scales.shape)) if at else 0
            unit = float(scales.units(number, number + 1)[0][0])
            wanted = wanted / unit if unit else math.inf
        return wanted > 0 and not self._held.smallest <= wanted <= self._held.max

    def ends(self) -> Ends:
        """The least positive and the largest value that some scale makes possible."""
        least, _, _, most = self.scale.ends() if isinstance(self.scale, Block) else _ends(self.scale)
        if isinstance(self.scale, Block) and not self.is_exact:
            least, most = max(least, LEAST), min(most, LARGEST)
        last = float(self.of.max)
        if self.profile.product is not None:
            numbers = np.array([LARGEST, LARGEST / last, LEAST, last / LARGEST], np.float32)
            with np.errstate(all="ignore"):
                found = self.profile.product(np.full(4, last, np.float32), numbers, self)
            return Ends(least, 0, 0.0, float(found[np.isfinite(found)].max()))
        return Ends(
            float(self.of.smallest) * least, self.of.zero() or 0, float(self.of.min) * most, last * most
        )


def _has_few(scales: Any) -> bool:
    """Whether there are more scales than codes of one, under one number."""
    levels = isinstance(scales, BlockArray) and scales.format.granularity == PerTensor()
    return levels and scales.codes.dtype == np.uint8 and scales.size > CODES


def _each_code(scales: BlockArray) -> BlockArray:
    """A scale of each code, those beyond the least and the greatest given being these."""
    codes = np.arange(CODES, dtype=np.uint8).clip(scales.codes.min(), scales.codes.max())
    return BlockArray(codes, scales.scales, None, scales.format, scales.offset)


def _index(index: Any, shape: Shape) -> Shape:
    """An index of one element, counted from the front."""
    given = index if isinstance(index, tuple) else () if index is None else (index,)
    whole = all(hasattr(i, "__index__") and not isinstance(i, bool) for i in given)
    if not (
        whole and len(given) == len(shape) and all(-n <= i < n for i, n in zip(given, shape, strict=True))
    ):
        raise ValueError(f"index= names one element of an array of shape {shape}; got {index!r}")
    return tuple(int(i) % n for i, n in zip(given, shape, strict=True))


def _scale_code(scales: Any, held: Format, at: Shape) -> int:
    """The code of one scale."""
    if isinstance(scales, BlockArray):
        return int(scales.codes[at])
    code = np.empty(1, own_code_dtype(held))
    execute(Input(scales[at].reshape(1)), plan(held, policy(held), True, None), code, None)
    return int(code[0])


def _under(block: Block, profile: str) -> Block:
    return Block(block.of, block.scale, block.size, block.axis, block.rule, profile, block.offset)


def without_profile(form: Format | Block) -> Format | Block:
    """Scales without a profile of their own."""
    return _under(form, "default") if isinstance(form, Block) else form


def _with_profile(form: Format | Block, profile: BlockProfile) -> Format | Block:
    """Scales with the profile that one of their blocks brings."""
    if not isinstance(form, Block) or not (profile.scale or profile.inner):
        return form
    name = profile.inner or "default"
    if form.profile.name not in (name, "default"):
        raise SpecError(f"profile={profile.name} has its own profile of scales, {name}; got '{form}'", "")
    return _under(form, name)


def _rule(name: str, profile: BlockProfile) -> str:
    taken = profile.rules or tuple(RULES)
    if choose("rule", name, RULES) not in (*taken, "given"):
        raise SpecError(f"profile={profile.name} has its own rule, {' or '.join(taken)}; got {name}", name)
    return name


def _scale_format(spec: Any) -> Format | Block:
    form = parse(spec)
    if isinstance(form, Block):
        return form
    if isinstance(form, ScaledFormat):
        raise SpecError(f"scales are of a float format or a block, not '{form}'", "")
    if not isinstance(form, Float) or form.man_bits > 23 or form.max > LARGEST or form.quantum < LEAST:
        raise SpecError(f"scales are floats that float32 holds, such as 'e8m0fnu' or 'f32'; got '{form}'", "")
    return form


def _element_format(spec: Any) -> Format:
    form = element(spec)
    if not TINY <= form.max <= LARGEST:
        raise SpecError(
            f"the largest value of elements is positive and a normal number of float32; that of '{form}' is"
            f" {form.end_text(form.max)}", "",
        )  # fmt: skip
    return form


@cache
def digits(form: Format) -> int:
    """Significant bits of a value, at most."""
    if isinstance(form, Float):
        return form.man_bits + 1
    return form.bits if form.uniform else max(significant_bits(value) for _, value in form.values())


def _ends(scale: Format) -> Ends:
    return Ends(float(scale.smallest), 0, 0.0, float(scale.max))


def _is_powers(form: Format) -> bool:
    return isinstance(form, Float) and not form.man_bits and not form.has_zero


def _size(given: Any) -> int | tuple[int, int] | None:
    if given is None:
        return None
    sizes = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if len(sizes) not in (1, 2) or not all(map(_is_integer, sizes)) or min(sizes) < 1:
        what = sizes[0] if len(sizes) == 1 else given
        raise ValueError(
            "size is the number of elements of a block, 1 or more, or rows and columns, such as (128, 128);"
            f" got {what!r}"
        )
    return int(sizes[0]) if len(sizes) == 1 else (int(sizes[0]), int(sizes[1]))


def _axis(given: Any) -> int | str | None:
    flat = isinstance(given, str) and given == FLAT
    return given if given is None or flat else _number_of_axis(given)


def _number_of_axis(given: Any) -> int:
    if not _is_integer(given):
        raise TypeError(f"axis= takes one integer, got {given!r}")
    return int(given)


def _is_integer(given: Any) -> bool:
    return type(given) is int or isinstance(given, np.integer)


def _granularity(size: int | tuple[int, int] | None, axis: int | str | None) -> Granularity:
    if isinstance(size, tuple):
        return Tiles(*size)
    if size is None:
        return PerAxis(axis) if isinstance(axis, int) else PerTensor()
    if isinstance(axis, str):
        return Runs(size)
    return Groups(-1 if axis is None else axis, size)


def _stored(raw: Array, form: Format, block: Block) -> Array:
    """Rounded to nearest even, and brought between the least and the largest value."""
    least = float(form.smallest)
    zero = 0.0 if form.zero() is not None else least
    bad = np.isnan(raw)
    if bad.any() and form.nan() is None:
        raise refused(
            block, "encode to", bad, f"NaN, of blocks with NaN or infinity in them, and '{form}' has no NaN",
            "nan= says what NaN becomes; take infinities out", "scales",
        )  # fmt: skip
    held = np.where(raw == 0, zero, np.clip(raw, least, float(form.max)))
    result = np.empty(raw.shape, np.float32)
    execute(Input(held), plan(form, policy(form, None, "saturate"), False, None), result, None)
    return result


def _is_end(nan: Any) -> bool:
    return isinstance(nan, str) and nan in ("min", "max")


def _with_number(x: Array, nan: Any) -> Array:
    """x with a number in place of each NaN."""
    if nan is None or _is_end(nan):
        return x
    bad = np.isnan(x)
    return np.where(bad, np.clip(single(nan), -LARGEST, LARGEST), x).astype(x.dtype) if bad.any() else x


NAMES: dict[tuple[Format, Format | Block, Any], tuple[str, Block]] = {}  # what blocks are known by


def named_as(block: Block, name: str) -> None:
    """Give a block a name; others of its elements, scales and size are spelled as variants of it."""
    NAMES[block.of, without_profile(block.scale), block.size] = name, block


class Sized(NamedTuple):
    """A name for blocks of any size along any axis: the usual one, and its nested scales for a size."""

    name: str
    block: Block
    nested: Callable[[int], Block]


SIZED: dict[Format | None, Sized] = {}  # by the elements; None: any codebook of 8 bits


def spelled(block: Block) -> str:
    """The spec of a block."""
    scale = without_profile(block.scale) if block.profile.inner else block.scale
    name, known, own = _known(block, scale)
    if known is not None and known.axis is not None and block.axis is None:  # no option says so
        known = None
    profile, usual = block.profile.name, known.profile.name if known else "default"
    given: dict[str, Any] = {**own, "axis": None if known and block.axis == known.axis else block.axis}
    if known is None or profile == "default" != usual:
        name, usual = "block", "default"
        given = {"of": block.of, "scale": scale, "size": _size_text(block.size), "axis": block.axis}
    given["rule"] = None if block.rule == block.default_rule else block.rule
    given["offset"] = block.offset
    given["profile"] = None if profile == usual else profile
    said = {key: value for key, value in given.items() if value is not None}
    options = ",".join(key if value is True else f"{key}={value}" for key, value in said.items())
    return f"{name}[{options}]" if options else name


def _known(block: Block, scale: Format | Block) -> tuple[str, Block | None, dict[str, Any]]:
    """The name that a block is known by, the usual block of that name, and options that say what differs."""
    if (block.of, scale, block.size) in NAMES:
        return *NAMES[block.of, scale, block.size], {}
    sized = SIZED.get(block.of) or (SIZED.get(None) if block.of.bits == 8 else None)
    if sized is None or not isinstance(block.size, int):
        return "block", None, {}
    size = None if block.size == sized.block.size else block.size
    own = {"of": None if block.of == sized.block.of else block.of, "size": size}
    for nested, held in ((None, sized.block.scale), (True, sized.nested(block.size))):
        if scale == held:
            return sized.name, sized.block, own | {"nested": nested}
    return "block", None, {}


def _size_text(size: int | tuple[int, int] | None) -> str | None:
    sizes = size if isinstance(size, tuple) else (size,)
    return None if size is None else "x".join(map(str, sizes))
