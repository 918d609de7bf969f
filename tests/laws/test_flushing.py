"""The loops are exact where the CPU flushes subnormal results and reads subnormal inputs as zero.

Other libraries set these bits for speed; a cast must not change with them.
"""

from laws.flushing import on_x86
from laws.test_without_numba import run_apart

SCRIPT = """
import numpy as np, numfmt
from laws.flushing import flushed

rng = np.random.default_rng(0)
bits = rng.integers(0, 1 << 32, 20000, dtype=np.uint32)
small = np.concatenate([np.arange(5000, dtype=np.uint32), np.arange(0x7FF000, 0x801000, dtype=np.uint32),
                        np.arange(0x80000000, 0x80001000, dtype=np.uint32)])
x = np.concatenate([bits, small]).view(np.float32)
x = x[~np.isnan(x)]
wide = np.concatenate([x.astype(np.float64), [5e-324, -5e-324, 2.2e-308, -1e-310]])
specs = ("f32", "bf16", "tf32", "f16", "e4m3fn", "e5m2", "e2m1fn", "e8m0fnu", "binary16p8se", "f64", "e4m3fn[subnormals=off]",
         "int8", "q0.7", "fixed[bits=8,frac=-3]", "fixed[bits=12,frac=120]", "fixed[bits=20,frac=140]", "uint24", "int40",
         "nf4", "dyn8")
modes = ("nearest_even", "toward_positive", "to_odd")

def results():
    out = []
    for spec in specs:
        options = {"overflow": "saturate"} if spec == "e8m0fnu" else {}
        for mode in modes:
            for values in (x, wide):
                out.append(numfmt.cast(values, spec, rounding=mode, **options).view(np.uint8))
                out.append(numfmt.encode(values, spec, rounding=mode, **options).view(np.uint8))
        out.append(numfmt.cast(x, spec, rounding="stochastic", seed=3, **options).view(np.uint8))
        codes = numfmt.encode(x, spec, **options)
        out.append(numfmt.decode(codes, spec).view(np.uint8))
    return out

plain = results()
with flushed():
    found = results()
bad = [i for i, (a, b) in enumerate(zip(plain, found)) if not np.array_equal(a, b)]
assert not bad, bad
"""


@on_x86
def test_flushing_changes_no_bit():
    run_apart(["-c", SCRIPT])
