"""Golden vectors for $readmemh: numfmt writes them, Icarus Verilog runs the test bench, numfmt tells what is wrong.

    python readmemh.py fp8_mul                    all 65536 pairs
    python readmemh.py bf16_fma --bug sticky_lost

Exit status: 0 all agree, 1 some differ.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from units import UNITS, arguments, choices, parameters

import numfmt
from numfmt.testing import assert_correctly_rounded


def write_words(golden: numfmt.vectors.Vectors, work: Path) -> None:
    """A pack, one word a line: operands, result, flags. The same as `nfmt vectors --form memh` writes."""
    manifest = numfmt.vectors.write(work / "pack", golden, "memh")
    (work / "vectors.hex").write_text((work / "pack" / manifest["files"][0]["name"]).read_text())


def simulate(given) -> None:
    """Compile the unit with its test bench, and run it in the work folder."""
    bench = f"tb_{given.unit}"
    options = [
        f"-P{bench}.{name}={value}" for name, value in {**parameters(given), "COUNT": given.count}.items()
    ]
    sources = [str(path) for path in [*UNITS[given.unit].sources, Path(__file__).with_name(f"{bench}.sv")]]
    subprocess.run(["iverilog", "-g2012", "-o", "bench.vvp", *options, *sources], cwd=given.work, check=True)
    subprocess.run(["vvp", "-n", "bench.vvp"], cwd=given.work, check=True)


def read_results(golden: numfmt.vectors.Vectors, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Results and flags of the test bench, which writes words as it reads them."""
    lines = path.read_text().split()
    if len(lines) != len(golden):
        raise SystemExit(f"{path} holds {len(lines)} words, {len(golden)} were asked for")
    bits = golden.request.outputs[0].bits
    words = np.array([int(line, 16) for line in lines], dtype=object)
    return (words >> 8 & (1 << bits) - 1).astype(np.uint16), (words & 0xFF).astype(np.uint8)


def main() -> int:
    given = arguments(__doc__.splitlines()[0])
    unit = UNITS[given.unit]
    how = {"count": given.count, **choices(given)}
    golden = numfmt.vectors.generate(unit.operation, unit.format, **how)
    write_words(golden, given.work)
    simulate(given)
    found = read_results(golden, given.work / "results.hex")
    try:
        assert_correctly_rounded(lambda *operands: found, unit.operation, unit.format, flags=True, **how)
    except AssertionError as error:
        print(error)
        return 1
    print(f"{given.unit}: {len(golden)} vectors, results and flags, all agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
