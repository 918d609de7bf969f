"""Speed of codebooks, of elements and of blocks: numfmt, the limit of the machine, and bitsandbytes on the CPU, in
one run. `python benchmarks/codebooks.py [--write] [section ...]`.

Ratios are of least times over interleaved rounds, one thread unless said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from timing import Row, best, module, normal, report, threads

import numfmt
from numfmt import quantizers
from numfmt.engine import jit
from numfmt.formats.codebook import Codebook

N = 10_000_000
WHOLE = N // 4096 * 4096  # whole blocks of every size
SHAPE = (10_000, 1_000)
COPY, PEER = "np.copyto", "bitsandbytes"
FOUR_BITS, EIGHT_BITS = (3.5, 2.7), (5.0, 4.0)  # codes: must, aim
DECODE = 1.5
LISTS = 4.0
ELEMENTS = {"nf4": FOUR_BITS, "fp4_bnb": FOUR_BITS, "dyn8": EIGHT_BITS, "dyn8u": EIGHT_BITS}
BLOCKS = {
    "bnb_nf4": FOUR_BITS,
    "bnb_fp4": FOUR_BITS,
    "bnb8": EIGHT_BITS,
    "bnb8[size=256]": EIGHT_BITS,
    "bnb8u[size=256]": EIGHT_BITS,
}
PROFILES = (
    "bnb8[profile=bitsandbytes_cpu]",
    "bnb8[profile=bitsandbytes_cuda]",
    "bnb_nf4[profile=bitsandbytes_cuda]",
)
Task = Callable[[], Any]


def element_rows() -> Iterator[Row]:
    """float32 to codes and back, over a float32 copy."""
    x, back = normal(N) / 4, np.empty(N, np.float32)
    for spec, (limit, aim) in ELEMENTS.items():
        codes = numfmt.encode(x, spec)
        t = best({
            COPY: lambda: np.copyto(back, x),
            "encode": lambda f=spec, c=codes: numfmt.encode(x, f, out=c),
            "decode": lambda f=spec, c=codes: numfmt.decode(c, f, out=back),
        }, 15)  # fmt: skip
        yield Row(f"codes, {spec}", t["encode"], COPY, t[COPY], limit, aim)
        yield Row(f"decode, {spec}", t["decode"], COPY, t[COPY], DECODE)


def learned() -> dict[str, Codebook]:
    """Any 256 values: learned ones, random ones, and a hundred next to each other among random ones."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal(256).astype(np.float32)
    near = (1 + np.arange(100) * 2.0**-23).astype(np.float32)
    return {
        "k-means centres, 256": Codebook.of(quantizers.kmeans(normal(1 << 18) / 4, 256).levels.values),
        "256 random values": Codebook.of(drawn),
        "clustered 256": Codebook.of(np.concatenate([near, drawn[:156]])),
    }


def list_rows() -> Iterator[Row]:
    """float32 to the nearest value of a list, over a float32 copy."""
    x, out = normal(N), np.empty(N, np.float32)
    lists = learned()
    tasks = {name: lambda f=form: numfmt.cast(x, f, out=out) for name, form in lists.items()}
    t = best({COPY: lambda: np.copyto(out, x), **tasks}, 15)
    for name in lists:
        yield Row(f"value, {name}", t[name], COPY, t[COPY], LISTS)


def block_rows() -> Iterator[Row]:
    """float32 to codes and scales, and back; to values by way of codes."""
    x = normal(N)
    for spec, (limit, aim) in BLOCKS.items():
        yield from _block_rows(spec, x, limit, aim)
    for spec in PROFILES:
        yield from _block_rows(spec, x, None, None)
    for spec in ("bnb_nf4[axis=0]", "bnb8[axis=0,size=256]"):
        yield from _block_rows(spec, x.reshape(SHAPE), None, None)


def _block_rows(spec: str, x: Any, limit: float | None, aim: float | None) -> Iterator[Row]:
    form, back = numfmt.parse(spec), np.empty_like(x)
    array = form.encode(x)
    t = best({
        COPY: lambda: np.copyto(back, x),
        "encode": lambda: form.encode(x, out=array.codes),
        "decode": lambda: array.decode(out=back),
        "cast": lambda: form.cast(x, out=back),
    }, 15)  # fmt: skip
    yield Row(f"codes, {spec}", t["encode"], COPY, t[COPY], limit, aim)
    yield Row(f"decode, {spec}", t["decode"], COPY, t[COPY], DECODE if limit else None)
    yield Row(f"value, {spec}", t["cast"], COPY, t[COPY])


