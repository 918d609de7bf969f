"""GGUF blocks, as ggml and llama.cpp have them: the bytes, the reference quantizers, what blocks say.

`numfmt.encode(x, "gguf_q4_0")` gives a `GGUFArray`; `.pack()` its bytes, `GGUFArray.unpack` an array of bytes,
and `numfmt.tensors.read` the tensors of a `.gguf` file. To write one, hand bytes to the package gguf:
`writer.add_tensor(name, array.pack().reshape(rows, -1), raw_dtype=GGMLQuantizationType.Q4_0)`.

Bytes equal those of ggml-quants.c (github.com/ggml-org/ggml), `quantize_row_<type>_ref`, and values those of
`dequantize_row_<type>`, both compiled without fused products; what a type does is in the functions named
after it in `plain_blocks`, `superblocks`, `nonlinear` and `ternary`. Where C leaves something undefined, here it
is as on x86: codes of a block are 0 if its reciprocal scale overflows. What it leaves unset is 0 here: of a
block of zeros the codes in IQ4_NL, and the sums in Q8_K.

    gguf_q4_0 gguf_q4_1 gguf_q5_0 gguf_q5_1 gguf_q8_0 gguf_q8_1          32 elements, steps of a float16
    gguf_q2_k gguf_q3_k gguf_q4_k gguf_q5_k gguf_q6_k                    256, sub-blocks with small scales
    gguf_iq4_nl gguf_iq4_xs                                              32 and 256, 16 unequal steps
    gguf_tq1_0 gguf_tq2_0                                                256, ternary
    gguf_mxfp4                                                           32, e2m1 under a power of two
    gguf_q8_k                                                            256, under a float32

The package gguf reads the same values. Of the types that it quantizes it gives the same bytes, but for the sign
of a scale or minimum of 0 in blocks with -0, and where NumPy's log2 of float32 is not the nearest.
"""

from __future__ import annotations

from .form import GGUF
from .gguf_array import GGUFArray
from .table import TYPES, BlockType

__all__ = ["GGUF", "TYPES", "BlockType", "GGUFArray"]
