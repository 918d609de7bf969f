"""Eight numbers at a time: the nearest point of the lattices D8 and E8, and QuIP#'s codebook E8P.

J. H. Conway, N. J. A. Sloane, "Fast quantizing and decoding algorithms for lattice quantizers and codes",
IEEE Transactions on Information Theory 28(2), 1982; A. Tseng et al., "QuIP#: even better LLM quantization
with Hadamard incoherence and lattice codebooks", ICML 2024.

D8 is the integer vectors of even sum; E8 is D8 and D8 + (1/2, ..., 1/2).
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .arguments import positive
from .levels import finite_numbers

Array = np.ndarray[Any, Any]
DIMENSION = 8
LARGEST = 2.0**50  # from where on halves of integers are no longer told apart safely
E8P_SCALE = 1.03  # of numbers N(0, 1) before they are encoded, as the authors have it
_AT_ONCE = 2048  # vectors
_NORM = 10  # |v|**2 of the magnitudes that are all taken

# 29 of the magnitudes with |v|**2 = 12, five 3/2 and three 1/2: the places of the 1/2, in the order of the codes
_HALVES_OF_NORM_12 = [
    "123",
    "023",
    "013",
    "012",
    "367",
    "357",
    "347",
    "356",
    "346",
    "345",
    "267",
    "257",
    "247",
    "256",
    "246",
    "245",
    "167",
    "157",
    "147",
    "156",
    "146",
    "045",
    "067",
    "057",
    "047",
    "056",
    "046",
    "014",
    "237",
]
_SIGN_BITS = (0, 4, 1, 5, 2, 6, 3, 7)  # the bit that holds the sign of coordinate 0, 1, ...


def _vectors(x: Any, what: str) -> Array:
    v = finite_numbers(x, what)
    if v.ndim < 1 or v.shape[-1] != DIMENSION:
        raise ValueError(
            f"{what} takes vectors of {DIMENSION} numbers along the last axis, got shape {v.shape}"
        )
    return v


def _nearest_of_even_sum(v: Array) -> Array:
    """The nearest integer vector of even sum: round each, and if the sum is odd the worst the other way."""
    near = np.rint(v)
    away = v - near
    worst = np.argmax(np.abs(away), axis=-1)[..., None]
    odd = near.sum(axis=-1, keepdims=True) % 2 != 0
    turn = np.where(np.take_along_axis(away, worst, -1) < 0, -1.0, 1.0)
    turned = np.take_along_axis(near, worst, -1) + turn * odd
    np.put_along_axis(near, worst, turned, -1)
    return np.asarray(near)


def d8_nearest(x: Any) -> Array:
    """The nearest point of D8 to each vector.

    Each number is rounded to nearest even; if the sum is odd, the one with the largest error (the first of
    several) goes to the integer on its other side (up, where the error is 0).

    Parameters
    ----------
    x : array_like of finite numbers, (..., 8), magnitudes below 2**50

    Returns
    -------
    float64, (..., 8)

    Source: Conway, Sloane (the algorithm of D_n).

    >>> d8_nearest([0.6, 0.1, 0, 0, 0, 0, 0, 0]).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return _nearest_of_even_sum(_bounded(_vectors(x, "D8")))


def _bounded(v: Array) -> Array:
    largest = np.abs(v).max()
    if largest >= LARGEST:
        raise ValueError(
            f"numbers below 2**50 have a nearest lattice point in float64, got {largest}. Scale them"
        )
    return v


def e8_nearest(x: Any) -> Array:
    """The nearest point of E8 to each vector: of the nearest in D8 and the nearest in D8 + 1/2 the nearer one.

    Of the two the distances are compared in float64: where they differ by less than its rounding, either may come
    out, and at computed equality D8 has it. Ties within each are those of `d8_nearest`.

    Parameters
    ----------
    x : array_like of finite numbers, (..., 8), magnitudes below 2**50

    Returns
    -------
    float64, (..., 8): all integers or all halves of odd integers, of even sum

    Source: Conway, Sloane (a union of cosets).

    >>> e8_nearest([0.6, 0.4, 0.5, 0.5, 0.4, 0.6, 0.3, 0.7]).tolist()
    [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    """
    v = _bounded(_vectors(x, "E8"))
    whole, half = _nearest_of_even_sum(v), _nearest_of_even_sum(v - 0.5) + 0.5
    farther = _squares(v - whole) > _squares(v - half)
    return np.where(farther[..., None], half, whole)


