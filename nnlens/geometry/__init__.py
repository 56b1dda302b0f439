"""Which pixels an operation sees, and which axes of a tensor are channels, rows, columns and tokens."""
