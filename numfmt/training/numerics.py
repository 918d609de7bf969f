"""The tensors of a run under its policy, and what their gradients lost."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from .layers import Array
from .policies import Policy
from .rounders import Rounder


@dataclass
class Tally:
    """Counts over the gradient elements of some steps."""

    elements: int = 0
    nonzero: int = 0  # finite, before rounding
    lost: int = 0  # of those: zero after rounding
    clipped: int = 0  # finite, past the last value
    nonfinite: int = 0  # infinite or NaN after rounding

    def add(self, before: Array, after: Array, clipped: int) -> None:
        nonzero = (before != 0) & np.isfinite(before)
        self.elements += before.size
        self.nonzero += int(np.count_nonzero(nonzero))
        self.lost += int(np.count_nonzero(nonzero & (after == 0)))
        self.clipped += clipped
        self.nonfinite += int(np.count_nonzero(~np.isfinite(after)))


class Numerics:
    """The tensors of a run under a policy: a rounder for each, made when it is first written."""

    def __init__(self, policy: Policy, seed: int) -> None:
        self.policy, self.seed = policy, seed
        self.rounders: dict[tuple[str, str], Rounder] = {}
        self.tally = Tally()

    def write(self, x: Array, role: str, name: str) -> Array:
        """`x` as the tensor `name`, in the format of its role."""
        rounder = self.rounders.get((role, name))
        if rounder is None:
            rounder = self.rounders[role, name] = self.policy.rounder(role, self._seed_of(f"{role} {name}"))
        values, clipped = rounder(x)
        if role == "gradients":
            self.tally.add(x, values, clipped)
        return values

    def _seed_of(self, tensor: str) -> int:
        """The first seed of a tensor: below 2**63, so that there is one for each write."""
        drawn = np.random.SeedSequence((self.seed, crc32(tensor.encode()))).generate_state(1, np.uint64)
        return int(drawn[0] >> np.uint64(1))
