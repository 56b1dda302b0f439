"""The view of a small network as an exact expression."""
