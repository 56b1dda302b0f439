"""Simpler modules in place of a layer, and what they cost."""
