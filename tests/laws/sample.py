"""A moderate sample of results, as one digest a format: compared across processes.

Run as a script it prints the digests; with `--without-numba` numba cannot be imported.
"""

import hashlib
import json
import sys

# values so near to each other and so far from others that a search of two steps finds them
CLUSTERED = f"codebook[values=[{','.join(map(str, [*(1 + k * 2.0**-23 for k in range(17)), *(4.0**-k for k in range(1, 40))]))}]]"


def digests():
    """Digests of codes and values of hard inputs, by format and mode, and of their decoding."""
    import numpy as np

    import numfmt
    from laws.hard import edge_values, hard_values, is_float32, noise_for

    found = {}
    for spec in (
        "f16",
        "e4m3fn",
        "e5m2fnuz",
        "e8m0fnu",
        "binary8p3ue",
        "f32",
        "e4m3fn[subnormals=off]",
        "int8",
        "uq4.12",
        "int53",
        "nf4",
        "dyn8",
        CLUSTERED,
    ):
        hard = np.concatenate([edge_values(spec)[::2], hard_values(spec, many=60)[::7]])
        for mode in ("nearest_even", "toward_positive", "to_odd", "stochastic"):
            for dtype in (np.float32, np.float64):
                x = hard[is_float32(hard)].astype(dtype) if dtype is np.float32 else hard
                if numfmt.parse(spec).nan() is None:
                    x = x[~np.isnan(x)]
                noise = noise_for(x.size) if mode == "stochastic" else None
                codes = numfmt.encode(x, spec, rounding=mode, noise=noise)
                values = numfmt.cast(x, spec, rounding=mode, noise=noise)
                again = numfmt.decode(codes, spec)
                whole = b"".join(a.tobytes() for a in (codes, values, again))
                found[f"{spec} {mode} {np.dtype(dtype)}"] = hashlib.sha256(whole).hexdigest()
    seeded = numfmt.encode(np.full(200, 1.3), "e4m3fn", rounding="stochastic", seed=9)
    found["seeded"] = hashlib.sha256(seeded.tobytes()).hexdigest()
    for overflow in ("wrap", "wrap_sign_magnitude[2]", "saturate_zero"):
        wrapped = numfmt.encode(np.linspace(-99, 99, 501), "q3.4", overflow=overflow)
        found[overflow] = hashlib.sha256(wrapped.tobytes()).hexdigest()
    x = np.float32(np.random.default_rng(4).standard_normal((9, 70)) * 30)
    for spec in ("int8[axis=0]", "int8[axis=1]", "uint4[size=16,axis=1]", "int8[scale=0.5,profile=tflite]"):
        whole = numfmt.encode(x, spec).codes.tobytes() + numfmt.cast(x, spec).tobytes()
        found[spec] = hashlib.sha256(whole).hexdigest()
    return found | shared_scales() | products()


def shared_scales():
    """Digests of blocks: codes, scales and values."""
    import numpy as np

    import numfmt

    found = {}
    x = np.float32(np.random.default_rng(5).standard_normal((9, 70)) * 2.0 ** np.arange(-30, 40))
    x[0, ::9], x[1, :32], x[2, 3:6] = 0, -0.0, np.float32([3.4e38, 1e-45, -(2.0**-126)])
    for spec in (
        "mxfp8_e4m3", "mxfp4[rule=rceil]", "mxfp8_e5m2[axis=0,rule=even]", "mxint8", "mx6", "bfp8", "flex16+5", "hif4",
        "nvfp4", "deepseek_1x128", "block[of=e4m3fn,scale=f32,size=2x16]", "block[of=int4,scale=f16,size=16,rule=mse]",
        "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16]",
    ):  # fmt: skip
        for mode in ("nearest_even", "toward_negative", "stochastic"):
            options = {"rounding": mode, "seed": 3}
            array, values = numfmt.encode(x, spec, **options), numfmt.cast(x, spec, **options)
            parts = array.codes, np.asarray(array.scales), array.decode(), values
            found[f"{spec} {mode}"] = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    return found


def products():
    """Digests of integer products, of narrow sums and of what gemmlowp makes of them."""
    import numpy as np

    import numfmt

    found = {}
    for dtype in (np.int8, np.uint8, np.int16):
        a = (np.arange(3 * 1500) * 7919 % 251).astype(dtype).reshape(3, 1500)
        narrow = numfmt.gemm.accumulate(a, a.T, "int17", "saturate")
        product = numfmt.matmul(a, a.T)
        stages = [numfmt.gemmlowp.Requantize(2**30 + 1, -12, zero=3), numfmt.gemmlowp.SaturatingCast("int8")]
        parts = product, *narrow[:2], numfmt.gemmlowp.run(np.tile(product, (40, 40)), stages)
        whole = b"".join(part.tobytes() for part in parts)
        found[f"products of {np.dtype(dtype)}"] = hashlib.sha256(whole).hexdigest()
    return found


if __name__ == "__main__":
    if "--without-numba" in sys.argv:
        sys.modules["numba"] = None
    print(json.dumps(digests()))
