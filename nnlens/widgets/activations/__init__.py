"""The layers of a pass, the mosaic of one layer's maps, and one unit enlarged."""
