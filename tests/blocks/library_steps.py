"""Libraries' ways to scales and elements of blocks, step by step in NumPy: oracles of the profiles.

Written from the libraries' sources, apart from numfmt: one float32 operation a step, elements found among
the list of a format's values. Each takes rows of one block each and gives (scales, codes, values): scales as
the numbers that a unit of an element is worth.
"""

from __future__ import annotations

import numpy as np

F4 = np.float32
FLT_MAX = np.finfo(F4).max
SPLIT = {  # exponent bits, fraction bits, magnitude codes of numbers
    "e4m3fn": (4, 3, 127), "e5m2": (5, 2, 124), "e3m2fn": (3, 2, 32), "e2m3fn": (2, 3, 32), "e2m1fn": (2, 1, 8),
    "e1m6fin": (1, 6, 128), "e1m3fin": (1, 3, 16), "e1m2fin": (1, 2, 8), "e1m1fin": (1, 1, 4),
}  # fmt: skip


def magnitudes(of):
    """The values of magnitude codes."""
    exp_bits, man_bits, count = SPLIT[of]
    bias = max((1 << (exp_bits - 1)) - 1, 1)
    codes = np.arange(count)
    exp, man = codes >> man_bits, codes & ((1 << man_bits) - 1)
    whole = np.where(exp > 0, (1 << man_bits) + man, man)
    return np.ldexp(whole.astype(float), np.maximum(exp, 1) - bias - man_bits)


LARGEST = {of: F4(magnitudes(of)[-1]) for of in SPLIT}
EMAX = {of: int(np.floor(np.log2(float(LARGEST[of])))) for of in SPLIT}


def bits_of(of):
    return 1 + sum(SPLIT[of][:2])


def nearest(t, of, ties="even"):
    """Codes of the values nearest to t, saturated, with the sign bit of t; t holds no NaN."""
    values = magnitudes(of)
    middles = (values[1:] + values[:-1]) / 2
    size = np.abs(t).astype(float)
    low, high = np.searchsorted(middles, size, "left"), np.searchsorted(middles, size, "right")
    chosen = {"even": low + (low & 1) * (high - low), "away": high, "down": low}[ties]
    return (chosen | np.signbit(t).astype(int) << (bits_of(of) - 1)).astype(np.uint8)


def value(codes, of):
    top = 1 << (bits_of(of) - 1)
    sizes = np.concatenate([magnitudes(of), np.full(top - SPLIT[of][2], np.nan)])
    return np.where(codes >= top, -sizes[codes % top], sizes[codes % top]).astype(F4)


def words(x):
    return np.ascontiguousarray(x, F4).view(np.uint32).astype(np.int64)


def floats(words):
    return np.asarray(words).astype(np.uint32).view(F4)


def power(exponents):
    """2**exponents, exact; NaN of NaN."""
    whole = np.ldexp(1.0, np.nan_to_num(exponents).astype(int)).astype(F4)
    return np.where(np.isnan(exponents), F4(np.nan), whole)


def e8m0(codes):
    return power(np.where(codes == 255, np.nan, codes - 127))


def absmax(x):
    """NaN where one is, as torch has it."""
    return np.abs(x).max(-1)


def known_absmax(x):
    """NaN left out, as fmaxf does."""
    return np.abs(np.where(np.isnan(x), F4(0), x)).max(-1)


def log2(x):
    return np.log2(x.astype(float)).astype(F4)


def rounded(t, of, ties="even"):
    """Codes, 0 for NaN."""
    return nearest(np.where(np.isnan(t), F4(0), t), of, ties)


def with_scales(scales, codes, of):
    """Values by one float32 product."""
    return scales, codes, value(codes, of) * scales[:, None]


def e4m3(t):
    """The e4m3fn value nearest to t >= 0, saturated; NaN stays."""
    return np.where(np.isnan(t), F4(np.nan), value(rounded(t, "e4m3fn"), "e4m3fn"))


# torchao: prototype/mx_formats/mx_tensor.py, nvfp4_tensor.py