def _squares(v: Array) -> Array:
    """Sums of squares over the last axis, added from the first on."""
    return np.asarray(np.cumsum(v * v, axis=-1)[..., -1])


def e8_encode(x: Any, scale: float = 1.0) -> Array:
    """The nearest point of E8 to each vector over the scale, as doubled coordinates: all even or all odd.

    Parameters
    ----------
    x : array_like of finite numbers, (..., 8)
    scale : above 0: the lattice is scale * E8

    Returns
    -------
    int64, (..., 8): twice the coordinates; their sum is a multiple of 4

    Source: as `e8_nearest`.

    >>> e8_encode([0.6, 0.4, 0.5, 0.5, 0.4, 0.6, 0.3, 0.7]).tolist()
    [1, 1, 1, 1, 1, 1, 1, 1]
    """
    return (2 * e8_nearest(_vectors(x, "E8") / positive("the scale of a lattice", scale))).astype(np.int64)


def e8_decode(codes: Any, scale: float = 1.0) -> Array:
    """The points that doubled coordinates stand for, times the scale.

    Parameters
    ----------
    codes : array_like of int, (..., 8), all even or all odd, of a sum that is a multiple of 4

    Errors: `ValueError` for codes of no point of E8.

    >>> e8_decode([1, 1, 1, 1, 1, 1, 1, -3]).tolist()
    [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -1.5]
    """
    doubled = np.asarray(codes)
    if doubled.dtype.kind not in "iu" or not doubled.size or doubled.shape[-1] != DIMENSION:
        raise ValueError(
            f"codes of E8 are integers of shape (..., 8), got {doubled.dtype} of {doubled.shape}"
        )
    parity = doubled % 2
    if (parity != parity[..., :1]).any() or (doubled.sum(axis=-1) % 4).any():
        raise ValueError(
            "doubled coordinates of E8 are all even or all odd, and their sum is a multiple of 4"
        )
    return np.asarray(positive("the scale of a lattice", scale) * (doubled / 2))


class PaddedLattice(NamedTuple):
    """E8P: 256 magnitudes, their signs with an even sum, and a shift of +1/4 or -1/4: 65536 points of E8 + 1/4.

    Attributes
    ----------
    magnitudes : float64, (256, 8), halves of odd integers: 227 with |v|**2 at most 10, 29 with 12
    odd : bool, (256,): the sum is odd, so an odd number of signs is negative
    """

    magnitudes: Array
    odd: Array


@cache
def e8p_table() -> PaddedLattice:
    """The magnitudes of E8P in the order of the codes: by coordinates, then those of norm 12.

    Source: QuIP#; Cornell-RelaxML/quip-sharp, lib/codebook/latticee8_padded12.py.

    >>> e8p_table().magnitudes[[0, 1, -1]].tolist()[1]
    [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.5]
    """
    low = [v for v in product((0.5, 1.5, 2.5), repeat=DIMENSION) if sum(c * c for c in v) <= _NORM]
    high = [[0.5 if str(i) in halves else 1.5 for i in range(DIMENSION)] for halves in _HALVES_OF_NORM_12]
    table = PaddedLattice(np.array([*low, *high]), np.array([sum(v) % 2 == 1 for v in (*low, *high)]))
    for shared in table:
        shared.flags.writeable = False
    return table


