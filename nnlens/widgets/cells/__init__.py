"""The text coloured by a cell, all cells of a layer over time, and the cells that follow a property."""
