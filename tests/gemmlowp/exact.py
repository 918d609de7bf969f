"""The arithmetic on single Python integers, from its definition on real numbers: the oracle."""

from dataclasses import dataclass, replace
from fractions import Fraction

MIN, MAX = -(2**31), 2**31 - 1


def wrap(x, bits=32):
    return (x + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def clip(x, low, high):
    return low if x < low else high if x > high else x


def half_up(n, d):
    """n / d to the nearest integer, ties upwards."""
    return (2 * n + d) // (2 * d)


def half_away(n, d):
    return half_up(n, d) if n >= 0 else -half_up(-n, d)


def srdhm(a, b, bits=32):
    least = -(2 ** (bits - 1))
    return -least - 1 if a == b == least else half_up(a * b, -least)


def rdpot(x, e):
    return half_away(x, 2**e)


def by_pot(x, e, bits=32):
    least = -(2 ** (bits - 1))
    return clip(x * 2**e, least, -least - 1) if e >= 0 else rdpot(x, -e)


def multiply(x, q, shift, rounding):
    if rounding == "single":
        return wrap(half_up(x * q, 2 ** (31 - shift)))
    high = srdhm(wrap(x * 2 ** max(shift, 0)), q)
    nearest = half_away if rounding == "double" else half_up
    return nearest(high, 2 ** max(-shift, 0))


def multiply_int64(x, q, shift):
    q16 = (q + 2**15) // 2**16 if q < 0x7FFF0000 else 0x7FFF
    return wrap(half_up(x * q16, 2 ** (15 - shift)))


def quantized(m):
    """(q, shift) of a double that is not 0, by exact comparison with powers of two."""
    real, shift = abs(Fraction(m)), 0
    while real >= 1:
        real, shift = real / 2, shift + 1
    while 2 * real < 1:
        real, shift = real * 2, shift - 1
    q = half_up(*(real * 2**31).as_integer_ratio())
    if q == 2**31:
        q, shift = 2**30, shift + 1
    return (0, 0) if shift < -31 else (q if m > 0 else -q, shift)


@dataclass(frozen=True)
class Fixed:
    """A number of gemmlowp's FixedPoint<intN_t, integer_bits>."""

    raw: int
    integer_bits: int
    bits: int = 32

    @property
    def unit(self):
        return 2 ** (self.bits - 1 - self.integer_bits)

    def of(self, raw):
        return replace(self, raw=wrap(raw, self.bits))

    def constant(self, integer_bits, raw32):
        return Fixed(raw32 if self.bits == 32 else rdpot(raw32, 16), integer_bits, self.bits)

    def one(self, integer_bits=0):
        most = 2 ** (self.bits - 1) - 1
        return Fixed(2 ** (self.bits - 1 - integer_bits) if integer_bits else most, integer_bits, self.bits)

    def __add__(self, other):
        assert self.integer_bits == other.integer_bits
        return self.of(self.raw + other.raw)

    def __sub__(self, other):
        assert self.integer_bits == other.integer_bits
        return self.of(self.raw - other.raw)

    def __neg__(self):
        return self.of(-self.raw)

    def __mul__(self, other):
        raw = srdhm(self.raw, other.raw, self.bits)
        return Fixed(raw, self.integer_bits + other.integer_bits, self.bits)

    def rescaled(self, integer_bits):
        return Fixed(by_pot(self.raw, self.integer_bits - integer_bits, self.bits), integer_bits, self.bits)

    def scaled(self, e):
        return self.of(by_pot(self.raw, e, self.bits))

    def relabelled(self, k):
        return replace(self, integer_bits=self.integer_bits + k)


EXPONENTS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242}


def exp_quarter(a):
    """exp on [-1/4, 0), no integer bits: a Taylor polynomial about -1/8."""
    x = a.of(a.raw + a.unit // 8)
    x2 = x * x
    x3, x4 = x2 * x, x2 * x2
    t = ((x4.scaled(-2) + x3) * a.constant(0, 715827883) + x2).scaled(-1)
    c = a.constant(0, 1895147668)
    total = c.raw + (c * (x + t)).raw
    return a.of(total if a.bits == 32 else clip(total, -(2**15), 2**15 - 1))


def exp(a):
    if a.raw == 0:
        return a.one()
    if a.integer_bits > 5 and a.raw < -32 * a.unit:
        return a.constant(0, 0)
    quarter = a.unit // 4
    near = a.raw % quarter - quarter
    result = exp_quarter(a.of(near).rescaled(0))
    for k, raw in EXPONENTS.items():
        if a.integer_bits > k and (near - a.raw) // (quarter * 2 ** (k + 2)) % 2:
            result = result * a.constant(0, raw)
    return result


def newton(a):
    h = Fixed(half_away(a.raw + a.one().raw, 2), 0, a.bits)
    x = a.constant(2, 1515870810) + h * a.constant(2, -1010580540)
    for _ in range(3):
        x = x + (x * (a.one(2) - h * x)).rescaled(2)
    return x


def reciprocal(a):
    return newton(a).relabelled(-1).rescaled(0)


def ratio(a):
    return (newton(a) - a.one(2)).rescaled(0)


def logistic(a):
    if a.raw == 0:
        return a.constant(0, 2**30)
    p = reciprocal(exp(a if a.raw < 0 else -a))
    return p if a.raw > 0 else a.one() - p


def tanh(a):
    if a.raw == 0:
        return a.constant(0, 0)
    t = ratio(exp((a if a.raw < 0 else -a).relabelled(1)))
    return t if a.raw > 0 else -t


def raw(x):
    """A double of [0, 1] without integer bits."""
    return min(half_away(*(x * 2.0**31).as_integer_ratio()), MAX)


def tanh_stage(x, zero, amplitude):
    if x <= zero - 8 * amplitude:
        return zero - amplitude
    if x >= zero + 8 * amplitude:
        return zero + amplitude
    inverse, left = 1 / amplitude, 28
    while inverse < 0.5:
        inverse, left = inverse * 2, left - 1
    real, exponent = float(amplitude), 0
    while real >= 1:
        real, exponent = real / 2, exponent + 1
    argument = srdhm(x - zero, raw(inverse))
    t = tanh(Fixed(clip(argument * 2**left, MIN, MAX), 3))
    return srdhm(t.raw, raw(real)) // 2 ** (31 - exponent) + zero
