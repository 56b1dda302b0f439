"""The checks that could refute an attribution."""
