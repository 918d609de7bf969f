"""Binary floating point: every `eXmY` with its variants, biases and named members.

IEEE 754-2019 clause 3.4 for the encoding; the variants are those of OCP OFP8 and MX v1.0 and of
the ml_dtypes names: `fn` finite with NaN, `fnuz` finite with NaN at the code of -0, `fin` finite
without NaN, `fnu` unsigned with NaN on top, `finu` unsigned without NaN.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from ..errors import SpecError
from ..format import Format, Value, exponent
from ..registry import Option, family, name


class Variant(NamedTuple):
    """Which codes are no numbers. `reserved` counts magnitudes on top, 0 meaning none and -1
    the whole top exponent; `nan` is "quiet", "top" or "sign" (the code of -0)."""

    signed: bool = True
    negative_zero: bool = True
    reserved: int = 0
    infinite: bool = False
    nan: str = ""
    p3109: bool = False


VARIANTS = {
    "ieee": Variant(reserved=-1, infinite=True, nan="quiet"),
    "fn": Variant(reserved=1, nan="top"),
    "fin": Variant(),
    "fnuz": Variant(negative_zero=False, nan="sign"),
    "fnu": Variant(signed=False, negative_zero=False, reserved=1, nan="top"),
    "finu": Variant(signed=False, negative_zero=False),
    # IEEE P3109 interim report v4.0: signed | unsigned, extended | finite
    "se": Variant(negative_zero=False, reserved=1, infinite=True, nan="sign", p3109=True),
    "sf": Variant(negative_zero=False, nan="sign", p3109=True),
    "ue": Variant(False, False, 2, True, "top", p3109=True),
    "uf": Variant(False, False, 1, False, "top", p3109=True),
}
_OCP_WITHOUT_NAN = {(2, 1), (2, 3), (3, 2)}  # OCP MX v1.0: float4_e2m1, float6_e2m3, float6_e3m2


@dataclass(frozen=True, repr=False)
class Float(Format):
    """`(-1)**s * 1.t * 2**(e - bias)`, subnormals below `2**(1 - bias)`."""

    exp_bits: int
    man_bits: int
    bias: int
    variant: str = "ieee"
    subnormals: bool = True
    normal: bool = False  # code 0 is an ordinary value too: neither zero nor subnormals

    default_overflow = "ieee"

    def value(self, code: int) -> Value:
        if not 0 <= code < 1 << self.bits:
            raise ValueError(f"{self} has codes 0 to {(1 << self.bits) - 1}, got {code}")
        sign, mag = divmod(code, 1 << self._mag_bits)
        if code == self._sign_nan or mag > self.max_mag:
            return self._special_value(mag, sign)
        exp, man = divmod(mag, 1 << self.man_bits)
        if exp or not self.has_zero:
            v = Fraction((1 << self.man_bits) + man) * self._power(exp)
        else:
            v = Fraction(man if self.subnormals else 0) * self._power(1)
        return -0.0 if sign and not v else -v if sign else v

    def _power(self, exp: int) -> Fraction:
        """The quantum of a stored exponent."""
        return Fraction(2) ** (exp - self.bias - self.man_bits)

    def _special_value(self, mag: int, sign: int) -> float:
        if mag == self._inf_mag:
            return float("-inf") if sign else float("inf")
        return float("nan")

    # Derived and cached; mypy would have the base class's plain attributes assigned (override).

    @cached_property
    def kind(self) -> Variant:
        return VARIANTS[self.variant]

    @cached_property
    def signed(self) -> bool:  # type: ignore[override]
        return self.kind.signed

    @cached_property
    def _mag_bits(self) -> int:
        return self.exp_bits + self.man_bits

    @cached_property
    def bits(self) -> int:  # type: ignore[override]
        return self._mag_bits + self.signed

    @cached_property
    def boundary_bits(self) -> int:
        return self.man_bits + 2

    @cached_property
    def has_zero(self) -> bool:
        """`fnu` and `finu` without fraction bits have no zero: code 0 is an ordinary binade (e8m0fnu)."""
        return not self.normal and not (self.rejects_negatives and self.man_bits == 0)

    @cached_property
    def max_mag(self) -> int:
        """The magnitude code of the last finite value."""
        reserved = 1 << self.man_bits if self.kind.reserved < 0 else self.kind.reserved
        return (1 << self._mag_bits) - 1 - reserved

    @cached_property
    def _inf_mag(self) -> int | None:
        return self.max_mag + 1 if self.kind.infinite else None

    @cached_property
    def _sign_nan(self) -> int | None:
        return 1 << self._mag_bits if self.kind.nan == "sign" else None

    @cached_property
    def emin(self) -> int:
        """Exponent of the smallest normal value."""
        return 1 - self.bias if self.has_zero else -self.bias

    @cached_property
    def emax(self) -> int:
        return exponent(self.max)

    @cached_property
    def quantum(self) -> Fraction:
        """Spacing just above the smallest normal value: the smallest subnormal, if there are any."""
        return Fraction(2) ** (self.emin - self.man_bits)

    @cached_property
    def min_normal(self) -> Fraction:
        return min(Fraction(2) ** self.emin, self.max)

    @cached_property
    def _skipped(self) -> int:
        """Magnitude codes between zero and the first nonzero value that are no values."""
        return 0 if self.subnormals else (1 << self.man_bits) - 1

    @cached_property
    def span(self) -> tuple[int, int]:
        last = self.max_mag - self._skipped
        if not self.signed:
            return 0, last
        return (-1 - last if self.kind.negative_zero else -last), last

    def code_at(self, rank: int) -> int:
        negative = rank < 0
        index = -rank - self.kind.negative_zero if negative else rank
        mag = index + self._skipped if index else 0
        return mag | negative << self._mag_bits

    def rank(self, code: int) -> int:
        negative, mag = divmod(code, 1 << self._mag_bits)
        index = max(mag - self._skipped, 0)
        return -index - self.kind.negative_zero if negative else index

    def guessed_rank(self, x: Fraction) -> int | None:
        if not x:
            return None
        e = max(exponent(abs(x)), self.emin)
        units, rest = divmod(abs(x), Fraction(2) ** (e - self.man_bits))
        stored = e - self.emin - (not self.has_zero)  # the leading one of `units` adds 1 to it
        mag = int(units) + (stored << self.man_bits) + (x < 0 and rest > 0)
        return self.rank(min(mag, self.max_mag) | (x < 0) << self._mag_bits)

    @cached_property
    def step(self) -> Fraction:
        return Fraction(2) ** (max(self.emax, self.emin) - self.man_bits)

    def infinity(self, negative: bool = False) -> int | None:
        if self._inf_mag is None or (negative and not self.signed):
            return None
        return self._inf_mag | negative << self._mag_bits

    def nan(self, negative: bool = False) -> int | None:
        if not self.kind.nan or self.kind.nan == "sign":
            return self._sign_nan
        top = (1 << self._mag_bits) - 1
        quiet = top if self.kind.nan == "top" else self.max_mag + 1 | 1 << (self.man_bits - 1)
        return quiet | (negative & self.signed) << self._mag_bits

    def zero(self, negative: bool = False) -> int | None:
        if not self.has_zero:
            return None
        return (negative & self.kind.negative_zero) << self._mag_bits

    def special(self, negative: bool = False) -> int:
        # P3109 v4.0 4.8 (SatNone): finite formats keep the last value, unsigned ones have no -max
        if self.kind.p3109 and not self.kind.infinite and (self.signed or not negative):
            return self.edge(negative)
        return super().special(negative)

    @cached_property
    def ties_away(self) -> bool:  # type: ignore[override]
        return not self.has_zero and not self.man_bits

    @cached_property
    def rejects_negatives(self) -> bool:  # type: ignore[override]
        return self.variant in ("fnu", "finu")

    @cached_property
    def edge_is_odd(self) -> tuple[bool, bool]:  # type: ignore[override]
        if not self.kind.p3109:
            return True, True
        above = self.is_odd(self.edge())
        return above, above if self.signed else False

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        pairs = ("sign", int(self.signed)), ("exponent", self.exp_bits), ("significand", self.man_bits)
        return tuple(pair for pair in pairs if pair[1])

    def __str__(self) -> str:
        plain = Float(self.exp_bits, self.man_bits, self.bias, self.variant)
        off = "" if self.subnormals else "[subnormals=off]"
        return (NAMES.get(plain) or _spelling(plain)) + ("[normal]" if self.normal else off)


def default_bias(exp_bits: int, variant: str) -> int:
    if exp_bits == 1:
        return 1
    return (1 << (exp_bits - 1)) - (variant != "fnuz")


def _spelling(f: Float) -> str:
    if f.kind.p3109:
        return f"binary{f.bits}p{f.man_bits + 1}{f.variant}"
    bias = "" if f.bias == default_bias(f.exp_bits, f.variant) else f"b{f.bias}"
    variant = "" if f.variant == "ieee" else f.variant
    if variant == "fin" and (f.exp_bits, f.man_bits) in _OCP_WITHOUT_NAN:
        variant = "fn"
    return f"e{f.exp_bits}m{f.man_bits}{bias}{variant}"


def check(f: Float, spec: str) -> Float:
    """`f`, or a `SpecError` where float64 cannot hold its values."""
    if f.bits > 64:
        raise SpecError(f"{spec!r}: a code has at most 64 bits, this has {f.bits}", spec)
    if f.max_mag < 1:
        raise SpecError(f"{spec!r}: no finite value is left beside the special codes", spec)
    if f.man_bits > 52:
        raise SpecError(f"{spec!r}: at most 52 fraction bits fit float64, got {f.man_bits}", spec)
    top = f.max_mag >> f.man_bits
    if top - f.bias > 1023:
        raise SpecError(f"{spec!r}: its largest value, near 2**{top - f.bias}, does not fit float64", spec)
    if f.emin - f.man_bits < -1074:
        raise SpecError(f"{spec!r}: its smallest step, 2**{f.emin - f.man_bits}, does not fit float64", spec)
    return f


_LEAST_BITS = {  # variant: (exponent bits, fraction bits)
    "ieee": (2, 1),
    "fn": (2, 1),
    "fnuz": (2, 1),
    "fin": (1, 1),
    "fnu": (2, 0),
    "finu": (1, 0),
}


@family(
    pattern=r"e(?P<x>\d+)m(?P<y>\d+)(?:b(?P<bias>-?\d+))?(?P<variant>fnuz|fnu|fn|finu|fin|)",
    options={"subnormals": Option(("on", "off"), "on"), "normal": Option(("on", "off"), "off")},
    examples=(
        "e5m10", "e5m2", "e4m3", "e4m3fn", "e3m4", "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz", "e2m1fn",
        "e2m3fn", "e3m2fn", "e1m2fin", "e5m10fin", "e8m0fnu", "e4m3fnu", "e4m4fn", "e3m5b0",
        "e6m9", "e4m3fn[subnormals=off]", "e5m10[subnormals=off]", "e5m2b-3fnuz", "e4m3b-1000fn", "e2m1b1040", "e3m0fnu", "e5m0b31finu", "e1m0b0finu",
        "e4m3finu", "e6m2b48fnu[normal]", "e3m2finu[normal]",
    ),
)  # fmt: skip
def parse_float(match: re.Match[str], spec: str, subnormals: str, normal: str) -> Float:
    """`eXmY[b<bias>][suffix]`: X exponent bits, Y fraction bits. `[normal]`: an unsigned format
    without zero and subnormals, as HiF4's scale `e6m2b48fnu[normal]`."""
    exp_bits, man_bits = int(match["x"]), int(match["y"])
    variant = match["variant"] or "ieee"
    least_exp, least_man = _LEAST_BITS[variant]
    if exp_bits < least_exp:
        hint = "" if least_exp == 1 else ", or 'fin' after the name for 1" * (exp_bits == 1)
        raise SpecError(
            f"{spec!r}: a float needs at least {least_exp} exponent bits, got {exp_bits}{hint}", spec
        )
    if man_bits < least_man:
        raise SpecError(f"{spec!r}: {variant} needs at least {least_man} fraction bit, got {man_bits}", spec)
    if exp_bits > 20 or man_bits > 63:
        raise SpecError(f"{spec!r}: at most 20 exponent and 52 fraction bits are supported", spec)
    bias = int(match["bias"]) if match["bias"] else default_bias(exp_bits, variant)
    if exp_bits == 1 and bias != 1 and variant == "fin":
        raise SpecError(f"{spec!r}: with one exponent bit the bias is 1, got {bias}", spec)
    if variant == "fn" and (exp_bits, man_bits) in _OCP_WITHOUT_NAN:
        variant = "fin"
    if normal == "on" and VARIANTS[variant].signed:
        raise SpecError(f"{spec!r}: normal is for unsigned formats, 'fnu' and 'finu' after the name", spec)
    whole = normal == "on" and man_bits > 0
    on = subnormals == "on" or man_bits == 0 or whole
    return check(Float(exp_bits, man_bits, bias, variant, on, whole), spec)


