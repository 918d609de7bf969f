"""What a loop is told about a format and a mode, in words of the loop's width."""

from typing import Any, NamedTuple

import numpy as np


class RoundingParameters(NamedTuple):
    """Of the loops that round. "Magnitude" is a word without its sign bit; `_x` is what is
    xor-ed in for negative x. `over_...`, `inf_pos`, `inf_x` and `nan` are results: words where
    values are delivered, codes where codes are.
    """

    magnitude: Any  # mask: all but the sign bit
    top: Any  # width - 1
    width: Any
    zero: Any
    one: Any
    fraction: Any  # mask of the fraction bits of a word
    fraction_bits: Any
    implicit: Any  # the bit above the fraction
    cut: Any  # fraction bits dropped in the normal range
    emin: Any  # exponent field of the least normal; 0: the word's own subnormals do
    # nearest_even, by addition
    half: Any  # one below half of the last kept bit
    lsb: Any  # 1, or 0 where nothing is dropped
    flip: Any  # 1 where the parity of the code is not that of the word's exponent
    keep: Any  # mask of the bits kept
    magic: Any  # word of the power of two whose ulp is the quantum
    magic_limit: Any  # magnitudes below it are rounded by adding `magic`
    clamp: Any  # word of a power of two past the last value
    adder: Any  # `cut`, at the place of the exponent
    # any deterministic mode
    half_shift: Any  # 1: nearest; width - 1: directed
    base: Any
    odd: Any
    neg: Any
    implied: Any  # the implicit bit, which is odd; 0 where the last kept bit is the exponent's
    parity: Any  # `flip`, at the place of the exponent
    # below the quantum
    tiny_limit: Any  # magnitudes below it are zero or the quantum
    quantum: Any
    tiny_pos: Any  # least magnitude that becomes the quantum
    tiny_x: Any
    tiny_result: Any
    tiny_bits: Any  # dropped bits below the quantum beyond those of the subnormals
    half_draw: Any  # bit below those drawn, set in P3109's variant b
    # past the last value
    max_pos: Any
    max_x: Any
    over_pos: Any
    over_x: Any
    over_neg: Any
    inf: Any  # word of infinity
    inf_pos: Any
    inf_x: Any
    neg_limit: Any  # words above it are negative and rejected
    no_zero: Any  # 1 where 0 is no value: it is rejected too
    least: Any  # word of the least value where 0 is none
    # specials and sign
    nan: Any
    nan_sign: Any  # mask: does the result keep the sign of a NaN?
    zero_sign: Any  # results below it take no sign
    sign_shift: Any  # from the word's sign bit to the result's
    rebias: Any  # word of the exponent one below the least normal


class DecodingParameters(NamedTuple):
    """Of the loop that reads codes."""

    magnitude: Any  # mask of the code without its sign
    sign_shift: Any
    sign: Any  # mask of the word's sign bit, 0 for unsigned formats
    cut: Any
    rebias: Any
    magic: Any
    normal: Any  # least magnitude of a normal value; 0: the word's own subnormals do
    subnormal: Any  # mask: 0 where subnormal codes read as zero
    max_mag: Any
    inf_mag: Any
    inf: Any
    nan: Any
    nan_code: Any  # the one code that is NaN whatever its magnitude, or no code


class AdderParameters(NamedTuple):
    """Of the fixed-point loops that saturate and round to nearest even by addition."""

    magnitude: Any  # mask: all but the sign bit
    inf: Any
    scale: Any  # words of floats: steps in one,
    step: Any  # one step,
    low: Any  # the range in steps,
    high: Any
    magic: Any  # a number whose ulp is 1
    nan: Any  # result


class GridParameters(NamedTuple):
    """Of the fixed-point loops for every mode and overflow. Results are integers as words."""

    zero: Any
    one: Any
    ones: Any
    width: Any
    last: Any  # width - 1, the greatest shift
    inf: Any
    point: Any  # biased exponent whose significands count steps
    step: Any  # one step, as the word of a float
    base: Any  # the row of the rounding mode, 0 or 1 each
    odd: Any
    neg: Any
    sticky: Any  # 1: bits below a word's worth of dropped ones count
    above_up: Any  # a dropped part greater than it grows: where the row says up,
    above: Any  # and where not
    half_draw: Any  # bit below those drawn, set in P3109's variant b
    max_pos: Any  # the greatest magnitudes in range
    max_neg: Any
    low: Any  # overflow: the bits of the integer that stay,
    over_pos: Any  # those set for positive
    over_neg: Any  # and for negative ones
    sign: Any  # the sign bit of the code, 0 where unsigned
    turns: Any  # 1 for sign-magnitude wrapping, which inverts where these have odd parity:
    turn: Any  # a bit of the integer,
    turn_zero: Any  # 1: another one,
    turn_top: Any
    turn_sign: Any  # 1: the sign,
    turn_base: Any  # and this
    nan: Any


class IntegerParameters(NamedTuple):
    """Of the loop that reads fixed-point codes."""

    mask: Any
    sign: Any
    step: Any


class StepParameters(NamedTuple):
    """Of the codebook loops that compare with every threshold; `thresholds` and `increments` follow."""

    zero: Any
    magnitude: Any  # mask: all but the sign bit
    top: Any  # width - 1
    sign: Any  # the sign bit
    first: Any  # the result below all thresholds


class LookupParameters(NamedTuple):
    """Of the codebook loops that look up the one threshold near x. The table of buckets follows, then
    the thresholds, then the results; `thresholds` and `results` say where they begin."""

    zero: Any
    magnitude: Any
    top: Any
    sign: Any
    low: Any  # magnitudes are clamped to `low ... high`
    high: Any
    shift: Any  # and lose so many bits: what is left, less that of `low`, is the bucket
    buckets: Any  # of one sign
    thresholds: Any
    results: Any


class TreeParameters(NamedTuple):
    """Of the codebook loops that search among thresholds in two steps. The separators follow, the last
    threshold of each leaf; then the leaves, from a whole number of leaves on; then the results."""

    zero: Any
    magnitude: Any
    top: Any
    sign: Any
    leaf: Any  # thresholds in a leaf


def pack(parameters: tuple[Any, ...], width: int) -> np.ndarray[Any, Any]:
    """One array of words: what crosses into compiled code at little cost."""
    mask = (1 << width) - 1
    words = [int(p) & mask for p in parameters]
    return np.array(words, dtype=np.uint32 if width == 32 else np.uint64)
