"""Occlusion experiments (Zeiler & Fergus, 2014): exact, and incremental where the network allows it."""
