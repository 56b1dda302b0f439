"""Simpler weights in place of a layer's: accuracy against cost."""