def torchao_mx(x, of, rule):
    peak = absmax(x)
    if rule == "rceil":
        found = np.ceil(log2(peak / LARGEST[of]))
        code = np.where(np.isinf(peak), 254, np.nan_to_num(np.clip(found, -127, 127)) + 127)
        times = np.where(code == 0, 1.0, power(127 - code)).astype(F4)
        t = x * times[:, None]
    else:
        u = words(peak)
        if rule == "even":
            u = (u + (1 << (22 - SPLIT[of][1]))) & 0xFF800000
        e = ((u >> 23) & 255) - 127 + (rule == "ceil") * ((u & 0x7FFFFF) > 0)
        code = np.clip(e - EMAX[of], -127, 128) + 127
        t = x / np.maximum(floats(code << 23), F4(2.0**-126))[:, None]
    code = np.where(np.isnan(peak), 255, code)
    return with_scales(e8m0(code), rounded(t, of), of)


def torchao_nvfp4_one_level(x):
    s = e4m3(np.clip(absmax(x) / F4(6), F4(2.0**-6), F4(448)))
    return with_scales(s, rounded(x * (F4(1) / s)[:, None], "e2m1fn"), "e2m1fn")


def torchao_nvfp4(x, peak):
    g = peak / F4(2688)
    s = e4m3(np.clip(absmax(x) / F4(6) / g, F4(2.0**-6), F4(448)))
    t = x * (F4(1) / g / s)[:, None]
    return with_scales(g * s, rounded(t, "e2m1fn"), "e2m1fn")


# TransformerEngine


def ue8m0(ratio):
    """cvt.rp.satfinite.ue8m0x2 of numbers from 0 on."""
    u = words(ratio)
    exp, fraction = u >> 23, u & 0x7FFFFF
    up = (fraction > 0) & (exp != 254) & ~((exp == 0) & (fraction <= 0x400000))
    return np.where(np.isinf(ratio), 254, exp + up)


def transformer_engine_mx(x, of):
    code = ue8m0(known_absmax(x) * F4(1 / float(LARGEST[of])))
    t = x * power(127 - code)[:, None]
    codes = np.where(np.isnan(x), 0x7F, rounded(t, of)).astype(np.uint8)
    return with_scales(e8m0(code), codes, of)


def transformer_engine_tiles(x, of):
    peak = known_absmax(x)
    scale = LARGEST[of] / peak
    scale = floats(words(np.where(np.isinf(scale), FLT_MAX, scale)) & 0xFF800000)
    scale = np.where(np.isinf(peak) | (peak == 0), F4(1), scale)
    codes = np.where(np.isnan(x), 0x7F, rounded(x * scale[:, None], of)).astype(np.uint8)
    return with_scales(F4(1) / scale, codes, of)


def encode_scale(peak, bound=448):
    scale = np.minimum(F4(6 * bound) / peak, FLT_MAX)
    return F4(1) if peak == 0 or scale == 0 else scale


def transformer_engine_nvfp4(x, peak):
    scale = encode_scale(peak)
    s = e4m3(np.minimum(known_absmax(x) * (scale * (F4(1) / F4(6))), FLT_MAX))
    t = x * np.minimum(F4(1) / (s * (F4(1) / scale)), FLT_MAX)[:, None]
    return with_scales(s * peak * (F4(1) / F4(2688)), rounded(t, "e2m1fn"), "e2m1fn")


def four_over_six(x, peak, bound, squared, rows=1):
    """`rows` of x share a scale, as those of a tile: 1 or 16."""
    scale = encode_scale(peak, bound)
    tiles = x.reshape(-1, rows, x.shape[1])
    base = np.abs(tiles).max((1, 2)) / F4(6) * scale
    tried = []
    for times in (F4(1.5), F4(1)):
        s = e4m3(np.minimum(base * times, F4(448)))
        t = tiles * np.minimum(F4(1) / (s * (F4(1) / scale)), FLT_MAX)[:, None, None]
        codes = rounded(t, "e2m1fn")
        v = value(codes, "e2m1fn") * s[:, None, None] * peak / F4(6 * bound)
        error = np.zeros(tiles.shape[:2], F4)
        for i in range(x.shape[1]):
            off = v[:, :, i] - tiles[:, :, i]
            error = error + (off * off if squared else np.abs(off))
        for half in (8, 4, 2, 1) if rows == 16 else ():
            error = error[:, :half] + error[:, half:]
        tried.append((s, codes, error[:, 0]))
    (s4, codes4, error4), (s6, codes6, error6) = tried
    four = error4 < error6
    s, codes = np.where(four, s4, s6), np.where(four[:, None, None], codes4, codes6)
    scales = np.repeat(s * peak * (F4(1) / F4(6 * bound)), rows)
    return with_scales(scales, codes.reshape(x.shape), "e2m1fn")


