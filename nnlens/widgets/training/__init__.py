"""The view of a training."""
