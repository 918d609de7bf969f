"""Speed of blocks: numfmt, the limit of the machine, and the peers that are installed, in one run.
`python benchmarks/blocks.py [--write] [section ...]`; with `PYTHONPATH` to its sources microxcaling too.

Ratios are of least times over interleaved rounds, one thread unless said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from timing import Row, best, module, normal, per_call, report, threads

from numfmt import parse
from numfmt.engine import jit

N = 10_000_000
SHAPE = (10_000, 1_000)
COPY = "np.copyto"
MX = {"mxfp8_e4m3": "fp8_e4m3", "mxfp8_e5m2": "fp8_e5m2", "mxfp6_e3m2": "fp6_e3m2", "mxfp6_e2m3": "fp6_e2m3",
      "mxfp4": "fp4_e2m1", "mxint8": "int8"}  # fmt: skip
TWO_LEVELS = "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32],size=16]"


def value_rows() -> Iterator[Row]:
    """float32 to values, preallocated, scales from the data."""
    x = normal(N)
    for spec, limit, aim in (
        *((name, 2.2, 1.6) for name in MX),
        ("mxfp4[rule=rceil]", 2.2, 1.6),
        ("mxfp8_e4m3[rule=even]", 2.2, 1.6),
        ("nvfp4", 3.2, 2.2),
        (TWO_LEVELS, 3.2, 2.2),
        ("flex16+5", 1.6, 1.2),
        ("msfp12", None, None),
        ("deepseek_1x128", None, None),
        ("block[of=int8,scale=f32,size=32]", None, None),
    ):
        yield _value(spec, x, limit, aim)
    for spec, shape in (("mxfp4[axis=0]", SHAPE), ("deepseek_128x128", SHAPE), ("mx9", N)):
        yield _value(spec, x.reshape(shape), None, None)
    y, form = normal(N), parse("mxfp8_e4m3")
    t = best({COPY: lambda: np.copyto(y, x), "cast": lambda: form.cast(y, out=y)}, 11)
    yield Row("value, mxfp8_e4m3, in place", t["cast"], COPY, t[COPY])
    wide = x.astype(np.float64)
    out = np.empty_like(wide)
    t = best({COPY: lambda: np.copyto(out, wide), "cast": lambda: form.cast(wide, out=out)}, 7)
    yield Row("value, mxfp8_e4m3, float64", t["cast"], "np.copyto of float64", t[COPY])


def _value(spec: str, x: Any, limit: float | None, aim: float | None) -> Row:
    form, out = parse(spec), np.empty_like(x)
    t = best({COPY: lambda: np.copyto(out, x), "cast": lambda: form.cast(x, out=out)}, 15)
    return Row(f"value, {spec}", t["cast"], COPY, t[COPY], limit, aim)


def code_rows() -> Iterator[Row]:
    """float32 to codes and scales, and back, over a float32 copy."""
    x = normal(N)
    back = np.empty_like(x)
    for spec in (*MX, "nvfp4", "flex16+5", "msfp12", "deepseek_1x128"):
        form = parse(spec)
        array = form.encode(x)
        t = best({
            COPY: lambda: np.copyto(back, x),
            "encode": lambda f=form, c=array.codes: f.encode(x, out=c),
            "decode": lambda a=array: a.decode(out=back),
        }, 15)  # fmt: skip
        yield Row(f"codes, {spec}", t["encode"], COPY, t[COPY])
        yield Row(f"decode, {spec}", t["decode"], COPY, t[COPY], 1.5)


def peer_rows() -> Iterator[Row]:
    """To values by way of codes as torchao has them, and to values as microxcaling has them; one thread."""
    torch = module("torch")
    if torch:
        torch.set_num_threads(1)
        yield from _torchao_rows(torch)
        yield from _microxcaling_rows(torch)


def _torchao_rows(torch: Any) -> Iterator[Row]:
    mx = module("torchao.prototype.mx_formats.mx_tensor")
    nv = module("torchao.prototype.mx_formats.nvfp4_tensor")
    if not (mx and nv):
        return
    x = normal(*SHAPE)[:, :992]
    given = torch.from_numpy(np.ascontiguousarray(x))
    for spec, dtype in (
        ("mxfp8_e4m3", torch.float8_e4m3fn), ("mxfp8_e5m2", torch.float8_e5m2), ("mxfp4", torch.float4_e2m1fn_x2)
    ):  # fmt: skip
        yield _against(
            spec, given, "torchao to_mx, dequantize",
            lambda d=dtype: mx.MXTensor.to_mx(given, d, 32).dequantize(torch.float32), 28,
        )  # fmt: skip
    yield _against(
        "nvfp4[profile=torchao]", given, "torchao to_nvfp4, dequantize",
        lambda: nv.NVFP4Tensor.to_nvfp4(given, 16, nv.per_tensor_amax_to_scale(given.abs().max())).dequantize(torch.float32),
    )  # fmt: skip
    yield _against("nvfp4", given, "torchao to_nvfp4", lambda: nv.NVFP4Tensor.to_nvfp4(given, 16))


def _microxcaling_rows(torch: Any) -> Iterator[Row]:
    peer = module("mx.mx_ops")
    if not peer:
        return
    given = torch.from_numpy(np.ascontiguousarray(normal(*SHAPE)[:, :992]))
    for spec, name in MX.items():
        yield _against(
            spec, given, "microxcaling",
            lambda n=name: peer._quantize_mx(given, 8, n, axes=[-1], block_size=32, round="even"), 45,
        )  # fmt: skip


def _against(spec: str, given: Any, peer: str, theirs: Any, limit: float | None = None) -> Row:
    x, form = given.numpy(), parse(spec)
    out = np.empty_like(x)
    turns = {f"numfmt {turn}": lambda: form.cast(x, out=out) for turn in range(4)}  # peers are slow
    t = best({"peer": theirs, **turns}, 4)
    return Row(f"value, {spec}", min(t[name] for name in turns), peer, t["peer"], limit, at_least=True)


def thread_rows() -> Iterator[Row]:
    x = normal(N)
    out = np.empty_like(x)

    def run(count: int, task: Any) -> Any:
        threads(count)
        return task()

    for spec in ("mxfp8_e4m3", "mxfp4", "mxint8", "nvfp4", "flex16+5"):
        form = parse(spec)
        array = form.encode(x)
        for what, task in (
            ("value", lambda f=form: f.cast(x, out=out)),
            ("codes", lambda f=form, c=array.codes: f.encode(x, out=c)),
            ("decode", lambda a=array: a.decode(out=out)),
        ):
            t = best({"one": lambda f=task: run(1, f), "two": lambda f=task: run(2, f)}, 11)
            yield Row(f"two threads, {what}, {spec}", t["two"], "one thread", t["one"], 1.35, at_least=True)
    threads(1)


def call_rows() -> Iterator[Row]:
    """Overhead in microseconds: the base is one microsecond."""
    x, us = np.ones(1024, np.float32), 1e-6
    for spec in ("mxfp4", "nvfp4"):
        form = parse(spec)
        array = form.encode(x)
        yield Row(f"cast, n = 1024, {spec}", per_call(lambda f=form: f.cast(x), 1000), "us", us)
        yield Row(f"encode, n = 1024, {spec}", per_call(lambda f=form: f.encode(x), 1000), "us", us)
        yield Row(f"decode, n = 1024, {spec}", per_call(array.decode, 1000), "us", us)


SECTIONS = {
    "Values, one thread": value_rows,
    "Codes": code_rows,
    "Threads": thread_rows,  # before torch, whose import slows them
    "Against peers": peer_rows,
    "Call overhead": call_rows,
}


if __name__ == "__main__":
    assert jit.loops() is not None
    report("blocks", ["## Blocks", "", "`python benchmarks/blocks.py`", ""], SECTIONS)
