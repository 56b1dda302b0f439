"""The examples of a unit: its best images in a data set."""
