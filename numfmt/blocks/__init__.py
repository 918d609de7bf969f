"""Scaled formats: element format x scale format x granularity x scale rule."""

from .affine import Affine, scaled
from .block import Block, BlockArray
from .granularity import Granularity, Groups, PerAxis, PerTensor
from .profiles import PROFILES, Profile
from .scale import Scale

__all__ = [
    "PROFILES",
    "Affine",
    "Block",
    "BlockArray",
    "Granularity",
    "Groups",
    "PerAxis",
    "PerTensor",
    "Profile",
    "Scale",
    "scaled",
]
