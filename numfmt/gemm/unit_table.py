"""The matrix units that are shipped, as data, and their table.

Sources, named in the rows:

MMA-Sim : Xie et al., MMA-Sim: Bit-Accurate Reference Model of Tensor Cores and Matrix Cores, arXiv 2511.10909
Khattak and Mikaitis : Accurate Models of NVIDIA Tensor Cores, arXiv 2512.07004, with outputs of real devices
Fasi et al. : Numerical behavior of NVIDIA tensor cores, PeerJ Computer Science 7:e330 (2021)
PTX ISA : sections on mma, wgmma, tcgen05.mma
Intel SDM : Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2
Arm ARM : Arm Architecture Reference Manual for A-profile, DDI 0487
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import choose
from ..table import Column, Table
from .unit_steps import Aligned, Chain, Floored, Grouped, Late, Scales, Unit

SIM, DEVICES = "MMA-Sim", "MMA-Sim; Khattak and Mikaitis"
X86_NAN, DEFAULT_NAN = 0xFFC00000, 0x7FC00000
FP8 = {"e4m3": "e4m3fn", "e5m2": "e5m2"}
FNUZ = {"e4m3fnuz": "e4m3fnuz", "e5m2fnuz": "e5m2fnuz"}
INPUTS = {"fp16": "f16", "bf16": "bf16", "tf32": "tf32", **FP8, **FNUZ}
NOT_COVERED = "no outputs of a device compared"

# name of the chip, fraction bits F, exponent of a zero, instruction, products in a step, and what is unverified
TENSOR_CORES: tuple[tuple[str, int, int, str, dict[str, int], dict[str, str]], ...] = (
    ("v100", 23, -131, "mma.m8n8k4", {"fp16": 4}, {}),
    ("t4", 24, -132, "mma.m16n8k8", {"fp16": 8}, {"fp16": NOT_COVERED}),
    ("a100", 24, -132, "mma", {"fp16": 8, "bf16": 8, "tf32": 4}, {}),
    ("ada", 24, -132, "mma", {"fp16": 8, "bf16": 8, "tf32": 4}, {}),
    (
        "h100", 25, -133, "wgmma, mma", {"fp16": 16, "bf16": 16, "tf32": 8},
        {"tf32": "steps of 8: device data has K = 4"},
    ),
    (
        "b200", 25, -133, "tcgen05.mma, mma", {"fp16": 16, "bf16": 16, "tf32": 8, "e4m3": 32, "e5m2": 32},
        {"tf32": "steps of 8: device data has K = 4", "e4m3": NOT_COVERED, "e5m2": NOT_COVERED},
    ),
    (
        "rtx50", 25, -133, "mma", {"fp16": 16, "bf16": 16, "tf32": 8, "e4m3": 32, "e5m2": 32},
        dict.fromkeys(("fp16", "bf16", "tf32", "e4m3", "e5m2"), NOT_COVERED),
    ),
)  # fmt: skip
HALF_LEAST = 112  # the exponent of a zero is that much higher where the sum is fp16
HALF_OUTPUT = ("fp16", "e4m3", "e5m2")

# FP8 on Ada and in wgmma: 13 fraction bits, in the sum as in its addends
SHORT_FP8 = (
    ("ada", 16, -132, "mma", "", ""),
    ("h100", 32, -133, "wgmma", "an initial sum: device data has none", NOT_COVERED),
)
# FP8 in mma on Hopper and B200: fp16 products of k mod 4 in 0, 1, then of the others, c last
EMULATED = tuple(4 * (i // 2) + i % 2 + two for two in (0, 2) for i in range(16))


def _half(name: str, unit: Unit, step: Any, unverified: str) -> Unit:
    return replace(unit, name=f"{name}_fp16out", step=step, c="f16", unverified=unverified)


def _tensor_cores() -> Iterator[Unit]:
    for chip, bits, least, instruction, lengths, doubts in TENSOR_CORES:
        for kind, length in lengths.items():
            name, step = f"nvidia_{chip}_{kind}", Aligned(length, bits=bits, least=least)
            unit = Unit(
                name,
                step,
                INPUTS[kind],
                instruction=instruction,
                source=DEVICES,
                unverified=doubts.get(kind, ""),
            )
            yield unit
            if kind in HALF_OUTPUT:
                half = Aligned(length, "f16", "nearest_even", "ieee", bits, least=least + HALF_LEAST)
                yield _half(name, unit, half, unit.unverified)


def _short_fp8() -> Iterator[Unit]:
    for chip, length, least, instruction, doubt, half_doubt in SHORT_FP8:
        for kind, spec in FP8.items():
            name, step = f"nvidia_{chip}_{kind}", Aligned(length, "e8m13", bits=13, least=least)
            unit = Unit(name, step, spec, instruction=instruction, source=DEVICES, unverified=doubt)
            yield unit
            half = Aligned(length, "f16", "nearest_even", "ieee", 13, least=least + HALF_LEAST)
            yield _half(name, unit, half, half_doubt)


def _emulated_fp8() -> Iterator[Unit]:
    for chip in ("h100", "b200"):
        for kind, spec in FP8.items():
            name, inner = f"nvidia_{chip}_{kind}_mma", Aligned(16, bits=25, least=-133)
            unit = Unit(
                name, Late(32, inner=inner), spec, order=EMULATED, instruction="mma.sync, through fp16",
                source="outputs of devices by Khattak and Mikaitis",
                unverified="the order of the halves is known from the fp16 outputs alone",
            )  # fmt: skip
            yield unit
            half = Aligned(16, "f16", "nearest_even", "ieee", 25, least=-133 + HALF_LEAST)
            yield _half(name, unit, Late(32, "f16", inner=half), "")


def _block_scaled() -> Iterator[Unit]:
    for chip in ("b200", "rtx50"):
        for kind, spec in {
            "mxe4m3": "e4m3fn", "mxe5m2": "e5m2", "mxe3m2": "e3m2fn", "mxe2m3": "e2m3fn", "mxe2m1": "e2m1fn",
        }.items():  # fmt: skip
            yield Unit(
                f"nvidia_{chip}_{kind}", Aligned(32, bits=25, least=-133), spec, scales=Scales("e8m0fnu", 32),
                instruction="kind::mxf8f6f4", source=SIM, unverified=NOT_COVERED,
            )  # fmt: skip
        for kind, scales in {"mxfp4": Scales("e8m0fnu", 32), "nvfp4": Scales("e4m3fn", 16)}.items():
            yield Unit(
                f"nvidia_{chip}_{kind}", Grouped(64, bits=35, least=-139), "e2m1fn", scales=scales,
                instruction="kind::mxf4nvf4", source=SIM, unverified="the whole model: one source, no device data",
            )  # fmt: skip


def _matrix_cores() -> Iterator[Unit]:
    """AMD MFMA; NaN as float32's default."""
    rows: list[tuple[str, str, Any]] = [
        *((f"mi100_{kind}", kind, Chain(n, width=n)) for kind, n in (("fp16", 4), ("bf16", 2))),
        *(
            (f"mi250_{name}", kind, Chain(n, lanes=n, daz="positive", ftz="rounded"))
            for name, kind, n in (("fp16", "fp16", 4), ("bf16_1k", "bf16", 4), ("bf16", "bf16", 2))
        ),
        *((f"mi300_{kind}", kind, Floored(n)) for kind, n in (("fp16", 8), ("bf16", 8), ("tf32", 4))),
        *((f"mi300_{kind}", kind, Floored(16, halves=True, reach=25)) for kind in FNUZ),
    ]
    for name, kind, step in rows:
        doubt = NOT_COVERED
        if isinstance(step, Floored):
            doubt += "; an earlier release of MMA-Sim floors the dot product at 31 bits"
        yield Unit(
            f"amd_{name}",
            step,
            INPUTS[kind],
            nan=DEFAULT_NAN,
            instruction="mfma",
            source=SIM,
            unverified=doubt,
        )


