"""Policies: in which formats a network is trained. The table `POLICIES` holds those of the papers.

A row says how weights, activations and gradients are rounded, where the weights live between two
updates, and by what the loss is scaled. Rows without `master` have no copy of the weights in a wider
format: each update is rounded to the format.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from ..errors import SpecError, suggestion
from ..registry import parse
from ..spec import split_commas
from .rounders import Autoflex, Cast, Maker, Rounded, Rounder

ROLES = ("weights", "activations", "gradients", "master")
LEAST_SCALE = 2.0**-126  # where halving ends: the least normal value of float32


@dataclass(frozen=True)
class LossScale:
    """By what the loss is multiplied, and so every gradient; the update divides by it again.

    start : float, above 0
    every : int, at least 1, optional
        After so many steps without one that is skipped, the scale doubles; a step that is skipped
        halves it (Micikevicius et al. 2018, section 3.2, "dynamic"). None: it stays as it is.

    >>> LossScale(1024), LossScale(2.0**16, every=100)
    (LossScale(start=1024, every=None), LossScale(start=65536.0, every=100))
    """

    start: float = 1.0
    every: int | None = None

    def __post_init__(self) -> None:
        if not (_is_real(self.start) and 0 < self.start < math.inf):
            raise ValueError(f"a loss scale must be a finite number above 0, got {self.start!r}")
        if self.every is not None and index(self.every) < 1:
            raise ValueError(f"a loss scale doubles after at least 1 step, got every={self.every}")

    def next(self, scale: float, good: int, skipped: bool) -> tuple[float, int]:
        """The scale and the count of good steps, after one step more.

        >>> LossScale(8.0, every=2).next(8.0, 1, skipped=False), LossScale(8.0, every=2).next(8.0, 1, skipped=True)
        ((16.0, 0), (4.0, 0))
        """
        if self.every is None:
            return scale, 0
        if skipped:
            return max(scale / 2, LEAST_SCALE), 0
        return (scale, good + 1) if good + 1 < self.every else (2 * scale, 0)


def _is_real(x: Any) -> bool:
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)


@dataclass(frozen=True)
class Policy:
    """In which formats a network is trained.

    Parameters
    ----------
    name : str
        In tables and figures.
    weights, activations, gradients : spec, Format, dtype or maker
        What numfmt.cast takes; `activations` are as the weights if not given, `gradients` as the
        activations. A maker is a function that is called once for each tensor, with a seed, and
        returns the tensor's rounder: a function from a float32 array to `Rounded`. `Autoflex` and
        `Cast` are makers.
    master : spec, Format, dtype or maker, optional
        Where weights live between updates; what the products see is rounded from that. None: they
        live in the format of the weights, and so does the velocity of the momentum.
    loss_scale : LossScale or float, optional
    rounding, overflow, nan : optional
        Of weights, activations and gradients that are specs; as in `numfmt.cast`. The master copy is
        rounded to nearest. Seeds of stochastic modes follow from that of the run: each write of each
        tensor has its own.

    Raises
    ------
    SpecError, ValueError, TypeError : what cannot round

    Examples
    --------
    >>> fp8 = Policy("fp8", "e4m3fn", gradients="e5m2", master="f32", loss_scale=1024)
    >>> fp8.formats
    {'weights': 'e4m3fn', 'activations': 'e4m3fn', 'gradients': 'e5m2', 'master': 'f32'}
    """

    name: str
    weights: Any
    activations: Any = None
    gradients: Any = None
    master: Any = None
    loss_scale: Any = LossScale()
    rounding: Any = None
    overflow: Any = None
    nan: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise TypeError(f"the name of a policy is a string that says something, got {self.name!r}")
        if not isinstance(self.loss_scale, LossScale):
            object.__setattr__(self, "loss_scale", LossScale(self.loss_scale))
        for role in ROLES:
            _check_rounder(role, self.rounder(role, 0))

    @property
    def formats(self) -> dict[str, str]:
        """The name of the format of each role; '' for a master copy that there is not."""
        names = {role: _title(maker) for role, maker in self._makers.items()}
        return names if self.master is not None else {**names, "master": ""}

    @property
    def _makers(self) -> dict[str, Maker]:
        how = (self.rounding, self.overflow, self.nan)
        weights = _maker(self.weights, *how)
        activations = weights if self.activations is None else _maker(self.activations, *how)
        gradients = activations if self.gradients is None else _maker(self.gradients, *how)
        master = weights if self.master is None else _maker(self.master)
        return dict(zip(ROLES, (weights, activations, gradients, master), strict=True))

    def rounder(self, role: str, seed: int) -> Rounder:
        """The rounder of one tensor; `role` is a key of `formats`. Without a master copy, weights are
        held in their own format."""
        return self._makers[role](seed)


def _check_rounder(role: str, rounder: Rounder) -> None:
    """Let it round once: a spec or a keyword that cannot serve is refused before anything is trained."""
    made = rounder(np.zeros((1, 1), np.float32))
    if not isinstance(made, Rounded) or np.shape(made.values) != (1, 1):
        raise TypeError(
            f"{role}: a rounder returns Rounded(values, clipped), with values of the shape it was given; got {made!r}"
        )


def _is_maker(given: Any) -> bool:
    """A class that can be called is a dtype."""
    return callable(given) and not isinstance(given, type)


def _maker(given: Any, *how: Any) -> Maker:
    return given if _is_maker(given) else Cast(given, *how)


def _title(maker: Maker) -> str:
    return getattr(maker, "__name__", None) or str(maker)


def policy_list(formats: Any) -> list[Policy]:
    """The policies of names, specs, formats and makers, without repetition; of None, all of the table.

    >>> [policy.name for policy in policy_list("fp32, bf16 mixed, e5m2")]
    ['f32', 'bf16 mixed', 'e5m2']
    """
    if formats is None:
        return list(POLICIES.values())
    given = formats if isinstance(formats, (list, tuple)) else [formats]
    found = [_policy(part) for f in given for part in (split_commas(f) if isinstance(f, str) else [f])]
    if not found:
        raise ValueError("a comparison needs at least one format, such as 'bf16'; got none")
    policies = list(dict.fromkeys(found))
    if len({policy.name for policy in policies}) < len(policies):
        raise ValueError(f"each policy needs a name of its own, got {', '.join(p.name for p in policies)}")
    return policies


def _policy(given: Any) -> Policy:
    """A policy, or that of a name; of a format or a maker, the policy that has it everywhere."""
    if isinstance(given, Policy):
        return given
    if isinstance(given, str) and given.strip() in POLICIES:
        return POLICIES[given.strip()]
    if _is_maker(given):
        return Policy(_title(given), given)
    form = _parsed(given)
    return POLICIES.get(str(form)) or Policy(str(form), form)


def _parsed(given: Any) -> Any:
    try:
        return parse(given)
    except SpecError as error:
        near = suggestion(given.strip(), POLICIES) if isinstance(given, str) else ""
        raise SpecError(
            f"{error} Nor is it a policy.{near} Those are: {', '.join(POLICIES)}", error.spec
        ) from None


_FP8 = {"gradients": "e5m2", "overflow": "saturate"}

# Sources: Micikevicius et al., "Mixed Precision Training", ICLR 2018, arXiv 1710.03740, for master copies and
# loss scaling; Kalamkar et al. 2019, arXiv 1905.12322, for bf16; Köster et al. 2017, arXiv 1711.02213, for
# Flexpoint, where every tensor is flex16+5; Gupta et al. 2015, arXiv 1502.02551, and Wang et al. 2018, arXiv
# 1812.08011, for stochastic rounding of updates; Micikevicius et al. 2022, arXiv 2209.05433, for e4m3 and e5m2; Rouhani et al. 2023, arXiv
# 2310.10537, for mxfp8.
POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy("f32", "f32"),
        Policy("bf16", "bf16"),
        Policy("bf16 mixed", "bf16", master="f32"),
        Policy("f16", "f16"),
        Policy("f16 mixed", "f16", master="f32"),
        Policy("f16 mixed x1024", "f16", master="f32", loss_scale=1024),
        Policy("f16 mixed dynamic", "f16", master="f32", loss_scale=LossScale(2.0**16, every=100)),
        Policy("flex16+5 autoflex", Autoflex()),
        Policy("int16 step 2^-10", f"int16[scale={2.0**-10}]"),
        Policy("int16 step 2^-12", f"int16[scale={2.0**-12}]"),
        Policy("mxfp8 mixed", "mxfp8_e4m3", gradients="mxfp8_e5m2", master="f32"),
        Policy("fp8 nearest", "e4m3fn", **_FP8),
        Policy("fp8 stochastic", "e4m3fn", **_FP8, rounding="stochastic"),
        Policy("fp8 mixed", "e4m3fn", **_FP8, master="f32"),
    )
}
