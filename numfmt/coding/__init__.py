"""What codes cost when they are stored: packed, as runs, as gaps between those that are not zero, by Huffman."""

from __future__ import annotations

__all__: list[str] = []
