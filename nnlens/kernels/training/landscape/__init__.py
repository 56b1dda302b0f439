"""The loss around a model's weights: along directions, between two models, along the path of a training."""
