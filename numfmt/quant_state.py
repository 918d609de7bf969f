"""Weights of 4 bits as bitsandbytes' state dicts keep them, and back.

bitsandbytes 0.50, functional.py, QuantState.as_dict(packed=True), and nn/modules.py, Linear4bit. A weight NAME
is several tensors:

    NAME                    uint8, (bytes, 1): two codes a byte, the first in the high bits; perhaps viewed as
                            another dtype (quant_storage)
    NAME.absmax             float32, one for each block; uint8 where they are nested
    NAME.quant_map          float32, (16,): the table
    NAME.nested_absmax      float32, one for each block of scales
    NAME.nested_quant_map   float32, (256,)
    NAME.quant_state.bitsandbytes__nf4
                            uint8: JSON of quant_type, blocksize, dtype, shape, nested_blocksize, nested_dtype,
                            nested_offset; or ...__fp4

`dtype` is what the library decodes to, float32 values rounded once more. Codes after the last one mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .blocks import Block, BlockArray
from .formats.codebook import Codebook
from .packing import pack, packed_size, unpack
from .registry import element

__all__ = ["array_of", "tensors_of", "weights"]

Array = np.ndarray[Any, Any]
ELEMENTS = {"nf4": "nf4", "fp4": "fp4_bnb"}  # by quant_type
DTYPES = ("float16", "bfloat16", "float32")
STATE = ".quant_state.bitsandbytes__"
PARTS = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
BITS, PROFILE, ORDER = 4, "bitsandbytes", "big"
NESTED_MAPS = ("dyn8", "dyn8[profile=default]")
F4 = np.dtype(np.float32)


def weights(names: Iterable[str]) -> dict[str, list[str]]:
    """The weights among tensors, each with the names of its other tensors.

    >>> weights(["a.weight", "a.weight.absmax", "a.weight.quant_state.bitsandbytes__nf4", "a.bias"])
    {'a.weight': ['a.weight.quant_state.bitsandbytes__nf4', 'a.weight.absmax']}
    """
    known, found = set(names), dict[str, list[str]]()
    for state in sorted(known):
        name, dot, kind = state.partition(STATE)
        if dot and name and "." not in kind:
            found.setdefault(name, []).append(state)
    for name, parts in found.items():
        parts += [f"{name}.{part}" for part in PARTS if f"{name}.{part}" in known]
    return found


def tensors_of(array: BlockArray, name: str = "weight", dtype: str = "float16") -> dict[str, Array]:
    """The tensors of a weight.

    Parameters
    ----------
    array : BlockArray
        In `bnb_nf4` or `bnb_fp4`, of any size, nested or not, under any profile.
    name : str
    dtype : "float16", "bfloat16" or "float32"
        What the library decodes to.

    Raises
    ------
    TypeError : an array in another format

    >>> sorted(tensors_of(numfmt.encode([1, -1, 0, 0.5], "bnb_nf4")))
    ['weight', 'weight.absmax', 'weight.quant_map', 'weight.quant_state.bitsandbytes__nf4']
    >>> tensors_of(numfmt.encode([1, -1, 0, 0.5], "bnb_nf4"))["weight"].tobytes().hex()
    'f07c'
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a weight is a string, got {name!r}")
    if dtype not in DTYPES:
        raise ValueError(f"dtype= is {', '.join(DTYPES)}, got {dtype!r}")
    kind, block = _kind_of(array), array.format
    assert isinstance(block, Block)
    state: dict[str, Any] = {
        "quant_type": kind,
        "blocksize": block.size,
        "dtype": dtype,
        "shape": list(array.shape),
    }
    codes = np.append(array.codes.reshape(-1), np.full(array.size % 2, block.of.zero(), np.uint8))
    parts = {"quant_map": _table(block.of)}
    scales = array.scales
    if isinstance(scales, BlockArray):
        assert isinstance(scales.format, Block)
        assert isinstance(scales.scales, np.ndarray)
        assert scales.offset is not None
        parts |= {"nested_absmax": scales.scales, "nested_quant_map": _table(scales.format.of)}
        state |= {
            "nested_blocksize": scales.format.size,
            "nested_dtype": "float32",
            "nested_offset": float(scales.offset),
        }
        parts["absmax"] = scales.codes
    else:
        parts["absmax"] = scales
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    return {
        name: pack(codes, BITS, ORDER).reshape(-1, 1),
        **{f"{name}.{part}": values for part, values in parts.items()},
        f"{name}{STATE}{kind}": text,
    }


def _kind_of(array: Any) -> str:
    """The quant_type of an array that the library can read."""
    form = array.format if isinstance(array, BlockArray) else None
    for kind, of in ELEMENTS.items():
        if isinstance(form, Block) and form.of == element(of) and form.axis == "flat" and _has_scales(form):
            return kind
    raise TypeError(f"bitsandbytes reads arrays in bnb_nf4 and bnb_fp4, got {form or type(array).__name__!r}")


def _has_scales(form: Block) -> bool:
    return form.profile.search is not None and form.offset is None


