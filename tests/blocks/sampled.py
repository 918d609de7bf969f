"""Formats of every kind of scale, arrays in them, and when two arrays are the same."""

import numpy as np

import numfmt
from numfmt import registry
from numfmt.blocks import BlockArray, SharedScale

MORE = [
    "int8[axis=0]",
    "uint8[axis=-1]",
    "int8[scale=0.3,zero=-5]",
    "uint16[calibrate=minmax]",
    "int32[axis=0]",
    "int4[symmetric,size=16,axis=-1]",
    "uint5[size=3,axis=0,calibrate=minmax,profile=torchao]",
    "int8[axis=0,profile=pytorch_quantization]",
    "uint8[axis=0,profile=torch_quantize]",
    "flex8+4[axis=-1]",
    "mxfp4[axis=-2]",
    "mxfp6_e3m2[axis=0]",
    "mx9[axis=0]",
    "block[of=e2m1fn,scale=bf16,size=2x4]",
    "block[of=e4m3fn,scale=tf32,size=8]",
    "block[of=int4,scale=f32,axis=0]",
    "block[of=e3m2fn,scale=block[of=e4m3fn,scale=f32,size=2x2],size=4]",
    "block[of=e2m1fn,scale=block[of=e4m3fn,scale=f32,axis=0],size=16]",
    "block[of=e2m1fn,scale=block[of=e4m3fn,scale=block[of=uint8,scale=f16,size=2],size=2],size=2]",
    "block[of=e5m2,scale=block[of=e4m3,scale=e8m0fnu,size=4],axis=-1]",
    "block[of=e2m1fn,scale=e8m0fnu,size=12,axis=flat]",
    "block[of=int4,scale=block[of=e4m3fn,scale=f32,size=3],size=4,axis=flat]",
    "block[of=nf4,scale=block[of=dyn8,scale=f32,size=2,axis=flat],size=4,axis=flat]",
]
FORMATS = [
    spec for spec in (*registry.scaled_examples(), *MORE) if isinstance(numfmt.parse(spec), SharedScale)
]


def numbers(shape, seed=0):
    """Float32 numbers of many magnitudes, zeros and a block of zeros among them."""
    rng = np.random.default_rng(seed)
    x = np.float32(rng.standard_normal(shape) * 2.0 ** rng.integers(-9, 9, shape))
    flat = x.reshape(-1)
    flat[::7] = 0
    flat[-40:] = 0
    return flat.reshape(shape)


def encoded(spec, shape, seed=0):
    return numfmt.parse(spec).encode(numbers(shape, seed))


def fields(array):
    """All that an array is, comparable."""
    scales = array.scales
    held = (
        fields(scales) if isinstance(scales, BlockArray) else (scales.dtype, scales.shape, scales.tobytes())
    )
    zeros = None if array.zeros is None else (array.zeros.dtype, array.zeros.shape, array.zeros.tobytes())
    offset = (
        None if array.offset is None else (array.offset.dtype, array.offset.shape, array.offset.tobytes())
    )
    return array.format, array.codes.dtype, array.shape, array.codes.tobytes(), held, zeros, offset


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
