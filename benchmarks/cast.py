"""Speed of casting, encoding and decoding: numfmt, the limit of the machine, and the peers that
are installed, in one run. `python benchmarks/cast.py [--write] [--quick]`.

Ratios are of least times over interleaved rounds, one thread unless said; the base is
`np.copyto` between arrays of the input's size unless another is named.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from timing import Row, best, module, normal, per_call, report, threads

import numfmt
from numfmt.engine import jit, pool

N = 10_000_000
COPY = "np.copyto"
NARROW = ("f16", "bf16", "tf32", "e4m3fn", "e5m2")


def value_rows() -> Iterator[Row]:
    """float32 to values, nearest even, preallocated; in place; allocating; a smaller array."""
    for n, limit, aim in ((N, 1.15, 1.0), (N // 10, 2.1, 1.5)):
        x = normal(n)
        out = np.empty_like(x)
        tasks = {COPY: lambda x=x, out=out: np.copyto(out, x)}
        tasks |= {f: lambda f=f, x=x, out=out: numfmt.cast(x, f, out=out) for f in NARROW}
        t = best(tasks, 15)
        for f in NARROW:
            yield Row(f"{f} value, out=, n = {n:.0e}", t[f], COPY, t[COPY], limit, aim)
    x, y = normal(N), normal(N)
    t = best({
        COPY: lambda: np.copyto(y, x), "copy": x.copy,
        "in place": lambda: numfmt.cast(y, "bf16", out=y), "new": lambda: numfmt.cast(x, "bf16"),
    })  # fmt: skip
    yield Row("bf16 value, in place", t["in place"], COPY, t[COPY], 0.9, 0.7)
    yield Row("bf16 value, allocating", t["new"], "x.copy()", t["copy"], 1.5, 1.3)


def spread_row() -> Iterator[Row]:
    """The slowest format with a NaN, in float32's exponent range, against the fastest."""
    x = normal(N)
    out = np.empty_like(x)
    formats = [f for f in map(numfmt.parse, _all_names()) if _plain(f)]
    t = best({str(f): lambda f=f: numfmt.cast(x, f, out=out) for f in formats}, 21)
    slow, fast = max(t, key=lambda k: t[k]), min(t, key=lambda k: t[k])
    yield Row(f"slowest of {len(t)} formats ({slow})", t[slow], f"fastest ({fast})", t[fast], 1.15)


def _all_names() -> list[str]:
    from numfmt.registry import examples

    return examples()


def _plain(fmt: Any) -> bool:
    """Has a NaN, and its values lie among float32's normal exponents or share its subnormals."""
    from numfmt.engine.plan import plan
    from numfmt.reference import policy

    loop = plan(fmt, policy(fmt), False, None).loop(32)
    return fmt.nan() is not None and loop is not None


def mode_rows() -> Iterator[Row]:
    x = normal(N)
    out = np.empty_like(x)
    noise = np.random.default_rng(1).integers(0, 1 << 32, N, dtype=np.uint32)
    modes = ("toward_zero", "toward_positive", "nearest_away", "to_odd")
    tasks = {COPY: lambda: np.copyto(out, x)}
    tasks |= {m: lambda m=m: numfmt.cast(x, "e4m3fn", rounding=m, out=out) for m in modes}
    tasks["seed"] = lambda: numfmt.cast(x, "e4m3fn", rounding="stochastic", seed=1, out=out)
    tasks["noise"] = lambda: numfmt.cast(x, "e4m3fn", rounding="stochastic", noise=noise, out=out)
    t = best(tasks)
    for m in modes:
        yield Row(f"e4m3fn value, {m}", t[m], COPY, t[COPY], 2.0, 1.5)
    yield Row("e4m3fn value, stochastic, seed=", t["seed"], COPY, t[COPY], 3.8, 2.8)
    yield Row("e4m3fn value, stochastic, noise=", t["noise"], COPY, t[COPY], 2.2)


def code_rows() -> Iterator[Row]:
    x = normal(N)
    out = np.empty_like(x)
    for f in ("f16", "bf16", "e4m3fn", "e5m2"):
        codes = numfmt.encode(x, f)
        t = best({
            COPY: lambda: np.copyto(out, x),
            "rne": lambda f=f, c=codes: numfmt.encode(x, f, out=c),
            "rtz": lambda f=f, c=codes: numfmt.encode(x, f, rounding="rtz", out=c),
            "decode": lambda f=f, c=codes: numfmt.decode(c, f, out=out),
        })  # fmt: skip
        yield Row(f"{f} encode, nearest even", t["rne"], COPY, t[COPY], 1.1)
        yield Row(f"{f} encode, toward zero", t["rtz"], COPY, t[COPY], 2.0)
        yield Row(f"{f} decode", t["decode"], COPY, t[COPY], 0.9, 0.65)


