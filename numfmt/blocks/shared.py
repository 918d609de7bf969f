"""What every scaled format does with arrays, dtypes and layouts."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from ..engine import inputs, outputs
from ..engine.inputs import Input
from ..engine.plan import ENGINES
from ..errors import RangeError, choose
from ..format import Format
from ..reference import exact
from ..scaled import ScaledFormat
from .block_array import F4, Array, BlockArray, spread_bits, unchecked
from .granularity import Granularity, Shape
from .reading import plain, read


class Request(NamedTuple):
    """The keywords of a call that say how elements round; None is the format's own."""

    verb: str
    rounding: Any = None
    overflow: Any = None
    nan: Any = None
    seed: Any = None
    noise: Any = None
    random_bits: Any = None
    engine: str | None = None


class SharedScale(ScaledFormat):
    """Element format x scale format x granularity x scale rule. It holds no arrays.

    A kind of scaled format says how scales come from numbers (`scales_of`) and what one element becomes
    (`fill`); arrays, dtypes and layouts are the same for all.
    """

    of: Format

    @property
    @abstractmethod
    def granularity(self) -> Granularity:
        """Which elements share a scale."""

    @abstractmethod
    def scale_bits(self, shape: Shape) -> int:
        """Bits of all scales of an array of that shape."""

    @abstractmethod
    def settled(self, shape: Shape, scale: Any, zero: Any, axis: int | None) -> tuple[SharedScale, Any, Any]:
        """The format of an array of that shape, and the scales and zeros given with the call."""

    @abstractmethod
    def scales_of(self, x: Array, scale: Any, zero: Any, request: Request) -> tuple[Array, Array | None]:
        """Scales and zero points of an array; None where every zero point is 0."""

    @abstractmethod
    def fill(
        self, kind: str, x: Array, out: Array, scales: Array, zeros: Array | None, request: Request
    ) -> None:
        """`out` from numbers: "code" or "value" of each."""

    def filled(
        self, kind: str, x: Array, out: Array, scale: Any, zero: Any, request: Request
    ) -> tuple[Any, Array | None]:
        """The scales and zero points, and `out` by them."""
        scales, zeros = self.scales_of(x, scale, zero, request)
        self.fill(kind, x, out, scales, zeros, request)
        return scales, zeros

    @abstractmethod
    def read(self, codes: Array, out: Array, scales: Any, zeros: Array | None) -> None:
        """The values of codes."""

    @abstractmethod
    def units(self, scales: Any, zeros: Array | None) -> tuple[Array, Array]:
        """What one unit of the element format is worth with each scale, and the zero points, float64."""

    @abstractmethod
    def format_of_scales(self, counted: Shape) -> Format | SharedScale:
        """The format of scales of that shape."""

    @abstractmethod
    def of_part(self, granularity: Granularity, scales: Any) -> SharedScale:
        """The format of a part of an array, whose scales are these and change as `granularity` says."""

    def centred(self, x: Array, request: Request) -> tuple[Array, Array | None]:
        """Numbers less the offset that all values have, and the offset; None where there is none."""
        return x, None

    @property
    def has_offset(self) -> bool:
        """Whether an array has a number that is added to all its values."""
        return False

    def numbers(self, given: Input) -> Array:
        """What is given, as float32 or float64 numbers."""
        return plain(given)

    @abstractmethod
    def check_shared(self, scales: Any, zeros: Array | None) -> None:
        """`ValueError` for scales and zero points that no array of this format has."""

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """The narrowest integer dtype that holds a code of an element."""
        return outputs.own_code_dtype(self.of)

    @property
    def has_zeros(self) -> bool:
        """Whether each scale comes with a zero point of its own."""
        return False

    def bits_per_element(self, shape: Shape) -> float:
        """Bits of an element of an array of that shape, with its share of scales and zero points.

        >>> numfmt.parse("int4[size=128,axis=-1]").bits_per_element((4096, 4096))
        4.25
        """
        zeros = self.of.bits * self.granularity.scale_count(shape) * self.has_zeros
        return spread_bits(self.of, self.scale_bits(shape) + zeros, shape)

    def encode(  # type: ignore[override]
        self, x: Any, *, rounding: Any = None, overflow: Any = None, nan: Any = None, seed: Any = None,
        noise: Any = None, random_bits: Any = None, scale: Any = None, zero: Any = None,
        axis: int | None = None, dtype: Any = None, out: Any = None, engine: str | None = None,
    ) -> BlockArray:  # fmt: skip
        """Codes and scales of an array.

        Parameters are those of `numfmt.encode`; `scale` and `zero` are numbers or arrays of the
        shape of the scales, `axis` the one that keeps its own scale; `out` takes the codes.

        Returns
        -------
        BlockArray : codes of the shape of `x`, scales, zero points

        Raises
        ------
        RangeError : NaN without `nan=`; numbers that are not finite where scales come from them
        ValueError, TypeError : a scale, zero point, axis, dtype or array that cannot be served

        >>> numfmt.parse("int8[scale=0.5]").encode([1.0, -2.25, 99.0]).codes
        array([  2,  -4, 127], dtype=int8)
        """
        request = Request("encode", rounding, overflow, nan, seed, noise, random_bits, known_engine(engine))
        given = read(x)
        block, scale, zero = self.settled(given.array.shape, scale, zero, axis)
        numbers, offset = block.centred(block.numbers(given), request)
        codes = outputs.output(given.array.shape, block._code_dtype(dtype, out), out)
        scales, zeros = block.filled("code", numbers, codes, scale, zero, request)
        return unchecked(codes, scales, zeros, block, offset)

    def cast(  # type: ignore[override]
        self, x: Any, *, rounding: Any = None, overflow: Any = None, nan: Any = None, seed: Any = None,
        noise: Any = None, random_bits: Any = None, scale: Any = None, zero: Any = None,
        axis: int | None = None, dtype: Any = None, out: Any = None, engine: str | None = None,
    ) -> Any:  # fmt: skip
        """The values of `encode`, in one pass.

        Returns
        -------
        ndarray, shape of `x`, or a NumPy scalar for a scalar
            dtype of `x` if it is float16/32/64, else float32. In blocks each product of element and scale is
            rounded to it once; affine values are float32 and rounded once more for float16.

        >>> numfmt.parse("int8[scale=0.5]").cast([1.0, -2.25, 99.0])
        array([ 1. , -2. , 63.5])
        """
        request = Request("cast", rounding, overflow, nan, seed, noise, random_bits, known_engine(engine))
        if inputs.is_tensor(x) and (out is not None or (dtype is not None and np.dtype(dtype).kind == "O")):
            raise TypeError("a torch tensor takes neither out= nor dtype=object; pass x.numpy()")
        given = read(x)
        block, scale, zero = self.settled(given.array.shape, scale, zero, axis)
        wanted = result_dtype(dtype, out, float_dtype(x, given))
        numbers, offset = block.centred(block.numbers(given), request)
        result = outputs.output(given.array.shape, wanted, out)
        values = values_for(result)
        fill_raised(values, offset, lambda v: block.filled("value", numbers, v, scale, zero, request))
        return returned(delivered(values, result), x, out)

    def decode_array(self, array: BlockArray, dtype: Any = None, out: Any = None) -> Any:
        """The values of an array in this format; see `BlockArray.decode`."""
        wanted = result_dtype(dtype, out, F4)
        codes = np.ascontiguousarray(array.codes, array.codes.dtype.newbyteorder("=")).reshape(array.shape)
        result = outputs.output(array.shape, wanted, out)
        values = values_for(result)
        own = self.own_codes(codes)
        fill_raised(values, array.offset, lambda v: self.read(own, v, array.scales, array.zeros))
        return delivered(values, result)

    def own_codes(self, codes: Array) -> Array:
        """Codes as numbers with the sign of the format; two's complement may come as residues."""
        first, last = self.of.span if self.of.signed_codes else (0, (1 << self.of.bits) - 1)
        held, wrap = np.iinfo(codes.dtype), 1 << self.of.bits
        if not codes.size or (first <= held.min and held.max <= last):
            return codes
        if first <= int(codes.min()) and int(codes.max()) <= last:
            return codes
        bad = (codes < first) | (codes >= wrap) | ((codes > last) & (codes < wrap + first))
        if bad.any():
            what = f"not among its codes, {first} to {last}"
            raise refused(self, "decode from", bad, what, "Give those that encode gave")
        return np.where(codes > last, codes.astype(np.int64) - wrap, codes).astype(self.code_dtype)

    def _code_dtype(self, dtype: Any, out: Any) -> np.dtype[Any]:
        return outputs.code_dtype(self.code_dtype, self, dtype, out)

    def __repr__(self) -> str:
        return f"<{self}>"


