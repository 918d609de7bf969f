"""A sample of results of operations, as one digest each: compared across processes and CPU modes.

Run as a script it prints the digests; with `--without-numba` numba cannot be imported.
"""

import hashlib
import json
import sys


def digests(count=800):
    """Values, codes and exceptions of numbers of all exponents, among them float32's and float64's subnormals."""
    import numpy as np

    import numfmt
    from numfmt import arithmetic

    rng = np.random.default_rng(3)
    bits = rng.integers(0, 1 << 32, (3, count), dtype=np.uint32)
    bits[:, : count // 4] &= 0x80FFFFFF  # small, many of them subnormal
    x, y, z = bits.view(np.float32)
    wide = [v[:60].astype(np.float64) * 2.0**-960 for v in (x, y, z)]
    found = {}
    for spec in ("bf16", "f16", "e4m3fn", "e8m0fnu", "f32", "q3.4", "nf4"):
        how = {"flags": True, "nan": "max", "overflow": "saturate"}
        for name, given in (
            ("add", (x, y)), ("sub", (x, y)), ("mul", (x, y)), ("div", (x, y)), ("sqrt", (x,)), ("fma", (x, y, z)),
            ("convert", (x,)), ("remainder", (x[:60], y[:60])), ("minimum", (x, y)), ("abs", (x,)),
            ("round_to_integral", (x,)), ("add", tuple(wide[:2])), ("fma", tuple(wide)),
        ):  # fmt: skip
            for mode in ("nearest_even", "toward_negative", "stochastic"):
                seed = 5 if mode == "stochastic" else None
                results = getattr(arithmetic, name)(*given, spec, rounding=mode, seed=seed, **how)
                found[f"{name} {spec} {mode} {given[0].dtype}"] = digest(*results)
        found[f"next_up {spec}"] = digest(arithmetic.next_up(x, spec, nan="max"))
    for ftz in ("before", "after"):
        results = numfmt.mul(x, y, "bf16", ftz=ftz, daz=True, flags=True, codes=False)
        found[f"ftz {ftz}"] = digest(*results)
    found["less"] = digest(arithmetic.less(x, y), arithmetic.equal(x, x))
    large = np.tile(x, 200)
    found["large"] = digest(
        *numfmt.fma(large, 3.0, large[::-1], "bf16", rounding="stochastic", seed=1, flags=True)
    )
    return found


def digest(*arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


if __name__ == "__main__":
    if "--without-numba" in sys.argv:
        sys.modules["numba"] = None
    print(json.dumps(digests()))
