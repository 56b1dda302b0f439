"""What the scores of a model mean, and how they are read from its output."""
