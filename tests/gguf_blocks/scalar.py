"""GGUF types one number at a time: float32 scalars, lists, bytes; no step is shared with numfmt.

After the text of ggml-quants.c: `quantize` gives the bytes of one block, `dequantize` its numbers.
"""

import struct

import numpy as np

F = np.float32
IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
E2M1 = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)


# Numbers


def nearest(v):
    """Ties to even, by the low bits of a sum."""
    bits = int((F(v) + F(12582912)).view(np.uint32))
    return (bits & 0x7FFFFF) - 0x400000


def away(v):
    """Ties away from zero; 0 for what is not finite."""
    if not np.isfinite(v):
        return 0
    size = abs(float(v))
    whole = int(size)
    whole += size - whole >= 0.5
    return -whole if v < 0 else whole


def truncated(v):
    """float to int8 as x86 does it: 0 for what is not finite."""
    return int(v) if np.isfinite(v) else 0


def half(v):
    return struct.pack("<H", int(np.float16(v).view(np.uint16)))


def of_half(raw):
    return F(np.frombuffer(raw, "<f2")[0])


def clamp(v, low, high):
    return max(low, min(high, v))


def largest(x):
    """The first of largest magnitude, with its sign."""
    best, size = F(0), F(0)
    for v in x:
        if abs(v) > size:
            best, size = v, abs(v)
    return best


def reciprocal(d):
    return F(1) / d if d else F(0)


def nibbles(codes, run):
    """Pairs that lie `run` apart, in runs."""
    out = bytearray()
    for start in range(0, len(codes), 2 * run):
        out += bytes(codes[start + i] | codes[start + i + run] << 4 for i in range(run))
    return bytes(out)


def of_nibbles(raw, run):
    codes = []
    for start in range(0, len(raw), run):
        part = raw[start : start + run]
        codes += [b & 15 for b in part] + [b >> 4 for b in part]
    return codes


def quarters(codes):
    """Two bits each, 32 apart, in halves of 128."""
    return bytes(
        sum((codes[start + i + 32 * k] & 3) << 2 * k for k in range(4))
        for start in range(0, 256, 128)
        for i in range(32)
    )


