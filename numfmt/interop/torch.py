"""torch tensors: `cast` for any device, and the bits of a CPU tensor as NumPy sees them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..format import Format
from ..registry import parse

# dtypes that NumPy cannot hold come across as their codes
_CODED = {"bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1}


def to_numpy(tensor: Any) -> tuple[np.ndarray[Any, Any], Format | None]:
    """The elements of a CPU tensor, without a copy; with the format where they are codes."""
    import torch

    name = str(tensor.dtype).removeprefix("torch.")
    if name == "float16":
        return tensor.view(torch.int16).numpy().view(np.uint16), parse("f16")
    if name not in _CODED:
        return tensor.numpy(), None
    size = _CODED[name]
    bits = tensor.view(torch.int16 if size == 2 else torch.uint8).numpy()
    return bits.view(f"u{size}"), parse(name)


def cast(x: Any, fmt: Any, **options: Any) -> Any:
    """`numfmt.cast` of a tensor on any device, detached from autograd.

    Parameters
    ----------
    x : torch.Tensor
    fmt, options
        As for `numfmt.cast`.

    Returns
    -------
    torch.Tensor, shape of `x`, on the device of `x`, without gradient

    Raises
    ------
    ImportError : torch is not installed
    """
    from ..casting import cast as cast_array

    return cast_array(x.detach().cpu(), fmt, **options).to(x.device)
