"""Affine quantization: real = scale * (code - zero), with integer codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np

from ..engine import draws
from ..engine.inputs import Input
from ..engine.plan import plan
from ..engine.run import Noise, execute
from ..errors import RangeError, SpecError, choose
from ..format import Format
from ..formats.fixed import Fixed
from ..overflow import overflow_policy, wraps
from ..reference import Policy, policy
from ..registry import Option, integer, scaling
from ..scaled import Ends, ScaledFormat, Stages
from .execution import Job, after, in_steps, job_of, run
from .granularity import Granularity, Groups, PerAxis, PerTensor, Shape, index_of
from .profiles import PROFILES, Profile, profile_of
from .reading import single
from .scale import FACTORS, LARGEST, Scale, check_numbers
from .shared import Request, SharedScale, refused

Array = np.ndarray[Any, Any]
RANGES = ("absmax", "minmax")
THRESHOLDS = ("percentile", "kl", "mse", "l2", "aciq_gauss", "aciq_laplace")
WIDEST = 32  # bits of a code
SEARCHED = 16  # bits of the widest code that a threshold is searched for
UNBOUNDED = Fixed(64)  # integers as they are before the zero point is added
PER_TENSOR = PerTensor()
UNWRAPPED = Fixed(48)  # as far as saturation needs them: twice the widest code and more


@dataclass(frozen=True, repr=False)
class Affine(SharedScale):
    """Integer codes that share a scale and a zero point.

    A spec names an integer format of at most 32 bits and, in brackets, how it is scaled, as in
    ``int4[symmetric, size=128, axis=-1, calibrate=mse, profile=torchao]``:

    - ``scale=0.05``: real numbers a step, above 0; rounded to float32. One scale for all.
    - ``zero=3``: the code of 0.0, an integer among the codes; 0 if not given. It needs ``scale=``.
    - ``axis=0``: the axis of which each index has its own scale, counted from 0, or from -1 at the end.
    - ``size=128``: elements of a group with its own scale; groups run along ``axis=``, the last may be
      shorter.
    - ``calibrate=``: how each scale comes from the range of its data, where none is given.
      ``absmax``, the default of signed codes: as far on both sides, zero point 0. ``minmax``, the
      default of unsigned codes: from the least to the greatest number. ``percentile`` (99.99),
      ``kl``, ``mse``, ``l2``, ``aciq_gauss``, ``aciq_laplace``: what `numfmt.calibration.threshold`
      keeps, for codes of 2 to 16 bits; on both sides for signed codes, from end to end for unsigned
      ones. 0 is in every range and exactly a code; a slice of zeros has scale 1.
    - ``profile=``: whose steps, one of `PROFILES`. The ``default`` is float32 ``t = x / scale``,
      ``code = saturate(nearest_even(t) + zero)``, ``value = scale * (code - zero)``.
    - ``symmetric``: without the lowest code, as -127 ... 127.

    Scales and zero points of many slices come with the call, as ``scale=`` and ``zero=`` of `cast`
    and `encode`.

    Parameters
    ----------
    of : Fixed, without fraction bits, of at most 32 bits
    granularity : PerTensor, PerAxis or Groups
    scale, zero, calibrate, profile : as in a spec; `profile` is a `Profile`

    >>> numfmt.parse("int8[scale=0.05, zero=3]").cast(np.float32([0.12, -1.0]))
    array([ 0.1, -1. ], dtype=float32)
    """

    of: Format
    granularity: Granularity = PER_TENSOR
    scale: float | None = None
    zero: int | None = None
    calibrate: str | None = None
    profile: Profile = PROFILES["default"]

    scale_format: ClassVar[Scale] = Scale.named("f32")

    def __post_init__(self) -> None:
        if not isinstance(self.of, Fixed) or self.of.frac or self.of.bits > WIDEST:
            raise SpecError(
                f"affine elements are integers of at most {WIDEST} bits, such as 'int8'; got '{self.of}'", ""
            )
        if self.scale is not None and self.calibrate is not None:
            raise SpecError("calibrate= finds the scale that scale= gives: leave one of them out", "")
        if self.scale is None and self.zero is not None:
            raise SpecError("zero= needs scale=: calibrate= finds both from the data", "")
        if self.calibrate is not None:
            choose("calibrate", self.calibrate, (*RANGES, *THRESHOLDS))
        if self.calibrate in THRESHOLDS and not 2 <= self.of.bits <= SEARCHED:
            raise SpecError(
                f"calibrate={self.calibrate} takes codes of 2 to {SEARCHED} bits; absmax takes any", ""
            )
        if self.scale is not None:
            object.__setattr__(self, "scale", float(self.scale_format.given(self.scale)))
        if self.zero is not None:
            object.__setattr__(self, "zero", int(self._zeros(self.zero)[()]))
        if not self.profile.affine and self.method == "minmax":
            raise SpecError(f"profile '{self.profile.name}' has no zero point; calibrate=absmax has none", "")

    @property
    def method(self) -> str | None:
        """How scales come from the data; None where the scale is given."""
        if self.scale is not None or self.calibrate is not None:
            return self.calibrate
        return "absmax" if self.of.signed or not self.profile.affine else "minmax"

    @cached_property
    def codes(self) -> tuple[int, int]:
        """The first and the last code."""
        return int(self.of.min), int(self.of.max)

    @property
    def takes_nan(self) -> bool:
        return False

    @property
    def has_zeros(self) -> bool:
        if self.scale is not None:
            return bool(self.zero)
        return self.method == "minmax" or not self.of.signed

    def __str__(self) -> str:
        base, _, own = str(self.of).partition("[")
        given = {"scale": self.scale and str(np.float32(self.scale)), "zero": self.zero or None}
        named = {
            **given,
            **self.granularity.options,
            "calibrate": self.calibrate,
            "profile": None if self.profile.name == "default" else self.profile.name,
        }
        options = own.removesuffix("]").split(",") if own else []
        options += [f"{key}={value}" for key, value in named.items() if value is not None]
        if self.scale is None and self.calibrate is None and not self.granularity.options:
            options.append(f"calibrate={self.method}")
        return f"{base}[{','.join(options)}]"

    # Scales and zero points that come with a call

    def settled(self, shape: Shape, scale: Any, zero: Any, axis: int | None) -> tuple[Affine, Any, Any]:
        block = self._along(axis, shape)
        counted = block.granularity.scale_shape(shape)
        if scale is None:
            if zero is not None and block.scale is None:
                raise ValueError("zero= needs scale=: scales that come from the data bring their own")
            return block._with_zero(zero), None, None
        if block.scale is not None or block.calibrate is not None:
            own = f"scale={np.float32(block.scale)!s}" if block.scale else f"calibrate={block.calibrate}"
            raise ValueError(f"scale= conflicts with {own} of '{self}'")
        scales = _spread(block.scale_format.given(scale), counted, "scale", axis, shape)
        zeros = None if zero is None else _spread(block._zeros(zero), counted, "zero", axis, shape)
        if scales.ndim or isinstance(block.granularity, PerAxis):
            return block, scales, zeros
        return replace(block, scale=float(scales), zero=None if zeros is None else int(zeros)), None, None

    def _along(self, axis: int | None, shape: Shape) -> Affine:
        if axis is None:
            return self
        if isinstance(axis, bool) or not hasattr(axis, "__index__"):
            raise TypeError(f"axis= takes one integer, got {axis!r}")
        place = index_of(int(axis), shape)
        own = self.granularity.options.get("axis")
        if own is None:
            if self.scale is not None:
                raise ValueError(f"axis={axis} conflicts with the one scale of '{self}'")
            return replace(self, granularity=PerAxis(int(axis)))
        if index_of(own, shape) != place:
            raise ValueError(f"axis={axis} conflicts with axis={own} of '{self}'")
        return self

    def _with_zero(self, zero: Any) -> Affine:
        if zero is None:
            return self
        if self.zero is not None:
            raise ValueError(f"zero= conflicts with zero={self.zero} of '{self}'")
        return replace(self, zero=int(_spread(self._zeros(zero), (), "zero", None, ())))

    def _zeros(self, raw: Any) -> Array:
        """Zero points, checked, in the dtype of the codes."""
        given = _integers(raw)
        first, last = self.codes
        bad = (given < first) | (given > last)
        if bad.any():
            value = given[bad].reshape(-1)[0]
            raise ValueError(f"zero point {value} is no code of '{self.of}', {first} to {last}")
        if given.any() and not self.profile.affine:
            raise ValueError(f"profile '{self.profile.name}' has no zero point other than 0, got {raw!r}")
        return given.astype(self.code_dtype)

    # Scales and zero points from the data

    def scales_of(self, x: Array, scale: Any, zero: Any, request: Request) -> tuple[Array, Array | None]:
        shape = self.granularity.scale_shape(x.shape)
        if self.scale is not None:
            zeros = np.full(shape, self.zero, self.code_dtype) if self.zero else None
            return self._kept(np.full(shape, self.scale, np.float32)), zeros
        if scale is not None:
            return self._kept(np.array(scale)), None if zero is None else np.array(zero)
        low, high = self._range(x, request)
        scales, zeros = self._from_range(low.astype(np.float32), high.astype(np.float32))
        if not np.isfinite(scales).all():
            raise ValueError(f"the data spans more than float32: no scale for '{self}'")
        held = np.where(scales > 0, scales, np.float32(1)).reshape(shape)
        return held, zeros.reshape(shape).astype(self.code_dtype) if self.has_zeros else None

    def _kept(self, scales: Array) -> Array:
        return np.float32(1) / scales if self.profile.keeps == "reciprocal" else scales

    def _range(self, x: Array, request: Request) -> tuple[Array, Array]:
        """The range of each slice, 0 in it; NaN counts as 0 where `nan=` says what it becomes."""
        layout = self.granularity.layout(x.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = (end.astype(np.float32) for end in layout.ranges(x))
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            finite = np.isfinite(x) & (np.abs(x) <= LARGEST)
            nan = np.isnan(x)
            if request.nan is None or not (finite | nan).all():
                bad = ~finite if request.nan is None else ~(finite | nan)
                raise refused(
                    self, f"{request.verb} to", bad, "not finite in float32",
                    "A scale cannot come from them: give scale=, or take them out",
                )  # fmt: skip
            x = np.where(nan, 0, x).astype(x.dtype)
            low, high = (end.astype(np.float32) for end in layout.ranges(x))
        if self.method in RANGES:
            return low, high
        from ..calibration.methods import range_of_slice

        kept = [
            range_of_slice(part, str(self.method), self.of.bits, self._spans) for part in layout.slices(x)
        ]
        ends = np.array(kept, np.float32).reshape(*low.shape, 2)
        return ends[..., 0], ends[..., 1]

    @property
    def _spans(self) -> bool:
        """Whether codes reach from the least number to the greatest, not as far on both sides."""
        return self.method == "minmax" or (self.method != "absmax" and not self.of.signed)

    def _from_range(self, low: Array, high: Array) -> tuple[Array, Array]:
        """float32 scales and integer zero points, as the profile finds them."""
        rule = self.profile.affine if self._spans and self.profile.affine else self.profile.symmetric
        with np.errstate(over="ignore"):
            return rule(low, high, *self.codes)

    # Elements

    def fill(
        self, kind: str, x: Array, out: Array, scales: Array, zeros: Array | None, request: Request
    ) -> None:
        profile = self.profile.serving(bool(self.granularity.options))
        asked = request.rounding or profile.rounding
        rule, past = _rule(self.of, asked, request.overflow, request.random_bits)
        noise = draws.source(rule, request.seed, request.noise, x.shape)
        x, nan = self._with_nan(x, request, profile)
        if nan is None and np.may_share_memory(x, out) and _has_nan(x):
            raise self._no_nan(x, request)
        job = self._job(x.shape, scales, zeros, nan or 0, rule.rounding.name == "nearest_away")
        if past == "saturate" and rule.rounding.name in ("nearest_even", "nearest_away"):
            found = run(kind, x, out, job, request.engine)
        else:
            found = self._composed(kind, x, out, job, rule, past, noise, request)
        if found and nan is None:
            raise self._no_nan(x, request)

    def read(self, codes: Array, out: Array, scales: Any, zeros: Array | None) -> None:
        run("decode", codes, out, self._job(codes.shape, scales, zeros, 0, False), None)

    def scale_bits(self, shape: Shape) -> int:
        return self.scale_format.bits * self.granularity.scale_count(shape)

    def format_of_scales(self, counted: Shape) -> Format:
        return self.scale_format.of

    def of_part(self, granularity: Granularity, scales: Any) -> Affine:
        """Where one scale is left the rule has to be said, or the spec were that of plain integers."""
        unsaid = self.scale is None and not granularity.options
        return replace(self, granularity=granularity, calibrate=self.method if unsaid else self.calibrate)

    def check_shared(self, scales: Any, zeros: Array | None) -> None:
        check_numbers(scales, scales, FACTORS, f"scales of '{self}' are finite numbers above 0")
        if zeros is not None:
            self._zeros(zeros)
        if self.scale is None:
            return
        own, zero = self._kept(np.array(self.scale, np.float32)), self.zero or 0
        if (scales != own).any() or (zero if zeros is None else (zeros != zero).any()):
            raise ValueError(f"'{self}' says its scale and zero point, and the array has others")

    def units(self, scales: Any, zeros: Array | None) -> tuple[Array, Array]:
        step = scales.astype(np.float64)
        if self.profile.keeps == "reciprocal":
            step = 1 / step
        return step, np.zeros(()) if zeros is None else zeros.astype(np.float64)

    def stages(self, x: float, **keywords: Any) -> Stages:
        job = self._job((), *self._given_scales(), 0, False)
        array, profile = self.encode(np.float32(x), **keywords), self.profile
        rule, past = _rule(
            self.of, keywords.get("rounding") or profile.rounding, keywords.get("overflow"), None
        )
        how = "x / scale" if profile.op == "divide" else "x * (1 / scale)"
        early = " + zero point" * (self.has_zeros and profile.zero != "after")
        steps = float(in_steps(np.asarray(x, np.float32), job))
        return Stages(
            how + early, steps, rule.rounding.name, int(after((), job)), past,
            int(array.codes), float(array.decode()),
        )  # fmt: skip

    def ends(self) -> Ends:
        scales, zeros = self._given_scales()
        values = np.empty(2, np.float32)
        self.read(np.array(self.codes, self.code_dtype), values, scales, zeros)
        return Ends(float(self.units(scales, zeros)[0]), self.zero or 0, *values.tolist())

    def _given_scales(self) -> tuple[Array, Array | None]:
        if self.scale is None or self.granularity.options:
            raise ValueError(
                f"'{self}' has scales for arrays; one number needs one scale, as in 'int8[scale=0.1]'"
            )
        return self.scales_of(np.zeros((), np.float32), None, None, Request("explain"))

    def _job(self, shape: Shape, scales: Array, zeros: Array | None, nan: int, away: bool) -> Job:
        profile = self.profile.serving(bool(self.granularity.options))
        layout = self.granularity.layout(shape)
        return job_of(layout, profile, scales, zeros, *self.codes, nan, away, self.of.bits)

    def _composed(
        self, kind: str, x: Array, out: Array, job: Job, rule: Policy, past: str, noise: Noise | None,
        request: Request,
    ) -> bool:  # fmt: skip
        """Any mode and overflow policy, by the engines of integers: x in steps to an integer, the
        zero point added, the sum to a code."""
        nan = np.isnan(x)
        counts = np.empty(x.shape, np.int64)
        asked = request.engine
        execute(
            Input(in_steps(x, job)),
            plan(UNBOUNDED if rule.wraps else UNWRAPPED, rule, True, asked),
            counts,
            noise,
        )
        counts += after(x.shape, job)
        codes = out if kind == "code" else np.empty(x.shape, self.code_dtype)
        execute(Input(counts), plan(self.of, policy(self.of, None, past), True, asked), codes, None)
        codes[nan] = int(job.bounds.nan)
        if kind == "value":
            run("decode", codes, out, job, asked)
        return bool(nan.any())

    def _with_nan(self, x: Array, request: Request, profile: Profile) -> tuple[Array, int | None]:
        """x without the NaNs that a number replaces, and the code of NaN, None where it raises."""
        first, last = self.codes
        if request.nan is None:
            return x, {"raise": None, "low": first, "high": last, "0": 0}[profile.nan]
        if isinstance(request.nan, str) and request.nan in ("min", "max"):
            return x, first if request.nan == "min" else last
        number, nan = _replacement(request.nan), np.isnan(x)
        return (np.where(nan, number, x).astype(x.dtype) if nan.any() else x), 0

    def _no_nan(self, x: Array, request: Request) -> RangeError:
        cure = "nan= says what to put: a number, 'max' or 'min'"
        return refused(self, f"{request.verb} to", np.isnan(x), "NaN, the format has none", cure)


@lru_cache(maxsize=512)
def _rule(of: Format, rounding: Any, overflow: Any, random_bits: Any) -> tuple[Policy, str]:
    """How x in steps becomes an integer, before the zero point, and what lies past the codes."""
    past = overflow_policy(overflow, of)
    wide = UNBOUNDED if wraps(past) else UNWRAPPED
    return policy(wide, rounding, "wrap" if wraps(past) else "saturate", 0, random_bits), past


def _replacement(nan: Any) -> np.float32:
    """The number that NaN becomes."""
    try:
        number = single(nan)
    except (TypeError, ValueError):
        number = np.float32(np.nan)
    if np.isnan(number):
        raise ValueError(f"nan= takes a number, 'max' or 'min', got {nan!r}")
    return number


def _integers(raw: Any) -> Array:
    """Integers of any shape and size; whole floats are taken too."""
    try:
        given = np.asarray(raw)
        whole = given.dtype.kind in "iuf" and (given == np.trunc(given)).all()
    except (TypeError, ValueError):
        whole = False
    if whole:
        return given
    if type(raw) is int:
        return np.asarray(raw, object)
    raise ValueError(f"a zero point is an integer, got {raw!r}")


def _has_nan(x: Array) -> bool:
    """In one pass without a mask: the least of numbers with NaN among them is NaN."""
    with np.errstate(invalid="ignore"):
        return bool(x.size and np.isnan(x.min()))


def _spread(given: Array, counted: Shape, name: str, axis: int | None, shape: Shape) -> Array:
    """One number for all scales, or one for each."""
    if given.size == 1 and given.ndim <= 1:
        return given.reshape(()) if not counted else np.broadcast_to(given.reshape(()), counted)
    if given.shape == counted:
        return given
    if not counted:
        raise ValueError(
            f"{name}= has shape {given.shape} and there is one scale; axis= says which axis keeps its own"
        )
    raise ValueError(f"{name}= has shape {given.shape}; for x of shape {shape} it is {counted} or one number")


_ANY = Option(("a number",), None, r".+")


@scaling(
    options={
        "scale": _ANY,
        "zero": integer(),
        "axis": integer(),
        "size": integer(),
        "calibrate": Option((*RANGES, *THRESHOLDS)),
        "profile": Option(("a profile",), None, r".+"),
    }
)
def build(
    of: Format, spec: str, scale: str | None, zero: str | None, axis: str | None, size: str | None,
    calibrate: str | None, profile: str | None,
) -> Affine:  # fmt: skip
    """The format of a spec; `Affine` says what its options mean."""
    try:
        return Affine(
            of, _granularity(axis, size), None if scale is None else _number(scale),
            None if zero is None else int(zero), calibrate, profile_of(profile or "default"),
        )  # fmt: skip
    except ValueError as error:
        raise SpecError(f"{spec!r}: {error}", spec) from None


def _granularity(axis: str | None, size: str | None) -> Granularity:
    if size is None:
        return PerTensor() if axis is None else PerAxis(int(axis))
    if axis is None:
        raise ValueError("size= needs axis=: groups run along an axis, as in 'int4[size=128,axis=-1]'")
    if int(size) < 1:
        raise ValueError(f"size is the number of elements of a group, 1 or more; got {size}")
    return Groups(int(axis), int(size))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"scale is a number, got {text!r}") from None


def scaled(form: Format | ScaledFormat) -> ScaledFormat:
    """The scaled format that takes `scale=`, `zero=` and `axis=`: an integer format becomes affine.

    >>> scaled(numfmt.parse("int8")).cast(np.float32([0.12, 7.0]), scale=[0.05, 0.1], axis=0)
    array([0.1, 7. ], dtype=float32)
    """
    return form if isinstance(form, ScaledFormat) else Affine(form)
