"""`finfo`: what can be said of a format before any number is cast."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

from .blocks import Block
from .format import Format
from .notation import hexadecimal, log10, power_text
from .registry import NAMES, RECIPES, element, list_formats, parse
from .scaled import ScaledFormat


@dataclass(frozen=True)
class FormatLimits:
    """The limits of a format, all derived from the values of its codes.

    Values are exact (`Fraction`); codes are integers, None where there is none.
    `smallest_subnormal` is the smallest positive value, a normal one in formats without
    subnormals. `unit_roundoff`
    is the relative error of rounding to nearest, eps / 2; `decimal_digits` is -log10 of eps / 2;
    `decades` and `db` are log10 and 20 log10 of max / smallest positive value. `step` is the
    distance between neighbouring values where it is always the same: in fixed point.
    """

    name: str
    bits: int
    exponent_bits: int | None
    mantissa_bits: int | None
    bias: int | None
    signed: bool
    max: Fraction
    min: Fraction
    smallest_normal: Fraction
    smallest_subnormal: Fraction
    eps: Fraction | None
    unit_roundoff: Fraction | None
    decimal_digits: float | None
    decades: float
    db: float
    finite_values: int
    zero_code: int | None
    negative_zero_code: int | None
    infinity_code: int | None
    negative_infinity_code: int | None
    nan_code: int | None
    max_code: int
    min_code: int
    step: Fraction | None
    overflow: str

    def __str__(self) -> str:
        return "\n".join(
            f"{f.name:<23}{_text(f.name, getattr(self, f.name), self.bits)}" for f in fields(self)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings: values as float, as `"2**63 - 1"` where it is none; codes as int."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def finfo(fmt: Any) -> FormatLimits:
    """Range, precision and special codes of a format.

    Parameters
    ----------
    fmt : str, Format or dtype
        Of scaled formats those with one scale, given in the spec.

    Returns
    -------
    FormatLimits

    Raises
    ------
    SpecError : an unknown format
    ValueError : a format whose scales come from an array

    Examples
    --------
    >>> finfo("e4m3fn").max
    Fraction(448, 1)
    >>> round(finfo("f16").db, 1)
    240.8
    >>> finfo("uint8[scale=0.5,zero=2]").min
    Fraction(-1, 1)
    """
    f = parse(fmt)
    return _scaled_limits(f) if isinstance(f, ScaledFormat) else _limits(f)


def _scaled_limits(f: ScaledFormat) -> FormatLimits:
    """Those of the elements, times a step; a scaled format has no precision of its own at 1."""
    own, (step, zero, low, high) = _limits(f.of), f.ends()
    least, greatest = Fraction(low), Fraction(high)
    ratio = log10(max(-least, greatest)) - log10(Fraction(step))
    return replace(
        own, name=str(f), max=greatest, min=least, step=Fraction(step), zero_code=zero,
        smallest_normal=Fraction(step), smallest_subnormal=Fraction(step), decades=ratio, db=20 * ratio,
        eps=None, unit_roundoff=None, decimal_digits=None, overflow="saturate",
    )  # fmt: skip


def _limits(f: Format) -> FormatLimits:
    ratio = log10(f.largest) - log10(f.smallest)
    minus = f.zero(True)
    return FormatLimits(
        name=str(f),
        bits=f.bits,
        exponent_bits=getattr(f, "exp_bits", None),
        mantissa_bits=getattr(f, "man_bits", None),
        bias=getattr(f, "bias", None),
        signed=f.signed,
        max=f.max,
        min=f.min,
        smallest_normal=f.min_normal,
        smallest_subnormal=f.smallest,
        eps=f.eps,
        unit_roundoff=f.eps / 2 if f.eps else None,
        decimal_digits=-log10(f.eps / 2) if f.eps else None,
        decades=ratio,
        db=20 * ratio,
        finite_values=f.span[1] - f.span[0] + 1,
        zero_code=f.zero(),
        negative_zero_code=None if minus == f.zero() else minus,
        infinity_code=f.infinity(),
        negative_infinity_code=f.infinity(True),
        nan_code=f.nan(),
        max_code=f.outward(f.edge()),
        min_code=f.outward(f.edge(True)),
        step=f.step if f.uniform else None,
        overflow=f.default_overflow,
    )


def _plain(value: Any) -> Any:
    if not isinstance(value, Fraction):
        return value
    return float(value) if float(value) == value else power_text(value)


def _text(name: str, value: Any, bits: int) -> str:
    if value is None:
        return "none"
    if name.endswith("_code"):
        return hexadecimal(value, bits)
    if isinstance(value, Fraction):
        return f"{'' if float(value) == value else '~'}{float(value):.7g} = {power_text(value)}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


_COLUMNS = (
    "name",
    "bits",
    "sign, exponent or integer, fraction",
    "max",
    "smallest normal",
    "smallest",
    "eps",
    "decades",
    "inf",
    "NaN",
)


_PARTS = (("sign",), ("exponent", "integer"), ("significand", "fraction"))


def format_table() -> str:
    """All named element formats with their limits, as a Markdown table."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *(_table_row(finfo(name)) for name in NAMES)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _table_row(f: FormatLimits) -> tuple[str, ...]:
    form = element(f.name)
    parts = dict(form.fields)
    widths = [sum(parts.get(n, 0) for n in names) for names in _PARTS]
    yes = {True: "yes", False: "-"}
    return (
        f"`{f.name}`",
        str(f.bits),
        ", ".join(map(str, widths)) if any(widths) else "-",
        form.end_text(f.max),
        power_text(f.smallest_normal),
        power_text(f.smallest_subnormal),
        "-" if f.eps is None else power_text(f.eps),
        f"{f.decades:.1f}",
        yes[f.infinity_code is not None],
        yes[f.nan_code is not None],
    )


_RECIPE_COLUMNS = ("name", "elements", "scale", "block", "rule", "profile", "bits an element")
LARGE = (4096, 4096)  # the shape whose share of scales is told


def recipe_table() -> str:
    """All named formats of elements that share scales, as a Markdown table."""
    recipes = {name: form for name in list_formats() if isinstance(form := parse(name), Block)}
    rows = [_recipe_row(name, form) for name, form in recipes.items()]
    lines = [_RECIPE_COLUMNS, ("---",) * len(_RECIPE_COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _recipe_row(name: str, form: Block) -> tuple[str, ...]:
    return (
        ", ".join(f"`{n}`" for n in (name, *RECIPES[name][:1])),
        f"`{form.of}`",
        _scale_text(form.scale),
        _block_text(form),
        form.rule,
        "-" if form.profile.name == "default" else f"`{form.profile.name}`",
        f"{form.bits_per_element(LARGE):.4g}",
    )


def _scale_text(scale: Format | Block) -> str:
    """`e4m3fn`, all under `f32`."""
    if not isinstance(scale, Block):
        return f"`{scale}`"
    return f"`{scale.of}`, {scale.size or 'all'} under {_scale_text(scale.scale)}"


def _block_text(form: Block) -> str:
    if form.size is None:
        return "tensor"
    size = form.size if isinstance(form.size, tuple) else (form.size,)
    return "x".join(map(str, size)) + (" in C order" if form.axis == "flat" else "")
