"""The view of how alike the layers of two models are."""
