"""Scaled formats: element format x scale format x granularity x scale rule."""

from . import bitsandbytes_recipes  # noqa: F401  it registers its names
from .affine import Affine, scaled
from .block import Block
from .block_array import BlockArray, Packed
from .block_profiles import BLOCK_PROFILES, BlockProfile
from .granularity import Granularity, Groups, PerAxis, PerTensor, Runs, Tiles
from .named import TABLE
from .profiles import PROFILES, Profile
from .recipes import BIAS, PER_TOKEN, OutlierArray, int32_bias, llm_int8
from .rules import RULES
from .scale import Scale
from .shared import SharedScale

__all__ = [
    "BIAS",
    "BLOCK_PROFILES",
    "PER_TOKEN",
    "PROFILES",
    "RULES",
    "TABLE",
    "Affine",
    "Block",
    "BlockArray",
    "BlockProfile",
    "Granularity",
    "Groups",
    "OutlierArray",
    "Packed",
    "PerAxis",
    "PerTensor",
    "Profile",
    "Runs",
    "Scale",
    "SharedScale",
    "Tiles",
    "int32_bias",
    "llm_int8",
    "scaled",
]
