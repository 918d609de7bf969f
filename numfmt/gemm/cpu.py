"""Which vector code this CPU runs, as numba compiles for it; `NUMFMT_CPU` forces another."""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from ..engine import jit


class Path(NamedTuple):
    """A way through the CPU: what it needs, and which loops of `kernels.gemm` serve each dtype of B."""

    needs: frozenset[str]
    int8: str
    uint8: str
    int16: str


_VNNI = ("avx512f", "avx512bw", "avx512vl", "avx512vnni")
PATHS = {  # the fastest first
    # its instruction multiplies unsigned by signed: a signed B wants an unsigned A
    "vnni": Path(frozenset(_VNNI), "vnni_unsigned", "vnni_signed", "pairs_16"),
    "avx512": Path(frozenset(_VNNI[:2]), *["pairs_16"] * 3),
    "avx2": Path(frozenset(["avx2"]), *["pairs_8"] * 3),
    "portable": Path(frozenset(), *["pairs_4"] * 3),
}


@cache
def path() -> str | None:
    """The name of the path in use, None without numba; fixed when it is first asked for.

    >>> path() in {*PATHS, None}
    True
    """
    features, given = jit.cpu_features(), os.environ.get("NUMFMT_CPU", "")
    if features is None:
        return None
    served = [name for name, path in PATHS.items() if path.needs <= features]
    if given and given.lower() not in served:
        known = given.lower() in PATHS
        why = "needs instructions that numba does not compile for here" if known else "is no path"
        raise ValueError(f"NUMFMT_CPU={given!r} {why}. Choose one of {', '.join(served)}, or leave it unset")
    return given.lower() or served[0]