def of_quarters(raw):
    return [raw[32 * (e // 128) + e % 32] >> 2 * (e % 128 // 32) & 3 for e in range(256)]


def bit_planes(bits):
    """Element e is bit e // 32 of byte e % 32."""
    out = bytearray(32)
    for e, bit in enumerate(bits):
        out[e % 32] |= bit << e // 32
    return bytes(out)


# Blocks of 32


def q4_0(x):
    d = largest(x) / F(-8)
    f = reciprocal(d)
    return half(d) + nibbles([min(15, truncated(v * f + F(8.5))) for v in x], 16)


def q5_0(x):
    d = largest(x) / F(-16)
    f = reciprocal(d)
    return half(d) + five([min(31, truncated(v * f + F(16.5))) for v in x])


def five(codes):
    high = sum((c >> 4) << e for e, c in enumerate(codes))
    return struct.pack("<I", high) + nibbles([c & 15 for c in codes], 16)


def ranged(x, top):
    low, high = x[0], x[0]
    for v in x:
        low, high = (v if v < low else low), (v if v > high else high)
    d = (high - low) / F(top)
    f = reciprocal(d)
    return half(d) + half(low), [min(top, truncated((v - low) * f + F(0.5))) for v in x]


def q4_1(x):
    head, codes = ranged(x, 15)
    return head + nibbles(codes, 16)


def q5_1(x):
    head, codes = ranged(x, 31)
    return head + five(codes)


def eight(x, last=127):
    d = abs(largest(x)) / F(last)
    f = reciprocal(d)
    return d, [away(v * f) for v in x]


def q8_0(x):
    d, codes = eight(x)
    return half(d) + struct.pack("32b", *codes)


def q8_1(x):
    d, codes = eight(x)
    return half(d) + half(F(sum(codes)) * d) + struct.pack("32b", *codes)


def power(e):
    return np.uint32(0x00200000 << e if e < 2 else (e - 1) << 23).view(F)


def mxfp4(x):
    top = abs(largest(x))
    e = (int(np.floor(F(np.log2(np.float64(top))))) + 125) % 256 if top else 0
    codes = []
    for v in x:
        errors = [abs(F(level) * power(e) - v) for level in E2M1]
        codes.append(min(range(16), key=lambda i: (errors[i], i)))
    return bytes([e]) + nibbles(codes, 16)


# Searches


def levels(x, factor, low, high):
    return [clamp(nearest(factor * v), low, high) for v in x]


def sums(x, codes):
    """Sum of w x l and of w l l, w = x x."""
    products = squares = F(0)
    for v, c in zip(x, codes, strict=True):
        products += v * v * v * F(c)
        squares += v * v * F(c) * F(c)
    return products, squares


def signed_search(x, n):
    top = largest(x)
    if abs(top) < F(1e-15):
        return [0] * len(x), F(0)
    codes = levels(x, F(-n) / top, -n, n - 1)
    products, squares = sums(x, codes)
    scale = products / squares if squares else F(0)
    best = scale * products
    for i in range(-9, 10):
        given = levels(x, -(F(n) + F(0.1) * F(i)) / top, -n, n - 1)
        products, squares = sums(x, given)
        if i and squares > 0 and products * products > best * squares:
            codes, scale = given, products / squares
            best = scale * products
    return [c + n for c in codes], scale


def moving_search(x, n):
    top = largest(x)
    if abs(top) < F(1e-15):
        return [0] * len(x), F(0)
    codes = levels(x, F(-n) / top, -n, n - 1)
    products, squares = sums(x, codes)
    for _ in range(5):
        changed = False
        for i, v in enumerate(x):
            w = v * v
            a = products - w * v * F(codes[i])
            if not a > 0:
                continue
            b = squares - w * F(codes[i]) * F(codes[i])
            code = clamp(nearest(v * b / a), -n, n - 1)
            if code == codes[i]:
                continue
            a += w * v * F(code)
            b += w * F(code) * F(code)
            if b > 0 and a * a * squares > products * products * b:
                codes[i], products, squares, changed = code, a, b, True
        if not changed:
            break
    return [c + n for c in codes], products / squares if squares > 0 else F(0)


def minimum_search(x, top, weights, first, steps, absolute):
    low, high = min(min(x), F(0)), max(x)
    if high == low:
        return [0] * len(x), F(0), -low
    sum_w = sum_x = F(0)
    for w, v in zip(weights, x, strict=True):
        sum_w += w
        sum_x += w * v

    def cost(codes, scale, start):
        result = F(0)
        for w, v, c in zip(weights, x, codes, strict=True):
            e = scale * F(c) + start - v
            result += w * (abs(e) if absolute else e * e)
        return result

    factor = F(top) / (high - low)
    scale = F(1) / factor
    codes = [clamp(nearest(factor * (v - low)), 0, top) for v in x]
    best = cost(codes, scale, low)
    for i in range(steps + 1):
        factor = (F(first) + F(0.1) * F(i) + F(top)) / (high - low)
        given = [clamp(nearest(factor * (v - low)), 0, top) for v in x]
        sum_l = sum_l2 = sum_xl = F(0)
        for w, v, c in zip(weights, x, given, strict=True):
            sum_l += w * F(c)
            sum_l2 += w * F(c) * F(c)
            sum_xl += w * F(c) * v
        determinant = sum_w * sum_l2 - sum_l * sum_l
        if not determinant > 0:
            continue
        slope = (sum_w * sum_xl - sum_x * sum_l) / determinant
        start = (sum_l2 * sum_x - sum_l * sum_xl) / determinant
        if start > 0:
            slope, start = sum_xl / sum_l2, F(0)
        error = cost(given, slope, start)
        if error < best:
            codes, scale, low, best = given, slope, start, error
    return codes, scale, -low


# Blocks of 256


def parts(x, size):
    return [x[i : i + size] for i in range(0, len(x), size)]


def counted(found, last):
    """Bytes that count a unit, and the unit as a float16."""
    top = F(0)
    for v in found:
        top = v if v > top else top
    factor = F(last) / top if top > 0 else F(0)
    return [nearest(factor * v) & 255 for v in found], half(top / F(last))


def recoded(x, codes, size, steps, starts, low, high):
    """Codes found again from what is stored, less `low`."""
    result = []
    for part, old, d, m in zip(parts(x, size), parts(codes, size), steps, starts, strict=True):
        result += [clamp(nearest((v + m) / d), low, high) - low for v in part] if d else old
    return result


def q2_k(x):
    found = [minimum_search(p, 3, [abs(v) for v in p], -0.5, 15, True) for p in parts(x, 16)]
    (scales, d), (lows, dmin) = counted([f[1] for f in found], 15), counted([f[2] for f in found], 15)
    both = [(s | m << 4) & 255 for s, m in zip(scales, lows, strict=True)]
    steps, starts = [of_half(d) * F(b & 15) for b in both], [of_half(dmin) * F(b >> 4) for b in both]
    codes = recoded(x, [c for f in found for c in f[0]], 16, steps, starts, 0, 3)
    return bytes(both) + quarters(codes) + d + dmin


def eight_scales(x, top, first, steps):
    found = []
    for p in parts(x, 32):
        square = F(0)
        for v in p:
            square += v * v
        mean = np.sqrt(square / F(32))
        found.append(minimum_search(p, top, [mean + abs(v) for v in p], first, steps, False))
    (scales, d), (lows, dmin) = counted([f[1] for f in found], 63), counted([f[2] for f in found], 63)
    scales, lows = [min(63, s) for s in scales], [min(63, m) for m in lows]
    steps_of, starts = [of_half(d) * F(s) for s in scales], [of_half(dmin) * F(m) for m in lows]
    codes = recoded(x, [c for f in found for c in f[0]], 32, steps_of, starts, 0, top)
    packed = bytearray(12)
    for j in range(4):
        packed[j] = scales[j] | scales[j + 4] >> 4 << 6
        packed[j + 4] = lows[j] | lows[j + 4] >> 4 << 6
        packed[j + 8] = scales[j + 4] & 15 | (lows[j + 4] & 15) << 4
    return d + dmin + bytes(packed), codes


def q4_k(x):
    head, codes = eight_scales(x, 15, -1.0, 20)
    return head + nibbles(codes, 32)


def q5_k(x):
    head, codes = eight_scales(x, 31, -0.5, 15)
    return head + bit_planes([c >> 4 for c in codes]) + nibbles([c & 15 for c in codes], 32)


def signed(v):
    """The low byte, as int8."""
    return (v + 128) % 256 - 128


def q3_k(x):
    found = [moving_search(p, 4) for p in parts(x, 16)]
    top = largest([f[1] for f in found])
    factor = F(-32) / top if top else F(0)
    scales = [clamp(signed(nearest(factor * f[1])), -32, 31) + 32 if top else 0 for f in found]
    d = half(F(1) / factor if top else F(0))
    steps = [of_half(d) * F(s - 32) for s in scales]
    codes = recoded(x, [c for f in found for c in f[0]], 16, steps, [F(0)] * 16, -4, 3)
    packed = bytearray(12)
    for j, s in enumerate(scales):
        packed[j % 8] |= (s & 15) << 4 * (j // 8)
        packed[8 + j % 4] |= s >> 4 << 2 * (j // 4)
    return bit_planes([c >> 2 for c in codes]) + quarters(codes) + bytes(packed) + d


def q6_k(x):
    found = [signed_search(p, 32) for p in parts(x, 16)]
    top = largest([f[1] for f in found])
    if abs(top) < F(1e-15):
        return bytes(210)
    factor = F(-128) / top
    scales = [signed(min(127, nearest(factor * f[1]))) for f in found]
    d = half(F(1) / factor)
    steps = [of_half(d) * F(s) for s in scales]
    codes = recoded(x, [c for f in found for c in f[0]], 16, steps, [F(0)] * 16, -32, 31)
    low = b"".join(
        bytes(codes[n + i] & 15 | (codes[n + i + 64] & 15) << 4 for i in range(64)) for n in (0, 128)
    )
    return low + quarters([c >> 4 for c in codes]) + struct.pack("16b", *scales) + d


def q8_k(x):
    top = largest(x)
    if not top:
        return bytes(292)
    factor = F(-127) / top
    codes = [signed(min(127, nearest(factor * v))) for v in x]
    totals = [sum(p) for p in parts(codes, 16)]
    return struct.pack("<f256b16h", F(1) / factor, *codes, *totals)


# Unequal steps


def index(t):
    """The nearest of the values of IQ4, the upper one of two as near."""
    if t <= IQ4[0]:
        return 0
    if not t < IQ4[-1]:
        return 15
    upper = next(i for i, v in enumerate(IQ4) if t < v)
    return upper - 1 if t - F(IQ4[upper - 1]) < F(IQ4[upper]) - t else upper


def ratio(x, codes):
    products = squares = F(0)
    for v, c in zip(x, codes, strict=True):
        products += v * v * F(IQ4[c]) * v
        squares += v * v * F(IQ4[c]) * F(IQ4[c])
    return products, squares


def iq4_scale(x, d, trials):
    f = F(1) / d
    products, squares = ratio(x, [index(f * v) for v in x])
    scale = products / squares if squares > 0 else F(0)
    best = scale * products
    for i in trials:
        f = F(i + IQ4[0]) / largest(x)
        products, squares = ratio(x, [index(f * v) for v in x])
        if squares > 0 and products * products > best * squares:
            scale = products / squares
            best = scale * products
    return scale


def iq4_nl(x):
    if abs(largest(x)) < F(1e-15):
        return bytes(18)
    d = largest(x) / F(IQ4[0])
    f = F(1) / d
    return half(iq4_scale(x, d, ())) + nibbles([index(f * v) for v in x], 16)


def iq4_xs(x):
    scales = [
        F(0) if abs(largest(p)) < F(1e-15) else iq4_scale(p, -largest(p) / F(IQ4[0]), range(-7, 8))
        for p in parts(x, 32)
    ]
    d = -largest(scales) / F(32)
    counts = [clamp(nearest(reciprocal(d) * s), -32, 31) for s in scales]
    factors = [reciprocal(d * F(c)) for c in counts]
    codes = [index(f * v) for f, p in zip(factors, parts(x, 32), strict=True) for v in p]
    stored = [c + 32 for c in counts]
    high = sum((s >> 4) << 2 * i for i, s in enumerate(stored))
    low = bytes(stored[i] & 15 | (stored[i + 1] & 15) << 4 for i in range(0, 8, 2))
    return half(d) + struct.pack("<H", high) + low + nibbles(codes, 16)


# Ternary


def trits(x):
    d, codes = eight(x, 1)
    return d, [c + 1 for c in codes]


def tq1_0(x):
    d, t = trits(x)
    out = bytearray()
    for start, count, run in ((0, 32, 32), (160, 16, 16), (240, 4, 4)):
        for i in range(count):
            digits = [t[start + i + run * n] for n in range(4 if start == 240 else 5)]
            number = 0
            for digit in [*digits, 0][:5]:
                number = 3 * number + digit
            out.append(-(-number * 256 // 243))
    return bytes(out) + half(d)


def tq2_0(x):
    d, t = trits(x)
    return quarters(t) + half(d)


QUANTIZERS = {
    f.__name__: f
    for f in (
        q4_0, q4_1, q5_0, q5_1, q8_0, q8_1, q2_k, q3_k, q4_k, q5_k, q6_k, q8_k, iq4_nl, iq4_xs, tq1_0, tq2_0,
        mxfp4,
    )
}  # fmt: skip


def quantize(x, name):
    """The bytes of one block of float32 numbers."""
    with np.errstate(all="ignore"):
        return QUANTIZERS[name](list(np.float32(x)))


# Reading


def straight(raw, codes, d, zero=0, low=None):
    return [F(c - zero) * d if low is None else F(c) * d + low for c in codes]


def of_five(raw):
    high = int.from_bytes(raw[:4], "little")
    return [c | (high >> e & 1) << 4 for e, c in enumerate(of_nibbles(raw[4:], 16))]


def of_bit_planes(raw):
    return [raw[e % 32] >> e // 32 & 1 for e in range(256)]


def six_bits(raw, j):
    if j < 4:
        return raw[j] & 63, raw[j + 4] & 63
    return raw[j + 4] & 15 | raw[j - 4] >> 6 << 4, raw[j + 4] >> 4 | raw[j] >> 6 << 4


def with_minima(codes, d, dmin, pairs, size):
    """d * s * code - dmin * m, from left to right."""
    result = []
    for part, (s, m) in zip(parts(codes, size), pairs, strict=True):
        step, low = d * F(s), dmin * F(m)
        result += [step * F(c) - low for c in part]
    return result


def with_scales(codes, d, scales, size, zero):
    result = []
    for part, s in zip(parts(codes, size), scales, strict=True):
        step = d * F(s)
        result += [step * F(c - zero) for c in part]
    return result


def read_q2_k(raw):
    pairs = [(b & 15, b >> 4) for b in raw[:16]]
    return with_minima(of_quarters(raw[16:80]), of_half(raw[80:82]), of_half(raw[82:]), pairs, 16)


def read_q3_k(raw):
    codes = [
        low | high << 2 for low, high in zip(of_quarters(raw[32:96]), of_bit_planes(raw[:32]), strict=True)
    ]
    packed = raw[96:108]
    scales = [
        (packed[j % 8] >> 4 * (j // 8) & 15 | (packed[8 + j % 4] >> 2 * (j // 4) & 3) << 4) - 32
        for j in range(16)
    ]
    return with_scales(codes, of_half(raw[108:]), scales, 16, 4)


def read_eight(raw, codes):
    pairs = [six_bits(raw[4:16], j) for j in range(8)]
    return with_minima(codes, of_half(raw[:2]), of_half(raw[2:4]), pairs, 32)


def read_q5_k(raw):
    pairs = zip(of_nibbles(raw[48:], 32), of_bit_planes(raw[16:48]), strict=True)
    return read_eight(raw, [low | high << 4 for low, high in pairs])


def read_q6_k(raw):
    high = of_quarters(raw[128:192])
    codes = []
    for e in range(256):
        half_, inside = divmod(e, 128)
        b = raw[64 * half_ + inside % 64]
        codes.append((b >> 4 if inside >= 64 else b & 15) | high[e] << 4)
    return with_scales(codes, of_half(raw[208:]), struct.unpack("16b", raw[192:208]), 16, 32)


def read_iq4_xs(raw):
    high = int.from_bytes(raw[2:4], "little")
    scales = [(raw[4 + i // 2] >> 4 * (i % 2) & 15 | (high >> 2 * i & 3) << 4) - 32 for i in range(8)]
    return with_scales([IQ4[c] for c in of_nibbles(raw[8:], 16)], of_half(raw[:2]), scales, 32, 0)


def read_tq1_0(raw):
    d, result = of_half(raw[52:]), []
    for start, count, digits in ((0, 32, 5), (32, 16, 5), (48, 4, 4)):
        for n in range(digits):
            for i in range(count):
                left = raw[start + i] * 3**n % 256
                result.append(F((left * 3 >> 8) - 1) * d)
    return result


def bytes_of(raw):
    return struct.unpack(f"{len(raw)}b", raw)


READERS = {
    "q4_0": lambda r: straight(r, of_nibbles(r[2:], 16), of_half(r[:2]), 8),
    "q4_1": lambda r: straight(r, of_nibbles(r[4:], 16), of_half(r[:2]), low=of_half(r[2:4])),
    "q5_0": lambda r: straight(r, of_five(r[2:]), of_half(r[:2]), 16),
    "q5_1": lambda r: straight(r, of_five(r[4:]), of_half(r[:2]), low=of_half(r[2:4])),
    "q8_0": lambda r: straight(r, bytes_of(r[2:]), of_half(r[:2])),
    "q8_1": lambda r: straight(r, bytes_of(r[4:]), of_half(r[:2])),
    "q8_k": lambda r: straight(r, bytes_of(r[4:260]), F(struct.unpack("<f", r[:4])[0])),
    "iq4_nl": lambda r: straight(r, [IQ4[c] for c in of_nibbles(r[2:], 16)], of_half(r[:2])),
    "mxfp4": lambda r: straight(r, [E2M1[c] for c in of_nibbles(r[1:], 16)], power(r[0])),
    "tq2_0": lambda r: straight(r, of_quarters(r[:64]), of_half(r[64:]), 1),
    "q2_k": read_q2_k,
    "q3_k": read_q3_k,
    "q4_k": lambda r: read_eight(r, of_nibbles(r[16:], 32)),
    "q5_k": read_q5_k,
    "q6_k": read_q6_k,
    "iq4_xs": read_iq4_xs,
    "tq1_0": read_tq1_0,
}


def dequantize(raw, name):
    """The numbers of the bytes of one block, float32."""
    with np.errstate(all="ignore"):
        return np.array(READERS[name](bytes(raw)), np.float32)