# ModelOpt: qtensor


def modelopt_nvfp4(x, peak):
    g = peak / F4(2688)
    raw = absmax(x) / (F4(6) * g)
    s = e4m3(np.clip(np.where(raw == 0, F4(1), raw), F4(2.0**-9), F4(448)))
    t = x / (s * g)[:, None]
    codes = (rounded(np.abs(t), "e2m1fn") | (t < 0) << 3).astype(np.uint8)
    held = np.where(codes == 8, F4(0), value(codes, "e2m1fn"))
    return s * g, codes, held * (s * g)[:, None]


def modelopt_mxfp4(x):
    scales = power(np.ceil(np.maximum(log2(absmax(x) / F4(6)), -127)))
    t = x / scales[:, None]
    above = np.abs(t)[..., None] - F4([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5]) > 0
    codes = (above.sum(-1) + 8 * ~(t > 0)).astype(np.uint8)
    return with_scales(scales, codes, "e2m1fn")


def modelopt_mxfp8(x):
    ratio = absmax(x) / F4(448)
    e = np.clip(np.ceil(np.where(ratio > 0, log2(ratio), -127)), -127, 127)
    t = x * power(-e)[:, None]
    codes = np.where(np.isnan(t), 0x7F | np.signbit(x) << 7, rounded(t, "e4m3fn")).astype(np.uint8)
    return with_scales(power(e), codes, "e4m3fn")


# compressed-tensors


def fp4_by_sign(t):
    """sign(t) times the nearest magnitude, where sign(0) is 0; the code by the sign of that."""
    held = value(rounded(np.abs(t), "e2m1fn"), "e2m1fn") * np.sign(t)
    return nearest(np.where(np.isnan(held), F4(0), held), "e2m1fn")


def compressed_tensors_nvfp4(x, peak):
    scale = F4(1) / np.maximum(peak, F4(2.0**-126)) * F4(2688)
    scale = F4(scale) if np.isfinite(scale) else F4(1)
    s = e4m3(scale * (absmax(x) / F4(6)))
    unit = np.where(s == 0, F4(0.125), s) / scale
    return with_scales(unit, fp4_by_sign(x / unit[:, None]), "e2m1fn")


def compressed_tensors_mx(x, of):
    peak = absmax(x)
    u = (words(peak) + (1 << (22 - (3 if of == "e2m3fn" else 1)))) & 0xFF800000
    e = u >> 23
    code = np.where(e == 0, 0, np.where(e >= 255, 255, np.clip(e - EMAX[of], 0, 255)))
    t = x / e8m0(code)[:, None]
    codes = fp4_by_sign(t) if of == "e2m1fn" else rounded(t, of)
    return with_scales(e8m0(code), codes, of)


# microxcaling: mx/mx_ops.py, mx/elemwise_ops.py


def microxcaling(x, of, ties="away"):
    peak = absmax(x)
    e = np.floor(log2(np.where(peak == 0, F4(2.0**-126), peak))) - EMAX[of]
    scales = power(np.where(np.isfinite(peak) & (e <= 127), np.maximum(e, -127), np.nan))
    a = x / scales[:, None]
    exp_bits, man_bits, _ = SPLIT[of]
    least = -(1 << (exp_bits - 1)) + 2 if exp_bits > 1 else 0
    size = np.abs(a)
    private = np.maximum(np.floor(log2(np.where(size == 0, F4(1), size))), least) if exp_bits > 1 else 0
    y = size / power(private) * F4(1 << man_bits)
    z = np.floor(y + F4(0.5))
    if ties == "even":
        z = z - ((y - F4(0.5)) % F4(2) == 0)
    v = np.sign(a) * z / F4(1 << man_bits) * power(private)
    v = np.clip(v, -LARGEST[of], LARGEST[of])
    return scales, rounded(v, of), v * scales[:, None]


