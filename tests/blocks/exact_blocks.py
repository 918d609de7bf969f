"""An oracle of blocks in plain Python: one element at a time, exact fractions, rounding spelled out.

It reads of a `Block` what it is made of, and rounds to element formats by the reference; statistics, rules,
scales, steps and products are worked out here, from their definitions.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from laws.hard import remembering

from numfmt import reference
from numfmt.blocks import Block

WIDTHS = {2: (11, -14, 15), 4: (24, -126, 127), 8: (53, -1022, 1023)}  # bits of a float: digits, emin, emax
FLOAT32_MAX, FLOAT32_LEAST = Fraction(2**128 - 2**104), Fraction(1, 2**149)
SPECIAL = (math.inf, -math.inf, math.nan)


class Wanted(NamedTuple):
    """What a block makes of an array: `scales` as exact values in the order of the blocks, NaN among them."""

    codes: np.ndarray
    scales: list
    values: np.ndarray


def log2_floor(x):
    """The exponent of a positive fraction."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if Fraction(2) ** e <= x else e - 1


def fl(x, itemsize=4):
    """A fraction rounded once, ties to even, to a float of so many bytes: a fraction, or an infinity."""
    digits, emin, emax = WIDTHS[itemsize]
    if not x:
        return Fraction(0)
    quantum = Fraction(2) ** (max(log2_floor(abs(x)), emin) - digits + 1)
    near = round(x / quantum) * quantum
    return near if abs(near) < Fraction(2) ** (emax + 1) else math.copysign(math.inf, x)


def is_special(x):
    return isinstance(x, float) and not math.isfinite(x)


# Which elements share a scale