class OwnEncoder(ScaledFormat):
    """A scaled format whose encoder takes no rounding, overflow, scale or draw of the call."""

    @abstractmethod
    def _encoded(self, given: Input, nan: Any, axis: Any, engine: str | None) -> Any:
        """The array of numbers."""

    @abstractmethod
    def _refusal(self, keyword: str) -> str:
        """Why a keyword is not taken."""

    def cast(  # type: ignore[override]
        self, x: Any, *, nan: Any = None, axis: int | None = None, engine: str | None = None, dtype: Any = None,
        out: Any = None, **keywords: Any,
    ) -> Any:  # fmt: skip
        """The values of `encode`, in the dtype of `x` if it is float16/32/64, else float32."""
        self._check(keywords)
        if inputs.is_tensor(x) and (out is not None or (dtype is not None and np.dtype(dtype).kind == "O")):
            raise TypeError("a torch tensor takes neither out= nor dtype=object; pass x.numpy()")
        given = read(x)
        wanted = result_dtype(dtype, out, float_dtype(x, given))
        array = self._encoded(given, nan, axis, known_engine(engine))
        return returned(array.decode(wanted, out), x, out)

    def _check(self, keywords: dict[str, Any]) -> None:
        given = next((name for name, value in keywords.items() if value is not None), None)
        if given is not None:
            raise ValueError(f"{self._refusal(given)}: leave {given}= out")


