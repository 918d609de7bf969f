"""torch tensors on any device."""

from __future__ import annotations

from typing import Any


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

    Example: ``numfmt.interop.torch.cast(weights.cuda(), "bf16", rounding="to_odd")``.
    """
    from ..casting import cast as cast_array

    return cast_array(x.detach().cpu(), fmt, **options).to(x.device)
