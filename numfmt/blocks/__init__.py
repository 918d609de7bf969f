"""Scaled formats: element format x scale format x granularity x scale rule."""

from .affine import Affine, scaled
from .block import Block, BlockArray
from .granularity import Granularity, Groups, PerAxis, PerTensor
from .profiles import PROFILES, Profile
from .recipes import BIAS, PER_TOKEN, OutlierArray, int32_bias, llm_int8
from .scale import Scale

__all__ = [
    "BIAS",
    "PER_TOKEN",
    "PROFILES",
    "Affine",
    "Block",
    "BlockArray",
    "Granularity",
    "Groups",
    "OutlierArray",
    "PerAxis",
    "PerTensor",
    "Profile",
    "Scale",
    "int32_bias",
    "llm_int8",
    "scaled",
]