_X86: dict[str, Any] = {"daz": "signed", "ftz": "after"}
_ARM: dict[str, Any] = {"daz": "signed", "ftz": "before", "rounding": "to_odd", "overflow": "infinity"}
OTHERS = (
    Unit(
        "intel_vdpbf16ps", Chain(2, **_X86), "bf16", order=(1, 0), nan=X86_NAN, instruction="VDPBF16PS",
        source="Intel SDM, VDPBF16PS", unverified="NaN payloads are not modelled",
    ),
    Unit(
        "intel_amx_bf16", Chain(32, lanes=2, clear=True, **_X86), "bf16", nan=X86_NAN, instruction="TDPBF16PS",
        source="Intel SDM, TDPBF16PS", unverified=f"{NOT_COVERED}; the intrinsics guide prints another order",
    ),
    Unit(
        "intel_amx_fp16", Chain(32, lanes=2, clear=True, ftz="after"), "f16", nan=X86_NAN, instruction="TDPFP16PS",
        source="Intel SDM, TDPFP16PS", unverified=f"{NOT_COVERED}; a subnormal initial sum is kept",
    ),
    Unit(
        "arm_bfdot", Chain(2, lanes=2, **_ARM), "bf16", nan=DEFAULT_NAN, instruction="BFDOT, BFMMLA; FPCR.EBF = 0",
        source="Arm ARM, BFDotAdd", unverified=NOT_COVERED,
    ),
    Unit(
        "arm_bfdot_ebf", Chain(2, lanes=1, width=2), "bf16", nan=DEFAULT_NAN,
        instruction="BFDOT, BFMMLA; FPCR.EBF = 1, nearest even, no flushing",
        source="Arm ARM, BFDotAdd_EBF", unverified=NOT_COVERED,
    ),
    Unit(
        "google_tpu_bf16", Chain(), "bf16", nan=DEFAULT_NAN, instruction="MXU", source="no public description",
        unverified="order, extra bits and rounding: float32 in k order stands in for them",
    ),
    Unit("fma_sequential", Chain(), "f32", nan=DEFAULT_NAN, source="IEEE 754-2019, clause 5.4.1"),
    Unit("fma_sequential_f64", Chain(1, "f64"), "f64", c="f64", nan=DEFAULT_NAN,
         instruction="DMMA, MFMA of float64", source=SIM),
    Unit("exact", Chain(width=None), "f32", nan=DEFAULT_NAN, source="one rounding of the exact sum"),
)  # fmt: skip

UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        *_tensor_cores(), *_short_fp8(), *_emulated_fp8(), *_block_scaled(), *_matrix_cores(), *OTHERS,
    )
}  # fmt: skip


def unit_of(unit: Any) -> Unit:
    """A unit by name, or as it is.

    >>> unit_of("nvidia_a100_bf16").step.length
    8
    """
    return unit if isinstance(unit, Unit) else UNITS[choose("unit", unit, UNITS)]


def systolic(rows: int, a: str = "bf16", adder: str = "f32", **how: Any) -> Unit:
    """A weight-stationary systolic array with `rows` rows of multiply-adders.

    The partial sum of each `rows` products starts at +0, goes down a column of the array with one rounding a
    row, and is added to the sum so far, in the format of the adders.

    Parameters
    ----------
    rows : int
    a : str
        Format of the operands.
    adder : str
        Format of the sums.
    **how : fields of `Chain`
        The pipeline: `rounding`, `overflow`, `product` (a format that products are rounded to first), `daz`,
        `ftz`, `lanes` (sums that a pipelined adder keeps apart), `width` (products that enter an addition).

    Examples
    --------
    >>> from numfmt.gemm import matmul, systolic
    >>> mine = systolic(4, adder="bf16", product="bf16")
    >>> matmul(np.full((1, 300), 1.0), np.full((300, 1), 1.0), unit=mine)
    array([[300.]], dtype=float32)
    >>> matmul(np.full((1, 300), 1.0), np.full((300, 1), 1.0), unit=systolic(300, adder="bf16"))
    array([[256.]], dtype=float32)
    """
    step = Chain(rows, adder, **{"lanes": 1, "clear": True, **how})
    return Unit(f"systolic_{rows}", step, a, c=adder, nan=DEFAULT_NAN, source="as given")


@dataclass(frozen=True)
class UnitRow:
    """One unit: its formats, its step, who describes it, and what of that is UNVERIFIED."""

    name: str
    a: str
    c: str
    output: str
    rounding: str
    step: str
    instruction: str
    source: str
    unverified: str


class UnitTable(Table[UnitRow]):
    kind, by, nothing = UnitRow, "name", "no units"

    def columns(self) -> Sequence[Column]:
        return (
            Column("", "unit", "name", str),
            Column("", "input", "a", str),
            Column("", "output", "output", str),
            Column("", "step", "step", str),
            Column("", "unverified", "unverified", lambda x: f"UNVERIFIED: {x}" if x else "-"),
        )

    def group(self, row: UnitRow) -> str:
        return row.name.partition("_")[0]

    def title(self, row: UnitRow) -> str:
        return self.group(row)


def units() -> UnitTable:
    """The matrix units that `matmul(..., unit=)` knows.

    Returns
    -------
    UnitTable
        Rows of `UnitRow`; `unverified` says what has not been confirmed on hardware, or is empty.
        `to_dicts`, `to_csv`, `to_json` and `to_pandas` give all fields.

    Examples
    --------
    >>> row = next(row for row in units() if row.name == "nvidia_h100_bf16")
    >>> row.step, row.output, row.rounding, row.unverified
    ('Aligned, length 16, bits 25', 'f32', 'toward_zero', '')
    """
    return UnitTable(tuple(_row(unit) for unit in UNITS.values()))


def _row(unit: Unit) -> UnitRow:
    step = unit.step
    return UnitRow(
        unit.name, unit.a, unit.c, step.output, step.rounding, unit.summary(), unit.instruction, unit.source,
        unit.unverified,
    )  # fmt: skip
