"""The view of the loss around a model's weights."""
