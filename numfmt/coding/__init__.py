"""What codes cost when they are stored: packed, as runs, as gaps between those that are not zero, by Huffman."""

from __future__ import annotations

from .costs import Cost, StorageCost, sharing_ratio, storage_cost
from .huffman import huffman_decode, huffman_encode, huffman_lengths
from .runs import run_length_decode, run_length_encode, zero_run_decode, zero_run_encode
from .sparse import csr_decode, csr_encode, csr_huffman_decode, csr_huffman_encode
from .streams import Coded

__all__ = [
    "Coded",
    "Cost",
    "StorageCost",
    "csr_decode",
    "csr_encode",
    "csr_huffman_decode",
    "csr_huffman_encode",
    "huffman_decode",
    "huffman_encode",
    "huffman_lengths",
    "run_length_decode",
    "run_length_encode",
    "sharing_ratio",
    "storage_cost",
    "zero_run_decode",
    "zero_run_encode",
]
