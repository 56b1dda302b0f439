"""What the model is given, where that is more than one image: which input is varied, which slices, and the numbers."""
