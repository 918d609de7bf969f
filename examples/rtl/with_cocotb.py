"""cocotb with numfmt as the model: operands are driven, results compared batch by batch.

    python with_cocotb.py fp8_mul
    python with_cocotb.py bf16_fma --bug ties_away

Exit status: 0 all agree, 1 some differ. The simulator loads this file too, and runs `agrees_with_numfmt`.
"""

import os
import sys
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import Timer
from cocotb_tools.runner import get_results, get_runner
from units import UNITS, arguments, choices, parameters

import numfmt
from numfmt.testing import assert_same_bits

BATCH = 8192  # vectors between comparisons


@cocotb.test()
async def agrees_with_numfmt(dut):
    """Every vector: the right result, the right exceptions."""
    unit = UNITS[os.environ["UNIT"]]
    how = {"overflow": os.environ["OVERFLOW"]} if os.environ.get("OVERFLOW") else {}
    stimuli = numfmt.vectors.generate(unit.operation, unit.format, count=int(os.environ["COUNT"])).operands
    for start in range(0, stimuli[0].size, BATCH):
        operands = tuple(x[start : start + BATCH] for x in stimuli)
        results, flags = await driven(dut, unit.ports, operands)
        model = getattr(numfmt, unit.operation)
        expected, wanted = model(*operands, unit.format, codes=True, flags=True, **how)
        assert_same_bits(results, expected, unit.format, inputs=operands, operation=unit.operation)
        np.testing.assert_array_equal(flags, wanted, "flags")
        dut._log.info(f"{start + operands[0].size} vectors agree")


async def driven(dut, ports, operands):
    """What the circuit gives for operands, one after the other."""
    results, flags = [], []
    for row in zip(*(x.tolist() for x in operands), strict=True):
        for port, code in zip(ports, row, strict=True):
            getattr(dut, port).value = code
        await Timer(1, "ns")
        results.append(int(dut.y.value))
        flags.append(int(dut.flags.value))
    return np.array(results), np.array(flags)


def main() -> int:
    given = arguments(__doc__.splitlines()[0])
    runner = get_runner("icarus")
    where = {"build_dir": given.work / "cocotb", "hdl_toplevel": given.unit}
    runner.build(
        sources=UNITS[given.unit].sources,
        parameters=parameters(given),
        always=True,
        timescale=("1ns", "1ns"),
        **where,
    )
    environment = {
        "UNIT": given.unit,
        "COUNT": str(given.count),
        "OVERFLOW": choices(given).get("overflow", ""),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    report = runner.test(test_module=Path(__file__).stem, extra_env=environment, **where)
    ran, failed = get_results(report)
    return int(failed > 0 or not ran)


if __name__ == "__main__":
    sys.exit(main())
