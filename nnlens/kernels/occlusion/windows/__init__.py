"""Passes that compute only what an occluder can change."""
