"""Two images, or two models, side by side."""