def e8p_decode(codes: Any) -> Array:
    """The points of 16-bit codes.

    The high byte is the rank of the magnitudes. The low byte has a bit for each coordinate, 0 to 7 in the
    bits 0, 4, 1, 5, 2, 6, 3, 7: 1 for a sign turned, where the last coordinate begins negative if the
    magnitudes have an odd sum. An odd number of ones means that bit 0 counts the other way and all
    coordinates are lower by 1/4; an even number, that they are higher by 1/4.

    Parameters
    ----------
    codes : array_like of int, any shape, 0 to 65535

    Returns
    -------
    float64, (*shape, 8), odd multiples of 1/4

    Source: quip-sharp, latticee8_padded12.py (get_full_grid).

    >>> e8p_decode([0, 1]).tolist()[1]
    [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]
    """
    given = np.asarray(codes)
    if given.dtype.kind not in "iu" or (given.size and (given.min() < 0 or given.max() > 65535)):
        raise ValueError(f"codes of E8P are integers from 0 to 65535, got {given.dtype}")
    table, rank = e8p_table(), given.astype(np.int64) >> 8
    bits = given[..., None].astype(np.int64) >> np.array(_SIGN_BITS) & 1
    shift = bits.sum(axis=-1) % 2
    bits[..., 0] ^= shift
    bits[..., -1] ^= table.odd[rank]
    return np.asarray((1 - 2 * bits) * table.magnitudes[rank] + (0.25 - 0.5 * shift)[..., None])


def e8p_encode(x: Any) -> Array:
    """The code of the nearest of E8P's 65536 points: all of them are compared, none is skipped.

    For each shift and each magnitude vector m the best signs are those of y = x - shift; if their product is
    wrong, the coordinate where turning the sign costs least, 4 m_i |y_i|, has it turned. So 512 distances
    decide. They are compared in float64: of points whose distances differ by less than its rounding, any may come
    out. At computed equality the shift +1/4 has it, then the lower rank; 0 counts as positive, and
    the first of several coordinates is turned.

    Parameters
    ----------
    x : array_like of finite numbers, (..., 8). Numbers N(0, 1) are multiplied by `E8P_SCALE` before.

    Returns
    -------
    uint16, shape of x without the last axis

    Source: QuIP#; the layout is that of `e8p_decode`.

    >>> e8p_decode(e8p_encode([0.3, 0.2, 0.1, 0.3, 0.3, 0.2, -0.4, -0.2])).tolist()
    [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, -0.75, -0.75]
    """
    v = _vectors(x, "E8P")
    flat = v.reshape(-1, DIMENSION)
    codes = np.empty(len(flat), np.uint16)
    for i in range(0, len(flat), _AT_ONCE):
        codes[i : i + _AT_ONCE] = _encoded(flat[i : i + _AT_ONCE])
    return codes.reshape(v.shape[:-1])


def _encoded(x: Array) -> Array:
    """The codes of some vectors."""
    higher, lower = _signed(x - 0.25), _signed(x + 0.25)
    take_lower = lower[1] < higher[1]
    return np.where(take_lower, lower[0] ^ 1, higher[0])


def _signed(y: Array) -> tuple[Array, Array]:
    """The nearest signed magnitudes: codes without the shift, and squared distances."""
    table, size, minus = e8p_table(), np.abs(y), y < 0
    cost, wrong, least = _costs(size), minus.sum(axis=1) % 2 == 1, _least_turns(size)
    cost += np.where(wrong[:, None] != table.odd, 4 * least, 0.0)
    rank = np.argmin(cost, axis=1)
    bits = minus.astype(np.int64)
    rows = np.arange(len(y))
    turned = np.argmin(table.magnitudes[rank] * size, axis=1)
    bits[rows, turned] ^= wrong != table.odd[rank]
    bits[:, -1] ^= table.odd[rank]
    return rank << 8 | (bits << np.array(_SIGN_BITS)).sum(axis=1), cost[rows, rank] + _squares(y)


def _costs(size: Array) -> Array:
    """|m|**2 - 2 m |y|, (vectors, 256), added coordinate by coordinate."""
    m = e8p_table().magnitudes
    cost = np.broadcast_to((m * m).sum(axis=1), (len(size), len(m))).copy()
    for i in range(DIMENSION):
        cost -= 2 * size[:, i, None] * m[:, i]
    return cost


def _least_turns(size: Array) -> Array:
    """The least m_i |y_i|, (vectors, 256)."""
    m = e8p_table().magnitudes
    least = size[:, 0, None] * m[:, 0]
    for i in range(1, DIMENSION):
        np.minimum(least, size[:, i, None] * m[:, i], out=least)
    return least
