"""One unit: its map, back-projection, examples, synthesis, connections and ablation."""
