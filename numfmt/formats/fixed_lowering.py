"""From (format, policy, width) to the parameters of the fixed-point loops."""

from __future__ import annotations

import math
from fractions import Fraction

from ..format import Format
from ..kernels.parameters import AdderParameters, GridParameters, IntegerParameters, pack
from ..kernels.words import LAYOUT
from ..overflow import folded, saturated_bits
from ..reference import Policy
from ..registry import Lowered, Reading, lowering
from .fixed import Fixed
from .floats_lowering import BIAS, FRACTION, bits_of, draws_fit

# The sum holds one bit less than a fraction; of a 64-bit integer 42 bits reach it, one odd bit below them.
_ADDER_BITS = {32: FRACTION[32] - 1, 64: 42}


@lowering(Fixed)
class FixedLowering:
    """How the engines reach the fixed-point loops."""

    exact_integers = True

    @staticmethod
    def rounding(fmt: Format, policy: Policy, width: int, codes: bool) -> Lowered | None:
        assert isinstance(fmt, Fixed)
        if not _has_normal_step(fmt, width):
            return None
        if _adder_serves(fmt, policy, width):
            return _by_adder(fmt, policy, width, codes)
        if width == 32 and _adder_serves(fmt, policy, 64):
            return None  # the wide adder outruns the narrow integers
        return _on_grid(fmt, policy, width) if _grid_serves(fmt, policy, width, codes) else None

    @staticmethod
    def decoding(fmt: Format, width: int) -> Reading | None:
        assert isinstance(fmt, Fixed)
        if not _has_normal_step(fmt, width) or fmt.boundary_bits > FRACTION[width] + 1:
            return None
        q = IntegerParameters(mask=(1 << fmt.bits) - 1, sign=_sign(fmt), step=bits_of(fmt.step, width))
        return Reading("decode_fixed", pack(q, width))


def _has_normal_step(fmt: Fixed, width: int) -> bool:
    """Whether a step, its inverse and the values are normal floats: no loop meets a subnormal."""
    return abs(fmt.frac) + fmt.bits < BIAS[width]


def _adder_serves(fmt: Fixed, policy: Policy, width: int) -> bool:
    """Whether all steps lie within half of the number that is added, and overflow saturates."""
    plain = policy.rounding.name == "nearest_even" and not policy.wraps
    return plain and policy.overflow != "saturate_zero" and fmt.boundary_bits <= _ADDER_BITS[width]


def _grid_serves(fmt: Fixed, policy: Policy, width: int, codes: bool) -> bool:
    """Whether the integers, and the bit above them that sign-magnitude wrapping reads, fit a word;
    as values they must fit a float."""
    bits = fmt.bits + (policy.overflow == "wrap_sign_magnitude")
    held = codes or fmt.boundary_bits <= FRACTION[width] + 2
    return bits <= width and held and draws_fit(policy, width)


def _sign(fmt: Fixed) -> int:
    return 1 << (fmt.bits - 1) if fmt.signed else 0


def _nan(fmt: Fixed, policy: Policy) -> int:
    """What NaN becomes, as an integer; 0 where it is refused."""
    code = policy.nan_code
    return 0 if code is None or code < 0 else fmt.rank(code)


def _by_adder(fmt: Fixed, policy: Policy, width: int, codes: bool) -> Lowered:
    low, high = fmt.span
    nan = _nan(fmt, policy)
    q = AdderParameters(
        magnitude=(1 << (width - 1)) - 1, inf=bits_of(math.inf, width),
        scale=bits_of(1 / fmt.step, width), step=bits_of(fmt.step, width),
        low=bits_of(-high if policy.overflow == "saturate_symmetric" and fmt.signed else low, width),
        high=bits_of(high, width), magic=bits_of(3 << (FRACTION[width] - 1), width),
        nan=nan if codes else bits_of(nan * fmt.step, width),
    )  # fmt: skip
    return Lowered("fixed_even", pack(q, width), _guard(fmt, policy, width))


def _on_grid(fmt: Fixed, policy: Policy, width: int) -> Lowered:
    row, half, ones = policy.rounding, 1 << (width - 1), (1 << width) - 1
    low, high = fmt.span
    if policy.overflow == "saturate_symmetric":
        low = max(low, -high)
    q = GridParameters(
        zero=0, one=1, ones=ones, width=width, last=width - 1, inf=bits_of(math.inf, width),
        point=int(LAYOUT[width // 8].unit) - fmt.frac, step=bits_of(fmt.step, width),
        base=row.base, odd=row.odd, neg=row.neg, sticky=int(not row.stochastic),
        above_up=half - 1 if row.nearest else 0, above=half if row.nearest else ones,
        half_draw=1 << (width - 1 - policy.random_bits) if row.stochastic == "b" else 0,
        max_pos=high, max_neg=-low, low=_kept(fmt, policy),
        over_pos=_forced(fmt, policy, False), over_neg=_forced(fmt, policy, True), sign=_sign(fmt),
        nan=_nan(fmt, policy), **_turns(fmt, policy, width),
    )  # fmt: skip
    kind = "fixed_stochastic" if row.stochastic else "fixed"
    return Lowered(kind, pack(q, width), _guard(fmt, policy, width))


def _kept(fmt: Fixed, policy: Policy) -> int:
    """The low bits of an integer that wrapping keeps."""
    if not policy.wraps:
        return 0
    count = _count(fmt, policy)
    return (1 << (fmt.bits - count)) - 1


def _count(fmt: Fixed, policy: Policy) -> int:
    """Bits that tell the side of the overflow; one bit of sign-magnitude wrapping is the sign anyway."""
    count = min(saturated_bits(policy.overflow)[0], fmt.bits)
    return 0 if count == 1 and policy.overflow.startswith("wrap_sign") else count


def _forced(fmt: Fixed, policy: Policy, negative: bool) -> int:
    """The bits that overflow sets: those of a far integer whose kept bits are 0."""
    if policy.wraps and not _count(fmt, policy):
        return 0
    plain = policy.overflow.replace("_sign_magnitude", "")
    far = -1 << 80 if negative else 1 << 80
    return folded(far, fmt, plain) & ~_kept(fmt, policy)


def _turns(fmt: Fixed, policy: Policy, width: int) -> dict[str, int]:
    """When sign-magnitude wrapping inverts; see `overflow.folded`."""
    count = min(saturated_bits(policy.overflow)[0], fmt.bits) if policy.wraps else 0
    return {
        "turns": int(policy.overflow.startswith("wrap_sign_magnitude")),
        "turn": min(fmt.bits - count, width - 1),
        "turn_zero": int(count == 0),
        "turn_top": fmt.bits - 1,
        "turn_sign": int(count > 0),
        "turn_base": int(count > 1),
    }


def _guard(fmt: Fixed, policy: Policy, width: int) -> int:
    """The least magnitude word that may be refused: an infinity, NaN, or one near the range's end."""
    if policy.overflow == "raise":
        return _word_below(fmt.max, width) if fmt.signed else 0
    infinity = bits_of(math.inf, width)
    if policy.wraps:
        return infinity
    return infinity + 1 if policy.nan_code == -1 else (1 << width) - 1


def _word_below(x: Fraction, width: int) -> int:
    """The word of a float at or just below x."""
    return bits_of(float(x), width) - 1
