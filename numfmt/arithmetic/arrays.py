"""Arrays that compute in a format: NumPy's operators, each result rounded by the functions of this package."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from ..casting import decode
from ..engine import outputs
from ..format import Format
from ..reference import policy
from ..registry import element
from . import comparisons, dispatch, elementwise, products, selection, signs
from .operands import read

Array = np.ndarray[Any, Any]


class Options(NamedTuple):
    """How every result is rounded: keywords of `numfmt.add`."""

    rounding: Any
    overflow: Any
    nan: Any = None
    random_bits: int | None = None
    ftz: str | None = None
    daz: bool = False
    nan_profile: str | None = None
    engine: str | None = None


class Seeds:
    """A counter: each rounding takes the next seed."""

    def __init__(self, seed: int) -> None:
        self.next = seed

    def take(self) -> int:
        seed, self.next = self.next, self.next + 1
        return seed


def array(
    x: Any, fmt: Any, *, codes: bool = False, rounding: Any = None, overflow: Any = None, nan: Any = None,
    seed: int | None = None, random_bits: int | None = None, ftz: str | None = None, daz: bool = False,
    nan_profile: str | None = None, engine: str | None = None,
) -> FormatArray:  # fmt: skip
    """An array whose operators round every result to `fmt`.

    Parameters
    ----------
    x : array_like of real numbers, rounded once to `fmt`; or an array in any format
        With ``codes=True`` integers: codes of `fmt`.
    fmt : str, Format or dtype
        An element format.
    rounding, overflow, nan, random_bits, ftz, daz, nan_profile, engine
        As in `numfmt.add`, for `x` and for every result; results keep them.
    seed : int
        For stochastic rounding. The array and all that is computed from it share one counter: the first rounding, that
        of `x`, takes `seed`, and each operation after it the next number; of ``@`` and `sum` all steps draw from one,
        as in `numfmt.matmul`.

    Returns
    -------
    FormatArray

    Raises
    ------
    SpecError, RangeError, TypeError, ValueError : as `numfmt.cast`

    >>> a = numfmt.array([1.0, 2.0, 1 / 3], "bf16")
    >>> a * 0.1 + 1
    array([1.1015625, 1.203125 , 1.03125  ], 'bf16')
    >>> (a @ a).codes
    array(16548, dtype=uint16)
    """
    options = Options(rounding, overflow, nan, random_bits, ftz, daz, nan_profile, engine)
    empty = _empty(element(fmt), options, None if seed is None else Seeds(seed))
    if not codes:
        return empty.rounded(x)
    (source,) = read((x,), (empty.format,), True)
    return empty.with_codes(source.array.astype(empty.codes.dtype))


def _empty(form: Format, options: Options, seeds: Seeds | None) -> FormatArray:
    """No elements; options in canonical names."""
    rule = policy(form, options.rounding, options.overflow, options.nan, options.random_bits)
    name = rule.rounding.name
    if bool(rule.rounding.stochastic) != (seeds is not None):
        what = "takes no seed=" if seeds else "needs seed=, the first of a counter"
        raise ValueError(f"an array with rounding={name!r} {what}")
    options = options._replace(rounding=name, overflow=rule.overflow)
    return FormatArray(np.empty(0, outputs.own_code_dtype(form)), form, options, seeds)


class FormatArray:
    """An array of codes of one format, that computes in it; `numfmt.array` makes it.

    Operators and NumPy's functions of the same meaning round each result once to the format: ``+ - * /``, `np.sqrt`,
    `abs`, `np.minimum`, comparisons, and what moves elements about. ``@`` is `numfmt.matmul`: fused multiply-adds in
    the order of k from +0; `sum` is one of additions. The other operand has the same format and options, or is one
    number, which is rounded to the format first; arrays of NumPy and of other formats raise. ``np.asarray(a)`` gives the values.

    codes : ndarray of integers, `encode`'s dtype
    values : ndarray of the narrowest of float32 and float64 that holds the format; of Fractions where none does
    format : Format
    options : the rounding and all else that results keep

    >>> numfmt.array([1.5, 2.5], "e4m3fn", rounding="toward_zero") / 3
    array([0.5   , 0.8125], 'e4m3fn', rounding='toward_zero')
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, codes: Array, fmt: Format, options: Options, seeds: Seeds | None = None) -> None:
        self.codes, self.format, self.options, self.seeds = codes, fmt, options, seeds

    # What it holds

    @property
    def values(self) -> Array:
        return np.asarray(
            decode(self.codes, self.format, dtype=object if self.format.exceeds_float64 else None)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def ndim(self) -> int:
        return self.codes.ndim

    @property
    def size(self) -> int:
        return self.codes.size

    @property
    def T(self) -> FormatArray:  # noqa: N802
        return self.with_codes(self.codes.T)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("the values of codes are a new array: copy=False cannot be had")
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self) -> int:
        return len(self.codes)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def item(self) -> Any:
        """The value of the one element."""
        return self.values.item()

    def tolist(self) -> Any:
        return self.values.tolist()

    def __repr__(self) -> str:
        plain = _empty(self.format, Options(None, None), None).options
        told = "".join(f", {k}={v!r}" for k, v in self.options._asdict().items() if v != getattr(plain, k))
        values = np.array2string(self.values, separator=", ", prefix="array(")
        return f"array({values}, '{self.format}'{told})"

    # Parts and copies

    def with_codes(self, codes: Array) -> FormatArray:
        """Other codes in the same format, with the same options."""
        return FormatArray(codes, self.format, self.options, self.seeds)

    def __getitem__(self, index: Any) -> FormatArray:
        return self.with_codes(np.asarray(self.codes[index]))

    def __setitem__(self, index: Any, x: Any) -> None:
        self.codes[index] = self.operand(x).codes

    def reshape(self, *shape: Any) -> FormatArray:
        return self.with_codes(self.codes.reshape(*shape))

    def transpose(self, *axes: Any) -> FormatArray:
        return self.with_codes(self.codes.transpose(*axes))

    def ravel(self) -> FormatArray:
        return self.with_codes(self.codes.ravel())

    def copy(self) -> FormatArray:
        return self.with_codes(self.codes.copy())

    __copy__ = copy

    def astype(self, fmt: Any) -> FormatArray:
        """In another format, with its own overflow; the other options stay."""
        return _empty(element(fmt), self.options._replace(overflow=None, nan=None), self.seeds).rounded(self)

    # Arithmetic

    def keywords(self) -> dict[str, Any]:
        """Of one rounding; a stochastic one takes the next seed."""
        return self.options._asdict() | {"seed": None if self.seeds is None else self.seeds.take()}

    def rounded(self, x: Any) -> FormatArray:
        """Numbers, or an array in any format, rounded to this one's format."""
        if isinstance(x, FormatArray):
            how = self.keywords() | {"codes": True, "operands": x.format}
            return self.with_codes(np.asarray(elementwise.convert(x.codes, self.format, **how)))
        return self.with_codes(elementwise.encoded(x, self.format, **self.keywords()))

    def operand(self, x: Any) -> FormatArray:
        """The other operand: of the same format and options, or one number."""
        if isinstance(x, FormatArray):
            if (x.format, x.options) != (self.format, self.options):
                raise TypeError(f"operands are {_named(self)} and {_named(x)}: {_CURE}")
            return x
        if isinstance(x, (Real, Decimal)):
            return self.rounded(x)
        raise TypeError(f"operands are {_named(self)} and {type(x).__name__}: {_CURE}")

    def apply(self, operation: Any, *others: Any, **more: Any) -> FormatArray:
        """An operation that rounds, on this array and others."""
        codes = [x.codes for x in (self, *map(self.operand, others))]
        return self.with_codes(
            np.asarray(operation(*codes, self.format, codes=True, **self.keywords(), **more))
        )

    def select(self, operation: Any, *others: Any, **more: Any) -> FormatArray:
        """An operation that takes one of the format's values, whatever the mode."""
        codes = [x.codes for x in (self, *map(self.operand, others))]
        how = {"overflow": self.options.overflow, "nan": self.options.nan, "codes": True}
        return self.with_codes(np.asarray(operation(*codes, self.format, **how, **more)))

    def compare(self, test: Any, other: Any) -> Array:
        return np.asarray(
            test(self.codes, self.operand(other).codes, self.format, codes=True, daz=self.options.daz)
        )

    def __add__(self, other: Any) -> FormatArray:
        return self.apply(elementwise.add, other)

    def __sub__(self, other: Any) -> FormatArray:
        return self.apply(elementwise.sub, other)

    def __mul__(self, other: Any) -> FormatArray:
        return self.apply(elementwise.mul, other)

    def __truediv__(self, other: Any) -> FormatArray:
        return self.apply(elementwise.div, other)

    def __radd__(self, other: Any) -> FormatArray:
        return self.operand(other) + self

    def __rsub__(self, other: Any) -> FormatArray:
        return self.operand(other) - self

    def __rmul__(self, other: Any) -> FormatArray:
        return self.operand(other) * self

    def __rtruediv__(self, other: Any) -> FormatArray:
        return self.operand(other) / self

    def __iadd__(self, other: Any) -> FormatArray:
        return self.assign(self + other)

    def __isub__(self, other: Any) -> FormatArray:
        return self.assign(self - other)

    def __imul__(self, other: Any) -> FormatArray:
        return self.assign(self * other)

    def __itruediv__(self, other: Any) -> FormatArray:
        return self.assign(self / other)

    def assign(self, other: FormatArray) -> FormatArray:
        """Take the elements of an array in place."""
        self.codes[...] = self.operand(other).codes
        return self

    def __matmul__(self, other: Any) -> FormatArray:
        return products.matmul(self, self.operand(other))

    def __neg__(self) -> FormatArray:
        return self.select(signs.neg)

    def __pos__(self) -> FormatArray:
        return self.copy()

    def __abs__(self) -> FormatArray:
        return self.select(signs.abs)

    def __eq__(self, other: Any) -> Any:
        return self.compare(comparisons.equal, other)

    def __ne__(self, other: Any) -> Any:
        return ~self.compare(comparisons.equal, other)

    def __lt__(self, other: Any) -> Any:
        return self.compare(comparisons.less, other)

    def __le__(self, other: Any) -> Any:
        return self.compare(comparisons.less_equal, other)

    def __gt__(self, other: Any) -> Any:
        return self.operand(other).compare(comparisons.less, self)

    def __ge__(self, other: Any) -> Any:
        return self.operand(other).compare(comparisons.less_equal, self)

    # Reductions

    def sum(self, axis: int | None = None, *, order: str = "sequential", out: None = None) -> FormatArray:
        """`numfmt.sum` along an axis, or of all elements in C order, each addition rounded.

        order : "sequential", from +0 on, or another one of `numfmt.matmul`

        >>> numfmt.array([256.0] + [1.0] * 4, "bf16").sum(), numfmt.array([1.0] * 4 + [256.0], "bf16").sum()
        (array(256., 'bf16'), array(260., 'bf16'))
        """
        return products.sums(self, axis, order, out)

    def mean(self, axis: int | None = None, *, order: str = "sequential", out: None = None) -> FormatArray:
        """`sum` over the exact count, with one more rounding."""
        total = self.sum(axis, order=order, out=out)
        count = self.size // max(total.size, 1)
        how = total.keywords() | {"operands": (self.format, "int64"), "codes": True}
        return total.with_codes(np.asarray(elementwise.div(total.codes, np.int64(count), self.format, **how)))

    def prod(self, axis: int | None = None, *, out: None = None) -> FormatArray:
        """Products along an axis, or of all elements in C order, each multiplication rounded."""
        start = None if self.size else self.operand(1)
        return products.reduced(self, axis, lambda a, b: a * b, start, out)

    def min(self, axis: int | None = None, *, out: None = None) -> FormatArray:
        """NaN where an element is; -0 is less than +0."""
        return products.reduced(self, axis, lambda a, b: a.select(selection.minimum, b), None, out)

    def max(self, axis: int | None = None, *, out: None = None) -> FormatArray:
        return products.reduced(self, axis, lambda a, b: a.select(selection.maximum, b), None, out)

    # NumPy

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **how: Any) -> Any:
        return dispatch.ufunc(self, ufunc, method, inputs, how)

    def __array_function__(self, function: Any, types: Any, args: Any, how: Any) -> Any:
        return dispatch.function(function, args, how)


_CURE = "make both arrays of one format and options, as numfmt.array(x, 'bf16') does; one number is rounded by itself"


def _named(x: FormatArray) -> str:
    told = [f"{k}={v!r}" for k, v in x.options._asdict().items() if v not in (None, False)]
    return f"'{x.format}' ({', '.join(told)})"
