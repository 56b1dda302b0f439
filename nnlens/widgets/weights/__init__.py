"""The statistics of all layers' weights, beside a reference."""