def peer_rows() -> Iterator[Row]:
    torch, functional = module("torch"), module("bitsandbytes.functional")
    if torch and functional:
        torch.set_num_threads(1)
        given = torch.from_numpy(normal(WHOLE))
        yield from _four_bit_rows(given, functional, "nf4", 40)
        yield from _four_bit_rows(given, functional, "fp4", None)
        yield from _eight_bit_rows(given, functional, 4096)
        yield from _eight_bit_rows(given, functional, 256)


def _four_bit_rows(given: Any, functional: Any, kind: str, limit: float | None) -> Iterator[Row]:
    spec, x = f"bnb_{kind}", given.numpy()
    form, out = numfmt.parse(spec), np.empty_like(x)
    array = form.encode(x)

    def quantize() -> Any:
        return functional.quantize_4bit(given, blocksize=64, quant_type=kind)

    def packed() -> Any:
        return numfmt.pack(form.encode(x, out=array.codes).codes, 4, order="big")

    raw, state = quantize()
    assert packed().tobytes() == raw.numpy().tobytes()
    assert functional.dequantize_4bit(raw, state).numpy().tobytes() == array.decode().tobytes()
    peer = f"{PEER} quantize_4bit"
    yield _against(f"codes, {spec}", lambda: form.encode(x, out=array.codes), peer, quantize, limit)
    yield _against(f"codes, {spec}, packed", packed, peer, quantize)
    yield _against(
        f"decode, {spec}", lambda: array.decode(out=out),
        f"{PEER} dequantize_4bit", lambda: functional.dequantize_4bit(raw, state),
    )  # fmt: skip


def _eight_bit_rows(given: Any, functional: Any, size: int) -> Iterator[Row]:
    spec, x = f"bnb8[size={size},profile=bitsandbytes_cpu]", given.numpy()
    form, out = numfmt.parse(spec), np.empty_like(x)
    array = form.encode(x)

    def quantize() -> Any:
        return functional.quantize_blockwise(given, blocksize=size)

    raw, state = quantize()
    assert raw.numpy().tobytes() == array.codes.tobytes()
    assert functional.dequantize_blockwise(raw, state).numpy().tobytes() == array.decode().tobytes()
    peer = f"{PEER} quantize_blockwise"
    yield _against(f"codes, {spec}", lambda: form.encode(x, out=array.codes), peer, quantize, 5)
    yield _against(
        f"decode, {spec}", lambda: array.decode(out=out),
        f"{PEER} dequantize_blockwise", lambda: functional.dequantize_blockwise(raw, state),
    )  # fmt: skip


def _against(what: str, ours: Task, peer: str, theirs: Task, limit: float | None = None) -> Row:
    """The peer is slow: ours has more turns."""
    turns = {f"numfmt {turn}": ours for turn in range(4)}
    t = best({"peer": theirs, **turns}, 4)
    return Row(what, min(t[turn] for turn in turns), peer, t["peer"], limit, at_least=True)


def thread_rows() -> Iterator[Row]:
    x, out = normal(N), np.empty(N, np.float32)
    for spec in ("bnb_nf4", "bnb8", "bnb8[size=256]"):
        form = numfmt.parse(spec)
        array = form.encode(x)
        yield _two(f"codes, {spec}", lambda f=form, c=array.codes: f.encode(x, out=c))
        yield _two(f"decode, {spec}", lambda a=array: a.decode(out=out))
    for spec in ("nf4", "dyn8"):
        codes = numfmt.encode(x, spec)
        yield _two(f"codes, {spec}", lambda f=spec, c=codes: numfmt.encode(x, f, out=c))
        yield _two(f"decode, {spec}", lambda f=spec, c=codes: numfmt.decode(c, f, out=out))
    for name, listed in learned().items():
        yield _two(f"value, {name}", lambda f=listed: numfmt.cast(x, f, out=out))


def _two(what: str, task: Task) -> Row:
    def run(count: int) -> Any:
        threads(count)
        return task()

    t = best({"one": lambda: run(1), "two": lambda: run(2)}, 15)
    threads(1)
    return Row(f"two threads, {what}", t["two"], "one thread", t["one"], 1, at_least=True)


SECTIONS = {
    "Elements": element_rows,
    "Lists": list_rows,
    "Blocks": block_rows,
    "Against bitsandbytes": peer_rows,
    "Threads": thread_rows,
}


if __name__ == "__main__":
    assert jit.loops() is not None
    report("codebooks", ["## Codebooks", "", "`python benchmarks/codebooks.py`", ""], SECTIONS)
