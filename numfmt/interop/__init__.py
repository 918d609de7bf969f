"""Bridges to frameworks; each imports its framework when it is used."""
