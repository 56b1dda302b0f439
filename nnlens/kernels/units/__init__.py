"""Analyses of one unit or one layer: activations, examples, synthesis, connections, ablation."""
