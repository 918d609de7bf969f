"""Formats whose values come from data, as specs: `kmeans4`, `lloyd3[axis=0]`, `twn`.

`numfmt.encode(w, "kmeans4")` gives a `LearnedArray`: codes, and the levels that were learned. What learns them are the
functions of `numfmt.quantizers`, which take other parameters too.

    bwn                       -a and a, a = E|x|                                                   1 bit
    twn[ratio=0.7]            -a, 0, a beyond ratio * E|x|; ratio=best: the least squared error    2 bits
    ttq[t=0.05]               -n, 0, p beyond t * max|x|                                           2 bits
    elbfit3 ... elbfit17      0, 1, 2, 4 ... of both signs times the scale that alternation finds
    fit[of=apot4]             any format of up to 12 bits, under the scale of the least squared error
    inq3 ... inq8             powers of two from that of the largest down
    lsq2 ... lsq8             equal steps, the one that LSQ begins with
    dorefa1 ... dorefa8       equal steps of tanh(x), from -1 to 1: not near x itself
    pwlq2 ... pwlq8           two steps and the break point between them of the least squared error
    lqnet1 ... lqnet8         sums of as many learned numbers, each added or taken off
    lloyd1 ... lloyd8         2**b levels by Lloyd and Max
    kmeans1 ... kmeans8       as many by k-means; init=linear, density or random, seed=0

Each takes ``axis=``: every index of that axis learns its own, the others are one set of numbers.
"""

from __future__ import annotations

from .form import Learned
from .learned_array import LearnedArray
from .table import RULES, Rule

__all__ = ["RULES", "Learned", "LearnedArray", "Rule"]
