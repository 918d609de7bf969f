"""Flexpoint and dynamic fixed point: whole tensors of integers that share one exponent.

`quantize` takes the exponent from the tensor itself. An `AutoflexTensor` predicts it before a tensor is
written, from the maxima of earlier writes; `add`, `multiply` and `matmul` are exact in integers and round
once to an exponent that is given or predicted. A `DynamicFixedPoint` moves its point after overflows
were counted.

Sources: Köster et al., "Flexpoint: An Adaptive Numerical Format for Efficient Training of Deep Neural
Networks", NeurIPS 2017, arXiv 1711.02213; test vectors in tests/flex_tests of NervanaSystems/ngraph-python;
Courbariaux, Bengio, David, "Training deep neural networks with low precision multiplications", arXiv
1412.7024, with format.py and layer.py of MatthieuCourbariaux/deep-learning-multipliers.

>>> from numfmt import flexpoint
>>> weights = flexpoint.AutoflexTensor()
>>> for x in 1.0, 5.0, 10.0:
...     written = weights.quantize([x])
...     print(written.values, written.exponent, written.overflowed)
[1.] 14 False
[1.999939] 14 True
[7.999756] 12 True
"""

from __future__ import annotations

from .arithmetic import add, matmul, multiply
from .arrays import Flex, FlexArray, quantize
from .autoflex import PROFILES, AutoflexTensor, Profile
from .dynamic import DynamicFixedPoint

__all__ = [
    "PROFILES",
    "AutoflexTensor",
    "DynamicFixedPoint",
    "Flex",
    "FlexArray",
    "Profile",
    "add",
    "matmul",
    "multiply",
    "quantize",
]
