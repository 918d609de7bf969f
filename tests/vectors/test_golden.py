"""Packs give the bytes that they always gave.

A change of these hashes changes packs that people keep. `NUMFMT_RENEW_GOLDEN=1` writes the new ones, and fails still.
"""

import json
import os
from pathlib import Path

import pytest

from numfmt import vectors

GOLDEN = Path(__file__).parents[1] / "golden" / "vector_packs.json"
RENEW = "NUMFMT_RENEW_GOLDEN"
PACKS = {
    "mul e4m3fn": ("mul", "e4m3fn", "testfloat", {"rounding": "rne,rtz,rup,rdn,rna"}),
    "fma f32": ("fma", "f32", "tv", {"count": 30_000}),
    "fma f32, random": ("fma", "f32", "testfloat", {"count": 150_000, "seed": 12345}),
    "add f16": ("add", "f16", "memh", {"count": 20_000, "tininess": "before"}),
    "cast e5m2": ("cast", "e5m2", "npz", {"overflow": "saturate", "nan_profile": "riscv"}),
    "to_int int32": ("to_int", "int32", "csv", {"operands": "bf16", "profile": "arm", "rounding": "rtz"}),
    "div bf16": ("div", "bf16", "sv", {"count": 5000, "ftz": "after", "daz": True}),
    "dot": ("dot", "f32", "testfloat", {"unit": "nvidia_h100_bf16", "length": 8, "count": 5000}),
    "requantize": ("requantize", "int8", "vunit", {"count": 20_000, "stage": "single"}),
    "quantize_block": ("quantize_block", "mxfp4", "memh", {"count": 5000}),
    "min e5m2": ("min", "e5m2", "jsonl", {"variant": "riscv"}),
}


def hashes(name, folder):
    op, fmt, form, how = PACKS[name]
    told = vectors.write(folder, vectors.request(op, fmt, **how), form)
    return {entry["name"]: entry["sha256"] for entry in told["files"]}


@pytest.mark.parametrize("name", PACKS)
def test_packs_give_the_same_bytes(name, tmp_path):
    if os.environ.get(RENEW):
        pytest.skip("they are renewed")
    assert hashes(name, tmp_path) == json.loads(GOLDEN.read_text())[name]


@pytest.mark.skipif(not os.environ.get(RENEW), reason=f"{RENEW}=1 writes new hashes, and fails")
def test_renewed_hashes_are_looked_at(tmp_path):
    found = {name: hashes(name, tmp_path / str(i)) for i, name in enumerate(PACKS)}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    pytest.fail(f"{GOLDEN.name} is renewed: look at the difference, then run without {RENEW}")
