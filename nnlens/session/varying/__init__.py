"""Inputs other than one image: which of them is varied, and as what."""
