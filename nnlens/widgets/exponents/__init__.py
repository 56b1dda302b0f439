"""The view of a recurrent network as a chaotic system that a text drives."""
