"""The loops, compiled. This module alone imports numba; `engine.jit` imports it, late.

NumPy's integer ufuncs keep the width of their operands in numba too (its operators would widen a
uint32 to 64 bits); what is left of `words` gets its instructions here. The formulas of `floats`
are inlined into the loops. Never fastmath, never `parallel=True`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload, register_jitable

from . import (
    affine,
    blocks,
    codebook,
    drawn,
    fixed,
    floats,
    fused,
    gemmlowp,
    gguf,
    lanes,
    odd,
    philox,
    searches,
    sums,
    words,
)  # fmt: skip
from .parameters import (
    AdderParameters,
    DecodingParameters,
    GridParameters,
    IntegerParameters,
    LookupParameters,
    RoundingParameters,
    StepParameters,
    TreeParameters,
)

_FLOAT = {types.uint32: types.float32, types.uint64: types.float64}
_BITCAST = _FLOAT | {real: word for word, real in _FLOAT.items()}
_TINY, _QUANTUM = np.float64(2.0**-126), np.float64(2.0**-149)  # float32's subnormals
_COUNTER = np.float64(2.0**-97)  # its ulp is the quantum
_WIDE_MAGNITUDE, _HALF = np.uint64(0x7FFFFFFFFFFFFFFF), np.uint64(32)
_MAGNITUDE = np.uint32(0x7FFFFFFF)


@intrinsic
def _bitcast(typing: Any, x: Any) -> Any:
    result = _BITCAST[x]
    return result(x), lambda context, builder, signature, args: builder.bitcast(
        args[0], context.get_value_type(result)
    )


@intrinsic
def _select(typing: Any, condition: Any, yes: Any, no: Any) -> Any:
    return yes(types.boolean, yes, yes), lambda context, builder, signature, args: builder.select(*args)


@intrinsic
def _convert(typing: Any, x: Any, to: Any) -> Any:
    return to(x, to), lambda context, builder, signature, args: context.cast(builder, args[0], x, to)


@register_jitable
def _widen(x: Any) -> Any:
    """float32 to float64 through the bits: exact even where the CPU reads subnormals as zero."""
    b = _bitcast(x)
    a = np.bitwise_and(b, _MAGNITUDE)
    small = np.float64(np.int32(a)) * _QUANTUM
    small = _select(b > _MAGNITUDE, -small, small)
    return _select(a < np.uint32(0x00800000), small, np.float64(x))


@register_jitable
def _narrow(x: Any) -> Any:
    """float64 to float32 where that is exact, even where the CPU flushes subnormals: those are
    counted by the low bits of a sum."""
    b = _bitcast(x)
    size = _bitcast(np.bitwise_and(b, _WIDE_MAGNITUDE))
    count = np.uint32(np.subtract(_bitcast(size + _COUNTER), _bitcast(_COUNTER)))
    sign = np.uint32(np.right_shift(np.bitwise_xor(b, _bitcast(size)), _HALF))
    return _bitcast(_select(size < _TINY, np.bitwise_or(count, sign), _bitcast(np.float32(x))))


@register_jitable
def _odd_integer(x: Any) -> Any:
    """`words.odd_integer` for one number."""
    negative = x < 0
    size = np.uint64(x)
    size = _select(negative, np.subtract(np.uint64(0), size), size)
    kept = np.bitwise_and(size, words.LOW_CLEARED)
    sticky = _select(np.bitwise_and(size, words.LOW) != 0, words.ODD, np.uint64(0))
    size = _select(size >= words.EXACT, np.bitwise_or(kept, sticky), size)
    value = np.float64(size)
    return _select(negative, -value, value)


@overload(words.word)
@overload(words.real)
def _word_or_real(x):
    return lambda x: _bitcast(x)


@overload(words.select)
def _overload_select(condition, yes, no):
    return lambda condition, yes, no: _select(condition, yes, no)


@overload(words.load)
def _overload_load(x, like):
    if x == types.float32 and like == types.uint64:
        return lambda x, like: _widen(x)
    if x in (types.int64, types.uint64):
        return lambda x, like: _odd_integer(x)
    return lambda x, like: _convert(x, _bitcast(like))


@overload(words.load_word)
def _overload_load_word(code, like):
    return lambda code, like: _convert(code, like)


register_jitable(words.parted)


@register_jitable
def _integer_parts(x: Any) -> Any:
    m = np.uint64(x)
    m = _select(x < 0, np.subtract(np.uint64(0), m), m)
    negative = _select(x < 0, ~np.uint64(0), np.uint64(0))
    return _bitcast(np.float64(m)), negative, m, words.DOUBLE.unit


@overload(words.significand)
def _overload_significand(x, like):
    if x in (types.int64, types.uint64):
        return lambda x, like: _integer_parts(x)
    layout = words.SINGLE if like == types.uint32 else words.DOUBLE
    return lambda x, like: words.parted(words.word(words.load(x, like)), layout)


@overload(words.count_real)
def _overload_count_real(k):
    if k == types.uint32:
        return lambda k: np.float32(np.int32(k))
    return lambda k: np.float64(np.int64(k))


@overload(words.put_code)
def _overload_put_code(out, i, k):
    def store(out, i, k):
        out[i] = k

    return store


@overload(words.put)
def _overload_put(out, i, x):
    if out.dtype == types.float32 and x == types.float64:

        def narrowing(out, i, x):
            out[i] = _narrow(x)

        return narrowing  # fmt: skip

    def plain(out, i, x):
        out[i] = x

    return plain


def _compile_unpacking(unpack: Any, names: Any) -> None:
    """Make `names(*p)` plain loads: once a call, ahead of the loop."""

    @intrinsic
    def loads(typing: Any, p: Any) -> Any:
        result = types.NamedUniTuple(p.dtype, len(names._fields), names)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = context.make_array(p)(context, builder, args[0]).data
            index = [context.get_constant(types.intp, i) for i in range(result.count)]
            words = [builder.load(builder.gep(data, [i])) for i in index]
            return context.make_tuple(builder, result, words)

        return result(p), emit

    overload(unpack)(lambda p: lambda p: loads(p))


_compile_unpacking(floats.rounding, RoundingParameters)
_compile_unpacking(floats.decoding, DecodingParameters)
_compile_unpacking(fixed.adding, AdderParameters)
_compile_unpacking(fixed.grid, GridParameters)
_compile_unpacking(fixed.counting, IntegerParameters)
_compile_unpacking(codebook.stepping, StepParameters)
_compile_unpacking(codebook.looking, LookupParameters)
_compile_unpacking(codebook.branching, TreeParameters)


@intrinsic
def _counted(typing: Any, key: Any, thresholds: Any, at: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, array, place = args
        data = context.make_array(thresholds)(context, builder, array).data
        keys = lanes.spread(builder, word, codebook.FAN)
        leaf = builder.bitcast(builder.gep(data, [place]), keys.type.as_pointer())
        reached = builder.icmp_unsigned(">=", keys, builder.load(leaf, align=key.bitwidth // 8))
        count = builder.ctpop(builder.bitcast(reached, context.get_value_type(types.uint16)))
        return builder.add(place, builder.zext(count, place.type))

    return at(key, thresholds, at), emit


@overload(codebook.counted)
def _overload_counted(key, thresholds, at):
    return lambda key, thresholds, at: _counted(key, thresholds, at)


for _formula in (
    floats.add_half, floats.nearest_even, floats.even_adder, floats.code_nearest_even,
    floats.directed, floats.stochastic, floats.code, floats.decode,
    floats.finish_even, floats.finish_even_unsigned, floats.finish,
    floats.value_of_even, floats.value_of_even_adder, floats.value_of_even_own,
    floats.value_of_even_unsigned, floats.value_of_directed, floats.value_of_stochastic,
    floats.code_of_even, floats.code_of_even_unsigned, floats.code_of_directed,
    floats.code_of_stochastic,
    fixed.nearest_sum, fixed.value_of_sum, fixed.code_of_sum, fixed.dropped, fixed.kept, fixed.grows,
    fixed.drawn, fixed.in_range, fixed.left, fixed.lost_left, fixed.integer_of, fixed.integer_drawn,
    codebook.ordered, codebook.stepped, codebook.bucket, codebook.located, codebook.parts,
    codebook.leaf_of, codebook.boughs,
):  # fmt: skip
    register_jitable(_formula)

_loop = njit(nogil=True, cache=True, fastmath=False, error_model="numpy")

value_even = _loop(floats.value_even)
value_even_adder = _loop(floats.value_even_adder)
value_even_own = _loop(floats.value_even_own)
value_even_unsigned = _loop(floats.value_even_unsigned)
value_even_in_place = _loop(floats.value_even_in_place)
value_directed = _loop(floats.value_directed)
value_stochastic = _loop(floats.value_stochastic)
code_even = _loop(floats.code_even)
code_even_unsigned = _loop(floats.code_even_unsigned)
code_directed = _loop(floats.code_directed)
code_stochastic = _loop(floats.code_stochastic)
decode_codes = _loop(floats.decode_codes)
value_fixed_even = _loop(fixed.value_fixed_even)
code_fixed_even = _loop(fixed.code_fixed_even)
value_fixed = _loop(fixed.value_fixed)
code_fixed = _loop(fixed.code_fixed)
value_fixed_stochastic = _loop(fixed.value_fixed_stochastic)
code_fixed_stochastic = _loop(fixed.code_fixed_stochastic)
decode_fixed = _loop(fixed.decode_fixed)
value_steps = _loop(codebook.value_steps)
code_steps = _loop(codebook.code_steps)
value_lookup = _loop(codebook.value_lookup)
code_lookup = _loop(codebook.code_lookup)
value_tree = _loop(codebook.value_tree)
code_tree = _loop(codebook.code_tree)
decode_table = _loop(codebook.decode_table)
fill_noise = _loop(philox.fill_noise)


# affine quantization


@overload(affine.single)
def _overload_single(x):
    return lambda x: _convert(x, _ZERO)


@overload(affine.integer)
def _overload_integer(x, like):
    return lambda x, like: np.int32(x)


@overload(affine.delivered)
def _overload_delivered(a, result, p, b, how):
    if isinstance(a, types.Integer):
        return lambda a, result, p, b, how: affine.decoded(affine.single(a), p, how)
    if isinstance(result.dtype, types.Integer):
        return lambda a, result, p, b, how: affine.integer(
            affine.code_of(affine.single(a), p, b, how), result
        )
    return lambda a, result, p, b, how: affine.value_of(affine.single(a), p, b, how)


@overload(affine.zeros_between)
def _overload_zeros_between(z, start, stop):
    if z == types.none:
        return lambda z, start, stop: None
    return lambda z, start, stop: (z[0, start:stop], z[1, start:stop])


@overload(affine.zeros_at)
def _overload_zeros_at(z, i):
    if z == types.none:
        return lambda z, i: (_ZERO, _ZERO)
    if isinstance(z, types.Array):
        return lambda z, i: (z[0, i], z[1, i])
    return lambda z, i: (z[0][i], z[1][i])


@overload(affine.seen)
def _overload_seen(peak, a):
    if isinstance(a, types.Integer):
        return lambda peak, a: peak
    return lambda peak, a: np.maximum(peak, np.bitwise_and(_bitcast(affine.single(a)), _MAGNITUDE))


@intrinsic
def _fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
    return x(x, x, x), lambda context, builder, signature, args: builder.fma(*args)


@overload(affine.fused)
def _overload_fused(x, factor, c):
    return lambda x, factor, c: _fma(x, factor, c)


_ZERO = np.float32(0.0)

for _affine_step in (
    affine.scaled, affine.rounded, affine.clamped, affine.code_of, affine.value_of, affine.real_of,
    affine.decoded, affine.row_at, affine.row_after, affine.row_of, affine.geometry,
    affine.bounds,
):  # fmt: skip
    register_jitable(_affine_step)

affine_rows = _loop(affine.rows)
affine_columns = _loop(affine.columns)
affine_rows_in_place = _loop(affine.rows_in_place)
affine_columns_in_place = _loop(affine.columns_in_place)


# blocks


_compile_unpacking(blocks.elements, blocks.Elements)
_compile_unpacking(blocks.power_rule, blocks.PowerRule)


@overload(blocks.parameters)
def _overload_parameters(q, x):
    if isinstance(x.dtype, types.Integer):
        return lambda q, x: floats.decoding(q)
    return lambda q, x: blocks.elements(q)


# Without `p` or `k`, None, another formula: numba would look at both branches of one.


@overload(blocks.place_of)
def _overload_place_of(k, scale):
    if k == types.none:
        return lambda k, scale: scale
    return lambda k, scale: np.uint64(k[scale])


@overload(blocks.factor_at)
def _overload_factor_at(p, i, unit):
    if p == types.none:
        return lambda p, i, unit: _bitcast(np.subtract(blocks.RECIPROCAL, _bitcast(unit)))
    return lambda p, i, unit: p[i]


@overload(blocks.wide_factor_at)
def _overload_wide_factor_at(p, i, unit):
    if p == types.none:
        return lambda p, i, unit: 1.0 / blocks.wide(unit)
    return lambda p, i, unit: blocks.wide(p[i])


@overload(blocks.wide_scaled)
def _overload_wide_scaled(x, p, factor, how):
    if p == types.none:
        return lambda x, p, factor, how: affine.single(blocks.odd(blocks.wide(x) * factor))
    return lambda x, p, factor, how: affine.single(blocks.scaled(blocks.wide(blocks.narrow(x)), factor, how))


@overload(blocks.part)
def _overload_part(p, start, stop):
    if p == types.none:
        return lambda p, start, stop: None
    return lambda p, start, stop: p[start:stop]


@overload(blocks.wide)
def _overload_wide(x):
    return (lambda x: _widen(x)) if x == types.float32 else lambda x: x


@overload(blocks.narrow)
def _overload_narrow(x):
    return (lambda x: _narrow(x)) if x == types.float64 else lambda x: x


@overload(blocks.product)
def _overload_product(y, unit, result):
    if unit == result.dtype:
        return lambda y, unit, result: y * unit
    to = result.dtype(0)
    return lambda y, unit, result: _convert(_convert(y, 0.0) * _convert(unit, 0.0), to)


@overload(blocks.integer)
def _overload_code_integer(code):
    return lambda code: np.int32(code)


@overload(blocks.held)
def _overload_held(x, result):
    return (lambda x, result: _narrow(x)) if result.dtype == types.float32 else lambda x, result: x


def _chosen(a: Any, result: Any, read: Any, code: Any, value: Any) -> Any:
    if isinstance(a, types.Integer):
        return read
    return code if isinstance(result.dtype, types.Integer) else value


@overload(blocks.short_steps)
def _overload_short_steps(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return _chosen(a, result, blocks.read_short, blocks.code_short, blocks.value_short)


@overload(blocks.wide_steps)
def _overload_wide_steps(a: Any, result: Any, p: Any, factor: Any, unit: Any, q: Any, how: Any) -> Any:
    return _chosen(a, result, blocks.read_wide, blocks.code_wide, blocks.value_wide)


for _scaled_step in (
    blocks.plain, blocks.largest, blocks.power_of, blocks.scaled, blocks.rounded, blocks.element_of,
    blocks.code_of, blocks.number_of, blocks.wide_product, blocks.odd, blocks.is_plain, blocks.row_at,
    blocks.row_after, blocks.peaks, blocks.powers, blocks.rows,
):  # fmt: skip
    register_jitable(_scaled_step)

block_peaks = _loop(blocks.peaks)
block_peak_columns = _loop(blocks.peak_columns)
block_powers = _loop(blocks.powers)
block_rows = _loop(blocks.rows)
block_columns = _loop(blocks.columns)
block_scaled_rows = _loop(blocks.scaled_rows)


# requantization

for _requantization_step in (
    gemmlowp.high_product, gemmlowp.rounding_shift, gemmlowp.requantized, gemmlowp.channel, gemmlowp.ends,
):  # fmt: skip
    register_jitable(_requantization_step)

requantize_rows = _loop(gemmlowp.requantize_rows)
requantize_columns = _loop(gemmlowp.requantize_columns)


# GGUF blocks

for _block_step in (
    gguf.half_of, gguf.single_of, gguf.put_half, gguf.half_at, gguf.first_of, gguf.inverse,
):  # fmt: skip
    register_jitable(_block_step)

gguf_write_q8_0 = _loop(gguf.write_q8_0)
gguf_write_q4_0 = _loop(gguf.write_q4_0)
gguf_read_q8_0 = _loop(gguf.read_q8_0)
gguf_read_q4_0 = _loop(gguf.read_q4_0)


# searches of tables in blocks


_compile_unpacking(searches.halving, searches.Halving)
_compile_unpacking(searches.entries, searches.Entries)

for _search_step in (
    searches.limits, searches.short_over, searches.kept, searches.wide_kept, searches.wide_factor, searches.wide_over,
    searches.wide_value, searches.serves, searches.below_least, searches.halved, searches.place_of, searches.told,
):  # fmt: skip
    register_jitable(_search_step)

search_halving_rows = _loop(searches.halving_rows)
search_entry_rows = _loop(searches.entry_rows)
search_value_rows = _loop(searches.value_rows)


# arithmetic


@overload(odd.residue)
def _overload_residue(a, b, p):
    return lambda a, b, p: _fma(a, b, -p)


for _operation in (
    odd.two_sum, odd.stepped, odd.odd_sum, odd.odd_difference, odd.product, odd.odd_fused, odd.halves, odd.odd_quotient,
    odd.odd_root, odd.quiet, odd.exceptions, odd.outside, odd.smaller, odd.greater, odd.stepped_single, odd.single_sum,
    odd.single_difference, odd.single_product,
):  # fmt: skip
    register_jitable(_operation)

add_odd = _loop(odd.add_odd)
sub_odd = _loop(odd.sub_odd)
mul_odd = _loop(odd.mul_odd)
div_odd = _loop(odd.div_odd)
sqrt_odd = _loop(odd.sqrt_odd)
fma_odd = _loop(odd.fma_odd)
convert_odd = _loop(odd.convert_odd)
add_single = _loop(odd.add_single)
sub_single = _loop(odd.sub_single)
mul_single = _loop(odd.mul_single)
flag = _loop(odd.flag)


@overload(drawn.fused)
def _overload_drawn(x, y, c, like):
    if like == types.float32:
        return lambda x, y, c, like: _fma(x, y, c)
    return lambda x, y, c, like: odd.quiet(odd.odd_fused(_widen(x), _widen(y), _widen(c)))


@overload(drawn.round_row)
def _overload_round_row(x, noise, out, p, formula):
    row = drawn.value_bare if formula == types.uint16 else floats.value_stochastic

    def round_row(x, noise, out, p, formula):
        row(x, noise, out, p)

    return round_row


for _drawing in (floats.value_stochastic, drawn.value_bare, philox.fill_noise):
    register_jitable(_drawing)

accumulate_drawn = _loop(drawn.accumulate_drawn)
extent = _loop(sums.extent)
grain = _loop(sums.grain)


# aligned sums of matrix units


@intrinsic
def _whole(typing: Any, x: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        truncation = builder.module.declare_intrinsic("llvm.trunc", [args[0].type])
        return builder.call(truncation, args)

    return x(x), emit


@overload(fused.whole)
def _overload_whole(x):
    return lambda x: _whole(x)


for _fused_step in (fused.power_of_two, fused.inverse, fused.grows):
    register_jitable(_fused_step)

sum_aligned = _loop(fused.sum_aligned)