def _table(of: Any) -> Array:
    return np.array(of.table, F4)


# Reading


class State(NamedTuple):
    """What the JSON of a weight says."""

    kind: str
    size: int
    shape: tuple[int, ...]
    nested_size: int | None
    offset: float | None


def array_of(tensors: Mapping[str, Array], name: str = "weight") -> BlockArray:
    """The array of a weight, from its tensors by their names.

    Raises
    ------
    ValueError : a tensor that is missing or does not fit the others
    TypeError : no mapping of names to arrays

    >>> array = numfmt.encode(np.ones((2, 64)), "bnb_fp4")
    >>> array_of(tensors_of(array)).decode().sum()
    np.float32(128.0)
    """
    if not isinstance(tensors, Mapping):
        raise TypeError(f"tensors are given by their names, in a dict; got {type(tensors).__name__}")
    state = _state(tensors, name)
    codes = _codes(_taken(tensors, name, ""), state)
    count = -(-codes.size // state.size)
    _check_table(_taken(tensors, name, "quant_map"), state.kind)
    absmax = _taken(tensors, name, "absmax")
    if state.nested_size is None:
        scales: Any = _fitting(absmax, "absmax", F4, (count,))
        scale: Any = "f32"
    else:
        scales = _nested(tensors, name, _fitting(absmax, "absmax", np.dtype(np.uint8), (count,)), state)
        scale = scales.format
    form = Block(ELEMENTS[state.kind], scale, state.size, "flat", profile=PROFILE)
    return BlockArray(codes, scales, None, form)


def _nested(tensors: Mapping[str, Array], name: str, codes: Array, state: State) -> BlockArray:
    assert state.nested_size is not None
    count = -(-codes.size // state.nested_size)
    absmax = _fitting(_taken(tensors, name, "nested_absmax"), "nested_absmax", F4, (count,))
    table = _fitting(_taken(tensors, name, "nested_quant_map"), "nested_quant_map", F4, (256,))
    named = (spec for spec in NESTED_MAPS if _table(element(spec)).tolist() == table.tolist())
    of = element(next(named, None) or Codebook.of(table.tolist()))
    form = Block(of, "f32", state.nested_size, "flat", profile=PROFILE, offset="mean")
    with np.errstate(over="ignore"):
        return BlockArray(codes, absmax, None, form, np.array(state.offset, F4))


def _state(tensors: Mapping[str, Array], name: str) -> State:
    found = [key for key in tensors if key.startswith(f"{name}{STATE}")]
    if len(found) != 1:
        known = ", ".join([*weights(tensors)][:5]) or "none"
        raise ValueError(
            f"{name!r} has {len(found)} tensors {name}{STATE}..., it is one; weights here: {known}"
        )
    kind = found[0].removeprefix(f"{name}{STATE}")
    try:
        said = json.loads(np.asarray(tensors[found[0]]).tobytes())
    except (ValueError, RecursionError):
        raise ValueError(f"{found[0]!r} holds no JSON") from None
    if not isinstance(said, dict) or said.get("quant_type") != kind or kind not in ELEMENTS:
        raise ValueError(f"{found[0]!r} says no quant_type, or another one")
    nested = "nested_blocksize" in said
    sizes = said.get("blocksize"), *([said["nested_blocksize"]] if nested else [])
    if not all(type(n) is int and n > 0 for n in sizes):
        raise ValueError(f"{found[0]!r} says no size of blocks")
    shape, offset = said.get("shape"), said.get("nested_offset")
    if (
        not isinstance(shape, list)
        or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
        or len(shape) > 64
    ):
        raise ValueError(f"{found[0]!r} says no shape")
    if nested and type(offset) not in (int, float):
        raise ValueError(f"{found[0]!r} says no nested_offset")
    return State(kind, sizes[0], tuple(shape), sizes[1] if nested else None, offset)


def _taken(tensors: Mapping[str, Array], name: str, part: str) -> Array:
    key = f"{name}.{part}" if part else name
    if key not in tensors:
        raise ValueError(f"there is no {key!r}")
    return np.asarray(tensors[key])


def _fitting(given: Array, part: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if given.dtype != dtype or given.shape != shape:
        raise ValueError(
            f"{part} holds {given.dtype} of shape {given.shape}; for this weight it is {dtype} of shape {shape}"
        )
    return given.astype(dtype.newbyteorder("="))


def _codes(raw: Array, state: State) -> Array:
    count = prod(state.shape)
    size = packed_size(count, BITS, ORDER)
    held = np.ascontiguousarray(raw).reshape(-1).view(np.uint8)
    if held.size != size:
        raise ValueError(f"its codes have {held.size} bytes; for shape {state.shape} they are {size}")
    return unpack(held, BITS, count, ORDER).astype(np.uint8).reshape(state.shape)


def _check_table(table: Array, kind: str) -> None:
    wanted = _table(element(ELEMENTS[kind]))
    if not np.array_equal(_fitting(table, "quant_map", F4, wanted.shape), wanted):
        raise ValueError(f"quant_map is not the table of {kind}")
