"""Threads over kernels that let go of the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_lock = Lock()
_pool: ThreadPoolExecutor | None = None
_size = 0


def thread_limit() -> int:
    """`$NUMFMT_NUM_THREADS`, else the processors this process may use."""
    given = os.environ.get("NUMFMT_NUM_THREADS", "")
    if given:
        if not (given.isascii() and given.isdigit()) or int(given) < 1:
            raise ValueError(f"NUMFMT_NUM_THREADS must be a positive integer, got {given!r}")
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(task: Callable[[Any], Any], parts: Iterable[Any]) -> list[Any]:
    """`[task(part) for part in parts]`, the first part in this thread, the rest in the pool.

    Whatever is raised, Ctrl-C too, comes out once no thread is at work any more."""
    first, *rest = parts
    if not rest:
        return [task(first)]
    futures: list[Any] = []
    try:
        _submit(task, rest, futures)
        own = [task(part) for part in (first, *rest[len(futures) :])]
        return [own[0], *(future.result() for future in futures), *own[1:]]
    except BaseException:
        from concurrent.futures import wait

        for future in futures:
            future.cancel()
        wait(futures)
        raise


def shares(count: int, threads: int, unit: int = 1) -> list[tuple[int, int]]:
    """`0 ... count - 1` in a range for each thread, but for the last in multiples of a unit; one at least."""
    return ranges(0, count, -(-count // (threads * unit)) * unit) or [(0, 0)]


def ranges(first: int, last: int, size: int) -> list[tuple[int, int]]:
    """`first ... last - 1` in ranges of so many."""
    return [(start, min(start + size, last)) for start in range(first, last, max(size, 1))]


def _submit(task: Callable[[Any], Any], parts: list[Any], futures: list[Any]) -> None:
    """Hand parts to the pool, as many as it takes: none at all while the interpreter ends."""
    with suppress(RuntimeError):
        executor = _executor(len(parts))
        for part in parts:
            futures.append(executor.submit(task, part))


def _executor(workers: int) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    global _pool, _size
    with _lock:
        if _pool is None or _size < workers:
            _pool, _size = ThreadPoolExecutor(workers, thread_name_prefix="numfmt"), workers
        return _pool


def _forget() -> None:
    """In a forked child the threads are gone and the lock may be held for ever."""
    global _lock, _pool, _size
    _lock, _pool, _size = Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
