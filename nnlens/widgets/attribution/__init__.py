"""Attributions side by side, each with the evidence that could refute it."""