def known_engine(engine: str | None) -> str | None:
    """A name that `engine=` takes, or None."""
    return None if engine is None else choose("engine", engine, ENGINES)


def float_dtype(x: Any, given: Input) -> np.dtype[Any]:
    """The dtype of results: that of `x` if it is float16/32/64, else float32."""
    if inputs.is_tensor(x):
        name = str(x.dtype).removeprefix("torch.")
        return np.dtype(name if name in ("float16", "float64") else "float32")
    dtype = np.asarray(x).dtype
    return (
        dtype.newbyteorder("=") if dtype.kind == "f" and dtype.itemsize <= 8 and dtype.isbuiltin != 2 else F4
    )


def result_dtype(dtype: Any, out: Any, default: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of values: what is asked for, be it by `out`, else the default."""
    asked = dtype if dtype is not None else getattr(out, "dtype", None)
    return default if asked is None else outputs.value_dtype(asked)


def values_for(result: Array) -> Array:
    """Where values are computed: in the result, unless that takes Fractions."""
    return np.empty(result.shape) if result.dtype.kind == "O" else result


def fill_raised(values: Array, offset: Array | None, fill: Callable[[Array], Any]) -> None:
    """Fill `values`; with an offset in float32, to which it is added there."""
    if offset is None:
        fill(values)
        return
    single = np.empty(values.shape, np.float32)
    fill(single)
    with np.errstate(all="ignore"):
        values[...] = single + offset


def delivered(values: Array, result: Array) -> Array:
    """The result, filled with values if they were computed elsewhere."""
    if values is not result:
        exactly = np.empty(values.shape, object)
        exactly.reshape(-1)[:] = [exact(v) for v in values.flat]
        result[...] = exactly
    return result


def returned(result: Array, x: Any, out: Any) -> Any:
    """As the caller gave it: a tensor for a tensor, a scalar for a scalar."""
    if inputs.is_tensor(x):
        return sys.modules["torch"].from_numpy(result)
    return result[()] if out is None and isinstance(x, (Number, np.generic, str)) else result


def refused(
    block: ScaledFormat, doing: str, bad: Array, what: str, cure: str, things: str = "values"
) -> RangeError:
    """The error that counts bad elements, or other things, and names the first."""
    count, first = int(bad.sum()), tuple(int(i) for i in np.argwhere(bad)[0])
    at = f"; first at {first[0] if len(first) == 1 else first}" if first else ""
    of = f"{count} of {bad.size} {things} {'is' if count == 1 else 'are'}"
    return RangeError(
        f"{doing} '{block}': {of} {what}{at}. {cure}",
        count, bad.size, first,
    )  # fmt: skip
