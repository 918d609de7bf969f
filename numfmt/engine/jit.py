"""The compiled loops, imported late, with a disk cache that knows when it is stale."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

_KERNELS = Path(__file__).parent.parent / "kernels"


@cache
def loops() -> ModuleType | None:
    """The compiled loops over arrays, or None where numba cannot be imported."""
    if _config() is None:
        return None
    with _disk_cache():
        from ..kernels import compiled
    return compiled


@cache
def gemm_loops() -> ModuleType | None:
    """The compiled integer GEMM, or None where numba cannot be imported or does not compile."""
    config = _config()
    if config is None or config.DISABLE_JIT:
        return None
    with _disk_cache():
        from ..kernels import gemm
    return gemm


@cache
def rounding_loops() -> ModuleType | None:
    """The compiled products whose sums are rounded, or None as `gemm_loops`."""
    if gemm_loops() is None:
        return None
    with _disk_cache():
        from ..kernels import rounded
    return rounded


@cache
def callback(name: str) -> Any:
    """A function of `gemm_loops` that takes an address, with a C interface; its `address` is called."""
    from numba import cfunc

    with _disk_cache():
        return cfunc("void(intp)", cache=True, error_model="numpy")(getattr(gemm_loops(), name))


@cache
def cpu_features() -> frozenset[str] | None:
    """The CPU's features that numba compiles for, or None where it does not compile."""
    loops = gemm_loops()
    if loops is None:
        return None
    from numba.core.registry import cpu_target

    return loops.tiles.features_of(cpu_target.target_context.codegen())


def _config() -> Any:
    try:
        from numba.core import config
    except ImportError:
        return None
    return config


@contextmanager
def _disk_cache() -> Iterator[None]:
    """numba reads CACHE_DIR while it decorates; the user's setting is left as found."""
    config = _config()
    found, config.CACHE_DIR = config.CACHE_DIR, str(cache_folder())
    try:
        yield
    finally:
        config.CACHE_DIR = found


def cache_folder() -> Path:
    """The first of the possible folders that can be written, named by the sources' hash.

    `$NUMFMT_CACHE_DIR`, the package's own `__pycache__`, the user's cache, a private temporary.
    """
    import tempfile

    name = f"numfmt-{source_hash()}"
    for parent in _candidates():
        folder = parent / name
        if _is_ours_and_writable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="numfmt-"))


def source_hash() -> str:
    """A change in any file of kernels makes a new folder: numba looks at one file alone."""
    import hashlib

    digest = hashlib.sha256()
    for path in sorted(_KERNELS.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _candidates() -> Iterator[Path]:
    import tempfile

    given = os.environ.get("NUMFMT_CACHE_DIR")
    if given:
        yield Path(given)
    yield _KERNELS / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    yield Path(home) / "numfmt"
    yield Path(tempfile.gettempdir()) / f"numfmt-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _is_ours_and_writable(folder: Path) -> bool:
    """numba unpickles what it finds: nobody else may own the folder or write to it."""
    import tempfile

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        if hasattr(os, "getuid") and state.st_uid != os.getuid():
            return False
        if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