# DeepSeek, DeepGEMM


def deepseek_v3(x, powers):
    ratio = np.maximum(absmax(x), F4(1e-4)) / F4(448)
    scales = _power_above(ratio) if powers else ratio
    return with_scales(scales, rounded(x / scales[:, None], "e4m3fn"), "e4m3fn")


def deepseek_v3_2(x, powers):
    ratio = np.maximum(absmax(x), F4(1e-4)) * F4(1 / 448)
    scales = _power_above(ratio) if powers else ratio
    return with_scales(scales, rounded(x / scales[:, None], "e4m3fn"), "e4m3fn")


def _power_above(ratio):
    u = words(ratio)
    return floats(np.clip(((u >> 23) & 255) + ((u & 0x7FFFFF) != 0), 1, 254) << 23)


def deepgemm(x, of, powers):
    ratio = np.maximum(absmax(x), F4(1e-4)) / LARGEST[of]
    scales = _power_above(ratio) if powers else ratio
    t = x * (F4(1) / scales)[:, None]
    if of == "e4m3fn":
        codes = np.where(np.isnan(t), 0x7F | np.signbit(t) << 7, rounded(t, of)).astype(np.uint8)
    else:
        sizes = rounded(np.abs(t), of, "down")
        codes = (sizes | ((sizes > 0) & (t < 0)) << 3).astype(np.uint8)
    return with_scales(scales, codes, of)


# HiFloat4: HiF4_NVFP4_v14f16.py, To_HiFX and To_MXN


def bfloat16(x):
    """Rounded to 8 bits, ties to even; float64."""
    e = np.maximum(np.frexp(np.where(x == 0, 2.0**-200, x))[1] - 1, -126)
    return np.ldexp(np.rint(np.ldexp(x, 7 - e)), e - 7)


def hif4(x):
    """Rows of 64: (value of the e6m2 scale, factors of eights, of fours, codes, values)."""
    size = np.abs(x.astype(float))
    fours = size.reshape(-1, 16, 4).max(-1)
    eights = fours.reshape(-1, 8, 2).max(-1)
    wanted = np.clip(bfloat16(eights.max(-1) * 0.142578125), 2.0**-48, 49152.0)
    e = np.frexp(wanted)[1] - 1
    scale = np.ldexp(np.rint(np.ldexp(wanted, 2 - e)), e - 2)
    inverse = bfloat16(1 / scale)[:, None]
    upper = eights * inverse >= 4
    lower = fours * inverse / (1 + upper.repeat(2, -1)) >= 2
    factor = ((1 + upper.repeat(2, -1)) * (1 + lower)).repeat(4, -1)
    k = np.minimum(np.floor(size * inverse / factor * 4 + 0.5), 7)
    values = np.where(x < 0, -1.0, 1.0) * scale[:, None] * factor * k / 4
    codes = (k.astype(int) | (x < 0) << 3).astype(np.uint8)
    return scale, upper, lower, codes, values.astype(F4)


def shared_microexponents(x, bits):
    """To_MXN: rows of 16, values; exponents of numbers from 2**-100 on."""
    size = np.abs(x.astype(float))
    e = np.where(size == 0, -1000, np.frexp(size)[1] - 1)
    whole = e.max(-1) - 1
    pairs = np.maximum(e.reshape(-1, 8, 2).max(-1) - whole[:, None], 0).repeat(2, -1) + whole[:, None]
    ng = bits - 3
    m = np.minimum(np.floor(np.ldexp(size, ng - pairs) + 0.5) * 2.0**-ng, 2 - 2.0**-ng)
    return (np.where(x < 0, -1.0, 1.0) * np.ldexp(m, pairs)).astype(F4)
