"""Hard operands for matrix units: every code, cancelling pairs, alignments at the edge, the ends of the range."""

import numpy as np

import numfmt
from numfmt.gemm.unit_steps import float_format

KINDS = ("codes", "near", "cancelling", "edges", "tiny", "special")


def values(spec, shape, kind, rng):
    return {
        "codes": _codes, "near": _near, "cancelling": _near, "edges": _edges, "tiny": _tiny, "special": _special,
    }[kind](float_format(spec), shape, rng)  # fmt: skip


def _significands(form, shape, rng):
    """Few ones, or long runs of ones, with a sign."""
    ulp = 2.0**-form.man_bits
    return rng.choice(
        [1, 1.5, 1 + ulp, 2 - ulp, 2 - 2 * ulp, 1 + 0.5 * (form.man_bits > 1)], shape
    ) * rng.choice([-1, 1], shape)


def _cast(x, form):
    return numfmt.cast(x, form, rounding="toward_zero", overflow="saturate", nan=0, dtype=np.float64)


def _codes(form, shape, rng):
    """Any code but infinities and NaN."""
    found = numfmt.decode(
        rng.integers(0, 1 << min(form.bits, 32), shape).astype(np.uint64), form, dtype=np.float64
    )
    return np.where(np.isfinite(found), found, 0.0)


def _near(form, shape, rng):
    return _cast(_significands(form, shape, rng) * 2.0 ** rng.integers(-3, 4, shape), form)


def _edges(form, shape, rng):
    """Exponents some 24 apart, as far as the format has them, with zeros of both signs."""
    e = rng.choice([-26, -25, -24, -23, -13, -12, -1, 0, 0, 1, 13], shape) // (2 if form.bits < 32 else 1)
    x = _cast(_significands(form, shape, rng) * 2.0**e, form)
    return np.where(rng.random(shape) < 0.1, rng.choice([0.0, -0.0], shape), x)


def _tiny(form, shape, rng):
    """Around the least normal value, its square root, and 2**-25 of it; zeros."""
    half = form.emin // 2
    e = rng.choice([form.emin, half, half - 8, half - 12, half - 13, form.emin - 3, form.emin + 20], shape)
    x = _cast(np.where(rng.random(shape) < 0.5, 1.0, _significands(form, shape, rng)) * 2.0**e, form)
    return np.where(rng.random(shape) < 0.3, rng.choice([0.0, -0.0], shape), x)


def _special(form, shape, rng):
    """Large values, infinities and NaN where there are some."""
    x = _cast(_significands(form, shape, rng) * 2.0 ** (form.emax - rng.integers(0, 3, shape)), form)
    for special in [form.infinity(), form.nan()]:
        if special is not None:
            sign = rng.choice([-1, 1], shape)
            x = np.where(rng.random(shape) < 0.03, sign * float(form.value(special)), x)
    return x


def operands(unit, kind, rng, m=5, n=6, steps=2):
    """a, b, c, scales."""
    k = unit.run * steps
    a, b = values(unit.a, (m, k), kind, rng), values(unit.b, (k, n), kind, rng)
    if kind == "cancelling":
        for first, second in rng.integers(0, k, (k // 2, 2)):
            if first != second:
                a[:, second], b[second] = -a[:, first], b[first]
    c = values(unit.c, (m, n), kind, rng)
    if not unit.scales:
        return a, b, c, None
    blocks = k // unit.scales.block
    return a, b, c, (scales(unit, (m, blocks), rng), scales(unit, (blocks, n), rng))


def scales(unit, shape, rng):
    form = float_format(unit.scales.format)
    near = np.abs(_near(form, shape, rng))
    return np.where(rng.random(shape) < 0.1, float(form.max) * 2.0**-20 if form.man_bits == 0 else 0.0, near)