def input_rows() -> Iterator[Row]:
    """Other dtypes and layouts, to values of e4m3fn, over a float32 copy of as many elements."""
    base = normal(N)
    copy = np.empty_like(base)
    wide, wide_out = base.astype(np.float64), np.empty(N)
    t = best({
        "f8": lambda: np.copyto(wide_out, wide),
        "cast": lambda: numfmt.cast(wide, "f16", out=wide_out),
    })  # fmt: skip
    yield Row("float64 to f16 value", t["cast"], "float64 copyto", t["f8"], 0.95, 0.75)
    for what, x in _inputs(base):
        dtype = numfmt.cast(x[:1], "e4m3fn").dtype
        out = np.empty(N, dtype)
        t = best(
            {COPY: lambda: np.copyto(copy, base), "cast": lambda x=x, o=out: numfmt.cast(x, "e4m3fn", out=o)},
            5,
        )
        yield Row(f"{what} to e4m3fn value", t["cast"], COPY, t[COPY], 3.5)
    narrow = np.empty(N, np.float32)
    pairs = np.empty(2 * N, np.float32)
    pairs[::2] = base
    t = best({
        COPY: lambda: np.copyto(copy, base),
        "narrow": lambda: numfmt.cast(wide, "f16", out=narrow),
        "strided": lambda: numfmt.cast(pairs[::2], "e4m3fn", out=narrow),
        "e8m0": lambda: numfmt.cast(base, "e8m0fnu", overflow="saturate", out=narrow),
    }, 5)  # fmt: skip
    yield Row("float64 to f16 value in float32", t["narrow"], COPY, t[COPY], 3.5)
    yield Row("float32, every second element, to e4m3fn", t["strided"], COPY, t[COPY], 6)
    yield Row("float32 to e8m0fnu (64-bit loop)", t["e8m0"], COPY, t[COPY], 5)


def _inputs(base: Any) -> Iterator[tuple[str, Any]]:
    tens = base * 10
    for dtype in ("f2", "i1", "i2", "i4", "i8"):
        yield np.dtype(dtype).name, tens.astype(dtype)
    for dtype in ("u1", "u2", "u4", "u8"):
        yield np.dtype(dtype).name, np.abs(tens).astype(dtype)
    fixed = tens.copy()
    fixed.flags.writeable = False
    yield "float32, read-only,", fixed
    yield "float32, big-endian,", tens.astype(">f4")
    ml_dtypes = module("ml_dtypes")
    if ml_dtypes:
        for name in ("bfloat16", "float8_e5m2"):
            yield f"ml_dtypes {name}", tens.astype(getattr(ml_dtypes, name))


_ML_DTYPES = (("bf16", "bfloat16", 2.3), ("e4m3fn", "float8_e4m3fn", 45), ("e5m2", "float8_e5m2", 45))
_TORCH = (("f16", "float16", 1.4), ("bf16", "bfloat16", 1.4), ("e4m3fn", "float8_e4m3fn", 13))


def peer_rows() -> Iterator[Row]:
    """There and back into preallocated arrays, as each peer does it fastest."""
    x, back = normal(N), np.empty(N, np.float32)
    half = np.empty(N, np.float16)
    yield _against("NumPy float16 there and back", "f16", x, lambda: _there_and_back(x, half, back), 15)
    yield from _ml_dtypes_rows(x, back)
    yield from _torch_rows(x, back)
    yield from _gfloat_rows(x)


def _against(peer: str, fmt: str, x: Any, task: Any, limit: float) -> Row:
    out = np.empty_like(x)
    ours = {f"numfmt {turn}": lambda: numfmt.cast(x, fmt, out=out) for turn in range(4)}
    t = best({"peer": task, **ours}, 7)  # peers are slow: more turns for the short task
    return Row(f"{fmt} value", min(t[name] for name in ours), peer, t["peer"], limit, at_least=True)


def _there_and_back(x: Any, codes: Any, back: Any) -> None:
    np.copyto(codes, x, casting="unsafe")
    np.copyto(back, codes, casting="unsafe")


def _ml_dtypes_rows(x: Any, back: Any) -> Iterator[Row]:
    ml_dtypes = module("ml_dtypes")
    for fmt, name, limit in _ML_DTYPES if ml_dtypes else ():
        codes = np.empty(N, getattr(ml_dtypes, name))
        yield _against(f"ml_dtypes {name}", fmt, x, lambda c=codes: _there_and_back(x, c, back), limit)


def _torch_rows(x: Any, back: Any) -> Iterator[Row]:
    torch = module("torch")
    if torch:
        torch.set_num_threads(1)
        given, returned = torch.from_numpy(x), torch.from_numpy(back)
        for fmt, name, limit in _TORCH:
            codes = torch.empty(N, dtype=getattr(torch, name))
            task = lambda c=codes: (c.copy_(given), returned.copy_(c))  # noqa: E731
            yield _against(f"torch {name}, preallocated", fmt, x, task, limit)


