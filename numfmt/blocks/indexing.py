"""Parts of an array in a scaled format: what an index picks of the codes and of the scales, and where
scales change in what is left."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd, prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .granularity import Granularity, Groups, PerAxis, PerTensor, Runs, Shape, Tiles, index_of

if TYPE_CHECKING:
    from .block_array import BlockArray

Array = np.ndarray[Any, Any]
Picks = tuple[int | slice, ...]  # one for each axis


class Lines(NamedTuple):
    """What is picked of scales that lie end to end in so many equal lines."""

    lines: int
    pick: int | slice


class Part(NamedTuple):
    """What is picked of the scales, and where they change in the part."""

    scales: Picks | Lines
    granularity: Granularity


def part_of(array: BlockArray, index: Any) -> BlockArray:
    """The part of an array at a basic index; `BlockArray.__getitem__` says which can be had."""
    picks = picks_of(index, array.shape)
    for axis, size in block_sizes(array).items():
        check_whole(picks[axis], array.shape[axis], size, axis)
    return _part(array, picks)


def _part(array: BlockArray, picks: Picks) -> BlockArray:
    from .block_array import BlockArray

    among = array.format.granularity
    places, kept = _PARTS[type(among)](among, picks, array.shape)
    scales = _picked(array.scales, places)
    zeros = None if array.zeros is None else _picked(array.zeros, places)
    form = array.format.of_part(kept, scales)
    return BlockArray(np.asarray(array.codes[picks]), scales, zeros, form, array.offset)


def _picked(held: Any, places: Picks | Lines) -> Any:
    """The scales or zero points at some places."""
    from .block_array import BlockArray

    if isinstance(places, Lines):
        return _lines(held, places)
    return _part(held, places) if isinstance(held, BlockArray) else np.array(held[places])


def _lines(held: Any, places: Lines) -> Any:
    from .block_array import BlockArray

    if isinstance(held, BlockArray):
        codes, scales = _lines(held.codes, places), _lines(held.scales, places)
        return BlockArray(codes, scales, None, held.format, held.offset)
    across = held.size // max(places.lines, 1)
    return np.array(held.reshape(places.lines, across)[places.pick]).reshape(-1)


def block_sizes(array: BlockArray) -> dict[int, int]:
    """Elements along each blocked axis that stay together, since scales serve them or the scales' own.

    >>> block_sizes(numfmt.parse("mx9").encode(np.ones((3, 64))))
    {1: 16}
    """
    from .block_array import BlockArray

    among, shape = array.format.granularity, array.shape
    own = _sizes(among, shape)
    held = block_sizes(array.scales) if isinstance(array.scales, BlockArray) else {}
    if isinstance(among, PerAxis):
        return {index_of(among.axis, shape): size for size in held.values()}
    if isinstance(among, Runs):
        return _sizes_of_runs(among.size * held.get(0, 1), shape)
    return {axis: own.get(axis, 1) * held.get(axis, 1) for axis in own | held}


def picks_of(index: Any, shape: Shape) -> Picks:
    """An integer, counted from the front, or a slice for each axis.

    >>> picks_of((..., -1), (2, 3, 4))
    (slice(None, None, None), slice(None, None, None), 3)
    """
    given = list(index) if isinstance(index, tuple) else [index]
    for pick in given:
        _check_kind(pick)
    missing = len(shape) - sum(pick is not Ellipsis for pick in given)
    if missing < 0 or given.count(Ellipsis) > 1:
        what = "more than one '...'" if missing >= 0 else f"{len(shape) - missing} indices"
        raise IndexError(f"an array of shape {shape} has {len(shape)} axes, got {what}")
    at = given.index(Ellipsis) if Ellipsis in given else len(given)
    whole = [*given[:at], *[slice(None)] * missing, *given[at + 1 :]]
    return tuple(_pick(pick, axis, n) for axis, (pick, n) in enumerate(zip(whole, shape, strict=True)))


def _check_kind(pick: Any) -> None:
    number = hasattr(pick, "__index__") and not isinstance(pick, (bool, np.bool_)) and np.ndim(pick) == 0
    if not (number or pick is Ellipsis or isinstance(pick, slice)):
        raise TypeError(f"an index takes integers, slices and '...', got {pick!r}; decode() gives an ndarray")


def _pick(pick: Any, axis: int, n: int) -> int | slice:
    if isinstance(pick, slice):
        return pick
    place = int(pick.__index__())
    if not -n <= place < n:
        raise IndexError(f"index {place} is out of bounds for axis {axis} of {n} elements")
    return place % n


def _part_of_tensor(among: PerTensor, picks: Picks, shape: Shape) -> Part:
    return Part((), among)


def _part_of_axis(among: PerAxis, picks: Picks, shape: Shape) -> Part:
    pick = picks[index_of(among.axis, shape)]
    return Part((pick,), PerTensor() if isinstance(pick, int) else PerAxis(_moved(among.axis, picks)))


def _part_of_groups(among: Groups, picks: Picks, shape: Shape) -> Part:
    kept = Groups(_moved(among.axis, picks), among.size) if shape else among
    return Part(_blocks(picks, shape, _sizes(among, shape)), kept)


def _part_of_tiles(among: Tiles, picks: Picks, shape: Shape) -> Part:
    return Part(_blocks(picks, shape, _sizes(among, shape)), among)


def _sizes(among: Granularity, shape: Shape) -> dict[int, int]:
    """The elements of a block along each axis that has blocks."""
    if isinstance(among, Tiles):
        return {len(shape) - 2: among.rows, len(shape) - 1: among.columns}
    return {index_of(among.axis, shape): among.size} if isinstance(among, Groups) and shape else {}


def _sizes_of_runs(size: int, shape: Shape) -> dict[int, int]:
    """All of each axis but the first, of which as many indices as make whole runs; one makes some itself,
    or it is free."""
    if not shape:
        return {}
    across = prod(shape[1:])
    lines = size // gcd(size, across) if across else 1
    rest = {axis: max(shape[axis], 1) for axis in range(1, len(shape))}
    return {0: lines, **rest} if lines > 1 else rest


def _part_of_runs(among: Runs, picks: Picks, shape: Shape) -> Part:
    if not shape:
        return Part((slice(None),), among)
    first, count = picks[0], shape[0]
    across = prod(len(_kept(pick, n)) for pick, n in zip(picks[1:], shape[1:], strict=True))
    kept = _kept(first, count)
    if not (kept and across):
        return Part((slice(0),), among)
    if not isinstance(first, slice) or kept.step != 1:
        return Part(Lines(count, first), among)
    return Part((slice(kept.start * across // among.size, -(-kept.stop * across // among.size)),), among)


_PARTS: dict[type[Granularity], Callable[..., Part]] = {
    PerTensor: _part_of_tensor,
    PerAxis: _part_of_axis,
    Groups: _part_of_groups,
    Runs: _part_of_runs,
    Tiles: _part_of_tiles,
}


def _moved(axis: int, picks: Picks) -> int:
    """An axis of the whole as one of the part, from which integers drop theirs; it is counted from the
    same end."""
    place = axis % len(picks)
    dropped = [isinstance(pick, int) for pick in picks]
    return axis - sum(dropped[:place]) if axis >= 0 else axis + sum(dropped[place + 1 :])


def _blocks(picks: Picks, shape: Shape, sizes: dict[int, int]) -> Picks:
    """What is picked of the blocks: `sizes` has the elements of one along each blocked axis."""
    return tuple(
        _among_blocks(pick, n, sizes[axis]) if axis in sizes else pick
        for axis, (pick, n) in enumerate(zip(picks, shape, strict=True))
    )


def _kept(pick: int | slice, n: int) -> range:
    """The indices that are picked of n."""
    return range(n)[pick] if isinstance(pick, slice) else range(pick, pick + 1)


def _among_blocks(pick: int | slice, n: int, size: int) -> slice:
    """The blocks of a slice that `check_whole` has let pass."""
    assert isinstance(pick, slice)
    kept = range(n)[pick]
    return slice(kept[0] // size, kept[-1] // size + 1) if kept else slice(0, 0)


def check_whole(pick: int | slice, n: int, size: int, axis: int) -> None:
    """That an axis of n elements is left in whole blocks."""
    if isinstance(pick, int) or not _is_whole(range(n)[pick], n, size):
        raise ValueError(
            f"axis {axis} lies in blocks of {size} elements: it takes ':' or a slice of whole blocks, got"
            f" '{pick if isinstance(pick, int) else _text(pick)}'; decode() gives an ndarray"
        )


def _is_whole(kept: range, n: int, size: int) -> bool:
    """Whether it begins where a block does, leaves none out, and ends where one does."""
    if not kept:
        return True
    first, end = kept[0], kept[-1] + 1
    return kept == range(first, end) and first % size == 0 and (end % size == 0 or end == n)


def _text(pick: slice) -> str:
    """A slice as it is written.

    >>> _text(slice(None, 8, 2))
    ':8:2'
    """
    parts = [pick.start, pick.stop, *([] if pick.step is None else [pick.step])]
    return ":".join("" if part is None else str(part) for part in parts)