# canonical name, spelling, aliases (those of NumPy, torch and ml_dtypes among them)
_NAMED = (
    ("f64", "e11m52", "fp64 float64 double binary64"),
    ("f32", "e8m23", "fp32 float32 single float binary32"),
    ("tf32", "e8m10", "tensorfloat32 xf32"),
    ("f16", "e5m10", "fp16 float16 half binary16"),
    ("bf16", "e8m7", "bfloat16 bfloat"),
    ("e5m2", "e5m2", "fp8_e5m2 float8_e5m2"),
    ("e4m3fn", "e4m3fn", "fp8_e4m3 fp8_e4m3fn float8_e4m3fn"),
    ("e4m3", "e4m3", "float8_e4m3"),
    ("e3m4", "e3m4", "fp8_e3m4 float8_e3m4"),
    ("e4m3fnuz", "e4m3fnuz", "fp8_e4m3fnuz float8_e4m3fnuz"),
    ("e5m2fnuz", "e5m2fnuz", "fp8_e5m2fnuz float8_e5m2fnuz"),
    ("e4m3b11fnuz", "e4m3b11fnuz", "fp8_e4m3b11fnuz float8_e4m3b11fnuz"),
    ("e8m0fnu", "e8m0fnu", "e8m0 ue8m0 float8_e8m0fnu"),
    ("e3m2fn", "e3m2fn", "fp6_e3m2 float6_e3m2fn"),
    ("e2m3fn", "e2m3fn", "fp6_e2m3 float6_e2m3fn"),
    ("e2m1fn", "e2m1fn", "fp4_e2m1 float4_e2m1fn float4_e2m1fn_x2"),
    ("f16_arm", "e5m10fin", "fp16_arm fp16_ahp f16_ahp"),
    ("pxr24", "e8m15", "pxr24_float"),
)
NAMES: dict[Float, str] = {}


def _register_names() -> None:
    from ..registry import parse

    for canonical, spelling, aliases in _NAMED:
        name(canonical, spelling, *aliases.split())
        fmt = parse(spelling)
        assert isinstance(fmt, Float)
        NAMES[fmt] = canonical


_register_names()