def place_of(index, block, shape):
    """The block of an element, by the index of its scale."""
    if block.axis == "flat":
        return (sum(i * math.prod(shape[k + 1 :]) for k, i in enumerate(index)) // block.size,)
    if isinstance(block.size, tuple):
        rows, columns = block.size
        return (*index[:-2], index[-2] // rows, index[-1] // columns)
    if block.size is None:
        return () if block.axis is None else (index[block.axis % len(shape)],)
    if not shape:
        return ()
    axis = (-1 if block.axis is None else block.axis) % len(shape)
    return (*index[:axis], index[axis] // block.size, *index[axis + 1 :])


def counted_shape(block, shape):
    if block.axis == "flat":
        return (-(-math.prod(shape) // block.size),)
    if block.size is None:
        return () if block.axis is None else (shape[block.axis % len(shape)],)
    if isinstance(block.size, tuple):
        return (*shape[:-2], -(-shape[-2] // block.size[0]), -(-shape[-1] // block.size[1]))
    if not shape:
        return ()
    axis = (-1 if block.axis is None else block.axis) % len(shape)
    return (*shape[:axis], -(-shape[axis] // block.size), *shape[axis + 1 :])


def members(block, shape):
    """The elements of each block, by the index of its scale."""
    found = {place: [] for place in np.ndindex(counted_shape(block, shape))}
    for index in np.ndindex(shape):
        found[place_of(index, block, shape)].append(index)
    return found


# The rules, from a list of exact numbers; math.nan where one is not finite


def absmax(numbers):
    return max((abs(Fraction(x)) for x in numbers), default=Fraction(0))


def floor(numbers, block):
    """2**floor(log2 absmax), over the exponent of the largest element."""
    peak = absmax(numbers)
    return peak and Fraction(2) ** (log2_floor(peak) - log2_floor(block.of.max))


def ceil(numbers, block):
    peak = absmax(numbers)
    exact = peak and peak == Fraction(2) ** log2_floor(peak)
    return floor(numbers, block) * (1 if exact else 2)


def even(numbers, block):
    """Absmax rounded to the fraction bits of an element, half up; then as floor."""
    peak, last = absmax(numbers), log2_floor(block.of.max)
    if not peak:
        return peak
    step = block.of.step / Fraction(2) ** last * Fraction(2) ** log2_floor(peak)
    rounded = math.floor(peak / step + Fraction(1, 2)) * step
    return Fraction(2) ** (log2_floor(rounded) - last)


def rceil(numbers, block):
    peak = fl(absmax(numbers))
    if is_special(peak):
        return peak
    ratio = fl(peak * fl(1 / fl(block.of.max)))
    if is_special(ratio):
        return ratio
    power = ratio and Fraction(2) ** log2_floor(ratio)
    return power if power == ratio else power * 2


def by_absmax(numbers, block):
    peak = fl(absmax(numbers))
    return peak if is_special(peak) else fl(peak / fl(block.of.max))


def mean(numbers, block):
    return fl(sum((abs(Fraction(x)) for x in numbers), Fraction(0)) / max(len(numbers), 1))


def mse(numbers, block):
    """The first of some scales with the least sum of squared errors; of one level."""
    whole = (rceil if is_exact(block) else by_absmax)(numbers, block)
    if is_special(whole):
        return whole
    parts = (
        (1, Fraction(1, 2), Fraction(1, 4))
        if is_exact(block)
        else [Fraction(k, 64) for k in range(64, 31, -1)]
    )

    def error(part):
        scale = held(whole * part, block.scale)
        return sum((Fraction(x) - _restored(x, scale, block)) ** 2 for x in numbers)

    return whole * min(parts, key=error)


def _restored(x, scale, block):
    of = remembering(block.of)
    policy = reference.policy(of, None, "saturate", 0 if of.nan() is None else None)
    return Fraction(fl(Fraction(of.value(reference.encode(in_steps(x, scale, block), of, policy))) * scale))


RULES = {
    "floor": floor, "ceil": ceil, "even": even, "rceil": rceil, "absmax": by_absmax, "mean": mean, "mse": mse,
}  # fmt: skip


def raw_scale(numbers, block):
    """Of a block of zeros 0, else no less than the least float32; NaN where some number is not finite."""
    if block.profile.name == "flexpoint":
        return flexpoint(numbers, block)
    if any(is_special(x) for x in numbers):
        return math.nan
    return max(RULES[block.rule](numbers, block), FLOAT32_LEAST) if absmax(numbers) else Fraction(0)


def flexpoint(numbers, block):
    """Zeros are taken for 1, an infinity for the largest step."""
    finite = [x for x in numbers if not is_special(x)]
    return floor(finite if absmax(finite) else [1], block) if finite == numbers else block.scale.max


# Scales


def held(raw, form):
    """A raw scale between the least and the largest value, to nearest even; zero is kept where it can be."""
    form = remembering(form)
    if not raw:
        return Fraction(0) if form.zero() is not None else form.smallest
    between = min(max(raw, form.smallest), form.max)
    return Fraction(
        form.value(reference.encode(Fraction(between), form, reference.policy(form, None, "saturate")))
    )


def scales_of(raws, block, shape):
    """Raw scales by index, as they are held: exact values, NaN for NaN."""
    if isinstance(block.scale, Block):
        return _two_levels(raws, block, shape)
    return {place: raw if raw != raw else held(raw, block.scale) for place, raw in raws.items()}


def _two_levels(raws, block, shape):
    """The raw scales are an array of float32 that is a block itself."""
    counted = counted_shape(block, shape)
    array = np.empty(counted, np.float64)
    for place, raw in raws.items():
        array[place] = math.nan if raw != raw else float(fl(min(raw, FLOAT32_MAX)))
    inner = block.scale
    along = isinstance(block.size, int) and isinstance(inner.size, int) and block.axis != "flat"
    if along and inner.axis is None and shape:
        inner = Block(inner.of, inner.scale, inner.size, -1 if block.axis is None else block.axis, inner.rule)
    lower = quantized(array, inner)
    values = {}
    for place in raws:
        unit = lower.scales[place_of(place, inner, counted)]
        code = int(lower.codes[place])
        values[place] = math.nan if unit != unit else single(Fraction(inner.of.value(code)) * unit, block)
    return values


def single(scale, block):
    """Scales that are a block decode to float32, and stay finite; powers of two are exact."""
    return scale if is_exact(block) else min(fl(scale), FLOAT32_MAX)


def is_power_of_two(form):
    return form.man_bits == 0 and form.zero() is None


def is_exact(block):
    if isinstance(block.scale, Block):
        return is_exact(block.scale) and is_power_of_two(block.scale.of)
    return is_power_of_two(block.scale)


# Elements


def in_steps(x, scale, block):
    """An exact number over its scale: exactly, or float32 by float32; -0.0 and infinities are floats."""
    if is_special(x):
        return x
    negative = math.copysign(1, x) < 0 if isinstance(x, float) else x < 0
    if is_exact(block):
        t = Fraction(x) / scale
    else:
        number, unit = fl(Fraction(x)), scale
        if is_special(number) and unit:
            return number
        t = fl(number / unit) if unit else Fraction(0)
        t = math.copysign(1, t) * FLOAT32_MAX if is_special(t) else t
    return -0.0 if negative and not t else t


def value_of(code, scale, block, itemsize):
    """Element times scale, rounded once; a float."""
    element = remembering(block.of).value(code)
    if is_special(element) or not element:
        return float(element)
    product = fl(element * scale, itemsize)
    return math.copysign(float(product), element)


def quantized(x, block, itemsize=4, given=None, nan=None, noise=None, **mode):
    """Codes, scales by index and values of an array of real numbers."""
    numbers = {index: reference.exact(x[index].item()) for index in np.ndindex(x.shape)}
    bad = {index for index, v in numbers.items() if v != v}
    number = None if nan in (None, "max", "min") else reference.exact(nan)
    if number is not None:
        numbers |= dict.fromkeys(bad, number)
    counted = numbers if nan not in ("max", "min") else numbers | dict.fromkeys(bad, Fraction(0))
    places = members(block, x.shape)
    if given is None:
        raws = {place: raw_scale([counted[i] for i in inside], block) for place, inside in places.items()}
    else:
        raws = {place: Fraction(float(given[place])) for place in places}
    scales = scales_of(raws, block, x.shape)
    once = rounder(block, itemsize, nan if number is None else None, **mode)
    codes, values = np.empty(x.shape, np.int64), np.empty(x.shape, np.float64)
    for place, inside in places.items():
        for i in inside:
            word = 0 if noise is None else int(noise[i])
            codes[i], values[i] = once(numbers[i], scales[place], word)
    return Wanted(codes, scales, values)


def rounder(block, itemsize, nan, rounding=None, overflow=None, random_bits=None):
    """One element: (code, value) from a number, its scale and a noise word."""
    of = remembering(block.of)
    instead = 0 if nan is None and of.nan() is None and block.profile.poisons else nan
    policy = reference.policy(of, rounding, overflow or "saturate", instead, random_bits)
    without = of.nan() if of.nan() is not None and nan is None else of.zero() or 0

    def once(x, scale, word):
        if scale != scale:
            return of.outward(without), math.nan
        code = reference.encode(in_steps(x, scale, block), of, policy, word)
        return of.outward(code), value_of(code, scale, block, itemsize)

    return once
