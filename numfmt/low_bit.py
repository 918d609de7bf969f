"""Where levels that are not equally spaced win, and where they do not: every quantizer at 1 to 8 bits on tensors.

`low_bit_errors` measures families of formats at each width, scales and codebooks counted in, and tells each from
equal steps at the same true number of bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from .comparison import Row, compare_tensors, format_list
from .errors import choose
from .measurement import job_of
from .registry import parse
from .table import Column, Table, counted, decibels
from .tensors import Tensor, tensors_of

BITS = range(1, 9)
UNIFORM = "uniform"

# family: formats from the narrowest to the widest; {} is the number of bits
FAMILIES: dict[str, tuple[str, ...]] = {
    UNIFORM: ("bwn", *(f"fit[of=int{b}]" for b in range(2, 10))),
    "uniform in blocks of 32": tuple(f"block[of=int{b},scale=f16,size=32,rule=mse]" for b in range(2, 9)),
    "WRPN": tuple(f"fit[of=snorm{b}]" for b in range(2, 9)),
    "float": tuple(f"fit[of={f}]" for f in ("e2m1fn", "e2m2fin", "e2m3fn", "e3m3fin", "e4m3fn")),
    "MX": ("mxfp4", "mxfp6_e2m3", "mxfp8_e4m3"),
    "NF4 and NVFP4": ("bnb_nf4", "nvfp4"),
    "ternary": ("twn", "twn[ratio=best]", "ttq[t=0.2]"),
    "Lloyd-Max": tuple(f"lloyd{b}" for b in BITS),
    "k-means (linear)": tuple(f"kmeans{b}" for b in BITS),
    "k-means (density)": tuple(f"kmeans{b}[init=density]" for b in BITS),
    "LQ-Nets": tuple(f"lqnet{b}" for b in BITS),
    "PWLQ": tuple(f"pwlq{b}" for b in range(2, 8)),
    "APoT": tuple(f"fit[of=apot{b}]" for b in range(2, 8)),
    "sp2": tuple(f"fit[of=sp2[bits={b}]]" for b in (5, 7, 8)),  # 4, 6 and 8 bits of a code
    "PoT": tuple(f"fit[of=pot{b}]" for b in range(3, 8)),
    "INQ": tuple(f"inq{b}" for b in range(3, 9)),
    "logarithm": tuple(f"fit[of=log{b}[clip=paper]]" for b in range(1, 7)),
    "logarithm (sqrt2)": tuple(f"fit[of=log{b}[base=sqrt2,clip=paper]]" for b in range(2, 7)),
    "ShiftCNN": tuple(f"fit[of=shiftcnn[n={n},b={b}]]" for n, b in ((1, 3), (1, 4), (2, 3), (2, 4))),
    "ELB": tuple(f"elbfit{n}" for n in (3, 5, 7, 9)),
    "LSQ's start": tuple(f"lsq{b}" for b in range(2, 9)),
}


@dataclass(frozen=True)
class LowBitError:
    """What one format makes of one tensor.

    Attributes
    ----------
    tensor, family, format : names
    count : elements
    bits_per_element : codes, scales and codebooks over the elements
    sqnr_db : 10 log10(sum x**2 / sum (x - y)**2), in dB
    gain_db : that, less the same of equal steps with as many bits, between whose widths it is interpolated;
        NaN outside of them
    """

    tensor: str
    family: str
    format: str
    count: int
    bits_per_element: float
    sqnr_db: float
    gain_db: float


def signed_decibels(x: float) -> str:
    return "-" if math.isnan(x) else f"{x:+.1f}"


COLUMNS = (
    Column("", "family", "family", str),
    Column("", "format", "format", str),
    Column("bits an", "element", "bits_per_element", lambda bits: f"{bits:.4g}"),
    Column("SQNR", "dB", "sqnr_db", decibels),
    Column("over", "uniform", "gain_db", signed_decibels),
)


@dataclass(frozen=True, repr=False)
class LowBitErrors(Table[LowBitError]):
    """The rows of `low_bit_errors`, in the order of tensors, families and widths."""

    kind = LowBitError
    by = "tensor"
    nothing = "no tensors"

    def columns(self) -> Sequence[Column]:
        return COLUMNS

    def group(self, row: LowBitError) -> tuple[str, int]:
        return row.tensor, row.count

    def title(self, row: LowBitError) -> str:
        return counted(row.tensor, row.count)


def low_bit_errors(tensors: Any, families: Iterable[str] | Mapping[str, Any] | None = None) -> LowBitErrors:
    """Signal to noise of every family of low-bit formats against its true bits an element.

    Parameters
    ----------
    tensors : array_like of finite numbers, mapping of names to such, or path
        As in `compare`.
    families : list of names in `FAMILIES`, or mapping of a name to specs as `compare` takes them; optional
        All, if not given. Equal steps, "uniform", are measured in any case, and no other family has that name.

    Returns
    -------
    LowBitErrors
        A sequence of `LowBitError`; prints as a table, has `to_csv`, `to_json`, `to_pandas`;
        `numfmt.plotting.low_bit_curves` draws it.

    Raises
    ------
    SpecError : an unknown family or format
    ValueError : NaN or infinities; another family by the name "uniform", or one without formats; data that a
        format cannot learn from, with the names of tensor and format

    >>> x = np.random.default_rng(0).standard_normal(4096)
    >>> for row in low_bit_errors(x, {"Lloyd-Max": ["lloyd4"], "APoT": ["fit[of=apot5]"]})[-2:]:
    ...     print(row.family, round(row.bits_per_element, 3), f"{row.gain_db:+.1f} dB")
    Lloyd-Max 4.125 +0.1 dB
    APoT 5.008 -2.4 dB
    """
    chosen = {UNIFORM: _specs(UNIFORM, FAMILIES[UNIFORM]), **_chosen(families)}
    jobs = [job_of(parse(spec), None, None, None, None) for spec in dict.fromkeys(chain(*chosen.values()))]
    found: dict[str, dict[str, Row]] = {}
    for row in compare_tensors(map(_checked, tensors_of(tensors)), jobs):
        found.setdefault(row.tensor, {})[row.format] = row
    return LowBitErrors(tuple(row for rows in found.values() for row in _rows(rows, chosen)))


def _chosen(families: Iterable[str] | Mapping[str, Any] | None) -> dict[str, list[str]]:
    """The specs of each family that is asked for."""
    if families is None:
        return _chosen(FAMILIES)
    if not isinstance(families, Mapping):
        names = [families] if isinstance(families, str) else list(families)
        return _chosen({name: FAMILIES[choose("family", name, FAMILIES)] for name in names})
    found = {family: _specs(family, formats) for family, formats in families.items()}
    if found.get(UNIFORM, equal := _specs(UNIFORM, FAMILIES[UNIFORM])) != equal:
        raise ValueError(f"{UNIFORM!r} names the equal steps that gains are over; name your family otherwise")
    return found


def _specs(family: str, formats: Any) -> list[str]:
    """Canonical, without repetition."""
    if isinstance(formats, Sized) and not len(formats):
        raise ValueError(f"family {family!r} has no formats; give it one, such as 'lloyd4', or leave it out")
    return [str(fmt) for fmt in format_list(formats)]


def _checked(tensor: Tensor) -> Tensor:
    """It, if its numbers are finite."""
    lost = sum(int(np.count_nonzero(~np.isfinite(x))) for x in tensor.chunks())
    if lost:
        what = f"tensor {tensor.name!r}" if tensor.name else "the tensor"
        raise ValueError(f"{what} has {lost} elements that are NaN or infinite; put numbers there")
    return tensor


def _rows(rows: dict[str, Row], chosen: Mapping[str, Sequence[str]]) -> list[LowBitError]:
    """Of one tensor."""
    equal = sorted((rows[spec].bits_per_element, rows[spec].sqnr_db) for spec in chosen[UNIFORM])
    bits, decibels_of = zip(*equal, strict=True)
    each = [(family, rows[spec]) for family, own in chosen.items() for spec in own]
    return [
        LowBitError(
            r.tensor, family, r.format, r.count, r.bits_per_element, r.sqnr_db,
            r.sqnr_db - float(np.interp(r.bits_per_element, bits, decibels_of, math.nan, math.nan)),
        )
        for family, r in each
    ]  # fmt: skip
