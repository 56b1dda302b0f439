"""The attention of a layer: its heads, where each token reads from, known patterns, and what is lost without a head."""
