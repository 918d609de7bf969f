"""Scaled formats: element format x scale format x granularity x scale rule."""

from .affine import Affine, scaled
from .array import BlockArray
from .granularity import Granularity, Groups, PerAxis, PerTensor
from .profiles import PROFILES, Profile
from .recipes import BIAS, PER_TOKEN, OutlierArray, int32_bias, llm_int8
from .scale import Scale
from .shared import SharedScale

__all__ = [
    "BIAS",
    "PER_TOKEN",
    "PROFILES",
    "Affine",
    "BlockArray",
    "Granularity",
    "Groups",
    "OutlierArray",
    "PerAxis",
    "PerTensor",
    "Profile",
    "Scale",
    "SharedScale",
    "int32_bias",
    "llm_int8",
    "scaled",
]
