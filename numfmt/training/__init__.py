"""Small networks trained in numeric formats."""

from __future__ import annotations

from .networks import NETWORKS
from .policies import POLICIES, LossScale, Policy
from .records import Epoch, Outcome, Outcomes, Training
from .rounders import Autoflex, Cast, Rounded
from .runs import compare_training

__all__ = [
    "NETWORKS",
    "POLICIES",
    "Autoflex",
    "Cast",
    "Epoch",
    "LossScale",
    "Outcome",
    "Outcomes",
    "Policy",
    "Rounded",
    "Training",
    "compare_training",
]
