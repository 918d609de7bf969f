"""Gradients sent in few bits: TernGrad, QSGD, signs; what each sends, and its bias, variance and bits measured.

W. Wen et al., "TernGrad: ternary gradients to reduce communication in distributed deep learning", NIPS 2017;
D. Alistarh et al., "QSGD: communication-efficient SGD via gradient quantization and encoding", NIPS 2017;
J. Bernstein et al., "signSGD: compressed optimisation for non-convex problems", ICML 2018; S. P. Karimireddy
et al., "Error feedback fixes SignSGD and other gradient compression schemes", ICML 2019.

Scales travel as float32. Those that bound the elements are rounded up to float32, and probabilities are
taken with the rounded one, so no bias comes from that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from .. import noise
from ..table import Column, Table, short
from .arguments import integer_in
from .binary_filters import signs_of
from .elias import omega_lengths, omega_word, read_omega
from .levels import finite_numbers

Array = np.ndarray[Any, Any]
SCALE_BITS = 32
CLIP = 2.5  # standard deviations, as TernGrad
MOST_LEVELS = 65535
_WORDS = 1 << 32


class Compressed(Protocol):
    """What is sent in place of a gradient."""

    @property
    def bits(self) -> int: ...
    def decode(self) -> Array: ...


def rises(fraction: Any, words: Any) -> Array:
    """Whether a number that lies that fraction of the way up is rounded up, by uint32 noise.

    floor(fraction * 2**32) + word >= 2**32: of all 2**32 words exactly floor(fraction * 2**32) round up. In
    other terms u = (2**32 - 1 - word) / 2**32 is uniform, and u < fraction. `cast` decides in the same way.

    Parameters
    ----------
    fraction : array_like, 0 to 1
    words : uint32, shape of fraction, as `numfmt.noise.words`

    >>> rises([0.0, 0.25, 0.25, 1.0], np.array([2**32 - 1, 3 * 2**30 - 1, 3 * 2**30, 0], np.uint32)).tolist()
    [False, False, True, True]
    """
    parts = np.floor(np.asarray(fraction, np.float64) * _WORDS).astype(np.uint64)
    return np.asarray(parts + np.asarray(words, np.uint64) >= _WORDS)


def _noise(seed: int, shape: tuple[int, ...]) -> Array:
    """Element i in C order takes word i."""
    return noise.words(seed, 0, math.prod(shape)).reshape(shape)


def _single_above(x: float) -> float:
    """The least float32 from x on."""
    with np.errstate(over="ignore"):
        s = np.float32(x)
        s = s if float(s) >= x else np.nextafter(s, np.float32(np.inf))
    if not np.isfinite(s):
        raise ValueError(f"the scale of a gradient is sent as float32, which cannot hold {x}")
    return float(s)


class TernaryGradient(NamedTuple):
    """TernGrad: -1, 0 or 1 an element, and one scale.

    Attributes
    ----------
    codes : int8, shape of the gradient
    scale : float, a float32 number

    >>> sent = TernaryGradient(np.array([1, 0, -1], np.int8), 0.5)
    >>> sent.decode().tolist(), sent.to_bytes().hex(), sent.bits
    ([0.5, 0.0, -0.5], '06', 40)
    """

    codes: Array
    scale: float

    def decode(self) -> Array:
        """scale * codes, float64."""
        return np.asarray(self.scale * self.codes)

    def to_bytes(self) -> bytes:
        """Two bits an element, code + 1, four in a byte; the scale goes beside it.

        4 - n mod 4 elements, from 1 to 4, fill up: 0, 1, ... as two bits. Then the quarters of all elements
        lie over each other: byte = q1 + 4 q2 + 16 q3 + 64 q4.

        Source: wenwei202/terngrad, terngrad/inception/bingrad_common.py (ternary_encoder).
        """
        flat = self.codes.reshape(-1)
        padded = np.concatenate([flat + 1, np.arange(4 - flat.size % 4)]).astype(np.uint8)
        quarters = padded.reshape(4, -1)
        return bytes(quarters[0] | quarters[1] << 2 | quarters[2] << 4 | quarters[3] << 6)

    @classmethod
    def from_bytes(cls, sent: bytes, scale: float, shape: tuple[int, ...]) -> TernaryGradient:
        """What `to_bytes` wrote, of a gradient of that shape.

        >>> TernaryGradient.from_bytes(bytes.fromhex("06"), 0.5, (3,)).codes.tolist()
        [1, 0, -1]
        """
        n = math.prod(shape)
        if len(sent) != n // 4 + 1:
            raise ValueError(f"a gradient of {n} elements is sent in {n // 4 + 1} bytes, got {len(sent)}")
        quarters = np.frombuffer(sent, np.uint8) >> np.array([[0], [2], [4], [6]], np.uint8) & 3
        codes = quarters.reshape(-1)[:n].astype(np.int8) - 1
        return cls(codes.astype(np.int8).reshape(shape), scale)

    @property
    def bits(self) -> int:
        """All that is sent: bytes and scale."""
        return 8 * len(self.to_bytes()) + SCALE_BITS


# the scale: of the clipped gradient, and of the limit it was clipped to (infinity: not clipped)
_TERNARY_SCALES: dict[str, Callable[[float, float], float]] = {
    "paper": lambda largest, limit: largest,
    "code": lambda largest, limit: limit if math.isfinite(limit) else largest,
}


def terngrad(
    g: Any, seed: int, *, clip: float | None = CLIP, profile: str = "paper", scale: float | None = None
) -> TernaryGradient:
    """s sign(g_i) with probability |g_i| / s, else 0, of the gradient clipped to +-clip standard deviations.

    Without bias for the clipped gradient. The deviation is that of the population about its mean; the range
    it gives lies about 0.

    Parameters
    ----------
    g : array_like of finite numbers, any shape: one tensor's gradient
    seed : element i in C order takes `numfmt.noise.words(seed, i, 1)`, see `rises`
    clip : standard deviations, above 0; None: no clipping
    profile : "paper": s = max |g| after clipping; "code": s is the limit of clipping wherever there is one
    scale : a given s, such as the largest of all workers; at least max |g| after clipping

    Errors: `ValueError` for gradients that are empty or not finite, and for equal elements, not 0, where
    clipping by a deviation of 0 would leave nothing.

    Source: TernGrad; wenwei202/terngrad, bingrad_common.py.

    >>> sent = terngrad([0.5, -0.1, 0.0, 0.4], seed=3, clip=None)
    >>> sent.scale, sent.codes.tolist()
    (0.5, [1, 0, 0, 0])
    """
    numbers = finite_numbers(g, "TernGrad")
    if profile not in _TERNARY_SCALES:
        raise ValueError(f"the profiles of TernGrad are {', '.join(_TERNARY_SCALES)}, got {profile!r}")
    limit = _limit(numbers, clip)
    size = np.minimum(np.abs(numbers), limit)
    s = _single_above(_TERNARY_SCALES[profile](float(size.max()), limit) if scale is None else scale)
    if s < size.max():
        raise ValueError(f"the scale is at least the largest magnitude {size.max()}, got {scale}")
    up = rises(size / s if s else size, _noise(seed, numbers.shape))
    return TernaryGradient((np.sign(numbers) * up).astype(np.int8), s)


def _limit(numbers: Array, clip: float | None) -> float:
    """What magnitudes are clipped to."""
    if clip is None or not numbers.any():
        return math.inf if clip is None else 0.0
    if not clip > 0:
        raise ValueError(f"clipping is at more than 0 standard deviations, got {clip}; None does not clip")
    if numbers.min() == numbers.max():
        raise ValueError(
            f"all {numbers.size} elements are {numbers.flat[0]}, their deviation is 0, and clipping there leaves"
            " nothing. Take clip=None"
        )
    unit = math.frexp(float(np.abs(numbers).max()))[1]  # no square under- or overflows
    return clip * math.ldexp(float(np.ldexp(numbers, -unit).std()), unit)


class NormedGradient(NamedTuple):
    """QSGD: an integer an element, and the norm of each bucket.

    Attributes
    ----------
    codes : int32, shape of the gradient, from -levels to levels
    norms : float64, (buckets,), float32 numbers
    levels : s
    bucket : elements in C order that share a norm; the last bucket may be shorter

    >>> sent = NormedGradient(np.array([2, 0, -1], np.int32), np.array([4.0]), levels=4, bucket=3)
    >>> sent.decode().tolist(), sent.bits
    ([2.0, 0.0, -1.0], 42)
    """

    codes: Array
    norms: Array
    levels: int
    bucket: int

    def decode(self) -> Array:
        """norm * code / levels, float64."""
        return np.asarray(_of_elements(self.norms, self.codes, self.bucket) * self.codes / self.levels)

    def lengths(self) -> dict[str, int]:
        """Bits without the norms in either layout of the paper.

        dense: omega(1 + |code|) and, unless that is 0, a bit of the sign. sparse: of each bucket
        omega(1 + how many are not 0), then of each of these omega(how many places on), sign, omega(|code|).
        The count in front is this library's: the paper does not say how a bucket ends.

        Source: QSGD (the codes of few and of many levels).
        """
        size = np.abs(self.codes.reshape(-1).astype(np.int64))
        places = np.flatnonzero(size)
        counts = np.bincount(places // self.bucket, minlength=self.norms.size)
        sparse = omega_lengths(self._gaps(places)) + omega_lengths(size[places])
        return {
            "dense": int(omega_lengths(1 + size).sum()) + places.size,
            "sparse": int(sparse.sum() + omega_lengths(1 + counts).sum()) + places.size,
        }

    def _gaps(self, places: Array) -> Array:
        """From the element before, or from the start of the bucket."""
        before = np.concatenate([[-1], places[:-1]])
        return places - np.maximum(before, places // self.bucket * self.bucket - 1)

    @property
    def bits(self) -> int:
        """All that is sent: a bit that tells the shorter layout, the norms, the codes."""
        return 1 + SCALE_BITS * self.norms.size + min(self.lengths().values())

    def to_bits(self) -> str:
        """What is sent, as "0" and "1": 0 (dense) or 1 (sparse), all norms as float32, the codes."""
        lengths = self.lengths()
        sparse = lengths["sparse"] < lengths["dense"]
        norms = "".join(f"{n:032b}" for n in self.norms.astype(np.float32).view(np.uint32))
        flat = self.codes.reshape(-1).tolist()
        words = (
            self._sparse_words()
            if sparse
            else (omega_word(1 + abs(c)) + _SIGNS[c < 0] * bool(c) for c in flat)
        )
        return f"{int(sparse)}{norms}{''.join(words)}"

    def _sparse_words(self) -> Iterable[str]:
        flat = self.codes.reshape(-1)
        for start in range(0, flat.size, self.bucket):
            part = flat[start : start + self.bucket]
            places = np.flatnonzero(part)
            yield omega_word(1 + places.size)
            for gap, code in zip(np.diff(places, prepend=-1).tolist(), part[places].tolist(), strict=True):
                yield omega_word(gap) + _SIGNS[code < 0] + omega_word(abs(code))

    @classmethod
    def from_bits(cls, sent: str, levels: int, bucket: int, shape: tuple[int, ...]) -> NormedGradient:
        """What `to_bits` wrote, of a gradient of that shape.

        >>> sent = qsgd([3.0, 0.0, -4.0], seed=1, levels=4)
        >>> NormedGradient.from_bits(sent.to_bits(), 4, 3, (3,)).codes.tolist() == sent.codes.tolist()
        True
        """
        n = math.prod(shape)
        buckets = -(-n // integer_in("bucket", bucket, 1))
        at = 1 + SCALE_BITS * buckets
        patterns = [int(sent[i : i + SCALE_BITS], 2) for i in range(1, at, SCALE_BITS)]
        norms = np.array(patterns, np.uint32).view(np.float32).astype(np.float64)
        codes = (_read_sparse if sent[0] == "1" else _read_dense)(sent, at, n, bucket)
        return cls(codes.reshape(shape), norms, levels, bucket)


_SIGNS = ("0", "1")


def _read_dense(sent: str, at: int, n: int, bucket: int) -> Array:
    codes = np.zeros(n, np.int32)
    for i in range(n):
        size, at = read_omega(sent, at)
        codes[i], at = _signed(sent, at, size - 1) if size > 1 else (0, at)
    return codes


def _read_sparse(sent: str, at: int, n: int, bucket: int) -> Array:
    codes = np.zeros(n, np.int32)
    for start in range(0, n, bucket):
        count, at = read_omega(sent, at)
        place = start - 1
        for _ in range(count - 1):
            gap, at = read_omega(sent, at)
            place += gap
            size, end = read_omega(sent, at + 1)
            codes[place], at = _signed(sent, at, size)[0], end
    return codes


def _signed(sent: str, at: int, size: int) -> tuple[int, int]:
    return (-size if sent[at] == "1" else size), at + 1


def _of_elements(of_buckets: Array, elements: Array, bucket: int) -> Array:
    return np.asarray(np.repeat(of_buckets, bucket)[: elements.size].reshape(elements.shape))


def qsgd(g: Any, seed: int, *, levels: int = 1, bucket: int | None = None) -> NormedGradient:
    """||g|| sign(g_i) l / s, l = floor(|g_i| s / ||g||) or one more with the fraction as the probability.

    Without bias; the variance is at most min(n / s**2, sqrt(n) / s) ||g||**2 for n elements a bucket.

    Parameters
    ----------
    g : array_like of finite numbers, any shape
    seed : element i in C order takes `numfmt.noise.words(seed, i, 1)`, see `rises`
    levels : s, 1 to 65535
    bucket : elements that share a norm; None: all

    Errors: `ValueError` for gradients that are empty or not finite, and for levels or buckets out of range.

    Source: QSGD.

    >>> sent = qsgd([3.0, 0.0, -4.0], seed=0, levels=5)
    >>> sent.norms.tolist(), sent.codes.tolist()
    ([5.0], [3, 0, -4])
    """
    numbers = finite_numbers(g, "QSGD")
    s = integer_in("levels", levels, 1, MOST_LEVELS)
    size = numbers.size if bucket is None else integer_in("bucket", bucket, 1)
    parts = (numbers.reshape(-1)[i : i + size] for i in range(0, numbers.size, size))
    norms = np.array([_norm_above(part) for part in parts])
    of = _of_elements(np.where(norms, norms, 1.0), numbers, size)
    place = np.abs(numbers) / of * s
    low = np.floor(place)
    code = low + rises(place - low, _noise(seed, numbers.shape))
    return NormedGradient((np.sign(numbers) * code).astype(np.int32), norms, s, size)


def _norm_above(v: Array) -> float:
    """The Euclidean norm, without overflow, rounded up to float32."""
    largest = float(np.abs(v).max())
    return _single_above(largest * float(np.sqrt(((v / largest) ** 2).sum()))) if largest else 0.0


class SignGradient(NamedTuple):
    """Signs and one scale.

    Attributes
    ----------
    codes : int8, shape of the gradient, -1 or 1
    scale : float, a float32 number
    """

    codes: Array
    scale: float

    def decode(self) -> Array:
        """scale * codes, float64.

        >>> sign_compression([0.5, -1.5, 0.0, 2.0]).decode().tolist()
        [1.0, -1.0, 1.0, 1.0]
        """
        return np.asarray(self.scale * self.codes)

    def to_bytes(self) -> bytes:
        """One bit an element, 1 for minus, the first in the highest bit of a byte; the scale goes beside it."""
        return np.packbits(self.codes.reshape(-1) < 0).tobytes()

    @classmethod
    def from_bytes(cls, sent: bytes, scale: float, shape: tuple[int, ...]) -> SignGradient:
        """What `to_bytes` wrote, of a gradient of that shape.

        >>> SignGradient.from_bytes(b"\\x40", 1.0, (3,)).codes.tolist()
        [1, -1, 1]
        """
        n = math.prod(shape)
        if len(sent) != -(-n // 8):
            raise ValueError(f"the signs of {n} elements are sent in {-(-n // 8)} bytes, got {len(sent)}")
        minus = np.unpackbits(np.frombuffer(sent, np.uint8), count=n)
        return cls(np.where(minus, -1, 1).astype(np.int8).reshape(shape), scale)

    @property
    def bits(self) -> int:
        """One for each element, and the scale."""
        return self.codes.size + SCALE_BITS


def sign_compression(g: Any, seed: int = 0) -> SignGradient:
    """sign(g) mean |g|: deterministic, and biased. sign(0) is +1.

    signSGD sends the signs alone; the scale mean |g| = ||g||_1 / n makes it the compressor of error feedback.

    Parameters
    ----------
    g : array_like of finite numbers, any shape
    seed : not used; all compressors are called alike

    Source: Bernstein et al.; Karimireddy et al. (the scaled sign).

    >>> sign_compression([0.5, -1.5, 0.0, 2.0]).scale
    1.0
    """
    numbers = finite_numbers(g, "sign compression")
    return SignGradient(signs_of(numbers), float(np.float32(np.abs(numbers).mean())))


Compressor = Callable[[Any, int], Compressed]

COMPRESSORS: Mapping[str, Compressor] = MappingProxyType(
    {
        "TernGrad": terngrad,
        "TernGrad, code": lambda g, seed: terngrad(g, seed, profile="code"),
        "TernGrad, not clipped": lambda g, seed: terngrad(g, seed, clip=None),
        "QSGD s=1, bucket 512": lambda g, seed: qsgd(g, seed, levels=1, bucket=512),
        "QSGD s=4, bucket 512": lambda g, seed: qsgd(g, seed, levels=4, bucket=512),
        "QSGD s=16, bucket 512": lambda g, seed: qsgd(g, seed, levels=16, bucket=512),
        "QSGD s=1": qsgd,
        "sign": sign_compression,
    }
)


@dataclass(frozen=True)
class CompressionRow:
    """One compressor, over seeds. All but `bits` are relative to the gradient's norm or its square.

    Attributes
    ----------
    method : str
    bias : ||mean of the decoded - g|| / ||g||
    by_chance : what `bias` of an unbiased method would be over so many seeds: sqrt(variance / seeds)
    variance : mean of ||decoded - mean||**2 / ||g||**2, with seeds - 1 as the divisor
    error : mean of ||decoded - g||**2 / ||g||**2
    bits : sent for each element, scales counted, mean
    """

    method: str
    bias: float
    by_chance: float
    variance: float
    error: float
    bits: float


@dataclass(frozen=True, repr=False)
class CompressionTable(Table[CompressionRow]):
    """Compressors beside each other."""

    kind: ClassVar[type] = CompressionRow
    by: ClassVar[str] = "method"
    nothing: ClassVar[str] = "no compressor"

    def columns(self) -> Sequence[Column]:
        return _COLUMNS

    def group(self, row: CompressionRow) -> Hashable:
        return ""

    def title(self, row: CompressionRow) -> str:
        return "bias and by chance relative to the norm, variance and error to its square"


_COLUMNS = (
    Column("", "method", "method", str),
    Column("", "bias", "bias", short),
    Column("by", "chance", "by_chance", short),
    Column("", "variance", "variance", short),
    Column("", "error", "error", short),
    Column("bits", "/elem", "bits", lambda bits: f"{bits:.3f}"),
)


def compression_statistics(
    g: Any, methods: Mapping[str, Compressor] = COMPRESSORS, seeds: Iterable[int] = range(32)
) -> CompressionTable:
    """Bias, variance and bits of compressors on one gradient, across seeds.

    Parameters
    ----------
    g : array_like of finite numbers, any shape, not all 0
    methods : name: function of a gradient and a seed
    seeds : at least two

    >>> print(compression_statistics([0.5, -0.25, 0.125, 0.0], {"sign": sign_compression}, range(2)))
                    by                 bits
    method bias chance variance error /elem
    <BLANKLINE>
    bias and by chance relative to the norm, variance and error to its square
    sign   0.65      0        0  0.42 9.000
    """
    numbers = finite_numbers(g, "compression")
    chosen = tuple(seeds)
    if not numbers.any() or len(chosen) < 2:
        raise ValueError(
            f"statistics need a gradient that is not all 0, and two seeds, got {len(chosen)} seeds"
        )
    return CompressionTable(tuple(_row(name, numbers, method, chosen) for name, method in methods.items()))


def _row(name: str, g: Array, method: Compressor, seeds: tuple[int, ...]) -> CompressionRow:
    """Sums are of what differs from the first seed, so that a deterministic method has variance 0 exactly."""
    first = method(g, seeds[0]).decode()
    total, squares, bits = np.zeros_like(g), 0.0, 0
    for seed in seeds:
        sent = method(g, seed)
        away = sent.decode() - first
        total += away
        squares += float((away * away).sum())
        bits += sent.bits
    n, norm = len(seeds), float((g * g).sum())
    spread = (squares / n - float(((total / n) ** 2).sum())) / norm
    bias = float(((first + total / n - g) ** 2).sum()) / norm
    variance = spread * n / (n - 1)
    return CompressionRow(
        name, math.sqrt(bias), math.sqrt(variance / n), variance, bias + spread, bits / n / g.size
    )
