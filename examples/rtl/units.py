"""The circuits of this folder: what each should compute, and which files it is made of."""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
NUMBERED = re.findall(r"integer (\w+) = (\d+);", (HERE / "bugs.sv").read_text())
BUGS = {name.lower(): int(number) for name, number in NUMBERED}


class Unit(NamedTuple):
    """`ports`: of the operands."""

    operation: str
    format: str
    ports: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def sources(self) -> list[Path]:
        return [HERE / name for name in ("bugs.sv", *self.files)]


UNITS = {
    "fp8_mul": Unit("mul", "e4m3fn", ("a", "b"), ("fp8_mul.sv",)),
    "bf16_fma": Unit("fma", "bf16", ("a", "b", "c"), ("bf16_operand.sv", "bf16_fma.sv")),
}


def arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("unit", choices=UNITS)
    parser.add_argument("--bug", choices=BUGS, help="plant a mistake")
    parser.add_argument("--saturate", action="store_true", help="of fp8_mul: +-448 beyond the range, not NaN")
    parser.add_argument(
        "--count", type=int, help="vectors, spread over all; all of fp8_mul and 120000 unless given"
    )
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder for what is built")
    given = parser.parse_args()
    if given.saturate and given.unit != "fp8_mul":
        parser.error("bf16 has infinities: only fp8_mul saturates")
    given.count = given.count or (65_536 if given.unit == "fp8_mul" else 120_000)
    given.work.mkdir(parents=True, exist_ok=True)
    return given


def parameters(given: argparse.Namespace) -> dict[str, int]:
    """Of the Verilog module."""
    wanted = {"BUG": BUGS.get(given.bug, 0)}
    return {**wanted, "SATURATE": int(given.saturate)} if given.unit == "fp8_mul" else wanted


def choices(given: argparse.Namespace) -> dict[str, str]:
    """Of numfmt: the same."""
    return {"overflow": "saturate"} if given.saturate else {}
