"""The front door: `cast`, `encode`, `decode`. Checks, dtypes and messages; the engines do the work."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from numbers import Number
from typing import Any

import numpy as np

from . import reference
from .blocks import BlockArray, scaled
from .engine import inputs, outputs
from .engine.draws import source as noise_source
from .engine.inputs import Input
from .engine.plan import ENGINES, Plan, decoding_plan, plan
from .engine.run import Noise, decode_into, execute, number_chunks, value_of
from .errors import RangeError, choose
from .format import Format, Value
from .gguf import GGUF, GGUFArray
from .learned import LearnedArray
from .reference import policy
from .registry import element, parse
from .scaled import ScaledFormat

Array = np.ndarray[Any, Any]
_FLOATS = {2: (10, -14, 15), 4: (23, -126, 127), 8: (52, -1022, 1023)}  # fraction bits, emin, emax
_F4, _F8 = np.dtype(np.float32), np.dtype(np.float64)
_SMALL = 1 << 20  # elements for which one thread is best


def cast(
    x: Any, fmt: Any, *, rounding: Any = None, overflow: Any = None, nan: Any = None,
    seed: int | None = None, noise: Any = None, random_bits: int | None = None, scale: Any = None,
    zero: Any = None, axis: int | None = None, dtype: Any = None, out: Any = None,
    engine: str | None = None,
) -> Any:  # fmt: skip
    """Round `x` to the values of `fmt`, once, and return them as floats.

    Parameters
    ----------
    x : array_like of real numbers, any shape
        float16/32/64, longdouble, integers, bool, ml_dtypes arrays, CPU torch tensors, scalars
        (`Fraction`, `Decimal`, decimal strings and big ints among them). Taken as exact: nothing
        is narrowed first.
    fmt : str, Format or dtype
        A spec such as ``"bf16"``, ``"e4m3fn"``, ``"q3.12"`` or ``"int8[axis=0]"``.
    rounding : str, optional
        ``nearest_even`` (default), ``nearest_away``, ``nearest_up``, ``nearest_down``,
        ``nearest_zero``, ``nearest_odd``, ``toward_zero``, ``toward_positive``,
        ``toward_negative``, ``away_from_zero``, ``to_odd``, ``stochastic``, or an alias
        (``rne``, ``rtz``, ``sr``, ``SC_RND``, ``roundTiesToEven``, ...).
    overflow : str, optional
        ``ieee`` (default of floats), ``saturate`` (default of all others), ``saturate_finite``,
        ``infinity``, ``nan``, ``raise``; for fixed point also ``wrap``, ``wrap[n]``,
        ``wrap_sign_magnitude[n]``, ``saturate_zero``, ``saturate_symmetric``.
    nan : number, "max" or "min", optional
        What NaN becomes; without it a format that has no NaN raises.
    seed : int, 0 <= seed < 2**64, optional
        Of ``stochastic``. Element i in C order takes noise word i, whatever the dtype, the
        layout, the threads.
    noise : array of uint32, shape of `x`, optional
        Random words given by the caller, in place of a seed.
    random_bits : int, 1 to 32, optional
        How many of the top bits of a word ``stochastic`` uses.
    scale : number or array of float32, optional
        Real numbers a step; makes an integer format a scaled one, as ``"int8[scale=0.1]"`` does.
        An array has one scale for each index of ``axis``, or the shape that the groups give.
    zero : integer or array of integers, optional
        The code of 0.0, of the shape of ``scale``.
    axis : int, optional
        The axis that keeps its own scale; for groups the one along which they run.
    dtype : float16, float32, float64 or object, optional
        Of the result; object gives `Fraction`.
    out : ndarray, shape of `x`, optional
        Where the result goes; it may be `x` itself. After an error its content is unspecified.
    engine : "reference", "numpy" or "kernel", optional
        The fastest that can be had, if not given. All give the same bits; where one has no exact
        way for a format, a mode or an input, the next slower one serves; see the notes.

    Returns
    -------
    ndarray, shape of `x`, or a NumPy scalar for a scalar
        dtype of `x` if it is float16/32/64 and holds every value of `fmt`, else the narrowest of
        float32 and float64 that does.

    Raises
    ------
    SpecError : an unknown name
    RangeError : NaN into a format without one; overflow under ``raise``
    TypeError, ValueError : an array, shape or keyword that cannot be served

    Notes
    -----
    The reference takes some 50 microseconds an element, up to 1 ms for f64, where a loop takes one
    nanosecond. Whatever the engine, it serves

    - ``stochastic_c``, and scalars that are no NumPy numbers;
    - 64-bit integers to floats of more than 41 significant bits (stochastic: more than 9);
    - longdouble to formats of more than 51 significant bits (stochastic: more than 19), to those
      with values below 2**-1020, and under ``wrap``;
    - formats with values below about 2**-1014, where they have more than 16 bits, draw or wrap;
    - stochastic modes under ``raise``, for numbers in the last step.

    Examples
    --------
    >>> cast([1.1, 100.0, 464.1], "e4m3fn")
    array([ 1.125, 96.   ,    nan])
    >>> cast(np.float64(1 + 2**-8 + 2**-40), "bf16")
    np.float64(1.0078125)
    """
    if nan is seed is noise is random_bits is scale is zero is axis is dtype is None:
        kind = type(x)
        if kind is np.ndarray:
            if x.dtype is _F4 and x.size < _SMALL:
                result = _small_array(x, fmt, rounding, overflow, engine, out)
                if result is not None:
                    return result
        elif out is None and (kind is float or kind is np.float64 or kind is np.float32):
            result = _scalar(x, fmt, rounding, overflow, engine)
            if result is not None:
                return result
    block = _block(fmt, scale, zero, axis)
    if block is not None:
        return block.cast(
            x, rounding=rounding, overflow=overflow, nan=nan, seed=seed, noise=noise,
            random_bits=random_bits, scale=scale, zero=zero, axis=axis, dtype=dtype, out=out, engine=engine,
        )  # fmt: skip
    job = _plan(fmt, rounding, overflow, nan, random_bits, False, engine)
    return _convert(x, job, seed, noise, dtype, out)


def encode(
    x: Any, fmt: Any, *, rounding: Any = None, overflow: Any = None, nan: Any = None,
    seed: int | None = None, noise: Any = None, random_bits: int | None = None, scale: Any = None,
    zero: Any = None, axis: int | None = None, dtype: Any = None, out: Any = None,
    engine: str | None = None,
) -> Any:  # fmt: skip
    """Round `x` to the values of `fmt`, once, and return their codes.

    Parameters are those of `cast`, and so are the cases that are slow; `out` takes codes, and after
    an error its content is unspecified. A spec may say how an integer format is scaled: `scale=`,
    `zero=`, `axis=`, `size=`, `calibrate=`, `profile=`, as in ``"int4[size=128,axis=-1,calibrate=mse]"``;
    the scale is rounded to float32. `numfmt.blocks.Affine` describes each.

    Returns
    -------
    ndarray of the smallest uintN that holds a code, shape of `x`, or a NumPy scalar
        Codes are right-aligned, one an element; `pack` makes bytes of them. Those of signed
        fixed-point formats are two's complement, in the smallest intN. A scaled format gives a
        `BlockArray`: codes with their scales and zero points; a GGUF format a `GGUFArray`, a learned one
        a `LearnedArray`.

    Examples
    --------
    >>> encode([1.0, -2.0, 448.0], "e4m3fn")
    array([ 56, 192, 126], dtype=uint8)
    >>> encode([1.0, -2.0, 448.0], "int8")
    array([  1,  -2, 127], dtype=int8)
    >>> encode([1.0, -2.0, 448.0], "int8", scale=0.5).codes
    array([  2,  -4, 127], dtype=int8)
    """
    block = _block(fmt, scale, zero, axis)
    if block is not None:
        return block.encode(
            x, rounding=rounding, overflow=overflow, nan=nan, seed=seed, noise=noise,
            random_bits=random_bits, scale=scale, zero=zero, axis=axis, dtype=dtype, out=out, engine=engine,
        )  # fmt: skip
    job = _plan(fmt, rounding, overflow, nan, random_bits, True, engine)
    return _convert(x, job, seed, noise, dtype, out)


def decode(codes: Any, fmt: Any = None, *, dtype: Any = None, out: Any = None) -> Any:
    """The values of codes.

    Parameters
    ----------
    codes : array_like of integers, any shape
        Each from 0 to ``2**bits - 1``; of signed fixed-point formats the two's complement, or its
        residue. Or a `BlockArray`, `GGUFArray` or `LearnedArray`, which brings its format; the bytes of GGUF blocks,
        (..., bytes of a row); or the path of a file that `numfmt.tensors.read` reads, which gives a dict
        of the values of each tensor.
    fmt : str, Format or dtype
    dtype : float16, float32, float64 or object, optional
        By default the narrowest of float32 and float64 that holds every value.
    out : ndarray of the result's dtype, shape of `codes`, optional
        After an error its content is unspecified.

    Raises
    ------
    RangeError : a code that the format does not have
    ValueError : float64 does not hold every value (integers of more than 53 bits)

    Examples
    --------
    >>> decode([0x38, 0xFE, 0x7F], "e4m3fn")
    array([   1., -448.,   nan], dtype=float32)
    >>> decode(bytes.fromhex("003c") + bytes(range(32)), "gguf_q8_0")[:4]
    array([0., 1., 2., 3.], dtype=float32)
    """
    if isinstance(codes, (BlockArray, GGUFArray, LearnedArray)):
        return _decoded_blocks(codes, fmt, dtype, out)
    if isinstance(codes, (str, os.PathLike)):
        return _decoded_file(codes, fmt, dtype, out)
    if fmt is None:
        raise TypeError("decode needs the format of the codes, as in decode(codes, 'e4m3fn')")
    packed = parse(fmt)
    if isinstance(packed, GGUF):
        return GGUFArray.unpack(codes, packed).decode(dtype, out)
    if isinstance(packed, ScaledFormat):
        raise TypeError(
            f"codes of '{packed}' mean nothing without their scales: give the BlockArray that encode made, or"
            " BlockArray.unpack(...) of packed bytes"
        )
    form = element(packed)
    given = codes if isinstance(codes, np.ndarray) else _integers(codes, form)
    if given.dtype.kind not in "iu":
        raise TypeError(f"codes are integers, got an array of dtype {given.dtype}")
    wanted = result_dtype(form, None, dtype, out)
    result = _decoded(given, form, wanted, out)
    return result[()] if np.isscalar(codes) and out is None else result


def _block(fmt: Any, scale: Any, zero: Any, axis: Any) -> ScaledFormat | None:
    """The scaled format that a call asks for, by its spec or by its keywords; None for an element
    format."""
    form = parse(fmt)
    if isinstance(form, ScaledFormat):
        return form
    given = [name for name, value in (("scale", scale), ("zero", zero), ("axis", axis)) if value is not None]
    if given and not form.uniform:
        raise TypeError(f"{given[0]}= is for scaled formats; '{form}' is an element format")
    return scaled(form) if given else None


def _decoded_file(path: Any, fmt: Any, dtype: Any, out: Any) -> dict[str, Any]:
    """Every tensor of a file by its name."""
    from .tensors import read

    if fmt is not None or out is not None:
        raise TypeError("the tensors of a file have formats and sizes of their own: leave fmt and out out")
    tensors = {tensor.name: tensor.whole() for tensor in read(path)}
    return tensors if dtype is None else {name: x.astype(dtype) for name, x in tensors.items()}


def _decoded_blocks(array: BlockArray | GGUFArray | LearnedArray, fmt: Any, dtype: Any, out: Any) -> Any:
    if fmt is not None and parse(fmt) != array.format:
        raise TypeError(f"the array is in '{array.format}', not in '{fmt}'; leave fmt out")
    return array.decode(dtype, out)


@lru_cache(maxsize=512)
def _cached_plan(
    fmt: Any, rounding: Any, overflow: Any, nan: Any, random_bits: Any, codes: bool, engine: Any
) -> Plan:
    form = element(fmt)
    return plan(form, policy(form, rounding, overflow, nan, random_bits), codes, engine)


def _plan(fmt: Any, rounding: Any, overflow: Any, nan: Any, bits: Any, codes: bool, engine: Any) -> Plan:
    """The plan of a call. A numeric `nan` is a code before it is a key: 0.0, -0.0 and False are
    one key to a dict."""
    simple = isinstance(fmt, (str, Format)) and nan is None
    if simple and all(map(_is_plain, (rounding, overflow, bits, engine))):
        return _cached_plan(fmt, rounding, overflow, None, bits, codes, engine)
    form = element(fmt)
    rule = policy(form, rounding, overflow, nan, bits)
    return plan(form, rule, codes, None if engine is None else choose("engine", engine, ENGINES))


def _is_plain(option: Any) -> bool:
    return option is None or type(option) in (str, int)


# The short way: loops that need no more than their parameters, by the arguments of the call.
_LOOPS: dict[Any, Any] = {}
_MOST_LOOPS = 4096


def _small_array(x: Array, fmt: Any, rounding: Any, overflow: Any, engine: Any, out: Any) -> Any:
    """`cast` of a small float32 array in a plain mode; None where the long way is needed, as it is
    for values that the policy may refuse."""
    try:
        loop = _LOOPS[fmt, rounding, overflow, engine, _F4]
    except (KeyError, TypeError):  # new, or unhashable
        loop = _short_loop(fmt, rounding, overflow, engine, _F4)
    if loop is None or not x.flags.carray:
        return None
    if out is None:
        out = np.empty(x.shape, _F4)
    elif not (
        type(out) is np.ndarray and out.dtype is _F4 and out.flags.carray and out.shape == x.shape
        and ((x.base is out.base is None and x is not out) or not np.may_share_memory(x, out))
    ):  # fmt: skip
        return None
    run, parameters, guard = loop
    flat = x.ndim == 1
    peak = run(x, out, parameters) if flat else run(x.reshape(-1), out.reshape(-1), parameters)
    return out if peak < guard else None


def _scalar(x: Any, fmt: Any, rounding: Any, overflow: Any, engine: Any) -> Any:
    """`cast` of a Python or NumPy float in a plain mode; None where the long way is needed."""
    dtype = _F4 if type(x) is np.float32 else _F8
    try:
        loop = _LOOPS[fmt, rounding, overflow, engine, dtype]
    except (KeyError, TypeError):
        loop = _short_loop(fmt, rounding, overflow, engine, dtype)
    if loop is None:
        return None
    pair = np.empty(2, dtype)
    pair[0] = x
    run, parameters, guard = loop
    return pair[1] if run(pair[:1], pair[1:], parameters) < guard else None


def _short_loop(fmt: Any, rounding: Any, overflow: Any, engine: Any, dtype: Any) -> Any:
    """(loop, parameters, guard) of a deterministic cast from and to `dtype`, or None."""
    if isinstance(parse(fmt), ScaledFormat):
        return None
    job = _plan(fmt, rounding, overflow, None, None, False, engine)
    plain = not job.policy.rounding.stochastic and _holds(job.fmt, dtype)
    found = job.loop(8 * dtype.itemsize) if plain else None
    loop = found and found.bare
    plain = isinstance(fmt, (str, Format)) and all(map(_is_plain, (rounding, overflow, engine)))
    if plain and len(_LOOPS) < _MOST_LOOPS:
        _LOOPS[fmt, rounding, overflow, engine, dtype] = loop
    return loop


def _convert(x: Any, job: Plan, seed: Any, noise: Any, dtype: Any, out: Any) -> Any:
    if inputs.is_tensor(x):
        return _convert_torch(x, job, seed, noise, dtype, out)
    if inputs.is_exact_scalar(x):
        return _convert_exact(x, job, seed, noise, dtype, out)
    array = x if isinstance(x, np.ndarray) else inputs.as_array(x)
    source = inputs.classify(array)
    draws = noise_source(job.policy, seed, noise, array.shape)
    result = outputs.output(array.shape, _wanted(job, array.dtype, dtype, out), out)
    if result.dtype.kind == "O":
        result[...] = _fractions(source, job, draws)
    else:
        execute(source, job, result, draws)
    return result[()] if out is None and _is_scalar(x) else result


def _wanted(job: Plan, given: np.dtype[Any] | None, dtype: Any, out: Any) -> np.dtype[Any]:
    """The dtype of what a plan makes of an array of dtype `given`."""
    if job.codes:
        return outputs.code_dtype(outputs.own_code_dtype(job.fmt), job.fmt, dtype, out)
    return result_dtype(job.fmt, given, dtype, out)


def _is_scalar(x: Any) -> bool:
    return isinstance(x, (Number, np.generic))


def _convert_torch(x: Any, job: Plan, seed: Any, noise: Any, dtype: Any, out: Any) -> Any:
    """A CPU tensor in, a CPU tensor out."""
    torch = sys.modules["torch"]
    if out is not None:
        raise TypeError("out= takes NumPy arrays; leave it out for a torch tensor")
    source = inputs.classify_tensor(x)
    shape, given = source.array.shape, _given_dtype(source)
    draws = noise_source(job.policy, seed, noise, shape)
    wanted = _wanted(job, given, dtype, None)
    if wanted.kind == "O":
        raise TypeError("dtype=object gives Fractions, which no tensor holds; pass x.numpy()")
    result = np.empty(shape, wanted)
    execute(source, job, result, draws)
    return torch.from_numpy(result)


def _given_dtype(source: Input) -> np.dtype[Any] | None:
    """The dtype whose results keep it, if it is one; float16 comes as codes too."""
    if source.coded is None:
        return source.array.dtype
    return np.dtype(np.float16) if source.coded == parse("f16") else None


def _convert_exact(x: Any, job: Plan, seed: Any, noise: Any, dtype: Any, out: Any) -> Any:
    """A scalar that no NumPy number holds: the reference engine decides."""
    value = reference.exact(x)
    draws = noise_source(job.policy, seed, noise, ())
    word = int(draws.take(0, 1)[0]) if draws else 0
    code = reference.encode(value, job.fmt, job.policy, word)
    result = outputs.output((), _wanted(job, None, dtype, out), out)
    result[...] = _delivered(code, value, job, exactly=result.dtype.kind == "O")
    return result[()] if out is None else result


def _delivered(code: int, x: Value, job: Plan, exactly: bool) -> Value:
    """What a scalar gives: its code, or the value of that."""
    if job.codes:
        return job.fmt.outward(code)
    if exactly:
        return job.fmt.value(code)
    return value_of(job.fmt, code, reference.is_negative(x), x != x, job.policy)


def _holds(fmt: Format, dtype: np.dtype[Any]) -> bool:
    """Whether a float dtype holds every value of a format."""
    return _holding(fmt, dtype.itemsize)


@lru_cache(maxsize=1024)
def _holding(fmt: Format, itemsize: int) -> bool:
    return fmt.fits(*_FLOATS[itemsize])


def result_dtype(fmt: Format, given: Any, dtype: Any, out: Any) -> np.dtype[Any]:
    if dtype is None and out is not None:
        dtype = getattr(out, "dtype", None)
    if dtype is not None:
        return _asked(fmt, dtype)
    if given is not None and given.kind == "f" and given.itemsize in _FLOATS and _holds(fmt, given):
        return np.dtype(given.newbyteorder("="))
    if not _holds(fmt, _F8):
        raise ValueError(
            f"float64 does not hold every value of '{fmt}'; dtype=object gives exact Fractions, "
            "encode gives codes"
        )
    return _F4 if _holds(fmt, _F4) else _F8


def _asked(fmt: Format, dtype: Any) -> np.dtype[Any]:
    """A dtype asked for; whether it can serve is decided by the format, never by the data."""
    wanted = outputs.value_dtype(dtype)
    if wanted.kind == "f" and not _holds(fmt, wanted):
        raise ValueError(f"{wanted} does not hold every value of '{fmt}'; leave dtype= out")
    return wanted


def _fractions(source: Input, job: Plan, draws: Noise | None) -> Array:
    coder = plan(job.fmt, job.policy, True, job.asked)
    codes = np.empty(source.array.shape, outputs.own_code_dtype(job.fmt))
    execute(source, coder, codes, draws)
    return _exact_values(codes, job.fmt)


def _exact_values(codes: Array, fmt: Format) -> Array:
    result = np.empty(codes.shape, object)
    result.reshape(-1)[:] = [fmt.value(int(c)) for c in codes.reshape(-1)]
    return result


def _integers(codes: Any, fmt: Format) -> Array:
    given = np.asarray(codes)
    if given.size == 0:
        return given.astype(np.uint8)
    if given.dtype == object and all(isinstance(c, int) for c in given.reshape(-1)):
        raise _no_such_code(fmt, given, max(given.reshape(-1), key=abs))
    return given


def _decoded(codes: Array, fmt: Format, dtype: np.dtype[Any], out: Any) -> Array:
    check_codes(codes, fmt)
    result = outputs.output(codes.shape, dtype, out)
    if dtype.kind == "O":
        result[...] = _exact_values(codes, fmt)
        return result
    job = decoding_plan(fmt)
    narrow = np.float32 if _holds(fmt, _F4) else np.float64
    whole = codes.flags.carray and codes.dtype.isnative and result.flags.carray and result.dtype.isnative
    if whole and result.dtype.itemsize >= np.dtype(narrow).itemsize and codes.size:
        decode_into(codes.reshape(-1), job, result.reshape(-1))
        return result
    start, flat = 0, result.flat
    for chunk in number_chunks(Input(codes)):
        values = np.empty(chunk.shape, narrow)
        decode_into(chunk, job, values)
        flat[start : start + chunk.size] = values
        start += chunk.size
    return result


def code_range(fmt: Format) -> tuple[int, int]:
    """The codes that decode takes: two's complement as signed numbers or as their residues. One
    between them, `left_out`, may have no value."""
    return fmt.span[0] if fmt.signed_codes else 0, (1 << fmt.bits) - 1


def check_codes(codes: Array, fmt: Format) -> None:
    """`RangeError` for the first integer that is no code."""
    low, top = code_range(fmt)
    held = np.iinfo(codes.dtype)
    if not codes.size or (low <= held.min and held.max <= top and fmt.left_out is None):
        return
    largest, least = int(codes.max()), int(codes.min())
    if largest > top or least < low:
        raise _no_such_code(fmt, codes, largest if largest > top else least)
    if fmt.left_out is not None and (codes == fmt.left_out).any():
        raise _no_such_code(fmt, codes, fmt.left_out)


def _no_such_code(fmt: Format, codes: Array, code: int) -> RangeError:
    low, top = code_range(fmt)
    bad = [c > top or c < low or c == fmt.left_out for c in codes.reshape(-1)]
    first = tuple(int(i) for i in np.unravel_index(bad.index(True), codes.shape)) if codes.ndim else ()
    but = "" if fmt.left_out is None else f" without {fmt.left_out}"
    return RangeError(
        f"codes of '{fmt}' are {low} to {top}{but}, got {code}"
        + (f"; {sum(bad)} of {codes.size}, first at {first[0] if len(first) == 1 else first}" if first else ""),
        sum(bad), codes.size, first,
    )  # fmt: skip
