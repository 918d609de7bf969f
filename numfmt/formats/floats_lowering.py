"""From (format, policy, width) to the parameters of the float loops."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..format import Format
from ..kernels.parameters import DecodingParameters, RoundingParameters, pack
from ..overflow import delivers_edge
from ..reference import Policy
from ..registry import Lowered, Reading, lowering
from ..rounding import NEAREST_AWAY
from .floats import Float

FRACTION = {32: 23, 64: 52}
BIAS = {32: 127, 64: 1023}


def fits(fmt: Float, width: int) -> bool:
    """Whether a loop of this width rounds to `fmt` exactly.

    Its least normal must be a normal word, and its quantum either that of the word's own
    subnormals or large enough that no subnormal word matters, yet the ulp of some word. Without
    a zero the loops know powers of two alone.
    """
    if fmt.normal:
        return False
    least = 1 - BIAS[width]
    own = fmt.emin == least and fmt.subnormals
    quantum = fmt.emin - (fmt.man_bits if fmt.subnormals else 0)
    magic = quantum + FRACTION[width]
    return (
        fmt.man_bits <= FRACTION[width]
        and fmt.emax <= BIAS[width]
        and (own or (fmt.emin >= least and quantum > least and magic <= BIAS[width]))
        and fmt.bits <= width
    )


def bits_of(x: Fraction | float, width: int) -> int:
    """The word of a value that the word's float holds."""
    if width == 32:
        return int(np.float32(float(x)).view(np.uint32))
    return int(np.float64(float(x)).view(np.uint64))


def _ceiling(x: Fraction, width: int) -> int:
    """The least magnitude word whose value is at least `x` > 0."""
    number, up = (np.float32, np.float32(np.inf)) if width == 32 else (np.float64, np.inf)
    near = number(float(x)) if x < 2 * Fraction(float(np.finfo(number).max)) else up
    if Fraction(float(near)) < x:
        near = np.nextafter(near, number(np.inf))
    return bits_of(float(near), width)