def _gfloat_rows(x: Any) -> Iterator[Row]:
    gfloat = module("gfloat")
    if gfloat:
        from gfloat.formats import format_info_binary16

        few = x[: N // 10]
        wide = few.astype(np.float64)
        task = lambda: gfloat.round_ndarray(format_info_binary16, wide)  # noqa: E731
        yield _against("gfloat round_ndarray, n = 1e+06", "f16", few, task, 180)


def thread_rows() -> Iterator[Row]:
    x = normal(N)
    out = np.empty_like(x)

    def halves() -> None:
        pool.run(lambda part: np.copyto(out[part], x[part]), [slice(0, N // 2), slice(N // 2, N)])

    t = best({"one": lambda: np.copyto(out, x), "two": halves}, 11)
    yield Row("two threads, np.copyto: what memory allows", t["two"], "one thread", t["one"], at_least=True)

    def run(count: int, **options: Any) -> Any:
        threads(count)
        return numfmt.cast(x, "f16", out=out, **options)

    t = best({"one": lambda: run(1), "two": lambda: run(2)}, 11)
    yield Row("two threads, nearest even", t["two"], "one thread", t["one"], 1.3, at_least=True)
    draw = {"rounding": "stochastic", "seed": 1}
    t = best({"one": lambda: run(1, **draw), "two": lambda: run(2, **draw)}, 7)
    yield Row("two threads, stochastic", t["two"], "one thread", t["one"], 1.9, at_least=True)
    threads(1)


def call_rows() -> Iterator[Row]:
    """Overhead in microseconds: the base is one microsecond."""
    x, out, more = np.ones(1, np.float32), np.empty(1, np.float32), np.ones(1000, np.float32)
    us = 1e-6
    yield Row("call, n = 1, allocating", per_call(lambda: numfmt.cast(x, "bf16")), "us", us, 1.4, 0.9)
    yield Row("call, n = 1, out=", per_call(lambda: numfmt.cast(x, "bf16", out=out)), "us", us, 1.2, 0.6)
    yield Row("call, Python scalar", per_call(lambda: numfmt.cast(0.1, "bf16")), "us", us, 5, 2)
    yield Row("call, n = 1000", per_call(lambda: numfmt.cast(more, "bf16")), "us", us, 1.8)


def process_rows() -> Iterator[Row]:
    """Whole processes: the import, and the first cast with a warm and a cold cache."""
    modules = ("numpy", "numfmt")
    t = best({m: lambda m=m: _process(f"import {m}", runs=1) for m in modules}, 15)
    yield Row("import numfmt", t["numfmt"], "import numpy", t["numpy"], 1.3)
    first = "import time, numpy as np, numfmt; t = time.perf_counter(); numfmt.cast(np.ones(9, 'f4'), 'bf16'{}); print(time.perf_counter() - t)"
    drawn = ", rounding='sr', seed=1"
    _process(first.format(""), inside=True)
    yield Row("first cast, warm cache", _process(first.format(""), inside=True), "s", 1.0, 0.5)
    yield Row("first cast, cold cache", _cold(first.format("")), "s", 1.0, 1.2)
    yield Row("first stochastic cast, cold cache", _cold(first.format(drawn)), "s", 1.0, 1.8)


def _process(code: str, inside: bool = False, runs: int = 9, **env: str) -> float:
    """Least seconds of a process, or of what it prints."""
    import time

    clean = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=clean | env
        )
        times.append(float(done.stdout) if inside else time.perf_counter() - start)
    return min(times)


def _cold(code: str) -> float:
    import tempfile

    times = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            times.append(_process(code, True, 1, NUMFMT_CACHE_DIR=folder))
    return min(times)


def numpy_rows() -> Iterator[Row]:
    """The engine without numba; and cut points, the way of formats without loops."""
    from numfmt import cuts
    from numfmt.reference import policy

    x = normal(N)
    out = np.empty_like(x)
    tasks = {COPY: lambda: np.copyto(out, x)}
    formats = ("f16", "bf16", "e4m3fn")
    tasks |= {f: lambda f=f: numfmt.cast(x, f, engine="numpy", out=out) for f in formats}
    t = best(tasks, 5)
    for f in formats:
        yield Row(f"{f} value, engine='numpy'", t[f], COPY, t[COPY], 8)
    fmt = numfmt.parse("e4m3fn")
    wide = x[: N // 10].astype(np.float64)
    t = best({"cuts": lambda: cuts.search(wide, fmt, policy(fmt))}, 5)
    yield Row("8-bit format by cut points, an element", t["cuts"] / wide.size, "ns", 1e-9, 60)


SECTIONS = {
    "Values, nearest even, one thread": value_rows,
    "All formats alike": spread_row,
    "Other modes": mode_rows,
    "Codes": code_rows,
    "Other inputs": input_rows,
    "Against peers": peer_rows,
    "Threads": thread_rows,
    "Call overhead": call_rows,
    "Start": process_rows,
    "Without numba": numpy_rows,
}


if __name__ == "__main__":
    assert jit.loops() is not None
    report("cast", [], SECTIONS)
