"""Which vector code this CPU runs, as numba compiles for it; `NUMFMT_CPU` forces another."""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from ..engine import jit


class Path(NamedTuple):
    """A way through the CPU: what it needs, and which loops of `kernels.gemm` serve each dtype of B."""

    needs: str | None
    int8: str
    uint8: str
    int16: str


PATHS = {  # the fastest first
    # its instruction multiplies unsigned by signed: a signed B wants an unsigned A
    "vnni": Path("avx512vnni", "vnni_unsigned", "vnni_signed", "pairs_16"),
    "avx512": Path("avx512bw", *["pairs_16"] * 3),
    "avx2": Path("avx2", *["pairs_8"] * 3),
    "portable": Path(None, *["pairs_4"] * 3),
}


@cache
def path() -> str | None:
    """The name of the path in use, None without numba; fixed when it is first asked for.

    >>> path() in {*PATHS, None}
    True
    """
    given, served = os.environ.get("NUMFMT_CPU", ""), paths()
    if given and given.lower() not in served:
        known = given.lower() in PATHS
        why = "needs what numba does not compile for here" if known else "is no path"
        choices = f"Choose one of {', '.join(served)}, or leave it unset" if served else "Leave it unset"
        raise ValueError(f"NUMFMT_CPU={given!r} {why}. {choices}")
    return given.lower() or next(iter(served), None)


def paths() -> list[str]:
    """The paths that this CPU has, as numba compiles for it."""
    features = jit.cpu_features()
    if features is None:
        return []
    return [name for name, path in PATHS.items() if path.needs is None or path.needs in features]