class _Lowering:
    """The pieces of `RoundingParameters` for one format and width, shared by values and codes."""

    def __init__(self, fmt: Float, policy: Policy, width: int, codes: bool) -> None:
        self.fmt, self.policy, self.width, self.codes = fmt, policy, width, codes
        self.field_bits = FRACTION[width]
        self.row = policy.rounding
        if fmt.ties_away and self.row.name == "nearest_even":
            self.row = NEAREST_AWAY
        self.own = fmt.emin == 1 - BIAS[width] and fmt.subnormals and fmt.has_zero
        self.emin = 0 if self.own else fmt.emin + BIAS[width]
        self.cut = self.field_bits - fmt.man_bits
        quantum = fmt.quantum if fmt.subnormals else fmt.min_normal
        self.quantum = Fraction(2) ** fmt.emin if not fmt.has_zero else quantum
        offset = max(fmt.emin + BIAS[width] - fmt.has_zero, 0)
        self.rebias = 0 if self.own else offset << self.field_bits
        self.flip = int(fmt.man_bits == 0 and bool(offset & 1))

    def result(self, code: int) -> int:
        """A result as the loop delivers it, without a sign that the loop adds itself."""
        if self.codes:
            return code
        value = self.fmt.value(code)
        return bits_of(value, self.width) if not math.isnan(value) else self.quiet_nan

    @property
    def quiet_nan(self) -> int:
        top = 1 << (self.field_bits - 1)
        return bits_of(math.inf, self.width) | top

    def magnitude(self, code: int) -> int:
        """The result without its sign bit."""
        sign = 1 << ((self.fmt.bits if self.codes else self.width) - 1)
        whole = self.result(code)
        return whole & ~sign if self.fmt.signed and code != self.fmt._sign_nan else whole

    def overflow(self, negative: bool, finite: bool) -> int:
        """What lies past the last value: `raise` delivers infinity, to be found and reported."""
        fmt, policy = self.fmt, self.policy
        if policy.overflow == "raise":
            return bits_of(math.inf, self.width) if not self.codes else fmt.special(negative)
        if fmt.rejects_negatives and negative:
            return self.magnitude(fmt.edge(True) if policy.overflow == "saturate" else fmt.special(True))
        if delivers_edge(
            policy.overflow, policy.rounding, negative=negative, finite=finite,
            edge_is_odd=fmt.edge_is_odd[negative],
        ):  # fmt: skip
            return self.magnitude(fmt.edge(negative))
        named = fmt.nan(negative) if policy.overflow == "nan" else fmt.special(negative)
        assert named is not None
        return self.magnitude(named)

    def tiny(self, negative: bool) -> int:
        """The least magnitude that becomes the quantum; the quantum itself where none does."""
        fmt, row, width = self.fmt, self.row, self.width
        if not fmt.has_zero or (negative and fmt.rejects_negatives):
            return 1
        if row.stochastic:
            return bits_of(self.quantum, width)
        grows = row.grows(False, negative)
        if not row.nearest:
            return 1 if grows else bits_of(self.quantum, width)
        half = _ceiling(self.quantum / 2, width)
        return half if grows or Fraction(_float_of(half, width)) > self.quantum / 2 else half + 1

    def zero_result(self) -> int:
        """What 0 gives: in a format without zero a NaN, as a word past every value, or its least value."""
        if self.fmt.has_zero:
            return 0
        if self.policy.overflow == "saturate" or self.fmt.nan() is None:
            return bits_of(self.fmt.smallest, self.width)
        return self.quiet_nan

    def nan(self) -> tuple[int, int]:
        """The result of NaN, and the mask that keeps its sign."""
        fmt, code = self.fmt, self.policy.nan_code
        sign = 1 << ((fmt.bits if self.codes else self.width) - 1)
        if code is None:
            canonical = fmt.nan()
            assert canonical is not None
            keeps = not self.codes or fmt.nan(True) != fmt.nan()
            return self.result(canonical), sign if keeps else 0
        return (self.result(code), 0) if code >= 0 else (0, 0)

    def rejected(self) -> int:
        """Words above it are negative and rejected: all of them, or those that round past -0.
        Without a zero 1 is taken off the words, so that 0 and -0 are above it too."""
        sign = 1 << (self.width - 1)
        if self.fmt.signed:
            return 2 * sign - 1
        return sign | (self.tiny(True) - 1) if self.fmt.has_zero else sign - 2

    def adder(self) -> int:
        """The exponent distance at which adding a power of two rounds, as a word; 0 where the
        short way does not serve: no fraction bits or no subnormals, or powers out of range."""
        fmt = self.fmt
        highest = fmt.emax + 2 + self.cut
        regular = fmt.man_bits and fmt.subnormals and self.cut and not self.own
        return self.cut << self.field_bits if regular and highest <= BIAS[self.width] else 0

    def half_draw(self) -> int:
        """Variant b draws the middles of the intervals: half a unit of the noise is added."""
        draws_middles = self.row.stochastic == "b"
        return 1 << (self.width - 1 - self.policy.random_bits) if draws_middles else 0

    def parameters(self) -> RoundingParameters:
        fmt, row, width = self.fmt, self.row, self.width
        ones = (1 << width) - 1
        over_pos, over_neg = self.overflow(False, True), self.overflow(True, True)
        inf_pos, inf_neg = self.overflow(False, False), self.overflow(True, False)
        max_pos = bits_of(fmt.max, width)
        nan, nan_sign = self.nan()
        magic = Fraction(2) ** self.field_bits * self.quantum
        spread = 1 if row.nearest else ones
        lone = not fmt.subnormals and fmt.has_zero
        return RoundingParameters(
            magnitude=ones >> 1, top=width - 1, width=width, zero=0, one=1,
            fraction=(1 << self.field_bits) - 1, fraction_bits=self.field_bits,
            implicit=1 << self.field_bits, cut=self.cut, emin=self.emin,
            half=max((1 << self.cut >> 1) - fmt.has_zero, 0),
            lsb=int(self.cut > 0 and fmt.has_zero), flip=self.flip,
            keep=ones ^ ((1 << self.cut) - 1),
            magic=0 if self.own else bits_of(magic, width),
            magic_limit=0 if self.own or not fmt.has_zero else bits_of(Fraction(2) ** fmt.emin, width),
            clamp=bits_of(Fraction(2) ** (fmt.emax + 2), width) if self.adder() else 0,
            adder=self.adder(),
            half_shift=1 if row.nearest else width - 1,
            base=row.base * spread, odd=row.odd * spread, neg=row.neg * spread,
            implied=bool(fmt.man_bits) << self.field_bits, parity=self.flip << self.field_bits,
            tiny_limit=0 if self.own else bits_of(self.quantum, width),
            quantum=bits_of(self.quantum, width),
            tiny_pos=self.tiny(False), tiny_x=self.tiny(False) ^ self.tiny(True),
            tiny_result=self.zero_result(), tiny_bits=fmt.man_bits if lone else 0,
            half_draw=self.half_draw(),
            max_pos=max_pos, max_x=0 if fmt.signed else max_pos,
            over_pos=over_pos, over_x=over_pos ^ over_neg, over_neg=over_neg,
            inf=bits_of(math.inf, width), inf_pos=inf_pos, inf_x=inf_pos ^ inf_neg,
            neg_limit=self.rejected(), no_zero=int(not fmt.has_zero),
            least=0 if fmt.has_zero else bits_of(fmt.smallest, width), nan=nan, nan_sign=nan_sign,
            zero_sign=ones if not fmt.signed else 0 if fmt.kind.negative_zero else 1,
            sign_shift=width - fmt.bits if self.codes else 0, rebias=self.rebias,
        )  # fmt: skip


