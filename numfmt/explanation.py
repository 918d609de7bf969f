"""`explain`: what happened to one number, in words and in fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import numpy as np

from . import reference
from .blocks.scale import LARGEST as LARGEST_SINGLE
from .cuts import LARGEST
from .engine.draws import source as noise_source
from .format import Format, Value, is_special
from .formats.fixed import Fixed
from .notation import hexadecimal, number_text, split_bits
from .overflow import wraps
from .reference import Policy, Step, policy
from .registry import element, parse
from .scaled import Located, ScaledFormat, Stages

_RULES = {
    "exact": "x is a value of the format",
    "nearer": "the nearer of two neighbours",
    "boundary": "its side of the format's own boundary between two neighbours",
    "nan": "x is NaN",
    "rejected": "the format holds no such value",
    "least value": "below the least value of a format without zero",
}
_OF_STEPS = {
    "exact": "a whole number of steps",
    "library": "past the integers of the profile's library",
}
_OF_SCALES = {
    "nan": "NaN or infinity in the block: its scale is NaN",
    "zero": "its scale is 0",
    "infinite": "its scale is infinite",
}
_PAST = {"saturates": "saturates", "overflows": "overflows", "wraps": "wraps around"}
_COUNTS = Fixed(512)  # any float32 over any scale is far below its last value
_NAME = 16  # columns of a line's name, at least


@dataclass(frozen=True)
class Explanation:
    """How one number was rounded.

    `exact` is x itself, `value` and `code` the result, `lower` and `upper` the neighbours by
    magnitude with their codes (of a value those beside it; `upper` is None past the last value, on a
    grid both are None where x is a step or more past it), `tie` the boundary between them, `error_ulp`
    (x - value) in units of the gap between the neighbours, `rule` what decided.
    """

    format: Format
    exact: Value
    value: Value
    code: int
    bits: str
    lower: Value | None
    lower_code: int | None
    upper: Value | None
    upper_code: int | None
    tie: Fraction | None
    error_ulp: float
    rounding: str
    overflow: str
    rule: str

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        rows = {f.name: getattr(self, f.name) for f in fields(self)} | {"format": str(self.format)}
        return {k: number_text(v) if isinstance(v, Fraction) else v for k, v in rows.items()}

    def __str__(self) -> str:
        result = f"{self._number(self.value, self.code)}   {self.bits}"
        return aligned([("x", number_text(self.exact)), (str(self.format), result), *self.reasons])

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """The neighbours, the error and what decided, as lines of a name and a text."""
        rows = []
        if self.lower is not None or self.upper is not None:
            rows += [
                ("toward zero", self._number(self.lower, self.lower_code)),
                ("away from zero", self._number(self.upper, self.upper_code)),
                ("tie point", "none" if self.tie is None else number_text(self.tie)),
            ]
        if not math.isnan(self.error_ulp):
            rows.append(("error", f"{self.error_ulp:.6g} ulp"))
        modes = f"(rounding {self.rounding}, overflow {self.overflow})"
        return [*rows, ("decided by", f"{self._reason}   {modes}")]

    @property
    def _reason(self) -> str:
        """`rule` in words."""
        if self.rule not in _PAST:
            return _RULES.get(self.rule, self.rule)
        return f"{self._where}: {_outcome(self.rule, self.overflow)}"

    @property
    def _where(self) -> str:
        """Which end of the range x lies past."""
        fmt = self.format
        if not fmt.signed:
            return "below the least value" if self.exact < fmt.min else "past the last value"
        if self.overflow == "saturate_symmetric":
            return f"outside {fmt.end_text(-fmt.max)} to {fmt.end_text(fmt.max)}"
        return "past the last value"

    def _number(self, value: Value | None, code: int | None) -> str:
        if value is None or code is None:
            return "none"
        return f"{number_text(value)}   code {hexadecimal(code, self.format.bits)}"


@dataclass(frozen=True)
class ScaledExplanation:
    """How one number became a code of a format with one scale.

    `exact` is x itself, `single` the float32 it is first rounded to; `how` says what gives `steps`, which
    becomes the integer `rounded` (None where it has no end); with `zero` added that is `total`, and `code`
    what the codes' range makes of it; `value` is what the code means and `error_steps` (x - value) / scale.
    """

    format: ScaledFormat
    exact: Value
    single: float
    how: str
    steps: float
    rounded: int | None
    zero: int
    total: int | None
    code: int
    bits: str
    value: float
    error_steps: float
    rounding: str
    overflow: str
    rule: str

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        rows = {f.name: getattr(self, f.name) for f in fields(self)}
        return rows | {"format": str(self.format), "exact": number_text(self.exact)}

    def __str__(self) -> str:
        of = self.format.of
        result = f"{_float_text(self.value)}   code {hexadecimal(self.code, of.bits)}   {self.bits}"
        rows = [("x", number_text(self.exact)), (str(self.format), result)]
        if self.exact != self.single:
            rows.append(("x in float32", _float_text(self.single)))
        rows.append((self.how, _float_text(self.steps)))
        if self.rounded is not None:
            rows.append(("rounded", str(self.rounded)))
        if self.zero and self.total is not None:
            rows.append(("plus zero point", f"{self.total}   (zero point {self.zero})"))
        rows.append((f"in {of.range_text}", str(self.code)))
        if not math.isnan(self.error_steps):
            rows.append(("error", f"{self.error_steps:.6g} steps"))
        modes = f"(rounding {self.rounding}, overflow {self.overflow})"
        return aligned([*rows, ("decided by", f"{self._reason}   {modes}")])

    @property
    def _reason(self) -> str:
        if self.rule not in _PAST:
            return (_RULES | _OF_STEPS).get(self.rule, self.rule)
        return f"past the last code: {_outcome(self.rule, self.overflow)}"


@dataclass(frozen=True)
class BlockExplanation:
    """How one element of an array became a code of a format with blocks.

    `exact` is the element at `index`, `block` where its block lies, `absmax` the largest magnitude there;
    `wanted_scale` is what the rule gives (None where a library's own steps find the scale), `scale` what the
    format of scales makes of it, with its code, and `scale_note` how the format's users write a power of two:
    as 2**-9, in Flexpoint as the exponent 9; `scaled` the element over its scale, `element` how that was
    rounded (None where the scale is 0, infinite or NaN); `value` is what code and scale mean.
    """

    format: ScaledFormat
    index: tuple[int, ...]
    exact: Value
    block: str
    absmax: float
    wanted_scale: float | None
    scale_is_clamped: bool
    scale: float
    scale_code: int
    scale_note: str
    scaled: float
    element: Explanation | None
    code: int
    bits: str
    value: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        rows = {f.name: getattr(self, f.name) for f in fields(self)}
        element = None if self.element is None else self.element.to_dict()
        own = {"format": str(self.format), "exact": number_text(self.exact), "index": list(self.index)}
        return rows | own | {"element": element}

    def __str__(self) -> str:
        of = self.format.of
        place = f"element {', '.join(map(str, self.index))}" if self.index else "x"
        code = f"code {hexadecimal(self.code, of.bits)}   {self.bits}"
        rows = [
            (place, number_text(self.exact)),
            (str(self.format), f"{_float_text(self.value)}   {code}"),
            ("block", f"{self.block}, absmax {_float_text(self.absmax)}"),
            ("scale", self._scale_text),
        ]
        if self.element is None:
            return aligned([*rows, ("decided by", _OF_SCALES[_kind_of_scale(self.scale)])])
        became = f"{_float_text(self.scaled)}   becomes {number_text(self.element.value)} of {of}"
        return aligned([*rows, ("x / scale", became), *self.element.reasons])

    @property
    def _scale_text(self) -> str:
        note = f"   {self.scale_note}" if self.scale_note else ""
        text = f"{_float_text(self.scale)}   code 0x{self.scale_code:02X}{note}"
        if self.wanted_scale in (None, self.scale) or math.isnan(self.scale):
            return text
        how = "clamped" if self.scale_is_clamped else "rounded"
        return f"{text}   ({how} from {self.wanted_scale:.7g})"


def _outcome(rule: str, overflow: str) -> str:
    """What becomes of a number past the end."""
    return "becomes 0" if overflow == "saturate_zero" else _PAST[rule]


def _float_text(x: float) -> str:
    """A number in as few digits as tell it from the other float32, or float64 past their range."""
    return str(np.float32(x)) if not LARGEST_SINGLE < abs(x) < math.inf else repr(x)


def aligned(rows: Sequence[tuple[str, str]]) -> str:
    """Lines of a name and a text, the texts below one another."""
    width = max(_NAME, *(len(name) + 2 for name, _ in rows))
    return "\n".join(f"{name:<{width}}{text}" for name, text in rows)


def explain(
    x: Any, fmt: Any, *, rounding: Any = None, overflow: Any = None, nan: Any = None,
    seed: int | None = None, noise: Any = None, random_bits: int | None = None, index: Any = None,
) -> Explanation | ScaledExplanation | BlockExplanation:  # fmt: skip
    """What casting one number to a format does, and why.

    Parameters
    ----------
    x : number, `Fraction`, `Decimal` or numeric string; or an array
        Exact: ``"0.1"`` is one tenth, ``0.1`` the float64 next to it. Of formats with blocks an array,
        whose elements share scales; one number is a block of its own.
    fmt : str, Format or dtype
        Of scaled formats those with one scale, given in the spec.
    rounding, overflow, nan, seed, noise, random_bits
        As for `cast`.
    index : int or tuple of int, optional
        Which element of the array.

    Returns
    -------
    Explanation, or ScaledExplanation for a format with one scale, or BlockExplanation

    Raises
    ------
    SpecError : an unknown name
    RangeError : NaN into a format without one; overflow under ``raise``
    TypeError, ValueError : x is no single number; a format whose scales come from an array

    Examples
    --------
    >>> explain("0.1", "e4m3fn").value
    Fraction(13, 128)
    >>> print(explain(464, "e4m3fn"))
    x               464
    e4m3fn          448   code 0x7E   0|1111|110
    toward zero     448   code 0x7E
    away from zero  none
    tie point       464
    error           0.5 ulp
    decided by      tie: nearest_even   (rounding nearest_even, overflow ieee)
    >>> print(explain(-1.3, "int8[scale=0.5,zero=3]"))
    x                       -1.3000000000000000 (-5854679515581645/4503599627370496)
    int8[scale=0.5,zero=3]  -1.5   code 0x00   0|0000000
    x in float32            -1.3
    x / scale               -2.6
    rounded                 -3
    plus zero point         0   (zero point 3)
    in -128 to 127          0
    error                   0.4 steps
    decided by              the nearer of two neighbours   (rounding nearest_even, overflow saturate)
    >>> print(explain([0.3, -7.0, 1.25, 2.0], "mxfp4", index=2))
    element 2       1.25
    mxfp4           1.0   code 0x2   0|01|0
    block           elements [0:4], absmax 7.0
    scale           1.0   code 0x7F   2**0
    x / scale       1.25   becomes 1 of e2m1fn
    toward zero     1   code 0x2
    away from zero  1.5   code 0x3
    tie point       1.25
    error           0.5 ulp
    decided by      tie: nearest_even   (rounding nearest_even, overflow saturate)
    """
    form = parse(fmt)
    if isinstance(form, ScaledFormat) and form.has_blocks:
        given = {"rounding": rounding, "overflow": overflow, "nan": nan, "seed": seed, "noise": noise}
        return _explain_block(x, form, index, given | {"random_bits": random_bits})
    if index is not None:
        raise ValueError(f"'{form}' has no blocks: leave index= out, and give one number")
    if isinstance(form, ScaledFormat):
        modes = {"rounding": rounding, "overflow": overflow, "nan": nan}
        draw = {"seed": seed, "noise": noise, "random_bits": random_bits}
        return _explain_scaled(reference.exact(x), form, modes, draw)
    rule = policy(form, rounding, overflow, nan, random_bits)
    value = reference.exact(x)
    step = reference.decide(value, form, rule, _word(rule, seed, noise))
    return _explanation(value, form, rule, step)


def _explanation(x: Value, fmt: Format, rule: Policy, step: Step) -> Explanation:
    result = fmt.value(step.code)
    lower_code, upper_code = _neighbours(x, fmt, step)
    lower = None if lower_code is None else fmt.value(lower_code)
    upper = None if upper_code is None else fmt.value(upper_code)
    return Explanation(
        format=fmt, exact=x, value=result, code=fmt.outward(step.code), bits=split_bits(step.code, fmt),
        lower=lower, lower_code=_outward(lower_code, fmt), upper=upper, upper_code=_outward(upper_code, fmt),
        tie=None if lower is upper is None else step.split,
        error_ulp=_error(x, result, lower, upper, fmt),
        rounding=rule.rounding.name, overflow=rule.overflow, rule=step.rule,
    )  # fmt: skip


def _explain_scaled(
    x: Value, form: ScaledFormat, modes: dict[str, Any], draw: dict[str, Any]
) -> ScaledExplanation:
    f32 = element("f32")
    single = float(f32.value(reference.encode(x, f32, policy(f32))))
    stages = form.stages(single, **modes, **draw)
    step = None if is_special(stages.steps) else _counted(stages, draw)
    rounded = None if step is None else _COUNTS.outward(step.code)
    total = None if rounded is None else rounded + stages.zero
    unit = Fraction(form.ends().step)
    return ScaledExplanation(
        format=form, exact=x, single=single, how=stages.how, steps=stages.steps,
        rounded=rounded, zero=stages.zero, total=total,
        code=stages.code, bits=split_bits(stages.code, form.of), value=stages.value,
        error_steps=math.nan if is_special(x) else _ratio((Fraction(x) - Fraction(stages.value)) / unit),
        rounding=stages.rounding, overflow=stages.overflow,
        rule="nan" if x != x else step.rule if step and total == stages.code else _rule_past(stages, form.of, total),
    )  # fmt: skip


def _explain_block(x: Any, form: ScaledFormat, index: Any, keywords: dict[str, Any]) -> BlockExplanation:
    found = form.located(x, index, **{k: v for k, v in keywords.items() if v is not None})
    exact = reference.exact(x) if np.ndim(x) == 0 else reference.exact(found.x)
    return BlockExplanation(
        format=form, index=found.place, exact=exact,
        block=_extent_text(found.extent, len(found.place)), absmax=found.absmax, wanted_scale=found.wanted,
        scale_is_clamped=found.is_clamped, scale=found.scale, scale_code=found.scale_code, scale_note=found.scale_note,
        scaled=found.steps, element=_element_explanation(found, form.of, keywords), code=found.code,
        bits=split_bits(found.code, form.of), value=found.value,
    )  # fmt: skip


def _element_explanation(found: Located, of: Format, keywords: dict[str, Any]) -> Explanation | None:
    """How the element over its scale was rounded; None where the scale is 0, infinite or NaN."""
    if _kind_of_scale(found.scale) != "number" and found.x:
        return None
    nan = keywords["nan"] if math.isnan(found.steps) else None
    rule = policy(of, found.rounding, found.overflow, nan, keywords["random_bits"])
    draws = noise_source(rule, keywords["seed"], keywords["noise"], np.shape(keywords["noise"]))
    word = int(draws.take(found.number, 1)[0]) if draws else 0
    steps = reference.exact(found.steps)
    return _explanation(steps, of, rule, reference.decide(steps, of, rule, word))


def _kind_of_scale(scale: float) -> str:
    if math.isnan(scale):
        return "nan"
    return "zero" if not scale else "infinite" if math.isinf(scale) else "number"


def _extent_text(extent: tuple[slice, ...], axes: int) -> str:
    """`elements [0:1, 32:64]`, of runs by their places in C order; or of a number itself."""
    inside = ", ".join(f"{part.start}:{part.stop}" for part in extent)
    flat = " in C order" if len(extent) != axes else ""
    return f"elements [{inside}]{flat}" if extent else "x alone"


def _rule_past(stages: Stages, of: Format, total: int | None) -> str:
    """What happened to a sum that is no code."""
    if wraps(stages.overflow):
        return "wraps"
    up = stages.steps > 0 if total is None else total > 0
    kept = of.outward(of.edge(not up))
    return "library" if stages.overflow == "saturate" and stages.code != kept else "saturates"


def _counted(stages: Stages, draw: dict[str, Any]) -> Step:
    """Steps as an integer, exactly."""
    rule = policy(_COUNTS, stages.rounding, None, 0, draw["random_bits"])
    return reference.decide(Fraction(stages.steps), _COUNTS, rule, _word(rule, draw["seed"], draw["noise"]))


def _word(rule: Policy, seed: int | None, noise: Any) -> int:
    """The noise word of one number."""
    draws = noise_source(rule, seed, noise, ())
    return int(draws.take(0, 1)[0]) if draws else 0


def _outward(code: int | None, fmt: Format) -> int | None:
    return None if code is None else fmt.outward(code)


def _neighbours(x: Value, fmt: Format, step: Step) -> tuple[int | None, int | None]:
    """Codes of the neighbours of x toward and away from zero; of a value, those beside it."""
    if step.lower is not None or is_special(x):
        return step.lower, step.upper
    if step.rule == "exact":
        return _beside(fmt.rank(step.code), x, fmt)
    if step.rule in ("saturates", "overflows") and not fmt.uniform and (fmt.signed or x > 0):
        return fmt.edge(reference.is_negative(x)), None
    return None, None


def _beside(rank: int, x: Value, fmt: Format) -> tuple[int | None, int | None]:
    outward = -1 if reference.is_negative(x) else 1
    low, high = fmt.span
    ranks = (rank - outward if x else low - 1, rank + outward)
    inward, away = (fmt.code_at(r) if low <= r <= high else None for r in ranks)
    return inward, away


def _error(x: Value, result: Value, lower: Value | None, upper: Value | None, fmt: Format) -> float:
    """(x - result) in gaps between the neighbours."""
    if is_special(x) or is_special(result):
        return 0.0 if x == result else math.nan
    inside = lower is not None and upper is not None
    gap = abs(Fraction(upper or 0) - Fraction(lower or 0)) if inside else fmt.step
    error = (Fraction(x) - Fraction(result)) / gap if gap else Fraction(0)
    return _ratio(error)


def _ratio(x: Fraction) -> float:
    """As a float, infinite past the last one."""
    return float(x) if abs(x) < LARGEST else math.inf if x > 0 else -math.inf