def _float_of(word: int, width: int) -> float:
    return float(np.uint32(word).view(np.float32) if width == 32 else np.uint64(word).view(np.float64))


@lowering(Float)
class FloatLowering:
    """How the engines reach the float loops."""

    exact_integers = False  # 64-bit integers are rounded to odd in the load

    @staticmethod
    def rounding(fmt: Format, policy: Policy, width: int, codes: bool) -> Lowered | None:
        """The loop, or None where none of this width is exact."""
        assert isinstance(fmt, Float)
        if not fits(fmt, width) or not draws_fit(policy, width):
            return None
        lowered = _Lowering(fmt, policy, width, codes)
        q = lowered.parameters()
        if (
            not fmt.has_zero
            and policy.overflow != "saturate"
            and lowered.overflow(False, True) == (lowered.magnitude(fmt.edge()))
        ):
            return None  # 0 gives NaN but overflow does not: the loop has one result for both
        if policy.rounding.stochastic:
            kind = "stochastic"
        elif policy.rounding.name == "nearest_even" and _even_serves(lowered, q, codes):
            kind = _even_kind(lowered, codes)
        else:
            kind = "directed"
        return Lowered(kind, pack(q, width), _guard(fmt, policy, q))

    @staticmethod
    def decoding(fmt: Format, width: int) -> Reading | None:
        assert isinstance(fmt, Float)
        if not fits(fmt, width):
            return None
        at = _Lowering(fmt, Policy(NEAREST_AWAY, "saturate", -1), width, False)
        mag_bits = fmt.exp_bits + fmt.man_bits
        q = DecodingParameters(
            magnitude=(1 << mag_bits) - 1, sign_shift=width - fmt.bits,
            sign=(1 << (width - 1)) if fmt.signed else 0, cut=at.cut, rebias=at.rebias,
            magic=0 if at.own else bits_of(Fraction(2) ** at.field_bits * fmt.quantum, width),
            normal=0 if at.own or not fmt.has_zero else 1 << fmt.man_bits,
            subnormal=(1 << mag_bits) - 1 if fmt.subnormals else 0,
            max_mag=fmt.max_mag,
            inf_mag=(1 << width) - 1 if fmt._inf_mag is None else fmt._inf_mag,
            inf=bits_of(math.inf, width), nan=at.quiet_nan,
            nan_code=fmt._sign_nan if fmt._sign_nan is not None else (1 << width) - 1,
        )  # fmt: skip
        return Reading("decode_codes", pack(q, width))


def _guard(fmt: Float, policy: Policy, q: RoundingParameters) -> int:
    """The least magnitude word that the policy may refuse."""
    if policy.overflow == "raise":
        return int(q.max_pos) + 1 if fmt.signed else 0
    return int(q.inf) + 1 if policy.nan_code == -1 else (1 << q.width) - 1


def draws_fit(policy: Policy, width: int) -> bool:
    """Variant c rounds the fraction first, which no loop does; b needs one bit more than is drawn."""
    variant = policy.rounding.stochastic
    return variant != "c" and not (variant == "b" and policy.random_bits >= width)


def _even_kind(lowered: _Lowering, codes: bool) -> str:
    """The shortest of the nearest_even loops that serves."""
    if not lowered.fmt.signed:
        return "even_unsigned"
    if codes:
        return "even"
    return "even_own" if lowered.own else "even_adder" if lowered.adder() else "even"


def _even_serves(lowered: _Lowering, q: RoundingParameters, codes: bool) -> bool:
    """Whether all overflow on a side gives one result, so that the short loops do. Their codes
    below the least normal count subnormals: there must be some."""
    fmt = lowered.fmt
    if codes and fmt.has_zero and not fmt.subnormals:
        return False
    if fmt.signed:
        plain_nan = lowered.policy.nan_code in (None, -1)
        return bool(plain_nan and q.over_x == q.inf_x == 0 and q.inf_pos == q.over_pos)
    return bool(q.inf_pos == q.over_pos and q.inf_pos ^ q.inf_x == q.over_neg)
